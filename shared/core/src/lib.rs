//! The domain of Guardrail Audit.
//!
//! It turns CloudTrail records and snapshots of AWS configuration into verdicts and findings:
//!
//! ```text
//! bytes ── cloudtrail ──► facts ──┬── join ──► verdict ──► rules ──► finding ──► report
//!          policy, guardrail ──► world ──┘
//! ```
//!
//! This crate has no AWS SDK, no async runtime, no clock and no I/O. Equal records, world, configuration and present time give equal
//! findings, on the command line as in the hub; the test `pure` fails on an import that breaks this.
//!
//! A module imports only modules of its own layer and of those below it, and no files import each other in a circle. The test `layers`
//! fails if one does.
//!
//! | Layer | Modules | Contents |
//! |---|---|---|
//! | 1 words | `arn`, `control_change`, `framework`, `json`, `nearest`, `operations`, `parallel`, `region`, `severity`, `timestamp`, `uuid` | names and values |
//! | 2 AWS documents | `enforcement`, `guardrail`, `iam`, `identity`, `invocation_log`, `model`, `organization`, `policy`, `requirement`, `telemetry` | answers of AWS, parsed |
//! | 3 records | `api`, `change`, `cloudtrail` | CloudTrail records and the changes in them |
//! | 4 state | `world` | what was in force at each time |
//! | 5 verdicts | `verdict` | whether the required guardrail was applied to a call |
//! | 6 evidence | `facts`, `join` | the records of each call, joined and stored compactly |
//! | 7 reported | `config`, `finding`, `missing_evidence`, `report` | findings, reports, and the settings that shape them |
//! | 8 rules | `change_history`, `rule`, `rules` | what counts as wrong |
//! | 9 runs | `auditor`, `config_file`, `doctor`, `simulate` | the commands' pipelines |

// 1. Words
pub mod arn;
pub mod control_change;
pub mod framework;
pub mod json;
pub mod nearest;
pub mod operations;
pub mod parallel;
pub mod region;
pub mod severity;
pub mod timestamp;
pub mod uuid;

// 2. AWS documents
pub mod enforcement;
pub mod guardrail;
pub mod iam;
pub mod identity;
pub mod invocation_log;
pub mod model;
pub mod organization;
pub mod policy;
pub mod requirement;
pub mod telemetry;

// 3. Records
pub mod api;
pub mod change;
pub mod cloudtrail;

// 4. State
pub mod world;

// 5. Verdicts
pub mod verdict;

// 6. Evidence
pub mod facts;
mod join;

// 7. Reported
pub mod config;
pub mod finding;
pub mod missing_evidence;
pub mod report;

// 8. Rules
mod change_history;
pub mod rule;
pub mod rules;

// 9. Runs
pub mod auditor;
pub mod config_file;
pub mod doctor;
pub mod simulate;
