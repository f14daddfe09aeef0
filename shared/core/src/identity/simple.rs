//! A fast path for most documents: their statements only allow, and are reduced without parsing them into a tree.

use std::{borrow::Cow, collections::BTreeSet, fmt, marker::PhantomData, sync::LazyLock};

use aho_corasick::AhoCorasick;
use serde::{
    Deserialize, Deserializer,
    de::{
        Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{BorrowedStrDeserializer, MapAccessDeserializer},
    },
};
use serde_json::{Value, json, value::RawValue};

use super::operations::{INFERENCE, is_ours};
use crate::{iam::matches, json::printable};

/// The marker in the result of `IdentityPolicy::relevant_part` that shows whether the document demands or protects anything.
pub(crate) const GUARDS: &str = "GuardrailAudit:Guards";

/// The text that every condition on the guardrail contains, in any case.
static GUARDRAIL_MARK: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().ascii_case_insensitive(true).build(["guardrailidentifier"]).ok());

/// The result of `IdentityPolicy::relevant_part` for a document that only allows; `None` for any other.
pub(super) fn relevant_part(text: &str) -> Option<Value> {
    if memchr::memchr(b'\\', text.as_bytes()).is_some() || !text.trim_start().starts_with('{') {
        return None;
    }
    let simple: SimpleDocument<'_> = serde_json::from_str(text).ok()?;
    if !simple.statement.0.iter().all(SimpleStatement::simply_allows) {
        return None;
    }
    let mut relevant: Vec<Value> = Vec::new();
    for statement in &simple.statement.0 {
        let actions = matching_actions(&statement.action.0.iter().map(|action| &**action));
        if actions.is_empty() {
            continue;
        }
        let Some(resources) = ours(statement.resource.0.iter().map(|resource| &**resource)) else {
            continue;
        };
        let condition: Option<Value> = statement.condition.and_then(|condition| serde_json::from_str(condition.get()).ok());
        let kept = allowing(&actions, ("Resource", resources.into()), condition.as_ref());
        if !relevant.contains(&kept) {
            relevant.push(kept);
        }
    }
    Some(json!({"Statement": relevant, GUARDS: false}))
}

/// Reduces a statement that allows to its actions that run a model, its resources, and its condition if it has one.
pub(super) fn allowing(actions: &[&str], resources: (&str, Value), condition: Option<&Value>) -> Value {
    let says_something = |condition: &&Value| condition.as_object().is_some_and(|operators| !operators.is_empty());
    let condition = condition.filter(says_something).map(|condition| ("Condition", sorted(condition)));
    let members = [("Effect", json!("Allow")), ("Action", json!(actions)), resources].into_iter().chain(condition);
    Value::Object(members.map(|(member, value)| (member.to_owned(), value)).collect())
}

/// The actions of inference that match one of the patterns.
pub(super) fn matching_actions<'p>(patterns: &(impl Iterator<Item = &'p str> + Clone)) -> Vec<&'static str> {
    let matches = |pattern: &str, action: &str| {
        if pattern.contains(['*', '?']) { matches(&pattern.to_ascii_lowercase(), action) } else { pattern.eq_ignore_ascii_case(action) }
    };
    INFERENCE.iter().copied().filter(|action| patterns.clone().any(|pattern| matches(pattern, action))).collect()
}

/// The resources that inference can be requested on, ordered; `None` if there are none.
pub(super) fn ours<'r>(resources: impl Iterator<Item = &'r str>) -> Option<Vec<String>> {
    let ours: BTreeSet<String> = resources.filter(|resource| is_ours(resource)).map(|resource| printable(resource).into_owned()).collect();
    (!ours.is_empty()).then(|| ours.into_iter().collect())
}

pub(super) fn sorted(value: &Value) -> Value {
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

#[derive(Deserialize)]
struct SimpleDocument<'d> {
    #[serde(borrow, rename = "Statement")]
    statement: OneOrMany<SimpleStatement<'d>>,
}

#[derive(Deserialize)]
struct SimpleStatement<'d> {
    #[serde(borrow, rename = "Action")]
    action: OneOrMany<Cow<'d, str>>,
    #[serde(borrow, rename = "Resource")]
    resource: OneOrMany<Cow<'d, str>>,
    #[serde(borrow, rename = "Effect")]
    effect: Option<&'d RawValue>,
    #[serde(borrow, rename = "Condition")]
    condition: Option<&'d RawValue>,
    #[serde(default, rename = "NotAction")]
    not_action: IsThere,
    #[serde(default, rename = "NotResource")]
    not_resource: IsThere,
}

/// Whether a member is present, even as null.
#[derive(Clone, Copy, Default)]
struct IsThere(bool);

impl<'de> Deserialize<'de> for IsThere {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| IsThere(true))
    }
}

impl SimpleStatement<'_> {
    /// Whether the statement denies nothing and demands no guardrail. Its texts contain no escapes.
    fn simply_allows(&self) -> bool {
        let denies = self.effect.is_some_and(|effect| effect.get().eq_ignore_ascii_case("\"Deny\""));
        let asks = self.condition.is_some_and(|condition| GUARDRAIL_MARK.as_ref().is_none_or(|mark| mark.is_match(condition.get())));
        !denies && !asks && !self.not_action.0 && !self.not_resource.0
    }
}

/// One value or a list: IAM accepts a single member in place of a list of one.
struct OneOrMany<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one or a list")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                T::deserialize(BorrowedStrDeserializer::new(text)).map(|one| OneOrMany(vec![one]))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(text.to_owned().into_deserializer()).map(|one| OneOrMany(vec![one]))
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(|one| OneOrMany(vec![one]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(OneOrMany(all))
            }
        }
        deserializer.deserialize_any(Members(PhantomData))
    }
}
