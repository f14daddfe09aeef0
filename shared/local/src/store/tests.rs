mod compaction;

use audit_core::{
    auditor::{self, Audit, AuditOptions, Continued, Selection, StoredAggregate},
    config::Configuration,
    facts::EvidenceRows,
    timestamp::Timestamp,
    world::{SnapshotPath, World},
};

use super::*;
use crate::{
    input::Input,
    scan::{Digest, Options, scan},
};

fn call(request: u32, time: &str) -> String {
    format!(
        r#"{{"eventSource":"bedrock.amazonaws.com","eventName":"Converse","eventType":"AwsApiCall","awsRegion":"us-east-1","recipientAccountId":"222233334444",
            "eventTime":"{time}","requestID":"request-{request}","eventID":"event-{request}","userIdentity":{{"arn":"arn:aws:iam::222233334444:user/u"}},
            "requestParameters":{{"modelId":"a.one"}}}}"#
    )
    .replace('\n', " ")
}

const CHANGE: &str = r#"{"eventSource":"bedrock.amazonaws.com","eventName":"DeleteEnforcedGuardrailConfiguration","awsRegion":"us-east-1",
    "recipientAccountId":"222233334444","eventTime":"2026-11-20T05:00:00Z","eventID":"change-1","requestParameters":{"configId":"c"}}"#;

fn world_files() -> Vec<(String, Vec<u8>)> {
    vec![("effective-policies/222233334444.json".to_owned(), br#"{"EffectivePolicy": null}"#.to_vec())]
}

/// Reads a file with these records into the store, as `audit --store` does.
fn run(store: &mut Store, folder: &Path, name: &str, records: &[String]) -> Audit {
    let path = folder.join(name);
    std::fs::write(&path, records.join("\n")).unwrap();
    let known = store.known_inputs().unwrap();
    let is_known = |digest: &Digest| known.contains(digest);
    let input = Input::File { bytes: std::fs::metadata(&path).unwrap().len(), path, is_named: true };
    let scanned = scan(&[input], &auditor::wanted(), &Options { known: Some(&is_known), ..Options::default() });
    let new: Vec<_> = scanned.inputs.into_iter().filter(|(digest, _)| !known.contains(digest)).collect();
    let added = store.add(scanned.facts, &new, &world_files()).unwrap();
    let mut world = World::default();
    for (path, json) in store.load_world().unwrap() {
        world.add(&SnapshotPath::parse(&path).unwrap(), &json).unwrap();
    }
    let (configuration, selection) = (Configuration::default(), Selection::default());
    let options = AuditOptions { configuration: &configuration, selection: &selection, now: Timestamp::from_seconds(0), threads: 1 };
    let concluded = store.audit(Some(added), world, &options).unwrap();
    store.conclude(&concluded).unwrap();
    concluded.audit
}

fn dump(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut all = Vec::new();
    for table in [
        "texts",
        "descriptions",
        "records",
        "changes",
        "world",
        "inputs",
        "aggregates",
        "compacted",
        "findings",
        "coverage",
        "days",
        "blind",
        "summary",
    ] {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            all.push(format!(
                "{table} {:?}",
                (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column).unwrap()).collect::<Vec<_>>()
            ));
        }
    }
    all
}

#[test]
fn several_runs_conclude_what_one_would_and_the_same_files_twice_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let records: Vec<String> = (0..4).map(|n| call(n, &format!("2026-11-20T0{}:00:00Z", 2 * n + 1))).collect();
    let mut several = Store::open(&at("several.db")).unwrap();
    run(&mut several, folder.path(), "a.jsonl", &records[2..]);
    run(&mut several, folder.path(), "b.jsonl", &[CHANGE.replace('\n', " "), records[0].clone()]);
    let last = run(&mut several, folder.path(), "c.jsonl", &records[..2]);
    let before = dump(&at("several.db"));
    let again = run(&mut several, folder.path(), "c-by-another-name.jsonl", &records[..2]);
    assert_eq!(again, last);
    assert_eq!(dump(&at("several.db")), before);

    let mut one = Store::open(&at("one.db")).unwrap();
    let all: Vec<String> = std::iter::once(CHANGE.replace('\n', " ")).chain(records).collect();
    let at_once = run(&mut one, folder.path(), "all.jsonl", &all);
    assert_eq!((&last.findings, &last.coverage, &last.blind), (&at_once.findings, &at_once.coverage, &at_once.blind));
    assert_eq!(last.invocations.violation, 2, "those after the deletion, known from another file");
    assert_eq!(several.findings().unwrap(), last.findings);
    assert_eq!(several.coverage().unwrap(), last.coverage);
    assert_eq!(several.blind().unwrap(), last.blind);
    assert_eq!(several.days().unwrap(), last.days);
    assert!(last.days.iter().map(|row| row.count).sum::<u64>() == 4 && last.days.iter().all(|row| row.day.is_some()));
    let summary = several.summary().unwrap();
    assert_eq!((summary.records.read, summary.records.judged, summary.records.duplicates), (6, 5, 1));
    assert_eq!(summary.records.read, summary.records.judged + summary.records.ignored + summary.records.unreadable);
    assert_eq!(summary.invocations, last.invocations);
}

