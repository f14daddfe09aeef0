//! Stores one row per record, by account and Region. Rows are sorted in place and visited in the order of request ids.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use super::strings::{Strings, Symbol, Symbol24};
use crate::{
    parallel,
    timestamp::Timestamp,
    uuid::{uuid, uuid_text},
};

/// The stored form of one call, evaluation or invocation log: 47 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    /// The request id, packed.
    request: [u8; 16],
    /// The fields that many rows share.
    pub(crate) columns: Columns,
    time: PackedTime,
    /// The event id, packed.
    event: [u8; 16],
}

/// A row without its ids and its time: numbers of values in [`Texts`](super::Texts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Columns {
    /// The number of its [`Form`](super::Form).
    pub(crate) form: [u8; 2],
    /// The role or user.
    pub(crate) principal: Symbol24,
    /// For a call: `modelId` as the caller passed it, or the agent or flow. For an evaluation or log: its guardrails, one a line.
    pub(crate) subject: Symbol24,
    /// The number of its [`Requested`](super::Requested).
    pub(crate) requested: Symbol24,
}

/// An id in 16 bytes: the bits of a UUID in its usual spelling, or the symbol of any other text behind a mark that no UUID of AWS has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PackedId(u128);

const MARK: u128 = 0xffff_ffff_ffff_ffff << 64;

impl PackedId {
    pub(super) fn pack(text: &str, strings: &mut Strings) -> Self {
        match uuid(text) {
            Some(bits) if bits & MARK != MARK => PackedId(bits),
            _ => PackedId(MARK | u128::from(strings.intern(text).0)),
        }
    }

    pub(super) fn of_uuid(bits: u128, strings: &mut Strings) -> Self {
        if bits & MARK == MARK { PackedId::pack(&uuid_text(bits), strings) } else { PackedId(bits) }
    }

    /// The bits of an id that is a UUID.
    pub(crate) fn uuid(self, strings: &Strings) -> Option<u128> {
        self.symbol().map_or(Some(self.0), |symbol| uuid(strings.get(symbol)))
    }

    fn symbol(self) -> Option<Symbol> {
        (self.0 & MARK == MARK).then(|| Symbol(u32::try_from(self.0 & !MARK).unwrap_or(0)))
    }

    pub(crate) fn text(self, strings: &Strings) -> String {
        if let Some(symbol) = self.symbol() {
            return strings.get(symbol).to_owned();
        }
        uuid_text(self.0)
    }

    /// Compares ids as texts. For UUIDs that is the order of their bits.
    pub(crate) fn compare(self, other: PackedId, strings: &Strings) -> Ordering {
        match (self.symbol(), other.symbol()) {
            (None, None) => self.0.cmp(&other.0),
            _ => self.text(strings).cmp(&other.text(strings)),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        PackedId(u128::from_be_bytes(bytes))
    }

    pub(super) fn renamed(self, symbols: &[Symbol]) -> Self {
        match self.symbol() {
            Some(symbol) => PackedId(MARK | u128::from(symbols.get(symbol.0 as usize).copied().unwrap_or_default().0)),
            None => self,
        }
    }
}

impl Row {
    pub(super) fn new(request: PackedId, columns: Columns, time: PackedTime, event: PackedId) -> Self {
        Row { request: request.0.to_be_bytes(), columns, time, event: event.0.to_be_bytes() }
    }

    /// The request id, or the event id in its place.
    pub(crate) fn request(&self) -> PackedId {
        PackedId(u128::from_be_bytes(self.request))
    }

    /// The event id.
    pub(crate) fn event(&self) -> PackedId {
        PackedId(u128::from_be_bytes(self.event))
    }

    /// The order of the fields, with ids compared as numbers; most rows differ in the first.
    pub(super) fn order(&self, other: &Row) -> Ordering {
        self.request().0.cmp(&other.request().0).then_with(|| self.cmp(other))
    }

    /// The time, to the millisecond.
    pub(crate) fn time(&self, strings: &Strings) -> Option<Timestamp> {
        self.time.timestamp(strings)
    }

