//! The tasks of this workspace: `cargo xtask publish` makes the members' template and code available to an organization.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to whoever started it")]

mod publish;

use std::process::ExitCode;

use clap::Parser;

/// The tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
enum Task {
    /// Upload the members' code and template, and print the commands that roll them out
    Publish(publish::Args),
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Publish(args) => publish::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
