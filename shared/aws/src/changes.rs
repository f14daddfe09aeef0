//! `audit-changes`: takes the control-plane events of an account and Region, reads the state that their records hide, and writes both as
//! facts. On a schedule it also makes the heartbeat's call, and takes in again what was not delivered.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use audit_core::{
    auditor,
    change::{Change, WorldChange},
    cloudtrail::wanted::Wanted,
    facts::{Collector, Taken},
    timestamp::Timestamp,
};
use aws_lambda_events::sqs::SqsBatchResponse;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json, value::RawValue};

use crate::{
    aws::Aws,
    clock::Clock,
    connections,
    dead_letters::{self, DeadLetters},
    delivery::Delivery,
    error::{self, BoxError, CallError, ErrorKind, failed},
    fact::{Content, Fact, STATE, StateFact},
    invocations::{HEARTBEAT_MODEL, HEARTBEAT_ROLE, InvocationAuditor, Message, Outcome, changes_in},
    lambda::{Handler, Invocation},
    metrics::{Flow, Metrics},
    observations::Observations,
    partition::{AccountRegion, Source},
    queue::{Queue, SqsQueue},
    reconcile::Task,
    settings::Environment,
    state::{AwsState, Question, ReadState},
    undelivered::Undelivered,
};

/// Takes control-plane events in.
#[derive(Debug)]
pub struct ChangeAuditor<S, Q> {
    wanted: Wanted,
    observations: Observations,
    state: S,
    /// The hub's queue of reconcile tasks, in the management account only: a change of the organization concerns every account.
    reconcile: Option<Q>,
    heartbeat: Option<Heartbeat>,
    undelivered: Option<Undelivered<S>>,
    wait: Duration,
    metrics: Metrics,
    clock: Clock,
}

/// Makes the heartbeat's call, which IAM refuses.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    aws: Arc<Aws>,
    role: String,
    region: String,
    /// URLs of the account's dead-letter queues, by short names.
    dead_letter_queues: BTreeMap<String, String>,
}

impl Heartbeat {
    /// A heartbeat with a role of this name in this Region, which reports how many messages lie in these dead-letter queues.
    #[must_use]
    pub fn new(aws: Arc<Aws>, role: String, region: String, dead_letter_queues: BTreeMap<String, String>) -> Self {
        Heartbeat { aws, role, region, dead_letter_queues }
    }

    /// What lies in the account's dead-letter queues.
    pub async fn dead_letters(&self) -> DeadLetters {
        dead_letters::count(&self.aws, &self.dead_letter_queues).await
    }

    /// Assumes the heartbeat role of the function's own account and calls a model with it. Only a refusal is a success.
    pub async fn beat(&self, function_arn: &str, dead_letters: &DeadLetters) -> Result<(), CallError> {
        let parts: Vec<&str> = function_arn.split(':').collect();
        let (Some(partition), Some(account)) = (parts.get(1), parts.get(4)) else {
            return Err(CallError::new("beat", ErrorKind::Refused, "it isn't known in which account"));
        };
        let role = format!("arn:{partition}:iam::{account}:role/guardrail-audit/{}", self.role);
        let aws = self.aws.in_session(&role, &self.region, &dead_letters::session_name(dead_letters)).await;
        let message = aws_sdk_bedrockruntime::types::Message::builder()
            .role(aws_sdk_bedrockruntime::types::ConversationRole::User)
            .content(aws_sdk_bedrockruntime::types::ContentBlock::Text("heartbeat".to_owned()))
            .build()
            .map_err(|error| CallError::new("beat", ErrorKind::Refused, error))?;
        let call = aws.bedrock_runtime().converse().model_id(HEARTBEAT_MODEL).messages(message).send().await;
        match call.map_err(failed("beat")) {
            Err(error) if error.kind == ErrorKind::Denied => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(CallError::new("beat", ErrorKind::Refused, "the call was not refused: the role may do too much")),
        }
    }
}

/// Requests that a schedule sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// Take in again what was not delivered, and make the heartbeat's call.
    Heartbeat,
    /// Take in again what was not delivered.
    TakeAgain,
}

/// The event of the function.
#[derive(Debug)]
pub enum Input {
    /// A request.
    Request(Request),
    /// Control-plane events.
    Delivery(Delivery),
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let payload = Box::<RawValue>::deserialize(deserializer)?;
        Ok(serde_json::from_str(payload.get()).map_or_else(|_| Input::Delivery(payload.into()), Input::Request))
    }
}

/// Attempts to read a resource that is still being created or updated, before its message waits for the next delivery.
const READS: usize = 5;

/// Seconds after a change of the organization at which effective policies are read: Organizations takes a while to compute them.
const READ_AGAIN_AFTER: [u32; 4] = [0, 60, 300, 900];

