//! How the hub is doing: what waits in its queues, which accounts aren't judged, and what can't be seen.
//!
//! SQS tells how much waits and not for how long: the alarms `guardrail-audit-late-…` watch the age.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::timestamp::Timestamp;
use aws_sdk_sqs::types::QueueAttributeName;
use serde::Serialize;

use super::{AT_ONCE, Hub};
use crate::{
    at_once::at_once,
    aws::Aws,
    error::{CallError, ErrorKind, chain, failed},
    findings::Quarantine,
};

/// A queue that the templates make in the hub's account.
#[derive(Clone, Copy, Debug)]
pub struct QueueOfHub {
    /// Its name.
    pub name: &'static str,
    /// Whether it holds what was given up, so that anything in it is wrong.
    pub is_dead: bool,
    /// Whether every hub has it. The others exist with an organization, whose members forward events, where calls are delivered in batches,
    /// or where findings are imported into Security Hub.
    pub is_everywhere: bool,
}

const fn queue(name: &'static str, is_dead: bool, is_everywhere: bool) -> QueueOfHub {
    QueueOfHub { name, is_dead, is_everywhere }
}

/// The queues of `template.yaml` and of the copies of `member.yaml` in it, in the order of an event's way.
pub const QUEUES: &[QueueOfHub] = &[
    queue("guardrail-audit-calls", false, false),
    queue("guardrail-audit-forwarded-calls", false, false),
    queue("guardrail-audit-trail", false, true),
    queue("guardrail-audit-reconcile", false, true),
    queue("guardrail-audit-folds.fifo", false, true),
    queue("guardrail-audit-undelivered", true, true),
    queue("guardrail-audit-forwarded-undelivered", true, false),
    queue("guardrail-audit-trail-dead", true, true),
    queue("guardrail-audit-reconcile-dead", true, true),
    queue("guardrail-audit-facts-dead", true, true),
    queue("guardrail-audit-folds-dead.fifo", true, true),
    queue("guardrail-audit-alerts-dead", true, true),
    queue("guardrail-audit-imports-dead", true, false),
];

/// The state of the hub's queues, accounts and readings at one time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// The queues, in the order of an event's way.
    pub queues: Vec<Depth>,
    /// Accounts of which anything was ever reported.
    pub accounts: usize,
    /// Their Regions.
    pub account_regions: usize,
    /// Accounts with facts that aren't judged yet.
    pub behind: Vec<Behind>,
    /// Accounts that can't be judged.
    pub quarantined: Vec<Quarantined>,
    /// The time of the latest event in any account; `None` if there was none.
    pub last_heard: Option<Timestamp>,
    /// The number of accounts and Regions in which a kind of evidence is missing.
    pub blind: BTreeMap<&'static str, u64>,
    /// What could not be looked at, and why.
    pub unread: Vec<String>,
}

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

/// An account with facts that aren't judged yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Behind {
    /// The account.
    pub account: String,
    /// Batches of the stream that brought something since it was judged.
    pub batches: u64,
    /// Folds that began since one ended well.
    pub attempts: u64,
}

/// An account that can't be judged.
#[derive(Clone, Debug, Serialize)]
pub struct Quarantined {
    /// The account.
    pub account: String,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub problem: String,
    /// When it is tried next.
    pub retry_at: Timestamp,
}

impl Status {
    /// Whether something waits for a person: dead letters, or accounts that can't be judged.
    #[must_use]
    pub fn needs_hands(&self) -> bool {
        !self.quarantined.is_empty() || self.queues.iter().any(|depth| depth.is_dead && depth.waiting + depth.in_flight > 0)
    }
}

impl Hub {
    /// Reads the state of the hub. A queue or an item that can't be read is named in it.
    pub async fn status(&self) -> Result<Status, CallError> {
        let account_regions = self.account_regions().await?;
        let accounts: BTreeSet<String> = account_regions.iter().map(|of| of.account.clone()).collect();
        let mut status = Status { accounts: accounts.len(), account_regions: account_regions.len(), ..Status::default() };
        let blind = self.blind(accounts.clone()).await?;
        for row in blind.read {
            *status.blind.entry(row.missing.as_str()).or_default() += 1;
        }
        status.unread.extend(blind.unreadable.into_iter().map(|item| format!("{}: {}", item.file, item.reason)));
        let index = |account: String| {
            let findings = self.findings.clone();
            async move { findings.index(&account).await.map(|index| (account, index)) }
        };
        at_once(AT_ONCE, accounts, index, |(account, index)| {
            let batches = index.version.saturating_sub(index.folded);
            if batches > 0 {
                status.behind.push(Behind { account, batches, attempts: index.attempts });
            }
        })
        .await?;
        status.behind.sort_unstable();
        let quarantined = |(account, quarantine): (_, Quarantine)| Quarantined {
            account,
            since: quarantine.since,
            problem: quarantine.problem,
            retry_at: quarantine.retry_at,
        };
        status.quarantined = self.findings.quarantined().await?.into_iter().map(quarantined).collect();
        status.last_heard = self.findings.latest_time().await?;
        for queue in QUEUES {
            match depth(&self.aws, queue).await {
                Ok(depth) => status.queues.push(depth),
                Err(error) if error.is_not_found() && !queue.is_everywhere => {}
                Err(error) => status.unread.push(format!("{}: {}", queue.name, chain(&error))),
            }
        }
        Ok(status)
    }
}

async fn depth(aws: &Aws, queue: &QueueOfHub) -> Result<Depth, CallError> {
    let url = aws.sqs().get_queue_url().queue_name(queue.name).send().await.map_err(failed("find the queue"))?;
    let (waiting, in_flight, delayed) = (
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    );
    let request = aws.sqs().get_queue_attributes().set_queue_url(url.queue_url);
    let request = request.attribute_names(waiting.clone()).attribute_names(in_flight.clone()).attribute_names(delayed.clone());
    let answer = request.send().await.map_err(failed("ask the queue"))?;
    let attributes = answer.attributes.unwrap_or_default();
    let count = |name: &QueueAttributeName| {
        let count = attributes.get(name).and_then(|count| count.parse::<u64>().ok());
        count.ok_or_else(|| CallError::new("ask the queue", ErrorKind::Refused, format!("the answer has no {}", name.as_str())))
    };
    Ok(Depth { queue: queue.name, is_dead: queue.is_dead, waiting: count(&waiting)? + count(&delayed)?, in_flight: count(&in_flight)? })
}
