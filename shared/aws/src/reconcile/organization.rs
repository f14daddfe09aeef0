//! Tasks about the organization: its tree and policies, each account's effective policy, and effective policies that AWS reports as
//! invalid.

use std::collections::BTreeSet;

use audit_core::organization::GLOBAL_REGION;
use serde_json::{Value, json};

use super::{CrossAccountReader, Reconciler, Task, read_outcome::ReadRecorder};
use crate::{
    bucket::Bucket,
    error::{self, CallError, ErrorKind},
    inventory::{INVALID_POLICIES, Inventory, Policies, texts},
    partition::AccountRegion,
    queue::Queue,
    state::{Question, ReadState as _},
};

impl<E: CrossAccountReader, B: Bucket, Q: Queue> Reconciler<E, B, Q> {
    pub(super) async fn organization(&self) -> Result<(), CallError> {
        let Some(management) = &self.settings.management_account else { return Ok(()) };
        let account_region = AccountRegion::new(management.as_str(), GLOBAL_REGION);
        let (state, recorder) = (self.reader.state(&account_region).await, self.recorder());
        let Some(organization) = Inventory::new(&state, &recorder).organization(Policies::Attached).await? else {
            return recorder.into_outcome().failed.map_or(Ok(()), Err);
        };
        let mut tasks: Vec<Task> = texts(&organization, "Accounts", "Id").map(|account| Task::Account { account }).collect();
        tasks.push(Task::InvalidPolicies { token: None });
        // Accounts whose policies were invalid are asked about as well: only AWS's answer without errors resolves the finding.
        tasks.extend(self.known_as_invalid().await?.into_iter().map(|account| Task::PolicyValidation { account }));
        self.send(&tasks).await?;
        self.report_read(&account_region, recorder.into_outcome()).await
    }

    /// Reads an account's effective policy. Throttling is an error, so that the task is delivered again; until then the last known policy
    /// stays in force.
    pub(super) async fn account(&self, account: &str) -> Result<(), CallError> {
        let management = self.settings.management_account.as_deref().unwrap_or(account);
        let (state, recorder) = (self.reader.state(&AccountRegion::new(management, GLOBAL_REGION)).await, self.recorder());
        Inventory::new(&state, &recorder).effective_policy(account).await?;
        self.report_changes(account, recorder).await
    }

    pub(super) async fn invalid_policies(&self, token: Option<&str>) -> Result<(), CallError> {
        let Some(state) = self.management().await else { return Ok(()) };
        let page = match state.read(&Question::InvalidPolicies(token.map(str::to_owned))).await {
            Ok(json) => serde_json::from_slice::<Value>(&json).unwrap_or_default(),
            Err(error) if error.kind == ErrorKind::Denied => {
                error::warn("invalid policies can't be listed", &error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if !page.get("Accounts").is_some_and(Value::is_array) {
            return Err(CallError::new("list invalid policies", ErrorKind::Retryable, "the answer holds no accounts"));
        }
        let mut tasks: Vec<Task> = texts(&page, "Accounts", "Id").map(|account| Task::PolicyValidation { account }).collect();
        if let Some(next) = page.get("NextToken").and_then(Value::as_str) {
            tasks.push(Task::InvalidPolicies { token: Some(next.to_owned()) });
        }
        self.send(&tasks).await
    }

    pub(super) async fn policy_validation(&self, account: &str) -> Result<(), CallError> {
        let Some(state) = self.management().await else { return Ok(()) };
        let recorder = self.recorder();
        Inventory::new(&state, &recorder).policy_validation(account).await?;
        self.report_changes(account, recorder).await
    }

    async fn report_changes(&self, account: &str, recorder: ReadRecorder<'_, B>) -> Result<(), CallError> {
        let outcome = recorder.into_outcome();
        if outcome.is_empty() {
            return Ok(());
        }
        self.report_read(&AccountRegion::new(account, GLOBAL_REGION), outcome).await
    }

    async fn send(&self, tasks: &[Task]) -> Result<(), CallError> {
        let tasks: Vec<String> = tasks.iter().map(|task| json!(task).to_string()).collect();
        self.queue.send(&tasks, 0).await
    }

    /// State as the management account sees it; `None` if there is no organization.
    async fn management(&self) -> Option<E::State> {
        let management = self.settings.management_account.as_ref()?;
        Some(self.reader.state(&AccountRegion::new(management.as_str(), GLOBAL_REGION)).await)
    }

    /// The accounts whose latest snapshot has validation errors.
    async fn known_as_invalid(&self) -> Result<BTreeSet<String>, CallError> {
        let mut invalid = BTreeSet::new();
        for stem in self.world.stems(INVALID_POLICIES).await? {
            let answer =
                self.world.latest(&stem).await?.and_then(|(_, json)| serde_json::from_slice::<Value>(&json).ok()).unwrap_or_default();
            // A snapshot that can't be parsed doesn't show that the policy is valid again.
            if answer.get("EffectivePolicyValidationErrors").and_then(Value::as_array).is_none_or(|errors| !errors.is_empty()) {
                invalid.extend(stem.strip_prefix(INVALID_POLICIES).map(str::to_owned));
            }
        }
        Ok(invalid)
    }
}
