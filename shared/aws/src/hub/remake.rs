//! Has what is derived made again: findings and rollups from facts, and the index of facts from the facts themselves.
//!
//! `fold-findings` sends itself a message for each account. So what was asked for goes on whether or not anybody watches, and asking again
//! only makes it again.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::timestamp::Timestamp;
use serde::Serialize;

use super::{AT_ONCE, Hub, functions::FOLD_FINDINGS};
use crate::{
    at_once::at_once,
    error::CallError,
    findings::{Quarantine, Unjudged},
    fold::Request,
};

/// What was asked for: the version up to which each account is to be judged.
#[derive(Clone, Debug)]
pub struct Remaking {
    versions: BTreeMap<String, u64>,
    is_repair: bool,
    /// The retries of accounts that were in quarantine before.
    retries: BTreeMap<String, u32>,
    done: BTreeSet<String>,
}

/// How much of it is done.
#[derive(Clone, Debug, Serialize)]
pub struct Remade {
    /// The accounts.
    pub accounts: usize,
    /// Those that are done, or can't be.
    pub done: usize,
    /// Those that aren't wholly judged.
    pub quarantined: Vec<String>,
}

impl Remade {
    /// Whether there is nothing left to wait for.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done == self.accounts
    }
}

impl Hub {
    /// Has everything of an account, or of all, judged again.
    pub async fn rebuild(&self, account: Option<&str>) -> Result<Remaking, CallError> {
        self.ask(&Request::Rebuild { account: account.map(str::to_owned) }, account, false).await
    }

    /// Has facts of an account, or of all, looked for from a time on, where anybody is known to report from or everywhere, and the accounts judged.
    pub async fn repair(&self, since: Timestamp, everywhere: bool, account: Option<&str>) -> Result<Remaking, CallError> {
        self.ask(&Request::Repair { since, account: account.map(str::to_owned), everywhere }, account, true).await
    }

    /// The accounts that such a request is about, as far as they are known here.
    pub async fn accounts_of(&self, account: Option<&str>) -> Result<BTreeSet<String>, CallError> {
        if let Some(account) = account {
            return Ok(BTreeSet::from([account.to_owned()]));
        }
        let mut accounts: BTreeSet<String> = self.account_regions().await?.into_iter().map(|of| of.account).collect();
        // None is listed if the table of findings was lost.
        let organization = self.organization().await?;
        accounts.extend(organization.iter().flat_map(|organization| organization.accounts.keys()).map(ToString::to_string));
        accounts.insert(self.account.clone());
        Ok(accounts)
    }

    async fn ask(&self, request: &Request, account: Option<&str>, is_repair: bool) -> Result<Remaking, CallError> {
        let retries = self.findings.quarantined().await?.into_iter().map(|(account, quarantine)| (account, quarantine.retries)).collect();
        self.functions()?.invoke(FOLD_FINDINGS, request).await?;
        let mut versions = BTreeMap::new();
        let index = |account: String| {
            let findings = self.findings.clone();
            async move { findings.index(&account).await.map(|index| (account, index)) }
        };
        at_once(AT_ONCE, self.accounts_of(account).await?, index, |(account, index)| {
            // An account without a version never reported anything, and nobody asked for anything to be made again, so that there is nothing to wait for.
            if index.version > 0 {
                versions.insert(account, index.version);
            }
        })
        .await?;
        Ok(Remaking { versions, is_repair, retries, done: BTreeSet::new() })
    }

    /// How much is done of what was asked for.
    pub async fn remade(&self, asked: &mut Remaking) -> Result<Remade, CallError> {
        let quarantined: BTreeMap<String, Quarantine> = self.findings.quarantined().await?.into_iter().collect();
        let left: Vec<(String, u64)> =
            asked.versions.iter().filter(|(account, _)| !asked.done.contains(*account)).map(|(a, version)| (a.clone(), *version)).collect();
        let is_repair = asked.is_repair;
        let look = |(account, version): (String, u64)| {
            let findings = self.findings.clone();
            async move {
                let is_repaired = !is_repair || findings.repaired(&account).await? >= version;
                let is_judged = is_repaired && findings.index(&account).await?.folded >= version;
                Ok((account, is_repaired, is_judged))
            }
        };
        let Remaking { done, retries, .. } = asked;
        at_once(AT_ONCE, left, look, |(account, is_repaired, is_judged)| {
            // Nothing of it can be judged, and that was tried again since.
            let is_given_up = |quarantine: &Quarantine| {
                quarantine.unjudged == Unjudged::Everything && retries.get(&account).is_none_or(|before| *before < quarantine.retries)
            };
            if is_judged || (is_repaired && quarantined.get(&account).is_some_and(is_given_up)) {
                done.insert(account);
            }
        })
        .await?;
        let quarantined = quarantined.into_keys().filter(|account| asked.versions.contains_key(account)).collect();
        Ok(Remade { accounts: asked.versions.len(), done: asked.done.len(), quarantined })
    }
}
