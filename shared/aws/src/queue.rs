//! SQS queues that functions send messages to or receive them from.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry};

use crate::{
    aws::Aws,
    error::{CallError, ErrorKind, failed},
};

/// The operations on queues that this crate needs.
pub trait Queue: Send + Sync {
    /// Sends messages, which can be received after this number of seconds at the earliest.
    fn send(&self, messages: &[String], delay: u32) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Sends messages to a FIFO queue.
    fn send_in_order(&self, messages: &[Ordered]) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Hides a message that was received, and with it all of its group, for this number of seconds from now.
    fn hide(&self, receipt: &str, seconds: u32) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// A message of a FIFO queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// Its group. Only one message of a group is received at a time, and in their order.
    pub group: String,
    /// Its identity: SQS drops another message with the same one for five minutes.
    pub id: String,
    /// Its body.
    pub body: String,
}

/// A message that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its id, the same in every delivery.
    pub id: String,
    /// What names this delivery of it, to delete it.
    pub receipt: String,
    /// Its body.
    pub body: String,
}

/// A queue in SQS.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    aws: Arc<Aws>,
    url: String,
}

impl SqsQueue {
    /// The queue with this URL.
    #[must_use]
    pub fn new(aws: Arc<Aws>, url: String) -> Self {
        SqsQueue { aws, url }
    }

    /// Messages in a request at most (docs/aws/prices-and-limits.md#other-services).
    pub const BATCH: usize = 10;

    /// Receives up to ten messages, which SQS hides for the queue's visibility timeout. It waits for a second, since a request that doesn't
    /// wait asks only some of the queue's servers.
    pub async fn receive(&self) -> Result<Vec<Received>, CallError> {
        let request = self.aws.sqs().receive_message().queue_url(&self.url).max_number_of_messages(10).wait_time_seconds(1);
        let answer = request.send().await.map_err(failed("receive from a queue"))?;
        let received = answer.messages.unwrap_or_default().into_iter().map(|message| Received {
            id: message.message_id.unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
        });
        Ok(received.collect())
    }

    /// Deletes messages, [`SqsQueue::BATCH`] at most. One that SQS doesn't delete is received again.
    pub async fn delete(&self, messages: &[Received]) -> Result<(), CallError> {
        const DELETING: &str = "delete from a queue";
        let entry = |(index, message): (usize, &Received)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(&message.receipt);
            entry.build().map_err(|error| CallError::new(DELETING, ErrorKind::Refused, error))
        };
        let entries = messages.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>()?;
        let request = self.aws.sqs().delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        request.send().await.map(|_| ()).map_err(failed(DELETING))
    }

    async fn send_batch(&self, entries: Vec<SendMessageBatchRequestEntry>) -> Result<(), CallError> {
        let request = self.aws.sqs().send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = request.send().await.map_err(failed(SENDING))?;
        match answer.failed().first() {
            Some(refused) => Err(CallError::new(SENDING, ErrorKind::Retryable, refused.code().to_owned())),
            None => Ok(()),
        }
    }
}

const SENDING: &str = "send to a queue";

impl Queue for SqsQueue {
    async fn send(&self, messages: &[String], delay: u32) -> Result<(), CallError> {
        let delay = i32::try_from(delay).unwrap_or(0);
        for batch in messages.chunks(Self::BATCH) {
            let entry = |(index, message): (usize, &String)| {
                let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(message);
                entry.delay_seconds(delay).build().map_err(|error| CallError::new(SENDING, ErrorKind::Refused, error))
            };
            self.send_batch(batch.iter().enumerate().map(entry).collect::<Result<_, _>>()?).await?;
        }
        Ok(())
    }

    async fn send_in_order(&self, messages: &[Ordered]) -> Result<(), CallError> {
        for batch in messages.chunks(Self::BATCH) {
            let entry = |(index, message): (usize, &Ordered)| {
                let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(&message.body);
                let entry = entry.message_group_id(&message.group).message_deduplication_id(&message.id);
                entry.build().map_err(|error| CallError::new(SENDING, ErrorKind::Refused, error))
            };
            self.send_batch(batch.iter().enumerate().map(entry).collect::<Result<_, _>>()?).await?;
        }
        Ok(())
    }

    async fn hide(&self, receipt: &str, seconds: u32) -> Result<(), CallError> {
        let request = self.aws.sqs().change_message_visibility().queue_url(&self.url).receipt_handle(receipt);
        let request = request.visibility_timeout(i32::try_from(seconds).unwrap_or(i32::MAX));
        request.send().await.map(|_| ()).map_err(failed("hide a message"))
    }
}

/// A queue in memory, for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryQueue(Arc<Mutex<Messages>>);

#[derive(Debug, Default)]
struct Messages {
    sent: Vec<(String, u32)>,
    ordered: VecDeque<Ordered>,
    ids: BTreeSet<String>,
    hidden: Vec<(String, u32)>,
}

impl MemoryQueue {
    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the messages out, in order, each with its delay.
    #[must_use]
    pub fn take(&self) -> Vec<(String, u32)> {
        std::mem::take(&mut self.messages().sent)
    }

    /// Takes the messages of a FIFO queue out, in order.
    #[must_use]
    pub fn take_ordered(&self) -> Vec<Ordered> {
        self.messages().ordered.drain(..).collect()
    }

    /// Puts a message of a FIFO queue back before all others, as one that could not be handled.
    pub fn put_back(&self, message: Ordered) {
        self.messages().ordered.push_front(message);
    }

    /// Takes out which receipts were hidden, and for how many seconds.
    #[must_use]
    pub fn take_hidden(&self) -> Vec<(String, u32)> {
        std::mem::take(&mut self.messages().hidden)
    }
}

impl Queue for MemoryQueue {
    async fn send(&self, messages: &[String], delay: u32) -> Result<(), CallError> {
        self.messages().sent.extend(messages.iter().map(|message| (message.clone(), delay)));
        Ok(())
    }

    async fn send_in_order(&self, messages: &[Ordered]) -> Result<(), CallError> {
        let mut queue = self.messages();
        for message in messages {
            if queue.ids.insert(message.id.clone()) {
                queue.ordered.push_back(message.clone());
            }
        }
        Ok(())
    }

    async fn hide(&self, receipt: &str, seconds: u32) -> Result<(), CallError> {
        self.messages().hidden.push((receipt.to_owned(), seconds));
        Ok(())
    }
}
