//! The report of a run, with what was read and what was found. [`v1`] is its form in JSON, which is versioned apart from these types.

pub mod columns;
pub mod csv;
pub mod headline;
mod timeline;
pub mod v1;

use std::{cmp::Reverse, collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

pub use self::timeline::{DayRow, OTHERS, TimelineRow, timeline};
use crate::{
    arn::{AccountId, Region},
    config::{Configuration, Day, Exception},
    finding::{Finding, Status},
    missing_evidence::MissingEvidence,
    severity::Severity,
    timestamp::Timestamp,
    verdict::{Grade, Invocations, Reason, Verdict},
};

/// A report, before it is written in one of the output formats.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The program that made it.
    pub tool: Tool,
    /// The time at which it was made.
    pub generated_at: Timestamp,
    /// The limits of what it covers; `None` if there are none.
    pub filter: Option<Filter>,
    /// The reasons why the absence of findings proves nothing: no record was read, or none of the selected accounts, Regions or times.
    pub incomplete: Vec<String>,
    /// The number of records that were read, by what became of them.
    pub records: Records,
    /// The number of calls by verdict.
    pub invocations: Invocations,
    /// The number of calls by account, Region, model, operation, verdict, grade and reason.
    pub coverage: Vec<CoverageRow>,
    /// The number of calls by day, account, verdict and grade: [`timeline()`] of the same calls.
    pub timeline: Vec<TimelineRow>,
    /// The evidence that is missing, by account and Region.
    pub blind: Vec<BlindRow>,
    /// The findings, in the order of [`Audit`](crate::auditor::Audit).
    pub findings: Vec<Finding>,
    /// The first files and records that could not be read, at most [`UNREADABLE_NAMED`].
    pub unreadable: Vec<Unreadable>,
    /// The id of the organization (`o-…`), where it is known.
    pub organization: Option<String>,
    /// The names of accounts, where the organization is known.
    pub accounts: BTreeMap<AccountId, String>,
    /// The names of the OUs above each account, the outermost first and without the root, where the organization is known.
    pub units: BTreeMap<AccountId, Vec<String>>,
    /// Whether no state was given at all, so that hardly a call can be proved.
    pub is_without_world: bool,
    /// The configuration file that was used; `None` if there was none.
    pub configuration: Option<ConfigurationFile>,
    /// What holds the evidence behind it; `None` if nothing was kept.
    pub origin: Option<Origin>,
}

/// What holds the evidence behind a report, for the command that explains a finding of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The store at this path, as it was given.
    Store(String),
    /// The hub in AWS.
    Hub,
}

/// A configuration file, as a report names it: its exceptions suppress findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationFile {
    /// Its path, as it was given or found.
    pub path: String,
    /// Whether it was found in the working folder, and not given.
    pub was_found: bool,
    /// Its exceptions, in the order of the file, also those that ended or suppress nothing.
    pub exceptions: Vec<StatedException>,
}

/// An exception, as a report states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedException {
    /// The id of the rule whose findings are accepted.
    pub rule: String,
    /// The ids of the accounts, OUs and roots; `*` means all.
    pub accounts: Vec<String>,
    /// The Regions; empty means all.
    pub regions: Vec<String>,
    /// The ARNs of roles and users; empty means all.
    pub principals: Vec<String>,
    /// The last day on which it holds.
    pub until: Day,
    /// Why the findings are accepted.
    pub reason: String,
    /// The person or team that answers for it.
    pub owner: String,
    /// The ticket in which it was decided.
    pub ticket: Option<String>,
}

impl ConfigurationFile {
    /// States a configuration that was read from a file.
    #[must_use]
    pub fn new(path: String, was_found: bool, configuration: &Configuration) -> Self {
        let stated = |exception: &Exception| StatedException {
            rule: exception.rule.clone(),
            accounts: exception.accounts.names().map(str::to_owned).collect(),
            regions: exception.regions.iter().map(ToString::to_string).collect(),
            principals: exception.principals.iter().map(wildmatch::WildMatch::pattern).collect(),
            until: exception.until,
            reason: exception.reason.clone(),
            owner: exception.owner.clone(),
            ticket: exception.ticket.clone(),
        };
        ConfigurationFile { path, was_found, exceptions: configuration.exceptions.iter().map(stated).collect() }
    }
}

/// The findings for a list that has room for the first of them only: open ones first, then by severity, then those with most calls or changes.
/// The order of [`Report::findings`] tells findings of one severity apart by their accounts, and its first hundred are whoever has a low
/// account id.
#[must_use]
pub fn worst_first(findings: &[Finding]) -> Vec<&Finding> {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| (finding.status, Reverse((finding.severity, finding.count))));
    sorted
}

/// Files and records that could not be read and that a report names at most.
pub const UNREADABLE_NAMED: usize = 1000;

/// The limits of a report. Accounts, times and findings beyond them are absent from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these accounts; empty means all. The same goes for the other lists.
    pub accounts: Vec<AccountId>,
    /// Only these Regions.
    pub regions: Vec<Region>,
    /// Only calls at or after this time.
    pub since: Option<Timestamp>,
    /// Only calls before this time.
    pub until: Option<Timestamp>,
    /// Only findings of at least this severity.
    pub severity: Option<Severity>,
    /// Only findings of this status.
    pub status: Option<Status>,
    /// Only findings of these rules.
    pub rules: Vec<String>,
    /// The number of findings that these limits leave out, if it is known.
    pub left_out: Option<u64>,
}

