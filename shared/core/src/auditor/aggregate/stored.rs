//! The form in which a store keeps an aggregate between two audits: plain values, in an order of their own, under a version.
//!
//! It holds texts, times and evidence instead of the numbers that stand for them in one run, and no verdict, so it stays usable when the
//! configuration, a policy or a rule changes. Equal aggregates give equal bytes. What can make it unusable is a change of state that is
//! dated back: calls on both sides of it are in one group, whose calls would have to be told apart. Then the aggregate must be made again
//! from its records.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use serde::{Deserialize, Serialize};

use super::{AuditOptions, CallAggregate, CallKey, Counting, Occurrences, Periods, Window, add_to};
use crate::{
    arn::{AccountId, Region},
    facts::{Columns, PackedId, Rows, StoredRecord, Symbol, Symbol24, Texts},
    join::{AccountRegionContext, EvaluationCounts, EvidenceTable, FoundEvidence, JoinCounts, JoinedEvidence, Occurrence},
    timestamp::Timestamp,
    uuid::uuid_text,
};

const MICROS_AN_HOUR: i64 = 3_600_000_000;

/// The version of the form. It is raised whenever what is kept, or what it means, changes.
const VERSION: u8 = 1;

/// The sum over earlier calls of an account and Region, as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAggregate(Contents);

/// Aggregates by account and Region.
pub type StoredAggregates = BTreeMap<(AccountId, Region), StoredAggregate>;

/// The error when stored bytes are no aggregate of this version. The aggregate has to be made again from its records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredAggregateError {
    /// Another version wrote it.
    #[error("aggregates of version {0} are not known")]
    Version(u8),
    /// The bytes don't have the form of an aggregate.
    #[error("the stored aggregate is damaged")]
    Damaged,
}

/// The contents. Numbers refer to `texts`, `columns` and `evidence`; times are microseconds since 1970, UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    rests_on: RestsOn,
    /// The times at which the periods begin that groups are numbered by.
    boundaries: Vec<i64>,
    /// The times at which the known state of trails changed.
    trail_boundaries: Vec<i64>,
    /// The times of the first and of the last record.
    span: Option<(i64, i64)>,
    /// Ordered and distinct.
    texts: Vec<String>,
    /// Ordered and distinct.
    columns: Vec<StoredColumns>,
    /// Ordered and distinct, without the evidence of calls that have none. The first one has the number 1.
    evidence: Vec<FoundEvidence>,
    groups: Vec<Group>,
    days: Vec<DayCount>,
    waiting: Vec<WaitingRow>,
    judged: u64,
    duplicates: u64,
    only_logged: u64,
    answers_elsewhere: u64,
    /// The numbers of the periods, between two changes of trails, in which evaluations were recorded.
    evaluations_seen: Vec<u32>,
    evaluations_are_there: bool,
    evaluations_joined: bool,
    /// Principal, hour, number.
    unjoined: Vec<(u32, i64, u64)>,
    /// Principal, hour, guardrail, number.
    unjoined_named: Vec<(u32, i64, u32, u64)>,
    /// Principal, guardrail.
    requested: Vec<(u32, u32)>,
    /// The times of heartbeats, and whether the organization's trail recorded them.
    heartbeats: Vec<(i64, bool)>,
    /// The number of calls by minute.
    counted: Vec<(i64, u64)>,
    /// The ARNs of guardrails whose DRAFT the records request.
    drafts: Vec<String>,
}

/// What decided which records are kept apart. If it is another now, the aggregate must be made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RestsOn {
    /// [`AccountRegionContext::watched`].
    watched: bool,
    is_metered: bool,
    /// The names by which heartbeats are recognised.
    heartbeat_roles: Vec<String>,
}

/// The fields that many records share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct StoredColumns {
    /// In the order of [`texts_of`].
    texts: [u32; TEXTS],
    flags: u8,
}

/// The number of texts in [`StoredColumns`].
const TEXTS: usize = 9;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    columns: u32,
    /// The number of boundaries up to the calls; `None` for calls without a time.
    period: Option<u32>,
    evidence: u32,
    window: Option<StoredWindow>,
}

