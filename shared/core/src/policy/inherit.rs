//! Inheritance: computes an account's effective policy from the policies attached along the path from the root to the account.
//!
//! The rules are those of docs/aws/bedrock-policies.md#inheritance; `shared/core/tests/inheritance-cases.json` holds AWS's worked examples:
//!
//! * Levels are applied from the root through the OUs to the account; within a level, policies in the order of their attachment.
//! * A child control binds the levels below its own, never its own level. Controls intersect, so no lower level can loosen one.
//! * An operator that isn't allowed is ignored without an error.
//! * Within a level the first policy that assigns a setting wins; an assignment at a lower level replaces it.
//! * A control acts only at its own node: at a node that holds named entries it decides about adding entries, not about their contents.
//! * A list that became empty by removal is absent; a list that was assigned empty is present.
//! * Keys are compared without case, because AWS prints chosen names in another case than they were written in.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::document::{Document, Node, OperatorSet};
use crate::{
    arn::{PolicyId, TargetId},
    enforcement::Unclear,
};

/// A policy and where it is attached.
#[derive(Clone, Debug)]
pub struct Attached<'a> {
    /// The origin that values of this policy get.
    pub origin: Origin,
    /// The policy's document.
    pub document: &'a Document,
}

/// The attachment that a setting's value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The policy.
    pub policy: PolicyId,
    /// The root, OU or account that it is attached to.
    pub attached_to: TargetId,
}

/// An effective policy with the origins of each setting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inherited {
    root: Setting,
    unclear: Vec<Unclear>,
}

#[derive(Clone, Debug, PartialEq)]
struct Setting {
    key: String,
    held: Option<Held>,
    /// The operators that the next levels may use here.
    allowed: OperatorSet,
    /// The controls of the level that is being applied. They bind from the next level on.
    allowed_next: OperatorSet,
    /// The last level that assigned the value. Later policies of the same level can't assign it again.
    assigned_at: Option<usize>,
    children: IndexMap<String, Setting>,
}

#[derive(Clone, Debug, PartialEq)]
struct Held {
    value: Value,
    /// The policies that determined the value: first the one that assigned it, then those that changed it.
    origins: Vec<Origin>,
}

impl Default for Setting {
    fn default() -> Self {
        Setting {
            key: String::new(),
            held: None,
            allowed: OperatorSet::ALL,
            allowed_next: OperatorSet::ALL,
            assigned_at: None,
            children: IndexMap::new(),
        }
    }
}

