//! Tests the alerts about findings and the answers of the report function.

use std::collections::BTreeMap;

use audit_aws::{
    alerts::{Alerts, FindingId, Request},
    bucket::{Bucket, MemoryBucket},
    clock::Clock,
    findings::{Basis, Stored},
    observations::Item,
    report::{Answer, Reports},
    stream::{StreamHandler as _, StreamRecord},
};
use audit_core::{
    finding::{Bounded, Finding, Status},
    severity::Severity,
};
use serde_json::{Value, json};

use crate::{
    convergence::Topic,
    support::{Tables, inserted, metrics, no_deadline, now, tables},
};

pub(crate) fn finding(number: u64, account: &str, severity: Severity) -> Finding {
    let json = json!({
        "id": format!("{number:032x}"), "rule": "invocation-without-guardrail", "severity": severity, "title": "t", "detail": "a detail\u{0007}\nof two lines",
        "remediation": "r", "status": "OPEN", "account": account, "region": "us-east-1", "resource": format!("AWS::::Account:{account}"),
        "principals": [format!("arn:aws:iam::{account}:role/app"), "=HYPERLINK(\"x\")"], "models": [], "apis": [], "verdict": "violation", "grade": "enforced", "reason": "no_guardrail",
        "missing": [], "attempted": false, "expected": false, "linked": [], "first_seen": "2026-11-20T10:00:00Z",
        "last_seen": format!("2026-11-20T10:{:02}:00Z", number % 60), "count": number, "events": [], "changes": [], "policy": null, "controls": [],
        "reopened": 0, "resolved_at": null, "suppression": null,
    });
    serde_json::from_value(json).unwrap()
}

pub(crate) async fn put(tables: &Tables, finding: &Finding, ticket: i64) -> StreamRecord {
    let units = vec!["r-ab12".to_owned(), "ou-ab12-prodprod".to_owned()];
    let stored = Stored { finding: finding.clone(), ticket, units, basis: Basis::Reported };
    assert!(tables.findings().put(&stored).await.unwrap());
    let account_region = audit_aws::partition::AccountRegion::new(finding.account.as_str(), finding.region.as_str());
    tables.findings().note_account_region(&account_region).await.unwrap();
    let items = tables.items(&tables.findings).await;
    let item = items.into_iter().find(|item| item["sk"].as_s().unwrap() == &finding.id).unwrap();
    inserted(usize::try_from(ticket).unwrap(), item)
}

fn alerts(tables: &Tables, topic: &Topic, digest: bool) -> Alerts<Topic> {
    Alerts::new(tables.findings(), topic.clone(), Severity::Medium, digest, metrics("send-alerts"), Clock::At(now()))
}

fn published(topic: &Topic) -> Vec<(Vec<String>, Value)> {
    let published = std::mem::take(&mut *topic.0.lock().unwrap());
    published.into_iter().map(|published| (published.attributes["kind"].clone(), serde_json::from_str(&published.body).unwrap())).collect()
}

fn kinds(topic: &Topic) -> Vec<String> {
    published(topic).into_iter().flat_map(|(kind, _)| kind).collect()
}

#[tokio::test]
async fn each_turn_of_a_finding_is_told_once() {
    let (tables, topic) = (tables().await, Topic::default());
    let alerts = alerts(&tables, &topic, false);
    let mut finding = finding(1, "222233334444", Severity::Medium);
    let mut ticket = 0;
    for (change, expected) in [
        ((Status::Open, Severity::Medium, 0), vec!["new"]),
        ((Status::Open, Severity::Low, 0), vec![]),
        ((Status::Open, Severity::Critical, 0), vec!["escalated"]),
        ((Status::Resolved, Severity::Critical, 0), vec!["resolved"]),
        ((Status::Open, Severity::Critical, 1), vec!["reopened"]),
        ((Status::Suppressed, Severity::Critical, 1), vec![]),
        ((Status::Open, Severity::Critical, 2), vec!["reopened"]),
    ] {
        ticket += 1;
        (finding.status, finding.severity, finding.reopened) = change;
        let record = put(&tables, &finding, ticket).await;
        for _ in 0..2 {
            assert_eq!(alerts.take(std::slice::from_ref(&record)).await, None);
        }
        assert_eq!(kinds(&topic), expected, "{change:?}");
    }
    finding.count += 1;
    let record = put(&tables, &finding, ticket + 1).await;
    alerts.take(&[record]).await;
    assert_eq!(kinds(&topic), Vec::<String>::new(), "more of the same is no news");
}

