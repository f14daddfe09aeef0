//! Tests the lints of policies: for each document, all of them with their full messages.

use audit_core::policy::lint::{Lint, lint, lint_configuration, lint_effective};
use serde_json::{Value, json};

const GUARDRAIL: &str = "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:1";
const HERE: &str = "/bedrock/guardrail_inference/us-east-1/c";

fn policy(configuration: &Value) -> Value {
    let locked = json!(["@@none"]);
    let mut configuration = configuration.clone();
    configuration["@@operators_allowed_for_child_policies"] = locked.clone();
    json!({"bedrock": {"@@operators_allowed_for_child_policies": locked, "guardrail_inference": {
        "@@operators_allowed_for_child_policies": locked,
        "us-east-1": {"@@operators_allowed_for_child_policies": locked, "c": configuration}}}})
}

/// A line for each lint: `level kind pointer: message`, with `…` for the pointer of the configuration. Lints about overrides by lower
/// policies are left out.
fn in_words(lints: Vec<Lint>) -> Vec<String> {
    let lints = lints.into_iter().filter(|lint| lint.kind != "open-to-overrides");
    lints.map(|lint| format!("{} {} {}: {}", lint.level, lint.kind, lint.pointer.replace(HERE, "…"), lint.message)).collect()
}

fn written(document: &Value) -> Vec<String> {
    in_words(lint(&document.to_string(), Some(&"111122223333".into())).unwrap())
}

#[test]
fn operators_stand_where_they_mean_something() {
    let identified = |more: Value| {
        let mut configuration = json!({"identifier": {"@@assign": GUARDRAIL}});
        configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        policy(&configuration)
    };
    let models = |included: Value, excluded: Value| {
        identified(json!({"model_enforcement": {"included_models": included, "excluded_models": excluded}}))
    };
    let all = json!({"@@assign": ["ALL"]});
    let none = json!({"@@assign": []});
    let text = "works on lists only, and this setting is a text";
    for (document, expected) in [
        (models(all.clone(), none.clone()), vec![]),
        (models(json!({"@@append": ["cohere.embed-english-v3"]}), json!({"@@remove": ["cohere.embed-english-v3"]})), vec![]),
        (models(json!({"@@assign": ["cohere.embed-english-v3"], "@@append": ["cohere.embed-english-v3"]}), none.clone()), vec![]),
        (
            models(all.clone(), json!({"@@append": ["ALL"]})),
            vec!["error all-excluded …/model_enforcement/excluded_models/@@append: `ALL` can't be excluded".to_owned()],
        ),
        (
            models(json!({"@@append": "ALL"}), none.clone()),
            vec!["error wrong-type …/model_enforcement/included_models/@@append: a list of texts is expected here".to_owned()],
        ),
        (
            models(json!({"@@remove": [1]}), none.clone()),
            vec!["error wrong-type …/model_enforcement/included_models/@@remove: a list of texts is expected here".to_owned()],
        ),
        (
            models(json!({"@@appendix": ["ALL"]}), none.clone()),
            vec!["error unknown-operator …/model_enforcement/included_models/@@appendix: `@@appendix` is no inheritance operator".to_owned()],
        ),
        (
            models(json!({"assign": ["ALL"]}), none.clone()),
            vec!["error unknown-key …/model_enforcement/included_models/assign: `assign` is no key that we know: what it does is not known either".to_owned()],
        ),
        (
            models(json!(["ALL"]), none.clone()),
            vec!["error no-operator …/model_enforcement/included_models: a value without an operator: write {\"@@assign\": …}".to_owned()],
        ),
        (
            models(all.clone(), json!({"@@append": ["arn:aws:bedrock:us-east-1::foundation-model/a.b"]})),
            vec!["error not-a-model-id …/model_enforcement/excluded_models/@@append: `arn:aws:bedrock:us-east-1::foundation-model/a.b` is a profile or an ARN, and lists name foundation models: write `a.b`".to_owned()],
        ),
        (
            identified(json!({"model_enforcement": {"included_models": all.clone(), "excluded_models": none.clone(), "models": {}}})),
            vec!["error unknown-key …/model_enforcement/models: `models` is no key that we know: what it does is not known either".to_owned()],
        ),
        (
            identified(json!({"model_enforcement": {"excluded_models": none.clone()}})),
            vec!["warning missing-list …/model_enforcement: no `included_models`: AWS requires both lists here, unless a policy above or beside this one sets it".to_owned()],
        ),
        (
            identified(json!({"model_enforcement": {"@@assign": {}, "included_models": all.clone(), "excluded_models": none.clone()}})),
            vec!["error misplaced-operator …/model_enforcement/@@assign: `@@assign` belongs to a setting, not to a node that holds others".to_owned()],
        ),
        (
            identified(json!({"model_enforcement": [1]})),
            vec![
                "error not-an-object …/model_enforcement: an object is expected here".to_owned(),
                "warning missing-list …/model_enforcement: no `included_models`: AWS requires both lists here, unless a policy above or beside this one sets it".to_owned(),
                "warning missing-list …/model_enforcement: no `excluded_models`: AWS requires both lists here, unless a policy above or beside this one sets it".to_owned(),
            ],
        ),
        (
            identified(json!({"selective_content_guarding": {"system": {"@@append": "comprehensive"}}})),
            vec![format!("error operator-on-text …/selective_content_guarding/system/@@append: `@@append` {text}")],
        ),
        (
            identified(json!({"selective_content_guarding": {"messages": {"@@remove": "comprehensive"}}})),
            vec![format!("error operator-on-text …/selective_content_guarding/messages/@@remove: `@@remove` {text}")],
        ),
        (
            identified(json!({"selective_content_guarding": {"messages": {"@@assign": ["comprehensive"]}}})),
            vec!["error wrong-type …/selective_content_guarding/messages/@@assign: a text is expected here".to_owned()],
        ),
        (
            identified(json!({"selective_content_guarding": {"output": {"@@assign": "comprehensive"}}})),
            vec!["error unknown-key …/selective_content_guarding/output: `output` is no key that we know: what it does is not known either".to_owned()],
        ),
        (
            identified(json!({"selective_content_guarding": {"system": {"@@assign": "all"}}})),
            vec!["error unknown-value …/selective_content_guarding/system/@@assign: `all` is none of selective, comprehensive".to_owned()],
        ),
        (
            identified(json!({"selective_content_guarding": {"system": {"@@assign": "selective"}, "messages": {"@@assign": "selective"}}})),
            vec![
                "note selective …/selective_content_guarding/messages/@@assign: callers choose what of the messages is evaluated: with tags, only what they tag is".to_owned(),
                "note selective …/selective_content_guarding/system/@@assign: callers choose what of the system prompt is evaluated: without tags, nothing is".to_owned(),
            ],
        ),
        (
            identified(json!({"input_tags": {"@@assign": "ignore"}, "selective_content_guarding": {"system": {"@@assign": "comprehensive"}}})),
            vec![
                "warning superseded-syntax …/input_tags: `input_tags` is superseded by `selective_content_guarding`".to_owned(),
                "warning both-syntaxes …: both `input_tags` and `selective_content_guarding`: AWS doesn't document which it obeys, so the weaker counts".to_owned(),
            ],
        ),
    ] {
        let mut found = written(&document);
        found.sort();
        let mut expected = expected;
        expected.sort();
        assert_eq!(found, expected, "{document}");
    }
}

