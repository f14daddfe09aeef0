//! Changes of the world that CloudTrail reports, with as much of the new state as the record carries.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    arn::{AccountId, Arn, GuardrailKey, GuardrailVersion, GuardrailVersionArn, PolicyId, Region, TargetId, partition_of},
    change::Change,
    cloudtrail::{EventType, HIDDEN, Record},
    enforcement::Enforcement,
    json::At,
    policy::BEDROCK_POLICY,
};

/// A change of the state that verdicts rest on. Of a refused call, what it would have done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum WorldChange {
    /// Something in the organization's tree or policies.
    Organization(OrganizationChange),
    /// PutEnforcedGuardrailConfiguration.
    ConfigurationPut {
        /// Whose configuration.
        account: AccountId,
        /// Where.
        region: Region,
        /// What it enforces; `None` if the record hides it (facts README, unknown 10).
        enforcement: Option<Enforcement>,
    },
    /// DeleteEnforcedGuardrailConfiguration: there is at most one per account and Region (docs/aws/enforcement.md#account-configuration).
    ConfigurationDeleted {
        /// Whose configuration.
        account: AccountId,
        /// Where.
        region: Region,
    },
    /// CreateInferenceProfile.
    InferenceProfileCreated {
        /// Whose profile.
        account: AccountId,
        /// Where.
        region: Region,
        /// Its id.
        id: String,
        /// The model or system profile that it was copied from.
        model: String,
    },
    /// CreateAgent, UpdateAgent.
    AgentChanged {
        /// Whose agent.
        account: AccountId,
        /// Where.
        region: Region,
        /// Its id.
        id: String,
        /// The guardrail that the record names; without one the agent's guardrail is not known: it may have been left out or masked.
        guardrail: Option<GuardrailVersionArn>,
    },
    /// UpdateFlow and its like: what nodes a flow has is not in the record.
    FlowChanged {
        /// Whose flow.
        account: AccountId,
        /// Where.
        region: Region,
        /// Its id.
        id: String,
    },
    /// CreateGuardrail, UpdateGuardrail: what the DRAFT says from here on is not in the record
    /// (docs/aws/cloudtrail-records.md#guardrail-changes).
    GuardrailChanged {
        /// Which.
        key: GuardrailKey,
        /// It was made by this.
        created: bool,
    },
    /// DeleteGuardrail.
    GuardrailDeleted {
        /// Which.
        key: GuardrailKey,
        /// Only this version of it.
        version: Option<GuardrailVersion>,
    },
    /// PutResourcePolicy, DeleteResourcePolicy on a guardrail or guardrail profile.
    ResourcePolicyChanged {
        /// Which.
        key: GuardrailKey,
        /// What it says; `None` if the record hides it.
        policy: Option<String>,
    },
    /// Put- and DeleteModelInvocationLoggingConfiguration.
    InvocationLoggingChanged {
        /// Whose.
        account: AccountId,
        /// Where.
        region: Region,
        /// `loggingConfig`: an empty object if there is none any more, null if the record hides it.
        logging: Value,
    },
    /// Something about a trail: what it records from here on is not known until it is read again.
    TelemetryChanged {
        /// In whose events.
        account: AccountId,
        /// The trail's ARN; `None` if the record doesn't say which it is.
        #[serde(default)]
        trail: Option<String>,
    },
}

/// A change in AWS Organizations (docs/aws/bedrock-policies.md#records-of-organizations).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is an operation, and each field one of its parameters, in AWS's words")]
pub enum OrganizationChange {
    CreatePolicy {
        policy: PolicyId,
        policy_type: String,
        name: String,
        content: Option<String>,
    },
    /// Without content, what the policy says from here on is not known.
    UpdatePolicy {
        policy: PolicyId,
        content: Option<String>,
    },
    DeletePolicy {
        policy: PolicyId,
    },
    AttachPolicy {
        policy: PolicyId,
        target: TargetId,
    },
    DetachPolicy {
        policy: PolicyId,
        target: TargetId,
    },
    EnablePolicyType {
        root: TargetId,
        policy_type: String,
    },
    DisablePolicyType {
        root: TargetId,
        policy_type: String,
    },
    CreateOrganizationalUnit {
        unit: TargetId,
        name: String,
        parent: TargetId,
    },
    DeleteOrganizationalUnit {
        unit: TargetId,
    },
    MoveAccount {
        account: AccountId,
        destination: TargetId,
    },
    /// LeaveOrganization and RemoveAccountFromOrganization.
    AccountLeft {
        account: AccountId,
    },
    /// One of those that can take cover away, whose record doesn't say from whom: from here on nothing is known until it is read.
    NotReadable {
        event_name: String,
    },
    /// EffectivePolicyValidation: while a policy is invalid, the last valid one stays in force
    /// (docs/aws/bedrock-policies.md#invalid-policies).
    EffectivePolicyValidation {
        account: AccountId,
        valid: bool,
    },
}