/// [`Window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum StoredWindow {
    Delivered,
    Hour(i64),
    At(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Group {
    key: Key,
    count: u64,
    first: StoredOccurrence,
    last: StoredOccurrence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct DayCount {
    key: Key,
    /// Microseconds at which the day begins.
    day: Option<i64>,
    count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct StoredOccurrence {
    time: Option<i64>,
    event: Id,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct WaitingRow {
    request: Id,
    columns: u32,
    seen: StoredOccurrence,
}

/// A request id or an event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Id {
    Uuid([u8; 16]),
    Text(u32),
}

impl StoredAggregate {
    /// The bytes to store.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StoredAggregateError> {
        postcard::to_extend(&self.0, vec![VERSION]).map_err(|_| StoredAggregateError::Damaged)
    }

    /// Reads stored bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoredAggregateError> {
        match bytes.split_first() {
            Some((&VERSION, contents)) => postcard::from_bytes(contents).map(StoredAggregate).map_err(|_| StoredAggregateError::Damaged),
            Some((version, _)) => Err(StoredAggregateError::Version(*version)),
            None => Err(StoredAggregateError::Damaged),
        }
    }

    /// The ARNs of guardrails whose DRAFT the records request.
    pub fn drafts(&self) -> impl Iterator<Item = &str> {
        self.0.drafts.iter().map(String::as_str)
    }

    /// The time of the earliest record whose request waits for further ones.
    #[must_use]
    pub fn earliest_waiting(&self) -> Option<Timestamp> {
        self.0.waiting.iter().filter_map(|row| row.seen.time).min().map(Timestamp::from_micros)
    }

    /// The ids of the requests to which further records can be added. A record of any other request that the aggregate holds can't be.
    #[must_use]
    pub fn waiting_requests(&self) -> BTreeSet<String> {
        self.0.waiting.iter().map(|row| self.0.id(row.request)).collect()
    }
}

impl Contents {
    fn text(&self, number: u32) -> &str {
        self.texts.get(number as usize).map_or("", String::as_str)
    }

    fn id(&self, id: Id) -> String {
        match id {
            Id::Uuid(bits) => uuid_text(u128::from_be_bytes(bits)),
            Id::Text(number) => self.text(number).to_owned(),
        }
    }
}

fn texts_of<'s>(record: &StoredRecord<'s>) -> [&'s str; TEXTS] {
    [
        record.kind,
        record.reach,
        record.principal,
        record.event_name,
        record.subject,
        record.guardrail_identifier,
        record.guardrail_version,
        record.refusing_guardrail,
        record.error_code,
    ]
}

impl StoredColumns {
    /// The columns as texts; `None` if a number refers to nothing.
    fn record<'c>(&self, contents: &'c Contents) -> Option<StoredRecord<'c>> {
        let mut texts = [""; TEXTS];
        for (text, number) in texts.iter_mut().zip(self.texts) {
            *text = contents.texts.get(number as usize)?;
        }
        let [kind, reach, principal, event_name, subject, guardrail_identifier, guardrail_version, refusing_guardrail, error_code] = texts;
        let record = StoredRecord {
            kind,
            reach,
            principal,
            event_name,
            subject,
            guardrail_identifier,
            guardrail_version,
            refusing_guardrail,
            error_code,
            ..StoredRecord::default()
        };
        Some(record.with_flags(self.flags))
    }
}

/// The texts, columns and evidence of an aggregate, numbered by their own order.
struct Numbers<'a> {
    texts: &'a Texts,
    names: Vec<String>,
    columns: Vec<StoredColumns>,
    /// The number of each number in the aggregate.
    evidence: Vec<u32>,
}

