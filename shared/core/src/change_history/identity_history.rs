//! Computes the IAM policies of identities before each change, in one pass over all changes.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use crate::{
    arn::{AccountId, short},
    change::{Change, ChangeKey},
    identity::IdentityPolicy,
    json::At,
    timestamp::Timestamp,
    world::{IdentityDocuments, State},
};

/// The policies before a change, and after it, as far as known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    /// The document that the change replaces, deletes, attaches or detaches.
    pub(crate) document: Option<IdentityPolicy>,
    /// The other documents of the role, user or group, with those of attached policies, merged.
    pub(crate) others: Option<IdentityPolicy>,
    /// The permissions boundary before the change.
    pub(crate) boundary: Option<IdentityPolicy>,
    /// The document that replaces it, where the record only names it: another version of the policy, or another boundary.
    pub(crate) replacement: Option<IdentityPolicy>,
    /// The policies after the change: all documents of the entity, the default version of the policy, or the boundary.
    after: Option<IdentityPolicy>,
    time: Option<Timestamp>,
}

/// The policies before each change of an identity, by the index of the change.
#[derive(Debug, Default)]
pub(crate) struct History {
    before: HashMap<usize, Before>,
    /// The indexes of the successful changes of each thing, in the order of time.
    of: HashMap<Thing, Vec<usize>>,
}

