//! The state that verdicts rest on: a timeline of AWS API responses, updated by the events that are read.
//!
//! [`World`] takes snapshots ([`World::add`]) and changes ([`World::apply`]) in any order; [`World::settle`] then works out what was in
//! force when, as [`State`]. An entity without a snapshot is *not known*, which is different from *none*: every look-up answers
//! [`InForce`], and says whether the answer is only assumed from a snapshot younger than the moment asked about.

mod change;
mod mediated;
mod path;
mod settle;
mod timeline;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

pub use change::{OrganizationChange, WorldChange};
pub use mediated::{MediatedGuardrail, PartGuardrail};
pub use path::{Entity, SnapshotPath};
pub use settle::{AccountEffect, MediatorKind, OrganizationEffect, PolicyBasis, PolicyInForce, State};
pub use timeline::{InForce, Source, Timeline};

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, PolicyId, Region},
    enforcement::Enforcement,
    guardrail::Canonical,
    identity::{self, IdentityPolicy},
    json::At,
    model::Model,
    moment::Moment,
    organization::Organization,
    policy::{Document, EffectivePolicy},
    telemetry::{InvocationLogging, Telemetry},
};

/// Snapshots and changes, not yet put in order.
#[derive(Clone, Debug, Default)]
pub struct World {
    organizations: Timeline<Organization>,
    policies: BTreeMap<PolicyId, Timeline<PolicyVersion>>,
    described: BTreeMap<AccountId, Timeline<Option<Arc<EffectivePolicy>>>>,
    /// Of readings of effective policies, since when they hold.
    described_since: BTreeMap<(AccountId, Moment), Moment>,
    configurations: BTreeMap<(AccountId, Region), Timeline<Vec<Enforcement>>>,
    guardrails: BTreeMap<GuardrailKey, GuardrailVersions>,
    /// When guardrails were made, as far as events say.
    made: BTreeMap<GuardrailKey, Moment>,
    /// Of guardrails and guardrail profiles; an empty one where there is none.
    resource_policies: BTreeMap<GuardrailKey, Timeline<String>>,
    logging: BTreeMap<(AccountId, Region), Timeline<InvocationLogging>>,
    /// By entity, as their files are called.
    identities: BTreeMap<(AccountId, String), Timeline<IdentityDocuments>>,
    metrics: BTreeMap<(AccountId, Region), BTreeMap<Moment, MetricCount>>,
    profiles: BTreeMap<(AccountId, Region, String), Vec<Model>>,
    telemetry: BTreeMap<(AccountId, Region), Timeline<Telemetry>>,
    agents: BTreeMap<(AccountId, Region, String), Timeline<MediatedGuardrail>>,
    flows: BTreeMap<(AccountId, Region, String), Timeline<MediatedGuardrail>>,
    organization_changes: BTreeSet<(Moment, String, OrganizationChange)>,
    /// Changes that were refused: they change nothing, and one may ask what they would have done.
    organization_attempts: BTreeSet<(Moment, String, OrganizationChange)>,
}

/// The versions of a guardrail: what each was when; `None` inside if there was none.
pub type GuardrailVersions = BTreeMap<GuardrailVersion, Timeline<Option<Arc<Canonical>>>>;

/// The policy documents of a role, user, group or managed policy, by name.
pub type IdentityDocuments = Vec<(String, IdentityPolicy)>;

/// How many calls a metric counted from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricCount {
    /// How many.
    pub calls: u64,
    /// For how long, in seconds.
    pub period: i64,
}

/// What a policy said at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyVersion {
    /// `BEDROCK_POLICY`, `SERVICE_CONTROL_POLICY`, …
    pub policy_type: String,
    /// Its name.
    pub name: String,
    /// What it says.
    pub document: Arc<Document>,
    /// As it was written.
    pub content: String,
}

