//! Texts in the lengths that formats allow.

use std::borrow::Cow;

/// The text, cut to a number of characters. A text that was cut ends with `…`.
pub(crate) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(text.chars().take(most.saturating_sub(1)).chain(['…']).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_a_character() {
        for (text, most, expected) in [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("ä🦀ö", 3, "ä🦀ö"), ("ä🦀öü", 3, "ä🦀…"), ("", 3, "")]
        {
            assert_eq!(cut(text, most), expected);
        }
    }
}
