//! The IAM user behind a Bedrock API key got further permissions or credentials.

use crate::{
    arn::short,
    change_history::{ChangeInContext, Outcome},
    framework::{ADDITIONAL_CREDENTIALS, ADDITIONAL_ROLES, ATLAS_CONTROL_ACCESS, LENS_LEAST_PRIVILEGE},
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "bedrock-key-user-changed",
    title: "A user behind a Bedrock API key got credentials or permissions beyond the key",
    severity: Severity::Medium,
    group: Group::Identity,
    revealed_by: &[
        "CreateAccessKey",
        "UpdateAccessKey",
        "CreateLoginProfile",
        "UpdateLoginProfile",
        "PutUserPolicy",
        "AttachUserPolicy",
        "AddUserToGroup",
        "DeleteUserPermissionsBoundary",
        "UpdateUser",
    ],
    fires: "An access key (made, or active again), a password, a policy, a group or another name for a user named BedrockAPIKey-…, or the loss of \
        its permissions boundary. Each is named. The policy AmazonBedrockLimitedAccess, which the \
        console attaches when it makes the user, is no addition.",
    evidence: "The record names the user. A call without parameters may be for the caller itself, if that is such a user; otherwise it says \
        nothing.",
    rationale: "The console makes these users for API keys only; anything more is somebody settling in.",
    remediation: "Delete what was added, and the user if its key isn't needed.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-how.html"],
    resolved: Resolved::Never,
    correlation: Correlation::Independent,
    controls: &[ADDITIONAL_CREDENTIALS, ADDITIONAL_ROLES, ATLAS_CONTROL_ACCESS, LENS_LEAST_PRIVILEGE],
    checks: &[Check::Change(ChangeCheck {
        attempt: "A user behind a Bedrock API key would have got credentials or permissions beyond the key",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let change = seen.change;
    // Without a user name, CreateAccessKey creates a key for the caller (docs/aws/iam.md#actions-of-bedrock).
    let user = change.text("userName").unwrap_or_else(|| short(&change.principal));
    let is_limited = change.text("policyArn").is_some_and(|arn| arn.ends_with("::aws:policy/AmazonBedrockLimitedAccess"));
    if change.service != "iam" || !user.starts_with("BedrockAPIKey-") || is_limited {
        return Vec::new();
    }
    let named = |kind: &str, key: &str| change.text(key).map_or_else(|| format!("a {kind}"), |name| format!("the {kind} {}", short(name)));
    let what = match change.operation.as_str() {
        "CreateAccessKey" => "an access key".to_owned(),
        "UpdateAccessKey" if change.text("status") == Some("Inactive") => return Vec::new(),
        "UpdateAccessKey" => "an access key that is active again".to_owned(),
        "DeleteUserPermissionsBoundary" => "rid of its permissions boundary".to_owned(),
        "UpdateUser" => match change.text("newUserName") {
            Some(name) => format!("the name {name}"),
            None if change.parameters.is_object() => return Vec::new(),
            None => "another name or path".to_owned(),
        },
        "CreateLoginProfile" => "a password".to_owned(),
        "UpdateLoginProfile" => "another password".to_owned(),
        "AddUserToGroup" => named("group", "groupName"),
        "AttachUserPolicy" => named("policy", "policyArn"),
        _ => named("policy", "policyName"),
    };
    vec![seen.rule_match(format!("user/{user}"), format!("{user} {} {what}", seen.did("got", "would have got"))).fires()]
}
