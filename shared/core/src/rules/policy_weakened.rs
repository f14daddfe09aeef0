//! A Bedrock policy was updated so that an account's effective policy is weaker.

use crate::{
    change_history::{ChangeInContext, Outcome, effective_policies::weaker_policies},
    framework::POLICY_WEAKENED,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "policy-weakened",
    title: "A Bedrock policy was updated so that accounts' effective policies are weaker",
    severity: Severity::Critical,
    group: Group::Organization,
    revealed_by: &["UpdatePolicy"],
    fires: "UpdatePolicy makes some account's effective Bedrock policy weaker: another or a lower guardrail version, fewer Regions, fewer models, or \
        selective instead of comprehensive guarding of the system prompt or of the messages, each for itself. One finding for each account. A higher version of the same guardrail whose content is not \
        known is guardrail-change-unverified.",
    evidence: "The tree, the attachments and the contents of policies in the world and in earlier events, and DescribeEffectivePolicy around the \
        event. The effect is computed for each account; where it can't be, it is not verified, one step lower.",
    rationale: "The policy still looks attached, and demands less of every account below it.",
    remediation: "Restore the former content of the policy.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_bedrock.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::RemovesProtection,
    controls: POLICY_WEAKENED,
    checks: &[Check::Change(ChangeCheck {
        attempt: "A Bedrock policy would have been updated so that accounts' effective policies are weaker",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    weaker_policies(seen, &format!("its effective policy {} less than before", seen.did("demands", "would demand")))
}
