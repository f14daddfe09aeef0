//! The inputs of an audit besides the records and the world.

use crate::{config::Configuration, join::Selection, timestamp::Timestamp};

/// The inputs of an audit besides the records and the world.
#[derive(Clone, Copy, Debug)]
pub struct AuditOptions<'a> {
    /// The team's requirements, exceptions and severities.
    pub configuration: &'a Configuration,
    /// The accounts, Regions and times to which calls and findings are limited.
    pub selection: &'a Selection,
    /// The present time, by which exceptions end. An argument, because this crate reads no clock.
    pub now: Timestamp,
    /// The number of threads. The result doesn't depend on it.
    pub threads: usize,
}
