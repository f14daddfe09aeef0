//! What rules about changes and states look at: every change that was read, in order, and the state before and after each.

pub(crate) mod account_enforcement;
pub(crate) mod effective_policies;
pub(crate) mod guardrail_versions;
pub(crate) mod identity_changes;
mod identity_history;
mod service_control;

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use hashbrown::HashMap;

use identity_history::{Before, History};
use service_control::{Loss, ServiceControl};

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, Region, short},
    change::{Change, ChangeKey},
    config::Configuration,
    control_change::ControlChange,
    enforcement::Enforcement,
    guardrail::{self, CanonicalGuardrail, Direction},
    identity::IdentityPolicy,
    missing_evidence::MissingEvidence,
    model::Model,
    policy::{GuardrailInference, Weakening},
    telemetry::store_name,
    timestamp::Timestamp,
    world::{InForce, Source, State},
};

/// All changes and the state, with the ways to look things up in them.
pub(crate) struct ChangeHistory<'a> {
    pub(crate) state: &'a State,
    pub(crate) configuration: &'a Configuration,
    /// In the order of time.
    pub(crate) changes: Vec<(&'a ChangeKey, &'a Change)>,
    /// The changes of one thing, by account, service and subject.
    by_subject: HashMap<String, Vec<usize>>,
    /// The Regions that each account was seen in.
    pub(crate) regions: &'a BTreeMap<AccountId, BTreeSet<Region>>,
    /// From the first to the last record.
    pub(crate) horizon: (Timestamp, Timestamp),
    /// The buckets, log groups and keys that evidence is kept in, by the world and by all events that name them.
    pub(crate) log_stores: &'a BTreeSet<String>,
    /// When versions of guardrails were published, as far as events say.
    published: &'a Published,
    /// When auditors were heard, by account and Region.
    pub(crate) heartbeats: &'a Heartbeats,
    drafts_requested: &'a BTreeSet<String>,
    identities: OnceCell<History>,
    service_control: OnceCell<ServiceControl>,
    named: &'a OnceLock<BTreeSet<GuardrailKey>>,
}

/// What all scenes share.
#[derive(Clone, Copy)]
pub(crate) struct RuleContext<'a> {
    pub(crate) state: &'a State,
    pub(crate) configuration: &'a Configuration,
    pub(crate) regions: &'a BTreeMap<AccountId, BTreeSet<Region>>,
    pub(crate) horizon: (Timestamp, Timestamp),
    pub(crate) log_stores: &'a BTreeSet<String>,
    pub(crate) published: &'a Published,
    pub(crate) heartbeats: &'a Heartbeats,
    /// The guardrails of which some call asks for the DRAFT, by ARN.
    pub(crate) drafts_requested: &'a BTreeSet<String>,
    /// The guardrails that something ever enforced, once somebody asked.
    pub(crate) named: &'a OnceLock<BTreeSet<GuardrailKey>>,
}

/// When versions of guardrails were published.
pub(crate) type Published = BTreeMap<GuardrailVersionArn, Timestamp>;

/// When auditors were heard, in order, by account and Region.
pub(crate) type Heartbeats = BTreeMap<(AccountId, Region), Vec<Timestamp>>;

/// A change, with the scene that it happened in.
pub(crate) struct ChangeInContext<'s> {
    pub(crate) history: &'s ChangeHistory<'s>,
    pub(crate) key: &'s ChangeKey,
    pub(crate) change: &'s Change,
    /// Its place among all changes.
    index: usize,
}

/// What a rule says.
pub(crate) enum Outcome {
    /// It fires.
    Fires(Box<RuleMatch>),
    /// It can't tell, because something can't be seen.
    MissingEvidence(AccountId, Region, MissingEvidence),
}

