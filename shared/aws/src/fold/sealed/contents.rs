//! What the objects of sealed hours hold, and how it becomes bytes: `postcard`, deflated, behind the number of the form.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    ops::Bound,
};

use audit_core::{
    auditor::{StoredAggregate, StoredAggregates},
    timestamp::Timestamp,
};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    clock::start_of,
    fact::{Content, Fact},
    findings::{Note, PartitionState, Volume},
    observations::Read,
    partition::{AccountRegion, Partition, Source},
    trust::Trust,
};

/// The number of the form. It is raised whenever what is stored, or what it means, changes; hours of another form are sealed again.
const FORM: u8 = 1;

/// Bytes that an object may take when it is unpacked. A fold's memory holds more, and nothing that the hub writes is as large.
const UNPACKED: u64 = 256 << 20;

/// Hours before the first one that isn't sealed whose digests decide about hours that are not.
const HOURS_OF_DIGESTS: i64 = 3;

/// The error when an object can't be used: it is of another form, or damaged. Its hours have to be sealed again.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnusableObject {
    #[error("sealed hours of form {0} are not known")]
    Form(u8),
    #[error("the object with sealed hours is damaged")]
    Damaged,
    #[error("what is known of sealed hours takes more than {} MB", UNPACKED >> 20)]
    TooLarge,
}

/// All facts of sealed hours but calls, as far as anything can still depend on them.
#[derive(Debug, Default)]
pub(in crate::fold) struct SealedFacts {
    pub(in crate::fold) facts: Vec<(Partition, Read)>,
    /// Notes about items of these hours that are no valid facts, and about floods.
    pub(in crate::fold) notes: BTreeSet<Note>,
    /// The names of items of these hours that were rewritten or removed before, so that their first versions are sealed, too.
    pub(in crate::fold) kept: BTreeSet<String>,
    /// Whether the organization's trail vouches for all hours of which the account itself reported.
    pub(in crate::fold) all_verified: bool,
    /// Partitions that are sealed without what is in them: a fold has no room for an hour that is so large.
    pub(in crate::fold) left_out: BTreeSet<Partition>,
    /// The [`Audit::watched`](audit_core::auditor::Audit::watched) for which changes are set aside.
    pub(in crate::fold) watched: String,
    /// The bytes of the object when it is unpacked.
    pub(super) bytes: u64,
}

/// The sums of the calls of sealed hours.
#[derive(Clone, Debug, Default)]
pub(in crate::fold) struct SealedCalls {
    pub(in crate::fold) calls: StoredAggregates,
    /// Of the calls of packets that the account's own auditor judged as covered altogether.
    pub(in crate::fold) claimed: StoredAggregates,
    /// The bytes of the object when it is unpacked.
    pub(super) bytes: u64,
}

/// The partitions of sealed hours.
pub(super) type SealedPartitions = BTreeMap<Partition, PartitionState>;

