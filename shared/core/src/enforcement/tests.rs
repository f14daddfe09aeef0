//! Enforcements as answers describe them, with the models that they mean.

use serde_json::{Value, json};

use super::*;
use crate::arn::{AccountId, GuardrailVersion, Region};

#[test]
fn all_empty_and_absent_included_models_mean_every_model() {
    let model = Model::parse("us.anthropic.claude-3-haiku-20240307-v1:0");
    for scope in [ModelScope::new(["ALL"], []), ModelScope::new([], []), ModelScope::new(["ALL", "a.one"], [])] {
        assert_eq!(scope.means(&model), Meant::Yes);
    }
    assert_eq!(ModelScope::new(["a.one"], []).means(&model), Meant::No);
    assert_eq!(ModelScope::new(["anthropic.claude-3-haiku-20240307-v1:0"], []).means(&model), Meant::Yes);
}

#[test]
fn a_model_in_both_lists_is_excluded() {
    let scope = ModelScope::new(["a.one"], ["a.one"]);
    assert_eq!(scope.means(&Model::parse("a.one")), Meant::No);
    assert_eq!(scope.means(&Model::parse("arn:aws:bedrock:us-east-1::foundation-model/a.one")), Meant::No);
}

#[test]
fn deployed_models_are_not_documented() {
    let imported = Model::parse("arn:aws:bedrock:us-east-1:1:imported-model/abc");
    assert_eq!(ModelScope::ALL.means(&imported), Meant::Undocumented);
}

#[test]
fn each_side_takes_the_weaker_reading() {
    use GuardingMode::{Comprehensive, NotKnown, Selective};
    for (configuration, system, messages) in [
        (json!({}), Comprehensive, Comprehensive),
        (json!({"selective_content_guarding": {"messages": "comprehensive"}}), Comprehensive, Comprehensive),
        (json!({"selective_content_guarding": {"system": "selective"}}), Selective, Comprehensive),
        (json!({"selective_content_guarding": {"messages": "selective"}}), Comprehensive, Selective),
        (json!({"selective_content_guarding": {"messages": "whatever"}}), Comprehensive, NotKnown),
        (json!({"selective_content_guarding": {"messages": "whatever", "system": "selective"}}), Selective, NotKnown),
        (json!({"selective_content_guarding": "selective"}), NotKnown, NotKnown),
        (json!({"input_tags": "ignore"}), Comprehensive, Comprehensive),
        (json!({"input_tags": "honor"}), Selective, Selective),
        (json!({"input_tags": "honor", "selective_content_guarding": {"system": "comprehensive"}}), Selective, Selective),
        (json!({"input_tags": "ignore", "selective_content_guarding": {"system": "selective"}}), Selective, Comprehensive),
    ] {
        assert_eq!(terms::POLICY.read(&configuration, &[]).guarding, Guarding { system, messages }, "{configuration}");
    }
}

