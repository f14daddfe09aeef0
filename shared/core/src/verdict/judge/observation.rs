//! The layer of observation: what the evaluations of a call prove, and what depends on the state in force besides.

use super::{
    outcome::Layer,
    requirement::{Need, number},
    situation::Situation,
};
use crate::{
    arn::{GuardrailKey, GuardrailVersion},
    enforcement::{Enforcement, Guarding},
    model::Model,
    verdict::{Evaluated, Grade, Missing, Reason},
};

impl Situation<'_> {
    /// What the evaluations of the call prove about the need; `None` if they prove nothing.
    pub(in super::super) fn observation(&self, need: &Need, model: &Model) -> Option<Layer> {
        match &need.guardrail {
            Some(required) => self.observed(required, need, model),
            None => self.observed_any(need, model),
        }
    }

    /// Whether the required guardrail evaluated the call.
    fn observed(&self, required: &GuardrailKey, need: &Need, model: &Model) -> Option<Layer> {
        let evaluated = &self.evidence.evaluated;
        let seen: Vec<&Evaluated> = evaluated.iter().filter(|evaluated| evaluated.is(required)).collect();
        if seen.is_empty() {
            return (!evaluated.is_empty()).then_some(Layer::Failed(Reason::WrongGuardrail, Grade::Observed));
        }
        Some(self.version_of(&seen, required, need.minimum_version, model).and(self.content_of(&seen, required, need, model)))
    }

    /// Whether any enforced guardrail evaluated the call. One that only the request named doesn't count.
    fn observed_any(&self, need: &Need, model: &Model) -> Option<Layer> {
        let evaluated = &self.evidence.evaluated;
        let of = |evaluated: &Evaluated| {
            let enforced: Vec<Enforcement> = self.enforced_for(model).filter(|enforced| evaluated.is(&enforced.guardrail.key)).collect();
            let key = evaluated.key.clone().or_else(|| enforced.first().map(|enforced| enforced.guardrail.key.clone()));
            match key {
                Some(key) => {
                    self.version_of(&[evaluated], &key, need.minimum_version, model).and(self.content_of(&[evaluated], &key, need, model))
                }
                None if need.minimum_version.is_some() && evaluated.version.is_none() => Layer::Unknown(Missing::GuardrailVersion),
                None => Layer::Satisfied(Grade::Observed),
            }
        };
        // An evaluation that doesn't show enforcement may still be of an enforced guardrail, if the state shows that it is.
        let is_enforced =
            |evaluated: &&Evaluated| evaluated.enforced || self.enforced_for(model).any(|enforced| evaluated.is(&enforced.guardrail.key));
        let enforced = evaluated.iter().filter(is_enforced).map(of);
        let unnamed = match need.minimum_version {
            Some(_) => Layer::Unknown(Missing::GuardrailVersion),
            None => Layer::Satisfied(Grade::Observed),
        };
        let unnamed = (self.evidence.enforced_evaluation && evaluated.is_empty()).then_some(unnamed);
        if let Some(layer) = enforced.chain(unnamed).reduce(Layer::or) {
            return Some(layer);
        }
        // Only the request's guardrails evaluated the call, and all enforcements are known.
        (!evaluated.is_empty() && self.unknown_enforcement().is_none())
            .then(|| Layer::Failed(Reason::WrongGuardrail, self.policy_grade().max(self.configuration_grade())))
    }

    /// Whether the guardrail evaluated the call in a version that suffices.
    fn version_of(&self, seen: &[&Evaluated], guardrail: &GuardrailKey, minimum: Option<u32>, model: &Model) -> Layer {
        let shown: Vec<GuardrailVersion> = seen.iter().filter_map(|evaluated| evaluated.version).collect();
        // A trace shows the version. An evaluation's record doesn't (docs/aws/cloudtrail-records.md#evaluations), so it follows from what
        // was in force and what was requested.
        let (versions, all_known) =
            if shown.is_empty() { (self.versions_in_force(guardrail, model), self.unknown_enforcement().is_none()) } else { (shown, true) };
        let failed = |reason| if all_known { Layer::Failed(reason, Grade::Observed) } else { Layer::Unknown(Missing::GuardrailVersion) };
        match (versions.iter().filter_map(|version| number(*version)).max(), minimum) {
            (Some(highest), Some(minimum)) if highest < minimum => failed(Reason::WrongVersion),
            (Some(_), _) => Layer::Satisfied(Grade::Observed),
            (None, Some(_)) if versions.is_empty() => Layer::Unknown(Missing::GuardrailVersion),
            (None, None) if versions.is_empty() => Layer::Satisfied(Grade::Observed),
            (None, _) => failed(Reason::DraftVersion),
        }
    }

    /// The versions of a guardrail that the enforcements or the request name.
    fn versions_in_force(&self, guardrail: &GuardrailKey, model: &Model) -> Vec<GuardrailVersion> {
        let requested = self.requested().filter(|requested| requested.guardrail.as_ref() == Some(guardrail));
        let enforced = self.enforcing(guardrail, model).into_iter().map(|enforcement| enforcement.guardrail.version);
        enforced.chain(requested.and_then(|requested| requested.version)).collect()
    }

    /// The enforcements of a guardrail. If the configuration that is assumed to apply doesn't name a guardrail that was observed, another
    /// one must.
    fn enforcing(&self, guardrail: &GuardrailKey, model: &Model) -> Vec<Enforcement> {
        let naming = |situation: &Self| -> Vec<Enforcement> {
            situation.enforced_for(model).filter(|enforcement| enforcement.guardrail.key == *guardrail).collect()
        };
        let chosen = naming(self);
        if chosen.is_empty() { naming(&Situation { choice: None, ..*self }) } else { chosen }
    }

    /// The content that all enforcements of a guardrail evaluate together.
    pub(super) fn guarding_of(&self, guardrail: &GuardrailKey, model: &Model) -> Option<Guarding> {
        self.enforcing(guardrail, model).into_iter().map(|enforced| enforced.guarding).reduce(Guarding::together)
    }

    /// Whether enough content was evaluated. An evaluation proves that the guardrail was in scope, but how much content it evaluated
    /// follows from what was in force.
    fn content_of(&self, seen: &[&Evaluated], guardrail: &GuardrailKey, need: &Need, model: &Model) -> Layer {
        let satisfies = self.guarding_of(guardrail, model).map(|together| together.satisfies(need.guarding));
        if need.guarding == Guarding::SELECTIVE || satisfies == Some(Some(true)) {
            return Layer::Satisfied(Grade::Observed);
        }
        match (satisfies, self.unknown_enforcement()) {
            (_, Some(unknown)) => Layer::Unknown(unknown),
            (Some(Some(false)), None) => Layer::Failed(Reason::SelectiveGuarding, self.policy_grade().max(self.configuration_grade())),
            (Some(_), None) => Layer::Unknown(Missing::UnknownPolicyKeys),
            // The evaluation shows enforcement, and the state doesn't know which.
            (None, None) if seen.iter().any(|evaluated| evaluated.enforced) => Layer::Unknown(Missing::EffectivePolicy),
            // Nothing enforces it, so the request named it.
            (None, None) => Layer::Satisfied(Grade::Observed),
        }
    }
}
