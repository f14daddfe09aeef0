//! Findings in the AWS Security Finding Format, which Security Hub CSPM imports: requests of `BatchImportFindings`.
//!
//! Security Hub takes a finding only from the account that the finding's `AwsAccountId` names, and in the Region of its `ProductArn`
//! (docs/aws/prices-and-limits.md#security-hub). So each request holds findings of one account and one Region.

mod document;

use std::collections::BTreeMap;

use audit_core::finding::Finding;
use document::Document;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::Export;

/// Findings that one request holds at most (docs/aws/prices-and-limits.md#security-hub).
pub const MOST_FINDINGS: usize = 100;

/// Bytes that one finding has at most (docs/aws/prices-and-limits.md#security-hub).
pub const MOST_FINDING_BYTES: usize = 240 * 1024;

/// Bytes that one request has at most (docs/aws/prices-and-limits.md#security-hub).
pub const MOST_REQUEST_BYTES: usize = 6 * 1024 * 1024;

/// Resources that one finding has at most (docs/aws/prices-and-limits.md#security-hub).
pub const MOST_RESOURCES: usize = 32;

/// The account that imports findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Importer {
    /// One account imports the findings of all, such as the one that the hub runs in. The account that a finding is about stands among its
    /// resources.
    Account(String),
    /// Each account imports its own findings.
    Member,
}

impl Importer {
    pub(crate) fn account_of<'f>(&'f self, finding: &'f Finding) -> &'f str {
        match self {
            Importer::Account(account) => account,
            Importer::Member => &finding.account,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'r> {
    findings: &'r [Box<RawValue>],
}

/// The requests that import findings, as JSON, ordered by account and Region. Each is made when it is asked for.
///
/// # Errors
///
/// An item is an error if a finding can't be written as JSON, which doesn't happen.
pub fn requests<'f>(
    findings: &'f [Finding],
    export: &'f Export<'f>,
    importer: &'f Importer,
) -> impl Iterator<Item = serde_json::Result<String>> + 'f {
    let mut by_account_region: BTreeMap<(&str, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_account_region.entry((importer.account_of(finding), &finding.region)).or_default().push(finding);
    }
    by_account_region.into_values().flat_map(move |findings| Requests { findings: findings.into_iter(), next: None, export, importer })
}

/// The requests of one account and Region.
struct Requests<'f> {
    findings: std::vec::IntoIter<&'f Finding>,
    /// A finding that the last request had no room for.
    next: Option<Box<RawValue>>,
    export: &'f Export<'f>,
    importer: &'f Importer,
}

impl Requests<'_> {
    fn fill(&mut self) -> serde_json::Result<Option<String>> {
        let mut request = Vec::new();
        let mut bytes = 0;
        while request.len() < MOST_FINDINGS {
            let finding = match self.next.take() {
                Some(finding) => finding,
                None => match self.findings.next() {
                    Some(finding) => document(finding, self.export, self.importer)?,
                    None => break,
                },
            };
            bytes += finding.get().len() + 1;
            if bytes > MOST_REQUEST_BYTES - 1024 && !request.is_empty() {
                self.next = Some(finding);
                break;
            }
            request.push(finding);
        }
        if request.is_empty() { Ok(None) } else { serde_json::to_string(&Request { findings: &request }).map(Some) }
    }
}

impl Iterator for Requests<'_> {
    type Item = serde_json::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fill().transpose()
    }
}

/// A finding as JSON. One that is too large goes without the texts that only repeat others in full.
fn document(finding: &Finding, export: &Export<'_>, importer: &Importer) -> serde_json::Result<Box<RawValue>> {
    let whole = serde_json::value::to_raw_value(&Document::of(finding, export, importer))?;
    if whole.get().len() <= MOST_FINDING_BYTES {
        return Ok(whole);
    }
    serde_json::value::to_raw_value(&Document::of(finding, export, importer).without_long_texts())
}
