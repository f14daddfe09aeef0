//! Tests what Security Hub is given: against a double that follows the documented rules for findings, and the requests themselves against
//! scripted answers.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use audit_aws::{
    clock::Clock,
    error::{CallError, ErrorKind},
    findings::{Basis, Stored},
    observations::Item,
    partition::AccountRegion,
    security_hub::{Failure, ImportFindings, SecurityHub, SecurityHubClient, There, Update},
    stream::{StreamHandler as _, StreamRecord},
};
use audit_core::{
    finding::{Finding, Status, Suppression},
    severity::Severity,
    timestamp::Timestamp,
};
use audit_exports::asff::{Importer, finding_id};
use serde_json::{Value, json};

use crate::support::{
    HUB, Tables,
    double::{Answer, Double},
    history::MEMBER,
    inserted, metrics, no_deadline, now, tables,
};

/// Findings as Security Hub keeps them. Rules, from its guide and its API reference: an import that isn't later than the finding changes
/// nothing; one that is changes neither workflow nor note; a finding that is active again has no `RESOLVED` or `NOTIFIED` workflow any more.
#[derive(Clone, Debug, Default)]
struct Documented {
    findings: Arc<Mutex<BTreeMap<String, Value>>>,
    /// The number of findings in each request of an import.
    sizes: Arc<Mutex<Vec<usize>>>,
    /// Requests that fail as a whole: these in order, then none.
    errors: Arc<Mutex<VecDeque<ErrorKind>>>,
    /// Findings that fail, with their code, by our id.
    failing: Arc<Mutex<BTreeMap<String, &'static str>>>,
    /// A finding because of which a whole request is refused.
    poison: Arc<Mutex<Option<String>>>,
}

impl SecurityHub for Documented {
    async fn import(&self, request: String) -> Result<Vec<Failure>, CallError> {
        let request: Value = serde_json::from_str(&request).unwrap();
        let imported = request["Findings"].as_array().unwrap();
        self.sizes.lock().unwrap().push(imported.len());
        assert!(imported.len() <= 100);
        let error = |kind| Err(CallError::new("import findings", kind, "scripted"));
        if let Some(kind) = self.errors.lock().unwrap().pop_front() {
            return error(kind);
        }
        let is_poison = |finding: &Value| self.poison.lock().unwrap().as_ref().is_some_and(|id| finding["Id"] == finding_id(id));
        if imported.iter().any(is_poison) {
            return error(ErrorKind::Refused);
        }
        let (mut findings, failing) = (self.findings.lock().unwrap(), self.failing.lock().unwrap());
        let mut failures = Vec::new();
        for finding in imported {
            let id = finding["Id"].as_str().unwrap();
            if let Some((_, code)) = failing.iter().find(|(failing, _)| finding_id(failing) == id) {
                let failure = json!({"Id": id, "ErrorCode": code, "ErrorMessage": "scripted"});
                failures.push(serde_json::from_value(failure).unwrap());
                continue;
            }
            let mut finding = finding.clone();
            if let Some(before) = findings.get(id) {
                if time(&finding, "UpdatedAt") <= time(before, "UpdatedAt") {
                    continue;
                }
                let is_active_again = before["RecordState"] == "ARCHIVED" && finding["RecordState"] == "ACTIVE";
                let was_closed = ["RESOLVED", "NOTIFIED"].iter().any(|status| before["Workflow"]["Status"] == *status);
                let status = if is_active_again && was_closed { json!("NEW") } else { before["Workflow"]["Status"].clone() };
                finding["Workflow"] = json!({"Status": status});
                finding["Note"] = before["Note"].clone();
            } else if finding["Workflow"].is_null() {
                finding["Workflow"] = json!({"Status": "NEW"});
            }
            findings.insert(id.to_owned(), finding);
        }
        Ok(failures)
    }

    async fn look(&self, ids: &[String]) -> Result<BTreeMap<String, There>, CallError> {
        assert!(ids.len() <= 20);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let there = |finding: &Value| There { status: text(&finding["Workflow"]["Status"]), note: text(&finding["Note"]["Text"]) };
        let findings = self.findings.lock().unwrap();
        Ok(ids.iter().filter_map(|id| Some((id.clone(), there(findings.get(id)?)))).collect())
    }

    async fn update(&self, ids: &[String], update: &Update) -> Result<Vec<Failure>, CallError> {
        for id in ids {
            self.set(id, update.status, Some(&update.note));
        }
        Ok(Vec::new())
    }
}

