//! A call, and the evidence that belongs to it.

use std::collections::BTreeSet;

use crate::{
    api::Reach,
    arn::{AccountId, GuardrailKey, GuardrailVersion, Region},
    model::Model,
    moment::Moment,
};

/// A call that runs a model, as far as its record tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The account that made it.
    pub account: AccountId,
    /// Where it made it: guardrails are evaluated in this Region, wherever inference runs (docs/aws/enforcement.md#coverage).
    pub region: Region,
    /// When; `None` if the record doesn't say in a form that can be read.
    pub time: Option<Moment>,
    /// The operation.
    pub api: String,
    /// How far enforcement reaches it.
    pub reach: Reach,
    /// The model that was called.
    pub model: Model,
    /// The guardrail that the request names.
    pub requested: Option<Requested>,
    /// The agent or flow that was called, by id.
    pub mediator: Option<String>,
    /// It failed before inference began.
    pub failed: bool,
}

/// A guardrail named in a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requested {
    /// Which; `None` if the record hides it.
    pub guardrail: Option<GuardrailKey>,
    /// Which version; `None` if the record hides it.
    pub version: Option<GuardrailVersion>,
}

/// Errors that can come after inference began, so that content may have passed (docs/aws/cloudtrail-records.md#errors).
const ERRORS_AFTER_INFERENCE_BEGAN: &[&str] =
    &["ModelTimeoutException", "ModelStreamErrorException", "InternalServerException", "ModelErrorException"];

impl Call {
    /// Whether the record says where the call was made.
    #[must_use]
    pub fn region_is_known(&self) -> bool {
        self.region.as_str() != "unknown"
    }

    /// Whether a call with this `errorCode` failed before inference began. Services prefix some codes with their name.
    #[must_use]
    pub fn failed_before_inference(error_code: &str) -> bool {
        let code = error_code.rsplit(['.', ':', '#']).next().unwrap_or(error_code);
        !ERRORS_AFTER_INFERENCE_BEGAN.contains(&code)
    }
}

/// What was seen of a call besides its own record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Evidence {
    /// The guardrails that evaluated it.
    pub evaluated: BTreeSet<Evaluated>,
    /// Some enforced guardrail evaluated it, although it may not be named.
    pub enforced_evaluation: bool,
    /// Some guardrail evaluated it, enforced or requested: its invocation log shows what it did, not which it was; or it is only known to
    /// have evaluated the answer.
    pub unnamed_evaluation: bool,
    /// The guardrail that the request named, as an evaluation of the call shows it: the call's own record may leave it out.
    pub requested: Option<Requested>,
    /// Whether the lack of an evaluation means something.
    pub expectation: Expectation,
}

/// A guardrail that evaluated a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Evaluated {
    /// Its id.
    pub id: String,
    /// Where it is; a trace may show the id only.
    pub key: Option<GuardrailKey>,
    /// Its version, where the evidence shows that of the evaluation, not only of the request.
    pub version: Option<GuardrailVersion>,
    /// The evidence shows that it was enforced. Otherwise the request named it, or nothing is shown.
    pub enforced: bool,
}

impl Evaluated {
    /// Whether this is the guardrail. A bare id is good enough: ids are random (docs/aws/invocation-logs.md#guardrails).
    #[must_use]
    pub fn is(&self, guardrail: &GuardrailKey) -> bool {
        self.key.as_ref().map_or(*self.id == *guardrail.id, |key| key == guardrail)
    }
}

/// Whether the lack of an evaluation means something: decided by the join (`crate::join`), from all that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expectation {
    /// It means nothing: evaluations aren't recorded, or may still come.
    #[default]
    None,
    /// Evaluations can't be joined to calls here, and there are too few of them: enforcement is in doubt.
    Doubt,
    /// An evaluation should be there.
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
