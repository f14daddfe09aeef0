//! Which calls, evaluations and invocation logs belong together.
//!
//! AWS documents no key that joins an evaluation to the call it was made in (facts/03 §4). We join by request id, and by nothing else:
//! an evaluation that shares no request id with a call says nothing of any call. Where no evaluation of an account and Region joins,
//! [`expectation`] compares counts per principal and hour, which can only cast doubt on a call, never clear it (design §3).

use std::{cmp::Ordering, collections::BTreeSet};

use hashbrown::HashMap;
use indexmap::IndexSet;

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, Region},
    facts::{CallShape, EvaluationShape, Facts, Group, LogShape, PackedId, Row, Shape, Strings, Symbol},
    moment::Moment,
    telemetry::DataEvent,
    verdict::{Evaluated, Evidence, Expectation},
    world::State,
};

/// The calls that are alike: of one shape, in one stretch of time without changes, with the same evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Alike {
    /// The number of their shape.
    pub(crate) shape: u32,
    /// The number of the stretch, see [`Place::moment_of`].
    pub(crate) epoch: u32,
    /// The number of their evidence, see [`Joined::evidence`].
    evidence: u32,
    /// So long before the end of what was read that an evaluation would have been read too.
    pub(crate) settled: bool,
    /// The hour, where hours are told apart.
    window: Option<u32>,
}

/// How many they are, and the first and the last of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    /// How many.
    pub(crate) count: u64,
    /// The first, by time.
    pub(crate) first: Sighting,
    /// The last.
    pub(crate) last: Sighting,
}

/// When something was seen, and in which event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// When; [`Moment::BEGINNING`] if the record doesn't say.
    pub(crate) time: Moment,
    /// Where.
    pub(crate) event: PackedId,
}

impl Sighting {
    /// By time, then by event id: never by the order of reading.
    pub(crate) fn order(&self, other: &Sighting, strings: &Strings) -> Ordering {
        self.time.cmp(&other.time).then_with(|| self.event.compare(other.event, strings))
    }
}

/// What an account's calls in a Region share.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    /// Whether its calls are looked at.
    selected: bool,
    /// When the state changed.
    boundaries: Vec<Moment>,
    /// The latest record.
    horizon: Moment,
    /// Whether trails recorded evaluations at some time, so that their absence may mean something.
    watched: bool,
    /// Whether some evaluation was joined to a call.
    joined: bool,
    /// Evaluations that were not, by principal and hour.
    unjoined: HashMap<(Symbol, u32), u64>,
}

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
    fn selects_place(&self, account: &AccountId, region: &Region) -> bool {
        (self.accounts.is_empty() || self.accounts.contains(account)) && (self.regions.is_empty() || self.regions.contains(region))
    }

    /// A call without a time is never left out.
    fn selects_time(&self, time: Moment) -> bool {
        time == Moment::BEGINNING || (self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until))
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.accounts.is_empty() && self.regions.is_empty() && self.since.is_none() && self.until.is_none()
    }
}

/// An evaluation is delivered within this time; a call younger than that before the end of the input may still get one (design §3).
const DELIVERY_SECONDS: i64 = 15 * 60;

/// So many calls of one principal in an hour without any evaluation are no accident, if others have some.
pub(crate) const MANY_CALLS: u64 = 20;

impl Place {
    /// A moment in a stretch of time, to look the state up.
    pub(crate) fn moment_of(&self, epoch: u32) -> Moment {
        (epoch as usize).checked_sub(1).and_then(|index| self.boundaries.get(index)).copied().unwrap_or(Moment::BEGINNING)
    }

    fn epoch_at(&self, time: Moment) -> u32 {
        u32::try_from(self.boundaries.partition_point(|boundary| *boundary <= time)).unwrap_or(u32::MAX)
    }
}

/// The calls, each once, with the evidence that belongs to them.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    pub(crate) tallies: HashMap<Alike, Tally>,
    pub(crate) places: Vec<Place>,
    place_of_shape: Vec<u32>,
    evidence: IndexSet<FoundEvidence>,
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
}

