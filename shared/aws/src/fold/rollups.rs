//! The rollups of an account's calls by hour.

use std::{collections::BTreeMap, time::Instant};

use audit_core::{
    auditor::Audit,
    report::{CoverageRow, HourRow},
    verdict::{Grade, Invocations, Verdict},
};

use super::{Fold, Hours, evidence::AccountEvidence};
use crate::{
    bucket::Bucket,
    clock::hour_of,
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

/// The calls of an account by Region and hour.
#[derive(Debug, Default)]
pub(super) struct Hourly(BTreeMap<(AccountRegion, Option<i64>), Vec<CoverageRow>>);

impl Hourly {
    pub(super) fn of(audit: &Audit) -> Self {
        let of_row = |row: &HourRow| ((AccountRegion::new(row.account.as_str(), row.region.as_str()), row.hour), row.coverage.clone());
        Hourly(audit.hours.iter().map(of_row).collect())
    }

    fn rollup(&self, hour: &(AccountRegion, Option<i64>), evidence: &AccountEvidence) -> Rollup {
        let coverage = self.0.get(hour).cloned().unwrap_or_default();
        let mut invocations = Invocations::default();
        for row in &coverage {
            invocations.add(row.verdict, row.count);
        }
        let rollup = Rollup { invocations, coverage };
        if evidence.is_provable(&hour.0, hour.1) { rollup } else { unproved(rollup) }
    }
}

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// Writes the rollups of these hours, newest first, and at least one. Returns whether some are left, because it is `enough`.
    #[expect(clippy::too_many_arguments, reason = "each is one thing it needs")]
    pub(super) async fn roll_up(
        &self,
        hours: &Hours,
        partitions: &BTreeMap<Partition, PartitionState>,
        hourly: &Hourly,
        index: &AccountIndex,
        evidence: &AccountEvidence,
        ticket: i64,
        enough: Instant,
    ) -> Result<bool, CallError> {
        let mut newest_first: Vec<&(AccountRegion, Option<i64>)> = hours.iter().collect();
        newest_first.sort_by_key(|(_, hour)| std::cmp::Reverse(*hour));
        // What was counted before stays where calls are left out now. Once they are read, everything is made again.
        newest_first.retain(|(account_region, hour)| !evidence.lacks_calls(account_region, *hour));
        for (number, of_hour) in newest_first.into_iter().enumerate() {
            if number > 0 && Instant::now() >= enough {
                return Ok(true);
            }
            let (account_region, hour) = of_hour;
            self.put_rollup(of_hour, &hourly.rollup(of_hour, evidence), ticket).await?;
            let of_hour = partitions.iter().filter(|(partition, _)| partition.account_region == *account_region && partition.hour == *hour);
            let is_older = |state: &PartitionState| is_touched(state) || state.world < index.world || state.rebuilds < index.rebuilds;
            for (partition, state) in of_hour.filter(|(_, state)| is_older(state)) {
                self.findings.note_rolled_up(partition, state.version, index).await?;
            }
        }
        Ok(false)
    }

    /// Writes the rollups of hours that are sealed: those in which there were calls, as they are known by now, and those in which anything was done since.
    pub(super) async fn roll_up_sealed(
        &self,
        partitions: &BTreeMap<Partition, PartitionState>,
        hourly: &Hourly,
        index: &AccountIndex,
        evidence: &AccountEvidence,
        ticket: i64,
    ) -> Result<(), CallError> {
        let mut hours = hours_to_make(partitions, index, hour_of(self.clock.now()));
        let sealed = partitions.keys().map(|partition| (partition.account_region.clone(), partition.hour));
        hours.extend(sealed.filter(|hour| hourly.0.contains_key(hour)));
        hours.retain(|(account_region, hour)| !evidence.lacks_calls(account_region, *hour));
        for of_hour in &hours {
            self.put_rollup(of_hour, &hourly.rollup(of_hour, evidence), ticket).await?;
        }
        Ok(())
    }

    /// Writes a rollup, and then takes away the sum of its day. A fold that ends in between is tried again and makes the same rollup: its hour
    /// is noted as made, or its seal is written, only after this.
    async fn put_rollup(
        &self,
        (account_region, hour): &(AccountRegion, Option<i64>),
        rollup: &Rollup,
        ticket: i64,
    ) -> Result<(), CallError> {
        self.findings.put_rollup(account_region, &hour_text(*hour), rollup, ticket).await?;
        self.findings.note_changed_rollup(account_region, *hour, hour_of(self.clock.now())).await
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
