//! Version 1 of a simulation as JSON, which programs read. It stands apart from the types that the simulation works with, so that those can
//! change without changing what is written. Fields are only ever added.

use serde::Serialize;

use crate::{
    report::{
        self,
        v1::{ControlChange, Filter},
    },
    simulate::{self, Effect},
    verdict::Reason,
};

/// A whole simulation.
#[derive(Debug, Serialize)]
pub struct Simulation<'s> {
    /// The version of the format: 1.
    pub schema_version: u32,
    /// For each effect, how many calls and accounts have it.
    pub summary: ByEffect<Counts>,
    /// The calls, worst effect first.
    pub rows: Vec<Row<'s>>,
    /// For each account, the number of its calls with each effect.
    pub by_account: Vec<AccountRow<'s>>,
    /// The accounts and Regions without calls whose effective policies would demand less.
    pub elsewhere: Vec<Elsewhere<'s>>,
    /// What the simulation is limited to; absent if it is about all calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter<'s>>,
    /// Why the simulation proves nothing; absent if it does.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub incomplete: &'s [String],
}

/// A value for each effect, worst effect first.
#[derive(Debug, Serialize)]
pub struct ByEffect<T> {
    /// Calls that were covered and no longer would be.
    pub loses_cover: T,
    /// Calls that would fail.
    pub starts_to_fail: T,
    /// Calls that would stay covered, by a weaker guardrail or with less content evaluated.
    pub weaker: T,
    /// Calls for which the effect isn't known.
    pub not_known: T,
    /// Calls that were not covered and would be.
    pub gains_cover: T,
    /// Calls for which nothing changes.
    pub unchanged: T,
}

impl<T> ByEffect<T> {
    fn of(value: impl Fn(Effect) -> T) -> Self {
        ByEffect {
            loses_cover: value(Effect::LosesCover),
            starts_to_fail: value(Effect::StartsToFail),
            weaker: value(Effect::Weaker),
            not_known: value(Effect::NotKnown),
            gains_cover: value(Effect::GainsCover),
            unchanged: value(Effect::Unchanged),
        }
    }
}

/// How many calls and accounts have an effect; null if none has.
#[derive(Debug, Serialize)]
pub struct Counts {
    /// The number of calls.
    pub calls: Option<u64>,
    /// The number of accounts that made them.
    pub accounts: Option<usize>,
}

/// An account.
#[derive(Debug, Serialize)]
pub struct AccountRow<'s> {
    /// The account.
    pub account: &'s str,
    /// The number of its calls with each effect.
    #[serde(flatten)]
    pub calls: ByEffect<u64>,
}

/// The calls of an account and Region with one model and operation.
#[derive(Debug, Serialize)]
pub struct Row<'s> {
    /// The effect on them.
    pub effect: &'s str,
    /// The account.
    pub account: &'s str,
    /// The Region.
    pub region: &'s str,
    /// The model.
    pub model: &'s str,
    /// The operation.
    pub api: &'s str,
    /// The number of calls.
    pub calls: u64,
    /// The verdict before the change.
    pub before: Outlook<'s>,
    /// The verdict after the change.
    pub after: Outlook<'s>,
    /// Why they would fail, what isn't known, or what becomes weaker: a phrase.
    pub why: Option<&'s str>,
    /// The changes that weaken their guardrails.
    pub changes: Vec<ControlChange<'s>>,
    /// What isn't known, one sentence each.
    pub not_known: &'s [String],
}

/// A verdict in short.
#[derive(Debug, Serialize)]
pub struct Outlook<'s> {
    /// The verdict.
    pub verdict: &'s str,
    /// The grade of its evidence.
    pub grade: &'s str,
    /// The reason, for a violation.
    pub reason: Option<&'s str>,
}

/// An account and Region without calls.
#[derive(Debug, Serialize)]
pub struct Elsewhere<'s> {
    /// The account.
    pub account: &'s str,
    /// The Region.
    pub region: &'s str,
    /// What its effective policy would no longer demand.
    pub changes: Vec<ControlChange<'s>>,
    /// What isn't known about that, one sentence each.
    pub not_known: &'s [String],
}

impl<'s> Simulation<'s> {
    /// A simulation with the limits of the calls that it is about, and with the reasons why it proves nothing.
    #[must_use]
    pub fn new(simulation: &'s simulate::Simulation, filter: Option<&'s report::Filter>, incomplete: &'s [String]) -> Self {
        let counts = |effect| Counts { calls: simulation.calls.get(&effect).copied(), accounts: simulation.accounts.get(&effect).copied() };
        let by_account = simulation.by_account.iter().map(|(account, effects)| AccountRow {
            account,
            calls: ByEffect::of(|effect| effects.get(&effect).copied().unwrap_or_default()),
        });
        Simulation {
            schema_version: 1,
            summary: ByEffect::of(counts),
            rows: rows(&simulation.rows),
            by_account: by_account.collect(),
            elsewhere: simulation.elsewhere.iter().map(Elsewhere::from).collect(),
            filter: filter.map(Filter::from),
            incomplete,
        }
    }
}

/// The rows of calls alone, for output with one row on each line.
#[must_use]
pub fn rows(rows: &[simulate::Row]) -> Vec<Row<'_>> {
    rows.iter().map(Row::from).collect()
}

impl<'s> From<&'s simulate::Row> for Row<'s> {
    fn from(row: &'s simulate::Row) -> Self {
        Row {
            effect: row.effect.as_str(),
            account: &row.account,
            region: &row.region,
            model: &row.model,
            api: &row.api,
            calls: row.calls,
            before: (&row.before).into(),
            after: (&row.after).into(),
            why: row.why.as_deref(),
            changes: row.changes.iter().map(ControlChange::from).collect(),
            not_known: &row.not_known,
        }
    }
}

impl From<&simulate::Outlook> for Outlook<'_> {
    fn from(outlook: &simulate::Outlook) -> Self {
        Outlook { verdict: outlook.verdict.as_str(), grade: outlook.grade.as_str(), reason: outlook.reason.map(Reason::as_str) }
    }
}

impl<'s> From<&'s simulate::Elsewhere> for Elsewhere<'s> {
    fn from(elsewhere: &'s simulate::Elsewhere) -> Self {
        Elsewhere {
            account: &elsewhere.account,
            region: &elsewhere.region,
            changes: elsewhere.changes.iter().map(ControlChange::from).collect(),
            not_known: &elsewhere.not_known,
        }
    }
}
