//! The report about what the table of findings holds, in the form in which the command line reports. The function `report` and
//! `guardrail-audit report --hub` both make it here, so that they count alike.

use audit_core::{
    finding::Finding,
    organization::Organization,
    report::{BlindRow, Origin, Records, Report, Tool, UNREADABLE_NAMED, Unreadable, headline::worst_accounts, timeline},
    timestamp::Timestamp,
};

use super::sums::CallSums;

/// What a report says besides calls.
pub(crate) struct Parts {
    /// The findings, in the order of reports.
    pub(crate) findings: Vec<Finding>,
    /// The evidence that is missing.
    pub(crate) blind: Vec<BlindRow>,
    /// The items of these two kinds that can't be read.
    pub(crate) unreadable: Vec<Unreadable>,
    /// The organization, where it is known.
    pub(crate) organization: Option<Organization>,
    /// Why the report isn't whole, in words.
    pub(crate) incomplete: Vec<String>,
    /// When the report is made.
    pub(crate) now: Timestamp,
}

/// The report of these calls, which are those that rollups count. Its records are all zero, because the hub doesn't count them. Rollups that
/// can't be read are named, and their calls are missing.
pub(crate) fn whole(sums: CallSums, parts: Parts) -> Report {
    let mut incomplete = parts.incomplete;
    incomplete.extend(sums.missing());
    // A table without calls must not look like one in which all is well.
    if sums.coverage.is_empty() {
        incomplete.push("no call has been judged yet".to_owned());
    }
    let mut unreadable = parts.unreadable;
    unreadable.extend(sums.unreadable);
    unreadable.sort_unstable();
    unreadable.truncate(UNREADABLE_NAMED);
    let organization = parts.organization.as_ref();
    let named =
        |organization: &Organization| organization.accounts.iter().map(|(id, account)| (id.clone(), account.name.clone())).collect();
    Report {
        tool: Tool { name: "guardrail-audit".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        generated_at: parts.now,
        filter: None,
        incomplete,
        records: Records::default(),
        invocations: sums.invocations,
        timeline: timeline(&sums.days, &worst_accounts(&sums.coverage, &parts.findings)),
        coverage: sums.coverage,
        blind: parts.blind,
        findings: parts.findings,
        unreadable,
        organization: organization.and_then(|organization| organization.id.clone()),
        accounts: organization.map(named).unwrap_or_default(),
        units: organization.map(Organization::unit_names).unwrap_or_default(),
        is_without_world: false,
        configuration: None,
        origin: Some(Origin::Hub),
    }
}
