//! One account at a time: what an account reports, however much and however broken, holds up no other, and heals without hands.

use std::time::Instant;

use audit_aws::{
    bucket::{Bucket, MemoryBucket},
    error::ErrorKind,
    fact::{Content, Fact, ReadFact},
    fold::{Attempted, FoldTask, Request, Trust},
    invocations::Message,
    lambda::{Handler as _, Invocation},
    observations::Item,
    partition::{AccountRegion, Source},
    queue::Ordered,
    stream::StreamRecord,
};
use audit_core::{
    finding::{Finding, Status},
    timestamp::Timestamp,
};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;

use crate::support::{
    Failure, HUB, Judging, StateOf, Tables, bucket_with, endpoint,
    history::{self, MANAGEMENT, MEMBER},
    inserted, invocation_auditor, no_deadline, now, own, tables, tables_at,
};

const OTHER: &str = "333344445555";

fn organization() -> Trust {
    Trust { organization: true, hub_account: HUB.to_owned(), management_account: Some(MANAGEMENT.to_owned()), members_are_believed: false }
}

async fn report(tables: &Tables, account: &str, numbers: std::ops::Range<u64>) {
    let state = StateOf { account_region: None, files: history::bare_world().into_iter().collect() };
    let bodies: Vec<String> = numbers.map(|number| history::envelope(&history::call(account, number, number))).collect();
    let messages: Vec<Message<'_>> = bodies.iter().map(|body| Message { id: "m", body }).collect();
    assert!(invocation_auditor(tables, state).take(Some(&own()), &messages).await.failed.is_empty());
}

async fn found(tables: &Tables, account: &str, rule: &str) -> Vec<Finding> {
    let all = tables.all_findings().await;
    all.into_iter().filter(|finding| finding.account.as_str() == account && finding.rule == rule).collect()
}

async fn calls_in_violation(tables: &Tables, account: &str) -> u64 {
    found(tables, account, "invocation-without-guardrail").await.iter().map(|finding| finding.count).sum()
}

/// What a batch of the stream makes the router send.
async fn routed(judging: &Judging, records: &[StreamRecord]) -> Vec<Ordered> {
    use audit_aws::stream::StreamHandler as _;
    assert_eq!(judging.router.take(records).await, None, "no account's facts make a batch fail");
    judging.queue.take_ordered()
}

fn task(message: &Ordered) -> FoldTask {
    serde_json::from_str(&message.body).unwrap()
}

/// Something that no fold of the account gets over: a note in the findings table that can't be read.
async fn break_account(tables: &Tables, account: &str) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let item: Item = [("pk", text(&format!("NOTES#{account}"))), ("sk", text("broken")), ("note", text("{"))]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect();
    tables.aws.dynamodb().put_item().table_name(&tables.findings).set_item(Some(item.clone())).send().await.unwrap();
    item
}

async fn mend_account(tables: &Tables, item: &Item) {
    let key = ["pk", "sk"].map(|name| (name.to_owned(), item[name].clone())).into_iter().collect();
    tables.aws.dynamodb().delete_item().table_name(&tables.findings).set_key(Some(key)).send().await.unwrap();
}

async fn world() -> MemoryBucket {
    bucket_with(history::bare_world_with(OTHER), None).await
}

#[tokio::test]
async fn a_batch_is_one_message_for_each_account() {
    let tables = tables().await;
    let judging = tables.fold(&world().await, organization());
    report(&tables, MEMBER, 0..90).await;
    report(&tables, OTHER, 0..3).await;
    let records = tables.inserted().await;
    assert!(records.len() > 2);
    let message = |account: &str, version: u64| FoldTask::new(account, version).ordered();
    assert_eq!(routed(&judging, &records).await, [message(MEMBER, 1), message(OTHER, 1)]);
    assert_eq!(message(MEMBER, 1).group, MEMBER);
    // The same batch again: nothing was lost if it is judged once more, and it may be that it never was.
    assert_eq!(routed(&judging, &records).await, [message(MEMBER, 2), message(OTHER, 2)]);
}