impl Numbers<'_> {
    fn text(&self, text: &str) -> u32 {
        number_in(&self.names, text)
    }

    fn id(&self, id: PackedId) -> Id {
        let strings = self.texts.strings();
        id.uuid(strings).map_or_else(|| Id::Text(self.text(&id.text(strings))), |bits| Id::Uuid(bits.to_be_bytes()))
    }

    fn columns_of(&self, columns: &Columns) -> StoredColumns {
        let record = self.texts.stored_columns(columns);
        StoredColumns { texts: texts_of(&record).map(|text| self.text(text)), flags: record.flags() }
    }

    fn columns(&self, columns: &Columns) -> u32 {
        number_in(&self.columns, &self.columns_of(columns))
    }

    fn key(&self, key: &CallKey) -> Key {
        Key {
            columns: self.columns(&key.columns),
            period: key.epoch,
            evidence: self.evidence.get(key.evidence as usize).copied().unwrap_or(0),
            window: key.window.map(|window| match window {
                Window::Delivered => StoredWindow::Delivered,
                Window::Hour(hour) => StoredWindow::Hour(hour),
                Window::At(time) => StoredWindow::At(time.as_micros()),
            }),
        }
    }

    fn seen(&self, seen: Occurrence) -> StoredOccurrence {
        StoredOccurrence { time: seen.time.map(Timestamp::as_micros), event: self.id(seen.event) }
    }
}

