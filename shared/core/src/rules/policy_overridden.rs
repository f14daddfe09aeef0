//! An attachment lower in the tree replaces or weakens what a higher one demands.

use crate::{
    framework::POLICY_WEAKENED,
    rule::{ChangeCheck, Check, Group, Resolved, Rule},
    scene::{Outcome, Seen},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "policy-overridden",
    title: "An attachment lower in the tree replaces or weakens what a higher one demands",
    severity: Severity::High,
    group: Group::Organization,
    revealed_by: &["AttachPolicy"],
    fires: "AttachPolicy makes some account's effective Bedrock policy weaker. One finding for each account. Attaching a policy of another type, or \
        one that only adds, gives none.",
    evidence: "The tree, the attachments and the contents of policies in the world and in earlier events, and DescribeEffectivePolicy around the \
        event. The effect is computed for each account; where it can't be, it is not verified, one step lower.",
    rationale: "The organization's policy is still attached above, and no longer says what holds below.",
    remediation: "Detach the policy, and withhold the operators from child policies: @@operators_allowed_for_child_policies.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/policy-operators.html"],
    resolved: Resolved::ByState,
    controls: POLICY_WEAKENED,
    checks: &[Check::Change(ChangeCheck(check))],
};

fn check(seen: &Seen<'_>) -> Vec<Outcome> {
    super::weaker_policies(seen, "what is demanded higher in the tree is replaced or weakened")
}
