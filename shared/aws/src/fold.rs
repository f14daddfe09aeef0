//! `fold-findings`: judges all facts of an account again when some arrived, and writes the findings that differ.
//!
//! The findings of an account are a function of the *set* of its facts, of the world that the hub has read, and of the configuration. The
//! order in which facts arrive, copies, and the way in which the stream batches them change nothing. [`audit_core::auditor`] judges;
//! this module brings the facts to it and writes the result.
//!
//! ```text
//! route ─► SQS FIFO, a group for each account
//!             │
//!             ▼
//!           attempt           one account within the time that the function has; failures back off, and heal without hands
//!             ▼
//!           fold
//!             ├─ sealed           what is known of older hours: sums of calls, and the facts that still count
//!             ├─ evidence         the facts of the latest hours, each as far as it is believed, the hub's own first
//!             │    ├─ of_others            what other accounts report that bears on this one
//!             │    ├─ partition_cache      reads partitions, and again only those that changed
//!             │    └─ verified_hours       hours that the organization's trail vouches for
//!             ├─ configuration    what the team requires
//!             ├─ audit_core::auditor::audit_after
//!             ├─ hub_findings     what only the hub finds: tampering, gaps, verdicts that differ
//!             ├─ write            findings and blind spots that differ from those in the table
//!             │    └─ expired              findings whose facts have expired
//!             ├─ cross_account    facts that make the stream fold other accounts that are affected
//!             └─ rollups          of the hours in which something was done
//! ```

mod attempt;
mod basis;
mod configuration;
mod cross_account;
mod evidence;
mod expired;
mod hub_findings;
mod partition_cache;
mod repair;
mod rollups;
mod sealed;
mod verified_hours;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use audit_core::{
    auditor::{self, Audit, AuditOptions, Outdated, Periods, Selection},
    config::Configuration,
    finding::{Finding, Status},
    organization::Organization,
    timestamp::Timestamp,
    world::World,
};
use serde::{Deserialize, Serialize};

pub(crate) use self::hub_findings::unread_row;
pub use self::{
    attempt::{Attempted, FoldTask},
    basis::Basis,
};
use self::{
    configuration::LastConfiguration,
    evidence::{AccountEvidence, Scope},
    partition_cache::PartitionCache,
    rollups::Hourly,
    sealed::{KnownHours, LATE_AGAIN_HOURS, NotYet, SEALED_AFTER_HOURS, SealedObjects},
};
pub use crate::trust::Trust;
use crate::{
    aws::Aws,
    bounds::{BYTES_OF_A_FOLD, Refusal},
    bucket::{Bucket, S3Bucket},
    clock::{Clock, hour_of},
    connections,
    error::{BoxError, CallError},
    findings::{AccountIndex, Findings, PartitionState, Quarantine, Refused, Stored, Unjudged},
    metrics::Metrics,
    observations::Observations,
    partition::{AccountRegion, Partition},
    queue::{Queue, SqsQueue},
    settings::{CONFIGURATION_KEY, Environment},
    world::HubWorld,
};

/// The number of times that one fold seals hours: once, and once more after their sums turned out not to fit the state.
const SEALED_ANEW: u32 = 2;

/// Judges the facts of accounts, and writes their findings.
#[derive(Debug)]
pub struct Fold<B, Q = SqsQueue> {
    observations: Observations,
    cache: PartitionCache,
    sealed: SealedObjects,
    findings: Findings,
    world: HubWorld<B>,
    configuration_key: String,
    last_configuration: LastConfiguration,
    trust: Trust,
    /// The FIFO queue of accounts to judge, by which a fold hands on what it has no time for.
    folds: Q,
    metrics: Metrics,
    clock: Clock,
    facts_ttl_days: i64,
    /// Bytes of facts that are read of one account at most.
    room: u64,
    /// Hours after which an hour is sealed.
    sealed_after_hours: i64,
    /// Hours for which nothing is opened again for what an account reports late.
    late_again_hours: i64,
}

