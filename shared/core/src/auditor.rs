//! The pipeline behind the facts: join, judge, apply the rules, fold into findings.

mod resolution;

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use crate::{
    api,
    arn::{AccountId, GuardrailKey, GuardrailVersion, Region},
    cloudtrail::wanted::Wanted,
    config::{Configuration, Exception},
    facts::{CallShape, Facts, Shape, Strings, Symbol},
    finding::{Bounded, Finding, FindingKey, JudgedAgainst, Status, Suppression},
    join::{Alike, FoundEvidence, Joined, Place, Sighting, Tally, Unobserved, expectation},
    model::Model,
    moment::Moment,
    policy::GuardrailInference,
    report::{BlindRow, Blindness, CoverageRow, Invocations},
    rule::{Check, GuardrailRefusal, JudgedCall, Rule},
    rules::RULES,
    telemetry::DataEvent,
    verdict::{self, Call, Evidence, Expectation, Grade, Judgement, Missing, PolicyReference, Reason, Requested, Verdict, judge},
    world::{InForce, PolicyBasis, State, World},
};
pub use crate::join::Selection;
use resolution::Resolver;

/// The operations whose records are looked at.
#[must_use]
pub fn wanted() -> Wanted {
    let by_rules = RULES.iter().flat_map(|rule| rule.revealed_by.iter().copied());
    Wanted::new(api::operations().chain(World::operations()).chain(by_rules))
}

/// What a run found out. A pure function of the set of records, the world, the configuration and "now".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audit {
    /// Calls, evidence and changes, each once.
    pub judged: u64,
    /// Copies of them.
    pub duplicates: u64,
    /// Those that were left out because they were not selected.
    pub not_selected: u64,
    /// The calls, by verdict.
    pub invocations: Invocations,
    /// The calls, by all that a verdict says.
    pub coverage: Vec<CoverageRow>,
    /// What could not be seen.
    pub blind: Vec<BlindRow>,
    /// The names of accounts, where the organization is known.
    pub accounts: BTreeMap<AccountId, String>,
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
    /// What looks wrong about the configuration.
    pub warnings: Vec<String>,
}

/// What a run rests on besides the records.
#[derive(Clone, Debug)]
pub struct Terms<'a> {
    /// What the team requires and excepts.
    pub configuration: &'a Configuration,
    /// Which calls to look at.
    pub selection: &'a Selection,
    /// "Now", for end dates.
    pub now: Moment,
}

/// Audits what was collected.
#[must_use]
pub fn audit(facts: &mut Facts, world: World, terms: &Terms<'_>) -> Audit {
    let state = settle(facts, world);
    with_auditor(facts, &state, terms, |auditor| {
        let outcomes = auditor.judge_all();
        let drafts = auditor.apply_rules(&outcomes);
        let (findings, warnings) = auditor.conclude(&drafts, &outcomes);
        let mut invocations = Invocations::default();
        for ((_, tally), outcome) in auditor.tallies.iter().zip(&outcomes) {
            invocations.add(outcome.verdict, tally.count);
        }
        Audit {
            judged: auditor.joined.judged + auditor.facts.changes().count() as u64,
            duplicates: auditor.joined.duplicates + auditor.facts.repeated_changes,
            not_selected: auditor.joined.not_selected,
            invocations,
            coverage: auditor.coverage(&outcomes),
            blind: auditor.blind_spots(&outcomes),
            accounts: auditor.account_names(),
            findings,
            warnings,
        }
    })
}

/// Explains a call that need not have been made, by the state at its time.
#[must_use]
pub fn explain_call(call: &Call, facts: &Facts, world: World, configuration: &Configuration) -> Vec<String> {
    verdict::explain(call, &Evidence::default(), &settle(facts, world), &configuration.requirements)
}

