//! What Security Hub is told of a finding, given what it was told before.

use audit_core::{
    finding::{Finding, Status},
    timestamp::Timestamp,
};
use audit_exports::asff::Entry;

use super::{There, Update};
use crate::findings::Imported;

/// Days after which an open finding is imported again, whatever changed. Security Hub deletes findings that aren't updated for 90
/// (docs/aws/prices-and-limits.md#security-hub), so that two months of failures lose nothing.
const AGAIN_AFTER: i64 = 30;

/// Days after which Security Hub no longer has an active finding that wasn't updated, and after which it no longer has an archived one.
const ACTIVE_FOR: i64 = 90;
const ARCHIVED_FOR: i64 = 30;

/// Why a finding is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// It changed.
    Change,
    /// All findings are looked at.
    Schedule,
}

/// What to do about a finding.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'f> {
    /// Nothing.
    Nothing,
    /// Import it.
    Import(Entry<'f>),
    /// Forget what Security Hub was given: it no longer has it, and the finding is gone.
    Forget,
}

/// Decides about a finding. `current` is `None` if there is no such finding any more.
///
/// What people act on is imported at once. What only counts further waits for the schedule: a finding of a busy account changes with every
/// minute, and each import has a price.
pub(super) fn step<'f>(current: Option<&'f Finding>, before: Option<&'f Imported>, now: Timestamp, occasion: Occasion) -> Step<'f> {
    let (current, before) = match (current, before) {
        (Some(current), Some(before)) => (current, before),
        // What was over before Security Hub heard of it is no finding for it.
        (Some(current), None) if current.status == Status::Resolved => return Step::Nothing,
        (Some(current), None) => return Step::Import(Entry::Created(current)),
        (None, before) => return before.map_or(Step::Nothing, |before| gone(before, now, occasion)),
    };
    let is_due = || occasion == Occasion::Schedule && (current != &before.finding || is_older(before, AGAIN_AFTER, now));
    if lasting(current) == lasting(&before.finding) && (current.status == Status::Resolved || !is_due()) {
        return Step::Nothing;
    }
    // Security Hub may have deleted it meanwhile, and then creates it anew.
    let perhaps_gone = before.finding.status == Status::Resolved || is_older(before, ACTIVE_FOR, now);
    Step::Import(if perhaps_gone { Entry::Created(current) } else { Entry::Updated(current) })
}

/// Decides about a finding that was withdrawn.
fn gone(before: &Imported, now: Timestamp, occasion: Occasion) -> Step<'_> {
    if before.finding.status != Status::Resolved {
        Step::Import(Entry::Withdrawn(&before.finding))
    } else if occasion == Occasion::Schedule && is_older(before, ARCHIVED_FOR, now) {
        Step::Forget
    } else {
        Step::Nothing
    }
}

fn is_older(before: &Imported, days: i64, now: Timestamp) -> bool {
    now.as_micros().saturating_sub(before.at.as_micros()) >= days * 86_400_000_000
}

/// The finding without what grows with each call.
fn lasting(finding: &Finding) -> Finding {
    let mut lasting = Finding { detail: String::new(), first_seen: None, last_seen: None, count: 0, events: Vec::new(), ..finding.clone() };
    for names in [&mut lasting.principals, &mut lasting.models, &mut lasting.apis] {
        // Those with the most calls come first, so that the order changes with every call.
        names.shown.sort_unstable();
        names.more = 0;
    }
    lasting
}

/// The note of [`Update`] when the hub no longer suppresses a finding.
const NOT_SUPPRESSED: &str = "no exception of guardrail-audit.toml covers this finding any more";

