//! The guardrails that IAM policies, SCPs and RCPs demand, and the operations on guardrails that they protect.
//!
//! A team can demand a guardrail of every caller with the condition key `bedrock:GuardrailIdentifier`: each Allow of inference has the
//! condition, or a Deny refuses calls without it. A Deny can also protect guardrails, and what enforces and records them, from changes. To
//! find what a change of policies took away, the policies before and after are evaluated for the same requests, so the way a document is
//! written doesn't matter. Only statements that can decide about such requests are kept.

mod compare;
mod guardrails;
mod keys;
mod operations;
mod simple;

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use serde_json::{Value, json, value::RawValue};

use crate::{
    iam::{Effect, Names, Principals, Statement, percent_decoded},
    json::Text,
};
pub(crate) use compare::{Lost, NewlyPassing, Silence, in_words, lost};
pub(crate) use guardrails::Named;
use operations::{inference_actions, is_ours};
pub(crate) use simple::GUARDS;
use simple::{allowing, matching_actions, sorted};

/// The statements of policies that decide who may run a model without a guardrail, and who may not change guardrails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct IdentityPolicy {
    statements: Arc<BTreeSet<Arc<Statement>>>,
    /// Whether there are more statements than are evaluated ([`MOST_STATEMENTS`]). Which ones is not kept then, and nothing is concluded from
    /// them.
    too_many: bool,
}

/// The most statements that are evaluated together. IAM's quotas allow 10,240 characters of inline policies for a role and ten managed
/// policies of 6,144 characters (docs/aws/iam.md#limits), which is less by far; records that show more are incomplete or made up. Without a
/// limit, each further policy of a role would cost as much time as it has policies already.
const MOST_STATEMENTS: usize = 256;

impl IdentityPolicy {
    /// Parses a document from JSON, from a string of JSON, or from a URL-encoded string. `None` if it is no document.
    #[must_use]
    pub fn parse(document: &Value) -> Option<Self> {
        let document = as_document(document)?;
        let read = statements(&document).filter(|statement| may_matter(statement)).map(Statement::read);
        Some(IdentityPolicy::of(read.filter(operations::matters).map(Arc::new).collect()))
    }

    /// The policy that allows everything.
    #[must_use]
    pub fn open_to_all() -> Self {
        let everything = Statement {
            effect: Effect::Allow,
            principals: Principals::NotSaid,
            actions: Names::all(),
            resources: Names::all(),
            conditions: Vec::new(),
        };
        IdentityPolicy::of(BTreeSet::from([Arc::new(everything)]))
    }

    fn of(statements: BTreeSet<Arc<Statement>>) -> Self {
        IdentityPolicy { statements: Arc::new(statements), too_many: false }
    }

    /// The policy with these statements; if they are too many, with none that are known.
    pub(crate) fn with(statements: impl ExactSizeIterator<Item = Arc<Statement>>) -> Self {
        if statements.len() > MOST_STATEMENTS { Self::too_many() } else { Self::of(statements.collect()) }
    }

    /// A policy with more statements than are evaluated.
    pub(crate) fn too_many() -> Self {
        IdentityPolicy { too_many: true, ..IdentityPolicy::default() }
    }

    pub(crate) fn statements(&self) -> impl ExactSizeIterator<Item = &Arc<Statement>> {
        self.statements.iter()
    }

    /// Reduces a document to the statements that can decide about the evaluated requests, each once. `None` if it is no document. A
    /// statement that allows keeps only its actions and resources of inference, and its condition.
    #[must_use]
    pub fn relevant_part(document: &Value) -> Option<Value> {
        let document = as_document(document)?;
        let mut relevant: Vec<Value> = Vec::new();
        for json in statements(&document).filter(|statement| may_matter(statement)) {
            let statement = Statement::read(json);
            if !operations::matters(&statement) {
                continue;
            }
            let kept = if statement.effect == Effect::Deny {
                sorted(json)
            } else {
                let resources = match json.get("NotResource") {
                    Some(others) => ("NotResource", sorted(others)),
                    None => ("Resource", statement.resources.patterns.iter().filter(|name| is_ours(name)).cloned().collect()),
                };
                allowing(&inference_actions(&statement).collect::<Vec<_>>(), resources, json.get("Condition"))
            };
            if !relevant.contains(&kept) {
                relevant.push(kept);
            }
        }
        Some(json!({"Statement": relevant, GUARDS: IdentityPolicy::parse(&document)?.guards()}))
    }

