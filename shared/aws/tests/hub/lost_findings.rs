//! The table of findings is lost, and made again by one request: from the facts, the notes and the world, while new facts arrive.

use std::collections::BTreeSet;

use audit_aws::{
    alerts::Alerts,
    clock::Clock,
    findings::Findings,
    fold::{Request, Trust},
    invocations::Message,
    observations::Item,
    stream::{StreamHandler as _, StreamRecord},
};
use audit_core::{finding::Finding, severity::Severity, timestamp::Timestamp};
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use serde_json::Value;

use crate::{
    convergence::Topic,
    cross_account::{Files, case},
    messages,
    support::{
        HUB, Judging, StateOf, Tables, bucket_with,
        history::{self, MANAGEMENT, MEMBER},
        inserted, invocation_auditor, metrics, own, tables,
    },
};

fn organization() -> Trust {
    Trust { organization: true, hub_account: HUB.to_owned(), management_account: Some(MANAGEMENT.to_owned()), members_are_believed: false }
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

async fn report(tables: &Tables, files: &Files, records: &[Value]) {
    let bodies: Vec<String> = records.iter().map(history::envelope).collect();
    let messages: Vec<Message<'_>> = bodies.iter().map(|body| Message { id: "1", body }).collect();
    let state = StateOf { account_region: None, files: files.iter().cloned().collect() };
    assert!(invocation_auditor(tables, state).take(Some(&own()), &messages).await.failed.is_empty());
}

/// Routes and folds what isn't known yet, until nothing is new.
async fn fold_new(tables: &Tables, judging: &Judging, known: &mut BTreeSet<(String, String)>) {
    loop {
        let mut new = tables.inserted().await;
        new.retain(|record| known.insert((record.pk().to_owned(), record.sk().to_owned())));
        if new.is_empty() {
            return;
        }
        assert_eq!(judging.take(&new).await, None);
    }
}

/// Hands all findings to the alerts, as the stream does when they are written.
async fn alert(tables: &Tables, topic: &Topic, at: Timestamp) {
    let of_findings = tables.items(&tables.findings).await.into_iter().filter(|item| item["pk"].as_s().unwrap().starts_with("FINDINGS#"));
    let records: Vec<StreamRecord> = of_findings.enumerate().map(|(number, item)| inserted(number, item)).collect();
    let alerts = Alerts::new(tables.findings(), topic.clone(), Severity::Low, false, metrics("send-alerts"), Clock::At(at));
    assert_eq!(alerts.take(&records).await, None);
}

async fn lose(tables: &Tables) {
    for item in tables.items(&tables.findings).await {
        let key: Item = ["pk", "sk"].map(|name| (name.to_owned(), item[name].clone())).into_iter().collect();
        tables.aws.dynamodb().delete_item().table_name(&tables.findings).set_key(Some(key)).send().await.unwrap();
    }
}

/// Folds a history in which a fact is rewritten, loses the table of findings, has a fact of an hour that is known already delivered, and repairs.
async fn lost_and_repaired(files: &Files, records: &[Value], since: Timestamp, at: Timestamp) {
    let (tables, topic) = (tables().await, Topic::default());
    let bucket = bucket_with(files.clone(), None).await;
    let judging = tables.fold_at(&bucket, organization(), at);
    let mut known = BTreeSet::new();
    report(&tables, files, records).await;
    fold_new(&tables, &judging, &mut known).await;
    let is_packet = |item: &Item| item["sk"].as_s().unwrap().starts_with("calls#") && !item["pk"].as_s().unwrap().starts_with("hub#");
    let old = tables.items(&tables.observations).await.into_iter().find(is_packet).unwrap();
    let mut new = old.clone();
    new.insert("f".to_owned(), AttributeValue::B(Blob::new([1, 2, 3])));
    tables.aws.dynamodb().put_item().table_name(&tables.observations).set_item(Some(new.clone())).send().await.unwrap();
    assert_eq!(judging.take(&[StreamRecord { old, new, ..inserted(900, Item::new()) }]).await, None);
    let late = history::call(MEMBER, 901, 5);
    report(&tables, files, &[late]).await;
    let before_late = known.clone();
    fold_new(&tables, &judging, &mut known).await;
    judging.rebuild().await;
    alert(&tables, &topic, at).await;
    let (expected, told) = (tables.derived().await, topic.ids());
    let altered = tables.all_findings().await.into_iter().find(|finding| finding.rule == "observation-altered").unwrap();
    assert!(altered.detail.contains("rewritten") && !told.is_empty(), "{}", altered.detail);

    lose(&tables).await;
    // An instance that never read anything, as after a deployment.
    let judging = tables.fold_at(&bucket, organization(), at);
    let mut delivered = before_late;
    fold_new(&tables, &judging, &mut delivered).await;
    assert_ne!(tables.derived().await, expected, "what the stream tells of is not enough");
    alert(&tables, &topic, at).await;
    judging.carry_out(Request::Repair { since, account: None, everywhere: true }).await.unwrap();
    assert!(judging.deliver().await);
    fold_new(&tables, &judging, &mut delivered).await;
    assert_eq!(tables.derived().await, expected);
    alert(&tables, &topic, at).await;
    assert_eq!(topic.ids(), told, "nobody is told again");
    for account in [MEMBER, MANAGEMENT] {
        let repaired = tables.findings().repaired(account).await.unwrap();
        assert!(repaired > 0 && tables.findings().index(account).await.unwrap().folded >= repaired, "{account}");
    }
}

#[tokio::test]
async fn all_that_is_derived_is_made_again_and_told_to_nobody() {
    let calls = (0..6).map(|number| history::call(MEMBER, number, number * 20));
    let attach = history::record(MANAGEMENT, "AttachPolicy", 20, 30, &serde_json::json!({"policyId": "p-1", "targetId": MEMBER}));
    let records: Vec<Value> = calls.chain([attach]).collect();
    lost_and_repaired(&history::bare_world(), &records, time("2026-11-20T10:00:00Z"), time("2026-11-20T12:30:00Z")).await;
}

/// What a fold notes with other accounts is lost as well, and made again in whatever order accounts are folded.
#[tokio::test]
async fn what_concerns_other_accounts_is_made_again() {
    let (mut records, files) = case("guardrail-weakened/fires-draft-requested");
    records.push(history::call(MEMBER, 700, 3));
    lost_and_repaired(&files, &records, time("2026-11-20T09:00:00Z"), time("2026-11-20T12:30:00Z")).await;
}

/// An earlier release kept notes and the state of alerts among the findings. They are read there, and written to the table of notes.
#[tokio::test]
async fn notes_of_an_earlier_release_are_read_where_they_are() {
    let (tables, topic) = (tables().await, Topic::default());
    let earlier = Findings::new(std::sync::Arc::clone(&tables.aws), tables.findings.clone());
    let alerts = |findings: Findings| {
        Alerts::new(findings, topic.clone(), Severity::Medium, false, metrics("send-alerts"), Clock::At(crate::support::now()))
    };
    let finding = messages::finding(1, MEMBER, Severity::High);
    let record = messages::put(&tables, &finding, 1).await;
    assert_eq!(alerts(earlier.clone()).take(std::slice::from_ref(&record)).await, None);
    assert_eq!(topic.ids().len(), 1);
    assert_eq!(alerts(tables.findings()).take(std::slice::from_ref(&record)).await, None);
    assert_eq!(topic.ids().len(), 1, "it was told by the earlier release");
    let worse = messages::put(&tables, &Finding { severity: Severity::Critical, ..finding }, 2).await;
    for _ in 0..2 {
        assert_eq!(alerts(tables.findings()).take(std::slice::from_ref(&worse)).await, None);
    }
    assert_eq!(topic.ids().len(), 2);
    assert!(tables.items(&tables.notes).await.iter().any(|item| item["pk"].as_s().unwrap().starts_with("ALERT#")));

    let note = |item: &str| audit_aws::findings::Note {
        kind: "rewritten".to_owned(),
        account: MEMBER.to_owned(),
        region: "us-east-1".to_owned(),
        time: crate::support::now(),
        item: item.to_owned(),
        detail: String::new(),
    };
    earlier.note(&note("one")).await.unwrap();
    tables.findings().note(&note("two")).await.unwrap();
    let (notes, is_cut) = tables.findings().notes(MEMBER).await.unwrap();
    assert_eq!((notes.into_iter().map(|note| note.item).collect::<Vec<_>>(), is_cut), (vec!["one".to_owned(), "two".to_owned()], false));
}
