//! Tests the adapters of Organizations, Bedrock and CloudTrail against a double of their APIs: pages, missing resources, denied requests,
//! late answers, and answers of unknown form.

use std::{sync::Arc, time::Duration};

use audit_aws::{
    aws::Aws,
    bucket::Bucket as _,
    changes::{ChangeAuditor, Heartbeat},
    clock::Clock,
    error::ErrorKind,
    fact::Content,
    invocations::{HEARTBEAT_ROLE, Message},
    partition::AccountRegion,
    queue::MemoryQueue,
    reconcile::{CrossAccountReader as _, ReaderRoles, Task},
    state::{AwsState, Question, ReadState as _},
    trail::{CloudTrailKeys, PublicKeys as _},
};
use audit_core::timestamp::Timestamp;
use serde_json::{Value, json};

use crate::{
    cross_account_reader::{facts_of, update},
    reconciler::Hub,
    support::{
        Tables,
        double::{Answer, Double},
        history::{self, GUARDRAIL, MANAGEMENT, MEMBER},
        metrics, now, own, tables,
    },
};
use audit_aws::partition::Source;

async fn read(double: &Double, question: &Question) -> Result<Value, ErrorKind> {
    let answer = AwsState(double.aws()).read(question).await.map_err(|error| error.kind)?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

const DESCRIBE: &str = "DescribeEffectivePolicy";

fn policy() -> Question {
    Question::EffectivePolicy(MEMBER.to_owned())
}

#[tokio::test]
async fn no_policy_is_an_answer_and_everything_else_is_none() {
    let double = Double::default();
    double.on(DESCRIBE, [Answer::Error(400, "EffectivePolicyNotFoundException")]);
    assert_eq!(read(&double, &policy()).await, Ok(json!({"EffectivePolicy": null})));
    assert_eq!(double.asked(DESCRIBE)[0].body, json!({"PolicyType": "BEDROCK_POLICY", "TargetId": MEMBER}));
    double.on(DESCRIBE, [Answer::Error(400, "AWSOrganizationsNotInUseException")]);
    assert_eq!(read(&double, &policy()).await, Ok(json!({"EffectivePolicy": null})), "outside of organizations there is none");
    for (code, kind) in [
        ("TooManyRequestsException", ErrorKind::Retryable),
        ("AccessDeniedException", ErrorKind::Denied),
        ("TargetNotFoundException", ErrorKind::Refused),
    ] {
        double.on(DESCRIBE, [Answer::Error(400, code)]);
        assert_eq!(read(&double, &policy()).await, Err(kind), "{code}");
    }
    double.on(DESCRIBE, [Answer::Error(500, "ServiceException")]);
    assert_eq!(read(&double, &policy()).await, Err(ErrorKind::Retryable));
    double.on(DESCRIBE, [Answer::Text("<html>".to_owned())]);
    assert_eq!(read(&double, &policy()).await, Err(ErrorKind::Retryable), "200, and nothing that anybody could read");
}

#[tokio::test]
async fn what_is_throttled_or_broken_is_asked_again() {
    let double = Double::default();
    let described = json!({"EffectivePolicy": {"PolicyContent": "{}", "PolicyType": "BEDROCK_POLICY", "SomethingNew": [1]}, "More": {}});
    double.on(DESCRIBE, [Answer::Error(400, "TooManyRequestsException"), Answer::Broken, Answer::Json(described.clone())]);
    assert_eq!(read(&double, &policy()).await, Ok(described), "verbatim, also what the SDK has no word for");
    assert_eq!(double.asked(DESCRIBE).len(), 3);
}

#[tokio::test]
async fn silence_ends_by_the_clock_and_is_no_answer() {
    let double = Double::default();
    double.on(DESCRIBE, [Answer::Silence]);
    assert_eq!(read(&double, &policy()).await, Err(ErrorKind::Retryable));
    let took = double.slept();
    assert!(Duration::from_secs(30) < took && took <= Duration::from_mins(1), "{took:?}");
}

#[tokio::test]
async fn all_pages_are_read_and_nothing_of_them_is_lost() {
    let page = |list: &str, id: &str, next: Option<&str>| {
        let mut page = json!({list: [{"id": id, "agentId": id, "arn": format!("arn:aws:bedrock:us-east-1:1:guardrail/{id}"), "status": "SOMETHING_NEW", "unheardOf": {"of": 1},
            "name": id, "version": "1", "createdAt": "2026-11-01T00:00:00Z", "updatedAt": "2026-11-01T00:00:00Z", "agentName": id, "agentStatus": "SOMETHING_NEW",
            "inferenceProfileId": id, "inferenceProfileName": id, "inferenceProfileArn": id, "models": [], "type": "SOMETHING_NEW"}]});
        if let Some(next) = next {
            page["nextToken"] = json!(next);
        }
        Answer::Json(page)
    };
    for (question, operation, list) in [
        (Question::Guardrails, "GET /guardrails", "guardrails"),
        (Question::GuardrailVersions("g".to_owned()), "GET /guardrails", "guardrails"),
        (Question::InferenceProfiles, "GET /inference-profiles", "inferenceProfileSummaries"),
        (Question::Agents, "POST /agents/", "agentSummaries"),
        (Question::Flows, "GET /flows/", "flowSummaries"),
        (Question::EnforcedConfigurations, "GET /enforcedGuardrailsConfiguration", "guardrailsConfig"),
    ] {
        let double = Double::default();
        for operation in [operation, operation.trim_end_matches('/')] {
            double.on(operation, [page(list, "one", Some("t1")), page(list, "two", Some("t2")), page(list, "three", None)]);
        }
        let answer = read(&double, &question).await.unwrap();
        let ids: Vec<&str> = answer[list].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["one", "two", "three"], "{question:?}");
        assert!(answer[list].as_array().unwrap().iter().all(|item| item["unheardOf"]["of"] == 1 && item["status"] == "SOMETHING_NEW"));
        let asked: Vec<_> =
            [double.asked(operation), double.asked(operation.trim_end_matches('/'))].into_iter().max_by_key(Vec::len).unwrap();
        let tokens: Vec<Option<String>> = asked.iter().map(|asked| asked.parameter("nextToken")).collect();
        assert_eq!(tokens, [None, Some("t1".to_owned()), Some("t2".to_owned())], "{question:?}");
    }
}

