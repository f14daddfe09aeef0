//! What IAM policies and service control policies say about guardrails (facts/08 E1).
//!
//! A team can demand a guardrail of every caller by the condition key `bedrock:GuardrailIdentifier`: each Allow of inference carries the
//! condition, or a Deny refuses calls that lack it. Only statements about inference are read; a policy is *looser* than another if
//! some Allow lost the condition or some Deny is gone. Both are compared action by action and resource by resource: how a statement is
//! written, split or joined, doesn't matter, and a Deny is still there if an equal or a broader one is.

pub(crate) mod history;
mod refusal;
pub(crate) mod service_control;
mod simple;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::{Value, json, value::RawValue};
use wildmatch::WildMatch;

use crate::{
    finding::ControlChange,
    json::{At, Text, printable},
};
use refusal::{Denial, Grant, Resource};

/// The operations that run a model, as IAM names them. Converse is authorised as InvokeModel; bedrock-mantle has a namespace of its own.
const INFERENCE: &[&str] = &["bedrock:invokemodel", "bedrock:invokemodelwithresponsestream", "bedrock-mantle:createinference"];

/// Says in [`IdentityPolicy::relevant_part`] whether the document guards.
pub(crate) const GUARDS: &str = "GuardrailAudit:Guards";

/// The condition keys that name a guardrail.
const GUARDRAIL_KEYS: &[&str] = &["bedrock:guardrailidentifier", "bedrock-mantle:guardrailidentifier"];

/// The statements of a policy that decide who runs a model without a guardrail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityPolicy {
    /// What an Allow gives without asking for a guardrail.
    open: BTreeSet<Grant>,
    /// What an Allow gives if the call names a guardrail.
    conditioned: BTreeSet<Grant>,
    /// What a Deny takes from calls.
    denied: BTreeSet<Denial>,
}

impl IdentityPolicy {
    /// Reads a document, as JSON, as text, or as URL-encoded text. `None` if it is none.
    #[must_use]
    pub fn parse(document: &Value) -> Option<Self> {
        let document = as_document(document)?;
        let mut policy = IdentityPolicy::default();
        for statement in statements(&document) {
            let resources = resource_list(statement);
            let condition = &statement["Condition"];
            let denies = statement["Effect"].as_str().is_some_and(|effect| effect.eq_ignore_ascii_case("Deny"));
            for action in inference_actions(statement) {
                for resource in &resources {
                    let grant = Grant { action, resource: resource.clone() };
                    if denies {
                        policy.denied.insert(Denial::new(grant, condition));
                    } else if asks_for_guardrail(condition) {
                        policy.conditioned.insert(grant);
                    } else {
                        policy.open.insert(grant);
                    }
                }
            }
        }
        Some(policy)
    }

    /// What allows everything.
    #[must_use]
    pub fn open_to_all() -> Self {
        let everything = |action: &&'static str| Grant { action, resource: Resource::Matching("*".to_owned()) };
        IdentityPolicy { open: INFERENCE.iter().map(everything).collect(), ..IdentityPolicy::default() }
    }

    /// The part of a document that is about inference, each statement once; `None` if it is no document. Of what is simply allowed only
    /// the actions and the resources of Bedrock are left.
    #[must_use]
    pub fn relevant_part(document: &Value) -> Option<Value> {
        let document = as_document(document)?;
        let mut relevant: Vec<Value> = Vec::new();
        for statement in statements(&document) {
            let actions = inference_actions(statement);
            let Some(resources) = resources(statement).filter(|_| !actions.is_empty()) else {
                continue;
            };
            let is_denial = statement["Effect"].as_str().is_some_and(|effect| effect.eq_ignore_ascii_case("Deny"));
            let kept = if is_denial || asks_for_guardrail(&statement["Condition"]) {
                sorted(statement)
            } else if statement.get("NotResource").is_some() {
                json!({"Effect": "Allow", "Action": actions, "NotResource": sorted(&statement["NotResource"])})
            } else {
                json!({"Effect": "Allow", "Action": actions, "Resource": resources.split(", ").collect::<Vec<_>>()})
            };
            if !relevant.contains(&kept) {
                relevant.push(kept);
            }
        }
        Some(json!({"Statement": relevant, GUARDS: IdentityPolicy::parse(&document)?.guards()}))
    }

    /// The same of the document as it stands in a record. Most documents are texts that simply allow, and those are read without being
    /// put together.
    #[must_use]
    pub fn relevant_part_of(document: &RawValue) -> Option<Value> {
        let text: Cow<'_, str> = serde_json::from_str::<Text<'_>>(document.get()).ok()?.0.unwrap_or_default();
        if let Some(relevant) = simple::relevant_part(&text) {
            return Some(relevant);
        }
        let value: Value = serde_json::from_str(document.get()).ok()?;
        Self::relevant_part(&value)
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
        let mut changes = opened(&self.opened_by(after));
        changes.extend(self.denials_lost(after));
        changes
    }

