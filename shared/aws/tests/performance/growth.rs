//! Measures what one more batch costs after days of history. What an account retains must not make it dearer.
//!
//! A simulated account reports days, each of which is routed and folded as in production, by a hub whose clock is set. Then one more batch is
//! taken by an instance that remembers nothing, and everything that it asks of DynamoDB and S3 is counted.
//!
//! `cargo xtask bench hub` runs [`bench`] in a process for each length, with the engine in another.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use audit_aws::{
    bucket::{Bucket, MemoryBucket},
    clock::{Clock, hour_of},
    error::{CallError, ErrorKind},
    fold::Trust,
    invocations::{HEARTBEAT_ROLE, InvocationAuditor, Message},
    partition::{AccountRegion, Partition, Source},
    queue::MemoryQueue,
    reconcile::{CrossAccountReader, Reconciler, Settings, Task},
    state::{Question, ReadState},
    stream::StreamRecord,
    world::PREFIX,
};
use audit_core::{finding::Status, timestamp::Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    counted::{Counter, Counts},
    days::{self, Busy, start_of},
    support::{
        HUB, Judging, StateOf, Tables, endpoint,
        history::{self, GUARDRAIL, MANAGEMENT, MEMBER},
        inserted, metrics, no_deadline, own, tables_at,
    },
};

/// Messages that an auditor takes at once at most, and records of the stream that the router takes at once.
const BATCH: (usize, usize) = (2_000, 500);

/// A batch, after which an account is judged once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batch {
    Calls,
    RelevantChange,
    OrganizationChange,
}

/// What a batch took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Used {
    #[serde(flatten)]
    pub(crate) counts: Counts,
    pub(crate) cpu_ms: f64,
    pub(crate) seconds: f64,
    /// The peak of the process's memory meanwhile, and its memory before.
    pub(crate) peak_mib: f64,
    pub(crate) before_mib: f64,
}

/// What each kind of batch took after a number of days.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct After {
    days: u64,
    #[serde(flatten)]
    calls: Used,
    with_change: Used,
    with_organization_change: Used,
}

/// A hub, and a busy account that reports to it.
pub(crate) struct Simulation {
    busy: Busy,
    pub(crate) endpoint: String,
    pub(crate) tables: Tables,
    pub(crate) bucket: MemoryBucket,
    pub(crate) now: Timestamp,
    /// The facts that were routed, by key.
    routed: BTreeSet<(String, String)>,
    extra: u64,
}

pub(crate) fn trust() -> Trust {
    Trust { organization: true, hub_account: HUB.to_owned(), management_account: Some(MANAGEMENT.to_owned()), members_are_believed: false }
}

impl Simulation {
    pub(crate) async fn begin(busy: Busy) -> Self {
        let endpoint = endpoint().await;
        let tables = tables_at(&endpoint).await;
        let mut simulation =
            Simulation { busy, endpoint, tables, bucket: MemoryBucket::default(), now: start_of(0), routed: BTreeSet::new(), extra: 0 };
        for (path, json) in history::world(&history::enforced_policy(GUARDRAIL)) {
            let json = if path == "organization.json" { days::organization(busy.accounts, 1_000).to_string().into_bytes() } else { json };
            simulation.bucket.put(&format!("{PREFIX}{path}"), json).await.unwrap();
        }
        for number in 1..busy.accounts {
            let idle = AccountRegion::new(days::account(number), "us-east-1");
            simulation.tables.findings().note_account_region(&idle).await.unwrap();
        }
        let configuration = format!("[auditor]\nheartbeat_minutes = {}\n", 1_440 / busy.rounds);
        simulation.bucket.put("configuration/guardrail-audit.toml", configuration.into_bytes()).await.unwrap();
        simulation.day(0).await;
        simulation
    }

    /// Lets a day pass.
    pub(crate) async fn day(&mut self, day: u64) {
        for round in 0..self.busy.rounds {
            let length = 86_400 / i64::try_from(self.busy.rounds).unwrap();
            self.now = start_of(day).plus_seconds(length * i64::try_from(round + 1).unwrap() - 1);
            if self.busy.is_idle() {
                self.look(&self.tables, self.bucket.clone()).await;
            } else if round == 0 {
                self.read_what_changed(day).await;
            }
            self.report(&self.busy.records(day, round), &self.tables).await;
            let judging = self.tables.sealing_fold_at(&self.bucket, trust(), self.now);
            let since = start_of(day).plus_seconds(length * i64::try_from(round).unwrap());
            self.judge(&judging, since).await;
        }
    }

