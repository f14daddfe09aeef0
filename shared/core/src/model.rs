//! Reads a `modelId`, which may name one model in many forms, and brings it to one form that can be compared.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::{arn::Arn, json::percent_decoded};

/// What a `modelId` names (docs/aws/cloudtrail-records.md#invocations).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Model {
    /// A foundation model, called by its id, its ARN, or through a system inference profile. Holds the bare id, as policies list it.
    Foundation(Box<str>),
    /// A resource that stands for one or several models, which only a lookup can reveal. Holds its id, and behind it a line for each model
    /// that the record itself names.
    Alias(Alias, Box<str>),
    /// A model outside of the catalogue of foundation models. Whether "all models" in a policy includes it is not documented
    /// (docs/aws/enforcement.md#coverage).
    Deployed(Deployed, Box<str>),
    /// The record names no model.
    Unknown,
}

/// A resource that stands for one or several models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Alias {
    /// An inference profile that a customer made over a foundation model or a system inference profile.
    ApplicationInferenceProfile,
    /// A prompt router: it passes each call to one of several foundation models.
    PromptRouter,
    /// A managed prompt, which names a model of any kind.
    Prompt,
    /// An id without a vendor: the short name of an application inference profile, a provisioned or a custom model.
    ShortName,
}

/// A model that a customer deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Deployed {
    /// Provisioned throughput.
    Provisioned,
    /// A model with weights that the customer imported.
    Imported,
    /// A fine-tuned model or its deployment.
    Custom,
    /// A marketplace model on a SageMaker endpoint that is registered with Bedrock.
    Marketplace,
}

/// Geographies that may stand before the id of a system inference profile
/// (docs/aws/cloudtrail-records.md#invocations).
const GEOGRAPHIES: &[&str] = &["us", "eu", "apac", "global", "us-gov", "jp", "au", "ca"];

/// Vendors of foundation models. They show that the part before them is a geography, also when it isn't listed above.
const VENDORS: &[&str] = &[
    "ai21",
    "amazon",
    "anthropic",
    "cohere",
    "deepseek",
    "google",
    "luma",
    "meta",
    "minimax",
    "mistral",
    "moonshot",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "stability",
    "twelvelabs",
    "writer",
    "zai",
];

impl Model {
    /// Parses a `modelId` in any of its forms. Never fails: an unrecognised text is an alias whose model is not known.
    #[must_use]
    pub fn parse(model_id: &str) -> Self {
        let (model_id, behind) = model_id.split_once('\n').map_or((model_id, None), |(called, behind)| (called, Some(behind)));
        let decoded = percent_decoded(model_id.trim());
        match (Self::parse_one(&decoded), behind) {
            (Model::Alias(alias, id), Some(behind)) => Model::Alias(alias, format!("{id}\n{behind}").into()),
            (model, _) => model,
        }
    }

    /// The text that [`Model::Alias`] holds for an alias whose models a record names: the id, then a line for each model.
    pub(crate) fn alias_of(called: &str, models: &BTreeSet<Model>) -> String {
        let mut text = called.trim().to_owned();
        for model in models {
            text.push('\n');
            text.push_str(model.as_str());
        }
        text
    }

    /// The models that the record itself names for an alias.
    pub(crate) fn named_behind(&self) -> impl Iterator<Item = Model> {
        let behind = match self {
            Model::Alias(_, id) => id.split_once('\n').map(|(_, behind)| behind),
            _ => None,
        };
        behind.into_iter().flat_map(str::lines).map(Model::parse_one)
    }

