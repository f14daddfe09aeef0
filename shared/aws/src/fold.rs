//! `fold-findings`: when facts of an account arrive, judges all facts of the account again and writes the findings that differ.
//!
//! The findings of an account are a function of the *set* of its facts, of the world that the hub has read, and of the configuration. The
//! order in which facts arrive, copies, and the way in which the stream batches them change nothing. [`audit_core::auditor::audit`] judges;
//! this module brings the facts to it and writes the result.
//!
//! ```text
//! stream ─► record_effect     what each record means: new evidence, or tampering with facts
//!             │
//!             ├─► request_reconcile ─► SQS ─► reconcile      reported changes: the hub reads the state itself
//!             ▼
//!           fold, once for each account of the batch
//!             ├─ evidence         all facts of the account, each as far as it is believed
//!             │    ├─ partition_cache      reads partitions, and again only those that changed
//!             │    ├─ trust                whom the hub believes
//!             │    └─ verified_hours       hours that the organization's trail vouches for
//!             ├─ configuration    what the team requires
//!             ├─ audit_core::auditor::audit
//!             ├─ hub_findings     what only the hub finds: tampering, gaps, verdicts that differ
//!             ├─ write            findings, rollups and blind spots that differ from those in the table
//!             └─ cross_account    facts that make the stream fold other accounts that are affected
//! ```

mod configuration;
mod cross_account;
mod evidence;
mod hub_findings;
mod partition_cache;
mod record_effect;
mod trust;
mod verified_hours;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use audit_core::{
    auditor::{self, AuditOptions, Selection},
    change::{Change, WorldChange},
    config::Configuration,
    finding::Finding,
    organization::Organization,
    timestamp::Timestamp,
    world::World,
};
use serde::{Deserialize, Serialize};

pub use self::trust::Trust;
use self::{
    configuration::LastConfiguration,
    evidence::AccountEvidence,
    partition_cache::PartitionCache,
    record_effect::{AccountRecords, RecordEffect, earlier},
};
use crate::{
    aws::Aws,
    bucket::{Bucket, S3Bucket},
    clock::{Clock, hour_of, start_of},
    connections,
    error::{BoxError, CallError, chain},
    findings::{Findings, Rollup, Stored},
    metrics::{Flow, Metrics},
    observations::Observations,
    partition::{AccountRegion, Partition, Source, hour_text},
    queue::{Queue, SqsQueue},
    reconcile::Task,
    settings::Environment,
    stream::{StreamHandler, StreamRecord},
    world::{File, HubWorld, world_of},
};

/// Judges the facts of accounts, and writes their findings.
#[derive(Debug)]
pub struct Fold<B, Q = SqsQueue> {
    observations: Observations,
    cache: PartitionCache,
    findings: Findings,
    world: HubWorld<B>,
    configuration_key: String,
    last_configuration: LastConfiguration,
    trust: Trust,
    /// The queue of tasks for `reconcile`; `None` if the hub doesn't read what accounts report as changed.
    reconcile: Option<Q>,
    metrics: Metrics,
    clock: Clock,
    facts_ttl_days: i64,
}

/// Hours before now whose rollups are made again when the world changes. Older rollups keep the verdicts that they had.
const ROLLED_UP_AGAIN_HOURS: i64 = 72;

/// Requests that a schedule or a person sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// Judge all facts of an account again; without an account, those of all.
    Rebuild {
        /// The account.
        account: Option<String>,
    },
    /// Check that the uploaded configuration can be parsed.
    CheckConfiguration,
}

/// The number of findings that a fold changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Findings that were written because they are new or differ.
    pub written: u64,
    /// Findings that were deleted because the facts no longer give them.
    pub withdrawn: u64,
    /// Findings that were left alone because a later fold has written them.
    pub overtaken: u64,
}

/// The hours whose rollups to make again, by account and Region; `None` for calls without a time.
type Hours = BTreeSet<(AccountRegion, Option<i64>)>;

