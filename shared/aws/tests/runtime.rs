//! Runs the real function binaries behind a Lambda Runtime API, on a DynamoDB engine.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that can't go on fails, as it should")]

#[path = "support/lambda.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic, clippy::indexing_slicing, clippy::unwrap_used, reason = "as in any test")]
mod lambda;
mod support;
#[path = "support/tls.rs"]
#[allow(unreachable_pub, clippy::pedantic, clippy::unwrap_used, reason = "as in any test")]
mod tls;

use std::{collections::BTreeSet, time::Instant};

use audit_aws::{
    fact::{Content, Fact},
    observations::Item,
};
use audit_core::facts::EvidenceRows;
use lambda::Services;
use serde_json::{Value, json};
use support::{
    HUB, Tables, endpoint,
    history::{self, GUARDRAIL, MEMBER},
    tables_at,
};

/// All functions.
const FUNCTIONS: [&str; 9] = [
    "audit-invocations",
    "audit-changes",
    "audit-trail",
    "reconcile",
    "route-observations",
    "fold-findings",
    "send-alerts",
    "import-findings",
    "report",
];

/// Variables with which each of them starts.
const EVERY_VARIABLE: [(&str, &str); 9] = [
    ("OBSERVATIONS_TABLE", "t"),
    ("FINDINGS_TABLE", "t"),
    ("NOTES_TABLE", "n"),
    ("WORLD_BUCKET", "world-bucket"),
    ("HUB_ACCOUNT", HUB),
    ("RECONCILE_QUEUE_URL", "http://q"),
    ("FOLDS_QUEUE_URL", "http://q"),
    ("TRAIL_QUEUE_URL", "http://q"),
    ("ALERTS_TOPIC_ARN", "arn:aws:sns:us-east-1:1:t"),
];

