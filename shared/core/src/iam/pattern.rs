//! Matching of texts with IAM's wildcards.

use std::borrow::Cow;

use wildmatch::WildMatchPattern;

/// `*` and `?` as the matcher sees them: characters from Unicode's private use area, so that `${*}` and `${?}` can stand for the characters
/// themselves.
const ANY: char = '\u{e000}';
const ONE: char = '\u{e001}';

/// IAM's escapes for the characters themselves (docs/aws/iam.md#patterns).
const ESCAPES: [(&str, char); 3] = [("${*}", '*'), ("${?}", '?'), ("${$}", '$')];

/// Whether a text matches a pattern: `*` matches any text, `?` one character, and `${*}`, `${?}` and `${$}` these characters themselves.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    if !pattern.contains(['*', '?', '$']) {
        return pattern == text;
    }
    WildMatchPattern::<ANY, ONE>::new(&with_wildcards(pattern)).matches(text)
}

/// Whether a text equals a pattern without wildcards.
pub(super) fn equals(pattern: &str, text: &str) -> bool {
    *literal(pattern) == *text
}

/// Whether an ARN matches a pattern, part by part, so that a `*` in one part doesn't match across a colon. Parts that the pattern lacks
/// match anything: `arn:*` and `*` match every ARN.
#[must_use]
pub fn arn_matches(pattern: &str, arn: &str) -> bool {
    let mut wanted = split_arn(pattern);
    let is_whole = arn.splitn(ARN_PARTS, ':').count() == ARN_PARTS;
    is_whole && arn.splitn(ARN_PARTS, ':').all(|part| wanted.next().is_none_or(|wanted| matches(wanted, part)))
}

/// The number of parts of `arn:partition:service:region:account:resource`.
const ARN_PARTS: usize = 6;

/// The parts of an ARN. A colon within a policy variable (`${aws:username}`) is no separator.
fn split_arn(pattern: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(pattern);
    let mut taken = 0;
    std::iter::from_fn(move || {
        let text = rest?;
        taken += 1;
        let mut inside = false;
        let end = text.char_indices().find(|(index, character)| {
            match character {
                '$' if text.get(index + 1..).is_some_and(|after| after.starts_with('{')) => inside = true,
                '}' => inside = false,
                ':' => return !inside && taken < ARN_PARTS,
                _ => {}
            }
            false
        });
        match end {
            Some((end, _)) => {
                rest = text.get(end + 1..);
                text.get(..end)
            }
            None => rest.take(),
        }
    })
}

fn with_wildcards(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if let Some((escape, character)) = ESCAPES.iter().find(|(escape, _)| rest.starts_with(escape)) {
            out.push(*character);
            rest = rest.get(escape.len()..).unwrap_or_default();
            continue;
        }
        out.push(match first {
            '*' => ANY,
            '?' => ONE,
            other => other,
        });
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
    }
    out
}

/// Replaces the escapes of a text by the characters that they stand for.
pub(super) fn literal(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains("${") {
        return Cow::Borrowed(pattern);
    }
    Cow::Owned(ESCAPES.iter().fold(pattern.to_owned(), |text, (escape, character)| text.replace(escape, &character.to_string())))
}

/// Escapes the value of a policy variable, so that nothing in it acts as a wildcard or variable.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match ESCAPES.iter().find(|(_, escaped)| *escaped == character) {
            Some((escape, _)) => out.push_str(escape),
            None => out.push(character),
        }
    }
    out
}

/// Whether a name is one of the escapes.
pub(super) fn is_escape(name: &str) -> bool {
    ["*", "?", "$"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_and_what_stands_for_them() {
        for (pattern, text, is_match) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?*", "", false),
            ("?*", "x", true),
            ("a${*}c", "a*c", true),
            ("a${*}c", "abc", false),
            ("${$}{x}", "${x}", true),
            ("a${?}*", "a?z", true),
        ] {
            assert_eq!(matches(pattern, text), is_match, "{pattern} {text}");
        }
    }

    #[test]
    fn an_arn_is_compared_part_by_part() {
        let arn = "arn:aws:bedrock:us-east-1:222233334444:guardrail/abc:1";
        for (pattern, is_match) in [
            (arn, true),
            ("arn:aws:bedrock:*:*:guardrail/abc*", true),
            ("arn:aws:bedrock:*:guardrail/abc*", false),
            ("arn:aws:*:guardrail/abc:1", false),
            ("arn:*", true),
            ("*", true),
            ("?*", true),
            ("arn:aws:s3:*", false),
            ("arn:aws:bedrock:us-east-1:222233334444:guardrail/${aws:x}", false),
        ] {
            assert_eq!(arn_matches(pattern, arn), is_match, "{pattern}");
        }
        assert!(!arn_matches("*", "no-arn"));
    }

    #[test]
    fn many_wildcards_take_no_longer() {
        let pattern = "*a".repeat(2_000);
        let text = "a".repeat(1_500) + "b";
        assert!(!matches(&pattern, &text));
        assert!(!matches(&format!("{}*c", "?*".repeat(1_000)), &text));
    }
}
