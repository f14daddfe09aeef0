//! A model was invoked where guardrails don't reach.

use crate::{
    framework::UNCOVERED_CALL,
    rule::{Check, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
    verdict::Reason,
};

pub(super) static RULE: Rule = Rule {
    id: "endpoint-not-covered",
    title: "A model was invoked where guardrails don't reach",
    severity: Severity::High,
    group: Group::Invocation,
    revealed_by: &["CreateInference", "CreateResponse"],
    fires: "Inference on bedrock-mantle, or by the Responses API.",
    evidence: "The record itself; bedrock-mantle calls are data events of AWS::BedrockMantle::Project, which a trail must select. \
        That the account's policy doesn't exempt the model must be known.",
    rationale: "AWS documents that guardrails are not supported there. What an enforced policy does to such calls is not documented, \
        so they count as not covered.",
    remediation: "Deny bedrock-mantle:* with an SCP, or move the workload to Converse or InvokeModel.",
    references: &[
        "https://docs.aws.amazon.com/bedrock/latest/userguide/endpoints.html",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/inference-responses-api.html",
    ],
    resolved: Resolved::ByCover,
    controls: UNCOVERED_CALL,
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    judged.violates(Reason::EndpointNotCovered, |judgement| {
        format!("guardrails don't reach this endpoint; required: {}", judgement.required_guardrail())
    })
}
