//! The forms of a report for programs.

use serde_json::Value;

use super::runner::{NOW, UNENFORCED, assert_shown, at, audit_demo, call, demo, folder, run, run_with};

fn in_format(format: &str) -> String {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    run(&["audit", &logs, "--world", &world, "--now", NOW, "--quiet", "--format", format]).stdout
}

#[test]
fn a_small_report_as_json() {
    let folder = folder(UNENFORCED);
    let arguments = ["audit", "-", "--world", &at(&folder, "world"), "--now", NOW, "--format", "json"];
    assert_shown!("report_json", run_with(call(1).to_string(), &arguments).shown());
}

#[test]
fn json_lines_are_the_findings_of_the_report() {
    let lines: Vec<Value> = in_format("jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Value::from(lines), audit_demo(&[])["findings"]);
}

#[test]
fn csv_has_a_row_for_each_finding() {
    let csv = in_format("csv");
    let (heading, rows) = csv.split_once('\n').unwrap();
    let findings = audit_demo(&[])["findings"].as_array().unwrap().clone();
    assert_eq!(heading.split(',').take(6).collect::<Vec<_>>(), ["id", "rule", "severity", "status", "account", "region"]);
    assert_eq!(rows.lines().count(), findings.len());
    for (row, finding) in rows.lines().zip(&findings) {
        assert!(row.starts_with(finding["id"].as_str().unwrap()), "{row}");
    }
}

#[test]
fn a_cell_that_begins_like_a_formula_is_text() {
    let folder = folder(UNENFORCED);
    let mut record = call(1);
    record["requestParameters"]["modelId"] = "=HYPERLINK(\"http://example.com\")".into();
    let ran = run_with(record.to_string(), &["audit", "-", "--world", &at(&folder, "world"), "--format", "csv"]);
    assert!(ran.stdout.contains("'=HYPERLINK") && !ran.stdout.contains(",=") && !ran.stdout.contains(",\"="), "{}", ran.stdout);
}

#[test]
fn a_file_is_written_whole_and_nothing_else_is_said() {
    let folder = folder(&[]);
    let (logs, world, report) = (demo("AWSLogs"), demo("world"), at(&folder, "report.json"));
    let ran = run(&["audit", &logs, "--world", &world, "--now", NOW, "--quiet", "--format", "json", "--output", &report]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (3, "", ""));
    assert_eq!(std::fs::read_to_string(report).unwrap(), in_format("json"));
}

#[test]
fn nothing_is_coloured_where_nobody_looks() {
    assert!(!in_format("table").contains('\x1b'));
}
