//! Replays the organization through time and computes each account's effective policy after each change.

mod changes;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    log::{Chain, Logs},
    policies::{AccountHistory, Computed},
};
use crate::{
    arn::{AccountId, PolicyId, TargetId},
    change::OrganizationChange,
    organization::Organization,
    policy::{Attached, BEDROCK_POLICY, Document, EffectivePolicy, Origin, inherit},
    timestamp::Timestamp,
    world::{PolicyVersion, World},
};

/// The accounts that a change concerns; for a refused change, with their computed policies before and after.
#[derive(Clone, Debug)]
pub(super) struct Touched {
    pub(super) accounts: Arc<[AccountId]>,
    pub(super) everybody: bool,
    pub(super) supposed: Option<Vec<(Computed, Computed)>>,
}

/// The effects of changes and of refused changes, by the change.
pub(super) type Effects = BTreeMap<(Timestamp, String, Arc<OrganizationChange>), Touched>;

/// A policy, where it is attached, and the number of its content.
type AttachedContent = (TargetId, PolicyId, usize);

/// A policy as far as it is known.
#[derive(Clone, Debug, Default)]
struct Policy {
    policy_type: Option<String>,
    /// Its content, with a number that identifies this content; `None` if it isn't known.
    content: Option<(usize, Arc<Document>)>,
    assumed: bool,
}

/// The organization at one time of the replay.
pub(super) struct Replay<'w> {
    world: &'w World,
    policy_type: &'w str,
    now: Tree,
    /// The contents of policies so far, by their text. Equal texts have one number, and so one effective policy wherever they are attached.
    contents: HashMap<String, (usize, Arc<Document>)>,
    /// The times at which events wrote each policy, in order.
    written: HashMap<&'w PolicyId, Vec<Timestamp>>,
    accounts: BTreeMap<AccountId, Account>,
    computed: Logs<Computed>,
    touched: Logs<()>,
    /// The times of events that may concern any account.
    touched_all: Vec<Timestamp>,
    /// The effective policies, by what is attached from the root down, with the numbers of the contents.
    cache: HashMap<Vec<AttachedContent>, Option<Arc<EffectivePolicy>>>,
    effects: Effects,
}

/// The tree with its attachments and policies.
#[derive(Clone, Default)]
struct Tree {
    organization: Option<Organization>,
    organization_assumed: bool,
    /// Accounts that left, recorded also while the organization isn't known.
    departed: BTreeSet<AccountId>,
    policies: BTreeMap<PolicyId, Policy>,
    /// Whether a supposed change is applied, which is taken back after its effect is computed.
    supposing: bool,
    /// Whether the state of the organization is lost: an event changed it without showing how, or a snapshot can't be understood.
    lost: bool,
    /// Whether an event since the last reading of the organization may bear on accounts that weren't computed anew: it showed a policy or an
    /// OU, or switched a type of policies.
    has_more: bool,
    /// The accounts below each target that was asked for, until an account moves.
    under: HashMap<TargetId, Arc<[AccountId]>>,
}

/// What the replay notes about one account.
#[derive(Default)]
struct Account {
    computed: Chain,
    touched: Chain,
    validity: Vec<(Timestamp, bool)>,
}

/// One step of a replay. At the same time, changes come first, ordered by event id, then snapshots.
enum Step<'w> {
    Change(&'w str, &'w Arc<OrganizationChange>),
    /// A refused change.
    Attempt(&'w str, &'w Arc<OrganizationChange>),
    /// An attachment with its date from `organization.json`.
    Attached(TargetId, PolicyId),
    Policy(&'w PolicyId, Option<&'w PolicyVersion>),
    /// A snapshot; `None` if it can't be read.
    Organization(Option<&'w Organization>),
}

/// The accounts that a step concerns.
enum Concerned {
    Nobody,
    Accounts(Arc<[AccountId]>),
    Everybody,
}

/// The result of [`Replay`].
pub(super) struct Replayed {
    pub(super) accounts: BTreeMap<AccountId, AccountHistory>,
    /// The history of an account that no step of the replay concerns.
    pub(super) of_others: AccountHistory,
    pub(super) organization: Option<Organization>,
    pub(super) effects: Effects,
}

