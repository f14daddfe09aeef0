//! The calls of an account and Region, added up.
//!
//! A [`CallAggregate`] is a sum over records: those of two parts, merged, are that of all records, wherever they were split and in whatever
//! order the parts come. It groups calls that no rule and no verdict can tell apart, and keeps of each group what findings show. What isn't
//! decided by a part alone stays undecided in it:
//!
//! * a request may have further records in another part, so its rows wait until they are joined ([`CallAggregate::join`]);
//! * what a missing evaluation proves depends on all records, so calls without one are grouped by their [`Window`];
//! * the verdicts, and with them the findings, follow from the groups when all parts are there ([`account_region`](super::account_region)).

mod stored;

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::{HashMap, hash_map::Entry};

use super::options::{AuditOptions, Counting, Periods};
use crate::{
    facts::{Columns, Form, PackedId, RequestRange, Rows, Symbol24, Texts},
    join::{AccountRegionContext, JoinedCall, JoinedEvidence, Occurrence, hour_of},
    parallel,
    timestamp::Timestamp,
};
pub(super) use stored::RestoredAggregate;
pub use stored::{StoredAggregate, StoredAggregateError, StoredAggregates};

/// Seconds within which an evaluation is delivered. A call closer than that to the end of the input may still get one
/// (docs/aws/eventbridge.md#delivery).
const DELIVERY_SECONDS: i64 = 15 * 60;

/// Seconds after which hardly any request gets a further record. One that does costs time, because its aggregate is made again.
const OPEN_SECONDS: i64 = 2 * 60 * 60;

/// The number of rows from which on a further thread saves time.
pub(super) const ROWS_A_THREAD: usize = 20_000;

/// The sum over some records of an account and Region.
pub(super) struct CallAggregate<'a> {
    pub(super) context: &'a AccountRegionContext<'a>,
    pub(super) options: &'a AuditOptions<'a>,
    counting: Counting,
    /// Whether trails recorded evaluations, and some may be among the records, further ones included.
    expects_evaluations: bool,
    /// The time of the latest record or change, up to now.
    horizon: Option<Timestamp>,
    /// The rows of requests that are not joined yet.
    waiting: Rows,
    pub(super) evidence: JoinedEvidence,
    calls: HashMap<CallKey, Occurrences>,
    /// The number of selected calls by the first hour of their day or hour ([`Periods`]), whoever made them. Calls
    /// whose window shows their hour are not in it.
    periods: HashMap<(CallKey, Option<i32>), u64>,
    /// The times of heartbeats; `true` if the organization's trail recorded it.
    pub(super) heartbeats: BTreeSet<(Timestamp, bool)>,
    /// The number of calls in each minute.
    pub(super) counted: BTreeMap<Timestamp, u64>,
    /// The ARNs of guardrails whose DRAFT the records request; only in an aggregate that is stored.
    drafts: BTreeSet<String>,
}

/// Everything by which calls are told apart. Their ids aren't in it, and of their time only what can decide something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct CallKey {
    columns: Columns,
    epoch: Option<u32>,
    evidence: u32,
    window: Option<Window>,
    is_selected: bool,
}

impl CallKey {
    /// The key without the principal, under which selected calls are counted by day or hour; `None` if what a missing evaluation proves may depend on
    /// the principal and the hour.
    fn of_all_principals(&self) -> Option<CallKey> {
        let depends = matches!(self.window, Some(Window::Hour(_) | Window::At(_)));
        let columns = Columns { principal: Symbol24::default(), ..self.columns };
        (self.is_selected && !depends).then_some(CallKey { columns, ..*self })
    }
}

/// The time of calls without an evaluation, as far as it may decide what that proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Window {
    /// An evaluation must have been delivered by now, and the hour doesn't matter, since other evaluations were joined to calls.
    Delivered,
    /// An evaluation must have been delivered by now, and evaluations are compared by hour.
    Hour(i64),
    /// An evaluation may still be delivered.
    At(Timestamp),
}

