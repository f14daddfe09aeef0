//! A model was run by an operation that enforcement isn't documented to cover.

use crate::{
    framework::UNCOVERED_CALL,
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
    verdict::Reason,
};

pub(super) static RULE: Rule = Rule {
    id: "api-not-covered",
    title: "A model was run by an operation that enforcement isn't documented to reach",
    severity: Severity::Medium,
    group: Group::Invocation,
    revealed_by: operations::OTHERS_NOT_COVERED,
    fires: "A bidirectional stream, an asynchronous or batch job, an evaluation or customisation job, ingestion, Data Automation, a build \
        of an automated-reasoning policy, an evaluation by AgentCore; an operation that nobody has heard of and that looks like a call of a \
        model; or an agent or flow that is known to have no guardrail.",
    evidence: "The record itself; most of these are data events, which a trail must select. Agents and flows need their configuration \
        (GetAgent, GetFlow); without it the call is not provable. Calls of AgentCore's gateways, harnesses and runtimes are not provable.",
    rationale: "AWS names four operations that enforcement covers. What it does to others is not documented, so they count as not \
        covered.",
    remediation: "Use Converse or InvokeModel, give the agent or flow a guardrail of its own, or record the exception with a reason and \
        an end.",
    references: &[
        "https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-enforcements.html",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/logging-using-cloudtrail.html",
    ],
    resolved: Resolved::ByCover,
    correlation: Correlation::Independent,
    controls: UNCOVERED_CALL,
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    judged.violates(Reason::ApiNotCovered, |judgement| {
        format!("enforcement is not documented to reach this operation; required: {}", judgement.required_guardrail())
    })
}
