//! What the administrator of a member account can make the hub keep, read and judge is bounded. What doesn't fit is a finding, and nothing is
//! compliant or resolved that it could speak against.

use std::collections::BTreeSet;

use audit_aws::{
    bucket::MemoryBucket,
    fact::{ChangeFact, Content, Fact},
    findings::{Raised, Unjudged, Volume},
    fold::{Attempted, FoldTask, Request, Trust},
    invocations::Message,
    observations::Item,
    partition::{AccountRegion, Partition, Source},
    stream::{StreamHandler as _, StreamRecord},
};
use audit_core::{
    auditor,
    facts::{Collector, packed::EventIds},
    finding::{Finding, Status},
    missing_evidence::MissingEvidence,
    timestamp::Timestamp,
    verdict::Invocations,
};
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use serde_json::{Value, json};

use crate::support::{
    HUB, Judging, StateOf, Tables, bucket_with,
    history::{self, GUARDRAIL, MANAGEMENT, MEMBER},
    inserted, invocation_auditor, no_deadline, now, own, tables,
};

const OTHER: &str = "333344445555";

/// Bytes of facts that the folds of these tests have room for.
const ROOM: u64 = 400_000;

fn organization() -> Trust {
    Trust { organization: true, hub_account: HUB.to_owned(), management_account: Some(MANAGEMENT.to_owned()), members_are_believed: false }
}

fn time(minute: i64) -> Timestamp {
    Timestamp::parse("2026-11-20T10:00:00Z").unwrap().plus_seconds(minute * 60)
}

fn member() -> AccountRegion {
    AccountRegion::new(MEMBER, "us-east-1")
}

/// A world in which the member's calls are covered by a policy.
async fn covered() -> MemoryBucket {
    bucket_with(history::world(&history::enforced_policy(GUARDRAIL)), None).await
}

/// A world in which nothing is.
async fn bare() -> MemoryBucket {
    bucket_with(history::bare_world_with(OTHER), None).await
}

fn with_room(tables: &Tables, bucket: &MemoryBucket, at: Timestamp, room: u64) -> Judging {
    let judging = tables.fold_at(bucket, organization(), at);
    Judging { fold: judging.fold.with_room(room), router: judging.router, queue: judging.queue }
}

async fn report(tables: &Tables, records: &[Value]) {
    let state = StateOf { account_region: None, files: history::bare_world().into_iter().collect() };
    let bodies: Vec<String> = records.iter().map(history::envelope).collect();
    let messages: Vec<Message<'_>> = bodies.iter().map(|body| Message { id: "m", body }).collect();
    assert!(invocation_auditor(tables, state).take(Some(&own()), &messages).await.failed.is_empty());
}

/// What the organization's trail shows.
async fn put_of_trail(tables: &Tables, records: &[Value]) {
    let wanted = auditor::wanted();
    let mut collector = Collector::new(&wanted);
    for record in records {
        collector.value(history::envelope(record).as_bytes());
    }
    for packet in collector.into_facts().pack(EventIds::All, &Invocations::default()) {
        let account_region = AccountRegion::new(packet.account, packet.region);
        let partition = Partition { source: Source::Hub, account_region, hour: packet.hour };
        tables.observations().put(&Fact { partition, content: Content::Calls(packet.bytes) }).await.unwrap();
    }
}

/// Facts of an hour that are large and say nothing: changes of no interest, with parameters.
async fn flood(tables: &Tables, source: Source, account: &str, minute: i64, bytes: usize) {
    let wanted = auditor::wanted();
    for number in 0..bytes.div_ceil(40_000) {
        let at = u64::try_from(minute).unwrap();
        let tag = history::record(account, "UpdateGuardrail", 50_000 + at * 100 + number as u64, at, &json!({"guardrailIdentifier": "x"}));
        let mut collector = Collector::new(&wanted);
        collector.value(history::envelope(&tag).as_bytes());
        let (key, mut change) = collector.into_facts().changes().pop().unwrap();
        change.parameters = json!({"description": "x".repeat(40_000)});
        let content = Content::Change(ChangeFact { time: key.time, event_id: key.event_id, change });
        tables.observations().put(&Fact::new(source, AccountRegion::new(account, "us-east-1"), Some(key.time), content)).await.unwrap();
    }
}

