//! Tests that the order, copies, batches and failures of deliveries change nothing: the findings are those of one clean pass, and each alert
//! is published once.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use audit_aws::{
    alerts::{Alerts, Format, Message as Told, Publish},
    bucket::MemoryBucket,
    clock::Clock,
    error::{CallError, ErrorKind},
    fold::{Attempted, FoldTask, Trust},
    invocations::Message,
    observations::Item,
    stream::{StreamHandler as _, StreamRecord},
};
use audit_core::severity::Severity;
use serde_json::{Value, json};

use crate::support::{
    Failure, Judging, Random, StateOf, Tables, Unreliable, bucket_with, endpoint,
    history::{self, GUARDRAIL, MANAGEMENT, MEMBER},
    invocation_auditor, metrics, no_deadline, now, own, tables_at,
};

/// A topic in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topic(pub(crate) Arc<Mutex<Vec<Told>>>, Option<Unreliable>);

impl Publish for Topic {
    fn formats(&self) -> Vec<Format> {
        vec![Format::Json]
    }

    async fn publish(&self, _: Format, message: &Told) -> Result<(), CallError> {
        if self.1.as_ref().is_some_and(Unreliable::is_dead) {
            return Err(CallError::new("publish", ErrorKind::Retryable, "killed"));
        }
        self.0.lock().unwrap().push(message.clone());
        Ok(())
    }
}

impl Topic {
    /// The ids of the published messages, in no order.
    pub(crate) fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.0.lock().unwrap().iter().map(|published| published.id.clone()).collect();
        ids.sort();
        ids
    }
}

fn history(random: &mut Random) -> Vec<Value> {
    let mut records = Vec::new();
    for number in 0..(4 + random.below(12)) {
        let (account, minute) = (if random.below(3) == 0 { "333344445555" } else { MEMBER }, random.below(150));
        match random.below(7) {
            0 => records.push(history::guarded_call(account, number, minute, GUARDRAIL)),
            1 => records.push(history::evaluation(account, random.below(number + 1), minute, GUARDRAIL)),
            2 => {
                let mut refused = history::call(account, number, minute);
                refused["errorCode"] = json!("AccessDeniedException");
                records.push(refused);
            }
            3 => records.push(history::record(account, "DeleteEnforcedGuardrailConfiguration", number, minute, &json!({"configId": "c1"}))),
            4 => {
                records.push(history::record(MANAGEMENT, "AttachPolicy", number, minute, &json!({"policyId": "p-1", "targetId": account})));
            }
            _ => records.push(history::call(account, number, minute)),
        }
    }
    records
}

/// An installation of the hub in memory.
struct Installation {
    /// The tables over a connection that works, for assertions.
    tables: Tables,
    /// The tables over the connection of the functions, which can fail.
    working: Tables,
    bucket: MemoryBucket,
    topic: Topic,
    /// Instances of the fold that keep their caches, used in turn. Without any, each batch gets a new instance.
    instances: Vec<Judging>,
    turns: AtomicUsize,
}

fn trust() -> Trust {
    Trust { organization: true, members_are_believed: true, management_account: Some(MANAGEMENT.to_owned()), ..Trust::default() }
}

impl Installation {
    async fn new(endpoint: &str) -> Self {
        let tables = tables_at(endpoint).await;
        let bucket = bucket_with(history::bare_world(), None).await;
        let working = tables.clone();
        Installation { working, tables, bucket, topic: Topic::default(), instances: Vec::new(), turns: AtomicUsize::new(0) }
    }

    /// Handles messages of the queue until none is left.
    async fn audit(&self, bodies: &[String]) {
        let state = StateOf { account_region: None, files: history::bare_world().into_iter().collect() };
        let ids: Vec<String> = (0..bodies.len()).map(|id| id.to_string()).collect();
        let mut left: Vec<Message<'_>> = ids.iter().zip(bodies).map(|(id, body)| Message { id, body }).collect();
        for _ in 0..5 {
            let outcome = invocation_auditor(&self.working, state.clone()).take(Some(&own()), &left).await;
            left.retain(|message| outcome.failed.iter().any(|failed| failed == message.id));
            if left.is_empty() {
                return;
            }
        }
        panic!("{} messages are never taken", left.len());
    }

    /// Handles records of the stream until none is left, as Lambda does: after a failure, again from the record that failed.
    async fn fold(&self, records: &[StreamRecord]) {
        let mut left = records.to_vec();
        let new = self.working.fold(&self.bucket, trust());
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let fold = self.instances.get(turn % self.instances.len().max(1)).unwrap_or(&new);
        for _ in 0..5 {
            match fold.take(&left).await {
                None => return,
                Some(sequence) => left.retain(|record| record.sequence >= sequence),
            }
        }
        panic!("{} records are never folded", left.len());
    }

