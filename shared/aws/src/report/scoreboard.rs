//! Accounts by what is open in them, and how many of their calls were covered.

use std::collections::BTreeMap;

use audit_core::{
    finding::{Finding, Status},
    report::v1,
    rules::find,
    severity::Severity,
    verdict::Invocations,
};
use serde::Serialize;

use crate::findings::Stored;

/// An account's place on the scoreboard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    /// Which.
    pub account: String,
    /// From 1, the worst first.
    pub rank: usize,
    /// Open findings, weighed by severity.
    pub score: u64,
    /// Open findings about calls that went around guardrails.
    pub bypasses: u64,
    /// Open findings about changes of guardrails, policies and what watches them.
    pub modifications: u64,
    /// Open findings by severity.
    pub open: BTreeMap<String, u64>,
}

/// The share of calls that were covered, of those that had to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// The day, or the hour.
    pub period: String,
    /// Whose.
    pub account: String,
    /// The calls.
    pub invocations: v1::Invocations,
    /// Compliant of all but those to which nothing applies. Absent if there are none.
    pub ratio: Option<f64>,
}

fn weight(severity: Severity) -> u64 {
    match severity {
        Severity::Critical => 100,
        Severity::High => 30,
        Severity::Medium => 10,
        Severity::Low => 3,
        Severity::Informational => 0,
    }
}

/// Accounts by what is open in them, the worst first.
pub(super) fn scoreboard(all: &[Stored]) -> Vec<Score> {
    let mut by_account: BTreeMap<String, Score> = BTreeMap::new();
    for Finding { account, severity, rule, status, .. } in all.iter().map(|stored| &stored.finding) {
        let score = by_account.entry(account.to_string()).or_insert_with(|| Score { account: account.to_string(), ..Score::default() });
        if *status != Status::Open {
            continue;
        }
        score.score += weight(*severity);
        *score.open.entry(severity.to_string()).or_default() += 1;
        let about_calls = find(rule).is_some_and(|rule| rule.group == audit_core::rule::Group::Invocation);
        *if about_calls { &mut score.bypasses } else { &mut score.modifications } += 1;
    }
    let mut scores: Vec<Score> = by_account.into_values().collect();
    scores.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.account.cmp(&b.account)));
    for (index, score) in scores.iter_mut().enumerate() {
        score.rank = index + 1;
    }
    scores
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of counts needs no more than 52 bits")]
pub(super) fn ratio(invocations: &Invocations) -> Option<f64> {
    let all = invocations.compliant + invocations.violation + invocations.not_provable;
    (all > 0).then(|| invocations.compliant as f64 / all as f64)
}
