//! What a run rests on besides the records and the world.

use crate::{config::Configuration, join::Selection, timestamp::Timestamp};

/// What a run rests on besides the records and the world.
#[derive(Clone, Copy, Debug)]
pub struct AuditOptions<'a> {
    /// What the team requires and excepts.
    pub configuration: &'a Configuration,
    /// Which calls to look at.
    pub selection: &'a Selection,
    /// "Now", for end dates.
    pub now: Timestamp,
    /// How many threads judge. What they find out doesn't depend on it.
    pub threads: usize,
}
