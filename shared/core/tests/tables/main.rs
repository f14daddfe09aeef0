//! Tables of small histories: the records that were read and the world they were made in on one side, on the other what an audit says of
//! them. They know nothing of how an audit is put together, so they hold while that changes.

mod changes;
mod coverage;
mod explanation;
mod given;
mod identity;
mod joining;
mod lint;
mod missing;
mod resolution;
