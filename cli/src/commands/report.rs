//! `guardrail-audit report`: reports from a store, without reading logs again.

use anyhow::Context as _;
use audit_core::{
    finding::{Finding, Status},
    framework::{Control, Framework},
    organization::Organization,
    report::{self, Filter, Report, UNREADABLE_NAMED, Unreadable, v1},
    rule::Rule,
    rules::page,
    verdict::Invocations,
};
use audit_local::store::Store;
use serde_json::json;

use super::{
    audit::{choices_in, conclude, ends, note_filter, nothing_of, stored_world, tool},
    bundle, now,
};
use crate::{
    args::{Format, ReportArgs},
    console::Console,
    exit::{Exit, UsageError},
    output::{self, table, text::counted},
};

pub(crate) fn run(args: &ReportArgs, console: Console) -> anyhow::Result<Exit> {
    args.output.export.check(args.output.format)?;
    let store = Store::open_existing(&args.store).with_context(|| format!("failed to open the store `{}`", args.store.display()))?;
    let summary = store.summary()?;
    let choices = choices_in(&store)?;
    let selection = args.filter.selection(&choices, console);
    let mut findings = store.findings()?;
    let all = findings.len();
    findings.retain(|finding| args.filter.passes(finding) && selection.selects_account_region(&finding.account, &finding.region));
    let (mut coverage, mut days, mut blind) = (store.coverage()?, store.days()?, store.blind()?);
    coverage.retain(|row| selection.selects_account_region(&row.account, &row.region));
    days.retain(|row| selection.selects_account_region(&row.account, &row.region));
    blind.retain(|row| selection.selects_account_region(&row.account, &row.region));
    let filter = Filter { left_out: Some((all - findings.len()) as u64), ..args.filter.to_filter(&selection) };
    let mut incomplete = nothing_of(&selection, &choices, coverage.is_empty() && findings.is_empty());
    if summary.records.read == 0 {
        incomplete = vec!["nothing was ever read into this store".to_owned()];
    }
    if days.is_empty() && !coverage.is_empty() {
        incomplete
            .push("calls by day: this store was concluded by an earlier release; they are there after the next `audit --store`".to_owned());
    }
    console.warn_of_each(&incomplete);
    let stored = stored_world(&store)?;
    let missing = stored.missing_policies();
    let mut invocations = Invocations::default();
    for row in &coverage {
        invocations.add(row.verdict, row.count);
    }
    // The store keeps no placement of accounts; its world says it as of the latest reading.
    let organization = stored.world.organization_readings().last().map(|(_, organization)| organization);
    let report = Report {
        tool: tool(),
        generated_at: now(None),
        filter: Some(filter).filter(|filter| !filter.is_everything()),
        incomplete,
        records: summary.records,
        invocations,
        coverage,
        timeline: report::timeline(&days),
        blind,
        findings,
        unreadable: stored
            .unreadable()
            .chain(missing.iter().map(Unreadable::from))
            .chain(summary.unreadable)
            .take(UNREADABLE_NAMED)
            .collect(),
        organization: organization.and_then(|organization| organization.id.clone()),
        accounts: summary.accounts,
        units: organization.map(Organization::unit_names).unwrap_or_default(),
        is_without_world: stored.files.is_empty(),
        // The store doesn't keep under which configuration it was concluded.
        configuration: None,
    };
    if let Some(path) = &args.bundle {
        bundle::write(path, &report, &store, console)?;
    }
    note_filter(&report, args.output.format, console);
    match args.framework {
        None => conclude(&report, &args.output),
        Some(framework) => by_framework(&report, framework, args),
    }
}

/// Groups the findings by the entries of a framework that their rules map to.
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
                output::report::limits(&mut out, report.filter.as_ref(), &report.incomplete)?;
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
                    json!({"id": control.id, "title": control.title, "rules": ids, "findings": v1::findings(of(rules))})
                };
                let entries: Vec<_> = entries.iter().map(entry).collect();
                let report = json!({"framework": framework.as_str(), "title": framework.title(), "source": framework.source(), "filter": report.filter.as_ref().map(v1::Filter::from),
                        "incomplete": report.incomplete, "entries": entries});
                output::json(&mut out, &report)?;
            }
            _ => {
                return Err(UsageError("--framework groups findings: use --format table or json".to_owned()).into());
            }
        }
        Ok(())
    })?;
    Ok(ends(report, &args.output))
}
