//! Tables as CSV, for spreadsheets.

use std::{borrow::Cow, io};

use crate::json::printable;

/// Writes a table row by row.
pub struct Writer<W: io::Write>(csv::Writer<W>);

/// What ends a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnding {
    /// A line feed, as terminals and their tools have it.
    Lf,
    /// A carriage return and a line feed, as RFC 4180 has it.
    CrLf,
}

impl<W: io::Write> Writer<W> {
    /// Begins a table by its heading.
    ///
    /// # Errors
    ///
    /// If it can't be written.
    pub fn new(out: W, ending: LineEnding, heading: &[&str]) -> io::Result<Self> {
        let terminator = match ending {
            LineEnding::Lf => csv::Terminator::Any(b'\n'),
            LineEnding::CrLf => csv::Terminator::CRLF,
        };
        let mut csv = csv::WriterBuilder::new().terminator(terminator).from_writer(out);
        csv.write_record(heading)?;
        Ok(Writer(csv))
    }

    /// Adds a row, of as many cells as the heading has.
    ///
    /// # Errors
    ///
    /// If it can't be written, or has another number of cells.
    pub fn row(&mut self, cells: &[&str]) -> io::Result<()> {
        for cell in cells {
            self.0.write_field(&*harmless(cell))?;
        }
        Ok(self.0.write_record(None::<&[u8]>)?)
    }

    /// Writes whatever is left to write.
    ///
    /// # Errors
    ///
    /// If it can't be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A whole table as text.
///
/// # Errors
///
/// Never, as long as there is memory.
pub fn text<const N: usize>(ending: LineEnding, heading: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> io::Result<String> {
    let mut text = Vec::new();
    let mut table = Writer::new(&mut text, ending, &heading)?;
    for row in rows {
        table.row(&row.each_ref().map(String::as_str))?;
    }
    table.finish()?;
    String::from_utf8(text).map_err(io::Error::other)
}

/// Puts a cell into one line and escapes one that begins like a formula, because spreadsheets run it, and callers choose the words in parts
/// of a finding (owasp.org/www-community/attacks/CSV_Injection).
fn harmless(cell: &str) -> Cow<'_, str> {
    let cell = printable(cell);
    if cell.starts_with(['=', '+', '-', '@']) { Cow::Owned(format!("'{cell}")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_one_and_is_never_run() {
        for (cell, written) in [
            ("plain", "plain"),
            ("a, b", "\"a, b\""),
            ("say \"a\"", "\"say \"\"a\"\"\""),
            ("=1+1", "'=1+1"),
            ("@sum", "'@sum"),
            ("two\nlines", "two\u{fffd}lines"),
            // What a spreadsheet skips before a formula.
            ("\t=1", "\u{fffd}=1"),
            ("\r=1", "\u{fffd}=1"),
        ] {
            for (ending, end) in [(LineEnding::Lf, "\n"), (LineEnding::CrLf, "\r\n")] {
                let mut out = Vec::new();
                let mut table = Writer::new(&mut out, ending, &["one", "two"]).unwrap();
                table.row(&["x", cell]).unwrap();
                table.finish().unwrap();
                assert_eq!(String::from_utf8(out).unwrap(), format!("one,two{end}x,{written}{end}"));
            }
        }
    }
}
