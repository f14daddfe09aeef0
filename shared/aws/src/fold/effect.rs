//! What a record of the stream means for a fold.

use audit_core::moment::Moment;

use super::is_of_organization;
use crate::{
    fact::{Content, Fact},
    findings::Note,
    observations::Item,
    place::{Partition, Place},
    stream::StreamRecord,
};

/// What happened to an account in a batch.
pub(super) struct Touched<'r> {
    pub(super) first: &'r str,
    pub(super) effects: Vec<Effect<'r>>,
}

/// What a record of the stream means.
#[derive(Debug)]
pub(super) struct Effect<'r> {
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

impl<'r> Effect<'r> {
    pub(super) fn of(record: &'r StreamRecord, now: Moment) -> Self {
        let partition = Partition::parse(record.pk());
        let place = partition.as_ref().map_or_else(|| place_of_broken_key(record.pk()), |partition| partition.place.clone());
        let mut effect = Effect {
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
            item: shorten(&format!("{} {}", record.pk(), record.sk())),
            detail,
        };
        let content = |item: &Item| (item.get("f").cloned(), item.get("j").cloned(), item.get("expires_at").cloned());
        // What was no fact can't be missed, and could have a key or a size that no item of the hub's can hold.
        let fact = |item: &'r Item| Fact::from_item(item).is_ok().then_some(item);
        if record.new.is_empty() {
            let expires = record.old.get("expires_at").and_then(|value| value.as_n().ok()?.parse::<i64>().ok());
            let was_due = expires.is_some_and(|at| Moment::from_seconds(at) <= time);
            if !(record.by_service && was_due) {
                effect.note = Some(note(&effect.place, "removed", "removed before its time".to_owned()));
                effect.keep = fact(&record.old);
            }
            return effect;
        }
        // The time to live of a fact is part of it: one that was cut short would go before its time.
        if !record.old.is_empty() && content(&record.old) != content(&record.new) {
            effect.note = Some(note(&effect.place, "rewritten", "written again with another content".to_owned()));
            effect.keep = fact(&record.old);
        }
        match Fact::from_item(&record.new) {
            Ok(fact) => {
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

/// Of a key that is none of ours, the account that must have written it: members can write only below their own.
fn place_of_broken_key(pk: &str) -> Place {
    let account = pk.split('#').next().filter(|account| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()));
    Place::new(account.unwrap_or("unknown"), "unknown")
}

fn shorten(text: &str) -> String {
    text.chars().take(300).collect()
}

/// Sequence numbers are numbers of many digits.
pub(super) fn earlier<'s>(a: &'s str, b: &'s str) -> &'s str {
    if (a.len(), a) <= (b.len(), b) { a } else { b }
}
