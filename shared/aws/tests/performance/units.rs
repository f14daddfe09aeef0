//! Counts what each thing that happens takes of DynamoDB and S3. `cargo xtask cost` multiplies these counts by prices; they are kept beside
//! its prices, and a test compares them, so that nothing becomes dearer unnoticed.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    counted::{Counter, Counts},
    days::{self, Busy},
    growth::Simulation,
    support::history::{self, MEMBER},
};

/// What a thing takes, by its name.
type Units = BTreeMap<String, Thing>;

/// What a thing takes that happens: to be reported, and to be routed and judged after few days and after many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Thing {
    /// Records in it.
    records: u64,
    /// Requests to AWS in the account.
    requests: u64,
    report: Counts,
    judge: [Counts; 2],
}

/// The days of history after which judging is counted.
const AFTER: [u64; 2] = [2, 6];

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../xtask/src/cost/units.json")
}

impl Simulation {
    /// Counts what records take that an instance judges that remembers nothing.
    async fn thing(&mut self, thing: &mut Thing, index: usize, bodies: &[String]) {
        let (counter, since) = (Counter::default(), self.now);
        self.now = self.now.plus_seconds(1);
        self.report(bodies, &counter.tables(&self.tables, &self.endpoint)).await;
        (thing.records, thing.report) = (bodies.len() as u64, counter.take());
        thing.judge[index] = self.measured(since).await.counts;
    }

    async fn looked(&mut self, thing: &mut Thing, index: usize) {
        let (counter, since) = (Counter::default(), self.now);
        self.now = self.now.plus_seconds(1);
        thing.requests = self.look(&counter.tables(&self.tables, &self.endpoint), counter.bucket(&self.bucket)).await;
        thing.report = counter.take();
        thing.judge[index] = self.measured(since).await.counts;
    }
}

/// This number of calls of three applications, covered or not.
fn calls(simulation: &Simulation, first: u64, count: u64, operation: &str, model: &str) -> Vec<String> {
    let call = |number: u64| history::envelope(&days::record(MEMBER, operation, number, simulation.now, &json!({ "modelId": model })));
    (first..first + count).map(call).collect()
}

async fn counted() -> Units {
    let mut units = Units::new();
    let (mut idle, mut busy) = (Simulation::begin(Busy::IDLE).await, Simulation::begin(Busy::SMALL).await);
    let mut first = 0;
    for (index, days) in AFTER.into_iter().enumerate() {
        let begun = if index == 0 { 1 } else { AFTER[0] };
        for day in begun..days {
            idle.day(day).await;
            busy.day(day).await;
        }
        let beat = history::envelope(&days::heartbeat(first, idle.now));
        idle.thing(units.entry("heartbeat".to_owned()).or_default(), index, &[beat]).await;
        idle.looked(units.entry("look".to_owned()).or_default(), index).await;
        for (name, operation, model) in [
            ("compliant", "Converse", "anthropic.claude-3-haiku-20240307-v1:0"),
            ("violating", "InvokeModelWithBidirectionalStream", "amazon.nova-sonic-v1:0"),
        ] {
            for count in [1, 8, 500] {
                first += 10_000;
                let bodies = calls(&busy, first, count, operation, model);
                busy.thing(units.entry(format!("{name} {count}")).or_default(), index, &bodies).await;
            }
        }
    }
    units
}

#[tokio::test]
async fn what_is_counted_is_what_costs_are_made_of() {
    let units = counted().await;
    let path = path();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&units).unwrap() + "\n").unwrap();
    }
    let kept: Units = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    // Sizes of items depend on hashes a little, so what is counted of them does.
    let differs = |now: f64, kept: f64| (now - kept).abs() > 2.0 + kept * 0.05;
    for (name, thing) in &units {
        let kept = kept.get(name).copied().unwrap_or_default();
        for (now, kept) in [(thing.report, kept.report), (thing.judge[0], kept.judge[0]), (thing.judge[1], kept.judge[1])] {
            let pairs = [
                (now.read_units, kept.read_units),
                (now.write_units, kept.write_units),
                (now.gets as f64, kept.gets as f64),
                (now.lists_and_puts as f64, kept.lists_and_puts as f64),
            ];
            let same = pairs.iter().all(|(now, kept)| !differs(*now, *kept));
            assert!(
                same,
                "{name} takes {now:?}, and cost is made of {kept:?}: UPDATE_DOCS=1 cargo test -p audit-aws --test performance units, then of xtask"
            );
        }
    }
}
