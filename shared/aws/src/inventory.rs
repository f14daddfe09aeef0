//! The inventory of an account and Region, or of the organization: which questions to ask AWS, and where each answer belongs in the world.
//! A [`SnapshotSink`] decides what happens to answers, and to questions without one.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    error::CallError,
    partition::AccountRegion,
    state::{Question, ReadState},
};

/// Receives the answers of an inventory. A stem is a path in the world without time and `.json`.
pub trait SnapshotSink: Send + Sync {
    /// An answer that is there already, so that the question needn't be asked.
    fn existing(&self, _: &str) -> impl Future<Output = Option<Vec<u8>>> + Send {
        async { None }
    }
    /// Takes an answer in. Answers whether it is usable.
    fn write(&self, stem: &str, json: &[u8]) -> impl Future<Output = Result<bool, CallError>> + Send;
    /// Takes in that a question got no answer, so that the resource is not known. An error ends the inventory of its kind of resource.
    fn unreadable(&self, stem: &str, error: CallError) -> Result<(), CallError>;
    /// Takes in that a list could not be read, so that it isn't known which resources there are.
    fn unlistable(&self, what: &str, error: CallError) -> Result<(), CallError>;
    /// The guardrails below a folder that existed when they were last read, and aren't listed now. The inventory asks about each once more,
    /// to learn that it is gone.
    fn unlisted(&self, folder: &str, listed: &BTreeSet<String>) -> impl Future<Output = Result<BTreeSet<String>, CallError>> + Send;
}

/// Which policies of an organization to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policies {
    /// The attached ones, which are in force.
    Attached,
    /// All, so that a simulation can attach others.
    All,
}

/// The folder of the world with the validation errors of effective policies.
pub(crate) const INVALID_POLICIES: &str = "invalid-policies/";

/// Asks the questions with one identity, and hands the answers to a sink.
#[derive(Debug)]
pub struct Inventory<'s, S, K> {
    state: &'s S,
    sink: &'s K,
}

/// A kind of resource that uses guardrails, or stands for models.
struct Consumers {
    list: Question,
    /// The members that hold the list in the answer, and the id in each of its items.
    key: &'static str,
    id: &'static str,
    folder: &'static str,
    ask: fn(String) -> Question,
}

impl<'s, S: ReadState, K: SnapshotSink> Inventory<'s, S, K> {
    /// An inventory that reads `state` into `sink`.
    pub fn new(state: &'s S, sink: &'s K) -> Self {
        Inventory { state, sink }
    }

    /// Reads everything of an account and Region: enforced configurations, telemetry, guardrails and what uses them. A part that fails
    /// doesn't keep the others from being read.
    pub async fn account_region(&self, account_region: &AccountRegion) -> Result<(), CallError> {
        let parts = [self.settings(account_region).await, self.guardrails(account_region).await, self.all_consumers(account_region).await];
        parts.into_iter().collect()
    }

    async fn settings(&self, account_region: &AccountRegion) -> Result<(), CallError> {
        let AccountRegion { account, region } = account_region;
        self.record(&Question::EnforcedConfigurations, &format!("enforced-configurations/{account}/{region}")).await?;
        self.record(&Question::Telemetry, &format!("telemetry/{account}/{region}")).await.map(|_| ())
    }

    async fn all_consumers(&self, account_region: &AccountRegion) -> Result<(), CallError> {
        for consumers in [
            Consumers {
                list: Question::InferenceProfiles,
                key: "inferenceProfileSummaries",
                id: "inferenceProfileId",
                folder: "inference-profiles",
                ask: Question::InferenceProfile,
            },
            Consumers { list: Question::Agents, key: "agentSummaries", id: "agentId", folder: "agents", ask: Question::Agent },
            Consumers { list: Question::Flows, key: "flowSummaries", id: "id", folder: "flows", ask: Question::Flow },
        ] {
            self.consumers(account_region, &consumers).await?;
        }
        Ok(())
    }

    /// Reads an account's effective policy.
    pub async fn effective_policy(&self, account: &str) -> Result<Option<Vec<u8>>, CallError> {
        self.record(&Question::EffectivePolicy(account.to_owned()), &format!("effective-policies/{account}")).await
    }

