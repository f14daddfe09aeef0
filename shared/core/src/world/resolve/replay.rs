//! Replays the organization through time and computes each account's effective policy after each change.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::policies::{AccountHistory, Computed};
use crate::{
    arn::{AccountId, PolicyId, TargetId},
    change::OrganizationChange,
    organization::Organization,
    policy::{Attached, BEDROCK_POLICY, Document, EffectivePolicy, Origin, inherit},
    timestamp::Timestamp,
    world::{PolicyVersion, Timeline, World},
};

/// The accounts that a change concerns; for a refused change, with their computed policies before and after.
#[derive(Clone, Debug)]
pub(super) struct Touched {
    pub(super) accounts: Vec<AccountId>,
    pub(super) everybody: bool,
    pub(super) supposed: Option<Vec<(Computed, Computed)>>,
}

/// A policy as far as it is known.
#[derive(Clone, Debug, Default)]
struct Policy {
    policy_type: Option<String>,
    /// Its content, with a number that identifies this content; `None` if it isn't known.
    content: Option<(usize, Arc<Document>)>,
    assumed: bool,
}

/// The organization at one time of the replay.
#[derive(Clone)]
pub(super) struct Replay<'w> {
    world: &'w World,
    policy_type: &'w str,
    organization: Option<Organization>,
    organization_assumed: bool,
    /// Accounts that left, recorded also while the organization isn't known.
    departed: BTreeSet<AccountId>,
    policies: BTreeMap<PolicyId, Policy>,
    contents: usize,
    accounts: BTreeMap<AccountId, AccountHistory>,
    /// The times of events that may concern any account.
    touched_all: Vec<Timestamp>,
    cache: HashMap<Vec<(TargetId, usize)>, Option<Arc<EffectivePolicy>>>,
    effects: BTreeMap<(Timestamp, String, OrganizationChange), Touched>,
    /// Whether this is a copy that computes the effect of a supposed change.
    supposing: bool,
    /// Whether the state of the organization is lost: an event changed it without showing how, or a snapshot can't be understood.
    lost: bool,
}

/// One step of a replay. At the same time, changes come first, ordered by event id, then snapshots.
enum Step<'w> {
    Change(&'w str, &'w OrganizationChange),
    /// A refused change.
    Attempt(&'w str, &'w OrganizationChange),
    /// An attachment with its date from `organization.json`.
    Attached(TargetId, PolicyId),
    Policy(&'w PolicyId, Option<&'w PolicyVersion>),
    /// A snapshot; `None` if it can't be read.
    Organization(Option<&'w Organization>),
}

/// The accounts that a step concerns.
enum Concerned {
    Nobody,
    Accounts(Vec<AccountId>),
    Everybody,
}

/// The result of [`Replay`].
pub(super) struct Replayed {
    pub(super) accounts: BTreeMap<AccountId, AccountHistory>,
    touched_all: Vec<Timestamp>,
    pub(super) organization: Option<Organization>,
    pub(super) effects: BTreeMap<(Timestamp, String, OrganizationChange), Touched>,
}

impl Replayed {
    pub(super) fn history_of(&self, account: &AccountId) -> AccountHistory {
        let mut history = self.accounts.get(account).cloned().unwrap_or_default();
        history.touched.extend(&self.touched_all);
        history.touched.sort_unstable();
        history
    }
}

impl<'w> Replay<'w> {
    pub(super) fn of(world: &'w World, policy_type: &'w str) -> Replayed {
        let mut replay = Replay {
            world,
            policy_type,
            organization: None,
            organization_assumed: false,
            departed: BTreeSet::new(),
            policies: BTreeMap::new(),
            contents: 0,
            accounts: BTreeMap::new(),
            touched_all: Vec::new(),
            cache: HashMap::new(),
            effects: BTreeMap::new(),
            supposing: false,
            lost: false,
        };
        replay.assume_what_is_only_read_later();
        replay.record(Timestamp::BEGINNING, &Concerned::Everybody);
        let mut steps = replay.steps();
        steps.sort_by(|(a, x, _), (b, y, _)| (a, x).cmp(&(b, y)));
        for (time, _, step) in steps {
            let concerned = replay.take(time, &step);
            replay.record(time, &concerned);
        }
        if policy_type == BEDROCK_POLICY {
            for (account, validations) in &world.validations {
                let validity = &mut replay.accounts.entry(account.clone()).or_default().validity;
                validity.extend(validations.iter().map(|(read, validation)| (validation.since(*read), validation.is_valid())));
                // If two validations have the same time, invalid counts.
                validity.sort_by_key(|(time, valid)| (*time, !valid));
            }
        }
        Replayed { accounts: replay.accounts, touched_all: replay.touched_all, organization: replay.organization, effects: replay.effects }
    }

