//! Effects on other accounts. A fold reads the facts of one account. Where they bear on another account's findings, the fold records that
//! with the other account, and writes a fact of the hub there, which makes the stream fold that account too.
//!
//! INVARIANT: a report of one account may open or raise a finding of another, as the same calls would if they were really made. It never
//! resolves or removes one: changes of other accounts count only as far as the hub believes them ([`Trust`](super::Trust)).

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{
    arn::GuardrailVersionArn,
    finding::Finding,
    organization::{GLOBAL_REGION, Organization},
    timestamp::Timestamp,
};

use tokio::task::JoinSet;

use super::{Fold, evidence::AccountEvidence};
use crate::{
    bucket::Bucket,
    clock::hour_of,
    error::{CallError, panicked},
    fact::digest,
    findings::Requested,
    partition::{AccountRegion, Partition},
    queue::Queue,
};

/// Accounts whose facts are written at the same time.
const AT_ONCE: usize = 16;

/// Guardrails of other accounts that are recorded for one account. More of them add nothing to the findings.
const DRAFTS: usize = 500;

/// Partitions of an account that are recorded with another one whose findings they are behind, the latest ones. The other account's fold reads them all.
const CONCERNS: usize = 200;

/// Other accounts that are told before it is noted who was told.
const NOTED_AFTER: usize = 100;

/// Other accounts with which an account's changes are recorded. An item of DynamoDB holds as many digests; an account may report changes of the resources of
/// accounts that don't exist.
const OTHERS: usize = 7_000;

