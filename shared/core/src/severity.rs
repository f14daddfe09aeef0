//! The severity of a finding.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A severity, by the labels of the AWS Security Finding Format. The order of the variants is the order of severity, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// No action is needed.
    Informational,
    /// It should be reviewed.
    Low,
    /// It should be fixed in the course of regular work.
    Medium,
    /// It should be fixed with priority.
    High,
    /// It should be fixed immediately.
    Critical,
}

impl Severity {
    /// All severities, lowest first.
    pub const ALL: [Severity; 5] = [Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// The label in reports and in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Informational => "INFORMATIONAL",
            Severity::Low => "LOW",
            Severity::Medium => "MEDIUM",
            Severity::High => "HIGH",
            Severity::Critical => "CRITICAL",
        }
    }

    /// The severity that is this many steps higher, or lower if negative. It stops at the lowest and the highest.
    #[must_use]
    pub fn severity_steps(self, steps: i8) -> Self {
        let mut severity = self;
        for _ in 0..steps.unsigned_abs() {
            let next = Self::ALL.into_iter().rfind(|other| *other < severity).filter(|_| steps < 0);
            let next = next.or_else(|| Self::ALL.into_iter().find(|other| *other > severity).filter(|_| steps > 0));
            severity = next.unwrap_or(severity);
        }
        severity
    }

    /// Parses a label, in upper or lower case.
    #[must_use]
    pub fn parse(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str().eq_ignore_ascii_case(label))
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_stop_at_the_ends() {
        assert_eq!(Severity::High.severity_steps(-2), Severity::Low);
        assert_eq!(Severity::Low.severity_steps(-3), Severity::Informational);
        assert_eq!(Severity::High.severity_steps(1), Severity::Critical);
        assert_eq!(Severity::Critical.severity_steps(1), Severity::Critical);
        assert_eq!(Severity::Medium.severity_steps(0), Severity::Medium);
    }
}