#[tokio::test]
async fn a_page_that_is_throttled_makes_none_of_it_an_answer() {
    let double = Double::default();
    double.on("GET /guardrails", [Answer::Json(json!({"guardrails": [], "nextToken": "t"})), Answer::Error(429, "ThrottlingException")]);
    assert_eq!(read(&double, &Question::Guardrails).await, Err(ErrorKind::Retryable), "half a list would say that the rest is gone");
    double.on("GET /guardrails", [Answer::Error(403, "AccessDeniedException")]);
    assert_eq!(read(&double, &Question::Guardrails).await, Err(ErrorKind::Denied));
}

fn guardrail() -> Question {
    Question::Guardrail { id: "abcd1234efgh".to_owned(), version: "2".to_owned() }
}

#[tokio::test]
async fn a_guardrail_comes_verbatim_and_one_that_isnt_there_is_none() {
    let double = Double::default();
    let verbatim = json!({"guardrailId": "abcd1234efgh", "guardrailArn": GUARDRAIL, "name": "g", "version": "2", "status": "FLABBERGASTED",
        "createdAt": "2026-11-01T00:00:00Z", "updatedAt": "2026-11-01T00:00:00Z", "blockedInputMessaging": "no", "blockedOutputsMessaging": "no",
        "contentPolicy": {"filters": [{"type": "TELEPATHY", "inputStrength": "EXTREME", "outputStrength": "NONE", "inputAura": "PURPLE"}]},
        "somethingNewPolicy": {"on": true}});
    double.says("GET /guardrails/abcd1234efgh", verbatim.clone());
    assert_eq!(read(&double, &guardrail()).await, Ok(verbatim));
    assert_eq!(double.asked("GET /guardrails/abcd1234efgh")[0].parameter("guardrailVersion").as_deref(), Some("2"));
    double.on("GET /guardrails/abcd1234efgh", [Answer::Error(404, "ResourceNotFoundException")]);
    assert_eq!(read(&double, &guardrail()).await, Ok(json!({"guardrailId": null})));
    double.on("GET /guardrails/abcd1234efgh", [Answer::Error(403, "AccessDeniedException")]);
    assert_eq!(read(&double, &guardrail()).await, Err(ErrorKind::Denied), "one that may not be read may well be there");
}