async fn found(tables: &Tables, account: &str, rule: &str) -> Vec<Finding> {
    let all = tables.all_findings().await;
    all.into_iter().filter(|finding| finding.account.as_str() == account && finding.rule == rule).collect()
}

async fn unguarded(tables: &Tables, account: &str) -> u64 {
    found(tables, account, "invocation-without-guardrail").await.iter().map(|finding| finding.count).sum()
}

async fn gap_in_judging(tables: &Tables) -> Finding {
    let mut gaps = found(tables, MEMBER, "telemetry-gap").await;
    gaps.retain(|gap| gap.detail.contains("judged"));
    gaps.pop().unwrap()
}

async fn calls_of_hour(tables: &Tables, hour: &str) -> Option<Invocations> {
    tables.findings().rollups(&member()).await.unwrap().get(hour).map(|rollup| rollup.invocations)
}

/// What a member writes over is kept up to a bound. Beyond it nothing is stored and nothing judged again, and nothing reads clean.
#[tokio::test]
async fn what_is_rewritten_without_end_is_kept_up_to_a_bound() {
    let tables = tables().await;
    let judging = tables.fold(&bare().await, organization());
    report(&tables, &(0..3).map(|number| history::call(MEMBER, number, number * 60)).collect::<Vec<_>>()).await;
    tables.fold_all(&judging).await;
    assert_eq!(unguarded(&tables, MEMBER).await, 3);
    let facts = tables.items(&tables.observations).await;
    let rewritten = |number: usize, item: &Item| {
        let mut new = item.clone();
        new.insert("f".to_owned(), AttributeValue::B(Blob::new(vec![0, 1, 2])));
        StreamRecord { old: item.clone(), new, ..inserted(number, Item::new()) }
    };
    for (item, record) in facts.iter().zip(facts.iter().enumerate().map(|(number, item)| rewritten(number, item))) {
        tables.aws.dynamodb().put_item().table_name(&tables.observations).set_item(Some(record.new.clone())).send().await.unwrap();
        assert_eq!(item["pk"], record.new["pk"]);
    }
    // All but one item of what may be kept.
    let kept = Volume { items: audit_aws::bounds::KEPT.items - 1, bytes: 0 };
    tables.findings().raise_version(MEMBER, Raised { kept, ..Raised::default() }).await.unwrap();
    let records: Vec<StreamRecord> = facts.iter().enumerate().map(|(number, item)| rewritten(number, item)).collect();
    assert_eq!(judging.take(&records).await, None);
    let (kept, is_cut) = tables.findings().kept(MEMBER).await.unwrap();
    assert_eq!((kept.len(), is_cut), (1, false), "of three facts, one is still kept");
    let refused = tables.findings().refused(MEMBER).await.unwrap();
    assert_eq!(refused.iter().map(|refused| (refused.reason.as_str(), refused.count)).collect::<Vec<_>>(), [("kept", 2)]);
    let altered = found(&tables, MEMBER, "observation-altered").await.remove(0);
    assert!(altered.detail.contains("kept, malformed, rewritten"), "{}", altered.detail);
    assert_eq!(unguarded(&tables, MEMBER).await, 3, "what was found is not taken back");

    // More of it is counted.
    let more: Vec<StreamRecord> = (0..50).map(|number| rewritten(number, &facts[number % 3])).collect();
    assert_eq!(judging.take(&more).await, None);
    assert_eq!(tables.findings().kept(MEMBER).await.unwrap().0.len(), 1);
    assert_eq!(tables.findings().refused(MEMBER).await.unwrap()[0].count, 52);
}

/// Nobody may prove that calls were covered by rewriting what says that they weren't.
#[tokio::test]
async fn an_account_that_rewrote_too_much_proves_nothing() {
    let tables = tables().await;
    let judging = tables.fold(&covered().await, organization());
    report(&tables, &[history::call(MEMBER, 1, 1)]).await;
    tables.fold_all(&judging).await;
    let hour = "2026-11-20T10";
    assert_eq!(calls_of_hour(&tables, hour).await, Some(Invocations { compliant: 1, ..Invocations::default() }));
    let kept = audit_aws::bounds::KEPT;
    tables.findings().raise_version(MEMBER, Raised { kept, ..Raised::default() }).await.unwrap();
    let removed = tables.inserted().await.into_iter().next().unwrap();
    let removed = StreamRecord { old: removed.new, new: Item::new(), ..removed };
    assert_eq!(judging.take(&[removed]).await, None);
    judging.rebuild().await;
    assert_eq!(calls_of_hour(&tables, hour).await, Some(Invocations { not_provable: 1, ..Invocations::default() }));
}

