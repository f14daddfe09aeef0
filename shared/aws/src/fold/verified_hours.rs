//! Verified hours: those whose log files the digests of the organization's trail vouch for.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::timestamp::Timestamp;

use super::Hours;
use crate::{
    clock::{hour_of, start_of},
    fact::{Content, GapFact, VerifiedFact},
    observations::Read,
    partition::{AccountRegion, Partition},
};

/// Hours by which CloudTrail may deliver an event late. It delivers files some minutes after the events (docs/aws/delivery.md#trails), so
/// an hour is verified once digests cover the next hour as well.
const LATE_HOURS: i64 = 1;

/// The verified hours: those that lie in a period that digests cover without a gap.
pub(super) fn verified_hours<'r>(read: impl Iterator<Item = (&'r Partition, &'r Read)>) -> Hours {
    let mut stretches: BTreeMap<&AccountRegion, BTreeSet<(Timestamp, Timestamp)>> = BTreeMap::new();
    for (partition, fact) in verified_facts(read) {
        stretches.entry(&partition.account_region).or_default().insert((fact.time, fact.until));
    }
    let mut hours = Hours::new();
    for (account_region, stretches) in stretches {
        // A digest begins at the minute at which the one before ends.
        let mut joined: Vec<(Timestamp, Timestamp)> = Vec::new();
        for (from, until) in stretches {
            match joined.last_mut().filter(|(_, end)| from <= *end) {
                Some((_, end)) => *end = until.max(*end),
                None => joined.push((from, until)),
            }
        }
        for (from, until) in joined {
            // The first hour that begins in the period.
            let first = hour_of(from.plus_seconds(3_599));
            hours.extend((first..hour_of(until) - LATE_HOURS).map(|hour| (account_region.clone(), Some(hour))));
        }
    }
    hours
}

fn verified_facts<'r>(read: impl Iterator<Item = (&'r Partition, &'r Read)>) -> impl Iterator<Item = (&'r Partition, &'r VerifiedFact)> {
    read.filter_map(|(partition, read)| match &read.fact.as_ref().ok()?.content {
        Content::Verified(verified) => Some((partition, verified)),
        _ => None,
    })
}

/// The gaps where a trail's chain of digests begins anew, by account and Region. No digest vouches for the time since the end of the chain
/// before.
pub(super) fn broken_chains<'r>(read: impl Iterator<Item = (&'r Partition, &'r Read)>) -> Vec<(AccountRegion, GapFact)> {
    let mut chains: BTreeMap<(&AccountRegion, &str), Vec<&VerifiedFact>> = BTreeMap::new();
    for (partition, fact) in verified_facts(read) {
        chains.entry((&partition.account_region, fact.trail.as_str())).or_default().push(fact);
    }
    let mut gaps = Vec::new();
    for ((account_region, trail), digests) in chains {
        for begins in digests.iter().filter(|digest| digest.begins) {
            let Some(before) = digests.iter().map(|digest| digest.until).filter(|until| *until <= begins.time).max() else { continue };
            let detail = format!(
                "the digests of the trail {trail} begin anew at {}, after {before}: nothing vouches for what was in between",
                begins.time
            );
            gaps.push((
                account_region.clone(),
                GapFact { missing: "trail".to_owned(), time: start_of(hour_of(begins.time)), detail, count: 1 },
            ));
        }
    }
    gaps
}
