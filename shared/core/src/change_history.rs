//! The history of changes, which rules about changes and states are called with: all changes in the order of time, and the state before and
//! after each.

pub(crate) mod account_enforcement;
pub(crate) mod effective_policies;
pub(crate) mod guardrail_keys;
pub(crate) mod guardrail_versions;
pub(crate) mod identity_changes;
mod identity_history;
pub(crate) mod policy_updates;
mod restoration;
mod rule_match;
mod search;
mod service_control;

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::OnceLock,
};

use hashbrown::{HashMap, HashSet};

use guardrail_keys::GuardrailKeys;
use identity_history::{Before, History};
use policy_updates::PolicyUpdates;
use restoration::{ByValue, Cursor, Restorations};
pub(crate) use rule_match::{Exposure, Outcome, RuleMatch};
use service_control::{Loss, ServiceControl};

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, Region, short},
    change::{Change, ChangeKey},
    config::Configuration,
    control_change::ControlChange,
    enforcement::Enforcement,
    guardrail::{self, CanonicalGuardrail, Direction},
    identity::{IdentityPolicy, Lost},
    model::Model,
    policy::{GuardrailInference, Weakening},
    telemetry::store_name,
    timestamp::Timestamp,
    world::{InForce, Source, State},
};

/// Changes in the order of time and the state, with lookups that several rules need.
pub(crate) struct ChangeHistory<'a> {
    pub(crate) state: &'a State,
    pub(crate) configuration: &'a Configuration,
    /// The changes in the order of time.
    pub(crate) changes: Vec<(&'a ChangeKey, &'a Change)>,
    /// The indexes of the changes of each resource, by account, service and [`Change::subject`].
    by_subject: HashMap<String, Vec<usize>>,
    /// The indexes of the successful changes of each resource, by account, service, subject and operation.
    by_operation: HashMap<String, Vec<usize>>,
    /// The times at which the state of each account and Region may change, as far as they were asked for.
    boundaries: RefCell<Boundaries>,
    /// The times at which the state may change, of each account and Region together with those of all other accounts in the Region.
    all_boundaries: RefCell<Boundaries>,
    restored: Restorations<Timestamp>,
    put_back: Restorations<usize>,
    /// The findings about identities with a change that was never restored.
    never_restored: RefCell<HashSet<String>>,
    cursors: RefCell<HashMap<String, Cursor>>,
    with_value: RefCell<ByValue>,
    /// The Regions in which each account has records.
    pub(crate) regions: &'a BTreeMap<AccountId, BTreeSet<Region>>,
    /// The times of the first and of the last record.
    pub(crate) horizon: (Timestamp, Timestamp),
    /// The names of the buckets, log groups and keys that evidence is kept with, from the world and from all records about trails.
    pub(crate) log_stores: &'a BTreeSet<String>,
    pub(crate) guardrail_keys: &'a GuardrailKeys,
    /// The times at which versions of guardrails were published, as far as records show.
    published: &'a Published,
    /// The times of the auditor's heartbeats, by account and Region.
    pub(crate) heartbeats: &'a Heartbeats,
    drafts_requested: &'a BTreeSet<String>,
    identities: OnceCell<History>,
    service_control: OnceCell<ServiceControl>,
    policy_updates: OnceCell<PolicyUpdates>,
    named: &'a OnceLock<BTreeSet<GuardrailKey>>,
}

/// The part that the histories of an audit share.
#[derive(Clone, Copy)]
pub(crate) struct RuleContext<'a> {
    pub(crate) state: &'a State,
    pub(crate) configuration: &'a Configuration,
    pub(crate) regions: &'a BTreeMap<AccountId, BTreeSet<Region>>,
    pub(crate) horizon: (Timestamp, Timestamp),
    pub(crate) log_stores: &'a BTreeSet<String>,
    /// The KMS keys of guardrails.
    pub(crate) guardrail_keys: &'a GuardrailKeys,
    pub(crate) published: &'a Published,
    pub(crate) heartbeats: &'a Heartbeats,
    /// The ARNs of the guardrails whose DRAFT some call requests.
    pub(crate) drafts_requested: &'a BTreeSet<String>,
    /// The guardrails that some policy or configuration ever named. Computed at the first lookup.
    pub(crate) named: &'a OnceLock<BTreeSet<GuardrailKey>>,
}

/// The time at which each guardrail version was published.
pub(crate) type Published = BTreeMap<GuardrailVersionArn, Timestamp>;