#[test]
fn a_run_judges_what_is_new_without_the_earlier_records() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("s.db")).unwrap();
    let early = ["2026-11-20T01:00:00Z", "2026-11-20T09:00:00Z"];
    run(&mut store, folder.path(), "a.jsonl", &early.map(|time| call(u32::from(time > "2026-11-20T02"), time)));
    // A run that read them again would miss them.
    store.connection.execute("DELETE FROM records", []).unwrap();
    let audit = run(&mut store, folder.path(), "b.jsonl", &[call(2, "2026-11-20T09:30:00Z")]);
    assert_eq!((audit.judged, audit.days.iter().map(|row| row.count).sum::<u64>()), (3, 3));
    // The state changes between the calls, so they are read again: by now only the last one is there.
    let audit = run(&mut store, folder.path(), "c.jsonl", &[CHANGE.replace('\n', " ")]);
    assert_eq!(audit.days.iter().map(|row| row.count).sum::<u64>(), 1);
}

#[test]
fn who_deletes_an_aggregate_hides_no_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("s.db")).unwrap();
    run(&mut store, folder.path(), "a.jsonl", &[call(1, "2026-11-20T01:00:00Z"), call(2, "2026-11-20T09:00:00Z")]);
    store.connection.execute("DELETE FROM aggregates", []).unwrap();
    let audit = run(&mut store, folder.path(), "b.jsonl", &[call(3, "2026-11-20T09:30:00Z")]);
    assert_eq!(audit.days.iter().map(|row| row.count).sum::<u64>(), 3);
}

#[test]
fn requests_wait_for_two_hours_of_all_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("s.db")).unwrap();
    let of = |account: &str, request, time| call(request, time).replace("222233334444", account);
    let waiting = |store: &Store| -> Vec<usize> {
        let stored = store.stored_aggregates().unwrap();
        let aggregates = stored.into_iter().map(|(_, bytes)| StoredAggregate::from_bytes(&bytes.unwrap()).unwrap());
        aggregates.map(|aggregate| aggregate.waiting_requests().len()).collect()
    };
    let (one, other, late) = ("111111111111", "222222222222", "333333333333");
    run(&mut store, folder.path(), "a.jsonl", &[of(one, 1, "2026-11-20T01:00:00Z"), of(other, 2, "2026-11-20T09:00:00Z")]);
    assert_eq!(waiting(&store), [0, 1]);
    run(&mut store, folder.path(), "b.jsonl", &[of(one, 3, "2026-11-20T12:00:00Z")]);
    assert_eq!(waiting(&store), [1, 0], "the aggregate of an account without new records is written, too");
    run(&mut store, folder.path(), "c.jsonl", &[of(late, 4, "2026-11-20T02:00:00Z")]);
    assert_eq!(waiting(&store), [1, 0, 1], "who reads older files of another account reads them in their order, too");
}

#[test]
fn a_record_of_a_request_of_long_ago_is_joined() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("s.db")).unwrap();
    run(&mut store, folder.path(), "a.jsonl", &[call(1, "2026-11-20T01:00:00Z"), call(2, "2026-11-20T09:00:00Z")]);
    let differing = call(1, "2026-11-20T01:00:00Z").replace("event-1", "event-of-another-trail");
    let audit = run(&mut store, folder.path(), "b.jsonl", &[differing]);
    assert_eq!((audit.judged, audit.duplicates), (2, 1), "it is a copy of the first call");
}

#[test]
fn calls_can_be_queried_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("s.db")).unwrap();
    run(&mut store, folder.path(), "a.jsonl", &[call(1, "2026-11-20T01:00:00Z"), call(2, "no time")]);
    let query = "SELECT group_concat(account || ' ' || event_name || ' ' || model_id || ' ' || coalesce(event_time, '-'), ', ') FROM calls ORDER BY request_id";
    let calls: String = store.connection.query_row(query, [], |row| row.get(0)).unwrap();
    assert_eq!(calls, "222233334444 Converse a.one 2026-11-20T01:00:00Z, 222233334444 Converse a.one -");
}

#[test]
fn many_first_writers_make_one_store() {
    for round in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let together = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            let open = || {
                together.wait();
                let mut store = Store::open(&path)?;
                store.add(EvidenceRows::default(), &[], &world_files())
            };
            let opened: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            for opened in opened {
                opened.join().unwrap().unwrap_or_else(|error| panic!("round {round}: {error:?}"));
            }
        });
        assert_eq!(Store::open_existing(&path).unwrap().load_world().unwrap(), world_files());
    }
}

#[test]
fn a_locked_store_is_waited_for() {
    static WAITED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    on_wait(|| WAITED.store(true, std::sync::atomic::Ordering::SeqCst));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let mut store = Store::open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(std::time::Duration::from_secs(2));
            other.execute_batch("COMMIT").unwrap();
        });
        assert!(Store::open_existing(&path).unwrap().findings().unwrap().is_empty());
        store.add(EvidenceRows::default(), &[], &world_files()).unwrap();
    });
    assert!(WAITED.load(std::sync::atomic::Ordering::SeqCst), "and it is said");
}

