//! When an account's own enforcement was right again after a change.

use super::ChangeInContext;
use crate::{enforcement::Enforcement, timestamp::Timestamp};

/// What findings about an account's own enforcement are about: there is at most one configuration per account and Region.
pub(crate) const ENFORCED_CONFIGURATION: &str = "enforced guardrail configuration";

/// The first moment after a change at which the account's configuration was known and right.
pub(crate) fn configuration_right_again(seen: &ChangeInContext<'_>, right: impl Fn(&[Enforcement]) -> bool) -> Option<Timestamp> {
    let (account, region) = (&seen.change.account, &seen.change.region);
    let later = seen.history.policy_boundaries(account, region, seen.key.time);
    later.into_iter().find(|at| seen.history.state.configurations(account, region, *at).state().is_some_and(&right))
}
