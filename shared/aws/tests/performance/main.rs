//! Measures what the hub costs: write units, counted by the engine, and calls per second on one core. Limits are asserted, figures printed:
//! `cargo test --release -p audit-aws --test performance -- --nocapture`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a test that can't go on fails, as it should"
)]

mod counted;
mod days;
mod growth;
mod reports;
#[path = "../support/mod.rs"]
mod support;
mod units;
mod world;

use std::time::Instant;

use audit_aws::{fold::Trust, invocations::Message};
use serde_json::json;
use support::{
    StateOf, bucket_with,
    history::{self, GUARDRAIL, MEMBER},
    invocation_auditor, own, tables,
};

/// Calls of three roles with two models, as an application makes them.
fn calls(count: u64) -> Vec<String> {
    let call = |number: u64| {
        let model =
            if number.is_multiple_of(2) { "anthropic.claude-3-haiku-20240307-v1:0" } else { "us.anthropic.claude-sonnet-4-20250514-v1:0" };
        let mut record = history::record(MEMBER, "Converse", number, 5, &json!({"modelId": model}));
        record["userIdentity"] = json!({"type": "AssumedRole", "arn": format!("arn:aws:sts::{MEMBER}:assumed-role/application-{}/session", number % 3),
            "accountId": MEMBER, "sessionContext": {"sessionIssuer": {"type": "Role", "arn": format!("arn:aws:iam::{MEMBER}:role/team/application-{}", number % 3)}}});
        history::envelope(&record)
    };
    (0..count).map(call).collect()
}

fn covered() -> StateOf {
    StateOf { account_region: None, files: covered_world().into_iter().collect() }
}

fn covered_world() -> Vec<(String, Vec<u8>)> {
    let mut world = history::world(&history::enforced_policy(GUARDRAIL));
    world.retain(|(path, _)| path != "organization.json");
    world
}

/// Write units for calls that come in batches of this size.
async fn write_units(bodies: &[String], batch: usize, state: StateOf) -> f64 {
    let auditor = invocation_auditor(&tables().await, state);
    let mut units = 0.0;
    for batch in bodies.chunks(batch) {
        let messages: Vec<Message<'_>> = batch.iter().map(|body| Message { id: "m", body }).collect();
        let outcome = auditor.take(Some(&own()), &messages).await;
        assert!(outcome.failed.is_empty());
        units += outcome.write_units;
    }
    units
}

#[tokio::test]
async fn write_units_by_call() {
    let bodies = calls(2_000);
    let uncovered = || StateOf { account_region: None, files: history::bare_world().into_iter().collect() };
    for batch in [20, 100, 500, 2_000] {
        let compliant = write_units(&bodies, batch, covered()).await;
        let violating = write_units(&bodies, batch, uncovered()).await;
        println!(
            "batches of {batch}: {:.1} write units for 1,000 compliant calls, {:.1} for 1,000 violating calls",
            compliant / 2.0,
            violating / 2.0
        );
        assert!(compliant > 0.0, "the engine counts");
        assert!(compliant / 2_000.0 <= 0.05, "{batch}: {} a call", compliant / 2_000.0);
    }
    // A thousand calls per second on one finding, in batches of two thousand: the facts, and the finding that each fold writes.
    let flood = write_units(&bodies, 2_000, uncovered()).await / 2.0;
    assert!(flood < 50.0, "{flood} write units a second");
}

#[tokio::test]
async fn calls_a_second() {
    let bodies = calls(2_000);
    let auditor = invocation_auditor(&tables().await, covered());
    let messages: Vec<Message<'_>> = bodies.iter().map(|body| Message { id: "m", body }).collect();
    auditor.take(Some(&own()), &messages).await;
    let rounds = 20;
    let before = Instant::now();
    for _ in 0..rounds {
        auditor.take(Some(&own()), &messages).await;
    }
    let calls = (rounds * messages.len()) as f64;
    println!("audit-invocations: {:.0} calls a second, the store included", calls / before.elapsed().as_secs_f64());
}

#[tokio::test]
async fn folds_a_second() {
    let tables = tables().await;
    let bodies = calls(20_000);
    let auditor = invocation_auditor(&tables, covered());
    for batch in bodies.chunks(2_000) {
        let messages: Vec<Message<'_>> = batch.iter().map(|body| Message { id: "m", body }).collect();
        auditor.take(Some(&own()), &messages).await;
    }
    let bucket = bucket_with(covered_world(), None).await;
    let fold = tables.fold(&bucket, Trust::default());
    let stream = tables.inserted().await;
    let before = Instant::now();
    assert_eq!(fold.take(&stream).await, None);
    println!("fold-findings: an account with {} calls in {:.0} ms", bodies.len(), before.elapsed().as_secs_f64() * 1000.0);
    let rollups: u64 =
        tables.items(&tables.findings).await.iter().filter_map(|item| item.get("compliant")?.as_n().ok()?.parse::<u64>().ok()).sum();
    assert_eq!(rollups, 20_000);
}
