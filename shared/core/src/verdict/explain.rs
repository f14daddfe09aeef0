//! Explains how a verdict is reached, step by step, with the evidence.

use super::{
    Call, Evidence, Expectation, judge,
    judge::{Layer, Need, PolicyHere, Situation},
};
use crate::{
    arn::Region,
    enforcement::{Enforcement, Guarding, Meant, Unclear},
    model::Model,
    policy::{GuardrailInference, Identifier},
    requirement::{Requirement, Selected},
    timestamp::Timestamp,
    world::{InForce, PolicyBasis, State},
};

/// Explains the verdict on a call, one sentence per step. A call without a time is judged as of the last known state.
#[must_use]
pub fn explain(call: &Call, evidence: &Evidence, state: &State, requirements: &[Requirement]) -> Vec<String> {
    let at = call.time.unwrap_or(Timestamp::END);
    let situation = Situation::of(call, evidence, state, requirements, at);
    let mut steps = vec![the_call(call)];
    let judgement = judge(call, evidence, state, requirements);
    if call.failed {
        steps.push("The call failed before inference, so no guardrail was needed.".to_owned());
    } else {
        steps.push(the_policy(&situation));
        steps.push(the_configuration(&situation));
        steps.push(the_models(&situation));
        steps.extend(the_requirements(&situation));
        steps.push(the_evidence(evidence));
    }
    let reason = judgement.reason.map(|reason| format!(", because {reason}")).unwrap_or_default();
    steps.push(format!("Verdict: {} (grade: {}){reason}.", judgement.verdict, judgement.grade));
    steps.extend(judgement.missing.iter().map(|missing| format!("Missing: {missing}. To get it: {}.", missing.remedy())));
    steps
}

fn the_call(call: &Call) -> String {
    let time = call.time.map(|time| format!(" at {time}")).unwrap_or_default();
    let requested = match &call.requested {
        None => "named no guardrail".to_owned(),
        Some(requested) => format!(
            "named guardrail {} in version {}",
            requested.guardrail.as_ref().map_or("(hidden)".to_owned(), ToString::to_string),
            requested.version.map_or("(hidden)".to_owned(), |version| version.to_string())
        ),
    };
    format!("Call: {} of {} in {}/{}{time}; the request {requested}.", call.api, call.model, call.account, call.region)
}

fn the_policy(situation: &Situation<'_>) -> String {
    let (known, in_force) = match situation.policy {
        InForce::NotKnown => return "Effective policy: not known at that time.".to_owned(),
        InForce::Known(in_force) => ("", in_force),
        InForce::Assumed(in_force) => (" (assumed: nothing older is known)", in_force),
    };
    let basis = match in_force.basis {
        PolicyBasis::Described => "described by AWS",
        PolicyBasis::Computed => "computed from the organization's policies",
        PolicyBasis::LastValid => "the last valid one, because the newer is invalid",
    };
    let says = match situation.policy_here() {
        PolicyHere::NotKnown | PolicyHere::Nothing => "it demands nothing, in no Region".to_owned(),
        PolicyHere::OtherRegions => {
            let regions: Vec<&str> = in_force.policy.iter().flat_map(|policy| policy.regions.keys()).map(Region::as_str).collect();
            format!("it names {}, not this Region", regions.join(", "))
        }
        PolicyHere::Configurations(configurations) => {
            let named = configurations.iter().map(|configuration| {
                let origin = configuration.origin.as_ref().map(|origin| format!(" (set by {} at {})", origin.policy, origin.attached_to));
                let demand = match (&configuration.identifier, configuration.enforcement()) {
                    (_, Some(enforcement)) => enforced(&enforcement),
                    (Identifier::Unusable { text, why }, _) => {
                        let unclear = not_understood(&configuration.unclear).map(|unclear| format!(" ({unclear})")).unwrap_or_default();
                        format!("`{text}`, which can't be enforced: {why}{unclear}")
                    }
                    (Identifier::Guardrail(named), None) => named.to_string(),
                };
                format!("{demand}{}", origin.unwrap_or_default())
            });
            format!("it demands {}", named.collect::<Vec<_>>().join("; and "))
        }
    };
    let unclear = in_force.policy.as_ref().and_then(|policy| not_understood(&policy.unclear));
    let unclear = unclear.map(|unclear| format!("; what else it may demand is not known, because {unclear}")).unwrap_or_default();
    format!("Effective policy: {basis}, in force from {}{known}: {says}{unclear}.", in_force.since)
}

fn enforced(enforcement: &Enforcement) -> String {
    let plain = format!("{} for {}, over {}", enforcement.guardrail, enforcement.models, enforcement.guarding);
    match not_understood(&enforcement.unclear) {
        Some(unclear) => format!("{plain}, as far as it is understood ({unclear})"),
        None => plain,
    }
}

