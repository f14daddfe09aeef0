//! Who the hub takes at their word.

use audit_core::change::{Change, OrganizationChange, WorldChange};

use crate::place::{Partition, Source};

/// Who the hub takes at their word.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Members report to this hub. Without, the hub is an installation for its own account alone, and its own auditor is believed.
    pub organization: bool,
    /// The hub's own account: whoever could forge its facts could as well change the hub.
    pub hub_account: String,
    /// The management account: the only one that organization facts are taken from.
    pub management_account: Option<String>,
    /// Members can't touch their auditors (a policy of the organization sees to that), so that their word is as good as the hub's own.
    pub members_are_believed: bool,
}

impl Trust {
    /// Whether what lies under this key is only the account's own word.
    #[must_use]
    pub fn is_self_reported(&self, partition: &Partition) -> bool {
        partition.source == Source::Account && !self.is_believed(&partition.place.account)
    }

    pub(super) fn is_believed(&self, account: &str) -> bool {
        !self.organization || self.members_are_believed || account == self.hub_account || self.is_management(account)
    }

    pub(super) fn is_management(&self, account: &str) -> bool {
        self.management_account.as_deref() == Some(account)
    }

    /// A change as far as it is believed: what an account says of itself may make things worse, never better, and never unknown. What
    /// happens in the organization is the management account's to say, but for an account that leaves.
    pub(super) fn believed(&self, partition: &Partition, change: Change) -> Change {
        let account = partition.place.account.as_str();
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
