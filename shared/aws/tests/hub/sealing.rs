//! Tests that hours which are sealed give the findings that they gave before, whatever comes late, fails, or is changed behind them, and that a fold reads no
//! more for them.

use std::collections::BTreeSet;

use audit_aws::{
    bucket::{Bucket as _, MemoryBucket},
    error::ErrorKind,
    fold::{Attempted, FoldTask, Request, Trust},
    invocations::Message,
    observations::Item,
    partition::Partition,
    stream::StreamRecord,
};
use serde_json::{Value, json};

use crate::support::{
    Failure, Judging, Random, StateOf, Tables, bucket_with, endpoint,
    history::{self, GUARDRAIL, MANAGEMENT, MEMBER},
    invocation_auditor, no_deadline, now, own, tables, tables_at,
};

const OTHER: &str = "333344445555";

fn trust() -> Trust {
    Trust { organization: true, members_are_believed: true, management_account: Some(MANAGEMENT.to_owned()), ..Trust::default() }
}

async fn bare() -> MemoryBucket {
    bucket_with(history::bare_world_with(OTHER), None).await
}

/// A fold that seals every hour at once.
fn at_once(tables: &Tables, bucket: &MemoryBucket, trust: Trust) -> Judging {
    keeping(tables, bucket, trust, 400)
}

/// A fold that seals hours this number of hours after they have begun. Histories begin 38 hours before the time at which folds judge.
fn after(tables: &Tables, bucket: &MemoryBucket, trust: Trust, hours: i64) -> Judging {
    let judging = at_once(tables, bucket, trust);
    Judging { fold: judging.fold.sealing_after(hours), ..judging }
}

/// The same, where facts are kept for so many days.
fn keeping(tables: &Tables, bucket: &MemoryBucket, trust: Trust, days: i64) -> Judging {
    let judging = tables.fold_keeping(bucket, trust, now(), days);
    Judging { fold: judging.fold.sealing_after(-6).opening_after(0), ..judging }
}

async fn report(tables: &Tables, records: &[Value]) {
    let state = StateOf { account_region: None, files: history::bare_world_with(OTHER).into_iter().collect() };
    let (bodies, ids): (Vec<String>, Vec<String>) =
        records.iter().enumerate().map(|(number, record)| (history::envelope(record), number.to_string())).unzip();
    let messages: Vec<Message<'_>> = ids.iter().zip(&bodies).map(|(id, body)| Message { id, body }).collect();
    assert!(invocation_auditor(tables, state).take(Some(&own()), &messages).await.failed.is_empty());
}

/// Folds the facts that weren't known before, and those that the fold causes.
async fn fold_new(tables: &Tables, judging: &Judging, known: &mut BTreeSet<(String, String)>) {
    loop {
        let inserted = tables.inserted().await.into_iter();
        let new: Vec<StreamRecord> = inserted.filter(|record| known.insert((record.pk().to_owned(), record.sk().to_owned()))).collect();
        if new.is_empty() {
            return;
        }
        assert_eq!(judging.take(&new).await, None);
    }
}

/// The findings and blind spots, without what depends on how they came about.
async fn concluded(tables: &Tables) -> Vec<(String, String)> {
    conclusions(tables, &["FINDINGS#"]).await
}

/// The same, with the numbers of calls by hour.
async fn with_rollups(tables: &Tables) -> Vec<(String, String)> {
    conclusions(tables, &["FINDINGS#", "ROLLUP#"]).await
}

async fn conclusions(tables: &Tables, of: &[&str]) -> Vec<(String, String)> {
    let bare = |item: Item| {
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        (format!("{} {}", text("pk"), text("sk")), format!("{}{}{}", text("finding"), text("rollup"), text("blind")))
    };
    let mut items: Vec<(String, String)> = tables.items(&tables.findings).await.into_iter().map(bare).collect();
    items.retain(|(key, _)| of.iter().any(|prefix| key.starts_with(prefix)) || key.ends_with("BLIND"));
    items.sort();
    items
}

