//! Sealed hours: what is known of an account's older hours, added up, so that a fold reads no more than the latest ones.
//!
//! Hours whose facts have had time to arrive ([`SEALED_AFTER_HOURS`]) are *sealed*: the fold adds their calls to the sums of earlier ones
//! ([`audit_core::auditor::continue_audit`]), keeps of their other facts what anything can still depend on, and writes both into objects of the hub's
//! bucket. A checkpoint names these objects (`SEALED`, under the account's key of the findings table); all hours before it are in them. Their partitions
//! leave the account's index, so that the work of a fold depends on the hours that aren't sealed and on the size of the sums.
//!
//! ```text
//! index (latest hours) ──► facts of these partitions ──┐
//! checkpoint ──► sealed facts, sums of calls ──────────┴──► evidence ─► audit_core::auditor::audit_after
//!
//! sealing    hours that are due are added to the sums, by the state that all hours give
//! opening    the hours of the latest checkpoints come back into the index: a fact came late, their sums don't fit the state any more, an object
//!            can't be read, the hub believes others than it did, or somebody asked for it
//! ```
//!
//! The facts themselves stay in the table until they expire. Nothing that is sealed is a verdict: a new configuration, policy or rule judges the sums
//! anew. What can make them useless is a change of state that is dated back to between their calls ([`audit_core::auditor::Outdated`]); then the hours
//! are opened again.
//!
//! INVARIANT: at any moment each partition that was ever noted is in the index or in the list of the checkpoint in force, or in both with the same version.
//! The checkpoint is written before partitions leave the index, and they come back before it is taken away; who reads both reads the checkpoint again
//! behind the index.

mod contents;
mod objects;
mod opening;
mod sealing;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use audit_core::auditor::StoredAggregates;

pub(super) use self::objects::SealedObjects;
use self::{
    contents::{SealedCalls, SealedFacts},
    objects::partitions,
    opening::Late,
};
use super::Fold;
use crate::{
    bucket::Bucket,
    error::{CallError, ErrorKind},
    findings::{Checkpoint, Checkpoints, PartitionState},
    observations::{Item, Read},
    partition::Partition,
    queue::Queue,
};

/// Hours after which an hour is sealed. EventBridge delivers for 24 hours, and records of the stream of facts live as long; what comes later opens the
/// hour again. With this and [`sealing::STEP`] fewer hours are open than the two days after which an account's folds must not cost more.
pub(super) const SEALED_AFTER_HOURS: i64 = 36;

/// The part of a fold's room that what is known of sealed hours may take together with changes that are set aside.
const FOR_PAST_WITH_ASIDE: u64 = 2;

/// Hours after which hours are opened again for what came late of what an account reports itself, at most. Its administrator decides when that is, and
/// all hours since have to be sealed again each time.
pub(super) const LATE_AGAIN_HOURS: i64 = 24;

/// Why an account can't be judged now. Nothing of it is changed, and no attempt counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotYet {
    /// A repair has to find its facts first. It has a message of its own.
    IsRepaired,
    /// Hours are left to open or to seal, and there was no time for it. Another message has to go on.
    NoTime,
}

/// What is known of the hours before a checkpoint.
#[derive(Clone, Debug)]
pub(super) struct Past {
    /// The first hour that isn't sealed.
    pub(super) until: i64,
    pub(super) facts: Arc<SealedFacts>,
    /// Changes that are set aside, once they are needed: something is watched that wasn't when they were sealed, or hours are sealed.
    pub(super) aside: Option<Arc<SealedFacts>>,
    pub(super) calls: Arc<SealedCalls>,
}

/// The partitions of an account that aren't sealed, and what is known of the others.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownHours {
    pub(super) partitions: BTreeMap<Partition, PartitionState>,
    /// Partitions of sealed hours of which something came late that isn't read yet.
    pub(super) deferred: BTreeSet<Partition>,
    /// While hours are sealed: the partitions of later hours. Of their facts only those count that change the state.
    pub(super) later: BTreeMap<Partition, PartitionState>,
    pub(super) past: Option<Past>,
    /// First versions of items that were rewritten or removed, of all hours.
    pub(super) kept: Arc<Vec<Item>>,
    /// Whether there are more of them than are kept.
    pub(super) is_kept_cut: bool,
    /// Whether there is no room for the changes that are set aside, although they are needed.
    pub(super) is_aside_left_out: bool,
    pub(super) checkpoints: Checkpoints,
}

