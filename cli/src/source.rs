//! What `report`, `findings` and `exceptions check` read findings from: a store, or the hub in AWS. What is made of them is the same.

#[cfg(feature = "aws")]
pub(crate) mod hub;
mod store;

use std::{collections::BTreeMap, path::Path};

use audit_core::{
    arn::AccountId,
    auditor::Selection,
    finding::Finding,
    report::{Report, Unreadable},
};
use audit_local::store::Store;

#[cfg(feature = "aws")]
use self::hub::Hub;
use crate::{
    args::{HubArgs, SourceArgs},
    console::Console,
    filter::Choices,
};

/// The store or the hub that findings are read from.
pub(crate) enum Source {
    Store(Box<Store>),
    #[cfg(feature = "aws")]
    Hub(Box<Hub>),
}

/// Findings that were read, in the order of reports.
pub(crate) struct Found {
    pub(crate) findings: Vec<Finding>,
    /// The items that could not be read.
    pub(crate) unreadable: Vec<Unreadable>,
    /// The number of findings of other accounts and Regions; `None` if these weren't read.
    pub(crate) others: Option<u64>,
}

/// A report about the selected accounts and Regions, whose findings aren't filtered yet.
pub(crate) struct Selected {
    pub(crate) report: Report,
    /// The number of findings of other accounts and Regions; `None` if these weren't read.
    pub(crate) others: Option<u64>,
    /// The source has never taken in a record, so that it has no findings proves nothing.
    pub(crate) is_empty: bool,
}

/// The names that exports write.
pub(crate) struct Names {
    /// The id of the organization, where it is known.
    pub(crate) organization: Option<String>,
    /// The names of accounts, where they are known.
    pub(crate) accounts: BTreeMap<AccountId, String>,
}

impl Source {
    /// Opens what the arguments name.
    pub(crate) fn open(args: &SourceArgs, console: Console) -> anyhow::Result<Self> {
        match &args.store {
            Some(path) => Self::store(path),
            None => Self::hub(&args.hub, console),
        }
    }

    /// Opens a store.
    pub(crate) fn store(path: &Path) -> anyhow::Result<Self> {
        Ok(Source::Store(Box::new(store::open(path)?)))
    }

    /// Finds the hub.
    #[cfg(feature = "aws")]
    pub(crate) fn hub(args: &HubArgs, console: Console) -> anyhow::Result<Self> {
        Ok(Source::Hub(Box::new(Hub::open(args, console)?)))
    }

    /// A build without the AWS SDK has no hub.
    #[cfg(not(feature = "aws"))]
    pub(crate) fn hub(_: &HubArgs, _: Console) -> anyhow::Result<Self> {
        Err(crate::commands::needs_aws("--hub"))
    }

    /// The accounts and Regions that occur in it.
    pub(crate) fn choices(&self) -> anyhow::Result<Choices> {
        match self {
            Source::Store(store) => store::choices(store),
            #[cfg(feature = "aws")]
            Source::Hub(hub) => Ok(hub.choices()),
        }
    }

    /// The findings of the selected accounts and Regions.
    pub(crate) fn findings(&self, selection: &Selection) -> anyhow::Result<Found> {
        match self {
            Source::Store(store) => store::findings(store, selection),
            #[cfg(feature = "aws")]
            Source::Hub(hub) => hub.findings(selection),
        }
    }

    /// The findings whose ids begin like this.
    pub(crate) fn findings_like(&self, id: &str) -> anyhow::Result<Found> {
        match self {
            Source::Store(store) => {
                let mut found = store::findings(store, &Selection::default())?;
                found.findings.retain(|finding| finding.id.starts_with(id));
                Ok(found)
            }
            #[cfg(feature = "aws")]
            Source::Hub(hub) => hub.findings_like(id),
        }
    }

    /// The report about the selected accounts and Regions.
    pub(crate) fn report(&self, selection: &Selection) -> anyhow::Result<Selected> {
        match self {
            Source::Store(store) => store::report(store, selection),
            #[cfg(feature = "aws")]
            Source::Hub(hub) => hub.report(selection),
        }
    }

    /// The names that exports write.
    pub(crate) fn names(&self) -> anyhow::Result<Names> {
        match self {
            Source::Store(store) => store::names(store),
            #[cfg(feature = "aws")]
            Source::Hub(hub) => Ok(hub.names()),
        }
    }
}

/// Returns whether the account and Region of a finding are selected.
fn is_selected(selection: &Selection, finding: &Finding) -> bool {
    selection.selects_account_region(&finding.account, &finding.region)
}
