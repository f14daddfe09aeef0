//! Tests the hub's functions against a DynamoDB engine: what adversaries can't do, what order and failures don't change, and which alerts
//! and reports result.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that can't go on fails, as it should")]

mod adapters;
mod adversary;
mod bounded;
mod bundles;
mod contract;
mod convergence;
mod cross_account;
mod cross_account_reader;
mod day_sums;
mod deadlines;
mod engine;
mod lost_findings;
mod messages;
mod one_at_a_time;
mod reconciler;
mod sealing;
mod security_hub;
#[path = "../support/mod.rs"]
mod support;
mod trail;
