//! A model was invoked and no guardrail was in scope.

use crate::{
    framework::UNCOVERED_CALL,
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
    verdict::Reason,
};

pub(super) static RULE: Rule = Rule {
    id: "invocation-without-guardrail",
    title: "A model was invoked and no guardrail was in scope",
    severity: Severity::High,
    group: Group::Invocation,
    revealed_by: operations::COVERED,
    fires: "A call ran although a guardrail was required, and nothing was enforced, evaluated or requested for it.",
    evidence: "The effective policy of the account and its enforced configuration in the Region, both at the time of the call. If one \
        of them isn't known, the call is not provable.",
    rationale: "Whatever the caller sent reached the model, and whatever the model answered reached the caller, unfiltered.",
    remediation: "Attach a Bedrock policy that names a guardrail for this Region to the account or an OU above it, or put an enforced \
        guardrail configuration in the account.",
    references: &[
        "https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-enforcements.html",
        "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_bedrock_syntax.html",
    ],
    resolved: Resolved::ByCover,
    correlation: Correlation::FollowsFromNoneRequired,
    controls: UNCOVERED_CALL,
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    judged.violates(Reason::NoGuardrail, |judgement| {
        format!(
            "no guardrail was enforced, evaluated or requested; required: {}{}",
            judgement.required_guardrail(),
            judgement.policy_names()
        )
    })
}
