//! Tables of small inputs (records and a world) and the results of their audit. They use only the public interface of an audit, so they
//! stay valid when its parts change.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail by panicking")]
#![expect(clippy::needless_pass_by_value, clippy::too_many_lines, reason = "tables are read more easily without borrows, and whole")]

mod changes;
mod coverage;
mod explanation;
mod given;
mod growth;
mod identity;
mod joining;
mod lint;
mod missing;
mod policies;
mod reading;
mod resolution;
mod rules;
mod silence;
mod simulation;
