//! Snapshots of a world, in the hub's bucket or in a folder.

use std::collections::BTreeSet;

use audit_core::timestamp::Timestamp;
use serde_json::Value;

use crate::{bucket::Bucket, clock::Clock, error::CallError, state::NO_GUARDRAIL};

/// The result of writing an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Whether it differs from the latest snapshot.
    pub is_new: bool,
    /// The time of the snapshot that holds it; `None` if it holds from the beginning.
    pub since: Option<Timestamp>,
}

/// Snapshots below a prefix of a bucket.
#[derive(Clone, Debug)]
pub struct Snapshots<B> {
    bucket: B,
    prefix: &'static str,
    clock: Clock,
}

impl<B: Bucket> Snapshots<B> {
    /// The snapshots of the world below this prefix.
    pub fn new(bucket: B, prefix: &'static str, clock: Clock) -> Self {
        Snapshots { bucket, prefix, clock }
    }

    /// The latest snapshot with a stem: its time and its content.
    pub async fn latest(&self, stem: &str) -> Result<Option<(Option<Timestamp>, Vec<u8>)>, CallError> {
        let prefix = format!("{}{stem}", self.prefix);
        let listed = self.bucket.list(&prefix).await?;
        let time = |key: &str| {
            let rest = key.strip_prefix(&prefix)?.strip_suffix(".json")?;
            if rest.is_empty() { Some(Timestamp::BEGINNING) } else { Timestamp::parse_basic(rest.strip_prefix('@')?) }
        };
        let latest = listed.iter().filter_map(|listed| Some((time(&listed.key)?, &listed.key))).max();
        let Some((time, key)) = latest else { return Ok(None) };
        let content = self.bucket.get(key).await?;
        Ok(content.map(|content| (Some(time).filter(|time| *time > Timestamp::BEGINNING), content)))
    }

    /// The stems of all snapshots below a folder.
    pub async fn stems(&self, folder: &str) -> Result<BTreeSet<String>, CallError> {
        let listed = self.bucket.list(&format!("{}{folder}", self.prefix)).await?;
        let stem = |key: &str| {
            let path = key.strip_prefix(self.prefix)?.strip_suffix(".json")?;
            Some(path.split('@').next().unwrap_or(path).to_owned())
        };
        Ok(listed.iter().filter_map(|listed| stem(&listed.key)).collect())
    }

    /// Guardrails below a folder that aren't listed, and whose latest snapshot isn't that they are gone.
    pub async fn unlisted(&self, folder: &str, listed: &BTreeSet<String>) -> Result<BTreeSet<String>, CallError> {
        let mut unlisted = BTreeSet::new();
        for stem in self.stems(folder).await?.difference(listed) {
            if self.latest(stem).await?.is_some_and(|(_, json)| json != NO_GUARDRAIL) {
                unlisted.insert(stem.clone());
            }
        }
        Ok(unlisted)
    }

    /// Writes an answer as a snapshot, unless the latest one has the same content. The snapshot's time is that from which the answer holds.
    pub async fn write(&self, stem: &str, json: &[u8]) -> Result<Written, CallError> {
        let before = self.latest(stem).await?;
        if let Some((since, _)) = before.as_ref().filter(|(_, before)| same_content(before, json)) {
            return Ok(Written { is_new: false, since: *since });
        }
        let now = self.clock.now();
        // `updatedAt` is the time of the change, unless it is before the latest snapshot: then something else changed.
        let before = before.and_then(|(time, _)| time);
        let updated = updated_at(json).filter(|updated| *updated <= now && before.is_some_and(|before| *updated > before));
        let since = updated.unwrap_or(now);
        self.bucket.put(&format!("{}{stem}@{}.json", self.prefix, since.to_basic()), json.to_vec()).await?;
        Ok(Written { is_new: true, since: Some(since) })
    }

    /// The bucket.
    pub fn bucket(&self) -> &B {
        &self.bucket
    }
}

/// Whether two answers have the same content, apart from members that differ with every request.
fn same_content(a: &[u8], b: &[u8]) -> bool {
    fn bare(json: &[u8]) -> Option<Value> {
        fn strip(value: &mut Value) {
            match value {
                Value::Object(object) => {
                    for key in
                        ["LastUpdatedTimestamp", "EvaluationTimestamp", "nextToken", "LatestDeliveryTime", "LatestDigestDeliveryTime"]
                    {
                        object.remove(key);
                    }
                    object.values_mut().for_each(strip);
                }
                Value::Array(items) => items.iter_mut().for_each(strip),
                _ => {}
            }
        }
        let mut value: Value = serde_json::from_slice(json).ok()?;
        strip(&mut value);
        Some(value)
    }
    a == b || bare(a).is_some_and(|a| bare(b) == Some(a))
}

/// The time at which AWS updated the resource.
fn updated_at(json: &[u8]) -> Option<Timestamp> {
    let answer: Value = serde_json::from_slice(json).ok()?;
    let direct = answer.get("updatedAt");
    let configured = answer.pointer("/guardrailsConfig/0/updatedAt");
    Timestamp::parse(direct.or(configured)?.as_str()?)
}
