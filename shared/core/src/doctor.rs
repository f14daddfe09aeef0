//! Whether the auditor receives the events it needs, and what an account's records show about undocumented behaviour of AWS.
//!
//! [`check`] judges responses of AWS about trails, rules and heartbeats; [`inspection`] examines records. Both only judge what the caller has
//! read: they call no API and read no file.

pub mod check;
pub mod inspection;
pub mod v1;

pub use check::{Check, Heartbeat, RuleSeen, Status};
pub use inspection::{Answer, Conclusion, Inspection};
