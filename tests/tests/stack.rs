//! The whole stack, built and deployed by SAM: it receives CloudTrail's events as from EventBridge, and must report the expected findings.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    sync::{LazyLock, PoisonError, RwLock},
    time::Duration,
};

use cases::{Case, Files};
use end_to_end::{
    deployment::{Deployment, HUB, MANAGEMENT, MEMBER, ORGANIZATION, role},
    engine::{Client, Engine, until},
    gate::Gate,
    stack,
    template::root,
    tools::{AWS, path_with, succeed},
};
use serde_json::{Value, json};

/// The longest time to wait for a result: more than it takes on a busy machine, and than the 360 seconds for which an account is left alone whose judgement
/// was ended.
const TIMEOUT: Duration = Duration::from_mins(8);

/// A case of `events/`, moved to another account.
struct Happened {
    events: Vec<Value>,
    world: Files,
    /// The rules that must fire.
    rules: BTreeSet<String>,
}

impl Happened {
    fn in_account(account: &str, case: &str) -> Self {
        let case = Case::named(case);
        let events = case.events().unwrap();
        let recorded = events[0]["account"].as_str().unwrap();
        let moved = |text: &str| text.replace(recorded, account);
        let file = |(path, json): (String, Vec<u8>)| (moved(&path), moved(&String::from_utf8(json).unwrap()).into_bytes());
        Happened {
            events: events.iter().map(|event| serde_json::from_str(&moved(&event.to_string())).unwrap()).collect(),
            world: case.world().unwrap().into_iter().map(file).collect(),
            rules: case.expected().unwrap().rules().map(str::to_owned).collect(),
        }
    }

    /// Writes its world to the hub's bucket.
    fn put_world(&self, hub: &Client, bucket: &str) {
        for (path, json) in &self.world {
            hub.put_object(bucket, &format!("world/{path}"), json);
        }
    }
}

/// The items of an account's findings in DynamoDB.
fn findings(hub: &Client, account: &str) -> Vec<Value> {
    hub.items("guardrail-audit-findings", &format!("FINDINGS#{account}"))
}

/// An account that is its own hub.
const ALONE: &str = "555566667777";

/// The deployments that all tests share, each with accounts of its own.
struct Deployed {
    engine: Engine,
    hub: Client,
    outputs: BTreeMap<String, String>,
    outputs_alone: BTreeMap<String, String>,
    /// Through which the functions of the member write: those that take calls in, and those that take changes in.
    gates: [Gate; 2],
    built: stack::Built,
}

/// All accounts are set up before anything happens in one of them: the engine ends the running functions of every account when it sets up or
/// changes one of the same name in any account. A judgement that is ended so leaves its account alone for six minutes.
static DEPLOYED: LazyLock<Deployed> = LazyLock::new(|| {
    let built = stack::build();
    let engine = Engine::start();
    let hub = engine.client(HUB);
    let parameters = [("OrganizationId", ORGANIZATION), ("ManagementAccountId", MANAGEMENT)];
    let outputs = stack::deploy(&engine, HUB, &built.hub(), &parameters);
    let parameters = [
        ("OrganizationId", ORGANIZATION),
        ("HubAccountId", HUB),
        ("HubKeyArn", outputs["KeyArn"].as_str()),
        ("ObservationsTableName", outputs["ObservationsTableName"].as_str()),
    ];
    let _ = stack::deploy(&engine, MEMBER, &built.member(), &parameters);
    let (member, deployment) = (engine.client(MEMBER), Deployment::of_an_organization());
    let gates = ["invocations", "changes"].map(|function| {
        let gate = Gate::open(&role(MEMBER, &format!("guardrail-audit-{function}-us-east-1")), &deployment, &hub);
        member.set_variable(&format!("guardrail-audit-{function}"), "AWS_ENDPOINT_URL_DYNAMODB", &gate.endpoint());
        gate
    });
    let outputs_alone = stack::deploy(&engine, ALONE, &built.hub(), &[]);
    Deployed { engine, hub, outputs, outputs_alone, gates, built }
});

/// Is read by whoever waits for what functions do, and written by whoever changes functions, which ends those that run.
static UNCHANGED: RwLock<()> = RwLock::new(());

