//! Looks at an account and Region, or at the organization: which questions there are to ask, and where in the world each answer
//! belongs. What becomes of answers, and of questions that got none, is up to whoever looks.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    error::CallError,
    place::Place,
    state::{Question, ReadState},
};

/// What becomes of answers. They are named by the path in the world, without time and `.json`.
pub trait SnapshotSink: Send + Sync {
    /// An answer that is there already, so that nobody needs to ask.
    fn existing(&self, _: &str) -> impl Future<Output = Option<Vec<u8>>> + Send {
        async { None }
    }
    /// Takes an answer. Whether it can be used.
    fn write(&self, stem: &str, json: &[u8]) -> impl Future<Output = Result<bool, CallError>> + Send;
    /// There was no answer: it is not known. An error ends the survey of that kind of thing.
    fn unreadable(&self, stem: &str, error: CallError) -> Result<(), CallError>;
    /// The same, where it isn't known what there is to ask about.
    fn unlistable(&self, what: &str, error: CallError) -> Result<(), CallError>;
    /// The guardrails below a folder that were there when last asked about, and aren't among these: they are asked about once more.
    fn unlisted(&self, folder: &str, listed: &BTreeSet<String>) -> impl Future<Output = Result<BTreeSet<String>, CallError>> + Send;
}

/// Which policies of an organization to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policies {
    /// Those that are attached somewhere: what is in force.
    Attached,
    /// Those that nobody attached, too: what might be.
    All,
}

/// Where the world keeps what is wrong with effective policies.
pub(crate) const INVALID_POLICIES: &str = "invalid-policies/";

/// Asks with somebody's eyes, and has the answers kept.
#[derive(Debug)]
pub struct Inventory<'s, S, K> {
    state: &'s S,
    sink: &'s K,
}

/// What uses guardrails or stands for models.
struct Consumers {
    list: Question,
    /// Where the answer lists them, and where each says its id.
    key: &'static str,
    id: &'static str,
    folder: &'static str,
    ask: fn(String) -> Question,
}

impl<'s, S: ReadState, K: SnapshotSink> Inventory<'s, S, K> {
    /// Begins.
    pub fn new(state: &'s S, sink: &'s K) -> Self {
        Inventory { state, sink }
    }

    /// All of an account and Region: what is enforced, what is recorded, guardrails, and what uses them. Each is looked at whatever
    /// becomes of the others.
    pub async fn place(&self, place: &Place) -> Result<(), CallError> {
        let parts = [self.settings(place).await, self.guardrails(place).await, self.all_consumers(place).await];
        parts.into_iter().collect()
    }

    async fn settings(&self, place: &Place) -> Result<(), CallError> {
        let Place { account, region } = place;
        self.record(&Question::EnforcedConfigurations, &format!("enforced-configurations/{account}/{region}")).await?;
        self.record(&Question::Telemetry, &format!("telemetry/{account}/{region}")).await.map(|_| ())
    }

    async fn all_consumers(&self, place: &Place) -> Result<(), CallError> {
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
            self.consumers(place, &consumers).await?;
        }
        Ok(())
    }

    /// An account's effective policy.
    pub async fn effective_policy(&self, account: &str) -> Result<Option<Vec<u8>>, CallError> {
        self.record(&Question::EffectivePolicy(account.to_owned()), &format!("effective-policies/{account}")).await
    }

    /// What AWS says is wrong with an account's effective policy.
    pub async fn policy_validation(&self, account: &str) -> Result<Option<Vec<u8>>, CallError> {
        self.record(&Question::PolicyValidation(account.to_owned()), &format!("{INVALID_POLICIES}{account}")).await
    }

    /// The organization's tree, and its Bedrock policies.
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

    async fn guardrails(&self, place: &Place) -> Result<(), CallError> {
        let Place { account, region } = place;
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
        // What was there and isn't listed any more was deleted, perhaps without an event that anybody saw.
        let below = format!("guardrails/{account}/{region}/");
        for stem in self.sink.unlisted(&below, &present).await? {
            let Some((id, version)) = stem.strip_prefix(&below).and_then(|rest| rest.split_once('/')) else { continue };
            self.record(&Question::Guardrail { id: id.to_owned(), version: version.to_owned() }, &stem).await?;
        }
        Ok(())
    }

    async fn consumers(&self, place: &Place, of: &Consumers) -> Result<(), CallError> {
        let folder = format!("{}/{}/{}", of.folder, place.account, place.region);
        let Some(listed) = self.list(&of.list, &folder).await? else { return Ok(()) };
        for id in texts(&listed, of.key, of.id) {
            let stem = format!("{folder}/{id}");
            self.record(&(of.ask)(id), &stem).await?;
        }
        Ok(())
    }

    /// Asks, and has the answer kept.
    async fn record(&self, question: &Question, stem: &str) -> Result<Option<Vec<u8>>, CallError> {
        if let Some(json) = self.sink.existing(stem).await {
            return Ok(Some(json));
        }
        match self.state.read(question).await {
            Ok(json) => Ok(self.sink.write(stem, &json).await?.then_some(json)),
            Err(error) => self.sink.unreadable(stem, error).map(|()| None),
        }
    }

    /// Asks what there is to ask about.
    async fn list(&self, question: &Question, what: &str) -> Result<Option<Value>, CallError> {
        match self.state.read(question).await {
            Ok(json) => Ok(Some(serde_json::from_slice(&json).unwrap_or_default())),
            Err(error) => self.sink.unlistable(what, error).map(|()| None),
        }
    }
}

/// A member of each object in a list.
pub(crate) fn texts<'a>(answer: &'a Value, list: &str, member: &'a str) -> impl Iterator<Item = String> + use<'a> {
    let items = answer.get(list).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(move |item| item.get(member)?.as_str().map(str::to_owned))
}
