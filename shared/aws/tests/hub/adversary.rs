//! Writes what the administrator of a member account could write into the table of observations. None of it may resolve a finding, and what
//! the hub can notice must become a finding.

use std::collections::BTreeMap;

use audit_aws::{
    bucket::Bucket as _,
    fact::{ChangeFact, Content, Fact, GapFact, HeartbeatFact, StateFact},
    fold::{Request, Trust},
    invocations::Message,
    observations::Item,
    partition::{AccountRegion, Partition, Source},
    queue::MemoryQueue,
    stream::StreamRecord,
};
use audit_core::{
    auditor,
    facts::{Collector, packed::EventIds},
    finding::{Finding, Status},
    severity::Severity,
    timestamp::Timestamp,
    verdict::Invocations,
};
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use serde_json::{Value, json};

use crate::support::{
    HUB, Judging, StateOf, Tables, bucket_with,
    history::{self, GUARDRAIL, MANAGEMENT, MEMBER},
    inserted, invocation_auditor, now, own, tables,
};

fn organization() -> Trust {
    Trust { organization: true, hub_account: HUB.to_owned(), management_account: Some(MANAGEMENT.to_owned()), members_are_believed: false }
}

fn time(minute: i64) -> Timestamp {
    Timestamp::parse("2026-11-20T10:00:00Z").unwrap().plus_seconds(minute * 60)
}

fn member() -> AccountRegion {
    AccountRegion::new(MEMBER, "us-east-1")
}

/// An open finding about three calls of a member account without enforcement.
struct Setting {
    tables: Tables,
    fold: Judging,
    before: Vec<Finding>,
}

impl Setting {
    async fn new() -> Self {
        let tables = tables().await;
        let bucket = bucket_with(history::bare_world(), None).await;
        let fold = tables.fold(&bucket, organization());
        report(&tables, &(0..3).map(|number| history::call(MEMBER, number, number)).collect::<Vec<_>>()).await;
        tables.fold_all(&fold).await;
        let mut before = tables.all_findings().await;
        assert_eq!(rules(&before), ["invocation-without-guardrail"]);
        before.retain(|finding| finding.rule == "invocation-without-guardrail");
        assert_eq!((before[0].status, before[0].count), (Status::Open, 3));
        Setting { tables, fold, before }
    }

    /// Writes facts with the permissions of the member's auditor role, and folds them.
    async fn write(&self, facts: &[Fact]) -> Vec<Finding> {
        for fact in facts {
            self.tables.observations().put(fact).await.unwrap();
        }
        self.tables.fold_all(&self.fold).await;
        self.tables.all_findings().await
    }
}

/// The findings without the one about the whole account, which is always there.
fn rules(findings: &[Finding]) -> Vec<&str> {
    let mut rules: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).filter(|rule| *rule != "account-not-covered").collect();
    rules.sort_unstable();
    rules
}

async fn report(tables: &Tables, records: &[Value]) {
    let state = StateOf { account_region: None, files: history::bare_world().into_iter().collect() };
    let bodies: Vec<String> = records.iter().map(history::envelope).collect();
    let messages: Vec<Message<'_>> = bodies.iter().map(|body| Message { id: "m", body }).collect();
    assert!(invocation_auditor(tables, state).take(Some(&own()), &messages).await.failed.is_empty());
}

/// Packed facts of these records, with whatever the member claims about them.
fn forged(records: &[Value], claimed: Invocations) -> Vec<Fact> {
    let wanted = auditor::wanted();
    let mut collector = Collector::new(&wanted);
    for record in records {
        collector.value(history::envelope(record).as_bytes());
    }
    let packets = collector.into_facts().pack(EventIds::All, &claimed);
    let fact = |packet: audit_core::facts::packed::Packet| Fact {
        partition: Partition {
            source: Source::Account,
            account_region: AccountRegion::new(packet.account, packet.region),
            hour: packet.hour,
        },
        content: Content::Calls(packet.bytes),
    };
    packets.into_iter().map(fact).collect()
}

