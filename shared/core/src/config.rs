//! The configuration as the audit uses it: requirements, exceptions, severities, and the auditor's own resources.
//!
//! [`config_file`](crate::config_file) reads it from `guardrail-audit.toml`.

mod auditor;

use std::{collections::BTreeMap, fmt};

use wildmatch::WildMatch;

pub use auditor::Auditor;

use crate::{
    arn::{AccountId, Region},
    cloudtrail::without_session,
    organization::Organization,
    requirement::{AccountSelector, Requirement},
    severity::Severity,
    timestamp::Timestamp,
};

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The `[[require]]` tables, in the order of the file.
    pub requirements: Vec<Requirement>,
    /// The `[[exception]]` tables, in the order of the file.
    pub exceptions: Vec<Exception>,
    /// The severities in `[rules.<id>]` tables, by rule. They replace the defaults.
    pub severities: BTreeMap<&'static str, Severity>,
    /// Whether findings contain the session names of assumed roles, which often are names of people.
    pub keep_session_names: bool,
    /// The ARNs of roles whose changes of guardrails, enforcements, policies and identities are expected. `*` stands for any characters.
    pub administrators: Vec<WildMatch>,
    /// The auditor's own resources and roles.
    pub auditor: Auditor,
    /// The keys of tags by which IAM policies decide who may use or change a guardrail.
    pub access_tags: Vec<String>,
    /// The longest validity of a Bedrock API key that is no finding, in days.
    pub api_key_days: u64,
}

/// The longest validity of a Bedrock API key unless configured, in days. Of those that AWS offers (1, 5, 30, 90 and 365 days, or none), it
/// is the one that fits a quarterly rotation.
pub(crate) const DEFAULT_API_KEY_DAYS: u64 = 90;

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
            && self.accounts.selects(account, organization.and_then(|organization| organization.path_to(account)).as_deref()) == Some(true)
    }

    /// Whether it selects this role or user.
    #[must_use]
    pub fn selects_principal(&self, principal: &str) -> bool {
        // A session name, which follows a blank if the configuration keeps session names, is not part of the ARN.
        let role = without_session(principal);
        self.principals.is_empty() || self.principals.iter().any(|pattern| pattern.matches(role))
    }
}

impl Configuration {
    /// Whether a principal, in the form of findings, is an administrator whose changes are expected.
    #[must_use]
    pub fn is_administrator(&self, principal: &str) -> bool {
        let role = without_session(principal);
        self.administrators.iter().any(|pattern| pattern.matches(role))
    }

    /// Warnings about a configuration that can be used, such as exceptions that ended.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let expired = self.exceptions.iter().filter(|exception| !exception.is_live(now));
        expired
            .map(|exception| {
                format!(
                    "line {}: the exception for {} ended on {}: its findings are open again",
                    exception.line, exception.rule, exception.until
                )
            })
            .collect()
    }
}

impl Default for Configuration {
    fn default() -> Self {
        Configuration {
            requirements: Vec::new(),
            exceptions: Vec::new(),
            severities: BTreeMap::new(),
            keep_session_names: false,
            administrators: Vec::new(),
            auditor: Auditor::default(),
            access_tags: Vec::new(),
            api_key_days: DEFAULT_API_KEY_DAYS,
        }
    }
}
