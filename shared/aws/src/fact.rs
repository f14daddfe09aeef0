//! A fact: one item of the table of observations. Its sort key is a hash of its content, so that the same fact is the same item, and
//! writing it again changes nothing.

mod content;

use std::collections::HashMap;

use audit_core::{facts::packed, timestamp::Timestamp};
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use sha2::{Digest as _, Sha256};

use self::content::{CHANGE, PACKET};
pub use self::content::{ChangeFact, Content, GapFact, HeartbeatFact, HistoryRead, ReadFact, STATE, StateFact, VerifiedFact};
use crate::{
    clock::{hour_of, seconds, start_of},
    partition::{AccountRegion, Partition, Source},
    settings::FACTS_TTL_DAYS,
};

/// A fact and its partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The partition that holds it.
    pub partition: Partition,
    /// Its kind and its values.
    pub content: Content,
}

/// The reasons why an item isn't a valid fact.
#[derive(Debug, thiserror::Error)]
pub enum FactError {
    /// The partition key isn't that of a fact.
    #[error("no fact belongs under this partition key")]
    Partition,
    /// The sort key isn't that of a fact, or doesn't match the content.
    #[error("the sort key is not that of the content")]
    SortKey,
    /// The item has no content.
    #[error("the fact has no content")]
    Empty,
    /// The content is larger than a fact of its kind may be.
    #[error("the fact is larger than {0} bytes")]
    TooLarge(usize),
    /// The packed calls can't be parsed.
    #[error(transparent)]
    Packet(#[from] packed::PackedError),
    /// The JSON can't be parsed.
    #[error("the fact's JSON can't be read")]
    Json(#[from] serde_json::Error),
    /// The content names another account or Region than the partition key.
    #[error("the fact speaks of another account or Region than its key")]
    OtherAccountRegion,
    /// A member wrote a kind of fact that only the hub may write.
    #[error("only the hub may report a {0}")]
    HubOnly(&'static str),
    /// The content's time isn't in the hour of the partition key.
    #[error("the fact's time is not in the hour of its key")]
    OtherHour,
}

impl Fact {
    /// A fact about something that happened in an account and Region at a time.
    #[must_use]
    pub fn new(source: Source, account_region: AccountRegion, time: Option<Timestamp>, content: Content) -> Self {
        Fact { partition: Partition { source, account_region, hour: time.map(hour_of) }, content }
    }

    /// The latest time in the fact; `None` if there is none.
    #[must_use]
    pub fn latest(&self) -> Option<Timestamp> {
        match &self.content {
            Content::Calls(bytes) => packed::latest(bytes, self.partition.hour),
            Content::Change(fact) => Some(fact.time),
            Content::State(fact) => Some(fact.since),
            Content::Heartbeat(fact) => Some(fact.time),
            Content::Read(fact) => Some(fact.time),
            Content::Verified(_) | Content::Gap(_) => None,
        }
    }

    /// The item that holds the fact, kept for this number of days after the end of its hour.
    pub fn item(&self, ttl_days: i64) -> Result<HashMap<String, AttributeValue>, FactError> {
        let (name, body) = match (&self.content, self.content.json()?) {
            (Content::Calls(bytes), _) => ("f", Body::Bytes(bytes.clone())),
            (_, json) => ("j", Body::Text(json.unwrap_or_default())),
        };
        let most = self.content.most();
        if body.bytes().len() > most {
            return Err(FactError::TooLarge(most));
        }
        let mut item = HashMap::from([
            ("pk".to_owned(), AttributeValue::S(self.partition.key())),
            ("sk".to_owned(), AttributeValue::S(sort_key(self.content.kind(), body.bytes()))),
        ]);
        // The expiry depends on the fact alone, so that the same fact is the same item whenever it is written.
        if let Some(end) = end_of(&self.partition, ttl_days) {
            item.insert("expires_at".to_owned(), AttributeValue::N(end.to_string()));
        }
        let body = match body {
            Body::Bytes(bytes) => AttributeValue::B(Blob::new(bytes)),
            Body::Text(text) => AttributeValue::S(text),
        };
        item.insert(name.to_owned(), body);
        Ok(item)
    }

    /// Parses an item. Size, hash, account, Region and time are checked, because members write these items.
    pub fn from_item(item: &HashMap<String, AttributeValue>) -> Result<Self, FactError> {
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str);
        let partition = text("pk").and_then(Partition::parse).ok_or(FactError::Partition)?;
        let sort_key = text("sk").ok_or(FactError::SortKey)?;
        let bytes = item.get("f").and_then(|value| value.as_b().ok()).map(Blob::as_ref);
        Self::from_parts(partition, sort_key, bytes, text("j"))
    }

    /// The same, from the attributes of an item.
    pub fn from_parts(partition: Partition, key: &str, bytes: Option<&[u8]>, json: Option<&str>) -> Result<Self, FactError> {
        let kind = key.split('#').next().unwrap_or_default();
        let body = match kind {
            "calls" => bytes.ok_or(FactError::Empty)?,
            _ => json.ok_or(FactError::Empty)?.as_bytes(),
        };
        let most = match kind {
            "calls" => PACKET,
            "state" => STATE,
            _ => CHANGE,
        };
        if body.len() > most {
            return Err(FactError::TooLarge(most));
        }
        if sort_key(kind, body) != key {
            return Err(FactError::SortKey);
        }
        let content = match kind {
            "calls" => {
                packed::check(body)?;
                Content::Calls(body.to_vec())
            }
            _ => Content::of_json(kind, body)?.ok_or(FactError::SortKey)?,
        };
        let fact = Fact { partition, content };
        fact.check()?;
        Ok(fact)
    }

    fn check(&self) -> Result<(), FactError> {
        let Partition { source, account_region, hour } = &self.partition;
        let time = match &self.content {
            Content::Calls(_) => return Ok(()),
            Content::Change(fact) => {
                if fact.change.account.as_str() != account_region.account || fact.change.region.as_str() != account_region.region {
                    return Err(FactError::OtherAccountRegion);
                }
                fact.time
            }
            Content::State(fact) => {
                if !is_path_of(&fact.path, account_region) {
                    return Err(FactError::OtherAccountRegion);
                }
                fact.since
            }
            Content::Heartbeat(fact) => fact.time,
            Content::Read(_) | Content::Gap(_) | Content::Verified(_) if *source != Source::Hub => {
                return Err(FactError::HubOnly(self.content.kind()));
            }
            Content::Read(fact) => fact.time,
            Content::Gap(fact) => fact.time,
            Content::Verified(fact) => fact.time,
        };
        if *hour == Some(hour_of(time)) { Ok(()) } else { Err(FactError::OtherHour) }
    }
}

/// The end of a fact's life, in seconds since 1970: this number of days after the end of its partition's hour. Facts without an hour don't
/// expire.
#[must_use]
pub(crate) fn end_of(partition: &Partition, ttl_days: i64) -> Option<i64> {
    partition.hour.map(|hour| seconds(start_of(hour + 1)) + ttl_days * DAY)
}

/// Whether a fact of a partition may have this expiry: the end of its hour and a number of days that the hub's settings allow.
#[must_use]
pub(crate) fn may_end(partition: &Partition, end: Option<i64>) -> bool {
    match (end_of(partition, 0), end) {
        (None, None) => true,
        (Some(zero), Some(end)) => (end - zero).rem_euclid(DAY) == 0 && FACTS_TTL_DAYS.contains(&(end - zero).div_euclid(DAY)),
        _ => false,
    }
}

/// Seconds of a day.
const DAY: i64 = 86_400;

enum Body {
    Bytes(Vec<u8>),
    Text(String),
}

impl Body {
    fn bytes(&self) -> &[u8] {
        match self {
            Body::Bytes(bytes) => bytes,
            Body::Text(text) => text.as_bytes(),
        }
    }
}

/// `<kind>#<the first 16 hexadecimal digits of the content's SHA-256>`.
fn sort_key(kind: &str, body: &[u8]) -> String {
    format!("{kind}#{}", digest(body))
}

/// The first 16 hexadecimal digits of the SHA-256 of some bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes).into_iter().take(8).collect::<Vec<u8>>())
}

/// Whether a path in the world is about this account, and about this Region where it names one.
fn is_path_of(path: &str, account_region: &AccountRegion) -> bool {
    match *path.trim_end_matches(".json").split('/').collect::<Vec<_>>() {
        ["effective-policies", account] => account == account_region.account,
        ["enforced-configurations" | "telemetry", account, region]
        | ["guardrails", account, region, _, _]
        | ["inference-profiles" | "agents" | "flows" | "resource-policies", account, region, _] => {
            account == account_region.account && region == account_region.region
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use audit_core::change::Change;

    use super::*;

    fn account_region() -> AccountRegion {
        AccountRegion::new("222233334444", "us-east-1")
    }

    fn time() -> Timestamp {
        Timestamp::parse("2026-11-20T10:00:00Z").unwrap()
    }

    fn state(path: &str) -> Fact {
        let fact = StateFact { path: path.to_owned(), since: time(), read_at: time(), json: "{}".to_owned(), events: Vec::new() };
        Fact::new(Source::Account, account_region(), Some(time()), Content::State(fact))
    }

    #[test]
    fn a_fact_comes_back_and_is_the_same_item_each_time() {
        let fact = state("enforced-configurations/222233334444/us-east-1.json");
        let item = fact.item(400).unwrap();
        assert_eq!(item, fact.item(400).unwrap());
        assert_eq!(Fact::from_item(&item).unwrap(), fact);
        assert_eq!(item["expires_at"], AttributeValue::N((1_795_172_400 + 400 * 86_400).to_string()));
    }

    #[test]
    fn what_speaks_of_another_account_or_region_is_no_fact() {
        for path in [
            "enforced-configurations/333344445555/us-east-1.json",
            "enforced-configurations/222233334444/eu-west-1.json",
            "organization.json",
            "policies/p-1.json",
        ] {
            let item = state(path).item(400).unwrap();
            assert!(matches!(Fact::from_item(&item), Err(FactError::OtherAccountRegion)), "{path}");
        }
    }

    #[test]
    fn content_that_was_changed_no_longer_belongs_to_its_key() {
        let mut item = state("effective-policies/222233334444.json").item(400).unwrap();
        let other = state("enforced-configurations/222233334444/us-east-1.json").item(400).unwrap();
        item.insert("j".to_owned(), other["j"].clone());
        assert!(matches!(Fact::from_item(&item), Err(FactError::SortKey)));
        assert!(matches!(Fact::from_item(&HashMap::new()), Err(FactError::Partition)));
    }

    #[test]
    fn a_change_that_is_too_large_is_told_without_its_largest_parameters() {
        let change = |definition: String| -> Change {
            let json = serde_json::json!({"service": "bedrock", "operation": "UpdateFlow", "account": "222233334444", "region": "us-east-1", "principal": "p",
                "parameters": {"flowIdentifier": "F1", "definition": definition}, "response": {"id": "F1"}});
            serde_json::from_value(json).unwrap()
        };
        let fact = |change: Change| ChangeFact::fitting(time(), "e".to_owned(), change);
        assert_eq!(fact(change("small".to_owned())).change, change("small".to_owned()));
        let fitting = fact(change("x".repeat(CHANGE)));
        assert_eq!(fitting.change.parameters, serde_json::json!({"flowIdentifier": "F1"}));
        let fact = Fact::new(Source::Account, account_region(), Some(time()), Content::Change(fitting));
        assert!(Fact::from_item(&fact.item(400).unwrap()).is_ok());
    }

    #[test]
    fn a_member_can_neither_speak_for_the_hub_nor_for_another_hour() {
        let gap = Content::Gap(GapFact { missing: "calls".into(), time: time(), detail: String::new(), count: 1 });
        let item = Fact::new(Source::Account, account_region(), Some(time()), gap.clone()).item(400).unwrap();
        assert!(matches!(Fact::from_item(&item), Err(FactError::HubOnly("gap"))));
        let item = Fact::new(Source::Hub, account_region(), Some(time().plus_seconds(3600)), gap).item(400).unwrap();
        assert!(matches!(Fact::from_item(&item), Err(FactError::OtherHour)));
    }
}
