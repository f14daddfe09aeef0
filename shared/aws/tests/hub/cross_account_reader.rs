//! Tests what the functions read themselves: the state after a change, the organization's trail, and the hub's own reads of an account and
//! Region.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use audit_aws::{
    bucket::{Bucket, MemoryBucket},
    changes::ChangeAuditor,
    clock::Clock,
    error::{CallError, ErrorKind},
    fact::{Content, Fact, HeartbeatFact},
    fold::Trust,
    invocations::{HEARTBEAT_MODEL, HEARTBEAT_ROLE, Message, heartbeat_in},
    partition::{AccountRegion, Partition, Source},
    queue::MemoryQueue,
    reconcile::{CrossAccountReader, Reconciler, Task},
    state::{Question, ReadState},
};
use audit_core::{
    auditor,
    facts::{Collector, EvidenceRows, packed::EventIds},
    finding::Status,
    missing_evidence::MissingEvidence,
    timestamp::Timestamp,
    verdict::Invocations,
};
use serde_json::{Value, json};

use crate::reconciler::settings;
use crate::support::{
    HUB, StateOf, Tables, bucket_with,
    history::{self, GUARDRAIL, MANAGEMENT, MEMBER},
    invocation_auditor, metrics, no_deadline, now, own, tables,
};

/// An answer that never comes.
const NEVER: &str = "never";

/// The answers to each question, in order; the last one is repeated.
#[derive(Clone, Debug, Default)]
struct Answers(Arc<Mutex<BTreeMap<String, Vec<Value>>>>);

impl Answers {
    fn set(&self, question: &Question, answers: &[Value]) {
        self.0.lock().unwrap().insert(format!("{question:?}"), answers.to_vec());
    }
}

impl ReadState for Answers {
    async fn read(&self, question: &Question) -> Result<Vec<u8>, CallError> {
        let answer = {
            let mut answers = self.0.lock().unwrap();
            let left = answers.get_mut(&format!("{question:?}"));
            let left = left.ok_or_else(|| CallError::new(format!("read {question:?}"), ErrorKind::Denied, "not in this test"))?;
            if left.len() > 1 { left.remove(0) } else { left[0].clone() }
        };
        match answer {
            Value::String(never) if never == NEVER => std::future::pending().await,
            Value::Null => Err(CallError::new("read", ErrorKind::Retryable, "throttled")),
            answer => Ok(answer.to_string().into_bytes()),
        }
    }
}

impl CrossAccountReader for ScriptedReader {
    type State = Answers;

    async fn state(&self, _: &AccountRegion) -> Answers {
        self.answers.clone()
    }

    async fn history(&self, _: &AccountRegion, since: Timestamp) -> Result<(Vec<String>, bool), CallError> {
        let after = |record: &&Value| Timestamp::parse(record["eventTime"].as_str().unwrap()).unwrap() >= since;
        let is_whole = self.beyond_reach.lock().unwrap().is_empty();
        Ok((self.history.lock().unwrap().iter().filter(after).map(Value::to_string).collect(), is_whole))
    }

    async fn event(&self, _: &AccountRegion, event_id: &str) -> Result<Option<String>, CallError> {
        self.looked_for.lock().unwrap().push(event_id.to_owned());
        let (history, beyond_reach) = (self.history.lock().unwrap(), self.beyond_reach.lock().unwrap());
        Ok(history.iter().chain(beyond_reach.iter()).find(|record| record["eventID"] == event_id).map(Value::to_string))
    }
}

