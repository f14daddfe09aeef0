//! Reads changes from CloudTrail records: whether the change is kept, its parameters, and as much of the new state as the record contains.

use serde_json::Value;

use super::{Change, OrganizationChange, WorldChange, parameters::Kept};
use crate::{
    arn::{Arn, GuardrailKey, GuardrailVersion, GuardrailVersionArn, PolicyId, partition_of, short},
    cloudtrail::{EventType, HIDDEN, Record, wanted::operation},
    enforcement::Enforcement,
    json::At,
    operations::{self, Role},
    policy::BEDROCK_POLICY,
};

impl Change {
    /// The change that a record reports, successful or refused; `None` if its operation is not kept.
    #[must_use]
    pub fn from_record(record: &Record<'_>) -> Option<Self> {
        Self::from_record_if(record, |_| false)
    }

    /// The same, and also data events on S3 objects and table items whose parameters concern evidence by the given function.
    #[must_use]
    pub(crate) fn from_record_if(record: &Record<'_>, concerns_evidence: impl Fn(&Value) -> bool) -> Option<Self> {
        let (service, operation, role) = kept_operation(record)?;
        // Organizations reports the results of earlier requests in events of their own (AwsServiceEvent).
        let may_be_result = service == "organizations" && record.event_type() != EventType::EndpointPassage;
        if !record.event_type().is_request() && !may_be_result {
            return None;
        }
        let Kept(mut parameters) = record.parameters();
        if service != "cloudtrail"
            && let Value::Object(members) = &mut parameters
        {
            // Only a trail's key is needed from records. A guardrail's key is read from GetGuardrail.
            members.shift_remove("kmsKeyId");
        }
        if role.is_of_item() && !is_about_evidence(&parameters) && !concerns_evidence(&parameters) {
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
}

/// The service and the operation of a record, and the operation's role, if it is kept as a change.
#[must_use]
pub fn kept_operation<'r>(record: &'r Record<'_>) -> Option<(&'r str, &'r str, Role)> {
    let service = operations::source(record.event_source.get()?);
    let operation = operation(record.event_name.get()?);
    let role = operations::role(service, operation).filter(|role| role.is_kept())?;
    Some((service, operation, role))
}

fn is_about_evidence(parameters: &Value) -> bool {
    let text = |key: &str| parameters[key].as_str().unwrap_or_default();
    text("key").contains("AWSLogs/")
        || text("bucketName").starts_with("aws-cloudtrail-logs-")
        || text("tableName").contains("guardrail-audit")
}

const TRAIL_OPERATIONS: &[&str] = &["CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging", "PutEventSelectors"];

impl WorldChange {
    /// The effect on the world of the change that a record reports, refused or not; `None` if it has none.
    #[must_use]
    pub(crate) fn from_record(record: &Record<'_>, change: &Change) -> Option<Self> {
        if change.service != "organizations" {
            return Self::implied_by(change);
        }
        if only_renames(record, &change.response) {
            return None;
        }
        let of_organization = match record.event_type() {
            EventType::ApiCall | EventType::EndpointRefusal | EventType::ServiceEvent => {
                organizations(record, &change.parameters, &change.response).or_else(|| not_readable(record))
            }
            EventType::EndpointPassage | EventType::Other => None,
        };
        of_organization.map(WorldChange::Organization)
    }

