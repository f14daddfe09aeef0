//! What commands read besides records, and which calls and findings they select.

use std::path::PathBuf;

use audit_core::{
    auditor::Selection,
    finding::{Finding, Status},
    report::Filter,
    severity::Severity,
    timestamp::Timestamp,
};
use clap::Args;

use super::values::{TimeOrAge, rule, severity, status, time_or_age, timestamp};
use crate::{
    console::Console,
    filter::{Choices, resolve_regions},
};

/// What findings rest on besides records.
#[derive(Args, Debug)]
pub(crate) struct BasisArgs {
    /// Folder of AWS API responses: the state that verdicts rest on
    #[arg(long, value_name = "DIR")]
    pub(crate) world: Option<PathBuf>,

    /// What the team requires and excepts [default: guardrail-audit.toml, if it lies in this folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Use no configuration, though guardrail-audit.toml lies in this folder
    #[arg(long, conflicts_with = "config")]
    pub(crate) no_config: bool,

    /// "Now", for the end dates of exceptions [default: the time of the run]
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    pub(crate) now: Option<Timestamp>,
}

/// Which calls to look at.
#[derive(Args, Debug)]
pub(crate) struct SelectionArgs {
    /// Only calls at or after this time: RFC 3339, a date, or how long ago it is (7d, 36h)
    #[arg(long, value_name = "TIME", value_parser = time_or_age)]
    since: Option<TimeOrAge>,

    /// Only calls before this time
    #[arg(long, value_name = "TIME", value_parser = time_or_age)]
    until: Option<TimeOrAge>,

    /// Only calls of these accounts: ids, or names that only one has
    #[arg(long, value_name = "ACCOUNT", value_delimiter = ',')]
    account: Vec<String>,

    /// Only calls in these Regions
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    region: Vec<String>,
}

impl SelectionArgs {
    /// Returns the selection, with accounts and Regions resolved against what was read, and ages counted back from `now`.
    pub(crate) fn selection(&self, choices: &Choices, now: Timestamp, console: Console) -> Selection {
        let resolve = |option: &str, given: Option<TimeOrAge>| {
            let time = given?.before(now);
            if matches!(given, Some(TimeOrAge::Age(_))) {
                console.note(format_args!("--{option} is {time}"));
            }
            Some(time)
        };
        Selection {
            accounts: choices.resolve_accounts(&self.account, console),
            regions: resolve_regions(&self.region),
            since: resolve("since", self.since),
            until: resolve("until", self.until),
        }
    }
}

/// Which findings to look at.
#[derive(Args, Debug)]
pub(crate) struct FindingFilter {
    /// Only findings of this status
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<Status>,
    /// Only findings of at least this severity
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    severity: Option<Severity>,
    /// Only findings of these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = rule)]
    rule: Vec<String>,
    /// Only findings of these accounts: ids, or names that only one has
    #[arg(long, value_name = "ACCOUNT", value_delimiter = ',')]
    account: Vec<String>,
    /// Only findings of these Regions
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    region: Vec<String>,
}

impl FindingFilter {
    /// Returns the selected accounts and Regions, resolved against what was read.
    pub(crate) fn selection(&self, choices: &Choices, console: Console) -> Selection {
        Selection {
            accounts: choices.resolve_accounts(&self.account, console),
            regions: resolve_regions(&self.region),
            ..Selection::default()
        }
    }

    /// Whether a finding passes that belongs to a selected account and Region.
    pub(crate) fn passes(&self, finding: &Finding) -> bool {
        self.status.is_none_or(|status| finding.status == status)
            && self.severity.is_none_or(|least| finding.severity >= least)
            && (self.rule.is_empty() || self.rule.contains(&finding.rule))
    }

    /// Returns the filter as reports name it.
    pub(crate) fn to_filter(&self, selection: &Selection) -> Filter {
        Filter { severity: self.severity, status: self.status, rules: self.rule.clone(), ..filter_of(selection) }
    }
}

/// Converts a selection to the filter that reports name.
pub(crate) fn filter_of(selection: &Selection) -> Filter {
    Filter {
        accounts: selection.accounts.iter().cloned().collect(),
        regions: selection.regions.iter().cloned().collect(),
        since: selection.since,
        until: selection.until,
        ..Filter::default()
    }
}
