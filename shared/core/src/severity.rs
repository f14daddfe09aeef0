//! How bad a finding is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// ASFF's labels, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// No action needed.
    Informational,
    /// Worth a look.
    Low,
    /// To be mended in time.
    Medium,
    /// To be mended soon.
    High,
    /// To be mended now.
    Critical,
}

impl Severity {
    /// All, lowest first.
    pub const ALL: [Severity; 5] = [Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// The label.
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

    /// So many steps above it, or below it; steps stop at the ends.
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

    /// By its label, in any case.
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