    async fn alert(&self, records: &[StreamRecord]) {
        let mut left = records.to_vec();
        for _ in 0..5 {
            let alerts =
                Alerts::new(self.working.findings(), self.topic.clone(), Severity::Low, false, metrics("send-alerts"), Clock::At(now()));
            match alerts.take(&left).await {
                None => return,
                Some(sequence) => left.retain(|record| record.sequence >= sequence),
            }
        }
        panic!("{} records are never told", left.len());
    }

    /// Folds all records of the stream, and those that the fold itself causes.
    async fn fold_everything(&self) {
        let mut known = BTreeSet::new();
        loop {
            let all = self.tables.inserted().await;
            let new: Vec<StreamRecord> =
                all.into_iter().filter(|record| known.insert((record.pk().to_owned(), record.sk().to_owned()))).collect();
            if new.is_empty() {
                return;
            }
            self.fold(&new).await;
        }
    }

    /// The findings, as the stream reports their insertion.
    async fn found(&self) -> Vec<StreamRecord> {
        let items = self.tables.items(&self.tables.findings).await;
        let of_findings = items.into_iter().filter(|item| item["pk"].as_s().unwrap().starts_with("FINDINGS#"));
        of_findings.enumerate().map(|(number, new)| crate::support::inserted(number, new)).collect()
    }

    async fn in_the_end(&self) -> Vec<(String, String)> {
        self.tables.derived().await
    }
}

fn bodies(records: &[Value]) -> Vec<String> {
    records.iter().map(history::envelope).collect()
}

async fn clean_pass(endpoint: &str, records: &[Value]) -> Installation {
    let installation = Installation::new(endpoint).await;
    installation.audit(&bodies(records)).await;
    installation.fold_everything().await;
    let found = installation.found().await;
    installation.alert(&found).await;
    installation
}

#[tokio::test]
async fn order_copies_and_batches_change_nothing() {
    let endpoint = endpoint().await;
    let mut something_was_found = 0;
    for seed in 0..14 {
        let mut random = Random(seed);
        let records = history(&mut random);
        let clean = clean_pass(&endpoint, &records).await;
        let expected = clean.in_the_end().await;
        something_was_found += clean.found().await.len();

        let mut other = Installation::new(&endpoint).await;
        other.instances = (0..2).map(|_| other.working.fold(&other.bucket, trust())).collect();
        let mut delivered = bodies(&records);
        let copies: Vec<String> =
            (0..random.below(4)).map(|_| delivered[usize::try_from(random.below(delivered.len() as u64)).unwrap()].clone()).collect();
        delivered.extend(copies);
        random.shuffle(&mut delivered);
        while !delivered.is_empty() {
            let size = 1 + usize::try_from(random.below(5)).unwrap();
            let batch: Vec<String> = delivered.split_off(delivered.len().saturating_sub(size));
            other.audit(&batch).await;
            // Some of the records are folded in between, in any order.
            if random.below(2) == 0 {
                let mut some = other.tables.inserted().await;
                random.shuffle(&mut some);
                some.truncate(1 + usize::try_from(random.below(4)).unwrap());
                other.fold(&some).await;
            }
        }
        other.fold_everything().await;
        let findings = |all: &[(String, String)]| all.iter().filter(|(key, _)| !key.starts_with("ROLLUP")).cloned().collect::<Vec<_>>();
        assert_eq!(findings(&other.in_the_end().await), findings(&expected), "seed {seed}");
    }
    assert!(something_was_found > 10, "the histories are worth telling: {something_was_found}");
}

#[tokio::test]
async fn a_fold_reads_again_only_where_something_was_done() {
    let endpoint = endpoint().await;
    let installation = Installation::new(&endpoint).await;
    let (working, connection) = installation.tables.unreliable(&endpoint);
    let records: Vec<Value> = (0..14).map(|number| history::call(MEMBER, number, number * 60)).collect();
    installation.audit(&bodies(&records)).await;
    installation.fold_everything().await;
    let fold = working.fold(&installation.bucket, trust());
    let calls = async || {
        connection.fail_at(u64::MAX, Failure::Before);
        let Ok(Attempted::Folded(folded)) = fold.attempt(&FoldTask::new(MEMBER, u64::MAX), no_deadline()).await else { unreachable!() };
        assert_eq!(folded.written, 0);
        connection.calls()
    };
    let (first, second) = (calls().await, calls().await);
    assert_eq!(first, second + 14, "fourteen hours needn't be read again");
    let before = installation.tables.inserted().await;
    installation.audit(&bodies(&[history::call(MEMBER, 99, 0)])).await;
    let mut new = installation.tables.inserted().await;
    new.retain(|record| !before.iter().any(|known| (known.pk(), known.sk()) == (record.pk(), record.sk())));
    installation.fold(&new).await;
    assert_eq!(calls().await, second + 1, "but the one in which something was done");
}

