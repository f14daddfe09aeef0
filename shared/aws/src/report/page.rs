//! The report about everything that the table of findings holds, in the form in which the command line reports.

use audit_core::{
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
            for (hour, rollup) in self.findings.rollups(&owner).await? {
                invocations.add_all(&rollup.invocations);
                // The hour of calls without a time is no time either.
                let day = hour.get(..10).and_then(Day::parse);
                days.extend(rollup.coverage.iter().map(|row| day_row(day, row)));
                coverage.extend(rollup.coverage);
            }
        }
        coverage.sort_unstable();
        coverage.dedup_by(|row, before| {
            let same = row.is_like(before);
            before.count += if same { row.count } else { 0 };
            same
        });
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

fn day_row(day: Option<Day>, row: &CoverageRow) -> DayRow {
    DayRow { day, account: row.account.clone(), region: row.region.clone(), verdict: row.verdict, grade: row.grade, count: row.count }
}
