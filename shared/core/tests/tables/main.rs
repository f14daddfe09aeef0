//! Tables of small histories: the records that were read and the world they were made in on one side, on the other what an audit says of
//! them. They know nothing of how an audit is put together, so they hold while that changes.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail by panicking")]
#![expect(clippy::needless_pass_by_value, clippy::too_many_lines, reason = "tables are read more easily without borrows, and whole")]

mod changes;
mod coverage;
mod explanation;
mod given;
mod identity;
mod joining;
mod lint;
mod missing;
mod resolution;
