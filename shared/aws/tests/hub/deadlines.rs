//! A function that has too much to do for its time does what it can, says what is left, and loses none of it.

use std::time::Instant;

use audit_aws::{
    alerts::Alerts,
    bucket::{Bucket, ListedObject, MemoryBucket},
    clock::Clock,
    error::{CallError, ErrorKind},
    findings::{Quarantine, Rollup, Stored, Unjudged},
    reconcile::Task,
    report::Reports,
    stream::{StreamHandler as _, StreamRecord},
};
use audit_core::{
    finding::Finding,
    report::CoverageRow,
    severity::Severity,
    timestamp::Timestamp,
    verdict::{Grade, Invocations, Verdict},
};
use serde_json::{Value, json};

use crate::{
    convergence::Topic,
    messages::{finding, put},
    reconciler::{Hub, settings},
    support::{HUB, Tables, aws_at, endpoint, history::MANAGEMENT, metrics, no_deadline, now, tables},
};

const MEMBER: &str = "222233334444";

async fn records(tables: &Tables, count: u64) -> Vec<StreamRecord> {
    let mut records = Vec::new();
    for number in 0..count {
        // Fewer than five of one rule: each has a message of its own.
        let finding = Finding { rule: format!("rule-{}", number / 4), ..finding(number, MEMBER, Severity::High) };
        records.push(put(tables, &finding, i64::try_from(number).unwrap()).await);
    }
    records
}

#[tokio::test]
async fn alerts_that_there_is_no_time_for_are_sent_with_the_next_delivery() {
    let (tables, topic) = (tables().await, Topic::default());
    let alerts = Alerts::new(tables.findings(), topic.clone(), Severity::Medium, false, metrics("send-alerts"), Clock::At(now()));
    let mut left = records(&tables, 6).await;
    let mut deliveries = 0;
    while !left.is_empty() {
        deliveries += 1;
        // Each time the function has only just begun when its time is up.
        let again = alerts.take_until(&left, Instant::now()).await;
        left = left.into_iter().skip_while(|record| Some(&record.sequence) != again.as_ref()).collect();
    }
    let published = topic.0.lock().unwrap().clone();
    let ids: std::collections::BTreeSet<&str> = published.iter().map(|message| message.id.as_str()).collect();
    assert_eq!((deliveries, published.len(), ids.len()), (6, 6, 6), "each delivery sends one, and none is sent twice");
}

#[tokio::test]
async fn a_digest_that_is_too_long_is_several() {
    let (tables, topic) = (tables().await, Topic::default());
    let alerts = Alerts::new(tables.findings(), topic.clone(), Severity::Medium, true, metrics("send-alerts"), Clock::At(now()));
    for number in 0..501 {
        let line = json!({"kind": "new", "line": format!("line {number}")}).to_string();
        tables.findings().put_for_digest(&format!("{number:032x}"), &line).await.unwrap();
    }
    assert_eq!(alerts.send_digest(Instant::now()).await.unwrap(), 500);
    assert_eq!(alerts.send_digest(Instant::now()).await.unwrap(), 1, "the next digest has the rest");
    assert_eq!(alerts.send_digest(no_deadline()).await.unwrap(), 0);
    assert_eq!(topic.0.lock().unwrap().len(), 2);
}

fn reports(tables: &Tables, bucket: &MemoryBucket) -> Reports<MemoryBucket> {
    Reports::new(tables.findings(), bucket.clone(), "reports/".to_owned(), Clock::At(now()))
}

async fn text(bucket: &MemoryBucket, name: &str) -> String {
    String::from_utf8(bucket.get(&format!("reports/latest/{name}")).await.unwrap().unwrap()).unwrap()
}

async fn put_calls(tables: &Tables, account: &str) {
    let (account_region, count) = (audit_aws::partition::AccountRegion::new(account, "us-east-1"), 7);
    let row = CoverageRow {
        account: account.into(),
        region: "us-east-1".into(),
        model: "m".into(),
        api: "Converse".into(),
        verdict: Verdict::Compliant,
        grade: Grade::Enforced,
        reason: None,
        count,
    };
    let rollup = Rollup { invocations: Invocations { compliant: count, ..Invocations::default() }, coverage: vec![row] };
    tables.findings().put_rollup(&account_region, "2026-11-20T10", &rollup, 1).await.unwrap();
    tables.findings().note_account_region(&account_region).await.unwrap();
}

/// A report that isn't whole says so wherever it is read: in the JSON, in the page, and in its first sentence.
#[tokio::test]
async fn a_report_that_ran_out_of_time_says_that_it_is_not_whole() {
    let (tables, bucket) = (tables().await, MemoryBucket::default());
    put_calls(&tables, MEMBER).await;
    let reports = reports(&tables, &bucket);
    reports.write(no_deadline()).await.unwrap();
    let whole: Value = serde_json::from_str(&text(&bucket, "report.json").await).unwrap();
    assert_eq!((&whole["incomplete"], &whole["coverage_over_time"][0]["invocations"]["compliant"]), (&json!([]), &json!(7)));
    assert!(!text(&bucket, "report.html").await.contains("a part of what was asked for is missing"));

    reports.write(Instant::now()).await.unwrap();
    let cut: Value = serde_json::from_str(&text(&bucket, "report.json").await).unwrap();
    assert!(cut["incomplete"][0].as_str().unwrap().contains("no time to read all calls of 1 of 1"), "{}", cut["incomplete"]);
    let page = text(&bucket, "report.html").await;
    assert!(page.contains("no time to read all calls of 1 of 1"), "{page}");
    let answer = reports.answer("coverage", &std::collections::BTreeMap::new(), Instant::now()).await;
    assert!(answer.body.contains("no time to read all calls"), "{}", answer.body);
}

