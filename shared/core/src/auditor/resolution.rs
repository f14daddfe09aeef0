//! Resolves findings about calls: on positive evidence only, never because further calls are absent.
//!
//! The calls of a finding form groups by principal, model and operation ([`CallGroup`]). A group is resolved when a later call of the same
//! kind was covered, or when a state that was read covers such calls. A finding is resolved when all of its groups are.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use hashbrown::HashMap;

use super::{
    aggregate::AlikeCalls,
    classes::Judged,
    finding_builder::{CallGroup, CallKind, FindingBuilder, Span},
    view::View,
};
use crate::{
    facts::{Symbol, Symbol24},
    model::Model,
    rule::Resolved,
    timestamp::Timestamp,
    verdict::{Call, Evidence, Grade, Verdict, judge},
    world::InForce,
};

/// The first and last covered call, by model and operation, by whom it is evidence for, and by the epoch of the state.
#[derive(Default)]
pub(super) struct CoverageTimes(HashMap<(CallKind, CoverageSource, Option<u32>), Span>);

/// What covered a call, which decides whose calls it is evidence for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum CoverageSource {
    /// An enforcement, which covers every principal.
    OfEverybody,
    /// The request of this principal, or an enforcement: evidence for this principal only.
    Of(Symbol24),
    /// An evaluation shows that a call of this principal was covered.
    ObservedOf(Symbol24),
}

impl CoverageTimes {
    /// Adds alike calls, if they were covered. Calls that request a guardrail are evidence for their principal only.
    pub(super) fn add(&mut self, view: View<'_>, calls: &AlikeCalls, judged: &Judged) {
        let (verdict, grade) = (judged.judgement.verdict, judged.judgement.grade);
        // A record that only the account itself reported resolves nothing: an account could close its own findings.
        if calls.form.self_reported || verdict != Verdict::Compliant || grade > Grade::Requested {
            return;
        }
        let requested = view.texts.requested(&calls.columns).guardrail.some().is_some();
        let shown = &view.joined.table.get(calls.evidence).evidence;
        // Not every evaluation shows an enforcement: it may come from a requested guardrail, even if the call's record lacks the request.
        let shows_enforcement = shown.enforced_evaluation || shown.evaluated.iter().any(|evaluated| evaluated.enforced);
        let principal = calls.columns.principal;
        let by_enforcement = grade == Grade::Enforced || (grade == Grade::Observed && shows_enforcement);
        let everybody = (by_enforcement && !requested).then_some(CoverageSource::OfEverybody);
        let observed = (grade == Grade::Observed).then_some(CoverageSource::ObservedOf(principal));
        for source in [Some(CoverageSource::Of(principal)), everybody, observed].into_iter().flatten() {
            let span = self.0.entry((CallKind::of(calls), source, calls.epoch)).or_default();
            calls.times().into_iter().for_each(|time| span.include(time));
        }
    }
}

/// Decides by the covered calls which findings are resolved.
pub(super) struct Resolver<'v> {
    view: View<'v>,
    /// By the name of the model and the operation. An alias and an ARN of one model have the same name here.
    covers: BTreeMap<(String, Symbol), Vec<(CoverageSource, Span)>>,
    /// How far back from the end the states cover calls of each kind without a break, as far as that was asked for.
    enforced: RefCell<BTreeMap<CallKind, Unbroken>>,
}

/// The last states of a history, all of which fulfil a condition.
#[derive(Clone, Copy)]
struct Unbroken {
    /// The position of the first of them.
    from: usize,
    /// Whether the state before it doesn't fulfil the condition.
    is_broken: bool,
}

/// What happened to a group of calls. The order matters: at equal times, a violation is taken as the later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Covered,
    Violated,
}