fn time(finding: &Value, name: &str) -> Timestamp {
    Timestamp::parse(finding[name].as_str().unwrap()).unwrap()
}

impl Documented {
    /// Sets the workflow of a finding, as a person does in the console.
    fn set(&self, id: &str, status: &str, note: Option<&str>) {
        let mut findings = self.findings.lock().unwrap();
        let finding = findings.get_mut(id).unwrap();
        finding["Workflow"]["Status"] = json!(status);
        if let Some(note) = note {
            finding["Note"] = json!({"Text": note});
        }
    }

    /// Record state, outcome, and workflow of a finding.
    fn shown(&self, finding: &Finding) -> [String; 3] {
        let findings = self.findings.lock().unwrap();
        let there = &findings[&finding_id(&finding.id)];
        [&there["RecordState"], &there["Compliance"]["Status"], &there["Workflow"]["Status"]].map(|word| word.as_str().unwrap().to_owned())
    }

    fn note(&self, finding: &Finding) -> Value {
        self.findings.lock().unwrap()[&finding_id(&finding.id)]["Note"]["Text"].clone()
    }

    fn updated_at(&self, finding: &Finding) -> Timestamp {
        time(&self.findings.lock().unwrap()[&finding_id(&finding.id)], "UpdatedAt")
    }

    fn count(&self) -> usize {
        self.findings.lock().unwrap().len()
    }

    fn sizes(&self) -> Vec<usize> {
        std::mem::take(&mut *self.sizes.lock().unwrap())
    }
}

/// The table of findings, Security Hub, and the days that have passed.
struct Installation {
    tables: Tables,
    hub: Documented,
    ticket: i64,
    day: i64,
}

impl Installation {
    async fn new() -> Self {
        Installation { tables: tables().await, hub: Documented::default(), ticket: 0, day: 0 }
    }

    fn function(&self) -> ImportFindings<Documented> {
        // Each step is a second after the one before.
        let at = Timestamp::from_micros(now().as_micros() + self.day * 86_400_000_000 + self.ticket * 1_000_000);
        let importer = Importer::AccountRegion { account: HUB.to_owned(), region: "eu-west-1".to_owned() };
        ImportFindings::new(self.tables.findings(), self.hub.clone(), importer, metrics("import-findings"), Clock::At(at))
    }

    /// Writes a finding, as a fold does. Returns the record of the stream.
    async fn write(&mut self, finding: &Finding) -> StreamRecord {
        self.ticket += 1;
        let stored = Stored { finding: finding.clone(), ticket: self.ticket, units: Vec::new(), basis: Basis::Reported };
        let findings = self.tables.findings();
        assert!(findings.put(&stored).await.unwrap());
        findings.note_account_region(&AccountRegion::new(finding.account.as_str(), finding.region.as_str())).await.unwrap();
        let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
        let item = [
            ("pk", text(&format!("FINDINGS#{}", finding.account))),
            ("sk", text(&finding.id)),
            ("finding", text(&serde_json::to_string(finding).unwrap())),
        ];
        inserted(usize::try_from(self.ticket).unwrap(), Item::from(item.map(|(name, value)| (name.to_owned(), value))))
    }

    /// Writes a finding, and lets the function take the change.
    async fn change(&mut self, finding: &Finding) {
        let record = self.write(finding).await;
        assert_eq!(self.function().take(&[record]).await, None);
    }

    async fn schedule(&mut self) -> Result<usize, CallError> {
        self.ticket += 1;
        self.function().import_all(no_deadline()).await
    }
}

fn finding(number: u64) -> Finding {
    let json = json!({
        "id": format!("{number:032x}"), "rule": "invocation-without-guardrail", "severity": Severity::High, "title": "t", "detail": "1 call",
        "remediation": "r", "status": "OPEN", "account": MEMBER, "region": "us-east-1", "resource": format!("AWS::::Account:{MEMBER}"),
        "principals": [], "models": [], "apis": [], "verdict": "violation", "grade": "enforced", "reason": "no_guardrail",
        "missing": [], "attempted": false, "expected": false, "linked": [], "first_seen": "2026-11-20T10:00:00Z",
        "last_seen": "2026-11-20T10:00:00Z", "count": 1, "events": [], "changes": [], "policy": null, "controls": [],
        "reopened": 0, "resolved_at": null, "suppression": null,
    });
    serde_json::from_value(json).unwrap()
}