impl Past {
    /// Whether facts of a partition are in what is known.
    pub(super) fn holds(&self, partition: &Partition) -> bool {
        partition.hour.is_some_and(|hour| hour < self.until)
    }

    /// The bytes that it takes in memory, approximately.
    pub(super) fn bytes(&self) -> u64 {
        self.facts.bytes + self.aside.as_ref().map_or(0, |aside| aside.bytes) + self.calls.bytes
    }

    /// All facts but calls, as far as they were read.
    pub(super) fn facts(&self) -> impl Iterator<Item = &(Partition, Read)> {
        self.facts.facts.iter().chain(self.aside.iter().flat_map(|aside| &aside.facts))
    }
}

impl KnownHours {
    pub(super) fn calls(&self) -> StoredAggregates {
        self.past.as_ref().map(|past| past.calls.calls.clone()).unwrap_or_default()
    }

    pub(super) fn claimed(&self) -> StoredAggregates {
        self.past.as_ref().map(|past| past.calls.claimed.clone()).unwrap_or_default()
    }

    /// The bytes that what is known of sealed hours takes in memory, approximately.
    pub(super) fn bytes_of_past(&self) -> u64 {
        self.past.as_ref().map_or(0, Past::bytes)
    }
}

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// What is known of an account. Hours of which facts came after they were sealed, or whose sums can't be used, are opened again, as long as it isn't
    /// `enough`.
    pub(super) async fn known(&self, account: &str, enough: Instant) -> Result<Result<KnownHours, NotYet>, CallError> {
        loop {
            let (checkpoints, mut partitions) = self.checkpoints_and_partitions(account).await?;
            if self.is_lost(account, &checkpoints).await? {
                return Ok(Err(NotYet::IsRepaired));
            }
            let to_open = checkpoints.opening.max(self.distrusted(account, &checkpoints)).min(checkpoints.checkpoints.len());
            if to_open > 0 {
                if !self.open_again(account, &checkpoints, to_open, &partitions, enough).await? {
                    return Ok(Err(NotYet::NoTime));
                }
                continue;
            }
            let (kept, is_kept_cut) = self.findings.kept(account).await?;
            let known = KnownHours { kept: Arc::new(kept), is_kept_cut, checkpoints, ..KnownHours::default() };
            let Some(latest) = known.checkpoints.checkpoints.first() else { return Ok(Ok(KnownHours { partitions, ..known })) };
            let (to_open, checkpoints) = match self.past(account, latest).await? {
                None => (1, known.checkpoints.clone()),
                Some(past) => match self.late(account, &known, &past, &mut partitions).await? {
                    Late::Nothing(deferred) => return Ok(Ok(KnownHours { partitions, deferred, past: Some(past), ..known })),
                    Late::Since(hour, checkpoints) => {
                        tracing::info!(account, "facts came for hours that were sealed, which are opened again");
                        (checkpoints.checkpoints.iter().take_while(|checkpoint| checkpoint.until > hour).count(), checkpoints)
                    }
                },
            };
            if !self.open_again(account, &checkpoints, to_open, &partitions, enough).await? {
                return Ok(Err(NotYet::NoTime));
            }
        }
    }

    /// What is known of an account, without opening anything: if facts came late, or hours are being opened, all facts that are still there.
    pub(super) async fn known_as_it_is(&self, account: &str) -> Result<KnownHours, CallError> {
        let (checkpoints, partitions) = self.checkpoints_and_partitions(account).await?;
        let (kept, is_kept_cut) = self.findings.kept(account).await?;
        let known = KnownHours { kept: Arc::new(kept), is_kept_cut, checkpoints, ..KnownHours::default() };
        let Some(latest) = known.checkpoints.checkpoints.first() else { return Ok(KnownHours { partitions, ..known }) };
        if known.checkpoints.lost_since.is_some() {
            return Err(unreadable(account));
        }
        let past = self.past(account, latest).await?;
        let is_in_force = known.checkpoints.opening == 0 && self.distrusted(account, &known.checkpoints) == 0;
        let is_late = |past: &Past| {
            let mut believed = partitions.iter().filter(|(_, state)| !state.is_ahead);
            believed.any(|(partition, _)| past.holds(partition)) || self.late_kept(past, &known.kept).next().is_some()
        };
        if let Some(past) = past.filter(|past| is_in_force && !is_late(past))
            && let Some(known) = self.with_aside(account, &KnownHours { partitions, past: Some(past), ..known }).await?
        {
            return Ok(known);
        }
        self.all_partitions(account).await
    }

    /// All partitions of an account, sealed or not, as those that aren't.
    pub(super) async fn all_partitions(&self, account: &str) -> Result<KnownHours, CallError> {
        let (checkpoints, mut all) = self.checkpoints_and_partitions(account).await?;
        if let Some(latest) = checkpoints.checkpoints.first() {
            let sealed = partitions(self.world.bucket(), account, latest).await?.ok_or_else(|| unreadable(account))?;
            for (partition, state) in sealed {
                all.entry(partition).or_insert(state);
            }
        }
        let (kept, is_kept_cut) = self.findings.kept(account).await?;
        Ok(KnownHours { partitions: all, kept: Arc::new(kept), is_kept_cut, ..KnownHours::default() })
    }

    /// The checkpoints of an account, and the partitions of its index as of a moment at which these checkpoints were in force.
    async fn checkpoints_and_partitions(&self, account: &str) -> Result<(Checkpoints, BTreeMap<Partition, PartitionState>), CallError> {
        loop {
            let checkpoints = self.findings.checkpoints(account).await?;
            let partitions = self.findings.partitions(account).await?;
            if self.findings.checkpoints(account).await? == checkpoints {
                return Ok((checkpoints, partitions));
            }
        }
    }

    async fn past(&self, account: &str, checkpoint: &Checkpoint) -> Result<Option<Past>, CallError> {
        let bucket = self.world.bucket();
        let (facts, calls) = (self.sealed.facts(bucket, account, checkpoint).await?, self.sealed.calls(bucket, account, checkpoint).await?);
        Ok(facts.zip(calls).map(|(facts, calls)| Past { until: checkpoint.until, facts, aside: None, calls }))
    }

    /// What is known of an account, with the changes of sealed hours that are set aside; `None` if they can't be read.
    pub(super) async fn with_aside(&self, account: &str, known: &KnownHours) -> Result<Option<KnownHours>, CallError> {
        let (Some(past), Some(latest)) = (&known.past, known.checkpoints.checkpoints.first()) else { return Ok(Some(known.clone())) };
        let Some(aside) = self.sealed.aside(self.world.bucket(), account, latest).await? else { return Ok(None) };
        if past.bytes() + aside.bytes > self.room / FOR_PAST_WITH_ASIDE {
            // The facts of the latest hours need the room.
            return Ok(Some(KnownHours { is_aside_left_out: true, ..known.clone() }));
        }
        Ok(Some(KnownHours { past: Some(Past { aside: Some(aside), ..past.clone() }), ..known.clone() }))
    }

    /// The facts of sealed hours but calls of another account, and its partitions that aren't sealed. Where they can't be read, nothing that rests on them can
    /// be judged: what is missing could be a change of the organization. If `heals`, that account is judged, which makes them again.
    pub(super) async fn facts_of(
        &self,
        account: &str,
        heals: bool,
    ) -> Result<(Option<Arc<SealedFacts>>, BTreeMap<Partition, PartitionState>), CallError> {
        let (checkpoints, partitions) = self.checkpoints_and_partitions(account).await?;
        let Some(latest) = checkpoints.checkpoints.first() else { return Ok((None, partitions)) };
        if checkpoints.lost_since.is_none() {
            if let Some(facts) = self.sealed.facts(self.world.bucket(), account, latest).await? {
                return Ok((Some(facts), partitions));
            }
            if heals {
                self.send_to_fold(account).await?;
            }
        }
        Err(unreadable(account))
    }
}

/// The error while sealed hours can't be read. A fold of their account makes them again.
fn unreadable(account: &str) -> CallError {
    CallError::new("read sealed hours", ErrorKind::Retryable, format!("those of account {account} can't be read, and are made again"))
}

impl<B, Q> Fold<B, Q> {
    /// Seals hours this number of hours after they have begun, or soon after.
    #[must_use]
    pub fn sealing_after(self, hours: i64) -> Self {
        Fold { sealed_after_hours: hours, ..self }
    }

    /// Opens hours again for what came late of what an account reports itself, if it has not done so for this number of hours.
    #[must_use]
    pub fn opening_after(self, hours: i64) -> Self {
        Fold { late_again_hours: hours, ..self }
    }
}
