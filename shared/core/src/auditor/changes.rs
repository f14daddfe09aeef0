//! Findings about changes and states.
//!
//! Each rule is called with every change by its operations and with the state. Its matches are folded by [`FindingKey`], and the severity
//! of a finding is lowered for changes that were refused or whose effect could not be verified.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    exceptions,
    match_text::{MatchText, MatchTexts},
    options::AuditOptions,
    shared::SharedTexts,
};
use crate::{
    arn::{AccountId, Region},
    change::{Change, ChangeKey},
    change_history::{ChangeHistory, Outcome, RuleMatch},
    finding::{Bounded, Finding, FindingKey, Status},
    missing_evidence::MissingEvidence,
    report::BlindRow,
    rule::{Check, Resolved, Rule, Traffic},
    rules::RULES,
    severity::Severity,
    timestamp::Timestamp,
    verdict::Grade,
    world::State,
};

/// The number of refused changes by one principal within [`BURST_SECONDS`] that counts as an attack instead of a mistake: their severity is
/// not lowered.
const BURST: usize = 5;
/// Seconds within which the changes of a burst are made.
const BURST_SECONDS: i64 = 60 * 60;

/// The most changed controls that one finding lists.
const MOST_CHANGES: usize = 50;

/// The most characters of a match's sentence, and of a resource's name. Callers choose the texts in records, which would otherwise make a
/// finding of any size.
const MOST_CHARACTERS: usize = 2_000;

/// The remediation of findings about refused changes.
const AFTER_AN_ATTEMPT: &str = "Nothing was changed, so nothing has to be put back. Find out who is behind the principal and why it was tried, and see \
    that it stays refused.";

/// The result of the rules about changes and states.
#[derive(Default)]
pub(super) struct Changes {
    /// The findings, with the times of changes that correlation needs.
    pub(super) findings: Vec<ChangeFinding>,
    pub(super) blind: BTreeSet<(AccountId, Region, MissingEvidence)>,
}

/// A finding about changes.
pub(super) struct ChangeFinding {
    pub(super) rule: &'static Rule,
    pub(super) finding: Finding,
    /// The times of successful changes by principals who are no administrators. Only these are taken as causes of later violations.
    pub(super) done: Vec<Timestamp>,
}

/// Accumulates the matches of a rule that have one [`FindingKey`].
struct ChangeFindingBuilder {
    rule: &'static Rule,
    matched: Vec<Match>,
    /// The sentences about successful changes.
    of_done: MatchTexts,
    /// The sentences about refused changes.
    of_attempts: MatchTexts,
    /// The sentences about the state.
    of_states: MatchTexts,
}

/// One match of a rule, with the change that it is about; without one, it is about the state.
struct Match {
    of: Option<Arc<ChangeRef>>,
    /// The time, for a match that is about the state.
    time: Option<Timestamp>,
    steps: i8,
    unverified: bool,
    restored_at: Option<Timestamp>,
    /// Whether it isn't known that the principal of the change is the cause.
    anonymous: bool,
    models: Vec<String>,
}

/// The fields of a change that a finding needs. It is kept for all matches, when the change itself is freed.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct ChangeRef {
    time: Timestamp,
    event_id: Box<str>,
    account: Arc<str>,
    principal: Arc<str>,
    operation: Arc<str>,
    refused: bool,
}

impl ChangeFindingBuilder {
    fn of(rule: &'static Rule) -> Self {
        ChangeFindingBuilder {
            rule,
            matched: Vec::new(),
            of_done: MatchTexts::default(),
            of_attempts: MatchTexts::default(),
            of_states: MatchTexts::default(),
        }
    }

    fn add(&mut self, rule_match: RuleMatch, of: Option<Arc<ChangeRef>>) {
        let RuleMatch { because, changes, remediation, time, steps, unverified, restored_at, anonymous, models, .. } = rule_match;
        let matched = Match { of, time, steps, unverified, restored_at, anonymous, models };
        let event_id = matched.of.as_ref().map(|change_ref| change_ref.event_id.clone()).unwrap_or_default();
        let text = MatchText { time: matched.time(), event_id, because: shortened(because), changes, remediation, unverified };
        let texts = match &matched.of {
            None => &mut self.of_states,
            Some(change_ref) if change_ref.refused => &mut self.of_attempts,
            Some(_) => &mut self.of_done,
        };
        texts.add(text);
        self.matched.push(matched);
    }

