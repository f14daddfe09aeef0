//! A control-plane event, kept as a fact: who did what to what, and whether it was refused.
//!
//! Of a record's parameters only those are kept that some rule looks at: names, settings and policy documents. Texts of customers, such
//! as prompts, instructions and descriptions, and whatever could be a secret, never get past [`Change::from_record`].

mod parameters;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    arn::{AccountId, Region, short},
    cloudtrail::{EventType, Record, wanted::operation},
    json::At,
    moment::Moment,
    operations::{self, Role},
    world::WorldChange,
};
use parameters::Kept;

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
    pub time: Moment,
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

    /// The change that a record reports or attempts; `None` if it is none that is kept.
    #[must_use]
    pub fn from_record(record: &Record<'_>) -> Option<Self> {
        Self::from_record_if(record, |_| false)
    }

    /// The same; of data events on single items also those whose parameters pass.
    #[must_use]
    pub(crate) fn from_record_if(record: &Record<'_>, concerns_evidence: impl Fn(&Value) -> bool) -> Option<Self> {
        let (service, operation, role) = kept_operation(record)?;
        // Organizations tells results of what was asked for before as events of its own.
        let may_be_result = service == "organizations" && record.event_type() != EventType::EndpointPassage;
        if !record.event_type().is_request() && !may_be_result {
            return None;
        }
        let Kept(mut parameters) = record.parameters();
        if service != "cloudtrail"
            && let Value::Object(members) = &mut parameters
        {
            // Whose key is disabled is told by the guardrail's own answer; only of a trail is its key evidence.
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

/// The service and the operation of a record with its role, if changes of the kind are kept.
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
