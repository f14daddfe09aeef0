//! The result of a run. What programs read of it is [`v1`].

pub mod csv;
pub mod v1;

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    arn::{AccountId, Region},
    finding::{Finding, Status},
    missing_evidence::MissingEvidence,
    severity::Severity,
    timestamp::Timestamp,
    verdict::{Grade, Invocations, Reason, Verdict},
};

/// A whole report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What made it.
    pub tool: Tool,
    /// When.
    pub generated_at: Timestamp,
    /// What it is limited to; absent if it is about everything.
    pub filter: Option<Filter>,
    /// Why nobody should rest on it: nothing was read, or there is nothing of what was asked for.
    pub incomplete: Vec<String>,
    /// What was read.
    pub records: Records,
    /// The calls, by verdict.
    pub invocations: Invocations,
    /// The calls, by all that a verdict says.
    pub coverage: Vec<CoverageRow>,
    /// What could not be seen.
    pub blind: Vec<BlindRow>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be read: the first thousand.
    pub unreadable: Vec<Unreadable>,
    /// The names of accounts, where the organization is known.
    pub accounts: BTreeMap<AccountId, String>,
}

/// What a report is limited to. It says nothing about the rest.
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
    /// How many findings are left out, where that is known.
    pub left_out: Option<u64>,
}

impl Filter {
    /// Whether it leaves nothing out.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        Filter { left_out: None, ..self.clone() } == Filter::default()
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

/// What made a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// `guardrail-audit`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Every record that was read is accounted for: read = judged + ignored + unreadable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// All.
    pub read: u64,
    /// Calls, evidence and changes, each once.
    pub judged: u64,
    /// The others.
    pub ignored: u64,
    /// What could not be read.
    pub unreadable: u64,
    /// Copies of calls and evidence that were read already; a part of `ignored`.
    pub duplicates: u64,
    /// Why records were ignored.
    pub ignored_because: BTreeMap<String, u64>,
    /// Files in folders that were looked at and are no logs, by kind. They hold no records, so they count as none.
    pub left_out: BTreeMap<String, u64>,
}

/// Calls that were judged alike. There can be tens of thousands, so their texts are shared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CoverageRow {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// With which model: the bare id of a foundation model, else what was called.
    pub model: Arc<str>,
    /// By which operation.
    pub api: Arc<str>,
    /// The verdict.
    pub verdict: Verdict,
    /// What it rests on.
    pub grade: Grade,
    /// Of a violation, why.
    pub reason: Option<Reason>,
    /// How many.
    pub count: u64,
}

impl CoverageRow {
    /// Whether only the counts differ.
    #[must_use]
    pub fn is_like(&self, other: &CoverageRow) -> bool {
        let key = |row: &CoverageRow| (row.verdict, row.grade, row.reason);
        (&self.account, &self.region, &self.model, &self.api, key(self))
            == (&other.account, &other.region, &other.model, &other.api, key(other))
    }
}

/// Something that could not be seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlindRow {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// What.
    pub missing: MissingEvidence,
    /// How to see it.
    #[serde(default)]
    pub remedy: String,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unreadable {
    /// The file.
    pub file: String,
    /// The number of the record in it, from 1; absent if it is the file itself.
    pub record: Option<u64>,
    /// Why.
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