/// The number of calls, the first and the last of them.
#[derive(Clone, Copy, Debug)]
struct Occurrences {
    count: u64,
    first: Occurrence,
    last: Occurrence,
}

/// Calls that are alike: the same principal, model, operation, request, error, evidence and state in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct AlikeCalls {
    pub(super) columns: Columns,
    pub(super) form: Form,
    /// The number of the period of constant state ([`AccountRegionContext::epoch_at`]); `None` if the records have no time.
    pub(super) epoch: Option<u32>,
    /// The number of their evidence.
    pub(super) evidence: u32,
    /// `None` if it proves nothing that they have no evaluation, or if they have one.
    pub(super) window: Option<Window>,
    /// Whether the selection of times includes them. Others are there only because evaluations are compared with all calls.
    pub(super) is_selected: bool,
    pub(super) count: u64,
    pub(super) first: Occurrence,
    pub(super) last: Occurrence,
}

impl Window {
    /// The hour of the calls, unless it doesn't matter any more.
    pub(super) fn hour(self) -> Option<i64> {
        match self {
            Window::Delivered => None,
            Window::Hour(hour) => Some(hour),
            Window::At(time) => Some(hour_of(time)),
        }
    }
}

impl Occurrences {
    fn of(seen: Occurrence) -> Self {
        Occurrences { count: 1, first: seen, last: seen }
    }

    fn merge(&mut self, other: &Occurrences, texts: &Texts) {
        self.count += other.count;
        if other.first.order(&self.first, texts).is_lt() {
            self.first = other.first;
        }
        if other.last.order(&self.last, texts).is_gt() {
            self.last = other.last;
        }
    }
}

impl AlikeCalls {
    /// Both ends of the time in which they were made.
    pub(super) fn times(&self) -> [Option<Timestamp>; 2] {
        [self.first.time, self.last.time]
    }
}

/// What decides the windows of calls, as far as the records up to now show it.
#[derive(Clone, Copy)]
struct Windows {
    expects_evaluations: bool,
    evaluations_join: bool,
    horizon: Option<Timestamp>,
}

impl Windows {
    fn of(self, call: &JoinedCall) -> Option<Window> {
        let may_lack = self.expects_evaluations && call.evidence == 0 && !call.form.kind.is_mediated();
        call.seen.time.filter(|_| may_lack).map(|time| self.widen(Window::At(time)))
    }

    /// The window of which nothing more than needed is told apart. What was decided stays decided when further records come.
    fn widen(self, window: Window) -> Window {
        match window {
            Window::At(time) if self.horizon.is_some_and(|horizon| time.plus_seconds(DELIVERY_SECONDS) <= horizon) => {
                self.widen(Window::Hour(hour_of(time)))
            }
            Window::Hour(_) if self.evaluations_join => Window::Delivered,
            window => window,
        }
    }
}

impl<'a> CallAggregate<'a> {
    /// The sum over no records.
    pub(super) fn new(context: &'a AccountRegionContext<'a>, options: &'a AuditOptions<'a>, counting: Counting) -> Self {
        CallAggregate {
            context,
            options,
            counting,
            expects_evaluations: context.watched,
            horizon: context.latest_change,
            waiting: Rows::default(),
            evidence: JoinedEvidence::new(context),
            calls: HashMap::new(),
            periods: HashMap::new(),
            heartbeats: BTreeSet::new(),
            counted: BTreeMap::new(),
            drafts: BTreeSet::new(),
        }
    }

    /// The sum over these records, if there are no others.
    pub(super) fn of_all(
        rows: Rows,
        context: &'a AccountRegionContext<'a>,
        options: &'a AuditOptions<'a>,
        counting: Counting,
        threads: usize,
    ) -> Self {
        let mut aggregate = CallAggregate::new(context, options, counting);
        aggregate.add(rows);
        aggregate.expects_evaluations &= aggregate.evidence.evaluations.are_there;
        aggregate.join(threads)
    }

    /// Adds records. Their requests wait for further records until they are joined.
    pub(super) fn add(&mut self, rows: Rows) {
        self.evidence.look_at(&rows, self.context);
        self.horizon = self.horizon.max(self.evidence.span.map(|(_, last)| last));
        self.waiting.append(rows);
    }

