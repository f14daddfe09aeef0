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

use std::{collections::BTreeSet, sync::Arc};

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
    Plan,
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

    /// Carries out a task.
    pub async fn carry_out(&self, task: &Task) -> Result<(), CallError> {
        match task {
            Task::Plan => self.plan().await,
            Task::AccountRegion { account, region } => self.account_region(&AccountRegion::new(account.as_str(), region.as_str())).await,
            Task::Organization => self.organization().await,
            Task::Account { account } => self.account(account).await,
            Task::InvalidPolicies { token } => self.invalid_policies(token.as_deref()).await,
            Task::PolicyValidation { account } => self.policy_validation(account).await,
        }
    }

    async fn plan(&self) -> Result<(), CallError> {
        let mut tasks: Vec<String> = Vec::new();
        if self.settings.management_account.is_some() {
            tasks.push(json!(Task::Organization).to_string());
        }
        for account in self.accounts().await? {
            for region in &self.settings.regions {
                tasks.push(json!(Task::AccountRegion { account: account.clone(), region: region.clone() }).to_string());
            }
        }
        self.metrics.emit(&[("places", tasks.len() as u64)]);
        self.queue.send(&tasks, 0).await
    }

    /// The accounts to read: those that are active in the organization, and the hub's own.
    async fn accounts(&self) -> Result<BTreeSet<String>, CallError> {
        let mut accounts = BTreeSet::from([self.settings.hub_account.clone()]);
        accounts.extend(self.settings.management_account.clone());
        if let Some((_, json)) = self.world.latest("organization").await? {
            let organization = serde_json::from_slice(&json).ok().and_then(|json| Organization::from_json(&json).ok());
            let active = organization.into_iter().flat_map(|organization| organization.accounts).filter(|(_, account)| account.active);
            accounts.extend(active.map(|(id, _)| id.to_string()));
        }
        Ok(accounts)
    }

    fn recorder(&self) -> ReadRecorder<'_, B> {
        ReadRecorder::new(&self.world, self.clock.now())
    }

    /// Reads an account and Region. A part that fails doesn't keep the others from being done: an account that refuses to be read needs its
    /// event history and heartbeats watched all the more.
    async fn account_region(&self, account_region: &AccountRegion) -> Result<(), CallError> {
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
        let (inventoried, own_policy, history) =
            (inventory.account_region(account_region).await, own_policy.await, self.history(account_region).await);
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
    async fn handle(&self, input: Input, _: Invocation<'_>) -> Result<SqsBatchResponse, BoxError> {
        let mut response = SqsBatchResponse::default();
        let event = match input {
            Input::Task(task) => {
                self.carry_out(&task).await?;
                return Ok(response);
            }
            Input::Queue(event) => event,
        };
        for message in event.records.iter().map(Message::of) {
            let outcome = match serde_json::from_str::<Task>(message.body) {
                Ok(task) => self.carry_out(&task).await,
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
