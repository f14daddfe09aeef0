//! A change: the kept part of a CloudTrail record of a control-plane operation, with its principal, its parameters and whether it was
//! refused.
//!
//! Only parameters that some rule needs are kept: names, settings and policy documents. [`Change::from_record`] drops customers' texts,
//! such as prompts, instructions and descriptions, and whatever could be a secret, so that no store or report can contain them.

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
    operations,
    timestamp::Timestamp,
};

/// A control-plane event that a rule or verdict depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Change {
    /// The service of the record's `eventSource`, without `.amazonaws.com` ([`source`](crate::operations::source)).
    pub service: String,
    /// The operation, without the API date that Lambda adds (docs/aws/cloudtrail-records.md#common-members).
    pub operation: String,
    /// The account that the record was delivered to.
    pub account: AccountId,
    /// The record's `awsRegion`.
    pub region: Region,
    /// The role, user or service that made the request.
    pub principal: String,
    /// The AWS service that made the request on the principal's behalf: `userIdentity.invokedBy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoked_by: Option<String>,
    /// The record's `errorCode`. If there is one, the change was refused and had no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The kept members of `requestParameters`; null if there were none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub parameters: Value,
    /// The kept members of `responseElements`; null if there were none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub response: Value,
    /// The change's effect on the state that verdicts rest on; of a refused change, the effect that it would have had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<WorldChange>,
}

/// The identity of a change, by which copies of a record count once. Ordered by time, then by event id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeKey {
    /// The record's `eventTime`.
    pub time: Timestamp,
    /// The record's `eventID`, or its `requestID` if it has none.
    pub event_id: String,
    /// The account that the record was delivered to.
    pub account: String,
}

impl Change {
    /// Drops the largest parameter, for stores whose items are limited in size: its value is not known from then on. Returns false if there
    /// was nothing left to drop.
    pub fn leave_out_the_largest(&mut self) -> bool {
        let size = |value: &Value| value.to_string().len();
        let largest = |of: &Value| of.as_object()?.iter().map(|(key, value)| (size(value), key.clone())).max();
        let (of_request, of_response) = (largest(&self.parameters), largest(&self.response));
        let of = if of_request >= of_response { &mut self.parameters } else { &mut self.response };
        let removed = of_request.max(of_response).and_then(|(_, key)| of.as_object_mut()?.shift_remove(&key));
        if removed.is_some() {
            return true;
        }
        // Without parameters, the effect is the only part of any size.
        self.effect.take().is_some()
    }

    /// Whether the change was refused, and so had no effect.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.error.is_some()
    }

    /// Whether it is one of these operations of this service.
    #[must_use]
    pub fn is(&self, service: &str, operations: &[&str]) -> bool {
        self.service == service && operations.contains(&self.operation.as_str())
    }

    /// The request parameter of this name; null if there is none.
    #[must_use]
    pub fn parameter(&self, key: &str) -> &Value {
        self.parameters.get(key).unwrap_or(&Value::Null)
    }

    /// The response element of this name; null if there is none.
    #[must_use]
    pub fn answer(&self, key: &str) -> &Value {
        self.response.get(key).unwrap_or(&Value::Null)
    }

    /// The request parameter of this name, if it is a string and not empty.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.parameters.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// The id or name of the resource that is changed. An ARN is cut to its last part, so that an ARN and a name of one resource are equal.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        let answers = operations::group(&self.service, &self.operation)?.answers;
        let answered = || answers.iter().find_map(|pointer| self.response.at(pointer).as_str()).map(short);
        self.names().next().or_else(answered)
    }

    /// The ids or names of all resources that the request names, such as a role and the policy that is attached to it; the changed one is
    /// the first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let names = operations::group(&self.service, &self.operation).map_or(&[][..], |group| group.names);
        names.iter().filter_map(|key| self.text(key)).map(short)
    }
}
