//! The exit codes of the program (README.md#exit-codes).

use std::process::ExitCode;

use audit_core::{
    finding::{Finding, Status},
    severity::Severity,
};

/// The outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// There is nothing to report.
    Clean,
    /// The program could not run.
    CouldNotRun,
    /// The arguments or the configuration can't be understood.
    Usage,
    /// Something is wrong with what was looked at: open findings at or above the severity of `--fail-on`, or what the command looks for, such
    /// as an altered file of a bundle.
    Findings,
    /// Only with `--strict`: nothing was read, something could not be read, or some evidence is missing.
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

/// An error in the arguments or the configuration.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// An error in a file that the user wrote, with the lines around it. It is the only error that is shown in several lines.
#[derive(Debug)]
pub(crate) struct QuotedError(pub(crate) String);

impl std::fmt::Display for QuotedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for QuotedError {}

impl Exit {
    /// Returns the outcome for an error.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let is_usage = |cause: &(dyn std::error::Error + 'static)| cause.is::<UsageError>() || cause.is::<QuotedError>();
        if error.chain().any(is_usage) { Exit::Usage } else { Exit::CouldNotRun }
    }

    /// Returns the outcome for findings. `fail_on` is `None` for "never".
    pub(crate) fn for_findings(findings: &[Finding], fail_on: Option<Severity>) -> Self {
        let counts = |finding: &&Finding| finding.status == Status::Open && fail_on.is_some_and(|least| finding.severity >= least);
        if findings.iter().any(|finding| counts(&finding)) { Exit::Findings } else { Exit::Clean }
    }
}
