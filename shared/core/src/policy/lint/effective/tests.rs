//! Effective policies, with their lints.

use serde_json::{Value, json};

use super::{super::lint_effective, *};

const GUARDRAIL: &str = "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:1";

fn kinds(document: &Value) -> Vec<(Level, &'static str, String)> {
    let lints = lint_effective(&document.to_string(), Some(&"111122223333".into())).unwrap();
    lints.into_iter().map(|lint| (lint.level, lint.kind, lint.pointer)).collect()
}

fn policy(configuration: &Value) -> Value {
    json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": configuration}}}})
}

#[test]
fn plain_values_need_no_operators() {
    let sound = policy(&json!({"identifier": GUARDRAIL, "selective_content_guarding": {"system": "comprehensive"},
        "model_enforcement": {"included_models": ["ALL"], "excluded_models": []}}));
    assert_eq!(kinds(&sound), []);
}

#[test]
fn each_mistake_has_its_lint() {
    let at = "/bedrock/guardrail_inference/us-east-1/config_1";
    for (document, level, kind, pointer) in [
        (json!({}), Level::Error, "demands-nothing", ""),
        (json!({"bedrok": {}}), Level::Error, "unknown-key", "/bedrok"),
        (policy(&json!({"identifier": GUARDRAIL, "mode": "detect"})), Level::Error, "unknown-key", &format!("{at}/mode")),
        (policy(&json!({"identifier": GUARDRAIL.replace(":1", ":DRAFT")})), Level::Error, "draft-version", &format!("{at}/identifier")),
        (policy(&json!({"identifier": GUARDRAIL.replace("1111", "9999")})), Level::Error, "foreign-owner", &format!("{at}/identifier")),
        (policy(&json!({})), Level::Error, "malformed-identifier", at),
        (policy(&json!({"identifier": GUARDRAIL, "input_tags": "honor"})), Level::Note, "selective", at),
        (
            policy(&json!({"identifier": GUARDRAIL, "model_enforcement": {"included_models": [], "excluded_models": []}})),
            Level::Warning,
            "empty-list",
            &format!("{at}/model_enforcement/included_models"),
        ),
        (
            json!({"bedrock": {"guardrail_inference": {"us-east-1": {"a": {"identifier": GUARDRAIL}, "b": {"identifier": GUARDRAIL}}}}}),
            Level::Warning,
            "several-configurations",
            "/bedrock/guardrail_inference/us-east-1",
        ),
    ] {
        assert!(kinds(&document).contains(&(level, kind, pointer.to_owned())), "{kind}: {document}: {:?}", kinds(&document));
    }
}
