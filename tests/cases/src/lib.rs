//! Reads the recorded cases below `events/`, whose layout `events/README.md` describes.
//!
//! The tests of the domain, of the command line, of the hub and of the deployed stack, and `cargo xtask case`, all read cases through this
//! crate, so that a case means the same to each of them. It depends on no other crate of the workspace, so that the tests of every crate
//! can use it.

mod error;
mod world;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

pub use crate::{error::Error, world::Files};

/// The time at which tests audit every case, a day after the last event of most.
pub const NOW: &str = "2026-11-22T00:00:00Z";

/// The folders below `events/` that hold no cases.
const NO_RULES: &[&str] = &["captured", "demo", "worlds"];

/// The folder of all cases, `events/`.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

/// The folders below `events/` that are named after a rule, sorted by name.
pub fn rules() -> Result<Vec<String>, Error> {
    Ok(folders(&folder())?.into_iter().filter(|name| !NO_RULES.contains(&name.as_str())).collect())
}

/// A case: a folder `<rule>/<name>` with `event.json`, `expected.json`, and the files in which its world differs from the one it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    folder: PathBuf,
}

impl Case {
    /// The case `<rule>/<name>` of this repository. Whether it exists shows when it is read.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Case { folder: folder().join(name) }
    }

    /// The case that an `event.json` belongs to.
    #[must_use]
    pub fn of_event(event: &Path) -> Self {
        Case { folder: event.parent().unwrap_or(event).to_owned() }
    }

    /// All cases of this repository, sorted by rule and name.
    pub fn all() -> Result<Vec<Self>, Error> {
        rules()?.iter().try_fold(Vec::new(), |mut all, rule| {
            all.extend(Self::of_rule(rule)?);
            Ok(all)
        })
    }

    /// The cases of a rule, sorted by name; none if it has no folder.
    pub fn of_rule(rule: &str) -> Result<Vec<Self>, Error> {
        let folder = folder().join(rule);
        if !folder.exists() {
            return Ok(Vec::new());
        }
        Ok(folders(&folder)?.into_iter().map(|name| Case { folder: folder.join(name) }).collect())
    }

    /// What the case is called within its rule, such as `near-miss-topic-renamed`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.folder.file_name().and_then(OsStr::to_str).unwrap_or_default()
    }

    /// The id of the rule that the case is about: the name of the folder above.
    #[must_use]
    pub fn rule(&self) -> &str {
        self.folder.parent().and_then(Path::file_name).and_then(OsStr::to_str).unwrap_or_default()
    }

    /// The file of its events, as the command line reads it.
    #[must_use]
    pub fn event_file(&self) -> PathBuf {
        self.folder.join("event.json")
    }

    /// Its events: EventBridge envelopes, or another form that the command line reads.
    pub fn events(&self) -> Result<Vec<Value>, Error> {
        Ok(match read_json(&self.event_file())? {
            Value::Array(events) => events,
            event => vec![event],
        })
    }

    /// Its configuration, if the case is about requirements, exceptions or the auditor's own resources.
    #[must_use]
    pub fn configuration_file(&self) -> Option<PathBuf> {
        Some(self.folder.join("guardrail-audit.toml")).filter(|file| file.exists())
    }

    /// The expected result of the case.
    pub fn expected(&self) -> Result<Expected, Error> {
        read_json(&self.folder.join("expected.json"))
    }
}

/// `expected.json`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// What the case is about, in a sentence.
    pub about: String,
    /// The named world that it happens in: a folder below `events/worlds/`.
    pub world: String,
    /// The files of the named world that aren't there in this case, by their paths in it.
    #[serde(default)]
    pub without: Vec<String>,
    /// The number of calls by verdict, as in the report.
    pub invocations: Value,
    /// The same calls by account, Region, model, operation, verdict, grade and reason, each with the fields that the case checks; `None` if
    /// the case doesn't check them.
    pub coverage: Option<Vec<Value>>,
    /// What could not be seen in which account and Region, each with the fields that the case checks; `None` if the case doesn't check it.
    pub blind: Option<Vec<Value>>,
    /// The number of records that were read and ignored, by the reason; `None` if the case doesn't check it.
    pub ignored: Option<Value>,
    /// All findings, each with the fields that the case checks.
    pub findings: Vec<Value>,
}

impl Expected {
    /// The ids of the rules that fire, in the order of the findings, one for each finding.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.findings.iter().filter_map(|finding| finding.get("rule")?.as_str())
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(file).map_err(|source| Error::Unreadable { file: file.to_owned(), source })
}

fn read_json<T: for<'d> Deserialize<'d>>(file: &Path) -> Result<T, Error> {
    serde_json::from_slice(&read(file)?).map_err(|source| Error::Unparsable { file: file.to_owned(), source })
}

/// The names of the folders in a folder, sorted.
fn folders(folder: &Path) -> Result<Vec<String>, Error> {
    let unreadable = |source| Error::Unreadable { file: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