impl<'v> Resolver<'v> {
    pub(super) fn new<'d>(view: View<'v>, covers: &CoverageTimes, builders: impl Iterator<Item = &'d FindingBuilder>) -> Self {
        let call_groups = builders.flat_map(|builder| builder.call_groups.keys());
        let concerned: BTreeSet<(String, Symbol)> = call_groups.map(|(call_group, _)| name_of(view, call_group.kind)).collect();
        let mut by_name: BTreeMap<(String, Symbol), Vec<(CoverageSource, Span)>> = BTreeMap::new();
        for ((kind, source, _), span) in &covers.0 {
            let name = name_of(view, *kind);
            if concerned.contains(&name) {
                by_name.entry(name).or_default().push((*source, *span));
            }
        }
        Resolver { view, covers: by_name, enforced: RefCell::default() }
    }

    /// The time at which the finding was resolved, if it still is, and how many times it was open again before.
    pub(super) fn resolve(&self, builder: &FindingBuilder) -> (Option<Timestamp>, u64) {
        let resolved = builder.resolved();
        let right_by = |source: CoverageSource, principal: Symbol24| match resolved {
            Resolved::ByCover => source == CoverageSource::OfEverybody || source == CoverageSource::Of(principal),
            Resolved::ByCoverOfTheSamePrincipal => source == CoverageSource::Of(principal),
            Resolved::ByObservationOfTheSamePrincipal => source == CoverageSource::ObservedOf(principal),
            Resolved::ByPolicy | Resolved::ByState | Resolved::Never => false,
        };
        let mut call_groups: BTreeMap<CallGroup, Vec<Span>> = BTreeMap::new();
        for ((call_group, _), span) in &builder.call_groups {
            call_groups.entry(*call_group).or_default().push(*span);
        }
        let mut steps: Vec<(Timestamp, Step, usize)> = Vec::new();
        for (number, (call_group, spans)) in call_groups.iter().enumerate() {
            steps.extend(spans.iter().flat_map(Span::ends).map(|time| (time, Step::Violated, number)));
            let all = self.covers.get(&name_of(self.view, call_group.kind)).into_iter().flatten();
            let covering = all.filter(|(source, _)| right_by(*source, call_group.principal));
            steps.extend(covering.flat_map(|(_, span)| span.ends()).map(|time| (time, Step::Covered, number)));
        }
        steps.sort_unstable();
        // Groups with a call at an unknown time stay open: it may have been made after everything that covers such calls.
        let is_untimed = |spans: &[Span]| spans.iter().any(|span| span.ends().next().is_none());
        let untimed: BTreeSet<usize> =
            call_groups.values().enumerate().filter(|(_, spans)| is_untimed(spans)).map(|(number, _)| number).collect();
        let mut open = untimed.clone();
        let mut reopened = 0;
        let mut was_right = false;
        let mut covered: BTreeMap<usize, Timestamp> = BTreeMap::new();
        for (time, step, call_group) in steps {
            match step {
                Step::Violated => {
                    reopened += u64::from(std::mem::take(&mut was_right));
                    covered.remove(&call_group);
                    open.insert(call_group);
                }
                Step::Covered => {
                    if !untimed.contains(&call_group) && open.remove(&call_group) {
                        covered.insert(call_group, time);
                        was_right = open.is_empty();
                    }
                }
            }
        }
        // Each group is resolved by its earliest evidence.
        let mut restored_at = call_groups.iter().enumerate().map(|(number, (call_group, spans))| {
            let by_state = || self.restored_at(*call_group, spans).filter(|_| resolved == Resolved::ByCover && !is_untimed(spans));
            covered.get(&number).copied().into_iter().chain(by_state()).min()
        });
        let mut resolved_at = restored_at.try_fold(Timestamp::BEGINNING, |latest, at| Some(latest.max(at?)));
        if resolved == Resolved::ByPolicy {
            let last = call_groups.values().flatten().copied().flat_map(|span| span.ends().collect::<Vec<_>>()).max();
            let later = self.view.context.boundaries().iter().rev().take_while(|time| Some(**time) > last);
            let demands = |time: &&Timestamp| self.view.policy_is_silent(**time) == InForce::Known(false);
            resolved_at = last.filter(|_| untimed.is_empty()).and_then(|_| later.take_while(demands).last().copied());
        }
        (resolved_at, reopened)
    }

    /// The time, after the last violation of a group, from which the states that were read cover such calls without a break.
    fn restored_at(&self, call_group: CallGroup, spans: &[Span]) -> Option<Timestamp> {
        let last = spans.iter().flat_map(Span::ends).max()?;
        let call = self.view.call_like(call_group.kind.kind, call_group.kind.subject, call_group.kind.api);
        let is_covered = |time: &Timestamp| {
            let again = Call { time: Some(*time), ..call.clone() };
            let judgement = judge(&again, &Evidence::default(), self.view.state, &self.view.options.configuration.requirements);
            (judgement.verdict, judgement.grade) == (Verdict::Compliant, Grade::Enforced)
        };
        // From the latest change of the state backwards, as long as each state covers the calls. Many principals make calls of one kind.
        let boundaries = self.view.context.boundaries();
        let start = boundaries.partition_point(|time| *time <= last);
        let mut enforced = self.enforced.borrow_mut();
        let unbroken = enforced.entry(call_group.kind).or_insert(Unbroken { from: boundaries.len(), is_broken: false });
        while !unbroken.is_broken && unbroken.from > start {
            let before = unbroken.from - 1;
            if boundaries.get(before).is_some_and(is_covered) {
                unbroken.from = before;
            } else {
                unbroken.is_broken = true;
            }
        }
        boundaries.get(unbroken.from.max(start)).copied()
    }
}

fn name_of(view: View<'_>, kind: CallKind) -> (String, Symbol) {
    let subject = view.texts.long(kind.subject);
    (if kind.kind.is_mediated() { subject.to_owned() } else { Model::parse(subject).to_string() }, kind.api)
}
