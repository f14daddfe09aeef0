//! A model was deployed that the policy isn't known to cover.

use crate::{
    change_history::{ChangeInContext, Outcome},
    enforcement::Enforcement,
    framework::{ATLAS_CONTROL_ACCESS, GOVERN_1_2, ISO_INTENDED_USE, LENS_GUARDRAILS},
    model::normalised,
    policy::GuardrailInference,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "model-deployed-outside-policy",
    title: "A provisioned, imported, copied, marketplace or custom deployment isn't known to be covered",
    severity: Severity::Low,
    group: Group::Consumers,
    revealed_by: &[
        "CreateProvisionedModelThroughput",
        "CreateModelImportJob",
        "CreateMarketplaceModelEndpoint",
        "RegisterMarketplaceModelEndpoint",
        "CreateCustomModelDeployment",
        "CreateCustomModel",
        "CreateModelCopyJob",
        "UpdateProvisionedModelThroughput",
        "UpdateMarketplaceModelEndpoint",
        "UpdateCustomModelDeployment",
    ],
    fires: "One of these operations, unless what is enforced here names the deployment or its model among the models included. That all \
        models include such deployments is not documented. A model that is copied, if what is enforced here names no model in this Region at \
        all. A new name for a throughput is nothing.",
    evidence: "The record; the effective policy and configuration. Where those are not known, the effect is not verified, one step lower.",
    rationale: "Its calls are judged not provable until evaluations are recorded, and may pass no guardrail.",
    remediation: "Record evaluations (data events of AWS::Bedrock::Guardrail) to see whether guardrails apply, or name the model in the \
        policy.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-enforcements.html"],
    resolved: Resolved::Never,
    correlation: Correlation::Independent,
    controls: &[GOVERN_1_2, ISO_INTENDED_USE, ATLAS_CONTROL_ACCESS, LENS_GUARDRAILS],
    checks: &[Check::Change(ChangeCheck {
        attempt: "A provisioned, imported, copied, marketplace or custom deployment that isn't known to be covered would have been made",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    const NAMES: &[&str] = &[
        "provisionedModelArn",
        "customModelDeploymentArn",
        "customModelDeploymentIdentifier",
        "provisionedModelId",
        "desiredModelId",
        "endpointArn",
        "provisionedModelName",
        "modelDeploymentName",
        "importedModelName",
        "endpointName",
        "modelArn",
        "modelId",
        "modelSourceIdentifier",
        "targetModelName",
        "modelName",
        "sourceModelArn",
    ];
    let change = seen.change;
    let is_renamed = change.operation == "UpdateProvisionedModelThroughput" && change.text("desiredModelId").is_none();
    if is_renamed && change.parameters.is_object() {
        return Vec::new();
    }
    let named: Vec<&str> = NAMES.iter().filter_map(|key| change.answer(key).as_str().or_else(|| change.text(key))).collect();
    let (account, region, state) = (&change.account, &change.region, seen.history.state);
    let policy = state.policy(account, seen.key.time).state();
    let by_policy = policy
        .and_then(|in_force| in_force.policy.as_ref()?.regions.get(region))
        .into_iter()
        .flatten()
        .filter_map(GuardrailInference::enforcement);
    let configured = state.configurations(account, region, seen.key.time).state();
    let enforced: Vec<Enforcement> = by_policy.chain(configured.unwrap_or_default().iter().cloned()).collect();
    let is_named = enforced.iter().any(|enforcement| {
        let included = enforcement.models.included.iter().flatten();
        included.into_iter().any(|included| named.iter().any(|name| normalised(name) == *included))
    });
    // The copy may be in another Region than the enforcement.
    let is_copied_inside = change.operation == "CreateModelCopyJob" && !enforced.is_empty();
    if is_named || is_copied_inside {
        return Vec::new();
    }
    let deployed = match change.operation.as_str() {
        "CreateModelCopyJob" => seen.did("copied here", "it would have been copied here"),
        operation if operation.starts_with("Update") => seen.did("updated", "it would have been updated"),
        _ => seen.did("made", "it would have been made"),
    };
    let why = match (policy, configured) {
        (None, None) => "what is enforced here is not known",
        _ if change.operation == "CreateModelCopyJob" => "no enforcement that was read names this Region",
        _ => "no enforcement that was read names it, and that enforcement of all models includes it is not documented",
    };
    let resource = named.first().copied().unwrap_or("deployment");
    let models =
        ["desiredModelId", "modelId", "modelArn", "modelSourceIdentifier", "sourceModelArn"].iter().find_map(|key| change.text(key));
    let rule_match = seen.rule_match(resource, format!("{deployed}; {why}"));
    vec![rule_match.of_models(models.map(str::to_owned).into_iter().collect()).unverified(policy.is_none() && configured.is_none()).fires()]
}
