//! How the program ends (README.md#exit-codes).

use std::process::ExitCode;

use audit_core::{
    finding::{Finding, Status},
    severity::Severity,
};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing to report.
    Clean,
    /// It could not run.
    CouldNotRun,
    /// It was called, or configured, in a way that it doesn't understand.
    Usage,
    /// There are open findings at or above the severity that was asked for.
    Findings,
    /// Only with `--strict`: some input was unreadable, or some evidence missing.
    Incomplete,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Clean => 0,
            Exit::CouldNotRun => 1,
            Exit::Usage => 2,
            Exit::Findings => 3,
            Exit::Incomplete => 4,
        })
    }
}

/// An error in what the user wrote: in arguments or configuration.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// An error in a file that the user wrote, with the lines around it: it alone is said in several lines.
#[derive(Debug)]
pub(crate) struct QuotedError(pub(crate) String);

impl std::fmt::Display for QuotedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for QuotedError {}

impl Exit {
    /// How an error ends the program.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let is_usage = |cause: &(dyn std::error::Error + 'static)| cause.is::<UsageError>() || cause.is::<QuotedError>();
        if error.chain().any(is_usage) { Exit::Usage } else { Exit::CouldNotRun }
    }

    /// How findings end it. `fail_on` is `None` for "never".
    pub(crate) fn for_findings(findings: &[Finding], fail_on: Option<Severity>) -> Self {
        let counts = |finding: &&Finding| finding.status == Status::Open && fail_on.is_some_and(|least| finding.severity >= least);
        if findings.iter().any(|finding| counts(&finding)) { Exit::Findings } else { Exit::Clean }
    }
}
