//! What time it is. The domain never asks.

use std::time::{SystemTime, UNIX_EPOCH};

use audit_core::moment::Moment;

/// Tells the time.
#[derive(Clone, Copy, Debug, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    System,
    /// One that stands still.
    At(Moment),
}

impl Clock {
    /// Now.
    #[must_use]
    pub fn now(self) -> Moment {
        match self {
            Clock::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Moment::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
            Clock::At(moment) => moment,
        }
    }
}

/// The hour since 1970 that a moment falls into.
#[must_use]
pub fn hour_of(moment: Moment) -> i64 {
    moment.as_micros().div_euclid(3_600_000_000)
}

/// When an hour begins.
#[must_use]
pub fn start_of(hour: i64) -> Moment {
    Moment::from_micros(hour.saturating_mul(3_600_000_000))
}

/// Seconds since 1970.
#[must_use]
pub fn seconds(moment: Moment) -> i64 {
    moment.as_micros().div_euclid(1_000_000)
}
