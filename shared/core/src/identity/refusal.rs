//! What statements give and take: actions, resources and conditions, in a form in which broader and narrower can be told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wildmatch::WildMatch;

use super::GUARDRAIL_KEYS;
use crate::json::printable;

/// An action on a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Grant {
    pub(super) action: &'static str,
    pub(super) resource: Resource,
}

/// The resources that a statement means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resource {
    /// Those that match.
    Matching(String),
    /// Those that match none of these (`NotResource`).
    AllBut(BTreeSet<String>),
}

/// What is refused, and when.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Denial {
    pub(super) grant: Grant,
    /// All have to hold.
    conditions: BTreeSet<Condition>,
}

/// A key under an operator, both in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Condition {
    operator: String,
    key: String,
    values: BTreeSet<String>,
}

impl Grant {
    /// Whether it is as broad as another, or broader.
    pub(super) fn covers(&self, other: &Grant) -> bool {
        self.action == other.action && self.resource.covers(&other.resource)
    }
}

impl Resource {
    fn covers(&self, other: &Resource) -> bool {
        match (self, other) {
            (Resource::Matching(wide), Resource::Matching(narrow)) => covers(wide, narrow),
            (Resource::Matching(wide), Resource::AllBut(_)) => wide.bytes().all(|byte| byte == b'*'),
            (Resource::AllBut(left_out), Resource::Matching(narrow)) => {
                !left_out.iter().any(|pattern| covers(pattern, narrow) || covers(narrow, pattern))
            }
            (Resource::AllBut(left_out), Resource::AllBut(more)) => {
                left_out.iter().all(|pattern| more.iter().any(|wide| covers(wide, pattern)))
            }
        }
    }
}

/// Whether a pattern matches all that another does.
fn covers(wide: &str, narrow: &str) -> bool {
    // A lone character of the one could stand for many of the other.
    wide == narrow || (!(wide.contains('?') && narrow.contains('*')) && WildMatch::new(wide).matches(narrow))
}

impl Denial {
    pub(super) fn new(grant: Grant, condition: &Value) -> Self {
        let operators = condition.as_object().into_iter().flatten();
        let conditions = operators
            .flat_map(|(operator, keys)| keys.as_object().into_iter().flatten().map(|(key, values)| Condition::new(operator, key, values)));
        Denial { grant, conditions: conditions.collect() }
    }

    /// Whether it refuses all that another does.
    pub(super) fn is_at_least(&self, other: &Denial) -> bool {
        self.grant.covers(&other.grant)
            && self.conditions.iter().all(|wide| other.conditions.iter().any(|narrow| wide.is_implied_by(narrow)))
    }

    /// Whether it refuses every call that names no guardrail.
    pub(super) fn holds_without_guardrail(&self) -> bool {
        self.conditions.iter().all(|condition| GUARDRAIL_KEYS.contains(&condition.key.as_str()) && condition.holds_if_absent())
    }

    pub(super) fn condition_in_words(&self) -> String {
        let in_words = |condition: &Condition| {
            let values: Vec<&str> = condition.values.iter().map(String::as_str).collect();
            format!("{} {} {}", condition.operator, condition.key, values.join(", "))
        };
        let conditions: Vec<String> = self.conditions.iter().map(in_words).collect();
        if conditions.is_empty() { String::new() } else { format!(" if {}", conditions.join(" and ")) }
    }
}

impl Condition {
    /// Texts, numbers and truth values are the same to IAM, and so are a member and a list of one. `…Like` without a wildcard is `…Equals`,
    /// both are the same for ARNs, and negations hold for what is absent, with `…IfExists` or without
    /// (docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html).
    fn new(operator: &str, key: &str, values: &Value) -> Self {
        let values = values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice);
        let mut operator = printable(operator).to_ascii_lowercase();
        let is_literal = ["null", "bool"].contains(&operator.trim_end_matches("ifexists"));
        let text = |value: &Value| match value {
            Value::String(text) if is_literal => text.to_ascii_lowercase(),
            Value::String(text) => printable(text).into_owned(),
            other => other.to_string(),
        };
        let values: BTreeSet<String> = values.iter().map(text).collect();
        if operator.contains("arn") || values.iter().all(|value| !value.contains(['*', '?'])) {
            operator = operator.replace("stringlike", "stringequals").replace("stringnotlike", "stringnotequals");
            operator = operator.replace("arnequals", "arnlike").replace("arnnotequals", "arnnotlike");
        }
        if operator.contains("not") {
            operator.truncate(operator.trim_end_matches("ifexists").len());
        }
        Condition { operator, key: printable(key).to_ascii_lowercase(), values }
    }

    fn is_negated(&self) -> bool {
        self.operator.contains("not")
    }

    fn holds_if_absent(&self) -> bool {
        match self.operator.as_str() {
            "null" => self.values.contains("true"),
            operator => self.is_negated() || operator.ends_with("ifexists") || operator.starts_with("forallvalues"),
        }
    }

    /// Whether it holds wherever another does.
    fn is_implied_by(&self, narrow: &Condition) -> bool {
        if self.key != narrow.key {
            return false;
        }
        let (operator, other) = (self.operator.as_str(), narrow.operator.as_str());
        if other == "null" && operator != "null" {
            return narrow.values.contains("true") && self.holds_if_absent();
        }
        let with_wildcards = operator.contains("like");
        let has = |values: &BTreeSet<String>, value: &String| {
            values.contains(value) || (with_wildcards && values.iter().any(|wide| covers(wide, value)))
        };
        let is_alike = operator == other
            || operator.strip_suffix("ifexists") == Some(other)
            || (with_wildcards && operator.trim_end_matches("ifexists").replace("like", "equals") == other);
        is_alike
            && if self.is_negated() {
                self.values.iter().all(|value| has(&narrow.values, value))
            } else {
                narrow.values.iter().all(|value| has(&self.values, value))
            }
    }
}

/// Grants in words: the actions that concern the same resources together.
pub(super) fn in_words(grants: &[&Grant]) -> Vec<String> {
    let mut by_resource: BTreeMap<&Resource, BTreeSet<&str>> = BTreeMap::new();
    for grant in grants {
        by_resource.entry(&grant.resource).or_default().insert(grant.action);
    }
    let mut by_actions: BTreeMap<Vec<&str>, Vec<String>> = BTreeMap::new();
    for (resource, actions) in by_resource {
        let resource = match resource {
            Resource::Matching(pattern) => pattern.clone(),
            Resource::AllBut(left_out) => format!("all but {}", left_out.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        };
        by_actions.entry(actions.into_iter().collect()).or_default().push(resource);
    }
    by_actions.into_iter().map(|(actions, resources)| format!("{} on {}", actions.join(", "), resources.join(", "))).collect()
}
