//! The policies in force in small worlds, whatever the order of their snapshots and changes.

use serde_json::{Value, json};

use super::{
    super::{
        WorldChange,
        testing::{described, hour, policy, world},
    },
    *,
};
use crate::telemetry::{LoggedEvent, Recorded};

mod readings;

const ACCOUNT: &str = "222233334444";

fn demands(id: &str) -> Value {
    let arn = format!("arn:aws:bedrock:us-east-1:111122223333:guardrail/{id}:1");
    json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifier": {"@@assign": arn}}}}}})
}

fn demanded(id: &str) -> Value {
    let arn = format!("arn:aws:bedrock:us-east-1:111122223333:guardrail/{id}:1");
    json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifier": arn}}}}})
}

fn organization(attachments: &Value) -> Value {
    json!({"Organization": {"Id": "o-1", "MasterAccountId": "111122223333"},
        "Roots": [{"Id": "r-1", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}],
        "OrganizationalUnits": [{"Id": "ou-1", "Name": "one", "ParentId": "r-1"}, {"Id": "ou-2", "Name": "two", "ParentId": "r-1"}],
        "Accounts": [{"Id": ACCOUNT, "Name": "shop", "ParentId": "ou-1"}],
        "Attachments": attachments})
}

/// What is in force, in short: `known a`, `assumed none`, `?`.
fn in_force(world: World, at: Timestamp) -> String {
    let state = world.resolve();
    let name = |policy: &PolicyInForce| match &policy.policy {
        None => "none".to_owned(),
        Some(policy) => policy
            .regions
            .values()
            .flatten()
            .next()
            .map_or("empty".to_owned(), |configuration| configuration.enforcement().unwrap().guardrail.key.id.to_string()),
    };
    match state.policy(&ACCOUNT.into(), at) {
        InForce::Known(policy) => format!("known {}", name(policy)),
        InForce::Assumed(policy) => format!("assumed {}", name(policy)),
        InForce::NotKnown => "?".to_owned(),
    }
}

/// The hours at which an account's state may change, and those at which periods of it begin.
#[test]
fn a_period_begins_where_an_answer_differs() {
    let here = (AccountId::from(ACCOUNT), Region::from("us-east-1"));
    let configuration = |version: &str| {
        json!({"guardrailsConfig": [{"guardrailArn": format!("arn:aws:bedrock:us-east-1:{ACCOUNT}:guardrail/abc"),
        "guardrailId": "abc", "guardrailVersion": version}]})
    };
    let guardrail = |version: &str, status: &str| json!({"guardrailId": "abc", "version": version, "status": status});
    let file = |kind: &str, hour: u8| format!("{kind}@20261120T{hour:02}0000Z.json");
    let (configurations, of_guardrail) =
        (format!("enforced-configurations/{ACCOUNT}/us-east-1"), format!("guardrails/{ACCOUNT}/us-east-1/abc"));
    let world = world(&[
        (&file(&configurations, 1), configuration("1")),
        (&file(&configurations, 2), configuration("1")),
        (&file(&configurations, 5), configuration("2")),
        (&file(&format!("{of_guardrail}/DRAFT"), 3), guardrail("DRAFT", "READY")),
        (&file(&format!("{of_guardrail}/DRAFT"), 4), guardrail("DRAFT", "FAILED")),
        (&file(&format!("{of_guardrail}/2"), 6), guardrail("2", "READY")),
        (&file(&format!("{of_guardrail}/2"), 7), guardrail("2", "FAILED")),
    ]);
    let state = world.resolve();
    assert_eq!(state.boundaries(&here.0, &here.1), [1, 2, 3, 4, 5, 6, 7].map(hour));
    assert_eq!(
        state.periods(&here.0, &here.1),
        [1, 5, 7].map(hour),
        "at first the configuration is assumed, and in the end it can't be applied"
    );
}

fn with(mut world: World, hour_of_change: u8, change: OrganizationChange) -> World {
    world.apply(hour(hour_of_change), &format!("event-{hour_of_change}"), &WorldChange::Organization(change));
    world
}

fn root_policy() -> World {
    world(&[
        ("organization.json", organization(&json!([{"PolicyId": "p-1", "TargetId": "r-1"}]))),
        ("policies/p-1.json", policy("BEDROCK_POLICY", &demands("a"))),
    ])
}

#[test]
fn a_computed_policy_holds_where_none_was_described() {
    assert_eq!(in_force(root_policy(), hour(1)), "known a");
    assert_eq!(in_force(world(&[]), hour(1)), "?");
    let unlisted = world(&[("organization.json", json!({"Roots": [{"Id": "r-1"}], "Accounts": []}))]);
    assert_eq!(in_force(unlisted, hour(1)), "?", "an account that isn't listed is not known");
}

