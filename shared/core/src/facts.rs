//! What a set of records amounts to, kept small: one row a call, each distinct shape of a call once.
//!
//! A verdict may depend on a change that stands in a file read later, so calls are kept until all is read. A row is 44 bytes: the
//! request id, the event id, the time, and the number of the call's *shape*: everything else about it, which many calls share.
//! Rows stay where they were collected: they are sorted in place, chunk by chunk, and met in order by a merge.

mod collect;
mod rows;
mod shape;
mod stored;
mod strings;

pub use collect::{Collector, Ignored, Taken};
pub(crate) use rows::{Group, PackedId, Row};
pub(crate) use shape::{CallShape, EvaluationShape, LogShape, Shape};
pub use stored::{StoredRow, StoredShape};
pub(crate) use strings::{Strings, Symbol};

use std::collections::{BTreeMap, BTreeSet};

use crate::{moment::Moment, world::WorldChange};
use rows::Rows;
use shape::Shapes;

/// All that was kept of the records that were read.
#[derive(Debug, Default)]
pub struct Facts {
    pub(crate) strings: Strings,
    pub(crate) shapes: Shapes,
    pub(crate) rows: Rows,
    pub(crate) changes: BTreeMap<ChangeKey, Vec<WorldChange>>,
    /// Changes that were read again.
    pub(crate) repeated_changes: u64,
}

/// The identity of a change: the same event read twice is one change. In the order of time, then of event ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeKey {
    /// When.
    pub time: Moment,
    /// The record's event id, or what stands for it.
    pub event_id: String,
    /// The account that the record was delivered to.
    pub account: String,
}

impl Facts {
    /// Puts the facts of another reader behind these.
    pub fn absorb(&mut self, other: Facts) {
        let symbols = self.strings.absorb(&other.strings);
        let shapes = self.shapes.absorb(&other.shapes, &symbols);
        self.rows.absorb(other.rows, &shapes, &symbols);
        self.repeated_changes += other.repeated_changes;
        for (key, changes) in other.changes {
            for change in changes {
                self.add_change(key.clone(), change);
            }
        }
    }

    /// Takes a change, unless it was read before.
    pub fn add_change(&mut self, key: ChangeKey, change: WorldChange) {
        let known = self.changes.entry(key).or_default();
        if known.contains(&change) {
            self.repeated_changes += 1;
        } else {
            known.push(change);
        }
    }

    /// The changes in the order of time, each once.
    pub fn changes(&self) -> impl Iterator<Item = (&ChangeKey, &WorldChange)> {
        self.changes.iter().flat_map(|(key, changes)| {
            // Two records that share an id and differ are both kept, in an order of their own that reading doesn't change.
            let in_order: BTreeSet<(String, usize)> = changes.iter().enumerate().map(|(index, change)| (format!("{change:?}"), index)).collect();
            in_order.into_iter().filter_map(move |(_, index)| Some((key, changes.get(index)?)))
        })
    }

    /// How many rows and changes were kept, copies included.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.rows.len() as u64 + self.changes().count() as u64 + self.repeated_changes
    }
}
