//! The domain of Guardrail Audit.

pub mod arn;
pub mod cloudtrail;
pub mod enforcement;
pub mod invocation_log;
pub mod json;
pub mod model;
pub mod moment;
pub mod policy;
