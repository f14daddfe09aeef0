//! Finds records within the envelopes that exports, subscriptions, queries and tools put around them.
//!
//! CloudWatch Logs has a record as a string in `message`, its subscriptions as base64 of gzip, LookupEvents as a string, queries as rows of
//! columns, search engines in `_source`, log collectors behind a time. One mechanism reads them all: it opens the members that are known to
//! hold records, recursively and within limits of depth and size, until it finds a record. Only values without an `eventName` of their own
//! come here.
//!
//! The members are an explicit list on purpose: prompts and other texts of callers may contain anything, also a forged record of an
//! evaluation.

mod inside;
mod members;
mod names;
mod tables;

use std::{borrow::Cow, io::Read as _};

use flate2::read::MultiGzDecoder;
use inside::Embedded;
use members::{Members, told_by_name};
use names::{OF_BODIES, ORIGINALS, WRAPPERS, has_hint};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};
pub use tables::heads_records;

use super::{
    columns, fields,
    frame::{self, Frame, Frames},
    item::{Item, UnreadableRecord, Unwrapped, read_log},
    record::Record,
};
use crate::json::without_duplicates;

/// Levels of envelopes that are opened at most; a string of JSON counts as three. An SQS message of an SNS message of a Firehose record of
/// a subscription's payload needs less than half of them.
const DEEPEST: u32 = 40;

/// Opening brackets of a line that are followed at most without finding the closing one.
const MOST_TRIED: u32 = 8;

/// Bytes that are decoded and decompressed at most within one value.
const MOST_DECODED: usize = 64 << 20;