/// Computes the effective policy of an account. `levels` are the policies of the root, of each OU and of the account itself, each in the
/// order of attachment. `None` if no policy is attached, which differs from an empty effective policy.
#[must_use]
pub fn inherit(levels: &[Vec<Attached<'_>>]) -> Option<Inherited> {
    if levels.iter().all(Vec::is_empty) {
        return None;
    }
    let mut root = Setting::default();
    for (level, policies) in levels.iter().enumerate() {
        for policy in policies {
            root.apply(&policy.document.root, &policy.origin, level);
        }
        root.bind_controls();
    }
    let unclear = levels.iter().flatten().flat_map(|attached| &attached.document.unclear).cloned().collect();
    Some(Inherited { root, unclear })
}

impl Setting {
    fn apply(&mut self, node: &Node, origin: &Origin, level: usize) {
        if let Some(allowed) = node.allowed {
            self.allowed_next = self.allowed_next.and(allowed);
        }
        if let Some(value) = node.assign.as_ref().filter(|_| self.allowed.assign && self.assigned_at != Some(level)) {
            self.assigned_at = Some(level);
            self.held = Some(Held { value: value.clone(), origins: vec![origin.clone()] });
        }
        if let Some(added) = node.append.as_ref().filter(|_| self.allowed.append) {
            self.append(added, origin);
        }
        if let Some(removed) = node.remove.as_ref().filter(|_| self.allowed.remove) {
            self.remove(removed, origin);
        }
        for (key, child) in &node.children {
            let folded = key.to_lowercase();
            if !self.allowed.append && !self.children.contains_key(&folded) {
                continue;
            }
            let setting = self.children.entry(folded).or_insert_with(|| Setting { key: key.clone(), ..Setting::default() });
            setting.apply(child, origin, level);
        }
    }

    fn append(&mut self, added: &[Value], origin: &Origin) {
        let held = self.held.get_or_insert_with(|| Held { value: Value::Array(Vec::new()), origins: Vec::new() });
        if let Value::Array(list) = &mut held.value {
            for value in added {
                if !list.contains(value) {
                    list.push(value.clone());
                }
            }
            held.origins.push(origin.clone());
        }
    }

    fn remove(&mut self, removed: &[Value], origin: &Origin) {
        let Some(Held { value: Value::Array(list), origins }) = &mut self.held else {
            return;
        };
        let before = list.len();
        list.retain(|value| !removed.contains(value));
        if list.len() < before {
            origins.push(origin.clone());
            if list.is_empty() {
                self.held = None;
            }
        }
    }

    fn bind_controls(&mut self) {
        self.allowed = self.allowed.and(self.allowed_next);
        self.children.values_mut().for_each(Setting::bind_controls);
    }

    fn to_json(&self) -> Option<Value> {
        if let Some(held) = &self.held {
            return Some(held.value.clone());
        }
        let members: Map<String, Value> = self.children.values().filter_map(|child| Some((child.key.clone(), child.to_json()?))).collect();
        (!members.is_empty()).then_some(Value::Object(members))
    }
}

impl Inherited {
    /// The effective policy as `DescribeEffectivePolicy` returns it: values without operators.
    #[must_use]
    pub fn to_document(&self) -> Value {
        self.root.to_json().unwrap_or_else(|| Value::Object(Map::new()))
    }

    /// The parts of the attached policies that can't be understood, whether or not they affect the result.
    #[must_use]
    pub fn unclear(&self) -> &[Unclear] {
        &self.unclear
    }

    /// The policies that determined the setting at this path; empty if there is no such setting.
    #[must_use]
    pub fn origins(&self, path: &[&str]) -> &[Origin] {
        let setting = path.iter().try_fold(&self.root, |setting, key| setting.children.get(&key.to_lowercase()));
        setting.and_then(|setting| setting.held.as_ref()).map_or(&[], |held| &held.origins)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn origin(policy: &str, target: &str) -> Origin {
        Origin { policy: policy.into(), attached_to: target.into() }
    }

    fn effective(levels: &[Vec<Value>]) -> Option<Value> {
        let documents: Vec<Vec<Document>> = levels.iter().map(|level| level.iter().map(Document::from_json).collect()).collect();
        let attached: Vec<Vec<Attached<'_>>> =
            documents.iter().map(|level| level.iter().map(|document| Attached { origin: origin("p", "t"), document }).collect()).collect();
        inherit(&attached).map(|inherited| inherited.to_document())
    }

    #[test]
    fn every_setting_knows_the_attachment_that_gave_its_value() {
        let root = Document::from_json(&json!({"a": {"x": {"@@assign": 1}, "list": {"@@assign": ["m"]}}}));
        let child = Document::from_json(&json!({"a": {"x": {"@@assign": 2}, "list": {"@@append": ["n"]}}}));
        let levels = [
            vec![Attached { origin: origin("p-root", "r-1"), document: &root }],
            vec![Attached { origin: origin("p-ou", "ou-1"), document: &child }],
        ];
        let inherited = inherit(&levels).unwrap();
        assert_eq!(inherited.origins(&["a", "x"]), [origin("p-ou", "ou-1")]);
        assert_eq!(inherited.origins(&["A", "list"]), [origin("p-root", "r-1"), origin("p-ou", "ou-1")]);
        assert_eq!(inherited.origins(&["a", "y"]), []);
    }

    #[test]
    fn a_policy_that_says_nothing_is_empty_not_absent() {
        assert_eq!(effective(&[vec![json!({})]]), Some(json!({})));
        assert_eq!(effective(&[vec![], vec![]]), None);
    }

    #[test]
    fn keys_are_one_whatever_their_case() {
        let levels = [vec![json!({"A": {"Config_1": {"@@assign": 1}}})], vec![json!({"a": {"config_1": {"@@assign": 2}}})]];
        assert_eq!(effective(&levels), Some(json!({"A": {"Config_1": 2}})));
    }

    /// Generates small documents over few keys, so that the levels of a test share keys.
    fn document() -> impl Strategy<Value = Value> {
        let member = || proptest::sample::select(vec!["m", "n", "o"]);
        let members = move || proptest::collection::vec(member(), 0..3);
        let control = proptest::option::of(proptest::sample::subsequence(vec!["@@assign", "@@append", "@@remove"], 0..3));
        let with_control = |mut value: Value, control: Option<Vec<&str>>| {
            if let Some(control) = control {
                value["@@operators_allowed_for_child_policies"] = if control.is_empty() { json!(["@@none"]) } else { json!(control) };
            }
            value
        };
        let leaf = prop_oneof![
            member().prop_map(|value| json!({"@@assign": value})),
            members().prop_map(|list| json!({"@@assign": list})),
            members().prop_map(|list| json!({"@@append": list})),
            members().prop_map(|list| json!({"@@remove": list})),
            Just(json!({})),
        ];
        let leaf = (leaf, control.clone()).prop_map(move |(leaf, control)| with_control(leaf, control)).boxed();
        let keys = || proptest::sample::select(vec!["a", "b", "c"]);
        let node = (proptest::collection::btree_map(keys(), leaf, 0..3), control)
            .prop_map(move |(children, control)| with_control(json!(children), control));
        proptest::collection::btree_map(keys(), node, 0..3).prop_map(|document| json!(document))
    }

    fn leaves(document: &Value) -> Vec<(String, Value)> {
        document.as_object().map_or_else(Vec::new, |members| {
            members
                .iter()
                .flat_map(|(key, value)| match value {
                    Value::Object(_) => leaves(value).into_iter().map(|(path, leaf)| (format!("{key}/{path}"), leaf)).collect(),
                    leaf => vec![(key.clone(), leaf.clone())],
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn an_empty_policy_changes_nothing(root in document(), child in document()) {
            let with = effective(&[vec![root.clone()], vec![json!({})], vec![child.clone()]]);
            prop_assert_eq!(with, effective(&[vec![root], vec![child]]));
        }

        #[test]
        fn under_a_lock_at_every_node_nothing_changes(root in document(), child in document()) {
            fn lock(node: &mut Value) {
                if let Some(members) = node.as_object_mut() {
                    members.iter_mut().filter(|(key, _)| !key.starts_with("@@")).for_each(|(_, child)| lock(child));
                    members.insert("@@operators_allowed_for_child_policies".into(), json!(["@@none"]));
                }
            }
            let mut locked = root.clone();
            lock(&mut locked);
            prop_assert_eq!(effective(&[vec![locked], vec![child]]), effective(&[vec![root]]));
        }

        #[test]
        fn a_child_never_changes_what_its_parent_withholds(root in document(), child in document()) {
            // The root locks a leaf, so the leaf keeps its value whatever lower levels contain.
            let lock = json!({"locked": {"leaf": {"@@assign": ["kept"], "@@operators_allowed_for_child_policies": ["@@none"]}}});
            let mut attack = child.clone();
            attack["locked"] = json!({"leaf": {"@@assign": ["lost"], "@@append": ["more"], "@@remove": ["kept"], "@@operators_allowed_for_child_policies": ["@@all"]}});
            let levels = [vec![lock, root], vec![attack.clone()], vec![attack]];
            prop_assert_eq!(&effective(&levels).unwrap()["locked"]["leaf"], &json!(["kept"]));
        }

        #[test]
        fn an_effective_policy_holds_no_operators(levels in proptest::collection::vec(proptest::collection::vec(document(), 0..3), 0..4)) {
            let text = effective(&levels).unwrap_or_default().to_string();
            prop_assert!(!text.contains("@@"), "{}", text);
        }

        #[test]
        fn a_second_attachment_of_the_same_policy_changes_nothing(root in document()) {
            let once = effective(&[vec![root.clone()]]).unwrap();
            let twice = effective(&[vec![root.clone(), root]]).unwrap();
            // Applying a policy twice could remove more only if it assigned in between, which the rule that the first assignment wins
            // forbids.
            prop_assert_eq!(leaves(&once), leaves(&twice));
        }
    }
}
