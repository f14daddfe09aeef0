//! The answers about trails that people put together: of one trail or a list, joined or one behind the other.

use serde_json::{Map, Value};

use super::member;
use crate::arn::short;

/// Members that say something of a trail, in the spelling of the API.
const OF_A_TRAIL: [&str; 6] = ["TrailARN", "TrailArn", "Name", "IsLogging", "AdvancedEventSelectors", "EventSelectors"];

/// One object for each trail, and perhaps one for the model invocation logging. The error says what else it is.
pub(super) fn trails(json: &Value) -> Result<Vec<Value>, String> {
    let answers = match json {
        Value::Array(answers) => answers.as_slice(),
        answer => std::slice::from_ref(answer),
    };
    let mut trails: Vec<Map<String, Value>> = Vec::new();
    for answer in answers {
        let Some(answer) = answer.as_object() else {
            return Err("neither a trail nor a list of trails".to_owned());
        };
        for trail in apart(answer) {
            if !is_trail(&Value::Object(trail.clone())) && !trail.contains_key("loggingConfig") {
                let are_selectors = ["FieldSelectors", "ReadWriteType"].iter().any(|key| trail.contains_key(*key));
                let why = if are_selectors { "selectors alone, as `--query` leaves them" } else { "it names no trail and no selectors" };
                return Err(why.to_owned());
            }
            join(&mut trails, trail);
        }
    }
    // The status of a trail doesn't name it: where there is one trail, it is that one's.
    let is_nameless_status = |trail: &Map<String, Value>| trail.contains_key("IsLogging") && !names_or_selects(trail);
    let (statuses, mut trails): (Vec<_>, Vec<_>) = trails.into_iter().partition(is_nameless_status);
    let mut named = trails.iter_mut().filter(|trail| is_trail(&Value::Object((*trail).clone())));
    match (statuses.as_slice(), named.next(), named.next()) {
        ([status], Some(trail), None) => trail.extend(status.clone()),
        _ => trails.extend(statuses),
    }
    Ok(trails.into_iter().map(Value::Object).collect())
}

/// Whether an object says anything of a trail; model invocation logging alone is none.
pub(super) fn is_trail(answer: &Value) -> bool {
    OF_A_TRAIL.iter().any(|name| !member(answer, name).is_null())
}

/// The trail's ARN, or its name.
pub(super) fn name(answer: &Value) -> Option<&str> {
    ["TrailARN", "TrailArn", "Name"].iter().find_map(|name| member(answer, name).as_str())
}

fn names_or_selects(trail: &Map<String, Value>) -> bool {
    let trail = Value::Object(trail.clone());
    name(&trail).is_some() || super::Selectors::read(&trail).is_some()
}

/// The trails of a GetTrail, ListTrails or DescribeTrails answer, each by itself.
fn apart(answer: &Map<String, Value>) -> Vec<Map<String, Value>> {
    let mut rest = answer.clone();
    let mut apart = Vec::new();
    for key in ["trailList", "Trails"] {
        if let Some(Value::Array(listed)) = rest.get(key) {
            apart.extend(listed.iter().filter_map(Value::as_object).cloned());
            rest.remove(key);
        }
    }
    if let Some(Value::Object(trail)) = rest.remove("Trail") {
        rest.extend(trail);
    }
    if !rest.is_empty() || apart.is_empty() {
        apart.push(rest);
    }
    apart
}

/// Adds what is said of a trail to what was said of it before.
fn join(trails: &mut Vec<Map<String, Value>>, said: Map<String, Value>) {
    let names = |trail: &Map<String, Value>| {
        let text = |key: &str| trail.get(key).and_then(Value::as_str).map(str::to_owned);
        let arn = text("TrailARN").or_else(|| text("TrailArn"));
        let name = arn.as_deref().map(short).map(str::to_owned).or_else(|| text("Name"));
        (arn, name)
    };
    let (arn, name) = names(&said);
    let is_same = |trail: &&mut Map<String, Value>| match (names(trail), &arn, &name) {
        ((Some(before), _), Some(arn), _) => before == *arn,
        ((_, Some(before)), _, Some(name)) => before == *name,
        _ => false,
    };
    match trails.iter_mut().find(is_same) {
        Some(trail) => trail.extend(said),
        None => trails.push(said),
    }
}
