//! Explains from what the hub holds: its facts, its world and its configuration.

use std::io::Write as _;

use anyhow::Context as _;
use audit_aws::{
    error::{CallError, ErrorKind, chain},
    fold::Basis,
};
use audit_core::{
    arn::AccountId,
    auditor::{self, AuditOptions, Selection},
    finding::Finding,
    rule::Check,
    rules,
};
use audit_local::scan;

use super::{CallArgs, call_of, now, write_steps};
use crate::{
    args::ExplainArgs,
    console::Console,
    exit::Exit,
    output::{self, text::wrapped},
    source::{Found, hub::Hub},
};

pub(super) fn run(args: &ExplainArgs, console: Console) -> anyhow::Result<Exit> {
    let hub = Hub::open(&args.hub, console)?;
    if let Some(id) = &args.finding {
        let Found { findings, .. } = hub.findings_like(id)?;
        let finding = output::find(&findings, id)?;
        let basis = basis(&hub, &finding.account)?;
        explain_finding(finding, basis, args)?;
    } else {
        let given = CallArgs::of(args)?;
        let call = call_of(&given, args, &hub.choices(), console)?;
        let Basis { facts, world, configuration, .. } =
            basis(&hub, &call.account)?.with_context(|| format!("failed to read what the hub knows of {}", call.account))?;
        write_steps(&mut output::stdout(), &auditor::explain_call(&call, &facts, world, &configuration))?;
    }
    Ok(Exit::Clean)
}

/// Reads what the findings of an account rest on. The inner error is that the account's facts, its world or its configuration can't be
/// read, so that a finding can be shown, and not explained.
fn basis(hub: &Hub, account: &AccountId) -> anyhow::Result<Result<Basis, CallError>> {
    match hub.basis(account) {
        Err(error) if error.kind == ErrorKind::Retryable => Err(error.into()),
        basis => Ok(basis),
    }
}

/// Returns whether only calls give findings of this rule, so that there is a latest call to explain.
fn is_about_calls(finding: &Finding) -> bool {
    rules::find(&finding.rule).is_some_and(|rule| rule.checks.iter().all(|check| matches!(check, Check::Call(_))))
}

fn explain_finding(finding: &Finding, basis: Result<Basis, CallError>, args: &ExplainArgs) -> anyhow::Result<()> {
    let mut out = output::stdout();
    output::finding::details(&mut out, finding)?;
    let (basis, why) = match basis {
        Ok(basis) => (basis, None),
        Err(error) => (Basis::default(), Some(chain(&error))),
    };
    let Basis { facts, earlier, world, configuration } = basis;
    let everything = Selection::default();
    let options =
        AuditOptions { configuration: &configuration, selection: &everything, now: now(args.basis.now), threads: scan::processors() };
    let explained = || auditor::explain_finding_after(&finding.id, earlier, facts, world, &options).ok().flatten();
    let steps = if why.is_none() { explained() } else { None };
    let missing = match (why, is_about_calls(finding), &steps) {
        (Some(why), ..) => Some(format!("What it rests on could not be read ({why}), so this is what the finding itself holds.")),
        (None, true, None) => Some(
            "The hub's facts no longer give this finding: they have expired, or another fold is under way. So this is what the finding \
             itself holds."
                .to_owned(),
        ),
        _ => None,
    };
    if let Some(missing) = missing {
        writeln!(out, "\n{}", wrapped(&missing, 0))?;
    }
    let (heading, steps) = match steps {
        Some(steps) => ("The latest call, step by step:", steps),
        None => ("Step by step:", auditor::explain_change(finding, &options)),
    };
    writeln!(out, "\n{heading}")?;
    write_steps(&mut out, &steps)?;
    Ok(())
}
