//! Verdicts in small worlds, one line each.

mod unclear;

use serde_json::{Value, json};

use super::*;
use crate::{
    arn::{GuardrailKey, GuardrailVersion},
    enforcement::{Guarding, GuardingMode},
    operations::{Mediator, OperationCoverage},
    requirement::AccountSelector,
    verdict::{Evaluated, Expectation, Requested},
    world::testing::{described, hour, world},
};

const ACCOUNT: &str = "222233334444";
const HAIKU: &str = "anthropic.claude-3-haiku-20240307-v1:0";

fn guardrail(id: &str) -> GuardrailKey {
    GuardrailKey { account: "111122223333".into(), region: "us-east-1".into(), id: id.into() }
}

/// An effective policy that demands this configuration in `us-east-1`.
fn demanding(configuration: &Value) -> Value {
    described(&json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": configuration}}}}))
}

fn org_guardrail() -> Value {
    demanding(&json!({"identifier": "arn:aws:bedrock:us-east-1:111122223333:guardrail/org:2"}))
}

fn no_policy() -> Value {
    json!({"EffectivePolicy": null})
}

fn no_configuration() -> Value {
    json!({"guardrailsConfig": []})
}

fn configuration(id: &str, version: &str) -> Value {
    json!({"guardrailsConfig": [{"guardrailArn": guardrail(id).arn(), "guardrailVersion": version}]})
}

fn state(policy: Option<Value>, configuration: Option<Value>) -> State {
    let policy = policy.map(|policy| ("effective-policies/222233334444.json", policy));
    let configuration = configuration.map(|configuration| ("enforced-configurations/222233334444/us-east-1.json", configuration));
    world(&policy.into_iter().chain(configuration).collect::<Vec<_>>()).resolve()
}

fn call() -> Call {
    Call {
        account: ACCOUNT.into(),
        region: "us-east-1".into(),
        time: Some(hour(12)),
        api: "Converse".into(),
        reach: OperationCoverage::Covered,
        model: Model::parse(HAIKU),
        requested: None,
        mediator: None,
        failed: false,
    }
}

fn requesting(id: &str, version: &str) -> Call {
    Call { requested: Some(Requested { guardrail: Some(guardrail(id)), version: GuardrailVersion::parse(version) }), ..call() }
}

fn seen(ids: &[&str]) -> Evidence {
    let evaluated = |id: &&str| Evaluated { id: (*id).to_owned(), key: Some(guardrail(id)), version: None, enforced: false };
    Evidence { evaluated: ids.iter().map(evaluated).collect(), ..Evidence::default() }
}

fn require(id: &str) -> Requirement {
    Requirement { guardrail: Some(guardrail(id)), ..Requirement::default() }
}

/// The verdict in short: `compliant/enforced`, `violation/enforced no_guardrail`, `not_provable model`.
fn verdict(call: &Call, evidence: &Evidence, state: &State, requirements: &[Requirement]) -> String {
    let judgement = judge(call, evidence, state, requirements);
    let why: Vec<&str> =
        judgement.reason.iter().map(|reason| reason.as_str()).chain(judgement.missing.iter().map(|missing| missing.as_str())).collect();
    let grade = if judgement.verdict == Verdict::NotProvable { String::new() } else { format!("/{}", judgement.grade) };
    format!("{}{grade} {}", judgement.verdict, why.join(" ")).trim_end().to_owned()
}

fn by_default(call: &Call, state: &State) -> String {
    verdict(call, &Evidence::default(), state, &[])
}

#[test]
fn without_a_world_nothing_is_provable() {
    let nothing = State::default();
    assert_eq!(by_default(&call(), &nothing), "not_provable effective_policy");
    assert_eq!(by_default(&requesting("org", "2"), &nothing), "not_provable effective_policy");
    for reach in [
        OperationCoverage::Uncovered,
        OperationCoverage::Unsupported,
        OperationCoverage::Ambiguous,
        OperationCoverage::Mediated(Mediator::Agent),
    ] {
        assert_eq!(by_default(&Call { reach, ..call() }, &nothing), "not_provable effective_policy");
    }
    assert_eq!(verdict(&call(), &seen(&["org"]), &nothing, &[]), "not_provable effective_policy");
    assert_eq!(by_default(&Call { failed: true, ..call() }, &nothing), "not_applicable/none");
}

#[test]
fn an_enforced_policy_covers_its_region_and_models() {
    let enforced = state(Some(org_guardrail()), None);
    assert_eq!(by_default(&call(), &enforced), "compliant/enforced");
    assert_eq!(
        by_default(&Call { model: Model::parse("us.anthropic.claude-3-haiku-20240307-v1:0"), ..call() }, &enforced),
        "compliant/enforced"
    );
    assert_eq!(
        by_default(&requesting("mine", "DRAFT"), &enforced),
        "compliant/enforced",
        "what is enforced applies beside what is requested"
    );
    let elsewhere = Call { region: "eu-west-1".into(), ..call() };
    let files = [
        ("effective-policies/222233334444.json", org_guardrail()),
        ("enforced-configurations/222233334444/eu-west-1.json", no_configuration()),
    ];
    assert_eq!(by_default(&elsewhere, &world(&files).resolve()), "violation/enforced region_not_covered");
    assert_eq!(by_default(&elsewhere, &enforced), "not_provable enforced_configuration", "the account may have one of its own there");
}

#[test]
fn a_model_that_the_policy_exempts_needs_no_guardrail_unless_the_team_says_so() {
    let excluding = demanding(&json!({"identifier": "arn:aws:bedrock:us-east-1:111122223333:guardrail/org:2",
        "model_enforcement": {"included_models": ["ALL"], "excluded_models": [HAIKU]}}));
    let excluding = state(Some(excluding), Some(no_configuration()));
    assert_eq!(by_default(&call(), &excluding), "not_applicable/enforced");
    assert_eq!(by_default(&Call { reach: OperationCoverage::Unsupported, ..call() }, &excluding), "not_applicable/enforced");
    assert_eq!(verdict(&call(), &Evidence::default(), &excluding, &[require("org")]), "violation/enforced model_excluded");
    assert_eq!(verdict(&requesting("org", "2"), &Evidence::default(), &excluding, &[require("org")]), "compliant/requested");
    let exempt = Requirement { models: ModelScope::new(["ALL"], [HAIKU]), ..require("org") };
    assert_eq!(verdict(&call(), &Evidence::default(), &excluding, &[exempt]), "not_applicable/none");
}

#[test]
fn without_a_policy_an_account_configuration_will_do() {
    assert_eq!(by_default(&call(), &state(Some(no_policy()), Some(configuration("mine", "1")))), "compliant/enforced");
    assert_eq!(by_default(&call(), &state(Some(no_policy()), Some(no_configuration()))), "violation/enforced no_guardrail");
    assert_eq!(by_default(&call(), &state(Some(no_policy()), None)), "not_provable enforced_configuration");
    assert_eq!(by_default(&call(), &state(None, Some(configuration("mine", "1")))), "not_provable effective_policy");
}

#[test]
fn a_requested_guardrail_satisfies_only_what_names_it() {
    let nothing = state(Some(no_policy()), Some(no_configuration()));
    assert_eq!(by_default(&requesting("mine", "1"), &nothing), "violation/enforced wrong_guardrail");
    assert_eq!(by_default(&requesting("mine", "DRAFT"), &nothing), "violation/enforced draft_version");
    let required = Requirement { minimum_version: Some(3), ..require("org") };
    for (id, version, expected) in [
        ("org", "3", "compliant/requested"),
        ("org", "4", "compliant/requested"),
        ("org", "2", "violation/enforced wrong_version"),
        ("org", "DRAFT", "violation/enforced draft_version"),
        ("mine", "9", "violation/enforced wrong_guardrail"),
    ] {
        assert_eq!(
            verdict(&requesting(id, version), &Evidence::default(), &nothing, std::slice::from_ref(&required)),
            expected,
            "{id} {version}"
        );
    }
    let hidden = Call { requested: Some(Requested { guardrail: None, version: None }), ..call() };
    assert_eq!(verdict(&hidden, &Evidence::default(), &nothing, &[require("org")]), "not_provable requested_guardrail");
}

#[test]
fn a_requirement_is_stricter_than_the_policy() {
    let enforced = state(Some(org_guardrail()), Some(no_configuration()));
    let judged = |requirement: Requirement| verdict(&call(), &Evidence::default(), &enforced, &[requirement]);
    assert_eq!(judged(require("org")), "compliant/enforced");
    assert_eq!(judged(Requirement { minimum_version: Some(3), ..require("org") }), "violation/enforced wrong_version");
    assert_eq!(judged(require("other")), "violation/enforced wrong_guardrail");
    assert_eq!(judged(Requirement::default()), "compliant/enforced");
    assert_eq!(
        judged(Requirement { regions: Some(["eu-west-1".into()].into()), ..require("other") }),
        "compliant/enforced",
        "not selected"
    );
    let selective = demanding(
        &json!({"identifier": "arn:aws:bedrock:us-east-1:111122223333:guardrail/org:2", "selective_content_guarding": {"system": "selective"}}),
    );
    let selective = state(Some(selective), Some(no_configuration()));
    assert_eq!(by_default(&call(), &selective), "compliant/enforced", "the policy asks for no more");
    assert_eq!(verdict(&call(), &Evidence::default(), &selective, &[require("org")]), "violation/enforced selective_guarding");
    let lenient = Requirement { guarding: Guarding::SELECTIVE, ..require("org") };
    assert_eq!(verdict(&call(), &Evidence::default(), &selective, &[lenient]), "compliant/enforced");
    assert_eq!(verdict(&call(), &seen(&["org"]), &selective, &[require("org")]), "violation/enforced selective_guarding");
}

#[test]
fn the_system_prompt_and_the_messages_are_required_apart() {
    let system_selective = state(
        Some(demanding(&json!({"identifier": "arn:aws:bedrock:us-east-1:111122223333:guardrail/org:2",
            "selective_content_guarding": {"system": "selective", "messages": "comprehensive"}}))),
        Some(no_configuration()),
    );
    let requiring = |system, messages| Requirement { guarding: Guarding { system, messages }, ..require("org") };
    for (system, messages, expected) in [
        (GuardingMode::Selective, GuardingMode::Comprehensive, "compliant/enforced"),
        (GuardingMode::Selective, GuardingMode::Selective, "compliant/enforced"),
        (GuardingMode::Comprehensive, GuardingMode::Selective, "violation/enforced selective_guarding"),
    ] {
        let required = [requiring(system, messages)];
        assert_eq!(verdict(&call(), &Evidence::default(), &system_selective, &required), expected, "{system} {messages}");
        let observed = expected.replace("compliant/enforced", "compliant/observed");
        assert_eq!(verdict(&call(), &seen(&["org"]), &system_selective, &required), observed, "{system} {messages}");
    }
    let judged = judge(&call(), &Evidence::default(), &system_selective, &[require("org")]);
    let guarding = Guarding { system: GuardingMode::Selective, messages: GuardingMode::Comprehensive };
    assert_eq!(judged.guarding, Some(guarding), "what is left to callers is named");
}

#[test]
fn ways_around_the_four_operations_are_not_covered() {
    let enforced = state(Some(org_guardrail()), Some(no_configuration()));
    let over = |reach| by_default(&Call { reach, ..call() }, &enforced);
    assert_eq!(over(OperationCoverage::Unsupported), "violation/enforced endpoint_not_covered");
    assert_eq!(over(OperationCoverage::Uncovered), "violation/enforced api_not_covered");
    assert_eq!(over(OperationCoverage::Ambiguous), "not_provable openai_interface");
    let mantle = Call { reach: OperationCoverage::Unsupported, ..call() };
    assert_eq!(verdict(&mantle, &Evidence::default(), &State::default(), &[require("org")]), "violation/none endpoint_not_covered");
    assert_eq!(verdict(&mantle, &seen(&["org"]), &enforced, &[]), "compliant/observed", "what was observed was observed");
}

#[test]
fn an_evaluation_of_the_call_decides() {
    let enforced = state(Some(org_guardrail()), Some(no_configuration()));
    assert_eq!(verdict(&call(), &seen(&["org"]), &enforced, &[]), "compliant/observed");
    assert_eq!(verdict(&call(), &seen(&["org", "mine"]), &enforced, &[]), "compliant/observed");
    assert_eq!(verdict(&call(), &seen(&["mine"]), &enforced, &[]), "violation/observed wrong_guardrail");
    let by_id =
        Evidence { evaluated: [Evaluated { id: "org".into(), key: None, version: None, enforced: false }].into(), ..Evidence::default() };
    assert_eq!(verdict(&call(), &by_id, &enforced, &[]), "compliant/observed", "a trace shows the id only");
    let newer = Requirement { minimum_version: Some(3), ..require("org") };
    assert_eq!(verdict(&call(), &seen(&["org"]), &enforced, std::slice::from_ref(&newer)), "violation/observed wrong_version");
    assert_eq!(verdict(&call(), &seen(&["org"]), &State::default(), &[newer]), "not_provable guardrail_version");
    let nothing = state(Some(no_policy()), Some(no_configuration()));
    assert_eq!(verdict(&requesting("mine", "1"), &seen(&["mine"]), &nothing, &[]), "violation/enforced wrong_guardrail", "only requested");
    let marked = Evidence { enforced_evaluation: true, ..Evidence::default() };
    assert_eq!(verdict(&call(), &marked, &nothing, &[]), "compliant/observed");
}

#[test]
fn an_evaluation_by_what_was_requested_shows_no_enforcement() {
    let nothing = state(Some(no_policy()), Some(no_configuration()));
    let in_part = state(Some(no_policy()), None);
    let of_account = state(Some(no_policy()), Some(configuration("mine", "1")));
    let by_request = Evidence { requested: requesting("mine", "1").requested, ..seen(&["mine"]) };
    assert_eq!(verdict(&call(), &by_request, &nothing, &[]), "violation/enforced wrong_guardrail");
    assert_eq!(verdict(&call(), &by_request, &in_part, &[]), "not_provable enforced_configuration");
    assert_eq!(verdict(&call(), &by_request, &of_account, &[]), "compliant/observed", "it is enforced as well");
    let other = Evidence { requested: requesting("other", "1").requested, ..seen(&["other"]) };
    assert_eq!(verdict(&call(), &other, &of_account, &[]), "violation/enforced wrong_guardrail", "what is enforced didn't evaluate it");
    let enforced = |id: &str| Evidence {
        evaluated: [Evaluated { id: id.into(), key: Some(guardrail(id)), version: None, enforced: true }].into(),
        ..Evidence::default()
    };
    assert_eq!(verdict(&call(), &enforced("mine"), &in_part, &[]), "compliant/observed");
    let by_id =
        Evidence { evaluated: [Evaluated { id: "mine".into(), key: None, version: None, enforced: false }].into(), ..Evidence::default() };
    assert_eq!(verdict(&call(), &by_id, &of_account, &[]), "compliant/observed");
    assert_eq!(verdict(&call(), &by_id, &in_part, &[]), "not_provable enforced_configuration");
    assert_eq!(verdict(&call(), &by_id, &nothing, &[]), "violation/enforced wrong_guardrail");
}

#[test]
fn what_an_evaluation_does_not_show_the_state_has_to() {
    let lenient = Requirement { guarding: Guarding::SELECTIVE, ..require("org") };
    for (unknown, missing) in [
        (State::default(), "not_provable effective_policy"),
        (state(None, Some(no_configuration())), "not_provable effective_policy"),
        (state(Some(no_policy()), None), "not_provable enforced_configuration"),
    ] {
        assert_eq!(verdict(&call(), &seen(&["org"]), &unknown, &[require("org")]), missing, "guarding");
        assert_eq!(verdict(&call(), &seen(&["org"]), &unknown, std::slice::from_ref(&lenient)), "compliant/observed");
    }
    let unclear = demanding(
        &json!({"identifier": "arn:aws:bedrock:us-east-1:111122223333:guardrail/org:2", "selective_content_guarding": {"system": "weird"}}),
    );
    let unclear = state(Some(unclear), Some(no_configuration()));
    assert_eq!(by_default(&call(), &unclear), "not_provable unknown_policy_keys", "the word may leave anything unguarded");
    assert_eq!(verdict(&call(), &Evidence::default(), &unclear, &[require("org")]), "not_provable unknown_policy_keys");
    assert_eq!(verdict(&call(), &seen(&["org"]), &unclear, &[require("org")]), "not_provable unknown_policy_keys");
}

#[test]
fn a_version_that_a_trace_shows_beats_that_of_the_policy() {
    let enforced = state(Some(org_guardrail()), Some(no_configuration()));
    let traced = |version| Evidence {
        evaluated: [Evaluated { id: "org".into(), key: Some(guardrail("org")), version: Some(version), enforced: true }].into(),
        ..Evidence::default()
    };
    assert_eq!(verdict(&call(), &traced(GuardrailVersion::Numbered(1)), &enforced, &[]), "violation/observed wrong_version");
    assert_eq!(verdict(&call(), &traced(GuardrailVersion::Numbered(2)), &enforced, &[]), "compliant/observed");
    let nothing = state(Some(no_policy()), Some(no_configuration()));
    let draft = requesting("org", "DRAFT");
    assert_eq!(verdict(&draft, &Evidence::default(), &nothing, &[require("org")]), "violation/enforced draft_version");
    assert_eq!(verdict(&draft, &seen(&["org"]), &nothing, &[require("org")]), "violation/observed draft_version", "also if it evaluated");
    assert_eq!(verdict(&draft, &seen(&["org"]), &enforced, &[require("org")]), "compliant/observed", "a version is enforced beside it");
    let lenient = Requirement { guarding: Guarding::SELECTIVE, ..require("org") };
    assert_eq!(verdict(&draft, &seen(&["org"]), &State::default(), &[lenient]), "not_provable guardrail_version", "or may be");
}

#[test]
fn a_guardrail_that_ran_without_a_name_may_be_the_required_one() {
    let nothing = state(Some(no_policy()), Some(no_configuration()));
    let ran = Evidence { unnamed_evaluation: true, ..Evidence::default() };
    assert_eq!(verdict(&call(), &ran, &nothing, &[]), "violation/enforced wrong_guardrail", "nothing enforces one");
    assert_eq!(verdict(&call(), &ran, &nothing, &[require("org")]), "not_provable requested_guardrail");
    assert_eq!(verdict(&requesting("mine", "1"), &ran, &nothing, &[require("org")]), "violation/enforced wrong_guardrail");
    assert_eq!(verdict(&call(), &ran, &state(Some(org_guardrail()), None), &[]), "compliant/enforced");
}

#[test]
fn what_a_record_hides_may_have_named_the_required_guardrail() {
    let nothing = state(Some(no_policy()), Some(no_configuration()));
    let hidden = Call { requested: Some(Requested { guardrail: None, version: None }), ..call() };
    assert_eq!(by_default(&hidden, &nothing), "violation/enforced no_guardrail", "only an enforced one will do");
    assert_eq!(verdict(&hidden, &Evidence::default(), &nothing, &[require("org")]), "not_provable requested_guardrail");
    let shown = Evidence { requested: requesting("org", "2").requested, ..seen(&["org"]) };
    assert_eq!(verdict(&hidden, &shown, &nothing, &[require("org")]), "compliant/observed", "an evaluation shows it");
}

#[test]
fn a_guardrail_that_cannot_be_applied_proves_nothing() {
    let with = |time: &str, content: Value| {
        let path = format!("guardrails/111122223333/us-east-1/org/2{time}.json");
        world(&[
            ("effective-policies/222233334444.json", org_guardrail()),
            ("enforced-configurations/222233334444/us-east-1.json", no_configuration()),
            (&path, content),
        ])
        .resolve()
    };
    let failed = json!({"guardrailId": "org", "version": "2", "status": "FAILED"});
    let reasoning = json!({"guardrailId": "org", "version": "2", "status": "READY",
        "automatedReasoningPolicy": {"policies": ["arn:aws:bedrock:us-east-1:111122223333:automated-reasoning-policy/abc:1"]}});
    for content in [failed.clone(), reasoning, json!({"guardrailId": null})] {
        assert_eq!(by_default(&call(), &with("", content.clone())), "not_provable enforceable_guardrail", "{content}");
        assert_eq!(verdict(&call(), &seen(&["org"]), &with("", content), &[]), "compliant/observed");
    }
    assert_eq!(by_default(&call(), &with("@20261120T230000Z", failed)), "not_provable enforceable_guardrail", "read later");
    assert_eq!(
        by_default(&call(), &with("@20261120T230000Z", json!({"guardrailId": null}))),
        "compliant/enforced",
        "it may have been there then"
    );
    assert_eq!(by_default(&call(), &with("", json!({"guardrailId": "org", "status": "READY"}))), "compliant/enforced");
}

#[test]
fn a_requirement_for_an_ou_is_for_those_who_were_in_it() {
    let organization = |parent: &str| {
        json!({"Organization": {"MasterAccountId": "111122223333"}, "Roots": [{"Id": "r-1"}],
            "OrganizationalUnits": [{"Id": "ou-1", "ParentId": "r-1"}], "Accounts": [{"Id": ACCOUNT, "ParentId": parent}]})
    };
    let moved = world(&[
        ("organization.json", organization("ou-1")),
        ("organization@20261120T180000Z.json", organization("r-1")),
        ("effective-policies/222233334444.json", org_guardrail()),
        ("enforced-configurations/222233334444/us-east-1.json", no_configuration()),
    ]);
    let moved = moved.resolve();
    let of_unit = Requirement { accounts: AccountSelector::new(["ou-1".to_owned()]), ..require("need") };
    assert_eq!(verdict(&call(), &Evidence::default(), &moved, std::slice::from_ref(&of_unit)), "violation/enforced wrong_guardrail");
    let later = Call { time: Some(hour(19)), ..call() };
    assert_eq!(verdict(&later, &Evidence::default(), &moved, std::slice::from_ref(&of_unit)), "compliant/enforced");
    assert_eq!(verdict(&call(), &Evidence::default(), &State::default(), &[of_unit]), "not_provable organization");
}

#[test]
fn the_lack_of_an_evaluation_counts_only_where_one_is_expected() {
    let enforced = state(Some(org_guardrail()), Some(no_configuration()));
    let lacking = |expectation| Evidence { expectation, ..Evidence::default() };
    assert_eq!(verdict(&call(), &lacking(Expectation::Evaluation), &enforced, &[]), "violation/enforced not_observed");
    assert_eq!(verdict(&call(), &lacking(Expectation::Doubt), &enforced, &[]), "not_provable evaluations");
    let nothing = state(Some(no_policy()), Some(no_configuration()));
    assert_eq!(verdict(&call(), &lacking(Expectation::Evaluation), &nothing, &[]), "violation/enforced no_guardrail");
    let later = world(&[
        ("effective-policies/222233334444@20261120T230000Z.json", org_guardrail()),
        ("enforced-configurations/222233334444/us-east-1.json", no_configuration()),
    ]);
    let later = later.resolve();
    assert_eq!(verdict(&call(), &lacking(Expectation::Evaluation), &later, &[]), "violation/assumed not_observed");
    assert_eq!(verdict(&call(), &lacking(Expectation::Doubt), &later, &[]), "not_provable evaluations");
}

#[test]
fn an_unknown_model_is_judged_over_all_it_may_be() {
    let profile =
        Call { model: Model::parse("arn:aws:bedrock:us-east-1:222233334444:application-inference-profile/abcdef123456"), ..call() };
    let prompt = Call { model: Model::parse("arn:aws:bedrock:us-east-1:222233334444:prompt/PROMPT1234:1"), ..call() };
    let all = state(Some(org_guardrail()), Some(no_configuration()));
    assert_eq!(by_default(&profile, &all), "compliant/enforced", "whatever the foundation model");
    assert_eq!(by_default(&prompt, &all), "not_provable model model_kind_coverage", "a prompt may name a custom model");
    let some = demanding(&json!({"identifier": "arn:aws:bedrock:us-east-1:111122223333:guardrail/org:2",
        "model_enforcement": {"included_models": ["ALL"], "excluded_models": [HAIKU]}}));
    assert_eq!(by_default(&profile, &state(Some(some.clone()), Some(no_configuration()))), "not_provable model");
    let nothing = state(Some(no_policy()), Some(no_configuration()));
    assert_eq!(by_default(&profile, &nothing), "violation/enforced no_guardrail");
    assert_eq!(by_default(&prompt, &nothing), "violation/enforced no_guardrail");
    let resolved = world(&[
        ("effective-policies/222233334444.json", some),
        (
            "inference-profiles/222233334444/us-east-1/abcdef123456.json",
            json!({"models": [{"modelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{HAIKU}")}]}),
        ),
    ]);
    assert_eq!(by_default(&profile, &resolved.resolve()), "not_applicable/enforced", "the world resolves it");
}

