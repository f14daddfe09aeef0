//! Calls by day as columns: guarded at the bottom, then what can't be proved, then what wasn't guarded.

use std::collections::BTreeMap;

use askama::Template;
use audit_core::{
    report::{TimelineRow, headline::is_assumed},
    timestamp::Day,
    verdict::{Grade, Verdict},
};

use crate::numbers::{day, grouped, percent, short_day};

/// Columns that a chart has at most. More days are added up by weeks, or by longer periods.
const COLUMNS: i32 = 62;

/// Columns that have their share above them. Of more columns, only the first and the last have it.
const MOST_SHARES: usize = 10;

/// Calls that a requirement applied to, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    /// Provably guarded.
    pub(crate) guarded: u64,
    /// Guarded if nothing changed unseen.
    pub(crate) assumed: u64,
    pub(crate) not_provable: u64,
    pub(crate) unguarded: u64,
}

impl Calls {
    pub(crate) fn add(&mut self, verdict: Verdict, grade: Grade, count: u64) {
        match verdict {
            Verdict::Compliant if is_assumed(verdict, grade) => self.assumed += count,
            Verdict::Compliant => self.guarded += count,
            Verdict::NotProvable => self.not_provable += count,
            Verdict::Violation => self.unguarded += count,
            Verdict::NotApplicable => {}
        }
    }

    pub(crate) fn add_all(&mut self, other: Calls) {
        self.guarded += other.guarded;
        self.assumed += other.assumed;
        self.not_provable += other.not_provable;
        self.unguarded += other.unguarded;
    }

    pub(crate) fn required(self) -> u64 {
        self.guarded + self.assumed + self.not_provable + self.unguarded
    }

    /// The counts in the order in which they are drawn, with the classes of their colours.
    pub(crate) fn parts(self) -> impl Iterator<Item = (u64, &'static str)> {
        let parts = [(self.guarded, "g"), (self.assumed, "g4"), (self.not_provable, "n"), (self.unguarded, "b")];
        parts.into_iter().filter(|(count, _)| *count > 0)
    }

    /// What became of them, in words.
    pub(crate) fn in_words(self) -> String {
        let mut parts = vec![format!("{} of {} calls not guarded", grouped(self.unguarded), grouped(self.required()))];
        if self.not_provable > 0 {
            parts.push(format!("{} can't be proved", grouped(self.not_provable)));
        }
        if self.assumed > 0 {
            parts.push(format!("{} guarded if nothing changed unseen", grouped(self.assumed)));
        }
        parts.join(", ")
    }
}

/// The calls of a period of days.
#[derive(Clone, Debug)]
pub(crate) struct Period {
    first: Day,
    last: Day,
    calls: Calls,
}

/// The calls by period, without gaps, the earliest first; empty if no call has a time.
pub(crate) fn periods<'r>(rows: impl Iterator<Item = &'r TimelineRow>, span: Option<(Day, Day)>) -> Vec<Period> {
    let Some((first, last)) = span else { return Vec::new() };
    let days = last.since(first).saturating_add(1);
    let step = if days <= COLUMNS { 1 } else { days.div_euclid(COLUMNS).saturating_add(1).max(7) };
    let mut by_period: BTreeMap<i32, Calls> = BTreeMap::new();
    for row in rows {
        if let Some(day) = row.day {
            by_period.entry(day.since(first).div_euclid(step)).or_default().add(row.verdict, row.grade, row.count);
        }
    }
    let count = (days + step - 1).div_euclid(step);
    let period = |index: i32| {
        let start = first.plus(index * step);
        let end = start.plus(step - 1);
        Period { first: start, last: end.min(last), calls: by_period.get(&index).copied().unwrap_or_default() }
    };
    (0..count).map(period).collect()
}

/// The first and the last day with calls.
pub(crate) fn span(rows: &[TimelineRow]) -> Option<(Day, Day)> {
    let days = || rows.iter().filter_map(|row| row.day);
    Some((days().min()?, days().max()?))
}

/// A part of a column.
struct Part {
    x: String,
    y: String,
    width: String,
    height: String,
    class: &'static str,
}

/// A column with the text that describes it.
struct Column {
    title: String,
    parts: Vec<Part>,
    /// The share that was provably guarded, and the place of this text; empty where there is no room for it.
    share: String,
    middle: String,
    top: String,
}

/// A chart of columns.
#[derive(Template)]
#[template(path = "days.svg", escape = "html")]
pub(crate) struct Chart {
    width: u32,
    height: u32,
    class: &'static str,
    label: String,
    columns: Vec<Column>,
    /// The highest number of calls, for the axis; empty in a sparkline.
    top: String,
    first: String,
    last: String,
    plot_bottom: u32,
}