/// Seconds by which `updatedAt` may be later than an event of the same change. A state that is younger belongs to a later event.
const SAME_EVENT_SECONDS: i64 = 30;

/// A resource whose state is read after its last change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Subject {
    account_region: AccountRegion,
    path: String,
    question: Question,
}

impl ChangeAuditor<AwsState, SqsQueue> {
    /// Makes the function from its environment variables.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let region = environment.region()?;
        let hub_region = environment.optional("HUB_REGION").unwrap_or_else(|| region.clone());
        let table = environment.required("OBSERVATIONS_TABLE")?;
        let ttl_days = environment.facts_ttl_days()?;
        let is_management = environment.flag("IS_MANAGEMENT_ACCOUNT")?;
        let queue_url = environment.optional("RECONCILE_QUEUE_URL");
        let role = environment.parsed("HEARTBEAT_ROLE_NAME", HEARTBEAT_ROLE.to_owned())?;
        let metrics = Metrics::new(environment.parsed("METRICS_NAMESPACE", "GuardrailAudit".to_owned())?, "audit-changes", Clock::System);
        let aws = Arc::new(Aws::from_environment().await);
        let hub = Arc::new(aws.in_region(&hub_region));
        connections::open_to_dynamodb(&hub).await;
        let reconcile = queue_url.filter(|_| is_management).map(|url| SqsQueue::new(Arc::clone(&hub), url));
        let observations = Observations::new(hub, table, ttl_days);
        let undelivered = environment.optional("UNDELIVERED_QUEUE_URL").map(|url| {
            let calls = InvocationAuditor::new(observations.clone(), AwsState(Arc::clone(&aws)), metrics.clone(), Clock::System);
            Undelivered::new(SqsQueue::new(Arc::clone(&aws), url), calls.with_heartbeats_of(role.clone()))
        });
        let queues = dead_letters::queues_in(&environment.list("DEAD_LETTER_QUEUES"));
        let heartbeat = Some(Heartbeat::new(Arc::clone(&aws), role, region, queues));
        let auditor = Self::new(observations, AwsState(aws), reconcile, metrics, Clock::System);
        Ok(ChangeAuditor { heartbeat, undelivered, ..auditor })
    }
}

impl<S: ReadState, Q: Queue> ChangeAuditor<S, Q> {
    /// An auditor that reads state through `state`.
    pub fn new(observations: Observations, state: S, reconcile: Option<Q>, metrics: Metrics, clock: Clock) -> Self {
        let wait = Duration::from_secs(2);
        ChangeAuditor {
            wanted: auditor::wanted(),
            observations,
            state,
            reconcile,
            heartbeat: None,
            undelivered: None,
            wait,
            metrics,
            clock,
        }
    }

    /// Sets the pause between attempts to read a resource that is still being changed.
    #[must_use]
    pub fn waiting(self, wait: Duration) -> Self {
        ChangeAuditor { wait, ..self }
    }

