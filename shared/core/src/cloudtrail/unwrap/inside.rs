//! JSON within a text, and decoding of base64.

use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::names::{ORIGINALS, WRAPPERS, has_hint};
use crate::cloudtrail::frame;

pub(super) const GZIP: &[u8] = b"\x1f\x8b\x08";

/// Whether JSON contains a string that begins as base64 of gzip or of JSON does.
pub(super) fn looks_encoded(json: &str) -> bool {
    ["\"H4sI", "\"eyJ", "\"ewo", "\"ew0", "\"W3s", "\"Wwo"].iter().any(|start| json.contains(start))
}

/// Decodes base64 in either alphabet, with or without padding.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'\n' | b'\r');
    if text.len() < 16 || !text.bytes().all(is_base64) {
        return None;
    }
    let text: Cow<'_, str> = if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], "").into() } else { text.into() };
    let bytes = STANDARD.decode(&*text).or_else(|_| URL_SAFE.decode(&*text)).ok()?;
    let is_text =
        || std::str::from_utf8(&bytes).is_ok_and(|text| text.trim_start().starts_with(['{', '[', '"']) || has_hint(text.as_bytes()));
    // Any word is valid base64, so the result has to be compressed, a text, or base64 again.
    (bytes.starts_with(GZIP) || is_text() || decoded(std::str::from_utf8(&bytes).ok()?).is_some()).then_some(bytes)
}

/// What an opening bracket within a text begins.
pub(super) enum Embedded<'t> {
    /// JSON, and the offset where the text continues behind it.
    Json(Cow<'t, str>, usize),
    /// An object or list that doesn't close.
    Open,
    /// Something other than JSON.
    Nothing,
}

/// Reads what begins at the bracket at `open`: an object, plain, escaped within a string, or quoted in a cell of CSV.
pub(super) fn embedded(text: &str, open: usize) -> Embedded<'_> {
    let rest = text.get(open..).unwrap_or_default();
    let behind = rest.get(1..).unwrap_or_default().trim_start();
    let quote = open.checked_sub(1).filter(|quote| text.as_bytes().get(*quote) == Some(&b'"'));
    let found = match quote {
        Some(quote) if behind.starts_with("\\\"") => text.get(quote..).and_then(|string| {
            let string = string.get(..frame::string_len(string.as_bytes())?)?;
            Some((Cow::Owned(serde_json::from_str::<String>(string).ok()?), quote + string.len()))
        }),
        Some(_) if behind.starts_with("\"\"") => cell_end(rest).and_then(|end| {
            let cell = rest.get(..=end)?;
            Some((Cow::Owned(cell.replace("\"\"", "\"")), open + cell.len()))
        }),
        _ if behind.starts_with('"') => {
            frame::container_len(rest.as_bytes()).and_then(|len| Some((Cow::Borrowed(rest.get(..len)?), open + len)))
        }
        _ => return Embedded::Nothing,
    };
    match found {
        Some((json, end)) if frame::is_json(json.as_bytes()) => Embedded::Json(json, end),
        _ => Embedded::Open,
    }
}

/// Whether JSON may follow this text: not if the text is the rest of a record, as in a line of indented JSON, which begins with the name of
/// a member.
pub(super) fn may_precede(gap: &str) -> bool {
    let by_name = || {
        let name = gap.trim_end().trim_end_matches('"').trim_end().strip_suffix(':')?.trim_end().strip_suffix('"')?;
        let (before, name) = name.rsplit_once('"')?;
        Some(ORIGINALS.iter().chain(WRAPPERS).any(|known| *known == name) && !before.contains("\":"))
    };
    !gap.contains("\":") && !gap.contains("\" :") || by_name().unwrap_or(false)
}

/// The end of a CSV cell that holds JSON: at a closing bracket that one quote follows, as a quote within the cell is doubled.
fn cell_end(cell: &str) -> Option<usize> {
    cell.match_indices("}\"").map(|(at, _)| at).find(|at| !cell.get(at + 2..).is_some_and(|rest| rest.starts_with('"')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_found_between_other_things() {
        for (text, json) in [
            (r#"time {"a":{"b":"}"}} more"#, r#"{"a":{"b":"}"}}"#),
            (r#"msg="{\"a\":1}" more"#, r#"{"a":1}"#),
            (r#"1,"{""a"":""x}""}",2"#, r#"{"a":"x}"}"#),
        ] {
            let Embedded::Json(found, end) = embedded(text, text.find('{').unwrap()) else { panic!("{text}") };
            assert_eq!(found, json);
            assert!(text[end..].len() <= 6, "{text}");
        }
        assert!(matches!(embedded("a {b}", 2), Embedded::Nothing));
        assert!(matches!(embedded("a {\"b", 2), Embedded::Open));
    }

    #[test]
    fn only_what_is_no_record_may_precede_one() {
        for gap in ["2026-11-20 host: ", "msg=\"", "  \"CloudTrailEvent\": \"", "\"message\" : ", ""] {
            assert!(may_precede(gap), "{gap}");
        }
        for gap in ["me\":\"Converse\",\"requestParameters\":", "\"requestParameters\": ", "\"x\":1,\"message\":"] {
            assert!(!may_precede(gap), "{gap}");
        }
    }

    #[test]
    fn words_are_not_taken_for_base64() {
        for text in ["HelloHelloHelloHello", "0123456789abcdef0123456789abcdef", "a/path/of/some/thing", "short"] {
            assert!(decoded(text).is_none(), "{text}");
        }
        assert_eq!(decoded("eyJldmVudE5hbWUiOiJ4In0").as_deref(), Some(&b"{\"eventName\":\"x\"}"[..]), "without padding");
    }
}
