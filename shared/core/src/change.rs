//! A control-plane event, kept as a fact: who did what to what, and whether it was refused.
//!
//! Of a record's parameters only those are kept that some rule looks at: names, settings and policy documents. Texts of customers, such
//! as prompts, instructions and descriptions, and whatever could be a secret, never get past [`Change::from_record`].

use std::sync::LazyLock;

use hashbrown::HashSet;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

use crate::{
    arn::{AccountId, Region},
    cloudtrail::{EventType, Record, wanted::operation},
    identity::IdentityPolicy,
    json::{At, Text, printable},
    world::WorldChange,
};

/// A control-plane event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Change {
    /// The service, without `.amazonaws.com`.
    pub service: String,
    /// The operation, without the API date that Lambda adds (facts/08 F6).
    pub operation: String,
    /// The account that the record was delivered to.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// The role, user or service.
    pub principal: String,
    /// The service that called on the principal's behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoked_by: Option<String>,
    /// `errorCode`: the change was refused and nothing changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What of `requestParameters` is looked at. Null if there were none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub parameters: Value,
    /// What of `responseElements` is looked at.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub response: Value,
    /// What it does to the state that verdicts rest on; of a refused change, what it would have done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<WorldChange>,
}

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
const DATA_OPERATIONS: &[&str] = &["DeleteObject", "DeleteObjects", "DeleteItem", "UpdateItem"];

/// The parameters that are kept, of requests and of responses. Whole, unless [`reduced`] knows better.
const KEPT_KEYS: &[&str] = &[
    // Bedrock
    "guardrailIdentifier",
    "guardrailVersion",
    "guardrailId",
    "guardrailArn",
    "version",
    "configId",
    "guardrailInferenceConfig",
    "resourceArn",
    "resourceARN",
    "resourcePolicy",
    "policy",
    "loggingConfig",
    "agent",
    "agentId",
    "guardrailConfiguration",
    "foundationModel",
    "flowIdentifier",
    "definition",
    "modelSource",
    "inferenceProfileArn",
    "inferenceProfileId",
    "models",
    "fallbackModel",
    "promptRouterArn",
    "modelId",
    "modelArn",
    "modelSourceIdentifier",
    "importedModelName",
    "provisionedModelName",
    "provisionedModelArn",
    "endpointName",
    "endpointArn",
    "marketplaceModelEndpoint",
    "modelDeploymentName",
    "customModelDeploymentArn",
    "jobArn",
    "policyArn",
    "tags",
    "tagKeys",
    // Organizations
    "policyId",
    "targetId",
    "content",
    "type",
    "rootId",
    "policyType",
    "accountId",
    "sourceParentId",
    "destinationParentId",
    "servicePrincipal",
    "parentId",
    "organizationalUnitId",
    "organizationalUnit",
    // IAM
    "userName",
    "roleName",
    "groupName",
    "policyName",
    "permissionsBoundary",
    "serviceName",
    "credentialAgeDays",
    "setAsDefault",
    "versionId",
    "policyVersion",
    // CloudTrail
    "name",
    "trailName",
    "trailARN",
    "eventSelectors",
    "advancedEventSelectors",
    "isMultiRegionTrail",
    "isOrganizationTrail",
    "s3BucketName",
    "cloudWatchLogsLogGroupArn",
    "kmsKeyId",
    "memberAccountId",
    "delegatedAdminAccountId",
    // Others: what is concerned
    "id",
    "keyId",
    "targetKeyId",
    "aliasName",
    "logGroupName",
    "logStreamName",
    "retentionInDays",
    "bucketName",
    "key",
    "VersioningConfiguration",
    "rule",
    "state",
    "eventBusName",
    "functionName",
    "functionArn",
    "eventSourceArn",
    "uUID",
    "uuid",
    "queueUrl",
    "tableName",
    "topicArn",
    "subscriptionArn",
    "stackName",
    "stackId",
    "stackSetName",
    "changeSetName",
    "groupname",
    "regionName",
];

static KEPT_KEY_SET: LazyLock<HashSet<&str>> = LazyLock::new(|| KEPT_KEYS.iter().copied().collect());

