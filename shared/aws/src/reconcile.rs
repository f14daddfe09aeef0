//! `reconcile`: the hub reads for itself. It reads the state of each account with a reader role there, the organization in the management
//! account, and CloudTrail's event history. Answers go into the world in S3, and what accounts failed to report becomes facts of the hub.
//!
//! ```text
//! SQS ─► Task
//!         ├─ Plan, Organization, InvalidPolicies     send further tasks, one for each account
//!         ├─ AccountRegion    inventory of an account and Region, event_history, heartbeats
//!         └─ Account, PolicyValidation               one answer of Organizations      (organization)
//!               │
//!               ├─ cross_account_reader   how the hub reads in another account
//!               └─ read_outcome           what was read: new, refused, unusable
//! ```

mod cross_account_reader;
mod event_history;
mod heartbeats;
mod organization;
mod read_outcome;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use audit_core::{auditor, cloudtrail::wanted::Wanted, organization::Organization};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use self::cross_account_reader::{CrossAccountReader, ReaderRoles};
use self::read_outcome::{ReadOutcome, ReadRecorder};
use crate::{
    aws::Aws,
    bucket::{Bucket, S3Bucket},
    clock::Clock,
    connections,
    error::{BoxError, CallError, ErrorKind, chain},
    fact::{Content, Fact, GapFact, ReadFact},
    inventory::Inventory,
    invocations::{HEARTBEAT_ROLE, Message},
    lambda::{Handler, Invocation},
    metrics::Metrics,
    observations::Observations,
    partition::{AccountRegion, Source},
    queue::{Queue, SqsQueue},
    settings::Environment,
    snapshots::Snapshots,
    world::PREFIX,
};

/// A task in the queue. Its JSON is in flight during an upgrade: renamed variants and fields need `serde(rename)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Task {
    /// Send a task for each account and Region.
    Plan {
        /// The account after which to begin; `None` for the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// Read an account and Region.
    #[serde(rename = "place")]
    AccountRegion {
        /// The account.
        account: String,
        /// The Region.
        region: String,
    },
    /// Read the organization and its policies, and send a task for each account.
    Organization,
    /// Read an account's effective policy.
    Account {
        /// The account.
        account: String,
    },
    /// Read a page of the accounts whose effective policies are invalid, and send a task for each. Each page is a task of its own, so that
    /// throttling delays only that page.
    InvalidPolicies {
        /// The token of the page; `None` for the first.
        #[serde(default)]
        token: Option<String>,
    },
    /// Read the validation errors of an account's effective policy.
    PolicyValidation {
        /// The account.
        account: String,
    },
}

/// Time that is left to answer that a task can't be carried out in time.
const TO_END: Duration = Duration::from_secs(5);

/// Accounts whose tasks are sent before the time is looked at.
const PLANNED_AT_ONCE: usize = 20;

/// Carries out tasks.
#[derive(Debug)]
pub struct Reconciler<E, B, Q> {
    wanted: Wanted,
    observations: Observations,
    world: Snapshots<B>,
    queue: Q,
    reader: E,
    settings: Settings,
    metrics: Metrics,
    clock: Clock,
}

/// The accounts and Regions to read.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The Regions.
    pub regions: Vec<String>,
    /// The hub's own account.
    pub hub_account: String,
    /// The organization's management account, if there is an organization.
    pub management_account: Option<String>,
    /// Minutes between heartbeats; 0 means that none is expected.
    pub heartbeat_minutes: i64,
    /// The name of the role that makes the heartbeat's call in each account.
    pub heartbeat_role: String,
}

impl Reconciler<ReaderRoles, S3Bucket, SqsQueue> {
    /// Makes the function from its environment variables.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let region = environment.region()?;
        let hub_region = environment.optional("HUB_REGION").unwrap_or_else(|| region.clone());
        let table = environment.required("OBSERVATIONS_TABLE")?;
        let bucket = environment.required("WORLD_BUCKET")?;
        let queue = environment.required("RECONCILE_QUEUE_URL")?;
        let ttl_days = environment.facts_ttl_days()?;
        let hub_account = environment.account("HUB_ACCOUNT")?;
        let organization = environment.optional("ORGANIZATION_ID").is_some();
        let mut regions = environment.list("REGIONS");
        if regions.is_empty() {
            regions.push(region);
        }
        let settings = Settings {
            regions,
            hub_account,
            management_account: environment.optional_account("MANAGEMENT_ACCOUNT")?.filter(|_| organization),
            heartbeat_minutes: environment.parsed("HEARTBEAT_MINUTES", 60)?,
            heartbeat_role: environment.parsed("HEARTBEAT_ROLE_NAME", HEARTBEAT_ROLE.to_owned())?,
        };
        let path = environment.parsed("READER_ROLE_PATH", "/guardrail-audit/".to_owned())?;
        let role = format!("{path}{}", environment.parsed("READER_ROLE_NAME", "guardrail-audit-reader".to_owned())?);
        let metrics = Metrics::new(environment.parsed("METRICS_NAMESPACE", "GuardrailAudit".to_owned())?, "reconcile", Clock::System);
        let aws = Arc::new(Aws::from_environment().await);
        let hub = Arc::new(aws.in_region(&hub_region));
        connections::open_to_dynamodb(&hub).await;
        let reader = ReaderRoles::new(aws, role);
        let bucket = S3Bucket::new(Arc::clone(&hub), bucket);
        let queue = SqsQueue::new(Arc::clone(&hub), queue);
        Ok(Self::new(Observations::new(hub, table, ttl_days), bucket, queue, reader, settings, metrics, Clock::System))
    }
}

