//! Resolves the accounts and Regions that a run is limited to, and reports those that nothing was read of. A mistyped account must not read
//! as one without findings.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{
    arn::{AccountId, Region, is_account_id},
    auditor::Selection,
    nearest::nearest,
    region::{is_known, nearest_regions},
    timestamp::Timestamp,
    world::SnapshotPath,
};
use audit_local::world::LoadedWorld;

use crate::console::Console;

/// Accounts or Regions that a message lists at most.
const LISTED: usize = 5;

/// The accounts, Regions and times that a selection can choose from.
#[derive(Debug, Default)]
pub(crate) struct Choices {
    /// The accounts in records or in the world, with their names where they are known.
    accounts: BTreeMap<AccountId, String>,
    /// The accounts and Regions that something was read of.
    read: BTreeSet<(AccountId, Region)>,
    /// The first and the last time that something was read of.
    span: Option<(Timestamp, Timestamp)>,
}

impl Choices {
    /// Collects the accounts that a world names.
    pub(crate) fn of_world(world: &LoadedWorld) -> Self {
        let accounts = world.paths.iter().filter_map(|path| Some(SnapshotPath::parse(path)?.entity.account_and_region().0?.clone()));
        let listed = world.world.organization_readings().flat_map(|(_, organization)| organization.accounts.iter());
        Choices::default()
            .and_named(accounts.map(|account| (account, String::new())))
            .and_named(listed.map(|(id, account)| (id.clone(), account.name.clone())))
    }

    /// Adds accounts with their names.
    pub(crate) fn and_named(mut self, accounts: impl IntoIterator<Item = (AccountId, String)>) -> Self {
        for (account, name) in accounts {
            let known = self.accounts.entry(account).or_default();
            if !name.is_empty() {
                *known = name;
            }
        }
        self
    }

    /// Adds accounts and Regions that something was read of, and their time span.
    pub(crate) fn and_read(
        mut self,
        account_regions: impl IntoIterator<Item = (AccountId, Region)>,
        span: Option<(Timestamp, Timestamp)>,
    ) -> Self {
        for (account, region) in account_regions {
            self.accounts.entry(account.clone()).or_default();
            self.read.insert((account, region));
        }
        self.span = span;
        self
    }

    /// Resolves accounts: by id, with or without the hyphens that the console puts into it, or by a name that only one account has.
    pub(crate) fn resolve_accounts(&self, given: &[String], console: Console) -> BTreeSet<AccountId> {
        let meant = |text: &String| {
            let digits = text.trim().replace('-', "");
            if is_account_id(&digits) {
                return AccountId::from(digits);
            }
            match self.of_name(text).as_slice() {
                [account] => {
                    console.note(format_args!("`{text}` is {account}"));
                    account.clone()
                }
                _ => AccountId::from(text.trim()),
            }
        };
        given.iter().map(meant).collect()
    }

    /// Resolves one account.
    pub(crate) fn resolve_account(&self, given: &str, console: Console) -> AccountId {
        self.resolve_accounts(std::slice::from_ref(&given.to_owned()), console).pop_first().unwrap_or_else(|| given.into())
    }

    /// Returns warnings about an account and a Region that no record need name.
    pub(crate) fn doubts(&self, account: &AccountId, region: &Region) -> Vec<String> {
        let is_known_account = self.accounts.contains_key(account) || (self.accounts.is_empty() && is_account_id(account));
        let account = (!is_known_account).then(|| self.lacks_account(account));
        let region = (!is_known(region)).then(|| self.lacks_region(region));
        [account, region].into_iter().flatten().collect()
    }

    fn of_name(&self, text: &str) -> Vec<AccountId> {
        let is_meant = |name: &str| !name.is_empty() && name.eq_ignore_ascii_case(text.trim());
        self.accounts.iter().filter(|(_, name)| is_meant(name)).map(|(account, _)| account.clone()).collect()
    }

    /// Returns a message for each part of a selection that nothing was read of, with what may be meant.
    pub(crate) fn lacks(&self, selection: &Selection) -> Vec<String> {
        let has_account = |account: &&AccountId| self.read.iter().any(|(read, _)| read == *account);
        let has_region = |region: &&Region| self.read.iter().any(|(_, read)| read == *region);
        let accounts = selection.accounts.iter().filter(|account| !has_account(account)).map(|account| self.lacks_account(account));
        let regions = selection.regions.iter().filter(|region| !has_region(region)).map(|region| self.lacks_region(region));
        let mut lacks: Vec<String> = accounts.chain(regions).collect();
        if lacks.is_empty() && !self.read.iter().any(|(account, region)| selection.selects_account_region(account, region)) {
            lacks.push("no records of these accounts in these Regions were read".to_owned());
        }
        lacks.extend(self.lacks_time(selection));
        lacks
    }

    /// Explains why nothing was found for an account.
    pub(crate) fn lacks_account(&self, account: &AccountId) -> String {
        let same_name = self.of_name(account);
        if same_name.len() > 1 {
            let ids: Vec<String> = same_name.iter().map(|account| self.shown(account)).collect();
            return format!("--account {account}: several accounts have this name: {}", ids.join(", "));
        }
        if self.accounts.contains_key(account) {
            return format!("--account {}: nothing was read of this account", self.shown(account));
        }
        let form = if is_account_id(account) { "" } else { ", and no account id of twelve digits" };
        let names = self.accounts.values().map(String::as_str).filter(|name| !name.is_empty());
        let near = nearest(account, self.accounts.keys().map(AccountId::as_str).chain(names));
        let near: BTreeSet<String> = near
            .into_iter()
            .flat_map(|near| if self.accounts.contains_key(near) { vec![near.into()] } else { self.of_name(near) })
            .map(|id| self.shown(&id))
            .collect();
        let hint = if !near.is_empty() {
            format!("; is {} meant?", near.into_iter().collect::<Vec<_>>().join(" or "))
        } else if self.accounts.is_empty() {
            String::new()
        } else {
            format!("; there are {}", listed(self.accounts.keys().map(|account| self.shown(account))))
        };
        format!("--account {account}: in no record, and nowhere in the world{form}{hint}")
    }

