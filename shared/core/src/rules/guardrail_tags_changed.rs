//! Tags that decide who may use or change a guardrail were changed.

use crate::{
    change_history::{ChangeInContext, Outcome, RuleMatch},
    framework::{ADDITIONAL_ROLES, LENS_LEAST_PRIVILEGE},
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "guardrail-tags-changed",
    title: "Tags that decide who may use or change a guardrail were changed",
    severity: Severity::Low,
    group: Group::Guardrails,
    revealed_by: &["TagResource", "UntagResource"],
    fires: "A tag was put on a guardrail, or taken off, whose key the configuration names (`[guardrails] access_tags`).",
    evidence: "The record. Keys that the configuration doesn't name decide nothing; a record that hides the keys counts as one that \
        changes them, effect not verified.",
    rationale: "Where policies ask for tags, whoever may tag may grant.",
    remediation: "Restore the tag, and restrict bedrock:TagResource and bedrock:UntagResource on guardrails.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/APIReference/API_TagResource.html"],
    resolved: Resolved::Never,
    correlation: Correlation::Independent,
    controls: &[ADDITIONAL_ROLES, LENS_LEAST_PRIVILEGE],
    checks: &[Check::Change(ChangeCheck {
        attempt: "Tags that decide who may use or change a guardrail would have been changed",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let deciding = &seen.history.configuration.access_tags;
    let resource = seen.change.text("resourceARN").or_else(|| seen.change.text("resourceArn")).unwrap_or_default();
    if deciding.is_empty() || seen.change.service != "bedrock" || !resource.contains(":guardrail/") {
        return Vec::new();
    }
    let lists = ["tags", "tagKeys"].into_iter().filter_map(|key| seen.change.parameters.get(key)?.as_array());
    let keys: Option<Vec<&str>> = lists.map(|list| list.iter().filter_map(|key| key.as_str()).collect()).next();
    let changed: Vec<&str> = keys.iter().flatten().copied().filter(|key| deciding.iter().any(|deciding| deciding == key)).collect();
    let because = match keys {
        None => format!("which tags {} is not in the record", seen.did("were changed", "would have been changed")),
        Some(_) => match changed.as_slice() {
            [] => return Vec::new(),
            [tag] => format!("the tag {tag} {}", seen.did("was changed", "would have been changed")),
            tags => {
                let tags = tags.iter().take(10).copied().collect::<Vec<_>>().join(", ");
                format!("the tags {tags} {}", seen.did("were changed", "would have been changed"))
            }
        },
    };
    let rule_match: RuleMatch = seen.rule_match(resource, because).unverified(changed.is_empty());
    vec![rule_match.fires()]
}
