//! The state that verdicts rest on: timelines of AWS API responses, updated by events.
//!
//! [`World`] takes snapshots ([`World::add`]) and changes ([`World::apply`]) in any order. [`World::resolve`] then computes what was in
//! force at each time, as [`State`]. An entity without a snapshot is *not known*, which differs from *none*: every look-up returns
//! [`InForce`], which shows whether the answer is only assumed from a later snapshot.

mod answer;
mod error;
mod mediated;
mod path;
mod resolve;
mod timeline;
mod validation;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

pub use error::WorldError;
use error::shape;
pub use mediated::{MediatedGuardrail, PartGuardrail};
pub use path::{Doubt, Entity, SnapshotPath};
pub(crate) use resolve::cannot_be_applied;
pub use resolve::{AccountEffect, AccountPlacement, MediatorKind, OrganizationEffect, PolicyBasis, PolicyInForce, State};
pub use timeline::{InForce, Source, Timeline};
pub use validation::Validation;

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, PolicyId, Region},
    change::{OrganizationChange, WorldChange},
    enforcement::Enforcement,
    guardrail::CanonicalGuardrail,
    identity::{self, IdentityPolicy},
    json::At,
    model::Model,
    organization::{Organization, read::LastReading},
    policy::{BEDROCK_POLICY, Document, EffectivePolicy},
    telemetry::{InvocationLogging, Telemetry},
    timestamp::Timestamp,
};

/// A trail that an event changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ChangedTrail {
    /// The account that received the event.
    account: AccountId,
    /// The trail's ARN; `None` if the record doesn't show which trail it is.
    arn: Option<String>,
}

/// Snapshots and changes, in no order.
#[derive(Clone, Debug, Default)]
pub struct World {
    organizations: Timeline<Organization>,
    /// The file of the organization that was added last, if it had no inconsistency.
    last_reading: Option<LastReading>,
    policies: BTreeMap<PolicyId, Timeline<PolicyVersion>>,
    described: BTreeMap<AccountId, Timeline<Option<Arc<EffectivePolicy>>>>,
    /// The time at which the effective policy of a reading came into force, by account and time of the reading.
    described_since: BTreeMap<(AccountId, Timestamp), Timestamp>,
    /// AWS's validation of effective policies, by account and time of the reading.
    validations: BTreeMap<AccountId, BTreeMap<Timestamp, Validation>>,
    configurations: BTreeMap<(AccountId, Region), Timeline<Vec<Enforcement>>>,
    guardrails: BTreeMap<GuardrailVersionArn, GuardrailTimeline>,
    /// The times at which guardrails were created, as far as records show.
    made: BTreeMap<GuardrailKey, Timestamp>,
    /// Resource policies of guardrails and guardrail profiles; empty if there is none.
    resource_policies: BTreeMap<GuardrailKey, Timeline<String>>,
    logging: BTreeMap<(AccountId, Region), Timeline<InvocationLogging>>,
    /// IAM documents, by account and the name of the entity's file.
    identities: BTreeMap<(AccountId, String), Timeline<IdentityDocuments>>,
    metrics: BTreeMap<(AccountId, Region), BTreeMap<Timestamp, MetricCount>>,
    profiles: BTreeMap<(AccountId, Region, String), Vec<Model>>,
    telemetry: BTreeMap<(AccountId, Region), Timeline<Telemetry>>,
    trail_changes: BTreeSet<(Timestamp, String, ChangedTrail)>,
    agents: BTreeMap<(AccountId, Region, String), Timeline<MediatedGuardrail>>,
    flows: BTreeMap<(AccountId, Region, String), Timeline<MediatedGuardrail>>,
    organization_changes: BTreeSet<(Timestamp, String, Arc<OrganizationChange>)>,
    /// Refused changes of the organization. They change nothing; rules examine what they would have changed.
    organization_attempts: BTreeSet<(Timestamp, String, Arc<OrganizationChange>)>,
}

/// The content of a guardrail version over time; `None` in a state if the version didn't exist.
pub type GuardrailTimeline = Timeline<Option<Arc<CanonicalGuardrail>>>;

/// The policy documents of a role, user, group or managed policy, each with its name.
pub type IdentityDocuments = Vec<(String, IdentityPolicy)>;

