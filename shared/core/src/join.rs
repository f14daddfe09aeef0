//! Which calls, evaluations and invocation logs belong together.
//!
//! AWS documents no key that joins an evaluation to the call it was made in (facts/03 §4). We join by request id, and by nothing else:
//! an evaluation that shares no request id with a call says nothing of any call. Where no evaluation of an account and Region joins,
//! [`Place::expectation`] compares counts per principal and hour, which can only cast doubt on a call, never clear it (design §3).

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use hashbrown::HashMap;
use indexmap::IndexSet;

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, Region},
    facts::{Columns, Form, Kind, PackedId, Row, Rows, Symbol, Symbol24, Texts},
    moment::Moment,
    telemetry::LoggedEvent,
    verdict::{Evaluated, Evidence, Expectation},
    world::{InForce, State},
};

/// Which calls and evidence to look at. Changes always count: the world needs them.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only these accounts; empty means all.
    pub accounts: BTreeSet<AccountId>,
    /// Only these Regions; empty means all.
    pub regions: BTreeSet<Region>,
    /// Not before.
    pub since: Option<Moment>,
    /// Not at or after.
    pub until: Option<Moment>,
}

impl Selection {
    /// Whether calls of this account and Region are looked at.
    #[must_use]
    pub fn selects_place(&self, account: &AccountId, region: &Region) -> bool {
        (self.accounts.is_empty() || self.accounts.contains(account)) && (self.regions.is_empty() || self.regions.contains(region))
    }

    /// Whether calls at this time are. A call without a time is never left out.
    #[must_use]
    pub fn selects_time(&self, time: Option<Moment>) -> bool {
        time.is_none_or(|time| self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until))
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.accounts.is_empty() && self.regions.is_empty() && self.since.is_none() && self.until.is_none()
    }
}

/// An account and Region, with its calls, evaluations and logs.
#[derive(Debug)]
pub(crate) struct Place<'t> {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    texts: &'t Texts,
    rows: Rows,
    /// When the state changed.
    boundaries: Vec<Moment>,
    /// The latest record.
    horizon: Option<Moment>,
    /// Whether trails recorded evaluations at some time, so that their absence may mean something.
    pub(crate) watched: bool,
    evidence: IndexSet<FoundEvidence>,
    by_records: HashMap<Vec<Columns>, u32>,
    /// Whether some evaluation was joined to a call.
    joined: bool,
    /// Evaluations that were not, by principal and hour; counted in the first pass.
    unjoined: HashMap<(Symbol24, i64), u64>,
    /// Whether a pass over all rows is done.
    passed: bool,
}

/// What an account could report otherwise than it was.
type Forgeable = (Columns, Option<Moment>);

/// A call, met with the evidence that belongs to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetCall {
    pub(crate) columns: Columns,
    pub(crate) form: Form,
    pub(crate) seen: Sighting,
    /// The number of the stretch of time, see [`Place::moment_of`]; `None` if the record has no time.
    pub(crate) epoch: Option<u32>,
    /// The number of its evidence, see [`Place::found`]; zero if there is none.
    pub(crate) evidence: u32,
}

/// When something was seen, and in which event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// `None` if the record doesn't say.
    pub(crate) time: Option<Moment>,
    pub(crate) event: PackedId,
}

/// What a pass over a place met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Met {
    /// Calls, evaluations and logs, each once.
    pub(crate) judged: u64,
    /// Copies.
    pub(crate) duplicates: u64,
    /// Those that were not selected.
    pub(crate) not_selected: u64,
}

/// Evidence of a call, and what its log shows besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct FoundEvidence {
    pub(crate) evidence: Evidence,
    pub(crate) partially_guarded: bool,
    /// The account itself says that there was an evaluation. That proves nothing, but its lack can't be held against a call either.
    pub(crate) said_to_be_evaluated: bool,
}

/// An evaluation is delivered within this time; a call younger than that before the end of the input may still get one (design §3).
const DELIVERY_SECONDS: i64 = 15 * 60;

/// So many calls of one principal in an hour without any evaluation are no accident, if others have some.
const MANY_CALLS: u64 = 20;

impl Sighting {
    /// By time, then by event id: never by the order of reading.
    pub(crate) fn order(&self, other: &Sighting, texts: &Texts) -> Ordering {
        self.time.cmp(&other.time).then_with(|| self.event.compare(other.event, texts.strings()))
    }
}

impl<'t> Place<'t> {
    pub(crate) fn new(account: AccountId, region: Region, rows: Rows, texts: &'t Texts, state: &State) -> Self {
        let boundaries = state.boundaries(&account, &region);
        let mut moments = boundaries.iter().copied().chain([Moment::BEGINNING]);
        let watched = moments.any(|at| records_evaluations(state.telemetry(&account, &region, at)));
        let horizon = rows.iter().filter_map(Row::time).max();
        Place {
            account,
            region,
            texts,
            rows,
            boundaries,
            horizon,
            watched,
            evidence: IndexSet::from([FoundEvidence::default()]),
            by_records: HashMap::new(),
            joined: false,
            unjoined: HashMap::new(),
            passed: false,
        }
    }

