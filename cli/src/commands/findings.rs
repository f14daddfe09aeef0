//! `guardrail-audit findings`: lists the findings in a store or in the hub, or shows one.

use std::io::Write;

use audit_core::{finding::Finding, report::v1};
use audit_exports::{Export, markdown};

use super::{
    audit::{nothing_of, tool},
    now,
};
use crate::{
    args::{ExportArgs, FindingsCommand, Format, PlainFormat, PlainOutputArgs},
    console::Console,
    exit::Exit,
    output::{self, table, text::counted},
    source::{Found, Names, Source},
};

pub(crate) fn run(command: &FindingsCommand, console: Console) -> anyhow::Result<Exit> {
    match command {
        FindingsCommand::List { source, filter, format, output, export } => {
            export.check(*format)?;
            output::refuse_overwriting("--output", output.as_deref(), [("the store", source.store.as_deref())])?;
            let source = Source::open(source, console)?;
            let choices = source.choices()?;
            let selection = filter.selection(&choices, console);
            let Found { mut findings, others, .. } = source.findings(&selection)?;
            let all = findings.len();
            findings.retain(|finding| filter.passes(finding));
            console.warn_of_each(&nothing_of(&selection, &choices, false));
            let words = filter.to_filter(&selection);
            if !words.is_everything() {
                let left_out = others.map(|others| all - findings.len() + usize::try_from(others).unwrap_or(usize::MAX));
                let left_out = left_out.map_or("what others have".to_owned(), |count| counted(count, "finding"));
                console.note(format_args!("filtered: only {words}; left out: {left_out}"));
            }
            let (tool, generated_at, Names { organization, accounts }) = (tool(), now(None), source.names()?);
            let region_of_organization = audit_exports::resource::region_of_organization(&[], &findings);
            let of =
                Export { tool: &tool, generated_at, organization: organization.as_deref(), accounts: &accounts, region_of_organization };
            output::to(output.as_deref(), |out| list(out, &findings, &of, *format, export))?;
        }
        FindingsCommand::Show { finding, source, output: PlainOutputArgs { format } } => {
            let Found { findings, .. } = Source::open(source, console)?.findings_like(finding)?;
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
