//! The judgement itself: what was required, and which of the four layers satisfied it.

use std::collections::BTreeSet;

use super::{Call, Evaluated, Evidence, Expectation, Grade, Judgement, Missing, PolicyReference, Reason, Verdict};
use crate::{
    api::{Mediator, Reach},
    arn::{AccountId, GuardrailKey, GuardrailVersion},
    enforcement::{Enforcement, Guarding, Meant, ModelScope},
    model::{Alias, Deployed, Model},
    moment::Moment,
    policy::{GuardrailInference, Identifier},
    requirement::{Requirement, Selected},
    world::{InForce, MediatorKind, PartGuardrail, PolicyInForce, State},
};

/// Judges a call by the state in force at its time.
#[must_use]
pub fn judge(call: &Call, evidence: &Evidence, state: &State, requirements: &[Requirement]) -> Judgement {
    match call.time {
        Some(time) => Situation::of(call, evidence, state, requirements, time).judge(),
        None => judge_at_any_time(call, evidence, state, requirements),
    }
}

/// What the record says of the Region if it says nothing.
const UNKNOWN_REGION: &str = "unknown";

/// A call whose time isn't known is judged at every moment at which the state was another.
fn judge_at_any_time(call: &Call, evidence: &Evidence, state: &State, requirements: &[Requirement]) -> Judgement {
    let mut moments = state.boundaries(&call.account, &call.region);
    moments.push(Moment::BEGINNING);
    let judgements = moments.into_iter().map(|moment| Situation::of(call, evidence, state, requirements, moment).judge());
    let Some(first) = judgements.clone().next() else {
        return Judgement::not_provable([Missing::EventTime]);
    };
    let outcomes = judgements.map(|judgement| judgement.outcome());
    Judgement { policy: None, ..first }.with(over_all_possibilities(outcomes, Missing::EventTime))
}

/// A call with everything that bears on it at one moment.
pub(super) struct Situation<'a> {
    pub(super) call: &'a Call,
    pub(super) evidence: &'a Evidence,
    pub(super) requirements: &'a [Requirement],
    pub(super) state: &'a State,
    pub(super) at: Moment,
    pub(super) policy: InForce<&'a PolicyInForce>,
    pub(super) configurations: InForce<&'a [Enforcement]>,
}

/// The verdict over one requirement and one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Compliant(Grade),
    Violation(Reason, Grade),
    NotProvable(BTreeSet<Missing>),
    NotApplicable(Grade),
}

/// Whether one layer put the required guardrail into the call's scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    Satisfied(Grade),
    Failed(Reason, Grade),
    Unknown(Missing),
}

/// What has to be in scope of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// `None`: any that is enforced.
    pub(super) guardrail: Option<GuardrailKey>,
    pub(super) minimum_version: Option<u32>,
    pub(super) guarding: Guarding,
}

/// What the effective policy says for the Region.
pub(super) enum PolicyHere<'a> {
    NotKnown,
    /// There is no policy, or it names no Region at all.
    Nothing,
    OtherRegions,
    Configurations(&'a [GuardrailInference]),
}

impl<'a> Situation<'a> {
    pub(super) fn of(call: &'a Call, evidence: &'a Evidence, state: &'a State, requirements: &'a [Requirement], at: Moment) -> Self {
        Situation {
            call,
            evidence,
            requirements,
            state,
            at,
            policy: state.policy(&call.account, at),
            configurations: state.configurations(&call.account, &call.region, at),
        }
    }

    fn judge(&self) -> Judgement {
        let judgement = Judgement {
            verdict: Verdict::NotApplicable,
            grade: Grade::None,
            reason: None,
            missing: BTreeSet::new(),
            required: self.required(),
            policy: self.policy_reference(),
        };
        if self.call.failed {
            return judgement;
        }
        if self.call.region.as_str() == UNKNOWN_REGION {
            return judgement.with(Outcome::not_provable([Missing::Region]));
        }
        let models = self.possible_models();
        judgement.with(over_all_possibilities(models.iter().map(|model| self.judge_model(model)), Missing::Model))
    }

