//! The number of events, invocations and requests of an installation, and how long functions work on each. Figures that tests count at the engine come from
//! [`Units`]; a figure that no engine shows is an assumption, which stands here with its reason.

use super::{
    prices::{
        ALARM, FORWARDED_EVENT, KEY, KEY_REQUEST, LAMBDA_GB_SECOND, LAMBDA_REQUEST, LOG_GB, MANAGEMENT_COPY, METRIC, SQS_FIFO_REQUEST,
        SQS_REQUEST, TABLE_GB, WRITE_UNIT,
    },
    units::{Thing, Units},
};
use crate::command::root;

/// Minutes of a month.
const MONTH: f64 = 43_800.0;
/// Days of a month.
const DAYS: f64 = MONTH / 1_440.0;

/// The seconds that an invocation takes, and the memory of its function in GB (`template.yaml`, `member.yaml`). The seconds are what functions
/// are billed for in Lambda, where a small one has a part of a core and waits for DynamoDB: rounded up from measurements in the tests.
#[derive(Clone, Copy)]
struct Invocation(f64, f64);

const BEAT: Invocation = Invocation(0.4, 0.25);
const TAKE: Invocation = Invocation(0.1, 0.25);
const TAKE_BATCH: Invocation = Invocation(0.1, 0.5);
const ROUTE: Invocation = Invocation(0.1, 0.5);
const FOLD: Invocation = Invocation(0.25, 1.0);
const LOOK: Invocation = Invocation(3.0, 0.5);
const ALERT: Invocation = Invocation(0.1, 0.25);

/// Bytes that an invocation writes to its log: Lambda's lines about begin, end and report, and a line of counts.
const LOG_BYTES: f64 = 700.0;

/// Requests of a month to a queue that is empty: five pollers that ask every 20 seconds.
const POLLS: f64 = 5.0 * 3.0 * MONTH;

/// Messages that Lambda receives and deletes with one request.
const RECEIVED: f64 = 10.0;

/// Seconds for which `audit-invocations` waits for a batch (`member.yaml`).
const WINDOW: f64 = 20.0;

/// Seconds for which `route-observations` waits for facts (`template.yaml`). All of an account that come in this time are judged together.
const GATHERED: f64 = 30.0;

/// Metrics that the hub's functions write.
const METRICS: f64 = 30.0;

/// How events reach a member's functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// EventBridge invokes them.
    Direct,
    /// By a queue of calls that is polled; changes directly.
    Queued,
    /// By the hub's bus.
    Forwarded,
}

impl Delivery {
    /// The invocation that takes calls in.
    fn taking(self) -> Invocation {
        if self == Delivery::Direct { TAKE } else { TAKE_BATCH }
    }
}

/// An installation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Installation {
    pub(super) accounts: f64,
    pub(super) regions: f64,
    pub(super) delivery: Delivery,
    pub(super) heartbeat_minutes: f64,
    pub(super) look_minutes: f64,
    /// Days for which it has been running.
    pub(super) days: f64,
}

/// A part of what something costs, in US dollars.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) name: &'static str,
    pub(super) usd: f64,
}

fn term(name: &'static str, usd: f64) -> Term {
    Term { name, usd }
}

impl Invocation {
    fn usd(self) -> f64 {
        LAMBDA_REQUEST.times(1.0) + LAMBDA_GB_SECOND.times(self.0 * self.1) + LOG_GB.times(LOG_BYTES / 1e9)
    }
}

/// What it costs to judge something: a message of the FIFO queue, which is sent, received and deleted, an invocation, and what it reads and
/// writes.
fn judged(thing: &Thing, days: f64) -> f64 {
    if thing.is_judged() { SQS_FIFO_REQUEST.times(3.0) + FOLD.usd() + thing.judged_usd(days) } else { 0.0 }
}

/// The alarms of the template: those that are always there, those of an organization.
fn alarms() -> anyhow::Result<(f64, f64)> {
    let template = std::fs::read_to_string(root().join("template.yaml"))?;
    let (mut always, mut organization) = (0.0, 0.0);
    for resource in template.split("\n\n") {
        if resource.contains("Type: AWS::CloudWatch::Alarm") && !resource.contains("Condition: ImportsFindings") {
            *if resource.contains("Condition: InOrganization") { &mut organization } else { &mut always } += 1.0;
        }
    }
    Ok((always, organization))
}

impl Installation {
    fn places(&self) -> f64 {
        self.accounts * self.regions
    }

