//! Parses model invocation logs and keeps only what they show about guardrails.
//!
//! A log shows the guardrails that evaluated a call if the response contained a trace (docs/aws/invocation-logs.md#guardrails). Prompts and
//! completions are dropped while parsing.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, Region},
    json::{At, Object, Text},
    timestamp::Timestamp,
};

/// A model invocation log, reduced to evidence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InvocationLog {
    /// The id of the request, which joins the log to its CloudTrail record.
    pub request_id: String,
    /// The account that made the call.
    pub account: Option<AccountId>,
    /// The Region of the call.
    pub region: Option<Region>,
    /// The time of the call.
    pub time: Option<Timestamp>,
    /// The guardrails in the trace.
    pub guardrails: Vec<TracedGuardrail>,
    /// A guardrail evaluated the call, but the log doesn't show which one, or shows only that it evaluated the response.
    pub shows_unnamed: bool,
    /// An evaluation guarded fewer characters than there were.
    pub partially_guarded: bool,
    /// The response, with its trace, was written to an object of its own and not read.
    pub body_elsewhere: bool,
}

/// In the stored form of a log: the response was written elsewhere.
pub(crate) const BODY_ELSEWHERE: &str = "@";

/// In the stored form of a log: a guardrail without a name. Ids of guardrails are letters and digits.
pub(crate) const UNNAMED: &str = "*";

/// In the stored form of a log: the guardrail was enforced.
pub(crate) const ENFORCED: &str = "ENFORCED";

/// A guardrail in the trace of a response.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TracedGuardrail {
    /// The key of its assessment: its id, without account and Region.
    pub id: String,
    /// Its identity from `appliedGuardrailDetails`, if the trace has them.
    pub key: Option<GuardrailKey>,
    /// Its version from `appliedGuardrailDetails`.
    pub version: Option<GuardrailVersion>,
    /// Whether `appliedGuardrailDetails` show that the account or the organization enforced it.
    pub enforced: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Raw<'a> {
    #[serde(borrow)]
    request_id: Text<'a>,
    #[serde(borrow)]
    account_id: Text<'a>,
    #[serde(borrow)]
    region: Text<'a>,
    #[serde(borrow)]
    timestamp: Text<'a>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawOutput<'a> {
    #[serde(borrow)]
    output_body_json: Option<&'a RawValue>,
    #[serde(borrow, rename = "outputBodyS3Path")]
    output_body_s3_path: Text<'a>,
}

/// Levels of JSON within strings that are read at most. Exports turn structures into strings, and tables do so once more.
const DEEPEST: u32 = 4;

/// The JSON within a string of JSON; other JSON as it is.
fn unquoted(json: &str) -> Cow<'_, str> {
    let mut json = Cow::Borrowed(json.trim());
    for _ in 0..DEEPEST {
        match serde_json::from_str::<String>(&json) {
            Ok(inner) if inner.trim_start().starts_with(['{', '[', '"']) => json = Cow::Owned(inner),
            _ => break,
        }
    }
    json
}

impl<'de> Deserialize<'de> for InvocationLog {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Raw::deserialize(deserializer)?;
        let mut log = InvocationLog {
            request_id: raw.request_id.or_empty().to_owned(),
            account: raw.account_id.get().map(AccountId::from),
            region: raw.region.get().map(Region::from),
            time: raw.timestamp.get().and_then(Timestamp::parse),
            ..InvocationLog::default()
        };
        let output = unquoted(raw.output.map_or("null", RawValue::get));
        let output = serde_json::from_str::<Object<RawOutput<'_>>>(&output).unwrap_or_default().0;
        log.body_elsewhere = output.output_body_json.is_none() && output.output_body_s3_path.get().is_some();
        let body = unquoted(output.output_body_json.map_or("null", RawValue::get));
        // Parses only bodies that contain the word guardrail, or escapes that may hide it.
        if (body.contains("guardrail") || body.contains("\\u"))
            && let Ok(body) = serde_json::from_str::<Value>(&body)
        {
            log.read_body(&body);
            log.guardrails.sort();
            log.guardrails.dedup();
            log.shows_unnamed &= log.guardrails.is_empty();
        }
        Ok(log)
    }
}

