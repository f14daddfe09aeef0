//! The audit of the calls of one account and Region. It needs no calls from elsewhere, so accounts and Regions are audited in parallel.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use hashbrown::HashMap;

use super::{
    classes::{Classes, Judged},
    correlation::{self, CallFinding},
    exceptions,
    finding_builder::FindingBuilder,
    options::AuditOptions,
    resolution::{CoverageTimes, Resolver},
    shared::SharedTexts,
    view::View,
};
use crate::{
    arn::{AccountId, Region},
    facts::{Kind, Symbol, Symbol24, Texts},
    finding::{Bounded, Finding, FindingKey, JudgedAgainst, Status},
    join::{AccountRegionEvidence, JoinCounts, JoinedCall, Selection, Unobserved},
    missing_evidence::MissingEvidence,
    model::Model,
    operations::{Mediator, OperationCoverage},
    report::{BlindRow, CoverageRow, DayRow},
    rule::{Group, Observed},
    telemetry::{LoggedEvent, Recorded},
    timestamp::{Day, Timestamp},
    verdict::{self, Call, Expectation, Grade, Invocations, Judgement, Missing, PolicyReference, Reason, Verdict},
    world::{InForce, MediatorKind, PolicyBasis, State},
};

/// The input of the audit of an account and Region.
pub(super) struct AccountRegionAudit<'a> {
    place: AccountRegionEvidence<'a>,
    texts: &'a Texts,
    state: &'a State,
    options: &'a AuditOptions<'a>,
    is_metered: bool,
}

/// The result of the audit of an account and Region.
pub(super) struct PlaceOutcome {
    /// The times of the first and of the last record.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    pub(super) counts: JoinCounts,
    pub(super) invocations: Invocations,
    pub(super) coverage: Vec<CoverageRow>,
    pub(super) days: Vec<DayRow>,
    pub(super) blind: Vec<BlindRow>,
    /// The findings about calls, with the times of the calls.
    pub(super) findings: Vec<CallFinding>,
    /// The indexes of the live exceptions that match one of the findings.
    pub(super) excepted: BTreeSet<usize>,
    pub(super) seen: AccountRegionSummary,
}

/// The times of heartbeats and of metered calls in an account and Region, of which [`Traffic`](crate::rule::Traffic) is made.
pub(super) struct AccountRegionSummary {
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) heartbeats: Vec<(Timestamp, bool)>,
    pub(super) counted: Vec<Timestamp>,
}

/// The calls of an account and Region, folded: it grows with the number of distinct rows, not with the number of calls.
#[derive(Default)]
struct Fold {
    counts: JoinCounts,
    invocations: Invocations,
    coverage: HashMap<CoverageKey, u64>,
    days: HashMap<(Option<Day>, Verdict, Grade), u64>,
    missing: BTreeSet<Missing>,
    epochs: BTreeSet<Option<u32>>,
    /// The findings so far, by rule and discriminator.
    builders: BTreeMap<&'static str, BTreeMap<String, FindingBuilder>>,
    covers: CoverageTimes,
    heartbeats: Vec<(Timestamp, bool)>,
    counted: Vec<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct CoverageKey {
    kind: Kind,
    subject: Symbol24,
    /// The epoch of the state, for calls of agents and flows only: their model may change from one to the next.
    epoch: Option<u32>,
    api: Symbol,
    verdict: Verdict,
    grade: Grade,
    reason: Option<Reason>,
}

impl<'a> AccountRegionAudit<'a> {
    pub(super) fn new(place: AccountRegionEvidence<'a>, texts: &'a Texts, state: &'a State, options: &'a AuditOptions<'a>) -> Self {
        let is_metered = state.metrics(&place.account, &place.region).is_some();
        AccountRegionAudit { place, texts, state, options, is_metered }
    }

    fn view(&self) -> View<'_> {
        View { place: &self.place, texts: self.texts, state: self.state, options: self.options, is_metered: self.is_metered }
    }

    /// Judges all calls, applies the rules about calls, and builds the findings.
    pub(super) fn audit(mut self) -> PlaceOutcome {
        let fold = self.fold();
        let view = self.view();
        let mut excepted = BTreeSet::new();
        PlaceOutcome {
            span: view.place.span(),
            counts: fold.counts,
            invocations: fold.invocations,
            coverage: view.coverage(&fold.coverage),
            days: view.days(&fold.days),
            blind: view.blind_spots(&fold),
            findings: view.findings(&fold, &mut excepted),
            excepted,
            seen: AccountRegionSummary {
                account: view.place.account.clone(),
                region: view.place.region.clone(),
                heartbeats: fold.heartbeats,
                counted: fold.counted,
            },
        }
    }

