//! Findings about changes and states: each rule is shown every change, what it says is folded by finding, and severities are stepped.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    exceptions,
    shared::SharedTexts,
    terms::Terms,
    told::{Told, Words},
};
use crate::{
    arn::{AccountId, Region},
    blindness::Blindness,
    change::{Change, ChangeKey},
    finding::{Bounded, Finding, FindingKey, Status},
    moment::Moment,
    report::BlindRow,
    rule::{Check, Resolved, Rule, Traffic},
    rules::RULES,
    scene::{Outcome, Scene, Sighting},
    severity::Severity,
    verdict::Grade,
    world::State,
};

/// So many refused changes by one principal within [`BURST_SECONDS`] are no slip of the hand.
const BURST: usize = 5;
const BURST_SECONDS: i64 = 60 * 60;

/// The most controls that one finding lists.
const MOST_CHANGES: usize = 50;

/// The most characters of one thing that is said, and of the name of what is concerned: records can hold any text.
const MOST_CHARACTERS: usize = 2_000;

/// The way back from a change that was refused.
const AFTER_AN_ATTEMPT: &str = "Nothing was changed, so nothing has to be put back. Find out who is behind the principal and why it was tried, and see \
    that it stays refused.";

/// What rules about changes and states found out.
#[derive(Default)]
pub(super) struct Changes {
    /// With the moments of changes that were made, not only attempted.
    pub(super) findings: Vec<ChangeFinding>,
    pub(super) blind: BTreeSet<(AccountId, Region, Blindness)>,
}

/// A finding about changes.
pub(super) struct ChangeFinding {
    pub(super) rule: &'static Rule,
    pub(super) finding: Finding,
    /// When it was done, not only attempted, by somebody who may not: what a story can begin with.
    pub(super) done: Vec<Moment>,
}

/// All that a rule said of one thing.
struct Draft {
    rule: &'static Rule,
    said: Vec<Said>,
    /// In words, of changes that were made.
    of_done: Told,
    /// Of changes that were refused.
    of_attempts: Told,
    /// Of what the state shows.
    of_states: Told,
}

/// One thing that a rule said, with the change that it said it of.
struct Said {
    of: Option<Arc<Made>>,
    /// When it was, if it is not about a change.
    time: Option<Moment>,
    steps: i8,
    unverified: bool,
    righted: Option<Moment>,
    /// It can't be told that it was this principal.
    anonymous: bool,
    models: Vec<String>,
}

/// What of a change a finding needs.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Made {
    time: Moment,
    event_id: Box<str>,
    account: Arc<str>,
    principal: Arc<str>,
    operation: Arc<str>,
    refused: bool,
}

impl Draft {
    fn of(rule: &'static Rule) -> Self {
        Draft { rule, said: Vec::new(), of_done: Told::default(), of_attempts: Told::default(), of_states: Told::default() }
    }

    fn add(&mut self, sighting: Sighting, of: Option<Arc<Made>>) {
        let Sighting { because, changes, remediation, time, steps, unverified, righted, anonymous, models, .. } = sighting;
        let said = Said { of, time, steps, unverified, righted, anonymous, models };
        let event_id = said.of.as_ref().map(|made| made.event_id.clone()).unwrap_or_default();
        let words = Words { time: said.time(), event_id, because: shortened(because), changes, remediation, unverified };
        let told = match &said.of {
            None => &mut self.of_states,
            Some(made) if made.refused => &mut self.of_attempts,
            Some(_) => &mut self.of_done,
        };
        told.add(words);
        self.said.push(said);
    }

    fn and(&mut self, other: Draft) {
        self.said.extend(other.said);
        self.of_done.and(other.of_done);
        self.of_attempts.and(other.of_attempts);
        self.of_states.and(other.of_states);
    }
}

impl Said {
    fn is_attempt(&self) -> bool {
        self.of.as_ref().is_some_and(|made| made.refused)
    }