impl InvocationLog {
    /// Reads the trace from the members in which the service writes it. Elsewhere, text that looks like a trace may come from the model.
    /// The body of a stream is an array of chunks.
    fn read_body(&mut self, body: &Value) {
        if let Value::Array(chunks) = body {
            return chunks.iter().for_each(|chunk| self.read_body(chunk));
        }
        // A chunk of a stream may be a string, as the body of a response may.
        if let Value::String(text) = body {
            if let Ok(chunk @ Value::Object(_)) = serde_json::from_str(&unquoted(text)) {
                self.read_body(&chunk);
            }
            return;
        }
        // The service sets one of these when a guardrail applied, the other when it intervened (docs/aws/invocation-logs.md#guardrails).
        let stopped = [body.at("/stopReason"), body.at("/messageStop/stopReason")];
        self.shows_unnamed |= !body.at("/amazon-bedrock-guardrailAction").is_null()
            || stopped.iter().any(|reason| reason.as_str() == Some("guardrail_intervened"));
        for trace in [body.at("/amazon-bedrock-trace"), body.at("/trace"), body.at("/metadata/trace")] {
            let trace = structure(trace);
            let guardrail = structure(trace.at("/guardrail"));
            let side = |side: &str| guardrail.get(side).unwrap_or(&Value::Null);
            // An assessment of the response alone doesn't show that the guardrail evaluated the prompt.
            let known = self.guardrails.len();
            for outputs in ["output", "outputs", "outputAssessment", "outputAssessments"] {
                self.read_assessments(side(outputs));
            }
            self.shows_unnamed |= self.guardrails.len() > known;
            self.guardrails.truncate(known);
            for inputs in ["input", "inputAssessment", "inputAssessments"] {
                self.read_assessments(side(inputs));
            }
        }
    }

    /// Reads assessments in each of their forms: `{<id>: assessment}`, `{<id>: [assessment]}` or `[{<id>: assessment}]`.
    fn read_assessments(&mut self, assessments: &Value) {
        match assessments {
            Value::Array(list) => list.iter().for_each(|assessments| self.read_assessments(assessments)),
            Value::Object(by_id) => {
                for (id, assessment) in by_id {
                    match assessment {
                        Value::Array(list) => list.iter().for_each(|assessment| self.read_assessment(id, assessment)),
                        assessment => self.read_assessment(id, assessment),
                    }
                }
            }
            _ => {}
        }
    }

    fn read_assessment(&mut self, id: &str, assessment: &Value) {
        let details = assessment.at("/appliedGuardrailDetails");
        self.guardrails.push(TracedGuardrail {
            id: id.to_owned(),
            key: details["guardrailArn"].as_str().and_then(GuardrailVersionArn::split).map(|(key, _)| key),
            version: details["guardrailVersion"].as_str().and_then(GuardrailVersion::parse),
            enforced: details["guardrailOrigin"].as_array().into_iter().flatten().any(by_enforcement),
        });
        let characters = assessment.at("/invocationMetrics/guardrailCoverage/textCharacters");
        if let (Some(guarded), Some(total)) = (characters["guarded"].as_u64(), characters["total"].as_u64()) {
            self.partially_guarded |= guarded < total;
        }
    }
}

/// A structure, or the structure within a string.
fn structure(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::String(text) => serde_json::from_str(&unquoted(text)).map_or(Cow::Borrowed(&Value::Null), Cow::Owned),
        value => Cow::Borrowed(value),
    }
}