impl<E: CrossAccountReader, B: Bucket, Q: Queue> Reconciler<E, B, Q> {
    /// A reconciler that reads through `reader`.
    pub fn new(observations: Observations, bucket: B, queue: Q, reader: E, settings: Settings, metrics: Metrics, clock: Clock) -> Self {
        let world = Snapshots::new(bucket, PREFIX, clock);
        Reconciler { wanted: auditor::wanted(), observations, world, queue, reader, settings, metrics, clock }
    }

    /// Carries out a task, and gives up in time to say so. Lambda would end the function without a word.
    async fn carry_out_in_time(&self, task: &Task, invocation: Invocation<'_>) -> Result<(), CallError> {
        let end = invocation.deadline.checked_sub(TO_END).unwrap_or(invocation.deadline);
        let outcome = tokio::time::timeout_at(end.into(), Box::pin(self.carry_out(task, invocation.enough()))).await;
        outcome.unwrap_or_else(|_| {
            Err(CallError::new("carry out a task", ErrorKind::Retryable, "it takes longer than the function may work, and comes again"))
        })
    }

    /// Carries out a task. After `enough`, nothing is begun that can wait.
    pub async fn carry_out(&self, task: &Task, enough: Instant) -> Result<(), CallError> {
        match task {
            Task::Plan { after } => self.plan(after.as_deref(), enough).await,
            Task::AccountRegion { account, region } => {
                self.account_region(&AccountRegion::new(account.as_str(), region.as_str()), enough).await
            }
            Task::Organization => self.organization().await,
            Task::Account { account } => self.account(account).await,
            Task::InvalidPolicies { token } => self.invalid_policies(token.as_deref()).await,
            Task::PolicyValidation { account } => self.policy_validation(account).await,
        }
    }

    /// Sends a task for each account and Region. What there is no time for is a plan of its own.
    async fn plan(&self, after: Option<&str>, enough: Instant) -> Result<(), CallError> {
        if self.settings.management_account.is_some() && after.is_none() {
            self.queue.send(&[json!(Task::Organization).to_string()], 0).await?;
        }
        let accounts: Vec<String> =
            self.accounts().await?.into_iter().filter(|account| after.is_none_or(|after| account.as_str() > after)).collect();
        let mut planned = 0;
        for (some, last) in accounts.chunks(PLANNED_AT_ONCE).filter_map(|some| Some((some, some.last()?))) {
            let of_account = |account: &String| {
                let task = |region: &String| Task::AccountRegion { account: account.clone(), region: region.clone() };
                self.settings.regions.iter().map(|region| json!(task(region)).to_string()).collect::<Vec<_>>()
            };
            let tasks: Vec<String> = some.iter().flat_map(of_account).collect();
            planned += tasks.len() as u64;
            self.queue.send(&tasks, 0).await?;
            if Instant::now() >= enough && accounts.last() != Some(last) {
                tracing::warn!(after = last, "there is no time left to plan all accounts, and another task plans the rest");
                self.queue.send(&[json!(Task::Plan { after: Some(last.clone()) }).to_string()], 0).await?;
                break;
            }
        }
        self.metrics.emit(&[("account_regions", planned)]);
        Ok(())
    }

    /// The accounts to read: those that are active in the organization, and the hub's own.
    async fn accounts(&self) -> Result<BTreeSet<String>, CallError> {
        let mut accounts = BTreeSet::from([self.settings.hub_account.clone()]);
        accounts.extend(self.settings.management_account.clone());
        if let Some((_, json)) = self.world.latest("organization").await? {
            let organization = serde_json::from_slice(&json).ok().and_then(|json| Organization::from_json(&json).ok());
            let active = organization.iter().flat_map(|organization| organization.accounts.iter()).filter(|(_, account)| account.active);
            accounts.extend(active.map(|(id, _)| id.to_string()));
        }
        Ok(accounts)
    }

