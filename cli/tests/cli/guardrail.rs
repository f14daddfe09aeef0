//! `guardrail-audit guardrail diff`: which of two guardrails protects less.

use serde_json::json;

use super::runner::{Ran, assert_shown, at, folder, run};

const BEFORE: &[u8] = br#"{"name": "corporate", "guardrailId": "abcd1234efgh", "version": "3", "status": "READY", "kmsKeyArn": "arn:aws:kms:us-east-1:111122223333:key/1",
  "contentPolicy": {"filters": [
    {"type": "HATE", "inputStrength": "HIGH", "outputStrength": "HIGH"},
    {"type": "PROMPT_ATTACK", "inputStrength": "HIGH", "outputStrength": "NONE"}]},
  "sensitiveInformationPolicy": {"piiEntities": [{"type": "EMAIL", "action": "BLOCK"}]},
  "wordPolicy": {"managedWordLists": [{"type": "PROFANITY"}]},
  "contextualGroundingPolicy": {"filters": [{"type": "GROUNDING", "threshold": 0.6}]}}"#;

const AFTER: &[u8] = br#"{"name": "corporate", "guardrailId": "abcd1234efgh", "version": "4", "status": "READY",
  "contentPolicy": {"filters": [
    {"type": "HATE", "inputStrength": "HIGH", "outputStrength": "LOW"},
    {"type": "PROMPT_ATTACK", "inputStrength": "NONE", "outputStrength": "NONE"}]},
  "sensitiveInformationPolicy": {"piiEntities": [{"type": "EMAIL", "action": "ANONYMIZE"}]},
  "contextualGroundingPolicy": {"filters": [{"type": "GROUNDING", "threshold": 0.8}]}}"#;

#[test]
fn each_control_before_and_after() {
    let folder = folder(&[("3.json", BEFORE), ("4.json", AFTER), ("broken.json", b"{")]);
    let diff = |a: &str, b: &str| run(&["guardrail", "diff", &at(&folder, a), &at(&folder, b)]);
    assert_shown!("guardrail_diff", diff("3.json", "4.json").shown());
    let same = diff("3.json", "3.json");
    assert_eq!((same.code, same.stdout.as_str()), (0, "They protect alike.\n"));
    assert_eq!(diff("3.json", "broken.json").code, 1);
}

