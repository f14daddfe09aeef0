use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

#[test]
fn progress_moves_inside_of_a_large_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.jsonl");
    let size = 26 << 20;
    std::fs::write(&path, format!("{{}}{:1022}\n", "").repeat(26 << 10).get(..size).unwrap()).unwrap();
    let progress = Progress::default();
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let meter = Meter::new(Some(&progress.bytes), Some(size as u64));
    let mut seen = std::collections::BTreeSet::new();
    let mut note = |_: Piece<'_>| {
        seen.insert(read(&progress.bytes));
    };
    Contents::default().each_of_file(&path, size as u64, true, &meter, &mut note).unwrap();
    assert!(seen.len() > 10 && seen.iter().all(|bytes| *bytes <= size as u64), "{} steps", seen.len());
    let inputs = [Input::File { path, bytes: size as u64, is_named: true }];
    let progress = Progress::default();
    let scanned = scan(&inputs, &Wanted::new([]), &Options { threads: 1, progress: Some(&progress), ..Options::default() });
    assert_eq!(scanned.counts.bytes, size as u64);
    assert_eq!((read(&progress.bytes), read(&progress.records), read(&progress.files)), (size as u64, scanned.counts.read, 1));
}

#[test]
fn watching_ends_when_the_scan_panics() {
    let progress = Progress::default();
    let panics = |_: &Digest| -> bool { panic!("on purpose") };
    let inputs = [Input::File { path: concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into(), bytes: 1, is_named: true }];
    let options = Options { threads: 1, progress: Some(&progress), known: Some(&panics), ..Options::default() };
    let ended = catch_unwind(AssertUnwindSafe(|| scan(&inputs, &Wanted::new([]), &options)));
    assert!(ended.is_err());
    progress.watch(Duration::from_secs(1), |_| panic!("it is still waited for"));
}
