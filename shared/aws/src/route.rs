//! `route-observations`: takes the stream of facts, and tells the fold which accounts to judge again.
//!
//! It notes what each record means and which partitions were touched, gives the account's index its next version, and sends one message with
//! it to a FIFO queue whose message group is the account. Judging happens behind that queue, one account at a time, so that an account that
//! can't be judged holds up nobody else.
//!
//! ```text
//! stream ─► record_effect     what each record means: new evidence, or tampering with facts
//!             ├─► bounds                what no working auditor reports is counted, and goes no further
//!             ├─► SQS ─► reconcile      reported changes: the hub reads the state itself
//!             └─► index of the account ─► SQS FIFO ─► fold
//! ```
//!
//! INVARIANT: nothing that one account reports makes a batch fail. Only the services can, and then the whole batch comes again. So every loop
//! here is over the records of a batch, never over what an account has, and what DynamoDB refuses to store is counted and passed over.
//!
//! Batches of one shard are taken side by side (`ParallelizationFactor` in template.yaml). In order are only the records of one item, and nothing
//! else needs to be: the first record of an item that is rewritten is the one whose content is kept, and all counts are additions.
//!
//! INVARIANT: partitions are noted before the version is raised, and the version is raised before the message is sent. A fold that reads the
//! version has therefore all that was noted under it; what is noted later has a later version, and a message of its own.

mod record_effect;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use audit_core::{organization::GLOBAL_REGION, timestamp::Timestamp};
use serde::Deserialize;

use self::record_effect::{AccountRecords, RecordEffect, earlier};
use crate::{
    aws::Aws,
    bounds::{Bounds, Refusal, is_full, is_lasting_flood},
    clock::Clock,
    connections,
    error::{BoxError, CallError, ErrorKind, chain},
    findings::{Findings, Note, Raised, Refused, Volume},
    fold::FoldTask,
    metrics::{Flow, Metrics},
    observations::Observations,
    partition::{AccountRegion, Partition, Source},
    queue::{Ordered, Queue, SqsQueue},
    reconcile::Task,
    settings::Environment,
    stream::{StreamHandler, StreamRecord},
    trust::Trust,
};

/// Routes facts to the folds of their accounts.
#[derive(Debug)]
pub struct Router<Q = SqsQueue> {
    observations: Observations,
    findings: Findings,
    trust: Trust,
    bounds: Bounds,
    /// The FIFO queue of accounts to judge.
    folds: Q,
    /// The queue of tasks for `reconcile`; `None` if the hub doesn't read what accounts report as changed.
    reconcile: Option<Q>,
    metrics: Metrics,
    clock: Clock,
}

/// Facts that aren't taken in, by reason and Region.
type Refusals = BTreeMap<(Refusal, String), Refused>;

impl Router {
    /// Makes the function from its environment variables.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let observations = environment.required("OBSERVATIONS_TABLE")?;
        let findings = environment.required("FINDINGS_TABLE")?;
        let notes = environment.required("NOTES_TABLE")?;
        let folds = environment.required("FOLDS_QUEUE_URL")?;
        let trust = Trust::from_environment(&environment)?;
        let facts_ttl_days = environment.facts_ttl_days()?;
        let metrics =
            Metrics::new(environment.parsed("METRICS_NAMESPACE", "GuardrailAudit".to_owned())?, "route-observations", Clock::System);
        let hub_region = environment.optional("HUB_REGION");
        let mut regions: BTreeSet<String> = environment.list("REGIONS").into_iter().collect();
        regions.extend(hub_region.clone());
        // Events of global services are recorded there, wherever an account is used.
        regions.insert(GLOBAL_REGION.to_owned());
        let aws = Aws::from_environment().await;
        let aws = Arc::new(hub_region.map_or_else(|| aws.in_own_region(), |region| aws.in_region(&region)));
        connections::open_to_dynamodb(&aws).await;
        let observations = Observations::new(Arc::clone(&aws), observations, facts_ttl_days);
        let reconcile = environment.optional("RECONCILE_QUEUE_URL").map(|url| SqsQueue::new(Arc::clone(&aws), url));
        let folds = SqsQueue::new(Arc::clone(&aws), folds);
        let bounds = Bounds { regions: regions.into_iter().collect(), facts_ttl_days };
        let findings = Findings::new(aws, findings).with_notes(notes);
        let router = Self::new(observations, findings, folds, trust, bounds, metrics, Clock::System);
        Ok(router.with_reconcile_queue(reconcile))
    }
}

