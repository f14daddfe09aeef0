//! The page: fills its template with the values that the other modules compute.

use askama::Template;
use audit_core::{
    finding::{Finding, Status},
    json::printable,
    report::{Report, worst_first},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use crate::{
    heat_map::{HeatMap, Use},
    numbers::{counted, date, grouped},
    rows,
    summary::{Blind, Summary, blind},
};

const STYLE: &str = include_str!("../assets/page.css");
const SCRIPT: &str = include_str!("../assets/page.js");

/// Findings that are in the page as text, for print and where scripts don't run.
const WORST: usize = 100;

/// The error when a page can't be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A template can't be rendered.
    #[error("failed to render the page")]
    Render(#[from] askama::Error),
    /// A finding can't be written as JSON.
    #[error("failed to put the findings into the page")]
    Data(#[source] serde_json::Error),
    /// The findings can't be compressed.
    #[error("failed to compress the findings")]
    Deflate(#[source] std::io::Error),
}

/// A finding as text.
struct Line {
    severity: &'static str,
    status: String,
    rule: String,
    title: String,
    place: String,
    detail: String,
    seen: String,
    /// Who accepts it and why, if it is suppressed.
    exception: String,
    id: String,
}

#[derive(Template)]
#[template(path = "page.html", escape = "html")]
struct Page {
    policy: String,
    style: &'static str,
    script: &'static str,
    title: String,
    summary: Summary,
    map: String,
    has_map: bool,
    limits: Vec<String>,
    generated: String,
    tool: String,
    records: String,
    unreadable: Vec<String>,
    more_unreadable: usize,
    worst: Vec<Line>,
    findings: String,
    more_findings: String,
    blind: Vec<Blind>,
    data: String,
}

/// What a report is limited to and lacks, a sentence each.
pub(crate) fn limits_of(report: &Report) -> Vec<String> {
    let mut limits: Vec<String> = report.incomplete.iter().map(|why| format!("Incomplete: {why}.")).collect();
    if let Some(filter) = &report.filter {
        let left_out =
            filter.left_out.filter(|count| *count > 0).map(|count| format!(" {} left out.", counted(count, "finding"))).unwrap_or_default();
        limits.push(format!("Filtered: only {filter}. Nothing is said about the rest.{left_out}"));
    }
    if report.is_without_world {
        limits.push(
            "No state was given, so hardly a call can be proved: make a folder of it with `guardrail-audit snapshot --dir world/`, and give it with \
             `--world world/`."
                .to_owned(),
        );
    }
    limits
}

/// A report as a page: one HTML file that needs nothing else.
///
/// # Errors
///
/// Fails only if a template can't be rendered or a finding not be written as JSON, neither of which happens.
pub fn html(report: &Report) -> Result<String, PageError> {
    let summary = Summary::of(report)?;
    let map = HeatMap::of(report, Use::Page);
    let records = &report.records;
    let open = report.findings.iter().filter(|finding| finding.status == Status::Open).count();
    let all = report.findings.len();
    let page = Page {
        policy: format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
            hash(SCRIPT),
            hash(STYLE)
        ),
        style: STYLE,
        script: SCRIPT,
        title: if summary.period.is_empty() { "Guardrail Audit".to_owned() } else { format!("Guardrail Audit, {}", summary.period) },
        summary,
        has_map: !map.is_empty,
        map: map.render()?,
        limits: limits_of(report),
        generated: format!("{} at {} UTC", date(report.generated_at), report.generated_at.to_string().get(11..16).unwrap_or_default()),
        tool: format!("{} {}", report.tool.name, report.tool.version),
        records: if records.read == 0 {
            String::new()
        } else {
            format!(
                "{} read: {} judged, {} ignored, {} unreadable.",
                counted(records.read, "record"),
                grouped(records.judged),
                grouped(records.ignored),
                grouped(records.unreadable)
            )
        },
        unreadable: report
            .unreadable
            .iter()
            .take(20)
            .map(|unreadable| printable(&format!("{}: {}", unreadable.file, unreadable.reason)).into_owned())
            .collect(),
        more_unreadable: report.unreadable.len().saturating_sub(20),
        worst: worst_first(&report.findings).into_iter().take(WORST).map(|finding| line(report, finding)).collect(),
        findings: format!("{}, {} open", counted(all as u64, "finding"), grouped(open as u64)),
        more_findings: if all > WORST { format!("The worst {WORST} of {}.", counted(all as u64, "finding")) } else { String::new() },
        blind: blind(report, usize::MAX).0,
        data: rows::encoded(report)?,
    };
    Ok(page.render()?)
}

fn line(report: &Report, finding: &Finding) -> Line {
    let name = report.accounts.get(&finding.account).filter(|name| !name.is_empty());
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    let end = match (finding.status, &finding.suppression, finding.resolved_at) {
        (Status::Suppressed, Some(suppression), _) => format!("excepted until {}", suppression.until),
        (Status::Resolved, _, Some(at)) => format!("resolved {}", date(at)),
        (status, ..) => status.as_str().to_lowercase(),
    };
    let seen = match (finding.first_seen, finding.last_seen) {
        (Some(first), Some(last)) if date(first) != date(last) => format!("{} – {}", date(first), date(last)),
        (Some(first), _) => date(first),
        _ => String::new(),
    };
    let shown = |text: &str| printable(text).into_owned();
    Line {
        severity: finding.severity.as_str(),
        status: shown(&end),
        rule: finding.rule.clone(),
        title: shown(&finding.title),
        place: shown(&format!("{}{name}, {}", finding.account, finding.region)),
        detail: shown(&finding.detail),
        seen,
        exception: finding
            .suppression
            .as_ref()
            .filter(|_| finding.status == Status::Suppressed)
            .map(|suppression| shown(&format!("Accepted by {}: {}", suppression.owner, suppression.reason)))
            .unwrap_or_default(),
        id: finding.id.chars().take(12).collect(),
    }
}

/// The hash of a script or a style sheet, as a Content-Security-Policy allows it.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}
