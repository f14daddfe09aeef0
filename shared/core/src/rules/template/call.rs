//! TODO: what is wrong, in a sentence.

use crate::{
    framework::UNCOVERED_CALL,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
    verdict::Reason,
};

pub(in crate::rules) static RULE: Rule = Rule {
    id: "the-id",
    title: "TODO: what is wrong, in one line, without a full stop",
    severity: Severity::Medium,
    group: Group::Invocation,
    revealed_by: &["TheOperation"],
    fires: "TODO: when exactly it fires.",
    evidence: "TODO: what must be known for that, and what happens if it isn't.",
    rationale: "TODO: why it matters.",
    remediation: "TODO: the way back, as an order.",
    references: &["https://docs.aws.amazon.com/TODO"],
    resolved: Resolved::ByCover,
    correlation: Correlation::Independent,
    controls: UNCOVERED_CALL,
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    // TODO: the reason that the verdict gives for what is wrong, and what the finding says of a call.
    judged.violates(Reason::RegionNotCovered, |judgement| format!("TODO; required: {}", judgement.required_guardrail()))
}
