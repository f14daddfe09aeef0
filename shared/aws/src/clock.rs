//! The current time. `audit_core` reads no clock: it takes the time as an argument, so that equal input gives an equal result.

use std::time::{SystemTime, UNIX_EPOCH};

use audit_core::timestamp::Timestamp;

/// A source of the current time.
#[derive(Clone, Copy, Debug, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// A clock that stands still, for tests.
    At(Timestamp),
}

impl Clock {
    /// The current time.
    #[must_use]
    pub fn now(self) -> Timestamp {
        match self {
            Clock::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
            Clock::At(time) => time,
        }
    }
}

/// The number of whole hours from 1970 to a time.
#[must_use]
pub fn hour_of(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(3_600_000_000)
}

/// The start of an hour that is counted from 1970.
#[must_use]
pub fn start_of(hour: i64) -> Timestamp {
    Timestamp::from_micros(hour.saturating_mul(3_600_000_000))
}

/// The number of whole seconds from 1970 to a time.
#[must_use]
pub fn seconds(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(1_000_000)
}
