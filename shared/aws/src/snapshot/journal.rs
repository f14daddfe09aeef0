//! The journal of a run: which answers it has read, so that a run that was killed can be resumed.

use std::{
    collections::BTreeSet,
    fmt, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Mutex,
};

use audit_core::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::locked;
use crate::folder::Folder;

/// A file with the start time of the run in its first line, and a line for each answer.
pub(super) struct Journal {
    pub(super) path: PathBuf,
    file: Mutex<fs::File>,
    pub(super) resumed: Option<Timestamp>,
    done: BTreeSet<String>,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Heading {
    started: Timestamp,
}

/// The name of the file. Readers of worlds ignore it, because it doesn't end in `.json`.
const JOURNAL: &str = "snapshot.journal";

/// Seconds for which a run can be resumed. After that, too much may have changed.
const RESUMED_SECONDS: i64 = 24 * 60 * 60;

impl Journal {
    pub(super) fn open(folder: &Folder, path: &Path, now: Timestamp) -> io::Result<Self> {
        let path = path.join(JOURNAL);
        let before = fs::read_to_string(&path).unwrap_or_default();
        let mut lines = before.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let heading = lines.next().and_then(|line| serde_json::from_str::<Heading>(line).ok());
        let resumed = heading.map(|heading| heading.started).filter(|started| now.seconds_since(*started) < RESUMED_SECONDS);
        let done: BTreeSet<String> = lines.filter(|_| resumed.is_some()).map(str::to_owned).collect();
        // Written anew, because the last line may be incomplete.
        let mut text = serde_json::to_string(&Heading { started: resumed.unwrap_or(now) })? + "\n";
        for stem in &done {
            text.extend([stem, "\n"]);
        }
        folder.write(JOURNAL, text.as_bytes())?;
        let file = Mutex::new(fs::OpenOptions::new().append(true).open(&path)?);
        Ok(Journal { path, file, resumed, done })
    }

    pub(super) fn holds(&self, stem: &str) -> bool {
        self.done.contains(stem)
    }

    pub(super) fn add(&self, stem: &str) -> io::Result<()> {
        locked(&self.file).write_all(format!("{stem}\n").as_bytes())
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}
