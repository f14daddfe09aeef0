//! Snapshots of a world, wherever it lies: in the hub's bucket, or in a folder.

use audit_core::moment::Moment;
use serde_json::Value;

use crate::{bucket::Bucket, clock::Clock, error::CallError};

/// The snapshots below some place.
#[derive(Clone, Debug)]
pub struct Snapshots<B> {
    bucket: B,
    prefix: &'static str,
    clock: Clock,
}

impl<B: Bucket> Snapshots<B> {
    /// Of the world that begins behind this prefix.
    pub fn new(bucket: B, prefix: &'static str, clock: Clock) -> Self {
        Snapshots { bucket, prefix, clock }
    }

    /// The latest snapshot of something: its time and its content.
    pub async fn latest(&self, stem: &str) -> Result<Option<(Option<Moment>, Vec<u8>)>, CallError> {
        let prefix = format!("{}{stem}", self.prefix);
        let listed = self.bucket.list(&prefix).await?;
        let time = |key: &str| {
            let rest = key.strip_prefix(&prefix)?.strip_suffix(".json")?;
            if rest.is_empty() { Some(Moment::BEGINNING) } else { Moment::parse_basic(rest.strip_prefix('@')?) }
        };
        let latest = listed.iter().filter_map(|listed| Some((time(&listed.key)?, &listed.key))).max();
        let Some((time, key)) = latest else { return Ok(None) };
        let content = self.bucket.get(key).await?;
        Ok(content.map(|content| (Some(time).filter(|time| *time > Moment::BEGINNING), content)))
    }

    /// Writes a snapshot if it says something new, under the time from which it holds. Whether it did.
    pub async fn write(&self, stem: &str, json: &[u8]) -> Result<bool, CallError> {
        let before = self.latest(stem).await?;
        if before.as_ref().is_some_and(|(_, before)| says_the_same(before, json)) {
            return Ok(false);
        }
        let now = self.clock.now();
        // The change was made when AWS says so, if that is after what was read before.
        let before = before.and_then(|(time, _)| time);
        let updated = updated_at(json).filter(|updated| *updated <= now && before.is_some_and(|before| *updated > before));
        let key = format!("{}{stem}@{}.json", self.prefix, updated.unwrap_or(now).to_basic());
        self.bucket.put(&key, json.to_vec()).await?;
        Ok(true)
    }
}

/// Whether two answers say the same, whatever they were sent with: some carry the time at which they were asked.
fn says_the_same(a: &[u8], b: &[u8]) -> bool {
    fn bare(json: &[u8]) -> Option<Value> {
        fn strip(value: &mut Value) {
            match value {
                Value::Object(object) => {
                    for key in ["LastUpdatedTimestamp", "nextToken", "LatestDeliveryTime", "LatestDigestDeliveryTime"] {
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

/// When AWS says that this was changed.
fn updated_at(json: &[u8]) -> Option<Moment> {
    let answer: Value = serde_json::from_slice(json).ok()?;
    let direct = answer.get("updatedAt");
    let configured = answer.pointer("/guardrailsConfig/0/updatedAt");
    Moment::parse(direct.or(configured)?.as_str()?)
}
