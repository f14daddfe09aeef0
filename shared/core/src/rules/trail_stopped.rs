//! A trail was stopped or deleted, or its selectors were narrowed so that it no longer records calls.

use std::collections::BTreeSet;

use crate::{
    arn::short,
    change::Change,
    change_history::{ChangeInContext, Outcome},
    framework::LOGS_IMPAIRED,
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
    telemetry::{LoggedEvent, Selectors},
    timestamp::Timestamp,
};

pub(super) static RULE: Rule = Rule {
    id: "trail-stopped",
    title: "A trail was stopped, deleted, or narrowed so that calls no longer reach it",
    severity: Severity::Critical,
    group: Group::Telemetry,
    revealed_by: &["StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors", "DisableAWSServiceAccess"],
    fires: "StopLogging or DeleteTrail; PutEventSelectors whose selectors leave out some of InvokeModel, InvokeModelWithResponseStream, \
        Converse and ConverseStream, which are management events that only read; UpdateTrail that takes a trail back to one Region or account; \
        DisableAWSServiceAccess of CloudTrail, without which the organization's trail records its members no more.",
    evidence: "The record: selectors are evaluated, not matched by name, and the condition that narrows them is told. A trail that is known not to have recorded these calls before loses \
        none by new selectors; selectors that the record hides are not verified, one step lower.",
    rationale: "Without the trail there is no evidence of calls at all: every later verdict is blind.",
    remediation: "Start the trail again with selectors for all management events and the data events of Bedrock, and deny these operations to \
        members by a service control policy.",
    references: &["https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-delete-trails-console.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::RemovesProtection,
    controls: LOGS_IMPAIRED,
    checks: &[Check::Change(ChangeCheck {
        attempt: "A trail would have been stopped, deleted, or narrowed so that calls no longer reach it",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let change = seen.change;
    if change.operation == "DisableAWSServiceAccess" {
        return access_disabled(seen).into_iter().collect();
    }
    let trail = trail_of(change);
    let (because, unverified) = match change.operation.as_str() {
        "StopLogging" => (seen.did("it records nothing any more", "it would record nothing any more").to_owned(), false),
        "DeleteTrail" => (seen.did("it is gone", "it would be gone").to_owned(), false),
        "UpdateTrail" => match ["isMultiRegionTrail", "isOrganizationTrail"].iter().find(|key| change.parameter(key) == false) {
            None => return Vec::new(),
            Some(&"isMultiRegionTrail") => {
                (seen.did("it no longer records other Regions", "it would no longer record other Regions").to_owned(), false)
            }
            Some(_) => {
                let done = "it no longer records the accounts of the organization";
                (seen.did(done, "it would no longer record the accounts of the organization").to_owned(), false)
            }
        },
        _ => match selectors_of(change) {
            None => {
                (seen.did("what it still records is not in the record", "what it would still record is not in the record").to_owned(), true)
            }
            Some(after) if after.record_invocations() => return Vec::new(),
            Some(_) if selectors_before(seen, trail).is_some_and(|before| !before.record_invocations()) => return Vec::new(),
            Some(after) => (left_out(seen, &after, &LoggedEvent::INVOCATIONS, "calls of models"), false),
        },
    };
    let restored_at = restored_at(seen, trail);
    vec![seen.rule_match(format!("trail/{trail}"), because).unverified(unverified).restored_at(restored_at).fires()]
}

/// A phrase for the events that selectors no longer record, with the conditions of those that still select some.
pub(super) fn left_out(seen: &ChangeInContext<'_>, selectors: &Selectors, events: &[LoggedEvent<'_>], what: &str) -> String {
    let narrowed: BTreeSet<String> = events.iter().filter_map(|event| selectors.narrowed(*event)).collect();
    if narrowed.is_empty() {
        return format!("it {} {what}", seen.did("no longer records", "would no longer record"));
    }
    let conditions: Vec<String> = narrowed.into_iter().collect();
    let (is, records) = (seen.did("is", "would be"), seen.did("no longer records", "would no longer record"));
    format!("it {is} narrowed to events where {}: it {records} all {what}", conditions.join("; or "))
}

/// Reports that CloudTrail's access to the organization was disabled.
fn access_disabled(seen: &ChangeInContext<'_>) -> Option<Outcome> {
    let service = seen.change.text("servicePrincipal");
    let concerns = seen.change.service == "organizations" && service.is_none_or(|service| service == "cloudtrail.amazonaws.com");
    let may = seen.did("may no longer", "would no longer be allowed to");
    let because = match service {
        Some(_) => format!("CloudTrail {may} act for the organization"),
        None => format!("which service {may} act for the organization is not in the record"),
    };
    concerns.then(|| seen.rule_match("trails of the organization", because).unverified(service.is_none()).fires())
}

pub(super) fn trail_of(change: &Change) -> &str {
    change.text("trailName").or_else(|| change.text("name")).map_or("unknown", short)
}

/// The selectors in a PutEventSelectors event; `None` if the record doesn't show them.
pub(super) fn selectors_of(change: &Change) -> Option<Selectors> {
    Selectors::read(&change.parameters)
}

/// The selectors before a change: those that an earlier event set, or else those in the world.
pub(super) fn selectors_before(seen: &ChangeInContext<'_>, trail: &str) -> Option<Selectors> {
    if let Some(set) = seen.earlier(trail, &["PutEventSelectors"]) {
        return selectors_of(set);
    }
    let of_account = seen.history.state.telemetry_of(&seen.change.account);
    let read = of_account.filter_map(|timeline| timeline.at(seen.before()).state());
    let trails: Vec<_> = read.flat_map(|telemetry| &telemetry.trails).collect();
    let named = trails.iter().find(|known| known.name.as_deref() == Some(trail));
    // A single trail without a name is taken to be this one.
    let lone = || trails.first().filter(|known| trails.len() == 1 && known.name.is_none());
    named.or_else(lone).and_then(|known| known.selectors.clone())
}

/// The time from which the trail records calls again, by StartLogging, new selectors or a later reading.
fn restored_at(seen: &ChangeInContext<'_>, trail: &str) -> Option<Timestamp> {
    let records_again = |later: &Change| {
        later.operation == "StartLogging"
            || (later.operation == "PutEventSelectors" && selectors_of(later).is_some_and(|selectors| selectors.record_invocations()))
    };
    let started = seen.next("a recording trail", trail, records_again);
    let records = |trails: &[crate::telemetry::Trail]| {
        let is_this = |known: &&crate::telemetry::Trail| known.name.as_deref().is_none_or(|name| name == trail);
        let records = |known: &crate::telemetry::Trail| known.selectors.as_ref().is_some_and(Selectors::record_invocations);
        trails.iter().filter(is_this).any(|known| known.is_logging == Some(true) && records(known))
    };
    let read = seen.history.state.telemetry_of(&seen.change.account).enumerate().filter_map(|(number, timeline)| {
        let later = timeline.after(seen.key.time).map(|(at, ..)| at);
        let finding = format!("trail {trail} {}, telemetry {number}", seen.change.account);
        seen.right_again(finding, later, |again| {
            let read = timeline.after(again.just_before()).take_while(|(at, ..)| *at == again);
            read.filter_map(|(_, _, telemetry)| telemetry).any(|telemetry| records(&telemetry.trails))
        })
    });
    started.into_iter().chain(read).min()
}
