//! Model invocation logging was switched off, or its destination was changed.

use std::collections::BTreeSet;

use crate::{
    change::WorldChange,
    change_history::{ChangeInContext, Outcome},
    framework::LOGS_IMPAIRED,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
    telemetry::InvocationLogging,
    timestamp::Timestamp,
};

pub(super) static RULE: Rule = Rule {
    id: "invocation-logging-disabled",
    title: "Model invocation logging was switched off, stripped of text or sent elsewhere",
    severity: Severity::High,
    group: Group::Telemetry,
    revealed_by: &["DeleteModelInvocationLoggingConfiguration", "PutModelInvocationLoggingConfiguration"],
    fires: "DeleteModelInvocationLoggingConfiguration; or PutModelInvocationLoggingConfiguration without text, or to other buckets or log \
        groups than before.",
    evidence: "The record, and where the logs went before (GetModelInvocationLoggingConfiguration or an earlier Put). Where that is not known, \
        or the record hides the configuration, the effect is not verified, one step lower. Deleting where nothing was logged is nothing.",
    rationale: "The trace in these logs is one of two proofs that a guardrail evaluated a call.",
    remediation: "Put the former configuration again, and deny both operations to members by a service control policy.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::RemovesProtection,
    controls: LOGS_IMPAIRED,
    checks: &[Check::Change(ChangeCheck {
        attempt: "Model invocation logging would have been switched off, stripped of text or sent elsewhere",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let Some(WorldChange::InvocationLoggingChanged { account, region, logging }) = &seen.change.effect else {
        return Vec::new();
    };
    let state = seen.history.state;
    let logging_at = |at: Timestamp| state.invocation_logging(account, region, at).state();
    let before = logging_at(seen.before());
    let deleted = seen.change.operation.starts_with("Delete");
    let after = if logging.is_null() {
        logging_at(seen.key.time).filter(|_| !seen.change.is_refused()).cloned()
    } else {
        Some(InvocationLogging::from_json(logging))
    };
    let nothing = || format!("nothing {} logged any more", seen.did("is", "would be"));
    let (because, unverified) = match (before, after) {
        (Some(before), _) if deleted && !before.on => return Vec::new(),
        _ if deleted => (nothing(), false),
        (_, None) => (format!("what {} is not known", seen.did("is logged now", "would be logged")), true),
        (Some(before), Some(after)) if !loses(before, &after) => return Vec::new(),
        (None, Some(after)) if after.on && after.text => {
            (format!("it {} again, and where the logs went before is not known", seen.did("was put", "would have been put")), true)
        }
        (_, Some(after)) if !after.on => (nothing(), false),
        (_, Some(after)) if !after.text => {
            let are = seen.did("are no longer", "would no longer be");
            (format!("texts {are} delivered, and with them no trace of guardrails"), false)
        }
        (_, Some(after)) => {
            let now: BTreeSet<&str> = after.destinations().collect();
            (format!("the logs {} to {} instead", seen.did("go", "would go"), Vec::from_iter(now).join(", ")), false)
        }
    };
    let later = state.invocation_logging_boundaries(account, region, seen.key.time);
    let right = |at: Timestamp| logging_at(at).is_some_and(|now| before.is_none_or(|before| !loses(before, now)) && now.on && now.text);
    let restored_at = seen.right_again(format!("logging {account} {region}"), later, right);
    vec![seen.rule_match("model invocation logging", because).unverified(unverified).restored_at(restored_at).fires()]
}

/// Whether the second configuration logs less than the first, or elsewhere.
fn loses(before: &InvocationLogging, after: &InvocationLogging) -> bool {
    (before.on && !after.on)
        || (before.text && !after.text)
        || !before.destinations().all(|destination| after.destinations().any(|now| now == destination))
}
