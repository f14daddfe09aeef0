//! Simulates a change of enforcement on the calls in the logs.

mod possible;
mod prospect;
mod softening;
pub mod v1;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    arn::{AccountId, Region},
    auditor::{self, AuditOptions},
    change::WorldChange,
    control_change::ControlChange,
    facts::EvidenceRows,
    model::Model,
    operations::OperationCoverage,
    report::CoverageRow,
    severity::Severity,
    timestamp::Timestamp,
    verdict::{Call, Evidence, Grade, Judgement, Reason, Verdict, judge},
    world::{State, World},
};
pub use possible::Impossible;
use possible::is_possible;
use prospect::{Prospect, Scope, enforced, prospect};
use softening::{Softening, demanded_less, softening};

/// The effects of a supposed change on past calls, as if they were made after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulation {
    /// The number of calls with each effect.
    pub calls: BTreeMap<Effect, u64>,
    /// The number of accounts with calls of each effect.
    pub accounts: BTreeMap<Effect, usize>,
    /// For each account, the number of calls with each effect.
    pub by_account: BTreeMap<AccountId, BTreeMap<Effect, u64>>,
    /// The calls grouped by account, Region, model and operation, worst effect first.
    pub rows: Vec<Row>,
    /// The accounts and Regions without calls whose effective policies would demand less.
    pub elsewhere: Vec<Elsewhere>,
}

/// The calls of an account and Region with one model and operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The effect on them.
    pub effect: Effect,
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// The model, as `coverage` shows it.
    pub model: String,
    /// The operation.
    pub api: String,
    /// The number of calls.
    pub calls: u64,
    /// The verdict before the change.
    pub before: Outlook,
    /// The verdict after the change.
    pub after: Outlook,
    /// Why they would fail, what isn't known, or what becomes weaker: a phrase.
    pub why: Option<String>,
    /// The changes that weaken their guardrails.
    pub changes: Vec<ControlChange>,
    /// What isn't known, one sentence each.
    pub not_known: Vec<String>,
}

/// An account and Region without calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// What its effective policy would no longer demand.
    pub changes: Vec<ControlChange>,
    /// What isn't known about that, one sentence each.
    pub not_known: Vec<String>,
}

/// A verdict in short.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outlook {
    /// The verdict.
    pub verdict: Verdict,
    /// The grade of its evidence.
    pub grade: Grade,
    /// The reason, for a violation.
    pub reason: Option<Reason>,
}

/// The effect of a change on calls, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// They were covered and no longer would be.
    LosesCover,
    /// They would fail, because the enforced guardrail can't be applied.
    StartsToFail,
    /// They would stay covered by a weaker guardrail, or with less content evaluated.
    Weaker,
    /// The effect isn't known.
    NotKnown,
    /// They were not covered and would be.
    GainsCover,
    /// No effect.
    Unchanged,
}

impl Effect {
    /// All effects, worst first.
    pub const ALL: [Effect; 6] =
        [Effect::LosesCover, Effect::StartsToFail, Effect::Weaker, Effect::NotKnown, Effect::GainsCover, Effect::Unchanged];

    /// All effects in the order of the report, improvements first.
    pub const IN_REPORTS: [Effect; 6] =
        [Effect::GainsCover, Effect::LosesCover, Effect::Weaker, Effect::StartsToFail, Effect::NotKnown, Effect::Unchanged];

    /// Its name in JSON and CSV.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Effect::LosesCover => "loses_cover",
            Effect::StartsToFail => "starts_to_fail",
            Effect::Weaker => "weaker",
            Effect::NotKnown => "not_known",
            Effect::GainsCover => "gains_cover",
            Effect::Unchanged => "unchanged",
        }
    }

    /// The severity of the effect.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Effect::LosesCover => Severity::Critical,
            Effect::StartsToFail | Effect::Weaker => Severity::High,
            Effect::NotKnown => Severity::Medium,
            Effect::GainsCover | Effect::Unchanged => Severity::Informational,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.as_str().replace('_', " "))
    }
}

