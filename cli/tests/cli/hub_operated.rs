//! Tests of `hub rebuild`, `repair`, `redrive`, `tell-again`, `pause` and `resume`: which requests they send to the hub's functions, and what they do to
//! its queues.
//!
//! Queues and tables are those of a local engine. Lambda is a double, except for event source mappings. The tests of `audit-aws` show what the functions do
//! with a request; these show that the command line sends it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use audit_aws::{
    alerts,
    fold::Request,
    hub::{FINDINGS_TABLE as FINDINGS, FOLD_FINDINGS, NOTES_TABLE as NOTES, SEND_ALERTS},
};
use audit_core::timestamp::Timestamp;
use end_to_end::double::{Answer, ApiRequest, Double};
use serde_json::{Value, json};

use super::{
    hub::{ENGINE, Hub},
    runner::{Ran, in_repository, run},
};

const ONE: &str = "222233334444";
const TWO: &str = "333344445555";

/// A double of Lambda, which answers that `fold-findings` takes messages of its queue, and answers invocations as a test says.
fn lambda(invoked: impl Fn(&ApiRequest) -> Answer + Send + Sync + 'static) -> Double {
    Double::open(move |asked| {
        if asked.operation == "GET /2015-03-31/event-source-mappings" {
            assert_eq!(asked.query["FunctionName"], FOLD_FINDINGS);
            return Answer::json(&json!({"EventSourceMappings": [{"UUID": "1", "State": "Enabled"}]}));
        }
        assert_eq!(asked.service, "lambda");
        invoked(asked)
    })
}

fn carried_out() -> Answer {
    Answer::json(&json!({"batchItemFailures": []}))
}

fn invocations(double: &Double, function: &str) -> Vec<Value> {
    let operation = format!("POST /2015-03-31/functions/{function}/invocations");
    double.take_requests().into_iter().filter(|asked| asked.operation == operation).map(|asked| asked.body).collect()
}

/// A hub with two accounts, whose facts are judged up to the third version of their index.
fn with_two_accounts(account: &str) -> Arc<Hub> {
    let hub = Hub::new(account);
    for account in [ONE, TWO] {
        hub.put("PLACES", &format!("{account}#us-east-1"), "entity", "PLACE");
        hub.put_index(account, 3, 3);
    }
    Arc::new(hub)
}

fn succeeded(ran: &Ran) -> &Ran {
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    ran
}

