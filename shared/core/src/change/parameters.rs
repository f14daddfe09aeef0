//! Reduces the parameters of a change to those that some rule needs. Texts that a customer wrote for people or models are dropped.

use std::sync::LazyLock;

use hashbrown::HashSet;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

use crate::{
    cloudtrail::HIDDEN,
    identity::IdentityPolicy,
    json::{At, Text, printable},
    operations,
};

/// The names of the parameters that are kept, of requests and of responses: those that the table of operations has for any operation, because
/// records can have more parameters than an operation's service model. [`reduced`] drops parts of some of them.
static KEPT_KEYS: LazyLock<HashSet<&str>> = LazyLock::new(|| operations::kept_parameters().collect());

/// The most bytes of a parameter that is kept. A longer one counts as hidden: what it says isn't known. Policies of Bedrock and IAM are
/// shorter in any script (10,000 characters of at most four bytes: docs/aws/bedrock-policies.md#limits).
const MOST_BYTES: usize = 64 * 1024;

/// The parameter of PutEnforcedGuardrailConfiguration that holds the configuration. A parameter beside it that is not known here may change
/// what is enforced, so its name is added to the configuration's members: [`Enforcement`](crate::enforcement::Enforcement) reports members
/// that it doesn't understand.
const CONFIGURATION: &str = "guardrailInferenceConfig";

/// The parameter with the id of the configuration that is changed. It has no influence on what is enforced.
const CONFIGURATION_ID: &str = "configId";

/// The most parameters beside a configuration whose names are kept.
const MOST_BESIDE: usize = 20;

/// Stands for the value of a parameter that is kept by its name only.
const NOT_KEPT: &str = "not kept";

/// The kept members of an object, sorted by name. The others are skipped while parsing, and never allocated.
#[derive(Default)]
pub(super) struct Kept(pub(super) Value);

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Kept;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Kept, A::Error> {
                let mut kept: Vec<(String, Value)> = Vec::new();
                let mut left_out = Vec::new();
                while let Some(key) = members.next_key::<Text<'de>>()? {
                    if key.or_empty() == "policyDocument" {
                        let document = members.next_value::<&RawValue>()?;
                        kept.push((key.or_empty().to_owned(), IdentityPolicy::relevant_part_of(document).unwrap_or(Value::Null)));
                    } else if KEPT_KEYS.contains(key.or_empty()) {
                        let value = reduced(key.or_empty(), members.next_value()?);
                        if value.as_str().is_none_or(|text| text.len() <= MOST_BYTES && text != HIDDEN) {
                            kept.push((key.or_empty().to_owned(), value));
                        }
                    } else {
                        left_out.push(key);
                        members.next_value::<IgnoredAny>()?;
                    }
                }
                if let Some(at) = kept.iter().position(|(key, value)| key == CONFIGURATION && value.is_object()) {
                    let (name, mut configuration) = kept.swap_remove(at);
                    let others = kept.iter().map(|(key, _)| key.as_str()).filter(|key| *key != CONFIGURATION_ID);
                    let beside = others.chain(left_out.iter().map(Text::or_empty)).filter(|name| !name.ends_with("Token"));
                    if let Value::Object(members) = &mut configuration {
                        members.extend(beside.take(MOST_BESIDE).map(|name| (clipped(name), Value::String(NOT_KEPT.to_owned()))));
                    }
                    kept.push((name, configuration));
                }
                kept.sort_by(|(a, _), (b, _)| a.cmp(b));
                Ok(Kept(Value::Object(kept.into_iter().collect())))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

fn reduced(key: &str, value: Value) -> Value {
    match key {
        "definition" => flow_without_texts(&value),
        "agent" => agent_without_texts(&value),
        "tags" => keys_of_tags(&value),
        "loggingConfig" => without_prefixes_and_roles(clean(value)),
        "targetConfiguration" | "model" => route(&value, DEEPEST_ROUTE),
        "agentDescriptor" => members(&value, &["aliasArn"]),
        "policyEngineConfiguration" => members(&value, &["arn", "mode"]),
        "serviceSpecificCredential" => members(&value, &["serviceSpecificCredentialId", "serviceName", "expirationDate", "status"]),
        _ => clean_member(key, value),
    }
}