#[test]
fn an_account_configuration_is_read_from_answers_and_from_requests() {
    let (account, region) = (AccountId::from("222233334444"), Region::from("us-east-1"));
    let answer = json!({"configId": "c1", "guardrailArn": "arn:aws:bedrock:us-east-1:222233334444:guardrail/abc", "guardrailId": "abc",
        "guardrailVersion": "2", "selectiveContentGuarding": {"system": "SELECTIVE"}, "owner": "ACCOUNT",
        "modelEnforcement": {"includedModels": ["ALL"], "excludedModels": ["a.one"]}});
    let read = Enforcement::from_configuration(&answer, &account, &region).unwrap();
    assert_eq!(read.guardrail.to_string(), "arn:aws:bedrock:us-east-1:222233334444:guardrail/abc:2");
    let selective_for_system = Guarding { system: GuardingMode::Selective, ..Guarding::COMPREHENSIVE };
    assert_eq!((read.guarding, read.models.means(&Model::parse("a.one"))), (selective_for_system, Meant::No));
    let request = json!({"guardrailIdentifier": "abc", "guardrailVersion": "2"});
    assert_eq!(Enforcement::from_configuration(&request, &account, &region).unwrap().guardrail, read.guardrail);
    for hidden in [
        json!({}),
        json!({"guardrailIdentifier": "HIDDEN_DUE_TO_SECURITY_REASONS", "guardrailVersion": "1"}),
        json!({"guardrailArn": "arn:aws:bedrock:us-east-1:222233334444:guardrail/abc", "guardrailId": "abd", "guardrailVersion": "1"}),
        json!({"guardrailArn": null, "guardrailId": "abc", "guardrailVersion": "1"}),
        json!(null),
    ] {
        assert_eq!(Enforcement::from_configuration(&hidden, &account, &region), None);
    }
}
#[test]
fn what_is_not_understood_is_reported_at_any_depth() {
    let read = |more: Value| {
        let mut configuration = json!({"guardrailIdentifier": "abc", "guardrailVersion": "2"});
        configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let read = Enforcement::from_configuration(&configuration, &"222233334444".into(), &"us-east-1".into()).unwrap();
        read.unclear.into_iter().map(|unclear| format!("{} {}", unclear.pointer, unclear.problem.kind())).collect::<Vec<_>>()
    };
    for written in [
        json!({"configId": "c", "createdAt": 1, "createdBy": "x", "updatedAt": 1, "updatedBy": "x", "owner": "ACCOUNT", "inputTags": "IGNORE"}),
        json!({"modelEnforcement": {"includedModels": ["ALL"], "excludedModels": []}}),
        json!({"modelEnforcement": {"includedModels": ["a.one", "us.anthropic.claude-3-haiku-20240307-v1:0"]}}),
        json!({"modelEnforcement": {"excludedModels": ["a.one"]}}),
        json!({"selectiveContentGuarding": {"messages": "SELECTIVE"}}),
    ] {
        assert_eq!(read(written.clone()), [""; 0], "{written}");
    }
    for (written, expected) in [
        (json!({"enforcementMode": "DETECT"}), "/enforcementMode unknown-key"),
        (json!({"model_enforcement": {}}), "/model_enforcement unknown-key"),
        (json!({"modelEnforcement": {"families": ["x"]}}), "/modelEnforcement/families unknown-key"),
        (json!({"modelEnforcement": {"includedModels": ["ALL"], "includedmodels": []}}), "/modelEnforcement/includedmodels unknown-key"),
        (json!({"selectiveContentGuarding": {"tools": "SELECTIVE"}}), "/selectiveContentGuarding/tools unknown-key"),
        (json!({"selectiveContentGuarding": {}}), "/selectiveContentGuarding empty-object"),
        (json!({"selectiveContentGuarding": null}), "/selectiveContentGuarding not-an-object"),
        (json!({"selectiveContentGuarding": {"system": 1}}), "/selectiveContentGuarding/system wrong-type"),
        (json!({"selectiveContentGuarding": {"system": "OFF"}}), "/selectiveContentGuarding/system unknown-value"),
        (json!({"inputTags": []}), "/inputTags wrong-type"),
        (json!({"modelEnforcement": null}), "/modelEnforcement not-an-object"),
        (json!({"modelEnforcement": {}}), "/modelEnforcement empty-object"),
        (json!({"modelEnforcement": {"includedModels": []}}), "/modelEnforcement/includedModels empty-list"),
        (json!({"modelEnforcement": {"includedModels": "ALL"}}), "/modelEnforcement/includedModels wrong-type"),
        (json!({"modelEnforcement": {"includedModels": ["ALL", 5]}}), "/modelEnforcement/includedModels wrong-type"),
        (json!({"modelEnforcement": {"includedModels": ["all"]}}), "/modelEnforcement/includedModels not-a-model-id"),
        (json!({"modelEnforcement": {"excludedModels": ["ALL"]}}), "/modelEnforcement/excludedModels not-a-model-id"),
        (json!({"modelEnforcement": {"excludedModels": ["anthropic.claude-*"]}}), "/modelEnforcement/excludedModels not-a-model-id"),
        (json!({"modelEnforcement": {"excludedModels": {}}}), "/modelEnforcement/excludedModels wrong-type"),
    ] {
        assert_eq!(read(written.clone()), [expected], "{written}");
    }
}

#[test]
fn what_was_stored_before_is_read() {
    let stored = json!({"guardrail": {"key": {"account": "1", "region": "us-east-1", "id": "abc"}, "version": GuardrailVersion::Numbered(2)},
        "models": {"included": null, "excluded": []}, "guarding": "selective"});
    let read: Enforcement = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!((read.guarding, read.unclear.len()), (Guarding::SELECTIVE, 0));
    assert_eq!(serde_json::to_value(&read).unwrap(), stored, "and what needs nothing new is stored as it was");
}