    fn steps(&self) -> Vec<(Timestamp, (u8, String), Step<'w>)> {
        let mut steps = Vec::new();
        for (time, event_id, change) in &self.world.organization_changes {
            steps.push((*time, (1, event_id.clone()), Step::Change(event_id, change)));
        }
        for (time, event_id, change) in &self.world.organization_attempts {
            steps.push((*time, (1, event_id.clone()), Step::Attempt(event_id, change)));
        }
        for (policy, timeline) in &self.world.policies {
            for (time, _, version) in timeline.entries() {
                steps.push((time, (2, policy.to_string()), Step::Policy(policy, version)));
            }
        }
        let mut dated = |organization: &Organization, after: Timestamp, before: Timestamp| {
            for (at, target, policy) in organization.clone().split_off_later(after) {
                if at < before {
                    // Attachments of the same time keep the order of the list, because the first one wins
                    // (docs/aws/bedrock-policies.md#inheritance).
                    steps.push((at, (0, String::new()), Step::Attached(target, policy)));
                }
            }
        };
        let mut snapshots = self.world.organizations.entries().filter_map(|(time, _, organization)| Some((time, organization?))).peekable();
        if let Some((time, organization)) = snapshots.peek().filter(|_| self.organization_assumed) {
            dated(organization, Timestamp::BEGINNING, *time);
        }
        while let Some((time, organization)) = snapshots.next() {
            dated(organization, time, snapshots.peek().map_or(Timestamp::END, |(next, _)| *next));
        }
        let snapshots = self.world.organizations.entries();
        steps.extend(snapshots.map(|(time, _, organization)| (time, (3, String::new()), Step::Organization(organization))));
        steps
    }

    /// Assumes that the first snapshot of an entity also holds before its time, unless an event shows a change in between.
    fn assume_what_is_only_read_later(&mut self) {
        let first_change = self.world.organization_changes.iter().next().map_or(Timestamp::END, |(time, ..)| *time);
        if let Some((time, _, Some(organization))) = self.world.organizations.entries().next()
            && time > Timestamp::BEGINNING
            && time <= first_change
        {
            let mut organization = organization.clone();
            organization.split_off_later(Timestamp::BEGINNING);
            self.organization = Some(organization);
            self.organization_assumed = true;
        }
        for (id, timeline) in &self.world.policies {
            if let Some((time, _, Some(version))) = timeline.entries().next()
                && time > Timestamp::BEGINNING
                && !self.written_within(id, Timestamp::BEGINNING, time)
            {
                let policy = self.policy_of(version, true);
                self.policies.insert(id.clone(), policy);
            }
        }
    }

    fn policy_of(&mut self, version: &PolicyVersion, assumed: bool) -> Policy {
        self.contents += 1;
        Policy { policy_type: Some(version.policy_type.clone()), content: Some((self.contents, Arc::clone(&version.document))), assumed }
    }

    /// Whether an event wrote the policy after one time and up to another.
    fn written_within(&self, policy: &PolicyId, after: Timestamp, until: Timestamp) -> bool {
        self.world.organization_changes.iter().any(|(time, _, change)| {
            *time > after
                && *time <= until
                && matches!(change, OrganizationChange::CreatePolicy { policy: p, .. } | OrganizationChange::UpdatePolicy { policy: p, .. } if p == policy)
        })
    }