impl Outlook {
    fn of(judgement: &Judgement) -> Self {
        Outlook { verdict: judgement.verdict, grade: judgement.grade, reason: judgement.reason }
    }
}

/// Applies supposed changes, one after another, to the last known state, and judges the calls again that were made before.
///
/// Calls are taken to request no guardrail of their own. With `permitted`, two things that no world contains are assumed: the policies of
/// callers let them apply guardrails of other accounts, and guardrail profiles are shared wherever inference may run.
pub fn simulate(
    facts: EvidenceRows,
    mut world: World,
    supposed: &[WorldChange],
    permitted: bool,
    options: &AuditOptions<'_>,
) -> Result<Simulation, Impossible> {
    let changes = facts.changes();
    for (key, change) in &changes {
        if let Some(effect) = change.effect.as_ref().filter(|_| !change.is_refused()) {
            world.apply(key.time, &key.event_id, effect);
        }
    }
    let at = changes.iter().map(|(key, _)| key.time).max().map_or(options.now, |latest| latest.max(options.now)).plus_seconds(1);
    let before = world.clone().resolve();
    let mut supposing = world.clone();
    let mut history: BTreeMap<(AccountId, Region, String, String), u64> = BTreeMap::new();
    for CoverageRow { account, region, model, api, count, .. } in auditor::audit(facts, world, options).coverage {
        *history.entry((account, region, model.to_string(), api.to_string())).or_default() += count;
    }
    for (number, change) in supposed.iter().enumerate() {
        is_possible(change, &supposing.clone().resolve(), at, |account| history.keys().any(|(of, ..)| of == account))?;
        supposing.apply(at, &format!("supposed-{number:03}"), change);
    }
    let change = Change { before: &before, after: &supposing.resolve(), at, permitted, options };
    let mut simulation = Simulation { elsewhere: change.elsewhere(&history), ..Simulation::default() };
    for ((account, region, model, api), calls) in history {
        let row = change.of_calls(account, region, model, api, calls);
        *simulation.by_account.entry(row.account.clone()).or_default().entry(row.effect).or_default() += calls;
        simulation.rows.push(row);
    }
    simulation.rows.sort_by(|a, b| {
        let key = |row: &Row| (row.effect, row.account.clone(), row.region.clone(), row.model.clone(), row.api.clone());
        key(a).cmp(&key(b))
    });
    for effect in Effect::ALL {
        let rows = || simulation.rows.iter().filter(|row| row.effect == effect);
        let (calls, accounts) = (rows().map(|row| row.calls).sum(), rows().map(|row| &row.account).collect::<BTreeSet<_>>().len());
        simulation.calls.insert(effect, calls);
        simulation.accounts.insert(effect, accounts);
    }
    Ok(simulation)
}

/// The state before the change and the supposed state after it.
struct Change<'s> {
    before: &'s State,
    after: &'s State,
    at: Timestamp,
    permitted: bool,
    options: &'s AuditOptions<'s>,
}