    /// The models that the call may have run: one, if it is known.
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
        // Every model that somebody lists may be the one, and so may one that nobody lists.
        let policy = self.policy.state().and_then(|policy| policy.policy.as_deref());
        let by_policy = policy.into_iter().flat_map(|policy| policy.regions.values().flatten()).map(|configuration| &configuration.models);
        let by_account = self.configurations.state().unwrap_or_default().iter().map(|enforcement| &enforcement.models);
        let by_team = self.requirements.iter().map(|requirement| &requirement.models);
        let listed: BTreeSet<&str> = by_policy.chain(by_account).chain(by_team).flat_map(ModelScope::named).collect();
        let mut possible: Vec<Model> = listed.into_iter().map(Model::parse).collect();
        possible.push(Model::Foundation("any other model".into()));
        // Profiles and routers stand for foundation models only; the others may be anything.
        if !matches!(called, Model::Alias(Alias::ApplicationInferenceProfile | Alias::PromptRouter, _)) {
            possible.push(Model::Deployed(Deployed::Custom, "any custom model".into()));
        }
        possible
    }

    /// The verdict if this is the model: every requirement that holds for the call has to be satisfied.
    pub(super) fn judge_model(&self, model: &Model) -> Outcome {
        let call = self.call;
        let (mut selected, mut exempt) = (Vec::new(), false);
        for requirement in self.requirements {
            match requirement.selects(&call.account, &call.region, model, self.state.organization()) {
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

    /// The default requirement: covered by an enforced guardrail, the one that the effective policy names where it names one.
    fn judge_by_policy(&self, model: &Model) -> Outcome {
        let any = Need { guardrail: None, minimum_version: None, guarding: Guarding::Selective };
        match self.policy_here() {
            PolicyHere::NotKnown => Outcome::not_provable([Missing::EffectivePolicy]),
            PolicyHere::Nothing | PolicyHere::OtherRegions => self.judge_need(&any, model),
            PolicyHere::Configurations(configurations) => {
                let exempt = configurations.iter().filter(|configuration| configuration.models.means(model) == Meant::No).count();
                if exempt == configurations.len() {
                    return Outcome::NotApplicable(self.weaker_if_assumed(Grade::Enforced));
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
        match self.policy_here() {
            // Which guardrail is required depends on the policy, unless nothing could satisfy any.
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

    /// Whether some layer satisfies the need. An evaluation of this very call decides before all others.
    fn judge_need(&self, need: &Need, model: &Model) -> Outcome {
        if let Some(observed) = self.observation(need) {
            return match observed {
                Layer::Satisfied(grade) => Outcome::Compliant(grade),
                Layer::Failed(reason, grade) => Outcome::Violation(self.first_reason(reason, need, model), grade),
                Layer::Unknown(missing) => Outcome::not_provable([missing]),
            };
        }
        let layers = self.layers(need, model);
        let best = layers.iter().filter_map(|layer| if let Layer::Satisfied(grade) = layer { Some(*grade) } else { None }).min();
        if let Some(grade) = best {
            return match self.evidence.expectation {
                Expectation::Evaluation if grade == Grade::Enforced => Outcome::Violation(Reason::NotObserved, Grade::Enforced),
                Expectation::Doubt if grade == Grade::Enforced => Outcome::not_provable([Missing::Evaluations]),
                _ => Outcome::Compliant(grade),
            };
        }
        let missing: BTreeSet<Missing> =
            layers.iter().filter_map(|layer| if let Layer::Unknown(missing) = layer { Some(*missing) } else { None }).collect();
        if !missing.is_empty() {
            return Outcome::NotProvable(missing);
        }
        let failed =
            layers.iter().filter_map(|layer| if let Layer::Failed(reason, grade) = layer { Some((*reason, *grade)) } else { None });
        // All layers failed: the reason that comes first says why, and the claim is as good as the weakest of what was looked at.
        let (reason, grade) = failed.fold((Reason::NoGuardrail, Grade::Enforced), |(reason, grade), (r, g)| (reason.min(r), grade.max(g)));
        Outcome::Violation(reason, grade)
    }

    /// An evaluation showed another guardrail or version. Where nothing was in force either, a reason that comes before still comes first.
    fn first_reason(&self, observed: Reason, need: &Need, model: &Model) -> Reason {
        let layers = self.layers(need, model);
        if layers.iter().any(|layer| !matches!(layer, Layer::Failed(..))) {
            return observed;
        }
        let reasons = layers.iter().filter_map(|layer| if let Layer::Failed(reason, _) = layer { Some(*reason) } else { None });
        reasons.fold(observed, Reason::min)
    }

    /// The policy, the account's configuration and the request.
    pub(super) fn layers(&self, need: &Need, model: &Model) -> Vec<Layer> {
        match self.call.reach {
            Reach::Unsupported => vec![Layer::Failed(Reason::EndpointNotCovered, self.policy_grade())],
            Reach::Uncovered => vec![Layer::Failed(Reason::ApiNotCovered, self.policy_grade())],
            Reach::Mediated(_) => vec![self.mediated(need)],
            Reach::Covered => vec![self.by_policy(need, model), self.by_configuration(need, model), self.by_request(need)],
            Reach::Ambiguous => {
                let layers = [self.by_policy(need, model), self.by_configuration(need, model), self.by_request(need)];
                let doubted = |layer| match layer {
                    Layer::Satisfied(_) => Layer::Unknown(Missing::OpenAiInterface),
                    other => other,
                };
                layers.into_iter().map(doubted).collect()
            }
        }
    }

    /// What the evaluations of this call show of the need; `None` if nothing.
    pub(super) fn observation(&self, need: &Need) -> Option<Layer> {
        let evaluated = &self.evidence.evaluated;
        let Some(required) = &need.guardrail else {
            let requested = self.call.requested.as_ref().and_then(|requested| requested.guardrail.as_ref());
            // Any enforced guardrail will do, but not the one that only the request brought in.
            let enforced = |evaluated: &Evaluated| requested.is_none_or(|requested| !evaluated.is(requested));
            let version_matters = need.minimum_version.is_some();
            return (self.evidence.enforced_evaluation || evaluated.iter().any(enforced)).then_some(if version_matters {
                Layer::Unknown(Missing::GuardrailVersion)
            } else {
                Layer::Satisfied(Grade::Observed)
            });
        };
        let seen: Vec<&Evaluated> = evaluated.iter().filter(|evaluated| evaluated.is(required)).collect();
        if seen.is_empty() {
            return (!evaluated.is_empty()).then_some(Layer::Failed(Reason::WrongGuardrail, Grade::Observed));
        }
        if let Some(minimum) = need.minimum_version {
            let versions: Vec<GuardrailVersion> =
                seen.iter().filter_map(|evaluated| evaluated.version).chain(self.versions_in_force(required)).collect();
            match versions.iter().filter_map(|version| number(*version)).max() {
                Some(highest) if highest >= minimum => {}
                Some(_) => return Some(Layer::Failed(Reason::WrongVersion, Grade::Observed)),
                None if versions.is_empty() => return Some(Layer::Unknown(Missing::GuardrailVersion)),
                None => return Some(Layer::Failed(Reason::DraftVersion, Grade::Observed)),
            }
        }
        // An evaluation shows that the guardrail was in scope, not of how much content: that is for what is in force to say.
        if need.guarding == Guarding::Comprehensive && self.only_selective(required) {
            return Some(Layer::Failed(Reason::SelectiveGuarding, self.policy_grade()));
        }
        Some(Layer::Satisfied(Grade::Observed))
    }

    /// The versions of a guardrail that what is in force or requested names: evaluations don't show that of enforced ones (facts/03 §4).
    fn versions_in_force(&self, guardrail: &GuardrailKey) -> Vec<GuardrailVersion> {
        let requested = self.call.requested.iter().filter(|requested| requested.guardrail.as_ref() == Some(guardrail));
        self.in_force()
            .filter(|enforcement| enforcement.guardrail.key == *guardrail)
            .map(|enforcement| enforcement.guardrail.version)
            .chain(requested.filter_map(|requested| requested.version))
            .collect()
    }

    /// Whether all that enforces the guardrail leaves the choice of content to the caller.
    fn only_selective(&self, guardrail: &GuardrailKey) -> bool {
        let mut enforcing = self.in_force().filter(|enforcement| enforcement.guardrail.key == *guardrail).peekable();
        enforcing.peek().is_some() && enforcing.all(|enforcement| enforcement.guarding == Guarding::Selective)
    }

    /// Everything that is enforced here, by the policy or by the account.
    fn in_force(&self) -> impl Iterator<Item = Enforcement> + '_ {
        let by_policy = match self.policy_here() {
            PolicyHere::Configurations(configurations) => configurations,
            _ => &[],
        };
        let by_account = self.configurations.state().unwrap_or_default();
        by_policy.iter().filter_map(GuardrailInference::enforcement).chain(by_account.iter().cloned())
    }

    pub(super) fn by_policy(&self, need: &Need, model: &Model) -> Layer {
        let grade = self.policy_grade();
        match self.policy_here() {
            PolicyHere::NotKnown => Layer::Unknown(Missing::EffectivePolicy),
            PolicyHere::Nothing => Layer::Failed(Reason::NoGuardrail, grade),
            PolicyHere::OtherRegions => Layer::Failed(Reason::RegionNotCovered, grade),
            PolicyHere::Configurations(configurations) => {
                let alike = |a: &GuardrailInference, b: &GuardrailInference| a.enforcement() == b.enforcement();
                if configurations.windows(2).any(|pair| matches!(pair, [a, b] if !alike(a, b))) {
                    return Layer::Unknown(Missing::SeveralConfigurations);
                }
                let Some(configuration) = configurations.first() else {
                    return Layer::Failed(Reason::NoGuardrail, grade);
                };
                let Some(enforcement) = configuration.enforcement() else {
                    return Layer::Failed(Reason::NoGuardrail, grade);
                };
                match enforced_by(&enforcement, need, model, grade) {
                    Layer::Satisfied(_) if !self.is_owned_by_management(&enforcement.guardrail.key.account) => {
                        Layer::Failed(Reason::NoGuardrail, grade)
                    }
                    Layer::Satisfied(_) if !configuration.unknown_keys.is_empty() => Layer::Unknown(Missing::UnknownPolicyKeys),
                    layer => layer,
                }
            }
        }
    }

    pub(super) fn by_configuration(&self, need: &Need, model: &Model) -> Layer {
        let (configurations, grade) = match self.configurations {
            InForce::Known(configurations) => (configurations, Grade::Enforced),
            InForce::Assumed(configurations) => (configurations, Grade::Assumed),
            InForce::NotKnown => return Layer::Unknown(Missing::EnforcedConfiguration),
        };
        let layers = configurations.iter().map(|enforcement| enforced_by(enforcement, need, model, grade));
        // At most one is documented; were there more, any would do.
        layers.min_by_key(|layer| !matches!(layer, Layer::Satisfied(_))).unwrap_or(Layer::Failed(Reason::NoGuardrail, grade))
    }

    /// A requested guardrail satisfies only a policy or a requirement that names it.
    pub(super) fn by_request(&self, need: &Need) -> Layer {
        let Some(requested) = &self.call.requested else {
            return Layer::Failed(Reason::NoGuardrail, Grade::Enforced);
        };
        satisfied_by(requested.guardrail.as_ref(), requested.version, need, Grade::Requested)
    }

    fn mediated(&self, need: &Need) -> Layer {
        let Reach::Mediated(mediator) = self.call.reach else {
            return Layer::Failed(Reason::ApiNotCovered, self.policy_grade());
        };
        if mediator == Mediator::Request {
            return match &self.call.requested {
                Some(requested) => satisfied_by(requested.guardrail.as_ref(), requested.version, need, Grade::Requested),
                // The record may have left the guardrail out or masked it (facts/08 A13).
                None => Layer::Unknown(Missing::MediatedGuardrail),
            };
        }
        match self.mediated_by() {
            None | Some(InForce::NotKnown) => Layer::Unknown(Missing::MediatedGuardrail),
            Some(found) => {
                let assumed = matches!(found, InForce::Assumed(_));
                let parts = found.state().map_or(&[][..], |mediated| &mediated.parts);
                let grade = |known| if assumed { Grade::Assumed } else { known };
                let layers = parts.iter().map(|part| match part {
                    PartGuardrail::Named(named) => satisfied_by(Some(&named.key), Some(named.version), need, grade(Grade::Requested)),
                    PartGuardrail::None => Layer::Failed(Reason::ApiNotCovered, grade(self.policy_grade())),
                    PartGuardrail::NotKnown => Layer::Unknown(Missing::MediatedGuardrail),
                });
                // Every part has to be guarded. Of one without any that generates text it isn't known what ran: an alias may stand for
                // another version than the one that was read.
                layers.reduce(worse).unwrap_or(Layer::Unknown(Missing::MediatedGuardrail))
            }
        }
    }

    fn mediated_by(&self) -> Option<InForce<&'a crate::world::MediatedGuardrail>> {
        let kind = match self.call.reach {
            Reach::Mediated(Mediator::Agent) => MediatorKind::Agent,
            Reach::Mediated(Mediator::Flow) => MediatorKind::Flow,
            _ => return None,
        };
        Some(self.state.mediated(kind, &self.call.account, &self.call.region, self.call.mediator.as_deref()?, self.at))
    }

    pub(super) fn policy_here(&self) -> PolicyHere<'a> {
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

    /// AWS enforces only guardrails of the management account (facts/01 §2).
    fn is_owned_by_management(&self, owner: &AccountId) -> bool {
        self.state.management_account().is_none_or(|management| management == owner)
    }

    /// How good a claim is that rests on the effective policy.
    fn policy_grade(&self) -> Grade {
        match self.policy {
            InForce::Known(_) => Grade::Enforced,
            InForce::Assumed(_) => Grade::Assumed,
            InForce::NotKnown => Grade::None,
        }
    }

    fn weaker_if_assumed(&self, grade: Grade) -> Grade {
        grade.max(self.policy_grade())
    }

    /// The guardrail to name in a finding.
    fn required(&self) -> Option<GuardrailKey> {
        let by_team = self.requirements.iter().filter(|requirement| {
            let selected = requirement.selects(&self.call.account, &self.call.region, &self.call.model, self.state.organization());
            selected == Selected::Yes
        });
        by_team.into_iter().find_map(|requirement| requirement.guardrail.clone()).or_else(|| match self.policy_here() {
            PolicyHere::Configurations(configurations) => {
                configurations.iter().find_map(GuardrailInference::enforcement).map(|enforcement| enforcement.guardrail.key)
            }
            _ => None,
        })
    }

    fn policy_reference(&self) -> Option<PolicyReference> {
        let in_force = self.policy.state()?;
        let configuration = match self.policy_here() {
            PolicyHere::Configurations(configurations) => configurations.first(),
            _ => None,
        };
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
}

/// Whether an enforcement satisfies the need for calls of this model.
fn enforced_by(enforcement: &Enforcement, need: &Need, model: &Model, grade: Grade) -> Layer {
    let meant = enforcement.models.means(model);
    if meant == Meant::No {
        return Layer::Failed(Reason::ModelExcluded, grade);
    }
    match satisfied_by(Some(&enforcement.guardrail.key), Some(enforcement.guardrail.version), &need.or_any(enforcement), grade) {
        Layer::Satisfied(_) if meant == Meant::Undocumented => Layer::Unknown(Missing::ModelKindCoverage),
        Layer::Satisfied(_) if enforcement.guarding < need.guarding => Layer::Failed(Reason::SelectiveGuarding, grade),
        layer => layer,
    }
}

/// Whether this guardrail and version is what is needed.
fn satisfied_by(guardrail: Option<&GuardrailKey>, version: Option<GuardrailVersion>, need: &Need, grade: Grade) -> Layer {
    // What a request names is certain to be another one, however little else is known.
    let failed = |reason| Layer::Failed(reason, if grade == Grade::Requested { Grade::Enforced } else { grade });
    if version == Some(GuardrailVersion::Draft) {
        return failed(Reason::DraftVersion);
    }
    match (&need.guardrail, guardrail) {
        (Some(_), None) => Layer::Unknown(Missing::RequestedGuardrail),
        (Some(required), Some(found)) if required == found => match (version.and_then(number), need.minimum_version) {
            (None, _) => Layer::Unknown(Missing::GuardrailVersion),
            (Some(version), Some(minimum)) if version < minimum => failed(Reason::WrongVersion),
            (Some(_), _) => Layer::Satisfied(grade),
        },
        (Some(_), Some(_)) | (None, _) => failed(Reason::WrongGuardrail),
    }
}

/// Of two parts that both have to be guarded.
fn worse(one: Layer, other: Layer) -> Layer {
    use Layer::{Failed, Satisfied, Unknown};
    match (one, other) {
        (Failed(a, g), Failed(b, h)) => Failed(a.min(b), g.max(h)),
        (failed @ Failed(..), _) | (_, failed @ Failed(..)) => failed,
        (unknown @ Unknown(_), _) | (_, unknown @ Unknown(_)) => unknown,
        (Satisfied(a), Satisfied(b)) => Satisfied(a.max(b)),
    }
}

impl Need {
    /// For an enforcement, the need for any guardrail is the need for its own.
    fn or_any(&self, enforcement: &Enforcement) -> Need {
        Need { guardrail: Some(self.guardrail.clone().unwrap_or_else(|| enforcement.guardrail.key.clone())), ..self.clone() }
    }
}

fn number(version: GuardrailVersion) -> Option<u32> {
    match version {
        GuardrailVersion::Numbered(number) => Some(number),
        GuardrailVersion::Draft => None,
    }
}

impl Outcome {
    fn not_provable(missing: impl IntoIterator<Item = Missing>) -> Self {
        Outcome::NotProvable(missing.into_iter().collect())
    }
}

/// Every requirement has to be satisfied.
fn all_of(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    outcomes.reduce(both).unwrap_or(Outcome::NotApplicable(Grade::None))
}

fn both(one: Outcome, other: Outcome) -> Outcome {
    use Outcome::{Compliant, NotApplicable, NotProvable, Violation};
    match (one, other) {
        (Violation(a, g), Violation(b, h)) => {
            if b < a {
                Violation(b, h)
            } else {
                Violation(a, g)
            }
        }
        (violation @ Violation(..), _) | (_, violation @ Violation(..)) => violation,
        (NotProvable(a), NotProvable(b)) => NotProvable(a.into_iter().chain(b).collect()),
        (unknown @ NotProvable(_), _) | (_, unknown @ NotProvable(_)) => unknown,
        (Compliant(a), Compliant(b)) => Compliant(a.max(b)),
        (compliant @ Compliant(_), NotApplicable(_)) | (NotApplicable(_), compliant @ Compliant(_)) => compliant,
        (NotApplicable(a), NotApplicable(b)) => NotApplicable(a.max(b)),
    }
}

/// The verdict if one of several things is the case, and we don't know which: the one that all of them lead to, or none.
fn over_all_possibilities(outcomes: impl Iterator<Item = Outcome>, unknown: Missing) -> Outcome {
    use Outcome::{Compliant, NotApplicable, NotProvable, Violation};
    let combined = outcomes.reduce(|one, other| match (one, other) {
        (Compliant(a), Compliant(b)) => Compliant(a.max(b)),
        (Violation(a, g), Violation(b, h)) => Violation(a.min(b), g.max(h)),
        (NotApplicable(a), NotApplicable(b)) => NotApplicable(a.max(b)),
        (NotProvable(a), NotProvable(b)) => NotProvable(a.into_iter().chain(b).collect()),
        (NotProvable(a), _) | (_, NotProvable(a)) => NotProvable(a.into_iter().chain([unknown]).collect()),
        _ => Outcome::not_provable([unknown]),
    });
    combined.unwrap_or_else(|| Outcome::not_provable([unknown]))
}

impl Judgement {
    fn not_provable(missing: impl IntoIterator<Item = Missing>) -> Self {
        Judgement {
            verdict: Verdict::NotProvable,
            grade: Grade::None,
            reason: None,
            missing: missing.into_iter().collect(),
            required: None,
            policy: None,
        }
    }

    fn with(self, outcome: Outcome) -> Self {
        let (verdict, grade, reason, missing) = match outcome {
            Outcome::Compliant(grade) => (Verdict::Compliant, grade, None, BTreeSet::new()),
            Outcome::Violation(reason, grade) => (Verdict::Violation, grade, Some(reason), BTreeSet::new()),
            Outcome::NotProvable(missing) => (Verdict::NotProvable, Grade::None, None, missing),
            Outcome::NotApplicable(grade) => (Verdict::NotApplicable, grade, None, BTreeSet::new()),
        };
        Judgement { verdict, grade, reason, missing, ..self }
    }

    fn outcome(&self) -> Outcome {
        match (self.verdict, self.reason) {
            (Verdict::Compliant, _) => Outcome::Compliant(self.grade),
            (Verdict::Violation, reason) => Outcome::Violation(reason.unwrap_or(Reason::NoGuardrail), self.grade),
            (Verdict::NotProvable, _) => Outcome::NotProvable(self.missing.clone()),
            (Verdict::NotApplicable, _) => Outcome::NotApplicable(self.grade),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        verdict::Requested,
        world::testing::{described, hour, world},
    };

    const ACCOUNT: &str = "222233334444";
    const HAIKU: &str = "anthropic.claude-3-haiku-20240307-v1:0";

    fn guardrail(id: &str) -> GuardrailKey {
        GuardrailKey { account: "111122223333".into(), region: "us-east-1".into(), id: id.into() }
    }

    /// `us-east-1` demands this configuration.
    fn demanding(configuration: &Value) -> Value {
        described(&json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": configuration}}}}))
    }

    fn org_guardrail() -> Value {
        demanding(&json!({"identifier": "arn:aws:bedrock:us-east-1:111122223333:guardrail/org:2"}))
    }

    fn no_policy() -> Value {
        json!({"EffectivePolicy": null})
    }

    fn no_configuration() -> Value {
        json!({"guardrailsConfig": []})
    }

    fn configuration(id: &str, version: &str) -> Value {
        json!({"guardrailsConfig": [{"guardrailArn": guardrail(id).arn(), "guardrailVersion": version}]})
    }

    fn state(policy: Option<Value>, configuration: Option<Value>) -> State {
        let policy = policy.map(|policy| ("effective-policies/222233334444.json", policy));
        let configuration = configuration.map(|configuration| ("enforced-configurations/222233334444/us-east-1.json", configuration));
        world(&policy.into_iter().chain(configuration).collect::<Vec<_>>()).settle()
    }

    fn call() -> Call {
        Call {
            account: ACCOUNT.into(),
            region: "us-east-1".into(),
            time: Some(hour(12)),
            api: "Converse".into(),
            reach: Reach::Covered,
            model: Model::parse(HAIKU),
            requested: None,
            mediator: None,
            failed: false,
        }
    }

    fn requesting(id: &str, version: &str) -> Call {
        Call { requested: Some(Requested { guardrail: Some(guardrail(id)), version: GuardrailVersion::parse(version) }), ..call() }
    }

    fn seen(ids: &[&str]) -> Evidence {
        let evaluated = |id: &&str| Evaluated { id: (*id).to_owned(), key: Some(guardrail(id)), version: None };
        Evidence { evaluated: ids.iter().map(evaluated).collect(), ..Evidence::default() }
    }

    fn require(id: &str) -> Requirement {
        Requirement { guardrail: Some(guardrail(id)), ..Requirement::default() }
    }

    /// The verdict in short: `compliant/enforced`, `violation/enforced no_guardrail`, `not_provable model`.
    fn verdict(call: &Call, evidence: &Evidence, state: &State, requirements: &[Requirement]) -> String {
        let judgement = judge(call, evidence, state, requirements);
        let why: Vec<&str> =
            judgement.reason.iter().map(|reason| reason.as_str()).chain(judgement.missing.iter().map(|missing| missing.as_str())).collect();
        let grade = if judgement.verdict == Verdict::NotProvable { String::new() } else { format!("/{}", judgement.grade) };
        format!("{}{grade} {}", judgement.verdict, why.join(" ")).trim_end().to_owned()
    }

    fn by_default(call: &Call, state: &State) -> String {
        verdict(call, &Evidence::default(), state, &[])
    }

    #[test]
    fn without_a_world_nothing_is_provable() {
        let nothing = State::default();
        assert_eq!(by_default(&call(), &nothing), "not_provable effective_policy");
        assert_eq!(by_default(&requesting("org", "2"), &nothing), "not_provable effective_policy");
        for reach in [Reach::Uncovered, Reach::Unsupported, Reach::Ambiguous, Reach::Mediated(Mediator::Agent)] {
            assert_eq!(by_default(&Call { reach, ..call() }, &nothing), "not_provable effective_policy");
        }
        assert_eq!(verdict(&call(), &seen(&["org"]), &nothing, &[]), "not_provable effective_policy");
        assert_eq!(by_default(&Call { failed: true, ..call() }, &nothing), "not_applicable/none");
    }

    #[test]
    fn an_enforced_policy_covers_its_region_and_models() {
        let enforced = state(Some(org_guardrail()), None);
        assert_eq!(by_default(&call(), &enforced), "compliant/enforced");
        assert_eq!(
            by_default(&Call { model: Model::parse("us.anthropic.claude-3-haiku-20240307-v1:0"), ..call() }, &enforced),
            "compliant/enforced"
        );
        assert_eq!(
            by_default(&requesting("mine", "DRAFT"), &enforced),
            "compliant/enforced",
            "what is enforced applies beside what is requested"
        );
        let elsewhere = Call { region: "eu-west-1".into(), ..call() };
        let files = [
            ("effective-policies/222233334444.json", org_guardrail()),
            ("enforced-configurations/222233334444/eu-west-1.json", no_configuration()),
        ];
        assert_eq!(by_default(&elsewhere, &world(&files).settle()), "violation/enforced region_not_covered");
        assert_eq!(by_default(&elsewhere, &enforced), "not_provable enforced_configuration", "the account may have one of its own there");
    }

    #[test]
    fn a_model_that_the_policy_exempts_needs_no_guardrail_unless_the_team_says_so() {
        let excluding = demanding(&json!({"identifier": "arn:aws:bedrock:us-east-1:111122223333:guardrail/org:2",
            "model_enforcement": {"included_models": ["ALL"], "excluded_models": [HAIKU]}}));
        let excluding = state(Some(excluding), Some(no_configuration()));
        assert_eq!(by_default(&call(), &excluding), "not_applicable/enforced");
        assert_eq!(by_default(&Call { reach: Reach::Unsupported, ..call() }, &excluding), "not_applicable/enforced");
        assert_eq!(verdict(&call(), &Evidence::default(), &excluding, &[require("org")]), "violation/enforced model_excluded");
        assert_eq!(verdict(&requesting("org", "2"), &Evidence::default(), &excluding, &[require("org")]), "compliant/requested");
        let exempt = Requirement { models: ModelScope::new(["ALL"], [HAIKU]), ..require("org") };
        assert_eq!(verdict(&call(), &Evidence::default(), &excluding, &[exempt]), "not_applicable/none");
    }

    #[test]
    fn without_a_policy_an_account_configuration_will_do() {
        assert_eq!(by_default(&call(), &state(Some(no_policy()), Some(configuration("mine", "1")))), "compliant/enforced");
        assert_eq!(by_default(&call(), &state(Some(no_policy()), Some(no_configuration()))), "violation/enforced no_guardrail");
        assert_eq!(by_default(&call(), &state(Some(no_policy()), None)), "not_provable enforced_configuration");
        assert_eq!(by_default(&call(), &state(None, Some(configuration("mine", "1")))), "not_provable effective_policy");
    }

    #[test]
    fn a_requested_guardrail_satisfies_only_what_names_it() {
        let nothing = state(Some(no_policy()), Some(no_configuration()));
        assert_eq!(by_default(&requesting("mine", "1"), &nothing), "violation/enforced wrong_guardrail");
        assert_eq!(by_default(&requesting("mine", "DRAFT"), &nothing), "violation/enforced draft_version");
        let required = Requirement { minimum_version: Some(3), ..require("org") };
        for (id, version, expected) in [
            ("org", "3", "compliant/requested"),
            ("org", "4", "compliant/requested"),
            ("org", "2", "violation/enforced wrong_version"),
            ("org", "DRAFT", "violation/enforced draft_version"),
            ("mine", "9", "violation/enforced wrong_guardrail"),
        ] {
            assert_eq!(
                verdict(&requesting(id, version), &Evidence::default(), &nothing, std::slice::from_ref(&required)),
                expected,
                "{id} {version}"
            );
        }
        let hidden = Call { requested: Some(Requested { guardrail: None, version: None }), ..call() };
        assert_eq!(verdict(&hidden, &Evidence::default(), &nothing, &[require("org")]), "not_provable requested_guardrail");
    }

    #[test]
    fn a_requirement_is_stricter_than_the_policy() {
        let enforced = state(Some(org_guardrail()), Some(no_configuration()));
        let judged = |requirement: Requirement| verdict(&call(), &Evidence::default(), &enforced, &[requirement]);
        assert_eq!(judged(require("org")), "compliant/enforced");
        assert_eq!(judged(Requirement { minimum_version: Some(3), ..require("org") }), "violation/enforced wrong_version");
        assert_eq!(judged(require("other")), "violation/enforced wrong_guardrail");
        assert_eq!(judged(Requirement::default()), "compliant/enforced");
        assert_eq!(
            judged(Requirement { regions: Some(["eu-west-1".into()].into()), ..require("other") }),
            "compliant/enforced",
            "not selected"
        );
        let selective = demanding(
            &json!({"identifier": "arn:aws:bedrock:us-east-1:111122223333:guardrail/org:2", "selective_content_guarding": {"system": "selective"}}),
        );
        let selective = state(Some(selective), Some(no_configuration()));
        assert_eq!(by_default(&call(), &selective), "compliant/enforced", "the policy asks for no more");
        assert_eq!(verdict(&call(), &Evidence::default(), &selective, &[require("org")]), "violation/enforced selective_guarding");
        let lenient = Requirement { guarding: Guarding::Selective, ..require("org") };
        assert_eq!(verdict(&call(), &Evidence::default(), &selective, &[lenient]), "compliant/enforced");
        assert_eq!(verdict(&call(), &seen(&["org"]), &selective, &[require("org")]), "violation/enforced selective_guarding");
    }

    #[test]
    fn ways_around_the_four_operations_are_not_covered() {
        let enforced = state(Some(org_guardrail()), Some(no_configuration()));
        let over = |reach| by_default(&Call { reach, ..call() }, &enforced);
        assert_eq!(over(Reach::Unsupported), "violation/enforced endpoint_not_covered");
        assert_eq!(over(Reach::Uncovered), "violation/enforced api_not_covered");
        assert_eq!(over(Reach::Ambiguous), "not_provable openai_interface");
        let mantle = Call { reach: Reach::Unsupported, ..call() };
        assert_eq!(verdict(&mantle, &Evidence::default(), &State::default(), &[require("org")]), "violation/none endpoint_not_covered");
        assert_eq!(verdict(&mantle, &seen(&["org"]), &enforced, &[]), "compliant/observed", "what was observed was observed");
    }

    #[test]
    fn an_evaluation_of_the_call_decides() {
        let enforced = state(Some(org_guardrail()), Some(no_configuration()));
        assert_eq!(verdict(&call(), &seen(&["org"]), &enforced, &[]), "compliant/observed");
        assert_eq!(verdict(&call(), &seen(&["org", "mine"]), &enforced, &[]), "compliant/observed");
        assert_eq!(verdict(&call(), &seen(&["mine"]), &enforced, &[]), "violation/observed wrong_guardrail");
        let by_id = Evidence { evaluated: [Evaluated { id: "org".into(), key: None, version: None }].into(), ..Evidence::default() };
        assert_eq!(verdict(&call(), &by_id, &enforced, &[]), "compliant/observed", "a trace shows the id only");
        let newer = Requirement { minimum_version: Some(3), ..require("org") };
        assert_eq!(verdict(&call(), &seen(&["org"]), &enforced, std::slice::from_ref(&newer)), "violation/observed wrong_version");
        assert_eq!(verdict(&call(), &seen(&["org"]), &State::default(), &[newer]), "not_provable guardrail_version");
        let nothing = state(Some(no_policy()), Some(no_configuration()));
        assert_eq!(
            verdict(&requesting("mine", "1"), &seen(&["mine"]), &nothing, &[]),
            "violation/enforced wrong_guardrail",
            "only requested"
        );
        let marked = Evidence { enforced_evaluation: true, ..Evidence::default() };
        assert_eq!(verdict(&call(), &marked, &nothing, &[]), "compliant/observed");
    }

    #[test]
    fn the_lack_of_an_evaluation_counts_only_where_one_is_expected() {
        let enforced = state(Some(org_guardrail()), Some(no_configuration()));
        let lacking = |expectation| Evidence { expectation, ..Evidence::default() };
        assert_eq!(verdict(&call(), &lacking(Expectation::Evaluation), &enforced, &[]), "violation/enforced not_observed");
        assert_eq!(verdict(&call(), &lacking(Expectation::Doubt), &enforced, &[]), "not_provable evaluations");
        let nothing = state(Some(no_policy()), Some(no_configuration()));
        assert_eq!(verdict(&call(), &lacking(Expectation::Evaluation), &nothing, &[]), "violation/enforced no_guardrail");
    }

    #[test]
    fn an_unknown_model_is_judged_over_all_it_may_be() {
        let profile =
            Call { model: Model::parse("arn:aws:bedrock:us-east-1:222233334444:application-inference-profile/abcdef123456"), ..call() };
        let prompt = Call { model: Model::parse("arn:aws:bedrock:us-east-1:222233334444:prompt/PROMPT1234:1"), ..call() };
        let all = state(Some(org_guardrail()), Some(no_configuration()));
        assert_eq!(by_default(&profile, &all), "compliant/enforced", "whatever the foundation model");
        assert_eq!(by_default(&prompt, &all), "not_provable model model_kind_coverage", "a prompt may name a custom model");
        let some = demanding(&json!({"identifier": "arn:aws:bedrock:us-east-1:111122223333:guardrail/org:2",
            "model_enforcement": {"included_models": ["ALL"], "excluded_models": [HAIKU]}}));
        assert_eq!(by_default(&profile, &state(Some(some.clone()), Some(no_configuration()))), "not_provable model");
        let nothing = state(Some(no_policy()), Some(no_configuration()));
        assert_eq!(by_default(&profile, &nothing), "violation/enforced no_guardrail");
        assert_eq!(by_default(&prompt, &nothing), "violation/enforced no_guardrail");
        let resolved = world(&[
            ("effective-policies/222233334444.json", some),
            (
                "inference-profiles/222233334444/us-east-1/abcdef123456.json",
                json!({"models": [{"modelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{HAIKU}")}]}),
            ),
        ]);
        assert_eq!(by_default(&profile, &resolved.settle()), "not_applicable/enforced", "the world resolves it");
    }

    #[test]
    fn deployed_models_need_an_observation() {
        let imported = Call { model: Model::parse("arn:aws:bedrock:us-east-1:222233334444:imported-model/abc"), ..call() };
        let enforced = state(Some(org_guardrail()), Some(no_configuration()));
        assert_eq!(by_default(&imported, &enforced), "not_provable model_kind_coverage");
        assert_eq!(verdict(&imported, &seen(&["org"]), &enforced, &[]), "compliant/observed");
        assert_eq!(by_default(&Call { requested: requesting("org", "2").requested, ..imported.clone() }, &enforced), "compliant/requested");
        assert_eq!(by_default(&imported, &state(Some(no_policy()), Some(no_configuration()))), "violation/enforced no_guardrail");
    }

    #[test]
    fn what_cannot_be_enforced_is_not_in_force() {
        for identifier in
            ["arn:aws:bedrock:us-east-1:111122223333:guardrail/org:DRAFT", "org", "arn:aws:bedrock:eu-west-1:111122223333:guardrail/org:1"]
        {
            let unusable = state(Some(demanding(&json!({"identifier": identifier}))), Some(no_configuration()));
            assert_eq!(by_default(&call(), &unusable), "violation/enforced no_guardrail", "{identifier}");
        }
        let foreign = world(&[
            ("organization.json", json!({"Organization": {"MasterAccountId": "999999999999"}})),
            ("effective-policies/222233334444.json", org_guardrail()),
            ("enforced-configurations/222233334444/us-east-1.json", no_configuration()),
        ]);
        assert_eq!(by_default(&call(), &foreign.settle()), "violation/enforced no_guardrail", "not a guardrail of the management account");
    }

    #[test]
    fn what_aws_does_not_document_is_never_compliant() {
        let arn = |id: &str| json!({"identifier": format!("arn:aws:bedrock:us-east-1:111122223333:guardrail/{id}:1")});
        let several = |a: Value, b: Value| {
            state(
                Some(described(&json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": a, "config_2": b}}}}))),
                Some(no_configuration()),
            )
        };
        assert_eq!(by_default(&call(), &several(arn("a"), arn("b"))), "not_provable several_configurations");
        assert_eq!(by_default(&call(), &several(arn("a"), arn("a"))), "compliant/enforced", "it makes no difference");
        assert_eq!(verdict(&call(), &seen(&["a", "b"]), &several(arn("a"), arn("b")), &[]), "compliant/observed");
        let mut unknown = arn("org");
        unknown["mode"] = json!("detect");
        assert_eq!(by_default(&call(), &state(Some(demanding(&unknown)), Some(no_configuration()))), "not_provable unknown_policy_keys");
    }

    #[test]
    fn mediated_calls_are_judged_by_the_guardrail_of_the_mediator() {
        let agent = Call { reach: Reach::Mediated(Mediator::Agent), mediator: Some("AGENT12345".into()), model: Model::Unknown, ..call() };
        let with_agent = |guardrail: Value| {
            let files = [
                ("effective-policies/222233334444.json", org_guardrail()),
                (
                    "agents/222233334444/us-east-1/AGENT12345.json",
                    json!({"agent": {"agentId": "AGENT12345", "foundationModel": HAIKU, "guardrailConfiguration": guardrail}}),
                ),
            ];
            by_default(&agent, &world(&files).settle())
        };
        let named = |id: &str, version: &str| json!({"guardrailIdentifier": guardrail(id).arn(), "guardrailVersion": version});
        assert_eq!(with_agent(named("org", "2")), "compliant/requested");
        assert_eq!(with_agent(named("org", "1")), "violation/enforced wrong_version");
        assert_eq!(with_agent(named("mine", "1")), "violation/enforced wrong_guardrail");
        assert_eq!(with_agent(named("org", "DRAFT")), "violation/enforced draft_version");
        assert_eq!(with_agent(Value::Null), "violation/enforced api_not_covered");
        assert_eq!(by_default(&agent, &state(Some(org_guardrail()), None)), "not_provable mediated_guardrail");
        let inline = Call { reach: Reach::Mediated(Mediator::Request), ..requesting("org", "2") };
        assert_eq!(by_default(&inline, &state(Some(org_guardrail()), None)), "compliant/requested");
    }

    #[test]
    fn every_node_of_a_flow_has_to_be_guarded() {
        let flow = Call { reach: Reach::Mediated(Mediator::Flow), mediator: Some("FLOW123456".into()), model: Model::Unknown, ..call() };
        let with_nodes = |nodes: Value| {
            let files = [
                ("effective-policies/222233334444.json", org_guardrail()),
                ("flows/222233334444/us-east-1/FLOW123456.json", json!({"id": "FLOW123456", "definition": {"nodes": nodes}})),
            ];
            by_default(&flow, &world(&files).settle())
        };
        let prompt = |id: &str| {
            let named = json!({"guardrailIdentifier": guardrail(id).arn(), "guardrailVersion": "2"});
            json!({"configuration": {"prompt": {"guardrailConfiguration": named}}})
        };
        let unguarded = json!({"configuration": {"prompt": {}}});
        let looping = |nodes: Value| json!({"configuration": {"loop": {"definition": {"nodes": nodes}}}});
        let agent =
            json!({"configuration": {"agent": {"agentAliasArn": "arn:aws:bedrock:us-east-1:222233334444:agent-alias/AGENT12345/X"}}});
        assert_eq!(with_nodes(json!([prompt("org"), prompt("org")])), "compliant/requested");
        assert_eq!(with_nodes(json!([prompt("org"), looping(json!([prompt("org")]))])), "compliant/requested");
        assert_eq!(with_nodes(json!([prompt("org"), prompt("mine")])), "violation/enforced wrong_guardrail");
        assert_eq!(with_nodes(json!([prompt("org"), looping(json!([unguarded]))])), "violation/enforced api_not_covered");
        assert_eq!(with_nodes(json!([prompt("org"), agent])), "not_provable mediated_guardrail");
        assert_eq!(with_nodes(json!([unguarded, agent])), "violation/enforced api_not_covered");
        let input = json!({"type": "Input", "configuration": {"input": {}}});
        assert_eq!(with_nodes(json!([input])), "not_provable mediated_guardrail", "an alias may stand for another version");
    }

    #[test]
    fn a_state_read_later_is_only_assumed() {
        let later = |path: &'static str, json: Value| {
            world(&[(path, json), ("enforced-configurations/222233334444/us-east-1.json", no_configuration())]).settle()
        };
        assert_eq!(
            by_default(&call(), &later("effective-policies/222233334444@20261120T230000Z.json", org_guardrail())),
            "compliant/assumed"
        );
        assert_eq!(
            by_default(&call(), &later("effective-policies/222233334444@20261120T230000Z.json", no_policy())),
            "violation/assumed no_guardrail"
        );
    }

    #[test]
    fn a_call_without_a_time_is_judged_at_all_times() {
        let untimed = Call { time: None, ..call() };
        assert_eq!(by_default(&untimed, &state(Some(org_guardrail()), None)), "compliant/enforced");
        let changing = world(&[
            ("effective-policies/222233334444.json", org_guardrail()),
            ("effective-policies/222233334444@20261120T100000Z.json", no_policy()),
            ("enforced-configurations/222233334444/us-east-1.json", no_configuration()),
        ]);
        assert_eq!(by_default(&untimed, &changing.settle()), "not_provable event_time");
        assert_eq!(by_default(&Call { region: "unknown".into(), ..call() }, &state(Some(org_guardrail()), None)), "not_provable region");
    }

    #[test]
    fn the_reason_that_comes_first_is_named() {
        let other_region = described(
            &json!({"bedrock": {"guardrail_inference": {"eu-west-1": {"c": {"identifier": "arn:aws:bedrock:eu-west-1:111122223333:guardrail/org:2"}}}}}),
        );
        let elsewhere = state(Some(other_region), Some(configuration("mine", "1")));
        assert_eq!(
            verdict(&requesting("org", "DRAFT"), &Evidence::default(), &elsewhere, &[require("org")]),
            "violation/enforced region_not_covered"
        );
        let nothing = state(Some(no_policy()), Some(configuration("mine", "1")));
        assert_eq!(
            verdict(&requesting("org", "1"), &Evidence::default(), &nothing, &[Requirement { minimum_version: Some(2), ..require("org") }]),
            "violation/enforced wrong_version"
        );
    }
}
