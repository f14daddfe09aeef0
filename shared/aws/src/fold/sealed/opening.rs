//! Opens sealed hours again: their partitions come back into the index, and an earlier checkpoint is in force.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use audit_core::auditor::Outdated;
use tokio::task::JoinSet;

use super::{KnownHours, Past, contents::SealedPartitions, objects::partitions};
use crate::{
    bucket::Bucket,
    clock::hour_of,
    error::{CallError, ErrorKind, panicked},
    findings::{Checkpoint, Checkpoints, Note, PartitionState, Raised},
    fold::{Fold, FoldTask},
    observations::Item,
    partition::Partition,
    queue::Queue,
};

/// Partitions that are noted or forgotten at the same time.
const AT_ONCE: usize = 16;

/// Seconds for which a later fold seals nothing after sums turned out not to fit.
const SEALED_ANEW_SECONDS: i64 = 3_600;

/// Seconds after which partitions that nobody has found yet are looked for again. The message that asked for it may have been lost.
const LOOKED_FOR_AGAIN: i64 = 2 * 3_600;

/// What came of sealed hours since they were sealed.
pub(super) enum Late {
    /// Nothing for which hours have to be opened now. Something came in these partitions for which they are opened later.
    Nothing(BTreeSet<Partition>),
    /// Something of this hour and later ones. The checkpoints to go on from say that hours are opened for it.
    Since(i64, Checkpoints),
}

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// Finds what is known of sealed hours and isn't sealed with them. If there is nothing, partitions leave the index that were sealed and are still there,
    /// because a fold was interrupted, and those of which all facts have expired.
    pub(super) async fn late(
        &self,
        account: &str,
        known: &KnownHours,
        past: &Past,
        open: &mut BTreeMap<Partition, PartitionState>,
    ) -> Result<Late, CallError> {
        let (now, oldest) = (self.clock.now(), hour_of(self.oldest()));
        // Those that aren't believed are in no sum, and stay where they are until they expire.
        let is_sealed = |(partition, state): &(&Partition, &PartitionState)| past.holds(partition) && !state.is_ahead;
        let of_sealed: Vec<(Partition, u64)> =
            open.iter().filter(is_sealed).map(|(partition, state)| (partition.clone(), state.version)).collect();
        let mut late: BTreeSet<Partition> = self.late_kept(past, &known.kept).collect();
        if !of_sealed.is_empty()
            && let Some(checkpoint) = known.checkpoints.checkpoints.first()
        {
            // Without the list all of them are late, and opening finds that it can't be read.
            let sealed = partitions(self.world.bucket(), account, checkpoint).await?.unwrap_or_default();
            let has_come = |(partition, version): &&(Partition, u64)| {
                partition.hour >= Some(oldest) && sealed.get(partition).is_none_or(|state| state.version != *version)
            };
            late.extend(of_sealed.iter().filter(has_come).map(|(partition, _)| partition.clone()));
        }
        let waits = known.checkpoints.opened_late_at.is_some_and(|at| now < at.plus_seconds(self.late_again_hours * 3_600));
        // Hours that only an account with many calls has sealed are opened as often as that of another would be read.
        let old = Some(hour_of(now) - self.sealed_after_hours);
        let (may_wait, at_once): (BTreeSet<Partition>, BTreeSet<Partition>) =
            late.into_iter().partition(|partition| self.trust.is_self_reported(partition) && partition.hour < old);
        if at_once.is_empty() && (may_wait.is_empty() || waits) {
            let to_forget: Vec<(Partition, u64)> =
                of_sealed.iter().filter(|(partition, _)| !may_wait.contains(partition)).cloned().collect();
            self.forget_sealed(account, &to_forget).await?;
            for (partition, _) in of_sealed {
                open.remove(&partition);
            }
            return Ok(Late::Nothing(may_wait));
        }
        let opened_late_at = if may_wait.is_empty() { known.checkpoints.opened_late_at } else { Some(now) };
        let first = at_once.iter().chain(&may_wait).filter_map(|partition| partition.hour).min();
        Ok(Late::Since(first.unwrap_or(i64::MIN), Checkpoints { opened_late_at, ..known.checkpoints.clone() }))
    }

    /// The partitions of sealed hours that have not expired and of which an item was rewritten or removed whose first version isn't sealed.
    pub(super) fn late_kept<'k>(&self, past: &'k Past, kept: &'k [Item]) -> impl Iterator<Item = Partition> + 'k {
        let oldest = hour_of(self.oldest());
        let late = move |(partition, name): &(Partition, String)| {
            partition.hour >= Some(oldest) && past.holds(partition) && !past.facts.kept.contains(name)
        };
        kept.iter().filter_map(partition_and_name).filter(late).map(|(partition, _)| partition)
    }

    /// The number of checkpoints, the latest first, whose sums were made while the hub believed others than it does now. Those whose facts have expired
    /// can't be made again.
    pub(super) fn distrusted(&self, account: &str, checkpoints: &Checkpoints) -> usize {
        let (trust, oldest) = (self.trust.basis(account), hour_of(self.oldest()));
        checkpoints.checkpoints.iter().take_while(|checkpoint| checkpoint.trust != trust && checkpoint.until > oldest).count()
    }

    /// Opens the hours of the latest checkpoints again, whose sums don't fit what is known of the state by now. Whether there was time for all of them.
    pub(in crate::fold) async fn open_outdated(
        &self,
        account: &str,
        known: &KnownHours,
        number: usize,
        enough: Instant,
    ) -> Result<bool, CallError> {
        tracing::info!(account, "{Outdated}: hours are opened again");
        let checkpoints = Checkpoints { outdated_at: Some(self.clock.now()), ..known.checkpoints.clone() };
        self.open_again(account, &checkpoints, number, &known.partitions, enough).await
    }

    /// Whether the sums of an account turned out not to fit the state a moment ago. If they are made anew by the same facts, they may do so again.
    pub(in crate::fold) fn was_outdated(&self, checkpoints: &Checkpoints) -> bool {
        checkpoints.outdated_at.is_some_and(|at| self.clock.now() < at.plus_seconds(SEALED_ANEW_SECONDS))
    }

    /// Opens all hours of an account again whose facts have not expired. Whether there was time for all of them.
    pub(in crate::fold) async fn open_all(&self, account: &str, enough: Instant) -> Result<bool, CallError> {
        let (checkpoints, oldest) = (self.findings.checkpoints(account).await?, hour_of(self.oldest()));
        let number = checkpoints.checkpoints.iter().take_while(|checkpoint| checkpoint.until > oldest).count();
        let noted = if number > 0 { self.findings.partitions(account).await? } else { BTreeMap::new() };
        self.open_again(account, &checkpoints, number, &noted, enough).await
    }

    /// Notes whether hours of an account are sealed from now on, unless a later task has asked for something else. Returns whether none has.
    pub(in crate::fold) async fn turn_sealing(&self, account: &str, is_on: bool, asked: u64) -> Result<bool, CallError> {
        let checkpoints = self.findings.checkpoints(account).await?;
        if checkpoints.asked < asked {
            let next = Checkpoints { is_off: !is_on, asked, ..checkpoints.clone() };
            self.findings.put_checkpoints(account, &checkpoints, next).await?.ok_or_else(overtaken)?;
        }
        Ok(checkpoints.asked <= asked)
    }

    /// Opens the hours of this number of checkpoints, the latest first, and returns whether there was time for all of them. That it is being done is written
    /// first, so that the next fold goes on with it: partitions that are noted already aren't noted again.
    pub(super) async fn open_again(
        &self,
        account: &str,
        checkpoints: &Checkpoints,
        number: usize,
        noted: &BTreeMap<Partition, PartitionState>,
        enough: Instant,
    ) -> Result<bool, CallError> {
        let number = number.min(checkpoints.checkpoints.len());
        let Some(latest) = checkpoints.checkpoints.first().filter(|_| number > 0) else { return Ok(true) };
        let bucket = self.world.bucket();
        let left: Vec<Checkpoint> = checkpoints.checkpoints.iter().skip(number).cloned().collect();
        let still_sealed = match left.first() {
            Some(checkpoint) => partitions(bucket, account, checkpoint).await?,
            None => Some(SealedPartitions::new()),
        };
        let (Some(mut sealed), Some(still_sealed)) = (partitions(bucket, account, latest).await?, still_sealed) else {
            self.look_for_facts(account, checkpoints).await?;
            return Ok(true);
        };
        let opening = Checkpoints { opening: number, ..checkpoints.clone() };
        // If another fold has written them meanwhile, it has done the same or sealed more: whoever reads them next sees which.
        let Some(opening) = self.findings.put_checkpoints(account, checkpoints, opening).await? else { return Ok(true) };
        // What was rewritten while it was sealed raised no version.
        self.cache.forget();
        sealed.retain(|partition, _| !still_sealed.contains_key(partition) && !noted.contains_key(partition));
        let to_note: Vec<(Partition, PartitionState)> = sealed.into_iter().collect();
        for (number, some) in to_note.chunks(AT_ONCE * AT_ONCE).enumerate() {
            // Something is always done, so that it ends.
            if number > 0 && Instant::now() >= enough {
                return Ok(false);
            }
            let of_account = self.note_again(some).await?;
            if of_account > 0 {
                self.findings.count_forgotten(account, -of_account).await?;
            }
        }
        let opened = Checkpoints { checkpoints: left, opening: 0, ..opening.clone() };
        self.findings.put_checkpoints(account, &opening, opened).await?;
        Ok(true)
    }

    /// Notes partitions in the index again, and returns how many of them hold what the account reports itself.
    async fn note_again(&self, partitions: &[(Partition, PartitionState)]) -> Result<i64, CallError> {
        let mut of_account = 0;
        for some in partitions.chunks(AT_ONCE) {
            let mut noting = JoinSet::new();
            for (partition, state) in some {
                let (findings, partition, state) = (self.findings.clone(), partition.clone(), *state);
                let counts = i64::from(self.trust.is_self_reported(&partition));
                noting.spawn(async move { Ok::<_, CallError>(i64::from(findings.restore_partition(&partition, &state).await?) * counts) });
            }
            while let Some(noted) = noting.join_next().await {
                of_account += noted.map_err(panicked("note partitions again"))??;
            }
        }
        Ok(of_account)
    }

    /// Takes partitions that are sealed out of the index, unless something was done in them since.
    pub(super) async fn forget_sealed(&self, account: &str, sealed: &[(Partition, u64)]) -> Result<(), CallError> {
        let mut of_account = 0;
        for some in sealed.chunks(AT_ONCE) {
            let mut forgetting = JoinSet::new();
            for (partition, version) in some {
                let (findings, partition, version) = (self.findings.clone(), partition.clone(), *version);
                let counts = i64::from(self.trust.is_self_reported(&partition));
                forgetting
                    .spawn(async move { Ok::<_, CallError>(i64::from(findings.forget_partition(&partition, version).await?) * counts) });
            }
            while let Some(forgotten) = forgetting.join_next().await {
                of_account += forgotten.map_err(panicked("forget partitions"))??;
            }
        }
        if of_account > 0 { self.findings.count_forgotten(account, of_account).await } else { Ok(()) }
    }

    /// Where no list of the sealed partitions can be read, a repair looks for them in the table of facts, as far back as facts are kept. It takes as many
    /// messages as it needs.
    pub(super) async fn look_for_facts(&self, account: &str, checkpoints: &Checkpoints) -> Result<(), CallError> {
        tracing::error!(account, "the list of sealed partitions can't be read: they are looked for");
        // Noted first: a fold that has read earlier checkpoints than those in force must not have everything looked for. Should the message not be sent, a
        // later fold does it.
        let lost = Checkpoints { lost_since: Some(self.clock.now()), ..checkpoints.clone() };
        if self.findings.put_checkpoints(account, checkpoints, lost).await?.is_some() {
            let version = self.findings.raise_version(account, Raised::default()).await?;
            let task = FoldTask { repair_since: Some(self.oldest()), is_of_sealed: true, ..FoldTask::new(account, version) };
            self.folds.send_in_order(&[task.ordered()]).await?;
        }
        Ok(())
    }

    /// Whether the partitions of an account are being looked for.
    pub(in crate::fold) async fn are_partitions_lost(&self, account: &str) -> Result<bool, CallError> {
        Ok(self.findings.checkpoints(account).await?.lost_since.is_some())
    }

    /// Whether the partitions of an account are still being looked for; if that takes long, they are looked for once more.
    pub(super) async fn is_lost(&self, account: &str, checkpoints: &Checkpoints) -> Result<bool, CallError> {
        let Some(since) = checkpoints.lost_since else { return Ok(false) };
        if since.plus_seconds(LOOKED_FOR_AGAIN) < self.clock.now() {
            self.look_for_facts(account, checkpoints).await?;
        }
        Ok(true)
    }

    /// Notes that a repair has found the partitions of an account again: all that is there is in its index now.
    pub(in crate::fold) async fn note_found(&self, account: &str) -> Result<(), CallError> {
        let checkpoints = self.findings.checkpoints(account).await?;
        if checkpoints.lost_since.is_some() {
            let Checkpoints { opened_late_at, is_off, asked, .. } = checkpoints;
            let found = Checkpoints { opened_late_at, is_off, asked, ..Checkpoints::default() };
            self.findings.put_checkpoints(account, &checkpoints, found).await?.ok_or_else(overtaken)?;
        }
        Ok(())
    }
}

/// The error where another fold has written the checkpoints of an account meanwhile. It only happens if a message is taken twice.
fn overtaken() -> CallError {
    CallError::new("write checkpoints", ErrorKind::Retryable, "another fold has written them meanwhile")
}

/// The partition of an item that was rewritten or removed, and its name in the list of those that are sealed.
pub(super) fn partition_and_name(item: &Item) -> Option<(Partition, String)> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let key = text("pk")?;
    Some((Partition::parse(key)?, Note::item_name(key, text("sk").map_or("", String::as_str))))
}
