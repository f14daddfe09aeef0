//! The audit of the calls of one account and Region. It needs no calls from elsewhere, so accounts and Regions are audited in parallel.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::{
    aggregate::{AlikeCalls, CallAggregate, Window},
    classes::Classes,
    correlation::{self, CallFinding},
    exceptions,
    finding_builder::{FindingBuilder, LatestCall},
    resolution::{CoverageTimes, Resolver},
    shared::SharedTexts,
    view::View,
};
use crate::{
    arn::{AccountId, Region},
    facts::{Kind, Symbol, Symbol24},
    finding::{Bounded, Finding, FindingKey, JudgedAgainst, Status},
    join::{ComparedEvaluations, JoinCounts},
    missing_evidence::MissingEvidence,
    model::Model,
    operations::{Mediator, OperationCoverage},
    report::{BlindRow, CoverageRow, DayRow, HourRow},
    rule::{Group, Observed},
    telemetry::{LoggedEvent, Recorded},
    timestamp::{Day, Timestamp},
    verdict::{self, Call, Expectation, Grade, Invocations, Judgement, Missing, PolicyReference, Reason, Verdict},
    world::{InForce, MediatorKind, PolicyBasis, State},
};

/// The result of the audit of an account and Region.
pub(super) struct PlaceOutcome {
    /// The times of the first and of the last record.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    pub(super) counts: JoinCounts,
    pub(super) invocations: Invocations,
    pub(super) coverage: Vec<CoverageRow>,
    pub(super) days: Vec<DayRow>,
    /// Only if calls are counted by hour.
    pub(super) hours: Vec<HourRow>,
    pub(super) blind: Vec<BlindRow>,
    /// The findings about calls, with the times of the calls.
    pub(super) findings: Vec<CallFinding>,
    /// The indexes of the live exceptions that match one of the findings.
    pub(super) excepted: BTreeSet<usize>,
    pub(super) seen: AccountRegionSummary,
}

/// The times of heartbeats and the numbers of metered calls in an account and Region, of which [`Traffic`](crate::rule::Traffic) is made.
pub(super) struct AccountRegionSummary {
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) heartbeats: BTreeSet<(Timestamp, bool)>,
    pub(super) counted: BTreeMap<Timestamp, u64>,
}

