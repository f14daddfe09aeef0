//! A control of a guardrail became weaker.

use std::collections::BTreeSet;

use crate::{
    arn::{GuardrailVersion, GuardrailVersionArn},
    change_history::{
        ChangeInContext, RuleMatch,
        guardrail_versions::{
            COMPARED, by_comparing, draft_before_and_after, draft_restored_at, refused_version, replaced_again, replaced_guardrails,
            version_before_and_after,
        },
        lowered,
    },
    framework::PROTECTION_WEAKENED,
    guardrail::CanonicalGuardrail,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "guardrail-weakened",
    title: "Some control of a guardrail got weaker",
    severity: Severity::High,
    group: Group::Guardrails,
    revealed_by: COMPARED,
    fires: "Of a guardrail's canonical form before and after, some control is lower: a filter's strength, action or sides, a denied topic, \
        a word, an entity, a grounding threshold, a policy or entry that this auditor doesn't know and that is gone. CRITICAL when a weaker version takes the place of an enforced one. Two steps lower \
        while only a DRAFT, or a version that nothing enforces or references, is concerned; one step where that is not known.",
    evidence: "GetGuardrail's answers around the event, because the event hides what changed, read while the guardrail was READY; of a version \
        that was not read, the DRAFT that it was made from. If one side is missing, the change is guardrail-change-unverified. If several \
        updates lie between two readings and all together weakened the guardrail, the last one stands for them, and no principal is named if \
        there were several.",
    rationale: "Every account that the guardrail reaches loses the protection at once, and no model invocation fails to show it.",
    remediation: "Restore the control, publish a new version of the guardrail, and point the policy or the account's configuration at \
        that version.",
    references: &[
        "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_UpdateGuardrail.html",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-components.html",
    ],
    resolved: Resolved::ByState,
    correlation: Correlation::RemovesProtection,
    controls: PROTECTION_WEAKENED,
    checks: &[Check::Change(ChangeCheck {
        attempt: "Some control of a guardrail would have got weaker",
        expected_of_administrators: true,
        look: |seen| by_comparing(seen, draft, version, enforced),
    })],
};

fn draft(seen: &ChangeInContext<'_>) -> Option<RuleMatch> {
    let (key, before, after) = draft_before_and_after(seen)?;
    let (steps, reaches) = seen.exposure_of_draft(&key).steps("a published version of it that a policy or configuration names would");
    let weakened = |before: &CanonicalGuardrail, what: &str| {
        let changes = lowered(before, after?);
        let rule_match = RuleMatch::new(&key.account, &key.region, key.arn(), format!("{what}; {reaches}"));
        let restored_at = || draft_restored_at(seen, &key, before);
        (!changes.is_empty()).then(|| rule_match.changing(changes).severity_steps(steps).restored_at(restored_at()))
    };
    if let Some(before) = before {
        return weakened(before, "the DRAFT was weakened");
    }
    after?;
    // Several updates happened between two readings: together they weakened it, but it isn't known which of them did.
    let (before, updates) = seen.history.updates_since_reading(&key, seen.key.time)?;
    let principals: BTreeSet<&str> = updates.iter().map(|update| update.principal.as_str()).collect();
    let (count, whose) = (updates.len(), principals.len());
    let what = match whose {
        1 => format!("the DRAFT was weakened by {count} updates between two readings together"),
        _ => format!(
            "the DRAFT was weakened by {count} updates of {whose} principals between two readings; which of them did it can't be told"
        ),
    };
    let may_all = principals.iter().all(|principal| seen.history.configuration.is_administrator(principal));
    weakened(before, &what).map(|rule_match| rule_match.anonymous(whose > 1 && !may_all))
}

fn version(seen: &ChangeInContext<'_>) -> Option<RuleMatch> {
    if let Some((before, old, draft)) = refused_version(seen) {
        let because = format!("the DRAFT, which is weaker than version {}, would have been published", before.version);
        let rule_match = RuleMatch::new(&before.key.account, &before.key.region, before.key.arn(), because).discriminator("version");
        let changes = lowered(old, draft);
        return (!changes.is_empty()).then(|| rule_match.changing(changes).severity_steps(-2));
    }
    let (published, before, after) = version_before_and_after(seen)?;
    let changes = lowered(before.1?, after?);
    let reach = seen.history.exposure_of(&published.key, Some(published.version), seen.key.time);
    let (steps, reaches) = reach.steps("a policy or configuration that names it would");
    let because = format!("version {} was published weaker than {}; {reaches}", published.version, before.0.version);
    let rule_match = RuleMatch::new(&published.key.account, &published.key.region, published.key.arn(), because)
        .discriminator(format!("version {}", published.version));
    (!changes.is_empty()).then(|| rule_match.changing(changes).severity_steps(steps))
}

/// Reports that an enforced version was replaced by a weaker one of the same guardrail.
fn enforced(seen: &ChangeInContext<'_>) -> Vec<RuleMatch> {
    let weaker = |(old, new): (GuardrailVersionArn, GuardrailVersionArn)| {
        let same = old.key == new.key && new.version != GuardrailVersion::Draft;
        let changes = if same { seen.history.compare(&old, &new, seen.key.time).changes } else { Vec::new() };
        let replaced = seen.did("was replaced", "would have been replaced");
        let because = format!("the enforced version {} {replaced} by the weaker {}", old.version, new.version);
        let restored_at = || replaced_again(seen, &new);
        (!changes.is_empty()).then(|| {
            let rule_match = RuleMatch::new(&new.key.account, &new.key.region, new.key.arn(), because).discriminator("enforced");
            rule_match.changing(changes).severity_steps(1).restored_at(restored_at())
        })
    };
    replaced_guardrails(seen).into_iter().filter_map(weaker).collect()
}
