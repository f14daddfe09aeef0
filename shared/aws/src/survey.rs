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
pub trait Keep: Send + Sync {
    /// An answer that is there already, so that nobody needs to ask.
    fn kept(&self, stem: &str) -> impl Future<Output = Option<Vec<u8>>> + Send;
    /// Takes an answer.
    fn keep(&self, stem: &str, json: &[u8]) -> impl Future<Output = Result<(), CallError>> + Send;
    /// There was no answer: it is not known. An error ends the survey.
    fn miss(&self, what: &str, error: CallError) -> Result<(), CallError>;
}

/// Asks with somebody's eyes, and has the answers kept.
#[derive(Debug)]
pub struct Survey<'s, S, K> {
    state: &'s S,
    keeper: &'s K,
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

impl<'s, S: ReadState, K: Keep> Survey<'s, S, K> {
    /// Begins.
    pub fn new(state: &'s S, keeper: &'s K) -> Self {
        Survey { state, keeper }
    }

    /// All of an account and Region: what is enforced, what is recorded, guardrails, and what uses them.
    pub async fn place(&self, place: &Place) -> Result<(), CallError> {
        let Place { account, region } = place;
        self.look(&Question::EnforcedConfigurations, &format!("enforced-configurations/{account}/{region}")).await?;
        self.look(&Question::Telemetry, &format!("telemetry/{account}/{region}")).await?;
        self.guardrails(place).await?;
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
        self.look(&Question::EffectivePolicy(account.to_owned()), &format!("effective-policies/{account}")).await
    }

    /// The organization's tree, and all its Bedrock policies, attached or not.
    pub async fn organization(&self) -> Result<Option<Value>, CallError> {
        let Some(json) = self.look(&Question::Organization, "organization").await? else { return Ok(None) };
        let organization: Value = serde_json::from_slice(&json).unwrap_or_default();
        let mut policies: BTreeSet<String> = texts(&organization, "Attachments", "PolicyId").collect();
        if let Some(listed) = self.list(&Question::Policies, "policies").await? {
            policies.extend(texts(&listed, "Policies", "Id"));
        }
        for policy in policies {
            let stem = format!("policies/{policy}");
            self.look(&Question::Policy(policy), &stem).await?;
        }
        Ok(Some(organization))
    }

    async fn guardrails(&self, place: &Place) -> Result<(), CallError> {
        let Place { account, region } = place;
        let Some(listed) = self.list(&Question::Guardrails, &format!("guardrails/{account}/{region}")).await? else { return Ok(()) };
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
                self.look(&Question::Guardrail { id: id.clone(), version }, &stem).await?;
            }
            self.look(&Question::ResourcePolicy(arn), &format!("resource-policies/{account}/{region}/{id}")).await?;
        }
        Ok(())
    }

    async fn consumers(&self, place: &Place, of: &Consumers) -> Result<(), CallError> {
        let folder = format!("{}/{}/{}", of.folder, place.account, place.region);
        let Some(listed) = self.list(&of.list, &folder).await? else { return Ok(()) };
        for id in texts(&listed, of.key, of.id) {
            let stem = format!("{folder}/{id}");
            self.look(&(of.ask)(id), &stem).await?;
        }
        Ok(())
    }

    /// Asks, and has the answer kept.
    async fn look(&self, question: &Question, stem: &str) -> Result<Option<Vec<u8>>, CallError> {
        if let Some(json) = self.keeper.kept(stem).await {
            return Ok(Some(json));
        }
        match self.state.read(question).await {
            Ok(json) => {
                self.keeper.keep(stem, &json).await?;
                Ok(Some(json))
            }
            Err(error) => self.keeper.miss(stem, error).map(|()| None),
        }
    }

    /// Asks what there is to ask about.
    async fn list(&self, question: &Question, what: &str) -> Result<Option<Value>, CallError> {
        match self.state.read(question).await {
            Ok(json) => Ok(Some(serde_json::from_slice(&json).unwrap_or_default())),
            Err(error) => self.keeper.miss(what, error).map(|()| None),
        }
    }
}

/// A member of each object in a list.
fn texts(answer: &Value, list: &str, member: &str) -> impl Iterator<Item = String> {
    let items = answer.get(list).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(move |item| item.get(member)?.as_str().map(str::to_owned))
}
