//! Agents and flows: the guardrail of each part that generates text.

use serde_json::Value;

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, Region},
    json::At,
    model::Model,
};

/// The guardrails of an agent or a flow, as its configuration names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediatedGuardrail {
    /// Of each part that generates text: of an agent, itself; of a flow, its nodes, those inside of loops included. Empty if no part does.
    pub parts: Vec<PartGuardrail>,
    /// The model that it runs, where its configuration says.
    pub model: Option<Model>,
}

/// The guardrail of something that generates text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartGuardrail {
    /// It names this one.
    Named(GuardrailVersionArn),
    /// It names none.
    None,
    /// Whether it generates text, or which guardrail it names, can't be told from here.
    NotKnown,
}

/// Kinds of nodes that run no model of Bedrock, or, like functions, only by calls with records of their own.
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

/// AWS allows no loop inside of a loop; what nests deeper is not read.
const DEPTH: u8 = 4;

impl MediatedGuardrail {
    /// From GetAgent's answer; `None` if it names a guardrail in a way that can't be understood.
    #[must_use]
    pub fn of_agent(json: &Value, account: &AccountId, region: &Region) -> Option<Self> {
        let agent = json.get("agent").unwrap_or(json);
        let model = agent["foundationModel"].as_str().map(Model::parse);
        let part = PartGuardrail::named_in(&agent["guardrailConfiguration"], account, region);
        (part != PartGuardrail::NotKnown).then(|| MediatedGuardrail { parts: vec![part], model })
    }

    /// From a flow's `definition`, as GetFlow answers it and CreateFlow and UpdateFlow take it; `None` if there is none.
    #[must_use]
    pub fn of_flow(definition: &Value, account: &AccountId, region: &Region) -> Option<Self> {
        Some(MediatedGuardrail { parts: parts_of(definition, account, region, DEPTH)?, model: None })
    }

    /// The guardrails that parts of it name.
    pub fn guardrails(&self) -> impl Iterator<Item = &GuardrailVersionArn> {
        self.parts.iter().filter_map(|part| if let PartGuardrail::Named(guardrail) = part { Some(guardrail) } else { None })
    }

    /// Whether some part generates text without a guardrail; `None` if that can't be told.
    #[must_use]
    pub fn generates_unguarded(&self) -> Option<bool> {
        if self.parts.contains(&PartGuardrail::None) {
            return Some(true);
        }
        (!self.parts.contains(&PartGuardrail::NotKnown)).then_some(false)
    }
}

impl PartGuardrail {
    /// What a `guardrailConfiguration` names.
    fn named_in(configuration: &Value, account: &AccountId, region: &Region) -> Self {
        let identifier = match configuration {
            Value::Null => return PartGuardrail::None,
            Value::Object(members) => members.get("guardrailIdentifier").unwrap_or(&Value::Null),
            // A mask in its place.
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

/// Of each node that generates text, its guardrail.
fn parts_of(definition: &Value, account: &AccountId, region: &Region, depth: u8) -> Option<Vec<PartGuardrail>> {
    let mut parts = Vec::new();
    for node in definition.get("nodes")?.as_array()? {
        for (kind, settings) in kinds_of(node) {
            let named = || PartGuardrail::named_in(settings.at("/guardrailConfiguration"), account, region);
            match kind.as_str() {
                "prompt" if settings.is_object() => parts.push(named()),
                // Without a model it only retrieves.
                "knowledgeBase" if settings.is_object() => parts.extend((!settings["modelId"].is_null()).then(named)),
                "loop" => {
                    let nested = depth.checked_sub(1).and_then(|depth| parts_of(settings.at("/definition"), account, region, depth));
                    parts.extend(nested.unwrap_or_else(|| vec![PartGuardrail::NotKnown]));
                }
                kind if NOT_GENERATING.contains(&kind) => {}
                // An agent brings a guardrail of its own, or none; of kinds that we have never heard of nothing is known.
                _ => parts.push(PartGuardrail::NotKnown),
            }
        }
    }
    Some(parts)
}

/// The kind of a node with its settings: `configuration` holds one of them, and where it is left out `type` tells.
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