/// What CloudTrail writes in the place of what it hides: as good as absent.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// The most characters of one parameter. Policies of Organizations and IAM are shorter (facts/01 §5).
const MOST_CHARACTERS: usize = 64 * 1024;

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

impl Change {
    /// Leaves the largest parameter out, where there is no room for all: what is left out is not known. Whether there was any.
    pub fn leave_out_the_largest(&mut self) -> bool {
        let size = |value: &Value| value.to_string().len();
        let largest = |of: &Value| of.as_object()?.iter().map(|(key, value)| (size(value), key.clone())).max();
        let (of_request, of_response) = (largest(&self.parameters), largest(&self.response));
        let of = if of_request >= of_response { &mut self.parameters } else { &mut self.response };
        let removed = of_request.max(of_response).and_then(|(_, key)| of.as_object_mut()?.shift_remove(&key));
        if removed.is_some() {
            return true;
        }
        // Nothing is left but what it does to the world, which was made from what is left out.
        self.effect.take().is_some()
    }

    /// The change that a record reports or attempts; `None` if it is none that is kept.
    #[must_use]
    pub fn from_record(record: &Record<'_>) -> Option<Self> {
        Self::from_record_if(record, |_| false)
    }

    /// The same; of data events on single items also those whose parameters pass.
    #[must_use]
    pub(crate) fn from_record_if(record: &Record<'_>, concerns_evidence: impl Fn(&Value) -> bool) -> Option<Self> {
        let service = record.event_source.get()?.strip_suffix(".amazonaws.com")?;
        let operation = operation(record.event_name.get()?);
        if !is_kept(service, operation) || (record.event_type() != EventType::ApiCall && service != "organizations") {
            return None;
        }
        let Kept(mut parameters) = record.parameters();
        if service != "cloudtrail"
            && let Value::Object(members) = &mut parameters
        {
            // Whose key is disabled is told by the guardrail's own answer; only of a trail is its key evidence.
            members.shift_remove("kmsKeyId");
        }
        if DATA_OPERATIONS.contains(&operation) && !is_about_evidence(&parameters) && !concerns_evidence(&parameters) {
            return None;
        }
        let Kept(response) = record.response();
        let identity = &record.user_identity.0;
        let mut change = Change {
            service: service.to_owned(),
            operation: operation.to_owned(),
            account: record.account(),
            region: record.region(),
            principal: identity.principal().entity,
            invoked_by: identity.invoked_by.get().map(str::to_owned),
            error: record.error_code.get().map(str::to_owned),
            parameters,
            response,
            effect: None,
        };
        change.effect = WorldChange::from_record(record, &change);
        Some(change)
    }

    /// Whether it was refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.error.is_some()
    }

    /// Whether it is this operation of this service.
    #[must_use]
    pub fn is(&self, service: &str, operations: &[&str]) -> bool {
        self.service == service && operations.contains(&self.operation.as_str())
    }

    /// A parameter; null if there is none of the name.
    #[must_use]
    pub fn parameter(&self, key: &str) -> &Value {
        self.parameters.get(key).unwrap_or(&Value::Null)
    }

    /// A member of the response; null if there is none of the name.
    #[must_use]
    pub fn answer(&self, key: &str) -> &Value {
        self.response.get(key).unwrap_or(&Value::Null)
    }

    /// A text among the parameters.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.parameters.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// What is changed, in short: an id or name without account and Region, so that an ARN and a name of one thing are the same.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        const KEYS: &[&str] = &[
            "guardrailIdentifier",
            "resourceArn",
            "resourceARN",
            "agentId",
            "flowIdentifier",
            "roleName",
            "userName",
            "groupName",
            "policyArn",
            "policyId",
            "keyId",
            "trailName",
            "name",
            "accountId",
            "bucketName",
            "logGroupName",
            "regionName",
        ];
        let of_response = [
            "/guardrailId",
            "/guardrailArn",
            "/agent/agentId",
            "/id",
            "/policy/arn",
            "/policy/policySummary/id",
            "/inferenceProfileArn",
            "/promptRouterArn",
        ];
        let named = KEYS.iter().find_map(|key| self.text(key));
        let answered = || of_response.iter().find_map(|pointer| self.response.at(pointer).as_str());
        named.or_else(answered).map(short)
    }
}

