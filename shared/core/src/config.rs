//! What the team requires, what it excepts and until when, and which resources are the auditor's own.

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

/// The configuration, checked.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// `[[require]]`, in the order of the file.
    pub requirements: Vec<Requirement>,
    /// `[[exception]]`, in the order of the file.
    pub exceptions: Vec<Exception>,
    /// `[rules.<id>]`: severities that differ from the default.
    pub severities: BTreeMap<&'static str, Severity>,
    /// Keep the names of sessions in findings.
    pub keep_session_names: bool,
    /// Roles that may change guardrails, enforcement, policies and identities: full ARNs, `*` stands for any characters.
    pub administrators: Vec<WildMatch>,
    /// What the auditor itself consists of.
    pub auditor: Auditor,
    /// Keys of tags that decide who may use or change a guardrail.
    pub access_tags: Vec<String>,
    /// The longest life of a Bedrock API key, in days.
    pub api_key_days: u64,
}

/// AWS offers 1, 5, 30, 90 and 365 days, and no end; a quarter is what most teams rotate keys by.
pub(crate) const DEFAULT_API_KEY_DAYS: u64 = 90;

/// A finding that the team lives with for a while: it stays, marked as suppressed, until the date.
#[derive(Clone, Debug)]
pub struct Exception {
    /// The rule that it excepts.
    pub rule: String,
    /// Whose findings.
    pub accounts: AccountSelector,
    /// Where; empty means everywhere.
    pub regions: Vec<Region>,
    /// Of which roles and users; empty means all. `*` stands for any characters.
    pub principals: Vec<WildMatch>,
    /// The last day.
    pub until: Day,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Where it was decided.
    pub ticket: Option<String>,
    /// The line of the file that it starts on.
    pub line: usize,
}

/// A day, to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub(crate) Timestamp);

impl Day {
    /// Whether the day has passed at a moment.
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
    /// Whether it is still in force.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.until.is_over(now)
    }

    /// Whether it means findings of this rule, account and Region. A place in the organization that isn't known is not excepted.
    #[must_use]
    pub fn selects(&self, rule: &str, account: &AccountId, region: &Region, organization: Option<&Organization>) -> bool {
        self.rule == rule
            && (self.regions.is_empty() || self.regions.contains(region))
            && self.accounts.selects(account, organization.and_then(|organization| organization.path_to(account)).as_deref()) == Some(true)
    }

    /// Whether it means this role or user.
    #[must_use]
    pub fn selects_principal(&self, principal: &str) -> bool {
        // The name of a session, kept behind a blank where the configuration asks for it, doesn't count.
        let role = without_session(principal);
        self.principals.is_empty() || self.principals.iter().any(|pattern| pattern.matches(role))
    }
}

impl Configuration {
    /// Whether a principal, as findings name it, may change guardrails.
    #[must_use]
    pub fn is_administrator(&self, principal: &str) -> bool {
        let role = without_session(principal);
        self.administrators.iter().any(|pattern| pattern.matches(role))
    }

    /// What looks wrong but doesn't keep the configuration from being used.
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
