//! Accumulates the calls of one finding.

use std::{collections::BTreeSet, rc::Rc};

use hashbrown::HashMap;

use super::classes::Judged;
use crate::{
    facts::{Kind, Symbol, Symbol24, Texts},
    join::{JoinedCall, Occurrence},
    rule::{Observed, Resolved, Rule},
    timestamp::Timestamp,
    verdict::{Grade, Missing, Reason, Verdict},
};

/// The calls of one finding, folded: it grows with distinct principals, models and operations, not with the number of calls.
pub(super) struct FindingBuilder {
    pub(super) rule: &'static Rule,
    pub(super) principals: HashMap<Symbol24, u64>,
    pub(super) subjects: HashMap<(Kind, Symbol24), u64>,
    pub(super) apis: HashMap<Symbol, u64>,
    /// The first and last call of each group, by the epoch of the state ([`JoinedCall::epoch`]).
    pub(super) call_groups: HashMap<(CallGroup, Option<u32>), Span>,
    pub(super) count: u64,
    pub(super) first: Occurrence,
    pub(super) last: Occurrence,
    /// The rule's report about the latest call.
    pub(super) observed: Observed,
    /// The verdict on the latest call.
    pub(super) latest: Rc<Judged>,
    /// The strongest grade of all calls.
    pub(super) grade: Grade,
    pub(super) verdicts: BTreeSet<(Verdict, Option<Reason>)>,
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
    pub(super) fn of(joined: &JoinedCall) -> Self {
        CallKind { kind: joined.form.kind, subject: joined.columns.subject, api: joined.form.api }
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
    pub(super) fn new(rule: &'static Rule, joined: &JoinedCall, judged: &Rc<Judged>, observed: &Observed) -> Self {
        FindingBuilder {
            rule,
            principals: HashMap::new(),
            subjects: HashMap::new(),
            apis: HashMap::new(),
            call_groups: HashMap::new(),
            count: 0,
            first: joined.seen,
            last: joined.seen,
            observed: observed.clone(),
            latest: Rc::clone(judged),
            grade: Grade::None,
            verdicts: BTreeSet::new(),
        }
    }

    pub(super) fn add(&mut self, joined: &JoinedCall, judged: &Rc<Judged>, observed: &Observed, texts: &Texts) {
        let (columns, judgement) = (&joined.columns, &judged.judgement);
        *self.principals.entry(columns.principal).or_default() += 1;
        *self.subjects.entry((joined.form.kind, columns.subject)).or_default() += 1;
        *self.apis.entry(joined.form.api).or_default() += 1;
        let call_group = CallGroup { principal: columns.principal, kind: CallKind::of(joined) };
        self.call_groups.entry((call_group, joined.epoch)).or_default().include(joined.seen.time);
        self.count += 1;
        self.grade = self.grade.min(judgement.grade);
        self.verdicts.insert((judgement.verdict, judgement.reason));
        if joined.seen.order(&self.first, texts).is_lt() {
            self.first = joined.seen;
        }
        // If calls have equal times and event ids, the later text wins, so that the order of reading doesn't change the finding.
        if joined.seen.order(&self.last, texts).then_with(|| observed.because.cmp(&self.observed.because)).is_ge() {
            self.last = joined.seen;
            if self.observed != *observed {
                self.observed.clone_from(observed);
            }
            self.latest = Rc::clone(judged);
        }
    }
    /// The evidence that resolves the finding. If the latest call lacks an evaluation, only an evaluation of a later call does, whatever
    /// the rule says.
    pub(super) fn resolved(&self) -> Resolved {
        if self.latest.judgement.missing.contains(&Missing::Evaluations) {
            Resolved::ByObservationOfTheSamePrincipal
        } else {
            self.rule.resolved
        }
    }
}
