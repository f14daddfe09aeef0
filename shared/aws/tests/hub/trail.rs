//! Tests the organization's trail: what its signed digests verify, and the consequences if a log file, a digest or a signature was altered.

use std::{collections::BTreeMap, io::Write as _, sync::LazyLock, time::Instant};

use audit_aws::{
    bucket::{Bucket as _, MemoryBucket},
    clock::Clock,
    error::{CallError, ErrorKind},
    fold::Trust,
    invocations::Message,
    queue::MemoryQueue,
    trail::{Buckets, PublicKeys, Scope, TrailAuditor, Verification},
};
use audit_core::{
    finding::{Finding, Status},
    timestamp::Timestamp,
};
use rsa::{Generate as _, PrivateKey, pkcs1::EncodeRsaPublicKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{
    HUB, Tables, bucket_with,
    history::{self, MANAGEMENT, MEMBER},
    metrics, no_deadline, now, tables,
};

/// A key pair in the role of CloudTrail's for the Region.
static KEY: LazyLock<PrivateKey> = LazyLock::new(PrivateKey::generate);

const FINGERPRINT: &str = "31e8b5433410dfb61a9dc45cc65b22ff";

#[derive(Clone, Debug, Default)]
struct Keys {
    /// Requests are denied.
    denied: bool,
}

impl PublicKeys for Keys {
    async fn key(&self, region: &str, fingerprint: &str, from: Timestamp, until: Timestamp) -> Result<Option<Vec<u8>>, CallError> {
        if self.denied {
            return Err(CallError::new("ListPublicKeys", ErrorKind::Denied, "not allowed"));
        }
        assert!(region == "us-east-1" && from < until);
        Ok((fingerprint == FINGERPRINT).then(|| KEY.to_public_key().to_pkcs1_der().unwrap().into_vec()))
    }
}

/// One bucket for all names.
#[derive(Clone, Debug)]
struct OneBucket(MemoryBucket);

impl Buckets for OneBucket {
    type Bucket = MemoryBucket;

    fn bucket(&self, _: &str) -> MemoryBucket {
        self.0.clone()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const FOLDER: &str = "AWSLogs/o-exampleorgid/222233334444";

/// A trail that writes logs and signs digests as CloudTrail does.
struct Trail {
    bucket: MemoryBucket,
    /// Key, hash and signature of the last digest.
    last: Option<(String, String, String)>,
}

impl Trail {
    fn new() -> Self {
        Trail { bucket: MemoryBucket::default(), last: None }
    }

    /// Writes a log file. Returns its key and its hash.
    async fn log(&self, name: &str, records: &[Value]) -> (String, String) {
        let log = json!({"Records": records}).to_string();
        let key = format!("{FOLDER}/CloudTrail/us-east-1/2026/11/20/{name}.json.gz");
        self.bucket.put(&key, gzip(log.as_bytes())).await.unwrap();
        (key, hex::encode(Sha256::digest(log.as_bytes())))
    }

    /// Writes and signs the digest of the hour that begins twelve minutes after this one, after a change to it. Returns its key.
    fn digest_with(&mut self, hour: u32, files: &[(String, String)], change: impl FnOnce(&mut Value)) -> String {
        let key = digest_key(hour, "");
        let (before, hash, before_signature) = self.last.clone().map_or((None, None, None), |(a, b, c)| (Some(a), Some(b), Some(c)));
        let files: Vec<Value> = files
            .iter()
            .map(|(key, hash)| json!({"s3Bucket": "trail", "s3Object": key, "hashValue": hash, "hashAlgorithm": "SHA-256"}))
            .collect();
        let mut digest = json!({"awsAccountId": MEMBER, "digestStartTime": format!("2026-11-20T{hour:02}:12:00Z"),
            "digestEndTime": format!("2026-11-20T{:02}:12:00Z", hour + 1), "digestS3Bucket": "trail", "digestS3Object": key,
            "digestPublicKeyFingerprint": FINGERPRINT, "digestSignatureAlgorithm": "SHA256withRSA",
            "previousDigestS3Bucket": before.as_ref().map(|_| "trail"), "previousDigestS3Object": before,
            "previousDigestHashValue": hash, "previousDigestHashAlgorithm": hash.as_ref().map(|_| "SHA-256"),
            "previousDigestSignature": before_signature, "logFiles": files});
        change(&mut digest);
        let json = digest.to_string();
        let hash = hex::encode(Sha256::digest(json.as_bytes()));
        let text = |key: &str| digest[key].as_str().unwrap_or("null").to_owned();
        let place = format!("{}/{}", text("digestS3Bucket"), text("digestS3Object"));
        let signed = [text("digestEndTime"), place, hash.clone(), text("previousDigestSignature")].join("\n");
        let signature = hex::encode(KEY.pkcs1v15_sign::<Sha256>(signed.as_bytes()).unwrap());
        let key = text("digestS3Object");
        self.bucket.put_with_metadata(&key, gzip(json.as_bytes()), metadata(&signature));
        self.last = Some((key.clone(), hash, signature));
        key
    }

    fn digest(&mut self, hour: u32, files: &[(String, String)]) -> String {
        self.digest_with(hour, files, |_| {})
    }
}

fn metadata(signature: &str) -> BTreeMap<String, String> {
    let metadata = [("signature", signature), ("signature-algorithm", "SHA256withRSA")];
    metadata.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn digest_key(hour: u32, suffix: &str) -> String {
    let name = format!("{MEMBER}_CloudTrail-Digest_us-east-1_org_us-east-1_20261120T{:02}1200Z{suffix}", hour + 1);
    format!("{FOLDER}/CloudTrail-Digest/us-east-1/2026/11/20/{name}.json.gz")
}

fn notification(key: &str) -> String {
    json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "trail"}, "object": {"key": key}}}).to_string()
}

