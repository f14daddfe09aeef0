//! Which transition of a finding is worth an alert, given the state that was last published.

use audit_core::{
    finding::{Finding, Status},
    severity::Severity,
};
use serde::{Deserialize, Serialize};

use crate::findings::Stored;

/// The kinds of transition that are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// There was no such finding before.
    New,
    /// It was resolved, and is open again.
    Reopened,
    /// Its severity rose.
    Escalated,
    /// Evidence shows that the problem is gone.
    Resolved,
    /// The facts, judged again by what is known now, no longer give this finding.
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

/// A transition of a finding that is to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Which transition it is.
    pub kind: Kind,
    /// The finding as it stands after it.
    pub stored: Stored,
    /// Identifies the transition: the finding's state, and the number of withdrawals before it. The same for each attempt to publish it.
    pub turn: String,
}

/// The state published of a finding that is gone. A finding that comes back after it is new.
pub(super) const GONE: &str = "GONE";

/// A withdrawn finding as alerts show it: resolved, with the reason in its detail.
pub(super) fn withdrawn(stored: Stored) -> Stored {
    let detail = format!("no longer so, judged again by what is known now; it was: {}", stored.finding.detail);
    Stored { finding: Finding { status: Status::Resolved, detail, ..stored.finding }, ..stored }
}

/// The transition from the state that was last published to the finding as it is; `None` for `finding` means that there is none any more.
pub(super) fn alert_kind(notified: Option<&str>, finding: Option<&Finding>, minimum: Severity) -> Option<Kind> {
    let (notified, finding) = match (notified, finding) {
        (Some(notified), Some(finding)) => (notified, finding),
        (None, Some(finding)) => return (finding.status == Status::Open && finding.severity >= minimum).then_some(Kind::New),
        // A finding that was published as resolved is not published as withdrawn as well.
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