/// The calls of an account and Region, judged: it grows with the number of groups of alike calls.
#[derive(Default)]
struct Fold {
    invocations: Invocations,
    coverage: HashMap<CoverageKey, u64>,
    days: HashMap<(Option<Day>, Verdict, Grade), u64>,
    /// Calls by hour, if they are counted so.
    hours: BTreeMap<Option<i32>, HashMap<CoverageKey, u64>>,
    missing: BTreeSet<Missing>,
    epochs: BTreeSet<Option<u32>>,
    /// The findings so far, by rule and discriminator.
    builders: BTreeMap<&'static str, BTreeMap<String, FindingBuilder>>,
    covers: CoverageTimes,
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

impl CoverageKey {
    fn of(calls: &AlikeCalls, judgement: &Judgement) -> Self {
        let (kind, subject, api) = (calls.form.kind, calls.columns.subject, calls.form.api);
        let Judgement { verdict, grade, reason, .. } = *judgement;
        CoverageKey { kind, subject, epoch: calls.epoch.filter(|_| kind.is_mediated()), api, verdict, grade, reason }
    }
}

/// Judges all calls, applies the rules about calls, and builds the findings.
pub(super) fn audit(aggregate: CallAggregate<'_>, state: &State) -> PlaceOutcome {
    let view = View::of(&aggregate, state);
    let fold = Fold::of(view, &aggregate);
    let mut excepted = BTreeSet::new();
    let (coverage, days, hours) = (view.coverage(&fold.coverage), view.days(&fold.days), view.hours(&fold.hours));
    let (blind, findings) = (view.blind_spots(&fold), view.findings(&fold, &mut excepted));
    PlaceOutcome {
        span: view.joined.span,
        counts: view.joined.counts,
        invocations: fold.invocations,
        coverage,
        days,
        hours,
        blind,
        findings,
        excepted,
        seen: AccountRegionSummary {
            account: view.context.account.clone(),
            region: view.context.region.clone(),
            heartbeats: aggregate.heartbeats,
            counted: aggregate.counted,
        },
    }
}

/// Explains the verdict on the latest call behind a finding; `None` if no finding here has this id.
pub(super) fn explain(aggregate: &CallAggregate<'_>, state: &State, id: &str) -> Option<Vec<String>> {
    let view = View::of(aggregate, state);
    let fold = Fold::of(view, aggregate);
    let (_, builder) =
        fold.builders().find(|((rule, discriminator), builder)| view.key(rule, discriminator, &builder.observed).id() == id)?;
    let LatestCall { calls, expectation, .. } = &builder.latest;
    let call = Call { time: calls.last.time, ..view.call_of(calls) };
    Some(verdict::explain(&call, &view.evidence(calls.evidence, *expectation), state, &view.options.configuration.requirements))
}

impl Fold {
    /// Judges the calls. What a missing evaluation proves may depend on how many calls rest on enforcement, so these are counted first.
    fn of(view: View<'_>, aggregate: &CallAggregate<'_>) -> Self {
        let mut classes = Classes::new(view);
        let mut compared = view.joined.evaluations.compared(view.context);
        if compared.depends_on_calls() {
            for calls in aggregate.calls() {
                if let Some(hour) = calls.window.and_then(Window::hour)
                    && classes.judge(view, &calls, Expectation::None).rests_on_enforcement()
                {
                    compared.add_calls(calls.columns.principal, hour, calls.count);
                }
            }
        }
        let mut judged = |calls: AlikeCalls| {
            let mut expectation = Expectation::None;
            let mut judged = classes.judge(view, &calls, expectation);
            // Without a period, the verdict is the weakest of all states. In some of them it may rest on enforcement.
            let is_weakest = calls.epoch.is_none() && judged.judgement.verdict == Verdict::Compliant;
            if judged.rests_on_enforcement() || is_weakest {
                expectation = view.expectation(&calls, &compared);
                if expectation != Expectation::None {
                    judged = classes.judge(view, &calls, expectation);
                }
            }
            LatestCall { calls, expectation, judged }
        };
        let mut fold = Fold::default();
        for calls in aggregate.calls().filter(|calls| calls.is_selected) {
            fold.add(view, &judged(calls));
        }
        for (first_hour, calls) in aggregate.calls_by_period() {
            let LatestCall { calls, judged, .. } = judged(calls);
            let Judgement { verdict, grade, .. } = judged.judgement;
            let day = first_hour.map(|hour| Day::of(Timestamp::from_seconds(i64::from(hour) * 3_600)));
            *fold.days.entry((day, verdict, grade)).or_default() += calls.count;
            if aggregate.is_by_hour() {
                let of_hour = fold.hours.entry(first_hour).or_default();
                *of_hour.entry(CoverageKey::of(&calls, &judged.judgement)).or_default() += calls.count;
            }
        }
        fold
    }

    fn add(&mut self, view: View<'_>, latest: &LatestCall) {
        let LatestCall { calls, judged, .. } = latest;
        let Judgement { verdict, ref missing, .. } = judged.judgement;
        self.invocations.add(verdict, calls.count);
        *self.coverage.entry(CoverageKey::of(calls, &judged.judgement)).or_default() += calls.count;
        self.missing.extend(missing);
        self.epochs.insert(calls.epoch);
        for (rule, observed) in &judged.observed {
            let by_discriminator = self.builders.entry(rule.id).or_default();
            // Most calls belong to a known finding, so the discriminator is cloned only for a new one.
            if !by_discriminator.contains_key(&observed.discriminator) {
                by_discriminator.insert(observed.discriminator.clone(), FindingBuilder::new(rule, latest, observed));
            }
            if let Some(builder) = by_discriminator.get_mut(&observed.discriminator) {
                builder.add(latest, observed, view);
            }
        }
        self.covers.add(view, calls, judged);
    }
}

impl Fold {
    fn builders(&self) -> impl Iterator<Item = ((&'static str, &str), &FindingBuilder)> {
        self.builders
            .iter()
            .flat_map(|(rule, builders)| builders.iter().map(|(discriminator, builder)| ((*rule, discriminator.as_str()), builder)))
    }
}

impl<'v> View<'v> {
    fn of(aggregate: &'v CallAggregate<'v>, state: &'v State) -> Self {
        let CallAggregate { context, evidence, options, .. } = aggregate;
        View { context, joined: evidence, texts: context.texts, state, options }
    }
}

impl View<'_> {
    /// What it proves about calls that rest on enforcement that they have no evaluation.
    fn expectation(&self, calls: &AlikeCalls, compared: &ComparedEvaluations) -> Expectation {
        let Some(window) = calls.window else { return Expectation::None };
        // A sum doesn't know the state of these calls any more, so it isn't known either whether their evaluations would have been recorded.
        let Some(epoch) = calls.epoch else { return Expectation::Doubt };
        let is_recorded = self.records(LoggedEvent::EVALUATION, self.context.time_of(epoch)) == InForce::Known(Recorded::Yes);
        match window {
            Window::Delivered if is_recorded => Expectation::Evaluation,
            Window::Hour(hour) if is_recorded => compared.expectation(calls.columns.principal, hour),
            Window::Delivered | Window::Hour(_) | Window::At(_) => Expectation::None,
        }
    }

