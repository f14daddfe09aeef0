//! The guardrails that a team requires for calls: stricter than the effective policy, or, by default, what the policy demands.

use std::collections::BTreeSet;

use crate::{
    arn::{AccountId, GuardrailKey, Region, TargetId, looks_like_a_region},
    enforcement::{Guarding, ModelScope},
    model::{Model, normalised},
    organization::Organization,
};

/// A `[[require]]` of the configuration: the calls that it selects, and the guardrail that they need.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// The accounts whose calls it selects.
    pub accounts: AccountSelector,
    /// The Regions it selects; `None` for all.
    pub regions: Option<BTreeSet<Region>>,
    /// The models it selects. An excluded model is exempt; one that is not included is not selected.
    pub models: ModelScope,
    /// The required guardrail; `None` for the one that the effective policy names, or for any enforced one if the policy names none.
    pub guardrail: Option<GuardrailKey>,
    /// The lowest version that satisfies it.
    pub minimum_version: Option<u32>,
    /// The content that must be evaluated, of the system prompt and of the messages.
    pub guarding: Guarding,
    /// The line of the configuration file on which it starts, counted from 1.
    pub line: usize,
}

/// Two requirements are equal if they require the same, wherever they are written.
impl PartialEq for Requirement {
    fn eq(&self, other: &Self) -> bool {
        let terms = |of: &Self| (of.accounts.clone(), of.regions.clone(), of.models.clone(), of.guardrail.clone());
        terms(self) == terms(other) && (self.minimum_version, self.guarding) == (other.minimum_version, other.guarding)
    }
}

impl Default for Requirement {
    /// All accounts, Regions and models, all content, any version.
    fn default() -> Self {
        Requirement {
            accounts: AccountSelector::default(),
            regions: None,
            models: ModelScope::ALL,
            guardrail: None,
            minimum_version: None,
            guarding: Guarding::COMPREHENSIVE,
            line: 0,
        }
    }
}

/// A selection of accounts: by id, by the OU or root above them, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSelector(BTreeSet<String>);

impl Default for AccountSelector {
    fn default() -> Self {
        AccountSelector(BTreeSet::from(["*".to_owned()]))
    }
}

impl AccountSelector {
    /// Makes a selection from account ids, OU and root ids, and `*`.
    pub fn new(selected: impl IntoIterator<Item = String>) -> Self {
        AccountSelector(selected.into_iter().collect())
    }

    /// Whether the account is selected. `path` are the roots and OUs above it; the result is `None` if it depends on them and they aren't
    /// known.
    #[must_use]
    pub fn selects(&self, account: &AccountId, path: Option<&[TargetId]>) -> Option<bool> {
        if self.0.contains("*") || self.0.contains(account.as_str()) {
            return Some(true);
        }
        let mut targets = self.targets().peekable();
        if targets.peek().is_none() {
            return Some(false);
        }
        let path = path?;
        Some(targets.any(|target| path.iter().any(|step| step.as_str() == target)))
    }

    /// The ids in the selection, and `*`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether it selects accounts by their ids only.
    #[must_use]
    pub fn is_by_id(&self) -> bool {
        !self.0.contains("*") && self.targets().next().is_none()
    }

    /// The OUs and roots in the selection.
    fn targets(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|name| name.starts_with("ou-") || name.starts_with("r-"))
    }
}

impl Requirement {
    /// The ids that neither the organization nor the records contain. Each is probably a typing error.
    #[must_use]
    pub fn unknown_names(&self, organization: Option<&Organization>, has_records: impl Fn(&AccountId) -> bool) -> Vec<String> {
        let mut unknown = Vec::new();
        if let Some(organization) = organization {
            for name in self.accounts.names().filter(|name| *name != "*") {
                let is_target = organization.units.contains_key(name) || organization.policy_types.contains_key(name);
                let account = AccountId::from(name);
                if !is_target && !organization.accounts.contains_key(&account) && !has_records(&account) {
                    unknown.push(format!("`{name}` is no root, OU or account of the organization"));
                }
            }
        }
        let regions = self.regions.iter().flatten();
        unknown.extend(
            regions
                .filter(|region| !looks_like_a_region(region))
                .map(|region| format!("`{region}` doesn't look like the code of a Region")),
        );
        unknown
    }
}

/// How a requirement applies to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// The call must satisfy it.
    Yes,
    /// It doesn't select the call.
    No,
    /// It exempts the call's model.
    Exempt,
    /// It depends on the account's position in the organization, which isn't known.
    Unknown,
}

impl Requirement {
    /// How the requirement applies to a call. `path` is the account's position in the organization at the time of the call.
    #[must_use]
    pub fn selects(&self, account: &AccountId, region: &Region, model: &Model, path: Option<&[TargetId]>) -> Selected {
        if self.regions.as_ref().is_some_and(|regions| !regions.contains(region)) {
            return Selected::No;
        }
        let id = normalised(model.as_str());
        let is_listed = |list: &BTreeSet<String>| list.contains(&id) || list.contains(model.as_str());
        if self.models.included.as_ref().is_some_and(|included| !is_listed(included)) {
            return Selected::No;
        }
        match self.accounts.selects(account, path) {
            None => Selected::Unknown,
            Some(false) => Selected::No,
            Some(true) if is_listed(&self.models.excluded) => Selected::Exempt,
            Some(true) => Selected::Yes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_selected_by_id_by_place_or_all() {
        let selects = |names: &[&str], account: &str, path: Option<&[&str]>| {
            let path: Option<Vec<TargetId>> = path.map(|path| path.iter().map(|&step| step.into()).collect());
            AccountSelector::new(names.iter().map(|&name| name.to_owned())).selects(&account.into(), path.as_deref())
        };
        assert_eq!(selects(&["*"], "999999999999", None), Some(true));
        assert_eq!(selects(&["111111111111"], "111111111111", None), Some(true));
        assert_eq!(selects(&["111111111111"], "222222222222", None), Some(false));
        assert_eq!(selects(&["ou-1"], "111111111111", Some(&["r-1", "ou-1", "111111111111"])), Some(true));
        assert_eq!(selects(&["ou-1"], "222222222222", Some(&["r-1", "222222222222"])), Some(false));
        assert_eq!(selects(&["r-1"], "222222222222", Some(&["r-1", "222222222222"])), Some(true));
        assert_eq!(selects(&["ou-1"], "111111111111", None), None);
    }

    #[test]
    fn an_excluded_model_is_exempt_and_one_not_included_is_another_matter() {
        let requirement = Requirement { models: ModelScope::new(["a.one", "a.two"], ["a.two"]), ..Requirement::default() };
        let selects = |model: &str| requirement.selects(&"1".into(), &"us-east-1".into(), &Model::parse(model), None);
        assert_eq!(selects("us.a.one"), Selected::Yes);
        assert_eq!(selects("a.two"), Selected::Exempt);
        assert_eq!(selects("a.three"), Selected::No);
    }
}
