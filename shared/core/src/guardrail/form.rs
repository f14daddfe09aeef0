//! Recognises the JSON that a user passes as a guardrail: GetGuardrail's response, or a request that writes a guardrail. Anything else is
//! refused with its name, because read as a guardrail it would be one without controls.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::CanonicalGuardrail;

/// JSON that doesn't contain the content of a guardrail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an answer of GetGuardrail: {0}")]
pub struct NoGuardrail(Cow<'static, str>);

/// The command that prints GetGuardrail's response.
const GET: &str = "`aws bedrock get-guardrail --guardrail-identifier ID --guardrail-version VERSION`";

/// Reads the content of a guardrail from GetGuardrail's response, or from a request of CreateGuardrail or UpdateGuardrail.
pub fn read(json: &Value) -> Result<CanonicalGuardrail, NoGuardrail> {
    let members = match json {
        Value::Object(members) => members,
        Value::Array(values) => match values.as_slice() {
            [one] => return read(one),
            several => return Err(NoGuardrail(format!("it is a list of {}; each guardrail is a file of its own", several.len()).into())),
        },
        _ => return Err(NoGuardrail("it is no JSON object".into())),
    };
    let has = |name: &str| members.get(name).is_some_and(|value| !value.is_null() && value != "");
    if ["nextToken", "NextToken", "next_token"].into_iter().any(has) {
        return Err(NoGuardrail(format!("it is one page of a list, and its token says that more follows; give what {GET} prints").into()));
    }
    if is_request(members) {
        return Ok(CanonicalGuardrail::from_get_guardrail(&answer_of_request(members)));
    }
    if ["guardrailId", "guardrailArn"].into_iter().any(|name| members.get(name).is_some_and(Value::is_string)) {
        return match of_writing(members) {
            Some(operation) => {
                Err(NoGuardrail(format!("it is an answer of {operation}, which holds no content; give what {GET} prints").into()))
            }
            None => Ok(CanonicalGuardrail::from_get_guardrail(json)),
        };
    }
    // An envelope such as `{"guardrail": {…}}`.
    if let [(_, inner @ Value::Object(_))] = &members.iter().collect::<Vec<_>>()[..]
        && ["guardrailId", "guardrailArn"].into_iter().any(|name| inner.get(name).is_some())
    {
        return read(inner);
    }
    if members.contains_key("guardrailId") {
        return Err(NoGuardrail("it says that there is no such guardrail".into()));
    }
    Err(NoGuardrail(match OTHERS.iter().find(|(member, _)| has(member)) {
        Some((_, what)) => format!("it is {what}; give what {GET} prints").into(),
        None => format!("no `guardrailId`; give what {GET} prints").into(),
    }))
}

/// Other kinds of JSON, each recognised by a member that only it has.
const OTHERS: &[(&str, &str)] = &[
    ("guardrails", "an answer of ListGuardrails, which holds no content"),
    ("guardrailsConfig", "an answer of ListEnforcedGuardrailsConfiguration, which names a guardrail and doesn't hold it"),
    ("guardrailInferenceConfig", "a request of PutEnforcedGuardrailConfiguration, which names a guardrail and doesn't hold it"),
    ("resourcePolicy", "an answer of GetResourcePolicy"),
    ("Policy", "an answer of DescribePolicy, of AWS Organizations"),
    ("EffectivePolicy", "an answer of DescribeEffectivePolicy, of AWS Organizations"),
    ("bedrock", "a Bedrock policy of AWS Organizations, which names a guardrail and doesn't hold it"),
    ("Resources", "a CloudFormation template"),
    ("Properties", "a resource of a CloudFormation template"),
    ("terraform_version", "Terraform's state or plan"),
    ("Records", "a CloudTrail log file, and CloudTrail doesn't show a guardrail's content"),
    ("eventName", "a CloudTrail record, and CloudTrail doesn't show a guardrail's content"),
    ("detail", "an event of EventBridge, and CloudTrail doesn't show a guardrail's content"),
    ("assessments", "an answer of ApplyGuardrail, which shows what a guardrail found"),
    ("arn", "an item of ListGuardrails' answer, which holds no content"),
    ("GuardrailId", "one with other names of members than the AWS CLI prints"),
];

/// The operation whose response this is, if it is the response to a write, which identifies the guardrail and has no content.
fn of_writing(members: &Map<String, Value>) -> Option<&'static str> {
    let only = members.keys().all(|name| ["guardrailId", "guardrailArn", "version", "createdAt", "updatedAt"].contains(&name.as_str()));
    match (only, members.contains_key("createdAt"), members.contains_key("updatedAt")) {
        (true, true, false) => Some("CreateGuardrail"),
        (true, false, true) => Some("UpdateGuardrail"),
        _ => None,
    }
}

