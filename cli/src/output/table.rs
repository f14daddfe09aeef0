//! Writes rows as tables that fit the terminal. No line breaks inside of a word.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use audit_core::{arn::is_account_id, doctor, json::printable, policy::lint::Level, severity::Severity};
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use unicode_width::UnicodeWidthStr;

use super::text::{WIDEST, columns, wrapped, wrapped_to};

const HEADING: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();

/// Columns between two cells.
const GAP: usize = 2;

/// Columns that a cell of several words gets at least, if it has as many: narrower ones are hard to read.
const NARROWEST_TEXT: usize = 24;

/// Writes rows without a heading.
pub(crate) fn plain(out: &mut (impl Write + ?Sized), rows: impl Iterator<Item = Vec<String>>) -> io::Result<()> {
    indented(out, 0, &[], rows)
}

/// Writes rows under a heading.
pub(crate) fn headed(out: &mut (impl Write + ?Sized), heading: &[&str], rows: impl Iterator<Item = Vec<String>>) -> io::Result<()> {
    indented(out, 0, heading, rows)
}

/// Writes rows that are indented, with a heading if there is one. Where there is no terminal, indented rows are as wide as the text that they
/// stand in, and others, which programs read, are one line each.
pub(crate) fn indented(
    out: &mut (impl Write + ?Sized),
    indent: usize,
    heading: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> io::Result<()> {
    let grid = Grid::new(heading, rows);
    let room = columns().or((indent > 0).then_some(WIDEST));
    for line in grid.lines(room.map(|columns| columns.saturating_sub(indent))) {
        // An empty line gets no blanks.
        let indent = if line.is_empty() { 0 } else { indent };
        writeln!(out, "{:indent$}{line}", "")?;
    }
    Ok(())
}

/// The cells of a table.
struct Grid {
    /// Empty, or as many as there are columns.
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    fn new(heading: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Self {
        // A line break in a name must not start a row.
        let rows = rows.map(|row| row.iter().map(|cell| printable(cell).into_owned()).collect()).collect();
        Grid { heading: heading.iter().map(|&title| title.to_owned()).collect(), rows }
    }

    fn column(&self, index: usize) -> impl Iterator<Item = &str> {
        self.heading.iter().skip(index).take(1).chain(self.rows.iter().filter_map(move |row| row.get(index))).map(String::as_str)
    }

    fn lines(&self, room: Option<usize>) -> Vec<String> {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(self.heading.len());
        let natural: Vec<usize> = (0..count).map(|index| self.column(index).map(UnicodeWidthStr::width).max().unwrap_or(0)).collect();
        let Some(room) = room.filter(|room| total(&natural) > *room) else {
            return self.arranged(&natural);
        };
        let least: Vec<usize> = natural.iter().enumerate().map(|(index, natural)| least(self.column(index), *natural)).collect();
        if total(&least) <= room {
            return self.arranged(&shrunk(natural, &least, room));
        }
        self.stacked(&natural, room)
    }

    /// A table whose columns have these widths.
    fn arranged(&self, widths: &[usize]) -> Vec<String> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(total(widths) + GAP).unwrap_or(u16::MAX));
        if !self.heading.is_empty() {
            table.set_header(self.heading.iter().take(widths.len()));
        }
        table.add_rows(self.rows.iter().map(|row| row.iter().take(widths.len())));
        for (column, width) in table.column_iter_mut().zip(widths) {
            column.set_padding((0, u16::try_from(GAP).unwrap_or(0)));
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(u16::try_from(width + GAP).unwrap_or(u16::MAX))));
            if self.rows.iter().filter_map(|row| row.get(column.index)).all(|cell| is_number(cell)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// A table of the first columns, as far as they fit, with the other cells of each row below it.
    fn stacked(&self, natural: &[usize], room: usize) -> Vec<String> {
        let mut fit = 1;
        while natural.get(..=fit).is_some_and(|widths| total(widths) <= room) {
            fit += 1;
        }
        let mut lines = self.arranged(natural.get(..fit).unwrap_or(natural)).into_iter();
        let mut stacked: Vec<String> = if self.heading.is_empty() { Vec::new() } else { lines.by_ref().take(1).collect() };
        for (row, line) in self.rows.iter().zip(lines) {
            stacked.push(line);
            let titles = self.heading.iter().map(String::as_str).chain(std::iter::repeat(""));
            let cells = row.iter().zip(titles).skip(fit).filter(|(cell, _)| !cell.is_empty());
            let below: Vec<String> =
                cells.map(|(cell, title)| format!("{} {cell}", title.to_lowercase()).trim_start().to_owned()).collect();
            if !below.is_empty() {
                stacked.extend(wrapped_to(&below.join("; "), 4, room).lines().enumerate().map(|(number, line)| {
                    // Lines after the first are indented already.
                    if number == 0 { format!("    {line}") } else { line.to_owned() }
                }));
            }
        }
        stacked
    }
}

/// The width of a table with columns of these widths.
fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

/// The width that a column can shrink to.
fn least<'c>(cells: impl Iterator<Item = &'c str>, natural: usize) -> usize {
    let word = cells.flat_map(|cell| cell.split(' ')).map(UnicodeWidthStr::width).max().unwrap_or(0);
    if word == natural { natural } else { word.max(NARROWEST_TEXT.min(natural)) }
}

