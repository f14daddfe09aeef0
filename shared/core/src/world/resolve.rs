//! Computes what was in force at each time, from snapshots and changes in any order.
//!
//! Effective policies come from two sources. They are *computed* by replaying the organization: its tree, attachments and policies, updated
//! by each event. And they are *described* by DescribeEffectivePolicy. A described policy takes precedence until an Organizations event
//! concerns the account; from then on the computed policy holds, until the next description.

mod log;
mod placement;
mod policies;
mod replay;
#[cfg(test)]
mod tests;
mod trails;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

pub use placement::AccountPlacement;
use policies::{AccountHistory, Computed, PolicyHistory, in_force};
pub use policies::{PolicyBasis, PolicyInForce};
use replay::{Effects, Replay};

use super::{
    GuardrailTimeline, IdentityDocuments, InForce, MediatedGuardrail, MetricCount, OrganizationChange, PolicyVersion, Source, Timeline,
    Validation, World,
};
use crate::{
    arn::{AccountId, Arn, GuardrailKey, GuardrailVersion, GuardrailVersionArn, PolicyId, Region},
    enforcement::{Enforcement, ModelScope},
    guardrail::CanonicalGuardrail,
    model::{Alias, Model},
    organization::Organization,
    policy::{BEDROCK_POLICY, Document, EffectivePolicy},
    telemetry::{InvocationLogging, Telemetry},
    timestamp::Timestamp,
};

/// What was in force at each time.
#[derive(Debug, Default)]
pub struct State {
    world: World,
    /// The effective policies over time. Accounts share a history if their described policies are equal and all changes concern them alike.
    policies: BTreeMap<AccountId, Arc<PolicyHistory>>,
    /// Each of these histories once, with the first account that has it.
    distinct_policies: Vec<(AccountId, Arc<PolicyHistory>)>,
    organization: Option<Organization>,
    placements: BTreeMap<AccountId, Timeline<AccountPlacement>>,
    effects: Effects,
    replayed: BTreeMap<AccountId, AccountHistory>,
    contents: BTreeMap<PolicyId, Timeline<PolicyVersion>>,
}

/// The effect of a change of the organization, or of a refused one, on the effective policies of accounts.
#[derive(Clone, Debug, Default)]
pub struct OrganizationEffect {
    /// The accounts that it concerns.
    pub accounts: Vec<AccountEffect>,
    /// Whether it may concern accounts that aren't known.
    pub everybody: bool,
}

/// The effect on one account.
#[derive(Clone, Debug)]
pub struct AccountEffect {
    /// The account that received the event.
    pub account: AccountId,
    /// Its effective policy before the change.
    pub before: InForce<Option<Arc<EffectivePolicy>>>,
    /// Its effective policy after the change.
    pub after: InForce<Option<Arc<EffectivePolicy>>>,
}

impl World {
    /// Computes what was in force at each time.
    #[must_use]
    pub fn resolve(self) -> State {
        let replayed = Replay::of(&self, BEDROCK_POLICY);
        let accounts: BTreeSet<&AccountId> = self.described.keys().chain(replayed.accounts.keys()).collect();
        let nothing = Timeline::default();
        let mut alike: HashMap<[usize; 2], (&_, Arc<PolicyHistory>)> = HashMap::new();
        let policies: BTreeMap<AccountId, Arc<PolicyHistory>> = accounts
            .into_iter()
            .map(|account| {
                let described = self.described.get(account).unwrap_or(&nothing);
                let history = replayed.accounts.get(account).unwrap_or(&replayed.of_others);
                // Accounts below the same OUs mostly have the same history.
                let addresses = [Arc::as_ptr(&history.computed).addr(), Arc::as_ptr(&history.touched).addr()];
                let same = alike.get(&addresses).filter(|(of_other, _)| history.validity.is_empty() && described == *of_other);
                let policies = same.map_or_else(|| Arc::new(in_force(described, history)), |(_, policies)| Arc::clone(policies));
                if history.validity.is_empty() {
                    alike.insert(addresses, (described, Arc::clone(&policies)));
                }
                (account.clone(), policies)
            })
            .collect();
        let mut seen = HashSet::new();
        let distinct_policies = policies.iter().filter(|(_, history)| seen.insert(Arc::as_ptr(history)));
        State {
            distinct_policies: distinct_policies.map(|(account, history)| (account.clone(), Arc::clone(history))).collect(),
            policies,
            organization: replayed.organization,
            placements: placement::placements(&self),
            effects: replayed.effects,
            replayed: replayed.accounts,
            contents: self.contents(),
            world: World { telemetry: trails::with_changes(&self), ..self },
        }
    }