    /// Like `relevant_part`, for a document as it stands in a record. Most documents are strings that only allow; those
    /// are reduced without parsing them into a tree.
    #[must_use]
    pub fn relevant_part_of(document: &RawValue) -> Option<Value> {
        let text: Cow<'_, str> = serde_json::from_str::<Text<'_>>(document.get()).ok()?.0.unwrap_or_default();
        if let Some(relevant) = simple::relevant_part(&text) {
            return Some(relevant);
        }
        let value: Value = serde_json::from_str(document.get()).ok()?;
        Self::relevant_part(&value)
    }

    /// Whether it demands a guardrail, or denies anything that matters.
    #[must_use]
    pub fn guards(&self) -> bool {
        self.asks() || self.protects()
    }

    /// Whether any statement demands a guardrail, or denies inference. Statements that are too many may.
    #[must_use]
    pub fn asks(&self) -> bool {
        let asks = |statement: &Statement| match statement.effect {
            Effect::Deny => operations::is_about_inference(statement),
            Effect::Allow => guardrails::asks_for_guardrail(statement),
        };
        self.too_many || self.statements.iter().any(|statement| asks(statement))
    }

    /// Whether it denies changes of guardrails, or of what enforces and records them. Statements that are too many may.
    #[must_use]
    pub fn protects(&self) -> bool {
        self.too_many
            || self.statements.iter().any(|statement| statement.effect == Effect::Deny && operations::is_about_protection(statement))
    }

    /// Whether it allows running models without a guardrail. Statements that are too many may.
    #[must_use]
    pub fn opens(&self) -> bool {
        let opens = |statement: &Statement| statement.effect == Effect::Allow && !guardrails::asks_for_guardrail(statement);
        self.too_many || self.statements.iter().any(|statement| opens(statement))
    }

    /// The statements that deny, without those that allow.
    #[must_use]
    pub(crate) fn denials(&self) -> IdentityPolicy {
        let denials = self.statements.iter().filter(|statement| statement.effect == Effect::Deny);
        IdentityPolicy { statements: Arc::new(denials.cloned().collect()), too_many: self.too_many }
    }

    /// The statements of both policies.
    #[must_use]
    pub fn and(&self, other: &IdentityPolicy) -> IdentityPolicy {
        if self.too_many || other.too_many {
            return Self::too_many();
        }
        if other.statements.is_subset(&self.statements) {
            return self.clone();
        }
        let both = &*self.statements | &*other.statements;
        if both.len() > MOST_STATEMENTS { Self::too_many() } else { Self::of(both) }
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
                // A trust policy decides who may assume a role, not what the role may do.
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

/// The value as a document, which is an object with statements, possibly within a string.
fn as_document(value: &Value) -> Option<Cow<'_, Value>> {
    match value {
        Value::Object(members) if members.contains_key("Statement") => Some(Cow::Borrowed(value)),
        Value::String(text) => {
            let plain = if text.trim_start().starts_with('{') { Cow::Borrowed(text) } else { Cow::Owned(percent_decoded(text)?) };
            let parsed: Value = serde_json::from_str(&plain).ok()?;
            parsed.get("Statement").is_some().then_some(Cow::Owned(parsed))
        }
        _ => None,
    }
}

/// Whether a statement has to be parsed at all; most allow other actions.
fn may_matter(statement: &Value) -> bool {
    let list = &statement["Action"];
    let actions = list.as_array().map_or(std::slice::from_ref(list), Vec::as_slice).iter().filter_map(Value::as_str);
    statement["Effect"] != "Allow" || statement.get("NotAction").is_some() || !matching_actions(&actions).is_empty()
}

fn statements(document: &Value) -> impl Iterator<Item = &Value> {
    let statements = &document["Statement"];
    statements.as_array().map_or(std::slice::from_ref(statements), Vec::as_slice).iter().filter(|statement| statement.is_object())
}

#[cfg(test)]
mod tests;