fn scope() -> Scope {
    Scope { organization: Some("o-exampleorgid".to_owned()), hub_account: HUB.to_owned(), replica_of: None }
}

/// Files that there is no time for are neither dropped nor counted as failures: their notifications return to the queue.
#[tokio::test]
async fn notifications_that_there_is_no_time_for_return_to_the_queue() {
    let (tables, trail, queue) = (tables().await, Trail::new(), MemoryQueue::default());
    let logs = [trail.log("a", &[history::call(MEMBER, 1, 5)]).await, trail.log("b", &[history::call(MEMBER, 2, 5)]).await];
    let bodies = logs.map(|(key, _)| notification(&key));
    let messages: Vec<Message<'_>> = bodies.iter().map(|body| Message { id: "m", body }).collect();
    let buckets = OneBucket(trail.bucket.clone());
    let auditor =
        TrailAuditor::new(tables.observations(), buckets, queue.clone(), scope(), signed(), metrics("audit-trail"), Clock::At(now()));
    assert_eq!(auditor.take(&messages, Instant::now()).await, Vec::<String>::new());
    assert_eq!(tables.items(&tables.observations).await.len(), 1, "one is always taken");
    assert_eq!(queue.take(), [(bodies[1].clone(), 0)]);
}

/// Notifies the function of these objects. Returns those that must be delivered again.
async fn notify(trail: &Trail, tables: &Tables, verification: Verification<Keys>, keys: &[&str]) -> Vec<String> {
    let buckets = OneBucket(trail.bucket.clone());
    let auditor = TrailAuditor::new(
        tables.observations(),
        buckets,
        MemoryQueue::default(),
        scope(),
        verification,
        metrics("audit-trail"),
        Clock::At(now()),
    );
    let bodies: Vec<String> = keys.iter().map(|key| notification(key)).collect();
    let messages: Vec<Message<'_>> = keys.iter().zip(&bodies).map(|(id, body)| Message { id, body }).collect();
    auditor.take(&messages, no_deadline()).await
}

