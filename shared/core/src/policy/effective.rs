//! What an effective Bedrock policy demands.

use std::collections::BTreeMap;

use serde_json::Value;

use super::inherit::{Inherited, Origin};
use crate::{
    arn::{GuardrailVersion, GuardrailVersionArn, Region},
    enforcement::{Enforcement, Guarding, ModelScope},
};

/// An effective policy of type `BEDROCK_POLICY`: for each Region the configurations that it names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EffectivePolicy {
    /// By Region. AWS documents one configuration per Region; what it does with more is not documented (facts/01 §2).
    pub regions: BTreeMap<Region, Vec<GuardrailInference>>,
    /// JSON pointers of keys that we don't know, outside of any configuration.
    pub unknown_keys: Vec<String>,
    /// The plain document.
    pub document: Value,
}

/// A configuration of `guardrail_inference` in one Region.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardrailInference {
    /// Its name, such as `config_1`.
    pub name: String,
    /// The guardrail version that it names.
    pub identifier: Identifier,
    /// For which models.
    pub models: ModelScope,
    /// And which content.
    pub guarding: Guarding,
    /// JSON pointers of keys that we don't know: what they do to the enforcement is not known either.
    pub unknown_keys: Vec<String>,
    /// The attachment that gave the identifier, if the policy was computed.
    pub origin: Option<Origin>,
}

/// What `identifier` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// A guardrail version that can be enforced.
    Guardrail(GuardrailVersionArn),
    /// Something that can't: AWS fails the account's calls or doesn't apply anything (facts/01 §2).
    Unusable {
        /// What it says.
        text: String,
        /// Why it can't be enforced.
        why: Unusable,
    },
}

/// Why an `identifier` can't be enforced (facts/01 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// There is none.
    #[error("no `identifier`")]
    Missing,
    /// Not a guardrail ARN with a version.
    #[error("not a guardrail ARN with a version")]
    Malformed,
    /// `DRAFT` is refused for enforcement.
    #[error("names DRAFT, which can't be enforced")]
    Draft,
    /// It names a guardrail of another Region than the key it stands under.
    #[error("names a guardrail of another Region")]
    OtherRegion,
}

impl Identifier {
    /// Reads the identifier that stands under a Region's key.
    #[must_use]
    pub fn read(text: Option<&str>, region: &Region) -> Self {
        let Some(text) = text else {
            return Identifier::Unusable { text: String::new(), why: Unusable::Missing };
        };
        let unusable = |why| Identifier::Unusable { text: text.to_owned(), why };
        match GuardrailVersionArn::parse(text) {
            None => unusable(Unusable::Malformed),
            Some(named) if named.version == GuardrailVersion::Draft => unusable(Unusable::Draft),
            Some(named) if named.key.region != *region => unusable(Unusable::OtherRegion),
            Some(named) => Identifier::Guardrail(named),
        }
    }
}

impl GuardrailInference {
    /// The enforcement that this configuration asks for, if it can be enforced.
    #[must_use]
    pub fn enforcement(&self) -> Option<Enforcement> {
        match &self.identifier {
            Identifier::Guardrail(guardrail) => {
                Some(Enforcement { guardrail: guardrail.clone(), models: self.models.clone(), guarding: self.guarding })
            }
            Identifier::Unusable { .. } => None,
        }
    }
}

/// Keys of a configuration, and of the objects in it, in all generations of the syntax (facts/01 §2).
const CONFIGURATION_KEYS: [(&str, &[&str]); 4] = [
    ("identifier", &[]),
    ("input_tags", &[]),
    ("selective_content_guarding", &["system", "messages"]),
    ("model_enforcement", &["included_models", "excluded_models"]),
];

impl EffectivePolicy {
    /// From a plain document, as `DescribeEffectivePolicy` gives it.
    #[must_use]
    pub fn from_document(document: Value) -> Self {
        Self::read(document, |_| None)
    }

    /// From a computed policy, with the attachment that gave each identifier.
    #[must_use]
    pub fn from_inherited(inherited: &Inherited) -> Self {
        Self::read(inherited.to_document(), |path| inherited.origins(path).first().cloned())
    }