/// What is wrong, where.
#[derive(Clone, Debug)]
pub(crate) struct RuleMatch {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) resource: String,
    pub(crate) discriminator: String,
    /// What it means here, as a sentence without its full stop.
    pub(crate) because: String,
    pub(crate) changes: Vec<ControlChange>,
    /// Steps above the rule's severity, or below it.
    pub(crate) steps: i8,
    /// The effect could not be read: one step lower, and said so.
    pub(crate) unverified: bool,
    /// When it was, if it is not about a change.
    pub(crate) time: Option<Timestamp>,
    /// From when on evidence shows that it is right again.
    pub(crate) restored_at: Option<Timestamp>,
    /// It can't be told that it was this principal: others may have done it.
    pub(crate) anonymous: bool,
    pub(crate) models: Vec<String>,
    /// The way back, where it is another than the rule's.
    pub(crate) remediation: Option<String>,
}

/// How far a change of a guardrail reaches, which decides its severity (docs/evidence.md#severity).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Something enforces or references it: which.
    Production(String),
    /// Nothing does, as far as the state that was read goes.
    Nothing,
    /// Not enough is known of who enforces what.
    Unknown,
}

impl RuleMatch {
    pub(crate) fn new(account: &AccountId, region: &Region, resource: impl Into<String>, because: impl Into<String>) -> Self {
        RuleMatch {
            account: account.clone(),
            region: region.clone(),
            resource: resource.into(),
            discriminator: String::new(),
            because: because.into(),
            changes: Vec::new(),
            steps: 0,
            unverified: false,
            time: None,
            restored_at: None,
            anonymous: false,
            models: Vec::new(),
            remediation: None,
        }
    }

    pub(crate) fn severity_steps(mut self, steps: i8) -> Self {
        self.steps += steps;
        self
    }

    pub(crate) fn changing(mut self, changes: Vec<ControlChange>) -> Self {
        self.changes = changes;
        self
    }

    /// The effect could not be read.
    pub(crate) fn unverified(mut self, unverified: bool) -> Self {
        self.unverified = unverified;
        self
    }

    pub(crate) fn restored_at(mut self, at: Option<Timestamp>) -> Self {
        self.restored_at = at;
        self
    }

    /// Who did it can't be told.
    pub(crate) fn anonymous(mut self, anonymous: bool) -> Self {
        self.anonymous = anonymous;
        self
    }

    pub(crate) fn at(mut self, time: Timestamp) -> Self {
        self.time = Some(time);
        self
    }

    pub(crate) fn discriminator(mut self, discriminator: impl Into<String>) -> Self {
        self.discriminator = discriminator.into();
        self
    }

    pub(crate) fn of_models(mut self, models: Vec<String>) -> Self {
        self.models = models;
        self
    }

    pub(crate) fn fires(self) -> Outcome {
        Outcome::Fires(Box::new(self))
    }
}