impl Filter {
    /// Whether there are no limits.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        Filter { left_out: None, ..self.clone() } == Filter::default()
    }

    /// Whether calls are left out, and with them their findings.
    #[must_use]
    pub fn limits_calls(&self) -> bool {
        !self.accounts.is_empty() || !self.regions.is_empty() || self.since.is_some() || self.until.is_some()
    }

    /// Whether findings are left out by what they are. All calls of the selected accounts, Regions and times are counted nevertheless.
    #[must_use]
    pub fn limits_findings(&self) -> bool {
        self.severity.is_some() || self.status.is_some() || !self.rules.is_empty()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one_of = |what: &str, names: &[&str]| match names {
            [] => None,
            [name] => Some(format!("{what} {name}")),
            names => Some(format!("{what}s {}", names.join(", "))),
        };
        let rules: Vec<&str> = self.rules.iter().map(String::as_str).collect();
        let parts = [
            one_of("account", &self.accounts.iter().map(AccountId::as_str).collect::<Vec<_>>()),
            one_of("Region", &self.regions.iter().map(Region::as_str).collect::<Vec<_>>()),
            self.since.map(|since| format!("calls since {since}")),
            self.until.map(|until| format!("calls until {until}")),
            self.severity.map(|severity| format!("findings of severity {severity} or worse")),
            self.status.map(|status| format!("findings of status {}", status.as_str())),
            one_of("rule", &rules).map(|rules| format!("findings of {rules}")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// The program that made a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Its name, `guardrail-audit`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The numbers of records that were read. Each record is counted once: `read` is the sum of `judged`, `ignored` and `unreadable`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// All records.
    pub read: u64,
    /// Calls, evaluations, invocation logs and changes that were used, without copies.
    pub judged: u64,
    /// Records that were read and not used.
    pub ignored: u64,
    /// Records that could not be read.
    pub unreadable: u64,
    /// Copies of records that were used; a part of `ignored`.
    pub duplicates: u64,
    /// The number of ignored records by the reason.
    pub ignored_because: BTreeMap<String, u64>,
    /// The number of files in the given folders that are no logs, by kind. They hold no records, so they aren't part of `read`.
    pub left_out: BTreeMap<String, u64>,
}

/// The number of calls with equal verdicts. There can be tens of thousands of rows, so their texts are shared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CoverageRow {
    /// The account that made the calls.
    pub account: AccountId,
    /// The Region that was called.
    pub region: Region,
    /// The id of the foundation model, or else the id or ARN that was called.
    pub model: Arc<str>,
    /// The operation.
    pub api: Arc<str>,
    /// The verdict.
    pub verdict: Verdict,
    /// The grade of the evidence behind the verdict.
    pub grade: Grade,
    /// The reason, if the verdict is a violation.
    pub reason: Option<Reason>,
    /// The number of calls.
    pub count: u64,
}

impl CoverageRow {
    /// Whether the rows are equal except for their counts.
    #[must_use]
    pub fn is_like(&self, other: &CoverageRow) -> bool {
        let key = |row: &CoverageRow| (row.verdict, row.grade, row.reason);
        (&self.account, &self.region, &self.model, &self.api, key(self))
            == (&other.account, &other.region, &other.model, &other.api, key(other))
    }
}

/// The calls of an account and Region in an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourRow {
    /// The hour, counted since 1970; `None` for calls whose records have no time.
    pub hour: Option<i64>,
    /// The account that made the calls.
    pub account: AccountId,
    /// The Region that was called.
    pub region: Region,
    /// The calls by model, operation, verdict, grade and reason.
    pub coverage: Vec<CoverageRow>,
}

/// A kind of evidence that is missing for an account and Region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlindRow {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// The kind of evidence.
    pub missing: MissingEvidence,
    /// An instruction that makes the evidence available.
    #[serde(default)]
    pub remedy: String,
}

/// A file or record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unreadable {
    /// The path or address of the file.
    pub file: String,
    /// The number of the record in the file, from 1; `None` if the file itself could not be read.
    pub record: Option<u64>,
    /// Why it could not be read.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_says_what_it_leaves_in() {
        let time = Timestamp::parse("2026-11-01T00:00:00Z");
        let filter = Filter {
            accounts: vec!["222233334444".into()],
            regions: vec!["us-east-1".into(), "eu-west-1".into()],
            since: time,
            severity: Some(Severity::Critical),
            rules: vec!["api-not-covered".to_owned()],
            ..Filter::default()
        };
        assert_eq!(
            filter.to_string(),
            "account 222233334444, Regions us-east-1, eu-west-1, calls since 2026-11-01T00:00:00Z, findings of severity CRITICAL or worse, \
             findings of rule api-not-covered"
        );
        assert!(!filter.is_everything() && Filter { left_out: Some(0), ..Filter::default() }.is_everything());
    }
}
