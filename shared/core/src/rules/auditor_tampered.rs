//! A resource of the auditor was changed by a principal other than its deployment.

use serde_json::Value;

use crate::{
    change::Change,
    change_history::{ChangeInContext, Outcome},
    framework::{GOVERN_1_5, IMPAIR_TOOLS, ISO_OPERATION, LENS_MONITORING, MANAGE_4_1},
    operations,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "auditor-tampered",
    title: "Something of the auditor itself was changed by somebody else than its deployment",
    severity: Severity::Critical,
    group: Group::Telemetry,
    revealed_by: operations::joined!(
        operations::OF_AUDITOR,
        &[
            // IAM
            "UpdateAssumeRolePolicy",
            "PutRolePolicy",
            "DeleteRolePolicy",
            "AttachRolePolicy",
            "DetachRolePolicy",
            "PutRolePermissionsBoundary",
            "DeleteRolePermissionsBoundary",
            "DeleteRole",
            // S3, CloudWatch Logs, KMS
            "DeleteBucket",
            "PutBucketPolicy",
            "DeleteBucketPolicy",
            "PutBucketNotification",
            "DeleteLogGroup",
            "DeleteAlias",
            "UpdateAlias",
        ]
    ),
    fires: "One of these operations on a resource whose name is the auditor's (`[auditor] names`, by default guardrail-audit*). Only \
        CloudFormation acting for `[auditor] deployment_role`, and that role's own calls to CloudFormation, are its deployment.",
    evidence: "The record names the resource and who changed it. A record that names no resource says nothing; then the missing heartbeat does.",
    rationale: "Whoever switches off the auditor can do anything afterwards unseen.",
    remediation: "Deploy the stack again from its source, and look at everything that the principal did before and after.",
    references: &["https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-calledvia"],
    resolved: Resolved::Never,
    correlation: Correlation::RemovesProtection,
    controls: &[GOVERN_1_5, MANAGE_4_1, ISO_OPERATION, IMPAIR_TOOLS, LENS_MONITORING],
    checks: &[Check::Change(ChangeCheck {
        attempt: "Something of the auditor itself would have been changed by somebody else than its deployment",
        expected_of_administrators: false,
        look: check,
    })],
};

/// The services of the auditor's own resources.
const SERVICES: &[&str] = &["events", "lambda", "sqs", "dynamodb", "sns", "cloudformation", "scheduler", "iam", "s3", "logs", "kms"];

/// The parameters that name a resource in these services.
const NAMES: &[&str] = &[
    "rule",
    "name",
    "functionName",
    "eventSourceArn",
    "queueUrl",
    "tableName",
    "topicArn",
    "subscriptionArn",
    "stackName",
    "stackSetName",
    "roleName",
    "bucketName",
    "logGroupName",
    "aliasName",
    "resourceArn",
    "eventBusName",
];

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let change = seen.change;
    let auditor = &seen.history.configuration.auditor;
    if !SERVICES.contains(&change.service.as_str()) {
        return Vec::new();
    }
    let named = NAMES.iter().filter_map(|key| change.text(key)).chain(change.answer("functionName").as_str());
    let answered = ["eventSourceArn", "functionArn"].iter().filter_map(|key| change.answer(key).as_str());
    let all = named.chain(answered).chain(change.text("functionArn"));
    let Some(resource) = all.into_iter().find(|name| auditor.owns(name)) else {
        return Vec::new();
    };
    let by_cloudformation = change.service == "cloudformation" || change.invoked_by.as_deref() == Some("cloudformation.amazonaws.com");
    if (by_cloudformation && auditor.is_deployed_by(&change.principal)) || is_own_work(change, seen) {
        return Vec::new();
    }
    let because = format!("{resource} is the auditor's, and this {} its deployment", seen.did("was not", "would not have been"));
    vec![seen.rule_match(resource, because).discriminator(change.service.clone()).fires()]
}

/// Whether the auditor's own function wrote its own item.
fn is_own_work(change: &Change, seen: &ChangeInContext<'_>) -> bool {
    let writes_item = change.service == "dynamodb" && ["UpdateItem", "DeleteItem"].contains(&change.operation.as_str());
    writes_item && change.parameters != Value::Null && seen.history.configuration.auditor.owns(&change.principal)
}
