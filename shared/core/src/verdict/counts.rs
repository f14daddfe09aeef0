//! The number of calls with each verdict.

use serde::{Deserialize, Serialize};

use super::Verdict;

/// Calls by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocations {
    /// Calls in whose scope a required guardrail was.
    pub compliant: u64,
    /// Calls in whose scope it was not.
    pub violation: u64,
    /// Calls for which evidence is missing.
    pub not_provable: u64,
    /// Calls that needed no guardrail.
    pub not_applicable: u64,
}

impl Invocations {
    /// Adds calls with this verdict.
    pub fn add(&mut self, verdict: Verdict, count: u64) {
        match verdict {
            Verdict::Compliant => self.compliant += count,
            Verdict::Violation => self.violation += count,
            Verdict::NotProvable => self.not_provable += count,
            Verdict::NotApplicable => self.not_applicable += count,
        }
    }

    /// Adds the calls of another count.
    pub fn add_all(&mut self, other: &Invocations) {
        self.compliant += other.compliant;
        self.violation += other.violation;
        self.not_provable += other.not_provable;
        self.not_applicable += other.not_applicable;
    }
}
