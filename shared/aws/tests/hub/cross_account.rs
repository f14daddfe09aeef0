//! Tests events in one account that decide about another: the findings don't depend on the order in which accounts are folded, and an
//! account influences another's findings no more than its calls do.

use std::collections::{BTreeMap, BTreeSet};

use audit_aws::{
    findings::Raised,
    fold::{FoldTask, Trust},
    invocations::Message,
    stream::StreamRecord,
};
use audit_core::{finding::Finding, severity::Severity};
use cases::Case;
use serde_json::{Value, json};

use crate::support::{
    HUB, StateOf, bucket_with,
    history::{self, MANAGEMENT, MEMBER},
    invocation_auditor, no_deadline, own, tables, world_of,
};

const OTHER: &str = "333344445555";

fn organization(members_are_believed: bool) -> Trust {
    Trust { organization: true, hub_account: HUB.to_owned(), management_account: Some(MANAGEMENT.to_owned()), members_are_believed }
}

/// The files of a world.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// The final findings, if each batch is folded before the next one is reported, and only the stream causes further folds.
async fn found(files: &Files, trust: Trust, batches: &[Vec<Value>]) -> Vec<Finding> {
    let tables = tables().await;
    let fold = tables.fold(&bucket_with(files.clone(), None).await, trust);
    let mut known = BTreeSet::new();
    for batch in batches {
        let bodies: Vec<String> = batch.iter().map(history::envelope).collect();
        let messages: Vec<Message<'_>> = bodies.iter().map(|body| Message { id: "1", body }).collect();
        let state = StateOf { account_region: None, files: files.iter().cloned().collect() };
        assert!(invocation_auditor(&tables, state).take(Some(&own()), &messages).await.failed.is_empty());
        loop {
            let mut new = tables.inserted().await;
            new.retain(|record| known.insert((record.pk().to_owned(), record.sk().to_owned())));
            if new.is_empty() {
                break;
            }
            assert_eq!(fold.take(&new).await, None, "all is folded");
        }
    }
    tables.all_findings().await
}

/// The final findings, which must be equal whether records arrive one by one, in reverse order, or all at once.
async fn found_in_any_order(files: &Files, trust: Trust, records: &[Value]) -> Vec<Finding> {
    let at_once = found(files, trust.clone(), &[records.to_vec()]).await;
    let mut one_by_one: Vec<Vec<Value>> = records.iter().map(|record| vec![record.clone()]).collect();
    assert_eq!(found(files, trust.clone(), &one_by_one).await, at_once, "one by one");
    one_by_one.reverse();
    assert_eq!(found(files, trust, &one_by_one).await, at_once, "the other way around");
    at_once
}

fn about<'f>(findings: &'f [Finding], rule: &str, account: &str) -> Vec<&'f Finding> {
    findings.iter().filter(|finding| finding.rule == rule && finding.account.as_str() == account).collect()
}

/// The records and the world of a case in `events/`.
pub(crate) fn case(name: &str) -> (Vec<Value>, Files) {
    let case = Case::named(name);
    let records = case.events().unwrap().into_iter().map(|event| event["detail"].clone()).collect();
    (records, world_of(&case).files)
}

fn heartbeat(account: &str, number: u64, minute: u64) -> Value {
    let mut record = history::record(account, "Converse", number, minute, &json!({"modelId": "guardrail-audit.heartbeat"}));
    let role = format!("arn:aws:iam::{account}:role/guardrail-audit-heartbeat");
    record["errorCode"] = json!("AccessDeniedException");
    record["userIdentity"] = json!({"type": "AssumedRole", "accountId": account,
        "arn": format!("arn:aws:sts::{account}:assumed-role/guardrail-audit-heartbeat/s"),
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role, "accountId": account, "userName": "guardrail-audit-heartbeat"}}});
    record
}

#[tokio::test]
async fn that_others_are_heard_shows_who_is_silent() {
    let files = history::bare_world();
    let silent = [heartbeat(MEMBER, 1, 0), history::call(OTHER, 2, 60), history::call(OTHER, 3, 180)];
    let findings = found_in_any_order(&files, organization(false), &silent).await;
    let gaps = about(&findings, "telemetry-gap", MEMBER);
    assert_eq!(gaps.len(), 1, "{findings:?}");
    assert!(gaps[0].detail.contains("no heartbeat since"), "{}", gaps[0].detail);
    let reporting = [&silent[..], &[heartbeat(MEMBER, 4, 60), heartbeat(MEMBER, 5, 120), heartbeat(MEMBER, 6, 180)]].concat();
    let findings = found_in_any_order(&files, organization(false), &reporting).await;
    assert_eq!(about(&findings, "telemetry-gap", MEMBER).len(), 0, "{findings:?}");
}

#[tokio::test]
async fn what_is_still_to_come_makes_nobody_silent() {
    let mut early = history::call(OTHER, 2, 0);
    early["eventTime"] = json!("2027-11-20T10:00:00Z");
    let findings = found_in_any_order(&history::bare_world(), organization(false), &[heartbeat(MEMBER, 1, 0), early]).await;
    assert_eq!(about(&findings, "telemetry-gap", MEMBER).len(), 0, "{findings:?}");
}

