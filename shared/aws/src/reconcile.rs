//! `reconcile`: the hub looks for itself. It reads state by its reader role in each account, the organization in the management account,
//! and CloudTrail's event history; what it finds goes into the world in S3, and into facts that only the hub can write.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use audit_core::{
    auditor,
    cloudtrail::wanted::Wanted,
    facts::{Collector, Facts},
    moment::Moment,
    organization::Organization,
};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    aws::Aws,
    bucket::{Bucket, S3Bucket},
    clock::{Clock, hour_of, start_of},
    edge::{self, Handler},
    error::{BoxError, CallError, ErrorKind, chain, failed},
    fact::{Content, Fact, GapFact, ReadFact},
    findings::Findings,
    invocations::Message,
    metrics::Metrics,
    observations::Observations,
    place::{Partition, Place, Source},
    queue::{Queue, SqsQueue},
    settings::Environment,
    snapshots::Snapshots,
    state::{AwsState, ReadState},
    survey::{Keep, Survey},
    trail::facts_in,
    world::PREFIX,
};

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Order {
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
}

/// What the hub sees with.
pub trait Eyes: Send + Sync {
    /// State, as a place's reader role sees it.
    type State: ReadState;
    /// The state of a place, by the reader role there.
    fn of(&self, place: &Place) -> impl Future<Output = Self::State> + Send;
    /// The records of CloudTrail's event history since a moment, as JSON; and whether these are all.
    fn history(&self, place: &Place, since: Moment) -> impl Future<Output = Result<(Vec<String>, bool), CallError>> + Send;
}

/// By roles of AWS.
#[derive(Clone, Debug)]
pub struct ReaderRoles {
    aws: Arc<Aws>,
    /// `<path><name>`
    role: String,
}

impl Eyes for ReaderRoles {
    type State = AwsState;

    async fn of(&self, place: &Place) -> AwsState {
        AwsState(self.aws_of(place).await)
    }

    async fn history(&self, place: &Place, since: Moment) -> Result<(Vec<String>, bool), CallError> {
        let aws = self.aws_of(place).await;
        let source = LookupAttribute::builder().attribute_key(LookupAttributeKey::EventSource).attribute_value("bedrock.amazonaws.com");
        let source = source.build().map_err(|error| CallError::new("LookupEvents", ErrorKind::Refused, error))?;
        let since = aws_smithy_types::DateTime::from_secs(crate::clock::seconds(since));
        let (mut records, mut token) = (Vec::new(), None);
        for _ in 0..HISTORY_PAGES {
            let request = aws.cloudtrail().lookup_events().lookup_attributes(source.clone()).start_time(since).set_next_token(token);
            let page = request.send().await.map_err(failed("LookupEvents"))?;
            records.extend(page.events().iter().filter_map(|event| event.cloud_trail_event().map(str::to_owned)));
            token = page.next_token;
            if token.is_none() {
                return Ok((records, true));
            }
            // Two requests a second are allowed, and others may ask, too.
            tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        }
        Ok((records, false))
    }
}

impl ReaderRoles {
    async fn aws_of(&self, place: &Place) -> Arc<Aws> {
        let partition = audit_core::arn::partition_of(&place.region);
        let role = format!("arn:{partition}:iam::{}:role{}", place.account, self.role);
        Arc::new(self.aws.as_role(&role, &place.region).await)
    }
}

/// So many pages of 50 events are read in one go: a minute's worth at the rate that is allowed.
const HISTORY_PAGES: usize = 100;

/// Event history lags behind by up to so many seconds (facts/05 §1).
const HISTORY_LAG: i64 = 20 * 60;

/// Without anything known before, history is read from so many seconds ago.
const HISTORY_BEGINS: i64 = 6 * 60 * 60;

/// Reconciles.
#[derive(Debug)]
pub struct Reconciler<E, B, Q> {
    wanted: Wanted,
    observations: Observations,
    findings: Option<Findings>,
    bucket: B,
    queue: Q,
    eyes: E,
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
}

