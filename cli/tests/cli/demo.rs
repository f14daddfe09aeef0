//! `guardrail-audit demo`: what a newcomer sees first.

use super::runner::{assert_shown, at, folder, run};

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