#[tokio::test]
async fn what_a_trail_records_is_known_of_all_trails_or_of_none() {
    let double = Double::default();
    let arn = |name: &str| format!("arn:aws:cloudtrail:us-east-1:{MEMBER}:trail/{name}");
    double.says("DescribeTrails", json!({"trailList": [{"TrailARN": arn("a")}, {"TrailARN": arn("b"), "Unheard": 1}]}));
    let selectors = |name: &str| json!({"TrailARN": arn(name), "AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Resembles": ["x"]}]}]});
    double.on("GetEventSelectors", [Answer::Json(selectors("a")), Answer::Json(selectors("b"))]);
    double.on("GetTrailStatus", [Answer::Json(json!({"IsLogging": true})), Answer::Json(json!({"IsLogging": false}))]);
    double.says(
        "GET /logging/modelinvocations",
        json!({"loggingConfig": {"textDataDeliveryEnabled": true, "auraDataDeliveryEnabled": true}}),
    );
    let telemetry = read(&double, &Question::Telemetry).await.unwrap();
    assert_eq!(telemetry[0]["loggingConfig"]["auraDataDeliveryEnabled"], true);
    assert_eq!(telemetry[0]["AdvancedEventSelectors"][0]["FieldSelectors"][0]["Resembles"][0], "x");
    assert_eq!((&telemetry[0]["IsLogging"], &telemetry[1]["IsLogging"]), (&json!(true), &json!(false)));
    double.on("GET /logging/modelinvocations", [Answer::Error(429, "ThrottlingException")]);
    assert_eq!(read(&double, &Question::Telemetry).await, Err(ErrorKind::Retryable), "late isn't the same as not there");
    double.on("GET /logging/modelinvocations", [Answer::Error(403, "AccessDeniedException")]);
    assert!(read(&double, &Question::Telemetry).await.unwrap()[0].get("loggingConfig").is_none(), "what may not be read is left out");
    double.on("GetTrailStatus", [Answer::Json(json!({"IsLogging": true})), Answer::Error(400, "AccessDeniedException")]);
    assert_eq!(read(&double, &Question::Telemetry).await, Err(ErrorKind::Denied));
}

fn error(code: &str) -> Value {
    json!({"ErrorCode": code, "ErrorMessage": "scripted", "PathToError": "/bedrock", "ContributingPolicies": ["p-1"], "Unheard": 1})
}

const VALIDATION: &str = "ListEffectivePolicyValidationErrors";

#[tokio::test]
async fn the_errors_of_a_policy_are_read_with_all_pages() {
    let double = Double::default();
    let question = Question::PolicyValidation(MEMBER.to_owned());
    let page = |code: &str| json!({"AccountId": MEMBER, "PolicyType": "BEDROCK_POLICY", "EvaluationTimestamp": 1_795_168_800.0, "EffectivePolicyValidationErrors": [error(code)]});
    let mut first = page("KEY_REQUIRED");
    first["NextToken"] = json!("t");
    double.on(VALIDATION, [Answer::Json(first), Answer::Json(page("SOMETHING_NEW"))]);
    let mut all = page("KEY_REQUIRED");
    all["EffectivePolicyValidationErrors"] = json!([error("KEY_REQUIRED"), error("SOMETHING_NEW")]);
    assert_eq!(read(&double, &question).await, Ok(all));
    assert_eq!(double.asked(VALIDATION)[1].parameter("NextToken").as_deref(), Some("t"));
    double.on(VALIDATION, [Answer::Error(400, "EffectivePolicyNotFoundException")]);
    let none = json!({"AccountId": MEMBER, "EffectivePolicyValidationErrors": []});
    assert_eq!(read(&double, &question).await, Ok(none), "without a policy nothing is wrong with it");
    double.on(VALIDATION, [Answer::Error(400, "TooManyRequestsException")]);
    assert_eq!(read(&double, &question).await, Err(ErrorKind::Retryable));
}

fn since() -> Timestamp {
    Timestamp::parse("2026-11-20T09:00:00Z").unwrap()
}

fn member() -> AccountRegion {
    AccountRegion::new(MEMBER, "us-east-1")
}

