//! Compares two effective policies and finds what the later one demands less; behind the rule `policy-weakened`.

use std::collections::BTreeSet;

use super::effective::{EffectivePolicy, GuardrailInference, Identifier};
use crate::{
    arn::{GuardrailVersion, GuardrailVersionArn, Region},
    control_change::ControlChange,
    enforcement::{Enforcement, GuardingMode, ModelScope, Unclear},
};

/// A function that compares two different guardrail versions.
pub type CompareGuardrails<'c> = &'c dyn Fn(&GuardrailVersionArn, &GuardrailVersionArn) -> Weakening;

/// What became weaker, by how certain that is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weakening {
    /// The changes that certainly weaken.
    pub changes: Vec<ControlChange>,
    /// The changes whose content is not known, so that they may weaken.
    pub unverified: Vec<ControlChange>,
    /// The guardrail that was replaced couldn't be enforced, so returning to an earlier version weakens nothing by itself.
    pub was_unusable: bool,
}

impl Weakening {
    /// Whether certainly nothing became weaker.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.changes.is_empty() && self.unverified.is_empty()
    }

    fn add(&mut self, other: Weakening) {
        self.changes.extend(other.changes);
        self.unverified.extend(other.unverified);
    }
}

/// What an account loses when one effective policy replaces another. `None` is no policy.
#[must_use]
pub fn weakening(before: Option<&EffectivePolicy>, after: Option<&EffectivePolicy>, compare: CompareGuardrails<'_>) -> Weakening {
    let mut weakening = known_weakening(before, after, compare);
    if let (Some(before), Some(after)) = (before, after) {
        weakening.unverified.extend(changes_of_unclear("policy", &before.unclear, &after.unclear));
        // What seems to be gone may still be demanded, by a part of the document that can't be understood.
        if after.unclear != before.unclear {
            weakening.unverified.append(&mut weakening.changes);
        }
    }
    weakening
}

fn known_weakening(before: Option<&EffectivePolicy>, after: Option<&EffectivePolicy>, compare: CompareGuardrails<'_>) -> Weakening {
    let mut weakening = Weakening::default();
    for (region, demanded) in before.into_iter().flat_map(|policy| &policy.regions) {
        let remaining = after.and_then(|policy| policy.regions.get(region)).map_or(&[][..], Vec::as_slice);
        weakening.unverified.extend(added_configurations(region, demanded, remaining));
        for inference in demanded {
            let Some(enforcement) = inference.enforcement() else {
                continue;
            };
            match remaining.iter().find(|found| same_name(found, inference) || remaining.len() == 1) {
                None => weakening.changes.push(change(region, "identifier", Some(enforcement.guardrail.to_string()), None)),
                Some(other) => match (&other.identifier, other.enforcement()) {
                    (_, Some(after)) => weakening.add(weakening_of(region, &enforcement, &after, compare)),
                    (Identifier::Unusable { text, why }, None) => {
                        let after = Some(format!("{text} ({why})"));
                        let lost = change(region, "identifier", Some(enforcement.guardrail.to_string()), after);
                        // An unknown key may be the one that names the guardrail.
                        let changes = if other.unclear.is_empty() { &mut weakening.changes } else { &mut weakening.unverified };
                        changes.push(lost);
                    }
                    (Identifier::Guardrail(_), None) => {}
                },
            }
        }
    }
    weakening
}

/// Whether two configurations have the same name. Names are keys, which AWS prints in lower case at times
/// (docs/aws/bedrock-policies.md#inheritance).
fn same_name(one: &GuardrailInference, other: &GuardrailInference) -> bool {
    one.name.eq_ignore_ascii_case(&other.name)
}

/// A change that adds a configuration to a Region that had one. What AWS does with two is not documented
/// (docs/aws/bedrock-policies.md#syntax).
fn added_configurations(region: &Region, demanded: &[GuardrailInference], remaining: &[GuardrailInference]) -> Option<ControlChange> {
    let adds = remaining.len() > demanded.len() && !demanded.is_empty();
    let names = |inferences: &[GuardrailInference]| inferences.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
    adds.then(|| change(region, "configurations", Some(names(demanded)), Some(names(remaining))))
}

