//! Evaluates the filters of the templates' event source mappings on an engine: which records of streams reach the functions.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use end_to_end::{
    deployment::{HUB, MANAGEMENT, MEMBER, ORGANIZATION, REGION},
    engine::{Client, Engine},
    template::{Template, text},
};
use serde_json::{Value, json};

/// The function of each event source mapping, with the patterns of its filter. Without a pattern every record passes.
fn mappings() -> Vec<(String, Vec<String>)> {
    let parameters = [("OrganizationId", ORGANIZATION), ("ManagementAccountId", MANAGEMENT), ("SecurityHub", "true")];
    let hub = Template::hub().stack(HUB, REGION, &parameters);
    let member = Template::member().stack(MEMBER, REGION, &[("CallsDelivery", "queued")]);
    let patterns = |mapping: &Value| -> Vec<String> {
        let filters = mapping["FilterCriteria"]["Filters"].as_array().cloned().unwrap_or_default();
        filters.iter().map(|filter| text(&filter["Pattern"])).collect()
    };
    let mut mappings = Vec::new();
    for stack in [&hub, &member] {
        for (_, function) in stack.of_type("AWS::Serverless::Function") {
            let events = function["Events"].as_object().into_iter().flatten().map(|(_, event)| event);
            let of_source = events.filter(|event| ["SQS", "DynamoDB"].contains(&event["Type"].as_str().unwrap()));
            mappings.extend(of_source.map(|event| (text(&function["FunctionName"]), patterns(&event["Properties"]))));
        }
        let of_source = stack.of_type("AWS::Lambda::EventSourceMapping");
        mappings.extend(of_source.map(|(_, mapping)| (text(&mapping["FunctionName"]), patterns(mapping))));
    }
    mappings
}

/// One member that writes as fast as it can to one partition key takes up one of several batches of its shard.
#[test]
fn one_account_s_writes_make_no_other_s_late() {
    let hub = Template::hub().stack(HUB, REGION, &[("OrganizationId", ORGANIZATION), ("ManagementAccountId", MANAGEMENT)]);
    let (_, router) = hub
        .of_type("AWS::Serverless::Function")
        .find(|(_, function)| text(&function["FunctionName"]) == "guardrail-audit-route-observations")
        .unwrap();
    assert_eq!(router["Events"]["Facts"]["Properties"]["ParallelizationFactor"], 10);
}

/// The functions that take the stream of findings, of which a stream allows two.
const OF_FINDINGS: [&str; 2] = ["guardrail-audit-import-findings", "guardrail-audit-send-alerts"];

/// A stream record as Lambda matches it: an inserted item has no old image, a removed one no new image.
fn record(name: &str, item: &Value) -> Value {
    let mut dynamodb = json!({"ApproximateCreationDateTime": 1_795_300_000, "Keys": {"pk": item["pk"], "sk": item["sk"]},
        "SequenceNumber": "1", "SizeBytes": 100, "StreamViewType": "NEW_AND_OLD_IMAGES"});
    if name != "REMOVE" {
        dynamodb["NewImage"] = item.clone();
    }
    if name != "INSERT" {
        dynamodb["OldImage"] = item.clone();
    }
    json!({"eventID": "1", "eventName": name, "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": REGION,
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:111122223333:table/guardrail-audit-findings/stream/2026", "dynamodb": dynamodb})
}

/// Whether a record passes any of the patterns. Lambda's patterns are those of EventBridge, which requires a few more members.
fn comes_through(client: &Client, patterns: &[String], record: &Value) -> bool {
    let mut event = json!({"id": "1", "detail-type": "", "source": "", "account": HUB, "time": "2026-11-20T10:00:00Z", "region": REGION, "resources": []});
    event.as_object_mut().unwrap().extend(record.as_object().unwrap().clone());
    let matches = |pattern: &String| {
        let body = json!({"EventPattern": pattern, "Event": event.to_string()});
        client.json("events", "AWSEvents.TestEventPattern", &body).unwrap()["Result"].as_bool().unwrap()
    };
    patterns.is_empty() || patterns.iter().any(matches)
}

fn item(pk: &str, entity: Option<&str>) -> Value {
    let mut item = json!({"pk": {"S": pk}, "sk": {"S": "x"}, "finding": {"S": "{}"}});
    if let Some(entity) = entity {
        item["entity"] = json!({"S": entity});
    }
    item
}

#[test]
fn alerts_and_security_hub_receive_findings_that_are_new_changed_or_removed_and_nothing_else() {
    let engine = Engine::start();
    let client = engine.client(HUB);
    let all = mappings();
    assert_eq!(all.len(), 7, "{all:?}");
    let filtered: Vec<_> = all.iter().filter(|(_, patterns)| !patterns.is_empty()).collect();
    let [(first, patterns), (second, same)] = filtered.as_slice() else { panic!("{filtered:?}") };
    assert_eq!([first, second], OF_FINDINGS);
    assert_eq!(patterns, same);
    for name in ["INSERT", "MODIFY", "REMOVE"] {
        let finding = record(name, &item("FINDINGS#222233334444", Some("FINDING")));
        assert!(comes_through(&client, patterns, &finding), "{name} of a finding");
        for (pk, entity) in [
            ("ROLLUP#222233334444#us-east-1", Some("ROLLUP")),
            ("ALERT#f", Some("ALERT")),
            ("SECURITYHUB#222233334444", None),
            ("ACCOUNT#222233334444", Some("PARTITION")),
            ("NOTES#222233334444", Some("NOTE")),
            ("QUIET", None),
            ("DIGEST", None),
        ] {
            assert!(!comes_through(&client, patterns, &record(name, &item(pk, entity))), "{name} of {pk}");
        }
    }
}

/// The other mappings have no filter: every change of evidence counts, and a queue's mapping deletes the messages that it filters out.
#[test]
fn no_evidence_and_no_message_is_filtered_out() {
    for (function, patterns) in mappings() {
        assert!(patterns.is_empty() || OF_FINDINGS.contains(&function.as_str()), "{function}: {patterns:?}");
    }
}