#[test]
fn a_rebuild_is_asked_for_and_waited_for() {
    let hub = with_two_accounts("111122223310");
    let of_double = Arc::clone(&hub);
    let lambda = lambda(move |_| {
        of_double.put_index(ONE, 4, 4);
        of_double.put_index(TWO, 4, 3);
        let later = Arc::clone(&of_double);
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(1));
            later.put_index(TWO, 5, 5);
        });
        carried_out()
    });
    let asked = |arguments: &[&str]| hub.run_with(&[&["hub", "rebuild"], arguments].concat(), &lambda.endpoint());
    let dry = asked(&["--dry-run", "--format", "json"]);
    assert!(succeeded(&dry).json()["accounts"].as_array().unwrap().contains(&json!(ONE)), "{}", dry.stdout);
    assert_eq!(invocations(&lambda, FOLD_FINDINGS), Vec::<Value>::new(), "a dry run asks for nothing");

    let waited = asked(&["--wait", "--format", "json"]);
    assert_eq!(succeeded(&waited).json(), json!({"accounts": 2, "done": 2, "quarantined": []}));
    let sent = invocations(&lambda, FOLD_FINDINGS);
    assert_eq!(sent.len(), 1);
    assert_eq!(serde_json::from_value::<Request>(sent[0].clone()).unwrap(), Request::Rebuild { account: None });

    // Without `--wait`, the command says how many accounts are judged again, and which command shows the progress.
    let one = asked(&["--account", ONE]);
    assert!(succeeded(&one).stdout.contains("1 account"), "{}", one.stdout);
    let sent = invocations(&lambda, FOLD_FINDINGS);
    assert_eq!(serde_json::from_value::<Request>(sent[0].clone()).unwrap(), Request::Rebuild { account: Some(ONE.to_owned()) });

    // An account that can't be judged is waited for until a fold has tried it, and no longer.
    let quarantine = json!({"unjudged": "everything", "since": "2026-11-20T10:00:00Z", "problem": "too many facts", "retries": 1,
        "retry_at": "2026-11-20T10:15:00Z", "until": null});
    hub.put("QUARANTINE", TWO, "quarantine", &quarantine.to_string());
    let of_double = Arc::clone(&hub);
    let stuck = self::lambda(move |_| {
        let tried = Value::Object(quarantine.as_object().unwrap().clone().into_iter().chain([("retries".to_owned(), json!(2))]).collect());
        of_double.put("QUARANTINE", TWO, "quarantine", &tried.to_string());
        of_double.put_index(TWO, 9, 5);
        carried_out()
    });
    let ran = hub.run_with(&["hub", "rebuild", "--wait"], &stuck.endpoint());
    assert!(ran.code == 3 && ran.stdout.contains(&format!("{TWO}: in quarantine")), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_repair_is_done_when_the_index_was_repaired_and_judged() {
    let hub = with_two_accounts("111122223311");
    let of_double = Arc::clone(&hub);
    let lambda = lambda(move |_| {
        // A fold has judged later facts of the account before it repaired the index.
        for account in [ONE, TWO] {
            of_double.put_index(account, 6, 6);
        }
        let later = Arc::clone(&of_double);
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(1));
            for account in [ONE, TWO] {
                let item = json!({"pk": {"S": format!("ACCOUNT#{account}")}, "sk": {"S": "REPAIRED"}, "version": {"N": "7"}});
                later.client.json("dynamodb", "DynamoDB_20120810.PutItem", &json!({"TableName": FINDINGS, "Item": item})).unwrap();
            }
        });
        carried_out()
    });
    let repair = ["hub", "repair", "--since", "2026-11-20T10:00:00Z", "--format", "json"];
    let before = std::time::Instant::now();
    let waited = hub.run_with(&[&repair[..], &["--wait"]].concat(), &lambda.endpoint());
    assert_eq!(succeeded(&waited).json()["done"], 2);
    assert!(before.elapsed() >= Duration::from_secs(1), "judged is not enough");
    let sent = invocations(&lambda, FOLD_FINDINGS);
    let since = Timestamp::parse("2026-11-20T10:00:00Z").unwrap();
    assert_eq!(serde_json::from_value::<Request>(sent[0].clone()).unwrap(), Request::Repair { since, account: None, everywhere: false });
}

/// The commands of docs/restoring.md for a table of findings that is lost, one after the other.
#[test]
fn the_page_about_restoring_can_be_followed() {
    let page = std::fs::read_to_string(in_repository("docs/restoring.md")).unwrap();
    let section = page.split("## The table of findings is lost").nth(1).unwrap();
    let block = section.split("```console").nth(1).unwrap().split("```").next().unwrap();
    let commands = block.lines().filter_map(|line| line.split('#').next()?.trim().strip_prefix("guardrail-audit "));
    let commands: Vec<Vec<&str>> = commands.map(|command| command.split_whitespace().collect()).collect();
    assert_eq!(commands.len(), 3, "{block}");

    // With the table of findings lost, only the readings of the organization in the bucket name the accounts.
    let hub = Arc::new(Hub::new("111122223318"));
    hub.make_queues(false);
    let organization = std::fs::read(in_repository("events/demo/world/organization.json")).unwrap();
    let bucket = audit_aws::hub::world_bucket(&hub.client.account, "us-east-1");
    hub.client.put_object(&bucket, "world/organization@20261101T000000Z.json", &organization);
    let of_double = Arc::clone(&hub);
    let lambda = lambda(move |asked| {
        let Ok(Request::Repair { since, account: None, everywhere: true }) = serde_json::from_value(asked.body.clone()) else {
            panic!("{}", asked.body)
        };
        assert!(since < Timestamp::parse("2026-11-20T00:00:00Z").unwrap(), "{since}");
        of_double.put("PLACES", "111122223333#us-east-1", "entity", "PLACE");
        of_double.put_index("111122223333", 1, 1);
        let item = json!({"pk": {"S": "ACCOUNT#111122223333"}, "sk": {"S": "REPAIRED"}, "version": {"N": "1"}});
        of_double.client.json("dynamodb", "DynamoDB_20120810.PutItem", &json!({"TableName": FINDINGS, "Item": item})).unwrap();
        carried_out()
    });
    for (number, command) in commands.iter().enumerate() {
        let ran = hub.run_with(command, &lambda.endpoint());
        succeeded(&ran);
        assert_eq!(invocations(&lambda, FOLD_FINDINGS).len(), usize::from(number == 1), "{command:?}");
        assert!(number != 0 || !ran.stdout.contains("1 account "), "all accounts of the organization: {}", ran.stdout);
    }
}

