//! Reads state from AWS. Answers are kept verbatim, as the world stores them.

mod organization;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    aws::{Aws, Verbatim},
    error::{CallError, ErrorKind, failed},
};

/// A question about the state of a resource, by the operation that answers it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// DescribeEffectivePolicy (BEDROCK_POLICY) of an account.
    EffectivePolicy(String),
    /// ListEnforcedGuardrailsConfiguration.
    EnforcedConfigurations,
    /// ListGuardrails: the DRAFT of every guardrail.
    Guardrails,
    /// GetGuardrail.
    Guardrail {
        /// Id or ARN.
        id: String,
        /// `DRAFT` or a number.
        version: String,
    },
    /// ListGuardrails of one guardrail: its versions.
    GuardrailVersions(String),
    /// GetResourcePolicy of a guardrail, by its ARN.
    ResourcePolicy(String),
    /// GetModelInvocationLoggingConfiguration.
    InvocationLogging,
    /// DescribeTrails, with GetEventSelectors and GetTrailStatus of each trail, joined as the world stores them.
    Telemetry,
    /// DescribeTrails, including trails of other Regions and of the organization.
    Trails,
    /// ListInferenceProfiles: application inference profiles.
    InferenceProfiles,
    /// GetInferenceProfile.
    InferenceProfile(String),
    /// ListAgents.
    Agents,
    /// GetAgent.
    Agent(String),
    /// ListFlows.
    Flows,
    /// GetFlow.
    Flow(String),
    /// The organization's tree, joined as `organization.json`.
    Organization,
    /// ListPolicies: all Bedrock policies, attached or not.
    Policies,
    /// DescribePolicy.
    Policy(String),
    /// ListAccountsWithInvalidEffectivePolicy (BEDROCK_POLICY): the page with this token.
    InvalidPolicies(Option<String>),
    /// ListEffectivePolicyValidationErrors (BEDROCK_POLICY) of an account, all pages.
    PolicyValidation(String),
}

/// Answers questions about state.
pub trait ReadState: Send + Sync {
    /// The answer of AWS, verbatim. That a resource doesn't exist is an answer as well, and not an error.
    fn read(&self, question: &Question) -> impl Future<Output = Result<Vec<u8>, CallError>> + Send;
}

impl<S: ReadState> ReadState for Arc<S> {
    async fn read(&self, question: &Question) -> Result<Vec<u8>, CallError> {
        S::read(self, question).await
    }
}

/// Asks AWS with one identity.
#[derive(Clone, Debug)]
pub struct AwsState(pub Arc<Aws>);

/// Stands for GetGuardrail's answer when the guardrail or version doesn't exist.
pub const NO_GUARDRAIL: &[u8] = br#"{"guardrailId":null}"#;

/// The type of policy that guardrails are enforced by.
const BEDROCK_POLICY: &str = "BEDROCK_POLICY";