impl Deployed {
    /// The hub's queue of forwarded calls.
    fn forwarded_calls(&self) -> String {
        self.outputs["ReconcileQueueUrl"].replace("guardrail-audit-reconcile", "guardrail-audit-forwarded-calls")
    }
}

/// Waits until these findings of an account exist, and returns all findings of the account.
fn wait_for(hub: &Client, account: &str, rules: &BTreeSet<String>) -> Vec<Value> {
    until(TIMEOUT, "the findings are there", || {
        let found = findings(hub, account);
        let has = |rule: &String| found.iter().any(|item| item["gsi_rule"]["S"] == **rule);
        rules.iter().all(has).then_some(found)
    })
}

#[test]
fn a_call_without_guardrail_becomes_a_finding_an_alert_and_a_report() {
    let _unchanged = UNCHANGED.read().unwrap_or_else(PoisonError::into_inner);
    let Deployed { hub, outputs, .. } = &*DEPLOYED;
    // A queue is subscribed to this account only.
    let account = "222233330001";
    let tool = hub.create_queue("tool");
    let filter = json!({"account": [account]}).to_string();
    let fields = [
        ("Action", "Subscribe"),
        ("TopicArn", outputs["JsonAlertsTopicArn"].as_str()),
        ("Protocol", "sqs"),
        ("Endpoint", "arn:aws:sqs:us-east-1:111122223333:tool"),
        ("Attributes.entry.1.key", "RawMessageDelivery"),
        ("Attributes.entry.1.value", "true"),
        ("Attributes.entry.2.key", "FilterPolicy"),
        ("Attributes.entry.2.value", filter.as_str()),
    ];
    hub.query("sns", &fields).unwrap();
    // And a rule of the team's own takes the events of its findings.
    let tickets = hub.create_queue("tickets");
    let pattern = json!({"source": ["guardrail-audit"], "detail": {"change": ["created"], "finding": {"account": [account]}}}).to_string();
    hub.json("events", "AWSEvents.PutRule", &json!({"Name": "tickets", "EventPattern": pattern})).unwrap();
    let target = json!({"Id": "tickets", "Arn": "arn:aws:sqs:us-east-1:111122223333:tickets"});
    hub.json("events", "AWSEvents.PutTargets", &json!({"Rule": "tickets", "Targets": [target]})).unwrap();

    // A member's event goes to the hub's bus, and from there to the queue.
    let case = Happened::in_account(account, "invocation-without-guardrail/fires");
    case.put_world(hub, &outputs["WorldBucketName"]);
    let calls = DEPLOYED.forwarded_calls();
    for event in &case.events {
        hub.send_message(&calls, &event.to_string());
    }
    let rules = &case.rules;
    for item in wait_for(hub, account, rules) {
        assert_eq!(item["gsi_account"]["S"], account, "{item}");
    }
    let mut alerted = BTreeSet::new();
    while alerted != *rules {
        let alert: Value = serde_json::from_str(&hub.receive(&tool, TIMEOUT)).unwrap();
        for finding in alert["findings"].as_array().unwrap() {
            assert_eq!(finding["account"], account, "the filter lets only this account's through");
            assert!(alerted.insert(finding["rule"].as_str().unwrap().to_owned()), "alerted twice: {finding}");
        }
    }
    let mut ticketed = BTreeSet::new();
    while !ticketed.is_superset(rules) {
        let event: Value = serde_json::from_str(&hub.receive(&tickets, TIMEOUT)).unwrap();
        assert_eq!((&event["source"], &event["detail"]["finding"]["account"]), (&json!("guardrail-audit"), &json!(account)), "{event}");
        ticketed.insert(event["detail"]["finding"]["rule"].as_str().unwrap().to_owned());
    }

    // The report, requested through the function URL, and written on schedule.
    let id = outputs["ReportUrl"].split("//").nth(1).unwrap().split('.').next().unwrap();
    let ask = |query: &str| -> Value {
        let path = format!("/_aws/lambda-url/{id}/findings?{query}");
        serde_json::from_slice(&hub.send("lambda", "GET", &path, &[], &[]).unwrap()).unwrap()
    };
    let report = ask(&format!("account={account}"));
    let reported: BTreeSet<_> =
        report["findings"].as_array().unwrap().iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect();
    assert!(reported.is_superset(rules), "{reported:?}");
    assert_eq!(ask("account=999900001111")["findings"], json!([]));
    hub.invoke("guardrail-audit-report", &json!({"kind": "scheduled"})).unwrap();
    let bucket = &outputs["WorldBucketName"];
    let listed = String::from_utf8(hub.send("s3", "GET", &format!("/{bucket}?list-type=2&prefix=reports/"), &[], &[]).unwrap()).unwrap();
    assert!([".json</Key>", ".csv</Key>", ".html</Key>"].iter().all(|ending| listed.contains(ending)), "{listed}");

    // A finding that is withdrawn is notified, too, though its item no longer exists: the stream has only the old image.
    let of_rules = |item: &&Value| rules.contains(item["gsi_rule"]["S"].as_str().unwrap());
    let gone = findings(hub, account).iter().find(of_rules).unwrap().clone();
    let key = json!({"TableName": "guardrail-audit-findings", "Key": {"pk": gone["pk"], "sk": gone["sk"]}});
    // Until the hub has read the account, which it does because of its first event, another fold may write the finding again before its removal is
    // told. Nothing is told then, and it has to be removed once more.
    let alert = until(TIMEOUT, "the withdrawal is told", || {
        hub.json("dynamodb", "DynamoDB_20120810.DeleteItem", &key).unwrap();
        hub.received(&tool)
    });
    let alert: Value = serde_json::from_str(&alert).unwrap();
    assert_eq!((&alert["kind"], &alert["findings"][0]["id"]), (&json!("withdrawn"), &gone["sk"]["S"]), "{alert}");
}

