//! Where alerts are published: SNS topics, one for each format.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_sns::types::MessageAttributeValue;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    aws::Aws,
    error::{CallError, failed},
    settings::{Environment, SettingError},
};

/// How the body of a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Plain text, for people who read e-mail.
    Text,
    /// The findings as JSON, for programs.
    Json,
    /// The custom notification of Amazon Q Developer in chat applications.
    Chat,
}

/// A message for a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Identifies the transition that it reports: copies of a message have the same id.
    pub id: String,
    /// A title; the subject of an e-mail.
    pub subject: String,
    /// The body, in one format.
    pub body: String,
    /// Message attributes that SNS subscriptions can filter by, each with one or several values.
    pub attributes: BTreeMap<&'static str, Vec<String>>,
}

/// Publishes messages.
pub trait Publish: Send + Sync {
    /// The formats for which there is a topic.
    fn formats(&self) -> Vec<Format>;
    /// Publishes a message to the topic of a format.
    fn publish(&self, format: Format, message: &Message) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// SNS topics by format.
#[derive(Clone, Debug)]
pub struct Topics {
    aws: Arc<Aws>,
    arns: BTreeMap<Format, String>,
}

impl Topics {
    /// From the environment: one topic with its format, or a topic for each of up to three formats.
    pub fn from_environment(environment: &Environment, aws: Arc<Aws>) -> Result<Self, SettingError> {
        let of = |name, format| environment.optional(name).map(|arn| (format, arn));
        let mut arns: BTreeMap<Format, String> =
            [("ALERTS_TOPIC_ARN_TEXT", Format::Text), ("ALERTS_TOPIC_ARN_JSON", Format::Json), ("ALERTS_TOPIC_ARN_CHAT", Format::Chat)]
                .into_iter()
                .filter_map(|(name, format)| of(name, format))
                .collect();
        if let Some(arn) = environment.optional("ALERTS_TOPIC_ARN").filter(|_| arns.is_empty()) {
            let word = environment.parsed("ALERT_FORMAT", "text".to_owned())?;
            let format =
                [("text", Format::Text), ("json", Format::Json), ("chat", Format::Chat)].into_iter().find(|(known, _)| *known == word);
            let problem = "not text, json or chat".to_owned();
            let (_, format) = format.ok_or(SettingError::Wrong { name: "ALERT_FORMAT", value: word, problem })?;
            arns.insert(format, arn);
        }
        if arns.is_empty() {
            return Err(SettingError::Missing("ALERTS_TOPIC_ARN"));
        }
        Ok(Topics { aws, arns })
    }
}

impl Publish for Topics {
    fn formats(&self) -> Vec<Format> {
        self.arns.keys().copied().collect()
    }

    async fn publish(&self, format: Format, message: &Message) -> Result<(), CallError> {
        let Some(arn) = self.arns.get(&format) else { return Ok(()) };
        let mut request = self.aws.sns().publish().topic_arn(arn).message(&message.body);
        if format == Format::Text {
            request = request.subject(&message.subject);
        }
        if arn.rsplit_once('.').is_some_and(|(_, ending)| ending == "fifo") {
            request = request.message_group_id("guardrail-audit").message_deduplication_id(&message.id);
        }
        for (name, values) in &message.attributes {
            let value = match values.as_slice() {
                [one] => MessageAttributeValue::builder().data_type("String").string_value(one),
                several => MessageAttributeValue::builder().data_type("String.Array").string_value(json!(several).to_string()),
            };
            if let Ok(value) = value.build() {
                request = request.message_attributes(*name, value);
            }
        }
        request.send().await.map(|_| ()).map_err(failed("send an alert"))
    }
}
