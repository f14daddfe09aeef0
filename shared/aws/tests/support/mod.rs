//! Tables on an engine: in this process, or wherever `DYNAMODB_ENDPOINT` says.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use audit_aws::{
    aws::Aws,
    bucket::{Bucket, MemoryBucket},
    clock::Clock,
    error::{CallError, ErrorKind},
    findings::Findings,
    fold::{Fold, Trust},
    invocations::InvocationAuditor,
    metrics::Metrics,
    observations::{Item, Observations},
    place::Place,
    state::{Question, ReadState},
    stream::StreamRecord,
};
use audit_core::{finding::Finding, moment::Moment};
use aws_config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
    StreamSpecification, StreamViewType,
};

/// The time at which tests happen.
pub const NOW: &str = "2026-11-22T00:00:00Z";

/// The hub's account in tests.
pub const HUB: &str = "999988887777";

pub fn now() -> Moment {
    Moment::parse(NOW).unwrap()
}

/// Two tables of their own.
#[derive(Clone)]
pub struct Tables {
    pub aws: Arc<Aws>,
    pub observations: String,
    pub findings: String,
}

/// An engine of one's own, unless the environment names one.
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
    let config = aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(HUB, "test", None, None, "test")))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::standard().with_max_attempts(attempts))
        .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(aws_smithy_async::rt::sleep::TokioSleep::new()))
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
    let tables = Tables { aws, observations: name("observations"), findings: name("findings") };
    let attribute =
        |name: &str| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap();
    let key = |name: &str, kind: KeyType| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let stream = || StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewAndOldImages).build().unwrap();
    let create = |name: &str| {
        let request = tables.aws.dynamodb().create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
        let request = request.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range)).stream_specification(stream());
        request.attribute_definitions(attribute("pk")).attribute_definitions(attribute("sk"))
    };
    create(&tables.observations).send().await.unwrap();
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
    tables
}

impl Tables {
    pub fn observations(&self) -> Observations {
        Observations::new(Arc::clone(&self.aws), self.observations.clone(), 400)
    }

    pub fn findings(&self) -> Findings {
        Findings::new(Arc::clone(&self.aws), self.findings.clone())
    }

    pub fn fold(&self, bucket: &MemoryBucket, trust: Trust) -> Fold<MemoryBucket> {
        let key = "configuration/guardrail-audit.toml".to_owned();
        Fold::new(self.observations(), self.findings(), bucket.clone(), key, trust, 400, metrics("fold-findings"), Clock::At(now()))
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

    /// The facts, as the stream would report that they were written.
    pub async fn inserted(&self) -> Vec<StreamRecord> {
        let items = self.items(&self.observations).await;
        items.into_iter().enumerate().map(|(number, new)| inserted(number, new)).collect()
    }

    /// Folds what was written, and what the fold writes, until nothing is new.
    pub async fn fold_all(&self, fold: &Fold<MemoryBucket>) {
        let mut known = std::collections::BTreeSet::new();
        loop {
            let records: Vec<StreamRecord> =
                self.inserted().await.into_iter().filter(|record| known.insert((record.pk().to_owned(), record.sk().to_owned()))).collect();
            if records.is_empty() {
                return;
            }
            assert_eq!(fold.take(&records).await, None, "all is folded");
        }
    }

    /// All findings of all places, by id.
    pub async fn all_findings(&self) -> Vec<Finding> {
        let findings = self.findings();
        let mut all = Vec::new();
        let accounts: std::collections::BTreeSet<String> =
            findings.places().await.unwrap().into_iter().map(|place| place.account).collect();
        for account in accounts {
            all.extend(findings.of_account(&account).await.unwrap().into_values().map(|stored| stored.finding));
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }
}

pub fn inserted(number: usize, new: Item) -> StreamRecord {
    StreamRecord { sequence: format!("{:021}", number + 1), time: Some(now()), new, ..StreamRecord::default() }
}

pub fn metrics(function: &'static str) -> Metrics {
    Metrics::new("Test".to_owned(), function, Clock::At(now())).silent()
}

/// State as a world has it.
#[derive(Clone, Debug, Default)]
pub struct StateOf {
    pub place: Option<Place>,
    pub files: std::collections::BTreeMap<String, Vec<u8>>,
}

impl ReadState for StateOf {
    async fn read(&self, question: &Question) -> Result<Vec<u8>, CallError> {
        let place = self.place.clone().unwrap_or_else(|| Place::new("222233334444", "us-east-1"));
        let path = match question {
            Question::EffectivePolicy(account) => format!("effective-policies/{account}.json"),
            Question::EnforcedConfigurations => format!("enforced-configurations/{}/{}.json", place.account, place.region),
            other => return Err(CallError::new(format!("read {other:?}"), ErrorKind::Denied, "not in this test")),
        };
        self.files.get(&path).cloned().ok_or_else(|| CallError::new("read state", ErrorKind::Denied, "not in this test"))
    }
}

pub fn invocation_auditor<S: ReadState>(tables: &Tables, state: S) -> InvocationAuditor<S> {
    InvocationAuditor::new(tables.observations(), state, metrics("audit-invocations"), Clock::At(now()))
}

/// Puts the files of a world and a configuration into a bucket.
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
