//! Joins calls with their evaluations and invocation logs.
//!
//! AWS documents no key that joins an evaluation to its call (docs/aws/cloudtrail-records.md#evaluations). The join uses the request id and
//! nothing else: an evaluation whose request id no call has proves nothing about any call. If no evaluation of an account and Region joins,
//! [`AccountRegionEvidence::expectation`] compares counts by principal and hour, which can cast doubt on a call but never clear it.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
};

use hashbrown::{HashMap, HashSet};
use indexmap::IndexSet;

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, Region},
    cloudtrail::HIDDEN,
    facts::{Columns, Form, Kind, PackedId, Row, Rows, Symbol, Symbol24, Texts},
    invocation_log::{BODY_ELSEWHERE, ENFORCED, UNNAMED},
    telemetry::{EvaluationsSeen, LoggedEvent, Recorded, Telemetry},
    timestamp::Timestamp,
    verdict::{Evaluated, Evidence, Expectation, Requested},
    world::{InForce, State},
};

/// The calls and evidence to judge. Changes are never left out, because the world needs them.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// These accounts; empty for all.
    pub accounts: BTreeSet<AccountId>,
    /// These Regions; empty for all.
    pub regions: BTreeSet<Region>,
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

impl Selection {
    /// Whether calls of this account and Region are selected.
    #[must_use]
    pub fn selects_account_region(&self, account: &AccountId, region: &Region) -> bool {
        (self.accounts.is_empty() || self.accounts.contains(account)) && (self.regions.is_empty() || self.regions.contains(region))
    }

    /// Whether calls of this time are selected. A call without a time always is.
    #[must_use]
    pub fn selects_time(&self, time: Option<Timestamp>) -> bool {
        time.is_none_or(|time| self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until))
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.accounts.is_empty() && self.regions.is_empty() && self.since.is_none() && self.until.is_none()
    }
}

/// An account and Region with its calls, evaluations and logs.
#[derive(Debug)]
pub(crate) struct AccountRegionEvidence<'t> {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    texts: &'t Texts,
    rows: Rows,
    /// The times at which the state changed.
    boundaries: Vec<Timestamp>,
    /// The time of the latest record, changes included.
    horizon: Option<Timestamp>,
    /// Whether trails recorded evaluations at some time, so that a missing one may prove something.
    pub(crate) watched: bool,
    /// The periods in which evaluations were recorded, whatever is known of trails.
    evaluations: EvaluationsSeen,
    evidence: IndexSet<FoundEvidence>,
    by_records: HashMap<Vec<Columns>, u32>,
    /// Whether an evaluation was joined to a call.
    joined: bool,
    /// The number of evaluations that were not joined and may be within calls, by principal and hour. Counted in the first pass.
    unjoined: HashMap<(Symbol24, i64), u64>,
    /// Those that name a guardrail. They are within calls only if calls of the same principal request it.
    unjoined_named: HashMap<(Symbol24, i64, Symbol), u64>,
    /// Whether there were others: direct calls of ApplyGuardrail. They prove that evaluations are recorded, but none of a call.
    direct: bool,
    /// The guardrails that calls request, by principal, as the caller passed them.
    requested: HashSet<(Symbol24, Symbol)>,
    /// The number of requests that only an invocation log shows.
    pub(crate) only_logged: u64,
    /// The number of logs whose responses, and traces, are in objects of their own.
    pub(crate) answers_elsewhere: u64,
    /// Whether a pass over all rows is complete.
    passed: bool,
}

/// The fields of a call that its account could report falsely.
type Forgeable = (Columns, Option<Timestamp>);

/// A call joined with its evidence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JoinedCall {
    pub(crate) columns: Columns,
    pub(crate) form: Form,
    pub(crate) seen: Occurrence,
    /// The number of the period of constant state, see [`AccountRegionEvidence::time_of`]; `None` if the record has no time.
    pub(crate) epoch: Option<u32>,
    /// The number of its evidence, see [`AccountRegionEvidence::found`]; zero if there is none.
    pub(crate) evidence: u32,
}

/// The time and event id of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occurrence {
    /// The time; `None` if the record has none.
    pub(crate) time: Option<Timestamp>,
    pub(crate) event: PackedId,
}

/// The counts of one pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JoinCounts {
    /// Calls, evaluations and logs, each once.
    pub(crate) judged: u64,
    /// Copies.
    pub(crate) duplicates: u64,
    /// Records that the selection excludes.
    pub(crate) not_selected: u64,
}

