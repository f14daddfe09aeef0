//! Reads the bytes of one JSON value and classifies it: a record, an envelope around records, an invocation log, or something unknown.

use super::record::Record;
use crate::{invocation_log::InvocationLog, json::without_duplicates};

/// One JSON value of a log file, by its kind.
#[derive(Debug)]
pub enum Item<'a> {
    /// A CloudTrail record.
    Record(Box<Record<'a>>),
    /// A model invocation log (`schemaType: ModelInvocationLog`, docs/aws/invocation-logs.md#record).
    InvocationLog(Box<InvocationLog>),
    /// A digest file of CloudTrail's log file validation. It holds no record.
    Digest,
    /// A CloudTrail Insight or the summary of one. It is no call.
    Insight,
    /// An event on an EventBridge bus that is not from CloudTrail, such as the end of a batch job.
    BusEvent,
    /// The message that CloudWatch Logs sends to check that a subscription's destination can be reached.
    ControlMessage,
    /// A model's request or response, which invocation logging writes to an object of its own when it is large.
    Body,
}

/// Why a value can't be read as any kind of record.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableRecord {
    /// The bytes are not JSON.
    #[error("not valid JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// JSON other than an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// An object that has no `eventName`.
    #[error("not a CloudTrail record: no `eventName`")]
    NoEventName,
    /// A known object that is no record, with its name.
    #[error("not a CloudTrail record: {0}")]
    NoRecord(&'static str),
    /// A line of text without JSON.
    #[error("neither a JSON object nor an array")]
    NoJson,
    /// A record that ends in the middle.
    #[error("the record is cut off")]
    CutOff,
    /// Compressed bytes within a value that can't be decompressed.
    #[error("failed to decompress what is inside")]
    Damaged,
    /// Envelopes within envelopes, more than are followed.
    #[error("wrapped too deep")]
    TooDeep,
    /// A value that decodes or decompresses to more than 64 MiB.
    #[error("more than 64 MiB inside of one value")]
    TooLarge,
    /// A change without a readable time: whether it came before or after a call can't be decided.
    #[error("no readable `eventTime`, so the change has no place in time")]
    NoEventTime,
    /// The record inside an envelope can't be read.
    #[error("unreadable `{field}`: {source}")]
    Wrapped {
        /// The member that should hold the record.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<UnreadableRecord>,
    },
}

/// A record, or another item, that was found in a value.
#[derive(Debug)]
pub struct Unwrapped<'a> {
    /// The item, or why it can't be read.
    pub item: Result<Item<'a>, UnreadableRecord>,
    /// The bytes of JSON that it was read from; empty if there are none, as for a row of a table.
    pub json: &'a [u8],
    /// It was delivered by EventBridge.
    pub on_bus: bool,
}