impl Item<'_> {
    /// Reads one JSON value and calls `with` for each item that it holds. Items are passed to a function rather than returned, because what
    /// was decoded from base64 or gzip lives only as long as its buffer.
    pub fn each(bytes: &[u8], with: &mut dyn FnMut(Unwrapped<'_>)) {
        Unwrapping::new(with).value(bytes, At::default());
    }

    /// Like [`Item::each`], for a line of text that begins neither with `{` nor with `[`.
    pub fn each_in_line(line: &[u8], with: &mut dyn FnMut(Unwrapped<'_>)) {
        Unwrapping::new(with).line(line, At::default());
    }

    /// Like [`Item::each`], for a row of a table, given by its columns.
    pub fn each_in_row(row: Map<String, Value>, with: &mut dyn FnMut(Unwrapped<'_>)) {
        Unwrapping::new(with).cells(row, At::default());
    }

    /// Reads one JSON value and calls `with` for its first item. Returns the default of `R` if the value holds none.
    pub fn parse<R: Default>(bytes: &[u8], with: impl FnOnce(Result<Item<'_>, UnreadableRecord>) -> R) -> R {
        let (mut with, mut outcome) = (Some(with), R::default());
        Self::each(bytes, &mut |found| {
            if let Some(with) = with.take() {
                outcome = with(found.item);
            }
        });
        outcome
    }
}

/// The position of a value within its envelopes.
#[derive(Clone, Copy, Default)]
pub(super) struct At {
    depth: u32,
    on_bus: bool,
    /// The member that holds the value.
    member: Option<&'static str>,
}

impl At {
    fn deeper(self) -> Self {
        At { depth: self.depth + 1, ..self }
    }
}

/// Reads a value and passes each item that it finds to `with`.
pub(super) struct Unwrapping<'w> {
    with: &'w mut dyn FnMut(Unwrapped<'_>),
    /// Bytes that may still be decoded.
    room: usize,
}

impl<'w> Unwrapping<'w> {
    pub(super) fn new(with: &'w mut dyn FnMut(Unwrapped<'_>)) -> Self {
        Unwrapping { with, room: MOST_DECODED }
    }

    fn give(&mut self, item: Result<Item<'_>, UnreadableRecord>, json: &[u8], at: At) {
        let item = match (item, at.member) {
            (Err(source), Some(field)) => Err(UnreadableRecord::Wrapped { field, source: Box::new(source) }),
            (item, _) => item,
        };
        (self.with)(Unwrapped { item, json, on_bus: at.on_bus });
    }

    fn fail(&mut self, error: UnreadableRecord, at: At) {
        self.give(Err(error), b"", at);
    }

    /// Reads a JSON value.
    pub(super) fn value(&mut self, bytes: &[u8], at: At) {
        let bytes = bytes.trim_ascii();
        match bytes.first() {
            _ if at.depth > DEEPEST => self.fail(UnreadableRecord::TooDeep, at),
            Some(b'{') => self.object(bytes, at),
            Some(b'[') => self.array(bytes, at),
            Some(b'"') => match serde_json::from_slice::<String>(bytes) {
                Ok(text) => {
                    if !self.text(&text, at.deeper()) {
                        self.fail(UnreadableRecord::NotAnObject, at);
                    }
                }
                Err(error) => self.fail(UnreadableRecord::Json(error), at),
            },
            _ => {
                let error = serde_json::from_slice::<serde::de::IgnoredAny>(bytes);
                self.fail(error.map_or_else(UnreadableRecord::Json, |_| UnreadableRecord::NotAnObject), at);
            }
        }
    }

    fn object(&mut self, bytes: &[u8], at: At) {
        let tidied;
        let record = match read_record(bytes) {
            Ok(record) => record,
            Err(error) => {
                let Some(once) = without_duplicates(bytes) else {
                    return self.fail(UnreadableRecord::Json(error), at);
                };
                tidied = once;
                match serde_json::from_str(&tidied) {
                    Ok(record) => record,
                    Err(_) => return self.fail(UnreadableRecord::Json(error), at),
                }
            }
        };
        if record.is_insight() {
            return self.give(Ok(Item::Insight), bytes, at);
        }
        let is_named = record.event_name.get().is_some() && !is_of_lambda(&record);
        if is_named && at.depth == 0 && !tables::may_be_row(&record, bytes) {
            return self.give(Ok(Item::Record(Box::new(record))), bytes, at);
        }
        let text = String::from_utf8_lossy(bytes);
        let members = match serde_json::from_str::<Members<'_>>(&text) {
            Ok(members) => members,
            Err(error) => return self.fail(UnreadableRecord::Json(error), at),
        };
        if is_named && !members.any_of(ORIGINALS) && !members.is_row() {
            return self.give(Ok(Item::Record(Box::new(record))), bytes, at);
        }
        drop(record);
        self.wrapper(&members, &text, at);
    }

    /// Reads an object that is no record.
    fn wrapper(&mut self, members: &Members<'_>, text: &str, at: At) {
        if members.text("schemaType").as_deref() == Some("ModelInvocationLog") {
            let log = read_log(text).map(|log| Item::InvocationLog(Box::new(log)));
            return self.give(log.map_err(UnreadableRecord::Json), text.as_bytes(), at);
        }
        if members.text("digestS3Object").is_some_and(|key| !key.is_empty()) {
            return self.give(Ok(Item::Digest), b"", at);
        }
        if members.text("messageType").as_deref() == Some("CONTROL_MESSAGE") {
            return self.give(Ok(Item::ControlMessage), b"", at);
        }
        if let Some(kind) = members.text("detail-type") {
            return self.bus_event(members, &kind, at);
        }
        if members.is_row()
            && let Ok(row) = serde_json::from_str(text)
            && self.row(row, at)
        {
            return;
        }
        // Bodies hold texts of callers, so they are not searched for records.
        let holds_more = members.0.iter().any(|(name, _)| fields::is_of_record(name) || frame::LISTS.contains(&&**name));
        if members.any_of(OF_BODIES) && !holds_more {
            return self.give(Ok(Item::Body), b"", at);
        }
        if let Some(table) = members.get("ResultSet") {
            return self.table(table, at.deeper());
        }
        if !self.inside(members, at) {
            self.fail(told_by_name(members), at);
        }
    }

    /// Reads an EventBridge event. Those of CloudTrail have the record in `detail`.
    fn bus_event(&mut self, members: &Members<'_>, kind: &str, at: At) {
        let at = At { on_bus: true, member: Some("detail"), ..at.deeper() };
        let detail = members.get("detail").unwrap_or("null");
        let is_record = serde_json::from_str::<Members<'_>>(detail).is_ok_and(|detail| detail.has("eventName"));
        let by_cloudtrail = kind.ends_with("via CloudTrail");
        if by_cloudtrail && kind.contains("Insight") {
            self.give(Ok(Item::Insight), detail.as_bytes(), at);
        } else if is_record || by_cloudtrail || detail.starts_with('"') && has_hint(detail.as_bytes()) {
            self.value(detail.as_bytes(), at);
        } else {
            self.give(Ok(Item::BusEvent), b"", at);
        }
    }

    /// Reads the members that may hold records. Returns whether there was one.
    fn inside(&mut self, members: &Members<'_>, at: At) -> bool {
        // A search engine's document holds one record twice: in `event.original`, and before that in `message`.
        let with_original = |(name, value): &&(Cow<'_, str>, &RawValue)| name == "event" && value.get().contains("\"original\"");
        if let Some((name, value)) = members.0.iter().find(with_original).filter(|(_, value)| has_hint(value.get().as_bytes())) {
            self.member(name, value.get(), at);
            return true;
        }
        let original = members.0.iter().find(|(name, value)| ORIGINALS.contains(&&**name) && may_hold(value.get(), true));
        if let Some((name, value)) = original {
            self.member(name, value.get(), at);
            return true;
        }
        let mut found = false;
        for (name, value) in &members.0 {
            let is_list = frame::LISTS.contains(&&**name) && value.get().starts_with('[');
            if is_list || (WRAPPERS.contains(&&**name) && may_hold(value.get(), false)) {
                found = true;
                self.member(name, value.get(), at);
            }
        }
        found
    }

    /// Reads one member. Returns whether it may hold records.
    fn member(&mut self, name: &str, value: &str, at: At) {
        let known = ORIGINALS.iter().chain(WRAPPERS).chain(frame::LISTS).copied().find(|known| *known == name);
        self.value(value.as_bytes(), At { member: known, ..at.deeper() });
    }

    fn array(&mut self, bytes: &[u8], at: At) {
        let text = String::from_utf8_lossy(bytes);
        if let Some(row) = tables::cells(&text) {
            return self.cells(row, at.deeper());
        }
        match serde_json::from_str::<[Cow<'_, str>; 2]>(&text) {
            // A line of Loki: a list of its time and its text.
            Ok([time, line]) if time.len() > 8 && time.bytes().all(|byte| byte.is_ascii_digit()) => self.line(line.as_bytes(), at.deeper()),
            _ => self.content(bytes, at.deeper()),
        }
    }

    /// Reads a text of any kind. Returns whether it held anything.
    pub(super) fn text(&mut self, text: &str, at: At) -> bool {
        let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\0'));
        if at.depth > DEEPEST {
            self.fail(UnreadableRecord::TooDeep, at);
            return true;
        }
        if text.starts_with("CWL CONTROL MESSAGE") {
            self.give(Ok(Item::ControlMessage), b"", at);
            return true;
        }
        match text.as_bytes().first() {
            Some(b'{') => {
                self.content(text.as_bytes(), at);
                true
            }
            Some(b'[') if matches!(text.get(1..).map(|rest| rest.trim_start().bytes().next()), Some(Some(b'{' | b'[' | b'"' | b']'))) => {
                self.value(text.as_bytes(), at);
                true
            }
            Some(b'"') if serde_json::from_str::<Cow<'_, str>>(text).is_ok() => {
                self.value(text.as_bytes(), at);
                true
            }
            // One string of JSON a line.
            Some(b'"') if text.lines().next().is_some_and(|line| serde_json::from_str::<Cow<'_, str>>(line).is_ok()) => {
                self.content(text.as_bytes(), at);
                true
            }
            _ => match inside::decoded(text) {
                Some(bytes) => {
                    self.bytes(&bytes, at.deeper());
                    true
                }
                None => self.between(text, at),
            },
        }
    }

    /// Reads decoded bytes: compressed ones, or a text.
    fn bytes(&mut self, bytes: &[u8], at: At) {
        if at.depth > DEEPEST {
            return self.fail(UnreadableRecord::TooDeep, at);
        }
        if !bytes.starts_with(inside::GZIP) {
            if !self.text(&String::from_utf8_lossy(bytes), at) {
                self.fail(UnreadableRecord::NoJson, at);
            }
            return;
        }
        let mut inflated = Vec::new();
        let outcome = MultiGzDecoder::new(bytes).take(self.room as u64 + 1).read_to_end(&mut inflated);
        if inflated.len() > self.room {
            return self.fail(UnreadableRecord::TooLarge, at);
        }
        self.room -= inflated.len();
        match outcome {
            Ok(_) => self.bytes(&inflated, at.deeper()),
            Err(_) => self.fail(UnreadableRecord::Damaged, at),
        }
    }

    /// Reads values that follow one another, or a list of them.
    fn content(&mut self, bytes: &[u8], at: At) {
        let (mut frames, mut rest) = (Frames::default(), bytes);
        loop {
            let (used, frame) = frames.next(rest, true);
            rest = rest.get(used..).unwrap_or_default();
            match frame {
                Frame::Value(value) => self.value(value, at.deeper()),
                Frame::Text(line) => self.line(line, at.deeper()),
                Frame::Broken(_) => self.fail(UnreadableRecord::CutOff, at),
                Frame::More | Frame::End => return,
            }
        }
    }

    /// Reads a line that begins neither with `{` nor with `[`.
    pub(super) fn line(&mut self, line: &[u8], at: At) {
        if !self.text(&String::from_utf8_lossy(line), at) {
            self.fail(UnreadableRecord::NoJson, at);
        }
    }

    /// Finds JSON within other text: behind a time, a host or a level, or in a cell of CSV. Returns whether there was some.
    fn between(&mut self, text: &str, at: At) -> bool {
        let (mut found, mut gap, mut start, mut tried) = (false, 0, 0, 0);
        while let Some(open) = text.get(start..).and_then(|rest| rest.find('{')).map(|open| start + open) {
            start = open + 1;
            match inside::embedded(text, open) {
                Embedded::Nothing => {}
                Embedded::Open => tried += 1,
                // In the rest of a record whose start is missing, what looks like JSON is a text of the caller.
                Embedded::Json(..) if !inside::may_precede(text.get(gap..open).unwrap_or_default()) => break,
                Embedded::Json(json, _) if !has_hint(json.as_bytes()) && !inside::looks_encoded(&json) => {}
                Embedded::Json(json, end) => {
                    found = true;
                    (gap, start) = (end, end);
                    self.content(json.as_bytes(), at.deeper());
                }
            }
            if tried > MOST_TRIED {
                break;
            }
        }
        if !found && has_hint(text.as_bytes()) {
            self.fail(UnreadableRecord::CutOff, at);
            return true;
        }
        found
    }
}

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

/// Whether a member may hold a record: its text contains a mark of one, or is encoded.
fn may_hold(json: &str, is_original: bool) -> bool {
    match json.as_bytes().first() {
        Some(b'"') => {
            has_hint(json.as_bytes())
                || inside::looks_encoded(json)
                || (is_original && json.contains('{'))
                || serde_json::from_str::<Cow<'_, str>>(json).is_ok_and(|text| inside::decoded(&text).is_some())
        }
        Some(b'{' | b'[') => has_hint(json.as_bytes()) || inside::looks_encoded(json),
        _ => false,
    }
}

/// Parses a record. Checking UTF-8 once for all bytes spares a check of each string; if it fails, the record may still be readable in those
/// fields that are valid.
fn read_record(bytes: &[u8]) -> Result<Record<'_>, serde_json::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    }
}

/// Whether this is an event that a service passes to Lambda, which has an `eventName` such as `ObjectCreated:Put` or `aws:kinesis:record`.
fn is_of_lambda(record: &Record<'_>) -> bool {
    record.event_name.or_empty().contains(':') && record.event_source.or_empty().starts_with("aws:")
}

#[cfg(test)]
mod tests;