#[derive(Serialize, Deserialize)]
struct StoredFacts {
    facts: Vec<StoredFact>,
    notes: Vec<Note>,
    kept: BTreeSet<String>,
    left_out: Vec<String>,
    watched: String,
    all_verified: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredFact {
    partition: String,
    kind: String,
    json: String,
}

#[derive(Serialize, Deserialize)]
struct StoredCalls {
    calls: Vec<StoredSum>,
    claimed: Vec<StoredSum>,
}

#[derive(Serialize, Deserialize)]
struct StoredSum {
    account: String,
    region: String,
    bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct StoredPartition {
    partition: String,
    version: u64,
    rolled_up: Option<u64>,
    world: u64,
    rebuilds: u64,
    items: u64,
    bytes: u64,
}

/// What is known of facts to seal, besides themselves.
#[derive(Debug, Default)]
pub(super) struct AboutFacts {
    /// [`SealedFacts::notes`].
    pub(super) notes: Vec<Note>,
    /// [`SealedFacts::kept`].
    pub(super) kept: BTreeSet<String>,
    /// [`SealedFacts::left_out`].
    pub(super) left_out: BTreeSet<Partition>,
    /// [`SealedFacts::watched`].
    pub(super) watched: String,
    /// [`SealedFacts::all_verified`].
    pub(super) all_verified: bool,
}

/// The bytes of facts to seal.
pub(super) fn pack_facts(facts: &[(Partition, Content)], about: AboutFacts) -> Result<Vec<u8>, UnusableObject> {
    // The hub's facts come first: of a change that both report, the hub's version is taken.
    let mut ordered: Vec<(bool, StoredFact)> = Vec::with_capacity(facts.len());
    for (partition, content) in facts {
        let Some(json) = content.json().map_err(|_| UnusableObject::Damaged)? else { continue };
        let fact = StoredFact { partition: partition.key(), kind: content.kind().to_owned(), json };
        ordered.push((partition.source == Source::Account, fact));
    }
    // The same facts are the same bytes, in whatever order partitions were read.
    ordered.sort_by(|(a_reports, a), (b_reports, b)| {
        (a_reports, &a.partition, &a.kind, &a.json).cmp(&(b_reports, &b.partition, &b.kind, &b.json))
    });
    let AboutFacts { notes, kept, left_out, watched, all_verified } = about;
    let left_out = left_out.iter().map(Partition::key).collect();
    pack(&StoredFacts { facts: ordered.into_iter().map(|(_, fact)| fact).collect(), notes, kept, left_out, watched, all_verified })
}

pub(super) fn unpack_facts(bytes: &[u8]) -> Result<SealedFacts, UnusableObject> {
    let (StoredFacts { facts, notes, kept, left_out, watched, all_verified }, bytes) = unpack(bytes)?;
    let fact = |StoredFact { partition, kind, json }: StoredFact| {
        let partition = Partition::parse(&partition).ok_or(UnusableObject::Damaged)?;
        let content = Content::of_json(&kind, json.as_bytes()).ok().flatten().ok_or(UnusableObject::Damaged)?;
        // Its sort key was checked when it was read from the table.
        let fact = Ok(Fact { partition: partition.clone(), content });
        Ok((partition, Read { sort_key: String::new(), fact }))
    };
    let facts = facts.into_iter().map(fact).collect::<Result<_, UnusableObject>>()?;
    let left_out = left_out.iter().map(|key| Partition::parse(key).ok_or(UnusableObject::Damaged)).collect::<Result<_, _>>()?;
    Ok(SealedFacts { facts, notes: notes.into_iter().collect(), kept, left_out, watched, all_verified, bytes })
}

pub(super) fn pack_calls(sealed: &SealedCalls) -> Result<Vec<u8>, UnusableObject> {
    let sums = |aggregates: &StoredAggregates| {
        let sum = |((account, region), aggregate): (&(_, _), &StoredAggregate)| {
            let (account, region): (&audit_core::arn::AccountId, &audit_core::arn::Region) = (account, region);
            let bytes = aggregate.to_bytes().map_err(|_| UnusableObject::Damaged)?;
            Ok(StoredSum { account: account.to_string(), region: region.to_string(), bytes })
        };
        aggregates.iter().map(sum).collect::<Result<Vec<_>, UnusableObject>>()
    };
    pack(&StoredCalls { calls: sums(&sealed.calls)?, claimed: sums(&sealed.claimed)? })
}

pub(super) fn unpack_calls(bytes: &[u8]) -> Result<SealedCalls, UnusableObject> {
    let (StoredCalls { calls, claimed }, bytes) = unpack(bytes)?;
    let aggregates = |sums: Vec<StoredSum>| {
        let aggregate = |StoredSum { account, region, bytes }: StoredSum| {
            let aggregate = StoredAggregate::from_bytes(&bytes).map_err(|_| UnusableObject::Damaged)?;
            Ok(((account.as_str().into(), region.as_str().into()), aggregate))
        };
        sums.into_iter().map(aggregate).collect::<Result<StoredAggregates, UnusableObject>>()
    };
    Ok(SealedCalls { calls: aggregates(calls)?, claimed: aggregates(claimed)?, bytes })
}

pub(super) fn pack_partitions(partitions: &SealedPartitions) -> Result<Vec<u8>, UnusableObject> {
    let stored = |(partition, state): (&Partition, &PartitionState)| StoredPartition {
        partition: partition.key(),
        version: state.version,
        rolled_up: state.rolled_up,
        world: state.world,
        rebuilds: state.rebuilds,
        items: state.volume.items,
        bytes: state.volume.bytes,
    };
    pack(&partitions.iter().map(stored).collect::<Vec<_>>())
}

pub(super) fn unpack_partitions(bytes: &[u8]) -> Result<SealedPartitions, UnusableObject> {
    let partition = |stored: StoredPartition| {
        let StoredPartition { partition, version, rolled_up, world, rebuilds, items, bytes } = stored;
        let state = PartitionState { version, rolled_up, world, rebuilds, volume: Volume { items, bytes }, is_ahead: false };
        Ok((Partition::parse(&partition).ok_or(UnusableObject::Damaged)?, state))
    };
    let (stored, _) = unpack::<Vec<StoredPartition>>(bytes)?;
    stored.into_iter().map(partition).collect()
}

fn pack<T: Serialize>(contents: &T) -> Result<Vec<u8>, UnusableObject> {
    let plain = postcard::to_allocvec(contents).map_err(|_| UnusableObject::Damaged)?;
    if plain.len() as u64 >= UNPACKED {
        return Err(UnusableObject::TooLarge);
    }
    let mut encoder = DeflateEncoder::new(vec![FORM], Compression::fast());
    encoder.write_all(&plain).and_then(|()| encoder.finish()).map_err(|_| UnusableObject::Damaged)
}

/// The contents of an object, and the number of bytes that it has when it is unpacked.
fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, u64), UnusableObject> {
    let packed = match bytes.split_first() {
        Some((&FORM, packed)) => packed,
        Some((form, _)) => return Err(UnusableObject::Form(*form)),
        None => return Err(UnusableObject::Damaged),
    };
    let mut plain = Vec::new();
    DeflateDecoder::new(packed).take(UNPACKED).read_to_end(&mut plain).map_err(|_| UnusableObject::Damaged)?;
    let contents = postcard::from_bytes(&plain).map_err(|_| UnusableObject::Damaged)?;
    Ok((contents, plain.len() as u64))
}

/// The facts on which anything can still depend once their hours, those before `until`, are sealed. Of signs of life, the first one after each
/// thing that one may end, and of reads the first, the last, and the latest of event history; of digests those that begin a chain, the ends of the
/// chains before, the latest one of each trail, and those next to hours that aren't sealed.
///
/// Of what an account reports itself, changes and gaps of hours before `oldest` have expired like the facts in the table: it decides how many there are.
pub(super) fn still_needed(facts: Vec<(Partition, Content)>, trust: &Trust, oldest: i64, until: i64) -> Vec<(Partition, Content)> {
    let of_region = NeededTimes::of(&facts, trust);
    let is_needed = |(partition, content): &(Partition, Content)| {
        let Some(needed) = of_region.get(&partition.account_region) else { return true };
        match content {
            Content::Calls(_) => false,
            Content::Change(_) | Content::Gap(_) => !trust.is_self_reported(partition) || partition.hour >= Some(oldest),
            Content::State(_) => !trust.is_self_reported(partition),
            Content::Heartbeat(heartbeat) => {
                let is_sign = !trust.is_self_reported(partition) && needed.heartbeats.contains(&heartbeat.time);
                is_sign || !heartbeat.dead_letters.is_empty()
            }
            Content::Read(read) => {
                needed.reads.contains(&read.time) || read.history.is_some_and(|history| needed.history == Some((read.time, history)))
            }
            Content::Verified(digest) => {
                let is_end = needed.ends_of_chains.contains(&(digest.trail.clone(), digest.until));
                digest.begins || is_end || digest.until >= start_of(until - HOURS_OF_DIGESTS)
            }
        }
    };
    facts.into_iter().filter(is_needed).collect()
}

/// The times of the facts of an account and Region that are still needed.
#[derive(Default)]
struct NeededTimes {
    heartbeats: BTreeSet<Timestamp>,
    reads: BTreeSet<Timestamp>,
    history: Option<(Timestamp, crate::fact::HistoryRead)>,
    ends_of_chains: BTreeSet<(String, Timestamp)>,
}

impl NeededTimes {
    fn of(facts: &[(Partition, Content)], trust: &Trust) -> BTreeMap<AccountRegion, NeededTimes> {
        let mut by_region: BTreeMap<AccountRegion, Vec<&(Partition, Content)>> = BTreeMap::new();
        for fact in facts {
            by_region.entry(fact.0.account_region.clone()).or_default().push(fact);
        }
        by_region.into_iter().map(|(account_region, facts)| (account_region, NeededTimes::of_region(&facts, trust))).collect()
    }

