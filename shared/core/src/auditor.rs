//! The audit: from the collected records and the world to verdicts, findings and blind spots.
//!
//! [`audit`] resolves the state at each time, judges the calls of each account and Region, applies the rules to calls, changes and states,
//! and correlates the findings (`auditor/stages.rs`). It has no clock and no I/O: equal input gives an equal [`Audit`].

mod account_region;
mod aggregate;
mod aside;
mod changes;
mod classes;
mod continued;
mod correlation;
mod exceptions;
mod finding_builder;
mod match_text;
mod options;
mod relevance;
mod resolution;
mod shared;
mod stages;
mod view;

pub use self::{
    aggregate::{StoredAggregate, StoredAggregateError, StoredAggregates},
    aside::{SetAside, set_aside},
    continued::{Continued, Outdated, audit_after, continue_audit, explain_finding_after, fit},
    exceptions::except,
    options::{AuditOptions, Periods},
    stages::{Audit, audit, explain_call, explain_change, explain_finding, wanted, wanted_for, wanted_in},
};
pub use crate::join::Selection;