/// Explains the latest call behind a finding; `None` if there is no such finding.
#[must_use]
pub fn explain_finding(id: &str, facts: &mut Facts, world: World, terms: &Terms<'_>) -> Option<Vec<String>> {
    let state = settle(facts, world);
    with_auditor(facts, &state, terms, |auditor| {
        let outcomes = auditor.judge_all();
        let drafts = auditor.apply_rules(&outcomes);
        let (_, draft) = drafts.iter().find(|(key, _)| key.id() == id)?;
        let is_latest = |index: &&u32| auditor.tallies.get(**index as usize).is_some_and(|(_, tally)| tally.last == draft.last);
        let index = *draft.calls.iter().find(is_latest)? as usize;
        let (calls, outcome) = (auditor.calls(index)?, outcomes.get(index)?);
        let evidence = Evidence { expectation: outcome.expectation, ..calls.found.evidence.clone() };
        let call = Call { time: known(calls.tally.last.time), ..calls.call };
        Some(verdict::explain(&call, &evidence, auditor.state, &auditor.configuration.requirements))
    })
}

/// The world, with the changes that were read.
fn settle(facts: &Facts, mut world: World) -> State {
    for (key, change) in facts.changes() {
        world.apply(key.time, &key.event_id, change);
    }
    world.settle()
}

fn with_auditor<T>(facts: &mut Facts, state: &State, terms: &Terms<'_>, with: impl FnOnce(&Auditor<'_>) -> T) -> T {
    let mut joined = Joined::of(facts, state, terms.selection);
    let tallies: Vec<(Alike, Tally)> = joined.tallies.drain().collect();
    let Terms { configuration, now, .. } = *terms;
    with(&Auditor { facts, state, configuration, now, joined: &joined, tallies: &tallies })
}

/// The run, once everything is joined. Nothing is kept per call but its outcome: what else is needed is looked up again.
struct Auditor<'a> {
    facts: &'a Facts,
    state: &'a State,
    configuration: &'a Configuration,
    now: Moment,
    joined: &'a Joined,
    tallies: &'a [(Alike, Tally)],
}

/// How calls that are alike were judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Outcome {
    verdict: Verdict,
    grade: Grade,
    reason: Option<Reason>,
    expectation: Expectation,
}

/// Calls that are alike, looked up.
struct Calls<'a> {
    shape: &'a CallShape,
    place: &'a Place,
    tally: &'a Tally,
    call: Call,
    found: FoundEvidence,
}

/// A finding in the making.
struct Draft {
    rule: &'static Rule,
    principals: HashMap<Symbol, u64>,
    models: HashMap<Symbol, u64>,
    apis: HashMap<Symbol, u64>,
    /// What it is made of, by index into the tallies.
    calls: Vec<u32>,
    count: u64,
    first: Sighting,
    last: Sighting,
    /// Of the latest call.
    because: String,
    /// Of the latest call.
    policy: Option<PolicyReference>,
    grade: Grade,
    verdicts: BTreeSet<(Verdict, Option<Reason>)>,
}