    /// Notes guardrails whose DRAFT the records request.
    pub(super) fn note_drafts(&mut self, drafts: impl IntoIterator<Item = String>) {
        self.drafts.extend(drafts);
    }

    /// The number of records that wait for further ones of their requests.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Joins the requests that wait. All of their records must be there.
    pub(super) fn join(self, threads: usize) -> Self {
        let ranges = threads.min(self.waiting.len() / ROWS_A_THREAD).max(1);
        self.join_ranges(ranges)
    }

    /// Joins the requests whose last record is [`OPEN_SECONDS`] older than the latest of all and than `latest`, or has no time. The others
    /// keep waiting.
    pub(super) fn conclude(mut self, latest: Option<Timestamp>, threads: usize) -> Self {
        let own = self.evidence.span.map(|(_, last)| last);
        let Some(last) = own.max(latest) else { return self.join(threads) };
        let open_from = last.plus_seconds(-OPEN_SECONDS);
        let strings = self.context.texts.strings();
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort(threads);
        let mut open = Rows::default();
        waiting.each_request(RequestRange::all(), |request| {
            let is_open = request.iter().any(|row| row.time(strings).is_some_and(|time| time > open_from));
            let rows = if is_open { &mut open } else { &mut self.waiting };
            for row in request {
                rows.push(*row);
            }
        });
        drop(waiting);
        let mut settled = self.join(threads);
        settled.waiting = open;
        settled
    }

    /// Joins the requests that wait, each range of them by a thread of its own.
    fn join_ranges(mut self, ranges: usize) -> Self {
        let mut rows = std::mem::take(&mut self.waiting);
        rows.sort(ranges);
        let part = |range| self.part(&rows, range);
        let parts = parallel::map(ranges, RequestRange::split(ranges).collect(), part);
        drop(rows);
        parts.into_iter().fold(self, CallAggregate::merge)
    }

    /// The sum over the requests in a range.
    fn part(&self, rows: &Rows, range: RequestRange) -> Self {
        let (context, options) = (self.context, self.options);
        let mut part = CallAggregate {
            expects_evaluations: self.expects_evaluations,
            horizon: self.horizon,
            ..CallAggregate::new(context, options, self.counting)
        };
        let is_selected = options.selection.selects_account_region(&context.account, &context.region);
        rows.each_request(range, |request| {
            if !is_selected {
                part.evidence.counts.not_selected += request.len() as u64;
                return;
            }
            let windows = part.windows();
            let CallAggregate { evidence, calls, periods, heartbeats, counted, .. } = &mut part;
            evidence.join(request, context, options.selection, |call, is_selected| {
                let window = windows.of(call);
                if is_selected && let Some(time) = call.seen.time {
                    if is_heartbeat(call, context.texts, options) {
                        heartbeats.insert((time, !call.form.self_reported));
                    } else if self.counting.is_metered {
                        *counted.entry(time.minute()).or_default() += 1;
                    }
                }
                if is_selected || window.is_some() {
                    let epoch = call.seen.time.map(|time| context.epoch_at(time));
                    let key = CallKey { columns: call.columns, epoch, evidence: call.evidence, window, is_selected };
                    if let Some(of_all) = key.of_all_principals() {
                        let period = call.seen.time.map(|time| self.counting.by.first_hour(time));
                        *periods.entry((of_all, period)).or_default() += 1;
                    }
                    add_to(calls, key, Occurrences::of(call.seen), context.texts);
                }
            });
        });
        part.widen();
        part
    }

