//! A policy document as it was written: settings with inheritance operators.

use indexmap::IndexMap;
use serde_json::Value;

use crate::enforcement::{Problem, Unclear};

/// A policy document, of any management policy type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Its root.
    pub root: Node,
    /// What of it can't be understood, whatever its type: keys that stand twice, and operators that mean nothing where they stand.
    pub unclear: Vec<Unclear>,
}

/// A place in a document: what it says there, and what lies below.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// `@@assign`: replaces what is inherited.
    pub assign: Option<Value>,
    /// `@@append`: adds to an inherited list.
    pub append: Option<Vec<Value>>,
    /// `@@remove`: takes from an inherited list.
    pub remove: Option<Vec<Value>>,
    /// `@@operators_allowed_for_child_policies`: what policies lower in the tree may do here.
    pub allowed: Option<OperatorSet>,
    /// Whether the value stands here without an operator, which AWS refuses; it counts as assigned.
    pub bare: bool,
    /// What lies below, by key.
    pub children: IndexMap<String, Node>,
}

impl Document {
    /// Reads a text. Any JSON is a document; what is wrong about it is for [`super::lint`] to say.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let (json, duplicates) = super::text::parse(text)?;
        let mut document = Self::from_json(&json);
        document.unclear.extend(duplicates);
        Ok(document)
    }

    /// Reads a document.
    #[must_use]
    pub fn from_json(json: &Value) -> Self {
        let mut unclear = Vec::new();
        let root = Node::from_json(json, &mut Vec::new(), &mut unclear);
        Document { root, unclear }
    }
}

impl Node {
    fn from_json<'j>(json: &'j Value, path: &mut Vec<&'j str>, unclear: &mut Vec<Unclear>) -> Self {
        let Value::Object(members) = json else {
            return Node { assign: Some(json.clone()), bare: true, ..Node::default() };
        };
        let mut node = Node::default();
        for (key, value) in members {
            path.push(key);
            let is_meaningful = match key.as_str() {
                "@@assign" => {
                    node.assign = Some(value.clone());
                    true
                }
                "@@append" => {
                    node.append = Some(as_list(value));
                    value.is_array()
                }
                "@@remove" => {
                    node.remove = Some(as_list(value));
                    value.is_array()
                }
                CONTROL => {
                    node.allowed = Some(OperatorSet::from_json(value));
                    OperatorSet::is_named_by(value)
                }
                _ if key.starts_with("@@") => false,
                _ => {
                    node.children.insert(key.clone(), Node::from_json(value, path, unclear));
                    true
                }
            };
            if !is_meaningful {
                unclear.push(Unclear::at(path, Problem::Operator, value));
            }
            path.pop();
        }
        let has_value = node.assign.is_some() || node.append.is_some() || node.remove.is_some();
        if has_value && !node.children.is_empty() {
            // A node that holds others has no value of its own: which of the two counts is not documented.
            unclear.push(Unclear::at(path, Problem::Operator, json));
        }
        node
    }
}

/// The operator that says what policies lower in the tree may do.
pub(super) const CONTROL: &str = "@@operators_allowed_for_child_policies";

fn as_list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list.clone(),
        single => vec![single.clone()],
    }
}

/// Which of the three operators a policy may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorSet {
    /// `@@assign`.
    pub assign: bool,
    /// `@@append`; at a node that holds named entries, adding an entry.
    pub append: bool,
    /// `@@remove`.
    pub remove: bool,
}

impl OperatorSet {
    /// `@@all`, the default.
    pub const ALL: OperatorSet = OperatorSet { assign: true, append: true, remove: true };
    /// `@@none`.
    pub const NONE: OperatorSet = OperatorSet { assign: false, append: false, remove: false };

    fn from_json(value: &Value) -> Self {
        as_list(value).iter().filter_map(Value::as_str).fold(OperatorSet::NONE, |set, name| match name {
            "@@all" => OperatorSet::ALL,
            "@@assign" => OperatorSet { assign: true, ..set },
            "@@append" => OperatorSet { append: true, ..set },
            "@@remove" => OperatorSet { remove: true, ..set },
            _ => set,
        })
    }

    /// Whether a value is a list of nothing but names of operators.
    fn is_named_by(value: &Value) -> bool {
        let is_name = |name: &Value| matches!(name.as_str(), Some("@@all" | "@@none" | "@@assign" | "@@append" | "@@remove"));
        value.as_array().is_some_and(|names| !names.is_empty() && names.iter().all(is_name))
    }

    /// What both allow.
    #[must_use]
    pub fn and(self, other: OperatorSet) -> Self {
        OperatorSet { assign: self.assign && other.assign, append: self.append && other.append, remove: self.remove && other.remove }
    }
}
