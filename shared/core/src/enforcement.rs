//! An enforcement: a guardrail version, the models that it is applied to, and who chooses the content that it evaluates.
//!
//! A Bedrock policy (per Region) and an account's enforced configuration are enforcements of the same shape
//! (docs/aws/bedrock-policies.md#syntax, docs/aws/enforcement.md#account-configuration).

mod guarding;
pub(crate) mod terms;
mod unclear;

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use guarding::{Guarding, GuardingMode};
use terms::{CONFIGURATION, Terms};
pub use unclear::{Problem, Unclear, pointer};

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, Region},
    model::{Model, normalised},
};

/// The models that an enforcement applies to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelScope {
    /// The only models it applies to, as normalised ids; `None` for all models.
    pub included: Option<BTreeSet<String>>,
    /// Models that it doesn't apply to even if they are included, as normalised ids.
    pub excluded: BTreeSet<String>,
}

/// Whether an enforcement applies to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// It applies.
    Yes,
    /// The model is excluded, or isn't among those included.
    No,
    /// AWS's behaviour isn't documented for models of this kind, or the model isn't known.
    Undocumented,
}

impl ModelScope {
    /// All models.
    pub const ALL: ModelScope = ModelScope { included: None, excluded: BTreeSet::new() };

    /// Makes a scope from the two lists. `ALL`, an empty list and a missing list of included models all stand for every model.
    pub fn new<'a>(included: impl IntoIterator<Item = &'a str>, excluded: impl IntoIterator<Item = &'a str>) -> Self {
        let included: BTreeSet<String> = included.into_iter().map(normalised).collect();
        let all = included.is_empty() || included.contains("ALL");
        ModelScope { included: (!all).then_some(included), excluded: excluded.into_iter().map(normalised).collect() }
    }

    /// Whether the enforcement applies to the model.
    #[must_use]
    pub fn means(&self, model: &Model) -> Meant {
        match model {
            Model::Foundation(id) => {
                let included = self.included.as_ref().is_none_or(|included| included.contains(&**id));
                if included && !self.excluded.contains(&**id) { Meant::Yes } else { Meant::No }
            }
            Model::Alias(..) | Model::Deployed(..) | Model::Unknown => Meant::Undocumented,
        }
    }

    /// The models that either list names.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.included.iter().flatten().chain(&self.excluded).map(String::as_str)
    }
}

/// A phrase, such as for a report.
impl fmt::Display for ModelScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |ids: &BTreeSet<String>| ids.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        match &self.included {
            None => f.write_str("all models")?,
            Some(included) => f.write_str(&list(included))?,
        }
        if self.excluded.is_empty() { Ok(()) } else { write!(f, " but {}", list(&self.excluded)) }
    }
}

/// A guardrail version that the service applies to calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Enforcement {
    /// The guardrail version.
    pub guardrail: GuardrailVersionArn,
    /// The models that it applies to.
    pub models: ModelScope,
    /// The content that it applies to.
    pub guarding: Guarding,
    /// The parts of its source that can't be understood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unclear: Vec<Unclear>,
}

