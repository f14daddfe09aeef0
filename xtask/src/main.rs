//! The tasks of this workspace: `cargo xtask test` is what CI runs, `cargo xtask bench` measures.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to whoever started it")]

mod bench;
mod case;
mod command;
mod cost;
mod demo;
mod mutants;
mod publish;
mod rule;
mod test;
mod tools;

use std::process::ExitCode;

use clap::Parser;

/// The tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
enum Task {
    /// Run everything that must pass before a change is merged
    Test(test::Args),
    /// Measure the speed and memory of `guardrail-audit audit` beside gunzip alone
    Bench(bench::Args),
    /// What an installation costs a month, from what is counted and a table of prices
    Cost(cost::Args),
    /// Change the code that decides in small ways, and count which changes the tests notice
    Mutants(mutants::Args),
    /// Cases below `events/`: see `events/README.md`
    #[command(subcommand)]
    Case(case::Args),
    /// Rules: see `docs/adding-a-rule.md`
    #[command(subcommand)]
    Rule(rule::Args),
    /// Write the logs of the demo from its story
    Demo(demo::Args),
    /// Upload the members' code and template, and print the commands that roll them out
    Publish(publish::Args),
    /// Run a command and print what it used, as JSON
    #[command(hide = true)]
    Measure(bench::measure::Args),
    /// Decompress all files of a folder with libdeflate, and do nothing else
    #[command(hide = true)]
    Gunzip(bench::gunzip::Args),
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Test(args) => Ok(test::run(&args)),
        Task::Bench(args) => bench::run(&args),
        Task::Cost(args) => cost::run(&args),
        Task::Mutants(args) => mutants::run(&args),
        Task::Case(args) => case::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Rule(args) => rule::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Demo(args) => demo::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Publish(args) => publish::run(&args),
        Task::Measure(args) => bench::measure::run(&args),
        Task::Gunzip(args) => bench::gunzip::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
