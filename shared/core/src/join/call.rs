//! A call with the evidence that was joined to it.

use std::cmp::Ordering;

use crate::{
    facts::{Columns, Form, PackedId, Texts},
    timestamp::Timestamp,
};

/// A call joined with its evidence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JoinedCall {
    pub(crate) columns: Columns,
    pub(crate) form: Form,
    pub(crate) seen: Occurrence,
    /// The number of its evidence in the [`EvidenceTable`](super::EvidenceTable); zero if there is none.
    pub(crate) evidence: u32,
}

/// The time and event id of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occurrence {
    /// The time; `None` if the record has none.
    pub(crate) time: Option<Timestamp>,
    pub(crate) event: PackedId,
}

impl Occurrence {
    /// Orders by time, then by event id, so that the result doesn't depend on the order of reading.
    pub(crate) fn order(&self, other: &Occurrence, texts: &Texts) -> Ordering {
        self.time.cmp(&other.time).then_with(|| self.event.compare(other.event, texts.strings()))
    }
}
