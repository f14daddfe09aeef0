//! Tests every sentence of the explanation of a verdict.

use serde_json::{Value, json};

use crate::given::{ACCOUNT, Given, HAIKU, REQUIRED, Record, call, evaluation};

/// The steps of the explanation, without the first, which names the call, and without the verdict.
fn steps(given: &Given, rule: &str) -> Vec<String> {
    let mut steps = given.explained(rule);
    assert!(steps[0].starts_with("Call: Converse of "), "{steps:?}");
    steps.remove(0);
    steps.retain(|step| !step.starts_with("Verdict: ") && !step.starts_with("Missing: "));
    steps
}

fn demanding(region: &str, configuration: &Value) -> Value {
    json!({"bedrock": {"guardrail_inference": {region: {"c": configuration}}}})
}

const SCOPE: &str = "Is it in scope? By the policy: ";
const NONE: &str = "Account-level configuration: none.";

#[test]
fn the_policy_the_configuration_and_the_requirement_are_told_as_they_are() {
    let org = REQUIRED.replace("us-east-1", "eu-west-1");
    let model = format!("Model: {HAIKU}.");
    let nothing_read = "Evaluations of this call: none was read, which says nothing here.";
    let elsewhere = Given::unconfigured().policy("00:00", Some(&demanding("eu-west-1", &json!({"identifier": format!("{org}:1")}))));
    assert_eq!(
        steps(&elsewhere.records([call(1, "12:00")]), "region-not-covered"),
        [
            "Effective policy: described by AWS, in force from the beginning: it names eu-west-1, not this Region.",
            NONE,
            &model,
            "Requirement: no [[require]] selects the call, so an enforced guardrail is required: any.",
            &format!(
                "{SCOPE}no (region_not_covered). By the account's configuration: no (no_guardrail). By the request: no (no_guardrail)."
            ),
            nothing_read,
        ]
    );
    let required = format!("[[require]]\nguardrail = \"{REQUIRED}\"\nminimum_version = 3\n");
    assert_eq!(
        steps(&Given::undemanded().configured(&required).records([call(1, "12:00")]), "invocation-without-guardrail"),
        [
            "Effective policy: described by AWS, in force from the beginning: it demands nothing, in no Region.",
            NONE,
            &model,
            &format!(
                "Requirement: a [[require]] selects the call and wants {REQUIRED}, from version 3, over all of the system prompt and all of \
                 the messages."
            ),
            &format!("{SCOPE}no (no_guardrail). By the account's configuration: no (no_guardrail). By the request: no (no_guardrail)."),
            nothing_read,
        ]
    );
}

#[test]
fn what_was_evaluated_and_what_was_not_is_told() {
    let other =
        |record: Record| record.with("resources", json!([{"type": "AWS::Bedrock::Guardrail", "ARN": REQUIRED.replace("org", "mine")}]));
    let observed = Given::demanded().records([call(1, "12:00"), other(evaluation(1, "12:00"))]);
    assert_eq!(steps(&observed, "other-guardrail-used").pop().unwrap(), "Evaluations of this call: by mine.");
    let watched =
        |records: Vec<Record>| Given::demanded().trail(true).records(records).records([call(900, "20:00").by("last").of("InvokeModel")]);
    let missed = watched(vec![call(1, "12:00"), evaluation(1, "12:00"), call(2, "12:05"), call(3, "20:00")]);
    assert_eq!(
        steps(&missed, "enforcement-not-observed").pop().unwrap(),
        "Evaluations of this call: none, although others of this account and Region have one."
    );
    let doubted = watched(vec![call(1, "12:00"), call(2, "12:01"), evaluation(500, "12:02")]);
    assert_eq!(
        steps(&doubted, "invocation-not-provable").pop().unwrap(),
        "Evaluations can't be joined to calls here, and this principal has fewer than calls."
    );
}