/// The index of a value in an ordered list that holds it.
fn number_in<V: Ord + ?Sized, T: Ord + std::borrow::Borrow<V>>(ordered: &[T], value: &V) -> u32 {
    let index = ordered.binary_search_by(|known| known.borrow().cmp(value)).unwrap_or_default();
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn micros(times: &[Timestamp]) -> Vec<i64> {
    times.iter().map(|time| time.as_micros()).collect()
}

fn times(micros: &[i64]) -> Vec<Timestamp> {
    micros.iter().copied().map(Timestamp::from_micros).collect()
}

impl RestsOn {
    fn of(context: &AccountRegionContext<'_>, options: &AuditOptions<'_>, counting: Counting) -> Self {
        RestsOn {
            watched: context.watched,
            is_metered: counting.is_metered,
            heartbeat_roles: options.configuration.auditor.heartbeat_roles(),
        }
    }
}

impl CallAggregate<'_> {
    /// The form to store. All calls must be selected.
    pub(in crate::auditor) fn stored(&mut self) -> StoredAggregate {
        self.widen();
        let texts = self.context.texts;
        let evaluations = &self.evidence.evaluations;
        let rows = || self.waiting.iter();
        let columns: BTreeSet<Columns> = self
            .calls
            .keys()
            .map(|key| key.columns)
            .chain(self.periods.keys().map(|(key, _)| key.columns))
            .chain(rows().map(|row| row.columns))
            .collect();
        let ids = self.calls.values().flat_map(|calls| [calls.first.event, calls.last.event]);
        let ids = ids.chain(rows().flat_map(|row| [row.request(), row.event()]));
        let mut names: BTreeSet<String> = ids.filter(|id| id.uuid(texts.strings()).is_none()).map(|id| id.text(texts.strings())).collect();
        names.extend(columns.iter().flat_map(|columns| texts_of(&texts.stored_columns(columns))).map(str::to_owned));
        let principals = evaluations.unjoined.keys().map(|(principal, _)| *principal);
        let principals = principals.chain(evaluations.unjoined_named.keys().map(|(principal, ..)| *principal));
        let principals = principals.chain(evaluations.requested.iter().map(|(principal, _)| *principal));
        names.extend(principals.map(|principal| texts.long(principal).to_owned()));
        let guardrails = evaluations.unjoined_named.keys().map(|(.., guardrail)| *guardrail);
        let guardrails = guardrails.chain(evaluations.requested.iter().map(|(_, guardrail)| *guardrail));
        names.extend(guardrails.map(|guardrail| texts.get(guardrail).to_owned()));

        let found: Vec<&FoundEvidence> = self.evidence.table.found().collect();
        let mut evidence: Vec<FoundEvidence> = found.iter().skip(1).map(|found| (*found).clone()).collect();
        evidence.sort_unstable();
        let number_of = |(index, found): (usize, &&FoundEvidence)| if index == 0 { 0 } else { number_in(&evidence, *found) + 1 };
        let mut numbers = Numbers {
            texts,
            names: names.into_iter().collect(),
            columns: Vec::new(),
            evidence: found.iter().enumerate().map(number_of).collect(),
        };
        let stored: BTreeSet<StoredColumns> = columns.iter().map(|columns| numbers.columns_of(columns)).collect();
        numbers.columns = stored.into_iter().collect();

        // Columns that differ only in the numbers of their texts are the same here.
        let mut groups: BTreeMap<Key, Occurrences> = BTreeMap::new();
        for (key, occurrences) in &self.calls {
            groups.entry(numbers.key(key)).and_modify(|known| known.merge(occurrences, texts)).or_insert(*occurrences);
        }
        let mut days: BTreeMap<(Key, Option<i64>), u64> = BTreeMap::new();
        // Whoever counts by hour has no use for the hours of earlier audits.
        for ((key, day), count) in self.periods.iter().filter(|_| !self.is_by_hour()) {
            *days.entry((numbers.key(key), day.map(|first_hour| i64::from(first_hour) * MICROS_AN_HOUR))).or_default() += count;
        }
        let principal = |principal: Symbol24| numbers.text(texts.long(principal));
        let guardrail = |guardrail: Symbol| numbers.text(texts.get(guardrail));
        let unjoined = evaluations.unjoined.iter().map(|((of, hour), count)| (principal(*of), *hour, *count));
        let of_guardrails = evaluations.unjoined_named.iter();
        let of_guardrails = of_guardrails.map(|((of, hour, named), count)| (principal(*of), *hour, guardrail(*named), *count));
        let requested = evaluations.requested.iter().map(|(of, named)| (principal(*of), guardrail(*named)));
        let waiting = rows().map(|row| WaitingRow {
            request: numbers.id(row.request()),
            columns: numbers.columns(&row.columns),
            seen: numbers.seen(Occurrence { time: row.time(texts.strings()), event: row.event() }),
        });
        let JoinCounts { judged, duplicates, .. } = self.evidence.counts;
        StoredAggregate(Contents {
            rests_on: RestsOn::of(self.context, self.options, self.counting),
            boundaries: micros(self.context.periods()),
            trail_boundaries: micros(&self.context.trail_boundaries),
            span: self.evidence.span.map(|(first, last)| (first.as_micros(), last.as_micros())),
            groups: groups
                .into_iter()
                .map(|(key, calls)| Group { key, count: calls.count, first: numbers.seen(calls.first), last: numbers.seen(calls.last) })
                .collect(),
            days: days.into_iter().map(|((key, day), count)| DayCount { key, day, count }).collect(),
            waiting: ordered(waiting),
            judged,
            duplicates,
            only_logged: self.evidence.only_logged,
            answers_elsewhere: self.evidence.answers_elsewhere,
            evaluations_seen: self.evidence.evaluations_seen.stretches().collect(),
            evaluations_are_there: evaluations.are_there,
            evaluations_joined: evaluations.joined,
            unjoined: ordered(unjoined),
            unjoined_named: ordered(of_guardrails),
            requested: ordered(requested),
            heartbeats: self.heartbeats.iter().map(|(time, proved)| (time.as_micros(), *proved)).collect(),
            counted: self.counted.iter().map(|(minute, count)| (minute.as_micros(), *count)).collect(),
            drafts: self.drafts.iter().cloned().collect(),
            evidence,
            texts: numbers.names,
            columns: numbers.columns,
        })
    }
}

fn ordered<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values
}

/// A stored aggregate with the numbers of this run's texts. Its periods are still those of the run that stored it.
pub(in crate::auditor) struct RestoredAggregate {
    rests_on: RestsOn,
    boundaries: Vec<Timestamp>,
    trail_boundaries: Vec<Timestamp>,
    span: Option<(Timestamp, Timestamp)>,
    calls: Vec<(CallKey, Occurrences)>,
    /// By the first hour of each day.
    days: Vec<(CallKey, Option<i32>, u64)>,
    waiting: Rows,
    counts: JoinCounts,
    only_logged: u64,
    answers_elsewhere: u64,
    evidence: Vec<FoundEvidence>,
    evaluations_seen: Vec<u32>,
    evaluations: EvaluationCounts,
    heartbeats: BTreeSet<(Timestamp, bool)>,
    counted: BTreeMap<Timestamp, u64>,
    drafts: BTreeSet<String>,
}

