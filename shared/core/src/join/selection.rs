//! The calls and evidence that a run is limited to.

use std::collections::BTreeSet;

use crate::{
    arn::{AccountId, Region},
    timestamp::Timestamp,
};

/// The calls and evidence to judge. Changes are never left out, because the world needs them.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// These accounts; empty for all.
    pub accounts: BTreeSet<AccountId>,
    /// These Regions; empty for all.
    pub regions: BTreeSet<Region>,
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

impl Selection {
    /// Whether calls of this account and Region are selected.
    #[must_use]
    pub fn selects_account_region(&self, account: &AccountId, region: &Region) -> bool {
        (self.accounts.is_empty() || self.accounts.contains(account)) && (self.regions.is_empty() || self.regions.contains(region))
    }

    /// Whether calls of this time are selected. A call without a time always is.
    #[must_use]
    pub fn selects_time(&self, time: Option<Timestamp>) -> bool {
        time.is_none_or(|time| self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until))
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.accounts.is_empty() && self.regions.is_empty() && self.since.is_none() && self.until.is_none()
    }
}
