//! The state of each finding's alert, and the alerts that wait for the next digest.

use audit_core::{finding::Finding, timestamp::Timestamp};
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

/// The state of a finding's alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertState {
    /// The state of the finding that was last published, as [`transition`] names it.
    #[serde(rename = "told")]
    pub notified: Option<String>,
    /// The state that an instance is about to publish.
    pub pending: Option<String>,
    /// The formats in which the pending state was published already.
    #[serde(default)]
    pub sent: Vec<String>,
    /// When the pending state was claimed.
    pub since: Timestamp,
    /// Counts writes. A write succeeds only on the version that its writer has read, so that two instances can't both claim an alert.
    pub version: i64,
    /// The number of times that a withdrawal of the finding was published.
    #[serde(default)]
    pub withdrawn: u64,
}

/// The state of a finding as alerts compare it: status, severity and the number of times that it was reopened.
#[must_use]
pub fn transition(finding: &Finding) -> String {
    format!("{}#{}#{}", finding.status.as_str(), finding.severity, finding.reopened)
}

impl Findings {
    /// The state of a finding's alert; `None` if nothing was ever published or claimed.
    pub async fn alert_state(&self, id: &str) -> Result<Option<AlertState>, CallError> {
        self.get_noted(&format!("ALERT#{id}"), "STATE").await?.map(|item| from_json(text(&item, "state").unwrap_or_default())).transpose()
    }

    /// Writes the state of a finding's alert, if its version is still the one before. Answers whether it was written.
    pub async fn put_alert_state(&self, id: &str, state: &AlertState) -> Result<bool, CallError> {
        let mut item = key(&format!("ALERT#{id}"), "STATE");
        item.insert("state".to_owned(), AttributeValue::S(to_json(state)?));
        item.insert("version".to_owned(), AttributeValue::N(state.version.to_string()));
        item.insert("entity".to_owned(), AttributeValue::S("ALERT".to_owned()));
        let request = self.aws.dynamodb().put_item().table_name(&self.notes_table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk) OR version = :before");
        let request = request.expression_attribute_values(":before", AttributeValue::N((state.version - 1).to_string()));
        written(request.send().await.map_err(failed("write the state of an alert")))
    }

    /// Puts an alert aside for the next digest. It replaces an alert of the same finding.
    pub async fn put_for_digest(&self, id: &str, body: &str) -> Result<(), CallError> {
        let mut item = key("DIGEST", id);
        item.insert("alert".to_owned(), AttributeValue::S(body.to_owned()));
        self.put_into(&self.notes_table, item, "put an alert aside").await
    }

    /// The alerts that were put aside, with the ids of their findings.
    pub async fn digest(&self) -> Result<Vec<(String, String)>, CallError> {
        let mut aside = Vec::new();
        for table in self.tables_of_notes() {
            let items = query_all(&self.aws, table, "DIGEST", None, true).await?;
            aside.extend(items.iter().filter_map(|item| Some((text(item, "sk")?.to_owned(), text(item, "alert")?.to_owned()))));
        }
        Ok(aside)
    }

    /// Deletes an alert that was put aside, unless another alert has replaced it.
    pub async fn remove_from_digest(&self, id: &str, body: &str) -> Result<(), CallError> {
        for table in self.tables_of_notes() {
            let request = self.aws.dynamodb().delete_item().table_name(table).set_key(Some(key("DIGEST", id)));
            let request =
                request.condition_expression("alert = :alert").expression_attribute_values(":alert", AttributeValue::S(body.to_owned()));
            written(request.send().await.map_err(failed("forget an alert")))?;
        }
        Ok(())
    }
}
