//! Seals hours that are due: adds their calls to the sums, and keeps of their other facts what anything can still depend on.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{
    auditor::{self, AuditOptions, Outdated, Periods, Selection, SetAside, StoredAggregates},
    config::Configuration,
};

use super::{
    KnownHours,
    contents::{AboutFacts, SealedCalls, SealedPartitions, pack_calls, pack_facts, pack_partitions, still_needed},
    objects::{Kind, partitions},
    opening::partition_and_name,
};
use crate::{
    bounds,
    bucket::Bucket,
    clock::{hour_of, start_of},
    error::{CallError, ErrorKind, chain},
    fact::Content,
    findings::{AccountIndex, Checkpoint, Checkpoints, PartitionState},
    fold::{
        Fold,
        evidence::{AccountEvidence, Scope},
        rollups::Hourly,
    },
    partition::Partition,
    queue::Queue,
};

/// Hours that are sealed at once. Sealing takes another audit, so it isn't done every hour.
pub(super) const STEP: i64 = 6;

/// The part of a fold's room that hours may take which stay open though they are older than [`OPEN_HOURS`]. Of an account with millions of calls a day, a
/// day and a half would take more than the room there is, and an instance that remembers nothing reads and judges all of it.
const FOR_OPEN: u64 = 8;

/// Hours that stay open however much they hold: until then, CloudTrail has delivered their records, and the digests that vouch for them
/// (docs/aws/eventbridge.md#delivery, docs/aws/delivery.md#digests). What comes later opens them again.
pub(super) const OPEN_HOURS: i64 = 4;

/// The part of a fold's room that the hours may take which are sealed at once. The state that later hours give has to be known beside them.
const FOR_SEALING: u64 = 4;

/// The part of a fold's room that what is known of sealed hours may take. Once it is larger, further hours stay as they are: a fold must have room for
/// them, too.
const FOR_PAST: u64 = 2;

/// Partitions that are sealed at once. Each of them is taken out of the index, and a fold must have time for that.
const PARTITIONS: usize = 5_000;

/// The bytes that a partition counts as of which the index doesn't know the size, because a repair has noted it.
const UNKNOWN_SIZE: u64 = 1 << 20;

const HOURS_A_DAY: i64 = 24;

/// Hours to seal.
struct ToSeal {
    /// The hour before which all are sealed then.
    until: i64,
    chosen: BTreeMap<Partition, PartitionState>,
    /// The partitions of which nothing is sealed but that they were there.
    left_out: BTreeSet<Partition>,
    evidence: AccountEvidence,
}