/// Calls in a period, as a CloudWatch metric counted them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricCount {
    /// The number of calls.
    pub calls: u64,
    /// The length of the period, in seconds.
    pub period: i64,
}

/// The content of a policy at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyVersion {
    /// `BEDROCK_POLICY`, `SERVICE_CONTROL_POLICY`, …
    pub policy_type: String,
    /// Its name.
    pub name: String,
    /// The parsed document.
    pub document: Arc<Document>,
    /// The document's text.
    pub content: String,
}

impl World {
    /// Adds an AWS API response as the state of an entity from a time on. If it can't be used, the entity's state is not known from that
    /// time on, because what was known before may have changed. Returns a sentence for each inconsistency of a response that is used.
    ///
    /// # Errors
    ///
    /// If the JSON isn't the response that belongs to the path.
    pub fn add(&mut self, at: &SnapshotPath, json: &[u8]) -> Result<Vec<String>, WorldError> {
        if at.entity == Entity::Organization {
            if let Some(organization) = self.last_reading.as_mut().and_then(|last| last.next(json)) {
                self.take_organization(at.time, organization);
                return Ok(Vec::new());
            }
            self.last_reading = None;
        }
        let taken = answer::read(json, &at.entity).and_then(|answer| {
            let taken = self.take(at, &answer, json);
            taken.map_err(|error| answer::explained(error, &answer, &at.entity))
        });
        if taken.is_err() {
            self.forget(at);
        }
        taken
    }

    /// Whether a snapshot or change shows the content of an organization's policy.
    #[must_use]
    pub fn knows_policy(&self, policy: &PolicyId) -> bool {
        self.policies.contains_key(policy)
    }

    /// Makes the state of an entity unknown from a time on, until the next snapshot.
    fn forget(&mut self, at: &SnapshotPath) {
        fn forget<K: Ord, T: PartialEq>(timelines: &mut BTreeMap<K, Timeline<T>>, key: K, time: Timestamp) {
            timelines.entry(key).or_default().insert(time, Source::Snapshot, None);
        }
        let time = at.time;
        match at.entity.clone() {
            Entity::Organization => self.organizations.insert(time, Source::Snapshot, None),
            Entity::Policy(id) => forget(&mut self.policies, id, time),
            Entity::EffectivePolicy(account) => forget(&mut self.described, account, time),
            Entity::EnforcedConfigurations(account, region) => forget(&mut self.configurations, (account, region), time),
            Entity::Guardrail(named) => forget(&mut self.guardrails, named, time),
            Entity::ResourcePolicy(key) => forget(&mut self.resource_policies, key, time),
            Entity::Identity(account, entity) => forget(&mut self.identities, (account, entity), time),
            Entity::Telemetry(account, region) => {
                forget(&mut self.logging, (account.clone(), region.clone()), time);
                forget(&mut self.telemetry, (account, region), time);
            }
            Entity::Agent(account, region, id) => forget(&mut self.agents, (account, region, id), time),
            Entity::Flow(account, region, id) => forget(&mut self.flows, (account, region, id), time),
            // For metrics of the past, and for profiles, which never change, an unreadable response takes away nothing. An invalid policy
            // becomes valid again only by a response without errors.
            Entity::Metrics(..) | Entity::InferenceProfile(..) | Entity::InvalidPolicy(_) => {}
        }
    }

    /// Adds a reading of the organization, which shares with the one before whatever is equal.
    fn take_organization(&mut self, time: Timestamp, read: Organization) {
        let earlier = self.organizations.before(time).rev().find_map(|(.., organization)| organization);
        let read = match earlier {
            Some(earlier) => read.sharing(earlier),
            None => read,
        };
        self.organizations.insert(time, Source::Snapshot, Some(read));
    }

