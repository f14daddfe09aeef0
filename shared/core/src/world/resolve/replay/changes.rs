//! What a change of the organization does to the tree and its policies, and which accounts it concerns.

use std::{collections::BTreeSet, sync::Arc};

use super::{Concerned, Policy, Replay};
use crate::{
    arn::{AccountId, PolicyId, TargetId},
    change::OrganizationChange,
    policy::BEDROCK_POLICY,
    timestamp::Timestamp,
};

impl Replay<'_> {
    /// Makes a change, and returns whom it concerns.
    pub(super) fn change(&mut self, time: Timestamp, change: &OrganizationChange) -> Concerned {
        use OrganizationChange as Change;
        // The concerned accounts are determined before and after the change: an account that loses a policy is as concerned as one that
        // gains it.
        match change {
            Change::CreatePolicy { policy, policy_type, content, .. } => {
                let created = content.as_deref().and_then(|content| self.policy_with(policy_type, content));
                let unread = || Policy { policy_type: Some(policy_type.clone()), ..Policy::default() };
                self.now.policies.insert(policy.clone(), created.unwrap_or_else(unread));
                self.now.has_more = true;
                Concerned::Nobody
            }
            Change::UpdatePolicy { policy, content } => {
                let is_known = self.now.policies.get(policy).is_some_and(|policy| policy.policy_type.is_some());
                // The content that is written into an unread policy shows its type.
                if !is_known && self.policy_type == BEDROCK_POLICY && content.as_deref().is_some_and(|content| !speaks_of_bedrock(content))
                {
                    return Concerned::Nobody;
                }
                if !self.may_be_of_our_type(policy) {
                    return Concerned::Nobody;
                }
                let updated = self.updated(policy, time, content.as_deref());
                self.now.policies.insert(policy.clone(), updated);
                self.targets_of(policy)
            }
            // AWS deletes only policies that aren't attached; a refused deletion may be of an attached one.
            Change::DeletePolicy { policy } => {
                let is_concerned = (self.now.organization.is_some() || self.now.supposing) && self.may_be_of_our_type(policy);
                let concerned = if is_concerned { self.targets_of(policy) } else { Concerned::Nobody };
                if let Some(organization) = &mut self.now.organization {
                    let targets: Vec<TargetId> = organization.targets_of(policy).cloned().collect();
                    for target in &targets {
                        organization.detach(target, policy);
                    }
                }
                concerned
            }
            Change::DeleteOrganizationalUnit { .. } => Concerned::Nobody,
            Change::AttachPolicy { policy, target } => {
                if let Some(organization) = &mut self.now.organization {
                    organization.attach(target, policy.clone(), Some(time));
                }
                if self.may_be_of_our_type(policy) { self.under(target) } else { Concerned::Nobody }
            }
            Change::DetachPolicy { policy, target } => {
                if let Some(organization) = &mut self.now.organization {
                    organization.detach(target, policy);
                }
                if self.may_be_of_our_type(policy) { self.under(target) } else { Concerned::Nobody }
            }
            Change::EnablePolicyType { root, policy_type } => self.switch_type(root, policy_type, true),
            Change::DisablePolicyType { root, policy_type } => self.switch_type(root, policy_type, false),
            Change::CreateOrganizationalUnit { unit, name, parent } => {
                if let Some(organization) = &mut self.now.organization {
                    organization.add_unit(unit, name, parent);
                }
                self.now.has_more = true;
                self.now.under.clear();
                Concerned::Nobody
            }
            Change::MoveAccount { account, destination } => {
                if let Some(organization) = &mut self.now.organization {
                    organization.move_account(account, destination);
                }
                self.now.under.clear();
                Concerned::Accounts([account.clone()].into())
            }
            Change::AccountLeft { account } => {
                if let Some(organization) = &mut self.now.organization {
                    organization.remove_account(account);
                }
                self.now.departed.insert(account.clone());
                self.now.under.clear();
                Concerned::Accounts([account.clone()].into())
            }
            Change::NotReadable { event_name } => {
                self.now.lost = true;
                if event_name == "UpdatePolicy" {
                    self.now.policies.values_mut().for_each(|policy| policy.content = None);
                }
                Concerned::Everybody
            }
            Change::EffectivePolicyValidation { account, valid } => {
                if !self.now.supposing {
                    self.accounts.entry(account.clone()).or_default().validity.push((time, *valid));
                }
                Concerned::Nobody
            }
        }
    }

    fn switch_type(&mut self, root: &TargetId, policy_type: &str, enabled: bool) -> Concerned {
        if policy_type != self.policy_type {
            return Concerned::Nobody;
        }
        let ours: BTreeSet<PolicyId> = self.now.policies.keys().filter(|policy| self.may_be_of_our_type(policy)).cloned().collect();
        self.now.has_more = true;
        if let Some(organization) = &mut self.now.organization {
            let types = organization.policy_types.entry(root.clone()).or_default().get_or_insert_with(BTreeSet::new);
            if enabled {
                types.insert(policy_type.to_owned());
            } else {
                types.remove(policy_type);
                // Disabling a type detaches its policies: enabling it again doesn't bring them back (docs/aws/bedrock-policies.md#api).
                organization.detach_all(|policy| ours.contains(policy));
            }
        }
        self.under(root)
    }

    /// The policy after an update: with the content in the event, or else that of the next snapshot if nothing was written in between.
    fn updated(&mut self, id: &PolicyId, time: Timestamp, content: Option<&str>) -> Policy {
        let policy_type = self.now.policies.get(id).and_then(|policy| policy.policy_type.clone());
        let unread = Policy { policy_type: policy_type.clone(), ..Policy::default() };
        if let Some(content) = content {
            let read = self.policy_with(policy_type.as_deref().unwrap_or_default(), content);
            return read.map_or(unread, |read| Policy { policy_type, ..read });
        }
        let world = self.world;
        let mut snapshots = world.policies.get(id).into_iter().flat_map(|timeline| timeline.after(time.just_before()));
        let next = snapshots.find_map(|(read_at, _, version)| Some((read_at, version?)));
        match next.filter(|(read_at, _)| !self.written_within(id, time, *read_at)) {
            Some((_, version)) => self.policy_of(version, true),
            None => unread,
        }
    }

    /// Whether the policy is, or may be, of the replayed type.
    pub(super) fn may_be_of_our_type(&self, policy: &PolicyId) -> bool {
        match self.now.policies.get(policy).and_then(|policy| policy.policy_type.as_deref()) {
            Some(policy_type) => policy_type == self.policy_type,
            None => !policy.is_of_aws(),
        }
    }

    /// The accounts below a target.
    pub(super) fn under(&mut self, target: &TargetId) -> Concerned {
        match &self.now.organization {
            Some(organization) => {
                let below = || organization.accounts_under(target).cloned().collect();
                Concerned::Accounts(Arc::clone(self.now.under.entry(target.clone()).or_insert_with(below)))
            }
            None if target.bytes().all(|byte| byte.is_ascii_digit()) => Concerned::Accounts([target.as_str().into()].into()),
            None => Concerned::Everybody,
        }
    }

    /// The accounts below the targets of a policy.
    pub(super) fn targets_of(&mut self, policy: &PolicyId) -> Concerned {
        let Some(organization) = &self.now.organization else {
            return Concerned::Everybody;
        };
        let targets: Vec<TargetId> = organization.targets_of(policy).cloned().collect();
        if let [target] = targets.as_slice() {
            return self.under(target);
        }
        let accounts: BTreeSet<&AccountId> = targets.iter().flat_map(|target| organization.accounts_under(target)).collect();
        Concerned::Accounts(accounts.into_iter().cloned().collect())
    }
}

/// Whether the content of a policy may be that of a Bedrock policy. Other types have other top-level keys.
fn speaks_of_bedrock(content: &str) -> bool {
    let content = serde_json::from_str::<serde_json::Value>(content).ok();
    content.is_none_or(|content| content.as_object().is_none_or(|members| members.keys().any(|key| key.eq_ignore_ascii_case("bedrock"))))
}
