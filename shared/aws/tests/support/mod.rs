//! Tables on a DynamoDB engine: in this process, or at `DYNAMODB_ENDPOINT`.

#![allow(dead_code, unreachable_pub, clippy::indexing_slicing, clippy::panic, clippy::pedantic, reason = "each test file uses its part")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use audit_aws::{
    aws::Aws,
    bounds::Bounds,
    bucket::{Bucket, MemoryBucket},
    clock::Clock,
    error::{CallError, ErrorKind},
    findings::Findings,
    fold::{Attempted, Fold, FoldTask, Request, Trust},
    invocations::InvocationAuditor,
    metrics::Metrics,
    observations::{Item, Observations},
    partition::AccountRegion,
    queue::MemoryQueue,
    route::Router,
    state::{Question, ReadState},
    stream::{StreamHandler as _, StreamRecord},
};
use audit_core::{finding::Finding, timestamp::Timestamp};
use audit_local::world::LoadedWorld;
use aws_config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, IndexStatus, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TableStatus,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use cases::Case;

pub mod double;

/// The present time in tests.
pub const NOW: &str = cases::NOW;

/// The hub's account in tests.
pub const HUB: &str = "999988887777";

pub fn now() -> Timestamp {
    Timestamp::parse(NOW).unwrap()
}

/// The tables of one test.
#[derive(Clone)]
pub struct Tables {
    pub aws: Arc<Aws>,
    pub observations: String,
    pub findings: String,
    pub notes: String,
}

/// An engine in this process, unless the environment names another.
pub async fn endpoint() -> String {
    if let Ok(endpoint) = std::env::var("DYNAMODB_ENDPOINT") {
        return endpoint;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
    format!("http://{address}")
}

pub fn aws_at(endpoint: &str, attempts: u32) -> Aws {
    let http = aws_smithy_http_client::Builder::new();
    if endpoint.starts_with("https:") {
        return aws_through(endpoint, attempts, http.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https());
    }
    aws_through(endpoint, attempts, http.build_http())
}

/// Uses this client.
pub fn aws_through(endpoint: &str, attempts: u32, http: impl aws_smithy_runtime_api::client::http::HttpClient + 'static) -> Aws {
    // Real tables need credentials; engines on this machine don't.
    let own = |name: &str| std::env::var(name).ok().filter(|_| std::env::var("DYNAMODB_ENDPOINT").is_ok_and(|named| named == endpoint));
    let credentials = match (own("AWS_ACCESS_KEY_ID"), own("AWS_SECRET_ACCESS_KEY")) {
        (Some(id), Some(secret)) => Credentials::new(id, secret, own("AWS_SESSION_TOKEN"), None, "environment"),
        _ => Credentials::new(HUB, "test", None, None, "test"),
    };
    let config = aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new(own("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned())))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(attempts))
        .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(aws_smithy_async::rt::sleep::TokioSleep::new()))
        .time_source(aws_smithy_async::time::SystemTimeSource::new())
        .build();
    Aws::with(config)
}

static TABLES: AtomicU64 = AtomicU64::new(0);

pub async fn tables() -> Tables {
    tables_at(&endpoint().await).await
}

pub async fn tables_at(endpoint: &str) -> Tables {
    let aws = Arc::new(aws_at(endpoint, 3));
    let name = |what: &str| format!("test-{what}-{}-{}", std::process::id(), TABLES.fetch_add(1, Ordering::Relaxed));
    let tables = Tables { aws, observations: name("observations"), findings: name("findings"), notes: name("notes") };
    let attribute =
        |name: &str| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap();
    let key = |name: &str, kind: KeyType| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let create = |name: &str| {
        let request = tables.aws.dynamodb().create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
        let request = request.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range));
        request.attribute_definitions(attribute("pk")).attribute_definitions(attribute("sk"))
    };
    create(&tables.observations).send().await.unwrap();
    create(&tables.notes).send().await.unwrap();
    let mut request = create(&tables.findings).attribute_definitions(attribute("gsi_seen"));
    for by in ["account", "rule", "status", "region"] {
        let hash = format!("gsi_{by}");
        let index = GlobalSecondaryIndex::builder()
            .index_name(format!("by_{by}"))
            .key_schema(key(&hash, KeyType::Hash))
            .key_schema(key("gsi_seen", KeyType::Range))
            .projection(Projection::builder().projection_type(ProjectionType::All).build());
        request = request.attribute_definitions(attribute(&hash)).global_secondary_indexes(index.build().unwrap());
    }
    request.send().await.unwrap();
    for table in [&tables.observations, &tables.findings, &tables.notes] {
        tables.wait_until_active(table).await;
    }
    tables
}

