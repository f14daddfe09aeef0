//! Policies, with their lints.

use serde_json::json;

use super::{
    super::{MOST_CHARACTERS, lint},
    *,
};

const GUARDRAIL: &str = "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:1";

fn policy(configuration: &Value) -> Value {
    json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": configuration}}}})
}

fn kinds(document: &Value) -> Vec<&'static str> {
    let lints = lint(&document.to_string(), Some(&"111122223333".into())).unwrap();
    lints.into_iter().filter(|lint| lint.kind != "open-to-overrides").map(|lint| lint.kind).collect()
}

fn excluding(model: &str) -> Value {
    policy(&json!({"identifier": {"@@assign": GUARDRAIL},
        "model_enforcement": {"included_models": {"@@assign": ["ALL"]}, "excluded_models": {"@@assign": [model]}}}))
}

#[test]
fn ids_of_models_have_their_documented_form() {
    for model in ["anthropic.claude-3-haiku-20240307-v1:0", "amazon.nova-pro-v1:0:300k", "cohere.embed-english-v3", "a.one/abcdef123456"] {
        assert_eq!(kinds(&excluding(model)), [] as [&str; 0], "{model}");
    }
}

#[test]
fn a_sound_policy_has_no_lints() {
    let sound = policy(&json!({"identifier": {"@@assign": GUARDRAIL},
        "selective_content_guarding": {"system": {"@@assign": "comprehensive"}},
        "model_enforcement": {"included_models": {"@@assign": ["ALL"]}, "excluded_models": {"@@assign": ["cohere.embed-english-v3"]}}}));
    assert_eq!(kinds(&sound), [] as [&str; 0]);
}