/// A sentence for the parts that can't be understood, with their positions.
fn not_understood(unclear: &[Unclear]) -> Option<String> {
    let reasons: Vec<String> = unclear.iter().map(|unclear| format!("{unclear}, at {}", unclear.pointer)).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn the_configuration(situation: &Situation<'_>) -> String {
    let (known, configurations) = match situation.configurations {
        InForce::NotKnown => return "Account-level configuration: not known at that time.".to_owned(),
        InForce::Known(configurations) => ("", configurations),
        InForce::Assumed(configurations) => (" (assumed: nothing older is known)", configurations),
    };
    match configurations {
        [] => format!("Account-level configuration: none{known}."),
        some => format!("Account-level configuration{known}: {}.", some.iter().map(enforced).collect::<Vec<_>>().join("; and ")),
    }
}

fn the_models(situation: &Situation<'_>) -> String {
    let models = situation.possible_models();
    match models.as_slice() {
        [model] if *model == situation.call.model => format!("Model: {model}."),
        [model] => format!("Model: {} is {model}.", situation.call.model),
        several => format!("Model: {} may be any of {} that would be judged apart, so all are tried.", situation.call.model, several.len()),
    }
}

fn the_requirements(situation: &Situation<'_>) -> Vec<String> {
    let Some(model) = situation.possible_models().into_iter().next() else {
        return Vec::new();
    };
    let selected: Vec<&Requirement> =
        situation.requirements.iter().filter(|requirement| situation.selected_by(requirement, &model) == Selected::Yes).collect();
    let exempted_by_team =
        || situation.requirements.iter().any(|requirement| situation.selected_by(requirement, &model) == Selected::Exempt);
    let (mut steps, needs) = if selected.is_empty() {
        if exempted_by_team() {
            return vec![format!(
                "Requirement: a [[require]] excludes {model} and none selects the call, so it is exempt: no guardrail is needed."
            )];
        }
        let configured = match situation.policy_here() {
            PolicyHere::Configurations(configurations) => configurations,
            _ => &[],
        };
        if let Some(exemption) = exemption(configured, &model) {
            return vec![exemption];
        }
        let (what, need) = match configured.iter().find_map(GuardrailInference::enforcement) {
            Some(enforcement) => (
                format!("the one that the policy names, {}", enforcement.guardrail),
                Need { guardrail: Some(enforcement.guardrail.key), minimum_version: None, guarding: enforcement.guarding },
            ),
            None => ("any".to_owned(), Need { guardrail: None, minimum_version: None, guarding: Guarding::SELECTIVE }),
        };
        (vec![format!("Requirement: no [[require]] selects the call, so an enforced guardrail is required: {what}.")], vec![need])
    } else {
        let steps = selected.iter().map(|requirement| {
            let guardrail = requirement.guardrail.as_ref().map_or("an enforced guardrail".to_owned(), ToString::to_string);
            let version = requirement.minimum_version.map(|version| format!(", from version {version}")).unwrap_or_default();
            format!("Requirement: a [[require]] selects the call and wants {guardrail}{version}, over {}.", requirement.guarding)
        });
        let needs = selected.iter().map(|requirement| Need {
            guardrail: requirement.guardrail.clone(),
            minimum_version: requirement.minimum_version,
            guarding: requirement.guarding,
        });
        (steps.collect(), needs.collect())
    };
    for need in needs {
        let layers = situation.layers(&need, &model).into_iter().map(|layer| match layer {
            Layer::Satisfied(grade) => format!("satisfied ({grade})"),
            Layer::Failed(reason, _) => format!("no ({reason})"),
            Layer::Unknown(missing) => format!("not known ({missing})"),
        });
        let layers: Vec<String> = layers.collect();
        steps.push(match layers.as_slice() {
            [policy, configuration, request] => {
                format!(
                    "Is it in scope? By the policy: {policy}. By the account's configuration: {configuration}. By the request: {request}."
                )
            }
            other => format!("Is it in scope? By this way to a model: {}.", other.join(", ")),
        });
    }
    steps
}

/// A sentence for a model that the policy exempts: no requirement selects it, and all configurations of the Region exclude it.
fn exemption(configured: &[GuardrailInference], model: &Model) -> Option<String> {
    let leaves_out = |configuration: &GuardrailInference| configuration.models.means(model) == Meant::No;
    let first = configured.first().filter(|_| configured.iter().all(leaves_out))?;
    let list = if first.models.excluded.contains(model.as_str()) { "lists it as excluded" } else { "doesn't list it as included" };
    let because = format!("no [[require]] selects the call, and model_enforcement of the policy {list}");
    Some(if configured.iter().all(|configuration| configuration.unclear.is_empty()) {
        format!("Requirement: {because}: the policy exempts {model}, so no guardrail is needed.")
    } else {
        format!("Requirement: {because}, but whether that exempts {model} is not known, because not all of the policy is understood.")
    })
}

fn the_evidence(evidence: &Evidence) -> String {
    if !evidence.evaluated.is_empty() {
        let ids: Vec<&str> = evidence.evaluated.iter().map(|evaluated| evaluated.id.as_str()).collect();
        return format!("Evaluations of this call: by {}.", ids.join(", "));
    }
    match evidence.expectation {
        _ if evidence.unnamed_evaluation => "Evaluations of this call: by a guardrail that isn't named, or of the answer alone.".to_owned(),
        _ if evidence.enforced_evaluation => "Evaluations of this call: by an enforced guardrail, which isn't named.".to_owned(),
        Expectation::None => "Evaluations of this call: none was read, which says nothing here.".to_owned(),
        Expectation::Doubt => "Evaluations can't be joined to calls here, and this principal has fewer than calls.".to_owned(),
        Expectation::Evaluation => "Evaluations of this call: none, although others of this account and Region have one.".to_owned(),
    }
}
