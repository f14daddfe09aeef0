//! `audit-trail`: reads the organization's trail from S3, and writes what is in it as the hub's own facts.
//!
//! A digest lists the log files of an hour with their hashes, and CloudTrail signs it ([`crate::digest`]). When the signature and all
//! hashes are right, the hour is verified: the trail replaces what accounts reported of it. Anything else becomes a gap, and the hour stays
//! unverified.

mod keys;
mod notification;

use std::{path::PathBuf, sync::Arc, time::Instant};

use audit_core::{
    auditor,
    cloudtrail::wanted::Wanted,
    facts::{EvidenceRows, packed::EventIds},
    timestamp::Timestamp,
    verdict::Invocations,
};
use audit_local::{
    input::Input as LocalInput,
    scan::{self, Options},
};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};

use self::notification::{DigestKey, Kind, kind_of};
pub use self::{
    keys::{CloudTrailKeys, PublicKeys},
    notification::{Object, objects_in},
};
use crate::{
    aws::Aws,
    bucket::{Bucket, Metadata, S3Bucket},
    clock::{Clock, hour_of, start_of},
    connections,
    digest::{Broken, Digest},
    error::{BoxError, CallError, ErrorKind, chain, warn},
    fact::{Content, Fact, GapFact, VerifiedFact},
    invocations::{Message, changes_in},
    lambda::{Handler, Invocation},
    metrics::{Flow, Metrics},
    observations::Observations,
    partition::{AccountRegion, Partition, Source},
    queue::{Queue, SqsQueue},
    settings::Environment,
};

/// Gives access to buckets by name. The trail's bucket belongs to another account.
pub trait Buckets: Send + Sync {
    /// The type of the buckets.
    type Bucket: Bucket;
    /// The bucket with this name.
    fn bucket(&self, name: &str) -> Self::Bucket;
}

/// Buckets in S3.
#[derive(Clone, Debug)]
pub struct S3(pub Arc<Aws>);

impl Buckets for S3 {
    type Bucket = S3Bucket;

    fn bucket(&self, name: &str) -> S3Bucket {
        S3Bucket::new(Arc::clone(&self.0), name.to_owned())
    }
}

/// What has to be checked before an hour counts as verified.
#[derive(Debug)]
pub enum Verification<K> {
    /// No hour is ever verified.
    Never,
    /// The hashes of all files. Whoever can write to the bucket could also write digests.
    ByHashes,
    /// The signature of each digest, its chain to the one before, and the hashes of all files.
    BySignatures(K),
}

/// Which trail is trusted.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The organization's id. The organization's trail, which no member can change, writes below a folder of this name.
    pub organization: Option<String>,
    /// The hub's own account, whose own trail is trusted as well.
    pub hub_account: String,
    /// The trail's bucket, when files are read from a replica of it. Digests name this bucket.
    pub replica_of: Option<String>,
}

/// Reads the organization's trail.
#[derive(Debug)]
pub struct TrailAuditor<B, K, Q = SqsQueue> {
    wanted: Wanted,
    observations: Observations,
    buckets: B,
    /// The queue that notifications come from, to which those return that there is no time for.
    queue: Q,
    scope: Scope,
    verification: Verification<K>,
    metrics: Metrics,
    clock: Clock,
}

/// The key of the signature in a digest's metadata.
const SIGNATURE: &str = "signature";

/// The key, in its metadata, of the time at which CloudTrail made a backfill digest. The digest was signed with the key of that time.
const MADE_LATE: &str = "backfill-generation-timestamp";

/// Seconds that a digest covers.
const HOUR: i64 = 3_600;