#[tokio::test]
async fn calls_that_look_covered_resolve_nothing() {
    let setting = Setting::new().await;
    let mut records: Vec<Value> = (100..130).map(|number| history::guarded_call(MEMBER, number, 50, GUARDRAIL)).collect();
    // Evaluations of the calls that no guardrail evaluated, and of the new calls.
    records.extend((0..3).chain(100..130).map(|number| history::evaluation(MEMBER, number, 50, GUARDRAIL)));
    let after = setting.write(&forged(&records, Invocations { compliant: 33, ..Invocations::default() })).await;
    let still = after.iter().find(|finding| finding.id == setting.before[0].id).unwrap();
    assert_eq!(still.status, Status::Open);
    assert!(still.count >= 3, "none of the calls is cleared");
}

#[tokio::test]
async fn another_word_for_the_same_call_hides_nothing() {
    let setting = Setting::new().await;
    let mut records = Vec::new();
    for number in 0..3 {
        // The same calls again: refused, with another model, with a guardrail, at another time.
        let mut refused = history::call(MEMBER, number, number);
        refused["errorCode"] = json!("AccessDeniedException");
        let mut other = history::call(MEMBER, number, number);
        other["requestParameters"]["modelId"] = json!("a.a");
        records.extend([refused, other, history::guarded_call(MEMBER, number, number, GUARDRAIL), history::call(MEMBER, number, 0)]);
    }
    let after = setting.write(&forged(&records, Invocations { compliant: 12, ..Invocations::default() })).await;
    let still = after.iter().find(|finding| finding.id == setting.before[0].id).unwrap();
    assert_eq!(still.status, Status::Open);
    assert!(still.count >= 3 && still.models.shown.contains(&"anthropic.claude-3-haiku-20240307-v1:0".to_owned()), "{still:?}");
    // Once the hub has its own record of a call, only that counts.
    let wanted = auditor::wanted();
    let mut collector = Collector::new(&wanted);
    for number in 0..3 {
        collector.value(history::envelope(&history::call(MEMBER, number, number)).as_bytes());
    }
    let packets = collector.into_facts().pack(EventIds::All, &Invocations::default());
    let of_hub: Vec<Fact> = packets
        .into_iter()
        .map(|packet| Fact {
            partition: Partition {
                source: Source::Hub,
                account_region: AccountRegion::new(packet.account, packet.region),
                hour: packet.hour,
            },
            content: Content::Calls(packet.bytes),
        })
        .collect();
    let after = setting.write(&of_hub).await;
    assert_eq!(after.iter().find(|finding| finding.id == setting.before[0].id).unwrap().count, 3);
}

#[tokio::test]
async fn a_state_of_its_own_making_resolves_nothing() {
    let setting = Setting::new().await;
    let since = time(30);
    let policy = history::enforced_policy(GUARDRAIL);
    let state = |path: String, json: &Value| {
        let state = StateFact { path, since, read_at: since, json: json.to_string(), events: Vec::new() };
        Fact::new(Source::Account, member(), Some(since), Content::State(state))
    };
    let put = history::record(
        MEMBER,
        "PutEnforcedGuardrailConfiguration",
        500,
        0,
        &json!({"guardrailInferenceConfig": {"guardrailIdentifier": GUARDRAIL, "guardrailVersion": "1"}}),
    );
    let wanted = auditor::wanted();
    let mut collector = Collector::new(&wanted);
    collector.value(history::envelope(&put).as_bytes());
    let facts = collector.into_facts();
    let changes = facts.changes().into_iter().map(|(key, change)| {
        let fact = ChangeFact { time: key.time, event_id: key.event_id.clone(), change: change.clone() };
        Fact::new(Source::Account, member(), Some(key.time), Content::Change(fact))
    });
    let mut forged: Vec<Fact> = changes.collect();
    assert_eq!(forged.len(), 1, "the record is a change");
    forged.push(state(format!("effective-policies/{MEMBER}.json"), &policy));
    forged.push(state(
        format!("enforced-configurations/{MEMBER}/us-east-1.json"),
        &json!({"guardrailsConfig": [{"configId": "c", "guardrailArn": GUARDRAIL, "guardrailId": "required1", "guardrailVersion": "1"}]}),
    ));
    let after = setting.write(&forged).await;
    let still = after.iter().find(|finding| finding.id == setting.before[0].id).unwrap();
    assert_eq!((still.status, still.count, still.severity), (Status::Open, 3, setting.before[0].severity));
}

