//! Every query in `docs/store.md` runs, and returns rows from the store of the demo.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use audit_core::{
    auditor::{self, AuditOptions, Selection},
    config::Configuration,
    timestamp::Timestamp,
};
use audit_local::{
    input,
    scan::{self, Options},
    store::Store,
    world,
};
use rusqlite::Connection;

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Reads the week of the demo into a store.
fn demo(store: &Path) {
    let everything = |_: &scan::Digest| false;
    let inputs = input::list(&[in_repository("events/demo/AWSLogs")], &[]).unwrap();
    let scanned = scan::scan(&inputs, &auditor::wanted(), &Options { known: Some(&everything), ..Options::default() });
    let world = world::load(&in_repository("events/demo/world")).unwrap();
    let mut store = Store::open(store).unwrap();
    let added = store.add(scanned.facts, &scanned.inputs, &world.files).unwrap();
    let (configuration, selection) = (Configuration::default(), Selection::default());
    let now = Timestamp::parse("2026-11-16T00:00:00Z").unwrap();
    let options = AuditOptions { configuration: &configuration, selection: &selection, now, threads: 1 };
    let concluded = store.audit(Some(added), world.world, &options).unwrap();
    store.conclude(&concluded).unwrap();
}

#[test]
fn the_documented_queries_run_and_find_something() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    demo(&path);
    let page = std::fs::read_to_string(in_repository("docs/store.md")).unwrap();
    let queries: Vec<&str> = page.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(queries.len() >= 7);
    let connection = Connection::open(path).unwrap();
    for query in queries {
        let rows = connection.prepare(query).and_then(|mut statement| {
            let mut rows = statement.query([])?;
            let mut count = 0;
            while rows.next()?.is_some() {
                count += 1;
            }
            Ok(count)
        });
        assert!(rows.as_ref().is_ok_and(|rows| *rows > 0), "{rows:?}: {query}");
    }
}

#[test]
fn every_table_and_view_is_documented() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    Store::open(&path).unwrap();
    let page = std::fs::read_to_string(in_repository("docs/store.md")).unwrap();
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").unwrap();
    let names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