/// A change of an account that enforces the guardrail on all models.
fn enforced(account: &str, number: u64, minute: u64) -> Value {
    let configuration = json!({"guardrailIdentifier": GUARDRAIL, "guardrailVersion": "1",
        "modelEnforcement": {"includedModels": ["ALL"], "excludedModels": []}});
    let parameters = json!({"guardrailInferenceConfig": configuration});
    let mut record = history::record(account, "PutEnforcedGuardrailConfiguration", number, minute, &parameters);
    record["responseElements"] = json!({"configId": "c1"});
    record
}

/// A change of a KMS key.
fn of_key(account: &str, operation: &str, number: u64, minute: u64, key: &str) -> Value {
    let parameters = json!({"keyId": format!("arn:aws:kms:us-east-1:{account}:{key}")});
    let mut record = history::record(account, operation, number, minute, &parameters);
    record["eventSource"] = json!("kms.amazonaws.com");
    record
}

/// A change of a role that has nothing to do with guardrails.
fn role_policy(account: &str, number: u64, minute: u64) -> Value {
    let document =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}).to_string();
    let parameters = json!({"roleName": format!("role-{}", number % 3), "policyName": "p", "policyDocument": document});
    let mut record = history::record(account, "PutRolePolicy", number, minute, &parameters);
    record["eventSource"] = json!("iam.amazonaws.com");
    record
}

fn history(random: &mut Random) -> Vec<Value> {
    let mut records = Vec::new();
    for number in 0..(6 + random.below(14)) {
        let (account, minute) = (if random.below(3) == 0 { OTHER } else { MEMBER }, random.below(600));
        records.push(match random.below(16) {
            0 | 1 => history::guarded_call(account, number, minute, GUARDRAIL),
            2 => history::evaluation(account, random.below(number + 1), minute, GUARDRAIL),
            3 => history::record(account, "DeleteEnforcedGuardrailConfiguration", number, minute, &json!({"configId": "c1"})),
            4 => history::record(MANAGEMENT, "AttachPolicy", number, minute, &json!({"policyId": "p-1", "targetId": account})),
            5 => history::record(account, "DeleteGuardrail", number, minute, &json!({"guardrailIdentifier": GUARDRAIL})),
            6 => enforced(account, number, minute),
            9 | 10 => of_key(
                account,
                if random.below(2) == 0 { "DisableKey" } else { "RetireGrant" },
                number,
                minute,
                &format!("key/{}", random.below(3)),
            ),
            11 => role_policy(account, number, minute),
            7 => history::record(
                MANAGEMENT,
                "UpdateGuardrail",
                number,
                minute,
                &json!({"guardrailIdentifier": GUARDRAIL, "name": "required"}),
            ),
            8 => history::record(MANAGEMENT, "CreateGuardrailVersion", number, minute, &json!({"guardrailIdentifier": GUARDRAIL})),
            _ => history::call(account, number, minute),
        });
    }
    records
}

/// Number of partitions in an account's index, and of checkpoints.
async fn index_of(tables: &Tables, account: &str) -> (usize, usize) {
    let findings = tables.findings();
    (findings.partitions(account).await.unwrap().len(), findings.checkpoints(account).await.unwrap().checkpoints.len())
}