#[tokio::test]
async fn the_organization_is_not_a_members_to_change() {
    let setting = Setting::new().await;
    let content =
        json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifier": {"@@assign": format!("{GUARDRAIL}:1")}}}}}});
    let mut create =
        history::record(MEMBER, "CreatePolicy", 600, 0, &json!({"name": "p", "type": "BEDROCK_POLICY", "content": content.to_string()}));
    create["responseElements"] =
        json!({"policy": {"policySummary": {"id": "p-forged01", "type": "BEDROCK_POLICY"}, "content": content.to_string()}});
    let attach = history::record(MEMBER, "AttachPolicy", 601, 0, &json!({"policyId": "p-forged01", "targetId": MEMBER}));
    report(&setting.tables, &[create, attach]).await;
    let after = setting.write(&[]).await;
    let still = after.iter().find(|finding| finding.id == setting.before[0].id).unwrap();
    assert_eq!((still.status, still.count), (Status::Open, 3));
}

#[tokio::test]
async fn a_fact_that_is_rewritten_still_counts_and_is_a_finding() {
    let setting = Setting::new().await;
    let old = setting.tables.items(&setting.tables.observations).await.remove(0);
    let innocent = forged(&[history::call(MEMBER, 900, 0)], Invocations { compliant: 1, ..Invocations::default() }).remove(0);
    let mut new = old.clone();
    new.insert("f".to_owned(), innocent.item(400).unwrap()["f"].clone());
    write(&setting.tables, &new).await;
    let change = StreamRecord { old, new, ..inserted(7, Item::new()) };
    assert_eq!(setting.fold.take(&[change]).await, None);
    let after = setting.tables.all_findings().await;
    assert_eq!(rules(&after), ["invocation-without-guardrail", "observation-altered"]);
    let still = after.iter().find(|finding| finding.id == setting.before[0].id).unwrap();
    assert_eq!((still.status, still.count), (Status::Open, 3), "what was said first counts");
    setting.fold.rebuild().await;
    assert_eq!(setting.tables.all_findings().await, after, "made again, the findings are the same");
}

/// An item that was no fact before it was rewritten isn't kept. Keeping it would fail: its key has the maximum length already.
#[tokio::test]
async fn an_item_that_was_no_fact_stalls_nobody_when_it_is_rewritten() {
    let setting = Setting::new().await;
    let mut old = setting.tables.items(&setting.tables.observations).await.remove(0);
    old.insert("sk".to_owned(), AttributeValue::S("x".repeat(1024)));
    let mut new = old.clone();
    new.insert("j".to_owned(), AttributeValue::S("y".to_owned()));
    write(&setting.tables, &new).await;
    assert_eq!(setting.fold.take(&[StreamRecord { old, new, ..inserted(7, Item::new()) }]).await, None);
    assert_eq!(rules(&setting.tables.all_findings().await), ["invocation-without-guardrail", "observation-altered"]);
}

#[tokio::test]
async fn a_time_to_live_that_is_cut_short_is_a_finding() {
    let setting = Setting::new().await;
    let old = setting.tables.items(&setting.tables.observations).await.remove(0);
    let mut new = old.clone();
    new.insert("expires_at".to_owned(), AttributeValue::N("1".to_owned()));
    write(&setting.tables, &new).await;
    assert_eq!(setting.fold.take(&[StreamRecord { old, new, ..inserted(7, Item::new()) }]).await, None);
    assert_eq!(rules(&setting.tables.all_findings().await), ["invocation-without-guardrail", "observation-altered"]);
}

