//! Reads the policy documents in templates and files with the product's parser. Anything that the parser would ignore fails the test.

use audit_core::iam::{Condition, Document, Test};
use serde_json::{Value, json};

/// The elements that a statement may have.
const MEMBERS: [&str; 9] = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/// Reads a document, every element of which must be known to the parser.
#[must_use]
pub fn document(json: &Value) -> Document {
    let statements = json["Statement"].as_array().map_or(std::slice::from_ref(&json["Statement"]), Vec::as_slice);
    for statement in statements {
        let members = statement.as_object().unwrap_or_else(|| panic!("a statement is an object, not {statement}"));
        for member in members.keys() {
            assert!(MEMBERS.contains(&member.as_str()), "{member} in {statement}");
        }
        assert!(members.contains_key("Action") != members.contains_key("NotAction"), "a statement has Action or NotAction: {statement}");
        assert!(!(members.contains_key("Resource") && members.contains_key("NotResource")), "Resource or NotResource: {statement}");
    }
    let document = Document::read(json).unwrap();
    let unknown = |condition: &&Condition| matches!(condition.test, Test::Unknown(_));
    let conditions = document.statements.iter().flat_map(|statement| &statement.conditions);
    assert_eq!(conditions.filter(unknown).collect::<Vec<_>>(), Vec::<&Condition>::new());
    document
}

/// The policy that every target of an organization has attached and that administrators of an account have.
#[must_use]
pub fn full_access() -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
}
