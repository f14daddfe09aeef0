//! Effects on other accounts. A fold reads the facts of one account. Where they bear on another account's findings, the fold records that
//! with the other account, and writes a fact of the hub there, which makes the stream fold that account too.
//!
//! INVARIANT: a report of one account may open or raise a finding of another, as the same calls would if they were really made. It never
//! resolves or removes one: changes of other accounts count only as far as the hub believes them ([`Trust`](super::Trust)).

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{arn::GuardrailVersionArn, finding::Finding, organization::GLOBAL_REGION, timestamp::Timestamp};

use super::{Fold, evidence::AccountEvidence, organization_in};
use crate::{
    bucket::Bucket,
    error::CallError,
    fact::{Content, Fact, ReadFact, digest},
    findings::Requested,
    partition::{AccountRegion, Source},
    queue::Queue,
};

/// Guardrails of other accounts that are recorded for one account. More of them add nothing to the findings.
const DRAFTS: usize = 500;

/// Characters that the ARN of a guardrail has at most.
const LONGEST: usize = 256;

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// Writes a fact for each account, so that the stream folds them all, in parallel: a change of the organization may concern any of
    /// them.
    pub(super) async fn refold_all_accounts(&self, management: &str, time: Timestamp, event_id: &str) -> Result<(), CallError> {
        let files = self.world.files(&["organization".to_owned()]).await?;
        let mut accounts: BTreeSet<String> = organization_in(&files)
            .into_iter()
            .flat_map(|organization| organization.accounts.into_keys())
            .map(|id| id.to_string())
            .collect();
        accounts.extend(self.findings.places().await?.into_iter().map(|place| place.account));
        accounts.remove(management);
        for account in accounts {
            self.request_refold(AccountRegion::new(account, GLOBAL_REGION), time, vec![format!("organization, by event {event_id}")])
                .await?;
        }
        Ok(())
    }

    /// Records changes of this account with the accounts whose findings name them, such as one that enforced a guardrail which was deleted
    /// here.
    pub(super) async fn notify_affected_accounts(
        &self,
        account: &str,
        found: &[Finding],
        evidence: &AccountEvidence,
    ) -> Result<(), CallError> {
        for finding in found.iter().filter(|finding| finding.account.as_str() != account) {
            for (time, partition) in finding.events.iter().filter_map(|event| evidence.own_changes.get(event)) {
                // The fact is the same each time, so that only the first one makes the stream fold the other account.
                self.findings.note_concern(&finding.account, partition).await?;
                let place = AccountRegion::new(finding.account.as_str(), finding.region.as_str());
                self.request_refold(place, *time, vec![format!("something in {}", partition.key())]).await?;
            }
        }
        Ok(())
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
                self.request_refold(AccountRegion::new(owner.as_str(), GLOBAL_REGION), time, vec![what]).await?;
            }
        }
        self.findings.put_requested(account, &Requested { of, version }, ticket).await.map(|_| ())
    }

    /// Stores the latest time in a batch, if no later one is known. Returns whether that was so.
    pub(super) async fn note_time(&self, moment: Option<Timestamp>) -> Result<bool, CallError> {
        match moment {
            Some(moment) => self.findings.note_time(moment).await,
            None => Ok(false),
        }
    }

    /// Makes the stream fold accounts that count as silent from now on. No event in them would, since they are silent.
    pub(super) async fn refold_silent_accounts(&self, now: Timestamp) -> Result<(), CallError> {
        for (account, at) in self.findings.quiet().await?.into_iter().filter(|(_, at)| *at <= now) {
            // The fact is the same each time, so that only the first one makes the stream fold the account.
            self.request_refold(AccountRegion::new(account, GLOBAL_REGION), at, Vec::new()).await?;
        }
        Ok(())
    }

    /// Stores the time from which an account counts as silent.
    pub(super) async fn note_silence_deadline(&self, account: &str, silent_at: Option<Timestamp>, ticket: i64) -> Result<(), CallError> {
        self.findings.put_silent_at(account, silent_at, ticket).await?;
        // That time may have passed before it was recorded; then nothing else would fold the account.
        if let Some(at) = silent_at
            && self.findings.latest_time().await?.is_some_and(|latest| latest >= at)
        {
            self.request_refold(AccountRegion::new(account, GLOBAL_REGION), at, Vec::new()).await?;
        }
        Ok(())
    }

    async fn request_refold(&self, place: AccountRegion, time: Timestamp, changed: Vec<String>) -> Result<(), CallError> {
        let read = ReadFact { time, changed, complete: false, history: None };
        self.observations.put(&Fact::new(Source::Hub, place, Some(time), Content::Read(read))).await.map(|_| ())
    }
}

/// The account of a guardrail, if it is named by an ARN of plausible length.
fn owner_of(guardrail: &str) -> Option<String> {
    let (key, _) = GuardrailVersionArn::split(guardrail).filter(|_| guardrail.len() <= LONGEST)?;
    (key.account.len() == 12 && key.account.bytes().all(|b| b.is_ascii_digit())).then(|| key.account.to_string())
}