fn signed() -> Verification<Keys> {
    Verification::BySignatures(Keys::default())
}

fn organization() -> Trust {
    Trust { organization: true, hub_account: HUB.to_owned(), management_account: Some(MANAGEMENT.to_owned()), members_are_believed: false }
}

async fn folded(tables: &Tables) -> Vec<Finding> {
    let world = bucket_with(history::bare_world(), None).await;
    tables.fold_all(&tables.fold(&world, organization())).await;
    tables.all_findings().await
}

/// The number of calls without a guardrail.
fn violations(findings: &[Finding]) -> u64 {
    findings.iter().find(|finding| finding.rule == "invocation-without-guardrail").map_or(0, |finding| finding.count)
}

fn gap(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().find(|finding| finding.rule == "telemetry-gap")
}

/// The account reports a real call and one that was never made.
async fn account_reports(tables: &Tables) {
    let state = crate::support::StateOf { account_region: None, files: history::bare_world().into_iter().collect() };
    let bodies: Vec<String> = [1, 77].iter().map(|number| history::envelope(&history::call(MEMBER, *number, 5))).collect();
    let messages: Vec<Message<'_>> = bodies.iter().map(|body| Message { id: "m", body }).collect();
    crate::support::invocation_auditor(tables, state).take(Some(&crate::support::own()), &messages).await;
}

#[tokio::test]
async fn what_the_trail_verifies_replaces_what_the_account_said() {
    let (tables, mut trail) = (tables().await, Trail::new());
    account_reports(&tables).await;
    assert_eq!(violations(&folded(&tables).await), 2);
    // It concealed two calls.
    let calls = [history::call(MEMBER, 1, 5), history::call(MEMBER, 2, 6), history::call(MEMBER, 3, 37)];
    let (early, late) = (trail.log("a", &calls[..2]).await, trail.log("b", &calls[2..]).await);
    let digests = [trail.digest(9, &[early]), trail.digest(10, &[late]), trail.digest(11, &[])];
    assert_eq!(notify(&trail, &tables, signed(), &[&digests[0], &digests[1]]).await, Vec::<String>::new());
    assert_eq!(violations(&folded(&tables).await), 4, "until the hour after is there, files may be late");
    assert_eq!(notify(&trail, &tables, signed(), &[&digests[2]]).await, Vec::<String>::new());
    let found = folded(&tables).await;
    assert_eq!((violations(&found), gap(&found)), (3, None), "verified");
}

#[tokio::test]
async fn an_hour_is_verified_only_if_digests_vouch_for_all_of_it() {
    let (tables, mut trail) = (tables().await, Trail::new());
    account_reports(&tables).await;
    let log = trail.log("a", &[history::call(MEMBER, 1, 5)]).await;
    // The calls were made in the first twelve minutes of the hour, which the previous digest covers; it was never delivered.
    let digests = [trail.digest(9, &[log]), trail.digest(10, &[]), trail.digest(11, &[])];
    notify(&trail, &tables, signed(), &[&digests[1], &digests[2]]).await;
    assert_eq!(violations(&folded(&tables).await), 2, "not yet");
    notify(&trail, &tables, signed(), &[&digests[0]]).await;
    assert_eq!(violations(&folded(&tables).await), 1, "whatever order they come in");
}

