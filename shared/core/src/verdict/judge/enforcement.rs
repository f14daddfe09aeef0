//! The layers of enforcement: what the effective policy and the account's configuration apply to a call.

use super::{
    outcome::Layer,
    request::satisfied_by,
    requirement::Need,
    situation::{PolicyHere, Situation},
};
use crate::{
    arn::{AccountId, GuardrailVersionArn},
    enforcement::{Enforcement, Meant},
    model::Model,
    policy::{GuardrailInference, Identifier, Unusable},
    verdict::{Grade, Missing, Reason},
    world::{InForce, cannot_be_applied},
};

impl<'a> Situation<'a> {
    pub(in super::super) fn policy_here(&self) -> PolicyHere<'a> {
        let Some(in_force) = self.policy.state() else {
            return PolicyHere::NotKnown;
        };
        let Some(policy) = &in_force.policy else {
            return PolicyHere::Nothing;
        };
        match policy.regions.get(&self.call.region).filter(|configurations| !configurations.is_empty()) {
            Some(configurations) => PolicyHere::Configurations(configurations),
            None if policy.regions.values().all(Vec::is_empty) => PolicyHere::Nothing,
            None => PolicyHere::OtherRegions,
        }
    }

    /// The configurations of the policy that are assumed to apply.
    fn chosen_here(&self) -> &'a [GuardrailInference] {
        let all = self.configured_here();
        self.choice.map_or(all, |chosen| all.get(chosen..=chosen).unwrap_or_default())
    }

    /// All enforcements for calls of a model in this Region, by the policy and by the account.
    pub(super) fn enforced_for<'m>(&self, model: &'m Model) -> impl Iterator<Item = Enforcement> + use<'a, 'm> {
        let by_account = self.configurations.state().unwrap_or_default();
        let enforced = self.chosen_here().iter().filter_map(GuardrailInference::enforcement).chain(by_account.iter().cloned());
        enforced.filter(|enforcement| enforcement.models.means(model) != Meant::No)
    }

    /// The evidence that is missing to know all enforcements here; `None` if they are known.
    pub(super) fn unknown_enforcement(&self) -> Option<Missing> {
        match (self.policy, self.configurations) {
            (InForce::NotKnown, _) => Some(Missing::EffectivePolicy),
            (_, InForce::NotKnown) => Some(Missing::EnforcedConfiguration),
            _ => {
                let by_policy = self.chosen_here().iter().all(|configuration| configuration.unclear.is_empty());
                let by_account = self.configurations.state().unwrap_or_default().iter().all(|enforcement| enforcement.unclear.is_empty());
                let is_clear = by_policy && by_account && !self.policy_is_unclear();
                (!is_clear).then_some(Missing::UnknownPolicyKeys)
            }
        }
    }

    /// Whether the policy has a part outside of its configurations that can't be understood, and that may change what is demanded anywhere.
    pub(in super::super) fn policy_is_unclear(&self) -> bool {
        self.policy.state().and_then(|in_force| in_force.policy.as_ref()).is_some_and(|policy| !policy.unclear.is_empty())
    }

    pub(super) fn by_policy(&self, need: &Need, model: &Model) -> Layer {
        match self.by_known_policy(need, model) {
            Layer::Satisfied(_) | Layer::Failed(..) if self.policy_is_unclear() => Layer::Unknown(Missing::UnknownPolicyKeys),
            layer => layer,
        }
    }

    fn by_known_policy(&self, need: &Need, model: &Model) -> Layer {
        let grade = self.policy_grade();
        match self.policy_here() {
            PolicyHere::NotKnown => Layer::Unknown(Missing::EffectivePolicy),
            PolicyHere::Nothing => Layer::Failed(Reason::NoGuardrail, grade),
            PolicyHere::OtherRegions => Layer::Failed(Reason::RegionNotCovered, grade),
            PolicyHere::Configurations(_) => {
                let layers = self.chosen_here().iter().map(|configuration| self.by_configuration_of_policy(configuration, need, model));
                layers.reduce(Layer::or).unwrap_or(Layer::Failed(Reason::NoGuardrail, grade))
            }
        }
    }

    fn by_configuration_of_policy(&self, configuration: &GuardrailInference, need: &Need, model: &Model) -> Layer {
        let grade = self.policy_grade();
        let nothing = Layer::Failed(Reason::NoGuardrail, grade);
        let Some(enforcement) = configuration.enforcement() else {
            // The unknown key may be the one that names the guardrail.
            let is_missing = matches!(configuration.identifier, Identifier::Unusable { why: Unusable::Missing, .. });
            return if is_missing && !configuration.unclear.is_empty() { Layer::Unknown(Missing::UnknownPolicyKeys) } else { nothing };
        };
        let is_ours = self.is_owned_by_management(&enforcement.guardrail.key.account);
        match self.enforced_by(&enforcement, need, model, grade) {
            Layer::Satisfied(_) | Layer::Unknown(Missing::UnknownPolicyKeys) if !is_ours => nothing,
            layer => layer,
        }
    }

    pub(super) fn by_configuration(&self, need: &Need, model: &Model) -> Layer {
        let (InForce::Known(configurations) | InForce::Assumed(configurations)) = self.configurations else {
            return Layer::Unknown(Missing::EnforcedConfiguration);
        };
        let grade = self.configuration_grade();
        // AWS documents one configuration at most; of several, any may satisfy the need.
        let layers = configurations.iter().map(|enforcement| self.enforced_by(enforcement, need, model, grade));
        layers.reduce(Layer::or).unwrap_or(Layer::Failed(Reason::NoGuardrail, grade))
    }

    /// Whether an enforcement satisfies the need for calls of this model. The result is unknown if it depends on a part that can't be
    /// understood, except for the guardrail, which is understood.
    fn enforced_by(&self, enforcement: &Enforcement, need: &Need, model: &Model, grade: Grade) -> Layer {
        match self.enforced_by_terms(enforcement, need, model, grade) {
            Layer::Satisfied(_) | Layer::Failed(Reason::ModelExcluded | Reason::SelectiveGuarding, _)
                if !enforcement.unclear.is_empty() =>
            {
                Layer::Unknown(Missing::UnknownPolicyKeys)
            }
            layer => layer,
        }
    }

    fn enforced_by_terms(&self, enforcement: &Enforcement, need: &Need, model: &Model, grade: Grade) -> Layer {
        let meant = enforcement.models.means(model);
        if meant == Meant::No {
            return Layer::Failed(Reason::ModelExcluded, grade);
        }
        match satisfied_by(Some(&enforcement.guardrail.key), Some(enforcement.guardrail.version), &need.or_any(enforcement), grade) {
            Layer::Satisfied(_) if meant == Meant::Undocumented => Layer::Unknown(Missing::ModelKindCoverage),
            Layer::Satisfied(_) => match enforcement.guarding.satisfies(need.guarding) {
                Some(false) => Layer::Failed(Reason::SelectiveGuarding, grade),
                None => Layer::Unknown(Missing::UnknownPolicyKeys),
                Some(true) if self.cannot_be_applied(&enforcement.guardrail) => Layer::Unknown(Missing::EnforceableGuardrail),
                Some(true) => Layer::Satisfied(grade),
            },
            layer => layer,
        }
    }

    /// Whether the guardrail is known to be one that can't be enforced. Calls fail then, and a call that didn't may have passed without it
    /// (docs/aws/bedrock-policies.md#syntax).
    fn cannot_be_applied(&self, guardrail: &GuardrailVersionArn) -> bool {
        cannot_be_applied(self.state.guardrail(guardrail, self.at))
    }

    /// Whether the guardrail belongs to the management account; AWS enforces no others (docs/aws/bedrock-policies.md#syntax).
    fn is_owned_by_management(&self, owner: &AccountId) -> bool {
        self.state.management_account().is_none_or(|management| management == owner)
    }

    /// The grade of evidence from the effective policy.
    pub(super) fn policy_grade(&self) -> Grade {
        grade_of(&self.policy)
    }

    /// The grade of evidence from the account's configuration.
    pub(super) fn configuration_grade(&self) -> Grade {
        grade_of(&self.configurations)
    }
}

fn grade_of<T>(state: &InForce<T>) -> Grade {
    match state {
        InForce::Known(_) => Grade::Enforced,
        InForce::Assumed(_) => Grade::Assumed,
        InForce::NotKnown => Grade::None,
    }
}

impl Need {
    /// The need for this enforcement's guardrail, if any guardrail would do.
    fn or_any(&self, enforcement: &Enforcement) -> Need {
        Need { guardrail: Some(self.guardrail.clone().unwrap_or_else(|| enforcement.guardrail.key.clone())), ..self.clone() }
    }
}