    fn and(&mut self, other: ChangeFindingBuilder) {
        self.matched.extend(other.matched);
        self.of_done.and(other.of_done);
        self.of_attempts.and(other.of_attempts);
        self.of_states.and(other.of_states);
    }
}

impl Match {
    fn is_attempt(&self) -> bool {
        self.of.as_ref().is_some_and(|change_ref| change_ref.refused)
    }

    /// The principal of the change, if it is known to be the cause.
    fn principal(&self) -> Option<&str> {
        self.of.as_ref().filter(|_| !self.anonymous).map(|change_ref| &*change_ref.principal)
    }

    fn time(&self) -> Option<Timestamp> {
        self.of.as_ref().map(|change_ref| change_ref.time).or(self.time).filter(|time| *time > Timestamp::BEGINNING)
    }

    /// The sort key: by time, then by all that tells matches apart, so that the order in which they were added doesn't matter.
    fn order(&self) -> (Option<Timestamp>, &str, Option<Timestamp>, i8, bool) {
        let event_id = self.of.as_ref().map_or("", |change_ref| &*change_ref.event_id);
        (self.time(), event_id, self.restored_at, self.steps, self.unverified)
    }
}

/// The text, cut to [`MOST_CHARACTERS`].
fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MOST_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The matches of all rules about changes and states so far, and the evidence that they lacked.
#[derive(Default)]
pub(super) struct ChangeRules {
    builders: BTreeMap<FindingKey, ChangeFindingBuilder>,
    texts: SharedTexts,
    blind: BTreeSet<(AccountId, Region, MissingEvidence)>,
}

impl ChangeRules {
    /// Calls the rules with every selected change of a history.
    pub(super) fn at_changes(&mut self, history: &ChangeHistory<'_>, options: &AuditOptions<'_>) {
        for seen in history.seen().filter(|seen| options.selection.selects_time(Some(seen.key.time))) {
            let mut of: Option<Arc<ChangeRef>> = None;
            for rule in RULES.iter().copied().filter(|rule| rule.revealed_by.contains(&seen.change.operation.as_str())) {
                for check in rule.checks {
                    if let Check::Change(check) = check {
                        let outcomes = (check.look)(&seen);
                        if !outcomes.is_empty() {
                            let change_ref = of.get_or_insert_with(|| Arc::new(ChangeRef::of(seen.key, seen.change, &mut self.texts)));
                            self.take(rule, Some(change_ref), outcomes, options);
                        }
                    }
                }
            }
        }
    }

    /// Calls the rules with the state, and with the traffic of each account and Region.
    pub(super) fn at_states(&mut self, history: &ChangeHistory<'_>, traffic: &[Traffic<'_>], options: &AuditOptions<'_>) {
        for rule in RULES.iter().copied() {
            for check in rule.checks {
                match check {
                    Check::Call(_) | Check::Change(_) => {}
                    Check::State(check) => self.take(rule, None, check.0(history), options),
                    Check::AccountRegion(check) => {
                        for of_region in traffic {
                            self.take(rule, None, check.0(of_region, history), options);
                        }
                    }
                }
            }
        }
    }

    fn take(&mut self, rule: &'static Rule, of: Option<&Arc<ChangeRef>>, outcomes: Vec<Outcome>, options: &AuditOptions<'_>) {
        for outcome in outcomes {
            match outcome {
                Outcome::MissingEvidence(account, region, missing) => {
                    self.blind.insert((account, region, missing));
                }
                Outcome::Fires(rule_match) if !options.selection.selects_account_region(&rule_match.account, &rule_match.region) => {}
                Outcome::Fires(rule_match) => {
                    let key = FindingKey {
                        rule: rule.id,
                        account: rule_match.account.clone(),
                        region: rule_match.region.clone(),
                        resource: shortened(rule_match.resource.clone()),
                        discriminator: rule_match.discriminator.clone(),
                    };
                    self.builders.entry(key).or_insert_with(|| ChangeFindingBuilder::of(rule)).add(*rule_match, of.cloned());
                }
            }
        }
    }

    /// Adds the matches in another history.
    pub(super) fn and(mut self, other: ChangeRules) -> ChangeRules {
        for (key, builder) in other.builders {
            self.builders.entry(key).or_insert_with(|| ChangeFindingBuilder::of(builder.rule)).and(builder);
        }
        self.blind.extend(other.blind);
        self
    }

    /// Builds the findings.
    pub(super) fn conclude(self, state: &State, options: &AuditOptions<'_>, excepted: &mut BTreeSet<usize>) -> Changes {
        let bursts = bursts(&self.builders);
        let fold = |(key, builder): (&FindingKey, &ChangeFindingBuilder)| finding(key, builder, &bursts, state, options, excepted);
        Changes { findings: self.builders.iter().map(fold).collect(), blind: self.blind }
    }
}

