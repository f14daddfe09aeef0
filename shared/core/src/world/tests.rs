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

/// Of the organization only what differs from the file before is read. What it says must not depend on which file that was.
#[test]
fn a_file_of_the_organization_says_the_same_whichever_was_read_before() {
    let file = |with: &[(&str, Value)]| {
        let mut file = json!({"Organization": {"Id": "o-1", "MasterAccountId": "111122223333"}, "Roots": [{"Id": "r-1"}],
            "OrganizationalUnits": [{"Id": "ou-1", "Name": "one", "ParentId": "r-1"}],
            "Accounts": [{"Id": "222233334444", "Name": "shop", "ParentId": "ou-1"}, {"Id": "111122223333", "Name": "hub", "ParentId": "r-1"}],
            "Attachments": [{"PolicyId": "p-1", "TargetId": "222233334444"}, {"PolicyId": "p-2", "TargetId": "ou-1"}]});
        for (member, value) in with {
            file[*member] = value.clone();
        }
        file.to_string()
    };
    let accounts = |accounts: Value| ("Accounts", accounts);
    let files = [
        file(&[]),
        file(&[("Attachments", json!([{"PolicyId": "p-2", "TargetId": "222233334444"}, {"PolicyId": "p-1", "TargetId": "222233334444"}]))]),
        file(&[("Attachments", json!([{"PolicyId": "p-1", "TargetId": "r-2"}]))]),
        file(&[("Attachments", json!(null))]),
        file(&[accounts(json!([{"Id": "222233334444", "Name": "moved", "ParentId": "r-1"}, {"Id": "333344445555", "ParentId": "ou-1"}]))]),
        file(&[accounts(json!([{"Id": "111122223333", "Name": "hub", "ParentId": "r-1"}]))]),
        file(&[accounts(json!([{"Id": "222233334444", "Name": "shop", "ParentId": "ou-2"}]))]),
        file(&[accounts(json!([{"Id": "222233334444", "name": "shop", "ParentId": "ou-1"}]))]),
        file(&[accounts(json!([{"Name": "none"}]))]),
        file(&[("OrganizationalUnits", json!([]))]),
        file(&[("NextToken", json!("more"))]),
        file(&[("Roots", json!([{"Id": "r-1", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}]))]),
        "{}".to_owned(),
        file(&[]).replace("\"Accounts\"", "\"accounts\""),
    ];
    let says = |world: &mut World, time: u8, file: &str| {
        let at = SnapshotPath::parse(&format!("organization@20261120T{time:02}0000Z.json")).unwrap();
        let added = world.add(&at, file.as_bytes()).map_err(|error| error.to_string());
        (added, world.latest_organization().cloned())
    };
    for (before, after) in files.iter().flat_map(|before| files.iter().map(move |after| (before, after))) {
        let mut world = World::default();
        let _ = says(&mut world, 10, before);
        let _ = says(&mut world, 11, after);
        // Twice, since what was read last may be a file of which only a part was.
        for time in [12, 13] {
            assert_eq!(says(&mut world, time, after), says(&mut World::default(), time, after), "{after} behind {before}");
        }
    }
}
