//! Finds the line and column that a JSON pointer leads to.

use audit_exports::lints::Position;
use jsonc_parser::{CollectOptions, ParseOptions, ast::Value, common::Ranged as _};

/// Returns the place of the value that a pointer leads to; `None` if the text isn't JSON or the pointer leads nowhere.
pub(crate) fn position_of(text: &str, pointer: &str) -> Option<Position> {
    let parsed = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default()).ok()?;
    let mut value = parsed.value.as_ref()?;
    let mut at = value.range().start;
    for part in pointer.split('/').skip(1) {
        let key = part.replace("~1", "/").replace("~0", "~");
        match value {
            Value::Object(object) => {
                let property = object.properties.iter().find(|property| property.name.as_str() == key)?;
                at = property.range().start;
                value = &property.value;
            }
            Value::Array(array) => {
                value = array.elements.get(key.parse::<usize>().ok()?)?;
                at = value.range().start;
            }
            _ => return None,
        }
    }
    Position::of(text, at)
}

/// Returns the place of an error in a text that isn't JSON. `serde_json` counts its column in bytes, and a line break that is wrong itself
/// as column 0 of the next line.
pub(crate) fn position_of_error(text: &str, error: &serde_json::Error) -> Option<Position> {
    let line_start: usize = text.split_inclusive('\n').take(error.line().checked_sub(1)?).map(str::len).sum();
    let mut at = (line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    Position::of(text, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_a_line_and_a_column() {
        let text = "{\n  \"a\": {\"b/c\": [1,\n 2]}\n}";
        let at = |text, pointer| position_of(text, pointer).map(|position| (position.line, position.column));
        assert_eq!(at(text, ""), Some((1, 1)));
        assert_eq!(at(text, "/a"), Some((2, 3)));
        assert_eq!(at(text, "/a/b~1c"), Some((2, 9)));
        assert_eq!(at(text, "/a/b~1c/1"), Some((3, 2)));
        assert_eq!(at(text, "/x"), None);
        assert_eq!(at("{", ""), None);
    }

    #[test]
    fn an_error_behind_an_emoji_has_the_column_of_its_character() {
        let text = "{\n\"\u{1f6e1}\": x}";
        let error = serde_json::from_str::<serde_json::Value>(text).unwrap_err();
        assert_eq!(position_of_error(text, &error), Some(Position { line: 2, column: 6, utf16_column: 7 }));
    }
}