/// The last part of an ARN or path.
#[must_use]
pub fn short(name: &str) -> &str {
    let resource = if name.starts_with("arn:") { name.splitn(6, ':').nth(5).unwrap_or(name) } else { name };
    resource.rsplit('/').next().unwrap_or(resource)
}

fn is_about_evidence(parameters: &Value) -> bool {
    let text = |key: &str| parameters[key].as_str().unwrap_or_default();
    text("key").contains("AWSLogs/")
        || text("bucketName").starts_with("aws-cloudtrail-logs-")
        || text("tableName").contains("guardrail-audit")
}

/// The members that are looked at, in the order of their names. What is left out is never put together.
#[derive(Default)]
struct Kept(Value);

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Kept;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Kept, A::Error> {
                let mut kept: Vec<(String, Value)> = Vec::new();
                while let Some(key) = members.next_key::<Text<'de>>()? {
                    if key.or_empty() == "policyDocument" {
                        let document = members.next_value::<&RawValue>()?;
                        kept.push((key.or_empty().to_owned(), IdentityPolicy::relevant_part_of(document).unwrap_or(Value::Null)));
                    } else if KEPT_KEY_SET.contains(key.or_empty()) {
                        let value = reduced(key.or_empty(), members.next_value()?);
                        if value.as_str().is_none_or(|text| text.len() <= MOST_CHARACTERS && text != HIDDEN) {
                            kept.push((key.or_empty().to_owned(), value));
                        }
                    } else {
                        members.next_value::<IgnoredAny>()?;
                    }
                }
                kept.sort_by(|(a, _), (b, _)| a.cmp(b));
                Ok(Kept(Value::Object(kept.into_iter().collect())))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

fn reduced(key: &str, value: Value) -> Value {
    match key {
        "definition" => flow_without_texts(&value),
        "agent" => agent_without_texts(&value),
        "tags" => keys_of_tags(&value),
        "loggingConfig" => without_prefixes_and_roles(clean(value)),
        _ => clean_member(key, value),
    }
}

/// Texts that are JSON themselves: policy documents. AWS keeps the white space that they were sent with (facts/01 §5).
const DOCUMENTS: &[&str] = &["content", "resourcePolicy", "policy"];

/// A member's value, printable. Line breaks between the parts of a document steer nothing, and without them it stays the document that it
/// is: its own texts are what is made printable.
fn clean_member(key: &str, value: Value) -> Value {
    if DOCUMENTS.contains(&key)
        && let Value::String(text) = &value
        && let Ok(document) = serde_json::from_str::<Value>(text)
    {
        return Value::String(clean(document).to_string());
    }
    clean(value)
}

/// Printable, with members in the order of their names.
fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(printable(&text).into_owned()),
        Value::Array(items) => Value::Array(items.into_iter().map(clean).collect()),
        Value::Object(members) => {
            let clean_entry = |(key, value): (String, Value)| {
                let value = clean_member(&key, value);
                (printable(&key).into_owned(), value)
            };
            let mut members: Vec<_> = members.into_iter().map(clean_entry).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(members.into_iter().collect())
        }
        other => other,
    }
}

/// Of invocation logging: what is logged and where to. No rule looks at the prefix, or at the role that delivers.
fn without_prefixes_and_roles(settings: Value) -> Value {
    fn inside(value: Value) -> Value {
        match value {
            Value::Object(members) => {
                let kept = members.into_iter().filter(|(key, _)| !["keyPrefix", "roleArn"].contains(&key.as_str()));
                Value::Object(kept.map(|(key, value)| (key, inside(value))).collect())
            }
            other => other,
        }
    }
    match settings {
        // One that says anything at all stays one that does.
        Value::Object(members) => Value::Object(members.into_iter().map(|(key, value)| (key, inside(value))).collect()),
        other => other,
    }
}