    /// Takes the answer in a file.
    fn take(&mut self, at: &SnapshotPath, json: &Value, file: &[u8]) -> Result<Vec<String>, WorldError> {
        let time = at.time;
        let mut loose_ends = Vec::new();
        match &at.entity {
            Entity::Organization => {
                let organization;
                (organization, loose_ends) =
                    Organization::with_loose_ends(json).map_err(|error| shape(at.entity.operation(), error.to_string()))?;
                if loose_ends.is_empty() {
                    self.last_reading = LastReading::of(file, &organization);
                }
                self.take_organization(time, organization);
            }
            Entity::Policy(id) => {
                let version = PolicyVersion::from_describe_policy(json, id)?;
                self.policies.entry(id.clone()).or_default().insert(time, Source::Snapshot, Some(version));
            }
            Entity::EffectivePolicy(account) => {
                let described = described_policy(json, account)?.map(Arc::new);
                let since = json.at("/EffectivePolicy/LastUpdatedTimestamp").as_str().and_then(Timestamp::parse);
                if let Some(since) = since {
                    self.described_since.insert((account.clone(), time), since);
                }
                self.described.entry(account.clone()).or_default().insert(time, Source::Snapshot, Some(described));
            }
            Entity::InvalidPolicy(account) => {
                self.validations.entry(account.clone()).or_default().insert(time, Validation::from_json(json)?);
            }
            Entity::EnforcedConfigurations(account, region) => {
                let configurations = enforced_configurations(json, account, region)?;
                self.configurations.entry((account.clone(), region.clone())).or_default().insert(time, Source::Snapshot, configurations);
            }
            Entity::Guardrail(named) => {
                let canonical = guardrail(json, named)?.map(Arc::new);
                self.guardrails.entry(named.clone()).or_default().insert(time, Source::Snapshot, Some(canonical));
            }
            Entity::ResourcePolicy(key) => {
                let answer = json.as_object().ok_or_else(|| shape("GetResourcePolicy", "not an object"))?;
                let policy = match answer.get("resourcePolicy").or_else(|| answer.get("ResourcePolicy")) {
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Null) => String::new(),
                    None if answer.is_empty() => String::new(),
                    None => return Err(shape("GetResourcePolicy", "no `resourcePolicy`")),
                    Some(document) => document.to_string(),
                };
                self.resource_policies.entry(key.clone()).or_default().insert(time, Source::Snapshot, Some(policy));
            }
            Entity::Identity(account, entity) => {
                let documents = identity::documents(json);
                self.identities.entry((account.clone(), entity.clone())).or_default().insert(time, Source::Snapshot, Some(documents));
            }
            Entity::Metrics(account, region) => {
                self.metrics.entry((account.clone(), region.clone())).or_default().extend(metric_counts(json)?);
            }
            Entity::InferenceProfile(account, region, id) => {
                let models = models_of_profile(json)?;
                self.profiles.insert((account.clone(), region.clone(), id.clone()), models);
            }
            Entity::Telemetry(account, region) => {
                let telemetry = Telemetry::from_json(json).map_err(|problem| shape("GetEventSelectors", problem))?;
                if let Some(logging) = &telemetry.invocation_logging {
                    let timeline = self.logging.entry((account.clone(), region.clone())).or_default();
                    timeline.insert(time, Source::Snapshot, Some(logging.clone()));
                }
                self.telemetry.entry((account.clone(), region.clone())).or_default().insert(time, Source::Snapshot, Some(telemetry));
            }
            Entity::Agent(account, region, id) => {
                if !json.get("agent").unwrap_or(json).is_object() || json.as_object().is_some_and(serde_json::Map::is_empty) {
                    return Err(shape("GetAgent", "no `agent`"));
                }
                let mediated = MediatedGuardrail::of_agent(json, account, region);
                self.agents.entry((account.clone(), region.clone(), id.clone())).or_default().insert(time, Source::Snapshot, mediated);
            }
            Entity::Flow(account, region, id) => {
                if ["id", "arn", "definition"].iter().all(|member| json.get(*member).is_none()) {
                    return Err(shape("GetFlow", "no `id` and no `definition`"));
                }
                let mediated = MediatedGuardrail::of_flow(json.at("/definition"), account, region);
                self.flows.entry((account.clone(), region.clone(), id.clone())).or_default().insert(time, Source::Snapshot, mediated);
            }
        }
        Ok(loose_ends)
    }

    /// Applies a change that an event reports. Refused changes must not be passed here; they change nothing.
    pub fn apply(&mut self, time: Timestamp, event_id: &str, change: &WorldChange) {
        let from_event = || Source::event(event_id);
        match change {
            WorldChange::Organization(change) => {
                self.organization_changes.insert((time, event_id.to_owned(), Arc::new(change.clone())));
            }
            WorldChange::ConfigurationPut { account, region, enforcement } => {
                let timeline = self.configurations.entry((account.clone(), region.clone())).or_default();
                timeline.insert(time, from_event(), enforcement.clone().map(|enforcement| vec![enforcement]));
            }
            WorldChange::ConfigurationDeleted { account, region } => {
                let timeline = self.configurations.entry((account.clone(), region.clone())).or_default();
                timeline.insert(time, from_event(), Some(Vec::new()));
            }
            WorldChange::InferenceProfileCreated { account, region, id, model } => {
                // The models of a profile never change, so this holds at all times. A snapshot of the profile has the same models.
                self.profiles.entry((account.clone(), region.clone(), id.clone())).or_insert_with(|| vec![Model::parse(model)]);
            }
            WorldChange::AgentChanged { account, region, id, guardrail } => {
                let named = guardrail.clone().map(PartGuardrail::Named);
                let mediated = named.map(|part| MediatedGuardrail { parts: vec![part], model: None });
                self.agents.entry((account.clone(), region.clone(), id.clone())).or_default().insert(time, from_event(), mediated);
            }
            WorldChange::FlowChanged { account, region, id } => {
                self.flows.entry((account.clone(), region.clone(), id.clone())).or_default().insert(time, from_event(), None);
            }
            WorldChange::GuardrailChanged { key, created } => {
                if *created {
                    let made = self.made.entry(key.clone()).or_insert(time);
                    *made = time.min(*made);
                }
                self.guardrails.entry(key.version(GuardrailVersion::Draft)).or_default().insert(time, from_event(), None);
            }
            WorldChange::GuardrailDeleted { key, version } => {
                self.guardrails.entry(key.version(version.unwrap_or(GuardrailVersion::Draft))).or_default();
                for (named, timeline) in self.guardrails.range_mut(key.versions()) {
                    if version.is_none_or(|deleted| deleted == named.version) {
                        timeline.insert(time, from_event(), Some(None));
                    }
                }
            }
            WorldChange::ResourcePolicyChanged { key, policy } => {
                self.resource_policies.entry(key.clone()).or_default().insert(time, from_event(), policy.clone());
            }
            WorldChange::InvocationLoggingChanged { account, region, logging } => {
                let logging = (!logging.is_null()).then(|| InvocationLogging::from_json(logging));
                self.logging.entry((account.clone(), region.clone())).or_default().insert(time, from_event(), logging);
            }
            WorldChange::TelemetryChanged { account, trail } => {
                let changed = ChangedTrail { account: account.clone(), arn: trail.clone() };
                self.trail_changes.insert((time, event_id.to_owned(), changed));
            }
        }
    }

    /// Adds a refused change of the organization.
    pub fn attempt(&mut self, time: Timestamp, event_id: &str, change: &OrganizationChange) {
        self.organization_attempts.insert((time, event_id.to_owned(), Arc::new(change.clone())));
    }

    /// The types of the known policies.
    pub fn policy_types(&self) -> impl Iterator<Item = &str> {
        self.policies.values().flat_map(Timeline::entries).filter_map(|(_, _, version)| Some(version?.policy_type.as_str()))
    }

    /// The buckets, log groups and keys that hold or encrypt evidence, as far as they were read.
    #[must_use]
    pub fn log_stores(&self) -> BTreeSet<String> {
        let telemetry = self.telemetry.values().flat_map(Timeline::entries).filter_map(|(_, _, telemetry)| telemetry);
        let logging = self.logging.values().flat_map(Timeline::entries).filter_map(|(_, _, logging)| logging);
        let stores = telemetry.flat_map(|telemetry| &telemetry.stores).map(String::as_str);
        stores.chain(logging.flat_map(InvocationLogging::destinations)).map(str::to_owned).collect()
    }

    /// The readings of an identity's documents, ordered by time.
    pub fn identity_readings(&self, account: &AccountId, entity: &str) -> impl Iterator<Item = (Timestamp, &IdentityDocuments)> {
        let timeline = self.identities.get(&(account.clone(), entity.to_owned())).into_iter();
        timeline.flat_map(Timeline::entries).filter_map(|(time, _, documents)| Some((time, documents?)))
    }

    /// The latest reading of the organization; `None` if there is none, or if it can't be used.
    #[must_use]
    pub fn latest_organization(&self) -> Option<&Organization> {
        self.organizations.entries().next_back()?.2
    }

    /// The readings of the organization, ordered by time.
    pub fn organization_readings(&self) -> impl Iterator<Item = (Timestamp, &Organization)> {
        self.organizations.entries().filter_map(|(time, _, organization)| Some((time, organization?)))
    }

    /// The time when the effective policy of a reading came into force, from AWS's `LastUpdatedTimestamp`.
    #[must_use]
    pub fn described_since(&self, account: &AccountId, read: Timestamp) -> Option<Timestamp> {
        self.described_since.get(&(account.clone(), read)).copied()
    }

    /// The models of an application inference profile or prompt router.
    #[must_use]
    pub fn models_behind(&self, account: &AccountId, region: &Region, id: &str) -> Option<&[Model]> {
        self.profiles.get(&(account.clone(), region.clone(), id.to_owned())).map(Vec::as_slice)
    }
}

