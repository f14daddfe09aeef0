//! `guardrail-audit report`: reports from a store or from the hub, without reading logs again.

use audit_core::{
    finding::{Finding, Status},
    framework::{Control, Framework},
    report::{Filter, Origin, Report, v1},
    rule::Rule,
    rules::page,
};
use serde_json::json;

use super::{
    audit::{conclude, ends, note_filter, nothing_of},
    bundle,
};
use crate::{
    args::{Format, ReportArgs},
    console::Console,
    exit::{Exit, UsageError},
    output::{self, table, text::counted},
    source::{Selected, Source},
};

pub(crate) fn run(args: &ReportArgs, console: Console) -> anyhow::Result<Exit> {
    check(args)?;
    let source = Source::open(&args.source, console)?;
    let choices = source.choices()?;
    let selection = args.filter.selection(&choices, console);
    let Selected { mut report, others, is_empty } = source.report(&selection)?;
    if let Some(path) = &args.source.store {
        report.origin = Some(Origin::Store(path.display().to_string()));
    }
    let all = report.findings.len();
    report.findings.retain(|finding| args.filter.passes(finding));
    let left_out = others.map(|others| others + (all - report.findings.len()) as u64);
    let filter = Filter { left_out, ..args.filter.to_filter(&selection) };
    report.filter = Some(filter).filter(|filter| !filter.is_everything());
    if !is_empty {
        let nothing = nothing_of(&selection, &choices, report.coverage.is_empty() && report.findings.is_empty());
        report.incomplete.splice(0..0, nothing);
    }
    console.warn_of_each(&report.incomplete);
    if let Some(path) = &args.bundle {
        bundle::write(path, &report, &source, console)?;
    }
    note_filter(&report, args.output.format, console);
    match args.framework {
        None => conclude(&report, &args.output),
        Some(framework) => by_framework(&report, framework, args),
    }
}

/// Refuses options that would be ignored, and files that are two things at once.
fn check(args: &ReportArgs) -> Result<(), UsageError> {
    args.output.check()?;
    if args.framework.is_some() && args.output.view.is_given() {
        return Err(UsageError("--framework has its own groups and order: leave out --group-by, --sort and --top".to_owned()));
    }
    if args.bundle.as_deref().is_some_and(output::is_stdout) {
        return Err(UsageError("--bundle needs the name of a file: a zip isn't written to standard output".to_owned()));
    }
    let (store, output) = (("the store", args.source.store.as_deref()), args.output.output.as_deref());
    output::refuse_overwriting("--output", output, [store])?;
    output::refuse_overwriting("--bundle", args.bundle.as_deref(), [store, ("what --output writes,", output)])
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
