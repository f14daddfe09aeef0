//! From snapshots and changes in any order to what was in force when.
//!
//! Effective policies come from two sides. They are *computed* by replaying the organization: its tree, its attachments and the contents
//! of its policies, changed by each event. And they are *described* by DescribeEffectivePolicy. Described beats computed; an
//! Organizations event ends the described snapshot of each account that it touches, and until the next one the computed policy holds
//! (design §4).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    GuardrailVersions, IdentityDocuments, InForce, MediatedGuardrail, MetricCount, OrganizationChange, PolicyVersion, Source, Timeline,
    World,
};
use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, PolicyId, Region, TargetId},
    enforcement::{Enforcement, ModelScope},
    guardrail::Canonical,
    model::{Alias, Model},
    moment::Moment,
    organization::Organization,
    policy::{Attached, BEDROCK_POLICY, Document, EffectivePolicy, Origin, inherit},
    telemetry::{InvocationLogging, Telemetry},
};

/// What was in force when.
#[derive(Debug, Default)]
pub struct State {
    world: World,
    policies: BTreeMap<AccountId, Vec<(Moment, InForce<PolicyInForce>)>>,
    organization: Option<Organization>,
    effects: BTreeMap<(Moment, String, OrganizationChange), Touched>,
    replayed: BTreeMap<AccountId, AccountHistory>,
    contents: BTreeMap<PolicyId, Timeline<PolicyVersion>>,
}

/// What a change of the organization did, or would have done, to the effective policies of accounts.
#[derive(Clone, Debug, Default)]
pub struct OrganizationEffect {
    /// The accounts that it concerns.
    pub accounts: Vec<AccountEffect>,
    /// It may concern accounts that are not known.
    pub everybody: bool,
}

/// What it did to one account's.
#[derive(Clone, Debug)]
pub struct AccountEffect {
    /// Whose.
    pub account: AccountId,
    /// The policy before.
    pub before: InForce<Option<Arc<EffectivePolicy>>>,
    /// The policy after.
    pub after: InForce<Option<Arc<EffectivePolicy>>>,
}

/// Whom a change concerns; of one that was refused, with the computed policies before and after.
#[derive(Clone, Debug)]
struct Touched {
    accounts: Vec<AccountId>,
    everybody: bool,
    supposed: Option<Vec<(Computed, Computed)>>,
}

/// An effective policy, or the knowledge that there was none.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyInForce {
    /// `None`: no policy.
    pub policy: Option<Arc<EffectivePolicy>>,
    /// How we know.
    pub basis: PolicyBasis,
    /// From when it holds.
    pub since: Moment,
}

/// How an effective policy is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyBasis {
    /// DescribeEffectivePolicy said so.
    Described,
    /// It was computed from the organization's tree, attachments and policies.
    Computed,
    /// The effective policy was invalid, so the last valid one stayed in force (facts/01 §6).
    LastValid,
}

impl World {
    /// Works out what was in force when.
    #[must_use]
    pub fn settle(self) -> State {
        let replayed = Replay::of(&self, BEDROCK_POLICY);
        let accounts: BTreeSet<&AccountId> = self.described.keys().chain(replayed.accounts.keys()).collect();
        let policies = accounts
            .into_iter()
            .map(|account| {
                let nothing = Timeline::default();
                let described = self.described.get(account).unwrap_or(&nothing);
                (account.clone(), in_force(described, &replayed.history_of(account)))
            })
            .collect();
        State {
            policies,
            organization: replayed.organization,
            effects: replayed.effects,
            replayed: replayed.accounts,
            contents: self.contents(),
            world: self,
        }
    }

    /// What each policy said when, by snapshots and events.
    fn contents(&self) -> BTreeMap<PolicyId, Timeline<PolicyVersion>> {
        let mut contents = self.policies.clone();
        for (time, event_id, change) in &self.organization_changes {
            let (policy, version) = match change {
                OrganizationChange::CreatePolicy { policy, policy_type, name, content } => {
                    (policy, content.as_deref().and_then(|content| PolicyVersion::new(policy_type, name, content).ok()))
                }
                OrganizationChange::UpdatePolicy { policy, content } => {
                    let known = contents.get(policy).and_then(|timeline| timeline.entries().find_map(|(_, _, version)| version.cloned()));
                    let update = known.zip(content.as_deref());
                    (policy, update.and_then(|(known, content)| PolicyVersion::new(&known.policy_type, &known.name, content).ok()))
                }
                _ => continue,
            };
            contents.entry(policy.clone()).or_default().insert(*time, Source::Event(event_id.clone()), version);
        }
        contents
    }

    /// The effective policies of any management policy type, by account, as computed for a moment. `None` inside if what they depend
    /// on isn't known.
    #[must_use]
    pub fn computed_policies(&self, policy_type: &str, at: Moment) -> BTreeMap<AccountId, Option<Option<Arc<EffectivePolicy>>>> {
        let replayed = Replay::of(self, policy_type);
        let last = |history: &AccountHistory| match history.computed.iter().rev().find(|(time, _)| *time <= at) {
            Some((_, Computed::Policy { policy, .. })) => Some(policy.clone()),
            Some((_, Computed::NotKnown)) | None => None,
        };
        replayed.accounts.iter().map(|(account, history)| (account.clone(), last(history))).collect()
    }
}

