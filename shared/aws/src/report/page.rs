//! The report about what the table of findings holds, in the form in which the command line reports. The function `report` and
//! `guardrail-audit report --hub` both make it here, so that they count alike.

use std::collections::BTreeMap;

use audit_core::{
    arn::{AccountId, Region},
    finding::Finding,
    organization::Organization,
    report::{BlindRow, CoverageRow, DayRow, Records, Report, Tool, UNREADABLE_NAMED, Unreadable, timeline},
    timestamp::{Day, Timestamp},
    verdict::Invocations,
};

use crate::{at_once::at_once, error::CallError, findings::Findings, partition::AccountRegion};

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
    /// When the report is made.
    pub(crate) now: Timestamp,
}

/// The calls of an account and Region, as its rollups count them.
#[derive(Default)]
struct Calls {
    invocations: Invocations,
    coverage: Vec<CoverageRow>,
    days: Vec<DayRow>,
    unreadable: Vec<Unreadable>,
}

/// Rows of one account and Region that are kept before equal ones are added up.
const ROWS: usize = 50_000;

/// Accounts and Regions whose rollups are read at once.
const AT_ONCE: usize = 8;

/// The report about these accounts and Regions. Its calls are those that rollups count. Its records are all zero, because the hub doesn't
/// count them. Rollups that can't be read are named, and their calls are missing.
pub(crate) async fn whole(findings: &Findings, owners: impl IntoIterator<Item = AccountRegion>, parts: Parts) -> Result<Report, CallError> {
    let mut all = Calls { unreadable: parts.unreadable, ..Calls::default() };
    let read = |owner| calls_of(findings.clone(), owner);
    at_once(AT_ONCE, owners, read, |mut calls| {
        all.invocations.add_all(&calls.invocations);
        all.coverage.append(&mut calls.coverage);
        all.days.append(&mut calls.days);
        all.unreadable.append(&mut calls.unreadable);
    })
    .await?;
    add_up(&mut all.coverage);
    all.unreadable.sort_unstable();
    all.unreadable.truncate(UNREADABLE_NAMED);
    let organization = parts.organization.as_ref();
    let named =
        |organization: &Organization| organization.accounts.iter().map(|(id, account)| (id.clone(), account.name.clone())).collect();
    Ok(Report {
        tool: Tool { name: "guardrail-audit".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        generated_at: parts.now,
        filter: None,
        // A table without calls must not look like one in which all is well.
        incomplete: if all.coverage.is_empty() { vec!["no call has been judged yet".to_owned()] } else { Vec::new() },
        records: Records::default(),
        invocations: all.invocations,
        coverage: all.coverage,
        timeline: timeline(&all.days),
        blind: parts.blind,
        findings: parts.findings,
        unreadable: all.unreadable,
        organization: organization.and_then(|organization| organization.id.clone()),
        accounts: organization.map(named).unwrap_or_default(),
        units: organization.map(Organization::unit_names).unwrap_or_default(),
        is_without_world: false,
        configuration: None,
    })
}

async fn calls_of(findings: Findings, owner: AccountRegion) -> Result<Calls, CallError> {
    let (mut calls, mut by_day) = (Calls::default(), BTreeMap::new());
    findings
        .each_rollup(&owner, |hour, rollup| match rollup {
            Ok(rollup) => {
                calls.invocations.add_all(&rollup.invocations);
                // The hour of calls without a time is no time either.
                let day = hour.get(..10).and_then(Day::parse);
                for row in &rollup.coverage {
                    *by_day.entry((day, row.verdict, row.grade)).or_insert(0) += row.count;
                }
                calls.coverage.extend(rollup.coverage);
                // A year has 8,760 hours: their rows are added up on the way, or they would fill the function's memory.
                if calls.coverage.len() > ROWS {
                    add_up(&mut calls.coverage);
                }
            }
            Err(why) => calls.unreadable.push(why),
        })
        .await?;
    add_up(&mut calls.coverage);
    let (account, region) = (AccountId::from(owner.account.as_str()), Region::from(owner.region.as_str()));
    let day_row = |((day, verdict, grade), count)| DayRow { day, account: account.clone(), region: region.clone(), verdict, grade, count };
    calls.days = by_day.into_iter().map(day_row).collect();
    Ok(calls)
}

/// Makes rows that differ only in their count one, and sorts them.
fn add_up(rows: &mut Vec<CoverageRow>) {
    rows.sort_unstable();
    rows.dedup_by(|row, before| {
        let same = row.is_like(before);
        before.count += if same { row.count } else { 0 };
        same
    });
}