    /// What another allows without asking for a guardrail, which this one doesn't, and nothing in it refuses calls without one. Nothing, if
    /// this one never asks.
    fn opened_by<'a>(&self, after: &'a IdentityPolicy) -> Vec<&'a Grant> {
        if self.conditioned.is_empty() {
            return Vec::new();
        }
        after.open.iter().filter(|open| !self.allows(open) && !after.refuses_without_guardrail(open)).collect()
    }

    fn allows(&self, grant: &Grant) -> bool {
        self.open.iter().any(|open| open.covers(grant))
    }

    fn refuses_without_guardrail(&self, grant: &Grant) -> bool {
        self.denied.iter().any(|denial| denial.grant.covers(grant) && denial.holds_without_guardrail())
    }

    /// The denials that another doesn't have, nor broader ones.
    #[must_use]
    pub fn denials_lost(&self, after: &IdentityPolicy) -> Vec<ControlChange> {
        let lost = self.denied.iter().filter(|denial| !after.denied.iter().any(|other| other.is_at_least(denial)));
        let mut by_condition: BTreeMap<String, Vec<&Grant>> = BTreeMap::new();
        for denial in lost {
            by_condition.entry(denial.condition_in_words()).or_default().push(&denial.grant);
        }
        let in_words = |(condition, grants): (String, Vec<&Grant>)| {
            let change = move |what: String| ControlChange {
                control: format!("Deny {what}{condition}"),
                side: None,
                before: Some("present".to_owned()),
                after: None,
            };
            refusal::in_words(&grants).into_iter().map(change)
        };
        by_condition.into_iter().flat_map(in_words).collect()
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

fn opened(grants: &[&Grant]) -> Vec<ControlChange> {
    let change = |what: String| ControlChange {
        control: format!("Allow {what}"),
        side: None,
        before: Some("only with bedrock:GuardrailIdentifier".to_owned()),
        after: Some("without a condition on the guardrail".to_owned()),
    };
    refusal::in_words(grants).into_iter().map(change).collect()
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
    if let Some(excluded) = statement.get("NotAction") {
        let excluded = matching_actions(&texts(excluded).iter().map(String::as_str));
        return INFERENCE.iter().copied().filter(|action| !excluded.contains(action)).collect();
    }
    matching_actions(&texts(&statement["Action"]).iter().map(String::as_str))
}

/// Which ways to run a model some of the patterns match.
fn matching_actions<'p>(patterns: &(impl Iterator<Item = &'p str> + Clone)) -> Vec<&'static str> {
    let matches = |pattern: &str, action: &str| {
        if pattern.contains(['*', '?']) {
            WildMatch::new(&pattern.to_ascii_lowercase()).matches(action)
        } else {
            pattern.eq_ignore_ascii_case(action)
        }
    };
    INFERENCE.iter().copied().filter(|action| patterns.clone().any(|pattern| matches(pattern, action))).collect()
}

/// The resources among them that can be Bedrock's, in order; `None` if none can.
fn ours<'r>(resources: impl Iterator<Item = &'r str>) -> Option<Vec<String>> {
    let can_be_ours = |resource: &&str| {
        let service = resource.split(':').nth(2).unwrap_or("*");
        service.contains(['*', '?']) || service.starts_with("bedrock")
    };
    let ours: BTreeSet<String> = resources.filter(can_be_ours).map(|resource| printable(resource).into_owned()).collect();
    (!ours.is_empty()).then(|| ours.into_iter().collect())
}

/// What of a statement's resources can be Bedrock's; `None` if nothing can.
fn resources(statement: &Value) -> Option<String> {
    if let Some(excluded) = statement.get("NotResource") {
        let excluded: BTreeSet<String> = texts(excluded).iter().map(|resource| printable(resource).into_owned()).collect();
        return Some(format!("all but {}", excluded.into_iter().collect::<Vec<_>>().join(", ")));
    }
    let list = texts(&statement["Resource"]);
    if list.is_empty() { Some("*".to_owned()) } else { ours(list.iter().map(String::as_str)).map(|ours| ours.join(", ")) }
}

