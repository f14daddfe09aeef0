//! Agents and flows: the guardrail of each part that generates text.

use serde_json::Value;

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, Region},
    json::At,
    model::Model,
};

/// The guardrails in the configuration of an agent or a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediatedGuardrail {
    /// One for each part that generates text: for an agent the agent itself, for a flow its nodes, those in loops included. Empty if no
    /// part does.
    pub parts: Vec<PartGuardrail>,
    /// The model that it runs, if its configuration names it.
    pub model: Option<Model>,
}

/// The guardrail of a part that generates text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartGuardrail {
    /// The part names this guardrail version.
    Named(GuardrailVersionArn),
    /// The part names none.
    None,
    /// The configuration doesn't show whether the part generates text, or which guardrail it names.
    NotKnown,
}

/// Types of nodes that run no model of Bedrock, or run one only through calls with their own records, as functions do.
const NOT_GENERATING: &[&str] = &[
    "input",
    "output",
    "condition",
    "lex",
    "lambdaFunction",
    "storage",
    "retrieval",
    "iterator",
    "collector",
    "inlineCode",
    "loopInput",
    "loopController",
];

/// Levels of loops that are read at most. AWS allows no loop within a loop.
const DEPTH: u8 = 4;

impl MediatedGuardrail {
    /// Reads GetAgent's response. `None` if it names a guardrail in a way that can't be understood.
    #[must_use]
    pub fn of_agent(json: &Value, account: &AccountId, region: &Region) -> Option<Self> {
        let agent = json.get("agent").unwrap_or(json);
        let model = agent["foundationModel"].as_str().map(Model::parse);
        let part = PartGuardrail::named_in(&agent["guardrailConfiguration"], account, region);
        (part != PartGuardrail::NotKnown).then(|| MediatedGuardrail { parts: vec![part], model })
    }

    /// Reads a flow's `definition`, from GetFlow's response or from a request of CreateFlow or UpdateFlow. `None` if there is none.
    #[must_use]
    pub fn of_flow(definition: &Value, account: &AccountId, region: &Region) -> Option<Self> {
        Some(MediatedGuardrail { parts: parts_of(definition, account, region, DEPTH)?, model: None })
    }

    /// The guardrail versions that its parts name.
    pub fn guardrails(&self) -> impl Iterator<Item = &GuardrailVersionArn> {
        self.parts.iter().filter_map(|part| if let PartGuardrail::Named(guardrail) = part { Some(guardrail) } else { None })
    }

    /// Whether a part generates text without a guardrail. `None` if the configuration doesn't show it.
    #[must_use]
    pub fn generates_unguarded(&self) -> Option<bool> {
        if self.parts.contains(&PartGuardrail::None) {
            return Some(true);
        }
        (!self.parts.contains(&PartGuardrail::NotKnown)).then_some(false)
    }
}

impl PartGuardrail {
    /// Reads a `guardrailConfiguration`.
    fn named_in(configuration: &Value, account: &AccountId, region: &Region) -> Self {
        let identifier = match configuration {
            Value::Null => return PartGuardrail::None,
            Value::Object(members) => members.get("guardrailIdentifier").unwrap_or(&Value::Null),
            // A masked value.
            _ => return PartGuardrail::NotKnown,
        };
        if identifier.is_null() || identifier.as_str() == Some("") {
            return PartGuardrail::None;
        }
        let key = identifier.as_str().and_then(|identifier| GuardrailKey::from_identifier(identifier, account, region));
        let version = configuration["guardrailVersion"].as_str().and_then(GuardrailVersion::parse);
        key.zip(version).map_or(PartGuardrail::NotKnown, |(key, version)| PartGuardrail::Named(GuardrailVersionArn { key, version }))
    }
}

/// The guardrails of the nodes that generate text.
fn parts_of(definition: &Value, account: &AccountId, region: &Region, depth: u8) -> Option<Vec<PartGuardrail>> {
    let mut parts = Vec::new();
    for node in definition.get("nodes")?.as_array()? {
        for (kind, settings) in kinds_of(node) {
            let named = || PartGuardrail::named_in(settings.at("/guardrailConfiguration"), account, region);
            match kind.as_str() {
                "prompt" if settings.is_object() => parts.push(named()),
                // A knowledge base without a model only retrieves.
                "knowledgeBase" if settings.is_object() => parts.extend((!settings["modelId"].is_null()).then(named)),
                "loop" => {
                    let nested = depth.checked_sub(1).and_then(|depth| parts_of(settings.at("/definition"), account, region, depth));
                    parts.extend(nested.unwrap_or_else(|| vec![PartGuardrail::NotKnown]));
                }
                kind if NOT_GENERATING.contains(&kind) => {}
                // An agent has a guardrail of its own, or none; nothing is known of nodes of other types.
                _ => parts.push(PartGuardrail::NotKnown),
            }
        }
    }
    Some(parts)
}

