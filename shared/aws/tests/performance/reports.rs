//! Measures what a report reads as accounts and days grow. Rollups are written by a generator, as folds leave them.

use audit_aws::{
    bucket::MemoryBucket,
    clock::{Clock, hour_of},
    findings::Rollup,
    partition::{AccountRegion, hour_text},
    report::Reports,
};
use audit_core::{
    report::CoverageRow,
    verdict::{Grade, Invocations, Verdict},
};

use crate::{
    counted::{Counter, Counts},
    days::account,
    support::{Tables, endpoint, no_deadline, now, tables_at},
};

/// Hours of a day in which there are calls. The engine writes one item at a time, and more hours make no other test.
const HOURS: i64 = 8;

fn rollup(of: &AccountRegion) -> Rollup {
    let row = |model: u64| CoverageRow {
        account: of.account.as_str().into(),
        region: of.region.as_str().into(),
        model: format!("anthropic.claude-{model}").into(),
        api: "Converse".into(),
        verdict: Verdict::Compliant,
        grade: Grade::Enforced,
        reason: None,
        count: 7,
    };
    Rollup { invocations: Invocations { compliant: 21, ..Invocations::default() }, coverage: (0..3).map(row).collect() }
}

/// Writes the rollups of accounts in the days before the last four, which are open.
async fn filled(endpoint: &str, accounts: u64, days: i64) -> Tables {
    let tables = tables_at(endpoint).await;
    for number in 0..accounts {
        let of = AccountRegion::new(account(number), "us-east-1");
        tables.findings().note_account_region(&of).await.unwrap();
        for day in 0..days {
            for hour in 0..HOURS {
                let hour = hour_text(Some(hour_of(now()) - 24 * (day + 6) + hour));
                tables.findings().put_rollup(&of, &hour, &rollup(&of), 1).await.unwrap();
            }
        }
    }
    tables
}

/// What the first report asks for, which makes the sums, and what the second does.
async fn asked(accounts: u64, days: i64) -> (Counts, Counts) {
    let endpoint = endpoint().await;
    let tables = filled(&endpoint, accounts, days).await;
    let counter = Counter::default();
    let findings = counter.tables(&tables, &endpoint).findings();
    let reports = Reports::new(findings, MemoryBucket::default(), "reports/".to_owned(), Clock::At(now()));
    reports.write(no_deadline()).await.unwrap();
    let first = counter.take();
    reports.write(no_deadline()).await.unwrap();
    (first, counter.take())
}

#[tokio::test]
async fn a_report_reads_an_item_for_a_day_and_requests_do_not_grow_with_days() {
    let (first, short) = asked(2, 4).await;
    assert!(first.writes >= 8, "a sum for each day and account: {first:?}");
    let (_, long) = asked(2, 40).await;
    let (_, wide) = asked(20, 4).await;
    for (name, counts) in [("2 accounts, 4 days, the first", first), ("2 × 4", short), ("2 × 40", long), ("20 × 4", wide)] {
        println!("{name}: {}", serde_json::json!(counts));
    }
    assert_eq!((short.writes, long.writes, wide.writes), (0, 0, 0), "nothing changed");
    assert_eq!(long.reads, short.reads, "requests");
    assert!(wide.reads <= 10 * short.reads, "{} requests after {}", wide.reads, short.reads);
    // 36 more days of two accounts. An hour that crosses midnight makes a day of it.
    let more = long.read_items - short.read_items;
    assert!(more <= 2 * 36, "{more} items for 72 days");
}
