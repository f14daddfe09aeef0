//! Sealed hours: what is known of an account's older hours, added up, so that a fold reads no more than the latest ones.
//!
//! Hours whose facts have had time to arrive ([`SEALED_AFTER_HOURS`]) are *sealed*: the fold adds their calls to the sums of earlier ones
//! ([`auditor::continue_audit`]), keeps of their other facts what anything can still depend on, and writes both into objects of the hub's bucket.
//! A checkpoint names these objects (`SEALED`, under the account's key of the findings table); all hours before it are in them. Their partitions leave the
//! account's index, so that the work of a fold depends on the hours that aren't sealed and on the size of the sums.
//!
//! ```text
//! index (latest hours) ──► facts of these partitions ──┐
//! checkpoint ──► sealed facts, sums of calls ──────────┴──► evidence ─► audit_core::auditor::audit_after
//!
//! a fact for a sealed hour ─► the router notes its partition ─► the hour is opened again, with all hours after the latest earlier checkpoint
//! ```
//!
//! The facts themselves stay in the table until they expire. Nothing that is sealed is a verdict: a new configuration, policy or rule judges the sums
//! anew. What can make them useless is a change of state that is dated back to between their calls ([`Outdated`]); then, too, the hours are opened again.
//!
//! INVARIANT: at any moment each partition that was ever noted is in the index or in the list of the checkpoint in force, or in both with the same version.
//! The checkpoint is written before partitions leave the index, and they come back before it is taken away; who reads both reads the checkpoint again
//! behind the index.

mod contents;
mod objects;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use audit_core::{
    auditor::{self, AuditOptions, Outdated, Periods, Selection, StoredAggregates},
    config::Configuration,
};

pub(super) use self::objects::SealedObjects;
use self::{
    contents::{SealedCalls, SealedFacts, SealedPartitions, pack_calls, pack_facts, pack_partitions, still_needed},
    objects::{Kind, partitions, put},
};
use super::{
    Fold, FoldTask,
    evidence::{AccountEvidence, Scope},
    rollups::Hourly,
};
use crate::{
    bounds,
    bucket::Bucket,
    clock::hour_of,
    error::{CallError, ErrorKind},
    findings::{AccountIndex, Checkpoint, Checkpoints, PartitionState},
    partition::Partition,
    queue::Queue,
};

/// Hours after which an hour is sealed. EventBridge delivers for 24 hours, and records of the stream of facts live as long; what comes later opens the
/// hour again. With this and [`STEP`] fewer hours are open than the two days after which an account's folds must not cost more.
pub(super) const SEALED_AFTER_HOURS: i64 = 36;

/// Hours that are sealed at once. Sealing takes another audit, so it isn't done every hour.
const STEP: i64 = 6;

/// The part of a fold's room that the hours may take which are sealed at once.
const FOR_SEALING: u64 = 2;

const HOURS_A_DAY: i64 = 24;

/// What is known of the hours before a checkpoint.
#[derive(Clone, Debug)]
pub(super) struct Past {
    /// The first hour that isn't sealed.
    pub(super) until: i64,
    pub(super) facts: Arc<SealedFacts>,
    pub(super) calls: Arc<SealedCalls>,
}

/// The partitions of an account that aren't sealed, and what is known of the others.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownHours {
    pub(super) partitions: BTreeMap<Partition, PartitionState>,
    pub(super) past: Option<Past>,
    checkpoints: Checkpoints,
}

impl Past {
    /// Whether facts of a partition are in what is known.
    pub(super) fn holds(&self, partition: &Partition) -> bool {
        partition.hour.is_some_and(|hour| hour < self.until)
    }
}

impl KnownHours {
    pub(super) fn calls(&self) -> StoredAggregates {
        self.past.as_ref().map(|past| past.calls.calls.clone()).unwrap_or_default()
    }

