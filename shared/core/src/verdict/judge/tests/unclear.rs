//! Verdicts under policies and configurations that can't be understood.

use super::*;
use crate::policy::{
    EffectivePolicy,
    lint::{Level, lints_of_effective},
};

/// The paths of the members of an effective policy.
const MEMBERS: [&str; 14] = [
    "",
    "/bedrock",
    "/bedrock/guardrail_inference",
    "/bedrock/guardrail_inference/us-east-1",
    "/bedrock/guardrail_inference/us-east-1/config_1",
    "/bedrock/guardrail_inference/us-east-1/config_1/identifier",
    "/bedrock/guardrail_inference/us-east-1/config_1/input_tags",
    "/bedrock/guardrail_inference/us-east-1/config_1/selective_content_guarding",
    "/bedrock/guardrail_inference/us-east-1/config_1/selective_content_guarding/system",
    "/bedrock/guardrail_inference/us-east-1/config_1/selective_content_guarding/messages",
    "/bedrock/guardrail_inference/us-east-1/config_1/model_enforcement",
    "/bedrock/guardrail_inference/us-east-1/config_1/model_enforcement/included_models",
    "/bedrock/guardrail_inference/us-east-1/config_1/model_enforcement/excluded_models",
    "/bedrock/guardrail_inference/us-east-1/config_1/model_enforcement/included_models/0",
];

/// A policy with every member that AWS documents.
fn full_policy() -> Value {
    json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {
        "identifier": "arn:aws:bedrock:us-east-1:111122223333:guardrail/org:2", "input_tags": "ignore",
        "selective_content_guarding": {"system": "comprehensive", "messages": "comprehensive"},
        "model_enforcement": {"included_models": ["ALL"], "excluded_models": ["cohere.embed-english-v3"]}}}}}})
}

#[test]
fn no_member_of_a_policy_that_is_of_the_wrong_type_reads_as_compliant() {
    let verdicts = |document: &Value| {
        let state = state(Some(described(document)), Some(no_configuration()));
        (by_default(&call(), &state), verdict(&call(), &Evidence::default(), &state, &[require("org")]))
    };
    let compliant = ("compliant/enforced".to_owned(), "compliant/enforced".to_owned());
    assert_eq!(verdicts(&full_policy()), compliant);
    for member in MEMBERS.into_iter().filter(|member| !member.is_empty()) {
        for wrong in
            [json!(null), json!(true), json!(5), json!(1.5), json!("x"), json!(""), json!([]), json!({}), json!([5]), json!({"x": 1})]
        {
            let mut document = full_policy();
            *document.pointer_mut(member).unwrap() = wrong.clone();
            let (by_policy, by_team) = verdicts(&document);
            // AWS documents an empty list of excluded models, which excludes none.
            let is_documented = member.ends_with("excluded_models") && wrong == json!([]);
            for verdict in [&by_policy, &by_team] {
                assert_eq!(verdict.starts_with("compliant"), is_documented, "{member} = {wrong}: {verdict}");
                assert!(!verdict.starts_with("not_applicable"), "{member} = {wrong}: {verdict}");
            }
            let policy = EffectivePolicy::from_document(document);
            let lints = lints_of_effective(&policy, None);
            let is_invalid = lints.iter().any(|lint| lint.level == Level::Error && lint.kind != "demands-nothing");
            // A word may be newer than this project, an empty list may stand for all models, and a member without entries demands nothing.
            let is_word = wrong.is_string() && ["input_tags", "system", "messages"].iter().any(|word| member.ends_with(word));
            let is_empty = (member.ends_with("_models") && wrong == json!([])) || (!member.contains("config_1") && wrong == json!({}));
            assert_eq!(is_invalid, !is_word && !is_empty, "{member} = {wrong}: {lints:?}");
            assert_eq!(lints.is_empty(), is_documented, "{member} = {wrong}: {lints:?}");
        }
    }
}

#[test]
fn no_key_that_is_not_known_reads_as_compliant_or_as_a_violation() {
    for (member, key) in MEMBERS.into_iter().flat_map(|member| ["mode", "Identifier", "@@assign"].map(|key| (member, key))) {
        let mut document = full_policy();
        let Some(Value::Object(members)) = (if member.is_empty() { Some(&mut document) } else { document.pointer_mut(member) }) else {
            continue;
        };
        // Authors choose the names below a Region.
        if member.ends_with("us-east-1") {
            continue;
        }
        members.insert(key.to_owned(), json!("detect"));
        let state = state(Some(described(&document)), Some(no_configuration()));
        assert_eq!(by_default(&call(), &state), "not_provable unknown_policy_keys", "{member}/{key}");
        let elsewhere = Call { region: "eu-west-1".into(), ..call() };
        let is_of_all = !member.contains("config_1");
        let everywhere = world(&[
            ("effective-policies/222233334444.json", described(&document)),
            ("enforced-configurations/222233334444/eu-west-1.json", no_configuration()),
        ]);
        let expected = if is_of_all { "not_provable unknown_policy_keys" } else { "violation/enforced region_not_covered" };
        assert_eq!(by_default(&elsewhere, &everywhere.resolve()), expected, "{member}/{key} elsewhere");
    }
    for document in [
        json!({"bedrok": {}}),
        json!({"bedrock": {"guardrail_inferenc": full_policy()["bedrock"]["guardrail_inference"]}}),
        json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifer": "arn:aws:bedrock:us-east-1:1:guardrail/org:2"}}}}}),
    ] {
        let state = state(Some(described(&document)), Some(no_configuration()));
        assert_eq!(by_default(&call(), &state), "not_provable unknown_policy_keys", "{document}");
        assert_eq!(verdict(&call(), &seen(&["org"]), &state, &[require("org")]), "not_provable unknown_policy_keys", "over which content");
    }
}

#[test]
fn what_an_account_configures_is_read_or_not_provable() {
    let configured = |more: Value| {
        let mut answer = configuration("org", "2");
        answer["guardrailsConfig"][0].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let state = state(Some(no_policy()), Some(answer));
        (by_default(&call(), &state), verdict(&call(), &seen(&["org"]), &state, &[]))
    };
    for known in [
        json!({"configId": "c", "createdAt": 1, "createdBy": null, "updatedAt": [], "updatedBy": "x", "owner": "ACCOUNT", "inputTags": "IGNORE"}),
        json!({"modelEnforcement": {"includedModels": ["ALL"], "excludedModels": []}}),
    ] {
        assert_eq!(configured(known.clone()).0, "compliant/enforced", "{known}");
    }
    for unclear in [
        json!({"enforcementMode": "DETECT"}),
        json!({"modelEnforcement": {"includedModels": ["ALL"], "modelFamilies": []}}),
        json!({"modelEnforcement": {"includedModels": []}}),
        json!({"modelEnforcement": null}),
        json!({"selectiveContentGuarding": {"tools": "SELECTIVE"}}),
        json!({"inputTags": "MAYBE"}),
    ] {
        let (enforced, observed) = configured(unclear.clone());
        assert_eq!(enforced, "not_provable unknown_policy_keys", "{unclear}");
        assert_eq!(observed, "compliant/observed", "{unclear}: an evaluation shows what happened");
    }
}