impl<'w> Replay<'w> {
    pub(super) fn of(world: &'w World, policy_type: &'w str) -> Replayed {
        use OrganizationChange::{CreatePolicy, UpdatePolicy};
        let mut written: HashMap<&PolicyId, Vec<Timestamp>> = HashMap::new();
        for (time, _, change) in &world.organization_changes {
            if let CreatePolicy { policy, .. } | UpdatePolicy { policy, .. } = &**change {
                written.entry(policy).or_default().push(*time);
            }
        }
        let mut replay = Replay {
            world,
            policy_type,
            now: Tree::default(),
            contents: HashMap::new(),
            written,
            accounts: BTreeMap::new(),
            computed: Logs::default(),
            touched: Logs::default(),
            touched_all: Vec::new(),
            cache: HashMap::new(),
            effects: BTreeMap::new(),
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
        replay.conclude()
    }

    /// The histories of all accounts. Accounts with the same notes share one list.
    fn conclude(self) -> Replayed {
        let Replay { accounts, computed, touched, touched_all, effects, now, .. } = self;
        let mut lists = HashMap::new();
        let mut times: HashMap<Chain, Arc<Vec<Timestamp>>> = HashMap::new();
        let mut touched_at = |chain: Chain| {
            let all = || {
                let mut all: Vec<Timestamp> =
                    touched.list(chain).into_iter().map(|(time, ())| time).chain(touched_all.iter().copied()).collect();
                all.sort_unstable();
                Arc::new(all)
            };
            Arc::clone(times.entry(chain).or_insert_with(all))
        };
        let of_others = AccountHistory { touched: touched_at(Chain::default()), ..AccountHistory::default() };
        let history = |(id, account): (AccountId, Account)| {
            let computed = lists.entry(account.computed).or_insert_with(|| Arc::new(computed.list(account.computed)));
            let valid = account.validity.iter().filter(|(_, valid)| *valid).map(|(time, _)| *time).collect();
            let touched = touched_at(account.touched);
            (id, AccountHistory { computed: Arc::clone(computed), touched, validity: account.validity, valid })
        };
        Replayed { accounts: accounts.into_iter().map(history).collect(), of_others, organization: now.organization, effects }
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
        if let Some((time, organization)) = snapshots.peek().filter(|_| self.now.organization_assumed) {
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
            self.now.organization = Some(organization);
            self.now.organization_assumed = true;
        }
        for (id, timeline) in &self.world.policies {
            if let Some((time, _, Some(version))) = timeline.entries().next()
                && time > Timestamp::BEGINNING
                && !self.written_within(id, Timestamp::BEGINNING, time)
            {
                let policy = self.policy_of(version, true);
                self.now.policies.insert(id.clone(), policy);
            }
        }
    }

    fn policy_of(&mut self, version: &PolicyVersion, assumed: bool) -> Policy {
        let content = match self.contents.get(&version.content) {
            Some(content) => content.clone(),
            None => self.number(&version.content, Arc::clone(&version.document)),
        };
        Policy { policy_type: Some(version.policy_type.clone()), content: Some(content), assumed }
    }

    /// The policy with a content that an event shows; `None` if that is no policy document.
    fn policy_with(&mut self, policy_type: &str, content: &str) -> Option<Policy> {
        let content = match self.contents.get(content) {
            Some(content) => content.clone(),
            None => self.number(content, PolicyVersion::new(policy_type, "", content).ok()?.document),
        };
        Some(Policy { policy_type: Some(policy_type.to_owned()), content: Some(content), assumed: false })
    }

    fn number(&mut self, content: &str, document: Arc<Document>) -> (usize, Arc<Document>) {
        let numbered = (self.contents.len(), document);
        self.contents.insert(content.to_owned(), numbered.clone());
        numbered
    }

    /// Whether an event wrote the policy after one time and up to another.
    fn written_within(&self, policy: &PolicyId, after: Timestamp, until: Timestamp) -> bool {
        let written = self.written.get(policy).map_or(&[][..], Vec::as_slice);
        written.get(written.partition_point(|time| *time <= after)).is_some_and(|time| *time <= until)
    }

    /// Applies one step to the organization.
    fn take(&mut self, time: Timestamp, step: &Step<'w>) -> Concerned {
        match step {
            Step::Organization(None) => {
                self.now.lost = true;
                Concerned::Everybody
            }
            Step::Organization(Some(organization)) => {
                let mut organization = (*organization).clone();
                organization.split_off_later(time);
                let concerned = self.now.concerned_by(&organization);
                self.now.departed.retain(|account| !organization.accounts.contains_key(account));
                self.now.organization = Some(organization);
                self.now.organization_assumed = false;
                self.now.lost = false;
                self.now.has_more = false;
                self.now.under.clear();
                concerned
            }
            Step::Policy(policy, version) => {
                let read = version.map(|version| self.policy_of(version, false)).unwrap_or_default();
                self.now.policies.insert((*policy).clone(), read);
                self.targets_of(policy)
            }
            Step::Attached(target, policy) => {
                if let Some(organization) = &mut self.now.organization {
                    organization.attach(target, policy.clone(), Some(time));
                }
                self.under(target)
            }
            Step::Attempt(event_id, change) => {
                let touched = self.suppose(time, change);
                self.effects.insert((time, (*event_id).to_owned(), Arc::clone(change)), touched);
                Concerned::Nobody
            }
            Step::Change(event_id, change) => {
                let concerned = self.change(time, change);
                let (accounts, everybody) = self.accounts_of(&concerned);
                self.effects.insert((time, (*event_id).to_owned(), Arc::clone(change)), Touched { accounts, everybody, supposed: None });
                match &concerned {
                    Concerned::Nobody => {}
                    Concerned::Accounts(accounts) => {
                        let mut alike = HashMap::new();
                        for account in accounts.iter() {
                            let chain = &mut self.accounts.entry(account.clone()).or_default().touched;
                            *chain = *alike.entry(*chain).or_insert_with(|| self.touched.push(*chain, time, ()));
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
        use OrganizationChange::{CreatePolicy, NotReadable, UpdatePolicy};
        let is_of_all = matches!(change, NotReadable { .. });
        // There can be thousands of policies, and few changes write more than one of them.
        let written = match change {
            CreatePolicy { policy, .. } | UpdatePolicy { policy, .. } => Some((policy, self.now.policies.get(policy).cloned())),
            _ => None,
        };
        let policies = if is_of_all { self.now.policies.clone() } else { std::mem::take(&mut self.now.policies) };
        let before = self.now.clone();
        self.now.policies = policies;
        self.now.supposing = true;
        let concerned = self.change(time, change);
        let (accounts, everybody) = self.accounts_of(&concerned);
        let after = self.compute_all(&accounts);
        let policies = std::mem::take(&mut self.now.policies);
        self.now = before;
        if !is_of_all {
            self.now.policies = policies;
        }
        match written {
            Some((policy, Some(before))) => {
                self.now.policies.insert(policy.clone(), before);
            }
            Some((policy, None)) => {
                self.now.policies.remove(policy);
            }
            None => {}
        }
        let supposed = self.compute_all(&accounts).into_iter().zip(after).collect();
        Touched { accounts, everybody, supposed: Some(supposed) }
    }

    /// The accounts that a step concerns, and whether it may concern accounts that aren't known.
    fn accounts_of(&self, concerned: &Concerned) -> (Arc<[AccountId]>, bool) {
        match concerned {
            Concerned::Nobody => (Arc::default(), false),
            Concerned::Accounts(accounts) => (Arc::clone(accounts), false),
            Concerned::Everybody => {
                let known = self.now.organization.iter().flat_map(|organization| organization.accounts.keys());
                let described = self.world.described.keys();
                (known.chain(described).cloned().collect::<BTreeSet<_>>().into_iter().collect(), self.now.organization.is_none())
            }
        }
    }

    /// Records the policies of the concerned accounts, if they changed.
    fn record(&mut self, time: Timestamp, concerned: &Concerned) {
        let accounts: Arc<[AccountId]> = match concerned {
            Concerned::Nobody => return,
            Concerned::Accounts(accounts) => Arc::clone(accounts),
            Concerned::Everybody => {
                let known = self.now.organization.iter().flat_map(|organization| organization.accounts.keys());
                known.chain(self.accounts.keys()).cloned().collect::<BTreeSet<_>>().into_iter().collect()
            }
        };
        let computed = self.compute_all(&accounts);
        let mut alike = HashMap::new();
        for (account, computed) in accounts.iter().zip(computed) {
            let chain = &mut self.accounts.entry(account.clone()).or_default().computed;
            if self.computed.last(*chain).is_none_or(|before| *before != computed) {
                let next = alike.entry((*chain, computed.address()));
                // Of several steps at the same time the last one counts.
                *chain = *next.or_insert_with(|| self.computed.push(self.computed.without(*chain, time), time, computed));
            }
        }
    }

    /// The effective policies of accounts. Accounts that have one parent and no attachments of their own get the same, computed once.
    fn compute_all(&mut self, accounts: &[AccountId]) -> Vec<Computed> {
        let mut by_parent: HashMap<TargetId, Computed> = HashMap::new();
        let mut all = Vec::with_capacity(accounts.len());
        for account in accounts {
            let parent = self.now.parent_alone(account).cloned();
            let computed = match parent.as_ref().and_then(|parent| by_parent.get(parent)) {
                Some(computed) => computed.clone(),
                None => self.compute(account),
            };
            if let Some(parent) = parent {
                by_parent.entry(parent).or_insert_with(|| computed.clone());
            }
            all.push(computed);
        }
        all
    }

    fn compute(&mut self, account: &AccountId) -> Computed {
        if self.now.departed.contains(account) {
            return Computed::Policy { policy: None, assumed: false };
        }
        let Some(organization) = self.now.organization.as_ref().filter(|_| !self.now.lost) else {
            return Computed::NotKnown;
        };
        let Some(path) = organization.path_to(account) else {
            return Computed::NotKnown;
        };
        // While the type is disabled nothing is in force. For types other than Bedrock's, the result is what the attachments would produce.
        if self.policy_type == BEDROCK_POLICY && !organization.is_enabled(self.policy_type, &path) {
            return Computed::Policy { policy: None, assumed: self.now.organization_assumed };
        }
        // A policy attached to an unknown target may reach this account.
        if organization.loose.iter().any(|(_, policy)| policy.as_ref().is_none_or(|policy| self.may_be_of_our_type(policy))) {
            return Computed::NotKnown;
        }
        let mut assumed = self.now.organization_assumed;
        let mut levels = Vec::new();
        let mut key = Vec::new();
        for target in &path {
            let mut level = Vec::new();
            for attachment in organization.attachments.get(target).into_iter().flatten() {
                if !self.may_be_of_our_type(&attachment.policy) {
                    continue;
                }
                match self.now.policies.get(&attachment.policy) {
                    Some(Policy { policy_type: Some(_), content: Some((number, document)), assumed: policy_assumed }) => {
                        assumed |= policy_assumed;
                        key.push((target.clone(), attachment.policy.clone(), *number));
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

impl Tree {
    /// The accounts that may get other policies by a reading of the organization. Most readings differ from what is known in few accounts.
    fn concerned_by(&self, read: &Organization) -> Concerned {
        let is_certain = !self.organization_assumed && !self.lost && !self.has_more;
        let known = self.organization.as_ref().filter(|known| {
            let is_loose = !known.loose.is_empty() || !read.loose.is_empty();
            is_certain && !is_loose && known.policy_types == read.policy_types && known.has_units_of(read)
        });
        let Some(known) = known else {
            return Concerned::Everybody;
        };
        let mut accounts: BTreeSet<AccountId> = known.accounts_unlike(read, |one, other| one.parent != other.parent).cloned().collect();
        if known.attachments != read.attachments {
            let targets: BTreeSet<&TargetId> = known.attachments.keys().chain(read.attachments.keys()).collect();
            let unlike = targets.into_iter().filter(|target| known.attachments.get(*target) != read.attachments.get(*target));
            for target in unlike {
                match read.accounts.get_key_value(target.as_str()) {
                    Some((account, _)) => accounts.extend([account.clone()]),
                    None => accounts.extend(read.accounts_under(target).cloned()),
                }
            }
        }
        Concerned::Accounts(accounts.into_iter().collect())
    }

    /// The parent of an account that has the same policies as all others below that parent: it didn't leave, and nothing is attached to it.
    fn parent_alone(&self, account: &AccountId) -> Option<&TargetId> {
        let organization = self.organization.as_ref()?;
        let is_alone = organization.attachments.get(account.as_str()).is_none_or(Vec::is_empty) && !self.departed.contains(account);
        organization.accounts.get(account).filter(|_| is_alone).map(|account| &account.parent)
    }
}
