//! `cargo xtask case new`: the skeleton of a case, from the rule's case `fires`, or from an empty record of an operation.

#![expect(clippy::indexing_slicing, reason = "a JSON value answers null for what it lacks, and takes what is new to it")]

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use walkdir::WalkDir;

/// What a case must still say; a test refuses cases that hold it.
const TO_WRITE: &str = "TODO";

/// The account in which most cases happen, and the one that owns guardrails.
const SHOP: &str = "222233334444";

/// When most cases happen.
const TIME: &str = "2026-11-20T10:00:00Z";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The id of the rule
    rule: String,
    /// What the case is called: `fires`, `near-miss`, `refused` or `evidence-missing`, alone or with more after a hyphen
    #[arg(value_name = "CASE")]
    case: String,
    /// Start from an empty record of this operation instead of the rule's case `fires`, as IAM writes it: `bedrock:UpdateGuardrail`
    #[arg(long, value_name = "SERVICE:OPERATION")]
    operation: Option<Operation>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let events = cases::folder();
    let folder = create(&events, &args.rule, &args.case, args.operation.as_ref().map(|operation| (operation, Subject::Change)))?;
    println!("{} is written: what it must still say is marked with {TO_WRITE}. Then:", folder.display());
    println!("  cargo xtask case run {}/{}", args.rule, args.case);
    Ok(())
}

/// An operation, as IAM writes it.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) service: String,
    pub(crate) name: String,
}

impl std::str::FromStr for Operation {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (service, name) = text.split_once(':').context("a service and an operation, as in bedrock:UpdateGuardrail")?;
        ensure!(!service.is_empty() && name.starts_with(|c: char| c.is_ascii_uppercase()), "as in bedrock:UpdateGuardrail");
        Ok(Operation { service: service.to_owned(), name: name.to_owned() })
    }
}

/// What the rule of a case looks at, which decides what becomes of a refused request and of one whose evidence is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A call of a model. A refused one is not applicable, and one whose evidence is missing is not provable: the rule stays quiet.
    Call,
    /// A change. The rule fires also for one that was refused or whose effect isn't known, with a severity that is one step lower.
    Change,
}

/// Writes the skeleton of a case into a folder of cases, and says where.
pub(crate) fn create(events: &Path, rule: &str, case: &str, operation: Option<(&Operation, Subject)>) -> anyhow::Result<PathBuf> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    ensure!(is_name(rule) && is_name(case), "names of rules and cases are made of small letters, digits and hyphens");
    let folder = events.join(rule).join(case);
    ensure!(!folder.exists(), "`{}` exists", folder.display());
    let fires = events.join(rule).join("fires");
    let (mut events, mut expected) = match operation {
        Some((operation, subject)) => (envelope(operation), expected(rule, subject)),
        None => from_case(&fires)?,
    };
    keep_what_may_stay(&mut expected);
    expected["about"] = json!(format!("{TO_WRITE}: what this case shows, in a sentence."));
    let is_call = expected["invocations"]["violation"].as_u64().is_some_and(|count| count > 0);
    // The four kinds differ from `fires` in one thing each.
    if case.starts_with("near-miss") {
        expected["findings"] = json!([]);
        move_violations(&mut expected, "compliant");
    } else if case.starts_with("refused") {
        refuse(&mut events);
        move_violations(&mut expected, "not_applicable");
        if is_call {
            expected["findings"] = json!([]);
        }
        for finding in expected["findings"].as_array_mut().into_iter().flatten() {
            finding["attempted"] = json!(true);
            lower_severity(finding);
        }
    } else if case.starts_with("evidence-missing") {
        expected["world"] = json!("nothing-known");
        move_violations(&mut expected, "not_provable");
        if is_call {
            let finding =
                json!({"rule": "invocation-not-provable", "severity": "LOW", "status": "OPEN", "account": SHOP, "region": "us-east-1"});
            expected["findings"] = json!([finding]);
        }
        expected["findings"].as_array_mut().into_iter().flatten().filter(|_| !is_call).for_each(lower_severity);
        if let Some(fields) = expected.as_object_mut() {
            fields.shift_remove("without");
        }
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("failed to make `{}`", folder.display()))?;
    if operation.is_none() {
        let names = if case.starts_with("evidence-missing") { &["guardrail-audit.toml"][..] } else { &["guardrail-audit.toml", "world"] };
        names.iter().try_for_each(|name| copy(&fires.join(name), &folder.join(name)))?;
    }
    for (name, json) in [("event.json", &events), ("expected.json", &expected)] {
        let file = folder.join(name);
        std::fs::write(&file, pretty(json)?).with_context(|| format!("failed to write `{}`", file.display()))?;
    }
    Ok(folder)
}

/// Copies a file, or a folder with all that is in it, if it is there.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in WalkDir::new(from).into_iter().filter(|_| from.exists()) {
        let entry = entry?;
        let target = to.join(entry.path().strip_prefix(from)?);
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target)
        } else {
            // The empty path joins as a slash.
            let target = if entry.depth() == 0 { to } else { &target };
            std::fs::copy(entry.path(), target).map(|_| ())
        }
        .with_context(|| format!("failed to write `{}`", target.display()))?;
    }
    Ok(())
}

