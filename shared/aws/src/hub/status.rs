//! How the hub is doing: what waits in its queues, which accounts aren't judged, and what can't be seen.
//!
//! SQS tells how much waits and not for how long: the alarms `guardrail-audit-late-…` watch the age.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::timestamp::Timestamp;
use serde::Serialize;

use super::{
    AT_ONCE, Hub,
    pause::Judging,
    queues::{Depth, QUEUES},
};
use crate::{
    at_once::at_once,
    error::{CallError, chain},
    findings::Quarantine,
};

/// The state of the hub's queues, accounts and readings at one time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// Whether accounts are judged; `None` if that can't be read.
    pub judging: Option<Judging>,
    /// The queues, in the order of an event's way.
    pub queues: Vec<Depth>,
    /// Accounts of which anything was ever reported.
    pub accounts: usize,
    /// Their Regions.
    pub account_regions: usize,
    /// Accounts with facts that aren't judged yet.
    pub behind: Vec<Behind>,
    /// Accounts that can't be judged.
    pub quarantined: Vec<Quarantined>,
    /// The time of the latest event in any account; `None` if there was none.
    pub last_heard: Option<Timestamp>,
    /// The number of accounts and Regions in which a kind of evidence is missing.
    pub blind: BTreeMap<&'static str, u64>,
    /// What could not be looked at, and why.
    pub unread: Vec<String>,
}

/// An account with facts that aren't judged yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Behind {
    /// The account.
    pub account: String,
    /// Batches of the stream that brought something since it was judged.
    pub batches: u64,
    /// Folds that began since one ended well.
    pub attempts: u64,
}

/// An account that can't be judged.
#[derive(Clone, Debug, Serialize)]
pub struct Quarantined {
    /// The account.
    pub account: String,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub problem: String,
    /// When it is tried next.
    pub retry_at: Timestamp,
}

impl Status {
    /// Whether something waits for a person: dead letters, accounts that can't be judged, or a hub that is paused.
    #[must_use]
    pub fn needs_hands(&self) -> bool {
        self.judging == Some(Judging::Paused)
            || !self.quarantined.is_empty()
            || self.queues.iter().any(|depth| depth.is_dead && depth.waiting + depth.in_flight > 0)
    }
}

impl Hub {
    /// Reads the state of the hub. A queue or an item that can't be read is named in it.
    pub async fn status(&self) -> Result<Status, CallError> {
        let account_regions = self.account_regions().await?;
        let accounts: BTreeSet<String> = account_regions.iter().map(|of| of.account.clone()).collect();
        let mut status = Status { accounts: accounts.len(), account_regions: account_regions.len(), ..Status::default() };
        let blind = self.blind(accounts.clone()).await?;
        for row in blind.read {
            *status.blind.entry(row.missing.as_str()).or_default() += 1;
        }
        status.unread.extend(blind.unreadable.into_iter().map(|item| format!("{}: {}", item.file, item.reason)));
        let index = |account: String| {
            let findings = self.findings.clone();
            async move { findings.index(&account).await.map(|index| (account, index)) }
        };
        at_once(AT_ONCE, accounts, index, |(account, index)| {
            let batches = index.version.saturating_sub(index.folded);
            if batches > 0 {
                status.behind.push(Behind { account, batches, attempts: index.attempts });
            }
        })
        .await?;
        status.behind.sort_unstable();
        let quarantined = |(account, quarantine): (_, Quarantine)| Quarantined {
            account,
            since: quarantine.since,
            problem: quarantine.problem,
            retry_at: quarantine.retry_at,
        };
        status.quarantined = self.findings.quarantined().await?.into_iter().map(quarantined).collect();
        status.last_heard = self.findings.latest_time().await?;
        match self.judging().await {
            Ok(judging) => status.judging = Some(judging),
            Err(error) => status.unread.push(format!("whether accounts are judged: {}", chain(&error))),
        }
        for queue in QUEUES {
            match self.depth(queue).await {
                Ok(depth) => status.queues.push(depth),
                Err(error) if error.is_not_found() && !queue.is_everywhere => {}
                Err(error) => status.unread.push(format!("{}: {}", queue.name, chain(&error))),
            }
        }
        Ok(status)
    }
}