#[test]
fn an_attachment_holds_from_its_time() {
    let dated = organization(&json!([{"PolicyId": "p-1", "TargetId": "r-1", "AttachedAt": "2026-11-20T05:00:00Z"}]));
    for name in ["organization.json", "organization@20261120T080000Z.json"] {
        let files = [(name, dated.clone()), ("policies/p-1.json", policy("BEDROCK_POLICY", &demands("a")))];
        let known = if name.contains('@') { "assumed" } else { "known" };
        assert_eq!(in_force(world(&files), hour(4)), format!("{known} none"), "{name}");
        assert_eq!(in_force(world(&files), hour(5)), format!("{known} a"), "{name}");
        assert_eq!(in_force(world(&files), hour(9)), "known a", "{name}");
    }
}

#[test]
fn of_attachments_of_one_moment_the_first_in_the_list_wins() {
    let attached = |policy: &str| json!({"PolicyId": policy, "TargetId": "r-1", "AttachedAt": "2026-11-20T05:00:00Z"});
    for name in ["organization.json", "organization@20261120T080000Z.json"] {
        let files = [
            (name, organization(&json!([attached("p-z"), attached("p-a")]))),
            ("policies/p-a.json", policy("BEDROCK_POLICY", &demands("a"))),
            ("policies/p-z.json", policy("BEDROCK_POLICY", &demands("z"))),
        ];
        assert_eq!(in_force(world(&files), hour(5)).split(' ').next_back(), Some("z"), "{name}");
        assert_eq!(in_force(world(&files), hour(9)), "known z", "{name}");
    }
}

#[test]
fn described_beats_computed_until_an_event_touches_the_account() {
    let mut both = root_policy();
    both.add(
        &super::super::SnapshotPath::parse("effective-policies/222233334444@20261120T030000Z.json").unwrap(),
        described(&demanded("b")).to_string().as_bytes(),
    )
    .unwrap();
    assert_eq!(in_force(both.clone(), hour(1)), "known a", "nothing was described yet");
    assert_eq!(in_force(both.clone(), hour(4)), "known b");
    let detached = with(both.clone(), 5, OrganizationChange::DetachPolicy { policy: "p-1".into(), target: "r-1".into() });
    assert_eq!(in_force(detached.clone(), hour(4)), "known b");
    assert_eq!(in_force(detached.clone(), hour(6)), "known none", "the computed policy holds until the next is described");
    let elsewhere = with(both, 5, OrganizationChange::AttachPolicy { policy: "p-1".into(), target: "ou-2".into() });
    assert_eq!(in_force(elsewhere, hour(6)), "known b", "the account isn't touched");
    let mut described_again = detached;
    described_again
        .add(
            &super::super::SnapshotPath::parse("effective-policies/222233334444@20261120T070000Z.json").unwrap(),
            br#"{"EffectivePolicy": null}"#,
        )
        .unwrap();
    assert_eq!(in_force(described_again.clone(), hour(8)), "known none");
}

#[test]
fn a_snapshot_younger_than_the_moment_is_assumed() {
    let young = world(&[("effective-policies/222233334444@20261120T030000Z.json", described(&demanded("a")))]);
    assert_eq!(in_force(young.clone(), hour(2)), "assumed a");
    let touched = with(young, 2, OrganizationChange::AttachPolicy { policy: "p-9".into(), target: ACCOUNT.into() });
    assert_eq!(in_force(touched.clone(), hour(1)), "?", "an event lies between");
    assert_eq!(in_force(touched, hour(2)), "assumed a", "the snapshot shows what the event left");
}