    /// The content of each policy over time, from snapshots and events.
    fn contents(&self) -> BTreeMap<PolicyId, Timeline<PolicyVersion>> {
        let mut contents = self.policies.clone();
        let mut documents: HashMap<&str, Option<Arc<Document>>> = HashMap::new();
        // The type and name of each policy, as first known.
        let mut known: HashMap<&PolicyId, Option<(String, String)>> = HashMap::new();
        for (time, event_id, change) in &self.organization_changes {
            let (policy, version) = match &**change {
                OrganizationChange::CreatePolicy { policy, policy_type, name, content } => {
                    known.remove(policy);
                    (policy, content.as_deref().and_then(|content| version(&mut documents, policy_type, name, content)))
                }
                OrganizationChange::UpdatePolicy { policy, content } => {
                    let known = known.entry(policy).or_default();
                    if known.is_none() {
                        let first = contents.get(policy).and_then(|timeline| timeline.entries().find_map(|(_, _, version)| version));
                        *known = first.map(|version| (version.policy_type.clone(), version.name.clone()));
                    }
                    let update = known.as_ref().zip(content.as_deref());
                    (policy, update.and_then(|((policy_type, name), content)| version(&mut documents, policy_type, name, content)))
                }
                _ => continue,
            };
            contents.entry(policy.clone()).or_default().insert(*time, Source::event(event_id), version);
        }
        contents
    }

    /// Computes the effective policies of any management policy type at one time, by account. The outer `None` means that it isn't known,
    /// the inner one that there is no policy.
    #[must_use]
    pub fn computed_policies(&self, policy_type: &str, at: Timestamp) -> BTreeMap<AccountId, Option<Option<Arc<EffectivePolicy>>>> {
        let replayed = Replay::of(self, policy_type);
        let last = |history: &AccountHistory| match history.computed_at(at) {
            Some((_, Computed::Policy { policy, .. })) => Some(policy.clone()),
            Some((_, Computed::NotKnown)) | None => None,
        };
        replayed.accounts.iter().map(|(account, history)| (account.clone(), last(history))).collect()
    }
}

impl State {
    /// The effective Bedrock policy of an account.
    #[must_use]
    pub fn policy(&self, account: &AccountId, at: Timestamp) -> InForce<&PolicyInForce> {
        self.policies.get(account).map_or(InForce::NotKnown, |history| policies::at(history, at))
    }

    /// The effective policies in force at a time, of all accounts that have any, each with the first account that has it. Accounts that have the same
    /// policies at all times are looked at once: mostly that is all of a thousand.
    pub(crate) fn policies_in_force(&self, at: Timestamp) -> impl Iterator<Item = (&AccountId, InForce<&PolicyInForce>)> {
        self.distinct_policies.iter().map(move |(account, history)| (account, policies::at(history, at)))
    }

    /// The effective policies of an account that come into force after a time, each with the time from which it holds.
    pub fn policies_after(&self, account: &AccountId, start: Timestamp) -> impl Iterator<Item = (Timestamp, InForce<&PolicyInForce>)> {
        let history = self.policies.get(account).map_or(&[][..], |history| history.as_slice());
        let later = history.get(history.partition_point(|(time, _)| *time <= start)..).unwrap_or_default();
        later.iter().map(|(time, policy)| (*time, policy.as_ref()))
    }