/// A fact that is written while a fold works, or after it has read, is judged by the message that the fact itself brings about.
#[tokio::test]
async fn a_fact_that_is_written_after_the_fold_has_read_is_judged() {
    let tables = tables().await;
    let judging = tables.fold(&world().await, organization());
    report(&tables, MEMBER, 0..1).await;
    let first = routed(&judging, &tables.inserted().await).await;
    report(&tables, MEMBER, 1..2).await;
    let both = tables.inserted().await;
    let late = routed(&judging, &both).await;

    // The fold reads under the second version, and so it answers the second message, too.
    assert!(matches!(judging.attempt_message(&first[0]).await, Ok(Attempted::Folded(_))));
    assert_eq!(calls_in_violation(&tables, MEMBER).await, 2);
    // Before its message is deleted, another fact is written and comes through the stream.
    report(&tables, MEMBER, 2..3).await;
    let later = routed(&judging, &tables.inserted().await).await;
    assert_eq!(judging.attempt_message(&late[0]).await.unwrap(), Attempted::Answered);
    assert!(matches!(judging.attempt_message(&later[0]).await, Ok(Attempted::Folded(_))), "it has a version of its own");
    assert_eq!(calls_in_violation(&tables, MEMBER).await, 3);
    assert_eq!(judging.attempt_message(&later[0]).await.unwrap(), Attempted::Answered, "delivered again");
}

/// The router dies between any two of its steps, and the fold runs in between: the batch comes again, and the fact is judged.
#[tokio::test]
async fn a_router_that_dies_at_any_step_loses_nothing() {
    let endpoint = endpoint().await;
    let mut died = 0;
    for call in 1.. {
        let tables = tables_at(&endpoint).await;
        let judging = tables.fold(&world().await, organization());
        report(&tables, MEMBER, 0..1).await;
        judging.take(&tables.inserted().await).await;
        report(&tables, MEMBER, 1..2).await;
        let records = tables.inserted().await;
        let (unreliable, connection) = tables.unreliable(&endpoint);
        let dying = unreliable.fold(&world().await, organization());
        connection.fail_at(call, Failure::KillAfter);
        let again = audit_aws::stream::StreamHandler::take(&dying.router, &records).await;
        if !connection.recover() {
            break;
        }
        died += 1;
        assert!(again.is_some(), "the batch comes again");
        // Meanwhile another message has the account judged, with whatever was noted by then.
        let version = tables.findings().raise_version(MEMBER, audit_aws::findings::Raised::default()).await.unwrap();
        judging.fold.attempt(&FoldTask::new(MEMBER, version), no_deadline()).await.unwrap();
        assert_eq!(judging.take(&records).await, None);
        assert_eq!(calls_in_violation(&tables, MEMBER).await, 2, "the router died at call {call}");
    }
    assert!(died >= 5, "it has as many steps: {died}");
}

