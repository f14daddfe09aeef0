//! Reaches the verdict: what a call needs, and which of four layers satisfies that.
//!
//! [`requirement`] decides what is needed. The layers that may satisfy it are [`observation`], the two of [`enforcement`] (policy and account
//! configuration), and [`request`].

mod enforcement;
mod observation;
mod outcome;
mod request;
mod requirement;
mod situation;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub(super) use outcome::Layer;
use outcome::{Outcome, over_all_possibilities};
pub(super) use requirement::Need;
pub(super) use situation::{PolicyHere, Situation};

use super::{Call, Evidence, Grade, Judgement, Missing, PolicyReference, Reason, Verdict};
use crate::{
    enforcement::ModelScope,
    model::{Alias, Deployed, Model},
    policy::{GuardrailInference, Identifier},
    requirement::Requirement,
    timestamp::Timestamp,
    world::{InForce, State},
};

/// Judges a call in the state in force at its time.
#[must_use]
pub fn judge(call: &Call, evidence: &Evidence, state: &State, requirements: &[Requirement]) -> Judgement {
    match call.time {
        Some(time) => Situation::of(call, evidence, state, requirements, time).judge(),
        None => judge_at_any_time(call, evidence, state, requirements),
    }
}

/// Judges a call of unknown time in every state that was ever in force for it.
fn judge_at_any_time(call: &Call, evidence: &Evidence, state: &State, requirements: &[Requirement]) -> Judgement {
    let mut times = state.boundaries(&call.account, &call.region);
    times.push(Timestamp::BEGINNING);
    let judgements = times.into_iter().map(|time| Situation::of(call, evidence, state, requirements, time).judge());
    let Some(first) = judgements.clone().next() else {
        return Judgement::not_provable([Missing::EventTime]);
    };
    let outcomes = judgements.map(|judgement| judgement.outcome());
    Judgement { guarding: None, policy: None, ..first }.with(over_all_possibilities(outcomes, Missing::EventTime))
}

impl<'a> Situation<'a> {
    fn judge(&self) -> Judgement {
        let judgement = Judgement {
            verdict: Verdict::NotApplicable,
            grade: Grade::None,
            reason: None,
            missing: BTreeSet::new(),
            required: self.required(),
            guarding: None,
            policy: self.policy_reference(),
        };
        if self.call.failed {
            return judgement;
        }
        if !self.call.region_is_known() {
            return judgement.with(Outcome::not_provable([Missing::Region]));
        }
        let models = self.possible_models();
        let judgement = judgement.with(over_all_possibilities(models.iter().map(|model| self.judge_model(model)), Missing::Model));
        let is_selective = judgement.reason == Some(Reason::SelectiveGuarding);
        let guarding =
            judgement.required.as_ref().filter(|_| is_selective).and_then(|required| self.guarding_of(required, models.first()?));
        Judgement { guarding, ..judgement }
    }

    /// The models that the call may have run; one, if the model is known.
    pub(super) fn possible_models(&self) -> Vec<Model> {
        let call = self.call;
        let mut called = call.model.clone();
        if called == Model::Unknown
            && let Some(mediated) = self.mediated_by().and_then(InForce::state)
        {
            called = mediated.model.clone().unwrap_or(Model::Unknown);
        }
        let resolved = self.state.resolve(&called, &call.account, &call.region);
        if !resolved.is_empty() {
            return resolved;
        }
        // The model may be any that a policy or requirement lists, or one that none lists.
        let policy = self.policy.state().and_then(|policy| policy.policy.as_deref());
        let by_policy = policy.into_iter().flat_map(|policy| policy.regions.values().flatten()).map(|configuration| &configuration.models);
        let by_account = self.configurations.state().unwrap_or_default().iter().map(|enforcement| &enforcement.models);
        let by_team = self.requirements.iter().map(|requirement| &requirement.models);
        let listed: BTreeSet<&str> = by_policy.chain(by_account).chain(by_team).flat_map(ModelScope::named).collect();
        let mut possible: Vec<Model> = listed.into_iter().map(Model::parse).collect();
        possible.push(Model::Foundation("any other model".into()));
        // Profiles and routers stand for foundation models only; other aliases may stand for any model.
        if !matches!(called, Model::Alias(Alias::ApplicationInferenceProfile | Alias::PromptRouter, _)) {
            possible.push(Model::Deployed(Deployed::Custom, "any custom model".into()));
        }
        possible
    }

    fn policy_reference(&self) -> Option<PolicyReference> {
        let in_force = self.policy.state()?;
        let configuration = self.configured_here().first();
        let identifier = configuration.map(|configuration| match &configuration.identifier {
            Identifier::Guardrail(named) => (named.to_string(), None),
            Identifier::Unusable { text, why } => (text.clone(), Some(*why)),
        });
        Some(PolicyReference {
            basis: in_force.basis,
            since: in_force.since,
            unusable: identifier.as_ref().and_then(|(_, why)| *why),
            identifier: identifier.map(|(identifier, _)| identifier),
            origin: configuration.and_then(|configuration| configuration.origin.clone()),
        })
    }

    /// The configurations of the policy for the Region, whichever of them apply.
    fn configured_here(&self) -> &'a [GuardrailInference] {
        match self.policy_here() {
            PolicyHere::Configurations(configurations) => configurations,
            PolicyHere::NotKnown | PolicyHere::Nothing | PolicyHere::OtherRegions => &[],
        }
    }
}