/// The times of heartbeats by account and Region, sorted.
pub(crate) type Heartbeats = BTreeMap<(AccountId, Region), Vec<Timestamp>>;

/// Times in order, by account and Region.
type Boundaries = HashMap<(AccountId, Region), Rc<[Timestamp]>>;

/// A change, with the history that it belongs to.
pub(crate) struct ChangeInContext<'s> {
    pub(crate) history: &'s ChangeHistory<'s>,
    pub(crate) key: &'s ChangeKey,
    pub(crate) change: &'s Change,
    /// Its index among all changes of the history.
    index: usize,
}

impl<'a> ChangeHistory<'a> {
    pub(crate) fn new(context: RuleContext<'a>, changes: &'a [(ChangeKey, Change)]) -> Self {
        let RuleContext {
            state,
            configuration,
            regions,
            horizon,
            log_stores,
            guardrail_keys,
            published,
            heartbeats,
            drafts_requested,
            named,
        } = context;
        let changes: Vec<(&ChangeKey, &Change)> = changes.iter().map(|(key, change)| (key, change)).collect();
        let mut by_subject: HashMap<String, Vec<usize>> = HashMap::new();
        let mut by_operation: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, (_, change)) in changes.iter().enumerate() {
            let subject = format!("{} {} {}", change.account, change.service, change.subject().unwrap_or_default());
            if !change.is_refused() {
                by_operation.entry(format!("{subject} {}", change.operation)).or_default().push(index);
            }
            by_subject.entry(subject).or_default().push(index);
        }
        ChangeHistory {
            state,
            configuration,
            changes,
            by_subject,
            by_operation,
            boundaries: RefCell::default(),
            all_boundaries: RefCell::default(),
            restored: Restorations::default(),
            put_back: Restorations::default(),
            never_restored: RefCell::default(),
            cursors: RefCell::default(),
            with_value: RefCell::default(),
            regions,
            horizon,
            log_stores,
            guardrail_keys,
            published,
            heartbeats,
            drafts_requested,
            identities: OnceCell::new(),
            service_control: OnceCell::new(),
            policy_updates: OnceCell::new(),
            named,
        }
    }

    pub(crate) fn seen(&self) -> impl Iterator<Item = ChangeInContext<'_>> {
        self.changes.iter().enumerate().map(|(index, (key, change))| ChangeInContext { history: self, key, change, index })
    }

    /// The indexes of the changes of a resource, in the order of time.
    fn indexes_of(&self, account: &AccountId, service: &str, subject: &str) -> &[usize] {
        self.by_subject.get(&format!("{account} {service} {subject}")).map_or(&[], Vec::as_slice)
    }

    /// The indexes of the successful changes of a resource by an operation, in the order of time.
    fn indexes_by(&self, account: &AccountId, service: &str, subject: &str, operation: &str) -> &[usize] {
        self.by_operation.get(&format!("{account} {service} {subject} {operation}")).map_or(&[], Vec::as_slice)
    }

    /// The change at a position of some indexes, unless it was refused.
    fn change_at(&self, indexes: &[usize], position: usize) -> Option<&'a Change> {
        let (_, change) = self.changes.get(*indexes.get(position)?)?;
        (!change.is_refused()).then_some(*change)
    }

    /// The changes of the organization's policies. The condition is the same whenever this is called.
    pub(crate) fn policy_updates(&self, is_right: impl Fn(&str) -> bool) -> &PolicyUpdates {
        self.policy_updates.get_or_init(|| PolicyUpdates::of(&self.changes, is_right))
    }

    /// The management account, if it is known.
    pub(crate) fn management_account(&self) -> Option<&AccountId> {
        self.state.management_account()
    }

    /// Whether a guardrail is in use at a time; with a version, whether that version is.
    pub(crate) fn exposure_of(&self, key: &GuardrailKey, version: Option<GuardrailVersion>, at: Timestamp) -> Exposure {
        match self.user_of(key, version, at) {
            Some(how) => Exposure::Production(how),
            None if self.knows_users_of(key, at) => Exposure::Nothing,
            None => Exposure::Unknown,
        }
    }

    /// Whether enough was read to conclude that nothing uses a guardrail: the effective policies of all accounts of the organization (or,
    /// if the organization isn't known, of all accounts with records), the configuration of the guardrail's account and Region, and the
    /// guardrails of all agents and flows that are known to exist there.
    fn knows_users_of(&self, key: &GuardrailKey, at: Timestamp) -> bool {
        let seen = self.regions.keys().filter(|_| self.state.organization().is_none());
        let mut seen = seen.chain([&key.account]);
        self.state.policies_in_force(at).all(|(_, policy)| policy.state().is_some())
            && seen.all(|account| self.state.policy(account, at).state().is_some())
            && self.state.configurations(&key.account, &key.region, at).state().is_some()
            && !self.state.has_unread_consumers(&key.account, &key.region, at)
    }

    /// A phrase that names what enforces or references a guardrail at a time, if anything known does; with a version, only that version.
    pub(crate) fn user_of(&self, key: &GuardrailKey, version: Option<GuardrailVersion>, at: Timestamp) -> Option<String> {
        let meant = |named: &GuardrailVersionArn| named.key == *key && version.is_none_or(|version| version == named.version);
        let enforcer = if self.was_ever_named(key) { self.enforcer_of(&meant, key, at) } else { None };
        enforcer.or_else(|| self.consumer_of(&meant, at))
    }

    /// Whether some policy or configuration ever named a guardrail. Most guardrails were never named, which saves a search of all accounts.
    fn was_ever_named(&self, key: &GuardrailKey) -> bool {
        self.named.get_or_init(|| self.state.ever_named()).contains(key)
    }

    /// A phrase that names the policy or configuration that enforces a guardrail.
    fn enforcer_of(&self, meant: &dyn Fn(&GuardrailVersionArn) -> bool, key: &GuardrailKey, at: Timestamp) -> Option<String> {
        let by_policy = self.state.policies_in_force(at).find_map(|(account, in_force)| {
            let policy = in_force.state()?.policy.as_deref()?;
            let inferences = policy.regions.values().flatten().filter_map(GuardrailInference::enforcement);
            let named = inferences.map(|enforcement| enforcement.guardrail).find(meant)?;
            Some(format!("the effective policy of {account} enforces version {}", named.version))
        });
        let by_configuration = || {
            // An account configuration can name a guardrail of another account.
            let seen = self.regions.iter().flat_map(|(account, regions)| regions.iter().map(move |region| (account, region)));
            let account_regions: BTreeSet<(&AccountId, &Region)> = seen.chain([(&key.account, &key.region)]).collect();
            self.state.configured().chain(account_regions).find_map(|(account, region)| {
                let enforced = self.state.configurations(account, region, at).state()?;
                let named = enforced.iter().map(|enforcement| &enforcement.guardrail).find(|named| meant(named))?;
                Some(format!("the configuration of {account} in {region} enforces version {}", named.version))
            })
        };
        by_policy.or_else(by_configuration)
    }

    /// Whether some call requests the DRAFT of a guardrail.
    pub(crate) fn is_draft_requested(&self, key: &GuardrailKey) -> bool {
        self.drafts_requested.contains(&key.arn())
    }

    /// A phrase that names an agent or flow that uses a guardrail.
    fn consumer_of(&self, meant: &dyn Fn(&GuardrailVersionArn) -> bool, at: Timestamp) -> Option<String> {
        let (name, _) = self.state.consumers(at).find(|(_, mediated)| mediated.guardrails().any(meant))?;
        Some(format!("{name} uses it"))
    }

    /// The controls that get weaker when one guardrail version is enforced in place of another, by their contents as known at a time.
    pub(crate) fn compare(&self, before: &GuardrailVersionArn, after: &GuardrailVersionArn, at: Timestamp) -> Weakening {
        let Some((old, new)) = self.content_of(before, at).zip(self.content_of(after, at)) else {
            let change = ControlChange {
                control: "guardrail".to_owned(),
                side: None,
                before: Some(before.to_string()),
                after: Some(after.to_string()),
            };
            return Weakening { unverified: vec![change], ..Weakening::default() };
        };
        Weakening {
            changes: lowered_where_enforced(old, new),
            unverified: redefined(old, new),
            was_unusable: old.has_automated_reasoning(),
        }
    }

    /// The content of a version at a time. If the version was not read, it is the content that the DRAFT had when the version was
    /// published.
    pub(crate) fn content_of(&self, named: &GuardrailVersionArn, at: Timestamp) -> Option<&'a CanonicalGuardrail> {
        match named.version {
            GuardrailVersion::Draft => self.draft(&named.key, at),
            // A numbered version never changes, so every snapshot of it is equal.
            GuardrailVersion::Numbered(_) => {
                self.any_snapshot(named).or_else(|| self.published.get(named).and_then(|published| self.draft(&named.key, *published)))
            }
        }
    }

    /// The content of a guardrail's DRAFT at a time. Snapshots taken while the guardrail was being changed are skipped
    /// (docs/aws/guardrails.md#getguardrail).
    pub(crate) fn draft(&self, key: &GuardrailKey, at: Timestamp) -> Option<&'a CanonicalGuardrail> {
        let timeline = self.state.guardrail_timeline(&key.version(GuardrailVersion::Draft))?;
        if let InForce::Known(Some(content)) = timeline.at(at)
            && content.is_ready()
        {
            return Some(content);
        }
        // Records of updates lack the content. The next snapshot shows it, unless there was another update before that.
        let mut read = timeline.after(at).take_while(|(_, source, _)| **source == Source::Snapshot).map(|(.., content)| content);
        read.find_map(|content| content?.as_deref().filter(|content| content.is_ready()))
    }

    /// The content in the first snapshot of a version.
    pub(crate) fn any_snapshot(&self, named: &GuardrailVersionArn) -> Option<&'a CanonicalGuardrail> {
        self.state.guardrail_timeline(named)?.entries().find_map(|(_, _, content)| content?.as_deref().filter(|content| content.is_ready()))
    }

    /// The successful updates of a guardrail since the last snapshot of its DRAFT before the update at `last`, that one included, with the
    /// content in the snapshot. `None` if there is no snapshot, or no update besides it.
    pub(crate) fn updates_since_reading(&self, key: &GuardrailKey, last: Timestamp) -> Option<(&'a CanonicalGuardrail, Vec<&'a Change>)> {
        let timeline = self.state.guardrail_timeline(&key.version(GuardrailVersion::Draft))?;
        let mut earlier = timeline.before(last).rev();
        let (since, before) =
            earlier.find_map(|(time, _, content)| Some((time, content?.as_deref().filter(|content| content.is_ready())?)))?;
        let all = self.indexes_by(&key.account, "bedrock", &key.id, "UpdateGuardrail");
        let time = |index: &usize| self.changes.get(*index).map(|(of, _)| of.time);
        let (start, end) =
            (all.partition_point(|index| time(index) <= Some(since)), all.partition_point(|index| time(index) <= Some(last)));
        let within = all.get(start..end).unwrap_or_default();
        let updates: Vec<&Change> = within.iter().filter_map(|index| self.changes.get(*index)).map(|(_, change)| *change).collect();
        (updates.len() > 1).then_some((before, updates))
    }

    /// The versions of a guardrail that known policies and configurations enforce at a time.
    pub(crate) fn enforced_versions(&self, key: &GuardrailKey, at: Timestamp) -> BTreeSet<GuardrailVersion> {
        if !self.was_ever_named(key) {
            return BTreeSet::new();
        }
        let in_force = self.state.policies_in_force(at).filter_map(|(_, in_force)| in_force.state()?.policy.as_deref());
        let by_policy = in_force.flat_map(|policy| policy.regions.values().flatten()).filter_map(GuardrailInference::enforcement);
        let by_account = self
            .state
            .configured()
            .filter_map(|(account, region)| self.state.configurations(account, region, at).state())
            .flatten()
            .cloned();
        by_policy
            .chain(by_account)
            .map(|enforcement| enforcement.guardrail)
            .filter(|named| named.key == *key)
            .map(|named| named.version)
            .collect()
    }

    /// The times after `after` at which an enforcement may change: in this account and Region, or in the Region for any account of the
    /// organization.
    pub(crate) fn all_boundaries(&self, account: &AccountId, region: &Region, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        let known = self.all_boundaries.borrow().get(&(account.clone(), region.clone())).cloned();
        let all = known.unwrap_or_else(|| {
            let mut all: BTreeSet<Timestamp> = self.boundaries_of(account, region).iter().copied().collect();
            for other in self.state.accounts() {
                all.extend(self.boundaries_of(other, region).iter());
            }
            let all: Rc<[Timestamp]> = all.into_iter().collect();
            self.all_boundaries.borrow_mut().insert((account.clone(), region.clone()), Rc::clone(&all));
            all
        });
        from(all, after)
    }

    /// The times after `after` at which an account's effective policy may change.
    pub(crate) fn policy_boundaries(&self, account: &AccountId, region: &Region, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        from(self.boundaries_of(account, region), after)
    }

    /// The times at which a state may be right again that changes only at its own times: the first later time at which any state may change,
    /// which shows whether it is right already, and its own. An account can have thousands of agents and flows, each with its own times.
    pub(crate) fn own_boundaries(
        &self,
        account: &AccountId,
        region: &Region,
        after: Timestamp,
        own: impl Iterator<Item = Timestamp>,
    ) -> impl Iterator<Item = Timestamp> {
        self.policy_boundaries(account, region, after).take(1).chain(own)
    }

    fn boundaries_of(&self, account: &AccountId, region: &Region) -> Rc<[Timestamp]> {
        let mut known = self.boundaries.borrow_mut();
        Rc::clone(known.entry((account.clone(), region.clone())).or_insert_with(|| self.state.boundaries(account, region).into()))
    }

    /// Whether an enforcement of the account and Region covers a model.
    pub(crate) fn covers(&self, account: &AccountId, region: &Region, model: &Model, at: Timestamp) -> InForce<bool> {
        use crate::enforcement::Meant;
        // A member of the enforcement that isn't understood may exclude or include the model, so the answer isn't known.
        let means_it = |enforcement: &Enforcement| enforcement.unclear.is_empty().then(|| enforcement.models.means(model) == Meant::Yes);
        let any = |mut answers: Vec<Option<bool>>| {
            answers.sort_unstable();
            if answers.contains(&Some(true)) { Some(true) } else { answers.first().copied().unwrap_or(Some(false)) }
        };
        let configured =
            self.state.configurations(account, region, at).state().map(|enforced| any(enforced.iter().map(means_it).collect()));
        let by_policy = self.state.policy(account, at).state().map(|in_force| {
            let policy = in_force.policy.as_deref();
            let inferences = policy.and_then(|policy| policy.regions.get(region)).into_iter().flatten();
            let by_inferences = inferences.filter_map(GuardrailInference::enforcement).map(|enforcement| means_it(&enforcement));
            let is_unclear = policy.is_some_and(|policy| !policy.unclear.is_empty());
            any(by_inferences.chain(is_unclear.then_some(None)).collect())
        });
        match (by_policy, configured) {
            (Some(Some(true)), _) | (_, Some(Some(true))) => InForce::Known(true),
            (Some(Some(false)), Some(Some(false)) | None) => InForce::Known(false),
            _ => InForce::NotKnown,
        }
    }
}

