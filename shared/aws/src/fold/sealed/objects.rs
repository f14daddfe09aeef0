//! The objects that hold sealed hours: written under a slot that nothing names, read by their hash, and kept in memory between folds.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};

use super::contents::{SealedCalls, SealedFacts, SealedPartitions, UnusableObject, unpack_calls, unpack_facts, unpack_partitions};
use crate::{
    bucket::Bucket,
    error::{CallError, chain},
    findings::Checkpoint,
};

/// The prefix of sealed hours in the hub's bucket.
pub(crate) const PREFIX: &str = "sealed/";

/// Bytes of unpacked objects that are kept in memory, of each kind.
const REMEMBERED: u64 = 24 << 20;

/// The objects that an instance has read.
#[derive(Debug, Default)]
pub(in crate::fold) struct SealedObjects {
    facts: Recent<SealedFacts>,
    aside: Recent<SealedFacts>,
    calls: Recent<SealedCalls>,
}

/// What was read last, by the hash of its object.
#[derive(Debug)]
struct Recent<T>(Mutex<VecDeque<(String, u64, Arc<T>)>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Recent(Mutex::default())
    }
}

impl<T> Recent<T> {
    fn get(&self, hash: &str) -> Option<Arc<T>> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = recent.iter().position(|(known, ..)| known == hash)?;
        let found = recent.remove(index)?;
        let contents = Arc::clone(&found.2);
        recent.push_back(found);
        Some(contents)
    }

    /// Keeps the contents of an object, and forgets the ones that were needed least recently.
    fn insert(&self, hash: &str, bytes: u64, contents: &Arc<T>) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|(known, ..)| known != hash);
        recent.push_back((hash.to_owned(), bytes, Arc::clone(contents)));
        while recent.iter().map(|(_, bytes, _)| bytes).sum::<u64>() > REMEMBERED {
            recent.pop_front();
        }
    }
}

/// The kinds of objects of a checkpoint.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// All facts but calls, and but those that are set aside.
    OtherFacts,
    /// Changes that can lead to no finding as long as the same is watched.
    Aside,
    Calls,
    Partitions,
}

impl Kind {
    fn key(self, account: &str, slot: u32) -> String {
        let name = match self {
            Kind::OtherFacts => "facts",
            Kind::Aside => "aside",
            Kind::Calls => "calls",
            Kind::Partitions => "partitions",
        };
        format!("{PREFIX}{account}/{slot}/{name}")
    }

    fn hash(self, checkpoint: &Checkpoint) -> &str {
        match self {
            Kind::OtherFacts => &checkpoint.facts,
            Kind::Aside => &checkpoint.aside,
            Kind::Calls => &checkpoint.calls,
            Kind::Partitions => &checkpoint.partitions,
        }
    }
}

/// The SHA-256 of an object, in hexadecimal digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl SealedObjects {
    /// Writes an object of a checkpoint, and returns its hash. What it holds is known then, and isn't read to go on from it.
    pub(super) async fn put(
        &self,
        bucket: &impl Bucket,
        account: &str,
        slot: u32,
        kind: Kind,
        bytes: Vec<u8>,
    ) -> Result<String, CallError> {
        let hash = hash(&bytes);
        match kind {
            Kind::OtherFacts => keep(&self.facts, &hash, unpack_facts(&bytes), |facts| facts.bytes),
            Kind::Aside => keep(&self.aside, &hash, unpack_facts(&bytes), |facts| facts.bytes),
            Kind::Calls => keep(&self.calls, &hash, unpack_calls(&bytes), |calls| calls.bytes),
            Kind::Partitions => {}
        }
        bucket.put(&kind.key(account, slot), bytes).await?;
        Ok(hash)
    }

    /// The facts of a checkpoint; `None` if they can't be used.
    pub(super) async fn facts(&self, bucket: &impl Bucket, account: &str, of: &Checkpoint) -> Result<Option<Arc<SealedFacts>>, CallError> {
        read(bucket, account, of, Kind::OtherFacts, &self.facts, unpack_facts, |facts| facts.bytes).await
    }

    /// The changes of a checkpoint that are set aside; `None` if they can't be used.
    pub(super) async fn aside(&self, bucket: &impl Bucket, account: &str, of: &Checkpoint) -> Result<Option<Arc<SealedFacts>>, CallError> {
        read(bucket, account, of, Kind::Aside, &self.aside, unpack_facts, |facts| facts.bytes).await
    }

    /// The sums of calls of a checkpoint; `None` if they can't be used.
    pub(super) async fn calls(&self, bucket: &impl Bucket, account: &str, of: &Checkpoint) -> Result<Option<Arc<SealedCalls>>, CallError> {
        read(bucket, account, of, Kind::Calls, &self.calls, unpack_calls, |calls| calls.bytes).await
    }
}

/// The partitions of a checkpoint; `None` if the list can't be used.
pub(super) async fn partitions(bucket: &impl Bucket, account: &str, of: &Checkpoint) -> Result<Option<SealedPartitions>, CallError> {
    get(bucket, account, of, Kind::Partitions, unpack_partitions).await
}

async fn read<T>(
    bucket: &impl Bucket,
    account: &str,
    checkpoint: &Checkpoint,
    kind: Kind,
    recent: &Recent<T>,
    unpack: fn(&[u8]) -> Result<T, UnusableObject>,
    bytes: fn(&T) -> u64,
) -> Result<Option<Arc<T>>, CallError> {
    let hash = kind.hash(checkpoint);
    if let Some(known) = recent.get(hash) {
        return Ok(Some(known));
    }
    let Some(contents) = get(bucket, account, checkpoint, kind, unpack).await? else { return Ok(None) };
    let contents = Arc::new(contents);
    recent.insert(hash, bytes(&contents), &contents);
    Ok(Some(contents))
}

fn keep<T>(recent: &Recent<T>, hash: &str, contents: Result<T, UnusableObject>, bytes: fn(&T) -> u64) {
    if let Ok(contents) = contents {
        recent.insert(hash, bytes(&contents), &Arc::new(contents));
    }
}

/// The contents of an object; `None` if it can't be used.
async fn get<T>(
    bucket: &impl Bucket,
    account: &str,
    checkpoint: &Checkpoint,
    kind: Kind,
    unpack: fn(&[u8]) -> Result<T, UnusableObject>,
) -> Result<Option<T>, CallError> {
    let key = kind.key(account, checkpoint.slot);
    let unusable = match bucket.get(&key).await? {
        Some(bytes) if hash(&bytes) == kind.hash(checkpoint) => match unpack(&bytes) {
            Ok(contents) => return Ok(Some(contents)),
            Err(error) => chain(&error),
        },
        Some(_) => "the object was overwritten".to_owned(),
        None => "there is no such object".to_owned(),
    };
    tracing::error!(account, key, problem = unusable, "sealed hours can't be read, and are sealed again");
    Ok(None)
}