#[tokio::test]
async fn an_account_that_can_t_be_judged_holds_up_nobody_and_heals() {
    let tables = tables().await;
    let bucket = world().await;
    let judging = tables.fold(&bucket, organization());
    report(&tables, MEMBER, 0..2).await;
    assert_eq!(judging.take(&tables.inserted().await).await, None);
    let broken = break_account(&tables, MEMBER).await;
    report(&tables, MEMBER, 2..4).await;
    report(&tables, OTHER, 0..3).await;
    let messages = routed(&judging, &tables.inserted().await).await;
    let (of_broken, of_other) = (&messages[0], &messages[1]);

    let error = judging.attempt_message(of_broken).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(matches!(judging.attempt_message(of_other).await, Ok(Attempted::Folded(_))));
    assert_eq!(calls_in_violation(&tables, OTHER).await, 3, "others are judged");
    judging.attempt_message(of_broken).await.unwrap_err();
    assert_eq!(judging.attempt_message(of_broken).await.unwrap(), Attempted::Quarantined);
    let gap = found(&tables, MEMBER, "telemetry-gap").await.remove(0);
    assert_eq!(gap.status, Status::Open);
    assert!(gap.detail.contains("can't be judged"), "{}", gap.detail);
    assert_eq!(calls_in_violation(&tables, MEMBER).await, 2, "what was found before stays");

    // What the hub knows without the account is judged next. Here that fails, too.
    let without_its_own = judging.queue.take_ordered();
    assert_eq!(without_its_own.len(), 1);
    judging.attempt_message(&without_its_own[0]).await.unwrap_err();
    judging.attempt_message(&without_its_own[0]).await.unwrap_err();
    assert_eq!(judging.attempt_message(&without_its_own[0]).await.unwrap(), Attempted::Quarantined);
    // What comes later waits, and takes no time.
    report(&tables, MEMBER, 4..5).await;
    let later = routed(&judging, &tables.inserted().await).await;
    assert_eq!(judging.attempt_message(&later[0]).await.unwrap(), Attempted::Waits);
    judging.carry_out(Request::RetryQuarantined).await.unwrap();
    assert_eq!(judging.queue.take_ordered(), [], "not yet");

    // It is tried again by itself, less and less often.
    let mut at = now();
    for waits in [900, 1_800, 3_600, 7_200, 14_400, 21_600, 21_600] {
        let early = tables.fold_at(&bucket, organization(), at.plus_seconds(waits - 1));
        early.carry_out(Request::RetryQuarantined).await.unwrap();
        assert_eq!(early.queue.take_ordered(), [], "{waits}");
        at = at.plus_seconds(waits);
        let due = tables.fold_at(&bucket, organization(), at);
        due.carry_out(Request::RetryQuarantined).await.unwrap();
        let retry = due.queue.take_ordered();
        assert_eq!(retry.len(), 1, "{waits}");
        assert_eq!(due.attempt_message(&retry[0]).await.unwrap(), Attempted::Quarantined);
        assert_eq!(due.queue.take_ordered().len(), 1, "and what the hub knows is judged again, too");
    }

    mend_account(&tables, &broken).await;
    let due = tables.fold_at(&bucket, organization(), at.plus_seconds(21_600));
    due.carry_out(Request::RetryQuarantined).await.unwrap();
    assert!(due.deliver().await);
    assert_eq!(calls_in_violation(&tables, MEMBER).await, 5);
    let gap = found(&tables, MEMBER, "telemetry-gap").await.into_iter().find(|found| found.id == gap.id).unwrap();
    assert_eq!((gap.status, gap.resolved_at), (Status::Resolved, Some(at.plus_seconds(21_600))));
    assert_eq!(tables.findings().quarantined().await.unwrap(), []);
    let before = tables.all_findings().await;
    let after = tables.fold_at(&bucket, organization(), at.plus_seconds(21_700));
    after.rebuild().await;
    assert_eq!(tables.all_findings().await.len(), before.len(), "it stays resolved");
}

/// An attempt that ends the function, by its memory or its time, leaves nothing behind but that it began.
#[tokio::test]
async fn an_account_that_ends_the_function_is_put_into_quarantine() {
    let tables = tables().await;
    let judging = tables.fold(&world().await, organization());
    report(&tables, MEMBER, 0..1).await;
    let messages = routed(&judging, &tables.inserted().await).await;
    for _ in 0..3 {
        tables.findings().begin_fold(MEMBER).await.unwrap();
    }
    assert_eq!(judging.attempt_message(&messages[0]).await.unwrap(), Attempted::Quarantined);
    let gap = found(&tables, MEMBER, "telemetry-gap").await.remove(0);
    assert!(gap.detail.contains("ended the function"), "{}", gap.detail);
}

#[tokio::test]
async fn an_outage_is_nobody_s_fault() {
    let endpoint = endpoint().await;
    let tables = tables_at(&endpoint).await;
    let judging = tables.fold(&world().await, organization());
    report(&tables, MEMBER, 0..1).await;
    let messages = routed(&judging, &tables.inserted().await).await;
    let (unreliable, connection) = tables.unreliable(&endpoint);
    let failing = unreliable.fold(&world().await, organization());
    for _ in 0..10 {
        connection.fail_at(6, Failure::Before);
        assert_eq!(failing.fold.attempt(&task(&messages[0]), no_deadline()).await.unwrap_err().kind, ErrorKind::Retryable);
        connection.recover();
    }
    assert_eq!(tables.findings().quarantined().await.unwrap(), []);
    assert!(matches!(judging.attempt_message(&messages[0]).await, Ok(Attempted::Folded(_))));
}

