//! Reads state from AWS, verbatim, as the world keeps it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    aws::{Aws, Verbatim},
    error::{CallError, ErrorKind, failed},
};

/// Something whose state can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// DescribeEffectivePolicy (BEDROCK_POLICY) of an account.
    EffectivePolicy(String),
    /// ListEnforcedGuardrailsConfiguration.
    EnforcedConfigurations,
    /// ListGuardrails: all drafts.
    Guardrails,
    /// GetGuardrail.
    Guardrail {
        /// Id or ARN.
        id: String,
        /// `DRAFT` or a number.
        version: String,
    },
    /// ListGuardrails of one: its versions.
    GuardrailVersions(String),
    /// GetResourcePolicy of a guardrail, by ARN.
    ResourcePolicy(String),
    /// GetModelInvocationLoggingConfiguration.
    InvocationLogging,
    /// DescribeTrails, with GetEventSelectors and GetTrailStatus of each, joined as the world has them.
    Telemetry,
    /// DescribeTrails, those of other Regions and of the organization included.
    Trails,
    /// ListInferenceProfiles: those that applications made.
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
    /// ListAccountsWithInvalidEffectivePolicy (BEDROCK_POLICY): a page of it, behind a token.
    InvalidPolicies(Option<String>),
    /// ListEffectivePolicyValidationErrors (BEDROCK_POLICY) of an account: all of them.
    PolicyValidation(String),
}

/// Answers questions about state.
pub trait ReadState: Send + Sync {
    /// AWS's answer, verbatim. That there is none of something is an answer, too.
    fn read(&self, question: &Question) -> impl Future<Output = Result<Vec<u8>, CallError>> + Send;
}

impl<S: ReadState> ReadState for Arc<S> {
    async fn read(&self, question: &Question) -> Result<Vec<u8>, CallError> {
        S::read(self, question).await
    }
}

/// State as an identity of AWS sees it.
#[derive(Clone, Debug)]
pub struct AwsState(pub Arc<Aws>);

/// What stands for GetGuardrail's answer where there is no such guardrail or version.
pub const NO_GUARDRAIL: &[u8] = br#"{"guardrailId":null}"#;