/// The types of a node with their settings. The object in `configuration` has the type as its key; without it, `type` names it.
fn kinds_of(node: &Value) -> Vec<(String, &Value)> {
    if let Some(kinds) = node["configuration"].as_object().filter(|kinds| !kinds.is_empty()) {
        return kinds.iter().map(|(kind, settings)| (kind.clone(), settings)).collect();
    }
    let mut kind = node["type"].as_str().unwrap_or_default().chars();
    let kind = kind.next().into_iter().flat_map(char::to_lowercase).chain(kind).collect();
    vec![(kind, &Value::Null)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flow(nodes: &[Value]) -> Vec<String> {
        let definition = json!({"nodes": nodes});
        let flow = MediatedGuardrail::of_flow(&definition, &"222233334444".into(), &"us-east-1".into()).unwrap();
        let named = |part: &PartGuardrail| match part {
            PartGuardrail::Named(guardrail) => format!("{}:{}", guardrail.key.id, guardrail.version),
            other => format!("{other:?}"),
        };
        flow.parts.iter().map(named).collect()
    }

    fn node(kind: &str, settings: &Value) -> Value {
        json!({"name": "n", "configuration": {kind: settings}})
    }

    fn guarded(id: &str) -> Value {
        json!({"guardrailConfiguration": {"guardrailIdentifier": id, "guardrailVersion": "2"}})
    }

    #[test]
    fn each_node_that_generates_text_counts() {
        let knowledge_base = json!({"knowledgeBaseId": "KB", "modelId": "a.one"});
        assert_eq!(flow(&[node("prompt", &guarded("org")), node("prompt", &guarded("mine"))]), ["org:2", "mine:2"]);
        assert_eq!(flow(&[node("prompt", &guarded("org")), node("knowledgeBase", &knowledge_base)]), ["org:2", "None"]);
        assert_eq!(flow(&[node("knowledgeBase", &json!({"knowledgeBaseId": "KB"}))]), [""; 0], "it only retrieves");
        assert_eq!(flow(&[node("input", &json!({})), node("lambdaFunction", &json!({})), json!({"type": "Output"})]), [""; 0]);
        assert_eq!(MediatedGuardrail::of_flow(&json!({}), &"1".into(), &"us-east-1".into()), None);
    }

    #[test]
    fn loops_are_looked_into() {
        let inside = |nodes: &Value| node("loop", &json!({"definition": {"nodes": nodes}}));
        let unguarded = inside(&json!([node("prompt", &json!({}))]));
        assert_eq!(flow(&[node("prompt", &guarded("org")), unguarded.clone()]), ["org:2", "None"]);
        assert_eq!(flow(&[node("loop", &json!({}))]), ["NotKnown"]);
        let deep = (0..10).fold(unguarded, |nested, _| inside(&json!([nested])));
        assert_eq!(flow(&[deep]), ["NotKnown"]);
    }

    #[test]
    fn what_cannot_be_told_is_not_known() {
        let agent = node("agent", &json!({"agentAliasArn": "arn:aws:bedrock:us-east-1:222233334444:agent-alias/AGENT12345/X"}));
        let masked = node("prompt", &json!({"guardrailConfiguration": "HIDDEN_DUE_TO_SECURITY_REASONS"}));
        let hidden = node("prompt", &guarded("HIDDEN_DUE_TO_SECURITY_REASONS"));
        let unheard_of = node("somethingNew", &json!({}));
        for node in [agent, masked, hidden, unheard_of, json!({"type": "Prompt"}), json!({})] {
            assert_eq!(flow(std::slice::from_ref(&node)), ["NotKnown"], "{node}");
        }
        let flow = |parts: &[PartGuardrail]| MediatedGuardrail { parts: parts.to_vec(), model: None }.generates_unguarded();
        assert_eq!(flow(&[PartGuardrail::NotKnown, PartGuardrail::None]), Some(true));
        assert_eq!(flow(&[PartGuardrail::NotKnown]), None);
        assert_eq!(flow(&[]), Some(false));
    }
}
