//! `audit-trail`: reads the organization's trail from S3, and reports what is in it as the hub's own facts.
//!
//! A digest file names every log file of its hour with its hash. Once all of them were read, and are what they were, the hour is settled:
//! what accounts reported of it themselves is replaced.

use std::{io::Read as _, path::PathBuf, sync::Arc};

use audit_core::{
    auditor,
    cloudtrail::wanted::Wanted,
    facts::{Facts, packed::EventIds},
    moment::Moment,
    report::Invocations,
};
use audit_local::{
    input::Input as LocalInput,
    scan::{self, Options},
};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    aws::Aws,
    bucket::{Bucket, S3Bucket},
    clock::{Clock, hour_of, start_of},
    edge::Handler,
    error::{BoxError, CallError, ErrorKind, chain},
    fact::{Content, Fact, GapFact, SettledFact},
    invocations::{Message, changes_in},
    metrics::{Flow, Metrics},
    observations::Observations,
    place::{Partition, Place, Source},
    settings::Environment,
};

/// Makes buckets by name: the trail's is in another account.
pub trait Buckets: Send + Sync {
    /// Its buckets.
    type Bucket: Bucket;
    /// A bucket by its name.
    fn bucket(&self, name: &str) -> Self::Bucket;
}

/// S3.
#[derive(Clone, Debug)]
pub struct S3(pub Arc<Aws>);

impl Buckets for S3 {
    type Bucket = S3Bucket;

    fn bucket(&self, name: &str) -> S3Bucket {
        S3Bucket::new(Arc::clone(&self.0), name.to_owned())
    }
}

/// Audits the organization's trail.
#[derive(Debug)]
pub struct TrailAuditor<B> {
    wanted: Wanted,
    observations: Observations,
    buckets: B,
    settle: bool,
    metrics: Metrics,
    clock: Clock,
}

/// An object that a message names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// Its bucket.
    pub bucket: String,
    /// Its key, as it is.
    pub key: String,
}

/// What an object of a trail's bucket is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Log,
    Digest(Place),
    Other,
}

/// No log file of CloudTrail inflates to more (facts/05 §2: 50 MB), with room to spare.
const LARGEST: u64 = 256 << 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DigestFile {
    digest_start_time: String,
    digest_end_time: String,
    log_files: Vec<LogFile>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogFile {
    s3_bucket: String,
    s3_object: String,
    hash_value: String,
}

impl TrailAuditor<S3> {
    /// From the environment.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let table = environment.required("OBSERVATIONS_TABLE")?;
        let ttl_days = environment.facts_ttl_days()?;
        let settle = environment.flag("TRAIL_SETTLE")?;
        let metrics = Metrics::new(environment.parsed("METRICS_NAMESPACE", "GuardrailAudit".to_owned())?, "audit-trail", Clock::System);
        let hub_region = environment.optional("HUB_REGION");
        let aws = Aws::from_environment().await;
        let hub = Arc::new(hub_region.map_or_else(|| aws.in_own_region(), |region| aws.in_region(&region)));
        Ok(Self::new(Observations::new(hub, table, ttl_days), S3(Arc::new(aws)), settle, metrics, Clock::System))
    }
}

impl<B: Buckets> TrailAuditor<B> {
    /// An auditor of the trail.
    pub fn new(observations: Observations, buckets: B, settle: bool, metrics: Metrics, clock: Clock) -> Self {
        TrailAuditor { wanted: auditor::wanted(), observations, buckets, settle, metrics, clock }
    }

