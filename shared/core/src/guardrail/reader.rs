//! A reader that removes each member it understands from a guardrail's JSON, so that what remains in the end is unknown.
//!
//! AWS adds members to guardrails, also within policies and entries that exist already. This way they show without a list of known names
//! for each position.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// An object of a guardrail's JSON that is being read. A member that is null is absent; one that has another type than requested remains.
pub(super) struct Reader<'v> {
    /// The object's position, in AWS's names: `contentPolicy.filters[HATE]`.
    path: String,
    /// The value that identifies it in its list.
    key: String,
    /// Whether its values are a customer's texts, such as a word or a topic, which must not appear in output.
    is_private: bool,
    members: BTreeMap<&'v str, &'v Value>,
    /// Entries of its lists that have no known key.
    strange: Vec<(String, &'v Value)>,
}

/// A part that wasn't read: its position, its value, and whether that may contain a customer's texts.
pub(super) struct Left<'v> {
    pub(super) path: String,
    pub(super) value: &'v Value,
    pub(super) is_private: bool,
}

impl<'v> Reader<'v> {
    /// Starts to read a response. Anything but an object has no members.
    pub(super) fn of(json: &'v Value) -> Self {
        Reader::at(String::new(), false, json)
    }

    fn at(path: String, is_private: bool, json: &'v Value) -> Self {
        let members = json.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        let members = members.map(|(name, value)| (name.as_str(), value)).collect();
        Reader { path, key: String::new(), is_private, members, strange: Vec::new() }
    }

    fn take<T>(&mut self, name: &str, of_type: impl FnOnce(&'v Value) -> Option<T>) -> Option<T> {
        let value = of_type(self.members.get(name)?)?;
        self.members.remove(name);
        Some(value)
    }

    /// Reads and removes a string.
    pub(super) fn text(&mut self, name: &str) -> Option<&'v str> {
        self.take(name, Value::as_str)
    }

    /// Reads and removes a boolean.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name, Value::as_bool)
    }

    /// Reads and removes a number, if `of` accepts it.
    pub(super) fn number<T>(&mut self, name: &str, of: impl FnOnce(f64) -> Option<T>) -> Option<T> {
        self.take(name, |value| of(value.as_f64()?))
    }

    /// Reads and removes a list that contains only strings.
    pub(super) fn texts(&mut self, name: &str) -> Option<Vec<&'v str>> {
        self.take(name, |value| value.as_array()?.iter().map(Value::as_str).collect())
    }

    /// Removes an object and returns a reader of it, which has to be finished on its own.
    pub(super) fn object(&mut self, name: &str) -> Option<Reader<'v>> {
        let path = self.path_of(name);
        let is_private = self.is_private;
        self.take(name, |value| value.is_object().then(|| Reader::at(path, is_private, value)))
    }

    /// Removes a list of objects and returns a reader of each, which has to be finished on its own. `key` reads the value that identifies
    /// an entry whatever its position; an entry without one remains, as unknown.
    pub(super) fn entries(&mut self, name: &str, key: impl Fn(&mut Reader<'v>) -> Option<String>) -> Vec<Reader<'v>> {
        let path = self.path_of(name);
        let mut entries = Vec::new();
        match self.take(name, Some) {
            Some(Value::Array(list)) => {
                for value in list {
                    let mut entry = Reader::at(String::new(), self.is_private, value);
                    if let Some(key) = key(&mut entry) {
                        entry.path = format!("{path}[{key}]");
                        entry.key = key;
                        entries.push(entry);
                    } else {
                        self.strange.push((format!("{path}[{}]", hash(&normal(value))), value));
                    }
                }
            }
            Some(no_list) => self.strange.push((path, no_list)),
            None => {}
        }
        entries
    }

    /// The value that identifies this entry in its list.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Marks the values as a customer's texts from here on.
    pub(super) fn private(mut self) -> Self {
        self.is_private = true;
        self
    }

    /// Removes a member that is known to guard no content.
    pub(super) fn ignore(&mut self, name: &str) {
        self.members.remove(name);
    }

    /// The parts that weren't read.
    pub(super) fn finish(self) -> impl Iterator<Item = Left<'v>> {
        let is_private = self.is_private;
        let prefix = if self.path.is_empty() { String::new() } else { format!("{}.", self.path) };
        let strange = self.strange.into_iter().map(|(path, value)| Left { path, value, is_private: true });
        let members = self.members.into_iter();
        strange.chain(members.map(move |(name, value)| Left { path: format!("{prefix}{}", name_of_member(name)), value, is_private }))
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

/// The name of a member if it consists of letters and digits as AWS's names do; otherwise its hash, as it could be a customer's text.
fn name_of_member(name: &str) -> String {
    let is_of_aws = name.len() <= 60 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':'));
    if is_of_aws { name.to_owned() } else { hash(name) }
}

