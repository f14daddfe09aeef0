//! A member account created its own guardrail and requests it in place of the required one.

use crate::{
    framework::{ATLAS_GUARDRAILS, GOVERN_1_2, ISO_INTENDED_USE, LENS_GUARDRAILS},
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
    verdict::Verdict,
};

pub(super) static RULE: Rule = Rule {
    id: "unmanaged-guardrail",
    title: "A member account made a guardrail of its own and uses it in place of the required one",
    severity: Severity::Low,
    group: Group::Guardrails,
    revealed_by: operations::joined!(&["CreateGuardrail"], operations::COVERED),
    fires: "A call asks for a guardrail of its own account, an earlier CreateGuardrail shows that it was made there, and the call is a \
        violation: the required guardrail was not in scope.",
    evidence: "The CreateGuardrail event, and the verdict of the call. A call that is covered as well, or whose verdict can't be proved, \
        says nothing.",
    rationale: "A guardrail that nobody reviewed looks like protection and may filter nothing.",
    remediation: "Ask for the organization's guardrail, or have it enforced for the account; delete the other one.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateGuardrail.html"],
    resolved: Resolved::ByCoverOfTheSamePrincipal,
    correlation: Correlation::FollowsFromNoneRequired,
    controls: &[GOVERN_1_2, ISO_INTENDED_USE, ATLAS_GUARDRAILS, LENS_GUARDRAILS],
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    let created_in_account =
        judged.created_in_account.as_ref().filter(|_| judged.ran() && judged.judgement.verdict == Verdict::Violation)?;
    Some(Observed {
        discriminator: created_in_account.clone(),
        because: format!(
            "asked for {created_in_account}, which this account made itself, in place of {}",
            judged.judgement.required_guardrail()
        ),
        resource: Some(created_in_account.clone()),
        ..Observed::default()
    })
}
