//! Model invocation logs: what they tell of guardrails, and nothing of what was said.
//!
//! The log of a call shows the guardrails that evaluated it if the response carried a trace (facts/06 §4). Prompts and completions
//! pass through this module's parser and are dropped in it.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, Region},
    json::{At, Object, Text},
    moment::Moment,
};

/// A `ModelInvocationLog`, reduced to evidence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InvocationLog {
    /// Joins the log to its CloudTrail record.
    pub request_id: String,
    /// The account that made the call.
    pub account: Option<AccountId>,
    /// Where it made it.
    pub region: Option<Region>,
    /// When.
    pub time: Option<Moment>,
    /// The guardrails that the trace lists.
    pub guardrails: Vec<TracedGuardrail>,
    /// A guardrail did something, and no trace tells which it was, or that it saw more than the answer.
    pub shows_unnamed: bool,
    /// Some evaluation guarded fewer characters than there were.
    pub partially_guarded: bool,
}

/// In what is kept of a log: stands for a guardrail that isn't named. Ids of guardrails are letters and digits.
pub(crate) const UNNAMED: &str = "*";

/// In what is kept of a log: the guardrail was enforced.
pub(crate) const ENFORCED: &str = "ENFORCED";

/// A guardrail in a response trace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TracedGuardrail {
    /// The key of the assessment: an id without account and Region.
    pub id: String,
    /// From `appliedGuardrailDetails`, where the trace has them.
    pub key: Option<GuardrailKey>,
    /// Likewise.
    pub version: Option<GuardrailVersion>,
    /// They say that the account or the organization enforced it.
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
    output: Object<RawOutput<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawOutput<'a> {
    #[serde(borrow)]
    output_body_json: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for InvocationLog {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Raw::deserialize(deserializer)?;
        let mut log = InvocationLog {
            request_id: raw.request_id.or_empty().to_owned(),
            account: raw.account_id.get().map(AccountId::from),
            region: raw.region.get().map(Region::from),
            time: raw.timestamp.get().and_then(Moment::parse),
            ..InvocationLog::default()
        };
        // Only bodies that can tell of a guardrail are looked into: the word is there, or may be there in escapes.
        let body = raw.output.0.output_body_json.map_or("null", RawValue::get);
        if (body.contains("guardrail") || body.contains("\\u"))
            && let Ok(body) = serde_json::from_str::<Value>(body)
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
    /// A stream's body is an array of chunks; only at these places a trace is the service's own word, not the model's.
    fn read_body(&mut self, body: &Value) {
        if let Value::Array(chunks) = body {
            return chunks.iter().for_each(|chunk| self.read_body(chunk));
        }
        // One of these is there whenever a guardrail applied, the other when it intervened (facts/06 §4).
        let stopped = [body.at("/stopReason"), body.at("/messageStop/stopReason")];
        self.shows_unnamed |= !body.at("/amazon-bedrock-guardrailAction").is_null()
            || stopped.iter().any(|reason| reason.as_str() == Some("guardrail_intervened"));
        for trace in [body.at("/amazon-bedrock-trace"), body.at("/trace"), body.at("/metadata/trace")] {
            let guardrail = &trace["guardrail"];
            // An assessment of the answer alone doesn't show that the guardrail saw what the model was asked.
            let known = self.guardrails.len();
            for side in ["outputs", "outputAssessments"] {
                self.read_assessments(&guardrail[side]);
            }
            self.shows_unnamed |= self.guardrails.len() > known;
            self.guardrails.truncate(known);
            for side in ["input", "inputAssessment"] {
                self.read_assessments(&guardrail[side]);
            }
        }
    }

    /// `{<id>: assessment}`, `{<id>: [assessment]}` or `[{<id>: assessment}]`.
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

/// Whether an origin is an enforcement: `ACCOUNT_ENFORCED`, `ORGANIZATION_ENFORCED` (facts/02 §6).
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