impl TrailAuditor<S3, CloudTrailKeys> {
    /// Makes the function from its environment variables.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let table = environment.required("OBSERVATIONS_TABLE")?;
        let queue = environment.required("TRAIL_QUEUE_URL")?;
        let ttl_days = environment.facts_ttl_days()?;
        let verifies_hours = environment.flag("TRAIL_SETTLE")?;
        let checks_signatures = environment.parsed("TRAIL_VERIFY", true)?;
        let scope = Scope {
            organization: environment.optional("ORGANIZATION_ID"),
            hub_account: environment.optional_account("HUB_ACCOUNT")?.unwrap_or_default(),
            replica_of: environment.optional("TRAIL_REPLICA_OF"),
        };
        let metrics = Metrics::new(environment.parsed("METRICS_NAMESPACE", "GuardrailAudit".to_owned())?, "audit-trail", Clock::System);
        let hub_region = environment.optional("HUB_REGION");
        let aws = Arc::new(Aws::from_environment().await);
        let hub = Arc::new(hub_region.map_or_else(|| aws.in_own_region(), |region| aws.in_region(&region)));
        connections::open_to_dynamodb(&hub).await;
        let verification = match (verifies_hours, checks_signatures) {
            (false, _) => Verification::Never,
            (true, false) => Verification::ByHashes,
            (true, true) => Verification::BySignatures(CloudTrailKeys::new(Arc::clone(&aws))),
        };
        let queue = SqsQueue::new(Arc::clone(&hub), queue);
        Ok(Self::new(Observations::new(hub, table, ttl_days), S3(aws), queue, scope, verification, metrics, Clock::System))
    }
}

impl<B: Buckets, K: PublicKeys, Q: Queue> TrailAuditor<B, K, Q> {
    /// An auditor of the trail.
    pub fn new(
        observations: Observations,
        buckets: B,
        queue: Q,
        scope: Scope,
        verification: Verification<K>,
        metrics: Metrics,
        clock: Clock,
    ) -> Self {
        TrailAuditor { wanted: auditor::wanted(), observations, buckets, queue, scope, verification, metrics, clock }
    }

