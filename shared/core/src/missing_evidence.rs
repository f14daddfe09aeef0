//! What can't be seen of an account and Region, and how to see it.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{telemetry::DATA_ROADS, verdict::Missing};

/// What can't be seen of an account and Region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingEvidence {
    /// What the trails record.
    Telemetry,
    /// Evaluations: the trails don't record them.
    EvaluationsNotRecorded,
    /// Roads to a model that are data events: the trails don't record some of them.
    DataEventsNotRecorded,
    /// What guardrails did: model invocation logging is off.
    InvocationLogsOff,
    /// Which keys guardrails are encrypted with, so that a change of a key can't be told to matter.
    GuardrailKeys,
    /// What guardrails hold, so that a change of something that they may hold can't be told to matter.
    GuardrailContents,
    /// What an identity's policy said before, so that a change of it can't be told to loosen it.
    IdentityPolicies,
    /// Where evidence is kept, so that a change of a bucket, log group or key can't be told to matter.
    LogStores,
    /// Calls that only their invocation logs tell of: nobody judged them.
    CallsNotRead,
    /// What guardrails did, where invocation logs leave answers to objects of their own.
    LogBodies,
    /// The older part of CloudTrail's event history: there were more events since the last look than the hub reads in one.
    EventHistory,
    /// What is needed for verdicts.
    #[serde(untagged)]
    Evidence(Missing),
}

/// The selectors of all roads to a model that are data events.
static SELECT_DATA_ROADS: LazyLock<String> = LazyLock::new(|| {
    let kinds: Vec<&str> = DATA_ROADS.iter().map(|road| road.event.resource_type).collect();
    let (last, others) = kinds.split_last().unwrap_or((&"", &[]));
    format!("add data event selectors for {} and {last}", others.join(", "))
});

impl MissingEvidence {
    /// The word for it in JSON.
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
        }
    }

    /// How to see it.
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
