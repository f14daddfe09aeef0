//! Computes what each change of the organization removes from the protection by service and resource control policies, in one pass over all
//! changes.
//!
//! A request must be allowed at every level of the organization's tree, and a Deny at any level refuses it. So a statement that a policy
//! loses matters only in accounts below its attachments, and only if no other policy between the root and the account refuses the same.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};

use hashbrown::HashMap;

use crate::{
    arn::{AccountId, PolicyId, TargetId},
    change::{Change, ChangeKey, OrganizationChange, WorldChange},
    identity::{IdentityPolicy, Lost, Silence, lost},
    organization::Organization,
    timestamp::Timestamp,
    world::State,
};

/// The two policy types, each with the id of AWS's policy that allows everything. AWS attaches that policy to every target, until somebody
/// detaches it.
const TYPES: [(&str, &str); 2] = [("SERVICE_CONTROL_POLICY", "p-FullAWSAccess"), ("RESOURCE_CONTROL_POLICY", "p-RCPFullAWSAccess")];

/// The losses by the index of the change that caused them.
#[derive(Debug, Default)]
pub(crate) struct ServiceControl(BTreeMap<usize, Loss>);

/// The protection that a change removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Requests that were refused are no longer refused.
    Of {
        /// The accounts concerned; empty if they aren't known.
        accounts: Vec<AccountId>,
        lost: Lost,
        /// The time from which the same requests are refused again in all of these accounts.
        restored_at: Option<Timestamp>,
    },
    /// The policy that lost it is attached to nothing.
    Unattached(Lost),
    /// The new content of a policy that is attached above these accounts isn't known.
    NotKnown {
        accounts: Vec<AccountId>,
        /// The content before the change, if that is known.
        before: Option<IdentityPolicy>,
    },
}

/// The policies that apply to an account: one merged document for each level from the root to the account and each policy type.
type Levels = Vec<IdentityPolicy>;

/// The policies before and after a change.
type BeforeAndAfter = (Rc<Levels>, Rc<Levels>);

/// The ids of the policies that are attached at each level from the root to an account.
type Attached = Vec<Vec<PolicyId>>;

/// Losses that are not restored yet, with the policies that the accounts had before them. Changes that took the same away are restored
/// together.
struct Pending {
    indexes: Vec<usize>,
    accounts: Vec<(Rc<Levels>, Vec<AccountId>)>,
}

/// The most different losses that are followed. The restoration of older ones is not found, and they stay open.
const MOST_PENDING: usize = 64;

struct Pass<'s> {
    state: &'s State,
    organization: Option<Organization>,
    pending: VecDeque<Pending>,
    losses: BTreeMap<usize, Loss>,
    /// The documents that were parsed so far, by their text.
    documents: RefCell<HashMap<&'s str, Option<IdentityPolicy>>>,
    /// Whether nothing is lost from some policies to others.
    lost: RefCell<HashMap<BeforeAndAfter, bool>>,
}

/// The policy that a change rewrites, with its new content if that is known.
type Supposed<'c> = Option<(&'c PolicyId, Option<IdentityPolicy>)>;

impl ServiceControl {
    pub(crate) fn of(changes: &[(&ChangeKey, &Change)], state: &State) -> Self {
        let (documents, lost) = Default::default();
        let mut pass = Pass { state, organization: None, pending: VecDeque::new(), losses: BTreeMap::new(), documents, lost };
        let mut readings = state.world().organization_readings().peekable();
        for (index, (key, change)) in changes.iter().enumerate() {
            let Some(WorldChange::Organization(organization_change)) = &change.effect else {
                continue;
            };
            while let Some((time, organization)) = readings.next_if(|(time, _)| *time < key.time) {
                pass.read(time, organization);
            }
            pass.meet(index, key.time, organization_change, change.is_refused());
        }
        readings.for_each(|(time, organization)| pass.read(time, organization));
        ServiceControl(pass.losses)
    }

    /// The protection that the change at this index removed, if any.
    pub(crate) fn loss(&self, index: usize) -> Option<&Loss> {
        self.0.get(&index)
    }
}

impl<'s> Pass<'s> {
    fn read(&mut self, time: Timestamp, organization: &Organization) {
        self.organization = Some(organization.clone());
        self.put_right(time);
    }

