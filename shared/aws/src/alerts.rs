//! `send-alerts`: tells people and tools about findings that are new, came back, got worse, are resolved or were withdrawn. Once each.
//!
//! What was last told of a finding is kept beside it. A message is claimed before it is sent and ticked off afterwards, each by a
//! conditional write; what a crash leaves claimed is sent again. A topic whose name ends in `.fifo` drops that copy; on others it is the
//! one way to be told twice, and both copies carry the same `id`.

use std::{collections::BTreeMap, sync::Arc};

use audit_core::{
    finding::{Finding, Status},
    report::v1,
    severity::Severity,
};
use aws_lambda_events::{
    dynamodb::Event,
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use aws_sdk_sns::types::MessageAttributeValue;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    aws::Aws,
    clock::Clock,
    edge::Handler,
    error::{BoxError, CallError, chain, failed},
    findings::{AlertState, Findings, Stored, stored, transition},
    metrics::Metrics,
    settings::{Environment, SettingError},
    stream::{self, StreamRecord},
};

/// Why there is something to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It was not there before.
    New,
    /// It was resolved, and is back.
    Reopened,
    /// It got worse.
    Escalated,
    /// All is right again.
    Resolved,
    /// It isn't so, judged again by what is known now.
    Withdrawn,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Kind::New => "new",
            Kind::Reopened => "reopened",
            Kind::Escalated => "escalated",
            Kind::Resolved => "resolved",
            Kind::Withdrawn => "withdrawn",
        }
    }
}

/// Something to tell about a finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Why.
    pub kind: Kind,
    /// About what.
    pub stored: Stored,
    /// The turn of the finding that is told, the same however often it is: how it stands, and how often it had been withdrawn before.
    pub turn: String,
}

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people who read e-mail.
    Text,
    /// For tools.
    Json,
    /// For Amazon Q Developer in chat applications.
    Chat,
}

/// A message to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same for the same news.
    pub id: String,
    /// The title; of e-mails the subject.
    pub subject: String,
    /// The text.
    pub body: String,
    /// What subscriptions can filter by: a text, or several.
    pub attributes: BTreeMap<&'static str, Vec<String>>,
}

/// Where messages go.
pub trait Publish: Send + Sync {
    /// The formats that somebody wants.
    fn formats(&self) -> Vec<Format>;
    /// Sends a message in a format.
    fn publish(&self, format: Format, message: &Message) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// Topics of SNS, by format.
#[derive(Clone, Debug)]
pub struct Topics {
    aws: Arc<Aws>,
    arns: BTreeMap<Format, String>,
}

impl Topics {
    /// From the environment: one topic in one format, or up to three.
    pub fn from_environment(environment: &Environment, aws: Arc<Aws>) -> Result<Self, SettingError> {
        let of = |name, format| environment.optional(name).map(|arn| (format, arn));
        let mut arns: BTreeMap<Format, String> =
            [("ALERTS_TOPIC_ARN_TEXT", Format::Text), ("ALERTS_TOPIC_ARN_JSON", Format::Json), ("ALERTS_TOPIC_ARN_CHAT", Format::Chat)]
                .into_iter()
                .filter_map(|(name, format)| of(name, format))
                .collect();
        if let Some(arn) = environment.optional("ALERTS_TOPIC_ARN").filter(|_| arns.is_empty()) {
            let word = environment.parsed("ALERT_FORMAT", "text".to_owned())?;
            let format =
                [("text", Format::Text), ("json", Format::Json), ("chat", Format::Chat)].into_iter().find(|(known, _)| *known == word);
            let problem = "not text, json or chat".to_owned();
            let (_, format) = format.ok_or(SettingError::Wrong { name: "ALERT_FORMAT", value: word, problem })?;
            arns.insert(format, arn);
        }
        if arns.is_empty() {
            return Err(SettingError::Missing("ALERTS_TOPIC_ARN"));
        }
        Ok(Topics { aws, arns })
    }
}

impl Publish for Topics {
    fn formats(&self) -> Vec<Format> {
        self.arns.keys().copied().collect()
    }