/// What is written of hours that are sealed.
struct Contents {
    evidence: AccountEvidence,
    left_out: BTreeSet<Partition>,
    /// The changes to set aside.
    aside: SetAside,
    calls: SealedCalls,
}

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// Seals hours of an account that are due, as many as there is room for, and returns what is known then; `None` if nothing was sealed.
    pub(in crate::fold) async fn seal(
        &self,
        account: &str,
        known: &KnownHours,
        index: &AccountIndex,
        configuration: &Configuration,
        ticket: i64,
    ) -> Result<Result<Option<KnownHours>, Outdated>, CallError> {
        if known.checkpoints.is_off || known.bytes_of_past() > self.room / FOR_PAST {
            return Ok(Ok(None));
        }
        let Some(known) = &self.with_aside(account, known).await? else { return Ok(Err(Outdated)) };
        if known.is_aside_left_out {
            return Ok(Ok(None));
        }
        let Some(ToSeal { until, chosen, left_out, evidence }) = self.to_seal(account, known).await? else { return Ok(Ok(None)) };
        let (_, world) = self.world_of(account, &evidence).await?;
        let now = self.clock.now();
        let options = AuditOptions { configuration, selection: &Selection::default(), now, threads: 1 };
        let not_at_hand = |_: &BTreeSet<_>, _: &mut _| Err(Outdated);
        let sums = auditor::continue_audit(known.calls(), evidence.facts.clone(), world.clone(), &options, Periods::Hours, not_at_hand);
        let aside = auditor::set_aside(evidence.facts.clone(), world.clone(), &options);
        let plain = Configuration::default();
        let options = AuditOptions { configuration: &plain, ..options };
        let claimed =
            auditor::continue_audit(known.claimed(), evidence.claimed_covered.clone(), world, &options, Periods::Hours, not_at_hand);
        let (sums, claimed) = match (sums, claimed) {
            (Ok(sums), Ok(claimed)) => (sums, claimed),
            (Err(outdated), _) | (_, Err(outdated)) => return Ok(Err(outdated)),
        };
        self.roll_up_sealed(&chosen, &Hourly::of(&sums.audit), index, &evidence, ticket).await?;
        let calls = SealedCalls {
            calls: with(known.calls(), sums.aggregates),
            claimed: with(known.claimed(), claimed.aggregates),
            ..SealedCalls::default()
        };
        let Some(checkpoints) = self.write_sealed(account, known, until, &chosen, Contents { evidence, left_out, aside, calls }).await?
        else {
            return Ok(Ok(None));
        };
        let sealed: Vec<(Partition, u64)> = chosen.iter().map(|(partition, state)| (partition.clone(), state.version)).collect();
        self.forget_sealed(account, &sealed).await?;
        let mut partitions = known.partitions.clone();
        partitions.retain(|partition, _| !chosen.contains_key(partition));
        let Some(latest) = checkpoints.checkpoints.first() else { return Ok(Ok(None)) };
        let past = self.past(account, latest).await?;
        Ok(Ok(past.map(|past| KnownHours { partitions, past: Some(past), checkpoints, ..known.clone() })))
    }

    /// The hours to seal next, and what they hold. Sizes in the index may be too small, so that there is no room for all that was chosen by them: then it is
    /// half as many hours.
    async fn to_seal(&self, account: &str, known: &KnownHours) -> Result<Option<ToSeal>, CallError> {
        let mut most_hours = usize::MAX;
        loop {
            let Some((until, chosen)) = self.due(known, most_hours) else { return Ok(None) };
            let mut later = known.partitions.clone();
            later.retain(|partition, state| !chosen.contains_key(partition) && !state.is_ahead);
            let hours = KnownHours { partitions: chosen, later, ..known.clone() };
            let mut evidence = match self.evidence(account, &hours, Scope::Sealing(until)).await {
                Ok(evidence) => Some(evidence),
                Err(error) if error.kind == ErrorKind::Refused => None,
                Err(error) => return Err(error),
            };
            let left_out = |evidence: &AccountEvidence| -> BTreeSet<Partition> {
                evidence.left_out.iter().filter(|partition| hours.partitions.contains_key(partition)).cloned().collect()
            };
            let number = hours.partitions.keys().map(|partition| partition.hour).collect::<BTreeSet<_>>().len();
            // Of a single hour, a fold that doesn't seal it has no more room either for what the account reports itself.
            let is_all_there_is = |left_out: &BTreeSet<Partition>| {
                left_out.is_empty() || number <= 1 && left_out.iter().all(|partition| self.trust.is_self_reported(partition))
            };
            if let Some(mut evidence) = evidence.take_if(|evidence| is_all_there_is(&left_out(evidence))) {
                let left_out = left_out(&evidence);
                evidence.is_distrusted = known.partitions.values().any(|state| state.is_ahead);
                return Ok(Some(ToSeal { until, chosen: hours.partitions, left_out, evidence }));
            }
            if number <= 1 {
                return Ok(None);
            }
            most_hours = number / 2;
        }
    }

    /// The partitions to seal next, of so many hours at most, and the hour up to which they are all there are.
    fn due(&self, known: &KnownHours, most_hours: usize) -> Option<(i64, BTreeMap<Partition, PartitionState>)> {
        let mut by_hour: BTreeMap<i64, Vec<(&Partition, &PartitionState)>> = BTreeMap::new();
        for (partition, state) in known.partitions.iter().filter(|(_, state)| !state.is_ahead) {
            if let Some(hour) = partition.hour {
                by_hour.entry(hour).or_default().push((partition, state));
            }
        }
        let until = self.due_before(&by_hour);
        by_hour.retain(|hour, _| *hour < until);
        let mut room = self.room / FOR_SEALING;
        let mut chosen = BTreeMap::new();
        for (number, (hour, of_hour)) in by_hour.into_iter().enumerate() {
            let bytes: u64 = of_hour.iter().map(|(partition, state)| self.size_of(partition, state)).sum();
            let is_enough = number >= most_hours || number > 0 && chosen.len() + of_hour.len() > PARTITIONS;
            if is_enough || number > 0 && bytes > room {
                return Some((hour, chosen));
            }
            room = room.saturating_sub(bytes);
            chosen.extend(of_hour.into_iter().map(|(partition, state)| (partition.clone(), *state)));
        }
        (!chosen.is_empty()).then_some((until, chosen))
    }

    /// The hour before which hours are due: those that are old enough, and of an account with many calls those for which there is no room beside later ones. As
    /// long as there is no room for one of them, none is sealed early: in what is left out may be what speaks against the others.
    fn due_before(&self, by_hour: &BTreeMap<i64, Vec<(&Partition, &PartitionState)>>) -> i64 {
        let (old, closed) = (self.old_before(), hour_of(self.clock.now()) - OPEN_HOURS);
        let (mut due, mut open) = (None, 0_u64);
        for (hour, of_hour) in by_hour.iter().rev() {
            let bytes: u64 = of_hour.iter().map(|(partition, state)| self.size_of(partition, state)).sum();
            if due.is_none() {
                if *hour < closed && open + bytes > self.room / FOR_OPEN {
                    due = Some(hour + 1);
                } else {
                    open += bytes;
                }
            }
            if bytes > self.room {
                return old;
            }
        }
        due.filter(|_| open <= self.room).map_or(old, |due| due.max(old))
    }

    /// The hour before which hours are old enough to be sealed.
    fn old_before(&self) -> i64 {
        let old = hour_of(self.clock.now()) - self.sealed_after_hours;
        old - old.rem_euclid(STEP)
    }

    /// The bytes that a fold reads of a partition.
    pub(in crate::fold) fn size_of(&self, partition: &Partition, state: &PartitionState) -> u64 {
        let bytes = if state.volume.bytes == 0 { UNKNOWN_SIZE } else { state.volume.bytes };
        if self.trust.is_self_reported(partition) { bytes.min(bounds::READ.bytes) } else { bytes }
    }

    /// Writes the objects of a checkpoint, and puts it in force; `None` if another fold has written checkpoints meanwhile.
    async fn write_sealed(
        &self,
        account: &str,
        known: &KnownHours,
        until: i64,
        chosen: &BTreeMap<Partition, PartitionState>,
        Contents { evidence, mut left_out, aside, calls }: Contents,
    ) -> Result<Option<Checkpoints>, CallError> {
        let bucket = self.world.bucket();
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
        let is_aside = |(partition, content): &(Partition, Content)| {
            let Content::Change(change) = content else { return false };
            aside.changes.contains(&change.key(&partition.account_region.account))
        };
        let (to_set_aside, facts): (Vec<_>, Vec<_>) =
            still_needed(evidence.to_seal, &self.trust, oldest, until).into_iter().partition(is_aside);
        let notes = evidence.notes_of_partitions.into_iter().filter(|note| note.time >= start_of(oldest)).collect();
        let names = known.kept.iter().filter_map(partition_and_name);
        // What was kept of hours that were sealed before, and isn't sealed with them, still waits for them to be opened.
        let from = known.past.as_ref().map_or(oldest, |past| past.until.max(oldest));
        let new = names.filter(|(partition, _)| partition.hour.is_some_and(|hour| (from..until).contains(&hour)));
        let before = known.past.iter().flat_map(|past| &past.facts.kept).filter(|name| has_hour_since(name, oldest)).cloned();
        let kept = new.map(|(_, name)| name).chain(before).collect();
        let before = known.past.iter().flat_map(|past| &past.facts.left_out);
        left_out.extend(before.filter(|partition| partition.hour >= Some(oldest)).cloned());
        let about = AboutFacts { notes, kept, left_out, watched: aside.watched, all_verified: evidence.all_verified };
        let packed = pack_facts(&facts, about)
            .and_then(|facts| Ok([facts, pack_facts(&to_set_aside, AboutFacts::default())?, pack_calls(&calls)?, pack_partitions(&list)?]));
        let [facts, set_aside, calls, list] = match packed {
            Ok(packed) => packed,
            Err(error) => {
                tracing::error!(account, error = chain(&error), "hours stay open");
                return Ok(None);
            }
        };
        let slot = free_slot(&known.checkpoints);
        let checkpoint = Checkpoint {
            until,
            slot,
            facts: self.sealed.put(bucket, account, slot, Kind::OtherFacts, facts).await?,
            aside: self.sealed.put(bucket, account, slot, Kind::Aside, set_aside).await?,
            calls: self.sealed.put(bucket, account, slot, Kind::Calls, calls).await?,
            partitions: self.sealed.put(bucket, account, slot, Kind::Partitions, list).await?,
            trust: self.trust.basis(account),
        };
        let checkpoints = kept_checkpoints(checkpoint, &known.checkpoints.checkpoints, oldest);
        self.findings.put_checkpoints(account, &known.checkpoints, Checkpoints { checkpoints, ..known.checkpoints.clone() }).await
    }
}

/// The state of a partition that is opened again: the rollup of its hour is as of when it was sealed.
fn rolled_up(state: PartitionState) -> PartitionState {
    PartitionState { rolled_up: Some(state.version), ..state }
}

/// Whether an item lies in an hour since this one, by its name in the list of those that were rewritten or removed.
fn has_hour_since(name: &str, oldest: i64) -> bool {
    let partition = name.split_once(' ').and_then(|(key, _)| Partition::parse(key));
    partition.is_some_and(|partition| partition.hour.is_some_and(|hour| hour >= oldest))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(until: i64) -> Checkpoint {
        let slot = u32::try_from(until).unwrap();
        let none = String::new;
        Checkpoint { until, slot, facts: none(), aside: none(), calls: none(), partitions: none(), trust: none() }
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
        let checkpoints = Checkpoints { checkpoints: [0, 1, 3].map(checkpoint).into(), ..Checkpoints::default() };
        assert_eq!(free_slot(&checkpoints), 2);
    }
}