#[tokio::test]
async fn sealed_or_not_the_findings_are_the_same() {
    let endpoint = endpoint().await;
    let mut sealed = 0;
    // The hours after which each of two instances seals: all at once; those of the first two hours; those of the first eight.
    for (seed, after_hours) in (0..).zip([[-6, -6], [36, 36], [30, 36], [-6, 30], [30, 30], [-6, 36], [36, -6], [-6, -6]]) {
        let mut random = Random(seed);
        let records = history(&mut random);
        // Half of the histories are those of members that aren't believed.
        let trust = Trust { members_are_believed: seed % 2 == 0, ..trust() };
        let open = tables_at(&endpoint).await;
        report(&open, &records).await;
        open.fold_all(&open.fold(&bare().await, trust.clone())).await;
        let expected = concluded(&open).await;

        // In any order and in any batches: a batch opens the hours of those before again, or comes behind them.
        let (other, bucket) = (tables_at(&endpoint).await, bare().await);
        let (mut left, mut known) = (records.clone(), BTreeSet::new());
        if seed % 3 == 0 {
            left.sort_by_key(|record| std::cmp::Reverse(record["eventTime"].as_str().unwrap().to_owned()));
        } else {
            random.shuffle(&mut left);
        }
        let instances = after_hours.map(|hours| after(&other, &bucket, trust.clone(), hours));
        while !left.is_empty() {
            let batch = left.split_off(left.len().saturating_sub(2 + usize::try_from(random.below(8)).unwrap()));
            report(&other, &batch).await;
            fold_new(&other, &instances[usize::try_from(random.below(2)).unwrap()], &mut known).await;
        }
        assert_eq!(concluded(&other).await, expected, "seed {seed}");
        let (open, checkpoints) = index_of(&other, MEMBER).await;
        assert!(open == 0 || after_hours != [-6, -6], "seed {seed}");
        sealed += checkpoints;

        // Made again from all facts, they and the numbers by hour are the same.
        instances[0].rebuild().await;
        let again = with_rollups(&other).await;
        instances[1].rebuild().await;
        assert_eq!(with_rollups(&other).await, again, "seed {seed}");
        assert_eq!(concluded(&other).await, expected, "seed {seed}");
    }
    assert!(sealed >= 8, "hours were sealed: {sealed}");
}

#[tokio::test]
async fn the_numbers_by_hour_of_sealed_hours_are_those_of_open_ones() {
    let endpoint = endpoint().await;
    for seed in 40..42 {
        let records = history(&mut Random(seed));
        let [open, other] = [tables_at(&endpoint).await, tables_at(&endpoint).await];
        for tables in [&open, &other] {
            report(tables, &records).await;
        }
        let judging = open.fold(&bare().await, trust());
        open.fold_all(&judging).await;
        judging.rebuild().await;
        let sealing = at_once(&other, &bare().await, trust());
        other.fold_all(&sealing).await;
        assert_eq!(index_of(&other, MEMBER).await.0, 0);
        sealing.rebuild().await;
        assert_eq!(with_rollups(&other).await, with_rollups(&open).await, "seed {seed}");
    }
}

#[tokio::test]
async fn a_fold_reads_nothing_of_hours_that_are_sealed() {
    let endpoint = endpoint().await;
    let mut calls = Vec::new();
    for hours in [2, 12] {
        let (tables, bucket) = (tables_at(&endpoint).await, bare().await);
        let records: Vec<Value> = (0..hours).map(|number| history::call(MEMBER, number, number * 60)).collect();
        report(&tables, &records).await;
        tables.fold_all(&at_once(&tables, &bucket, trust())).await;
        assert_eq!(index_of(&tables, MEMBER).await.0, 0);
        let (working, connection) = tables.unreliable(&endpoint);
        connection.fail_at(u64::MAX, Failure::Before);
        let fold = at_once(&working, &bucket, trust());
        let Ok(Attempted::Folded(folded)) = fold.attempt(&FoldTask::new(MEMBER, u64::MAX), no_deadline()).await else { unreachable!() };
        assert_eq!((folded.written, folded.withdrawn), (0, 0));
        calls.push(connection.calls());
    }
    assert_eq!(calls[0], calls[1], "ten hours more cost nothing");
}

