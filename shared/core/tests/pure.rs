//! Checks that this crate is pure: it has no dependency and no import by which a finding could depend on the machine or the time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

#[expect(dead_code, reason = "what files import of each other is another test's")]
mod source;

use std::{collections::BTreeSet, process::Command};

use source::Source;

/// Crates that call AWS, run async tasks, read files, open sockets, read the clock, or generate random numbers. flate2 is allowed: it
/// unpacks in memory what CloudWatch Logs delivers as gzip inside of JSON.
const UNWANTED: &[&str] = &[
    "aws-",
    "tokio",
    "async-",
    "futures",
    "hyper",
    "reqwest",
    "rustls",
    "socket2",
    "mio",
    "rusqlite",
    "libsqlite3",
    "walkdir",
    "tempfile",
    "libdeflate",
    "rand",
    "getrandom",
    "fastrand",
    "chrono",
    "time ",
    "tracing",
    "log ",
];

/// The parts of the standard library that do the same.
const WAYS_OUT: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "println",
    "eprintln",
    "dbg",
];

/// The files that may import one of them, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[(
    "parallel.rs",
    "std::thread",
    "threads of one call, which all end before it returns: what it computes doesn't depend on how many there are",
)];

#[test]
fn it_depends_on_nothing_that_reaches_outside() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--package", "audit-core", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(tree.starts_with("audit-core"), "{}", String::from_utf8_lossy(&output.stderr));
    let unwanted: Vec<&str> = tree.lines().filter(|line| UNWANTED.iter().any(|name| line.starts_with(name))).collect();
    assert!(unwanted.is_empty(), "{unwanted:?}");
}

#[test]
fn its_own_code_reaches_nothing_outside() {
    let source = Source::read();
    assert!(source.files().len() > 10);
    let is_test = |name: &String| name == "tests" || name == "testing";
    let mut met: BTreeSet<&(&str, &str, &str)> = BTreeSet::new();
    for (_, module) in source.modules.iter().filter(|(path, _)| !path.iter().any(is_test)) {
        for path in module.uses.iter().chain(&module.paths).chain(module.exports.values()) {
            let named = format!("::{}::", path.join("::"));
            for way in WAYS_OUT.iter().filter(|way| named.contains(&format!("::{way}::"))) {
                let exception = EXCEPTIONS.iter().find(|(file, excepted, _)| *file == module.file && excepted == way);
                assert!(exception.is_some(), "{way} in {}", module.file);
                met.extend(exception);
            }
        }
    }
    assert_eq!(met.len(), EXCEPTIONS.len(), "each exception is still needed");
}
