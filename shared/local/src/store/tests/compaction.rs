//! What a store keeps of compacted days.

use audit_core::{missing_evidence::MissingEvidence, timestamp::Day};

use super::{super::compaction::Compaction, *};

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

/// Compacts a store as the command line does, in steps of so many records.
fn compact(store: &mut Store, before: &str, records_a_step: u64) -> Result<Compaction, StoreError> {
    let mut world = World::default();
    for (path, json) in store.load_world()? {
        world.add(&SnapshotPath::parse(&path).unwrap(), &json).unwrap();
    }
    let (configuration, selection) = (Configuration::default(), Selection::default());
    let options = AuditOptions { configuration: &configuration, selection: &selection, now: Timestamp::from_seconds(0), threads: 1 };
    store.compact_in_steps(day(before), &world, &options, records_a_step)
}

/// Four calls a day of three days, and a deletion of the account's configuration between those of the first.
fn three_days() -> Vec<String> {
    let calls = (0..12).map(|number| call(number, &format!("2026-11-2{}T{:02}:00:00Z", number / 4, 3 + 4 * (number % 4))));
    calls.chain([CHANGE.replace('\n', " ")]).collect()
}

fn number(store: &Store, query: &str) -> u64 {
    store.connection.query_row(query, [], |row| row.get(0)).unwrap()
}

/// What has to stay the same.
fn conclusions(
    audit: &Audit,
) -> (Vec<audit_core::finding::Finding>, Vec<audit_core::report::CoverageRow>, Vec<audit_core::report::DayRow>, u64) {
    (audit.findings.clone(), audit.coverage.clone(), audit.days.clone(), audit.judged)
}

fn is_blind(audit: &Audit) -> bool {
    audit.blind.iter().any(|row| row.missing == MissingEvidence::CompactedDays)
}

#[test]
fn the_sums_say_what_the_dropped_records_said() {
    let folder = tempfile::tempdir().unwrap();
    for records_a_step in [1, 3, 1000] {
        let mut store = Store::open(&folder.path().join(format!("{records_a_step}.db"))).unwrap();
        let before = run(&mut store, folder.path(), "a.jsonl", &three_days());
        let compaction = compact(&mut store, "2026-11-22", records_a_step).unwrap();
        assert_eq!((compaction.records, compaction.days, compaction.waits), (8, 2, false));
        assert_eq!(number(&store, "SELECT count(*) FROM records"), 4);
        assert_eq!(store.compacted_days().unwrap(), CompactedDays { until: Some(day("2026-11-22").start()), records: 8, late: 0 });
        // The aggregate is made again, from the sum and the records that are left.
        store.connection.execute("UPDATE aggregates SET aggregate = NULL", []).unwrap();
        let after = run(&mut store, folder.path(), "nothing.jsonl", &[]);
        assert_eq!((conclusions(&after), &after.blind), (conclusions(&before), &before.blind), "in steps of {records_a_step}");
    }
}

#[test]
fn compacting_twice_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let mut store = Store::open(&path).unwrap();
    run(&mut store, folder.path(), "a.jsonl", &three_days());
    assert_eq!(store.compactable(day("2026-11-22")).unwrap(), compact(&mut store, "2026-11-22", 1000).unwrap());
    let once = dump(&path);
    assert_eq!(compact(&mut store, "2026-11-22", 1000).unwrap().records, 0);
    assert_eq!(compact(&mut store, "2026-11-21", 1000).unwrap().records, 0, "nor does an earlier day");
    assert_eq!(dump(&path), once);
    compact(&mut store, "2026-11-23", 1000).unwrap();
    assert_eq!(store.compacted_days().unwrap().records, 8, "the last calls may still get records");
}

#[test]
fn a_compaction_that_fails_leaves_the_store_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let mut store = Store::open(&path).unwrap();
    let whole = run(&mut store, folder.path(), "a.jsonl", &three_days());
    let before = dump(&path);
    let fail_at = |store: &Store, request: u32| {
        let trigger = format!(
            "CREATE TRIGGER fails BEFORE DELETE ON records WHEN old.request_id = 'request-{request}' BEGIN SELECT RAISE(ABORT, 'killed'); END"
        );
        store.connection.execute_batch(&trigger).unwrap();
    };
    fail_at(&store, 0);
    assert!(matches!(compact(&mut store, "2026-11-22", 3), Err(StoreError::Sqlite { .. })));
    assert_eq!(dump(&path), before);
    store.connection.execute_batch("DROP TRIGGER fails").unwrap();
    // Of three steps, only the first is completed.
    fail_at(&store, 4);
    assert!(compact(&mut store, "2026-11-22", 3).is_err());
    store.connection.execute_batch("DROP TRIGGER fails; UPDATE aggregates SET aggregate = NULL").unwrap();
    assert_eq!(number(&store, "SELECT count(*) FROM records"), 9);
    assert_eq!(conclusions(&run(&mut store, folder.path(), "nothing.jsonl", &[])), conclusions(&whole));
    assert_eq!(compact(&mut store, "2026-11-22", 3).unwrap().records, 5, "the next one goes on");
}