/// The evidence of a call, and what its log shows besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct FoundEvidence {
    pub(crate) evidence: Evidence,
    pub(crate) partially_guarded: bool,
    /// Whether an evaluation has the call's request id, which shows that evaluations can be joined here.
    joins: bool,
    /// Whether the account itself reports an evaluation. That proves nothing, but then its absence can't count against the call either.
    pub(crate) said_to_be_evaluated: bool,
}

/// Seconds within which an evaluation is delivered. A call closer than that to the end of the input may still get one
/// (docs/aws/eventbridge.md#delivery).
const DELIVERY_SECONDS: i64 = 15 * 60;

/// Calls of one principal in an hour that are unlikely to lack evaluations by chance, if other principals have some.
const MANY_CALLS: u64 = 20;

impl Occurrence {
    /// Orders by time, then by event id, so that the result doesn't depend on the order of reading.
    pub(crate) fn order(&self, other: &Occurrence, texts: &Texts) -> Ordering {
        self.time.cmp(&other.time).then_with(|| self.event.compare(other.event, texts.strings()))
    }
}

impl<'t> AccountRegionEvidence<'t> {
    /// `latest_change` is the time of the latest change in this account and Region.
    pub(crate) fn new(
        account: AccountId,
        region: Region,
        rows: Rows,
        texts: &'t Texts,
        state: &State,
        latest_change: Option<Timestamp>,
    ) -> Self {
        let boundaries = state.boundaries(&account, &region);
        let mut moments = boundaries.iter().copied().chain([Timestamp::BEGINNING]);
        let may_record = |telemetry: &Telemetry| telemetry.records(LoggedEvent::EVALUATION) != Recorded::No;
        let watched = moments.any(|at| state.telemetry(&account, &region, at).state().is_some_and(may_record));
        let of_trails: Vec<Timestamp> = state.telemetry_boundaries(&account, &region).collect();
        let is_proof = |row: &&Row| {
            let form = texts.form(&row.columns);
            form.kind == Kind::Evaluation && !form.self_reported
        };
        // Without knowledge of trails, no evaluation needs to be examined.
        let looked_at = rows.iter().take(if of_trails.is_empty() { 0 } else { rows.len() });
        let evaluations = looked_at.filter(is_proof).filter_map(|row| row.time(texts.strings()));
        let evaluations = EvaluationsSeen::new(of_trails, evaluations);
        let horizon = rows.iter().filter_map(|row| row.time(texts.strings())).chain(latest_change).max();
        AccountRegionEvidence {
            account,
            region,
            texts,
            rows,
            boundaries,
            horizon,
            watched,
            evaluations,
            evidence: IndexSet::from([FoundEvidence::default()]),
            by_records: HashMap::new(),
            joined: false,
            unjoined: HashMap::new(),
            unjoined_named: HashMap::new(),
            direct: false,
            requested: HashSet::new(),
            only_logged: 0,
            answers_elsewhere: 0,
            passed: false,
        }
    }

