//! Tests findings about Bedrock policies with errors: when they count, how much, and when they end.

use serde_json::{Value, json};

use crate::given::{Given, REQUIRED, Record, change};

const RULE: &str = "policy-invalid";

/// An organization whose root has the policy `p-bedrock1`; `p-spare` is attached nowhere.
fn organization() -> Given {
    let policy =
        |id: &str| json!({"Policy": {"PolicySummary": {"Id": id, "Type": "BEDROCK_POLICY"}, "Content": naming(&format!("{REQUIRED}:2"))}});
    let organization = json!({
        "Organization": {"Id": "o-exampleorgid", "MasterAccountId": "111122223333"},
        "Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}],
        "OrganizationalUnits": [],
        "Accounts": [{"Id": "222233334444", "Name": "shop", "State": "ACTIVE", "ParentId": "r-ab12"}],
        "Attachments": [{"PolicyId": "p-bedrock1", "TargetId": "r-ab12", "AttachedAt": "2026-10-01T00:00:00Z"}]
    });
    ["p-bedrock1", "p-spare"]
        .into_iter()
        .fold(Given::nothing().file("organization.json", organization), |given, id| given.file(&format!("policies/{id}.json"), policy(id)))
}

fn naming(guardrail: &str) -> String {
    json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifier": {"@@assign": guardrail}}}}}}).to_string()
}

fn good() -> Value {
    json!(naming(&format!("{REQUIRED}:3")))
}

fn draft() -> Value {
    json!(naming(&format!("{REQUIRED}:DRAFT")))
}

fn elsewhere() -> Value {
    json!(naming(&format!("{}:2", REQUIRED.replace("us-east-1", "eu-west-1"))))
}

/// A change in the organization, by its management account.
fn managed(number: usize, time: &str, operation: &str, parameters: Value) -> Record {
    change(number, time, operation, parameters).of_service("organizations").with("recipientAccountId", json!("111122223333"))
}

fn update(number: usize, time: &str, policy: &str, content: Value) -> Record {
    managed(number, time, "UpdatePolicy", json!({"policyId": policy, "content": content}))
}

fn create(number: usize, time: &str, kind: &str, content: Value) -> Record {
    let record = managed(number, time, "CreatePolicy", json!({"name": "x", "type": kind, "content": content}));
    record.answering(json!({"policy": {"policySummary": {"id": "p-new1", "type": kind}}}))
}

fn attach(number: usize, time: &str, policy: &str) -> Record {
    managed(number, time, "AttachPolicy", json!({"policyId": policy, "targetId": "r-ab12"}))
}

#[test]
fn an_error_ends_with_the_first_later_version_without_one() {
    let of = |policy: &str, number: usize, time: &str, content: Value| update(number, time, policy, content);
    let ours = |number: usize, time: &str, content: Value| of("p-bedrock1", number, time, content);
    let hidden = managed(2, "10:00", "UpdatePolicy", json!({"policyId": "p-bedrock1"}));
    for (what, records, expected) in [
        ("an error", vec![ours(1, "09:00", draft())], "HIGH OPEN ×1"),
        ("corrected", vec![ours(1, "09:00", draft()), ours(2, "10:00", good())], "HIGH RESOLVED ×1 resolved 2026-11-20T10:00:00Z"),
        (
            "corrected at last",
            vec![ours(1, "09:00", draft()), ours(2, "10:00", elsewhere()), ours(3, "11:00", good()), ours(4, "12:00", good())],
            "HIGH RESOLVED ×2 resolved 2026-11-20T11:00:00Z",
        ),
        ("right before", vec![ours(1, "08:00", good()), ours(2, "09:00", draft())], "HIGH OPEN ×1"),
        ("corrected in vain", vec![ours(1, "09:00", draft()), ours(2, "10:00", good()).refused()], "HIGH OPEN ×1"),
        ("another policy is right", vec![ours(1, "09:00", draft()), of("p-spare", 2, "10:00", good())], "HIGH OPEN ×1"),
        ("updated with what isn't known", vec![ours(1, "09:00", draft()), hidden], "HIGH OPEN ×1"),
        ("never wrong", vec![ours(1, "09:00", good())], ""),
    ] {
        let expected = if expected.is_empty() { String::new() } else { format!("{RULE} {expected}") };
        assert_eq!(organization().records(records).line_of(RULE), expected, "{what}");
    }
}

#[test]
fn an_error_counts_less_where_the_policy_is_attached_nowhere() {
    const UNATTACHED: &str = "; it is attached nowhere yet: an attachment would make it reach accounts";
    let error = format!(
        "`{REQUIRED}:DRAFT`: names DRAFT, which can't be enforced: enforce a numbered version \
                         (at /bedrock/guardrail_inference/us-east-1/config_1/identifier/@@assign)"
    );
    let bedrock = "BEDROCK_POLICY";
    for (what, given, records, severity, is_attached) in [
        ("attached", organization(), vec![update(1, "09:00", "p-bedrock1", draft())], "HIGH", true),
        ("attached nowhere", organization(), vec![update(1, "09:00", "p-spare", draft())], "LOW", false),
        ("made", organization(), vec![create(1, "09:00", bedrock, draft())], "LOW", false),
        ("made and attached", organization(), vec![create(1, "09:00", bedrock, draft()), attach(2, "10:00", "p-new1")], "HIGH", true),
        (
            "made and attached in vain",
            organization(),
            vec![create(1, "09:00", bedrock, draft()), attach(2, "10:00", "p-new1").refused()],
            "LOW",
            false,
        ),
        (
            "made, and another one attached",
            organization(),
            vec![create(1, "09:00", bedrock, draft()), attach(2, "10:00", "p-spare")],
            "LOW",
            false,
        ),
        ("made where no tree is known", Given::nothing(), vec![create(1, "09:00", bedrock, draft())], "LOW", false),
        (
            "made in vain",
            organization(),
            vec![create(1, "09:00", bedrock, draft()).refused().answering(json!(null))],
            "INFORMATIONAL",
            false,
        ),
    ] {
        let finding = given.records(records).finding(RULE);
        assert_eq!(finding.severity.to_string(), severity, "{what}");
        let expected = format!("{error}{}", if is_attached { "" } else { UNATTACHED });
        assert_eq!(finding.detail.split_once(": ").map(|(_, because)| because), Some(expected.as_str()), "{what}");
    }
    for refused in [false, true] {
        let made = create(1, "09:00", "SERVICE_CONTROL_POLICY", draft());
        let made = if refused { made.refused().answering(json!(null)) } else { made };
        assert_eq!(organization().records([made]).line_of(RULE), "", "a policy of another type");
    }
}
