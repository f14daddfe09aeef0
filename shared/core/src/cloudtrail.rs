//! CloudTrail records: where one begins and ends, which of them matter, and the fields that we read.
//!
//! The way of a record: [`frame`] finds it in the bytes of a file, [`wanted`] rejects it unparsed if no rule can want it, and
//! [`Item::parse`] reads the rest, unwrapping EventBridge envelopes and LookupEvents answers. Nothing here builds a
//! [`serde_json::Value`], and nothing fails on a field that is missing, null or of another type than documented (facts/03).

pub mod frame;
mod item;
mod principal;
mod record;
pub mod wanted;

pub use item::{Item, UnreadableRecord};
pub use principal::{Identity, Principal, without_session};
pub use record::{EventType, HIDDEN, InferenceParameters, Record, Resource};
