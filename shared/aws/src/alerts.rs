//! `send-alerts`: tells people and tools about findings that are new, came back, got worse, are resolved or were withdrawn. Once each.
//!
//! What was last told of a finding is kept beside it. A message is claimed before it is sent and ticked off afterwards, each by a
//! conditional write; what a crash leaves claimed is sent again. A topic whose name ends in `.fifo` drops that copy; on others it is the
//! one way to be told twice, and both copies carry the same `id`.

mod messages;
mod topics;
mod transition;

use std::{collections::BTreeMap, sync::Arc};

use audit_core::{finding::Status, severity::Severity};
use serde::Deserialize;
use serde_json::json;

use self::{
    messages::{digest_message, line_of, message},
    transition::{GONE, alert_kind, withdrawn},
};
pub use self::{
    topics::{Format, Message, Publish, Topics},
    transition::{Alert, Kind},
};
use crate::{
    aws::Aws,
    clock::Clock,
    error::{BoxError, CallError, chain},
    findings::{AlertState, Findings, stored, transition},
    metrics::Metrics,
    settings::Environment,
    stream::{StreamHandler, StreamRecord},
};

/// Sends alerts.
#[derive(Debug)]
pub struct Alerts<P> {
    findings: Findings,
    topics: P,
    minimum: Severity,
    digest: bool,
    metrics: Metrics,
    clock: Clock,
}

/// What is asked of the function besides the stream.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// Send what was put aside.
    Digest,
}

/// So many messages of one rule and kind in a batch become one.
const BURST: usize = 5;

/// An alert on its way.
#[derive(Clone, Debug)]
struct Claimed {
    alert: Alert,
    state: AlertState,
}

impl Alerts<Topics> {
    /// From the environment.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let table = environment.required("FINDINGS_TABLE")?;
        let minimum = environment.severity("ALERT_MINIMUM_SEVERITY", Severity::Medium)?;
        let digest = environment.parsed("ALERT_DIGEST_MINUTES", 0_u32)? > 0;
        let metrics = Metrics::new(environment.parsed("METRICS_NAMESPACE", "GuardrailAudit".to_owned())?, "send-alerts", Clock::System);
        let hub_region = environment.optional("HUB_REGION");
        let aws = Aws::from_environment().await;
        let aws = Arc::new(hub_region.map_or_else(|| aws.in_own_region(), |region| aws.in_region(&region)));
        let topics = Topics::from_environment(&environment, Arc::clone(&aws))?;
        Ok(Self::new(Findings::new(aws, table), topics, minimum, digest, metrics, Clock::System))
    }
}

impl<P: Publish> Alerts<P> {
    /// Alerts of at least this severity, at once or put aside for a digest.
    pub fn new(findings: Findings, topics: P, minimum: Severity, digest: bool, metrics: Metrics, clock: Clock) -> Self {
        Alerts { findings, topics, minimum, digest, metrics, clock }
    }

    /// The alert that a change of a finding calls for, claimed.
    async fn claim(&self, record: &StreamRecord) -> Result<Option<Claimed>, CallError> {
        let image = stored(if record.new.is_empty() { &record.old } else { &record.new })?;
        // What counts is how the finding stands now: the stream may come again, and late.
        let current = self.findings.get(image.finding.account.as_str(), &image.finding.id).await?;
        let before = self.findings.alert_state(&image.finding.id).await?;
        // That it was withdrawn may have been told, should it have been on its way when the function died: then it is new again.
        let perhaps_notified_gone = current.is_some() && before.as_ref().is_some_and(|state| state.pending.as_deref() == Some(GONE));
        let notified =
            before.as_ref().and_then(|state| state.notified.as_deref()).filter(|notified| *notified != GONE && !perhaps_notified_gone);
        // One that was open for a moment is told, too, unless this is the late copy of a record from before it was withdrawn.
        let was_notified = before.as_ref().is_some_and(|state| state.notified.is_some());
        let was_open = !was_notified && !record.new.is_empty() && image.finding.status == Status::Open;
        let standing = if was_open { Some(&image.finding) } else { current.as_ref().map(|current| &current.finding) };
        let Some(kind) = alert_kind(notified, standing, self.minimum) else { return Ok(None) };
        let target = standing.map_or_else(|| GONE.to_owned(), transition);
        let subject = match current {
            Some(current) if !was_open => current,
            None if !was_open => withdrawn(image),
            _ => image,
        };
        let version = before.as_ref().map_or(0, |state| state.version) + 1;
        let sent =
            before.as_ref().filter(|state| state.pending.as_deref() == Some(&target)).map(|state| state.sent.clone()).unwrap_or_default();
        let withdrawn_before = before.as_ref().map_or(0, |state| state.withdrawn) + u64::from(perhaps_notified_gone);
        // A real recurrence has another id than what it is a recurrence of: whoever drops copies must not drop it.
        let turn = if withdrawn_before == 0 { target.clone() } else { format!("{target}#{withdrawn_before}") };
        let notified = before.and_then(|state| state.notified);
        let state = AlertState { notified, pending: Some(target), sent, since: self.clock.now(), version, withdrawn: withdrawn_before };
        if !self.findings.put_alert_state(&subject.finding.id, &state).await? {
            // Somebody else is at it.
            return Ok(None);
        }
        Ok(Some(Claimed { alert: Alert { kind, stored: subject, turn }, state }))
    }

    /// Sends what was claimed; many of one rule and kind together.
    async fn send_all(&self, claimed: Vec<(Claimed, &str)>) -> Option<String> {
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
                match self.send(claims).await {
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

    /// Writes down what was sent. Tried again at once: what isn't written down is sent again.
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

    /// Sends what was put aside, in one message.
    pub async fn send_digest(&self) -> Result<usize, CallError> {
        #[derive(Deserialize)]
        struct Aside {
            kind: Kind,
            line: String,
        }
        let aside = self.findings.digest().await?;
        if aside.is_empty() {
            return Ok(0);
        }
        let lines: Vec<(Kind, String)> =
            aside.iter().filter_map(|(_, body)| serde_json::from_str::<Aside>(body).ok()).map(|aside| (aside.kind, aside.line)).collect();
        let told: Vec<String> = aside.iter().map(|(id, body)| format!("{id} {body}")).collect();
        let id = crate::fact::digest(told.join("\n").as_bytes());
        for format in self.topics.formats() {
            self.topics.publish(format, &digest_message(format, &id, &lines)).await?;
        }
        for (id, body) in &aside {
            self.findings.remove_from_digest(id, body).await?;
        }
        Ok(aside.len())
    }
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

    async fn take(&self, records: &[StreamRecord]) -> Option<String> {
        let mut claimed: Vec<(Claimed, &str)> = Vec::new();
        for record in records.iter().filter(|record| record.pk().starts_with("FINDINGS#")) {
            match self.claim(record).await {
                Ok(Some(claim)) => claimed.push((claim, &record.sequence)),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(error = chain(&error), "an alert could not be claimed");
                    // What was claimed before is sent; the stream comes again from here.
                    let failed_before = self.send_all(claimed).await;
                    return Some(failed_before.unwrap_or_else(|| record.sequence.clone()));
                }
            }
        }
        self.send_all(claimed).await
    }

    async fn carry_out(&self, request: Request) -> Result<(), BoxError> {
        match request {
            Request::Digest => {
                let sent = self.send_digest().await?;
                tracing::info!(sent, "sent the digest");
            }
        }
        Ok(())
    }
}
