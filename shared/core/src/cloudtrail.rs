//! CloudTrail records: finding them in a log file, rejecting those that no rule needs, and reading their fields.
//!
//! A record passes three stages: [`frame`] finds the bytes of one JSON value in a file, [`wanted`] rejects it unparsed if no rule needs it,
//! and [`Item::each`] parses the rest, be it a plain record or an envelope around several. A field that is missing, null, duplicated or of
//! another type than documented reads as absent; it never makes a record unreadable.

mod columns;
mod fields;
pub mod frame;
mod item;
mod principal;
mod record;
mod unwrap;
pub mod wanted;

pub use fields::HIDDEN;
pub use item::{Item, UnreadableRecord, Unwrapped};
pub use principal::{Identity, Principal, without_session};
pub use record::{EventType, InferenceParameters, Record, Resource};
pub use unwrap::heads_records;

/// Seconds after which an event counts as missing from event history. It takes 5 to 15 minutes to show
/// (docs/aws/delivery.md#lookupevents), and five more are granted: a shorter time would report events that are only late.
pub const EVENT_HISTORY_SECONDS: i64 = 20 * 60;
