//! All rules, one file each.
//!
//! To add one: write `rules/<id>.rs`, its two lines here, and its cases under `events/<id>/`.

mod account_enforcement_removed;
mod account_enforcement_weakened;
mod account_left;
mod account_moved;
mod account_not_covered;
mod agent_without_guardrail;
mod api_not_covered;
mod auditor_tampered;
mod automated_reasoning_policy_changed;
mod bearer_key_used;
mod bedrock_key_user_changed;
mod delegation_changed;
mod draft_guardrail_used;
mod endpoint_not_covered;
mod enforcement_breaks_calls;
mod enforcement_not_observed;
mod evaluations_not_recorded;
mod flow_without_guardrail;
mod gateway_enforcement_weakened;
mod guardrail_change_unverified;
mod guardrail_condition_removed;
mod guardrail_deleted;
mod guardrail_key_disabled;
mod guardrail_not_enforceable;
mod guardrail_protection_removed;
mod guardrail_sharing_broken;
mod guardrail_tags_changed;
mod guardrail_version_altered;
mod guardrail_weakened;
mod inference_routed_outside;
mod invocation_logging_disabled;
mod invocation_not_provable;
mod invocation_without_guardrail;
mod log_store_changed;
mod long_lived_bedrock_key;
mod model_deployed_outside_policy;
mod model_hidden_by_profile;
mod model_not_covered;
mod observation_altered;
mod other_guardrail_used;
pub mod page;
mod partial_guarding;
mod policy_detached;
mod policy_invalid;
mod policy_mismatch;
mod policy_overridden;
mod policy_type_disabled;
mod policy_weakened;
mod region_enabled;
mod region_not_covered;
mod selective_guarding;
mod telemetry_gap;
mod trail_stopped;
mod unmanaged_guardrail;
mod verdicts_differ;

pub(crate) use telemetry_gap::silent_at;

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, PolicyId, TargetId},
    change::{OrganizationChange, WorldChange},
    enforcement::Enforcement,
    guardrail::Canonical,
    moment::Moment,
    operations,
    policy::{BEDROCK_POLICY, GuardrailInference, Weakening, weakening},
    rule::Rule,
    scene::{Outcome, Seen, Sighting, published_version},
    world::{PolicyBasis, PolicyInForce},
};

/// All rules, in the order of reports.
pub static RULES: &[&Rule] = &[
    // Invocation
    &invocation_without_guardrail::RULE,
    &enforcement_not_observed::RULE,
    &other_guardrail_used::RULE,
    &selective_guarding::RULE,
    &draft_guardrail_used::RULE,
    &model_not_covered::RULE,
    &region_not_covered::RULE,
    &endpoint_not_covered::RULE,
    &api_not_covered::RULE,
    &partial_guarding::RULE,
    &bearer_key_used::RULE,
    &enforcement_breaks_calls::RULE,
    &invocation_not_provable::RULE,
    // Guardrails and enforcement
    &guardrail_weakened::RULE,
    &guardrail_change_unverified::RULE,
    &guardrail_deleted::RULE,
    &guardrail_version_altered::RULE,
    &unmanaged_guardrail::RULE,
    &automated_reasoning_policy_changed::RULE,
    &account_enforcement_removed::RULE,
    &account_enforcement_weakened::RULE,
    &guardrail_sharing_broken::RULE,
    &guardrail_key_disabled::RULE,
    &guardrail_not_enforceable::RULE,
    &guardrail_tags_changed::RULE,
    // Consumers
    &agent_without_guardrail::RULE,
    &flow_without_guardrail::RULE,
    &model_hidden_by_profile::RULE,
    &model_deployed_outside_policy::RULE,
    &inference_routed_outside::RULE,
    &gateway_enforcement_weakened::RULE,
    // Organization
    &policy_detached::RULE,
    &policy_weakened::RULE,
    &policy_type_disabled::RULE,
    &policy_overridden::RULE,
    &policy_invalid::RULE,
    &account_left::RULE,
    &account_moved::RULE,
    &account_not_covered::RULE,
    &delegation_changed::RULE,
    &policy_mismatch::RULE,
    // Identity
    &guardrail_condition_removed::RULE,
    &guardrail_protection_removed::RULE,
    &long_lived_bedrock_key::RULE,
    &bedrock_key_user_changed::RULE,
    // Telemetry and the auditor itself
    &invocation_logging_disabled::RULE,
    &trail_stopped::RULE,
    &evaluations_not_recorded::RULE,
    &log_store_changed::RULE,
    &auditor_tampered::RULE,
    &observation_altered::RULE,
    &telemetry_gap::RULE,
    &verdicts_differ::RULE,
    &region_enabled::RULE,
];

/// The rule of an id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}

/// The operations that run a model and that enforcement reaches.
const COVERED_OPERATIONS: &[&str] = operations::COVERED;

/// Every call, whatever the operation.
const EVERY_CALL: &[&str] = operations::EVERY_CALL;

