//! What each thing that happens takes of DynamoDB and S3, as the tests of `audit-aws` counted it at the engine
//! (`shared/aws/tests/performance/units.rs`).

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Deserialize;

use super::prices::{READ_UNIT, S3_READ, S3_WRITE, WRITE_UNIT};

/// The days of history after which judging was counted.
const AFTER: [f64; 2] = [2.0, 6.0];

/// What a thing takes to be reported, and to be judged after few days and after many.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Thing {
    pub(super) records: f64,
    pub(super) requests: f64,
    pub(super) report: Counts,
    judge: [Counts; 2],
}

/// What was asked of DynamoDB and S3.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Counts {
    read_units: f64,
    pub(super) writes: f64,
    pub(super) write_bytes: f64,
    write_units: f64,
    gets: f64,
    lists_and_puts: f64,
}

impl Counts {
    pub(super) fn usd(self) -> f64 {
        READ_UNIT.times(self.read_units)
            + WRITE_UNIT.times(self.write_units)
            + S3_READ.times(self.gets)
            + S3_WRITE.times(self.lists_and_puts)
    }
}

impl Thing {
    /// What judging costs after a number of days. What grew from few days to many is taken to go on growing.
    pub(super) fn judged_usd(&self, days: f64) -> f64 {
        let [early, late] = self.judge.map(Counts::usd);
        let growth = (late - early).max(0.0) / (AFTER[1] - AFTER[0]);
        early + growth * (days - AFTER[0]).max(0.0)
    }

    /// Whether it is judged at all.
    pub(super) fn is_judged(&self) -> bool {
        self.judge.iter().any(|judge| judge.writes > 0.0)
    }
}

/// All things, by name.
pub(super) struct Units(BTreeMap<String, Thing>);

impl Units {
    pub(super) fn read() -> anyhow::Result<Self> {
        Ok(Units(serde_json::from_str(include_str!("units.json")).context("xtask/src/cost/units.json can't be read")?))
    }

    pub(super) fn of(&self, name: &str) -> anyhow::Result<Thing> {
        self.0.get(name).copied().with_context(|| format!("no {name} was counted"))
    }
}