#[test]
fn what_the_function_says_is_why_it_failed() {
    let hub = with_two_accounts("111122223312");
    let lambda = lambda(|_| Answer::json(&json!({"errorType": "HandlerFailed", "errorMessage": "there is no configuration"})));
    let ran = hub.run_with(&["hub", "rebuild"], &lambda.endpoint());
    assert!(ran.code == 1 && ran.stderr.contains("there is no configuration"), "{} {}", ran.code, ran.stderr);
    let denied = Double::open(|_| Answer::error(403, "AccessDeniedException"));
    let ran = hub.run_with(&["hub", "rebuild"], &denied.endpoint());
    assert!(ran.code == 1 && ran.stderr.contains("AccessDeniedException"), "{} {}", ran.code, ran.stderr);
}

#[test]
fn dead_letters_go_back_to_where_they_came_from() {
    let hub = Hub::new("111122223313");
    hub.make_queues(false);
    for number in 0..23 {
        let message = json!({"QueueUrl": hub.url("guardrail-audit-trail-dead"), "MessageBody": number.to_string()});
        hub.client.json("sqs", "AmazonSQS.SendMessage", &message).unwrap();
    }
    hub.send("guardrail-audit-undelivered");
    hub.send("guardrail-audit-folds-dead.fifo");
    hub.send("guardrail-audit-facts-dead");
    let inside = |queue: &str| hub.client.messages_in(&hub.url(queue));

    let dry = hub.run(&["hub", "redrive", "--dry-run", "--format", "json"]);
    let found: u64 = succeeded(&dry).json().as_array().unwrap().iter().map(|of| of["found"].as_u64().unwrap()).sum();
    assert_eq!((found, inside("guardrail-audit-trail-dead"), inside("guardrail-audit-trail")), (26, 23, 0), "nothing is moved");

    let moved = |ran: &Ran, queue: &str| {
        let all = ran.json();
        let of = all.as_array().unwrap().iter().find(|of| of["queue"] == queue).unwrap();
        (of["found"].as_u64().unwrap(), of["moved"].as_u64().unwrap())
    };
    let ran = hub.run(&["hub", "redrive", "--format", "json"]);
    assert_eq!(ran.code, 3, "some stay: {}", ran.stderr);
    assert_eq!(moved(&ran, "guardrail-audit-trail-dead"), (23, 23));
    assert_eq!(moved(&ran, "guardrail-audit-undelivered"), (1, 0), "the heartbeat takes it in again");
    assert_eq!(moved(&ran, "guardrail-audit-folds-dead.fifo"), (1, 1));
    assert_eq!(moved(&ran, "guardrail-audit-facts-dead"), (1, 0), "what it names the stream no longer holds");
    for (queue, expected) in [
        ("guardrail-audit-trail-dead", 0),
        ("guardrail-audit-trail", 23),
        ("guardrail-audit-undelivered", 1),
        ("guardrail-audit-folds-dead.fifo", 0),
        ("guardrail-audit-folds.fifo", 1),
        ("guardrail-audit-facts-dead", 1),
    ] {
        assert_eq!(inside(queue), expected, "{queue}");
    }
    let group = hub.client.json(
        "sqs",
        "AmazonSQS.ReceiveMessage",
        &json!({"QueueUrl": hub.url("guardrail-audit-folds.fifo"),
        "MessageSystemAttributeNames": ["MessageGroupId"]}),
    );
    assert_eq!(group.unwrap()["Messages"][0]["Attributes"]["MessageGroupId"], ONE, "an account's messages stay its group");
}