#[test]
fn a_change_becomes_a_finding() {
    let _unchanged = UNCHANGED.read().unwrap_or_else(PoisonError::into_inner);
    let Deployed { hub, outputs, .. } = &*DEPLOYED;
    let account = "222233330002";
    let case = Happened::in_account(account, "trail-stopped/fires");
    case.put_world(hub, &outputs["WorldBucketName"]);
    for event in &case.events {
        hub.deliver("guardrail-audit-forwarded-changes", event);
    }
    let found = wait_for(hub, account, &case.rules);
    assert!(found.iter().any(|item| item["gsi_rule"]["S"] == "trail-stopped"), "{found:?}");
}

/// A control-plane event of the hub's own account, as EventBridge delivers it.
fn change(name: &str, number: u32, time: &str, response: &Value) -> Value {
    json!({
        "version": "0", "id": format!("{number}"), "detail-type": "AWS API Call via CloudTrail", "source": "aws.bedrock",
        "account": HUB, "time": time, "region": "us-east-1", "resources": [],
        "detail": {
            "eventVersion": "1.11", "eventSource": "bedrock.amazonaws.com", "eventName": name, "awsRegion": "us-east-1",
            "eventType": "AwsApiCall", "eventCategory": "Management", "managementEvent": true, "readOnly": false, "eventTime": time,
            "eventID": format!("00000000-0000-4000-a000-{number:012}"), "requestID": format!("10000000-0000-4000-a000-{number:012}"),
            "recipientAccountId": HUB, "responseElements": response,
            "requestParameters": {"guardrailIdentifier": response["guardrailId"], "name": "HIDDEN_DUE_TO_SECURITY_REASONS"},
            "userIdentity": {"type": "AssumedRole", "principalId": "AROAEXAMPLE:session", "accountId": HUB,
                "arn": format!("arn:aws:sts::{HUB}:assumed-role/admin/session")},
        },
    })
}

/// The request of CreateGuardrail. Its controls have the form of `GetGuardrail`, because the engine returns what it was given.
fn guardrail(strength: &str) -> Value {
    let filters = json!([{"type": "HATE", "inputStrength": strength, "outputStrength": strength}]);
    json!({"name": "stack", "blockedInputMessaging": "no", "blockedOutputsMessaging": "no", "contentPolicyConfig": {"filters": filters}})
}

