//! One attempt to judge an account, for a message of the queue.
//!
//! The queue's message group is the account: nothing else is done for it at the same time, and what fails here holds up nobody else. A fold
//! that ends well answers all messages up to the version that it read, so that the next ones return at once.
//!
//! ```text
//! message ─► a repair?                    done first, whatever comes of judging; what there is no time for is handed on
//!         ─► answered already?            done
//!         ─► in quarantine, not yet due?  judged by what the hub itself read or took from the trail; if that failed three times, too, not at
//!                                         all; a schedule sends another message when it is due
//!         ─► a failure of the hub         the message comes again, later and later; no account is to blame
//!         ─► a failure of the account     the message comes again; after three in a row, or three that ended the function:
//!                                         quarantine, with a finding, and a retry after 15 minutes to six hours
//!         ─► a fold that ends well        ends a quarantine, too
//! ```
//!
//! INVARIANT: an attempt is counted before it begins. One that ends the function, by its time or its memory, can't count itself afterwards.

use std::time::{Duration, Instant};

use audit_core::{
    auditor::{self, AuditOptions, Selection},
    config::Configuration,
    timestamp::Timestamp,
};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use serde::{Deserialize, Serialize};

use super::{Fold, Folded, Request, evidence::Scope, hub_findings, sealed::NotYet};
use crate::{
    bucket::Bucket,
    error::{BoxError, CallError, ErrorKind, chain, warn},
    findings::{Basis, Quarantine, Raised, Stored, Unjudged},
    lambda::{Handler, Invocation, half_until},
    queue::{Ordered, Queue},
};

/// Attempts in a row that may fail before an account is put into quarantine.
const ATTEMPTS: u64 = 3;

/// Time that is left to end an attempt in order.
const TO_END: Duration = Duration::from_secs(10);

/// Seconds after which a message whose attempt failed comes again: the first time, and at most.
const BACK_OFF: (u32, u32) = (30, 900);

/// Seconds after which an account in quarantine is tried again: the first time, and at most.
pub(super) const RETRY: (i64, i64) = (900, 21_600);

/// An account to judge: a message of the queue. Its JSON is in flight during an upgrade: renamed fields need `serde(rename)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldTask {
    /// The account.
    pub account: String,
    /// The version that the router gave the account's index before it sent the message.
    pub version: u64,
    /// If the index is to be repaired before the account is judged: from which time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair_since: Option<Timestamp>,
    /// Whether the repair looks in all Regions of AWS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_everywhere: bool,
    /// Whether all facts are to be read anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_rebuild: bool,
    /// True for a repair that looks for the partitions of sealed hours, because the object that lists them can't be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_of_sealed: bool,
    /// True if hours of the account are to be sealed from now on; false if all are to be opened, and none sealed any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing: Option<bool>,
    /// The version of the message that asked for that, if it was handed on since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<u64>,
}

impl FoldTask {
    /// A task to judge an account up to a version.
    pub fn new(account: impl Into<String>, version: u64) -> Self {
        FoldTask {
            account: account.into(),
            version,
            repair_since: None,
            is_everywhere: false,
            is_rebuild: false,
            is_of_sealed: false,
            sealing: None,
            asked: None,
        }
    }

