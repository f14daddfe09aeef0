//! Worlds for tests, from files as in a world's folder.

use super::*;

/// Makes a world from these files.
pub(crate) fn world(files: &[(&str, Value)]) -> World {
    let mut world = World::default();
    for (path, json) in files {
        world.add(&SnapshotPath::parse(path).unwrap(), json.to_string().as_bytes()).unwrap();
    }
    world
}

/// DescribeEffectivePolicy's response with this content.
pub(crate) fn described(content: &Value) -> Value {
    serde_json::json!({"EffectivePolicy": {"PolicyContent": content.to_string(), "PolicyType": "BEDROCK_POLICY"}})
}

/// DescribePolicy's response with this content.
pub(crate) fn policy(policy_type: &str, content: &Value) -> Value {
    serde_json::json!({"Policy": {"PolicySummary": {"Type": policy_type, "Name": "test"}, "Content": content.to_string()}})
}

/// The given hour on 2026-11-20.
pub(crate) fn hour(hour: u8) -> Timestamp {
    Timestamp::parse(&format!("2026-11-20T{hour:02}:00:00Z")).unwrap()
}
