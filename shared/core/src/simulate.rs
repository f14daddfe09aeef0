//! What a change of enforcement would do to the calls that were made so far.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    api::Reach,
    arn::{AccountId, GuardrailVersion, GuardrailVersionArn, PolicyId, Region, TargetId},
    auditor::{self, Terms},
    enforcement::{Enforcement, Meant},
    facts::Facts,
    guardrail::sharing::{Sharing, shares_with},
    model::Model,
    moment::Moment,
    organization::Organization,
    policy::{BEDROCK_POLICY, Identifier, Unusable},
    report::CoverageRow,
    verdict::{Call, Evidence, Grade, Judgement, Reason, Verdict, judge},
    world::{OrganizationChange, State, World, WorldChange},
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

/// Why a change can't be supposed: an answer would be about another change than the one that was meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// Nothing is known of the tree that the change is about.
    #[error("the organization isn't known: the world needs organization.json")]
    NoOrganization,
    /// Not in the organization.
    #[error("`{0}` is no root, OU or account of the organization")]
    NoTarget(TargetId),
    /// Not a root or an OU of the organization.
    #[error("`{0}` is no root or OU of the organization")]
    NoParent(TargetId),
    /// An account that is in nothing that was read.
    #[error("the account `{0}` is neither in the organization nor in the logs")]
    NoAccount(AccountId),
    /// A policy that was never read.
    #[error("the policy `{0}` isn't in the world")]
    NoPolicy(PolicyId),
    /// A policy of another type.
    #[error("the policy `{policy}` is of type {policy_type}: only BEDROCK_POLICY changes who is covered")]
    OtherType {
        /// Which.
        policy: PolicyId,
        /// Its type.
        policy_type: String,
    },
    /// It isn't there to be detached.
    #[error("the policy `{policy}` is not attached to `{target}`")]
    NotAttached {
        /// Which.
        policy: PolicyId,
        /// Where it isn't.
        target: TargetId,
    },
    /// AWS refuses it (facts/02 §1).
    #[error("{0}: only a numbered version can be enforced")]
    Draft(GuardrailVersionArn),
}

