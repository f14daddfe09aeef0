//! What the dashboard shows of a report: the calls of the day before, and what can't be seen.
//!
//! Sums are metrics, because a metric has a monthly price. What has more values, accounts and kinds of evidence, is a line of the log for
//! each, which the dashboard looks up.

use std::collections::BTreeMap;

use audit_core::{
    report::{Report, headline::is_assumed},
    timestamp::Day,
    verdict::{Invocations, Verdict},
};

use super::Reports;

/// Calls by what is known of them, as a report's sentence counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Calls {
    invocations: Invocations,
    assumed: u64,
}

impl Calls {
    fn add(&mut self, verdict: Verdict, is_assumed: bool, count: u64) {
        self.invocations.add(verdict, count);
        self.assumed += if is_assumed { count } else { 0 };
    }

    const fn guarded(&self) -> u64 {
        self.invocations.compliant.saturating_sub(self.assumed)
    }
}

/// The calls of the last whole day before a report, by account. Calls that came late count on no dashboard; the report has them.
fn of_the_day_before(report: &Report) -> BTreeMap<&str, Calls> {
    let day = Day::of(report.generated_at).plus(-1);
    let mut by_account: BTreeMap<&str, Calls> = BTreeMap::new();
    for row in report.timeline.iter().filter(|row| row.day == Some(day)) {
        by_account.entry(&row.account).or_default().add(row.verdict, is_assumed(row.verdict, row.grade), row.count);
    }
    by_account
}

/// The number of accounts and Regions that lack each kind of evidence.
fn blind_spots(report: &Report) -> BTreeMap<&'static str, u64> {
    let mut by_kind = BTreeMap::new();
    for row in &report.blind {
        *by_kind.entry(row.missing.as_str()).or_default() += 1;
    }
    by_kind
}

impl<B> Reports<B> {
    /// Writes the metrics and the lines that the dashboard shows.
    pub(super) fn show_on_dashboard(&self, report: &Report) {
        let mut all = Calls::default();
        for (account, calls) in of_the_day_before(report) {
            let Invocations { violation, not_provable, .. } = calls.invocations;
            all.invocations.add_all(&calls.invocations);
            all.assumed += calls.assumed;
            tracing::info!(
                account,
                guarded = calls.guarded(),
                assumed = calls.assumed,
                unguarded = violation,
                not_provable,
                "calls of an account"
            );
        }
        let blind = blind_spots(report);
        for (kind, blind_spots) in &blind {
            tracing::info!(kind, blind_spots, "blind spots of a kind");
        }
        self.metrics.emit(&[
            ("calls_guarded", all.guarded()),
            ("calls_assumed", all.assumed),
            ("calls_unguarded", all.invocations.violation),
            ("calls_not_provable", all.invocations.not_provable),
            ("blind_spots", blind.values().sum()),
            // Numbers of a report that isn't whole must not look as if they were.
            ("incomplete", report.incomplete.len() as u64),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use audit_core::{
        missing_evidence::MissingEvidence,
        report::{BlindRow, Records, TimelineRow, Tool},
        timestamp::Timestamp,
        verdict::Grade,
    };

    use super::*;

    #[test]
    fn the_day_before_counts_and_what_is_assumed_is_not_guarded() {
        let row = |day: &str, account: &str, verdict, grade, count| TimelineRow {
            day: Day::parse(day),
            account: account.into(),
            verdict,
            grade,
            count,
        };
        let blind = |region: &str, missing| BlindRow { account: "a".into(), region: region.into(), missing, remedy: String::new() };
        let report = Report {
            tool: Tool { name: String::new(), version: String::new() },
            generated_at: Timestamp::parse("2026-11-21T06:00:00Z").unwrap(),
            filter: None,
            incomplete: Vec::new(),
            records: Records::default(),
            invocations: Invocations::default(),
            coverage: Vec::new(),
            timeline: vec![
                row("2026-11-20", "a", Verdict::Compliant, Grade::Enforced, 5),
                row("2026-11-20", "a", Verdict::Compliant, Grade::Assumed, 2),
                row("2026-11-20", "b", Verdict::Violation, Grade::Enforced, 3),
                row("2026-11-20", "b", Verdict::NotProvable, Grade::None, 4),
                row("2026-11-19", "b", Verdict::Violation, Grade::Enforced, 100),
                row("2026-11-21", "b", Verdict::Violation, Grade::Enforced, 100),
            ],
            blind: vec![
                blind("us-east-1", MissingEvidence::Telemetry),
                blind("eu-west-1", MissingEvidence::Telemetry),
                blind("eu-west-1", MissingEvidence::EventHistory),
            ],
            findings: Vec::new(),
            unreadable: Vec::new(),
            origin: None,
            organization: None,
            accounts: BTreeMap::new(),
            units: BTreeMap::new(),
            is_without_world: false,
            configuration: None,
        };
        let calls = of_the_day_before(&report);
        assert_eq!((calls["a"].guarded(), calls["a"].assumed), (5, 2));
        assert_eq!((calls["b"].invocations.violation, calls["b"].invocations.not_provable, calls["b"].guarded()), (3, 4, 0));
        assert_eq!(blind_spots(&report), BTreeMap::from([("event_history", 1), ("telemetry", 2)]));
    }
}
