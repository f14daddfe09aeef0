//! What IAM policies and service control policies say about guardrails (facts/08 E1).
//!
//! A team can demand a guardrail of every caller by the condition key `bedrock:GuardrailIdentifier`: each Allow of inference carries the
//! condition, or a Deny refuses calls that lack it. Only statements about inference are read; a policy is *looser* than another if
//! some Allow lost the condition or some Deny is gone.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use wildmatch::WildMatch;

use crate::{
    finding::ControlChange,
    json::{At, printable},
};

/// The operations that run a model, as IAM names them. Converse is authorised as InvokeModel; bedrock-mantle has a namespace of its own.
const INFERENCE: &[&str] = &["bedrock:invokemodel", "bedrock:invokemodelwithresponsestream", "bedrock-mantle:createinference"];

/// The condition keys that name a guardrail.
const GUARDRAIL_KEYS: &[&str] = &["bedrock:guardrailidentifier", "bedrock-mantle:guardrailidentifier"];

/// The statements of a policy that decide who runs a model without a guardrail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityPolicy {
    /// What an Allow gives without asking for a guardrail: actions and resources.
    open: BTreeSet<String>,
    /// What an Allow gives if the call names a guardrail.
    conditioned: BTreeSet<String>,
    /// What a Deny takes from calls: actions, resources and conditions.
    denied: BTreeSet<String>,
}

impl IdentityPolicy {
    /// Reads a document, as JSON, as text, or as URL-encoded text. `None` if it is none.
    #[must_use]
    pub fn parse(document: &Value) -> Option<Self> {
        let document = as_document(document)?;
        let mut policy = IdentityPolicy::default();
        for statement in statements(&document) {
            let actions = inference_actions(statement);
            if actions.is_empty() {
                continue;
            }
            let what = format!("{} on {}", actions.join(", "), resources(statement));
            let condition = &statement["Condition"];
            match statement["Effect"].as_str() {
                Some(effect) if effect.eq_ignore_ascii_case("Deny") => {
                    let condition = if condition.is_null() { String::new() } else { format!(" if {condition}") };
                    policy.denied.insert(format!("{what}{condition}"));
                }
                _ if asks_for_guardrail(condition) => {
                    policy.conditioned.insert(what);
                }
                _ => {
                    policy.open.insert(what);
                }
            }
        }
        Some(policy)
    }

    /// The part of a document that is about inference, in the order of its members; `None` if it is no document.
    #[must_use]
    pub fn relevant_part(document: &Value) -> Option<Value> {
        let document = as_document(document)?;
        let relevant: Vec<Value> = statements(&document).filter(|statement| !inference_actions(statement).is_empty()).map(sorted).collect();
        Some(Value::Object(Map::from_iter([("Statement".to_owned(), Value::Array(relevant))])))
    }

    /// Whether it asks for a guardrail, or refuses inference, anywhere.
    #[must_use]
    pub fn guards(&self) -> bool {
        !self.conditioned.is_empty() || !self.denied.is_empty()
    }

    /// Whether it lets models be run without a guardrail.
    #[must_use]
    pub fn opens(&self) -> bool {
        !self.open.is_empty()
    }

    /// What is looser in another that takes the place of this one. Nothing, if this one doesn't guard.
    #[must_use]
    pub fn loosened_by(&self, after: &IdentityPolicy) -> Vec<ControlChange> {
        let mut changes = Vec::new();
        if !self.conditioned.is_empty() {
            for open in after.open.difference(&self.open) {
                changes.push(ControlChange {
                    control: format!("Allow {open}"),
                    side: None,
                    before: Some("only with bedrock:GuardrailIdentifier".to_owned()),
                    after: Some("without a condition on the guardrail".to_owned()),
                });
            }
        }
        changes.extend(self.denials_lost(after));
        changes
    }

    /// The denials that another doesn't have.
    #[must_use]
    pub fn denials_lost(&self, after: &IdentityPolicy) -> Vec<ControlChange> {
        let lost = self.denied.difference(&after.denied);
        lost.map(|denied| ControlChange { control: format!("Deny {denied}"), side: None, before: Some("present".to_owned()), after: None })
            .collect()
    }

