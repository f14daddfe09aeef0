//! What remains known about telemetry after changes of trails.
//!
//! When a member account creates or stops its own trail, the organization's trail still records its calls, and what is known of that trail
//! remains. Otherwise any member could prevent conclusions from missing evaluations.

use std::collections::BTreeMap;

use crate::{
    arn::{AccountId, Arn, Region, short},
    telemetry::{LoggedEvent, Recorded, Telemetry, Trail},
    timestamp::Timestamp,
    world::{ChangedTrail, Source, Timeline, World},
};

/// Telemetry over time by account and Region.
type ByPlace = BTreeMap<(AccountId, Region), Timeline<Telemetry>>;

/// The snapshots of telemetry, with the changes of trails between them applied.
pub(super) fn with_changes(world: &World) -> ByPlace {
    let mut telemetry = world.telemetry.clone();
    let organizations = world.organizations.entries().filter_map(|(_, _, organization)| organization);
    let management = organizations.filter_map(|organization| organization.management_account.clone()).next_back();
    for (time, event_id, changed) in &world.trail_changes {
        for ((account, _), timeline) in &mut telemetry {
            let Some(known) = timeline.at(time.just_before()).state() else {
                continue;
            };
            let is_of_organization = management.as_ref() == Some(&changed.account);
            let concerned = |trail: &Trail| changed.concerns(trail, account, is_of_organization);
            if !known.trails.iter().any(concerned) {
                continue;
            }
            // If another trail records evaluations too, or may, nothing changes for them.
            let others: Vec<Trail> = known.trails.iter().filter(|trail| !concerned(trail)).cloned().collect();
            let left = Telemetry { trails: others, ..known.clone() };
            let left = (left.records(LoggedEvent::EVALUATION) != Recorded::No).then_some(left);
            insert(timeline, *time, event_id, left);
        }
    }
    telemetry
}

fn insert(timeline: &mut Timeline<Telemetry>, time: Timestamp, event_id: &str, state: Option<Telemetry>) {
    timeline.insert(time, Source::event(event_id), state);
}

impl ChangedTrail {
    /// Whether this may be the trail that was read in an account.
    fn concerns(&self, trail: &Trail, reader: &AccountId, is_of_organization: bool) -> bool {
        // A trail that was read without its ARN is the account's own or the organization's.
        let may_be_theirs = self.account == *reader || is_of_organization;
        match (&self.arn, &trail.arn) {
            (Some(changed), Some(arn)) => changed == arn,
            (None, Some(arn)) => Arn::parse(arn).is_none_or(|arn| *arn.account == *self.account),
            (Some(changed), None) => may_be_theirs && trail.name.as_deref().is_none_or(|name| name == short(changed)),
            (None, None) => may_be_theirs,
        }
    }
}
