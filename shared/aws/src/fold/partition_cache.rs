//! Reads the facts of partitions, and keeps them between folds.
//!
//! Every change in a partition comes through the stream, and raises the partition's version before anything is folded. Facts that were read
//! under a version are therefore all facts of that version, and needn't be read again while the version stays. A fold gives the same result
//! with and without the cache.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::JoinSet;

use crate::{
    bounds::BYTES_OF_A_FOLD,
    error::{CallError, ErrorKind},
    fact::Content,
    findings::{PartitionState, Volume},
    observations::{Observations, Read},
    partition::Partition,
};

/// Partitions that are read concurrently.
const AT_ONCE: usize = 16;

/// Bytes of facts that are kept, approximately.
const REMEMBERED: usize = 32 << 20;

/// Bytes that a fact takes besides its content, approximately.
const OVERHEAD: usize = 256;

#[derive(Debug)]
pub(super) struct PartitionCache {
    observations: Observations,
    remembered: Mutex<Remembered>,
}

/// The facts of a partition, as far as they were read.
#[derive(Debug, Default)]
pub(super) struct PartitionFacts {
    facts: Vec<Read>,
    /// How much was read.
    pub(super) volume: Volume,
}

impl Deref for PartitionFacts {
    type Target = [Read];

    fn deref(&self) -> &[Read] {
        &self.facts
    }
}

#[derive(Debug, Default)]
struct Remembered {
    partitions: HashMap<Partition, (u64, Arc<PartitionFacts>)>,
    bytes: usize,
}

impl PartitionCache {
    pub(super) fn new(observations: Observations) -> Self {
        PartitionCache { observations, remembered: Mutex::default() }
    }

    /// The facts of partitions with these versions, ordered by partition. Of each, reading stops after the page that exceeds `most`. Of all
    /// together, more than a fold may read is an error: the function would be ended for its memory, and with it nothing be said.
    pub(super) async fn read(
        &self,
        partitions: &BTreeMap<Partition, PartitionState>,
        most: impl Fn(&Partition) -> Volume,
    ) -> Result<Vec<(Partition, Arc<PartitionFacts>)>, CallError> {
        let mut read: BTreeMap<Partition, Arc<PartitionFacts>> = BTreeMap::new();
        let mut unread: Vec<(&Partition, u64)> = Vec::new();
        let mut bytes = 0;
        for (partition, PartitionState { version, .. }) in partitions {
            match self.get(partition, *version) {
                Some(facts) => {
                    bytes += facts.volume.bytes;
                    read.insert(partition.clone(), facts);
                }
                None => unread.push((partition, *version)),
            }
        }
        for some in unread.chunks(AT_ONCE) {
            let mut reading = JoinSet::new();
            for (partition, version) in some {
                let (observations, partition, version, most) = (self.observations.clone(), (*partition).clone(), *version, most(partition));
                reading.spawn(async move {
                    let facts = observations.query_some(&partition, most).await;
                    (partition, version, facts)
                });
            }
            while let Some(joined) = reading.join_next().await {
                let (partition, version, facts) = joined.map_err(|error| CallError::new("read facts", ErrorKind::Retryable, error))?;
                let (facts, size) = facts?;
                let facts = Arc::new(PartitionFacts { volume: Volume { items: facts.len() as u64, bytes: size }, facts });
                bytes += size;
                self.insert(&partition, version, &facts);
                read.insert(partition, facts);
            }
            if bytes > BYTES_OF_A_FOLD {
                let problem = format!("the account has more than {} MB of facts", BYTES_OF_A_FOLD >> 20);
                return Err(CallError::new("read facts", ErrorKind::Refused, problem));
            }
        }
        Ok(read.into_iter().collect())
    }

    /// Empties the cache.
    pub(super) fn forget(&self) {
        *self.remembered.lock().unwrap_or_else(PoisonError::into_inner) = Remembered::default();
    }

    fn get(&self, partition: &Partition, version: u64) -> Option<Arc<PartitionFacts>> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.partitions.get(partition).filter(|(of, _)| *of == version).map(|(_, facts)| Arc::clone(facts))
    }

    fn insert(&self, partition: &Partition, version: u64, facts: &Arc<PartitionFacts>) {
        let bytes = size(facts);
        // Partitions that were recorded by releases without versions have version 0.
        if version == 0 || bytes > REMEMBERED {
            return;
        }
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.bytes + bytes > REMEMBERED {
            *remembered = Remembered::default();
        }
        let before = remembered.partitions.insert(partition.clone(), (version, Arc::clone(facts)));
        remembered.bytes = remembered.bytes + bytes - before.map_or(0, |(_, facts)| size(&facts));
    }
}

fn size(facts: &[Read]) -> usize {
    let of_fact = |read: &Read| match read.fact.as_ref().map(|fact| &fact.content) {
        Ok(Content::Calls(bytes)) => bytes.len(),
        Ok(Content::State(state)) => state.json.len(),
        // An estimate: changes have few and small parameters.
        Ok(Content::Change(_)) => 2_048,
        _ => 0,
    };
    facts.iter().map(|read| of_fact(read) + OVERHEAD).sum()
}
