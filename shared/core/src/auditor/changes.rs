//! Findings about changes and states: each rule is shown every change, what it says is folded by finding, and severities are stepped.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::Terms;
use crate::{
    arn::{AccountId, Region},
    change::Change,
    config::Exception,
    facts::ChangeKey,
    finding::{Bounded, ControlChange, Finding, FindingKey, Status, Suppression},
    moment::Moment,
    report::{BlindRow, Blindness},
    rule::{Check, Group, Resolved, Rule, Traffic},
    rules::RULES,
    scene::{Outcome, Scene, Sighting},
    severity::Severity,
    verdict::Grade,
};

/// So many refused changes by one principal within [`BURST_SECONDS`] are no slip of the hand.
const BURST: usize = 5;
const BURST_SECONDS: i64 = 60 * 60;

/// The most controls that one finding lists.
const MOST_CHANGES: usize = 50;

/// What rules about changes and states found out.
#[derive(Default)]
pub(super) struct Changes {
    /// With the moments of changes that were made, not only attempted.
    pub(super) findings: Vec<ChangeFinding>,
    pub(super) blind: BTreeSet<(AccountId, Region, Blindness)>,
}

/// A finding about changes.
pub(super) struct ChangeFinding {
    pub(super) finding: Finding,
    /// When it was done, not only attempted, by somebody who may not: what a story can begin with.
    pub(super) done: Vec<Moment>,
}

/// One thing that a rule said, with the change that it said it of.
struct Said<'a> {
    of: Option<(&'a ChangeKey, &'a Change)>,
    /// When it was, if it is not about a change.
    time: Option<Moment>,
    steps: i8,
    unverified: bool,
    righted: Option<Moment>,
    models: Vec<String>,
    /// Only of the latest: there can be thousands.
    words: Option<Box<Words>>,
}

/// What a finding says.
struct Words {
    because: String,
    changes: Vec<ControlChange>,
    remediation: Option<String>,
}

impl<'a> Said<'a> {
    fn new(sighting: Sighting, of: Option<(&'a ChangeKey, &'a Change)>) -> Self {
        let Sighting { because, changes, remediation, time, steps, unverified, righted, models, .. } = sighting;
        Said { of, time, steps, unverified, righted, models, words: Some(Box::new(Words { because, changes, remediation })) }
    }

    fn is_attempt(&self) -> bool {
        self.of.is_some_and(|(_, change)| change.is_refused())
    }

    fn because(&self) -> &str {
        self.words.as_ref().map_or("", |words| &words.because)
    }

    /// The order of time, whatever order they were said in.
    fn order(&self) -> (Option<Moment>, &str, &str) {
        (self.time(), self.of.map_or("", |(key, _)| &key.event_id), self.because())
    }
}

/// Adds what was said, and lets go of the words of what was said before of its kind.
fn add<'a>(said: &mut Vec<Said<'a>>, new: Said<'a>) {
    let before = said.iter_mut().rev().take(BURST).find(|before| before.words.is_some() && before.is_attempt() == new.is_attempt());
    if let Some(before) = before.filter(|before| before.order() < new.order()) {
        before.words = None;
    }
    said.push(new);
}

/// Shows everything to the rules.
pub(super) fn look(scene: &Scene<'_>, traffic: &[Traffic<'_>], terms: &Terms<'_>, excepted: &mut BTreeSet<usize>) -> Changes {
    let mut changes = Changes::default();
    let mut drafts: BTreeMap<FindingKey, (&'static Rule, Vec<Said<'_>>)> = BTreeMap::new();
    let mut take = |rule: &'static Rule, of: Option<usize>, outcomes: Vec<Outcome>, blind: &mut BTreeSet<_>| {
        for outcome in outcomes {
            match outcome {
                Outcome::Blind(account, region, blindness) => {
                    blind.insert((account, region, blindness));
                }
                Outcome::Fires(sighting) if !terms.selection.selects_place(&sighting.account, &sighting.region) => {}
                Outcome::Fires(sighting) => {
                    let key = FindingKey {
                        rule: rule.id,
                        account: sighting.account.clone(),
                        region: sighting.region.clone(),
                        resource: sighting.resource.clone(),
                        discriminator: sighting.discriminator.clone(),
                    };
                    let of = of.and_then(|index| scene.changes.get(index).copied());
                    add(&mut drafts.entry(key).or_insert_with(|| (rule, Vec::new())).1, Said::new(*sighting, of));
                }
            }
        }
    };
    for rule in RULES.iter().copied() {
        for check in rule.checks {
            match check {
                Check::Call(_) => {}
                Check::Change(check) => {
                    for (index, seen) in scene.seen().enumerate() {
                        if rule.revealed_by.contains(&seen.change.operation.as_str()) && terms.selection.selects_time(Some(seen.key.time)) {
                            take(rule, Some(index), check.0(&seen), &mut changes.blind);
                        }
                    }
                }
                Check::State(check) => take(rule, None, check.0(scene), &mut changes.blind),
                Check::Place(check) => {
                    for place in traffic {
                        take(rule, None, check.0(place, scene), &mut changes.blind);
                    }
                }
            }
        }
    }
    let bursts = bursts(&drafts);
    changes.findings = drafts.iter().map(|(key, (rule, said))| finding(key, rule, said, &bursts, scene, terms, excepted)).collect();
    changes
}