    fn parse_one(model_id: &str) -> Self {
        if model_id.is_empty() {
            return Model::Unknown;
        }
        if !model_id.starts_with("arn:") {
            return if model_id.contains('.') {
                Model::Foundation(bare(model_id).into())
            } else {
                Model::Alias(Alias::ShortName, model_id.into())
            };
        }
        let Some((arn, (kind, id))) = Arn::parse(model_id).and_then(|arn| Some((arn, arn.resource_type_and_id()?))) else {
            return Model::Alias(Alias::ShortName, model_id.into());
        };
        match kind {
            "foundation-model" => Model::Foundation(bare(id).into()),
            "inference-profile" if id.contains('.') => Model::Foundation(bare(id).into()),
            // ARNs of older application inference profiles have the resource type of system profiles.
            "inference-profile" | "application-inference-profile" => Model::Alias(Alias::ApplicationInferenceProfile, model_id.into()),
            "prompt-router" | "default-prompt-router" => Model::Alias(Alias::PromptRouter, model_id.into()),
            "prompt" => Model::Alias(Alias::Prompt, model_id.into()),
            "provisioned-model" => Model::Deployed(Deployed::Provisioned, model_id.into()),
            "imported-model" => Model::Deployed(Deployed::Imported, model_id.into()),
            "custom-model" | "custom-model-deployment" => Model::Deployed(Deployed::Custom, model_id.into()),
            "endpoint" | "marketplace" if matches!(arn.service, "sagemaker" | "bedrock") => {
                Model::Deployed(Deployed::Marketplace, model_id.into())
            }
            _ => Model::Alias(Alias::ShortName, model_id.into()),
        }
    }

