//! The domain of Guardrail Audit.
//!
//! Records go in, verdicts and findings come out:
//!
//! ```text
//! bytes ── cloudtrail ──► facts ──┬── join ──► verdict ──► rules ──► finding ──► report
//!          policy, guardrail ──► world ──┘
//! ```
//!
//! There is no AWS SDK, no async runtime, no clock and no input or output here: the same records, world, configuration and "now" give
//! the same findings, whoever asks.

pub mod api;
pub mod arn;
pub mod auditor;
pub mod blindness;
pub mod change;
pub mod cloudtrail;
pub mod config;
pub mod config_file;
pub mod control_change;
pub mod doctor;
pub mod enforcement;
pub mod facts;
pub mod finding;
pub mod framework;
pub mod guardrail;
pub mod iam;
pub mod identity;
pub mod invocation_log;
mod join;
pub mod json;
pub mod model;
pub mod moment;
pub mod nearest;
pub mod operations;
pub mod organization;
pub mod policy;
pub mod region;
pub mod report;
pub mod requirement;
pub mod rule;
pub mod rules;
mod scene;
pub mod severity;
pub mod side_by_side;
pub mod simulate;
pub mod telemetry;
mod uuid;
pub mod verdict;
pub mod world;
