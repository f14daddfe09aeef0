//! Tests what every store of evidence and findings promises: SQLite on a laptop, DynamoDB in the hub. `DYNAMODB_ENDPOINT` names another
//! engine.

use std::collections::{BTreeMap, BTreeSet};

use audit_aws::{
    fact::{Content, Fact, HeartbeatFact, StateFact},
    findings::{
        AccountIndex, AlertState, Basis, Checkpoint, Checkpoints, Findings, Note, OTHERS, Page, PartitionState, Quarantine, Raised,
        Refused, Requested, Rollup, Stored, Unjudged, Volume,
    },
    observations::Observations,
    partition::{AccountRegion, Partition, Source},
};
use audit_core::{
    auditor::{self, Audit, AuditOptions, Continued, Selection},
    config::Configuration,
    facts::{Collector, EvidenceRows, packed::EventIds},
    finding::Finding,
    report::CoverageRow,
    timestamp::Timestamp,
    verdict::Invocations,
};
use audit_local::{store::Store, world::LoadedWorld};
use serde_json::{Value, json};

use crate::support::{
    Tables,
    history::{self, GUARDRAIL, MANAGEMENT, MEMBER},
    now, tables, tables_at,
};

/// What both stores have in common.
trait EvidenceStore {
    /// Adds evidence to the evidence in the store.
    async fn add(&mut self, facts: &EvidenceRows);
    /// All evidence.
    async fn facts(&self) -> EvidenceRows;
    /// Replaces the findings.
    async fn conclude(&mut self, audit: &Audit);
    /// The findings.
    async fn findings(&self) -> Vec<Finding>;
}

impl EvidenceStore for Store {
    async fn add(&mut self, facts: &EvidenceRows) {
        Store::add(self, facts.clone(), &[], &[]).unwrap();
    }

    async fn facts(&self) -> EvidenceRows {
        let mut facts = EvidenceRows::default();
        self.load_facts(&mut facts).unwrap();
        facts
    }

    async fn conclude(&mut self, audit: &Audit) {
        let continued = Continued { audit: audit.clone(), ..Continued::default() };
        Store::conclude(self, &continued).unwrap();
    }

    async fn findings(&self) -> Vec<Finding> {
        Store::findings(self).unwrap()
    }
}

struct Dynamo {
    observations: Observations,
    findings: Findings,
    partitions: BTreeSet<Partition>,
    tickets: i64,
}

const ACCOUNTS: [&str; 2] = [MEMBER, MANAGEMENT];

impl EvidenceStore for Dynamo {
    async fn add(&mut self, facts: &EvidenceRows) {
        let packets = facts.pack(EventIds::All, &Invocations::default()).into_iter().map(|packet| Fact {
            partition: Partition {
                source: Source::Account,
                account_region: AccountRegion::new(packet.account, packet.region),
                hour: packet.hour,
            },
            content: Content::Calls(packet.bytes),
        });
        let changes = facts.changes().into_iter().map(|(key, change)| {
            let fact = audit_aws::fact::ChangeFact { time: key.time, event_id: key.event_id.clone(), change: change.clone() };
            Fact::new(
                Source::Account,
                AccountRegion::new(change.account.as_str(), change.region.as_str()),
                Some(key.time),
                Content::Change(fact),
            )
        });
        for fact in packets.chain(changes) {
            self.observations.put(&fact).await.unwrap();
            self.partitions.insert(fact.partition);
        }
    }

    async fn facts(&self) -> EvidenceRows {
        let mut facts = EvidenceRows::default();
        for partition in &self.partitions {
            let Partition { account_region, hour, .. } = partition;
            for read in self.observations.query(partition, None).await.unwrap() {
                match read.fact.unwrap().content {
                    Content::Calls(bytes) => {
                        facts.unpack(&account_region.account, &account_region.region, *hour, &bytes, false).unwrap();
                    }
                    Content::Change(change) => facts.add_change(&change.key(&account_region.account), &change.change),
                    other => panic!("{other:?}"),
                }
            }
        }
        facts
    }