fn events(number: u64, next: Option<&str>) -> Answer {
    let mut page =
        json!({"Events": [{"EventId": number.to_string(), "CloudTrailEvent": history::call(MEMBER, number, 5).to_string(), "Unheard": 1}]});
    if let Some(next) = next {
        page["NextToken"] = json!(next);
    }
    Answer::Json(page)
}

#[tokio::test]
async fn history_is_read_within_two_requests_a_second_whatever_is_throttled() {
    let double = Double::default();
    let throttled = || Answer::Error(400, "ThrottlingException");
    double.lets_roles_be_assumed();
    double.on(
        "LookupEvents",
        [events(1, Some("a")), throttled(), throttled(), events(2, Some("b")), Answer::Broken, events(3, Some("c")), events(4, None)],
    );
    let reader = ReaderRoles::new(double.aws(), "/guardrail-audit/guardrail-audit-reader".to_owned());
    let (records, complete) = reader.history(&member(), since()).await.unwrap();
    assert_eq!((records.len(), complete), (4, true));
    let asked = double.asked("LookupEvents");
    assert_eq!(asked.len(), 7);
    for three in asked.windows(3) {
        let between = three[2].at.saturating_sub(three[0].at);
        assert!(between > Duration::from_secs(1), "three within a second: {between:?}");
    }
    assert_eq!(asked[0].body["LookupAttributes"], json!([{"AttributeKey": "EventSource", "AttributeValue": "bedrock.amazonaws.com"}]));
    // A token is only valid with the parameters of the request that returned it (docs/aws/delivery.md#lookupevents).
    assert!(asked.iter().all(|other| other.body["StartTime"] == asked[0].body["StartTime"]));
    assert_eq!(asked.iter().filter_map(|asked| asked.parameter("NextToken")).collect::<Vec<_>>(), ["a", "a", "a", "b", "b", "c"]);
    double.on("LookupEvents", [throttled()]);
    assert_eq!(reader.history(&member(), since()).await.unwrap_err().kind, ErrorKind::Retryable);
    double.on("LookupEvents", [events(1, Some("more"))]);
    let (records, complete) = reader.history(&member(), since()).await.unwrap();
    assert_eq!((records.len(), complete), (100, false), "it ends some time, and says that there is more");
}

