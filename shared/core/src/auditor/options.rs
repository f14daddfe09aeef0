//! The inputs of an audit besides the records and the world.

use crate::{
    config::Configuration,
    join::{Selection, hour_of},
    timestamp::Timestamp,
};

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

/// The periods by which calls are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Periods {
    /// Days in UTC.
    #[default]
    Days,
    /// Hours.
    Hours,
}

/// What is counted of an account and Region besides its groups of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counting {
    /// Whether the times of calls are counted, because the world has Bedrock's CloudWatch metrics of this account and Region.
    pub(super) is_metered: bool,
    pub(super) by: Periods,
}

impl Periods {
    /// The first hour, counted since 1970, of the period in which a time lies.
    pub(super) fn first_hour(self, time: Timestamp) -> i32 {
        let hour = hour_of(time);
        let first = match self {
            Periods::Days => hour - hour.rem_euclid(24),
            Periods::Hours => hour,
        };
        i32::try_from(first).unwrap_or(if first < 0 { i32::MIN } else { i32::MAX })
    }
}
