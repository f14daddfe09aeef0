//! `cargo xtask case`: makes the skeleton of a case below `events/`, and runs one by hand.

pub(crate) mod new;
mod run;

use clap::Subcommand;

/// Cases below `events/`: see `events/README.md`
#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// Write the skeleton of a case
    New(new::Args),
    /// Put the world of a case together, and audit its event in it
    Run(run::Args),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    match args {
        Args::New(args) => new::run(args),
        Args::Run(args) => run::run(args),
    }
}
