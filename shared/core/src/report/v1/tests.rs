//! The schema of the report as JSON, made from the types, and compared with the one that programs rest on.

use std::{fs, path::Path};

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Report;

fn schema() -> Value {
    // Of what is written, not of what could be read: a field is always there unless it is left out on purpose.
    let generator = SchemaSettings::default().for_serialize().into_generator();
    serde_json::to_value(generator.into_root_schema_for::<Report<'static>>()).unwrap()
}

/// What the first schema says and the second one doesn't, as paths. Descriptions are for people.
fn lost(before: &Value, after: &Value, path: &str) -> Vec<String> {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let stated = before.iter().filter(|(key, value)| *key != "description" || value.is_object());
            stated.flat_map(|(key, value)| lost(value, after.get(key).unwrap_or(&Value::Null), &format!("{path}/{key}"))).collect()
        }
        (Value::Array(before), Value::Array(after)) => {
            before.iter().filter(|value| !after.contains(value)).map(|value| format!("{path}: {value}")).collect()
        }
        _ => (before != after).then(|| format!("{path}: {before}")).into_iter().collect(),
    }
}

#[test]
fn no_field_type_or_word_of_version_1_is_ever_lost() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/report-v1.schema.json");
    let schema = schema();
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    let written = fs::read_to_string(&path).unwrap_or_default();
    if !written.is_empty() {
        // Not even UPDATE_DOCS takes a field away.
        assert_eq!(lost(&serde_json::from_str(&written).unwrap(), &schema, ""), [""; 0], "programs rest on these");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &text).unwrap();
    } else {
        assert!(written == text, "docs/report-v1.schema.json is not current: run the tests with UPDATE_DOCS=1");
    }
}

#[test]
fn a_field_that_is_removed_renamed_or_of_another_type_is_noticed() {
    let schema = schema();
    assert_eq!(lost(&schema, &schema, ""), [""; 0]);
    let without = |pointer: &str, key: &str| {
        let mut changed = schema.clone();
        changed.pointer_mut(pointer).unwrap().as_object_mut().unwrap().shift_remove(key).unwrap();
        lost(&schema, &changed, "")
    };
    assert_eq!(without("/properties", "blind").len(), 1);
    assert_eq!(without("/$defs/Finding/properties", "reopened").len(), 1);
    let mut other = schema.clone();
    *other.pointer_mut("/$defs/Finding/properties/count/type").unwrap() = "string".into();
    assert_eq!(lost(&schema, &other, ""), ["/$defs/Finding/properties/count/type: \"integer\""]);
    let mut fewer = schema.clone();
    fewer.pointer_mut("/$defs/Finding/properties/status/enum").unwrap().as_array_mut().unwrap().pop();
    assert_eq!(lost(&schema, &fewer, ""), ["/$defs/Finding/properties/status/enum: \"RESOLVED\""]);
    let mut described = schema.clone();
    *described.pointer_mut("/$defs/Finding/description").unwrap() = "otherwise".into();
    assert_eq!(lost(&schema, &described, ""), [""; 0]);
    // What is there always may not become absent.
    let mut optional = schema.clone();
    optional.pointer_mut("/required").unwrap().as_array_mut().unwrap().pop();
    assert_eq!(lost(&schema, &optional, "").len(), 1);
}
