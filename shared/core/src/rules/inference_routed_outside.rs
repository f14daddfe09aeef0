//! A resource was created or updated so that its calls run models to which guardrails don't apply.

use serde_json::Value;

use crate::{
    arn::short,
    change::Change,
    change_history::{ChangeInContext, Outcome},
    framework::{ATLAS_CONTROL_ACCESS, EXCESSIVE_AGENCY, GOVERN_1_2, LENS_GUARDRAILS},
    json::{At, printable},
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "inference-routed-outside",
    title: "A gateway target, harness or project sends calls to models where guardrails don't reach",
    severity: Severity::Medium,
    group: Group::Consumers,
    revealed_by: &["CreateGatewayTarget", "UpdateGatewayTarget", "CreateHarness", "UpdateHarness", "CreateProject"],
    fires: "An inference target of an AgentCore gateway by a connector (bedrock-mantle, openai, anthropic, …) or at any provider but Bedrock's runtime \
        endpoint; a harness whose model speaks `responses` or `chat_completions`, or is another provider's; a project, which is for the \
        OpenAI-compatible APIs of Bedrock. Tools, and a harness that speaks `converse_stream`, are none.",
    evidence: "The record; a route that it doesn't show, or that isn't known, is not verified, one step lower.",
    rationale: "Such calls leave no record of a model invocation that guardrails cover, whatever the policy demands.",
    remediation: "Route inference through Converse or InvokeModel of bedrock-runtime, and deny the operation by a service control policy where \
        nobody needs it.",
    references: &[
        "https://docs.aws.amazon.com/bedrock/latest/userguide/endpoints.html",
        "https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/gateway.html",
    ],
    resolved: Resolved::Never,
    correlation: Correlation::Independent,
    controls: &[GOVERN_1_2, EXCESSIVE_AGENCY, ATLAS_CONTROL_ACCESS, LENS_GUARDRAILS],
    checks: &[Check::Change(ChangeCheck {
        attempt: "A gateway target, harness or project would have sent calls to models where guardrails don't reach",
        expected_of_administrators: true,
        look: check,
    })],
};

/// The destination of calls.
enum Route {
    /// Models that guardrails cover, or no model.
    Inside,
    /// Models to which guardrails don't apply, with a phrase for where they are.
    Outside(String),
    NotKnown,
}

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let change = seen.change;
    let named = |keys: &[&str]| {
        let name = keys.iter().find_map(|key| change.text(key).or_else(|| change.answer(key).as_str()));
        name.map_or("unknown", short).to_owned()
    };
    let (resource, route) = match (change.service.as_str(), change.operation.as_str()) {
        ("bedrock-agentcore", "CreateGatewayTarget" | "UpdateGatewayTarget") => {
            let resource = format!("gateway/{}/target/{}", named(&["gatewayIdentifier"]), named(&["targetId", "name"]));
            (resource, of_target(change))
        }
        ("bedrock-agentcore", "CreateHarness" | "UpdateHarness") => {
            (format!("harness/{}", named(&["harnessId", "harnessName"])), of_harness(change))
        }
        ("bedrock" | "bedrock-mantle", "CreateProject") => {
            (format!("project/{}", named(&["name", "id"])), Route::Outside("the OpenAI-compatible APIs".to_owned()))
        }
        _ => return Vec::new(),
    };
    let (because, unverified) = match route {
        Route::Inside => return Vec::new(),
        Route::Outside(to) => (format!("its calls {} to {to}", seen.did("go", "would go")), false),
        Route::NotKnown => (format!("where its calls {} is not known", seen.did("go", "would go")), true),
    };
    vec![seen.rule_match(resource, because).unverified(unverified).fires()]
}

/// Reads `targetConfiguration`: tools (`mcp`), HTTP, or inference.
fn of_target(change: &Change) -> Route {
    let target = change.parameter("targetConfiguration");
    let Some(kinds) = target.as_object().filter(|kinds| !kinds.is_empty()) else {
        // An update of the name leaves out the target and doesn't change it.
        let is_left_alone = change.parameters.is_object() && target.is_null() && change.operation.starts_with("Update");
        return if is_left_alone { Route::Inside } else { Route::NotKnown };
    };
    let text = |pointer: &str| target.at(pointer).as_str();
    if let Some(connector) = text("/inference/connector/source/connectorId") {
        return if is_runtime(connector) { Route::Inside } else { Route::Outside(format!("the connector {}", printable(connector))) };
    }
    if target.at("/inference/provider").is_object() {
        let paths = target.at("/inference/provider/operations").as_array().into_iter().flatten();
        let mut paths = paths.filter_map(|operation| operation["path"].as_str());
        let speaks_outside = paths.any(|path| ["responses", "openai", "chat/completions"].iter().any(|api| path.contains(api)));
        return text("/inference/provider/endpoint").map_or(Route::NotKnown, |endpoint| of_endpoint(endpoint, speaks_outside));
    }
    if kinds.contains_key("inference") {
        return Route::NotKnown;
    }
    let passes = target.at("/http/passthrough");
    match passes["protocolType"].as_str() {
        Some("INFERENCE") => passes["endpoint"].as_str().map_or(Route::NotKnown, |endpoint| of_endpoint(endpoint, false)),
        _ if kinds.keys().all(|kind| ["mcp", "http"].contains(&kind.as_str())) => Route::Inside,
        _ => Route::NotKnown,
    }
}

fn of_endpoint(endpoint: &str, speaks_outside: bool) -> Route {
    if is_runtime(endpoint.trim_start_matches("https://")) && !speaks_outside {
        Route::Inside
    } else {
        Route::Outside(printable(endpoint).into_owned())
    }
}

/// Whether a host name, or a connector's name, is that of Bedrock's runtime endpoint.
fn is_runtime(host: &str) -> bool {
    host == "bedrock" || host == "bedrock-runtime" || host.starts_with("bedrock-runtime.") || host.starts_with("bedrock-runtime-fips.")
}

/// Reads a harness's `model`: the configuration of one of several providers.
fn of_harness(change: &Change) -> Route {
    let model = change.parameter("model");
    let Some(providers) = model.as_object().filter(|providers| !providers.is_empty()) else {
        let is_left_alone = change.parameters.is_object() && model.is_null() && change.operation.starts_with("Update");
        return if is_left_alone { Route::Inside } else { Route::NotKnown };
    };
    if let Some(provider) = providers.keys().find(|provider| *provider != "bedrockModelConfig") {
        return Route::Outside(format!("another provider ({})", printable(provider)));
    }
    match model.at("/bedrockModelConfig/apiFormat") {
        Value::Null => Route::Inside,
        Value::String(format) if format == "converse_stream" => Route::Inside,
        Value::String(format) => Route::Outside(format!("Bedrock's {} API", printable(format))),
        _ => Route::NotKnown,
    }
}