    /// Takes a batch of notifications; those that aren't begun by `enough` return to the queue. Returns the ids of messages that SQS has to
    /// deliver again.
    pub async fn take(&self, messages: &[Message<'_>], enough: Instant) -> Vec<String> {
        let mut failed = Vec::new();
        for (number, message) in messages.iter().enumerate() {
            if number > 0 && Instant::now() >= enough {
                failed.extend(self.hand_on(messages.get(number..).unwrap_or_default()).await);
                break;
            }
            match self.take_message(message.body).await {
                Ok(flow) => self.metrics.flow(flow),
                Err(error) => {
                    tracing::error!(message_id = message.id, error = chain(&error), "the objects of a notification could not be read");
                    failed.push(message.id.to_owned());
                }
            }
        }
        failed
    }

    /// Returns messages to the queue as new ones: those that SQS delivers again count as failed, and are dead letters after five times.
    async fn hand_on(&self, messages: &[Message<'_>]) -> Vec<String> {
        let bodies: Vec<String> = messages.iter().map(|message| message.body.to_owned()).collect();
        let Err(error) = self.queue.send(&bodies, 0).await else { return Vec::new() };
        warn("notifications that there is no time for come again when the queue says", &error);
        messages.iter().map(|message| message.id.to_owned()).collect()
    }

    async fn take_message(&self, body: &str) -> Result<Flow, CallError> {
        let mut flow = Flow::default();
        for object in objects_in(body)? {
            match kind_of(&object.key) {
                Kind::Log(key) => {
                    let (content, _) = self.read(&object).await?;
                    let unreadable = self.take_log(&object, &content, &mut flow).await?;
                    if let Some(unreadable) = unreadable {
                        self.report(&key.account_region, key.delivered.unwrap_or_else(|| self.now()), &[unreadable]).await?;
                    }
                }
                Kind::Digest(key) if self.may_verify(&key) => self.take_digest(&object, &key, &mut flow).await?,
                // Insights, digests that verify nothing here, and other objects.
                Kind::Digest(_) | Kind::Other => {
                    flow.taken_in += 1;
                    flow.ignored += 1;
                }
            }
        }
        Ok(flow)
    }

    /// Whether a digest may verify hours. A digest of a trail that a member created is only the member's word.
    fn may_verify(&self, key: &DigestKey) -> bool {
        let of_organization = self.scope.organization.as_ref().is_none_or(|organization| *organization == key.above);
        !matches!(self.verification, Verification::Never) && (of_organization || key.account_region.account == self.scope.hub_account)
    }

    /// The bucket to read an object from that a digest names: the digest's own, if that is the replica of the named bucket.
    fn here(&self, named: &str, digest: &Object) -> String {
        if self.scope.replica_of.as_deref() == Some(named) { digest.bucket.clone() } else { named.to_owned() }
    }

    async fn read(&self, object: &Object) -> Result<(Vec<u8>, Metadata), CallError> {
        let content = self.buckets.bucket(&object.bucket).get_with_metadata(&object.key).await?;
        content.ok_or_else(|| {
            CallError::new(format!("read s3://{}/{}", object.bucket, object.key), ErrorKind::NotFound, "there is no such object")
        })
    }

    /// Writes everything in a log file as facts. Returns a description of what can't be parsed, if anything.
    async fn take_log(&self, object: &Object, content: &[u8], flow: &mut Flow) -> Result<Option<String>, CallError> {
        let scanned = self.scan(object, content)?;
        flow.taken_in += scanned.counts.read;
        flow.judged += scanned.counts.taken;
        flow.ignored += scanned.counts.ignored.values().sum::<u64>();
        flow.unreadable += scanned.counts.unreadable;
        for problem in scanned.problems.iter().take(10) {
            tracing::warn!(key = object.key, record = problem.record, reason = problem.reason, "unreadable record");
        }
        for fact in facts_in(&scanned.facts) {
            self.observations.put(&fact).await?;
        }
        let unreadable = scanned.counts.unreadable;
        Ok((unreadable > 0).then(|| format!("{} holds {unreadable} records that can't be read", object.key)))
    }

    /// Parses a log file with the scanner of the command line, which reads files.
    fn scan(&self, object: &Object, content: &[u8]) -> Result<scan::Scanned, CallError> {
        let failed = |error: std::io::Error| CallError::new("keep a log file for a moment", ErrorKind::Retryable, error);
        let name = object.key.rsplit('/').next().unwrap_or("log");
        let path = std::env::temp_dir().join(format!("{}-{name}", crate::fact::digest(object.key.as_bytes())));
        let file = Temporary(path);
        std::fs::write(&file.0, content).map_err(failed)?;
        let input = LocalInput::File { path: file.0.clone(), bytes: content.len() as u64, is_named: true };
        Ok(scan::scan(&[input], &self.wanted, &Options { threads: 1, ..Options::default() }))
    }

    /// Verifies a digest, reads all log files that it lists, and marks its hours as verified.
    async fn take_digest(&self, object: &Object, key: &DigestKey, flow: &mut Flow) -> Result<(), CallError> {
        let (content, metadata) = self.read(object).await?;
        flow.taken_in += 1;
        flow.judged += 1;
        let about = key.end.plus_seconds(-HOUR);
        let digest = match self.checked(object, key, &content, &metadata).await? {
            Ok(digest) => digest,
            // Nothing in the digest can be believed. The log files are read when their own notifications arrive.
            Err(broken) => return self.report(&key.account_region, about, &[format!("{} {broken}", object.key)]).await,
        };
        let mut broken: Vec<String> = self.broken_chain(&digest, object).await?.into_iter().collect();
        for file in &digest.files {
            let log = Object { bucket: self.here(&file.bucket, object), key: file.object.clone() };
            let content = match self.read(&log).await {
                Ok((content, _)) => content,
                Err(error) if error.is_not_found() => {
                    broken.push(format!("{} {}", log.key, Broken::Deleted));
                    continue;
                }
                Err(error) => return Err(error),
            };
            match file.is_unaltered(&content) {
                Ok(()) => broken.extend(self.take_log(&log, &content, flow).await?),
                Err(altered) => broken.push(format!("{} {altered}", log.key)),
            }
        }
        if !broken.is_empty() {
            return self.report(&key.account_region, digest.start, &broken).await;
        }
        if key.backfill {
            // A backfill digest adds files to an hour that has a digest of its own.
            return Ok(());
        }
        let begins = digest.previous.is_none();
        let verified =
            VerifiedFact { time: digest.start, until: digest.end, files: digest.files.len() as u64, trail: key.trail.clone(), begins };
        self.observations
            .put(&Fact::new(Source::Hub, key.account_region.clone(), Some(digest.start), Content::Verified(verified)))
            .await
            .map(|_| ())
    }

    /// Parses a digest and verifies it as far as is required. The inner error is the fault of the digest.
    async fn checked(
        &self,
        object: &Object,
        key: &DigestKey,
        content: &[u8],
        metadata: &Metadata,
    ) -> Result<Result<Digest, Broken>, CallError> {
        let written_to = self.scope.replica_of.as_deref().unwrap_or(&object.bucket);
        let digest = match Digest::read(content).and_then(|digest| digest.is_at(written_to, &object.key).map(|()| digest)) {
            Ok(digest) => digest,
            Err(broken) => return Ok(Err(broken)),
        };
        let Verification::BySignatures(keys) = &self.verification else { return Ok(Ok(digest)) };
        let made_late = metadata.get(MADE_LATE).filter(|_| key.backfill).and_then(|time| Timestamp::parse(time));
        let (from, until) =
            made_late.map_or((digest.start, digest.end.plus_seconds(HOUR)), |made| (made.plus_seconds(-HOUR), made.plus_seconds(HOUR)));
        let Some(public_key) = keys.key(&key.account_region.region, &digest.fingerprint, from, until).await? else {
            return Ok(Err(Broken::Key(digest.fingerprint)));
        };
        let signature = metadata.get(SIGNATURE).map(String::as_str);
        Ok(digest.verify(signature, &public_key).map(|()| digest))
    }

    /// What is wrong with the previous digest, if anything.
    async fn broken_chain(&self, digest: &Digest, object: &Object) -> Result<Option<String>, CallError> {
        let (Some(previous), Verification::BySignatures(_)) = (&digest.previous, &self.verification) else { return Ok(None) };
        let before = Object { bucket: self.here(&previous.bucket, object), key: previous.object.clone() };
        let broken = match self.read(&before).await {
            Ok((content, metadata)) => digest.follows(&content, metadata.get(SIGNATURE).map(String::as_str)).err(),
            Err(error) if error.is_not_found() => Some(Broken::Deleted),
            Err(error) if error.kind == ErrorKind::Denied && before.bucket != object.bucket => {
                return Ok(Some(format!("{} lies in another bucket, {}, which may not be read", before.key, before.bucket)));
            }
            Err(error) => return Err(error),
        };
        Ok(broken.map(|broken| format!("{} {broken}", before.key)))
    }

    /// Reports broken files as a gap.
    async fn report(&self, account_region: &AccountRegion, time: Timestamp, broken: &[String]) -> Result<(), CallError> {
        let hour = start_of(hour_of(time));
        let detail = format!("{} files of the organization's trail: {}", broken.len(), broken.first().map_or("", String::as_str));
        let gap = GapFact { missing: "trail".to_owned(), time: hour, detail, count: broken.len() as u64 };
        self.observations.put(&Fact::new(Source::Hub, account_region.clone(), Some(hour), Content::Gap(gap))).await.map(|_| ())
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// A file that is removed when it is dropped.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // The file then goes with the execution environment.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Collected evidence as facts of the hub.
pub(crate) fn facts_in(facts: &EvidenceRows) -> Vec<Fact> {
    let packets = facts.pack(EventIds::All, &Invocations::default()).into_iter().map(|packet| {
        let account_region = AccountRegion::new(packet.account, packet.region);
        Fact { partition: Partition { source: Source::Hub, account_region, hour: packet.hour }, content: Content::Calls(packet.bytes) }
    });
    packets.chain(changes_in(facts, Source::Hub)).collect()
}

impl<B: Buckets, K: PublicKeys, Q: Queue> Handler<SqsEvent, SqsBatchResponse> for TrailAuditor<B, K, Q> {
    async fn handle(&self, event: SqsEvent, invocation: Invocation<'_>) -> Result<SqsBatchResponse, BoxError> {
        let messages: Vec<Message<'_>> = event.records.iter().map(Message::of).collect();
        let mut response = SqsBatchResponse::default();
        self.take(&messages, invocation.enough()).await.iter().for_each(|id| response.add_failure(id));
        Ok(response)
    }
}
