//! Tests that what is read through bundles is what the folder of the world holds, whatever is lost, damaged, written twice or ended in the middle.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use audit_aws::{
    bucket::{Bucket, ListedObject, MemoryBucket},
    error::{CallError, ErrorKind},
    fold::{FoldTask, Trust},
    invocations::Message,
    world::{BUNDLES, Bundling, HubWorld, PREFIX},
};
use audit_core::world::{SnapshotPath, World};
use serde_json::{Value, json};

use crate::support::{
    Random, StateOf, Tables, bucket_with, endpoint,
    history::{self, GUARDRAIL, MANAGEMENT, MEMBER},
    invocation_auditor, no_deadline, now, own, tables_at,
};

const OTHER: &str = "333344445555";

/// A bucket that ends whoever uses it after a number of requests, counts those for objects of the world, and may refuse bundles.
#[derive(Clone, Debug)]
struct Watched {
    bucket: MemoryBucket,
    left: Arc<AtomicU64>,
    read: Arc<AtomicU64>,
    refuses_bundles: bool,
}

impl Watched {
    fn new(bucket: &MemoryBucket) -> Self {
        let left = Arc::new(AtomicU64::new(u64::MAX));
        Watched { bucket: bucket.clone(), left, read: Arc::default(), refuses_bundles: false }
    }

    fn ending_after(bucket: &MemoryBucket, requests: u64) -> Self {
        Watched { left: Arc::new(AtomicU64::new(requests)), ..Self::new(bucket) }
    }

    fn without_bundles(bucket: &MemoryBucket) -> Self {
        Watched { refuses_bundles: true, ..Self::new(bucket) }
    }

    fn pass(&self, key: &str) -> Result<(), CallError> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let error = |kind| CallError::new(format!("use {key}"), kind, "it was made to fail");
        left.map_err(|_| error(ErrorKind::Retryable))?;
        if self.refuses_bundles && key.starts_with(BUNDLES) { Err(error(ErrorKind::Denied)) } else { Ok(()) }
    }

    /// The objects of the world that were read since the last time.
    fn taken(&self) -> u64 {
        self.read.swap(0, Ordering::SeqCst)
    }
}

impl Bucket for Watched {
    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, CallError> {
        self.pass(prefix)?;
        self.bucket.list(prefix).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        self.pass(key)?;
        self.bucket.get(key).await
    }

    async fn get_listed(&self, listed: &ListedObject) -> Result<Option<Vec<u8>>, CallError> {
        self.pass(&listed.key)?;
        self.read.fetch_add(1, Ordering::SeqCst);
        self.bucket.get_listed(listed).await
    }

    async fn put(&self, key: &str, content: Vec<u8>) -> Result<(), CallError> {
        self.pass(key)?;
        self.bucket.put(key, content).await
    }
}

/// The world of an account, added file by file from the folder: all files for the management account.
async fn of_folder(bucket: &MemoryBucket, account: &str, others: &BTreeSet<String>) -> World {
    let mut world = World::default();
    for listed in bucket.list(PREFIX).await.unwrap() {
        let path = listed.key.strip_prefix(PREFIX).unwrap();
        let Some(at) = SnapshotPath::parse(path) else { continue };
        let of = at.entity.account_and_region().0.map(ToString::to_string);
        let kind = path.split('/').next().unwrap();
        let concerns = account == MANAGEMENT
            || of.as_ref().is_none_or(|of| of == account)
            || (of.as_deref() == Some(MANAGEMENT) && matches!(kind, "guardrails" | "telemetry"))
            || (of.is_some_and(|of| others.contains(&of)) && kind == "enforced-configurations");
        if concerns {
            let _ = world.add(&at, &bucket.get(&listed.key).await.unwrap().unwrap());
        }
    }
    world
}

async fn assert_as_the_folder<B: Bucket>(hub: &HubWorld<B>, bucket: &MemoryBucket, what: &str) {
    for (account, others) in [(MEMBER, BTreeSet::new()), (OTHER, BTreeSet::from([MEMBER.to_owned()])), (MANAGEMENT, BTreeSet::new())] {
        let (world, _) = hub.of(account, Some(MANAGEMENT), &others, Bundling::Renewing).await.unwrap();
        // All that a world answers follows from what it holds.
        assert!(format!("{world:?}") == format!("{:?}", of_folder(bucket, account, &others).await), "{what}: the world of {account}");
    }
}

