//! Calls are refused because the enforced guardrail can't be applied.

use crate::{
    arn::GuardrailVersionArn,
    framework::{ISO_OPERATION, LENS_GUARDRAILS, MEASURE_2_4},
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "enforcement-breaks-calls",
    title: "Calls are refused because the enforced guardrail can't be applied",
    severity: Severity::High,
    group: Group::Invocation,
    revealed_by: operations::COVERED,
    fires: "A call was refused with an error about a guardrail that the caller didn't ask for: no permission to apply it, an \
        identifier that doesn't exist, an automated-reasoning policy in it.",
    evidence: "The record's errorCode and errorMessage. If the message names a guardrail, it decides; else what is enforced, where \
        that is known.",
    rationale: "Enforcement fails closed: the workload is down, and whoever runs it will look for a way around.",
    remediation: "Share the guardrail with the account (its resource policy must allow bedrock:ApplyGuardrail, also for the guardrail \
        profile), allow the caller bedrock:ApplyGuardrail in its own identity policies too, and enforce a version without automated \
        reasoning.",
    references: &[
        "https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-resource-based-policies.html",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-enforcements.html",
    ],
    resolved: Resolved::ByCoverOfTheSamePrincipal,
    correlation: Correlation::Independent,
    controls: &[MEASURE_2_4, ISO_OPERATION, LENS_GUARDRAILS],
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    let refusal = judged.guardrail_refusal.as_ref().filter(|_| judged.call.failed)?;
    let requested = judged.call.requested.as_ref();
    let by_enforcement = match (refusal.names, requested.and_then(|requested| requested.guardrail.as_ref()), refusal.enforced) {
        // The message names a guardrail: the call counts unless the caller requested that one.
        (Some(named), Some(requested), _) => GuardrailVersionArn::split(named).is_none_or(|(named, _)| named != *requested),
        // The caller requested a guardrail and the message doesn't name the one that failed: it is probably the caller's.
        (None, Some(_), _) => false,
        (_, None, _) if requested.is_some() => false,
        // The caller requested none, so an enforced one failed; if nothing is enforced, the message is about something else.
        (Some(_), None, _) | (None, None, None) => true,
        (None, None, Some(enforced)) => !enforced.is_empty(),
    };
    by_enforcement.then(|| Observed {
        because: format!("refused with {} because of {}", refusal.error_code, refusal.names.unwrap_or("an enforced guardrail")),
        ..Observed::default()
    })
}
