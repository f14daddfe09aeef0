//! Recognises responses of AWS in the wrong file of a world, so that the error names what belongs there.

use serde_json::Value;

use super::{Entity, error::WorldError};
use crate::json::without_mark;

/// Other responses, each recognised by a member that the right one lacks.
const ANSWERS: &[(&str, &str)] = &[
    ("trailList", "DescribeTrails"),
    ("Trails", "ListTrails"),
    ("Trail", "GetTrail"),
    ("LatestDeliveryTime", "GetTrailStatus"),
    ("AdvancedEventSelectors", "GetEventSelectors"),
    ("EventSelectors", "GetEventSelectors"),
    ("EffectivePolicy", "DescribeEffectivePolicy"),
    ("EffectivePolicyValidationErrors", "ListEffectivePolicyValidationErrors"),
    ("Policies", "ListPolicies or ListPoliciesForTarget"),
    ("Targets", "ListTargetsForPolicy"),
    ("Policy", "DescribePolicy"),
    ("guardrailsConfig", "ListEnforcedGuardrailsConfiguration"),
    ("guardrails", "ListGuardrails"),
    ("guardrailId", "GetGuardrail"),
    ("inferenceProfileSummaries", "ListInferenceProfiles"),
    ("inferenceProfileId", "GetInferenceProfile"),
    ("agentSummaries", "ListAgents"),
    ("agent", "GetAgent"),
    ("flowSummaries", "ListFlows"),
    ("resourcePolicy", "GetResourcePolicy"),
    ("loggingConfig", "GetModelInvocationLoggingConfiguration"),
    ("MetricDataResults", "GetMetricData"),
    ("Accounts", "ListAccounts"),
    ("Events", "LookupEvents"),
    ("Records", "no operation: records of CloudTrail"),
];

/// Characters of a text that an error quotes at most.
const QUOTED: usize = 160;

/// Parses a file that must hold a complete response. The error names what the file holds instead.
pub(super) fn read(bytes: &[u8], entity: &Entity) -> Result<Value, WorldError> {
    let bytes = without_mark(bytes);
    let json: Value = serde_json::from_slice(bytes).map_err(|error| not_json(&String::from_utf8_lossy(bytes), entity, error))?;
    if is_page(&json) && !is_certain_although_cut(&json, entity) {
        let what = "a page of a list, not the whole: its token says that more follows; ask without `--max-items` and `--no-paginate`, or \
                    join the pages";
        return Err(WorldError::Unusable(what.to_owned()));
    }
    Ok(json)
}

/// The error for a text that isn't JSON.
fn not_json(text: &str, entity: &Entity, error: serde_json::Error) -> WorldError {
    let problem = if text.trim().is_empty() {
        "empty, as `>` leaves a file whose command failed".to_owned()
    } else if let Some(error) = error_of_command(text) {
        format!("what the AWS CLI says of an error, not an answer: {error}")
    } else if let Some(format) = other_format(text) {
        format!("not JSON, but as `--output {format}` prints it: ask with `--output json`")
    } else {
        return error.into();
    };
    let problem = match entity.none().filter(|_| !problem.contains("--output")) {
        Some(none) => format!("{problem}; where {} answers that there is none, write {none}", entity.operation()),
        None => problem,
    };
    WorldError::Unusable(problem)
}

/// The AWS CLI's error message in a text.
fn error_of_command(text: &str) -> Option<String> {
    const STARTS: [&str; 5] = ["An error occurred (", "aws: error", "aws: [ERROR]", "Unable to locate credentials", "usage: aws"];
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    STARTS.iter().any(|start| line.starts_with(start)).then(|| line.chars().take(QUOTED).collect())
}

/// The name of another output format of the AWS CLI.
fn other_format(text: &str) -> Option<&'static str> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let is_key = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_\"'-".contains(&byte));
    let yaml = line.strip_prefix("- ").unwrap_or(line).split_once(':');
    if line.starts_with("-----") || line.starts_with("+-") || line.starts_with('|') {
        Some("table")
    } else if line == "---" || yaml.is_some_and(|(key, rest)| is_key(key.trim()) && (rest.is_empty() || rest.starts_with(' '))) {
        Some("yaml")
    } else if line.contains('\t') || line == "None" || line.bytes().all(|byte| byte.is_ascii_uppercase()) {
        Some("text")
    } else {
        None
    }
}