/// An operator who changes the retention of facts causes no finding: the same fact, written again, differs only in its expiry.
#[tokio::test]
async fn another_end_of_the_same_fact_is_no_finding() {
    for (before, after) in [(400, 90), (90, 400), (400, 3_650)] {
        let setting = Setting::new().await;
        let mut records = Vec::new();
        let of_hub = Fact::new(Source::Hub, member(), Some(time(0)), Content::Gap(gap("reports")));
        setting.write(std::slice::from_ref(&of_hub)).await;
        for item in setting.tables.items(&setting.tables.observations).await {
            let fact = Fact::from_item(&item).unwrap();
            let (old, new) = (fact.item(before).unwrap(), fact.item(after).unwrap());
            assert_ne!(old["expires_at"], new["expires_at"]);
            write(&setting.tables, &new).await;
            records.push(StreamRecord { old, new, ..inserted(records.len(), Item::new()) });
        }
        assert!(records.len() > 1);
        assert_eq!(setting.fold.take(&records).await, None);
        let after = setting.tables.all_findings().await;
        assert_eq!(rules(&after), ["invocation-without-guardrail", "telemetry-gap"], "{before}");
        // A fact with other content is still noticed, whatever its expiry.
        let innocent = forged(&[history::call(MEMBER, 900, 0)], Invocations { compliant: 1, ..Invocations::default() }).remove(0);
        let record = records.iter_mut().find(|record| record.sk().starts_with("calls#")).unwrap();
        record.new.insert("f".to_owned(), innocent.item(400).unwrap()["f"].clone());
        write(&setting.tables, &record.new).await;
        assert_eq!(setting.fold.take(std::slice::from_ref(record)).await, None);
        assert!(rules(&setting.tables.all_findings().await).contains(&"observation-altered"));
    }
}

/// Facts with the shortest expiry that may be configured are deleted then, but what they recorded still counts.
#[tokio::test]
async fn an_end_that_is_brought_forward_takes_nothing_away() {
    let setting = Setting::new().await;
    for old in setting.tables.items(&setting.tables.observations).await {
        let new = Fact::from_item(&old).unwrap().item(1).unwrap();
        write(&setting.tables, &new).await;
        let brought_forward = StreamRecord { old, new: new.clone(), ..inserted(7, Item::new()) };
        assert_eq!(setting.fold.take(&[brought_forward]).await, None);
        remove(&setting.tables, &new).await;
        let gone = StreamRecord { old: new, new: Item::new(), by_service: true, ..inserted(8, Item::new()) };
        assert_eq!(setting.fold.take(&[gone]).await, None);
    }
    let after = setting.tables.all_findings().await;
    let still = after.iter().find(|finding| finding.id == setting.before[0].id).unwrap();
    assert_eq!((still.status, still.count), (Status::Open, 3));
}

fn gap(missing: &str) -> GapFact {
    GapFact { missing: missing.to_owned(), time: time(0), detail: "not there".to_owned(), count: 1 }
}