/// More findings than a report holds: the worst are in it, and it says that there are more.
#[tokio::test]
async fn a_report_without_time_for_all_findings_has_the_worst() {
    let (tables, bucket) = (tables().await, MemoryBucket::default());
    for number in 0..600 {
        let severity = if number == 599 { Severity::Critical } else { Severity::Low };
        let stored = Stored {
            finding: finding(number, MEMBER, severity),
            ticket: 1,
            units: Vec::new(),
            basis: audit_aws::findings::Basis::Reported,
        };
        tables.findings().put(&stored).await.unwrap();
    }
    let reports = reports(&tables, &bucket);
    assert_eq!(reports.write(Instant::now()).await.unwrap(), 501, "the only critical one, and a page of others");
    let report: Value = serde_json::from_str(&text(&bucket, "report.json").await).unwrap();
    assert_eq!(report["findings"][0]["severity"], "CRITICAL");
    assert!(report["incomplete"][0].as_str().unwrap().starts_with("only the 501 worst findings were read"), "{}", report["incomplete"]);
    assert_eq!(reports.write(no_deadline()).await.unwrap(), 600);
}

/// An account that isn't judged keeps its findings and counts of before. Whoever reads them learns that.
#[tokio::test]
async fn what_is_not_judged_is_marked_wherever_findings_are_read() {
    let (tables, bucket) = (tables().await, MemoryBucket::default());
    put_calls(&tables, MEMBER).await;
    let since = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
    let quarantine =
        Quarantine { unjudged: Unjudged::Everything, since, problem: "p".to_owned(), retries: 0, retry_at: since, until: None };
    tables.findings().put_quarantine(MEMBER, &quarantine).await.unwrap();
    let reports = reports(&tables, &bucket);
    reports.write(no_deadline()).await.unwrap();
    let named = format!("account {MEMBER} has not been judged since {since}");
    let report: Value = serde_json::from_str(&text(&bucket, "report.json").await).unwrap();
    assert!(report["incomplete"][0].as_str().unwrap().contains(&named), "{report}");
    assert_eq!((&report["blind"][0]["account"], &report["blind"][0]["missing"]), (&json!(MEMBER), &json!("calls_not_read")));
    assert_eq!(report["scoreboard"][0]["not_judged_since"], json!(since.to_string()));
    let page = text(&bucket, "report.html").await;
    assert!(page.contains(&named) && page.contains("calls of 1 account and Region were not read"), "{page}");
    let csv = text(&bucket, "scoreboard.csv").await;
    assert!(csv.lines().nth(1).unwrap().ends_with(&since.to_string()), "{csv}");
    for path in ["findings", "scoreboard", "coverage", "blind"] {
        let answer = reports.answer(path, &std::collections::BTreeMap::new(), no_deadline()).await;
        assert!(answer.body.contains(&named), "{path}: {}", answer.body);
    }
    tables.findings().put_quarantine(MEMBER, &Quarantine { until: Some(since), ..quarantine }).await.unwrap();
    reports.write(no_deadline()).await.unwrap();
    assert!(!text(&bucket, "report.html").await.contains("has not been judged"));
}

/// A bucket whose world can't be read.
#[derive(Clone, Debug, Default)]
struct NoWorld(MemoryBucket);

impl Bucket for NoWorld {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        self.0.get(key).await
    }

    async fn put(&self, key: &str, content: Vec<u8>) -> Result<(), CallError> {
        self.0.put(key, content).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, CallError> {
        if prefix.starts_with("world/") { Err(CallError::new("list", ErrorKind::Denied, "not allowed")) } else { self.0.list(prefix).await }
    }
}

#[tokio::test]
async fn a_report_without_names_says_why() {
    let (tables, bucket) = (tables().await, NoWorld::default());
    let reports = Reports::new(tables.findings(), bucket.clone(), "reports/".to_owned(), Clock::At(now()));
    reports.write(no_deadline()).await.unwrap();
    assert!(text(&bucket.0, "report.json").await.contains("the organization could not be read"));
}

/// The tasks of a plan that is cut short whenever it may be are those of one that isn't.
#[tokio::test]
async fn a_plan_that_there_is_no_time_for_is_handed_on() {
    let hub = Hub::seeing_by(std::sync::Arc::new(aws_at(&endpoint().await, 1))).await;
    let accounts: Vec<Value> = (0..45)
        .map(|number| json!({"Id": format!("3000000000{number:02}"), "Name": "n", "State": "ACTIVE", "ParentId": "r-ab12"}))
        .collect();
    let organization = json!({"Organization": {"Id": "o-exampleorgid", "MasterAccountId": MANAGEMENT}, "OrganizationalUnits": [],
        "Accounts": accounts, "Roots": [{"Id": "r-ab12", "PolicyTypes": []}], "Attachments": []});
    hub.bucket.put("world/organization@20261120T090000Z.json", organization.to_string().into_bytes()).await.unwrap();
    hub.task(&Task::Plan { after: None }, "2026-11-20T10:00:00Z").await.unwrap();
    let expected = hub.tasks();
    assert_eq!(expected.len(), 1 + 45 + 2, "the organization, and each account with {HUB} and {MANAGEMENT}, in {:?}", settings().regions);
    let (mut planned, mut plans, mut parts) = (Vec::new(), vec![Task::Plan { after: None }], 0);
    while let Some(plan) = plans.pop() {
        parts += 1;
        hub.task_until(&plan, "2026-11-20T10:00:00Z", Instant::now()).await.unwrap();
        for task in hub.tasks() {
            if matches!(task, Task::Plan { .. }) { plans.push(task) } else { planned.push(task) }
        }
    }
    assert_eq!((parts, planned), (3, expected), "twenty accounts at a time");
}
