//! When a finding is resolved: on positive evidence only, never because nothing was heard.
//!
//! A finding about calls has *strands*: a principal, a model and an operation each. A strand is right again when a later call like it was
//! covered, or when the state was read and covers it. A finding is resolved when all its strands are right again.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::{
    classes::Judged,
    finding_builder::{CallGroup, CallKind, FindingBuilder, Span},
    place::View,
};
use crate::{
    facts::{Symbol, Symbol24},
    join::JoinedCall,
    model::Model,
    rule::Resolved,
    timestamp::Timestamp,
    verdict::{Call, Evidence, Grade, Verdict, judge},
    world::InForce,
};

/// When calls were covered, by kind and stretch of time, for everybody or for a principal.
#[derive(Default)]
pub(super) struct CoverageTimes(HashMap<(CallKind, CoverageSource, Option<u32>), Span>);

/// How a call was covered, and so for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum CoverageSource {
    /// By what is enforced on everybody.
    OfEverybody,
    /// By what the principal requests, or what is enforced on it.
    Of(Symbol24),
    /// As the evaluation of this principal's call shows.
    ObservedOf(Symbol24),
}

impl CoverageTimes {
    /// Takes note of a call. What is enforced covers everybody, what is requested only who requests it.
    pub(super) fn add(&mut self, view: View<'_>, met: &JoinedCall, judged: &Judged) {
        let (verdict, grade) = (judged.judgement.verdict, judged.judgement.grade);
        // What an account says of itself resolves nothing.
        if met.form.self_reported || verdict != Verdict::Compliant || grade > Grade::Requested {
            return;
        }
        let requested = view.texts.requested(&met.columns).guardrail.some().is_some();
        let shown = &view.place.found(met.evidence).evidence;
        // An evaluation may be by what only the request brought in, although the record of the call doesn't show that.
        let shows_enforcement = shown.enforced_evaluation || shown.evaluated.iter().any(|evaluated| evaluated.enforced);
        let principal = met.columns.principal;
        let by_enforcement = grade == Grade::Enforced || (grade == Grade::Observed && shows_enforcement);
        let everybody = (by_enforcement && !requested).then_some(CoverageSource::OfEverybody);
        let observed = (grade == Grade::Observed).then_some(CoverageSource::ObservedOf(principal));
        for cover in [Some(CoverageSource::Of(principal)), everybody, observed].into_iter().flatten() {
            self.0.entry((CallKind::of(met), cover, met.epoch)).or_default().include(met.seen.time);
        }
    }
}

/// Knows which calls were covered, and so which findings are resolved.
pub(super) struct Resolver<'v> {
    view: View<'v>,
    /// By the name of the model and the operation: several forms of a model cover each other.
    covers: BTreeMap<(String, Symbol), Vec<(CoverageSource, Span)>>,
}

/// What happened to a strand at a moment. At one moment a violation comes last.
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
        for ((kind, cover, _), span) in &covers.0 {
            let name = name_of(view, *kind);
            if concerned.contains(&name) {
                by_name.entry(name).or_default().push((*cover, *span));
            }
        }
        Resolver { view, covers: by_name }
    }

    /// When the finding was resolved for good, if it was, and how often it came back before.
    pub(super) fn resolve(&self, builder: &FindingBuilder) -> (Option<Timestamp>, u64) {
        let resolved = builder.resolved();
        let right_by = |cover: CoverageSource, principal: Symbol24| match resolved {
            Resolved::ByCover => cover == CoverageSource::OfEverybody || cover == CoverageSource::Of(principal),
            Resolved::ByCoverOfTheSamePrincipal => cover == CoverageSource::Of(principal),
            Resolved::ByObservationOfTheSamePrincipal => cover == CoverageSource::ObservedOf(principal),
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
            let covering = all.filter(|(cover, _)| right_by(*cover, call_group.principal));
            steps.extend(covering.flat_map(|(_, span)| span.ends()).map(|time| (time, Step::Covered, number)));
        }
        steps.sort_unstable();
        // Strands that were never seen at a known time stay open.
        let untimed = call_groups.values().enumerate().filter(|(_, spans)| spans.iter().all(|span| span.ends().next().is_none()));
        let mut open: BTreeSet<usize> = untimed.map(|(number, _)| number).collect();
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
                    if open.remove(&call_group) {
                        covered.insert(call_group, time);
                        was_right = open.is_empty();
                    }
                }
            }
        }
        // The earliest evidence counts, strand by strand.
        let mut right_again = call_groups.iter().enumerate().map(|(number, (call_group, spans))| {
            let by_state = || self.right_again(*call_group, spans).filter(|_| resolved == Resolved::ByCover);
            covered.get(&number).copied().into_iter().chain(by_state()).min()
        });
        let mut resolved_at = right_again.try_fold(Timestamp::BEGINNING, |latest, at| Some(latest.max(at?)));
        if resolved == Resolved::ByPolicy {
            let last = call_groups.values().flatten().copied().flat_map(|span| span.ends().collect::<Vec<_>>()).max();
            let later = self.view.place.boundaries().iter().rev().take_while(|moment| Some(**moment) > last);
            let demands = |moment: &&Timestamp| self.view.policy_is_silent(**moment) == InForce::Known(false);
            resolved_at = last.and_then(|_| later.take_while(demands).last().copied());
        }
        (resolved_at, reopened)
    }

    /// The moment after a strand's last violation from which the state, as it was read, covers calls like it to this day.
    fn right_again(&self, call_group: CallGroup, spans: &[Span]) -> Option<Timestamp> {
        let last = spans.iter().flat_map(Span::ends).max()?;
        let call = self.view.call_like(call_group.kind.kind, call_group.kind.subject, call_group.kind.api);
        let is_covered = |moment: &Timestamp| {
            let again = Call { time: Some(*moment), ..call.clone() };
            let judgement = judge(&again, &Evidence::default(), self.view.state, &self.view.options.configuration.requirements);
            (judgement.verdict, judgement.grade) == (Verdict::Compliant, Grade::Enforced)
        };
        // Backwards from today, as far as it is covered without a break.
        let later = self.view.place.boundaries().iter().rev().take_while(|moment| **moment > last);
        later.take_while(|moment| is_covered(moment)).last().copied()
    }
}

fn name_of(view: View<'_>, kind: CallKind) -> (String, Symbol) {
    let subject = view.texts.long(kind.subject);
    (if kind.kind.is_mediated() { subject.to_owned() } else { Model::parse(subject).to_string() }, kind.api)
}