/// Whether an origin shows enforcement: `ACCOUNT_ENFORCED`, `ORGANIZATION_ENFORCED` (docs/aws/enforcement.md#trace).
fn by_enforcement(origin: &Value) -> bool {
    origin.as_str().is_some_and(|origin| origin.ends_with("_ENFORCED"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> InvocationLog {
        let log = json!({"schemaType": "ModelInvocationLog", "requestId": "r-1", "accountId": "1", "region": "us-east-1",
            "timestamp": "2026-11-20T10:00:00Z", "input": {"inputBodyJson": {"prompt": "secret"}}, "output": {"outputBodyJson": body}});
        serde_json::from_str(&log.to_string()).unwrap()
    }

    fn coverage(guarded: u32, total: u32) -> Value {
        json!({"invocationMetrics": {"guardrailCoverage": {"textCharacters": {"guarded": guarded, "total": total}}}})
    }

    #[test]
    fn guardrails_are_found_in_each_form_of_a_trace() {
        for body in [
            json!({"amazon-bedrock-trace": {"guardrail": {"input": {"abc": coverage(5, 5)}, "outputs": [{"abc": coverage(5, 5)}]}}}),
            json!({"trace": {"guardrail": {"inputAssessment": {"abc": coverage(5, 5)}, "outputAssessments": {"abc": [coverage(5, 5)]}}}}),
            json!([{"contentBlockDelta": {}}, {"metadata": {"trace": {"guardrail": {"inputAssessment": {"abc": {}}}}}}]),
        ] {
            let log = read(&body);
            assert_eq!(log.guardrails.iter().map(|traced| traced.id.as_str()).collect::<Vec<_>>(), ["abc"], "{body}");
            assert!(!log.partially_guarded);
        }
    }

    #[test]
    fn a_body_in_a_string_is_read_as_the_body() {
        let body = json!({"trace": {"guardrail": {"inputAssessment": {"abc": coverage(3, 5)}}}});
        let twice = Value::from(Value::from(body.to_string()).to_string());
        for stringified in [Value::from(body.to_string()), twice, json!([body.to_string()]), json!({"trace": body["trace"].to_string()})] {
            let log = read(&stringified);
            assert_eq!((log.guardrails.len(), log.partially_guarded), (1, true), "{stringified}");
        }
        let output = json!({"outputBodyJson": body.to_string()}).to_string();
        let log = json!({"schemaType": "ModelInvocationLog", "requestId": "r-1", "output": output}).to_string();
        assert_eq!(serde_json::from_str::<InvocationLog>(&log).unwrap().guardrails.len(), 1);
        assert!(read(&json!("{\"guardrail\": ")).guardrails.is_empty());
    }

    #[test]
    fn an_answer_that_lies_elsewhere_is_told() {
        let log = |output: Value| {
            let log = json!({"schemaType": "ModelInvocationLog", "requestId": "r-1", "output": output}).to_string();
            serde_json::from_str::<InvocationLog>(&log).unwrap()
        };
        assert!(log(json!({"outputBodyS3Path": "s3://logs/data/r-1_output.json.gz"})).body_elsewhere);
        assert!(!log(json!({"outputBodyJson": {}, "outputBodyS3Path": null})).body_elsewhere);
        assert!(!log(json!({"outputTokenCount": 5})).body_elsewhere);
    }

    #[test]
    fn applied_details_name_the_guardrail_in_full() {
        let log = read(&json!({"trace": {"guardrail": {"inputAssessment": {"abc": {"appliedGuardrailDetails": {
            "guardrailArn": "arn:aws:bedrock:us-east-1:111122223333:guardrail/abc", "guardrailVersion": "3", "guardrailOrigin": ["ORGANIZATION_ENFORCED"]}}}}}}));
        assert_eq!(log.guardrails[0].key.as_ref().unwrap().account, "111122223333".into());
        assert_eq!(log.guardrails[0].version, Some(GuardrailVersion::Numbered(3)));
        assert!(log.guardrails[0].enforced);
        let requested = read(&json!({"trace": {"guardrail": {"inputAssessment": {"abc": {"appliedGuardrailDetails": {
            "guardrailArn": "arn:aws:bedrock:us-east-1:111122223333:guardrail/abc", "guardrailVersion": "3", "guardrailOrigin": ["REQUEST"]}}}}}}));
        assert!(!requested.guardrails[0].enforced);
    }

    #[test]
    fn what_a_guardrail_did_shows_without_a_trace() {
        for body in [
            json!({"amazon-bedrock-guardrailAction": "NONE"}),
            json!({"stopReason": "guardrail_intervened"}),
            json!([{"contentBlockDelta": {}}, {"messageStop": {"stopReason": "guardrail_intervened"}}]),
        ] {
            assert!(read(&body).shows_unnamed, "{body}");
        }
        let named = json!({"amazon-bedrock-guardrailAction": "NONE", "amazon-bedrock-trace": {"guardrail": {"input": {"abc": {}}}}});
        assert!(!read(&named).shows_unnamed, "a trace says which");
        assert!(!read(&json!({"stopReason": "end_turn", "content": [{"stopReason": "guardrail_intervened"}]})).shows_unnamed);
    }

    #[test]
    fn an_assessment_of_the_answer_alone_names_nothing() {
        for body in [
            json!({"amazon-bedrock-trace": {"guardrail": {"outputs": [{"abc": coverage(5, 5)}]}}}),
            json!([{"metadata": {"trace": {"guardrail": {"outputAssessments": {"abc": [coverage(3, 5)]}}}}}]),
        ] {
            let log = read(&body);
            assert!(log.guardrails.is_empty() && log.shows_unnamed, "{body}");
        }
        let both = read(&json!([{"metadata": {"trace": {"guardrail": {"outputAssessments": {"abc": [{}]}}}}},
            {"metadata": {"trace": {"guardrail": {"inputAssessment": {"abc": {}}}}}}]));
        assert!(!both.guardrails.is_empty() && !both.shows_unnamed);
    }

    #[test]
    fn fewer_guarded_characters_than_there_were_is_partial() {
        assert!(read(&json!({"amazon-bedrock-trace": {"guardrail": {"input": {"abc": coverage(3, 5)}}}})).partially_guarded);
    }

    #[test]
    fn what_the_model_says_is_no_trace_and_no_text_is_kept() {
        let log = read(&json!({"content": [{"trace": {"guardrail": {"inputAssessment": {"abc": {}}}}}], "text": "\"guardrail\" secret"}));
        assert!(log.guardrails.is_empty());
        assert!(!format!("{log:?}").contains("secret"));
        assert!(read(&json!(null)).guardrails.is_empty());
        assert!(read(&json!("text with \"guardrail\"")).guardrails.is_empty());
    }
}