/// Of a flow: which nodes there are, also inside of loops, and of each the guardrail and whether it names a model. Prompts stay out.
fn flow_without_texts(definition: &Value) -> Value {
    fn node(node: &Value, depth: u8) -> Value {
        let configuration = node["configuration"].as_object().into_iter().flatten();
        let kinds = configuration.map(|(kind, settings)| {
            let kept = ["guardrailConfiguration", "modelId"]
                .into_iter()
                .filter_map(|key| Some((key.to_owned(), clean(settings.get(key)?.clone()))));
            let nested = settings.get("definition").zip(depth.checked_sub(1));
            let nested = nested.map(|(definition, depth)| ("definition".to_owned(), flow(definition, depth)));
            (kind.clone(), Value::Object(nested.into_iter().chain(kept).collect()))
        });
        let members = [("configuration".to_owned(), Value::Object(kinds.collect())), ("type".to_owned(), clean(node["type"].clone()))];
        Value::Object(members.into_iter().collect())
    }
    fn flow(definition: &Value, depth: u8) -> Value {
        match definition.at("/nodes").as_array() {
            Some(nodes) => Value::Object(Map::from_iter([("nodes".to_owned(), nodes.iter().map(|inner| node(inner, depth)).collect())])),
            None => Value::Null,
        }
    }
    flow(definition, DEEPEST_FLOW)
}

/// AWS allows no loop inside of a loop; what nests deeper is not kept.
const DEEPEST_FLOW: u8 = 4;

/// Of an agent: its id, guardrail and model.
fn agent_without_texts(agent: &Value) -> Value {
    let members = ["agentId", "foundationModel", "guardrailConfiguration"];
    Value::Object(members.iter().filter_map(|key| Some(((*key).to_owned(), clean(agent.get(*key)?.clone())))).collect())
}