    /// Has the hub read what changed in the account and in the organization: two snapshots that differ from those before, and its tree.
    async fn read_what_changed(&self, day: u64) {
        let reader = Answers { day: Some(day), accounts: self.busy.accounts, ..Answers::default() };
        for task in [account_region(), Task::Organization, Task::Account { account: MEMBER.to_owned() }] {
            self.carry_out(&task, reader.clone(), &self.tables, self.bucket.clone()).await;
        }
        let listed = self.bucket.list(&format!("{PREFIX}guardrails/{MEMBER}/")).await.unwrap();
        assert_eq!(listed.len() as u64, day + 1, "each day has a snapshot of its own: {listed:?}");
    }

    /// Has the hub look at the account and Region, as it does on its schedule. Returns the number of requests that this takes there.
    pub(crate) async fn look<B: Bucket>(&self, tables: &Tables, bucket: B) -> u64 {
        let reader = Answers::default();
        self.carry_out(&account_region(), reader.clone(), tables, bucket).await;
        reader.asked.load(Ordering::Relaxed)
    }

    async fn carry_out<B: Bucket>(&self, task: &Task, reader: Answers, tables: &Tables, bucket: B) {
        let settings = Settings {
            regions: vec!["us-east-1".to_owned()],
            hub_account: HUB.to_owned(),
            management_account: Some(MANAGEMENT.to_owned()),
            heartbeat_minutes: 0,
            heartbeat_role: HEARTBEAT_ROLE.to_owned(),
        };
        let (queue, clock) = (MemoryQueue::default(), Clock::At(self.now));
        let reconciler = Reconciler::new(tables.observations(), bucket, queue, reader, settings, metrics("reconcile"), clock);
        Box::pin(reconciler.carry_out(task, no_deadline())).await.unwrap();
    }

    /// Has the account's auditor take these records in.
    pub(crate) async fn report(&self, bodies: &[String], tables: &Tables) {
        let state = StateOf { account_region: None, files: history::world(&history::enforced_policy(GUARDRAIL)).into_iter().collect() };
        let auditor = InvocationAuditor::new(tables.observations(), state, metrics("audit-invocations"), Clock::At(self.now));
        for batch in bodies.chunks(BATCH.0) {
            let messages: Vec<Message<'_>> = batch.iter().map(|body| Message { id: "m", body }).collect();
            assert!(auditor.take(Some(&own()), &messages).await.failed.is_empty());
        }
    }

    /// Routes the facts that are new since a time, and those that folds write meanwhile.
    pub(crate) async fn judge<B: Bucket>(&mut self, judging: &Judging<B>, since: Timestamp) {
        loop {
            let new = self.new_facts(since).await;
            if new.is_empty() {
                return;
            }
            for batch in new.chunks(BATCH.1) {
                assert_eq!(judging.take(batch).await, None, "all is folded");
            }
        }
    }

    async fn new_facts(&mut self, since: Timestamp) -> Vec<StreamRecord> {
        let mut new = Vec::new();
        // Facts are of the hours in which something happened, or of the time at which the hub read or judged.
        let hours: BTreeSet<i64> = (hour_of(since)..=hour_of(since) + self.busy.hours).chain([hour_of(self.now)]).collect();
        for account in [MEMBER, MANAGEMENT] {
            for (source, hour) in hours.iter().flat_map(|hour| [(Source::Account, *hour), (Source::Hub, *hour)]) {
                let partition = Partition { source, account_region: AccountRegion::new(account, "us-east-1"), hour: Some(hour) };
                let request = self.tables.aws.dynamodb().query().table_name(&self.tables.observations).key_condition_expression("pk = :pk");
                let request = request.expression_attribute_values(":pk", aws_sdk_dynamodb::types::AttributeValue::S(partition.key()));
                let mut pages = request.into_paginator().items().send();
                while let Some(item) = pages.next().await {
                    let record = inserted(new.len(), item.unwrap());
                    if self.routed.insert((record.pk().to_owned(), record.sk().to_owned())) {
                        new.push(StreamRecord { time: Some(self.now), ..record });
                    }
                }
            }
        }
        // Earlier facts are not asked for again.
        if self.routed.len() > 100_000 {
            let oldest = audit_aws::partition::hour_text(Some(hour_of(since) - 48));
            self.routed.retain(|(pk, _)| pk.rsplit('#').next().is_some_and(|hour| *hour >= *oldest));
        }
        new
    }

