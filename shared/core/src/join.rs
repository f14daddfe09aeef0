//! Joins calls with their evaluations and invocation logs.
//!
//! AWS documents no key that joins an evaluation to its call (docs/aws/cloudtrail-records.md#evaluations). The join uses the request id and
//! nothing else: an evaluation whose request id no call has proves nothing about any call. If no evaluation of an account and Region joins,
//! [`ComparedEvaluations`] compares counts by principal and hour, which can cast doubt on a call but never clear it.

mod account_region;
mod call;
mod evaluations;
mod evidence;
mod selection;

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

pub use self::selection::Selection;
pub(crate) use self::{
    account_region::AccountRegionContext,
    call::{JoinedCall, Occurrence},
    evaluations::{ComparedEvaluations, EvaluationCounts, hour_of},
    evidence::{EvidenceTable, FoundEvidence},
};
use crate::{
    cloudtrail::HIDDEN,
    facts::{Columns, Form, Kind, PackedId, Row, Rows, Symbol},
    invocation_log::BODY_ELSEWHERE,
    telemetry::EvaluationsSeen,
    timestamp::Timestamp,
};

/// What the records of an account and Region show besides their calls. It adds up over parts of the records, as long as all records of a
/// request are joined in one part.
#[derive(Debug)]
pub(crate) struct JoinedEvidence {
    pub(crate) counts: JoinCounts,
    /// The times of the first and of the last record.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    /// The periods in which evaluations were recorded, whatever is known of trails.
    pub(crate) evaluations_seen: EvaluationsSeen,
    pub(crate) evaluations: EvaluationCounts,
    pub(crate) table: EvidenceTable,
    /// The number of requests that only an invocation log shows.
    pub(crate) only_logged: u64,
    /// The number of logs whose responses, and traces, are in objects of their own.
    pub(crate) answers_elsewhere: u64,
}

/// The numbers of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JoinCounts {
    /// Calls, evaluations and logs, each once.
    pub(crate) judged: u64,
    /// Copies.
    pub(crate) duplicates: u64,
    /// Records that the selection excludes.
    pub(crate) not_selected: u64,
}

/// The fields of a call that its account could report falsely.
type Forgeable = (Columns, Option<Timestamp>);

impl JoinedEvidence {
    pub(crate) fn new(context: &AccountRegionContext<'_>) -> Self {
        JoinedEvidence {
            counts: JoinCounts::default(),
            span: None,
            evaluations_seen: EvaluationsSeen::new(context.trail_boundaries.clone()),
            evaluations: EvaluationCounts::default(),
            table: EvidenceTable::default(),
            only_logged: 0,
            answers_elsewhere: 0,
        }
    }

    /// Adds what rows show before they are joined.
    pub(crate) fn look_at(&mut self, rows: &Rows, context: &AccountRegionContext<'_>) {
        let texts = context.texts;
        // Without knowledge of trails, no evaluation needs to be examined.
        let examines = !context.trail_boundaries.is_empty();
        for row in rows.iter() {
            let time = row.time(texts.strings());
            self.include(time.map(|time| (time, time)));
            if examines && let Form { kind: Kind::Evaluation, self_reported, .. } = texts.form(&row.columns) {
                self.evaluations.are_there = true;
                time.filter(|_| !self_reported).into_iter().for_each(|time| self.evaluations_seen.include(time));
            }
        }
    }

    fn include(&mut self, span: Option<(Timestamp, Timestamp)>) {
        if let Some((first, last)) = span {
            let (from, until) = self.span.unwrap_or((first, last));
            self.span = Some((from.min(first), until.max(last)));
        }
    }