impl<'a> ChangeHistory<'a> {
    pub(crate) fn new(context: RuleContext<'a>, changes: &'a [(ChangeKey, Change)]) -> Self {
        let RuleContext { state, configuration, regions, horizon, log_stores, published, heartbeats, drafts_requested, named } = context;
        let changes: Vec<(&ChangeKey, &Change)> = changes.iter().map(|(key, change)| (key, change)).collect();
        let mut by_subject: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, (_, change)) in changes.iter().enumerate() {
            let subject = change.subject().unwrap_or_default();
            by_subject.entry(format!("{} {} {subject}", change.account, change.service)).or_default().push(index);
        }
        ChangeHistory {
            state,
            configuration,
            changes,
            by_subject,
            regions,
            horizon,
            log_stores,
            published,
            heartbeats,
            drafts_requested,
            identities: OnceCell::new(),
            service_control: OnceCell::new(),
            named,
        }
    }

    pub(crate) fn seen(&self) -> impl Iterator<Item = ChangeInContext<'_>> {
        self.changes.iter().enumerate().map(|(index, (key, change))| ChangeInContext { history: self, key, change, index })
    }

    /// Where the changes of one thing stand among all.
    fn indexes_of(&self, account: &AccountId, service: &str, subject: &str) -> &[usize] {
        self.by_subject.get(&format!("{account} {service} {subject}")).map_or(&[], Vec::as_slice)
    }

    /// The management account, if it is known.
    pub(crate) fn management_account(&self) -> Option<&AccountId> {
        self.state.management_account()
    }

    /// How far a change of a guardrail reaches at a moment; with a version, a change of that version of it.
    pub(crate) fn reach_of(&self, key: &GuardrailKey, version: Option<GuardrailVersion>, at: Timestamp) -> Exposure {
        match self.user_of(key, version, at) {
            Some(how) => Exposure::Production(how),
            None if self.knows_users_of(key, at) => Exposure::Nothing,
            None => Exposure::Unknown,
        }
    }

    /// Whether enough was read to say that nothing uses a guardrail: the effective policies of all accounts of the organization, or, where
    /// that isn't known, of all that were seen; the configuration where the guardrail is; and what the agents and flows there use that are
    /// known to exist.
    fn knows_users_of(&self, key: &GuardrailKey, at: Timestamp) -> bool {
        let seen = self.regions.keys().filter(|_| self.state.organization().is_none());
        let accounts = self.state.accounts().chain(seen).chain([&key.account]);
        accounts.into_iter().all(|account| self.state.policy(account, at).state().is_some())
            && self.state.configurations(&key.account, &key.region, at).state().is_some()
            && !self.state.has_unread_consumers(&key.account, &key.region, at)
    }

    /// What enforces or references a guardrail at a moment, as far as is known; with a version, only that version of it.
    pub(crate) fn user_of(&self, key: &GuardrailKey, version: Option<GuardrailVersion>, at: Timestamp) -> Option<String> {
        let meant = |named: &GuardrailVersionArn| named.key == *key && version.is_none_or(|version| version == named.version);
        let enforcer = if self.was_ever_named(key) { self.enforcer_of(&meant, key, at) } else { None };
        enforcer.or_else(|| self.consumer_of(&meant, at))
    }

    /// Whether some policy or configuration ever named a guardrail. Most that are changed weren't: then all accounts need not be gone
    /// through.
    fn was_ever_named(&self, key: &GuardrailKey) -> bool {
        self.named.get_or_init(|| self.state.ever_named()).contains(key)
    }

    /// A policy or configuration that enforces a guardrail.
    fn enforcer_of(&self, meant: &dyn Fn(&GuardrailVersionArn) -> bool, key: &GuardrailKey, at: Timestamp) -> Option<String> {
        let by_policy = self.state.accounts().find_map(|account| {
            let policy = self.state.policy(account, at).state()?.policy.as_deref()?;
            let inferences = policy.regions.values().flatten().filter_map(GuardrailInference::enforcement);
            let named = inferences.map(|enforcement| enforcement.guardrail).find(meant)?;
            Some(format!("the effective policy of {account} enforces version {}", named.version))
        });
        let by_configuration = || {
            // An account's own configuration can name guardrails of others too.
            let seen = self.regions.iter().flat_map(|(account, regions)| regions.iter().map(move |region| (account, region)));
            let places: BTreeSet<(&AccountId, &Region)> = seen.chain([(&key.account, &key.region)]).collect();
            self.state.configured().chain(places).find_map(|(account, region)| {
                let enforced = self.state.configurations(account, region, at).state()?;
                let named = enforced.iter().map(|enforcement| &enforcement.guardrail).find(|named| meant(named))?;
                Some(format!("the configuration of {account} in {region} enforces version {}", named.version))
            })
        };
        by_policy.or_else(by_configuration)
    }

    /// Whether some call asks for the DRAFT of a guardrail.
    pub(crate) fn is_draft_requested(&self, key: &GuardrailKey) -> bool {
        self.drafts_requested.contains(&key.arn())
    }

    /// An agent or flow that uses a guardrail.
    fn consumer_of(&self, meant: &dyn Fn(&GuardrailVersionArn) -> bool, at: Timestamp) -> Option<String> {
        let (name, _) = self.state.consumers(at).find(|(_, mediated)| mediated.guardrails().any(meant))?;
        Some(format!("{name} uses it"))
    }

    /// What one guardrail version protects less than another, by what is known of both at a moment, where one is enforced in place of the
    /// other.
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

    /// What a version says at a moment. A version that was not read says what the DRAFT said when it was published.
    pub(crate) fn content_of(&self, named: &GuardrailVersionArn, at: Timestamp) -> Option<&'a CanonicalGuardrail> {
        match named.version {
            GuardrailVersion::Draft => self.draft(&named.key, at),
            // Versions never change, so any snapshot will do.
            GuardrailVersion::Numbered(_) => {
                self.any_snapshot(named).or_else(|| self.published.get(named).and_then(|published| self.draft(&named.key, *published)))
            }
        }
    }

    /// What the DRAFT of a guardrail says at a moment. What was read while something was being done to it says nothing
    /// (docs/aws/guardrails.md#getguardrail).
    pub(crate) fn draft(&self, key: &GuardrailKey, at: Timestamp) -> Option<&'a CanonicalGuardrail> {
        let timeline = self.state.guardrail_timeline(&key.version(GuardrailVersion::Draft))?;
        if let InForce::Known(Some(content)) = timeline.at(at)
            && content.is_ready()
        {
            return Some(content);
        }
        // What an event hid, the next snapshot shows, unless another event lies between.
        let later = timeline.entries().skip_while(|(time, ..)| *time <= at);
        let mut read = later.take_while(|(_, source, _)| **source == Source::Snapshot).map(|(.., content)| content);
        read.find_map(|content| content?.as_deref().filter(|content| content.is_ready()))
    }

    /// A version as it was read first.
    pub(crate) fn any_snapshot(&self, named: &GuardrailVersionArn) -> Option<&'a CanonicalGuardrail> {
        self.state.guardrail_timeline(named)?.entries().find_map(|(_, _, content)| content?.as_deref().filter(|content| content.is_ready()))
    }

    /// The updates of a guardrail after the last reading of its DRAFT before this one, which is among them: what was read, and the changes.
    /// `None` if it is the only one, or if nothing was read before.
    pub(crate) fn updates_since_reading(&self, key: &GuardrailKey, last: Timestamp) -> Option<(&'a CanonicalGuardrail, Vec<&'a Change>)> {
        let timeline = self.state.guardrail_timeline(&key.version(GuardrailVersion::Draft))?;
        let earlier = timeline.entries().take_while(|(time, ..)| *time < last);
        let ready = earlier.filter_map(|(time, _, content)| Some((time, content?.as_deref().filter(|content| content.is_ready())?)));
        let (since, before) = ready.last()?;
        let all = self.indexes_of(&key.account, "bedrock", &key.id).iter().filter_map(|index| self.changes.get(*index));
        let updates: Vec<&Change> = all
            .filter(|(of, change)| of.time > since && of.time <= last && change.operation == "UpdateGuardrail" && !change.is_refused())
            .map(|(_, change)| *change)
            .collect();
        (updates.len() > 1).then_some((before, updates))
    }

    /// The versions of a guardrail that policies and configurations enforce at a moment, as far as known.
    pub(crate) fn enforced_versions(&self, key: &GuardrailKey, at: Timestamp) -> BTreeSet<GuardrailVersion> {
        if !self.was_ever_named(key) {
            return BTreeSet::new();
        }
        let in_force = self.state.accounts().filter_map(|account| self.state.policy(account, at).state()?.policy.as_deref());
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

    /// When the DRAFT of a guardrail was read again and nothing of it was weaker than before.
    pub(crate) fn draft_right_again(&self, key: &GuardrailKey, after: Timestamp, before: &CanonicalGuardrail) -> Option<Timestamp> {
        let timeline = self.state.guardrail_timeline(&key.version(GuardrailVersion::Draft))?;
        let read = timeline.entries().filter_map(|(time, _, content)| Some((time, content?.as_deref()?)));
        let right =
            |(time, content): &(Timestamp, &CanonicalGuardrail)| *time > after && content.is_ready() && lowered(before, content).is_empty();
        read.into_iter().find(right).map(|(time, _)| time)
    }

    /// Moments after one at which what is enforced may change: in an account and Region, and for any account by the organization.
    pub(crate) fn all_boundaries(&self, account: &AccountId, region: &Region, after: Timestamp) -> Vec<Timestamp> {
        let mut moments: Vec<Timestamp> = self.state.accounts().flat_map(|other| self.policy_boundaries(other, region, after)).collect();
        moments.extend(self.policy_boundaries(account, region, after));
        moments.sort_unstable();
        moments.dedup();
        moments
    }

    /// Moments at which an account's effective policy may change, after a moment.
    pub(crate) fn policy_boundaries(&self, account: &AccountId, region: &Region, after: Timestamp) -> Vec<Timestamp> {
        let mut moments = self.state.boundaries(account, region);
        moments.retain(|moment| *moment > after);
        moments
    }

    /// Whether an account and Region has some enforcement that means a model, as far as is known.
    pub(crate) fn covers(&self, account: &AccountId, region: &Region, model: &Model, at: Timestamp) -> InForce<bool> {
        use crate::enforcement::Meant;
        // What isn't understood may be what leaves a model out, or brings it in.
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
    /// The latest successful change of the same thing before this one that passes.
    pub(crate) fn earlier(&self, subject: &str, passes: impl Fn(&Change) -> bool) -> Option<&Change> {
        let all = self.history.indexes_of(&self.change.account, &self.change.service, subject);
        let before = all.get(..all.partition_point(|index| *index < self.index)).unwrap_or_default();
        before
            .iter()
            .rev()
            .filter_map(|index| self.history.changes.get(*index))
            .map(|(_, change)| *change)
            .find(|change| !change.is_refused() && passes(change))
    }

    /// The first successful change of the same thing after this one that passes.
    pub(crate) fn later(&self, subject: &str, passes: impl Fn(&Change) -> bool) -> Option<(&ChangeKey, &Change)> {
        let all = self.history.indexes_of(&self.change.account, &self.change.service, subject);
        let after = all.get(all.partition_point(|index| *index <= self.index)..).unwrap_or_default();
        after
            .iter()
            .filter_map(|index| self.history.changes.get(*index).copied())
            .find(|(_, change)| !change.is_refused() && passes(change))
    }

    /// What was known of an identity's policies before the change.
    pub(crate) fn identity_before(&self) -> Before {
        self.history.identities.get_or_init(|| History::of(&self.history.changes, self.history.state)).before(self.index)
    }

    /// When what the change did to an identity's policies was right again.
    pub(crate) fn identity_righted(&self, right: impl Fn(&IdentityPolicy) -> bool) -> Option<Timestamp> {
        self.history.identities.get()?.restored_at(self.index, self.change, self.history.state, right)
    }

    /// What the change took away from what service control policies refuse.
    pub(crate) fn service_control_loss(&self) -> Option<&Loss> {
        self.history.service_control.get_or_init(|| ServiceControl::of(&self.history.changes, self.history.state)).loss(self.index)
    }

    pub(crate) fn before(&self) -> Timestamp {
        self.key.time.just_before()
    }

    /// Of a verb, the form that is true of this change: a refused one has done nothing.
    pub(crate) fn did(&self, done: &'static str, would_have: &'static str) -> &'static str {
        if self.change.is_refused() { would_have } else { done }
    }

    /// How far a change of a guardrail's DRAFT reaches: it can't be enforced, so only who asks for it by name is concerned.
    pub(crate) fn reach_of_draft(&self, key: &GuardrailKey) -> Exposure {
        let reach = self.history.reach_of(key, Some(GuardrailVersion::Draft), self.key.time);
        let is_requested = !matches!(reach, Exposure::Production(_)) && self.history.is_draft_requested(key);
        if is_requested { Exposure::Production("calls ask for its DRAFT".to_owned()) } else { reach }
    }

    /// A sighting of this change in its own account and Region.
    pub(crate) fn sighting(&self, resource: impl Into<String>, because: impl Into<String>) -> RuleMatch {
        RuleMatch::new(&self.change.account, &self.change.region, resource, because)
    }

    /// The guardrail that the change names.
    pub(crate) fn guardrail(&self) -> Option<GuardrailKey> {
        guardrail_of(self.change)
    }

    /// The subject, or nothing.
    pub(crate) fn name(&self, key: &str) -> &str {
        self.change.text(key).map(short).unwrap_or_default()
    }
}

