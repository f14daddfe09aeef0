//! Queries for findings: their parameters, and the values of the table's indexes that answer them.

use std::collections::BTreeMap;

use audit_core::{finding::Status, severity::Severity, timestamp::Timestamp};
use serde::{Deserialize, Serialize};

use crate::findings::Stored;

/// The parameters of a query. A finding has to match all that are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) account: Option<String>,
    pub(super) ou: Option<String>,
    pub(super) region: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) severity: Option<Severity>,
    pub(super) status: Option<Status>,
    pub(super) since: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
    pub(super) principal: Option<String>,
    pub(super) guardrail: Option<String>,
    pub(super) csv: bool,
    pub(super) limit: usize,
    pub(super) token: Option<Token>,
}

/// The position after a page. Clients get it in hexadecimal digits, and only pass it back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Token {
    /// Identifies the query without its page. A token is valid for no other query.
    pub(super) query: String,
    /// The position among the index values that the query needs ([`Query::steps`]).
    pub(super) step: usize,
    /// The key of the last item.
    pub(super) key: BTreeMap<String, String>,
}

/// Each status with each severity, the worst first.
pub(super) const INDEXES: [(Status, Severity); 15] = {
    use Severity::{Critical, High, Informational, Low, Medium};
    use Status::{Open, Resolved, Suppressed};
    [
        (Open, Critical),
        (Open, High),
        (Open, Medium),
        (Open, Low),
        (Open, Informational),
        (Suppressed, Critical),
        (Suppressed, High),
        (Suppressed, Medium),
        (Suppressed, Low),
        (Suppressed, Informational),
        (Resolved, Critical),
        (Resolved, High),
        (Resolved, Medium),
        (Resolved, Low),
        (Resolved, Informational),
    ]
};

impl Query {
    pub(super) fn parse(parameters: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut query = Query { limit: 100, ..Query::default() };
        for (name, value) in parameters {
            let wrong = |what: &str| format!("`{name}` is no {what}: {value}");
            let time = || Timestamp::parse(value).ok_or_else(|| wrong("time"));
            match name.as_str() {
                "account" => query.account = Some(value.clone()),
                "ou" => query.ou = Some(value.clone()),
                "region" => query.region = Some(value.clone()),
                "rule" => query.rule = Some(value.clone()),
                "severity" => query.severity = Some(Severity::parse(value).ok_or_else(|| wrong("severity"))?),
                "status" => query.status = Some(Status::parse(value).ok_or_else(|| wrong("status"))?),
                "since" => query.since = Some(time()?),
                "until" => query.until = Some(time()?),
                "principal" => query.principal = Some(value.clone()),
                "guardrail" => query.guardrail = Some(value.clone()),
                "limit" => {
                    query.limit =
                        value.parse().ok().filter(|limit| (1..=500).contains(limit)).ok_or_else(|| wrong("number from 1 to 500"))?;
                }
                "format" => {
                    query.csv = match value.as_str() {
                        "csv" => true,
                        "json" => false,
                        _ => return Err(wrong("format (json, csv)")),
                    }
                }
                "token" => {
                    let token = hex::decode(value).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
                    query.token = Some(token.ok_or_else(|| wrong("token"))?);
                }
                other => return Err(format!("there is no parameter `{other}`")),
            }
        }
        if query.token.as_ref().is_some_and(|token| token.query != query.name()) {
            return Err("the token belongs to another question".to_owned());
        }
        Ok(query)
    }

    /// Identifies the query without page, limit and format.
    pub(super) fn name(&self) -> String {
        let asked = Query { token: None, csv: false, limit: 0, ..self.clone() };
        crate::fact::digest(format!("{asked:?}").as_bytes())
    }

    /// The index values that together hold every matching finding, of the index that leaves the fewest others to filter out.
    pub(super) fn steps(&self) -> Vec<(&'static str, String)> {
        if let Some(account) = &self.account {
            return vec![("by_account", account.clone())];
        }
        if let Some(rule) = &self.rule {
            return vec![("by_rule", rule.clone())];
        }
        let by_status = INDEXES.iter().filter(|(status, severity)| {
            self.status.is_none_or(|asked| asked == *status) && self.severity.is_none_or(|asked| asked == *severity)
        });
        if let (Some(region), None, None) = (&self.region, self.status, self.severity) {
            return vec![("by_region", region.clone())];
        }
        by_status.map(|(status, severity)| ("by_status", format!("{}#{severity}", status.as_str()))).collect()
    }

    pub(super) fn selects(&self, stored: &Stored) -> bool {
        let finding = &stored.finding;
        let is = |asked: &Option<String>, value: &str| asked.as_deref().is_none_or(|asked| asked == value);
        let guardrail = finding.policy.as_ref().and_then(|policy| policy.identifier.as_deref()).unwrap_or_default();
        is(&self.account, &finding.account)
            && is(&self.region, &finding.region)
            && is(&self.rule, &finding.rule)
            && self.severity.is_none_or(|asked| asked == finding.severity)
            && self.status.is_none_or(|asked| asked == finding.status)
            && self.ou.as_ref().is_none_or(|ou| stored.units.contains(ou))
            && self
                .principal
                .as_ref()
                .is_none_or(|asked| finding.principals.shown.iter().any(|principal| principal.contains(asked.as_str())))
            && self.guardrail.as_ref().is_none_or(|asked| guardrail.contains(asked.as_str()) || finding.resource.contains(asked.as_str()))
            && self.since.is_none_or(|since| finding.last_seen.is_some_and(|seen| seen >= since))
            && self.until.is_none_or(|until| finding.last_seen.is_some_and(|seen| seen < until))
    }
}