    /// Joins all records of one request, and calls a function with each of its calls once, whatever copies of it were read, and with whether
    /// it is selected. The selection of times applies to calls; evidence belongs to its call whatever its time.
    pub(crate) fn join(
        &mut self,
        rows: &[Row],
        context: &AccountRegionContext<'_>,
        selection: &Selection,
        mut with: impl FnMut(&JoinedCall, bool),
    ) {
        let texts = context.texts;
        let time = |row: &Row| row.time(texts.strings());
        let joined = |row: &Row, form: Form, evidence: u32| {
            let seen = Occurrence { time: time(row), event: row.event() };
            JoinedCall { columns: row.columns, form, seen, evidence }
        };
        if let [row] = rows
            && let form @ Form { kind: Kind::Call(_), .. } = texts.form(&row.columns)
        {
            if context.watched {
                self.evaluations.note_request(row, context);
            }
            let call = joined(row, form, 0);
            let is_selected = selection.selects_time(call.seen.time);
            *(if is_selected { &mut self.counts.judged } else { &mut self.counts.not_selected }) += 1;
            return with(&call, is_selected);
        }
        let mut calls: BTreeMap<(Symbol, Option<Forgeable>), (Form, Row)> = BTreeMap::new();
        let mut evidence: BTreeMap<(Columns, PackedId), Option<Timestamp>> = BTreeMap::new();
        for row in rows {
            let form = texts.form(&row.columns);
            let copied = match form.kind {
                Kind::Call(_) => {
                    // A differing copy that only the account itself reports could be forged to hide the call, so both count.
                    let key = (form.api, form.self_reported.then_some((row.columns, time(row))));
                    match calls.get(&key) {
                        Some((_, kept)) if rank(kept, context) <= rank(row, context) => true,
                        _ => calls.insert(key, (form, *row)).is_some(),
                    }
                }
                // Two evaluations of one call are two events with different ids; a copy has the same id.
                Kind::Evaluation | Kind::Log => {
                    let seen = evidence.entry((row.columns, row.event()));
                    let copied = matches!(seen, Entry::Occupied(_));
                    let earliest = seen.or_insert(time(row));
                    *earliest = time(row).min(*earliest);
                    copied
                }
            };
            self.counts.duplicates += u64::from(copied);
        }
        self.count_logs(&evidence, calls.is_empty(), context, selection);
        let proved: BTreeSet<Symbol> = calls.keys().filter(|(_, forgeable)| forgeable.is_none()).map(|(api, _)| *api).collect();
        let before = calls.len();
        calls.retain(|(api, forgeable), _| forgeable.is_none() || !proved.contains(api));
        self.counts.duplicates += (before - calls.len()) as u64;
        if calls.is_empty() {
            let selected = evidence.values().filter(|time| selection.selects_time(**time)).count() as u64;
            self.counts.judged += selected;
            self.counts.not_selected += evidence.len() as u64 - selected;
            if context.watched {
                for row in rows {
                    self.evaluations.count_unjoined(row, context);
                }
            }
            return;
        }
        if context.watched {
            for (_, row) in calls.values() {
                self.evaluations.note_request(row, context);
            }
        }
        let records = evidence.len() as u64;
        let mut shown: Vec<Columns> = evidence.into_keys().map(|(columns, _)| columns).collect();
        shown.dedup();
        let number = self.table.number_of(shown, context);
        self.evaluations.joined |= self.table.get(number).joins;
        let selected = calls.values().filter(|(_, row)| selection.selects_time(time(row))).count() as u64;
        self.counts.not_selected += calls.len() as u64 - selected;
        if selected == 0 {
            self.counts.not_selected += records;
        } else {
            self.counts.judged += selected + records;
        }
        for (form, row) in calls.into_values() {
            with(&joined(&row, form, number), selection.selects_time(time(&row)));
        }
    }

    /// Counts the logs of a request that have no call or no response.
    fn count_logs(
        &mut self,
        evidence: &BTreeMap<(Columns, PackedId), Option<Timestamp>>,
        alone: bool,
        context: &AccountRegionContext<'_>,
        selection: &Selection,
    ) {
        let texts = context.texts;
        let is_log = |columns: &Columns| texts.form(columns).kind == Kind::Log;
        let mut logs = evidence.iter().filter(|((columns, _), time)| is_log(columns) && selection.selects_time(**time)).peekable();
        let only_logged = alone && logs.peek().is_some();
        let elsewhere = logs.any(|((columns, _), _)| texts.long(columns.subject).lines().any(|line| line == BODY_ELSEWHERE));
        self.only_logged += u64::from(only_logged);
        self.answers_elsewhere += u64::from(elsewhere);
    }

    /// Adds what other requests show. Returns the new number of each number of the other's evidence.
    pub(crate) fn merge(&mut self, other: JoinedEvidence) -> Vec<u32> {
        self.counts.judged += other.counts.judged;
        self.counts.duplicates += other.counts.duplicates;
        self.counts.not_selected += other.counts.not_selected;
        self.include(other.span);
        self.evaluations_seen.merge(&other.evaluations_seen);
        self.evaluations.merge(other.evaluations);
        self.only_logged += other.only_logged;
        self.answers_elsewhere += other.answers_elsewhere;
        self.table.merge(other.table)
    }
}

/// Of copies that differ, the one with the most information is kept. The choice doesn't depend on the order of reading.
fn rank(row: &Row, context: &AccountRegionContext<'_>) -> (bool, bool, bool, u8, Option<Timestamp>, String, [String; 4]) {
    let texts = context.texts;
    let Columns { principal, subject, .. } = row.columns;
    let (form, requested) = (texts.form(&row.columns), texts.requested(&row.columns));
    let text = |symbol| texts.get(symbol).to_owned();
    (
        form.self_reported,
        texts.long(subject).is_empty(),
        form.error.some().is_some(),
        match texts.get(requested.guardrail) {
            HIDDEN => 1,
            "" => 2,
            _ => 0,
        },
        row.time(texts.strings()),
        row.event().text(texts.strings()),
        [texts.long(subject).to_owned(), text(requested.guardrail), text(requested.version), texts.long(principal).to_owned()],
    )
}