    async fn conclude(&mut self, audit: &Audit) {
        self.tickets += 1;
        for finding in &audit.findings {
            let stored = Stored { finding: finding.clone(), ticket: self.tickets, units: Vec::new(), basis: Basis::Reported };
            assert!(self.findings.put(&stored).await.unwrap());
        }
        for account in ACCOUNTS {
            for id in self.findings.of_account(account).await.unwrap().into_keys() {
                if !audit.findings.iter().any(|finding| finding.id == id) {
                    assert!(self.findings.withdraw(account, &id, self.tickets).await.unwrap());
                }
            }
        }
    }

    async fn findings(&self) -> Vec<Finding> {
        let mut all = Vec::new();
        for account in ACCOUNTS {
            all.extend(self.findings.of_account(account).await.unwrap().into_values().map(|stored| stored.finding));
        }
        all
    }
}

fn collected(records: &[Value]) -> EvidenceRows {
    let wanted = auditor::wanted();
    let mut collector = Collector::new(&wanted);
    for record in records {
        collector.value(history::envelope(record).as_bytes());
    }
    collector.into_facts()
}

fn audited(facts: EvidenceRows) -> Audit {
    let mut world = LoadedWorld::default();
    for (path, json) in history::bare_world() {
        world.take(path.clone(), json, std::path::Path::new(&path));
    }
    let configuration = Configuration::default();
    auditor::audit(
        facts,
        world.world,
        &AuditOptions { configuration: &configuration, selection: &Selection::default(), now: now(), threads: 1 },
    )
}

fn a_finding() -> Finding {
    audited(collected(&history())).findings.remove(0)
}

fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| a.id.cmp(&b.id));
    findings
}

fn history() -> Vec<Value> {
    let mut untimed = history::call(MEMBER, 90, 1);
    untimed["eventTime"] = Value::Null;
    let mut unnamed = history::call(MEMBER, 91, 1);
    unnamed["requestID"] = json!("not-a-uuid");
    let mut records: Vec<Value> = (0..6).map(|number| history::call(MEMBER, number, number * 25)).collect();
    records.extend([
        untimed,
        unnamed,
        history::guarded_call(MEMBER, 20, 30, GUARDRAIL),
        history::evaluation(MEMBER, 3, 76, GUARDRAIL),
        history::record(MEMBER, "DeleteEnforcedGuardrailConfiguration", 30, 40, &json!({"configId": "c"})),
        history::record(MANAGEMENT, "DetachPolicy", 31, 50, &json!({"policyId": "p-1", "targetId": MEMBER})),
    ]);
    records
}

async fn keeps_its_promises(store: &mut impl EvidenceStore) {
    let records = history();
    let expected = audited(collected(&records));
    assert!(expected.findings.len() > 1, "there is something to keep");
    let (first, second) = records.split_at(5);
    store.add(&collected(second)).await;
    let half = audited(store.facts().await);
    store.conclude(&half).await;
    assert_eq!(sorted(store.findings().await), sorted(half.findings), "what was concluded comes back as it was");
    for part in [first, second, first] {
        store.add(&collected(part)).await;
    }
    let audit = audited(store.facts().await);
    assert_eq!(sorted(audit.findings.clone()), sorted(expected.findings), "in pieces, twice and in any task: the same evidence");
    assert_eq!((audit.invocations, audit.coverage.clone()), (expected.invocations, expected.coverage));
    store.conclude(&audit).await;
    store.conclude(&audit).await;
    assert_eq!(sorted(store.findings().await), sorted(audit.findings), "and conclusions are replaced");
    store.conclude(&Audit::default()).await;
    assert_eq!(store.findings().await, []);
}

#[tokio::test]
async fn sqlite_keeps_its_promises() {
    let home = tempfile::tempdir().unwrap();
    keeps_its_promises(&mut Store::open(&home.path().join("store.sqlite")).unwrap()).await;
}

