//! `reconcile`: the hub looks for itself. It reads state by its reader role in each account, the organization in the management account,
//! and CloudTrail's event history; what it finds goes into the world in S3, and into facts that only the hub can write.

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
    error::{BoxError, CallError, ErrorKind, chain},
    fact::{Content, Fact, GapFact, ReadFact},
    inventory::Inventory,
    invocations::{HEARTBEAT_ROLE, Message},
    lambda::Handler,
    metrics::Metrics,
    observations::Observations,
    place::{Place, Source},
    queue::{Queue, SqsQueue},
    settings::Environment,
    snapshots::Snapshots,
    world::PREFIX,
};

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Task {
    /// Put an order for each account and Region into the queue.
    Plan,
    /// Look at an account and Region.
    Place {
        /// Which account.
        account: String,
        /// Which Region.
        region: String,
    },
    /// Read the organization, its policies, and put an order for each account into the queue.
    Organization,
    /// Read an account's effective policy.
    Account {
        /// Which account.
        account: String,
    },
    /// Read a page of the list of accounts whose effective policies are invalid, and put an order for each into the queue. A page is an
    /// order of its own, so that what is throttled goes on where it was.
    InvalidPolicies {
        /// Behind which page; `None` is the first.
        #[serde(default)]
        token: Option<String>,
    },
    /// Read what is wrong with an account's effective policy.
    PolicyValidation {
        /// Which account.
        account: String,
    },
}

/// Reconciles.
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

/// What to watch.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The Regions.
    pub regions: Vec<String>,
    /// The hub's own account.
    pub hub_account: String,
    /// The organization's management account, if there is an organization.
    pub management_account: Option<String>,
    /// How often a heartbeat is due; zero means never.
    pub heartbeat_minutes: i64,
    /// The name of the role that beats in each account.
    pub heartbeat_role: String,
}

impl Reconciler<ReaderRoles, S3Bucket, SqsQueue> {
    /// From the environment.
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
        let reader = ReaderRoles::new(aws, role);
        let bucket = S3Bucket::new(Arc::clone(&hub), bucket);
        let queue = SqsQueue::new(Arc::clone(&hub), queue);
        Ok(Self::new(Observations::new(hub, table, ttl_days), bucket, queue, reader, settings, metrics, Clock::System))
    }
}

impl<E: CrossAccountReader, B: Bucket, Q: Queue> Reconciler<E, B, Q> {
    /// A reconciler.
    pub fn new(observations: Observations, bucket: B, queue: Q, reader: E, settings: Settings, metrics: Metrics, clock: Clock) -> Self {
        let world = Snapshots::new(bucket, PREFIX, clock);
        Reconciler { wanted: auditor::wanted(), observations, world, queue, reader, settings, metrics, clock }
    }

    /// Carries an order out.
    pub async fn carry_out(&self, task: &Task) -> Result<(), CallError> {
        match task {
            Task::Plan => self.plan().await,
            Task::Place { account, region } => self.place(&Place::new(account.as_str(), region.as_str())).await,
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
                tasks.push(json!(Task::Place { account: account.clone(), region: region.clone() }).to_string());
            }
        }
        self.metrics.emit(&[("places", tasks.len() as u64)]);
        self.queue.send(&tasks, 0).await
    }

    /// The accounts to watch: those that the organization lists as active, and the hub's own.
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

    /// Looks at a place. Each part is done whatever becomes of the others: an account that doesn't let itself be read is watched all the more.
    async fn place(&self, place: &Place) -> Result<(), CallError> {
        let (state, recorder) = (self.reader.state(place).await, self.recorder());
        let inventory = Inventory::new(&state, &recorder);
        let own_policy = async {
            // Where there is an organization, its management account is asked.
            if self.settings.management_account.is_none() { inventory.effective_policy(&place.account).await.map(|_| ()) } else { Ok(()) }
        };
        let (inventoried, own_policy, history) = (inventory.place(place).await, own_policy.await, self.history(place).await);
        let (history, history_read) = history.map_or_else(|error| (None, Err(error)), |history| (history, Ok(())));
        // Behind event history, in which heartbeats are looked for.
        let parts = [inventoried, own_policy, history_read, self.heartbeat(place).await];
        let mut outcome = recorder.into_outcome();
        outcome.history = history;
        let read = parts.into_iter().collect::<Result<(), CallError>>();
        outcome.complete = read.is_ok() && outcome.failed.is_none() && outcome.refused.is_empty() && !outcome.list_refused;
        let refused = self.report_refused(place, &outcome).await;
        self.report_read(place, outcome).await.and(read).and(refused)
    }

    /// What was read here before, and may be read no longer: what the world has of it grows old, and what changes isn't seen.
    async fn report_refused(&self, place: &Place, outcome: &ReadOutcome) -> Result<(), CallError> {
        let mut lost: Vec<&str> = Vec::new();
        for stem in &outcome.refused {
            if self.world.latest(stem).await?.is_some() {
                lost.push(stem);
            }
        }
        let Some(first) = lost.first() else { return Ok(()) };
        // To the moment: a look that saw all before it, in the same hour, puts nothing right.
        let time = self.clock.now();
        let detail = format!("the hub may no longer read {} things here that it read before; the first: {first}", lost.len());
        let gap = GapFact { missing: "state".to_owned(), time, detail, count: 1 };
        self.observations.put(&Fact::new(Source::Hub, place.clone(), Some(time), Content::Gap(gap))).await.map(|_| ())
    }

    /// Tells the fold that the hub looked; then, that something could not be used comes again as an order.
    async fn report_read(&self, place: &Place, outcome: ReadOutcome) -> Result<(), CallError> {
        let ReadOutcome { changed, failed, complete, history, .. } = outcome;
        let time = self.clock.now();
        let read = Fact::new(Source::Hub, place.clone(), Some(time), Content::Read(ReadFact { time, changed, complete, history }));
        self.observations.put(&read).await?;
        failed.map_or(Ok(()), Err)
    }
}

/// What the function is called with.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Input {
    /// An order.
    Task(Task),
    /// A batch of the queue.
    Queue(SqsEvent),
}

impl<E: CrossAccountReader, B: Bucket, Q: Queue> Handler<Input, SqsBatchResponse> for Reconciler<E, B, Q> {
    async fn handle(&self, input: Input, _: &str) -> Result<SqsBatchResponse, BoxError> {
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
