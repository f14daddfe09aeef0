//! The program as a user runs it: what it prints, and how it exits.
//!
//! Snapshots hold what people read. After a change that they should show: `INSTA_UPDATE=always cargo test --package guardrail-audit --test
//! cli`, then read the difference as a user would.

#![expect(clippy::indexing_slicing, reason = "a JSON value answers null for what it lacks")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod answer;
mod audit;
#[cfg(feature = "aws")]
mod aws;
mod bundle;
mod captured;
mod demo;
mod dependencies;
mod doctor;
mod explain;
mod exports;
mod files;
mod formats;
mod forms;
mod guardrail;
mod help;
#[cfg(feature = "aws")]
mod hub;
#[cfg(feature = "aws")]
mod hub_operated;
mod nothing;
mod policy;
mod rules;
mod runner;
mod simulate;
mod store;
mod terminal;