/// The attempts that belong to a burst, by principal.
fn bursts(drafts: &BTreeMap<FindingKey, (&'static Rule, Vec<Said<'_>>)>) -> BTreeSet<(String, ChangeKey)> {
    let mut attempts: BTreeMap<&str, BTreeSet<&ChangeKey>> = BTreeMap::new();
    for (key, change) in drafts.values().flat_map(|(_, said)| said).filter_map(|said| said.of) {
        if change.is_refused() {
            attempts.entry(&change.principal).or_default().insert(key);
        }
    }
    let mut bursts = BTreeSet::new();
    for (principal, keys) in attempts {
        let keys: Vec<&ChangeKey> = keys.into_iter().collect();
        for window in keys.windows(BURST) {
            if let (Some(first), Some(last)) = (window.first(), window.last())
                && last.time.seconds_since(first.time) < BURST_SECONDS
            {
                bursts.extend(window.iter().map(|key| (principal.to_owned(), (*key).clone())));
            }
        }
    }
    bursts
}

/// Folds what a rule said of one thing.
fn finding(
    key: &FindingKey,
    rule: &'static Rule,
    said: &[Said<'_>],
    bursts: &BTreeSet<(String, ChangeKey)>,
    scene: &Scene<'_>,
    terms: &Terms<'_>,
    excepted: &mut BTreeSet<usize>,
) -> ChangeFinding {
    let mut said: Vec<&Said<'_>> = said.iter().collect();
    said.sort_by(|a, b| a.order().cmp(&b.order()));
    let may = |said: &Said<'_>| {
        rule.group != Group::Telemetry && said.of.is_some_and(|(_, change)| terms.configuration.is_administrator(&change.principal))
    };
    let base = terms.configuration.severity(rule);
    let severity = |said: &Said<'_>| {
        let in_burst = said.of.is_some_and(|(key, change)| bursts.contains(&(change.principal.clone(), key.clone())));
        let attempt = i8::from(said.is_attempt() && !in_burst);
        if may(said) { Severity::Informational } else { base.stepped(said.steps - i8::from(said.unverified) - attempt) }
    };
    // What was done says more than what was attempted.
    let done: Vec<&Said<'_>> = said.iter().copied().filter(|said| !said.is_attempt()).collect();
    let telling = if done.is_empty() { &said } else { &done };
    let worst = telling.iter().copied().rev().max_by_key(|said| severity(said)).map_or(base, severity);
    let mut principals: BTreeMap<String, u64> = BTreeMap::new();
    let mut models: BTreeMap<String, u64> = BTreeMap::new();
    let mut apis: BTreeMap<String, u64> = BTreeMap::new();
    for said in &said {
        if let Some((_, change)) = said.of {
            *principals.entry(change.principal.clone()).or_default() += 1;
            *apis.entry(change.operation.clone()).or_default() += 1;
        }
        for model in &said.models {
            *models.entry(model.clone()).or_default() += 1;
        }
    }
    let (principals, models, apis) = (Bounded::of(&principals), Bounded::of(&models), Bounded::of(&apis));
    let mut events: Vec<String> =
        [said.first(), said.last()].into_iter().flatten().filter_map(|said| said.of).map(|(key, _)| key.event_id.clone()).collect();
    events.dedup();
    events.retain(|event| !event.is_empty());
    let latest = telling.last();
    let unverified = !telling.is_empty() && telling.iter().all(|said| said.unverified);
    let words = latest.and_then(|said| said.words.as_ref());
    let because = words.map(|words| words.because.as_str()).unwrap_or_default();
    let mut changes: Vec<ControlChange> = words.map(|words| words.changes.clone()).unwrap_or_default();
    changes.truncate(MOST_CHANGES);
    let (resolved_at, reopened) = righted(rule, telling);
    let mut finding = Finding {
        id: key.id(),
        rule: rule.id.to_owned(),
        severity: worst,
        title: rule.title.to_owned(),
        detail: detail(&apis, &principals, said.len(), done.is_empty() && !said.is_empty(), unverified, because, &changes),
        remediation: words.and_then(|words| words.remediation.clone()).unwrap_or_else(|| rule.remediation.to_owned()),
        status: if resolved_at.is_some() { Status::Resolved } else { Status::Open },
        account: key.account.clone(),
        region: key.region.clone(),
        resource: key.resource.clone(),
        principals,
        models,
        apis,
        verdict: None,
        grade: unverified.then_some(Grade::None),
        reason: None,
        missing: Vec::new(),
        attempted: done.is_empty(),
        expected: said.iter().all(|said| may(said)),
        linked: Vec::new(),
        first_seen: said.iter().find_map(|said| said.time()),
        last_seen: said.iter().rev().find_map(|said| said.time()),
        count: said.iter().map(|said| said.of.map(|(key, _)| key)).collect::<BTreeSet<_>>().len() as u64,
        events,
        changes,
        policy: None,
        controls: rule.controls.iter().map(ToString::to_string).collect(),
        reopened,
        resolved_at,
        suppression: None,
    };
    if finding.status == Status::Open {
        apply_exceptions(&mut finding, &said, scene, terms, excepted);
    }
    let done = done.iter().filter(|said| said.of.is_some() && !may(said)).filter_map(|said| said.time()).collect();
    ChangeFinding { finding, done }
}

