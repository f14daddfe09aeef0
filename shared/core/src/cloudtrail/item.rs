//! From the bytes of one JSON value to what it is: a record, wrapped or not, an invocation log, or nothing we know.

use serde_json::{Map, Value};

use super::{
    record::Record,
    unwrap::{At, Unwrapping},
};
use crate::{invocation_log::InvocationLog, json::without_duplicates};

/// One JSON value of a log file, told apart.
#[derive(Debug)]
pub enum Item<'a> {
    /// A CloudTrail record.
    Record(Box<Record<'a>>),
    /// A model invocation log (`schemaType: ModelInvocationLog`).
    InvocationLog(Box<InvocationLog>),
    /// A digest file of CloudTrail's log file validation: no record at all.
    Digest,
    /// A CloudTrail Insight, or the summary of one: no call.
    Insight,
    /// An event of EventBridge that is not CloudTrail's, such as the end of a batch job.
    BusEvent,
    /// CloudWatch Logs asks whether anybody listens.
    ControlMessage,
    /// What was sent to a model or came back from it, as invocation logging keeps it apart where it is large.
    Body,
}

/// Why a value could not be read as any kind of record.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableRecord {
    /// The bytes are not JSON.
    #[error("not valid JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// JSON, but no object.
    #[error("not a JSON object")]
    NotAnObject,
    /// An object without the fields that make a record.
    #[error("not a CloudTrail record: no `eventName`")]
    NoEventName,
    /// An object that is known, and is no record.
    #[error("not a CloudTrail record: {0}")]
    NoRecord(&'static str),
    /// A text without JSON in it.
    #[error("neither a JSON object nor an array")]
    NoJson,
    /// A record that doesn't end.
    #[error("the record is cut off")]
    CutOff,
    /// What is compressed inside of a value can't be decompressed.
    #[error("failed to decompress what is inside")]
    Damaged,
    /// More is wrapped into each other than anybody would.
    #[error("wrapped too deep")]
    TooDeep,
    /// More is compressed in one value than anybody would.
    #[error("more than 64 MiB inside of one value")]
    TooLarge,
    /// A change that can't be put in its place in time.
    #[error("no readable `eventTime`, so the change has no place in time")]
    NoEventTime,
    /// The record inside an envelope can't be read.
    #[error("unreadable `{field}`: {source}")]
    Wrapped {
        /// Where the record was expected.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<UnreadableRecord>,
    },
}

/// A thing that a value holds.
#[derive(Debug)]
pub struct Unwrapped<'a> {
    /// What it is.
    pub item: Result<Item<'a>, UnreadableRecord>,
    /// The JSON that it was read from; empty where there is none.
    pub json: &'a [u8],
    /// It came in an envelope of EventBridge.
    pub on_bus: bool,
}

impl Item<'_> {
    /// Reads one JSON value, and calls a function with each thing that it holds: a record, or what is wrapped in it. What came encoded has to
    /// be copied, so it is handed on instead of being returned.
    pub fn each(bytes: &[u8], with: &mut dyn FnMut(Unwrapped<'_>)) {
        Unwrapping::new(with).value(bytes, At::default());
    }

    /// The same for a line of text that doesn't begin like JSON.
    pub fn each_in_line(line: &[u8], with: &mut dyn FnMut(Unwrapped<'_>)) {
        Unwrapping::new(with).line(line, At::default());
    }

    /// The same for a row of a table, by its columns.
    pub fn each_in_row(row: Map<String, Value>, with: &mut dyn FnMut(Unwrapped<'_>)) {
        Unwrapping::new(with).cells(row, At::default());
    }

    /// Reads one JSON value that holds one thing: the first, if it holds several. The default, if it holds none.
    pub fn parse<R: Default>(bytes: &[u8], with: impl FnOnce(Result<Item<'_>, UnreadableRecord>) -> R) -> R {
        let (mut with, mut outcome) = (Some(with), R::default());
        Self::each(bytes, &mut |found| {
            if let Some(with) = with.take() {
                outcome = with(found.item);
            }
        });
        outcome
    }
}

/// Reads an invocation log, also one that says something twice.
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
