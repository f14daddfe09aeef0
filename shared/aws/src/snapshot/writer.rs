//! Writes answers into a folder, and counts them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, atomic::Ordering},
};

use serde_json::Value;

use super::{Count, Missing, Options, Outcome, Progress, SnapshotError, journal::Journal, locked};
use crate::{
    clock::Clock,
    error::{CallError, ErrorKind, chain},
    folder::Folder,
    inventory::SnapshotSink,
    snapshots::Snapshots,
};

/// The sink of a run: snapshots, journal and counts.
#[derive(Debug)]
pub(super) struct Writer {
    snapshots: Snapshots<Folder>,
    journal: Journal,
    pub(super) progress: Arc<Progress>,
    read: Mutex<BTreeMap<String, Count>>,
    missing: Mutex<BTreeSet<Missing>>,
    notes: Mutex<Vec<String>>,
}

impl Writer {
    pub(super) fn open(options: &Options, progress: Arc<Progress>, clock: Clock) -> Result<Self, SnapshotError> {
        let failed = |source| SnapshotError::Folder { path: options.folder.clone(), source };
        let folder = Folder::open(&options.folder).map_err(failed)?;
        let journal = Journal::open(&folder, &options.folder, clock.now()).map_err(failed)?;
        Ok(Writer {
            snapshots: Snapshots::new(folder, "", clock),
            journal,
            progress,
            read: Mutex::default(),
            missing: Mutex::default(),
            notes: Mutex::default(),
        })
    }

    fn count(&self, stem: &str, with: impl FnOnce(&mut Count)) {
        let kind = stem.split('/').next().unwrap_or(stem).to_owned();
        with(locked(&self.read).entry(kind).or_default());
    }

    pub(super) fn note(&self, note: String) {
        locked(&self.notes).push(note);
    }

    /// Records that something could not be read.
    pub(super) fn missing(&self, what: &str, error: &CallError) {
        if error.kind == ErrorKind::NotFound && what == "organization" {
            return self.note("the account is in no organization: no policy of one applies to it".to_owned());
        }
        self.progress.missing.fetch_add(1, Ordering::Relaxed);
        let denied = error.kind == ErrorKind::Denied;
        if what.contains('/') || what == "organization" || what == "policies" {
            self.count(what, |count| if denied { count.denied += 1 } else { count.failed += 1 });
        }
        locked(&self.missing).insert(Missing { what: what.to_owned(), denied, reason: chain(error) });
    }

    pub(super) fn finish(&self, account: String) -> Result<Outcome, SnapshotError> {
        self.journal.remove().map_err(|source| SnapshotError::Folder { path: self.journal.path.clone(), source })?;
        Ok(Outcome {
            account,
            resumed: self.journal.resumed,
            read: locked(&self.read).clone(),
            missing: locked(&self.missing).iter().cloned().collect(),
            notes: locked(&self.notes).clone(),
        })
    }
}

impl SnapshotSink for Writer {
    async fn existing(&self, stem: &str) -> Option<Vec<u8>> {
        if !self.journal.holds(stem) {
            return None;
        }
        let (_, json) = self.snapshots.latest(stem).await.ok()??;
        self.progress.pieces.fetch_add(1, Ordering::Relaxed);
        self.count(stem, |count| {
            count.earlier += 1;
            count.none += u64::from(says_none(&json));
        });
        Some(json)
    }

    async fn write(&self, stem: &str, json: &[u8]) -> Result<bool, CallError> {
        let is_new = self.snapshots.write(stem, json).await?.is_new;
        self.journal.add(stem).map_err(|error| CallError::new("write the journal", ErrorKind::Refused, error))?;
        self.progress.pieces.fetch_add(1, Ordering::Relaxed);
        self.count(stem, |count| {
            if is_new {
                count.written += 1;
            } else {
                count.unchanged += 1;
            }
            count.none += u64::from(says_none(json));
        });
        // Whoever reads the folder reports files that are unusable.
        Ok(true)
    }

    fn unreadable(&self, stem: &str, error: CallError) -> Result<(), CallError> {
        self.missing(stem, &error);
        Ok(())
    }

    fn unlistable(&self, what: &str, error: CallError) -> Result<(), CallError> {
        self.missing(what, &error);
        Ok(())
    }

    async fn unlisted(&self, folder: &str, listed: &BTreeSet<String>) -> Result<BTreeSet<String>, CallError> {
        self.snapshots.unlisted(folder, listed).await
    }
}

/// Whether an answer means that the requested resource doesn't exist.
fn says_none(json: &[u8]) -> bool {
    let Ok(answer) = serde_json::from_slice::<Value>(json) else { return false };
    let is_empty = |list: Option<&Value>| list.and_then(Value::as_array).is_some_and(Vec::is_empty);
    answer.get("EffectivePolicy").is_some_and(Value::is_null)
        || is_empty(answer.get("guardrailsConfig"))
        || is_empty(Some(&answer))
        || answer.as_object().is_some_and(serde_json::Map::is_empty)
}
