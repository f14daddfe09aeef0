//! `guardrail-audit guardrail diff`

use super::runner::{assert_shown, at, folder, run};

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
