//! What a change of enforcement would do to the calls that were made so far.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    api::Reach,
    arn::{AccountId, GuardrailVersionArn, Region},
    auditor::{self, Terms},
    enforcement::Meant,
    facts::Facts,
    guardrail::sharing::{Sharing, shares_with},
    model::Model,
    moment::Moment,
    policy::Identifier,
    report::CoverageRow,
    verdict::{Call, Evidence, Grade, Judgement, Reason, Verdict, judge},
    world::{State, World, WorldChange},
};

/// What would become of the calls of the past, had they been made after the change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Simulation {
    /// How many calls each effect concerns.
    pub calls: BTreeMap<Effect, u64>,
    /// How many accounts it concerns.
    pub accounts: BTreeMap<Effect, usize>,
    /// Account by account, Region by Region, model by model, operation by operation: worst first.
    pub rows: Vec<Row>,
}

/// The calls of an account and Region with a model by an operation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Row {
    /// What becomes of them.
    pub effect: Effect,
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// The model, as in coverage.
    pub model: String,
    /// The operation.
    pub api: String,
    /// How many there were.
    pub calls: u64,
    /// How they would be judged today.
    pub before: Outlook,
    /// How after the change.
    pub after: Outlook,
    /// Why they would fail, or what isn't known.
    pub why: Option<String>,
}

/// A verdict in short.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Outlook {
    /// The verdict.
    pub verdict: Verdict,
    /// What it rests on.
    pub grade: Grade,
    /// Of a violation: why.
    pub reason: Option<Reason>,
}

/// What becomes of calls. The worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// They were covered and would no longer be.
    LosesCover,
    /// They would be refused, because what is enforced can't be applied.
    StartsToFail,
    /// It can't be told.
    NotKnown,
    /// They were not covered and would be.
    GainsCover,
    /// Nothing changes.
    Unchanged,
}

impl Effect {
    /// All, worst first.
    pub const ALL: [Effect; 5] = [Effect::LosesCover, Effect::StartsToFail, Effect::NotKnown, Effect::GainsCover, Effect::Unchanged];
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Effect::LosesCover => "loses cover",
            Effect::StartsToFail => "starts to fail",
            Effect::NotKnown => "not known",
            Effect::GainsCover => "gains cover",
            Effect::Unchanged => "unchanged",
        })
    }
}

impl Outlook {
    fn of(judgement: &Judgement) -> Self {
        Outlook { verdict: judgement.verdict, grade: judgement.grade, reason: judgement.reason }
    }
}

/// Supposes changes, one after the other, at the end of all that is known, and asks what becomes of calls like those that were made.
/// Calls are taken as asking for no guardrail of their own.
#[must_use]
pub fn simulate(facts: Facts, mut world: World, supposed: &[WorldChange], terms: &Terms<'_>) -> Simulation {
    let changes = facts.changes();
    for (key, change) in &changes {
        if let Some(effect) = change.effect.as_ref().filter(|_| !change.is_refused()) {
            world.apply(key.time, &key.event_id, effect);
        }
    }
    let at = changes.iter().map(|(key, _)| key.time).max().map_or(terms.now, |latest| latest.max(terms.now)).plus_seconds(1);
    let before = world.clone().settle();
    let mut supposing = world.clone();
    for (number, change) in supposed.iter().enumerate() {
        supposing.apply(at, &format!("supposed-{number:03}"), change);
    }
    let after = supposing.settle();
    let mut history: BTreeMap<(AccountId, Region, String, String), u64> = BTreeMap::new();
    for CoverageRow { account, region, model, api, count, .. } in auditor::audit(facts, world, terms).coverage {
        *history.entry((account, region, model, api)).or_default() += count;
    }
    let mut simulation = Simulation::default();
    for ((account, region, model, api), calls) in history {
        let call = |time: Moment| Call {
            account: account.clone(),
            region: region.clone(),
            time: Some(time),
            reach: Reach::of_operation(&api).unwrap_or(Reach::Uncovered),
            api: api.clone(),
            model: Model::parse(&model),
            requested: None,
            mediator: None,
            failed: false,
        };
        let requirements = &terms.configuration.requirements;
        let judged = |state: &State, time: Moment| judge(&call(time), &Evidence::default(), state, requirements);
        let (was, becomes) = (judged(&before, at.just_before()), judged(&after, at));
        let failed_before = failure(&before, &call(at.just_before()));
        let fails = failure(&after, &call(at));
        let (effect, why) = effect_of(&was, &becomes, failed_before.as_ref(), fails);
        let row = Row { effect, account, region, model, api, calls, before: Outlook::of(&was), after: Outlook::of(&becomes), why };
        simulation.rows.push(row);
    }
    simulation.rows.sort();
    for effect in Effect::ALL {
        let rows = || simulation.rows.iter().filter(|row| row.effect == effect);
        let (calls, accounts) =
            (rows().map(|row| row.calls).sum(), rows().map(|row| &row.account).collect::<std::collections::BTreeSet<_>>().len());
        simulation.calls.insert(effect, calls);
        simulation.accounts.insert(effect, accounts);
    }
    simulation
}

