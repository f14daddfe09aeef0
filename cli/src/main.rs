//! `guardrail-audit`: the auditor on the command line.
//!
//! Data goes to standard output, talk to standard error. What the program can do is in [`args`], how each command does it in
//! [`commands`], and how results look in [`output`].

mod args;
mod commands;
mod exit;
mod output;
mod talk;

use clap::Parser as _;

use args::Cli;
use exit::Exit;

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    match commands::run(cli) {
        Ok(exit) => exit.into(),
        Err(error) if is_broken_pipe(&error) => Exit::Clean.into(),
        Err(error) => {
            talk::error(&error);
            Exit::of(&error).into()
        }
    }
}

/// Whoever read our output, such as `head`, has read enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(is)
            || cause.downcast_ref::<serde_json::Error>().is_some_and(|error| error.io_error_kind() == Some(std::io::ErrorKind::BrokenPipe))
    })
}
