//! The hub's functions in Lambda: what a person has them do, and whether they take messages.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    aws::Aws,
    error::{CallError, ErrorKind},
    json_client::{JsonClient, Service},
};

/// The function that judges accounts, by its name in `template.yaml`.
pub const FOLD_FINDINGS: &str = "guardrail-audit-fold-findings";

/// The function that publishes alerts.
pub const SEND_ALERTS: &str = "guardrail-audit-send-alerts";

/// An invocation answers when the function has ended: after `Timeout` of `fold-findings` in `template.yaml`, five minutes, at the latest.
const LAMBDA: Service = Service { id: "Lambda", host: "lambda", answers_within: Some(Duration::from_secs(310)) };

/// The functions of the hub's account and Region.
#[derive(Clone, Debug)]
pub(super) struct Functions(JsonClient);

/// An event source mapping: what takes messages off a queue or a stream and invokes a function with them.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Mapping {
    #[serde(rename = "UUID")]
    pub(super) id: String,
    /// `Enabled`, `Disabled`, or a word for being on the way to a state.
    #[serde(rename = "State")]
    pub(super) state: String,
}

impl Functions {
    pub(super) fn new(aws: &Aws) -> Result<Self, CallError> {
        JsonClient::new(aws, LAMBDA).map(Functions).map_err(|error| CallError::new("find the functions", ErrorKind::Refused, error))
    }

    /// Has a function carry out a request, and waits for its end.
    pub(super) async fn invoke(&self, function: &str, request: &impl Serialize) -> Result<(), CallError> {
        let action = format!("invoke {function}");
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let answer = self.0.call(action.clone(), "POST", path, json!(request).to_string()).await?;
        // The status is 200 even if the function failed; then the answer is its error.
        match answer.get("errorMessage") {
            Some(why) => Err(CallError::new(action, ErrorKind::Refused, why.as_str().unwrap_or("it failed").to_owned())),
            None => Ok(()),
        }
    }

    /// What invokes a function with messages.
    pub(super) async fn mappings(&self, function: &str) -> Result<Vec<Mapping>, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Page {
            #[serde(default)]
            event_source_mappings: Vec<Mapping>,
            next_marker: Option<String>,
        }
        let action = "look at event source mappings";
        let (mut all, mut marker) = (Vec::new(), None::<String>);
        loop {
            let next = marker.map(|marker| format!("&Marker={}", utf8_percent_encode(&marker, NON_ALPHANUMERIC))).unwrap_or_default();
            let path = format!("/2015-03-31/event-source-mappings?FunctionName={function}{next}");
            let page: Page = understood(action, self.0.call(action, "GET", path, String::new()).await?)?;
            all.extend(page.event_source_mappings);
            marker = page.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return Ok(all);
            }
        }
    }

    /// Lets a mapping invoke its function, or no longer.
    pub(super) async fn set_enabled(&self, mapping: &Mapping, is_enabled: bool) -> Result<Mapping, CallError> {
        let action = "change an event source mapping";
        let path = format!("/2015-03-31/event-source-mappings/{}", mapping.id);
        understood(action, self.0.call(action, "PUT", path, json!({"Enabled": is_enabled}).to_string()).await?)
    }
}

fn understood<T: serde::de::DeserializeOwned>(action: &'static str, answer: Value) -> Result<T, CallError> {
    serde_json::from_value(answer).map_err(|error| CallError::new(action, ErrorKind::Refused, error))
}