/// Whether calls are refused, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    Sure(String),
    /// Whether it can be applied isn't known.
    Possible(String),
}

fn effect_of(was: &Judgement, becomes: &Judgement, failed_before: Option<&Failure>, fails: Option<Failure>) -> (Effect, Option<String>) {
    if let Some(Failure::Sure(why)) = &fails
        && !matches!(failed_before, Some(Failure::Sure(_)))
    {
        return (Effect::StartsToFail, Some(why.clone()));
    }
    let why = fails.filter(|fails| Some(fails) != failed_before).map(|fails| match fails {
        Failure::Sure(why) | Failure::Possible(why) => why,
    });
    let effect = match (was.verdict, becomes.verdict) {
        // What was enforced may become less without a violation: the default requirement follows the policy.
        (Verdict::Compliant, Verdict::Violation | Verdict::NotApplicable) => Effect::LosesCover,
        (Verdict::Violation | Verdict::NotProvable, Verdict::Compliant) => Effect::GainsCover,
        (before, Verdict::NotProvable) if before != Verdict::NotProvable => Effect::NotKnown,
        _ => Effect::Unchanged,
    };
    let missing =
        || (effect == Effect::NotKnown).then(|| becomes.missing.iter().map(|missing| missing.as_str()).collect::<Vec<_>>().join(", "));
    (effect, why.or_else(missing))
}

/// Why a call would be refused: the guardrail that is enforced for it can't be applied (facts/01 §2, facts/02 §2).
fn failure(state: &State, call: &Call) -> Option<Failure> {
    let at = call.time?;
    if call.reach != Reach::Covered {
        return None;
    }
    let policy = state.policy(&call.account, at).state().and_then(|in_force| in_force.policy.clone());
    for inference in policy.iter().filter_map(|policy| policy.regions.get(&call.region)).flatten() {
        if inference.models.means(&call.model) == Meant::No {
            continue;
        }
        let failure = match &inference.identifier {
            Identifier::Unusable { text, why } => Some(Failure::Sure(format!("the policy {why}: {text}"))),
            Identifier::Guardrail(guardrail) => unusable(state, call, guardrail, at),
        };
        if failure.is_some() {
            return failure;
        }
    }
    let configured = state.configurations(&call.account, &call.region, at).state().unwrap_or_default();
    configured
        .iter()
        .filter(|enforcement| enforcement.models.means(&call.model) != Meant::No)
        .find_map(|enforcement| unusable(state, call, &enforcement.guardrail, at))
}

fn unusable(state: &State, call: &Call, guardrail: &GuardrailVersionArn, at: Moment) -> Option<Failure> {
    if guardrail.key.region != call.region {
        return Some(Failure::Sure(format!("{guardrail} is of another Region")));
    }
    // Models that make no text can't be guarded; whether enforcement of all models refuses them is not documented (facts/02 §4).
    if call.model.as_str().contains("embed") {
        return Some(Failure::Possible(format!("{} makes embeddings, and enforcement may refuse it: exclude it", call.model)));
    }
    let content = state.guardrail(&guardrail.key, guardrail.version, at).state();
    match content {
        Some(None) => return Some(Failure::Sure(format!("{guardrail} doesn't exist"))),
        Some(Some(content)) if content.has_automated_reasoning() => {
            return Some(Failure::Sure(format!("{guardrail} holds an automated-reasoning policy")));
        }
        _ => {}
    }
    if guardrail.key.account == call.account {
        return None;
    }
    match state.resource_policy(&guardrail.key, at).state() {
        None => Some(Failure::Possible(format!("whether {guardrail} is shared with the account is not known"))),
        Some(policy) => match shares_with(policy, Some(&call.account), state.organization()) {
            Sharing::CutOff => Some(Failure::Sure(format!("{guardrail} is not shared with the account"))),
            Sharing::Reaches => None,
        },
    }
}
