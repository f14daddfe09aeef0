//! A fact that a member account reported was changed, or removed before it expired.

use crate::{
    framework::{IMPAIR_TOOLS, INDICATOR_REMOVAL, LENS_MONITORING, MANAGE_4_1},
    rule::{Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "observation-altered",
    title: "A fact that a member reported was rewritten, or removed before its time",
    severity: Severity::Critical,
    group: Group::Telemetry,
    revealed_by: &[],
    fires: "The hub finds that an item of the observations table was modified, was removed by anything but its time to live, is no fact, or tells \
        of something that was still to come when it was written; or that there is more than any auditor reports: more facts or bytes in an hour \
        than are read, hours whose facts have expired, more hours or Regions than there are.",
    evidence: "The table's stream of changes, with the images before and after. It exists only in AWS: files show nothing of it.",
    rationale: "Members may only add facts. Whoever rewrites one hides what was seen.",
    remediation: "Look at what the item said before, which the finding keeps, and at who holds the member's role; verify the hour by the organization's trail.",
    references: &["https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html"],
    resolved: Resolved::Never,
    correlation: Correlation::Independent,
    controls: &[MANAGE_4_1, IMPAIR_TOOLS, INDICATOR_REMOVAL, LENS_MONITORING],
    checks: &[],
};