impl StoredAggregate {
    /// Adds the texts to those of this run; `None` if the aggregate is damaged.
    pub(in crate::auditor) fn restore(&self, texts: &mut Texts) -> Option<RestoredAggregate> {
        let contents = &self.0;
        let columns: Vec<Columns> =
            contents.columns.iter().map(|columns| Some(texts.restored_columns(&columns.record(contents)?))).collect::<Option<_>>()?;
        let symbols: Vec<Symbol> = contents.texts.iter().map(|text| texts.intern(text)).collect();
        let symbol = |number: u32| symbols.get(number as usize).copied();
        let time = |micros: Option<i64>| micros.map(Timestamp::from_micros);
        let key = |key: &Key| {
            let window = key.window.map(|window| match window {
                StoredWindow::Delivered => Window::Delivered,
                StoredWindow::Hour(hour) => Window::Hour(hour),
                StoredWindow::At(micros) => Window::At(Timestamp::from_micros(micros)),
            });
            let columns = *columns.get(key.columns as usize)?;
            Some(CallKey { columns, epoch: key.period, evidence: key.evidence, window, is_selected: true })
        };
        let mut seen = |seen: &StoredOccurrence| {
            let event = match seen.event {
                Id::Uuid(bits) => texts.restored_uuid(u128::from_be_bytes(bits)),
                Id::Text(number) => texts.restored_id(contents.text(number)),
            };
            Occurrence { time: time(seen.time), event }
        };
        let mut calls = Vec::with_capacity(contents.groups.len());
        for group in &contents.groups {
            calls.push((key(&group.key)?, Occurrences { count: group.count, first: seen(&group.first), last: seen(&group.last) }));
        }
        let mut waiting = Rows::default();
        for row in &contents.waiting {
            let columns = contents.columns.get(row.columns as usize)?.record(contents)?;
            waiting.push(texts.restored(&StoredRecord {
                request_id: contents.id(row.request),
                event_id: contents.id(row.seen.event),
                event_time: time(row.seen.time),
                ..columns
            }));
        }
        let day = |count: &DayCount| Some((key(&count.key)?, time(count.day).map(|day| Periods::Days.first_hour(day)), count.count));
        let unjoined = contents.unjoined.iter().map(|(of, hour, count)| Some(((symbol(*of)?.into(), *hour), *count)));
        let named = contents.unjoined_named.iter();
        let named = named.map(|(of, hour, named, count)| Some(((symbol(*of)?.into(), *hour, symbol(*named)?), *count)));
        let requested = contents.requested.iter().map(|(of, named)| Some((symbol(*of)?.into(), symbol(*named)?)));
        Some(RestoredAggregate {
            rests_on: contents.rests_on.clone(),
            boundaries: times(&contents.boundaries),
            trail_boundaries: times(&contents.trail_boundaries),
            span: contents.span.map(|(first, last)| (Timestamp::from_micros(first), Timestamp::from_micros(last))),
            calls,
            days: contents.days.iter().map(day).collect::<Option<_>>()?,
            waiting,
            counts: JoinCounts { judged: contents.judged, duplicates: contents.duplicates, not_selected: 0 },
            only_logged: contents.only_logged,
            answers_elsewhere: contents.answers_elsewhere,
            evidence: contents.evidence.clone(),
            evaluations_seen: contents.evaluations_seen.clone(),
            evaluations: EvaluationCounts {
                are_there: contents.evaluations_are_there,
                joined: contents.evaluations_joined,
                unjoined: unjoined.collect::<Option<_>>()?,
                unjoined_named: named.collect::<Option<_>>()?,
                requested: requested.collect::<Option<_>>()?,
            },
            heartbeats: contents.heartbeats.iter().map(|(time, proved)| (Timestamp::from_micros(*time), *proved)).collect(),
            counted: contents.counted.iter().map(|(minute, count)| (Timestamp::from_micros(*minute), *count)).collect(),
            drafts: contents.drafts.iter().cloned().collect(),
        })
    }
}

