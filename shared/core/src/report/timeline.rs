//! Calls by day. A report shows the accounts that it names as the worst, and those with most calls that weren't provably guarded, and adds up
//! the others.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use serde::{Deserialize, Serialize};

use crate::{
    arn::{AccountId, Region},
    timestamp::Day,
    verdict::{Grade, Verdict},
};

/// Stands for the accounts that a timeline adds up.
pub const OTHERS: &str = "(others)";

/// Accounts that a timeline shows of the worst, as many as the table of a report; and as many again of those with most calls.
const ACCOUNTS: usize = 20;

/// Days that a timeline shows at most.
const DAYS: usize = 400;

/// The calls of an account and Region on a day with the same verdict and grade.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DayRow {
    /// The day; `None` for calls whose records have no time.
    pub day: Option<Day>,
    /// The account that made the calls.
    pub account: AccountId,
    /// The Region that was called.
    pub region: Region,
    /// The verdict.
    pub verdict: Verdict,
    /// The grade of the evidence behind the verdict.
    pub grade: Grade,
    /// The number of calls.
    pub count: u64,
}

/// The calls of an account on a day with the same verdict and grade, as a report has them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimelineRow {
    /// The day; `None` for calls whose records have no time, and for those before the last 400 days with calls.
    pub day: Option<Day>,
    /// The account, or [`OTHERS`].
    pub account: AccountId,
    /// The verdict.
    pub verdict: Verdict,
    /// The grade of the evidence behind the verdict.
    pub grade: Grade,
    /// The number of calls.
    pub count: u64,
}

/// Adds up calls by day and account: the first 20 of the worst accounts ([`worst_accounts`](super::headline::worst_accounts)), which every output names,
/// the 20 accounts with most calls that weren't provably guarded, and the sum of the others. No call is left out.
#[must_use]
pub fn timeline(rows: &[DayRow], worst_accounts: &[&AccountId]) -> Vec<TimelineRow> {
    let mut calls: BTreeMap<&AccountId, (u64, u64)> = BTreeMap::new();
    for row in rows {
        let (unproved, all) = calls.entry(&row.account).or_default();
        *unproved += if matches!(row.verdict, Verdict::Violation | Verdict::NotProvable) { row.count } else { 0 };
        *all += row.count;
    }
    let mut unproved: Vec<(&AccountId, (u64, u64))> = calls.into_iter().collect();
    unproved.sort_by_key(|(_, calls)| Reverse(*calls));
    let most_calls = unproved.into_iter().take(ACCOUNTS).map(|(account, _)| account);
    let shown: BTreeSet<&AccountId> = most_calls.chain(worst_accounts.iter().copied().take(ACCOUNTS)).collect();
    let days: BTreeSet<Day> = rows.iter().filter_map(|row| row.day).collect();
    let first = days.iter().rev().nth(DAYS - 1).copied();
    let others = AccountId::from(OTHERS);
    let mut counts: BTreeMap<(Option<Day>, &AccountId, Verdict, Grade), u64> = BTreeMap::new();
    for row in rows {
        let day = row.day.filter(|day| first.is_none_or(|first| *day >= first));
        let account = if shown.contains(&row.account) { &row.account } else { &others };
        *counts.entry((day, account, row.verdict, row.grade)).or_default() += row.count;
    }
    let row = |((day, account, verdict, grade), count): ((_, &AccountId, _, _), _)| TimelineRow {
        day,
        account: account.clone(),
        verdict,
        grade,
        count,
    };
    counts.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(day: Option<&str>, account: &str, verdict: Verdict, count: u64) -> DayRow {
        let day = day.map(|day| Day::parse(day).unwrap());
        DayRow { day, account: account.into(), region: "us-east-1".into(), verdict, grade: Grade::Enforced, count }
    }

    #[test]
    fn the_worst_accounts_are_named_and_no_call_is_lost() {
        let mut rows: Vec<DayRow> = (0..30).map(|n| row(Some("2026-11-12"), &format!("{n:012}"), Verdict::Violation, n + 1)).collect();
        rows.push(row(Some("2026-11-13"), "999999999999", Verdict::Compliant, 1000));
        rows.push(row(None, "000000000029", Verdict::NotProvable, 5));
        let sums = timeline(&rows, &[]);
        assert_eq!(sums.iter().map(|row| row.count).sum::<u64>(), rows.iter().map(|row| row.count).sum::<u64>());
        let named: BTreeSet<&str> = sums.iter().map(|row| row.account.as_str()).collect();
        assert_eq!(named.len(), ACCOUNTS + 1);
        assert!(named.contains("000000000010") && !named.contains("000000000009"), "{named:?}");
        let others: Vec<(String, u64)> =
            sums.iter().filter(|row| &*row.account == OTHERS).map(|row| (row.day.unwrap().to_string(), row.count)).collect();
        assert_eq!(others, [("2026-11-12".to_owned(), (1..=10).sum()), ("2026-11-13".to_owned(), 1000)]);
        assert_eq!(sums.iter().find(|row| row.day.is_none()).map(|row| row.count), Some(5));
    }

    #[test]
    fn an_account_that_is_named_as_one_of_the_worst_has_its_days() {
        let rows: Vec<DayRow> = (0..30).map(|n| row(Some("2026-11-12"), &format!("{n:012}"), Verdict::Violation, n + 1)).collect();
        let worst = AccountId::from("000000000003");
        let named = |worst: &[&AccountId]| {
            let sums = timeline(&rows, worst);
            assert_eq!(sums.iter().map(|row| row.count).sum::<u64>(), (1..=30).sum::<u64>());
            sums.iter().any(|row| &*row.account == "000000000003")
        };
        assert!(named(&[&worst]) && !named(&[]), "it has few calls");
    }

    #[test]
    fn regions_are_added_up_and_old_days_lose_their_date() {
        let first = Day::parse("2020-01-01").unwrap();
        let of = |n, region: &str| DayRow { day: Some(first.plus(n)), region: region.into(), ..row(None, "1", Verdict::Compliant, 1) };
        let days = i32::try_from(DAYS).unwrap();
        let rows: Vec<DayRow> = (0..days + 2).flat_map(|n| [of(n, "us-east-1"), of(n, "eu-west-1")]).collect();
        let sums = timeline(&rows, &[]);
        assert_eq!((sums[0].day, sums[0].count), (None, 4));
        assert_eq!((sums[1].day, sums[1].count, sums.len()), (Some(first.plus(2)), 2, DAYS + 1));
    }
}