impl State {
    /// The effective Bedrock policy of an account.
    #[must_use]
    pub fn policy(&self, account: &AccountId, at: Moment) -> InForce<&PolicyInForce> {
        let Some(history) = self.policies.get(account) else {
            return InForce::NotKnown;
        };
        let after = history.partition_point(|(time, _)| *time <= at);
        match after.checked_sub(1).and_then(|index| history.get(index)) {
            Some((_, InForce::Known(policy))) => InForce::Known(policy),
            Some((_, InForce::Assumed(policy))) => InForce::Assumed(policy),
            Some((_, InForce::NotKnown)) | None => InForce::NotKnown,
        }
    }

    /// What a change of the organization that was applied, or attempted, did to the accounts that it concerns.
    #[must_use]
    pub fn effect_of(&self, time: Moment, event_id: &str, change: &OrganizationChange) -> OrganizationEffect {
        let Some(touched) = self.effects.get(&(time, event_id.to_owned(), change.clone())) else {
            return OrganizationEffect::default();
        };
        let in_force = |account: &AccountId, at: Moment| self.policy(account, at).map(|in_force| in_force.policy.clone());
        let effect = |(index, account): (usize, &AccountId)| {
            let supposed = touched.supposed.as_ref().and_then(|supposed| supposed.get(index));
            let (before, after) = match supposed {
                Some((before, after)) => (before.in_force(), after.in_force()),
                None => (in_force(account, time.just_before()), in_force(account, time)),
            };
            AccountEffect { account: account.clone(), before, after }
        };
        OrganizationEffect { accounts: touched.accounts.iter().enumerate().map(effect).collect(), everybody: touched.everybody }
    }

    /// The effective policy that the organization amounts to, whatever was described.
    #[must_use]
    pub fn computed_policy(&self, account: &AccountId, at: Moment) -> InForce<Option<Arc<EffectivePolicy>>> {
        let history = self.replayed.get(account);
        let computed = history.and_then(|history| history.computed.iter().rev().find(|(time, _)| *time <= at));
        computed.map_or(InForce::NotKnown, |(_, computed)| computed.in_force())
    }

    /// The moments at which DescribeEffectivePolicy was read, with what it said.
    pub fn described(&self, account: &AccountId) -> impl Iterator<Item = (Moment, &Option<Arc<EffectivePolicy>>)> {
        let timeline = self.world.described.get(account);
        timeline.into_iter().flat_map(Timeline::entries).filter_map(|(time, _, policy)| Some((time, policy?)))
    }

    /// When an account's effective policy became invalid (false) or valid (true).
    #[must_use]
    pub fn validity(&self, account: &AccountId) -> &[(Moment, bool)] {
        self.replayed.get(account).map_or(&[], |history| history.validity.as_slice())
    }

