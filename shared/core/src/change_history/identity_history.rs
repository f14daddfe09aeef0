//! Computes the IAM policies of identities before each change, in one pass over all changes.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use hashbrown::HashMap;
use indexmap::IndexSet;
use serde_json::Value;

use crate::{
    arn::{AccountId, short},
    change::{Change, ChangeKey},
    iam::Statement,
    identity::{IdentityPolicy, Lost, Silence, lost},
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
#[derive(Default)]
pub(crate) struct History {
    before: HashMap<usize, Before>,
    /// The indexes of the successful changes of each thing, in the order of time.
    of: HashMap<Thing, Vec<usize>>,
    /// What each thing had over time, as far as it was asked for.
    courses: RefCell<HashMap<Thing, Rc<Course>>>,
    comparisons: Comparisons,
}

/// The policies of a thing after each of its changes, and in each of its snapshots, in the order of time.
struct Course {
    after: Sequence<usize>,
    read: Sequence<Timestamp>,
}

/// Contents in order, each with its point. Most things have few different contents, however often they change.
struct Sequence<M> {
    all: Vec<(M, usize)>,
    /// The positions of each content.
    positions: BTreeMap<usize, Vec<usize>>,
}

/// The most different contents of a thing that a search looks at. A restoration that comes after more of them is not found, and the finding
/// stays open.
const MOST_CONTENTS: usize = 256;

impl<M: Copy + Ord> Sequence<M> {
    fn of(all: Vec<(M, usize)>) -> Self {
        let mut positions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (position, (_, content)) in all.iter().enumerate() {
            positions.entry(*content).or_default().push(position);
        }
        Sequence { all, positions }
    }

    /// The first point after another whose content fulfils a condition.
    fn first(&self, after: M, mut right: impl FnMut(usize) -> bool) -> Option<M> {
        let start = self.all.partition_point(|(point, _)| *point <= after);
        if self.positions.len() > MOST_CONTENTS {
            let later = self.all.get(start..)?.iter().take(MOST_CONTENTS);
            return later.into_iter().find(|(_, content)| right(*content)).map(|(point, _)| *point);
        }
        let next = |positions: &Vec<usize>| positions.get(positions.partition_point(|position| *position < start)).copied();
        let coming = self.positions.iter().filter_map(|(content, positions)| Some((next(positions)?, *content)));
        let coming: BTreeMap<usize, usize> = coming.collect();
        let position = coming.into_iter().find(|(_, content)| right(*content)).map(|(position, _)| position)?;
        self.all.get(position).map(|(point, _)| *point)
    }
}

/// Contents by number, and what is lost from one to another. A role has few different contents, and each two are compared once.
#[derive(Default)]
pub(crate) struct Comparisons {
    numbers: RefCell<IndexSet<IdentityPolicy>>,
    lost: RefCell<HashMap<[usize; 2], Rc<Lost>>>,
    /// The comparisons so far that only the search for restorations needed.
    searched: Cell<usize>,
}

/// The most comparisons that all searches for restorations make together, besides a few for each change. An account could otherwise write
/// policies that are all different, each of which would be compared with all others; what isn't compared stays open.
const MOST_COMPARISONS: usize = 100_000;
/// The comparisons for each change.
const COMPARISONS_A_CHANGE: usize = 16;

impl Comparisons {
    fn number(&self, policy: &IdentityPolicy) -> usize {
        let mut numbers = self.numbers.borrow_mut();
        numbers.get_index_of(policy).unwrap_or_else(|| numbers.insert_full(policy.clone()).0)
    }

    /// What an identity loses when one content takes the place of another.
    pub(crate) fn lost(&self, before: &IdentityPolicy, after: &IdentityPolicy) -> Rc<Lost> {
        let pair = [self.number(before), self.number(after)];
        let compare = || Rc::new(lost(std::slice::from_ref(before), std::slice::from_ref(after), Silence::Refuses));
        Rc::clone(self.lost.borrow_mut().entry(pair).or_insert_with(compare))
    }
}

/// The subject of IAM changes: account, kind (such as `role`), name, and whether it is its boundary instead of its documents.
type Thing = (AccountId, &'static str, String, bool);

/// The policies of a role, user or group at one point of the pass.
#[derive(Default)]
struct Entity {
    /// The documents by the names of inline policies. A document from a file of the world may have an empty name.
    documents: BTreeMap<String, IdentityPolicy>,
    /// The statements of all documents, with the number of documents that have each.
    statements: BTreeMap<Arc<Statement>, usize>,
    /// All documents merged, until they change.
    merged: Option<IdentityPolicy>,
    /// The names of the documents that may be a boundary.
    boundaries: BTreeSet<String>,
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
    pub(crate) fn of<'c>(changes: &[(&'c ChangeKey, &'c Change)], state: &'c State) -> Self {
        let mut pass = Pass { state, entities: HashMap::new(), managed: HashMap::new(), parsed: HashMap::new() };
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

    /// What an identity loses when one content takes the place of another.
    pub(crate) fn lost(&self, before: &IdentityPolicy, after: &IdentityPolicy) -> Rc<Lost> {
        self.comparisons.lost(before, after)
    }

    /// The first time after a change at which nothing is lost again that a condition is about, by a later change of the same thing or by a
    /// snapshot.
    pub(crate) fn restored_at(
        &self,
        index: usize,
        change: &Change,
        state: &State,
        before: &IdentityPolicy,
        right: impl Fn(&Lost) -> bool,
    ) -> Option<Timestamp> {
        let thing = thing(change)?;
        let since = self.before.get(&index)?.time?;
        let course = self.course(&thing, state);
        let number = self.comparisons.number(before);
        let is_right = |after: usize| {
            let known = self.comparisons.lost.borrow().get(&[number, after]).cloned();
            let compare = || {
                let searched = self.comparisons.searched.get();
                self.comparisons.searched.set(searched + 1);
                let after = self.comparisons.numbers.borrow().get_index(after).cloned()?;
                let may = searched < MOST_COMPARISONS + COMPARISONS_A_CHANGE * self.before.len();
                may.then(|| self.comparisons.lost(before, &after))
            };
            known.or_else(compare).is_some_and(|lost| right(&lost))
        };
        let by_change = course.after.first(index, is_right).and_then(|index| self.before.get(&index)?.time);
        let by_reading = course.read.first(since, is_right);
        by_change.into_iter().chain(by_reading).min()
    }

    fn course(&self, thing: &Thing, state: &State) -> Rc<Course> {
        if let Some(course) = self.courses.borrow().get(thing) {
            return Rc::clone(course);
        }
        let changes = self.of.get(thing).into_iter().flatten();
        let after = changes.filter_map(|index| Some((*index, self.comparisons.number(self.before.get(index)?.after.as_ref()?)))).collect();
        let (account, kind, name, is_boundary) = thing;
        let files = file_names(kind, name);
        let readings = files.iter().flat_map(|file| state.world().identity_readings(account, file)).filter(|_| !is_boundary);
        let all = |documents: &IdentityDocuments| documents.iter().map(|(_, document)| document.clone()).reduce(|a, b| a.and(&b));
        let mut read: Vec<(Timestamp, usize)> =
            readings.filter_map(|(time, read)| Some((time, self.comparisons.number(&all(read)?)))).collect();
        read.sort_by_key(|(time, _)| *time);
        let course = Rc::new(Course { after: Sequence::of(after), read: Sequence::of(read) });
        self.courses.borrow_mut().insert(thing.clone(), Rc::clone(&course));
        course
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
    /// The documents that were parsed so far.
    parsed: HashMap<&'s Value, Option<IdentityPolicy>>,
}

/// The most managed policies of an identity that are merged. IAM allows fewer, even where the quota is raised (docs/aws/iam.md#limits).
const MOST_ATTACHED: usize = 64;

impl<'s> Pass<'s> {
    /// The policies before a change. Afterwards the change is applied, unless it was refused.
    fn meet(&mut self, before: Timestamp, change: &'s Change) -> Option<Before> {
        let document = change.parameter("policyDocument");
        let written = self.parsed.entry(document).or_insert_with(|| IdentityPolicy::parse(document)).clone();
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
        let meant = entity.meant(&policy).filter(|_| attached.is_none()).map(str::to_owned);
        let document = meant.as_ref().and_then(|named| entity.documents.get(named)).cloned();
        let mut others: Vec<IdentityPolicy> = entity.others(meant.as_deref()).into_iter().collect();
        let (read_boundary, set_boundary) = (entity.boundary_document().cloned(), entity.boundary.clone());
        if entity.attached.len() > MOST_ATTACHED {
            others.push(IdentityPolicy::too_many());
        } else {
            let beside: Vec<String> = entity.attached.iter().filter(|named| Some(*named) != attached.as_ref()).cloned().collect();
            others.extend(beside.iter().filter_map(|named| self.managed_at(before, account, named)));
        }
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
                    attached.map(|attached| entity.attached.remove(&attached));
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
                entity.read_again(documents);
            }
        }
        entity
    }
}

impl Entity {
    fn set(&mut self, policy: String, document: Option<IdentityPolicy>) {
        if let Some(old) = self.documents.remove(&policy) {
            self.count(&old, false);
            self.boundaries.remove(&policy);
        }
        if let Some(document) = document {
            self.count(&document, true);
            if policy.to_lowercase().contains("boundary") {
                self.boundaries.insert(policy.clone());
            }
            self.documents.insert(policy, document);
        }
    }

    /// Takes over the documents of a snapshot.
    fn read_again(&mut self, documents: &IdentityDocuments) {
        self.documents.clear();
        self.statements.clear();
        self.boundaries.clear();
        self.merged = None;
        for (name, document) in documents {
            self.set(name.clone(), Some(document.clone()));
        }
    }

    /// Counts the statements of a document that is added or removed.
    fn count(&mut self, document: &IdentityPolicy, added: bool) {
        for statement in document.statements() {
            let count = self.statements.entry(Arc::clone(statement)).or_default();
            *count = if added { *count + 1 } else { count.saturating_sub(1) };
            let is_other_set = *count == usize::from(added);
            if *count == 0 {
                self.statements.remove(statement);
            }
            if is_other_set {
                self.merged = None;
            }
        }
    }

    /// The name of the document that a policy name means: that of this name, or the only one if that has none.
    fn meant<'n>(&self, policy: &'n str) -> Option<&'n str> {
        let lone = self.documents.len() == 1 && self.documents.contains_key("");
        if lone { Some("") } else { Some(policy).filter(|policy| self.documents.contains_key(*policy)) }
    }

    /// All documents but one, merged; `None` if there is no other.
    fn others(&mut self, but: Option<&str>) -> Option<IdentityPolicy> {
        let but = but.and_then(|name| self.documents.get(name));
        if self.documents.len() == usize::from(but.is_some()) {
            return None;
        }
        let is_only_there = |statement: &&Arc<Statement>| self.statements.get(*statement) == Some(&1);
        let lacking: BTreeSet<&Arc<Statement>> = but.into_iter().flat_map(IdentityPolicy::statements).filter(is_only_there).collect();
        if lacking.is_empty() {
            let merge = || IdentityPolicy::with(self.statements.keys().cloned());
            return Some(self.merged.get_or_insert_with(merge).clone());
        }
        if self.statements.len() > MOST_COUNTED {
            return Some(IdentityPolicy::too_many());
        }
        let others: Vec<Arc<Statement>> = self.statements.keys().filter(|statement| !lacking.contains(statement)).cloned().collect();
        Some(IdentityPolicy::with(others.into_iter()))
    }

    /// The first document whose name says that it is a boundary.
    fn boundary_document(&self) -> Option<&IdentityPolicy> {
        self.boundaries.first().and_then(|name| self.documents.get(name))
    }
}

/// The most statements of an identity that are looked through at each of its changes.
const MOST_COUNTED: usize = 1_000;

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
