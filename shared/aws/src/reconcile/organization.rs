//! The organization: its tree and policies, each account's effective policy, and policies that AWS says are invalid.

use std::collections::BTreeSet;

use audit_core::organization::GLOBAL_REGION;
use serde_json::{Value, json};

use super::{Eyes, Order, Reconciler, read_outcome::Look};
use crate::{
    bucket::Bucket,
    error::{self, CallError, ErrorKind},
    inventory::{INVALID_POLICIES, Policies, Survey, texts},
    place::Place,
    queue::Queue,
    state::{Question, ReadState as _},
};

impl<E: Eyes, B: Bucket, Q: Queue> Reconciler<E, B, Q> {
    pub(super) async fn organization(&self) -> Result<(), CallError> {
        let Some(management) = &self.settings.management_account else { return Ok(()) };
        let place = Place::new(management.as_str(), GLOBAL_REGION);
        let (state, look) = (self.eyes.of(&place).await, self.look());
        let Some(organization) = Survey::new(&state, &look).organization(Policies::Attached).await? else {
            return look.into_looks().failed.map_or(Ok(()), Err);
        };
        let mut orders: Vec<Order> = texts(&organization, "Accounts", "Id").map(|account| Order::Account { account }).collect();
        orders.push(Order::InvalidPolicies { token: None });
        // Those that were invalid, too: only AWS's word that nothing is wrong any more puts it right.
        orders.extend(self.known_as_invalid().await?.into_iter().map(|account| Order::PolicyValidation { account }));
        self.send(&orders).await?;
        self.tell(&place, look.into_looks()).await
    }

    /// An account's effective policy. Throttling is an error, and the order comes again: what is not known stays as it was known.
    pub(super) async fn account(&self, account: &str) -> Result<(), CallError> {
        let management = self.settings.management_account.as_deref().unwrap_or(account);
        let (state, look) = (self.eyes.of(&Place::new(management, GLOBAL_REGION)).await, self.look());
        Survey::new(&state, &look).effective_policy(account).await?;
        self.tell_what_is_new(account, look).await
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
        let mut orders: Vec<Order> = texts(&page, "Accounts", "Id").map(|account| Order::PolicyValidation { account }).collect();
        if let Some(next) = page.get("NextToken").and_then(Value::as_str) {
            orders.push(Order::InvalidPolicies { token: Some(next.to_owned()) });
        }
        self.send(&orders).await
    }

    pub(super) async fn policy_validation(&self, account: &str) -> Result<(), CallError> {
        let Some(state) = self.management().await else { return Ok(()) };
        let look = self.look();
        Survey::new(&state, &look).policy_validation(account).await?;
        self.tell_what_is_new(account, look).await
    }

    async fn tell_what_is_new(&self, account: &str, look: Look<'_, B>) -> Result<(), CallError> {
        let looks = look.into_looks();
        if looks.is_empty() {
            return Ok(());
        }
        self.tell(&Place::new(account, GLOBAL_REGION), looks).await
    }

    async fn send(&self, orders: &[Order]) -> Result<(), CallError> {
        let orders: Vec<String> = orders.iter().map(|order| json!(order).to_string()).collect();
        self.queue.send(&orders, 0).await
    }

    /// What sees as the management account does; `None` if there is no organization.
    async fn management(&self) -> Option<E::State> {
        let management = self.settings.management_account.as_ref()?;
        Some(self.eyes.of(&Place::new(management.as_str(), GLOBAL_REGION)).await)
    }

    /// The accounts whose policies were invalid when they were last asked about.
    async fn known_as_invalid(&self) -> Result<BTreeSet<String>, CallError> {
        let mut invalid = BTreeSet::new();
        for stem in self.world.stems(INVALID_POLICIES).await? {
            let answer =
                self.world.latest(&stem).await?.and_then(|(_, json)| serde_json::from_slice::<Value>(&json).ok()).unwrap_or_default();
            // What can't be read isn't known to be right again.
            if answer.get("EffectivePolicyValidationErrors").and_then(Value::as_array).is_none_or(|errors| !errors.is_empty()) {
                invalid.extend(stem.strip_prefix(INVALID_POLICIES).map(str::to_owned));
            }
        }
        Ok(invalid)
    }
}