fn queue_event(bodies: &[String]) -> Value {
    let record = |(number, body): (usize, &String)| {
        json!({"messageId": format!("m{number}"), "receiptHandle": "r", "body": body, "attributes": {}, "messageAttributes": {},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:999988887777:calls", "awsRegion": "us-east-1"})
    };
    json!({"Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>()})
}

/// The items of a table, as its stream delivers their insertion.
async fn stream_event(tables: &Tables, table: &str, prefix: &str) -> Value {
    let attribute = |value: &aws_sdk_dynamodb::types::AttributeValue| {
        use aws_sdk_dynamodb::types::AttributeValue as Of;
        match value {
            Of::S(text) => json!({"S": text}),
            Of::N(number) => json!({"N": number}),
            Of::B(bytes) => json!({"B": base64(bytes.as_ref())}),
            Of::L(list) => json!({"L": list.iter().map(|text| json!({"S": text.as_s().unwrap()})).collect::<Vec<_>>()}),
            other => unreachable!("{other:?}"),
        }
    };
    let items = tables.items(table).await;
    let of_prefix = items.iter().filter(|item| item["pk"].as_s().unwrap().starts_with(prefix)).enumerate();
    let records: Vec<Value> = of_prefix
        .map(|(number, item)| {
            let image: serde_json::Map<String, Value> = item.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
            json!({"eventID": number.to_string(), "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
                "dynamodb": {"ApproximateCreationDateTime": 1_795_300_000.0, "Keys": {"pk": image["pk"], "sk": image["sk"]}, "NewImage": image,
                    "SequenceNumber": format!("{:021}", number + 1), "SizeBytes": 100, "StreamViewType": "NEW_AND_OLD_IMAGES"}})
        })
        .collect();
    json!({"Records": records})
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize] as char;
            text.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

fn request(path: &str, query: &[(&str, &str)]) -> Value {
    let parameters: serde_json::Map<String, Value> = query.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({"version": "2.0", "rawPath": path, "rawQueryString": "", "headers": {"host": "x"}, "queryStringParameters": parameters,
        "requestContext": {"accountId": "1", "apiId": "x", "domainName": "x", "domainPrefix": "x", "requestId": "1", "routeKey": "$default", "stage": "$default",
            "time": "x", "timeEpoch": 1, "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "1.1.1.1", "userAgent": "x"}},
        "isBase64Encoded": false})
}

/// Sends calls through five binaries, up to an alert and an answer of the report function.
#[tokio::test(flavor = "multi_thread")]
async fn calls_go_through_the_binaries_to_an_alert_and_an_answer() {
    let endpoint = endpoint().await;
    let tables = tables_at(&endpoint).await;
    let (observations, findings) = (tables.observations.clone(), tables.findings.clone());
    let common = [
        ("OBSERVATIONS_TABLE", observations.as_str()),
        ("FINDINGS_TABLE", findings.as_str()),
        ("NOTES_TABLE", tables.notes.as_str()),
        ("WORLD_BUCKET", "world-bucket"),
        ("HUB_ACCOUNT", HUB),
    ];

    let services = Services::default();
    let function = services.start("audit-invocations", &endpoint, &common).await;
    let mut bodies: Vec<String> = (0..3).map(|number| history::envelope(&history::call(MEMBER, number, number))).collect();
    bodies.push("{\"detail\": ".to_owned());
    bodies.push(history::envelope(&history::record(MEMBER, "ListGuardrails", 9, 9, &json!({}))));
    let answer = function.invoke(queue_event(&bodies)).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "m3"}]}), "only what can't be read comes again");
    assert_eq!(tables.items(&observations).await.len(), 1);
    let again = function.invoke(queue_event(&bodies[..3])).await.unwrap();
    assert_eq!(again, json!({"batchItemFailures": []}));
    assert_eq!(tables.items(&observations).await.len(), 1, "delivered again, the same fact");

    let services = Services::default();
    for (path, json) in history::bare_world() {
        services.objects.lock().unwrap().insert(format!("world/{path}"), json);
    }
    let queue = [common.as_slice(), &[("FOLDS_QUEUE_URL", "http://sqs.test/folds.fifo")]].concat();
    let routing = Services::default();
    let router = routing.start("route-observations", &endpoint, &queue).await;
    let stream = stream_event(&tables, &observations, "").await;
    assert_eq!(router.invoke(stream.clone()).await.unwrap(), json!({"batchItemFailures": []}));
    let sent = routing.seen.lock().unwrap().sent.clone();
    let [(group, id, body)] = sent.as_slice() else { unreachable!("one message for the one account: {sent:?}") };
    assert_eq!((group.as_str(), id.as_str()), (MEMBER, format!("{MEMBER}-1").as_str()));
    let fold = services.start("fold-findings", &endpoint, &queue).await;
    let message = |body: &String| queue_event(std::slice::from_ref(body));
    assert_eq!(fold.invoke(message(body)).await.unwrap(), json!({"batchItemFailures": []}));
    let found = tables.all_findings().await;
    assert!(found.iter().any(|finding| finding.rule == "invocation-without-guardrail" && finding.count == 3), "{found:?}");

    // A configuration that can't be read: nothing is judged without it, and the message comes again, after half a minute.
    services.objects.lock().unwrap().insert("configuration/guardrail-audit.toml".to_owned(), b"[[require]]\nguardrial = 1\n".to_vec());
    assert_eq!(router.invoke(stream.clone()).await.unwrap(), json!({"batchItemFailures": []}));
    let (_, _, body) = routing.seen.lock().unwrap().sent.last().cloned().unwrap();
    let failed = fold.invoke(message(&body)).await.unwrap();
    assert_eq!(failed, json!({"batchItemFailures": [{"itemIdentifier": "m0"}]}));
    assert_eq!(services.seen.lock().unwrap().hidden, [30]);
    let rebuild = fold.invoke(json!({"kind": "rebuild"})).await.unwrap_err();
    assert!(rebuild["errorMessage"].as_str().unwrap().contains("guardrail-audit.toml"), "{rebuild}");
    services.objects.lock().unwrap().remove("configuration/guardrail-audit.toml");
    assert_eq!(fold.invoke(message(&body)).await.unwrap(), json!({"batchItemFailures": []}));
    assert_eq!(fold.invoke(json!({"kind": "rebuild"})).await.unwrap(), json!({"batchItemFailures": []}));
    assert_eq!(fold.invoke(json!({"kind": "retry_quarantined"})).await.unwrap(), json!({"batchItemFailures": []}));
    assert_eq!(tables.all_findings().await, found);
    let nonsense = fold.invoke(json!({"kind": "something else"})).await.unwrap_err();
    assert!(nonsense["errorType"].is_string(), "an event that is none is an error: {nonsense}");
    // During an upgrade, the event source of a release that folded from the stream may still be there. The router's own reads the same records.
    let of_stream = fold.invoke(stream).await;
    assert_ne!(of_stream, Ok(json!({"batchItemFailures": []})), "what only the router understands is never done");

    let services = Services::default();
    let topic = "arn:aws:sns:us-east-1:999988887777:alerts";
    let alerts = services
        .start("send-alerts", &endpoint, &[common.as_slice(), &[("ALERTS_TOPIC_ARN", topic), ("ALERT_FORMAT", "json")]].concat())
        .await;
    let stream = stream_event(&tables, &findings, "FINDINGS#").await;
    for _ in 0..2 {
        assert_eq!(alerts.invoke(stream.clone()).await.unwrap(), json!({"batchItemFailures": []}));
    }
    let published = services.seen.lock().unwrap().published.clone();
    let at_least_medium = found.iter().filter(|finding| finding.severity >= audit_core::severity::Severity::Medium).count();
    assert_eq!(published.len(), at_least_medium, "each is told once: {published:?}");
    let events = services.seen.lock().unwrap().events.clone();
    let (first, again) = events.split_at(events.len() / 2);
    assert_eq!(first, again, "what is delivered twice is the same event twice");
    let ids: BTreeSet<&str> = first.iter().map(|event| event["finding"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, found.iter().map(|finding| finding.id.as_str()).collect(), "each is an event, whatever its severity");

    let services = Services::default();
    let importer = services.start("import-findings", &endpoint, &common).await;
    assert_eq!(importer.invoke(stream).await.unwrap(), json!({"batchItemFailures": []}));
    assert_eq!(importer.invoke(json!({"kind": "import"})).await.unwrap(), json!({"batchItemFailures": []}));
    let taken = services.seen.lock().unwrap().imported.clone();
    assert_eq!(taken.len(), found.len(), "each is imported once, whatever its severity: {taken:?}");
    assert!(taken.iter().all(|finding| finding["AwsAccountId"] == HUB && finding["Workflow"]["Status"] == "NEW"), "{taken:?}");

    let services = Services::default();
    let report = services.start("report", &endpoint, &common).await;
    let answer = report.invoke(request("/findings", &[("account", MEMBER), ("severity", "HIGH")])).await.unwrap();
    assert_eq!(answer["statusCode"], json!(200));
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert!(body["findings"].as_array().unwrap().iter().any(|finding| finding["rule"] == "invocation-without-guardrail"), "{body}");
    assert_eq!(report.invoke(request("/findings", &[("severity", "x")])).await.unwrap()["statusCode"], json!(400));
    assert_eq!(report.invoke(json!({"kind": "scheduled"})).await.unwrap()["statusCode"], json!(200));
    assert!(services.objects.lock().unwrap().contains_key("reports/latest/findings.csv"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_goes_through_its_binary_and_what_it_hides_is_not_made_up() {
    let endpoint = endpoint().await;
    let tables = tables_at(&endpoint).await;
    let services = Services::default();
    let function = services.start("audit-changes", &endpoint, &[("OBSERVATIONS_TABLE", &tables.observations), ("HUB_ACCOUNT", HUB)]).await;
    let parameters = json!({"guardrailInferenceConfig": {"guardrailIdentifier": GUARDRAIL, "guardrailVersion": "1"}});
    let put = history::record(MEMBER, "PutEnforcedGuardrailConfiguration", 1, 1, &parameters);
    let answer = function.invoke(queue_event(&[history::envelope(&put), "nonsense".to_owned()])).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "m1"}]}));
    let kinds: Vec<String> = tables
        .items(&tables.observations)
        .await
        .iter()
        .map(|item| item["sk"].as_s().unwrap().split('#').next().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["change"], "the state may not be read here, and none is reported");
}

