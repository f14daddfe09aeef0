//! What the policies of identities said before each change: one pass over all changes, in order.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::IdentityPolicy;
use crate::{
    arn::AccountId,
    change::{Change, short},
    facts::ChangeKey,
    json::At,
    moment::Moment,
    world::State,
};

/// What was known before a change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    /// The document that the change replaces, deletes, attaches or detaches.
    pub(crate) document: Option<IdentityPolicy>,
    /// The other documents of the entity, if any of them guards.
    pub(crate) others: Option<IdentityPolicy>,
    /// The permissions boundary.
    pub(crate) boundary: Option<IdentityPolicy>,
    /// The document that takes its place, where it isn't in the record: another version, another boundary.
    pub(crate) replacement: Option<IdentityPolicy>,
}

/// Of each change of an identity, by its place among all changes, what was known before.
#[derive(Debug, Default)]
pub(crate) struct History(HashMap<usize, Before>);

/// A role, user or group.
#[derive(Default)]
struct Entity {
    /// By the names of inline policies; as files of the world have them, maybe without a name.
    documents: BTreeMap<String, IdentityPolicy>,
    guarding: usize,
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
        let identities = changes.iter().enumerate().filter(|(_, (_, change))| change.service == "iam");
        History(identities.filter_map(|(index, (key, change))| Some((index, pass.meet(key.time.just_before(), change)?))).collect())
    }

    pub(crate) fn before(&self, index: usize) -> Before {
        self.0.get(&index).cloned().unwrap_or_default()
    }
}

struct Pass<'s> {
    state: &'s State,
    entities: HashMap<(AccountId, &'static str, String), Entity>,
    managed: HashMap<(AccountId, String), Managed>,
}

impl Pass<'_> {
    /// What is known before a change; the change then counts, unless it was refused.
    fn meet(&mut self, before: Moment, change: &Change) -> Option<Before> {
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
        let policy = change.text("policyName").unwrap_or_default().to_owned();
        let attached = change.text("policyArn").map(|arn| short(arn).to_owned());
        let boundary_after = change.text("permissionsBoundary").map(|arn| short(arn).to_owned());
        let entity = self.entity_at(before, &change.account, kind, name);
        let lone = || entity.documents.get("").filter(|_| entity.documents.len() == 1);
        let document = entity.documents.get(&policy).or_else(lone).cloned();
        let others = (entity.guarding > 0).then(|| {
            let others = entity.documents.iter().filter(|(named, _)| **named != policy).map(|(_, document)| document.clone());
            others.reduce(|a, b| a.and(&b))
        });
        let of_boundary =
            || entity.documents.iter().find(|(named, _)| named.to_lowercase().contains("boundary")).map(|(_, document)| document.clone());
        let (read_boundary, set_boundary) = (of_boundary(), entity.boundary.clone());
        let boundary = set_boundary.map_or(read_boundary, |boundary| self.managed_at(before, &change.account, &boundary));
        let replacement = boundary_after.as_deref().and_then(|boundary| self.managed_at(before, &change.account, boundary));
        let document = attached.map_or(document, |attached| self.managed_at(before, &change.account, &attached));
        if !change.is_refused() {
            let entity = self.entity_at(before, &change.account, kind, name);
            match operation {
                "PutRolePolicy" | "PutUserPolicy" | "PutGroupPolicy" => entity.set(policy, written),
                "DeleteRolePolicy" | "DeleteUserPolicy" | "DeleteGroupPolicy" => entity.set(policy, None),
                "PutRolePermissionsBoundary" | "PutUserPermissionsBoundary" => entity.boundary = boundary_after,
                "DeleteRolePermissionsBoundary" | "DeleteUserPermissionsBoundary" => entity.boundary = None,
                _ => {}
            }
        }
        Some(Before { document, others: others.flatten().filter(IdentityPolicy::guards), boundary, replacement })
    }

    fn meet_managed(&mut self, before: Moment, change: &Change, name: &str, written: Option<IdentityPolicy>) -> Before {
        let document = self.managed_at(before, &change.account, name);
        let managed = self.managed.entry((change.account.clone(), name.to_owned())).or_default();
        let wanted = change.text("versionId").unwrap_or_default();
        let replacement = managed.versions.get(wanted).cloned();
        if !change.is_refused() {
            match change.operation.as_str() {
                "CreatePolicyVersion" => {
                    let version = change.response.at("/policyVersion/versionId").as_str().unwrap_or_default();
                    if let Some(written) = &written {
                        managed.versions.insert(version.to_owned(), written.clone());
                    }
                    if change.parameter("setAsDefault") == true {
                        managed.default = written;
                    }
                }
                "SetDefaultPolicyVersion" => managed.default.clone_from(&replacement),
                _ => {}
            }
        }
        Before { document, replacement, ..Before::default() }
    }

    fn managed_at(&self, before: Moment, account: &AccountId, name: &str) -> Option<IdentityPolicy> {
        let written = self.managed.get(&(account.clone(), name.to_owned())).and_then(|managed| managed.default.clone());
        written.or_else(|| {
            snapshot(self.state, before, account, "policy", name)
                .map(|documents| documents.iter().map(|(_, document)| document.clone()).reduce(|a, b| a.and(&b)))?
        })
    }

    /// The entity, with the latest snapshot of it if there is one that was not taken in yet.
    fn entity_at(&mut self, before: Moment, account: &AccountId, kind: &'static str, name: &str) -> &mut Entity {
        let entity = self.entities.entry((account.clone(), kind, name.to_owned())).or_default();
        if let Some(documents) = snapshot(self.state, before, account, kind, name) {
            let read = std::ptr::from_ref(documents).addr();
            if entity.read != Some(read) {
                entity.read = Some(read);
                entity.documents = documents.iter().cloned().collect();
                entity.guarding = entity.documents.values().filter(|document| document.guards()).count();
            }
        }
        entity
    }
}

impl Entity {
    fn set(&mut self, policy: String, document: Option<IdentityPolicy>) {
        let before = match document {
            Some(document) => {
                self.guarding += usize::from(document.guards());
                self.documents.insert(policy, document)
            }
            None => self.documents.remove(&policy),
        };
        self.guarding -= usize::from(before.is_some_and(|before| before.guards()));
    }
}

/// The documents of an entity in the world, by the names that its file may have.
fn snapshot<'s>(
    state: &'s State,
    before: Moment,
    account: &AccountId,
    kind: &str,
    name: &str,
) -> Option<&'s crate::world::IdentityDocuments> {
    if !state.knows_identities_of(account) {
        return None;
    }
    let names = [name.to_owned(), format!("{kind}-{name}"), format!("{kind}_{name}"), format!("{kind}.{name}"), format!("{kind}:{name}")];
    names.iter().find_map(|entity| state.identity_documents(account, entity, before).state())
}
