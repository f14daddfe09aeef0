//! Decides which accounts' facts the hub believes.

use audit_core::change::{Change, OrganizationChange, WorldChange};

use crate::{
    partition::{Partition, Source},
    settings::{Environment, SettingError},
};

/// The settings that decide which accounts' facts the hub believes.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Whether members report to this hub. Otherwise the hub is an installation for its own account, whose auditor it believes.
    pub organization: bool,
    /// The hub's own account. Its facts are believed: whoever could forge them could change the hub as well.
    pub hub_account: String,
    /// The management account, the only one whose facts about the organization count.
    pub management_account: Option<String>,
    /// Whether members' facts are believed like the hub's own. Right only if a policy of the organization keeps members from changing their
    /// auditors.
    pub members_are_believed: bool,
}

impl Trust {
    /// The settings in a function's environment variables.
    pub fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let organization = environment.optional("ORGANIZATION_ID").is_some();
        Ok(Trust {
            organization,
            hub_account: environment.account("HUB_ACCOUNT")?,
            management_account: environment.optional_account("MANAGEMENT_ACCOUNT")?.filter(|_| organization),
            members_are_believed: environment.flag("BELIEVE_MEMBERS")?,
        })
    }

    /// Whether only the account itself vouches for the facts of a partition.
    #[must_use]
    pub fn is_self_reported(&self, partition: &Partition) -> bool {
        partition.source == Source::Account && !self.is_believed(&partition.account_region.account)
    }

    pub(crate) fn is_believed(&self, account: &str) -> bool {
        !self.organization || self.members_are_believed || account == self.hub_account || self.is_management(account)
    }

    pub(crate) fn is_management(&self, account: &str) -> bool {
        self.management_account.as_deref() == Some(account)
    }

    /// What decides whether an account's facts are believed, to be compared with what decided earlier.
    pub(crate) fn basis(&self, account: &str) -> String {
        format!("organization={} believed={}", self.organization, self.is_believed(account))
    }

    /// A change as far as it is believed. What an account reports about itself may make verdicts worse, never better, and never unknown.
    /// Changes of the organization count from the management account only, except that an account leaves.
    pub(crate) fn believed(&self, partition: &Partition, change: Change) -> Change {
        let account = partition.account_region.account.as_str();
        let believed = |effect: &WorldChange| match effect {
            WorldChange::Organization(OrganizationChange::AccountLeft { account: left }) if left.as_str() == account => true,
            WorldChange::Organization(_) => !self.organization || self.is_management(account) || partition.source == Source::Hub,
            WorldChange::ConfigurationDeleted { .. }
            | WorldChange::AgentChanged { guardrail: None, .. }
            | WorldChange::GuardrailDeleted { .. } => true,
            _ => !self.is_self_reported(partition),
        };
        if change.effect.as_ref().is_none_or(believed) { change } else { Change { effect: None, ..change } }
    }
}
