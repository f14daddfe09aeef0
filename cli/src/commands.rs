//! The commands, a module for each.

pub(crate) mod audit;
mod bundle;
mod configuration;
mod demo;
mod doctor;
mod exceptions;
mod explain;
mod findings;
mod guardrail;
mod help;
mod hub;
mod policy;
mod report;
mod rules;
mod simulate;
mod snapshot;
mod store;

use std::path::PathBuf;

use anyhow::Context as _;
use audit_core::timestamp::Timestamp;
use audit_local::world::{self, Contents, LoadedWorld, Problem};

use crate::{
    args::{Cli, Command},
    console::{self, Console},
    exit::Exit,
};

/// Runs the command that the arguments name.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Exit> {
    let console = Console::new(cli.quiet);
    if !cli.quiet {
        audit_local::store::on_wait(console::note_waiting);
    }
    match cli.command {
        Command::Audit(args) => audit::run(&args, console),
        Command::Explain(args) => explain::run(&args, console),
        Command::Simulate(args) => simulate::run(&args, console),
        Command::Policy(command) => policy::run(&command, console),
        Command::Guardrail(command) => guardrail::run(&command),
        Command::Rules(args) => rules::run(&args),
        Command::Report(args) => report::run(&args, console),
        Command::Findings(command) => findings::run(&command, console),
        Command::Store(command) => store::run(&command, console),
        Command::Bundle(command) => bundle::run(&command),
        Command::Exceptions(command) => exceptions::run(&command, console),
        Command::Snapshot(args) => snapshot::run(&args, console),
        Command::Doctor(args) => doctor::run(&args, console),
        Command::Hub(command) => hub::run(&command, console),
        Command::Demo(args) => demo::run(&args, console),
        Command::Help { words } => help::help(&words),
        Command::Completions { shell } => help::completions(shell),
        Command::Man { command } => help::man(&command),
    }
}

/// Loads a world folder. The state in files that can't be used is unknown, and a warning names them.
fn load_world(folder: Option<&PathBuf>, console: Console) -> anyhow::Result<LoadedWorld> {
    load_world_with(folder, Contents::Dropped, console)
}

/// Loads a world folder, for a store with the contents of its files.
fn load_world_with(folder: Option<&PathBuf>, contents: Contents, console: Console) -> anyhow::Result<LoadedWorld> {
    let Some(folder) = folder else {
        return Ok(LoadedWorld::default());
    };
    let loaded = world::load_with(folder, contents).with_context(|| format!("failed to read the world `{}`", folder.display()))?;
    warn_of(&loaded.problems, console);
    if loaded.paths.is_empty() {
        console.warn(format_args!("{}: no snapshots, so nothing is known of the world", folder.display()));
    }
    Ok(loaded)
}

/// Warns of problems with the files of a world.
fn warn_of(problems: &[Problem], console: Console) {
    for Problem { file, reason, used } in problems {
        let so = if *used { "" } else { "; what it is about is not known" };
        console.warn(format_args!("{}: {reason}{so}", file.display()));
    }
}

/// The error of a build without the AWS SDK.
#[cfg(not(feature = "aws"))]
pub(crate) fn needs_aws(what: &str) -> anyhow::Error {
    anyhow::anyhow!("{what} needs a build with the feature `aws`: cargo install --path cli --features aws")
}

/// Runs a future that calls AWS to its end.
#[cfg(feature = "aws")]
fn wait_for<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("failed to start")?;
    Ok(runtime.block_on(future))
}

/// Returns the time given by `--now`, or else the clock's.
pub(crate) fn now(given: Option<Timestamp>) -> Timestamp {
    given.unwrap_or_else(|| Timestamp::from_seconds(jiff::Timestamp::now().as_second()))
}