impl Reconciler<ReaderRoles, S3Bucket, SqsQueue> {
    /// From the environment.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let region = environment.region()?;
        let hub_region = environment.optional("HUB_REGION").unwrap_or_else(|| region.clone());
        let table = environment.required("OBSERVATIONS_TABLE")?;
        let findings = environment.optional("FINDINGS_TABLE");
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
        };
        let path = environment.parsed("READER_ROLE_PATH", "/guardrail-audit/".to_owned())?;
        let role = format!("{path}{}", environment.parsed("READER_ROLE_NAME", "guardrail-audit-reader".to_owned())?);
        let metrics = Metrics::new(environment.parsed("METRICS_NAMESPACE", "GuardrailAudit".to_owned())?, "reconcile", Clock::System);
        let aws = Arc::new(Aws::from_environment().await);
        let hub = Arc::new(aws.in_region(&hub_region));
        let eyes = ReaderRoles { aws, role };
        let findings = findings.map(|table| Findings::new(Arc::clone(&hub), table));
        let bucket = S3Bucket::new(Arc::clone(&hub), bucket);
        let queue = SqsQueue::new(Arc::clone(&hub), queue);
        Ok(Self::new(Observations::new(hub, table, ttl_days), findings, bucket, queue, eyes, settings, metrics, Clock::System))
    }
}

impl<E: Eyes, B: Bucket, Q: Queue> Reconciler<E, B, Q> {
    /// A reconciler.
    #[expect(clippy::too_many_arguments, reason = "each is one thing it needs")]
    pub fn new(
        observations: Observations,
        findings: Option<Findings>,
        bucket: B,
        queue: Q,
        eyes: E,
        settings: Settings,
        metrics: Metrics,
        clock: Clock,
    ) -> Self {
        Reconciler { wanted: auditor::wanted(), observations, findings, bucket, queue, eyes, settings, metrics, clock }
    }

    /// Carries an order out.
    pub async fn carry_out(&self, order: &Order) -> Result<(), CallError> {
        match order {
            Order::Plan => self.plan().await,
            Order::Place { account, region } => self.place(&Place::new(account.as_str(), region.as_str())).await,
            Order::Organization => self.organization().await,
            Order::Account { account } => self.account(account).await,
        }
    }

    async fn plan(&self) -> Result<(), CallError> {
        let mut orders: Vec<String> = Vec::new();
        if self.settings.management_account.is_some() {
            orders.push(json!(Order::Organization).to_string());
        }
        for account in self.accounts().await? {
            for region in &self.settings.regions {
                orders.push(json!(Order::Place { account: account.clone(), region: region.clone() }).to_string());
            }
        }
        self.metrics.emit(&[("places", orders.len() as u64)]);
        self.queue.send(&orders, 0).await
    }

    /// The accounts to watch: those that the organization lists as active, and the hub's own.
    async fn accounts(&self) -> Result<BTreeSet<String>, CallError> {
        let mut accounts = BTreeSet::from([self.settings.hub_account.clone()]);
        accounts.extend(self.settings.management_account.clone());
        if let Some((_, json)) = self.snapshots().latest("organization").await? {
            let organization = serde_json::from_slice(&json).ok().and_then(|json| Organization::from_json(&json).ok());
            let active = organization.into_iter().flat_map(|organization| organization.accounts).filter(|(_, account)| account.active);
            accounts.extend(active.map(|(id, _)| id.to_string()));
        }
        Ok(accounts)
    }

    fn snapshots(&self) -> Snapshots<&B> {
        Snapshots::new(&self.bucket, PREFIX, self.clock)
    }

