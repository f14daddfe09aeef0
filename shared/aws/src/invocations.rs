//! `audit-invocations`: takes the calls and evaluations of an account and Region, judges them by the state that it reads there, and writes
//! them as facts.

use std::{collections::BTreeSet, sync::Arc};

use audit_core::{
    auditor::{self, AuditOptions, Selection},
    change::{Change, ChangeKey},
    cloudtrail::{Item, Principal, Record, wanted::Wanted},
    config::Configuration,
    facts::{
        Collector, EvidenceRows, Taken,
        packed::{EventIds, Packet},
    },
    verdict::Invocations,
    world::World,
};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsMessage};

use crate::{
    aws::Aws,
    clock::Clock,
    connections, dead_letters,
    delivery::Delivery,
    error::{self, BoxError},
    fact::{ChangeFact, Content, Fact, HeartbeatFact},
    lambda::{Handler, Invocation},
    metrics::{Flow, Metrics},
    observations::Observations,
    partition::{AccountRegion, Partition, Source},
    settings::Environment,
    state::{AwsState, ReadState},
    world::OwnWorld,
};

/// The model of the heartbeat's call. It doesn't exist; IAM refuses the call before Bedrock looks for it.
pub const HEARTBEAT_MODEL: &str = "guardrail-audit.heartbeat";

/// The name of the role that makes the heartbeat's call, unless the environment gives another.
pub const HEARTBEAT_ROLE: &str = "guardrail-audit-heartbeat";

/// Takes calls and evaluations in.
#[derive(Debug)]
pub struct InvocationAuditor<S> {
    wanted: Wanted,
    observations: Observations,
    world: OwnWorld<S>,
    heartbeat_role: String,
    metrics: Metrics,
    clock: Clock,
}

/// The result of a batch of messages.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The counts of records.
    pub flow: Flow,
    /// The ids of messages that have to be delivered again.
    pub failed: Vec<String>,
    /// Write capacity units that the facts took, where DynamoDB reports them.
    pub write_units: f64,
    /// The number of facts that were written.
    pub facts: u64,
}

/// A message of a queue.
#[derive(Clone, Copy, Debug)]
pub struct Message<'m> {
    /// Its id.
    pub id: &'m str,
    /// Its body.
    pub body: &'m str,
}

impl<'m> Message<'m> {
    /// From a message as Lambda delivers it.
    #[must_use]
    pub fn of(message: &'m SqsMessage) -> Self {
        Message { id: message.message_id.as_deref().unwrap_or_default(), body: message.body.as_deref().unwrap_or_default() }
    }
}

impl InvocationAuditor<AwsState> {
    /// Makes the function from its environment variables.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let region = environment.region()?;
        let hub_region = environment.optional("HUB_REGION").unwrap_or_else(|| region.clone());
        let table = environment.required("OBSERVATIONS_TABLE")?;
        let ttl_days = environment.facts_ttl_days()?;
        let metrics =
            Metrics::new(environment.parsed("METRICS_NAMESPACE", "GuardrailAudit".to_owned())?, "audit-invocations", Clock::System);
        let aws = Aws::from_environment().await;
        let hub = aws.in_region(&hub_region);
        connections::open_to_dynamodb(&hub).await;
        let observations = Observations::new(Arc::new(hub), table, ttl_days);
        let heartbeat_role = environment.parsed("HEARTBEAT_ROLE_NAME", HEARTBEAT_ROLE.to_owned())?;
        Ok(Self::new(observations, AwsState(Arc::new(aws)), metrics, Clock::System).with_heartbeats_of(heartbeat_role))
    }
}

impl<S: ReadState> InvocationAuditor<S> {
    /// An auditor that judges by what `state` answers.
    pub fn new(observations: Observations, state: S, metrics: Metrics, clock: Clock) -> Self {
        InvocationAuditor {
            wanted: auditor::wanted(),
            observations,
            world: OwnWorld::new(state, clock),
            heartbeat_role: HEARTBEAT_ROLE.to_owned(),
            metrics,
            clock,
        }
    }

    /// Takes refused calls of the role with this name as heartbeats.
    #[must_use]
    pub fn with_heartbeats_of(self, heartbeat_role: String) -> Self {
        InvocationAuditor { heartbeat_role, ..self }
    }

