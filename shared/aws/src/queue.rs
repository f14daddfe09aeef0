//! SQS queues that functions send tasks to.

use std::sync::{Arc, Mutex};

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use crate::{
    aws::Aws,
    error::{CallError, ErrorKind, failed},
};

/// The operation on a queue that this crate needs.
pub trait Queue: Send + Sync {
    /// Sends messages, which can be received after this number of seconds at the earliest.
    fn send(&self, messages: &[String], delay: u32) -> impl Future<Output = Result<(), CallError>> + Send;
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
}

/// Messages in a request at most (SendMessageBatch, docs/aws/prices-and-limits.md#other-services).
const BATCH: usize = 10;

impl Queue for SqsQueue {
    async fn send(&self, messages: &[String], delay: u32) -> Result<(), CallError> {
        let delay = i32::try_from(delay).unwrap_or(0);
        for batch in messages.chunks(BATCH) {
            let mut request = self.aws.sqs().send_message_batch().queue_url(&self.url);
            for (index, message) in batch.iter().enumerate() {
                let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(message).delay_seconds(delay);
                request = request.entries(entry.build().map_err(|error| CallError::new("send to a queue", ErrorKind::Refused, error))?);
            }
            let answer = request.send().await.map_err(failed("send to a queue"))?;
            if let Some(refused) = answer.failed().first() {
                return Err(CallError::new("send to a queue", ErrorKind::Retryable, refused.code().to_owned()));
            }
        }
        Ok(())
    }
}

/// A queue in memory, for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryQueue(Arc<Mutex<Vec<(String, u32)>>>);

impl MemoryQueue {
    /// Takes the messages out, in order, each with its delay.
    #[must_use]
    pub fn take(&self) -> Vec<(String, u32)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Queue for MemoryQueue {
    async fn send(&self, messages: &[String], delay: u32) -> Result<(), CallError> {
        let mut queue = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        queue.extend(messages.iter().map(|message| (message.clone(), delay)));
        Ok(())
    }
}
