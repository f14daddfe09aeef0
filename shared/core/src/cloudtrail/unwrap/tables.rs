//! Rows of tables, whose cells are found by the names of their columns, in the forms that query services return.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{At, ORIGINALS, Record, UnreadableRecord, Unwrapping, columns, fields, has_hint, inside};
use crate::cloudtrail::Item;

impl Unwrapping<'_> {
    /// Reads a row as a record if it has the columns of one. Returns whether it has.
    pub(in crate::cloudtrail) fn row(&mut self, row: Map<String, Value>, at: At) -> bool {
        let Some(json) = columns::record_of(row).map(|record| record.to_string()) else { return false };
        match serde_json::from_str::<Record<'_>>(&json) {
            Ok(record) => self.give(Ok(Item::Record(Box::new(record))), json.as_bytes(), at),
            Err(error) => self.fail(UnreadableRecord::Json(error), at),
        }
        true
    }

    /// Reads a row whose cells are given by column.
    pub(in crate::cloudtrail) fn cells(&mut self, row: Map<String, Value>, at: At) {
        let json = Value::Object(row.clone()).to_string();
        if ORIGINALS.iter().any(|name| row.contains_key(*name)) || !self.row(row, at) {
            self.value(json.as_bytes(), at.deeper());
        }
    }

    /// Reads a response of Athena, whose first row holds the names of the columns.
    pub(super) fn table(&mut self, table: &str, at: At) {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Table {
            rows: Vec<TableRow>,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct TableRow {
            data: Vec<Cell>,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Cell {
            var_char_value: String,
        }
        let rows = match serde_json::from_str::<Table>(table) {
            Ok(table) => table.rows,
            Err(error) => return self.fail(UnreadableRecord::Json(error), at),
        };
        let mut rows = rows.into_iter();
        let columns: Vec<String> = rows.next().into_iter().flat_map(|row| row.data).map(|cell| cell.var_char_value).collect();
        for row in rows {
            let cells = columns.iter().cloned().zip(row.data.into_iter().map(|cell| Value::String(cell.var_char_value)));
            self.value(Value::Object(cells.collect()).to_string().as_bytes(), at.deeper());
        }
    }
}

/// Whether this record may be a row, with its parameters in columns or as a string.
pub(super) fn may_be_row(record: &Record<'_>, bytes: &[u8]) -> bool {
    match record.request_parameters {
        Some(parameters) => parameters.get().starts_with("\"{"),
        None => memchr::memmem::find(bytes, b"arameters.").is_some(),
    }
}

/// The row that a list of cells makes: `[{"field": "@message", "value": …}, …]` or `[{"eventName": …}, {"eventTime": …}]`.
pub(super) fn cells(text: &str) -> Option<Map<String, Value>> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum CellOf {
        Named { field: String, value: Value },
        Single(Map<String, Value>),
    }
    if !has_hint(text.as_bytes()) && !inside::looks_encoded(text) {
        return None;
    }
    let mut row = Map::new();
    for cell in serde_json::from_str::<Vec<CellOf>>(text).ok()? {
        match cell {
            CellOf::Named { field, value } => {
                row.insert(field, value);
            }
            CellOf::Single(members) if members.len() == 1 => {
                if members.keys().any(|name| row.contains_key(name)) {
                    return None;
                }
                row.extend(members);
            }
            CellOf::Single(_) => return None,
        }
    }
    row.keys().any(|name| ORIGINALS.contains(&name.as_str()) || fields::of_column(name) == Some("eventName")).then_some(row)
}

/// Whether these names of columns are those of a table that holds records.
pub fn heads_records<'c>(columns: impl IntoIterator<Item = &'c str>) -> bool {
    let whole = ["message", "record", "log", "body"];
    columns.into_iter().any(|column| {
        let column = column.trim();
        ORIGINALS.contains(&column) || whole.contains(&&*column.to_ascii_lowercase()) || fields::of_column(column) == Some("eventName")
    })
}
