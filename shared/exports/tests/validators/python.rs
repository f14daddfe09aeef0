//! Runs the validators that are Python packages, all in one process, for importing them takes longer than validating.

use std::{collections::BTreeMap, io::Write as _, path::Path, process::Command};

use end_to_end::tools::{SARIF, VALIDATORS, succeed};
use serde::Deserialize;
use serde_json::Value;

/// What a validator says about a file of documents.
#[derive(Debug, Deserialize)]
pub(crate) struct Complaints {
    /// Documents in the file.
    pub(crate) documents: usize,
    /// The complaints by the number of the document, from 0.
    pub(crate) problems: BTreeMap<usize, Vec<String>>,
}

/// Validates files of documents. The key of a file names its format: `ocsf-1.6.0`, `asff`, `sarif` or `junit`; what follows another hyphen
/// is free.
pub(crate) fn validate(files: &BTreeMap<String, Vec<Value>>) -> BTreeMap<String, Complaints> {
    let folder = tempfile::tempdir().unwrap();
    for (name, documents) in files {
        let mut file = std::fs::File::create(folder.path().join(name)).unwrap();
        for document in documents {
            writeln!(file, "{document}").unwrap();
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/validators/validate.py");
    let schema = SARIF.folder().join("node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json");
    let output = succeed(Command::new(VALIDATORS.folder().join("python")).arg(script).arg(folder.path()).arg(schema));
    let printed: BTreeMap<String, Complaints> = serde_json::from_slice(&output.stdout).unwrap();
    for (name, documents) in files {
        assert_eq!(printed[name].documents, documents.len(), "{name} was not read whole");
    }
    printed
}

impl Complaints {
    pub(crate) fn assert_sound(&self, name: &str) {
        assert!(self.documents > 0, "{name} is empty");
        assert!(self.problems.is_empty(), "{name}: {:#?}", self.problems);
    }

    pub(crate) fn assert_each_is_refused(&self, name: &str, faults: &[super::Fault]) {
        for (number, (fault, _)) in faults.iter().enumerate() {
            assert!(self.problems.contains_key(&number), "{name}: nothing is said about `{fault}`");
        }
    }
}
