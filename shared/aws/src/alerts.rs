//! `send-alerts`: publishes each transition of a finding once: that it is new, reopened, escalated, resolved or withdrawn. Beside it, each
//! change of a finding becomes an event of EventBridge ([`SendAlerts`]).
//!
//! The state of a finding that was last published is kept beside it ([`AlertState`]). The function claims an alert with a conditional write
//! before it publishes, and marks it as sent with a second one. If it dies in between, or SNS refuses, the alert stays claimed and the
//! stream delivers it again, until it goes to the dead-letter queue. A topic whose name ends in `.fifo` drops that copy; on other topics
//! this is the one way to receive an alert twice, and both copies carry the same `id`.

mod again;
mod events;
mod messages;
mod topics;
mod transition;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use audit_core::{finding::Status, severity::Severity, timestamp::Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use self::{
    events::{Answer, Bus, Event, EventBridge},
    topics::{Format, Message, Publish, Topics},
    transition::{Alert, Kind},
};
use self::{
    messages::{digest_message, line_of, message},
    transition::{GONE, alert_kind, withdrawn},
};
use crate::{
    aws::Aws,
    clock::Clock,
    connections,
    error::{BoxError, CallError, ErrorKind, chain},
    findings::{AlertState, Findings, stored, transition},
    lambda::half_until,
    metrics::Metrics,
    settings::Environment,
    stream::{StreamHandler, StreamRecord},
};

/// Publishes alerts about findings.
#[derive(Debug)]
pub struct Alerts<P> {
    findings: Findings,
    topics: P,
    minimum: Severity,
    digest: bool,
    metrics: Metrics,
    clock: Clock,
}

/// Requests that a schedule or a person sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// Publish the alerts that were put aside, as one digest.
    Digest,
    /// Publish the alerts of these findings again, as far as they are open, unless that was done since it was asked for.
    TellAgain {
        /// The findings.
        findings: Vec<FindingId>,
        /// When it was asked for. A request that is sent again with the same time tells only the findings that are left.
        asked_at: Timestamp,
    },
}

/// A finding, by its keys in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingId {
    /// Its account.
    pub account: String,
    /// Its id.
    pub id: String,
}

/// From this number of alerts of one rule and kind in a batch on, one message names them all.
const BURST: usize = 5;

/// Alerts in a digest at most.
const DIGEST: usize = 500;

/// An alert that this instance has claimed and not yet marked as sent.
#[derive(Clone, Debug)]
struct Claimed {
    alert: Alert,
    state: AlertState,
}

/// The function: alerts, and events for programs. Neither waits for the other: what fails of one comes again, and the other has gone out.
#[derive(Debug)]
pub struct SendAlerts<P, B> {
    /// Publishes alerts.
    pub alerts: Alerts<P>,
    /// Takes an event for each change.
    pub bus: B,
}

impl SendAlerts<Topics, EventBridge> {
    /// Makes the function from its environment variables.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let table = environment.required("FINDINGS_TABLE")?;
        let notes = environment.required("NOTES_TABLE")?;
        let minimum = environment.severity("ALERT_MINIMUM_SEVERITY", Severity::Medium)?;
        let digest = environment.parsed("ALERT_DIGEST_MINUTES", 0_u32)? > 0;
        let metrics = Metrics::new(environment.parsed("METRICS_NAMESPACE", "GuardrailAudit".to_owned())?, "send-alerts", Clock::System);
        let hub_region = environment.optional("HUB_REGION");
        let aws = Aws::from_environment().await;
        let aws = Arc::new(hub_region.map_or_else(|| aws.in_own_region(), |region| aws.in_region(&region)));
        connections::open_to_dynamodb(&aws).await;
        let topics = Topics::from_environment(&environment, Arc::clone(&aws))?;
        let bus = EventBridge::new(Arc::clone(&aws));
        let alerts = Alerts::new(Findings::new(aws, table).with_notes(notes), topics, minimum, digest, metrics, Clock::System);
        Ok(SendAlerts { alerts, bus })
    }
}

impl<P: Publish, B: Bus> StreamHandler for SendAlerts<P, B> {
    type Request = Request;

    async fn take_until(&self, records: &[StreamRecord], enough: Instant) -> Option<String> {
        let failed = [self.alerts.take_until(records, enough).await, events::put_all(&self.bus, records, enough).await];
        // Lambda delivers the batch again from the first record that failed. Sequence numbers have no leading zeros.
        failed.into_iter().flatten().min_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)))
    }

    async fn carry_out(&self, request: Request, enough: Instant) -> Result<(), BoxError> {
        self.alerts.carry_out(request, enough).await
    }
}

impl<P: Publish> Alerts<P> {
    /// Publishes findings of at least this severity, at once or, with `digest`, in the next digest.
    pub fn new(findings: Findings, topics: P, minimum: Severity, digest: bool, metrics: Metrics, clock: Clock) -> Self {
        Alerts { findings, topics, minimum, digest, metrics, clock }
    }