/// Reads GetMetricData's response: for each period, the sum of all series of invocations.
fn metric_counts(json: &Value) -> Result<BTreeMap<Timestamp, MetricCount>, WorldError> {
    let results = json.at("/MetricDataResults").as_array().ok_or_else(|| shape("GetMetricData", "no `MetricDataResults` list"))?;
    let mut sums: BTreeMap<Timestamp, u64> = BTreeMap::new();
    for result in results.iter().filter(|result| counts_invocations(result)) {
        let times = result["Timestamps"].as_array().into_iter().flatten().map(|time| time.as_str().and_then(Timestamp::parse));
        let values = result["Values"].as_array().into_iter().flatten().map(Value::as_f64);
        for (time, value) in times.zip(values) {
            let (Some(time), Some(value)) = (time, value) else {
                return Err(shape("GetMetricData", "`Timestamps` and `Values` that are no times and numbers"));
            };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are whole, positive and small")]
            let calls = value.max(0.0) as u64;
            *sums.entry(time).or_default() += calls;
        }
    }
    // A response doesn't contain its period, so it is the distance between neighbouring values; an hour if there is only one value.
    let times: Vec<Timestamp> = sums.keys().copied().collect();
    let apart = times.windows(2).filter_map(|pair| Some(pair.get(1)?.seconds_since(*pair.first()?)));
    let period = apart.filter(|seconds| *seconds > 0).min().unwrap_or(3600);
    Ok(sums.into_iter().map(|(time, calls)| (time, MetricCount { calls, period })).collect())
}

