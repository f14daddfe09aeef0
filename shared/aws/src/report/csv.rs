//! Findings and the scoreboard as CSV.

use audit_core::{
    report::{
        columns::{self, Column},
        csv::{self, LineEnding},
    },
    severity::Severity,
};

use super::scoreboard::Score;
use crate::{
    error::{CallError, ErrorKind},
    findings::Stored,
};

/// The columns of findings. The hub's own column `basis` stands before the last one.
const COLUMNS: &[Column] = &[
    columns::ID,
    columns::RULE,
    columns::SEVERITY,
    columns::STATUS,
    columns::ACCOUNT,
    columns::REGION,
    columns::RESOURCE,
    columns::TITLE,
    columns::DETAIL,
    columns::PRINCIPALS,
    columns::MODELS,
    columns::COUNT,
    columns::FIRST_SEEN,
    columns::LAST_SEEN,
    columns::REOPENED,
];
const LAST_COLUMN: Column = columns::REMEDIATION;

/// Findings as CSV, a line for each, with the line ends of RFC 4180.
pub(super) fn findings_csv(all: &[Stored]) -> Result<String, CallError> {
    let heading = COLUMNS.iter().map(|column| column.heading).chain(["basis", LAST_COLUMN.heading]);
    let row = |stored: &Stored| {
        let cell = |column: &Column| (column.cell)(&stored.finding).into_owned();
        let basis = serde_json::to_value(stored.basis).ok().and_then(|basis| basis.as_str().map(str::to_owned)).unwrap_or_default();
        COLUMNS.iter().map(cell).chain([basis, cell(&LAST_COLUMN)]).collect::<Vec<_>>()
    };
    csv::text(LineEnding::CrLf, heading, all.iter().map(row)).map_err(not_written)
}

/// The scoreboard as CSV, a line for each account.
pub(super) fn scoreboard_csv(scores: &[Score]) -> Result<String, CallError> {
    let rows = scores.iter().map(|score| {
        let open = |severity: Severity| score.open.get(severity.as_str()).copied().unwrap_or(0).to_string();
        let [informational, low, medium, high, critical] = Severity::ALL.map(open);
        let (rank, account, weighed) = (score.rank.to_string(), score.account.clone(), score.score.to_string());
        let (bypasses, modifications) = (score.bypasses.to_string(), score.modifications.to_string());
        let since = score.not_judged_since.map(|since| since.to_string()).unwrap_or_default();
        [rank, account, weighed, bypasses, modifications, critical, high, medium, low, informational, since]
    });
    let heading =
        ["rank", "account", "score", "bypasses", "modifications", "critical", "high", "medium", "low", "informational", "not_judged_since"];
    csv::text(LineEnding::CrLf, heading, rows).map_err(not_written)
}

fn not_written(error: std::io::Error) -> CallError {
    CallError::new("write a table as CSV", ErrorKind::Refused, error)
}