impl Fold<S3Bucket> {
    /// Makes the function from its environment variables.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let observations = environment.required("OBSERVATIONS_TABLE")?;
        let findings = environment.required("FINDINGS_TABLE")?;
        let bucket = environment.required("WORLD_BUCKET")?;
        let key = environment.parsed("CONFIGURATION_KEY", "configuration/guardrail-audit.toml".to_owned())?;
        let organization = environment.optional("ORGANIZATION_ID").is_some();
        let trust = Trust {
            organization,
            hub_account: environment.account("HUB_ACCOUNT")?,
            management_account: environment.optional_account("MANAGEMENT_ACCOUNT")?.filter(|_| organization),
            members_are_believed: environment.flag("BELIEVE_MEMBERS")?,
        };
        let ttl_days = environment.facts_ttl_days()?;
        let metrics = Metrics::new(environment.parsed("METRICS_NAMESPACE", "GuardrailAudit".to_owned())?, "fold-findings", Clock::System);
        let hub_region = environment.optional("HUB_REGION");
        let aws = Aws::from_environment().await;
        let aws = Arc::new(hub_region.map_or_else(|| aws.in_own_region(), |region| aws.in_region(&region)));
        let bucket = S3Bucket::new(Arc::clone(&aws), bucket);
        tokio::join!(connections::open_to_dynamodb(&aws), connections::open_to_bucket(&bucket, &key));
        let observations = Observations::new(Arc::clone(&aws), observations, ttl_days);
        let reconcile = environment.optional("RECONCILE_QUEUE_URL").map(|url| SqsQueue::new(Arc::clone(&aws), url));
        let findings = Findings::new(aws, findings);
        Ok(Self::new(observations, findings, bucket, key, trust, ttl_days, metrics, Clock::System).with_reconcile_queue(reconcile))
    }
}

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// A fold over these tables and this bucket.
    #[expect(clippy::too_many_arguments, reason = "each is one thing it needs")]
    pub fn new(
        observations: Observations,
        findings: Findings,
        bucket: B,
        configuration_key: String,
        trust: Trust,
        facts_ttl_days: i64,
        metrics: Metrics,
        clock: Clock,
    ) -> Self {
        let world = HubWorld::new(bucket);
        let cache = PartitionCache::new(observations.clone());
        let last_configuration = LastConfiguration::default();
        Fold {
            observations,
            cache,
            findings,
            world,
            configuration_key,
            last_configuration,
            trust,
            reconcile: None,
            metrics,
            clock,
            facts_ttl_days,
        }
    }

    /// Sends a task to this queue for each account and Region that reports a change.
    #[must_use]
    pub fn with_reconcile_queue(self, reconcile: Option<Q>) -> Self {
        Fold { reconcile, ..self }
    }

    async fn take_account(&self, account: &str, effects: &[RecordEffect<'_>]) -> Result<(), CallError> {
        let mut hours = Hours::new();
        let mut partitions: BTreeSet<&Partition> = BTreeSet::new();
        for effect in effects {
            if let Some(note) = &effect.note {
                self.findings.note(note).await?;
            }
            let Some(partition) = &effect.partition else { continue };
            if let Some(item) = effect.keep {
                self.findings.keep(partition, item).await?;
            }
            partitions.insert(partition);
            hours.insert((partition.place.clone(), partition.hour));
        }
        let asked = self.request_reconcile(account, effects).await;
        for partition in partitions {
            self.findings.note_partition(partition).await?;
        }
        // The failure is returned only after the partitions are recorded: a partition that isn't recorded would never be read, even if SQS
        // stayed unavailable.
        asked?;
        if effects.iter().any(|effect| effect.world_changed) {
            let now = hour_of(self.clock.now());
            let recent = |partition: &Partition| partition.hour.is_some_and(|hour| hour > now - ROLLED_UP_AGAIN_HOURS);
            let partitions = self.findings.partitions(account).await?;
            hours.extend(partitions.into_iter().filter(recent).map(|partition| (partition.place, partition.hour)));
        }
        for (time, event_id) in effects.iter().filter_map(|effect| effect.organization_changed.as_ref()) {
            if !self.trust.organization || self.trust.is_management(account) {
                self.refold_all_accounts(account, *time, event_id).await?;
            }
        }
        let folded = self.fold(account, Some(&hours)).await?;
        self.metrics.emit(&[
            ("findings_written", folded.written),
            ("findings_withdrawn", folded.withdrawn),
            ("overtaken", folded.overtaken),
        ]);
        Ok(())
    }

    /// Asks the hub to read the state of accounts and Regions that report a change, or that report for the first time. What an account says
    /// about its own state isn't enough.
    async fn request_reconcile(&self, account: &str, effects: &[RecordEffect<'_>]) -> Result<(), CallError> {
        let Some(queue) = &self.reconcile else { return Ok(()) };
        let reported = |effect: &&RecordEffect<'_>| effect.partition.as_ref().is_some_and(|partition| partition.source == Source::Account);
        let mut places: BTreeSet<&AccountRegion> =
            effects.iter().filter(reported).filter(|effect| effect.world_changed).map(|effect| &effect.place).collect();
        let known: BTreeSet<AccountRegion> =
            self.findings.partitions(account).await?.into_iter().map(|partition| partition.place).collect();
        places.extend(effects.iter().filter(reported).map(|effect| &effect.place).filter(|place| !known.contains(place)));
        let task = |place: &AccountRegion| Task::AccountRegion { account: place.account.clone(), region: place.region.clone() };
        let tasks: Vec<String> = places.into_iter().map(|place| serde_json::json!(task(place)).to_string()).collect();
        queue.send(&tasks, 0).await
    }

    /// Judges all facts of an account, and writes the findings that differ and the rollups of these hours; `None` means the rollups of all
    /// hours.
    pub async fn fold(&self, account: &str, hours: Option<&Hours>) -> Result<Folded, CallError> {
        // Taken before anything is read: of two folds, the one with the later ticket has read everything that the other has.
        let ticket = self.findings.ticket(account).await?;
        let partitions = self.findings.partition_versions(account).await?;
        let evidence = self.evidence(account, &partitions).await?;
        let files = self.world.files_of(account, self.trust.management_account.as_deref(), &evidence.concerning).await?;
        let read = files.iter().map(|(path, json)| (path.as_str(), &**json));
        let world = world_of(read.chain(evidence.states.iter().map(|(path, json)| (path.as_str(), json.as_slice()))));
        let configuration = self.configuration().await?;
        let options = AuditOptions { configuration: &configuration, selection: &Selection::default(), now: self.clock.now(), threads: 1 };

        let audit = auditor::audit(evidence.facts.clone(), world.clone(), &options);
        self.notify_affected_accounts(account, &audit.findings, &evidence).await?;
        self.record_draft_callers(account, &evidence, ticket).await?;
        let mut found: Vec<Finding> = audit.findings.into_iter().filter(|finding| finding.account.as_str() == account).collect();
        let organization = organization_in(&files);
        found.extend(self.own_findings(account, &evidence, &world, organization.as_ref(), &options));
        let units = organization.map(|organization| units_of(&organization, account)).unwrap_or_default();
        let folded = self.write(account, found, &units, &evidence, ticket).await?;

        let all: Hours = partitions.keys().map(|partition| (partition.place.clone(), partition.hour)).collect();
        for (place, hour) in hours.map_or_else(|| all.clone(), |hours| hours & &all) {
            let rollup = self.rollup(&place, &evidence, &world, &configuration, hour);
            self.findings.put_rollup(&place, &hour_text(hour), &rollup, ticket).await?;
        }
        let mut blind: Vec<_> = audit.blind.into_iter().filter(|row| row.account.as_str() == account).collect();
        blind.extend(hub_findings::truncated_histories(&evidence));
        self.findings.put_blind(account, &blind, ticket).await?;
        self.note_silence_deadline(account, audit.silent_at, ticket).await?;
        self.forget_expired(&evidence, &partitions).await?;
        Ok(folded)
    }

    /// Writes findings that are new or differ, and deletes those that the facts no longer give.
    async fn write(
        &self,
        account: &str,
        found: Vec<Finding>,
        units: &[String],
        evidence: &AccountEvidence,
        ticket: i64,
    ) -> Result<Folded, CallError> {
        let before = self.findings.of_account(account).await?;
        let mut folded = Folded::default();
        let mut present: BTreeSet<String> = BTreeSet::new();
        for finding in found {
            present.insert(finding.id.clone());
            let stored = Stored { ticket, units: units.to_vec(), basis: evidence.basis, finding };
            let same = before.get(&stored.finding.id).is_some_and(|before| Stored { ticket, ..before.clone() } == stored);
            if !same {
                *if self.findings.put(&stored).await? { &mut folded.written } else { &mut folded.overtaken } += 1;
            }
        }
        // A flood hides facts, and facts expire: a finding that is missing for one of these reasons stays.
        let oldest = self.oldest();
        let flooded = evidence.notes.iter().any(|note| note.kind == "flood");
        for (id, gone) in before {
            let facts_are_there = gone.finding.last_seen.is_none_or(|last_seen| last_seen > oldest) && !flooded;
            if !present.contains(&id) && facts_are_there {
                let withdrawn = self.findings.withdraw(account, &id, ticket).await?;
                *if withdrawn { &mut folded.withdrawn } else { &mut folded.overtaken } += 1;
            }
        }
        Ok(folded)
    }

    /// The time before which facts have expired.
    fn oldest(&self) -> Timestamp {
        self.clock.now().plus_seconds(-self.facts_ttl_days * 86_400)
    }

    /// Deletes the records of partitions whose facts have all expired, so that no fold reads them again.
    async fn forget_expired(&self, evidence: &AccountEvidence, partitions: &BTreeMap<Partition, u64>) -> Result<(), CallError> {
        let oldest = hour_of(self.oldest());
        for partition in evidence.empty.iter().filter(|partition| partition.hour.is_some_and(|hour| hour < oldest)) {
            if let Some(version) = partitions.get(partition) {
                self.findings.forget_partition(partition, *version).await?;
            }
        }
        Ok(())
    }

    fn rollup(
        &self,
        place: &AccountRegion,
        evidence: &AccountEvidence,
        world: &World,
        configuration: &Configuration,
        hour: Option<i64>,
    ) -> Rollup {
        let selection = Selection {
            regions: BTreeSet::from([place.region.as_str().into()]),
            since: hour.map(start_of),
            until: Some(hour.map_or(Timestamp::BEGINNING, |hour| start_of(hour + 1))),
            ..Selection::default()
        };
        let options = AuditOptions { configuration, selection: &selection, now: self.clock.now(), threads: 1 };
        let mut facts = evidence.changes.clone();
        // An evaluation may be recorded in the hour after its call, so both hours are needed to tell whether it is missing.
        for hour in [hour, hour.map(|hour| hour + 1)].into_iter().collect::<BTreeSet<_>>() {
            for (bytes, self_reported) in evidence.packets.get(&(place.clone(), hour)).into_iter().flatten() {
                // The same bytes were unpacked a moment ago.
                let _ = facts.unpack(&place.account, &place.region, hour, bytes, *self_reported);
            }
        }
        let audit = auditor::audit(facts, world.clone(), &options);
        Rollup { invocations: audit.invocations, coverage: audit.coverage }
    }

    /// Judges all facts of an account, or of all accounts, without the cache.
    pub async fn rebuild(&self, account: Option<&str>) -> Result<Folded, CallError> {
        self.cache.forget();
        let mut total = Folded::default();
        let accounts: BTreeSet<String> = self.findings.places().await?.into_iter().map(|place| place.account).collect();
        for of in accounts.iter().filter(|of| account.is_none_or(|account| account == *of)) {
            let folded = self.fold(of, None).await?;
            total.written += folded.written;
            total.withdrawn += folded.withdrawn;
            total.overtaken += folded.overtaken;
        }
        Ok(total)
    }
}

/// Whether a change may concern every account of the organization: a change of its tree or policies, or of a trail, which may be the
/// organization's.
fn is_of_organization(change: &Change) -> bool {
    change.service == "organizations" || matches!(change.effect, Some(WorldChange::TelemetryChanged { .. }))
}

impl<B: Bucket, Q: Queue> StreamHandler for Fold<B, Q> {
    type Request = Request;

    async fn take(&self, records: &[StreamRecord]) -> Option<String> {
        let mut accounts: BTreeMap<String, AccountRecords<'_>> = BTreeMap::new();
        let mut flow = Flow { taken_in: records.len() as u64, ..Flow::default() };
        let (now, mut latest) = (self.clock.now(), None);
        for record in records {
            let effect = RecordEffect::of(record, now, self.facts_ttl_days);
            latest = latest.max(effect.latest);
            *if effect.malformed { &mut flow.unreadable } else { &mut flow.judged } += 1;
            let first = || AccountRecords { first: &record.sequence, effects: Vec::new() };
            accounts.entry(effect.place.account.clone()).or_insert_with(first).effects.push(effect);
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
        for (account, touched) in &accounts {
            if let Err(error) = self.take_account(account, &touched.effects).await {
                tracing::error!(account, error = chain(&error), "an account could not be folded");
                failed = Some(failed.map_or(touched.first, |first| earlier(first, touched.first)));
            }
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

    async fn carry_out(&self, request: Request) -> Result<(), BoxError> {
        match request {
            Request::Rebuild { account } => {
                let folded = self.rebuild(account.as_deref()).await?;
                tracing::info!(written = folded.written, withdrawn = folded.withdrawn, "judged all facts again");
            }
            Request::CheckConfiguration => self.check_configuration().await?,
        }
        Ok(())
    }
}

/// The latest organization in these files of the world.
pub(crate) fn organization_in(files: &[File]) -> Option<Organization> {
    let latest = files.iter().filter(|(path, _)| path.starts_with("organization")).max_by(|(a, _), (b, _)| a.cmp(b));
    let (_, json) = latest?;
    Organization::from_json(&serde_json::from_slice(json).ok()?).ok()
}

/// The ids of the organizational units above an account, the root first.
fn units_of(organization: &Organization, account: &str) -> Vec<String> {
    organization.path_to(&account.into()).into_iter().flatten().map(|id| id.to_string()).filter(|id| id != account).collect()
}
