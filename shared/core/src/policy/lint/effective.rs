//! Checks of an effective policy or an account's configuration, which hold values without operators.

use super::{Level, Lint, about_identifier, note_of_side};
use crate::{
    arn::AccountId,
    enforcement::{Enforcement, Guarding, GuardingMode, pointer},
    policy::{EffectivePolicy, Identifier, Unusable},
};

pub(super) fn lints(policy: &EffectivePolicy, management_account: Option<&AccountId>) -> Vec<Lint> {
    let mut lints: Vec<Lint> = policy.all_unclear().map(Lint::about).collect();
    if policy.regions.is_empty() && policy.unclear.is_empty() {
        lints.push(Lint::at(
            Level::Error,
            "demands-nothing",
            String::new(),
            "no `bedrock.guardrail_inference`: the policy demands nothing",
        ));
    }
    for (region, configurations) in &policy.regions {
        if let [first, _, ..] = configurations.as_slice() {
            let at = first.pointer.rsplit_once('/').map_or(String::new(), |(above, _)| above.to_owned());
            let message = format!("several configurations for {region}: AWS doesn't document which of them is enforced");
            lints.push(Lint::at(Level::Warning, "several-configurations", at, message));
        }
        for configuration in configurations {
            if let Some((kind, message)) = about_identifier(&configuration.identifier, management_account) {
                let is_there = !matches!(configuration.identifier, Identifier::Unusable { why: Unusable::Missing, .. });
                let member = if is_there { "/identifier" } else { "" };
                lints.push(Lint::at(Level::Error, kind, format!("{}{member}", configuration.pointer), message));
            }
            lints.extend(notes(configuration.guarding, &configuration.pointer));
        }
    }
    lints
}

pub(super) fn lints_of_configuration(enforcement: &Enforcement) -> Vec<Lint> {
    enforcement.unclear.iter().map(Lint::about).chain(notes(enforcement.guarding, &pointer(&[]))).collect()
}

/// Notes about the content that selective guarding leaves to the caller.
fn notes(guarding: Guarding, at: &str) -> impl Iterator<Item = Lint> {
    let selective = guarding.sides().into_iter().filter(|(_, mode)| *mode == GuardingMode::Selective);
    selective.map(move |(side, _)| Lint::at(Level::Note, "selective", at.to_owned(), note_of_side(side)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::lint_effective, *};

    const GUARDRAIL: &str = "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:1";

    fn kinds(document: &Value) -> Vec<(Level, &'static str, String)> {
        let lints = lint_effective(&document.to_string(), Some(&"111122223333".into())).unwrap();
        lints.into_iter().map(|lint| (lint.level, lint.kind, lint.pointer)).collect()
    }

    fn policy(configuration: &Value) -> Value {
        json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": configuration}}}})
    }

    #[test]
    fn plain_values_need_no_operators() {
        let sound = policy(&json!({"identifier": GUARDRAIL, "selective_content_guarding": {"system": "comprehensive"},
            "model_enforcement": {"included_models": ["ALL"], "excluded_models": []}}));
        assert_eq!(kinds(&sound), []);
    }

    #[test]
    fn each_mistake_has_its_lint() {
        let at = "/bedrock/guardrail_inference/us-east-1/config_1";
        for (document, level, kind, pointer) in [
            (json!({}), Level::Error, "demands-nothing", ""),
            (json!({"bedrok": {}}), Level::Error, "unknown-key", "/bedrok"),
            (policy(&json!({"identifier": GUARDRAIL, "mode": "detect"})), Level::Error, "unknown-key", &format!("{at}/mode")),
            (policy(&json!({"identifier": GUARDRAIL.replace(":1", ":DRAFT")})), Level::Error, "draft-version", &format!("{at}/identifier")),
            (policy(&json!({"identifier": GUARDRAIL.replace("1111", "9999")})), Level::Error, "foreign-owner", &format!("{at}/identifier")),
            (policy(&json!({})), Level::Error, "malformed-identifier", at),
            (policy(&json!({"identifier": GUARDRAIL, "input_tags": "honor"})), Level::Note, "selective", at),
            (
                policy(&json!({"identifier": GUARDRAIL, "model_enforcement": {"included_models": [], "excluded_models": []}})),
                Level::Warning,
                "empty-list",
                &format!("{at}/model_enforcement/included_models"),
            ),
            (
                json!({"bedrock": {"guardrail_inference": {"us-east-1": {"a": {"identifier": GUARDRAIL}, "b": {"identifier": GUARDRAIL}}}}}),
                Level::Warning,
                "several-configurations",
                "/bedrock/guardrail_inference/us-east-1",
            ),
        ] {
            assert!(kinds(&document).contains(&(level, kind, pointer.to_owned())), "{kind}: {document}: {:?}", kinds(&document));
        }
    }
}