/// Whether it is a request of CreateGuardrail or UpdateGuardrail.
fn is_request(members: &Map<String, Value>) -> bool {
    members.iter().any(|(name, value)| name.ends_with("PolicyConfig") && !value.is_null())
}

/// Converts a request to the response that GetGuardrail would return afterwards: `contentPolicyConfig.filtersConfig` in the request is
/// `contentPolicy.filters` in the response.
fn answer_of_request(request: &Map<String, Value>) -> Value {
    let mut answer = Map::new();
    for (name, value) in request {
        let is_policy = name.ends_with("PolicyConfig");
        match (name.as_str(), value) {
            ("crossRegionConfig", Value::Object(config)) => {
                let profile = config.get("guardrailProfileIdentifier").cloned().unwrap_or_default();
                answer.insert("crossRegionDetails".to_owned(), Value::Object(Map::from_iter([("guardrailProfileId".to_owned(), profile)])));
            }
            ("guardrailIdentifier", _) => {}
            ("kmsKeyId", _) => {
                answer.insert("kmsKeyArn".to_owned(), value.clone());
            }
            (_, Value::Object(policy)) if is_policy => {
                let policy = policy.iter().map(|(name, value)| (without_config(name), value.clone())).collect();
                answer.insert(without_config(name), Value::Object(policy));
            }
            _ => {
                answer.insert(if is_policy { without_config(name) } else { name.clone() }, value.clone());
            }
        }
    }
    Value::Object(answer)
}

