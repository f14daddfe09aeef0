//! The registry of rules. Each rule is a static value in a file of its own.
//!
//! To add one: `cargo xtask rule new <id> --operation <service>:<Operation>` writes `rules/<id>.rs`, its `mod` line here, and its cases
//! under `events/<id>/`.

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

#[cfg(test)]
mod template;

pub(crate) use log_store_changed::{looks_like_evidence, store_of};
pub(crate) use telemetry_gap::silent_at;

use crate::rule::Rule;

/// All rules, in the order of the catalogue. A rule that is missing here is never checked.
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

/// The rule about facts that were altered, which the hub reports by itself.
pub static OBSERVATION_ALTERED: &Rule = &observation_altered::RULE;
/// The rule about missing evidence, which the hub reports by itself too, where it has more to compare.
pub static TELEMETRY_GAP: &Rule = &telemetry_gap::RULE;
/// The rule about verdicts that members reported and that differ from the hub's, which the hub reports by itself.
pub static VERDICTS_DIFFER: &Rule = &verdicts_differ::RULE;

/// The rule with this id, such as `api-not-covered`.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}