    pub(super) fn claimed(&self) -> StoredAggregates {
        self.past.as_ref().map(|past| past.calls.claimed.clone()).unwrap_or_default()
    }
}

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// What is known of an account. Hours of which facts came after they were sealed are opened again.
    pub(super) async fn known(&self, account: &str) -> Result<KnownHours, CallError> {
        loop {
            let checkpoints = self.findings.checkpoints(account).await?;
            let mut partitions = self.findings.partitions(account).await?;
            if self.findings.checkpoints(account).await? != checkpoints {
                continue;
            }
            let Some(latest) = checkpoints.checkpoints.first() else { return Ok(KnownHours { partitions, past: None, checkpoints }) };
            let Some(past) = self.past(account, latest).await? else {
                self.open_again(account, &checkpoints, 1).await?;
                continue;
            };
            let Some(late) = self.late(account, latest, &mut partitions).await? else {
                return Ok(KnownHours { partitions, past: Some(past), checkpoints });
            };
            let is_before = |checkpoint: &Checkpoint| checkpoint.until <= late;
            let left = checkpoints.checkpoints.iter().position(is_before).unwrap_or(checkpoints.checkpoints.len());
            tracing::info!(account, "facts came for hours that were sealed, which are opened again");
            self.open_again(account, &checkpoints, left).await?;
        }
    }

    /// The same, without opening anything: if facts came late, or objects can't be read, all facts that are still there.
    pub(super) async fn known_as_it_is(&self, account: &str) -> Result<KnownHours, CallError> {
        let checkpoints = self.findings.checkpoints(account).await?;
        let partitions = self.findings.partitions(account).await?;
        let Some(latest) = checkpoints.checkpoints.first() else { return Ok(KnownHours { partitions, past: None, checkpoints }) };
        let is_late = |partition: &Partition| partition.hour.is_some_and(|hour| hour < latest.until);
        match self.past(account, latest).await? {
            Some(past) if !partitions.keys().any(is_late) => Ok(KnownHours { partitions, past: Some(past), checkpoints }),
            _ => self.all_partitions(account).await,
        }
    }

    /// All partitions of an account, sealed or not, as those that aren't.
    pub(super) async fn all_partitions(&self, account: &str) -> Result<KnownHours, CallError> {
        let checkpoints = self.findings.checkpoints(account).await?;
        let mut all = self.findings.partitions(account).await?;
        if let Some(latest) = checkpoints.checkpoints.first()
            && let Some(sealed) = partitions(self.world.bucket(), account, latest).await?
        {
            for (partition, state) in sealed {
                all.entry(partition).or_insert(state);
            }
        }
        Ok(KnownHours { partitions: all, past: None, checkpoints: Checkpoints::default() })
    }

    async fn past(&self, account: &str, checkpoint: &Checkpoint) -> Result<Option<Past>, CallError> {
        let bucket = self.world.bucket();
        let (facts, calls) = (self.sealed.facts(bucket, account, checkpoint).await?, self.sealed.calls(bucket, account, checkpoint).await?);
        Ok(facts.zip(calls).map(|(facts, calls)| Past { until: checkpoint.until, facts, calls }))
    }

    /// The facts of sealed hours but calls of another account, and its partitions that aren't sealed.
    pub(super) async fn facts_of(
        &self,
        account: &str,
    ) -> Result<(Option<Arc<SealedFacts>>, BTreeMap<Partition, PartitionState>), CallError> {
        loop {
            let checkpoints = self.findings.checkpoints(account).await?;
            let partitions = self.findings.partitions(account).await?;
            if self.findings.checkpoints(account).await? != checkpoints {
                continue;
            }
            let Some(latest) = checkpoints.checkpoints.first() else { return Ok((None, partitions)) };
            return match self.sealed.facts(self.world.bucket(), account, latest).await? {
                Some(facts) => Ok((Some(facts), partitions)),
                None => Ok((None, self.all_partitions(account).await?.partitions)),
            };
        }
    }

    /// The earliest sealed hour of which something is known that isn't sealed with it; `None` if there is none. Partitions that were sealed and are still
    /// in the index, because a fold was interrupted, leave it now.
    async fn late(
        &self,
        account: &str,
        checkpoint: &Checkpoint,
        open: &mut BTreeMap<Partition, PartitionState>,
    ) -> Result<Option<i64>, CallError> {
        // Those that aren't believed are in no sum, and stay where they are until they expire.
        let is_sealed = |(partition, state): &(&Partition, &PartitionState)| {
            partition.hour.is_some_and(|hour| hour < checkpoint.until) && !state.is_ahead
        };
        if !open.iter().any(|one| is_sealed(&one)) {
            return Ok(None);
        }
        let sealed = partitions(self.world.bucket(), account, checkpoint).await?.unwrap_or_default();
        let (kept, late): (Vec<_>, Vec<_>) = open
            .iter()
            .filter(is_sealed)
            .map(|(partition, state)| (partition.clone(), state.version))
            .partition(|(partition, version)| sealed.get(partition).is_some_and(|state| state.version == *version));
        self.forget_sealed(account, &kept).await?;
        for (partition, _) in kept {
            open.remove(&partition);
        }
        Ok(late.into_iter().filter_map(|(partition, _)| partition.hour).min())
    }

    /// Opens hours again, so that the checkpoint in force is the one with this index of those that were read.
    async fn open_again(&self, account: &str, checkpoints: &Checkpoints, left: usize) -> Result<(), CallError> {
        let Some(latest) = checkpoints.checkpoints.first() else { return Ok(()) };
        let bucket = self.world.bucket();
        let left: Vec<Checkpoint> = checkpoints.checkpoints.iter().skip(left).cloned().collect();
        let known = match left.first() {
            Some(checkpoint) => partitions(bucket, account, checkpoint).await?,
            None => Some(SealedPartitions::new()),
        };
        let (Some(sealed), Some(known)) = (partitions(bucket, account, latest).await?, known) else {
            return self.look_for_facts(account, checkpoints).await;
        };
        let mut of_account = 0;
        for (partition, state) in sealed.iter().filter(|(partition, _)| !known.contains_key(partition)) {
            let is_restored = self.findings.restore_partition(partition, state).await?;
            of_account += i64::from(is_restored && self.trust.is_self_reported(partition));
        }
        if of_account > 0 {
            self.findings.count_forgotten(account, -of_account).await?;
        }
        // If another fold has written them meanwhile, it has done the same or sealed more: whoever reads them next sees which.
        self.findings.put_checkpoints(account, checkpoints, left).await.map(|_| ())
    }

    /// Where no list of the sealed partitions can be read, they are looked for in the table of facts, before anything is judged without them.
    async fn look_for_facts(&self, account: &str, checkpoints: &Checkpoints) -> Result<(), CallError> {
        tracing::error!(account, "the list of sealed partitions can't be read: they are looked for");
        let in_one_go = Instant::now() + Duration::from_hours(1);
        self.repair(&FoldTask::new(account, 0), self.oldest(), in_one_go).await?;
        self.findings.put_checkpoints(account, checkpoints, Vec::new()).await.map(|_| ())
    }

    /// Opens all hours of an account again whose facts have not expired.
    pub(super) async fn open_all(&self, account: &str) -> Result<(), CallError> {
        let checkpoints = self.findings.checkpoints(account).await?;
        let oldest = hour_of(self.oldest());
        let has_expired = |checkpoint: &Checkpoint| checkpoint.until <= oldest;
        let left = checkpoints.checkpoints.iter().position(has_expired).unwrap_or(checkpoints.checkpoints.len());
        if left > 0 { self.open_again(account, &checkpoints, left).await } else { Ok(()) }
    }

    /// Opens the hours behind the checkpoint in force again, whose sums don't fit what is known of the state by now.
    pub(super) async fn open_outdated(&self, account: &str, known: &KnownHours) -> Result<(), CallError> {
        tracing::info!(account, "{Outdated}: hours are opened again");
        self.open_again(account, &known.checkpoints, 1).await
    }

    async fn forget_sealed(&self, account: &str, sealed: &[(Partition, u64)]) -> Result<(), CallError> {
        let mut of_account = 0;
        for (partition, version) in sealed {
            let is_forgotten = self.findings.forget_partition(partition, *version).await?;
            of_account += i64::from(is_forgotten && self.trust.is_self_reported(partition));
        }
        if of_account > 0 { self.findings.count_forgotten(account, of_account).await } else { Ok(()) }
    }

    /// Seals hours of an account that are due, as many as there is room for, and returns what is known then; `None` if nothing was sealed.
    pub(super) async fn seal(
        &self,
        account: &str,
        known: &KnownHours,
        index: &AccountIndex,
        configuration: &Configuration,
        ticket: i64,
    ) -> Result<Result<Option<KnownHours>, Outdated>, CallError> {
        let Some((until, chosen)) = self.due(known) else { return Ok(Ok(None)) };
        let mut evidence =
            self.evidence(account, &KnownHours { partitions: chosen.clone(), ..known.clone() }, Scope::Sealing(until)).await?;
        if evidence.is_partial() {
            // What isn't known could be a change that divides the calls otherwise.
            return Ok(Ok(None));
        }
        evidence.is_distrusted = known.partitions.values().any(|state| state.is_ahead);
        let (_, world) = self.world_of(account, &evidence).await?;
        let now = self.clock.now();
        let options = AuditOptions { configuration, selection: &Selection::default(), now, threads: 1 };
        let not_at_hand = |_: &BTreeSet<_>, _: &mut _| Err(Outdated);
        let sums = auditor::continue_audit(known.calls(), evidence.facts.clone(), world.clone(), &options, Periods::Hours, not_at_hand);
        let plain = Configuration::default();
        let options = AuditOptions { configuration: &plain, ..options };
        let claimed =
            auditor::continue_audit(known.claimed(), evidence.claimed_covered.clone(), world, &options, Periods::Hours, not_at_hand);
        let (sums, claimed) = match (sums, claimed) {
            (Ok(sums), Ok(claimed)) => (sums, claimed),
            (Err(outdated), _) | (_, Err(outdated)) => return Ok(Err(outdated)),
        };
        self.roll_up_sealed(&chosen, &Hourly::of(&sums.audit), index, &evidence, ticket).await?;
        let calls = SealedCalls { calls: with(known.calls(), sums.aggregates), claimed: with(known.claimed(), claimed.aggregates) };
        let Some(checkpoints) = self.write_sealed(account, known, until, &chosen, evidence, &calls).await? else {
            return Ok(Ok(None));
        };
        let sealed: Vec<(Partition, u64)> = chosen.iter().map(|(partition, state)| (partition.clone(), state.version)).collect();
        self.forget_sealed(account, &sealed).await?;
        let mut partitions = known.partitions.clone();
        partitions.retain(|partition, _| !chosen.contains_key(partition));
        let Some(latest) = checkpoints.checkpoints.first() else { return Ok(Ok(None)) };
        let past = self.past(account, latest).await?;
        Ok(Ok(past.map(|past| KnownHours { partitions, past: Some(past), checkpoints })))
    }

    /// The partitions to seal next, and the hour up to which they are all there are.
    fn due(&self, known: &KnownHours) -> Option<(i64, BTreeMap<Partition, PartitionState>)> {
        let sealed = hour_of(self.clock.now()) - self.sealed_after_hours;
        let until = sealed - sealed.rem_euclid(STEP);
        let mut by_hour: BTreeMap<i64, Vec<(&Partition, &PartitionState)>> = BTreeMap::new();
        for (partition, state) in known.partitions.iter().filter(|(_, state)| !state.is_ahead) {
            if let Some(hour) = partition.hour.filter(|hour| *hour < until) {
                by_hour.entry(hour).or_default().push((partition, state));
            }
        }
        let mut room = self.room / FOR_SEALING;
        let mut chosen = BTreeMap::new();
        for (hour, of_hour) in by_hour {
            let bytes: u64 = of_hour.iter().map(|(partition, state)| self.size_of(partition, state)).sum();
            let Some(left) = room.checked_sub(bytes) else {
                // Too large an hour is left to the folds, as far as they have room for it.
                return (!chosen.is_empty()).then_some((hour, chosen));
            };
            room = left;
            chosen.extend(of_hour.into_iter().map(|(partition, state)| (partition.clone(), *state)));
        }
        (!chosen.is_empty()).then_some((until, chosen))
    }

    /// The bytes that a fold reads of a partition.
    fn size_of(&self, partition: &Partition, state: &PartitionState) -> u64 {
        if self.trust.is_self_reported(partition) { state.volume.bytes.min(bounds::READ.bytes) } else { state.volume.bytes }
    }

    /// Writes the objects of a checkpoint, and puts it in force; `None` if another fold has written checkpoints meanwhile.
    async fn write_sealed(
        &self,
        account: &str,
        known: &KnownHours,
        until: i64,
        chosen: &BTreeMap<Partition, PartitionState>,
        evidence: AccountEvidence,
        calls: &SealedCalls,
    ) -> Result<Option<Checkpoints>, CallError> {
        let bucket = self.world.bucket();
        let unwritable = |error| CallError::new("seal hours", ErrorKind::Refused, error);
        let oldest = hour_of(self.oldest());
        let mut list = match known.checkpoints.checkpoints.first() {
            Some(latest) => match partitions(bucket, account, latest).await? {
                Some(list) => list,
                None => return self.look_for_facts(account, &known.checkpoints).await.map(|()| None),
            },
            None => SealedPartitions::new(),
        };
        list.retain(|partition, _| partition.hour.is_some_and(|hour| hour >= oldest));
        list.extend(chosen.iter().map(|(partition, state)| (partition.clone(), rolled_up(*state))));
        let facts = still_needed(evidence.to_seal, &self.trust, until);
        let facts = pack_facts(&facts, evidence.notes_of_partitions, evidence.all_verified).map_err(unwritable)?;
        let slot = free_slot(&known.checkpoints);
        let checkpoint = Checkpoint {
            until,
            slot,
            facts: put(bucket, account, slot, Kind::OtherFacts, facts).await?,
            calls: put(bucket, account, slot, Kind::Calls, pack_calls(calls).map_err(unwritable)?).await?,
            partitions: put(bucket, account, slot, Kind::Partitions, pack_partitions(&list).map_err(unwritable)?).await?,
        };
        let next = kept_checkpoints(checkpoint, &known.checkpoints.checkpoints, oldest);
        let is_written = self.findings.put_checkpoints(account, &known.checkpoints, next.clone()).await?;
        Ok(is_written.then(|| Checkpoints { version: known.checkpoints.version + 1, checkpoints: next }))
    }

    /// Opens all hours of all accounts again, so that a release can judge that doesn't know of sealed hours.
    pub(super) async fn unseal(&self) -> Result<(), CallError> {
        let accounts: BTreeSet<String> =
            self.findings.account_regions().await?.into_iter().map(|account_region| account_region.account).collect();
        for account in accounts {
            let checkpoints = self.findings.checkpoints(&account).await?;
            self.open_again(&account, &checkpoints, checkpoints.checkpoints.len()).await?;
        }
        Ok(())
    }
}

