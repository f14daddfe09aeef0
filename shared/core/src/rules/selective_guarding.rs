//! Callers can choose which content the guardrail evaluates.

use crate::{
    framework::UNCOVERED_CALL,
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
    verdict::Reason,
};

pub(super) static RULE: Rule = Rule {
    id: "selective-guarding",
    title: "Callers choose what the guardrail evaluates",
    severity: Severity::Medium,
    group: Group::Invocation,
    revealed_by: operations::COVERED,
    fires: "A requirement asks for comprehensive guarding of the system prompt, the messages or both, and what is in force is selective \
        there: `selective` in selective_content_guarding, or `honor` in input_tags, which leaves both to callers.",
    evidence: "The effective policy of the account and its enforced configuration in the Region, both at the time of the call. If one \
        of them isn't known, the call is not provable.",
    rationale: "With selective guarding and no tags nothing of the system prompt is evaluated, and with tags only what the caller \
        tagged: the caller decides what the guardrail sees.",
    remediation: "Set selective_content_guarding to comprehensive in the policy or the configuration (in the older syntax, input_tags to \
        ignore).",
    references: &[
        "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_bedrock_syntax.html",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-tagging.html",
    ],
    resolved: Resolved::ByCover,
    correlation: Correlation::FollowsFromNoneRequired,
    controls: UNCOVERED_CALL,
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    judged.violates(Reason::SelectiveGuarding, |judgement| {
        let evaluated = judgement.guarding.map_or("what callers tag".to_owned(), |guarding| guarding.to_string());
        format!("{} is in force, but over {evaluated}{}", judgement.required_guardrail(), judgement.policy_names())
    })
}
