//! Reads the terms of an enforcement: the models, and who chooses the content.
//!
//! A Bedrock policy and an account's configuration have the same terms in two spellings. Each member is either read or reported as
//! [`Unclear`], at any depth, because AWS may enforce by a member that this version doesn't know.

use serde_json::Value;

use super::{Enforcement, Guarding, GuardingMode, ModelScope, Problem, Unclear};
use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, Region},
    model::{Model, is_id_of_a_model},
};

/// The names of an enforcement's members in one of its two sources.
pub(crate) struct Spelling {
    models: &'static str,
    included: &'static str,
    excluded: &'static str,
    guarding: &'static str,
    /// The older syntax of guarding.
    tags: &'static str,
    /// Members that name the guardrail, which other code reads.
    guardrail: &'static [&'static str],
    /// Members that have no effect on coverage: names, times and owners.
    aside: &'static [&'static str],
}

/// The names in a configuration of a Bedrock policy.
pub(crate) const POLICY: Spelling = Spelling {
    models: "model_enforcement",
    included: "included_models",
    excluded: "excluded_models",
    guarding: "selective_content_guarding",
    tags: "input_tags",
    guardrail: &["identifier"],
    aside: &[],
};

/// The names in an entry of ListEnforcedGuardrailsConfiguration's response, and in the `guardrailInferenceConfig` of
/// PutEnforcedGuardrailConfiguration.
pub(crate) const CONFIGURATION: Spelling = Spelling {
    models: "modelEnforcement",
    included: "includedModels",
    excluded: "excludedModels",
    guarding: "selectiveContentGuarding",
    tags: "inputTags",
    guardrail: &["guardrailIdentifier", "guardrailArn", "guardrailId", "guardrailVersion"],
    // The configuration's own id; when it was made or changed and by whom; its owner, which is always the account.
    aside: &["configId", "createdAt", "createdBy", "updatedAt", "updatedBy", "owner"],
};

/// The terms of an enforcement, apart from its guardrail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The models it applies to. A part that can't be understood restricts nothing.
    pub models: ModelScope,
    /// The content it applies to.
    pub guarding: Guarding,
    /// The parts that can't be understood.
    pub unclear: Vec<Unclear>,
}

impl Spelling {
    /// Reads the terms at a path.
    pub(crate) fn read(&self, configuration: &Value, path: &[&str]) -> Terms {
        let mut reader = Reader { unclear: Vec::new() };
        let mut terms = Terms::default();
        let mut tags = GuardingMode::Comprehensive;
        for (key, value) in reader.members(configuration, path) {
            let at = [path, &[key]].concat();
            if key == self.models {
                terms.models = self.scope(&mut reader, value, &at);
            } else if key == self.guarding {
                terms.guarding = guarding(&mut reader, value, &at);
            } else if key == self.tags {
                tags = reader.mode(value, &at, "ignore", "honor");
            } else if !self.guardrail.contains(&key) && !self.aside.contains(&key) {
                reader.report(&at, Problem::UnknownKey, value);
            }
        }
        // If both syntaxes are present it isn't documented which one Bedrock follows, so for each side the weaker mode counts.
        terms.guarding = terms.guarding.weaker(Guarding::both(tags));
        terms.unclear = reader.unclear;
        terms
    }

    /// Reads the two lists of models. Without lists, or with `ALL` among those included, the scope is all models.
    fn scope(&self, reader: &mut Reader, models: &Value, path: &[&str]) -> ModelScope {
        let (mut included, mut excluded) = (Vec::new(), Vec::new());
        let members = reader.members(models, path);
        if members.is_empty() && models.is_object() {
            reader.report(path, Problem::EmptyObject, models);
        }
        for (key, value) in members {
            let at = [path, &[key]].concat();
            if key == self.included {
                included = reader.models(value, &at, true);
                if value.as_array().is_some_and(Vec::is_empty) {
                    reader.report(&at, Problem::EmptyList, value);
                }
            } else if key == self.excluded {
                excluded = reader.models(value, &at, false);
            } else {
                reader.report(&at, Problem::UnknownKey, value);
            }
        }
        ModelScope::new(included, excluded)
    }
}

fn guarding(reader: &mut Reader, value: &Value, path: &[&str]) -> Guarding {
    if !value.is_object() {
        reader.report(path, Problem::NotAnObject, value);
        return Guarding::both(GuardingMode::NotKnown);
    }
    let mut guarding = Guarding::default();
    let sides = reader.members(value, path);
    if sides.is_empty() {
        reader.report(path, Problem::EmptyObject, value);
    }
    for (side, value) in sides {
        let at = [path, &[side]].concat();
        match side {
            "system" => guarding.system = reader.mode(value, &at, "comprehensive", "selective"),
            "messages" => guarding.messages = reader.mode(value, &at, "comprehensive", "selective"),
            _ => reader.report(&at, Problem::UnknownKey, value),
        }
    }
    guarding
}

struct Reader {
    unclear: Vec<Unclear>,
}

impl Reader {
    fn report(&mut self, path: &[&str], problem: Problem, value: &Value) {
        self.unclear.push(Unclear::at(path, problem, value));
    }

    /// The members of an object. Anything else is reported.
    fn members<'v>(&mut self, value: &'v Value, path: &[&str]) -> Vec<(&'v str, &'v Value)> {
        let Value::Object(members) = value else {
            self.report(path, Problem::NotAnObject, value);
            return Vec::new();
        };
        members.iter().map(|(key, value)| (key.as_str(), value)).collect()
    }

    /// Reads one of two words in any case: policies write them in lower case, the account's API in upper case.
    fn mode(&mut self, value: &Value, path: &[&str], comprehensive: &str, selective: &str) -> GuardingMode {
        match value {
            Value::String(word) if word.eq_ignore_ascii_case(comprehensive) => return GuardingMode::Comprehensive,
            Value::String(word) if word.eq_ignore_ascii_case(selective) => return GuardingMode::Selective,
            Value::String(_) => self.report(path, Problem::UnknownWord, value),
            _ => self.report(path, Problem::NotAText, value),
        }
        GuardingMode::NotKnown
    }

    /// Reads a list of models. An entry that isn't the id of a model is reported.
    fn models<'v>(&mut self, value: &'v Value, path: &[&str], may_be_all: bool) -> Vec<&'v str> {
        let texts: Option<Vec<&str>> = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        let Some(texts) = texts else {
            self.report(path, Problem::NotAList, value);
            return Vec::new();
        };
        let is_clear = |text: &str| match Model::parse(text) {
            Model::Foundation(id) => is_id_of_a_model(&id),
            // A model that a customer deployed has an ARN and no other id.
            Model::Deployed(..) => true,
            Model::Alias(..) | Model::Unknown => may_be_all && text == "ALL",
        };
        for odd in texts.iter().filter(|text| !is_clear(text)) {
            self.report(path, Problem::NotAModelId, &Value::from(*odd));
        }
        texts
    }
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