impl Exposure {
    /// The steps that it takes from the severity of a change that reaches nobody by itself, and what to say of it.
    pub(crate) fn steps(&self, would_reach: &str) -> (i8, String) {
        match self {
            Exposure::Production(how) => (0, format!("it reaches production: {how}")),
            Exposure::Nothing => (-2, format!("nothing that was read enforces or references it; {would_reach}")),
            Exposure::Unknown => (-1, "whether something enforces or references it is not known".to_owned()),
        }
    }

    /// The same of a change that every user of the guardrail meets at once: not to know of one is no reason to be calm.
    pub(crate) fn steps_of_loss(&self, would_reach: &str) -> (i8, String) {
        match self {
            Exposure::Unknown => (0, "whether something enforces or references it is not known, so it may reach production".to_owned()),
            _ => self.steps(would_reach),
        }
    }
}

/// The buckets, log groups and keys that evidence is kept in, by the world and by all events that name them.
pub(crate) fn log_stores<'c>(state: &State, changes: impl Iterator<Item = &'c Change>) -> BTreeSet<String> {
    let mut stores = state.world().log_stores();
    for change in changes.filter(|change| change.service == "cloudtrail") {
        let named = ["s3BucketName", "cloudWatchLogsLogGroupArn", "kmsKeyId"].iter().filter_map(|key| change.text(key));
        stores.extend(named.map(|name| store_name(name).to_owned()));
    }
    stores
}

