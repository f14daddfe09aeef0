//! Publishes alerts again, because a person asks for it: whoever subscribed may not have got them.

use std::time::Instant;

use audit_core::{finding::Status, timestamp::Timestamp};

use super::{Alert, Alerts, Claimed, FindingId, Kind, Publish, no_time_left};
use crate::{
    error::CallError,
    findings::{AlertState, transition},
    lambda::half_until,
};

impl<P: Publish> Alerts<P> {
    /// Publishes the alerts of these findings again, as far as they are open and it wasn't done since it was asked for. An error says that not
    /// all of it is done; the same request again does the rest.
    pub(super) async fn tell_again(&self, findings: &[FindingId], asked_at: Timestamp, enough: Instant) -> Result<(), CallError> {
        let enough_claimed = half_until(enough);
        let (mut claimed, mut is_all) = (Vec::new(), true);
        for finding in findings {
            if !claimed.is_empty() && Instant::now() >= enough_claimed {
                is_all = false;
                break;
            }
            if let Some(claim) = self.claim_again(finding, asked_at).await? {
                claimed.push((claim, finding.id.as_str()));
            }
        }
        let failed = self.send_all(claimed, enough).await;
        if is_all && failed.is_none() { Ok(()) } else { Err(no_time_left()) }
    }

    /// Claims the alert of an open finding, whatever was published of it before.
    async fn claim_again(&self, of: &FindingId, asked_at: Timestamp) -> Result<Option<Claimed>, CallError> {
        let Some(stored) = self.findings.get(&of.account, &of.id).await?.filter(|stored| stored.finding.status == Status::Open) else {
            return Ok(None);
        };
        let before = self.findings.alert_state(&of.id).await?;
        if before.as_ref().is_some_and(|state| state.pending.is_none() && state.since >= asked_at) {
            return Ok(None);
        }
        let target = transition(&stored.finding);
        // An earlier invocation for the same request may have ended after it published the finding to some topics. They don't get it twice.
        let sent = before.as_ref().filter(|state| state.pending.as_ref() == Some(&target) && state.since >= asked_at);
        let sent = sent.map(|state| state.sent.clone()).unwrap_or_default();
        let (version, withdrawn) = before.as_ref().map_or((1, 0), |state| (state.version + 1, state.withdrawn));
        let kind = if stored.finding.reopened > 0 { Kind::Reopened } else { Kind::New };
        // An id of its own, so that nobody drops it as a copy of the first alert.
        let turn = format!("{target}#{withdrawn}#again-{}", asked_at.to_basic());
        let notified = before.and_then(|state| state.notified);
        let state = AlertState { notified, pending: Some(target), sent, since: self.clock.now(), version, withdrawn };
        let is_claimed = self.findings.put_alert_state(&of.id, &state).await?;
        // Otherwise another instance publishes it now.
        Ok(is_claimed.then_some(Claimed { alert: Alert { kind, stored, turn }, state }))
    }
}