#[tokio::test]
async fn what_is_not_bad_enough_is_not_told_and_what_is_withdrawn_is() {
    let (tables, topic) = (tables().await, Topic::default());
    let alerts = alerts(&tables, &topic, false);
    let low = put(&tables, &finding(1, "222233334444", Severity::Low), 1).await;
    let high = put(&tables, &finding(2, "222233334444", Severity::High), 2).await;
    alerts.take(&[low, high.clone()]).await;
    assert_eq!(kinds(&topic), ["new"]);
    assert!(tables.findings().withdraw("222233334444", &format!("{:032x}", 2), 3).await.unwrap());
    alerts.take(&[StreamRecord { old: high.new, new: Item::new(), ..inserted(3, Item::new()) }]).await;
    assert_eq!(kinds(&topic), ["withdrawn"]);
}

/// A finding has the same id whenever it occurs. One that comes back after it was withdrawn is published again, each time.
#[tokio::test]
async fn a_finding_that_comes_back_after_it_was_withdrawn_is_told_again() {
    let (tables, topic) = (tables().await, Topic::default());
    let alerts = alerts(&tables, &topic, false);
    let finding = finding(1, "222233334444", Severity::High);
    let (mut ticket, mut ids) = (0, Vec::new());
    let mut kinds_and_ids = || {
        let published = std::mem::take(&mut *topic.0.lock().unwrap());
        ids.extend(published.iter().map(|message| message.id.clone()));
        published.iter().flat_map(|message| message.attributes["kind"].clone()).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        ticket += 1;
        let there = put(&tables, &finding, ticket).await;
        for _ in 0..2 {
            assert_eq!(alerts.take(std::slice::from_ref(&there)).await, None);
        }
        assert_eq!(kinds_and_ids(), ["new"]);
        ticket += 1;
        assert!(tables.findings().withdraw("222233334444", &finding.id, ticket).await.unwrap());
        let gone = StreamRecord { old: there.new.clone(), new: Item::new(), ..inserted(usize::try_from(ticket).unwrap(), Item::new()) };
        for _ in 0..2 {
            assert_eq!(alerts.take(std::slice::from_ref(&gone)).await, None);
        }
        assert_eq!(kinds_and_ids(), ["withdrawn"]);
        // The stream delivers the records again, from the insertion of the finding on.
        assert_eq!(alerts.take(&[there, gone]).await, None);
        assert_eq!(kinds_and_ids(), Vec::<String>::new());
    }
    let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), unique.len()), (6, 6), "whoever drops copies drops none of them");
}

/// A person asks for it. Asked again by the same time, it goes on with what is left, and what the stream delivers is no news.
#[tokio::test]
async fn open_findings_are_told_again_when_it_is_asked_for() {
    let (tables, topic) = (tables().await, Topic::default());
    let alerts = alerts(&tables, &topic, false);
    let open = finding(1, "222233334444", Severity::High);
    let resolved = Finding { status: Status::Resolved, ..finding(2, "222233334444", Severity::High) };
    let records = [put(&tables, &open, 1).await, put(&tables, &finding(2, "222233334444", Severity::High), 2).await];
    assert_eq!(alerts.take(&records).await, None);
    put(&tables, &resolved, 3).await;
    let first = topic.ids();
    assert_eq!(first.len(), 2);
    let of = |finding: &Finding| FindingId { account: finding.account.to_string(), id: finding.id.clone() };
    let unknown = FindingId { account: "222233334444".to_owned(), id: "0".repeat(32) };
    let again =
        |seconds| Request::TellAgain { findings: vec![of(&open), of(&resolved), unknown.clone()], asked_at: now().plus_seconds(seconds) };
    let later = |seconds| {
        let clock = Clock::At(now().plus_seconds(seconds));
        Alerts::new(tables.findings(), topic.clone(), Severity::Medium, false, metrics("send-alerts"), clock)
    };
    for _ in 0..2 {
        later(60).carry_out(again(30), no_deadline()).await.unwrap();
        assert_eq!(topic.ids().len(), 3, "the open one, once");
    }
    assert_eq!(topic.ids().iter().filter(|id| !first.contains(id)).count(), 1, "whoever drops copies doesn't drop it");
    assert_eq!(later(70).take(&records[..1]).await, None);
    assert_eq!(topic.ids().len(), 3, "the record of a finding that was told is no news");
    later(120).carry_out(again(90), no_deadline()).await.unwrap();
    assert_eq!(topic.ids().len(), 4, "asked for at a later time, it is told once more");
}