#[tokio::test]
async fn a_partition_is_read_until_its_facts_have_expired() {
    let installation = Installation::new(&endpoint().await).await;
    let mut old = history::call(MEMBER, 1, 0);
    old["eventTime"] = json!("2025-01-01T10:00:00Z");
    installation.audit(&bodies(&[old, history::call(MEMBER, 2, 0)])).await;
    installation.fold_everything().await;
    let hours = async || -> Vec<Option<i64>> {
        let partitions = installation.tables.findings().partitions(MEMBER).await.unwrap();
        partitions.into_keys().map(|partition| partition.hour).collect()
    };
    let found = installation.found().await.len();
    assert_eq!(hours().await.len(), 2, "it is there as long as DynamoDB leaves it there");
    let all = installation.tables.inserted().await;
    let expired = all.into_iter().find(|record| record.pk().ends_with("2025-01-01T10")).unwrap();
    let key = ["pk", "sk"].map(|name| (name.to_owned(), expired.new[name].clone()));
    let request = installation.tables.aws.dynamodb().delete_item().table_name(&installation.tables.observations);
    request.set_key(Some(Item::from(key))).send().await.unwrap();
    installation.fold(&[StreamRecord { old: expired.new.clone(), new: Item::new(), by_service: true, ..expired }]).await;
    assert_eq!(hours().await.len(), 1, "and then never looked for again");
    assert_eq!(installation.found().await.len(), found, "what was found stays");
}

#[tokio::test]
async fn made_again_from_all_facts_the_findings_are_the_same() {
    let endpoint = endpoint().await;
    for seed in 100..105 {
        let records = history(&mut Random(seed));
        let clean = clean_pass(&endpoint, &records).await;
        let expected = clean.in_the_end().await;
        // Also if the findings were lost.
        for record in clean.found().await {
            let key = ["pk", "sk"].into_iter().map(|name| (name.to_owned(), record.new[name].clone())).collect();
            clean.tables.aws.dynamodb().delete_item().table_name(&clean.tables.findings).set_key(Some(key)).send().await.unwrap();
        }
        clean.tables.fold(&clean.bucket, trust()).rebuild().await;
        assert_eq!(clean.in_the_end().await, expected);
    }
}

#[tokio::test]
async fn a_failure_at_any_call_to_the_store_loses_and_doubles_nothing() {
    let endpoint = endpoint().await;
    let mut random = Random(7);
    let records = history(&mut random);
    let clean = clean_pass(&endpoint, &records).await;
    let (expected, published) = (clean.in_the_end().await, clean.topic.ids());
    assert!(published.len() > 1, "there is something to lose");
    let once: BTreeSet<&String> = published.iter().collect();
    assert_eq!(once.len(), published.len(), "and none of it is told twice");
    for (begin, failure) in [(1, Failure::Before), (2, Failure::After), (2, Failure::KillBefore), (1, Failure::KillAfter)] {
        let mut failed = 0;
        // Every other call, which are others for each pair of failures.
        for call in (begin..).step_by(2) {
            let mut installation = Installation::new(&endpoint).await;
            let (working, connection) = installation.tables.unreliable(&endpoint);
            installation.working = working;
            installation.topic.1 = Some(connection.clone());
            let mut anything_failed = false;
            // Each step fails at this call to the store, then continues with what its source delivers again.
            connection.fail_at(call, failure);
            let (state, all) = (StateOf { account_region: None, files: history::bare_world().into_iter().collect() }, bodies(&records));
            let messages: Vec<Message<'_>> = all.iter().map(|body| Message { id: "m", body }).collect();
            invocation_auditor(&installation.working, state).take(Some(&own()), &messages).await;
            anything_failed |= connection.recover();
            installation.audit(&all).await;

            let stream = installation.tables.inserted().await;
            connection.fail_at(call, failure);
            let again = installation.working.fold(&installation.bucket, trust()).take(&stream).await;
            let hit = connection.recover();
            assert!(!hit || again.is_some(), "a failure is reported");
            anything_failed |= hit;
            installation.fold_everything().await;
            assert_eq!(installation.in_the_end().await, expected, "{failure:?} at call {call}");

            let found = installation.found().await;
            connection.fail_at(call, failure);
            let alerts = Alerts::new(
                installation.working.findings(),
                installation.topic.clone(),
                Severity::Low,
                false,
                metrics("send-alerts"),
                Clock::At(now()),
            );
            alerts.take(&found).await;
            anything_failed |= connection.recover();
            installation.alert(&found).await;
            let published_now = installation.topic.ids();
            match failure {
                Failure::Before | Failure::After => assert_eq!(published_now, published, "{failure:?} at call {call}"),
                // If the process is killed between publishing an alert and marking it as sent, the alert is published again with the same
                // id, and a FIFO topic drops the copy.
                Failure::KillBefore | Failure::KillAfter => {
                    let unique: BTreeSet<&String> = published_now.iter().collect();
                    assert_eq!(unique, once, "{failure:?} at call {call}");
                    assert!(
                        published_now.len() <= published.len() + 1,
                        "{failure:?} at call {call}: at most the one on its way is told twice"
                    );
                }
            }
            if !anything_failed {
                break;
            }
            failed += 1;
        }
        assert!(failed > 10, "{failure:?} was met at {failed} calls");
    }
}
