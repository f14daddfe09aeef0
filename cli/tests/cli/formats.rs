//! The formats of a report for programs.

use serde_json::{Value, json};

use super::runner::{NOW, UNENFORCED, at, audit_demo, call, demo, folder, run, run_with};

fn in_format(format: &str) -> String {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    run(&["audit", &logs, "--world", &world, "--now", NOW, "--quiet", "--format", format]).stdout
}

/// Asserts that a value holds what is expected; it may have more fields.
pub(super) fn assert_holds(value: &Value, expected: &Value, path: &str) {
    match (value, expected) {
        (Value::Object(value), Value::Object(expected)) => {
            for (key, expected) in expected {
                let value = value.get(key).unwrap_or_else(|| panic!("no {path}/{key}"));
                assert_holds(value, expected, &format!("{path}/{key}"));
            }
        }
        (Value::Array(values), Value::Array(expected)) => {
            assert_eq!(values.len(), expected.len(), "{path}");
            values
                .iter()
                .zip(expected)
                .enumerate()
                .for_each(|(index, (value, expected))| assert_holds(value, expected, &format!("{path}/{index}")));
        }
        _ => assert_eq!(value, expected, "{path}"),
    }
}

#[test]
fn version_1_of_the_json_keeps_its_fields() {
    let folder = folder(UNENFORCED);
    let world = at(&folder, "world");
    let input = format!("{}\n5\n", call(1));
    let report = run_with(input, &["audit", "-", "--world", &world, "--now", NOW, "--format", "json"]).json();
    let (account, region, model) = ("222233334444", "us-east-1", "amazon.nova-pro-v1:0");
    let expected = json!({
        "schema_version": 1,
        "tool": {"name": "guardrail-audit", "version": env!("CARGO_PKG_VERSION")},
        "generated_at": NOW,
        "records": {"read": 2, "judged": 1, "ignored": 0, "unreadable": 1, "duplicates": 0, "ignored_because": {}},
        "invocations": {"compliant": 0, "violation": 1, "not_provable": 0, "not_applicable": 0},
        "coverage": [{"account": account, "region": region, "model": model, "api": "Converse", "verdict": "violation", "grade": "enforced",
            "reason": "no_guardrail", "count": 1}],
        "unreadable": [{"file": "standard input", "record": 2, "reason": "neither a JSON object nor an array"}],
        "accounts": {},
    });
    assert_holds(&report, &expected, "");
    let blind = report["blind"].as_array().unwrap();
    assert!(blind.iter().any(|row| row["account"] == account && row["region"] == region && row["missing"] == "telemetry"));
    let finding = report["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == "invocation-without-guardrail").unwrap();
    let expected = json!({
        // The id is derived from rule, account, Region and resource: it must stay the same in every version.
        "id": "942961b34ed190694946f0c78b4d6adb",
        "severity": "HIGH", "status": "OPEN", "account": account, "region": region, "resource": format!("AWS::::Account:{account}"),
        "principals": ["arn:aws:iam::222233334444:role/app"], "models": [model], "apis": ["Converse"],
        "verdict": "violation", "grade": "enforced", "reason": "no_guardrail", "missing": [], "attempted": false, "expected": false,
        "first_seen": "2026-11-20T10:00:00Z", "last_seen": "2026-11-20T10:00:00Z", "count": 1,
        "events": ["00000000-0000-4000-b000-000000000001"], "changes": [], "reopened": 0, "resolved_at": null, "suppression": null,
        "policy": {"basis": "described", "since": null, "identifier": null},
    });
    assert_holds(finding, &expected, "");
    for text in ["title", "detail", "remediation"] {
        assert!(finding[text].as_str().is_some_and(|text| !text.is_empty()), "{text}");
    }
    assert!(finding["linked"].is_array() && finding["controls"].is_array());
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
    // Programs may count columns: new ones come last.
    let behind: Vec<&str> = heading.split(',').skip(18).collect();
    let further = "remediation,attempted,expected,reopened,resolved_at,missing,linked,controls,policy,suppression,changes,account_name";
    assert_eq!(behind, further.split(',').collect::<Vec<_>>());
    assert!(rows.lines().any(|row| row.contains("account-not-covered") && row.ends_with(",acquired-startup")), "{rows}");
    assert_eq!(rows.lines().count(), findings.len());
    for (row, finding) in rows.lines().zip(&findings) {
        assert!(row.starts_with(finding["id"].as_str().unwrap()), "{row}");
    }
}

#[test]
fn markdown_arrives_as_it_was_written() {
    let markdown = in_format("markdown");
    assert!(markdown.contains("% of 421 calls that had to be guarded") && !markdown.contains('\u{fffd}'), "{markdown}");
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
fn nothing_is_coloured_outside_of_a_terminal() {
    assert!(!in_format("table").contains('\x1b'));
}

#[test]
fn the_page_and_the_picture_are_of_the_same_report() {
    let (page, picture) = (in_format("html"), in_format("svg"));
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("default-src 'none'") && picture.starts_with("<svg "));
    let names = audit_demo(&[])["accounts"].as_object().unwrap().clone();
    let in_both: Vec<&Value> = names.values().filter(|name| picture.contains(name.as_str().unwrap())).collect();
    assert!(in_both.len() > 10 && in_both.iter().all(|name| page.contains(name.as_str().unwrap())), "{in_both:?}");
}