    fn of_region(facts: &[&(Partition, Content)], trust: &Trust) -> NeededTimes {
        let mut needed = NeededTimes::default();
        // What a later sign of life ends.
        let mut ended: BTreeSet<Timestamp> = BTreeSet::new();
        let (mut signs, mut complete, mut reads) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (mut begins, mut ends) = (Vec::new(), BTreeMap::<&str, BTreeSet<Timestamp>>::new());
        for (partition, content) in facts {
            match content {
                Content::Gap(gap) => drop(ended.insert(gap.time)),
                Content::Heartbeat(heartbeat) => {
                    if !heartbeat.dead_letters.is_empty() {
                        ended.insert(heartbeat.time);
                    }
                    if !trust.is_self_reported(partition) {
                        signs.insert(heartbeat.time);
                    }
                }
                Content::Read(read) => {
                    reads.insert(read.time);
                    if read.complete {
                        complete.insert(read.time);
                    }
                    if let Some(history) = read.history {
                        needed.history = needed.history.max(Some((read.time, history)));
                    }
                }
                Content::Verified(digest) => {
                    ends.entry(digest.trail.as_str()).or_default().insert(digest.until);
                    if digest.begins {
                        begins.push((digest.trail.as_str(), digest.time));
                    }
                }
                Content::Calls(_) | Content::Change(_) | Content::State(_) => {}
            }
        }
        let first_after =
            |times: &BTreeSet<Timestamp>, moment: &Timestamp| times.range((Bound::Excluded(*moment), Bound::Unbounded)).next().copied();
        needed.heartbeats = ended.iter().filter_map(|moment| first_after(&signs, moment)).collect();
        needed.reads = ended.iter().filter_map(|moment| first_after(&complete, moment)).collect();
        needed.reads.extend(reads.first().into_iter().chain(reads.last()).copied());
        // A chain that begins anew in an hour that isn't sealed is compared with the end of the one before.
        needed.ends_of_chains = ends.iter().filter_map(|(trail, ends)| Some(((*trail).to_owned(), *ends.last()?))).collect();
        for (trail, begins) in begins {
            let before = ends.get(trail).and_then(|ends| ends.range(..=begins).next_back().copied());
            needed.ends_of_chains.extend(before.map(|end| (trail.to_owned(), end)));
        }
        needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{GapFact, VerifiedFact};

    /// A trail may rest for months before its digests begin anew, and the time in between is vouched for by nothing.
    #[test]
    fn the_latest_digest_of_each_trail_is_needed_for_ever() {
        let account_region = AccountRegion::new("222233334444", "us-east-1");
        let digest = |trail: &str, hour: i64| {
            let partition = Partition { source: Source::Hub, account_region: account_region.clone(), hour: Some(hour) };
            let fact = VerifiedFact { trail: trail.to_owned(), time: start_of(hour), until: start_of(hour + 1), files: 1, begins: false };
            (partition, Content::Verified(fact))
        };
        let digests = vec![digest("a", 10), digest("a", 11), digest("b", 7), digest("b", 8)];
        let needed = still_needed(digests, &Trust { organization: true, ..Trust::default() }, 0, 1_000);
        let hours: Vec<_> = needed.iter().filter_map(|(partition, _)| partition.hour).collect();
        assert_eq!(hours, [11, 8]);
    }

    /// A member may report a change under the ids of one that the trail has, with other contents. Which of the two counts is decided by the order.
    #[test]
    fn the_hubs_facts_come_before_those_of_the_account() {
        let partition = |source, hour| Partition { source, account_region: AccountRegion::new("222233334444", "us-east-1"), hour };
        let gap =
            |detail: &str| Content::Gap(GapFact { missing: "trail".to_owned(), time: start_of(10), detail: detail.to_owned(), count: 1 });
        let facts = [(partition(Source::Account, Some(9)), gap("a")), (partition(Source::Hub, Some(10)), gap("b"))];
        let sealed = unpack_facts(&pack_facts(&facts, AboutFacts::default()).unwrap()).unwrap();
        let sources: Vec<Source> = sealed.facts.iter().map(|(partition, _)| partition.source).collect();
        assert_eq!(sources, [Source::Hub, Source::Account]);
    }
}