/// A file of the world: mostly of a time of its own, sometimes of none, and sometimes one that can't be used.
fn file(random: &mut Random) -> (String, Vec<u8>) {
    let account = [MEMBER, OTHER, MANAGEMENT, "22223333444"][usize::try_from(random.below(4)).unwrap()];
    let region = ["us-east-1", "eu-west-1"][usize::try_from(random.below(2)).unwrap()];
    let guardrail = format!("arn:aws:bedrock:us-east-1:{MANAGEMENT}:guardrail/required{}", random.below(3));
    let organization = |random: &mut Random| {
        let world = history::bare_world_with(OTHER);
        let mut json: Value = serde_json::from_slice(&world.iter().find(|(path, _)| path == "organization.json").unwrap().1).unwrap();
        json["Accounts"][0]["Name"] = json!(format!("shop {}", random.below(3)));
        json
    };
    let (stem, json) = match random.below(8) {
        0 => ("organization".to_owned(), organization(random)),
        1 => (format!("effective-policies/{account}"), history::enforced_policy(&guardrail)),
        2 => (format!("effective-policies/{account}"), json!({"EffectivePolicy": null})),
        3 => {
            let policy = json!({"PolicySummary": {"Id": "p-1", "Type": "BEDROCK_POLICY", "Name": "a"}, "Content": format!(r#"{{"a": {}}}"#, random.below(3))});
            ("policies/p-1".to_owned(), json!({ "Policy": policy }))
        }
        4 => {
            let name = format!("guardrail {}", random.below(3));
            (format!("guardrails/{account}/{region}/required1/1"), json!({"guardrailId": "required1", "version": "1", "name": name}))
        }
        5 => (format!("telemetry/{account}/{region}"), json!([])),
        6 => (format!("invalid-policies/{account}"), json!({"EffectivePolicyValidationErrors": []})),
        _ => {
            let configurations =
                if random.below(2) == 0 { json!([]) } else { json!([{"guardrailArn": guardrail, "guardrailVersion": "1"}]) };
            (format!("enforced-configurations/{account}/{region}"), json!({ "guardrailsConfig": configurations }))
        }
    };
    let time = match random.below(30) {
        0 => String::new(),
        time => format!("@202611{time:02}T{:02}0000Z", random.below(24)),
    };
    let content = if random.below(20) == 0 { b"not JSON".to_vec() } else { json.to_string().into_bytes() };
    (format!("{PREFIX}{stem}{time}.json"), content)
}

/// One change of the bucket: of the folder, or of the bundles behind everyone's back.
async fn change(bucket: &MemoryBucket, earlier: &mut Vec<(String, Vec<u8>)>, random: &mut Random) {
    let bundles = bucket.list(BUNDLES).await.unwrap();
    let chosen = |random: &mut Random, from: &[ListedObject]| {
        from.get(usize::try_from(random.below(from.len().max(1) as u64)).unwrap()).map(|of| of.key.clone())
    };
    match random.below(12) {
        0 => {
            let files = bucket.list(PREFIX).await.unwrap();
            let Some(key) = chosen(random, &files) else { return };
            bucket.remove(&key);
        }
        1 => {
            let Some(key) = chosen(random, &bundles) else { return };
            let mut damaged = bucket.get(&key).await.unwrap().unwrap();
            let at = usize::try_from(random.below(damaged.len() as u64)).unwrap();
            damaged[at] ^= 1;
            bucket.put(&key, damaged).await.unwrap();
        }
        2 => {
            let Some(key) = chosen(random, &bundles) else { return };
            earlier.push((key.clone(), bucket.get(&key).await.unwrap().unwrap()));
            bucket.remove(&key);
        }
        // What another fold had read earlier, and writes only now.
        3 if !earlier.is_empty() => {
            let (key, content) = earlier[usize::try_from(random.below(earlier.len() as u64)).unwrap()].clone();
            bucket.put(&key, content).await.unwrap();
        }
        _ => {
            for _ in 0..=random.below(25) {
                let (key, content) = file(random);
                bucket.put(&key, content).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn the_world_from_bundles_is_that_of_the_folder() {
    let (mut used, mut written) = (0, 0);
    for seed in 0..4 {
        let (bucket, mut random, mut earlier) = (MemoryBucket::default(), Random(seed), Vec::new());
        let warm = HubWorld::new(bucket.clone());
        for step in 0..20 {
            change(&bucket, &mut earlier, &mut random).await;
            let watched = Watched::new(&bucket);
            assert_as_the_folder(&HubWorld::new(watched.clone()), &bucket, &format!("seed {seed}, step {step}, a new instance")).await;
            let files = bucket.list(PREFIX).await.unwrap().len() as u64;
            used += u64::from(files > 60 && watched.taken() < files / 2);
            if random.below(2) == 0 {
                assert_as_the_folder(&warm, &bucket, &format!("seed {seed}, step {step}, an instance that remembers")).await;
            }
        }
        written += bucket.list(BUNDLES).await.unwrap().len();
    }
    assert!(used > 10 && written > 8, "bundles are written and used: {used} times, {written} are there");
}

/// Files of a folder, so many of each scope that they are bundled.
fn many() -> Vec<(String, Vec<u8>)> {
    let mut random = Random(7);
    (0..180).map(|_| file(&mut random)).collect()
}

async fn bucket_of(files: &[(String, Vec<u8>)]) -> MemoryBucket {
    let bucket = bucket_with(history::bare_world_with(OTHER), None).await;
    for (key, content) in files {
        bucket.put(key, content.clone()).await.unwrap();
    }
    bucket
}

#[tokio::test]
async fn a_reader_that_is_ended_anywhere_harms_nothing() {
    let (files, mut ended) = (many(), 0);
    loop {
        let bucket = bucket_of(&files).await;
        let world = HubWorld::new(Watched::ending_after(&bucket, ended));
        let outcome = world.of(MEMBER, Some(MANAGEMENT), &BTreeSet::new(), Bundling::Renewing).await;
        assert_as_the_folder(&HubWorld::new(bucket.clone()), &bucket, &format!("after {ended} requests")).await;
        if outcome.is_ok() && bucket.list(BUNDLES).await.unwrap().len() >= 2 {
            break;
        }
        ended += 1;
    }
    assert!(ended > 30, "{ended}");
}

#[tokio::test]
async fn what_is_bundled_is_read_once() {
    let bucket = bucket_of(&many()).await;
    let read = async |world: &HubWorld<Watched>, bundling| {
        world.of(MEMBER, Some(MANAGEMENT), &BTreeSet::new(), bundling).await.unwrap();
    };
    let watched = Watched::new(&bucket);
    read(&HubWorld::new(watched.clone()), Bundling::ReadOnly).await;
    assert!(watched.taken() > 32);
    assert!(bucket.list(BUNDLES).await.unwrap().is_empty(), "who only reads writes nothing");
    read(&HubWorld::new(watched.clone()), Bundling::Renewing).await;
    assert!(watched.taken() > 32);
    let next = HubWorld::new(watched.clone());
    read(&next, Bundling::Renewing).await;
    assert_eq!(watched.taken(), 0, "bundles have it all");
    bucket.put(&format!("{PREFIX}effective-policies/{MEMBER}@20251101T000000Z.json"), b"{}".to_vec()).await.unwrap();
    for expected in [1, 0] {
        read(&next, Bundling::Renewing).await;
        assert_eq!(watched.taken(), expected, "a file that is dated back is read once");
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_after_it_was_listed_is_not_taken_for_the_listed_one() {
    let bucket = bucket_with(history::bare_world(), None).await;
    let listed = bucket.list(&format!("{PREFIX}organization")).await.unwrap().remove(0);
    assert!(bucket.get_listed(&listed).await.unwrap().is_some());
    bucket.put(&listed.key, b"{}".to_vec()).await.unwrap();
    assert_eq!(bucket.get_listed(&listed).await.unwrap_err().kind, ErrorKind::Retryable);
    bucket.remove(&listed.key);
    assert!(bucket.get_listed(&listed).await.unwrap().is_none());
}

async fn report(tables: &Tables) {
    let state = StateOf { account_region: None, files: BTreeMap::default() };
    let bodies: Vec<String> = (0..12).map(|number| history::envelope(&history::call(MEMBER, number, number * 30))).collect();
    let messages: Vec<Message<'_>> = bodies.iter().map(|body| Message { id: body, body }).collect();
    assert!(invocation_auditor(tables, state).take(Some(&own()), &messages).await.failed.is_empty());
}

#[tokio::test]
async fn folds_find_with_bundles_what_they_find_without() {
    let trust =
        Trust { organization: true, members_are_believed: true, management_account: Some(MANAGEMENT.to_owned()), ..Trust::default() };
    let bucket = bucket_with(history::bare_world_with(OTHER), None).await;
    // A guardrail that is enforced and taken away again every half hour, and differs by Region.
    for step in 0..40 {
        let policy = if step % 2 == 0 { history::enforced_policy(GUARDRAIL) } else { json!({"EffectivePolicy": null}) };
        let path = format!("{PREFIX}effective-policies/{MEMBER}@20261120T{:02}{:02}00Z.json", step / 2, (step % 2) * 30 + 5);
        bucket.put(&path, policy.to_string().into_bytes()).await.unwrap();
    }
    let endpoint = endpoint().await;
    let (with, without) = (tables_at(&endpoint).await, tables_at(&endpoint).await);
    let watched = Watched::new(&bucket);
    for (tables, bucket) in [(&with, watched.clone()), (&without, Watched::without_bundles(&bucket))] {
        report(tables).await;
        let judging = tables.fold_at(&bucket, trust.clone(), now());
        assert_eq!(judging.take(&tables.inserted().await).await, None);
        // Another instance judges again.
        let judging = tables.fold_at(&bucket, trust.clone(), now());
        watched.taken();
        judging.attempt(&FoldTask::new(MEMBER, u64::MAX), no_deadline()).await.unwrap();
        judging.rebuild().await;
    }
    assert!(bucket.get(&format!("{BUNDLES}accounts/{MEMBER}")).await.unwrap().is_some());
    let derived = with.derived().await;
    assert!(derived.iter().any(|(key, item)| key.starts_with("FINDINGS#") && item.contains("invocation-without-guardrail")), "{derived:?}");
    assert_eq!(derived, without.derived().await);
}
