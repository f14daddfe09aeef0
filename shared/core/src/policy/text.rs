//! Parses a policy document and reports duplicate keys, which ordinary JSON parsers drop silently.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::enforcement::{Problem, Unclear, pointer};

/// Parses a text. Returns its value and the keys that occur twice in one object; the value has the last member of each, as in most readers.
pub(super) fn parse(text: &str) -> Result<(Value, Vec<Unclear>), serde_json::Error> {
    let mut duplicates = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Node { path: &mut Vec::new(), duplicates: &mut duplicates }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok((value, duplicates))
}

/// A value that is being parsed, with its path.
struct Node<'p> {
    path: &'p mut Vec<String>,
    duplicates: &'p mut Vec<Unclear>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            self.path.push(list.len().to_string());
            let item = items.next_element_seed(Node { path: &mut *self.path, duplicates: &mut *self.duplicates })?;
            self.path.pop();
            match item {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            self.path.push(key.clone());
            let value = members.next_value_seed(Node { path: &mut *self.path, duplicates: &mut *self.duplicates })?;
            if object.insert(key, value.clone()).is_some() {
                let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
                self.duplicates.push(Unclear { pointer: pointer(&path), problem: Problem::DuplicateKey, value: value.to_string() });
            }
            self.path.pop();
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_others_read_it() {
        for text in [r#"{"b": [1, -2, 2.5, "x", null, true, {}], "a": {"c": []}}"#, "null", "[]", "\"x\""] {
            assert_eq!(parse(text).unwrap(), (serde_json::from_str(text).unwrap(), Vec::new()), "{text}");
        }
        for text in ["", "{", "{} x", "{\"a\": 1,}"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_that_stand_twice_are_named() {
        let (value, duplicates) = parse(r#"{"a": {"b": 1, "c": 2, "b": 3}, "l": [{"x": 1, "x": 1}]}"#).unwrap();
        assert_eq!(value["a"]["b"], 3);
        assert_eq!(duplicates.iter().map(|unclear| unclear.pointer.as_str()).collect::<Vec<_>>(), ["/a/b", "/l/0/x"]);
    }
}
