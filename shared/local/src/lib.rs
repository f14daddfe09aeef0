//! Guardrail Audit on one machine: CloudTrail files in, findings kept in an embedded store.

pub mod input;
pub mod scan;
pub mod store;
pub mod world;
