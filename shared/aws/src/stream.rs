//! The events with which Lambda invokes functions behind a DynamoDB stream, and the records in them.

use std::time::{Duration, Instant};

use audit_core::timestamp::Timestamp;
use aws_lambda_events::{
    dynamodb::{Event, EventRecord},
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use serde::Deserialize;

use crate::{
    error::BoxError,
    lambda::{Handler, Invocation},
    observations::Item,
};

/// The event of a function behind a stream: a batch of records, or a request that a schedule or a person sends.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Input<R> {
    /// A request.
    Request(R),
    /// A batch of the stream.
    Stream(Event),
}

/// A function behind a stream of DynamoDB.
pub trait StreamHandler {
    /// The requests that it answers besides batches of the stream.
    type Request;
    /// Handles a batch of the stream, or as much of it as can be begun before it is `enough`, but at least its first record. If something
    /// failed, or there was no time for it, answers with the sequence number of the first such record: Lambda delivers the batch again from
    /// there.
    fn take_until(&self, records: &[StreamRecord], enough: Instant) -> impl Future<Output = Option<String>>;
    /// Handles a batch of the stream, however long it takes.
    fn take(&self, records: &[StreamRecord]) -> impl Future<Output = Option<String>> {
        self.take_until(records, Instant::now() + Duration::from_hours(24))
    }
    /// Carries out a request. What there is no time for before it is `enough` is left for the next one.
    fn carry_out(&self, request: Self::Request, enough: Instant) -> impl Future<Output = Result<(), BoxError>>;
}

impl<H: StreamHandler> Handler<Input<H::Request>, DynamoDbEventResponse> for H {
    async fn handle(&self, input: Input<H::Request>, invocation: Invocation<'_>) -> Result<DynamoDbEventResponse, BoxError> {
        let mut response = DynamoDbEventResponse::default();
        match input {
            Input::Request(request) => self.carry_out(request, invocation.enough()).await?,
            Input::Stream(event) => {
                if let Some(sequence) = self.take_until(&records(event), invocation.enough()).await {
                    let mut failure = DynamoDbBatchItemFailure::default();
                    failure.item_identifier = Some(sequence);
                    response.batch_item_failures.push(failure);
                }
            }
        }
        Ok(response)
    }
}

/// A record of the stream: the change of one item.
#[derive(Clone, Debug, Default)]
pub struct StreamRecord {
    /// Its sequence number within the shard.
    pub sequence: String,
    /// When the change was made, to the second.
    pub time: Option<Timestamp>,
    /// The item before the change; empty if there was none.
    pub old: Item,
    /// The item after the change; empty if it was removed.
    pub new: Item,
    /// Whether DynamoDB removed the item because it expired.
    pub by_service: bool,
}

impl StreamRecord {
    /// The item's partition key.
    #[must_use]
    pub fn pk(&self) -> &str {
        self.text("pk")
    }

    /// The item's sort key.
    #[must_use]
    pub fn sk(&self) -> &str {
        self.text("sk")
    }

    fn text(&self, name: &str) -> &str {
        let value = self.new.get(name).or_else(|| self.old.get(name));
        value.and_then(|value| value.as_s().ok()).map_or("", String::as_str)
    }
}

fn records(event: Event) -> Vec<StreamRecord> {
    event.records.into_iter().map(record).collect()
}

fn record(record: EventRecord) -> StreamRecord {
    let by_service = record.user_identity.is_some_and(|identity| identity.principal_id == "dynamodb.amazonaws.com");
    let change = record.change;
    let time = change.approximate_creation_date_time.timestamp();
    StreamRecord {
        sequence: change.sequence_number.unwrap_or_default(),
        time: (time > 0).then(|| Timestamp::from_seconds(time)),
        old: item(change.old_image),
        new: item(change.new_image),
        by_service,
    }
}

fn item(item: serde_dynamo::Item) -> Item {
    let attributes: std::collections::HashMap<String, serde_dynamo::AttributeValue> = item.into();
    attributes.into_iter().map(|(name, value)| (name, attribute(value))).collect()
}

fn attribute(value: serde_dynamo::AttributeValue) -> AttributeValue {
    use serde_dynamo::AttributeValue as From;
    match value {
        From::N(number) => AttributeValue::N(number),
        From::S(text) => AttributeValue::S(text),
        From::Bool(is) => AttributeValue::Bool(is),
        From::B(bytes) => AttributeValue::B(Blob::new(bytes)),
        From::L(list) => AttributeValue::L(list.into_iter().map(attribute).collect()),
        From::M(map) => AttributeValue::M(map.into_iter().map(|(name, value)| (name, attribute(value))).collect()),
        From::Ss(texts) => AttributeValue::Ss(texts),
        From::Ns(numbers) => AttributeValue::Ns(numbers),
        From::Bs(blobs) => AttributeValue::Bs(blobs.into_iter().map(Blob::new).collect()),
        From::Null(_) => AttributeValue::Null(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_as_lambda_delivers_it_is_read() {
        let event = serde_json::json!({"Records": [{"eventID": "1", "eventName": "REMOVE", "awsRegion": "us-east-1",
            "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
            "dynamodb": {"ApproximateCreationDateTime": 1_795_300_000.0, "SequenceNumber": "7", "SizeBytes": 9, "StreamViewType": "NEW_AND_OLD_IMAGES",
                "Keys": {"pk": {"S": "a"}, "sk": {"S": "b"}},
                "OldImage": {"pk": {"S": "a"}, "sk": {"S": "b"}, "f": {"B": "AQID"}, "expires_at": {"N": "5"}}}}]});
        let [record] = &*records(serde_json::from_value(event).unwrap()) else { panic!() };
        assert_eq!((record.sequence.as_str(), record.pk(), record.sk(), record.by_service), ("7", "a", "b", true));
        assert_eq!(record.old["f"].as_b().unwrap().as_ref(), [1, 2, 3]);
        assert_eq!(record.time, Some(Timestamp::from_seconds(1_795_300_000)));
    }
}
