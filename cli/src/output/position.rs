//! Finds the line and column that a JSON pointer leads to.

use jsonc_parser::{CollectOptions, ParseOptions, ast::Value, common::Ranged as _};

/// Returns the line and column, from 1, of the value that a pointer leads to; `None` if the text isn't JSON or the pointer leads nowhere.
pub(crate) fn position_of(text: &str, pointer: &str) -> Option<(usize, usize)> {
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
    let before = text.get(..at)?;
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    Some((line, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_a_line_and_a_column() {
        let text = "{\n  \"a\": {\"b/c\": [1,\n 2]}\n}";
        assert_eq!(position_of(text, ""), Some((1, 1)));
        assert_eq!(position_of(text, "/a"), Some((2, 3)));
        assert_eq!(position_of(text, "/a/b~1c"), Some((2, 9)));
        assert_eq!(position_of(text, "/a/b~1c/1"), Some((3, 2)));
        assert_eq!(position_of(text, "/x"), None);
        assert_eq!(position_of("{", ""), None);
    }
}
