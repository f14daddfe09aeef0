//! The compact form in which facts are transferred: the records of an account, Region and hour. The same records always give the same
//! bytes.
//!
//! Fields that many records share are stored once. A record adds its request id and the time since the previous record: 17 bytes. Event ids
//! are stored for every record if needed ([`EventIds::All`]), otherwise only those of the first and the latest of records that are alike.

mod read;

use std::collections::{BTreeMap, BTreeSet};

use super::EvidenceRows;
use crate::{
    uuid::{uuid, uuid_text},
    verdict::Invocations,
};
pub use read::{check, latest};

/// The records of one account, Region and hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The account that received the records.
    pub account: String,
    /// The Region.
    pub region: String,
    /// The hour since 1970; `None` for records without a time.
    pub hour: Option<i64>,
    /// The records in packed form.
    pub bytes: Vec<u8>,
    /// The number of records.
    pub records: u64,
}

/// The event ids that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventIds {
    /// Those of all records.
    All,
    /// For calls that are alike, those of the first and the latest. Calls between them get one of these two when they are read.
    FirstAndLast,
}

/// The contents of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// The number of records.
    pub records: u64,
    /// The number of calls among them.
    pub calls: u64,
    /// The verdicts on the calls, as the sender judged them.
    pub claimed: Invocations,
}

/// Why a packet can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackedError {
    /// It ends too early, or bytes follow its end.
    #[error("the packet's length is wrong")]
    Length,
    /// It was written by a later version.
    #[error("packets of version {0} are not known")]
    Version(u8),
    /// A number in it refers to nothing.
    #[error("a number in the packet stands for nothing")]
    Number,
    /// A text isn't UTF-8.
    #[error("a text in the packet is no UTF-8")]
    Text,
    /// It exceeds the limits of a packet.
    #[error("the packet is too large")]
    TooLarge,
}

/// The version of packets that are written.
const VERSION: u8 = 1;

/// Records of a packet at most. With all event ids they take about 280 KB.
const RECORDS: usize = 8_000;

/// Bytes of a text at most. An ARN has at most 2,048 characters, and a list of guardrails has a few ARNs.
const TEXT: usize = 16 * 1024;

const MILLIS_AN_HOUR: i64 = 3_600_000;

const KINDS: &[(&str, &str)] = &[
    ("call", "covered"),
    ("call", "ambiguous"),
    ("call", "uncovered"),
    ("call", "unsupported"),
    ("call", "agent"),
    ("call", "flow"),
    ("call", "request"),
    ("evaluation", ""),
    ("log", ""),
    ("call", "agentcore"),
];

const BEARER_KEY: u8 = 1;
const REFUSED_BY_GUARDRAIL: u8 = 2;
const PARTIALLY_GUARDED: u8 = 4;
const BY_EVENT_ID: u8 = 8;
/// The bit that shows that request ids are UUIDs.
const PLAIN_IDS: u8 = 16;
const EVENT_ID_EACH: u8 = 32;
const WHOLE_SECONDS: u8 = 64;

/// The fields that records of a group share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shared<'s> {
    kind: u8,
    flags: u8,
    texts: [&'s str; 7],
}

/// The fields of a single record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Own {
    /// Milliseconds since the hour began; zero for a record without a time.
    millis: i64,
    request: Id,
    event: Id,
}

/// An id: a UUID in its usual spelling, or any other text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Plain([u8; 16]),
    Text(String),
}

impl Id {
    fn new(text: &str) -> Self {
        uuid(text).map_or_else(|| Id::Text(text.to_owned()), |bits| Id::Plain(bits.to_be_bytes()))
    }

    fn text(&self) -> String {
        match self {
            Id::Text(text) => text.clone(),
            Id::Plain(bytes) => uuid_text(u128::from_be_bytes(*bytes)),
        }
    }
}

/// The account, Region and hour of a packet.
type PlaceAndHour = (String, String, Option<i64>);

impl EvidenceRows {
    /// Packs the calls, evaluations and logs. The result depends on the set of records only, not on their order. `claimed`, the sender's
    /// verdicts on all calls, goes into every packet.
    #[must_use]
    pub fn pack(&self, event_ids: EventIds, claimed: &Invocations) -> Vec<Packet> {
        let mut packets: BTreeMap<PlaceAndHour, BTreeMap<Shared<'_>, BTreeSet<Own>>> = BTreeMap::new();
        for record in self.stored_records() {
            let millis = record.event_time.map(|time| time.as_micros().div_euclid(1000));
            let hour = millis.map(|millis| millis.div_euclid(MILLIS_AN_HOUR));
            let own = Own {
                millis: millis.map_or(0, |millis| millis.rem_euclid(MILLIS_AN_HOUR)),
                request: Id::new(&record.request_id),
                event: Id::new(&record.event_id),
            };
            let plain = matches!(own.request, Id::Plain(_));
            // Evaluations are told apart by their event ids.
            let each = event_ids == EventIds::All || record.kind != "call";
            let flag = |is: bool, flag: u8| if is { flag } else { 0 };
            let kind = KINDS.iter().position(|known| *known == (record.kind, record.reach)).and_then(|index| u8::try_from(index).ok());
            let shared = Shared {
                kind: kind.unwrap_or(2),
                flags: flag(record.bearer_key, BEARER_KEY)
                    | flag(record.refused_by_guardrail, REFUSED_BY_GUARDRAIL)
                    | flag(record.partially_guarded, PARTIALLY_GUARDED)
                    | flag(record.by_event_id, BY_EVENT_ID)
                    | flag(plain, PLAIN_IDS)
                    | flag(each, EVENT_ID_EACH),
                texts: [
                    record.event_name,
                    record.error_code,
                    record.principal,
                    record.subject,
                    record.guardrail_identifier,
                    record.guardrail_version,
                    record.refusing_guardrail,
                ],
            };
            let key = (record.account.to_owned(), record.region.to_owned(), hour);
            packets.entry(key).or_default().entry(shared).or_default().insert(own);
        }
        packets.into_iter().flat_map(|(key, groups)| split(groups).into_iter().map(move |groups| packet(&key, &groups, claimed))).collect()
    }
}