/// What an account loses in a Region when one enforcement replaces another.
#[must_use]
pub fn weakening_of(region: &Region, before: &Enforcement, after: &Enforcement, compare: CompareGuardrails<'_>) -> Weakening {
    let mut weakening = Weakening::default();
    let (old, new) = (&before.guardrail, &after.guardrail);
    if old != new {
        let identifier = || change(region, "identifier", Some(old.to_string()), Some(new.to_string()));
        let compared = compare(old, new);
        let only_went_back = compared.was_unusable && compared.is_none();
        match (old.version, new.version) {
            (GuardrailVersion::Numbered(_), GuardrailVersion::Draft) => weakening.changes.push(identifier()),
            (GuardrailVersion::Numbered(a), GuardrailVersion::Numbered(b)) if old.key == new.key && b < a && !only_went_back => {
                weakening.changes.push(identifier());
            }
            _ => {}
        }
        weakening.add(compared);
    }
    let mut terms = Weakening::default();
    let scope = |models: &ModelScope| models.to_string();
    if narrows(&before.models, &after.models) {
        terms.changes.push(change(region, "model_enforcement", Some(scope(&before.models)), Some(scope(&after.models))));
    }
    for ((side, old), (_, new)) in before.guarding.sides().into_iter().zip(after.guarding.sides()).filter(|((_, old), (_, new))| new < old)
    {
        let plain = change(region, "selective_content_guarding", Some(old.to_string()), Some(new.to_string()));
        let looser = ControlChange { side: Some(side.to_owned()), ..plain };
        // An unknown mode of guarding may leave more or less to the caller.
        let is_sure = old != GuardingMode::NotKnown && new != GuardingMode::NotKnown;
        if is_sure { terms.changes.push(looser) } else { terms.unverified.push(looser) }
    }
    // The other terms may have moved into, or come from, a part that can't be understood.
    if before.unclear != after.unclear {
        terms.unverified.append(&mut terms.changes);
    }
    weakening.add(terms);
    weakening.unverified.extend(changes_of_unclear(region, &before.unclear, &after.unclear));
    weakening
}

/// Changes of the parts that can't be understood: those that appeared, disappeared or have another content.
fn changes_of_unclear(of: &str, before: &[Unclear], after: &[Unclear]) -> Vec<ControlChange> {
    let differs = |one: &&Unclear, among: &[Unclear]| !among.contains(one);
    let value =
        |unclear: &Unclear, among: &[Unclear]| among.iter().find(|other| other.pointer == unclear.pointer).map(|other| other.value.clone());
    let came = after.iter().filter(|unclear| differs(unclear, before));
    let gone = before.iter().filter(|unclear| differs(unclear, after) && value(unclear, after).is_none());
    let change = |unclear: &Unclear| ControlChange {
        control: format!("{of} {}", unclear.pointer),
        side: None,
        before: value(unclear, before),
        after: value(unclear, after),
    };
    came.chain(gone).map(change).collect()
}

