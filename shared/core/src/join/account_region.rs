//! The account and Region whose records are joined, as far as the state tells.

use crate::{
    arn::{AccountId, Region},
    facts::Texts,
    telemetry::{LoggedEvent, Recorded, Telemetry},
    timestamp::Timestamp,
    world::State,
};

/// An account and Region, with what is the same for all parts of its records.
#[derive(Debug)]
pub(crate) struct AccountRegionContext<'t> {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    /// The texts behind the numbers in the rows.
    pub(crate) texts: &'t Texts,
    /// The times at which the state may have changed.
    boundaries: Vec<Timestamp>,
    /// The times at which the state changed, as far as verdicts depend on it.
    periods: Vec<Timestamp>,
    /// The times at which the known state of trails changed.
    pub(crate) trail_boundaries: Vec<Timestamp>,
    /// Whether trails recorded evaluations at some time, so that a missing one may prove something.
    pub(crate) watched: bool,
    /// The time of the latest change.
    pub(crate) latest_change: Option<Timestamp>,
}

impl<'t> AccountRegionContext<'t> {
    pub(crate) fn new(account: AccountId, region: Region, texts: &'t Texts, state: &State, latest_change: Option<Timestamp>) -> Self {
        let boundaries = state.boundaries(&account, &region);
        let mut times = boundaries.iter().copied().chain([Timestamp::BEGINNING]);
        let may_record = |telemetry: &Telemetry| telemetry.records(LoggedEvent::EVALUATION) != Recorded::No;
        let watched = times.any(|at| state.telemetry(&account, &region, at).state().is_some_and(may_record));
        let trail_boundaries = state.telemetry_boundaries(&account, &region).collect();
        let periods = state.periods(&account, &region);
        AccountRegionContext { account, region, texts, boundaries, periods, trail_boundaries, watched, latest_change }
    }

    /// The times at which the state may have changed, those included at which it was read again and is what it was.
    pub(crate) fn boundaries(&self) -> &[Timestamp] {
        &self.boundaries
    }

    /// The times at which a period of constant state begins.
    pub(crate) fn periods(&self) -> &[Timestamp] {
        &self.periods
    }

    /// The number of the period of constant state that contains a time: the number of periods that began up to it.
    pub(crate) fn epoch_at(&self, time: Timestamp) -> u32 {
        u32::try_from(self.periods.partition_point(|begin| *begin <= time)).unwrap_or(u32::MAX)
    }

    /// A time within a period of constant state, for looking up the state.
    pub(crate) fn time_of(&self, epoch: u32) -> Timestamp {
        (epoch as usize).checked_sub(1).and_then(|index| self.periods.get(index)).copied().unwrap_or(Timestamp::BEGINNING)
    }
}
