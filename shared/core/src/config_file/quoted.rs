//! Formats an error in a configuration, with the line that contains it.

use std::{borrow::Cow, fmt::Write as _, ops::Range};

use crate::json::printable;

/// The most characters of a line or message that is shown in full.
const WHOLE: usize = 240;

/// The number of characters that are shown before and after the beginning of the mistake, if the line is longer than [`WHOLE`].
const AROUND: usize = 60;

/// The error in the form of the `toml` crate, but with long lines shortened: `toml` would print a line of any length.
pub(super) fn quoted(error: &toml::de::Error, text: &str) -> String {
    let message = repeated_in_one_line(error.message());
    let whole = error.to_string().replace(error.message(), &message);
    if whole.lines().all(|line| line.chars().count() <= WHOLE) {
        return whole;
    }
    let message = shortened(&message);
    let Some(span) = error.span().map(|span| narrowed(span, error.message(), text)) else { return message };
    let (before, from) = (text.get(..span.start).unwrap_or_default(), text.get(span.start..).unwrap_or_default());
    let number = before.matches('\n').count() + 1;
    let on_line = before.rsplit('\n').next().unwrap_or_default();
    let column = on_line.chars().count();
    let cut = column.saturating_sub(AROUND);
    let mut line: String = if cut > 0 { "…" } else { "" }.to_owned();
    line.extend(on_line.chars().skip(cut));
    let caret = line.chars().count();
    let behind = from.lines().next().unwrap_or_default();
    line.extend(behind.chars().take(AROUND));
    if behind.chars().nth(AROUND).is_some() {
        line.push('…');
    }
    let wrong = text.get(span).unwrap_or_default().lines().next().unwrap_or_default();
    let carets = wrong.chars().count().clamp(1, AROUND);
    let margin = " ".repeat(number.to_string().len());
    let mut quoted = format!("TOML parse error at line {number}, column {}\n", column + 1);
    // Writing to a String can't fail.
    let _ = write!(quoted, "{margin} |\n{number} | {line}\n{margin} | {}{}\n{message}\n", " ".repeat(caret), "^".repeat(carets));
    quoted
}

/// What is wrong, in one line of bounded length.
pub(super) fn message(error: &toml::de::Error) -> String {
    printable(&shortened(error.message())).into_owned()
}

/// The byte at which the mistake begins.
pub(super) fn start(error: &toml::de::Error, text: &str) -> Option<usize> {
    Some(narrowed(error.span()?, error.message(), text).start)
}

/// The message with control characters replaced in the parts in backticks, which repeat the file and could otherwise forge further lines.
fn repeated_in_one_line(message: &str) -> String {
    let parts = message.split('`').enumerate();
    let parts: Vec<Cow<'_, str>> = parts.map(|(number, part)| if number % 2 == 1 { printable(part) } else { part.into() }).collect();
    parts.join("`")
}

/// The span of the wrong string in a list. `toml` reports the span of the whole list, and begins its message with the string.
fn narrowed(span: Range<usize>, message: &str, text: &str) -> Range<usize> {
    let word = message.strip_prefix('`').and_then(|rest| rest.split_once('`')).map(|(word, _)| format!("\"{word}\""));
    let within = word.as_ref().zip(text.get(span.clone())).and_then(|(word, within)| within.find(word.as_str()));
    match (word, within) {
        (Some(word), Some(at)) => span.start + at..span.start + at + word.len(),
        _ => span,
    }
}

/// The message without its middle, if it repeats a very long value.
fn shortened(message: &str) -> String {
    let count = message.chars().count();
    if count <= WHOLE {
        return message.to_owned();
    }
    let head: String = message.chars().take(AROUND).collect();
    let tail: String = message.chars().skip(count - 2 * AROUND).collect();
    format!("{head}…{tail}")
}
