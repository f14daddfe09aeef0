//! Guardrail Audit in AWS: its Lambda functions, and the adapters to the AWS services that they use.
//!
//! Only [`audit_core`] judges; this crate supplies it with facts and stores and reports what it finds. Each function is one module, and
//! functions communicate only through queues, tables and the bucket:
//!
//! ```text
//! each account and Region            hub
//!
//! EventBridge ─►(SQS)─► invocations ──┐
//! EventBridge ────────► changes ──────┤
//!    └──► SQS: undelivered ──► ┘      ▼
//! trail bucket ─► SQS ─► trail ─► observations ──stream──► route ─► SQS FIFO ─► fold ─► findings ──stream──► alerts ─► SNS, EventBridge
//!                                     ▲                     │                    ▲        ├──stream──► security_hub ─► Security Hub
//! CloudTrail, Bedrock,                │                     │              world │        └─► report ─► S3, HTTPS
//! Organizations ◄─ reader roles ─ reconcile ──► (bucket) ───┼────────────────────┘
//!                                     ▲                     │
//!                                     └──────── SQS ◄───────┘
//! ```
//!
//! Within the crate, calls run downward:
//!
//! ```text
//! lambda                              the loop, logs and settings of every function
//!    ▼
//! invocations  changes  trail  reconcile  route  fold  alerts  security_hub  report
//!    │                                one for each function: audit-invocations, audit-changes, audit-trail, reconcile,
//!    │                                route-observations, fold-findings, send-alerts, import-findings, report
//!    │
//!    ├─► observations ─► fact ─► partition        the table of facts
//!    ├─► findings                                 the table of findings
//!    ├─► inventory ─► state ─► aws                which questions AWS is asked, and how
//!    ├─► world, snapshots ─► bucket               its answers, kept as files
//!    ├─► delivery, stream, queue                  what arrives, what is sent
//!    ├─► undelivered                              what didn't arrive, and is taken in again
//!    ├─► digest                                   CloudTrail's proof that its files are unaltered
//!    ├─► dead_letters                             what lies in an account's dead-letter queues
//!    ├─► connections ─► aws                       what is opened before the first event
//!    ├─► json_client ─► aws                       services that are called without the SDK's crate for them
//!    ├─► trust, bounds                            whom the hub believes, and how much it takes in
//!    └─► metrics, clock, settings, error
//!
//! doctor  snapshot  hub               what commands of `guardrail-audit` ask and do (feature `command-line`)
//!    ├─► inventory, state, aws ─► rate_limit
//!    ├─► snapshots ─► folder
//!    └─► report, fold                 which make for a person what they make in the functions
//! ```

pub mod alerts;
mod at_once;
pub mod aws;
pub mod bounds;
pub mod bucket;
pub mod changes;
pub mod clock;
mod connections;
pub mod dead_letters;
pub mod delivery;
pub mod digest;
#[cfg(feature = "command-line")]
pub mod doctor;
pub mod error;
pub mod fact;
pub mod findings;
pub mod fold;
#[cfg(feature = "command-line")]
pub mod folder;
#[cfg(feature = "command-line")]
pub mod hub;
pub mod inventory;
pub mod invocations;
mod json_client;
pub mod lambda;
pub mod metrics;
pub mod observations;
pub mod partition;
pub mod queue;
#[cfg(feature = "command-line")]
pub mod rate_limit;
pub mod reconcile;
pub mod report;
pub mod route;
pub mod security_hub;
pub mod settings;
#[cfg(feature = "command-line")]
pub mod snapshot;
pub mod snapshots;
pub mod state;
pub mod stream;
pub mod trail;
pub mod trust;
pub mod undelivered;
pub mod world;