/// The event of a case, and what is expected of it.
fn from_case(case: &Path) -> anyhow::Result<(Value, Value)> {
    let event = case.join("event.json");
    if !event.exists() {
        bail!("there is no `{}` to start from: say --operation", event.display());
    }
    let read = |file: PathBuf| -> anyhow::Result<Value> {
        let text = std::fs::read(&file).with_context(|| format!("failed to read `{}`", file.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("failed to read `{}`", file.display()))
    };
    Ok((read(event)?, read(case.join("expected.json"))?))
}

/// What EventBridge delivers of a call of an operation by a role in the account shop.
fn envelope(operation: &Operation) -> Value {
    let Operation { service, name } = operation;
    let reads = ["Get", "List", "Describe"].iter().any(|verb| name.starts_with(verb));
    json!({
        "version": "0",
        "id": "00000003-0000-4000-a000-000000000001",
        "detail-type": "AWS API Call via CloudTrail",
        "source": format!("aws.{service}"),
        "account": SHOP,
        "time": TIME,
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": "AROAEXAMPLE:session",
                "arn": format!("arn:aws:sts::{SHOP}:assumed-role/app/session"),
                "accountId": SHOP,
                "sessionContext": {
                    "sessionIssuer": {
                        "type": "Role",
                        "principalId": "AROAEXAMPLE",
                        "arn": format!("arn:aws:iam::{SHOP}:role/app"),
                        "accountId": SHOP,
                        "userName": "app"
                    },
                    "attributes": {"creationDate": "2026-11-20T00:00:00Z", "mfaAuthenticated": "false"}
                }
            },
            "eventTime": TIME,
            "eventSource": format!("{service}.amazonaws.com"),
            "eventName": name,
            "awsRegion": "us-east-1",
            "sourceIPAddress": "198.51.100.7",
            "userAgent": "Boto3/1.41.2",
            "requestParameters": {TO_WRITE: "what the operation was called with"},
            "responseElements": null,
            "requestID": "00000001-0000-4000-a000-000000000001",
            "eventID": "00000002-0000-4000-a000-000000000001",
            "readOnly": reads,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": SHOP,
            "eventCategory": "Management"
        }
    })
}

fn expected(rule: &str, subject: Subject) -> Value {
    let mut finding = json!({"rule": rule, "severity": "MEDIUM", "status": "OPEN", "account": SHOP, "region": "us-east-1"});
    if subject == Subject::Change {
        finding["attempted"] = json!(false);
    }
    json!({
        "about": "",
        "world": "nothing-known",
        "invocations": {"compliant": 0, "violation": u8::from(subject == Subject::Call), "not_provable": 0, "not_applicable": 0},
        "findings": [finding]
    })
}

/// Drops what another event changes for sure: texts, times, names. What is left is what the cases of a rule have in common.
fn keep_what_may_stay(expected: &mut Value) {
    const OF_FINDING: &[&str] = &["rule", "severity", "status", "account", "region", "attempted", "verdict", "grade", "reason", "count"];
    for finding in expected["findings"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        finding.retain(|field, _| OF_FINDING.contains(&field.as_str()));
    }
    for member in ["coverage", "blind", "ignored"] {
        expected.as_object_mut().and_then(|members| members.shift_remove(member));
    }
}

/// Counts the calls that were violations under another verdict.
fn move_violations(expected: &mut Value, verdict: &str) {
    let invocations = &mut expected["invocations"];
    let count = |of: &Value| of.as_u64().unwrap_or_default();
    invocations[verdict] = json!(count(&invocations[verdict]) + count(&invocations["violation"]));
    invocations["violation"] = json!(0);
}

/// Lowers the severity of a finding by one step, as an attempt or an effect that isn't known does.
fn lower_severity(finding: &mut Value) {
    const STEPS: &[[&str; 2]] = &[["CRITICAL", "HIGH"], ["HIGH", "MEDIUM"], ["MEDIUM", "LOW"], ["LOW", "INFORMATIONAL"]];
    if let Some([_, lower]) = STEPS.iter().find(|[severity, _]| finding["severity"] == *severity) {
        finding["severity"] = json!(lower);
    }
}

/// Makes the last request one that IAM refused, as CloudTrail records it.
fn refuse(events: &mut Value) {
    let last = match events {
        Value::Array(events) => events.last_mut(),
        event => Some(event),
    };
    if let Some(record) = last.and_then(|event| event.get_mut("detail")) {
        record["errorCode"] = json!("AccessDenied");
        record["errorMessage"] = json!("User is not authorized to perform this action");
        record["responseElements"] = Value::Null;
    }
}