/// AWS Organizations' name for the type of policy.
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
                    // Asked, and there is none: the account has no policy of this type, or, of the management account, the type is not
                    // enabled in the organization.
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
    /// AWS documents one configuration at most, and pages nevertheless.
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

    /// All trails that record this Region. If one of them can't be asked, what is recorded is not known: leaving it out would be a guess.
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
                // Invocation logging needs no trail.
                None => answers.push(json!({"loggingConfig": logging})),
            }
        }
        Ok(Value::Array(answers).to_string().into_bytes())
    }

    /// `None` if it may not be read; what is only late isn't left out.
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

    async fn organization(&self) -> Result<Vec<u8>, CallError> {
        let organizations = self.0.organizations();
        let body = Verbatim::default();
        let request = organizations.describe_organization().customize().interceptor(body.clone());
        request.send().await.map_err(failed("DescribeOrganization"))?;
        let organization: Value = serde_json::from_slice(&body.take()).unwrap_or_default();
        let roots = self.roots().await?;
        let (mut units, mut accounts) = (Vec::new(), Vec::new());
        let mut parents: Vec<String> = ids(&roots);
        let mut targets = parents.clone();
        while let Some(parent) = parents.pop() {
            for mut unit in self.units_under(&parent).await? {
                put(&mut unit, "ParentId", &parent);
                parents.extend(unit.get("Id").and_then(Value::as_str).map(str::to_owned));
                units.push(unit);
            }
            for mut account in self.accounts_under(&parent).await? {
                put(&mut account, "ParentId", &parent);
                accounts.push(account);
            }
        }
        targets.extend(ids(&units));
        targets.extend(ids(&accounts));
        let mut attachments = Vec::new();
        for policy in ids(&self.policies().await?) {
            let attached = self.targets_of(&policy).await?;
            attachments.extend(
                attached.iter().filter(|target| targets.contains(target)).map(|target| json!({"PolicyId": policy, "TargetId": target})),
            );
        }
        let organization = organization.get("Organization").cloned().unwrap_or_default();
        let mut joined = json!({"Organization": organization, "Roots": roots, "OrganizationalUnits": units, "Accounts": accounts, "Attachments": attachments});
        leave_out_addresses(&mut joined);
        Ok(joined.to_string().into_bytes())
    }

    async fn roots(&self) -> Result<Vec<Value>, CallError> {
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let body = Verbatim::default();
            let request = self.0.organizations().list_roots().set_next_token(token);
            let page = request.customize().interceptor(body.clone()).send().await.map_err(failed("ListRoots"))?;
            all.extend(list_in(&body, "Roots"));
            token = page.next_token;
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    async fn units_under(&self, parent: &str) -> Result<Vec<Value>, CallError> {
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let body = Verbatim::default();
            let request = self.0.organizations().list_organizational_units_for_parent().parent_id(parent).set_next_token(token);
            let page = request.customize().interceptor(body.clone()).send().await.map_err(failed("ListOrganizationalUnitsForParent"))?;
            all.extend(list_in(&body, "OrganizationalUnits"));
            token = page.next_token;
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    async fn accounts_under(&self, parent: &str) -> Result<Vec<Value>, CallError> {
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let body = Verbatim::default();
            let request = self.0.organizations().list_accounts_for_parent().parent_id(parent).set_next_token(token);
            let page = request.customize().interceptor(body.clone()).send().await.map_err(failed("ListAccountsForParent"))?;
            all.extend(list_in(&body, "Accounts"));
            token = page.next_token;
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    /// What is wrong with an account's effective policy: the answer, with the errors of all pages in it.
    async fn policy_validation(&self, account: &str) -> Result<Vec<u8>, CallError> {
        const ERRORS: &str = "EffectivePolicyValidationErrors";
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let body = Verbatim::default();
            let request = self.0.organizations().list_effective_policy_validation_errors().policy_type(BEDROCK_POLICY.into());
            let request = request.account_id(account).set_next_token(token).customize().interceptor(body.clone());
            let page = match request.send().await.map_err(failed(format!("ListEffectivePolicyValidationErrors {account}"))) {
                Ok(page) => page,
                // Where there is no policy, nothing is wrong with it.
                Err(error) if error.is_not_found() => return Ok(json!({"AccountId": account, ERRORS: []}).to_string().into_bytes()),
                Err(error) => return Err(error),
            };
            let mut answer: Value = serde_json::from_slice(&body.take()).unwrap_or_default();
            all.extend(answer.get(ERRORS).and_then(Value::as_array).cloned().unwrap_or_default());
            token = page.next_token;
            if token.is_none() {
                if let Some(answer) = answer.as_object_mut() {
                    answer.insert(ERRORS.to_owned(), Value::Array(all));
                }
                return Ok(answer.to_string().into_bytes());
            }
        }
    }

    async fn policies(&self) -> Result<Vec<Value>, CallError> {
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let body = Verbatim::default();
            let request = self.0.organizations().list_policies().filter(BEDROCK_POLICY.into()).set_next_token(token);
            let page = request.customize().interceptor(body.clone()).send().await.map_err(failed("ListPolicies"))?;
            all.extend(list_in(&body, "Policies"));
            token = page.next_token;
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    async fn targets_of(&self, policy: &str) -> Result<Vec<String>, CallError> {
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let request = self.0.organizations().list_targets_for_policy().policy_id(policy).set_next_token(token);
            let page = request.send().await.map_err(failed("ListTargetsForPolicy"))?;
            all.extend(page.targets().iter().filter_map(|target| target.target_id().map(str::to_owned)));
            token = page.next_token;
            if token.is_none() {
                return Ok(all);
            }
        }
    }
}

/// Accounts come with the e-mail addresses of their root users, which no verdict needs and a world must not spread.
fn leave_out_addresses(answer: &mut Value) {
    match answer {
        Value::Object(members) => {
            members.retain(|name, _| !name.to_ascii_lowercase().contains("email"));
            members.values_mut().for_each(leave_out_addresses);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_addresses),
        _ => {}
    }
}

fn list_in(body: &Verbatim, key: &str) -> Vec<Value> {
    let answer: Value = serde_json::from_slice(&body.take()).unwrap_or_default();
    answer.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn ids(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(|value| value.get("Id")?.as_str().map(str::to_owned)).collect()
}

fn put(value: &mut Value, key: &str, text: &str) {
    if let Some(object) = value.as_object_mut() {
        object.insert(key.to_owned(), json!(text));
    }
}

/// Nothing can be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoState;

impl ReadState for NoState {
    async fn read(&self, question: &Question) -> Result<Vec<u8>, CallError> {
        Err(CallError::new(format!("read {question:?}"), ErrorKind::Denied, "there is nothing to read from"))
    }
}