/// When versions were published, by all events, in the order of time.
pub(crate) fn published(publications: impl Iterator<Item = (ChangeKey, Change)>) -> Published {
    let mut published = Published::new();
    for (of, change) in publications.filter(|(_, change)| !change.is_refused()) {
        if let Some((key, version)) = guardrail_of(&change).zip(published_version(&change)) {
            published.entry(GuardrailVersionArn { key, version }).or_insert(of.time);
        }
    }
    published
}

/// The version that CreateGuardrailVersion answers.
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

/// The controls that got weaker.
pub(crate) fn lowered(before: &CanonicalGuardrail, after: &CanonicalGuardrail) -> Vec<ControlChange> {
    let weaker = guardrail::diff(before, after).into_iter().filter(guardrail::Difference::is_weaker);
    weaker.map(control_change).collect()
}

/// The same, where one is enforced in the place of the other: a guardrail with automated reasoning can't be, so without it nothing is lost.
pub(crate) fn lowered_where_enforced(before: &CanonicalGuardrail, after: &CanonicalGuardrail) -> Vec<ControlChange> {
    let all = guardrail::diff(before, after).into_iter();
    all.filter(|difference| difference.is_weaker() && !difference.is_about_reasoning()).map(control_change).collect()
}

/// The controls that say something else, of which nobody can tell whether it is weaker. That a guardrail can't be enforced with automated
/// reasoning is said of the version that is.
pub(crate) fn redefined(before: &CanonicalGuardrail, after: &CanonicalGuardrail) -> Vec<ControlChange> {
    let all = guardrail::diff(before, after).into_iter();
    all.filter(|difference| difference.direction == Direction::Changed && !difference.is_about_reasoning()).map(control_change).collect()
}

/// A control with what it did and does.
pub(crate) fn control_change(difference: guardrail::Difference) -> ControlChange {
    ControlChange {
        control: difference.control.name,
        side: difference.control.side.map(|side| side.to_string()),
        before: difference.before.map(|effect| effect.to_string()),
        after: difference.after.map(|effect| effect.to_string()),
    }
}