#[tokio::test]
async fn a_draft_that_others_ask_for_weighs_more() {
    let (records, files) = case("guardrail-weakened/fires-draft-requested");
    let weakened = async |records: &[Value], trust: Trust| {
        let findings = found_in_any_order(&files, trust, records).await;
        about(&findings, "guardrail-weakened", MANAGEMENT)[0].severity
    };
    for trust in [Trust::default(), organization(false)] {
        assert_eq!(weakened(&records, trust.clone()).await, Severity::High);
        assert_eq!(weakened(&records[1..], trust.clone()).await, Severity::Low, "nobody asks for it");
        // An account that reports made-up events of accounts that don't exist.
        let mut made_up = records[0].clone();
        made_up["requestParameters"]["guardrailConfig"]["guardrailIdentifier"] =
            json!("arn:aws:bedrock:us-east-1:000000000000:guardrail/org");
        assert_eq!(weakened(&[made_up, records[1].clone()], trust).await, Severity::Low);
    }
}

#[tokio::test]
async fn a_member_is_the_owner_of_a_guardrail_whose_draft_others_ask_for() {
    let (records, files) = case("guardrail-weakened/fires-draft-requested");
    let everywhere = |text: &str| text.replace(MANAGEMENT, OTHER);
    let records: Vec<Value> = records.iter().map(|record| serde_json::from_str(&everywhere(&record.to_string())).unwrap()).collect();
    let moved = |(path, json): &(String, Vec<u8>)| match path.as_str() {
        "organization.json" => (path.clone(), json.clone()),
        _ if path.starts_with("effective-policies/") => (path.clone(), everywhere(&String::from_utf8_lossy(json)).into_bytes()),
        _ if path.contains(OTHER) => (path.replace(OTHER, "444455556666"), json.clone()),
        _ => (everywhere(path), everywhere(&String::from_utf8_lossy(json)).into_bytes()),
    };
    let files: Files = files.iter().map(moved).collect();
    let findings = found_in_any_order(&files, organization(true), &records).await;
    assert_eq!(about(&findings, "guardrail-weakened", OTHER)[0].severity, Severity::High);
}

#[tokio::test]
async fn the_organizations_trail_is_the_management_accounts_to_stop() {
    let (records, files) = case("trail-stopped/organization-trail-ends-telemetry");
    let (stop, calls): (Vec<Value>, Vec<Value>) = records.into_iter().partition(|record| record["eventName"] == "StopLogging");
    let unobserved = async |records: &[Value]| {
        let findings = found_in_any_order(&files, organization(true), records).await;
        about(&findings, "enforcement-not-observed", MEMBER).len()
    };
    assert_eq!(unobserved(&calls).await, 1, "evaluations stay out");
    assert_eq!(unobserved(&[calls.clone(), stop.clone()].concat()).await, 0, "they aren't recorded");
    let mut forged = stop[0].clone();
    forged["recipientAccountId"] = json!(OTHER);
    assert_eq!(unobserved(&[calls, vec![forged]].concat()).await, 1, "a member has no say in it");
}

/// A member deletes a guardrail of another account, and then the fact that says so.
#[tokio::test]
async fn what_an_account_takes_back_still_counts_for_others() {
    let tables = tables().await;
    let fold = tables.fold(&bucket_with(history::bare_world(), None).await, organization(false));
    let deletion = history::record(MEMBER, "DeleteGuardrail", 1, 5, &json!({"guardrailIdentifier": history::GUARDRAIL}));
    let body = history::envelope(&deletion);
    let state = StateOf { account_region: None, files: history::bare_world().into_iter().collect() };
    assert!(invocation_auditor(&tables, state).take(Some(&own()), &[Message { id: "1", body: &body }]).await.failed.is_empty());
    tables.fold_all(&fold).await;
    let before = tables.all_findings().await;
    assert_eq!(about(&before, "guardrail-deleted", MANAGEMENT).len(), 1, "{before:?}");
    let fact = tables.inserted().await.into_iter().find(|record| record.sk().starts_with("change#")).unwrap();
    let key = ["pk", "sk"].into_iter().map(|name| (name.to_owned(), fact.new[name].clone())).collect();
    tables.aws.dynamodb().delete_item().table_name(&tables.observations).set_key(Some(key)).send().await.unwrap();
    let removed = StreamRecord { old: fact.new.clone(), new: BTreeMap::new().into_iter().collect(), ..fact };
    assert_eq!(fold.take(&[removed]).await, None);
    for account in [MEMBER, MANAGEMENT] {
        let version = tables.findings().raise_version(account, Raised::default()).await.unwrap();
        fold.attempt(&FoldTask::new(account, version), no_deadline()).await.unwrap();
    }
    let after = tables.all_findings().await;
    assert_eq!(about(&after, "guardrail-deleted", MANAGEMENT), about(&before, "guardrail-deleted", MANAGEMENT));
}
