//! Rows of tables, whose cells are found by the names of their columns, in the forms that query services return.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    inside,
    names::{ORIGINALS, has_hint},
};
use crate::cloudtrail::{Record, fields};

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
