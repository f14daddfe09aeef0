//! `guardrail-audit demo`: what a newcomer reads first.

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

use super::runner::{assert_shown, at, call, folder, run};

#[test]
fn the_report_of_the_demo() {
    let folder = folder(&[]);
    let shown = run(&["demo", "--dir", &at(&folder, "")]).shown();
    assert_shown!("demo", shown);
}

#[test]
fn each_demo_starts_afresh() {
    let folder = folder(&[]);
    let once = || run(&["demo", "--dir", &at(&folder, ""), "--format", "json", "--quiet"]);
    let (first, second) = (once(), once());
    assert_eq!((first.code, &first.stdout), (0, &second.stdout));
    assert!(first.stderr.is_empty(), "{}", first.stderr);
    let report = first.json();
    let statuses: Vec<&str> = report["findings"].as_array().unwrap().iter().map(|finding| finding["status"].as_str().unwrap()).collect();
    for status in ["OPEN", "SUPPRESSED", "RESOLVED"] {
        assert!(statuses.contains(&status), "the demo shows a finding that is {status}");
    }
    for verdict in ["compliant", "violation", "not_provable", "not_applicable"] {
        assert!(report["invocations"][verdict].as_u64() > Some(0), "the demo shows calls that are {verdict}");
    }
    for grade in ["observed", "enforced", "assumed", "none"] {
        assert!(report["coverage"].as_array().unwrap().iter().any(|row| row["grade"] == grade), "the demo shows the grade {grade}");
    }
}

#[test]
fn what_an_earlier_version_left_is_cleared_but_nothing_that_is_not_ours() {
    let stray = call(1).to_string();
    let temporary = folder(&[("guardrail-audit-demo/AWSLogs/stray.json", stray.as_bytes())]);
    let records = |further: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_guardrail-audit"));
        let output = command.args(["demo", "--format", "json"]).args(further).env("TMPDIR", temporary.path()).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["records"]["read"].as_u64().unwrap()
    };
    let given = at(&temporary, "given");
    let fresh = records(&["--dir", &given]);
    assert_eq!(records(&[]), fresh, "our own folder is a new one");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let made = std::fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap());
        let made: Vec<_> = made.filter(|entry| entry.file_name().to_string_lossy().starts_with("guardrail-audit-demo-")).collect();
        assert!(
            matches!(made.as_slice(), [ours] if ours.metadata().unwrap().permissions().mode() & 0o777 == 0o700),
            "nobody else looks into it"
        );
    }
    let mine = at(&temporary, "given/AWSLogs/mine.json");
    std::fs::write(&mine, &stray).unwrap();
    assert_eq!(records(&["--dir", &given]), fresh + 1);
    assert!(Path::new(&mine).exists());
}
