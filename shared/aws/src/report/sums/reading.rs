//! Reading the calls of one account and Region: days that are summed by their sums, and all other hours by their rollups.

use std::{collections::BTreeMap, time::Instant};

use audit_core::{report::Unreadable, timestamp::Day};

use super::{Days, Period, SumsOfOne, add_up};
use crate::{
    clock::hour_of,
    error::CallError,
    findings::{Findings, Rollup, first_open_day},
    partition::{AccountRegion, hour_text},
};

/// Days of a gap that are summed at most: hours that are dated long before all others don't make thousands of sums without calls.
const MOST_DAYS: i32 = 1_000;

/// What is read of an account and Region, and until when.
pub(super) struct Reading {
    pub(super) findings: Findings,
    /// The first and the last hour, as rollups have them in their keys. Each may be a text beyond all hours.
    pub(super) first: String,
    pub(super) last: String,
    pub(super) period: Period,
    pub(super) days: Days,
    pub(super) enough: Instant,
}

/// Days between those that are summed, and the hours from the first to the last of them.
#[derive(Debug, PartialEq, Eq)]
struct Gap {
    first: String,
    last: String,
    /// The days of it that may be summed: all from the first to before the second. The first is absent if nothing is known of the days before.
    days: (Option<Day>, Day),
    /// Whether a day that is summed comes after it.
    is_between: bool,
}

impl Reading {
    /// The calls of an account and Region, and whether these are all.
    pub(super) async fn read(&self, account_region: AccountRegion) -> Result<(SumsOfOne, bool), CallError> {
        let mut one = SumsOfOne::of(account_region.clone(), self.period);
        let Some(days) = self.whole_days() else {
            let hours = (self.first.as_str(), self.last.as_str());
            let take = |hour: &str, rollup| one.take(hour, rollup);
            let is_whole = self.findings.each_rollup(&account_region, hours, false, self.enough, take).await?;
            return Ok((one, is_whole));
        };
        // Counts of changes are read before rollups: a rollup that is written meanwhile counts as a change afterwards.
        let mut changes: BTreeMap<Day, u64> = BTreeMap::new();
        let mut summed: Vec<Day> = Vec::new();
        for (day, sum) in self.findings.day_sums(&account_region, (days.0, days.1.plus(-1))).await? {
            changes.insert(day, sum.changes);
            if let Some(rollup) = sum.sum {
                summed.push(day);
                one.add_day(day, rollup);
            }
        }
        for gap in self.gaps(&summed, days) {
            let mut by_day: BTreeMap<Day, Option<Rollup>> = BTreeMap::new();
            let take = |hour: &str, rollup: Result<Rollup, Unreadable>| {
                if let Some(day) = hour.get(..10).and_then(Day::parse).filter(|day| self.days.are_made && (days.0..days.1).contains(day)) {
                    // Hours come in their order: the day before is complete, and is kept as one row for each kind of call.
                    if !by_day.contains_key(&day)
                        && let Some((_, Some(before))) = by_day.iter_mut().next_back()
                    {
                        add_up(&mut before.coverage);
                        before.coverage.shrink_to_fit();
                    }
                    let sum = by_day.entry(day).or_insert_with(|| Some(Rollup::default()));
                    match (&rollup, sum.as_mut()) {
                        (Ok(rollup), Some(sum)) => add(sum, rollup),
                        // A day that can't be read as a whole has no sum.
                        _ => *sum = None,
                    }
                }
                one.take(hour, rollup);
            };
            let hours = (gap.first.as_str(), gap.last.as_str());
            if !self.findings.each_rollup(&account_region, hours, self.days.are_made, self.enough, take).await? {
                return Ok((one, false));
            }
            if self.days.are_made {
                // Where there is no time for all sums, the next report makes the others. What is left to read is read, or told to be missing, all the same.
                self.sum(&account_region, &gap, by_day, &changes).await?;
            }
        }
        Ok((one, true))
    }

    /// Writes the sums of the days of a gap, as long as it isn't `enough`. Days without calls are among them where others
    /// follow, so that no report looks for their hours again.
    async fn sum(
        &self,
        account_region: &AccountRegion,
        gap: &Gap,
        mut by_day: BTreeMap<Day, Option<Rollup>>,
        changes: &BTreeMap<Day, u64>,
    ) -> Result<(), CallError> {
        let first = gap.days.0.or_else(|| by_day.keys().next().copied());
        let end = if gap.is_between { Some(gap.days.1) } else { by_day.keys().next_back().map(|day| day.plus(1)) };
        let (Some(first), Some(end)) = (first, end) else { return Ok(()) };
        let mut day = first.max(end.plus(-MOST_DAYS));
        while day < end && Instant::now() < self.enough {
            if let Some(mut sum) = by_day.remove(&day).unwrap_or_else(|| Some(Rollup::default())) {
                add_up(&mut sum.coverage);
                self.findings.put_day_sum(account_region, day, &sum, changes.get(&day).copied().unwrap_or(0)).await?;
            }
            day = day.plus(1);
        }
        Ok(())
    }

    /// The days from the first to before the second that are wholly within the hours, and long over; `None` if hours are asked for or there is
    /// no such day.
    fn whole_days(&self) -> Option<(Day, Day)> {
        if self.period == Period::Hour {
            return None;
        }
        let day_of = |hour: &str| hour.get(..10).and_then(Day::parse);
        let begins = |hour: &str, day: Day| hour_text(Some(hour_of(day.start()))) == hour;
        // A text that is no hour is before or after all of them.
        let first =
            day_of(&self.first).map_or(Day::parse("1970-01-01"), |day| Some(if begins(&self.first, day) { day } else { day.plus(1) }))?;
        let end = day_of(&self.last).unwrap_or(first_open_day(self.days.now)).min(first_open_day(self.days.now));
        (first < end).then_some((first, end))
    }

    /// What is to be read by the hour, given the days that are summed, in their order, of those that may be.
    fn gaps(&self, summed: &[Day], (_, end): (Day, Day)) -> Vec<Gap> {
        let hour = |day: Day| hour_text(Some(hour_of(day.start())));
        let last_before = |day: Day| hour_text(Some(hour_of(day.start()) - 1));
        let (mut gaps, mut next, mut after) = (Vec::new(), self.first.clone(), None);
        for day in summed {
            let last = last_before(*day);
            if next <= last {
                gaps.push(Gap { first: next, last, days: (after, *day), is_between: true });
            }
            next = hour(day.plus(1));
            after = Some(day.plus(1));
        }
        if next <= self.last {
            gaps.push(Gap { first: next, last: self.last.clone(), days: (after, end), is_between: false });
        }
        gaps
    }
}

fn add(sum: &mut Rollup, rollup: &Rollup) {
    sum.invocations.add_all(&rollup.invocations);
    sum.coverage.extend(rollup.coverage.iter().cloned());
}