#[test]
fn locks_are_lists_of_operators() {
    const CONTROL: &str = "@@operators_allowed_for_child_policies";
    let known = "expected a list of @@all, @@none, @@assign, @@append, @@remove";
    for (lock, expected) in [
        (json!(["@@none"]), vec![]),
        (json!(["@@all"]), vec![]),
        (json!(["@@assign", "@@append", "@@remove"]), vec![]),
        (json!([]), vec![format!("error malformed-control …/identifier/{CONTROL}: {known}")]),
        (json!("@@none"), vec![format!("error malformed-control …/identifier/{CONTROL}: {known}")]),
        (json!([1]), vec![format!("error malformed-control …/identifier/{CONTROL}: {known}")]),
        (json!(["@@none", "none"]), vec![format!("error malformed-control …/identifier/{CONTROL}: {known}")]),
        (
            json!(["@@all", "@@append"]),
            vec![format!("error contradictory-control …/identifier/{CONTROL}: `@@all` and `@@none` stand alone")],
        ),
    ] {
        assert_eq!(written(&policy(&json!({"identifier": {"@@assign": GUARDRAIL, CONTROL: lock}}))), expected);
    }
}

#[test]
fn every_node_that_is_not_locked_can_be_overridden() {
    let open = |document: &Value| {
        let lints = lint(&document.to_string(), None).unwrap();
        lints.into_iter().find(|lint| lint.kind == "open-to-overrides").map(|lint| (lint.pointer, lint.message))
    };
    let locked = policy(&json!({"identifier": {"@@assign": GUARDRAIL, "@@operators_allowed_for_child_policies": ["@@none"]}}));
    assert_eq!(open(&locked), None);
    let identifier = policy(&json!({"identifier": {"@@assign": GUARDRAIL, "@@operators_allowed_for_child_policies": ["@@append"]}}));
    let message = |places: &str| {
        let lock = "lock each with @@operators_allowed_for_child_policies: [\"@@none\"]";
        Some(("/bedrock/guardrail_inference".to_owned(), format!("policies lower in the tree can still change {places}: {lock}")))
    };
    assert_eq!(open(&identifier), message(&format!("{HERE}/identifier")));
    let plain = json!({"bedrock": {"guardrail_inference": {"us-east-1": {"c": {"identifier": {"@@assign": GUARDRAIL}}}}}});
    let above = "/bedrock/guardrail_inference, /bedrock/guardrail_inference/us-east-1";
    assert_eq!(open(&plain), message(&format!("{above}, {HERE}, {HERE}/identifier")));
}