    pub(super) fn renamed(mut self, symbols: &[Symbol], rename: impl FnOnce(Columns) -> Columns) -> Self {
        self.request = self.request().renamed(symbols).0.to_be_bytes();
        self.event = self.event().renamed(symbols).0.to_be_bytes();
        self.time = self.time.renamed(symbols);
        self.columns = rename(self.columns);
        self
    }
}

/// A time in four bytes. CloudTrail's times are whole seconds: one more than the seconds since 1970, and zero for none. Any other time is
/// the symbol of its milliseconds, behind a mark that no time has before 2097.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PackedTime([u8; 4]);

const ODD_TIME: u32 = 0xf000_0000;

impl PackedTime {
    pub(super) fn pack(time: Option<Timestamp>, strings: &mut Strings) -> Self {
        let number = time.map_or(0, |time| {
            let millis = time.as_micros().div_euclid(1000);
            let second = if millis % 1000 == 0 { u32::try_from(millis / 1000 + 1).ok() } else { None };
            second.filter(|second| (1..ODD_TIME).contains(second)).unwrap_or_else(|| ODD_TIME | strings.intern(&millis.to_string()).0)
        });
        PackedTime(number.to_be_bytes())
    }

    /// The text of one of too many values doesn't parse, so its time is not known.
    fn timestamp(self, strings: &Strings) -> Option<Timestamp> {
        match u32::from_be_bytes(self.0) {
            0 => None,
            odd @ ODD_TIME.. => {
                let millis: i64 = strings.get(Symbol(odd & !ODD_TIME)).parse().ok()?;
                Some(Timestamp::from_micros(millis.saturating_mul(1000)))
            }
            second => Some(Timestamp::from_seconds(i64::from(second) - 1)),
        }
    }

    fn renamed(self, symbols: &[Symbol]) -> Self {
        match u32::from_be_bytes(self.0) {
            odd @ ODD_TIME.. => {
                let symbol = symbols.get((odd & !ODD_TIME) as usize).copied().unwrap_or_default();
                PackedTime((ODD_TIME | symbol.0).to_be_bytes())
            }
            _ => self,
        }
    }
}

/// Rows in chunks. A chunk never moves when rows are added, so little memory is unused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    chunks: Vec<Vec<Row>>,
}

/// Rows of the first and the largest chunk; sizes double in between. Unused capacity takes no physical memory. The first size is large
/// enough for an allocation of its own from the operating system, so that freed chunks are returned to it.
const FIRST_CHUNK: usize = 1 << 12;
const LAST_CHUNK: usize = 1 << 14;

impl Rows {
    pub(crate) fn push(&mut self, row: Row) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < chunk.capacity() => chunk.push(row),
            last => {
                let size = last.map_or(FIRST_CHUNK, |chunk| (chunk.capacity() * 2).min(LAST_CHUNK));
                let mut chunk = Vec::with_capacity(size);
                chunk.push(row);
                self.chunks.push(chunk);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.chunks.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        self.chunks.iter_mut().flatten()
    }

    pub(crate) fn append(&mut self, mut other: Rows) {
        // The chunk that is being filled stays last.
        let last = self.chunks.pop();
        self.chunks.append(&mut other.chunks);
        self.chunks.extend(last);
    }

    /// Sorts the rows by request.
    pub(crate) fn sort(&mut self, threads: usize) {
        parallel::map(threads, self.chunks.iter_mut().collect(), |chunk| chunk.sort_unstable_by(Row::order));
    }

    /// The rows of the requests in a range, each with its index. The rows must be sorted.
    pub(super) fn in_range(&self, requests: RequestRange) -> impl Iterator<Item = (usize, &Row)> {
        let mut before = 0;
        self.chunks.iter().flat_map(move |chunk| {
            let (from, rows) = requests.of(chunk);
            let first = before + from;
            before += chunk.len();
            rows.iter().enumerate().map(move |(index, row)| (first + index, row))
        })
    }

    /// Keeps the rows whose index a function returns true for.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let mut index = 0..;
        for chunk in &mut self.chunks {
            let before = chunk.len();
            chunk.retain(|_| index.next().is_some_and(&mut keep));
            if chunk.len() < before {
                chunk.shrink_to_fit();
            }
        }
        self.chunks.retain(|chunk| !chunk.is_empty());
    }

    /// Calls a function with the rows of each request in a range. The rows must be sorted.
    pub(crate) fn each_request(&self, requests: RequestRange, mut with: impl FnMut(&[Row])) {
        let mut cursors: Vec<&[Row]> = self.chunks.iter().map(|chunk| requests.of(chunk).1).collect();
        // Merges the sorted chunks by a heap of their first requests; the rows stay in place.
        let head = |chunk: usize, cursor: &[Row]| cursor.first().map(|row| Reverse((row.request().0, chunk)));
        let mut heads: BinaryHeap<_> = cursors.iter().enumerate().filter_map(|(chunk, cursor)| head(chunk, cursor)).collect();
        let mut group: Vec<Row> = Vec::new();
        while let Some(Reverse((request, chunk))) = heads.pop() {
            let Some(cursor) = cursors.get_mut(chunk) else { continue };
            let len = cursor.iter().take_while(|row| row.request().0 == request).count();
            let (rows, rest) = cursor.split_at(len);
            *cursor = rest;
            heads.extend(head(chunk, rest));
            let is_alone = heads.peek().is_none_or(|Reverse((next, _))| *next != request);
            if is_alone && group.is_empty() {
                with(rows);
                continue;
            }
            group.extend_from_slice(rows);
            if is_alone {
                group.sort_unstable_by(Row::order);
                with(&group);
                group.clear();
            }
        }
    }
}

