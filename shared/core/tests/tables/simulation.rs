//! Tests simulated changes: which are possible, and their effect on the calls that were made.

use audit_core::{
    arn::GuardrailVersionArn,
    change::{OrganizationChange, WorldChange},
    enforcement::{Enforcement, Guarding, ModelScope},
    simulate::{Simulation, simulate},
};
use serde_json::{Value, json};

use crate::given::{ACCOUNT, Given, HAIKU, REQUIRED, call};

fn demands(guardrail: &str, more: &Value) -> Value {
    let mut configuration = json!({"identifier": {"@@assign": guardrail}});
    configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": configuration}}}})
}

/// An organization of two OUs, the first of which holds the account. Of its policies, `p-org` demands version 2 of the required guardrail,
/// `p-mine` one that filters less, and `p-scp` is of another type. The account owns `own`, which is like the required one.
fn organization(attached: &[(&str, &str)]) -> Given {
    let attachments: Vec<Value> = attached.iter().map(|(policy, target)| json!({"PolicyId": policy, "TargetId": target})).collect();
    let organization = json!({
        "Organization": {"Id": "o-1", "MasterAccountId": "111122223333"},
        "Roots": [{"Id": "r-1", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}],
        "OrganizationalUnits": [{"Id": "ou-1", "Name": "one", "ParentId": "r-1"}, {"Id": "ou-2", "Name": "two", "ParentId": "r-1"}],
        "Accounts": [{"Id": ACCOUNT, "Name": "shop", "ParentId": "ou-1"}, {"Id": "999988887777", "Name": "quiet", "ParentId": "ou-2"}],
        "Attachments": attachments,
    });
    let policy =
        |kind: &str, content: &Value| json!({"Policy": {"PolicySummary": {"Type": kind, "Name": "p"}, "Content": content.to_string()}});
    let guardrail = |id: &str, version: &str, strength: &str| {
        let filters = json!([{"type": "HATE", "inputStrength": strength, "outputStrength": strength}]);
        json!({"guardrailId": id, "version": version, "status": "READY", "contentPolicy": {"filters": filters}})
    };
    let shared = json!({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "bedrock:ApplyGuardrail"}]}).to_string();
    let shared = || json!({ "resourcePolicy": shared });
    Given::unconfigured()
        .file("guardrails/111122223333/us-east-1/org/2.json", guardrail("org", "2", "HIGH"))
        .file("guardrails/111122223333/us-east-1/mine/1.json", guardrail("mine", "1", "LOW"))
        .file(&format!("guardrails/{ACCOUNT}/us-east-1/own/1.json"), guardrail("own", "1", "HIGH"))
        .file("resource-policies/111122223333/us-east-1/org.json", shared())
        .file("resource-policies/111122223333/us-east-1/mine.json", shared())
        .file("organization.json", organization)
        .file("policies/p-org.json", policy("BEDROCK_POLICY", &demands(&format!("{REQUIRED}:2"), &json!({}))))
        .file("policies/p-mine.json", policy("BEDROCK_POLICY", &demands(&format!("{}:1", REQUIRED.replace("/org", "/mine")), &json!({}))))
        .file("policies/p-scp.json", policy("SERVICE_CONTROL_POLICY", &json!({"Statement": []})))
}

fn attach(policy: &str, target: &str) -> WorldChange {
    WorldChange::Organization(OrganizationChange::AttachPolicy { policy: policy.into(), target: target.into() })
}

fn detach(policy: &str, target: &str) -> WorldChange {
    WorldChange::Organization(OrganizationChange::DetachPolicy { policy: policy.into(), target: target.into() })
}

fn moved(account: &str, destination: &str) -> WorldChange {
    WorldChange::Organization(OrganizationChange::MoveAccount { account: account.into(), destination: destination.into() })
}

/// The account's own configuration is put, with a guardrail and its version, or deleted.
fn put(account: &str, guardrail: Option<&str>) -> WorldChange {
    let enforcement = guardrail.map(|guardrail| {
        let (key, version) = GuardrailVersionArn::split(guardrail).unwrap();
        let guardrail = GuardrailVersionArn { key, version: version.unwrap() };
        Enforcement { guardrail, models: ModelScope::ALL, guarding: Guarding::COMPREHENSIVE, unclear: Vec::new() }
    });
    WorldChange::ConfigurationPut { account: account.into(), region: "us-east-1".into(), enforcement }
}

fn simulated(given: &Given, supposed: &[WorldChange]) -> Result<Simulation, String> {
    given.with_terms(|facts, world, options| simulate(facts, world, supposed, true, options)).map_err(|error| error.to_string())
}