/// The deployed functions read from Bedrock what the events hide: the account's own functions at once, and the hub's on their schedule.
#[test]
fn a_guardrail_that_is_weakened_is_read_and_becomes_a_finding() {
    let _unchanged = UNCHANGED.read().unwrap_or_else(PoisonError::into_inner);
    let Deployed { hub, outputs, .. } = &*DEPLOYED;
    let bedrock = |method: &str, path: &str, body: &Value| -> Value {
        let json = ("Content-Type", "application/json".to_owned());
        serde_json::from_slice(&hub.send("bedrock", method, path, &[json], body.to_string().as_bytes()).unwrap()).unwrap()
    };
    let second = |time: &Value| format!("{}Z", &time.as_str().unwrap()[..19]);
    let made = bedrock("POST", "/guardrails", &guardrail("HIGH"));
    let (id, created) = (made["guardrailId"].as_str().unwrap(), second(&made["createdAt"]));
    hub.deliver("guardrail-audit-changes", &change("CreateGuardrail", 1, &created, &made));
    let hour = format!("{HUB}#us-east-1#{}", &created[..13]);
    until(TIMEOUT, "the guardrail as it was made is known", || {
        let facts = hub.items("guardrail-audit-observations", &hour);
        facts.iter().any(|fact| fact["sk"]["S"].as_str().unwrap().starts_with("state#")).then_some(())
    });
    // CloudTrail's times are whole seconds, so the next change must come in another one.
    let updated = until(TIMEOUT, "the next second begins", || {
        let updated = bedrock("PUT", &format!("/guardrails/{id}"), &guardrail("LOW"));
        (second(&updated["updatedAt"]) != created).then_some(updated)
    });
    let time = second(&updated["updatedAt"]);
    hub.deliver("guardrail-audit-changes", &change("UpdateGuardrail", 2, &time, &updated));
    let found = wait_for(hub, HUB, &BTreeSet::from(["guardrail-weakened".to_owned()]));
    let weakened = found.iter().find(|item| item["gsi_rule"]["S"] == "guardrail-weakened").unwrap();
    assert!(weakened.to_string().contains(id), "{weakened}");

    let task = json!({"kind": "place", "account": HUB, "region": "us-east-1"});
    hub.send_message(&outputs["ReconcileQueueUrl"], &task.to_string());
    let draft = world(&format!("guardrails/{HUB}/us-east-1/{id}/DRAFT"));
    assert_eq!(draft["contentPolicy"]["filters"][0]["inputStrength"], "LOW", "{draft}");
}

/// The latest content of a file in the hub's world, once it exists.
fn world(of: &str) -> Value {
    let Deployed { hub, outputs, .. } = &*DEPLOYED;
    let bucket = &outputs["WorldBucketName"];
    until(TIMEOUT, "it is in the world", || {
        let list = hub.send("s3", "GET", &format!("/{bucket}?list-type=2&prefix=world/{of}@"), &[], &[]).unwrap();
        let list = String::from_utf8(list).unwrap();
        let (_, key) = list.rsplit_once("<Key>")?;
        let object = hub.send("s3", "GET", &format!("/{bucket}/{}", key.split_once('<')?.0), &[], &[]).unwrap();
        Some(serde_json::from_slice(&object).unwrap())
    })
}

#[test]
fn the_hub_reads_the_organization_for_itself() {
    const CONTENT: &str = r#"{"bedrock": {"guardrail_inference": {}}}"#;
    let _unchanged = UNCHANGED.read().unwrap_or_else(PoisonError::into_inner);
    let Deployed { engine, hub, outputs, .. } = &*DEPLOYED;
    let organizations = |operation: &str, body: &Value| {
        engine.client(MANAGEMENT).json("organizations", &format!("AWSOrganizationsV20161128.{operation}"), body).unwrap()
    };
    let roots = organizations("ListRoots", &json!({}));
    let root = &roots["Roots"][0]["Id"];
    organizations("EnablePolicyType", &json!({"RootId": root, "PolicyType": "BEDROCK_POLICY"}));
    let policy = json!({"Type": "BEDROCK_POLICY", "Name": "stack", "Description": "", "Content": CONTENT});
    let policy = organizations("CreatePolicy", &policy)["Policy"]["PolicySummary"]["Id"].clone();
    organizations("AttachPolicy", &json!({"PolicyId": policy, "TargetId": root}));
    hub.send_message(&outputs["ReconcileQueueUrl"], &json!({"kind": "organization"}).to_string());
    let organization = world("organization");
    assert_eq!(organization["Organization"]["MasterAccountId"], MANAGEMENT);
    let attachment = &organization["Attachments"][0];
    assert_eq!((&attachment["PolicyId"], &attachment["TargetId"]), (&policy, root));
    assert_eq!(world(&format!("policies/{}", policy.as_str().unwrap()))["Policy"]["Content"], CONTENT);
}

