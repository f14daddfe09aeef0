//! When a finding is resolved: on positive evidence only, never because nothing was heard.
//!
//! A finding about calls has *strands*: a principal, a model and an operation each. A strand is right again when a later call like it was
//! covered, or when the state was read and covers it. A finding is resolved when all its strands are right again.

use std::collections::{BTreeMap, BTreeSet};

use super::{Auditor, Calls, Draft, Outcome};
use crate::{
    arn::{AccountId, Region},
    facts::Symbol,
    finding::FindingKey,
    moment::Moment,
    rule::Resolved,
    verdict::{Call, Evidence, Grade, Verdict, judge},
};

/// What calls share that cover each other, whoever makes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    account: AccountId,
    region: Region,
    model: String,
    api: String,
}

impl Kind {
    fn of(calls: &Calls<'_>) -> Self {
        let Call { account, region, model, api, .. } = &calls.call;
        Kind { account: account.clone(), region: region.clone(), model: model.to_string(), api: api.clone() }
    }
}

/// Knows which calls were covered, and so which findings are resolved.
pub(super) struct Resolver<'r, 'a> {
    auditor: &'r Auditor<'a>,
    covers: BTreeMap<Kind, Vec<Cover>>,
}

struct Cover {
    principal: Symbol,
    /// What is enforced covers everybody, what is requested only who requests it.
    for_everybody: bool,
    first: Moment,
    last: Moment,
}

/// What happened to a strand at a moment. At one moment a violation comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Covered,
    Violated,
}

impl<'r, 'a> Resolver<'r, 'a> {
    pub(super) fn new(auditor: &'r Auditor<'a>, drafts: &BTreeMap<FindingKey, Draft>, outcomes: &[Outcome]) -> Self {
        let members = drafts.values().flat_map(|draft| &draft.calls);
        let concerned: BTreeSet<Kind> = members.filter_map(|&index| auditor.calls(index as usize)).map(|calls| Kind::of(&calls)).collect();
        let mut covers: BTreeMap<Kind, Vec<Cover>> = BTreeMap::new();
        for (index, outcome) in outcomes.iter().enumerate() {
            if outcome.verdict != Verdict::Compliant || outcome.grade > Grade::Requested {
                continue;
            }
            let Some(calls) = auditor.calls(index) else { continue };
            let kind = Kind::of(&calls);
            if concerned.contains(&kind) {
                covers.entry(kind).or_default().push(Cover {
                    principal: calls.shape.principal,
                    for_everybody: outcome.grade <= Grade::Enforced && calls.call.requested.is_none(),
                    first: calls.tally.first.time,
                    last: calls.tally.last.time,
                });
            }
        }
        Resolver { auditor, covers }
    }

    /// When the finding was resolved for good, if it was, and how often it came back before.
    pub(super) fn resolve(&self, draft: &Draft) -> (Option<Moment>, u64) {
        let by_same_principal_only = match draft.rule.resolved {
            Resolved::ByCover => false,
            Resolved::ByCoverOfTheSamePrincipal => true,
            Resolved::Never => return (None, 0),
        };
        let mut strands: BTreeMap<(Symbol, Kind), Vec<Calls<'_>>> = BTreeMap::new();
        for calls in draft.calls.iter().filter_map(|&index| self.auditor.calls(index as usize)) {
            strands.entry((calls.shape.principal, Kind::of(&calls))).or_default().push(calls);
        }
        let mut steps: Vec<(Moment, Step, usize)> = Vec::new();
        for (number, ((principal, kind), violations)) in strands.iter().enumerate() {
            for calls in violations {
                steps.push((calls.tally.first.time, Step::Violated, number));
                steps.push((calls.tally.last.time, Step::Violated, number));
            }
            let all = self.covers.get(kind).into_iter().flatten();
            for cover in all.filter(|cover| cover.principal == *principal || (cover.for_everybody && !by_same_principal_only)) {
                steps.push((cover.first, Step::Covered, number));
                steps.push((cover.last, Step::Covered, number));
            }
        }
        steps.sort_unstable();
        let mut open: BTreeSet<usize> = BTreeSet::new();
        let (mut reopened, mut resolved_at) = (0, None);
        for (time, step, strand) in steps {
            match step {
                Step::Violated => {
                    reopened += u64::from(resolved_at.take().is_some());
                    open.insert(strand);
                }
                Step::Covered => {
                    if open.remove(&strand) && open.is_empty() {
                        resolved_at = Some(time);
                    }
                }
            }
        }
        if resolved_at.is_none() && !by_same_principal_only {
            let still_open = strands.values().enumerate().filter(|(number, _)| open.contains(number)).map(|(_, calls)| calls);
            let mut right_again = still_open.map(|calls| self.right_again(calls));
            resolved_at = right_again.try_fold(Moment::BEGINNING, |latest, at| Some(latest.max(at?)));
        }
        (resolved_at, reopened)
    }

    /// The moment after a strand's last violation from which the state, as it was read, covers calls like it to this day.
    fn right_again(&self, violations: &[Calls<'_>]) -> Option<Moment> {
        let last = violations.iter().max_by_key(|calls| calls.tally.last.time)?;
        let (state, requirements) = (self.auditor.state, &self.auditor.configuration.requirements);
        let covered_from = |moment: Moment| {
            let again = Call { time: Some(moment), ..last.call.clone() };
            let judgement = judge(&again, &Evidence::default(), state, requirements);
            (judgement.verdict, judgement.grade) == (Verdict::Compliant, Grade::Enforced)
        };
        let later = state.boundaries(&last.place.account, &last.place.region).into_iter().filter(|moment| *moment > last.tally.last.time);
        // Backwards from today, as far as it is covered without a break.
        later.rev().take_while(|moment| covered_from(*moment)).last()
    }
}