/// Whether a series is of the metric `Invocations`. By default its label contains the metric's name. A series whose label contains no known
/// name counts.
fn counts_invocations(result: &Value) -> bool {
    const OTHERS: &[&str] = &[
        "latency",
        "errors",
        "throttles",
        "tokens",
        "tokencount",
        "imagecount",
        "timetofirsttoken",
        "intervened",
        "textunit",
        "findingcounts",
        "units",
        "usage",
        "failed",
    ];
    let label = ["Label", "Id"].iter().find_map(|key| result[*key].as_str()).unwrap_or_default().to_ascii_lowercase();
    !OTHERS.iter().any(|other| label.contains(other))
}

impl PolicyVersion {
    /// Reads DescribePolicy's response.
    fn from_describe_policy(json: &Value, id: &PolicyId) -> Result<Self, WorldError> {
        let policy = json.at("/Policy");
        let problem = |problem: &str| shape("DescribePolicy", problem);
        is_of("DescribePolicy", policy.at("/PolicySummary/Id"), id)?;
        let content = policy["Content"].as_str().ok_or_else(|| problem("no `Policy.Content` text"))?;
        let summary = &policy["PolicySummary"];
        let policy_type = summary["Type"].as_str().ok_or_else(|| problem("no `Policy.PolicySummary.Type`"))?;
        Self::new(policy_type, summary["Name"].as_str().unwrap_or_default(), content)
            .map_err(|error| problem(&format!("`Policy.Content` is no JSON object: {error}")))
    }

