//! The texts of alerts: one body for each format, for one finding, several findings or a digest.

use std::collections::BTreeMap;

use audit_core::{
    finding::{Finding, Status},
    report::v1,
};
use serde_json::json;

use super::{
    Alert, Kind,
    topics::{Format, Message},
};

/// Bytes of a body at most. SNS accepts messages of 256 KB, attributes included (docs/aws/prices-and-limits.md#other-services).
const LARGEST_BODY: usize = 200_000;

/// Findings that a message about several of them names at most.
const NAMED: usize = 20;

/// A finding on one line.
pub(super) fn line_of(alert: &Alert) -> String {
    let finding = &alert.stored.finding;
    format!("{} {} in {}/{}: {}", finding.severity, finding.rule, finding.account, finding.region, plain(&finding.detail, 300))
}

/// The message about one finding, or about several findings of one rule.
pub(super) fn message(format: Format, alerts: &[&Alert]) -> Message {
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
    // SNS counts attributes as part of the message, so a long list of accounts is truncated.
    for values in attributes.values_mut() {
        values.truncate(100);
    }
    Message { id, subject: plain(&subject, 100), body, attributes }
}

fn text_body(alerts: &[&Alert]) -> String {
    if let [alert] = alerts {
        let finding = &alert.stored.finding;
        let time = |time: Option<audit_core::timestamp::Timestamp>| time.map_or("not known".to_owned(), |time| time.to_string());
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

/// As many whole findings as fit into a message of SNS, and the ids of the others.
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

pub(super) fn digest_message(format: Format, id: &str, lines: &[(Kind, String)]) -> Message {
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

/// Replaces control and direction characters by spaces, and truncates. Names come from the accounts under audit, and must not be able to
/// look like another line, a mention or a command.
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