/// Of eight hours that are more than four hours over, an eighth of the fold's room holds less than two. What comes late opens them each time, since they are
/// less than a day and a half old.
#[tokio::test]
async fn hours_of_an_account_with_many_calls_are_sealed_early() {
    const ROOM: u64 = 8 << 10;
    let endpoint = endpoint().await;
    let mut concluded_by = Vec::new();
    for room in [u64::MAX, ROOM] {
        let (tables, bucket) = (tables_at(&endpoint).await, bare().await);
        let mut known = BTreeSet::new();
        let judging = after(&tables, &bucket, trust(), 36);
        let judging = Judging { fold: judging.fold.with_room(room).opening_after(24), ..judging };
        for number in 0..64 {
            report(&tables, &[history::call(MEMBER, number, number / 8 * 60 + 400)]).await;
        }
        fold_new(&tables, &judging, &mut known).await;
        let hours =
            |partitions: BTreeSet<Partition>| partitions.into_iter().filter_map(|partition| partition.hour).collect::<BTreeSet<_>>();
        let open = hours(tables.findings().partitions(MEMBER).await.unwrap().into_keys().collect());
        assert!(if room == ROOM { open.len() <= 2 } else { open.len() == 8 }, "{open:?} are open");
        for number in 64..66 {
            report(&tables, &[history::call(MEMBER, number, 405)]).await;
            fold_new(&tables, &judging, &mut known).await;
            concluded_by.push(concluded(&tables).await);
        }
    }
    let [first, second, of_sealed @ ..] = concluded_by.as_slice() else { unreachable!() };
    assert_eq!(of_sealed, [first.clone(), second.clone()]);
    assert_ne!(first, second, "each late call counts");
}