impl<Q: Queue> Router<Q> {
    /// A router between these tables and this queue.
    pub fn new(
        observations: Observations,
        findings: Findings,
        folds: Q,
        trust: Trust,
        bounds: Bounds,
        metrics: Metrics,
        clock: Clock,
    ) -> Self {
        Router { observations, findings, trust, bounds, folds, reconcile: None, metrics, clock }
    }

    /// Sends a task to this queue for each account and Region that reports a change.
    #[must_use]
    pub fn with_reconcile_queue(self, reconcile: Option<Q>) -> Self {
        Router { reconcile, ..self }
    }

    /// Notes what the records of a batch mean for an account. Returns the version that they gave its index; `None` if there is nothing to
    /// judge.
    async fn route(&self, account: &str, effects: &[RecordEffect<'_>]) -> Result<Option<u64>, CallError> {
        let index = self.findings.index(account).await?;
        let mut refusals = Refusals::new();
        let mut accepted: Vec<&RecordEffect<'_>> = Vec::new();
        for effect in effects {
            match self.refuse(effect) {
                Some(reason) => self.count(&mut refusals, reason, effect),
                None => accepted.push(effect),
            }
        }
        let mut raised = Raised::default();
        let of_hub: BTreeSet<&AccountRegion> =
            accepted.iter().filter(|effect| !self.is_self_reported(effect)).map(|effect| &effect.account_region).collect();
        let mut new_account_regions = self.new_account_regions(&accepted).await?;
        // The bound is for what an account says of itself: Regions that it invents leave no Region of the hub's unknown.
        new_account_regions.sort_by_key(|account_region| !of_hub.contains(account_region));
        let always = new_account_regions.iter().filter(|account_region| of_hub.contains(*account_region)).count();
        let room = Bounds::room_for_account_regions(index.account_regions).max(always);
        let (new_account_regions, too_many) = new_account_regions.split_at(new_account_regions.len().min(room));
        accepted.retain(|effect| {
            let is_taken = !too_many.contains(&&effect.account_region) || !self.is_self_reported(effect);
            if !is_taken {
                self.count(&mut refusals, Refusal::Region, effect);
            }
            is_taken
        });
        let (mut is_new_evidence, mut ahead) = (false, BTreeSet::new());
        for effect in accepted.iter().filter(|effect| effect.note.is_some() || effect.keep.is_some()) {
            let is_bounded = self.is_self_reported(effect);
            if is_bounded && is_full(index.kept.plus(raised.kept)) {
                self.count(&mut refusals, Refusal::Kept, effect);
                // Without a note the fact would count once its time has come.
                ahead.extend(effect.partition.as_ref().filter(|_| effect.note.as_ref().is_some_and(|note| note.kind == Note::AHEAD)));
                continue;
            }
            is_new_evidence = true;
            match self.keep(effect).await {
                Ok(kept) if is_bounded => raised.kept = raised.kept.plus(kept),
                Ok(_) => {}
                Err(error) if error.kind == ErrorKind::Refused => self.count(&mut refusals, Refusal::Unwritable, effect),
                Err(error) => return Err(error),
            }
        }
        let asked = self.request_reconcile(&accepted, new_account_regions).await;
        let mut touched: BTreeMap<&Partition, (Volume, &RecordEffect<'_>)> = BTreeMap::new();
        for effect in &accepted {
            let Some(partition) = &effect.partition else { continue };
            let (added, _) = touched.entry(partition).or_insert((Volume::default(), effect));
            *added = added.plus(effect.added);
        }
        for (partition, (added, first)) in touched {
            let is_self_reported = self.trust.is_self_reported(partition);
            // Where facts were only rewritten or removed, the partition was noted when they were written, or they weren't taken in.
            let may_be_new = added.items > 0 && (!is_self_reported || self.bounds.allow_partition(index.partitions + raised.partitions));
            match self.findings.note_partition(partition, added, may_be_new).await? {
                None if added.items == 0 => {}
                None => self.count(&mut refusals, Refusal::Partitions, first),
                Some(noted) if is_self_reported && is_lasting_flood(noted.state.volume) => self.count(&mut refusals, Refusal::Flood, first),
                Some(noted) => {
                    is_new_evidence = true;
                    raised.partitions += i64::from(is_self_reported && noted.is_new);
                }
            }
            if ahead.contains(partition) {
                self.findings.distrust_partition(partition).await?;
            }
        }
        // The failure is returned only after the partitions are recorded: a partition that isn't recorded would never be read, even if SQS
        // stayed unavailable. New accounts and Regions aren't recorded until it succeeds, so that the next delivery asks again.
        asked?;
        for account_region in new_account_regions {
            self.findings.note_account_region(account_region).await?;
            raised.account_regions += 1;
        }
        for effect in &accepted {
            let Some((time, event_id)) = &effect.organization_changed else { continue };
            if !self.trust.organization || self.trust.is_management(account) {
                match self.findings.note_organization_change(account, event_id, *time).await {
                    Err(error) if error.kind == ErrorKind::Refused => self.count(&mut refusals, Refusal::Unwritable, effect),
                    noted => noted?,
                }
            }
        }
        for refused in refusals.values() {
            // Only the first of a kind is news. Later ones are in the count that the next fold reads.
            // If the message for it could not be sent, the batch comes again, and then it isn't the first.
            is_new_evidence |= self.findings.refuse(account, refused).await? || index.version > index.folded;
        }
        if !refusals.is_empty() {
            self.metrics.emit(&[("refused", refusals.values().map(|refused| refused.count).sum())]);
        }
        if !is_new_evidence {
            return Ok(None);
        }
        raised.world_changed = accepted.iter().any(|effect| effect.world_changed);
        self.findings.raise_version(account, raised).await.map(Some)
    }

    /// Why a record's fact isn't taken in; `None` if it is.
    fn refuse(&self, effect: &RecordEffect<'_>) -> Option<Refusal> {
        match &effect.partition {
            None => Some(Refusal::Malformed),
            // What is rewritten or removed was taken in or refused when it was written.
            Some(_) if effect.added.items == 0 => None,
            Some(partition) => self.bounds.refuse(partition, &self.trust, effect.time),
        }
    }

    fn is_self_reported(&self, effect: &RecordEffect<'_>) -> bool {
        effect.partition.as_ref().is_none_or(|partition| self.trust.is_self_reported(partition))
    }

    fn count(&self, refusals: &mut Refusals, reason: Refusal, effect: &RecordEffect<'_>) {
        let region = self.bounds.region_of(&effect.account_region.region).to_owned();
        let refused = refusals.entry((reason, region.clone())).or_insert_with(|| Refused {
            reason: reason.as_str().to_owned(),
            region,
            count: 0,
            first: effect.time,
            last: effect.time,
            item: effect.item.clone(),
            detail: reason.in_words().to_owned(),
        });
        refused.count += 1;
        refused.last = refused.last.max(effect.time);
    }

    /// Stores what was done to a fact, and what it said before. Returns what is stored that wasn't before.
    async fn keep(&self, effect: &RecordEffect<'_>) -> Result<Volume, CallError> {
        let mut kept = Volume::default();
        if let Some(note) = &effect.note {
            kept = kept.plus(self.findings.note(note).await?);
        }
        if let (Some(partition), Some(item)) = (&effect.partition, effect.keep) {
            kept = kept.plus(self.findings.keep(partition, item).await?);
        }
        Ok(kept)
    }

    /// The accounts and Regions of these records that never reported before.
    async fn new_account_regions<'e>(&self, effects: &[&'e RecordEffect<'_>]) -> Result<Vec<&'e AccountRegion>, CallError> {
        let account_regions: BTreeSet<&AccountRegion> = effects.iter().map(|effect| &effect.account_region).collect();
        let mut new = Vec::new();
        for account_region in account_regions {
            if !self.findings.is_known_account_region(account_region).await? {
                new.push(account_region);
            }
        }
        Ok(new)
    }

    /// Asks the hub to read the state of accounts and Regions that report a change, or that report for the first time. What an account says
    /// about its own state isn't enough.
    async fn request_reconcile(&self, effects: &[&RecordEffect<'_>], new_account_regions: &[&AccountRegion]) -> Result<(), CallError> {
        let Some(queue) = &self.reconcile else { return Ok(()) };
        let reported =
            effects.iter().filter(|effect| effect.partition.as_ref().is_some_and(|partition| partition.source == Source::Account));
        let is_news = |effect: &&&RecordEffect<'_>| effect.world_changed || new_account_regions.contains(&&effect.account_region);
        let account_regions: BTreeSet<&AccountRegion> = reported.filter(is_news).map(|effect| &effect.account_region).collect();
        let task = |account_region: &AccountRegion| Task::AccountRegion {
            account: account_region.account.clone(),
            region: account_region.region.clone(),
        };
        let tasks: Vec<String> =
            account_regions.into_iter().map(|account_region| serde_json::json!(task(account_region)).to_string()).collect();
        queue.send(&tasks, 0).await
    }

    /// Stores the latest time in a batch, if no later one is known. Returns whether that was so.
    async fn note_time(&self, moment: Option<Timestamp>) -> Result<bool, CallError> {
        match moment {
            Some(moment) => self.findings.note_time(moment).await,
            None => Ok(false),
        }
    }

    /// Makes the stream fold accounts that count as silent from now on. No event in them would, since they are silent.
    async fn refold_silent_accounts(&self, now: Timestamp) -> Result<(), CallError> {
        for (account, at) in self.findings.quiet().await?.into_iter().filter(|(_, at)| *at <= now) {
            // The fact is the same each time, so that only the first one makes the stream fold the account.
            self.observations.request_fold(AccountRegion::new(account, GLOBAL_REGION), at, Vec::new()).await?;
        }
        Ok(())
    }
}

/// The router answers no requests besides batches of the stream.
#[derive(Clone, Copy, Debug, Deserialize)]
pub enum NoRequest {}

impl<Q: Queue> StreamHandler for Router<Q> {
    type Request = NoRequest;

    async fn take_until(&self, records: &[StreamRecord], enough: Instant) -> Option<String> {
        let mut accounts: BTreeMap<String, AccountRecords<'_>> = BTreeMap::new();
        let mut flow = Flow { taken_in: records.len() as u64, ..Flow::default() };
        let (now, mut latest) = (self.clock.now(), None);
        for record in records {
            let effect = RecordEffect::of(record, now, self.bounds.facts_ttl_days);
            latest = latest.max(effect.latest);
            *if effect.malformed { &mut flow.unreadable } else { &mut flow.judged } += 1;
            let first = || AccountRecords { first: &record.sequence, effects: Vec::new() };
            accounts.entry(effect.account_region.account.clone()).or_insert_with(first).effects.push(effect);
        }
        self.metrics.flow(flow);
        let mut failed: Option<&str> = None;
        let first = accounts.values().map(|touched| touched.first).reduce(earlier);
        // Recorded before anything is folded: a fold judges silence as of the latest known moment.
        let is_latest = match self.note_time(latest).await {
            Ok(is_latest) => is_latest,
            Err(error) => {
                tracing::error!(error = chain(&error), "the latest moment could not be recorded");
                return first.map(str::to_owned);
            }
        };
        let mut messages: Vec<Ordered> = Vec::new();
        for (number, (account, touched)) in accounts.iter().enumerate() {
            if number > 0 && Instant::now() >= enough {
                tracing::warn!(account, "there is no time left to route facts of an account, and they come again");
                failed = Some(failed.map_or(touched.first, |first| earlier(first, touched.first)));
                continue;
            }
            match self.route(account, &touched.effects).await {
                Ok(Some(version)) => messages.push(FoldTask::new(account.as_str(), version).ordered()),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(account, error = chain(&error), "facts of an account could not be routed");
                    failed = Some(failed.map_or(touched.first, |first| earlier(first, touched.first)));
                }
            }
        }
        if let Err(error) = self.folds.send_in_order(&messages).await {
            tracing::error!(error = chain(&error), "accounts could not be handed to the fold");
            failed = first;
        }
        // Repeated when the moment was known before: the instance that recorded it may have died before this step.
        if let Some(latest) = latest.filter(|_| is_latest)
            && let Err(error) = self.refold_silent_accounts(latest).await
        {
            tracing::error!(error = chain(&error), "silent accounts could not be folded");
            failed = first;
        }
        failed.map(str::to_owned)
    }

    async fn carry_out(&self, request: NoRequest, _: Instant) -> Result<(), BoxError> {
        match request {}
    }
}
