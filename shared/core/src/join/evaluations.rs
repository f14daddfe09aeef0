//! The evaluations that no call was joined with, and what their number means.
//!
//! It can cast doubt on a call but never clear it. What a missing evaluation proves depends on all records of the account and Region, so
//! [`EvaluationCounts`] keeps what they show until all of them are there, and [`ComparedEvaluations`] decides.

use hashbrown::{HashMap, HashSet};

use super::account_region::AccountRegionContext;
use crate::{
    arn::GuardrailKey,
    cloudtrail::HIDDEN,
    facts::{Kind, Row, Symbol, Symbol24},
    invocation_log::ENFORCED,
    timestamp::Timestamp,
    verdict::Expectation,
};

/// Whether evaluations join, and how many don't. It adds up over parts of the records.
#[derive(Debug, Default)]
pub(crate) struct EvaluationCounts {
    /// Whether there are evaluations, joined or not.
    pub(crate) are_there: bool,
    /// Whether an evaluation was joined to a call.
    pub(crate) joined: bool,
    /// The number of evaluations that were not joined and may be within calls, by principal and hour.
    pub(crate) unjoined: HashMap<(Symbol24, i64), u64>,
    /// Those that name a guardrail. They are within calls only if calls of the same principal request it.
    pub(crate) unjoined_named: HashMap<(Symbol24, i64, Symbol), u64>,
    /// The guardrails that calls request, by principal, as the caller passed them.
    pub(crate) requested: HashSet<(Symbol24, Symbol)>,
}

impl EvaluationCounts {
    /// Records the guardrail that a call requests.
    pub(super) fn note_request(&mut self, call: &Row, context: &AccountRegionContext<'_>) {
        if let Some(guardrail) = context.texts.requested(&call.columns).guardrail.some() {
            self.requested.insert((call.columns.principal, guardrail));
        }
    }

    /// Counts an evaluation whose request id no call has. It may be within a call all the same, unless it failed or is of an answer alone.
    pub(super) fn count_unjoined(&mut self, row: &Row, context: &AccountRegionContext<'_>) {
        let texts = context.texts;
        let form = texts.form(&row.columns);
        if form.kind != Kind::Evaluation || form.is_of_answer_alone() {
            return;
        }
        if let Some(time) = row.time(texts.strings()) {
            let (principal, hour) = (row.columns.principal, hour_of(time));
            let identifier = texts.requested(&row.columns).guardrail;
            match texts.get(identifier) {
                "" if texts.long(row.columns.subject).is_empty() => {}
                ENFORCED | HIDDEN | "" => *self.unjoined.entry((principal, hour)).or_default() += 1,
                _ => *self.unjoined_named.entry((principal, hour, identifier)).or_default() += 1,
            }
        }
    }

    /// Whether an evaluation was joined to a call.
    pub(crate) fn join(&self) -> bool {
        self.joined
    }

    /// Adds the counts of other records.
    pub(super) fn merge(&mut self, other: EvaluationCounts) {
        self.are_there |= other.are_there;
        self.joined |= other.joined;
        other.unjoined.into_iter().for_each(|(key, count)| *self.unjoined.entry(key).or_default() += count);
        other.unjoined_named.into_iter().for_each(|(key, count)| *self.unjoined_named.entry(key).or_default() += count);
        self.requested.extend(other.requested);
    }

    /// Decides which evaluations are within calls. That needs the counts of all records.
    pub(crate) fn compared(&self, context: &AccountRegionContext<'_>) -> ComparedEvaluations {
        let key = |identifier| GuardrailKey::from_identifier(context.texts.get(identifier), &context.account, &context.region);
        let requested: HashSet<_> = self.requested.iter().map(|(principal, identifier)| (*principal, key(*identifier))).collect();
        let inside = |principal: Symbol24, named| requested.contains(&(principal, named)) || requested.contains(&(principal, None));
        let mut compared = ComparedEvaluations { joined: self.joined, unjoined: self.unjoined.clone(), ..ComparedEvaluations::default() };
        for ((principal, hour, identifier), count) in &self.unjoined_named {
            if inside(*principal, key(*identifier)) {
                *compared.unjoined.entry((*principal, *hour)).or_default() += count;
            } else {
                compared.direct = true;
            }
        }
        compared.unjoined.keys().for_each(|(_, hour)| *compared.principals.entry(*hour).or_default() += 1);
        compared
    }
}

/// Calls of one principal in an hour that are unlikely to lack evaluations by chance, if other principals have some.
const MANY_CALLS: u64 = 20;

/// What a missing evaluation proves, by principal and hour.
#[derive(Debug, Default)]
pub(crate) struct ComparedEvaluations {
    joined: bool,
    /// The number of evaluations that were not joined and are within calls.
    unjoined: HashMap<(Symbol24, i64), u64>,
    /// The number of principals with such evaluations, by hour.
    principals: HashMap<i64, usize>,
    /// Whether there were others: direct calls of ApplyGuardrail. They prove that evaluations are recorded, but none of a call.
    direct: bool,
    /// The number of calls that rest on enforcement and have no evaluation.
    calls: HashMap<(Symbol24, i64), u64>,
}

impl ComparedEvaluations {
    /// Whether what a missing evaluation proves depends on how many calls there are.
    pub(crate) fn depends_on_calls(&self) -> bool {
        !self.joined && (self.direct || !self.unjoined.is_empty())
    }

    /// Counts calls that rest on enforcement and have no evaluation.
    pub(crate) fn add_calls(&mut self, principal: Symbol24, hour: i64, count: u64) {
        *self.calls.entry((principal, hour)).or_default() += count;
    }

    /// What it proves about a call that it has no evaluation. All calls must be counted before.
    pub(crate) fn expectation(&self, principal: Symbol24, hour: i64) -> Expectation {
        if self.joined {
            return Expectation::Evaluation;
        }
        let of_principal = self.unjoined.get(&(principal, hour));
        let of_others = self.principals.get(&hour).copied().unwrap_or(0) > usize::from(of_principal.is_some());
        let of_principal = of_principal.copied().unwrap_or(0);
        let calls = self.calls.get(&(principal, hour)).copied().unwrap_or(0);
        match of_principal {
            _ if of_principal >= calls || !self.depends_on_calls() => Expectation::None,
            0 if of_others && calls >= MANY_CALLS => Expectation::Evaluation,
            _ => Expectation::Doubt,
        }
    }
}

/// The hour that contains a time, since 1970.
pub(crate) fn hour_of(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(3_600_000_000)
}
