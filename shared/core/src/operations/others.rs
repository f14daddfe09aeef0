//! The operations of services other than Bedrock's that rules or verdicts need.

use super::role::{Api, Group, Role};

/// The operations, by service.
pub(super) const OTHERS: &[Api] = &[
    Api {
        name: "organizations",
        source: "organizations",
        is_modelled: false,
        groups: &[
            Group::of(Role::Changes, &["CreatePolicy", "UpdatePolicy", "DeletePolicy", "AttachPolicy", "DetachPolicy"])
                .named_by(&["policyId", "name"])
                .answered_by(&["/policy/policySummary/id"])
                .keeping(&["type", "content", "targetId", "tags"]),
            Group::of(Role::ChangesState, &["EnablePolicyType"]).keeping(&["rootId", "policyType"]),
            Group::of(Role::Changes, &["DisablePolicyType"]).keeping(&["rootId", "policyType"]),
            Group::of(
                Role::Changes,
                &["MoveAccount", "LeaveOrganization", "RemoveAccountFromOrganization", "CloseAccount", "EffectivePolicyValidation"],
            )
            .named_by(&["accountId"])
            .keeping(&["sourceParentId", "destinationParentId"]),
            Group::of(Role::ChangesState, &["CreateOrganizationalUnit", "DeleteOrganizationalUnit"]).named_by(&["name"]).keeping(&[
                "parentId",
                "organizationalUnitId",
                "organizationalUnit",
                "tags",
            ]),
            Group::of(Role::Changes, &["PutResourcePolicy", "DeleteResourcePolicy"]).keeping(&["content", "resourcePolicy", "tags"]),
            Group::of(
                Role::Changes,
                &["RegisterDelegatedAdministrator", "DeregisterDelegatedAdministrator", "DisableAWSServiceAccess", "DeleteOrganization"],
            )
            .named_by(&["accountId"])
            .keeping(&["servicePrincipal"]),
        ],
    },
    Api {
        name: "cloudtrail",
        source: "cloudtrail",
        is_modelled: false,
        groups: &[
            Group::of(Role::ChangesState, &["CreateTrail", "StartLogging"]).named_by(&["name"]).keeping(&[
                "trailARN",
                "isMultiRegionTrail",
                "isOrganizationTrail",
                "s3BucketName",
                "cloudWatchLogsLogGroupArn",
                "kmsKeyId",
            ]),
            Group::of(Role::Changes, &["UpdateTrail", "DeleteTrail", "StopLogging", "PutEventSelectors"])
                .named_by(&["trailName", "name"])
                .keeping(&[
                    "trailARN",
                    "isMultiRegionTrail",
                    "isOrganizationTrail",
                    "s3BucketName",
                    "cloudWatchLogsLogGroupArn",
                    "kmsKeyId",
                    "eventSelectors",
                    "advancedEventSelectors",
                ]),
            Group::of(Role::Changes, &["RegisterOrganizationDelegatedAdmin", "DeregisterOrganizationDelegatedAdmin"])
                .keeping(&["memberAccountId", "delegatedAdminAccountId"]),
        ],
    },
    Api {
        name: "iam",
        source: "iam",
        is_modelled: false,
        groups: &[
            Group::of(Role::ChangesState, &["CreatePolicy", "DeletePolicy"])
                .named_by(&["policyArn"])
                .answered_by(&["/policy/arn"])
                .keeping(&["policyName", "tags"]),
            Group::of(Role::Changes, &["CreatePolicyVersion", "SetDefaultPolicyVersion"]).named_by(&["policyArn"]).keeping(&[
                "setAsDefault",
                "versionId",
                "policyVersion",
            ]),
            Group::of(
                Role::Changes,
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
                    "PutRolePermissionsBoundary",
                    "DeleteRolePermissionsBoundary",
                    "PutUserPermissionsBoundary",
                    "DeleteUserPermissionsBoundary",
                    "UpdateAssumeRolePolicy",
                    "DeleteRole",
                ],
            )
            .named_by(&["roleName", "userName", "groupName", "policyArn"])
            .keeping(&["policyName", "permissionsBoundary"]),
            Group::of(
                Role::Changes,
                &[
                    "CreateServiceSpecificCredential",
                    "UpdateServiceSpecificCredential",
                    "ResetServiceSpecificCredential",
                    "CreateAccessKey",
                    "UpdateAccessKey",
                    "CreateLoginProfile",
                    "UpdateLoginProfile",
                    "UpdateUser",
                    "AddUserToGroup",
                ],
            )
            .named_by(&["userName", "groupName"])
            .keeping(&[
                "newUserName",
                "serviceName",
                "credentialAgeDays",
                "serviceSpecificCredentialId",
                "serviceSpecificCredential",
                "status",
            ]),
        ],
    },
    Api {
        name: "kms",
        source: "kms",
        is_modelled: false,
        groups: &[
            Group::of(Role::ChangesState, &["EnableKey"]).named_by(&["keyId"]),
            Group::of(
                Role::Changes,
                &[
                    "DisableKey",
                    "ScheduleKeyDeletion",
                    "PutKeyPolicy",
                    "RevokeGrant",
                    "RetireGrant",
                    "UpdateAlias",
                    "DeleteAlias",
                    "DeleteImportedKeyMaterial",
                ],
            )
            .named_by(&["keyId"])
            .keeping(&["targetKeyId", "aliasName", "policyName", "policy"]),
        ],
    },
    Api {
        name: "logs",
        source: "logs",
        is_modelled: false,
        groups: &[Group::of(
            Role::Changes,
            &[
                "DeleteLogGroup",
                "DeleteLogStream",
                "PutRetentionPolicy",
                "DeleteRetentionPolicy",
                "DeleteSubscriptionFilter",
                "AssociateKmsKey",
                "DisassociateKmsKey",
            ],
        )
        .named_by(&["logGroupName"])
        .keeping(&["logStreamName", "retentionInDays"])],
    },
    Api {
        name: "s3",
        source: "s3",
        is_modelled: false,
        groups: &[
            Group::of(
                Role::Changes,
                &[
                    "DeleteBucket",
                    "PutBucketPolicy",
                    "DeleteBucketPolicy",
                    "PutBucketLifecycle",
                    "PutBucketLifecycleConfiguration",
                    "PutBucketVersioning",
                    "PutBucketEncryption",
                    "DeleteBucketEncryption",
                    "PutBucketNotification",
                ],
            )
            .named_by(&["bucketName"])
            .keeping(&["policy", "VersioningConfiguration"]),
            Group::of(Role::ChangesEvidenceItem, &["DeleteObject", "DeleteObjects"])
                .named_by(&["bucketName"])
                .keeping(&["key", "versionId"]),
        ],
    },
    Api {
        name: "events",
        source: "events",
        is_modelled: false,
        groups: &[Group::of(
            Role::ChangesAuditor,
            &[
                "DisableRule",
                "DeleteRule",
                "PutRule",
                "RemoveTargets",
                "PutTargets",
                "RemovePermission",
                "PutPermission",
                "UpdateEventBus",
                "DeleteEventBus",
            ],
        )
        .named_by(&["name"])
        .keeping(&["rule", "state", "eventBusName", "policy", "tags"])],
    },
    Api {
        name: "lambda",
        source: "lambda",
        is_modelled: false,
        groups: &[Group::of(
            Role::ChangesAuditor,
            &[
                "UpdateFunctionCode",
                "UpdateFunctionConfiguration",
                "DeleteFunction",
                "PutFunctionConcurrency",
                "PutFunctionEventInvokeConfig",
                "UpdateFunctionEventInvokeConfig",
                "DeleteFunctionEventInvokeConfig",
                "AddPermission",
                "RemovePermission",
                "UpdateEventSourceMapping",
                "DeleteEventSourceMapping",
            ],
        )
        .keeping(&["functionName", "functionArn", "eventSourceArn", "uUID", "uuid", "state", "version", "loggingConfig"])],
    },
    Api {
        name: "sqs",
        source: "sqs",
        is_modelled: false,
        groups: &[Group::of(
            Role::ChangesAuditor,
            &["DeleteQueue", "SetQueueAttributes", "PurgeQueue", "AddPermission", "RemovePermission"],
        )
        .keeping(&["queueUrl"])],
    },
    Api {
        name: "dynamodb",
        source: "dynamodb",
        is_modelled: false,
        groups: &[
            Group::of(
                Role::ChangesAuditor,
                &["DeleteTable", "UpdateTable", "UpdateTimeToLive", "UpdateContinuousBackups", "PutResourcePolicy", "DeleteResourcePolicy"],
            )
            .named_by(&["resourceArn"])
            .keeping(&["tableName", "policy"]),
            Group::of(Role::ChangesAuditorItem, &["DeleteItem", "UpdateItem"]).keeping(&["tableName", "key"]),
        ],
    },
    Api {
        name: "sns",
        source: "sns",
        is_modelled: false,
        groups: &[Group::of(
            Role::ChangesAuditor,
            &["DeleteTopic", "Unsubscribe", "SetTopicAttributes", "SetSubscriptionAttributes", "AddPermission", "RemovePermission"],
        )
        .keeping(&["topicArn", "subscriptionArn"])],
    },
    Api {
        name: "cloudformation",
        source: "cloudformation",
        is_modelled: false,
        groups: &[Group::of(
            Role::ChangesAuditor,
            &[
                "DeleteStack",
                "UpdateStack",
                "ExecuteChangeSet",
                "UpdateStackInstances",
                "DeleteStackInstances",
                "UpdateStackSet",
                "DeleteStackSet",
                "UpdateTerminationProtection",
            ],
        )
        .keeping(&["stackName", "stackId", "stackSetName", "changeSetName", "tags"])],
    },
    Api {
        name: "scheduler",
        source: "scheduler",
        is_modelled: false,
        groups: &[Group::of(Role::ChangesAuditor, &["DeleteSchedule", "UpdateSchedule"])
            .named_by(&["groupName", "name"])
            .keeping(&["groupname", "state"])],
    },
    Api {
        name: "account",
        source: "account",
        is_modelled: false,
        groups: &[
            Group::of(Role::Changes, &["EnableRegion"]).named_by(&["accountId", "regionName"]),
            Group::of(Role::ChangesState, &["DisableRegion"]).named_by(&["accountId", "regionName"]),
        ],
    },
];
