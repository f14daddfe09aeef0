//! What there is to tell of a finding, given what was last told of it.

use audit_core::{
    finding::{Finding, Status},
    severity::Severity,
};
use serde::{Deserialize, Serialize};

use crate::findings::Stored;

/// Why there is something to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It was not there before.
    New,
    /// It was resolved, and is back.
    Reopened,
    /// It got worse.
    Escalated,
    /// All is right again.
    Resolved,
    /// It isn't so, judged again by what is known now.
    Withdrawn,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Kind::New => "new",
            Kind::Reopened => "reopened",
            Kind::Escalated => "escalated",
            Kind::Resolved => "resolved",
            Kind::Withdrawn => "withdrawn",
        }
    }
}

/// Something to tell about a finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Why.
    pub kind: Kind,
    /// About what.
    pub stored: Stored,
    /// The turn of the finding that is told, the same however often it is: how it stands, and how often it had been withdrawn before.
    pub turn: String,
}

/// What was last told of a finding that isn't there any more. Should it come back, it is new.
pub(super) const GONE: &str = "GONE";

/// A finding that was withdrawn, as it is told.
pub(super) fn withdrawn(stored: Stored) -> Stored {
    let detail = format!("no longer so, judged again by what is known now; it was: {}", stored.finding.detail);
    Stored { finding: Finding { status: Status::Resolved, detail, ..stored.finding }, ..stored }
}

/// What there is to tell of a finding, given what was last told of it; `None` stands for a finding that isn't there.
pub(super) fn alert_kind(notified: Option<&str>, finding: Option<&Finding>, minimum: Severity) -> Option<Kind> {
    let (notified, finding) = match (notified, finding) {
        (Some(notified), Some(finding)) => (notified, finding),
        (None, Some(finding)) => return (finding.status == Status::Open && finding.severity >= minimum).then_some(Kind::New),
        // Who was told that all is right again needn't hear that it never was wrong.
        (Some(notified), None) => return (notified.split('#').next() == Some(Status::Open.as_str())).then_some(Kind::Withdrawn),
        (None, None) => return None,
    };
    let mut parts = notified.split('#');
    let status = parts.next().and_then(Status::parse);
    let severity = parts.next().and_then(Severity::parse).unwrap_or(Severity::Informational);
    let reopened: u64 = parts.next().and_then(|count| count.parse().ok()).unwrap_or(0);
    match (finding.status, status) {
        (Status::Open, Some(Status::Resolved)) => Some(Kind::Reopened),
        (Status::Open, _) if finding.reopened > reopened => Some(Kind::Reopened),
        (Status::Open, _) if finding.severity > severity => Some(Kind::Escalated),
        (Status::Resolved, Some(Status::Open)) => Some(Kind::Resolved),
        _ => None,
    }
}
