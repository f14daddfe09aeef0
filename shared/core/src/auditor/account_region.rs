//! The audit of one account and Region, and what it concludes: nothing that is judged there depends on calls made elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use hashbrown::HashMap;

use super::{
    classes::{Classes, Judged},
    draft::Draft,
    exceptions,
    place::View,
    resolution::{Covers, Resolver},
    shared::SharedTexts,
    story::{self, CallFinding},
    terms::Terms,
};
use crate::{
    arn::{AccountId, Region},
    blindness::Blindness,
    facts::{Kind, Symbol, Symbol24, Texts},
    finding::{Bounded, Finding, FindingKey, JudgedAgainst, Status},
    join::{Met, MetCall, Place, Selection, Unobserved},
    model::Model,
    moment::Moment,
    operations::{Mediator, Reach},
    report::{BlindRow, CoverageRow},
    rule::{Group, Observed},
    telemetry::{LoggedEvent, Recorded},
    verdict::{self, Call, Expectation, Grade, Invocations, Judgement, Missing, PolicyReference, Reason, Verdict},
    world::{InForce, MediatorKind, PolicyBasis, State},
};

/// An account and Region to audit.
pub(super) struct PlaceAudit<'a> {
    place: Place<'a>,
    texts: &'a Texts,
    state: &'a State,
    terms: &'a Terms<'a>,
    is_metered: bool,
}

/// What the audit of an account and Region found out.
pub(super) struct PlaceOutcome {
    /// From the first to the last record.
    pub(super) span: Option<(Moment, Moment)>,
    pub(super) met: Met,
    pub(super) invocations: Invocations,
    pub(super) coverage: Vec<CoverageRow>,
    pub(super) blind: Vec<BlindRow>,
    /// With when their calls were made.
    pub(super) findings: Vec<CallFinding>,
    /// The live exceptions that mean one of them.
    pub(super) excepted: BTreeSet<usize>,
    pub(super) seen: SeenPlace,
}

/// What was seen of an account and Region.
pub(super) struct SeenPlace {
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) heartbeats: Vec<(Moment, bool)>,
    pub(super) counted: Vec<Moment>,
}

/// The calls of a place, folded: grows with what is distinct, not with the calls.
#[derive(Default)]
struct Fold {
    met: Met,
    invocations: Invocations,
    coverage: HashMap<CoverageKey, u64>,
    missing: BTreeSet<Missing>,
    epochs: BTreeSet<Option<u32>>,
    /// By rule and discriminator.
    drafts: BTreeMap<&'static str, BTreeMap<String, Draft>>,
    covers: Covers,
    heartbeats: Vec<(Moment, bool)>,
    counted: Vec<Moment>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct CoverageKey {
    kind: Kind,
    subject: Symbol24,
    /// The model behind an agent depends on the time.
    epoch: Option<u32>,
    api: Symbol,
    verdict: Verdict,
    grade: Grade,
    reason: Option<Reason>,
}

impl<'a> PlaceAudit<'a> {
    pub(super) fn new(place: Place<'a>, texts: &'a Texts, state: &'a State, terms: &'a Terms<'a>) -> Self {
        let is_metered = state.metrics(&place.account, &place.region).is_some();
        PlaceAudit { place, texts, state, terms, is_metered }
    }

    fn view(&self) -> View<'_> {
        View { place: &self.place, texts: self.texts, state: self.state, terms: self.terms, is_metered: self.is_metered }
    }

    /// Judges all calls, applies the rules and concludes.
    pub(super) fn audit(mut self) -> PlaceOutcome {
        let fold = self.fold();
        let view = self.view();
        let mut excepted = BTreeSet::new();
        PlaceOutcome {
            span: view.place.span(),
            met: fold.met,
            invocations: fold.invocations,
            coverage: view.coverage(&fold.coverage),
            blind: view.blind_spots(&fold),
            findings: view.findings(&fold, &mut excepted),
            excepted,
            seen: SeenPlace {
                account: view.place.account.clone(),
                region: view.place.region.clone(),
                heartbeats: fold.heartbeats,
                counted: fold.counted,
            },
        }
    }

    /// Explains the latest call behind a finding, if it is one of this account and Region.
    pub(super) fn explain(&mut self, id: &str) -> Option<Vec<String>> {
        let fold = self.fold();
        let (_, draft) =
            fold.drafts().find(|((rule, discriminator), draft)| self.view().key(rule, discriminator, &draft.observed).id() == id)?;
        let latest = draft.last;
        let mut explanation = None;
        self.each_judged(|view, met, _, expectation| {
            if met.seen == latest && explanation.is_none() {
                let call = Call { time: met.seen.time, ..view.call_of(met) };
                let evidence = view.evidence(met.evidence, expectation);
                explanation = Some(verdict::explain(&call, &evidence, view.state, &view.terms.configuration.requirements));
            }
        });
        explanation
    }

    fn fold(&mut self) -> Fold {
        let mut fold = Fold::default();
        fold.met = self.each_judged(|view, met, judged, _| fold.add(view, met, judged));
        fold
    }

