//! A fast path for most documents: their statements only allow, and are reduced without parsing them into a tree.

use std::{borrow::Cow, fmt, marker::PhantomData, sync::LazyLock};

use aho_corasick::AhoCorasick;
use serde::{
    Deserialize, Deserializer,
    de::{
        Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{BorrowedStrDeserializer, MapAccessDeserializer},
    },
};
use serde_json::{Value, json, value::RawValue};

use super::{GUARDS, allowing, matching_actions, ours};

/// The text that every condition on the guardrail contains, in any case.
static GUARDRAIL_MARK: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().ascii_case_insensitive(true).build(["guardrailidentifier"]).ok());

/// The result of [`IdentityPolicy::relevant_part`](super::IdentityPolicy::relevant_part) for a document that only allows; `None` for any
/// other.
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
