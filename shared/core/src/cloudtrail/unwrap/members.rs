//! The members of a JSON object that is no record, and what they show about its kind.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::names::ORIGINALS;
use crate::{
    cloudtrail::{UnreadableRecord, fields},
    json::Text,
};

/// The members of an object in their order, duplicates included.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = entries.next_entry::<Text<'de>, &'de RawValue>()? {
                    members.push((name.0.unwrap_or_default(), value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

impl<'a> Members<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.get())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?).ok()
    }

    pub(super) fn any_of(&self, names: &[&str]) -> bool {
        self.0.iter().any(|(key, _)| names.contains(&&**key))
    }

    /// Whether the members are columns of a table. Such names are spelled otherwise than CloudTrail does, name a part of a structure, or
    /// hold a structure as a string.
    pub(super) fn is_row(&self) -> bool {
        let is_column = |name: &str, value: &str| match name.split_once('.') {
            Some((head, _)) => fields::of_column(head).is_some(),
            None => match fields::of_column(name) {
                Some("eventName") => name != "eventName",
                Some("requestParameters" | "userIdentity") => value.starts_with("\"{"),
                _ => false,
            },
        };
        !self.any_of(ORIGINALS) && self.0.iter().any(|(name, value)| is_column(name, value.get()))
    }
}

/// The reason why an object is no record. It names the object's kind if the members show it.
pub(super) fn told_by_name(members: &Members<'_>) -> UnreadableRecord {
    let named = |names: &[&str]| members.any_of(names);
    let is_lambda = members.get("eventSource").is_some_and(|source| source.starts_with("\"aws:"));
    let what = if named(&["s3ObjectKey"]) || (named(&["s3"]) && is_lambda) {
        "a message that names files in S3: give the files themselves (`aws s3 sync`)"
    } else if named(&["class_uid", "class_name"]) {
        "an event of OCSF, as Security Lake keeps them, which lacks what CloudTrail wrote: give the trail's own files"
    } else if named(&["_source", "_index"]) || (named(&["@timestamp"]) && named(&["event", "aws", "agent", "ecs"])) {
        "a document of a search engine without the record as it was (`event.original`): give the trail's own files"
    } else if named(&["awslogs", "kinesis", "logEvents", "messageType", "message", "@message", "log", "_raw"]) {
        "what it carries holds no record"
    } else if named(&["EffectivePolicy", "guardrailsConfig", "trailList", "guardrailArn", "PolicySummary", "EventSelectors"]) {
        "an answer of AWS about what is in force: it belongs in the folder of `--world`"
    } else if named(&["QueryExecution", "QueryExecutionId", "queryId", "QueryId"]) {
        "what names a query, not its results"
    } else {
        return UnreadableRecord::NoEventName;
    };
    UnreadableRecord::NoRecord(what)
}