/// A fact that claims to be of later would count once its time has come, if it isn't noted. Where there is no room for another note, none of
/// the facts of its hour count.
#[tokio::test]
async fn what_was_written_ahead_of_its_time_never_counts_even_without_a_note() {
    let tables = tables().await;
    let bucket = bare().await;
    let judging = tables.fold(&bucket, organization());
    report(&tables, &[history::call(MEMBER, 1, 1)]).await;
    tables.fold_all(&judging).await;
    let kept = audit_aws::bounds::KEPT;
    tables.findings().raise_version(MEMBER, Raised { kept, ..Raised::default() }).await.unwrap();
    report(&tables, &[history::call(MEMBER, 2, 90)]).await;
    // The stream reports it an hour before.
    let ahead: Vec<StreamRecord> =
        tables.inserted().await.into_iter().map(|record| StreamRecord { time: Some(time(60)), ..record }).collect();
    assert_eq!(judging.take(&ahead).await, None);
    judging.rebuild().await;
    assert_eq!(unguarded(&tables, MEMBER).await, 1);
    let partition = Partition::parse(&format!("{MEMBER}#us-east-1#2026-11-20T11")).unwrap();
    assert!(tables.findings().partitions(MEMBER).await.unwrap()[&partition].is_ahead);
}

/// What the hub has of an account is judged, however much the account itself reports. What is left out is a finding and a blind spot, leaves
/// no call compliant that it could speak against, and is made good when there is room again.
#[tokio::test]
async fn what_the_trail_proves_is_judged_however_much_a_member_reports() {
    let tables = tables().await;
    let bucket = covered().await;
    let judging = with_room(&tables, &bucket, now(), ROOM);
    report(&tables, &[history::call(MEMBER, 1, 1), history::call(MEMBER, 2, 61)]).await;
    tables.fold_all(&judging).await;
    let compliant = Some(Invocations { compliant: 1, ..Invocations::default() });
    assert_eq!((calls_of_hour(&tables, "2026-11-20T10").await, calls_of_hour(&tables, "2026-11-20T11").await), (compliant, compliant));

    // More than there is room for, in one hour; and the trail shows a call that no guardrail covers.
    flood(&tables, Source::Account, MEMBER, 61, 500_000).await;
    report(&tables, &[history::call(MEMBER, 3, 2)]).await;
    put_of_trail(
        &tables,
        &[history::record(MEMBER, "InvokeModelWithBidirectionalStream", 4, 3, &json!({"modelId": "amazon.nova-sonic-v1:0"}))],
    )
    .await;
    tables.fold_all(&judging).await;
    assert_eq!(found(&tables, MEMBER, "api-not-covered").await.len(), 1, "what the trail proves is judged");
    let gap = gap_in_judging(&tables).await;
    assert_eq!(gap.status, Status::Open);
    assert!(gap.detail.contains("facts of 1 hours are left out") && gap.detail.contains("2026-11-20T11"), "{}", gap.detail);
    let blind = tables.findings().blind(MEMBER).await.unwrap();
    assert!(blind.iter().any(|row| row.missing == MissingEvidence::CallsNotRead), "{blind:?}");
    let unproved = Invocations { not_provable: 2, violation: 1, ..Invocations::default() };
    assert_eq!(calls_of_hour(&tables, "2026-11-20T10").await, Some(unproved), "in the hour that is left out may be what speaks against it");
    assert_eq!(calls_of_hour(&tables, "2026-11-20T11").await, compliant, "what was counted of that hour stays");
    let quarantined = tables.findings().quarantined().await.unwrap();
    assert_eq!(quarantined.iter().map(|(_, quarantine)| quarantine.unjudged).collect::<Vec<_>>(), [Unjudged::SomeOfItsOwn]);

    // It is judged again by itself, as soon as there is room.
    let later = now().plus_seconds(6 * 3_600);
    let roomy = with_room(&tables, &bucket, later, 100 * ROOM);
    roomy.carry_out(Request::RetryQuarantined).await.unwrap();
    assert!(roomy.deliver().await);
    let gap = gap_in_judging(&tables).await;
    assert_eq!((gap.status, gap.resolved_at), (Status::Resolved, Some(later)));
    let proved = Invocations { compliant: 2, violation: 1, ..Invocations::default() };
    assert_eq!((calls_of_hour(&tables, "2026-11-20T10").await, calls_of_hour(&tables, "2026-11-20T11").await), (Some(proved), compliant));
    assert_eq!(tables.findings().blind(MEMBER).await.unwrap().iter().filter(|row| row.missing == MissingEvidence::CallsNotRead).count(), 0);
    assert_eq!(tables.findings().quarantined().await.unwrap(), []);
}