    /// Calls a function with each call once, whatever copies of it were read, and with its evidence.
    pub(crate) fn each_call(&mut self, selection: &Selection, mut with: impl FnMut(&AccountRegionEvidence<'_>, &JoinedCall)) -> JoinCounts {
        let mut rows = std::mem::take(&mut self.rows);
        let mut joined = JoinCounts::default();
        if selection.selects_account_region(&self.account, &self.region) {
            rows.each_request(|request| self.take(request, selection, &mut joined, &mut with));
        } else {
            joined.not_selected = rows.len() as u64;
        }
        self.rows = rows;
        if !self.passed {
            self.passed = true;
            self.count_named();
        }
        joined
    }

    /// Processes all rows of one request. The selection of times applies to calls; evidence belongs to its call whatever its time.
    fn take(
        &mut self,
        rows: &[Row],
        selection: &Selection,
        joined: &mut JoinCounts,
        with: &mut impl FnMut(&AccountRegionEvidence<'_>, &JoinedCall),
    ) {
        if let [row] = rows
            && let form @ Form { kind: Kind::Call(_), .. } = self.texts.form(&row.columns)
        {
            self.note_request(row);
            if !selection.selects_time(self.time(row)) {
                joined.not_selected += 1;
                return;
            }
            joined.judged += 1;
            return with(self, &self.joined(row, form, 0));
        }
        let mut calls: BTreeMap<(Symbol, Option<Forgeable>), (Form, Row)> = BTreeMap::new();
        let mut evidence: BTreeMap<(Columns, PackedId), Option<Timestamp>> = BTreeMap::new();
        for row in rows {
            let form = self.texts.form(&row.columns);
            let copied = match form.kind {
                Kind::Call(_) => {
                    // A differing copy that only the account itself reports could be forged to hide the call, so both count.
                    let key = (form.api, form.self_reported.then_some((row.columns, self.time(row))));
                    match calls.get(&key) {
                        Some((_, kept)) if self.rank(kept) <= self.rank(row) => true,
                        _ => calls.insert(key, (form, *row)).is_some(),
                    }
                }
                // Two evaluations of one call are two events with different ids; a copy has the same id.
                Kind::Evaluation | Kind::Log => {
                    let seen = evidence.entry((row.columns, row.event()));
                    let copied = matches!(seen, Entry::Occupied(_));
                    let time = seen.or_insert(self.time(row));
                    *time = self.time(row).min(*time);
                    copied
                }
            };
            joined.duplicates += u64::from(copied);
        }
        if !self.passed {
            self.count_logs(&evidence, calls.is_empty(), selection);
        }
        let proved: BTreeSet<Symbol> = calls.keys().filter(|(_, forgeable)| forgeable.is_none()).map(|(api, _)| *api).collect();
        let before = calls.len();
        calls.retain(|(api, forgeable), _| forgeable.is_none() || !proved.contains(api));
        joined.duplicates += (before - calls.len()) as u64;
        if calls.is_empty() {
            let selected = evidence.values().filter(|time| selection.selects_time(**time)).count() as u64;
            joined.judged += selected;
            joined.not_selected += evidence.len() as u64 - selected;
            return rows.iter().for_each(|row| self.count_unjoined(row));
        }
        for (_, row) in calls.values() {
            self.note_request(row);
        }
        let records = evidence.len() as u64;
        let mut shown: Vec<Columns> = evidence.into_keys().map(|(columns, _)| columns).collect();
        shown.dedup();
        let number = self.evidence_of(shown);
        self.joined |= self.found(number).joins;
        let all = calls.len() as u64;
        calls.retain(|_, (_, row)| selection.selects_time(self.time(row)));
        let selected = calls.len() as u64;
        joined.not_selected += all - selected;
        if selected == 0 {
            joined.not_selected += records;
            return;
        }
        joined.judged += selected + records;
        for (form, row) in calls.into_values() {
            with(self, &self.joined(&row, form, number));
        }
    }

    fn time(&self, row: &Row) -> Option<Timestamp> {
        row.time(self.texts.strings())
    }

    fn is_counting(&self) -> bool {
        self.watched && !self.passed
    }

    /// Records the guardrail that a call requests.
    fn note_request(&mut self, row: &Row) {
        if self.is_counting()
            && let Some(guardrail) = self.texts.requested(&row.columns).guardrail.some()
        {
            self.requested.insert((row.columns.principal, guardrail));
        }
    }

    fn joined(&self, row: &Row, form: Form, evidence: u32) -> JoinedCall {
        let time = self.time(row);
        JoinedCall {
            columns: row.columns,
            form,
            seen: Occurrence { time, event: row.event() },
            epoch: time.map(|time| self.epoch_at(time)),
            evidence,
        }
    }

    /// Of copies that differ, the one with the most information is kept. The choice doesn't depend on the order of reading.
    fn rank(&self, row: &Row) -> (bool, bool, bool, u8, Option<Timestamp>, String, [String; 4]) {
        let Columns { principal, subject, .. } = row.columns;
        let requested = self.texts.requested(&row.columns);
        let text = |symbol| self.texts.get(symbol).to_owned();
        (
            self.texts.form(&row.columns).self_reported,
            self.texts.long(subject).is_empty(),
            self.texts.form(&row.columns).error.some().is_some(),
            match self.texts.get(requested.guardrail) {
                HIDDEN => 1,
                "" => 2,
                _ => 0,
            },
            self.time(row),
            row.event().text(self.texts.strings()),
            [
                self.texts.long(subject).to_owned(),
                text(requested.guardrail),
                text(requested.version),
                self.texts.long(principal).to_owned(),
            ],
        )
    }

    /// Counts the logs of a request that have no call or no response.
    fn count_logs(&mut self, evidence: &BTreeMap<(Columns, PackedId), Option<Timestamp>>, alone: bool, selection: &Selection) {
        let is_log = |columns: &Columns| self.texts.form(columns).kind == Kind::Log;
        let mut logs = evidence.iter().filter(|((columns, _), time)| is_log(columns) && selection.selects_time(**time)).peekable();
        let only_logged = alone && logs.peek().is_some();
        let elsewhere = logs.any(|((columns, _), _)| self.texts.long(columns.subject).lines().any(|line| line == BODY_ELSEWHERE));
        self.only_logged += u64::from(only_logged);
        self.answers_elsewhere += u64::from(elsewhere);
    }

    /// Counts an evaluation that may be within a call. A failed one evaluated nothing.
    fn count_unjoined(&mut self, row: &Row) {
        let form = self.texts.form(&row.columns);
        if form.is_of_answer_alone() {
            return;
        }
        if let (true, Kind::Evaluation, Some(time)) = (self.is_counting(), form.kind, self.time(row)) {
            let (principal, hour) = (row.columns.principal, hour_of(time));
            let identifier = self.texts.requested(&row.columns).guardrail;
            match self.texts.get(identifier) {
                "" if self.texts.long(row.columns.subject).is_empty() => {}
                ENFORCED | HIDDEN | "" => *self.unjoined.entry((principal, hour)).or_default() += 1,
                _ => *self.unjoined_named.entry((principal, hour, identifier)).or_default() += 1,
            }
        }
    }

    /// Counts the evaluations that name a guardrail which calls of the same principal request. The others are direct calls of
    /// ApplyGuardrail.
    fn count_named(&mut self) {
        let key = |identifier| GuardrailKey::from_identifier(self.texts.get(identifier), &self.account, &self.region);
        let requested: HashSet<_> = self.requested.iter().map(|(principal, identifier)| (*principal, key(*identifier))).collect();
        let inside = |principal: Symbol24, named| requested.contains(&(principal, named)) || requested.contains(&(principal, None));
        for ((principal, hour, identifier), count) in std::mem::take(&mut self.unjoined_named) {
            if inside(principal, key(identifier)) {
                *self.unjoined.entry((principal, hour)).or_default() += count;
            } else {
                self.direct = true;
            }
        }
    }

    /// The number of the evidence in these evaluations and logs.
    fn evidence_of(&mut self, records: Vec<Columns>) -> u32 {
        if let Some(&number) = self.by_records.get(&records) {
            return number;
        }
        let mut found = FoundEvidence::default();
        for record in &records {
            let form = self.texts.form(record);
            match form.kind {
                Kind::Evaluation | Kind::Log if form.self_reported => {
                    found.said_to_be_evaluated = true;
                    found.partially_guarded |= form.kind == Kind::Log && form.partially_guarded;
                }
                Kind::Evaluation => self.evaluated_by(record, &mut found),
                Kind::Log => self.traced_in(record, &mut found),
                Kind::Call(_) => {}
            }
        }
        let evidence = &mut found.evidence;
        let only_of_answer = found.joins && evidence.evaluated.is_empty() && !evidence.enforced_evaluation;
        evidence.unnamed_evaluation |= only_of_answer;
        let number = u32::try_from(self.evidence.insert_full(found).0).unwrap_or(0);
        self.by_records.insert(records, number);
        number
    }

    /// Adds what an evaluation shows: the guardrails in scope, and which one of them the request named. An evaluation of the response alone
    /// doesn't prove that they evaluated the prompt, only that some guardrail ran.
    fn evaluated_by(&self, evaluation: &Columns, found: &mut FoundEvidence) {
        let evidence = &mut found.evidence;
        let requested = self.texts.requested(evaluation);
        let identifier = self.texts.get(requested.guardrail);
        let of_answer_alone = self.texts.form(evaluation).is_of_answer_alone();
        evidence.enforced_evaluation |= identifier == ENFORCED && !of_answer_alone;
        let lines = self.texts.long(evaluation.subject);
        let mut listed: BTreeSet<GuardrailKey> = lines.lines().filter_map(GuardrailVersionArn::split).map(|(key, _)| key).collect();
        let by_identifier = GuardrailKey::from_identifier(identifier, &self.account, &self.region);
        // A bare id may belong to a guardrail of another account.
        let named = listed.iter().find(|key| *key.id == *identifier).cloned().or(by_identifier);
        if lines.is_empty() {
            listed.extend(named.clone());
        }
        found.joins |= identifier == ENFORCED || !listed.is_empty();
        for key in listed.into_iter().filter(|_| !of_answer_alone) {
            // Guardrails in scope besides the requested one were enforced; the requested one may be both. Its version is the request's.
            let is_told = identifier == ENFORCED || named.is_some();
            let enforced = is_told && named.as_ref() != Some(&key);
            evidence.evaluated.insert(Evaluated { id: key.id.to_string(), key: Some(key), version: None, enforced });
        }
        let version = GuardrailVersion::parse(self.texts.get(requested.version));
        let named = named.map(|key| Requested { guardrail: Some(key), version });
        evidence.requested = std::mem::take(&mut evidence.requested).max(named);
    }

    fn traced_in(&self, log: &Columns, found: &mut FoundEvidence) {
        found.partially_guarded |= self.texts.form(log).partially_guarded;
        for line in self.texts.long(log.subject).lines() {
            match line {
                UNNAMED => {
                    found.evidence.unnamed_evaluation = true;
                    continue;
                }
                BODY_ELSEWHERE => continue,
                _ => {}
            }
            let mut parts = line.split(' ');
            let id = parts.next().unwrap_or_default().to_owned();
            let key = parts.next().and_then(GuardrailVersionArn::split).map(|(key, _)| key);
            let version = parts.next().and_then(GuardrailVersion::parse);
            let enforced = parts.next() == Some(ENFORCED);
            found.evidence.evaluated.insert(Evaluated { id, key, version, enforced });
        }
    }

    pub(crate) fn found(&self, evidence: u32) -> &FoundEvidence {
        static NONE: FoundEvidence = FoundEvidence {
            evidence: Evidence {
                evaluated: BTreeSet::new(),
                enforced_evaluation: false,
                unnamed_evaluation: false,
                requested: None,
                expectation: Expectation::None,
            },
            partially_guarded: false,
            joins: false,
            said_to_be_evaluated: false,
        };
        self.evidence.get_index(evidence as usize).unwrap_or(&NONE)
    }

    /// A time within a period of constant state, for looking up the state.
    pub(crate) fn time_of(&self, epoch: u32) -> Timestamp {
        (epoch as usize).checked_sub(1).and_then(|index| self.boundaries.get(index)).copied().unwrap_or(Timestamp::BEGINNING)
    }

    /// The times of the first and the last record.
    pub(crate) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let times = || self.rows.iter().filter_map(|row| self.time(row));
        Some((times().min()?, times().max()?))
    }

    /// The times at which the state changed.
    pub(crate) fn boundaries(&self) -> &[Timestamp] {
        &self.boundaries
    }

    /// Whether events of a kind were recorded here at a time, from what is known of trails and from the records read.
    pub(crate) fn records(&self, event: LoggedEvent<'_>, state: &State, at: Timestamp) -> InForce<Recorded> {
        state
            .telemetry(&self.account, &self.region, at)
            .map(|telemetry| if self.evaluations.around(at) { telemetry.records_as_seen(event) } else { telemetry.records(event) })
    }

    fn epoch_at(&self, time: Timestamp) -> u32 {
        u32::try_from(self.boundaries.partition_point(|boundary| *boundary <= time)).unwrap_or(u32::MAX)
    }

    /// What a missing evaluation proves about a call that enforcement covers. Needs a complete pass over all calls.
    pub(crate) fn expectation(&self, joined: &JoinedCall, unobserved: &Unobserved, state: &State) -> Expectation {
        let (Some(time), Some(epoch), Some(horizon)) = (joined.seen.time, joined.epoch, self.horizon) else {
            return Expectation::None;
        };
        let delivered = time.plus_seconds(DELIVERY_SECONDS) <= horizon;
        let recorded = self.records(LoggedEvent::EVALUATION, state, self.time_of(epoch)) == InForce::Known(Recorded::Yes);
        if joined.evidence != 0 || !delivered || !recorded {
            return Expectation::None;
        }
        if self.joined {
            return Expectation::Evaluation;
        }
        let (principal, window) = (joined.columns.principal, hour_of(time));
        let of_principal = self.unjoined.get(&(principal, window)).copied().unwrap_or(0);
        let of_others = self.unjoined.keys().any(|(other, hour)| *hour == window && *other != principal);
        let calls = unobserved.0.get(&(principal, window)).copied().unwrap_or(0);
        match of_principal {
            _ if of_principal >= calls || (self.unjoined.is_empty() && !self.direct) => Expectation::None,
            0 if of_others && calls >= MANY_CALLS => Expectation::Evaluation,
            _ => Expectation::Doubt,
        }
    }
}

/// The number of covered calls without an evaluation, by principal and hour.
#[derive(Debug, Default)]
pub(crate) struct Unobserved(HashMap<(Symbol24, i64), u64>);

impl Unobserved {
    pub(crate) fn add(&mut self, joined: &JoinedCall) {
        if let Some(time) = joined.seen.time.filter(|_| joined.evidence == 0) {
            *self.0.entry((joined.columns.principal, hour_of(time))).or_default() += 1;
        }
    }
}

fn hour_of(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(3_600_000_000)
}