/// Why a file of the world could not be used.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The file is not JSON.
    #[error("not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but not the answer that belongs here.
    #[error("not an answer of {operation}: {problem}")]
    Shape {
        /// The API operation whose answer was expected.
        operation: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

fn shape(operation: &'static str, problem: impl Into<String>) -> WorldError {
    WorldError::Shape { operation, problem: problem.into() }
}

impl World {
    /// Takes an AWS API response as the state of an entity from a moment on.
    pub fn add(&mut self, at: &SnapshotPath, json: &[u8]) -> Result<(), WorldError> {
        let json: Value = serde_json::from_slice(json)?;
        let time = at.time;
        match &at.entity {
            Entity::Organization => {
                let organization = Organization::from_json(&json)
                    .map_err(|error| shape("the Organizations list calls, joined as organization.json", error.to_string()))?;
                self.organizations.insert(time, Source::Snapshot, Some(organization));
            }
            Entity::Policy(id) => {
                let version = PolicyVersion::from_describe_policy(&json)?;
                self.policies.entry(id.clone()).or_default().insert(time, Source::Snapshot, Some(version));
            }
            Entity::EffectivePolicy(account) => {
                let described = described_policy(&json)?.map(Arc::new);
                let since = json.at("/EffectivePolicy/LastUpdatedTimestamp").as_str().and_then(Moment::parse);
                if let Some(since) = since {
                    self.described_since.insert((account.clone(), time), since);
                }
                self.described.entry(account.clone()).or_default().insert(time, Source::Snapshot, Some(described));
            }
            Entity::EnforcedConfigurations(account, region) => {
                let configurations = enforced_configurations(&json, account, region)?;
                self.configurations.entry((account.clone(), region.clone())).or_default().insert(time, Source::Snapshot, configurations);
            }
            Entity::Guardrail(key, version) => {
                let exists = json.get("guardrailId").or_else(|| json.get("guardrailArn")).is_some()
                    || json.as_object().is_some_and(|answer| answer.len() > 1);
                let canonical = exists.then(|| Arc::new(Canonical::from_get_guardrail(&json)));
                let versions = self.guardrails.entry(key.clone()).or_default();
                versions.entry(*version).or_default().insert(time, Source::Snapshot, Some(canonical));
            }
            Entity::ResourcePolicy(key) => {
                let policy = match json.get("resourcePolicy").or_else(|| json.get("ResourcePolicy")) {
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Null) | None => String::new(),
                    Some(document) => document.to_string(),
                };
                self.resource_policies.entry(key.clone()).or_default().insert(time, Source::Snapshot, Some(policy));
            }
            Entity::Identity(account, entity) => {
                let documents = identity::documents(&json);
                self.identities.entry((account.clone(), entity.clone())).or_default().insert(time, Source::Snapshot, Some(documents));
            }
            Entity::Metrics(account, region) => {
                self.metrics.entry((account.clone(), region.clone())).or_default().extend(metric_counts(&json)?);
            }
            Entity::InferenceProfile(account, region, id) => {
                let models = models_of_profile(&json)?;
                self.profiles.insert((account.clone(), region.clone(), id.clone()), models);
            }
            Entity::Telemetry(account, region) => {
                let telemetry = Telemetry::from_json(&json);
                if let Some(logging) = &telemetry.invocation_logging {
                    let timeline = self.logging.entry((account.clone(), region.clone())).or_default();
                    timeline.insert(time, Source::Snapshot, Some(logging.clone()));
                }
                self.telemetry.entry((account.clone(), region.clone())).or_default().insert(time, Source::Snapshot, Some(telemetry));
            }
            Entity::Agent(account, region, id) => {
                let mediated = MediatedGuardrail::of_agent(&json, account, region);
                self.agents.entry((account.clone(), region.clone(), id.clone())).or_default().insert(time, Source::Snapshot, mediated);
            }
            Entity::Flow(account, region, id) => {
                let mediated = MediatedGuardrail::of_flow(json.at("/definition"), account, region);
                self.flows.entry((account.clone(), region.clone(), id.clone())).or_default().insert(time, Source::Snapshot, mediated);
            }
        }
        Ok(())
    }

    /// Takes a change that an event reports. Refused calls change nothing and must not come here.
    pub fn apply(&mut self, time: Moment, event_id: &str, change: &WorldChange) {
        let from_event = || Source::Event(event_id.to_owned());
        match change {
            WorldChange::Organization(change) => {
                self.organization_changes.insert((time, event_id.to_owned(), change.clone()));
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
                // A profile's models never change, so this holds for all time; a snapshot of the profile says the same.
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
                self.guardrails.entry(key.clone()).or_default().entry(GuardrailVersion::Draft).or_default().insert(
                    time,
                    from_event(),
                    None,
                );
            }
            WorldChange::GuardrailDeleted { key, version } => {
                let versions = self.guardrails.entry(key.clone()).or_default();
                versions.entry(version.unwrap_or(GuardrailVersion::Draft)).or_default();
                for (of, timeline) in versions {
                    if version.is_none_or(|deleted| deleted == *of) {
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
            WorldChange::TelemetryChanged { account } => {
                let regions: Vec<_> = self.telemetry.keys().filter(|(owner, _)| owner == account).cloned().collect();
                for region in regions {
                    self.telemetry.entry(region).or_default().insert(time, from_event(), None);
                }
            }
        }
    }

    /// Takes a change of the organization that was refused.
    pub fn attempt(&mut self, time: Moment, event_id: &str, change: &OrganizationChange) {
        self.organization_attempts.insert((time, event_id.to_owned(), change.clone()));
    }

    /// The buckets, log groups and keys that evidence is kept in, as far as it was read.
    #[must_use]
    pub fn log_stores(&self) -> BTreeSet<String> {
        let telemetry = self.telemetry.values().flat_map(Timeline::entries).filter_map(|(_, _, telemetry)| telemetry);
        let logging = self.logging.values().flat_map(Timeline::entries).filter_map(|(_, _, logging)| logging);
        let stores = telemetry.flat_map(|telemetry| &telemetry.stores);
        stores.chain(logging.flat_map(|logging| &logging.destinations)).cloned().collect()
    }

    /// The readings of an identity's documents, in order.
    pub fn identity_readings(&self, account: &AccountId, entity: &str) -> impl Iterator<Item = (Moment, &IdentityDocuments)> {
        let timeline = self.identities.get(&(account.clone(), entity.to_owned())).into_iter();
        timeline.flat_map(Timeline::entries).filter_map(|(time, _, documents)| Some((time, documents?)))
    }

    /// The readings of the organization, in order.
    pub fn organization_readings(&self) -> impl Iterator<Item = (Moment, &Organization)> {
        self.organizations.entries().filter_map(|(time, _, organization)| Some((time, organization?)))
    }

    /// Since when AWS says that the effective policy of a reading holds (`LastUpdatedTimestamp`).
    #[must_use]
    pub fn described_since(&self, account: &AccountId, read: Moment) -> Option<Moment> {
        self.described_since.get(&(account.clone(), read)).copied()
    }

    /// The models behind an application inference profile or prompt router.
    #[must_use]
    pub fn models_behind(&self, account: &AccountId, region: &Region, id: &str) -> Option<&[Model]> {
        self.profiles.get(&(account.clone(), region.clone(), id.to_owned())).map(Vec::as_slice)
    }
}

/// From GetMetricData's answer: the sums of each period, of all series of invocations in it.
fn metric_counts(json: &Value) -> Result<BTreeMap<Moment, MetricCount>, WorldError> {
    let results = json.at("/MetricDataResults").as_array().ok_or_else(|| shape("GetMetricData", "no `MetricDataResults` list"))?;
    let mut sums: BTreeMap<Moment, u64> = BTreeMap::new();
    for result in results.iter().filter(|result| counts_invocations(result)) {
        let times = result["Timestamps"].as_array().into_iter().flatten().map(|time| time.as_str().and_then(Moment::parse));
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
    // An answer doesn't say its period: neighbours are one apart. A lone value is taken as an hour's.
    let times: Vec<Moment> = sums.keys().copied().collect();
    let apart = times.windows(2).filter_map(|pair| Some(pair.get(1)?.seconds_since(*pair.first()?)));
    let period = apart.filter(|seconds| *seconds > 0).min().unwrap_or(3600);
    Ok(sums.into_iter().map(|(time, calls)| (time, MetricCount { calls, period })).collect())
}

/// Whether a series is `Invocations`: by default its label holds the name of the metric. One without any such name is taken as it.
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
    /// From DescribePolicy's answer.
    fn from_describe_policy(json: &Value) -> Result<Self, WorldError> {
        let policy = json.at("/Policy");
        let problem = |problem: &str| shape("DescribePolicy", problem);
        let content = policy["Content"].as_str().ok_or_else(|| problem("no `Policy.Content` text"))?;
        let summary = &policy["PolicySummary"];
        let policy_type = summary["Type"].as_str().ok_or_else(|| problem("no `Policy.PolicySummary.Type`"))?;
        Self::new(policy_type, summary["Name"].as_str().unwrap_or_default(), content)
            .map_err(|error| problem(&format!("`Policy.Content` is no JSON: {error}")))
    }

    /// From a policy's type, name and content.
    pub fn new(policy_type: &str, name: &str, content: &str) -> Result<Self, serde_json::Error> {
        let document = Document::from_json(&serde_json::from_str(content)?);
        Ok(PolicyVersion {
            policy_type: policy_type.to_owned(),
            name: name.to_owned(),
            document: Arc::new(document),
            content: content.to_owned(),
        })
    }
}

/// From DescribeEffectivePolicy's answer, or `{"EffectivePolicy": null}` for its `EffectivePolicyNotFoundException`.
fn described_policy(json: &Value) -> Result<Option<EffectivePolicy>, WorldError> {
    let problem = |problem: &str| shape("DescribeEffectivePolicy", problem);
    match json.get("EffectivePolicy") {
        Some(Value::Null) => Ok(None),
        Some(policy) => {
            let content = policy["PolicyContent"].as_str().ok_or_else(|| problem("no `EffectivePolicy.PolicyContent` text"))?;
            let document =
                serde_json::from_str(content).map_err(|error| problem(&format!("`EffectivePolicy.PolicyContent` is no JSON: {error}")))?;
            Ok(Some(EffectivePolicy::from_document(document)))
        }
        None => Err(problem("no `EffectivePolicy`")),
    }
}

/// From ListEnforcedGuardrailsConfiguration's answer. `None` inside if there is a configuration that can't be understood: not known.
fn enforced_configurations(json: &Value, account: &AccountId, region: &Region) -> Result<Option<Vec<Enforcement>>, WorldError> {
    let list = json
        .at("/guardrailsConfig")
        .as_array()
        .ok_or_else(|| shape("ListEnforcedGuardrailsConfiguration", "no `guardrailsConfig` list"))?;
    Ok(list.iter().map(|item| Enforcement::from_configuration(item, account, region)).collect())
}

/// From GetInferenceProfile's answer, or GetPromptRouter's, which lists its models alike.
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
pub(crate) mod testing {
    //! Worlds for tests, from files as they lie in a folder.

    use super::*;

    /// A world of these files.
    pub(crate) fn world(files: &[(&str, Value)]) -> World {
        let mut world = World::default();
        for (path, json) in files {
            world.add(&SnapshotPath::parse(path).unwrap(), json.to_string().as_bytes()).unwrap();
        }
        world
    }

    /// DescribeEffectivePolicy's answer with this content.
    pub(crate) fn described(content: &Value) -> Value {
        serde_json::json!({"EffectivePolicy": {"PolicyContent": content.to_string(), "PolicyType": "BEDROCK_POLICY"}})
    }

    /// DescribePolicy's answer with this content.
    pub(crate) fn policy(policy_type: &str, content: &Value) -> Value {
        serde_json::json!({"Policy": {"PolicySummary": {"Type": policy_type, "Name": "test"}, "Content": content.to_string()}})
    }

    /// A moment of 2026-11-20, by its hour.
    pub(crate) fn hour(hour: u8) -> Moment {
        Moment::parse(&format!("2026-11-20T{hour:02}:00:00Z")).unwrap()
    }
}
