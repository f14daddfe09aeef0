//! No heartbeats arrive from an account and Region, or metrics count calls that no event showed.

use crate::{
    arn::Region,
    change_history::{ChangeHistory, Outcome, RuleMatch},
    framework::LOGS_IMPAIRED,
    organization::GLOBAL_REGION,
    rule::{Check, Correlation, Group, Resolved, Rule, StateCheck, Traffic, TrafficCheck},
    severity::Severity,
    timestamp::Timestamp,
};

pub(super) static RULE: Rule = Rule {
    id: "telemetry-gap",
    title: "An account and Region fell silent, or made calls that no event showed",
    severity: Severity::Critical,
    group: Group::Telemetry,
    revealed_by: &["Converse"],
    fires: "The auditor's heartbeat, a Converse that IAM refuses, did not arrive for longer than its interval and fifteen minutes; or, with a \
        role configured, an active account of the organization is not heard of at all; or Bedrock's metrics count more calls in a period than were read. In AWS, where the \
        hub looks for itself, also: a heartbeat that it can't find in event history or in the organization's trail; calls and changes there that the \
        account never reported; state that may be read no longer; files of the trail that aren't what they were; records in dead-letter queues; an \
        account whose facts can't be judged.",
    evidence: "Heartbeats of the role that `[auditor] heartbeat_role` names, every `heartbeat_minutes` (by default 60), in accounts and Regions \
        where one was ever seen, or anywhere if a role is configured; GetMetricData in the world, for periods that the input reaches.",
    rationale: "Silence is the last bypass: whoever stops the evidence stops every other rule.",
    remediation: "Find out what cut the path: trail, rule, queue, function or role. The calls in between are not known.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::Independent,
    controls: LOGS_IMPAIRED,
    checks: &[Check::AccountRegion(TrafficCheck(check)), Check::State(StateCheck(check_state))],
};

/// Seconds within which CloudTrail usually delivers (docs/aws/eventbridge.md#delivery).
const DELIVERY_SECONDS: i64 = 15 * 60;

fn check(traffic: &Traffic<'_>, history: &ChangeHistory<'_>) -> Vec<Outcome> {
    let silences = silences(traffic, history).into_iter().map(|(from, until)| {
        // A heartbeat that only the account itself reports ends a silence, but doesn't prove that events arrive.
        let proof =
            |until: Timestamp| traffic.heartbeats.iter().find(|(time, is_proof)| *time >= until && *is_proof).map(|(time, _)| *time);
        let because = match until {
            Some(until) => format!("no heartbeat between {from} and {until}"),
            None => format!("no heartbeat since {from}"),
        };
        RuleMatch::new(traffic.account, traffic.region, "heartbeat", because).at(from).restored_at(until.and_then(proof)).fires()
    });
    silences.chain(uncounted(traffic, history)).collect()
}

/// Reports active accounts of the organization from which nothing was received, if heartbeats are expected of all accounts.
fn check_state(history: &ChangeHistory<'_>) -> Vec<Outcome> {
    let (first, last) = history.horizon;
    let is_expected = longest_silence(history).is_some_and(|longest| first > Timestamp::BEGINNING && last.seconds_since(first) > longest);
    let Some(organization) = history.state.organization().filter(|_| is_expected) else {
        return Vec::new();
    };
    let silent = organization.accounts.iter().filter(|(account, known)| {
        let is_met = history.regions.contains_key(*account) || history.state.metered().any(|(metered, _)| metered == *account);
        known.active && !is_met
    });
    let region = Region::from(GLOBAL_REGION);
    let because = format!("no heartbeat from any Region since {first}");
    silent.map(|(account, _)| RuleMatch::new(account, &region, "heartbeat", because.clone()).at(first).fires()).collect()
}

/// Seconds that an auditor may be silent at most; `None` if no heartbeats are expected.
pub(super) fn longest_silence(history: &ChangeHistory<'_>) -> Option<i64> {
    history.configuration.auditor.heartbeat_role.as_ref().map(|_| longest(history))
}

/// The time, beyond the end of the input, at which the first silent account and Region will have been silent for too long. `enabled` are
/// the times at which Regions were enabled, where an auditor is expected too.
pub(crate) fn silent_at(
    traffic: &[Traffic<'_>],
    enabled: impl Iterator<Item = Timestamp>,
    history: &ChangeHistory<'_>,
) -> Option<Timestamp> {
    let (_, last) = history.horizon;
    let quiet_since = traffic
        .iter()
        .filter_map(|of_region| of_region.heartbeats.last().map(|(time, _)| *time).or_else(|| expected_since(of_region, history)));
    let quiet = quiet_since.map(|since| since.plus_seconds(longest(history) + 1));
    let enabled = enabled.filter_map(|at| Some(at.plus_seconds(longest_silence(history)? + 1)));
    quiet.chain(enabled).filter(|at| *at > last).min()
}

/// The time from which heartbeats are expected; `None` if none are.
fn expected_since(traffic: &Traffic<'_>, history: &ChangeHistory<'_>) -> Option<Timestamp> {
    let (first, _) = history.horizon;
    let is_expected = history.configuration.auditor.heartbeat_role.is_some();
    match traffic.heartbeats.first() {
        // If no role is configured, heartbeats are expected from the first one on.
        Some((time, _)) => Some(if is_expected { first } else { *time }),
        None => Some(first).filter(|first| is_expected && *first > Timestamp::BEGINNING),
    }
}

fn longest(history: &ChangeHistory<'_>) -> i64 {
    history.configuration.auditor.heartbeat_minutes * 60 + DELIVERY_SECONDS
}

/// The periods without a heartbeat, each with the heartbeat that ended it.
fn silences(traffic: &Traffic<'_>, history: &ChangeHistory<'_>) -> Vec<(Timestamp, Option<Timestamp>)> {
    let (_, last) = history.horizon;
    let Some(mut since) = expected_since(traffic, history) else { return Vec::new() };
    let longest = longest(history);
    let mut silences = Vec::new();
    for (heartbeat, _) in &traffic.heartbeats {
        if heartbeat.seconds_since(since) > longest {
            silences.push((since, Some(*heartbeat)));
        }
        since = *heartbeat;
    }
    if last.seconds_since(since) > longest {
        silences.push((since, None));
    }
    silences
}

/// Reports periods in which metrics count more calls than were read.
fn uncounted(traffic: &Traffic<'_>, history: &ChangeHistory<'_>) -> Option<Outcome> {
    let (first, last) = history.horizon;
    let mut missed = 0;
    let mut since = None;
    for (start, counted) in history.state.metrics(traffic.account, traffic.region)? {
        let end = start.plus_seconds(counted.period).max(*start);
        if end <= first || *start > last {
            continue;
        }
        // CloudWatch's periods begin and end with a minute.
        let read = traffic.counted.range(*start..end).map(|(_, calls)| calls).sum();
        if counted.calls > read {
            missed += counted.calls - read;
            since = since.or(Some(*start));
        }
    }
    let since = since?;
    let because = format!("Bedrock's metrics count {missed} more calls than events show");
    Some(RuleMatch::new(traffic.account, traffic.region, "metrics", because).at(since).fires())
}
