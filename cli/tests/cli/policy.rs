//! `guardrail-audit policy`

use super::runner::{assert_shown, at, demo, folder, run};

#[test]
fn the_effective_policy_of_an_account() {
    let world = demo("world");
    assert_shown!("policy_effective", run(&["policy", "effective", "--world", &world, "--account", "101010101010"]).shown());
    let unknown = run(&["policy", "effective", "--world", &world, "--account", "999999999999"]);
    assert!(unknown.code == 0 && unknown.stdout.is_empty() && unknown.stderr.contains("999999999999: not known"), "{}", unknown.stderr);
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
    let world = demo("world");
    let at = |time: &str| {
        let ran = run(&["policy", "effective", "--world", &world, "--account", "555566667777", "--at", time, "--format", "json"]);
        ran.json()["555566667777"].to_string()
    };
    // For two days another policy is attached to the account itself; the world knows it by its attachments.
    assert_eq!(at("2026-10-01T00:00:00Z"), at("2026-10-02T00:00:00Z"));
    let others = run(&["policy", "effective", "--world", &world, "--type", "TAG_POLICY", "--format", "json"]).json();
    assert!(others.as_object().unwrap().values().all(serde_json::Value::is_null), "{others}");
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
fn the_policies_of_a_world_are_linted_knowing_its_management_account() {
    let ran = run(&["policy", "lint", "--world", &demo("world"), "--format", "json"]);
    assert_eq!(ran.code, 0, "notes don't fail");
    assert!(ran.json().as_array().unwrap().iter().all(|lint| lint["level"] == "note"), "{}", ran.stdout);
    assert_eq!(run(&["policy", "lint"]).code, 2);
    assert_eq!(run(&["policy", "lint", "missing.json"]).code, 1);
}
