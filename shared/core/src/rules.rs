//! All rules, one file each.
//!
//! To add one: write `rules/<id>.rs`, its two lines here, and its cases under `events/<id>/`.

mod api_not_covered;
mod bearer_key_used;
mod draft_guardrail_used;
mod endpoint_not_covered;
mod enforcement_breaks_calls;
mod enforcement_not_observed;
mod invocation_not_provable;
mod invocation_without_guardrail;
mod model_not_covered;
mod other_guardrail_used;
mod partial_guarding;
mod region_not_covered;
mod selective_guarding;

use crate::rule::Rule;

/// All rules, in the order of reports.
pub static RULES: &[&Rule] = &[
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
];

/// The rule of an id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}

/// The operations that run a model and that enforcement reaches.
const COVERED_OPERATIONS: &[&str] = &["InvokeModel", "InvokeModelWithResponseStream", "Converse", "ConverseStream"];

/// Every call, whatever the operation.
const EVERY_CALL: &[&str] = &[
    "InvokeModel",
    "InvokeModelWithResponseStream",
    "Converse",
    "ConverseStream",
    "InvokeModelWithBidirectionalStream",
    "StartAsyncInvoke",
    "CreateModelInvocationJob",
    "InvokeAgent",
    "InvokeFlow",
    "RetrieveAndGenerate",
    "CreateInference",
];
