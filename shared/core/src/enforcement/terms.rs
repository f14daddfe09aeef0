//! Reading the terms of an enforcement: for which models, and who chooses the content.
//!
//! A Bedrock policy and an account's configuration say the same in two spellings. Whatever stands there is either read or reported as
//! [`Unclear`], at any depth: AWS may enforce by what this version doesn't know.

use serde_json::Value;

use super::{Guarding, GuardingMode, ModelScope, Problem, Unclear};
use crate::model::{Model, is_id_of_a_model};

/// The names of the members of an enforcement, in one of the two places that AWS keeps one.
pub(crate) struct Spelling {
    models: &'static str,
    included: &'static str,
    excluded: &'static str,
    guarding: &'static str,
    /// The syntax that guarding superseded.
    tags: &'static str,
    /// Members that name the guardrail; they are read by others.
    guardrail: &'static [&'static str],
    /// Members that say nothing about what is covered: names, times and owners.
    aside: &'static [&'static str],
}

/// A configuration of a Bedrock policy.
pub(crate) const POLICY: Spelling = Spelling {
    models: "model_enforcement",
    included: "included_models",
    excluded: "excluded_models",
    guarding: "selective_content_guarding",
    tags: "input_tags",
    guardrail: &["identifier"],
    aside: &[],
};

/// An entry of ListEnforcedGuardrailsConfiguration's answer, or the `guardrailInferenceConfig` of PutEnforcedGuardrailConfiguration.
pub(crate) const CONFIGURATION: Spelling = Spelling {
    models: "modelEnforcement",
    included: "includedModels",
    excluded: "excludedModels",
    guarding: "selectiveContentGuarding",
    tags: "inputTags",
    guardrail: &["guardrailIdentifier", "guardrailArn", "guardrailId", "guardrailVersion"],
    // The configuration's own name; when and by whom it was made or changed; whose it is, which is always the account's.
    aside: &["configId", "createdAt", "createdBy", "updatedAt", "updatedBy", "owner"],
};

/// What an enforcement says besides its guardrail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// For which models; all, as far as it can't be understood.
    pub models: ModelScope,
    /// Who chooses the content.
    pub guarding: Guarding,
    /// What can't be understood.
    pub unclear: Vec<Unclear>,
}

impl Spelling {
    /// Reads the terms that stand at a path.
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
        // Where both syntaxes stand it isn't documented which Bedrock obeys, so of each side the weaker reading counts.
        terms.guarding = terms.guarding.weaker(Guarding::both(tags));
        terms.unclear = reader.unclear;
        terms
    }

    /// The two lists of models. Without any lists, and with `ALL` among those included, all models are meant.
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

    /// The members of an object.
    fn members<'v>(&mut self, value: &'v Value, path: &[&str]) -> Vec<(&'v str, &'v Value)> {
        let Value::Object(members) = value else {
            self.report(path, Problem::NotAnObject, value);
            return Vec::new();
        };
        members.iter().map(|(key, value)| (key.as_str(), value)).collect()
    }

    /// One of two words, in any case: policies write them in lower case, the account's API in upper case.
    fn mode(&mut self, value: &Value, path: &[&str], comprehensive: &str, selective: &str) -> GuardingMode {
        match value {
            Value::String(word) if word.eq_ignore_ascii_case(comprehensive) => return GuardingMode::Comprehensive,
            Value::String(word) if word.eq_ignore_ascii_case(selective) => return GuardingMode::Selective,
            Value::String(_) => self.report(path, Problem::UnknownWord, value),
            _ => self.report(path, Problem::NotAText, value),
        }
        GuardingMode::NotKnown
    }

    /// The models of a list. What isn't the id of one is reported.
    fn models<'v>(&mut self, value: &'v Value, path: &[&str], may_be_all: bool) -> Vec<&'v str> {
        let texts: Option<Vec<&str>> = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        let Some(texts) = texts else {
            self.report(path, Problem::NotAList, value);
            return Vec::new();
        };
        let is_clear = |text: &str| match Model::parse(text) {
            Model::Foundation(id) => is_id_of_a_model(&id),
            // What a customer runs has no id but its ARN.
            Model::Deployed(..) => true,
            Model::Alias(..) | Model::Unknown => may_be_all && text == "ALL",
        };
        for odd in texts.iter().filter(|text| !is_clear(text)) {
            self.report(path, Problem::NotAModelId, &Value::from(*odd));
        }
        texts
    }
}
