//! Evidence from other accounts: what happened to the organization, and changes that other folds found to bear on this account.

use std::{cmp::Reverse, collections::BTreeSet};

use tokio::task::JoinSet;

use super::{AccountEvidence, Scope};
use crate::{
    bounds,
    bucket::Bucket,
    error::{CallError, panicked},
    fact::{Content, Fact},
    findings::Volume,
    fold::Fold,
    observations::Read,
    partition::Partition,
    queue::Queue,
};

/// Partitions of another account that are held at once while its changes of the organization are looked for.
const OTHERS_AT_ONCE: usize = 4;

/// The part of a fold's room that other accounts' changes may take which concern the account. Others write them, and must not be able to end
/// the fold.
const FOR_CONCERNS: u64 = 8;

/// Partitions with changes that concern an account which are read at the same time.
const CONCERNS_AT_ONCE: usize = 4;

/// Partitions with changes that concern an account which are read at all. Others decide how many there are.
const MOST_CONCERNS: usize = 2_000;

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// Adds changes of the organization, which other accounts report: the management account, or in an installation without an organization
    /// any account.
    pub(super) async fn add_organization(&self, evidence: &mut AccountEvidence, account: &str, scope: Scope) -> Result<(), CallError> {
        let others: BTreeSet<String> = match &self.trust.management_account {
            Some(management) => BTreeSet::from([management.clone()]),
            None if self.trust.organization => BTreeSet::new(),
            None => self.findings.account_regions().await?.into_iter().map(|account_region| account_region.account).collect(),
        };
        for other in others.iter().filter(|other| *other != account) {
            let (sealed, partitions) = self.facts_of(other, scope != Scope::ToExplain).await?;
            let mut add = |read: &Read| {
                if let Ok(Fact { content: Content::Change(change), .. }) = &read.fact
                    && change.is_of_organization()
                {
                    evidence.add_change(&change.key(other), &change.change);
                }
            };
            sealed.iter().flat_map(|sealed| &sealed.facts).for_each(|(_, read)| add(read));
            let partitions: Vec<_> = partitions.into_iter().collect();
            // A few at a time: all of them may be more than a fold holds, and the other account's size must not stop this one's fold.
            for some in partitions.chunks(OTHERS_AT_ONCE) {
                for (_, facts) in self.cache.read(&some.iter().cloned().collect(), self.room).await? {
                    facts.iter().for_each(&mut add);
                }
            }
        }
        Ok(())
    }

    /// Adds changes of other accounts that concern this one, the latest first, as far as there is room for them. What one of them rewrote or removed still
    /// counts as it was at first.
    pub(super) async fn add_concerns(&self, evidence: &mut AccountEvidence, account: &str) -> Result<(), CallError> {
        let mut concerns: Vec<Partition> = self.findings.concerns(account).await?.into_iter().collect();
        concerns.sort_by_key(|partition| Reverse(partition.hour));
        evidence.concerning.extend(concerns.iter().map(|partition| partition.account_region.account.clone()));
        let mut room = self.room / FOR_CONCERNS;
        for (number, some) in concerns.chunks(CONCERNS_AT_ONCE).enumerate() {
            if room == 0 || number * CONCERNS_AT_ONCE >= MOST_CONCERNS {
                evidence.left_out.extend(some.iter().cloned());
                continue;
            }
            let mut reading = JoinSet::new();
            for partition in some.iter().cloned() {
                let (observations, most) = (self.observations.clone(), Volume { bytes: room, ..bounds::READ });
                reading.spawn(async move {
                    let changes = observations.query_some(&partition, Some("change#"), most).await;
                    (partition, changes)
                });
            }
            while let Some(read) = reading.join_next().await {
                let (partition, changes) = read.map_err(panicked("read what concerns an account"))?;
                let (changes, bytes) = changes?;
                let Some(rest) = room.checked_sub(bytes) else {
                    room = 0;
                    evidence.left_out.insert(partition);
                    continue;
                };
                room = rest;
                for read in changes {
                    self.add_concern(evidence, &partition, read);
                }
            }
        }
        let concerning: BTreeSet<&String> = concerns.iter().map(|partition| &partition.account_region.account).collect();
        for other in concerning {
            for item in self.findings.kept(other).await?.0 {
                let Some(partition) = item.get("pk").and_then(|value| Partition::parse(value.as_s().ok()?)) else { continue };
                if concerns.contains(&partition) {
                    self.add_concern(evidence, &partition, Read { sort_key: String::new(), fact: Fact::from_item(&item) });
                }
            }
        }
        Ok(())
    }

    fn add_concern(&self, evidence: &mut AccountEvidence, partition: &Partition, read: Read) {
        if let Ok(Fact { content: Content::Change(change), .. }) = read.fact {
            let key = change.key(&partition.account_region.account);
            evidence.add_change(&key, &self.trust.believed(partition, change.change));
        }
    }
}
