//! A member account and the hub judged the same records differently.

use crate::{
    framework::{IMPAIR_TOOLS, INDICATOR_REMOVAL, LENS_MONITORING, MANAGE_4_1},
    rule::{Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "verdicts-differ",
    title: "A member's own verdict of a fact and the hub's differ",
    severity: Severity::High,
    group: Group::Telemetry,
    revealed_by: &[],
    fires: "The hub judges a fact again with a world that it read itself, and the member's verdict differs beyond what requirements and exceptions explain.",
    evidence: "Both verdicts of one fact. They exist only in AWS.",
    rationale: "Either the member was shown a world that isn't the real one, or its auditor was changed.",
    remediation: "Compare the member's reading of its effective policy with the hub's, and deploy the member's auditor again.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_effective.html"],
    resolved: Resolved::Never,
    correlation: Correlation::Independent,
    controls: &[MANAGE_4_1, IMPAIR_TOOLS, INDICATOR_REMOVAL, LENS_MONITORING],
    checks: &[],
};
