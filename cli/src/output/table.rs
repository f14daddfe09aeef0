//! Writes results as tables and text for people.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use anstyle::{AnsiColor, Style};
use audit_core::{
    arn::AccountId,
    doctor,
    finding::{Finding, Status},
    json::printable,
    policy::lint::Level,
    report::{BlindRow, Filter, Report},
    severity::Severity,
    verdict::{Grade, Verdict},
};
use comfy_table::{ContentArrangement, Table, presets};

use super::text::wrapped;

const HEADING: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Findings that are shown in full at most.
const FINDINGS_SHOWN: usize = 30;

/// Accounts that are shown at most.
const ACCOUNTS_SHOWN: usize = 20;

/// Writes rows without a heading.
pub(crate) fn plain(out: &mut impl Write, rows: impl Iterator<Item = Vec<String>>) -> io::Result<()> {
    write_table(out, None, rows)
}

/// Writes rows under a heading.
pub(crate) fn headed(out: &mut impl Write, heading: &[&str], rows: impl Iterator<Item = Vec<String>>) -> io::Result<()> {
    write_table(out, Some(heading), rows)
}

fn write_table(out: &mut impl Write, heading: Option<&[&str]>, rows: impl Iterator<Item = Vec<String>>) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(heading) = heading {
        table.set_header(heading.to_vec());
    }
    // A line break in a name must not start a row.
    table.add_rows(rows.map(|row| row.iter().map(|cell| printable(cell).into_owned()).collect::<Vec<_>>()));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn severity_style(severity: Severity) -> Style {
    let color = match severity {
        Severity::Critical | Severity::High => AnsiColor::Red,
        Severity::Medium => AnsiColor::Yellow,
        Severity::Low | Severity::Informational => AnsiColor::Blue,
    };
    let style = Style::new().fg_color(Some(color.into()));
    if severity >= Severity::High { style.bold() } else { style }
}

pub(crate) fn level_style(level: Level) -> Style {
    let color = match level {
        Level::Error => AnsiColor::Red,
        Level::Warning => AnsiColor::Yellow,
        Level::Note => AnsiColor::Cyan,
    };
    Style::new().bold().fg_color(Some(color.into()))
}

/// Writes a whole report, the accounts that bypass or modify guardrails first.
pub(crate) fn report(out: &mut impl Write, report: &Report) -> io::Result<()> {
    limits(out, report.filter.as_ref(), &report.incomplete)?;
    accounts(out, report)?;
    findings(out, report)?;
    coverage(out, report)?;
    blind(out, report)?;
    records(out, report)
}

/// Writes the filter of a report and the reasons why it is incomplete. Both come before the results, so that nobody reads those without
/// them.
pub(crate) fn limits(out: &mut (impl Write + ?Sized), filter: Option<&Filter>, incomplete: &[String]) -> io::Result<()> {
    if let Some(filter) = filter {
        writeln!(out, "{}", wrapped(&format!("Filtered: only {filter}. Nothing is said about the rest."), 0))?;
    }
    for why in incomplete {
        writeln!(out, "{}", wrapped(&format!("Incomplete: {why}"), 0))?;
    }
    if filter.is_some() || !incomplete.is_empty() { writeln!(out) } else { Ok(()) }
}

/// The message where no account has an open finding.
fn no_accounts(report: &Report) -> &'static str {
    let is_nothing = report.coverage.is_empty() && report.findings.is_empty();
    if report.records.read == report.records.unreadable {
        "nothing was read, so nothing is known"
    } else if is_nothing && !report.incomplete.is_empty() {
        "nothing matches what was asked for, so nothing is known"
    } else if report.filter.is_some() {
        "no open finding in what was asked for; nothing is known of the rest"
    } else {
        "none that the evidence shows"
    }
}

pub(crate) fn status_style(status: doctor::Status) -> Style {
    let color = match status {
        doctor::Status::Ok => AnsiColor::Green,
        doctor::Status::Warn => AnsiColor::Yellow,
        doctor::Status::Fail => AnsiColor::Red,
        doctor::Status::Unknown => AnsiColor::Cyan,
    };
    Style::new().bold().fg_color(Some(color.into()))
}