    fn keeper(&self) -> Keeper<'_, B> {
        Keeper { snapshots: self.snapshots(), changed: Mutex::default() }
    }

    async fn place(&self, place: &Place) -> Result<(), CallError> {
        let (state, keeper) = (self.eyes.of(place).await, self.keeper());
        let survey = Survey::new(&state, &keeper);
        if self.settings.management_account.is_none() {
            survey.effective_policy(&place.account).await?;
        }
        survey.place(place).await?;
        self.history(place).await?;
        self.heartbeat(place).await?;
        self.tell(place, keeper.into_changed()).await
    }

    /// What CloudTrail's event history holds since it was last read, as the hub's own facts; and what of it the account never reported.
    async fn history(&self, place: &Place) -> Result<(), CallError> {
        let cursor_key = format!("state/history/{}/{}.json", place.account, place.region);
        let now = self.clock.now();
        let cursor = self.bucket.get(&cursor_key).await?.and_then(|json| serde_json::from_slice::<Cursor>(&json).ok());
        let since = cursor.map_or(now.plus_seconds(-HISTORY_BEGINS), |cursor| cursor.read_until);
        let (records, complete) = match self.eyes.history(place, since).await {
            Ok(read) => read,
            Err(error) if error.kind == ErrorKind::Retryable => return Err(error),
            Err(error) => {
                edge::warn("event history can't be read", &error);
                return Ok(());
            }
        };
        let mut collector = Collector::new(&self.wanted);
        for record in &records {
            collector.value(record.as_bytes());
        }
        let facts = collector.into_facts();
        self.report_gap(place, &facts, now).await?;
        for fact in facts_in(&facts) {
            self.observations.put(&fact).await?;
        }
        self.metrics.emit(&[("history_records", records.len() as u64), ("history_incomplete", u64::from(!complete))]);
        // What lags behind is read again next time: the same facts are the same items. Of too much, the newest was read; the rest is
        // the trail's to tell.
        let cursor = Cursor { read_until: now.plus_seconds(-HISTORY_LAG) };
        self.bucket.put(&cursor_key, json!(cursor).to_string().into_bytes()).await
    }

    /// Calls and changes that happened long enough ago, and that the account's own auditor never reported.
    async fn report_gap(&self, place: &Place, seen: &Facts, now: Moment) -> Result<(), CallError> {
        let due = now.plus_seconds(-HISTORY_LAG);
        let mut missing: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for record in seen.stored_records().filter(|record| record.kind == "call") {
            if let Some(time) = record.event_time.filter(|time| *time < due) {
                missing.entry(hour_of(time)).or_default().insert(format!("call {}", record.request_id));
            }
        }
        for (key, change) in seen.changes() {
            if key.time < due {
                missing.entry(hour_of(key.time)).or_default().insert(format!("{} {}", change.operation, key.event_id));
            }
        }
        for (hour, mut missing) in missing {
            let partition = Partition { source: Source::Account, place: place.clone(), hour: Some(hour) };
            let mut reported = Facts::default();
            for read in self.observations.query(&partition, None).await? {
                match read.fact.map(|fact| fact.content) {
                    Ok(Content::Calls(bytes)) => {
                        // One that can't be read reports nothing.
                        let _ = reported.unpack(&place.account, &place.region, Some(hour), &bytes, true);
                    }
                    Ok(Content::Change(change)) => {
                        missing.remove(&format!("{} {}", change.change.operation, change.event_id));
                    }
                    _ => {}
                }
            }
            for record in reported.stored_records() {
                missing.remove(&format!("call {}", record.request_id));
            }
            if let Some(first) = missing.first() {
                let count = missing.len() as u64;
                let detail = format!(
                    "CloudTrail's event history shows {count} calls and changes that the account's auditor never reported; the first: {first}"
                );
                let time = start_of(hour);
                let gap = GapFact { missing: "reports".to_owned(), time, detail, count };
                self.observations.put(&Fact::new(Source::Hub, place.clone(), Some(time), Content::Gap(gap))).await?;
            }
        }
        Ok(())
    }

    /// Whether the heartbeat came through lately, where one is due.
    async fn heartbeat(&self, place: &Place) -> Result<(), CallError> {
        let minutes = self.settings.heartbeat_minutes;
        if minutes == 0 {
            return Ok(());
        }
        let now = self.clock.now();
        let due_since = now.plus_seconds(-2 * minutes * 60 - HISTORY_LAG);
        let known_key = format!("state/watched/{}/{}.json", place.account, place.region);
        let watched = self.bucket.get(&known_key).await?.and_then(|json| serde_json::from_slice::<Cursor>(&json).ok());
        let Some(watched) = watched else {
            // None is due yet from what is watched only from now on.
            return self.bucket.put(&known_key, json!(Cursor { read_until: now }).to_string().into_bytes()).await;
        };
        if watched.read_until > due_since {
            return Ok(());
        }
        for hour in hour_of(due_since)..=hour_of(now) {
            let partition = Partition { source: Source::Account, place: place.clone(), hour: Some(hour) };
            let heartbeats = self.observations.query(&partition, Some("heartbeat#")).await?;
            let recent = |content: Content| matches!(content, Content::Heartbeat(heartbeat) if heartbeat.time >= due_since);
            if heartbeats.into_iter().filter_map(|read| read.fact.ok()).any(|fact| recent(fact.content)) {
                // What ends the alarm about silent accounts.
                self.metrics.emit(&[("silent", 0)]);
                return Ok(());
            }
        }
        let time = start_of(hour_of(now));
        let detail = format!("no heartbeat came through since {due_since}: what happens here isn't seen");
        let gap = GapFact { missing: "heartbeat".to_owned(), time, detail, count: 1 };
        // What the alarm about silent accounts looks at.
        self.metrics.emit(&[("silent", 1)]);
        self.observations.put(&Fact::new(Source::Hub, place.clone(), Some(time), Content::Gap(gap))).await.map(|_| ())
    }

    /// Tells the fold that the hub looked.
    async fn tell(&self, place: &Place, changed: Vec<String>) -> Result<(), CallError> {
        let time = self.clock.now();
        let read = Fact::new(Source::Hub, place.clone(), Some(time), Content::Read(ReadFact { time, changed }));
        self.observations.put(&read).await.map(|_| ())
    }

    async fn organization(&self) -> Result<(), CallError> {
        let Some(management) = &self.settings.management_account else { return Ok(()) };
        let place = Place::new(management.as_str(), "us-east-1");
        let (state, keeper) = (self.eyes.of(&place).await, self.keeper());
        let Some(organization) = Survey::new(&state, &keeper).organization().await? else { return Ok(()) };
        let accounts =
            organization.get("Accounts").and_then(Value::as_array).into_iter().flatten().filter_map(|account| account.get("Id")?.as_str());
        let orders: Vec<String> = accounts.map(|account| json!(Order::Account { account: account.to_owned() }).to_string()).collect();
        self.queue.send(&orders, 0).await?;
        self.tell(&place, keeper.into_changed()).await
    }

    /// An account's effective policy. Throttling is an error, and the order comes again: what is not known stays as it was known.
    async fn account(&self, account: &str) -> Result<(), CallError> {
        let management = self.settings.management_account.as_deref().unwrap_or(account);
        let (state, keeper) = (self.eyes.of(&Place::new(management, "us-east-1")).await, self.keeper());
        Survey::new(&state, &keeper).effective_policy(account).await?;
        let changed = keeper.into_changed();
        if changed.is_empty() {
            return Ok(());
        }
        self.tell(&Place::new(account, "us-east-1"), changed).await
    }

    /// Places that report although nobody watches them.
    pub async fn unwatched(&self) -> Result<BTreeSet<Place>, CallError> {
        let Some(findings) = &self.findings else { return Ok(BTreeSet::new()) };
        let accounts = self.accounts().await?;
        Ok(findings.places().await?.into_iter().filter(|place| !accounts.contains(&place.account)).collect())
    }
}

