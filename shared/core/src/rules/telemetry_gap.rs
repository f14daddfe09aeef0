//! An account and Region fell silent, or made calls that no event showed.

use crate::{
    framework::LOGS_IMPAIRED,
    moment::Moment,
    rule::{Check, Group, PlaceCheck, Resolved, Rule, Traffic},
    scene::{Outcome, Scene, Sighting},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "telemetry-gap",
    title: "An account and Region fell silent, or made calls that no event showed",
    severity: Severity::Critical,
    group: Group::Telemetry,
    revealed_by: &["Converse"],
    fires: "The auditor's heartbeat, a Converse that IAM refuses, did not arrive for longer than its interval and fifteen minutes; or Bedrock's \
        metrics count more calls in a period than were read.",
    evidence: "Heartbeats of the role that `[auditor] heartbeat_role` names, every `heartbeat_minutes` (by default 60), in accounts and Regions \
        where one was ever seen, or anywhere if a role is configured; GetMetricData in the world, for periods that the input reaches.",
    rationale: "Silence is the last bypass: whoever stops the evidence stops every other rule.",
    remediation: "Find out what cut the path: trail, rule, queue, function or role. The calls in between are not known.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring.html"],
    resolved: Resolved::ByState,
    controls: LOGS_IMPAIRED,
    checks: &[Check::Place(PlaceCheck(check))],
};

/// CloudTrail delivers within about this time (facts/04).
const DELIVERY_SECONDS: i64 = 15 * 60;

fn check(place: &Traffic<'_>, scene: &Scene<'_>) -> Vec<Outcome> {
    let silences = silences(place, scene).into_iter().map(|(from, until)| {
        // A heartbeat that only the account itself reports ends a silence, but doesn't prove that all is well.
        let proof = |until: Moment| place.heartbeats.iter().find(|(time, is_proof)| *time >= until && *is_proof).map(|(time, _)| *time);
        let because = match until {
            Some(until) => format!("no heartbeat between {from} and {until}"),
            None => format!("no heartbeat since {from}"),
        };
        Sighting::new(place.account, place.region, "heartbeat", because).at(from).righted(until.and_then(proof)).fires()
    });
    silences.chain(uncounted(place, scene)).collect()
}

/// The times without a heartbeat, each with the one that ended it.
fn silences(place: &Traffic<'_>, scene: &Scene<'_>) -> Vec<(Moment, Option<Moment>)> {
    let auditor = &scene.configuration.auditor;
    let (first, last) = scene.horizon;
    if place.heartbeats.is_empty() && (auditor.heartbeat_role.is_none() || first == Moment::BEGINNING) {
        return Vec::new();
    }
    let longest = auditor.heartbeat_minutes * 60 + DELIVERY_SECONDS;
    let mut silences = Vec::new();
    // Where no role is configured, the first heartbeat is the beginning of what can be expected.
    let mut since = if auditor.heartbeat_role.is_some() { first } else { place.heartbeats.first().map_or(first, |(time, _)| *time) };
    for (heartbeat, _) in &place.heartbeats {
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

/// Periods in which metrics count more calls than were read.
fn uncounted(place: &Traffic<'_>, scene: &Scene<'_>) -> Option<Outcome> {
    let (first, last) = scene.horizon;
    let mut missed = 0;
    let mut since = None;
    for (start, counted) in scene.state.metrics(place.account, place.region)? {
        let end = start.plus_seconds(counted.period);
        if end <= first || *start > last {
            continue;
        }
        let from = place.counted.partition_point(|time| time < start);
        let until = place.counted.partition_point(|time| *time < end);
        let read = until.saturating_sub(from) as u64;
        if counted.calls > read {
            missed += counted.calls - read;
            since = since.or(Some(*start));
        }
    }
    let since = since?;
    let because = format!("Bedrock's metrics count {missed} more calls than events show");
    Some(Sighting::new(place.account, place.region, "metrics", because).at(since).fires())
}