    fn recorder(&self) -> ReadRecorder<'_, B> {
        ReadRecorder::new(&self.world, self.clock.now())
    }

    /// Reads an account and Region. A part that fails doesn't keep the others from being done: an account that refuses to be read needs its
    /// event history and heartbeats watched all the more.
    ///
    /// The inventory may take until `enough`, and no longer: how much there is of it is the account's choice.
    async fn account_region(&self, account_region: &AccountRegion, enough: Instant) -> Result<(), CallError> {
        let (state, recorder) = (self.reader.state(account_region).await, self.recorder());
        let inventory = Inventory::new(&state, &recorder);
        let own_policy = async {
            // In an organization, the management account is asked for it.
            if self.settings.management_account.is_none() {
                inventory.effective_policy(&account_region.account).await.map(|_| ())
            } else {
                Ok(())
            }
        };
        let inventoried = async {
            let inventoried = tokio::time::timeout_at(enough.into(), Box::pin(inventory.account_region(account_region))).await;
            let Ok(inventoried) = inventoried else { return self.report_too_long(account_region).await };
            inventoried
        };
        let (own_policy, inventoried) = (own_policy.await, inventoried.await);
        let history = self.history(account_region).await;
        let (history, history_read) = history.map_or_else(|error| (None, Err(error)), |history| (history, Ok(())));
        // After event history, which also yields heartbeats.
        let parts = [inventoried, own_policy, history_read, self.heartbeat(account_region).await];
        let mut outcome = recorder.into_outcome();
        outcome.history = history;
        let read = parts.into_iter().collect::<Result<(), CallError>>();
        outcome.complete = read.is_ok() && outcome.failed.is_none() && outcome.refused.is_empty() && !outcome.list_refused;
        let refused = self.report_refused(account_region, &outcome).await;
        self.report_read(account_region, outcome).await.and(read).and(refused)
    }

    /// Reports as a gap that there is more to read than there is time for, and returns it as an error.
    async fn report_too_long(&self, account_region: &AccountRegion) -> Result<(), CallError> {
        let (time, detail) =
            (self.clock.now(), "there is more to read here than the hub has time for: its state is known only in part".to_owned());
        let gap = GapFact { missing: "state".to_owned(), time, detail: detail.clone(), count: 1 };
        self.observations.put(&Fact::new(Source::Hub, account_region.clone(), Some(time), Content::Gap(gap))).await?;
        Err(CallError::new("read an account and Region", ErrorKind::Retryable, detail))
    }

    /// Reports as a gap what could be read before and is refused now: its snapshots grow old, and changes go unnoticed.
    async fn report_refused(&self, account_region: &AccountRegion, outcome: &ReadOutcome) -> Result<(), CallError> {
        let mut lost: Vec<&str> = Vec::new();
        for stem in &outcome.refused {
            if self.world.latest(stem).await?.is_some() {
                lost.push(stem);
            }
        }
        let Some(first) = lost.first() else { return Ok(()) };
        // The exact time, not the hour: a complete read earlier in the same hour must not resolve the finding.
        let time = self.clock.now();
        let detail = format!("the hub may no longer read {} things here that it read before; the first: {first}", lost.len());
        let gap = GapFact { missing: "state".to_owned(), time, detail, count: 1 };
        self.observations.put(&Fact::new(Source::Hub, account_region.clone(), Some(time), Content::Gap(gap))).await.map(|_| ())
    }

    /// Writes the fact that the hub read an account and Region, which makes the stream fold the account. Then returns the first answer that
    /// was unusable as an error, so that the task is delivered again.
    async fn report_read(&self, account_region: &AccountRegion, outcome: ReadOutcome) -> Result<(), CallError> {
        let ReadOutcome { changed, failed, complete, history, .. } = outcome;
        let time = self.clock.now();
        let read = Fact::new(Source::Hub, account_region.clone(), Some(time), Content::Read(ReadFact { time, changed, complete, history }));
        self.observations.put(&read).await?;
        failed.map_or(Ok(()), Err)
    }
}

/// The event of the function.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Input {
    /// A task, from a schedule.
    Task(Task),
    /// A batch of the queue.
    Queue(SqsEvent),
}

impl<E: CrossAccountReader, B: Bucket, Q: Queue> Handler<Input, SqsBatchResponse> for Reconciler<E, B, Q> {
    async fn handle(&self, input: Input, invocation: Invocation<'_>) -> Result<SqsBatchResponse, BoxError> {
        let mut response = SqsBatchResponse::default();
        let event = match input {
            Input::Task(task) => {
                self.carry_out_in_time(&task, invocation).await?;
                return Ok(response);
            }
            Input::Queue(event) => event,
        };
        let messages: Vec<Message<'_>> = event.records.iter().map(Message::of).collect();
        let enough = invocation.enough();
        for (number, message) in messages.iter().enumerate() {
            if number > 0 && Instant::now() >= enough {
                for message in messages.get(number..).unwrap_or_default() {
                    tracing::warn!(message_id = message.id, "there is no time left for a task, and it comes again");
                    response.add_failure(message.id);
                }
                break;
            }
            let outcome = match serde_json::from_str::<Task>(message.body) {
                Ok(task) => self.carry_out_in_time(&task, invocation).await,
                Err(error) => Err(CallError::new("read a task", ErrorKind::Refused, error)),
            };
            if let Err(error) = outcome {
                tracing::error!(message_id = message.id, error = chain(&error), "a task could not be carried out");
                response.add_failure(message.id);
            }
        }
        Ok(response)
    }
}
