//! The configuration as the audit uses it: requirements, exceptions, severities, and the auditor's own resources.
//!
//! [`config_file`](crate::config_file) reads it from `guardrail-audit.toml`.

mod auditor;
mod exceptions;

use std::collections::BTreeMap;

use wildmatch::WildMatch;

pub use auditor::Auditor;
pub use exceptions::{Day, Exception, Exceptions};

use crate::{cloudtrail::without_session, requirement::Requirement, severity::Severity, timestamp::Timestamp};

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The `[[require]]` tables, in the order of the file.
    pub requirements: Vec<Requirement>,
    /// The `[[exception]]` tables, in the order of the file.
    pub exceptions: Exceptions,
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
            exceptions: Exceptions::default(),
            severities: BTreeMap::new(),
            keep_session_names: false,
            administrators: Vec::new(),
            auditor: Auditor::default(),
            access_tags: Vec::new(),
            api_key_days: DEFAULT_API_KEY_DAYS,
        }
    }
}
