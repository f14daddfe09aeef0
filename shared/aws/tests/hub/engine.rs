//! Tests the adapters of Organizations and Bedrock against ministack, an independent engine: guardrails, policies and their attachments. What
//! no engine answers (effective policies, enforced configurations, event history) is scripted in `adapters`. Here, such requests show that
//! an answer of unknown form makes no state known.

use std::sync::{Arc, LazyLock};

use audit_aws::{
    aws::Aws,
    error::ErrorKind,
    partition::AccountRegion,
    reconcile::{CrossAccountReader as _, ReaderRoles, Task},
    state::{Question, ReadState as _},
};
use end_to_end::engine::{Client, Engine};
use serde_json::{Value, json};

use crate::{
    reconciler::Hub,
    support::{
        aws_at,
        history::{MANAGEMENT, MEMBER},
    },
};

/// One engine for all tests, each of which uses accounts or names of its own.
pub(crate) static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::start);

fn aws() -> Arc<Aws> {
    Arc::new(aws_at(&ENGINE.endpoint(), 3))
}

/// Calls Organizations as the management account.
fn organizations(operation: &str, body: &Value) -> Value {
    ENGINE.client(MANAGEMENT).json("organizations", &format!("AWSOrganizationsV20161128.{operation}"), body).unwrap()
}