pub(crate) fn heading(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "{HEADING}{text}{HEADING:#}")
}

#[derive(Default)]
struct Score {
    open: BTreeMap<Severity, u64>,
    calls: u64,
    uncovered: u64,
    rules: BTreeSet<(std::cmp::Reverse<Severity>, String)>,
}

fn accounts(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let mut scores: BTreeMap<&AccountId, Score> = BTreeMap::new();
    for row in &report.coverage {
        let score = scores.entry(&row.account).or_default();
        score.calls += row.count;
        score.uncovered += if row.verdict == Verdict::Violation { row.count } else { 0 };
    }
    for finding in report.findings.iter().filter(|finding| finding.status == Status::Open) {
        let score = scores.entry(&finding.account).or_default();
        *score.open.entry(finding.severity).or_default() += 1;
        score.rules.insert((std::cmp::Reverse(finding.severity), finding.rule.clone()));
    }
    let mut offending: Vec<(&AccountId, Score)> =
        scores.into_iter().filter(|(_, score)| score.open.keys().any(|severity| *severity >= Severity::Medium)).collect();
    heading(out, "Accounts that bypass or modify guardrails")?;
    if offending.is_empty() {
        writeln!(out, "  {}\n", no_accounts(report))?;
        return Ok(());
    }
    offending.sort_by_key(|(account, score)| {
        let open = |severity| std::cmp::Reverse(score.open.get(&severity).copied().unwrap_or(0));
        (open(Severity::Critical), open(Severity::High), std::cmp::Reverse(score.uncovered), (*account).clone())
    });
    let shown = offending.iter().take(ACCOUNTS_SHOWN).map(|(account, score)| {
        let open = |severity| score.open.get(&severity).map_or("-".to_owned(), ToString::to_string);
        let name = report.accounts.get(*account).cloned().unwrap_or_default();
        let worst: Vec<&str> = score.rules.iter().take(3).map(|(_, rule)| rule.as_str()).collect();
        vec![
            format!("  {account}"),
            name,
            open(Severity::Critical),
            open(Severity::High),
            open(Severity::Medium),
            format!("{} of {}", score.uncovered, score.calls),
            worst.join(", "),
        ]
    });
    headed(out, &["  ACCOUNT", "NAME", "CRITICAL", "HIGH", "MEDIUM", "CALLS UNCOVERED", "WORST"], shown)?;
    if offending.len() > ACCOUNTS_SHOWN {
        writeln!(out, "  and {} more", offending.len() - ACCOUNTS_SHOWN)?;
    }
    writeln!(out)
}

fn findings(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let of = |status| report.findings.iter().filter(move |finding| finding.status == status);
    let count = |status| of(status).count();
    let (open, suppressed, resolved) = (count(Status::Open), count(Status::Suppressed), count(Status::Resolved));
    let left_out = report.filter.as_ref().and_then(|filter| filter.left_out).filter(|count| *count > 0);
    let left_out = left_out.map(|count| format!("; {count} others are left out")).unwrap_or_default();
    heading(out, &format!("Findings: {open} open, {suppressed} suppressed, {resolved} resolved{left_out}"))?;
    for finding in of(Status::Open).take(FINDINGS_SHOWN) {
        summary(out, report, finding)?;
    }
    if open > FINDINGS_SHOWN {
        writeln!(out, "  and {} more open ones: `--format json` shows all", open - FINDINGS_SHOWN)?;
    }
    for finding in of(Status::Suppressed).take(FINDINGS_SHOWN) {
        if let Some(suppression) = &finding.suppression {
            let (rule, account, region) = (&finding.rule, &finding.account, &finding.region);
            let (until, owner, reason) = (&suppression.until, &suppression.owner, &suppression.reason);
            writeln!(out, "  {DIM}suppressed{DIM:#} {rule}  {account}/{region}")?;
            writeln!(out, "           {DIM}{}{DIM:#}", wrapped(&format!("until {until} by {owner}: {reason}"), 11))?;
        }
    }
    for finding in of(Status::Resolved).take(FINDINGS_SHOWN) {
        let at = finding.resolved_at.map(|at| format!(" at {at}")).unwrap_or_default();
        writeln!(out, "  {DIM}resolved{DIM:#}   {}  {}/{}{at}", finding.rule, finding.account, finding.region)?;
    }
    writeln!(out)
}

