//! Findings in the AWS Security Finding Format, which Security Hub CSPM imports: requests of `BatchImportFindings`.
//!
//! Security Hub takes a finding only from the account that the finding's `AwsAccountId` names, and in the Region of its `ProductArn`
//! (docs/aws/prices-and-limits.md#security-hub). So each request holds findings of one account and one Region.

mod document;

use std::collections::BTreeMap;

use audit_core::{
    arn::partition_of,
    finding::Finding,
    organization::{GLOBAL_REGION, global_region_of},
};
use document::{Document, MOST_ID, MOST_NOTE};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{Export, text::cut};

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
    /// The same, in one Region. The Region that a finding is about stands beside its resources.
    AccountRegion {
        /// The account.
        account: String,
        /// The Region.
        region: String,
    },
    /// Each account imports its own findings.
    Member,
}

impl Importer {
    pub(crate) fn account_of<'f>(&'f self, finding: &'f Finding) -> &'f str {
        match self {
            Importer::Account(account) | Importer::AccountRegion { account, .. } => account,
            Importer::Member => &finding.account,
        }
    }

    pub(crate) fn region_of<'f>(&'f self, finding: &'f Finding, export: &Export<'_>) -> &'f str {
        match self {
            Importer::AccountRegion { region, .. } => region,
            Importer::Account(_) | Importer::Member => export.region_of(finding),
        }
    }

    /// The Region of findings about the organization, which is of the partition that findings are imported in.
    #[must_use]
    pub fn region_of_organization(&self) -> &'static str {
        match self {
            Importer::AccountRegion { region, .. } => global_region_of(partition_of(region)),
            Importer::Account(_) | Importer::Member => GLOBAL_REGION,
        }
    }
}

/// The ARN of the product by whose name an account imports findings of its own making in a Region. Every account has one.
#[must_use]
pub fn default_product(account: &str, region: &str) -> String {
    format!("arn:{}:securityhub:{region}:{account}:product/{account}/default", partition_of(region))
}

/// The `Id` under which Security Hub has a finding.
#[must_use]
pub fn finding_id(id: &str) -> String {
    cut(&format!("guardrail-audit/{id}"), MOST_ID).into_owned()
}

/// The note beside a finding that an exception suppresses: who accepts it, until when and why.
#[must_use]
pub fn note(finding: &Finding) -> Option<String> {
    finding.suppression.as_ref().map(|suppression| cut(&suppression.to_string(), MOST_NOTE).into_owned())
}

/// What a request says of a finding.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'f> {
    /// Security Hub may not have it yet: its workflow status and its note go with it.
    Created(&'f Finding),
    /// Security Hub has it. The workflow status and the note are left to the people who investigate it there.
    Updated(&'f Finding),
    /// Security Hub has it, and the facts, judged again, no longer give it. It is archived, and has not passed: nothing shows that.
    Withdrawn(&'f Finding),
}

impl<'f> Entry<'f> {
    /// The finding.
    #[must_use]
    pub const fn finding(self) -> &'f Finding {
        match self {
            Entry::Created(finding) | Entry::Updated(finding) | Entry::Withdrawn(finding) => finding,
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
    requests_of(findings.iter().map(Entry::Created), export, importer)
}

/// The same, with what is known of each finding in Security Hub.
///
/// # Errors
///
/// As [`requests`].
pub fn requests_of<'f>(
    entries: impl IntoIterator<Item = Entry<'f>>,
    export: &'f Export<'f>,
    importer: &'f Importer,
) -> impl Iterator<Item = serde_json::Result<String>> + 'f {
    let mut by_account_region: BTreeMap<(&str, &str), Vec<Entry<'f>>> = BTreeMap::new();
    for entry in entries {
        let finding = entry.finding();
        by_account_region.entry((importer.account_of(finding), importer.region_of(finding, export))).or_default().push(entry);
    }
    by_account_region.into_values().flat_map(move |entries| Requests { entries: entries.into_iter(), next: None, export, importer })
}

/// The requests of one account and Region.
struct Requests<'f> {
    entries: std::vec::IntoIter<Entry<'f>>,
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
                None => match self.entries.next() {
                    Some(entry) => document(entry, self.export, self.importer)?,
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
fn document(entry: Entry<'_>, export: &Export<'_>, importer: &Importer) -> serde_json::Result<Box<RawValue>> {
    let whole = serde_json::value::to_raw_value(&Document::of(entry, export, importer))?;
    if whole.get().len() <= MOST_FINDING_BYTES {
        return Ok(whole);
    }
    serde_json::value::to_raw_value(&Document::of(entry, export, importer).without_long_texts())
}
