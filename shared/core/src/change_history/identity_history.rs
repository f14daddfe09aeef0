//! What the policies of identities said before each change: one pass over all changes, in order.

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

/// What was known before a change, and from it on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    /// The document that the change replaces, deletes, attaches or detaches.
    pub(crate) document: Option<IdentityPolicy>,
    /// The other documents of the entity, those of attached policies included, as far as known.
    pub(crate) others: Option<IdentityPolicy>,
    /// The permissions boundary.
    pub(crate) boundary: Option<IdentityPolicy>,
    /// The document that takes its place, where it isn't in the record: another version, another boundary.
    pub(crate) replacement: Option<IdentityPolicy>,
    /// All that counts after it: the documents of the entity, the default version of the policy, or the boundary.
    after: Option<IdentityPolicy>,
    time: Option<Timestamp>,
}

/// Of each change of an identity, by its place among all changes, what was known before.
#[derive(Debug, Default)]
pub(crate) struct History {
    before: HashMap<usize, Before>,
    /// The changes of one thing, in order.
    of: HashMap<Thing, Vec<usize>>,
}

/// Whose documents, and whether its boundary.
type Thing = (AccountId, &'static str, String, bool);

/// A role, user or group.
#[derive(Default)]
struct Entity {
    /// By the names of inline policies; as files of the world have them, maybe without a name.
    documents: BTreeMap<String, IdentityPolicy>,
    /// Managed policies that events attached.
    attached: BTreeSet<String>,
    boundary: Option<String>,
    /// The snapshot that the documents were taken from.
    read: Option<usize>,
}

/// A managed policy.
#[derive(Default)]
struct Managed {
    default: Option<IdentityPolicy>,
    versions: BTreeMap<String, IdentityPolicy>,
}

/// Whose documents an operation changes.
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

    /// When what a change did was right again: by a later change of the same thing, or by a reading of its documents.
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

/// What a change is about.
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
    /// What is known before a change; the change then counts, unless it was refused.
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

    /// The entity, with the latest snapshot of it if there is one that was not taken in yet.
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

/// The documents of an entity in the world, by the names that its file may have.
fn snapshot<'s>(state: &'s State, before: Timestamp, account: &AccountId, kind: &str, name: &str) -> Option<&'s IdentityDocuments> {
    if !state.knows_identities_of(account) {
        return None;
    }
    file_names(kind, name).iter().find_map(|entity| state.identity_documents(account, entity, before).state())
}

fn file_names(kind: &str, name: &str) -> [String; 5] {
    [name.to_owned(), format!("{kind}-{name}"), format!("{kind}_{name}"), format!("{kind}.{name}"), format!("{kind}:{name}")]
}