/// Whether the response is one page of a longer list.
fn is_page(json: &Value) -> bool {
    const TOKENS: [&str; 5] = ["nextToken", "NextToken", "NextMarker", "nextMarker", "Marker"];
    let goes_on = |answer: &Value| {
        let is_set = |token: &&str| answer.get(*token).is_some_and(|token| !token.is_null() && token.as_str() != Some(""));
        TOKENS.iter().any(is_set) || answer.get("IsTruncated") == Some(&Value::Bool(true))
    };
    match json {
        Value::Array(answers) => answers.iter().any(goes_on),
        answer => goes_on(answer),
    }
}

/// Whether a page of a list proves enough: the errors in it exist, whatever the next pages contain.
fn is_certain_although_cut(json: &Value, entity: &Entity) -> bool {
    let errors = json.get("EffectivePolicyValidationErrors").and_then(Value::as_array);
    matches!(entity, Entity::InvalidPolicy(_)) && errors.is_some_and(|errors| !errors.is_empty())
}

/// Extends an error with a description of the right response.
pub(super) fn explained(error: WorldError, json: &Value, entity: &Entity) -> WorldError {
    let WorldError::Shape { operation, problem } = error else { return error };
    let problem = match trimmed(json, entity).or_else(|| of_another_operation(json, operation)) {
        Some(hint) => format!("{problem}; {hint}"),
        None => problem,
    };
    WorldError::Shape { operation, problem }
}

/// Recognises a response that `--query`, or another tool behind the command, reduced.
fn trimmed(json: &Value, entity: &Entity) -> Option<String> {
    let has = |key: &str| json.get(key).is_some();
    let without = |query: &str| Some(format!("it looks like what `--query {query}` leaves: ask without it"));
    match entity {
        Entity::EffectivePolicy(_) if has("PolicyContent") => without("EffectivePolicy"),
        Entity::EffectivePolicy(_) if has("bedrock") || json.is_string() => without("EffectivePolicy.PolicyContent"),
        Entity::EffectivePolicy(_) if json.pointer("/EffectivePolicy/PolicyContent").is_some_and(|content| !content.is_string()) => {
            Some("AWS answers with text there: leave out what reads it, such as `fromjson` of jq, or `--query`".to_owned())
        }
        Entity::Policy(_) if has("PolicySummary") || has("Content") => without("Policy"),
        Entity::Policy(_) if has("bedrock") || has("Statement") || json.is_string() => without("Policy.Content"),
        Entity::Policy(_) if json.pointer("/Policy/Content").is_some_and(|content| !content.is_string()) => {
            Some("AWS answers with text there: leave out what reads it, such as `fromjson` of jq, or `--query`".to_owned())
        }
        Entity::EnforcedConfigurations(..) if json.is_array() => without("guardrailsConfig"),
        Entity::EnforcedConfigurations(..) if has("guardrailIdentifier") || has("guardrailArn") => without("guardrailsConfig[0]"),
        Entity::InvalidPolicy(_) if json.is_array() => without("EffectivePolicyValidationErrors"),
        Entity::InferenceProfile(..) if json.is_array() => without("models"),
        Entity::ResourcePolicy(_) if has("Statement") => without("resourcePolicy"),
        Entity::Flow(..) if has("nodes") => without("definition"),
        Entity::Organization if json.is_array() => without("Accounts"),
        _ if !json.is_object() && !matches!(entity, Entity::Telemetry(..)) => without("…"),
        _ => None,
    }
}

fn of_another_operation(json: &Value, expected: &str) -> Option<String> {
    if let Some(code) = json.get("__type").or_else(|| json.pointer("/Error/Code")).and_then(Value::as_str) {
        return Some(format!("it is an error of AWS: {}", code.chars().take(QUOTED).collect::<String>()));
    }
    let members = json.as_object()?;
    let (_, operation) = ANSWERS.iter().find(|(member, operation)| *operation != expected && members.contains_key(*member))?;
    Some(format!("it looks like one of {operation}"))
}

#[cfg(test)]
mod tests;