fn with(finding: &Finding, status: Status) -> Finding {
    let suppression = (status == Status::Suppressed).then(|| Suppression {
        until: "2027-01-01".to_owned(),
        reason: "a test account".to_owned(),
        owner: "team-a".to_owned(),
        ticket: None,
    });
    Finding { status, suppression, ..finding.clone() }
}

#[tokio::test]
async fn a_finding_is_open_archived_when_it_is_resolved_and_active_when_it_is_reopened() {
    let mut installation = Installation::new().await;
    let open = finding(1);
    installation.change(&open).await;
    let hub = installation.hub.clone();
    assert_eq!(hub.shown(&open), ["ACTIVE", "FAILED", "NEW"]);
    let there = hub.findings.lock().unwrap()[&finding_id(&open.id)].clone();
    assert_eq!(there["AwsAccountId"], HUB, "the hub's own account imports it");
    assert_eq!(there["ProductArn"], format!("arn:aws:securityhub:eu-west-1:{HUB}:product/{HUB}/default"), "in the hub's own Region");
    assert_eq!(there["Resources"][0]["Id"], format!("AWS::::Account:{MEMBER}"), "the account that it is about is a resource");
    assert_eq!(there["Resources"][0]["Region"], "us-east-1");

    hub.set(&finding_id(&open.id), "NOTIFIED", None);
    installation.change(&with(&open, Status::Resolved)).await;
    assert_eq!(hub.shown(&open), ["ARCHIVED", "PASSED", "NOTIFIED"]);
    installation.change(&Finding { reopened: 1, ..open.clone() }).await;
    assert_eq!(hub.shown(&open), ["ACTIVE", "FAILED", "NEW"]);

    let never_open = with(&finding(2), Status::Resolved);
    installation.change(&never_open).await;
    assert_eq!(hub.count(), 1, "what was resolved before it was imported is no news");
}

#[tokio::test]
async fn an_exception_suppresses_and_its_end_does_not_undo_what_people_set() {
    let mut installation = Installation::new().await;
    let hub = installation.hub.clone();
    let (ours, theirs, taken_over, from_the_start) = (finding(1), finding(2), finding(3), finding(4));
    for finding in [&ours, &theirs, &taken_over] {
        installation.change(finding).await;
    }
    installation.change(&with(&from_the_start, Status::Suppressed)).await;
    assert_eq!(hub.shown(&from_the_start), ["ACTIVE", "FAILED", "SUPPRESSED"]);
    hub.set(&finding_id(&theirs.id), "SUPPRESSED", Some("accepted by me"));

    // More calls, an escalation and the schedule change nothing that was set.
    installation.change(&Finding { severity: Severity::Critical, count: 9, ..theirs.clone() }).await;
    installation.schedule().await.unwrap();
    assert_eq!((hub.shown(&theirs), hub.note(&theirs)), (["ACTIVE", "FAILED", "SUPPRESSED"].map(str::to_owned), json!("accepted by me")));

    for finding in [&ours, &theirs, &taken_over] {
        installation.change(&with(finding, Status::Suppressed)).await;
        assert_eq!(hub.shown(finding), ["ACTIVE", "FAILED", "SUPPRESSED"]);
    }
    assert_eq!(hub.note(&ours), "accepted until 2027-01-01 by team-a: a test account");
    assert_eq!(hub.note(&theirs), "accepted by me");
    hub.set(&finding_id(&taken_over.id), "SUPPRESSED", Some("accepted by me, whatever the exception says"));

    for finding in [&ours, &theirs, &taken_over, &from_the_start] {
        installation.change(finding).await;
    }
    assert_eq!(hub.shown(&ours), ["ACTIVE", "FAILED", "NEW"]);
    assert_eq!(hub.shown(&from_the_start), ["ACTIVE", "FAILED", "NEW"]);
    assert_eq!(hub.shown(&theirs), ["ACTIVE", "FAILED", "SUPPRESSED"]);
    assert_eq!(hub.shown(&taken_over), ["ACTIVE", "FAILED", "SUPPRESSED"]);

    // What a person opens again although an exception covers it stays open.
    installation.change(&with(&ours, Status::Suppressed)).await;
    hub.set(&finding_id(&ours.id), "NEW", None);
    installation.day += 31;
    installation.schedule().await.unwrap();
    assert_eq!(hub.shown(&ours), ["ACTIVE", "FAILED", "NEW"]);
    installation.change(&with(&ours, Status::Resolved)).await;
    assert_eq!(hub.shown(&ours), ["ARCHIVED", "PASSED", "NEW"]);
}