    fn meet(&mut self, index: usize, time: Timestamp, change: &OrganizationChange, refused: bool) {
        if self.takes_away(time, change)
            && let Some(loss) = self.loss(index, time, change)
        {
            self.losses.insert(index, loss);
        }
        if refused {
            // A refused change removed nothing that could be restored.
            self.pending.iter_mut().for_each(|pending| pending.indexes.retain(|pending| *pending != index));
            self.pending.retain(|pending| !pending.indexes.is_empty());
        } else {
            if let Some(organization) = &mut self.organization {
                apply(organization, time, change, self.state);
            }
            if matches!(change, OrganizationChange::NotReadable { .. }) {
                self.organization = None;
            }
            self.put_right(time);
        }
    }

    /// Whether a change can remove a protection by service or resource control policies.
    fn takes_away(&self, time: Timestamp, change: &OrganizationChange) -> bool {
        match change {
            OrganizationChange::UpdatePolicy { policy, .. } | OrganizationChange::DetachPolicy { policy, .. } => {
                self.document(policy, time.just_before()).is_some_and(|(_, before)| before.guards())
            }
            OrganizationChange::DisablePolicyType { policy_type, .. } => TYPES.iter().any(|(known, _)| known == policy_type),
            // A policy that allows everything, attached beside one with a condition, makes the condition void at that level.
            OrganizationChange::AttachPolicy { policy, .. } => self.document(policy, time).is_some_and(|(_, attached)| attached.opens()),
            OrganizationChange::MoveAccount { account, .. } => self.organization.as_ref().is_some_and(|organization| {
                self.levels(organization, account, time.just_before(), None).iter().any(IdentityPolicy::guards)
            }),
            _ => false,
        }
    }

    /// The content of a service or resource control policy at a time, with its type; `None` for other policies and for unknown types.
    fn document(&self, policy: &PolicyId, at: Timestamp) -> Option<(&'static str, IdentityPolicy)> {
        if let Some((policy_type, _)) = TYPES.iter().find(|(_, full_access)| *full_access == policy.as_str()) {
            return Some((policy_type, IdentityPolicy::open_to_all()));
        }
        let version = self.state.organization_policy(policy, at).state()?;
        let (policy_type, _) = TYPES.iter().find(|(known, _)| *known == version.policy_type)?;
        Some((policy_type, self.parsed(&version.content)?))
    }

    /// The document in a text, which is parsed once.
    fn parsed(&self, content: &'s str) -> Option<IdentityPolicy> {
        let parse = || IdentityPolicy::parse(&serde_json::Value::String(content.to_owned()));
        self.documents.borrow_mut().entry(content).or_insert_with(parse).clone()
    }

