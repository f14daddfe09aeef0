//! Guardrail Audit in AWS: what its functions do, and the adapters that they do it with.
//!
//! ```text
//! queue ── invocations, changes ──► observations ── stream ──► fold ──► findings ── stream ──► alerts ──► SNS
//! reader roles ── reconcile ──► world in S3 ───────────────────┘             └──► report ──► S3, HTTPS
//! organization trail ── trail ──► observations
//! a person's credentials ── snapshot ──► world in a folder      (feature `command-line`)
//! ```
//!
//! Judging is [`audit_core`]'s alone; here facts are carried to it, and what it finds is carried on.

pub mod alerts;
pub mod aws;
pub mod bucket;
pub mod changes;
pub mod clock;
pub mod dead_letters;
pub mod digest;
#[cfg(feature = "command-line")]
pub mod doctor;
pub mod error;
pub mod fact;
pub mod findings;
pub mod fold;
#[cfg(feature = "command-line")]
pub mod folder;
pub mod inventory;
pub mod invocations;
pub mod lambda;
pub mod metrics;
pub mod observations;
pub mod place;
pub mod queue;
#[cfg(feature = "command-line")]
pub mod rate_limit;
pub mod reconcile;
pub mod report;
pub mod settings;
#[cfg(feature = "command-line")]
pub mod snapshot;
pub mod snapshots;
pub mod state;
pub mod stream;
pub mod trail;
pub mod world;
