//! `reconcile`: the hub looks for itself. It reads state by its reader role in each account, the organization in the management account,
//! and CloudTrail's event history; what it finds goes into the world in S3, and into facts that only the hub can write.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use audit_core::{
    auditor,
    cloudtrail::wanted::Wanted,
    facts::{Collector, Facts, Taken},
    moment::Moment,
    organization::{GLOBAL_REGION, Organization},
    world::{SnapshotPath, World},
};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_cloudtrail::{
    operation::lookup_events::{LookupEventsOutput, builders::LookupEventsFluentBuilder},
    types::{LookupAttribute, LookupAttributeKey},
};
use aws_smithy_types::retry::RetryConfig;
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
    state::{AwsState, NO_GUARDRAIL, Question, ReadState},
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
            let request = aws.cloudtrail().lookup_events().lookup_attributes(source.clone()).start_time(since);
            let page = at_a_pace(&aws, &request.set_next_token(token)).await?;
            records.extend(page.events().iter().filter_map(|event| event.cloud_trail_event().map(str::to_owned)));
            token = page.next_token;
            if token.is_none() {
                return Ok((records, true));
            }
            aws.sleep(BETWEEN_LOOK_UPS).await;
        }
        Ok((records, false))
    }
}

/// Two requests a second are allowed in an account and Region, and others may ask, too.
const BETWEEN_LOOK_UPS: Duration = Duration::from_millis(600);

/// So often a page is asked for before its order has to come again.
const LOOK_UPS: u32 = 5;

/// A page of event history. Not the SDK tries again, which may do so at once, but this does, each time after twice as long.
async fn at_a_pace(aws: &Aws, request: &LookupEventsFluentBuilder) -> Result<LookupEventsOutput, CallError> {
    let mut tried = 0;
    loop {
        let once = aws_sdk_cloudtrail::config::Config::builder().retry_config(RetryConfig::disabled());
        let answer = request.clone().customize().config_override(once).send().await;
        tried += 1;
        match answer.map_err(failed("LookupEvents")) {
            Err(error) if error.kind == ErrorKind::Retryable && tried < LOOK_UPS => {
                aws.sleep(BETWEEN_LOOK_UPS * 2_u32.pow(tried)).await;
            }
            answer => return answer,
        }
    }
}