/// The way from the stream to findings: the router, its queue, and the fold behind it.
pub struct Judging<B = MemoryBucket> {
    pub router: Router<MemoryQueue>,
    pub fold: Fold<B, MemoryQueue>,
    pub queue: MemoryQueue,
}

impl<B> std::ops::Deref for Judging<B> {
    type Target = Fold<B, MemoryQueue>;

    fn deref(&self) -> &Self::Target {
        &self.fold
    }
}

/// A time at which no invocation ends while a test lasts.
pub fn no_deadline() -> std::time::Instant {
    std::time::Instant::now() + std::time::Duration::from_secs(3_600)
}

impl<B: Bucket> Judging<B> {
    /// Routes a batch of the stream, and handles the messages once. Answers with where the stream has to begin again, if anything failed:
    /// messages that failed stay in the queue, and the batch comes again as well.
    pub async fn take(&self, records: &[StreamRecord]) -> Option<String> {
        let failed = self.router.take(records).await;
        let all_attempted = self.deliver().await;
        failed.or_else(|| records.first().map(|first| first.sequence.clone()).filter(|_| !all_attempted))
    }

    /// Handles each message once, also those that are sent meanwhile. Whether none failed.
    pub async fn deliver(&self) -> bool {
        let mut failed = Vec::new();
        loop {
            let messages = self.queue.take_ordered();
            if messages.is_empty() {
                break;
            }
            for message in messages {
                // A group waits for its first message.
                let waits = failed.iter().any(|failed: &audit_aws::queue::Ordered| failed.group == message.group);
                if waits || self.attempt_message(&message).await.is_err() {
                    failed.push(message);
                }
            }
        }
        let none = failed.is_empty();
        failed.into_iter().rev().for_each(|message| self.queue.put_back(message));
        none
    }

    /// Has everything made again, and waits for it.
    pub async fn rebuild(&self) {
        self.carry_out(Request::Rebuild { account: None }).await.unwrap();
        assert!(self.deliver().await);
    }

    pub async fn attempt_message(&self, message: &audit_aws::queue::Ordered) -> Result<Attempted, CallError> {
        let task: FoldTask = serde_json::from_str(&message.body).unwrap();
        assert_eq!(task.account, message.group, "one account at a time");
        self.fold.attempt(&task, no_deadline()).await
    }
}

/// The way in which a call to the store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Once, before it takes effect.
    Before,
    /// Once, after it took effect: the answer is lost.
    After,
    /// Before it takes effect, and so do all later calls, as if the process were killed.
    KillBefore,
    /// After it took effect, and so do all later calls.
    KillAfter,
}

/// Lets calls pass until the one that is to fail.
#[derive(Clone, Debug, Default)]
pub struct Unreliable {
    calls: Arc<AtomicU64>,
    fails: Arc<std::sync::Mutex<Option<(u64, Failure)>>>,
}

impl Unreliable {
    pub fn fail_at(&self, call: u64, failure: Failure) {
        self.calls.store(0, Ordering::SeqCst);
        *self.fails.lock().unwrap() = Some((call, failure));
    }

    /// The number of calls since the last choice of the one that is to fail.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Lets all calls pass again. Returns whether one failed.
    pub fn recover(&self) -> bool {
        let (call, _) = self.fails.lock().unwrap().take().unwrap_or((u64::MAX, Failure::Before));
        self.calls.load(Ordering::SeqCst) >= call
    }

