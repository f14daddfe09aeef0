//! `guardrail-audit report`

use anyhow::Context as _;
use audit_core::{
    finding::{Finding, Status},
    framework::{Control, Framework},
    report::{Invocations, Report},
    rule::{Rule, page},
};
use audit_local::store::Store;
use serde_json::json;

use super::{
    audit::{NAMED_IN_REPORT, conclude, stored_world, tool},
    now,
};
use crate::{
    args::{Format, ReportArgs},
    exit::{Exit, UsageError},
    output::{self, table, text::counted},
};

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let store = Store::open_existing(&args.store).with_context(|| format!("failed to open the store `{}`", args.store.display()))?;
    let summary = store.summary()?;
    let mut findings = store.findings()?;
    findings.retain(|finding| args.filter.passes(finding));
    let (mut coverage, mut blind) = (store.coverage()?, store.blind()?);
    coverage.retain(|row| args.filter.passes_place(&row.account, &row.region));
    blind.retain(|row| args.filter.passes_place(&row.account, &row.region));
    let mut invocations = Invocations::default();
    for row in &coverage {
        invocations.add(row.verdict, row.count);
    }
    let report = Report {
        schema_version: 1,
        tool: tool(),
        generated_at: now(None),
        records: summary.records,
        invocations,
        coverage,
        blind,
        findings,
        unreadable: stored_world(&store)?.unreadable().chain(summary.unreadable).take(NAMED_IN_REPORT).collect(),
        accounts: summary.accounts,
    };
    match args.framework {
        None => conclude(&report, &args.output),
        Some(framework) => by_framework(&report, framework, args),
    }
}

/// The findings under the entries of a framework that their rules map to.
fn by_framework(report: &Report, framework: Framework, args: &ReportArgs) -> anyhow::Result<Exit> {
    let entries = page::by_control(framework);
    let row = |finding: &Finding| {
        let id: String = finding.id.chars().take(12).collect();
        let (severity, status) = (finding.severity.to_string(), finding.status.as_str().to_owned());
        vec![severity, status, finding.rule.clone(), finding.account.to_string(), finding.region.to_string(), id]
    };
    let of = |rules: &[&'static Rule]| {
        report.findings.iter().filter(|finding| rules.iter().any(|rule| rule.id == finding.rule)).collect::<Vec<_>>()
    };
    output::to(args.output.output.as_deref(), |mut out| {
        match args.output.format {
            Format::Table => {
                writeln!(out, "{} ({})\n", framework.title(), framework.source())?;
                for (control, rules) in &entries {
                    let findings = of(rules);
                    let open = findings.iter().filter(|finding| finding.status == Status::Open).count();
                    writeln!(out, "{} {}: {open} open of {}", control.id, control.title, counted(findings.len(), "finding"))?;
                    table::plain(&mut out, findings.iter().map(|finding| row(finding)))?;
                    writeln!(out)?;
                }
            }
            Format::Json => {
                let entry = |(control, rules): (&Control, &Vec<&'static Rule>)| {
                    let ids: Vec<&str> = rules.iter().map(|rule| rule.id).collect();
                    json!({"id": control.id, "title": control.title, "rules": ids, "findings": of(rules)})
                };
                let entries: Vec<_> = entries.iter().map(entry).collect();
                let report =
                    json!({"framework": framework.as_str(), "title": framework.title(), "source": framework.source(), "entries": entries});
                serde_json::to_writer_pretty(&mut out, &report)?;
                writeln!(out)?;
            }
            Format::Jsonl | Format::Csv => {
                return Err(UsageError("--framework groups findings: use --format table or json".to_owned()).into());
            }
        }
        Ok(())
    })?;
    Ok(Exit::for_findings(&report.findings, args.output.fail_on.0))
}
