//! Decides what a call needs, and the verdict from the results of the layers.

use std::collections::BTreeSet;

use super::{
    outcome::{Layer, Outcome, all_of, over_all_possibilities},
    situation::{PolicyHere, Situation},
};
use crate::{
    arn::{GuardrailKey, GuardrailVersion},
    enforcement::{Guarding, Meant},
    model::Model,
    operations::OperationCoverage,
    policy::{GuardrailInference, Identifier},
    requirement::{Requirement, Selected},
    verdict::{Expectation, Grade, Missing, Reason},
};

/// The guardrail that must be in scope of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Need {
    /// `None` for any that is enforced.
    pub(in super::super) guardrail: Option<GuardrailKey>,
    pub(in super::super) minimum_version: Option<u32>,
    pub(in super::super) guarding: Guarding,
}

impl Situation<'_> {
    /// The outcome if the call ran this model: every requirement that selects the call must be satisfied.
    pub(super) fn judge_model(&self, model: &Model) -> Outcome {
        let (mut selected, mut exempt) = (Vec::new(), false);
        for requirement in self.requirements {
            match self.selected_by(requirement, model) {
                Selected::Yes => selected.push(requirement),
                Selected::No => {}
                Selected::Exempt => exempt = true,
                Selected::Unknown => return Outcome::not_provable([Missing::Organization]),
            }
        }
        if selected.is_empty() {
            return if exempt { Outcome::NotApplicable(Grade::None) } else { self.judge_by_policy(model) };
        }
        all_of(selected.into_iter().map(|requirement| self.judge_by_requirement(requirement, model)))
    }

    /// How a requirement applies to the call, given the account's position in the organization at its time.
    pub(in super::super) fn selected_by(&self, requirement: &Requirement, model: &Model) -> Selected {
        requirement.selects(&self.call.account, &self.call.region, model, self.placement.map(|placement| &*placement.path))
    }

    /// The outcome under the default requirement: a guardrail must be enforced, namely the policy's if the policy names one.
    fn judge_by_policy(&self, model: &Model) -> Outcome {
        let outcome = self.judge_by_known_policy(model);
        if self.policy_is_unclear() { outcome.if_the_policy_may_demand_more() } else { outcome }
    }

    fn judge_by_known_policy(&self, model: &Model) -> Outcome {
        let any = Need { guardrail: None, minimum_version: None, guarding: Guarding::SELECTIVE };
        match self.policy_here() {
            PolicyHere::NotKnown => Outcome::not_provable([Missing::EffectivePolicy]),
            PolicyHere::Nothing | PolicyHere::OtherRegions => self.judge_need(&any, model),
            PolicyHere::Configurations(configurations) => {
                let exempting = || configurations.iter().filter(|configuration| configuration.models.means(model) == Meant::No);
                let exempt = exempting().count();
                if exempting().any(|configuration| !configuration.unclear.is_empty()) {
                    return Outcome::not_provable([Missing::UnknownPolicyKeys]);
                }
                if exempt == configurations.len() {
                    return Outcome::NotApplicable(self.policy_grade());
                }
                if exempt > 0 {
                    return Outcome::not_provable([Missing::SeveralConfigurations]);
                }
                all_of(configurations.iter().map(|configuration| match &configuration.identifier {
                    Identifier::Guardrail(named) => {
                        let need = Need {
                            guardrail: Some(named.key.clone()),
                            minimum_version: number(named.version),
                            guarding: configuration.guarding,
                        };
                        self.judge_need(&need, model)
                    }
                    Identifier::Unusable { .. } => self.judge_need(&any, model),
                }))
            }
        }
    }

    fn judge_by_requirement(&self, requirement: &Requirement, model: &Model) -> Outcome {
        let need = |guardrail| Need { guardrail, minimum_version: requirement.minimum_version, guarding: requirement.guarding };
        if requirement.guardrail.is_some() {
            return self.judge_need(&need(requirement.guardrail.clone()), model);
        }
        let outcome = self.judge_by_guardrail_of_policy(need, model);
        if self.policy_is_unclear() { outcome.if_the_policy_may_demand_more() } else { outcome }
    }

    /// The outcome under a requirement that takes the guardrail from the policy.
    fn judge_by_guardrail_of_policy(&self, need: impl Fn(Option<GuardrailKey>) -> Need, model: &Model) -> Outcome {
        match self.policy_here() {
            // Which guardrail is required depends on the policy, except if no guardrail could satisfy the need.
            PolicyHere::NotKnown => match self.judge_need(&need(None), model) {
                violation @ Outcome::Violation(..) => violation,
                _ => Outcome::not_provable([Missing::EffectivePolicy]),
            },
            PolicyHere::Nothing | PolicyHere::OtherRegions => self.judge_need(&need(None), model),
            PolicyHere::Configurations(configurations) => all_of(configurations.iter().map(|configuration| {
                let named = configuration.enforcement().map(|enforcement| enforcement.guardrail.key);
                self.judge_need(&need(named), model)
            })),
        }
    }

    /// Whether a layer satisfies the need. AWS doesn't document which of several configurations of a Region apply: each one alone may, or
    /// all together, so all of these are judged.
    fn judge_need(&self, need: &Need, model: &Model) -> Outcome {
        match self.configured_here().len() {
            0 | 1 => self.judge_choice(need, model),
            several => {
                let choices = (0..several).map(Some).chain([None]);
                let outcomes = choices.map(|choice| Situation { choice, ..*self }.judge_choice(need, model));
                over_all_possibilities(outcomes, Missing::SeveralConfigurations)
            }
        }
    }

    /// An evaluation of this call takes precedence over all layers.
    fn judge_choice(&self, need: &Need, model: &Model) -> Outcome {
        if let Some(observed) = self.observation(need, model) {
            return match observed {
                Layer::Satisfied(grade) => Outcome::Compliant(grade),
                Layer::Failed(reason, grade) => Outcome::Violation(self.first_reason(reason, need, model), grade),
                Layer::Unknown(missing) => Outcome::not_provable([missing]),
            };
        }
        let layers = self.layers(need, model);
        let best = layers.iter().filter_map(|layer| if let Layer::Satisfied(grade) = layer { Some(*grade) } else { None }).min();
        if let Some(grade) = best {
            return self.unless_an_evaluation_lacks(grade);
        }
        let missing: BTreeSet<Missing> =
            layers.iter().filter_map(|layer| if let Layer::Unknown(missing) = layer { Some(*missing) } else { None }).collect();
        if !missing.is_empty() {
            return Outcome::NotProvable(missing);
        }
        let failed =
            layers.iter().filter_map(|layer| if let Layer::Failed(reason, grade) = layer { Some((*reason, *grade)) } else { None });
        // All layers failed. The first reason in order of precedence is reported, with the weakest grade among them.
        let (reason, grade) = failed.fold((Reason::NoGuardrail, Grade::Enforced), |(reason, grade), (r, g)| (reason.min(r), grade.max(g)));
        self.unless_some_guardrail_ran(need, reason, grade)
    }

    /// A missing evaluation refutes a verdict that rests on enforcement alone. It does so too if the policy is only assumed: had it not
    /// been in force, nothing was.
    fn unless_an_evaluation_lacks(&self, grade: Grade) -> Outcome {
        let by_enforcement =
            matches!(grade, Grade::Enforced | Grade::Assumed) && !matches!(self.call.reach, OperationCoverage::Mediated(_));
        match self.evidence.expectation {
            Expectation::Evaluation if by_enforcement => Outcome::Violation(Reason::NotObserved, grade),
            Expectation::Doubt if by_enforcement => Outcome::not_provable([Missing::Evaluations]),
            _ => Outcome::Compliant(grade),
        }
    }

    /// A log may show that a guardrail evaluated the call without naming it. It may be the required one, unless the request names another.
    fn unless_some_guardrail_ran(&self, need: &Need, reason: Reason, grade: Grade) -> Outcome {
        let ran = self.evidence.unnamed_evaluation && matches!(self.call.reach, OperationCoverage::Covered | OperationCoverage::Ambiguous);
        let other_requested = self.requested().is_some_and(|requested| requested.guardrail.is_some());
        match need.guardrail {
            Some(_) if ran && !other_requested => Outcome::not_provable([Missing::RequestedGuardrail]),
            // Nothing enforces a guardrail, so it was the caller's.
            None if ran && reason == Reason::NoGuardrail => Outcome::Violation(Reason::WrongGuardrail, grade),
            _ => Outcome::Violation(reason, grade),
        }
    }

    /// The reason to report if an evaluation showed another guardrail or version. If nothing was in force either, the reason that comes
    /// first in order of precedence.
    fn first_reason(&self, observed: Reason, need: &Need, model: &Model) -> Reason {
        let layers = self.layers(need, model);
        if layers.iter().any(|layer| !matches!(layer, Layer::Failed(..))) {
            return observed;
        }
        let reasons = layers.iter().filter_map(|layer| if let Layer::Failed(reason, _) = layer { Some(*reason) } else { None });
        reasons.fold(observed, Reason::min)
    }

    /// The results of the policy, the account's configuration and the request.
    pub(in super::super) fn layers(&self, need: &Need, model: &Model) -> Vec<Layer> {
        match self.call.reach {
            OperationCoverage::Unsupported => vec![Layer::Failed(Reason::EndpointNotCovered, self.policy_grade())],
            OperationCoverage::Uncovered => vec![Layer::Failed(Reason::ApiNotCovered, self.policy_grade())],
            OperationCoverage::Mediated(_) => vec![self.mediated(need)],
            OperationCoverage::Covered => vec![self.by_policy(need, model), self.by_configuration(need, model), self.by_request(need)],
            OperationCoverage::Ambiguous => {
                let layers = [self.by_policy(need, model), self.by_configuration(need, model), self.by_request(need)];
                let doubted = |layer| match layer {
                    Layer::Satisfied(_) => Layer::Unknown(Missing::OpenAiInterface),
                    other => other,
                };
                layers.into_iter().map(doubted).collect()
            }
        }
    }

    /// The guardrail that a finding names as required.
    pub(super) fn required(&self) -> Option<GuardrailKey> {
        let mut by_team = self.requirements.iter().filter(|requirement| self.selected_by(requirement, &self.call.model) == Selected::Yes);
        let by_policy = || self.configured_here().iter().find_map(GuardrailInference::enforcement);
        by_team.find_map(|requirement| requirement.guardrail.clone()).or_else(|| by_policy().map(|enforcement| enforcement.guardrail.key))
    }
}

pub(super) fn number(version: GuardrailVersion) -> Option<u32> {
    match version {
        GuardrailVersion::Numbered(number) => Some(number),
        GuardrailVersion::Draft => None,
    }
}