    /// Whether the process counts as killed, so that nothing that it sends arrives.
    pub fn is_dead(&self) -> bool {
        let fails = *self.fails.lock().unwrap();
        matches!(fails, Some((call, Failure::KillBefore | Failure::KillAfter)) if self.calls.load(Ordering::SeqCst) >= call)
    }

    fn fate(&self) -> Option<Failure> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let fails = *self.fails.lock().unwrap();
        fails.and_then(|(at, failure)| match failure {
            Failure::Before | Failure::After => (call == at).then_some(failure),
            Failure::KillBefore | Failure::KillAfter if call == at => Some(failure),
            _ => (call > at).then_some(Failure::Before),
        })
    }
}

#[derive(Clone, Debug)]
struct UnreliableHttp<C>(C, Unreliable);

impl aws_smithy_runtime_api::client::http::HttpConnector for UnreliableHttp<aws_smithy_runtime_api::client::http::SharedHttpConnector> {
    fn call(
        &self,
        request: aws_smithy_runtime_api::client::orchestrator::HttpRequest,
    ) -> aws_smithy_runtime_api::client::http::HttpConnectorFuture {
        let fate = self.1.fate();
        let connector = self.0.clone();
        aws_smithy_runtime_api::client::http::HttpConnectorFuture::new(async move {
            let error = || aws_smithy_runtime_api::client::result::ConnectorError::io("it was made to fail".into());
            if matches!(fate, Some(Failure::Before | Failure::KillBefore)) {
                return Err(error());
            }
            let answer = connector.call(request).await;
            if fate.is_some() { Err(error()) } else { answer }
        })
    }
}

impl aws_smithy_runtime_api::client::http::HttpClient for UnreliableHttp<aws_smithy_runtime_api::client::http::SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &aws_smithy_runtime_api::client::http::HttpConnectorSettings,
        components: &aws_smithy_runtime_api::client::runtime_components::RuntimeComponents,
    ) -> aws_smithy_runtime_api::client::http::SharedHttpConnector {
        use aws_smithy_runtime_api::client::http::SharedHttpConnector;
        SharedHttpConnector::new(UnreliableHttp(self.0.http_connector(settings, components), self.1.clone()))
    }
}

impl Tables {
    /// The same tables over a connection that can be made to fail and doesn't retry.
    pub fn unreliable(&self, endpoint: &str) -> (Tables, Unreliable) {
        let unreliable = Unreliable::default();
        let http = UnreliableHttp(aws_smithy_http_client::Builder::new().build_http(), unreliable.clone());
        (Tables { aws: Arc::new(aws_through(endpoint, 1, http)), ..self.clone() }, unreliable)
    }

