//! The effect of a change on the state that verdicts rest on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, PolicyId, Region, TargetId},
    enforcement::Enforcement,
};

/// The effect of a change on the state that verdicts rest on. For a refused change, it is the effect that the change would have had.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum WorldChange {
    /// A change of the organization's tree, or of its policies.
    Organization(OrganizationChange),
    /// PutEnforcedGuardrailConfiguration.
    ConfigurationPut {
        /// The account that enforces the configuration.
        account: AccountId,
        /// The Region.
        region: Region,
        /// The enforcement that it sets; `None` if CloudTrail masks it in the record.
        enforcement: Option<Enforcement>,
    },
    /// DeleteEnforcedGuardrailConfiguration: there is at most one per account and Region (docs/aws/enforcement.md#account-configuration).
    ConfigurationDeleted {
        /// The account that enforces the configuration.
        account: AccountId,
        /// The Region.
        region: Region,
    },
    /// CreateInferenceProfile.
    InferenceProfileCreated {
        /// The account of the profile.
        account: AccountId,
        /// The Region.
        region: Region,
        /// The profile's id.
        id: String,
        /// The model or system profile that it was copied from.
        model: String,
    },
    /// CreateAgent, UpdateAgent.
    AgentChanged {
        /// The account of the agent.
        account: AccountId,
        /// The Region.
        region: Region,
        /// The agent's id.
        id: String,
        /// The guardrail that the record names. `None` means that the agent's guardrail is not known, since it may be masked or left out.
        guardrail: Option<GuardrailVersionArn>,
    },
    /// UpdateFlow and similar operations. Their records lack the nodes, so the guardrails of the flow are not known afterwards.
    FlowChanged {
        /// The account of the flow.
        account: AccountId,
        /// The Region.
        region: Region,
        /// The flow's id.
        id: String,
    },
    /// CreateGuardrail, UpdateGuardrail. Their records lack the new content of the DRAFT
    /// (docs/aws/cloudtrail-records.md#guardrail-changes).
    GuardrailChanged {
        /// The guardrail.
        key: GuardrailKey,
        /// Whether the operation is CreateGuardrail.
        created: bool,
    },
    /// DeleteGuardrail.
    GuardrailDeleted {
        /// The guardrail.
        key: GuardrailKey,
        /// The version, if only one was deleted.
        version: Option<GuardrailVersion>,
    },
    /// PutResourcePolicy, DeleteResourcePolicy on a guardrail or guardrail profile.
    ResourcePolicyChanged {
        /// The guardrail.
        key: GuardrailKey,
        /// The policy document; `None` if CloudTrail masks it in the record.
        policy: Option<String>,
    },
    /// Put- and DeleteModelInvocationLoggingConfiguration.
    InvocationLoggingChanged {
        /// The account that logs.
        account: AccountId,
        /// The Region.
        region: Region,
        /// The record's `loggingConfig`: an empty object after a deletion, null if CloudTrail masks it.
        logging: Value,
    },
    /// A change of a trail. Its record doesn't show everything that the trail records afterwards, so that isn't known until the trail is
    /// read.
    TelemetryChanged {
        /// The account in whose records the change is.
        account: AccountId,
        /// The trail's ARN; `None` if the record doesn't name the trail.
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
    /// If there is no content in the record, the policy's content is not known afterwards.
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
    /// An operation that can remove coverage, whose record lacks the accounts concerned. No effective policy is known until it is read.
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
