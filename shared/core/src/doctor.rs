//! Whether the auditor can see at all, and what an account's own records say about what AWS doesn't document.
//!
//! [`check`] judges answers of AWS about trails, rules and heartbeats; [`inspection`] looks at records. Both only look: whoever asks
//! AWS or reads files hands in what came of it.

pub mod check;
pub mod inspection;

pub use check::{Check, Heartbeat, RuleSeen, Status};
pub use inspection::{Answer, Inspection, Settled};