#[tokio::test]
async fn an_account_that_lets_nobody_in_is_told_from_a_network_that_is_down() {
    let double = Double::default();
    let reader = ReaderRoles::new(double.aws(), "/guardrail-audit/guardrail-audit-reader".to_owned());
    for (answer, kind) in [(Answer::Error(403, "AccessDenied"), ErrorKind::Denied), (Answer::Broken, ErrorKind::Retryable)] {
        double.on("AssumeRole", [answer]);
        let state = reader.state(&member()).await;
        assert_eq!(state.read(&Question::EnforcedConfigurations).await.unwrap_err().kind, kind);
        assert_eq!(reader.history(&member(), since()).await.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn public_keys_are_read_with_all_pages_and_once() {
    let double = Double::default();
    // Base64 of "key 1" and "key 2".
    let page =
        |fingerprint: &str, value: &str| json!({"PublicKeyList": [{"Fingerprint": fingerprint, "Value": value, "ValidityStartTime": 1.0}]});
    let mut first = page("f1", "a2V5IDE=");
    first["NextToken"] = json!("t");
    double.on("ListPublicKeys", [Answer::Json(first), Answer::Json(page("f2", "a2V5IDI="))]);
    let keys = CloudTrailKeys::new(double.aws());
    let until = since().plus_seconds(3600);
    assert_eq!(keys.key("eu-west-1", "f2", since(), until).await.unwrap().as_deref(), Some(b"key 2".as_slice()));
    assert_eq!(keys.key("eu-west-1", "f1", since(), until).await.unwrap().as_deref(), Some(b"key 1".as_slice()));
    assert_eq!(double.asked("ListPublicKeys").len(), 2, "what is known isn't asked again");
    double.on("ListPublicKeys", [Answer::Json(json!({"PublicKeyList": []}))]);
    assert_eq!(keys.key("us-east-1", "f1", since(), until).await.unwrap(), None, "each Region has its own");
    double.on("ListPublicKeys", [Answer::Error(400, "AccessDeniedException")]);
    assert_eq!(keys.key("us-east-1", "f1", since(), until).await.unwrap_err().kind, ErrorKind::Denied);
}

async fn changed(tables: &Tables, aws: &Arc<Aws>, records: &[Value]) -> Vec<String> {
    let state = AwsState(Arc::clone(aws));
    let queue: Option<MemoryQueue> = None;
    let auditor = ChangeAuditor::new(tables.observations(), state, queue, metrics("audit-changes"), Clock::At(now()));
    let bodies: Vec<String> = records.iter().map(history::envelope).collect();
    let messages: Vec<Message<'_>> = bodies.iter().map(|body| Message { id: "m", body }).collect();
    auditor.waiting(Duration::ZERO).take(Some(&own()), &messages).await.failed
}

#[tokio::test]
async fn a_guardrail_that_is_being_updated_is_read_again_until_it_is_ready() {
    let (tables, double) = (tables().await, Double::default());
    let get = "GET /guardrails/mine12345678";
    let answer = |status: &str| {
        Answer::Json(
            json!({"guardrailId": "mine12345678", "guardrailArn": GUARDRAIL, "name": "g", "version": "DRAFT", "status": status, "unheardOf": 1,
            "createdAt": "2026-11-01T00:00:00Z", "updatedAt": "2026-11-20T10:05:01Z", "blockedInputMessaging": "", "blockedOutputsMessaging": ""}),
        )
    };
    double.on(get, [answer("UPDATING"), answer("UPDATING"), answer("READY")]);
    assert_eq!(changed(&tables, &double.aws(), &[update(1, 5)]).await, Vec::<String>::new());
    assert_eq!(double.asked(get).len(), 3);
    let facts = facts_of(&tables, Source::Account, MEMBER, "2026-11-20T10:00:00Z").await;
    let state = facts.iter().find_map(|fact| if let Content::State(state) = fact { Some(state) } else { None }).unwrap();
    assert!(state.json.contains("READY") && state.json.contains("unheardOf"), "{}", state.json);
    double.on(get, [answer("UPDATING")]);
    assert_eq!(changed(&tables, &double.aws(), &[update(2, 6)]).await, ["m"], "what takes longer comes again");
    double.on(get, [Answer::Error(403, "AccessDeniedException")]);
    assert_eq!(changed(&tables, &double.aws(), &[update(3, 7)]).await, Vec::<String>::new(), "what may not be read is the hub's to read");
}

/// A hub whose AWS clients talk to a double, and the double.
async fn scripted() -> (Hub, Double) {
    let double = Double::default();
    double.lets_roles_be_assumed();
    (Hub::seeing_by(double.aws()).await, double)
}

#[tokio::test]
async fn the_organization_is_read_with_all_pages_and_what_changed_in_it_is_read_anew() {
    let (hub, double) = scripted().await;
    double.says("DescribeOrganization", json!({"Organization": {"Id": "o-exampleorgid", "MasterAccountId": MANAGEMENT, "Unheard": 1}}));
    double.says("ListRoots", json!({"Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}, {"Type": "UNHEARD_POLICY", "Status": "DAZZLED"}]}]}));
    let unit = json!({"OrganizationalUnits": [{"Id": "ou-ab12-prodprod", "Name": "prod"}]});
    double.on("ListOrganizationalUnitsForParent", [Answer::Json(unit), Answer::Json(json!({"OrganizationalUnits": []}))]);
    let account = |id: &str, next: Option<&str>| {
        Answer::Json(
            json!({"Accounts": [{"Id": id, "Name": id, "State": "BEWITCHED", "Status": "ACTIVE", "Unheard": 1}], "NextToken": next}),
        )
    };
    double.on("ListAccountsForParent", [account(MANAGEMENT, None), account(MEMBER, Some("t")), account("333344445555", None)]);
    let policies =
        |id: &str, next: Option<&str>| Answer::Json(json!({"Policies": [{"Id": id, "Type": "BEDROCK_POLICY"}], "NextToken": next}));
    double.on("ListPolicies", [policies("p-1", Some("t")), policies("p-2", None)]);
    let targets = |id: &str, next: Option<&str>| Answer::Json(json!({"Targets": [{"TargetId": id}], "NextToken": next}));
    double.on("ListTargetsForPolicy", [targets("r-ab12", Some("t")), targets(MEMBER, None), targets("ou-ab12-prodprod", None)]);
    let policy =
        |id: &str| Answer::Json(json!({"Policy": {"PolicySummary": {"Id": id, "Type": "BEDROCK_POLICY"}, "Content": "{}", "Unheard": 1}}));
    double.on("DescribePolicy", [policy("p-1"), policy("p-2")]);
    hub.task(&Task::Organization, "2026-11-20T10:00:00Z").await.unwrap();
    let (_, organization) = &hub.world("organization").await[0];
    let ids = |list: &str, key: &str| -> Vec<String> {
        organization[list].as_array().unwrap().iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("Accounts", "Id"), [MANAGEMENT, MEMBER, "333344445555"]);
    assert_eq!(ids("Attachments", "TargetId"), ["r-ab12", MEMBER, "ou-ab12-prodprod"]);
    assert_eq!((&organization["Accounts"][1]["Unheard"], &organization["Organization"]["Unheard"]), (&json!(1), &json!(1)));
    assert_eq!(hub.world("policies/").await.len(), 2);
    let tasks = hub.tasks();
    assert!(tasks.contains(&Task::Account { account: MEMBER.to_owned() }) && tasks.contains(&Task::InvalidPolicies { token: None }));

    // The policy is detached: the event makes the hub read again, and the effective policy is no longer known.
    let account = Task::Account { account: MEMBER.to_owned() };
    double.says(DESCRIBE, history::enforced_policy(GUARDRAIL));
    hub.task(&account, "2026-11-20T10:00:00Z").await.unwrap();
    double.on(DESCRIBE, [Answer::Error(400, "TooManyRequestsException")]);
    assert_eq!(hub.task(&account, "2026-11-20T11:00:00Z").await, Err(ErrorKind::Retryable));
    double.on(DESCRIBE, [Answer::Error(400, "EffectivePolicyNotFoundException")]);
    hub.task(&account, "2026-11-20T11:05:00Z").await.unwrap();
    let known: Vec<Value> = hub.world("effective-policies/").await.into_iter().map(|(_, json)| json["EffectivePolicy"].clone()).collect();
    assert_eq!(known.len(), 2);
    assert_eq!(known[1], Value::Null);
}

#[tokio::test]
async fn policies_that_aws_says_are_invalid_are_findings_until_aws_says_that_nothing_is_wrong() {
    let (hub, double) = scripted().await;
    for (path, json) in history::world(&history::enforced_policy(GUARDRAIL)) {
        hub.bucket.put(&format!("world/{path}"), json).await.unwrap();
    }
    let page =
        |id: &str, next: Option<&str>| Answer::Json(json!({"Accounts": [{"Id": id}], "PolicyType": "BEDROCK_POLICY", "NextToken": next}));
    let list = "ListAccountsWithInvalidEffectivePolicy";
    double.on(list, [page(MEMBER, Some("t")), Answer::Error(400, "TooManyRequestsException")]);
    hub.task(&Task::InvalidPolicies { token: None }, "2026-11-20T10:00:00Z").await.unwrap();
    let tasks = hub.tasks();
    let next = Task::InvalidPolicies { token: Some("t".to_owned()) };
    let of_member = Task::PolicyValidation { account: MEMBER.to_owned() };
    assert_eq!(tasks, [of_member.clone(), next.clone()]);
    assert_eq!(hub.task(&next, "2026-11-20T10:00:10Z").await, Err(ErrorKind::Retryable), "it goes on where it was");
    double.on(list, [page("333344445555", None)]);
    hub.task(&next, "2026-11-20T10:05:00Z").await.unwrap();
    assert_eq!(double.asked(list).last().unwrap().parameter("NextToken").as_deref(), Some("t"));
    assert_eq!(hub.tasks(), [Task::PolicyValidation { account: "333344445555".to_owned() }]);

    let said = |errors: Value, at: f64| json!({"AccountId": MEMBER, "PolicyType": "BEDROCK_POLICY", "EvaluationTimestamp": at, "EffectivePolicyValidationErrors": errors});
    double.says(VALIDATION, said(json!([error("KEY_REQUIRED")]), 1_795_168_000.0));
    hub.task(&of_member, "2026-11-20T10:00:20Z").await.unwrap();
    double.says(VALIDATION, said(json!([error("KEY_REQUIRED")]), 1_795_169_000.0));
    hub.task(&of_member, "2026-11-20T10:30:00Z").await.unwrap();
    assert_eq!(hub.world("invalid-policies/").await.len(), 1, "evaluated again, and the same again");
    let fold = hub.tables.fold(&hub.bucket, crate::cross_account_reader::organization());
    hub.tables.fold_all(&fold).await;
    let invalid = async || {
        let found = hub.tables.all_findings().await;
        found.into_iter().find(|finding| finding.rule == "policy-invalid").map(|finding| (finding.status, finding.detail))
    };
    let (status, detail) = invalid().await.unwrap();
    assert_eq!(status, audit_core::finding::Status::Open);
    assert!(detail.contains("KEY_REQUIRED at /bedrock: scripted (p-1)"), "{detail}");

    // The account is no longer listed. That alone proves nothing, so the hub asks about it once more, because its policy was invalid.
    let organization: Value = serde_json::from_slice(&history::bare_world()[0].1).unwrap();
    double.says("DescribeOrganization", organization.clone());
    double.says("ListRoots", json!({"Roots": []}));
    double.says("ListPolicies", json!({"Policies": []}));
    hub.task(&Task::Organization, "2026-11-20T12:00:00Z").await.unwrap();
    assert!(hub.tasks().contains(&of_member));
    double.says(VALIDATION, said(json!([]), 1_795_176_000.0));
    hub.task(&of_member, "2026-11-20T12:00:00Z").await.unwrap();
    hub.tables.fold_all(&fold).await;
    assert_eq!(invalid().await.unwrap().0, audit_core::finding::Status::Resolved);
    hub.task(&Task::Organization, "2026-11-20T13:00:00Z").await.unwrap();
    assert!(!hub.tasks().contains(&of_member), "what is right isn't asked about any more");
}

#[tokio::test]
async fn a_guardrail_that_is_listed_no_longer_is_found_to_be_gone() {
    let (hub, double) = scripted().await;
    let known = format!("guardrails/{MEMBER}/us-east-1/mine12345678/1");
    hub.bucket
        .put(&format!("world/{known}@20261120T090000Z.json"), br#"{"guardrailId": "mine12345678", "version": "1"}"#.to_vec())
        .await
        .unwrap();
    double.says("GET /guardrails", json!({"guardrails": []}));
    double.on("GET /guardrails/mine12345678", [Answer::Error(404, "ResourceNotFoundException")]);
    for (operation, answer) in [
        ("GET /enforcedGuardrailsConfiguration", json!({"guardrailsConfig": []})),
        ("DescribeTrails", json!({"trailList": []})),
        ("GET /logging/modelinvocations", json!({})),
        ("GET /inference-profiles", json!({"inferenceProfileSummaries": []})),
        ("POST /agents", json!({"agentSummaries": []})),
        ("POST /agents/", json!({"agentSummaries": []})),
        ("GET /flows", json!({"flowSummaries": []})),
        ("GET /flows/", json!({"flowSummaries": []})),
        ("LookupEvents", json!({"Events": []})),
    ] {
        double.says(operation, answer);
    }
    let account_region = Task::AccountRegion { account: MEMBER.to_owned(), region: "us-east-1".to_owned() };
    hub.task(&account_region, "2026-11-20T10:00:00Z").await.unwrap();
    let (key, gone) = hub.world(&known).await.pop().unwrap();
    assert_eq!((key.ends_with("@20261120T100000Z.json"), gone), (true, json!({"guardrailId": null})));
    hub.task(&account_region, "2026-11-20T11:00:00Z").await.unwrap();
    assert_eq!(double.asked("GET /guardrails/mine12345678").len(), 1, "what is known to be gone isn't asked about again");
    // An answer that the world can't use is not written.
    double.says("GET /enforcedGuardrailsConfiguration", json!({"guardrailsConfiguration": "elsewhere"}));
    assert_eq!(hub.task(&account_region, "2026-11-20T12:00:00Z").await, Err(ErrorKind::Retryable));
    let configurations = hub.world("enforced-configurations/").await;
    assert_eq!(configurations.len(), 1, "{configurations:?}");
}

/// Answers of Organizations contain the e-mail addresses of root users; a world must not.
#[tokio::test]
async fn e_mail_addresses_stay_out_of_the_world() {
    let double = Double::default();
    double.says(
        "DescribeOrganization",
        json!({"Organization": {"Id": "o-exampleorgid", "MasterAccountId": MANAGEMENT, "MasterAccountEmail": "root@example.com"}}),
    );
    double.says(
        "ListRoots",
        json!({"Roots": [{"Id": "r-ab12", "Name": "Root", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}]}),
    );
    double.says("ListOrganizationalUnitsForParent", json!({"OrganizationalUnits": []}));
    let account = json!({"Id": MEMBER, "Name": "shop", "Email": "shop@example.com", "State": "ACTIVE", "Unheard": {"Of": 1, "contactEmail": "x@example.com"}});
    double.says("ListAccountsForParent", json!({"Accounts": [account]}));
    double.says("ListPolicies", json!({"Policies": []}));
    let organization = read(&double, &Question::Organization).await.unwrap();
    assert!(!organization.to_string().contains("example.com"), "{organization}");
    let expected = json!({"Id": MEMBER, "Name": "shop", "State": "ACTIVE", "Unheard": {"Of": 1}, "ParentId": "r-ab12"});
    assert_eq!(organization["Accounts"], json!([expected]), "and the rest is there");
    assert_eq!(organization["Roots"][0]["PolicyTypes"][0]["Status"], "ENABLED");
}

/// The heartbeat reports the counts of dead-letter queues in its session name, and is sent even if the counts can't be read.
#[tokio::test]
async fn the_heart_beats_and_tells_of_dead_letters() {
    let double = Double::default();
    double.lets_roles_be_assumed();
    let queues = ["calls", "undelivered"].map(|name| (name.to_owned(), format!("https://sqs.us-east-1.amazonaws.com/{MEMBER}/{name}")));
    let heartbeat = Heartbeat::new(double.aws(), HEARTBEAT_ROLE.to_owned(), "us-east-1".to_owned(), queues.into());
    // One of them was received in vain, and is hidden for a while.
    let count = |number: &str| {
        let hidden = if number == "2" { "1" } else { "0" };
        Answer::Json(json!({"Attributes": {"ApproximateNumberOfMessages": number, "ApproximateNumberOfMessagesNotVisible": hidden}}))
    };
    double.on("POST /model/guardrail-audit.heartbeat/converse", [Answer::Error(403, "AccessDeniedException")]);
    let function = format!("arn:aws:lambda:us-east-1:{MEMBER}:function:guardrail-audit-changes");
    for (answers, session) in [
        (vec![count("0"), count("0")], "guardrail-audit"),
        (vec![count("2"), count("0")], "calls=3"),
        (vec![count("0"), Answer::Error(400, "AccessDeniedException")], "undelivered=unread"),
    ] {
        double.on("GetQueueAttributes", answers);
        heartbeat.beat(&function, &heartbeat.dead_letters().await).await.unwrap();
        let assumed = double.asked("AssumeRole");
        let form = assumed.last().unwrap();
        assert_eq!(form.form["RoleSessionName"], session);
        assert_eq!(form.form["RoleArn"], format!("arn:aws:iam::{MEMBER}:role/guardrail-audit/guardrail-audit-heartbeat"));
    }
}

/// The requests to event history for one event, by its id.
#[tokio::test]
async fn an_event_is_looked_up_by_its_id() {
    let double = Double::default();
    double.lets_roles_be_assumed();
    double.on(
        "LookupEvents",
        [Answer::Json(json!({"Events": [{"EventId": "e1", "CloudTrailEvent": "{}"}]})), Answer::Json(json!({"Events": []}))],
    );
    let reader = ReaderRoles::new(double.aws(), "/guardrail-audit/guardrail-audit-reader".to_owned());
    let account_region = AccountRegion::new(MEMBER, "us-east-1");
    assert_eq!(reader.event(&account_region, "e1").await.unwrap().as_deref(), Some("{}"));
    assert_eq!(reader.event(&account_region, "e2").await.unwrap(), None);
    let asked = double.asked("LookupEvents");
    assert_eq!(asked[0].body["LookupAttributes"], json!([{"AttributeKey": "EventId", "AttributeValue": "e1"}]));
}