#[test]
fn only_changes_of_what_is_known_can_be_simulated() {
    let (numbered, draft) = (format!("{REQUIRED}:3"), format!("{REQUIRED}:DRAFT"));
    let no_draft = format!("{draft}: only a numbered version can be enforced");
    let known = organization(&[("p-org", "r-1")]).records([call(1, "12:00").with("recipientAccountId", json!("555566667777"))]);
    for (change, expected) in [
        (attach("p-mine", "r-1"), Ok(())),
        (attach("p-mine", "ou-2"), Ok(())),
        (attach("p-mine", ACCOUNT), Ok(())),
        (attach("p-mine", "ou-9"), Err("`ou-9` is no root, OU or account of the organization")),
        (attach("p-9", "r-1"), Err("the policy `p-9` isn't in the world")),
        (attach("p-scp", "r-1"), Err("the policy `p-scp` is of type SERVICE_CONTROL_POLICY: only BEDROCK_POLICY changes who is covered")),
        (detach("p-org", "r-1"), Ok(())),
        (detach("p-org", "ou-1"), Err("the policy `p-org` is not attached to `ou-1`")),
        (detach("p-mine", "r-1"), Err("the policy `p-mine` is not attached to `r-1`")),
        (moved(ACCOUNT, "ou-2"), Ok(())),
        (moved(ACCOUNT, "r-1"), Ok(())),
        (moved(ACCOUNT, ACCOUNT), Err("`222233334444` is no root or OU of the organization")),
        (moved("555566667777", "ou-2"), Err("the account `555566667777` is neither in the organization nor in the logs")),
        (put("999988887777", None), Ok(())),
        (put("555566667777", None), Ok(())),
        (put(ACCOUNT, Some(&numbered)), Ok(())),
        (put(ACCOUNT, Some(&draft)), Err(no_draft.as_str())),
        (put("444455556666", Some(&numbered)), Err("the account `444455556666` is neither in the organization nor in the logs")),
        (put("444455556666", None), Err("the account `444455556666` is neither in the organization nor in the logs")),
    ] {
        assert_eq!(simulated(&known, std::slice::from_ref(&change)).map(|_| ()), expected.map_err(str::to_owned), "{change:?}");
    }
    let unknown = "the organization isn't known: the world needs organization.json".to_owned();
    for change in [attach("p-org", "r-1"), detach("p-org", "r-1"), moved(ACCOUNT, "ou-2")] {
        assert_eq!(simulated(&Given::demanded(), std::slice::from_ref(&change)).map(|_| ()), Err(unknown.clone()), "{change:?}");
    }
    assert_eq!(simulated(&Given::demanded(), &[put(ACCOUNT, None)]).map(|_| ()), Ok(()), "an account with a policy is known");
    let twice = simulated(&known, &[detach("p-org", "r-1"), detach("p-org", "r-1")]).map(|_| ());
    assert_eq!(twice, Err("the policy `p-org` is not attached to `r-1`".to_owned()), "each change is made after those before it");
}

#[test]
fn the_effect_on_calls_goes_by_what_was_and_what_becomes() {
    let calls = || [call(1, "12:00"), call(2, "12:01"), call(3, "12:02").model("amazon.nova-pro-v1:0")];
    let mine = || vec![("p-org", "r-1"), ("p-mine", "ou-2")];
    let own = format!("arn:aws:bedrock:us-east-1:{ACCOUNT}:guardrail/own:1");
    for (what, attached, changes, effect, accounts) in [
        ("nothing changes", vec![("p-org", "r-1")], vec![attach("p-org", "ou-2")], "unchanged", 0),
        ("the policy goes", vec![("p-org", "r-1")], vec![detach("p-org", "r-1")], "loses cover", 1),
        ("the policy comes", vec![], vec![attach("p-org", "ou-1")], "gains cover", 0),
        ("the account enforces one itself", vec![], vec![put(ACCOUNT, Some(&own))], "gains cover", 0),
        ("it comes elsewhere", vec![], vec![attach("p-org", "ou-2")], "unchanged", 0),
        ("the account moves below another guardrail", mine(), vec![moved(ACCOUNT, "ou-2")], "weaker", 0),
        ("and back", mine(), vec![moved(ACCOUNT, "ou-2"), moved(ACCOUNT, "ou-1")], "unchanged", 0),
    ] {
        let given = organization(&attached).records(calls());
        let simulation = simulated(&given, &changes).unwrap();
        let rows: Vec<String> = simulation.rows.iter().map(|row| format!("{} {} ×{}", row.effect, row.model, row.calls)).collect();
        assert_eq!(rows, [format!("{effect} amazon.nova-pro-v1:0 ×1"), format!("{effect} {HAIKU} ×2")], "{what}: {:?}", simulation.rows);
        let counted: Vec<String> =
            simulation.calls.iter().filter(|(_, calls)| **calls > 0).map(|(effect, calls)| format!("{effect} ×{calls}")).collect();
        assert_eq!(counted, [format!("{effect} ×3")], "{what}");
        assert_eq!(simulation.accounts.values().sum::<usize>(), 1, "{what}");
        // The other account has no calls, and a policy as long as one reaches it.
        assert_eq!(simulation.elsewhere.len(), accounts, "{what}: {:?}", simulation.elsewhere);
    }
    let moved = simulated(&organization(&mine()).records(calls()), &[moved(ACCOUNT, "ou-2")]).unwrap();
    let changes: Vec<String> = moved.rows[0].changes.iter().map(ToString::to_string).collect();
    assert!(!changes.is_empty() && changes.iter().all(|change| change.contains("HATE")), "{changes:?}");
    assert_eq!(moved.rows[0].why.as_deref(), Some(changes.join("; ").as_str()));
}