    /// Explains the verdict on the latest call behind a finding; `None` if no finding here has this id.
    pub(super) fn explain(&mut self, id: &str) -> Option<Vec<String>> {
        let fold = self.fold();
        let (_, builder) =
            fold.builders().find(|((rule, discriminator), builder)| self.view().key(rule, discriminator, &builder.observed).id() == id)?;
        let latest = builder.last;
        let mut explanation = None;
        self.each_judged(|view, joined, _, expectation| {
            if joined.seen == latest && explanation.is_none() {
                let call = Call { time: joined.seen.time, ..view.call_of(joined) };
                let evidence = view.evidence(joined.evidence, expectation);
                explanation = Some(verdict::explain(&call, &evidence, view.state, &view.options.configuration.requirements));
            }
        });
        explanation
    }

    fn fold(&mut self) -> Fold {
        let mut fold = Fold::default();
        fold.counts = self.each_judged(|view, joined, judged, _| fold.add(view, joined, judged));
        fold
    }

    /// Calls a function with each call and its verdict. What a missing evaluation proves depends on all other calls, so where trails may
    /// record evaluations, a first pass over the calls counts those without one.
    fn each_judged(&mut self, mut with: impl FnMut(View<'_>, &JoinedCall, &Rc<Judged>, Expectation)) -> JoinCounts {
        let AccountRegionAudit { place, texts, state, options, is_metered } = self;
        let (texts, state, options, is_metered) = (*texts, *state, *options, *is_metered);
        let mut classes = Classes::new(View { place, texts, state, options, is_metered });
        let mut unobserved = Unobserved::default();
        let rests_on_enforcement = |joined: &JoinedCall, judged: &Judged| {
            judged.judgement.verdict == Verdict::Compliant
                && matches!(judged.judgement.grade, Grade::Enforced | Grade::Assumed)
                && !joined.form.kind.is_mediated()
        };
        if place.watched {
            // The count includes calls outside of the selected times, so that a selection changes no verdict.
            let at_all_times = Selection { since: None, until: None, ..options.selection.clone() };
            place.each_call(&at_all_times, |place, joined| {
                if rests_on_enforcement(
                    joined,
                    &classes.judge(View { place, texts, state, options, is_metered }, joined, Expectation::None),
                ) {
                    unobserved.add(joined);
                }
            });
        }
        let watched = place.watched;
        place.each_call(options.selection, |place, joined| {
            let view = View { place, texts, state, options, is_metered };
            let mut judged = classes.judge(view, joined, Expectation::None);
            let mut expectation = Expectation::None;
            if watched && rests_on_enforcement(joined, &judged) {
                expectation = place.expectation(joined, &unobserved, state);
                if expectation != Expectation::None {
                    judged = classes.judge(view, joined, expectation);
                }
            }
            with(view, joined, &judged, expectation);
        })
    }
}

impl Fold {
    fn add(&mut self, view: View<'_>, joined: &JoinedCall, judged: &Rc<Judged>) {
        let Judgement { verdict, grade, reason, ref missing, .. } = judged.judgement;
        let (kind, subject, api) = (joined.form.kind, joined.columns.subject, joined.form.api);
        self.invocations.add(verdict, 1);
        let epoch = joined.epoch.filter(|_| kind.is_mediated());
        *self.coverage.entry(CoverageKey { kind, subject, epoch, api, verdict, grade, reason }).or_default() += 1;
        *self.days.entry((joined.seen.time.map(Day::of), verdict, grade)).or_default() += 1;
        if let Some(time) = joined.seen.time {
            if view.is_heartbeat(joined) {
                self.heartbeats.push((time, !joined.form.self_reported));
            } else if view.is_metered {
                self.counted.push(time);
            }
        }
        self.missing.extend(missing);
        self.epochs.insert(joined.epoch);
        for (rule, observed) in &judged.observed {
            let by_discriminator = self.builders.entry(rule.id).or_default();
            // Most calls belong to a known finding, so the discriminator is cloned only for a new one.
            if !by_discriminator.contains_key(&observed.discriminator) {
                by_discriminator.insert(observed.discriminator.clone(), FindingBuilder::new(rule, joined, judged, observed));
            }
            if let Some(builder) = by_discriminator.get_mut(&observed.discriminator) {
                builder.add(joined, judged, observed, view.texts);
            }
        }
        self.covers.add(view, joined, judged);
    }
}

impl Fold {
    fn builders(&self) -> impl Iterator<Item = ((&'static str, &str), &FindingBuilder)> {
        self.builders
            .iter()
            .flat_map(|(rule, builders)| builders.iter().map(|(discriminator, builder)| ((*rule, discriminator.as_str()), builder)))
    }
}

impl View<'_> {
    fn coverage(&self, counts: &HashMap<CoverageKey, u64>) -> Vec<CoverageRow> {
        let mut names = SharedTexts::default();
        let row = |(key, count): (&CoverageKey, &u64)| CoverageRow {
            account: self.place.account.clone(),
            region: self.place.region.clone(),
            model: names.share(&self.subject_name(key.kind, key.subject, key.epoch)),
            api: names.share(self.texts.get(key.api)),
            verdict: key.verdict,
            grade: key.grade,
            reason: key.reason,
            count: *count,
        };
        let mut rows: Vec<CoverageRow> = counts.iter().map(row).collect();
        rows.sort_unstable();
        // An alias and an ARN of one model have the same name here, so their rows are merged.
        rows.dedup_by(|row, before| {
            let same = row.is_like(before);
            if same {
                before.count += row.count;
            }
            same
        });
        rows.shrink_to_fit();
        rows
    }

