//! A published version has another content than in its first snapshot.

use crate::{
    arn::{GuardrailVersion, GuardrailVersionArn},
    change_history::{ChangeHistory, Outcome, RuleMatch, control_change},
    framework::PROTECTION_WEAKENED,
    guardrail::{CanonicalGuardrail, Effect, diff},
    rule::{Check, Correlation, Group, Resolved, Rule, StateCheck},
    severity::Severity,
    timestamp::Timestamp,
};

pub(super) static RULE: Rule = Rule {
    id: "guardrail-version-altered",
    title: "A published, immutable guardrail version reads differently from its first snapshot",
    severity: Severity::Critical,
    group: Group::Guardrails,
    revealed_by: &["CreateGuardrailVersion"],
    fires: "Two snapshots of the same numbered version, both taken while it was READY, protect differently, or differ in a member that this \
        auditor doesn't know. Two steps lower where the later one only has such members more: AWS may have begun to show what the version \
        held from the beginning.",
    evidence: "GetGuardrail's answers of a numbered version at two times. With one snapshot there is nothing to compare, and nothing is \
        said of it.",
    rationale: "Versions don't change. If one does, the evidence was tampered with, or AWS changed what it enforces.",
    remediation: "Read the version again from a trusted account, compare both snapshots, and open a case with AWS if it really changed.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-versions-create.html"],
    resolved: Resolved::Never,
    correlation: Correlation::Independent,
    controls: PROTECTION_WEAKENED,
    checks: &[Check::State(StateCheck(check))],
};

fn check(history: &ChangeHistory<'_>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (GuardrailVersionArn { key, version }, timeline) in history.state.guardrails() {
        if *version != GuardrailVersion::Draft {
            let read = timeline.entries().filter_map(|(time, _, content)| Some((time, content?.as_deref()?)));
            let mut read = read.filter(|(_, content)| content.is_ready());
            let Some((_, first)) = read.next() else {
                continue;
            };
            let others: Vec<(Timestamp, &CanonicalGuardrail)> =
                read.filter(|(_, other)| first.fingerprint() != other.fingerprint()).collect();
            let altered = others.iter().find(|(_, other)| !only_shows_more(first, other));
            let Some((time, other)) = altered.or(others.first()) else {
                continue;
            };
            let resource = format!("{}:{version}", key.arn());
            let (steps, because) = if altered.is_some() {
                (0, format!("version {version} of {} is immutable and reads differently", key.id))
            } else {
                (-2, format!("version {version} of {} is immutable, and AWS now shows what it didn't show before", key.id))
            };
            let changes = diff(first, other).into_iter().map(control_change).collect();
            outcomes.push(
                RuleMatch::new(&key.account, &key.region, resource, because).changing(changes).severity_steps(steps).at(*time).fires(),
            );
        }
    }
    outcomes
}

/// Whether the later response only has additional members, which this version of the auditor doesn't know. AWS may have begun to return
/// what the version contained from the beginning.
fn only_shows_more(first: &CanonicalGuardrail, later: &CanonicalGuardrail) -> bool {
    diff(first, later).iter().all(|difference| difference.before.is_none() && difference.after.as_ref().is_some_and(Effect::is_unknown))
}
