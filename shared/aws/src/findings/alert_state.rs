//! Where the alert of each finding stands, and the alerts that were put aside for a digest.

use audit_core::{finding::Finding, moment::Moment};
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::{
    Findings,
    items::{from_json, key, text, to_json, written},
};
use crate::{
    error::{CallError, failed},
    observations::query_all,
};

/// Where the alert of a finding stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertState {
    /// The state of the finding that was last told, as [`transition`] names it.
    #[serde(rename = "told")]
    pub notified: Option<String>,
    /// The state that is being told.
    pub pending: Option<String>,
    /// The formats in which that was sent already.
    #[serde(default)]
    pub sent: Vec<String>,
    /// When that was begun.
    pub since: Moment,
    /// Counts writes, so that two functions can't both tell.
    pub version: i64,
    /// How often it was told that the finding was withdrawn.
    #[serde(default)]
    pub withdrawn: u64,
}

/// The state of a finding, as far as alerts go.
#[must_use]
pub fn transition(finding: &Finding) -> String {
    format!("{}#{}#{}", finding.status.as_str(), finding.severity, finding.reopened)
}

impl Findings {
    /// Where the alert of a finding stands.
    pub async fn alert_state(&self, id: &str) -> Result<Option<AlertState>, CallError> {
        self.get_item(&format!("ALERT#{id}"), "STATE").await?.map(|item| from_json(text(&item, "state").unwrap_or_default())).transpose()
    }

    /// Writes where the alert of a finding stands, if nobody has since it was read. Whether it was written.
    pub async fn put_alert_state(&self, id: &str, state: &AlertState) -> Result<bool, CallError> {
        let mut item = key(&format!("ALERT#{id}"), "STATE");
        item.insert("state".to_owned(), AttributeValue::S(to_json(state)?));
        item.insert("version".to_owned(), AttributeValue::N(state.version.to_string()));
        item.insert("entity".to_owned(), AttributeValue::S("ALERT".to_owned()));
        let request = self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk) OR version = :before");
        let request = request.expression_attribute_values(":before", AttributeValue::N((state.version - 1).to_string()));
        written(request.send().await.map_err(failed("write the state of an alert")))
    }

    /// Puts an alert aside for the next digest.
    pub async fn put_for_digest(&self, id: &str, body: &str) -> Result<(), CallError> {
        let mut item = key("DIGEST", id);
        item.insert("alert".to_owned(), AttributeValue::S(body.to_owned()));
        self.put_item(item, "put an alert aside").await
    }

    /// The alerts that were put aside, by finding.
    pub async fn digest(&self) -> Result<Vec<(String, String)>, CallError> {
        let items = query_all(&self.aws, &self.table, "DIGEST", None, true).await?;
        Ok(items.iter().filter_map(|item| Some((text(item, "sk")?.to_owned(), text(item, "alert")?.to_owned()))).collect())
    }

    /// Forgets an alert that was put aside, unless it was put aside anew.
    pub async fn remove_from_digest(&self, id: &str, body: &str) -> Result<(), CallError> {
        let request = self.aws.dynamodb().delete_item().table_name(&self.table).set_key(Some(key("DIGEST", id)));
        let request =
            request.condition_expression("alert = :alert").expression_attribute_values(":alert", AttributeValue::S(body.to_owned()));
        written(request.send().await.map_err(failed("forget an alert"))).map(|_| ())
    }
}