/// Characters that the ARN of a guardrail has at most (docs/aws/enforcement.md#resource-policies).
const LONGEST: usize = 255;

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// Writes a fact for each account if this one reported changes of the organization, so that the stream folds them all: such a change may
    /// concern any of them.
    pub(super) async fn refold_all_accounts(&self, account: &str) -> Result<(), CallError> {
        let changes = self.findings.organization_changes(account).await?;
        if changes.is_empty() {
            return Ok(());
        }
        let mut accounts = self.known_accounts().await?;
        accounts.remove(account);
        let accounts: Vec<String> = accounts.into_iter().collect();
        // Each change is forgotten once a fact about it was written for all accounts: if the function has no time for all changes, the next
        // fold begins with those that are left.
        for (event_id, time) in changes {
            for some in accounts.chunks(AT_ONCE) {
                let mut writing = JoinSet::new();
                for other in some {
                    let (observations, account_region) = (self.observations.clone(), AccountRegion::new(other.as_str(), GLOBAL_REGION));
                    let because = vec![format!("organization, by event {event_id}")];
                    writing.spawn(async move { observations.request_fold(account_region, time, because).await });
                }
                while let Some(written) = writing.join_next().await {
                    written.map_err(panicked("write a fact for another account"))??;
                }
            }
            self.findings.forget_organization_change(account, &event_id).await?;
        }
        Ok(())
    }

    /// The accounts of the organization, and all others of which there are facts.
    pub(super) async fn known_accounts(&self) -> Result<BTreeSet<String>, CallError> {
        let organization = self.world.organization(self.trust.management_account.as_deref()).await?;
        let mut accounts: BTreeSet<String> =
            organization.iter().flat_map(|organization| organization.accounts.keys()).map(ToString::to_string).collect();
        accounts.extend(self.findings.account_regions().await?.into_iter().map(|account_region| account_region.account));
        Ok(accounts)
    }

    /// Records changes of this account with the accounts whose findings name them, such as one that enforced a guardrail which was deleted
    /// here, and has these accounts judged.
    pub(super) async fn notify_affected_accounts(
        &self,
        account: &str,
        found: &[Finding],
        evidence: &AccountEvidence,
        organization: Option<&Organization>,
        ticket: i64,
    ) -> Result<(), CallError> {
        let before = self.findings.told(account).await?;
        let mut concerns = changes_behind(account, found, evidence, hour_of(self.oldest()));
        if let Some(organization) = organization {
            // It may report changes of resources of accounts that don't exist.
            let is_ours = |other: &str| self.trust.is_management(other) || other == self.trust.hub_account;
            concerns.retain(|other, _| organization.accounts.contains_key(other.as_str()) || is_ours(other));
        }
        let mut told: BTreeMap<String, String> = concerns.iter().map(|(other, concern)| (other.clone(), concern.digest())).collect();
        if evidence.is_partial() {
            // Facts that are left out now may be behind what was told before, so that it stays told.
            for (other, digest) in &before {
                told.entry(other.clone()).or_insert_with(|| digest.clone());
            }
        }
        if told == before {
            return Ok(());
        }
        let others: BTreeSet<&String> = before.keys().chain(told.keys()).collect();
        let changed = others.into_iter().filter(|other| before.get(*other) != told.get(*other));
        let mut noted = before.clone();
        for (number, other) in changed.enumerate() {
            if number > 0 && number % NOTED_AFTER == 0 {
                self.findings.put_told(account, &noted, ticket).await?;
            }
            let concern = concerns.get(other);
            let mut partitions: BTreeSet<Partition> = concern.iter().flat_map(|concern| concern.changes.keys().cloned()).collect();
            if evidence.is_partial() {
                let known = self.findings.concerns(other).await?;
                partitions.extend(known.into_iter().filter(|partition| partition.account_region.account == account));
            }
            self.findings.note_concerns(other, account, &partitions, ticket).await?;
            if let Some(concern) = concern.filter(|_| !before.contains_key(other)) {
                // It makes an account known of which nothing was ever heard. What an account says of the past must not date it.
                let account_region = AccountRegion::new(other.as_str(), concern.region.as_str());
                let time = evidence.latest.unwrap_or_else(|| self.clock.now());
                self.observations.request_fold(account_region, time, vec![format!("something in {account}")]).await?;
            }
            self.send_to_fold(other).await?;
            match told.get(other) {
                Some(digest) => noted.insert(other.clone(), digest.clone()),
                None => noted.remove(other),
            };
        }
        // Behind what is told: a fold that is ended before tells it again.
        self.findings.put_told(account, &told, ticket).await.map(|_| ())
    }

    /// Records with the owners of guardrails whose DRAFTs this account's calls request. Weakening a DRAFT that is in use raises a finding's
    /// severity.
    pub(super) async fn record_draft_callers(&self, account: &str, evidence: &AccountEvidence, ticket: i64) -> Result<(), CallError> {
        let mut of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let owned = evidence.drafts_requested.iter().filter_map(|guardrail| Some((owner_of(guardrail)?, guardrail)));
        for (owner, guardrail) in owned.filter(|(owner, _)| owner != account).take(DRAFTS) {
            of.entry(owner).or_default().insert(guardrail.clone());
        }
        let before = self.findings.requested(account).await?;
        if before.of == of {
            return Ok(());
        }
        let version = before.version + 1;
        let owners: BTreeSet<&String> = before.of.keys().chain(of.keys()).collect();
        for owner in owners {
            let asked_for = of.get(owner).cloned().unwrap_or_default();
            if before.of.get(owner).cloned().unwrap_or_default() == asked_for {
                continue;
            }
            self.findings.note_drafts(owner, account, &asked_for, ticket).await?;
            // An account without facts has no findings to judge again. Its first fold reads the record.
            if self.findings.is_known(owner).await? {
                let which = digest(asked_for.into_iter().collect::<Vec<_>>().join(" ").as_bytes());
                let what = format!("drafts that {account} asks for, version {version}: {which}");
                let time = evidence.latest.unwrap_or_else(|| self.clock.now());
                self.observations.request_fold(AccountRegion::new(owner.as_str(), GLOBAL_REGION), time, vec![what]).await?;
                if before.version == 0 {
                    // The fact may be there from before the table of findings was lost.
                    self.send_to_fold(owner).await?;
                }
            }
        }
        self.findings.put_requested(account, &Requested { of, version }, ticket).await.map(|_| ())
    }

    /// Stores the time from which an account counts as silent.
    pub(super) async fn note_silence_deadline(&self, account: &str, silent_at: Option<Timestamp>, ticket: i64) -> Result<(), CallError> {
        self.findings.put_silent_at(account, silent_at, ticket).await?;
        // That time may have passed before it was recorded; then nothing else would fold the account.
        if let Some(at) = silent_at
            && self.findings.latest_time().await?.is_some_and(|latest| latest >= at)
        {
            self.observations.request_fold(AccountRegion::new(account, GLOBAL_REGION), at, Vec::new()).await?;
        }
        Ok(())
    }
}