#[tokio::test]
async fn a_policy_that_is_dated_back_into_sealed_hours_judges_them_anew() {
    let endpoint = endpoint().await;
    let records: Vec<Value> = (0..8).map(|number| history::call(MEMBER, number, number * 40)).collect();
    let (sealed, open) = (tables_at(&endpoint).await, tables_at(&endpoint).await);
    let (bucket, of_open) = (bare().await, bare().await);
    let sealing = at_once(&sealed, &bucket, trust());
    for tables in [&sealed, &open] {
        report(tables, &records).await;
    }
    sealed.fold_all(&sealing).await;
    open.fold_all(&open.fold(&of_open, trust())).await;
    let before = concluded(&open).await;
    assert_eq!(concluded(&sealed).await, before);
    for bucket in [&bucket, &of_open] {
        let policy = history::enforced_policy(GUARDRAIL).to_string().into_bytes();
        bucket.put(&format!("world/effective-policies/{MEMBER}@20261120T113000Z.json"), policy).await.unwrap();
    }
    for judging in [&sealing, &open.fold(&of_open, trust())] {
        judging.rebuild().await;
    }
    assert_eq!(concluded(&sealed).await, concluded(&open).await);
    assert_ne!(concluded(&open).await, before, "the policy changes something");
    // Without a rebuild, by the next fold.
    for bucket in [&bucket, &of_open] {
        bucket
            .put(&format!("world/effective-policies/{MEMBER}@20261120T123000Z.json"), br#"{"EffectivePolicy": null}"#.to_vec())
            .await
            .unwrap();
    }
    for judging in [&sealing, &open.fold(&of_open, trust())] {
        let attempted = judging.fold.attempt(&FoldTask::new(MEMBER, u64::MAX), no_deadline()).await;
        assert!(matches!(attempted, Ok(Attempted::Folded(_))), "{attempted:?}");
    }
    assert_eq!(concluded(&sealed).await, concluded(&open).await);
    assert_eq!(index_of(&sealed, MEMBER).await.0, 0, "they are sealed again");
}

#[tokio::test]
async fn objects_that_are_lost_or_damaged_are_made_again() {
    let records: Vec<Value> = (0..8).map(|number| history::call(MEMBER, number, number * 40)).collect();
    for name in ["facts", "aside", "calls", "partitions"] {
        for damage in [None, Some(vec![200, 2, 3])] {
            let (tables, bucket) = (tables().await, bare().await);
            report(&tables, &records).await;
            tables.fold_all(&at_once(&tables, &bucket, trust())).await;
            let expected = concluded(&tables).await;
            assert!(!expected.is_empty());
            let key = format!("sealed/{MEMBER}/0/{name}");
            assert!(bucket.get(&key).await.unwrap().is_some());
            match &damage {
                Some(bytes) => bucket.put(&key, bytes.clone()).await.unwrap(),
                None => bucket.remove(&key),
            }
            // Partitions are looked for hour by hour, as far back as facts are kept.
            let judging = keeping(&tables, &bucket, trust(), 7);
            if name == "partitions" {
                // An hour has to be opened for the list to be needed. Until its facts are found, the account says that it isn't judged.
                let rebuild = FoldTask { is_rebuild: true, ..FoldTask::new(MEMBER, u64::MAX) };
                judging.attempt(&rebuild, no_deadline()).await.unwrap();
                assert_eq!(tables.findings().quarantined().await.unwrap().len(), 1);
                assert!(judging.deliver().await);
                assert_eq!(tables.findings().quarantined().await.unwrap().len(), 0);
            }
            report(&tables, &[history::call(MEMBER, 99, 10)]).await;
            tables.fold_all(&judging).await;
            assert!(judging.deliver().await);
            assert_eq!(findings_and_calls(&tables).await, [9], "{name} {damage:?}");
        }
    }
}

#[tokio::test]
async fn a_fold_that_is_killed_while_it_seals_loses_and_doubles_nothing() {
    let endpoint = endpoint().await;
    let mut records: Vec<Value> = (0..3).map(|number| history::call(MEMBER, number, number * 60)).collect();
    records.push(history::record(MEMBER, "DeleteEnforcedGuardrailConfiguration", 9, 70, &json!({"configId": "c1"})));
    let open = tables_at(&endpoint).await;
    report(&open, &records).await;
    open.fold_all(&open.fold(&bare().await, trust())).await;
    let expected = concluded(&open).await;
    for failure in [Failure::KillBefore, Failure::KillAfter] {
        let mut failed = 0;
        // The first calls are the router's.
        for call in (8..).step_by(3) {
            let (tables, bucket) = (tables_at(&endpoint).await, bare().await);
            report(&tables, &records).await;
            let (working, connection) = tables.unreliable(&endpoint);
            connection.fail_at(call, failure);
            at_once(&working, &bucket, trust()).take(&tables.inserted().await).await;
            let hit = connection.recover();
            let mut known = BTreeSet::new();
            fold_new(&tables, &at_once(&tables, &bucket, trust()), &mut known).await;
            holds_and_is_sealed(&tables, &bucket, &expected, &format!("{failure:?} at call {call}")).await;
            if !hit {
                break;
            }
            failed += 1;
        }
        assert!(failed > 8, "{failure:?} was met at {failed} calls");
    }
}

/// A fold that follows on one which was killed seals nothing, since that may have been what killed it. The one behind it does.
async fn holds_and_is_sealed(tables: &Tables, bucket: &MemoryBucket, expected: &[(String, String)], when: &str) {
    assert_eq!(concluded(tables).await, expected, "{when}");
    let attempted = at_once(tables, bucket, trust()).attempt(&FoldTask::new(MEMBER, u64::MAX), no_deadline()).await;
    assert!(matches!(attempted, Ok(Attempted::Folded(_))), "{when}: {attempted:?}");
    assert_eq!(index_of(tables, MEMBER).await.0, 0, "{when}");
    assert_eq!(concluded(tables).await, expected, "{when}");
}

#[tokio::test]
async fn hours_can_be_opened_for_a_release_that_knows_of_none() {
    let (tables, bucket) = (tables().await, bare().await);
    let records: Vec<Value> = (0..8).map(|number| history::call(MEMBER, number, number * 40)).collect();
    report(&tables, &records).await;
    let judging = at_once(&tables, &bucket, trust());
    tables.fold_all(&judging).await;
    let expected = concluded(&tables).await;
    assert_eq!(index_of(&tables, MEMBER).await.0, 0);
    judging.carry_out(Request::Unseal).await.unwrap();
    assert!(judging.deliver().await);
    let (partitions, checkpoints) = index_of(&tables, MEMBER).await;
    assert_eq!((partitions, checkpoints), (5, 0));
    // Whatever is judged until somebody asks for it seals nothing.
    report(&tables, &[history::call(MEMBER, 99, 10)]).await;
    tables.fold_all(&judging).await;
    assert_eq!(index_of(&tables, MEMBER).await, (5, 0));
    assert_eq!(findings_and_calls(&tables).await, [9]);
    // That release reads the index and nothing else.
    let attempted = tables.fold(&MemoryBucket::default(), trust()).fold.attempt(&FoldTask::new(MEMBER, u64::MAX), no_deadline()).await;
    assert!(matches!(attempted, Ok(Attempted::Folded(_))), "{attempted:?}");
    let calls = |all: &[(String, String)]| all.iter().filter(|(key, _)| key.starts_with("FINDINGS#")).count();
    assert!(calls(&concluded(&tables).await) > 0 && calls(&expected) > 0);
    judging.carry_out(Request::Seal).await.unwrap();
    assert!(judging.deliver().await);
    assert_eq!(index_of(&tables, MEMBER).await, (0, 1));
}

/// The numbers of calls of the member's findings about calls.
async fn findings_and_calls(tables: &Tables) -> Vec<u64> {
    let found = tables.findings().of_account(MEMBER).await.unwrap();
    found.values().filter(|stored| stored.finding.verdict.is_some()).map(|stored| stored.finding.count).collect()
}

/// The stream tells of the removal only after the hour was sealed without the fact.
#[tokio::test]
async fn a_fact_that_is_removed_before_its_hour_is_sealed_still_counts() {
    let endpoint = endpoint().await;
    let records = [history::call(MEMBER, 1, 5), history::call(MEMBER, 2, 70), history::guarded_call(MEMBER, 3, 200, GUARDRAIL)];
    let mut concluded_by = Vec::new();
    for (hours, is_before) in [(1_000, false), (1_000, true), (-6, true), (36, true)] {
        let (tables, bucket) = (tables_at(&endpoint).await, bare().await);
        report(&tables, &records).await;
        let sealing = after(&tables, &bucket, trust(), hours);
        let inserted = tables.inserted().await;
        let fact = inserted.iter().find(|record| record.sk().starts_with("calls#")).unwrap();
        let removed = StreamRecord { old: fact.new.clone(), new: Item::new(), sequence: "99".to_owned(), ..fact.clone() };
        if !is_before {
            assert_eq!(sealing.take(&inserted).await, None);
        }
        let key = ["pk", "sk"].into_iter().map(|name| (name.to_owned(), fact.new[name].clone())).collect();
        tables.aws.dynamodb().delete_item().table_name(&tables.observations).set_key(Some(key)).send().await.unwrap();
        if is_before {
            assert_eq!(sealing.take(&inserted).await, None);
        }
        assert_eq!(sealing.take(&[removed]).await, None);
        tables.fold_all(&sealing).await;
        if hours < 0 {
            assert_eq!(index_of(&tables, MEMBER).await.0, 0, "it is sealed again with what was removed");
        }
        assert_eq!(findings_and_calls(&tables).await.into_iter().sum::<u64>(), 3);
        concluded_by.push(concluded(&tables).await);
    }
    for concluded in &concluded_by {
        assert_eq!(*concluded, concluded_by[0]);
    }
}

#[tokio::test]
async fn a_fold_that_is_killed_while_it_opens_hours_goes_on_with_it() {
    let endpoint = endpoint().await;
    let records: Vec<Value> = (0..4).map(|number| history::call(MEMBER, number, number * 60)).collect();
    for failure in [Failure::KillBefore, Failure::KillAfter] {
        let mut failed = 0;
        for call in (0..).step_by(5) {
            let (tables, bucket) = (tables_at(&endpoint).await, bare().await);
            report(&tables, &records).await;
            tables.fold_all(&at_once(&tables, &bucket, trust())).await;
            let expected = concluded(&tables).await;
            assert_eq!(index_of(&tables, MEMBER).await.0, 0);
            let (working, connection) = tables.unreliable(&endpoint);
            connection.fail_at(call, failure);
            let rebuild = FoldTask { is_rebuild: true, ..FoldTask::new(MEMBER, u64::MAX) };
            let attempted = at_once(&working, &bucket, trust()).attempt(&rebuild, no_deadline()).await;
            let hit = connection.recover();
            assert_eq!(attempted.is_err(), hit, "{failure:?} at call {call}: {attempted:?}");
            let judging = at_once(&tables, &bucket, trust());
            let attempted = judging.attempt(&FoldTask::new(MEMBER, u64::MAX), no_deadline()).await;
            assert!(matches!(attempted, Ok(Attempted::Folded(_))), "{failure:?} at call {call}: {attempted:?}");
            holds_and_is_sealed(&tables, &bucket, &expected, &format!("{failure:?} at call {call}")).await;
            if !hit {
                break;
            }
            failed += 1;
        }
        assert!(failed > 8, "{failure:?} was met at {failed} calls");
    }
}

/// The member is judged by what the management account reports, and not without it.
#[tokio::test]
async fn while_an_organizations_sealed_hours_cannot_be_read_nothing_is_withdrawn() {
    let (tables, bucket) = (tables().await, bare().await);
    let mut records: Vec<Value> = (0..4).map(|number| history::call(MEMBER, number, number * 60)).collect();
    records.push(history::record(MANAGEMENT, "DetachPolicy", 9, 70, &json!({"policyId": "p-1", "targetId": MEMBER})));
    report(&tables, &records).await;
    tables.fold_all(&at_once(&tables, &bucket, trust())).await;
    let expected = concluded(&tables).await;
    bucket.put(&format!("sealed/{MANAGEMENT}/0/facts"), vec![1, 2, 3]).await.unwrap();
    let judging = at_once(&tables, &bucket, trust());
    let attempted = judging.attempt(&FoldTask::new(MEMBER, u64::MAX), no_deadline()).await;
    assert!(matches!(&attempted, Err(error) if error.kind == ErrorKind::Retryable), "{attempted:?}");
    assert_eq!(concluded(&tables).await, expected);
    // The other account's fold, which this one has asked for, makes them again.
    assert!(judging.deliver().await);
    let attempted = judging.attempt(&FoldTask::new(MEMBER, u64::MAX), no_deadline()).await;
    assert!(matches!(attempted, Ok(Attempted::Folded(_))), "{attempted:?}");
    assert_eq!(concluded(&tables).await, expected);
    assert_eq!(index_of(&tables, MANAGEMENT).await, (0, 1));
}

#[tokio::test]
async fn a_hub_that_believes_others_than_it_did_seals_anew() {
    let endpoint = endpoint().await;
    let mut records = vec![enforced(MEMBER, 9, 30)];
    records.extend((0..6).map(|number| history::guarded_call(MEMBER, number, number * 60, GUARDRAIL)));
    let doubting = Trust { members_are_believed: false, ..trust() };
    let (open, sealed, bucket) = (tables_at(&endpoint).await, tables_at(&endpoint).await, bare().await);
    for tables in [&open, &sealed] {
        report(tables, &records).await;
    }
    open.fold_all(&open.fold(&bare().await, doubting.clone())).await;
    sealed.fold_all(&at_once(&sealed, &bucket, trust())).await;
    assert_ne!(concluded(&sealed).await, concluded(&open).await);
    let attempted = at_once(&sealed, &bucket, doubting).attempt(&FoldTask::new(MEMBER, u64::MAX), no_deadline()).await;
    assert!(matches!(attempted, Ok(Attempted::Folded(_))), "{attempted:?}");
    assert_eq!(concluded(&sealed).await, concluded(&open).await);
    assert_eq!(index_of(&sealed, MEMBER).await.0, 0);
}

/// Most changes of keys are of keys that no rule looks at, and are set aside when they are sealed. Later a guardrail is known that one of them encrypts.
#[tokio::test]
async fn a_change_that_was_set_aside_counts_once_its_key_is_watched() {
    let endpoint = endpoint().await;
    let mut records: Vec<Value> =
        (0..9).map(|number| of_key(MANAGEMENT, "DisableKey", number, number * 60, &format!("key/{number}"))).collect();
    records.extend((9..40).map(|number| of_key(MANAGEMENT, "RetireGrant", number, number * 10, "key/4")));
    let [open, sealed] = [tables_at(&endpoint).await, tables_at(&endpoint).await];
    let [of_open, bucket] = [bare().await, bare().await];
    for tables in [&open, &sealed] {
        report(tables, &records).await;
    }
    open.fold_all(&open.fold(&of_open, trust())).await;
    sealed.fold_all(&at_once(&sealed, &bucket, trust())).await;
    let before = concluded(&open).await;
    assert_eq!(concluded(&sealed).await, before);
    let size = async |name: &str| bucket.get(&format!("sealed/{MANAGEMENT}/0/{name}")).await.unwrap().unwrap().len();
    assert!(size("aside").await > size("facts").await, "{} and {}", size("aside").await, size("facts").await);

    let guardrail = json!({"guardrailId": "required1", "guardrailArn": GUARDRAIL, "name": "required", "version": "1", "status": "READY",
        "kmsKeyArn": format!("arn:aws:kms:us-east-1:{MANAGEMENT}:key/4")});
    for bucket in [&of_open, &bucket] {
        let key = format!("world/guardrails/{MANAGEMENT}/us-east-1/required1/1@20261121T100000Z.json");
        bucket.put(&key, guardrail.to_string().into_bytes()).await.unwrap();
    }
    for judging in [open.fold(&of_open, trust()), at_once(&sealed, &bucket, trust())] {
        let attempted = judging.attempt(&FoldTask::new(MANAGEMENT, u64::MAX), no_deadline()).await;
        assert!(matches!(attempted, Ok(Attempted::Folded(_))), "{attempted:?}");
    }
    assert_eq!(concluded(&sealed).await, concluded(&open).await);
    assert!(concluded(&open).await.iter().any(|(_, finding)| finding.contains("guardrail-key-disabled")));
    assert_eq!(index_of(&sealed, MANAGEMENT).await.0, 0, "nothing was opened");
}

/// A member's administrator decides when something comes late, and all hours since have to be sealed again each time.
#[tokio::test]
async fn what_a_member_reports_late_opens_hours_once_a_day() {
    let (tables, bucket) = (tables().await, bare().await);
    let trust = Trust { members_are_believed: false, ..trust() };
    let at = |time| {
        let judging = tables.fold_keeping(&bucket, trust.clone(), time, 400);
        Judging { fold: judging.fold.sealing_after(-6).opening_after(24), ..judging }
    };
    let mut known = BTreeSet::new();
    report(&tables, &(0..3).map(|number| history::call(MEMBER, number, number * 60)).collect::<Vec<_>>()).await;
    fold_new(&tables, &at(now()), &mut known).await;
    for (number, counted, quarantined) in [(10, 4, 0), (11, 4, 1), (12, 4, 1)] {
        report(&tables, &[history::call(MEMBER, number, 5)]).await;
        fold_new(&tables, &at(now().plus_seconds(60)), &mut known).await;
        assert_eq!(findings_and_calls(&tables).await.into_iter().sum::<u64>(), counted, "call {number}");
        assert_eq!(tables.findings().quarantined().await.unwrap().len(), quarantined, "call {number}: what waits is a finding");
    }
    let next_day = at(now().plus_seconds(25 * 3_600));
    next_day.carry_out(Request::RetryQuarantined).await.unwrap();
    assert!(next_day.deliver().await);
    assert_eq!(findings_and_calls(&tables).await.into_iter().sum::<u64>(), 6);
    assert_eq!(tables.findings().quarantined().await.unwrap().len(), 0);
    assert_eq!(index_of(&tables, MEMBER).await.0, 0);
}