impl RestoredAggregate {
    /// The ARNs of guardrails whose DRAFT the records request.
    pub(in crate::auditor) fn drafts(&self) -> &BTreeSet<String> {
        &self.drafts
    }

    /// Whether no change of the state or the configuration tells calls apart that the aggregate holds as one group.
    pub(in crate::auditor) fn fits(&self, context: &AccountRegionContext<'_>, options: &AuditOptions<'_>, counting: Counting) -> bool {
        self.rests_on == RestsOn::of(context, options, counting)
            && renumbered(&self.boundaries, context.periods(), self.span).iter().all(is_whole)
            && renumbered(&self.trail_boundaries, &context.trail_boundaries, self.span).iter().all(is_whole)
    }

    /// The aggregate under the present state. If it doesn't fit, the calls of a period that is now divided are calls without a time: their
    /// verdict is what holds in every state, and otherwise `not_provable`. Evaluations that were seen in a divided period are expected in all of it.
    pub(in crate::auditor) fn aggregate<'a>(
        self,
        context: &'a AccountRegionContext<'a>,
        options: &'a AuditOptions<'a>,
        counting: Counting,
    ) -> CallAggregate<'a> {
        let texts = context.texts;
        let periods = renumbered(&self.boundaries, context.periods(), self.span);
        let stretches = renumbered(&self.trail_boundaries, &context.trail_boundaries, self.span);
        let number = |period: u32| periods.get(period as usize).filter(|numbers| is_whole(numbers)).map(|numbers| *numbers.start());
        let now = |key: CallKey| CallKey { epoch: key.epoch.and_then(number), ..key };
        let mut evidence = JoinedEvidence {
            counts: self.counts,
            span: self.span,
            evaluations: self.evaluations,
            table: EvidenceTable::of(self.evidence),
            only_logged: self.only_logged,
            answers_elsewhere: self.answers_elsewhere,
            ..JoinedEvidence::new(context)
        };
        let seen = self.evaluations_seen.iter().filter_map(|stretch| stretches.get(*stretch as usize).cloned());
        evidence.evaluations_seen.extend(seen.flatten());
        let mut aggregate = CallAggregate {
            horizon: context.latest_change.max(self.span.map(|(_, last)| last)),
            waiting: self.waiting,
            evidence,
            heartbeats: self.heartbeats,
            counted: self.counted,
            drafts: self.drafts,
            ..CallAggregate::new(context, options, counting)
        };
        for (key, occurrences) in self.calls {
            add_to(&mut aggregate.calls, now(key), occurrences, texts);
        }
        for (key, day, count) in self.days {
            *aggregate.periods.entry((now(key), day)).or_default() += count;
        }
        aggregate.widen();
        aggregate
    }
}

/// The numbers that each period between boundaries has now. It has several if it has records and is now divided by a boundary, which tells calls
/// apart that are one group.
fn renumbered(before: &[Timestamp], now: &[Timestamp], span: Option<(Timestamp, Timestamp)>) -> Vec<RangeInclusive<u32>> {
    let number_now = |time: Timestamp| u32::try_from(now.partition_point(|boundary| *boundary <= time)).unwrap_or(u32::MAX);
    (0..=before.len())
        .map(|period| {
            let Some((first, last)) = span else { return 0..=0 };
            let begins = period.checked_sub(1).and_then(|index| before.get(index)).map_or(first, |boundary| first.max(*boundary));
            let ends = before.get(period).map_or(last, |boundary| last.min(boundary.just_before()));
            let (from, until) = (number_now(begins), number_now(ends));
            if begins > ends { from..=from } else { from..=until }
        })
        .collect()
}

/// Whether a period is still one.
fn is_whole(numbers: &RangeInclusive<u32>) -> bool {
    numbers.start() == numbers.end()
}
