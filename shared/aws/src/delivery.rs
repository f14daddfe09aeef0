//! How events reach the functions of an account and Region: one at a time from EventBridge, or as a batch of a queue.
//!
//! EventBridge invokes a function asynchronously: nobody waits for its answer. When it ends with an error, Lambda invokes it twice more and
//! then puts the event into a queue that nothing polls, from where [`crate::undelivered`] takes it again. For a batch of a queue, the answer
//! names the messages that SQS has to deliver again.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{
    error::{BoxError, CallError, ErrorKind},
    invocations::{Message, Outcome},
};

/// The events that one invocation of a function brings.
#[derive(Debug)]
pub enum Delivery {
    /// A batch of a queue.
    Queue(SqsEvent),
    /// An event, byte for byte as EventBridge sent it.
    Event(Box<RawValue>),
}

impl Delivery {
    /// The events, each with an identity.
    #[must_use]
    pub fn messages(&self) -> Vec<Message<'_>> {
        match self {
            Delivery::Queue(event) => event.records.iter().map(Message::of).collect(),
            Delivery::Event(event) => vec![Message { id: "event", body: event.get() }],
        }
    }

    /// The answer to Lambda. An event that was not taken in is an error, on which Lambda tries it again and then keeps it.
    pub fn answer(&self, outcome: &Outcome) -> Result<SqsBatchResponse, BoxError> {
        let mut response = SqsBatchResponse::default();
        match self {
            Delivery::Queue(_) => outcome.failed.iter().for_each(|id| response.add_failure(id)),
            Delivery::Event(_) if outcome.failed.is_empty() => {}
            Delivery::Event(_) => {
                let why = "it can't be read, or a fact could not be written: the log says which";
                return Err(CallError::new("take an event in", ErrorKind::Retryable, why).into());
            }
        }
        Ok(response)
    }
}

impl From<Box<RawValue>> for Delivery {
    fn from(payload: Box<RawValue>) -> Self {
        // EventBridge's envelope has no member `Records`.
        serde_json::from_str(payload.get()).map_or_else(|_| Delivery::Event(payload), Delivery::Queue)
    }
}

impl<'de> Deserialize<'de> for Delivery {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_are_read_and_an_event_keeps_its_bytes() {
        let batch = r#"{"Records": [{"messageId": "m1", "body": "{}"}, {"messageId": "m2", "body": "nonsense"}]}"#;
        let event = r#"{"detail": {"b": 1, "b": 2,  "a": 1.50}}"#;
        let failed = |id: &str| Outcome { failed: vec![id.to_owned()], ..Outcome::default() };
        let batch: Delivery = serde_json::from_str(batch).unwrap();
        assert_eq!(
            batch.messages().iter().map(|message| (message.id, message.body)).collect::<Vec<_>>(),
            [("m1", "{}"), ("m2", "nonsense")]
        );
        let answer = batch.answer(&failed("m2")).unwrap();
        assert_eq!(answer.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect::<Vec<_>>(), ["m2"]);
        let delivered: Delivery = serde_json::from_str(event).unwrap();
        assert_eq!(delivered.messages().iter().map(|message| message.body).collect::<Vec<_>>(), [event]);
        assert!(delivered.answer(&failed("event")).is_err());
        assert!(delivered.answer(&Outcome::default()).is_ok());
        for nonsense in ["{}", "[1]", r#""text""#, r#"{"Records": 1}"#] {
            assert!(matches!(serde_json::from_str(nonsense).unwrap(), Delivery::Event(_)), "{nonsense}");
        }
    }
}
