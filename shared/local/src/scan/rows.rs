//! Reads tables of records: CSV as Athena, CloudTrail Lake, Logs Insights and spreadsheets write it, or the same separated by tabs.

use audit_core::cloudtrail::heads_records;
use serde_json::{Map, Value};

/// The columns of a table of records.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<String>,
    delimiter: u8,
    /// Whether the first row, which names the columns, has been read.
    begun: bool,
    /// Whether the rest of a row that is too large is being skipped.
    passing: bool,
}

impl Table {
    /// Returns the table if the text begins with a row that names columns of records.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        let start = audit_core::json::without_mark(start);
        let head = start.get(..row_end(start, true)?)?;
        [b',', b'\t', b';', b'|'].into_iter().find_map(|delimiter| {
            let columns = cells(head, delimiter)?;
            (heads_records(columns.iter().map(String::as_str))).then_some(Table { columns, delimiter, begun: false, passing: false })
        })
    }

    /// Returns how many of the window's bytes are used up, and the next row if it ends in the window. `last` is true if nothing follows the
    /// window.
    pub(super) fn next(&mut self, window: &[u8], last: bool) -> (usize, Row) {
        let Some(end) = row_end(window, last && !window.is_empty()) else {
            return (0, if last { Row::End } else { Row::More });
        };
        let row = window.get(..end).unwrap_or_default();
        if std::mem::take(&mut self.passing) || !std::mem::replace(&mut self.begun, true) || row.trim_ascii().is_empty() {
            return (end, Row::Nothing);
        }
        let row = cells(row, self.delimiter)
            .filter(|cells| cells.len() <= self.columns.len())
            .map(|cells| self.columns.iter().cloned().zip(cells.into_iter().map(Value::String)).collect::<Map<String, Value>>());
        (end, row.map_or(Row::Broken, Row::Cells))
    }

    /// Skips the row at the start of the window, which is too large.
    pub(super) fn give_up(&mut self) {
        self.passing = true;
    }
}

/// The result of reading on in a table.
#[derive(Debug, PartialEq)]
pub(super) enum Row {
    /// The cells of a row, by column.
    Cells(Map<String, Value>),
    /// A row that doesn't fit the columns.
    Broken,
    /// Nothing of interest, such as an empty row.
    Nothing,
    /// The window ends inside a row.
    More,
    /// The table has ended.
    End,
}

/// Where the first row ends: after a line break outside of quotes, or at the end of the text.
fn row_end(bytes: &[u8], last: bool) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    last.then_some(bytes.len())
}

fn cells(row: &[u8], delimiter: u8) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).flexible(true).from_reader(row);
    let record = reader.byte_records().next()?.ok()?;
    Some(record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the rows of a table that is read in windows of `step` bytes.
    fn rows(text: &str, step: usize) -> Vec<Row> {
        let bytes = text.as_bytes();
        let mut table = Table::of(bytes).unwrap();
        let (mut found, mut start, mut end) = (Vec::new(), 0, step.min(bytes.len()));
        loop {
            let (used, row) = table.next(&bytes[start..end], end == bytes.len());
            start += used;
            match row {
                Row::More => end = (end + step).min(bytes.len()),
                Row::End => return found,
                Row::Nothing => {}
                row => found.push(row),
            }
        }
    }

    #[test]
    fn rows_are_found_by_their_columns() {
        let expected = |name: &str, parameters: &str| {
            Row::Cells(Map::from_iter([("eventName".to_owned(), name.into()), ("requestParameters".to_owned(), parameters.into())]))
        };
        for text in [
            "eventName,requestParameters\nConverse,\"{\"\"a\"\":\n1}\"\r\n\nInvokeModel,\n",
            "\u{feff}\"eventName\",\"requestParameters\"\n\"Converse\",\"{\"\"a\"\":\n1}\"\n\"InvokeModel\",\"\"",
            "eventName\trequestParameters\nConverse\t\"{\"\"a\"\":\n1}\"\nInvokeModel\t\n",
        ] {
            for step in [3, 1000] {
                assert_eq!(rows(text, step), [expected("Converse", "{\"a\":\n1}"), expected("InvokeModel", "")], "{text}");
            }
        }
        assert_eq!(rows("eventName,eventTime\na,b,c,d\n", 100), [Row::Broken]);
        for other in ["name,age\nbob,5\n", "Converse failed, eventName missing\n", "", "plain text"] {
            assert!(Table::of(other.as_bytes()).is_none(), "{other}");
        }
    }
}