#[tokio::test]
async fn a_suppressed_finding_that_is_resolved_is_new_if_it_is_reopened() {
    let mut installation = Installation::new().await;
    let hub = installation.hub.clone();
    let finding = finding(1);
    installation.change(&with(&finding, Status::Suppressed)).await;
    installation.change(&with(&finding, Status::Resolved)).await;
    assert_eq!(hub.shown(&finding), ["ARCHIVED", "PASSED", "RESOLVED"]);
    installation.change(&Finding { reopened: 1, ..finding.clone() }).await;
    assert_eq!(hub.shown(&finding), ["ACTIVE", "FAILED", "NEW"]);
    // Under the exception again: Security Hub has it still, and takes no workflow with an import.
    installation.change(&with(&finding, Status::Resolved)).await;
    installation.change(&with(&finding, Status::Suppressed)).await;
    assert_eq!(hub.shown(&finding), ["ACTIVE", "FAILED", "SUPPRESSED"]);
}

#[tokio::test]
async fn a_withdrawn_finding_is_archived_and_has_not_passed() {
    let mut installation = Installation::new().await;
    let hub = installation.hub.clone();
    let finding = finding(1);
    let record = installation.write(&finding).await;
    assert_eq!(installation.function().take(std::slice::from_ref(&record)).await, None);
    let withdraw = |ticket| {
        let findings = installation.tables.findings();
        let id = finding.id.clone();
        async move { assert!(findings.withdraw(MEMBER, &id, ticket).await.unwrap()) }
    };
    withdraw(100).await;
    installation.ticket += 1;
    let gone = StreamRecord { old: record.new.clone(), new: Item::new(), ..inserted(2, Item::new()) };
    assert_eq!(installation.function().take(&[gone]).await, None);
    assert_eq!(hub.shown(&finding), ["ARCHIVED", "NOT_AVAILABLE", "NEW"]);

    // A late copy of the first record opens nothing.
    installation.ticket += 1;
    assert_eq!(installation.function().take(&[record]).await, None);
    assert_eq!(hub.shown(&finding), ["ARCHIVED", "NOT_AVAILABLE", "NEW"]);
    installation.ticket += 100;
    installation.change(&finding).await;
    assert_eq!(hub.shown(&finding), ["ACTIVE", "FAILED", "NEW"]);

    // Withdrawn again, while nobody takes the stream.
    installation.tables.findings().withdraw(MEMBER, &finding.id, 1000).await.unwrap();
    installation.schedule().await.unwrap();
    assert_eq!(hub.shown(&finding), ["ARCHIVED", "NOT_AVAILABLE", "NEW"]);
    assert!(installation.tables.findings().imported(MEMBER, &finding.id).await.unwrap().is_some());
    installation.day += 31;
    installation.schedule().await.unwrap();
    assert_eq!(installation.tables.findings().imported(MEMBER, &finding.id).await.unwrap(), None, "Security Hub has forgotten it, too");
}

#[tokio::test]
async fn what_fails_comes_again_and_holds_up_nothing_else() {
    let mut installation = Installation::new().await;
    let hub = installation.hub.clone();
    let mut records = Vec::new();
    for number in 0..101 {
        records.push(installation.write(&finding(number)).await);
    }
    hub.failing.lock().unwrap().extend([(finding(7).id, "InternalFailure"), (finding(9).id, "InvalidInput")]);
    let again = installation.function().take(&records).await;
    assert_eq!(again.as_ref(), Some(&records[7].sequence), "not from the one that will never be taken");
    assert_eq!((hub.sizes(), hub.count()), (vec![100, 1], 99));

    hub.failing.lock().unwrap().remove(&finding(7).id);
    installation.ticket += 1;
    assert_eq!(installation.function().take(&records[7..]).await, None);
    assert_eq!((hub.sizes(), hub.count()), (vec![2], 100), "the others were imported, and aren't again");

    // Security Hub is turned off: the schedule says so, and the stream keeps what changed.
    hub.failing.lock().unwrap().extend([(finding(9).id, "InvalidAccess")]);
    assert_eq!(installation.schedule().await.unwrap_err().kind, ErrorKind::Denied);
    assert_eq!(installation.function().take(&records[9..10]).await.as_ref(), Some(&records[9].sequence));
    assert_eq!(hub.sizes(), [1, 1]);

    // The finding that was refused is tried again by the schedule, and goes in once it can.
    hub.failing.lock().unwrap().clear();
    installation.schedule().await.unwrap();
    assert_eq!((hub.sizes(), hub.count()), (vec![1], 101));
    installation.schedule().await.unwrap();
    assert_eq!(hub.sizes(), [0; 0], "nothing is due");
}