/// The same, one by one; none if nothing can be Bedrock's.
fn resource_list(statement: &Value) -> Vec<Resource> {
    if let Some(excluded) = statement.get("NotResource") {
        return vec![Resource::AllBut(texts(excluded).iter().map(|resource| printable(resource).into_owned()).collect())];
    }
    let list = texts(&statement["Resource"]);
    if list.is_empty() {
        return vec![Resource::Matching("*".to_owned())];
    }
    ours(list.iter().map(String::as_str)).unwrap_or_default().into_iter().map(Resource::Matching).collect()
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
        !can_be_absent && of_guardrail.any(|values| !values.is_empty() && values.iter().all(|value| !value.trim_matches('*').is_empty()))
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
    fn how_a_denial_is_written_does_not_matter() {
        let deny = |action: Value, condition: Value| json!({"Effect": "Deny", "Action": action, "Resource": "*", "Condition": condition});
        let both = json!(["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]);
        let unnamed = json!({"Null": {"bedrock:GuardrailIdentifier": "true"}});
        let before = policy(&[deny(both.clone(), unnamed.clone())]);
        let other = json!({"StringNotEquals": {"bedrock:GuardrailIdentifier": "arn:g"}});
        for kept in [
            vec![deny(json!("bedrock:InvokeModel*"), json!({"Null": {"bedrock:guardrailIdentifier": true}}))],
            vec![
                deny(json!("bedrock:InvokeModel"), unnamed.clone()),
                deny(json!("bedrock:InvokeModelWithResponseStream"), unnamed.clone()),
            ],
            vec![deny(json!("*"), Value::Null)],
            vec![deny(both.clone(), other.clone())],
        ] {
            assert!(before.loosened_by(&policy(&kept)).is_empty(), "{kept:?}");
        }
        let narrower = json!({"Null": {"bedrock:GuardrailIdentifier": "true"}, "StringEquals": {"aws:PrincipalTag/team": "x"}});
        for lost in [
            deny(json!("bedrock:InvokeModel"), unnamed.clone()),
            deny(both.clone(), narrower),
            json!({"Effect": "Deny", "Action": both, "Resource": "arn:aws:bedrock:*::foundation-model/a.*", "Condition": unnamed}),
        ] {
            assert!(!before.loosened_by(&policy(std::slice::from_ref(&lost))).is_empty(), "{lost}");
        }
        let named =
            |guardrails: Value| policy(&[deny(json!("*"), json!({"StringNotEquals": {"bedrock:GuardrailIdentifier": guardrails}}))]);
        assert!(named(json!("arn:g")).loosened_by(&named(json!(["arn:g"]))).is_empty());
        assert!(!named(json!("arn:g")).loosened_by(&named(json!(["arn:g", "arn:h"]))).is_empty(), "one more guardrail will do");
        assert!(named(json!(["arn:g", "arn:h"])).loosened_by(&named(json!("arn:g"))).is_empty());
        assert!(!named(json!("arn:g")).loosened_by(&before).is_empty(), "any guardrail will do");
    }

    #[test]
    fn what_was_open_or_is_refused_all_the_same_is_no_way_around() {
        let narrow = json!({"Effect": "Allow", "Action": "bedrock:InvokeModel", "Resource": "arn:aws:bedrock:*::foundation-model/a.*"});
        let open = json!({"Effect": "Allow", "Action": "bedrock:*", "Resource": "*"});
        let before = policy(&[allow(&with_guardrail()), open.clone()]);
        assert!(before.loosened_by(&policy(&[allow(&with_guardrail()), narrow.clone()])).is_empty(), "less is open than before");
        let guarded = policy(&[allow(&with_guardrail()), narrow]);
        assert!(!guarded.loosened_by(&policy(std::slice::from_ref(&open))).is_empty());
        let refusing =
            json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Null": {"bedrock:GuardrailIdentifier": "true"}}});
        assert!(guarded.loosened_by(&policy(&[open, refusing])).is_empty());
    }

    #[test]
    fn a_document_is_read_alike_on_both_ways() {
        let allowing = |member: &str, value: Value| {
            let mut statement = json!({"Effect": "Allow", "Action": "bedrock:*", "Resource": "*"});
            statement[member] = value;
            json!({"Statement": [statement]})
        };
        for document in [
            allowing("Effect", json!("deny")),
            allowing("Effect", json!(null)),
            allowing("NotAction", json!(null)),
            allowing("NotAction", json!("bedrock:InvokeModel")),
            allowing("NotResource", json!("arn:aws:s3:::b/*")),
            allowing("Condition", json!({"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}})),
            allowing("Condition", json!({"StringEquals": {"Bedrock:guardrailidentifier": "abc"}})),
            json!({"Statement": [{"Effect": "Allow", "Action": ["bedrock:InvokeModel", "s3:GetObject"], "Resource": ["arn:aws:s3:::b/*", "arn:aws:bedrock:us-east-1::foundation-model/*"]}]}),
            json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}),
            json!({"Statement": [{"Effect": "Allow", "Action": "bedrock:Invoke*", "Resource": "arn:aws:s3:::b/*"}]}),
            json!({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}, {"Effect": "Allow", "Action": "bedrock:*", "Resource": "*"}]}),
        ] {
            let in_record = serde_json::to_string(&document.to_string()).unwrap();
            let fast = IdentityPolicy::relevant_part_of(&serde_json::from_str::<Box<RawValue>>(&in_record).unwrap());
            assert_eq!(fast, IdentityPolicy::relevant_part(&document), "{document}");
            assert_eq!(IdentityPolicy::parse(&fast.unwrap()), IdentityPolicy::parse(&document), "{document}");
        }
    }

    #[test]
    fn documents_are_found_in_each_form() {
        let document = json!({"Statement": allow(&with_guardrail())});
        let encoded = document.to_string().bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02X}"));
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