impl ChangeInContext<'_> {
    /// The policies of the identity before the change, as far as known.
    pub(crate) fn identity_before(&self) -> Before {
        self.identities().before(self.index)
    }

    fn identities(&self) -> &History {
        self.history.identities.get_or_init(|| History::of(&self.history.changes, self.history.state))
    }

    /// What an identity loses when one content takes the place of another.
    pub(crate) fn identity_lost(&self, before: &IdentityPolicy, after: &IdentityPolicy) -> Rc<Lost> {
        self.identities().lost(before, after)
    }

    /// The time at which what an identity lost of its policies is restored after the change. `finding` tells apart the findings that the
    /// change can belong to, as in [`ChangeInContext::right_again`]: after a change of a finding that was never restored, the finding stays
    /// open, and nothing is searched for its later changes.
    pub(crate) fn identity_restored_at(
        &self,
        finding: String,
        before: &IdentityPolicy,
        right: impl Fn(&Lost) -> bool,
    ) -> Option<Timestamp> {
        if self.change.is_refused() || self.history.never_restored.borrow().contains(&finding) {
            return None;
        }
        let restored = self.identities().restored_at(self.index, self.change, self.history.state, before, right);
        if restored.is_none() {
            self.history.never_restored.borrow_mut().insert(finding);
        }
        restored
    }

    /// The protection by service and resource control policies that the change removed; `None` if it removed none.
    pub(crate) fn service_control_loss(&self) -> Option<&Loss> {
        self.history.service_control.get_or_init(|| ServiceControl::of(&self.history.changes, self.history.state)).loss(self.index)
    }

    pub(crate) fn before(&self) -> Timestamp {
        self.key.time.just_before()
    }

    /// The form of a verb that is true of this change: a refused change only would have had the effect.
    pub(crate) fn did(&self, done: &'static str, would_have: &'static str) -> &'static str {
        if self.change.is_refused() { would_have } else { done }
    }

    /// Whether a guardrail's DRAFT is in use. It can't be enforced, so only agents, flows and calls that name it use it.
    pub(crate) fn exposure_of_draft(&self, key: &GuardrailKey) -> Exposure {
        let reach = self.history.exposure_of(key, Some(GuardrailVersion::Draft), self.key.time);
        let is_requested = !matches!(reach, Exposure::Production(_)) && self.history.is_draft_requested(key);
        if is_requested { Exposure::Production("calls ask for its DRAFT".to_owned()) } else { reach }
    }

    /// A match about this change, in the change's account and Region.
    pub(crate) fn rule_match(&self, resource: impl Into<String>, because: impl Into<String>) -> RuleMatch {
        RuleMatch::new(&self.change.account, &self.change.region, resource, because)
    }

    /// The guardrail that the change names.
    pub(crate) fn guardrail(&self) -> Option<GuardrailKey> {
        guardrail_of(self.change)
    }

    /// The parameter of this name, cut to its last part if it is an ARN; empty if there is none.
    pub(crate) fn name(&self, key: &str) -> &str {
        self.change.text(key).map(short).unwrap_or_default()
    }
}