#[test]
fn what_is_missing_is_told_with_the_way_to_get_it() {
    let explained = Given::nothing().records([call(1, "12:00").requesting("mine", "1")]).explained("invocation-not-provable");
    assert_eq!(
        explained[0],
        format!(
            "Call: Converse of {HAIKU} in {ACCOUNT}/us-east-1 at 2026-11-20T12:00:00Z; the request named guardrail \
             arn:aws:bedrock:us-east-1:{ACCOUNT}:guardrail/mine in version 1."
        )
    );
    assert_eq!(explained[1], "Effective policy: not known at that time.");
    assert_eq!(explained[2], "Account-level configuration: not known at that time.");
    let missing: Vec<&String> = explained.iter().filter(|step| step.starts_with("Missing: effective_policy. To get it: ")).collect();
    assert_eq!(missing.len(), 1, "{explained:?}");
    assert!(explained.contains(&"Verdict: not_provable (grade: none).".to_owned()), "{explained:?}");
}

#[test]
fn a_call_that_enforcement_does_not_reach_has_one_way_in() {
    let given = Given::demanded().records([call(1, "12:00").of("InvokeModelWithBidirectionalStream")]);
    let explained = given.explained("api-not-covered");
    assert!(explained.contains(&"Is it in scope? By this way to a model: no (api_not_covered).".to_owned()), "{explained:#?}");
    assert!(explained.contains(&"Verdict: violation (grade: enforced), because api_not_covered.".to_owned()), "{explained:#?}");
    let wanted = format!(
        "Requirement: no [[require]] selects the call, so an enforced guardrail is required: the one that the policy names, {REQUIRED}:2."
    );
    assert!(explained.contains(&wanted), "{explained:#?}");
}

/// The explanation of an asynchronous call, which no enforcement reaches, with all that is in force around it.
fn unreached(given: Given) -> Vec<String> {
    given.records([call(1, "12:00").of("StartAsyncInvoke")]).explained("api-not-covered")
}

#[track_caller]
fn explains(given: Given, words: &str) {
    let explained = unreached(given);
    assert!(explained.iter().any(|step| step.contains(words)), "{words}: {explained:#?}");
}

#[test]
fn the_policy_is_told_with_where_it_is_from_and_what_is_not_understood() {
    let of = |configuration: Value| Given::unconfigured().policy("00:00", Some(&demanding("us-east-1", &configuration)));
    let whole = format!("it demands {REQUIRED}:2 for all models, over all of the system prompt and all of the messages.");
    explains(of(json!({"identifier": format!("{REQUIRED}:2")})), &whole);
    let both = json!({"bedrock": {"guardrail_inference": {"us-east-1": {
        "a": {"identifier": format!("{REQUIRED}:2")},
        "b": {"identifier": format!("{REQUIRED}:3"), "model_enforcement": {"excluded_models": ["amazon.nova-lite-v1:0"]}}
    }}}});
    let second = format!("; and {REQUIRED}:3 for all models but amazon.nova-lite-v1:0, over ");
    explains(Given::unconfigured().policy("00:00", Some(&both)), &second);
    let assumed = Given::unconfigured().policy("13:00", Some(&demanding("us-east-1", &json!({"identifier": format!("{REQUIRED}:2")}))));
    explains(assumed, " (assumed: nothing older is known): it demands ");
    let unknown = of(json!({"identifier": format!("{REQUIRED}:2"), "mode": "detect"}));
    explains(unknown, ", as far as it is understood (");
}

#[test]
fn the_accounts_own_configuration_is_told() {
    let own = json!({"guardrailsConfig": [{"configId": "c", "guardrailArn": REQUIRED, "guardrailId": "org", "guardrailVersion": "4", "owner": "ACCOUNT"}]});
    let given = |stamp: &str| {
        let path = format!("enforced-configurations/{ACCOUNT}/us-east-1{stamp}.json");
        let policy = demanding("us-east-1", &json!({"identifier": format!("{REQUIRED}:2")}));
        Given::nothing().policy("00:00", Some(&policy)).file(&path, own.clone())
    };
    explains(given(""), &format!("Account-level configuration: {REQUIRED}:4 for all models, over "));
    explains(
        given("@20261120T130000Z"),
        &format!("Account-level configuration (assumed: nothing older is known): {REQUIRED}:4 for all models"),
    );
}

#[test]
fn a_requirement_of_the_team_is_told() {
    let required = format!("[[require]]\nguardrail = \"{REQUIRED}\"\n");
    explains(Given::demanded().configured(&required), &format!("Requirement: a [[require]] selects the call and wants {REQUIRED}, over "));
}
