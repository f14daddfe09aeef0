//! Checks a Bedrock policy before it is attached, and the effective policy that results (docs/aws/bedrock-policies.md#syntax).

mod effective;
mod entry;
mod written;

pub use entry::{Level, Lint};
use serde_json::Value;

use super::effective::EffectivePolicy;
use crate::{
    arn::{AccountId, Region},
    enforcement::Enforcement,
};

/// The most characters that AWS accepts (docs/aws/bedrock-policies.md#limits).
pub const MOST_CHARACTERS: usize = 10_000;

/// Policies of one type that AWS lets be attached to one root, OU or account at most (docs/aws/bedrock-policies.md#limits).
pub const MOST_ATTACHMENTS: usize = 10;

/// Lints the text of a Bedrock policy as it is written, operators and all. Lints come in the order of the document.
pub fn lint(text: &str, management_account: Option<&AccountId>) -> Result<Vec<Lint>, serde_json::Error> {
    let (document, duplicates) = super::text::parse(text)?;
    let characters = text.chars().count();
    let mut lints = Vec::new();
    if characters > MOST_CHARACTERS {
        let message =
            format!("{characters} characters, and AWS accepts {MOST_CHARACTERS}; white space counts unless the console strips it");
        lints.push(Lint::at(Level::Error, "over-size-limit", String::new(), message));
    }
    lints.extend(duplicates.iter().map(Lint::about));
    lints.extend(written::lints(&document, management_account));
    Ok(lints)
}

/// Checks the text of an effective policy, as DescribeEffectivePolicy returns it: values without operators.
///
/// # Errors
///
/// If the text isn't JSON.
pub fn lint_effective(text: &str, management_account: Option<&AccountId>) -> Result<Vec<Lint>, serde_json::Error> {
    Ok(lints_of_effective(&EffectivePolicy::parse(text)?, management_account))
}

/// Checks an effective policy.
#[must_use]
pub fn lints_of_effective(policy: &EffectivePolicy, management_account: Option<&AccountId>) -> Vec<Lint> {
    effective::lints(policy, management_account)
}

/// Checks an account's enforced configuration: an entry of ListEnforcedGuardrailsConfiguration's response, or a `guardrailInferenceConfig`.
#[must_use]
pub fn lint_configuration(json: &Value) -> Vec<Lint> {
    // The account and Region complete a guardrail that is named by its id alone; no lint depends on them.
    match Enforcement::from_configuration(json, &AccountId::from("unknown"), &Region::from("unknown")) {
        Some(enforcement) => effective::lints_of_configuration(&enforcement),
        None => {
            vec![Lint::at(Level::Error, "malformed-identifier", String::new(), "it doesn't name one guardrail in one numbered version")]
        }
    }
}
