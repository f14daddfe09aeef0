//! Accumulates the calls of one finding.

use std::{cmp::Ordering, collections::BTreeSet, rc::Rc};

use hashbrown::HashMap;

use super::{aggregate::AlikeCalls, classes::Judged, view::View};
use crate::{
    facts::{Kind, Symbol, Symbol24},
    join::{FoundEvidence, Occurrence},
    rule::{Observed, Resolved, Rule},
    timestamp::Timestamp,
    verdict::{Expectation, Grade, Missing, Reason, Verdict},
};

/// The calls of one finding, folded: it grows with distinct principals, models and operations, not with the number of calls.
pub(super) struct FindingBuilder {
    pub(super) rule: &'static Rule,
    pub(super) principals: HashMap<Symbol24, u64>,
    pub(super) subjects: HashMap<(Kind, Symbol24), u64>,
    pub(super) apis: HashMap<Symbol, u64>,
    /// The first and last call of each group, by the epoch of the state ([`AlikeCalls::epoch`]).
    pub(super) call_groups: HashMap<(CallGroup, Option<u32>), Span>,
    pub(super) count: u64,
    pub(super) first: Occurrence,
    /// The rule's report about the latest call.
    pub(super) observed: Observed,
    pub(super) latest: LatestCall,
    /// The strongest grade of all calls.
    pub(super) grade: Grade,
    pub(super) verdicts: BTreeSet<(Verdict, Option<Reason>)>,
}

/// The latest call of a finding, with its verdict. It decides the text of the finding, the missing evidence, the policy and the resource.
#[derive(Clone)]
pub(super) struct LatestCall {
    /// The calls whose last one it is.
    pub(super) calls: AlikeCalls,
    pub(super) expectation: Expectation,
    pub(super) judged: Rc<Judged>,
}

impl LatestCall {
    /// Orders calls of one time and event id by all that their verdicts depend on, as texts, so that neither the order of reading nor the
    /// numbers of texts in a run decide which is the latest.
    fn order_of_equals(&self, other: &LatestCall, view: View<'_>) -> Ordering {
        let key = |latest: &LatestCall| {
            let AlikeCalls { columns, form, evidence, .. } = latest.calls;
            let requested = view.texts.requested(&columns);
            let texts = [form.api, form.error, requested.guardrail, requested.version, requested.refusing].map(|text| view.texts.get(text));
            let long = [columns.subject, columns.principal].map(|text| view.texts.long(text));
            let flags = [form.bearer_key, form.refused_by_guardrail, form.self_reported, form.by_event_id];
            let evidence: &FoundEvidence = view.joined.table.get(evidence);
            (form.kind, texts, long, flags, evidence, latest.expectation)
        };
        key(self).cmp(&key(other))
    }
}

/// The calls of one principal, with one model, by one operation. A finding is resolved only when all of its groups are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CallGroup {
    pub(super) principal: Symbol24,
    pub(super) kind: CallKind,
}

/// The model and the operation of calls. A covered call is evidence about later calls of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CallKind {
    pub(super) kind: Kind,
    pub(super) subject: Symbol24,
    pub(super) api: Symbol,
}

/// The times of the first and of the last of some calls. If no time is known, `first` is later than `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

impl CallKind {
    pub(super) fn of(calls: &AlikeCalls) -> Self {
        CallKind { kind: calls.form.kind, subject: calls.columns.subject, api: calls.form.api }
    }
}

impl Default for Span {
    fn default() -> Self {
        Span { first: Timestamp::END, last: Timestamp::BEGINNING }
    }
}

impl Span {
    pub(super) fn include(&mut self, time: Option<Timestamp>) {
        if let Some(time) = time {
            self.first = self.first.min(time);
            self.last = self.last.max(time);
        }
    }

    /// Both times, or none if no time is known.
    pub(super) fn ends(&self) -> impl Iterator<Item = Timestamp> {
        [self.first, self.last].into_iter().filter(|_| self.first <= self.last)
    }
}

impl FindingBuilder {
    pub(super) fn new(rule: &'static Rule, latest: &LatestCall, observed: &Observed) -> Self {
        FindingBuilder {
            rule,
            principals: HashMap::new(),
            subjects: HashMap::new(),
            apis: HashMap::new(),
            call_groups: HashMap::new(),
            count: 0,
            first: latest.calls.first,
            observed: observed.clone(),
            latest: latest.clone(),
            grade: Grade::None,
            verdicts: BTreeSet::new(),
        }
    }

    /// Adds alike calls, given by the latest of them.
    pub(super) fn add(&mut self, latest: &LatestCall, observed: &Observed, view: View<'_>) {
        let LatestCall { calls, judged, .. } = latest;
        let (columns, judgement) = (&calls.columns, &judged.judgement);
        *self.principals.entry(columns.principal).or_default() += calls.count;
        *self.subjects.entry((calls.form.kind, columns.subject)).or_default() += calls.count;
        *self.apis.entry(calls.form.api).or_default() += calls.count;
        let call_group = CallGroup { principal: columns.principal, kind: CallKind::of(calls) };
        let span = self.call_groups.entry((call_group, calls.epoch)).or_default();
        calls.times().into_iter().for_each(|time| span.include(time));
        self.count += calls.count;
        self.grade = self.grade.min(judgement.grade);
        self.verdicts.insert((judgement.verdict, judgement.reason));
        if calls.first.order(&self.first, view.texts).is_lt() {
            self.first = calls.first;
        }
        let order = calls.last.order(&self.latest.calls.last, view.texts).then_with(|| observed.because.cmp(&self.observed.because));
        if order.then_with(|| latest.order_of_equals(&self.latest, view)).is_gt() {
            self.latest = latest.clone();
            if self.observed != *observed {
                self.observed.clone_from(observed);
            }
        }
    }

    /// The evidence that resolves the finding. If the latest call lacks an evaluation, only an evaluation of a later call does, whatever
    /// the rule says.
    pub(super) fn resolved(&self) -> Resolved {
        if self.latest.judged.judgement.missing.contains(&Missing::Evaluations) {
            Resolved::ByObservationOfTheSamePrincipal
        } else {
            self.rule.resolved
        }
    }
}
