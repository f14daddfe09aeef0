//! Merges the responses about trails that a telemetry file may hold: of one trail or several, merged already or one after another.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{InvocationLogging, Selectors, Telemetry, Trail, collect_stores, member};
use crate::arn::short;

/// Members of a response about a trail, in the API's spelling.
const OF_A_TRAIL: [&str; 6] = ["TrailARN", "TrailArn", "Name", "IsLogging", "AdvancedEventSelectors", "EventSelectors"];

impl Telemetry {
    /// Reads a trail or a list of trails: GetEventSelectors' response, possibly merged with those of GetTrailStatus, GetTrail or
    /// DescribeTrails.
    ///
    /// # Errors
    ///
    /// If the JSON is something else; the text names what it is.
    pub fn from_json(json: &Value) -> Result<Self, String> {
        let answers = trails(json)?;
        let logging = answers.iter().find_map(|answer| answer.get("loggingConfig"));
        let mut stores = BTreeSet::new();
        for answer in &answers {
            collect_stores(answer, &mut stores);
        }
        let telemetry = Telemetry {
            trails: answers.iter().filter(|answer| is_trail(answer)).map(Trail::from_json).collect(),
            invocation_logging: logging.map(InvocationLogging::from_json),
            stores,
        };
        let says_something = |trail: &Trail| trail.selectors.is_some() || (trail.is_logging == Some(false) && trail.name.is_some());
        if telemetry.trails.is_empty() || telemetry.trails.iter().any(says_something) {
            Ok(telemetry)
        } else {
            Err("it doesn't say what the trails record: ask GetEventSelectors for each trail, and put in `IsLogging` of its \
                 GetTrailStatus"
                .to_owned())
        }
    }
}

impl Trail {
    fn from_json(json: &Value) -> Self {
        let name = name(json);
        Trail {
            name: name.map(|name| short(name).to_owned()),
            arn: name.filter(|name| name.starts_with("arn:")).map(str::to_owned),
            is_logging: member(json, "IsLogging").as_bool(),
            selectors: Selectors::read(json),
        }
    }
}

/// Returns one object for each trail, and possibly one for model invocation logging. The error names what the JSON is instead.
fn trails(json: &Value) -> Result<Vec<Value>, String> {
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
    // GetTrailStatus' response doesn't name its trail. If there is only one trail, it belongs to that one.
    let is_nameless_status = |trail: &Map<String, Value>| trail.contains_key("IsLogging") && !names_or_selects(trail);
    let (statuses, mut trails): (Vec<_>, Vec<_>) = trails.into_iter().partition(is_nameless_status);
    let mut named = trails.iter_mut().filter(|trail| is_trail(&Value::Object((*trail).clone())));
    match (statuses.as_slice(), named.next(), named.next()) {
        ([status], Some(trail), None) => trail.extend(status.clone()),
        _ => trails.extend(statuses),
    }
    Ok(trails.into_iter().map(Value::Object).collect())
}

/// Whether an object is a response about a trail rather than about model invocation logging.
fn is_trail(answer: &Value) -> bool {
    OF_A_TRAIL.iter().any(|name| !member(answer, name).is_null())
}

/// The ARN of the trail, or its name.
fn name(answer: &Value) -> Option<&str> {
    ["TrailARN", "TrailArn", "Name"].iter().find_map(|name| member(answer, name).as_str())
}

fn names_or_selects(trail: &Map<String, Value>) -> bool {
    let trail = Value::Object(trail.clone());
    name(&trail).is_some() || Selectors::read(&trail).is_some()
}

/// Splits the response of GetTrail, ListTrails or DescribeTrails into one object per trail.
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

/// Merges a response about a trail with earlier ones about the same trail.
fn join(trails: &mut Vec<Map<String, Value>>, members: Map<String, Value>) {
    let names = |trail: &Map<String, Value>| {
        let text = |key: &str| trail.get(key).and_then(Value::as_str).map(str::to_owned);
        let arn = text("TrailARN").or_else(|| text("TrailArn"));
        let name = arn.as_deref().map(short).map(str::to_owned).or_else(|| text("Name"));
        (arn, name)
    };
    let (arn, name) = names(&members);
    let is_same = |trail: &&mut Map<String, Value>| match (names(trail), &arn, &name) {
        ((Some(before), _), Some(arn), _) => before == *arn,
        ((_, Some(before)), _, Some(name)) => before == *name,
        _ => false,
    };
    match trails.iter_mut().find(is_same) {
        Some(trail) => trail.extend(members),
        None => trails.push(members),
    }
}
