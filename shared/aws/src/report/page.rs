//! The report about everything that the table of findings holds, in the form in which the command line reports.

use std::collections::BTreeMap;

use audit_core::{
    arn::{AccountId, Region},
    organization::Organization,
    report::{BlindRow, CoverageRow, DayRow, Records, Report, Tool, timeline},
    timestamp::Day,
    verdict::Invocations,
};

use super::Reports;
use crate::{
    bucket::Bucket,
    error::{self, CallError},
    findings::Stored,
    fold::organization_in,
    world::HubWorld,
};

impl<B: Bucket> Reports<B> {
    /// The report about all accounts. Its calls are those that rollups count. Its records are all zero, because the hub doesn't count them.
    pub(super) async fn whole(&self, all: &[Stored], blind: Vec<BlindRow>) -> Result<Report, CallError> {
        let (mut coverage, mut days, mut invocations) = (Vec::<CoverageRow>::new(), Vec::new(), Invocations::default());
        for owner in self.findings.account_regions().await? {
            let (mut of_owner, mut by_day) = (Vec::new(), BTreeMap::new());
            for (hour, rollup) in self.findings.rollups(&owner).await? {
                invocations.add_all(&rollup.invocations);
                // The hour of calls without a time is no time either.
                let day = hour.get(..10).and_then(Day::parse);
                for row in &rollup.coverage {
                    *by_day.entry((day, row.verdict, row.grade)).or_insert(0) += row.count;
                }
                of_owner.extend(rollup.coverage);
                // A year has 8,760 hours: their rows are added up on the way, or they would fill the function's memory.
                if of_owner.len() > ROWS {
                    add_up(&mut of_owner);
                }
            }
            add_up(&mut of_owner);
            coverage.append(&mut of_owner);
            let (account, region) = (AccountId::from(owner.account.as_str()), Region::from(owner.region.as_str()));
            let day_row =
                |((day, verdict, grade), count)| DayRow { day, account: account.clone(), region: region.clone(), verdict, grade, count };
            days.extend(by_day.into_iter().map(day_row));
        }
        add_up(&mut coverage);
        let organization = match HubWorld::new(&self.bucket).files(&["organization".to_owned()]).await {
            Ok(files) => organization_in(&files),
            Err(error) => {
                // A report without names is better than none.
                error::warn("the organization could not be read", &error);
                None
            }
        };
        let named =
            |organization: &Organization| organization.accounts.iter().map(|(id, account)| (id.clone(), account.name.clone())).collect();
        Ok(Report {
            tool: Tool { name: "guardrail-audit".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            generated_at: self.clock.now(),
            filter: None,
            // A table without calls must not look like one in which all is well.
            incomplete: if coverage.is_empty() { vec!["no call has been judged yet".to_owned()] } else { Vec::new() },
            records: Records::default(),
            invocations,
            coverage,
            timeline: timeline(&days),
            blind,
            findings: all.iter().map(|stored| stored.finding.clone()).collect(),
            unreadable: Vec::new(),
            organization: organization.as_ref().and_then(|organization| organization.id.clone()),
            accounts: organization.as_ref().map(named).unwrap_or_default(),
            units: organization.as_ref().map(Organization::unit_names).unwrap_or_default(),
            is_without_world: false,
            configuration: None,
        })
    }
}

/// Rows of one account and Region that are kept before equal ones are added up.
const ROWS: usize = 50_000;

/// Makes rows that differ only in their count one, and sorts them.
fn add_up(rows: &mut Vec<CoverageRow>) {
    rows.sort_unstable();
    rows.dedup_by(|row, before| {
        let same = row.is_like(before);
        before.count += if same { row.count } else { 0 };
        same
    });
}