/// A year of heartbeats, written in advance. None of them counts, not even when its time has come.
#[tokio::test]
async fn what_was_written_before_it_happened_never_counts() {
    let setting = Setting::new().await;
    let beat = |number: u64, time: Timestamp| {
        let parameters = json!({"modelId": audit_aws::invocations::HEARTBEAT_MODEL});
        let mut beat = history::record(MEMBER, "Converse", number, 0, &parameters);
        beat["eventTime"] = json!(time.to_string());
        beat["errorCode"] = json!("AccessDenied");
        beat["userIdentity"] = json!({"type": "AssumedRole", "accountId": MEMBER,
            "arn": format!("arn:aws:sts::{MEMBER}:assumed-role/guardrail-audit-heartbeat/guardrail-audit"),
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": format!("arn:aws:iam::{MEMBER}:role/guardrail-audit/guardrail-audit-heartbeat")}}});
        beat
    };
    // The last true heartbeat, then one for each hour of the next days.
    let mut beats = vec![beat(500, now().plus_seconds(-60))];
    beats.extend((1..72).map(|hour| beat(500 + hour, now().plus_seconds(i64::try_from(hour).unwrap() * 3_600))));
    setting.write(&forged(&beats, Invocations::default())).await;
    let after = setting.tables.all_findings().await;
    assert!(rules(&after).contains(&"observation-altered"), "{after:?}");
    let altered = after.iter().find(|finding| finding.rule == "observation-altered").unwrap();
    assert_eq!(altered.count, 71);
    assert!(altered.detail.contains("which was still to come"), "{}", altered.detail);

    // Two days later, when other accounts have reported.
    let later = now().plus_seconds(48 * 3_600);
    let fold = setting.tables.fold_at(&bucket_with(history::bare_world(), None).await, organization(), later);
    let looked = audit_aws::fact::ReadFact { time: later, changed: Vec::new(), complete: false, history: None };
    setting.tables.observations().put(&Fact::new(Source::Hub, member(), Some(later), Content::Read(looked))).await.unwrap();
    setting.tables.fold_all(&fold).await;
    let silent = setting.tables.all_findings().await.into_iter().find(|finding| finding.rule == "telemetry-gap");
    assert!(silent.is_some_and(|silent| silent.status == Status::Open), "it has been silent for two days");
}

/// The hub's own findings get the configuration's severities and exceptions, and entries of frameworks, as all findings do.
#[tokio::test]
async fn the_hub_s_own_findings_meet_the_configuration() {
    let configuration = format!(
        r#"
        [[exception]]
        rule = "telemetry-gap"
        accounts = ["{MEMBER}"]
        until = "2026-12-31"
        reason = "being moved"
        owner = "platform"

        [[exception]]
        rule = "verdicts-differ"
        accounts = ["ou-ab12-prodprod"]
        until = "2026-12-31"
        reason = "a release that is known"
        owner = "platform"

        [[exception]]
        rule = "observation-altered"
        until = "2026-01-31"
        reason = "ended long ago"
        owner = "platform"

        [rules.observation-altered]
        severity = "MEDIUM"
        "#
    );
    let tables = tables().await;
    let bucket = bucket_with(history::bare_world(), Some(&configuration)).await;
    let fold = tables.fold(&bucket, organization());
    let lies = forged(&[history::call(MEMBER, 300, 5)], Invocations { compliant: 1, ..Invocations::default() });
    let gap = Fact::new(Source::Hub, member(), Some(time(0)), Content::Gap(gap("heartbeat")));
    for fact in lies.iter().chain([&gap]) {
        tables.observations().put(fact).await.unwrap();
    }
    let broken = Item::from([
        ("pk".to_owned(), AttributeValue::S(format!("{MEMBER}#us-east-1#2026-11-20T10"))),
        ("sk".to_owned(), AttributeValue::S("nonsense".to_owned())),
    ]);
    write(&tables, &broken).await;
    tables.fold_all(&fold).await;
    let found = tables.all_findings().await;
    for (rule, severity, status, reopened) in [
        ("telemetry-gap", Severity::Critical, Status::Suppressed, 0),
        ("verdicts-differ", Severity::High, Status::Suppressed, 0),
        ("observation-altered", Severity::Medium, Status::Open, 1),
    ] {
        let finding = found.iter().find(|finding| finding.rule == rule).unwrap_or_else(|| panic!("{rule}: {found:?}"));
        assert_eq!((finding.severity, finding.status, finding.reopened), (severity, status, reopened), "{rule}");
        assert_eq!(finding.suppression.is_some(), status == Status::Suppressed, "{rule}");
        let rule = audit_core::rules::find(rule).unwrap();
        let controls: Vec<String> = rule.controls.iter().map(ToString::to_string).collect();
        assert!(!controls.is_empty() && finding.controls == controls, "{}: {:?}", rule.id, finding.controls);
        assert_eq!((finding.title.as_str(), finding.remediation.as_str()), (rule.title, rule.remediation));
    }
}

/// An uploaded configuration holds from the next fold on; one that can't be read changes nothing.
#[tokio::test]
async fn a_configuration_that_cant_be_read_leaves_the_last_one_in_use() {
    let severity = |word: &str| format!("[rules.invocation-without-guardrail]\nseverity = \"{word}\"\n");
    let tables = tables().await;
    let key = "configuration/guardrail-audit.toml";
    let bucket = bucket_with(history::bare_world(), Some("[[exception]")).await;
    report(&tables, &[history::call(MEMBER, 1, 1)]).await;
    let stream = tables.inserted().await;
    let of = async |fold: &Judging| {
        assert_eq!(fold.take(&stream).await, None);
        let found = tables.all_findings().await;
        found.into_iter().find(|finding| finding.rule == "invocation-without-guardrail").unwrap().severity
    };
    let check =
        async |fold: &Judging| fold.carry_out(Request::CheckConfiguration).await.map_err(|error| audit_aws::error::chain(error.as_ref()));
    let fold = tables.fold(&bucket, organization());
    assert!(fold.take(&stream).await.is_some(), "there is none to judge by, and none is made up");
    let why = check(&fold).await.unwrap_err();
    assert!(why.contains("line 1"), "{why}");

    bucket.put(key, severity("LOW").into_bytes()).await.unwrap();
    assert_eq!(check(&fold).await, Ok(()));
    assert_eq!(of(&fold).await, Severity::Low);
    bucket.put(key, severity("SEVERE").into_bytes()).await.unwrap();
    assert!(check(&fold).await.is_err());
    assert_eq!(of(&fold).await, Severity::Low);
    // Another instance, which never read it.
    assert_eq!(of(&tables.fold(&bucket, organization())).await, Severity::Low);
    bucket.put(key, severity("CRITICAL").into_bytes()).await.unwrap();
    assert_eq!(of(&fold).await, Severity::Critical, "what can be read is used by the next fold");
    bucket.remove(key);
    assert_eq!(of(&fold).await, severity_in(), "without one, the defaults");
}

fn severity_in() -> Severity {
    audit_core::rules::find("invocation-without-guardrail").unwrap().severity
}

#[tokio::test]
async fn a_fact_that_is_removed_before_its_time_still_counts_and_is_a_finding() {
    let setting = Setting::new().await;
    let old = setting.tables.items(&setting.tables.observations).await.remove(0);
    remove(&setting.tables, &old).await;
    // Deleted by DynamoDB, but before its expiry: somebody changed the attribute of the table's time to live.
    let removal = StreamRecord { old, by_service: true, new: Item::new(), ..inserted(7, Item::new()) };
    assert_eq!(setting.fold.take(&[removal]).await, None);
    let after = setting.tables.all_findings().await;
    assert_eq!(rules(&after), ["invocation-without-guardrail", "observation-altered"]);
    assert_eq!(after.iter().find(|finding| finding.id == setting.before[0].id).unwrap().count, 3);
}

#[tokio::test]
async fn a_fact_that_goes_when_its_time_is_up_is_no_finding() {
    let setting = Setting::new().await;
    let mut old = setting.tables.items(&setting.tables.observations).await.remove(0);
    old.insert("expires_at".to_owned(), AttributeValue::N((now().as_micros() / 1_000_000 - 5).to_string()));
    assert_eq!(setting.fold.take(&[StreamRecord { old, by_service: true, ..inserted(7, Item::new()) }]).await, None);
    assert_eq!(rules(&setting.tables.all_findings().await), ["invocation-without-guardrail"]);
}

#[tokio::test]
async fn facts_that_are_none_are_a_finding_and_stall_nobody() {
    let setting = Setting::new().await;
    let key = |sk: &str| {
        Item::from([
            ("pk".to_owned(), AttributeValue::S(format!("{MEMBER}#us-east-1#2026-11-20T10"))),
            ("sk".to_owned(), AttributeValue::S(sk.to_owned())),
        ])
    };
    let with = |mut item: Item, name: &str, value: AttributeValue| {
        item.insert(name.to_owned(), value);
        item
    };
    let hub_only = GapFact { missing: "calls".into(), time: time(0), detail: "x".into(), count: 1 };
    let broken = [
        with(key("calls#0000000000000000"), "f", AttributeValue::B(Blob::new(vec![0xff; 300_000]))),
        with(key("change#0000000000000000"), "j", AttributeValue::S("{".repeat(200_000))),
        with(key("nonsense"), "x", AttributeValue::Bool(true)),
        Fact::new(Source::Account, member(), Some(time(0)), Content::Gap(hub_only)).item(400).unwrap(),
    ];
    for item in &broken {
        write(&setting.tables, item).await;
    }
    // An invalid key, in the part of it that the member may choose.
    let stray = Item::from([
        ("pk".to_owned(), AttributeValue::S(format!("{MEMBER}#what#ever#else"))),
        ("sk".to_owned(), AttributeValue::S("x".to_owned())),
    ]);
    write(&setting.tables, &stray).await;
    report(&setting.tables, &[history::call("333344445555", 40, 5)]).await;
    let after = setting.write(&[]).await;
    assert_eq!(rules(&after).iter().filter(|rule| **rule == "observation-altered").count(), 2, "one for the Region, one for the stray key");
    assert!(after.iter().any(|finding| finding.account.as_str() == "333344445555"), "others' facts are folded");
    let still = after.iter().find(|finding| finding.id == setting.before[0].id).unwrap();
    assert_eq!((still.status, still.count), (Status::Open, 3));
}

#[tokio::test]
async fn its_own_heartbeats_prove_nothing() {
    let setting = Setting::new().await;
    let gap = gap("heartbeat");
    let beat = |minute| {
        let heartbeat = HeartbeatFact { time: time(minute), event_id: "e".into(), dead_letters: BTreeMap::new() };
        Fact::new(Source::Account, member(), Some(time(minute)), Content::Heartbeat(heartbeat))
    };
    let after = setting.write(&[Fact::new(Source::Hub, member(), Some(time(0)), Content::Gap(gap)), beat(5), beat(70)]).await;
    let silent = after.iter().find(|finding| finding.rule == "telemetry-gap").unwrap();
    assert_eq!(silent.status, Status::Open);
}

#[tokio::test]
async fn a_verdict_that_the_hub_cant_share_is_a_finding() {
    let setting = Setting::new().await;
    let lies =
        forged(&[history::call(MEMBER, 300, 5), history::call(MEMBER, 301, 6)], Invocations { compliant: 2, ..Invocations::default() });
    let after = setting.write(&lies).await;
    let differs = after.iter().find(|finding| finding.rule == "verdicts-differ").unwrap();
    assert_eq!((differs.count, differs.account.as_str()), (2, MEMBER));
    assert_eq!(after.iter().find(|finding| finding.id == setting.before[0].id).unwrap().count, 5, "and the calls count");
}

#[tokio::test]
async fn what_only_the_account_says_may_make_things_worse() {
    let tables = tables().await;
    let mut world = history::world(&history::enforced_policy(GUARDRAIL));
    world.retain(|(path, _)| path != "organization.json");
    let bucket = bucket_with(world, None).await;
    let fold = tables.fold(&bucket, organization());
    report(&tables, &[history::call(MEMBER, 1, 1)]).await;
    tables.fold_all(&fold).await;
    assert_eq!(rules(&tables.all_findings().await), Vec::<&str>::new(), "the hub's own world covers the call");
    report(&tables, &[history::record(MEMBER, "InvokeModelWithBidirectionalStream", 2, 2, &json!({"modelId": "amazon.nova-sonic-v1:0"}))])
        .await;
    tables.fold_all(&fold).await;
    assert_eq!(rules(&tables.all_findings().await), ["api-not-covered"]);
}

#[tokio::test]
async fn what_an_account_says_of_its_state_makes_the_hub_look_for_itself() {
    let (tables, queue) = (tables().await, MemoryQueue::default());
    let bucket = bucket_with(history::bare_world(), None).await;
    let mut fold = tables.fold(&bucket, organization());
    fold.router = fold.router.with_reconcile_queue(Some(queue.clone()));
    let look = json!({"kind": "place", "account": MEMBER, "region": "us-east-1"});
    let asked = || queue.take().into_iter().map(|(task, _)| serde_json::from_str::<Value>(&task).unwrap()).collect::<Vec<_>>();
    let stream = async || {
        let records = tables.inserted().await;
        assert_eq!(fold.take(&records).await, None);
    };
    report(&tables, &[history::call(MEMBER, 1, 1)]).await;
    stream().await;
    assert_eq!(asked(), std::slice::from_ref(&look), "never looked at before");
    stream().await;
    assert_eq!(asked(), Vec::<Value>::new());
    report(&tables, &[history::record(MEMBER, "DeleteEnforcedGuardrailConfiguration", 2, 2, &json!({"configId": "c"}))]).await;
    stream().await;
    assert_eq!(asked(), [look]);
}

async fn write(tables: &Tables, item: &Item) {
    tables.aws.dynamodb().put_item().table_name(&tables.observations).set_item(Some(item.clone())).send().await.unwrap();
}

async fn remove(tables: &Tables, item: &Item) {
    let key = ["pk", "sk"].into_iter().map(|name| (name.to_owned(), item[name].clone())).collect();
    tables.aws.dynamodb().delete_item().table_name(&tables.observations).set_key(Some(key)).send().await.unwrap();
}