#[tokio::test]
async fn a_message_that_fails_is_hidden_the_longer_the_more_often_it_came() {
    let tables = tables().await;
    let judging = tables.fold(&world().await, organization());
    report(&tables, MEMBER, 0..1).await;
    let messages = routed(&judging, &tables.inserted().await).await;
    break_account(&tables, MEMBER).await;
    for (receives, seconds) in [(1, 30), (2, 120)] {
        let event = json!({"Records": [{"messageId": "m", "receiptHandle": "r", "body": messages[0].body, "messageAttributes": {},
            "attributes": {"ApproximateReceiveCount": receives.to_string()}}]});
        let invocation = Invocation { function_arn: "", deadline: no_deadline() };
        let answer = judging.fold.handle(serde_json::from_value(event).unwrap(), invocation).await.unwrap();
        assert_eq!(answer.batch_item_failures.len(), 1);
        assert_eq!(judging.queue.take_hidden(), [("r".to_owned(), seconds)]);
    }
}

/// A fold whose time is short makes the newest rollups, hands on the rest, and is done in the end.
#[tokio::test]
async fn what_there_is_no_time_for_is_handed_on() {
    let tables = tables().await;
    let judging = tables.fold(&world().await, organization());
    let hours = 5;
    for hour in 0..hours {
        report(&tables, MEMBER, hour * 60..hour * 60 + 1).await;
    }
    let mut messages = routed(&judging, &tables.inserted().await).await;
    let rollups = async || {
        let account_region = AccountRegion::new(MEMBER, "us-east-1");
        tables.findings().rollups(&account_region).await.unwrap().into_keys().collect::<Vec<String>>()
    };
    let mut folds = 0;
    while let Some(message) = messages.pop() {
        assert!(folds < hours, "it comes to an end");
        // Half of the time is over before the first rollup is made.
        let invocation = judging.fold.attempt_within(&task(&message), Instant::now(), no_deadline()).await;
        assert!(matches!(invocation, Ok(Attempted::Folded(_))), "{invocation:?}");
        folds += 1;
        let made = rollups().await;
        assert_eq!(made.len() as u64, folds, "each makes one");
        assert_eq!(made[0], format!("2026-11-20T{}", 15 - folds), "the newest first");
        assert_eq!(calls_in_violation(&tables, MEMBER).await, hours, "findings are never cut short");
        messages.extend(judging.queue.take_ordered());
    }
    assert_eq!(folds, hours, "the last one hands on nothing");
}

/// A rebuild is a message for each account, and takes as many folds as there is time for in each.
#[tokio::test]
async fn a_rebuild_is_handed_on_until_it_is_done() {
    let tables = tables().await;
    let judging = tables.fold(&world().await, organization());
    let hours = 3;
    for hour in 0..hours {
        report(&tables, MEMBER, hour * 60..hour * 60 + 1).await;
    }
    report(&tables, OTHER, 0..1).await;
    assert_eq!(judging.take(&tables.inserted().await).await, None);

    judging.carry_out(Request::Rebuild { account: None }).await.unwrap();
    let mut messages = judging.queue.take_ordered();
    assert_eq!(messages.iter().map(|message| message.group.as_str()).collect::<Vec<_>>(), [MEMBER, OTHER]);
    messages.truncate(1);
    for folds in 1..=hours {
        let message = messages.pop().unwrap();
        // Half of the time is over before the first rollup is made.
        let attempted = judging.fold.attempt_within(&task(&message), Instant::now(), no_deadline()).await;
        assert!(matches!(attempted, Ok(Attempted::Folded(_))), "{attempted:?}");
        let partitions = tables.findings().partitions(MEMBER).await.unwrap();
        assert_eq!(partitions.values().filter(|state| state.rebuilds == 1).count() as u64, folds, "each makes one: {partitions:?}");
        messages.extend(judging.queue.take_ordered());
    }
    assert_eq!(messages, [], "the last one hands on nothing");

    judging.carry_out(Request::Rebuild { account: Some(OTHER.to_owned()) }).await.unwrap();
    assert_eq!(judging.queue.take_ordered().len(), 1, "of one account alone");
    assert!(judging.carry_out(Request::Rebuild { account: Some("3333".to_owned()) }).await.is_err(), "of none");
}

#[tokio::test]
async fn a_fold_that_takes_too_long_is_given_up_in_time() {
    let tables = tables().await;
    let judging = tables.fold(&world().await, organization());
    report(&tables, MEMBER, 0..1).await;
    let messages = routed(&judging, &tables.inserted().await).await;
    let error = judging.fold.attempt(&task(&messages[0]), Instant::now()).await.unwrap_err();
    assert!(audit_aws::error::chain(&error).contains("longer than the function may work"), "{error}");
    assert!(matches!(judging.attempt_message(&messages[0]).await, Ok(Attempted::Folded(_))), "and comes again");
}

