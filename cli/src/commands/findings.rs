//! `guardrail-audit findings`

use std::{io::Write as _, path::Path};

use anyhow::Context as _;
use audit_core::finding::Finding;
use audit_local::store::Store;

use crate::{
    args::{FindingsCommand, Format, PlainFormat},
    exit::Exit,
    output::{self, table},
};

pub(crate) fn run(command: &FindingsCommand) -> anyhow::Result<Exit> {
    match command {
        FindingsCommand::List { store, filter, format } => {
            let mut findings = findings_in(store)?;
            findings.retain(|finding| filter.passes(finding));
            list(&findings, *format)?;
        }
        FindingsCommand::Show { finding, store, format } => {
            let findings = findings_in(store)?;
            let finding = output::find(&findings, finding)?;
            match format {
                PlainFormat::Table => table::finding(&mut output::stdout(), finding)?,
                PlainFormat::Json => {
                    let mut out = output::stdout();
                    serde_json::to_writer_pretty(&mut out, finding)?;
                    writeln!(out)?;
                }
            }
        }
    }
    Ok(Exit::Clean)
}

fn findings_in(path: &Path) -> anyhow::Result<Vec<Finding>> {
    let context = || format!("failed to read the store `{}`", path.display());
    Store::open_existing(path).with_context(context)?.findings().with_context(context)
}

fn list(findings: &[Finding], format: Format) -> anyhow::Result<()> {
    let mut out = output::stdout();
    match format {
        Format::Table => {
            let rows = findings.iter().map(|finding| {
                let id = finding.id.get(..12).unwrap_or(&finding.id).to_owned();
                let last = finding.last_seen.map(|time| time.to_string()).unwrap_or_default();
                let place = format!("{}/{}", finding.account, finding.region);
                vec![
                    id,
                    finding.severity.to_string(),
                    finding.status.as_str().to_owned(),
                    finding.rule.clone(),
                    place,
                    finding.count.to_string(),
                    last,
                ]
            });
            table::headed(&mut out, &["ID", "SEVERITY", "STATUS", "RULE", "WHERE", "COUNT", "LAST SEEN"], rows)?;
        }
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, findings)?;
            writeln!(out)?;
        }
        Format::Jsonl => output::jsonl(&mut out, findings)?,
        Format::Csv => output::csv(&mut out, findings)?,
    }
    Ok(())
}