/// The withdrawal of a finding isn't published if the finding never was, or if it was published as resolved.
#[tokio::test]
async fn what_nobody_believes_to_be_open_goes_without_a_word() {
    let (tables, topic) = (tables().await, Topic::default());
    let alerts = alerts(&tables, &topic, false);
    let mut finding = finding(1, "222233334444", Severity::High);
    let open = put(&tables, &finding, 1).await;
    alerts.take(&[open]).await;
    finding.status = Status::Resolved;
    let resolved = put(&tables, &finding, 2).await;
    alerts.take(std::slice::from_ref(&resolved)).await;
    assert_eq!(kinds(&topic), ["new", "resolved"]);
    assert!(tables.findings().withdraw("222233334444", &finding.id, 3).await.unwrap());
    alerts.take(&[StreamRecord { old: resolved.new, new: Item::new(), ..inserted(3, Item::new()) }]).await;
    assert_eq!(kinds(&topic), Vec::<String>::new());
    finding.status = Status::Open;
    let again = put(&tables, &finding, 4).await;
    alerts.take(&[again]).await;
    assert_eq!(kinds(&topic), ["reopened"]);
}

#[tokio::test]
async fn a_burst_of_one_rule_is_one_message() {
    let (tables, topic) = (tables().await, Topic::default());
    let mut records = Vec::new();
    for number in 0..30 {
        records
            .push(put(&tables, &finding(number, &format!("2222333344{number:02}"), Severity::High), i64::try_from(number).unwrap()).await);
    }
    assert_eq!(alerts(&tables, &topic, false).take(&records).await, None);
    let published = topic.0.lock().unwrap().clone();
    let [message] = published.as_slice() else { panic!("{} messages", published.len()) };
    assert_eq!(
        (message.attributes["account"].len(), message.attributes["ou"].as_slice()),
        (30, ["ou-ab12-prodprod".to_owned(), "r-ab12".to_owned()].as_slice())
    );
    let body: Value = serde_json::from_str(&message.body).unwrap();
    assert_eq!((body["findings"].as_array().unwrap().len(), body["more"].as_array().unwrap().len()), (20, 10));
}

#[tokio::test]
async fn a_message_is_never_too_large_to_send() {
    let (tables, topic) = (tables().await, Topic::default());
    let mut records = Vec::new();
    for number in 0..30 {
        let mut finding = finding(number, "222233334444", Severity::High);
        finding.detail = "x".repeat(30_000);
        records.push(put(&tables, &finding, i64::try_from(number).unwrap()).await);
    }
    assert_eq!(alerts(&tables, &topic, false).take(&records).await, None);
    let published = topic.0.lock().unwrap().clone();
    assert!(published.iter().all(|message| message.body.len() < 200_000));
    let body: Value = serde_json::from_str(&published[0].body).unwrap();
    assert_eq!(body["findings"].as_array().unwrap().len() + body["more"].as_array().unwrap().len(), 30);
}

#[tokio::test]
async fn a_digest_tells_all_at_once_and_what_is_critical_at_once() {
    let (tables, topic) = (tables().await, Topic::default());
    let alerts = alerts(&tables, &topic, true);
    let mut records = Vec::new();
    for (number, severity) in [(1, Severity::High), (2, Severity::Medium), (3, Severity::Critical)] {
        records.push(put(&tables, &finding(number, "222233334444", severity), i64::try_from(number).unwrap()).await);
    }
    alerts.take(&records).await;
    // Five findings of one rule would become one message; these three get a message each.
    assert_eq!(kinds(&topic), ["new"]);
    assert_eq!(alerts.send_digest(no_deadline()).await.unwrap(), 2);
    let published = published(&topic);
    assert_eq!((published.len(), published[0].1["lines"].as_array().unwrap().len()), (1, 2));
    assert_eq!(alerts.send_digest(no_deadline()).await.unwrap(), 0);
}

async fn ask(reports: &Reports<MemoryBucket>, path: &str, parameters: &[(&str, &str)]) -> Answer {
    let parameters: BTreeMap<String, String> = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    reports.answer(path, &parameters, no_deadline()).await
}

async fn ids(reports: &Reports<MemoryBucket>, parameters: &[(&str, &str)]) -> Vec<u64> {
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut asked = parameters.to_vec();
        if let Some(token) = &token {
            asked.push(("token", token));
        }
        let answer = ask(reports, "/findings", &asked).await;
        assert_eq!(answer.status_code, 200, "{}", answer.body);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        found.extend(body["findings"].as_array().unwrap().iter().map(|finding| finding["count"].as_u64().unwrap()));
        token = body["next_token"].as_str().map(str::to_owned);
        if token.is_none() {
            found.sort_unstable();
            return found;
        }
    }
}