impl Enforcement {
    /// Reads an account's enforced configuration: an item of ListEnforcedGuardrailsConfiguration's response, or the
    /// `guardrailInferenceConfig` of a request of PutEnforcedGuardrailConfiguration. `None` if it doesn't name exactly one guardrail and
    /// version.
    #[must_use]
    pub fn from_configuration(json: &Value, account: &AccountId, region: &Region) -> Option<Self> {
        let version = match &json["guardrailVersion"] {
            Value::Number(number) => number.to_string(),
            other => other.as_str()?.to_owned(),
        };
        let named = ["guardrailArn", "guardrailIdentifier", "guardrailId"].into_iter().filter_map(|key| json.get(key));
        let keys: Vec<GuardrailKey> =
            named.map(|named| GuardrailKey::from_identifier(named.as_str()?, account, region)).collect::<Option<_>>()?;
        // The ARN comes first because an id alone doesn't identify the account that owns the guardrail.
        let key = keys.first().filter(|key| keys.iter().all(|other| other.id == key.id))?.clone();
        let Terms { models, guarding, unclear } = CONFIGURATION.read(json, &[]);
        Some(Enforcement { guardrail: GuardrailVersionArn { key, version: GuardrailVersion::parse(&version)? }, models, guarding, unclear })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_empty_and_absent_included_models_mean_every_model() {
        let model = Model::parse("us.anthropic.claude-3-haiku-20240307-v1:0");
        for scope in [ModelScope::new(["ALL"], []), ModelScope::new([], []), ModelScope::new(["ALL", "a.one"], [])] {
            assert_eq!(scope.means(&model), Meant::Yes);
        }
        assert_eq!(ModelScope::new(["a.one"], []).means(&model), Meant::No);
        assert_eq!(ModelScope::new(["anthropic.claude-3-haiku-20240307-v1:0"], []).means(&model), Meant::Yes);
    }

    #[test]
    fn a_model_in_both_lists_is_excluded() {
        let scope = ModelScope::new(["a.one"], ["a.one"]);
        assert_eq!(scope.means(&Model::parse("a.one")), Meant::No);
        assert_eq!(scope.means(&Model::parse("arn:aws:bedrock:us-east-1::foundation-model/a.one")), Meant::No);
    }

    #[test]
    fn deployed_models_are_not_documented() {
        let imported = Model::parse("arn:aws:bedrock:us-east-1:1:imported-model/abc");
        assert_eq!(ModelScope::ALL.means(&imported), Meant::Undocumented);
    }

    #[test]
    fn each_side_takes_the_weaker_reading() {
        use GuardingMode::{Comprehensive, NotKnown, Selective};
        for (configuration, system, messages) in [
            (json!({}), Comprehensive, Comprehensive),
            (json!({"selective_content_guarding": {"messages": "comprehensive"}}), Comprehensive, Comprehensive),
            (json!({"selective_content_guarding": {"system": "selective"}}), Selective, Comprehensive),
            (json!({"selective_content_guarding": {"messages": "selective"}}), Comprehensive, Selective),
            (json!({"selective_content_guarding": {"messages": "whatever"}}), Comprehensive, NotKnown),
            (json!({"selective_content_guarding": {"messages": "whatever", "system": "selective"}}), Selective, NotKnown),
            (json!({"selective_content_guarding": "selective"}), NotKnown, NotKnown),
            (json!({"input_tags": "ignore"}), Comprehensive, Comprehensive),
            (json!({"input_tags": "honor"}), Selective, Selective),
            (json!({"input_tags": "honor", "selective_content_guarding": {"system": "comprehensive"}}), Selective, Selective),
            (json!({"input_tags": "ignore", "selective_content_guarding": {"system": "selective"}}), Selective, Comprehensive),
        ] {
            assert_eq!(terms::POLICY.read(&configuration, &[]).guarding, Guarding { system, messages }, "{configuration}");
        }
    }

    #[test]
    fn an_account_configuration_is_read_from_answers_and_from_requests() {
        let (account, region) = (AccountId::from("222233334444"), Region::from("us-east-1"));
        let answer = json!({"configId": "c1", "guardrailArn": "arn:aws:bedrock:us-east-1:222233334444:guardrail/abc", "guardrailId": "abc",
            "guardrailVersion": "2", "selectiveContentGuarding": {"system": "SELECTIVE"}, "owner": "ACCOUNT",
            "modelEnforcement": {"includedModels": ["ALL"], "excludedModels": ["a.one"]}});
        let read = Enforcement::from_configuration(&answer, &account, &region).unwrap();
        assert_eq!(read.guardrail.to_string(), "arn:aws:bedrock:us-east-1:222233334444:guardrail/abc:2");
        let selective_for_system = Guarding { system: GuardingMode::Selective, ..Guarding::COMPREHENSIVE };
        assert_eq!((read.guarding, read.models.means(&Model::parse("a.one"))), (selective_for_system, Meant::No));
        let request = json!({"guardrailIdentifier": "abc", "guardrailVersion": "2"});
        assert_eq!(Enforcement::from_configuration(&request, &account, &region).unwrap().guardrail, read.guardrail);
        for hidden in [
            json!({}),
            json!({"guardrailIdentifier": "HIDDEN_DUE_TO_SECURITY_REASONS", "guardrailVersion": "1"}),
            json!({"guardrailArn": "arn:aws:bedrock:us-east-1:222233334444:guardrail/abc", "guardrailId": "abd", "guardrailVersion": "1"}),
            json!({"guardrailArn": null, "guardrailId": "abc", "guardrailVersion": "1"}),
            json!(null),
        ] {
            assert_eq!(Enforcement::from_configuration(&hidden, &account, &region), None);
        }
    }
    #[test]
    fn what_is_not_understood_is_reported_at_any_depth() {
        let read = |more: Value| {
            let mut configuration = json!({"guardrailIdentifier": "abc", "guardrailVersion": "2"});
            configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let read = Enforcement::from_configuration(&configuration, &"222233334444".into(), &"us-east-1".into()).unwrap();
            read.unclear.into_iter().map(|unclear| format!("{} {}", unclear.pointer, unclear.problem.kind())).collect::<Vec<_>>()
        };
        for said in [
            json!({"configId": "c", "createdAt": 1, "createdBy": "x", "updatedAt": 1, "updatedBy": "x", "owner": "ACCOUNT", "inputTags": "IGNORE"}),
            json!({"modelEnforcement": {"includedModels": ["ALL"], "excludedModels": []}}),
            json!({"modelEnforcement": {"includedModels": ["a.one", "us.anthropic.claude-3-haiku-20240307-v1:0"]}}),
            json!({"modelEnforcement": {"excludedModels": ["a.one"]}}),
            json!({"selectiveContentGuarding": {"messages": "SELECTIVE"}}),
        ] {
            assert_eq!(read(said.clone()), [""; 0], "{said}");
        }
        for (said, expected) in [
            (json!({"enforcementMode": "DETECT"}), "/enforcementMode unknown-key"),
            (json!({"model_enforcement": {}}), "/model_enforcement unknown-key"),
            (json!({"modelEnforcement": {"families": ["x"]}}), "/modelEnforcement/families unknown-key"),
            (
                json!({"modelEnforcement": {"includedModels": ["ALL"], "includedmodels": []}}),
                "/modelEnforcement/includedmodels unknown-key",
            ),
            (json!({"selectiveContentGuarding": {"tools": "SELECTIVE"}}), "/selectiveContentGuarding/tools unknown-key"),
            (json!({"selectiveContentGuarding": {}}), "/selectiveContentGuarding empty-object"),
            (json!({"selectiveContentGuarding": null}), "/selectiveContentGuarding not-an-object"),
            (json!({"selectiveContentGuarding": {"system": 1}}), "/selectiveContentGuarding/system wrong-type"),
            (json!({"selectiveContentGuarding": {"system": "OFF"}}), "/selectiveContentGuarding/system unknown-value"),
            (json!({"inputTags": []}), "/inputTags wrong-type"),
            (json!({"modelEnforcement": null}), "/modelEnforcement not-an-object"),
            (json!({"modelEnforcement": {}}), "/modelEnforcement empty-object"),
            (json!({"modelEnforcement": {"includedModels": []}}), "/modelEnforcement/includedModels empty-list"),
            (json!({"modelEnforcement": {"includedModels": "ALL"}}), "/modelEnforcement/includedModels wrong-type"),
            (json!({"modelEnforcement": {"includedModels": ["ALL", 5]}}), "/modelEnforcement/includedModels wrong-type"),
            (json!({"modelEnforcement": {"includedModels": ["all"]}}), "/modelEnforcement/includedModels not-a-model-id"),
            (json!({"modelEnforcement": {"excludedModels": ["ALL"]}}), "/modelEnforcement/excludedModels not-a-model-id"),
            (json!({"modelEnforcement": {"excludedModels": ["anthropic.claude-*"]}}), "/modelEnforcement/excludedModels not-a-model-id"),
            (json!({"modelEnforcement": {"excludedModels": {}}}), "/modelEnforcement/excludedModels wrong-type"),
        ] {
            assert_eq!(read(said.clone()), [expected], "{said}");
        }
    }

    #[test]
    fn what_was_stored_before_is_read() {
        let stored = json!({"guardrail": {"key": {"account": "1", "region": "us-east-1", "id": "abc"}, "version": GuardrailVersion::Numbered(2)},
            "models": {"included": null, "excluded": []}, "guarding": "selective"});
        let read: Enforcement = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!((read.guarding, read.unclear.len()), (Guarding::SELECTIVE, 0));
        assert_eq!(serde_json::to_value(&read).unwrap(), stored, "and what needs nothing new is stored as it was");
    }
}