#[derive(Clone, Debug, Default)]
struct ScriptedReader {
    answers: Answers,
    history: Arc<Mutex<Vec<Value>>>,
    /// Further events of the history, which one read doesn't reach.
    beyond_reach: Arc<Mutex<Vec<Value>>>,
    /// The ids of events that were requested one by one.
    looked_for: Arc<Mutex<Vec<String>>>,
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub(crate) async fn facts_of(tables: &Tables, source: Source, account: &str, at: &str) -> Vec<Content> {
    let hour = Some(time(at).as_micros() / 3_600_000_000);
    let partition = Partition { source, account_region: AccountRegion::new(account, "us-east-1"), hour };
    let read = tables.observations().query(&partition, None).await.unwrap();
    read.into_iter().map(|read| read.fact.unwrap().content).collect()
}

pub(crate) fn update(number: u64, minute: u64) -> Value {
    let mut update = history::record(
        MEMBER,
        "UpdateGuardrail",
        number,
        minute,
        &json!({"guardrailIdentifier": "mine12345678", "name": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
    );
    update["responseElements"] = json!({"guardrailId": "mine12345678", "version": "DRAFT"});
    update
}

fn draft() -> Question {
    Question::Guardrail { id: "mine12345678".to_owned(), version: "DRAFT".to_owned() }
}

async fn changed(tables: &Tables, answers: &Answers, queue: Option<MemoryQueue>, records: &[Value]) -> Vec<String> {
    let auditor = ChangeAuditor::new(tables.observations(), answers.clone(), queue, metrics("audit-changes"), Clock::At(now()));
    let bodies: Vec<String> = records.iter().map(history::envelope).collect();
    let ids: Vec<String> = (0..bodies.len()).map(|id| id.to_string()).collect();
    let messages: Vec<Message<'_>> = ids.iter().zip(&bodies).map(|(id, body)| Message { id, body }).collect();
    auditor.waiting(Duration::ZERO).take(Some(&own()), &messages).await.failed
}

#[tokio::test]
async fn a_guardrail_that_is_being_updated_is_waited_for() {
    let (tables, answers) = (tables().await, Answers::default());
    answers.set(&draft(), &[json!({"status": "UPDATING"}), json!({"status": "UPDATING"}), json!({"status": "READY", "name": "g"})]);
    assert_eq!(changed(&tables, &answers, None, &[update(1, 5)]).await, Vec::<String>::new());
    let facts = facts_of(&tables, Source::Account, MEMBER, "2026-11-20T10:00:00Z").await;
    let states: Vec<_> = facts.iter().filter_map(|fact| if let Content::State(state) = fact { Some(state) } else { None }).collect();
    let [state] = states.as_slice() else { panic!("{facts:?}") };
    assert!(state.json.contains("READY"), "{}", state.json);
    assert_eq!(state.since, time("2026-11-20T10:05:01Z"), "it holds from the event on");
    answers.set(&draft(), &[json!({"status": "UPDATING"})]);
    assert_eq!(changed(&tables, &answers, None, &[update(2, 6)]).await, ["0"], "what isn't done in time comes again");
}

#[tokio::test]
async fn of_two_updates_between_two_reads_the_state_is_the_later_ones() {
    let (tables, answers) = (tables().await, Answers::default());
    answers.set(&draft(), &[json!({"status": "READY", "updatedAt": "2026-11-20T10:07:02Z"})]);
    // Also if delivered in the wrong order.
    assert_eq!(changed(&tables, &answers, None, &[update(2, 7), update(1, 5)]).await, Vec::<String>::new());
    let facts = facts_of(&tables, Source::Account, MEMBER, "2026-11-20T10:00:00Z").await;
    let states: Vec<_> = facts.iter().filter_map(|fact| if let Content::State(state) = fact { Some(state) } else { None }).collect();
    let [state] = states.as_slice() else { panic!("{facts:?}") };
    assert_eq!((state.since, state.events.len()), (time("2026-11-20T10:07:02Z"), 2));
    // The state was changed again before it was read, so it belongs to the later event.
    answers.set(&draft(), &[json!({"status": "READY", "updatedAt": "2026-11-20T11:30:00Z"})]);
    changed(&tables, &answers, None, &[update(3, 9)]).await;
    let later = facts_of(&tables, Source::Account, MEMBER, "2026-11-20T11:30:00Z").await;
    assert!(matches!(later.as_slice(), [Content::State(state)] if state.since == time("2026-11-20T11:30:00Z")), "{later:?}");
}

#[tokio::test]
async fn a_change_in_the_organization_is_looked_after_four_times() {
    let (tables, answers, queue) = (tables().await, Answers::default(), MemoryQueue::default());
    let attach = history::record(MANAGEMENT, "DetachPolicy", 1, 1, &json!({"policyId": "p-1", "targetId": MEMBER}));
    assert_eq!(changed(&tables, &answers, Some(queue.clone()), &[attach]).await, Vec::<String>::new());
    let tasks = queue.take();
    assert_eq!(tasks.iter().map(|(_, delay)| *delay).collect::<Vec<_>>(), [0, 60, 300, 900]);
    assert!(tasks.iter().all(|(task, _)| serde_json::from_str::<Task>(task).unwrap() == Task::Organization));
}

pub(crate) fn organization() -> Trust {
    Trust { organization: true, hub_account: HUB.to_owned(), management_account: Some(MANAGEMENT.to_owned()), members_are_believed: false }
}

struct Hub {
    tables: Tables,
    seen: ScriptedReader,
    bucket: MemoryBucket,
    queue: MemoryQueue,
}

impl Hub {
    async fn new() -> Self {
        Hub { tables: tables().await, seen: ScriptedReader::default(), bucket: MemoryBucket::default(), queue: MemoryQueue::default() }
    }

    async fn task(&self, task: &Task, now: &str) -> Result<(), CallError> {
        self.task_until(task, now, no_deadline()).await
    }

    /// The same, and after `enough` begins nothing that can wait.
    async fn task_until(&self, task: &Task, now: &str, enough: Instant) -> Result<(), CallError> {
        let clock = Clock::At(time(now));
        let reconciler = Reconciler::new(
            self.tables.observations(),
            self.bucket.clone(),
            self.queue.clone(),
            self.seen.clone(),
            settings(),
            metrics("reconcile"),
            clock,
        );
        Box::pin(reconciler.carry_out(task, enough)).await
    }

    async fn world(&self) -> Vec<String> {
        self.bucket.list("world/").await.unwrap().into_iter().map(|listed| listed.key).collect()
    }
}

fn account_region() -> Task {
    Task::AccountRegion { account: MEMBER.to_owned(), region: "us-east-1".to_owned() }
}

#[tokio::test]
async fn a_look_writes_only_what_is_new_with_the_time_it_holds_from() {
    let hub = Hub::new().await;
    hub.seen.answers.set(&Question::EnforcedConfigurations, &[json!({"guardrailsConfig": []})]);
    hub.seen.answers.set(&Question::Guardrails, &[json!({"guardrails": []})]);
    hub.task(&account_region(), "2026-11-20T10:00:00Z").await.unwrap();
    hub.task(&account_region(), "2026-11-20T11:00:00Z").await.unwrap();
    let enforced = |time: &str| format!("world/enforced-configurations/{MEMBER}/us-east-1@{time}.json");
    assert_eq!(hub.world().await, [enforced("20261120T100000Z")], "the same again is no news, and what may not be read is not known");
    let configuration = json!({"configId": "c", "guardrailArn": GUARDRAIL, "guardrailVersion": "1", "updatedAt": "2026-11-20T11:20:00Z"});
    hub.seen.answers.set(&Question::EnforcedConfigurations, &[json!({"guardrailsConfig": [configuration]})]);
    hub.task(&account_region(), "2026-11-20T12:00:00Z").await.unwrap();
    assert_eq!(
        hub.world().await,
        [enforced("20261120T100000Z"), enforced("20261120T112000Z")],
        "it holds from when AWS says it was changed"
    );
    hub.seen.answers.set(&Question::EnforcedConfigurations, &[Value::Null]);
    let throttled = hub.task(&account_region(), "2026-11-20T13:00:00Z").await.unwrap_err();
    assert_eq!(throttled.kind, ErrorKind::Retryable, "what is throttled comes again, and nothing is concluded from it");
}

#[tokio::test]
async fn guardrails_with_their_versions_and_what_uses_them_are_read() {
    let hub = Hub::new().await;
    let set = |question: Question, answer: Value| hub.seen.answers.set(&question, &[answer]);
    let guardrail = |version: &str| json!({"id": "mine12345678", "arn": GUARDRAIL, "version": version});
    set(Question::Guardrails, json!({"guardrails": [guardrail("DRAFT")]}));
    set(Question::GuardrailVersions("mine12345678".to_owned()), json!({"guardrails": [guardrail("DRAFT"), guardrail("1")]}));
    for version in ["DRAFT", "1"] {
        set(
            Question::Guardrail { id: "mine12345678".to_owned(), version: version.to_owned() },
            json!({"guardrailId": "mine12345678", "version": version}),
        );
    }
    set(Question::ResourcePolicy(GUARDRAIL.to_owned()), json!({}));
    set(Question::InferenceProfiles, json!({"inferenceProfileSummaries": [{"inferenceProfileId": "p1"}]}));
    set(
        Question::InferenceProfile("p1".to_owned()),
        json!({"models": [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/a.one"}]}),
    );
    set(Question::Agents, json!({"agentSummaries": [{"agentId": "A1"}]}));
    set(Question::Agent("A1".to_owned()), json!({"agent": {"agentId": "A1"}}));
    hub.task(&account_region(), "2026-11-20T10:00:00Z").await.unwrap();
    let at = |path: &str| format!("world/{path}@20261120T100000Z.json");
    let (folder, id) = (format!("{MEMBER}/us-east-1"), "mine12345678");
    assert_eq!(
        hub.world().await,
        [
            at(&format!("agents/{folder}/A1")),
            at(&format!("guardrails/{folder}/{id}/1")),
            at(&format!("guardrails/{folder}/{id}/DRAFT")),
            at(&format!("inference-profiles/{folder}/p1")),
            at(&format!("resource-policies/{folder}/{id}")),
        ],
        "flows may not be listed here, and are not known"
    );
}

#[tokio::test]
async fn what_history_shows_and_the_account_never_reported_is_a_gap_and_a_fact() {
    let hub = Hub::new().await;
    *hub.seen.history.lock().unwrap() = vec![history::call(MEMBER, 1, 5), history::call(MEMBER, 2, 50)];
    let world = bucket_with(history::bare_world(), None).await;
    hub.task(&account_region(), "2026-11-20T11:00:00Z").await.unwrap();
    hub.tables.fold_all(&hub.tables.fold(&world, organization())).await;
    let found = hub.tables.all_findings().await;
    let gap = found.iter().find(|finding| finding.rule == "telemetry-gap").unwrap();
    assert_eq!(gap.count, 1, "the younger call may still be on its way: {}", gap.detail);
    assert_eq!(found.iter().find(|finding| finding.rule == "invocation-without-guardrail").unwrap().count, 2, "and both are judged");
}

/// The record of a heartbeat, in a session of this name.
fn beat(number: u64, minute: u64, session: &str) -> Value {
    let mut beat = history::record(MEMBER, "Converse", number, minute, &json!({"modelId": HEARTBEAT_MODEL}));
    beat["errorCode"] = json!("AccessDenied");
    beat["userIdentity"] = json!({"type": "AssumedRole", "accountId": MEMBER, "arn": format!("arn:aws:sts::{MEMBER}:assumed-role/{HEARTBEAT_ROLE}/{session}"),
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": format!("arn:aws:iam::{MEMBER}:role/guardrail-audit/{HEARTBEAT_ROLE}")}}});
    beat
}

impl Hub {
    /// Lets the account's function handle these records.
    async fn reported(&self, records: &[Value]) {
        let bodies: Vec<String> = records.iter().map(history::envelope).collect();
        let messages: Vec<Message<'_>> = bodies.iter().map(|body| Message { id: "m", body }).collect();
        let outcome = invocation_auditor(&self.tables, StateOf::default()).take(Some(&own()), &messages).await;
        assert!(outcome.failed.is_empty());
    }

    /// How many gaps report that the account is silent.
    async fn silences(&self) -> usize {
        let mut gaps = 0;
        for hour in 10..24 {
            let facts = facts_of(&self.tables, Source::Hub, MEMBER, &format!("2026-11-20T{hour}:00:00Z")).await;
            gaps += facts.iter().filter(|fact| matches!(fact, Content::Gap(gap) if gap.missing == "heartbeat")).count();
        }
        gaps
    }

    /// The findings about gaps: their status and detail.
    async fn gap(&self) -> Option<(Status, String)> {
        let world = bucket_with(history::bare_world(), None).await;
        self.tables.fold_all(&self.tables.fold(&world, organization())).await;
        let found = self.tables.all_findings().await;
        found.into_iter().find(|finding| finding.rule == "telemetry-gap").map(|finding| (finding.status, finding.detail))
    }
}

#[tokio::test]
async fn a_heartbeat_that_stays_out_is_a_gap_once_one_was_due() {
    let hub = Hub::new().await;
    hub.task(&account_region(), "2026-11-20T10:00:00Z").await.unwrap();
    hub.task(&account_region(), "2026-11-20T11:00:00Z").await.unwrap();
    assert_eq!(hub.silences().await, 0, "not yet");
    hub.task(&account_region(), "2026-11-20T13:00:00Z").await.unwrap();
    assert_eq!(hub.silences().await, 1);
}

/// Whoever can assume the auditor's role in a member can write heartbeats while the auditor is switched off.
#[tokio::test]
async fn heartbeats_that_the_hub_never_saw_prove_no_life() {
    let hub = Hub::new().await;
    hub.task(&account_region(), "2026-11-20T10:00:00Z").await.unwrap();
    // A call by another principal is no heartbeat, even if the member reports it as one.
    let other = history::call(MEMBER, 900, 150);
    *hub.seen.history.lock().unwrap() = vec![other.clone()];
    hub.reported(std::slice::from_ref(&other)).await;
    let forged = |time: Timestamp, event_id: &str| {
        let heartbeat = HeartbeatFact { time, event_id: event_id.to_owned(), dead_letters: BTreeMap::new() };
        Fact::new(Source::Account, AccountRegion::new(MEMBER, "us-east-1"), Some(time), Content::Heartbeat(heartbeat))
    };
    for hour in 0..24 * 7 {
        let time = time("2026-11-20T11:30:00Z").plus_seconds(hour * 3_600);
        hub.tables.observations().put(&forged(time, &format!("made-up-{hour}"))).await.unwrap();
    }
    hub.tables.observations().put(&forged(time("2026-11-20T12:30:00Z"), other["eventID"].as_str().unwrap())).await.unwrap();
    hub.task(&account_region(), "2026-11-20T13:00:00Z").await.unwrap();
    assert_eq!(hub.silences().await, 1);
    let (status, detail) = hub.gap().await.unwrap();
    assert_eq!(status, Status::Open);
    assert!(detail.contains("none of the heartbeats that the account reported"), "{detail}");
    assert!(!hub.seen.looked_for.lock().unwrap().iter().any(|event| event == "made-up-2"), "what is still to come isn't looked for");
}

#[tokio::test]
async fn an_honest_account_is_never_silent() {
    let hub = Hub::new().await;
    for hour in 0..10 {
        let beat = beat(hour, hour * 60 + 5, "guardrail-audit");
        hub.reported(std::slice::from_ref(&beat)).await;
        // Event history shows an event up to twenty minutes later.
        hub.task(&account_region(), &format!("2026-11-20T{}:15:00Z", 10 + hour)).await.unwrap();
        hub.seen.history.lock().unwrap().push(beat);
    }
    assert_eq!((hub.silences().await, hub.gap().await), (0, None));
    // Heartbeats stop and come back: one that the hub read itself resolves the gap.
    hub.task(&account_region(), "2026-11-20T22:40:00Z").await.unwrap();
    assert_eq!(hub.gap().await.unwrap().0, Status::Open);
    let back = beat(77, 13 * 60 + 5, "guardrail-audit");
    hub.reported(std::slice::from_ref(&back)).await;
    assert_eq!(hub.gap().await.unwrap().0, Status::Open, "the account's own word puts nothing right");
    hub.seen.history.lock().unwrap().push(back);
    hub.task(&account_region(), "2026-11-20T23:40:00Z").await.unwrap();
    assert_eq!(hub.gap().await.unwrap().0, Status::Resolved);
}

/// If history has more events than one read returns, the heartbeat is requested by its id, and the report says that the rest wasn't read.
#[tokio::test]
async fn an_account_with_more_events_than_are_read_is_alive_and_partly_unseen() {
    let hub = Hub::new().await;
    let world = bucket_with(history::bare_world(), None).await;
    let blind = async || {
        hub.tables.fold_all(&hub.tables.fold(&world, organization())).await;
        let rows = hub.tables.findings().blind(MEMBER).await.unwrap();
        rows.into_iter().filter(|row| row.missing == MissingEvidence::EventHistory).map(|row| row.region.to_string()).collect::<Vec<_>>()
    };
    hub.task(&account_region(), "2026-11-20T10:00:00Z").await.unwrap();
    assert_eq!(blind().await, Vec::<String>::new());
    let beat = beat(1, 120, "guardrail-audit");
    hub.reported(std::slice::from_ref(&beat)).await;
    hub.seen.beyond_reach.lock().unwrap().push(beat);
    hub.task(&account_region(), "2026-11-20T13:00:00Z").await.unwrap();
    assert_eq!(hub.silences().await, 0, "it beats");
    assert_eq!(hub.seen.looked_for.lock().unwrap().len(), 1);
    assert_eq!(blind().await, ["us-east-1"]);
    hub.seen.beyond_reach.lock().unwrap().clear();
    hub.task(&account_region(), "2026-11-20T13:30:00Z").await.unwrap();
    assert_eq!(blind().await, Vec::<String>::new(), "a later look is whole");
}

#[tokio::test]
async fn a_heartbeat_that_the_organization_s_trail_holds_is_one() {
    let hub = Hub::new().await;
    hub.task(&account_region(), "2026-11-20T10:00:00Z").await.unwrap();
    let beat = beat(1, 120, "guardrail-audit");
    hub.reported(std::slice::from_ref(&beat)).await;
    let wanted = auditor::wanted();
    let mut collector = Collector::new(&wanted);
    collector.value(history::envelope(&beat).as_bytes());
    for packet in collector.into_facts().pack(EventIds::All, &Invocations::default()) {
        let account_region = AccountRegion::new(packet.account, packet.region);
        let partition = Partition { source: Source::Hub, account_region, hour: packet.hour };
        hub.tables.observations().put(&Fact { partition, content: Content::Calls(packet.bytes) }).await.unwrap();
    }
    hub.task(&account_region(), "2026-11-20T13:00:00Z").await.unwrap();
    assert_eq!(hub.silences().await, 0);
}

/// Messages in a member's dead-letter queues are reported by its heartbeat and become a finding in the hub.
#[tokio::test]
async fn dead_letters_are_a_finding_until_there_are_none() {
    let hub = Hub::new().await;
    let lost = beat(1, 5, "calls=3,undelivered=unread");
    let Content::Heartbeat(heartbeat) = heartbeat_in(&history::envelope(&lost), HEARTBEAT_ROLE).unwrap().content else { panic!() };
    assert_eq!(heartbeat.dead_letters, BTreeMap::from([("calls".to_owned(), Some(3)), ("undelivered".to_owned(), None)]));
    hub.reported(&[lost]).await;
    let (status, detail) = hub.gap().await.unwrap();
    assert_eq!(status, Status::Open);
    assert!(detail.contains("3 in calls, undelivered can't be asked"), "{detail}");
    let empty = beat(2, 65, "guardrail-audit");
    hub.reported(std::slice::from_ref(&empty)).await;
    assert_eq!(hub.gap().await.unwrap().0, Status::Open, "the account's own word puts nothing right");
    hub.seen.history.lock().unwrap().push(empty);
    hub.task(&account_region(), "2026-11-20T11:30:00Z").await.unwrap();
    assert_eq!(hub.gap().await.unwrap().0, Status::Resolved);
}

/// The hub's own instance of the functions handles the events that members forward. The state that it can read is the hub account's, which
/// proves nothing about the members.
#[tokio::test]
async fn nothing_is_claimed_of_who_forwards_by_the_state_of_the_hub() {
    let here = AccountRegion::new(HUB, "us-east-1");
    let tables = tables().await;
    // The hub account's configuration would cover the call.
    let enforced =
        json!({"guardrailsConfig": [{"configId": "c", "guardrailArn": GUARDRAIL, "guardrailId": "required1", "guardrailVersion": "1"}]});
    let answers = Answers::default();
    answers.set(&Question::EnforcedConfigurations, std::slice::from_ref(&enforced));
    answers.set(&Question::EffectivePolicy(MEMBER.to_owned()), &[history::enforced_policy(GUARDRAIL)]);
    answers.set(&draft(), &[json!({"status": "READY", "name": "the hub's"})]);
    let bodies: Vec<String> = (0..5).map(|number| history::envelope(&history::call(MEMBER, number, number))).collect();
    let messages: Vec<Message<'_>> = bodies.iter().map(|body| Message { id: "m", body }).collect();
    let auditor = invocation_auditor(&tables, answers.clone());
    let claims = async |tables: &Tables| {
        let facts = facts_of(tables, Source::Account, MEMBER, "2026-11-20T10:00:00Z").await;
        let [Content::Calls(bytes)] = facts.as_slice() else { panic!("{facts:?}") };
        let mut unpacked = EvidenceRows::default();
        let claimed = unpacked.unpack(MEMBER, "us-east-1", Some(0), bytes, true).unwrap().claimed;
        (claimed, unpacked.stored_records().filter(|record| !record.event_id.is_empty()).count())
    };
    assert!(auditor.take(Some(&here), &messages).await.failed.is_empty());
    assert_eq!(claims(&tables).await, (Invocations::default(), 5), "no verdict, and no event id left out");
    // In the member account, the calls are judged by its own state.
    let own_tables = crate::support::tables().await;
    assert!(invocation_auditor(&own_tables, answers.clone()).take(Some(&own()), &messages).await.failed.is_empty());
    let (claimed, event_ids) = claims(&own_tables).await;
    assert!(claimed != Invocations::default() && event_ids <= 5, "{claimed:?} {event_ids}");

    let change = ChangeAuditor::new(tables.observations(), answers, None::<MemoryQueue>, metrics("audit-changes"), Clock::At(now()));
    let body = history::envelope(&update(9, 65));
    let outcome = change.waiting(Duration::ZERO).take(Some(&here), &[Message { id: "m", body: &body }]).await;
    assert!(outcome.failed.is_empty());
    let facts = facts_of(&tables, Source::Account, MEMBER, "2026-11-20T11:00:00Z").await;
    assert!(matches!(facts.as_slice(), [Content::Change(_)]), "the change, and no state: {facts:?}");

    // So the hub finds no differing verdict.
    let world = bucket_with(history::bare_world(), None).await;
    tables.fold_all(&tables.fold(&world, organization())).await;
    let found = tables.all_findings().await;
    assert!(!found.iter().any(|finding| finding.rule == "verdicts-differ"), "{found:?}");
    assert!(found.iter().any(|finding| finding.rule == "invocation-without-guardrail"), "and its calls are judged by what the hub read");
}

#[tokio::test]
async fn the_organization_is_read_and_each_account_sent_for() {
    let hub = Hub::new().await;
    let organization: Value = serde_json::from_slice(&history::bare_world()[0].1).unwrap();
    hub.seen.answers.set(&Question::Organization, std::slice::from_ref(&organization));
    hub.task(&Task::Organization, "2026-11-20T10:00:00Z").await.unwrap();
    let tasks: Vec<Task> = hub.queue.take().iter().map(|(task, _)| serde_json::from_str(task).unwrap()).collect();
    assert_eq!(tasks, [Task::Account { account: MEMBER.to_owned() }, Task::InvalidPolicies { token: None }]);
    hub.seen.answers.set(&Question::EffectivePolicy(MEMBER.to_owned()), &[history::enforced_policy(GUARDRAIL)]);
    hub.task(&tasks[0], "2026-11-20T10:00:00Z").await.unwrap();
    let time = "20261120T100000Z";
    assert_eq!(hub.world().await, [format!("world/effective-policies/{MEMBER}@{time}.json"), format!("world/organization@{time}.json")]);
    hub.task(&Task::Plan { after: None }, "2026-11-20T11:00:00Z").await.unwrap();
    let planned: Vec<String> = hub.queue.take().into_iter().map(|(task, _)| task).collect();
    assert_eq!(planned.len(), 4, "the organization, the hub's, the management and the member account: {planned:?}");
}

#[tokio::test]
async fn who_only_forwards_is_heard_by_the_hub_s_own_queue() {
    let hub = Hub::new().await;
    hub.task(&account_region(), "2026-11-20T10:00:00Z").await.unwrap();
    // The refused call in the member reaches the hub's instance of the functions through the hub's event bus.
    let beat = beat(9, 130, "guardrail-audit");
    let body = history::envelope(&beat);
    let forwarded = invocation_auditor(&hub.tables, StateOf::default());
    forwarded.take(Some(&AccountRegion::new(HUB, "us-east-1")), &[Message { id: "m", body: &body }]).await;
    hub.seen.history.lock().unwrap().push(beat);
    hub.task(&account_region(), "2026-11-20T13:00:00Z").await.unwrap();
    assert_eq!(hub.silences().await, 0, "it beats");
    hub.task(&account_region(), "2026-11-20T18:00:00Z").await.unwrap();
    assert_eq!(hub.silences().await, 1, "and when it stops, that is seen");
}

#[tokio::test]
async fn what_may_be_read_no_longer_is_a_gap_until_it_may_be_read_again() {
    let hub = Hub::new().await;
    let readable = |answers: &Answers| {
        for (question, answer) in [
            (Question::EnforcedConfigurations, json!({"guardrailsConfig": []})),
            (Question::Telemetry, json!([])),
            (Question::Guardrails, json!({"guardrails": []})),
            (Question::InferenceProfiles, json!({"inferenceProfileSummaries": []})),
            (Question::Agents, json!({"agentSummaries": []})),
            (Question::Flows, json!({"flowSummaries": []})),
        ] {
            answers.set(&question, &[answer]);
        }
    };
    let world = bucket_with(history::bare_world(), None).await;
    let fold = hub.tables.fold(&world, organization());
    let found = async || {
        hub.tables.fold_all(&fold).await;
        let found = hub.tables.all_findings().await;
        found.into_iter().find(|finding| finding.rule == "telemetry-gap").map(|finding| (finding.status, finding.detail))
    };
    hub.task(&account_region(), "2026-11-20T09:00:00Z").await.unwrap();
    assert_eq!(found().await, None, "what was never read is not known, and no news");
    readable(&hub.seen.answers);
    hub.task(&account_region(), "2026-11-20T10:00:00Z").await.unwrap();
    assert_eq!(found().await, None);
    hub.seen.answers.0.lock().unwrap().clear();
    hub.task(&account_region(), "2026-11-20T10:30:00Z").await.unwrap();
    let (status, detail) = found().await.unwrap();
    assert_eq!(status, Status::Open);
    assert!(detail.contains("may no longer read 2 things"), "{detail}");
    readable(&hub.seen.answers);
    hub.task(&account_region(), "2026-11-20T10:50:00Z").await.unwrap();
    assert_eq!(found().await.unwrap().0, Status::Resolved);
}

/// How much there is to read of an account is the account's own choice. It takes no time from looking into its event history.
#[tokio::test]
async fn an_account_with_too_much_to_read_is_a_gap_and_its_history_is_read() {
    let hub = Hub::new().await;
    hub.seen.answers.set(&Question::EnforcedConfigurations, &[json!({"guardrailsConfig": []})]);
    hub.seen.answers.set(&Question::Guardrails, &[json!(NEVER)]);
    hub.seen.history.lock().unwrap().push(history::call(MEMBER, 1, 1));
    let soon = Instant::now() + Duration::from_millis(300);
    let error = hub.task_until(&account_region(), "2026-11-20T12:00:00Z", soon).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Retryable, "{error}");
    let calls = facts_of(&hub.tables, Source::Hub, MEMBER, "2026-11-20T10:00:00Z").await;
    assert!(calls.iter().any(|fact| matches!(fact, Content::Calls(_))), "its call is known: {calls:?}");
    let noted = facts_of(&hub.tables, Source::Hub, MEMBER, "2026-11-20T12:00:00Z").await;
    assert!(noted.iter().any(|fact| matches!(fact, Content::Gap(gap) if gap.missing == "state")), "{noted:?}");
    assert!(noted.iter().any(|fact| matches!(fact, Content::Read(read) if !read.complete)), "{noted:?}");
}