#[test]
fn each_mistake_has_its_lint() {
    let assign = |value: &str| json!({"identifier": {"@@assign": value}});
    for (document, expected) in [
        (policy(&assign(&GUARDRAIL.replace("efgh:1", "efgh:DRAFT"))), "draft-version"),
        (policy(&assign(&GUARDRAIL.replace("us-east-1", "eu-west-1"))), "other-region"),
        (policy(&assign("abcd1234efgh")), "malformed-identifier"),
        (policy(&assign(&GUARDRAIL.replace("111122223333", "999999999999"))), "foreign-owner"),
        (policy(&json!({"identifier": GUARDRAIL})), "no-operator"),
        (policy(&json!({"identifier": {"@@append": [GUARDRAIL]}})), "operator-on-text"),
        (policy(&json!({"identifier": {"@@assign": GUARDRAIL}, "mode": {"@@assign": "detect"}})), "unknown-key"),
        (policy(&json!({"identifier": {"@@assign": GUARDRAIL, "@@asign": 1}})), "unknown-operator"),
        (policy(&json!({"identifier": {"@@assign": GUARDRAIL, CONTROL: ["none"]}})), "malformed-control"),
        (policy(&json!({"identifier": {"@@assign": GUARDRAIL, CONTROL: ["@@none", "@@assign"]}})), "contradictory-control"),
        (policy(&json!({"identifier": {"@@assign": GUARDRAIL}, "input_tags": {"@@assign": "honor"}})), "superseded-syntax"),
        (policy(&json!({"identifier": {"@@assign": GUARDRAIL}, "selective_content_guarding": {}})), "empty-guarding"),
        (
            policy(&json!({"identifier": {"@@assign": GUARDRAIL}, "selective_content_guarding": {"system": {"@@assign": "SELECTIVE"}}})),
            "unknown-value",
        ),
        (
            policy(&json!({"identifier": {"@@assign": GUARDRAIL}, "selective_content_guarding": {"system": {"@@assign": "selective"}}})),
            "selective",
        ),
        (policy(&json!({"selective_content_guarding": {"system": {"@@assign": "comprehensive"}}})), "no-identifier"),
        (
            policy(&json!({"identifier": {"@@assign": GUARDRAIL}, "model_enforcement": {"included_models": {"@@assign": ["ALL"]}}})),
            "missing-list",
        ),
        (
            policy(
                &json!({"identifier": {"@@assign": GUARDRAIL}, "model_enforcement": {"included_models": {"@@assign": "ALL"}, "excluded_models": {"@@assign": []}}}),
            ),
            "wrong-type",
        ),
        (
            policy(
                &json!({"identifier": {"@@assign": GUARDRAIL}, "model_enforcement": {"included_models": {"@@assign": ["us.anthropic.claude-v2"]}, "excluded_models": {"@@assign": []}}}),
            ),
            "not-a-model-id",
        ),
        (json!({"bedrock": {"guardrail_inference": {"virginia": {"c": {"identifier": {"@@assign": GUARDRAIL}}}}}}), "unknown-region"),
        (
            json!({"bedrock": {"guardrail_inference": {"us-east-1": {"a": {"identifier": {"@@assign": GUARDRAIL}}, "b": {"identifier": {"@@assign": GUARDRAIL}}}}}}),
            "several-configurations",
        ),
        (json!({"bedrok": {}}), "demands-nothing"),
        (json!({"bedrok": {}}), "unknown-key"),
        (
            policy(
                &json!({"identifier": {"@@assign": GUARDRAIL}, "model_enforcement": {"included_models": {"@@assign": []}, "excluded_models": {"@@assign": []}}}),
            ),
            "empty-list",
        ),
        (policy(&json!({"identifier": {"@@assign": GUARDRAIL}, "input_tags": {"@@assign": "honor"}})), "selective"),
        (json!({"bedrock": {"guardrail_inference": {}}}), "demands-nothing"),
        (json!({"bedrock": {"guardrail_inference": {"us-east-1": {}}}}), "demands-nothing"),
        (policy(&assign(&GUARDRAIL.replace("efgh:1", "efgh:01"))), "malformed-identifier"),
        (policy(&assign(&GUARDRAIL.replace("efgh:1", "efgh:123456789"))), "malformed-identifier"),
        (policy(&assign(&GUARDRAIL.replace("efgh:1", "efgh:+1"))), "malformed-identifier"),
        (policy(&assign(&GUARDRAIL.replace("111122223333", "1111"))), "malformed-identifier"),
        (excluding("anthropic.claude-*"), "not-a-model-id"),
        (excluding("anthropic.Claude"), "not-a-model-id"),
        (excluding("anthropic.claude:1:2:3"), "not-a-model-id"),
        (excluding("amazon.titan/short"), "not-a-model-id"),
        (excluding("deepseek.v3.2"), "not-a-model-id"),
        (json!([]), "not-an-object"),
        (json!({"bedrock": {"guardrail_inference": {"@@assign": 1}}}), "misplaced-operator"),
    ] {
        assert!(kinds(&document).contains(&expected), "{expected}: {document}: {:?}", kinds(&document));
    }
    let long = format!("{}{}", policy(&json!({"identifier": {"@@assign": GUARDRAIL}})), " ".repeat(MOST_CHARACTERS));
    assert_eq!(lint(&long, None).unwrap()[0].kind, "over-size-limit");
    assert_eq!(lint(r#"{"bedrock": {}, "bedrock": {}}"#, None).unwrap()[0].kind, "duplicate-key");
    assert!(lint("{", None).is_err());
}

#[test]
fn it_says_where_an_override_could_enter() {
    let locked_identifier = policy(&json!({"identifier": {"@@assign": GUARDRAIL, CONTROL: ["@@none"]}}));
    let lints = lint(&locked_identifier.to_string(), None).unwrap();
    let open = lints.iter().find(|lint| lint.kind == "open-to-overrides").unwrap();
    assert!(
        open.message.contains("/bedrock/guardrail_inference/us-east-1/config_1,") || open.message.contains("/us-east-1/config_1:"),
        "{}",
        open.message
    );
    assert!(!open.message.contains("/identifier"));
    assert_eq!(lints.len(), 1);
}
