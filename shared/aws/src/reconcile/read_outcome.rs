//! The outcome of reading for the world: answers are written to S3, and what is new, refused or unusable is kept for the report.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use audit_core::{
    timestamp::Timestamp,
    world::{SnapshotPath, World},
};

use crate::{
    bucket::Bucket,
    error::{self, CallError, ErrorKind},
    fact::HistoryRead,
    inventory::SnapshotSink,
    snapshots::Snapshots,
};

/// Seconds for which a new snapshot is reported again. Must be longer than the time until a failed task is delivered again, or the fold may
/// never learn of the snapshot.
const REPORTED_AGAIN_SECONDS: i64 = 3 * 60 * 60;

/// The outcome of reading.
#[derive(Debug, Default)]
pub(super) struct ReadOutcome {
    /// The stems of new snapshots.
    pub(super) changed: Vec<String>,
    /// The first answer that the world can't use.
    pub(super) failed: Option<CallError>,
    /// The stems of answers that were refused.
    pub(super) refused: Vec<String>,
    /// Whether a list was refused.
    pub(super) list_refused: bool,
    /// Whether everything could be read.
    pub(super) complete: bool,
    /// How much of event history was read, if any.
    pub(super) history: Option<HistoryRead>,
}

impl ReadOutcome {
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.failed.is_none()
    }
}

/// Writes answers to the world, and records the outcome.
#[derive(Debug)]
pub(super) struct ReadRecorder<'w, B> {
    world: &'w Snapshots<B>,
    now: Timestamp,
    outcome: Mutex<ReadOutcome>,
}

impl<'w, B: Bucket> ReadRecorder<'w, B> {
    pub(super) fn new(world: &'w Snapshots<B>, now: Timestamp) -> Self {
        ReadRecorder { world, now, outcome: Mutex::default() }
    }

    pub(super) fn into_outcome(self) -> ReadOutcome {
        self.outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn outcome(&self) -> MutexGuard<'_, ReadOutcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Throttling ends the inventory, because the task is delivered again. What can't be read for other reasons is not known.
impl<B: Bucket> SnapshotSink for ReadRecorder<'_, B> {
    async fn write(&self, stem: &str, json: &[u8]) -> Result<bool, CallError> {
        if let Err(error) = check(stem, json) {
            error::warn("an answer can't be used", &error);
            self.outcome().failed.get_or_insert(error);
            return Ok(false);
        }
        let written = self.world.write(stem, json).await?;
        // A snapshot of a while ago is reported as well: the task that wrote it may have failed before it reported.
        if written.is_new || written.since.is_some_and(|time| time > self.now.plus_seconds(-REPORTED_AGAIN_SECONDS)) {
            self.outcome().changed.push(stem.to_owned());
        }
        Ok(true)
    }

    fn unreadable(&self, stem: &str, error: CallError) -> Result<(), CallError> {
        if error.kind == ErrorKind::Retryable {
            return Err(error);
        }
        error::warn("state can't be read", &error);
        if error.kind == ErrorKind::Denied {
            self.outcome().refused.push(stem.to_owned());
        }
        Ok(())
    }

    fn unlistable(&self, _: &str, error: CallError) -> Result<(), CallError> {
        if error.kind == ErrorKind::Retryable {
            return Err(error);
        }
        error::warn("a list can't be read", &error);
        self.outcome().list_refused = true;
        Ok(())
    }

    async fn unlisted(&self, folder: &str, listed: &BTreeSet<String>) -> Result<BTreeSet<String>, CallError> {
        self.world.unlisted(folder, listed).await
    }
}

/// Checks that the world can use an answer. An unusable snapshot would hide that the state before it no longer holds.
fn check(stem: &str, json: &[u8]) -> Result<(), CallError> {
    let Some(path) = SnapshotPath::parse(&format!("{stem}.json")) else { return Ok(()) };
    let unusable = |error| CallError::new(format!("use the answer for {stem}"), ErrorKind::Retryable, error);
    World::default().add(&path, json).map(|_| ()).map_err(unusable)
}