    /// Applies one step to the organization.
    fn take(&mut self, time: Timestamp, step: &Step<'w>) -> Concerned {
        match step {
            Step::Organization(None) => {
                self.lost = true;
                Concerned::Everybody
            }
            Step::Organization(Some(organization)) => {
                let mut organization = (*organization).clone();
                organization.split_off_later(time);
                self.departed.retain(|account| !organization.accounts.contains_key(account));
                self.organization = Some(organization);
                self.organization_assumed = false;
                self.lost = false;
                Concerned::Everybody
            }
            Step::Policy(policy, version) => {
                let read = version.map(|version| self.policy_of(version, false)).unwrap_or_default();
                self.policies.insert((*policy).clone(), read);
                self.targets_of(policy)
            }
            Step::Attached(target, policy) => {
                if let Some(organization) = &mut self.organization {
                    organization.attach(target, policy.clone(), Some(time));
                }
                self.under(target)
            }
            Step::Attempt(event_id, change) => {
                let touched = self.suppose(time, change);
                self.effects.insert((time, (*event_id).to_owned(), (*change).clone()), touched);
                Concerned::Nobody
            }
            Step::Change(event_id, change) => {
                let concerned = self.change(time, change);
                let (accounts, everybody) = self.accounts_of(&concerned);
                self.effects.insert((time, (*event_id).to_owned(), (*change).clone()), Touched { accounts, everybody, supposed: None });
                match &concerned {
                    Concerned::Nobody => {}
                    Concerned::Accounts(accounts) => {
                        for account in accounts {
                            self.accounts.entry(account.clone()).or_default().touched.push(time);
                        }
                    }
                    Concerned::Everybody => self.touched_all.push(time),
                }
                concerned
            }
        }
    }

    /// Computes the effect that a change would have at this point.
    fn suppose(&mut self, time: Timestamp, change: &OrganizationChange) -> Touched {
        let mut after = Replay { supposing: true, ..self.clone() };
        let concerned = after.change(time, change);
        let (accounts, everybody) = after.accounts_of(&concerned);
        let supposed = accounts.iter().map(|account| (self.compute(account), after.compute(account))).collect();
        Touched { accounts, everybody, supposed: Some(supposed) }
    }

    /// The accounts concerned, and whether there may be others.
    fn accounts_of(&self, concerned: &Concerned) -> (Vec<AccountId>, bool) {
        match concerned {
            Concerned::Nobody => (Vec::new(), false),
            Concerned::Accounts(accounts) => (accounts.clone(), false),
            Concerned::Everybody => {
                let known = self.organization.iter().flat_map(|organization| organization.accounts.keys());
                let described = self.world.described.keys();
                (known.chain(described).cloned().collect::<BTreeSet<_>>().into_iter().collect(), self.organization.is_none())
            }
        }
    }