#[test]
fn what_comes_late_for_a_compacted_day_is_counted_and_not_judged() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("s.db")).unwrap();
    let before = run(&mut store, folder.path(), "a.jsonl", &three_days());
    compact(&mut store, "2026-11-22", 1000).unwrap();
    let copy = three_days()[5].clone();
    let late = [call(50, "2026-11-20T23:59:59Z"), copy, call(51, "2026-11-22T00:00:00Z")];
    let after = run(&mut store, folder.path(), "late.jsonl", &late);
    assert_eq!(after.judged, before.judged + 1, "a call of the day after is judged");
    let of_compacted = |audit: &Audit| audit.days.iter().filter(|row| row.day < Some(day("2026-11-22"))).cloned().collect::<Vec<_>>();
    assert_eq!(of_compacted(&after), of_compacted(&before));
    assert!(is_blind(&after) && !is_blind(&before));
    assert_eq!(store.compacted_days().unwrap().late, 2);
    let records = store.summary().unwrap().records;
    assert_eq!(records.ignored_because.get("of days that the store has compacted"), Some(&2));
    assert_eq!(records.read, records.judged + records.ignored + records.unreadable);
    assert!(is_blind(&run(&mut store, folder.path(), "nothing.jsonl", &[])), "each later run says so, too");
}

#[test]
fn calls_that_a_change_dated_back_divides_are_not_proved() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("s.db")).unwrap();
    let calls = three_days()[..12].to_vec();
    let deleted = three_days()[12].replace("2026-11-20T05", "2026-11-19T05");
    let before = run(&mut store, folder.path(), "a.jsonl", &[calls, vec![deleted.clone()]].concat());
    assert_eq!(before.invocations.violation, 12, "nothing was enforced");
    compact(&mut store, "2026-11-22", 1000).unwrap();
    let put = deleted.replace("change-1", "change-2").replace("2026-11-19T05", "2026-11-21T05").replace("DeleteEnforced", "PutEnforced").replace(
        r#""configId":"c""#,
        r#""guardrailInferenceConfig":{"guardrailIdentifier":"arn:aws:bedrock:us-east-1:222233334444:guardrail/abcdefghij12","guardrailVersion":"1"}"#,
    );
    let after = run(&mut store, folder.path(), "b.jsonl", &[put]);
    // The sum has the time of its latest call, because that might still have got an evaluation.
    assert_eq!(after.invocations.compliant, 5, "those whose times are there: {:?}", after.coverage);
    assert_eq!(after.invocations.not_provable, 7, "those of which only the sum is there");
    assert!(is_blind(&after));
    let later = run(&mut store, folder.path(), "c.jsonl", &[call(60, "2026-11-22T20:00:00Z")]);
    assert!(is_blind(&later) && later.invocations.not_provable == 7);
}

#[test]
fn days_whose_requests_wait_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("s.db")).unwrap();
    let calls = ["2026-11-20T09:00:00Z", "2026-11-21T01:00:00Z", "2026-11-21T23:30:00Z"];
    run(
        &mut store,
        folder.path(),
        "a.jsonl",
        &calls.map(|time| call(u32::from(time.as_bytes()[9]) * 100 + u32::from(time.as_bytes()[12]), time)),
    );
    let compaction = compact(&mut store, "2026-11-23", 1000).unwrap();
    assert_eq!((compaction.records, compaction.until, compaction.waits), (1, day("2026-11-21").start(), true));
}

#[test]
fn a_request_that_reaches_into_later_days_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("s.db")).unwrap();
    let retried = call(1, "2026-11-21T00:00:01Z").replace("event-1", "event-1-again").replace("Converse", "ConverseStream");
    let records = [call(0, "2026-11-20T09:00:00Z"), call(1, "2026-11-20T23:59:59Z"), retried, call(2, "2026-11-21T09:00:00Z")];
    run(&mut store, folder.path(), "a.jsonl", &records);
    assert_eq!(compact(&mut store, "2026-11-21", 1000).unwrap().records, 1);
    let again = run(&mut store, folder.path(), "copies.jsonl", &[records[1].clone(), records[2].clone()]);
    assert!(!is_blind(&again), "copies of what is there are known");
}

#[test]
fn a_store_without_sums_is_not_compacted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let mut store = Store::open(&path).unwrap();
    run(&mut store, folder.path(), "a.jsonl", &three_days());
    store.connection.execute("UPDATE aggregates SET aggregate = NULL", []).unwrap();
    let before = dump(&path);
    assert!(matches!(compact(&mut store, "2026-11-22", 1000), Err(StoreError::NoSums)));
    assert_eq!(dump(&path), before);
}

#[test]
fn a_store_of_version_4_is_brought_to_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let [path, new_path] = ["s.db", "new.db"].map(|name| folder.path().join(name));
    let mut stores = [Store::open(&path).unwrap(), Store::open(&new_path).unwrap()];
    for store in &mut stores {
        run(store, folder.path(), "a.jsonl", &three_days());
    }
    let [old, mut new] = stores;
    drop(old);
    Connection::open(&path).unwrap().execute_batch("DROP TABLE compacted; PRAGMA user_version = 4").unwrap();
    let mut upgraded = Store::open_existing(&path).unwrap();
    assert_eq!(tables(&path), tables(&new_path));
    let further = [call(70, "2026-11-22T20:00:00Z")];
    for store in [&mut upgraded, &mut new] {
        run(store, folder.path(), "b.jsonl", &further);
        assert_eq!(compact(store, "2026-11-22", 1000).unwrap().records, 8);
    }
    assert_eq!(dump(&path), dump(&new_path));
}
