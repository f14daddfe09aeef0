//! The commands, a module for each.

mod audit;
mod bundle;
mod demo;
mod doctor;
mod exceptions;
mod explain;
mod findings;
mod guardrail;
mod policy;
mod report;
mod rules;
mod simulate;
mod snapshot;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use audit_core::{config::Configuration, json::printable, timestamp::Timestamp};
use audit_local::{
    encoding::to_utf8,
    world::{self, LoadedWorld, Problem},
};
use clap::CommandFactory as _;

use crate::{
    args::{Cli, Command},
    console::{self, Console},
    exit::{Exit, QuotedError, UsageError},
    output,
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
        Command::Bundle(command) => bundle::run(&command),
        Command::Exceptions(command) => exceptions::run(&command, console),
        Command::Snapshot(args) => snapshot::run(&args, console),
        Command::Doctor(args) => doctor::run(&args, console),
        Command::Demo(args) => demo::run(&args, console),
        Command::Completions { shell } => {
            // The script is written to memory first, because the generator panics where it can't write.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "guardrail-audit", &mut script);
            output::stdout().write_all(&script)?;
            Ok(Exit::Clean)
        }
        Command::Man { command } => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command_named(&command)?).render(&mut page)?;
            output::stdout().write_all(&page)?;
            Ok(Exit::Clean)
        }
    }
}

/// Returns the definition of the program, or of the subcommand with these names.
fn command_named(words: &[String]) -> anyhow::Result<clap::Command> {
    let mut command = Cli::command();
    command.build();
    for word in words {
        let found = command.find_subcommand(word).cloned();
        command = found.ok_or_else(|| UsageError(format!("there is no command `{}`", words.join(" "))))?;
    }
    Ok(command)
}

/// Reads a configuration file, or returns the default configuration.
fn configuration(path: Option<&Path>) -> anyhow::Result<Configuration> {
    let Some(path) = path else {
        return Ok(Configuration::default());
    };
    let text = std::fs::read(path).with_context(|| format!("failed to read the configuration `{}`", path.display()))?;
    let text = String::from_utf8_lossy(&to_utf8(&text)).into_owned();
    Configuration::parse(&text).map_err(|error| QuotedError(format!("{}: {error}", printable(&path.display().to_string()))).into())
}

/// Loads a world folder. The state in files that can't be used is unknown, and a warning names them.
fn load_world(folder: Option<&PathBuf>, console: Console) -> anyhow::Result<LoadedWorld> {
    let Some(folder) = folder else {
        return Ok(LoadedWorld::default());
    };
    let loaded = world::load(folder).with_context(|| format!("failed to read the world `{}`", folder.display()))?;
    warn_of(&loaded.problems, console);
    if loaded.files.is_empty() {
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
fn needs_aws(what: &str) -> anyhow::Error {
    anyhow::anyhow!("{what} needs a build with the feature `aws`: cargo install --path cli --features aws")
}

/// Runs a future that calls AWS to its end.
#[cfg(feature = "aws")]
fn wait_for<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("failed to start")?;
    Ok(runtime.block_on(future))
}

/// Returns the time given by `--now`, or else the clock's.
fn now(given: Option<Timestamp>) -> Timestamp {
    given.unwrap_or_else(|| Timestamp::from_seconds(jiff::Timestamp::now().as_second()))
}