#[test]
fn what_demands_nothing_says_so_where_it_ends() {
    for (document, expected) in [
        (json!({}), vec!["error demands-nothing : no `bedrock.guardrail_inference`: the policy demands nothing"]),
        (json!({"bedrock": {}}), vec!["error demands-nothing : no `bedrock.guardrail_inference`: the policy demands nothing"]),
        (
            json!({"bedrock": {"guardrail_inference": {}}}),
            vec!["error demands-nothing /bedrock/guardrail_inference: no Region: the policy demands nothing"],
        ),
        (
            json!({"bedrock": {"guardrail_inference": {"us-east-1": {}}}}),
            vec![
                "error demands-nothing /bedrock/guardrail_inference/us-east-1: no configuration: the policy demands nothing in this Region",
            ],
        ),
        (
            json!({"bedrock": {"guardrail_inference": {"us-east-1": {"c": {}}}}}),
            vec!["warning no-identifier …: no `identifier`: the configuration counts only where a policy above or beside it sets one"],
        ),
    ] {
        assert_eq!(written(&document), expected, "{document}");
    }
}

#[test]
fn who_owns_the_guardrail_is_told_where_the_management_account_is_known() {
    let fails = "every Bedrock call of the accounts that the policy reaches fails";
    let write = "write arn:aws:bedrock:<region>:<account>:guardrail/<id>:<version>";
    let of = |identifier: &str, management: Option<&str>| {
        let document = policy(&json!({"identifier": {"@@assign": identifier}})).to_string();
        in_words(lint(&document, management.map(Into::into).as_ref()).unwrap())
    };
    let at = "…/identifier/@@assign";
    assert_eq!(of(GUARDRAIL, None), [] as [&str; 0]);
    assert_eq!(of(GUARDRAIL, Some("111122223333")), [] as [&str; 0]);
    assert_eq!(
        of(GUARDRAIL, Some("999999999999")),
        [format!(
            "error foreign-owner {at}: the guardrail belongs to 111122223333, and only one of the management account (999999999999) can be \
             enforced: with a wrong guardrail {fails}"
        )]
    );
    assert_eq!(
        of(&GUARDRAIL.replace("1111", "1"), None),
        [format!("error malformed-identifier {at}: `122223333` is no account: ids of accounts have twelve digits")]
    );
    assert_eq!(
        of(&GUARDRAIL.replace("111122223333", "11112222333a"), None),
        [format!("error malformed-identifier {at}: `11112222333a` is no account: ids of accounts have twelve digits")]
    );
    let lints = of("mine", None);
    assert!(
        lints[0].starts_with(&format!("error malformed-identifier {at}: `mine`: "))
            && lints[0].ends_with(&format!(": with it {fails}; {write}")),
        "{lints:?}"
    );
    let lints = of(&GUARDRAIL.replace(":1", ":DRAFT"), None);
    assert!(lints[0].ends_with(": enforce a numbered version"), "{lints:?}");
    let lints = of(&GUARDRAIL.replace("us-east-1", "eu-west-1"), None);
    assert!(lints[0].ends_with(&format!(": name a guardrail of this Region, for with a wrong one {fails}")), "{lints:?}");
}

#[test]
fn configurations_of_accounts_and_effective_policies_have_lints_too() {
    let configuration = |more: Value| {
        let mut configuration = json!({"guardrailIdentifier": GUARDRAIL.trim_end_matches(":1"), "guardrailVersion": "1"});
        configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        in_words(lint_configuration(&configuration))
    };
    assert_eq!(configuration(json!({})), [] as [&str; 0]);
    assert_eq!(
        configuration(json!({"guardrailVersion": null})),
        ["error malformed-identifier : it doesn't name one guardrail in one numbered version"]
    );
    assert_eq!(
        configuration(json!({"guardrailVersion": "DRAFT"})),
        ["error draft-version /guardrailVersion: `DRAFT`: names DRAFT, which can't be enforced: enforce a numbered version"]
    );
    let selective = configuration(json!({"selectiveContentGuarding": {"system": "SELECTIVE", "messages": "COMPREHENSIVE"}}));
    assert_eq!(selective, ["note selective : callers choose what of the system prompt is evaluated: without tags, nothing is"]);
    let effective = |document: &Value| in_words(lint_effective(&document.to_string(), Some(&"111122223333".into())).unwrap());
    let two = json!({"bedrock": {"guardrail_inference": {"us-east-1": {"a": {"identifier": GUARDRAIL}, "b": {"identifier": GUARDRAIL}}}}});
    assert_eq!(
        effective(&two),
        [
            "warning several-configurations /bedrock/guardrail_inference/us-east-1: several configurations for us-east-1: AWS doesn't document \
          which of them is enforced"
        ]
    );
    assert_eq!(effective(&json!({})), ["error demands-nothing : no `bedrock.guardrail_inference`: the policy demands nothing"]);
    let lone = json!({"bedrock": {"guardrail_inference": {"us-east-1": {"a": {"identifier": GUARDRAIL}}}}});
    assert_eq!(effective(&lone), [] as [&str; 0]);
}
