//! A Bedrock policy was detached or deleted, so that accounts are no longer covered.

use crate::{
    change_history::{ChangeInContext, Outcome, effective_policies::weaker_policies},
    framework::POLICY_WEAKENED,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "policy-detached",
    title: "A Bedrock policy was detached or deleted, and accounts lost cover",
    severity: Severity::Critical,
    group: Group::Organization,
    revealed_by: &["DetachPolicy", "DeletePolicy"],
    fires: "DetachPolicy or DeletePolicy makes some account's effective Bedrock policy weaker. One finding for each account, with the Regions and \
        settings that it lost; policies of other types, and detachments that change nothing, give none.",
    evidence: "The tree, the attachments and the contents of policies in the world and in earlier events, and DescribeEffectivePolicy around the \
        event. The effect is computed for each account; where it can't be, it is not verified, one step lower.",
    rationale: "Every call of those accounts in those Regions runs without the required guardrail from this moment.",
    remediation: "Attach the policy again.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_bedrock.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::RemovesProtection,
    controls: POLICY_WEAKENED,
    checks: &[Check::Change(ChangeCheck {
        attempt: "A Bedrock policy would have been detached or deleted, and accounts would have lost cover",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    weaker_policies(seen, &format!("its effective policy {} what the policy demanded", seen.did("lost", "would have lost")))
}