    /// The accounts whose effective policy is known at some time.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountId> {
        self.policies.keys()
    }

    /// The enforced configurations of an account and Region: at most one, as far as AWS documents.
    #[must_use]
    pub fn configurations(&self, account: &AccountId, region: &Region, at: Moment) -> InForce<&[Enforcement]> {
        let timeline = self.world.configurations.get(&(account.clone(), region.clone()));
        timeline.map_or(InForce::NotKnown, |timeline| timeline.at(at).map(Vec::as_slice))
    }

    /// What the account's trails record in a Region.
    #[must_use]
    pub fn telemetry(&self, account: &AccountId, region: &Region, at: Moment) -> InForce<&Telemetry> {
        let timeline = self.world.telemetry.get(&(account.clone(), region.clone()));
        timeline.map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// The guardrail of an agent or a flow.
    #[must_use]
    pub fn mediated(&self, kind: MediatorKind, account: &AccountId, region: &Region, id: &str, at: Moment) -> InForce<&MediatedGuardrail> {
        let timelines = match kind {
            MediatorKind::Agent => &self.world.agents,
            MediatorKind::Flow => &self.world.flows,
        };
        let timeline = timelines.get(&(account.clone(), region.clone(), id.to_owned()));
        timeline.map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// A version of a guardrail as it was: `None` inside if there was none.
    #[must_use]
    pub fn guardrail(&self, key: &GuardrailKey, version: GuardrailVersion, at: Moment) -> InForce<&Option<Arc<Canonical>>> {
        let timeline = self.world.guardrails.get(key).and_then(|versions| versions.get(&version));
        timeline.map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// All guardrails of which anything is known, with their versions and snapshots.
    pub fn guardrails(&self) -> impl Iterator<Item = (&GuardrailKey, &GuardrailVersions)> {
        self.world.guardrails.iter()
    }

    /// The versions and snapshots of one guardrail.
    #[must_use]
    pub fn versions_of(&self, key: &GuardrailKey) -> Option<&GuardrailVersions> {
        self.world.guardrails.get(key)
    }

    /// When a guardrail was made, if an event said so.
    #[must_use]
    pub fn guardrail_made(&self, key: &GuardrailKey) -> Option<Moment> {
        self.world.made.get(key).copied()
    }

    /// The resource policy of a guardrail or guardrail profile; empty if it had none.
    #[must_use]
    pub fn resource_policy(&self, key: &GuardrailKey, at: Moment) -> InForce<&String> {
        self.world.resource_policies.get(key).map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// The moments at which that may change.
    pub fn resource_policy_boundaries(&self, key: &GuardrailKey) -> impl Iterator<Item = Moment> {
        self.world.resource_policies.get(key).into_iter().flat_map(Timeline::boundaries)
    }

    /// The model invocation logging of an account and Region.
    #[must_use]
    pub fn invocation_logging(&self, account: &AccountId, region: &Region, at: Moment) -> InForce<&InvocationLogging> {
        let timeline = self.world.logging.get(&(account.clone(), region.clone()));
        timeline.map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// The moments at which that may change.
    #[must_use]
    pub fn invocation_logging_boundaries(&self, account: &AccountId, region: &Region) -> Vec<Moment> {
        let timeline = self.world.logging.get(&(account.clone(), region.clone()));
        timeline.into_iter().flat_map(Timeline::boundaries).collect()
    }

    /// The buckets and log groups that model invocation logs of any account were ever delivered to.
    #[must_use]
    pub fn log_destinations(&self) -> BTreeSet<String> {
        let known = self.world.logging.values().flat_map(Timeline::entries).filter_map(|(_, _, logging)| logging);
        known.flat_map(|logging| logging.destinations.iter().cloned()).collect()
    }

    /// The policy documents of a role, user, group or managed policy, by the name of its file in the world.
    #[must_use]
    pub fn identity_documents(&self, account: &AccountId, entity: &str, at: Moment) -> InForce<&IdentityDocuments> {
        self.world.identities.get(&(account.clone(), entity.to_owned())).map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// The accounts and Regions whose enforced configuration is known at some time.
    pub fn configured(&self) -> impl Iterator<Item = (&AccountId, &Region)> {
        self.world.configurations.keys().map(|(account, region)| (account, region))
    }

    /// The guardrails that any policy or configuration ever named.
    #[must_use]
    pub fn ever_named(&self) -> BTreeSet<GuardrailKey> {
        let policies = self.policies.values().flatten().filter_map(|(_, in_force)| in_force.as_ref().state()?.policy.as_deref());
        let by_policy =
            policies.flat_map(|policy| policy.regions.values().flatten()).filter_map(crate::policy::GuardrailInference::enforcement);
        let configured = self.world.configurations.values().flat_map(Timeline::entries).filter_map(|(_, _, enforced)| enforced);
        by_policy.chain(configured.flatten().cloned()).map(|enforcement| enforcement.guardrail.key).collect()
    }

    /// The agents and flows that are known at a moment.
    pub fn consumers(&self, at: Moment) -> impl Iterator<Item = (String, &MediatedGuardrail)> {
        let all = [("agent", &self.world.agents), ("flow", &self.world.flows)]
            .into_iter()
            .flat_map(|(word, of)| of.iter().map(move |entry| (word, entry)));
        all.filter_map(move |(word, ((account, _, id), timeline))| Some((format!("{word} {id} of {account}"), timeline.at(at).state()?)))
    }

    /// Whether any document of the account's identities is known.
    #[must_use]
    pub fn knows_identities_of(&self, account: &AccountId) -> bool {
        self.world.identities.range((account.clone(), String::new())..).next().is_some_and(|((of, _), _)| of == account)
    }

    /// The roles, users, groups and policies whose documents are known, by the names of their files.
    pub fn identities(&self) -> impl Iterator<Item = (&AccountId, &str)> {
        self.world.identities.keys().map(|(account, entity)| (account, entity.as_str()))
    }

    /// The snapshots of what all trails of an account record, in every Region.
    pub fn all_telemetry(&self) -> impl Iterator<Item = (&(AccountId, Region), &Timeline<Telemetry>)> {
        self.world.telemetry.iter()
    }

    /// What Bedrock's metrics counted, by the start of each period.
    #[must_use]
    pub fn metrics(&self, account: &AccountId, region: &Region) -> Option<&BTreeMap<Moment, MetricCount>> {
        self.world.metrics.get(&(account.clone(), region.clone()))
    }

    /// The accounts and Regions whose metrics are known.
    pub fn metered(&self) -> impl Iterator<Item = &(AccountId, Region)> {
        self.world.metrics.keys()
    }

    /// A policy of an organization as it was.
    #[must_use]
    pub fn organization_policy(&self, policy: &PolicyId, at: Moment) -> InForce<&PolicyVersion> {
        self.contents.get(policy).map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// All policies of the organization as they are at a moment.
    pub fn organization_policies(&self, at: Moment) -> impl Iterator<Item = (&PolicyId, &PolicyVersion)> {
        self.contents.iter().filter_map(move |(policy, timeline)| Some((policy, timeline.at(at).state()?)))
    }

    /// The guardrails and the scopes of models of everything that was ever in force for an account and Region.
    pub(crate) fn all_enforcements(
        &self,
        account: &AccountId,
        region: &Region,
    ) -> impl Iterator<Item = (Option<GuardrailKey>, ModelScope)> {
        let policies =
            self.policies.get(account).into_iter().flatten().filter_map(|(_, in_force)| in_force.as_ref().state()?.policy.as_deref());
        let by_policy = policies
            .flat_map(|policy| policy.regions.values().flatten())
            .map(|configuration| (configuration.enforcement().map(|enforcement| enforcement.guardrail.key), configuration.models.clone()));
        let timeline = self.world.configurations.get(&(account.clone(), region.clone())).into_iter();
        let by_account = timeline.flat_map(Timeline::entries).filter_map(|(_, _, enforcements)| enforcements).flatten();
        by_policy.chain(by_account.map(|enforcement| (Some(enforcement.guardrail.key.clone()), enforcement.models.clone())))
    }

    /// The models that a `modelId` may mean: itself, or what the alias that it is stands for. Empty if that isn't known.
    #[must_use]
    pub fn resolve(&self, model: &Model, account: &AccountId, region: &Region) -> Vec<Model> {
        match model {
            Model::Foundation(_) | Model::Deployed(..) => vec![model.clone()],
            Model::Unknown | Model::Alias(Alias::Prompt, _) => Vec::new(),
            Model::Alias(_, id) => {
                let short = id.rsplit('/').next().unwrap_or(id);
                self.world.models_behind(account, region, short).map(<[Model]>::to_vec).unwrap_or_default()
            }
        }
    }

    /// The organization as it was last known.
    #[must_use]
    pub fn organization(&self) -> Option<&Organization> {
        self.organization.as_ref()
    }

    /// The management account, if the organization is known.
    #[must_use]
    pub fn management_account(&self) -> Option<&AccountId> {
        self.organization.as_ref()?.management_account.as_ref()
    }

    /// The snapshots and changes that this was made from.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The moments at which something that bears on verdicts in this account and Region may change, in order.
    #[must_use]
    pub fn boundaries(&self, account: &AccountId, region: &Region) -> Vec<Moment> {
        fn of<'a, T: PartialEq + 'a>(timeline: Option<&'a Timeline<T>>) -> impl Iterator<Item = Moment> + 'a {
            timeline.into_iter().flat_map(Timeline::boundaries)
        }
        let here = (account.clone(), region.clone());
        let mediators = [&self.world.agents, &self.world.flows].into_iter().flatten();
        let mut moments: Vec<Moment> = self.policies.get(account).into_iter().flatten().map(|(time, _)| *time).collect();
        moments.extend(of(self.world.configurations.get(&here)));
        moments.extend(of(self.world.telemetry.get(&here)));
        let first = GuardrailKey { account: account.clone(), region: region.clone(), id: "".into() };
        moments.extend(
            self.world.made.range(first..).take_while(|(key, _)| key.account == *account && key.region == *region).map(|(_, made)| *made),
        );
        moments.extend(mediators.filter(|((a, r, _), _)| a == account && r == region).flat_map(|(_, timeline)| timeline.boundaries()));
        moments.sort_unstable();
        moments.dedup();
        moments
    }
}

/// What mediates a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediatorKind {
    /// A Bedrock agent.
    Agent,
    /// A Bedrock flow.
    Flow,
}

/// The effective policy that the replayed organization amounts to.
#[derive(Clone, Debug, PartialEq)]
enum Computed {
    Policy { policy: Option<Arc<EffectivePolicy>>, assumed: bool },
    NotKnown,
}

impl Computed {
    fn in_force(&self) -> InForce<Option<Arc<EffectivePolicy>>> {
        match self {
            Computed::Policy { policy, assumed: false } => InForce::Known(policy.clone()),
            Computed::Policy { policy, assumed: true } => InForce::Assumed(policy.clone()),
            Computed::NotKnown => InForce::NotKnown,
        }
    }
}

/// What the replay tells of one account.
#[derive(Clone, Debug, Default)]
struct AccountHistory {
    computed: Vec<(Moment, Computed)>,
    /// When events touched it.
    touched: Vec<Moment>,
    /// When its effective policy became invalid (false) or valid again (true).
    validity: Vec<(Moment, bool)>,
}

/// Puts described and computed policies together.
fn in_force(described: &Timeline<Option<Arc<EffectivePolicy>>>, history: &AccountHistory) -> Vec<(Moment, InForce<PolicyInForce>)> {
    let snapshots: Vec<(Moment, Option<&Option<Arc<EffectivePolicy>>>)> =
        described.entries().map(|(time, _, policy)| (time, policy)).collect();
    let mut boundaries: Vec<Moment> = vec![Moment::BEGINNING];
    boundaries.extend(snapshots.iter().map(|(time, _)| *time));
    boundaries.extend(history.computed.iter().map(|(time, _)| *time));
    boundaries.extend(&history.touched);
    boundaries.extend(history.validity.iter().map(|(time, _)| *time));
    boundaries.sort_unstable();
    boundaries.dedup();

    let touched_within = |after: Moment, until: Moment| history.touched.iter().any(|touch| *touch > after && *touch <= until);
    let mut states: Vec<(Moment, InForce<PolicyInForce>)> = Vec::new();
    for now in boundaries {
        let past = snapshots.partition_point(|(time, _)| *time <= now);
        let last = past.checked_sub(1).and_then(|index| snapshots.get(index)).filter(|(time, _)| !touched_within(*time, now));
        let next = snapshots.get(past).filter(|(time, _)| !touched_within(now, *time)).and_then(|(time, policy)| Some((*time, (*policy)?)));
        let computed = history.computed.iter().rev().find(|(time, _)| *time <= now);
        let became_invalid =
            history.validity.iter().rev().find(|(time, _)| *time <= now).filter(|(_, valid)| !valid).map(|(time, _)| *time);

        let describe = |(since, policy): (Moment, &Option<Arc<EffectivePolicy>>)| PolicyInForce {
            policy: policy.clone(),
            basis: PolicyBasis::Described,
            since,
        };
        let state = if let Some((since, described)) = last {
            match (described, next) {
                (Some(policy), _) => InForce::Known(describe((*since, policy))),
                // It was described, and what was said can't be read.
                (None, Some(snapshot)) => InForce::Assumed(describe(snapshot)),
                (None, None) => InForce::NotKnown,
            }
        } else if let Some(invalid_since) = became_invalid {
            last_valid(&states, &history.touched, invalid_since)
        } else if let Some((since, Computed::Policy { policy, assumed: false })) = computed {
            InForce::Known(PolicyInForce { policy: policy.clone(), basis: PolicyBasis::Computed, since: *since })
        } else if let Some(snapshot) = next {
            InForce::Assumed(describe(snapshot))
        } else if let Some((since, Computed::Policy { policy, assumed: true })) = computed {
            InForce::Assumed(PolicyInForce { policy: policy.clone(), basis: PolicyBasis::Computed, since: *since })
        } else {
            InForce::NotKnown
        };
        if states.last().is_none_or(|(_, before)| *before != state) {
            states.push((now, state));
        }
    }
    states
}

/// What was in force before the change that made the policy invalid. Which change that was nobody says: the last one is assumed.
fn last_valid(states: &[(Moment, InForce<PolicyInForce>)], touched: &[Moment], invalid_since: Moment) -> InForce<PolicyInForce> {
    let changed = touched.iter().rev().find(|touch| **touch <= invalid_since).copied().unwrap_or(invalid_since);
    match states.iter().rev().find(|(time, _)| *time < changed) {
        Some((_, InForce::Known(policy) | InForce::Assumed(policy))) => {
            InForce::Assumed(PolicyInForce { basis: PolicyBasis::LastValid, ..policy.clone() })
        }
        Some((_, InForce::NotKnown)) | None => InForce::NotKnown,
    }
}

/// A policy, as far as it is known.
#[derive(Clone, Debug, Default)]
struct Policy {
    policy_type: Option<String>,
    /// What it says, with a number that no other content has; `None` if that isn't known.
    content: Option<(usize, Arc<Document>)>,
    assumed: bool,
}

/// The organization, moved through time.
#[derive(Clone)]
struct Replay<'w> {
    world: &'w World,
    policy_type: &'w str,
    organization: Option<Organization>,
    organization_assumed: bool,
    /// Accounts that left, also where the organization isn't known.
    departed: BTreeSet<AccountId>,
    policies: BTreeMap<PolicyId, Policy>,
    contents: usize,
    accounts: BTreeMap<AccountId, AccountHistory>,
    /// Touches of nobody knows which accounts.
    touched_all: Vec<Moment>,
    cache: HashMap<Vec<(TargetId, usize)>, Option<Arc<EffectivePolicy>>>,
    effects: BTreeMap<(Moment, String, OrganizationChange), Touched>,
    /// It only asks what a change would do.
    supposing: bool,
    /// Something happened to the organization, and its record doesn't say what; or it was read, and that can't be understood.
    lost: bool,
}

/// One thing that happens in a replay. At one moment, changes come first, in the order of their event ids, then snapshots.
enum Step<'w> {
    Change(&'w str, &'w OrganizationChange),
    /// A change that was refused.
    Attempt(&'w str, &'w OrganizationChange),
    /// An attachment that `organization.json` dates.
    Attached(TargetId, PolicyId),
    Policy(&'w PolicyId, Option<&'w PolicyVersion>),
    /// A snapshot; `None` if it can't be read.
    Organization(Option<&'w Organization>),
}

/// Whom a step concerns.
enum Concerned {
    Nobody,
    Accounts(Vec<AccountId>),
    Everybody,
}

/// What [`Replay`] leaves.
struct Replayed {
    accounts: BTreeMap<AccountId, AccountHistory>,
    touched_all: Vec<Moment>,
    organization: Option<Organization>,
    effects: BTreeMap<(Moment, String, OrganizationChange), Touched>,
}

impl Replayed {
    fn history_of(&self, account: &AccountId) -> AccountHistory {
        let mut history = self.accounts.get(account).cloned().unwrap_or_default();
        history.touched.extend(&self.touched_all);
        history.touched.sort_unstable();
        history
    }
}

impl<'w> Replay<'w> {
    fn of(world: &'w World, policy_type: &'w str) -> Replayed {
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
        replay.record(Moment::BEGINNING, &Concerned::Everybody);
        let mut steps = replay.steps();
        steps.sort_by(|(a, x, _), (b, y, _)| (a, x).cmp(&(b, y)));
        for (time, _, step) in steps {
            let concerned = replay.take(time, &step);
            replay.record(time, &concerned);
        }
        Replayed { accounts: replay.accounts, touched_all: replay.touched_all, organization: replay.organization, effects: replay.effects }
    }

    fn steps(&self) -> Vec<(Moment, (u8, String), Step<'w>)> {
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
        let mut dated = |organization: &Organization, after: Moment, before: Moment| {
            for (at, target, policy) in organization.clone().split_off_later(after) {
                if at < before {
                    // Those of one moment stay in the order of the list: the first one wins (facts/01 §3).
                    steps.push((at, (0, String::new()), Step::Attached(target, policy)));
                }
            }
        };
        let mut snapshots = self.world.organizations.entries().filter_map(|(time, _, organization)| Some((time, organization?))).peekable();
        if let Some((time, organization)) = snapshots.peek().filter(|_| self.organization_assumed) {
            dated(organization, Moment::BEGINNING, *time);
        }
        while let Some((time, organization)) = snapshots.next() {
            dated(organization, time, snapshots.peek().map_or(Moment::END, |(next, _)| *next));
        }
        let snapshots = self.world.organizations.entries();
        steps.extend(snapshots.map(|(time, _, organization)| (time, (3, String::new()), Step::Organization(organization))));
        steps
    }

    /// What the first snapshot of a thing says is assumed to have been so before, unless an event says that it changed in between.
    fn assume_what_is_only_read_later(&mut self) {
        let first_change = self.world.organization_changes.iter().next().map_or(Moment::END, |(time, ..)| *time);
        if let Some((time, _, Some(organization))) = self.world.organizations.entries().next()
            && time > Moment::BEGINNING
            && time <= first_change
        {
            let mut organization = organization.clone();
            organization.split_off_later(Moment::BEGINNING);
            self.organization = Some(organization);
            self.organization_assumed = true;
        }
        for (id, timeline) in &self.world.policies {
            if let Some((time, _, Some(version))) = timeline.entries().next()
                && time > Moment::BEGINNING
                && !self.written_within(id, Moment::BEGINNING, time)
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

    /// Whether an event wrote the policy after one moment and not after another.
    fn written_within(&self, policy: &PolicyId, after: Moment, until: Moment) -> bool {
        self.world.organization_changes.iter().any(|(time, _, change)| {
            *time > after
                && *time <= until
                && matches!(change, OrganizationChange::CreatePolicy { policy: p, .. } | OrganizationChange::UpdatePolicy { policy: p, .. } if p == policy)
        })
    }

    /// Moves the organization on by one step.
    fn take(&mut self, time: Moment, step: &Step<'w>) -> Concerned {
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

    /// What a change would do at this point.
    fn suppose(&mut self, time: Moment, change: &OrganizationChange) -> Touched {
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

    fn change(&mut self, time: Moment, change: &OrganizationChange) -> Concerned {
        use OrganizationChange as Change;
        // Who is concerned is asked before and after the change: an account that loses a policy is as concerned as one that gains it.
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
                // Of a policy that was never read, what is written into it tells its type.
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
            // AWS deletes only policies that are attached nowhere; a refused deletion may mean one that is.
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
                // Disabling a type detaches its policies: enabling it again doesn't bring them back
                // (docs.aws.amazon.com/organizations/latest/userguide/disable-policy-type.html).
                for attachments in organization.attachments.values_mut() {
                    attachments.retain(|attachment| !ours.contains(&attachment.policy));
                }
            }
        }
        self.under(root)
    }

    /// The policy after an update: as the event says, else as the next snapshot says if nothing was written in between.
    fn updated(&mut self, id: &PolicyId, time: Moment, content: Option<&str>) -> Policy {
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

    /// Whether the policy is of the type that is replayed, or may be for all that is known.
    fn may_be_of_our_type(&self, policy: &PolicyId) -> bool {
        match self.policies.get(policy).and_then(|policy| policy.policy_type.as_deref()) {
            Some(policy_type) => policy_type == self.policy_type,
            None => !is_managed_by_aws(policy),
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

    /// Writes down the policies of those concerned, where they changed.
    fn record(&mut self, time: Moment, concerned: &Concerned) {
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
                // Of several steps in one moment the last one counts.
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
        // Without the type nothing is in force. For other types than ours we answer what the attachments would amount to.
        if self.policy_type == BEDROCK_POLICY && !organization.is_enabled(self.policy_type, &path) {
            return Computed::Policy { policy: None, assumed: self.organization_assumed };
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

/// Whether the content of a policy can be that of a Bedrock policy: other types have other keys at their top.
fn speaks_of_bedrock(content: &str) -> bool {
    let content = serde_json::from_str::<serde_json::Value>(content).ok();
    content.is_none_or(|content| content.as_object().is_none_or(|members| members.keys().any(|key| key.eq_ignore_ascii_case("bedrock"))))
}

/// AWS's own policies, such as `p-FullAWSAccess`, are SCPs and RCPs; the ids of others are letters and digits of one case.
fn is_managed_by_aws(policy: &PolicyId) -> bool {
    policy.starts_with("p-") && policy.bytes().skip(2).any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        super::{
            WorldChange,
            testing::{described, hour, policy, world},
        },
        *,
    };

    const ACCOUNT: &str = "222233334444";

    fn demands(id: &str) -> Value {
        let arn = format!("arn:aws:bedrock:us-east-1:111122223333:guardrail/{id}:1");
        json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifier": {"@@assign": arn}}}}}})
    }

    fn demanded(id: &str) -> Value {
        let arn = format!("arn:aws:bedrock:us-east-1:111122223333:guardrail/{id}:1");
        json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifier": arn}}}}})
    }

    fn organization(attachments: &Value) -> Value {
        json!({"Organization": {"Id": "o-1", "MasterAccountId": "111122223333"},
            "Roots": [{"Id": "r-1", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}],
            "OrganizationalUnits": [{"Id": "ou-1", "Name": "one", "ParentId": "r-1"}, {"Id": "ou-2", "Name": "two", "ParentId": "r-1"}],
            "Accounts": [{"Id": ACCOUNT, "Name": "shop", "ParentId": "ou-1"}],
            "Attachments": attachments})
    }

    /// What is in force, in short: `known a`, `assumed none`, `?`.
    fn in_force(world: World, at: Moment) -> String {
        let state = world.settle();
        let name = |policy: &PolicyInForce| match &policy.policy {
            None => "none".to_owned(),
            Some(policy) => policy
                .regions
                .values()
                .flatten()
                .next()
                .map_or("empty".to_owned(), |configuration| configuration.enforcement().unwrap().guardrail.key.id.to_string()),
        };
        match state.policy(&ACCOUNT.into(), at) {
            InForce::Known(policy) => format!("known {}", name(policy)),
            InForce::Assumed(policy) => format!("assumed {}", name(policy)),
            InForce::NotKnown => "?".to_owned(),
        }
    }

    fn with(mut world: World, hour_of_change: u8, change: OrganizationChange) -> World {
        world.apply(hour(hour_of_change), &format!("event-{hour_of_change}"), &WorldChange::Organization(change));
        world
    }

    fn root_policy() -> World {
        world(&[
            ("organization.json", organization(&json!([{"PolicyId": "p-1", "TargetId": "r-1"}]))),
            ("policies/p-1.json", policy("BEDROCK_POLICY", &demands("a"))),
        ])
    }

    #[test]
    fn a_computed_policy_holds_where_none_was_described() {
        assert_eq!(in_force(root_policy(), hour(1)), "known a");
        assert_eq!(in_force(world(&[]), hour(1)), "?");
        let unlisted = world(&[("organization.json", json!({"Roots": [{"Id": "r-1"}], "Accounts": []}))]);
        assert_eq!(in_force(unlisted, hour(1)), "?", "an account that isn't listed is not known");
    }

    #[test]
    fn an_attachment_holds_from_its_time() {
        let dated = organization(&json!([{"PolicyId": "p-1", "TargetId": "r-1", "AttachedAt": "2026-11-20T05:00:00Z"}]));
        for name in ["organization.json", "organization@20261120T080000Z.json"] {
            let files = [(name, dated.clone()), ("policies/p-1.json", policy("BEDROCK_POLICY", &demands("a")))];
            let known = if name.contains('@') { "assumed" } else { "known" };
            assert_eq!(in_force(world(&files), hour(4)), format!("{known} none"), "{name}");
            assert_eq!(in_force(world(&files), hour(5)), format!("{known} a"), "{name}");
            assert_eq!(in_force(world(&files), hour(9)), "known a", "{name}");
        }
    }

    #[test]
    fn of_attachments_of_one_moment_the_first_in_the_list_wins() {
        let attached = |policy: &str| json!({"PolicyId": policy, "TargetId": "r-1", "AttachedAt": "2026-11-20T05:00:00Z"});
        for name in ["organization.json", "organization@20261120T080000Z.json"] {
            let files = [
                (name, organization(&json!([attached("p-z"), attached("p-a")]))),
                ("policies/p-a.json", policy("BEDROCK_POLICY", &demands("a"))),
                ("policies/p-z.json", policy("BEDROCK_POLICY", &demands("z"))),
            ];
            assert_eq!(in_force(world(&files), hour(5)).split(' ').next_back(), Some("z"), "{name}");
            assert_eq!(in_force(world(&files), hour(9)), "known z", "{name}");
        }
    }

    #[test]
    fn described_beats_computed_until_an_event_touches_the_account() {
        let mut both = root_policy();
        both.add(
            &super::super::SnapshotPath::parse("effective-policies/222233334444@20261120T030000Z.json").unwrap(),
            described(&demanded("b")).to_string().as_bytes(),
        )
        .unwrap();
        assert_eq!(in_force(both.clone(), hour(1)), "known a", "nothing was described yet");
        assert_eq!(in_force(both.clone(), hour(4)), "known b");
        let detached = with(both.clone(), 5, OrganizationChange::DetachPolicy { policy: "p-1".into(), target: "r-1".into() });
        assert_eq!(in_force(detached.clone(), hour(4)), "known b");
        assert_eq!(in_force(detached.clone(), hour(6)), "known none", "the computed policy holds until the next is described");
        let elsewhere = with(both, 5, OrganizationChange::AttachPolicy { policy: "p-1".into(), target: "ou-2".into() });
        assert_eq!(in_force(elsewhere, hour(6)), "known b", "the account isn't touched");
        let mut described_again = detached;
        described_again
            .add(
                &super::super::SnapshotPath::parse("effective-policies/222233334444@20261120T070000Z.json").unwrap(),
                br#"{"EffectivePolicy": null}"#,
            )
            .unwrap();
        assert_eq!(in_force(described_again.clone(), hour(8)), "known none");
    }

    #[test]
    fn a_snapshot_younger_than_the_moment_is_assumed() {
        let young = world(&[("effective-policies/222233334444@20261120T030000Z.json", described(&demanded("a")))]);
        assert_eq!(in_force(young.clone(), hour(2)), "assumed a");
        let touched = with(young, 2, OrganizationChange::AttachPolicy { policy: "p-9".into(), target: ACCOUNT.into() });
        assert_eq!(in_force(touched.clone(), hour(1)), "?", "an event lies between");
        assert_eq!(in_force(touched, hour(2)), "assumed a", "the snapshot shows what the event left");
    }

    #[test]
    fn from_a_snapshot_that_can_not_be_read_on_nothing_is_known_until_the_next() {
        let broken = |world: &mut World, path: &str, json: &str| {
            world.add(&super::super::SnapshotPath::parse(path).unwrap(), json.as_bytes()).unwrap_err();
        };
        let mut policy_lost = world(&[
            ("effective-policies/222233334444.json", described(&demanded("a"))),
            ("effective-policies/222233334444@20261120T070000Z.json", described(&demanded("b"))),
        ]);
        broken(&mut policy_lost, "effective-policies/222233334444@20261120T030000Z.json", "{");
        assert_eq!(in_force(policy_lost.clone(), hour(2)), "known a");
        assert_eq!(in_force(policy_lost.clone(), hour(3)), "assumed b");
        assert_eq!(in_force(policy_lost, hour(7)), "known b");
        let mut last_lost = root_policy();
        broken(&mut last_lost, "effective-policies/222233334444@20261120T030000Z.json", r#"{"EffectivePolicy": {"PolicyContent": "[]"}}"#);
        assert_eq!(in_force(last_lost.clone(), hour(2)), "known a", "as computed");
        assert_eq!(in_force(last_lost, hour(4)), "?");
        for (path, json) in [
            ("organization@20261120T030000Z.json", "[]"),
            ("organization@20261120T030000Z.json", "{}"),
            ("policies/p-1@20261120T030000Z.json", r#"{"Policy": {"PolicySummary": {"Type": "BEDROCK_POLICY"}, "Content": "[]"}}"#),
        ] {
            let mut lost = root_policy();
            broken(&mut lost, path, json);
            assert_eq!(in_force(lost.clone(), hour(2)), "known a", "{path}");
            assert_eq!(in_force(lost, hour(4)), "?", "{path}: {json}");
        }
    }

    #[test]
    fn events_move_the_organization() {
        let lower = OrganizationChange::CreatePolicy {
            policy: "p-2".into(),
            policy_type: "BEDROCK_POLICY".into(),
            name: "lower".into(),
            content: Some(demands("b").to_string()),
        };
        let created = with(root_policy(), 1, lower);
        assert_eq!(in_force(created.clone(), hour(2)), "known a");
        let attached = with(created, 2, OrganizationChange::AttachPolicy { policy: "p-2".into(), target: "ou-1".into() });
        assert_eq!(in_force(attached.clone(), hour(2)), "known b", "a lower attachment replaces the higher");
        let moved = with(attached.clone(), 3, OrganizationChange::MoveAccount { account: ACCOUNT.into(), destination: "ou-2".into() });
        assert_eq!(in_force(moved, hour(3)), "known a");
        let updated =
            with(attached.clone(), 3, OrganizationChange::UpdatePolicy { policy: "p-2".into(), content: Some(demands("c").to_string()) });
        assert_eq!(in_force(updated, hour(3)), "known c");
        let hidden = with(attached.clone(), 3, OrganizationChange::UpdatePolicy { policy: "p-2".into(), content: None });
        assert_eq!(in_force(hidden, hour(3)), "?", "what the event hides is not known");
        let left = with(attached.clone(), 3, OrganizationChange::AccountLeft { account: ACCOUNT.into() });
        assert_eq!(in_force(left, hour(3)), "known none");
        let disabled =
            with(attached, 3, OrganizationChange::DisablePolicyType { root: "r-1".into(), policy_type: "BEDROCK_POLICY".into() });
        assert_eq!(in_force(disabled.clone(), hour(3)), "known none");
        let enabled = with(disabled, 4, OrganizationChange::EnablePolicyType { root: "r-1".into(), policy_type: "BEDROCK_POLICY".into() });
        assert_eq!(in_force(enabled, hour(4)), "known none", "enabling doesn't attach again");
    }

    #[test]
    fn policies_of_other_types_are_another_matter() {
        let mut scp = root_policy();
        scp.add(
            &super::super::SnapshotPath::parse("policies/p-2.json").unwrap(),
            policy("SERVICE_CONTROL_POLICY", &json!({"Statement": []})).to_string().as_bytes(),
        )
        .unwrap();
        scp.add(
            &super::super::SnapshotPath::parse("effective-policies/222233334444.json").unwrap(),
            described(&demanded("d")).to_string().as_bytes(),
        )
        .unwrap();
        let attached = with(scp.clone(), 2, OrganizationChange::AttachPolicy { policy: "p-2".into(), target: "r-1".into() });
        assert_eq!(in_force(attached, hour(3)), "known d", "an SCP ends no described snapshot");
        let managed = with(scp.clone(), 2, OrganizationChange::AttachPolicy { policy: "p-FullAWSAccess".into(), target: "r-1".into() });
        assert_eq!(in_force(managed, hour(3)), "known d");
        let unknown = with(scp, 2, OrganizationChange::AttachPolicy { policy: "p-3".into(), target: "r-1".into() });
        assert_eq!(in_force(unknown, hour(3)), "?", "a policy of unknown type may be a Bedrock policy");
    }

    #[test]
    fn while_a_policy_is_invalid_the_last_valid_one_stays() {
        let broken =
            with(root_policy(), 2, OrganizationChange::UpdatePolicy { policy: "p-1".into(), content: Some("{\"bedrock\":{}}".into()) });
        let invalid = with(broken, 3, OrganizationChange::EffectivePolicyValidation { account: ACCOUNT.into(), valid: false });
        assert_eq!(in_force(invalid.clone(), hour(2)), "known empty");
        assert_eq!(in_force(invalid.clone(), hour(3)), "assumed a");
        let repaired =
            with(invalid.clone(), 4, OrganizationChange::UpdatePolicy { policy: "p-1".into(), content: Some(demands("b").to_string()) });
        assert_eq!(in_force(repaired.clone(), hour(4)), "assumed a", "until AWS says that it is valid");
        let valid = with(repaired, 5, OrganizationChange::EffectivePolicyValidation { account: ACCOUNT.into(), valid: true });
        assert_eq!(in_force(valid, hour(5)), "known b");
    }

    #[test]
    fn other_policy_types_can_be_computed_too() {
        let tags = world(&[
            ("organization.json", organization(&json!([{"PolicyId": "p-1", "TargetId": "r-1"}]))),
            ("policies/p-1.json", policy("TAG_POLICY", &json!({"tags": {"a": {"tag_key": {"@@assign": "A"}}}}))),
        ]);
        let computed = tags.computed_policies("TAG_POLICY", Moment::END);
        assert_eq!(
            computed[&AccountId::from(ACCOUNT)].as_ref().unwrap().as_ref().unwrap().document,
            json!({"tags": {"a": {"tag_key": "A"}}})
        );
        assert_eq!(tags.computed_policies("BEDROCK_POLICY", Moment::END)[&AccountId::from(ACCOUNT)], Some(None));
    }
}