    fn loss(&mut self, index: usize, time: Timestamp, change: &OrganizationChange) -> Option<Loss> {
        let before = time.just_before();
        let supposed: Supposed<'_> = match change {
            OrganizationChange::UpdatePolicy { policy, content } => {
                let written = content.as_ref().and_then(|content| IdentityPolicy::parse(&serde_json::Value::String(content.clone())));
                Some((policy, written.or_else(|| self.document(policy, time).map(|(_, written)| written))))
            }
            _ => None,
        };
        let Some(organization) = &self.organization else {
            return self.loss_of_document(change, before, supposed);
        };
        let mut after = organization.clone();
        apply(&mut after, time, change, self.state);
        let concerned = concerned(organization, change);
        if let (Some((policy, written)), true) = (&supposed, concerned.is_empty()) {
            let (_, before) = self.document(policy, before)?;
            let lost = alone(&before, &written.clone()?);
            return (!lost.is_empty()).then_some(Loss::Unattached(lost));
        }
        if let Some((policy, None)) = supposed {
            let before = self.document(policy, before).map(|(_, before)| before);
            return (!concerned.is_empty()).then_some(Loss::NotKnown { accounts: concerned, before });
        }
        let mut named = Vec::new();
        let mut all = Lost::default();
        // Accounts with equal attachments have equal policies, so these are computed once.
        let mut known: BTreeMap<Attached, (Rc<Levels>, Lost, Vec<AccountId>)> = BTreeMap::new();
        for account in concerned {
            let (_, lost, alike) = known.entry(attached(organization, &account, before)).or_insert_with(|| {
                let levels = self.levels(organization, &account, before, None);
                let lost = lost(&levels, &self.levels(&after, &account, time, supposed.as_ref()), Silence::Allows);
                (Rc::new(levels), lost, Vec::new())
            });
            if !lost.is_empty() {
                if alike.is_empty() {
                    all.add(lost);
                }
                alike.push(account.clone());
                named.push(account);
            }
        }
        if named.is_empty() {
            return None;
        }
        let accounts = known.into_values().filter(|(.., alike)| !alike.is_empty()).map(|(levels, _, alike)| (levels, alike)).collect();
        match self.pending.iter_mut().find(|pending| pending.accounts == accounts) {
            Some(same) => same.indexes.push(index),
            None => self.pending.push_back(Pending { indexes: vec![index], accounts }),
        }
        if self.pending.len() > MOST_PENDING {
            self.pending.pop_front();
        }
        Some(Loss::Of { accounts: named, lost: all, restored_at: None })
    }

    /// The loss if the organization's tree isn't known: what the policy by itself lost, without the accounts concerned.
    fn loss_of_document(&self, change: &OrganizationChange, before: Timestamp, supposed: Supposed<'_>) -> Option<Loss> {
        let nothing = IdentityPolicy::default();
        let lost = match (change, supposed) {
            (OrganizationChange::UpdatePolicy { policy, .. }, Some((_, Some(written)))) => {
                alone(&self.document(policy, before)?.1, &written)
            }
            (OrganizationChange::DetachPolicy { policy, .. }, _) => alone(&self.document(policy, before)?.1.denials(), &nothing),
            (OrganizationChange::DisablePolicyType { policy_type, .. }, _) => {
                let all = self.state.organization_policies(before).filter(|(_, version)| version.policy_type == *policy_type);
                let all = all.filter_map(|(policy, _)| self.document(policy, before)).map(|(_, document)| document.denials());
                all.reduce(|a, b| a.and(&b)).map(|all| alone(&all, &nothing)).unwrap_or_default()
            }
            (OrganizationChange::AttachPolicy { .. } | OrganizationChange::MoveAccount { .. }, _) => return None,
            (_, supposed) => {
                let before = supposed.and_then(|(policy, _)| self.document(policy, before)).map(|(_, before)| before);
                return Some(Loss::NotKnown { accounts: Vec::new(), before });
            }
        };
        (!lost.is_empty()).then_some(Loss::Of { accounts: Vec::new(), lost, restored_at: None })
    }

    fn levels(
        &self,
        organization: &Organization,
        account: &AccountId,
        at: Timestamp,
        supposed: Option<&(&PolicyId, Option<IdentityPolicy>)>,
    ) -> Levels {
        let document = |policy: &PolicyId| {
            let (policy_type, read) = self.document(policy, at)?;
            let written = supposed.filter(|(supposed, _)| *supposed == policy).and_then(|(_, written)| written.clone());
            Some((policy_type, written.unwrap_or(read)))
        };
        let mut levels = Levels::new();
        for level in attached(organization, account, at) {
            let known: Vec<(&str, IdentityPolicy)> = level.iter().filter_map(document).collect();
            for (policy_type, _) in TYPES {
                let of_type = known.iter().filter(|(of, _)| *of == policy_type).map(|(_, document)| document);
                levels.push(of_type.fold(IdentityPolicy::default(), |level, document| level.and(document)));
            }
        }
        levels
    }

    /// Sets the time of restoration for pending losses that the current policies make up for.
    fn put_right(&mut self, time: Timestamp) {
        let Some(organization) = self.organization.as_ref().filter(|_| !self.pending.is_empty()) else {
            return;
        };
        let mut now: HashMap<Attached, Rc<Levels>> = HashMap::new();
        let mut known: HashMap<[usize; 2], bool> = HashMap::new();
        let mut is_right_for = |account: &AccountId, before: &Rc<Levels>| {
            let levels = || Rc::new(self.levels(organization, account, time, None));
            let now = now.entry(attached(organization, account, time)).or_insert_with(levels);
            let compare = || lost(before, now, Silence::Allows).is_empty();
            let of_contents = || *self.lost.borrow_mut().entry((Rc::clone(before), Rc::clone(now))).or_insert_with(compare);
            *known.entry([before, now].map(|levels| Rc::as_ptr(levels).addr())).or_insert_with(of_contents)
        };
        let mut is_right = |pending: &Pending| {
            pending.accounts.iter().all(|(before, alike)| {
                alike.iter().all(|account| organization.accounts.contains_key(account) && is_right_for(account, before))
            })
        };
        let right: Vec<bool> = self.pending.iter().map(&mut is_right).collect();
        let mut right = right.into_iter();
        let losses = &mut self.losses;
        self.pending.retain(|pending| {
            let is_right = right.next() == Some(true);
            for index in pending.indexes.iter().filter(|_| is_right) {
                if let Some(Loss::Of { restored_at, .. }) = losses.get_mut(index) {
                    *restored_at = Some(time);
                }
            }
            !is_right
        });
    }
}

