//! What changes did to the organization's policies, by policy: an organization can change its policies ten thousand times.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    arn::PolicyId,
    change::{Change, ChangeKey, OrganizationChange, WorldChange},
    timestamp::Timestamp,
};

/// The successful changes of the organization's policies.
#[derive(Default)]
pub(crate) struct PolicyUpdates {
    /// The times of the updates with a content that fulfils the condition, in order, by policy.
    right: BTreeMap<PolicyId, Vec<Timestamp>>,
    attached: BTreeSet<PolicyId>,
}

impl PolicyUpdates {
    pub(super) fn of(changes: &[(&ChangeKey, &Change)], is_right: impl Fn(&str) -> bool) -> Self {
        let mut updates = PolicyUpdates::default();
        for (key, change) in changes.iter().filter(|(_, change)| !change.is_refused()) {
            match &change.effect {
                Some(WorldChange::Organization(OrganizationChange::UpdatePolicy { policy, content: Some(content) }))
                    if is_right(content) =>
                {
                    updates.right.entry(policy.clone()).or_default().push(key.time);
                }
                Some(WorldChange::Organization(OrganizationChange::AttachPolicy { policy, .. })) => {
                    updates.attached.insert(policy.clone());
                }
                _ => {}
            }
        }
        updates
    }

    /// Whether some change attached a policy.
    pub(crate) fn attached(&self, policy: &PolicyId) -> bool {
        self.attached.contains(policy)
    }

    /// The time of the first update of a policy after a time that fulfils the condition.
    pub(crate) fn right_after(&self, policy: &PolicyId, after: Timestamp) -> Option<Timestamp> {
        let right = self.right.get(policy)?;
        right.get(right.partition_point(|time| *time <= after)).copied()
    }
}