    /// The message for the queue. SQS drops a copy of it, and never one about a later fact, which has another version.
    #[must_use]
    pub fn ordered(&self) -> Ordered {
        let body = serde_json::json!(self).to_string();
        Ordered { group: self.account.clone(), id: format!("{}-{}", self.account, self.version), body }
    }
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// The account was judged.
    Folded(Folded),
    /// An earlier fold had judged it up to the message's version.
    Answered,
    /// It is in quarantine, and was not tried.
    Waits,
    /// It was put into quarantine, or stays there.
    Quarantined,
    /// A part of its index was repaired, or of its hours opened or sealed, and another message does the rest.
    HandedOn,
}

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// Judges an account for a message, before the time at which Lambda ends the function. An error means that the message is to come again.
    pub async fn attempt(&self, task: &FoldTask, deadline: Instant) -> Result<Attempted, CallError> {
        self.attempt_within(task, half_until(deadline), deadline).await
    }

    /// The same, and after `enough` hands on what can wait.
    pub async fn attempt_within(&self, task: &FoldTask, enough: Instant, deadline: Instant) -> Result<Attempted, CallError> {
        let account = task.account.as_str();
        if let Some(attempted) = self.prepare(task, enough).await? {
            return Ok(attempted);
        }
        // What was judged meanwhile was what the index named and what was remembered, so that a repair or rebuild is never answered. Somebody
        // asked for it, and so it doesn't wait either.
        let is_asked_for = task.is_rebuild || task.repair_since.is_some();
        let folded = self.findings.index(account).await?.folded;
        if !is_asked_for && folded >= task.version {
            return Ok(Attempted::Answered);
        }
        let now = self.clock.now();
        // An account of which only some hours are left out is judged like any other.
        let quarantine = self.findings.quarantine(account).await?.filter(Quarantine::is_open);
        let quarantine = quarantine.filter(|quarantine| quarantine.unjudged != Unjudged::SomeOfItsOwn);
        let is_due = |quarantine: &Quarantine| is_asked_for || quarantine.retry_at <= now;
        let scope = match &quarantine {
            Some(quarantine) if is_due(quarantine) => Scope::Everything,
            Some(Quarantine { unjudged: Unjudged::Everything, .. }) => return Ok(Attempted::Waits),
            Some(_) => Scope::OfHub,
            None => Scope::Everything,
        };
        // That it can't be read is no account's fault, so it is read before the attempt counts.
        let configuration = self.configuration().await?;
        if let Some(quarantine) = quarantine.as_ref().filter(|_| scope == Scope::Everything) {
            let retries = quarantine.retries + 1;
            let seconds = RETRY.0.saturating_mul(1 << retries.min(10)).min(RETRY.1);
            // Should it fail again, what the hub has is judged, even if that failed before.
            let (unjudged, retry_at) = (Unjudged::AllOfItsOwn, now.plus_seconds(seconds));
            self.findings.put_quarantine(account, &Quarantine { unjudged, retries, retry_at, ..quarantine.clone() }).await?;
            self.findings.end_fold(account, folded).await?;
        }
        let index = self.findings.begin_fold(account).await?;
        if index.attempts > ATTEMPTS {
            let problem = format!("{ATTEMPTS} folds in a row ended the function, by the time or the memory that they took");
            return self.put_into_quarantine(account, folded, scope, problem, &configuration).await;
        }
        let end = deadline.checked_sub(TO_END).unwrap_or(deadline);
        let judging = Box::pin(async {
            if task.is_rebuild {
                self.cache.forget();
                if !self.open_all(account, enough).await? {
                    return Ok(Err(NotYet::NoTime));
                }
            }
            self.judge(account, index, scope, &configuration, enough).await
        });
        let judged = tokio::time::timeout_at(end.into(), judging)
            .await
            .unwrap_or_else(|_| Err(CallError::new("judge an account", ErrorKind::Refused, "it takes longer than the function may work")));
        match judged {
            Ok(Err(not_yet)) => {
                self.findings.excuse_fold(account).await?;
                match not_yet {
                    // Until then its findings are as of before, which has to be said.
                    NotYet::IsRepaired => {
                        let problem = "the list of its sealed hours can't be read, and their facts are looked for".to_owned();
                        self.put_into_quarantine(account, folded, scope, problem, &configuration).await
                    }
                    // Hours that are being opened are opened further by whatever fold comes next, so that what was asked for needn't be asked again.
                    NotYet::NoTime => {
                        if let Some(quarantine) = &quarantine {
                            // The next message goes on with the same retry.
                            self.findings.put_quarantine(account, &Quarantine { retry_at: now, ..quarantine.clone() }).await?;
                        }
                        self.hand_on(&FoldTask::new(account, task.version)).await
                    }
                }
            }
            Ok(Ok(judged)) => {
                if judged.is_cut_short {
                    self.send_to_fold(account).await?;
                }
                self.findings.end_fold(account, index.version).await?;
                let Folded { written, withdrawn, overtaken } = judged.folded;
                self.metrics.emit(&[("findings_written", written), ("findings_withdrawn", withdrawn), ("overtaken", overtaken)]);
                Ok(Attempted::Folded(judged.folded))
            }
            Err(error) if is_of_hub(&error) => {
                self.findings.excuse_fold(account).await.unwrap_or_else(|error| warn("an attempt stays counted", &error));
                Err(error)
            }
            Err(error) if quarantine.is_some() && scope == Scope::Everything => {
                tracing::error!(account, error = chain(&error), "the account still can't be judged");
                self.send_to_fold(account).await?;
                Ok(Attempted::Quarantined)
            }
            Err(error) if index.attempts >= ATTEMPTS => {
                self.put_into_quarantine(account, folded, scope, chain(&error), &configuration).await
            }
            Err(error) => Err(error),
        }
    }

    /// Does what a message asks for besides judging the account. Returns what became of the message, if nothing is to be judged by it.
    async fn prepare(&self, task: &FoldTask, enough: Instant) -> Result<Option<Attempted>, CallError> {
        let account = task.account.as_str();
        // A repair writes only what there is, and needs no fold: it is never lost because the account can't be judged, and failing it is no
        // failure of the account.
        if task.is_of_sealed && !self.are_partitions_lost(account).await? {
            // Another message has found them.
            return Ok(Some(Attempted::Answered));
        }
        if let Some(since) = task.repair_since
            && let Some(rest) = self.repair(task, since, enough).await?
        {
            return self.hand_on(&FoldTask { repair_since: Some(rest), ..task.clone() }).await.map(Some);
        }
        if task.repair_since.is_some() {
            self.findings.note_repaired(account, task.version).await?;
        }
        if task.is_of_sealed {
            self.note_found(account).await?;
        }
        if let Some(is_on) = task.sealing {
            let asked = task.asked.unwrap_or(task.version);
            if self.turn_sealing(account, is_on, asked).await? && !is_on && !self.open_all(account, enough).await? {
                return self.hand_on(&FoldTask { asked: Some(asked), ..task.clone() }).await.map(Some);
            }
        }
        Ok(None)
    }

    /// Has another message of the account's group go on with a task.
    async fn hand_on(&self, task: &FoldTask) -> Result<Attempted, CallError> {
        let version = self.findings.raise_version(&task.account, Raised::default()).await?;
        self.folds.send_in_order(&[FoldTask { version, ..task.clone() }.ordered()]).await?;
        Ok(Attempted::HandedOn)
    }

    /// Has an account judged, by the next message of its group.
    pub(super) async fn send_to_fold(&self, account: &str) -> Result<(), CallError> {
        let version = self.findings.raise_version(account, Raised::default()).await?;
        self.folds.send_in_order(&[FoldTask::new(account, version).ordered()]).await
    }

    /// Puts an account into quarantine that could not be judged by all that is known of it, and has it judged by what the hub has; an account
    /// that could not be judged by that either isn't judged at all, until the next retry.
    async fn put_into_quarantine(
        &self,
        account: &str,
        folded: u64,
        scope: Scope,
        problem: String,
        configuration: &Configuration,
    ) -> Result<Attempted, CallError> {
        tracing::error!(account, problem, "the account can't be judged, and is put into quarantine");
        let now = self.clock.now();
        let before = self.findings.quarantine(account).await?.filter(Quarantine::is_open);
        let since = before.as_ref().map_or(now, |before| before.since);
        let quarantine = if let Some(before) = before.filter(|_| scope == Scope::OfHub) {
            Quarantine { unjudged: Unjudged::Everything, problem, ..before }
        } else {
            let retry_at = now.plus_seconds(RETRY.0);
            Quarantine { unjudged: Unjudged::AllOfItsOwn, since, problem, retries: 0, retry_at, until: None }
        };
        let options = AuditOptions { configuration, selection: &Selection::default(), now, threads: 1 };
        let ticket = self.findings.ticket(account).await?;
        let mut finding = hub_findings::unjudged_account(account, &quarantine, configuration);
        auditor::except(&mut finding, None, &options);
        // What is above the account is not known here; the fold that ends the quarantine adds it.
        self.findings.put(&Stored { finding, ticket, units: Vec::new(), basis: Basis::Verified }).await?;
        self.findings.put_quarantine(account, &quarantine).await?;
        self.metrics.emit(&[("quarantined", 1)]);
        if quarantine.unjudged != Unjudged::Everything {
            // The attempts that failed count no longer: this is another way to judge.
            self.findings.end_fold(account, folded).await?;
            self.send_to_fold(account).await?;
        }
        Ok(Attempted::Quarantined)
    }

    /// Has the accounts in quarantine judged again whose time has come, and says how many there are.
    pub(super) async fn retry_quarantined(&self) -> Result<(), CallError> {
        let quarantined = self.findings.quarantined().await?;
        self.metrics.emit(&[("quarantined", quarantined.len() as u64)]);
        let now = self.clock.now();
        for (account, _) in quarantined.iter().filter(|(_, quarantine)| quarantine.retry_at <= now) {
            self.send_to_fold(account).await?;
        }
        Ok(())
    }

    /// Attempts what a message asks for. If that fails, the message is hidden for a while, the longer the more often it came.
    async fn take(&self, message: &SqsMessage, invocation: Invocation<'_>) -> Result<(), CallError> {
        let task = serde_json::from_str::<FoldTask>(message.body.as_deref().unwrap_or_default());
        let attempted = match task {
            Ok(task) => self.attempt(&task, invocation.deadline).await,
            Err(error) => Err(CallError::new("read a task", ErrorKind::Refused, error)),
        };
        let Err(error) = attempted else { return Ok(()) };
        let receives = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1);
        if let Err(error) = self.folds.hide(message.receipt_handle.as_deref().unwrap_or_default(), back_off(receives)).await {
            warn("a message comes again when the queue says, and not earlier", &error);
        }
        Err(error)
    }
}