#[test]
fn deployed_models_need_an_observation() {
    let imported = Call { model: Model::parse("arn:aws:bedrock:us-east-1:222233334444:imported-model/abc"), ..call() };
    let enforced = state(Some(org_guardrail()), Some(no_configuration()));
    assert_eq!(by_default(&imported, &enforced), "not_provable model_kind_coverage");
    assert_eq!(verdict(&imported, &seen(&["org"]), &enforced, &[]), "compliant/observed");
    assert_eq!(by_default(&Call { requested: requesting("org", "2").requested, ..imported.clone() }, &enforced), "compliant/requested");
    assert_eq!(by_default(&imported, &state(Some(no_policy()), Some(no_configuration()))), "violation/enforced no_guardrail");
}

#[test]
fn what_cannot_be_enforced_is_not_in_force() {
    for identifier in
        ["arn:aws:bedrock:us-east-1:111122223333:guardrail/org:DRAFT", "org", "arn:aws:bedrock:eu-west-1:111122223333:guardrail/org:1"]
    {
        let unusable = state(Some(demanding(&json!({"identifier": identifier}))), Some(no_configuration()));
        assert_eq!(by_default(&call(), &unusable), "violation/enforced no_guardrail", "{identifier}");
    }
    let foreign = world(&[
        ("organization.json", json!({"Organization": {"MasterAccountId": "999999999999"}})),
        ("effective-policies/222233334444.json", org_guardrail()),
        ("enforced-configurations/222233334444/us-east-1.json", no_configuration()),
    ]);
    assert_eq!(by_default(&call(), &foreign.resolve()), "violation/enforced no_guardrail", "not a guardrail of the management account");
}

