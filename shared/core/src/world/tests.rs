use serde_json::json;

use super::*;

#[test]
fn an_answer_that_does_not_belong_in_its_place_is_none() {
    let policy = |id: &str, content: &str| json!({"Policy": {"PolicySummary": {"Id": id, "Type": "BEDROCK_POLICY"}, "Content": content}});
    let guardrail = |id: &str, version: &str| json!({"guardrailId": id, "version": version});
    let described = |of: &str, kind: &str| json!({"EffectivePolicy": {"TargetId": of, "PolicyType": kind, "PolicyContent": "{}"}});
    let (guardrails, account) = ("guardrails/1/us-east-1/abc/2.json", "effective-policies/222233334444.json");
    for (path, answer, is_one) in [
        ("policies/p-1.json", policy("p-1", "{}"), true),
        ("policies/p-1.json", policy("p-2", "{}"), false),
        ("policies/p-1.json", policy("p-1", "[]"), false),
        (guardrails, guardrail("abc", "2"), true),
        (guardrails, json!({"guardrailId": null}), true),
        (guardrails, guardrail("abd", "2"), false),
        (guardrails, guardrail("abc", "DRAFT"), false),
        (guardrails, json!({"x": 1, "y": 2}), false),
        (guardrails, json!({}), false),
        (guardrails, json!([]), false),
        (account, described("222233334444", "BEDROCK_POLICY"), true),
        (account, json!({"EffectivePolicy": null}), true),
        (account, described("333344445555", "BEDROCK_POLICY"), false),
        (account, described("222233334444", "TAG_POLICY"), false),
        ("resource-policies/1/us-east-1/abc.json", json!({}), true),
        ("resource-policies/1/us-east-1/abc.json", json!([]), false),
        ("resource-policies/1/us-east-1/abc.json", json!({"Version": "2012-10-17", "Statement": []}), false),
        ("flows/1/us-east-1/F.json", json!({"id": "F"}), true),
        ("flows/1/us-east-1/F.json", json!({"flowSummaries": []}), false),
        ("telemetry/1/us-east-1.json", json!([]), true),
        ("telemetry/1/us-east-1.json", json!("x"), false),
        ("agents/1/us-east-1/A.json", json!({}), false),
        ("agents/1/us-east-1/A.json", json!([]), false),
    ] {
        let added = World::default().add(&SnapshotPath::parse(path).unwrap(), answer.to_string().as_bytes());
        assert_eq!(added.is_ok(), is_one, "{path}: {answer}");
    }
}

#[test]
fn what_can_not_be_used_is_not_what_was_there_before() {
    let mut world = testing::world(&[("guardrails/1/us-east-1/abc/2.json", json!({"guardrailId": "abc"}))]);
    let key = GuardrailKey { account: "1".into(), region: "us-east-1".into(), id: "abc".into() };
    let later = SnapshotPath::parse("guardrails/1/us-east-1/abc/2@20261120T050000Z.json").unwrap();
    assert!(world.add(&later, b"{").is_err());
    let state = world.resolve();
    let is_known =
        |hour| matches!(state.guardrail(&key.version(GuardrailVersion::Numbered(2)), testing::hour(hour)), InForce::Known(Some(_)));
    assert!(is_known(4) && !is_known(5));
}
