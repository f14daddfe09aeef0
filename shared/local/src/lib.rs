//! Guardrail Audit on one machine: reads CloudTrail files and world folders, and keeps findings in an embedded store.

pub mod encoding;
pub mod input;
pub mod scan;
#[cfg(feature = "store")]
pub mod store;
pub mod world;