/// Whether a change can be made to a world, after those that were supposed before it.
fn is_possible(change: &WorldChange, state: &State, at: Moment, has_calls: impl Fn(&AccountId) -> bool) -> Result<(), Impossible> {
    let organization = || state.organization().ok_or(Impossible::NoOrganization);
    let is_parent = |organization: &Organization, target: &TargetId| {
        organization.policy_types.contains_key(target) || organization.units.contains_key(target)
    };
    match change {
        WorldChange::Organization(OrganizationChange::AttachPolicy { policy, target }) => {
            let organization = organization()?;
            if !is_parent(organization, target) && !organization.accounts.contains_key(target.as_str()) {
                return Err(Impossible::NoTarget(target.clone()));
            }
            match state.organization_policy(policy, at).state() {
                None => Err(Impossible::NoPolicy(policy.clone())),
                Some(version) if version.policy_type != BEDROCK_POLICY => {
                    Err(Impossible::OtherType { policy: policy.clone(), policy_type: version.policy_type.clone() })
                }
                Some(_) => Ok(()),
            }
        }
        WorldChange::Organization(OrganizationChange::DetachPolicy { policy, target }) => {
            if organization()?.targets_of(policy).any(|attached_to| attached_to == target) {
                Ok(())
            } else {
                Err(Impossible::NotAttached { policy: policy.clone(), target: target.clone() })
            }
        }
        WorldChange::Organization(OrganizationChange::MoveAccount { account, destination }) => {
            let organization = organization()?;
            if !organization.accounts.contains_key(account) {
                return Err(Impossible::NoAccount(account.clone()));
            }
            if is_parent(organization, destination) { Ok(()) } else { Err(Impossible::NoParent(destination.clone())) }
        }
        WorldChange::ConfigurationPut { account, enforcement, .. } => {
            let is_known = state.organization().is_some_and(|organization| organization.accounts.contains_key(account))
                || state.accounts().any(|known| known == account)
                || has_calls(account);
            match enforcement {
                _ if !is_known => Err(Impossible::NoAccount(account.clone())),
                Some(Enforcement { guardrail, .. }) if guardrail.version == GuardrailVersion::Draft => {
                    Err(Impossible::Draft(guardrail.clone()))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Supposes changes, one after the other, at the end of all that is known, and asks what becomes of calls like those that were made.
/// Calls are taken as asking for no guardrail of their own.
pub fn simulate(facts: Facts, mut world: World, supposed: &[WorldChange], terms: &Terms<'_>) -> Result<Simulation, Impossible> {
    let changes = facts.changes();
    for (key, change) in &changes {
        if let Some(effect) = change.effect.as_ref().filter(|_| !change.is_refused()) {
            world.apply(key.time, &key.event_id, effect);
        }
    }
    let at = changes.iter().map(|(key, _)| key.time).max().map_or(terms.now, |latest| latest.max(terms.now)).plus_seconds(1);
    let before = world.clone().settle();
    let mut supposing = world.clone();
    let mut history: BTreeMap<(AccountId, Region, String, String), u64> = BTreeMap::new();
    for CoverageRow { account, region, model, api, count, .. } in auditor::audit(facts, world, terms).coverage {
        *history.entry((account, region, model.to_string(), api.to_string())).or_default() += count;
    }
    for (number, change) in supposed.iter().enumerate() {
        is_possible(change, &supposing.clone().settle(), at, |account| history.keys().any(|(of, ..)| of == account))?;
        supposing.apply(at, &format!("supposed-{number:03}"), change);
    }
    let after = supposing.settle();
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
    Ok(simulation)
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
        // What was exempt had no cover either.
        (Verdict::Violation | Verdict::NotProvable | Verdict::NotApplicable, Verdict::Compliant) => Effect::GainsCover,
        (before, Verdict::NotProvable) if before != Verdict::NotProvable => Effect::NotKnown,
        // They may have been covered, for all that is known.
        (Verdict::NotProvable, Verdict::Violation | Verdict::NotApplicable) => Effect::NotKnown,
        // Exempt or in violation: uncovered either way.
        _ => Effect::Unchanged,
    };
    let missing = || {
        let of = if becomes.verdict == Verdict::NotProvable { becomes } else { was };
        (effect == Effect::NotKnown).then(|| of.missing.iter().map(|missing| missing.as_str()).collect::<Vec<_>>().join(", "))
    };
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
            Identifier::Unusable { why: Unusable::Missing, .. } => {
                Some(Failure::Sure(format!("the policy's `{}` has no identifier", inference.name)))
            }
            Identifier::Unusable { text, why: Unusable::Malformed } => {
                Some(Failure::Sure(format!("the policy's identifier is not a guardrail ARN with a version: {text}")))
            }
            Identifier::Unusable { text, why } => Some(Failure::Sure(format!("the policy {why}: {text}"))),
            Identifier::Guardrail(guardrail) => foreign(state, guardrail).or_else(|| unusable(state, call, guardrail, at)),
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

/// A policy enforces only guardrails of the management account (facts/01 §2).
fn foreign(state: &State, guardrail: &GuardrailVersionArn) -> Option<Failure> {
    let management = state.management_account().filter(|management| **management != guardrail.key.account)?;
    Some(Failure::Sure(format!(
        "{guardrail} belongs to {}, and a policy can enforce only guardrails of the management account {management}",
        guardrail.key.account
    )))
}

fn unusable(state: &State, call: &Call, guardrail: &GuardrailVersionArn, at: Moment) -> Option<Failure> {
    if guardrail.key.region != call.region {
        return Some(Failure::Sure(format!("{guardrail} is of another Region")));
    }
    // Models that make no text can't be guarded; whether enforcement of all models refuses them is not documented (facts/02 §4).
    if call.model.as_str().contains("embed") {
        return Some(Failure::Possible(format!("{} makes embeddings, and enforcement may refuse it: exclude it", call.model)));
    }
    // What may keep it from being applied, for all that is known.
    let mut open = Vec::new();
    match state.guardrail(guardrail, at).state() {
        Some(None) => return Some(Failure::Sure(format!("{guardrail} doesn't exist"))),
        Some(Some(content)) if content.has_automated_reasoning() => {
            return Some(Failure::Sure(format!("{guardrail} holds an automated-reasoning policy")));
        }
        Some(Some(content)) => match content.attributes.get("status").map(String::as_str) {
            None | Some("READY") => {}
            Some(status @ ("FAILED" | "DELETING")) => return Some(Failure::Sure(format!("{guardrail} is {status}"))),
            Some(status) => open.push(format!("{guardrail} is {status}")),
        },
        None => open.push(format!("whether {guardrail} exists, and can be enforced, is not known: nobody read it")),
    }
    if guardrail.key.account != call.account {
        match state.resource_policy(&guardrail.key, at).state() {
            None => open.push(format!("whether {guardrail} is shared with the account is not known")),
            Some(policy) if shares_with(policy, Some(&call.account), state.organization()) == Sharing::CutOff => {
                return Some(Failure::Sure(format!("{guardrail} is not shared with the account")));
            }
            Some(_) => {}
        }
    }
    (!open.is_empty()).then(|| Failure::Possible(open.join("; ")))
}