impl Joined {
    pub(crate) fn place(&self, alike: &Alike) -> Option<&Place> {
        self.places.get(*self.place_of_shape.get(alike.shape as usize)? as usize)
    }

    pub(crate) fn found(&self, alike: &Alike) -> FoundEvidence {
        self.evidence.get_index(alike.evidence as usize).cloned().unwrap_or_default()
    }

    /// Puts calls, evaluations and logs together.
    pub(crate) fn of(facts: &mut Facts, state: &State, selection: &Selection) -> Self {
        let mut joined = Joined::default();
        joined.evidence.insert(FoundEvidence::default());
        joined.find_places(facts, state, selection);
        let mut rows = std::mem::take(&mut facts.rows);
        for row in rows.iter() {
            let place = joined.place_of_shape.get(row.shape as usize).copied();
            if let Some(place) = place.and_then(|place| joined.places.get_mut(place as usize)) {
                place.horizon = place.horizon.max(row.time());
            }
        }
        let mut by_shapes: HashMap<Vec<u32>, u32> = HashMap::new();
        let everything = selection.is_everything();
        rows.each_request(|group| {
            if everything {
                return joined.take_request(group, facts, &mut by_shapes);
            }
            let selected: Vec<Row> = group.iter().filter(|row| joined.selects(row, selection)).copied().collect();
            joined.not_selected += (group.len() - selected.len()) as u64;
            joined.take_request(&selected, facts, &mut by_shapes);
        });
        facts.rows = rows;
        joined
    }

    fn find_places(&mut self, facts: &Facts, state: &State, selection: &Selection) {
        let mut numbers: HashMap<(Symbol, Symbol), u32> = HashMap::new();
        for shape in facts.shapes.iter() {
            let key = (shape.account(), shape.region());
            let number = *numbers.entry(key).or_insert_with(|| {
                let account = AccountId::from(facts.strings.get(key.0));
                let region = Region::from(facts.strings.get(key.1));
                let boundaries = state.boundaries(&account, &region);
                let mut moments = boundaries.iter().copied().chain([Moment::BEGINNING]);
                let watched = moments.any(|at| {
                    state.telemetry(&account, &region, at).state().is_some_and(|telemetry| telemetry.records(DataEvent::EVALUATION))
                });
                let selected = selection.selects_place(&account, &region);
                let (horizon, unjoined) = (Moment::BEGINNING, HashMap::new());
                self.places.push(Place { account, region, selected, boundaries, horizon, watched, joined: false, unjoined });
                u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
            });
            self.place_of_shape.push(number);
        }
    }

    fn selects(&self, row: &Row, selection: &Selection) -> bool {
        let place = self.place_of_shape.get(row.shape as usize).and_then(|&place| self.places.get(place as usize));
        place.is_some_and(|place| place.selected) && selection.selects_time(row.time())
    }

    fn take_request(&mut self, group: Group<'_>, facts: &Facts, by_shapes: &mut HashMap<Vec<u32>, u32>) {
        if let [row] = group
            && let Some(Shape::Call(_)) = facts.shapes.get(row.shape)
        {
            self.judged += 1;
            return self.count(row, 0, &facts.strings);
        }
        let accounts: BTreeSet<Symbol> = group.iter().filter_map(|row| facts.shapes.get(row.shape)).map(Shape::account).collect();
        for account in accounts {
            let of_account = |row: &&Row| facts.shapes.get(row.shape).is_some_and(|shape| shape.account() == account);
            self.take_request_of_account(&group.iter().filter(of_account).copied().collect::<Vec<_>>(), facts, by_shapes);
        }
    }

