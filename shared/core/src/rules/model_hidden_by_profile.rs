//! An inference profile or prompt router stands for a model that the policy excludes, or for one that isn't known.

use crate::{
    arn::short,
    change_history::{ChangeInContext, Outcome},
    framework::{ATLAS_CONTROL_ACCESS, GOVERN_1_2, ISO_INTENDED_USE, LENS_GUARDRAILS},
    json::At,
    missing_evidence::MissingEvidence,
    model::Model,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
    verdict::Missing,
    world::InForce,
};

pub(super) static RULE: Rule = Rule {
    id: "model-hidden-by-profile",
    title: "An inference profile or prompt router stands for a model that enforcement leaves out, or that can't be told",
    severity: Severity::Low,
    group: Group::Consumers,
    revealed_by: &["CreateInferenceProfile", "CreatePromptRouter"],
    fires: "An application inference profile or prompt router is made for a model that what is enforced here excludes or doesn't include, \
        or for one that the record and the world don't resolve.",
    evidence: "The model in the record, or GetInferenceProfile; the effective policy and configuration. Where nothing is enforced, nothing \
        is excluded; where it isn't known what is enforced, that is a blind spot.",
    rationale: "Calls name the profile, not the model, so a list of allowed models doesn't show what runs.",
    remediation: "Read the profile into the world (GetInferenceProfile), or cover its model.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-create.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::Independent,
    controls: &[GOVERN_1_2, ISO_INTENDED_USE, ATLAS_CONTROL_ACCESS, LENS_GUARDRAILS],
    checks: &[Check::Change(ChangeCheck {
        attempt: "An inference profile or prompt router would have stood for a model that enforcement leaves out, or that can't be told",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let change = seen.change;
    let (account, region, state) = (&change.account, &change.region, seen.history.state);
    let copied = change.parameters.at("/modelSource/copyFrom").as_str().into_iter();
    let listed = change.parameter("models").as_array().into_iter().flatten().chain(change.parameters.get("fallbackModel"));
    let named: Vec<Model> = copied.chain(listed.filter_map(|model| model["modelArn"].as_str())).map(Model::parse).collect();
    let arn = ["inferenceProfileArn", "promptRouterArn"].iter().find_map(|key| change.answer(key).as_str());
    let mut models: Vec<Model> = named.iter().flat_map(|model| state.resolve(model, account, region)).collect();
    if models.is_empty()
        && let Some(read) = arn.and_then(|arn| state.world().models_behind(account, region, short(arn)))
    {
        models = read.iter().flat_map(|model| state.resolve(model, account, region)).collect();
    }
    let resource = arn.unwrap_or("inference-profile");
    let stands = seen.did("stands", "would stand");
    if models.is_empty() || models.iter().any(|model| matches!(model, Model::Unknown)) {
        return vec![seen.rule_match(resource, format!("which model it {stands} for is not known")).fires()];
    }
    let policy = state.policy(account, seen.key.time);
    let configured = state.configurations(account, region, seen.key.time).state().unwrap_or_default();
    let Some(in_force) = policy.state() else {
        return if configured.is_empty() {
            vec![Outcome::MissingEvidence(account.clone(), region.clone(), MissingEvidence::Evidence(Missing::EffectivePolicy))]
        } else {
            Vec::new()
        };
    };
    let enforces = !configured.is_empty() || in_force.policy.as_ref().is_some_and(|policy| policy.demands_in(region) != Some(false));
    let left_out = |at| -> Vec<String> {
        let uncovered = models.iter().filter(|model| seen.history.covers(account, region, model, at) == InForce::Known(false));
        uncovered.map(ToString::to_string).collect()
    };
    let hidden = left_out(seen.key.time);
    if !enforces || hidden.is_empty() {
        return Vec::new();
    }
    let later = seen.history.policy_boundaries(account, region, seen.key.time);
    let restored_at = seen.right_again(format!("profile {resource} {account} {region}"), later, |at| left_out(at).is_empty());
    vec![
        seen.rule_match(resource, format!("it {stands} for {}, which enforcement leaves out", hidden.join(", ")))
            .of_models(hidden)
            .restored_at(restored_at)
            .fires(),
    ]
}