    /// The name to report: a foundation model's bare id, otherwise the text that the caller passed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Model::Alias(_, id) => id.lines().next().unwrap_or(id),
            Model::Foundation(id) | Model::Deployed(_, id) => id,
            Model::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The id without geography and context length, so that each model has one id.
fn bare(id: &str) -> &str {
    without_geography(without_context(id))
}

/// The id without the context length of some variants: `anthropic.x-v1:0:200k` becomes `anthropic.x-v1:0`.
fn without_context(id: &str) -> &str {
    let is_context = |suffix: &str| {
        let thousands = suffix.strip_suffix('k').unwrap_or_default();
        !thousands.is_empty() && thousands.bytes().all(|byte| byte.is_ascii_digit())
    };
    match id.rsplit_once(':') {
        Some((rest, suffix)) if is_context(suffix) => without_context(rest),
        _ => id,
    }
}

/// The id without the geography of a cross-Region inference profile: `us.anthropic.x` becomes `anthropic.x`.
///
/// An id of a model may contain more dots (`deepseek.v3.2`), so the number of dots doesn't decide.
fn without_geography(id: &str) -> &str {
    match id.split_once('.') {
        Some((geography, rest)) if GEOGRAPHIES.contains(&geography) && rest.contains('.') => without_geography(rest),
        Some((_, rest)) if rest.split_once('.').is_some_and(|(vendor, _)| VENDORS.contains(&vendor)) => without_geography(rest),
        _ => id,
    }
}

/// Whether an id is that of a cross-Region inference profile: a model id behind a geography.
pub(crate) fn is_of_geography(id: &str) -> bool {
    without_geography(id) != id
}

/// Whether an id has the form that AWS documents for model lists of enforcement: `vendor.model`, up to two parts behind colons, and twelve
/// characters behind a slash. More dots are accepted, because some models have them, such as `deepseek.v3.2`.
pub(crate) fn is_id_of_a_model(id: &str) -> bool {
    let (id, suffix) = id.split_once('/').map_or((id, None), |(id, suffix)| (id, Some(suffix)));
    let is_part = |part: &str| {
        (1..=63).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    id.contains('.')
        && id.split(['.', ':']).all(is_part)
        && id.matches(':').count() <= 2
        && suffix.is_none_or(|suffix| suffix.len() == 12 && is_part(suffix))
}

/// The form in which an entry of a policy's model list is compared with the model of a call: both go through [`Model::parse`].
#[must_use]
pub fn normalised(listed: &str) -> String {
    Model::parse(listed).as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_of_a_foundation_model_is_its_bare_id() {
        let id = "anthropic.claude-3-haiku-20240307-v1:0";
        for form in [
            id.to_owned(),
            format!("us.{id}"),
            format!("eu.{id}"),
            format!("apac.{id}"),
            format!("global.{id}"),
            format!("us-gov.{id}"),
            format!("jp.{id}"),
            format!("mars.{id}"),
            format!("{id}:200k"),
            format!("us.{id}:18k"),
            format!("arn:aws:bedrock:us-east-1::foundation-model/{id}"),
            format!("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/{id}"),
            format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{id}"),
            format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/{id}"),
            id.replace(':', "%3A"),
            format!("us.{id}").replace(':', "%3a"),
            id.replace(':', "%253A"),
            format!("arn:aws:bedrock:us-east-1::foundation-model/{id}").replace(':', "%3A").replace('/', "%2F"),
        ] {
            assert_eq!(Model::parse(&form), Model::Foundation(id.into()), "{form}");
        }
    }

    #[test]
    fn an_alias_keeps_the_models_that_its_record_names() {
        let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456";
        let models = BTreeSet::from([Model::parse("a.one"), Model::parse("a.two")]);
        let alias = Model::parse(&Model::alias_of(arn, &models));
        assert_eq!((alias.to_string().as_str(), alias.named_behind().collect::<BTreeSet<_>>()), (arn, models));
        assert_eq!(Model::parse(arn).named_behind().count(), 0);
    }

    #[test]
    fn dots_in_a_model_name_are_not_a_geography() {
        for id in ["amazon.titan-embed-image-v1:0", "a.b:k", "a.b:0:mm"] {
            assert_eq!(Model::parse(id), Model::Foundation(id.into()));
        }
        for id in ["deepseek.v3.2", "minimax.minimax-m2.1", "anthropic.claude-v2:1", "newvendor.model-1.5"] {
            assert_eq!(Model::parse(id), Model::Foundation(id.into()));
        }
    }

    #[test]
    fn what_stands_for_a_model_is_kept_as_it_was_called() {
        let arn = |kind: &str, id: &str| format!("arn:aws:bedrock:us-east-1:123456789012:{kind}/{id}");
        let alias = |alias, id: String| (id.clone(), Model::Alias(alias, id.into()));
        let deployed = |deployed, id: String| (id.clone(), Model::Deployed(deployed, id.into()));
        for (form, expected) in [
            alias(Alias::ApplicationInferenceProfile, arn("application-inference-profile", "abcdef123456")),
            alias(Alias::ApplicationInferenceProfile, arn("inference-profile", "abcdef123456")),
            alias(Alias::PromptRouter, arn("default-prompt-router", "anthropic.claude:1")),
            alias(Alias::PromptRouter, arn("prompt-router", "r1")),
            alias(Alias::Prompt, arn("prompt", "PROMPT12345:1")),
            alias(Alias::ShortName, "abcdef123456".into()),
            alias(Alias::ShortName, arn("something-new", "x")),
            alias(Alias::ShortName, "arn:aws".into()),
            deployed(Deployed::Provisioned, arn("provisioned-model", "p1")),
            deployed(Deployed::Imported, arn("imported-model", "i1")),
            deployed(Deployed::Custom, arn("custom-model-deployment", "d1")),
            deployed(Deployed::Custom, arn("custom-model", "amazon.nova-lite-v1:0/abcdef123456")),
            deployed(Deployed::Marketplace, "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e1".into()),
        ] {
            assert_eq!(Model::parse(&form), expected, "{form}");
        }
        assert_eq!(Model::parse("  "), Model::Unknown);
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(id in "(us\\.|eu\\.|global\\.|arn:aws:bedrock:us-east-1::foundation-model/)?[a-z]{1,9}(\\.[a-z0-9:-]{1,12}){0,3}") {
            let once = normalised(&id);
            prop_assert_eq!(normalised(&once), once);
        }

        #[test]
        fn every_form_of_one_id_is_one_model(
            vendor in proptest::sample::select(VENDORS.to_vec()),
            name in "[a-z][a-z0-9-]{0,20}(\\.[0-9]{1,2})?(-v[0-9])?(:[0-9])?",
            geography in proptest::sample::select(GEOGRAPHIES.to_vec()),
            partition in "aws|aws-cn|aws-us-gov",
            account in "[0-9]{12}",
        ) {
            let id = format!("{vendor}.{name}");
            let arn = |account: &str, kind: &str, id: &str| format!("arn:{partition}:bedrock:us-east-1:{account}:{kind}/{id}");
            let profile = format!("{geography}.{id}");
            for form in [
                id.clone(),
                profile.clone(),
                arn("", "foundation-model", &id),
                arn("", "foundation-model", &profile),
                arn(&account, "inference-profile", &id),
                arn(&account, "inference-profile", &profile),
            ] {
                prop_assert_eq!(Model::parse(&form), Model::Foundation(id.as_str().into()), "{}", form);
            }
        }

        #[test]
        fn parsing_never_fails(id in ".{0,60}") {
            let _ = Model::parse(&id);
        }
    }
}