impl<'a> Auditor<'a> {
    /// Looks calls up again.
    fn calls(&self, index: usize) -> Option<Calls<'a>> {
        let (alike, tally) = self.tallies.get(index)?;
        let Some(Shape::Call(shape)) = self.facts.shapes.get(alike.shape) else {
            return None;
        };
        let place = self.joined.place(alike)?;
        let call = self.call_of(shape, place, alike, tally);
        Some(Calls { shape, place, tally, call, found: self.joined.found(alike) })
    }

    /// The calls that are alike, as one.
    fn call_of(&self, shape: &CallShape, place: &Place, alike: &Alike, tally: &Tally) -> Call {
        let text = |symbol| self.facts.strings.get(symbol);
        let error = text(shape.error);
        let requested = shape.guardrail.some().map(|guardrail| Requested {
            guardrail: GuardrailKey::from_identifier(text(guardrail), &place.account, &place.region),
            version: GuardrailVersion::parse(text(shape.version)),
        });
        Call {
            account: place.account.clone(),
            region: place.region.clone(),
            time: (tally.first.time > Moment::BEGINNING).then(|| place.moment_of(alike.epoch)),
            api: text(shape.api).to_owned(),
            reach: shape.reach,
            model: Model::parse(text(shape.model)),
            requested,
            mediator: shape.mediator.some().map(|mediator| text(mediator).to_owned()),
            failed: !error.is_empty() && Call::failed_before_inference(error),
        }
    }

    fn account_names(&self) -> BTreeMap<AccountId, String> {
        let accounts = self.state.organization().into_iter().flat_map(|organization| &organization.accounts);
        accounts.filter(|(_, account)| !account.name.is_empty()).map(|(id, account)| (id.clone(), account.name.clone())).collect()
    }

    fn judge(&self, calls: &Calls<'_>, expectation: Expectation) -> Judgement {
        let evidence = Evidence { expectation, ..calls.found.evidence.clone() };
        judge(&calls.call, &evidence, self.state, &self.configuration.requirements)
    }

    fn judge_all(&self) -> Vec<Outcome> {
        let mut unobserved = Unobserved::default();
        let mut outcomes = Vec::with_capacity(self.tallies.len());
        let outcome_of = |judgement: &Judgement, expectation| Outcome {
            verdict: judgement.verdict,
            grade: judgement.grade,
            reason: judgement.reason,
            expectation,
        };
        for (index, (alike, tally)) in self.tallies.iter().enumerate() {
            let Some(calls) = self.calls(index) else {
                outcomes.push(Outcome { verdict: Verdict::NotProvable, grade: Grade::None, reason: None, expectation: Expectation::None });
                continue;
            };
            let outcome = outcome_of(&self.judge(&calls, Expectation::None), Expectation::None);
            if outcome.rests_on_enforcement() {
                unobserved.add(self.joined, alike, calls.shape, tally.count);
            }
            outcomes.push(outcome);
        }
        for (index, outcome) in outcomes.iter_mut().enumerate().filter(|(_, outcome)| outcome.rests_on_enforcement()) {
            let (Some((alike, _)), Some(calls)) = (self.tallies.get(index), self.calls(index)) else { continue };
            let expectation = expectation(self.joined, &unobserved, alike, calls.shape, self.state);
            if expectation != Expectation::None {
                *outcome = outcome_of(&self.judge(&calls, expectation), expectation);
            }
        }
        outcomes
    }

    fn coverage(&self, outcomes: &[Outcome]) -> Vec<CoverageRow> {
        let mut counts: HashMap<(Symbol, Symbol, Symbol, Symbol, Outcome), u64> = HashMap::new();
        for ((alike, tally), outcome) in self.tallies.iter().zip(outcomes) {
            if let Some(Shape::Call(shape)) = self.facts.shapes.get(alike.shape) {
                *counts.entry((shape.account, shape.region, shape.model, shape.api, *outcome)).or_default() += tally.count;
            }
        }
        let mut rows: Vec<CoverageRow> = counts
            .into_iter()
            .map(|((account, region, model, api, outcome), count)| CoverageRow {
                account: self.facts.strings.get(account).into(),
                region: self.facts.strings.get(region).into(),
                model: self.model_name(account, region, model),
                api: self.facts.strings.get(api).to_owned(),
                verdict: outcome.verdict,
                grade: outcome.grade,
                reason: outcome.reason,
                count,
            })
            .collect();
        rows.sort_unstable();
        // Several forms of one model are one row.
        rows.dedup_by(|row, before| {
            let same = row.is_like(before);
            if same {
                before.count += row.count;
            }
            same
        });
        rows
    }

    /// The model to report: what an alias stands for, if that is one model.
    fn model_name(&self, account: Symbol, region: Symbol, model: Symbol) -> String {
        let called = Model::parse(self.facts.strings.get(model));
        let (account, region) = (self.facts.strings.get(account).into(), self.facts.strings.get(region).into());
        match self.state.resolve(&called, &account, &region).as_slice() {
            [model] => model.to_string(),
            _ => called.to_string(),
        }
    }

    fn apply_rules(&self, outcomes: &[Outcome]) -> BTreeMap<FindingKey, Draft> {
        let mut drafts = BTreeMap::new();
        for (index, outcome) in outcomes.iter().enumerate() {
            let Some(calls) = self.calls(index) else { continue };
            let judgement = self.judge(&calls, outcome.expectation);
            let enforced = self.enforced_for(&calls);
            let seen = JudgedCall {
                call: &calls.call,
                judgement: &judgement,
                bearer_key: calls.shape.bearer_key,
                partially_guarded: calls.found.partially_guarded,
                guardrail_refusal: calls.shape.refused_by_guardrail.then(|| GuardrailRefusal {
                    error_code: self.facts.strings.get(calls.shape.error),
                    names: calls.shape.refusing_guardrail.some().map(|arn| self.facts.strings.get(arn)),
                    enforced: enforced.as_deref(),
                }),
            };
            for &rule in RULES {
                let Check::Call(check) = rule.check;
                if let Some(observed) = check(&seen) {
                    let key = FindingKey {
                        rule: rule.id,
                        account: calls.place.account.clone(),
                        region: calls.place.region.clone(),
                        resource: format!("AWS::::Account:{}", calls.place.account),
                        discriminator: observed.discriminator,
                    };
                    let draft = drafts.entry(key).or_insert_with(|| Draft::new(rule, calls.tally));
                    draft.add(u32::try_from(index).unwrap_or(u32::MAX), &calls, &judgement, observed.because, &self.facts.strings);
                }
            }
        }
        drafts
    }

    /// The ARNs of the guardrails that are enforced for a refused call; `None` if that isn't known.
    fn enforced_for(&self, calls: &Calls<'_>) -> Option<Vec<String>> {
        if !calls.shape.refused_by_guardrail {
            return None;
        }
        let (place, at) = (calls.place, calls.call.time.unwrap_or(Moment::END));
        let policy = self.state.policy(&place.account, at);
        let configurations = self.state.configurations(&place.account, &place.region, at);
        let by_policy = policy.state().and_then(|policy| policy.policy.as_deref()?.regions.get(&place.region));
        let named: Vec<String> = by_policy
            .into_iter()
            .flatten()
            .filter_map(GuardrailInference::enforcement)
            .chain(configurations.state().unwrap_or_default().iter().cloned())
            .map(|enforcement| enforcement.guardrail.key.arn())
            .collect();
        let all_known = policy.state().is_some() && configurations.state().is_some();
        (all_known || !named.is_empty()).then_some(named)
    }

    fn blind_spots(&self, outcomes: &[Outcome]) -> Vec<BlindRow> {
        let mut seen: BTreeSet<(AccountId, Region, Blindness)> = BTreeSet::new();
        for (index, outcome) in outcomes.iter().enumerate() {
            let Some(calls) = self.calls(index) else { continue };
            let (account, region) = (&calls.place.account, &calls.place.region);
            let mut missing: BTreeSet<Blindness> = BTreeSet::new();
            if outcome.verdict == Verdict::NotProvable {
                missing.extend(self.judge(&calls, outcome.expectation).missing.into_iter().map(Blindness::Evidence));
            }
            let at = calls.call.time.unwrap_or(Moment::END);
            if matches!(self.state.policy(account, at), InForce::NotKnown) {
                missing.insert(Blindness::Evidence(Missing::EffectivePolicy));
            }
            if matches!(self.state.configurations(account, region, at), InForce::NotKnown) {
                missing.insert(Blindness::Evidence(Missing::EnforcedConfiguration));
            }
            match self.state.telemetry(account, region, at).state() {
                None => missing.extend([Blindness::Telemetry]),
                Some(telemetry) => {
                    let records = |events: &[DataEvent<'_>]| events.iter().all(|event| telemetry.records(*event));
                    let off = [
                        (records(&[DataEvent::EVALUATION]), Blindness::EvaluationsNotRecorded),
                        (records(&DataEvent::OTHER_INFERENCE), Blindness::DataEventsNotRecorded),
                        (telemetry.invocation_logging != Some(false), Blindness::InvocationLogsOff),
                    ];
                    missing.extend(off.into_iter().filter(|(recorded, _)| !recorded).map(|(_, blindness)| blindness));
                }
            }
            seen.extend(missing.into_iter().map(|missing| (account.clone(), region.clone(), missing)));
        }
        let row = |(account, region, missing): (AccountId, Region, Blindness)| BlindRow {
            account,
            region,
            missing,
            remedy: missing.remedy().to_owned(),
        };
        seen.into_iter().map(row).collect()
    }

    fn conclude(&self, drafts: &BTreeMap<FindingKey, Draft>, outcomes: &[Outcome]) -> (Vec<Finding>, Vec<String>) {
        let mut warnings = self.configuration.warnings(self.now);
        let mut used: BTreeSet<usize> = BTreeSet::new();
        let resolver = Resolver::new(self, drafts, outcomes);
        let mut findings: Vec<Finding> = drafts
            .iter()
            .map(|(key, draft)| {
                let mut finding = self.finding(key, draft);
                (finding.resolved_at, finding.reopened) = resolver.resolve(draft);
                if finding.resolved_at.is_some() {
                    finding.status = Status::Resolved;
                } else {
                    self.apply_exceptions(&mut finding, draft, &mut used);
                }
                finding
            })
            .collect();
        findings.sort_by(|a, b| {
            let worst_first = |finding: &Finding| (finding.status, std::cmp::Reverse(finding.severity));
            let place = |finding: &'_ Finding| (finding.account.clone(), finding.region.clone(), finding.rule.clone(), finding.id.clone());
            worst_first(a).cmp(&worst_first(b)).then_with(|| place(a).cmp(&place(b)))
        });
        for (index, exception) in self.configuration.exceptions.iter().enumerate() {
            if exception.is_live(self.now) && !used.contains(&index) {
                warnings.push(format!("line {}: the exception for {} matches no open finding", exception.line, exception.rule));
            }
        }
        (findings, warnings)
    }

    fn finding(&self, key: &FindingKey, draft: &Draft) -> Finding {
        let rule = draft.rule;
        let strings = &self.facts.strings;
        let bounded = |counts: &HashMap<Symbol, u64>, name: &dyn Fn(Symbol) -> String| {
            let mut by_name: BTreeMap<String, u64> = BTreeMap::new();
            for (symbol, count) in counts {
                *by_name.entry(name(*symbol)).or_default() += count;
            }
            Bounded::of(&by_name)
        };
        let as_it_is = |symbol| strings.get(symbol).to_owned();
        let resolved = |symbol| {
            let called = Model::parse(strings.get(symbol));
            match self.state.resolve(&called, &key.account, &key.region).as_slice() {
                [model] => model.to_string(),
                _ => called.to_string(),
            }
        };
        let principals = bounded(&draft.principals, &as_it_is);
        let models = bounded(&draft.models, &resolved);
        let apis = bounded(&draft.apis, &as_it_is);
        let of_one_kind = if draft.verdicts.len() == 1 { draft.verdicts.first().copied() } else { None };
        let calls = if draft.count == 1 { "call" } else { "calls" };
        let mut events = vec![draft.first.event.text(strings), draft.last.event.text(strings)];
        events.dedup();
        events.retain(|event| !event.is_empty());
        Finding {
            id: key.id(),
            rule: rule.id.to_owned(),
            severity: self.configuration.severity(rule),
            title: rule.title.to_owned(),
            detail: format!("{} {calls} of {apis} with {models} by {principals}: {}", draft.count, draft.because),
            remediation: rule.remediation.to_owned(),
            status: Status::Open,
            account: key.account.clone(),
            region: key.region.clone(),
            resource: key.resource.clone(),
            principals,
            models,
            apis,
            verdict: of_one_kind.map(|(verdict, _)| verdict),
            grade: Some(draft.grade),
            reason: of_one_kind.and_then(|(_, reason)| reason),
            attempted: false,
            expected: false,
            linked: Vec::new(),
            first_seen: known(draft.first.time),
            last_seen: known(draft.last.time),
            count: draft.count,
            events,
            changes: Vec::new(),
            policy: draft.policy.as_ref().map(judged_against),
            controls: Vec::new(),
            reopened: 0,
            resolved_at: None,
            suppression: None,
        }
    }

    /// A finding is suppressed if live exceptions mean each of its principals; one that an ended exception meant is open again.
    fn apply_exceptions(&self, finding: &mut Finding, draft: &Draft, used: &mut BTreeSet<usize>) {
        let principals: Vec<&str> = draft.principals.keys().map(|principal| self.facts.strings.get(*principal)).collect();
        let meant = |exceptions: &[(usize, &Exception)]| {
            principals.iter().all(|principal| exceptions.iter().any(|(_, exception)| exception.selects_principal(principal)))
        };
        let organization = self.state.organization();
        let selecting = self.configuration.exceptions.iter().enumerate().filter(|(_, exception)| {
            exception.selects(&finding.rule, &finding.account, &finding.region, organization)
                && principals.iter().any(|principal| exception.selects_principal(principal))
        });
        let (live, ended): (Vec<_>, Vec<_>) = selecting.partition(|(_, exception)| exception.is_live(self.now));
        used.extend(live.iter().map(|(index, _)| *index));
        let first_to_end = live.iter().min_by_key(|(index, exception)| (exception.until, *index)).copied();
        if let Some((_, exception)) = first_to_end.filter(|_| meant(&live)) {
            finding.status = Status::Suppressed;
            finding.suppression = Some(Suppression {
                until: exception.until.to_string(),
                reason: exception.reason.clone(),
                owner: exception.owner.clone(),
                ticket: exception.ticket.clone(),
            });
        } else if !ended.is_empty() && meant(&[live, ended].concat()) {
            finding.reopened += 1;
        }
    }
}