impl ReadState for AwsState {
    async fn read(&self, question: &Question) -> Result<Vec<u8>, CallError> {
        let body = Verbatim::default();
        let aws = &self.0;
        match question {
            Question::EffectivePolicy(account) => {
                let request = aws.organizations().describe_effective_policy().policy_type(BEDROCK_POLICY.into()).target_id(account);
                let answer = request.customize().interceptor(body.clone()).send().await;
                return match answer.map_err(failed("DescribeEffectivePolicy")) {
                    Ok(_) => Ok(body.take()),
                    // There is no effective policy: none of this type is attached, or the type isn't enabled in the organization.
                    Err(error) if error.is_not_found() => Ok(json!({"EffectivePolicy": null}).to_string().into_bytes()),
                    Err(error) => Err(error),
                };
            }
            Question::EnforcedConfigurations => return self.enforced_configurations().await,
            Question::Guardrails => return self.guardrails(None).await,
            Question::GuardrailVersions(id) => return self.guardrails(Some(id)).await,
            Question::Guardrail { id, version } => {
                let request = aws.bedrock().get_guardrail().guardrail_identifier(id).guardrail_version(version);
                let answer = request.customize().interceptor(body.clone()).send().await;
                return match answer.map_err(failed(format!("GetGuardrail {id} {version}"))) {
                    Ok(_) => Ok(body.take()),
                    Err(error) if error.is_not_found() => Ok(NO_GUARDRAIL.to_vec()),
                    Err(error) => Err(error),
                };
            }
            Question::ResourcePolicy(arn) => {
                let request = aws.bedrock().get_resource_policy().resource_arn(arn);
                let answer = request.customize().interceptor(body.clone()).send().await;
                return match answer.map_err(failed("GetResourcePolicy")) {
                    Ok(_) => Ok(body.take()),
                    Err(error) if error.is_not_found() => Ok(b"{}".to_vec()),
                    Err(error) => Err(error),
                };
            }
            Question::InvocationLogging => {
                let request = aws.bedrock().get_model_invocation_logging_configuration();
                request.customize().interceptor(body.clone()).send().await.map_err(failed("GetModelInvocationLoggingConfiguration"))?;
            }
            Question::Telemetry => return self.telemetry().await,
            Question::Trails => {
                let request = aws.cloudtrail().describe_trails().include_shadow_trails(true);
                request.customize().interceptor(body.clone()).send().await.map_err(failed("DescribeTrails"))?;
            }
            Question::InferenceProfiles => return self.inference_profiles().await,
            Question::Agents => return self.agents().await,
            Question::Flows => return self.flows().await,
            Question::InferenceProfile(id) => {
                let request = aws.bedrock().get_inference_profile().inference_profile_identifier(id);
                request.customize().interceptor(body.clone()).send().await.map_err(failed(format!("GetInferenceProfile {id}")))?;
            }
            Question::Agent(id) => {
                let request = aws.bedrock_agent().get_agent().agent_id(id);
                request.customize().interceptor(body.clone()).send().await.map_err(failed(format!("GetAgent {id}")))?;
            }
            Question::Flow(id) => {
                let request = aws.bedrock_agent().get_flow().flow_identifier(id);
                request.customize().interceptor(body.clone()).send().await.map_err(failed(format!("GetFlow {id}")))?;
            }
            Question::Organization => return self.organization().await,
            Question::Policies => return Ok(json!({"Policies": self.policies().await?}).to_string().into_bytes()),
            Question::Policy(id) => {
                let request = aws.organizations().describe_policy().policy_id(id);
                request.customize().interceptor(body.clone()).send().await.map_err(failed(format!("DescribePolicy {id}")))?;
            }
            Question::InvalidPolicies(token) => {
                let request = aws.organizations().list_accounts_with_invalid_effective_policy().policy_type(BEDROCK_POLICY.into());
                let request = request.set_next_token(token.clone()).customize().interceptor(body.clone());
                request.send().await.map_err(failed("ListAccountsWithInvalidEffectivePolicy"))?;
            }
            Question::PolicyValidation(account) => return self.policy_validation(account).await,
        }
        Ok(body.take())
    }
}

impl AwsState {
    /// Reads all pages. AWS documents a single configuration, whose answer is kept as it is; several pages are joined.
    async fn enforced_configurations(&self) -> Result<Vec<u8>, CallError> {
        const LIST: &str = "guardrailsConfig";
        let (mut before, mut token) = (Vec::new(), None);
        loop {
            let body = Verbatim::default();
            let request = self.0.bedrock().list_enforced_guardrails_configuration().set_next_token(token);
            let page = request.customize().interceptor(body.clone()).send().await.map_err(failed("ListEnforcedGuardrailsConfiguration"))?;
            token = page.next_token;
            match (before.is_empty(), token.is_none()) {
                (true, true) => return Ok(body.take()),
                (_, last) => {
                    before.extend(list_in(&body, LIST));
                    if last {
                        return Ok(json!({LIST: before}).to_string().into_bytes());
                    }
                }
            }
        }
    }

    async fn guardrails(&self, id: Option<&str>) -> Result<Vec<u8>, CallError> {
        let mut all = Vec::new();
        let mut token = None;
        loop {
            let body = Verbatim::default();
            let request = self.0.bedrock().list_guardrails().set_guardrail_identifier(id.map(str::to_owned)).set_next_token(token);
            let page = request.customize().interceptor(body.clone()).send().await.map_err(failed("ListGuardrails"))?;
            all.extend(list_in(&body, "guardrails"));
            token = page.next_token;
            if token.is_none() {
                return Ok(json!({"guardrails": all}).to_string().into_bytes());
            }
        }
    }