#[test]
fn from_a_snapshot_that_can_not_be_read_on_nothing_is_known_until_the_next() {
    let broken = |world: &mut World, path: &str, json: &str| {
        world.add(&super::super::SnapshotPath::parse(path).unwrap(), json.as_bytes()).unwrap_err();
    };
    let mut policy_lost = world(&[
        ("effective-policies/222233334444.json", described(&demanded("a"))),
        ("effective-policies/222233334444@20261120T070000Z.json", described(&demanded("b"))),
    ]);
    broken(&mut policy_lost, "effective-policies/222233334444@20261120T030000Z.json", "{");
    assert_eq!(in_force(policy_lost.clone(), hour(2)), "known a");
    assert_eq!(in_force(policy_lost.clone(), hour(3)), "assumed b");
    assert_eq!(in_force(policy_lost, hour(7)), "known b");
    let mut last_lost = root_policy();
    broken(&mut last_lost, "effective-policies/222233334444@20261120T030000Z.json", r#"{"EffectivePolicy": {"PolicyContent": "[]"}}"#);
    assert_eq!(in_force(last_lost.clone(), hour(2)), "known a", "as computed");
    assert_eq!(in_force(last_lost, hour(4)), "?");
    for (path, json) in [
        ("organization@20261120T030000Z.json", "[]"),
        ("organization@20261120T030000Z.json", "{}"),
        ("policies/p-1@20261120T030000Z.json", r#"{"Policy": {"PolicySummary": {"Type": "BEDROCK_POLICY"}, "Content": "[]"}}"#),
    ] {
        let mut lost = root_policy();
        broken(&mut lost, path, json);
        assert_eq!(in_force(lost.clone(), hour(2)), "known a", "{path}");
        assert_eq!(in_force(lost, hour(4)), "?", "{path}: {json}");
    }
}

#[test]
fn events_move_the_organization() {
    let lower = OrganizationChange::CreatePolicy {
        policy: "p-2".into(),
        policy_type: "BEDROCK_POLICY".into(),
        name: "lower".into(),
        content: Some(demands("b").to_string()),
    };
    let created = with(root_policy(), 1, lower);
    assert_eq!(in_force(created.clone(), hour(2)), "known a");
    let attached = with(created, 2, OrganizationChange::AttachPolicy { policy: "p-2".into(), target: "ou-1".into() });
    assert_eq!(in_force(attached.clone(), hour(2)), "known b", "a lower attachment replaces the higher");
    let moved = with(attached.clone(), 3, OrganizationChange::MoveAccount { account: ACCOUNT.into(), destination: "ou-2".into() });
    assert_eq!(in_force(moved, hour(3)), "known a");
    let updated =
        with(attached.clone(), 3, OrganizationChange::UpdatePolicy { policy: "p-2".into(), content: Some(demands("c").to_string()) });
    assert_eq!(in_force(updated, hour(3)), "known c");
    let hidden = with(attached.clone(), 3, OrganizationChange::UpdatePolicy { policy: "p-2".into(), content: None });
    assert_eq!(in_force(hidden, hour(3)), "?", "what the event hides is not known");
    let left = with(attached.clone(), 3, OrganizationChange::AccountLeft { account: ACCOUNT.into() });
    assert_eq!(in_force(left, hour(3)), "known none");
    let disabled = with(attached, 3, OrganizationChange::DisablePolicyType { root: "r-1".into(), policy_type: "BEDROCK_POLICY".into() });
    assert_eq!(in_force(disabled.clone(), hour(3)), "known none");
    let enabled = with(disabled, 4, OrganizationChange::EnablePolicyType { root: "r-1".into(), policy_type: "BEDROCK_POLICY".into() });
    assert_eq!(in_force(enabled, hour(4)), "known none", "enabling doesn't attach again");
}

#[test]
fn policies_of_other_types_are_another_matter() {
    let mut scp = root_policy();
    scp.add(
        &super::super::SnapshotPath::parse("policies/p-2.json").unwrap(),
        policy("SERVICE_CONTROL_POLICY", &json!({"Statement": []})).to_string().as_bytes(),
    )
    .unwrap();
    scp.add(
        &super::super::SnapshotPath::parse("effective-policies/222233334444.json").unwrap(),
        described(&demanded("d")).to_string().as_bytes(),
    )
    .unwrap();
    let attached = with(scp.clone(), 2, OrganizationChange::AttachPolicy { policy: "p-2".into(), target: "r-1".into() });
    assert_eq!(in_force(attached, hour(3)), "known d", "an SCP ends no described snapshot");
    let managed = with(scp.clone(), 2, OrganizationChange::AttachPolicy { policy: "p-FullAWSAccess".into(), target: "r-1".into() });
    assert_eq!(in_force(managed, hour(3)), "known d");
    let unknown = with(scp, 2, OrganizationChange::AttachPolicy { policy: "p-3".into(), target: "r-1".into() });
    assert_eq!(in_force(unknown, hour(3)), "?", "a policy of unknown type may be a Bedrock policy");
}

#[test]
fn while_a_policy_is_invalid_the_last_valid_one_stays() {
    let broken =
        with(root_policy(), 2, OrganizationChange::UpdatePolicy { policy: "p-1".into(), content: Some("{\"bedrock\":{}}".into()) });
    let invalid = with(broken, 3, OrganizationChange::EffectivePolicyValidation { account: ACCOUNT.into(), valid: false });
    assert_eq!(in_force(invalid.clone(), hour(2)), "known empty");
    assert_eq!(in_force(invalid.clone(), hour(3)), "assumed a");
    let repaired =
        with(invalid.clone(), 4, OrganizationChange::UpdatePolicy { policy: "p-1".into(), content: Some(demands("b").to_string()) });
    assert_eq!(in_force(repaired.clone(), hour(4)), "assumed a", "until AWS says that it is valid");
    let valid = with(repaired, 5, OrganizationChange::EffectivePolicyValidation { account: ACCOUNT.into(), valid: true });
    assert_eq!(in_force(valid, hour(5)), "known b");
}

#[test]
fn an_account_stands_where_it_stood() {
    let mut world = root_policy();
    world = with(world, 10, OrganizationChange::MoveAccount { account: ACCOUNT.into(), destination: "ou-2".into() });
    world = with(world, 12, OrganizationChange::UpdatePolicy { policy: "p-1".into(), content: None });
    world = with(world, 14, OrganizationChange::NotReadable { event_name: "MoveAccount".into() });
    let state = world.resolve();
    let at = |at: u8| {
        let path = state.placement(&ACCOUNT.into(), hour(at)).state().map(|placement| placement.path.clone());
        path.map(|path| path.iter().map(ToString::to_string).collect::<Vec<_>>().join("/"))
    };
    assert_eq!(at(9).as_deref(), Some("r-1/ou-1/222233334444"));
    assert_eq!(at(10).as_deref(), Some("r-1/ou-2/222233334444"));
    assert_eq!(at(13).as_deref(), Some("r-1/ou-2/222233334444"), "a policy moves nobody");
    assert_eq!(at(14), None, "who was moved isn't in the record");
    let left = with(root_policy(), 10, OrganizationChange::AccountLeft { account: ACCOUNT.into() }).resolve();
    assert!(left.placement(&ACCOUNT.into(), hour(9)).state().is_some());
    assert_eq!(left.placement(&ACCOUNT.into(), hour(10)), InForce::NotKnown);
}

#[test]
fn only_changes_of_listed_trails_end_what_is_known_of_them() {
    let trail = |account: &str, name: &str| {
        json!({"TrailARN": format!("arn:aws:cloudtrail:us-east-1:{account}:trail/{name}"), "IsLogging": true, "AdvancedEventSelectors": [
            {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::Bedrock::Guardrail"]}]}]})
    };
    let records = |telemetry: Value, account: &str, arn: Option<&str>| {
        let mut world = world(&[("telemetry/222233334444/us-east-1.json", telemetry), ("organization.json", organization(&json!([])))]);
        world.apply(hour(10), "e", &WorldChange::TelemetryChanged { account: account.into(), trail: arn.map(str::to_owned) });
        let state = world.resolve();
        let telemetry = state.telemetry(&ACCOUNT.into(), &"us-east-1".into(), hour(11));
        matches!(telemetry, InForce::Known(telemetry) if telemetry.records(LoggedEvent::EVALUATION) == Recorded::Yes)
    };
    let (organizations, own) = ("arn:aws:cloudtrail:us-east-1:111122223333:trail/o", "arn:aws:cloudtrail:us-east-1:222233334444:trail/own");
    let of_organization = || trail("111122223333", "o");
    assert!(!records(of_organization(), "111122223333", Some(organizations)), "the organization's trail ends for all");
    assert!(!records(of_organization(), "111122223333", None), "it may be that one");
    assert!(records(of_organization(), ACCOUNT, Some(own)), "a member's own trail is none that is read here");
    assert!(records(of_organization(), ACCOUNT, Some("arn:aws:cloudtrail:us-east-1:222233334444:trail/o")), "nor is one of the same name");
    assert!(records(of_organization(), ACCOUNT, None));
    assert!(!records(trail(ACCOUNT, "own"), ACCOUNT, Some(own)));
    assert!(records(trail(ACCOUNT, "own"), ACCOUNT, Some("arn:aws:cloudtrail:eu-west-1:222233334444:trail/own")), "of another Region");
    assert!(records(json!([of_organization(), trail(ACCOUNT, "own")]), ACCOUNT, Some(own)), "the other one goes on");
    let mut unnamed = trail(ACCOUNT, "own");
    unnamed["TrailARN"] = Value::Null;
    assert!(!records(unnamed.clone(), ACCOUNT, Some(own)));
    assert!(!records(unnamed.clone(), "111122223333", Some(organizations)));
    assert!(records(unnamed, "333344445555", Some(organizations)), "a third account changes nothing here");
}

#[test]
fn other_policy_types_can_be_computed_too() {
    let tags = world(&[
        ("organization.json", organization(&json!([{"PolicyId": "p-1", "TargetId": "r-1"}]))),
        ("policies/p-1.json", policy("TAG_POLICY", &json!({"tags": {"a": {"tag_key": {"@@assign": "A"}}}}))),
    ]);
    let computed = tags.computed_policies("TAG_POLICY", Timestamp::END);
    assert_eq!(computed[&AccountId::from(ACCOUNT)].as_ref().unwrap().as_ref().unwrap().document, json!({"tags": {"a": {"tag_key": "A"}}}));
    assert_eq!(tags.computed_policies("BEDROCK_POLICY", Timestamp::END)[&AccountId::from(ACCOUNT)], Some(None));
}