impl Draft {
    fn new(rule: &'static Rule, tally: &Tally) -> Self {
        Draft {
            rule,
            principals: HashMap::new(),
            models: HashMap::new(),
            apis: HashMap::new(),
            calls: Vec::new(),
            count: 0,
            first: tally.first,
            last: tally.last,
            because: String::new(),
            policy: None,
            grade: Grade::None,
            verdicts: BTreeSet::new(),
        }
    }

    fn add(&mut self, index: u32, calls: &Calls<'_>, judgement: &Judgement, because: String, strings: &Strings) {
        let Calls { shape, tally, .. } = calls;
        for (counts, symbol) in [(&mut self.principals, shape.principal), (&mut self.models, shape.model), (&mut self.apis, shape.api)] {
            *counts.entry(symbol).or_default() += tally.count;
        }
        self.calls.push(index);
        self.count += tally.count;
        self.grade = self.grade.min(judgement.grade);
        self.verdicts.insert((judgement.verdict, judgement.reason));
        if tally.first.order(&self.first, strings).is_lt() {
            self.first = tally.first;
        }
        // Of calls in the same instant and event, the one whose words come last: any choice will do that reading doesn't change.
        if tally.last.order(&self.last, strings).then_with(|| because.cmp(&self.because)).is_ge() {
            self.last = tally.last;
            self.because = because;
            self.policy.clone_from(&judgement.policy);
        }
    }
}

impl Outcome {
    fn rests_on_enforcement(self) -> bool {
        (self.verdict, self.grade) == (Verdict::Compliant, Grade::Enforced)
    }
}

fn known(time: Moment) -> Option<Moment> {
    (time > Moment::BEGINNING).then_some(time)
}

fn judged_against(policy: &PolicyReference) -> JudgedAgainst {
    let basis = match policy.basis {
        PolicyBasis::Described => "described",
        PolicyBasis::Computed => "computed",
        PolicyBasis::LastValid => "last_valid",
    };
    JudgedAgainst {
        basis: basis.to_owned(),
        since: known(policy.since),
        identifier: policy.identifier.clone(),
        policy: policy.origin.as_ref().map(|origin| origin.policy.clone()),
        attached_to: policy.origin.as_ref().map(|origin| origin.attached_to.clone()),
    }
}
