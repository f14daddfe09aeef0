//! Every folder `events/<rule>/<case>/` is a test: the command line audits its event in its world and must report the findings that it
//! expects. `events/README.md` describes the layout of a case.

#![expect(clippy::indexing_slicing, reason = "a JSON value answers null for what it lacks")]

use std::path::Path;

use assert_cmd::Command;
use cases::Case;
use serde_json::Value;

datatest_stable::harness! {
    { test = gives_what_it_expects, root = "../events", pattern = r"^[^/]+/[^/]+/event\.json$" },
}

fn gives_what_it_expects(event: &Path) -> datatest_stable::Result<()> {
    let case = Case::of_event(event);
    let expected = case.expected()?;
    let world = tempfile::tempdir()?;
    case.write_world(world.path())?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_guardrail-audit"));
    command.arg("audit").arg(event).arg("--world").arg(world.path()).args(["--format", "json", "--quiet", "--fail-on", "never"]);
    command.args(["--now", cases::NOW]);
    if let Some(configuration) = case.configuration_file() {
        command.arg("--config").arg(configuration);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let records = |key: &str| report["records"][key].as_u64().unwrap_or_default();
    assert_eq!(records("read"), records("judged") + records("ignored") + records("unreadable"));
    assert_eq!(report["invocations"], expected.invocations, "calls by verdict");
    for (member, rows) in [("coverage", &expected.coverage), ("blind", &expected.blind)] {
        if let Some(rows) = rows {
            let found = report[member].as_array().map(Vec::as_slice).unwrap_or_default();
            assert_eq!(found.len(), rows.len(), "the number of rows of `{member}`");
            found.iter().zip(rows).for_each(|(found, expected)| has_fields(found, expected, member));
        }
    }
    if let Some(ignored) = &expected.ignored {
        assert_eq!(&report["records"]["ignored_because"], ignored, "the records that are ignored");
    }
    let by_rule = |mut findings: Vec<Value>| {
        findings.sort_by_key(|finding| ["rule", "account", "region"].map(|field| finding[field].to_string()));
        findings
    };
    let (found, expected) = (by_rule(report["findings"].as_array().cloned().unwrap_or_default()), by_rule(expected.findings));
    found.iter().for_each(says_something);
    found.iter().filter(|finding| finding["attempted"] == true).for_each(claims_no_deed);
    let rules = |findings: &[Value]| findings.iter().map(|finding| finding["rule"].clone()).collect::<Vec<_>>();
    assert_eq!(rules(&found), rules(&expected), "the rules that fire");
    found.iter().zip(&expected).for_each(|(found, expected)| has_fields(found, expected, expected["rule"].as_str().unwrap_or_default()));
    Ok(())
}

/// Asserts that a finding has each field that the case expects of it.
fn has_fields(found: &Value, expected: &Value, of: &str) {
    for (field, value) in expected.as_object().into_iter().flatten() {
        assert_eq!(&found[field], value, "`{field}` of {of}");
    }
}

/// The texts of a finding have no gaps: an empty word would leave two blanks, or nothing behind a colon.
fn says_something(finding: &Value) {
    for field in ["title", "detail", "remediation", "resource"] {
        let text = finding[field].as_str().unwrap_or_default();
        assert!(!text.trim().is_empty() && !text.trim_end().ends_with(':'), "`{field}` says nothing: {text}");
        let gap = ["  ", " ,", " ;", "(), ", ": ;"].into_iter().find(|gap| text.contains(gap));
        assert_eq!(gap, None, "`{field}` has a gap: {text}");
    }
}

/// The title and the detail of a finding about a refused change describe it as an attempt.
fn claims_no_deed(finding: &Value) {
    const CLAIMS: &[&str] = &[
        "took the place",
        "was deleted",
        "was replaced",
        "was changed",
        "were changed",
        "was published",
        "was stopped",
        "was disabled",
        "was enabled",
        "was made",
        "is gone",
        "it lost",
        "is no longer",
        "no longer records",
        " got ",
        " may no longer",
    ];
    for field in ["title", "detail"] {
        let text = finding[field].as_str().unwrap_or_default();
        assert!(text.contains("would"), "`{field}` of a refused change: {text}");
        for claim in CLAIMS {
            assert!(!text.replace("would have got ", "").contains(claim), "`{field}` of a refused change claims that it {claim}: {text}");
        }
    }
}
