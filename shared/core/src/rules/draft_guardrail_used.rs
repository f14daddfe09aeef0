//! A call requested a guardrail's working draft.

use crate::{
    framework::UNCOVERED_CALL,
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
    verdict::Reason,
};

pub(super) static RULE: Rule = Rule {
    id: "draft-guardrail-used",
    title: "A guardrail's working draft was requested",
    severity: Severity::Medium,
    group: Group::Invocation,
    revealed_by: operations::COVERED,
    fires: "The request names version DRAFT, and nothing that is enforced satisfies the requirement.",
    evidence: "The effective policy of the account and its enforced configuration in the Region, both at the time of the call. If one \
        of them isn't known, the call is not provable. The request's guardrail must be in the record.",
    rationale: "A draft changes with every UpdateGuardrail, so nobody can say what filtered the call.",
    remediation: "Publish a version with CreateGuardrailVersion and request that, or enforce one.",
    references: &[
        "https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-enforcements.html",
        "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateGuardrailVersion.html",
    ],
    resolved: Resolved::ByCover,
    correlation: Correlation::FollowsFromNoneRequired,
    controls: UNCOVERED_CALL,
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    judged.violates(Reason::DraftVersion, |judgement| {
        format!("DRAFT was requested and nothing enforced satisfies the requirement of {}", judgement.required_guardrail())
    })
}
