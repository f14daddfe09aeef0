//! The rollups of an account's calls by hour.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use audit_core::{
    auditor::{self, AuditOptions, Selection},
    config::Configuration,
    report::CoverageRow,
    timestamp::Timestamp,
    verdict::{Grade, Invocations, Verdict},
    world::World,
};

use super::{Fold, Hours, evidence::AccountEvidence};
use crate::{
    bucket::Bucket,
    clock::start_of,
    error::CallError,
    findings::{AccountIndex, PartitionState, Rollup},
    partition::{AccountRegion, Partition, hour_text},
    queue::Queue,
};

/// Hours before now whose rollups are made again when the world changes. Older rollups keep the verdicts that they had until the next rebuild.
const ROLLED_UP_AGAIN_HOURS: i64 = 72;

/// The hours whose rollups are to be made: those in which something was done since, recent ones if the world changed, and all of them if the
/// account is rebuilt.
pub(super) fn hours_to_make(partitions: &BTreeMap<Partition, PartitionState>, index: &AccountIndex, now: i64) -> Hours {
    let is_to_make = |(partition, state): &(&Partition, &PartitionState)| {
        let is_recent = partition.hour.is_some_and(|hour| hour > now - ROLLED_UP_AGAIN_HOURS);
        is_touched(state) || state.rebuilds < index.rebuilds || (is_recent && state.world < index.world)
    };
    partitions.iter().filter(is_to_make).map(|(partition, _)| (partition.account_region.clone(), partition.hour)).collect()
}

/// Whether something was done in a partition since the rollup of its hour was made.
fn is_touched(state: &PartitionState) -> bool {
    state.rolled_up.is_some_and(|version| version != state.version)
}

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// Makes the rollups of these hours, newest first, and at least one. Returns whether some are left, because it is `enough`.
    #[expect(clippy::too_many_arguments, reason = "each is one thing it needs")]
    pub(super) async fn roll_up(
        &self,
        hours: &Hours,
        partitions: &BTreeMap<Partition, PartitionState>,
        index: &AccountIndex,
        evidence: &AccountEvidence,
        world: &World,
        configuration: &Configuration,
        ticket: i64,
        enough: Instant,
    ) -> Result<bool, CallError> {
        let mut newest_first: Vec<&(AccountRegion, Option<i64>)> = hours.iter().collect();
        newest_first.sort_by_key(|(_, hour)| std::cmp::Reverse(*hour));
        // What was counted before stays where calls are left out now. Once they are read, everything is made again.
        newest_first.retain(|(account_region, hour)| !evidence.lacks_calls(account_region, *hour));
        for (number, (account_region, hour)) in newest_first.into_iter().enumerate() {
            if number > 0 && Instant::now() >= enough {
                return Ok(true);
            }
            let rollup = self.rollup(account_region, evidence, world, configuration, *hour);
            self.findings.put_rollup(account_region, &hour_text(*hour), &rollup, ticket).await?;
            let of_hour = partitions.iter().filter(|(partition, _)| partition.account_region == *account_region && partition.hour == *hour);
            let is_older = |state: &PartitionState| is_touched(state) || state.world < index.world || state.rebuilds < index.rebuilds;
            for (partition, state) in of_hour.filter(|(_, state)| is_older(state)) {
                self.findings.note_rolled_up(partition, state.version, index).await?;
            }
        }
        Ok(false)
    }

    fn rollup(
        &self,
        account_region: &AccountRegion,
        evidence: &AccountEvidence,
        world: &World,
        configuration: &Configuration,
        hour: Option<i64>,
    ) -> Rollup {
        let selection = Selection {
            regions: BTreeSet::from([account_region.region.as_str().into()]),
            since: hour.map(start_of),
            until: Some(hour.map_or(Timestamp::BEGINNING, |hour| start_of(hour + 1))),
            ..Selection::default()
        };
        let options = AuditOptions { configuration, selection: &selection, now: self.clock.now(), threads: 1 };
        let mut facts = evidence.changes.clone();
        // An evaluation may be recorded in the hour after its call, so both hours are needed to tell whether it is missing.
        for hour in [hour, hour.map(|hour| hour + 1)].into_iter().collect::<BTreeSet<_>>() {
            for (bytes, self_reported) in evidence.packets.get(&(account_region.clone(), hour)).into_iter().flatten() {
                // The same bytes were unpacked a moment ago.
                let _ = facts.unpack(&account_region.account, &account_region.region, hour, bytes, *self_reported);
            }
        }
        let audit = auditor::audit(facts, world.clone(), &options);
        let rollup = Rollup { invocations: audit.invocations, coverage: audit.coverage };
        if evidence.is_provable(account_region, hour) { rollup } else { unproved(rollup) }
    }
}

/// The rollup of calls of which not everything is known: what is left out may be a change that leaves them without a guardrail.
fn unproved(rollup: Rollup) -> Rollup {
    let Invocations { compliant, violation, not_provable, not_applicable } = rollup.invocations;
    let mut rows: BTreeMap<CoverageRow, u64> = BTreeMap::new();
    for mut row in rollup.coverage {
        if row.verdict == Verdict::Compliant {
            (row.verdict, row.grade) = (Verdict::NotProvable, Grade::None);
        }
        let count = std::mem::take(&mut row.count);
        *rows.entry(row).or_default() += count;
    }
    let coverage = rows.into_iter().map(|(row, count)| CoverageRow { count, ..row }).collect();
    Rollup { invocations: Invocations { compliant: 0, violation, not_provable: not_provable + compliant, not_applicable }, coverage }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::Source;

    #[test]
    fn rollups_are_made_of_what_was_touched_and_of_recent_hours_when_the_world_changed() {
        let (now, account_region) = (494_000, AccountRegion::new("222233334444", "us-east-1"));
        let state = |version, rolled_up, world| PartitionState { version, rolled_up, world, rebuilds: 1, ..PartitionState::default() };
        let partitions: BTreeMap<Partition, PartitionState> = [
            (now, state(3, Some(3), 1)),
            (now - 1, state(3, Some(2), 1)),
            (now - 2, state(3, Some(3), 0)),
            (now - 3, state(3, None, 0)),
            (now - 100, state(3, None, 0)),
            (now - 101, state(2, Some(0), 0)),
        ]
        .into_iter()
        .map(|(hour, state)| (Partition { source: Source::Account, account_region: account_region.clone(), hour: Some(hour) }, state))
        .collect();
        let made = |world, rebuilds| -> Vec<i64> {
            let hours = hours_to_make(&partitions, &AccountIndex { world, rebuilds, ..AccountIndex::default() }, now);
            hours.into_iter().filter_map(|(_, hour)| hour.map(|hour| now - hour)).rev().collect()
        };
        assert_eq!(made(0, 1), [1, 101], "what an earlier release noted and nobody touched was rolled up then");
        assert_eq!(made(1, 1), [1, 2, 3, 101], "older rollups keep the verdicts that they had");
        assert_eq!(made(0, 2), [0, 1, 2, 3, 100, 101]);
    }
}