#[tokio::test]
async fn throttling_loses_nothing() {
    let mut installation = Installation::new().await;
    let hub = installation.hub.clone();
    let mut records = Vec::new();
    for number in 0..105 {
        records.push(installation.write(&finding(number)).await);
    }
    // The client's own attempts have failed already.
    hub.errors.lock().unwrap().extend([ErrorKind::Retryable]);
    assert_eq!(installation.function().take(&records[..100]).await.as_ref(), Some(&records[0].sequence));
    hub.errors.lock().unwrap().extend([ErrorKind::Denied]);
    assert_eq!(installation.function().take(&records[100..]).await.as_ref(), Some(&records[100].sequence), "where it isn't enabled");
    hub.errors.lock().unwrap().extend([ErrorKind::Retryable]);
    assert_eq!(installation.schedule().await.unwrap_err().kind, ErrorKind::Retryable);
    assert_eq!(hub.count(), 0);
    hub.sizes();
    assert_eq!(installation.schedule().await.unwrap(), 0);
    assert_eq!((hub.sizes(), hub.count()), (vec![100, 5], 105));
}

#[tokio::test]
async fn a_request_that_is_refused_because_of_one_finding_is_cut_until_only_that_one_is_left() {
    let mut installation = Installation::new().await;
    let hub = installation.hub.clone();
    *hub.poison.lock().unwrap() = Some(finding(33).id);
    let mut records = Vec::new();
    for number in 0..50 {
        records.push(installation.write(&finding(number)).await);
    }
    assert_eq!(installation.function().take(&records).await, None);
    assert_eq!(hub.count(), 49);
    assert!(hub.sizes().len() <= 14, "it is looked for by halves");
}

#[tokio::test]
async fn open_findings_are_imported_again_before_they_are_forgotten() {
    let mut installation = Installation::new().await;
    let hub = installation.hub.clone();
    let (open, resolved) = (finding(1), with(&finding(2), Status::Resolved));
    installation.change(&open).await;
    installation.change(&finding(2)).await;
    installation.change(&resolved).await;
    hub.sizes();

    // More of the same waits for the schedule.
    let more = Finding { count: 5, detail: "5 calls".to_owned(), ..open.clone() };
    installation.change(&more).await;
    assert_eq!(hub.sizes(), [0; 0]);
    installation.schedule().await.unwrap();
    assert_eq!(hub.sizes(), [1]);
    assert_eq!(hub.findings.lock().unwrap()[&finding_id(&open.id)]["Description"], "5 calls");

    let mut before = hub.updated_at(&open);
    for (days, imported) in [(29, 0), (2, 1), (29, 0), (2, 1), (60, 1)] {
        installation.day += days;
        installation.schedule().await.unwrap();
        assert_eq!(hub.sizes().iter().sum::<usize>(), imported, "after {days} days");
        assert!(hub.updated_at(&open) > before || imported == 0, "Security Hub takes an update only if it is later");
        before = hub.updated_at(&open);
    }
    assert_eq!(hub.shown(&resolved), ["ARCHIVED", "PASSED", "NEW"], "and what is resolved stays so");
    // A hub that was away for longer: Security Hub has forgotten the finding, and creates it under the exception.
    installation.change(&with(&more, Status::Suppressed)).await;
    hub.findings.lock().unwrap().clear();
    installation.day += 91;
    installation.schedule().await.unwrap();
    assert_eq!(hub.shown(&open), ["ACTIVE", "FAILED", "SUPPRESSED"]);
}

#[tokio::test]
async fn a_run_that_is_out_of_time_goes_on_with_the_next() {
    let mut installation = Installation::new().await;
    let hub = installation.hub.clone();
    for number in 0..130 {
        let account = if number < 60 { MEMBER } else { "333344445555" };
        installation.write(&Finding { account: account.into(), ..finding(number) }).await;
    }
    let over = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    for (sizes, left) in [(vec![100], true), (vec![30], false)] {
        installation.ticket += 1;
        let accounts = installation.function().import_all(over).await.unwrap();
        assert_eq!((hub.sizes(), accounts > 0), (sizes, left));
    }
    assert_eq!(hub.count(), 130);
}

