//! `guardrail-audit`: the auditor on the command line.
//!
//! Results go to standard output, messages to standard error. [`args`] defines the commands, [`commands`] runs them, and [`output`] writes
//! their results.

mod args;
mod commands;
mod console;
mod exit;
mod filter;
mod output;
mod source;

use clap::Parser as _;

use args::Cli;
use exit::Exit;

fn main() -> std::process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are no errors, and repeat no argument.
        Err(asked) if !asked.use_stderr() => asked.exit(),
        Err(error) => {
            console::usage(&error);
            return Exit::Usage.into();
        }
    };
    match commands::run(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            console::error(&error);
            Exit::of(&error).into()
        }
    }
}
