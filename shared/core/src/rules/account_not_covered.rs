//! An account runs inference, and its effective policy demands no guardrail.

use crate::{
    framework::POLICY_WEAKENED,
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
    world::InForce,
};

pub(super) static RULE: Rule = Rule {
    id: "account-not-covered",
    title: "An account runs inference in a Region where its effective policy demands nothing",
    severity: Severity::High,
    group: Group::Organization,
    revealed_by: operations::EVERY_CALL,
    fires: "An active account made a call that may have run a model, in a Region that its effective Bedrock policy doesn't name, or without \
        any effective Bedrock policy. An account-level configuration may cover the call; the organization still doesn't.",
    evidence: "The effective policy, described or computed. Where it isn't known the calls are not provable, and this says nothing.",
    rationale: "It is the cause of every uncovered call of the account there, and whoever administers the account decides alone what is \
        enforced.",
    remediation: "Attach a Bedrock policy that names the Region to the account, its OU or the root.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_bedrock.html"],
    resolved: Resolved::ByPolicy,
    correlation: Correlation::NoGuardrailRequired,
    controls: POLICY_WEAKENED,
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    let is_silent = matches!(judged.policy_is_silent, InForce::Known(true) | InForce::Assumed(true));
    (judged.ran() && is_silent).then(|| Observed {
        because: "the account's effective policy demands no guardrail in this Region".to_owned(),
        ..Observed::default()
    })
}