#[test]
fn what_was_concluded_from_less_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let (mut one, mut other) = (Store::open(&path).unwrap(), Store::open(&path).unwrap());
    let before = one.revision().unwrap();
    one.add(EvidenceRows::default(), &[], &world_files()).unwrap();
    assert_eq!(one.revision().unwrap(), before, "what it writes itself is no news");
    other.add(EvidenceRows::default(), &[], &[("organization.json".to_owned(), b"{}".to_vec())]).unwrap();
    let configuration = KeptConfiguration { path: "a.toml".to_owned(), was_found: true, text: "api_key_days = 1".to_owned() };
    assert!(!one.conclude_unless_changed(&Continued::default(), Some(&configuration), before).unwrap());
    assert_eq!(one.configuration().unwrap(), None);
    let after = one.revision().unwrap();
    assert!(one.conclude_unless_changed(&Continued::default(), Some(&configuration), after).unwrap());
    assert_eq!(one.configuration().unwrap(), Some(configuration));
    one.conclude(&Continued::default()).unwrap();
    assert_eq!(one.configuration().unwrap(), None, "a run without a configuration leaves none of an earlier one");
}

/// A store of version 3, and what it has read.
fn version_3(path: &Path) -> Vec<String> {
    Connection::open(path).unwrap().execute_batch(include_str!("tests/version-3.sql")).unwrap();
    include_str!("tests/version-3.jsonl").lines().map(str::to_owned).collect()
}

/// The names of the tables and views, with their statements.
fn tables(path: &Path) -> Vec<(String, Option<String>)> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn rows_of(path: &Path, query: &str) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare(query).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_store_of_version_3_is_brought_to_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let [path, new_path] = ["s.db", "new.db"].map(|name| folder.path().join(name));
    let records = version_3(&path);
    let mut store = Store::open_existing(&path).unwrap();
    let mut new = Store::open(&new_path).unwrap();
    let at_once = run(&mut new, folder.path(), "all.jsonl", &records);
    assert_eq!((store.coverage().unwrap(), store.days().unwrap()), (at_once.coverage.clone(), at_once.days));
    assert_eq!(tables(&path), tables(&new_path), "the tables of an upgraded store are those of a new one");

    let ids = |of: &Store| {
        let mut ids = Vec::new();
        of.each_record_id(|id| {
            ids.push(format!("{} {} {:?} {} {} {}", id.event_id, id.request_id, id.event_time, id.account, id.region, id.event_name));
            Ok::<_, ()>(())
        })
        .unwrap()
        .unwrap();
        ids
    };
    assert_eq!(ids(&store), ids(&new));
    let words =
        "SELECT json_array(request_id, event_id, event_time, account, region, principal, event_name, model_id, guardrail_identifier,
        guardrail_version, error_code, bearer_key) FROM calls ORDER BY request_id";
    assert_eq!(rows_of(&path, words), rows_of(&new_path, words));
    let stored = "SELECT json_array(typeof(request_id), hex(request_id), typeof(event_id), hex(event_id)) FROM records";
    assert_eq!(rows_of(&path, stored), rows_of(&new_path, stored));

    let further: Vec<String> = std::iter::once(call(9, "2026-11-20T04:30:00Z")).chain(records.into_iter().rev()).collect();
    let audit = run(&mut store, folder.path(), "further.jsonl", &further);
    assert_eq!(audit.judged, at_once.judged + 1, "what it had is known");
    assert_eq!(audit, run(&mut new, folder.path(), "further.jsonl", &further));
}

#[test]
fn a_store_of_version_1_is_brought_to_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let [path, new_path] = ["s.db", "new.db"].map(|name| folder.path().join(name));
    let records = version_3(&path);
    let version_1 = "DROP TABLE days; DROP TABLE aggregates; DROP TABLE configuration; PRAGMA user_version = 1;";
    Connection::open(&path).unwrap().execute_batch(version_1).unwrap();
    let mut store = Store::open_existing(&path).unwrap();
    let mut new = Store::open(&new_path).unwrap();
    let audit = run(&mut new, folder.path(), "all.jsonl", &records);
    assert_eq!((store.coverage().unwrap(), store.days().unwrap()), (audit.coverage.clone(), Vec::new()));
    assert_eq!(store.summary().unwrap().invocations, audit.invocations);
    let again = run(&mut store, folder.path(), "b.jsonl", &[call(2, "2026-11-20T02:00:00Z")]);
    assert_eq!(again.judged, audit.judged + 1, "the calls of the older store count");
    assert_eq!(store.days().unwrap(), again.days);
    assert_eq!(tables(&path), tables(&new_path), "the tables of an upgraded store are those of a new one");
}

#[test]
fn another_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Version { found: 0 })));
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Version { found: 99 })));
    assert!(Store::open_existing(&folder.path().join("missing.db")).is_err());
}