    /// Decides which alert a change of a finding calls for, and claims it; `None` if there is nothing to publish.
    async fn claim(&self, record: &StreamRecord) -> Result<Option<Claimed>, CallError> {
        let image = stored(if record.new.is_empty() { &record.old } else { &record.new })?;
        // The finding as it stands now decides, not the one in the record: the stream may deliver a record again, and late.
        let current = self.findings.get(image.finding.account.as_str(), &image.finding.id).await?;
        let before = self.findings.alert_state(&image.finding.id).await?;
        // A function that died may have published the withdrawal without marking it as sent. A finding that is there again then counts as
        // new.
        let perhaps_notified_gone = current.is_some() && before.as_ref().is_some_and(|state| state.pending.as_deref() == Some(GONE));
        let notified =
            before.as_ref().and_then(|state| state.notified.as_deref()).filter(|notified| *notified != GONE && !perhaps_notified_gone);
        // A finding that was open only for a moment is published, too, unless the record is a late copy from before the withdrawal.
        let was_notified = before.as_ref().is_some_and(|state| state.notified.is_some());
        let was_open = !was_notified && !record.new.is_empty() && image.finding.status == Status::Open;
        let latest = if was_open { Some(&image.finding) } else { current.as_ref().map(|current| &current.finding) };
        let Some(kind) = alert_kind(notified, latest, self.minimum) else { return Ok(None) };
        let target = latest.map_or_else(|| GONE.to_owned(), transition);
        let subject = match current {
            Some(current) if !was_open => current,
            None if !was_open => withdrawn(image),
            _ => image,
        };
        let version = before.as_ref().map_or(0, |state| state.version) + 1;
        let sent =
            before.as_ref().filter(|state| state.pending.as_deref() == Some(&target)).map(|state| state.sent.clone()).unwrap_or_default();
        let withdrawn_before = before.as_ref().map_or(0, |state| state.withdrawn) + u64::from(perhaps_notified_gone);
        // A recurrence after a withdrawal gets an id of its own, so that a FIFO topic doesn't drop it as a copy of the first occurrence.
        let turn = if withdrawn_before == 0 { target.clone() } else { format!("{target}#{withdrawn_before}") };
        let notified = before.and_then(|state| state.notified);
        let state = AlertState { notified, pending: Some(target), sent, since: self.clock.now(), version, withdrawn: withdrawn_before };
        if !self.findings.put_alert_state(&subject.finding.id, &state).await? {
            // Another instance has claimed it.
            return Ok(None);
        }
        Ok(Some(Claimed { alert: Alert { kind, stored: subject, turn }, state }))
    }

    /// Publishes what was claimed, several alerts of one rule and kind in one message. Returns the sequence number of the first record
    /// whose alert failed, or for whose there was no time: it stays claimed, and is published when its record comes again.
    async fn send_all(&self, claimed: Vec<(Claimed, &str)>, enough: Instant) -> Option<String> {
        let mut groups: BTreeMap<(String, Kind), Vec<(Claimed, &str)>> = BTreeMap::new();
        for (claim, sequence) in claimed {
            groups.entry((claim.alert.stored.finding.rule.clone(), claim.alert.kind)).or_default().push((claim, sequence));
        }
        let mut failed: Option<String> = None;
        let mut sent = 0;
        for group in groups.into_values() {
            let together = group.len() >= BURST;
            let parts: Vec<Vec<(Claimed, &str)>> = if together { vec![group] } else { group.into_iter().map(|one| vec![one]).collect() };
            for part in parts {
                let first = part.first().map(|(_, sequence)| (*sequence).to_owned()).unwrap_or_default();
                let claims = part.into_iter().map(|(claim, _)| claim).collect();
                let outcome = if sent > 0 && Instant::now() >= enough { Err(no_time_left()) } else { self.send(claims).await };
                match outcome {
                    Ok(()) => sent += 1,
                    Err(error) => {
                        tracing::error!(error = chain(&error), "an alert could not be sent");
                        failed = Some(failed.map_or(first.clone(), |before: String| {
                            if (before.len(), &before) <= (first.len(), &first) { before } else { first }
                        }));
                    }
                }
            }
        }
        self.metrics.emit(&[("alerts_sent", sent)]);
        failed
    }

