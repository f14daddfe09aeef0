//! The calls of all accounts and Regions, added up while their rollups are read. A large organization has millions of rollups, so none is kept,
//! and several accounts and Regions are read side by side until the time is up.

mod reading;

use std::{collections::BTreeMap, time::Instant};

use self::reading::Reading;
use super::scoreboard::{Coverage, ratio};
use crate::{
    at_once::at_once,
    clock::hour_of,
    error::CallError,
    findings::{Findings, Rollup},
    partition::{AccountRegion, hour_text},
};
use audit_core::{
    report::{CoverageRow, DayRow, Unreadable, v1},
    timestamp::{Day, Timestamp},
    verdict::Invocations,
};

/// Accounts and Regions that are read at the same time.
const AT_ONCE: usize = 16;

/// Rows of one account and Region that are kept before equal ones are added up.
const ROWS: usize = 50_000;

/// How finely calls are counted over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    Hour,
    Day,
}

/// Which sums of days are used, and whether those that are missing are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Days {
    /// The hour at present.
    pub(crate) now: i64,
    /// Whether sums of days are written where they are missing.
    pub(crate) are_made: bool,
}

/// The calls of accounts and Regions.
#[derive(Debug, Default)]
pub(crate) struct CallSums {
    pub(crate) invocations: Invocations,
    /// Rows of which no two are alike.
    pub(crate) coverage: Vec<CoverageRow>,
    pub(crate) days: Vec<DayRow>,
    /// The rollups that can't be read.
    pub(crate) unreadable: Vec<Unreadable>,
    over_time: BTreeMap<(String, String), Invocations>,
    /// How many accounts and Regions were asked for, and of how many there was no time to read all calls.
    all: usize,
    cut: usize,
}

impl CallSums {
    /// Adds up the rollups of accounts and Regions, of the hours of these times, as far as there is time before it is `enough`. What is counted by day
    /// is taken from the sums of days that are there.
    pub(crate) async fn of(
        findings: &Findings,
        account_regions: impl IntoIterator<Item = AccountRegion>,
        period: Period,
        (since, until): (Option<Timestamp>, Option<Timestamp>),
        enough: Instant,
        days: Days,
    ) -> Result<Self, CallError> {
        let hour = |time: Timestamp| hour_text(Some(hour_of(time)));
        // All hours, and `undated`, are between these two.
        let (first, last) = (since.map_or_else(|| "0".to_owned(), hour), until.map_or_else(|| "~".to_owned(), hour));
        let mut sums = CallSums::default();
        // DynamoDB refuses a range whose end is before its start.
        if first > last {
            return Ok(sums);
        }
        let read = |account_region: AccountRegion| {
            let reading = Reading { findings: findings.clone(), first: first.clone(), last: last.clone(), period, days, enough };
            async move { reading.read(account_region).await }
        };
        at_once(AT_ONCE, account_regions, read, |(one, is_whole)| {
            sums.all += 1;
            sums.cut += usize::from(!is_whole);
            sums.include(one);
        })
        .await?;
        sums.coverage.sort_unstable();
        sums.days.sort_unstable();
        Ok(sums)
    }

    /// What there was no time to read, in words; `None` if it is all there.
    pub(crate) fn missing(&self) -> Option<String> {
        let CallSums { cut, all, .. } = self;
        (*cut > 0).then(|| format!("there was no time to read all calls of {cut} of {all} accounts and Regions"))
    }

    /// The calls of each period and account.
    pub(crate) fn over_time(&self) -> Vec<Coverage> {
        let coverage = |((period, account), invocations): (&(String, String), &Invocations)| Coverage {
            period: period.clone(),
            account: account.clone(),
            ratio: ratio(invocations),
            invocations: v1::Invocations::from(invocations),
        };
        self.over_time.iter().map(coverage).collect()
    }