fn without_config(name: &str) -> String {
    name.strip_suffix("Config").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::guardrail::{Comparison, compare};

    #[test]
    fn a_request_is_read_as_the_guardrail_that_it_makes() {
        let entry = |more: Value| {
            let mut entry = json!({"inputAction": "BLOCK", "outputAction": "NONE", "inputEnabled": true});
            entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            entry
        };
        let filter = entry(json!({"type": "HATE", "inputStrength": "HIGH", "outputStrength": "LOW", "inputModalities": ["TEXT", "IMAGE"]}));
        let (topic, word) =
            (entry(json!({"name": "t", "definition": "d", "examples": ["e"], "type": "DENY"})), entry(json!({"text": "w"})));
        let (list, entity) = (entry(json!({"type": "PROFANITY"})), entry(json!({"type": "EMAIL", "action": "BLOCK"})));
        let regex = entry(json!({"name": "r", "pattern": "p", "action": "ANONYMIZE"}));
        let grounding = json!({"type": "GROUNDING", "threshold": 0.7, "action": "BLOCK", "enabled": true});
        let request = json!({"guardrailIdentifier": "abc", "name": "n", "blockedInputMessaging": "m", "blockedOutputsMessaging": "m",
            "contentPolicyConfig": {"filtersConfig": [filter], "tierConfig": {"tierName": "STANDARD"}},
            "topicPolicyConfig": {"topicsConfig": [topic], "tierConfig": {"tierName": "STANDARD"}},
            "wordPolicyConfig": {"wordsConfig": [word], "managedWordListsConfig": [list]},
            "sensitiveInformationPolicyConfig": {"piiEntitiesConfig": [entity], "regexesConfig": [regex]},
            "contextualGroundingPolicyConfig": {"filtersConfig": [grounding]},
            "automatedReasoningPolicyConfig": {"policies": ["arn:x"], "confidenceThreshold": 0.9},
            "crossRegionConfig": {"guardrailProfileIdentifier": "us.guardrail.v1:0"}, "kmsKeyId": "k", "tags": [], "clientRequestToken": "c"});
        let answer = json!({"guardrailId": "abc", "guardrailArn": "arn", "version": "DRAFT", "status": "READY", "name": "n",
            "blockedInputMessaging": "m", "blockedOutputsMessaging": "m",
            "contentPolicy": {"filters": [filter], "tier": {"tierName": "STANDARD"}},
            "topicPolicy": {"topics": [topic], "tier": {"tierName": "STANDARD"}},
            "wordPolicy": {"words": [word], "managedWordLists": [list]},
            "sensitiveInformationPolicy": {"piiEntities": [entity], "regexes": [regex]},
            "contextualGroundingPolicy": {"filters": [grounding]},
            "automatedReasoningPolicy": {"policies": ["arn:x"], "confidenceThreshold": 0.9},
            "crossRegionDetails": {"guardrailProfileId": "us.guardrail.v1:0"}, "kmsKeyArn": "k"});
        let (of_request, of_answer) = (read(&request).unwrap(), read(&answer).unwrap());
        assert_eq!(compare(&of_request, &of_answer), Comparison::Equal);
        assert!(of_answer.controls.len() > 15 && of_request.unknown().next().is_none(), "{:?}", of_request.controls);
        assert_eq!(read(&json!([answer])).unwrap(), of_answer);
        assert_eq!(read(&json!({"guardrail": answer})).unwrap(), of_answer);
        let mut newer = request;
        newer["contentPolicyConfig"]["modeConfig"] = json!("MONITOR");
        assert_eq!(compare(&of_answer, &read(&newer).unwrap()), Comparison::Incomparable, "what is new in a request is new");
    }

    #[test]
    fn what_is_no_guardrail_is_told_by_name() {
        for (json, what) in [
            (json!({"guardrails": [{"id": "a", "name": "n"}]}), "ListGuardrails"),
            (json!({"id": "a", "arn": "b", "name": "n", "status": "READY", "version": "1"}), "ListGuardrails"),
            (json!({"guardrails": [], "nextToken": "t"}), "one page"),
            (json!({"guardrailId": "a", "name": "n", "status": "READY", "nextToken": "t"}), "one page"),
            (json!({"Guardrail": {"guardrailId": "a"}, "NextToken": "t"}), "one page"),
            (json!({"guardrailId": "a", "guardrailArn": "b", "version": "DRAFT", "createdAt": "c"}), "CreateGuardrail"),
            (json!({"guardrailId": "a", "guardrailArn": "b", "version": "DRAFT", "updatedAt": "c"}), "UpdateGuardrail"),
            (json!({"guardrailId": null}), "no such guardrail"),
            (json!({"Resources": {"G": {"Type": "AWS::Bedrock::Guardrail"}}}), "CloudFormation"),
            (json!({"eventVersion": "1.11", "eventName": "GetGuardrail"}), "CloudTrail"),
            (json!({"Records": []}), "CloudTrail"),
            (json!({"guardrailsConfig": []}), "ListEnforcedGuardrailsConfiguration"),
            (json!({"Policy": {"Content": "x"}}), "DescribePolicy"),
            (json!([{"guardrailId": "a"}, {"guardrailId": "b"}]), "a list of 2"),
            (json!({}), "no `guardrailId`"),
            (json!("x"), "no JSON object"),
        ] {
            let error = read(&json).unwrap_err().to_string();
            assert!(error.starts_with("not an answer of GetGuardrail: ") && error.contains(what), "{json}: {error}");
        }
    }
}