    fn days(&self, counts: &HashMap<(Option<Day>, Verdict, Grade), u64>) -> Vec<DayRow> {
        let (account, region) = (&self.place.account, &self.place.region);
        let row = |(&(day, verdict, grade), &count): (&(Option<Day>, Verdict, Grade), &u64)| DayRow {
            day,
            account: account.clone(),
            region: region.clone(),
            verdict,
            grade,
            count,
        };
        counts.iter().map(row).collect()
    }

    /// The name of the model to report: of an alias, the model that it stands for, if that is a single one; of an agent or flow, its model,
    /// or its own name if the model isn't known.
    fn subject_name(&self, kind: Kind, subject: Symbol24, epoch: Option<u32>) -> String {
        let text = self.texts.long(subject);
        let (account, region) = (&self.place.account, &self.place.region);
        let mediator = match kind {
            Kind::Call(OperationCoverage::Mediated(Mediator::Agent)) => Some((MediatorKind::Agent, "agent")),
            Kind::Call(OperationCoverage::Mediated(Mediator::Flow)) => Some((MediatorKind::Flow, "flow")),
            _ => None,
        };
        if let Some((mediator, word)) = mediator {
            let at = epoch.map_or(Timestamp::END, |epoch| self.place.time_of(epoch));
            let model = self.state.mediated(mediator, account, region, text, at).state().and_then(|mediated| mediated.model.as_ref());
            return model.map_or_else(|| format!("{word}/{text}"), ToString::to_string);
        }
        if kind.is_mediated() {
            return if text.is_empty() { "unknown".to_owned() } else { text.to_owned() };
        }
        let called = Model::parse(text);
        match self.state.resolve(&called, account, region).as_slice() {
            [model] => model.to_string(),
            _ => called.to_string(),
        }
    }

    fn blind_spots(&self, fold: &Fold) -> Vec<BlindRow> {
        let mut missing: BTreeSet<MissingEvidence> = fold.missing.iter().copied().map(MissingEvidence::Evidence).collect();
        for epoch in &fold.epochs {
            missing.extend(self.blind_at(epoch.map_or(Timestamp::END, |epoch| self.place.time_of(epoch))));
        }
        let row = |missing: MissingEvidence| BlindRow {
            account: self.place.account.clone(),
            region: self.place.region.clone(),
            missing,
            remedy: missing.remedy().to_owned(),
        };
        let counted = [
            (self.place.only_logged, MissingEvidence::CallsNotRead, "calls that only a model invocation log tells of"),
            (
                self.place.answers_elsewhere,
                MissingEvidence::LogBodies,
                "invocation logs whose answers, with their traces, lie in objects of their own",
            ),
        ];
        let counted = counted.into_iter().filter(|(count, ..)| *count > 0);
        let counted =
            counted.map(|(count, missing, what)| BlindRow { remedy: format!("{count} {what}: {}", missing.remedy()), ..row(missing) });
        missing.into_iter().map(row).chain(counted).collect()
    }

    fn blind_at(&self, at: Timestamp) -> Vec<MissingEvidence> {
        let (account, region) = (&self.place.account, &self.place.region);
        let mut missing = Vec::new();
        if matches!(self.state.policy(account, at), InForce::NotKnown) {
            missing.push(MissingEvidence::Evidence(Missing::EffectivePolicy));
        }
        if matches!(self.state.configurations(account, region, at), InForce::NotKnown) {
            missing.push(MissingEvidence::Evidence(Missing::EnforcedConfiguration));
        }
        let Some(telemetry) = self.state.telemetry(account, region, at).state() else {
            missing.push(MissingEvidence::Telemetry);
            return missing;
        };
        let logs_are_off = telemetry.invocation_logging.as_ref().is_some_and(|logging| !logging.on);
        missing.extend(logs_are_off.then_some(MissingEvidence::InvocationLogsOff));
        let recorded = |event: &LoggedEvent<'_>| self.place.records(*event, self.state, at).state().unwrap_or(Recorded::NotKnown);
        for (events, blindness) in [
            (&[LoggedEvent::EVALUATION][..], MissingEvidence::EvaluationsNotRecorded),
            (&LoggedEvent::OTHER_INFERENCE[..], MissingEvidence::DataEventsNotRecorded),
        ] {
            match events.iter().map(recorded).min() {
                Some(Recorded::No) => missing.push(blindness),
                Some(Recorded::NotKnown) => missing.push(MissingEvidence::Telemetry),
                Some(Recorded::Yes) | None => {}
            }
        }
        missing
    }

