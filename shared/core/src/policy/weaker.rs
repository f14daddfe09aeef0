//! What one effective policy demands less than another (catalogue: policy-weakened).

use std::collections::BTreeSet;

use super::effective::{EffectivePolicy, GuardrailInference, Identifier};
use crate::{
    arn::{GuardrailVersion, GuardrailVersionArn, Region},
    enforcement::{Enforcement, Guarding, ModelScope},
    finding::ControlChange,
};

/// Compares two guardrail versions that are not the same.
pub type CompareGuardrails<'c> = &'c dyn Fn(&GuardrailVersionArn, &GuardrailVersionArn) -> Weakening;

/// What can be said of a change for the worse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weakening {
    /// What got weaker.
    pub changes: Vec<ControlChange>,
    /// Something changed whose content is not known, so it may be weaker for all we know.
    pub unverified: Vec<ControlChange>,
}

impl Weakening {
    /// Whether nothing got weaker, and that is sure.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.changes.is_empty() && self.unverified.is_empty()
    }

    fn add(&mut self, other: Weakening) {
        self.changes.extend(other.changes);
        self.unverified.extend(other.unverified);
    }
}

/// What an account loses if one effective policy takes the place of another. `None` is no policy.
#[must_use]
pub fn weakening(before: Option<&EffectivePolicy>, after: Option<&EffectivePolicy>, compare: CompareGuardrails<'_>) -> Weakening {
    let mut weakening = Weakening::default();
    for (region, demanded) in before.into_iter().flat_map(|policy| &policy.regions) {
        let remaining = after.and_then(|policy| policy.regions.get(region)).map_or(&[][..], Vec::as_slice);
        for inference in demanded {
            let Some(enforcement) = inference.enforcement() else {
                continue;
            };
            let named: Vec<&GuardrailInference> =
                remaining.iter().filter(|other| other.name == inference.name || remaining.len() == 1).collect();
            match named.first() {
                None => weakening.changes.push(change(region, "identifier", Some(enforcement.guardrail.to_string()), None)),
                Some(other) => match &other.identifier {
                    Identifier::Unusable { text, why } => {
                        weakening.changes.push(change(
                            region,
                            "identifier",
                            Some(enforcement.guardrail.to_string()),
                            Some(format!("{text} ({why})")),
                        ));
                    }
                    Identifier::Guardrail(guardrail) => {
                        let after = Enforcement { guardrail: guardrail.clone(), models: other.models.clone(), guarding: other.guarding };
                        weakening.add(weakening_of(region, &enforcement, &after, compare));
                    }
                },
            }
        }
    }
    weakening
}

/// What an account and Region loses if one enforcement takes the place of another.
#[must_use]
pub fn weakening_of(region: &Region, before: &Enforcement, after: &Enforcement, compare: CompareGuardrails<'_>) -> Weakening {
    let mut weakening = Weakening::default();
    let (old, new) = (&before.guardrail, &after.guardrail);
    if old != new {
        let identifier = || change(region, "identifier", Some(old.to_string()), Some(new.to_string()));
        match (old.version, new.version) {
            (GuardrailVersion::Numbered(_), GuardrailVersion::Draft) => weakening.changes.push(identifier()),
            (GuardrailVersion::Numbered(a), GuardrailVersion::Numbered(b)) if old.key == new.key && b < a => {
                weakening.changes.push(identifier());
            }
            _ => {}
        }
        weakening.add(compare(old, new));
    }
    let scope = |models: &ModelScope| models.to_string();
    if narrows(&before.models, &after.models) {
        weakening.changes.push(change(region, "model_enforcement", Some(scope(&before.models)), Some(scope(&after.models))));
    }
    if after.guarding < before.guarding {
        let word = |guarding: Guarding| Some(guarding.to_string());
        weakening.changes.push(change(region, "selective_content_guarding", word(before.guarding), word(after.guarding)));
    }
    weakening
}

/// Whether some model that was meant no longer is.
fn narrows(before: &ModelScope, after: &ModelScope) -> bool {
    let fewer_included = match (&before.included, &after.included) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(before), Some(after)) => !before.is_subset(after),
    };
    let meant_before = |id: &String| before.included.as_ref().is_none_or(|included| included.contains(id));
    let more_excluded: BTreeSet<&String> = after.excluded.difference(&before.excluded).filter(|id| meant_before(id)).collect();
    fewer_included || !more_excluded.is_empty()
}

fn change(region: &Region, control: &str, before: Option<String>, after: Option<String>) -> ControlChange {
    ControlChange { control: format!("{region} {control}"), side: None, before, after }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn policy(settings: &Value) -> EffectivePolicy {
        EffectivePolicy::from_document(json!({"bedrock": {"guardrail_inference": settings}}))
    }

    fn config(id: &str, more: &Value) -> Value {
        let mut config = json!({"identifier": format!("arn:aws:bedrock:us-east-1:111122223333:guardrail/{id}")});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"us-east-1": {"config_1": config}})
    }

    fn lost(before: &Value, after: Option<&Value>) -> Vec<String> {
        let unknown = |a: &GuardrailVersionArn, b: &GuardrailVersionArn| Weakening {
            unverified: vec![ControlChange {
                control: "content".into(),
                side: None,
                before: Some(a.to_string()),
                after: Some(b.to_string()),
            }],
            ..Weakening::default()
        };
        let weakening = weakening(Some(&policy(before)), after.map(policy).as_ref(), &unknown);
        let known = weakening.changes.iter().map(|change| change.control.clone());
        known.chain(weakening.unverified.iter().map(|change| format!("? {}", change.control))).collect()
    }

    #[test]
    fn what_is_demanded_less_is_named() {
        let none = json!({});
        let strict = config("abc:3", &none);
        assert_eq!(lost(&strict, Some(&strict)), [""; 0]);
        assert_eq!(lost(&strict, None), ["us-east-1 identifier"]);
        assert_eq!(lost(&strict, Some(&json!({"eu-west-1": strict["us-east-1"]}))), ["us-east-1 identifier"]);
        assert_eq!(lost(&strict, Some(&config("abc:2", &none))), ["us-east-1 identifier", "? content"]);
        assert_eq!(lost(&strict, Some(&config("abc:4", &none))), ["? content"]);
        assert_eq!(lost(&strict, Some(&config("abc:DRAFT", &none))), ["us-east-1 identifier"]);
        assert_eq!(
            lost(&strict, Some(&config("abc:3", &json!({"model_enforcement": {"excluded_models": ["a.b"]}})))),
            ["us-east-1 model_enforcement"]
        );
        assert_eq!(
            lost(&strict, Some(&config("abc:3", &json!({"model_enforcement": {"included_models": ["a.b"]}})))),
            ["us-east-1 model_enforcement"]
        );
        assert_eq!(
            lost(&strict, Some(&config("abc:3", &json!({"selective_content_guarding": {"system": "selective"}})))),
            ["us-east-1 selective_content_guarding"]
        );
        assert_eq!(
            lost(&config("abc:3", &json!({"model_enforcement": {"excluded_models": ["a.b"]}})), Some(&strict)),
            [""; 0],
            "stricter is fine"
        );
    }
}
