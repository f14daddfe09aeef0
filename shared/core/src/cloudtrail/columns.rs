//! Rows of tables that hold one record each: CloudTrail Lake, Athena and Logs Insights return such rows, as JSON or as CSV.
//!
//! Tables change what CloudTrail writes: the names of columns lose their capitals, times lose their `T`, and structures become strings,
//! either of JSON or in the notation of Hive and Trino: `{type=AssumedRole, sessioncontext={sessionissuer={arn=…}}}`.

use serde_json::{Map, Value, map::Entry};

use super::fields::{self, HIDDEN};

/// Turns a row back into the record that it stands for. `None` if no column holds the name of the operation.
pub(super) fn record_of(row: Map<String, Value>) -> Option<Value> {
    let mut record = Map::new();
    let mut flat = false;
    for (column, value) in row {
        let (head, rest) = column.split_once('.').map_or((column.as_str(), None), |(head, rest)| (head, Some(rest)));
        let Some(name) = fields::of_column(head) else {
            // The console's event history, downloaded as CSV.
            if head.eq_ignore_ascii_case("user name") {
                put(&mut record, &["userIdentity", "userName"], value);
            }
            continue;
        };
        match rest {
            Some(rest) => {
                flat |= name == "requestParameters";
                let path: Vec<&str> = std::iter::once(name).chain(rest.split('.')).collect();
                put(&mut record, &path, value);
            }
            None => {
                record.insert(name.to_owned(), member(name, value));
            }
        }
    }
    record.get("eventName").filter(|name| name.as_str().is_some_and(|name| !name.is_empty()))?;
    // A query selects its columns. A parameter that isn't among them may still have been in the request, so a missing guardrail proves
    // nothing.
    if flat && let Some(Value::Object(parameters)) = record.get_mut("requestParameters") {
        let is_of_guardrail = |name: &String| name.to_ascii_lowercase().contains("guardrail");
        if !parameters.keys().any(is_of_guardrail) {
            parameters.insert("guardrailConfig".to_owned(), HIDDEN.into());
        }
    }
    Some(Value::Object(record))
}

/// Inserts a value at a path of nested members and creates the objects on the way.
fn put(into: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [] => {}
        [last] => {
            into.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let inner = match into.entry((*first).to_owned()) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(Value::Object(Map::new())),
            };
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Converts a column's value to the type that the member of this name has in a record.
fn member(name: &str, value: Value) -> Value {
    match (name, value) {
        (_, Value::String(text)) if text.is_empty() || text == "null" || text == "NULL" => Value::Null,
        ("eventTime", Value::String(text)) => Value::String(time(&text)),
        ("userIdentity" | "resources" | "tlsDetails", value) => parts(structure(value)),
        ("requestParameters" | "responseElements" | "additionalEventData" | "serviceEventDetails", value) => structure(value),
        (_, value) => value,
    }
}

/// Converts `2026-11-20 10:00:00.000 UTC` to `2026-11-20T10:00:00.000Z`.
fn time(text: &str) -> String {
    let text = text.trim();
    match text.split_once(' ') {
        Some((date, rest)) if date.len() == 10 && rest.starts_with(|c: char| c.is_ascii_digit()) => {
            let rest = rest.trim_end_matches("UTC").trim_end_matches('Z').trim_end();
            format!("{date}T{rest}Z")
        }
        _ => text.to_owned(),
    }
}

/// Parses a structure from a string, in JSON or in the notation of Hive and Trino. Other values stay as they are.
fn structure(value: Value) -> Value {
    match value {
        Value::String(text) => {
            serde_json::from_str(&text).ok().or_else(|| Notation { rest: text.trim() }.whole()).unwrap_or(Value::String(text))
        }
        value => value,
    }
}

/// Renames the members of an identity or a resource to the names that CloudTrail gives them.
fn parts(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| (fields::of_part(&name).map_or(name, str::to_owned), parts(value)))
                .filter(|(_, value)| !matches!(value.as_str(), Some("null" | "")))
                .collect(),
        ),
        Value::Array(values) => values.into_iter().map(parts).collect(),
        value => value,
    }
}

/// A parser for the notation of Hive and Trino.
struct Notation<'t> {
    rest: &'t str,
}

/// Levels of nesting that are parsed at most; structures of a record have fewer.
const DEEPEST: u32 = 16;