/// The state of a partition that is opened again: the rollup of its hour is as of when it was sealed.
fn rolled_up(state: PartitionState) -> PartitionState {
    PartitionState { rolled_up: Some(state.version), ..state }
}

/// These sums, with those that are new.
fn with(mut before: StoredAggregates, new: StoredAggregates) -> StoredAggregates {
    before.extend(new);
    before
}

/// The lowest number that no checkpoint names.
fn free_slot(checkpoints: &Checkpoints) -> u32 {
    let taken: BTreeSet<u32> = checkpoints.checkpoints.iter().map(|checkpoint| checkpoint.slot).collect();
    let most = u32::try_from(taken.len()).unwrap_or(u32::MAX);
    (0..=most).find(|slot| !taken.contains(slot)).unwrap_or(most)
}

/// The checkpoints to keep: the new one, the one before, and of the others the oldest whose age is of one order, counted in days by powers of two. So the
/// hours that are opened again for a fact that comes late are at most about twice as many as have passed since. Of those whose facts have all expired,
/// the latest stays, since nothing can be sealed again that is gone.
fn kept_checkpoints(new: Checkpoint, before: &[Checkpoint], oldest: i64) -> Vec<Checkpoint> {
    let order = |checkpoint: &Checkpoint| ((new.until - checkpoint.until) / HOURS_A_DAY).max(0).checked_ilog2();
    let mut kept: Vec<Checkpoint> = Vec::new();
    for (index, checkpoint) in before.iter().enumerate() {
        let has_expired = checkpoint.until <= oldest;
        let is_needed = if has_expired {
            before.iter().take(index).all(|later| later.until > oldest)
        } else {
            let is_older = |other: &Checkpoint| other.until > oldest && order(other) == order(checkpoint);
            index == 0 || !before.iter().skip(index + 1).any(is_older)
        };
        if is_needed {
            kept.push(checkpoint.clone());
        }
    }
    kept.insert(0, new);
    kept
}

