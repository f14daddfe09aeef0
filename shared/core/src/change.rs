//! A control-plane event, kept as a fact: who did what to what, and whether it was refused.
//!
//! Of a record's parameters only those are kept that some rule looks at: names, settings and policy documents. Texts of customers, such
//! as prompts, instructions and descriptions, and whatever could be a secret, never get past [`Change::from_record`].

mod effect;
mod parameters;
mod read;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use effect::{OrganizationChange, WorldChange};
pub use read::kept_operation;

use crate::{
    arn::{AccountId, Region, short},
    json::At,
    timestamp::Timestamp,
};

/// A control-plane event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Change {
    /// The service, without `.amazonaws.com`.
    pub service: String,
    /// The operation, without the API date that Lambda adds (docs/aws/cloudtrail-records.md#common-members).
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

/// The identity of a change: the same event read twice is one change. In the order of time, then of event ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeKey {
    /// When.
    pub time: Timestamp,
    /// The record's event id, or what stands for it.
    pub event_id: String,
    /// The account that the record was delivered to.
    pub account: String,
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
            "gatewayIdentifier",
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
