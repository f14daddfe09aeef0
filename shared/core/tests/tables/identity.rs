//! Tests findings about changed IAM policies that demand a guardrail. A protection counts as lost only if requests were refused for their
//! guardrail before the change and are not refused after it.

use serde_json::{Value, json};

use crate::given::{ACCOUNT, Given, REQUIRED, Record, change};

const LOST: &str = "guardrail-condition-removed";

fn iam(number: usize, time: &str, operation: &str, parameters: Value) -> Record {
    change(number, time, operation, parameters).of_service("iam").in_region("us-east-1")
}

fn document(statements: &[Value]) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// The role's inline policy `guard` is set.
fn put(number: usize, time: &str, statements: &[Value]) -> Record {
    iam(number, time, "PutRolePolicy", json!({"roleName": "app", "policyName": "guard", "policyDocument": document(statements)}))
}

fn allow(condition: Value) -> Value {
    json!({"Effect": "Allow", "Action": ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"], "Resource": "*", "Condition": condition})
}

fn deny(condition: Value) -> Value {
    json!({"Effect": "Deny", "Action": "bedrock:InvokeModel*", "Resource": "*", "Condition": condition})
}

fn exactly(guardrail: &str) -> Value {
    json!({"StringEquals": {"bedrock:GuardrailIdentifier": guardrail}})
}

fn unless(guardrail: &str) -> Value {
    json!({"StringNotEquals": {"bedrock:GuardrailIdentifier": guardrail}})
}

fn in_regions(guardrail: &str, regions: &[&str]) -> Value {
    json!({"StringEquals": {"bedrock:GuardrailIdentifier": guardrail, "aws:RequestedRegion": regions}})
}

fn any() -> Value {
    json!({"Effect": "Allow", "Action": "bedrock:*", "Resource": "*"})
}

/// A line for each finding: its severity and the requests that newly pass.
fn lost(records: Vec<Record>) -> Vec<String> {
    let findings = Given::nothing().records(records).audit().findings;
    let of_rule = findings.into_iter().filter(|finding| finding.rule == LOST);
    of_rule
        .map(|finding| {
            let changes: Vec<&str> = finding.changes.iter().map(|change| change.control.as_str()).collect();
            let grade = finding.grade.map(|_| " unverified").unwrap_or_default();
            let attempted = if finding.attempted { " attempted" } else { "" };
            format!("{}{grade}{attempted}: {}", finding.severity, changes.join(" | "))
        })
        .collect()
}

fn replaced(before: &[Value], after: &[Value]) -> Vec<String> {
    lost(vec![put(1, "08:00", before), put(2, "09:00", after)])
}

#[test]
fn what_a_replaced_document_lets_through_is_told() {
    let (org, version) = (REQUIRED, format!("{REQUIRED}:2"));
    let pinned = allow(exactly(&version));
    let refused = [any(), deny(unless(&version))];
    let two = "InvokeModel, InvokeModelWithResponseStream";
    for (what, before, after, expected) in [
        ("the same", vec![pinned.clone()], vec![pinned.clone()], vec![]),
        ("less", vec![pinned.clone(), any()], vec![pinned.clone()], vec![]),
        ("a Deny besides", vec![pinned.clone()], vec![pinned.clone(), deny(json!({"Bool": {"aws:SecureTransport": "false"}}))], vec![]),
        ("the condition is gone", vec![pinned.clone()], vec![allow(json!({}))], vec!["without a guardrail"]),
        ("the Deny is gone", refused.to_vec(), vec![any()], vec!["without a guardrail"]),
        (
            "the condition holds for nothing too",
            vec![pinned.clone()],
            vec![allow(json!({"StringEqualsIfExists": {"bedrock:GuardrailIdentifier": version}}))],
            vec!["without a guardrail"],
        ),
        (
            "another guardrail",
            vec![pinned.clone()],
            vec![allow(exactly(&format!("{}:1", org.replace("org", "mine"))))],
            vec!["with version 1 of guardrail mine"],
        ),
        ("a lower version", vec![pinned.clone()], vec![allow(exactly(&format!("{org}:1")))], vec!["with version 1 of guardrail org"]),
        (
            "any version",
            vec![pinned.clone()],
            vec![allow(json!({"StringLike": {"bedrock:GuardrailIdentifier": format!("{org}:*")}}))],
            vec!["with any other version of guardrail org"],
        ),
        (
            "a list with another",
            vec![pinned.clone()],
            vec![allow(json!({"StringEquals": {"bedrock:GuardrailIdentifier": [version, format!("{org}:1")]}}))],
            vec!["with version 1 of guardrail org"],
        ),
        (
            "an operation besides",
            vec![pinned.clone()],
            vec![pinned.clone(), json!({"Effect": "Allow", "Action": "bedrock:CreateModelInvocationJob", "Resource": "*"})],
            vec![],
        ),
        (
            "a Region besides",
            vec![allow(in_regions(&version, &["us-east-1"]))],
            vec![allow(in_regions(&version, &["us-east-1", "eu-west-1"]))],
            vec![],
        ),
    ] {
        let found = replaced(&before, &after);
        assert_eq!(found.len(), usize::from(!expected.is_empty()), "{what}: {found:?}");
        for words in expected {
            assert!(found[0].contains(words) && found[0].contains("InvokeModel"), "{what}: {found:?}");
        }
    }
    assert_eq!(replaced(std::slice::from_ref(&pinned), &[allow(json!({}))]).first().map(|lost| lost.contains(two)), Some(true));
}

#[test]
fn lists_and_single_values_mean_the_same() {
    let version = format!("{REQUIRED}:2");
    let forms = [
        json!({"Effect": "Allow", "Action": "bedrock:InvokeModel", "Resource": "*", "Condition": exactly(&version)}),
        json!({"Effect": "Allow", "Action": ["bedrock:InvokeModel"], "Resource": ["*"], "Condition": {"StringEquals": {"bedrock:GuardrailIdentifier": [version]}}}),
        json!({"Effect": "Allow", "Action": ["BEDROCK:invokemodel"], "Resource": ["*"], "Condition": {"stringequals": {"BEDROCK:guardrailidentifier": [version]}}}),
    ];
    let document = |statement: &Value| json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    for before in &forms {
        for after in &forms {
            let put = |number, time, statement| {
                iam(number, time, "PutRolePolicy", json!({"roleName": "app", "policyName": "guard", "policyDocument": document(statement)}))
            };
            assert_eq!(lost(vec![put(1, "08:00", before), put(2, "09:00", after)]), [] as [&str; 0], "{before} and {after}");
            let open = json!({"Effect": "Allow", "Action": "bedrock:InvokeModel", "Resource": "*"});
            assert_eq!(lost(vec![put(1, "08:00", before), put(2, "09:00", &open)]).len(), 1, "{before}");
        }
    }
}

#[test]
fn boundaries_guard_like_policies() {
    let version = format!("{REQUIRED}:2");
    let create = |name: &str, statements: &[Value]| {
        let arn = format!("arn:aws:iam::{ACCOUNT}:policy/{name}");
        let record = iam(1, "07:00", "CreatePolicy", json!({"policyName": name, "policyDocument": document(statements)}));
        record
            .answering(json!({"policy": {"arn": arn, "policyName": name, "defaultVersionId": "v1"}}))
            .with("eventID", json!(name))
            .with("requestID", json!(name))
    };
    let set = |number, time: &str, kind: &str, name: &str| {
        let parameters =
            json!({format!("{}Name", kind.to_lowercase()): "app", "permissionsBoundary": format!("arn:aws:iam::{ACCOUNT}:policy/{name}")});
        iam(number, time, &format!("Put{kind}PermissionsBoundary"), parameters)
    };
    let delete =
        |kind: &str| iam(9, "12:00", &format!("Delete{kind}PermissionsBoundary"), json!({format!("{}Name", kind.to_lowercase()): "app"}));
    let limit = || create("limit", &[allow(exactly(&version))]);
    let open = || create("open", &[any()]);
    for kind in ["Role", "User"] {
        let lost = |then: Vec<Record>| lost([vec![limit(), open(), set(2, "08:00", kind, "limit")], then].concat());
        assert_eq!(lost(vec![]), [] as [&str; 0], "{kind}");
        assert_eq!(lost(vec![delete(kind)]).len(), 1, "{kind}: without it, all passes");
        assert!(lost(vec![delete(kind)])[0].contains("without a guardrail"), "{:?}", lost(vec![delete(kind)]));
        assert_eq!(lost(vec![set(3, "09:00", kind, "open")]).len(), 1, "{kind}: one that asks for nothing");
        assert_eq!(lost(vec![set(3, "09:00", kind, "limit")]), [] as [&str; 0], "{kind}: the same again");
        assert_eq!(lost(vec![set(3, "09:00", kind, "unread")]).len(), 1, "{kind}: one that isn't known");
        assert!(lost(vec![set(3, "09:00", kind, "unread")])[0].contains("unverified"), "{kind}");
        assert_eq!(lost(vec![delete(kind).refused()]).first().map(|lost| lost.contains("attempted")), Some(true), "{kind}");
    }
}

#[test]
fn each_way_to_take_a_document_away_is_seen() {
    let guarding = [deny(unless(&format!("{REQUIRED}:2")))];
    for kind in ["Role", "User", "Group"] {
        let name = format!("{}Name", kind.to_lowercase());
        let inline = |more: Value| {
            let mut parameters = json!({name.clone(): "app", "policyName": "guard"});
            parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            parameters
        };
        let put = iam(1, "08:00", &format!("Put{kind}Policy"), inline(json!({"policyDocument": document(&guarding)})));
        let deleted = iam(2, "09:00", &format!("Delete{kind}Policy"), inline(json!({})));
        let put_again = iam(3, "10:00", &format!("Put{kind}Policy"), inline(json!({"policyDocument": document(&guarding)})));
        assert_eq!(lost(vec![put.clone(), deleted.clone()]).len(), 1, "{kind}");
        let findings = Given::nothing().records([put, deleted, put_again]).audit().findings;
        let resolved: Vec<_> =
            findings.iter().filter(|finding| finding.rule == LOST).map(|finding| finding.resolved_at.is_some()).collect();
        assert_eq!(resolved, [true], "{kind}");
        let arn = format!("arn:aws:iam::{ACCOUNT}:policy/guard");
        let create = iam(1, "07:00", "CreatePolicy", json!({"policyName": "guard", "policyDocument": document(&guarding)}))
            .answering(json!({"policy": {"arn": arn, "policyName": "guard", "defaultVersionId": "v1"}}));
        let attached = |number, time: &str, verb: &str| {
            iam(number, time, &format!("{verb}{kind}Policy"), json!({name.clone(): "app", "policyArn": arn}))
        };
        assert_eq!(lost(vec![create.clone(), attached(2, "08:00", "Attach")]), [] as [&str; 0], "{kind}");
        assert_eq!(lost(vec![create.clone(), attached(2, "08:00", "Attach"), attached(3, "09:00", "Detach")]).len(), 1, "{kind}");
        let version = |default: bool, statements: &[Value]| {
            iam(
                4,
                "09:00",
                "CreatePolicyVersion",
                json!({"policyArn": arn, "policyDocument": document(statements), "setAsDefault": default}),
            )
            .answering(json!({"policyVersion": {"versionId": "v2"}}))
        };
        let then = |record: Record| lost(vec![create.clone(), attached(2, "08:00", "Attach"), record]).len();
        assert_eq!(then(version(true, &[any()])), 1, "{kind}");
        assert_eq!(then(version(false, &[any()])), 0, "{kind}: it isn't the default");
        assert_eq!(then(version(true, &guarding)), 0, "{kind}");
    }
}

/// The policy `guard` is created with these statements, and attached to the role.
fn managed(statements: &[Value]) -> [Record; 2] {
    let arn = format!("arn:aws:iam::{ACCOUNT}:policy/guard");
    let created = iam(1, "07:00", "CreatePolicy", json!({"policyName": "guard", "policyDocument": document(statements)}))
        .answering(json!({"policy": {"arn": arn, "policyName": "guard", "defaultVersionId": "v1"}}));
    [created, attached(2, "07:30", &arn)]
}

fn attached(number: usize, time: &str, arn: &str) -> Record {
    iam(number, time, "AttachRolePolicy", json!({"roleName": "app", "policyArn": arn}))
}

#[test]
fn a_version_that_becomes_the_default_counts_like_one_that_is_written() {
    let guarding = [deny(unless(&format!("{REQUIRED}:2")))];
    let arn = format!("arn:aws:iam::{ACCOUNT}:policy/guard");
    let version = |statements: &[Value]| {
        let parameters = json!({"policyArn": arn, "policyDocument": document(statements), "setAsDefault": false});
        iam(3, "08:00", "CreatePolicyVersion", parameters).answering(json!({"policyVersion": {"versionId": "v2"}}))
    };
    let set =
        |number, time: &str, version: &str| iam(number, time, "SetDefaultPolicyVersion", json!({"policyArn": arn, "versionId": version}));
    let after = |records: Vec<Record>| lost([managed(&guarding).to_vec(), records].concat());
    let none = [] as [&str; 0];
    assert_eq!(after(vec![version(&[any()])]), none, "it isn't the default yet");
    let opened = after(vec![version(&[any()]), set(4, "09:00", "v2")]);
    assert!(opened.len() == 1 && opened[0].contains("without a guardrail") && !opened[0].contains("unverified"), "{opened:?}");
    assert_eq!(after(vec![version(&guarding), set(4, "09:00", "v2")]), none, "it guards the same");
    let unread = after(vec![version(&[any()]), set(4, "09:00", "v7")]);
    assert!(unread.len() == 1 && unread[0].contains("unverified"), "{unread:?}");
    let refused = after(vec![version(&[any()]), set(4, "09:00", "v2").refused(), set(5, "10:00", "v2").refused()]);
    assert!(refused.len() == 1 && refused[0].contains("attempted"), "{refused:?}");
}

#[test]
fn a_document_beside_one_that_asks_for_a_guardrail_can_bypass_it() {
    let version = format!("{REQUIRED}:2");
    let (pinned, refusing) = (allow(exactly(&version)), deny(unless(&version)));
    let everything = || json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let aws = |name: &str| attached(3, "09:00", &format!("arn:aws:iam::aws:policy/{name}"));
    let more = |statements: &[Value]| {
        let parameters = json!({"roleName": "app", "policyName": "more", "policyDocument": document(statements)});
        iam(3, "09:00", "PutRolePolicy", parameters)
    };
    for (what, before, then, expected) in [
        ("AWS's policy that allows all", vec![pinned.clone()], vec![aws("AdministratorAccess")], "without a guardrail"),
        ("AWS's policy of Bedrock", vec![pinned.clone()], vec![aws("AmazonBedrockFullAccess")], "without a guardrail"),
        ("AWS's policy that isn't known here", vec![pinned.clone()], vec![aws("SomethingElse")], ""),
        ("AWS's policy beside a Deny", vec![everything(), refusing.clone()], vec![aws("AdministratorAccess")], ""),
        ("AWS's policy beside nothing that asks", vec![any()], vec![aws("AdministratorAccess")], ""),
        ("a second document that allows all", vec![pinned.clone()], vec![more(&[any()])], "without a guardrail"),
        ("a second document beside a Deny", vec![any(), refusing.clone()], vec![more(&[any()])], ""),
        (
            "a second document that allows nothing here",
            vec![pinned.clone()],
            vec![more(&[json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})])],
            "",
        ),
        ("a second document beside nothing that asks", vec![any()], vec![more(&[any()])], ""),
    ] {
        let found = lost([vec![put(1, "08:00", &before)], then].concat());
        assert_eq!(found.len(), usize::from(!expected.is_empty()), "{what}: {found:?}");
        assert!(found.iter().all(|text| text.contains(expected) && !text.contains("unverified")), "{what}: {found:?}");
    }
}