/// Decides whether to change the workflow status of a finding in Security Hub.
///
/// `before` is the note with which the hub suppressed it there, `note` the one that it should have now; `None` means not to suppress it. The
/// hub undoes only what it did: a finding counts as suppressed by the hub if its note is still the hub's. Whatever else people set stays.
pub(super) fn workflow(before: Option<&str>, note: Option<&str>, is_resolved: bool, there: &There) -> Option<Update> {
    let status = there.status.as_deref().unwrap_or("NEW");
    let is_ours = status == "SUPPRESSED" && before.is_some() && there.note.as_deref() == before;
    match note {
        _ if note == before => None,
        Some(note) if is_ours || (before.is_none() && matches!(status, "NEW" | "NOTIFIED")) => {
            Some(Update { status: "SUPPRESSED", note: note.to_owned() })
        }
        // Security Hub itself makes `RESOLVED` a `NEW` when the finding is active again.
        None if is_ours => Some(Update { status: if is_resolved { "RESOLVED" } else { "NEW" }, note: NOT_SUPPRESSED.to_owned() }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use audit_core::{config::Configuration, finding::FindingKey, rules::TELEMETRY_GAP, severity::Severity};

    use super::*;

    fn finding(status: Status) -> Finding {
        let key = FindingKey {
            rule: TELEMETRY_GAP.id,
            account: "222233334444".into(),
            region: "us-east-1".into(),
            resource: "AWS::::Account:222233334444".to_owned(),
            discriminator: String::new(),
        };
        Finding { status, ..TELEMETRY_GAP.finding(key, &Configuration::default()) }
    }

    fn day(days: i64) -> Timestamp {
        Timestamp::from_micros(days * 86_400_000_000)
    }

    /// What is done on the day `now` about a finding that Security Hub was given on day 0.
    fn decided(current: Option<&Finding>, before: Option<&Finding>, now: i64, occasion: Occasion) -> &'static str {
        let before = before.map(|finding| Imported { finding: finding.clone(), at: day(0), note: None });
        match step(current, before.as_ref(), day(now), occasion) {
            Step::Nothing => "nothing",
            Step::Forget => "forget",
            Step::Import(Entry::Created(_)) => "create",
            Step::Import(Entry::Updated(_)) => "update",
            Step::Import(Entry::Withdrawn(_)) => "withdraw",
        }
    }

    #[test]
    fn what_security_hub_is_told_and_when() {
        use Occasion::{Change, Schedule};
        let (open, resolved, suppressed) = (finding(Status::Open), finding(Status::Resolved), finding(Status::Suppressed));
        let more = Finding { count: 7, detail: "7 calls".to_owned(), ..open.clone() };
        let other = Finding { severity: Severity::Informational, ..open.clone() };
        for (current, before, now, occasion, expected) in [
            (None, None, 1, Change, "nothing"),
            (Some(&open), None, 1, Change, "create"),
            (Some(&suppressed), None, 1, Schedule, "create"),
            (Some(&resolved), None, 1, Schedule, "nothing"),
            (Some(&open), Some(&open), 1, Change, "nothing"),
            (Some(&more), Some(&open), 1, Change, "nothing"),
            (Some(&more), Some(&open), 1, Schedule, "update"),
            (Some(&other), Some(&open), 1, Change, "update"),
            (Some(&suppressed), Some(&open), 1, Change, "update"),
            (Some(&resolved), Some(&open), 1, Change, "update"),
            (Some(&open), Some(&resolved), 1, Change, "create"),
            (Some(&open), Some(&open), 29, Schedule, "nothing"),
            (Some(&open), Some(&open), 30, Schedule, "update"),
            (Some(&suppressed), Some(&suppressed), 30, Schedule, "update"),
            (Some(&open), Some(&open), 90, Schedule, "create"),
            (Some(&resolved), Some(&resolved), 90, Schedule, "nothing"),
            (None, Some(&open), 1, Change, "withdraw"),
            (None, Some(&suppressed), 1, Schedule, "withdraw"),
            (None, Some(&resolved), 29, Schedule, "nothing"),
            (None, Some(&resolved), 30, Schedule, "forget"),
        ] {
            let told = decided(current, before, now, occasion);
            assert_eq!(told, expected, "{:?} after {:?} on day {now}, {occasion:?}", current.map(|f| f.status), before.map(|f| f.status));
        }
    }

    #[test]
    fn the_workflow_is_changed_only_where_it_is_as_the_hub_left_it() {
        let there = |status: &str, note: Option<&str>| There { status: Some(status.to_owned()), note: note.map(str::to_owned) };
        for (before, note, is_resolved, there, expected) in [
            (None, None, false, there("SUPPRESSED", Some("theirs")), None),
            (None, Some("ours"), false, there("NEW", None), Some("SUPPRESSED")),
            (None, Some("ours"), false, there("NOTIFIED", Some("theirs")), Some("SUPPRESSED")),
            (None, Some("ours"), false, there("RESOLVED", None), None),
            (None, Some("ours"), false, there("SUPPRESSED", Some("theirs")), None),
            (Some("ours"), Some("ours"), false, there("NEW", Some("ours")), None),
            (Some("ours"), Some("later"), false, there("SUPPRESSED", Some("ours")), Some("SUPPRESSED")),
            (Some("ours"), Some("later"), false, there("NEW", Some("ours")), None),
            (Some("ours"), None, false, there("SUPPRESSED", Some("ours")), Some("NEW")),
            (Some("ours"), None, true, there("SUPPRESSED", Some("ours")), Some("RESOLVED")),
            (Some("ours"), None, false, there("SUPPRESSED", Some("theirs")), None),
            (Some("ours"), None, false, there("NOTIFIED", Some("ours")), None),
        ] {
            let update = workflow(before, note, is_resolved, &there);
            assert_eq!(update.map(|update| update.status), expected, "{before:?} {note:?} {there:?}");
        }
    }
}
