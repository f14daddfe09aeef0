//! The organization: its tree of roots, OUs and accounts, and the policies attached to each.

pub(crate) mod read;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    arn::{AccountId, PolicyId, TargetId},
    timestamp::Timestamp,
};

/// The Region in records of Organizations, which is a global service (docs/aws/bedrock-policies.md#records-of-organizations).
pub const GLOBAL_REGION: &str = "us-east-1";

/// The Region of Organizations in a partition: where its findings belong outside of the commercial Regions (botocore 1.44.8,
/// `endpoints.json`).
#[must_use]
pub fn global_region_of(partition: &str) -> &'static str {
    match partition {
        "aws-us-gov" => "us-gov-west-1",
        "aws-cn" => "cn-northwest-1",
        _ => GLOBAL_REGION,
    }
}

/// An organization at one time. Readings of an organization of a thousand accounts differ in one or two of them, so the parts in which they
/// agree are stored once ([`Organization::sharing`]), and a copy costs next to nothing until it is changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Organization {
    /// The organization's id, `o-…`.
    pub id: Option<String>,
    /// The account that manages the organization. Only its guardrails can be enforced by policies (docs/aws/bedrock-policies.md#syntax).
    pub management_account: Option<AccountId>,
    /// The enabled policy types of each root; `None` if a root's types were not read.
    pub policy_types: BTreeMap<TargetId, Option<BTreeSet<String>>>,
    /// OUs by id.
    pub units: Arc<BTreeMap<TargetId, Unit>>,
    /// Accounts by id.
    pub accounts: Arc<BTreeMap<AccountId, Arc<Account>>>,
    /// The policies attached to each target, in the order of attachment.
    pub attachments: Arc<BTreeMap<TargetId, Vec<Attachment>>>,
    /// Attachments, as they were read, to targets that are not listed. They may reach any account, because the position of the target isn't
    /// known. `None` stands for a policy that isn't known either.
    pub loose: Vec<(TargetId, Option<PolicyId>)>,
}

/// An organizational unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// The root or OU above it; empty if it isn't known.
    pub parent: TargetId,
}

/// A member account, or the management account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// The root or OU above it; empty if it isn't known.
    pub parent: TargetId,
    /// Whether the account is active. An account in another state (`SUSPENDED`, `CLOSED`, …) can't run inference.
    pub active: bool,
}

/// The attachment of a policy to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The policy.
    pub policy: PolicyId,
    /// When it was attached, if known.
    pub attached_at: Option<Timestamp>,
}

/// Steps to the root at most. OUs nest five deep (docs/aws/bedrock-policies.md#limits), so more steps mean a cycle.
const DEEPEST: usize = 16;

impl Organization {
    /// The root, the OUs and the account itself, in that order. `None` if the account or its path to the root isn't known.
    #[must_use]
    pub fn path_to(&self, account: &AccountId) -> Option<Vec<TargetId>> {
        let mut path = vec![TargetId::from(account.as_str())];
        let mut at = &self.accounts.get(account)?.parent;
        while path.len() < DEEPEST {
            path.push(at.clone());
            match self.units.get(at) {
                Some(unit) => at = &unit.parent,
                None if self.policy_types.contains_key(at) => {
                    path.reverse();
                    return Some(path);
                }
                None => return None,
            }
        }
        None
    }

    /// Whether the OUs lie below the same parents as in another reading.
    pub(crate) fn has_units_of(&self, other: &Organization) -> bool {
        let others = other.units.iter().map(|(id, unit)| (id, &unit.parent));
        Arc::ptr_eq(&self.units, &other.units) || self.units.iter().map(|(id, unit)| (id, &unit.parent)).eq(others)
    }