    fn change(&mut self, time: Timestamp, change: &OrganizationChange) -> Concerned {
        use OrganizationChange as Change;
        // The concerned accounts are determined before and after the change: an account that loses a policy is as concerned as one that
        // gains it.
        match change {
            Change::CreatePolicy { policy, policy_type, name, content } => {
                let version = content.as_deref().and_then(|content| PolicyVersion::new(policy_type, name, content).ok());
                let unread = Policy { policy_type: Some(policy_type.clone()), ..Policy::default() };
                let created = version.map_or(unread, |version| self.policy_of(&version, false));
                self.policies.insert(policy.clone(), created);
                Concerned::Nobody
            }
            Change::UpdatePolicy { policy, content } => {
                let is_known = self.policies.get(policy).is_some_and(|policy| policy.policy_type.is_some());
                // The content that is written into an unread policy shows its type.
                if !is_known && self.policy_type == BEDROCK_POLICY && content.as_deref().is_some_and(|content| !speaks_of_bedrock(content))
                {
                    return Concerned::Nobody;
                }
                if !self.may_be_of_our_type(policy) {
                    return Concerned::Nobody;
                }
                let updated = self.updated(policy, time, content.as_deref());
                self.policies.insert(policy.clone(), updated);
                self.targets_of(policy)
            }
            // AWS deletes only policies that aren't attached; a refused deletion may be of an attached one.
            Change::DeletePolicy { policy } => {
                let is_concerned = (self.organization.is_some() || self.supposing) && self.may_be_of_our_type(policy);
                let concerned = if is_concerned { self.targets_of(policy) } else { Concerned::Nobody };
                if let Some(organization) = &mut self.organization {
                    let targets: Vec<TargetId> = organization.targets_of(policy).cloned().collect();
                    for target in &targets {
                        organization.detach(target, policy);
                    }
                }
                concerned
            }
            Change::DeleteOrganizationalUnit { .. } => Concerned::Nobody,
            Change::AttachPolicy { policy, target } => {
                if let Some(organization) = &mut self.organization {
                    organization.attach(target, policy.clone(), Some(time));
                }
                if self.may_be_of_our_type(policy) { self.under(target) } else { Concerned::Nobody }
            }
            Change::DetachPolicy { policy, target } => {
                if let Some(organization) = &mut self.organization {
                    organization.detach(target, policy);
                }
                if self.may_be_of_our_type(policy) { self.under(target) } else { Concerned::Nobody }
            }
            Change::EnablePolicyType { root, policy_type } => self.switch_type(root, policy_type, true),
            Change::DisablePolicyType { root, policy_type } => self.switch_type(root, policy_type, false),
            Change::CreateOrganizationalUnit { unit, name, parent } => {
                if let Some(organization) = &mut self.organization {
                    let unit_there = crate::organization::Unit { name: name.clone(), parent: parent.clone() };
                    organization.units.entry(unit.clone()).or_insert(unit_there);
                }
                Concerned::Nobody
            }
            Change::MoveAccount { account, destination } => {
                if let Some(moved) = self.organization.as_mut().and_then(|organization| organization.accounts.get_mut(account)) {
                    moved.parent = destination.clone();
                }
                Concerned::Accounts(vec![account.clone()])
            }
            Change::AccountLeft { account } => {
                if let Some(organization) = &mut self.organization {
                    organization.accounts.remove(account);
                }
                self.departed.insert(account.clone());
                Concerned::Accounts(vec![account.clone()])
            }
            Change::NotReadable { event_name } => {
                self.lost = true;
                if event_name == "UpdatePolicy" {
                    self.policies.values_mut().for_each(|policy| policy.content = None);
                }
                Concerned::Everybody
            }
            Change::EffectivePolicyValidation { account, valid } => {
                self.accounts.entry(account.clone()).or_default().validity.push((time, *valid));
                Concerned::Nobody
            }
        }
    }

    fn switch_type(&mut self, root: &TargetId, policy_type: &str, enabled: bool) -> Concerned {
        if policy_type != self.policy_type {
            return Concerned::Nobody;
        }
        let ours: Vec<PolicyId> = self.policies.keys().filter(|policy| self.may_be_of_our_type(policy)).cloned().collect();
        if let Some(organization) = &mut self.organization {
            let types = organization.policy_types.entry(root.clone()).or_default().get_or_insert_with(BTreeSet::new);
            if enabled {
                types.insert(policy_type.to_owned());
            } else {
                types.remove(policy_type);
                // Disabling a type detaches its policies: enabling it again doesn't bring them back (docs/aws/bedrock-policies.md#api).
                for attachments in organization.attachments.values_mut() {
                    attachments.retain(|attachment| !ours.contains(&attachment.policy));
                }
            }
        }
        self.under(root)
    }

    /// The policy after an update: with the content in the event, or else that of the next snapshot if nothing was written in between.
    fn updated(&mut self, id: &PolicyId, time: Timestamp, content: Option<&str>) -> Policy {
        let policy_type = self.policies.get(id).and_then(|policy| policy.policy_type.clone());
        let unread = Policy { policy_type: policy_type.clone(), ..Policy::default() };
        if let Some(content) = content {
            let version = PolicyVersion::new(policy_type.as_deref().unwrap_or_default(), "", content);
            let read = version.map(|version| self.policy_of(&version, false));
            return read.map_or(unread, |read| Policy { policy_type, ..read });
        }
        let world = self.world;
        let snapshots = world.policies.get(id).into_iter().flat_map(Timeline::entries);
        let next = snapshots.filter_map(|(read_at, _, version)| Some((read_at, version?))).find(|(read_at, _)| *read_at >= time);
        match next.filter(|(read_at, _)| !self.written_within(id, time, *read_at)) {
            Some((_, version)) => self.policy_of(version, true),
            None => unread,
        }
    }