impl ReaderRoles {
    /// Assumes the role of this path and name in each account.
    #[must_use]
    pub fn new(aws: Arc<Aws>, role: String) -> Self {
        ReaderRoles { aws, role }
    }

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

/// What is new is told for so many seconds: longer than an order that failed behind it takes to come again.
const TOLD_AGAIN: i64 = 3 * 60 * 60;

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
        let eyes = ReaderRoles::new(aws, role);
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
            Order::InvalidPolicies { token } => self.invalid_policies(token.as_deref()).await,
            Order::PolicyValidation { account } => self.policy_validation(account).await,
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
        if let Some((_, json)) = self.latest("organization").await? {
            let organization = serde_json::from_slice(&json).ok().and_then(|json| Organization::from_json(&json).ok());
            let active = organization.into_iter().flat_map(|organization| organization.accounts).filter(|(_, account)| account.active);
            accounts.extend(active.map(|(id, _)| id.to_string()));
        }
        Ok(accounts)
    }

    /// The latest snapshot of something: its time and its content.
    async fn latest(&self, stem: &str) -> Result<Option<(Option<Moment>, Vec<u8>)>, CallError> {
        let prefix = format!("{PREFIX}{stem}");
        let listed = self.bucket.list(&prefix).await?;
        let time = |key: &str| {
            let rest = key.strip_prefix(&prefix)?.strip_suffix(".json")?;
            if rest.is_empty() { Some(Moment::BEGINNING) } else { Moment::parse_basic(rest.strip_prefix('@')?) }
        };
        let latest = listed.iter().filter_map(|listed| Some((time(&listed.key)?, &listed.key))).max();
        let Some((time, key)) = latest else { return Ok(None) };
        let content = self.bucket.get(key).await?;
        Ok(content.map(|content| (Some(time).filter(|time| *time > Moment::BEGINNING), content)))
    }

    /// Writes a snapshot if it says something new. Whether it did, now or a while ago: who was to be told may not have been.
    async fn snapshot(&self, stem: &str, json: &[u8]) -> Result<bool, CallError> {
        let before = self.latest(stem).await?;
        let now = self.clock.now();
        if let Some((time, _)) = before.as_ref().filter(|(_, before)| says_the_same(before, json)) {
            return Ok(time.is_some_and(|time| time > now.plus_seconds(-TOLD_AGAIN)));
        }
        // The change was made when AWS says so, if that is after what was read before.
        let before = before.and_then(|(time, _)| time);
        let updated = updated_at(json).filter(|updated| *updated <= now && before.is_some_and(|before| *updated > before));
        let key = format!("{PREFIX}{stem}@{}.json", updated.unwrap_or(now).to_basic());
        self.bucket.put(&key, json.to_vec()).await?;
        Ok(true)
    }

    /// Reads something and writes a snapshot of it. Whether it is new; what can't be read is not known.
    async fn look(&self, state: &E::State, question: &Question, stem: &str, looks: &mut Looks) -> Result<Option<Vec<u8>>, CallError> {
        match state.read(question).await {
            Ok(json) => {
                if let Err(error) = check(stem, &json) {
                    edge::warn("an answer can't be used", &error);
                    looks.failed.get_or_insert(error);
                    return Ok(None);
                }
                if self.snapshot(stem, &json).await? {
                    looks.changed.push(stem.to_owned());
                }
                Ok(Some(json))
            }
            Err(error) if error.kind == ErrorKind::Retryable => Err(error),
            Err(error) => {
                edge::warn("state can't be read", &error);
                if error.kind == ErrorKind::Denied {
                    looks.refused.push(stem.to_owned());
                }
                Ok(None)
            }
        }
    }

    /// Looks at a place. Each part is done whatever becomes of the others: an account that doesn't let itself be read is watched all the more.
    async fn place(&self, place: &Place) -> Result<(), CallError> {
        let state = self.eyes.of(place).await;
        let mut looks = Looks::default();
        let parts = [
            self.settings(&state, place, &mut looks).await,
            self.guardrails(&state, place, &mut looks).await,
            self.consumers(&state, place, &mut looks).await,
            self.history(place).await,
            self.heartbeat(place).await,
        ];
        let read = parts.into_iter().collect::<Result<(), CallError>>();
        looks.whole = read.is_ok() && looks.failed.is_none() && looks.refused.is_empty() && !looks.partial;
        let refused = self.report_refused(place, &looks).await;
        self.tell(place, looks).await.and(read).and(refused)
    }

    /// What was read here before, and may be read no longer: what the world has of it grows old, and what changes isn't seen.
    async fn report_refused(&self, place: &Place, looks: &Looks) -> Result<(), CallError> {
        let mut lost: Vec<&str> = Vec::new();
        for stem in &looks.refused {
            if self.latest(stem).await?.is_some() {
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

    async fn settings(&self, state: &E::State, place: &Place, looks: &mut Looks) -> Result<(), CallError> {
        let Place { account, region } = place;
        self.look(state, &Question::EnforcedConfigurations, &format!("enforced-configurations/{account}/{region}"), looks).await?;
        self.look(state, &Question::Telemetry, &format!("telemetry/{account}/{region}"), looks).await?;
        if self.settings.management_account.is_none() {
            self.look(state, &Question::EffectivePolicy(account.clone()), &format!("effective-policies/{account}"), looks).await?;
        }
        Ok(())
    }

    async fn guardrails(&self, state: &E::State, place: &Place, looks: &mut Looks) -> Result<(), CallError> {
        let Place { account, region } = place;
        let listed = match state.read(&Question::Guardrails).await {
            Ok(json) => listed(&json),
            Err(error) if error.kind == ErrorKind::Retryable => return Err(error),
            Err(error) => {
                edge::warn("guardrails can't be listed", &error);
                looks.partial = true;
                return Ok(());
            }
        };
        let folder = format!("guardrails/{account}/{region}/");
        let mut present: BTreeSet<String> = BTreeSet::new();
        for (id, arn, _) in listed {
            let versions = match state.read(&Question::GuardrailVersions(id.clone())).await {
                Ok(json) => versions_in(&json),
                Err(error) if error.kind == ErrorKind::Retryable => return Err(error),
                Err(error) => {
                    edge::warn("the versions of a guardrail can't be listed", &error);
                    looks.partial = true;
                    Vec::new()
                }
            };
            let versions: BTreeSet<String> = versions.into_iter().chain(["DRAFT".to_owned()]).collect();
            for version in versions {
                let question = Question::Guardrail { id: id.clone(), version: version.clone() };
                let stem = format!("{folder}{id}/{version}");
                self.look(state, &question, &stem, looks).await?;
                present.insert(stem);
            }
            self.look(state, &Question::ResourcePolicy(arn), &format!("resource-policies/{account}/{region}/{id}"), looks).await?;
        }
        // What was there and isn't listed any more was deleted, perhaps without an event that anybody saw.
        for stem in self.known_stems(&folder).await?.difference(&present) {
            let Some((id, version)) = stem.strip_prefix(&folder).and_then(|rest| rest.split_once('/')) else { continue };
            if self.latest(stem).await?.is_some_and(|(_, json)| json != NO_GUARDRAIL) {
                let question = Question::Guardrail { id: id.to_owned(), version: version.to_owned() };
                self.look(state, &question, stem, looks).await?;
            }
        }
        Ok(())
    }

    /// What the world has snapshots of below a folder, without their times.
    async fn known_stems(&self, folder: &str) -> Result<BTreeSet<String>, CallError> {
        let listed = self.bucket.list(&format!("{PREFIX}{folder}")).await?;
        let stem = |key: &str| {
            let path = key.strip_prefix(PREFIX)?.strip_suffix(".json")?;
            Some(path.split('@').next().unwrap_or(path).to_owned())
        };
        Ok(listed.iter().filter_map(|listed| stem(&listed.key)).collect())
    }

    /// What uses guardrails or stands for models: profiles, agents, flows.
    async fn consumers(&self, state: &E::State, place: &Place, looks: &mut Looks) -> Result<(), CallError> {
        type Ask = fn(String) -> Question;
        let kinds: [(Question, &str, &str, &str, Ask); 3] = [
            (
                Question::InferenceProfiles,
                "inferenceProfileSummaries",
                "inferenceProfileId",
                "inference-profiles",
                Question::InferenceProfile,
            ),
            (Question::Agents, "agentSummaries", "agentId", "agents", Question::Agent),
            (Question::Flows, "flowSummaries", "id", "flows", Question::Flow),
        ];
        for (list, key, id, folder, ask) in kinds {
            let listed = match state.read(&list).await {
                Ok(json) => serde_json::from_slice::<Value>(&json).unwrap_or_default(),
                Err(error) if error.kind == ErrorKind::Retryable => return Err(error),
                Err(error) => {
                    edge::warn("a list can't be read", &error);
                    looks.partial = true;
                    continue;
                }
            };
            let ids = listed.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(|listed| listed.get(id)?.as_str());
            for id in ids {
                let stem = format!("{folder}/{}/{}/{id}", place.account, place.region);
                self.look(state, &ask(id.to_owned()), &stem, looks).await?;
            }
        }
        Ok(())
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
        let unreadable = records.iter().filter(|record| matches!(collector.value(record.as_bytes()), Taken::Unreadable(_))).count() as u64;
        let facts = collector.into_facts();
        self.report_gap(place, &facts, now).await?;
        for fact in facts_in(&facts) {
            self.observations.put(&fact).await?;
        }
        self.metrics.emit(&[
            ("history_records", records.len() as u64),
            ("history_unreadable", unreadable),
            ("history_incomplete", u64::from(!complete)),
        ]);
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

    /// Tells the fold that the hub looked; then, that something could not be used comes again as an order.
    async fn tell(&self, place: &Place, looks: Looks) -> Result<(), CallError> {
        let Looks { changed, failed, whole, .. } = looks;
        let time = self.clock.now();
        let read = Fact::new(Source::Hub, place.clone(), Some(time), Content::Read(ReadFact { time, changed, whole }));
        self.observations.put(&read).await?;
        failed.map_or(Ok(()), Err)
    }

    async fn organization(&self) -> Result<(), CallError> {
        let Some(management) = &self.settings.management_account else { return Ok(()) };
        let place = Place::new(management.as_str(), GLOBAL_REGION);
        let state = self.eyes.of(&place).await;
        let mut looks = Looks::default();
        let Some(json) = self.look(&state, &Question::Organization, "organization", &mut looks).await? else {
            return looks.failed.map_or(Ok(()), Err);
        };
        let organization: Value = serde_json::from_slice(&json).unwrap_or_default();
        let policies: BTreeSet<&str> = organization
            .get("Attachments")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|attachment| attachment.get("PolicyId")?.as_str())
            .collect();
        for policy in policies {
            self.look(&state, &Question::Policy(policy.to_owned()), &format!("policies/{policy}"), &mut looks).await?;
        }
        let accounts =
            organization.get("Accounts").and_then(Value::as_array).into_iter().flatten().filter_map(|account| account.get("Id")?.as_str());
        let mut orders: Vec<Order> = accounts.map(|account| Order::Account { account: account.to_owned() }).collect();
        orders.push(Order::InvalidPolicies { token: None });
        // Those that were invalid, too: only AWS's word that nothing is wrong any more puts it right.
        orders.extend(self.known_as_invalid().await?.into_iter().map(|account| Order::PolicyValidation { account }));
        self.send(&orders).await?;
        self.tell(&place, looks).await
    }

    /// An account's effective policy. Throttling is an error, and the order comes again: what is not known stays as it was known.
    async fn account(&self, account: &str) -> Result<(), CallError> {
        let management = self.settings.management_account.as_deref().unwrap_or(account);
        let state = self.eyes.of(&Place::new(management, GLOBAL_REGION)).await;
        let mut looks = Looks::default();
        self.look(&state, &Question::EffectivePolicy(account.to_owned()), &format!("effective-policies/{account}"), &mut looks).await?;
        if looks.is_empty() {
            return Ok(());
        }
        self.tell(&Place::new(account, GLOBAL_REGION), looks).await
    }

    async fn send(&self, orders: &[Order]) -> Result<(), CallError> {
        let orders: Vec<String> = orders.iter().map(|order| json!(order).to_string()).collect();
        self.queue.send(&orders, 0).await
    }

    /// What sees as the management account does; `None` if there is no organization.
    async fn management(&self) -> Option<E::State> {
        let management = self.settings.management_account.as_ref()?;
        Some(self.eyes.of(&Place::new(management.as_str(), GLOBAL_REGION)).await)
    }

    async fn invalid_policies(&self, token: Option<&str>) -> Result<(), CallError> {
        let Some(state) = self.management().await else { return Ok(()) };
        let page = match state.read(&Question::InvalidPolicies(token.map(str::to_owned))).await {
            Ok(json) => serde_json::from_slice::<Value>(&json).unwrap_or_default(),
            Err(error) if error.kind == ErrorKind::Denied => {
                edge::warn("invalid policies can't be listed", &error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let Some(accounts) = page.get("Accounts").and_then(Value::as_array) else {
            return Err(CallError::new("list invalid policies", ErrorKind::Retryable, "the answer holds no accounts"));
        };
        let ids = accounts.iter().filter_map(|account| account.get("Id")?.as_str());
        let mut orders: Vec<Order> = ids.map(|account| Order::PolicyValidation { account: account.to_owned() }).collect();
        if let Some(next) = page.get("NextToken").and_then(Value::as_str) {
            orders.push(Order::InvalidPolicies { token: Some(next.to_owned()) });
        }
        self.send(&orders).await
    }

    async fn policy_validation(&self, account: &str) -> Result<(), CallError> {
        let Some(state) = self.management().await else { return Ok(()) };
        let mut looks = Looks::default();
        let question = Question::PolicyValidation(account.to_owned());
        self.look(&state, &question, &format!("{INVALID_POLICIES}{account}"), &mut looks).await?;
        if looks.is_empty() {
            return Ok(());
        }
        self.tell(&Place::new(account, GLOBAL_REGION), looks).await
    }

    /// The accounts whose policies were invalid when they were last asked about.
    async fn known_as_invalid(&self) -> Result<BTreeSet<String>, CallError> {
        let mut invalid = BTreeSet::new();
        for stem in self.known_stems(INVALID_POLICIES).await? {
            let answer = self.latest(&stem).await?.and_then(|(_, json)| serde_json::from_slice::<Value>(&json).ok()).unwrap_or_default();
            // What can't be read isn't known to be right again.
            if answer.get("EffectivePolicyValidationErrors").and_then(Value::as_array).is_none_or(|errors| !errors.is_empty()) {
                invalid.extend(stem.strip_prefix(INVALID_POLICIES).map(str::to_owned));
            }
        }
        Ok(invalid)
    }

    /// Places that report although nobody watches them.
    pub async fn unwatched(&self) -> Result<BTreeSet<Place>, CallError> {
        let Some(findings) = &self.findings else { return Ok(BTreeSet::new()) };
        let accounts = self.accounts().await?;
        Ok(findings.places().await?.into_iter().filter(|place| !accounts.contains(&place.account)).collect())
    }
}

/// Where the world keeps what is wrong with effective policies.
const INVALID_POLICIES: &str = "invalid-policies/";

/// What looking came to.
#[derive(Debug, Default)]
struct Looks {
    /// What is new in the world.
    changed: Vec<String>,
    /// The first answer that couldn't be used.
    failed: Option<CallError>,
    /// What may not be read.
    refused: Vec<String>,
    /// A list may not be read.
    partial: bool,
    /// All could be read.
    whole: bool,
}

impl Looks {
    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.failed.is_none()
    }
}

/// How far something was read.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cursor {
    read_until: Moment,
}

/// Whether the world can use an answer. One that it can't would lie there in vain, and what was known before would go on to hold.
fn check(stem: &str, json: &[u8]) -> Result<(), CallError> {
    let Some(path) = SnapshotPath::parse(&format!("{stem}.json")) else { return Ok(()) };
    let unusable = |error| CallError::new(format!("use the answer for {stem}"), ErrorKind::Retryable, error);
    World::default().add(&path, json).map_err(unusable)
}

/// Ids, ARNs and versions in ListGuardrails' answer.
fn listed(json: &[u8]) -> Vec<(String, String, String)> {
    let answer: Value = serde_json::from_slice(json).unwrap_or_default();
    let guardrails = answer.get("guardrails").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |guardrail: &Value, key: &str| guardrail.get(key).and_then(Value::as_str).map(str::to_owned);
    guardrails.iter().filter_map(|guardrail| Some((text(guardrail, "id")?, text(guardrail, "arn")?, text(guardrail, "version")?))).collect()
}

fn versions_in(json: &[u8]) -> Vec<String> {
    listed(json).into_iter().map(|(.., version)| version).collect()
}

/// Whether two answers say the same, whatever they were sent with: some carry the time at which they were asked.
fn says_the_same(a: &[u8], b: &[u8]) -> bool {
    fn bare(json: &[u8]) -> Option<Value> {
        fn strip(value: &mut Value) {
            match value {
                Value::Object(object) => {
                    for key in
                        ["LastUpdatedTimestamp", "EvaluationTimestamp", "nextToken", "LatestDeliveryTime", "LatestDigestDeliveryTime"]
                    {
                        object.remove(key);
                    }
                    object.values_mut().for_each(strip);
                }
                Value::Array(items) => items.iter_mut().for_each(strip),
                _ => {}
            }
        }
        let mut value: Value = serde_json::from_slice(json).ok()?;
        strip(&mut value);
        Some(value)
    }
    a == b || bare(a).is_some_and(|a| bare(b) == Some(a))
}

/// When AWS says that this was changed.
fn updated_at(json: &[u8]) -> Option<Moment> {
    let answer: Value = serde_json::from_slice(json).ok()?;
    let direct = answer.get("updatedAt");
    let configured = answer.pointer("/guardrailsConfig/0/updatedAt");
    Moment::parse(direct.or(configured)?.as_str()?)
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
