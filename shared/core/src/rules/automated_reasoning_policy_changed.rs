//! An automated-reasoning policy that a guardrail uses was updated or deleted.

use std::collections::BTreeSet;

use crate::{
    arn::{GuardrailKey, short},
    change_history::{ChangeInContext, Outcome, RuleMatch},
    framework::PROTECTION_WEAKENED,
    guardrail::CanonicalGuardrail,
    missing_evidence::MissingEvidence,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "automated-reasoning-policy-changed",
    title: "An automated-reasoning policy that a guardrail uses was updated or deleted",
    severity: Severity::Medium,
    group: Group::Guardrails,
    revealed_by: &["UpdateAutomatedReasoningPolicy", "UpdateAutomatedReasoningPolicyAnnotations", "DeleteAutomatedReasoningPolicy"],
    fires: "One of these operations on a policy that a guardrail holds: one finding for each guardrail. Two steps lower if no guardrail that was \
        read holds it. Its tests change nothing of what it says.",
    evidence: "The policies that GetGuardrail's answers name, of any version of the guardrail; what the policy says is not read. Where no guardrail was \
        read, that is a blind spot. A record that \
        doesn't name the policy is not verified, one step lower.",
    rationale: "What the policy doesn't hold any more, answers of models are no longer checked for.",
    remediation: "Restore the policy from its last version (GetAutomatedReasoningPolicy, ExportAutomatedReasoningPolicyVersion), and publish a \
        version of the guardrail that names it.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-automated-reasoning-checks.html"],
    resolved: Resolved::Never,
    correlation: Correlation::RemovesProtection,
    controls: PROTECTION_WEAKENED,
    checks: &[Check::Change(ChangeCheck {
        attempt: "An automated-reasoning policy that a guardrail uses would have been updated or deleted",
        expected_of_administrators: true,
        look: check,
    })],
};

/// The start of the names of automated-reasoning controls.
const CONTROL: &str = "automated reasoning ";

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let change = seen.change;
    let done = match change.operation.as_str() {
        "DeleteAutomatedReasoningPolicy" => seen.did("was deleted", "would have been deleted"),
        "UpdateAutomatedReasoningPolicyAnnotations" => seen.did("got other annotations", "would have got other annotations"),
        _ => seen.did("was updated", "would have been updated"),
    };
    let Some(policy) = change.text("policyArn").or_else(|| change.answer("policyArn").as_str()).map(without_version) else {
        let because = format!("which policy {done} is not in the record");
        return vec![seen.rule_match("automated-reasoning policy", because).unverified(true).fires()];
    };
    let (mut any_read, mut users) = (false, BTreeSet::<&GuardrailKey>::new());
    let here =
        seen.history.state.guardrails().filter(|(named, _)| named.key.account == change.account && named.key.region == change.region);
    for (named, timeline) in here {
        let mut contents = timeline.entries().filter_map(|(_, _, content)| content?.as_deref());
        let holds =
            |content: &CanonicalGuardrail| content.controls.keys().any(|control| control.name.strip_prefix(CONTROL) == Some(policy));
        any_read = true;
        if contents.any(holds) {
            users.insert(&named.key);
        }
    }
    let id = short(policy);
    let of_user = |user: &&GuardrailKey| {
        let because = format!("the policy {id}, which the guardrail {} holds, {done}", user.id);
        RuleMatch::new(&user.account, &user.region, user.arn(), because).discriminator(id).fires()
    };
    if !users.is_empty() {
        return users.iter().map(of_user).collect();
    }
    if !any_read {
        return vec![Outcome::MissingEvidence(change.account.clone(), change.region.clone(), MissingEvidence::GuardrailContents)];
    }
    let because = format!("it {done}; no guardrail that was read holds it, one that does would make it reach calls");
    vec![seen.rule_match(format!("automated-reasoning-policy/{id}"), because).severity_steps(-2).fires()]
}

/// The ARN of a policy without its version: `…:automated-reasoning-policy/<id>` of `…:automated-reasoning-policy/<id>:<version>`.
fn without_version(arn: &str) -> &str {
    match arn.rsplit_once(':') {
        Some((head, version)) if !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) => head,
        _ => arn,
    }
}