/// The hours with the fewest facts are read first, so that a flood of one hour leaves out that hour alone; and what is remembered makes no
/// difference.
#[tokio::test]
async fn a_flood_leaves_out_its_own_hour_first() {
    let tables = tables().await;
    let bucket = bare().await;
    for (minute, bytes) in [(1, 200_000), (61, 600_000), (121, 40_000)] {
        report(&tables, &[history::call(MEMBER, u64::try_from(minute).unwrap(), u64::try_from(minute).unwrap())]).await;
        flood(&tables, Source::Account, MEMBER, minute, bytes).await;
    }
    let judging = with_room(&tables, &bucket, now(), ROOM);
    tables.fold_all(&judging).await;
    assert_eq!(unguarded(&tables, MEMBER).await, 2);
    for fold in [&judging, &with_room(&tables, &bucket, now(), ROOM)] {
        fold.rebuild().await;
        assert_eq!(unguarded(&tables, MEMBER).await, 2);
        assert!(gap_in_judging(&tables).await.detail.contains("2026-11-20T11"));
    }
}

/// An account whose own reports end the function is judged by what the hub has, until it can be judged again.
#[tokio::test]
async fn an_account_in_quarantine_is_judged_by_what_the_hub_has() {
    let tables = tables().await;
    let bucket = bare().await;
    let judging = tables.fold(&bucket, organization());
    report(&tables, &[history::call(MEMBER, 1, 1), history::call(MEMBER, 2, 61)]).await;
    tables.fold_all(&judging).await;
    assert_eq!(unguarded(&tables, MEMBER).await, 2);
    // What it reports next ends the function three times.
    report(&tables, &[history::call(MEMBER, 3, 121)]).await;
    put_of_trail(
        &tables,
        &[history::record(MEMBER, "InvokeModelWithBidirectionalStream", 4, 3, &json!({"modelId": "amazon.nova-sonic-v1:0"}))],
    )
    .await;
    for _ in 0..3 {
        tables.findings().begin_fold(MEMBER).await.unwrap();
    }
    assert_eq!(judging.take(&tables.inserted().await).await, None);
    let gap = gap_in_judging(&tables).await;
    assert!(gap.detail.contains("ended the function") && gap.detail.contains("the organization's trail proves"), "{}", gap.detail);
    assert_eq!((gap.status, found(&tables, MEMBER, "api-not-covered").await.len()), (Status::Open, 1));
    let calls = found(&tables, MEMBER, "invocation-without-guardrail").await.remove(0);
    assert_eq!((calls.status, calls.count), (Status::Open, 2), "what it reported before is not taken back, and what it reports now waits");
    assert_eq!(tables.findings().quarantined().await.unwrap()[0].1.unjudged, Unjudged::AllOfItsOwn);

    let later = now().plus_seconds(900);
    let due = tables.fold_at(&bucket, organization(), later);
    due.carry_out(Request::RetryQuarantined).await.unwrap();
    assert!(due.deliver().await);
    assert_eq!((unguarded(&tables, MEMBER).await, gap_in_judging(&tables).await.status), (3, Status::Resolved));
}