async fn with_findings() -> (Tables, MemoryBucket, Reports<MemoryBucket>) {
    let (tables, bucket) = (tables().await, MemoryBucket::default());
    for number in 0..25_u64 {
        let account = if number < 20 { "222233334444" } else { "333344445555" };
        let mut finding = finding(number, account, if number % 2 == 0 { Severity::High } else { Severity::Medium });
        if number == 7 {
            finding.status = Status::Resolved;
            finding.principals = Bounded { shown: vec!["arn:aws:iam::1:role/batch-night".to_owned()], more: 0 };
        }
        put(&tables, &finding, i64::try_from(number).unwrap()).await;
    }
    let reports = Reports::new(tables.findings(), bucket.clone(), "reports/".to_owned(), Clock::At(now()));
    (tables, bucket, reports)
}

#[tokio::test]
async fn every_way_of_asking_finds_what_it_should_page_by_page() {
    let (_tables, _, reports) = with_findings().await;
    let all: Vec<u64> = (0..25).collect();
    assert_eq!(ids(&reports, &[]).await, all);
    assert_eq!(ids(&reports, &[("limit", "4")]).await, all, "in pages of four");
    assert_eq!(ids(&reports, &[("account", "333344445555"), ("limit", "2")]).await, (20..25).collect::<Vec<_>>());
    assert_eq!(
        ids(&reports, &[("rule", "invocation-without-guardrail"), ("severity", "MEDIUM"), ("limit", "3")]).await,
        (0..25).filter(|n| n % 2 == 1).collect::<Vec<_>>()
    );
    assert_eq!(ids(&reports, &[("status", "resolved")]).await, [7]);
    assert_eq!(ids(&reports, &[("principal", "batch-")]).await, [7]);
    assert_eq!(ids(&reports, &[("region", "us-east-1"), ("since", "2026-11-20T10:22:00Z")]).await, [22, 23, 24]);
    assert_eq!(ids(&reports, &[("ou", "ou-ab12-prodprod"), ("until", "2026-11-20T10:02:00Z")]).await, [0, 1]);
    assert_eq!(ids(&reports, &[("ou", "ou-ab12-elsewhere")]).await, Vec::<u64>::new());
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused() {
    let (_tables, _, reports) = with_findings().await;
    for parameters in [
        &[("severity", "bad")][..],
        &[("since", "yesterday")],
        &[("limit", "0")],
        &[("accont", "1")],
        &[("token", "00ff")],
        &[("format", "xml")],
    ] {
        assert_eq!(ask(&reports, "/findings", parameters).await.status_code, 400, "{parameters:?}");
    }
    assert_eq!(ask(&reports, "/nonsense", &[]).await.status_code, 400);
    let first: Value = serde_json::from_str(&ask(&reports, "/findings", &[("limit", "2")]).await.body).unwrap();
    let token = first["next_token"].as_str().unwrap();
    assert_eq!(
        ask(&reports, "/findings", &[("account", "333344445555"), ("token", token)]).await.status_code,
        400,
        "another question's token"
    );
}

#[tokio::test]
async fn reports_lie_in_the_bucket_and_no_cell_is_a_formula() {
    let (_tables, bucket, reports) = with_findings().await;
    assert_eq!(reports.write(no_deadline()).await.unwrap(), 25);
    let keys: Vec<String> = bucket.list("reports/").await.unwrap().into_iter().map(|listed| listed.key).collect();
    assert_eq!(keys.len(), 8, "{keys:?}");
    let page = String::from_utf8(bucket.get("reports/latest/report.html").await.unwrap().unwrap()).unwrap();
    assert!(page.contains("2 accounts bypass or modify guardrails") && page.contains("invocation-without-guardrail"), "{page}");
    let csv = String::from_utf8(bucket.get("reports/latest/findings.csv").await.unwrap().unwrap()).unwrap();
    assert_eq!(csv.lines().next().unwrap().split(',').next(), Some("id"));
    assert!(!csv.contains(",=HYPERLINK") && !csv.contains("\n="), "{csv}");
    let report: Value = serde_json::from_slice(&bucket.get("reports/2026-11-22/report.json").await.unwrap().unwrap()).unwrap();
    let scores = report["scoreboard"].as_array().unwrap();
    assert_eq!((&scores[0]["account"], &scores[0]["rank"], &scores[0]["bypasses"]), (&json!("222233334444"), &json!(1), &json!(19)));
}
