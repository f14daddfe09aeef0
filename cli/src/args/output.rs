//! How results look, where they go, and which of them make a run fail.

use std::path::PathBuf;

use audit_exports::{asff::Importer, ocsf};
use clap::{Args, ValueEnum};

use super::{
    values::{FailOn, fail_on, importer, ocsf_version},
    view::ViewArgs,
};
use crate::exit::UsageError;

/// How results look, and where they go.
#[derive(Args, Debug)]
pub(crate) struct OutputArgs {
    /// How the result looks
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: Format,

    /// Write the result to a file instead of standard output (`-`)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) export: ExportArgs,

    #[command(flatten)]
    pub(crate) view: ViewArgs,

    /// Exit with 3 if there are open findings at or above this severity; `never` for none
    #[arg(long, value_name = "SEVERITY", default_value = "HIGH", value_parser = fail_on)]
    pub(crate) fail_on: FailOn,

    /// Exit with 4 if nothing was read or selected, some input was unreadable, or some evidence missing
    #[arg(long)]
    pub(crate) strict: bool,
}

impl OutputArgs {
    /// Refuses options that the format would ignore.
    pub(crate) fn check(&self) -> Result<(), UsageError> {
        self.export.check(self.format)?;
        self.view.check(self.format)
    }
}

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// The whole report, version 1; of `findings list`, the findings alone
    Json,
    /// One finding a line
    Jsonl,
    /// One finding a row
    Csv,
    /// A page that needs nothing else: to read, to print, to send; not of `findings list`
    Html,
    /// The heat map of accounts and Regions, as a picture; not of `findings list`
    Svg,
    /// One Compliance Finding of OCSF a line: for data lakes
    Ocsf,
    /// One request of BatchImportFindings a line: for Security Hub
    Asff,
    /// A summary for pull requests and steps of CI
    Markdown,
    /// Refused, with a hint: findings have no file and line
    #[value(hide = true)]
    Sarif,
}

/// The format of rows of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CallFormat {
    /// For people
    Table,
    /// For programs, with the sums
    Json,
    /// One row of calls a line
    Jsonl,
    /// One row of calls a row
    Csv,
}

/// The format of lints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LintFormat {
    /// For people
    Table,
    /// For programs
    Json,
    /// SARIF 2.1.0: for code scanning
    Sarif,
    /// JUnit's XML: for CI, a test case for each file
    Junit,
}

/// What some formats need to know.
#[derive(Args, Debug, Default)]
pub(crate) struct ExportArgs {
    /// The version of OCSF: 1.3.0, 1.5.0, 1.6.0 or 1.8.0 [default: 1.6.0]
    #[arg(long, value_name = "VERSION", value_parser = ocsf_version)]
    pub(crate) ocsf_version: Option<ocsf::Version>,

    /// The account that imports the ASFF into Security Hub; `member` if each account imports its own findings [default: `member`]
    #[arg(long, value_name = "ACCOUNT", value_parser = importer)]
    pub(crate) asff_account: Option<Importer>,
}

impl ExportArgs {
    /// Refuses the format that findings can't have, and an option of another format, which would be ignored in silence.
    pub(crate) fn check(&self, format: Format) -> Result<(), UsageError> {
        let of_another = |option: &str, of: &str| Err(UsageError(format!("{option} says how --format {of} looks: use that format")));
        if format == Format::Sarif {
            let hint = "findings have no file and line, which SARIF needs: use --format ocsf; `policy lint` has --format sarif";
            return Err(UsageError(hint.to_owned()));
        }
        if self.ocsf_version.is_some() && format != Format::Ocsf {
            return of_another("--ocsf-version", "ocsf");
        }
        if self.asff_account.is_some() && format != Format::Asff {
            return of_another("--asff-account", "asff");
        }
        Ok(())
    }
}

/// The format of a result that has no rows of findings or calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    /// For people
    Table,
    /// For programs
    Json,
}

/// The option for the format of a result that has no rows of findings or calls.
#[derive(Args, Debug)]
pub(crate) struct PlainOutputArgs {
    /// How the result looks
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: PlainFormat,
}

/// The options for the format of what a check finds, and for the file that it is written to.
#[derive(Args, Debug)]
pub(crate) struct LintOutputArgs {
    /// How the result looks
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: LintFormat,

    /// Write the result to a file instead of standard output (`-`)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
