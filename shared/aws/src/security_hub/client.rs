//! The three operations of Security Hub that the hub calls.

use std::collections::BTreeMap;

use audit_exports::asff::default_product;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Failure, SecurityHub, There, Update};
use crate::{
    aws::Aws,
    error::{BoxError, CallError, ErrorKind},
    json_client::{JsonClient, Service},
};

const SECURITY_HUB: Service = Service { id: "SecurityHub", host: "securityhub", answers_within: None };

/// Security Hub in one account and Region.
#[derive(Clone, Debug)]
pub struct SecurityHubClient {
    client: JsonClient,
    /// The ARN of the product as which findings are imported.
    product: String,
}

impl SecurityHubClient {
    /// Security Hub in this account and in the Region of these clients.
    pub fn new(aws: &Aws, account: &str) -> Result<Self, BoxError> {
        let region = aws.region().ok_or("the Region is not known")?;
        Ok(SecurityHubClient { client: JsonClient::new(aws, SECURITY_HUB)?, product: default_product(account, region) })
    }
}

impl SecurityHub for SecurityHubClient {
    async fn import(&self, request: String) -> Result<Vec<Failure>, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            failed_count: u64,
            #[serde(default)]
            failed_findings: Vec<Failure>,
        }
        let answer = self.client.call("import findings", "POST", "/findings/import", request).await?;
        let answer: Answer = understood("import findings", answer)?;
        // A finding that failed and isn't named must not count as imported.
        if answer.failed_count > answer.failed_findings.len() as u64 {
            return Err(CallError::new("import findings", ErrorKind::Retryable, "some findings failed, and the answer doesn't name them"));
        }
        Ok(answer.failed_findings)
    }

    async fn look(&self, ids: &[String]) -> Result<BTreeMap<String, There>, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            findings: Vec<Found>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Found {
            id: String,
            workflow: Option<Workflow>,
            note: Option<Note>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Workflow {
            status: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Note {
            text: Option<String>,
        }
        let equals = |value: &String| json!({"Value": value, "Comparison": "EQUALS"});
        let filters = json!({"ProductArn": [equals(&self.product)], "Id": ids.iter().map(equals).collect::<Vec<_>>()});
        let body = json!({"Filters": filters, "MaxResults": 100}).to_string();
        let answer = self.client.call("look at findings", "POST", "/findings", body).await?;
        let answer: Answer = understood("look at findings", answer)?;
        let there = |found: Found| {
            let there = There { status: found.workflow.and_then(|workflow| workflow.status), note: found.note.and_then(|note| note.text) };
            (found.id, there)
        };
        Ok(answer.findings.into_iter().map(there).collect())
    }

    async fn update(&self, ids: &[String], update: &Update) -> Result<Vec<Failure>, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            #[serde(default)]
            unprocessed_findings: Vec<Unprocessed>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Unprocessed {
            finding_identifier: Identifier,
            error_code: String,
            #[serde(default)]
            error_message: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Identifier {
            id: String,
        }
        let identifiers: Vec<Value> = ids.iter().map(|id| json!({"Id": id, "ProductArn": self.product})).collect();
        let note = json!({"Text": update.note, "UpdatedBy": "guardrail-audit"});
        let body = json!({"FindingIdentifiers": identifiers, "Workflow": {"Status": update.status}, "Note": note}).to_string();
        let answer = self.client.call("update findings", "PATCH", "/findings/batchupdate", body).await?;
        let answer: Answer = understood("update findings", answer)?;
        let failure =
            |one: Unprocessed| Failure { id: one.finding_identifier.id, error_code: one.error_code, error_message: one.error_message };
        Ok(answer.unprocessed_findings.into_iter().map(failure).collect())
    }
}

fn understood<T: serde::de::DeserializeOwned>(action: &'static str, answer: Value) -> Result<T, CallError> {
    serde_json::from_value(answer).map_err(|error| CallError::new(action, ErrorKind::Retryable, error))
}
