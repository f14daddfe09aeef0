//! A model was invoked at an endpoint that doesn't support guardrails.

use crate::{
    framework::UNCOVERED_CALL,
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
    verdict::Reason,
};

pub(super) static RULE: Rule = Rule {
    id: "endpoint-not-covered",
    title: "A model was invoked where guardrails don't reach",
    severity: Severity::High,
    group: Group::Invocation,
    revealed_by: operations::UNSUPPORTED,
    fires: "Inference on bedrock-mantle, on Claude Platform on AWS, or by the Responses API.",
    evidence: "The record itself. Calls of bedrock-mantle are data events of AWS::BedrockMantle::Project, ::CustomizedModel and \
        ::Reservation, those of Claude Platform on AWS of AWS::AWSExternalAnthropic::Workspace: a trail must select them. A response that is \
        created at the runtime endpoint seems to be recorded as InvokeModel: where the client may have done so, the call is not provable. \
        That the account's policy doesn't exempt the model must be known.",
    rationale: "AWS documents that guardrails are not supported there. What an enforced policy does to such calls is not documented, \
        so they count as not covered.",
    remediation: "Move the workload to Converse or InvokeModel. With an SCP, deny bedrock-mantle:* and aws-external-anthropic:*, and to stop \
        the Responses API of the runtime endpoint and nothing else bedrock:InvokeModel* on arn:aws:bedrock:*:*:project/*.",
    references: &[
        "https://docs.aws.amazon.com/bedrock/latest/userguide/endpoints.html",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/inference-responses-api.html",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/logging-cloudtrail-mantle.html",
        "https://docs.aws.amazon.com/claude-platform/latest/userguide/monitoring.html",
    ],
    resolved: Resolved::ByCover,
    correlation: Correlation::Independent,
    controls: UNCOVERED_CALL,
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    judged.violates(Reason::EndpointNotCovered, |judgement| {
        format!("guardrails don't reach this endpoint; required: {}", judgement.required_guardrail())
    })
}