/// As the cases are written: indented by one space.
fn pretty(json: &Value) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    serde::Serialize::serialize(json, &mut serde_json::Serializer::with_formatter(&mut text, formatter))?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use cases::Case;

    use super::*;

    fn made(case: &str, operation: Option<&str>) -> (tempfile::TempDir, anyhow::Result<Case>) {
        let events = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(events.path().join("worlds/nothing-known")).unwrap();
        let operation = operation.map(|operation| operation.parse::<Operation>().unwrap());
        let first: Operation = "organizations:LeaveOrganization".parse().unwrap();
        create(events.path(), "account-left", "fires", Some((&first, Subject::Change))).unwrap();
        let folder = create(events.path(), "account-left", case, operation.as_ref().map(|operation| (operation, Subject::Change)));
        (events, folder.map(|folder| Case::of_event(&folder.join("event.json"))))
    }

    #[test]
    fn texts_of_another_event_are_dropped() {
        let mut expected = json!({"blind": [], "findings": [{"rule": "account-left", "detail": "LeaveOrganization", "count": 1}]});
        keep_what_may_stay(&mut expected);
        assert_eq!(expected, json!({"findings": [{"rule": "account-left", "count": 1}]}));
    }

    #[test]
    fn a_new_case_is_one_that_tests_can_read() {
        let (_events, case) = made("fires-by-key", Some("bedrock:UpdateGuardrail"));
        let case = case.unwrap();
        let record = &case.events().unwrap()[0]["detail"];
        assert_eq!((&record["eventSource"], &record["eventName"]), (&json!("bedrock.amazonaws.com"), &json!("UpdateGuardrail")));
        let expected = case.expected().unwrap();
        assert!(expected.about.starts_with(TO_WRITE), "{}", expected.about);
        assert_eq!(expected.rules().collect::<Vec<_>>(), ["account-left"]);
        assert!(case.world().unwrap().is_empty());
    }

    #[test]
    fn each_kind_differs_from_the_case_that_fires() {
        let of = |case: &str| {
            let (events, case) = made(case, None);
            let case = case.unwrap();
            let read = (case.events().unwrap(), case.expected().unwrap());
            drop(events);
            read
        };
        assert_eq!(of("near-miss").1.findings, Vec::<Value>::new());
        let (events, expected) = of("refused-by-scp");
        assert_eq!((&events[0]["detail"]["errorCode"], &expected.findings[0]["attempted"]), (&json!("AccessDenied"), &json!(true)));
        assert_eq!(events[0]["detail"]["eventName"], "LeaveOrganization");
        assert_eq!(expected.findings[0]["severity"], "LOW", "an attempt is one step lower");
        let missing = of("evidence-missing").1;
        assert_eq!((missing.world.as_str(), &missing.findings[0]["severity"]), ("nothing-known", &json!("LOW")));
    }

    #[test]
    fn a_call_that_was_refused_or_lacks_evidence_is_no_violation() {
        let events = tempfile::tempdir().unwrap();
        let operation: Operation = "bedrock:Converse".parse().unwrap();
        let of = |case: &str| {
            let folder = create(events.path(), "region-not-covered", case, Some((&operation, Subject::Call))).unwrap();
            let expected = Case::of_event(&folder.join("event.json")).expected().unwrap();
            let counts =
                ["compliant", "violation", "not_provable", "not_applicable"].map(|verdict| expected.invocations[verdict].as_u64().unwrap());
            (counts, expected.rules().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(of("fires"), ([0, 1, 0, 0], vec!["region-not-covered".to_owned()]));
        assert_eq!(of("near-miss"), ([1, 0, 0, 0], vec![]));
        assert_eq!(of("refused"), ([0, 0, 0, 1], vec![]));
        assert_eq!(of("evidence-missing"), ([0, 0, 1, 0], vec!["invocation-not-provable".to_owned()]));
    }

    #[test]
    fn what_a_case_lays_over_its_world_comes_with_it_unless_evidence_is_missing() {
        let (events, _) = made("near-miss", None);
        let fires = events.path().join("account-left/fires");
        std::fs::create_dir_all(fires.join("world/policies")).unwrap();
        std::fs::write(fires.join("world/policies/p-1.json"), "{}").unwrap();
        std::fs::write(fires.join("guardrail-audit.toml"), "[auditor]").unwrap();
        let new = |case: &str| {
            let folder = create(events.path(), "account-left", case, None).unwrap();
            let case = Case::of_event(&folder.join("event.json"));
            (case.world().unwrap().len(), case.configuration_file().is_some())
        };
        assert_eq!((new("fires-twice"), new("evidence-missing")), ((1, true), (0, true)));
    }

    #[test]
    fn nothing_is_written_over() {
        assert!(made("fires", None).1.unwrap_err().to_string().contains("exists"));
        assert!(made("../fires", None).1.unwrap_err().to_string().contains("small letters"));
    }

    #[test]
    fn a_first_case_needs_an_operation() {
        let events = tempfile::tempdir().unwrap();
        assert!(create(events.path(), "account-left", "fires", None).unwrap_err().to_string().contains("--operation"));
        assert!("UpdateGuardrail".parse::<Operation>().is_err());
    }
}