    async fn publish(&self, format: Format, message: &Message) -> Result<(), CallError> {
        let Some(arn) = self.arns.get(&format) else { return Ok(()) };
        let mut request = self.aws.sns().publish().topic_arn(arn).message(&message.body);
        if format == Format::Text {
            request = request.subject(&message.subject);
        }
        if arn.rsplit_once('.').is_some_and(|(_, ending)| ending == "fifo") {
            request = request.message_group_id("guardrail-audit").message_deduplication_id(&message.id);
        }
        for (name, values) in &message.attributes {
            let value = match values.as_slice() {
                [one] => MessageAttributeValue::builder().data_type("String").string_value(one),
                several => MessageAttributeValue::builder().data_type("String.Array").string_value(json!(several).to_string()),
            };
            if let Ok(value) = value.build() {
                request = request.message_attributes(*name, value);
            }
        }
        request.send().await.map(|_| ()).map_err(failed("send an alert"))
    }
}

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

/// What the function is called with.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Input {
    /// A request.
    Request(Request),
    /// A batch of the stream.
    Stream(Event),
}

/// So many messages of one rule and kind in a batch become one.
const BURST: usize = 5;

/// The longest body in bytes: a message of SNS has at most 256 KB with its attributes (docs/aws/prices-and-limits.md#other-services).
const LARGEST_BODY: usize = 200_000;

