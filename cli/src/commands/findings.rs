//! `guardrail-audit findings`: lists the findings in a store, or shows one.

use std::{io::Write, path::Path};

use anyhow::Context as _;
use audit_core::{finding::Finding, report::v1};
use audit_exports::{Export, markdown};
use audit_local::store::Store;

use super::{
    audit::{choices_in, nothing_of, stored_world, tool},
    now,
};
use crate::{
    args::{ExportArgs, FindingsCommand, Format, PlainFormat},
    console::Console,
    exit::Exit,
    output::{self, table, text::counted},
};

pub(crate) fn run(command: &FindingsCommand, console: Console) -> anyhow::Result<Exit> {
    match command {
        FindingsCommand::List { store, filter, format, output, export } => {
            export.check(*format)?;
            let (choices, mut findings, accounts, organization) = {
                let context = || format!("failed to read the store `{}`", store.display());
                let store = Store::open_existing(store).with_context(context)?;
                let accounts = store.summary().with_context(context)?.accounts;
                let world = stored_world(&store).with_context(context)?.world;
                let organization = world.organization_readings().last().and_then(|(_, organization)| organization.id.clone());
                (choices_in(&store).with_context(context)?, store.findings().with_context(context)?, accounts, organization)
            };
            let selection = filter.selection(&choices, console);
            let all = findings.len();
            findings.retain(|finding| filter.passes(finding) && selection.selects_account_region(&finding.account, &finding.region));
            console.warn_of_each(&nothing_of(&selection, &choices, false));
            let words = filter.to_filter(&selection);
            if !words.is_everything() {
                console.note(format_args!("filtered: only {words}; left out: {}", counted(all - findings.len(), "finding")));
            }
            let (tool, generated_at) = (tool(), now(None));
            let of = Export { tool: &tool, generated_at, organization: organization.as_deref(), accounts: &accounts };
            output::to(output.as_deref(), |out| list(out, &findings, &of, *format, export))?;
        }
        FindingsCommand::Show { finding, store, format } => {
            let findings = findings_in(store)?;
            let finding = output::find(&findings, finding)?;
            match format {
                PlainFormat::Table => output::finding::details(&mut output::stdout(), finding)?,
                PlainFormat::Json => {
                    let mut out = output::stdout();
                    output::json(&mut out, &v1::Finding::from(finding))?;
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

fn list(mut out: &mut dyn Write, findings: &[Finding], of: &Export<'_>, format: Format, args: &ExportArgs) -> anyhow::Result<()> {
    match format {
        Format::Table => {
            let rows = findings.iter().map(|finding| {
                let id = finding.id.get(..12).unwrap_or(&finding.id).to_owned();
                let last = finding.last_seen.map(|time| time.to_string()).unwrap_or_default();
                let account_region = format!("{}/{}", finding.account, finding.region);
                vec![
                    id,
                    finding.severity.to_string(),
                    finding.status.as_str().to_owned(),
                    finding.rule.clone(),
                    account_region,
                    finding.count.to_string(),
                    last,
                ]
            });
            table::headed(&mut out, &["ID", "SEVERITY", "STATUS", "RULE", "WHERE", "COUNT", "LAST SEEN"], rows)?;
        }
        Format::Json => {
            output::json(out, &v1::findings(findings))?;
        }
        Format::Jsonl => output::jsonl(out, &v1::findings(findings))?,
        Format::Csv => output::csv(&mut out, findings, of.accounts)?,
        Format::Markdown => markdown::findings(out, findings, &|account| of.accounts.get(account).map(String::as_str))?,
        Format::Ocsf | Format::Asff | Format::Sarif => output::export(out, findings, of, format, args)?,
        Format::Html | Format::Svg => {
            return Err(crate::exit::UsageError("a page or a picture is of a whole report: use `report`".to_owned()).into());
        }
    }
    Ok(())
}