    /// Takes a batch of notifications. Answers with the messages that must come again.
    pub async fn take(&self, messages: &[Message<'_>]) -> Vec<String> {
        let mut failed = Vec::new();
        for message in messages {
            match self.take_message(message.body).await {
                Ok(flow) => self.metrics.flow(flow),
                Err(error) => {
                    tracing::error!(message_id = message.id, error = chain(&error), "a notification could not be followed");
                    failed.push(message.id.to_owned());
                }
            }
        }
        failed
    }

    async fn take_message(&self, body: &str) -> Result<Flow, CallError> {
        let mut flow = Flow::default();
        for object in objects_in(body) {
            match kind_of(&object.key) {
                Kind::Log => {
                    let content = self.read(&object).await?;
                    self.take_log(&object, &content, &mut flow).await?;
                }
                Kind::Digest(place) if self.settle => self.take_digest(&object, &place, &mut flow).await?,
                // Insights, digests that nobody asked for, and whatever else lies in a bucket.
                Kind::Digest(_) | Kind::Other => {
                    flow.taken_in += 1;
                    flow.ignored += 1;
                }
            }
        }
        Ok(flow)
    }

    async fn read(&self, object: &Object) -> Result<Vec<u8>, CallError> {
        let content = self.buckets.bucket(&object.bucket).get(&object.key).await?;
        content.ok_or_else(|| {
            CallError::new(format!("read s3://{}/{}", object.bucket, object.key), ErrorKind::NotFound, "there is no such object")
        })
    }

    /// Reports all that is in a log file.
    async fn take_log(&self, object: &Object, content: &[u8], flow: &mut Flow) -> Result<(), CallError> {
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
        Ok(())
    }

    /// By the scanner of the command line, which reads files.
    fn scan(&self, object: &Object, content: &[u8]) -> Result<scan::Scanned, CallError> {
        let failed = |error: std::io::Error| CallError::new("keep a log file for a moment", ErrorKind::Retryable, error);
        let name = object.key.rsplit('/').next().unwrap_or("log");
        let path = std::env::temp_dir().join(format!("{}-{name}", crate::fact::digest(object.key.as_bytes())));
        let file = Temporary(path);
        std::fs::write(&file.0, content).map_err(failed)?;
        let input = LocalInput::File { path: file.0.clone(), bytes: content.len() as u64 };
        Ok(scan::scan(&[input], &self.wanted, &Options { threads: 1, ..Options::default() }))
    }

    /// Reads all log files that a digest names, checks that they are what they were, and settles the hour.
    async fn take_digest(&self, object: &Object, place: &Place, flow: &mut Flow) -> Result<(), CallError> {
        let refused = |error: BoxError| CallError::new(format!("read the digest {}", object.key), ErrorKind::Refused, error);
        let content = inflate(&self.read(object).await?).map_err(|error| refused(error.into()))?;
        let digest: DigestFile = serde_json::from_slice(&content).map_err(|error| refused(error.into()))?;
        let (start, end) = Moment::parse(&digest.digest_start_time)
            .zip(Moment::parse(&digest.digest_end_time))
            .ok_or_else(|| refused("it has no times".into()))?;
        let mut missing = Vec::new();
        for file in &digest.log_files {
            let log = Object { bucket: file.s3_bucket.clone(), key: file.s3_object.clone() };
            let content = match self.read(&log).await {
                Ok(content) => content,
                Err(error) if error.is_not_found() => {
                    missing.push(format!("{} was deleted", log.key));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let inflated = inflate(&content).unwrap_or_default();
            if !hex::encode(Sha256::digest(&inflated)).eq_ignore_ascii_case(&file.hash_value) {
                missing.push(format!("{} was altered", log.key));
            }
            self.take_log(&log, &content, flow).await?;
        }
        if let Some(first) = missing.first() {
            let hour = start_of(hour_of(start));
            let detail = format!("{} log files of the organization's trail: {first}", missing.len());
            let gap = GapFact { missing: "trail".to_owned(), time: hour, detail, count: missing.len() as u64 };
            return self.observations.put(&Fact::new(Source::Hub, place.clone(), Some(hour), Content::Gap(gap))).await.map(|_| ());
        }
        let settled = SettledFact { time: start, until: end, files: digest.log_files.len() as u64 };
        self.observations.put(&Fact::new(Source::Hub, place.clone(), Some(start), Content::Settled(settled))).await.map(|_| ())
    }

    /// When it is.
    pub fn now(&self) -> Moment {
        self.clock.now()
    }
}

/// A file that is gone when it is no longer needed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // What can't be removed goes with the execution environment.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Facts as the hub's own.
pub(crate) fn facts_in(facts: &Facts) -> Vec<Fact> {
    let packets = facts.pack(EventIds::All, &Invocations::default()).into_iter().map(|packet| {
        let place = Place::new(packet.account, packet.region);
        Fact { partition: Partition { source: Source::Hub, place, hour: packet.hour }, content: Content::Calls(packet.bytes) }
    });
    packets.chain(changes_in(facts, Source::Hub)).collect()
}

fn inflate(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut inflated = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(bytes).take(LARGEST).read_to_end(&mut inflated)?;
    if read as u64 == LARGEST { Err(std::io::Error::other("it is too large")) } else { Ok(inflated) }
}

/// What a key says of its object (facts/05 §3).
fn kind_of(key: &str) -> Kind {
    let parts: Vec<&str> = key.split('/').collect();
    let at = parts.iter().position(|part| *part == "CloudTrail" || *part == "CloudTrail-Digest");
    let (Some(at), true) = (at, key.ends_with(".json.gz")) else { return Kind::Other };
    let (Some(account), Some(region)) = (at.checked_sub(1).and_then(|before| parts.get(before)), parts.get(at + 1)) else {
        return Kind::Other;
    };
    match parts.get(at) {
        Some(&"CloudTrail") => Kind::Log,
        _ => Kind::Digest(Place::new(*account, *region)),
    }
}

/// The objects that a notification names: S3's own, EventBridge's, or either in an envelope of SNS; or CloudTrail's to SNS.
#[must_use]
pub fn objects_in(body: &str) -> Vec<Object> {
    let Ok(json) = serde_json::from_str::<Value>(body) else { return Vec::new() };
    if let Some(inner) = json.get("Message").and_then(Value::as_str) {
        return objects_in(inner);
    }
    let text = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
    if let (Some(bucket), Some(key)) = (text(&json, "/detail/bucket/name"), text(&json, "/detail/object/key")) {
        return vec![Object { bucket, key }];
    }
    if let (Some(bucket), Some(keys)) = (text(&json, "/s3Bucket"), json.get("s3ObjectKey").and_then(Value::as_array)) {
        return keys.iter().filter_map(|key| Some(Object { bucket: bucket.clone(), key: key.as_str()?.to_owned() })).collect();
    }
    let records = json.get("Records").and_then(Value::as_array).into_iter().flatten();
    let object =
        |record: &Value| Some(Object { bucket: text(record, "/s3/bucket/name")?, key: from_url(&text(record, "/s3/object/key")?) });
    records.filter_map(object).collect()
}

/// S3's own notifications write keys as in a query.
fn from_url(key: &str) -> String {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escaped = behind.get(..2).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = behind;
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl<B: Buckets> Handler<SqsEvent, SqsBatchResponse> for TrailAuditor<B> {
    async fn handle(&self, event: SqsEvent, _: &str) -> Result<SqsBatchResponse, BoxError> {
        let messages: Vec<Message<'_>> = event.records.iter().map(Message::of).collect();
        let mut response = SqsBatchResponse::default();
        self.take(&messages).await.iter().for_each(|id| response.add_failure(id));
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_forms_of_a_notification_name_the_same_object() {
        let key = "AWSLogs/o-ab/222233334444/CloudTrail/us-east-1/2026/11/20/a b.json.gz";
        let s3 = json!({"Records": [{"s3": {"bucket": {"name": "trail"}, "object": {"key": key.replace(' ', "+").replace('-', "%2D")}}}]});
        let eventbridge = json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "trail"}, "object": {"key": key}}});
        let sns = json!({"Type": "Notification", "Message": s3.to_string()});
        let cloudtrail = json!({"Message": json!({"s3Bucket": "trail", "s3ObjectKey": [key]}).to_string()});
        for body in [s3, eventbridge, sns, cloudtrail] {
            assert_eq!(objects_in(&body.to_string()), [Object { bucket: "trail".into(), key: key.into() }], "{body}");
        }
        assert_eq!(objects_in("nonsense"), []);
        assert_eq!(objects_in(r#"{"Service": "Amazon S3", "Event": "s3:TestEvent"}"#), []);
    }

    #[test]
    fn what_isnt_a_log_of_cloudtrail_is_told_by_its_key() {
        assert_eq!(kind_of("p/AWSLogs/o-ab/222233334444/CloudTrail/us-east-1/2026/11/20/x.json.gz"), Kind::Log);
        assert_eq!(
            kind_of("AWSLogs/o-ab/222233334444/CloudTrail-Digest/us-east-1/2026/11/20/x.json.gz"),
            Kind::Digest(Place::new("222233334444", "us-east-1"))
        );
        for other in
            ["AWSLogs/o-ab/222233334444/CloudTrail-Insight/us-east-1/2026/x.json.gz", "x.exe", "AWSLogs/o-ab/1/CloudTrail/us-east-1/x.txt"]
        {
            assert_eq!(kind_of(other), Kind::Other, "{other}");
        }
    }
}