#[test]
fn what_aws_does_not_document_is_never_compliant() {
    let arn = |id: &str| json!({"identifier": format!("arn:aws:bedrock:us-east-1:111122223333:guardrail/{id}:1")});
    let several = |a: Value, b: Value| {
        state(
            Some(described(&json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": a, "config_2": b}}}}))),
            Some(no_configuration()),
        )
    };
    assert_eq!(by_default(&call(), &several(arn("a"), arn("b"))), "not_provable several_configurations");
    assert_eq!(by_default(&call(), &several(arn("a"), arn("a"))), "compliant/enforced", "it makes no difference");
    assert_eq!(verdict(&call(), &seen(&["a", "b"]), &several(arn("a"), arn("b")), &[]), "compliant/observed");
    let version = |version: u32| json!({"identifier": format!("arn:aws:bedrock:us-east-1:111122223333:guardrail/org:{version}")});
    let third = Requirement { minimum_version: Some(3), ..require("org") };
    let over = |one, other| verdict(&call(), &Evidence::default(), &several(version(one), version(other)), std::slice::from_ref(&third));
    assert_eq!(over(3, 4), "compliant/enforced", "whichever applies");
    assert_eq!(over(1, 2), "violation/enforced wrong_version", "whichever applies");
    assert_eq!(over(2, 3), "not_provable several_configurations");
    let observed = verdict(&call(), &seen(&["org"]), &several(version(2), version(3)), std::slice::from_ref(&third));
    assert_eq!(observed, "not_provable several_configurations", "an evaluation shows no version");
    let mut unknown = arn("org");
    unknown["mode"] = json!("detect");
    assert_eq!(by_default(&call(), &state(Some(demanding(&unknown)), Some(no_configuration()))), "not_provable unknown_policy_keys");
}

#[test]
fn mediated_calls_are_judged_by_the_guardrail_of_the_mediator() {
    let agent =
        Call { reach: OperationCoverage::Mediated(Mediator::Agent), mediator: Some("AGENT12345".into()), model: Model::Unknown, ..call() };
    let with_agent = |guardrail: Value| {
        let files = [
            ("effective-policies/222233334444.json", org_guardrail()),
            (
                "agents/222233334444/us-east-1/AGENT12345.json",
                json!({"agent": {"agentId": "AGENT12345", "foundationModel": HAIKU, "guardrailConfiguration": guardrail}}),
            ),
        ];
        by_default(&agent, &world(&files).resolve())
    };
    let named = |id: &str, version: &str| json!({"guardrailIdentifier": guardrail(id).arn(), "guardrailVersion": version});
    assert_eq!(with_agent(named("org", "2")), "compliant/requested");
    assert_eq!(with_agent(named("org", "1")), "violation/enforced wrong_version");
    assert_eq!(with_agent(named("mine", "1")), "violation/enforced wrong_guardrail");
    assert_eq!(with_agent(named("org", "DRAFT")), "violation/enforced draft_version");
    assert_eq!(with_agent(Value::Null), "violation/enforced api_not_covered");
    assert_eq!(by_default(&agent, &state(Some(org_guardrail()), None)), "not_provable mediated_guardrail");
    let inline = Call { reach: OperationCoverage::Mediated(Mediator::Request), ..requesting("org", "2") };
    assert_eq!(by_default(&inline, &state(Some(org_guardrail()), None)), "compliant/requested");
}

#[test]
fn every_node_of_a_flow_has_to_be_guarded() {
    let flow =
        Call { reach: OperationCoverage::Mediated(Mediator::Flow), mediator: Some("FLOW123456".into()), model: Model::Unknown, ..call() };
    let with_nodes = |nodes: Value| {
        let files = [
            ("effective-policies/222233334444.json", org_guardrail()),
            ("flows/222233334444/us-east-1/FLOW123456.json", json!({"id": "FLOW123456", "definition": {"nodes": nodes}})),
        ];
        by_default(&flow, &world(&files).resolve())
    };
    let prompt = |id: &str| {
        let named = json!({"guardrailIdentifier": guardrail(id).arn(), "guardrailVersion": "2"});
        json!({"configuration": {"prompt": {"guardrailConfiguration": named}}})
    };
    let unguarded = json!({"configuration": {"prompt": {}}});
    let looping = |nodes: Value| json!({"configuration": {"loop": {"definition": {"nodes": nodes}}}});
    let agent = json!({"configuration": {"agent": {"agentAliasArn": "arn:aws:bedrock:us-east-1:222233334444:agent-alias/AGENT12345/X"}}});
    assert_eq!(with_nodes(json!([prompt("org"), prompt("org")])), "compliant/requested");
    assert_eq!(with_nodes(json!([prompt("org"), looping(json!([prompt("org")]))])), "compliant/requested");
    assert_eq!(with_nodes(json!([prompt("org"), prompt("mine")])), "violation/enforced wrong_guardrail");
    assert_eq!(with_nodes(json!([prompt("org"), looping(json!([unguarded]))])), "violation/enforced api_not_covered");
    assert_eq!(with_nodes(json!([prompt("org"), agent])), "not_provable mediated_guardrail");
    assert_eq!(with_nodes(json!([unguarded, agent])), "violation/enforced api_not_covered");
    let input = json!({"type": "Input", "configuration": {"input": {}}});
    assert_eq!(with_nodes(json!([input])), "not_provable mediated_guardrail", "an alias may stand for another version");
}

#[test]
fn a_state_read_later_is_only_assumed() {
    let later = |path: &'static str, json: Value| {
        world(&[(path, json), ("enforced-configurations/222233334444/us-east-1.json", no_configuration())]).resolve()
    };
    assert_eq!(by_default(&call(), &later("effective-policies/222233334444@20261120T230000Z.json", org_guardrail())), "compliant/assumed");
    assert_eq!(
        by_default(&call(), &later("effective-policies/222233334444@20261120T230000Z.json", no_policy())),
        "violation/assumed no_guardrail"
    );
}

#[test]
fn a_call_without_a_time_is_judged_at_all_times() {
    let untimed = Call { time: None, ..call() };
    assert_eq!(by_default(&untimed, &state(Some(org_guardrail()), None)), "compliant/enforced");
    let changing = world(&[
        ("effective-policies/222233334444.json", org_guardrail()),
        ("effective-policies/222233334444@20261120T100000Z.json", no_policy()),
        ("enforced-configurations/222233334444/us-east-1.json", no_configuration()),
    ]);
    assert_eq!(by_default(&untimed, &changing.resolve()), "not_provable event_time");
    assert_eq!(by_default(&Call { region: "unknown".into(), ..call() }, &state(Some(org_guardrail()), None)), "not_provable region");
}

#[test]
fn the_reason_that_comes_first_is_named() {
    let other_region = described(
        &json!({"bedrock": {"guardrail_inference": {"eu-west-1": {"c": {"identifier": "arn:aws:bedrock:eu-west-1:111122223333:guardrail/org:2"}}}}}),
    );
    let elsewhere = state(Some(other_region), Some(configuration("mine", "1")));
    assert_eq!(
        verdict(&requesting("org", "DRAFT"), &Evidence::default(), &elsewhere, &[require("org")]),
        "violation/enforced region_not_covered"
    );
    let nothing = state(Some(no_policy()), Some(configuration("mine", "1")));
    assert_eq!(
        verdict(&requesting("org", "1"), &Evidence::default(), &nothing, &[Requirement { minimum_version: Some(2), ..require("org") }]),
        "violation/enforced wrong_version"
    );
}
