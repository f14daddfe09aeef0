//! Opens sealed hours again: their partitions come back into the index, and an earlier checkpoint is in force.

use std::collections::BTreeMap;

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

/// Seconds after which partitions that nobody has found yet are looked for again. The message that asked for it may have been lost.
const LOOKED_FOR_AGAIN: i64 = 6 * 3_600;

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// The earliest sealed hour of which something is known that isn't sealed with it; `None` if there is none. Then partitions leave the index that were
    /// sealed and are still there, because a fold was interrupted, and those of which all facts have expired.
    pub(super) async fn late(
        &self,
        account: &str,
        checkpoint: &Checkpoint,
        past: &Past,
        open: &mut BTreeMap<Partition, PartitionState>,
        kept: &[Item],
    ) -> Result<Option<i64>, CallError> {
        let oldest = hour_of(self.oldest());
        // Those that aren't believed are in no sum, and stay where they are until they expire.
        let is_sealed = |(partition, state): &(&Partition, &PartitionState)| past.holds(partition) && !state.is_ahead;
        let of_sealed: Vec<(Partition, u64)> =
            open.iter().filter(is_sealed).map(|(partition, state)| (partition.clone(), state.version)).collect();
        let mut late = self.late_kept(past, kept);
        if !of_sealed.is_empty() {
            // Without the list all of them are late, and opening finds that it can't be read.
            let sealed = partitions(self.world.bucket(), account, checkpoint).await?.unwrap_or_default();
            let has_come = |(partition, version): &&(Partition, u64)| {
                partition.hour >= Some(oldest) && sealed.get(partition).is_none_or(|state| state.version != *version)
            };
            late = late.into_iter().chain(of_sealed.iter().filter(has_come).filter_map(|(partition, _)| partition.hour)).min();
        }
        if late.is_none() {
            self.forget_sealed(account, &of_sealed).await?;
            for (partition, _) in of_sealed {
                open.remove(&partition);
            }
        }
        Ok(late)
    }

    /// The earliest sealed hour that has not expired and of which an item was rewritten or removed whose first version isn't sealed.
    pub(super) fn late_kept(&self, past: &Past, kept: &[Item]) -> Option<i64> {
        let oldest = hour_of(self.oldest());
        let hour = |item: &Item| {
            let (partition, name) = partition_and_name(item)?;
            partition.hour.filter(|hour| *hour >= oldest && past.holds(&partition) && !past.facts.kept.contains(&name))
        };
        kept.iter().filter_map(hour).min()
    }

    /// The number of checkpoints, the latest first, whose sums were made while the hub believed others than it does now. Those whose facts have expired
    /// can't be made again.
    pub(super) fn distrusted(&self, account: &str, checkpoints: &Checkpoints) -> usize {
        let (trust, oldest) = (self.trust.basis(account), hour_of(self.oldest()));
        checkpoints.checkpoints.iter().take_while(|checkpoint| checkpoint.trust != trust && checkpoint.until > oldest).count()
    }

    /// Opens the hours again behind the latest checkpoint that lies before a late fact.
    pub(super) async fn open_late(&self, account: &str, checkpoints: &Checkpoints, late: i64) -> Result<(), CallError> {
        tracing::info!(account, "facts came for hours that were sealed, which are opened again");
        let number = checkpoints.checkpoints.iter().take_while(|checkpoint| checkpoint.until > late).count();
        self.open_again(account, checkpoints, number).await
    }

    /// Opens the hours of the latest checkpoints again, whose sums don't fit what is known of the state by now.
    pub(in crate::fold) async fn open_outdated(&self, account: &str, known: &KnownHours, number: usize) -> Result<(), CallError> {
        tracing::info!(account, "{Outdated}: hours are opened again");
        self.open_again(account, &known.checkpoints, number).await
    }

    /// Opens all hours of an account again whose facts have not expired, and has hours of it sealed from now on or not.
    pub(in crate::fold) async fn open_all(&self, account: &str, is_off: Option<bool>) -> Result<(), CallError> {
        let mut checkpoints = self.findings.checkpoints(account).await?;
        if let Some(is_off) = is_off.filter(|is_off| *is_off != checkpoints.is_off) {
            let next = Checkpoints { is_off, ..checkpoints.clone() };
            // If another fold has written them meanwhile, whoever asked for it is answered by the next attempt.
            checkpoints = self.findings.put_checkpoints(account, &checkpoints, next).await?.ok_or_else(overtaken)?;
        }
        let oldest = hour_of(self.oldest());
        let number = checkpoints.checkpoints.iter().take_while(|checkpoint| checkpoint.until > oldest).count();
        self.open_again(account, &checkpoints, number).await
    }

    /// Has hours of an account sealed again.
    pub(in crate::fold) async fn turn_sealing_on(&self, account: &str) -> Result<(), CallError> {
        let checkpoints = self.findings.checkpoints(account).await?;
        if checkpoints.is_off {
            let next = Checkpoints { is_off: false, ..checkpoints.clone() };
            self.findings.put_checkpoints(account, &checkpoints, next).await?.ok_or_else(overtaken)?;
        }
        Ok(())
    }

    /// Opens the hours of this number of checkpoints, the latest first. That it is being done is written first, so that a fold which follows on one that was
    /// ended in the middle goes on with it.
    pub(super) async fn open_again(&self, account: &str, checkpoints: &Checkpoints, number: usize) -> Result<(), CallError> {
        let number = number.min(checkpoints.checkpoints.len());
        let Some(latest) = checkpoints.checkpoints.first().filter(|_| number > 0) else { return Ok(()) };
        let bucket = self.world.bucket();
        let left: Vec<Checkpoint> = checkpoints.checkpoints.iter().skip(number).cloned().collect();
        let still_sealed = match left.first() {
            Some(checkpoint) => partitions(bucket, account, checkpoint).await?,
            None => Some(SealedPartitions::new()),
        };
        let (Some(mut sealed), Some(still_sealed)) = (partitions(bucket, account, latest).await?, still_sealed) else {
            return self.look_for_facts(account, checkpoints).await;
        };
        let opening = Checkpoints { opening: number, ..checkpoints.clone() };
        // If another fold has written them meanwhile, it has done the same or sealed more: whoever reads them next sees which.
        let Some(opening) = self.findings.put_checkpoints(account, checkpoints, opening).await? else { return Ok(()) };
        sealed.retain(|partition, _| !still_sealed.contains_key(partition));
        let to_note: Vec<(Partition, PartitionState)> = sealed.into_iter().collect();
        let mut of_account = 0;
        for some in to_note.chunks(AT_ONCE) {
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
        if of_account > 0 {
            self.findings.count_forgotten(account, -of_account).await?;
        }
        let opened = Checkpoints { checkpoints: left, opening: 0, ..opening.clone() };
        self.findings.put_checkpoints(account, &opening, opened).await.map(|_| ())
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
        let version = self.findings.raise_version(account, Raised::default()).await?;
        let task = FoldTask { repair_since: Some(self.oldest()), is_of_sealed: true, ..FoldTask::new(account, version) };
        self.folds.send_in_order(&[task.ordered()]).await?;
        // Noted behind the message: a fold that is ended in between asks for it again.
        let lost = Checkpoints { lost_since: Some(self.clock.now()), ..checkpoints.clone() };
        self.findings.put_checkpoints(account, checkpoints, lost).await.map(|_| ())
    }

    /// Whether the partitions of an account are still being looked for.
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
            let found = Checkpoints { is_off: checkpoints.is_off, ..Checkpoints::default() };
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
