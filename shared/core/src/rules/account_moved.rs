//! An account was moved to an OU where its effective policy is weaker.

use crate::{
    change_history::{ChangeInContext, Outcome, effective_policies::weaker_policies},
    framework::POLICY_WEAKENED,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "account-moved",
    title: "An account was moved to a place where its effective policy is weaker",
    severity: Severity::High,
    group: Group::Organization,
    revealed_by: &["MoveAccount"],
    fires: "MoveAccount makes the account's effective Bedrock policy weaker.",
    evidence: "The tree, the attachments and the contents of policies in the world and in earlier events, and DescribeEffectivePolicy around the \
        event. The effect is computed for each account; where it can't be, it is not verified, one step lower.",
    rationale: "Moving an account out of a policy's reach is as good as detaching the policy, and looks like housekeeping.",
    remediation: "Move the account back, or attach the policy to its new place.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_bedrock.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::RemovesProtection,
    controls: POLICY_WEAKENED,
    checks: &[Check::Change(ChangeCheck {
        attempt: "An account would have been moved to a place where its effective policy is weaker",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    weaker_policies(seen, &format!("its effective policy {} less in its new place", seen.did("demands", "would demand")))
}
