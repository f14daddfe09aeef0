//! An agent was created without a guardrail, or its guardrail was removed.

use serde_json::Value;

use crate::{
    arn::Arn,
    change::Change,
    change_history::{ChangeInContext, Outcome},
    framework::{ATLAS_GUARDRAILS, EXCESSIVE_AGENCY, LENS_GUARDRAILS, OUTPUT_HANDLING, PROMPT_INJECTION},
    json::At,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
    world::MediatorKind,
};

pub(super) static RULE: Rule = Rule {
    id: "agent-without-guardrail",
    title: "An agent was created without a guardrail, or lost the one that it had",
    severity: Severity::Medium,
    group: Group::Consumers,
    revealed_by: &["CreateAgent", "UpdateAgent", "AssociateAgentCollaborator", "UpdateAgentCollaborator"],
    fires: "CreateAgent without a guardrail, or UpdateAgent after which the agent has none: HIGH if it had one. An agent \
        joins another as its collaborator, and isn't known to have one.",
    evidence: "GetAgent after the event; else the record, which may leave the guardrail out. If it isn't known whether the agent had one, \
        or the record shows nothing, the effect is not verified, one step lower.",
    rationale: "What an agent is told and what it answers passes no filter of its own; only enforcement on the model calls it makes is \
        left.",
    remediation: "Update the agent with guardrailConfiguration (id and numbered version), and prepare it again.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/agents-guardrail.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::Independent,
    controls: &[PROMPT_INJECTION, OUTPUT_HANDLING, EXCESSIVE_AGENCY, ATLAS_GUARDRAILS, LENS_GUARDRAILS],
    checks: &[Check::Change(ChangeCheck {
        attempt: "An agent would have been created without a guardrail, or would have lost the one that it has",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let change = seen.change;
    let (account, region, state) = (&change.account, &change.region, seen.history.state);
    if change.service != "bedrock" || names_guardrail(change) {
        return Vec::new();
    }
    if change.operation.ends_with("AgentCollaborator") {
        return joined(seen).into_iter().collect();
    }
    let id = change.text("agentId").or_else(|| change.response.at("/agent/agentId").as_str());
    let has_guardrail = |at| {
        id.and_then(|id| state.mediated(MediatorKind::Agent, account, region, id, at).state())
            .map(|agent| agent.guardrails().next().is_some())
    };
    let after = if change.is_refused() { None } else { has_guardrail(seen.key.time) };
    if after == Some(true) {
        return Vec::new();
    }
    let is_readable = change.parameters.is_object() || after == Some(false);
    let (because, steps, unverified) = match (change.operation.as_str(), has_guardrail(seen.before())) {
        ("CreateAgent", _) => (seen.did("made without a guardrail", "it would have been made without a guardrail"), 0, !is_readable),
        (_, Some(false)) => return Vec::new(),
        (_, Some(true)) => (seen.did("it lost the guardrail that it had", "it would have lost the guardrail that it has"), 1, !is_readable),
        (_, None) => {
            let done = "updated without a guardrail; whether it had one is not known";
            (seen.did(done, "it would have been updated without a guardrail; whether it has one is not known"), 0, true)
        }
    };
    let restored_at = id.and_then(|id| {
        let own = state.mediated_boundaries(MediatorKind::Agent, account, region, id, seen.key.time);
        let later = seen.history.own_boundaries(account, region, seen.key.time, own);
        seen.right_again(format!("agent {id} {account} {region}"), later, |at| has_guardrail(at) == Some(true))
    });
    let resource = id.map_or("agent".to_owned(), |id| format!("agent/{id}"));
    vec![seen.rule_match(resource, because).severity_steps(steps).unverified(unverified).restored_at(restored_at).fires()]
}

/// Another agent was associated as a collaborator, which generates text on this agent's behalf.
fn joined(seen: &ChangeInContext<'_>) -> Option<Outcome> {
    let change = seen.change;
    let supervisor = change.text("agentId").unwrap_or("unknown");
    // arn:…:agent-alias/<agent>/<alias>
    let alias = change.parameter("agentDescriptor")["aliasArn"].as_str().and_then(Arn::parse);
    let agent = alias.as_ref().and_then(|arn| Some((arn, arn.resource.strip_prefix("agent-alias/")?.split('/').next()?)));
    let has_guardrail = agent.and_then(|(arn, id)| {
        let (account, region) = (arn.account.into(), arn.region.into());
        let known = seen.history.state.mediated(MediatorKind::Agent, &account, &region, id, seen.before()).state()?;
        Some(known.guardrails().next().is_some())
    });
    let joins = seen.did("joined it", "would have joined it");
    let (because, unverified) = match (agent, has_guardrail) {
        (_, Some(true)) => return None,
        (Some((_, id)), Some(false)) => (format!("agent {id} {joins}, and has no guardrail"), false),
        (Some((_, id)), None) => (format!("agent {id} {joins}; whether it has a guardrail is not known"), true),
        (None, _) if change.parameters.is_object() && change.operation.starts_with("Update") => return None,
        (None, _) => (format!("which agent {joins} is not in the record"), true),
    };
    Some(seen.rule_match(format!("agent/{supervisor}"), because).unverified(unverified).fires())
}

fn names_guardrail(change: &Change) -> bool {
    let named = |value: &Value| value["guardrailIdentifier"].as_str().is_some_and(|id| !id.is_empty());
    named(change.parameters.at("/guardrailConfiguration")) || named(change.response.at("/agent/guardrailConfiguration"))
}