    fn lacks_region(&self, region: &Region) -> String {
        let read: BTreeSet<&Region> = self.read.iter().map(|(_, region)| region).collect();
        let of_others = || {
            if read.is_empty() { String::new() } else { format!("; there are records of {}", listed(read.iter().map(ToString::to_string))) }
        };
        if is_known(region) {
            return format!("--region {region}: nothing was read of this Region{}", of_others());
        }
        let near = nearest(region, read.iter().map(|region| region.as_str()));
        let near = if near.is_empty() { nearest_regions(region) } else { near };
        let hint = if near.is_empty() { of_others() } else { format!("; is {} meant?", near.join(" or ")) };
        format!("--region {region}: no Region that we know, and in no record{hint}")
    }

    fn lacks_time(&self, selection: &Selection) -> Option<String> {
        let (since, until) = (selection.since, selection.until);
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            return Some(format!("--since {since} is not before --until {until}: no time lies between them"));
        }
        let (first, last) = self.span?;
        let is_outside = since.is_some_and(|since| since > last) || until.is_some_and(|until| until <= first);
        is_outside.then(|| format!("nothing that was read lies in the times that are asked for: it is of {first} to {last}"))
    }

    fn shown(&self, account: &AccountId) -> String {
        match self.accounts.get(account).filter(|name| !name.is_empty()) {
            Some(name) => format!("{account} ({name})"),
            None => account.to_string(),
        }
    }
}

fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let listed = names.take(LISTED).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

/// Converts Regions to the form in which AWS writes them.
pub(crate) fn resolve_regions(given: &[String]) -> BTreeSet<Region> {
    given.iter().map(|region| Region::from(region.trim().to_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices() -> Choices {
        let named = [("222233334444", "shop"), ("333344445555", "bank"), ("444455556666", "bank"), ("555566667777", "")];
        let read = [("222233334444", "us-east-1"), ("333344445555", "eu-west-1")];
        let at = |time| Timestamp::parse(time).unwrap();
        Choices::default().and_named(named.map(|(account, name)| (account.into(), name.to_owned()))).and_read(
            read.map(|(account, region)| (account.into(), region.into())),
            Some((at("2026-11-01T00:00:00Z"), at("2026-11-08T00:00:00Z"))),
        )
    }

    fn selection(accounts: &[&str], regions: &[&str], since: Option<&str>, until: Option<&str>) -> Selection {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Selection {
            accounts: choices().resolve_accounts(&texts(accounts), Console::new(true)),
            regions: resolve_regions(&texts(regions)),
            since: since.map(|time| Timestamp::parse(time).unwrap()),
            until: until.map(|time| Timestamp::parse(time).unwrap()),
        }
    }

    #[test]
    fn what_there_is_lacks_nothing() {
        for given in [
            selection(&[], &[], None, None),
            selection(&["222233334444"], &["us-east-1"], None, None),
            selection(&["Shop"], &["US-EAST-1"], Some("2026-11-02"), Some("2026-11-03")),
            selection(&["2222-3333-4444"], &[], Some("2026-11-08"), None),
        ] {
            assert_eq!(choices().lacks(&given), Vec::<String>::new(), "{given:?}");
        }
    }

    #[test]
    fn what_may_be_meant_is_suggested() {
        for (given, says) in [
            (selection(&["22223333444"], &[], None, None), "no account id of twelve digits; is 222233334444 (shop) meant?"),
            (selection(&["shpo"], &[], None, None), "is 222233334444 (shop) meant?"),
            (selection(&["bank"], &[], None, None), "several accounts have this name: 333344445555 (bank), 444455556666 (bank)"),
            (
                selection(&["999999999999"], &[], None, None),
                "there are 222233334444 (shop), 333344445555 (bank), 444455556666 (bank), 555566667777",
            ),
            (selection(&["555566667777"], &[], None, None), "nothing was read of this account"),
            (selection(&[], &["us-eats-1"], None, None), "is us-east-1 meant?"),
            (selection(&[], &["us-east-1a"], None, None), "is us-east-1 meant?"),
            (selection(&[], &["ap-south-1"], None, None), "there are records of eu-west-1, us-east-1"),
            (selection(&[], &["ap-suoth-1"], None, None), "is ap-south-1 meant?"),
            (selection(&["shop"], &["eu-west-1"], None, None), "no records of these accounts in these Regions"),
            (selection(&[], &[], Some("2026-11-03"), Some("2026-11-02")), "no time lies between them"),
            (selection(&[], &[], Some("2026-12-01"), None), "it is of 2026-11-01T00:00:00Z to 2026-11-08T00:00:00Z"),
            (selection(&[], &[], None, Some("2026-11-01")), "lies in the times"),
        ] {
            let lacks = choices().lacks(&given);
            assert!(lacks.len() == 1 && lacks[0].contains(says), "{says}: {lacks:?}");
        }
    }
}