    /// Calls a function with each call once, whatever copies of it were read, and the evidence that belongs to it.
    pub(crate) fn each_call(&mut self, selection: &Selection, mut with: impl FnMut(&Place<'_>, &MetCall)) -> Met {
        let mut rows = std::mem::take(&mut self.rows);
        let mut met = Met::default();
        let everything = selection.is_everything();
        if selection.selects_place(&self.account, &self.region) {
            rows.each_request(|request| {
                if everything {
                    return self.take(request, &mut met, &mut with);
                }
                let selected: Vec<Row> = request.iter().filter(|row| selection.selects_time(row.time())).copied().collect();
                met.not_selected += (request.len() - selected.len()) as u64;
                self.take(&selected, &mut met, &mut with);
            });
        } else {
            met.not_selected = rows.len() as u64;
        }
        self.rows = rows;
        self.passed = true;
        met
    }

    /// Takes all rows of one request.
    fn take(&mut self, rows: &[Row], met: &mut Met, with: &mut impl FnMut(&Place<'_>, &MetCall)) {
        if let [row] = rows
            && let form @ Form { kind: Kind::Call(_), .. } = self.texts.form(&row.columns)
        {
            met.judged += 1;
            return with(self, &self.met(row, form, 0));
        }
        let mut calls: BTreeMap<(Symbol, Option<Forgeable>), (Form, Row)> = BTreeMap::new();
        let mut evidence: BTreeSet<(Columns, PackedId)> = BTreeSet::new();
        for row in rows {
            let form = self.texts.form(&row.columns);
            let copied = match form.kind {
                Kind::Call(_) => {
                    // A copy that only the account itself reports, and that differs, could be there to hide the call: both count.
                    let key = (form.api, form.self_reported.then_some((row.columns, row.time())));
                    match calls.get(&key) {
                        Some((_, kept)) if self.rank(kept) <= self.rank(row) => true,
                        _ => calls.insert(key, (form, *row)).is_some(),
                    }
                }
                // Two evaluations of one call are two events; a copy of one has its id.
                Kind::Evaluation | Kind::Log => !evidence.insert((row.columns, row.event())),
            };
            met.duplicates += u64::from(copied);
        }
        let proved: BTreeSet<Symbol> = calls.keys().filter(|(_, forgeable)| forgeable.is_none()).map(|(api, _)| *api).collect();
        let before = calls.len();
        calls.retain(|(api, forgeable), _| forgeable.is_none() || !proved.contains(api));
        met.duplicates += (before - calls.len()) as u64;
        met.judged += (calls.len() + evidence.len()) as u64;
        if calls.is_empty() {
            return rows.iter().for_each(|row| self.count_unjoined(row));
        }
        let mut records: Vec<Columns> = evidence.into_iter().map(|(columns, _)| columns).collect();
        records.dedup();
        let number = self.evidence_of(records);
        let found = &self.found(number).evidence;
        self.joined |= found.enforced_evaluation || !found.evaluated.is_empty();
        for (form, row) in calls.into_values() {
            with(self, &self.met(&row, form, number));
        }
    }

    fn met(&self, row: &Row, form: Form, evidence: u32) -> MetCall {
        let time = row.time();
        MetCall {
            columns: row.columns,
            form,
            seen: Sighting { time, event: row.event() },
            epoch: time.map(|time| self.epoch_at(time)),
            evidence,
        }
    }

    /// Of copies that differ the one that tells most is kept; which one doesn't depend on the order of reading.
    fn rank(&self, row: &Row) -> (bool, bool, bool, bool, Option<Moment>, String, [String; 4]) {
        let Columns { principal, subject, .. } = row.columns;
        let requested = self.texts.requested(&row.columns);
        let text = |symbol| self.texts.get(symbol).to_owned();
        (
            self.texts.form(&row.columns).self_reported,
            self.texts.long(subject).is_empty(),
            self.texts.form(&row.columns).error.some().is_some(),
            requested.guardrail.some().is_none(),
            row.time(),
            row.event().text(self.texts.strings()),
            [
                self.texts.long(subject).to_owned(),
                text(requested.guardrail),
                text(requested.version),
                self.texts.long(principal).to_owned(),
            ],
        )
    }

    fn count_unjoined(&mut self, row: &Row) {
        if let (true, Kind::Evaluation, Some(time)) = (self.watched && !self.passed, self.texts.form(&row.columns).kind, row.time()) {
            *self.unjoined.entry((row.columns.principal, hour_of(time))).or_default() += 1;
        }
    }

    /// The number of what these evaluations and logs show.
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
                    found.partially_guarded |= form.partially_guarded;
                }
                Kind::Evaluation => self.evaluated_by(record, &mut found.evidence),
                Kind::Log => self.traced_in(record, &mut found),
                Kind::Call(_) => {}
            }
        }
        let number = u32::try_from(self.evidence.insert_full(found).0).unwrap_or(0);
        self.by_records.insert(records, number);
        number
    }

    fn evaluated_by(&self, evaluation: &Columns, evidence: &mut Evidence) {
        let requested = self.texts.requested(evaluation);
        let identifier = self.texts.get(requested.guardrail);
        let named = GuardrailKey::from_identifier(identifier, &self.account, &self.region);
        let version = GuardrailVersion::parse(self.texts.get(requested.version));
        evidence.enforced_evaluation |= identifier == "ENFORCED";
        let lines = self.texts.long(evaluation.subject);
        let listed = lines.lines().filter_map(GuardrailVersionArn::split).map(|(key, _)| key);
        let listed: BTreeSet<GuardrailKey> = listed.chain(named.clone().filter(|_| lines.is_empty())).collect();
        for key in listed {
            // The version in the record is that of the requested guardrail only (facts/03 §4).
            let version = version.filter(|_| named.as_ref() == Some(&key));
            evidence.evaluated.insert(Evaluated { id: key.id.to_string(), key: Some(key), version });
        }
    }

    fn traced_in(&self, log: &Columns, found: &mut FoundEvidence) {
        found.partially_guarded |= self.texts.form(log).partially_guarded;
        for line in self.texts.long(log.subject).lines() {
            let mut parts = line.split(' ');
            let id = parts.next().unwrap_or_default().to_owned();
            let key = parts.next().and_then(GuardrailVersionArn::split).map(|(key, _)| key);
            let version = parts.next().and_then(GuardrailVersion::parse);
            found.evidence.evaluated.insert(Evaluated { id, key, version });
        }
    }

    pub(crate) fn found(&self, evidence: u32) -> &FoundEvidence {
        static NONE: FoundEvidence = FoundEvidence {
            evidence: Evidence { evaluated: BTreeSet::new(), enforced_evaluation: false, expectation: Expectation::None },
            partially_guarded: false,
            said_to_be_evaluated: false,
        };
        self.evidence.get_index(evidence as usize).unwrap_or(&NONE)
    }

    /// A moment in a stretch of time without changes, to look the state up.
    pub(crate) fn moment_of(&self, epoch: u32) -> Moment {
        (epoch as usize).checked_sub(1).and_then(|index| self.boundaries.get(index)).copied().unwrap_or(Moment::BEGINNING)
    }

    /// The moments at which the state changed.
    pub(crate) fn span(&self) -> Option<(Moment, Moment)> {
        Some((self.rows.iter().filter_map(Row::time).min()?, self.horizon?))
    }

    /// When the state changed.
    pub(crate) fn boundaries(&self) -> &[Moment] {
        &self.boundaries
    }

    fn epoch_at(&self, time: Moment) -> u32 {
        u32::try_from(self.boundaries.partition_point(|boundary| *boundary <= time)).unwrap_or(u32::MAX)
    }

    /// What the lack of an evaluation means for a call that enforcement covers; to be asked after a pass over all calls.
    pub(crate) fn expectation(&self, met: &MetCall, unobserved: &Unobserved, state: &State) -> Expectation {
        let (Some(time), Some(epoch), Some(horizon)) = (met.seen.time, met.epoch, self.horizon) else {
            return Expectation::None;
        };
        let delivered = time.plus_seconds(DELIVERY_SECONDS) <= horizon;
        let telemetry = state.telemetry(&self.account, &self.region, self.moment_of(epoch));
        let recorded = matches!(telemetry, InForce::Known(telemetry) if telemetry.records(LoggedEvent::EVALUATION));
        if met.evidence != 0 || !delivered || !recorded {
            return Expectation::None;
        }
        if self.joined {
            return Expectation::Evaluation;
        }
        let (principal, window) = (met.columns.principal, hour_of(time));
        let of_principal = self.unjoined.get(&(principal, window)).copied().unwrap_or(0);
        let of_others = self.unjoined.keys().any(|(other, hour)| *hour == window && *other != principal);
        let calls = unobserved.0.get(&(principal, window)).copied().unwrap_or(0);
        match of_principal {
            _ if of_principal >= calls || self.unjoined.is_empty() => Expectation::None,
            0 if of_others && calls >= MANY_CALLS => Expectation::Evaluation,
            _ => Expectation::Doubt,
        }
    }
}

/// Calls that enforcement covers and no evaluation shows, by principal and hour.
#[derive(Debug, Default)]
pub(crate) struct Unobserved(HashMap<(Symbol24, i64), u64>);

impl Unobserved {
    pub(crate) fn add(&mut self, met: &MetCall) {
        if let Some(time) = met.seen.time.filter(|_| met.evidence == 0) {
            *self.0.entry((met.columns.principal, hour_of(time))).or_default() += 1;
        }
    }
}

fn records_evaluations(telemetry: InForce<&crate::telemetry::Telemetry>) -> bool {
    telemetry.state().is_some_and(|telemetry| telemetry.records(LoggedEvent::EVALUATION))
}

fn hour_of(time: Moment) -> i64 {
    time.as_micros().div_euclid(3_600_000_000)
}