    /// The effect of a change on the world, as far as its kept parameters show it. For changes in AWS Organizations it is `None`: their
    /// effect also depends on which parameters the record lacks.
    #[must_use]
    pub(crate) fn implied_by(change: &Change) -> Option<Self> {
        match change.service.as_str() {
            "bedrock" => bedrock(change),
            "cloudtrail" if TRAIL_OPERATIONS.contains(&change.operation.as_str()) => {
                Some(WorldChange::TelemetryChanged { account: change.account.clone(), trail: trail_arn(change) })
            }
            _ => None,
        }
    }
}

/// The ARN of the trail that a change is about. A bare name means a trail of the record's account and Region.
fn trail_arn(change: &Change) -> Option<String> {
    let answered = change.answer("trailARN").as_str().filter(|arn| arn.starts_with("arn:"));
    let named = || ["name", "trailName"].iter().find_map(|key| change.parameter(key).as_str());
    let named = answered.or_else(named).filter(|name| !name.is_empty() && *name != HIDDEN)?;
    let (account, region) = (&change.account, &change.region);
    let of_name = || format!("arn:{}:cloudtrail:{region}:{account}:trail/{named}", partition_of(region));
    Some(if named.starts_with("arn:") { named.to_owned() } else { of_name() })
}

fn bedrock(change: &Change) -> Option<WorldChange> {
    let (account, region) = (change.account.clone(), change.region.clone());
    let text = |key: &str| change.parameter(key).as_str();
    let answered = |key: &str| change.answer(key).as_str();
    let guardrail = || {
        let named = text("guardrailIdentifier").or_else(|| answered("guardrailArn"));
        GuardrailKey::from_identifier(named.or_else(|| answered("guardrailId"))?, &account, &region)
    };
    // The operation of this name exists for other resources of Bedrock too (docs/aws/enforcement.md#resource-policies).
    let shared = || GuardrailKey::of_shared(text("resourceArn").or_else(|| text("resourceARN"))?);
    Some(match change.operation.as_str() {
        operation @ ("CreateGuardrail" | "UpdateGuardrail") => {
            WorldChange::GuardrailChanged { key: guardrail()?, created: operation == "CreateGuardrail" }
        }
        "DeleteGuardrail" => {
            WorldChange::GuardrailDeleted { key: guardrail()?, version: text("guardrailVersion").and_then(GuardrailVersion::parse) }
        }
        "PutResourcePolicy" => WorldChange::ResourcePolicyChanged {
            key: shared()?,
            policy: text("resourcePolicy").or_else(|| text("policy")).map(str::to_owned),
        },
        "DeleteResourcePolicy" => WorldChange::ResourcePolicyChanged { key: shared()?, policy: Some(String::new()) },
        "PutModelInvocationLoggingConfiguration" => {
            WorldChange::InvocationLoggingChanged { logging: change.parameter("loggingConfig").clone(), account, region }
        }
        "DeleteModelInvocationLoggingConfiguration" => {
            WorldChange::InvocationLoggingChanged { logging: Value::Object(serde_json::Map::new()), account, region }
        }
        "PutEnforcedGuardrailConfiguration" => WorldChange::ConfigurationPut {
            enforcement: Enforcement::from_configuration(change.parameter("guardrailInferenceConfig"), &account, &region),
            account,
            region,
        },
        "DeleteEnforcedGuardrailConfiguration" => WorldChange::ConfigurationDeleted { account, region },
        "CreateInferenceProfile" => {
            let arn = Arn::parse(answered("inferenceProfileArn")?)?;
            WorldChange::InferenceProfileCreated {
                id: arn.resource_type_and_id()?.1.to_owned(),
                model: change.parameter("modelSource")["copyFrom"].as_str()?.to_owned(),
                account,
                region,
            }
        }
        "CreateAgent" | "UpdateAgent" => {
            let configuration = change.parameter("guardrailConfiguration");
            let guardrail = || {
                Some(GuardrailVersionArn {
                    key: GuardrailKey::from_identifier(configuration["guardrailIdentifier"].as_str()?, &account, &region)?,
                    version: GuardrailVersion::parse(configuration["guardrailVersion"].as_str()?)?,
                })
            };
            let id = text("agentId").or_else(|| change.answer("agent")["agentId"].as_str())?.to_owned();
            WorldChange::AgentChanged { guardrail: guardrail(), id, account: account.clone(), region: region.clone() }
        }
        "UpdateFlow" | "PrepareFlow" | "CreateFlowVersion" | "CreateFlowAlias" | "UpdateFlowAlias" => {
            WorldChange::FlowChanged { id: short(text("flowIdentifier")?).to_owned(), account, region }
        }
        _ => return None,
    })
}

/// Whether an UpdatePolicy changes only the name or the description. Parameters that a request leaves out stay as they were
/// (docs/aws/bedrock-policies.md#records-of-organizations).
fn only_renames(record: &Record<'_>, response: &Value) -> bool {
    // A masked `content` is not kept, so it can only be told from an absent one in the record itself.
    let written: Value = record.parameters();
    record.event_name.get() == Some("UpdatePolicy")
        && written.get("policyId").is_some()
        && written.get("content").is_none()
        && !response.at("/policy/content").is_string()
}

/// The effect of an operation that may remove coverage from any account, because its record lacks the parameters.
fn not_readable(record: &Record<'_>) -> Option<OrganizationChange> {
    const MAY_REMOVE_COVERAGE: &[&str] = &[
        "UpdatePolicy",
        "DeletePolicy",
        "AttachPolicy",
        "DetachPolicy",
        "DisablePolicyType",
        "MoveAccount",
        "RemoveAccountFromOrganization",
    ];
    let operation = record.event_name.get().filter(|operation| MAY_REMOVE_COVERAGE.contains(operation))?;
    Some(OrganizationChange::NotReadable { event_name: operation.to_owned() })
}

fn organizations(record: &Record<'_>, parameters: &Value, response: &Value) -> Option<OrganizationChange> {
    use OrganizationChange as Change;
    let text = |key: &str| parameters.at(&format!("/{key}")).as_str().map(str::to_owned);
    let policy = || parameters.at("/policyId").as_str().map(PolicyId::from);
    let content = || text("content").or_else(|| response.at("/policy/content").as_str().map(str::to_owned));
    Some(match record.event_name.get()? {
        "CreatePolicy" => {
            let summary = response.at("/policy/policySummary");
            Change::CreatePolicy {
                policy: summary["id"].as_str()?.into(),
                policy_type: text("type").or_else(|| summary["type"].as_str().map(str::to_owned))?,
                name: text("name").unwrap_or_default(),
                content: content(),
            }
        }
        "UpdatePolicy" => Change::UpdatePolicy { policy: policy()?, content: content() },
        "DeletePolicy" => Change::DeletePolicy { policy: policy()? },
        "AttachPolicy" => Change::AttachPolicy { policy: policy()?, target: text("targetId")?.into() },
        "DetachPolicy" => Change::DetachPolicy { policy: policy()?, target: text("targetId")?.into() },
        "EnablePolicyType" => Change::EnablePolicyType { root: text("rootId")?.into(), policy_type: text("policyType")? },
        "DisablePolicyType" => Change::DisablePolicyType { root: text("rootId")?.into(), policy_type: text("policyType")? },
        "CreateOrganizationalUnit" => Change::CreateOrganizationalUnit {
            unit: response.at("/organizationalUnit/id").as_str()?.into(),
            name: text("name").unwrap_or_default(),
            parent: text("parentId")?.into(),
        },
        "DeleteOrganizationalUnit" => Change::DeleteOrganizationalUnit { unit: text("organizationalUnitId")?.into() },
        "MoveAccount" => Change::MoveAccount { account: text("accountId")?.into(), destination: text("destinationParentId")?.into() },
        // LeaveOrganization is recorded in the account that leaves. DeleteOrganization is possible only when the management account, which
        // records it, is the last one.
        "LeaveOrganization" | "DeleteOrganization" => Change::AccountLeft { account: record.account() },
        "RemoveAccountFromOrganization" => Change::AccountLeft { account: text("accountId")?.into() },
        "EffectivePolicyValidation" => {
            let details: Value = record.service_event_details.and_then(|raw| serde_json::from_str(raw.get()).ok())?;
            if details.at("/policyType").as_str()? != BEDROCK_POLICY {
                return None;
            }
            Change::EffectivePolicyValidation {
                account: details.at("/accountId").as_str()?.into(),
                valid: details.at("/state").as_str()? == "VALID",
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn effect(record: &Value) -> Option<WorldChange> {
        let text = record.to_string();
        Change::from_record(&serde_json::from_str(&text).unwrap())?.effect
    }

    #[test]
    fn what_the_record_hides_is_not_known() {
        let mut record = json!({"eventSource": "bedrock.amazonaws.com", "eventName": "PutEnforcedGuardrailConfiguration", "awsRegion": "us-east-1",
            "recipientAccountId": "222233334444", "requestParameters": {"guardrailInferenceConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "2"}}});
        assert!(matches!(effect(&record), Some(WorldChange::ConfigurationPut { enforcement: Some(_), .. })));
        record["requestParameters"] = Value::Null;
        assert!(matches!(effect(&record), Some(WorldChange::ConfigurationPut { enforcement: None, .. })));
    }

    #[test]
    fn a_new_name_changes_nothing_but_content_that_is_hidden_may() {
        let update = |parameters: Value| {
            effect(&json!({"eventSource": "organizations.amazonaws.com", "eventName": "UpdatePolicy", "requestParameters": parameters}))
        };
        assert_eq!(update(json!({"policyId": "p-1", "name": "x", "description": "y"})), None);
        for content in [Value::Null, json!("HIDDEN_DUE_TO_SECURITY_REASONS")] {
            let hidden = update(json!({"policyId": "p-1", "name": "x", "content": content}));
            assert!(matches!(hidden, Some(WorldChange::Organization(OrganizationChange::UpdatePolicy { .. }))), "{content}");
        }
        assert!(matches!(update(Value::Null), Some(WorldChange::Organization(OrganizationChange::NotReadable { .. }))));
    }

    #[test]
    fn a_trail_is_told_by_its_name_or_its_arn() {
        let arn = "arn:aws:cloudtrail:us-east-1:222233334444:trail/t";
        let stopped = |parameters: Value| {
            let record = json!({"eventSource": "cloudtrail.amazonaws.com", "eventName": "StopLogging", "awsRegion": "us-east-1",
                "recipientAccountId": "222233334444", "requestParameters": parameters});
            let Some(WorldChange::TelemetryChanged { trail, .. }) = effect(&record) else { panic!("not read") };
            trail
        };
        assert_eq!(stopped(json!({"name": "t"})).as_deref(), Some(arn));
        assert_eq!(stopped(json!({"name": arn})).as_deref(), Some(arn));
        assert_eq!(stopped(Value::Null), None);
    }

    #[test]
    fn the_same_operation_of_another_service_is_another() {
        let record = json!({"eventSource": "wafv2.amazonaws.com", "eventName": "DetachPolicy", "requestParameters": {"policyId": "p-1", "targetId": "r-1"}});
        assert_eq!(effect(&record), None);
    }

    #[test]
    fn a_profile_is_resolved_by_what_it_was_copied_from() {
        let record = json!({"eventSource": "bedrock.amazonaws.com", "eventName": "CreateInferenceProfile", "awsRegion": "us-east-1", "recipientAccountId": "1",
            "requestParameters": {"modelSource": {"copyFrom": "arn:aws:bedrock:us-east-1::foundation-model/a.one"}},
            "responseElements": {"inferenceProfileArn": "arn:aws:bedrock:us-east-1:1:application-inference-profile/abcdef123456"}});
        let Some(WorldChange::InferenceProfileCreated { id, model, .. }) = effect(&record) else { panic!("not read") };
        assert_eq!((id.as_str(), model.as_str()), ("abcdef123456", "arn:aws:bedrock:us-east-1::foundation-model/a.one"));
    }

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
}
