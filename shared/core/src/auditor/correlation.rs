//! Correlation: links a finding to those that it led to, or that are about the same event (docs/glossary.md#correlation).
//!
//! A link changes no severity: that stays what the rule and the configuration set.

use std::collections::BTreeMap;

use super::{changes::ChangeFinding, finding_builder::Span};
use crate::{
    finding::Finding,
    rule::{Correlation, Group, Rule},
    timestamp::Timestamp,
    verdict::Verdict,
};

/// Seconds after the removal of a protection within which violations are taken as its use.
const WINDOW_SECONDS: i64 = 24 * 60 * 60;

/// A finding about calls.
pub(super) struct CallFinding {
    pub(super) rule: &'static Rule,
    pub(super) finding: Finding,
    /// The times of the calls, if they are violations, which a change can have made possible; else empty.
    pub(super) spans: Vec<Span>,
}

/// Links the findings about calls and changes, and returns all of them.
pub(super) fn correlate(calls: Vec<CallFinding>, changes: Vec<ChangeFinding>) -> Vec<Finding> {
    let mut links: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut link = |a: &Finding, b: &Finding| {
        links.entry(a.id.clone()).or_default().push(b.id.clone());
        links.entry(b.id.clone()).or_default().push(a.id.clone());
    };
    let removes_protection = |change: &&ChangeFinding| change.rule.correlation == Correlation::RemovesProtection;
    for change in changes.iter().filter(removes_protection) {
        let tampering = &change.finding;
        for CallFinding { finding: calls, spans, .. } in calls.iter().filter(|calls| is_use(&calls.finding)) {
            let same_principal = calls.principals.shown.iter().any(|principal| tampering.principals.shown.contains(principal));
            if (same_principal || calls.account == tampering.account) && change.done.iter().any(|done| followed(*done, spans)) {
                link(tampering, calls);
            }
        }
    }
    let of = |correlation: Correlation| calls.iter().filter(move |calls| calls.rule.correlation == correlation).map(|calls| &calls.finding);
    for cause in of(Correlation::NoGuardrailRequired) {
        let follows = |finding: &&Finding| {
            (&finding.account, &finding.region) == (&cause.account, &cause.region)
                && finding.policy.as_ref().is_none_or(|policy| policy.identifier.is_none())
        };
        of(Correlation::FollowsFromNoneRequired).filter(follows).for_each(|effect| link(cause, effect));
        let of_organization = |change: &&ChangeFinding| change.finding.account == cause.account && change.rule.group == Group::Organization;
        changes.iter().filter(of_organization).for_each(|change| link(&change.finding, cause));
    }
    // Findings of several rules about one event are linked.
    let mut by_event: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in changes.iter().map(|change| &change.finding) {
        finding.events.iter().for_each(|event| by_event.entry(event).or_default().push(finding));
    }
    for findings in by_event.values() {
        for (index, finding) in findings.iter().enumerate().take(MOST_LINKS) {
            findings
                .iter()
                .skip(index + 1)
                .take(MOST_LINKS)
                .filter(|other| other.rule != finding.rule)
                .for_each(|other| link(finding, other));
        }
    }
    let all = calls.into_iter().map(|calls| calls.finding).chain(changes.into_iter().map(|change| change.finding));
    all.map(|mut finding| {
        finding.linked = links.remove(&finding.id).unwrap_or_default();
        finding.linked.sort_unstable();
        finding.linked.dedup();
        finding.linked.truncate(MOST_LINKS);
        finding
    })
    .collect()
}

/// The most links of a finding. Without it, a thousand findings about one event would carry a million links.
const MOST_LINKS: usize = 20;

/// The times of the calls behind a finding, as far as [`correlate`] needs them.
pub(super) fn when(calls: &Finding, spans: impl Iterator<Item = Span>) -> Vec<Span> {
    if is_use(calls) { joined(spans) } else { Vec::new() }
}

/// Merges spans that lie no further apart than [`WINDOW_SECONDS`]; [`followed`] gives the same answer for the result.
fn joined(spans: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut spans: Vec<Span> = spans.filter(|span| span.ends().next().is_some()).collect();
    spans.sort_unstable_by_key(|span| span.first);
    spans.dedup_by(|next, span| {
        let joins = next.first <= span.last.plus_seconds(WINDOW_SECONDS);
        if joins {
            span.last = span.last.max(next.last);
        }
        joins
    });
    spans.shrink_to_fit();
    spans
}

/// Whether these calls can make use of a removed protection: they are violations.
fn is_use(calls: &Finding) -> bool {
    calls.verdict == Some(Verdict::Violation)
}

/// Whether calls were made within [`WINDOW_SECONDS`] after a change.
fn followed(done: Timestamp, spans: &[Span]) -> bool {
    let until = done.plus_seconds(WINDOW_SECONDS);
    spans.iter().any(|span| span.last >= done && span.first <= until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(hours: &[(i64, i64)]) -> Vec<Span> {
        let at = |hour: i64| Timestamp::from_seconds(hour * 3600);
        hours.iter().map(|(first, last)| Span { first: at(*first), last: at(*last) }).collect()
    }

    proptest::proptest! {
        /// Joined or not, the same tamperings were followed.
        #[test]
        fn what_is_joined_says_the_same(hours in proptest::collection::vec((0_i64..300, 0_i64..60), 0..12), done in -50_i64..350) {
            let hours: Vec<_> = hours.into_iter().map(|(first, length)| (first, first + length)).collect();
            let joined = joined(spans(&hours).into_iter());
            let done = Timestamp::from_seconds(done * 3600);
            proptest::prop_assert_eq!(followed(done, &joined), followed(done, &spans(&hours)));
            let apart = |pair: &[Span]| pair[1].first.seconds_since(pair[0].last) > WINDOW_SECONDS;
            proptest::prop_assert!(joined.windows(2).all(apart), "{joined:?}");
        }
    }
}