/// Parameters that are JSON in a string: policy documents, with the white space that they were sent with
/// (docs/aws/bedrock-policies.md#limits).
const DOCUMENTS: &[&str] = &["content", "resourcePolicy", "policy"];

/// The value of a member, with control characters replaced. A policy document is parsed first and only its strings are cleaned: replaced
/// line breaks between its parts would make it invalid JSON.
fn clean_member(key: &str, value: Value) -> Value {
    if DOCUMENTS.contains(&key)
        && let Value::String(text) = &value
        && let Ok(document) = serde_json::from_str::<Value>(text)
    {
        return Value::String(clean(document).to_string());
    }
    clean(value)
}

/// The value with control characters replaced and with members sorted by name.
fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(printable(&text).into_owned()),
        Value::Array(items) => Value::Array(items.into_iter().map(clean).collect()),
        Value::Object(members) => {
            let clean_entry = |(key, value): (String, Value)| {
                let value = clean_member(&key, value);
                (printable(&key).into_owned(), value)
            };
            let mut members: Vec<_> = members.into_iter().map(clean_entry).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(members.into_iter().collect())
        }
        other => other,
    }
}

/// A `loggingConfig` without prefixes and roles, which no rule needs: what is logged and where to.
fn without_prefixes_and_roles(settings: Value) -> Value {
    fn inside(value: Value) -> Value {
        match value {
            Value::Object(members) => {
                let kept = members.into_iter().filter(|(key, _)| !["keyPrefix", "roleArn"].contains(&key.as_str()));
                Value::Object(kept.map(|(key, value)| (key, inside(value))).collect())
            }
            other => other,
        }
    }
    match settings {
        // The outermost members are all kept: a configuration that isn't empty must not become empty, which would mean that logging is off.
        Value::Object(members) => Value::Object(members.into_iter().map(|(key, value)| (key, inside(value))).collect()),
        other => other,
    }
}

/// The definition of a flow, reduced to its nodes, also those in loops, with the type, guardrail and model of each. Prompts are dropped.
fn flow_without_texts(definition: &Value) -> Value {
    fn node(node: &Value, depth: u8) -> Value {
        let configuration = node["configuration"].as_object().into_iter().flatten();
        let kinds = configuration.map(|(kind, settings)| {
            let kept = ["guardrailConfiguration", "modelId"]
                .into_iter()
                .filter_map(|key| Some((key.to_owned(), clean(settings.get(key)?.clone()))));
            let nested = settings.get("definition").zip(depth.checked_sub(1));
            let nested = nested.map(|(definition, depth)| ("definition".to_owned(), flow(definition, depth)));
            (kind.clone(), Value::Object(nested.into_iter().chain(kept).collect()))
        });
        let members = [("configuration".to_owned(), Value::Object(kinds.collect())), ("type".to_owned(), clean(node["type"].clone()))];
        Value::Object(members.into_iter().collect())
    }
    fn flow(definition: &Value, depth: u8) -> Value {
        match definition.at("/nodes").as_array() {
            Some(nodes) => Value::Object(Map::from_iter([("nodes".to_owned(), nodes.iter().map(|inner| node(inner, depth)).collect())])),
            None => Value::Null,
        }
    }
    flow(definition, DEEPEST_FLOW)
}

/// The deepest nesting of definitions in a flow that is kept. AWS allows one: a loop can't contain a loop.
const DEEPEST_FLOW: u8 = 4;

/// An agent, reduced to its id, guardrail and model.
fn agent_without_texts(agent: &Value) -> Value {
    members(agent, &["agentId", "foundationModel", "guardrailConfiguration"])
}

/// An object with these members only. Others may be secrets.
fn members(value: &Value, keys: &[&str]) -> Value {
    if value.is_object() {
        Value::Object(keys.iter().filter_map(|key| Some(((*key).to_owned(), clean(value.get(*key)?.clone())))).collect())
    } else {
        Value::Null
    }
}

