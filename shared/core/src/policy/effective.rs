//! The demands of an effective Bedrock policy: which guardrail version is enforced for which Region, models and content.

use std::collections::BTreeMap;

use serde_json::Value;

use super::inherit::{Inherited, Origin};
use crate::{
    arn::{GuardrailVersion, GuardrailVersionArn, Region, looks_like_a_region},
    enforcement::{Enforcement, Guarding, ModelScope, Problem, Unclear, pointer, terms::POLICY},
};

/// An effective policy of type `BEDROCK_POLICY`: the configurations of each Region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EffectivePolicy {
    /// The configurations by Region. AWS documents one configuration per Region; what it does with several is not documented
    /// (docs/aws/bedrock-policies.md#syntax).
    pub regions: BTreeMap<Region, Vec<GuardrailInference>>,
    /// The parts outside of any configuration that can't be understood. They may change what is demanded in every Region.
    pub unclear: Vec<Unclear>,
    /// The document, without operators.
    pub document: Value,
}

/// One configuration of `guardrail_inference` in one Region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardrailInference {
    /// Its name, such as `config_1`.
    pub name: String,
    /// Its position in the document, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// The guardrail version that it names.
    pub identifier: Identifier,
    /// The models that it applies to.
    pub models: ModelScope,
    /// The content that it applies to.
    pub guarding: Guarding,
    /// The parts of it that can't be understood, whose effect on the enforcement is not known.
    pub unclear: Vec<Unclear>,
    /// The attachment that the identifier comes from, if this project computed the effective policy.
    pub origin: Option<Origin>,
}

/// The value of `identifier`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// A guardrail version that can be enforced.
    Guardrail(GuardrailVersionArn),
    /// A value that can't be enforced: AWS fails the account's calls or applies nothing (docs/aws/bedrock-policies.md#syntax).
    Unusable {
        /// The value.
        text: String,
        /// Why it can't be enforced.
        why: Unusable,
    },
}

/// Why a value of `identifier` can't be enforced (docs/aws/bedrock-policies.md#syntax).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The member is missing.
    #[error("no `identifier`")]
    Missing,
    /// The value is no guardrail ARN with a version.
    #[error("not a guardrail ARN with a version")]
    Malformed,
    /// The value names `DRAFT`, which AWS refuses to enforce.
    #[error("names DRAFT, which can't be enforced")]
    Draft,
    /// The value names a guardrail of another Region than the key above it.
    #[error("names a guardrail of another Region")]
    OtherRegion,
}

impl Identifier {
    /// Reads the member `identifier`; null stands for a missing one.
    fn of(value: &Value, region: &Region) -> Self {
        match value {
            Value::Null => Identifier::read(None, region),
            Value::String(text) => Identifier::read(Some(text), region),
            other => Identifier::Unusable { text: other.to_string(), why: Unusable::Malformed },
        }
    }

    /// Reads an identifier below a Region's key. `None` stands for a missing one.
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
    /// The enforcement that this configuration demands. `None` if its identifier can't be enforced.
    #[must_use]
    pub fn enforcement(&self) -> Option<Enforcement> {
        match &self.identifier {
            Identifier::Guardrail(guardrail) => {
                let (models, unclear) = (self.models.clone(), self.unclear.clone());
                Some(Enforcement { guardrail: guardrail.clone(), models, guarding: self.guarding, unclear })
            }
            Identifier::Unusable { .. } => None,
        }
    }
}

