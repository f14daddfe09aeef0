//! BEDROCK_POLICY was disabled on the root.

use crate::{
    change_history::{ChangeInContext, Outcome, effective_policies::weaker_policies},
    framework::POLICY_WEAKENED,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "policy-type-disabled",
    title: "Bedrock policies were disabled for the organization",
    severity: Severity::Critical,
    group: Group::Organization,
    revealed_by: &["DisablePolicyType"],
    fires: "DisablePolicyType with BEDROCK_POLICY: all Bedrock policies are detached at once. One finding for each account that lost cover; if it \
        is not known which, one for the management account. Other policy types, and an organization without any Bedrock policy, give none.",
    evidence: "The record: the effect is in its name. The accounts come from the world.",
    rationale: "Enforcement ends for the whole organization, and enabling the type again doesn't bring the attachments back.",
    remediation: "Enable the policy type and attach every policy again.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/disable-policy-type.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::RemovesProtection,
    controls: POLICY_WEAKENED,
    checks: &[Check::Change(ChangeCheck {
        attempt: "Bedrock policies would have been disabled for the organization",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    match seen.change.text("policyType") {
        Some(crate::policy::BEDROCK_POLICY) => {
            sure_of_effect(weaker_policies(seen, &format!("no Bedrock policy {} in force any more", seen.did("is", "would be"))))
        }
        Some(_) => Vec::new(),
        None => {
            let disabled = seen.did("was disabled", "would have been disabled");
            weaker_policies(seen, &format!("which type of policy {disabled} is not in the record"))
        }
    }
}

/// Makes the findings certain, because the operation's name shows its effect.
fn sure_of_effect(outcomes: Vec<Outcome>) -> Vec<Outcome> {
    let sure = |outcome| match outcome {
        Outcome::Fires(rule_match) => Outcome::Fires(Box::new(rule_match.unverified(false))),
        blind @ Outcome::MissingEvidence(..) => blind,
    };
    outcomes.into_iter().map(sure).collect()
}
