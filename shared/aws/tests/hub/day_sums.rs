//! Reports read days that are long over from their sums. Whatever changes afterwards, they say the same as the rollups of the hours do.

use std::collections::BTreeMap;

use audit_aws::{
    bucket::MemoryBucket,
    clock::{Clock, hour_of, start_of},
    findings::Rollup,
    partition::{AccountRegion, hour_text},
    report::Reports,
};
use audit_core::{
    report::CoverageRow,
    timestamp::Day,
    verdict::{Grade, Invocations, Verdict},
};
use serde_json::Value;

use crate::support::{Random, Tables, no_deadline, now, tables};

fn reports(tables: &Tables, bucket: &MemoryBucket) -> Reports<MemoryBucket> {
    Reports::new(tables.findings(), bucket.clone(), "reports/".to_owned(), Clock::At(now()))
}

fn rollup(account_region: &AccountRegion, compliant: u64, violation: u64) -> Rollup {
    let row = |verdict, grade, count| CoverageRow {
        account: account_region.account.as_str().into(),
        region: account_region.region.as_str().into(),
        model: "anthropic.claude-3-haiku-20240307-v1:0".into(),
        api: "Converse".into(),
        verdict,
        grade,
        reason: None,
        count,
    };
    let coverage = vec![row(Verdict::Compliant, Grade::Enforced, compliant), row(Verdict::Violation, Grade::None, violation)];
    Rollup { invocations: Invocations { compliant, violation, ..Invocations::default() }, coverage }
}

/// Calls by period and account, added up to days.
async fn answered(reports: &Reports<MemoryBucket>, by: &str, since: Option<&str>) -> BTreeMap<(String, String), (u64, u64)> {
    let mut parameters = BTreeMap::from([("by".to_owned(), by.to_owned())]);
    parameters.extend(since.map(|since| ("since".to_owned(), since.to_owned())));
    let answer: Value = serde_json::from_str(&reports.answer("/coverage", &parameters, no_deadline()).await.body).unwrap();
    added_up(&answer["coverage"])
}

fn added_up(coverage: &Value) -> BTreeMap<(String, String), (u64, u64)> {
    let mut sums: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for row in coverage.as_array().unwrap() {
        let period = row["period"].as_str().unwrap();
        let sum = sums.entry((period.get(..10).unwrap_or(period).to_owned(), row["account"].as_str().unwrap().to_owned())).or_default();
        sum.0 += row["invocations"]["compliant"].as_u64().unwrap();
        sum.1 += row["invocations"]["violation"].as_u64().unwrap();
    }
    // A day whose hours are all without calls may be there or not.
    sums.retain(|_, calls| *calls != (0, 0));
    sums
}

async fn written(reports: &Reports<MemoryBucket>, bucket: &MemoryBucket) -> BTreeMap<(String, String), (u64, u64)> {
    reports.write(no_deadline()).await.unwrap();
    let report = audit_aws::bucket::Bucket::get(bucket, "reports/latest/report.json").await.unwrap().unwrap();
    added_up(&serde_json::from_slice::<Value>(&report).unwrap()["coverage_over_time"])
}

/// A fold writes a rollup and then takes the day's sum away.
async fn fold(tables: &Tables, account_region: &AccountRegion, hour: i64, rollup: &Rollup) {
    let findings = tables.findings();
    findings.put_rollup(account_region, &hour_text(Some(hour)), rollup, 1).await.unwrap();
    findings.note_changed_rollup(account_region, Some(hour), hour_of(now())).await.unwrap();
}

#[tokio::test]
async fn sums_of_days_say_what_the_hours_say_whatever_changes_after_them() {
    for seed in 1..6 {
        let (mut random, tables, bucket) = (Random(seed), tables().await, MemoryBucket::default());
        let places = [AccountRegion::new("222233334444", "us-east-1"), AccountRegion::new("333344445555", "eu-west-1")];
        for place in &places {
            tables.findings().note_account_region(place).await.unwrap();
        }
        let reports = reports(&tables, &bucket);
        tables.findings().put_rollup(&places[0], "undated", &rollup(&places[0], 1, 1), 1).await.unwrap();
        for _ in 0..12 {
            for _ in 0..random.below(12) {
                let place = &places[usize::try_from(random.below(2)).unwrap()];
                // Twenty days, some of which are still open and most of which have hours without a rollup.
                let hour = hour_of(now()) - i64::try_from(random.below(480)).unwrap();
                fold(&tables, place, hour, &rollup(place, random.below(100), random.below(5))).await;
            }
            let by_hour = answered(&reports, "hour", None).await;
            assert_eq!(answered(&reports, "day", None).await, by_hour, "seed {seed}");
            if random.below(2) == 0 {
                assert_eq!(written(&reports, &bucket).await, by_hour, "seed {seed}");
                assert_eq!(written(&reports, &bucket).await, by_hour, "seed {seed}: and again");
            }
            // From the middle of a day on, whose sum must not be taken.
            let since = start_of(hour_of(now()) - 200 - i64::try_from(random.below(48)).unwrap()).to_string();
            let (by_hour, by_day) = (answered(&reports, "hour", Some(&since)).await, answered(&reports, "day", Some(&since)).await);
            assert_eq!(by_day, by_hour, "seed {seed}, since {since}");
        }
    }
}

/// A rollup that changes while its day is added up: the sum of before isn't written. And a fold that ended before it took the sum away makes
/// up for it when it is tried again.
#[tokio::test]
async fn no_sum_of_before_a_change_outlives_it() {
    let (tables, bucket) = (tables().await, MemoryBucket::default());
    let (findings, place) = (tables.findings(), AccountRegion::new("222233334444", "us-east-1"));
    findings.note_account_region(&place).await.unwrap();
    let hour = hour_of(now()) - 240;
    let day = Day::of(start_of(hour));
    fold(&tables, &place, hour, &rollup(&place, 5, 0)).await;
    let before = findings.day_sums(&place, (day, day)).await.unwrap()[&day].clone();
    assert_eq!((before.changes, before.sum), (1, None));
    fold(&tables, &place, hour, &rollup(&place, 5, 2)).await;
    assert!(!findings.put_day_sum(&place, day, &rollup(&place, 5, 0), before.changes).await.unwrap(), "it changed since");
    assert_eq!(findings.day_sums(&place, (day, day)).await.unwrap()[&day].sum, None);

    let reports = reports(&tables, &bucket);
    let of_day = |calls| BTreeMap::from([((day.to_string(), place.account.clone()), calls)]);
    assert_eq!(written(&reports, &bucket).await, of_day((5, 2)));
    let sum = findings.day_sums(&place, (day, day)).await.unwrap()[&day].sum.clone();
    assert_eq!(sum, Some(rollup(&place, 5, 2)));
    findings.put_rollup(&place, &hour_text(Some(hour)), &rollup(&place, 9, 9), 2).await.unwrap();
    fold(&tables, &place, hour, &rollup(&place, 9, 9)).await;
    assert_eq!(answered(&reports, "day", None).await, of_day((9, 9)));
    assert_eq!(written(&reports, &bucket).await, of_day((9, 9)));
}