impl EffectivePolicy {
    /// Parses the text of an effective policy, as `DescribeEffectivePolicy` returns it.
    ///
    /// # Errors
    ///
    /// If the text isn't JSON.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let (document, duplicates) = super::text::parse(text)?;
        Ok(Self::read(document, duplicates, |_| None))
    }

    /// Reads a parsed document without operators.
    #[must_use]
    pub fn from_document(document: Value) -> Self {
        Self::read(document, Vec::new(), |_| None)
    }

    /// Reads an effective policy that this project computed, with the attachment that each identifier comes from.
    #[must_use]
    pub fn from_inherited(inherited: &Inherited) -> Self {
        Self::read(inherited.to_document(), inherited.unclear().to_vec(), |path| inherited.origins(path).first().cloned())
    }

    /// Reads a document. `unclear` are the parts of the texts behind it that can't be understood; `origin` gives the attachment that a
    /// path's value comes from.
    fn read(document: Value, unclear: Vec<Unclear>, origin: impl Fn(&[&str]) -> Option<Origin>) -> Self {
        let mut policy = EffectivePolicy { unclear, ..EffectivePolicy::default() };
        policy.read_document(&document, &origin);
        policy.document = document;
        policy
    }

    fn read_document(&mut self, document: &Value, origin: &impl Fn(&[&str]) -> Option<Origin>) {
        for (top, features) in self.members(document, &[]) {
            if !self.is_key(top, "bedrock", &[top], features) {
                continue;
            }
            for (feature, regions) in self.members(features, &[top]) {
                let path = [top, feature];
                if !self.is_key(feature, "guardrail_inference", &path, regions) {
                    continue;
                }
                for (region, configurations) in self.members(regions, &path) {
                    self.read_region(region, configurations, &path, origin);
                }
            }
        }
    }

    fn read_region(&mut self, key: &str, configurations: &Value, path: &[&str], origin: &impl Fn(&[&str]) -> Option<Origin>) {
        let path = [path, &[key]].concat();
        let region = Region::from(key.to_lowercase());
        if !looks_like_a_region(&region) {
            // The key may be a word that stands for several Regions, this one among them.
            return self.report(&path, Problem::NotARegion, configurations);
        }
        for (name, configuration) in self.members(configurations, &path) {
            let path = [&path[..], &[name]].concat();
            let mut terms = POLICY.read(configuration, &path);
            if *region != *key {
                terms.unclear.push(Unclear::at(&path, Problem::OddCase, configuration));
            }
            // Moves the unclear parts of the texts behind the document to the configuration that they belong to.
            let pointer_here = pointer(&path);
            terms.unclear.extend(self.unclear.extract_if(.., |unclear| unclear.is_below(&pointer_here)));
            self.regions.entry(region.clone()).or_default().push(GuardrailInference {
                name: name.to_owned(),
                pointer: pointer_here,
                identifier: Identifier::of(&configuration["identifier"], &region),
                models: terms.models,
                guarding: terms.guarding,
                unclear: terms.unclear,
                origin: origin(&[&path[..], &["identifier"]].concat()),
            });
        }
    }

    fn report(&mut self, path: &[&str], problem: Problem, value: &Value) {
        self.unclear.push(Unclear::at(path, problem, value));
    }

    /// The members of an object. Anything else is reported and has none.
    fn members<'v>(&mut self, value: &'v Value, path: &[&str]) -> Vec<(&'v str, &'v Value)> {
        if let Value::Object(members) = value {
            members.iter().map(|(key, value)| (key.as_str(), value)).collect()
        } else {
            self.report(path, Problem::NotAnObject, value);
            Vec::new()
        }
    }

    /// Whether a key is the expected one. Another key is reported; a key in another case is reported and still accepted.
    fn is_key(&mut self, key: &str, known: &str, path: &[&str], value: &Value) -> bool {
        let is_known = key.eq_ignore_ascii_case(known);
        if !is_known {
            self.report(path, Problem::UnknownKey, value);
        } else if key != known {
            self.report(path, Problem::OddCase, value);
        }
        is_known
    }

    /// Whether the policy demands a guardrail in a Region. `None` if a part that can't be understood may demand one.
    #[must_use]
    pub fn demands_in(&self, region: &Region) -> Option<bool> {
        match self.regions.get(region) {
            Some(configurations) if !configurations.is_empty() => Some(true),
            _ => self.unclear.is_empty().then_some(false),
        }
    }

    /// Whether the policy demands a guardrail in any Region. `None` if a part that can't be understood may demand one.
    #[must_use]
    pub fn demands_anything(&self) -> Option<bool> {
        if self.regions.is_empty() { self.unclear.is_empty().then_some(false) } else { Some(true) }
    }

    /// All parts that can't be understood, of the document and of each configuration.
    pub fn all_unclear(&self) -> impl Iterator<Item = &Unclear> {
        self.unclear.iter().chain(self.regions.values().flatten().flat_map(|configuration| &configuration.unclear))
    }
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
        assert!([first, second, third].iter().all(|configuration| configuration.unclear.is_empty()));
    }

    #[test]
    fn what_is_not_understood_is_kept_and_named() {
        let named = |unclear: &[Unclear]| {
            unclear.iter().map(|unclear| format!("{} {}", unclear.pointer, unclear.problem.kind())).collect::<Vec<_>>()
        };
        let read = read(&json!({"identifier": GUARDRAIL, "mode": "detect", "model_enforcement": {"families": ["x"]}}));
        let at = "/bedrock/guardrail_inference/us-east-1/config_1";
        assert_eq!(named(&read.unclear), [format!("{at}/mode unknown-key"), format!("{at}/model_enforcement/families unknown-key")]);
        let configured = json!({"us-east-1": {"config_1": {"identifier": GUARDRAIL}}});
        for (document, expected) in [
            (
                json!({"bedrock": {"image_inference": {}}, "other": {"x": 1}}),
                vec!["/bedrock/image_inference unknown-key", "/other unknown-key"],
            ),
            (json!({"bedrok": {}}), vec!["/bedrok unknown-key"]),
            (json!({"bedrock": {"guardrail_inferenc": configured}}), vec!["/bedrock/guardrail_inferenc unknown-key"]),
            (json!({"bedrock": {"guardrail_inference": configured}, "version": 2}), vec!["/version unknown-key"]),
            (json!({"Bedrock": {"guardrail_inference": configured}}), vec!["/Bedrock odd-case"]),
            (
                json!({"bedrock": {"guardrail_inference": {"default": {}, "us-east-1": configured["us-east-1"]}}}),
                vec!["/bedrock/guardrail_inference/default unknown-region"],
            ),
            (json!({"bedrock": {"guardrail_inference": {"us-east-1": []}}}), vec!["/bedrock/guardrail_inference/us-east-1 not-an-object"]),
            (json!({"bedrock": {"guardrail_inference": null}}), vec!["/bedrock/guardrail_inference not-an-object"]),
            (json!({"bedrock": 1}), vec!["/bedrock not-an-object"]),
            (json!(null), vec![" not-an-object"]),
            (json!({"bedrock": {"guardrail_inference": configured}}), vec![]),
            (json!({"bedrock": {}}), vec![]),
            (json!({}), vec![]),
        ] {
            let policy = EffectivePolicy::from_document(document.clone());
            assert_eq!(named(&policy.unclear), expected, "{document}");
            assert_eq!(policy.document, document);
        }
        let odd_region =
            EffectivePolicy::from_document(json!({"bedrock": {"guardrail_inference": {"US-EAST-1": configured["us-east-1"]}}}));
        assert_eq!(named(&odd_region.regions["us-east-1"][0].unclear), ["/bedrock/guardrail_inference/US-EAST-1/config_1 odd-case"]);
    }

    #[test]
    fn what_stands_twice_is_not_understood() {
        let configuration = format!(r#"{{"identifier": "{GUARDRAIL}", "input_tags": "ignore", "input_tags": "ignore"}}"#);
        let of = |inner: &str| format!(r#"{{"bedrock": {{"guardrail_inference": {{"us-east-1": {{"config_1": {inner}}}}}}}}}"#);
        let inside = EffectivePolicy::parse(&of(&configuration)).unwrap();
        assert!(inside.unclear.is_empty());
        let unclear = &inside.regions["us-east-1"][0].unclear;
        assert_eq!(unclear[0].pointer, "/bedrock/guardrail_inference/us-east-1/config_1/input_tags");
        assert_eq!((unclear.len(), unclear[0].problem), (1, Problem::DuplicateKey));
        let outside = EffectivePolicy::parse(r#"{"bedrock": {}, "bedrock": {}}"#).unwrap();
        assert_eq!((outside.unclear.len(), outside.unclear[0].pointer.as_str()), (1, "/bedrock"));
    }

    #[test]
    fn an_identifier_that_cannot_be_enforced_says_why() {
        for (text, why) in [
            (json!(["arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:1"]), Unusable::Malformed),
            (json!(5), Unusable::Malformed),
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