async fn keeps_the_promises_of_every_store(tables: &Tables) {
    let (observations, findings) = (tables.observations(), tables.findings());
    keeps_its_promises(&mut Dynamo { observations, findings, partitions: BTreeSet::new(), tickets: 0 }).await;
}

async fn an_earlier_fold_overwrites_and_removes_nothing_of_a_later_one(tables: &Tables) {
    let findings = tables.findings();
    let finding = a_finding();
    let stored =
        |ticket, count| Stored { finding: Finding { count, ..finding.clone() }, ticket, units: Vec::new(), basis: Basis::Verified };
    let account = finding.account.as_str();
    let tickets = [findings.ticket(account).await.unwrap(), findings.ticket(account).await.unwrap()];
    assert_eq!(tickets, [1, 2]);
    assert!(findings.put(&stored(2, 7)).await.unwrap());
    assert!(!findings.put(&stored(1, 5)).await.unwrap());
    assert!(!findings.withdraw(account, &finding.id, 1).await.unwrap());
    assert_eq!(findings.get(account, &finding.id).await.unwrap(), Some(stored(2, 7)), "all of it comes back");
    assert!(findings.withdraw(account, &finding.id, 2).await.unwrap());
    assert_eq!(findings.get(account, &finding.id).await.unwrap(), None);
}

async fn no_two_folds_have_one_ticket(tables: &Tables) {
    let taken = (0..10).map(|_| tables.findings()).map(|findings| tokio::spawn(async move { findings.ticket(MEMBER).await.unwrap() }));
    let taken: Vec<_> = taken.collect();
    let mut tickets = BTreeSet::new();
    for ticket in taken {
        tickets.insert(ticket.await.unwrap());
    }
    assert_eq!(tickets, (1..=10).collect());
}

/// More than the megabyte that DynamoDB returns in one response. Written again, it is unchanged.
async fn a_partition_is_read_to_its_end(tables: &Tables) {
    let observations = tables.observations();
    let time = Timestamp::parse("2026-11-20T10:00:00Z").unwrap();
    let state = |number: usize| {
        let json = format!("{{\"number\": {number}, \"text\": \"{}\"}}", "é".repeat(130_000));
        let path = format!("guardrails/{MEMBER}/us-east-1/g{number}/DRAFT.json");
        let state = StateFact { path, since: time, read_at: time, json, events: vec![String::new()] };
        Fact::new(Source::Account, AccountRegion::new(MEMBER, "us-east-1"), Some(time), Content::State(state))
    };
    let heartbeat = Content::Heartbeat(HeartbeatFact { time, event_id: "e".to_owned(), dead_letters: BTreeMap::new() });
    let heartbeat = Fact::new(Source::Account, AccountRegion::new(MEMBER, "us-east-1"), Some(time), heartbeat);
    let mut expected: Vec<Fact> = (0..6).map(state).collect();
    expected.push(heartbeat.clone());
    for fact in expected.iter().chain(&expected) {
        observations.put(fact).await.unwrap();
    }
    let read = async |prefix| {
        let read = observations.query(&heartbeat.partition, prefix).await.unwrap();
        read.into_iter().map(|read| read.fact.unwrap()).collect::<Vec<Fact>>()
    };
    let all = read(None).await;
    assert_eq!(all.len(), 7);
    assert!(expected.iter().all(|fact| all.contains(fact)));
    assert_eq!(read(Some("heartbeat#")).await, std::slice::from_ref(&heartbeat));
    assert_eq!(read(Some("calls#")).await, []);
}