    /// The accounts that only one of two readings has, or that differ in a way.
    pub(crate) fn accounts_unlike<'o>(
        &'o self,
        other: &'o Organization,
        differ: impl Fn(&Account, &Account) -> bool,
    ) -> impl Iterator<Item = &'o AccountId> {
        let is_same = Arc::ptr_eq(&self.accounts, &other.accounts);
        let differs = move |(id, one): &(&AccountId, &Arc<Account>)| other.accounts.get(*id).is_none_or(|other| differ(one, other));
        let here = self.accounts.iter().filter(move |entry| !is_same && differs(entry)).map(|(id, _)| id);
        here.chain(other.accounts.keys().filter(move |id| !is_same && !self.accounts.contains_key(*id)))
    }

    /// The names of the OUs above each account, the outermost first and without the root. An account whose path isn't known is left out.
    #[must_use]
    pub fn unit_names(&self) -> BTreeMap<AccountId, Vec<String>> {
        let named = |step: &TargetId| {
            let unit = self.units.get(step)?;
            Some(if unit.name.is_empty() { step.to_string() } else { unit.name.clone() })
        };
        let of = |account: &AccountId| Some((account.clone(), self.path_to(account)?.iter().filter_map(named).collect()));
        self.accounts.keys().filter_map(of).collect()
    }

    /// Whether the target is the account, or is above it in the tree.
    #[must_use]
    pub fn reaches(&self, target: &str, account: &AccountId) -> bool {
        target == account.as_str() || self.path_to(account).is_some_and(|path| path.iter().any(|step| step.as_str() == target))
    }

    /// The accounts below a root or OU; for an account, the account itself.
    pub fn accounts_under<'a>(&'a self, target: &'a str) -> impl Iterator<Item = &'a AccountId> {
        self.accounts.keys().filter(move |account| self.reaches(target, account))
    }

    /// Whether a policy type is enabled on the root at the start of the path. A root whose types were not read counts as enabled, because
    /// nothing could be attached otherwise.
    #[must_use]
    pub fn is_enabled(&self, policy_type: &str, path: &[TargetId]) -> bool {
        let types = path.first().and_then(|root| self.policy_types.get(root));
        types.and_then(Option::as_ref).is_none_or(|types| types.contains(policy_type))
    }

    /// Attaches a policy, behind those that are attached already.
    pub fn attach(&mut self, target: &TargetId, policy: PolicyId, attached_at: Option<Timestamp>) {
        let attachments = Arc::make_mut(&mut self.attachments).entry(target.clone()).or_default();
        if attachments.iter().all(|attachment| attachment.policy != policy) {
            attachments.push(Attachment { policy, attached_at });
        }
    }

    /// Detaches a policy.
    pub fn detach(&mut self, target: &TargetId, policy: &PolicyId) {
        self.loose.retain(|(at, loose)| (at, loose.as_ref()) != (target, Some(policy)));
        let is_attached = self.attachments.get(target).is_some_and(|attached| attached.iter().any(|a| a.policy == *policy));
        if is_attached && let Some(attachments) = Arc::make_mut(&mut self.attachments).get_mut(target) {
            attachments.retain(|attachment| attachment.policy != *policy);
        }
    }

    /// The targets that a policy is attached to.
    pub fn targets_of<'a>(&'a self, policy: &'a PolicyId) -> impl Iterator<Item = &'a TargetId> {
        self.attachments.iter().filter(move |(_, attached)| attached.iter().any(|a| a.policy == *policy)).map(|(target, _)| target)
    }

    /// The same organization, which shares with an earlier reading whatever parts and accounts are equal.
    #[must_use]
    pub fn sharing(mut self, earlier: &Organization) -> Self {
        fn share<T: PartialEq>(part: &mut Arc<T>, earlier: &Arc<T>) {
            if Arc::ptr_eq(part, earlier) || part == earlier {
                *part = Arc::clone(earlier);
            }
        }
        share(&mut self.units, &earlier.units);
        share(&mut self.attachments, &earlier.attachments);
        share(&mut self.accounts, &earlier.accounts);
        let is_copied = |(id, account): (&AccountId, &Arc<Account>)| {
            earlier.accounts.get(id).is_some_and(|earlier| !Arc::ptr_eq(account, earlier) && account == earlier)
        };
        if !Arc::ptr_eq(&self.accounts, &earlier.accounts) && self.accounts.iter().any(is_copied) {
            let shared = |(id, account): (&AccountId, &Arc<Account>)| match earlier.accounts.get_key_value(id) {
                Some((id, earlier)) if account == earlier => (id.clone(), Arc::clone(earlier)),
                _ => (id.clone(), Arc::clone(account)),
            };
            self.accounts = Arc::new(self.accounts.iter().map(shared).collect());
        }
        self
    }

    /// Moves an account, if it belongs to the organization.
    pub(crate) fn move_account(&mut self, account: &AccountId, destination: &TargetId) {
        if let Some(moved) = Arc::make_mut(&mut self.accounts).get_mut(account) {
            Arc::make_mut(moved).parent = destination.clone();
        }
    }

    /// Adds an OU, unless there is one of that id.
    pub(crate) fn add_unit(&mut self, unit: &TargetId, name: &str, parent: &TargetId) {
        let made = || Unit { name: name.to_owned(), parent: parent.clone() };
        Arc::make_mut(&mut self.units).entry(unit.clone()).or_insert_with(made);
    }

    /// Removes an account.
    pub(crate) fn remove_account(&mut self, account: &AccountId) {
        Arc::make_mut(&mut self.accounts).remove(account);
    }

    /// Detaches the policies that fulfil a condition from all targets.
    pub(crate) fn detach_all(&mut self, is_detached: impl Fn(&PolicyId) -> bool) {
        for attachments in Arc::make_mut(&mut self.attachments).values_mut() {
            attachments.retain(|attachment| !is_detached(&attachment.policy));
        }
    }

    /// Removes the attachments made after a time and returns them ordered by time; those of the same time and target stay in the order of
    /// the list.
    pub fn split_off_later(&mut self, moment: Timestamp) -> Vec<(Timestamp, TargetId, PolicyId)> {
        let mut later = Vec::new();
        let is_later = |attachment: &Attachment| attachment.attached_at.is_some_and(|at| at > moment);
        if !self.attachments.values().flatten().any(is_later) {
            return later;
        }
        for (target, attachments) in Arc::make_mut(&mut self.attachments) {
            attachments.retain(|attachment| match attachment.attached_at {
                Some(at) if at > moment => {
                    later.push((at, target.clone(), attachment.policy.clone()));
                    false
                }
                _ => true,
            });
        }
        // The sort is stable: at the same time, the first in the list was attached first.
        later.sort_by_key(|(at, ..)| *at);
        later
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn organization() -> Organization {
        Organization::from_json(&json!({
            "Organization": {"Id": "o-exampleorgid", "MasterAccountId": "111122223333"},
            "Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}, {"Type": "TAG_POLICY", "Status": "PENDING_DISABLE"}]}],
            "OrganizationalUnits": [{"Id": "ou-prod", "Name": "prod", "ParentId": "r-ab12"}, {"Id": "ou-shop", "Name": "shop", "ParentId": "ou-prod"},
                {"Id": "ou-loop", "Name": "loop", "ParentId": "ou-loop"}],
            "Accounts": [{"Id": "222233334444", "Name": "shop", "State": "ACTIVE", "ParentId": "ou-shop"},
                {"Id": "333344445555", "Name": "lost", "ParentId": "ou-loop"}, {"Id": "111122223333", "Name": "management", "ParentId": "r-ab12"}],
            "Attachments": [{"PolicyId": "p-2", "TargetId": "r-ab12", "AttachedAt": "2026-10-02T00:00:00Z"},
                {"PolicyId": "p-1", "TargetId": "r-ab12", "AttachedAt": "2026-10-01T00:00:00Z"}, {"PolicyId": "p-1", "TargetId": "ou-shop"}]
        }))
        .unwrap()
    }

    #[test]
    fn a_path_leads_from_the_root_to_the_account() {
        let organization = organization();
        let path = organization.path_to(&"222233334444".into()).unwrap();
        assert_eq!(path.iter().map(TargetId::as_str).collect::<Vec<_>>(), ["r-ab12", "ou-prod", "ou-shop", "222233334444"]);
        assert_eq!(organization.path_to(&"333344445555".into()), None, "a loop has no root");
        assert_eq!(organization.path_to(&"999999999999".into()), None);
        let names = organization.unit_names();
        assert_eq!(names.get("222233334444"), Some(&vec!["prod".to_owned(), "shop".to_owned()]));
        assert_eq!(names.get("111122223333"), Some(&Vec::new()), "directly under the root");
        assert_eq!(names.get("333344445555"), None);
        assert!(organization.is_enabled("BEDROCK_POLICY", &path) && !organization.is_enabled("TAG_POLICY", &path));
        assert_eq!(organization.accounts_under("ou-prod").map(AccountId::as_str).collect::<Vec<_>>(), ["222233334444"]);
    }

    #[test]
    fn attachments_stand_in_the_order_in_which_they_were_made() {
        let mut organization = organization();
        let order = |organization: &Organization| -> Vec<String> {
            organization.attachments["r-ab12"].iter().map(|attachment| attachment.policy.to_string()).collect()
        };
        assert_eq!(order(&organization), ["p-1", "p-2"]);
        let mut earlier = organization.clone();
        let later = earlier.split_off_later(Timestamp::parse("2026-10-01T12:00:00Z").unwrap());
        assert_eq!((order(&earlier), later.len()), (vec!["p-1".to_owned()], 1));
        assert_eq!(organization.targets_of(&"p-1".into()).count(), 2);
        organization.detach(&"r-ab12".into(), &"p-1".into());
        organization.attach(&"r-ab12".into(), "p-1".into(), None);
        assert_eq!(order(&organization), ["p-2", "p-1"], "attached again, it is the last");
    }

    #[test]
    fn attachments_of_one_moment_stay_in_the_order_of_the_list() {
        let attached =
            |policy: &str, hour: u8| json!({"PolicyId": policy, "TargetId": "r-1", "AttachedAt": format!("2026-10-01T{hour:02}:00:00Z")});
        let list = json!({"Roots": [{"Id": "r-1"}], "Attachments": [attached("p-z", 1), attached("p-m", 1), attached("p-a", 1), attached("p-first", 0)]});
        let mut organization = Organization::from_json(&list).unwrap();
        let later: Vec<String> =
            organization.split_off_later(Timestamp::BEGINNING).into_iter().map(|(_, _, policy)| policy.to_string()).collect();
        assert_eq!(later, ["p-first", "p-z", "p-m", "p-a"]);
    }

    #[test]
    fn a_broken_file_is_an_error_not_an_empty_organization() {
        assert!(Organization::from_json(&json!({"Accounts": [{"Name": "no id"}]})).is_err());
        assert!(Organization::from_json(&json!({"Accounts": {}})).is_err());
        assert!(Organization::from_json(&json!({})).is_err() && Organization::from_json(&json!([])).is_err());
    }
}
