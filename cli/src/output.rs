//! Writes results in the format that was asked for.

mod clean;
mod export;
pub(crate) mod finding;
pub(crate) mod lints;
pub(crate) mod position;
pub(crate) mod report;
pub(crate) mod rule_page;
pub(crate) mod table;
mod target;
pub(crate) mod text;

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    path::Path,
};

use anyhow::Context as _;
use audit_core::{
    arn::AccountId,
    finding::Finding,
    report::{
        Report, columns,
        csv::{self, LineEnding},
        v1,
    },
};
use audit_exports::markdown;
use serde::Serialize;

use crate::{
    args::{ExportArgs, Format, ViewArgs},
    exit::UsageError,
};
pub(crate) use clean::Clean;
pub(crate) use export::findings as export;
pub(crate) use target::{refuse_overwriting, replace};

/// Writes a report to a file or to standard output.
pub(crate) fn write(report: &Report, format: Format, args: &ExportArgs, view: &ViewArgs, path: Option<&Path>) -> anyhow::Result<()> {
    to(path, |out| write_to(out, report, format, args, view))
}

/// Writes to a file or to standard output.
pub(crate) fn to(path: Option<&Path>, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    match path {
        None => to_stdout(write),
        Some(path) if is_stdout(path) => to_stdout(write),
        Some(path) => target::write(path, write).with_context(|| format!("failed to write `{}`", path.display())),
    }
}

/// Returns whether a path is `-`, which stands for standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-") || path == Path::new("/dev/stdout")
}

fn to_stdout(write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(stdout());
    write(&mut out)?;
    Ok(out.flush()?)
}

/// Standard output, without colours where it is no terminal.
pub(crate) fn stdout() -> Clean<UntilClosed<anstream::AutoStream<io::Stdout>>> {
    Clean::new(UntilClosed::new(anstream::stdout()))
}

/// Writes a value as JSON.
pub(crate) fn json(out: &mut (impl Write + ?Sized), value: &(impl Serialize + ?Sized)) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(clean::Escaped(&mut *out), value)?;
    Ok(writeln!(out)?)
}

/// A writer that ignores what is written once the reader, such as `head`, has closed the pipe. The result and the exit code don't depend on
/// how much was read.
pub(crate) struct UntilClosed<W> {
    out: W,
    closed: bool,
}

impl<W: Write> UntilClosed<W> {
    fn new(out: W) -> Self {
        UntilClosed { out, closed: false }
    }

    fn unless_closed<T>(&mut self, otherwise: T, write: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if self.closed {
            return Ok(otherwise);
        }
        match write(&mut self.out) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(otherwise)
            }
            outcome => outcome,
        }
    }
}

impl<W: Write> Write for UntilClosed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_closed(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_closed((), W::flush)
    }
}

fn write_to(mut out: &mut dyn Write, report: &Report, format: Format, args: &ExportArgs, view: &ViewArgs) -> anyhow::Result<()> {
    match format {
        Format::Table => report::write(out, report, view)?,
        Format::Json => json(out, &v1::Report::from(report))?,
        Format::Jsonl => jsonl(&mut out, &v1::findings(&report.findings))?,
        Format::Csv => csv(&mut out, &report.findings, &report.accounts)?,
        Format::Markdown => markdown::report(out, report)?,
        Format::Ocsf | Format::Asff | Format::Sarif => export::findings(out, &report.findings, &report.into(), format, args)?,
        Format::Html => out.write_all(audit_page::html(report)?.as_bytes())?,
        Format::Svg => out.write_all(audit_page::heat_map_svg(report)?.as_bytes())?,
    }
    out.flush()?;
    Ok(())
}

/// Writes values as JSON, one value a line.
pub(crate) fn jsonl(out: &mut (impl Write + ?Sized), values: &[impl Serialize]) -> anyhow::Result<()> {
    for value in values {
        serde_json::to_writer(clean::Escaped(&mut *out), value)?;
        writeln!(out)?;
    }
    Ok(())
}

/// Writes findings as CSV, one row each. The last column is the account's name, where the organization is known.
pub(crate) fn csv(out: &mut impl Write, findings: &[Finding], accounts: &BTreeMap<AccountId, String>) -> anyhow::Result<()> {
    let headings = columns::CSV.iter().map(|column| column.heading).chain([columns::ACCOUNT_NAME]);
    let mut table = csv::Writer::new(out, LineEnding::Lf, headings)?;
    for finding in findings {
        let name = accounts.get(&finding.account).map(String::as_str).unwrap_or_default();
        table.row(columns::CSV.iter().map(|column| (column.cell)(finding)).chain([name.into()]))?;
    }
    Ok(table.finish()?)
}

/// Finds the finding with this id, or with an id that starts like this if there is only one.
pub(crate) fn find<'f>(findings: &'f [Finding], id: &str) -> anyhow::Result<&'f Finding> {
    let matching: Vec<&Finding> = findings.iter().filter(|finding| finding.id.starts_with(id)).collect();
    match matching.as_slice() {
        [finding] => Ok(finding),
        [] => Err(UsageError(format!("there is no finding `{id}`")).into()),
        several => {
            let named = several.iter().take(MEANT).map(|finding| {
                let id: String = finding.id.chars().take(12).collect();
                format!("{id} ({} in {}/{})", finding.rule, finding.account, finding.region)
            });
            let more = several.len().saturating_sub(MEANT);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            Err(UsageError(format!("several findings start with `{id}`: {}{more}", named.collect::<Vec<_>>().join(", "))).into())
        }
    }
}

/// Findings that a message names at most, if their ids start with what was given.
const MEANT: usize = 5;