/// Seconds after which a message comes again that came this number of times.
fn back_off(receives: u32) -> u32 {
    BACK_OFF.0.saturating_mul(4_u32.saturating_pow(receives.saturating_sub(1))).min(BACK_OFF.1)
}

/// Whether a failure is one of the services or of the hub's permissions, which every account would meet.
fn is_of_hub(error: &CallError) -> bool {
    matches!(error.kind, ErrorKind::Retryable | ErrorKind::Denied)
}

/// The event of the function.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Input {
    /// A request.
    Request(Request),
    /// A batch of the queue.
    Queue(SqsEvent),
}

impl<B: Bucket, Q: Queue> Handler<Input, SqsBatchResponse> for Fold<B, Q> {
    async fn handle(&self, input: Input, invocation: Invocation<'_>) -> Result<SqsBatchResponse, BoxError> {
        let mut response = SqsBatchResponse::default();
        let event = match input {
            Input::Request(request) => {
                self.carry_out(request).await?;
                return Ok(response);
            }
            Input::Queue(event) => event,
        };
        for message in &event.records {
            if let Err(error) = self.take(message, invocation).await {
                let id = message.message_id.as_deref().unwrap_or_default();
                tracing::error!(message_id = id, error = chain(&error), "an account could not be judged");
                response.add_failure(id);
            }
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_comes_again_later_and_later() {
        assert_eq!([1, 2, 3, 4, 1_000].map(back_off), [30, 120, 480, 900, 900]);
    }

    #[test]
    fn a_message_is_one_of_its_account_and_version() {
        let task = FoldTask::new("222233334444", 7);
        let Ordered { group, id, body } = task.ordered();
        assert_eq!(
            (group.as_str(), id.as_str(), body.as_str()),
            ("222233334444", "222233334444-7", r#"{"account":"222233334444","version":7}"#)
        );
    }
}
