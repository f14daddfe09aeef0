//! A reader that takes out of a guardrail what is understood, so that what is left in the end is what nobody understood.
//!
//! AWS adds members to guardrails, also inside of policies and entries that were known long before. A list of the names that are known
//! would have to be kept for every place; what nobody took shows by itself.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// An object of a guardrail's JSON, while it is read. A member that is null is absent, and one of another type than the one that it is
/// asked for stays where it is.
pub(super) struct Reader<'v> {
    /// Where the object stands, by the names of AWS: `contentPolicy.filters[HATE]`.
    path: String,
    /// What it is known by as an entry of a list.
    key: String,
    /// Whether its values are a customer's own texts, such as those of a word or a topic.
    is_private: bool,
    members: BTreeMap<&'v str, &'v Value>,
    /// Entries of its lists that are none of those that the list is known to have.
    strange: Vec<(String, &'v Value)>,
}

/// What nobody understood: where it stands, its value, and whether that may hold a customer's own texts.
pub(super) struct Left<'v> {
    pub(super) path: String,
    pub(super) value: &'v Value,
    pub(super) is_private: bool,
}

impl<'v> Reader<'v> {
    /// Of a whole answer; of anything but an object, one without members.
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

    /// Takes a text.
    pub(super) fn text(&mut self, name: &str) -> Option<&'v str> {
        self.take(name, Value::as_str)
    }

    /// Takes a boolean.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name, Value::as_bool)
    }

    /// Takes a number, if `of` understands it.
    pub(super) fn number<T>(&mut self, name: &str, of: impl FnOnce(f64) -> Option<T>) -> Option<T> {
        self.take(name, |value| of(value.as_f64()?))
    }

    /// Takes a list of nothing but texts.
    pub(super) fn texts(&mut self, name: &str) -> Option<Vec<&'v str>> {
        self.take(name, |value| value.as_array()?.iter().map(Value::as_str).collect())
    }

    /// Takes an object, to be read and finished on its own.
    pub(super) fn object(&mut self, name: &str) -> Option<Reader<'v>> {
        let path = self.path_of(name);
        let is_private = self.is_private;
        self.take(name, |value| value.is_object().then(|| Reader::at(path, is_private, value)))
    }

    /// Takes a list of objects, each to be read and finished on its own. `key` takes what an entry is known by, whatever its place in the
    /// list; an entry without it is none that is known.
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

    /// What it is known by as an entry of a list.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// From here on, values are a customer's own texts.
    pub(super) fn private(mut self) -> Self {
        self.is_private = true;
        self
    }

    /// Leaves out what is known to protect nothing.
    pub(super) fn ignore(&mut self, name: &str) {
        self.members.remove(name);
    }

    /// What nobody took.
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

/// AWS names members by letters and digits. Anything else could be a customer's text that became a name.
fn name_of_member(name: &str) -> String {
    let is_of_aws = name.len() <= 60 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':'));
    if is_of_aws { name.to_owned() } else { hash(name) }
}

/// A value as it may be shown. Words that AWS writes in capitals are, and so are numbers, unless they are a customer's; of anything else a
/// hash is.
pub(super) fn shown(value: &Value, is_private: bool) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) if !is_private => number.to_string(),
        Value::String(text) if !is_private => word(text),
        other => hash(&normal(other)),
    }
}

/// A word of AWS, such as `ANONYMIZE`, as it is; anything else hashed.
pub(super) fn word(text: &str) -> String {
    let is_of_aws = (1..=60).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'));
    if is_of_aws { text.to_owned() } else { hash(text) }
}

/// What an entry of a list that nobody knows is known by, if by anything.
pub(super) fn natural_key(entry: &Value, is_private: bool) -> Option<String> {
    let key = ["type", "name", "id", "arn"].into_iter().find_map(|key| entry.get(key).filter(|key| key.is_string()))?;
    Some(shown(key, is_private))
}

/// JSON written so that the same content is the same text: nothing depends on the order of members or entries, and null is absent.
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
        // 1.0 is 1.
        Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(String::new, |number| number.to_string()),
        scalar => scalar.to_string(),
    }
}

/// Words, patterns and messages never appear in our data; their hashes do.
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
