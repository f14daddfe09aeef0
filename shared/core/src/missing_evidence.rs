//! The kinds of evidence that can be missing for an account and Region, each with the step that makes it available.
//!
//! A report lists them under `blind` (docs/glossary.md#blind-spot), so that the absence of findings isn't mistaken for compliance.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{telemetry::DATA_RESOURCES, verdict::Missing};

/// A kind of evidence that is missing for an account and Region. The names of the variants, in snake case, are values in the JSON report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingEvidence {
    /// The event selectors and the status of the account's CloudTrail trails, so that nobody knows which events they record.
    Telemetry,
    /// ApplyGuardrail data events: no trail of the account selects them.
    EvaluationsNotRecorded,
    /// Data events of operations that run a model (such as InvokeAgent): no trail of the account selects all of them.
    DataEventsNotRecorded,
    /// Invocation logs, and the guardrail traces in them: model invocation logging is off in the Region.
    InvocationLogsOff,
    /// The KMS key of each guardrail, without which it isn't known whether a change of a key affects a guardrail.
    GuardrailKeys,
    /// The answers of GetGuardrail, without which it isn't known whether a changed automated reasoning policy is part of a guardrail.
    GuardrailContents,
    /// The IAM policies of an identity before a change, without which it isn't known whether the change loosens them.
    IdentityPolicies,
    /// The buckets, log groups and keys that trails and invocation logging write with, without which it isn't known whether a change of one
    /// affects evidence.
    LogStores,
    /// The CloudTrail records of calls of which only invocation logs were given: such calls are not judged.
    CallsNotRead,
    /// Guardrail traces of answers that invocation logging put into S3 objects of their own, which are not read.
    LogBodies,
    /// The older part of CloudTrail's event history: since it was read last, there were more events than the hub reads in one go.
    EventHistory,
    /// Records of days that a store has compacted: one came late, or a change is dated back to between their calls.
    CompactedDays,
    /// Evidence that a verdict needs: calls are `not_provable` without it.
    #[serde(untagged)]
    Evidence(Missing),
}

/// The remedy for [`MissingEvidence::DataEventsNotRecorded`]. It names the resource type of each selector in [`DATA_RESOURCES`].
static SELECT_DATA_ROADS: LazyLock<String> = LazyLock::new(|| {
    let kinds: Vec<&str> = DATA_RESOURCES.iter().map(|resource| resource.event.resource_type).collect();
    let (last, others) = kinds.split_last().unwrap_or((&"", &[]));
    format!("add data event selectors for {} and {last}", others.join(", "))
});

impl MissingEvidence {
    /// Its name in JSON, the same as serde writes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            MissingEvidence::Evidence(missing) => missing.as_str(),
            MissingEvidence::Telemetry => "telemetry",
            MissingEvidence::EvaluationsNotRecorded => "evaluations_not_recorded",
            MissingEvidence::DataEventsNotRecorded => "data_events_not_recorded",
            MissingEvidence::InvocationLogsOff => "invocation_logs_off",
            MissingEvidence::GuardrailKeys => "guardrail_keys",
            MissingEvidence::GuardrailContents => "guardrail_contents",
            MissingEvidence::IdentityPolicies => "identity_policies",
            MissingEvidence::LogStores => "log_stores",
            MissingEvidence::CallsNotRead => "calls_not_read",
            MissingEvidence::LogBodies => "log_bodies",
            MissingEvidence::EventHistory => "event_history",
            MissingEvidence::CompactedDays => "compacted_days",
        }
    }

    /// What making it visible costs, where that is charged by what is recorded and the remedy doesn't say it: list prices of us-east-1
    /// (docs/aws/prices-and-limits.md#prices).
    #[must_use]
    pub fn price(self) -> Option<&'static str> {
        match self {
            MissingEvidence::DataEventsNotRecorded => Some("$0.10 per 100,000 data events"),
            MissingEvidence::InvocationLogsOff => {
                Some("$0.50 per GB in CloudWatch Logs, or $0.005 per 1,000 objects and their storage in S3")
            }
            _ => None,
        }
    }

    /// An instruction for the reader of a report: what to enable, or to read into the world, so that the evidence is there.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            MissingEvidence::Evidence(missing) => missing.remedy(),
            MissingEvidence::Telemetry => "read the trails' selectors and status (GetEventSelectors, GetTrailStatus) into world/telemetry/",
            MissingEvidence::EvaluationsNotRecorded => {
                "add a data event selector for AWS::Bedrock::Guardrail to a trail: $1.00 per million events"
            }
            MissingEvidence::DataEventsNotRecorded => &SELECT_DATA_ROADS,
            MissingEvidence::CallsNotRead => {
                "give the CloudTrail records of the same time too; a call without one may be missing from the trail"
            }
            MissingEvidence::LogBodies => {
                "they are not read: let CloudTrail record evaluations (a data event selector for AWS::Bedrock::Guardrail)"
            }
            MissingEvidence::GuardrailKeys | MissingEvidence::GuardrailContents => {
                "read the guardrails (GetGuardrail) into world/guardrails/"
            }
            MissingEvidence::IdentityPolicies => "read the policies of roles, users and groups into world/iam/",
            MissingEvidence::LogStores => {
                "read the trails (DescribeTrails, GetEventSelectors) and invocation logging into world/telemetry/"
            }
            MissingEvidence::EventHistory => {
                "event history holds more events than are read in one look (5,000): let the hub read the organization's trail, or look more often"
            }
            MissingEvidence::CompactedDays => {
                "the store has only sums of these days, and what came later for them is not judged: audit their logs into another store"
            }
            MissingEvidence::InvocationLogsOff => "switch model invocation logging on (PutModelInvocationLoggingConfiguration)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_one_word_in_json() {
        for (blindness, json) in [
            (MissingEvidence::Evidence(Missing::EffectivePolicy), r#""effective_policy""#),
            (MissingEvidence::EvaluationsNotRecorded, r#""evaluations_not_recorded""#),
            (MissingEvidence::CallsNotRead, r#""calls_not_read""#),
        ] {
            assert_eq!(serde_json::to_string(&blindness).unwrap(), json);
            assert_eq!(serde_json::from_str::<MissingEvidence>(json).unwrap(), blindness);
            assert_eq!(format!("\"{}\"", blindness.as_str()), json);
        }
    }
}
