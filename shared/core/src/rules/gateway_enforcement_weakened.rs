//! The policy engine of an AgentCore gateway enforces less than before.

use serde_json::Value;

use crate::{
    arn::short,
    change::Change,
    change_history::{ChangeInContext, Outcome},
    framework::{EXCESSIVE_AGENCY, GOVERN_1_2, IMPAIR_TOOLS, LENS_GUARDRAILS},
    json::printable,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "gateway-enforcement-weakened",
    title: "What a gateway of AgentCore enforces was weakened",
    severity: Severity::High,
    group: Group::Consumers,
    revealed_by: &["UpdateGateway", "UpdatePolicy", "DeletePolicy", "DeletePolicyEngine", "PutResourcePolicy", "DeleteResourcePolicy"],
    fires: "Of AgentCore: UpdateGateway after which the gateway's policy engine only logs, is another, or is gone; a policy of an engine that \
        only logs from now on, is written anew or deleted; a policy engine deleted; the resource policy of a gateway or policy engine put or \
        deleted. Operations of these names of other services are others.",
    evidence: "The record, and earlier records of the same gateway. What a policy says, and whether it holds guardrails, is not read: where one is \
        written anew the effect is not verified, one step lower; two steps where a gateway was updated without naming an engine and nobody \
        knows whether it had one.",
    rationale: "Policies of an engine can refuse tools, and hold guardrails for what passes the gateway: with the engine in log-only mode nothing is \
        refused any more, and nothing fails to show it.",
    remediation: "Set policyEngineConfiguration.mode to ENFORCE again, and restore the policies of the engine.",
    references: &["https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/policy.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::RemovesProtection,
    controls: &[GOVERN_1_2, EXCESSIVE_AGENCY, IMPAIR_TOOLS, LENS_GUARDRAILS],
    checks: &[Check::Change(ChangeCheck {
        attempt: "What a gateway of AgentCore enforces would have been weakened",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    if seen.change.service != "bedrock-agentcore" {
        return Vec::new();
    }
    match seen.change.operation.as_str() {
        "UpdateGateway" => of_gateway(seen),
        "UpdatePolicy" | "DeletePolicy" | "DeletePolicyEngine" => of_engine(seen),
        _ => of_resource_policy(seen),
    }
    .into_iter()
    .collect()
}

/// The ARN and mode of a gateway's policy engine, from a record.
fn engine_of(change: &Change) -> Option<(&str, &str)> {
    let named = [change.parameter("policyEngineConfiguration"), change.answer("policyEngineConfiguration")];
    let named = named.into_iter().find(|configuration| configuration.is_object())?;
    let text = |key: &str| named.get(key).and_then(Value::as_str).unwrap_or_default();
    Some((text("arn"), text("mode")))
}

fn of_gateway(seen: &ChangeInContext<'_>) -> Option<Outcome> {
    const ENFORCE: &str = "ENFORCE";
    let change = seen.change;
    let gateway = change.text("gatewayIdentifier").or_else(|| change.answer("gatewayId").as_str()).map(short);
    let earlier = gateway.and_then(|gateway| seen.earlier(gateway, &WRITES)).map(engine_of);
    let (because, steps, unverified) = match (engine_of(change), earlier) {
        (Some((_, after)), Some(Some((_, before)))) if after == before && after != ENFORCE => return None,
        (Some((_, mode)), Some(None)) if mode != ENFORCE => return None,
        (Some((after, ENFORCE)), Some(Some((before, _)))) if after != before && !before.is_empty() => {
            (format!("the policy engine {} {} the place of {}", short(after), seen.did("took", "would have taken"), short(before)), 0, true)
        }
        (Some((_, ENFORCE)), _) | (None, Some(None)) => return None,
        (Some((_, "LOG_ONLY")), _) => (format!("its policy engine {}", seen.did("only logs", "would only log")), 0, false),
        (Some((_, mode)), _) => {
            (format!("the mode of its policy engine {} {:?}, which is not known", seen.did("is", "would be"), printable(mode)), 0, true)
        }
        (None, Some(Some(_))) => (format!("its policy engine {} taken away", seen.did("was", "would have been")), 0, false),
        (None, None) if change.parameters.is_object() => {
            let updated = seen.did("was updated", "would have been updated");
            (format!("it {updated} without a policy engine; whether it had one is not known"), -1, true)
        }
        (None, None) => (format!("what it {} is not in the record", seen.did("enforces now", "would enforce")), 0, true),
    };
    let again = gateway.and_then(|gateway| {
        let enforces =
            |later: &Change| WRITES.contains(&later.operation.as_str()) && engine_of(later).is_some_and(|(_, mode)| mode == ENFORCE);
        seen.next("an enforcing gateway", gateway, enforces)
    });
    let resource = format!("gateway/{}", gateway.unwrap_or("unknown"));
    Some(seen.rule_match(resource, because).severity_steps(steps).unverified(unverified).restored_at(again).fires())
}

/// The operations that write a gateway's configuration.
const WRITES: [&str; 2] = ["CreateGateway", "UpdateGateway"];

fn of_engine(seen: &ChangeInContext<'_>) -> Option<Outcome> {
    let change = seen.change;
    let named = |key: &str| change.text(key).or_else(|| change.answer(key).as_str()).map_or("unknown", short);
    let engine = format!("policy-engine/{}", named("policyEngineId"));
    let mode = change.text("enforcementMode").or_else(|| change.answer("enforcementMode").as_str());
    let is_written_anew = !change.parameters.is_object() || change.parameters.get("definition").is_some();
    let (because, unverified) = match change.operation.as_str() {
        "DeletePolicyEngine" => (format!("it {} deleted, with its policies", seen.did("was", "would have been")), false),
        "DeletePolicy" => {
            let deleted = seen.did("was deleted", "would have been deleted");
            (format!("its policy {} {deleted}; whether that held guardrails is not known", named("policyId")), false)
        }
        _ if mode == Some("LOG_ONLY") => (format!("its policy {} {}", named("policyId"), seen.did("only logs", "would only log")), false),
        _ if is_written_anew => {
            let written = seen.did("was written anew", "would have been written anew");
            (format!("its policy {} {written}, and what it says is not known", named("policyId")), true)
        }
        _ => return None,
    };
    Some(seen.rule_match(engine, because).unverified(unverified).fires())
}

/// Reports a change of the resource policy, which decides who may use a gateway or an engine.
fn of_resource_policy(seen: &ChangeInContext<'_>) -> Option<Outcome> {
    let resource = seen.change.text("resourceArn");
    let concerns = resource.is_none_or(|arn| [":gateway/", ":policy-engine/"].iter().any(|kind| arn.contains(kind)));
    let deleted = seen.change.operation == "DeleteResourcePolicy";
    let done = if deleted { seen.did("was deleted", "would have been deleted") } else { seen.did("was put", "would have been put") };
    let because = format!("its resource policy {done}, and whom that lets in is not read");
    concerns.then(|| seen.rule_match(resource.unwrap_or("AgentCore resource"), because).unverified(true).fires())
}
