//! The hub in AWS, as commands read it.

use std::{collections::BTreeSet, convert::Infallible, sync::atomic::Ordering, time::Duration};

use anyhow::Context as _;
use audit_aws::{
    error::CallError,
    fold::Basis,
    hub::{self, Address, Read},
    partition::AccountRegion,
};
use audit_core::{arn::AccountId, auditor::Selection, finding::Finding, organization::Organization};
use tokio::runtime::{Builder, Runtime};

use super::{Found, Names, Selected, is_selected};
use crate::{
    args::{AddressArgs, HubArgs},
    console::Console,
    filter::Choices,
};

/// The hub, with what every command needs of it.
pub(crate) struct Hub {
    runtime: Runtime,
    hub: hub::Hub,
    account_regions: BTreeSet<AccountRegion>,
    organization: Option<Organization>,
    console: Console,
}

impl Hub {
    pub(crate) fn open(args: &HubArgs, console: Console) -> anyhow::Result<Self> {
        let runtime = runtime()?;
        let HubArgs { profile, hub_region: region, findings_table, notes_table, observations_table, world_bucket, .. } = args;
        let address = Address {
            profile: profile.clone(),
            region: region.clone(),
            findings_table: findings_table.clone(),
            notes_table: notes_table.clone(),
            observations_table: observations_table.clone(),
            world_bucket: world_bucket.clone(),
        };
        let hub = runtime.block_on(hub::Hub::open(address))?;
        let account_regions = runtime.block_on(hub.account_regions()).map_err(|error| elsewhere(error, &hub))?;
        let organization = runtime.block_on(hub.organization()).unwrap_or_else(|error| {
            let why = format!("{:#}", anyhow::Error::from(error));
            console.warn(format_args!("accounts are shown without their names: {why}"));
            None
        });
        Ok(Hub { runtime, hub, account_regions, organization, console })
    }

    pub(crate) fn choices(&self) -> Choices {
        let read = self.account_regions.iter().map(|of| (AccountId::from(of.account.as_str()), of.region.as_str().into()));
        Choices::default().and_named(self.names().accounts).and_read(read, None)
    }

    pub(super) fn names(&self) -> Names {
        let organization = self.organization.as_ref();
        let accounts = organization.into_iter().flat_map(|organization| organization.accounts.iter());
        Names {
            organization: organization.and_then(|organization| organization.id.clone()),
            accounts: accounts.map(|(id, account)| (id.clone(), account.name.clone())).collect(),
        }
    }

    /// The accounts that are selected. What others hold isn't read.
    fn accounts(&self, selection: &Selection) -> BTreeSet<String> {
        let all = self.account_regions.iter().map(|account_region| account_region.account.clone());
        all.filter(|account| selection.accounts.is_empty() || selection.accounts.contains(account.as_str())).collect()
    }

    pub(super) fn findings(&self, selection: &Selection) -> anyhow::Result<Found> {
        let mut found = self.wait(self.hub.findings(self.accounts(selection), None))?;
        self.console.unreadable(&found.unreadable, found.unreadable.len() as u64);
        let others = keep_selected(&mut found.read, selection);
        Ok(Found { findings: found.read, unreadable: found.unreadable, others })
    }

    pub(crate) fn findings_like(&self, id: &str) -> anyhow::Result<Found> {
        // DynamoDB has no keys that begin with nothing.
        let prefix = Some(id).filter(|id| !id.is_empty());
        let found = self.wait(self.hub.findings(self.accounts(&Selection::default()), prefix))?;
        self.console.unreadable(&found.unreadable, found.unreadable.len() as u64);
        Ok(Found { findings: found.read, unreadable: found.unreadable, others: Some(0) })
    }

    pub(super) fn report(&self, selection: &Selection) -> anyhow::Result<Selected> {
        let accounts = self.accounts(selection);
        let mut others = None;
        let mut report = self.wait(async {
            let mut findings: Read<Finding> = self.hub.findings(accounts.clone(), None).await?;
            others = keep_selected(&mut findings.read, selection);
            let mut blind = self.hub.blind(accounts).await?;
            blind.read.retain(|row| selection.selects_account_region(&row.account, &row.region));
            let is_selected =
                |of: &&AccountRegion| selection.selects_account_region(&of.account.as_str().into(), &of.region.as_str().into());
            let selected = self.account_regions.iter().filter(is_selected).cloned().collect();
            self.hub.report(selected, findings, blind, self.organization.clone()).await
        })?;
        self.console.unreadable(&report.unreadable, report.unreadable.len() as u64);
        let is_empty = self.account_regions.is_empty();
        if is_empty {
            report.incomplete = vec![format!("nothing was ever reported to this hub: {} is empty", self.hub.place())];
        }
        Ok(Selected { report, others, is_empty })
    }

