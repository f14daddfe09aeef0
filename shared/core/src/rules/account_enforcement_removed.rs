//! An account's enforced guardrail configuration was deleted.

use crate::{
    change_history::{
        ChangeInContext, Outcome,
        account_enforcement::{ENFORCED_CONFIGURATION, configuration_right_again},
    },
    framework::PROTECTION_WEAKENED,
    policy::weakening_of,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "account-enforcement-removed",
    title: "An account's enforced guardrail configuration was deleted",
    severity: Severity::High,
    group: Group::Guardrails,
    revealed_by: &["DeleteEnforcedGuardrailConfiguration"],
    fires: "DeleteEnforcedGuardrailConfiguration where a configuration was in force.",
    evidence: "ListEnforcedGuardrailsConfiguration before the event, or an earlier Put. Where it is not known, the effect is not verified, \
        one step lower; where there was none, nothing changed.",
    rationale: "The account's own layer of enforcement is gone from this moment, for all its models.",
    remediation: "Put the configuration again with the guardrail version that was enforced (PutEnforcedGuardrailConfiguration).",
    references: &["https://docs.aws.amazon.com/bedrock/latest/APIReference/API_DeleteEnforcedGuardrailConfiguration.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::RemovesProtection,
    controls: PROTECTION_WEAKENED,
    checks: &[Check::Change(ChangeCheck {
        attempt: "An account's enforced guardrail configuration would have been deleted",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let (account, region) = (&seen.change.account, &seen.change.region);
    let before = seen.history.state.configurations(account, region, seen.before()).state();
    let because = match before {
        Some([]) => return Vec::new(),
        Some([enforced, ..]) => {
            let no_longer = seen.did("is no longer", "would no longer be");
            format!("{} {no_longer} enforced by the account", enforced.guardrail)
        }
        None => format!("it {} gone, and what it enforced is not known", seen.did("is", "would be")),
    };
    let restored_at = before.and_then(|before| {
        configuration_right_again(seen, |after| {
            before.iter().all(|old| {
                after.iter().any(|new| weakening_of(region, old, new, &|a, b| seen.history.compare(a, b, seen.key.time)).is_none())
            })
        })
    });
    vec![seen.rule_match(ENFORCED_CONFIGURATION, because).unverified(before.is_none()).restored_at(restored_at).fires()]
}