    async fn send(&self, mut claims: Vec<Claimed>) -> Result<(), CallError> {
        let critical = claims.iter().any(|claim| claim.alert.stored.finding.severity == Severity::Critical);
        if self.digest && !critical {
            for claim in &claims {
                let line = json!({"kind": claim.alert.kind, "line": line_of(&claim.alert)}).to_string();
                self.findings.put_for_digest(&claim.alert.stored.finding.id, &line).await?;
            }
        } else {
            for format in self.topics.formats() {
                let word = format_word(format);
                let alerts: Vec<&Alert> =
                    claims.iter().filter(|claim| !claim.state.sent.iter().any(|sent| sent == word)).map(|claim| &claim.alert).collect();
                if alerts.is_empty() {
                    continue;
                }
                self.topics.publish(format, &message(format, &alerts)).await?;
                for claim in &mut claims {
                    claim.state.sent.push(word.to_owned());
                }
                if self.topics.formats().len() > 1 {
                    self.tick_off(&mut claims, false).await?;
                }
            }
        }
        self.tick_off(&mut claims, true).await
    }

    /// Marks formats as sent, or with `all_sent` the whole alert. Each write is retried at once, because an alert that isn't marked is
    /// published again.
    async fn tick_off(&self, claims: &mut [Claimed], all_sent: bool) -> Result<(), CallError> {
        for claim in claims {
            let notified = if all_sent { claim.state.pending.clone() } else { claim.state.notified.clone() };
            let pending = claim.state.pending.clone().filter(|_| !all_sent);
            let sent = if all_sent { Vec::new() } else { claim.state.sent.clone() };
            let withdrawn = claim.state.withdrawn + u64::from(notified.as_deref() == Some(GONE) && all_sent);
            let state = AlertState { notified, pending, sent, since: claim.state.since, version: claim.state.version + 1, withdrawn };
            let id = &claim.alert.stored.finding.id;
            let mut outcome = self.findings.put_alert_state(id, &state).await;
            for _ in 0..3 {
                if outcome.is_ok() {
                    break;
                }
                outcome = self.findings.put_alert_state(id, &state).await;
            }
            outcome?;
            claim.state.version += 1;
        }
        Ok(())
    }

    /// Publishes the alerts that were put aside, in one message for each `DIGEST` of them. What there is no time for before it is `enough` is
    /// in the next digest. Returns the number of alerts that were published.
    pub async fn send_digest(&self, enough: Instant) -> Result<usize, CallError> {
        #[derive(Deserialize)]
        struct Aside {
            kind: Kind,
            line: String,
        }
        let all = self.findings.digest().await?;
        let mut published = 0;
        for aside in all.chunks(DIGEST) {
            if published > 0 && Instant::now() >= enough {
                tracing::warn!(
                    left = all.len() - published,
                    "there is no time left for all alerts that were put aside; the next digest has them"
                );
                break;
            }
            let lines = aside.iter().filter_map(|(_, body)| serde_json::from_str::<Aside>(body).ok());
            let lines: Vec<(Kind, String)> = lines.map(|aside| (aside.kind, aside.line)).collect();
            let bodies: Vec<String> = aside.iter().map(|(id, body)| format!("{id} {body}")).collect();
            let id = crate::fact::digest(bodies.join("\n").as_bytes());
            for format in self.topics.formats() {
                self.topics.publish(format, &digest_message(format, &id, &lines)).await?;
            }
            for (id, body) in aside {
                self.findings.remove_from_digest(id, body).await?;
            }
            published += aside.len();
        }
        Ok(published)
    }
}

/// The reason why what could be done isn't: the function would be ended before it is.
fn no_time_left() -> CallError {
    CallError::new("send an alert", ErrorKind::Retryable, "there is no time left")
}

const fn format_word(format: Format) -> &'static str {
    match format {
        Format::Text => "text",
        Format::Json => "json",
        Format::Chat => "chat",
    }
}

impl<P: Publish> StreamHandler for Alerts<P> {
    type Request = Request;

    async fn take_until(&self, records: &[StreamRecord], enough: Instant) -> Option<String> {
        // Alerts that are claimed must also be sent in this invocation, so claiming them takes half of its time at most.
        let enough_claimed = half_until(enough);
        let mut claimed: Vec<(Claimed, &str)> = Vec::new();
        for (number, record) in records.iter().filter(|record| record.pk().starts_with("FINDINGS#")).enumerate() {
            let claim = if number > 0 && Instant::now() >= enough_claimed { Err(no_time_left()) } else { self.claim(record).await };
            match claim {
                Ok(Some(claim)) => claimed.push((claim, &record.sequence)),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(error = chain(&error), "an alert could not be claimed");
                    // The alerts claimed so far are published; Lambda delivers the batch again from this record.
                    let failed_before = self.send_all(claimed, enough).await;
                    return Some(failed_before.unwrap_or_else(|| record.sequence.clone()));
                }
            }
        }
        self.send_all(claimed, enough).await
    }

    async fn carry_out(&self, request: Request, enough: Instant) -> Result<(), BoxError> {
        match request {
            Request::Digest => {
                let sent = self.send_digest(enough).await?;
                tracing::info!(sent, "sent the digest");
            }
            Request::TellAgain { findings, asked_at } => self.tell_again(&findings, asked_at, enough).await?,
        }
        Ok(())
    }
}
