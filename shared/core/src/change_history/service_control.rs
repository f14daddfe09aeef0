//! What service and resource control policies refuse in each account, before and after each change of the organization: one pass over all
//! changes.
//!
//! A call must be allowed at every level of the tree, and a Deny at any level refuses it. So what one policy loses only matters where it
//! is attached, and where no other attachment on the way from the root to the account says the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    arn::{AccountId, PolicyId, TargetId},
    change::{Change, ChangeKey, OrganizationChange, WorldChange},
    identity::{IdentityPolicy, Lost, Silence, lost},
    organization::Organization,
    timestamp::Timestamp,
    world::State,
};

/// The policy types that refuse, each with AWS's policy that allows everything: it is attached to every target, unless somebody detached
/// it.
const TYPES: [(&str, &str); 2] = [("SERVICE_CONTROL_POLICY", "p-FullAWSAccess"), ("RESOURCE_CONTROL_POLICY", "p-RCPFullAWSAccess")];

/// What changes of the organization took away, by their place among all changes.
#[derive(Debug, Default)]
pub(crate) struct ServiceControl(BTreeMap<usize, Loss>);

/// What a change took away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Something is no longer refused.
    Of {
        /// In these accounts; empty if it isn't known in which.
        accounts: Vec<AccountId>,
        lost: Lost,
        /// From when on it was refused again in all of them.
        restored_at: Option<Timestamp>,
    },
    /// A policy lost it that is attached nowhere.
    Unattached(Lost),
    /// A policy that guards these accounts says something that isn't known.
    NotKnown {
        accounts: Vec<AccountId>,
        /// What it said.
        before: Option<IdentityPolicy>,
    },
}

/// The policies on the way from the root to an account, level by level, those of each type apart.
type Levels = Vec<IdentityPolicy>;

/// What is to be refused again, where.
struct Pending {
    index: usize,
    accounts: Vec<(AccountId, Levels)>,
}

struct Pass<'s> {
    state: &'s State,
    organization: Option<Organization>,
    pending: Vec<Pending>,
    losses: BTreeMap<usize, Loss>,
}

/// A policy as a change would have it.
type Supposed<'c> = Option<(&'c PolicyId, Option<IdentityPolicy>)>;

impl ServiceControl {
    pub(crate) fn of(changes: &[(&ChangeKey, &Change)], state: &State) -> Self {
        let mut pass = Pass { state, organization: None, pending: Vec::new(), losses: BTreeMap::new() };
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

    /// What a change took away, if anything.
    pub(crate) fn loss(&self, index: usize) -> Option<&Loss> {
        self.0.get(&index)
    }
}

impl Pass<'_> {
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
            // What was refused took nothing away that could come back.
            self.pending.retain(|pending| pending.index != index);
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

    /// Whether a change can take a guard away that service or resource control policies are.
    fn takes_away(&self, time: Timestamp, change: &OrganizationChange) -> bool {
        match change {
            OrganizationChange::UpdatePolicy { policy, .. } | OrganizationChange::DetachPolicy { policy, .. } => {
                self.document(policy, time.just_before()).is_some_and(|(_, before)| before.guards())
            }
            OrganizationChange::DisablePolicyType { policy_type, .. } => TYPES.iter().any(|(known, _)| known == policy_type),
            // What allows everything, beside what asks, opens a level.
            OrganizationChange::AttachPolicy { policy, .. } => self.document(policy, time).is_some_and(|(_, attached)| attached.opens()),
            OrganizationChange::MoveAccount { account, .. } => self.organization.as_ref().is_some_and(|organization| {
                self.levels(organization, account, time.just_before(), None).iter().any(IdentityPolicy::guards)
            }),
            _ => false,
        }
    }

    /// A service or resource control policy at a moment, with its type. Of policies whose type isn't known none is one.
    fn document(&self, policy: &PolicyId, at: Timestamp) -> Option<(&'static str, IdentityPolicy)> {
        if let Some((policy_type, _)) = TYPES.iter().find(|(_, full_access)| *full_access == policy.as_str()) {
            return Some((policy_type, IdentityPolicy::open_to_all()));
        }
        let version = self.state.organization_policy(policy, at).state()?;
        let (policy_type, _) = TYPES.iter().find(|(known, _)| *known == version.policy_type)?;
        Some((policy_type, IdentityPolicy::parse(&serde_json::Value::String(version.content.clone()))?))
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
        let mut accounts = Vec::new();
        let mut all = Lost::default();
        // Accounts in one place have the same policies.
        let mut known: BTreeMap<Vec<Vec<PolicyId>>, (Levels, Lost)> = BTreeMap::new();
        for account in concerned {
            let (levels, lost) = known.entry(attached(organization, &account, before)).or_insert_with(|| {
                let levels = self.levels(organization, &account, before, None);
                let lost = lost(&levels, &self.levels(&after, &account, time, supposed.as_ref()), Silence::Allows);
                (levels, lost)
            });
            if !lost.is_empty() {
                all.add(lost);
                accounts.push((account, levels.clone()));
            }
        }
        if accounts.is_empty() {
            return None;
        }
        let named = accounts.iter().map(|(account, _)| account.clone()).collect();
        self.pending.push(Pending { index, accounts });
        Some(Loss::Of { accounts: named, lost: all, restored_at: None })
    }

    /// Where the tree isn't known: what the policy by itself lost, for whom nobody knows.
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

    /// What is refused again.
    fn put_right(&mut self, time: Timestamp) {
        let Some(organization) = self.organization.clone().filter(|_| !self.pending.is_empty()) else {
            return;
        };
        let pending = std::mem::take(&mut self.pending);
        for pending in pending {
            let is_right = |(account, before): &(AccountId, Levels)| {
                organization.accounts.contains_key(account)
                    && lost(before, &self.levels(&organization, account, time, None), Silence::Allows).is_empty()
            };
            if pending.accounts.iter().all(is_right) {
                if let Some(Loss::Of { restored_at, .. }) = self.losses.get_mut(&pending.index) {
                    *restored_at = Some(time);
                }
            } else {
                self.pending.push(pending);
            }
        }
    }
}

/// What a policy by itself lost.
fn alone(before: &IdentityPolicy, after: &IdentityPolicy) -> Lost {
    lost(std::slice::from_ref(before), std::slice::from_ref(after), Silence::Allows)
}

/// The policies that are attached on the way from the root to an account. Neither service nor resource control policies bind
/// the management account.
fn attached(organization: &Organization, account: &AccountId, at: Timestamp) -> Vec<Vec<PolicyId>> {
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

/// The accounts for which a change can make a difference.
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
            for attachments in organization.attachments.values_mut() {
                attachments.retain(|attachment| !is_of_type(&attachment.policy));
            }
        }
        OrganizationChange::CreateOrganizationalUnit { unit, name, parent } => {
            let made = crate::organization::Unit { name: name.clone(), parent: parent.clone() };
            organization.units.entry(unit.clone()).or_insert(made);
        }
        OrganizationChange::MoveAccount { account, destination } => {
            if let Some(moved) = organization.accounts.get_mut(account) {
                moved.parent = destination.clone();
            }
        }
        OrganizationChange::AccountLeft { account } => {
            organization.accounts.remove(account);
        }
        _ => {}
    }
}