/// A repair is done whether or not the account can be judged, and what there is no time for is handed on.
#[tokio::test]
async fn a_repair_is_not_lost_in_quarantine() {
    let tables = tables().await;
    let bucket = bare().await;
    let judging = tables.fold(&bucket, organization());
    report(&tables, &[history::call(MEMBER, 1, 1)]).await;
    tables.fold_all(&judging).await;
    // Nobody takes the stream.
    report(&tables, &[history::call(MEMBER, 2, 61), history::call(MEMBER, 3, 121)]).await;
    for _ in 0..4 {
        tables.findings().begin_fold(MEMBER).await.unwrap();
    }
    judging.carry_out(Request::Repair { since: time(0), account: None, everywhere: false }).await.unwrap();
    let mut messages = judging.queue.take_ordered();
    messages.retain(|message| message.group == MEMBER);
    let mut parts = 0;
    let last = loop {
        let task: FoldTask = serde_json::from_str(&messages.pop().unwrap().body).unwrap();
        parts += 1;
        // Half of the time is over at once.
        match judging.fold.attempt_within(&task, std::time::Instant::now(), no_deadline()).await.unwrap() {
            Attempted::HandedOn => messages = judging.queue.take_ordered(),
            last => break last,
        }
    };
    assert_eq!((parts > 10, last), (true, Attempted::Quarantined), "{parts} hours, each by itself");
    assert_eq!(tables.findings().partitions(MEMBER).await.unwrap().len(), 3, "the repair is done");
    let due = tables.fold_at(&bucket, organization(), now().plus_seconds(900));
    due.carry_out(Request::RetryQuarantined).await.unwrap();
    assert!(due.deliver().await);
    assert_eq!(unguarded(&tables, MEMBER).await, 3);
}

/// Each fold looks through the management account's facts, and through what concerns its account of others. Neither ends it by its size.
#[tokio::test]
async fn what_others_have_ends_no_fold() {
    let tables = tables().await;
    let judging = with_room(&tables, &bare().await, now(), ROOM);
    let mut concerns = BTreeSet::new();
    for hour in 0..10 {
        flood(&tables, Source::Account, MANAGEMENT, hour * 60 + 1, 80_000).await;
        flood(&tables, Source::Account, OTHER, hour * 60 + 1, 80_000).await;
        for account in [MANAGEMENT, OTHER] {
            let minute = hour * 60 + 1;
            let partition =
                Fact::new(Source::Account, AccountRegion::new(account, "us-east-1"), Some(time(minute)), Content::Calls(Vec::new()))
                    .partition;
            tables.findings().note_partition(&partition, Volume { items: 2, bytes: 80_000 }, true).await.unwrap();
            if account == OTHER {
                concerns.insert(partition);
            }
        }
    }
    tables.findings().note_concerns(MEMBER, OTHER, &concerns, 1).await.unwrap();
    report(&tables, &[history::call(MEMBER, 1, 1)]).await;
    let version = tables.findings().raise_version(MEMBER, Raised::default()).await.unwrap();
    let partition = Partition::parse(&format!("{MEMBER}#us-east-1#2026-11-20T10")).unwrap();
    tables.findings().note_partition(&partition, Volume { items: 1, bytes: 300 }, true).await.unwrap();
    tables.findings().note_account_region(&member()).await.unwrap();
    let attempted = judging.fold.attempt(&FoldTask::new(MEMBER, version), no_deadline()).await;
    assert!(matches!(attempted, Ok(Attempted::Folded(_))), "{attempted:?}");
    assert_eq!(unguarded(&tables, MEMBER).await, 1);
    assert!(gap_in_judging(&tables).await.detail.contains(OTHER), "that others' changes weren't all read is a finding");
}

