//! Findings and lints in the formats that other tools read.
//!
//! | Module | Format | Who reads it |
//! |---|---|---|
//! | [`ocsf`] | Compliance Findings of the Open Cybersecurity Schema Framework | Security Lake, Splunk, Elastic |
//! | [`asff`] | the AWS Security Finding Format | Security Hub CSPM, DefectDojo |
//! | [`markdown`] | a summary in Markdown | pull requests, steps of CI |
//! | [`sarif`] | lints as SARIF 2.1.0 | code scanning, editors |
//! | [`junit`] | lints as JUnit's XML | CI systems |
//!
//! Each module turns findings into the documents of one format and writes nothing itself, so that the command line and the hub export the
//! same. [`resource`] and [`classification`] say of a finding what several formats ask for. Equal findings give equal documents; only
//! fields about the export itself, such as OCSF's `logged_time`, differ between two runs.

pub mod asff;
pub mod classification;
pub mod junit;
pub mod lints;
pub mod markdown;
pub mod ocsf;
pub mod resource;
pub mod sarif;
mod text;

use std::collections::BTreeMap;

use audit_core::{
    arn::AccountId,
    finding::Finding,
    organization::GLOBAL_REGION,
    report::{Report, Tool},
    timestamp::Timestamp,
};

/// What the documents of one export have in common: who made them, when, and what is known of the organization.
#[derive(Clone, Copy, Debug)]
pub struct Export<'r> {
    /// The program.
    pub tool: &'r Tool,
    /// The time of the export.
    pub generated_at: Timestamp,
    /// The id of the organization, where it is known.
    pub organization: Option<&'r str>,
    /// The names of accounts, where the organization is known.
    pub accounts: &'r BTreeMap<AccountId, String>,
    /// The Region of findings about the organization: [`resource::region_of_organization`].
    pub region_of_organization: &'static str,
}

impl Export<'_> {
    /// The Region that a finding is exported in.
    #[must_use]
    pub fn region_of<'f>(&self, finding: &'f Finding) -> &'f str {
        if *finding.region == *GLOBAL_REGION { self.region_of_organization } else { &finding.region }
    }
}

impl<'r> From<&'r Report> for Export<'r> {
    fn from(report: &'r Report) -> Self {
        Export {
            tool: &report.tool,
            generated_at: report.generated_at,
            organization: report.organization.as_deref(),
            accounts: &report.accounts,
            region_of_organization: resource::region_of_organization(&report.coverage, &report.findings),
        }
    }
}