/// The keys of tags, whatever form they come in: values are the customer's.
fn keys_of_tags(tags: &Value) -> Value {
    let text = |key: &str| Value::String(printable(key).into_owned());
    match tags {
        Value::Array(list) => list.iter().filter_map(|tag| tag["key"].as_str().or_else(|| tag["Key"].as_str())).map(text).collect(),
        Value::Object(members) => members.keys().map(|key| text(key)).collect(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(record: &Value) -> Option<Change> {
        let text = record.to_string();
        Change::from_record(&serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn what_rules_look_at_is_kept_and_what_customers_wrote_is_not() {
        let flow = json!({"eventSource": "bedrock.amazonaws.com", "eventName": "UpdateFlow", "awsRegion": "us-east-1", "recipientAccountId": "1",
            "requestParameters": {"flowIdentifier": "F", "description": "secret", "definition": {"nodes": [{"type": "Prompt", "name": "secret",
                "configuration": {"prompt": {"sourceConfiguration": {"inline": "secret"}, "guardrailConfiguration": {"guardrailIdentifier": "g"}}}}]}}});
        let kept = change(&flow).unwrap();
        assert_eq!(kept.parameters.at("/definition/nodes/0/configuration/prompt/guardrailConfiguration/guardrailIdentifier"), "g");
        assert!(!format!("{kept:?}").contains("secret"));
        let tags = json!({"eventSource": "bedrock.amazonaws.com", "eventName": "TagResource", "requestParameters": {"resourceARN": "arn", "tags": [{"key": "team", "value": "secret"}]}});
        assert_eq!(change(&tags).unwrap().parameters["tags"], json!(["team"]));
        let logging = |settings: Value| {
            let put = json!({"eventSource": "bedrock.amazonaws.com", "eventName": "PutModelInvocationLoggingConfiguration",
                "requestParameters": {"loggingConfig": settings}});
            change(&put).unwrap().parameters["loggingConfig"].clone()
        };
        let settings = json!({"cloudWatchConfig": {"logGroupName": "g", "roleArn": "r"}, "s3Config": {"bucketName": "b", "keyPrefix": "k"}, "textDataDeliveryEnabled": true});
        let kept = json!({"cloudWatchConfig": {"logGroupName": "g"}, "s3Config": {"bucketName": "b"}, "textDataDeliveryEnabled": true});
        assert_eq!(logging(settings), kept);
        assert_eq!(logging(json!({"roleArn": "r"})), json!({"roleArn": "r"}), "a configuration that is there is never none");
    }

    #[test]
    fn a_document_stays_the_same_however_it_is_laid_out() {
        let document = json!({"b": {"list": ["a", "b"]}, "a": "x y"});
        let record = |content: &str| {
            let update = json!({"eventSource": "organizations.amazonaws.com", "eventName": "UpdatePolicy", "requestParameters":
                {"policyId": "p-1", "content": content}, "responseElements": {"policy": {"content": content, "policySummary": {"id": "p-1"}}}});
            change(&update).unwrap()
        };
        let plain = record(&document.to_string());
        assert_eq!(plain.text("content"), Some(r#"{"a":"x y","b":{"list":["a","b"]}}"#));
        let pretty = serde_json::to_string_pretty(&document).unwrap();
        for layout in [pretty.clone(), pretty.replace('\n', "\r\n"), pretty.replace("  ", "\t"), format!("\n{pretty}\n")] {
            assert_eq!(record(&layout), plain, "{layout:?}");
        }
        let steering = record("{\n\"a\": \"\\u001b[2J\\n\"}");
        assert_eq!(steering.text("content"), Some("{\"a\":\"\u{fffd}[2J\u{fffd}\"}"), "its own texts can't steer what shows them");
        assert_eq!(record("no\njson").text("content"), Some("no\u{fffd}json"));
        let shared = |policy: &str| {
            let put = json!({"eventSource": "bedrock.amazonaws.com", "eventName": "PutResourcePolicy", "awsRegion": "us-east-1", "requestParameters":
                {"resourceArn": "arn:aws:bedrock:us-east-1:111122223333:guardrail/org", "resourcePolicy": policy}});
            change(&put).unwrap().effect
        };
        assert_eq!(shared(&pretty), shared(&document.to_string()));
    }

    #[test]
    fn of_a_flow_nodes_inside_of_loops_are_kept_and_whether_they_name_a_model() {
        let node = json!({"name": "secret", "type": "KnowledgeBase", "configuration": {"knowledgeBase": {"knowledgeBaseId": "KB", "modelId": "a.one",
            "promptTemplate": "secret"}}});
        let flow = json!({"nodes": [{"type": "Loop", "configuration": {"loop": {"definition": {"nodes": [node]}}}}]});
        let kept = flow_without_texts(&flow);
        assert_eq!(kept.at("/nodes/0/configuration/loop/definition/nodes/0/configuration/knowledgeBase/modelId"), "a.one");
        assert!(!kept.to_string().contains("secret"));
    }

    #[test]
    fn dates_are_cut_off_and_other_services_stay_out() {
        let lambda = json!({"eventSource": "lambda.amazonaws.com", "eventName": "UpdateFunctionCode20150331v2", "requestParameters": {"functionName": "f"}});
        assert_eq!(change(&lambda).unwrap().operation, "UpdateFunctionCode");
        assert!(change(&json!({"eventSource": "secretsmanager.amazonaws.com", "eventName": "PutResourcePolicy"})).is_none());
        assert!(change(&json!({"eventSource": "s3.amazonaws.com", "eventName": "DeleteObject", "requestParameters": {"bucketName": "b", "key": "x.txt"}})).is_none());
    }

    #[test]
    fn a_refused_change_says_what_it_would_have_done() {
        let refused = json!({"eventSource": "organizations.amazonaws.com", "eventName": "DetachPolicy", "errorCode": "AccessDenied",
            "requestParameters": {"policyId": "p-1", "targetId": "r-1"}});
        let refused = change(&refused).unwrap();
        assert!(refused.is_refused() && refused.effect.is_some());
    }

    #[test]
    fn a_name_and_an_arn_have_the_same_subject() {
        for (name, expected) in [
            ("arn:aws:bedrock:us-east-1:111122223333:guardrail/abc", "abc"),
            ("abc", "abc"),
            ("arn:aws:cloudtrail:us-east-1:1:trail/main", "main"),
            ("arn:aws:iam::1:role/team/app", "app"),
            ("arn:aws:logs:us-east-1:1:log-group:x", "log-group:x"),
        ] {
            assert_eq!(short(name), expected);
        }
    }
}
