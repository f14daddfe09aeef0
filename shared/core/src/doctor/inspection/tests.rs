//! Records, with the answers that they give.

use serde_json::json;

use super::*;

const OWNER: &str = "111122223333";
const MEMBER: &str = "222233334444";

fn record(account: &str, name: &str, id: &str, request: &str) -> Value {
    json!({"eventSource": "bedrock.amazonaws.com", "eventName": name, "eventID": id, "requestID": request, "eventType": "AwsApiCall",
        "eventTime": "2026-11-20T10:00:00Z", "awsRegion": "us-east-1", "recipientAccountId": account, "readOnly": true,
        "userIdentity": {"arn": "arn:aws:iam::222233334444:role/app", "accountId": account},
        "requestParameters": {"modelId": "us.amazon.nova-pro-v1:0"}})
}

fn evaluation(account: &str, id: &str, request: &str, requested: &str, source: &str) -> Value {
    let mut record = record(account, "ApplyGuardrail", id, request);
    record["eventCategory"] = json!("Data");
    record["requestParameters"] = json!({"guardrailIdentifier": requested, "guardrailVersion": requested, "source": source});
    record["responseElements"] = json!({"action": "NONE"});
    let arn = format!("arn:aws:bedrock:us-east-1:{OWNER}:guardrail/abcd1234efgh");
    record["resources"] = json!([{"type": "AWS::Bedrock::Guardrail", "accountId": OWNER, "ARN": arn}]);
    record
}

fn answers(records: &[Value]) -> BTreeMap<&'static str, Answer> {
    let inspect = |records: &mut dyn Iterator<Item = &Value>| {
        let mut inspection = Inspection::default();
        records.for_each(|record| inspection.value(record.to_string().as_bytes()));
        inspection.answers()
    };
    let answers = inspect(&mut records.iter());
    assert_eq!(answers, inspect(&mut records.iter().rev().chain(records)), "order and copies change nothing");
    answers.into_iter().map(|answer| (answer.id, answer)).collect()
}

fn answered(records: &[Value], id: &str) -> Conclusion {
    answers(records)[id].conclusion
}

#[test]
fn nothing_settles_nothing() {
    let answers = answers(&[json!({"eventName": "GetObject"}), json!([1]), json!({"detail": 7})]);
    assert!(answers.values().all(|answer| answer.conclusion == Conclusion::NotSeen && answer.yes_example.is_none()));
    assert!(answers.len() > 15);
}

#[test]
fn an_enforced_evaluation_inside_a_call_settles_most() {
    let seen = answers(&[
        record(MEMBER, "Converse", "c1", "r1"),
        evaluation(MEMBER, "e1", "r1", "ENFORCED", "INPUT"),
        evaluation(MEMBER, "e2", "r1", "ENFORCED", "OUTPUT"),
    ]);
    for id in [
        "enforced-marker",
        "evaluation-resources",
        "request-id-joins",
        "evaluations-per-call",
        "evaluations-without-intervention",
        "profiles-evaluated",
        "calls-read-only",
    ] {
        assert_eq!(seen[id].conclusion, Conclusion::Yes, "{id}");
    }
    assert_eq!((seen["enforced-marker"].yes, seen["enforced-marker"].yes_example.as_deref()), (2, Some("e1")));
    assert_eq!(seen["enforced-marker"].detail.as_deref(), Some("2 of them by a guardrail that another account owns"));
    assert_eq!(seen["evaluations-per-call"].detail.as_deref(), Some("1 of INPUT, 1 of OUTPUT"));
    assert_eq!(seen["owner-copy"].conclusion, Conclusion::NotSeen, "the owner's own records aren't here");
    assert_eq!(seen["converse-names-guardrail"].conclusion, Conclusion::NotSeen, "nobody asked for one");
}

#[test]
fn request_ids_that_differ_are_settled_only_beside_a_call() {
    let foreign = evaluation(MEMBER, "e1", "other", "ENFORCED", "INPUT");
    assert_eq!(answered(std::slice::from_ref(&foreign), "request-id-joins"), Conclusion::NotSeen, "no call was seen");
    let mut earlier = record(MEMBER, "Converse", "c1", "r1");
    earlier["eventTime"] = json!("2026-11-20T08:00:00Z");
    assert_eq!(answered(&[foreign.clone(), earlier], "request-id-joins"), Conclusion::NotSeen, "that call is another one");
    let call = record(MEMBER, "Converse", "c2", "r2");
    assert_eq!(answered(&[foreign, call.clone()], "request-id-joins"), Conclusion::No);
    let direct = evaluation(MEMBER, "e2", "own", "abcd1234efgh", "INPUT");
    assert_eq!(answered(&[direct, call], "request-id-joins"), Conclusion::NotSeen, "a direct evaluation has a request of its own");
}