/// AWS takes its time to apply a change, and to describe what it did.
const SETTLING_SECONDS: i64 = 15 * 60;

/// What findings about an account's own enforcement are about: there is at most one configuration per account and Region.
const ENFORCED_CONFIGURATION: &str = "enforced guardrail configuration";

/// Of an update: the guardrail, and its DRAFT before and after, as far as known.
fn draft_before_and_after<'s>(seen: &Seen<'s>) -> Option<(GuardrailKey, Option<&'s Canonical>, Option<&'s Canonical>)> {
    let key = seen.guardrail()?;
    let read = |at: Moment| seen.scene.draft(&key, at);
    let (before, after) = (read(seen.before()), if seen.change.is_refused() { None } else { read(seen.key.time) });
    Some((key, before, after))
}

/// A version that was published, what it is compared with, and the contents of both.
type Published<'s> = (GuardrailVersionArn, (GuardrailVersionArn, Option<&'s Canonical>), Option<&'s Canonical>);

/// Of a version that was published: it, what it is compared with, and the contents of both, as far as known. It is compared with the
/// version that is enforced, else with the one before it.
fn version_before_and_after<'s>(seen: &Seen<'s>) -> Option<Published<'s>> {
    let key = seen.guardrail()?;
    let made = published_version(seen.change)?;
    let GuardrailVersion::Numbered(number) = made else {
        return None;
    };
    let (scene, time) = (seen.scene, seen.key.time);
    let enforced = scene.enforced_versions(&key, seen.before()).into_iter().filter(|version| *version < made).max();
    let before = enforced.or_else(|| number.checked_sub(1).filter(|number| *number > 0).map(GuardrailVersion::Numbered))?;
    let before = key.version(before);
    let content_before = scene.content_of(&before, time);
    let made = GuardrailVersionArn { key, version: made };
    let content = scene.content_of(&made, time).or_else(|| scene.draft(&made.key, time));
    Some((made, (before, content_before), content))
}

/// Of a version whose publication was refused: what the DRAFT that it would have been is compared with, and the contents of both. It is
/// compared with the version that is enforced, else with the latest that was read.
fn refused_version<'s>(seen: &Seen<'s>) -> Option<(GuardrailVersionArn, &'s Canonical, &'s Canonical)> {
    let key = seen.guardrail().filter(|_| seen.change.is_refused())?;
    let read =
        || seen.scene.state.versions_of(&key).map(|(version, _)| version).filter(|version| *version != GuardrailVersion::Draft).last();
    let before = seen.scene.enforced_versions(&key, seen.before()).into_iter().max().or_else(read)?;
    let draft = seen.scene.draft(&key, seen.key.time)?;
    let before = GuardrailVersionArn { key, version: before };
    let content_before = seen.scene.content_of(&before, seen.key.time)?;
    Some((before, content_before, draft))
}

/// The guardrail versions that a change of enforcement put in the place of others, each once.
fn replaced_guardrails(seen: &Seen<'_>) -> Vec<(GuardrailVersionArn, GuardrailVersionArn)> {
    let state = seen.scene.state;
    let mut replaced = Vec::new();
    match &seen.change.effect {
        Some(WorldChange::ConfigurationPut { account, region, enforcement: Some(after) }) => {
            for before in state.configurations(account, region, seen.before()).state().unwrap_or_default() {
                replaced.push((before.guardrail.clone(), after.guardrail.clone()));
            }
        }
        Some(WorldChange::Organization(change)) => {
            for account in state.effect_of(seen.key.time, &seen.key.event_id, change).accounts {
                let (Some(Some(before)), Some(Some(after))) = (account.before.state(), account.after.state()) else {
                    continue;
                };
                for (region, inference) in
                    before.regions.iter().flat_map(|(region, inferences)| inferences.iter().map(move |one| (region, one)))
                {
                    let now = after.regions.get(region).into_iter().flatten().find(|now| now.name.eq_ignore_ascii_case(&inference.name));
                    if let (Some(old), Some(new)) = (inference.enforcement(), now.and_then(GuardrailInference::enforcement)) {
                        replaced.push((old.guardrail, new.guardrail));
                    }
                }
            }
        }
        _ => {}
    }
    replaced.retain(|(old, new)| old != new);
    replaced.sort();
    replaced.dedup();
    replaced
}

/// When the version that was put in the place of a stronger one was no longer enforced in the place that the change concerns.
fn replaced_again(seen: &Seen<'_>, weaker: &GuardrailVersionArn, after: Moment, until: Moment) -> Option<Moment> {
    let state = seen.scene.state;
    let (account, region) = (&seen.change.account, &seen.change.region);
    let boundaries = seen.scene.all_boundaries(account, region, after);
    boundaries.into_iter().filter(|at| *at < until).find(|at| {
        let enforced = seen.scene.enforced_versions(&weaker.key, *at);
        let is_known = state.configurations(account, region, *at).state().is_some() || state.accounts().next().is_some();
        is_known && !enforced.is_empty() && !enforced.contains(&weaker.version)
    })
}