    /// Both at once.
    #[must_use]
    pub fn and(&self, other: &IdentityPolicy) -> IdentityPolicy {
        IdentityPolicy {
            open: &self.open | &other.open,
            conditioned: &self.conditioned | &other.conditioned,
            denied: &self.denied | &other.denied,
        }
    }
}

/// The policy documents in an answer of IAM, with the name of each: GetRolePolicy, GetPolicyVersion, an entry of
/// GetAccountAuthorizationDetails, a plain document, or documents by name.
#[must_use]
pub fn documents(answer: &Value) -> Vec<(String, IdentityPolicy)> {
    let mut found = Vec::new();
    collect(answer, "", &mut found);
    found
}

fn collect(value: &Value, name: &str, found: &mut Vec<(String, IdentityPolicy)>) {
    if let Some(policy) = IdentityPolicy::parse(value) {
        return found.push((name.to_owned(), policy));
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, found)),
        Value::Object(members) => {
            let named = ["PolicyName", "policyName", "PolicyArn", "Arn", "VersionId"].iter().find_map(|key| value[*key].as_str());
            for (key, member) in members {
                // Who may assume a role is another question.
                if key.to_ascii_lowercase().starts_with("assumerole") {
                    continue;
                }
                let is_document = ["policydocument", "document"].contains(&key.to_ascii_lowercase().as_str());
                collect(member, if is_document { named.unwrap_or(name) } else { key }, found);
            }
        }
        _ => {}
    }
}

/// A document is an object with statements.
fn as_document(value: &Value) -> Option<Value> {
    match value {
        Value::Object(members) if members.contains_key("Statement") => Some(value.clone()),
        Value::String(text) => {
            let plain = if text.trim_start().starts_with('{') { text.clone() } else { percent_decoded(text)? };
            let parsed: Value = serde_json::from_str(&plain).ok()?;
            parsed.get("Statement").is_some().then_some(parsed)
        }
        _ => None,
    }
}

/// IAM answers with documents that are URL-encoded (RFC 3986).
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn statements(document: &Value) -> impl Iterator<Item = &Value> {
    let statements = &document["Statement"];
    statements.as_array().map_or(std::slice::from_ref(statements), Vec::as_slice).iter().filter(|statement| statement.is_object())
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().map_or(std::slice::from_ref(list), Vec::as_slice);
    list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// Which ways to run a model a statement is about.
fn inference_actions(statement: &Value) -> Vec<&'static str> {
    let matches =
        |patterns: &[String], action: &str| patterns.iter().any(|pattern| WildMatch::new(&pattern.to_ascii_lowercase()).matches(action));
    let all = INFERENCE.iter().copied();
    if let Some(excluded) = statement.get("NotAction") {
        let excluded = texts(excluded);
        return all.filter(|action| !matches(&excluded, action)).collect();
    }
    let patterns = texts(&statement["Action"]);
    all.filter(|action| matches(&patterns, action)).collect()
}

fn resources(statement: &Value) -> String {
    let (word, list) = match statement.get("NotResource") {
        Some(excluded) => ("all but ", texts(excluded)),
        None => ("", texts(&statement["Resource"])),
    };
    let list: BTreeSet<String> = list.into_iter().map(|resource| printable(&resource).into_owned()).collect();
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    format!("{word}{}", if list.is_empty() { "*".to_owned() } else { list.join(", ") })
}