/// Requests that a schedule or a person sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// Have all facts of an account judged again, and all its rollups made again; without an account, those of all.
    Rebuild {
        /// The account.
        account: Option<String>,
    },
    /// Check that the uploaded configuration can be parsed.
    CheckConfiguration,
    /// Judge the accounts again that couldn't be judged, if their time has come.
    RetryQuarantined,
    /// Look for facts that no index names, because the stream wasn't taken or the index is lost, and judge the account, or all of them.
    Repair {
        /// The time from which on facts are looked for.
        since: Timestamp,
        /// The account.
        #[serde(default)]
        account: Option<String>,
        /// Whether they are looked for in all Regions of AWS, not only in those from which anybody is known to report.
        #[serde(default)]
        everywhere: bool,
    },
    /// Open all hours again that are sealed, and seal none, so that a release can judge that doesn't know of them.
    Unseal,
    /// Seal hours again, after [`Request::Unseal`].
    Seal,
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

/// Hours by account and Region; `None` for what has no time.
type Hours = BTreeSet<(AccountRegion, Option<i64>)>;

/// What a fold came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Judged {
    folded: Folded,
    /// Whether there was no time for all rollups. Those that are left are made by the next fold.
    is_cut_short: bool,
}

/// The audit of an account, and what it rests on; its facts are used up.
struct AuditOfAccount {
    evidence: AccountEvidence,
    organization: Option<Organization>,
    world: World,
    audit: Audit,
}

