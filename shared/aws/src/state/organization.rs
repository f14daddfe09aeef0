//! Reads the organization: its tree, its Bedrock policies and where they are attached, and what AWS finds wrong with effective policies.

use serde_json::{Value, json};

use super::{AwsState, BEDROCK_POLICY, list_in};
use crate::{
    aws::Verbatim,
    error::{CallError, failed},
};

impl AwsState {
    pub(super) async fn organization(&self) -> Result<Vec<u8>, CallError> {
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

    /// The validation errors of an account's effective policy, with those of all pages in one answer.
    pub(super) async fn policy_validation(&self, account: &str) -> Result<Vec<u8>, CallError> {
        const ERRORS: &str = "EffectivePolicyValidationErrors";
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let body = Verbatim::default();
            let request = self.0.organizations().list_effective_policy_validation_errors().policy_type(BEDROCK_POLICY.into());
            let request = request.account_id(account).set_next_token(token).customize().interceptor(body.clone());
            let page = match request.send().await.map_err(failed(format!("ListEffectivePolicyValidationErrors {account}"))) {
                Ok(page) => page,
                // Without an effective policy there is nothing to validate.
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

    pub(super) async fn policies(&self) -> Result<Vec<Value>, CallError> {
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

/// Removes e-mail addresses of root users: no verdict needs them, and a world may be passed on.
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

fn ids(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(|value| value.get("Id")?.as_str().map(str::to_owned)).collect()
}

fn put(value: &mut Value, key: &str, text: &str) {
    if let Some(object) = value.as_object_mut() {
        object.insert(key.to_owned(), json!(text));
    }
}