impl<B, Q> Fold<B, Q> {
    /// Seals hours this number of hours after they have begun, or soon after.
    #[must_use]
    pub fn sealing_after(self, hours: i64) -> Self {
        Fold { sealed_after_hours: hours, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(until: i64) -> Checkpoint {
        let slot = u32::try_from(until).unwrap();
        Checkpoint { until, slot, facts: String::new(), calls: String::new(), partitions: String::new() }
    }

    #[test]
    fn a_late_fact_opens_about_as_many_hours_as_it_is_late() {
        let mut kept: Vec<Checkpoint> = Vec::new();
        for step in 1..=4 * 400 {
            kept = kept_checkpoints(checkpoint(step * STEP), &kept, i64::MIN);
            let now = step * STEP;
            assert!(kept.len() <= 14, "{} checkpoints", kept.len());
            for late in (1..now).step_by(97) {
                let opened = kept.iter().find(|checkpoint| checkpoint.until <= late).map_or(now, |checkpoint| now - checkpoint.until);
                assert!(opened <= 4 * (now - late) + 3 * HOURS_A_DAY, "{opened} hours for one that is {} late, at {now}", now - late);
            }
        }
    }

    #[test]
    fn of_expired_checkpoints_the_latest_stays() {
        let before: Vec<Checkpoint> = [100, 90, 60, 50, 10].map(checkpoint).into();
        let kept: Vec<i64> = kept_checkpoints(checkpoint(106), &before, 70).iter().map(|checkpoint| checkpoint.until).collect();
        assert_eq!(kept, [106, 100, 90, 60]);
    }

    #[test]
    fn a_slot_that_a_checkpoint_names_is_not_written_over() {
        let checkpoints = Checkpoints { version: 3, checkpoints: [0, 1, 3].map(checkpoint).into() };
        assert_eq!(free_slot(&checkpoints), 2);
    }
}