#[test]
fn whether_a_call_names_its_guardrail_is_settled_by_one_that_had_one() {
    let mut named = record(MEMBER, "InvokeModel", "c1", "r1");
    named["requestParameters"]["guardrailIdentifier"] = json!("abcd1234efgh");
    assert_eq!(answered(&[named], "invoke-names-guardrail"), Conclusion::Yes);
    let asked = [record(MEMBER, "Converse", "c1", "r1"), evaluation(MEMBER, "e1", "r1", "abcd1234efgh", "INPUT")];
    assert_eq!(answered(&asked, "converse-names-guardrail"), Conclusion::No);
    let mut named = record(MEMBER, "Converse", "c2", "r2");
    named["requestParameters"]["guardrailConfig"] = json!({"guardrailIdentifier": "abcd1234efgh"});
    assert_eq!(answered(&[&asked[..], &[named]].concat(), "converse-names-guardrail"), Conclusion::Both);
}

#[test]
fn copies_for_owners_are_seen_by_their_shared_id_or_missed_where_they_would_show() {
    let shared = |account: &str, id: &str| {
        let mut copy = evaluation(MEMBER, id, "r1", "ENFORCED", "INPUT");
        copy["recipientAccountId"] = json!(account);
        copy["sharedEventID"] = json!("s1");
        copy
    };
    assert_eq!(answered(&[shared(MEMBER, "e1"), shared(OWNER, "e2")], "owner-copy"), Conclusion::Yes);
    let (of_member, of_owner) = (shared(MEMBER, "e1"), evaluation(OWNER, "e3", "r3", "ENFORCED", "INPUT"));
    assert_eq!(answered(&[of_member, of_owner.clone()], "owner-copy"), Conclusion::No);
    assert_eq!(answered(&[of_owner], "owner-copy"), Conclusion::NotSeen, "its own guardrail evaluated its own call");
    let mut of_another = evaluation(MEMBER, "e5", "r5", "ENFORCED", "INPUT");
    of_another["resources"][0]["ARN"] = json!("arn:aws:bedrock:us-east-1:999988887777:guardrail/abcd1234efgh");
    of_another["resources"][0]["accountId"] = json!("999988887777");
    let of_member = evaluation(MEMBER, "e1", "r1", "ENFORCED", "INPUT");
    assert_eq!(answered(&[of_member, of_another], "owner-copy"), Conclusion::NotSeen, "no owner's own evaluations are recorded");
    let mut copy = evaluation(OWNER, "e4", "r1", "ENFORCED", "INPUT");
    copy["userIdentity"]["accountId"] = json!(MEMBER);
    assert_eq!(answered(&[copy], "owner-copy"), Conclusion::Yes, "a member's call, in the owner's records");
}

#[test]
fn changes_show_or_hide_what_they_set() {
    let with = |name: &str, id: &str, parameters: Value| {
        let mut record = record(MEMBER, name, id, id);
        record["requestParameters"] = parameters;
        record
    };
    let shown = with(CONFIGURATION, "p1", json!({"guardrailInferenceConfig": {"guardrailIdentifier": "abcd1234efgh"}}));
    let hidden = with(CONFIGURATION, "p2", json!({"guardrailInferenceConfig": HIDDEN}));
    assert_eq!(answered(std::slice::from_ref(&shown), "configuration-shown"), Conclusion::Yes);
    assert_eq!(answered(std::slice::from_ref(&hidden), "configuration-shown"), Conclusion::No);
    let mut refused = hidden.clone();
    refused["errorCode"] = json!("AccessDenied");
    assert_eq!(answered(&[refused], "configuration-shown"), Conclusion::NotSeen, "it set nothing");
    let arn = "arn:aws:bedrock:us-east-1:1:guardrail/a";
    assert_eq!(
        answered(&[with(RESOURCE_POLICY, "p", json!({"resourceArn": arn, "resourcePolicy": HIDDEN}))], "resource-policy-shown"),
        Conclusion::No
    );
    let secret = with(RESOURCE_POLICY, "p", json!({"resourceArn": "arn:aws:secretsmanager:us-east-1:1:secret:a", "resourcePolicy": "{}"}));
    assert_eq!(answered(&[secret], "resource-policy-shown"), Conclusion::NotSeen, "another service's");
    let update = with("UpdateGuardrail", "u", json!({"guardrailIdentifier": "a", "name": HIDDEN}));
    assert_eq!(answered(&[update], "guardrail-content-shown"), Conclusion::No);
}