/// Regions that a member makes up keep none of the hub's own out.
#[tokio::test]
async fn regions_that_are_made_up_keep_none_of_the_hub_s_out() {
    let tables = tables().await;
    let judging = tables.fold(&bare().await, organization());
    let letter = |number: usize| char::from(b'a' + u8::try_from(number % 26).unwrap());
    let invented = |number: usize| {
        let pk = format!("{MEMBER}#xx-{}{}-1#2026-11-20T10", letter(number / 26), letter(number));
        let text = |text: String| AttributeValue::S(text);
        let item = [("pk", text(pk)), ("sk", text(format!("change#{number:016x}"))), ("j", text("{}".to_owned()))];
        inserted(number, item.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
    };
    let records: Vec<StreamRecord> = (0..64).map(invented).collect();
    assert_eq!(judging.take(&records).await, None);
    assert_eq!(tables.findings().account_regions().await.unwrap().len(), 64);
    let mut call = history::call(MEMBER, 1, 1);
    call["awsRegion"] = json!("eu-west-1");
    put_of_trail(&tables, &[call]).await;
    assert_eq!(judging.take(&tables.inserted().await).await, None);
    let known = tables.findings().account_regions().await.unwrap();
    assert!(known.contains(&AccountRegion::new(MEMBER, "eu-west-1")), "{known:?}");
    assert_eq!(tables.findings().refused(MEMBER).await.unwrap(), []);
}

/// The message about facts that were refused is lost. The batch comes again, and is a reason to judge the account although they are known by now.
#[tokio::test]
async fn a_refusal_whose_message_was_lost_is_told_again() {
    let tables = tables().await;
    let judging = tables.fold(&bare().await, organization());
    tables.findings().note_account_region(&member()).await.unwrap();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let item = [("pk", text(&format!("{MEMBER}#us-east-1#2099-01-01T10"))), ("sk", text("change#0000000000000000")), ("j", text("{}"))];
    let record = inserted(1, item.map(|(name, value)| (name.to_owned(), value)).into_iter().collect());
    assert_eq!(judging.router.take(std::slice::from_ref(&record)).await, None);
    assert_eq!(judging.queue.take_ordered().len(), 1, "which is lost");
    assert_eq!(judging.take(std::slice::from_ref(&record)).await, None);
    assert_eq!(found(&tables, MEMBER, "observation-altered").await.len(), 1);
    assert_eq!(judging.router.take(&[record]).await, None);
    assert_eq!(judging.queue.take_ordered(), [], "once it is judged, more of the same is no news");
}

/// An hour for which no fold has room is sealed as a fold would judge it, without what there is no room for, and holds up no later hour.
#[tokio::test]
async fn an_hour_that_is_too_large_is_sealed_without_what_there_is_no_room_for() {
    let tables = tables().await;
    let bucket = bare().await;
    let sealing = || {
        let judging = with_room(&tables, &bucket, now(), ROOM);
        Judging { fold: judging.fold.sealing_after(-6), ..judging }
    };
    report(&tables, &[history::call(MEMBER, 1, 1), history::call(MEMBER, 2, 61), history::call(MEMBER, 3, 121)]).await;
    flood(&tables, Source::Account, MEMBER, 61, 700_000).await;
    tables.fold_all(&sealing()).await;
    assert_eq!(tables.findings().partitions(MEMBER).await.unwrap().len(), 0, "all hours are sealed");
    for _ in 0..2 {
        assert_eq!(unguarded(&tables, MEMBER).await, 2);
        let gap = gap_in_judging(&tables).await;
        assert!(gap.status == Status::Open && gap.detail.contains("2026-11-20T11"), "{}", gap.detail);
        report(&tables, &[history::call(MEMBER, 4, 500)]).await;
        let version = tables.findings().raise_version(MEMBER, Raised::default()).await.unwrap();
        sealing().attempt(&FoldTask::new(MEMBER, version), no_deadline()).await.unwrap();
    }
}

/// What the hub itself has of an account may be more than a fold holds. The latest of it is judged, and nothing is proved or withdrawn.
#[tokio::test]
async fn of_more_than_there_is_room_for_of_the_hubs_own_the_latest_is_judged() {
    let tables = tables().await;
    let bucket = covered().await;
    let judging = with_room(&tables, &bucket, now(), ROOM);
    report(&tables, &[history::call(MEMBER, 1, 1), history::call(MEMBER, 2, 121)]).await;
    tables.fold_all(&judging).await;
    let compliant = Some(Invocations { compliant: 1, ..Invocations::default() });
    assert_eq!(calls_of_hour(&tables, "2026-11-20T12").await, compliant);
    for minute in [1, 61] {
        flood(&tables, Source::Hub, MEMBER, minute, 500_000).await;
    }
    tables.fold_all(&judging).await;
    let gap = gap_in_judging(&tables).await;
    assert!(gap.status == Status::Open && gap.detail.contains("2026-11-20T10"), "{}", gap.detail);
    assert_eq!(
        tables.findings().quarantined().await.unwrap().iter().map(|(_, it)| it.unjudged).collect::<Vec<_>>(),
        [Unjudged::SomeOfItsOwn]
    );
    judging.rebuild().await;
    let unproved = Some(Invocations { not_provable: 1, ..Invocations::default() });
    assert_eq!(calls_of_hour(&tables, "2026-11-20T12").await, unproved, "what is left out may speak against it");
}