    /// Who did it, where that can be told.
    fn principal(&self) -> Option<&str> {
        self.of.as_ref().filter(|_| !self.anonymous).map(|made| &*made.principal)
    }

    fn time(&self) -> Option<Moment> {
        self.of.as_ref().map(|made| made.time).or(self.time).filter(|time| *time > Moment::BEGINNING)
    }

    /// The order of time, whatever order they were said in.
    fn order(&self) -> (Option<Moment>, &str, Option<Moment>, i8, bool) {
        let event_id = self.of.as_ref().map_or("", |made| &*made.event_id);
        (self.time(), event_id, self.righted, self.steps, self.unverified)
    }
}

/// No longer than what a finding can hold.
fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MOST_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// What rules said so far.
#[derive(Default)]
pub(super) struct Looking {
    drafts: BTreeMap<FindingKey, Draft>,
    texts: SharedTexts,
    blind: BTreeSet<(AccountId, Region, Blindness)>,
}

impl Looking {
    /// Shows the rules every change of a scene.
    pub(super) fn at_changes(&mut self, scene: &Scene<'_>, terms: &Terms<'_>) {
        for seen in scene.seen().filter(|seen| terms.selection.selects_time(Some(seen.key.time))) {
            let mut of: Option<Arc<Made>> = None;
            for rule in RULES.iter().copied().filter(|rule| rule.revealed_by.contains(&seen.change.operation.as_str())) {
                for check in rule.checks {
                    if let Check::Change(check) = check {
                        let outcomes = (check.look)(&seen);
                        if !outcomes.is_empty() {
                            let made = of.get_or_insert_with(|| Arc::new(Made::of(seen.key, seen.change, &mut self.texts)));
                            self.take(rule, Some(made), outcomes, terms);
                        }
                    }
                }
            }
        }
    }

    /// Shows the rules the state, and what was seen of each account and Region.
    pub(super) fn at_states(&mut self, scene: &Scene<'_>, traffic: &[Traffic<'_>], terms: &Terms<'_>) {
        for rule in RULES.iter().copied() {
            for check in rule.checks {
                match check {
                    Check::Call(_) | Check::Change(_) => {}
                    Check::State(check) => self.take(rule, None, check.0(scene), terms),
                    Check::Place(check) => traffic.iter().for_each(|place| self.take(rule, None, check.0(place, scene), terms)),
                }
            }
        }
    }

    fn take(&mut self, rule: &'static Rule, of: Option<&Arc<Made>>, outcomes: Vec<Outcome>, terms: &Terms<'_>) {
        for outcome in outcomes {
            match outcome {
                Outcome::Blind(account, region, blindness) => {
                    self.blind.insert((account, region, blindness));
                }
                Outcome::Fires(sighting) if !terms.selection.selects_place(&sighting.account, &sighting.region) => {}
                Outcome::Fires(sighting) => {
                    let key = FindingKey {
                        rule: rule.id,
                        account: sighting.account.clone(),
                        region: sighting.region.clone(),
                        resource: shortened(sighting.resource.clone()),
                        discriminator: sighting.discriminator.clone(),
                    };
                    self.drafts.entry(key).or_insert_with(|| Draft::of(rule)).add(*sighting, of.cloned());
                }
            }
        }
    }

    /// Adds what they said elsewhere.
    pub(super) fn and(mut self, other: Looking) -> Looking {
        for (key, draft) in other.drafts {
            self.drafts.entry(key).or_insert_with(|| Draft::of(draft.rule)).and(draft);
        }
        self.blind.extend(other.blind);
        self
    }

    /// Folds what they said into findings.
    pub(super) fn conclude(self, state: &State, terms: &Terms<'_>, excepted: &mut BTreeSet<usize>) -> Changes {
        let bursts = bursts(&self.drafts);
        let fold = |(key, draft): (&FindingKey, &Draft)| finding(key, draft, &bursts, state, terms, excepted);
        Changes { findings: self.drafts.iter().map(fold).collect(), blind: self.blind }
    }
}