#[tokio::test]
async fn whatever_isnt_as_it_was_is_a_gap_and_verifies_nothing() {
    type Tamper = fn(&mut Trail, &[String], &(String, String));
    fn sign_elsewhere(trail: &mut Trail, digests: &[String], _: &(String, String)) {
        let before = trail.last.take();
        trail.digest_with(10, &[], |digest| digest["digestPublicKeyFingerprint"] = json!("unknown"));
        trail.last = before;
        assert!(digests[1].contains("T1112"));
    }
    let cases: [(&str, Tamper); 9] = [
        ("a.json.gz was altered", |trail, _, log| {
            let other = json!({"Records": [history::guarded_call(MEMBER, 1, 5, history::GUARDRAIL)]}).to_string();
            trail.bucket.put_with_metadata(&log.0, gzip(other.as_bytes()), BTreeMap::new());
        }),
        ("a.json.gz was deleted", |trail, _, log| trail.bucket.remove(&log.0)),
        ("a.json.gz has something behind its end", |trail, _, log| {
            let log_file = json!({"Records": [history::call(MEMBER, 1, 5)]}).to_string();
            let longer = [gzip(log_file.as_bytes()), gzip(br#"{"Records": []}"#)].concat();
            trail.bucket.put_with_metadata(&log.0, longer, BTreeMap::new());
        }),
        ("T111200Z.json.gz has a signature that isn't CloudTrail's", |trail, digests, _| {
            trail.bucket.put_with_metadata(&digests[1], gzip(&altered_digest(&digests[1])), metadata(&"00".repeat(256)));
        }),
        ("T111200Z.json.gz has no signature", |trail, digests, _| {
            trail.bucket.put_with_metadata(&digests[1], gzip(&altered_digest(&digests[1])), BTreeMap::new());
        }),
        ("T111200Z.json.gz was moved from where CloudTrail put it", |trail, digests, _| {
            let elsewhere = altered_digest(&digests[2]);
            trail.bucket.put_with_metadata(&digests[1], gzip(&elsewhere), metadata("00"));
        }),
        ("T111200Z.json.gz is no digest", |trail, digests, _| {
            trail.bucket.put_with_metadata(&digests[1], gzip(b"{}"), metadata("00"));
        }),
        ("T111200Z.json.gz can't be unpacked", |trail, digests, _| {
            trail.bucket.put_with_metadata(&digests[1], b"nonsense".to_vec(), metadata("00"));
        }),
        ("is signed with a key that CloudTrail doesn't have: unknown", sign_elsewhere),
    ];
    for (expected, tamper) in cases {
        let (tables, mut trail) = (tables().await, Trail::new());
        account_reports(&tables).await;
        let log = trail.log("a", &[history::call(MEMBER, 1, 5)]).await;
        let digests = [trail.digest(9, std::slice::from_ref(&log)), trail.digest(10, &[]), trail.digest(11, &[])];
        tamper(&mut trail, &digests, &log);
        let digests: Vec<&str> = digests.iter().map(String::as_str).collect();
        assert_eq!(notify(&trail, &tables, signed(), &digests).await, Vec::<String>::new(), "{expected}");
        let found = folded(&tables).await;
        let gap = gap(&found).unwrap_or_else(|| panic!("{expected}"));
        assert!(gap.detail.contains(expected) || gap.count > 1, "{expected}: {}", gap.detail);
        assert_eq!(gap.status, Status::Open);
        assert_eq!(violations(&found), 2, "{expected}: what the account said still counts");
    }
}

/// A digest like the one under this key, with a change.
fn altered_digest(key: &str) -> Vec<u8> {
    json!({"digestStartTime": "2026-11-20T10:12:00Z", "digestEndTime": "2026-11-20T11:12:00Z", "digestS3Bucket": "trail",
        "digestS3Object": key, "digestPublicKeyFingerprint": FINGERPRINT, "previousDigestSignature": null, "logFiles": []})
    .to_string()
    .into_bytes()
}

#[tokio::test]
async fn a_broken_chain_is_a_gap() {
    // The previous digest was deleted; it was replaced; it ended too early; the chain starts again.
    type Deliver = fn(&mut Trail) -> Vec<String>;
    let cases: [(&str, Deliver); 4] = [
        ("T101200Z.json.gz was deleted", |trail| {
            let before = trail.digest(9, &[]);
            let digest = trail.digest(10, &[]);
            trail.bucket.remove(&before);
            vec![digest]
        }),
        ("T101200Z.json.gz was altered", |trail| {
            trail.digest(9, &[]);
            let digest = trail.digest(10, &[]);
            let before = trail.last.replace((String::new(), String::new(), String::new()));
            trail.last = None;
            trail.digest_with(9, &[], |digest| digest["awsAccountId"] = json!("333344445555"));
            trail.last = before;
            vec![digest]
        }),
        ("leaves out what was from 2026-11-20T10:12:00Z on", |trail| {
            trail.digest(9, &[]);
            vec![trail.digest(11, &[])]
        }),
        ("begin anew at 2026-11-20T12:12:00Z, after 2026-11-20T10:12:00Z", |trail| {
            let before = trail.digest(9, &[]);
            trail.last = None;
            vec![before, trail.digest(12, &[])]
        }),
    ];
    for (expected, tell_of) in cases {
        let (tables, mut trail) = (tables().await, Trail::new());
        let digests = tell_of(&mut trail);
        let digests: Vec<&str> = digests.iter().map(String::as_str).collect();
        assert_eq!(notify(&trail, &tables, signed(), &digests).await, Vec::<String>::new());
        let found = folded(&tables).await;
        let detail = gap(&found).map(|gap| gap.detail.clone());
        assert!(detail.as_ref().is_some_and(|detail| detail.contains(expected)), "{expected}: {detail:?}");
    }
}

#[tokio::test]
async fn a_digest_of_late_files_adds_to_its_hour_and_verifies_nothing() {
    let (tables, mut trail) = (tables().await, Trail::new());
    let late = trail.log("late", &[history::call(MEMBER, 1, 5)]).await;
    let key = trail.digest_with(9, &[late], |digest| digest["digestS3Object"] = json!(digest_key(9, "_backfill")));
    let (content, mut metadata) = trail.bucket.get_with_metadata(&key).await.unwrap().unwrap();
    metadata.insert("backfill-generation-timestamp".to_owned(), "2026-11-21T00:00:00Z".to_owned());
    trail.bucket.put_with_metadata(&key, content, metadata);
    assert_eq!(notify(&trail, &tables, signed(), &[&key]).await, Vec::<String>::new());
    let found = folded(&tables).await;
    assert_eq!((violations(&found), gap(&found)), (1, None));
    let verified =
        tables.items(&tables.observations).await.iter().filter(|item| item["sk"].as_s().unwrap().starts_with("settled#")).count();
    assert_eq!(verified, 0);
}

#[tokio::test]
async fn the_digest_of_a_trail_that_a_member_made_verifies_nothing() {
    let (tables, mut trail) = (tables().await, Trail::new());
    account_reports(&tables).await;
    let own = |key: &str| key.replace("o-exampleorgid/", "");
    let keys: Vec<String> = (9..12)
        .map(|hour| {
            trail.digest_with(hour, &[], |digest| digest["digestS3Object"] = json!(own(digest["digestS3Object"].as_str().unwrap())))
        })
        .collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(notify(&trail, &tables, signed(), &keys).await, Vec::<String>::new());
    assert_eq!(violations(&folded(&tables).await), 2, "signed well, and of a trail that may leave out anything");
}

#[tokio::test]
async fn a_signature_that_cant_be_looked_at_verifies_nothing_and_comes_again() {
    let (tables, mut trail) = (tables().await, Trail::new());
    let digest = trail.digest(10, &[]);
    let denied = Verification::BySignatures(Keys { denied: true });
    assert_eq!(notify(&trail, &tables, denied, &[&digest]).await, [digest.as_str()]);
    assert_eq!(tables.items(&tables.observations).await.len(), 0, "neither verified nor a gap: nobody looked");
    assert_eq!(notify(&trail, &tables, Verification::Never, &[&digest]).await, Vec::<String>::new());
    assert_eq!(tables.items(&tables.observations).await.len(), 0);
    assert_eq!(notify(&trail, &tables, Verification::ByHashes, &[&digest]).await, Vec::<String>::new());
    assert_eq!(tables.items(&tables.observations).await.len(), 1, "who asks for no signature gets none checked");
}

#[tokio::test]
async fn an_object_that_isnt_there_comes_again_and_what_cant_be_read_is_a_gap() {
    let (tables, trail) = (tables().await, Trail::new());
    let broken = format!("{FOLDER}/CloudTrail/us-east-1/2026/11/20/{MEMBER}_CloudTrail_us-east-1_20261120T1015Z_abc.json.gz");
    trail.bucket.put(&broken, b"\x1f\x8b\x08nonsense".to_vec()).await.unwrap();
    let gone = format!("{FOLDER}/CloudTrail/us-east-1/2026/gone.json.gz");
    assert_eq!(notify(&trail, &tables, Verification::Never, &[&gone, "readme.txt", &broken]).await, [gone.as_str()]);
    let found = folded(&tables).await;
    let gap = gap(&found).unwrap();
    assert!(gap.detail.contains("_abc.json.gz holds 1 records that can't be read"), "{}", gap.detail);
    assert_eq!(gap.last_seen, Timestamp::parse("2026-11-20T10:00:00Z"));
}

#[tokio::test]
async fn a_log_that_cant_be_read_to_its_end_verifies_nothing() {
    let (tables, mut trail) = (tables().await, Trail::new());
    account_reports(&tables).await;
    let strange = json!({"eventSource": "bedrock.amazonaws.com", "is": "Converse"});
    let log = trail.log("a", &[history::call(MEMBER, 1, 5), strange]).await;
    let digests = [trail.digest(9, &[log]), trail.digest(10, &[]), trail.digest(11, &[])];
    let digests: Vec<&str> = digests.iter().map(String::as_str).collect();
    assert_eq!(notify(&trail, &tables, signed(), &digests).await, Vec::<String>::new());
    let found = folded(&tables).await;
    assert_eq!(violations(&found), 2, "what can't be read may be what the account said");
    assert!(gap(&found).unwrap().detail.contains("a.json.gz holds 1 records"), "{:?}", gap(&found));
}

/// A bucket of this name only.
#[derive(Clone, Debug)]
struct Only(&'static str, MemoryBucket);

impl Buckets for Only {
    type Bucket = MemoryBucket;

    fn bucket(&self, name: &str) -> MemoryBucket {
        assert_eq!(name, self.0, "nobody may read another");
        self.1.clone()
    }
}

/// If the log archive's bucket must not be changed, it is replicated to another. Digests name the bucket that they were written to.
#[tokio::test]
async fn a_replica_of_the_trail_s_bucket_verifies_as_the_bucket_does() {
    let (tables, mut trail) = (tables().await, Trail::new());
    account_reports(&tables).await;
    let log = trail.log("a", &[history::call(MEMBER, 1, 5)]).await;
    let digests = [trail.digest(9, &[log]), trail.digest(10, &[]), trail.digest(11, &[])];
    let scope = Scope { replica_of: Some("trail".to_owned()), ..scope() };
    let buckets = Only("replica", trail.bucket.clone());
    let auditor = TrailAuditor::new(
        tables.observations(),
        buckets,
        MemoryQueue::default(),
        scope,
        signed(),
        metrics("audit-trail"),
        Clock::At(now()),
    );
    let bodies: Vec<String> = digests.iter().map(|key| notification(key).replace(r#""name":"trail""#, r#""name":"replica""#)).collect();
    let messages: Vec<Message<'_>> = bodies.iter().map(|body| Message { id: "m", body }).collect();
    assert_eq!(auditor.take(&messages, no_deadline()).await, Vec::<String>::new());
    let found = folded(&tables).await;
    assert_eq!((violations(&found), gap(&found)), (1, None), "verified");
}
