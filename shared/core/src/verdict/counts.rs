//! How many calls have which verdict.

use serde::{Deserialize, Serialize};

use super::Verdict;

/// Calls by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocations {
    /// A required guardrail was in scope.
    pub compliant: u64,
    /// It was not.
    pub violation: u64,
    /// Nobody can say.
    pub not_provable: u64,
    /// None was needed.
    pub not_applicable: u64,
}

impl Invocations {
    /// Counts calls of one verdict.
    pub fn add(&mut self, verdict: Verdict, count: u64) {
        match verdict {
            Verdict::Compliant => self.compliant += count,
            Verdict::Violation => self.violation += count,
            Verdict::NotProvable => self.not_provable += count,
            Verdict::NotApplicable => self.not_applicable += count,
        }
    }

    /// Counts the calls of another count.
    pub fn add_all(&mut self, other: &Invocations) {
        self.compliant += other.compliant;
        self.violation += other.violation;
        self.not_provable += other.not_provable;
        self.not_applicable += other.not_applicable;
    }
}