impl Chart {
    /// A chart with an axis.
    pub(crate) fn large(periods: &[Period]) -> Self {
        Self::new(periods, 460, 164, true)
    }

    /// A chart as high as a line of text.
    pub(crate) fn small(periods: &[Period]) -> Self {
        Self::new(periods, 96, 22, false)
    }

    fn new(periods: &[Period], width: u32, height: u32, has_axis: bool) -> Self {
        let most = periods.iter().map(|period| period.calls.required()).max().unwrap_or(0);
        let (above, below) = if has_axis { (32, 20) } else { (0, 0) };
        let is_roomy = periods.len() <= MOST_SHARES;
        let plot = f64::from(height - above - below);
        let pitch = f64::from(width) / precise(periods.len().max(1) as u64);
        let gap = if pitch > 8.0 { pitch * 0.22 } else { pitch * 0.1 };
        let column = |(index, period): (usize, &Period)| {
            let mut bottom = f64::from(height - below);
            let is_at_end = index == 0 || index + 1 == periods.len();
            let calls = period.calls;
            let part = |(count, class): (u64, &'static str)| {
                // What is there is seen, however little of the whole it is.
                let part_height = (plot * precise(count) / precise(most.max(1))).max(1.0);
                bottom -= part_height;
                let x = pitch.mul_add(precise(index as u64), gap / 2.0);
                Part {
                    x: decimal(x),
                    y: decimal(bottom.max(0.0)),
                    width: decimal((pitch - gap).max(0.5)),
                    height: decimal(part_height),
                    class,
                }
            };
            let parts = calls.parts().map(part).collect();
            let when =
                if period.first == period.last { day(period.first) } else { format!("{} – {}", day(period.first), day(period.last)) };
            let has_share = has_axis && calls.required() > 0 && (is_roomy || is_at_end);
            Column {
                title: format!("{when}: {}", calls.in_words()),
                parts,
                share: if has_share { percent(calls.guarded, calls.required()) } else { String::new() },
                // The first and the last of many columns are narrower than the text.
                middle: decimal(pitch.mul_add(precise(index as u64), pitch / 2.0).clamp(16.0, f64::from(width) - 16.0)),
                top: decimal(bottom - 4.0),
            }
        };
        let ends = periods.first().zip(periods.last());
        Chart {
            width,
            height,
            class: if has_axis { "chart" } else { "spark" },
            label: label(periods),
            columns: if has_axis {
                periods.iter().enumerate().map(column).collect()
            } else {
                merged(periods.iter().enumerate().map(column))
            },
            top: if has_axis {
                format!(
                    "{} calls a {} at most, and the share that was provably guarded",
                    grouped(most),
                    if is_by_day(periods) { "day" } else { "column" }
                )
            } else {
                String::new()
            },
            first: ends.map(|(first, _)| short_day(first.first)).unwrap_or_default(),
            last: ends.map(|(_, last)| short_day(last.last)).unwrap_or_default(),
            plot_bottom: height - below,
        }
    }
}

/// Puts all parts into one column without a title: a sparkline has many, and its label says it all.
fn merged(columns: impl Iterator<Item = Column>) -> Vec<Column> {
    let parts = columns.flat_map(|column| column.parts).collect();
    vec![Column { title: String::new(), parts, share: String::new(), middle: String::new(), top: String::new() }]
}

fn is_by_day(periods: &[Period]) -> bool {
    periods.iter().all(|period| period.first == period.last)
}

/// The chart in words, for readers who can't see it.
fn label(periods: &[Period]) -> String {
    let busy = || periods.iter().filter(|period| period.calls.required() > 0);
    let (Some(first), Some(last)) = (busy().next(), busy().next_back()) else {
        return "No calls with a time that had to be guarded".to_owned();
    };
    let share = |period: &Period| percent(period.calls.guarded, period.calls.required());
    let worst = busy().max_by_key(|period| period.calls.unguarded).unwrap_or(last);
    format!(
        "Provably guarded: {} on {}, {} on {}. Most calls without a guardrail: {} on {}",
        share(first),
        day(first.first),
        share(last),
        day(last.first),
        grouped(worst.calls.unguarded),
        day(worst.first)
    )
}

/// A count as a coordinate is computed from it.
#[expect(clippy::cast_precision_loss, reason = "a coordinate needs no more than 52 bits")]
pub(crate) fn precise(count: u64) -> f64 {
    count as f64
}

/// A coordinate with one digit after the point at most.
pub(crate) fn decimal(coordinate: f64) -> String {
    let text = format!("{coordinate:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
