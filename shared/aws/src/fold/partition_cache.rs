//! Reads the facts of partitions, and keeps them between folds.
//!
//! Every change in a partition comes through the stream, and raises the partition's version before anything is folded. Facts that were read
//! under a version are therefore all facts of that version, and needn't be read again while the version stays. A fold gives the same result
//! with and without the cache.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::JoinSet;

use crate::{
    bounds::READ,
    error::{CallError, ErrorKind, panicked},
    fact::Content,
    findings::{PartitionState, Volume},
    observations::{Observations, Read},
    partition::Partition,
};

/// Partitions that are read concurrently.
const AT_ONCE: usize = 16;

/// Bytes of a partition that is read together with others. Of larger ones a few would fill the function's memory.
const SMALL: u64 = 2 << 20;

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

/// The facts of partitions, ordered by partition.
pub(super) type FactsRead = Vec<(Partition, Arc<PartitionFacts>)>;

#[derive(Debug, Default)]
struct Remembered {
    partitions: HashMap<Partition, (u64, Arc<PartitionFacts>)>,
    bytes: usize,
}

impl PartitionCache {
    pub(super) fn new(observations: Observations) -> Self {
        PartitionCache { observations, remembered: Mutex::default() }
    }

    /// All facts of partitions with these versions. More than there is `room` for is an error: the function would be ended for its memory, and
    /// with it nothing be said.
    pub(super) async fn read(&self, partitions: &BTreeMap<Partition, PartitionState>, room: u64) -> Result<FactsRead, CallError> {
        let mut read = FactsRead::new();
        let mut bytes = 0;
        for some in partitions.iter().collect::<Vec<_>>().chunks(AT_ONCE) {
            for (partition, facts) in self.read_some(some, Volume::UNLIMITED).await? {
                bytes += facts.volume.bytes;
                read.push((partition, facts));
            }
            if bytes > room {
                let problem = format!("the account has more than {} MB of facts", room >> 20);
                return Err(CallError::new("read facts", ErrorKind::Refused, problem));
            }
        }
        Ok(read)
    }

    /// All facts of the latest partitions, as many as there is `room` for, and the partitions that are left out.
    pub(super) async fn read_latest(
        &self,
        partitions: &BTreeMap<Partition, PartitionState>,
        room: u64,
    ) -> Result<(FactsRead, Vec<Partition>), CallError> {
        let mut latest_first: Vec<(&Partition, &PartitionState)> = partitions.iter().collect();
        // Facts without a time are few, and may bear on all that have one.
        latest_first.sort_by_key(|(partition, _)| Reverse(partition.hour.unwrap_or(i64::MAX)));
        let (mut read, mut left_out, mut left) = (FactsRead::new(), Vec::new(), room);
        let mut chosen: Vec<(&Partition, &PartitionState)> = Vec::new();
        let mut expected = 0;
        for one in latest_first {
            if expected + one.1.volume.bytes > room {
                left_out.push(one.0.clone());
            } else {
                expected += one.1.volume.bytes;
                chosen.push(one);
            }
        }
        for some in chosen.chunks(AT_ONCE) {
            for (partition, facts) in self.read_some(some, Volume::UNLIMITED).await? {
                if let Some(rest) = left.checked_sub(facts.volume.bytes) {
                    left = rest;
                    read.push((partition, facts));
                } else {
                    left_out.push(partition);
                }
            }
        }
        Ok((read, left_out))
    }

    /// The facts of as many partitions as there is `room` for, the smallest first, and the partitions that are left out. Of each, reading
    /// stops after the page on which there are more than [`READ`].
    ///
    /// Their sizes are those that the index has, which grow only by new items: so a partition may turn out larger, because items in it were
    /// written over. Which ones are left out doesn't depend on what is remembered.
    pub(super) async fn read_what_fits(
        &self,
        partitions: &BTreeMap<Partition, PartitionState>,
        room: u64,
    ) -> Result<(FactsRead, Vec<Partition>), CallError> {
        let mut smallest_first: Vec<(&Partition, &PartitionState)> = partitions.iter().collect();
        smallest_first.sort_by_key(|(_, state)| state.volume.bytes);
        let (mut read, mut left_out, mut left) = (FactsRead::new(), Vec::new(), room);
        let mut large: Vec<(&Partition, &PartitionState)> = Vec::new();
        let (small, known_as_large) = smallest_first.split_at(smallest_first.partition_point(|(_, state)| state.volume.bytes <= SMALL));
        for some in small.chunks(AT_ONCE) {
            let most = Volume { items: READ.items, bytes: SMALL };
            for ((partition, facts), listed) in self.read_some(some, most).await?.into_iter().zip(some) {
                match left.checked_sub(facts.volume.bytes) {
                    _ if facts.volume.bytes > SMALL => large.push(*listed),
                    Some(rest) => {
                        left = rest;
                        read.push((partition, facts));
                    }
                    None => left_out.push(partition),
                }
            }
        }
        for one in large.into_iter().chain(known_as_large.iter().copied()) {
            let (partition, state) = one;
            if state.volume.bytes.min(READ.bytes) > left {
                left_out.push(partition.clone());
                continue;
            }
            for (partition, facts) in self.read_some(&[one], READ).await? {
                match left.checked_sub(facts.volume.bytes) {
                    Some(rest) => {
                        left = rest;
                        read.push((partition, facts));
                    }
                    None => left_out.push(partition),
                }
            }
        }
        Ok((read, left_out))
    }

    /// The facts of a few partitions, in their order. Of each, reading stops after the page on which there are more than `most`.
    async fn read_some(&self, some: &[(&Partition, &PartitionState)], most: Volume) -> Result<FactsRead, CallError> {
        let mut facts_of: BTreeMap<Partition, Arc<PartitionFacts>> = BTreeMap::new();
        let mut reading = JoinSet::new();
        for (partition, PartitionState { version, .. }) in some {
            if let Some(facts) = self.get(partition, *version) {
                facts_of.insert((*partition).clone(), facts);
                continue;
            }
            let (observations, partition, version) = (self.observations.clone(), (*partition).clone(), *version);
            reading.spawn(async move {
                let facts = observations.query_some(&partition, None, most).await;
                (partition, version, facts)
            });
        }
        while let Some(joined) = reading.join_next().await {
            let (partition, version, facts) = joined.map_err(panicked("read facts"))?;
            let (facts, bytes) = facts?;
            let facts = Arc::new(PartitionFacts { volume: Volume { items: facts.len() as u64, bytes }, facts });
            // What was cut off at less than a fold reads isn't all that counts.
            if bytes <= most.bytes || most.bytes >= READ.bytes {
                self.insert(&partition, version, &facts);
            }
            facts_of.insert(partition, facts);
        }
        Ok(some.iter().filter_map(|(partition, _)| facts_of.remove_entry(*partition)).collect())
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