    /// Reads the errors that AWS finds in an account's effective policy.
    pub async fn policy_validation(&self, account: &str) -> Result<Option<Vec<u8>>, CallError> {
        self.record(&Question::PolicyValidation(account.to_owned()), &format!("{INVALID_POLICIES}{account}")).await
    }

    /// Reads the organization's tree and its Bedrock policies.
    pub async fn organization(&self, which: Policies) -> Result<Option<Value>, CallError> {
        let Some(json) = self.record(&Question::Organization, "organization").await? else { return Ok(None) };
        let organization: Value = serde_json::from_slice(&json).unwrap_or_default();
        let mut policies: BTreeSet<String> = texts(&organization, "Attachments", "PolicyId").collect();
        if which == Policies::All
            && let Some(listed) = self.list(&Question::Policies, "policies").await?
        {
            policies.extend(texts(&listed, "Policies", "Id"));
        }
        for policy in policies {
            let stem = format!("policies/{policy}");
            self.record(&Question::Policy(policy), &stem).await?;
        }
        Ok(Some(organization))
    }

    async fn guardrails(&self, account_region: &AccountRegion) -> Result<(), CallError> {
        let AccountRegion { account, region } = account_region;
        let Some(listed) = self.list(&Question::Guardrails, &format!("guardrails/{account}/{region}")).await? else { return Ok(()) };
        let mut present: BTreeSet<String> = BTreeSet::new();
        for guardrail in listed.get("guardrails").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| guardrail.get(key).and_then(Value::as_str).map(str::to_owned);
            let (Some(id), Some(arn)) = (text("id"), text("arn")) else { continue };
            let folder = format!("guardrails/{account}/{region}/{id}");
            let mut versions = BTreeSet::from(["DRAFT".to_owned()]);
            if let Some(listed) = self.list(&Question::GuardrailVersions(id.clone()), &folder).await? {
                versions.extend(texts(&listed, "guardrails", "version"));
            }
            for version in versions {
                let stem = format!("{folder}/{version}");
                self.record(&Question::Guardrail { id: id.clone(), version }, &stem).await?;
                present.insert(stem);
            }
            self.record(&Question::ResourcePolicy(arn), &format!("resource-policies/{account}/{region}/{id}")).await?;
        }
        // A guardrail that isn't listed any more was deleted, perhaps without an event that reached the hub.
        let below = format!("guardrails/{account}/{region}/");
        for stem in self.sink.unlisted(&below, &present).await? {
            let Some((id, version)) = stem.strip_prefix(&below).and_then(|rest| rest.split_once('/')) else { continue };
            self.record(&Question::Guardrail { id: id.to_owned(), version: version.to_owned() }, &stem).await?;
        }
        Ok(())
    }

    async fn consumers(&self, account_region: &AccountRegion, of: &Consumers) -> Result<(), CallError> {
        let folder = format!("{}/{}/{}", of.folder, account_region.account, account_region.region);
        let Some(listed) = self.list(&of.list, &folder).await? else { return Ok(()) };
        for id in texts(&listed, of.key, of.id) {
            let stem = format!("{folder}/{id}");
            self.record(&(of.ask)(id), &stem).await?;
        }
        Ok(())
    }

    /// Asks a question, and hands the answer to the sink.
    async fn record(&self, question: &Question, stem: &str) -> Result<Option<Vec<u8>>, CallError> {
        if let Some(json) = self.sink.existing(stem).await {
            return Ok(Some(json));
        }
        match self.state.read(question).await {
            Ok(json) => Ok(self.sink.write(stem, &json).await?.then_some(json)),
            Err(error) => self.sink.unreadable(stem, error).map(|()| None),
        }
    }

    /// Asks for a list of resources.
    async fn list(&self, question: &Question, what: &str) -> Result<Option<Value>, CallError> {
        match self.state.read(question).await {
            Ok(json) => Ok(Some(serde_json::from_slice(&json).unwrap_or_default())),
            Err(error) => self.sink.unlistable(what, error).map(|()| None),
        }
    }
}

/// The texts of a member, in the objects of a list.
pub(crate) fn texts<'a>(answer: &'a Value, list: &str, member: &'a str) -> impl Iterator<Item = String> + use<'a> {
    let items = answer.get(list).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(move |item| item.get(member)?.as_str().map(str::to_owned))
}
