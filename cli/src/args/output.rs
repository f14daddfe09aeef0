//! How results look, where they go, and which of them make a run fail.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::values::{FailOn, fail_on};

/// How results look, and where they go.
#[derive(Args, Debug)]
pub(crate) struct OutputArgs {
    /// How the result looks
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: Format,

    /// Write the result to a file instead of standard output (`-`)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Exit with 3 if there are open findings at or above this severity; `never` for none
    #[arg(long, value_name = "SEVERITY", default_value = "HIGH", value_parser = fail_on)]
    pub(crate) fail_on: FailOn,

    /// Exit with 4 if nothing was read or selected, some input was unreadable, or some evidence missing
    #[arg(long)]
    pub(crate) strict: bool,
}

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// The whole report, version 1
    Json,
    /// One finding, or row of calls, a line
    Jsonl,
    /// One finding, or row of calls, a row
    Csv,
    /// A page that needs nothing else: to read, to print, to send
    Html,
    /// The heat map of accounts and Regions, as a picture
    Svg,
}

/// The format of a result that has no rows of findings or calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    /// For people
    Table,
    /// For programs
    Json,
}