    /// Counts what an instance that remembers nothing asks for because of one more batch.
    async fn one_more(&mut self, batch: Batch) -> Used {
        let since = self.now;
        self.now = self.now.plus_seconds(1);
        let numbers: Vec<u64> = (0..100).map(|number| self.extra + number).collect();
        self.extra += 100;
        let model = json!({"modelId": "anthropic.claude-3-haiku-20240307-v1:0"});
        let mut bodies: Vec<String> =
            numbers.iter().map(|number| history::envelope(&days::record(MEMBER, "Converse", *number, since, &model))).collect();
        match batch {
            Batch::Calls => {}
            Batch::RelevantChange => bodies.push(history::envelope(&days::record(
                MEMBER,
                "UpdateGuardrail",
                self.extra,
                since,
                &json!({"guardrailIdentifier": "own0000001"}),
            ))),
            Batch::OrganizationChange => bodies.push(days::organization_change(self.extra, since)),
        }
        self.extra += 1;
        self.report(&bodies, &self.tables).await;
        self.measured(since).await
    }

    pub(crate) async fn measured(&mut self, since: Timestamp) -> Used {
        let counter = Counter::default();
        let judging = counter.tables(&self.tables, &self.endpoint).sealing_fold_at(&counter.bucket(&self.bucket), trust(), self.now);
        let before_mib = Memory::begin();
        let (wall, cpu) = (Instant::now(), cpu_ms());
        self.judge(&judging, since).await;
        let (seconds, cpu_ms) = (wall.elapsed().as_secs_f64(), cpu_ms() - cpu);
        Used { counts: counter.take(), cpu_ms, seconds, peak_mib: Memory::peak(), before_mib }
    }

    async fn after(&mut self, days: u64) -> After {
        let calls = self.one_more(Batch::Calls).await;
        let with_change = self.one_more(Batch::RelevantChange).await;
        After { days, calls, with_change, with_organization_change: self.one_more(Batch::OrganizationChange).await }
    }
}

fn account_region() -> Task {
    Task::AccountRegion { account: MEMBER.to_owned(), region: "us-east-1".to_owned() }
}

/// What AWS answers to the hub: that there is nothing, or what there is on a day.
#[derive(Clone, Debug, Default)]
struct Answers {
    day: Option<u64>,
    accounts: u64,
    /// Requests that were made.
    asked: Arc<AtomicU64>,
}

impl ReadState for Answers {
    async fn read(&self, question: &Question) -> Result<Vec<u8>, CallError> {
        // Those about trails are DescribeTrails, GetEventSelectors, GetTrailStatus and GetModelInvocationLoggingConfiguration.
        self.asked.fetch_add(if *question == Question::Telemetry { 4 } else { 1 }, Ordering::Relaxed);
        let listed = |key: &str, item: Value| if self.day.is_some() { json!({ key: [item] }) } else { json!({ key: [] }) };
        let (day, arn) = (self.day.unwrap_or_default(), format!("arn:aws:bedrock:us-east-1:{MEMBER}:guardrail/own0000001"));
        let strength = if day.is_multiple_of(2) { "HIGH" } else { "LOW" };
        let answer = match question {
            Question::EnforcedConfigurations => {
                listed("guardrailsConfig", json!({"guardrailId": "own0000001", "guardrailVersion": (1 + day % 2).to_string()}))
            }
            Question::Guardrails | Question::GuardrailVersions(_) => {
                listed("guardrails", json!({"id": "own0000001", "arn": arn, "version": "DRAFT"}))
            }
            Question::Guardrail { .. } => json!({"guardrailId": "own0000001", "guardrailArn": arn, "version": "DRAFT",
                "contentPolicy": {"filters": [{"type": "HATE", "inputStrength": strength, "outputStrength": strength}]}}),
            Question::InferenceProfiles => json!({"inferenceProfileSummaries": []}),
            Question::Agents => json!({"agentSummaries": []}),
            Question::Flows => json!({"flowSummaries": []}),
            Question::Telemetry => {
                json!([{"TrailARN": format!("arn:aws:cloudtrail:us-east-1:{MANAGEMENT}:trail/organization"), "IsLogging": true,
                "AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]}])
            }
            Question::Organization => days::organization(self.accounts, day),
            Question::Policy(id) => {
                json!({"Policy": {"PolicySummary": {"Id": id, "Type": "BEDROCK_POLICY", "Name": "guardrails"}, "Content": "{}"}})
            }
            Question::EffectivePolicy(_) => history::enforced_policy(GUARDRAIL),
            other => return Err(CallError::new(format!("read {other:?}"), ErrorKind::Denied, "not in this test")),
        };
        Ok(answer.to_string().into_bytes())
    }
}

impl CrossAccountReader for Answers {
    type State = Answers;

    async fn state(&self, _: &AccountRegion) -> Answers {
        self.clone()
    }

    async fn history(&self, _: &AccountRegion, _: Timestamp) -> Result<(Vec<String>, bool), CallError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok((Vec::new(), true))
    }

    async fn event(&self, _: &AccountRegion, _: &str) -> Result<Option<String>, CallError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }
}

/// The CPU time of this thread, on which the functions run, in milliseconds. An engine in this process shares it.
fn cpu_ms() -> f64 {
    let of_thread = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    of_thread.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or_default() / 1e6
}

/// The memory of this process.
pub(crate) struct Memory;

impl Memory {
    /// Forgets the peak. Returns the memory at present, in MiB.
    pub(crate) fn begin() -> f64 {
        // A kernel that can't forget leaves the peak of all that was before.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        Self::status("VmRSS:")
    }