/// What the change of a single policy loses, regardless of other policies.
fn alone(before: &IdentityPolicy, after: &IdentityPolicy) -> Lost {
    lost(std::slice::from_ref(before), std::slice::from_ref(after), Silence::Allows)
}

/// The ids of the policies that are attached at each level from the root to an account. None for the management account, to which neither
/// service nor resource control policies apply.
fn attached(organization: &Organization, account: &AccountId, at: Timestamp) -> Attached {
    let path = organization.path_to(account).filter(|_| organization.management_account.as_ref() != Some(account));
    let of_target = |target: TargetId| {
        let attachments = organization.attachments.get(&target).into_iter().flatten();
        attachments
            .filter(|attachment| attachment.attached_at.is_none_or(|since| since <= at))
            .map(|attachment| attachment.policy.clone())
            .collect()
    };
    path.unwrap_or_default().into_iter().map(of_target).collect()
}

/// The accounts whose policies a change can alter.
fn concerned(organization: &Organization, change: &OrganizationChange) -> Vec<AccountId> {
    let targets: Vec<&TargetId> = match change {
        OrganizationChange::UpdatePolicy { policy, .. } => organization.targets_of(policy).collect(),
        OrganizationChange::DetachPolicy { policy, target } => {
            organization.targets_of(policy).filter(|attached| *attached == target).collect()
        }
        OrganizationChange::DisablePolicyType { root, .. } => vec![root],
        OrganizationChange::AttachPolicy { target, .. } => vec![target],
        OrganizationChange::MoveAccount { account, .. } => return vec![account.clone()],
        _ => Vec::new(),
    };
    let accounts: BTreeSet<&AccountId> = targets.into_iter().flat_map(|target| organization.accounts_under(target)).collect();
    accounts.into_iter().cloned().collect()
}

fn apply(organization: &mut Organization, time: Timestamp, change: &OrganizationChange, state: &State) {
    match change {
        OrganizationChange::AttachPolicy { policy, target } => organization.attach(target, policy.clone(), Some(time)),
        OrganizationChange::DetachPolicy { policy, target } => organization.detach(target, policy),
        OrganizationChange::DeletePolicy { policy } => {
            let targets: Vec<TargetId> = organization.targets_of(policy).cloned().collect();
            for target in &targets {
                organization.detach(target, policy);
            }
        }
        OrganizationChange::DisablePolicyType { policy_type, .. } => {
            let is_of_type = |policy: &PolicyId| {
                let version = state.organization_policy(policy, time.just_before()).state();
                let is_full_access = || TYPES.contains(&(policy_type.as_str(), policy.as_str()));
                version.map_or_else(is_full_access, |version| version.policy_type == *policy_type)
            };
            organization.detach_all(is_of_type);
        }
        OrganizationChange::CreateOrganizationalUnit { unit, name, parent } => {
            organization.add_unit(unit, name, parent);
        }
        OrganizationChange::MoveAccount { account, destination } => {
            organization.move_account(account, destination);
        }
        OrganizationChange::AccountLeft { account } => {
            organization.remove_account(account);
        }
        _ => {}
    }
}