/// Shrinks the widest columns until the table fits.
fn shrunk(mut widths: Vec<usize>, least: &[usize], room: usize) -> Vec<usize> {
    while total(&widths) > room {
        let widest = widths.iter_mut().zip(least).filter(|(width, least)| **width > **least).max_by_key(|(width, _)| **width);
        let Some((width, _)) = widest else { break };
        *width -= 1;
    }
    widths
}

/// Whether a cell is a number, a share or a count of several: numbers stand below each other by their last digit. The id of an account is no
/// number.
fn is_number(cell: &str) -> bool {
    let is_digits = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '%');
    cell == "-" || (!is_account_id(cell) && cell.split(' ').all(|word| word == "of" || is_digits(word)))
}

pub(crate) fn severity_style(severity: Severity) -> Style {
    let color = match severity {
        Severity::Critical | Severity::High => AnsiColor::Red,
        Severity::Medium => AnsiColor::Yellow,
        Severity::Low | Severity::Informational => AnsiColor::Blue,
    };
    let style = Style::new().fg_color(Some(color.into()));
    if severity >= Severity::High { style.bold() } else { style }
}

pub(crate) fn level_style(level: Level) -> Style {
    let color = match level {
        Level::Error => AnsiColor::Red,
        Level::Warning => AnsiColor::Yellow,
        Level::Note => AnsiColor::Cyan,
    };
    Style::new().bold().fg_color(Some(color.into()))
}

pub(crate) fn status_style(status: doctor::Status) -> Style {
    let color = match status {
        doctor::Status::Ok => AnsiColor::Green,
        doctor::Status::Warn => AnsiColor::Yellow,
        doctor::Status::Fail => AnsiColor::Red,
        doctor::Status::Unknown => AnsiColor::Cyan,
    };
    Style::new().bold().fg_color(Some(color.into()))
}

pub(crate) fn heading(out: &mut (impl Write + ?Sized), text: &str) -> io::Result<()> {
    writeln!(out, "{HEADING}{}{HEADING:#}", wrapped(text, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        Grid::new(
            &["ACCOUNT", "NAME", "CALLS", "WORST"],
            [
                row(["101010101010", "sandbox-research", "11 of 39", "auditor-tampered, enforcement-not-observed"]),
                row(["444455556666", "support-chat", "4 of 5", "region-not-covered"]),
            ]
            .into_iter(),
        )
    }

    #[test]
    fn a_table_that_fits_is_one_line_a_row() {
        let lines = grid().lines(None);
        assert_eq!(
            lines,
            [
                "ACCOUNT       NAME                 CALLS  WORST",
                "101010101010  sandbox-research  11 of 39  auditor-tampered, enforcement-not-observed",
                "444455556666  support-chat        4 of 5  region-not-covered"
            ]
        );
        assert_eq!(grid().lines(Some(84)), lines);
    }

    #[test]
    fn a_long_cell_is_broken_between_words() {
        assert_eq!(
            grid().lines(Some(72)),
            [
                "ACCOUNT       NAME                 CALLS  WORST",
                "101010101010  sandbox-research  11 of 39  auditor-tampered,",
                "                                          enforcement-not-observed",
                "444455556666  support-chat        4 of 5  region-not-covered"
            ]
        );
    }

    #[test]
    fn what_does_not_fit_beside_stands_below() {
        assert_eq!(
            grid().lines(Some(44)),
            [
                "ACCOUNT       NAME                 CALLS",
                "101010101010  sandbox-research  11 of 39",
                "    worst auditor-tampered,",
                "    enforcement-not-observed",
                "444455556666  support-chat        4 of 5",
                "    worst region-not-covered"
            ]
        );
    }

    #[test]
    fn no_word_is_broken_however_narrow_it_is() {
        for room in 1..120 {
            let text = grid().lines(Some(room)).join("\n");
            for word in grid().rows.iter().flatten().flat_map(|cell| cell.split(' ')) {
                assert!(text.split([' ', ';', '\n']).any(|written| written == word), "{word} at {room}:\n{text}");
            }
        }
    }
}