    /// Reads what the findings of an account rest on: its facts, the world and the configuration.
    pub(crate) fn basis(&self, account: &AccountId) -> Result<Basis, CallError> {
        self.runtime.block_on(self.showing(self.hub.basis(account.as_str())))
    }

    /// Hands each file of the world to `take`, with its path in it.
    pub(crate) fn each_world_file(&self, mut take: impl FnMut(&str, &[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        for path in self.wait(self.hub.world_files())? {
            if let Some(content) = self.wait(self.hub.world_file(&path))? {
                take(&path, &content)?;
            }
        }
        Ok(())
    }

    fn wait<T>(&self, future: impl Future<Output = Result<T, CallError>>) -> anyhow::Result<T> {
        Ok(self.runtime.block_on(self.showing(future))?)
    }

    /// Shows on a terminal how far reading is.
    async fn showing<T>(&self, future: impl Future<Output = T>) -> T {
        let progress = self.hub.progress();
        let shown = async {
            let spinner = self.console.spinner();
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let (done, all) = (progress.accounts.load(Ordering::Relaxed), progress.all.load(Ordering::Relaxed));
                spinner.set_message(format!("reading the hub: findings of {done} of {all} accounts"));
            }
        };
        tokio::select! {
            done = future => done,
            never = shown => { let never: Infallible = never; match never {} }
        }
    }
}

/// The hub, for commands that look after it.
pub(crate) struct Operated {
    runtime: Runtime,
    hub: hub::Hub,
    console: Console,
}

impl Operated {
    pub(crate) fn open(args: &AddressArgs, console: Console) -> anyhow::Result<Self> {
        Self::open_with_bucket(args, None, console)
    }

    /// The same, with the name of the hub's bucket, if that isn't the one of the template.
    pub(crate) fn open_with_bucket(args: &AddressArgs, world_bucket: Option<String>, console: Console) -> anyhow::Result<Self> {
        let runtime = runtime()?;
        let AddressArgs { profile, region, findings_table, notes_table } = args;
        let (profile, region) = (profile.clone(), region.clone());
        let (findings_table, notes_table) = (findings_table.clone(), notes_table.clone());
        let address = Address { profile, region, findings_table, notes_table, world_bucket, ..Address::default() };
        let hub = runtime.block_on(hub::Hub::open(address))?;
        Ok(Operated { runtime, hub, console })
    }

    pub(crate) fn hub(&self) -> &hub::Hub {
        &self.hub
    }

    /// Waits for an answer, and shows on a terminal for what.
    pub(crate) fn wait<T>(&self, doing: &str, future: impl Future<Output = Result<T, CallError>>) -> anyhow::Result<T> {
        let spinner = self.console.spinner();
        spinner.set_message(doing.to_owned());
        self.wait_quietly(future)
    }

    /// Waits for an answer.
    pub(crate) fn wait_quietly<T>(&self, future: impl Future<Output = Result<T, CallError>>) -> anyhow::Result<T> {
        self.runtime.block_on(future).map_err(|error| elsewhere(error, &self.hub))
    }

    /// Waits for this time.
    pub(crate) fn sleep(&self, time: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("failed to start")
}

/// Says where the hub was looked for, if it isn't there.
fn elsewhere(error: CallError, hub: &hub::Hub) -> anyhow::Error {
    let is_missing = error.is_not_found();
    let error = anyhow::Error::from(error);
    if is_missing { error.context(format!("no {}: is that the hub's account and Region?", hub.place())) } else { error }
}

/// Keeps the findings of selected Regions, and returns how many others there are, if all accounts were read.
fn keep_selected(findings: &mut Vec<Finding>, selection: &Selection) -> Option<u64> {
    let all = findings.len();
    findings.retain(|finding| is_selected(selection, finding));
    selection.accounts.is_empty().then_some((all - findings.len()) as u64)
}