const TRAIL_OPERATIONS: &[&str] = &["CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging", "PutEventSelectors"];

impl WorldChange {
    /// What the change that a record reports does to the world, refused or not. `None` if it does nothing that is read here.
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

    /// What a change does to the world as far as that follows from what is kept of it. Of AWS Organizations' changes nothing does: there
    /// it matters what a record leaves out.
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

/// The ARN of the trail that a change is about. A bare name is one of the account and Region.
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
            WorldChange::FlowChanged { id: text("flowIdentifier")?.to_owned(), account, region }
        }
        _ => return None,
    })
}

/// An UpdatePolicy of a name or description alone: parameters that are left out are left alone
/// (docs/aws/bedrock-policies.md#records-of-organizations).
fn only_renames(record: &Record<'_>, response: &Value) -> bool {
    // Of parameters that are masked nothing is kept, so the record itself is asked.
    let written: Value = record.parameters();
    record.event_name.get() == Some("UpdatePolicy")
        && written.get("policyId").is_some()
        && written.get("content").is_none()
        && !response.at("/policy/content").is_string()
}

/// A change that may take cover away from anybody, for all that its record says.
fn not_readable(record: &Record<'_>) -> Option<OrganizationChange> {
    const TAKES_COVER: &[&str] = &[
        "UpdatePolicy",
        "DeletePolicy",
        "AttachPolicy",
        "DetachPolicy",
        "DisablePolicyType",
        "MoveAccount",
        "RemoveAccountFromOrganization",
    ];
    let operation = record.event_name.get().filter(|operation| TAKES_COVER.contains(operation))?;
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
        // A leaving member's own account records LeaveOrganization. Only the management account is left of an organization that can be
        // deleted.
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

    fn change(record: &Value) -> Option<WorldChange> {
        let text = record.to_string();
        Change::from_record(&serde_json::from_str(&text).unwrap())?.effect
    }

    #[test]
    fn what_the_record_hides_is_not_known() {
        let mut record = json!({"eventSource": "bedrock.amazonaws.com", "eventName": "PutEnforcedGuardrailConfiguration", "awsRegion": "us-east-1",
            "recipientAccountId": "222233334444", "requestParameters": {"guardrailInferenceConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "2"}}});
        assert!(matches!(change(&record), Some(WorldChange::ConfigurationPut { enforcement: Some(_), .. })));
        record["requestParameters"] = Value::Null;
        assert!(matches!(change(&record), Some(WorldChange::ConfigurationPut { enforcement: None, .. })));
    }

    #[test]
    fn a_new_name_changes_nothing_but_content_that_is_hidden_may() {
        let update = |parameters: Value| {
            change(&json!({"eventSource": "organizations.amazonaws.com", "eventName": "UpdatePolicy", "requestParameters": parameters}))
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
            let Some(WorldChange::TelemetryChanged { trail, .. }) = change(&record) else { panic!("not read") };
            trail
        };
        assert_eq!(stopped(json!({"name": "t"})).as_deref(), Some(arn));
        assert_eq!(stopped(json!({"name": arn})).as_deref(), Some(arn));
        assert_eq!(stopped(Value::Null), None);
    }

    #[test]
    fn the_same_operation_of_another_service_is_another() {
        let record = json!({"eventSource": "wafv2.amazonaws.com", "eventName": "DetachPolicy", "requestParameters": {"policyId": "p-1", "targetId": "r-1"}});
        assert_eq!(change(&record), None);
    }

    #[test]
    fn a_profile_is_resolved_by_what_it_was_copied_from() {
        let record = json!({"eventSource": "bedrock.amazonaws.com", "eventName": "CreateInferenceProfile", "awsRegion": "us-east-1", "recipientAccountId": "1",
            "requestParameters": {"modelSource": {"copyFrom": "arn:aws:bedrock:us-east-1::foundation-model/a.one"}},
            "responseElements": {"inferenceProfileArn": "arn:aws:bedrock:us-east-1:1:application-inference-profile/abcdef123456"}});
        let Some(WorldChange::InferenceProfileCreated { id, model, .. }) = change(&record) else { panic!("not read") };
        assert_eq!((id.as_str(), model.as_str()), ("abcdef123456", "arn:aws:bedrock:us-east-1::foundation-model/a.one"));
    }
}