    /// The sum of both. A request of which one has joined records must not have records in the other.
    pub(super) fn merge(self, other: CallAggregate<'a>) -> Self {
        let (mut sum, other) = if self.calls.len() < other.calls.len() { (other, self) } else { (self, other) };
        let texts = sum.context.texts;
        sum.expects_evaluations |= other.expects_evaluations;
        sum.horizon = sum.horizon.max(other.horizon);
        sum.waiting.append(other.waiting);
        let numbers = sum.evidence.merge(other.evidence);
        for (key, occurrences) in other.calls {
            let evidence = numbers.get(key.evidence as usize).copied().unwrap_or(0);
            add_to(&mut sum.calls, CallKey { evidence, ..key }, occurrences, texts);
        }
        for ((key, period), count) in other.periods {
            let evidence = numbers.get(key.evidence as usize).copied().unwrap_or(0);
            *sum.periods.entry((CallKey { evidence, ..key }, period)).or_default() += count;
        }
        sum.heartbeats.extend(other.heartbeats);
        other.counted.into_iter().for_each(|(minute, count)| *sum.counted.entry(minute).or_default() += count);
        sum.drafts.extend(other.drafts);
        sum.widen();
        sum
    }

    fn windows(&self) -> Windows {
        Windows { expects_evaluations: self.expects_evaluations, evaluations_join: self.evidence.evaluations.join(), horizon: self.horizon }
    }

    /// Puts groups together that need not be told apart by their times any more.
    fn widen(&mut self) {
        let windows = self.windows();
        let texts = self.context.texts;
        let wider = |key: &CallKey| key.window.map(|window| windows.widen(window));
        let narrow: Vec<_> = self.calls.extract_if(|key, _| wider(key) != key.window).collect();
        for (narrow, occurrences) in narrow {
            let key = CallKey { window: wider(&narrow), ..narrow };
            if let Some(of_all) = key.of_all_principals() {
                let period = occurrences.last.time.map(|time| self.counting.by.first_hour(time));
                *self.periods.entry((of_all, period)).or_default() += occurrences.count;
            }
            add_to(&mut self.calls, key, occurrences, texts);
        }
    }

    /// The groups of alike calls.
    pub(super) fn calls(&self) -> impl Iterator<Item = AlikeCalls> {
        self.calls.iter().map(|(key, occurrences)| self.alike(key, occurrences))
    }

    /// The selected calls of each day or hour by its first hour, in groups whose verdict is the same. Neither their principal nor which is the
    /// first and the last of them is always known.
    pub(super) fn calls_by_period(&self) -> impl Iterator<Item = (Option<i32>, AlikeCalls)> {
        let by_window = self.calls.iter().filter(|(key, _)| key.is_selected && key.of_all_principals().is_none());
        let period = |time| self.counting.by.first_hour(time);
        let by_window = by_window.map(move |(key, occurrences)| (occurrences.last.time.map(period), self.alike(key, occurrences)));
        let any = Occurrences::of(Occurrence { time: None, event: PackedId::default() });
        let periods = self.periods.iter();
        let by_period = periods.map(move |((key, period), count)| (*period, self.alike(key, &Occurrences { count: *count, ..any })));
        by_window.chain(by_period)
    }

    /// Whether calls are counted by hour.
    pub(super) fn is_by_hour(&self) -> bool {
        self.counting.by == Periods::Hours
    }

    fn alike(&self, key: &CallKey, occurrences: &Occurrences) -> AlikeCalls {
        AlikeCalls {
            columns: key.columns,
            form: self.context.texts.form(&key.columns),
            epoch: key.epoch,
            evidence: key.evidence,
            window: key.window,
            is_selected: key.is_selected,
            count: occurrences.count,
            first: occurrences.first,
            last: occurrences.last,
        }
    }
}

fn add_to(calls: &mut HashMap<CallKey, Occurrences>, key: CallKey, occurrences: Occurrences, texts: &Texts) {
    match calls.entry(key) {
        Entry::Occupied(known) => known.into_mut().merge(&occurrences, texts),
        Entry::Vacant(new) => {
            new.insert(occurrences);
        }
    }
}

/// Whether it is a heartbeat (docs/glossary.md#heartbeat): a refused call by the role that sends them.
fn is_heartbeat(call: &JoinedCall, texts: &Texts, options: &AuditOptions<'_>) -> bool {
    !texts.get(call.form.error).is_empty() && options.configuration.auditor.is_heartbeat_role(texts.long(call.columns.principal))
}

#[cfg(test)]
mod tests;