#[test]
fn only_what_is_weaker_fails() {
    let folder = folder(&[("none.json", br#"{"guardrailId": "abcd1234efgh", "version": "9"}"#), ("3.json", BEFORE)]);
    let diff = |a: &str, b: &str| run(&["guardrail", "diff", &at(&folder, a), &at(&folder, b), "--format", "json"]);
    let (up, down) = (diff("none.json", "3.json"), diff("3.json", "none.json"));
    assert_eq!((up.code, up.json()["comparison"].as_str()), (0, Some("stronger")));
    assert_eq!((down.code, down.json()["comparison"].as_str()), (3, Some("weaker")));
}

#[test]
fn only_guardrails_are_compared() {
    for other in ["{}", "[]", "null", "\"a\"", r#"{"Policy": {"Content": "x"}}"#] {
        let folder = folder(&[("a.json", other.as_bytes()), ("3.json", BEFORE), ("marked.json", &[b"\xef\xbb\xbf", BEFORE].concat())]);
        let diff = |a: &str, b: &str| run(&["guardrail", "diff", &at(&folder, a), &at(&folder, b)]);
        for ran in [diff("a.json", "a.json"), diff("3.json", "a.json"), diff("a.json", "3.json")] {
            assert!(
                ran.code == 1 && ran.stdout.is_empty() && ran.stderr.contains("not an answer of GetGuardrail"),
                "{other}: {}",
                ran.shown()
            );
        }
        assert_eq!(diff("3.json", "marked.json").code, 0);
    }
}

/// A guardrail that blocks hate, with `more` at the top level and `in_policy` in its content policy.
fn guardrail(more: &serde_json::Value, in_policy: &serde_json::Value) -> Vec<u8> {
    let mut json = json!({"guardrailId": "abcd1234efgh", "version": "3", "status": "READY",
        "contentPolicy": {"filters": [{"type": "HATE", "inputStrength": "HIGH", "outputStrength": "HIGH"}]}});
    json["contentPolicy"].as_object_mut().unwrap().extend(in_policy.as_object().unwrap().clone());
    json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json.to_string().into_bytes()
}

fn diff_of(before: &[u8], after: &[u8]) -> Ran {
    let folder = folder(&[("a.json", before), ("b.json", after)]);
    run(&["guardrail", "diff", &at(&folder, "a.json"), &at(&folder, "b.json")])
}

#[test]
fn what_is_not_known_is_never_alike() {
    let none = json!({});
    let plain = guardrail(&none, &none);
    let (enforce, monitor) = (guardrail(&none, &json!({"mode": "ENFORCE"})), guardrail(&none, &json!({"mode": "MONITOR"})));
    for (before, after) in [(&enforce, &monitor), (&plain, &monitor), (&enforce, &plain)] {
        let ran = diff_of(before, after);
        let says = "What changed can't be compared, so the second may protect less.";
        assert!(ran.code == 3 && ran.stdout.contains("contentPolicy.mode") && ran.stdout.contains(says), "{}", ran.shown());
    }
    let same = diff_of(&enforce, &enforce);
    assert_eq!(same.code, 0);
    assert!(!same.stdout.contains("They protect alike") && same.stdout.contains("contentPolicy.mode"), "{}", same.shown());
    let entries = |entries: &serde_json::Value| guardrail(&none, &json!({"customEntities": entries}));
    let lost = diff_of(&entries(&json!([{"name": "Project Bluebird"}])), &entries(&json!([])));
    assert!(lost.code == 3 && lost.stdout.contains("weaker") && lost.stdout.contains("contentPolicy.customEntities["), "{}", lost.shown());
    assert!(!lost.stdout.contains("luebird"), "a customer's text is never shown: {}", lost.shown());
}

#[test]
fn what_can_not_be_enforced_is_no_gain() {
    let none = json!({});
    let ready = guardrail(&none, &none);
    let reasoning = guardrail(
        &json!({"automatedReasoningPolicy": {"policies": ["arn:aws:bedrock:us-east-1:111122223333:automated-reasoning-policy/a:1"],
        "confidenceThreshold": 0.8}}),
        &none,
    );
    for (after, why) in [
        (reasoning.clone(), "The second holds an automated-reasoning policy"),
        (guardrail(&json!({"status": "FAILED"}), &none), "The second is FAILED"),
        (guardrail(&json!({"status": "UPDATING"}), &none), "The second is UPDATING"),
        (guardrail(&json!({"status": "DELETING"}), &none), "The second is DELETING"),
    ] {
        let ran = diff_of(&ready, &after);
        assert!(ran.code == 3 && ran.stdout.contains(why) && !ran.stdout.contains("protects more"), "{}", ran.shown());
    }
    assert_eq!(diff_of(&guardrail(&json!({"status": "FAILED"}), &none), &ready).code, 0, "it can be enforced now");
    assert_eq!(diff_of(&guardrail(&json!({"status": "VERSIONING"}), &none), &ready).code, 3, "what it said isn't settled");
    let both = diff_of(&reasoning, &reasoning);
    assert!(both.code == 0 && both.stdout.contains("calls would fail"), "{}", both.shown());
}

#[test]
fn requests_are_read_and_pages_refused() {
    let none = json!({});
    let request = json!({"name": "n", "blockedInputMessaging": "m", "blockedOutputsMessaging": "m",
        "contentPolicyConfig": {"filtersConfig": [{"type": "HATE", "inputStrength": "HIGH", "outputStrength": "LOW"}]}});
    let ran = diff_of(&guardrail(&none, &none), request.to_string().as_bytes());
    assert!(ran.code == 3 && ran.stdout.contains("content filter HATE on TEXT (output)"), "{}", ran.shown());
    let page = diff_of(&guardrail(&json!({"nextToken": "t"}), &none), &guardrail(&none, &none));
    assert!(page.code == 1 && page.stdout.is_empty() && page.stderr.contains("one page of a list"), "{}", page.shown());
    let list = diff_of(&guardrail(&none, &none), br#"{"guardrails": [{"id": "abcd1234efgh", "version": "1"}]}"#);
    assert!(list.code == 1 && list.stderr.contains("ListGuardrails") && list.stderr.contains("get-guardrail"), "{}", list.shown());
}