/// Whether an Allow with this condition gives nothing to calls without a guardrail. `…IfExists`, negations and `Null: true` hold for
/// calls that name none, and a lone `*` for any guardrail
/// (docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html).
fn asks_for_guardrail(condition: &Value) -> bool {
    condition.as_object().into_iter().flatten().any(|(operator, keys)| {
        let operator = operator.to_ascii_lowercase();
        let keys = keys.as_object().into_iter().flatten();
        let mut of_guardrail =
            keys.filter(|(key, _)| GUARDRAIL_KEYS.contains(&key.to_ascii_lowercase().as_str())).map(|(_, values)| texts(values));
        if operator == "null" {
            return condition.at("/Null").as_object().into_iter().flatten().any(|(key, value)| {
                GUARDRAIL_KEYS.contains(&key.to_ascii_lowercase().as_str()) && (value == "false" || *value == Value::Bool(false))
            });
        }
        let can_be_absent = operator.ends_with("ifexists") || operator.contains("not") || operator.starts_with("forallvalues");
        !can_be_absent && of_guardrail.any(|values| !values.is_empty() && values.iter().all(|value| value.trim_matches('*') != ""))
    })
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> =
                members.iter().map(|(key, value)| (printable(key).into_owned(), sorted(value))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::String(text) => Value::String(printable(text).into_owned()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn allow(condition: &Value) -> Value {
        json!({"Effect": "Allow", "Action": "bedrock:InvokeModel*", "Resource": "*", "Condition": condition})
    }

    fn policy(statements: &[Value]) -> IdentityPolicy {
        IdentityPolicy::parse(&json!({"Version": "2012-10-17", "Statement": statements})).unwrap()
    }

    fn with_guardrail() -> Value {
        json!({"StringEquals": {"bedrock:GuardrailIdentifier": "arn:aws:bedrock:us-east-1:111122223333:guardrail/abc:1"}})
    }

    #[test]
    fn every_allow_must_ask_for_the_guardrail() {
        let before = policy(&[allow(&with_guardrail())]);
        assert!(before.guards() && !before.opens());
        assert!(!before.loosened_by(&policy(&[allow(&json!(null))])).is_empty());
        let one_left = policy(&[allow(&with_guardrail()), json!({"Effect": "Allow", "Action": "*", "Resource": "*"})]);
        assert!(!before.loosened_by(&one_left).is_empty(), "an Allow without the condition is enough");
        assert!(before.loosened_by(&before).is_empty());
        let other_action = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        assert!(before.loosened_by(&policy(&[allow(&with_guardrail()), other_action])).is_empty());
        assert!(before.loosened_by(&policy(&[])).is_empty(), "nothing allowed is no way around");
    }

    #[test]
    fn conditions_that_hold_without_a_guardrail_ask_for_nothing() {
        for condition in [
            json!({"StringEqualsIfExists": {"bedrock:GuardrailIdentifier": "x"}}),
            json!({"StringNotEquals": {"bedrock:GuardrailIdentifier": "x"}}),
            json!({"Null": {"bedrock:GuardrailIdentifier": "true"}}),
            json!({"StringLike": {"bedrock:GuardrailIdentifier": "*"}}),
            json!({"StringEquals": {"aws:PrincipalTag/team": "x"}}),
        ] {
            assert!(policy(&[allow(&condition)]).opens(), "{condition}");
        }
        for condition in [
            with_guardrail(),
            json!({"Null": {"bedrock:GuardrailIdentifier": "false"}}),
            json!({"StringLike": {"Bedrock:guardrailidentifier": ["arn:*/abc*"]}}),
        ] {
            assert!(!policy(&[allow(&condition)]).opens(), "{condition}");
        }
    }

    #[test]
    fn a_lost_denial_is_looser() {
        let deny = json!({"Effect": "Deny", "Action": "bedrock:InvokeModel", "Resource": "*", "Condition": {"Null": {"bedrock:GuardrailIdentifier": "true"}}});
        let before = policy(std::slice::from_ref(&deny));
        assert_eq!(before.loosened_by(&policy(&[])).len(), 1);
        assert!(before.loosened_by(&policy(&[json!({"Sid": "renamed", "Effect": "Deny", "Action": ["bedrock:InvokeModel"], "Resource": ["*"], "Condition": {"Null": {"bedrock:GuardrailIdentifier": "true"}}})])).is_empty());
        let mantle = json!({"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"});
        assert!(policy(&[mantle]).guards(), "all but S3 is inference too");
    }

    #[test]
    fn documents_are_found_in_each_form() {
        let document = json!({"Statement": allow(&with_guardrail())});
        let encoded: String = document.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
        for (answer, name) in [
            (json!({"RoleName": "app", "PolicyName": "p", "PolicyDocument": document}), "p"),
            (json!({"RoleName": "app", "PolicyName": "p", "PolicyDocument": encoded}), "p"),
            (
                json!({"RoleName": "app", "AssumeRolePolicyDocument": {"Statement": []}, "RolePolicyList": [{"PolicyName": "p", "PolicyDocument": document.to_string()}]}),
                "p",
            ),
            (json!({"p": document}), "p"),
            (document.clone(), ""),
        ] {
            let found = documents(&answer);
            assert_eq!(found.iter().map(|(name, policy)| (name.as_str(), policy.guards())).collect::<Vec<_>>(), [(name, true)], "{answer}");
        }
    }
}
