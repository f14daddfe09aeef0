//! A mistake in a configuration, with the line that it stands on.

use std::{borrow::Cow, fmt::Write as _, ops::Range};

use crate::json::printable;

/// A line or a word of at most so many characters is quoted whole.
const WHOLE: usize = 240;

/// Of a longer line, so many characters before and behind the beginning of the mistake are quoted.
const AROUND: usize = 60;

/// What is wrong, as `toml` says it; but it would quote a line of any length whole.
pub(super) fn quoted(error: &toml::de::Error, text: &str) -> String {
    let message = repeated_in_one_line(error.message());
    let said = error.to_string().replace(error.message(), &message);
    if said.lines().all(|line| line.chars().count() <= WHOLE) {
        return said;
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

/// A message whose words from the file, in backticks, can't begin another line.
fn repeated_in_one_line(message: &str) -> String {
    let parts = message.split('`').enumerate();
    let parts: Vec<Cow<'_, str>> = parts.map(|(number, part)| if number % 2 == 1 { printable(part) } else { part.into() }).collect();
    parts.join("`")
}

/// Of a list with a wrong text in it, `toml` gives the place of the list: the place of the text that the message begins with.
fn narrowed(span: Range<usize>, message: &str, text: &str) -> Range<usize> {
    let word = message.strip_prefix('`').and_then(|rest| rest.split_once('`')).map(|(word, _)| format!("\"{word}\""));
    let within = word.as_ref().zip(text.get(span.clone())).and_then(|(word, within)| within.find(word.as_str()));
    match (word, within) {
        (Some(word), Some(at)) => span.start + at..span.start + at + word.len(),
        _ => span,
    }
}

/// A message that repeats something very long, without its middle.
fn shortened(message: &str) -> String {
    let count = message.chars().count();
    if count <= WHOLE {
        return message.to_owned();
    }
    let head: String = message.chars().take(AROUND).collect();
    let tail: String = message.chars().skip(count - 2 * AROUND).collect();
    format!("{head}…{tail}")
}