/// How far something was read.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cursor {
    read_until: Moment,
}

/// Keeps answers in the hub's world.
struct Keeper<'b, B> {
    snapshots: Snapshots<&'b B>,
    /// What said something new.
    changed: Mutex<Vec<String>>,
}

impl<B> Keeper<'_, B> {
    fn into_changed(self) -> Vec<String> {
        self.changed.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Bucket> Keep for Keeper<'_, B> {
    async fn kept(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    async fn keep(&self, stem: &str, json: &[u8]) -> Result<(), CallError> {
        if self.snapshots.write(stem, json).await? {
            self.changed.lock().unwrap_or_else(PoisonError::into_inner).push(stem.to_owned());
        }
        Ok(())
    }

    /// What is throttled comes again, with its order; what can't be read is not known.
    fn miss(&self, what: &str, error: CallError) -> Result<(), CallError> {
        if error.kind == ErrorKind::Retryable {
            return Err(error);
        }
        edge::warn(&format!("{what} can't be read"), &error);
        Ok(())
    }
}

/// What the function is called with.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Input {
    /// An order.
    Order(Order),
    /// A batch of the queue.
    Queue(SqsEvent),
}

impl<E: Eyes, B: Bucket, Q: Queue> Handler<Input, SqsBatchResponse> for Reconciler<E, B, Q> {
    async fn handle(&self, input: Input, _: &str) -> Result<SqsBatchResponse, BoxError> {
        let mut response = SqsBatchResponse::default();
        let event = match input {
            Input::Order(order) => {
                self.carry_out(&order).await?;
                return Ok(response);
            }
            Input::Queue(event) => event,
        };
        for message in event.records.iter().map(Message::of) {
            let outcome = match serde_json::from_str::<Order>(message.body) {
                Ok(order) => self.carry_out(&order).await,
                Err(error) => Err(CallError::new("read an order", ErrorKind::Refused, error)),
            };
            if let Err(error) = outcome {
                tracing::error!(message_id = message.id, error = chain(&error), "an order could not be carried out");
                response.add_failure(message.id);
            }
        }
        Ok(response)
    }
}