/// A range of request ids. Threads join requests of different ranges at the same time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestRange {
    first: u128,
    last: u128,
}

impl RequestRange {
    /// All request ids.
    pub(crate) fn all() -> Self {
        RequestRange { first: 0, last: u128::MAX }
    }

    /// All request ids, in ranges of equal size. AWS's request ids are random, so each has about as many requests.
    pub(crate) fn split(ranges: usize) -> impl Iterator<Item = RequestRange> {
        let ranges = u128::try_from(ranges).unwrap_or(1).max(1);
        let size = u128::MAX / ranges;
        let is_last = move |number| number + 1 == ranges;
        (0..ranges).map(move |number| RequestRange {
            first: number * size,
            last: if is_last(number) { u128::MAX } else { (number + 1) * size - 1 },
        })
    }

    /// The rows whose requests are in the range, and the index of the first of them. The rows must be sorted.
    fn of(self, rows: &[Row]) -> (usize, &[Row]) {
        let from = rows.partition_point(|row| row.request().0 < self.first);
        let until = rows.partition_point(|row| row.request().0 <= self.last);
        (from, rows.get(from..until).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Columns {
        let none = Symbol24::default();
        Columns { form: [0; 2], principal: none, subject: none, requested: none }
    }

    #[test]
    fn a_row_is_47_bytes() {
        assert_eq!(size_of::<Row>(), 47);
    }

    #[test]
    fn ids_come_back_as_they_were() {
        let mut strings = Strings::default();
        for id in [
            "a8beb2cf-33a5-4c22-a0ed-f3ca6b134b7d",
            "A8BEB2CF-33A5-4C22-A0ED-F3CA6B134B7D",
            "",
            "r-1",
            "ffffffff-ffff-ffff-0000-000000000001",
        ] {
            assert_eq!(PackedId::pack(id, &mut strings).text(&strings), id);
        }
    }

    #[test]
    fn times_come_back_to_the_millisecond() {
        let mut strings = Strings::default();
        let mut packed = |time: Option<Timestamp>| PackedTime::pack(time, &mut strings);
        let times = [
            "1901-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1969-12-31T23:59:59.999Z",
            "1970-01-01T00:00:00Z",
            "2026-11-20T10:00:00Z",
            "2026-11-20T10:00:00.123Z",
            "2097-08-06T00:00:00Z",
            "2106-02-07T06:28:15Z",
            "3999-01-01T00:00:00Z",
        ];
        let times = times.map(Timestamp::parse).into_iter().chain([None, Some(Timestamp::from_micros(i64::MIN / 1000 * 1000))]);
        let all: Vec<_> = times.map(|time| (time, packed(time))).collect();
        for (time, packed) in &all {
            assert_eq!(packed.timestamp(&strings), *time);
        }
        // Symbols that were renumbered by another reader stand for the same times.
        let mut others = Strings::default();
        others.intern("something else");
        let symbols = others.absorb(&strings);
        for (time, packed) in all {
            assert_eq!(packed.renamed(&symbols).timestamp(&others), time);
        }
    }

    #[test]
    fn rows_of_one_request_meet_wherever_they_were_collected() {
        let mut strings = Strings::default();
        let [a, b] = ["a8beb2cf-33a5-4c22-a0ed-f3ca6b134b7d", "b"].map(|id| PackedId::pack(id, &mut strings));
        let mut rows = Rows::default();
        for round in 0..i64::try_from(LAST_CHUNK).unwrap() * 3 {
            let time = PackedTime::pack(Some(Timestamp::from_seconds(round)), &mut strings);
            rows.push(Row::new(if round == 3 { b } else { a }, columns(), time, b));
        }
        let mut other = Rows::default();
        other.push(Row::new(b, columns(), PackedTime::pack(None, &mut strings), b));
        rows.append(other);
        rows.sort(2);
        for ranges in [1, 2, 7] {
            let mut sizes = Vec::new();
            RequestRange::split(ranges).for_each(|range| rows.each_request(range, |group| sizes.push(group.len())));
            assert_eq!(sizes, [LAST_CHUNK * 3 - 1, 2], "{ranges} ranges");
        }
    }
}
