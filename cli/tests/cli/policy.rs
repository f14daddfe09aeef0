//! `guardrail-audit policy`

use serde_json::{Value, json};

use super::runner::{assert_shown, at, demo, folder, run};

#[test]
fn the_effective_policy_of_an_account() {
    let world = demo("world");
    assert_shown!("policy_effective", run(&["policy", "effective", "--world", &world, "--account", "101010101010"]).shown());
    let unknown = run(&["policy", "effective", "--world", &world, "--account", "999999999999"]);
    assert!(unknown.code == 2 && unknown.stdout.is_empty() && unknown.stderr.contains("nowhere in the world"), "{}", unknown.stderr);
}

#[test]
fn the_effective_policies_of_all_accounts_as_json() {
    let policies = run(&["policy", "effective", "--world", &demo("world"), "--format", "json"]).json();
    let policies = policies.as_object().unwrap();
    assert!(policies["111122223333"].is_null(), "no policy is null");
    assert!(policies["222233334444"]["bedrock"]["guardrail_inference"]["us-east-1"].is_object());
}

#[test]
fn the_effective_policy_changes_with_time_and_type() {
    let organization = json!({"Organization": {"Id": "o-exampleorgid", "MasterAccountId": "111122223333"},
        "Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}, {"Type": "TAG_POLICY", "Status": "ENABLED"}]}],
        "Accounts": [{"Id": "222233334444", "Name": "shop", "State": "ACTIVE", "ParentId": "r-ab12"}],
        "Attachments": [{"PolicyId": "p-bedrock1", "TargetId": "r-ab12", "AttachedAt": "2026-10-01T00:00:00Z"},
            {"PolicyId": "p-tags000001", "TargetId": "r-ab12", "AttachedAt": "2026-10-01T00:00:00Z"}]});
    let policy = |id: &str, policy_type: &str, content: &Value| {
        json!({"Policy": {"PolicySummary": {"Id": id, "Type": policy_type}, "Content": content.to_string()}}).to_string()
    };
    let guardrail = "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:3";
    let bedrock = json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifier": {"@@assign": guardrail}}}}}});
    let tags = json!({"tags": {"team": {"tag_key": {"@@assign": "team"}}}});
    let folder = folder(&[
        ("world/organization.json", organization.to_string().as_bytes()),
        ("world/policies/p-bedrock1.json", policy("p-bedrock1", "BEDROCK_POLICY", &bedrock).as_bytes()),
        ("world/policies/p-tags000001.json", policy("p-tags000001", "TAG_POLICY", &tags).as_bytes()),
    ]);
    let effective = |further: &[&str]| {
        let ran = run(&[&["policy", "effective", "--world", &at(&folder, "world"), "--format", "json"], further].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        ran.json()["222233334444"].clone()
    };
    let identifier = "/bedrock/guardrail_inference/us-east-1/config_1/identifier";
    assert!(effective(&["--at", "2026-09-30T23:59:59Z"]).is_null(), "before it was attached");
    assert_eq!(effective(&["--at", "2026-10-01T00:00:00Z"]).pointer(identifier), Some(&guardrail.into()));
    assert_eq!(effective(&[]).pointer(identifier), Some(&guardrail.into()));
    assert_eq!(effective(&["--type", "TAG_POLICY"]).pointer("/tags/team/tag_key"), Some(&"team".into()));
}

#[test]
fn lints_have_their_place() {
    let policy = br#"{
  "bedrock": {
    "guardrail_inference": {
      "us-east-1": {
        "config_1": {
          "identifier": {"@@assign": "arn:aws:bedrock:eu-west-1:111122223333:guardrail/abcd1234efgh:DRAFT"},
          "model_enforcment": {"included_models": {"@@assign": ["ALL"]}}
        }
      }
    }
  }
}
"#;
    let folder = folder(&[("policy.json", policy), ("broken.json", b"{\"bedrock\": ")]);
    let ran = run(&["policy", "lint", &at(&folder, "policy.json"), &at(&folder, "broken.json"), "--management-account", "999988887777"]);
    assert_eq!(ran.code, 3);
    assert_shown!("policy_lint", ran.shown());
    let json = run(&["policy", "lint", &at(&folder, "policy.json"), "--format", "json"]).json();
    assert!(
        json.as_array().unwrap().iter().all(|lint| lint["line"].is_u64() && lint["column"].is_u64() && lint["kind"].is_string()),
        "{json}"
    );
}

#[test]
fn what_is_no_json_has_its_place_too() {
    let broken = "{\n  \"bedrock\": {\n    \"guardrail_inference\" {}\n  }\n}";
    let described = json!({"Policy": {"PolicySummary": {"Id": "p-1", "Type": "BEDROCK_POLICY"}, "Content": broken}}).to_string();
    let sound = json!({"bedrock": {"guardrail_inference": {"us-east-1": {"c": {"identifier":
        {"@@assign": "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:1"}}}}}});
    let folder = folder(&[
        ("broken.json", broken.as_bytes()),
        ("marked.json", &[b"\xef\xbb\xbf", sound.to_string().as_bytes()].concat()),
        ("world/policies/p-1.json", described.as_bytes()),
        ("world/policies/p-2.json", b"{"),
    ]);
    for arguments in [vec![at(&folder, "broken.json")], vec!["--world".to_owned(), at(&folder, "world")]] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ran = run(&[&["policy", "lint", "--format", "json"], &arguments[..]].concat());
        let lint = &ran.json()[0];
        assert_eq!((ran.code, &lint["kind"], &lint["line"], &lint["column"]), (3, &json!("not-json"), &json!(3), &json!(27)), "{lint}");
    }
    let of_world = run(&["policy", "lint", "--world", &at(&folder, "world"), "--format", "json"]);
    assert_eq!(of_world.json().as_array().unwrap().len(), 2, "{}", of_world.stdout);
    assert_eq!(run(&["policy", "lint", &at(&folder, "marked.json")]).code, 0);
}

#[test]
fn a_type_of_policy_that_nobody_knows_is_usage() {
    let world = demo("world");
    for (policy_type, code) in
        [("BEDROK_POLICY", 2), ("bedrock_policy", 2), ("SERVICE_CONTROL_POLICY", 2), ("TAG_POLICY", 0), ("GUARDDUTY_POLICY", 0)]
    {
        let ran = run(&["policy", "effective", "--world", &world, "--type", policy_type, "--format", "json"]);
        assert_eq!((ran.code, ran.stdout.is_empty()), (code, code == 2), "{policy_type}: {}", ran.stderr);
    }
    let policy = json!({"Policy": {"PolicySummary": {"Type": "FUTURE_POLICY"}, "Content": "{}"}}).to_string();
    let folder = folder(&[("policies/p-1.json", policy.as_bytes())]);
    let ran = run(&["policy", "effective", "--world", &at(&folder, ""), "--type", "FUTURE_POLICY"]);
    assert_eq!(ran.code, 0, "a type that the world has: {}", ran.stderr);
}

#[test]
fn the_policies_of_a_world_are_linted_knowing_its_management_account() {
    let ran = run(&["policy", "lint", "--world", &demo("world"), "--format", "json"]);
    assert_eq!(ran.code, 0, "notes don't fail");
    assert!(ran.json().as_array().unwrap().iter().all(|lint| lint["level"] == "note"), "{}", ran.stdout);
    assert_eq!(run(&["policy", "lint"]).code, 2);
    assert_eq!(run(&["policy", "lint", "missing.json"]).code, 1);
}
