//! From the bytes of one JSON value to what it is: a record, wrapped or not, an invocation log, or nothing we know.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::record::Record;
use crate::{invocation_log::InvocationLog, json::Text};

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

/// What tells the kinds apart; a record's own fields are read in the same pass.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wrapper<'a> {
    /// EventBridge: the record.
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    /// LookupEvents: the record, as JSON in a string.
    #[serde(borrow, rename = "CloudTrailEvent")]
    cloud_trail_event: Text<'a>,
    #[serde(borrow, rename = "schemaType")]
    schema_type: Text<'a>,
    #[serde(borrow, rename = "digestS3Object")]
    digest_s3_object: Text<'a>,
}

impl Item<'_> {
    /// Reads one JSON value. A record that came as a string inside another (LookupEvents) has to be copied, so it is handed to
    /// `with` instead of being returned.
    pub fn parse<R>(bytes: &[u8], with: impl FnOnce(Result<Item<'_>, UnreadableRecord>) -> R) -> R {
        if !bytes.trim_ascii_start().starts_with(b"{") {
            let error = serde_json::from_slice::<serde::de::IgnoredAny>(bytes)
                .map_or_else(UnreadableRecord::Json, |_| UnreadableRecord::NotAnObject);
            return with(Err(error));
        }
        // Checked once as a whole, texts need no check of their own. Bytes that are no text may still be a record whose fields are.
        let record = match std::str::from_utf8(bytes) {
            Ok(text) => serde_json::from_str::<Record<'_>>(text),
            Err(_) => serde_json::from_slice::<Record<'_>>(bytes),
        };
        match record {
            Ok(record) if record.event_name.get().is_some() => with(Ok(Item::told_apart(record))),
            Ok(_) => Self::parse_wrapped(bytes, with),
            Err(error) => with(Err(UnreadableRecord::Json(error))),
        }
    }

    fn told_apart(record: Record<'_>) -> Item<'_> {
        match record.event_category.get() {
            Some("Insight") => Item::Insight,
            _ => Item::Record(Box::new(record)),
        }
    }

    /// A value without an `eventName` of its own.
    fn parse_wrapped<R>(bytes: &[u8], with: impl FnOnce(Result<Item<'_>, UnreadableRecord>) -> R) -> R {
        let wrapper = match serde_json::from_slice::<Wrapper<'_>>(bytes) {
            Ok(wrapper) => wrapper,
            Err(error) => return with(Err(UnreadableRecord::Json(error))),
        };
        if wrapper.schema_type.get() == Some("ModelInvocationLog") {
            let log = serde_json::from_slice::<InvocationLog>(bytes);
            return with(log.map(|log| Item::InvocationLog(Box::new(log))).map_err(UnreadableRecord::Json));
        }
        if wrapper.digest_s3_object.get().is_some() {
            return with(Ok(Item::Digest));
        }
        if let Some(text) = wrapper.cloud_trail_event.get() {
            return with(Self::inner(text, "CloudTrailEvent"));
        }
        match wrapper.detail {
            Some(detail) => with(Self::inner(detail.get(), "detail")),
            None => with(Err(UnreadableRecord::NoEventName)),
        }
    }

    fn inner<'j>(json: &'j str, field: &'static str) -> Result<Item<'j>, UnreadableRecord> {
        let wrapped = |source| UnreadableRecord::Wrapped { field, source: Box::new(source) };
        let record = serde_json::from_str::<Record<'_>>(json).map_err(|error| wrapped(UnreadableRecord::Json(error)))?;
        if record.event_name.get().is_none() {
            return Err(wrapped(UnreadableRecord::NoEventName));
        }
        Ok(Item::told_apart(record))
    }
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
            Err(error) => error.to_string(),
        })
    }

    #[test]
    fn kinds_are_told_apart() {
        assert_eq!(kind(r#"{"eventName":"Converse"}"#), "record Converse");
        assert_eq!(kind(r#"{"detail-type":"AWS API Call via CloudTrail","detail":{"eventName":"Converse"}}"#), "record Converse");
        assert_eq!(kind(r#"{"EventName":"Converse","CloudTrailEvent":"{\"eventName\":\"Converse\"}"}"#), "record Converse");
        assert_eq!(kind(r#"{"schemaType":"ModelInvocationLog","requestId":"r"}"#), "log r");
        assert_eq!(kind(r#"{"digestS3Object":"k","logFiles":[]}"#), "digest");
        assert_eq!(kind(r#"{"eventName":"x","eventCategory":"Insight","insightDetails":{}}"#), "insight");
    }

    #[test]
    fn what_is_not_a_record_says_why() {
        assert_eq!(kind("[1]"), "not a JSON object");
        assert!(kind("nonsense").starts_with("not valid JSON"));
        assert!(kind(r#"{"eventName":"Converse""#).starts_with("not valid JSON"));
        assert_eq!(kind("{}"), "not a CloudTrail record: no `eventName`");
        assert_eq!(kind(r#"{"detail":{}}"#), "unreadable `detail`: not a CloudTrail record: no `eventName`");
        assert!(kind(r#"{"CloudTrailEvent":"{"}"#).starts_with("unreadable `CloudTrailEvent`: not valid JSON"));
    }
}
