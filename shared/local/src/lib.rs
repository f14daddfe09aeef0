//! Guardrail Audit on one machine: CloudTrail files in, findings kept in an embedded store.

pub mod encoding;
pub mod input;
pub mod scan;
#[cfg(feature = "store")]
pub mod store;
pub mod world;
