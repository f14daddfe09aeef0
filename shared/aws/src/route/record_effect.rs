//! Interprets a record of the table's stream: as new evidence about an account, or as tampering with a fact.

use audit_core::timestamp::Timestamp;

use crate::{
    clock::start_of,
    fact::{Content, Fact, end_of, may_end},
    findings::{Note, Volume},
    observations::{Item, size_of},
    partition::{AccountRegion, Partition, Source},
    stream::StreamRecord,
};

/// Seconds by which CloudTrail's clock may be ahead of the stream's, which counts whole seconds.
const CLOCKS_DIFFER: i64 = 5 * 60;

/// The records of a batch that concern one account.
pub(super) struct AccountRecords<'r> {
    pub(super) first: &'r str,
    pub(super) effects: Vec<RecordEffect<'r>>,
}

/// The meaning of a record.
#[derive(Debug)]
pub(super) struct RecordEffect<'r> {
    pub(super) account_region: AccountRegion,
    pub(super) partition: Option<Partition>,
    /// An item that was rewritten or removed, and still counts.
    pub(super) keep: Option<&'r Item>,
    pub(super) note: Option<Note>,
    pub(super) malformed: bool,
    pub(super) world_changed: bool,
    /// When the stream reports it.
    pub(super) time: Timestamp,
    /// What it adds to its partition.
    pub(super) added: Volume,
    /// The name of its item.
    pub(super) item: String,
    /// The latest time in the record, if it isn't later than now.
    pub(super) latest: Option<Timestamp>,
    pub(super) organization_changed: Option<(Timestamp, String)>,
}

impl<'r> RecordEffect<'r> {
    /// Reads a record. `facts_ttl_days` are the days that the hub's own settings keep facts.
    pub(super) fn of(record: &'r StreamRecord, now: Timestamp, facts_ttl_days: i64) -> Self {
        let partition = Partition::parse(record.pk());
        let account_region =
            partition.as_ref().map_or_else(|| account_region_of_broken_key(record.pk()), |partition| partition.account_region.clone());
        let time = record.time.unwrap_or(now);
        let is_new = record.old.is_empty();
        let mut effect = RecordEffect {
            account_region,
            partition,
            time,
            added: if is_new { Volume { items: 1, bytes: size_of(&record.new) } } else { Volume::default() },
            item: Note::item_name(record.pk(), record.sk()),
            keep: None,
            note: None,
            malformed: false,
            world_changed: false,
            latest: None,
            organization_changed: None,
        };
        let note = |account_region: &AccountRegion, kind: &str, detail: String| Note {
            kind: kind.to_owned(),
            account: account_region.account.clone(),
            region: account_region.region.clone(),
            time,
            item: Note::item_name(record.pk(), record.sk()),
            detail,
        };
        // Only valid facts are kept: an invalid one is no loss, and its key or size might not fit into an item.
        let fact = |item: &'r Item| Fact::from_item(item).is_ok().then_some(item);
        if record.new.is_empty() {
            let was_due = end_in(&record.old).is_some_and(|at| Timestamp::from_seconds(at) <= time);
            if !(record.by_service && was_due) {
                effect.note = Some(note(&effect.account_region, "removed", "removed before its time".to_owned()));
                effect.keep = fact(&record.old);
            }
            return effect;
        }
        match Rewriting::of(record, effect.partition.as_ref(), facts_ttl_days) {
            Rewriting::Nothing => {}
            Rewriting::Earlier => effect.keep = fact(&record.old),
            Rewriting::Altered(how) => {
                effect.note = Some(note(&effect.account_region, "rewritten", format!("written again with {how}")));
                effect.keep = fact(&record.old);
            }
        }
        match Fact::from_item(&record.new) {
            Ok(fact) => {
                if let Some(partition) = effect.partition.as_ref().filter(|partition| partition.source == Source::Account)
                    && let Some(told) = fact.latest().max(partition.hour.map(start_of))
                    && told > time.plus_seconds(CLOCKS_DIFFER)
                {
                    let detail = format!("tells of {told}, which was still to come");
                    effect.note = Some(note(&effect.account_region, Note::AHEAD, detail));
                }
                // A member that claims a later time must not make other accounts look silent.
                effect.latest = fact.latest().filter(|latest| *latest <= now);
                match fact.content {
                    Content::Read(read) => effect.world_changed = !read.changed.is_empty(),
                    Content::State(_) => effect.world_changed = true,
                    Content::Change(change) => {
                        effect.world_changed = true;
                        if change.is_of_organization() {
                            effect.organization_changed = Some((change.time, change.event_id));
                        }
                    }
                    _ => {}
                }
            }
            Err(error) => {
                effect.malformed = true;
                // An invalid item in a valid partition is found by every fold that reads the partition.
                if effect.partition.is_none() {
                    effect.note = Some(note(&effect.account_region, "malformed", error.to_string()));
                }
            }
        }
        effect
    }
}

/// What writing over an item changed.
enum Rewriting {
    /// Nothing: the item is new, or has the same content and expiry.
    Nothing,
    /// Its expiry was brought forward. The item is kept with its own, and still counts.
    Earlier,
    /// Its content, or its expiry to one that no fact has.
    Altered(&'static str),
}

impl Rewriting {
    fn of(record: &StreamRecord, partition: Option<&Partition>, facts_ttl_days: i64) -> Self {
        let content = |item: &Item| (item.get("f").cloned(), item.get("j").cloned());
        if record.old.is_empty() {
            return Rewriting::Nothing;
        }
        if content(&record.old) != content(&record.new) {
            return Rewriting::Altered("another content");
        }
        let (before, after) = (end_in(&record.old), end_in(&record.new));
        let Some(partition) = partition.filter(|_| before != after) else { return Rewriting::Nothing };
        // The expiry isn't content: a fact gets another one when the setting changes.
        if !may_end(partition, after) {
            return Rewriting::Altered("an end that no fact has");
        }
        let is_earlier = after < before.min(end_of(partition, facts_ttl_days));
        if is_earlier && partition.source == Source::Account { Rewriting::Earlier } else { Rewriting::Nothing }
    }
}

/// The account in a key that isn't that of a fact. Members can write only keys that begin with their own account id.
fn account_region_of_broken_key(pk: &str) -> AccountRegion {
    let account = pk.split('#').next().filter(|account| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()));
    AccountRegion::new(account.unwrap_or("unknown"), "unknown")
}

/// The expiry of an item, in seconds since 1970.
fn end_in(item: &Item) -> Option<i64> {
    item.get("expires_at").and_then(|value| value.as_n().ok()?.parse().ok())
}

/// The earlier of two sequence numbers, which are decimal numbers of many digits.
pub(super) fn earlier<'s>(a: &'s str, b: &'s str) -> &'s str {
    if (a.len(), a) <= (b.len(), b) { a } else { b }
}