    fn read(document: Value, origin: impl Fn(&[&str]) -> Option<Origin>) -> Self {
        let mut policy = EffectivePolicy::default();
        for (top, feature, regions) in features(&document) {
            if !top.eq_ignore_ascii_case("bedrock") || !feature.eq_ignore_ascii_case("guardrail_inference") {
                policy.unknown_keys.push(pointer(&[top, feature]));
                continue;
            }
            for (region_key, configurations) in members(regions) {
                let region = Region::from(region_key.to_lowercase());
                for (name, configuration) in members(configurations) {
                    let path = [top, feature, region_key, name];
                    let (models, guarding) = Enforcement::scope_of_policy(configuration);
                    policy.regions.entry(region.clone()).or_default().push(GuardrailInference {
                        name: name.to_owned(),
                        identifier: Identifier::read(configuration["identifier"].as_str(), &region),
                        models,
                        guarding,
                        unknown_keys: unknown_keys(configuration, &path),
                        origin: origin(&[top, feature, region_key, name, "identifier"]),
                    });
                }
            }
        }
        policy.document = document;
        policy
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

fn features(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    members(document).flat_map(|(top, features)| members(features).map(move |(feature, regions)| (top, feature, regions)))
}

fn unknown_keys(configuration: &Value, path: &[&str]) -> Vec<String> {
    let mut unknown = Vec::new();
    for (key, value) in members(configuration) {
        match CONFIGURATION_KEYS.iter().find(|(known, _)| *known == key) {
            None => unknown.push(pointer(&[path, &[key]].concat())),
            Some((_, inner)) if !inner.is_empty() => {
                unknown.extend(members(value).filter(|(k, _)| !inner.contains(k)).map(|(k, _)| pointer(&[path, &[key, k]].concat())));
            }
            Some(_) => {}
        }
    }
    unknown
}

/// An RFC 6901 pointer.
pub(super) fn pointer(path: &[&str]) -> String {
    path.iter().flat_map(|key| ["/".to_owned(), key.replace('~', "~0").replace('/', "~1")]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::enforcement::GuardingMode;

    const GUARDRAIL: &str = "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:1";

    fn read(configuration: &Value) -> GuardrailInference {
        let document = json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": configuration}}}});
        EffectivePolicy::from_document(document).regions["us-east-1"][0].clone()
    }

    #[test]
    fn all_generations_of_the_syntax_are_read() {
        let first = read(&json!({"identifier": GUARDRAIL, "input_tags": "honor"}));
        assert_eq!((first.guarding, &first.models), (Guarding::SELECTIVE, &ModelScope::ALL));
        let second = read(
            &json!({"identifier": GUARDRAIL, "input_tags": "ignore", "model_enforcement": {"included_models": ["ALL"], "excluded_models": ["a.one"]}}),
        );
        assert_eq!((second.guarding, second.models.excluded.len()), (Guarding::COMPREHENSIVE, 1));
        let third =
            read(&json!({"identifier": GUARDRAIL, "selective_content_guarding": {"system": "selective", "messages": "comprehensive"}}));
        assert_eq!(third.guarding, Guarding { system: GuardingMode::Selective, ..Guarding::COMPREHENSIVE });
        assert_eq!(third.enforcement().unwrap().guardrail.to_string(), GUARDRAIL);
        assert!([first, second, third].iter().all(|configuration| configuration.unknown_keys.is_empty()));
    }

    #[test]
    fn unknown_keys_are_kept_and_named() {
        let read = read(&json!({"identifier": GUARDRAIL, "mode": "detect", "model_enforcement": {"families": ["x"]}}));
        let at = "/bedrock/guardrail_inference/us-east-1/config_1";
        assert_eq!(read.unknown_keys, [format!("{at}/mode"), format!("{at}/model_enforcement/families")]);
        let policy = EffectivePolicy::from_document(json!({"bedrock": {"image_inference": {}}, "other": {"x": 1}}));
        assert_eq!(policy.unknown_keys, ["/bedrock/image_inference", "/other/x"]);
        assert_eq!(policy.document["other"]["x"], 1);
    }

    #[test]
    fn an_identifier_that_cannot_be_enforced_says_why() {
        for (text, why) in [
            (json!("arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:DRAFT"), Unusable::Draft),
            (json!("arn:aws:bedrock:eu-west-1:111122223333:guardrail/abcd1234efgh:1"), Unusable::OtherRegion),
            (json!("abcd1234efgh"), Unusable::Malformed),
            (Value::Null, Unusable::Missing),
        ] {
            let read = read(&json!({"identifier": text}));
            assert!(matches!(read.identifier, Identifier::Unusable { why: found, .. } if found == why), "{text}: {:?}", read.identifier);
            assert_eq!(read.enforcement(), None);
        }
    }

    #[test]
    fn regions_are_one_whatever_their_case_and_nothing_is_an_error() {
        let policy =
            EffectivePolicy::from_document(json!({"Bedrock": {"Guardrail_Inference": {"US-EAST-1": {"c": {"identifier": GUARDRAIL}}}}}));
        assert!(policy.regions["us-east-1"][0].enforcement().is_some());
        for odd in [json!(null), json!([]), json!({"bedrock": 1}), json!({"bedrock": {"guardrail_inference": {"us-east-1": []}}})] {
            assert!(EffectivePolicy::from_document(odd).regions.values().all(Vec::is_empty));
        }
    }
}
