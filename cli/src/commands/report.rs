//! `guardrail-audit report`

use anyhow::Context as _;
use audit_core::report::{Invocations, Report};
use audit_local::store::Store;

use super::{
    audit::{conclude, tool},
    now,
};
use crate::{args::ReportArgs, exit::Exit};

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
        unreadable: summary.unreadable,
        accounts: summary.accounts,
    };
    conclude(&report, &args.output)
}