    pub(crate) fn peak() -> f64 {
        Self::status("VmHWM:")
    }

    fn status(name: &str) -> f64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() / 1024.0
    }
}

#[tokio::test]
async fn one_more_batch_costs_the_same_whatever_is_retained() {
    const AFTER: (u64, u64) = (2, 8);
    let mut simulation = Simulation::begin(Busy::SMALL).await;
    simulation.day(1).await;
    let early = simulation.after(AFTER.0).await;
    for day in AFTER.0..AFTER.1 {
        simulation.day(day).await;
    }
    let late = simulation.after(AFTER.1).await;
    println!("{}\n{}", json!(early), json!(late));
    let found = simulation.tables.findings().of_account(MEMBER).await.unwrap();
    let violations = found.values().find(|stored| stored.finding.rule.as_str() == "api-not-covered").unwrap();
    assert_eq!(violations.finding.status, Status::Open, "the history is judged");
    for (name, early, late) in [
        ("calls", early.calls, late.calls),
        ("a change", early.with_change, late.with_change),
        ("a change of the organization", early.with_organization_change, late.with_organization_change),
    ] {
        let grown = |early: u64, late: u64| late as f64 / early as f64;
        let (items, bytes) =
            (grown(early.counts.read_items, late.counts.read_items), grown(early.counts.read_bytes, late.counts.read_bytes));
        assert!(early.counts.read_items > 0 && early.counts.read_units > 0.0 && early.counts.write_units > 0.0, "the engine counts");
        assert!(items <= 1.5 && bytes <= 1.5, "a batch of {name}: {items:.2} times the items, {bytes:.2} times the bytes");
    }
}

/// Measures one length, for `cargo xtask bench hub`, and prints it as a line of JSON.
#[tokio::test]
#[ignore = "cargo xtask bench hub runs it in a process of its own, with an engine in another"]
async fn bench() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let days = number("BENCH_DAYS").unwrap_or(2);
    let calls = number("BENCH_CALLS").unwrap_or(Busy::WHOLE.calls);
    let many = calls > Busy::WHOLE.calls;
    let busy = Busy {
        calls,
        accounts: number("BENCH_ACCOUNTS").unwrap_or(Busy::WHOLE.accounts),
        rounds: number("BENCH_ROUNDS").unwrap_or(Busy::WHOLE.rounds),
        principals: if many { 100_000.min(calls / 100) } else { Busy::WHOLE.principals },
        ..Busy::WHOLE
    };
    let mut simulation = Simulation::begin(busy).await;
    for day in 1..days {
        simulation.day(day).await;
    }
    println!("{}", json!(simulation.after(days).await));
}

/// Serves an engine for other processes until it is ended.
#[tokio::test]
#[ignore = "cargo xtask bench hub runs it beside the process that is measured"]
async fn engine() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()).await;
}