const IMPORT: &str = "POST /findings/import";
const UPDATE: &str = "PATCH /findings/batchupdate";

fn client(double: &Double) -> SecurityHubClient {
    SecurityHubClient::new(&double.aws(), HUB).unwrap()
}

#[tokio::test]
async fn an_import_is_asked_again_when_it_is_throttled_and_names_what_failed() {
    let double = Double::default();
    let failed =
        json!({"FailedCount": 1, "SuccessCount": 1, "FailedFindings": [{"Id": "a", "ErrorCode": "InvalidInput", "ErrorMessage": "m"}]});
    double.on(IMPORT, [Answer::Error(429, "LimitExceededException"), Answer::Broken, Answer::Json(failed)]);
    let failures = client(&double).import(r#"{"Findings": []}"#.to_owned()).await.unwrap();
    let failure = Failure { id: "a".to_owned(), error_code: "InvalidInput".to_owned(), error_message: "m".to_owned() };
    assert_eq!(failures, [failure]);
    assert_eq!(double.asked(IMPORT).len(), 3);
    assert_eq!(double.asked(IMPORT)[2].body, json!({"Findings": []}), "the same request");
    assert!(double.slept() > Duration::ZERO, "not at once");

    for (answer, kind) in [
        (Answer::Error(429, "TooManyRequestsException"), ErrorKind::Retryable),
        (Answer::Error(500, "InternalException"), ErrorKind::Retryable),
        (Answer::Error(400, "InvalidInputException"), ErrorKind::Refused),
        (Answer::Error(401, "InvalidAccessException"), ErrorKind::Denied),
        (Answer::Error(403, "AccessDeniedException"), ErrorKind::Denied),
        (Answer::Text("<html>".to_owned()), ErrorKind::Retryable),
        (Answer::Json(json!({})), ErrorKind::Retryable),
        (Answer::Json(json!({"FailedCount": 2, "SuccessCount": 0, "FailedFindings": []})), ErrorKind::Retryable),
    ] {
        let shown = format!("{answer:?}");
        double.on(IMPORT, [answer]);
        let error = client(&double).import("{}".to_owned()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{shown}");
    }
}

#[tokio::test]
async fn findings_are_looked_at_and_updated_by_their_id_and_product() {
    let double = Double::default();
    let product = format!("arn:aws:securityhub:us-east-1:{HUB}:product/{HUB}/default");
    let found =
        json!([{"Id": "a", "Workflow": {"Status": "SUPPRESSED"}, "Note": {"Text": "n", "UpdatedBy": "b", "UpdatedAt": "c"}}, {"Id": "b"}]);
    double.says("POST /findings", json!({"Findings": found}));
    let ids = ["a".to_owned(), "b".to_owned()];
    let there = client(&double).look(&ids).await.unwrap();
    assert_eq!(there["a"], There { status: Some("SUPPRESSED".to_owned()), note: Some("n".to_owned()) });
    assert_eq!(there["b"], There::default());
    let equals = |value: &str| json!({"Value": value, "Comparison": "EQUALS"});
    let filters = json!({"ProductArn": [equals(&product)], "Id": [equals("a"), equals("b")]});
    assert_eq!(double.asked("POST /findings")[0].body, json!({"Filters": filters, "MaxResults": 100}));

    let unprocessed =
        json!([{"FindingIdentifier": {"Id": "b", "ProductArn": product}, "ErrorCode": "FindingNotFound", "ErrorMessage": "m"}]);
    double.says(UPDATE, json!({"ProcessedFindings": [{"Id": "a", "ProductArn": product}], "UnprocessedFindings": unprocessed}));
    let update = Update { status: "NEW", note: "n".to_owned() };
    let failures = client(&double).update(&ids, &update).await.unwrap();
    assert_eq!(failures.iter().map(|failure| failure.id.as_str()).collect::<Vec<_>>(), ["b"]);
    let identifiers = json!([{"Id": "a", "ProductArn": product}, {"Id": "b", "ProductArn": product}]);
    let expected =
        json!({"FindingIdentifiers": identifiers, "Workflow": {"Status": "NEW"}, "Note": {"Text": "n", "UpdatedBy": "guardrail-audit"}});
    assert_eq!(double.asked(UPDATE)[0].body, expected);
}