impl Notation<'_> {
    fn whole(mut self) -> Option<Value> {
        let value = self.value(0).filter(|value| value.is_object() || value.is_array())?;
        self.rest.trim().is_empty().then_some(value)
    }

    fn value(&mut self, depth: u32) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        match self.rest.chars().next()? {
            // JSON within the notation: maps of strings have it as values.
            '{' | '[' if self.json_follows() => {
                let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<Value>();
                let value = values.next()?.ok()?;
                self.rest = self.rest.get(values.byte_offset()..)?;
                Some(value)
            }
            '{' => self.members(depth),
            '[' => self.elements(depth),
            _ => {
                let end = self.scalar_end();
                let (scalar, rest) = self.rest.split_at_checked(end)?;
                self.rest = rest;
                Some(if scalar == "null" { Value::Null } else { scalar.into() })
            }
        }
    }

    fn json_follows(&self) -> bool {
        self.rest.get(1..).is_some_and(|rest| rest.trim_start().starts_with('"') || rest.trim_start().starts_with("{\""))
    }

    fn members(&mut self, depth: u32) -> Option<Value> {
        let mut members = Map::new();
        self.rest = self.rest.get(1..)?.trim_start();
        loop {
            if let Some(rest) = self.rest.strip_prefix('}') {
                self.rest = rest;
                return Some(Value::Object(members));
            }
            let (name, rest) = self.rest.split_once('=')?;
            self.rest = rest;
            members.insert(name.trim().to_owned(), self.value(depth + 1)?);
            self.next_one();
        }
    }

    fn elements(&mut self, depth: u32) -> Option<Value> {
        let mut elements = Vec::new();
        self.rest = self.rest.get(1..)?.trim_start();
        loop {
            if let Some(rest) = self.rest.strip_prefix(']') {
                self.rest = rest;
                return Some(Value::Array(elements));
            }
            let before = self.rest.len();
            elements.push(self.value(depth + 1)?);
            self.next_one();
            if self.rest.len() == before {
                return None;
            }
        }
    }

    fn next_one(&mut self) {
        self.rest = self.rest.trim_start().trim_start_matches(',').trim_start();
    }

    /// The offset of the end of a scalar: before a closing bracket, or before a comma that another member follows.
    fn scalar_end(&self) -> usize {
        let text = self.rest;
        let ends = |(at, c): (usize, char)| match c {
            '}' | ']' => true,
            ',' => text.get(at + 1..).is_some_and(|behind| {
                let name = behind.trim_start().split(['=', ',', '}', ']']).next().unwrap_or_default();
                let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
                is_name && behind.trim_start().get(name.len()..).is_some_and(|rest| rest.starts_with('='))
            }),
            _ => false,
        };
        text.char_indices().find(|place| ends(*place)).map_or(text.len(), |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(row: Value) -> Option<Value> {
        let Value::Object(row) = row else { return None };
        record_of(row)
    }

    #[test]
    fn a_row_of_columns_is_a_record() {
        let row = json!({
            "eventname": "Converse", "eventtime": "2026-11-20 10:00:00.000", "awsregion": "us-east-1", "errorcode": "",
            "useridentity": "{type=AssumedRole, principalid=AROAX:s, arn=arn:aws:sts::1:assumed-role/app/s, accountid=1, \
                sessioncontext={attributes={mfaauthenticated=false}, sessionissuer={type=Role, arn=arn:aws:iam::1:role/app}}, invokedby=null}",
            "requestparameters": "{\"modelId\":\"a.b\"}", "resources": "[{arn=arn:aws:bedrock:x:1:guardrail/g, accountid=1, type=AWS::Bedrock::Guardrail}]",
            "partition_0": "2026",
        });
        let expected = json!({
            "eventName": "Converse", "eventTime": "2026-11-20T10:00:00.000Z", "awsRegion": "us-east-1", "errorCode": null,
            "userIdentity": {"type": "AssumedRole", "principalId": "AROAX:s", "arn": "arn:aws:sts::1:assumed-role/app/s", "accountId": "1",
                "sessionContext": {"attributes": {"mfaAuthenticated": "false"}, "sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::1:role/app"}},
                "invokedBy": null},
            "requestParameters": {"modelId": "a.b"},
            "resources": [{"arn": "arn:aws:bedrock:x:1:guardrail/g", "accountId": "1", "type": "AWS::Bedrock::Guardrail"}],
        });
        assert_eq!(record(row), Some(expected));
        assert_eq!(record(json!({"eventsource": "x"})), None);
    }

    #[test]
    fn maps_of_strings_hold_json() {
        let row = json!({"eventName": "Converse", "requestParameters": "{modelId=a.b, guardrailConfig={\"guardrailIdentifier\":\"g\"}, text=a, b}"});
        assert_eq!(
            record(row).unwrap()["requestParameters"],
            json!({"modelId": "a.b", "guardrailConfig": {"guardrailIdentifier": "g"}, "text": "a, b"})
        );
    }

    #[test]
    fn what_was_not_asked_for_is_hidden() {
        let row = json!({"eventName": "Converse", "requestParameters.modelId": "a.b", "userIdentity.arn": "arn:aws:iam::1:user/u"});
        let record = record(row).unwrap();
        assert_eq!(record["requestParameters"], json!({"modelId": "a.b", "guardrailConfig": HIDDEN}));
        assert_eq!(record["userIdentity"]["arn"], "arn:aws:iam::1:user/u");
    }

    #[test]
    fn a_structure_that_can_not_be_read_stays_a_text() {
        for text in ["{", "{a", "{a=", "[a, b", "{=}}", "plain", &"{a=".repeat(100)] {
            let row = json!({"eventName": "Converse", "requestParameters": text});
            assert!(record(row).unwrap()["requestParameters"].is_string(), "{text}");
        }
    }
}