/// `member.yaml` in another account: its functions write into the hub's table through the policies, and only what these allow. While the table
/// refuses, Lambda leaves the events in the member's queue, from where they are taken in afterwards.
#[test]
fn a_member_reports_to_the_hub() {
    let _unchanged = UNCHANGED.read().unwrap_or_else(PoisonError::into_inner);
    let Deployed { engine, hub, outputs, gates, .. } = &*DEPLOYED;
    let member = engine.client(MEMBER);
    let case = Happened::in_account(MEMBER, "invocation-without-guardrail/fires");
    case.put_world(hub, &outputs["WorldBucketName"]);
    let undelivered = member.queue_url("guardrail-audit-undelivered");
    for gate in gates {
        gate.refuse(true);
    }
    for event in &case.events {
        member.deliver("guardrail-audit-invocations", event);
    }
    let kept = case.events.len() as u64;
    until(TIMEOUT, "Lambda gives them up and keeps them", || (member.messages_in(&undelivered) == kept).then_some(()));
    for gate in gates {
        gate.refuse(false);
    }
    // Each heartbeat begins with the same. The engine lacks the policies that refuse its call.
    until(TIMEOUT, "what was kept is taken in", || {
        member.invoke("guardrail-audit-changes", &json!({"kind": "take_again"})).unwrap();
        (member.messages_in(&undelivered) == 0).then_some(())
    });
    wait_for(hub, MEMBER, &case.rules);

    // The same credentials for other calls.
    let [gate, _] = gates;
    let table = "arn:aws:dynamodb:us-east-1:111122223333:table/guardrail-audit-observations";
    let as_member = member.at(&gate.endpoint());
    let put = |key: &str| {
        let item = json!({"pk": {"S": key}, "sk": {"S": "call#x"}});
        as_member.json("dynamodb", "DynamoDB_20120810.PutItem", &json!({"TableName": table, "Item": item}))
    };
    let key = format!("{MEMBER}#us-east-1#2026-11-20T12");
    for foreign in ["111122223333#us-east-1#2026-11-20T12", "hub#222233334444#us-east-1#2026-11-20T12", "FINDINGS#222233334444"] {
        assert!(put(foreign).unwrap_err().contains("AccessDenied"), "{foreign}");
    }
    for operation in ["Query", "Scan", "DeleteItem", "UpdateItem", "GetItem"] {
        let request = json!({"TableName": table, "Key": {"pk": {"S": key}, "sk": {"S": "x"}}});
        let refused = as_member.json("dynamodb", &format!("DynamoDB_20120810.{operation}"), &request).unwrap_err();
        assert!(refused.contains("AccessDenied"), "{operation}: {refused}");
    }
}

/// The `aws dynamodb query` commands of a page of the documentation, each on one line.
fn documented_queries(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("docs").join(page)).unwrap();
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let commands = blocks.flat_map(|block| block.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>());
    commands.filter(|command| command.starts_with("aws dynamodb query")).collect()
}