async fn findings_are_found_by_every_index(tables: &Tables) {
    let findings = tables.findings();
    let template = a_finding();
    let seen = |minute: i64| template.last_seen.unwrap().plus_seconds(minute * 60);
    for minute in 0..5 {
        let finding = Finding { id: format!("id-{minute}"), last_seen: Some(seen(minute)), ..template.clone() };
        assert!(findings.put(&Stored { finding, ticket: 1, units: Vec::new(), basis: Basis::Reported }).await.unwrap());
    }
    let status = format!("OPEN#{}", template.severity);
    for (index, value) in [
        ("by_account", template.account.as_str()),
        ("by_rule", &template.rule),
        ("by_status", &status),
        ("by_region", template.region.as_str()),
    ] {
        let page = |since: Option<i64>, until: Option<i64>, limit, start| Page {
            index,
            value,
            since: since.map(seen),
            until: until.map(seen),
            limit,
            start,
        };
        // A global secondary index is eventually consistent.
        let read = async |since, until| {
            let (mut ids, mut start) = (Vec::new(), None);
            loop {
                let (found, next) = findings.page(&page(since, until, 2, start)).await.unwrap();
                assert!(found.len() <= 2, "{index}");
                ids.extend(found.into_iter().map(|stored| stored.finding.id));
                start = next;
                if start.is_none() {
                    return ids;
                }
            }
        };
        for (since, until, expected) in [
            (None, None, vec!["id-4", "id-3", "id-2", "id-1", "id-0"]),
            (Some(2), None, vec!["id-4", "id-3", "id-2"]),
            (None, Some(2), vec!["id-1", "id-0"]),
            (Some(1), Some(3), vec!["id-2", "id-1"]),
            (Some(3), Some(1), vec![]),
        ] {
            let mut tries = 0;
            loop {
                let found = read(since, until).await;
                if found == expected {
                    break;
                }
                tries += 1;
                assert!(tries < 50, "{index} from {since:?} to {until:?}: {found:?}");
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        }
    }
}

/// DynamoDB accepts no empty key of an index, and no item above 400 KB.
async fn what_has_no_place_in_an_index_is_kept_all_the_same(tables: &Tables) {
    let findings = tables.findings();
    let finding = Finding { region: "".into(), last_seen: None, first_seen: None, policy: None, title: String::new(), ..a_finding() };
    let stored = Stored { finding, ticket: 1, units: vec!["r-ab12".to_owned(), "ou-ab12-prod".to_owned()], basis: Basis::Verified };
    assert!(findings.put(&stored).await.unwrap());
    assert_eq!(findings.get(stored.finding.account.as_str(), &stored.finding.id).await.unwrap(), Some(stored));
}

async fn rollups_of_any_number_of_models_are_kept(tables: &Tables) {
    let findings = tables.findings();
    let account_region = AccountRegion::new(MEMBER, "us-east-1");
    let row = audited(collected(&history())).coverage.remove(0);
    let coverage: Vec<_> =
        (1..=4000).map(|number| CoverageRow { model: format!("model-{number:04}").into(), count: number, ..row.clone() }).collect();
    let total = coverage.iter().map(|row| row.count).sum();
    let rollup = Rollup { invocations: Invocations { violation: total, ..Invocations::default() }, coverage };
    assert!(findings.put_rollup(&account_region, "2026-11-20T10", &rollup, 2).await.unwrap());
    assert!(!findings.put_rollup(&account_region, "2026-11-20T10", &Rollup::default(), 1).await.unwrap(), "an earlier fold comes too late");
    let small = Rollup { invocations: rollup.invocations, coverage: vec![row] };
    assert!(findings.put_rollup(&account_region, "2026-11-20T11", &small, 2).await.unwrap());
    let read = findings.rollups(&account_region).await.unwrap();
    assert_eq!(read.keys().collect::<Vec<_>>(), ["2026-11-20T10", "2026-11-20T11"]);
    assert_eq!(read["2026-11-20T11"], small);
    let large = &read["2026-11-20T10"];
    assert_eq!(large.invocations, rollup.invocations);
    assert_eq!(large.coverage.iter().map(|row| row.count).sum::<u64>(), total, "no call is lost");
    assert!(large.coverage.iter().any(|row| &*row.model == "model-4000") && !large.coverage.iter().any(|row| &*row.model == "model-0001"));
    assert_eq!(large.coverage.iter().filter(|row| &*row.model == OTHERS).count(), 1);
}

async fn what_a_fold_remembers_comes_back(tables: &Tables) {
    let findings = tables.findings();
    let time = Timestamp::parse("2026-11-20T10:00:00Z").unwrap();
    let account_region = AccountRegion::new(MEMBER, "us-east-1");
    let partition = |hour| Partition { source: Source::Account, account_region: account_region.clone(), hour };
    let partitions = BTreeSet::from([partition(None), partition(Some(494_000))]);
    let mut noted = Vec::new();
    for partition in partitions.iter().chain(&partitions) {
        noted.push(findings.note_partition(partition, Volume { items: 2, bytes: 30 }, true).await.unwrap().unwrap());
        findings.note_account_region(&partition.account_region).await.unwrap();
    }
    assert!(findings.note_concerns(MANAGEMENT, MEMBER, &partitions, 5).await.unwrap());
    assert!(!findings.note_concerns(MANAGEMENT, MEMBER, &BTreeSet::new(), 4).await.unwrap(), "a later fold has noted them");
    let known = findings.partitions(MEMBER).await.unwrap();
    let twice = PartitionState { rolled_up: Some(0), volume: Volume { items: 4, bytes: 60 }, ..known[&partition(None)] };
    assert_eq!(noted.iter().map(|noted| noted.is_new).collect::<Vec<_>>(), [true, true, false, false]);
    for (first, (partition, state)) in noted.iter().zip(&known) {
        let version = first.state.version + 1;
        assert_eq!(*state, PartitionState { version, ..twice }, "{partition:?}");
    }
    let unknown = Partition { hour: Some(494_001), ..partition(None) };
    assert_eq!(findings.note_partition(&unknown, Volume::default(), false).await.unwrap(), None, "it may not be new");
    let index = AccountIndex { world: 7, rebuilds: 3, ..AccountIndex::default() };
    findings.note_rolled_up(&partition(None), 2, &index).await.unwrap();
    findings.note_rolled_up(&unknown, 2, &index).await.unwrap();
    let known = findings.partitions(MEMBER).await.unwrap();
    assert_eq!(known[&partition(None)], PartitionState { rolled_up: Some(2), world: 7, rebuilds: 3, ..twice });
    assert_eq!(known.len(), 2, "what isn't there is not made");
    assert!(findings.is_known_account_region(&account_region).await.unwrap());
    assert!(!findings.is_known_account_region(&AccountRegion::new(MEMBER, "eu-west-1")).await.unwrap());
    assert_eq!(findings.concerns(MANAGEMENT).await.unwrap(), partitions);
    assert_eq!(findings.partitions(MANAGEMENT).await.unwrap(), BTreeMap::new());
    let mut account_regions = findings.account_regions().await.unwrap();
    for _ in 0..50 {
        if !account_regions.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        account_regions = findings.account_regions().await.unwrap();
    }
    assert_eq!(account_regions, BTreeSet::from([account_region.clone()]));

    let note = Note {
        kind: "rewritten".to_owned(),
        account: MEMBER.to_owned(),
        region: "us-east-1".to_owned(),
        time,
        item: "k".repeat(300),
        detail: String::new(),
    };
    assert_eq!(findings.note(&note).await.unwrap().items, 1);
    assert_eq!(findings.note(&note).await.unwrap(), Volume::default(), "it was kept before");
    assert_eq!(findings.notes(MEMBER).await.unwrap(), (BTreeSet::from([note]), false));

    let heartbeat = |event: &str| Content::Heartbeat(HeartbeatFact { time, event_id: event.to_owned(), dead_letters: BTreeMap::new() });
    let fact = Fact::new(Source::Account, account_region.clone(), Some(time), heartbeat("first"));
    let item = fact.item(400).unwrap();
    let kept = findings.keep(&fact.partition, &item).await.unwrap();
    assert!(kept.items == 1 && kept.bytes > 50, "{kept:?}");
    let mut later = Fact::new(Source::Account, account_region.clone(), Some(time), heartbeat("second")).item(400).unwrap();
    later.insert("sk".to_owned(), item["sk"].clone());
    assert_eq!(findings.keep(&fact.partition, &later).await.unwrap(), Volume::default());
    let (kept, is_cut) = findings.kept(MEMBER).await.unwrap();
    assert!(!is_cut);
    let kept: Vec<Fact> = kept.iter().map(|item| Fact::from_item(item).unwrap()).collect();
    assert_eq!(kept, [fact], "what was reported first");

    assert_eq!(findings.blind(MEMBER).await.unwrap(), []);
    let blind = audited(collected(&history())).blind;
    assert!(findings.put_blind(MEMBER, &blind, 2).await.unwrap());
    assert!(!findings.put_blind(MEMBER, &[], 1).await.unwrap());
    assert_eq!(findings.blind(MEMBER).await.unwrap(), blind);

    assert_eq!(findings.document::<Value>("d").await.unwrap(), None);
    findings.put_document("d", &json!({"a": [1, ""]})).await.unwrap();
    assert_eq!(findings.document::<Value>("d").await.unwrap(), Some(json!({"a": [1, ""]})));
}

async fn an_account_is_judged_up_to_a_version(tables: &Tables) {
    let findings = tables.findings();
    assert_eq!(findings.index(MEMBER).await.unwrap(), AccountIndex::default());
    let kept = Volume { items: 2, bytes: 900 };
    let raised = Raised { world_changed: true, is_rebuild: true, partitions: 3, account_regions: 1, kept };
    assert_eq!(findings.raise_version(MEMBER, raised).await.unwrap(), 1);
    assert_eq!(findings.raise_version(MEMBER, Raised::default()).await.unwrap(), 2);
    let begun = findings.begin_fold(MEMBER).await.unwrap();
    assert_eq!(begun, AccountIndex { version: 2, folded: 0, attempts: 1, world: 1, rebuilds: 1, partitions: 3, account_regions: 1, kept });
    findings.begin_fold(MEMBER).await.unwrap();
    findings.excuse_fold(MEMBER).await.unwrap();
    assert_eq!(findings.index(MEMBER).await.unwrap(), begun);
    findings.end_fold(MEMBER, 2).await.unwrap();
    findings.end_fold(MEMBER, 1).await.unwrap();
    findings.count_forgotten(MEMBER, 2).await.unwrap();
    assert_eq!(findings.index(MEMBER).await.unwrap(), AccountIndex { folded: 2, attempts: 0, partitions: 1, ..begun });
    assert_eq!(findings.raise_rebuilds(MEMBER).await.unwrap(), 2);

    let time = |second: i64| Timestamp::from_seconds(1_795_300_000 + second);
    let refused = |second, item: &str| Refused {
        reason: "ahead".to_owned(),
        region: "us-east-1".to_owned(),
        count: 2,
        first: time(second),
        last: time(second + 1),
        item: item.to_owned(),
        detail: "d".to_owned(),
    };
    assert!(findings.refuse(MEMBER, &refused(0, "the first")).await.unwrap());
    assert!(!findings.refuse(MEMBER, &refused(5, "another")).await.unwrap());
    assert_eq!(findings.refused(MEMBER).await.unwrap(), [Refused { count: 4, last: time(6), ..refused(0, "the first") }]);

    findings.note_organization_change(MEMBER, "e", time(1)).await.unwrap();
    assert_eq!(findings.organization_changes(MEMBER).await.unwrap(), [("e".to_owned(), time(1))]);
    findings.forget_organization_change(MEMBER, "e").await.unwrap();
    assert_eq!(findings.organization_changes(MEMBER).await.unwrap(), []);

    assert_eq!(findings.quarantine(MEMBER).await.unwrap(), None);
    let unjudged = Unjudged::AllOfItsOwn;
    let open = Quarantine { unjudged, since: time(0), problem: "p".to_owned(), retries: 1, retry_at: time(900), until: None };
    findings.put_quarantine(MEMBER, &open).await.unwrap();
    findings.put_quarantine(MANAGEMENT, &Quarantine { until: Some(time(9)), ..open.clone() }).await.unwrap();
    assert_eq!(findings.quarantine(MEMBER).await.unwrap(), Some(open.clone()));
    assert_eq!(findings.quarantined().await.unwrap(), [(MEMBER.to_owned(), open)], "of the other it ended");
}

async fn what_concerns_other_accounts_is_as_of_the_latest_fold(tables: &Tables) {
    let findings = tables.findings();
    let at = |minute: i64| Timestamp::parse("2026-11-20T10:00:00.5Z").unwrap().plus_seconds(minute * 60);
    assert_eq!(findings.latest_time().await.unwrap(), None);
    for (minute, is_latest) in [(5, true), (3, false), (5, true), (9, true), (5, false)] {
        assert_eq!(findings.note_time(at(minute)).await.unwrap(), is_latest, "{minute}");
    }
    assert_eq!(findings.latest_time().await.unwrap(), Some(at(9)));

    assert!(findings.put_silent_at(MEMBER, Some(at(70)), 2).await.unwrap());
    assert!(findings.put_silent_at(MANAGEMENT, None, 1).await.unwrap());
    assert!(!findings.put_silent_at(MEMBER, None, 1).await.unwrap());
    assert_eq!(findings.quiet().await.unwrap(), [(MEMBER.to_owned(), at(70))]);

    let asked_for = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    assert!(findings.note_drafts(MANAGEMENT, MEMBER, &asked_for(&["a", "b"]), 2).await.unwrap());
    assert!(!findings.note_drafts(MANAGEMENT, MEMBER, &asked_for(&[]), 1).await.unwrap());
    assert!(findings.note_drafts(MANAGEMENT, "333344445555", &asked_for(&["c"]), 1).await.unwrap());
    assert_eq!(findings.drafts(MANAGEMENT).await.unwrap(), asked_for(&["a", "b", "c"]));
    assert!(findings.note_drafts(MANAGEMENT, MEMBER, &asked_for(&[]), 3).await.unwrap());
    assert_eq!(findings.drafts(MANAGEMENT).await.unwrap(), asked_for(&["c"]));
    let requested = Requested { of: [(MANAGEMENT.to_owned(), asked_for(&["a"]))].into(), version: 1 };
    assert_eq!(findings.requested(MEMBER).await.unwrap(), Requested::default());
    assert!(findings.put_requested(MEMBER, &requested, 2).await.unwrap());
    assert!(!findings.put_requested(MEMBER, &Requested::default(), 1).await.unwrap());
    assert_eq!(findings.requested(MEMBER).await.unwrap(), requested);

    let partition = Partition { source: Source::Account, account_region: AccountRegion::new("444455556666", "us-east-1"), hour: Some(1) };
    assert!(!findings.is_known("444455556666").await.unwrap());
    findings.note_partition(&partition, Volume::default(), true).await.unwrap();
    findings.note_account_region(&partition.account_region).await.unwrap();
    assert!(findings.is_known("444455556666").await.unwrap() && !findings.is_known("44445555666").await.unwrap());
    let first = findings.partitions("444455556666").await.unwrap()[&partition];
    let second = findings.note_partition(&partition, Volume::default(), true).await.unwrap().unwrap().state;
    assert!(!findings.forget_partition(&partition, first.version).await.unwrap(), "something was done in it since");
    assert!(findings.forget_partition(&partition, second.version).await.unwrap());
    assert_eq!(findings.partitions("444455556666").await.unwrap(), BTreeMap::new());
    // What was forgotten is noted again as it was, and only if nothing was done since.
    assert!(findings.restore_partition(&partition, &second).await.unwrap());
    assert_eq!(findings.partitions("444455556666").await.unwrap()[&partition], second);
    assert!(!findings.restore_partition(&partition, &first).await.unwrap());
    assert!(findings.forget_partition(&partition, second.version).await.unwrap());
    let third = findings.note_partition(&partition, Volume::default(), true).await.unwrap().unwrap().state;
    assert!(third.version > second.version, "no version is ever used again");
    checkpoints_follow_each_other(&findings).await;
}

async fn checkpoints_follow_each_other(findings: &Findings) {
    let checkpoint = |until| {
        let [facts, aside, calls, partitions, trust] = ["f", "a", "c", "p", "t"].map(str::to_owned);
        Checkpoint { until, slot: 0, facts, aside, calls, partitions, trust }
    };
    let with = |until| Checkpoints { checkpoints: vec![checkpoint(until)], opening: 1, is_off: true, ..Checkpoints::default() };
    let none = findings.checkpoints(MEMBER).await.unwrap();
    assert_eq!(none, Checkpoints::default());
    let first = findings.put_checkpoints(MEMBER, &none, with(6)).await.unwrap().unwrap();
    assert_eq!(findings.put_checkpoints(MEMBER, &none, with(12)).await.unwrap(), None, "another fold was first");
    assert_eq!(findings.checkpoints(MEMBER).await.unwrap(), first);
    assert_eq!(first, Checkpoints { version: first.version, ..with(6) });
    let lost = Checkpoints { lost_since: Some(now()), ..Checkpoints::default() };
    let second = findings.put_checkpoints(MEMBER, &first, lost.clone()).await.unwrap().unwrap();
    assert!(second.version > first.version);
    assert_eq!(findings.checkpoints(MEMBER).await.unwrap(), Checkpoints { version: second.version, ..lost });
}

async fn of_two_that_tell_the_same_one_does(tables: &Tables) {
    let findings = tables.findings();
    let since = Timestamp::parse("2026-11-20T10:00:00Z").unwrap();
    let state =
        |version| AlertState { notified: None, pending: Some("OPEN#HIGH#0".to_owned()), sent: Vec::new(), since, version, withdrawn: 0 };
    assert_eq!(findings.alert_state("f").await.unwrap(), None);
    assert!(findings.put_alert_state("f", &state(1)).await.unwrap());
    assert!(!findings.put_alert_state("f", &state(1)).await.unwrap());
    assert!(findings.put_alert_state("f", &state(2)).await.unwrap());
    assert!(!findings.put_alert_state("f", &state(2)).await.unwrap());
    assert_eq!(findings.alert_state("f").await.unwrap(), Some(state(2)));

    assert_eq!(findings.digest().await.unwrap(), []);
    findings.put_for_digest("f", "first").await.unwrap();
    findings.put_for_digest("f", "second").await.unwrap();
    findings.remove_from_digest("f", "first").await.unwrap();
    assert_eq!(findings.digest().await.unwrap(), [("f".to_owned(), "second".to_owned())]);
    findings.remove_from_digest("f", "second").await.unwrap();
    findings.remove_from_digest("f", "second").await.unwrap();
    assert_eq!(findings.digest().await.unwrap(), []);
}

/// Tests every promise on the engine in this process and on a second one.
macro_rules! promises {
    ($($promise:ident),* $(,)?) => {
        /// In this process, or at `DYNAMODB_ENDPOINT`.
        mod dynamodb {
            $(#[tokio::test]
            async fn $promise() {
                let tables = super::tables().await;
                super::$promise(&tables).await;
                tables.delete().await;
            })*
        }

        /// A second, independent engine, which also runs the whole stack (`tests/`).
        mod ministack {
            $(#[tokio::test]
            async fn $promise() {
                let tables = super::tables_at(&crate::engine::ENGINE.endpoint()).await;
                super::$promise(&tables).await;
                tables.delete().await;
            })*
        }
    };
}

promises!(
    keeps_the_promises_of_every_store,
    an_earlier_fold_overwrites_and_removes_nothing_of_a_later_one,
    no_two_folds_have_one_ticket,
    a_partition_is_read_to_its_end,
    findings_are_found_by_every_index,
    what_has_no_place_in_an_index_is_kept_all_the_same,
    rollups_of_any_number_of_models_are_kept,
    what_a_fold_remembers_comes_back,
    an_account_is_judged_up_to_a_version,
    what_concerns_other_accounts_is_as_of_the_latest_fold,
    of_two_that_tell_the_same_one_does,
);
