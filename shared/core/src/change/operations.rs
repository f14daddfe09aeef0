//! Which operations are kept.

/// The operations that are kept, by service (facts/08 B–F).
const KEPT: &[(&str, &[&str])] = &[
    (
        "bedrock",
        &[
            "CreateGuardrail",
            "UpdateGuardrail",
            "CreateGuardrailVersion",
            "DeleteGuardrail",
            "PutEnforcedGuardrailConfiguration",
            "DeleteEnforcedGuardrailConfiguration",
            "PutResourcePolicy",
            "DeleteResourcePolicy",
            "TagResource",
            "UntagResource",
            "UpdateAutomatedReasoningPolicy",
            "DeleteAutomatedReasoningPolicy",
            "CreateAgent",
            "UpdateAgent",
            "PrepareAgent",
            "CreateAgentAlias",
            "UpdateAgentAlias",
            "CreateFlow",
            "UpdateFlow",
            "CreateFlowVersion",
            "UpdateFlowAlias",
            "CreateInferenceProfile",
            "CreatePromptRouter",
            "CreateProvisionedModelThroughput",
            "CreateModelImportJob",
            "CreateMarketplaceModelEndpoint",
            "RegisterMarketplaceModelEndpoint",
            "CreateCustomModelDeployment",
            "PutModelInvocationLoggingConfiguration",
            "DeleteModelInvocationLoggingConfiguration",
        ],
    ),
    (
        "organizations",
        &[
            "CreatePolicy",
            "UpdatePolicy",
            "DeletePolicy",
            "AttachPolicy",
            "DetachPolicy",
            "EnablePolicyType",
            "DisablePolicyType",
            "CreateOrganizationalUnit",
            "DeleteOrganizationalUnit",
            "MoveAccount",
            "LeaveOrganization",
            "RemoveAccountFromOrganization",
            "CloseAccount",
            "PutResourcePolicy",
            "DeleteResourcePolicy",
            "RegisterDelegatedAdministrator",
            "DeregisterDelegatedAdministrator",
            "EffectivePolicyValidation",
        ],
    ),
    (
        "cloudtrail",
        &[
            "CreateTrail",
            "UpdateTrail",
            "DeleteTrail",
            "StartLogging",
            "StopLogging",
            "PutEventSelectors",
            "RegisterOrganizationDelegatedAdmin",
            "DeregisterOrganizationDelegatedAdmin",
        ],
    ),
    (
        "iam",
        &[
            "PutRolePolicy",
            "PutUserPolicy",
            "PutGroupPolicy",
            "DeleteRolePolicy",
            "DeleteUserPolicy",
            "DeleteGroupPolicy",
            "AttachRolePolicy",
            "AttachUserPolicy",
            "AttachGroupPolicy",
            "DetachRolePolicy",
            "DetachUserPolicy",
            "DetachGroupPolicy",
            "CreatePolicy",
            "CreatePolicyVersion",
            "SetDefaultPolicyVersion",
            "DeletePolicy",
            "PutRolePermissionsBoundary",
            "DeleteRolePermissionsBoundary",
            "PutUserPermissionsBoundary",
            "DeleteUserPermissionsBoundary",
            "UpdateAssumeRolePolicy",
            "DeleteRole",
            "CreateServiceSpecificCredential",
            "CreateAccessKey",
            "CreateLoginProfile",
            "UpdateLoginProfile",
            "AddUserToGroup",
        ],
    ),
    (
        "kms",
        &[
            "DisableKey",
            "EnableKey",
            "ScheduleKeyDeletion",
            "CancelKeyDeletion",
            "PutKeyPolicy",
            "RevokeGrant",
            "RetireGrant",
            "UpdateAlias",
            "DeleteAlias",
            "DeleteImportedKeyMaterial",
        ],
    ),
    (
        "logs",
        &[
            "DeleteLogGroup",
            "DeleteLogStream",
            "PutRetentionPolicy",
            "DeleteRetentionPolicy",
            "PutSubscriptionFilter",
            "DeleteSubscriptionFilter",
            "AssociateKmsKey",
            "DisassociateKmsKey",
        ],
    ),
    (
        "s3",
        &[
            "DeleteBucket",
            "PutBucketPolicy",
            "DeleteBucketPolicy",
            "PutBucketLifecycle",
            "PutBucketLifecycleConfiguration",
            "DeleteBucketLifecycle",
            "PutBucketVersioning",
            "PutBucketEncryption",
            "DeleteBucketEncryption",
            "PutBucketNotification",
            "PutBucketPublicAccessBlock",
            "DeleteObject",
            "DeleteObjects",
        ],
    ),
    (
        "events",
        &["DisableRule", "DeleteRule", "PutRule", "RemoveTargets", "PutTargets", "RemovePermission", "PutPermission", "DeleteEventBus"],
    ),
    (
        "lambda",
        &[
            "UpdateFunctionCode",
            "UpdateFunctionConfiguration",
            "DeleteFunction",
            "PutFunctionConcurrency",
            "AddPermission",
            "RemovePermission",
            "UpdateEventSourceMapping",
            "DeleteEventSourceMapping",
        ],
    ),
    ("sqs", &["DeleteQueue", "SetQueueAttributes", "PurgeQueue", "AddPermission", "RemovePermission"]),
    (
        "dynamodb",
        &[
            "DeleteTable",
            "UpdateTable",
            "UpdateTimeToLive",
            "UpdateContinuousBackups",
            "PutResourcePolicy",
            "DeleteResourcePolicy",
            "DeleteItem",
            "UpdateItem",
        ],
    ),
    ("sns", &["DeleteTopic", "Unsubscribe", "SetTopicAttributes", "SetSubscriptionAttributes", "AddPermission", "RemovePermission"]),
    ("cloudformation", &["DeleteStack", "UpdateStack", "ExecuteChangeSet", "DeleteStackInstances", "UpdateStackSet", "DeleteStackSet"]),
    ("scheduler", &["DeleteSchedule", "UpdateSchedule"]),
    ("account", &["EnableRegion", "DisableRegion"]),
];

/// Data events on single items: kept only where their subject says that they touch the auditor or a log, because there can be
/// millions of others.
pub(super) const DATA_OPERATIONS: &[&str] = &["DeleteObject", "DeleteObjects", "DeleteItem", "UpdateItem"];

/// The services and operations that are kept.
pub fn kept() -> impl Iterator<Item = (&'static str, &'static str)> {
    KEPT.iter().flat_map(|(service, operations)| operations.iter().map(move |operation| (*service, *operation)))
}

/// The names of the operations that are kept, whatever the service.
pub fn operations() -> impl Iterator<Item = &'static str> {
    kept().map(|(_, operation)| operation)
}

/// The operations that only matter on the auditor's own resources. None of another service has their names.
pub fn operations_on_auditor() -> impl Iterator<Item = &'static str> {
    const OWN: &[&str] = &["events", "lambda", "sqs", "dynamodb", "sns", "cloudformation", "scheduler"];
    let is_own = |operation: &str| kept().all(|(service, other)| other != operation || OWN.contains(&service));
    kept().filter(move |(service, operation)| OWN.contains(service) && is_own(operation)).map(|(_, operation)| operation)
}

/// Whether records of this operation of this service are kept.
#[must_use]
pub fn is_kept(service: &str, operation: &str) -> bool {
    KEPT.iter().any(|(kept, operations)| *kept == service && operations.contains(&operation))
}
