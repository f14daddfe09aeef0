//! A policy document as its author wrote it: settings with inheritance operators.

use indexmap::IndexMap;
use serde_json::Value;

use crate::enforcement::{Problem, Unclear};

/// A policy document of any management policy type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// The root of the document.
    pub root: Node,
    /// The parts that can't be understood in any policy type: duplicate keys, and operators that have no meaning at their position.
    pub unclear: Vec<Unclear>,
}

/// A node of a document: the operators at this position, and the nodes below it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// `@@assign`: replaces the inherited value.
    pub assign: Option<Value>,
    /// `@@append`: adds elements to the inherited list.
    pub append: Option<Vec<Value>>,
    /// `@@remove`: removes elements from the inherited list.
    pub remove: Option<Vec<Value>>,
    /// `@@operators_allowed_for_child_policies`: the operators that policies lower in the tree may use here.
    pub allowed: Option<OperatorSet>,
    /// Whether the value is written without an operator. AWS refuses that; here it counts as assigned.
    pub bare: bool,
    /// The nodes below, by key.
    pub children: IndexMap<String, Node>,
}

impl Document {
    /// Parses a text. Any JSON is accepted; [`super::lint`] reports what is wrong with it.
    ///
    /// # Errors
    ///
    /// If the text isn't JSON.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let (json, duplicates) = super::text::parse(text)?;
        let mut document = Self::from_json(&json);
        document.unclear.extend(duplicates);
        Ok(document)
    }

    /// Reads a document from parsed JSON.
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
            // A node with nodes below it has no value of its own. Which of the two AWS uses is not documented.
            unclear.push(Unclear::at(path, Problem::Operator, json));
        }
        node
    }
}

/// The operator that restricts what policies lower in the tree may do.
pub(super) const CONTROL: &str = "@@operators_allowed_for_child_policies";

fn as_list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list.clone(),
        single => vec![single.clone()],
    }
}

/// A subset of the three operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorSet {
    /// Allows `@@assign`.
    pub assign: bool,
    /// Allows `@@append`; at a node that holds named entries, adding an entry.
    pub append: bool,
    /// Allows `@@remove`.
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

    /// Whether a value is a list that contains only names of operators.
    fn is_named_by(value: &Value) -> bool {
        let is_name = |name: &Value| matches!(name.as_str(), Some("@@all" | "@@none" | "@@assign" | "@@append" | "@@remove"));
        value.as_array().is_some_and(|names| !names.is_empty() && names.iter().all(is_name))
    }

    /// The operators that both sets allow.
    #[must_use]
    pub fn and(self, other: OperatorSet) -> Self {
        OperatorSet { assign: self.assign && other.assign, append: self.append && other.append, remove: self.remove && other.remove }
    }
}
