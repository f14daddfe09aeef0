//! What a record of the stream means for a fold.

use audit_core::moment::Moment;

use super::is_of_organization;
use crate::{
    clock::start_of,
    fact::{Content, Fact, end_of, may_end},
    findings::Note,
    observations::Item,
    place::{Partition, Place, Source},
    stream::StreamRecord,
};

/// The note of a fact that tells of what was still to come when it was written. Nobody knows that, so it never counts, not even once it is
/// past.
pub(super) const AHEAD: &str = "ahead";

/// CloudTrail's clock and the stream's, which counts whole seconds, may differ by so many seconds.
const CLOCKS_DIFFER: i64 = 5 * 60;

/// What happened to an account in a batch.
pub(super) struct AccountRecords<'r> {
    pub(super) first: &'r str,
    pub(super) effects: Vec<RecordEffect<'r>>,
}

/// What a record of the stream means.
#[derive(Debug)]
pub(super) struct RecordEffect<'r> {
    pub(super) place: Place,
    pub(super) partition: Option<Partition>,
    /// An item that was rewritten or removed, and still counts.
    pub(super) keep: Option<&'r Item>,
    pub(super) note: Option<Note>,
    pub(super) malformed: bool,
    pub(super) world_changed: bool,
    /// When the latest of what it tells happened.
    pub(super) latest: Option<Moment>,
    pub(super) organization_changed: Option<(Moment, String)>,
}

impl<'r> RecordEffect<'r> {
    /// Facts are kept for so many days by the hub's own settings.
    pub(super) fn of(record: &'r StreamRecord, now: Moment, facts_ttl_days: i64) -> Self {
        let partition = Partition::parse(record.pk());
        let place = partition.as_ref().map_or_else(|| place_of_broken_key(record.pk()), |partition| partition.place.clone());
        let mut effect = RecordEffect {
            place,
            partition,
            keep: None,
            note: None,
            malformed: false,
            world_changed: false,
            latest: None,
            organization_changed: None,
        };
        let time = record.time.unwrap_or(now);
        let note = |place: &Place, kind: &str, detail: String| Note {
            kind: kind.to_owned(),
            account: place.account.clone(),
            region: place.region.clone(),
            time,
            item: item_name(record.pk(), record.sk()),
            detail,
        };
        // What was no fact can't be missed, and could have a key or a size that no item of the hub's can hold.
        let fact = |item: &'r Item| Fact::from_item(item).is_ok().then_some(item);
        if record.new.is_empty() {
            let was_due = end_in(&record.old).is_some_and(|at| Moment::from_seconds(at) <= time);
            if !(record.by_service && was_due) {
                effect.note = Some(note(&effect.place, "removed", "removed before its time".to_owned()));
                effect.keep = fact(&record.old);
            }
            return effect;
        }
        match Rewriting::of(record, effect.partition.as_ref(), facts_ttl_days) {
            Rewriting::Nothing => {}
            Rewriting::Earlier => effect.keep = fact(&record.old),
            Rewriting::Altered(how) => {
                effect.note = Some(note(&effect.place, "rewritten", format!("written again with {how}")));
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
                    effect.note = Some(note(&effect.place, AHEAD, detail));
                }
                // Nobody can report what is still to come, and so have others taken for silent.
                effect.latest = fact.latest().filter(|latest| *latest <= now);
                match fact.content {
                    Content::Read(read) => effect.world_changed = !read.changed.is_empty(),
                    Content::State(_) => effect.world_changed = true,
                    Content::Change(change) => {
                        effect.world_changed = true;
                        if is_of_organization(&change.change) {
                            effect.organization_changed = Some((change.time, change.event_id));
                        }
                    }
                    _ => {}
                }
            }
            Err(error) => {
                effect.malformed = true;
                // One in its place is found there by every fold.
                if effect.partition.is_none() {
                    effect.note = Some(note(&effect.place, "malformed", error.to_string()));
                }
            }
        }
        effect
    }
}

/// What writing an item over another came to.
enum Rewriting {
    /// It is new, or says what it said.
    Nothing,
    /// It says what it said, and ends before its time by the hub's own settings: it is kept as it was, and goes on to count.
    Earlier,
    /// It isn't what it was.
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
        // An end is no content: the same fact has another when the setting is changed.
        if !may_end(partition, after) {
            return Rewriting::Altered("an end that no fact has");
        }
        let is_earlier = after < before.min(end_of(partition, facts_ttl_days));
        if is_earlier && partition.source == Source::Account { Rewriting::Earlier } else { Rewriting::Nothing }
    }
}

/// Of a key that is none of ours, the account that must have written it: members can write only below their own.
fn place_of_broken_key(pk: &str) -> Place {
    let account = pk.split('#').next().filter(|account| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()));
    Place::new(account.unwrap_or("unknown"), "unknown")
}

/// The end of an item, in seconds since 1970.
fn end_in(item: &Item) -> Option<i64> {
    item.get("expires_at").and_then(|value| value.as_n().ok()?.parse().ok())
}

/// What a note calls an item. All keys that facts can have are shorter than this.
pub(super) fn item_name(pk: &str, sk: &str) -> String {
    format!("{pk} {sk}").chars().take(300).collect()
}

/// Sequence numbers are numbers of many digits.
pub(super) fn earlier<'s>(a: &'s str, b: &'s str) -> &'s str {
    if (a.len(), a) <= (b.len(), b) { a } else { b }
}
