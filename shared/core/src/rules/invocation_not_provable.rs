//! Evidence is missing to decide whether a guardrail applied to calls.

use crate::{
    framework::{ISO_EVENT_LOGS, LENS_MONITORING, MEASURE_2_4},
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "invocation-not-provable",
    title: "Whether a guardrail applied can't be proved",
    severity: Severity::Low,
    group: Group::Invocation,
    revealed_by: operations::EVERY_CALL,
    fires: "The verdict of a call is not_provable. One finding for each kind of evidence that is missing.",
    evidence: "This rule is about missing evidence.",
    rationale: "What can't be seen can't be called compliant. Each gap is a place where a bypass would go unnoticed.",
    remediation: "Read what is missing into the world, or switch on what records it: the finding says which.",
    references: &[
        "https://docs.aws.amazon.com/bedrock/latest/userguide/logging-using-cloudtrail.html",
        "https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeEffectivePolicy.html",
    ],
    resolved: Resolved::ByCover,
    correlation: Correlation::Independent,
    controls: &[MEASURE_2_4, ISO_EVENT_LOGS, LENS_MONITORING],
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    judged.is_not_provable().then(|| {
        let missing: Vec<&str> = judged.judgement.missing.iter().map(|missing| missing.as_str()).collect();
        let in_words: Vec<String> = judged.judgement.missing.iter().map(|missing| missing.in_words()).collect();
        let remedies: Vec<&str> = judged.judgement.missing.iter().map(|missing| missing.remedy()).collect();
        Observed {
            discriminator: missing.join("+"),
            because: format!("missing: {}", in_words.join("; ")),
            remediation: Some(format!("To get it: {}.", remedies.join("; "))),
            ..Observed::default()
        }
    })
}