    /// Calls a function with each call and its judgement. What the lack of an evaluation means can be told only after all calls were
    /// met, so where it may mean something they are met twice.
    fn each_judged(&mut self, mut with: impl FnMut(View<'_>, &MetCall, &Rc<Judged>, Expectation)) -> Met {
        let PlaceAudit { place, texts, state, terms, is_metered } = self;
        let (texts, state, terms, is_metered) = (*texts, *state, *terms, *is_metered);
        let mut classes = Classes::new(View { place, texts, state, terms, is_metered });
        let mut unobserved = Unobserved::default();
        let rests_on_enforcement = |met: &MetCall, judged: &Judged| {
            judged.judgement.verdict == Verdict::Compliant
                && matches!(judged.judgement.grade, Grade::Enforced | Grade::Assumed)
                && !met.form.kind.is_mediated()
        };
        if place.watched {
            // What a call is compared with doesn't depend on the times that are looked at.
            let at_all_times = Selection { since: None, until: None, ..terms.selection.clone() };
            place.each_call(&at_all_times, |place, met| {
                if rests_on_enforcement(met, &classes.judge(View { place, texts, state, terms, is_metered }, met, Expectation::None)) {
                    unobserved.add(met);
                }
            });
        }
        let watched = place.watched;
        place.each_call(terms.selection, |place, met| {
            let view = View { place, texts, state, terms, is_metered };
            let mut judged = classes.judge(view, met, Expectation::None);
            let mut expectation = Expectation::None;
            if watched && rests_on_enforcement(met, &judged) {
                expectation = place.expectation(met, &unobserved, state);
                if expectation != Expectation::None {
                    judged = classes.judge(view, met, expectation);
                }
            }
            with(view, met, &judged, expectation);
        })
    }
}

impl Fold {
    fn add(&mut self, view: View<'_>, met: &MetCall, judged: &Rc<Judged>) {
        let Judgement { verdict, grade, reason, ref missing, .. } = judged.judgement;
        let (kind, subject, api) = (met.form.kind, met.columns.subject, met.form.api);
        self.invocations.add(verdict, 1);
        let epoch = met.epoch.filter(|_| kind.is_mediated());
        *self.coverage.entry(CoverageKey { kind, subject, epoch, api, verdict, grade, reason }).or_default() += 1;
        if let Some(time) = met.seen.time {
            if view.is_heartbeat(met) {
                self.heartbeats.push((time, !met.form.self_reported));
            } else if view.is_metered {
                self.counted.push(time);
            }
        }
        self.missing.extend(missing);
        self.epochs.insert(met.epoch);
        for (rule, observed) in &judged.observed {
            let by_discriminator = self.drafts.entry(rule.id).or_default();
            // Most calls are like one before: the key is made only if not.
            if !by_discriminator.contains_key(&observed.discriminator) {
                by_discriminator.insert(observed.discriminator.clone(), Draft::new(rule, met, judged, observed));
            }
            if let Some(draft) = by_discriminator.get_mut(&observed.discriminator) {
                draft.add(met, judged, observed, view.texts);
            }
        }
        self.covers.add(view, met, judged);
    }
}

impl Fold {
    fn drafts(&self) -> impl Iterator<Item = ((&'static str, &str), &Draft)> {
        self.drafts.iter().flat_map(|(rule, drafts)| drafts.iter().map(|(discriminator, draft)| ((*rule, discriminator.as_str()), draft)))
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
        // Several forms of one model are one row.
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

    /// The model to report: what an alias stands for, if that is one model; of an agent or flow, its model, else itself.
    fn subject_name(&self, kind: Kind, subject: Symbol24, epoch: Option<u32>) -> String {
        let text = self.texts.long(subject);
        let (account, region) = (&self.place.account, &self.place.region);
        let mediator = match kind {
            Kind::Call(Reach::Mediated(Mediator::Agent)) => Some((MediatorKind::Agent, "agent")),
            Kind::Call(Reach::Mediated(Mediator::Flow)) => Some((MediatorKind::Flow, "flow")),
            _ => None,
        };
        if let Some((mediator, word)) = mediator {
            let at = epoch.map_or(Moment::END, |epoch| self.place.moment_of(epoch));
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
        let mut missing: BTreeSet<Blindness> = fold.missing.iter().copied().map(Blindness::Evidence).collect();
        for epoch in &fold.epochs {
            missing.extend(self.blind_at(epoch.map_or(Moment::END, |epoch| self.place.moment_of(epoch))));
        }
        let row = |missing: Blindness| BlindRow {
            account: self.place.account.clone(),
            region: self.place.region.clone(),
            missing,
            remedy: missing.remedy().to_owned(),
        };
        let counted = [
            (self.place.only_logged, Blindness::CallsNotRead, "calls that only a model invocation log tells of"),
            (
                self.place.answers_elsewhere,
                Blindness::LogBodies,
                "invocation logs whose answers, with their traces, lie in objects of their own",
            ),
        ];
        let counted = counted.into_iter().filter(|(count, ..)| *count > 0);
        let counted =
            counted.map(|(count, missing, what)| BlindRow { remedy: format!("{count} {what}: {}", missing.remedy()), ..row(missing) });
        missing.into_iter().map(row).chain(counted).collect()
    }

    fn blind_at(&self, at: Moment) -> Vec<Blindness> {
        let (account, region) = (&self.place.account, &self.place.region);
        let mut missing = Vec::new();
        if matches!(self.state.policy(account, at), InForce::NotKnown) {
            missing.push(Blindness::Evidence(Missing::EffectivePolicy));
        }
        if matches!(self.state.configurations(account, region, at), InForce::NotKnown) {
            missing.push(Blindness::Evidence(Missing::EnforcedConfiguration));
        }
        let Some(telemetry) = self.state.telemetry(account, region, at).state() else {
            missing.push(Blindness::Telemetry);
            return missing;
        };
        let logs_are_off = telemetry.invocation_logging.as_ref().is_some_and(|logging| !logging.on);
        missing.extend(logs_are_off.then_some(Blindness::InvocationLogsOff));
        let recorded = |event: &LoggedEvent<'_>| self.place.records(*event, self.state, at).state().unwrap_or(Recorded::NotKnown);
        for (events, blindness) in [
            (&[LoggedEvent::EVALUATION][..], Blindness::EvaluationsNotRecorded),
            (&LoggedEvent::OTHER_INFERENCE[..], Blindness::DataEventsNotRecorded),
        ] {
            match events.iter().map(recorded).min() {
                Some(Recorded::No) => missing.push(blindness),
                Some(Recorded::NotKnown) => missing.push(Blindness::Telemetry),
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
        let resolver = Resolver::new(*self, &fold.covers, fold.drafts().map(|(_, draft)| draft));
        let finding = |((rule, discriminator), draft): ((&'static str, &str), &Draft)| {
            let mut finding = self.finding(&self.key(rule, discriminator, &draft.observed), draft);
            (finding.resolved_at, finding.reopened) = resolver.resolve(draft);
            if finding.resolved_at.is_some() {
                finding.status = Status::Resolved;
            } else {
                let principals: BTreeSet<&str> = draft.principals.keys().map(|principal| self.texts.long(*principal)).collect();
                exceptions::apply(&mut finding, &principals, self.state.organization(), self.terms, excepted);
            }
            let spans = story::when(&finding, draft.strands.values().copied());
            CallFinding { rule: draft.rule, finding, spans }
        };
        fold.drafts().map(finding).collect()
    }

    fn finding(&self, key: &FindingKey, draft: &Draft) -> Finding {
        let rule = draft.rule;
        let by_name = |counts: &mut dyn Iterator<Item = (String, u64)>| {
            let mut by_name: BTreeMap<String, u64> = BTreeMap::new();
            counts.for_each(|(name, count)| *by_name.entry(name).or_default() += count);
            Bounded::of(&by_name)
        };
        let principals = by_name(&mut draft.principals.iter().map(|(principal, count)| (self.texts.long(*principal).to_owned(), *count)));
        let models = by_name(&mut draft.subjects.iter().map(|((kind, subject), count)| (self.subject_name(*kind, *subject, None), *count)));
        let apis = by_name(&mut draft.apis.iter().map(|(api, count)| (self.texts.get(*api).to_owned(), *count)));
        // A verdict is about calls; a rule of another group only met them.
        let is_about_calls = rule.group == Group::Invocation;
        let of_one_kind = if draft.verdicts.len() == 1 && is_about_calls { draft.verdicts.first().copied() } else { None };
        let calls = if draft.count == 1 { "call" } else { "calls" };
        let mut events = vec![draft.first.event.text(self.texts.strings()), draft.last.event.text(self.texts.strings())];
        events.dedup();
        events.retain(|event| !event.is_empty());
        let of_rule = rule.finding(key.clone(), self.terms.configuration);
        Finding {
            detail: format!("{} {calls} of {apis} with {models} by {principals}: {}", draft.count, draft.observed.because),
            remediation: draft.observed.remediation.clone().unwrap_or_else(|| of_rule.remediation.clone()),
            principals,
            models,
            apis,
            verdict: of_one_kind.map(|(verdict, _)| verdict),
            grade: is_about_calls.then_some(draft.grade),
            reason: of_one_kind.and_then(|(_, reason)| reason),
            missing: draft.latest.judgement.missing.iter().copied().collect(),
            first_seen: draft.first.time,
            last_seen: draft.last.time,
            count: draft.count,
            events,
            policy: draft.latest.judgement.policy.as_ref().map(judged_against),
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
        since: (policy.since > Moment::BEGINNING).then_some(policy.since),
        identifier: policy.identifier.clone(),
        policy: policy.origin.as_ref().map(|origin| origin.policy.clone()),
        attached_to: policy.origin.as_ref().map(|origin| origin.attached_to.clone()),
    }
}
