//! A guardrail, or a version of one, was deleted.

use crate::{
    arn::GuardrailVersion,
    change_history::{ChangeInContext, Outcome, RuleMatch},
    framework::PROTECTION_WEAKENED,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "guardrail-deleted",
    title: "A guardrail, or a version of one, was deleted",
    severity: Severity::High,
    group: Group::Guardrails,
    revealed_by: &["DeleteGuardrail"],
    fires: "DeleteGuardrail. A deletion that AWS refuses, as it does for a guardrail that is enforced, is an attempt. Two steps lower if \
        nothing enforces or references what was deleted.",
    evidence: "The record. Who enforces the guardrail comes from effective policies and configurations; where those are not known, it \
        may reach production.",
    rationale: "Calls that ask for it fail or run without it, and its content can't be read any more.",
    remediation: "Make the guardrail again from its last snapshot, publish a version, and point policies, configurations and consumers at \
        it.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/APIReference/API_DeleteGuardrail.html"],
    resolved: Resolved::Never,
    correlation: Correlation::RemovesProtection,
    controls: PROTECTION_WEAKENED,
    checks: &[Check::Change(ChangeCheck {
        attempt: "A guardrail, or a version of one, would have been deleted",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let deleted = seen.did("was deleted", "would have been deleted");
    let Some(key) = seen.guardrail() else {
        return vec![seen.rule_match("guardrail", format!("which guardrail {deleted} is not in the record")).unverified(true).fires()];
    };
    let version = seen.change.text("guardrailVersion").and_then(GuardrailVersion::parse);
    let (steps, reaches) =
        seen.history.exposure_of(&key, version, seen.before()).steps_of_loss("a policy or configuration that names it would");
    let what = version.map_or("the guardrail".to_owned(), |version| format!("version {version} of"));
    let because = format!("{what} {} {deleted}; {reaches}", key.id);
    vec![RuleMatch::new(&key.account, &key.region, key.arn(), because).severity_steps(steps).fires()]
}