/// The first moment after a change at which the account's configuration was known and right.
fn configuration_right_again(seen: &Seen<'_>, right: impl Fn(&[Enforcement]) -> bool) -> Option<Moment> {
    let (account, region) = (&seen.change.account, &seen.change.region);
    let later = seen.scene.policy_boundaries(account, region, seen.key.time);
    later.into_iter().find(|at| seen.scene.state.configurations(account, region, *at).state().is_some_and(&right))
}

/// Where the effect of a change of the organization on effective policies is for the worse: one sighting for each account.
fn weaker_policies(seen: &Seen<'_>, because: &str) -> Vec<Outcome> {
    let Some(WorldChange::Organization(change)) = &seen.change.effect else {
        return Vec::new();
    };
    let effect = seen.scene.state.effect_of(seen.key.time, &seen.key.event_id, change);
    let effect_is_empty = effect.accounts.is_empty() && !effect.everybody;
    let compare = |a: &GuardrailVersionArn, b: &GuardrailVersionArn| seen.scene.compare(a, b, seen.key.time);
    // What a higher version of the same guardrail says may not be known, or not be comparable, and that is another rule's.
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
    for account in effect.accounts {
        let (before, after) = (account.before.state(), account.after.state());
        let (Some(before), Some(after)) = (before.clone(), after) else {
            // Who had no policy can't lose one.
            if before != Some(None) {
                unverified.push(account.account);
            }
            continue;
        };
        let lost = weakening(before.as_deref(), after.as_deref(), &compare_now);
        // An invalid policy only holds what was valid before off, and AWS takes its time to describe what a change did.
        let right = |at: &Moment| {
            let is_evidence = |now: &&PolicyInForce| match now.basis {
                PolicyBasis::Computed => true,
                PolicyBasis::Described => now.since.seconds_since(seen.key.time) >= SETTLING_SECONDS,
                PolicyBasis::LastValid => false,
            };
            let now = seen.scene.state.policy(&account.account, *at).state().filter(is_evidence);
            now.is_some_and(|now| weakening(before.as_deref(), now.policy.as_deref(), &compare).is_none())
        };
        let righted = || seen.scene.policy_boundaries(&account.account, region, seen.key.time).into_iter().find(right);
        let sighting = || Sighting::new(&account.account, region, resource(), because);
        if !lost.changes.is_empty() {
            outcomes.push(sighting().changing(lost.changes).righted(righted()).fires());
        } else if !lost.unverified.is_empty() {
            outcomes.push(sighting().changing(lost.unverified).unverified(true).righted(righted()).fires());
        }
    }
    if effect_is_empty && let Some((policy, target)) = unknown_target(seen, change) {
        let because = format!("{because}, for whatever lies below {target}, which the tree doesn't show");
        outcomes.push(seen.sighting(policy.as_str(), because).unverified(true).fires());
    }
    // One cause, one alarm: where nothing can be read, the accounts are named together.
    match unverified.as_slice() {
        [] if !effect.everybody || !outcomes.is_empty() => {}
        [account] if !effect.everybody => outcomes.push(Sighting::new(account, region, resource(), because).unverified(true).fires()),
        accounts => {
            let named: Vec<&str> = accounts.iter().take(10).map(AccountId::as_str).collect();
            let of = if named.is_empty() { "accounts that are not known".to_owned() } else { named.join(", ") };
            outcomes.push(seen.sighting(resource(), format!("{because}, for {of}")).unverified(true).fires());
        }
    }
    outcomes
}

/// A Bedrock policy that is detached from something, or attached to something, that the tree doesn't have.
fn unknown_target<'c>(seen: &Seen<'_>, change: &'c OrganizationChange) -> Option<(&'c PolicyId, &'c TargetId)> {
    let (OrganizationChange::DetachPolicy { policy, target } | OrganizationChange::AttachPolicy { policy, target }) = change else {
        return None;
    };
    let state = seen.scene.state;
    let organization = state.organization()?;
    let is_known = organization.units.contains_key(target)
        || organization.policy_types.contains_key(target)
        || organization.accounts.contains_key(target.as_str());
    let is_ours = state.organization_policy(policy, seen.before()).state().is_some_and(|version| version.policy_type == BEDROCK_POLICY);
    (is_ours && !is_known).then_some((policy, target))
}

/// A higher version of the same guardrail.
fn is_upgrade(old: &GuardrailVersionArn, new: &GuardrailVersionArn) -> bool {
    old.key == new.key && old.version < new.version && new.version != GuardrailVersion::Draft
}

/// For operations whose effect is in their name.
fn sure_of_effect(outcomes: Vec<Outcome>) -> Vec<Outcome> {
    let sure = |outcome| match outcome {
        Outcome::Fires(sighting) => Outcome::Fires(Box::new(sighting.unverified(false))),
        blind @ Outcome::Blind(..) => blind,
    };
    outcomes.into_iter().map(sure).collect()
}
