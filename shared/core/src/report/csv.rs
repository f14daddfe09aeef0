//! Writes tables as CSV that is safe to open in a spreadsheet.

use std::{borrow::Cow, io};

use crate::json::printable;

/// A writer of a CSV table.
pub struct Writer<W: io::Write>(csv::Writer<W>);

/// The end of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnding {
    /// A line feed, as Unix tools expect it.
    Lf,
    /// A carriage return and a line feed, as RFC 4180 requires.
    CrLf,
}

impl<W: io::Write> Writer<W> {
    /// Starts a table by writing its header row.
    ///
    /// # Errors
    ///
    /// Fails if the row can't be written.
    pub fn new(out: W, ending: LineEnding, heading: impl IntoIterator<Item: AsRef<[u8]>>) -> io::Result<Self> {
        let terminator = match ending {
            LineEnding::Lf => csv::Terminator::Any(b'\n'),
            LineEnding::CrLf => csv::Terminator::CRLF,
        };
        let mut csv = csv::WriterBuilder::new().terminator(terminator).from_writer(out);
        csv.write_record(heading)?;
        Ok(Writer(csv))
    }

    /// Writes a row with as many cells as the header row.
    ///
    /// # Errors
    ///
    /// Fails if the row can't be written, or has another number of cells.
    pub fn row(&mut self, cells: impl IntoIterator<Item: AsRef<str>>) -> io::Result<()> {
        for cell in cells {
            self.0.write_field(&*harmless(cell.as_ref()))?;
        }
        Ok(self.0.write_record(None::<&[u8]>)?)
    }

    /// Flushes buffered rows.
    ///
    /// # Errors
    ///
    /// Fails if they can't be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes a whole table into a string.
///
/// # Errors
///
/// Fails if a row has another number of cells than the header row.
pub fn text(
    ending: LineEnding,
    heading: impl IntoIterator<Item: AsRef<[u8]>>,
    rows: impl IntoIterator<Item: IntoIterator<Item: AsRef<str>>>,
) -> io::Result<String> {
    let mut text = Vec::new();
    let mut table = Writer::new(&mut text, ending, heading)?;
    for row in rows {
        table.row(row)?;
    }
    table.finish()?;
    String::from_utf8(text).map_err(io::Error::other)
}

/// Replaces control characters in a cell, and puts `'` before one that begins like a formula. A spreadsheet would execute it, and callers
/// choose some of the texts in a finding (owasp.org/www-community/attacks/CSV_Injection).
fn harmless(cell: &str) -> Cow<'_, str> {
    let cell = printable(cell);
    // Spreadsheets in East Asian languages read the full-width forms of these signs as the signs.
    if cell.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) { Cow::Owned(format!("'{cell}")) } else { cell }
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
            ("＝1+1", "'＝1+1"),
            ("two\nlines", "two\u{fffd}lines"),
            // A spreadsheet skips these characters before a formula.
            ("\t=1", "\u{fffd}=1"),
            ("\r=1", "\u{fffd}=1"),
        ] {
            for (ending, end) in [(LineEnding::Lf, "\n"), (LineEnding::CrLf, "\r\n")] {
                let mut out = Vec::new();
                let mut table = Writer::new(&mut out, ending, ["one", "two"]).unwrap();
                table.row(["x", cell]).unwrap();
                table.finish().unwrap();
                assert_eq!(String::from_utf8(out).unwrap(), format!("one,two{end}x,{written}{end}"));
            }
        }
    }
}
