//! Finds the time at which an account configuration is restored after a change.

use super::ChangeInContext;
use crate::{enforcement::Enforcement, timestamp::Timestamp};

/// The resource of findings about account configurations. It needs no id, since there is at most one per account and Region.
pub(crate) const ENFORCED_CONFIGURATION: &str = "enforced guardrail configuration";

/// The first time after a change at which the account configuration is known and fulfils a condition.
pub(crate) fn configuration_right_again(seen: &ChangeInContext<'_>, right: impl Fn(&[Enforcement]) -> bool) -> Option<Timestamp> {
    let (account, region) = (&seen.change.account, &seen.change.region);
    let later = seen.history.policy_boundaries(account, region, seen.key.time);
    let finding = format!("{} of {ENFORCED_CONFIGURATION} {account} {region}", seen.change.operation);
    seen.right_again(finding, later, |at| seen.history.state.configurations(account, region, at).state().is_some_and(&right))
}
