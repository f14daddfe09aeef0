//! What every store of evidence and findings promises: SQLite on a laptop, DynamoDB in the hub. `DYNAMODB_ENDPOINT` names another engine.

use audit_aws::{
    fact::{Content, Fact},
    findings::{Basis, Findings, Stored},
    observations::Observations,
    place::{Partition, Place, Source},
};
use audit_core::{
    auditor::{self, Audit, Selection, Terms},
    config::Configuration,
    facts::{Collector, Facts, packed::EventIds},
    finding::Finding,
    report::Invocations,
};
use audit_local::{store::Store, world::LoadedWorld};
use serde_json::{Value, json};

use crate::support::{
    now,
    story::{self, GUARDRAIL, MANAGEMENT, MEMBER},
    tables,
};

/// A store, as far as both are one.
trait EvidenceStore {
    /// Adds evidence behind what is there.
    async fn add(&mut self, facts: &Facts);
    /// All evidence.
    async fn facts(&self) -> Facts;
    /// Replaces what was concluded.
    async fn conclude(&mut self, audit: &Audit);
    /// What was concluded.
    async fn findings(&self) -> Vec<Finding>;
}

impl EvidenceStore for Store {
    async fn add(&mut self, facts: &Facts) {
        Store::add(self, facts, &[], &[]).unwrap();
    }

    async fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        self.load_facts(&mut facts).unwrap();
        facts
    }

    async fn conclude(&mut self, audit: &Audit) {
        Store::conclude(self, audit).unwrap();
    }

    async fn findings(&self) -> Vec<Finding> {
        Store::findings(self).unwrap()
    }
}

struct Dynamo {
    observations: Observations,
    findings: Findings,
    partitions: std::collections::BTreeSet<Partition>,
    tickets: i64,
}

const ACCOUNTS: [&str; 2] = [MEMBER, MANAGEMENT];

impl EvidenceStore for Dynamo {
    async fn add(&mut self, facts: &Facts) {
        let packets = facts.pack(EventIds::All, &Invocations::default()).into_iter().map(|packet| Fact {
            partition: Partition { source: Source::Account, place: Place::new(packet.account, packet.region), hour: packet.hour },
            content: Content::Calls(packet.bytes),
        });
        let changes = facts.changes().into_iter().map(|(key, change)| {
            let fact = audit_aws::fact::ChangeFact { time: key.time, event_id: key.event_id.clone(), change: change.clone() };
            Fact::new(Source::Account, Place::new(change.account.as_str(), change.region.as_str()), Some(key.time), Content::Change(fact))
        });
        for fact in packets.chain(changes) {
            self.observations.put(&fact).await.unwrap();
            self.partitions.insert(fact.partition);
        }
    }

    async fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        for partition in &self.partitions {
            let Partition { place, hour, .. } = partition;
            for read in self.observations.query(partition, None).await.unwrap() {
                match read.fact.unwrap().content {
                    Content::Calls(bytes) => drop(facts.unpack(&place.account, &place.region, *hour, &bytes, false).unwrap()),
                    Content::Change(change) => facts.add_change(&change.key(&place.account), &change.change),
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

fn collected(records: &[Value]) -> Facts {
    let wanted = auditor::wanted();
    let mut collector = Collector::new(&wanted);
    for record in records {
        collector.value(story::envelope(record).as_bytes());
    }
    collector.into_facts()
}

fn audited(facts: Facts) -> Audit {
    let mut world = LoadedWorld::default();
    for (path, json) in story::bare_world() {
        world.take(path.clone(), json, std::path::Path::new(&path));
    }
    let configuration = Configuration::default();
    auditor::audit(facts, world.world, &Terms { configuration: &configuration, selection: &Selection::default(), now: now() })
}

fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| a.id.cmp(&b.id));
    findings
}

fn history() -> Vec<Value> {
    let mut untimed = story::call(MEMBER, 90, 1);
    untimed["eventTime"] = Value::Null;
    let mut unnamed = story::call(MEMBER, 91, 1);
    unnamed["requestID"] = json!("not-a-uuid");
    let mut records: Vec<Value> = (0..6).map(|number| story::call(MEMBER, number, number * 25)).collect();
    records.extend([
        untimed,
        unnamed,
        story::guarded_call(MEMBER, 20, 30, GUARDRAIL),
        story::evaluation(MEMBER, 3, 76, GUARDRAIL),
        story::record(MEMBER, "DeleteEnforcedGuardrailConfiguration", 30, 40, &json!({"configId": "c"})),
        story::record(MANAGEMENT, "DetachPolicy", 31, 50, &json!({"policyId": "p-1", "targetId": MEMBER})),
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
    assert_eq!(sorted(audit.findings.clone()), sorted(expected.findings), "in pieces, twice and in any order: the same evidence");
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

#[tokio::test]
async fn dynamodb_keeps_its_promises() {
    let tables = tables().await;
    let (observations, findings) = (tables.observations(), tables.findings());
    keeps_its_promises(&mut Dynamo { observations, findings, partitions: std::collections::BTreeSet::new(), tickets: 0 }).await;
}

#[tokio::test]
async fn an_earlier_fold_overwrites_and_removes_nothing_of_a_later_one() {
    let tables = tables().await;
    let findings = tables.findings();
    let finding = audited(collected(&history())).findings.remove(0);
    let stored = |ticket, count| Stored { finding: Finding { count, ..finding.clone() }, ticket, units: Vec::new(), basis: Basis::Settled };
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
