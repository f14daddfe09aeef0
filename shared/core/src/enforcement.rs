//! An enforcement: a guardrail version, the models that it is applied to, and who chooses the content that it evaluates.
//!
//! A Bedrock policy (per Region) and an account's enforced configuration are enforcements of the same shape
//! (docs/aws/bedrock-policies.md#syntax, docs/aws/enforcement.md#account-configuration).

mod guarding;
pub(crate) mod terms;
mod unclear;

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

pub use guarding::{Guarding, GuardingMode};
pub use unclear::{Problem, Unclear, pointer};

use crate::{
    arn::GuardrailVersionArn,
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

#[cfg(test)]
mod tests;