impl Change<'_> {
    fn of_calls(&self, account: AccountId, region: Region, model: String, api: String, calls: u64) -> Row {
        let call = |time: Timestamp| Call {
            account: account.clone(),
            region: region.clone(),
            time: Some(time),
            reach: OperationCoverage::of_operation(&api).unwrap_or(OperationCoverage::Uncovered),
            api: api.clone(),
            model: Model::parse(&model),
            requested: None,
            mediator: None,
            failed: false,
        };
        let (then, now) = (self.at.just_before(), self.at);
        let (call_then, call_now) = (call(then), call(now));
        let requirements = &self.options.configuration.requirements;
        let was = judge(&call_then, &Evidence::default(), self.before, requirements);
        let becomes = judge(&call_now, &Evidence::default(), self.after, requirements);
        let lost = softening(&region, &enforced(self.before, &call_then, then), &enforced(self.after, &call_now, now), self.after);
        let failed = prospect(self.before, &call_then, then, Scope::OfPlace, self.permitted);
        let fails = prospect(self.after, &call_now, now, Scope::OfModel, self.permitted);
        let GroupEffect { effect, why, changes, not_known } = effect_of(&was, &becomes, &failed, fails, lost);
        Row { effect, account, region, model, api, calls, before: Outlook::of(&was), after: Outlook::of(&becomes), why, changes, not_known }
    }

    /// The accounts and Regions without calls whose effective policies demand less after the change.
    fn elsewhere(&self, history: &BTreeMap<(AccountId, Region, String, String), u64>) -> Vec<Elsewhere> {
        let mut elsewhere = Vec::new();
        let accounts: BTreeSet<&AccountId> = self.before.accounts().chain(self.after.accounts()).collect();
        for account in accounts {
            let policy = |state: &State, at: Timestamp| state.policy(account, at).state().and_then(|in_force| in_force.policy.clone());
            let (was, becomes) = (policy(self.before, self.at.just_before()), policy(self.after, self.at));
            let regions = was.iter().flat_map(|policy| policy.regions.keys());
            let is_quiet = |region: &&Region| !history.keys().any(|(of, at, ..)| of == account && at == *region);
            for region in regions.filter(is_quiet) {
                if let Some(Softening { changes, not_known }) = demanded_less(region, was.as_deref(), becomes.as_deref(), self.after) {
                    elsewhere.push(Elsewhere { account: account.clone(), region: region.clone(), changes, not_known });
                }
            }
        }
        elsewhere
    }
}

/// The effect on a group of calls.
struct GroupEffect {
    effect: Effect,
    why: Option<String>,
    changes: Vec<ControlChange>,
    not_known: Vec<String>,
}

fn effect_of(was: &Judgement, becomes: &Judgement, failed: &Prospect, fails: Prospect, lost: Softening) -> GroupEffect {
    if let (Some(why), None) = (&fails.fails, &failed.fails) {
        return GroupEffect { effect: Effect::StartsToFail, why: Some(why.clone()), changes: lost.changes, not_known: lost.not_known };
    }
    // A question that is open after the change and was open before it too doesn't make the effect unknown.
    let mut not_known: Vec<String> =
        fails.open.into_iter().filter(|(question, _)| !failed.open.contains_key(question)).map(|(_, text)| text).collect();
    not_known.extend(lost.not_known);
    let missing = |of: &Judgement| of.missing.iter().map(|missing| missing.as_str().to_owned()).collect::<Vec<_>>();
    match (was.verdict, becomes.verdict) {
        (before, Verdict::NotProvable) if before != Verdict::NotProvable => not_known.extend(missing(becomes)),
        // They may have been covered before.
        (Verdict::NotProvable, Verdict::Violation | Verdict::NotApplicable) => not_known.extend(missing(was)),
        _ => {}
    }
    let effect = match (was.verdict, becomes.verdict) {
        // Less can be enforced without a violation: the default requirement follows the policy.
        (Verdict::Compliant, Verdict::Violation | Verdict::NotApplicable) => Effect::LosesCover,
        (Verdict::NotProvable, Verdict::Violation | Verdict::NotApplicable) => Effect::NotKnown,
        (Verdict::Violation, Verdict::Compliant) if not_known.is_empty() => Effect::GainsCover,
        _ if !lost.changes.is_empty() => Effect::Weaker,
        _ if !not_known.is_empty() => Effect::NotKnown,
        // Exempt calls were not covered either.
        (Verdict::NotProvable | Verdict::NotApplicable, Verdict::Compliant) => Effect::GainsCover,
        // Exempt or a violation: not covered before and after.
        _ => Effect::Unchanged,
    };
    let changed = lost.changes.iter().map(ToString::to_string);
    let reasons: Vec<String> = match effect {
        Effect::Weaker | Effect::LosesCover => changed.chain(not_known.iter().cloned()).collect(),
        _ => not_known.clone(),
    };
    let why = (!reasons.is_empty()).then(|| reasons.join("; "));
    GroupEffect { effect, why, changes: lost.changes, not_known }
}
