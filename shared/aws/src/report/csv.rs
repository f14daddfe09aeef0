//! Findings and the scoreboard as CSV.

use audit_core::{
    report::csv::{self, LineEnding},
    severity::Severity,
    timestamp::Timestamp,
};

use super::scoreboard::Score;
use crate::{
    error::{CallError, ErrorKind},
    findings::Stored,
};

/// A table as CSV, with the line ends of RFC 4180.
fn csv_of<const N: usize>(heading: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Result<String, CallError> {
    let failed = |error| CallError::new("write a table as CSV", ErrorKind::Refused, error);
    csv::text(LineEnding::CrLf, heading, rows).map_err(failed)
}

/// Findings as CSV, a line for each.
pub(super) fn findings_csv(all: &[Stored]) -> Result<String, CallError> {
    let header = [
        "id",
        "rule",
        "severity",
        "status",
        "account",
        "region",
        "resource",
        "title",
        "detail",
        "principals",
        "models",
        "count",
        "first_seen",
        "last_seen",
        "reopened",
        "basis",
        "remediation",
    ];
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    csv_of(
        header,
        all.iter().map(|stored| {
            let finding = &stored.finding;
            [
                finding.id.clone(),
                finding.rule.clone(),
                finding.severity.to_string(),
                finding.status.as_str().to_owned(),
                finding.account.to_string(),
                finding.region.to_string(),
                finding.resource.clone(),
                finding.title.clone(),
                finding.detail.clone(),
                finding.principals.to_string(),
                finding.models.to_string(),
                finding.count.to_string(),
                time(finding.first_seen),
                time(finding.last_seen),
                finding.reopened.to_string(),
                serde_json::to_value(stored.basis).ok().and_then(|basis| basis.as_str().map(str::to_owned)).unwrap_or_default(),
                finding.remediation.clone(),
            ]
        }),
    )
}

/// The scoreboard as CSV, a line for each account.
pub(super) fn scoreboard_csv(scores: &[Score]) -> Result<String, CallError> {
    let rows = scores.iter().map(|score| {
        let open = |severity: Severity| score.open.get(severity.as_str()).copied().unwrap_or(0).to_string();
        let [informational, low, medium, high, critical] = Severity::ALL.map(open);
        let (rank, account, weighed) = (score.rank.to_string(), score.account.clone(), score.score.to_string());
        let (bypasses, modifications) = (score.bypasses.to_string(), score.modifications.to_string());
        [rank, account, weighed, bypasses, modifications, critical, high, medium, low, informational]
    });
    csv_of(["rank", "account", "score", "bypasses", "modifications", "critical", "high", "medium", "low", "informational"], rows)
}