/// The times after a time.
fn from(times: Rc<[Timestamp]>, after: Timestamp) -> impl Iterator<Item = Timestamp> {
    let start = times.partition_point(|time| *time <= after);
    (start..times.len()).filter_map(move |index| times.get(index).copied())
}

/// The names of the buckets, log groups and keys that evidence is kept with, from the world and from all records about trails.
pub(crate) fn log_stores<'c>(state: &State, changes: impl Iterator<Item = &'c Change>) -> BTreeSet<String> {
    let mut stores = state.world().log_stores();
    for change in changes.filter(|change| change.service == "cloudtrail") {
        let named = ["s3BucketName", "cloudWatchLogsLogGroupArn", "kmsKeyId"].iter().filter_map(|key| change.text(key));
        stores.extend(named.map(|name| store_name(name).to_owned()));
    }
    stores
}

/// The times at which versions were published, by the given CreateGuardrailVersion records in the order of time.
pub(crate) fn published(publications: impl Iterator<Item = (ChangeKey, Change)>) -> Published {
    let mut published = Published::new();
    for (of, change) in publications.filter(|(_, change)| !change.is_refused()) {
        if let Some((key, version)) = guardrail_of(&change).zip(published_version(&change)) {
            published.entry(GuardrailVersionArn { key, version }).or_insert(of.time);
        }
    }
    published
}