/// Changes of an account that concern another one.
#[derive(Debug, Default)]
struct Concern<'e> {
    /// The Region of one of the findings.
    region: String,
    /// The event ids by partition.
    changes: BTreeMap<Partition, BTreeSet<&'e str>>,
    /// The partitions with changes that findings name.
    named: BTreeSet<Partition>,
}

impl Concern<'_> {
    fn digest(&self) -> String {
        let partition = |(partition, events): (&Partition, &BTreeSet<&str>)| {
            let events: Vec<&str> = events.iter().copied().collect();
            format!("{} {}", partition.key(), events.join(" "))
        };
        digest(self.changes.iter().map(partition).collect::<Vec<_>>().join("\n").as_bytes())
    }
}

/// The changes of an account behind findings of others, by account. A finding names its first and last changes only; those in between are of the same
/// operations, and that some of them are behind something else does no harm.
fn changes_behind<'e>(account: &str, found: &[Finding], evidence: &'e AccountEvidence, oldest: i64) -> BTreeMap<String, Concern<'e>> {
    let mut by_operation: BTreeMap<&str, BTreeSet<(Timestamp, &str, &Partition)>> = BTreeMap::new();
    for (event, change) in &evidence.own_changes {
        by_operation.entry(&change.operation).or_default().insert((change.time, event, &change.partition));
    }
    let mut spans: BTreeMap<(&str, &str), (Timestamp, Timestamp)> = BTreeMap::new();
    let mut concerns: BTreeMap<String, Concern<'e>> = BTreeMap::new();
    for finding in found.iter().filter(|finding| finding.account.as_str() != account) {
        for change in finding.events.iter().filter_map(|event| evidence.own_changes.get(event)) {
            let (first, last) = (finding.first_seen.unwrap_or(change.time), finding.last_seen.unwrap_or(change.time));
            let span = spans.entry((finding.account.as_str(), change.operation.as_str())).or_insert((first, last));
            *span = (span.0.min(first).min(change.time), span.1.max(last).max(change.time));
            let concern = concerns.entry(finding.account.to_string()).or_default();
            concern.region = finding.region.to_string();
            concern.named.insert(change.partition.clone());
        }
    }
    for ((other, operation), (first, last)) in spans {
        let Some(concern) = concerns.get_mut(other) else { continue };
        let latest_first = by_operation.get(operation).into_iter().flatten().rev().skip_while(|(time, ..)| *time > last);
        let mut partitions = BTreeSet::new();
        for (_, event, partition) in latest_first.take_while(|(time, ..)| *time >= first) {
            partitions.insert(*partition);
            if partitions.len() > CONCERNS && !concern.named.contains(partition) {
                continue;
            }
            if partition.hour.is_none_or(|hour| hour >= oldest) {
                concern.changes.entry((*partition).clone()).or_default().insert(event);
            }
        }
    }
    for concern in concerns.values_mut() {
        let mut hours: Vec<Option<i64>> = concern.changes.keys().map(|partition| partition.hour).collect();
        hours.sort_unstable_by(|a, b| b.cmp(a));
        if let Some(too_early) = hours.get(CONCERNS) {
            let Concern { changes, named, .. } = concern;
            changes.retain(|partition, _| partition.hour > *too_early || named.contains(partition));
        }
    }
    concerns.into_iter().filter(|(_, concern)| !concern.changes.is_empty()).take(OTHERS).collect()
}

/// The account of a guardrail, if it is named by an ARN of plausible length.
fn owner_of(guardrail: &str) -> Option<String> {
    let (key, _) = GuardrailVersionArn::split(guardrail).filter(|_| guardrail.len() <= LONGEST)?;
    (key.account.len() == 12 && key.account.bytes().all(|b| b.is_ascii_digit())).then(|| key.account.to_string())
}