impl Made {
    fn of(key: &ChangeKey, change: &Change, texts: &mut SharedTexts) -> Self {
        Made {
            time: key.time,
            event_id: key.event_id.as_str().into(),
            account: texts.share(&key.account),
            principal: texts.share(&change.principal),
            operation: texts.share(&change.operation),
            refused: change.is_refused(),
        }
    }

    /// The identity of the change, in the order of [`ChangeKey`].
    fn key(&self) -> (Moment, &str, &str) {
        (self.time, &self.event_id, &self.account)
    }
}

/// The attempts that belong to a burst.
fn bursts(drafts: &BTreeMap<FindingKey, Draft>) -> BTreeSet<Arc<Made>> {
    let mut attempts: BTreeMap<&str, BTreeMap<_, &Arc<Made>>> = BTreeMap::new();
    for made in drafts.values().flat_map(|draft| &draft.said).filter_map(|said| said.of.as_ref()).filter(|made| made.refused) {
        attempts.entry(&made.principal).or_default().insert(made.key(), made);
    }
    let mut bursts = BTreeSet::new();
    for attempts in attempts.into_values() {
        let attempts: Vec<&Arc<Made>> = attempts.into_values().collect();
        for window in attempts.windows(BURST) {
            if let (Some(first), Some(last)) = (window.first(), window.last())
                && last.time.seconds_since(first.time) < BURST_SECONDS
            {
                bursts.extend(window.iter().map(|made| Arc::clone(made)));
            }
        }
    }
    bursts
}