impl Fold<S3Bucket> {
    /// Makes the function from its environment variables.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let observations = environment.required("OBSERVATIONS_TABLE")?;
        let findings = environment.required("FINDINGS_TABLE")?;
        let notes = environment.required("NOTES_TABLE")?;
        let bucket = environment.required("WORLD_BUCKET")?;
        let key = environment.parsed("CONFIGURATION_KEY", CONFIGURATION_KEY.to_owned())?;
        let folds = environment.required("FOLDS_QUEUE_URL")?;
        let trust = Trust::from_environment(&environment)?;
        let ttl_days = environment.facts_ttl_days()?;
        let metrics = Metrics::new(environment.parsed("METRICS_NAMESPACE", "GuardrailAudit".to_owned())?, "fold-findings", Clock::System);
        let hub_region = environment.optional("HUB_REGION");
        let aws = Aws::from_environment().await;
        let aws = Arc::new(hub_region.map_or_else(|| aws.in_own_region(), |region| aws.in_region(&region)));
        let bucket = S3Bucket::new(Arc::clone(&aws), bucket);
        tokio::join!(connections::open_to_dynamodb(&aws), connections::open_to_bucket(&bucket, &key));
        let observations = Observations::new(Arc::clone(&aws), observations, ttl_days);
        let folds = SqsQueue::new(Arc::clone(&aws), folds);
        let findings = Findings::new(aws, findings).with_notes(notes);
        Ok(Self::new(observations, findings, bucket, folds, key, trust, ttl_days, metrics, Clock::System))
    }
}

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// A fold over these tables, this bucket and this queue.
    #[expect(clippy::too_many_arguments, reason = "each is one thing it needs")]
    pub fn new(
        observations: Observations,
        findings: Findings,
        bucket: B,
        folds: Q,
        configuration_key: String,
        trust: Trust,
        facts_ttl_days: i64,
        metrics: Metrics,
        clock: Clock,
    ) -> Self {
        let world = HubWorld::new(bucket);
        let cache = PartitionCache::new(observations.clone());
        let last_configuration = LastConfiguration::default();
        let room = BYTES_OF_A_FOLD;
        Fold {
            observations,
            cache,
            sealed: SealedObjects::default(),
            findings,
            world,
            configuration_key,
            last_configuration,
            trust,
            folds,
            metrics,
            clock,
            facts_ttl_days,
            room,
            sealed_after_hours: SEALED_AFTER_HOURS,
            late_again_hours: LATE_AGAIN_HOURS,
        }
    }

    /// Reads no more than this number of bytes of facts of one account.
    #[must_use]
    pub fn with_room(self, room: u64) -> Self {
        Fold { room, ..self }
    }

    /// Judges the facts of an account, and writes the findings that differ and rollups, with the account's index as it was read before
    /// anything else. After `enough`, no further hours are opened or sealed and no further rollup is begun.
    async fn judge(
        &self,
        account: &str,
        mut index: AccountIndex,
        scope: Scope,
        configuration: &Configuration,
        enough: Instant,
    ) -> Result<Result<Judged, NotYet>, CallError> {
        self.refold_all_accounts(account).await?;
        // Taken before anything is read: of two folds, the one with the later ticket has read everything that the other has.
        let ticket = self.findings.ticket(account).await?;
        let mut known = match self.known(account, enough).await? {
            Ok(known) => known,
            Err(not_yet) => return Ok(Err(not_yet)),
        };
        // An attempt that was ended by its time or memory may have been by sealing.
        let seals = scope == Scope::Everything && index.attempts <= 1 && !self.was_outdated(&known.checkpoints);
        // Each turn opens hours again whose sums are outdated, twice as many as the one before; in the end none are sealed.
        let mut turns = 0;
        loop {
            // Hours that were sealed anew, and whose sums didn't fit again, stay open until the next fold.
            let sealing = if seals && turns < SEALED_ANEW {
                self.seal_due(account, known, &index, configuration, ticket, enough).await?
            } else {
                Ok((known, false))
            };
            let judged = match sealing {
                // There is no room for what is open, and the next fold seals more of it.
                Ok((sealed, true)) if self.open_bytes(&sealed) > self.room => return Ok(Err(NotYet::NoTime)),
                Ok((sealed, is_sealing_left)) => {
                    known = sealed;
                    let judged = self.judge_known(account, &mut index, scope, configuration, ticket, &known, enough).await?;
                    judged.map(|judged| Judged { is_cut_short: judged.is_cut_short || is_sealing_left, ..judged })
                }
                Err(as_it_was) => {
                    known = as_it_was;
                    Err(Outdated)
                }
            };
            match judged {
                Ok(judged) => return Ok(Ok(judged)),
                Err(Outdated) if self.open_outdated(account, &known, 1 << turns, enough).await? => turns += 1,
                Err(Outdated) => return Ok(Err(NotYet::NoTime)),
            }
            known = match self.known(account, enough).await? {
                Ok(known) => known,
                Err(not_yet) => return Ok(Err(not_yet)),
            };
        }
    }

    /// The bytes of the facts that aren't sealed, as far as the index knows, with those of what is known of sealed hours.
    fn open_bytes(&self, known: &KnownHours) -> u64 {
        known.bytes_of_past() + known.partitions.iter().map(|(partition, state)| self.size_of(partition, state)).sum::<u64>()
    }

    /// Seals the hours that are due. Returns what is known then, and whether hours are left to seal; or what was known, if its sums are outdated.
    async fn seal_due(
        &self,
        account: &str,
        mut known: KnownHours,
        index: &AccountIndex,
        configuration: &Configuration,
        ticket: i64,
        enough: Instant,
    ) -> Result<Result<(KnownHours, bool), KnownHours>, CallError> {
        loop {
            match self.seal(account, &known, index, configuration, ticket).await? {
                Ok(Some(sealed)) if Instant::now() < enough => known = sealed,
                Ok(Some(sealed)) => return Ok(Ok((sealed, true))),
                Ok(None) => return Ok(Ok((known, false))),
                Err(Outdated) => return Ok(Err(known)),
            }
        }
    }

    /// Judges what is known of an account.
    #[expect(clippy::too_many_arguments, reason = "each is one thing it needs")]
    async fn judge_known(
        &self,
        account: &str,
        index: &mut AccountIndex,
        scope: Scope,
        configuration: &Configuration,
        ticket: i64,
        known: &KnownHours,
        enough: Instant,
    ) -> Result<Result<Judged, Outdated>, CallError> {
        let partitions = &known.partitions;
        let options = AuditOptions { configuration, selection: &Selection::default(), now: self.clock.now(), threads: 1 };
        let Ok(mut judged) = self.audit(account, known, scope, &options).await? else { return Ok(Err(Outdated)) };
        if known.past.as_ref().is_some_and(|past| past.facts.watched != judged.audit.watched) {
            // A change that was set aside when it was sealed may be of something that is watched by now.
            let Some(known) = self.with_aside(account, known).await? else { return Ok(Err(Outdated)) };
            judged = match self.audit(account, &known, scope, &options).await? {
                Ok(judged) => judged,
                Err(outdated) => return Ok(Err(outdated)),
            };
        }
        let AuditOfAccount { mut evidence, organization, world, audit } = judged;
        // What is written below ends a quarantine, or puts the account into it as far as there is no room for it.
        let quarantine = (scope == Scope::Everything).then(|| self.quarantine_after(&evidence)).flatten();
        evidence.quarantine = quarantine.clone().or(evidence.quarantine);
        let hourly = Hourly::of(&audit);
        let Ok(own) = self.own_findings(account, &evidence, &world, organization.as_ref(), known, &options) else {
            return Ok(Err(Outdated));
        };
        if quarantine.as_ref().is_some_and(|ended| !ended.is_open() && ended.unjudged != Unjudged::Everything) {
            // Rollups that were made meanwhile lack what wasn't read.
            index.rebuilds = self.findings.raise_rebuilds(account).await?;
        }
        self.notify_affected_accounts(account, &audit.findings, &evidence, organization.as_ref(), ticket).await?;
        self.record_draft_callers(account, &evidence, ticket).await?;
        let mut found: Vec<Finding> = audit.findings.into_iter().filter(|finding| finding.account.as_str() == account).collect();
        found.extend(own);
        let units = organization.map(|organization| units_of(&organization, account)).unwrap_or_default();
        let folded = self.write(account, found, &units, &evidence, &options, ticket).await?;
        if let Some(quarantine) = quarantine {
            self.findings.put_quarantine(account, &quarantine).await?;
            // The attempts that failed before count no longer.
            self.findings.end_fold(account, index.folded).await?;
        }

        let mut blind: Vec<_> = audit.blind.into_iter().filter(|row| row.account.as_str() == account).collect();
        blind.extend(hub_findings::truncated_histories(&evidence));
        blind.extend(hub_findings::unread_calls(account, &evidence));
        if evidence.is_partial() {
            // Facts that were left out may show that something can't be seen, so the rows of the last fold stay.
            let before = self.findings.blind(account).await?;
            blind.extend(before.into_iter().filter(|row| !blind.contains(row)).collect::<Vec<_>>());
        }
        self.findings.put_blind(account, &blind, ticket).await?;
        self.note_silence_deadline(account, audit.silent_at, ticket).await?;
        // Last, and newest first: whatever of it is left, findings are as of now.
        let hours = rollups::hours_to_make(partitions, index, hour_of(self.clock.now()));
        let is_cut_short = self.roll_up(&hours, partitions, &hourly, index, &evidence, ticket, enough).await?;
        self.forget_expired(account, &evidence, partitions).await?;
        Ok(Ok(Judged { folded, is_cut_short }))
    }

    /// Reads the evidence about an account, and audits it.
    async fn audit(
        &self,
        account: &str,
        known: &KnownHours,
        scope: Scope,
        options: &AuditOptions<'_>,
    ) -> Result<Result<AuditOfAccount, Outdated>, CallError> {
        let mut evidence = self.evidence(account, known, scope).await?;
        let (organization, world) = self.world_of(account, &evidence).await?;
        let facts = std::mem::take(&mut evidence.facts);
        let audit = auditor::audit_after(known.calls(), facts, world.clone(), options, Periods::Hours);
        Ok(audit.map(|audit| AuditOfAccount { evidence, organization, world, audit }))
    }

    /// Writes findings that are new or differ, and deletes those that the facts no longer give.
    async fn write(
        &self,
        account: &str,
        found: Vec<Finding>,
        units: &[String],
        evidence: &AccountEvidence,
        options: &AuditOptions<'_>,
        ticket: i64,
    ) -> Result<Folded, CallError> {
        let before = self.findings.of_account(account).await?;
        let mut folded = Folded::default();
        let mut present: BTreeSet<String> = BTreeSet::new();
        for finding in found {
            present.insert(finding.id.clone());
            let stored = Stored { ticket, units: units.to_vec(), basis: evidence.basis, finding };
            let known = before.get(&stored.finding.id);
            let same = known.is_some_and(|before| Stored { ticket, ..before.clone() } == stored);
            let is_made_less = evidence.is_partial() && known.is_some_and(|before| is_less(&stored.finding, &before.finding));
            if !same && !is_made_less {
                *if self.findings.put(&stored).await? { &mut folded.written } else { &mut folded.overtaken } += 1;
            }
        }
        // A flood hides facts, and facts expire: a finding that is missing for one of these reasons stays.
        let oldest = self.oldest();
        let hides_facts = |refused: &Refused| refused.reason != Refusal::Malformed.as_str();
        let flooded =
            evidence.is_partial() || evidence.notes().any(|note| note.kind == "flood") || evidence.refused.iter().any(hides_facts);
        for (id, gone) in before {
            let facts_are_there = gone.finding.last_seen.is_none_or(|last_seen| last_seen > oldest) && !flooded;
            if !present.contains(&id) && facts_are_there {
                let withdrawn = self.findings.withdraw(account, &id, ticket).await?;
                *if withdrawn { &mut folded.withdrawn } else { &mut folded.overtaken } += 1;
            } else if !present.contains(&id) && !flooded {
                let finding = expired::expired(&gone.finding, options);
                if finding != gone.finding {
                    *if self.findings.put(&Stored { finding, ticket, ..gone }).await? {
                        &mut folded.written
                    } else {
                        &mut folded.overtaken
                    } += 1;
                }
            }
        }
        Ok(folded)
    }

    /// The quarantine of an account whose facts were read as far as there was room; `None` if it is in none before and after.
    fn quarantine_after(&self, evidence: &AccountEvidence) -> Option<Quarantine> {
        let (now, before) = (self.clock.now(), evidence.quarantine.clone().filter(Quarantine::is_open));
        let Some(first) = evidence.left_out.first() else {
            return before.map(|before| Quarantine { until: Some(now), ..before });
        };
        let problem = format!(
            "facts of {} hours are left out, because a fold has room for {} MB, or because too many of them were written ahead of their time or \
             came after their hours were sealed; the first: {}",
            evidence.left_out.len(),
            self.room >> 20,
            first.key()
        );
        let since = before.map_or(now, |before| before.since);
        let retry_at = now.plus_seconds(attempt::RETRY.1);
        Some(Quarantine { unjudged: Unjudged::SomeOfItsOwn, since, problem, retries: 0, retry_at, until: None })
    }

    /// The time before which facts have expired.
    fn oldest(&self) -> Timestamp {
        self.clock.now().plus_seconds(-self.facts_ttl_days * 86_400)
    }

    /// Deletes the records of partitions whose facts have all expired, so that no fold reads them again.
    async fn forget_expired(
        &self,
        account: &str,
        evidence: &AccountEvidence,
        partitions: &BTreeMap<Partition, PartitionState>,
    ) -> Result<(), CallError> {
        let oldest = hour_of(self.oldest());
        let mut of_account = 0;
        for partition in evidence.empty.iter().filter(|partition| partition.hour.is_some_and(|hour| hour < oldest)) {
            if let Some(state) = partitions.get(partition)
                && self.findings.forget_partition(partition, state.version).await?
            {
                of_account += i64::from(self.trust.is_self_reported(partition));
            }
        }
        if of_account > 0 { self.findings.count_forgotten(account, of_account).await } else { Ok(()) }
    }

    /// Carries out a request.
    pub async fn carry_out(&self, request: Request) -> Result<(), BoxError> {
        match request {
            Request::Rebuild { account } => self.request_rebuild(account.as_deref()).await?,
            Request::CheckConfiguration => self.check_configuration().await?,
            Request::RetryQuarantined => self.retry_quarantined().await?,
            Request::Repair { since, account, everywhere } => self.request_repair(since, account, everywhere).await?,
            Request::Unseal => self.request_sealing(false).await?,
            Request::Seal => self.request_sealing(true).await?,
        }
        Ok(())
    }
}

/// Whether a finding says less than it did before.
fn is_less(finding: &Finding, before: &Finding) -> bool {
    (before.status == Status::Open && finding.status == Status::Resolved)
        || finding.count < before.count
        || finding.severity < before.severity
}

/// The ids of the organizational units above an account, the root first.
fn units_of(organization: &Organization, account: &str) -> Vec<String> {
    organization.path_to(&account.into()).into_iter().flatten().map(|id| id.to_string()).filter(|id| id != account).collect()
}
