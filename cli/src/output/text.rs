//! Breaks text into lines that fit the terminal.

use audit_core::json::printable;
use comfy_table::Table;
use unicode_width::UnicodeWidthStr as _;

/// Columns of the longest line, however wide the terminal is, and where there is no terminal.
pub(super) const WIDEST: usize = 110;

/// Columns that a line has at least, however narrow the terminal is.
const NARROWEST: usize = 40;

/// The number of columns of the terminal. Where there is none, it is `COLUMNS` of the environment, as for other programs; `None` if that isn't
/// set either, for a line that may have any length.
pub(crate) fn columns() -> Option<usize> {
    #[cfg(test)]
    match tests::WIDTH.get() {
        tests::Width::OfTheTerminal => {}
        tests::Width::Set(columns) => return columns,
    }
    let terminal = Table::new().width().map(usize::from);
    terminal.or_else(|| std::env::var("COLUMNS").ok()?.trim().parse().ok()).filter(|columns| *columns > 0)
}

/// Breaks a text between words. Lines after a break are indented by `indent` columns; the first line is expected to start there already.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    wrapped_to(&printable(text), indent, columns().unwrap_or(WIDEST).min(WIDEST))
}

/// Breaks a text like [`wrapped`] on a terminal. A program that reads the output gets one line.
pub(crate) fn fitted(text: &str, indent: usize) -> String {
    if columns().is_some() { wrapped(text, indent) } else { printable(text).into_owned() }
}

/// Breaks a text for lines of this width.
pub(super) fn wrapped_to(text: &str, indent: usize, width: usize) -> String {
    let room = width.saturating_sub(indent).max(NARROWEST);
    let mut set = String::with_capacity(text.len() + text.len() / room * (indent + 1));
    let mut used = 0;
    for word in words(text) {
        let len = word.width();
        if used > 0 && used + 1 + len > room {
            set.push('\n');
            set.extend(std::iter::repeat_n(' ', indent));
            used = 0;
        } else if used > 0 {
            set.push(' ');
            used += 1;
        }
        set.push_str(word);
        used += len;
    }
    set
}

/// Splits a text at blanks. A command in backticks stays one word, so that it can be copied.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut in_backticks = false;
    text.split(move |c: char| {
        in_backticks ^= c == '`';
        c == ' ' && !in_backticks
    })
}

/// Formats a count with its noun: `1 call`, `2 calls`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    /// What [`columns`] answers in a test.
    #[derive(Clone, Copy)]
    pub(crate) enum Width {
        OfTheTerminal,
        Set(Option<usize>),
    }

    thread_local! {
        pub(crate) static WIDTH: Cell<Width> = const { Cell::new(Width::OfTheTerminal) };
    }

    #[test]
    fn lines_break_between_words_and_are_indented() {
        assert_eq!(wrapped_to("short", 4, 80), "short");
        let text = "one two three four five six seven eight nine ten";
        assert_eq!(wrapped_to(text, 4, 44), "one two three four five six seven eight\n    nine ten");
        let long = "x".repeat(60);
        assert_eq!(wrapped_to(&format!("a {long} b"), 2, 40), format!("a\n  {long}\n  b"), "a word is never broken");
        assert_eq!(wrapped_to("", 4, 80), "");
        let command = "`guardrail-audit rules api-not-covered`";
        assert_eq!(wrapped_to(&format!("see {command}, too"), 0, 40), format!("see\n{command},\ntoo"), "nor is a command");
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(counted(1, "finding"), "1 finding");
        assert_eq!(counted(0, "finding"), "0 findings");
    }
}