    /// A number that is equal for accounts that share all effective policies at all times. Accounts with different numbers may have equal
    /// policies, too.
    #[must_use]
    pub fn policies_number(&self, account: &AccountId) -> usize {
        self.policies.get(account).map_or(0, |history| Arc::as_ptr(history).addr())
    }

    /// The effect of an applied or refused change of the organization on the accounts that it concerns.
    #[must_use]
    pub fn effect_of(&self, time: Timestamp, event_id: &str, change: &OrganizationChange) -> OrganizationEffect {
        let Some(touched) = self.effects.get(&(time, event_id.to_owned(), Arc::new(change.clone()))) else {
            return OrganizationEffect::default();
        };
        let in_force = |account: &AccountId, at: Timestamp| self.policy(account, at).map(|in_force| in_force.policy.clone());
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

    /// The effective policy computed from the organization, whatever was described.
    #[must_use]
    pub fn computed_policy(&self, account: &AccountId, at: Timestamp) -> InForce<Option<Arc<EffectivePolicy>>> {
        let history = self.replayed.get(account);
        let computed = history.and_then(|history| history.computed_at(at));
        computed.map_or(InForce::NotKnown, |(_, computed)| computed.in_force())
    }

    /// DescribeEffectivePolicy's responses with the times of their reading.
    pub fn described(&self, account: &AccountId) -> impl Iterator<Item = (Timestamp, &Option<Arc<EffectivePolicy>>)> {
        let timeline = self.world.described.get(account);
        timeline.into_iter().flat_map(Timeline::entries).filter_map(|(time, _, policy)| Some((time, policy?)))
    }

    /// When an account's effective policy became invalid (false) or valid (true).
    #[must_use]
    pub fn validity(&self, account: &AccountId) -> &[(Timestamp, bool)] {
        self.replayed.get(account).map_or(&[], |history| history.validity.as_slice())
    }

    /// The first time after a time at which an account's effective policy became valid.
    #[must_use]
    pub fn valid_after(&self, account: &AccountId, after: Timestamp) -> Option<Timestamp> {
        let valid = &self.replayed.get(account)?.valid;
        valid.get(valid.partition_point(|time| *time <= after)).copied()
    }

    /// AWS's validations of effective policies by account, each with the time from which it holds.
    pub fn validations(&self) -> impl Iterator<Item = (&AccountId, impl Iterator<Item = (Timestamp, &Validation)>)> {
        self.world.validations.iter().map(|(account, validations)| {
            let since = validations.iter().map(|(read, validation)| (validation.since(*read), validation));
            (account, since)
        })
    }

    /// The accounts whose effective policy is known at some time.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountId> {
        self.policies.keys()
    }

    /// The enforced configurations of an account and Region; AWS documents one at most.
    #[must_use]
    pub fn configurations(&self, account: &AccountId, region: &Region, at: Timestamp) -> InForce<&[Enforcement]> {
        let timeline = self.world.configurations.get(&(account.clone(), region.clone()));
        timeline.map_or(InForce::NotKnown, |timeline| timeline.at(at).map(Vec::as_slice))
    }

