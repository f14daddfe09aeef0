//! Draws shares of calls with characters, for terminals that are wide enough.

use std::collections::BTreeMap;

use audit_core::{
    arn::AccountId,
    report::{
        Report,
        headline::{AccountSums, is_assumed},
    },
    timestamp::Day,
    verdict::Verdict,
};

/// Calls that were provably guarded.
pub(super) const GUARDED: char = '█';
/// Calls that were guarded only if nothing changed unseen, and calls of which nothing can be proved.
pub(super) const NOT_PROVED: char = '▒';
/// Calls that were not guarded.
pub(super) const UNGUARDED: char = '·';

/// Draws the share of calls that were guarded. A single call that was not, or can't be proved, takes a whole step away, so that a full bar
/// means all of them.
pub(super) fn bar(sums: &AccountSums<'_>) -> String {
    const STEPS: u64 = 10;
    let (all, violations) = (sums.required(), sums.calls.violation);
    if all == 0 {
        return String::new();
    }
    let steps = |count: u64| count.saturating_mul(STEPS) / all;
    let guarded = steps(sums.guarded());
    let rest = STEPS - guarded;
    let open = all - sums.guarded() - violations;
    let not_proved = if violations == 0 { rest } else { steps(open).max(u64::from(open > 0)).min(rest - 1) };
    let draw = |of: char, count: u64| std::iter::repeat_n(of, usize::try_from(count).unwrap_or(0));
    draw(GUARDED, guarded).chain(draw(NOT_PROVED, not_proved)).chain(draw(UNGUARDED, rest - not_proved)).collect()
}

/// The heights of a line over time, the last one for days on which every call was guarded.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A day without a call that had to be guarded.
const NO_CALLS: char = ' ';

/// Characters of a line over time at most. If there are more days, each character stands for several.
const LONGEST: i32 = 30;

/// The share of calls that were provably guarded, over the days of a report.
pub(super) struct Days {
    pub(super) first: Day,
    pub(super) last: Day,
    /// Days that a character stands for.
    each: i32,
}

impl Days {
    /// The days of a report; `None` if all calls lie on one day, which makes no line.
    pub(super) fn of(report: &Report) -> Option<Self> {
        let days = || report.timeline.iter().filter_map(|row| row.day);
        let (first, last) = (days().min()?, days().max()?);
        let each = last.since(first) / LONGEST + 1;
        (last > first).then_some(Days { first, last, each })
    }

    /// Draws a character for each day, of one account or of all.
    pub(super) fn line(&self, report: &Report, account: Option<&AccountId>) -> String {
        let mut shares: BTreeMap<i32, (u64, u64)> = BTreeMap::new();
        for row in report.timeline.iter().filter(|row| account.is_none_or(|account| row.account == *account)) {
            let Some(day) = row.day.filter(|_| row.verdict != Verdict::NotApplicable) else { continue };
            let (guarded, all) = shares.entry(day.since(self.first) / self.each).or_default();
            let is_guarded = row.verdict == Verdict::Compliant && !is_assumed(row.verdict, row.grade);
            *guarded += if is_guarded { row.count } else { 0 };
            *all += row.count;
        }
        let drawn = |(guarded, all): &(u64, u64)| {
            let height = guarded.saturating_mul(HEIGHTS.len() as u64 - 1) / (*all).max(1);
            usize::try_from(height).ok().and_then(|height| HEIGHTS.get(height)).copied().unwrap_or(NO_CALLS)
        };
        let characters = 0..=self.last.since(self.first) / self.each;
        characters.map(|index| shares.get(&index).map_or(NO_CALLS, drawn)).collect()
    }
}

#[cfg(test)]
mod tests {
    use audit_core::{
        report::TimelineRow,
        verdict::{Grade, Invocations},
    };

    use super::*;

    #[test]
    fn a_full_bar_means_every_call() {
        let draw = |compliant, violation, not_provable, assumed| {
            let calls = Invocations { compliant, violation, not_provable, not_applicable: 7 };
            bar(&AccountSums { calls, assumed, ..AccountSums::default() })
        };
        assert_eq!(draw(5, 0, 0, 0), "██████████");
        assert_eq!(draw(9999, 1, 0, 0), "█████████·");
        assert_eq!(draw(9999, 0, 1, 0), "█████████▒");
        assert_eq!(draw(9999, 0, 0, 1), "█████████▒", "assumed is not proved");
        assert_eq!(draw(0, 3, 0, 0), "··········");
        assert_eq!(draw(1, 2, 0, 0), "███·······");
        assert_eq!(draw(1, 1, 2, 0), "██▒▒▒▒▒···");
        assert_eq!(draw(0, 0, 0, 0), "");
    }

    fn report(rows: &[(&str, &str, Verdict, u64)]) -> Report {
        let row = |(day, account, verdict, count): &(&str, &str, Verdict, u64)| TimelineRow {
            day: Day::parse(day),
            account: (*account).into(),
            verdict: *verdict,
            grade: Grade::Enforced,
            count: *count,
        };
        Report { timeline: rows.iter().map(row).collect(), ..super::super::tests::empty() }
    }

    #[test]
    fn a_line_is_full_only_where_every_call_was_guarded() {
        let (yes, no, exempt) = (Verdict::Compliant, Verdict::Violation, Verdict::NotApplicable);
        let report = report(&[
            ("2026-11-09", "1", yes, 999),
            ("2026-11-09", "2", no, 1),
            ("2026-11-10", "1", yes, 5),
            ("2026-11-11", "1", exempt, 5),
            ("2026-11-12", "2", no, 5),
        ]);
        let days = Days::of(&report).unwrap();
        assert_eq!(days.line(&report, None), "▇█ ▁");
        assert_eq!(days.line(&report, Some(&"1".into())), "██  ");
        assert_eq!(days.line(&report, Some(&"2".into())), "▁  ▁");
    }

    #[test]
    fn a_year_is_no_longer_than_a_month() {
        let report = report(&[("2025-11-09", "1", Verdict::Compliant, 1), ("2026-11-09", "1", Verdict::Violation, 1)]);
        let line = Days::of(&report).unwrap().line(&report, None);
        assert!(line.chars().count() <= 30 && line.starts_with('█') && line.ends_with('▁'), "{line}");
        assert!(Days::of(&super::super::tests::empty()).is_none());
    }
}
