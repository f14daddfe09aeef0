//! What a person may ask for: that everything is made again, and that the index is repaired. Each account has a message of its own, so that no
//! invocation has to do more than one account.
//!
//! A repair looks for facts in the table of observations itself. It is needed when the stream was not read for longer than its records live (24 hours),
//! or when the table of findings was lost: then no index names those facts. Facts that were rewritten or removed in that time can't be noticed any
//! more, because only the stream reports that.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use audit_core::{organization::GLOBAL_REGION, region, timestamp::Timestamp};
use tokio::task::JoinSet;

use super::{Fold, FoldTask};
use crate::{
    bucket::Bucket,
    clock::{hour_of, start_of},
    error::{CallError, ErrorKind, panicked},
    findings::{Raised, Volume},
    partition::{AccountRegion, Partition, Source},
    queue::Queue,
};

/// Partitions that are looked into at the same time.
const AT_ONCE: usize = 16;

/// Regions of other accounts that are looked into. AWS has about forty.
const REGIONS: usize = 64;

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// Has all facts of an account, or of all accounts, judged again, and all rollups made again.
    pub(super) async fn request_rebuild(&self, account: Option<&str>) -> Result<(), CallError> {
        // Whoever asks learns at once if there is no configuration to judge by.
        self.configuration().await?;
        let accounts: BTreeSet<String> =
            self.findings.account_regions().await?.into_iter().map(|account_region| account_region.account).collect();
        if let Some(unknown) = account.filter(|account| !accounts.contains(*account)) {
            return Err(CallError::new("rebuild", ErrorKind::Refused, format!("nothing was ever reported of account {unknown:?}")));
        }
        for of in accounts.iter().filter(|of| account.is_none_or(|account| account == *of)) {
            let version = self.findings.raise_version(of, Raised { is_rebuild: true, ..Raised::default() }).await?;
            let task = FoldTask { is_rebuild: true, ..FoldTask::new(of.as_str(), version) };
            self.folds.send_in_order(&[task.ordered()]).await?;
        }
        tracing::info!(accounts = accounts.len(), "accounts are rebuilt");
        Ok(())
    }

    /// Sends each account, or one, a message by which a fold notes the partitions again whose hours lie at or after a time, and judges the account.
    pub(super) async fn request_repair(&self, since: Timestamp, account: Option<String>, everywhere: bool) -> Result<(), CallError> {
        self.configuration().await?;
        let since = since.max(self.oldest());
        let accounts = match account {
            Some(account) => BTreeSet::from([account]),
            None => self.accounts_with_facts().await?,
        };
        tracing::info!(accounts = accounts.len(), "the index is repaired");
        for account in accounts {
            let version = self.findings.raise_version(&account, Raised::default()).await?;
            let task = FoldTask { repair_since: Some(since), is_everywhere: everywhere, ..FoldTask::new(account, version) };
            self.folds.send_in_order(&[task.ordered()]).await?;
        }
        Ok(())
    }

    /// Has the hours of all accounts sealed from now on, or opened and not sealed any more. Each account has a message of its own, which no fold of it
    /// overtakes.
    pub(super) async fn request_sealing(&self, is_on: bool) -> Result<(), CallError> {
        let accounts: BTreeSet<String> =
            self.findings.account_regions().await?.into_iter().map(|account_region| account_region.account).collect();
        tracing::info!(accounts = accounts.len(), is_on, "whether hours are sealed is changed");
        for account in accounts {
            let version = self.findings.raise_version(&account, Raised::default()).await?;
            let task = FoldTask { sealing: Some(is_on), ..FoldTask::new(account, version) };
            self.folds.send_in_order(&[task.ordered()]).await?;
        }
        Ok(())
    }

    /// All accounts that may have facts although no index names them: the accounts that belong to the organization or ever did, the management account,
    /// and the hub's own account.
    async fn accounts_with_facts(&self) -> Result<BTreeSet<String>, CallError> {
        let mut accounts = self.known_accounts().await?;
        accounts.extend([Some(self.trust.hub_account.clone()), self.trust.management_account.clone()].into_iter().flatten());
        accounts.extend(self.world.accounts_ever(self.trust.management_account.as_deref()).await?);
        accounts.retain(|account| !account.is_empty());
        Ok(accounts)
    }

    /// Notes the partitions of an account that hold facts, from the hour of a time on. Returns the time from which on it is still to be done, if
    /// it is `enough` before the end.
    pub(super) async fn repair(&self, task: &FoldTask, since: Timestamp, enough: Instant) -> Result<Option<Timestamp>, CallError> {
        // An account may have begun to report from a Region that the index doesn't name for it, but most likely from one that other accounts use. A member
        // can invent names of Regions, so only the account's own ones and those of the most other accounts are looked into.
        let account = task.account.as_str();
        let everywhere = if task.is_everywhere { region::known() } else { &[GLOBAL_REGION] };
        let mut regions: BTreeSet<String> = everywhere.iter().map(|region| (*region).to_owned()).collect();
        let mut of_others = BTreeMap::<String, usize>::new();
        for known in self.findings.account_regions().await? {
            if known.account == account {
                regions.insert(known.region);
            } else {
                *of_others.entry(known.region).or_default() += 1;
            }
        }
        let mut of_others: Vec<(String, usize)> = of_others.into_iter().collect();
        of_others.sort_by_key(|(_, accounts)| Reverse(*accounts));
        regions.extend(of_others.into_iter().take(REGIONS).map(|(region, _)| region));
        let (first, last) = (hour_of(since), hour_of(self.clock.now()) + 1);
        for hour in first..=last {
            if hour > first && Instant::now() >= enough {
                return Ok(Some(start_of(hour)));
            }
            self.repair_hour(account, &regions, Some(hour)).await?;
        }
        self.repair_hour(account, &regions, None).await?;
        if self.trust.is_management(account) {
            // The management account's facts tell how the organization changed. Accounts that were judged before they were found have to be judged again.
            for other in self.known_accounts().await?.iter().filter(|other| *other != account) {
                self.send_to_fold(other).await?;
            }
        }
        Ok(None)
    }

    /// Notes the partitions of an hour that hold facts.
    async fn repair_hour(&self, account: &str, regions: &BTreeSet<String>, hour: Option<i64>) -> Result<(), CallError> {
        let of_region = |region: &String| {
            [Source::Account, Source::Hub].map(|source| Partition {
                source,
                account_region: AccountRegion::new(account, region.as_str()),
                hour,
            })
        };
        let partitions: Vec<Partition> = regions.iter().flat_map(of_region).collect();
        let mut holds_any = false;
        for some in partitions.chunks(AT_ONCE) {
            let mut repairing = JoinSet::new();
            for partition in some {
                let (observations, findings, partition) = (self.observations.clone(), self.findings.clone(), partition.clone());
                repairing.spawn(async move {
                    let holds_facts = observations.holds_facts(&partition).await?;
                    if holds_facts {
                        findings.note_partition(&partition, Volume::default(), true).await?;
                        findings.note_account_region(&partition.account_region).await?;
                    }
                    Ok::<bool, CallError>(holds_facts)
                });
            }
            while let Some(repaired) = repairing.join_next().await {
                holds_any |= repaired.map_err(panicked("repair the index"))??;
            }
        }
        // The latest known time is at least the start of this hour. The next fact of any account brings the exact time.
        if let Some(time) = hour.map(start_of).filter(|time| holds_any && *time <= self.clock.now()) {
            self.findings.note_time(time).await?;
        }
        Ok(())
    }
}
