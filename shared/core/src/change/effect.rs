//! What a change does to the state that verdicts rest on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, PolicyId, Region, TargetId},
    enforcement::Enforcement,
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