    /// Takes a batch in. A message that can't be parsed fails alone. A fact that can't be written fails all messages of its account and
    /// Region; writing their other facts again changes nothing. Calls are judged only for `own`, the account and Region of the function: an
    /// account that forwards its events here has a state of its own, by which the hub judges.
    pub async fn take(&self, own: Option<&AccountRegion>, messages: &[Message<'_>]) -> Outcome {
        let mut outcome = Outcome { flow: Flow { taken_in: messages.len() as u64, ..Flow::default() }, ..Outcome::default() };
        let mut collector = Collector::new(&self.wanted);
        let mut facts: Vec<Fact> = Vec::new();
        for message in messages {
            // The heartbeat is counted as a refused call as well.
            facts.extend(self.heartbeat(message.body));
            match collector.value(message.body.as_bytes()) {
                Taken::Judged => outcome.flow.judged += 1,
                Taken::Ignored(_) => outcome.flow.ignored += 1,
                Taken::Unreadable(error) => {
                    outcome.flow.unreadable += 1;
                    tracing::warn!(message_id = message.id, error = crate::error::chain(&error), "unreadable message");
                    outcome.failed.push(message.id.to_owned());
                }
            }
        }
        facts.extend(self.facts_of(&collector.into_facts(), own).await);
        let mut lost: BTreeSet<AccountRegion> = BTreeSet::new();
        for fact in &facts {
            match self.observations.put(fact).await {
                Ok(units) => {
                    outcome.write_units += units;
                    outcome.facts += 1;
                }
                Err(error) => {
                    error::warn("a fact could not be written", &error);
                    lost.insert(fact.partition.account_region.clone());
                }
            }
        }
        if !lost.is_empty() {
            let of_lost = messages
                .iter()
                .filter(|message| account_region_of(message.body).is_some_and(|account_region| lost.contains(&account_region)));
            outcome.failed.extend(of_lost.map(|message| message.id.to_owned()));
        }
        outcome
    }

    /// The facts to write. Those of `own` carry the verdicts of this auditor; others carry none.
    async fn facts_of(&self, facts: &EvidenceRows, own: Option<&AccountRegion>) -> Vec<Fact> {
        let mut reported = changes_in(facts, Source::Account);
        for packet in facts.pack(EventIds::All, &Invocations::default()) {
            let account_region = AccountRegion::new(packet.account.as_str(), packet.region.as_str());
            let packets =
                if own == Some(&account_region) { self.judged(&packet, self.world.of(&account_region).await) } else { vec![packet] };
            reported.extend(packets.into_iter().map(|packet| {
                let partition = Partition { source: Source::Account, account_region: account_region.clone(), hour: packet.hour };
                Fact { partition, content: Content::Calls(packet.bytes) }
            }));
        }
        reported
    }

    /// A packet with the verdicts of its calls. If no call gives a finding, only the first and last event ids are kept.
    fn judged(&self, packet: &Packet, world: World) -> Vec<Packet> {
        let mut facts = EvidenceRows::default();
        if facts.unpack(&packet.account, &packet.region, packet.hour, &packet.bytes, false).is_err() {
            return vec![packet.clone()];
        }
        let (configuration, selection) = (Configuration::default(), Selection::default());
        let options = AuditOptions { configuration: &configuration, selection: &selection, now: self.clock.now(), threads: 1 };
        let audit = auditor::audit(facts.clone(), world, &options);
        let event_ids = if audit.findings.is_empty() { EventIds::FirstAndLast } else { EventIds::All };
        facts.pack(event_ids, &audit.invocations)
    }

    /// The heartbeat in a message, if it is one by this auditor's role.
    fn heartbeat(&self, body: &str) -> Option<Fact> {
        if !body.contains(HEARTBEAT_MODEL) {
            return None;
        }
        heartbeat_in(body, &self.heartbeat_role)
    }
}

/// The heartbeat in a message: a refused call of the heartbeat's model by this role.
#[must_use]
pub fn heartbeat_in(body: &str, role: &str) -> Option<Fact> {
    Item::parse(body.as_bytes(), |item| {
        let Ok(Item::Record(record)) = item else { return None };
        let Principal { entity, session } = record.user_identity.0.principal();
        let by_its_role = entity.rsplit('/').next() == Some(role);
        let model = record.parameters::<serde_json::Value>();
        let of_its_model = model.get("modelId").and_then(serde_json::Value::as_str) == Some(HEARTBEAT_MODEL);
        if !by_its_role || !of_its_model || record.error_code.get().is_none() {
            return None;
        }
        let time = record.time()?;
        let dead_letters = dead_letters::of_session(session.as_deref().unwrap_or_default());
        let heartbeat = HeartbeatFact { time, event_id: record.event_id.or_empty().to_owned(), dead_letters };
        Some(Fact::new(Source::Account, account_region_of_record(&record), Some(time), Content::Heartbeat(heartbeat)))
    })
}

/// The changes among collected evidence, each as a fact of its own.
pub(crate) fn changes_in(facts: &EvidenceRows, source: Source) -> Vec<Fact> {
    let fact = |(key, change): (ChangeKey, Change)| {
        let account_region = AccountRegion::new(change.account.as_str(), change.region.as_str());
        let change_fact = ChangeFact::fitting(key.time, key.event_id, change);
        Fact::new(source, account_region, Some(key.time), Content::Change(change_fact))
    };
    facts.changes().into_iter().map(fact).collect()
}

fn account_region_of(body: &str) -> Option<AccountRegion> {
    Item::parse(body.as_bytes(), |item| match item {
        Ok(Item::Record(record)) => Some(account_region_of_record(&record)),
        _ => None,
    })
}

fn account_region_of_record(record: &Record<'_>) -> AccountRegion {
    AccountRegion::new(record.account_id(), record.region_code())
}

impl<S: ReadState> Handler<Delivery, SqsBatchResponse> for InvocationAuditor<S> {
    async fn handle(&self, delivery: Delivery, invocation: Invocation<'_>) -> Result<SqsBatchResponse, BoxError> {
        let outcome = self.take(AccountRegion::of_function(invocation.function_arn).as_ref(), &delivery.messages()).await;
        self.metrics.flow(outcome.flow);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some write units")]
        self.metrics.emit(&[
            ("facts", outcome.facts),
            ("write_units", outcome.write_units as u64),
            ("failed", outcome.failed.len() as u64),
        ]);
        delivery.answer(&outcome)
    }
}