fn summary(out: &mut impl Write, report: &Report, finding: &Finding) -> io::Result<()> {
    let style = severity_style(finding.severity);
    let name = report.accounts.get(&finding.account).map(|name| format!(" ({})", printable(name))).unwrap_or_default();
    writeln!(out, "  {style}{:<8}{style:#} {}  {}/{}{name}", finding.severity, finding.rule, finding.account, finding.region)?;
    writeln!(out, "           {}", wrapped(&finding.detail, 11))?;
    let seen = match (finding.first_seen, finding.last_seen) {
        (Some(first), Some(last)) if first != last => format!("from {first} to {last}; "),
        (Some(first), _) => format!("at {first}; "),
        _ => String::new(),
    };
    let id = finding.id.get(..12).unwrap_or(&finding.id);
    let see = format!("{seen}finding {id}; see `guardrail-audit rules {}`", finding.rule);
    writeln!(out, "           {DIM}{}{DIM:#}", wrapped(&see, 11))
}

fn coverage(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let mut counts: BTreeMap<(Verdict, Grade), u64> = BTreeMap::new();
    for row in &report.coverage {
        *counts.entry((row.verdict, row.grade)).or_default() += row.count;
    }
    let total: u64 = counts.values().sum();
    heading(out, &format!("Calls: {total}"))?;
    let rows = counts.iter().map(|((verdict, grade), count)| {
        let share = count * 1000 / total.max(1);
        vec![format!("  {verdict}"), grade.to_string(), count.to_string(), format!("{}.{}%", share / 10, share % 10)]
    });
    plain(out, rows)?;
    writeln!(out)
}

fn blind(out: &mut impl Write, report: &Report) -> io::Result<()> {
    if report.blind.is_empty() {
        return Ok(());
    }
    let mut by_kind: BTreeMap<_, Vec<&BlindRow>> = BTreeMap::new();
    for row in &report.blind {
        by_kind.entry(row.missing).or_default().push(row);
    }
    heading(out, "Blind spots")?;
    for (missing, rows) in by_kind {
        let account_regions: Vec<String> = rows.iter().take(3).map(|row| format!("{}/{}", row.account, row.region)).collect();
        let more = if rows.len() > 3 { format!(" and {} more", rows.len() - 3) } else { String::new() };
        writeln!(out, "  {}: {}{more}", missing.as_str(), account_regions.join(", "))?;
        writeln!(out, "           {DIM}{}{DIM:#}", wrapped(&format!("to see it: {}", missing.remedy()), 11))?;
    }
    writeln!(out)
}

fn records(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let records = &report.records;
    heading(out, &format!("Records: {} read", records.read))?;
    writeln!(out, "  {} judged, {} ignored, {} unreadable", records.judged, records.ignored, records.unreadable)?;
    for (why, count) in &records.ignored_because {
        writeln!(out, "  {DIM}ignored: {count}, {why}{DIM:#}")?;
    }
    Ok(())
}

/// Writes all details of one finding.
pub(crate) fn finding(out: &mut impl Write, finding: &Finding) -> io::Result<()> {
    let style = severity_style(finding.severity);
    writeln!(out, "{style}{}{style:#} {}: {}", finding.severity, finding.rule, finding.title)?;
    let mut row = |name: &str, value: String| if value.is_empty() { Ok(()) } else { writeln!(out, "  {name:<13}{}", wrapped(&value, 15)) };
    let time = |time: Option<audit_core::timestamp::Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
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