    fn key(&self, rule: &'static str, discriminator: &str, observed: &Observed) -> FindingKey {
        FindingKey {
            rule,
            account: self.place.account.clone(),
            region: self.place.region.clone(),
            resource: observed.resource.clone().unwrap_or_else(|| format!("AWS::::Account:{}", self.place.account)),
            discriminator: discriminator.to_owned(),
        }
    }

    fn findings(&self, fold: &Fold, excepted: &mut BTreeSet<usize>) -> Vec<CallFinding> {
        let resolver = Resolver::new(*self, &fold.covers, fold.builders().map(|(_, builder)| builder));
        let finding = |((rule, discriminator), builder): ((&'static str, &str), &FindingBuilder)| {
            let mut finding = self.finding(&self.key(rule, discriminator, &builder.observed), builder);
            (finding.resolved_at, finding.reopened) = resolver.resolve(builder);
            if finding.resolved_at.is_some() {
                finding.status = Status::Resolved;
            } else {
                let principals: BTreeSet<&str> = builder.principals.keys().map(|principal| self.texts.long(*principal)).collect();
                exceptions::apply(&mut finding, &principals, self.state.organization(), self.options, excepted);
            }
            let spans = correlation::when(&finding, builder.call_groups.values().copied());
            CallFinding { rule: builder.rule, finding, spans }
        };
        fold.builders().map(finding).collect()
    }

    fn finding(&self, key: &FindingKey, builder: &FindingBuilder) -> Finding {
        let rule = builder.rule;
        let by_name = |counts: &mut dyn Iterator<Item = (String, u64)>| {
            let mut by_name: BTreeMap<String, u64> = BTreeMap::new();
            counts.for_each(|(name, count)| *by_name.entry(name).or_default() += count);
            Bounded::of(&by_name)
        };
        let principals = by_name(&mut builder.principals.iter().map(|(principal, count)| (self.texts.long(*principal).to_owned(), *count)));
        let models =
            by_name(&mut builder.subjects.iter().map(|((kind, subject), count)| (self.subject_name(*kind, *subject, None), *count)));
        let apis = by_name(&mut builder.apis.iter().map(|(api, count)| (self.texts.get(*api).to_owned(), *count)));
        // Only rules about invocations report a verdict: to a rule of another group, a call shows that something else is wrong.
        let is_about_calls = rule.group == Group::Invocation;
        let of_one_kind = if builder.verdicts.len() == 1 && is_about_calls { builder.verdicts.first().copied() } else { None };
        let calls = if builder.count == 1 { "call" } else { "calls" };
        let mut events = vec![builder.first.event.text(self.texts.strings()), builder.last.event.text(self.texts.strings())];
        events.dedup();
        events.retain(|event| !event.is_empty());
        let of_rule = rule.finding(key.clone(), self.options.configuration);
        Finding {
            detail: format!("{} {calls} of {apis} with {models} by {principals}: {}", builder.count, builder.observed.because),
            remediation: builder.observed.remediation.clone().unwrap_or_else(|| of_rule.remediation.clone()),
            principals,
            models,
            apis,
            verdict: of_one_kind.map(|(verdict, _)| verdict),
            grade: is_about_calls.then_some(builder.grade),
            reason: of_one_kind.and_then(|(_, reason)| reason),
            missing: builder.latest.judgement.missing.iter().copied().collect(),
            first_seen: builder.first.time,
            last_seen: builder.last.time,
            count: builder.count,
            events,
            policy: builder.latest.judgement.policy.as_ref().map(judged_against),
            ..of_rule
        }
    }
}

fn judged_against(policy: &PolicyReference) -> JudgedAgainst {
    let basis = match policy.basis {
        PolicyBasis::Described => "described",
        PolicyBasis::Computed => "computed",
        PolicyBasis::LastValid => "last_valid",
    };
    JudgedAgainst {
        basis: basis.to_owned(),
        since: (policy.since > Timestamp::BEGINNING).then_some(policy.since),
        identifier: policy.identifier.clone(),
        policy: policy.origin.as_ref().map(|origin| origin.policy.clone()),
        attached_to: policy.origin.as_ref().map(|origin| origin.attached_to.clone()),
    }
}