    /// What it costs a month while nobody calls a model and nobody changes anything.
    pub(super) fn idle(&self, units: &Units) -> anyhow::Result<Vec<Term>> {
        let (places, is_alone) = (self.places(), self.accounts <= 1.0);
        let (always, organization) = alarms()?;
        let hub_queues = if is_alone { 3.0 } else { 4.0 };
        let beats = if self.heartbeat_minutes > 0.0 { places * MONTH / self.heartbeat_minutes } else { 0.0 };
        let looks = places * MONTH / self.look_minutes;
        let (beat, look) = (units.of("heartbeat")?, units.of("look")?);
        let members = places - 1.0;
        let delivered = match self.delivery {
            Delivery::Direct | Delivery::Forwarded => 0.0,
            Delivery::Queued => members * SQS_REQUEST.times(POLLS),
        };
        // The heartbeat's invocation, which asks what was not delivered, and the one that takes its event. An empty queue is polled anyway.
        let beaten = beats * (BEAT.usd() + SQS_REQUEST.times(1.0) + self.delivery.taking().usd());
        let forwarded = if self.delivery == Delivery::Forwarded { FORWARDED_EVENT.times(beats) } else { 0.0 };
        let written = beats * beat.report.usd();
        // A key is asked for again after five minutes, by each that writes.
        let key = KEY_REQUEST.times(beats.min(places * MONTH / 5.0) + 12.0 * 24.0 * DAYS * 4.0);
        let routed = (beats + if look.report.writes > 0.0 { looks } else { 0.0 }) * ROUTE.usd() / routed_at_once(beats + looks);
        let looked = looks * (LOOK.usd() + SQS_REQUEST.times(2.2));
        let bytes = beats * beat.report.write_bytes + looks * look.report.write_bytes;
        Ok(vec![
            term(
                "the hub: key, alarms, metrics",
                KEY.usd + ALARM.times(always + if is_alone { 0.0 } else { organization }) + METRIC.times(METRICS),
            ),
            term("the hub: polling of its empty queues", hub_queues * SQS_REQUEST.times(POLLS)),
            term("members: polling of their empty queues", delivered),
            term("heartbeats: invocations and logs", beaten + forwarded),
            term("heartbeats: their facts", written),
            term("heartbeats: judging", beats * judged(&beat, self.days)),
            term("looks: invocations, logs and queue", looked),
            term("looks: requests to S3 and DynamoDB", looks * look.report.usd()),
            term("looks: judging", looks * judged(&look, self.days)),
            term("routing", routed),
            term("requests to the key", key),
            term("storage of these facts", TABLE_GB.times(bytes / DAYS * self.days.min(400.0) / 1e9)),
        ])
    }

    /// What the copies in a second trail cost: heartbeats, and the requests of looks.
    pub(super) fn copies(&self, units: &Units) -> anyhow::Result<f64> {
        let beats = self.places() * MONTH / self.heartbeat_minutes;
        let looks = self.places() * MONTH / self.look_minutes;
        // Each also assumes a role; the heartbeat is the call itself.
        Ok(MANAGEMENT_COPY.times(beats * 2.0 + looks * (units.of("look")?.requests + 1.0)))
    }
}

/// Instances of `fold-findings` at most (`template.yaml`).
const FOLDS_AT_ONCE: f64 = 20.0;

/// How busy the hub's functions are with accounts in which nothing happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Heartbeats and looks an hour.
    pub(super) an_hour: f64,
    /// Instances of `fold-findings` and `reconcile` that are busy all the time.
    pub(super) folds: f64,
    pub(super) looks: f64,
    /// Seconds until all accounts are judged once more.
    pub(super) all_again: f64,
}

impl Installation {
    pub(super) fn load(&self) -> Load {
        let (beats, looks) = (self.places() * 60.0 / self.heartbeat_minutes, self.places() * 60.0 / self.look_minutes);
        Load {
            an_hour: beats + looks,
            folds: (beats + looks) / 3_600.0 * FOLD.0,
            looks: looks / 3_600.0 * LOOK.0,
            all_again: self.accounts * FOLD.0 / FOLDS_AT_ONCE.min(self.accounts),
        }
    }
}

/// Facts that the router takes at once, of all accounts. Ten batches of a shard are taken side by side.
fn routed_at_once(facts_a_month: f64) -> f64 {
    (facts_a_month / (MONTH * 60.0 / GATHERED)).clamp(1.0, 500.0)
}

/// Calls of one account and Region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calls {
    /// `compliant` or `violating`.
    pub(super) kind: &'static str,
    /// Calls a day.
    pub(super) a_day: f64,
    pub(super) delivery: Delivery,
    pub(super) days: f64,
}

impl Calls {
    /// What a million of them costs, beside CloudTrail's own price of data events.
    pub(super) fn a_million(&self, units: &Units) -> anyhow::Result<Vec<Term>> {
        const MILLION: f64 = 1e6;
        // Where nothing gathers events, each is a batch; the router still gathers what its window brings.
        let in_window = (self.a_day / 86_400.0 * WINDOW).clamp(1.0, 2_000.0);
        let batch = if self.delivery == Delivery::Direct { 1.0 } else { in_window };
        let counted = [1.0, 8.0, 500.0].into_iter().rfind(|counted| *counted <= batch).unwrap_or(1.0);
        let thing = units.of(&format!("{} {counted}", self.kind))?;
        let batches = MILLION / batch;
        // Facts of a batch grow with its calls.
        let report = thing.report.usd() * (batch / thing.records).max(1.0);
        let routed = (self.a_day / batch / 86_400.0 * GATHERED).clamp(1.0, 500.0);
        // One account is judged at a time: while it is, messages come together.
        let folds = batches / (self.a_day / batch / 86_400.0 * (GATHERED + FOLD.0)).max(1.0);
        let queue = if self.delivery == Delivery::Direct { 0.0 } else { SQS_REQUEST.times(MILLION * (1.0 + 2.0 / RECEIVED)) };
        let forwarded = if self.delivery == Delivery::Forwarded { FORWARDED_EVENT.times(MILLION) } else { 0.0 };
        let alerts =
            if self.kind == "violating" { folds * (ALERT.usd() + FORWARDED_EVENT.times(1.0) + WRITE_UNIT.times(2.0)) } else { 0.0 };
        Ok(vec![
            term("events: queue or bus", queue + forwarded),
            term("judging in the account", batches * self.delivery.taking().usd()),
            term("facts", batches * report),
            term("routing", batches / routed * ROUTE.usd()),
            term("folds", folds * judged(&thing, self.days)),
            term("events of findings, and alerts", alerts),
        ])
    }
}

/// The sum of terms.
pub(super) fn sum(terms: &[Term]) -> f64 {
    terms.iter().map(|term| term.usd).sum()
}