/// The target of an AgentCore gateway or the model of a harness, reduced to the hosts that calls go to and the names of members. Schemas,
/// headers, keys, and the paths of addresses are dropped.
fn route(value: &Value, depth: u8) -> Value {
    const KINDS: &[&str] = &["inference", "http", "connector", "source", "provider", "operations", "passthrough", "bedrockModelConfig"];
    const TEXTS: &[&str] = &["connectorId", "protocolType", "path", "apiFormat"];
    const ADDRESSES: &[&str] = &["endpoint", "apiBase"];
    let member = |(key, inner): (&String, &Value)| {
        let text = inner.as_str().map(printable);
        let kept = match (key.as_str(), text, depth.checked_sub(1)) {
            (key, Some(text), _) if TEXTS.contains(&key) => Value::String(text.chars().take(MOST_OF_A_ROUTE).collect()),
            (key, Some(text), _) if ADDRESSES.contains(&key) => Value::String(host_of(&text).chars().take(MOST_OF_A_ROUTE).collect()),
            (key, None, Some(depth)) if KINDS.contains(&key) => route(inner, depth),
            _ => Value::Null,
        };
        (clipped(key), kept)
    };
    match value {
        Value::Object(members) => Value::Object(members.iter().take(MOST_ROUTES).map(member).collect()),
        Value::Array(items) => items.iter().take(MOST_ROUTES).filter_map(|item| Some(route(item, depth.checked_sub(1)?))).collect(),
        _ => Value::Null,
    }
}

/// A customer's name or text, with control characters replaced, cut to [`MOST_OF_A_ROUTE`].
fn clipped(text: &str) -> String {
    printable(text).chars().take(MOST_OF_A_ROUTE).collect()
}

/// The most characters of a text in a route that are kept.
const MOST_OF_A_ROUTE: usize = 200;
/// The most members of an object or list in a route that are kept.
const MOST_ROUTES: usize = 50;
/// The most levels of a route that are kept.
const DEEPEST_ROUTE: u8 = 6;

/// The scheme and the host of a URL, without path, query, user and password.
fn host_of(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("https", address));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // `user:password@` may precede the host.
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

/// The keys of tags, which come as a list or as an object. Values are dropped, since they are the customer's.
fn keys_of_tags(tags: &Value) -> Value {
    let text = |key: &str| Value::String(printable(key).into_owned());
    match tags {
        Value::Array(list) => list.iter().filter_map(|tag| tag["key"].as_str().or_else(|| tag["Key"].as_str())).map(text).collect(),
        Value::Object(members) => members.keys().map(|key| text(key)).collect(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stands_beside_a_configuration_is_kept_by_its_name() {
        let kept = |json: &str| serde_json::from_str::<Kept>(json).unwrap().0;
        let configuration = json!({"guardrailIdentifier": "abc", "guardrailVersion": "1"});
        let request = |more: Value| {
            let mut request = json!({"configId": "c", "guardrailInferenceConfig": configuration});
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            kept(&request.to_string())["guardrailInferenceConfig"].clone()
        };
        assert_eq!(request(json!({})), configuration);
        assert_eq!(
            request(json!({"clientRequestToken": "t"})),
            configuration,
            "a token makes a request happen once and means nothing else"
        );
        for beside in [json!({"enforcementMode": {"secret": "x"}}), json!({"ENFORCE": null})] {
            let read = request(beside.clone());
            let name = beside.as_object().unwrap().keys().next().unwrap();
            assert_eq!(read[name], "not kept", "{beside}");
        }
        assert_eq!(kept(r#"{"somethingNew": "x"}"#), json!({}), "without a configuration there is nothing that it could change");
    }

    #[test]
    fn of_a_flow_nodes_inside_of_loops_are_kept_and_whether_they_name_a_model() {
        let node = json!({"name": "secret", "type": "KnowledgeBase", "configuration": {"knowledgeBase": {"knowledgeBaseId": "KB", "modelId": "a.one",
            "promptTemplate": "secret"}}});
        let flow = json!({"nodes": [{"type": "Loop", "configuration": {"loop": {"definition": {"nodes": [node]}}}}]});
        let kept = flow_without_texts(&flow);
        assert_eq!(kept.at("/nodes/0/configuration/loop/definition/nodes/0/configuration/knowledgeBase/modelId"), "a.one");
        assert!(!kept.to_string().contains("secret"));
    }
}
