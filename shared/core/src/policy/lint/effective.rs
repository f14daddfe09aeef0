//! Checks of an effective policy or an account's configuration, which hold values without operators.

use super::entry::{Level, Lint, about_identifier, note_of_side};
use crate::{
    arn::{AccountId, GuardrailVersion},
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
    let draft = (enforcement.guardrail.version == GuardrailVersion::Draft)
        .then(|| Identifier::Unusable { text: "DRAFT".to_owned(), why: Unusable::Draft })
        .and_then(|identifier| about_identifier(&identifier, None))
        .map(|(kind, message)| Lint::at(Level::Error, kind, pointer(&["guardrailVersion"]), message));
    draft.into_iter().chain(enforcement.unclear.iter().map(Lint::about)).chain(notes(enforcement.guarding, &pointer(&[]))).collect()
}

/// Notes about the content that selective guarding leaves to the caller.
fn notes(guarding: Guarding, at: &str) -> impl Iterator<Item = Lint> {
    let selective = guarding.sides().into_iter().filter(|(_, mode)| *mode == GuardingMode::Selective);
    selective.map(move |(side, _)| Lint::at(Level::Note, "selective", at.to_owned(), note_of_side(side)))
}

#[cfg(test)]
mod tests;