    /// Takes a batch in, and answers with the messages that failed. A state to which several events of the batch lead is read once. It is
    /// read only for `own`, the account and Region of the function: an account that forwards its events here has a state of its own, which
    /// the hub reads.
    pub async fn take(&self, own: Option<&AccountRegion>, messages: &[Message<'_>]) -> Outcome {
        let mut outcome = Outcome { flow: Flow { taken_in: messages.len() as u64, ..Flow::default() }, ..Outcome::default() };
        let mut subjects: BTreeMap<Subject, Vec<(Timestamp, String, &str)>> = BTreeMap::new();
        let mut failed: BTreeSet<&str> = BTreeSet::new();
        let mut organization: Vec<&str> = Vec::new();
        for message in messages {
            let mut collector = Collector::new(&self.wanted);
            match collector.value(message.body.as_bytes()) {
                Taken::Judged => outcome.flow.judged += 1,
                Taken::Ignored(_) => {
                    outcome.flow.ignored += 1;
                    continue;
                }
                Taken::Unreadable(error) => {
                    outcome.flow.unreadable += 1;
                    tracing::warn!(message_id = message.id, error = crate::error::chain(&error), "unreadable message");
                    failed.insert(message.id);
                    continue;
                }
            }
            let facts = collector.into_facts();
            for fact in changes_in(&facts, Source::Account) {
                if !self.put(&fact, &mut outcome).await {
                    failed.insert(message.id);
                }
                let Content::Change(change) = fact.content else { continue };
                if change.change.is_refused() {
                    continue;
                }
                if matches!(change.change.effect, Some(WorldChange::Organization(_))) {
                    organization.push(message.id);
                }
                for subject in subjects_of(&change.change).into_iter().filter(|subject| own == Some(&subject.account_region)) {
                    subjects.entry(subject).or_default().push((change.time, change.event_id.clone(), message.id));
                }
            }
        }
        for (subject, mut events) in subjects {
            events.sort();
            match self.state_after(&subject, &events).await {
                Ok(Some(fact)) => {
                    if !self.put(&fact, &mut outcome).await {
                        failed.extend(events.iter().map(|(.., id)| *id));
                    }
                }
                Ok(None) => {}
                Err(error) if error.kind == ErrorKind::Retryable => {
                    error::warn("state could not be read yet", &error);
                    failed.extend(events.iter().map(|(.., id)| *id));
                }
                // The hub reads the state that this function isn't allowed to read.
                Err(error) => error::warn("state can't be read", &error),
            }
        }
        if !organization.is_empty()
            && let Err(error) = self.read_organization_again().await
        {
            error::warn("the task to read the organization could not be sent", &error);
            failed.extend(organization);
        }
        outcome.failed = failed.into_iter().map(str::to_owned).collect();
        outcome
    }

    async fn put(&self, fact: &Fact, outcome: &mut Outcome) -> bool {
        match self.observations.put(fact).await {
            Ok(units) => {
                outcome.write_units += units;
                outcome.facts += 1;
                true
            }
            // A change that is too large for an item is left out, and the warning is in the log; the hub reads the resulting state itself.
            Err(error) if error.kind == ErrorKind::Refused => {
                error::warn("a fact can't be written", &error);
                true
            }
            Err(error) => {
                error::warn("a fact could not be written", &error);
                false
            }
        }
    }

    /// The state of a resource after the last of these events, as soon as AWS reports that it is no longer being changed.
    async fn state_after(&self, subject: &Subject, events: &[(Timestamp, String, &str)]) -> Result<Option<Fact>, CallError> {
        let Some((last, ..)) = events.last() else { return Ok(None) };
        let mut json = Vec::new();
        for read in 0..READS {
            json = self.state.read(&subject.question).await?;
            if !is_being_changed(&json) {
                break;
            }
            if read + 1 == READS {
                return Err(CallError::new(format!("read {}", subject.path), ErrorKind::Retryable, "it is still being changed"));
            }
            tokio::time::sleep(self.wait).await;
        }
        if json.len() > STATE {
            return Ok(None);
        }
        // A state that was updated after the last known event belongs to an event that is still on its way.
        let changed_at = updated_at(&json).filter(|at| *at > last.plus_seconds(SAME_EVENT_SECONDS));
        let since = changed_at.unwrap_or(*last);
        let state = StateFact {
            path: subject.path.clone(),
            since,
            read_at: self.clock.now(),
            json: String::from_utf8_lossy(&json).into_owned(),
            events: events.iter().map(|(_, id, _)| id.clone()).collect(),
        };
        Ok(Some(Fact::new(Source::Account, subject.account_region.clone(), Some(since), Content::State(state))))
    }

    async fn read_organization_again(&self) -> Result<(), CallError> {
        let Some(queue) = &self.reconcile else { return Ok(()) };
        for delay in READ_AGAIN_AFTER {
            queue.send(&[json!(Task::Organization).to_string()], delay).await?;
        }
        Ok(())
    }
}

/// The resources whose state to read after a change, with their paths in the world.
fn subjects_of(change: &Change) -> Vec<Subject> {
    let (account, region) = (change.account.as_str(), change.region.as_str());
    let account_region = AccountRegion::new(account, region);
    let subject = |path: String, question: Question| vec![Subject { account_region: account_region.clone(), path, question }];
    let text = |key: &str| change.text(key).or_else(|| change.response.get(key)?.as_str());
    let guardrail = |version: &str| {
        let id = text("guardrailIdentifier").or_else(|| text("guardrailId"));
        id.map(|id| (id.rsplit('/').next().unwrap_or(id).to_owned(), version.to_owned()))
    };
    let of_guardrail = |named: Option<(String, String)>| {
        named.map_or_else(Vec::new, |(id, version)| {
            let path = format!("guardrails/{account}/{region}/{id}/{version}.json");
            subject(path, Question::Guardrail { id, version })
        })
    };
    match (change.service.as_str(), change.operation.as_str()) {
        ("bedrock", "CreateGuardrail" | "UpdateGuardrail") => of_guardrail(guardrail("DRAFT")),
        ("bedrock", "CreateGuardrailVersion") => of_guardrail(change.response.get("version").and_then(Value::as_str).and_then(guardrail)),
        ("bedrock", "PutEnforcedGuardrailConfiguration" | "DeleteEnforcedGuardrailConfiguration") => {
            subject(format!("enforced-configurations/{account}/{region}.json"), Question::EnforcedConfigurations)
        }
        ("bedrock", "PutResourcePolicy" | "DeleteResourcePolicy") => text("resourceArn")
            .filter(|arn| arn.contains(":guardrail/"))
            .and_then(|arn| Some((arn.to_owned(), arn.rsplit('/').next()?.to_owned())))
            .map_or_else(Vec::new, |(arn, id)| {
                subject(format!("resource-policies/{account}/{region}/{id}.json"), Question::ResourcePolicy(arn))
            }),
        ("bedrock", "PutModelInvocationLoggingConfiguration" | "DeleteModelInvocationLoggingConfiguration")
        | ("cloudtrail", "CreateTrail" | "UpdateTrail" | "DeleteTrail" | "StartLogging" | "StopLogging" | "PutEventSelectors") => {
            subject(format!("telemetry/{account}/{region}.json"), Question::Telemetry)
        }
        ("bedrock", "CreateAgent" | "UpdateAgent") => {
            let id = text("agentId").or_else(|| change.response.get("agent")?.get("agentId")?.as_str()).map(str::to_owned);
            id.map_or_else(Vec::new, |id| subject(format!("agents/{account}/{region}/{id}.json"), Question::Agent(id)))
        }
        _ => match &change.effect {
            Some(WorldChange::FlowChanged { id, .. }) => subject(format!("flows/{account}/{region}/{id}.json"), Question::Flow(id.clone())),
            _ => Vec::new(),
        },
    }
}

fn is_being_changed(json: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Status<'a> {
        status: Option<&'a str>,
    }
    let status = serde_json::from_slice::<Status<'_>>(json).ok().and_then(|answer| answer.status);
    matches!(status, Some("CREATING" | "UPDATING" | "VERSIONING"))
}