type Groups<'s> = BTreeMap<Shared<'s>, BTreeSet<Own>>;

/// Splits records that don't fit into one packet, always at the same record.
fn split(groups: Groups<'_>) -> Vec<Groups<'_>> {
    let total: usize = groups.values().map(BTreeSet::len).sum();
    if total <= RECORDS {
        return vec![groups];
    }
    let mut packets = vec![Groups::new()];
    let mut room = RECORDS;
    for (shared, rows) in groups {
        for own in rows {
            if room == 0 {
                packets.push(Groups::new());
                room = RECORDS;
            }
            room -= 1;
            if let Some(last) = packets.last_mut() {
                last.entry(shared).or_default().insert(own);
            }
        }
    }
    packets
}

fn packet((account, region, hour): &PlaceAndHour, groups: &Groups<'_>, claimed: &Invocations) -> Packet {
    let mut texts: BTreeSet<&str> = BTreeSet::new();
    for (shared, rows) in groups {
        texts.extend(shared.texts);
        let ids = rows.iter().flat_map(|own| [&own.request, &own.event]);
        texts.extend(ids.filter_map(|id| if let Id::Text(text) = id { Some(text.as_str()) } else { None }));
    }
    texts.remove("");
    // Number zero is the empty text.
    let numbers: BTreeMap<&str, u64> = texts.iter().zip(1..).map(|(text, number)| (*text, number)).collect();
    let mut out = Out { bytes: vec![VERSION], numbers };
    for count in [claimed.compliant, claimed.violation, claimed.not_provable, claimed.not_applicable] {
        out.number(count);
    }
    out.number(texts.len() as u64);
    let mut before = "";
    for text in &texts {
        // Each text is stored as its difference from the text before, because most begin alike.
        let same = before.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
        let same = (0..=same).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        out.number(same as u64);
        let rest = text.get(same..).unwrap_or_default();
        out.number(rest.len() as u64);
        out.bytes.extend_from_slice(rest.as_bytes());
        before = text;
    }
    out.number(groups.len() as u64);
    for (shared, rows) in groups {
        out.group(*shared, rows);
    }
    let records = groups.values().map(|rows| rows.len() as u64).sum();
    Packet { account: account.clone(), region: region.clone(), hour: *hour, bytes: out.bytes, records }
}

struct Out<'s> {
    bytes: Vec<u8>,
    numbers: BTreeMap<&'s str, u64>,
}

impl Out<'_> {
    fn number(&mut self, mut number: u64) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                return self.bytes.push(low & 0x7f);
            }
            self.bytes.push(low | 0x80);
        }
    }

    fn text(&mut self, text: &str) {
        let number = self.numbers.get(text).copied().unwrap_or(0);
        self.number(number);
    }

    fn group(&mut self, shared: Shared<'_>, rows: &BTreeSet<Own>) {
        let unit = if rows.iter().all(|own| own.millis % 1000 == 0) { 1000 } else { 1 };
        let flags = shared.flags | if unit == 1000 { WHOLE_SECONDS } else { 0 };
        self.bytes.extend([shared.kind, flags]);
        shared.texts.iter().for_each(|text| self.text(text));
        self.number(rows.len() as u64);
        if flags & EVENT_ID_EACH == 0 {
            let by_event = |own: &&Own| (own.millis, own.event.text());
            for own in [rows.iter().min_by_key(by_event), rows.iter().max_by_key(by_event)].into_iter().flatten() {
                self.id(&own.event);
            }
        }
        let mut before = 0;
        for own in rows {
            let since = (own.millis - before) / unit;
            self.number(since.unsigned_abs());
            before = own.millis;
            match &own.request {
                Id::Plain(bytes) => self.bytes.extend_from_slice(bytes),
                Id::Text(text) => self.text(text),
            }
            if flags & EVENT_ID_EACH != 0 {
                self.id(&own.event);
            }
        }
    }

    fn id(&mut self, id: &Id) {
        match id {
            Id::Plain(bytes) => {
                self.bytes.push(1);
                self.bytes.extend_from_slice(bytes);
            }
            Id::Text(text) => {
                self.bytes.push(0);
                self.text(text);
            }
        }
    }
}

#[cfg(test)]
mod tests;
