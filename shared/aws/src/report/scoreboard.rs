//! The scoreboard: accounts by their open findings, and the share of covered calls.

use std::collections::BTreeMap;

use audit_core::{
    finding::{Finding, Status},
    report::v1,
    rules::find,
    severity::Severity,
    timestamp::Timestamp,
    verdict::Invocations,
};
use serde::Serialize;

use crate::findings::{Quarantine, Stored};

/// An account on the scoreboard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    /// The account.
    pub account: String,
    /// Its rank, from 1 for the worst.
    pub rank: usize,
    /// The sum of its open findings' weights, which grow with severity.
    pub score: u64,
    /// The number of open findings about calls.
    pub bypasses: u64,
    /// The number of open findings about changes and about what records them.
    pub modifications: u64,
    /// The number of open findings by severity.
    pub open: BTreeMap<String, u64>,
    /// Since when it isn't judged, or not by all that is known of it; absent if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_judged_since: Option<Timestamp>,
}

/// The calls of a period, and the share of them that was covered.
#[derive(Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// The day or the hour.
    pub period: String,
    /// The account.
    pub account: String,
    /// The calls by verdict.
    pub invocations: v1::Invocations,
    /// The share of compliant calls among those that a requirement applies to; absent if there are none.
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

/// The accounts by their open findings, the worst first. Those that can't be judged are among them, whatever was found of them before.
pub(super) fn scoreboard(all: &[Stored], quarantined: &[(String, Quarantine)]) -> Vec<Score> {
    let unjudged = |(account, quarantine): &(String, Quarantine)| {
        let score = Score { account: account.clone(), not_judged_since: Some(quarantine.since), ..Score::default() };
        (account.clone(), score)
    };
    let mut by_account: BTreeMap<String, Score> = quarantined.iter().map(unjudged).collect();
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