    /// Whether the policy is, or may be, of the replayed type.
    fn may_be_of_our_type(&self, policy: &PolicyId) -> bool {
        match self.policies.get(policy).and_then(|policy| policy.policy_type.as_deref()) {
            Some(policy_type) => policy_type == self.policy_type,
            None => !policy.is_of_aws(),
        }
    }

    fn under(&self, target: &TargetId) -> Concerned {
        match &self.organization {
            Some(organization) => Concerned::Accounts(organization.accounts_under(target).cloned().collect()),
            None if target.bytes().all(|byte| byte.is_ascii_digit()) => Concerned::Accounts(vec![target.as_str().into()]),
            None => Concerned::Everybody,
        }
    }

    fn targets_of(&self, policy: &PolicyId) -> Concerned {
        let Some(organization) = &self.organization else {
            return Concerned::Everybody;
        };
        let accounts: BTreeSet<&AccountId> =
            organization.targets_of(policy).flat_map(|target| organization.accounts_under(target)).collect();
        Concerned::Accounts(accounts.into_iter().cloned().collect())
    }

    /// Records the policies of the concerned accounts, if they changed.
    fn record(&mut self, time: Timestamp, concerned: &Concerned) {
        let accounts: Vec<AccountId> = match concerned {
            Concerned::Nobody => return,
            Concerned::Accounts(accounts) => accounts.clone(),
            Concerned::Everybody => {
                let known = self.organization.iter().flat_map(|organization| organization.accounts.keys());
                known.chain(self.accounts.keys()).cloned().collect::<BTreeSet<_>>().into_iter().collect()
            }
        };
        for account in accounts {
            let computed = self.compute(&account);
            let history = self.accounts.entry(account).or_default();
            if history.computed.last().is_none_or(|(_, before)| *before != computed) {
                // Of several steps at the same time the last one counts.
                history.computed.retain(|(at, _)| *at != time);
                history.computed.push((time, computed));
            }
        }
    }

    fn compute(&mut self, account: &AccountId) -> Computed {
        if self.departed.contains(account) {
            return Computed::Policy { policy: None, assumed: false };
        }
        let Some(organization) = self.organization.as_ref().filter(|_| !self.lost) else {
            return Computed::NotKnown;
        };
        let Some(path) = organization.path_to(account) else {
            return Computed::NotKnown;
        };
        // While the type is disabled nothing is in force. For types other than Bedrock's, the result is what the attachments would produce.
        if self.policy_type == BEDROCK_POLICY && !organization.is_enabled(self.policy_type, &path) {
            return Computed::Policy { policy: None, assumed: self.organization_assumed };
        }
        // A policy attached to an unknown target may reach this account.
        if organization.loose.iter().any(|(_, policy)| policy.as_ref().is_none_or(|policy| self.may_be_of_our_type(policy))) {
            return Computed::NotKnown;
        }
        let mut assumed = self.organization_assumed;
        let mut levels = Vec::new();
        let mut key = Vec::new();
        for target in &path {
            let mut level = Vec::new();
            for attachment in organization.attachments.get(target).into_iter().flatten() {
                if !self.may_be_of_our_type(&attachment.policy) {
                    continue;
                }
                match self.policies.get(&attachment.policy) {
                    Some(Policy { policy_type: Some(_), content: Some((number, document)), assumed: policy_assumed }) => {
                        assumed |= policy_assumed;
                        key.push((target.clone(), *number));
                        let origin = Origin { policy: attachment.policy.clone(), attached_to: target.clone() };
                        level.push(Attached { origin, document });
                    }
                    _ => return Computed::NotKnown,
                }
            }
            levels.push(level);
        }
        let cached = self.cache.entry(key);
        let policy = cached.or_insert_with(|| inherit(&levels).map(|inherited| Arc::new(EffectivePolicy::from_inherited(&inherited))));
        Computed::Policy { policy: policy.clone(), assumed }
    }
}

/// Whether the content of a policy may be that of a Bedrock policy. Other types have other top-level keys.
fn speaks_of_bedrock(content: &str) -> bool {
    let content = serde_json::from_str::<serde_json::Value>(content).ok();
    content.is_none_or(|content| content.as_object().is_none_or(|members| members.keys().any(|key| key.eq_ignore_ascii_case("bedrock"))))
}