    /// Waits until the table and its indexes are active. Not every engine reports the state of indexes.
    async fn wait_until_active(&self, name: &str) {
        for _ in 0..600 {
            let answer = self.aws.dynamodb().describe_table().table_name(name).send().await.unwrap();
            let table = answer.table.unwrap();
            let indexes = table.global_secondary_indexes().iter();
            let ready = indexes.filter_map(|index| index.index_status()).all(|status| *status == IndexStatus::Active);
            if table.table_status.is_none_or(|status| status == TableStatus::Active) && ready {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        panic!("{name} isn't there after five minutes");
    }

    /// Deletes the tables, so that a foreign engine is left as it was.
    pub async fn delete(&self) {
        for table in [&self.observations, &self.findings, &self.notes] {
            self.aws.dynamodb().delete_table().table_name(table).send().await.unwrap();
        }
    }

    pub fn observations(&self) -> Observations {
        Observations::new(Arc::clone(&self.aws), self.observations.clone(), 400)
    }

    pub fn findings(&self) -> Findings {
        Findings::new(Arc::clone(&self.aws), self.findings.clone()).with_notes(self.notes.clone())
    }

    pub fn fold(&self, bucket: &MemoryBucket, trust: Trust) -> Judging {
        self.fold_at(bucket, trust, now())
    }

    /// The same, at another time.
    pub fn fold_at<B: Bucket + Clone>(&self, bucket: &B, trust: Trust, at: Timestamp) -> Judging<B> {
        let judging = self.sealing_fold_at(bucket, trust, at);
        // No hour is old enough to be sealed.
        Judging { fold: judging.fold.sealing_after(1_000 * 24), ..judging }
    }

    /// A fold that seals hours, as it does in AWS.
    pub fn sealing_fold_at<B: Bucket + Clone>(&self, bucket: &B, trust: Trust, at: Timestamp) -> Judging<B> {
        self.fold_keeping(bucket, trust, at, 400)
    }

    /// The same, where facts are kept for so many days.
    pub fn fold_keeping<B: Bucket + Clone>(&self, bucket: &B, trust: Trust, at: Timestamp, days: i64) -> Judging<B> {
        let (queue, key, clock) = (MemoryQueue::default(), "configuration/guardrail-audit.toml".to_owned(), Clock::At(at));
        let bounds = Bounds { regions: vec!["us-east-1".to_owned()], facts_ttl_days: days };
        let routes = metrics("route-observations");
        let router = Router::new(self.observations(), self.findings(), queue.clone(), trust.clone(), bounds, routes, clock);
        let (tables, bucket, folds) = ((self.observations(), self.findings()), bucket.clone(), metrics("fold-findings"));
        let fold = Fold::new(tables.0, tables.1, bucket, queue.clone(), key, trust, days, folds, clock);
        Judging { router, fold, queue }
    }

    /// All items of a table.
    pub async fn items(&self, table: &str) -> Vec<Item> {
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let page = self.aws.dynamodb().scan().table_name(table).set_exclusive_start_key(start).send().await.unwrap();
            start = page.last_evaluated_key;
            items.extend(page.items.unwrap_or_default());
            if start.is_none() {
                return items;
            }
        }
    }

    /// What is derived from facts: the items of the table of findings, without those that depend on how they came about, such as tickets.
    pub async fn derived(&self) -> Vec<(String, String)> {
        let bare = |item: Item| {
            let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            (format!("{} {}", text("pk"), text("sk")), format!("{}{}{}", text("finding"), text("rollup"), text("blind")))
        };
        let mut items: Vec<(String, String)> = self.items(&self.findings).await.into_iter().map(bare).collect();
        // An account of which there is nothing to say may have been judged or not.
        items.retain(|(key, item)| key.starts_with("FINDINGS#") || key.starts_with("ROLLUP#") || (key.ends_with("BLIND") && item != "[]"));
        items.sort();
        items
    }

    /// The facts, as the stream reports their insertion.
    pub async fn inserted(&self) -> Vec<StreamRecord> {
        let items = self.items(&self.observations).await;
        items.into_iter().enumerate().map(|(number, new)| inserted(number, new)).collect()
    }

    /// Folds all facts, and those that the fold writes, until none is new.
    pub async fn fold_all(&self, fold: &Judging) {
        self.fold_all_written_at(fold, now()).await;
    }

    /// The same for facts that were written at another time.
    pub async fn fold_all_written_at(&self, fold: &Judging, written: Timestamp) {
        let mut known = std::collections::BTreeSet::new();
        loop {
            let new = self.inserted().await.into_iter().filter(|record| known.insert((record.pk().to_owned(), record.sk().to_owned())));
            let records: Vec<StreamRecord> = new.map(|record| StreamRecord { time: Some(written), ..record }).collect();
            if records.is_empty() {
                return;
            }
            assert_eq!(fold.take(&records).await, None, "all is folded");
        }
    }

    /// All findings of all accounts, by id.
    pub async fn all_findings(&self) -> Vec<Finding> {
        let findings = self.findings();
        let mut all = Vec::new();
        let accounts: std::collections::BTreeSet<String> =
            findings.account_regions().await.unwrap().into_iter().map(|account_region| account_region.account).collect();
        for account in accounts {
            all.extend(findings.of_account(&account).await.unwrap().into_values().map(|stored| stored.finding));
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }
}

/// Builds CloudTrail records, as EventBridge delivers them.
pub mod history {
    use serde_json::{Value, json};

    pub const MANAGEMENT: &str = "111122223333";
    pub const MEMBER: &str = "222233334444";
    pub const GUARDRAIL: &str = "arn:aws:bedrock:us-east-1:111122223333:guardrail/required1";

    pub fn envelope(record: &Value) -> String {
        json!({"detail-type": "AWS API Call via CloudTrail", "source": "aws.bedrock", "account": record["recipientAccountId"], "detail": record}).to_string()
    }

    /// A record. `number` gives its ids, `minute` its time on 2026-11-20.
    pub fn record(account: &str, name: &str, number: u64, minute: u64, parameters: &Value) -> Value {
        let time = format!("2026-11-20T{:02}:{:02}:{:02}Z", 10 + minute / 60, minute % 60, number % 60);
        json!({"eventVersion": "1.10", "eventTime": time, "requestID": format!("{number:08x}-0000-4000-8000-000000000000"),
            "eventID": format!("{number:08x}-0000-4000-9000-000000000000"),
            "eventSource": if name.ends_with("Policy") { "organizations.amazonaws.com" } else { "bedrock.amazonaws.com" },
            "eventName": name, "eventType": "AwsApiCall", "eventCategory": if name == "ApplyGuardrail" { "Data" } else { "Management" },
            "awsRegion": "us-east-1", "recipientAccountId": account, "requestParameters": parameters, "responseElements": null,
            "userIdentity": {"type": "IAMUser", "arn": format!("arn:aws:iam::{account}:user/number-{}", number % 3), "accountId": account}})
    }

    pub fn call(account: &str, number: u64, minute: u64) -> Value {
        record(account, "Converse", number, minute, &json!({"modelId": "anthropic.claude-3-haiku-20240307-v1:0"}))
    }

    /// A call that requests a guardrail.
    pub fn guarded_call(account: &str, number: u64, minute: u64, guardrail: &str) -> Value {
        let parameters = json!({"modelId": "anthropic.claude-3-haiku-20240307-v1:0", "guardrailConfig": {"guardrailIdentifier": guardrail, "guardrailVersion": "1"}});
        record(account, "Converse", number, minute, &parameters)
    }

    /// The evaluation of the call with this number.
    pub fn evaluation(account: &str, of: u64, minute: u64, guardrail: &str) -> Value {
        let mut evaluation =
            record(account, "ApplyGuardrail", of, minute, &json!({"guardrailIdentifier": "ENFORCED", "guardrailVersion": "ENFORCED"}));
        evaluation["eventID"] = json!(format!("{of:08x}-0000-4000-a000-000000000000"));
        evaluation["resources"] = json!([{"type": "AWS::Bedrock::Guardrail", "ARN": guardrail}]);
        evaluation
    }

    pub fn enforced_policy(guardrail: &str) -> Value {
        let region = json!({"config_1": {"identifier": format!("{guardrail}:1")}});
        let content = json!({"bedrock": {"guardrail_inference": {"us-east-1": region}}});
        json!({"EffectivePolicy": {"PolicyContent": content.to_string(), "PolicyType": "BEDROCK_POLICY"}})
    }

    /// A world in which nothing is enforced on the member.
    pub fn bare_world() -> Vec<(String, Vec<u8>)> {
        world(&json!({"EffectivePolicy": null}))
    }

    /// The same, with another member of the organization on which nothing is enforced either.
    pub fn bare_world_with(other: &str) -> Vec<(String, Vec<u8>)> {
        let bytes = |json: Value| json.to_string().into_bytes();
        let mut files = bare_world();
        for (_, json) in files.iter_mut().filter(|(path, _)| path == "organization.json") {
            let mut organization: Value = serde_json::from_slice(json).unwrap();
            let member = json!({"Id": other, "Name": "lab", "State": "ACTIVE", "ParentId": "ou-ab12-prodprod"});
            organization["Accounts"].as_array_mut().unwrap().push(member);
            *json = bytes(organization);
        }
        files.push((format!("effective-policies/{other}.json"), bytes(json!({"EffectivePolicy": null}))));
        files.push((format!("enforced-configurations/{other}/us-east-1.json"), bytes(json!({"guardrailsConfig": []}))));
        files
    }

    pub fn world(policy: &Value) -> Vec<(String, Vec<u8>)> {
        let organization = json!({"Organization": {"Id": "o-exampleorgid", "MasterAccountId": MANAGEMENT}, "OrganizationalUnits": [{"Id": "ou-ab12-prodprod", "Name": "prod", "ParentId": "r-ab12"}],
            "Accounts": [{"Id": MEMBER, "Name": "shop", "State": "ACTIVE", "ParentId": "ou-ab12-prodprod"}],
            "Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}], "Attachments": []});
        [
            ("organization.json".to_owned(), organization),
            (format!("effective-policies/{MEMBER}.json"), policy.clone()),
            (format!("enforced-configurations/{MEMBER}/us-east-1.json"), json!({"guardrailsConfig": []})),
        ]
        .into_iter()
        .map(|(path, json)| (path, json.to_string().into_bytes()))
        .collect()
    }
}

/// A small generator (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = usize::try_from(self.below(at as u64 + 1)).unwrap();
            items.swap(at, other);
        }
    }
}

pub fn inserted(number: usize, new: Item) -> StreamRecord {
    StreamRecord { sequence: format!("{:021}", number + 1), time: Some(now()), new, ..StreamRecord::default() }
}

pub fn metrics(function: &'static str) -> Metrics {
    Metrics::new("Test".to_owned(), function, Clock::At(now())).silent()
}

/// A source of state: the files of a world.
#[derive(Clone, Debug, Default)]
pub struct StateOf {
    pub account_region: Option<AccountRegion>,
    pub files: std::collections::BTreeMap<String, Vec<u8>>,
}

impl ReadState for StateOf {
    async fn read(&self, question: &Question) -> Result<Vec<u8>, CallError> {
        let account_region = self.account_region.clone().unwrap_or_else(|| AccountRegion::new("222233334444", "us-east-1"));
        let path = match question {
            Question::EffectivePolicy(account) => format!("effective-policies/{account}.json"),
            Question::EnforcedConfigurations => {
                format!("enforced-configurations/{}/{}.json", account_region.account, account_region.region)
            }
            other => return Err(CallError::new(format!("read {other:?}"), ErrorKind::Denied, "not in this test")),
        };
        self.files.get(&path).cloned().ok_or_else(|| CallError::new("read state", ErrorKind::Denied, "not in this test"))
    }
}

/// The account and Region in which the functions of tests run by default.
pub fn own() -> AccountRegion {
    AccountRegion::new(history::MEMBER, "us-east-1")
}

pub fn invocation_auditor<S: ReadState>(tables: &Tables, state: S) -> InvocationAuditor<S> {
    InvocationAuditor::new(tables.observations(), state, metrics("audit-invocations"), Clock::At(now()))
}

/// The world of a case, as if read from its folder.
pub fn world_of(case: &Case) -> LoadedWorld {
    let mut world = LoadedWorld::default();
    for (path, json) in case.world().unwrap() {
        world.take(path.clone(), json, Path::new(&path));
    }
    world
}

/// Puts the files of a world, and a configuration, into a bucket.
pub async fn bucket_with(files: impl IntoIterator<Item = (String, Vec<u8>)>, configuration: Option<&str>) -> MemoryBucket {
    let bucket = MemoryBucket::default();
    for (path, json) in files {
        bucket.put(&format!("world/{path}"), json).await.unwrap();
    }
    if let Some(configuration) = configuration {
        bucket.put("configuration/guardrail-audit.toml", configuration.as_bytes().to_vec()).await.unwrap();
    }
    bucket
}
