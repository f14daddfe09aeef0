//! Writes all details of one finding.

use std::io::{self, Write};

use audit_core::{finding::Finding, timestamp::Timestamp};

use super::{table::severity_style, text::wrapped};

/// Writes all details of one finding.
pub(crate) fn details(out: &mut (impl Write + ?Sized), finding: &Finding) -> io::Result<()> {
    let style = severity_style(finding.severity);
    writeln!(out, "{style}{}{style:#} {}: {}", finding.severity, finding.rule, finding.title)?;
    let mut row = |name: &str, value: String| if value.is_empty() { Ok(()) } else { writeln!(out, "  {name:<13}{}", wrapped(&value, 15)) };
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    row("id", finding.id.clone())?;
    row("status", finding.status.as_str().to_owned())?;
    row("where", format!("{}/{}", finding.account, finding.region))?;
    row("resource", finding.resource.clone())?;
    row("what", finding.detail.clone())?;
    row("verdict", finding.verdict.map(|verdict| verdict.to_string()).unwrap_or_default())?;
    row("grade", finding.grade.map(|grade| grade.to_string()).unwrap_or_default())?;
    row("reason", finding.reason.map(|reason| reason.to_string()).unwrap_or_default())?;
    row("principals", finding.principals.to_string())?;
    row("models", finding.models.to_string())?;
    row("operations", finding.apis.to_string())?;
    row("count", finding.count.to_string())?;
    row("first seen", time(finding.first_seen))?;
    row("last seen", time(finding.last_seen))?;
    row("events", finding.events.join(", "))?;
    if let Some(policy) = &finding.policy {
        let since = policy.since.map(|since| format!(", in force from {since}")).unwrap_or_default();
        let identifier = policy.identifier.as_deref().unwrap_or("nothing for this Region");
        let origin = policy
            .policy
            .as_ref()
            .zip(policy.attached_to.as_ref())
            .map(|(policy, target)| format!(", set by {policy} attached to {target}"));
        row("policy", format!("{} ({}{since}){}", identifier, policy.basis, origin.unwrap_or_default()))?;
    }
    if let Some(suppression) = &finding.suppression {
        row("suppressed", format!("until {} by {}: {}", suppression.until, suppression.owner, suppression.reason))?;
    }
    row("resolved", time(finding.resolved_at))?;
    row("reopened", if finding.reopened > 0 { format!("{} times", finding.reopened) } else { String::new() })?;
    row("what to do", finding.remediation.clone())
}
