//! Exceptions, and those of a configuration by what they select. A configuration can have thousands, and so can an audit have findings: each
//! finding is compared with the few exceptions that may be meant for it.

use std::{fmt, ops::Deref};

use hashbrown::HashMap;
use wildmatch::WildMatch;

use crate::{
    arn::{AccountId, Region},
    cloudtrail::without_session,
    organization::Organization,
    requirement::AccountSelector,
    timestamp::Timestamp,
};

/// An exception: findings that the team accepts until a date. They stay in reports with the status `SUPPRESSED`.
#[derive(Clone, Debug)]
pub struct Exception {
    /// The id of the rule whose findings are accepted.
    pub rule: String,
    /// The accounts.
    pub accounts: AccountSelector,
    /// The Regions; empty means all.
    pub regions: Vec<Region>,
    /// The ARNs of roles and users; empty means all. `*` stands for any characters.
    pub principals: Vec<WildMatch>,
    /// The last day on which it holds.
    pub until: Day,
    /// Why the findings are accepted.
    pub reason: String,
    /// The person or team that answers for it.
    pub owner: String,
    /// The ticket in which it was decided.
    pub ticket: Option<String>,
    /// The line of the file on which its table starts, from 1. Warnings name it.
    pub line: usize,
}

/// A day in UTC, stored as its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub(crate) Timestamp);

impl Day {
    /// Whether the whole day has passed.
    #[must_use]
    pub fn is_over(self, now: Timestamp) -> bool {
        now >= self.0.plus_seconds(24 * 60 * 60)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().split('T').next().unwrap_or_default())
    }
}

impl Exception {
    /// Whether it has not ended.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.until.is_over(now)
    }

    /// Whether it selects findings of this rule, account and Region. If it names an organizational unit, and the account's path in the
    /// organization isn't known, it doesn't.
    #[must_use]
    pub fn selects(&self, rule: &str, account: &AccountId, region: &Region, organization: Option<&Organization>) -> bool {
        self.rule == rule
            && (self.regions.is_empty() || self.regions.contains(region))
            && self.accounts.selects(account, None).unwrap_or_else(|| {
                let path = organization.and_then(|organization| organization.path_to(account));
                self.accounts.selects(account, path.as_deref()) == Some(true)
            })
    }

    /// Whether it selects this role or user.
    #[must_use]
    pub fn selects_principal(&self, principal: &str) -> bool {
        // A session name, which follows a blank if the configuration keeps session names, is not part of the ARN.
        let role = without_session(principal);
        self.principals.is_empty() || self.principals.iter().any(|pattern| pattern.matches(role))
    }
}

/// The exceptions, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    all: Vec<Exception>,
    by_rule: HashMap<String, OfRule>,
}

/// The indexes of the exceptions for a rule.
#[derive(Clone, Debug, Default)]
struct OfRule {
    /// Those that select accounts by their ids only.
    by_account: HashMap<String, OfAccount>,
    /// Those that select all accounts, or some by their place in the organization.
    by_placement: OfAccount,
}

#[derive(Clone, Debug, Default)]
struct OfAccount {
    /// Those for principals without a wildcard.
    by_principal: HashMap<String, Vec<usize>>,
    /// Those with a wildcard.
    by_pattern: Vec<usize>,
    of_everybody: Vec<usize>,
}

impl Deref for Exceptions {
    type Target = [Exception];

    fn deref(&self) -> &[Exception] {
        &self.all
    }
}

impl FromIterator<Exception> for Exceptions {
    fn from_iter<T: IntoIterator<Item = Exception>>(exceptions: T) -> Self {
        let all: Vec<Exception> = exceptions.into_iter().collect();
        let mut by_rule: HashMap<String, OfRule> = HashMap::new();
        for (index, exception) in all.iter().enumerate() {
            let of_rule = by_rule.entry(exception.rule.clone()).or_default();
            if exception.accounts.is_by_id() {
                for account in exception.accounts.names() {
                    of_rule.by_account.entry(account.to_owned()).or_default().add(index, exception);
                }
            } else {
                of_rule.by_placement.add(index, exception);
            }
        }
        Exceptions { all, by_rule }
    }
}

impl OfAccount {
    fn add(&mut self, index: usize, exception: &Exception) {
        let patterns: Vec<String> = exception.principals.iter().map(wildmatch::WildMatchPattern::pattern).collect();
        if patterns.is_empty() {
            self.of_everybody.push(index);
        } else if patterns.iter().any(|pattern| pattern.contains(['*', '?'])) {
            self.by_pattern.push(index);
        } else {
            for principal in patterns {
                self.by_principal.entry(principal).or_default().push(index);
            }
        }
    }
}

impl Exceptions {
    /// The exceptions for findings of a rule, whoever the principals are, that may select an account; each with its index.
    pub(crate) fn of_everybody(&self, rule: &str, account: &AccountId) -> impl Iterator<Item = (usize, &Exception)> {
        self.listed(self.of_account(rule, account).flat_map(|of| &of.of_everybody))
    }

    /// The exceptions for findings of a rule that name a principal and may select an account; each with its index.
    pub(crate) fn of_principal(&self, rule: &str, account: &AccountId, principal: &str) -> impl Iterator<Item = (usize, &Exception)> {
        let identity = without_session(principal);
        let named = self.of_account(rule, account).filter_map(move |of| of.by_principal.get(identity)).flatten();
        let matching = self.listed(self.of_account(rule, account).flat_map(|of| &of.by_pattern));
        self.listed(named).chain(matching.filter(move |(_, exception)| exception.selects_principal(identity)))
    }

    fn of_account(&self, rule: &str, account: &AccountId) -> impl Iterator<Item = &OfAccount> {
        let of_rule = self.by_rule.get(rule).into_iter();
        of_rule.flat_map(|of_rule| of_rule.by_account.get(account.as_str()).into_iter().chain([&of_rule.by_placement]))
    }

    fn listed<'e>(&'e self, indexes: impl Iterator<Item = &'e usize>) -> impl Iterator<Item = (usize, &'e Exception)> {
        indexes.filter_map(|index| Some((*index, self.all.get(*index)?)))
    }
}