    fn take_request_of_account(&mut self, rows: &[Row], facts: &Facts, by_shapes: &mut HashMap<Vec<u32>, u32>) {
        let mut calls: HashMap<Symbol, (CallShape, Row)> = HashMap::new();
        let mut evidence: BTreeSet<(u32, PackedId)> = BTreeSet::new();
        for row in rows {
            match facts.shapes.get(row.shape) {
                Some(Shape::Call(call)) => match calls.entry(call.api) {
                    hashbrown::hash_map::Entry::Vacant(entry) => {
                        entry.insert((*call, *row));
                    }
                    hashbrown::hash_map::Entry::Occupied(mut entry) => {
                        self.duplicates += 1;
                        if copy_rank(call, row, facts) < copy_rank(&entry.get().0, &entry.get().1, facts) {
                            entry.insert((*call, *row));
                        }
                    }
                },
                // Two evaluations of one call are two events, a copy of one has its id.
                Some(Shape::Evaluation(_) | Shape::Log(_)) => {
                    if !evidence.insert((row.shape, row.event())) {
                        self.duplicates += 1;
                    }
                }
                None => {}
            }
        }
        self.judged += (calls.len() + evidence.len()) as u64;
        if calls.is_empty() {
            return rows.iter().for_each(|row| self.count_unjoined(row, facts));
        }
        let mut shapes: Vec<u32> = evidence.into_iter().map(|(shape, _)| shape).collect();
        shapes.dedup();
        let number = match by_shapes.get(&shapes) {
            Some(&number) => number,
            None => {
                let found = found_in(&shapes, facts);
                let number = u32::try_from(self.evidence.insert_full(found).0).unwrap_or(0);
                by_shapes.insert(shapes, number);
                number
            }
        };
        let evaluates = self.evidence.get_index(number as usize).is_some_and(|found| {
            found.evidence.enforced_evaluation || !found.evidence.evaluated.is_empty()
        });
        for (_, row) in calls.into_values() {
            if evaluates
                && let Some(place) = self.place_of_shape.get(row.shape as usize).and_then(|&place| self.places.get_mut(place as usize))
            {
                place.joined = true;
            }
            self.count(&row, number, &facts.strings);
        }
    }

    fn count(&mut self, row: &Row, evidence: u32, strings: &Strings) {
        let Some(place) = self.place_of_shape.get(row.shape as usize).and_then(|&place| self.places.get(place as usize)) else {
            return;
        };
        let time = row.time();
        let watched = place.watched && evidence == 0;
        let alike = Alike {
            shape: row.shape,
            epoch: if time == Moment::BEGINNING { 0 } else { place.epoch_at(time) },
            evidence,
            settled: watched && time.plus_seconds(DELIVERY_SECONDS) <= place.horizon,
            window: watched.then(|| hour_of(time)),
        };
        let seen = Sighting { time, event: row.event() };
        let tally = self.tallies.entry(alike).or_insert(Tally { count: 0, first: seen, last: seen });
        tally.count += 1;
        if seen.order(&tally.first, strings).is_lt() {
            tally.first = seen;
        }
        if seen.order(&tally.last, strings).is_gt() {
            tally.last = seen;
        }
    }

    fn count_unjoined(&mut self, row: &Row, facts: &Facts) {
        if let Some(Shape::Evaluation(evaluation)) = facts.shapes.get(row.shape)
            && let Some(place) = self.place_of_shape.get(row.shape as usize).and_then(|&place| self.places.get_mut(place as usize))
            && place.watched
        {
            *place.unjoined.entry((evaluation.principal, hour_of(row.time()))).or_default() += 1;
        }
    }
}

fn hour_of(time: Moment) -> u32 {
    u32::try_from(time.as_micros().div_euclid(3_600_000_000)).unwrap_or(0)
}

