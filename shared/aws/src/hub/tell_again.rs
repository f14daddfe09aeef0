//! Has alerts of open findings sent again, such as after a topic or a subscription didn't deliver them.

use audit_core::{finding::Finding, timestamp::Timestamp};

use super::{AT_ONCE, Hub, functions::SEND_ALERTS};
use crate::{
    alerts::{FindingId, Request},
    at_once::at_once,
    error::CallError,
    findings::is_open,
};

/// Findings in one request. The function works for a minute at most, and a finding takes an alert in each format.
pub const BATCH: usize = 25;

/// Requests that are made for one batch, if the function had no time for all of it or something failed.
const ATTEMPTS: usize = 5;

impl Hub {
    /// Of these findings, those that are open and whose last alert was sent from `since` to `until`, or that nobody was ever alerted of.
    pub async fn alerted_between(&self, findings: Vec<Finding>, since: Timestamp, until: Timestamp) -> Result<Vec<Finding>, CallError> {
        let mut found = Vec::new();
        let open = findings.into_iter().filter(is_open);
        let alert = |finding: Finding| {
            let findings = self.findings.clone();
            async move { findings.alert_state(&finding.id).await.map(|state| (finding, state)) }
        };
        at_once(AT_ONCE, open, alert, |(finding, state)| {
            if state.is_none_or(|state| (since..until).contains(&state.since)) {
                found.push(finding);
            }
        })
        .await?;
        found.sort_by(Finding::order);
        Ok(found)
    }

    /// Has the alerts of a batch of findings sent again, unless they were since `asked_at`.
    pub async fn tell_again(&self, findings: &[Finding], asked_at: Timestamp) -> Result<(), CallError> {
        let of = |finding: &Finding| FindingId { account: finding.account.to_string(), id: finding.id.clone() };
        let request = Request::TellAgain { findings: findings.iter().map(of).collect(), asked_at };
        let functions = self.functions()?;
        let mut told = functions.invoke(SEND_ALERTS, &request).await;
        for _ in 1..ATTEMPTS {
            // Those that were sent are left out the next time.
            if told.is_ok() {
                break;
            }
            told = functions.invoke(SEND_ALERTS, &request).await;
        }
        told
    }
}
