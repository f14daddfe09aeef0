//! Takes in again what EventBridge couldn't deliver and what the functions could not take in.
//!
//! Both end in one queue of the account, which nothing polls and which keeps them for 14 days. With every heartbeat `audit-changes` looks
//! whether anything is in it, and handles it as the functions would have. So an outage of the hub needs no hands, and the hub needs no
//! right in the account. What fails again stays, is hidden for a while, so that it holds up nothing else, and is reported by the heartbeat.

use std::{collections::BTreeSet, time::Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    at_once::at_once,
    changes::{ChangeAuditor, Request},
    error::{CallError, warn},
    invocations::{InvocationAuditor, Message},
    partition::AccountRegion,
    queue::{Queue, Received, SqsQueue},
    state::ReadState,
};

/// Requests to SQS that are made at once.
const AT_ONCE: usize = 10;

/// Requests that receive the messages of one round: up to 200 messages. An event has at most 256 KB, and the function 256 MB.
const RECEIVES: usize = 20;

/// The queue of what was not taken in, with what takes it.
#[derive(Debug)]
pub struct Undelivered<S> {
    queue: SqsQueue,
    /// Takes calls in. The queue's messages don't tell reliably for which function they were, so both take each of them. A fact that both
    /// write is the same one.
    calls: InvocationAuditor<S>,
}

impl<S: ReadState> Undelivered<S> {
    /// The queue of an account, whose calls this auditor takes in.
    #[must_use]
    pub fn new(queue: SqsQueue, calls: InvocationAuditor<S>) -> Self {
        Undelivered { queue, calls }
    }

    /// Takes messages in until the queue is empty or this time is reached, and returns how many it took. What it was doing at that time
    /// is done by a later run.
    pub async fn take_again<Q: Queue>(
        &self,
        changes: &ChangeAuditor<S, Q>,
        own: Option<&AccountRegion>,
        until: Instant,
    ) -> Result<u64, CallError> {
        let mut taken = 0;
        while Instant::now() < until {
            let Ok(round) = tokio::time::timeout_at(until.into(), self.round(changes, own)).await else { break };
            let Some(of_round) = round? else { break };
            taken += of_round;
        }
        Ok(taken)
    }

    /// One round; `None` if the queue is empty.
    async fn round<Q: Queue>(&self, changes: &ChangeAuditor<S, Q>, own: Option<&AccountRegion>) -> Result<Option<u64>, CallError> {
        let mut received: Vec<Received> = Vec::new();
        let receive = |_| {
            let queue = self.queue.clone();
            async move { queue.receive().await }
        };
        at_once(AT_ONCE, 0..RECEIVES, receive, |some: Vec<Received>| received.extend(some)).await?;
        if received.is_empty() {
            return Ok(None);
        }
        let event = |message: &Received| (message.id.clone(), event_in(&message.body).to_owned());
        let events: Vec<(String, String)> = received.iter().map(event).collect();
        let events = events.iter().filter(|(_, body)| !is_request(body));
        let messages: Vec<Message<'_>> = events.map(|(id, body)| Message { id, body }).collect();
        let mut failed: BTreeSet<String> = self.calls.take(own, &messages).await.failed.into_iter().collect();
        failed.extend(changes.take(own, &messages).await.failed);
        received.retain(|message| !failed.contains(&message.id));
        let delete = |some: Vec<Received>| {
            let queue = self.queue.clone();
            async move { queue.delete(&some).await }
        };
        let taken = received.len() as u64;
        let batches: Vec<Vec<Received>> = received.chunks(SqsQueue::BATCH).map(<[Received]>::to_vec).collect();
        // A message that isn't deleted is received once more, and writes the same facts.
        let deleted = at_once(AT_ONCE, batches, delete, |()| {}).await;
        let _ = deleted.inspect_err(|error| warn("messages that were taken in could not be deleted", error));
        Ok(Some(taken))
    }
}

/// The event in a message: EventBridge leaves the event itself, and Lambda a record of the invocation that failed, around the event.
fn event_in(body: &str) -> &str {
    #[derive(Deserialize)]
    struct Failed<'a> {
        #[serde(borrow, rename = "requestPayload")]
        event: &'a RawValue,
    }
    serde_json::from_str::<Failed<'_>>(body).map_or(body, |failed| failed.event.get())
}

/// Whether this is a request of the schedule, which comes again by itself.
fn is_request(event: &str) -> bool {
    serde_json::from_str::<Request>(event).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_found_in_what_lambda_and_event_bridge_leave() {
        let event = r#"{"detail": {"eventName":  "Converse"}}"#;
        let failed = format!(r#"{{"version": "1.0", "requestContext": {{"condition": "RetriesExhausted"}}, "requestPayload": {event}}}"#);
        for (body, expected) in [(event, event), (&failed, event), ("nonsense", "nonsense")] {
            assert_eq!(event_in(body), expected);
        }
        assert!(is_request(r#"{"kind": "heartbeat"}"#) && !is_request(event) && !is_request("nonsense"));
    }
}