/// The steps of `docs/operating.md` for one account: deployed with every default, queried, changed, and removed.
#[test]
fn one_account_alone_is_set_up_asked_upgraded_and_removed() {
    let Deployed { engine, built, outputs_alone: outputs, .. } = &*DEPLOYED;
    let unchanged = UNCHANGED.read().unwrap_or_else(PoisonError::into_inner);
    let account = engine.client(ALONE);
    let case = Happened::in_account(ALONE, "invocation-without-guardrail/fires");
    case.put_world(&account, &outputs["WorldBucketName"]);
    for event in &case.events {
        account.deliver("guardrail-audit-invocations", event);
    }
    wait_for(&account, ALONE, &case.rules);

    // The queries of the documentation, with the account and the time of the case.
    let time = case.events[0]["detail"]["eventTime"].as_str().unwrap()[..10].to_owned();
    let queries: Vec<_> = ["data-model.md", "operating.md"].into_iter().flat_map(documented_queries).collect();
    assert!(queries.len() >= 5, "{queries:?}");
    let mut found = 0;
    for query in queries {
        let query = query.replace("222233334444", ALONE).replace("2026-11-20", &time).replace("2026-11-01", "2026-01-01");
        let mut shell = Command::new("sh");
        shell.args(["-c", &query]).env("PATH", path_with(&[&AWS.folder()]));
        stack::as_account(&mut shell, engine, ALONE);
        let answer: Value = serde_json::from_slice(&succeed(&mut shell).stdout).unwrap();
        found += answer["Count"].as_u64().unwrap();
    }
    assert!(found >= 3, "the finding is found by status and by account, and so is what its calls came to: {found}");

    // The same account from a laptop, as `docs/operating.md` says.
    let program = stack::command_line();
    let ask = |arguments: &[&str]| {
        let mut program = Command::new(&program);
        program.args(arguments).arg("--hub");
        stack::as_account(&mut program, engine, ALONE);
        String::from_utf8(succeed(&mut program).stdout).unwrap()
    };
    let report: Value = serde_json::from_str(&ask(&["report", "--format", "json", "--fail-on", "never"])).unwrap();
    let calls = report["coverage"].as_array().unwrap().iter().map(|row| row["count"].as_u64().unwrap()).sum::<u64>();
    assert!(calls > 0, "the rollups are read: {report}");
    let of_rule = |rule: &String| report["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == **rule).unwrap();
    for finding in case.rules.iter().map(of_rule) {
        let explained = ask(&["explain", finding["id"].as_str().unwrap()]);
        assert!(explained.contains("The latest call, step by step:"), "the facts are read: {explained}");
    }

    drop(unchanged);
    let _changing = UNCHANGED.write().unwrap_or_else(PoisonError::into_inner);
    // A parameter of the hub only: the engine can't update the queues of a nested stack.
    let severity = || {
        let path = "/2015-03-31/functions/guardrail-audit-send-alerts/configuration";
        let configuration: Value = serde_json::from_slice(&account.send("lambda", "GET", path, &[], &[]).unwrap()).unwrap();
        configuration["Environment"]["Variables"]["ALERT_MINIMUM_SEVERITY"].clone()
    };
    assert_eq!(severity(), "MEDIUM");
    let upgraded = stack::deploy(engine, ALONE, &built.hub(), &[("AlertMinimumSeverity", "HIGH"), ("SecurityHub", "true")]);
    assert_eq!(upgraded, *outputs);
    assert_eq!(severity(), "HIGH");
    // The engine has no Security Hub to import into; the function behind the parameter is there.
    let path = "/2015-03-31/functions/guardrail-audit-import-findings/configuration";
    let importer: Value = serde_json::from_slice(&account.send("lambda", "GET", path, &[], &[]).unwrap()).unwrap();
    assert_eq!(importer["Environment"]["Variables"]["HUB_ACCOUNT"], ALONE);

    // `sam delete` looks for its artifacts under S3's own name, which here is another.
    account.query("cloudformation", &[("Action", "DeleteStack"), ("StackName", "guardrail-audit")]).unwrap();
    until(TIMEOUT, "the stack is gone", || {
        account.query("cloudformation", &[("Action", "DescribeStacks"), ("StackName", "guardrail-audit")]).err()
    });
    assert!(account.send("lambda", "GET", "/2015-03-31/functions/guardrail-audit-report/configuration", &[], &[]).is_err());
    assert!(!findings(&account, ALONE).is_empty(), "what was found is evidence, and stays");
}
