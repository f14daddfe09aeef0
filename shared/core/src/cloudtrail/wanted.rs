//! Rejects records that no rule needs before they are parsed.
//!
//! A value is rejected only if all of this holds: it contains the characters `eventName` exactly once, as a key followed by a plain string
//! that names an operation no rule needs; it begins as records and EventBridge envelopes begin; it contains no `\u` escape; and it contains
//! no mark of a service whose records are always needed. JSON can write a letter only as itself or as a `\u` escape, so without an escape
//! that one occurrence must be the record's own `eventName`, however the JSON is spaced and ordered. Everything else is parsed.

use std::collections::BTreeSet;

use aho_corasick::packed;
use hashbrown::HashSet;
use memchr::memmem::Finder;
use serde_json::Value;

use super::fields::starts_like_record;
use crate::api::runs_nothing_by_its_name;

/// The mark of an invocation log, which is needed and has no `eventName`.
const INVOCATION_LOG: &str = "ModelInvocationLog";

/// The services whose every record is needed: an operation that isn't known yet may be another way to run a model. User agents and ARNs
/// contain these names too, but at the start of a text or behind a dot they are the name of a service or host.
const SERVICES: [&str; 2] = ["bedrock", "aws-external-anthropic"];

/// The substrings that rejection rests on. One pass over the bytes finds them all; services are searched for in few records only.
const MARKS: [&str; 3] = [EVENT_NAME, INVOCATION_LOG, "\\u"];

const EVENT_NAME: &str = "eventName";

/// Decides which values need to be parsed.
#[derive(Debug)]
pub struct Wanted {
    names: HashSet<&'static str>,
    /// The search for all marks at once. `None` on processors that have no instructions for it: then nothing is rejected.
    marks: Option<packed::Searcher>,
    /// The search for all services at once.
    services: Option<packed::Searcher>,
    /// Operations that are needed only if the record contains one of `stems`: a part of the name of the auditor's own resources.
    own: HashSet<&'static str>,
    stems: Vec<Finder<'static>>,
    /// Buckets that hold evidence, such as log files.
    stores: BTreeSet<String>,
}

impl Wanted {
    /// Needs the records of these operations (names without Lambda's date suffix, see [`operation`]).
    pub fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        Wanted {
            names: names.into_iter().collect(),
            marks: packed::Searcher::new(MARKS),
            services: packed::Searcher::new(SERVICES),
            own: HashSet::new(),
            stems: Vec::new(),
            stores: BTreeSet::new(),
        }
    }

    /// Restricts these operations to records that contain one of the texts: every deployment in the account makes others.
    #[must_use]
    pub fn only_with(self, operations: impl IntoIterator<Item = &'static str>, texts: impl IntoIterator<Item = String>) -> Self {
        let stems = texts.into_iter().map(|text| Finder::new(text.as_bytes()).into_owned()).collect();
        Wanted { own: operations.into_iter().collect(), stems, ..self }
    }

    /// Adds buckets that hold evidence: changes to their objects are needed.
    #[must_use]
    pub fn with_stores(self, stores: BTreeSet<String>) -> Self {
        Wanted { stores, ..self }
    }

    /// Whether a data event with these parameters is about an object in a bucket of evidence, or about an item in the auditor's own tables.
    pub(crate) fn concerns(&self, parameters: &Value) -> bool {
        let text = |key: &str| parameters[key].as_str().unwrap_or_default();
        let table = text("tableName");
        self.stores.contains(text("bucketName"))
            || (!table.is_empty() && self.stems.iter().any(|stem| stem.find(table.as_bytes()).is_some()))
    }

    /// Whether records of this operation are needed, whatever the service.
    #[must_use]
    pub fn wants(&self, event_name: &str) -> bool {
        self.names.contains(operation(event_name))
    }

    /// Whether the value certainly is a record that no rule needs.
    #[must_use]
    pub fn rejects(&self, value: &[u8]) -> bool {
        let Some(marks) = &self.marks else { return false };
        let before = |at: usize| at.checked_sub(1).and_then(|before| value.get(before));
        let mut named = None;
        for mark in marks.find_iter(value) {
            match MARKS.get(mark.pattern().as_usize()) {
                Some(&EVENT_NAME) if named.is_none() && before(mark.start()) == Some(&b'"') => {
                    let name = value.get(mark.end()..).and_then(plain_string_value);
                    named = name.filter(|name| self.is_unwanted(name, value));
                    if named.is_none() {
                        return false;
                    }
                }
                _ => return false,
            }
        }
        begins_alone(value) && named.is_some_and(|name| runs_nothing_by_its_name(name) || !self.names_a_service(value))
    }

    /// Whether a text begins with a name of Bedrock's services, or holds it behind a dot, as hosts do.
    fn names_a_service(&self, value: &[u8]) -> bool {
        let begins_or_is_a_label = |at: usize| matches!(at.checked_sub(1).and_then(|before| value.get(before)), Some(b'"' | b'.'));
        self.services.as_ref().is_none_or(|services| services.find_iter(value).any(|found| begins_or_is_a_label(found.start())))
    }

    fn is_unwanted(&self, event_name: &str, value: &[u8]) -> bool {
        let operation = operation(event_name);
        // A colon shows that this is no operation but a service's event for Lambda, such as `ObjectCreated:Put` or `aws:kinesis:record`.
        if memchr::memchr(b':', event_name.as_bytes()).is_some() {
            return false;
        }
        !self.names.contains(operation) || (self.own.contains(operation) && self.stems.iter().all(|stem| stem.find(value).is_none()))
    }
}

/// Whether the value is a single record, plain or in an EventBridge envelope. Other values may hold several, some of them encoded.
fn begins_alone(value: &[u8]) -> bool {
    starts_like_record(value) || value.starts_with(b"{\"version\":\"0\"")
}