/// So many findings are named in a message about several.
const NAMED: usize = 20;

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

    /// Takes a batch of the stream. Answers with where to begin again if something failed.
    pub async fn take(&self, records: &[StreamRecord]) -> Option<String> {
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

    /// The alert that a change of a finding calls for, claimed.
    async fn claim(&self, record: &StreamRecord) -> Result<Option<Claimed>, CallError> {
        let image = stored(if record.new.is_empty() { &record.old } else { &record.new })?;
        // What counts is how the finding stands now: the stream may come again, and late.
        let current = self.findings.get(image.finding.account.as_str(), &image.finding.id).await?;
        let before = self.findings.alert_state(&image.finding.id).await?;
        // That it was withdrawn may have been told, should it have been on its way when the function died: then it is new again.
        let told_gone_perhaps = current.is_some() && before.as_ref().is_some_and(|state| state.pending.as_deref() == Some(GONE));
        let told = before.as_ref().and_then(|state| state.told.as_deref()).filter(|told| *told != GONE && !told_gone_perhaps);
        // One that was open for a moment is told, too, unless this is the late copy of a record from before it was withdrawn.
        let was_told = before.as_ref().is_some_and(|state| state.told.is_some());
        let was_open = !was_told && !record.new.is_empty() && image.finding.status == Status::Open;
        let standing = if was_open { Some(&image.finding) } else { current.as_ref().map(|current| &current.finding) };
        let Some(kind) = news(told, standing, self.minimum) else { return Ok(None) };
        let target = standing.map_or_else(|| GONE.to_owned(), transition);
        let telling = match current {
            Some(current) if !was_open => current,
            None if !was_open => withdrawn(image),
            _ => image,
        };
        let version = before.as_ref().map_or(0, |state| state.version) + 1;
        let sent =
            before.as_ref().filter(|state| state.pending.as_deref() == Some(&target)).map(|state| state.sent.clone()).unwrap_or_default();
        let withdrawn_before = before.as_ref().map_or(0, |state| state.withdrawn) + u64::from(told_gone_perhaps);
        // A real recurrence has another id than what it is a recurrence of: whoever drops copies must not drop it.
        let turn = if withdrawn_before == 0 { target.clone() } else { format!("{target}#{withdrawn_before}") };
        let told = before.and_then(|state| state.told);
        let state = AlertState { told, pending: Some(target), sent, since: self.clock.now(), version, withdrawn: withdrawn_before };
        if !self.findings.put_alert_state(&telling.finding.id, &state).await? {
            // Somebody else is at it.
            return Ok(None);
        }
        Ok(Some(Claimed { alert: Alert { kind, stored: telling, turn }, state }))
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
            let told = if all_sent { claim.state.pending.clone() } else { claim.state.told.clone() };
            let pending = claim.state.pending.clone().filter(|_| !all_sent);
            let sent = if all_sent { Vec::new() } else { claim.state.sent.clone() };
            let withdrawn = claim.state.withdrawn + u64::from(told.as_deref() == Some(GONE) && all_sent);
            let state = AlertState { told, pending, sent, since: claim.state.since, version: claim.state.version + 1, withdrawn };
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

/// What was last told of a finding that isn't there any more. Should it come back, it is new.
const GONE: &str = "GONE";

/// A finding that was withdrawn, as it is told.
fn withdrawn(stored: Stored) -> Stored {
    let detail = format!("no longer so, judged again by what is known now; it was: {}", stored.finding.detail);
    Stored { finding: Finding { status: Status::Resolved, detail, ..stored.finding }, ..stored }
}

/// What there is to tell of a finding, given what was last told of it; `None` stands for a finding that isn't there.
fn news(told: Option<&str>, finding: Option<&Finding>, minimum: Severity) -> Option<Kind> {
    let (told, finding) = match (told, finding) {
        (Some(told), Some(finding)) => (told, finding),
        (None, Some(finding)) => return (finding.status == Status::Open && finding.severity >= minimum).then_some(Kind::New),
        // Who was told that all is right again needn't hear that it never was wrong.
        (Some(told), None) => return (told.split('#').next() == Some(Status::Open.as_str())).then_some(Kind::Withdrawn),
        (None, None) => return None,
    };
    let mut parts = told.split('#');
    let status = parts.next().and_then(Status::parse);
    let severity = parts.next().and_then(Severity::parse).unwrap_or(Severity::Informational);
    let reopened: u64 = parts.next().and_then(|count| count.parse().ok()).unwrap_or(0);
    match (finding.status, status) {
        (Status::Open, Some(Status::Resolved)) => Some(Kind::Reopened),
        (Status::Open, _) if finding.reopened > reopened => Some(Kind::Reopened),
        (Status::Open, _) if finding.severity > severity => Some(Kind::Escalated),
        (Status::Resolved, Some(Status::Open)) => Some(Kind::Resolved),
        _ => None,
    }
}

/// A finding in a line.
fn line_of(alert: &Alert) -> String {
    let finding = &alert.stored.finding;
    format!("{} {} in {}/{}: {}", finding.severity, finding.rule, finding.account, finding.region, plain(&finding.detail, 300))
}

/// The message about one finding, or about several of one rule.
fn message(format: Format, alerts: &[&Alert]) -> Message {
    let ids: Vec<String> = alerts.iter().map(|alert| format!("{}#{}", alert.stored.finding.id, alert.turn)).collect();
    let id = crate::fact::digest(ids.join("\n").as_bytes());
    let Some(first) = alerts.first() else {
        return Message { id, subject: String::new(), body: String::new(), attributes: BTreeMap::new() };
    };
    let findings: Vec<&Finding> = alerts.iter().map(|alert| &alert.stored.finding).collect();
    let finding = &first.stored.finding;
    let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or(finding.severity);
    let subject = if alerts.len() == 1 {
        format!("[{worst}] {}: {} in {}/{}", first.kind.as_str(), finding.rule, finding.account, finding.region)
    } else {
        format!("[{worst}] {} {} findings: {}", alerts.len(), first.kind.as_str(), finding.rule)
    };
    let body = match format {
        Format::Text => text_body(alerts),
        Format::Json => json_body(&id, first.kind, &findings),
        Format::Chat => chat_body(&id, &subject, alerts),
    };
    let unique = |values: Vec<String>| values.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    let mut attributes = BTreeMap::from([
        ("severity", vec![worst.to_string()]),
        ("account", unique(findings.iter().map(|finding| finding.account.to_string()).collect())),
        ("region", unique(findings.iter().map(|finding| finding.region.to_string()).collect())),
        ("rule", vec![finding.rule.clone()]),
        ("kind", vec![first.kind.as_str().to_owned()]),
    ]);
    let units = unique(alerts.iter().flat_map(|alert| alert.stored.units.iter().cloned()).collect());
    if !units.is_empty() {
        attributes.insert("ou", units);
    }
    // A filter that fits none of very many must not make the message too large.
    for values in attributes.values_mut() {
        values.truncate(100);
    }
    Message { id, subject: plain(&subject, 100), body, attributes }
}

fn text_body(alerts: &[&Alert]) -> String {
    if let [alert] = alerts {
        let finding = &alert.stored.finding;
        let time = |time: Option<audit_core::moment::Moment>| time.map_or("not known".to_owned(), |time| time.to_string());
        let mut lines = vec![
            format!("{} ({})", finding.title, alert.kind.as_str()),
            String::new(),
            format!("Severity:    {}", finding.severity),
            format!("Rule:        {}", finding.rule),
            format!("Account:     {}", finding.account),
            format!("Region:      {}", finding.region),
            format!("Resource:    {}", plain(&finding.resource, 300)),
            format!("By:          {}", plain(&finding.principals.to_string(), 1000)),
            format!("First seen:  {}", time(finding.first_seen)),
            format!("Last seen:   {}", time(finding.last_seen)),
            format!("Count:       {}", finding.count),
            String::new(),
            plain(&finding.detail, 4000),
            String::new(),
            format!("What to do: {}", plain(&finding.remediation, 2000)),
            String::new(),
            format!("Finding {}", finding.id),
        ];
        if alert.kind == Kind::Withdrawn {
            lines.insert(1, "This is no longer so: it was judged again by what is known now.".to_owned());
        } else if finding.status == Status::Resolved {
            lines.insert(1, "Evidence shows that this is right again.".to_owned());
        }
        return lines.join("\n");
    }
    let mut lines: Vec<String> = alerts.iter().take(NAMED).map(|alert| format!("- {}", line_of(alert))).collect();
    if alerts.len() > NAMED {
        lines.push(format!("and {} more", alerts.len() - NAMED));
    }
    lines.join("\n")
}

/// The findings whole, as many as fit into a message of SNS (256 KB); of the others the ids.
fn json_body(id: &str, kind: Kind, findings: &[&Finding]) -> String {
    let mut shown = NAMED;
    loop {
        let (whole, rest) = findings.split_at(shown.min(findings.len()));
        let more: Vec<&str> = rest.iter().map(|finding| finding.id.as_str()).collect();
        let body =
            json!({"schema_version": 1, "id": id, "kind": kind, "findings": v1::findings(whole.iter().copied()), "more": more}).to_string();
        if body.len() <= LARGEST_BODY || shown == 0 {
            return body;
        }
        shown /= 2;
    }
}

fn chat_body(id: &str, subject: &str, alerts: &[&Alert]) -> String {
    let mut lines: Vec<String> = alerts.iter().take(NAMED).map(|alert| for_chat(&line_of(alert))).collect();
    let first = alerts.first().map(|alert| &alert.stored.finding);
    let thread = match alerts {
        [alert] => alert.stored.finding.id.clone(),
        _ => first.map(|finding| finding.rule.clone()).unwrap_or_default(),
    };
    if alerts.len() > NAMED {
        lines.push(format!("and {} more", alerts.len() - NAMED));
    }
    let description = lines.join("\n");
    let keywords: Vec<String> = first.map(|finding| vec![finding.severity.to_string(), finding.rule.clone()]).unwrap_or_default();
    let next_steps: Vec<String> = first.map(|finding| for_chat(&plain(&finding.remediation, 350))).into_iter().collect();
    json!({
        "version": "1.0", "source": "custom", "id": id,
        "content": {"textType": "client-markdown", "title": plain(subject, 250), "description": cut(&description, 8000),
            "nextSteps": next_steps, "keywords": keywords},
        "metadata": {"threadId": thread, "summary": plain(subject, 250)},
    })
    .to_string()
}

fn digest_message(format: Format, id: &str, lines: &[(Kind, String)]) -> Message {
    let subject = format!("{} news about guardrails", lines.len());
    let listed: Vec<String> = lines.iter().map(|(kind, line)| format!("- {}: {line}", kind.as_str())).collect();
    let text = cut(&listed.join("\n"), 200_000);
    let body = match format {
        Format::Text => text,
        Format::Json => json!({"schema_version": 1, "id": id, "kind": "digest", "lines": listed}).to_string(),
        Format::Chat => json!({"version": "1.0", "source": "custom", "id": id, "content": {"textType": "client-markdown", "title": subject,
            "description": cut(&for_chat(&text), 8000)}})
        .to_string(),
    };
    Message { id: id.to_owned(), subject, body, attributes: BTreeMap::from([("kind", vec!["digest".to_owned()])]) }
}

/// Without anything that could be mistaken for a line, a mention or a command: names come from those who are watched.
fn plain(text: &str, most: usize) -> String {
    cut(
        &text
            .chars()
            .map(|c| {
                if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
                    ' '
                } else {
                    c
                }
            })
            .collect::<String>(),
        most,
    )
}

fn for_chat(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most.saturating_sub(1)).chain(['…']).collect() }
}

impl<P: Publish> Handler<Input, DynamoDbEventResponse> for Alerts<P> {
    async fn handle(&self, input: Input, _: &str) -> Result<DynamoDbEventResponse, BoxError> {
        let mut response = DynamoDbEventResponse::default();
        match input {
            Input::Request(Request::Digest) => {
                let sent = self.send_digest().await?;
                tracing::info!(sent, "sent the digest");
            }
            Input::Stream(event) => {
                if let Some(sequence) = self.take(&stream::records(event)).await {
                    let mut failure = DynamoDbBatchItemFailure::default();
                    failure.item_identifier = Some(sequence);
                    response.batch_item_failures.push(failure);
                }
            }
        }
        Ok(response)
    }
}
