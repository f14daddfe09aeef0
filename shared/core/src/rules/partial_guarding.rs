//! A guardrail evaluated only a part of the content.

use crate::{
    framework::UNCOVERED_CALL,
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "partial-guarding",
    title: "A guardrail evaluated only a part of the content",
    severity: Severity::Medium,
    group: Group::Invocation,
    revealed_by: operations::COVERED,
    fires: "The invocation log of a call shows fewer guarded characters than there were.",
    evidence: "Model invocation logs with a response trace. Without them nothing can be said, and nothing is.",
    rationale: "With guardContent blocks or input tags the caller chooses what is evaluated; the rest passes.",
    remediation: "Enforce comprehensive guarding, which overrides the caller's tags.",
    references: &[
        "https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-use-converse-api.html",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-tagging.html",
    ],
    resolved: Resolved::Never,
    correlation: Correlation::Independent,
    controls: UNCOVERED_CALL,
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    (judged.partially_guarded && judged.ran()).then(|| Observed {
        because: "the invocation log shows fewer guarded characters than there were".to_owned(),
        ..Observed::default()
    })
}