/// Folds what a rule said of one thing.
fn finding(
    key: &FindingKey,
    draft: &Draft,
    bursts: &BTreeSet<Arc<Made>>,
    state: &State,
    terms: &Terms<'_>,
    excepted: &mut BTreeSet<usize>,
) -> ChangeFinding {
    let rule = draft.rule;
    let mut said: Vec<&Said> = draft.said.iter().collect();
    said.sort_by(|a, b| a.order().cmp(&b.order()));
    // What the state shows adds nothing to a change that made it so, except that it is still so.
    let is_made = |said: &&Said| said.of.is_some() && !said.is_attempt();
    let still_so = said.iter().any(|said| said.of.is_none() && said.righted.is_none());
    let by_change = said.iter().any(is_made);
    if by_change {
        said.retain(|said| said.of.is_some());
    }
    let administrators_may = rule.is_expected_of_administrators();
    let may = |said: &Said| administrators_may && said.principal().is_some_and(|principal| terms.configuration.is_administrator(principal));
    let base = rule.severity_in(terms.configuration);
    let severity = |said: &Said| {
        let in_burst = said.of.as_ref().is_some_and(|made| bursts.contains(made));
        let attempt = i8::from(said.is_attempt() && !in_burst);
        if may(said) { Severity::Informational } else { base.stepped(said.steps - i8::from(said.unverified) - attempt) }
    };
    // What was done says more than what was attempted.
    let done: Vec<&Said> = said.iter().copied().filter(|said| !said.is_attempt()).collect();
    let telling = if done.is_empty() { &said } else { &done };
    let worst = telling.iter().copied().rev().max_by_key(|said| severity(said)).map_or(base, severity);
    let mut principals: BTreeMap<String, u64> = BTreeMap::new();
    let mut models: BTreeMap<String, u64> = BTreeMap::new();
    let mut apis: BTreeMap<String, u64> = BTreeMap::new();
    for said in &said {
        if let Some(principal) = said.principal() {
            *principals.entry(principal.to_owned()).or_default() += 1;
        }
        if let Some(made) = &said.of {
            *apis.entry(made.operation.to_string()).or_default() += 1;
        }
        for model in &said.models {
            *models.entry(model.clone()).or_default() += 1;
        }
    }
    let (principals, models, apis) = (Bounded::of(&principals), Bounded::of(&models), Bounded::of(&apis));
    let mut events: Vec<String> = [said.first(), said.last()]
        .into_iter()
        .flatten()
        .filter_map(|said| said.of.as_ref())
        .map(|made| made.event_id.to_string())
        .collect();
    events.dedup();
    events.retain(|event| !event.is_empty());
    let unverified = !telling.is_empty() && telling.iter().all(|said| said.unverified);
    let attempted = done.is_empty();
    let told = match (attempted, by_change) {
        (true, _) => &draft.of_attempts,
        (false, true) => &draft.of_done,
        (false, false) => &draft.of_states,
    };
    let remediation = told.latest().and_then(|words| words.remediation.clone()).unwrap_or_else(|| rule.remediation.to_owned());
    let (resolved_at, reopened) = righted(rule, telling);
    let resolved_at = resolved_at.filter(|_| !(by_change && still_so));
    let of_rule = rule.finding(key.clone(), terms.configuration);
    let mut finding = Finding {
        severity: worst,
        title: if attempted { rule.attempt() } else { rule.title }.to_owned(),
        detail: detail(&apis, &principals, said.len(), attempted, told),
        remediation: if attempted { AFTER_AN_ATTEMPT.to_owned() } else { remediation },
        status: if resolved_at.is_some() { Status::Resolved } else { Status::Open },
        principals,
        models,
        apis,
        grade: unverified.then_some(Grade::None),
        attempted,
        expected: said.iter().all(|said| may(said)),
        first_seen: said.iter().find_map(|said| said.time()),
        last_seen: said.iter().rev().find_map(|said| said.time()),
        count: said.iter().map(|said| said.of.as_ref().map(|made| made.key())).collect::<BTreeSet<_>>().len() as u64,
        events,
        changes: told.changes(MOST_CHANGES),
        reopened,
        resolved_at,
        ..of_rule
    };
    if finding.status == Status::Open {
        let principals: BTreeSet<&str> = said.iter().filter_map(|said| said.principal()).collect();
        exceptions::apply(&mut finding, &principals, state.organization(), terms, excepted);
    }
    let done = done.iter().filter(|said| said.of.is_some() && !may(said)).filter_map(|said| said.time()).collect();
    ChangeFinding { rule, finding, done }
}

/// When all is right again, and how often it was before.
fn righted(rule: &Rule, said: &[&Said]) -> (Option<Moment>, u64) {
    if rule.resolved == Resolved::Never {
        return (None, 0);
    }
    let (mut resolved_at, mut reopened) = (None, 0);
    for (index, said) in said.iter().enumerate() {
        if index > 0 && resolved_at.is_some_and(|at| said.time().is_some_and(|time| time >= at)) {
            reopened += 1;
        } else if index > 0 && resolved_at.is_none() {
            // One before is still wrong, whatever comes of this one.
            return (None, reopened);
        }
        // What was refused changed nothing that could be put right.
        let righted = said.righted.filter(|_| !said.is_attempt());
        resolved_at = righted.map(|at: Moment| resolved_at.map_or(at, |before: Moment| before.max(at)));
    }
    (resolved_at, reopened)
}

fn detail(apis: &Bounded, principals: &Bounded, count: usize, attempted: bool, told: &Told) -> String {
    let mut detail = String::new();
    if !apis.shown.is_empty() {
        let times = if count > 1 { format!(" ({count} times)") } else { String::new() };
        let refused = if attempted { ", refused" } else { "" };
        let by = if principals.shown.is_empty() { String::new() } else { format!(" by {principals}") };
        detail = format!("{apis}{by}{times}{refused}: ");
    }
    detail.push_str(&told.sentence(attempted));
    detail
}

pub(super) fn blind_row((account, region, missing): (AccountId, Region, Blindness)) -> BlindRow {
    BlindRow { account, region, missing, remedy: missing.remedy().to_owned() }
}
