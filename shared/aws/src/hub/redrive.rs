//! Puts dead letters of the hub's queues back to where they came from.
//!
//! Messages are received, sent and deleted here. `StartMessageMoveTask` of SQS asks for the same permissions, and moves nothing on the engine that the tests have. A run that is ended leaves at most one batch in both
//! queues, and a message that is taken twice does no harm (docs/data-model.md#order-copies-crashes).

use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, SendMessageBatchRequestEntry};
use serde::Serialize;

use super::{
    Hub,
    queues::{Back, QueueOfHub},
};
use crate::error::{CallError, ErrorKind, failed};

/// Messages that are received at once, which is as many as SQS gives.
const BATCH: i32 = 10;

/// Bytes of messages that are sent at once (docs/aws/prices-and-limits.md#other-services).
const BYTES: usize = 200_000;

/// Seconds for which messages that are being moved are hidden from others.
const HIDDEN: i32 = 120;

/// Times in a row that SQS has no message to give, after which a queue counts as empty: it may keep some back.
const EMPTY: usize = 2;

/// What was done with the dead letters of a queue.
#[derive(Clone, Debug, Serialize)]
pub struct Redriven {
    /// The queue.
    pub queue: &'static str,
    /// What goes back to where, or what is to be done instead.
    pub back: &'static str,
    /// Messages that lay in it, approximately.
    pub found: u64,
    /// Those that were moved.
    pub moved: u64,
}

impl Hub {
    /// The dead letters of a queue; `None` if the hub has no such queue.
    pub async fn dead_letters(&self, queue: &'static QueueOfHub) -> Result<Option<Redriven>, CallError> {
        let Some(back) = queue.back() else { return Ok(None) };
        match self.depth(queue).await {
            Ok(depth) => Ok(Some(Redriven { queue: queue.name, back: back.in_words(), found: depth.waiting + depth.in_flight, moved: 0 })),
            Err(error) if error.is_not_found() && !queue.is_everywhere => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves the dead letters of a queue, but no more than were found: what fails again may come back meanwhile. `moved` counts on as they are,
    /// and is as it was if this fails in between.
    pub async fn redrive(&self, queue: &'static QueueOfHub, of: &mut Redriven) -> Result<(), CallError> {
        let Some(Back::To(live)) = queue.back() else { return Ok(()) };
        // Messages that are received are hidden for a while, so what would keep them from being sent is found out before.
        let (url, live) = (self.queue_url(queue.name).await?, self.queue_url(live).await?);
        let mut empty = 0;
        while empty < EMPTY && of.moved < of.found {
            let received = self.receive(&url).await?;
            empty = if received.is_empty() { empty + 1 } else { 0 };
            for some in by_bytes(received) {
                self.send_back(&live, &some).await?;
                self.delete(&url, &some).await?;
                of.moved += some.len() as u64;
            }
        }
        Ok(())
    }

    async fn receive(&self, url: &str) -> Result<Vec<Message>, CallError> {
        let request = self.aws.sqs().receive_message().queue_url(url).max_number_of_messages(BATCH).visibility_timeout(HIDDEN);
        let request = request.wait_time_seconds(1);
        let names = [MessageSystemAttributeName::MessageGroupId, MessageSystemAttributeName::MessageDeduplicationId];
        let request = request.set_message_system_attribute_names(Some(names.to_vec()));
        Ok(request.send().await.map_err(failed("receive dead letters"))?.messages.unwrap_or_default())
    }

    async fn send_back(&self, url: &str, messages: &[Message]) -> Result<(), CallError> {
        const ACTION: &str = "send a dead letter back";
        let entry = |(index, message): (usize, &Message)| {
            let attribute = |name| message.attributes.as_ref().and_then(|attributes| attributes.get(&name)).cloned();
            let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(message.body().unwrap_or_default());
            let entry = entry.set_message_group_id(attribute(MessageSystemAttributeName::MessageGroupId).filter(|_| is_fifo(url)));
            let entry =
                entry.set_message_deduplication_id(attribute(MessageSystemAttributeName::MessageDeduplicationId).filter(|_| is_fifo(url)));
            entry.build().map_err(|error| CallError::new(ACTION, ErrorKind::Refused, error))
        };
        let entries = messages.iter().enumerate().map(entry).collect::<Result<_, _>>()?;
        let answer = self.aws.sqs().send_message_batch().queue_url(url).set_entries(Some(entries)).send().await.map_err(failed(ACTION))?;
        match answer.failed().first() {
            // The whole batch stays, and those of it that were sent are sent twice.
            Some(refused) => Err(CallError::new(ACTION, ErrorKind::Retryable, refused.code().to_owned())),
            None => Ok(()),
        }
    }

    async fn delete(&self, url: &str, messages: &[Message]) -> Result<(), CallError> {
        const ACTION: &str = "delete a dead letter";
        let entry = |(index, message): (usize, &Message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            let entry = entry.receipt_handle(message.receipt_handle().unwrap_or_default());
            entry.build().map_err(|error| CallError::new(ACTION, ErrorKind::Refused, error))
        };
        let entries = messages.iter().enumerate().map(entry).collect::<Result<_, _>>()?;
        let answer =
            self.aws.sqs().delete_message_batch().queue_url(url).set_entries(Some(entries)).send().await.map_err(failed(ACTION))?;
        match answer.failed().first() {
            Some(refused) => Err(CallError::new(ACTION, ErrorKind::Retryable, refused.code().to_owned())),
            None => Ok(()),
        }
    }
}

/// Parts of messages that fit into a request each, in their order.
fn by_bytes(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let (mut parts, mut bytes): (Vec<Vec<Message>>, usize) = (Vec::new(), BYTES);
    for message in messages {
        let size = message.body().map_or(0, str::len);
        bytes += size;
        match parts.last_mut() {
            Some(part) if bytes <= BYTES => part.push(message),
            _ => {
                parts.push(vec![message]);
                bytes = size;
            }
        }
    }
    parts
}

/// SQS demands that the name of a queue that keeps the order of its messages ends so.
fn is_fifo(url: &str) -> bool {
    std::path::Path::new(url).extension().is_some_and(|end| end == "fifo")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_sent_in_parts_that_fit() {
        let message = |bytes: usize| Message::builder().body("x".repeat(bytes)).build();
        let parts =
            |sizes: &[usize]| -> Vec<usize> { by_bytes(sizes.iter().map(|size| message(*size)).collect()).iter().map(Vec::len).collect() };
        assert_eq!(parts(&[10, 20, 30]), [3]);
        assert_eq!(parts(&[150_000, 50_000, 1, 250_000, 5]), [2, 1, 1, 1]);
        assert_eq!(parts(&[]), Vec::<usize>::new());
    }
}
