//! A deployment of a model that the policy isn't known to cover.

use crate::{
    framework::{ATLAS_CONTROL_ACCESS, GOVERN_1_2, ISO_INTENDED_USE, LENS_GUARDRAILS},
    model::normalised,
    policy::GuardrailInference,
    rule::{ChangeCheck, Check, Group, Resolved, Rule},
    scene::{Outcome, Seen},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "model-deployed-outside-policy",
    title: "A provisioned, imported, marketplace or custom deployment isn't known to be covered",
    severity: Severity::Low,
    group: Group::Consumers,
    revealed_by: &[
        "CreateProvisionedModelThroughput",
        "CreateModelImportJob",
        "CreateMarketplaceModelEndpoint",
        "RegisterMarketplaceModelEndpoint",
        "CreateCustomModelDeployment",
    ],
    fires: "One of these operations, unless what is enforced here names the deployment or its model among the models included. That all \
        models include such deployments is not documented.",
    evidence: "The record; the effective policy and configuration. Where those are not known, the effect is not verified, one step lower.",
    rationale: "Its calls are judged not provable until evaluations are recorded, and may pass no guardrail.",
    remediation: "Record evaluations (data events of AWS::Bedrock::Guardrail) to see whether guardrails apply, or name the model in the \
        policy.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-enforcements.html"],
    resolved: Resolved::Never,
    controls: &[GOVERN_1_2, ISO_INTENDED_USE, ATLAS_CONTROL_ACCESS, LENS_GUARDRAILS],
    checks: &[Check::Change(ChangeCheck {
        attempt: "A provisioned, imported, marketplace or custom deployment that isn't known to be covered would have been made",
        look: check,
    })],
};

fn check(seen: &Seen<'_>) -> Vec<Outcome> {
    const NAMES: &[&str] = &[
        "provisionedModelArn",
        "customModelDeploymentArn",
        "endpointArn",
        "provisionedModelName",
        "modelDeploymentName",
        "importedModelName",
        "endpointName",
        "modelArn",
        "modelId",
        "modelSourceIdentifier",
    ];
    let change = seen.change;
    let named: Vec<&str> = NAMES.iter().filter_map(|key| change.answer(key).as_str().or_else(|| change.text(key))).collect();
    let (account, region, state) = (&change.account, &change.region, seen.scene.state);
    let policy = state.policy(account, seen.key.time).state();
    let by_policy = policy
        .and_then(|in_force| in_force.policy.as_ref()?.regions.get(region))
        .into_iter()
        .flatten()
        .filter_map(GuardrailInference::enforcement);
    let configured = state.configurations(account, region, seen.key.time).state();
    let mut enforced = by_policy.chain(configured.unwrap_or_default().iter().cloned());
    let is_named = enforced.any(|enforcement| {
        let included = enforcement.models.included.iter().flatten();
        included.into_iter().any(|included| named.iter().any(|name| normalised(name) == *included))
    });
    if is_named {
        return Vec::new();
    }
    let resource = named.first().copied().unwrap_or("deployment");
    let models = change.text("modelId").or_else(|| change.text("modelArn")).or_else(|| change.text("modelSourceIdentifier"));
    let sighting = seen.sighting(resource, "no enforcement names it, and that enforcement of all models includes it is not documented");
    vec![sighting.of_models(models.map(str::to_owned).into_iter().collect()).unverified(policy.is_none() && configured.is_none()).fires()]
}
