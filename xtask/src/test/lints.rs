//! Checks that clippy, at the levels of the workspace, and a spelling checker warn of nothing.

use std::process::Command;

use super::{FEATURES, Step, starting_with};
use crate::{
    command::{Run, cargo, root, run},
    tools,
};

pub(super) static STEP: Step = Step {
    name: "lints",
    what: "clippy, warnings are errors; typos",
    run: || {
        let spelling = spelling()?;
        let clippy = run(
            cargo().args(["clippy", "--workspace", "--features", FEATURES, "--all-targets", "--locked", "--", "--deny", "warnings"]),
            starting_with("error"),
        )?;
        Ok(Run { passed: spelling.passed && clippy.passed, kept: [spelling.kept, clippy.kept].concat() })
    },
};

/// Words that are misspelled in code, texts or names of files; `_typos.toml` lists those that are meant.
fn spelling() -> anyhow::Result<Run> {
    let typos = tools::from_pypi("typos", "1.52.0", "typos")?;
    run(Command::new(typos).current_dir(root()).args(["--format", "brief"]), |line| line.contains(" should be ").then(|| line.to_owned()))
}