/// Items that a member's administrator can write, under each key that its role may.
fn junk(pk: String, number: usize) -> StreamRecord {
    let text = |text: String| AttributeValue::S(text);
    let item = [("pk", text(pk)), ("sk", text(format!("change#{number:016x}"))), ("j", text("{}".to_owned()))];
    inserted(number, item.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
}

#[tokio::test]
async fn what_no_auditor_reports_is_counted_and_found_and_holds_up_nobody() {
    let tables = tables().await;
    let judging = tables.fold(&world().await, organization());
    report(&tables, OTHER, 0..1).await;
    report(&tables, MEMBER, 0..1).await;
    let honest = tables.inserted().await;
    let mut flood = Vec::new();
    for number in 0..120 {
        flood.push(junk(format!("{MEMBER}#us-east-1#2099-01-{:02}T10", number % 28 + 1), number));
        flood.push(junk(format!("{MEMBER}#us-east-1#2019-01-{:02}T10", number % 28 + 1), number));
        flood.push(junk(format!("{MEMBER}#nowhere{number}#2026-11-20T10"), number));
        flood.push(junk(format!("{MEMBER}#{number}#what#ever"), number));
    }
    flood.extend(honest);
    assert_eq!(judging.take(&flood).await, None);
    assert_eq!((calls_in_violation(&tables, OTHER).await, calls_in_violation(&tables, MEMBER).await), (1, 1));
    let altered = found(&tables, MEMBER, "observation-altered").await;
    let by_region: Vec<(&str, u64)> = altered.iter().map(|finding| (finding.region.as_str(), finding.count)).collect();
    assert!(by_region.contains(&("us-east-1", 240)) && by_region.contains(&("unknown", 240)), "{by_region:?}");
    let detail = |region: &str| altered.iter().find(|finding| finding.region.as_str() == region).unwrap().detail.clone();
    assert!(detail("us-east-1").contains("ahead, expired"), "{}", detail("us-east-1"));
    assert!(detail("unknown").contains("malformed, region"), "{}", detail("unknown"));
    assert_eq!(found(&tables, OTHER, "observation-altered").await, []);
    let partitions = tables.findings().partitions(MEMBER).await.unwrap();
    assert_eq!(partitions.len(), 1, "and none of it is read");
    let kept = tables.items(&tables.notes).await.into_iter().filter(|item| item["sk"].as_s().unwrap().starts_with("REFUSED#")).count();
    assert_eq!(kept, 4, "however much there is");
    // More of the same is counted, and is no reason to judge anything again.
    assert_eq!(routed(&judging, &flood[..480]).await, []);
}

#[tokio::test]
async fn an_account_reports_in_no_more_regions_than_there_are() {
    let tables = tables().await;
    let judging = tables.fold(&world().await, organization());
    let letter = |number: usize| char::from(b'a' + u8::try_from(number % 26).unwrap());
    let regions: Vec<String> = (0..100).map(|number| format!("xx-{}{}-1", letter(number / 26), letter(number))).collect();
    let records: Vec<StreamRecord> =
        regions.iter().enumerate().map(|(number, region)| junk(format!("{MEMBER}#{region}#2026-11-20T10"), number)).collect();
    routed(&judging, &records[..60]).await;
    routed(&judging, &records[60..]).await;
    assert_eq!(tables.findings().account_regions().await.unwrap().len(), 64);
    let refused = tables.findings().refused(MEMBER).await.unwrap();
    assert_eq!(refused.iter().map(|refused| (refused.reason.as_str(), refused.count)).collect::<Vec<_>>(), [("region", 36)]);
}

/// What is removed when its time is up was taken in before, and is no flood of old facts.
#[tokio::test]
async fn facts_that_expire_are_not_refused() {
    let tables = tables().await;
    let judging = tables.fold(&world().await, organization());
    let time = Timestamp::parse("2025-01-01T10:00:00Z").unwrap();
    let read = Content::Read(ReadFact { time, changed: Vec::new(), complete: false, history: None });
    let fact = Fact::new(Source::Account, AccountRegion::new(MEMBER, "us-east-1"), Some(time), read);
    let gone = StreamRecord { old: fact.item(30).unwrap(), new: Item::new(), by_service: true, ..inserted(0, Item::new()) };
    routed(&judging, &[gone]).await;
    assert_eq!(tables.findings().refused(MEMBER).await.unwrap(), []);
    assert!(tables.findings().partitions(MEMBER).await.unwrap().is_empty(), "and a partition that isn't known is not made known");
}

/// A change of the organization reaches every account, whichever fold has the time for it.
#[tokio::test]
async fn a_change_of_the_organization_is_told_to_all_accounts_once() {
    let tables = tables().await;
    let judging = tables.fold(&world().await, organization());
    report(&tables, OTHER, 0..1).await;
    report(&tables, MEMBER, 0..1).await;
    tables.fold_all(&judging).await;
    let changes = [("e1", 1), ("e2", 2)].map(|(event, minute)| (event, Timestamp::parse(&format!("2026-11-20T10:0{minute}:00Z")).unwrap()));
    for (event, time) in changes {
        tables.findings().note_organization_change(MANAGEMENT, event, time).await.unwrap();
    }
    let version = tables.findings().raise_version(MANAGEMENT, audit_aws::findings::Raised::default()).await.unwrap();
    judging.fold.attempt(&FoldTask::new(MANAGEMENT, version), no_deadline()).await.unwrap();
    let told: Vec<String> =
        tables.inserted().await.iter().filter(|record| record.sk().starts_with("read#")).map(|record| record.pk().to_owned()).collect();
    for account in [MEMBER, OTHER] {
        assert_eq!(told.iter().filter(|pk| **pk == format!("hub#{account}#us-east-1#2026-11-20T10")).count(), 2, "{told:?}");
    }
    assert_eq!(tables.findings().organization_changes(MANAGEMENT).await.unwrap(), []);
}

#[tokio::test]
async fn a_configuration_that_can_t_be_read_is_nobody_s_fault() {
    let tables = tables().await;
    let bucket = world().await;
    bucket.put("configuration/guardrail-audit.toml", b"[[exception]".to_vec()).await.unwrap();
    let judging = tables.fold(&bucket, organization());
    report(&tables, MEMBER, 0..1).await;
    let messages = routed(&judging, &tables.inserted().await).await;
    for _ in 0..5 {
        judging.attempt_message(&messages[0]).await.unwrap_err();
    }
    assert_eq!(tables.findings().quarantined().await.unwrap(), []);
}

/// The router fails for longer than the stream keeps its records: what they told of is found again in the facts.
#[tokio::test]
async fn what_the_stream_lost_is_found_again_in_the_facts() {
    let (tables, expected) = (tables().await, tables().await);
    let judging = tables.fold(&world().await, organization());
    report(&tables, MEMBER, 0..1).await;
    let mut lost = tables.inserted().await;
    assert_eq!(judging.take(&lost).await, None);
    // For 25 hours nobody takes the stream: more of the same hour, another hour, and an account that never reported before.
    report(&tables, MEMBER, 1..2).await;
    report(&tables, MEMBER, 600..601).await;
    report(&tables, OTHER, 700..702).await;
    lost = tables.inserted().await;
    // Then it works again.
    report(&tables, MEMBER, 800..801).await;
    let mut new = tables.inserted().await;
    new.retain(|record| lost.iter().all(|lost| (lost.pk(), lost.sk()) != (record.pk(), record.sk())));
    assert_eq!(judging.take(&new).await, None);
    let counts = async || (calls_in_violation(&tables, MEMBER).await, calls_in_violation(&tables, OTHER).await);
    assert_eq!(counts().await, (2, 0), "what was noted is what is judged");

    judging
        .carry_out(Request::Repair { since: Timestamp::parse("2026-11-20T10:30:00Z").unwrap(), account: None, everywhere: false })
        .await
        .unwrap();
    assert!(judging.deliver().await);
    assert_eq!(counts().await, (4, 2));
    for (account, numbers) in [(MEMBER, 0..2), (MEMBER, 600..601), (OTHER, 700..702), (MEMBER, 800..801)] {
        report(&expected, account, numbers).await;
    }
    expected.fold_all(&expected.fold(&world().await, organization())).await;
    assert_eq!(tables.all_findings().await, expected.all_findings().await);
    let partitions = tables.findings().partitions(MEMBER).await.unwrap();
    assert_eq!(partitions.len(), 3);
    assert!(partitions.values().all(|state| state.rolled_up == Some(state.version)), "rollups, too: {partitions:?}");
}