#[test]
fn other_endpoints_are_settled_where_enforcement_is_seen() {
    let asynchronous = record(MEMBER, "StartAsyncInvoke", "a1", "r9");
    assert_eq!(answered(std::slice::from_ref(&asynchronous), "other-endpoints-evaluated"), Conclusion::NotSeen, "nothing may be enforced");
    let enforced = [record(MEMBER, "Converse", "c1", "r1"), evaluation(MEMBER, "e1", "r1", "ENFORCED", "INPUT")];
    assert_eq!(answered(&[&enforced[..], std::slice::from_ref(&asynchronous)].concat(), "other-endpoints-evaluated"), Conclusion::No);
    let guarded = [asynchronous, evaluation(MEMBER, "e9", "r9", "ENFORCED", "INPUT")];
    assert_eq!(answered(&guarded, "other-endpoints-evaluated"), Conclusion::Yes);
}

#[test]
fn calls_of_other_clients_are_settled_by_their_evaluations() {
    let enforced = [record(MEMBER, "Converse", "c1", "r1"), evaluation(MEMBER, "e1", "r1", "ENFORCED", "INPUT")];
    let by = |agent: &str, id: &str, request: &str| {
        let mut call = record(MEMBER, "InvokeModel", id, request);
        call["userAgent"] = json!(agent);
        call
    };
    let curl = [by("curl/8.5.0", "o1", "r2")];
    assert_eq!(answered(&curl, "other-clients-evaluated"), Conclusion::NotSeen, "nothing may be enforced");
    assert_eq!(answered(&[&enforced[..], &curl].concat(), "other-clients-evaluated"), Conclusion::No);
    let guarded = [&curl[..], &[evaluation(MEMBER, "e2", "r2", "ENFORCED", "INPUT")]].concat();
    assert_eq!(answered(&guarded, "other-clients-evaluated"), Conclusion::Yes);
    let sdk = [&enforced[..], &[by("aws-sdk-go-v2/1.30.0", "o2", "r3")]].concat();
    assert_eq!(answered(&sdk, "other-clients-evaluated"), Conclusion::NotSeen, "an AWS SDK creates no responses");
    let seen = answers(&[by("AsyncOpenAI/Python 2.1.0", "o1", "r1"), by("litellm/1.70.0", "o2", "r2")]);
    assert_eq!(seen["openai-event-names"].detail.as_deref(), Some("InvokeModel (2)"));
}

#[test]
fn clients_streams_and_envelopes_are_told_apart() {
    let mut openai = record(MEMBER, "InvokeModel", "o1", "r1");
    openai["userAgent"] = json!("OpenAI/Python 1.50.0");
    let mut ended = record(MEMBER, "ConverseStream", "s1", "r2");
    ended["eventType"] = json!("AwsServiceEvent");
    ended["serviceEventDetails"] = json!({"parentRequestId": "r1"});
    let envelope = json!({"detail-type": "AWS API Call via CloudTrail", "detail": evaluation(MEMBER, "e1", "r1", "ENFORCED", "INPUT")});
    let history = json!({"EventName": "Converse", "CloudTrailEvent": record(MEMBER, "Converse", "c1", "r3").to_string()});
    let seen = answers(&[openai, ended, envelope, history]);
    assert_eq!(seen["openai-event-names"].detail.as_deref(), Some("InvokeModel (1)"));
    assert_eq!(seen["stream-completion"].yes, 1);
    assert_eq!(seen["data-events-on-bus"].conclusion, Conclusion::Yes);
    assert_eq!(seen["calls-read-only"].yes, 2, "what a service reports of itself is no call");
}
