//! A guardrail other than the required one applied, or a version below the required one.

use crate::{
    framework::UNCOVERED_CALL,
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
    verdict::Reason,
};

pub(super) static RULE: Rule = Rule {
    id: "other-guardrail-used",
    title: "Another guardrail than the required one applied, or a version below it",
    severity: Severity::High,
    group: Group::Invocation,
    revealed_by: operations::COVERED,
    fires: "The required guardrail was not in scope, while another one was enforced, evaluated or requested; or it was, in a \
        version below the required one.",
    evidence: "The effective policy of the account and its enforced configuration in the Region, both at the time of the call. If one \
        of them isn't known, the call is not provable. An evaluation of the very call shows more than either.",
    rationale: "A guardrail of somebody's own making may look the part and filter nothing.",
    remediation: "Point the policy, the configuration or the request at the required guardrail and version. If a lower attachment \
        replaced it, detach that one, and lock the setting above it with @@operators_allowed_for_child_policies.",
    references: &[
        "https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-enforcements.html",
        "https://docs.aws.amazon.com/organizations/latest/userguide/policy-operators.html",
    ],
    resolved: Resolved::ByCover,
    correlation: Correlation::FollowsFromNoneRequired,
    controls: UNCOVERED_CALL,
    checks: &[Check::Call(check)],
};

/// Another guardrail and an older version have different causes, so they are two findings.
fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    let reason = judged.judgement.reason.filter(|reason| matches!(reason, Reason::WrongGuardrail | Reason::WrongVersion))?;
    let judgement = judged.judgement;
    let what = match reason {
        Reason::WrongVersion => "applied in a version below the required one",
        _ => "was not in scope, but another guardrail was enforced, evaluated or requested",
    };
    Some(Observed {
        discriminator: reason.to_string(),
        because: format!("{} {what}{}", judgement.required_guardrail(), judgement.policy_names()),
        ..Observed::default()
    })
}