impl Said<'_> {
    fn time(&self) -> Option<Moment> {
        self.of.map(|(key, _)| key.time).or(self.time).filter(|time| *time > Moment::BEGINNING)
    }
}

/// When all is right again, and how often it was before.
fn righted(rule: &Rule, said: &[&Said<'_>]) -> (Option<Moment>, u64) {
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
        let righted = said.righted.filter(|_| !said.of.is_some_and(|(_, change)| change.is_refused()));
        resolved_at = righted.map(|at: Moment| resolved_at.map_or(at, |before: Moment| before.max(at)));
    }
    (resolved_at, reopened)
}

fn detail(
    apis: &Bounded,
    principals: &Bounded,
    count: usize,
    attempted: bool,
    unverified: bool,
    because: &str,
    changes: &[ControlChange],
) -> String {
    let mut detail = String::new();
    if !apis.shown.is_empty() {
        let times = if count > 1 { format!(" ({count} times)") } else { String::new() };
        let refused = if attempted { ", refused" } else { "" };
        detail = format!("{apis} by {principals}{times}{refused}: ");
    }
    detail.push_str(because);
    if unverified {
        detail.push_str("; effect not verified");
    }
    let shown = changes.iter().take(Bounded::MOST).map(|change| {
        let side = change.side.as_ref().map(|side| format!(" ({side})")).unwrap_or_default();
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        format!("{}{side} from {} to {}", change.control, word(&change.before), word(&change.after))
    });
    let shown: Vec<String> = shown.collect();
    if !shown.is_empty() {
        detail.push_str(": ");
        detail.push_str(&shown.join("; "));
        if changes.len() > Bounded::MOST {
            // Writing to a String can't fail.
            let _ = write!(detail, "; and {} more", changes.len() - Bounded::MOST);
        }
    }
    detail
}

/// A finding is suppressed if a live exception means each of its principals.
fn apply_exceptions(finding: &mut Finding, said: &[&Said<'_>], scene: &Scene<'_>, terms: &Terms<'_>, excepted: &mut BTreeSet<usize>) {
    let principals: BTreeSet<&str> = said.iter().filter_map(|said| said.of).map(|(_, change)| change.principal.as_str()).collect();
    let meant = |exceptions: &[(usize, &Exception)]| {
        principals.iter().all(|principal| exceptions.iter().any(|(_, exception)| exception.selects_principal(principal)))
    };
    let selecting = terms.configuration.exceptions.iter().enumerate().filter(|(_, exception)| {
        exception.selects(&finding.rule, &finding.account, &finding.region, scene.state.organization())
            && (principals.is_empty() && exception.principals.is_empty()
                || principals.iter().any(|principal| exception.selects_principal(principal)))
    });
    let (live, ended): (Vec<_>, Vec<_>) = selecting.partition(|(_, exception)| exception.is_live(terms.now));
    excepted.extend(live.iter().map(|(index, _)| *index));
    let first_to_end = live.iter().min_by_key(|(index, exception)| (exception.until, *index)).copied();
    if let Some((_, exception)) = first_to_end.filter(|_| meant(&live)) {
        finding.status = Status::Suppressed;
        finding.suppression = Some(Suppression::of(exception));
    } else if !ended.is_empty() && meant(&[live, ended].concat()) {
        finding.reopened += 1;
    }
}

pub(super) fn blind_row((account, region, missing): (AccountId, Region, Blindness)) -> BlindRow {
    BlindRow { account, region, missing, remedy: missing.remedy().to_owned() }
}
