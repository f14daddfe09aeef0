//! The whole stack: built and deployed by SAM, fed with CloudTrail's events as EventBridge would, and asked what it found.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{path::Path, time::Duration};

use end_to_end::{
    deployment::{HUB, MANAGEMENT, MEMBER, ORGANIZATION},
    engine::{Client, Engine, until},
    stack,
    template::root,
};
use serde_json::{Value, json};

/// More than it takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// Puts the world of a case into the hub's bucket.
fn put_world(hub: &Client, bucket: &str, case: &Path) {
    let world = case.join("world");
    let mut folders = vec![world.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let key = format!("world/{}", path.strip_prefix(&world).unwrap().display());
                hub.put_object(bucket, &key, &std::fs::read(&path).unwrap());
            }
        }
    }
}

fn envelopes(case: &Path) -> Vec<Value> {
    let content: Value = serde_json::from_slice(&std::fs::read(case.join("event.json")).unwrap()).unwrap();
    if let Value::Array(events) = content { events } else { vec![content] }
}

/// The findings of an account, as DynamoDB has them.
fn findings(hub: &Client, account: &str) -> Vec<Value> {
    hub.items("guardrail-audit-findings", &format!("FINDINGS#{account}"))
}

#[test]
fn a_call_without_guardrail_becomes_a_finding_an_alert_and_a_report() {
    let built = stack::build();
    let engine = Engine::start();
    let hub = engine.client(HUB);
    let outputs = stack::deploy(&engine, HUB, &built.hub(), &[("OrganizationId", ORGANIZATION), ("ManagementAccountId", MANAGEMENT)]);

    // Somebody listens.
    let tool = hub.create_queue("tool");
    let topic = &outputs["JsonAlertsTopicArn"];
    let fields = [
        ("Action", "Subscribe"),
        ("TopicArn", topic),
        ("Protocol", "sqs"),
        ("Endpoint", "arn:aws:sqs:us-east-1:111122223333:tool"),
        ("Attributes.entry.1.key", "RawMessageDelivery"),
        ("Attributes.entry.1.value", "true"),
    ];
    hub.query("sns", &fields).unwrap();

    // A member's event comes to the bus and from there to the queue.
    let case = root().join("events/invocation-without-guardrail/fires");
    put_world(&hub, &outputs["WorldBucketName"], &case);
    let calls = outputs["CallsQueueUrl"].replace("guardrail-audit-calls", "guardrail-audit-forwarded-calls");
    for event in envelopes(&case) {
        hub.send_message(&calls, &event.to_string());
    }

    let expected: Value = serde_json::from_slice(&std::fs::read(case.join("expected.json")).unwrap()).unwrap();
    let rules: Vec<_> =
        expected["findings"].as_array().unwrap().iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect();
    let found = until(PATIENCE, "the findings are there", || {
        let found = findings(&hub, MEMBER);
        let has = |rule: &String| found.iter().any(|item| item["gsi_rule"]["S"] == **rule);
        rules.iter().all(has).then_some(found)
    });
    for item in &found {
        assert_eq!(item["gsi_account"]["S"], MEMBER, "{item}");
    }
    assert_eq!(hub.messages_in(&calls), 0, "what is judged is off the queue");

    let alert: Value = serde_json::from_str(&hub.receive(&tool, PATIENCE)).unwrap();
    println!("{alert}");
    assert!(alert.to_string().contains(MEMBER), "{alert}");

    // The report, asked for over the function URL.
    let id = outputs["ReportUrl"].split("//").nth(1).unwrap().split('.').next().unwrap().to_owned();
    let ask = |query: &str| -> Value {
        let path = format!("/_aws/lambda-url/{id}/findings?{query}");
        serde_json::from_slice(&hub.send("lambda", "GET", &path, &[], &[]).unwrap()).unwrap()
    };
    let report = ask(&format!("account={MEMBER}"));
    let reported: Vec<_> = report["findings"].as_array().unwrap().iter().map(|finding| finding["rule"].as_str().unwrap()).collect();
    for rule in &rules {
        assert!(reported.contains(&rule.as_str()), "{reported:?}");
    }
    assert_eq!(ask("account=333344445555")["findings"], json!([]));
}