impl ChangeRef {
    fn of(key: &ChangeKey, change: &Change, texts: &mut SharedTexts) -> Self {
        ChangeRef {
            time: key.time,
            event_id: key.event_id.as_str().into(),
            account: texts.share(&key.account),
            principal: texts.share(&change.principal),
            operation: texts.share(&change.operation),
            refused: change.is_refused(),
        }
    }

    /// The identity of the change, in the order of [`ChangeKey`].
    fn key(&self) -> (Timestamp, &str, &str) {
        (self.time, &self.event_id, &self.account)
    }
}

/// The refused changes that belong to a burst.
fn bursts(builders: &BTreeMap<FindingKey, ChangeFindingBuilder>) -> BTreeSet<Arc<ChangeRef>> {
    let mut attempts: BTreeMap<&str, BTreeMap<_, &Arc<ChangeRef>>> = BTreeMap::new();
    for change_ref in builders
        .values()
        .flat_map(|builder| &builder.matched)
        .filter_map(|matched| matched.of.as_ref())
        .filter(|change_ref| change_ref.refused)
    {
        attempts.entry(&change_ref.principal).or_default().insert(change_ref.key(), change_ref);
    }
    let mut bursts = BTreeSet::new();
    for attempts in attempts.into_values() {
        let attempts: Vec<&Arc<ChangeRef>> = attempts.into_values().collect();
        for window in attempts.windows(BURST) {
            if let (Some(first), Some(last)) = (window.first(), window.last())
                && last.time.seconds_since(first.time) < BURST_SECONDS
            {
                bursts.extend(window.iter().map(|change_ref| Arc::clone(change_ref)));
            }
        }
    }
    bursts
}

