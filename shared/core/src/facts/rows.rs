//! One row a record, sorted in place and met in the order of request ids.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use super::strings::{Strings, Symbol};
use crate::moment::Moment;

/// What is kept of one call, evaluation or invocation log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    /// The request id, packed by [`PackedId`].
    request: [u32; 4],
    /// The number of its shape.
    pub(crate) shape: u32,
    /// Microseconds since the epoch.
    time: [u32; 2],
    /// The event id, packed.
    event: [u32; 4],
}

/// An id in 16 bytes: a UUID in its usual spelling as it is; any other text by its symbol, behind a mark that no UUID of AWS has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PackedId(u128);

const MARK: u128 = 0xffff_ffff_ffff_ffff << 64;

impl PackedId {
    pub(super) fn pack(text: &str, strings: &mut Strings) -> Self {
        match uuid(text) {
            Some(bits) if bits & MARK != MARK => PackedId(bits),
            _ => PackedId(MARK | u128::from(strings.intern(text).0)),
        }
    }

    fn symbol(self) -> Option<Symbol> {
        (self.0 & MARK == MARK).then(|| Symbol(u32::try_from(self.0 & !MARK).unwrap_or(0)))
    }

    pub(crate) fn text(self, strings: &Strings) -> String {
        if let Some(symbol) = self.symbol() {
            return strings.get(symbol).to_owned();
        }
        let hex = format!("{:032x}", self.0);
        let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
        format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
    }

    /// The order of the texts. That of UUIDs is the order of their bits.
    pub(crate) fn compare(self, other: PackedId, strings: &Strings) -> Ordering {
        match (self.symbol(), other.symbol()) {
            (None, None) => self.0.cmp(&other.0),
            _ => self.text(strings).cmp(&other.text(strings)),
        }
    }

    fn renamed(self, symbols: &[Symbol]) -> Self {
        match self.symbol() {
            Some(symbol) => PackedId(MARK | u128::from(symbols.get(symbol.0 as usize).copied().unwrap_or_default().0)),
            None => self,
        }
    }
}

/// The bits of a UUID in lower case with hyphens.
fn uuid(text: &str) -> Option<u128> {
    let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let mut bits = 0_u128;
    for (place, byte) in bytes.iter().enumerate() {
        let digit = match (place, byte) {
            (8 | 13 | 18 | 23, b'-') => continue,
            (8 | 13 | 18 | 23, _) => return None,
            (_, b'0'..=b'9') => byte - b'0',
            (_, b'a'..=b'f') => byte - b'a' + 10,
            _ => return None,
        };
        bits = bits << 4 | u128::from(digit);
    }
    Some(bits)
}

fn words(bits: u128) -> [u32; 4] {
    // The casts keep the low 32 bits, which is what is meant.
    #[expect(clippy::cast_possible_truncation, reason = "each word takes its own 32 bits")]
    [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32]
}

fn bits(words: [u32; 4]) -> u128 {
    words.into_iter().fold(0, |bits, word| bits << 32 | u128::from(word))
}

impl Row {
    pub(super) fn new(request: PackedId, event: PackedId, time: Moment, shape: u32) -> Self {
        let [_, _, high, low] = words(u128::from(time.as_micros().cast_unsigned()));
        Row { request: words(request.0), event: words(event.0), time: [high, low], shape }
    }

    /// The event id.
    #[must_use]
    pub(crate) fn event(&self) -> PackedId {
        PackedId(bits(self.event))
    }

    /// The request id.
    pub(super) fn request(&self) -> PackedId {
        PackedId(bits(self.request))
    }

    /// When; [`Moment::BEGINNING`] if the record doesn't say.
    #[must_use]
    pub(crate) fn time(&self) -> Moment {
        let [high, low] = self.time;
        Moment::from_micros((u64::from(high) << 32 | u64::from(low)).cast_signed())
    }
}

/// Rows in chunks: a chunk never moves, so memory grows by what is in them and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    chunks: Vec<Vec<Row>>,
}

const CHUNK: usize = 1 << 14;

/// The rows of one request.
pub(crate) type Group<'g> = &'g [Row];

impl Rows {
    pub(super) fn push(&mut self, row: Row) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(row),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
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

    pub(super) fn absorb(&mut self, mut other: Rows, shapes: &[u32], symbols: &[Symbol]) {
        for row in other.chunks.iter_mut().flatten() {
            row.shape = shapes.get(row.shape as usize).copied().unwrap_or(u32::MAX);
            let (request, event) = (PackedId(bits(row.request)), PackedId(bits(row.event)));
            row.request = words(request.renamed(symbols).0);
            row.event = words(event.renamed(symbols).0);
        }
        self.chunks.append(&mut other.chunks);
    }

    /// Calls a function with the rows of each request.
    pub(crate) fn each_request(&mut self, mut with: impl FnMut(Group<'_>)) {
        for chunk in &mut self.chunks {
            chunk.sort_unstable();
        }
        let mut cursors: Vec<std::slice::Iter<'_, Row>> = self.chunks.iter().map(|chunk| chunk.iter()).collect();
        let mut heads: BinaryHeap<Reverse<(Row, usize)>> =
            cursors.iter_mut().enumerate().filter_map(|(chunk, cursor)| Some(Reverse((*cursor.next()?, chunk)))).collect();
        let mut group: Vec<Row> = Vec::new();
        while let Some(Reverse((row, chunk))) = heads.pop() {
            if let Some(next) = cursors.get_mut(chunk).and_then(Iterator::next) {
                heads.push(Reverse((*next, chunk)));
            }
            if group.first().is_some_and(|first| first.request != row.request) {
                with(&group);
                group.clear();
            }
            group.push(row);
        }
        if !group.is_empty() {
            with(&group);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_44_bytes() {
        assert_eq!(size_of::<Row>(), 44);
    }

    #[test]
    fn ids_come_back_as_they_were() {
        let mut strings = Strings::default();
        for id in ["a8beb2cf-33a5-4c22-a0ed-f3ca6b134b7d", "A8BEB2CF-33A5-4C22-A0ED-F3CA6B134B7D", "", "r-1", "ffffffff-ffff-ffff-0000-000000000001"] {
            assert_eq!(PackedId::pack(id, &mut strings).text(&strings), id);
        }
    }

    #[test]
    fn times_come_back_as_they_were() {
        let mut strings = Strings::default();
        let id = PackedId::pack("x", &mut strings);
        for time in [Moment::BEGINNING, Moment::from_micros(-1), Moment::from_seconds(1_795_300_000), Moment::END] {
            assert_eq!(Row::new(id, id, time, 7).time(), time);
        }
    }

    #[test]
    fn rows_of_one_request_meet_wherever_they_were_collected() {
        let mut strings = Strings::default();
        let [a, b] = ["a8beb2cf-33a5-4c22-a0ed-f3ca6b134b7d", "b"].map(|id| PackedId::pack(id, &mut strings));
        let mut rows = Rows::default();
        for round in 0..(CHUNK as u32 + 5) {
            rows.push(Row::new(if round == 3 { b } else { a }, b, Moment::from_seconds(i64::from(round)), 0));
        }
        rows.push(Row::new(b, b, Moment::BEGINNING, 1));
        let mut sizes = Vec::new();
        rows.each_request(|group| sizes.push(group.len()));
        assert_eq!(sizes, [CHUNK + 4, 2]);
    }
}
