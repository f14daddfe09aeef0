//! TODO: what is wrong, in a sentence.

use crate::{
    change_history::{ChangeInContext, Outcome},
    framework::POLICY_WEAKENED,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(in crate::rules) static RULE: Rule = Rule {
    id: "the-id",
    title: "TODO: what is wrong, in one line, without a full stop",
    severity: Severity::Medium,
    group: Group::Guardrails,
    revealed_by: &["TheOperation"],
    fires: "TODO: when exactly it fires.",
    evidence: "TODO: what must be known for that, and what happens if it isn't.",
    rationale: "TODO: why it matters.",
    remediation: "TODO: the way back, as an order.",
    references: &["https://docs.aws.amazon.com/TODO"],
    resolved: Resolved::Never,
    correlation: Correlation::Independent,
    controls: POLICY_WEAKENED,
    checks: &[Check::Change(ChangeCheck {
        attempt: "TODO: the title of a change that was refused: what would have been wrong",
        expected_of_administrators: false,
        look: check,
    })],
};

/// Looks at each change of the operations above, refused or not.
fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    // TODO: the parameter that names what was changed; the table of operations (`operations/`) says which parameters are kept.
    let Some(name) = seen.change.text("name") else {
        let because = format!("what {} is not in the record", seen.did("was changed", "would have been changed"));
        return vec![seen.rule_match("TODO: the kind of resource", because).unverified(true).fires()];
    };
    let because = format!("TODO {}", seen.did("was changed", "would have been changed"));
    vec![seen.rule_match(name, because).fires()]
}
