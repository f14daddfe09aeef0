//! AWS's validation of an account's effective policy: ListEffectivePolicyValidationErrors (docs/aws/bedrock-policies.md#invalid-policies).

use std::fmt::Write as _;

use serde_json::Value;

use super::error::{WorldError, shape};
use crate::{policy::BEDROCK_POLICY, timestamp::Timestamp};

/// One response: the errors of the policy; none if it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validation {
    /// When AWS evaluated the policy, if the response contains it.
    pub evaluated: Option<Timestamp>,
    /// Each error as a phrase: its code, message, path and the policies that cause it.
    pub errors: Vec<String>,
}

/// Errors that a phrase lists at most.
const MOST_LISTED: usize = 5;

impl Validation {
    /// Reads the response.
    pub(super) fn from_json(json: &Value) -> Result<Self, WorldError> {
        let problem = |problem: &str| shape("ListEffectivePolicyValidationErrors", problem);
        let errors = json.get("EffectivePolicyValidationErrors").and_then(Value::as_array);
        let errors = errors.ok_or_else(|| problem("no `EffectivePolicyValidationErrors` list"))?;
        if json.get("PolicyType").and_then(Value::as_str).is_some_and(|of| of != BEDROCK_POLICY) {
            return Err(problem("not about BEDROCK_POLICY"));
        }
        // The API returns seconds since 1970, the AWS CLI a text.
        let evaluated = match json.get("EvaluationTimestamp") {
            Some(Value::String(time)) => Timestamp::parse(time),
            #[expect(clippy::cast_possible_truncation, reason = "seconds of this century")]
            Some(Value::Number(seconds)) => seconds.as_f64().map(|seconds| Timestamp::from_seconds(seconds as i64)),
            _ => None,
        };
        Ok(Validation { evaluated, errors: errors.iter().map(in_words).collect() })
    }

    /// The time from which the validation holds, if it was read at the given time. AWS evaluates a policy when it changes, so it was
    /// invalid since then, not since the response was read.
    #[must_use]
    pub fn since(&self, read: Timestamp) -> Timestamp {
        match self.evaluated.filter(|evaluated| !self.is_valid() && (*evaluated < read || read == Timestamp::BEGINNING)) {
            Some(evaluated) => evaluated,
            None => read,
        }
    }

    /// Whether the policy is valid.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    /// The errors as a phrase.
    #[must_use]
    pub fn listed(&self) -> String {
        let listed: Vec<&str> = self.errors.iter().take(MOST_LISTED).map(String::as_str).collect();
        let more = self.errors.len().saturating_sub(MOST_LISTED);
        if more > 0 { format!("{}; and {more} more", listed.join("; ")) } else { listed.join("; ") }
    }
}

fn in_words(error: &Value) -> String {
    let text = |key: &str| error.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut words = text("ErrorCode").unwrap_or("an error without a code").to_owned();
    if let Some(path) = text("PathToError") {
        let _ = write!(words, " at {path}");
    }
    if let Some(message) = text("ErrorMessage") {
        let _ = write!(words, ": {message}");
    }
    let policies: Vec<&str> =
        error.get("ContributingPolicies").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if !policies.is_empty() {
        let _ = write!(words, " ({})", policies.join(", "));
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_says_what_is_wrong_and_since_when() {
        let error = json!({"ErrorCode": "ELEMENTS_TOO_MANY", "ErrorMessage": "too many", "PathToError": "/bedrock", "ContributingPolicies": ["p-1", "p-2"]});
        let expected = Timestamp::parse("2026-11-20T10:00:00Z");
        for time in [json!("2026-11-20T10:00:00Z"), json!(1_795_168_800.0), json!(1_795_168_800)] {
            let answer = json!({"AccountId": "222233334444", "PolicyType": "BEDROCK_POLICY", "EvaluationTimestamp": time, "EffectivePolicyValidationErrors": [error]});
            let validation = Validation::from_json(&answer).unwrap();
            assert_eq!(validation.evaluated, expected, "{time}");
            assert_eq!(validation.listed(), "ELEMENTS_TOO_MANY at /bedrock: too many (p-1, p-2)");
            assert!(!validation.is_valid());
        }
        assert!(Validation::from_json(&json!({"EffectivePolicyValidationErrors": []})).unwrap().is_valid());
    }

    #[test]
    fn an_error_without_words_is_an_error() {
        let validation = Validation::from_json(&json!({"EffectivePolicyValidationErrors": [{}, 7, null, {}, {}, {}, {}]})).unwrap();
        assert!(!validation.is_valid());
        assert!(validation.listed().ends_with("; and 2 more"), "{}", validation.listed());
    }

    #[test]
    fn it_holds_since_its_evaluation_or_else_since_it_was_read() {
        let at = |hour: u8| Timestamp::parse(&format!("2026-11-20T{hour:02}:00:00Z")).unwrap();
        let validation = |hour: Option<u8>, errors: Value| {
            let evaluated = hour.map(|hour| format!("2026-11-20T{hour:02}:00:00Z"));
            Validation::from_json(&json!({"EvaluationTimestamp": evaluated, "EffectivePolicyValidationErrors": errors})).unwrap()
        };
        for (what, evaluated, errors, read, expected) in [
            ("evaluated before", Some(8), json!([{}]), at(10), at(8)),
            ("evaluated after, so of another state", Some(12), json!([{}]), at(10), at(10)),
            ("evaluated at once", Some(10), json!([{}]), at(10), at(10)),
            ("read at no known time", Some(8), json!([{}]), Timestamp::BEGINNING, at(8)),
            ("no evaluation", None, json!([{}]), at(10), at(10)),
            ("valid", Some(8), json!([]), at(10), at(10)),
        ] {
            assert_eq!(validation(evaluated, errors).since(read), expected, "{what}");
        }
    }

    #[test]
    fn what_is_no_such_answer_says_nothing() {
        for other in [
            json!({}),
            json!({"EffectivePolicyValidationErrors": null}),
            json!({"PolicyType": "TAG_POLICY", "EffectivePolicyValidationErrors": []}),
        ] {
            assert!(Validation::from_json(&other).is_err(), "{other}");
        }
    }
}