/// A value as output may contain it: AWS's constants in capitals and numbers as they are, unless they are a customer's, and a hash of
/// anything else.
pub(super) fn shown(value: &Value, is_private: bool) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) if !is_private => number.to_string(),
        Value::String(text) if !is_private => word(text),
        other => hash(&normal(other)),
    }
}

/// A constant of AWS such as `ANONYMIZE` as it is; a hash of any other text.
pub(super) fn word(text: &str) -> String {
    let is_of_aws = (1..=60).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'));
    if is_of_aws { text.to_owned() } else { hash(text) }
}

/// The value that seems to identify an entry of an unknown list; `None` if there is none.
pub(super) fn natural_key(entry: &Value, is_private: bool) -> Option<String> {
    let key = ["type", "name", "id", "arn"].into_iter().find_map(|key| entry.get(key).filter(|key| key.is_string()))?;
    Some(shown(key, is_private))
}

/// Serialises JSON in a normal form: the order of members and entries doesn't matter, and null is absent.
pub(super) fn normal(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<&String, String> =
                members.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name, normal(value))).collect();
            format!("{members:?}")
        }
        Value::Array(entries) => {
            let mut entries: Vec<String> = entries.iter().map(normal).collect();
            entries.sort();
            format!("{entries:?}")
        }
        // Writes 1.0 as 1.
        Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(String::new, |number| number.to_string()),
        scalar => scalar.to_string(),
    }
}

/// The hash that stands for a customer's word, pattern or message, which must never be stored or shown.
pub(super) fn hash(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text).into_iter().take(8).collect::<Vec<u8>>()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_took_is_left_with_its_place() {
        let json = json!({"policy": {"filters": [{"type": "HATE", "new": {"mode": "X"}}, "odd", {"other": 1}], "tier": "STANDARD"},
            "absent": null, "name": 7, "known": "x"});
        let mut reader = Reader::of(&json);
        assert_eq!((reader.text("known"), reader.text("name"), reader.text("absent")), (Some("x"), None, None));
        let mut policy = reader.object("policy").unwrap();
        assert!(policy.object("tier").is_none(), "a text is no object");
        let filters = policy.entries("filters", |filter| filter.text("type").map(word));
        let left: Vec<String> = filters.into_iter().flat_map(Reader::finish).map(|left| left.path).collect();
        assert_eq!(left, ["policy.filters[HATE].new"]);
        let left: Vec<String> = policy.finish().map(|left| left.path).collect();
        assert!(
            matches!(&left[..], [odd, other, tier] if odd != other && odd.starts_with("policy.filters[sha256:") && tier == "policy.tier")
        );
        assert_eq!(reader.finish().map(|left| left.path).collect::<Vec<_>>(), ["name"]);
    }

    #[test]
    fn only_words_of_aws_are_shown() {
        for (value, is_shown) in [
            (json!("MONITOR_2"), true),
            (json!("Bluebird"), false),
            (json!("PROJECT BLUEBIRD"), false),
            (json!(""), false),
            (json!(["MONITOR"]), false),
            (json!(0.5), true),
            (json!(true), true),
        ] {
            assert_eq!(!shown(&value, false).starts_with("sha256:"), is_shown, "{value}");
        }
        assert!(shown(&json!("MONITOR"), true).starts_with("sha256:"), "it may be a customer's word");
        assert!(name_of_member("newMember") == "newMember" && name_of_member("Blue bird").starts_with("sha256:"));
    }

    #[test]
    fn order_is_no_content() {
        let one = json!({"a": [{"type": "X", "n": 1}, {"type": "Y"}], "b": null, "c": 1.0});
        let other = json!({"c": 1, "a": [{"type": "Y"}, {"n": 1, "type": "X"}]});
        assert_eq!(normal(&one), normal(&other));
        assert_ne!(normal(&one), normal(&json!({"a": [{"type": "X", "n": 2}, {"type": "Y"}], "c": 1})));
    }
}
