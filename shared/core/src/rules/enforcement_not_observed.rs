//! Enforcement is in force, but calls were not evaluated.

use crate::{
    framework::UNCOVERED_CALL,
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
    verdict::Reason,
};

pub(super) static RULE: Rule = Rule {
    id: "enforcement-not-observed",
    title: "Enforcement is in force, but these calls were not evaluated",
    severity: Severity::Critical,
    group: Group::Invocation,
    revealed_by: operations::COVERED,
    fires: "Enforcement covers the call, known or assumed from a later reading, a running trail records evaluations of this account and Region, evaluations of other \
        calls there are in the input, the input reaches 15 minutes past the call, and the call has none. Where request ids \
        join no evaluation to any call, at least 20 calls of one principal in an hour without a single evaluation, while other \
        principals have some that may be inside of calls: marked as enforced, or of a guardrail that their calls request.",
    evidence: "The trail's selectors (telemetry in the world), and ApplyGuardrail data events in the input. Without them the verdict \
        rests on enforcement alone.",
    rationale: "The configuration says that a guardrail applies, and the record of what ran says that it didn't: either a way around \
        enforcement, or enforcement that fails.",
    remediation: "Look at the principal's calls: the model id, the client and the endpoint. Check whether data events were delayed or \
        filtered. Then open a case with AWS, with the request ids.",
    references: &[
        "https://docs.aws.amazon.com/bedrock/latest/userguide/logging-using-cloudtrail.html",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-enforcements.html",
    ],
    // Other principals are evaluated all the time, so only an evaluation of the same principal proves that it is covered.
    resolved: Resolved::ByObservationOfTheSamePrincipal,
    correlation: Correlation::Independent,
    controls: UNCOVERED_CALL,
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    judged.violates(Reason::NotObserved, |judgement| {
        format!("{} is enforced and evaluations are recorded here, but these calls have none", judgement.required_guardrail())
    })
}