    fn coverage(&self, counts: &HashMap<CoverageKey, u64>) -> Vec<CoverageRow> {
        let mut names = SharedTexts::default();
        let row = |(key, count): (&CoverageKey, &u64)| CoverageRow {
            account: self.context.account.clone(),
            region: self.context.region.clone(),
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
        let (account, region) = (&self.context.account, &self.context.region);
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

    fn hours(&self, hours: &BTreeMap<Option<i32>, HashMap<CoverageKey, u64>>) -> Vec<HourRow> {
        let rows = |(hour, counts): (&Option<i32>, &HashMap<CoverageKey, u64>)| HourRow {
            hour: hour.map(i64::from),
            account: self.context.account.clone(),
            region: self.context.region.clone(),
            coverage: self.coverage(counts),
        };
        hours.iter().map(rows).collect()
    }

    /// The name of the model to report: of an alias, the model that it stands for, if that is a single one; of an agent or flow, its model,
    /// or its own name if the model isn't known.
    fn subject_name(&self, kind: Kind, subject: Symbol24, epoch: Option<u32>) -> String {
        let text = self.texts.long(subject);
        let (account, region) = (&self.context.account, &self.context.region);
        let mediator = match kind {
            Kind::Call(OperationCoverage::Mediated(Mediator::Agent)) => Some((MediatorKind::Agent, "agent")),
            Kind::Call(OperationCoverage::Mediated(Mediator::Flow)) => Some((MediatorKind::Flow, "flow")),
            _ => None,
        };
        if let Some((mediator, word)) = mediator {
            let at = epoch.map_or(Timestamp::END, |epoch| self.context.time_of(epoch));
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
            missing.extend(self.blind_at(epoch.map_or(Timestamp::END, |epoch| self.context.time_of(epoch))));
        }
        let row = |missing: MissingEvidence| BlindRow {
            account: self.context.account.clone(),
            region: self.context.region.clone(),
            missing,
            remedy: missing.remedy().to_owned(),
        };
        let counted = [
            (self.joined.only_logged, MissingEvidence::CallsNotRead, "calls that only a model invocation log tells of"),
            (
                self.joined.answers_elsewhere,
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
        let (account, region) = (&self.context.account, &self.context.region);
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
        let recorded = |event: &LoggedEvent<'_>| self.records(*event, at).state().unwrap_or(Recorded::NotKnown);
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
            account: self.context.account.clone(),
            region: self.context.region.clone(),
            resource: observed.resource.clone().unwrap_or_else(|| format!("AWS::::Account:{}", self.context.account)),
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
        let named = models.to_string();
        let with = if named == "unknown" { "an unknown model" } else { &named };
        let mut events = vec![builder.first.event.text(self.texts.strings()), builder.latest.calls.last.event.text(self.texts.strings())];
        events.dedup();
        events.retain(|event| !event.is_empty());
        let of_rule = rule.finding(key.clone(), self.options.configuration);
        Finding {
            detail: format!("{} {calls} of {apis} with {with} by {principals}: {}", builder.count, builder.observed.because),
            remediation: builder.observed.remediation.clone().unwrap_or_else(|| of_rule.remediation.clone()),
            principals,
            models,
            apis,
            verdict: of_one_kind.map(|(verdict, _)| verdict),
            grade: is_about_calls.then_some(builder.grade),
            reason: of_one_kind.and_then(|(_, reason)| reason),
            missing: builder.latest.judged.judgement.missing.iter().copied().collect(),
            first_seen: builder.first.time,
            last_seen: builder.latest.calls.last.time,
            count: builder.count,
            events,
            policy: builder.latest.judged.judgement.policy.as_ref().map(judged_against),
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
