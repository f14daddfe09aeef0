//! Checks policy inheritance against `inheritance-cases.json`: AWS's own examples, and cases that follow from its rules.

use audit_core::policy::{Attached, Document, Origin, inherit};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Case {
    id: String,
    attachments: Vec<Attachment>,
    effective: Value,
    /// Other accepted results, where AWS's documentation is unclear.
    #[serde(default)]
    also_accept: Vec<Value>,
    #[serde(default)]
    compare_keys: Option<String>,
}

#[derive(Deserialize)]
struct Attachment {
    at: String,
    order: u32,
    #[serde(default)]
    ou_level: u32,
    document: Value,
}

fn with_lower_case_keys(value: &Value) -> Value {
    match value {
        Value::Object(members) => members.iter().map(|(key, value)| (key.to_lowercase(), with_lower_case_keys(value))).collect(),
        other => other.clone(),
    }
}

fn effective(case: &Case) -> Value {
    let mut ous: Vec<u32> =
        case.attachments.iter().filter(|attachment| attachment.at == "ou").map(|attachment| attachment.ou_level).collect();
    ous.sort_unstable();
    ous.dedup();
    let mut levels = vec![("root", 0)];
    levels.extend(ous.into_iter().map(|level| ("ou", level)));
    levels.push(("account", 0));
    let documents: Vec<Vec<Document>> = levels
        .iter()
        .map(|(at, ou_level)| {
            let mut here: Vec<&Attachment> = case
                .attachments
                .iter()
                .filter(|attachment| attachment.at == *at && (*at != "ou" || attachment.ou_level == *ou_level))
                .collect();
            here.sort_by_key(|attachment| attachment.order);
            here.into_iter().map(|attachment| Document::from_json(&attachment.document)).collect()
        })
        .collect();
    let origin = Origin { policy: "p-1".into(), attached_to: "r-1".into() };
    let levels: Vec<Vec<Attached<'_>>> =
        documents.iter().map(|level| level.iter().map(|document| Attached { origin: origin.clone(), document }).collect()).collect();
    inherit(&levels).map_or(Value::Null, |inherited| inherited.to_document())
}

#[test]
fn every_worked_example_gives_its_effective_policy() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("inheritance-cases.json")).unwrap();
    assert_eq!(cases.len(), 50);
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let fold = |value: &Value| if case.compare_keys.is_some() { with_lower_case_keys(value) } else { value.clone() };
            let found = fold(&effective(case));
            let right = std::iter::once(&case.effective).chain(&case.also_accept).any(|accepted| fold(accepted) == found);
            (!right).then(|| format!("{}:\n  found    {found}\n  expected {}", case.id, case.effective))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