/// Of copies that differ the one that tells most is kept; which one doesn't depend on the order of reading.
fn copy_rank<'f>(call: &CallShape, row: &Row, facts: &'f Facts) -> (bool, bool, bool, Moment, String, [&'f str; 6]) {
    let text = |symbol| facts.strings.get(symbol);
    (
        call.model.some().is_none(),
        call.error.some().is_some(),
        call.guardrail.some().is_none(),
        row.time(),
        row.event().text(&facts.strings),
        [text(call.model), text(call.guardrail), text(call.version), text(call.principal), text(call.region), text(call.mediator)],
    )
}

/// What evaluations and logs show, by the numbers of their shapes.
fn found_in(shapes: &[u32], facts: &Facts) -> FoundEvidence {
    let mut found = FoundEvidence::default();
    for shape in shapes {
        match facts.shapes.get(*shape) {
            Some(Shape::Evaluation(evaluation)) => evaluated_by(evaluation, facts, &mut found.evidence),
            Some(Shape::Log(log)) => traced_in(log, facts, &mut found),
            _ => {}
        }
    }
    found
}

fn evaluated_by(evaluation: &EvaluationShape, facts: &Facts, evidence: &mut Evidence) {
    let text = |symbol| facts.strings.get(symbol);
    let (account, region) = (AccountId::from(text(evaluation.account)), Region::from(text(evaluation.region)));
    let requested = GuardrailKey::from_identifier(text(evaluation.requested), &account, &region);
    let version = GuardrailVersion::parse(text(evaluation.version));
    evidence.enforced_evaluation |= text(evaluation.requested) == "ENFORCED";
    let listed = text(evaluation.guardrails).lines().filter_map(GuardrailVersionArn::split).map(|(key, _)| key);
    let listed: BTreeSet<GuardrailKey> = listed.chain(requested.clone().filter(|_| text(evaluation.guardrails).is_empty())).collect();
    for key in listed {
        // The version in the record is that of the requested guardrail only (facts/03 §4).
        let version = version.filter(|_| requested.as_ref() == Some(&key));
        evidence.evaluated.insert(Evaluated { id: key.id.to_string(), key: Some(key), version });
    }
}

fn traced_in(log: &LogShape, facts: &Facts, found: &mut FoundEvidence) {
    found.partially_guarded |= log.partially_guarded;
    for line in facts.strings.get(log.guardrails).lines() {
        let mut parts = line.split(' ');
        let id = parts.next().unwrap_or_default().to_owned();
        let key = parts.next().and_then(GuardrailVersionArn::split).map(|(key, _)| key);
        let version = parts.next().and_then(GuardrailVersion::parse);
        found.evidence.evaluated.insert(Evaluated { id, key, version });
    }
}

/// Calls that enforcement covers and no evaluation shows, by place, principal and hour: what [`expectation`] compares evaluations with.
#[derive(Debug, Default)]
pub(crate) struct Unobserved(HashMap<(usize, Symbol, u32), u64>);

impl Unobserved {
    pub(crate) fn add(&mut self, joined: &Joined, alike: &Alike, call: &CallShape, count: u64) {
        if let (Some(&place), Some(window)) = (joined.place_of_shape.get(alike.shape as usize), alike.window) {
            *self.0.entry((place as usize, call.principal, window)).or_default() += count;
        }
    }
}

/// What the lack of an evaluation means for these calls, which enforcement covers.
pub(crate) fn expectation(joined: &Joined, unobserved: &Unobserved, alike: &Alike, call: &CallShape, state: &State) -> Expectation {
    let Some((&number, window)) = joined.place_of_shape.get(alike.shape as usize).zip(alike.window) else {
        return Expectation::None;
    };
    let Some(place) = joined.places.get(number as usize).filter(|_| alike.settled) else {
        return Expectation::None;
    };
    let telemetry = state.telemetry(&place.account, &place.region, place.moment_of(alike.epoch));
    if !matches!(telemetry, crate::world::InForce::Known(telemetry) if telemetry.records(DataEvent::EVALUATION)) {
        return Expectation::None;
    }
    if place.joined {
        return Expectation::Evaluation;
    }
    let of_principal = place.unjoined.get(&(call.principal, window)).copied().unwrap_or(0);
    let of_others = place.unjoined.keys().any(|(principal, hour)| *hour == window && *principal != call.principal);
    let calls = unobserved.0.get(&(number as usize, call.principal, window)).copied().unwrap_or(0);
    match of_principal {
        _ if of_principal >= calls || place.unjoined.is_empty() => Expectation::None,
        0 if of_others && calls >= MANY_CALLS => Expectation::Evaluation,
        _ => Expectation::Doubt,
    }
}
