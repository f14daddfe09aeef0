//! Every case of `events/` and the demo, in each format, against validators that others wrote.
//!
//! A validator is worth something only if it notices faults, so each test also plants some and expects a complaint about every one.

#![expect(clippy::indexing_slicing, reason = "a JSON value answers null for what it lacks")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asff;
mod audits;
mod ocsf;
mod python;
mod sarif;

use serde_json::Value;

/// A fault that is planted: what it is called, and how a sound document gets it.
type Fault = (&'static str, fn(&mut Value));

/// The documents that come of planting each fault into a sound one.
fn planted(sound: &Value, faults: &[Fault]) -> Vec<Value> {
    let plant = |(name, plant): &Fault| {
        let mut document = sound.clone();
        plant(&mut document);
        assert_ne!(&document, sound, "`{name}` changes nothing");
        document
    };
    faults.iter().map(plant).collect()
}
