//! The queues that the templates make in the hub's account, and how much is in them.

use aws_sdk_sqs::types::QueueAttributeName;
use serde::Serialize;

use super::Hub;
use crate::error::{CallError, ErrorKind, failed};

/// A queue that the templates make in the hub's account.
#[derive(Clone, Copy, Debug)]
pub struct QueueOfHub {
    /// Its name.
    pub name: &'static str,
    /// What becomes of its messages.
    kind: Kind,
    /// Whether every hub has it. The others exist with an organization, whose members forward events, where calls are delivered in batches,
    /// or where findings are imported into Security Hub.
    pub is_everywhere: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// They are taken.
    Live,
    /// It holds what was given up, so that anything in it is wrong.
    Dead(Back),
}

/// How what was given up is taken up again.
#[derive(Clone, Copy, Debug)]
pub enum Back {
    /// Its messages go back to this queue.
    To(&'static str),
    /// The queue has no queue to go back to: this says, for people, what takes in its messages instead.
    By(&'static str),
}

impl Back {
    pub(super) fn in_words(&self) -> &'static str {
        match self {
            Back::To(queue) => queue,
            Back::By(how) => how,
        }
    }
}

impl QueueOfHub {
    /// Whether it holds what was given up.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.back().is_some()
    }

    /// How what it holds is taken up again, if it holds what was given up.
    #[must_use]
    pub fn back(&self) -> Option<&Back> {
        match &self.kind {
            Kind::Live => None,
            Kind::Dead(back) => Some(back),
        }
    }
}

const fn live(name: &'static str, is_everywhere: bool) -> QueueOfHub {
    QueueOfHub { name, kind: Kind::Live, is_everywhere }
}

const fn dead(name: &'static str, back: Back, is_everywhere: bool) -> QueueOfHub {
    QueueOfHub { name, kind: Kind::Dead(back), is_everywhere }
}

/// What becomes of events of calls and changes that could not be delivered or taken in.
const TAKEN_IN_AGAIN: Back = Back::By("nowhere: the next heartbeat takes them in again");

/// The queues of `template.yaml` and of the copies of `member.yaml` in it, in the order of an event's way.
pub const QUEUES: &[QueueOfHub] = &[
    live("guardrail-audit-calls", false),
    live("guardrail-audit-forwarded-calls", false),
    live("guardrail-audit-trail", true),
    live("guardrail-audit-reconcile", true),
    live("guardrail-audit-folds.fifo", true),
    dead("guardrail-audit-undelivered", TAKEN_IN_AGAIN, true),
    dead("guardrail-audit-forwarded-undelivered", TAKEN_IN_AGAIN, false),
    dead("guardrail-audit-trail-dead", Back::To("guardrail-audit-trail"), true),
    dead("guardrail-audit-reconcile-dead", Back::To("guardrail-audit-reconcile"), true),
    dead("guardrail-audit-facts-dead", Back::By("nowhere: `hub repair` finds these facts; then purge it"), true),
    dead("guardrail-audit-folds-dead.fifo", Back::To("guardrail-audit-folds.fifo"), true),
    dead("guardrail-audit-alerts-dead", Back::By("nowhere: `hub tell-again` sends these alerts; then purge it"), true),
    dead("guardrail-audit-imports-dead", Back::By("nowhere: the next run of import-findings imports these; purge it"), false),
];

/// How much is in a queue, approximately, as SQS says.
#[derive(Clone, Debug, Serialize)]
pub struct Depth {
    /// The queue's name.
    pub queue: &'static str,
    /// Whether it holds what was given up.
    pub is_dead: bool,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that are being handled, or wait to be tried again.
    pub in_flight: u64,
}

impl Hub {
    pub(super) async fn queue_url(&self, name: &str) -> Result<String, CallError> {
        let answer = self.aws.sqs().get_queue_url().queue_name(name).send().await.map_err(failed("find the queue"))?;
        answer.queue_url.ok_or_else(|| CallError::new("find the queue", ErrorKind::Refused, "the answer has no URL"))
    }

    pub(super) async fn depth(&self, queue: &QueueOfHub) -> Result<Depth, CallError> {
        let (waiting, in_flight, delayed) = (
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        );
        let request = self.aws.sqs().get_queue_attributes().queue_url(self.queue_url(queue.name).await?);
        let request = request.attribute_names(waiting.clone()).attribute_names(in_flight.clone()).attribute_names(delayed.clone());
        let answer = request.send().await.map_err(failed("ask the queue"))?;
        let attributes = answer.attributes.unwrap_or_default();
        let count = |name: &QueueAttributeName| {
            let count = attributes.get(name).and_then(|count| count.parse::<u64>().ok());
            count.ok_or_else(|| CallError::new("ask the queue", ErrorKind::Refused, format!("the answer has no {}", name.as_str())))
        };
        let (waiting, in_flight) = (count(&waiting)? + count(&delayed)?, count(&in_flight)?);
        Ok(Depth { queue: queue.name, is_dead: queue.is_dead(), waiting, in_flight })
    }
}
