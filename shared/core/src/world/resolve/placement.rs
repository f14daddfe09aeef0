//! Each account's position in the organization over time.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    arn::{AccountId, TargetId},
    change::OrganizationChange,
    organization::{Account, Organization},
    timestamp::Timestamp,
    world::{Source, Timeline, World},
};

/// The position of an account in the organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPlacement {
    /// The targets from the root down to the account itself.
    pub path: Vec<TargetId>,
    /// Whether the account is active. An account in another state (`SUSPENDED`, `CLOSED`, …) can't run inference.
    pub active: bool,
}

/// Operations that move accounts, although their records may not show which account.
const MOVES_ACCOUNTS: &[&str] = &["MoveAccount", "RemoveAccountFromOrganization"];

impl AccountPlacement {
    fn of(organization: &Organization, account: &AccountId) -> Option<Self> {
        let active = organization.accounts.get(account)?.active;
        Some(AccountPlacement { path: organization.path_to(account)?, active })
    }
}

/// Computes positions from snapshots and changes of the tree. At the same time, changes come first.
pub(super) fn placements(world: &World) -> BTreeMap<AccountId, Timeline<AccountPlacement>> {
    let changes = world.organization_changes.iter().map(|(time, event_id, change)| (*time, Step::Change(event_id, change)));
    let snapshots = world.organizations.entries().filter_map(|(time, _, read)| Some((time, Step::Snapshot(read?))));
    let mut steps: Vec<(Timestamp, Step<'_>)> = changes.chain(snapshots).collect();
    steps.sort_by_key(|(time, step)| (*time, matches!(step, Step::Snapshot(_))));
    let mut followed = Followed::default();
    for (time, step) in steps {
        match step {
            Step::Snapshot(organization) => followed.read(time, organization),
            Step::Change(event_id, change) => followed.change(time, event_id, change),
        }
    }
    followed.placements
}

enum Step<'w> {
    Change(&'w str, &'w OrganizationChange),
    Snapshot(&'w Organization),
}

#[derive(Default)]
struct Followed {
    tree: Option<Organization>,
    /// Whether the tree has OUs that an event showed, below which accounts may have got a path to the root since they were noted.
    has_new_units: bool,
    /// The time of the latest note.
    noted: Option<Timestamp>,
    placements: BTreeMap<AccountId, Timeline<AccountPlacement>>,
}

impl Followed {
    fn read(&mut self, time: Timestamp, organization: &Organization) {
        let all = || organization.accounts.keys().chain(self.placements.keys()).cloned().collect();
        let differ = |one: &Account, other: &Account| (&one.parent, one.active) != (&other.parent, other.active);
        // Most readings differ from the tree in few accounts. At the time of an event, a reading confirms all positions.
        let like_it = self.tree.as_ref().filter(|tree| {
            let has_same_roots = tree.policy_types.keys().eq(organization.policy_types.keys());
            has_same_roots && tree.has_units_of(organization) && !self.has_new_units && self.noted != Some(time)
        });
        let unlike: Vec<AccountId> = like_it.map_or_else(all, |tree| tree.accounts_unlike(organization, differ).cloned().collect());
        for account in unlike {
            self.note(time, &Source::Snapshot, &account, AccountPlacement::of(organization, &account));
        }
        // Attachments don't affect positions.
        self.tree = Some(Organization { attachments: Arc::default(), ..organization.clone() });
        self.has_new_units = false;
    }

    fn change(&mut self, time: Timestamp, event_id: &str, change: &OrganizationChange) {
        let source = Source::event(event_id);
        match change {
            OrganizationChange::CreateOrganizationalUnit { unit, name, parent } => {
                if let Some(tree) = &mut self.tree {
                    tree.add_unit(unit, name, parent);
                    self.has_new_units = true;
                }
            }
            OrganizationChange::MoveAccount { account, destination } => {
                if let Some(tree) = &mut self.tree {
                    tree.move_account(account, destination);
                }
                let placement = self.tree.as_ref().and_then(|tree| AccountPlacement::of(tree, account));
                self.note(time, &source, account, placement);
            }
            OrganizationChange::AccountLeft { account } => {
                if let Some(tree) = &mut self.tree {
                    tree.remove_account(account);
                }
                self.note(time, &source, account, None);
            }
            OrganizationChange::NotReadable { event_name } if MOVES_ACCOUNTS.contains(&event_name.as_str()) => {
                let known: Vec<AccountId> = self.placements.keys().cloned().collect();
                for account in known {
                    self.note(time, &source, &account, None);
                }
                self.tree = None;
            }
            _ => {}
        }
    }

    /// Records an account's position, if it changed.
    fn note(&mut self, time: Timestamp, source: &Source, account: &AccountId, placement: Option<AccountPlacement>) {
        let timeline = self.placements.entry(account.clone()).or_default();
        let is_news = timeline.entries().next_back().is_none_or(|(at, _, known)| at == time || known != placement.as_ref());
        if is_news {
            self.noted = Some(time);
            timeline.insert(time, source.clone(), placement);
        }
    }
}
