use std::io::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The items that a text holds, each as a short text.
fn held(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut take = |unwrapped: Unwrapped<'_>| {
        found.push(match unwrapped.item {
            Ok(Item::Record(record)) => record.event_id.get().unwrap_or("record").to_owned(),
            Ok(Item::InvocationLog(log)) => format!("log {}", log.request_id),
            Ok(item) => format!("{item:?}"),
            Err(error) => format!("unreadable: {error}"),
        });
    };
    let mut unwrapping = Unwrapping::new(&mut take);
    if !unwrapping.text(text, At::default()) {
        unwrapping.fail(UnreadableRecord::NoJson, At::default());
    }
    found
}

fn record(id: &str) -> Value {
    json!({"eventVersion": "1.11", "eventName": "Converse", "eventID": id, "userIdentity": {"type": "IAMUser", "userName": "ö"},
        "requestParameters": {"modelId": "a.b"}, "additionalEventData": {"text": "a \"quoted\" {word}"}})
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn packed(text: &str) -> String {
    BASE64_STANDARD.encode(gzip(text))
}

#[test]
fn every_form_that_people_have_is_read() {
    let (a, b) = (record("a"), record("b"));
    let (a_text, b_text) = (a.to_string(), b.to_string());
    let subscription = json!({"messageType": "DATA_MESSAGE", "logGroup": "trail", "logEvents": [
        {"id": "1", "timestamp": 1, "message": a_text}, {"id": "2", "timestamp": 2, "message": b_text}]});
    let packed_subscription = packed(&subscription.to_string());
    let doubled = |json: &str| json.replace('"', "\"\"");
    for (form, value) in [
        ("LookupEvents by --query", json!([a_text, b_text]).to_string()),
        ("the same, one a line", format!("{}\n{}", json!(a_text), json!(b_text))),
        ("the same, as text", format!("{a_text}\t{b_text}")),
        ("LookupEvents", json!({"Events": [{"EventName": "Converse", "CloudTrailEvent": a_text}, {"CloudTrailEvent": b_text}]}).to_string()),
        ("LookupEvents as text", format!("EVENTS\tAKIA\t{a_text}\te-1\nRESOURCES\tx\ty\nEVENTS\tAKIA\t{b_text}\te-2")),
        ("a subscription", subscription.to_string()),
        ("a subscription for Lambda", json!({"awslogs": {"data": packed_subscription}}).to_string()),
        ("a subscription in Kinesis", json!({"Records": [{"kinesis": {"data": packed_subscription}, "eventSource": "aws:kinesis", "eventName": "aws:kinesis:record"}]}).to_string()),
        ("GetRecords", json!({"Records": [{"SequenceNumber": "1", "Data": BASE64_STANDARD.encode(&a_text), "PartitionKey": "p"}, {"Data": packed(&b_text)}]}).to_string()),
        ("Firehose", json!({"deliveryStreamArn": "x", "records": [{"recordId": "1", "data": BASE64_STANDARD.encode(format!("{a_text}{b_text}"))}]}).to_string()),
        ("base64 alone", packed_subscription.clone()),
        ("gzip twice in base64", BASE64_STANDARD.encode(gzip_bytes(&gzip(&format!("{a_text}\n{b_text}"))))),
        ("FilterLogEvents", json!({"events": [{"logStreamName": "s", "timestamp": 1, "message": a_text, "eventId": "1"}, {"message": b_text}]}).to_string()),
        ("messages by --query", json!([a_text.clone() + "\n", b_text.clone() + "\n"]).to_string()),
        ("Logs Insights", json!({"status": "Complete", "results": [
            [{"field": "@timestamp", "value": "x"}, {"field": "@message", "value": a_text}, {"field": "@ptr", "value": "p"}],
            [{"field": "@message", "value": b_text}]]}).to_string()),
        ("Logs Insights as JSON", json!([{"@timestamp": "x", "@message": a}, {"@timestamp": "x", "@message": b_text}]).to_string()),
        ("CloudTrail Lake", json!({"QueryStatus": "FINISHED", "QueryResultRows": [[{"eventJson": a_text}], [{"eventTime": "x"}, {"eventJson": b_text}]]}).to_string()),
        ("CloudTrail Lake by columns", json!({"QueryResultRows": [
            [{"eventName": "Converse"}, {"eventID": "a"}, {"requestParameters": "{modelId=a.b}"}],
            [{"eventName": "Converse"}, {"eventID": "b"}, {"requestParameters": "{modelId=a.b}"}]]}).to_string()),
        ("rows of Athena", json!([{"eventname": "Converse", "eventid": "a", "requestparameters": "{\"modelId\":\"a.b\"}"}, {"eventname": "Converse", "eventid": "b"}]).to_string()),
        ("GetQueryResults", json!({"ResultSet": {"Rows": [
            {"Data": [{"VarCharValue": "eventname"}, {"VarCharValue": "eventid"}]},
            {"Data": [{"VarCharValue": "Converse"}, {"VarCharValue": "a"}]}, {"Data": [{"VarCharValue": "Converse"}, {"VarCharValue": "b"}]}]}}).to_string()),
        ("lines behind a time", format!("2026-11-20T10:00:00.000Z {a_text}\n2026-11-20T10:00:01.000Z stream {b_text}")),
        ("syslog", format!("<134>Nov 20 10:00:00 host trail[7]: {a_text}\n<134>Nov 20 10:00:00 host trail[7]: {b_text}")),
        ("lines behind a level", format!("[INFO]\t2026-11-20T10:00:00Z\tr-1\t{a_text}\n[INFO] {b_text}")),
        ("logfmt", format!("time=1 msg={}\ntime=2 msg={}", json!(a_text), json!(b_text))),
        ("cells without a heading", format!("1,\"{}\",x\n2,\"{}\",y", doubled(&a_text), doubled(&b_text))),
        ("docker", format!("{}\n{}", json!({"log": a_text.clone() + "\n", "stream": "stdout"}), json!({"log": b_text, "stream": "stdout"}))),
        ("jq -s", json!([{"Records": [a]}, {"Records": [b]}]).to_string()),
        ("lists in lists", json!([[a], [[b]]]).to_string()),
        ("SQS", json!({"Messages": [{"MessageId": "1", "Body": a_text}, {"Body": json!({"Type": "Notification", "Message": b_text}).to_string()}]}).to_string()),
        ("SNS for Lambda", json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": a_text}}, {"EventSource": "aws:sns", "Sns": {"Message": b_text}}]}).to_string()),
        ("a search engine", json!({"took": 1, "hits": {"total": 2, "hits": [
            {"_index": "trail", "_source": {"message": a_text, "event": {"action": "Converse", "original": a_text}}}, {"_source": {"message": b_text}}]}}).to_string()),
        ("a search engine with records as they are", json!({"hits": {"hits": [{"_source": a}, {"_source": b}]}}).to_string()),
        ("Splunk", format!("{}\n{}", json!({"preview": false, "result": {"_raw": a_text, "eventName": "Converse", "host": "h"}}), json!({"result": {"_raw": b_text}}))),
        ("Splunk by REST", json!({"preview": false, "messages": [], "results": [{"_raw": a_text}, {"_raw": b_text}]}).to_string()),
        ("Splunk's collector", format!("{}{}", json!({"time": 1, "event": a}), json!({"time": 1, "event": b_text}))),
        ("Loki", json!({"data": {"resultType": "streams", "result": [{"stream": {}, "values": [["1795300000000000000", a_text], ["1795300000000000001", b_text]]}]}}).to_string()),
        ("Datadog", json!({"data": [{"id": "1", "attributes": {"attributes": a}}, {"id": "2", "attributes": {"attributes": b}}]}).to_string()),
        ("EventBridge", json!([{"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": a}, {"detail-type": "AWS API Call via CloudTrail", "detail": b_text}]).to_string()),
    ] {
        assert_eq!(held(&value).into_iter().filter(|held| held != "unreadable: neither a JSON object nor an array").collect::<Vec<_>>(), ["a", "b"], "{form}: {value}");
    }
}

fn gzip_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn each_thing_is_counted_once() {
    let a = record("a").to_string();
    let log = json!({"schemaType": "ModelInvocationLog", "requestId": "r"}).to_string();
    for (value, expected) in [
        (json!({"events": [{"message": a}, {"message": "START RequestId"}, {"message": log}]}), vec!["a", "unreadable", "log r"]),
        (
            json!({"messageType": "CONTROL_MESSAGE", "logEvents": [{"message": "CWL CONTROL MESSAGE: Checking health"}]}),
            vec!["ControlMessage"],
        ),
        (json!([{"messageType": "CONTROL_MESSAGE", "logEvents": []}]), vec!["ControlMessage"]),
        (json!([{"Records": []}, {"events": []}]), vec![]),
        (json!({"awslogs": {"data": BASE64_STANDARD.encode("no record at all")}}), vec!["unreadable"]),
        (json!({"Records": [{"kinesis": {"data": "!"}}, 5, null]}), vec!["unreadable", "unreadable", "unreadable"]),
        (json!([a.get(..a.len() - 4)]), vec!["unreadable"]),
        (json!({"message": a.get(4..)}), vec!["unreadable"]),
        (
            json!({"message": a.replace("{\"modelId\":\"a.b\"}", &json!({"eventName": "ApplyGuardrail"}).to_string()).get(4..)}),
            vec!["unreadable"],
        ),
    ] {
        let held = held(&value.to_string());
        let kinds: Vec<&str> = held.iter().map(|held| if held.starts_with("unreadable") { "unreadable" } else { held }).collect();
        assert_eq!(kinds, expected, "{value}: {held:?}");
    }
}

#[test]
fn what_a_row_lacks_is_not_taken_for_none() {
    let row = json!([[{"field": "eventName", "value": "Converse"}, {"field": "requestParameters.modelId", "value": "a.b"}]]).to_string();
    let mut hides = Vec::new();
    Item::each(row.as_bytes(), &mut |found| {
        let Ok(Item::Record(record)) = found.item else { panic!("{:?}", found.item) };
        let parameters: crate::cloudtrail::InferenceParameters<'_> = record.parameters();
        hides.push((parameters.model().map(str::to_owned), parameters.hide_guardrail()));
    });
    assert_eq!(hides, [(Some("a.b".to_owned()), true)]);
}

#[test]
fn neither_depth_nor_size_is_without_bounds() {
    let mut deep = record("a").to_string();
    for _ in 0..6 {
        deep = json!({"message": deep}).to_string();
    }
    assert_eq!(held(&deep), ["a"]);
    for _ in 0..8 {
        deep = json!({"message": deep}).to_string();
    }
    assert!(held(&deep)[0].contains("wrapped too deep"), "{:?}", held(&deep));
    assert!(held(&"[".repeat(100_000)).iter().all(|held| held.starts_with("unreadable")));
    let bomb = packed(&" ".repeat(MOST_DECODED + 1));
    assert_eq!(
        held(&json!({"awslogs": {"data": bomb}}).to_string()),
        ["unreadable: unreadable `data`: more than 64 MiB inside of one value"]
    );
}

#[test]
fn lines_full_of_brackets_take_linear_time() {
    for line in ["{\"a".repeat(100_000), "\"{\"\"".repeat(100_000), "\"{\\\"".repeat(100_000), "{ ".repeat(200_000)] {
        held(&format!("text {line}"));
    }
}

/// Wraps values in the envelope with this number.
fn wrapped(how: usize, values: Vec<Value>) -> Vec<Value> {
    let text = |value: &Value| value.to_string();
    match how % 10 {
        0 => vec![json!({"Records": values})],
        1 => vec![json!({"events": values.iter().map(|value| json!({"message": text(value), "timestamp": 1})).collect::<Vec<_>>()})],
        2 => vec![
            json!({"awslogs": {"data": packed(&json!({"logEvents": values.iter().map(|value| json!({"message": text(value)})).collect::<Vec<_>>()}).to_string())}}),
        ],
        3 => values.iter().map(|value| text(value).into()).collect(),
        4 => vec![Value::Array(values)],
        5 => values.iter().map(|value| json!({"CloudTrailEvent": text(value), "EventName": "x"})).collect(),
        6 => vec![json!({"records": values.iter().map(|value| json!({"data": BASE64_STANDARD.encode(text(value))})).collect::<Vec<_>>()})],
        7 => vec![json!({"results": values.iter().map(|value| json!([{"field": "@message", "value": text(value)}])).collect::<Vec<_>>()})],
        8 => vec![json!({"Messages": values.iter().map(|value| json!({"Body": text(value)})).collect::<Vec<_>>()})],
        _ => {
            vec![json!({"hits": {"hits": values.iter().map(|value| json!({"_source": {"message": text(value)}})).collect::<Vec<_>>()}})]
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However envelopes are nested, within the limits, the same records come out, each once.
    #[test]
    fn any_nesting_of_forms_holds_the_same_records(count in 1_usize..5, ways in proptest::collection::vec(0_usize..10, 0..3), lines: bool) {
        let ids: Vec<String> = (0..count).map(|number| format!("r{number}")).collect();
        let mut values: Vec<Value> = ids.iter().map(|id| record(id)).collect();
        for how in ways {
            values = wrapped(how, values);
        }
        let text = if lines {
            values.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
        } else {
            Value::Array(values).to_string()
        };
        prop_assert_eq!(held(&text), ids, "{}", text);
    }

    #[test]
    fn any_text_comes_to_an_end(text in "[\\[\\]{}\":,a-cH4sIeyJ\\\\ \n]{0,200}") {
        held(&text);
    }
}
