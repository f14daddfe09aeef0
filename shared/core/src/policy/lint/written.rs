//! Checks of a policy as its author wrote it, with inheritance operators.

use serde_json::Value;

use super::entry::{Level, Lint, about_identifier, note_of_side};
use crate::{
    arn::{AccountId, Region, looks_like_a_region},
    enforcement::{Problem, Unclear, pointer},
    model::{Model, is_id_of_a_model},
    policy::{document::CONTROL, effective::Identifier},
};

/// Checks a document. Lints come in its order.
pub(super) fn lints(document: &Value, management_account: Option<&AccountId>) -> Vec<Lint> {
    let mut linter = Linter { management_account, lints: Vec::new() };
    linter.document(document);
    linter.lints
}

struct Linter<'m> {
    management_account: Option<&'m AccountId>,
    lints: Vec<Lint>,
}

/// The type of a setting's value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Text,
    List,
}

impl Linter<'_> {
    fn add(&mut self, level: Level, kind: &'static str, path: &[&str], message: impl Into<String>) {
        self.lints.push(Lint { level, kind, pointer: pointer(path), message: message.into() });
    }

    fn document(&mut self, document: &Value) {
        for (key, value) in self.members(document, &[]) {
            if key != "bedrock" {
                self.unknown_key(&[key]);
                continue;
            }
            for (feature, value) in self.members(value, &[key]) {
                if feature == "guardrail_inference" { self.regions(value) } else { self.unknown_key(&[key, feature]) }
            }
        }
        if document.pointer("/bedrock/guardrail_inference").is_none() {
            self.add(Level::Error, "demands-nothing", &[], "no `bedrock.guardrail_inference`: the policy demands nothing");
        } else {
            self.open_to_overrides(document);
        }
    }

    fn unknown_key(&mut self, path: &[&str]) {
        self.lints.push(Lint::about(&Unclear::at(path, Problem::UnknownKey, &Value::Null)));
    }

    /// The entries of a node that holds named entries. Reports mistakes in the node's operators.
    fn members<'v>(&mut self, node: &'v Value, path: &[&str]) -> Vec<(&'v str, &'v Value)> {
        let Value::Object(members) = node else {
            self.add(Level::Error, "not-an-object", path, "an object is expected here");
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (key, value) in members {
            match key.as_str() {
                CONTROL => self.control(value, &[path, &[CONTROL]].concat()),
                "@@assign" | "@@append" | "@@remove" => {
                    self.add(
                        Level::Error,
                        "misplaced-operator",
                        &[path, &[key]].concat(),
                        format!("`{key}` belongs to a setting, not to a node that holds others"),
                    );
                }
                _ if key.starts_with("@@") => self.unknown_operator(&[path, &[key]].concat(), key),
                _ => entries.push((key.as_str(), value)),
            }
        }
        entries
    }

    fn unknown_operator(&mut self, path: &[&str], key: &str) {
        self.add(Level::Error, "unknown-operator", path, format!("`{key}` is no inheritance operator"));
    }

    fn control(&mut self, value: &Value, path: &[&str]) {
        let known = ["@@all", "@@none", "@@assign", "@@append", "@@remove"];
        let names: Option<Vec<&str>> = value.as_array().map(|list| list.iter().map(|name| name.as_str().unwrap_or_default()).collect());
        match names {
            Some(names) if !names.is_empty() && names.iter().all(|name| known.contains(name)) => {
                if names.len() > 1 && names.iter().any(|name| matches!(*name, "@@all" | "@@none")) {
                    self.add(Level::Error, "contradictory-control", path, "`@@all` and `@@none` stand alone");
                }
            }
            _ => self.add(Level::Error, "malformed-control", path, format!("expected a list of {}", known.join(", "))),
        }
    }

    fn regions(&mut self, regions: &Value) {
        let base = ["bedrock", "guardrail_inference"];
        let regions = self.members(regions, &base);
        if regions.is_empty() {
            self.add(Level::Error, "demands-nothing", &base, "no Region: the policy demands nothing");
        }
        for (region, configurations) in regions {
            let path = [&base[..], &[region]].concat();
            if !looks_like_a_region(region) {
                self.lints.push(Lint::about(&Unclear::at(&path, Problem::NotARegion, configurations)));
            }
            let configurations = self.members(configurations, &path);
            if configurations.is_empty() {
                self.add(Level::Error, "demands-nothing", &path, "no configuration: the policy demands nothing in this Region");
            }
            if configurations.len() > 1 {
                let message = "several configurations in one Region: AWS doesn't document which of them is enforced";
                self.add(Level::Warning, "several-configurations", &path, message);
            }
            for (name, configuration) in configurations {
                self.configuration(configuration, region, &[&path[..], &[name]].concat());
            }
        }
    }

    fn configuration(&mut self, configuration: &Value, region: &str, path: &[&str]) {
        let members = self.members(configuration, path);
        for (key, value) in &members {
            let at = [path, &[key]].concat();
            match *key {
                "identifier" => self.identifier(value, region, &at),
                "input_tags" => {
                    for (operator, word) in self.setting(value, &at, Holds::Text, &["honor", "ignore"]) {
                        if word == "honor" {
                            for side in ["system", "messages"] {
                                self.add(Level::Note, "selective", &[&at[..], &[operator]].concat(), note_of_side(side));
                            }
                        }
                    }
                    self.add(Level::Warning, "superseded-syntax", &at, "`input_tags` is superseded by `selective_content_guarding`");
                }
                "selective_content_guarding" => self.guarding(value, &at),
                "model_enforcement" => self.models(value, &at),
                _ => self.unknown_key(&at),
            }
        }
        let has = |wanted: &str| members.iter().any(|(key, _)| *key == wanted);
        if !has("identifier") {
            let message = "no `identifier`: the configuration counts only where a policy above or beside it sets one";
            self.add(Level::Warning, "no-identifier", path, message);
        }
        if has("input_tags") && has("selective_content_guarding") {
            let message = "both `input_tags` and `selective_content_guarding`: AWS doesn't document which it obeys, so the weaker counts";
            self.add(Level::Warning, "both-syntaxes", path, message);
        }
    }

    /// Checks a setting with operators. Returns each text that it assigns or appends, with the name of the operator.
    fn setting<'v>(&mut self, node: &'v Value, path: &[&str], holds: Holds, known: &[&str]) -> Vec<(&'static str, &'v str)> {
        let Value::Object(members) = node else {
            self.add(Level::Error, "no-operator", path, "a value without an operator: write {\"@@assign\": …}");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (key, value) in members {
            let operator = match key.as_str() {
                "@@assign" => "@@assign",
                "@@append" | "@@remove" if holds == Holds::Text => {
                    self.add(
                        Level::Error,
                        "operator-on-text",
                        &[path, &[key]].concat(),
                        format!("`{key}` works on lists only, and this setting is a text"),
                    );
                    continue;
                }
                "@@append" => "@@append",
                "@@remove" => "@@remove",
                CONTROL => {
                    self.control(value, &[path, &[CONTROL]].concat());
                    continue;
                }
                _ if key.starts_with("@@") => {
                    self.unknown_operator(&[path, &[key]].concat(), key);
                    continue;
                }
                _ => {
                    self.unknown_key(&[path, &[key]].concat());
                    continue;
                }
            };
            let at = [path, &[operator]].concat();
            let values = match (holds, value) {
                (Holds::Text, Value::String(text)) => vec![text.as_str()],
                (Holds::List, Value::Array(list)) if list.iter().all(Value::is_string) => list.iter().filter_map(Value::as_str).collect(),
                (Holds::Text, _) => {
                    self.add(Level::Error, "wrong-type", &at, "a text is expected here");
                    continue;
                }
                (Holds::List, _) => {
                    self.add(Level::Error, "wrong-type", &at, "a list of texts is expected here");
                    continue;
                }
            };
            if let Some(odd) = values.iter().find(|value| !known.is_empty() && !known.contains(value)) {
                self.add(Level::Error, "unknown-value", &at, format!("`{odd}` is none of {}", known.join(", ")));
            }
            texts.extend(values.into_iter().map(|value| (operator, value)));
        }
        texts
    }

    fn identifier(&mut self, node: &Value, region: &str, path: &[&str]) {
        for (operator, text) in self.setting(node, path, Holds::Text, &[]) {
            let at = [path, &[operator]].concat();
            let identifier = Identifier::read(Some(text), &Region::from(region.to_lowercase()));
            if let Some((kind, message)) = about_identifier(&identifier, self.management_account) {
                self.add(Level::Error, kind, &at, message);
            }
        }
    }

    fn guarding(&mut self, node: &Value, path: &[&str]) {
        let sides = self.members(node, path);
        if sides.is_empty() {
            self.add(Level::Error, "empty-guarding", path, "at least one of `system` and `messages` is required");
        }
        for (side, value) in sides {
            let at = [path, &[side]].concat();
            if !matches!(side, "system" | "messages") {
                self.unknown_key(&at);
                continue;
            }
            for (operator, mode) in self.setting(value, &at, Holds::Text, &["selective", "comprehensive"]) {
                if mode == "selective" {
                    self.add(Level::Note, "selective", &[&at[..], &[operator]].concat(), note_of_side(side));
                }
            }
        }
    }

    fn models(&mut self, node: &Value, path: &[&str]) {
        let lists = self.members(node, path);
        for required in ["included_models", "excluded_models"] {
            if !lists.iter().any(|(key, _)| *key == required) {
                let message = format!("no `{required}`: AWS requires both lists here, unless a policy above or beside this one sets it");
                self.add(Level::Warning, "missing-list", path, message);
            }
        }
        for (key, value) in lists {
            let at = [path, &[key]].concat();
            if !matches!(key, "included_models" | "excluded_models") {
                self.unknown_key(&at);
                continue;
            }
            let models = self.setting(value, &at, Holds::List, &[]);
            if key == "included_models" && value.get("@@assign").and_then(Value::as_array).is_some_and(Vec::is_empty) {
                self.lints.push(Lint::about(&Unclear::at(&[&at[..], &["@@assign"]].concat(), Problem::EmptyList, value)));
            }
            for (operator, model) in models {
                let all = model == "ALL";
                let at = [&at[..], &[operator]].concat();
                if all && key == "excluded_models" {
                    self.add(Level::Error, "all-excluded", &at, "`ALL` can't be excluded");
                } else if !all && !names_itself(model) {
                    let message =
                        format!("`{model}` is a profile or an ARN, and lists name foundation models: write `{}`", Model::parse(model));
                    self.add(Level::Error, "not-a-model-id", &at, message);
                } else if !all && !matches!(Model::parse(model), Model::Foundation(_)) {
                    self.add(Level::Error, "not-a-model-id", &at, format!("`{model}` is not the id of a foundation model"));
                } else if !all {
                    self.form_of_model_id(model, &at);
                }
            }
        }
    }

    fn form_of_model_id(&mut self, model: &str, path: &[&str]) {
        if !is_id_of_a_model(model) {
            let message =
                format!("`{model}` is not of the form of a model id (`vendor.model`): there are no wildcards, and it means no model");
            self.add(Level::Error, "not-a-model-id", path, message);
        } else if model.matches('.').count() > 1 {
            let message = format!(
                "`{model}` has more than the one dot that AWS documents for ids in these lists: it may be refused, or mean no model"
            );
            self.add(Level::Warning, "not-a-model-id", path, message);
        }
    }

    /// Reports the nodes that a lower policy could still change, because a control acts only at its own node.
    fn open_to_overrides(&mut self, document: &Value) {
        let mut open = Vec::new();
        let mut path = vec!["bedrock", "guardrail_inference"];
        if let Some(regions) = document.pointer("/bedrock/guardrail_inference") {
            collect_open(regions, &mut path, &mut open);
        }
        if !open.is_empty() {
            let message =
                format!("policies lower in the tree can still change {}: lock each with {CONTROL}: [\"@@none\"]", open.join(", "));
            self.add(Level::Note, "open-to-overrides", &["bedrock", "guardrail_inference"], message);
        }
    }
}

fn collect_open<'v>(node: &'v Value, path: &mut Vec<&'v str>, open: &mut Vec<String>) {
    let Value::Object(members) = node else {
        return;
    };
    let locked = members.get(CONTROL).and_then(Value::as_array).is_some_and(|names| names.iter().any(|name| name == "@@none"));
    if !locked {
        open.push(pointer(path));
    }
    for (key, value) in members.iter().filter(|(key, _)| !key.starts_with("@@")) {
        path.push(key);
        collect_open(value, path, open);
        path.pop();
    }
}

/// Whether a text is the id of a model itself, or of the model's variant with another context length.
fn names_itself(model: &str) -> bool {
    model.strip_prefix(Model::parse(model).as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

#[cfg(test)]
mod tests;