    async fn inference_profiles(&self) -> Result<Vec<u8>, CallError> {
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let body = Verbatim::default();
            let request = self.0.bedrock().list_inference_profiles().type_equals("APPLICATION".into()).set_next_token(token);
            let page = request.customize().interceptor(body.clone()).send().await.map_err(failed("ListInferenceProfiles"))?;
            all.extend(list_in(&body, "inferenceProfileSummaries"));
            token = page.next_token;
            if token.is_none() {
                return Ok(json!({"inferenceProfileSummaries": all}).to_string().into_bytes());
            }
        }
    }

    async fn agents(&self) -> Result<Vec<u8>, CallError> {
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let body = Verbatim::default();
            let request = self.0.bedrock_agent().list_agents().set_next_token(token);
            let page = request.customize().interceptor(body.clone()).send().await.map_err(failed("ListAgents"))?;
            all.extend(list_in(&body, "agentSummaries"));
            token = page.next_token;
            if token.is_none() {
                return Ok(json!({"agentSummaries": all}).to_string().into_bytes());
            }
        }
    }

    async fn flows(&self) -> Result<Vec<u8>, CallError> {
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let body = Verbatim::default();
            let request = self.0.bedrock_agent().list_flows().set_next_token(token);
            let page = request.customize().interceptor(body.clone()).send().await.map_err(failed("ListFlows"))?;
            all.extend(list_in(&body, "flowSummaries"));
            token = page.next_token;
            if token.is_none() {
                return Ok(json!({"flowSummaries": all}).to_string().into_bytes());
            }
        }
    }

    /// Reads all trails that record this Region. If one of them can't be read, the question fails: an answer without it would claim that
    /// less is recorded.
    async fn telemetry(&self) -> Result<Vec<u8>, CallError> {
        let cloudtrail = self.0.cloudtrail();
        let trails = cloudtrail.describe_trails().include_shadow_trails(true).send().await.map_err(failed("DescribeTrails"))?;
        let mut answers = Vec::new();
        for trail in trails.trail_list() {
            let Some(arn) = trail.trail_arn() else { continue };
            let body = Verbatim::default();
            let request = cloudtrail.get_event_selectors().trail_name(arn).customize().interceptor(body.clone());
            request.send().await.map_err(failed("GetEventSelectors"))?;
            let mut answer: Value = serde_json::from_slice(&body.take()).unwrap_or_default();
            let status = cloudtrail.get_trail_status().name(arn).send().await.map_err(failed("GetTrailStatus"))?;
            if let Some(answer) = answer.as_object_mut() {
                answer.insert("IsLogging".to_owned(), json!(status.is_logging()));
                answers.push(json!(answer));
            }
        }
        if let Some(logging) = self.logging().await? {
            match answers.first_mut().and_then(Value::as_object_mut) {
                Some(answer) => {
                    answer.insert("loggingConfig".to_owned(), logging);
                }
                // Invocation logging works without a trail.
                None => answers.push(json!({"loggingConfig": logging})),
            }
        }
        Ok(Value::Array(answers).to_string().into_bytes())
    }

    /// The configuration of invocation logging; `None` if reading it is refused. Errors that may pass are returned.
    async fn logging(&self) -> Result<Option<Value>, CallError> {
        let body = Verbatim::default();
        let request = self.0.bedrock().get_model_invocation_logging_configuration();
        let answer = request.customize().interceptor(body.clone()).send().await;
        match answer.map_err(failed("GetModelInvocationLoggingConfiguration")) {
            Ok(_) => {
                let answer: Value = serde_json::from_slice(&body.take()).unwrap_or_default();
                Ok(Some(answer.get("loggingConfig").cloned().unwrap_or(Value::Null)))
            }
            Err(error) if error.kind == ErrorKind::Retryable => Err(error),
            Err(_) => Ok(None),
        }
    }
}

fn list_in(body: &Verbatim, key: &str) -> Vec<Value> {
    let answer: Value = serde_json::from_slice(&body.take()).unwrap_or_default();
    answer.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Answers no question, for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoState;

impl ReadState for NoState {
    async fn read(&self, question: &Question) -> Result<Vec<u8>, CallError> {
        Err(CallError::new(format!("read {question:?}"), ErrorKind::Denied, "there is nothing to read from"))
    }
}