/// The version in the response of CreateGuardrailVersion.
pub(crate) fn published_version(change: &Change) -> Option<GuardrailVersion> {
    let version = change.answer("version");
    let version = version.as_str().map_or_else(|| version.as_u64().map(|number| number.to_string()), |text| Some(text.to_owned()))?;
    GuardrailVersion::parse(&version)
}

/// The guardrail that a change names.
fn guardrail_of(change: &Change) -> Option<GuardrailKey> {
    let named = change.text("guardrailIdentifier").or_else(|| change.answer("guardrailArn").as_str());
    let named = named.or_else(|| change.answer("guardrailId").as_str())?;
    GuardrailKey::from_identifier(named, &change.account, &change.region)
}

/// The controls that are weaker in `after` than in `before`.
pub(crate) fn lowered(before: &CanonicalGuardrail, after: &CanonicalGuardrail) -> Vec<ControlChange> {
    let weaker = guardrail::diff(before, after).into_iter().filter(guardrail::Difference::is_weaker);
    weaker.map(control_change).collect()
}

/// The controls that get weaker when `after` is enforced in place of `before`. Automated reasoning is left out: a guardrail that has it
/// can't be enforced, so no protection is lost with it.
pub(crate) fn lowered_where_enforced(before: &CanonicalGuardrail, after: &CanonicalGuardrail) -> Vec<ControlChange> {
    let all = guardrail::diff(before, after).into_iter();
    all.filter(|difference| difference.is_weaker() && !difference.is_about_reasoning()).map(control_change).collect()
}

/// The controls that differ in a way that is neither weaker nor stronger, such as the definition of a denied topic. Automated reasoning is
/// left out, as in [`lowered_where_enforced`].
pub(crate) fn redefined(before: &CanonicalGuardrail, after: &CanonicalGuardrail) -> Vec<ControlChange> {
    let all = guardrail::diff(before, after).into_iter();
    all.filter(|difference| difference.direction == Direction::Changed && !difference.is_about_reasoning()).map(control_change).collect()
}

/// The control of a difference, in the form that findings list.
pub(crate) fn control_change(difference: guardrail::Difference) -> ControlChange {
    ControlChange {
        control: difference.control.name,
        side: difference.control.side.map(|side| side.to_string()),
        before: difference.before.map(|effect| effect.to_string()),
        after: difference.after.map(|effect| effect.to_string()),
    }
}
