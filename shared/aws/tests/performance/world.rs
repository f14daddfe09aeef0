//! Measures what a fold reads of the world: in an organization with many accounts, after a year of changes.

use std::{collections::BTreeSet, time::Instant};

use audit_aws::{
    bucket::{Bucket as _, MemoryBucket},
    world::{Bundling, HubWorld, PREFIX},
};
use serde_json::json;

use crate::{
    counted::{Counter, Counts},
    growth::Memory,
    support::history::MANAGEMENT,
};

const REGIONS: u64 = 17;

fn account(number: u64) -> String {
    format!("{:012}", 200_000_000_000 + number)
}

/// A bucket with the world of an organization. Only the first account's changes of a year are in it, and those of the organization.
async fn bucket_of(accounts: u64, changes: u64) -> MemoryBucket {
    let bucket = MemoryBucket::default();
    let time = |change: u64| format!("2026{:02}{:02}T{:02}0000Z", 1 + change / 28 % 12, 1 + change % 28, change / 336 % 24);
    let put = async |stem: String, change: u64, json: serde_json::Value| {
        bucket.put(&format!("{PREFIX}{stem}@{}.json", time(change)), json.to_string().into_bytes()).await.unwrap();
    };
    for change in 0..changes {
        let listed = (0..accounts).map(|number| {
            let parent = if number == change % accounts { "ou-ab12-moved000" } else { "ou-ab12-prodprod" };
            json!({"Id": account(number), "Name": format!("account {number}"), "State": "ACTIVE", "ParentId": parent})
        });
        let unit = |id: &str| json!({"Id": id, "Name": id, "ParentId": "r-ab12"});
        let organization = json!({"Organization": {"Id": "o-exampleorgid", "MasterAccountId": MANAGEMENT}, "Attachments": [],
            "OrganizationalUnits": [unit("ou-ab12-prodprod"), unit("ou-ab12-moved000")], "Accounts": listed.collect::<Vec<_>>(),
            "Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}]});
        put("organization".to_owned(), change, organization).await;
    }
    for number in 0..accounts {
        for region in 0..REGIONS {
            for change in 0..if number == 0 { changes } else { 1 } {
                let configuration = json!({"guardrailArn": format!("arn:aws:bedrock:us-east-1:{MANAGEMENT}:guardrail/required{change}"), "guardrailVersion": "1"});
                let enforced = json!({ "guardrailsConfig": [configuration] });
                put(format!("enforced-configurations/{}/region-{region}", account(number)), change, enforced).await;
            }
        }
    }
    bucket
}

/// What a fold of the first account reads by an instance that remembers nothing.
async fn read(bucket: &MemoryBucket) -> (Counts, f64, f64) {
    let counter = Counter::default();
    let world = HubWorld::new(counter.bucket(bucket));
    let before = Memory::begin();
    let began = Instant::now();
    world.of(&account(0), Some(MANAGEMENT), &BTreeSet::new(), Bundling::Renewing).await.unwrap();
    (counter.take(), began.elapsed().as_secs_f64() * 1_000.0, Memory::peak() - before)
}

#[tokio::test]
async fn a_fold_reads_the_world_with_as_many_requests_whatever_it_holds() {
    let mut requests = Vec::new();
    for changes in [20, 60] {
        let bucket = bucket_of(20, changes).await;
        let (first, ..) = read(&bucket).await;
        let (next, ms, mib) = read(&bucket).await;
        println!("{changes} changes: at first {first:?}, then {next:?} in {ms:.0} ms with {mib:.1} MiB");
        assert!(first.gets > changes * REGIONS, "the first one reads the files");
        requests.push((next.gets, next.lists_and_puts - changes * REGIONS / 1_000));
    }
    assert_eq!(requests[0], requests[1]);
    assert_eq!(requests[0].0, 2, "the organization's bundle and the account's");
}

/// Measures a whole organization after a year, and prints it.
#[tokio::test]
#[ignore = "it takes minutes; a person runs it for docs/performance.md"]
async fn bench() {
    let bucket = bucket_of(1_000, 330).await;
    read(&bucket).await;
    let (counts, ms, mib) = read(&bucket).await;
    println!("{counts:?}: {ms:.0} ms, {mib:.1} MiB");
}
