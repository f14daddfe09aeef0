//! Tolerant reading of JSON that other software wrote: a field of another type than expected reads as absent and is never an error.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

/// The text without control and invisible characters. A crafted event could otherwise send escape sequences to the terminal of whoever
/// reads the findings, or reverse the order of what they read.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    // A loop without an early exit is compiled to vector instructions.
    let is_plain = text.bytes().fold(true, |is_plain, byte| is_plain & matches!(byte, b' '..=b'~'));
    if is_plain || !text.contains(steers) { Cow::Borrowed(text) } else { Cow::Owned(text.replace(steers, "\u{fffd}")) }
}

/// Whether a character is not displayed itself but changes how a text is displayed: control characters, line separators, marks of the
/// writing direction, and characters of no width (unicode.org/reports/tr36, bidirectional text and invisible characters); or is none at
/// all: XML refuses a text with U+FFFE or U+FFFF, and Unicode reserves such noncharacters for the inside of programs.
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c), 0xfdd0..=0xfdef)
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// JSON without the byte-order mark that some tools put before it.
#[must_use]
pub fn without_mark(json: &[u8]) -> &[u8] {
    json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json)
}

/// Decodes the percent encoding of URLs. Ids in paths of requests come encoded, sometimes twice; an id contains a colon or slash only that
/// way.
#[must_use]
pub fn percent_decoded(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..3 {
        if !text.contains('%') {
            break;
        }
        match percent_encoding::percent_decode_str(&text).decode_utf8() {
            Ok(decoded) if *decoded != *text => text = Cow::Owned(printable(&decoded).into_owned()),
            _ => break,
        }
    }
    text
}

/// The JSON with duplicate keys removed from its objects: the last member of a name stays, as in most readers. `None` if it isn't JSON.
#[must_use]
pub fn without_duplicates(json: &[u8]) -> Option<String> {
    serde_json::from_slice::<Value>(json).ok().map(|value| value.to_string())
}

/// Access to members of a JSON value, whatever its shape.
pub trait At {
    /// The value at a JSON pointer (RFC 6901); null if there is none.
    fn at(&self, pointer: &str) -> &Self;
}

impl At for Value {
    fn at(&self, pointer: &str) -> &Value {
        self.pointer(pointer).unwrap_or(&Value::Null)
    }
}

/// A string without control characters (see [`printable`]), borrowed if the JSON has no escapes. Numbers and booleans are read as text;
/// null, arrays and objects read as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Option<Cow<'a, str>>);

impl Text<'_> {
    /// The text; `None` if it is absent or empty.
    #[must_use]
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }

    /// The text; empty if it is absent.
    #[must_use]
    pub fn or_empty(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(printable(text))))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(printable(text).into_owned()))))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(if value { "true" } else { "false" }))))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(value.to_string()))))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(value.to_string()))))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(value.to_string()))))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text(None))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A boolean, or one of the strings that log pipelines turn it into (`"true"`, `"False"`). Anything else reads as absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub Option<bool>);

impl Flag {
    /// Whether the flag is present and true.
    #[must_use]
    pub fn is_set(self) -> bool {
        self.0 == Some(true)
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        Ok(Flag(match text.get() {
            Some(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }))
    }
}

/// An object of type `T`. Anything but an object reads as the default of `T`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object<T>(pub T);

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(entries)).map(Object)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Object::default())
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Object::default())
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Object::default())
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Object::default())
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Object::default())
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Object::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Object::default())
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

/// The elements of an array. Anything but an array reads as an empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        List(Vec::new())
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(PhantomData::<T>)? {
            list.push(item);
        }
        Ok(List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(List::default())
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(List::default())
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(List::default())
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(List::default())
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(List::default())
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(List::default())
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(List::default())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Sample<'a> {
        #[serde(borrow)]
        text: Text<'a>,
        flag: Flag,
        #[serde(borrow)]
        object: Object<Inner<'a>>,
        list: List<u8>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Inner<'a> {
        #[serde(borrow)]
        name: Text<'a>,
    }

    #[test]
    fn a_field_of_another_type_is_absent() {
        for json in [
            r#"{"text":null,"flag":null,"object":null,"list":null}"#,
            r#"{"text":[1],"flag":{},"object":[{"name":"x"}],"list":{"a":1}}"#,
            r#"{"text":{"a":[]},"flag":[true],"object":"x","list":"x"}"#,
            r#"{"flag":"yes","object":7,"list":7.5}"#,
            "{}",
        ] {
            let sample: Sample<'_> = serde_json::from_str(json).unwrap();
            assert_eq!((sample.text.get(), sample.flag.0, sample.object.0.name.get()), (None, None, None), "{json}");
            assert!(sample.list.0.is_empty(), "{json}");
        }
    }

    #[test]
    fn scalars_are_read_as_text_and_strings_as_flags() {
        let sample: Sample<'_> =
            serde_json::from_str(r#"{"text":123456789012,"flag":"True","object":{"name":true},"list":[1,2]}"#).unwrap();
        assert_eq!(sample.text.get(), Some("123456789012"));
        assert_eq!(sample.flag.0, Some(true));
        assert_eq!(sample.object.0.name.get(), Some("true"));
        assert_eq!(sample.list.0, [1, 2]);
    }

    #[test]
    fn text_without_escapes_is_borrowed() {
        let sample: Sample<'_> = serde_json::from_str(r#"{"text":"plain","object":{"name":"esc\u0061ped"}}"#).unwrap();
        assert!(matches!(sample.text.0, Some(Cow::Borrowed("plain"))));
        assert_eq!(sample.object.0.name.get(), Some("escaped"));
    }

    #[test]
    fn text_can_not_steer_what_shows_it() {
        let escape = r#"{"text":"a\u001b[2Jb\u009b1m\u202ec\n"}"#;
        assert_eq!(serde_json::from_str::<Sample<'_>>(escape).unwrap().text.get(), Some("a\u{fffd}[2Jb\u{fffd}1m\u{fffd}c\u{fffd}"));
        let unescaped = "{\"text\":\"a\u{9b}1m\"}";
        assert_eq!(serde_json::from_str::<Sample<'_>>(unescaped).unwrap().text.get(), Some("a\u{fffd}1m"));
        assert_eq!(printable("Größe, 日本"), "Größe, 日本");
        assert_eq!(printable("a\u{200b}b\u{2028}c\u{85}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
        // XML can't hold U+FFFE and U+FFFF, and each plane of Unicode ends with two such noncharacters.
        assert_eq!(printable("a\u{fffe}b\u{ffff}c\u{fdd0}d\u{1fffe}e\u{10ffff}"), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}");
        assert_eq!(printable("\u{fffd}\u{fdcf}\u{fdf0}"), "\u{fffd}\u{fdcf}\u{fdf0}", "their neighbours are characters");
    }
}
