//! `guardrail-audit report`

use anyhow::Context as _;
use audit_core::report::Report;
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
    let report = Report {
        schema_version: 1,
        tool: tool(),
        generated_at: now(None),
        records: summary.records,
        invocations: summary.invocations,
        coverage: store.coverage()?,
        blind: store.blind()?,
        findings,
        unreadable: summary.unreadable,
        accounts: summary.accounts,
    };
    conclude(&report, &args.output)
}