/// A redrive that fails in the middle says how many messages it moved, and the next redrive moves the rest.
#[test]
fn a_redrive_that_fails_goes_on() {
    let hub = Hub::new("111122223314");
    hub.make_queues(false);
    hub.client.json("sqs", "AmazonSQS.DeleteQueue", &json!({"QueueUrl": hub.url("guardrail-audit-trail")})).unwrap();
    hub.send("guardrail-audit-reconcile-dead");
    hub.send("guardrail-audit-trail-dead");
    let ran = hub.run(&["hub", "redrive", "reconcile-dead", "trail-dead"]);
    let line = ran.stdout.lines().find(|line| line.contains("reconcile-dead")).unwrap();
    assert!(ran.code == 1 && line.split_whitespace().nth(2) == Some("1"), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("run the command again"), "{}", ran.stderr);
    hub.client.json("sqs", "AmazonSQS.CreateQueue", &json!({"QueueName": "guardrail-audit-trail"})).unwrap();
    let ran = hub.run(&["hub", "redrive"]);
    assert_eq!((succeeded(&ran).code, hub.client.messages_in(&hub.url("guardrail-audit-trail"))), (0, 1));

    let unknown = hub.run(&["hub", "redrive", "trial-dead"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("trail-dead"), "{}", unknown.stderr);
    let refused = hub.run(&["hub", "redrive", "guardrail-audit-trail"]);
    assert!(refused.code == 2, "only dead letters are put back: {}", refused.stderr);
}

#[test]
fn alerts_of_open_findings_are_sent_again() {
    let hub = Hub::new("111122223315");
    hub.put("PLACES", &format!("{ONE}#us-east-1"), "entity", "PLACE");
    let finding = |number: u64, status: &str| {
        let id = format!("{number:08x}{:056x}", 0);
        let json = json!({
            "id": id, "rule": "invocation-without-guardrail", "severity": "HIGH", "title": "t", "detail": "d", "remediation": "r",
            "status": status, "account": ONE, "region": "us-east-1", "resource": format!("AWS::::Account:{ONE}"), "principals": [], "models": [],
            "apis": [], "verdict": "violation", "grade": "enforced", "reason": "no_guardrail", "missing": [], "attempted": false,
            "expected": false, "linked": [], "first_seen": "2026-11-20T10:00:00Z", "last_seen": "2026-11-20T10:00:00Z", "count": 1, "events": [],
            "changes": [], "policy": null, "controls": [], "reopened": 0, "resolved_at": null, "suppression": null,
        });
        hub.put_finding(&serde_json::from_value(json).unwrap());
        id
    };
    let told = |id: &str, since: &str| {
        let state = json!({"told": "OPEN#HIGH#0", "pending": null, "sent": [], "since": since, "version": 2});
        hub.put_into(NOTES, &format!("ALERT#{id}"), "STATE", "state", &state.to_string());
    };
    let (early, late, resolved, never) = (finding(1, "OPEN"), finding(2, "OPEN"), finding(3, "RESOLVED"), finding(4, "OPEN"));
    told(&early, "2026-11-19T00:00:00Z");
    told(&late, "2026-11-21T00:00:00Z");
    told(&resolved, "2026-11-21T00:00:00Z");

    let failures = Arc::new(AtomicUsize::new(2));
    let left = Arc::clone(&failures);
    let lambda = lambda(move |_| {
        let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails { Answer::json(&json!({"errorMessage": "there is no time left"})) } else { carried_out() }
    });
    let tell = ["hub", "tell-again", "--since", "2026-11-20", "--format", "json"];
    let dry = hub.run_with(&[&tell[..], &["--dry-run"]].concat(), &lambda.endpoint());
    assert_eq!(succeeded(&dry).json()["findings"], json!([late, never]), "what is open, and was told since or never");
    assert_eq!(invocations(&lambda, SEND_ALERTS), Vec::<Value>::new());
    let ran = hub.run_with(&tell, &lambda.endpoint());
    assert_eq!(succeeded(&ran).json()["findings"], dry.json()["findings"]);
    let sent = invocations(&lambda, SEND_ALERTS);
    assert!(sent.len() == 3 && sent[0] == sent[2], "the same is asked for until it is done: {sent:?}");
    let alerts::Request::TellAgain { findings, .. } = serde_json::from_value(sent[0].clone()).unwrap() else { panic!("{sent:?}") };
    assert_eq!(
        findings.into_iter().map(|finding| (finding.account, finding.id)).collect::<Vec<_>>(),
        [(ONE.to_owned(), late.clone()), (ONE.to_owned(), never)]
    );

    // A finding that is named is told again whenever it was told last, but not if it isn't open.
    let named = hub.run_with(&["hub", "tell-again", &early[..8], &resolved, "--format", "json"], &lambda.endpoint());
    assert_eq!(succeeded(&named).json()["findings"], json!([early]));
    // A run that continues an earlier one leaves out the findings that were told since that one began.
    let rest = hub.run_with(&[&tell[..], &["--until", "2026-11-20T12:00:00Z", "--dry-run"]].concat(), &lambda.endpoint());
    assert_eq!(succeeded(&rest).json()["findings"].as_array().unwrap().len(), 1, "{}", rest.stdout);
    for wrong in [&["hub", "tell-again"][..], &["hub", "tell-again", "00", "--since", "7d"], &["hub", "repair"]] {
        assert_eq!(run(wrong).code, 2, "{wrong:?}");
    }

    failures.store(100, Ordering::SeqCst);
    let failed = hub.run_with(&tell, &lambda.endpoint());
    assert!(failed.code == 1 && failed.stderr.contains("--until"), "{}", failed.stderr);
}

/// Runs against the engine's Lambda, with a function and an event source mapping.
#[test]
fn a_hub_is_paused_and_goes_on() {
    let hub = Hub::new("111122223316");
    hub.make_queues(false);
    let post = |path: &str, body: &Value| {
        let answer =
            hub.client.send("lambda", "POST", path, &[("Content-Type", "application/json".to_owned())], body.to_string().as_bytes());
        serde_json::from_slice::<Value>(&answer.unwrap()).unwrap()
    };
    let none = hub.run_with(&["hub", "pause"], &ENGINE.endpoint());
    assert!(none.code == 1 && none.stderr.contains("nothing takes messages for guardrail-audit-fold-findings"), "{}", none.stderr);
    let empty_zip = "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==";
    let function = json!({"FunctionName": FOLD_FINDINGS, "Role": "arn:aws:iam::111122223316:role/r", "Runtime": "provided.al2023",
        "Handler": "bootstrap", "Code": {"ZipFile": empty_zip}});
    post("/2015-03-31/functions", &function);
    let arn = format!("arn:aws:sqs:us-east-1:{}:guardrail-audit-folds.fifo", hub.client.account);
    post("/2015-03-31/event-source-mappings", &json!({"FunctionName": FOLD_FINDINGS, "EventSourceArn": arn, "BatchSize": 1}));

    for _ in 0..2 {
        let ran = hub.run_with(&["hub", "pause"], &ENGINE.endpoint());
        assert!(succeeded(&ran).stdout.contains("Paused"), "{}", ran.stdout);
    }
    let status = hub.run_with(&["hub", "status"], &ENGINE.endpoint());
    assert!(status.code == 3 && status.stdout.contains("Paused"), "a pause is not forgotten: {}", status.stdout);
    let waits = hub.run_with(&["hub", "rebuild", "--wait"], &ENGINE.endpoint());
    assert!(waits.code == 1 && waits.stderr.contains("hub resume"), "{}", waits.stderr);
    // While the mapping is paused, messages stay in the queue.
    hub.send("guardrail-audit-folds.fifo");
    assert_eq!(hub.client.messages_in(&hub.url("guardrail-audit-folds.fifo")), 1);
    succeeded(&hub.run_with(&["hub", "resume"], &ENGINE.endpoint()));
    let status = hub.run_with(&["hub", "status", "--format", "json"], &ENGINE.endpoint());
    assert_eq!(status.json()["judging"], "runs");
}

/// Lambda takes a while to change a mapping, and refuses another change meanwhile.
#[test]
fn a_pause_is_waited_for() {
    let hub = Hub::new("111122223317");
    let states = Arc::new(Mutex::new(vec!["Disabled", "Disabling", "Enabled"]));
    let of_double = Arc::clone(&states);
    let lambda = Double::open(move |asked| {
        let mut states = of_double.lock().unwrap();
        let state = *states.last().unwrap();
        let is_change = asked.operation.starts_with("PUT");
        assert!(!is_change || state == "Enabled", "it can't be changed while it is {state}");
        if states.len() > 1 && (is_change || state == "Disabling") {
            states.pop();
        }
        let mapping = json!({"UUID": "1", "State": state});
        Answer::json(&if is_change { mapping } else { json!({"EventSourceMappings": [mapping]}) })
    });
    let ran = hub.run_with(&["hub", "pause"], &lambda.endpoint());
    assert!(succeeded(&ran).stdout.contains("Paused"), "{}", ran.stdout);
    assert_eq!(states.lock().unwrap().len(), 1);
}