/// An event of EventBridge that Lambda gave up, as it puts it into the destination of failures.
fn given_up(function: &str, payload: &Value) -> String {
    json!({
        "version": "1.0", "timestamp": "2026-11-20T10:05:00.000Z",
        "requestContext": {"requestId": "8476a536-e9f4-11e8-9739-2dfe598c3fcd", "condition": "RetriesExhausted", "approximateInvokeCount": 3,
            "functionArn": format!("arn:aws:lambda:us-east-1:{MEMBER}:function:guardrail-audit-{function}:$LATEST")},
        "requestPayload": payload,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorType": "HandlerFailed", "errorMessage": "failed to take an event in"},
    })
    .to_string()
}

/// The hub's table refuses for a day. What Lambda and EventBridge leave meanwhile is taken in by the first heartbeat after it, once.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_hub_loses_nothing_and_needs_no_hands() {
    const POISON: usize = 450;
    let endpoint = endpoint().await;
    let tables = tables_at(&endpoint).await;
    let refusing = format!("http://{}", Services::default().serve().await);
    let variables = [
        ("OBSERVATIONS_TABLE", tables.observations.as_str()),
        ("HUB_ACCOUNT", HUB),
        ("UNDELIVERED_QUEUE_URL", "http://sqs.test/undelivered"),
        ("DEAD_LETTER_QUEUES", "undelivered=http://sqs.test/undelivered"),
    ];
    let event = |envelope: String| serde_json::from_str::<Value>(&envelope).unwrap();
    let call = |number: u64| event(history::envelope(&history::call(MEMBER, number, number)));
    let parameters = json!({"guardrailInferenceConfig": {"guardrailIdentifier": GUARDRAIL, "guardrailVersion": "1"}});
    let change = event(history::envelope(&history::record(MEMBER, "PutEnforcedGuardrailConfiguration", 9, 9, &parameters)));
    let heartbeat = json!({"kind": "heartbeat"});

    let services = Services::default();
    let invocations = Services::default().start("audit-invocations", &refusing, &variables).await;
    let changes = services.start("audit-changes", &refusing, &variables).await;
    for event in [&call(1), &json!("nonsense")] {
        assert!(invocations.invoke(event.clone()).await.is_err(), "an error makes Lambda try {event} again, and then keep it");
    }
    assert!(changes.invoke(change.clone()).await.is_err());
    // More than one round receives, of what nobody can read, lies before the events.
    for _ in 0..POISON {
        services.leave(given_up("invocations", &json!("nonsense")));
    }
    services.leave(given_up("invocations", &call(1)));
    services.leave(given_up("changes", &change));
    // EventBridge leaves the event itself.
    services.leave(call(2).to_string());
    services.leave(given_up("changes", &heartbeat));
    for number in 10..50 {
        services.leave(given_up("invocations", &call(number)));
    }
    // The heartbeat is made all the same, and counts what it met in vain.
    changes.invoke(heartbeat.clone()).await.unwrap();
    assert_eq!(services.left().len(), POISON + 43, "only the request, which comes again by itself, is gone");
    assert_eq!(*services.seen.lock().unwrap().sessions.last().unwrap(), format!("undelivered={}", POISON + 43));
    assert!(tables.items(&tables.observations).await.is_empty());

    let after = services.later();
    let changes = after.start("audit-changes", &endpoint, &variables).await;
    changes.invoke(heartbeat.clone()).await.unwrap();
    let poison = vec![given_up("invocations", &json!("nonsense")); POISON];
    assert_eq!(after.left(), poison, "what nobody can read stays, and holds up nothing");
    assert_eq!(*after.seen.lock().unwrap().sessions.last().unwrap(), format!("undelivered={POISON}"));
    let items = tables.items(&tables.observations).await;
    let calls = |items: &[Item]| -> usize {
        let of_packet = |item: &Item| {
            let fact = Fact::from_item(item).unwrap();
            let mut rows = EvidenceRows::default();
            if let Content::Calls(bytes) = fact.content {
                rows.unpack(MEMBER, "us-east-1", fact.partition.hour, &bytes, true).unwrap();
            }
            rows.stored_records().count()
        };
        items.iter().map(of_packet).sum()
    };
    assert_eq!(calls(&items), 42);
    let of_kind = |kind: &str| items.iter().filter(|item| item["sk"].as_s().unwrap().starts_with(kind)).count();
    assert_eq!(of_kind("change#"), 1, "{items:?}");
    // Delivered once more, all of it is known.
    let invocations = Services::default().start("audit-invocations", &endpoint, &variables).await;
    invocations.invoke(call(1)).await.unwrap();
    changes.invoke(change).await.unwrap();
    changes.invoke(heartbeat).await.unwrap();
    assert_eq!(after.left().len(), POISON);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_make_no_sense_stop_the_start_and_say_so() {
    for (function, variables, named) in [
        ("audit-invocations", vec![], "OBSERVATIONS_TABLE"),
        ("audit-changes", vec![("OBSERVATIONS_TABLE", "t"), ("IS_MANAGEMENT_ACCOUNT", "perhaps")], "IS_MANAGEMENT_ACCOUNT"),
        (
            "fold-findings",
            vec![
                ("OBSERVATIONS_TABLE", "t"),
                ("FINDINGS_TABLE", "t"),
                ("NOTES_TABLE", "n"),
                ("WORLD_BUCKET", "b"),
                ("FOLDS_QUEUE_URL", "q"),
                ("HUB_ACCOUNT", "12"),
            ],
            "HUB_ACCOUNT",
        ),
        ("route-observations", vec![("OBSERVATIONS_TABLE", "t"), ("FINDINGS_TABLE", "t"), ("NOTES_TABLE", "n")], "FOLDS_QUEUE_URL"),
        ("send-alerts", vec![("FINDINGS_TABLE", "t"), ("NOTES_TABLE", "n")], "ALERTS_TOPIC_ARN"),
        ("import-findings", vec![("FINDINGS_TABLE", "t"), ("NOTES_TABLE", "n")], "HUB_ACCOUNT"),
        ("report", vec![("FINDINGS_TABLE", "t")], "WORLD_BUCKET"),
        ("reconcile", vec![("OBSERVATIONS_TABLE", "t"), ("WORLD_BUCKET", "b")], "RECONCILE_QUEUE_URL"),
        (
            "audit-trail",
            vec![("OBSERVATIONS_TABLE", "t"), ("TRAIL_QUEUE_URL", "http://sqs.test/trail"), ("FACTS_TTL_DAYS", "-1")],
            "FACTS_TTL_DAYS",
        ),
    ] {
        let services = Services::default();
        let mut running = services.start(function, "http://127.0.0.1:9", &variables).await;
        assert!(!running.ended().await.success(), "{function}");
        let error = services.seen.lock().unwrap().start_error.clone().unwrap();
        assert!(error["errorMessage"].as_str().unwrap().contains(named), "{function}: {error}");
        assert_eq!(services.seen.lock().unwrap().first_poll, None, "{function} asks for no event");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_timeout_cuts_off_is_done_by_the_next_delivery() {
    let endpoint = endpoint().await;
    let tables = tables_at(&endpoint).await;
    let variables = [("OBSERVATIONS_TABLE", tables.observations.as_str()), ("HUB_ACCOUNT", HUB)];
    let event = queue_event(&[history::envelope(&history::call(MEMBER, 1, 1))]);
    // A store that accepts the request and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let services = Services::default();
    let function = services.start("audit-invocations", &format!("http://{}", silent.local_addr().unwrap()), &variables).await;
    function.begin(event.clone());
    let (_connection, _) = silent.accept().await.unwrap();
    function.until_taken().await;
    // Lambda's deadline passes: the process is killed without an answer.
    drop(function);
    assert!(services.seen.lock().unwrap().answers.is_empty());
    let next = Services::default();
    let function = next.start("audit-invocations", &endpoint, &variables).await;
    assert_eq!(function.invoke(event).await.unwrap(), json!({"batchItemFailures": []}));
    assert_eq!(tables.items(&tables.observations).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_event_finds_its_connection_open() {
    let endpoint = endpoint().await;
    let tables = tables_at(&endpoint).await;
    let secured = tls::Endpoint::before(&endpoint).await;
    let variables = [
        ("OBSERVATIONS_TABLE", tables.observations.as_str()),
        ("HUB_ACCOUNT", HUB),
        ("SSL_CERT_FILE", secured.certificate.to_str().unwrap()),
    ];
    let services = Services::default();
    let function = services.start("audit-invocations", &secured.url, &variables).await;
    let first_poll = function.until("the first poll", |seen| seen.first_poll).await;
    let opened = secured.handshakes();
    assert!(opened.len() == 1 && opened[0] < first_poll, "{} handshakes before the first poll", opened.len());
    for (number, name) in [(1, "first"), (2, "second")] {
        let event = queue_event(&[history::envelope(&history::call(MEMBER, number, number))]);
        let before = Instant::now();
        assert_eq!(function.invoke(event).await.unwrap(), json!({"batchItemFailures": []}));
        println!("the {name} event took {:.1} ms", before.elapsed().as_secs_f64() * 1000.0);
    }
    assert_eq!(tables.items(&tables.observations).await.len(), 2, "both calls are stored");
    assert_eq!(secured.handshakes().len(), 1, "the events open no connection");
}

/// Each function calls DynamoDB for its first event, and opens the connection while it starts.
#[tokio::test(flavor = "multi_thread")]
async fn every_function_opens_its_connection_while_it_starts() {
    let secured = tls::Endpoint::before(&endpoint().await).await;
    let certificate = secured.certificate.to_str().unwrap().to_owned();
    let variables = [EVERY_VARIABLE.as_slice(), &[("SSL_CERT_FILE", certificate.as_str())]].concat();
    for (before, function) in FUNCTIONS.into_iter().enumerate() {
        let running = Services::default().start(function, &secured.url, &variables).await;
        let first_poll = running.until("the first poll", |seen| seen.first_poll).await;
        let opened = secured.handshakes();
        assert_eq!(opened.len(), before + 1, "{function}");
        assert!(opened.into_iter().all(|ended| ended < first_poll), "{function}");
    }
}

/// Two accounts, and the fold of one never ends: Lambda kills the function each time, and others are judged all the same. In the end the
/// account that can't be judged is a finding.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_always_ends_the_function_holds_up_nobody() {
    const OTHER: &str = "333344445555";
    let endpoint = endpoint().await;
    let tables = tables_at(&endpoint).await;
    let variables = [
        ("OBSERVATIONS_TABLE", tables.observations.as_str()),
        ("FINDINGS_TABLE", tables.findings.as_str()),
        ("NOTES_TABLE", tables.notes.as_str()),
        ("WORLD_BUCKET", "world-bucket"),
        ("HUB_ACCOUNT", HUB),
        ("FOLDS_QUEUE_URL", "http://sqs.test/folds.fifo"),
    ];
    let auditor = Services::default().start("audit-invocations", &endpoint, &variables).await;
    let calls: Vec<String> = [MEMBER, OTHER].iter().map(|account| history::envelope(&history::call(account, 1, 1))).collect();
    assert_eq!(auditor.invoke(queue_event(&calls)).await.unwrap(), json!({"batchItemFailures": []}));
    let services = Services::default();
    for (path, json) in history::bare_world_with(OTHER) {
        services.objects.lock().unwrap().insert(format!("world/{path}"), json);
    }
    let routing = Services::default();
    let router = routing.start("route-observations", &endpoint, &variables).await;
    assert_eq!(router.invoke(stream_event(&tables, &tables.observations, "").await).await.unwrap(), json!({"batchItemFailures": []}));
    let sent = routing.seen.lock().unwrap().sent.clone();
    assert_eq!(sent.iter().map(|(group, _, _)| group.as_str()).collect::<Vec<_>>(), [MEMBER, OTHER]);
    let message = |number: usize| queue_event(std::slice::from_ref(&sent[number].2));
    for _ in 0..3 {
        // It begins, and its world is never answered for: Lambda's deadline passes, and the process is killed.
        let stuck = Services::default();
        let function = stuck.start("fold-findings", &endpoint, &variables).await;
        function.until("the first poll", |seen| seen.first_poll).await;
        stuck.never_answers_s3.store(true, std::sync::atomic::Ordering::SeqCst);
        let before = tables.findings().index(MEMBER).await.unwrap().attempts;
        function.begin(message(0));
        while tables.findings().index(MEMBER).await.unwrap().attempts == before {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        drop(function);
        assert!(stuck.seen.lock().unwrap().answers.is_empty());
    }
    let fold = services.start("fold-findings", &endpoint, &variables).await;
    assert_eq!(fold.invoke(message(1)).await.unwrap(), json!({"batchItemFailures": []}));
    assert_eq!(fold.invoke(message(0)).await.unwrap(), json!({"batchItemFailures": []}), "it is given up for now");
    let found = tables.all_findings().await;
    let of = |account: &str, rule: &str| found.iter().filter(|finding| finding.account.as_str() == account && finding.rule == rule).count();
    assert_eq!((of(OTHER, "invocation-without-guardrail"), of(OTHER, "telemetry-gap")), (1, 0), "{found:?}");
    assert_eq!((of(MEMBER, "invocation-without-guardrail"), of(MEMBER, "telemetry-gap")), (0, 1), "{found:?}");
}

/// Prints how much time and memory a function needs before its first event, and asserts nothing about it. Run it with `--release
/// --nocapture` for figures.
#[tokio::test(flavor = "multi_thread")]
async fn the_time_and_memory_of_a_start() {
    for function in FUNCTIONS {
        let mut times = Vec::new();
        let mut memory = 0.0;
        for _ in 0..5 {
            let services = Services::default();
            let running = services.start(function, "http://127.0.0.1:9", &EVERY_VARIABLE).await;
            times.push(running.time_to_first_poll().await);
            memory = running.memory();
        }
        times.sort();
        println!("{function}: first poll after {:.1} ms (median of 5), {:.1} MB", times[2].as_secs_f64() * 1000.0, memory);
    }
}
