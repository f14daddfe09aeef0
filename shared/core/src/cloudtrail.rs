//! CloudTrail records: where one begins and ends, which of them matter, and the fields that we read.
//!
//! The way of a record: [`frame`] finds it in the bytes of a file, [`wanted`] rejects it unparsed if no rule can want it, and
//! [`Item::each`] reads the rest: a record as it is, or all that is wrapped in something else. Nothing fails on a field that is missing, null, there
//! twice, or of another type than documented.

mod columns;
mod fields;
pub mod frame;
mod item;
mod principal;
mod record;
mod unwrap;
pub mod wanted;

pub use item::{Item, UnreadableRecord, Unwrapped};
pub use principal::{Identity, Principal, without_session};
pub use record::{EventType, HIDDEN, InferenceParameters, Record, Resource};
pub use unwrap::heads_records;
