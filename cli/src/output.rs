//! How results look.

pub(crate) mod place;
pub(crate) mod rule_page;
pub(crate) mod table;
pub(crate) mod text;

use std::{
    borrow::Cow,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::Context as _;
use audit_core::{finding::Finding, report::Report};

use crate::{args::Format, exit::UsageError};

/// Writes a report to a file, or to standard output.
pub(crate) fn write(report: &Report, format: Format, path: Option<&Path>) -> anyhow::Result<()> {
    to(path, |out| write_to(out, report, format))
}

/// Writes to a file, or to standard output. A file is there whole or not at all.
pub(crate) fn to(path: Option<&Path>, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let Some(path) = path else {
        let mut out = BufWriter::new(anstream::stdout());
        write(&mut out)?;
        return Ok(out.flush()?);
    };
    let context = || format!("failed to write `{}`", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(context)?;
    // A file has no colours, whatever the terminal.
    let mut out = BufWriter::new(anstream::StripStream::new(file.as_file_mut()));
    write(&mut out).and_then(|()| Ok(out.flush()?)).with_context(context)?;
    drop(out);
    file.persist(path).with_context(context)?;
    Ok(())
}

fn write_to(mut out: &mut dyn Write, report: &Report, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Table => table::report(&mut out, report)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, report)?;
            writeln!(out)?;
        }
        Format::Jsonl => jsonl(&mut out, &report.findings)?,
        Format::Csv => csv(&mut out, &report.findings)?,
    }
    out.flush()?;
    Ok(())
}

/// One finding a line.
pub(crate) fn jsonl(out: &mut impl Write, findings: &[Finding]) -> anyhow::Result<()> {
    for finding in findings {
        serde_json::to_writer(&mut *out, finding)?;
        writeln!(out)?;
    }
    Ok(())
}

/// One finding a row.
pub(crate) fn csv(out: &mut impl Write, findings: &[Finding]) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record([
        "id",
        "rule",
        "severity",
        "status",
        "account",
        "region",
        "resource",
        "principals",
        "models",
        "apis",
        "verdict",
        "grade",
        "reason",
        "count",
        "first_seen",
        "last_seen",
        "title",
        "detail",
        "remediation",
    ])?;
    for finding in findings {
        let time = |time: Option<audit_core::moment::Moment>| time.map(|time| time.to_string()).unwrap_or_default();
        let (principals, models, apis) = (finding.principals.to_string(), finding.models.to_string(), finding.apis.to_string());
        let (count, first_seen, last_seen) = (finding.count.to_string(), time(finding.first_seen), time(finding.last_seen));
        let row: [&str; 19] = [
            &finding.id,
            &finding.rule,
            finding.severity.as_str(),
            finding.status.as_str(),
            &finding.account,
            &finding.region,
            &finding.resource,
            &principals,
            &models,
            &apis,
            finding.verdict.map_or("", audit_core::verdict::Verdict::as_str),
            finding.grade.map_or("", audit_core::verdict::Grade::as_str),
            finding.reason.map_or("", audit_core::verdict::Reason::as_str),
            &count,
            &first_seen,
            &last_seen,
            &finding.title,
            &finding.detail,
            &finding.remediation,
        ];
        csv.write_record(row.map(no_formula).iter().map(|cell| cell.as_bytes()))?;
    }
    csv.flush()?;
    Ok(())
}

/// Spreadsheets run cells that begin like a formula, and parts of a finding are worded by whoever made the call
/// (owasp.org/www-community/attacks/CSV_Injection).
fn no_formula(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@']) { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

/// The finding of an id, or of the start of one that only one finding has.
pub(crate) fn find<'f>(findings: &'f [Finding], id: &str) -> anyhow::Result<&'f Finding> {
    let mut matching = findings.iter().filter(|finding| finding.id.starts_with(id));
    match (matching.next(), matching.next()) {
        (Some(finding), None) => Ok(finding),
        (Some(_), Some(_)) => Err(UsageError(format!("several findings start with `{id}`")).into()),
        (None, _) => Err(UsageError(format!("there is no finding `{id}`")).into()),
    }
}