/// The subject of IAM changes: account, kind (such as `role`), name, and whether it is its boundary instead of its documents.
type Thing = (AccountId, &'static str, String, bool);

/// The policies of a role, user or group at one point of the pass.
#[derive(Default)]
struct Entity {
    /// The documents by the names of inline policies. A document from a file of the world may have an empty name.
    documents: BTreeMap<String, IdentityPolicy>,
    /// The names of managed policies that changes attached.
    attached: BTreeSet<String>,
    boundary: Option<String>,
    /// The address of the snapshot that the documents were taken from, so that each snapshot is taken over once.
    read: Option<usize>,
}

/// A managed policy, as changes wrote it.
#[derive(Default)]
struct Managed {
    default: Option<IdentityPolicy>,
    versions: BTreeMap<String, IdentityPolicy>,
}

/// The kind and the name of what a change is about: a role, user, group or managed policy.
pub(crate) fn entity(change: &Change) -> Option<(&'static str, &str)> {
    let kinds = [("role", "roleName"), ("user", "userName"), ("group", "groupName"), ("policy", "policyArn")];
    kinds.into_iter().find_map(|(kind, key)| Some((kind, short(change.text(key)?))))
}

impl History {
    pub(crate) fn of(changes: &[(&ChangeKey, &Change)], state: &State) -> Self {
        let mut pass = Pass { state, entities: HashMap::new(), managed: HashMap::new() };
        let mut history = History::default();
        for (index, (key, change)) in changes.iter().enumerate().filter(|(_, (_, change))| change.service == "iam") {
            if let Some(before) = pass.meet(key.time.just_before(), change) {
                if !change.is_refused()
                    && let Some(thing) = thing(change)
                {
                    history.of.entry(thing).or_default().push(index);
                }
                history.before.insert(index, Before { time: Some(key.time), ..before });
            }
        }
        history
    }

    pub(crate) fn before(&self, index: usize) -> Before {
        self.before.get(&index).cloned().unwrap_or_default()
    }

    /// The first time after a change at which a condition is fulfilled again, by a later change of the same thing or by a snapshot.
    pub(crate) fn restored_at(
        &self,
        index: usize,
        change: &Change,
        state: &State,
        right: impl Fn(&IdentityPolicy) -> bool,
    ) -> Option<Timestamp> {
        let thing = thing(change)?;
        let since = self.before.get(&index)?.time?;
        let later = self.of.get(&thing).into_iter().flatten().filter(|other| **other > index).filter_map(|other| self.before.get(other));
        let by_change = later.filter(|later| later.after.as_ref().is_some_and(&right)).find_map(|later| later.time);
        let (account, kind, name, is_boundary) = &thing;
        let files = file_names(kind, name);
        let readings = files.iter().flat_map(|file| state.world().identity_readings(account, file)).filter(|_| !is_boundary);
        let all = |documents: &IdentityDocuments| documents.iter().map(|(_, document)| document.clone()).reduce(|a, b| a.and(&b));
        let by_reading =
            readings.filter(|(time, read)| *time > since && all(read).is_some_and(|read| right(&read))).map(|(time, _)| time).min();
        by_change.into_iter().chain(by_reading).min()
    }
}

/// The subject of a change.
fn thing(change: &Change) -> Option<Thing> {
    let (kind, name) = entity(change)?;
    Some((change.account.clone(), kind, name.to_owned(), change.operation.ends_with("PermissionsBoundary")))
}

struct Pass<'s> {
    state: &'s State,
    entities: HashMap<(AccountId, &'static str, String), Entity>,
    managed: HashMap<(AccountId, String), Managed>,
}

impl Pass<'_> {
    /// The policies before a change. Afterwards the change is applied, unless it was refused.
    fn meet(&mut self, before: Timestamp, change: &Change) -> Option<Before> {
        let written = IdentityPolicy::parse(change.parameter("policyDocument"));
        let operation = change.operation.as_str();
        if operation == "CreatePolicy" {
            let name = change.response.at("/policy/arn").as_str().map(short).or_else(|| change.text("policyName"))?;
            if !change.is_refused() {
                self.managed.entry((change.account.clone(), name.to_owned())).or_default().default = written;
            }
            return None;
        }
        let (kind, name) = entity(change)?;
        if kind == "policy" {
            return Some(self.meet_managed(before, change, name, written));
        }
        let account = &change.account;
        let policy = change.text("policyName").unwrap_or_default().to_owned();
        let attached = change.text("policyArn").map(|arn| short(arn).to_owned());
        let boundary_after = change.text("permissionsBoundary").map(|arn| short(arn).to_owned());
        let entity = self.entity_at(before, account, kind, name);
        let lone = entity.documents.len() == 1 && entity.documents.contains_key("");
        let is_meant = |named: &String| attached.is_none() && (*named == policy || lone);
        let document = entity.documents.iter().find(|(named, _)| is_meant(named)).map(|(_, document)| document.clone());
        let mut others: Vec<IdentityPolicy> =
            entity.documents.iter().filter(|(named, _)| !is_meant(named)).map(|(_, document)| document.clone()).collect();
        let of_boundary =
            || entity.documents.iter().find(|(named, _)| named.to_lowercase().contains("boundary")).map(|(_, document)| document.clone());
        let (read_boundary, set_boundary) = (of_boundary(), entity.boundary.clone());
        let beside: Vec<String> = entity.attached.iter().filter(|named| Some(*named) != attached.as_ref()).cloned().collect();
        others.extend(beside.iter().filter_map(|named| self.managed_at(before, account, named)));
        let others = others.into_iter().reduce(|a, b| a.and(&b));
        let boundary = set_boundary.map_or(read_boundary, |boundary| self.managed_at(before, account, &boundary));
        let replacement = boundary_after.as_deref().and_then(|boundary| self.managed_at(before, account, boundary));
        let document = attached.as_ref().map_or(document, |attached| self.managed_at(before, account, attached));
        let with = |document: Option<&IdentityPolicy>| match (others.as_ref(), document) {
            (Some(others), Some(document)) => Some(others.and(document)),
            (others, document) => Some(others.or(document).cloned().unwrap_or_default()),
        };
        let after = match operation {
            "PutRolePolicy" | "PutUserPolicy" | "PutGroupPolicy" => written.as_ref().and_then(|written| with(Some(written))),
            "AttachRolePolicy" | "AttachUserPolicy" | "AttachGroupPolicy" => document.as_ref().and_then(|attached| with(Some(attached))),
            "PutRolePermissionsBoundary" | "PutUserPermissionsBoundary" => replacement.clone(),
            "DeleteRolePermissionsBoundary" | "DeleteUserPermissionsBoundary" => Some(IdentityPolicy::open_to_all()),
            _ => with(None),
        };
        if !change.is_refused() {
            let entity = self.entity_at(before, account, kind, name);
            match operation {
                "PutRolePolicy" | "PutUserPolicy" | "PutGroupPolicy" => entity.set(policy, written),
                "DeleteRolePolicy" | "DeleteUserPolicy" | "DeleteGroupPolicy" => entity.set(policy, None),
                "AttachRolePolicy" | "AttachUserPolicy" | "AttachGroupPolicy" => entity.attached.extend(attached),
                "DetachRolePolicy" | "DetachUserPolicy" | "DetachGroupPolicy" => {
                    entity.attached.retain(|named| Some(named) != attached.as_ref());
                }
                "PutRolePermissionsBoundary" | "PutUserPermissionsBoundary" => entity.boundary = boundary_after,
                "DeleteRolePermissionsBoundary" | "DeleteUserPermissionsBoundary" => entity.boundary = None,
                _ => {}
            }
        }
        Some(Before { document, others, boundary, replacement, after, time: None })
    }

    fn meet_managed(&mut self, before: Timestamp, change: &Change, name: &str, written: Option<IdentityPolicy>) -> Before {
        let document = self.managed_at(before, &change.account, name);
        let managed = self.managed.entry((change.account.clone(), name.to_owned())).or_default();
        let wanted = change.text("versionId").unwrap_or_default();
        let replacement = managed.versions.get(wanted).cloned();
        let mut after = document.clone();
        if !change.is_refused() {
            match change.operation.as_str() {
                "CreatePolicyVersion" => {
                    let version = change.response.at("/policyVersion/versionId").as_str().unwrap_or_default();
                    if let Some(written) = &written {
                        managed.versions.insert(version.to_owned(), written.clone());
                    }
                    if change.parameter("setAsDefault") == true {
                        after.clone_from(&written);
                        managed.default = written;
                    }
                }
                "SetDefaultPolicyVersion" => {
                    after.clone_from(&replacement);
                    managed.default.clone_from(&replacement);
                }
                _ => {}
            }
        }
        Before { document, replacement, after, ..Before::default() }
    }

    fn managed_at(&self, before: Timestamp, account: &AccountId, name: &str) -> Option<IdentityPolicy> {
        let written = self.managed.get(&(account.clone(), name.to_owned())).and_then(|managed| managed.default.clone());
        written.or_else(|| {
            snapshot(self.state, before, account, "policy", name)
                .map(|documents| documents.iter().map(|(_, document)| document.clone()).reduce(|a, b| a.and(&b)))?
        })
    }

    /// The entity. If there is a newer snapshot of it before the given time, its documents replace those from changes.
    fn entity_at(&mut self, before: Timestamp, account: &AccountId, kind: &'static str, name: &str) -> &mut Entity {
        let entity = self.entities.entry((account.clone(), kind, name.to_owned())).or_default();
        if let Some(documents) = snapshot(self.state, before, account, kind, name) {
            let read = std::ptr::from_ref(documents).addr();
            if entity.read != Some(read) {
                entity.read = Some(read);
                entity.documents = documents.iter().cloned().collect();
            }
        }
        entity
    }
}

impl Entity {
    fn set(&mut self, policy: String, document: Option<IdentityPolicy>) {
        match document {
            Some(document) => self.documents.insert(policy, document),
            None => self.documents.remove(&policy),
        };
    }
}

/// The documents of an entity in the latest snapshot before a time. The file of the world may have several names.
fn snapshot<'s>(state: &'s State, before: Timestamp, account: &AccountId, kind: &str, name: &str) -> Option<&'s IdentityDocuments> {
    if !state.knows_identities_of(account) {
        return None;
    }
    file_names(kind, name).iter().find_map(|entity| state.identity_documents(account, entity, before).state())
}

fn file_names(kind: &str, name: &str) -> [String; 5] {
    [name.to_owned(), format!("{kind}-{name}"), format!("{kind}_{name}"), format!("{kind}.{name}"), format!("{kind}:{name}")]
}
