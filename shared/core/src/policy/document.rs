//! A policy document as it was written: settings with inheritance operators.

use indexmap::IndexMap;
use serde_json::Value;

/// A policy document, of any management policy type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Its root.
    pub root: Node,
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
    /// Keys that start with `@@` and are none of the above.
    pub unknown_operators: Vec<String>,
    /// Whether the value stands here without an operator, which AWS refuses; it counts as assigned.
    pub bare: bool,
    /// What lies below, by key.
    pub children: IndexMap<String, Node>,
}

impl Document {
    /// Reads a document. Any JSON is one; what makes no sense is for [`super::lint`] to say.
    #[must_use]
    pub fn from_json(json: &Value) -> Self {
        Document { root: Node::from_json(json) }
    }
}

impl Node {
    fn from_json(json: &Value) -> Self {
        let Value::Object(members) = json else {
            return Node { assign: Some(json.clone()), bare: true, ..Node::default() };
        };
        let mut node = Node::default();
        for (key, value) in members {
            match key.as_str() {
                "@@assign" => node.assign = Some(value.clone()),
                "@@append" => node.append = Some(as_list(value)),
                "@@remove" => node.remove = Some(as_list(value)),
                "@@operators_allowed_for_child_policies" => node.allowed = Some(OperatorSet::from_json(value)),
                _ if key.starts_with("@@") => node.unknown_operators.push(key.clone()),
                _ => {
                    node.children.insert(key.clone(), Node::from_json(value));
                }
            }
        }
        node
    }
}

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

    /// What both allow.
    #[must_use]
    pub fn and(self, other: OperatorSet) -> Self {
        OperatorSet { assign: self.assign && other.assign, append: self.append && other.append, remove: self.remove && other.remove }
    }
}
