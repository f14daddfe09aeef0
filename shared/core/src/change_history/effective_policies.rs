//! Finds the accounts whose effective policies a change of the organization makes weaker, and the time at which each is restored.

use std::{collections::HashMap, sync::Arc};

use super::{ChangeInContext, Outcome, RuleMatch, guardrail_versions::is_upgrade};
use crate::{
    arn::{AccountId, GuardrailVersionArn, PolicyId, TargetId},
    change::{OrganizationChange, WorldChange},
    control_change::ControlChange,
    policy::{BEDROCK_POLICY, EffectivePolicy, Weakening, weakening},
    timestamp::Timestamp,
    world::{PolicyBasis, PolicyInForce},
};

/// Seconds after a change of the organization from which a described effective policy counts as showing it. AWS documents no time, so this
/// is an assumption (docs/aws/bedrock-policies.md#limits): a shorter one would take an old description for evidence that the policy is
/// restored.
pub(crate) const PROPAGATION_SECONDS: i64 = 15 * 60;

/// How a change made an effective policy weaker.
struct Weaker {
    changes: Vec<ControlChange>,
    unverified: bool,
    restored_at: Option<Timestamp>,
}

/// A match for each account whose effective policy a change of the organization makes weaker.
pub(crate) fn weaker_policies(seen: &ChangeInContext<'_>, because: &str) -> Vec<Outcome> {
    let Some(WorldChange::Organization(change)) = &seen.change.effect else {
        return Vec::new();
    };
    let effect = seen.history.state.effect_of(seen.key.time, &seen.key.event_id, change);
    let effect_is_empty = effect.accounts.is_empty() && !effect.everybody;
    let compare = |a: &GuardrailVersionArn, b: &GuardrailVersionArn| seen.history.compare(a, b, seen.key.time);
    // A higher version of the same guardrail whose content isn't known or comparable is reported by another rule.
    let compare_now = |a: &GuardrailVersionArn, b: &GuardrailVersionArn| {
        let compared = compare(a, b);
        if is_upgrade(a, b) { Weakening { unverified: Vec::new(), ..compared } } else { compared }
    };
    let region = &seen.change.region;
    let resource = || {
        let named = seen.change.text("policyId").or_else(|| seen.change.text("rootId"));
        named.or_else(|| seen.change.text("accountId")).unwrap_or("organization").to_owned()
    };
    let mut outcomes = Vec::new();
    let mut unverified = Vec::new();
    // Most accounts share their policies at all times, and so the answer.
    let mut known: HashMap<[usize; 3], Option<Weaker>> = HashMap::new();
    for account in effect.accounts {
        let (before, after) = (account.before.state(), account.after.state());
        let (Some(before), Some(after)) = (before.clone(), after) else {
            // An account that had no policy can't lose one.
            if before != Some(None) {
                unverified.push(account.account);
            }
            continue;
        };
        let number = seen.history.state.policies_number(&account.account);
        let address = |policy: &Option<Arc<EffectivePolicy>>| policy.as_ref().map_or(0, |policy| Arc::as_ptr(policy).addr());
        let weaker = known.entry([number, address(&before), address(&after)]).or_insert_with(|| {
            let lost = weakening(before.as_deref(), after.as_deref(), &compare_now);
            let unverified = lost.changes.is_empty();
            let changes = if unverified { lost.unverified } else { lost.changes };
            // While the current policy is invalid, the last valid one in force is no evidence; nor is an answer that AWS gave too early.
            let right = |at: Timestamp| {
                let is_evidence = |now: &&PolicyInForce| match now.basis {
                    PolicyBasis::Computed => true,
                    PolicyBasis::Described => now.since.seconds_since(seen.key.time) >= PROPAGATION_SECONDS,
                    PolicyBasis::LastValid => false,
                };
                let now = seen.history.state.policy(&account.account, at).state().filter(is_evidence);
                now.is_some_and(|now| weakening(before.as_deref(), now.policy.as_deref(), &compare).is_none())
            };
            let later = seen.history.state.policies_after(&account.account, seen.key.time).map(|(time, _)| time);
            let finding = || format!("{} of {} in {region}, policies {number}", seen.change.operation, resource());
            (!changes.is_empty()).then(|| Weaker { changes, unverified, restored_at: seen.right_again(finding(), later, right) })
        });
        if let Some(Weaker { changes, unverified, restored_at }) = weaker {
            let rule_match = RuleMatch::new(&account.account, region, resource(), because).changing(changes.clone());
            outcomes.push(rule_match.unverified(*unverified).restored_at(*restored_at).fires());
        }
    }
    if effect_is_empty && let Some((policy, target)) = unknown_target(seen, change) {
        let because = format!("{because}, for whatever lies below {target}, which the tree doesn't show");
        outcomes.push(seen.rule_match(policy.as_str(), because).unverified(true).fires());
    }
    // Accounts whose effective policies aren't known share one match, because the change that is their cause is one.
    match unverified.as_slice() {
        [] if !effect.everybody || !outcomes.is_empty() => {}
        [account] if !effect.everybody => outcomes.push(RuleMatch::new(account, region, resource(), because).unverified(true).fires()),
        accounts => {
            let named: Vec<&str> = accounts.iter().take(10).map(AccountId::as_str).collect();
            let of = if named.is_empty() { "accounts that are not known".to_owned() } else { named.join(", ") };
            outcomes.push(seen.rule_match(resource(), format!("{because}, for {of}")).unverified(true).fires());
        }
    }
    outcomes
}

/// The Bedrock policy and the target of an attachment or detachment whose target is not in the organization's tree as it was read.
fn unknown_target<'c>(seen: &ChangeInContext<'_>, change: &'c OrganizationChange) -> Option<(&'c PolicyId, &'c TargetId)> {
    let (OrganizationChange::DetachPolicy { policy, target } | OrganizationChange::AttachPolicy { policy, target }) = change else {
        return None;
    };
    let state = seen.history.state;
    let organization = state.organization()?;
    let is_known = organization.units.contains_key(target)
        || organization.policy_types.contains_key(target)
        || organization.accounts.contains_key(target.as_str());
    let is_ours = state.organization_policy(policy, seen.before()).state().is_some_and(|version| version.policy_type == BEDROCK_POLICY);
    (is_ours && !is_known).then_some((policy, target))
}
