//! No trail records evaluations by guardrails, or calls that are data events.

use crate::{
    change::Change,
    change_history::{ChangeInContext, Outcome},
    framework::LOGS_IMPAIRED,
    operations,
    rule::{ChangeCheck, Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
    telemetry::{LoggedEvent, Selectors},
    verdict::{Grade, Verdict},
    world::InForce,
};

pub(super) static RULE: Rule = Rule {
    id: "evaluations-not-recorded",
    title: "No trail records evaluations by guardrails, or calls that are data events",
    severity: Severity::Medium,
    group: Group::Telemetry,
    revealed_by: operations::joined!(operations::COVERED, &["PutEventSelectors"]),
    fires: "A covered call's verdict rests on enforcement, because the account's trails have no selector for AWS::Bedrock::Guardrail; or \
        PutEventSelectors takes away that selector or, separately, one for the other data events of inference, and no other running trail \
        of the account has it.",
    evidence: "The trails' selectors (GetEventSelectors) and status (GetTrailStatus). Where they are not known, that is a blind spot. Where \
        evaluations were read, something records them: then nothing is claimed. Selectors that still choose some of these events are told as \
        narrowed, with the condition that leaves out the others.",
    rationale: "Without evaluations nobody can tell whether what is enforced was really applied to a call.",
    remediation: "Add data event selectors to a trail: AWS::Bedrock::Guardrail costs $0.10 per hundred thousand evaluations.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/userguide/logging-using-cloudtrail.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::Independent,
    controls: LOGS_IMPAIRED,
    checks: &[
        Check::Call(check_call),
        Check::Change(ChangeCheck {
            attempt: "No trail would record evaluations by guardrails, or calls that are data events",
            expected_of_administrators: true,
            look: check_change,
        }),
    ],
};

fn check_call(judged: &JudgedCall<'_>) -> Option<Observed> {
    let rests_on_enforcement = judged.judgement.verdict == Verdict::Compliant && judged.judgement.grade != Grade::Observed;
    let not_recorded = matches!(judged.evaluations_recorded, InForce::Known(false) | InForce::Assumed(false));
    (rests_on_enforcement && not_recorded).then(|| Observed {
        because: "covered by enforcement, and no trail would show it if the guardrail had not been applied".to_owned(),
        ..Observed::default()
    })
}

fn check_change(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let trail = super::trail_stopped::trail_of(seen.change);
    let (Some(after), Some(before)) =
        (super::trail_stopped::selectors_of(seen.change), super::trail_stopped::selectors_before(seen, trail))
    else {
        return Vec::new();
    };
    let by_others = other_trails(seen, trail);
    let lost = |events: &[LoggedEvent<'_>]| {
        let is_lost = |event: &LoggedEvent<'_>| before.records(*event) && !after.records(*event);
        events.iter().any(|event| is_lost(event) && !by_others.iter().any(|other| other.records(*event)))
    };
    let kinds = [
        (lost(&[LoggedEvent::EVALUATION]), "evaluations", &[LoggedEvent::EVALUATION][..], "evaluations by guardrails"),
        (lost(&LoggedEvent::OTHER_INFERENCE), "other inference", &LoggedEvent::OTHER_INFERENCE[..], "calls of models that are data events"),
    ];
    let again = |kind: &str, events: &[LoggedEvent<'_>]| {
        let wanted: Vec<_> = events.iter().filter(|event| before.records(**event)).collect();
        let right =
            |later: &Change| super::trail_stopped::selectors_of(later).is_some_and(|now| wanted.iter().all(|event| now.records(**event)));
        let finding = format!("selectors of {trail} for {kind} {} {}", seen.change.account, seen.change.region);
        seen.put_back(finding, trail, "PutEventSelectors", right)
    };
    let fire = |(_, kind, events, what): (bool, &str, &[LoggedEvent<'_>], &str)| {
        let lost: Vec<_> = events.iter().filter(|event| before.records(**event) && !after.records(**event)).copied().collect();
        let names: Vec<&str> = lost.iter().map(|event| event.event_name).collect();
        let because = super::trail_stopped::left_out(seen, &after, &lost, &format!("{what} ({})", names.join(", ")));
        seen.rule_match(format!("trail/{trail}"), because).discriminator(kind).restored_at(again(kind, events)).fires()
    };
    kinds.into_iter().filter(|(lost, ..)| *lost).map(fire).collect()
}

/// What the account's other logging trails record, as last read and as later events set them.
fn other_trails(seen: &ChangeInContext<'_>, trail: &str) -> Vec<Selectors> {
    const SWITCHES: [&str; 3] = ["StartLogging", "StopLogging", "DeleteTrail"];
    let of_account = seen.history.state.telemetry_of(&seen.change.account);
    let read = of_account.filter_map(|timeline| timeline.before(seen.key.time).rev().find_map(|(_, _, telemetry)| telemetry));
    let mut others = Vec::new();
    for known in read.flat_map(|telemetry| &telemetry.trails) {
        let Some(name) = known.name.as_deref().filter(|name| *name != trail) else {
            continue;
        };
        let switched = seen.earlier(name, &SWITCHES);
        if switched.map_or(known.is_logging == Some(true), |switch| switch.operation == "StartLogging") {
            let set = seen.earlier(name, &["PutEventSelectors"]);
            others.extend(set.map_or_else(|| known.selectors.clone(), super::trail_stopped::selectors_of));
        }
    }
    others
}
