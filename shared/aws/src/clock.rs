//! The current time. Core never asks for it: it is handed the time as a value, so that the same input gives the same result.

use std::time::{SystemTime, UNIX_EPOCH};

use audit_core::timestamp::Timestamp;

/// Tells the time.
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
            Clock::At(moment) => moment,
        }
    }
}

/// Whole hours from 1970 to a moment.
#[must_use]
pub fn hour_of(moment: Timestamp) -> i64 {
    moment.as_micros().div_euclid(3_600_000_000)
}

/// The first moment of an hour, counted since 1970.
#[must_use]
pub fn start_of(hour: i64) -> Timestamp {
    Timestamp::from_micros(hour.saturating_mul(3_600_000_000))
}

/// Whole seconds from 1970 to a moment.
#[must_use]
pub fn seconds(moment: Timestamp) -> i64 {
    moment.as_micros().div_euclid(1_000_000)
}