/// Builds the finding of the matches that have one key.
fn finding(
    key: &FindingKey,
    builder: &ChangeFindingBuilder,
    bursts: &BTreeSet<Arc<ChangeRef>>,
    state: &State,
    options: &AuditOptions<'_>,
    excepted: &mut BTreeSet<usize>,
) -> ChangeFinding {
    let rule = builder.rule;
    let mut matched: Vec<&Match> = builder.matched.iter().collect();
    matched.sort_by(|a, b| a.order().cmp(&b.order()));
    // If a change explains the state, matches in the state show only that it lasts: they keep the finding open, but aren't counted or
    // listed.
    let is_made = |matched: &&Match| matched.of.is_some() && !matched.is_attempt();
    let still_so = matched.iter().any(|matched| matched.of.is_none() && matched.restored_at.is_none());
    let by_change = matched.iter().any(is_made);
    if by_change {
        matched.retain(|matched| matched.of.is_some());
    }
    let administrators_may = rule.is_expected_of_administrators();
    let may = |matched: &Match| {
        administrators_may && matched.principal().is_some_and(|principal| options.configuration.is_administrator(principal))
    };
    let base = rule.severity_in(options.configuration);
    let severity = |matched: &Match| {
        let in_burst = matched.of.as_ref().is_some_and(|change_ref| bursts.contains(change_ref));
        let attempt = i8::from(matched.is_attempt() && !in_burst);
        if may(matched) { Severity::Informational } else { base.severity_steps(matched.steps - i8::from(matched.unverified) - attempt) }
    };
    // If some changes were successful, the refused ones don't raise the severity.
    let done: Vec<&Match> = matched.iter().copied().filter(|matched| !matched.is_attempt()).collect();
    let decisive = if done.is_empty() { &matched } else { &done };
    let worst = decisive.iter().copied().rev().max_by_key(|matched| severity(matched)).map_or(base, severity);
    let mut principals: BTreeMap<String, u64> = BTreeMap::new();
    let mut models: BTreeMap<String, u64> = BTreeMap::new();
    let mut apis: BTreeMap<String, u64> = BTreeMap::new();
    for matched in &matched {
        if let Some(principal) = matched.principal() {
            *principals.entry(principal.to_owned()).or_default() += 1;
        }
        if let Some(change_ref) = &matched.of {
            *apis.entry(change_ref.operation.to_string()).or_default() += 1;
        }
        for model in &matched.models {
            *models.entry(model.clone()).or_default() += 1;
        }
    }
    let (principals, models, apis) = (Bounded::of(&principals), Bounded::of(&models), Bounded::of(&apis));
    let mut events: Vec<String> = [matched.first(), matched.last()]
        .into_iter()
        .flatten()
        .filter_map(|matched| matched.of.as_ref())
        .map(|change_ref| change_ref.event_id.to_string())
        .collect();
    events.dedup();
    events.retain(|event| !event.is_empty());
    let unverified = !decisive.is_empty() && decisive.iter().all(|matched| matched.unverified);
    let attempted = done.is_empty();
    let texts = match (attempted, by_change) {
        (true, _) => &builder.of_attempts,
        (false, true) => &builder.of_done,
        (false, false) => &builder.of_states,
    };
    let remediation = texts.latest().and_then(|text| text.remediation.clone()).unwrap_or_else(|| rule.remediation.to_owned());
    let (resolved_at, reopened) = restored_at(rule, decisive);
    let resolved_at = resolved_at.filter(|_| !(by_change && still_so));
    let of_rule = rule.finding(key.clone(), options.configuration);
    let mut finding = Finding {
        severity: worst,
        title: if attempted { rule.attempt() } else { rule.title }.to_owned(),
        detail: detail(&apis, &principals, matched.len(), attempted, texts),
        remediation: if attempted { AFTER_AN_ATTEMPT.to_owned() } else { remediation },
        status: if resolved_at.is_some() { Status::Resolved } else { Status::Open },
        principals,
        models,
        apis,
        grade: unverified.then_some(Grade::None),
        attempted,
        expected: matched.iter().all(|matched| may(matched)),
        first_seen: matched.iter().find_map(|matched| matched.time()),
        last_seen: matched.iter().rev().find_map(|matched| matched.time()),
        count: matched.iter().map(|matched| matched.of.as_ref().map(|change_ref| change_ref.key())).collect::<BTreeSet<_>>().len() as u64,
        events,
        changes: texts.changes(MOST_CHANGES),
        reopened,
        resolved_at,
        ..of_rule
    };
    if finding.status == Status::Open {
        let principals: BTreeSet<&str> = matched.iter().filter_map(|matched| matched.principal()).collect();
        exceptions::apply(&mut finding, &principals, state.organization(), options, excepted);
    }
    let done = done.iter().filter(|matched| matched.of.is_some() && !may(matched)).filter_map(|matched| matched.time()).collect();
    ChangeFinding { rule, finding, done }
}

/// The time at which everything is restored, if it is, and how many times the finding was open again before.
fn restored_at(rule: &Rule, matched: &[&Match]) -> (Option<Timestamp>, u64) {
    if rule.resolved == Resolved::Never {
        return (None, 0);
    }
    let (mut resolved_at, mut reopened) = (None, 0);
    for (index, matched) in matched.iter().enumerate() {
        if index > 0 && resolved_at.is_some_and(|at| matched.time().is_some_and(|time| time >= at)) {
            reopened += 1;
        } else if index > 0 && resolved_at.is_none() {
            // An earlier change is not restored, so the finding stays open whatever follows this one.
            return (None, reopened);
        }
        // A refused change changed nothing that could be restored.
        let restored_at = matched.restored_at.filter(|_| !matched.is_attempt());
        resolved_at = restored_at.map(|at: Timestamp| resolved_at.map_or(at, |before: Timestamp| before.max(at)));
    }
    (resolved_at, reopened)
}

fn detail(apis: &Bounded, principals: &Bounded, count: usize, attempted: bool, texts: &MatchTexts) -> String {
    let mut detail = String::new();
    if !apis.shown.is_empty() {
        let times = if count > 1 { format!(" ({count} times)") } else { String::new() };
        let refused = if attempted { ", refused" } else { "" };
        let by = if principals.shown.is_empty() { String::new() } else { format!(" by {principals}") };
        detail = format!("{apis}{by}{times}{refused}: ");
    }
    detail.push_str(&texts.sentence(attempted));
    detail
}

pub(super) fn blind_row((account, region, missing): (AccountId, Region, MissingEvidence)) -> BlindRow {
    BlindRow { account, region, missing, remedy: missing.remedy().to_owned() }
}