    fn include(&mut self, mut one: SumsOfOne) {
        add_up(&mut one.rows);
        self.coverage.append(&mut one.rows);
        self.unreadable.append(&mut one.unreadable);
        for (period, invocations) in one.over_time {
            self.invocations.add_all(&invocations);
            self.over_time.entry((period, one.account_region.account.clone())).or_default().add_all(&invocations);
        }
        let (account, region) = (one.account_region.account.as_str(), one.account_region.region.as_str());
        let day_row =
            |((day, verdict, grade), count)| DayRow { day, account: account.into(), region: region.into(), verdict, grade, count };
        self.days.extend(one.by_day.into_iter().map(day_row));
    }
}

/// The calls of one account and Region.
#[derive(Debug)]
struct SumsOfOne {
    account_region: AccountRegion,
    period: Period,
    rows: Vec<CoverageRow>,
    unreadable: Vec<Unreadable>,
    by_day: BTreeMap<(Option<Day>, audit_core::verdict::Verdict, audit_core::verdict::Grade), u64>,
    over_time: BTreeMap<String, Invocations>,
}

impl SumsOfOne {
    fn of(account_region: AccountRegion, period: Period) -> Self {
        SumsOfOne { account_region, period, rows: Vec::new(), unreadable: Vec::new(), by_day: BTreeMap::new(), over_time: BTreeMap::new() }
    }

    fn take(&mut self, hour: &str, rollup: Result<Rollup, Unreadable>) {
        match rollup {
            Ok(rollup) => self.add(hour, rollup),
            Err(why) => self.unreadable.push(why),
        }
    }

    fn add_day(&mut self, day: Day, sum: Rollup) {
        self.add(&day.to_string(), sum);
    }

    fn add(&mut self, hour: &str, rollup: Rollup) {
        let period = match self.period {
            Period::Hour => hour.to_owned(),
            Period::Day => hour.chars().take(10).collect(),
        };
        self.over_time.entry(period).or_default().add_all(&rollup.invocations);
        // The hour of calls without a time is no time either.
        let day = hour.get(..10).and_then(Day::parse);
        for row in &rollup.coverage {
            *self.by_day.entry((day, row.verdict, row.grade)).or_insert(0) += row.count;
        }
        self.rows.extend(rollup.coverage);
        // A year has 8,760 hours: their rows would fill the function's memory.
        if self.rows.len() > ROWS {
            add_up(&mut self.rows);
        }
    }
}

/// Makes rows that differ only in their count one, and sorts them.
fn add_up(rows: &mut Vec<CoverageRow>) {
    rows.sort_unstable();
    rows.dedup_by(|row, before| {
        let same = row.is_like(before);
        before.count += if same { row.count } else { 0 };
        same
    });
    rows.shrink_to(ROWS);
}

#[cfg(test)]
mod tests {
    use audit_core::verdict::{Grade, Verdict};

    use super::*;

    /// A year of hours with a hundred kinds of calls each is never held as nearly a million rows.
    #[test]
    fn rows_are_added_up_while_they_are_read() {
        let row = |number: u64| CoverageRow {
            account: "222233334444".into(),
            region: "us-east-1".into(),
            model: format!("model-{number}").into(),
            api: "Converse".into(),
            verdict: Verdict::Compliant,
            grade: Grade::Enforced,
            reason: None,
            count: 1,
        };
        let mut one = SumsOfOne::of(AccountRegion::new("222233334444", "us-east-1"), Period::Day);
        let rollup =
            Rollup { invocations: Invocations { compliant: 100, ..Invocations::default() }, coverage: (0..100).map(row).collect() };
        let (hours, mut most) = (8_760, 0);
        for hour in 490_000..490_000 + hours {
            one.add(&hour_text(Some(hour)), rollup.clone());
            most = most.max(one.rows.capacity());
        }
        assert!(most <= 3 * ROWS, "{most} rows");
        let mut sums = CallSums::default();
        sums.include(one);
        assert_eq!((sums.coverage.len(), sums.invocations.compliant), (100, 876_000));
        assert!(sums.coverage.iter().all(|row| row.count == 8_760));
        assert_eq!(sums.days.iter().map(|day| day.count).sum::<u64>(), 876_000);
    }
}
