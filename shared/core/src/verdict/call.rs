//! A call that is judged, and its evidence.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, Region},
    model::Model,
    operations::OperationCoverage,
    timestamp::Timestamp,
};

/// A call that runs a model, as its record shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The account that made the call.
    pub account: AccountId,
    /// The Region of the call. Guardrails are evaluated there, wherever inference runs (docs/aws/enforcement.md#coverage).
    pub region: Region,
    /// The time of the call; `None` if the record has none that can be read.
    pub time: Option<Timestamp>,
    /// The operation.
    pub api: String,
    /// Whether enforcement applies to the operation.
    pub reach: OperationCoverage,
    /// The model that was called.
    pub model: Model,
    /// The guardrail in the request.
    pub requested: Option<Requested>,
    /// The id of the agent or flow that was called.
    pub mediator: Option<String>,
    /// Whether it failed before inference began.
    pub failed: bool,
}

/// A guardrail named in a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Requested {
    /// The guardrail; `None` if the record masks it.
    pub guardrail: Option<GuardrailKey>,
    /// Its version; `None` if the record masks it.
    pub version: Option<GuardrailVersion>,
}

/// Errors that may come after inference began, so that content may have reached the model (docs/aws/cloudtrail-records.md#errors).
const ERRORS_AFTER_INFERENCE_BEGAN: &[&str] =
    &["ModelTimeoutException", "ModelStreamErrorException", "InternalServerException", "ModelErrorException"];

impl Call {
    /// Whether the record contains a Region.
    #[must_use]
    pub fn region_is_known(&self) -> bool {
        self.region.as_str() != "unknown"
    }

    /// Whether a call with this `errorCode` failed before inference began. Some codes come with the service's name as a prefix.
    #[must_use]
    pub fn failed_before_inference(error_code: &str) -> bool {
        let code = error_code.rsplit(['.', ':', '#']).next().unwrap_or(error_code);
        !ERRORS_AFTER_INFERENCE_BEGAN.contains(&code)
    }
}

/// What other records and logs show about a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Evidence {
    /// The guardrails that evaluated the call.
    pub evaluated: BTreeSet<Evaluated>,
    /// Whether an enforced guardrail evaluated the call, named or not.
    pub enforced_evaluation: bool,
    /// Whether some guardrail evaluated the call, enforced or requested, that isn't named: its invocation log shows an effect of it, but
    /// not which guardrail it was, or only that it evaluated the response.
    pub unnamed_evaluation: bool,
    /// The guardrail of the request, from an evaluation of the call. The call's own record may leave it out.
    pub requested: Option<Requested>,
    /// What a missing evaluation proves. It isn't stored, because later records may change it.
    #[serde(skip)]
    pub expectation: Expectation,
}

/// A guardrail that evaluated a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Evaluated {
    /// Its id.
    pub id: String,
    /// Its identity; `None` if a trace shows only its id.
    pub key: Option<GuardrailKey>,
    /// Its version, if the evidence shows the version that was evaluated rather than the one that was requested.
    pub version: Option<GuardrailVersion>,
    /// Whether the evidence shows that it was enforced. Otherwise the request named it, or the evidence doesn't show why it was evaluated.
    pub enforced: bool,
}

impl Evaluated {
    /// Whether this is the given guardrail. A bare id suffices, because ids are random (docs/aws/invocation-logs.md#guardrails).
    #[must_use]
    pub fn is(&self, guardrail: &GuardrailKey) -> bool {
        self.key.as_ref().map_or(*self.id == *guardrail.id, |key| key == guardrail)
    }
}

/// What a missing evaluation proves about a call. The join (`crate::join`) decides that from all records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expectation {
    /// Nothing: evaluations aren't recorded here, or may still arrive.
    #[default]
    None,
    /// Doubt about enforcement: evaluations can't be joined to calls here, and there are too few of them.
    Doubt,
    /// That there was none: an evaluation would have been recorded.
    Evaluation,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_errors_come_after_inference_began() {
        for code in [
            "ModelTimeoutException",
            "ModelStreamErrorException",
            "InternalServerException",
            "ModelErrorException",
            "Server.InternalServerException",
        ] {
            assert!(!Call::failed_before_inference(code), "{code}");
        }
        for code in ["AccessDenied", "AccessDeniedException", "ThrottlingException", "ValidationException", "SomethingNew"] {
            assert!(Call::failed_before_inference(code), "{code}");
        }
    }
}