fn updated_at(json: &[u8]) -> Option<Timestamp> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Updated {
        updated_at: Option<String>,
    }
    Timestamp::parse(&serde_json::from_slice::<Updated>(json).ok()?.updated_at?)
}

impl<S: ReadState, Q: Queue> ChangeAuditor<S, Q> {
    /// Carries a request out. What can't be taken in again is no reason to leave the heartbeat out.
    async fn carry_out(&self, request: &Request, invocation: Invocation<'_>) -> Result<(), CallError> {
        let heartbeat = self.heartbeat.as_ref();
        let heartbeat = heartbeat.ok_or_else(|| CallError::new("beat", ErrorKind::Refused, "there is no role to beat by"))?;
        let mut dead_letters = heartbeat.dead_letters().await;
        if let Some(undelivered) = self.undelivered.as_ref().filter(|_| !dead_letters.is_empty()) {
            let own = AccountRegion::of_function(invocation.function_arn);
            match undelivered.take_again(self, own.as_ref(), invocation.enough()).await {
                Ok(taken) => self.metrics.emit(&[("taken_again", taken)]),
                Err(error) => error::warn("what was not delivered could not be taken in", &error),
            }
            dead_letters = heartbeat.dead_letters().await;
        }
        match request {
            Request::Heartbeat => heartbeat.beat(invocation.function_arn, &dead_letters).await,
            Request::TakeAgain => Ok(()),
        }
    }
}

impl<S: ReadState, Q: Queue> Handler<Input, SqsBatchResponse> for ChangeAuditor<S, Q> {
    async fn handle(&self, input: Input, invocation: Invocation<'_>) -> Result<SqsBatchResponse, BoxError> {
        let delivery = match input {
            Input::Request(request) => {
                self.carry_out(&request, invocation).await?;
                return Ok(SqsBatchResponse::default());
            }
            Input::Delivery(delivery) => delivery,
        };
        let outcome = self.take(AccountRegion::of_function(invocation.function_arn).as_ref(), &delivery.messages()).await;
        self.metrics.flow(outcome.flow);
        self.metrics.emit(&[("facts", outcome.facts), ("failed", outcome.failed.len() as u64)]);
        delivery.answer(&outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_read_after_each_change_that_hides_its_guardrails() {
        let arn = "arn:aws:bedrock:us-east-1:222233334444:flow/FLOW1";
        for (operation, flow, expected) in [
            ("UpdateFlow", "FLOW1", true),
            ("PrepareFlow", "FLOW1", true),
            ("CreateFlowVersion", "FLOW1", true),
            ("CreateFlowAlias", arn, true),
            ("UpdateFlowAlias", arn, true),
            ("DeleteFlow", "FLOW1", false),
        ] {
            let record = json!({"eventSource": "bedrock.amazonaws.com", "eventName": operation, "awsRegion": "us-east-1",
                "recipientAccountId": "222233334444", "requestParameters": {"flowIdentifier": flow}})
            .to_string();
            let change = Change::from_record(&serde_json::from_str(&record).unwrap());
            let paths: Vec<String> = change.iter().flat_map(subjects_of).map(|subject| subject.path).collect();
            let path = "flows/222233334444/us-east-1/FLOW1.json".to_owned();
            assert_eq!(paths, if expected { vec![path] } else { Vec::new() }, "{operation}");
        }
    }
}
