//! A flow has a node that generates text without a guardrail.

use serde_json::Value;

use crate::{
    arn::short,
    change::Change,
    change_history::{ChangeInContext, Outcome},
    framework::{ATLAS_GUARDRAILS, EXCESSIVE_AGENCY, LENS_GUARDRAILS, OUTPUT_HANDLING, PROMPT_INJECTION},
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
    world::{MediatedGuardrail, MediatorKind},
};

pub(super) static RULE: Rule = Rule {
    id: "flow-without-guardrail",
    title: "A flow has a node that generates text without a guardrail",
    severity: Severity::Medium,
    group: Group::Consumers,
    revealed_by: &["CreateFlow", "UpdateFlow", "PrepareFlow", "CreateFlowAlias"],
    fires: "CreateFlow or UpdateFlow leaves a prompt node, or a knowledge-base node that has a model, without guardrailConfiguration; nodes inside \
        of loops count. A flow that is known to have such a node is made live (PrepareFlow, CreateFlowAlias).",
    evidence: "The definition in the record, or GetFlow after it. Where both are missing, the effect is not verified, one step lower.",
    rationale: "What the node is told and what it answers passes no filter of its own; only enforcement on the model calls it makes is \
        left.",
    remediation: "Give each prompt and knowledge-base node a guardrail, and publish a new version of the flow.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/flows-guardrails.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::Independent,
    controls: &[PROMPT_INJECTION, OUTPUT_HANDLING, EXCESSIVE_AGENCY, ATLAS_GUARDRAILS, LENS_GUARDRAILS],
    checks: &[Check::Change(ChangeCheck {
        attempt: "A flow would have had a node that generates text without a guardrail",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let change = seen.change;
    if change.service != "bedrock" {
        return Vec::new();
    }
    let (account, region, state) = (&change.account, &change.region, seen.history.state);
    let id = change.text("flowIdentifier").or_else(|| change.answer("id").as_str()).map(short);
    let unguarded = |at| id.and_then(|id| state.mediated(MediatorKind::Flow, account, region, id, at).state())?.generates_unguarded();
    let written_in = |change: &Change| {
        let definition = without_agents(change.parameter("definition"));
        MediatedGuardrail::of_flow(&definition, account, region).and_then(|flow| flow.generates_unguarded())
    };
    let written = written_in(change);
    if !["CreateFlow", "UpdateFlow"].contains(&change.operation.as_str()) {
        let before = || id.and_then(|id| seen.earlier(id, &["UpdateFlow"])).and_then(written_in);
        let is_unguarded = written.or_else(|| unguarded(seen.before())).or_else(before) == Some(true);
        let because = format!("it {} live, and a node generates text without a guardrail", seen.did("was made", "would have been made"));
        let resource = format!("flow/{}", id.unwrap_or_default());
        return if is_unguarded { vec![seen.rule_match(resource, because).fires()] } else { Vec::new() };
    }
    let read = || unguarded(seen.key.time).filter(|_| !change.is_refused());
    let (because, unverified) = match written.or_else(read) {
        Some(false) => return Vec::new(),
        Some(true) => (format!("a node {} text without a guardrail", seen.did("generates", "would generate")), false),
        None => (format!("what its nodes {} is not known", seen.did("are", "would be")), true),
    };
    let own = id.into_iter().flat_map(|id| state.mediated_boundaries(MediatorKind::Flow, account, region, id, seen.key.time));
    let later = seen.history.own_boundaries(account, region, seen.key.time, own);
    let finding = format!("flow {} {account} {region}", id.unwrap_or_default());
    let read_again = seen.right_again(finding, later, |at| unguarded(at) == Some(false));
    let guarded = |later: &Change| later.operation == "UpdateFlow" && written_in(later) == Some(false);
    let written_again = id.and_then(|id| seen.next("a guarded flow", id, guarded));
    let restored_at = read_again.into_iter().chain(written_again).min();
    let resource = id.map_or("flow".to_owned(), |id| format!("flow/{id}"));
    vec![seen.rule_match(resource, because).unverified(unverified).restored_at(restored_at).fires()]
}

/// The definition without its agents, which have a rule of their own.
fn without_agents(definition: &Value) -> Value {
    let mut definition = definition.clone();
    if let Some(nodes) = definition.get_mut("nodes").and_then(Value::as_array_mut) {
        nodes.retain(|node| node["configuration"].get("agent").is_none());
    }
    definition
}