/// Whether the later scope excludes a model that the earlier one included.
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
        let name = |change: &ControlChange| {
            let side = change.side.as_ref().map(|side| format!(" of {side}")).unwrap_or_default();
            format!("{}{side}", change.control)
        };
        weakening.changes.iter().map(name).chain(weakening.unverified.iter().map(|change| format!("? {}", name(change)))).collect()
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
        let mut two = strict.clone();
        two["us-east-1"]["other"] = config("abc:3", &none)["us-east-1"]["config_1"].clone();
        assert_eq!(lost(&strict, Some(&two)), ["? us-east-1 configurations"], "what AWS does with two is not documented");
        assert_eq!(lost(&strict, Some(&json!({"us-east-1": {"Config_1": strict["us-east-1"]["config_1"]}}))), [""; 0]);
        assert_eq!(
            lost(&config("abc:3", &json!({"model_enforcement": {"excluded_models": ["a.b"]}})), Some(&strict)),
            [""; 0],
            "stricter is fine"
        );
    }

    #[test]
    fn a_list_of_models_narrows_where_one_that_was_meant_no_longer_is() {
        let models = |included: &[&str], excluded: &[&str]| {
            config("abc:3", &json!({"model_enforcement": {"included_models": included, "excluded_models": excluded}}))
        };
        let all = &["ALL"][..];
        for (before, after, is_lost) in [
            (models(all, &[]), models(all, &[]), false),
            (models(all, &[]), models(&["a.b"], &[]), true),
            (models(&["a.b"], &[]), models(all, &[]), false),
            (models(&["a.b"], &[]), models(&["a.b"], &[]), false),
            (models(&["a.b"], &[]), models(&["a.b", "c.d"], &[]), false),
            (models(&["a.b", "c.d"], &[]), models(&["a.b"], &[]), true),
            (models(&["a.b"], &[]), models(&["c.d"], &[]), true),
            (models(all, &[]), models(all, &["a.b"]), true),
            (models(all, &["a.b"]), models(all, &["a.b"]), false),
            (models(all, &["a.b"]), models(all, &[]), false),
            (models(all, &["a.b"]), models(all, &["c.d"]), true),
            (models(&["a.b"], &[]), models(&["a.b"], &["c.d"]), false),
            (models(&["a.b"], &[]), models(&["a.b"], &["a.b"]), true),
        ] {
            let expected: &[&str] = if is_lost { &["us-east-1 model_enforcement"] } else { &[] };
            assert_eq!(lost(&before, Some(&after)), expected, "{before} to {after}");
        }
    }

    #[test]
    fn the_system_prompt_and_the_messages_are_guarded_apart() {
        let guarding = |system: &str, messages: &str| {
            config("abc:3", &json!({"selective_content_guarding": {"system": system, "messages": messages}}))
        };
        let tags = |word: &str| config("abc:3", &json!({"input_tags": word}));
        let (system, messages) = ("us-east-1 selective_content_guarding of system", "us-east-1 selective_content_guarding of messages");
        let word = "? us-east-1 /bedrock/guardrail_inference/us-east-1/config_1/selective_content_guarding/messages";
        let strict = config("abc:3", &json!({}));
        for (before, after, expected) in [
            (&strict, guarding("selective", "comprehensive"), vec![system.to_owned()]),
            (&strict, guarding("comprehensive", "selective"), vec![messages.to_owned()]),
            (&strict, guarding("selective", "selective"), vec![system.to_owned(), messages.to_owned()]),
            (&guarding("selective", "comprehensive"), guarding("selective", "selective"), vec![messages.to_owned()]),
            (&guarding("selective", "comprehensive"), guarding("comprehensive", "selective"), vec![messages.to_owned()]),
            (&guarding("comprehensive", "selective"), guarding("selective", "comprehensive"), vec![system.to_owned()]),
            (&guarding("selective", "selective"), guarding("selective", "comprehensive"), vec![]),
            (&strict, guarding("comprehensive", "lax"), vec![format!("? {messages}"), word.to_owned()]),
            (&guarding("comprehensive", "lax"), guarding("comprehensive", "selective"), vec![format!("? {messages}"), word.to_owned()]),
            (&tags("ignore"), tags("honor"), vec![system.to_owned(), messages.to_owned()]),
            (&tags("honor"), tags("ignore"), vec![]),
            (&tags("honor"), guarding("selective", "selective"), vec![]),
            (&tags("ignore"), guarding("comprehensive", "selective"), vec![messages.to_owned()]),
        ] {
            assert_eq!(lost(before, Some(&after)), expected, "{before} to {after}");
        }
    }
    #[test]
    fn what_is_not_understood_is_a_difference_whose_direction_is_not_known() {
        let strict = config("abc:3", &json!({}));
        let detecting = config("abc:3", &json!({"mode": "detect"}));
        let blocking = config("abc:3", &json!({"mode": "block"}));
        let at = "? us-east-1 /bedrock/guardrail_inference/us-east-1/config_1";
        let mode = format!("{at}/mode");
        for (before, after, expected) in [
            (&strict, &detecting, vec![mode.clone()]),
            (&detecting, &strict, vec![mode.clone()]),
            (&blocking, &detecting, vec![mode.clone()]),
            (&detecting, &detecting, vec![]),
            (&strict, &config("abc:3", &json!({"model_enforcement": 5})), vec![format!("{at}/model_enforcement")]),
            (
                &config("abc:3", &json!({"model_enforcement": 5})),
                &config("abc:3", &json!({"model_enforcement": {"included_models": ["a.b"]}})),
                vec!["? us-east-1 model_enforcement".to_owned(), format!("{at}/model_enforcement")],
            ),
            (&strict, &json!({"us-east-1": {"config_1": {"identifer": "x"}}}), vec!["? us-east-1 identifier".to_owned()]),
            (
                &strict,
                &json!({"default": strict["us-east-1"]}),
                vec!["? policy /bedrock/guardrail_inference/default".to_owned(), "? us-east-1 identifier".to_owned()],
            ),
        ] {
            assert_eq!(lost(before, Some(after)), expected, "{before} to {after}");
        }
    }
}