fn attachments(organization: &Value) -> Vec<(&str, &str)> {
    let attachments = organization["Attachments"].as_array().unwrap().iter();
    attachments.map(|item| (item["PolicyId"].as_str().unwrap(), item["TargetId"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn the_tree_and_the_policies_in_it_are_read() {
    const CONTENT: &str = r#"{"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifier": {"@@assign": "arn:aws:bedrock:us-east-1:111122223333:guardrail/orgbase12345:3"}, "unheard_of": {"@@assign": "kept"}}}}}}"#;
    let created = organizations("CreateAccount", &json!({"Email": "prod@example.com", "AccountName": "prod"}));
    let account = created["CreateAccountStatus"]["AccountId"].as_str().unwrap();
    let root = organizations("ListRoots", &json!({}))["Roots"][0]["Id"].as_str().unwrap().to_owned();
    let unit = organizations("CreateOrganizationalUnit", &json!({"ParentId": root, "Name": "prod"}));
    let unit = unit["OrganizationalUnit"]["Id"].as_str().unwrap();
    organizations("MoveAccount", &json!({"AccountId": account, "SourceParentId": root, "DestinationParentId": unit}));
    organizations("EnablePolicyType", &json!({"RootId": root, "PolicyType": "BEDROCK_POLICY"}));
    let policy = |name: &str, content: &str| {
        let policy = json!({"Type": "BEDROCK_POLICY", "Name": name, "Description": "", "Content": content});
        organizations("CreatePolicy", &policy)["Policy"]["PolicySummary"]["Id"].as_str().unwrap().to_owned()
    };
    let (attached, loose) = (policy("attached", CONTENT), policy("loose", "{}"));
    organizations("AttachPolicy", &json!({"PolicyId": attached, "TargetId": root}));
    organizations("AttachPolicy", &json!({"PolicyId": attached, "TargetId": unit}));

    let hub = Hub::seeing_by(aws()).await;
    hub.task(&Task::Organization, "2026-11-20T10:00:00Z").await.unwrap();
    let (_, organization) = hub.world("organization").await.pop().unwrap();
    assert_eq!(organization["Organization"]["MasterAccountId"], MANAGEMENT);
    let of = |list: &str, id: &str| organization[list].as_array().unwrap().iter().find(|item| item["Id"] == id).cloned().unwrap();
    assert_eq!((&of("OrganizationalUnits", unit)["ParentId"], &of("Accounts", account)["ParentId"]), (&json!(root), &json!(unit)));
    assert_eq!(of("Accounts", MANAGEMENT)["ParentId"], root);
    let enabled = json!({"Type": "BEDROCK_POLICY", "Status": "ENABLED"});
    assert!(of("Roots", &root)["PolicyTypes"].as_array().unwrap().contains(&enabled));
    assert_eq!(attachments(&organization), [(attached.as_str(), root.as_str()), (&attached, unit)]);
    let policies = hub.world("policies/").await;
    let [(path, read)] = policies.as_slice() else { panic!("what is attached nowhere is in force nowhere: {policies:?}") };
    assert!(path.contains(&attached) && !path.contains(&loose), "{path}");
    assert_eq!(read["Policy"]["Content"], CONTENT, "to the letter");
    assert!(hub.tasks().contains(&Task::Account { account: account.to_owned() }));

    // Attachments change: the next read returns the new ones.
    organizations("DetachPolicy", &json!({"PolicyId": attached, "TargetId": root}));
    organizations("AttachPolicy", &json!({"PolicyId": loose, "TargetId": account}));
    hub.task(&Task::Organization, "2026-11-20T11:00:00Z").await.unwrap();
    let (_, organization) = hub.world("organization").await.pop().unwrap();
    let mut now = attachments(&organization);
    now.sort_unstable();
    let mut expected = [(attached.as_str(), unit), (loose.as_str(), account)];
    expected.sort_unstable();
    assert_eq!(now, expected);

    // The engine doesn't know the request. That must not be read as "there is no policy".
    let effective = Task::Account { account: account.to_owned() };
    hub.task(&effective, "2026-11-20T11:00:00Z").await.unwrap();
    assert_eq!(hub.world("effective-policies/").await, []);
}

/// A request of CreateGuardrail, except for its controls. They have the form of GetGuardrail's response, because this engine returns them as
/// they were given.
fn guardrail(name: &str, strength: &str) -> Vec<u8> {
    let filter = json!({"type": "HATE", "inputStrength": strength, "outputStrength": strength});
    let guardrail =
        json!({"name": name, "blockedInputMessaging": "no", "blockedOutputsMessaging": "no", "contentPolicyConfig": {"filters": [filter]}});
    guardrail.to_string().into_bytes()
}

fn bedrock(client: &Client, method: &str, path: &str, body: &[u8]) -> Value {
    let json = ("Content-Type", "application/json".to_owned());
    let answer = client.send("bedrock", method, path, &[json], body).unwrap();
    serde_json::from_slice(&answer).unwrap_or_default()
}

#[tokio::test]
async fn guardrails_are_read_in_the_account_and_region_they_are_in() {
    let member = ENGINE.client(MEMBER);
    let made = bedrock(&member, "POST", "/guardrails", &guardrail("ours", "HIGH"));
    let (id, arn) = (made["guardrailId"].as_str().unwrap(), made["guardrailArn"].as_str().unwrap());
    bedrock(&member, "POST", &format!("/guardrails/{id}"), b"{}");
    let elsewhere = bedrock(&ENGINE.client("333344445555"), "POST", "/guardrails", &guardrail("theirs", "LOW"));
    let hub = Hub::seeing_by(aws()).await;
    let account_region = Task::AccountRegion { account: MEMBER.to_owned(), region: "us-east-1".to_owned() };
    hub.task(&account_region, "2026-11-20T10:00:00Z").await.unwrap();
    let below = format!("guardrails/{MEMBER}/us-east-1/");
    let world = hub.world("guardrails/").await;
    assert!(world.iter().all(|(path, _)| path.contains(&below) && !path.contains(elsewhere["guardrailId"].as_str().unwrap())), "{world:?}");
    let (path, draft) = world.iter().find(|(path, _)| path.contains(&format!("{id}/DRAFT@"))).unwrap();
    assert!(path.ends_with("@20261120T100000Z.json"), "{path}");
    assert_eq!((&draft["guardrailArn"], &draft["status"], &draft["name"]), (&json!(arn), &json!("READY"), &json!("ours")));
    assert_eq!(draft["contentPolicy"]["filters"][0]["inputStrength"], "HIGH");
    assert_eq!(hub.world("enforced-configurations/").await, [], "what the engine doesn't know is not known");

    // A version keeps the published content when the DRAFT changes.
    let reader = ReaderRoles::new(aws(), "/guardrail-audit/guardrail-audit-reader".to_owned());
    let state = reader.state(&AccountRegion::new(MEMBER, "us-east-1")).await;
    let read = async |id: &str, version: &str| -> Result<Value, ErrorKind> {
        let question = Question::Guardrail { id: id.to_owned(), version: version.to_owned() };
        let answer = state.read(&question).await.map_err(|error| error.kind)?;
        Ok(serde_json::from_slice(&answer).unwrap())
    };
    bedrock(&member, "PUT", &format!("/guardrails/{id}"), &guardrail("ours", "LOW"));
    let strength = |json: &Value| json["contentPolicy"]["filters"][0]["inputStrength"].clone();
    assert_eq!(strength(&read(id, "1").await.unwrap()), "HIGH");
    assert_eq!(strength(&read(id, "DRAFT").await.unwrap()), "LOW");
    assert_eq!(read(id, "2").await, Ok(json!({"guardrailId": null})), "that there is none is an answer");
    let other_region = reader.state(&AccountRegion::new(MEMBER, "eu-west-1")).await;
    let listed: Value = serde_json::from_slice(&other_region.read(&Question::Guardrails).await.unwrap()).unwrap();
    assert_eq!(listed["guardrails"], json!([]));

    bedrock(&member, "DELETE", &format!("/guardrails/{id}"), b"");
    hub.task(&account_region, "2026-11-20T11:00:00Z").await.unwrap();
    let (path, gone) = hub.world(&format!("{below}{id}/DRAFT")).await.pop().unwrap();
    assert_eq!((path.ends_with("@20261120T110000Z.json"), gone), (true, json!({"guardrailId": null})));
}
