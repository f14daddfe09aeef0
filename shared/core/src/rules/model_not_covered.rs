//! A model was invoked that enforcement excludes, although a requirement selects it.

use crate::{
    framework::UNCOVERED_CALL,
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
    verdict::Reason,
};

pub(super) static RULE: Rule = Rule {
    id: "model-not-covered",
    title: "A model was invoked that enforcement leaves out, although it is required",
    severity: Severity::High,
    group: Group::Invocation,
    revealed_by: operations::COVERED,
    fires: "The policy or configuration in force excludes the model, or includes others only, while a requirement covers it.",
    evidence: "The effective policy of the account and its enforced configuration in the Region, both at the time of the call. If one \
        of them isn't known, the call is not provable. The model must be known: an application profile is resolved through the \
        world.",
    rationale: "An exemption made for one purpose, such as embeddings, opens the model for every other.",
    remediation: "Take the model out of excluded_models, or add it to included_models; or exempt it in the [[require]] if that is what \
        the team means.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_bedrock_syntax.html"],
    resolved: Resolved::ByCover,
    correlation: Correlation::FollowsFromNoneRequired,
    controls: UNCOVERED_CALL,
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    judged.violates(Reason::ModelExcluded, |judgement| {
        format!(
            "the model is excluded or not included, while {} is required for it{}",
            judgement.required_guardrail(),
            judgement.policy_names()
        )
    })
}