/// The string that follows a key. `behind_key` starts at the key's closing quote. `None` if it is no string or contains escapes.
fn plain_string_value(behind_key: &[u8]) -> Option<&str> {
    let colon = behind_key.strip_prefix(b"\"")?.trim_ascii_start();
    let value = colon.strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let len = memchr::memchr2(b'"', b'\\', value)?;
    (value.get(len) == Some(&b'"')).then(|| value.get(..len)).flatten().and_then(|name| std::str::from_utf8(name).ok())
}

/// The operation behind an event name: Lambda's carry the date of the API (`UpdateFunctionCode20150331v2`,
/// docs/aws/cloudtrail-records.md#common-members).
#[must_use]
pub fn operation(event_name: &str) -> &str {
    if !event_name.ends_with(|last: char| last.is_ascii_digit()) {
        return event_name;
    }
    let without_revision = match event_name.rsplit_once('v') {
        Some((head, revision)) if !revision.is_empty() && revision.bytes().all(|byte| byte.is_ascii_digit()) => head,
        _ => event_name,
    };
    let stem = without_revision.trim_end_matches(|c: char| c.is_ascii_digit());
    if without_revision.len() - stem.len() == 8 { stem } else { event_name }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted() -> Wanted {
        Wanted::new(["Converse", "UpdateFunctionCode"])
    }

    #[test]
    fn dates_of_lambda_operations_are_cut_off() {
        assert_eq!(operation("UpdateFunctionCode20150331v2"), "UpdateFunctionCode");
        assert_eq!(operation("DeleteFunction20150331"), "DeleteFunction");
        assert_eq!(operation("PutFunctionConcurrency20171031"), "PutFunctionConcurrency");
        assert_eq!(operation("CreateKeyPairv2"), "CreateKeyPairv2");
        assert_eq!(operation("Converse"), "Converse");
        assert_eq!(operation("v2"), "v2");
    }

    #[test]
    fn what_matters_on_own_resources_is_wanted_only_there() {
        let wanted = wanted().only_with(["UpdateFunctionCode"], ["guardrail-audit".to_owned()]);
        let update =
            |name: &str| format!(r#"{{"eventName":"UpdateFunctionCode20150331v2","requestParameters":{{"functionName":"{name}"}}}}"#);
        assert!(wanted.rejects(update("web").as_bytes()));
        assert!(!wanted.rejects(update("guardrail-audit-changes").as_bytes()));
        assert!(!wanted.rejects(update(r"guardrail\u002daudit-changes").as_bytes()), "spelled in escapes");
    }

    #[test]
    fn single_items_concern_where_they_are_evidence_or_the_auditors() {
        let wanted = wanted().only_with(["DeleteItem"], ["ga-".to_owned()]).with_stores(["org-trail".to_owned()].into());
        for parameters in [
            json!({"bucketName": "org-trail"}),
            json!({"tableName": "ga-findings"}),
            json!({"tableName": "arn:aws:dynamodb:x:1:table/ga-f"}),
        ] {
            assert!(wanted.concerns(&parameters), "{parameters}");
        }
        for parameters in [json!({"bucketName": "shop"}), json!({"tableName": "orders"}), json!({}), Value::Null] {
            assert!(!wanted.concerns(&parameters), "{parameters}");
        }
    }

    #[test]
    fn only_a_plain_unwanted_name_is_rejected() {
        let wanted = wanted();
        assert!(wanted.rejects(br#"{"eventName":"GetObject","eventSource":"s3.amazonaws.com"}"#));
        assert!(wanted.rejects(b"{\"eventName\"\n :\t\"GetObject\"}"));
        assert!(wanted.rejects(br#"{"eventName":"GetGuardrail","eventSource":"bedrock.amazonaws.com"}"#), "it only reads");
        assert!(wanted.rejects(br#"{"eventName":"PutObject","userAgent":"x api/bedrock-runtime#1","arn":"arn:aws:bedrock:x"}"#));
        for kept in [
            r#"{"eventName":"Converse"}"#,
            r#"{"eventName" : "UpdateFunctionCode20150331v2"}"#,
            r#"{"event\u004eame":"Converse","x":"eventName"}"#,
            r#"{"eventName":"GetObject","event\u004eame":"Converse"}"#,
            r#"{"eventName":"Con\u0076erse"}"#,
            r#"{"eventName":"\/Converse"}"#,
            r#"{"requestParameters":{"eventName":"GetObject"},"eventName":"Converse"}"#,
            r#"{"eventName":["GetObject"]}"#,
            r#"{"CloudTrailEvent":"{\"eventName\":\"GetObject\"}"}"#,
            r#"{"schemaType":"ModelInvocationLog","input":{"inputBodyJson":{"eventName":"GetObject"}}}"#,
            r#"{"eventName":"SomethingNew","tlsDetails":{"clientProvidedHostHeader":"bedrock-runtime.us-east-1.amazonaws.com"}}"#,
            r#"{"eventName":"SomethingNew","eventSource":"bedrock.amazonaws.com"}"#,
            r#"{"eventSource":"bedrock-mantle.amazonaws.com","eventName":"CreateThought"}"#,
            r#"{"eventSource":"aws-external-anthropic.amazonaws.com","eventName":"CreateThought"}"#,
            r#"{"eventName":"SomethingNew","tlsDetails":{"clientProvidedHostHeader":"vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com"}}"#,
            "{}",
            r#"{"eventName":"Get"#,
            r#"{"records":[{"eventName":"GetObject"},{"data":"H4sIAAAAAAAA"}]}"#,
            r#"{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put"}"#,
        ] {
            assert!(!wanted.rejects(kept.as_bytes()), "{kept}");
        }
    }
}
