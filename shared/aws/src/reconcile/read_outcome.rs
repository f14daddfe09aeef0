//! What looking comes to: answers go into the world, and what is new, refused or of no use is remembered.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use audit_core::{
    moment::Moment,
    world::{SnapshotPath, World},
};

use crate::{
    bucket::Bucket,
    error::{self, CallError, ErrorKind},
    fact::HistoryRead,
    inventory::SnapshotSink,
    snapshots::Snapshots,
};

/// What is new is told for so many seconds: longer than an order that failed behind it takes to come again.
const TOLD_AGAIN: i64 = 3 * 60 * 60;

/// What looking came to.
#[derive(Debug, Default)]
pub(super) struct ReadOutcome {
    /// What is new in the world.
    pub(super) changed: Vec<String>,
    /// The first answer that couldn't be used.
    pub(super) failed: Option<CallError>,
    /// What may not be read.
    pub(super) refused: Vec<String>,
    /// A list may not be read.
    pub(super) list_refused: bool,
    /// All could be read.
    pub(super) complete: bool,
    /// How much of event history was read, if it was.
    pub(super) history: Option<HistoryRead>,
}

impl ReadOutcome {
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.failed.is_none()
    }
}

/// A look at something, for the world.
#[derive(Debug)]
pub(super) struct ReadRecorder<'w, B> {
    world: &'w Snapshots<B>,
    now: Moment,
    outcome: Mutex<ReadOutcome>,
}

impl<'w, B: Bucket> ReadRecorder<'w, B> {
    pub(super) fn new(world: &'w Snapshots<B>, now: Moment) -> Self {
        ReadRecorder { world, now, outcome: Mutex::default() }
    }

    pub(super) fn into_outcome(self) -> ReadOutcome {
        self.outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn outcome(&self) -> MutexGuard<'_, ReadOutcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever is throttled comes again, and ends the survey for now; what else can't be read is not known.
impl<B: Bucket> SnapshotSink for ReadRecorder<'_, B> {
    async fn write(&self, stem: &str, json: &[u8]) -> Result<bool, CallError> {
        if let Err(error) = check(stem, json) {
            error::warn("an answer can't be used", &error);
            self.outcome().failed.get_or_insert(error);
            return Ok(false);
        }
        let written = self.world.write(stem, json).await?;
        // Also what was new a while ago: who was to be told may not have been.
        if written.is_new || written.since.is_some_and(|time| time > self.now.plus_seconds(-TOLD_AGAIN)) {
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

/// Whether the world can use an answer. One that it can't would lie there in vain, and what was known before would go on to hold.
fn check(stem: &str, json: &[u8]) -> Result<(), CallError> {
    let Some(path) = SnapshotPath::parse(&format!("{stem}.json")) else { return Ok(()) };
    let unusable = |error| CallError::new(format!("use the answer for {stem}"), ErrorKind::Retryable, error);
    World::default().add(&path, json).map(|_| ()).map_err(unusable)
}
