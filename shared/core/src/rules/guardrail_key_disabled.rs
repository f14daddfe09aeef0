//! The KMS key of a guardrail was disabled, its deletion scheduled, or its grants revoked.

use crate::{
    arn::short,
    change_history::{ChangeInContext, Outcome, RuleMatch, guardrail_keys},
    framework::{ATLAS_GUARDRAILS, ISO_OPERATION, LENS_GUARDRAILS, MEASURE_2_7},
    missing_evidence::MissingEvidence,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "guardrail-key-disabled",
    title: "The KMS key of a guardrail was disabled, scheduled for deletion, or its grants cut",
    severity: Severity::High,
    group: Group::Guardrails,
    revealed_by: &[
        "DisableKey",
        "ScheduleKeyDeletion",
        "DeleteImportedKeyMaterial",
        "RevokeGrant",
        "RetireGrant",
        "PutKeyPolicy",
        "UpdateAlias",
        "DeleteAlias",
    ],
    fires: "One of these operations on the key that a guardrail is encrypted with. What a new key policy or alias does is not read, so its \
        effect is not verified, one step lower. Two steps lower if nothing enforces or references the guardrail.",
    evidence: "The guardrail's `kmsKeyArn` (GetGuardrail): key, account and Region have to be the same; a replica of a multi-Region key is a key \
        of its own. A key without an ARN is one of the record's account and Region. Without any guardrail in the world, keys can't be told apart: that is a blind \
        spot.",
    rationale: "A guardrail that can't be decrypted can't be applied: enforced calls fail, and requested ones lose their guardrail.",
    remediation: "Enable the key, or cancel its deletion and enable it; restore its policy and grants.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-permissions-kms.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::RemovesProtection,
    controls: &[MEASURE_2_7, ISO_OPERATION, ATLAS_GUARDRAILS, LENS_GUARDRAILS],
    checks: &[Check::Change(ChangeCheck {
        attempt: "The KMS key of a guardrail would have been disabled, scheduled for deletion, or its grants cut",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let change = seen.change;
    if change.service != "kms" {
        return Vec::new();
    }
    let named: Vec<&str> = guardrail_keys::names(change).map(short).collect();
    let Some(guardrail) = seen.history.guardrail_keys.encrypted_with(change) else {
        return if seen.history.guardrail_keys.knows_guardrails() {
            Vec::new()
        } else {
            vec![Outcome::MissingEvidence(change.account.clone(), change.region.clone(), MissingEvidence::GuardrailKeys)]
        };
    };
    let (steps, reaches) =
        seen.history.exposure_of(guardrail, None, seen.key.time).steps_of_loss("a policy or configuration that names it would");
    let enabled_again = seen.later(named.first().copied().unwrap_or_default(), &["EnableKey"]);
    let can_be_enabled = ["DisableKey", "ScheduleKeyDeletion"].contains(&change.operation.as_str());
    let unread = ["PutKeyPolicy", "UpdateAlias", "DeleteAlias"].contains(&change.operation.as_str());
    let (done, would_be) = effect_on_key(&change.operation);
    let because = format!("the key of {} {}; {reaches}", guardrail.arn(), seen.did(done, would_be));
    let rule_match = RuleMatch::new(&guardrail.account, &guardrail.region, guardrail.arn(), because).discriminator(named.join(" "));
    vec![rule_match.severity_steps(steps).unverified(unread).restored_at(enabled_again.filter(|_| can_be_enabled)).fires()]
}

/// The effect of an operation on the key, for an applied and for a refused change.
fn effect_on_key(operation: &str) -> (&'static str, &'static str) {
    match operation {
        "DisableKey" => ("was disabled", "would have been disabled"),
        "ScheduleKeyDeletion" => ("was scheduled for deletion", "would have been scheduled for deletion"),
        "DeleteImportedKeyMaterial" => ("lost its material", "would have lost its material"),
        "RevokeGrant" | "RetireGrant" => ("lost a grant", "would have lost a grant"),
        "PutKeyPolicy" => ("got another policy", "would have got another policy"),
        _ => ("lost an alias, or got one", "would have lost an alias, or got one"),
    }
}