    /// Makes a version from a policy's type, name and content.
    ///
    /// # Errors
    ///
    /// If the content isn't a JSON object.
    pub fn new(policy_type: &str, name: &str, content: &str) -> Result<Self, serde_json::Error> {
        // Only objects are policy documents.
        serde_json::from_str::<serde_json::Map<String, Value>>(content)?;
        let document = Document::parse(content)?;
        Ok(PolicyVersion {
            policy_type: policy_type.to_owned(),
            name: name.to_owned(),
            document: Arc::new(document),
            content: content.to_owned(),
        })
    }
}

/// Checks that the identity in a response, if it has one, is the one in the file's path.
fn is_of(operation: &'static str, said: &Value, expected: &str) -> Result<(), WorldError> {
    match said.as_str() {
        Some(said) if said != expected => Err(shape(operation, format!("it is of `{said}`, not of `{expected}`"))),
        _ => Ok(()),
    }
}

/// Reads GetGuardrail's response, or `{"guardrailId": null}`, which stands for `ResourceNotFoundException`.
fn guardrail(json: &Value, named: &GuardrailVersionArn) -> Result<Option<CanonicalGuardrail>, WorldError> {
    match json.get("guardrailId").or_else(|| json.get("guardrailArn")) {
        Some(Value::Null) => Ok(None),
        Some(_) => {
            is_of("GetGuardrail", &json["guardrailId"], &named.key.id)?;
            is_of("GetGuardrail", &json["version"], &named.version.to_string())?;
            Ok(Some(CanonicalGuardrail::from_get_guardrail(json)))
        }
        None => Err(shape("GetGuardrail", "no `guardrailId`")),
    }
}

/// Reads DescribeEffectivePolicy's response, or `{"EffectivePolicy": null}`, which stands for `EffectivePolicyNotFoundException`.
fn described_policy(json: &Value, account: &AccountId) -> Result<Option<EffectivePolicy>, WorldError> {
    let problem = |problem: &str| shape("DescribeEffectivePolicy", problem);
    match json.get("EffectivePolicy") {
        Some(Value::Null) => Ok(None),
        Some(policy) => {
            is_of("DescribeEffectivePolicy", &policy["TargetId"], account)?;
            is_of("DescribeEffectivePolicy", &policy["PolicyType"], BEDROCK_POLICY)?;
            let content = policy["PolicyContent"].as_str().ok_or_else(|| problem("no `EffectivePolicy.PolicyContent` text"))?;
            let policy = EffectivePolicy::parse(content);
            let policy = policy.map_err(|error| problem(&format!("`EffectivePolicy.PolicyContent` is no JSON object: {error}")))?;
            if policy.document.is_object() { Ok(Some(policy)) } else { Err(problem("`EffectivePolicy.PolicyContent` is no JSON object")) }
        }
        None => Err(problem("no `EffectivePolicy`")),
    }
}

/// Reads ListEnforcedGuardrailsConfiguration's response. `None` if a configuration can't be understood, so that the state is not known.
fn enforced_configurations(json: &Value, account: &AccountId, region: &Region) -> Result<Option<Vec<Enforcement>>, WorldError> {
    let list = json
        .at("/guardrailsConfig")
        .as_array()
        .ok_or_else(|| shape("ListEnforcedGuardrailsConfiguration", "no `guardrailsConfig` list"))?;
    Ok(list.iter().map(|item| Enforcement::from_configuration(item, account, region)).collect())
}

/// Reads GetInferenceProfile's response, or GetPromptRouter's, which lists models in the same way.
fn models_of_profile(json: &Value) -> Result<Vec<Model>, WorldError> {
    let listed = json.at("/models").as_array().ok_or_else(|| shape("GetInferenceProfile", "no `models` list"))?;
    let arns = listed.iter().chain(json.get("fallbackModel")).filter_map(|model| model["modelArn"].as_str());
    let models: BTreeSet<Model> = arns.map(Model::parse).collect();
    if models.is_empty() {
        return Err(shape("GetInferenceProfile", "`models` names no `modelArn`"));
    }
    Ok(models.into_iter().collect())
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