    /// The telemetry of an account and Region.
    #[must_use]
    pub fn telemetry(&self, account: &AccountId, region: &Region, at: Timestamp) -> InForce<&Telemetry> {
        let timeline = self.world.telemetry.get(&(account.clone(), region.clone()));
        timeline.map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// The times at which the telemetry may change.
    pub fn telemetry_boundaries(&self, account: &AccountId, region: &Region) -> impl Iterator<Item = Timestamp> {
        self.world.telemetry.get(&(account.clone(), region.clone())).into_iter().flat_map(Timeline::boundaries)
    }

    /// The guardrails of an agent or a flow.
    #[must_use]
    pub fn mediated(
        &self,
        kind: MediatorKind,
        account: &AccountId,
        region: &Region,
        id: &str,
        at: Timestamp,
    ) -> InForce<&MediatedGuardrail> {
        let timelines = match kind {
            MediatorKind::Agent => &self.world.agents,
            MediatorKind::Flow => &self.world.flows,
        };
        let timeline = timelines.get(&(account.clone(), region.clone(), id.to_owned()));
        timeline.map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// The times after a time at which the guardrails of an agent or a flow may change.
    pub fn mediated_boundaries(
        &self,
        kind: MediatorKind,
        account: &AccountId,
        region: &Region,
        id: &str,
        after: Timestamp,
    ) -> impl Iterator<Item = Timestamp> {
        let timelines = match kind {
            MediatorKind::Agent => &self.world.agents,
            MediatorKind::Flow => &self.world.flows,
        };
        let timeline = timelines.get(&(account.clone(), region.clone(), id.to_owned()));
        timeline.into_iter().flat_map(move |timeline| timeline.after(after)).map(|(time, ..)| time)
    }

    /// A guardrail version; `None` in the state if it didn't exist.
    #[must_use]
    pub fn guardrail(&self, named: &GuardrailVersionArn, at: Timestamp) -> InForce<&Option<Arc<CanonicalGuardrail>>> {
        self.guardrail_timeline(named).map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// All known guardrail versions with their timelines.
    pub fn guardrails(&self) -> impl Iterator<Item = (&GuardrailVersionArn, &GuardrailTimeline)> {
        self.world.guardrails.iter()
    }

    /// The known versions of one guardrail with their timelines, in order.
    pub fn versions_of(&self, key: &GuardrailKey) -> impl Iterator<Item = (GuardrailVersion, &GuardrailTimeline)> {
        self.world.guardrails.range(key.versions()).map(|(named, timeline)| (named.version, timeline))
    }

    /// The timeline of a guardrail version.
    #[must_use]
    pub fn guardrail_timeline(&self, named: &GuardrailVersionArn) -> Option<&GuardrailTimeline> {
        self.world.guardrails.get(named)
    }

    /// When a guardrail was created, if an event showed it.
    #[must_use]
    pub fn guardrail_made(&self, key: &GuardrailKey) -> Option<Timestamp> {
        self.world.made.get(key).copied()
    }

    /// The resource policy of a guardrail or guardrail profile; empty if it has none.
    #[must_use]
    pub fn resource_policy(&self, key: &GuardrailKey, at: Timestamp) -> InForce<&String> {
        self.world.resource_policies.get(key).map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// The times after a time at which the resource policy may change.
    pub fn resource_policy_boundaries(&self, key: &GuardrailKey, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        self.world.resource_policies.get(key).into_iter().flat_map(move |timeline| timeline.after(after)).map(|(time, ..)| time)
    }

    /// The model invocation logging of an account and Region.
    #[must_use]
    pub fn invocation_logging(&self, account: &AccountId, region: &Region, at: Timestamp) -> InForce<&InvocationLogging> {
        let timeline = self.world.logging.get(&(account.clone(), region.clone()));
        timeline.map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// The times after a time at which model invocation logging may change.
    pub fn invocation_logging_boundaries(&self, account: &AccountId, region: &Region, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        let timeline = self.world.logging.get(&(account.clone(), region.clone()));
        timeline.into_iter().flat_map(move |timeline| timeline.after(after)).map(|(time, ..)| time)
    }

    /// The policy documents of a role, user, group or managed policy, given by the name of its file in the world.
    #[must_use]
    pub fn identity_documents(&self, account: &AccountId, entity: &str, at: Timestamp) -> InForce<&IdentityDocuments> {
        self.world.identities.get(&(account.clone(), entity.to_owned())).map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// The accounts and Regions whose enforced configuration is known at some time.
    pub fn configured(&self) -> impl Iterator<Item = (&AccountId, &Region)> {
        self.world.configurations.keys().map(|(account, region)| (account, region))
    }

    /// All guardrails that a policy or configuration named at some time.
    #[must_use]
    pub fn ever_named(&self) -> BTreeSet<GuardrailKey> {
        let mut histories: Vec<&Arc<PolicyHistory>> = self.policies.values().collect();
        histories.sort_by_key(|history| Arc::as_ptr(history).addr());
        histories.dedup_by_key(|history| Arc::as_ptr(history).addr());
        let by_policy = distinct(histories.into_iter().flat_map(|history| history.iter()))
            .into_iter()
            .flat_map(|policy| policy.regions.values().flatten())
            .filter_map(crate::policy::GuardrailInference::enforcement)
            .map(|enforcement| enforcement.guardrail.key);
        let configured = self.world.configurations.values().flat_map(Timeline::entries).filter_map(|(_, _, enforced)| enforced);
        by_policy.chain(configured.flatten().map(|enforcement| enforcement.guardrail.key.clone())).collect()
    }

    /// The agents and flows that are known at one time.
    pub fn consumers(&self, at: Timestamp) -> impl Iterator<Item = (String, &MediatedGuardrail)> {
        let all = [("agent", &self.world.agents), ("flow", &self.world.flows)]
            .into_iter()
            .flat_map(|(word, of)| of.iter().map(move |entry| (word, entry)));
        all.filter_map(move |(word, ((account, _, id), timeline))| Some((format!("{word} {id} of {account}"), timeline.at(at).state()?)))
    }

    /// Whether an account has an agent or flow in a Region whose configuration isn't known.
    #[must_use]
    pub fn has_unread_consumers(&self, account: &AccountId, region: &Region, at: Timestamp) -> bool {
        let is_unread = |of: &BTreeMap<(AccountId, Region, String), Timeline<MediatedGuardrail>>| {
            let all_from = of.range((account.clone(), region.clone(), String::new())..);
            let mut here = all_from.take_while(|((owner, located, _), _)| owner == account && located == region);
            here.any(|(_, timeline)| timeline.at(at).state().is_none())
        };
        is_unread(&self.world.agents) || is_unread(&self.world.flows)
    }

    /// Whether a document of any of the account's identities is known.
    #[must_use]
    pub fn knows_identities_of(&self, account: &AccountId) -> bool {
        self.world.identities.range((account.clone(), String::new())..).next().is_some_and(|((of, _), _)| of == account)
    }

    /// The roles, users, groups and policies whose documents are known, by account and name of their file.
    pub fn identities(&self) -> impl Iterator<Item = (&AccountId, &str)> {
        self.world.identities.keys().map(|(account, entity)| (account, entity.as_str()))
    }

    /// The telemetry of an account over time, by Region.
    pub fn telemetry_of(&self, account: &AccountId) -> impl Iterator<Item = &Timeline<Telemetry>> {
        let from = self.world.telemetry.range((account.clone(), Region::from(""))..);
        from.take_while(move |((of, _), _)| of == account).map(|(_, timeline)| timeline)
    }

    /// The counts of Bedrock's metrics, by the start of each period.
    #[must_use]
    pub fn metrics(&self, account: &AccountId, region: &Region) -> Option<&BTreeMap<Timestamp, MetricCount>> {
        self.world.metrics.get(&(account.clone(), region.clone()))
    }

    /// The accounts and Regions whose metrics are known.
    pub fn metered(&self) -> impl Iterator<Item = &(AccountId, Region)> {
        self.world.metrics.keys()
    }

    /// A policy of the organization.
    #[must_use]
    pub fn organization_policy(&self, policy: &PolicyId, at: Timestamp) -> InForce<&PolicyVersion> {
        self.contents.get(policy).map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// All policies of the organization at one time.
    pub fn organization_policies(&self, at: Timestamp) -> impl Iterator<Item = (&PolicyId, &PolicyVersion)> {
        self.contents.iter().filter_map(move |(policy, timeline)| Some((policy, timeline.at(at).state()?)))
    }

    /// The guardrails and model scopes of all enforcements that were in force for an account and Region at some time.
    pub(crate) fn all_enforcements(
        &self,
        account: &AccountId,
        region: &Region,
    ) -> impl Iterator<Item = (Option<GuardrailVersionArn>, ModelScope)> {
        let by_policy = distinct(self.policies.get(account).into_iter().flat_map(|history| history.iter()))
            .into_iter()
            .flat_map(|policy| policy.regions.values().flatten())
            .map(|configuration| (configuration.enforcement().map(|enforcement| enforcement.guardrail), configuration.models.clone()));
        let timeline = self.world.configurations.get(&(account.clone(), region.clone())).into_iter();
        let by_account = timeline.flat_map(Timeline::entries).filter_map(|(_, _, enforcements)| enforcements).flatten();
        by_policy.chain(by_account.map(|enforcement| (Some(enforcement.guardrail.clone()), enforcement.models.clone())))
    }

    /// The models that a `modelId` stands for: the model itself, or those behind an alias. Empty if they aren't known.
    #[must_use]
    pub fn resolve(&self, model: &Model, account: &AccountId, region: &Region) -> Vec<Model> {
        match model {
            Model::Foundation(_) | Model::Deployed(..) => vec![model.clone()],
            // The models that a call's record names are certain, even if the alias stands for others by now.
            Model::Alias(..) if model.named_behind().next().is_some() => model.named_behind().collect(),
            Model::Unknown | Model::Alias(Alias::Prompt, _) => Vec::new(),
            Model::Alias(_, id) => {
                let short = id.rsplit('/').next().unwrap_or(id);
                // An ARN contains the account and Region of a profile, which may differ from the caller's and have one with the same id.
                let named = Arn::parse(id).map(|arn| (AccountId::from(arn.account), Region::from(arn.region)));
                let (account, region) = named.as_ref().map_or((account, region), |(account, region)| (account, region));
                self.world.models_behind(account, region, short).map(<[Model]>::to_vec).unwrap_or_default()
            }
        }
    }

    /// The last known organization.
    #[must_use]
    pub fn organization(&self) -> Option<&Organization> {
        self.organization.as_ref()
    }

    /// The position of an account in the organization.
    #[must_use]
    pub fn placement(&self, account: &AccountId, at: Timestamp) -> InForce<&AccountPlacement> {
        self.placements.get(account).map_or(InForce::NotKnown, |timeline| timeline.at(at))
    }

    /// The management account, if the organization is known.
    #[must_use]
    pub fn management_account(&self) -> Option<&AccountId> {
        self.organization.as_ref()?.management_account.as_ref()
    }

    /// The snapshots and changes that this state was computed from.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The times at which anything that verdicts of this account and Region depend on may change, ordered. They include those at which a state
    /// was read again and is what it was: from then on it is known to hold.
    #[must_use]
    pub fn boundaries(&self, account: &AccountId, region: &Region) -> Vec<Timestamp> {
        let mut moments = self.times(account, region);
        let enforced: BTreeSet<GuardrailKey> = self.enforced(account, region).into_iter().map(|named| named.key).collect();
        moments.extend(enforced.iter().flat_map(|key| self.versions_of(key)).flat_map(|(_, timeline)| timeline.boundaries()));
        let here = (account.clone(), region.clone());
        moments.extend(self.world.configurations.get(&here).into_iter().flat_map(Timeline::boundaries));
        moments.extend(self.placements.get(account).into_iter().flat_map(Timeline::boundaries));
        moments.extend(self.mediators(account, region).flat_map(Timeline::boundaries));
        in_order(moments)
    }

    /// The times at which an answer changes that verdicts of this account and Region ask the state for, ordered. Between two of them, equal calls
    /// have one verdict, so the fewer there are, the fewer groups of calls an audit keeps apart.
    #[must_use]
    pub fn periods(&self, account: &AccountId, region: &Region) -> Vec<Timestamp> {
        let mut moments = self.times(account, region);
        // Of a guardrail, verdicts ask only whether the version that is enforced can be.
        let can_be_applied = |named: &GuardrailVersionArn| {
            self.guardrail_timeline(named).into_iter().flat_map(|timeline| timeline.changes(cannot_be_applied))
        };
        moments.extend(self.enforced(account, region).iter().flat_map(can_be_applied));
        let here = (account.clone(), region.clone());
        moments.extend(self.world.configurations.get(&here).into_iter().flat_map(|timeline| timeline.changes(|state| state)));
        moments.extend(self.placements.get(account).into_iter().flat_map(|timeline| timeline.changes(|state| state)));
        moments.extend(self.mediators(account, region).flat_map(|timeline| timeline.changes(|state| state)));
        in_order(moments)
    }

    /// Those of both kinds of times that are the same: of policies, which differ from one time to the next, of guardrails that were made, and of
    /// telemetry, between whose times it is looked whether evaluations were recorded.
    fn times(&self, account: &AccountId, region: &Region) -> Vec<Timestamp> {
        let policies = self.policies.get(account).into_iter().flat_map(|history| history.iter()).map(|(time, _)| *time);
        let first = GuardrailKey { account: account.clone(), region: region.clone(), id: "".into() };
        let made = self.world.made.range(first..).take_while(|(key, _)| key.account == *account && key.region == *region);
        policies.chain(made.map(|(_, made)| *made)).chain(self.telemetry_boundaries(account, region)).collect()
    }

    /// The guardrail versions that were enforced for an account and Region at some time.
    fn enforced(&self, account: &AccountId, region: &Region) -> BTreeSet<GuardrailVersionArn> {
        self.all_enforcements(account, region).filter_map(|(guardrail, _)| guardrail).collect()
    }

    /// The agents and flows of an account and Region.
    fn mediators(&self, account: &AccountId, region: &Region) -> impl Iterator<Item = &Timeline<MediatedGuardrail>> {
        let first = (account.clone(), region.clone(), String::new());
        [&self.world.agents, &self.world.flows].into_iter().flat_map(move |mediators| {
            let here = mediators.range(first.clone()..).take_while(|((a, r, _), _)| *a == first.0 && *r == first.1);
            here.map(|(_, timeline)| timeline).collect::<Vec<_>>()
        })
    }
}

/// Whether a guardrail version is known to be one that can't be enforced.
pub(crate) fn cannot_be_applied(version: InForce<&Option<Arc<CanonicalGuardrail>>>) -> bool {
    match version {
        InForce::Known(None) => true,
        InForce::Known(Some(content)) | InForce::Assumed(Some(content)) => content.why_not_enforceable().is_some(),
        InForce::Assumed(None) | InForce::NotKnown => false,
    }
}

fn in_order(mut moments: Vec<Timestamp>) -> Vec<Timestamp> {
    moments.sort_unstable();
    moments.dedup();
    moments
}

/// A version of a policy. Each text is parsed once, however often policies get it.
fn version<'c>(
    documents: &mut HashMap<&'c str, Option<Arc<Document>>>,
    policy_type: &str,
    name: &str,
    content: &'c str,
) -> Option<PolicyVersion> {
    let parse = || PolicyVersion::new(policy_type, name, content).ok().map(|version| version.document);
    let document = documents.entry(content).or_insert_with(parse).clone()?;
    Some(PolicyVersion { policy_type: policy_type.to_owned(), name: name.to_owned(), document, content: content.to_owned() })
}

/// The policies of a history, each once: most of them are in force again and again.
fn distinct<'p>(history: impl Iterator<Item = &'p (Timestamp, InForce<PolicyInForce>)>) -> Vec<&'p Arc<EffectivePolicy>> {
    let mut seen = HashSet::new();
    let policies = history.filter_map(|(_, in_force)| in_force.as_ref().state()?.policy.as_ref());
    policies.filter(|policy| seen.insert(Arc::as_ptr(policy).addr())).collect()
}

/// A kind of resource that calls models on the caller's behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediatorKind {
    /// A Bedrock agent.
    Agent,
    /// A Bedrock flow.
    Flow,
}