/// Reads an invocation log, also one with duplicate members.
pub(super) fn read_log(json: &str) -> Result<InvocationLog, serde_json::Error> {
    serde_json::from_str(json).or_else(|error| {
        let once = without_duplicates(json.as_bytes()).ok_or(error)?;
        serde_json::from_str(&once)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(json: &str) -> String {
        Item::parse(json.as_bytes(), |item| match item {
            Ok(Item::Record(record)) => format!("record {}", record.event_name.or_empty()),
            Ok(Item::InvocationLog(log)) => format!("log {}", log.request_id),
            Ok(Item::Digest) => "digest".to_owned(),
            Ok(Item::Insight) => "insight".to_owned(),
            Ok(Item::BusEvent) => "event of the bus".to_owned(),
            Ok(Item::ControlMessage) => "control message".to_owned(),
            Ok(Item::Body) => "body".to_owned(),
            Err(error) => error.to_string(),
        })
    }

    #[test]
    fn kinds_are_told_apart() {
        assert_eq!(kind(r#"{"eventName":"Converse"}"#), "record Converse");
        assert_eq!(kind(r#"{"detail-type":"AWS API Call via CloudTrail","detail":{"eventName":"Converse"}}"#), "record Converse");
        assert_eq!(kind(r#"{"detail":{"eventName":"Converse"}}"#), "record Converse");
        assert_eq!(kind(r#"{"EventName":"Converse","CloudTrailEvent":"{\"eventName\":\"Converse\"}"}"#), "record Converse");
        assert_eq!(kind(r#"{"schemaType":"ModelInvocationLog","requestId":"r"}"#), "log r");
        assert_eq!(kind(r#"{"digestS3Object":"k","logFiles":[]}"#), "digest");
        for insight in [
            r#"{"eventName":"x","eventCategory":"Insight","insightDetails":{}}"#,
            r#"{"eventType":"AwsCloudTrailInsight","insightDetails":{"eventName":"Converse"}}"#,
            r#"{"detail-type":"AWS Insight via CloudTrail","detail":{"insightDetails":{"eventName":"Converse"}}}"#,
        ] {
            assert_eq!(kind(insight), "insight", "{insight}");
        }
    }

    #[test]
    fn events_of_the_bus_that_are_not_cloudtrails_are_no_records() {
        for event in [
            r#"{"version":"0","detail-type":"Batch Inference Job State Change","source":"aws.bedrock","detail":{"status":"Completed"}}"#,
            r#"{"detail-type":"Scheduled Event","detail":{}}"#,
            r#"{"detail-type":"GuardDuty Finding","detail":{"service":{"action":{"awsApiCallAction":{"api":"Converse"}}}}}"#,
            r#"{"detail-type":"order placed"}"#,
        ] {
            assert_eq!(kind(event), "event of the bus", "{event}");
        }
        let lost = r#"{"detail-type":"AWS API Call via CloudTrail","detail":{"eventSource":"bedrock.amazonaws.com"}}"#;
        assert_eq!(kind(lost), "unreadable `detail`: not a CloudTrail record: no `eventName`");
    }

    #[test]
    fn what_is_said_twice_makes_no_record_unreadable() {
        for record in [
            r#"{"eventName":"ListModels","eventName":"Converse"}"#,
            r#"{"eventName":"Converse","resources":[{"ARN":"a","arn":"a"}]}"#,
            r#"{"eventName":"Converse","userIdentity":{"arn":"a","arn":"a","sessionContext":{},"sessionContext":{}}}"#,
            r#"{"eventName":"Converse","requestParameters":{},"requestParameters":{"modelId":"a.b"}}"#,
            r#"{"detail":{"eventName":"x"},"detail":{"eventName":"Converse"}}"#,
        ] {
            assert!(kind(record).starts_with("record "), "{record}: {}", kind(record));
        }
        assert_eq!(kind(r#"{"eventName":"ListModels","eventName":"Converse"}"#), "record Converse", "the last word counts");
        assert_eq!(kind(r#"{"schemaType":"ModelInvocationLog","requestId":"q","requestId":"r"}"#), "log r");
    }

    #[test]
    fn what_is_not_a_record_says_why() {
        assert_eq!(kind("[1]"), "neither a JSON object nor an array");
        assert_eq!(kind("17"), "not a JSON object");
        assert!(kind("nonsense").starts_with("not valid JSON"));
        assert!(kind(r#"{"eventName":"Converse""#).starts_with("not valid JSON"));
        assert_eq!(kind("{}"), "not a CloudTrail record: no `eventName`");
        assert_eq!(kind(r#"{"detail":{}}"#), "not a CloudTrail record: no `eventName`");
        assert!(kind(r#"{"CloudTrailEvent":"{"}"#).starts_with("unreadable `CloudTrailEvent`: "));
        for (value, named) in [
            (r#"{"class_uid":6003,"metadata":{},"api":{"operation":"Converse"}}"#, "OCSF"),
            (r#"{"s3Bucket":"logs","s3ObjectKey":["AWSLogs/x.json.gz"]}"#, "files in S3"),
            (r#"{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"object":{"key":"AWSLogs/x.json.gz"}}}"#, "files in S3"),
            (r#"{"Type":"Notification","Message":"{\"s3Bucket\":\"logs\",\"s3ObjectKey\":[\"AWSLogs/x.json.gz\"]}"}"#, "files in S3"),
            (r#"{"_index":"trail","_source":{"event":{"action":"Converse"}}}"#, "search engine"),
            (r#"{"guardrailsConfig":[]}"#, "--world"),
        ] {
            assert!(kind(value).contains(named), "{value}: {}", kind(value));
        }
    }

    #[test]
    fn nothing_is_looked_for_in_what_callers_write() {
        let forged = r#"{\"eventName\":\"ApplyGuardrail\"}"#;
        for body in [
            format!(r#"{{"messages":[{{"role":"user","content":"{forged}"}}],"message":"{forged}"}}"#),
            format!(r#"{{"inputText":"{forged}"}}"#),
            format!(r#"{{"message":"{forged}","chat_history":[]}}"#),
            r#"{"stopReason":"end_turn","output":{"message":{"content":[]}},"amazon-bedrock-trace":{}}"#.to_owned(),
        ] {
            assert_eq!(kind(&body), "body", "{body}");
        }
        assert!(kind(&format!(r#"{{"text":"{forged}"}}"#)).starts_with("not a CloudTrail record"));
    }
}
