//! The domain is pure: the same records, world, configuration and "now" give the same findings, wherever it runs.

use std::{fs, path::Path, process::Command};

/// Crates that talk to AWS, run tasks, read files, open sockets, tell the time, or roll dice. (flate2 is none of them: what CloudWatch Logs
/// delivers is gzip inside of JSON, and it is unpacked in memory.)
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

/// Ways out of the program that need no crate.
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
    "println!",
];

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
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let text = fs::read_to_string(&path).unwrap();
            // What stands behind this mark is tests.
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            for way in WAYS_OUT {
                assert!(!code.contains(way), "{way} in {}", path.display());
            }
        }
    }
    assert!(files > 10);
}
