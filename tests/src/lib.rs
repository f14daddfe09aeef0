//! Shared by the end-to-end tests: the templates as CloudFormation would resolve them, the policies in them, and the tools and engines that
//! the tests run.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "only tests use it: what goes wrong fails the test that asked"
)]

pub mod commands;
pub mod deployment;
pub mod documents;
pub mod double;
pub mod engine;
pub mod gate;
pub mod stack;
pub mod template;
pub mod tools;
