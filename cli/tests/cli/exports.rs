//! Findings and lints in the formats of other tools, through the program. The formats themselves are tested where they are made.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::formats::assert_holds;
use super::runner::{NOW, Ran, assert_shown, at, audit_demo, demo, folder, in_repository, program, ran, run};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn demo_in(format: &str, further: &[&str]) -> Ran {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    run(&[&["audit", &logs, "--world", &world, "--now", NOW, "--quiet", "--fail-on", "never", "--format", format], further].concat())
}

/// Counts the findings by a pair of words, such as severity and status, and sums up their calls and changes.
fn sums(findings: impl Iterator<Item = (String, String, u64)>) -> BTreeMap<(String, String), (u64, u64)> {
    let mut sums: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for (severity, status, count) in findings {
        let sum = sums.entry((severity, status)).or_default();
        *sum = (sum.0 + 1, sum.1 + count);
    }
    sums
}

#[test]
fn all_formats_have_the_same_sums() {
    let report = audit_demo(&[]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_json = sums(
        report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| (text(&finding["severity"]), text(&finding["status"]), finding["count"].as_u64().unwrap())),
    );
    let status = |name: &Value| match name.as_str().unwrap() {
        "New" => "OPEN".to_owned(),
        other => other.to_uppercase(),
    };
    let of_ocsf = sums(
        lines(&demo_in("ocsf", &[]).stdout)
            .iter()
            .map(|event| (text(&event["severity"]).to_uppercase(), status(&event["status"]), event["count"].as_u64().unwrap())),
    );
    let requests = lines(&demo_in("asff", &[]).stdout);
    let of_asff = sums(requests.iter().flat_map(|request| request["Findings"].as_array().unwrap()).map(|finding| {
        let fields = &finding["ProductFields"];
        let count = text(&fields["guardrail-audit/count"]).parse().unwrap();
        (text(&finding["FindingProviderFields"]["Severity"]["Label"]), text(&fields["guardrail-audit/status"]), count)
    }));
    assert_eq!(of_ocsf, of_json);
    assert_eq!(of_asff, of_json);
    let calls = |verdict: &str| report["invocations"][verdict].as_u64().unwrap();
    let required = calls("compliant") + calls("violation") + calls("not_provable");
    let (markdown, page) = (demo_in("markdown", &[]).stdout, demo_in("html", &[]).stdout);
    for (format, text) in [("table", demo_in("table", &[]).stdout), ("html", page), ("markdown", markdown.clone())] {
        let text = text.replace('\\', "").replace('\n', " ").replace("&#39;", "'");
        let sums = [
            format!(" of {required} calls that had to be guarded"),
            format!("{} were not", calls("violation")),
            format!("{} can't be proved", calls("not_provable")),
        ];
        assert!(sums.iter().all(|sum| text.contains(sum)), "{format}: {sums:?}: {text}");
    }
    for verdict in ["compliant", "violation", "not_provable", "not_applicable"] {
        let row = format!("| {} | {} |", verdict.replace('_', "\\_"), report["invocations"][verdict]);
        assert!(markdown.contains(&row), "{row}: {markdown}");
    }
    let open = |severity: &str| of_json.get(&(severity.to_owned(), "OPEN".to_owned())).map_or(0, |sum| sum.0);
    assert!(markdown.contains(&format!("open: {} CRITICAL, {} HIGH", open("CRITICAL"), open("HIGH"))), "{markdown}");
}

#[test]
fn a_store_gives_the_events_of_the_run() {
    let folder = folder(&[]);
    let store = at(&folder, "audit.db");
    let without_time = |text: &str| {
        let mut events = lines(text);
        for event in &mut events {
            event["metadata"].as_object_mut().unwrap().remove("logged_time").unwrap();
        }
        events
    };
    let of_run = without_time(&demo_in("ocsf", &["--store", &store, "--ocsf-version", "1.8.0"]).stdout);
    assert!(of_run.len() > 20 && of_run.iter().all(|event| event["metadata"]["version"] == "1.8.0"));
    assert!(of_run.iter().all(|event| event["cloud"]["org"]["uid"] == "o-exampleorgid"));
    for command in [&["report", "--fail-on", "never"][..], &["findings", "list"]] {
        let listed = run(&[command, &["--store", &store, "--format", "ocsf", "--ocsf-version", "1.8.0"]].concat());
        assert_eq!(without_time(&listed.stdout), of_run, "{command:?}: {}", listed.stderr);
    }
}

#[test]
fn findings_as_sarif_are_refused_and_a_file_stays_as_it_was() {
    let folder = folder(&[("findings.sarif", b"before")]);
    let file = at(&folder, "findings.sarif");
    let refused = demo_in("sarif", &["--output", &file]);
    assert!(refused.code == 2 && refused.stderr.contains("--format ocsf") && refused.stdout.is_empty(), "{}", refused.stderr);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "before");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn an_option_of_another_format_is_usage_and_nothing_is_read() {
    let missing = ["audit", "no-such-folder", "--format"];
    for (arguments, says) in [
        ([&missing[..], &["sarif"]].concat(), "--format ocsf"),
        ([&missing[..], &["json", "--ocsf-version", "1.3.0"]].concat(), "--ocsf-version"),
        ([&missing[..], &["ocsf", "--asff-account", "member"]].concat(), "--asff-account"),
        (vec!["report", "--store", "no.db", "--format", "csv", "--ocsf-version", "1.3.0"], "--ocsf-version"),
        (vec!["findings", "list", "--store", "no.db", "--format", "table", "--asff-account", "member"], "--asff-account"),
        (vec!["demo", "--format", "markdown", "--ocsf-version", "1.3.0"], "--ocsf-version"),
    ] {
        let refused = run(&arguments);
        assert!(refused.code == 2 && refused.stderr.contains(says) && refused.stdout.is_empty(), "{arguments:?}: {}", refused.stderr);
    }
}

#[test]
fn a_list_has_the_formats_of_findings_and_no_page() {
    let folder = folder(&[]);
    let (store, file) = (at(&folder, "audit.db"), at(&folder, "page.html"));
    let findings = audit_demo(&["--store", &store])["findings"].as_array().unwrap().len();
    let list = |format: &str, further: &[&str]| run(&[&["findings", "list", "--store", &store, "--format", format], further].concat());
    let rows = |text: &str| text.lines().filter(|line| line.starts_with("| ")).count();
    assert_eq!(rows(&list("markdown", &[]).stdout), findings + 1, "and the heading");
    assert_eq!(list("csv", &[]).stdout.lines().count(), findings + 1);
    assert_eq!(list("jsonl", &[]).stdout.lines().count(), findings);
    assert_eq!(list("json", &[]).json().as_array().unwrap().len(), findings);
    let imported = lines(&list("asff", &[]).stdout).iter().map(|request| request["Findings"].as_array().unwrap().len()).sum::<usize>();
    assert_eq!(imported, findings);
    for format in ["html", "svg", "sarif"] {
        let refused = list(format, &["--output", &file]);
        assert!(refused.code == 2 && refused.stderr.contains("use "), "{format}: {}", refused.stderr);
    }
    assert!(!std::path::Path::new(&file).exists(), "nothing is written of what is refused");
}

#[test]
fn nothing_found_is_an_empty_document_of_each_format() {
    let folder = folder(&[]);
    let store = at(&folder, "audit.db");
    audit_demo(&["--store", &store]);
    let none = ["--rule", "partial-guarding", "--severity", "CRITICAL", "--quiet"];
    let empty = |format: &str| run(&[&["findings", "list", "--store", &store, "--format", format], &none[..]].concat());
    for (format, is) in [("ocsf", ""), ("asff", ""), ("jsonl", ""), ("json", "[]\n")] {
        assert_eq!((empty(format).code, empty(format).stdout.as_str()), (0, is), "{format}");
    }
    assert_eq!(empty("csv").stdout.lines().count(), 1, "the headings");
    assert!(empty("markdown").stdout.contains("**Findings: 0**"), "{}", empty("markdown").stdout);
    let report = |format: &str| run(&[&["report", "--store", &store, "--fail-on", "never", "--format", format], &none[..]].concat()).stdout;
    assert!(report("markdown").contains("Nothing is said about the rest"));
    assert!(report("html").contains("Filtered: only"), "a page that lists nothing says what it is limited to");
}

#[test]
fn a_version_or_an_account_that_is_none_is_usage() {
    for (arguments, says) in [
        (["--ocsf-version", "1.1.0"], "none of 1.3.0, 1.5.0, 1.6.0, 1.8.0"),
        (["--asff-account", "11112222333"], "neither an account id of twelve digits nor `member`"),
    ] {
        let refused = demo_in("ocsf", &arguments);
        assert!(refused.code == 2 && refused.stderr.contains(says), "{}", refused.stderr);
    }
}

#[test]
fn the_account_that_imports_is_the_one_that_is_asked_for() {
    let accounts = |further: &[&str]| {
        let requests = lines(&demo_in("asff", further).stdout);
        let accounts =
            requests.iter().flat_map(|request| request["Findings"].as_array().unwrap()).map(|finding| finding["AwsAccountId"].to_string());
        accounts.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(accounts(&["--asff-account", "999988887777"]).into_iter().collect::<Vec<_>>(), ["\"999988887777\""]);
    assert!(accounts(&["--asff-account", "member"]).len() > 5);
}

/// A policy with a mistake behind an emoji, and an answer of DescribePolicy with the same policy as text.
fn policies() -> tempfile::TempDir {
    let policy = "{\n  \"bedrock\": {\"🛡️\": 1, \"guardrail_inference\": {}}\n}\n";
    let described = json!({"Policy": {"PolicySummary": {"Id": "p-1", "Type": "BEDROCK_POLICY"}, "Content": policy}});
    folder(&[
        ("policies/a b.json", policy.as_bytes()),
        ("policies/described.json", serde_json::to_string_pretty(&described).unwrap().as_bytes()),
    ])
}

fn lint_in(folder: &tempfile::TempDir, format: &str) -> Ran {
    let arguments = ["policy", "lint", "policies/a b.json", "policies/described.json", "--quiet", "--format", format];
    ran(program().args(arguments).current_dir(folder.path()))
}

#[test]
fn lints_as_sarif_have_a_file_a_line_and_a_column() {
    let linted = lint_in(&policies(), "sarif");
    assert_eq!(linted.code, 3, "{}", linted.stderr);
    let log = linted.json();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let of = |uri: &str| {
        let at = |result: &&Value| {
            result["ruleId"] == "unknown-key" && result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri
        };
        let result = results.iter().find(at).unwrap_or_else(|| panic!("{uri}: {log:#}"));
        (result["locations"][0]["physicalLocation"]["region"].clone(), result["message"]["text"].as_str().unwrap().to_owned())
    };
    assert_eq!(of("policies/a%20b.json").0, json!({"startLine": 2, "startColumn": 15}));
    // Within the text its own place; in the file that of the text.
    let (region, message) = of("policies/described.json");
    assert_eq!(region["startLine"], 7);
    assert!(message.ends_with("(line 2, column 15 of the policy in it)"), "{message}");
}

#[test]
fn lints_as_junit_have_a_case_for_each_file() {
    let folder = policies();
    assert_shown!("policy_lint_junit", lint_in(&folder, "junit").shown());
}

fn check_in(folder: &tempfile::TempDir, format: &str, further: &[&str]) -> Ran {
    let arguments = [&["exceptions", "check", "--now", NOW, "--format", format], further].concat();
    ran(program().args(arguments).current_dir(folder.path()))
}

#[test]
fn a_mistake_in_the_configuration_has_its_place_in_sarif_and_junit() {
    let text = "# 🛡 ours\n[[require]]\naccounts = [\n  \"222233334444\",\n  \"*\", # 🛡\n  \"*\", \"prod\",\n]\n";
    let folder = folder(&[("guardrail-audit.toml", text.as_bytes())]);
    let checked = check_in(&folder, "sarif", &[]);
    assert!(checked.code == 2 && checked.stderr.contains("neither a 12-digit account id"), "{}", checked.stderr);
    let log = checked.json();
    assert_eq!(log["runs"][0]["automationDetails"]["id"], "guardrail-audit/exceptions-check/");
    let [result] = log["runs"][0]["results"].as_array().unwrap().as_slice() else { panic!("{log:#}") };
    assert_eq!((&result["ruleId"], &result["level"]), (&json!("configuration-mistake"), &json!("error")));
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "guardrail-audit.toml");
    assert_eq!(place["region"], json!({"startLine": 6, "startColumn": 8}));
    let junit = check_in(&folder, "junit", &["--output", "check.xml"]);
    assert!(junit.code == 2 && junit.stdout.is_empty(), "{}", junit.shown());
    let xml = std::fs::read_to_string(folder.path().join("check.xml")).unwrap();
    assert!(xml.contains("failures=\"1\"") && xml.contains("guardrail-audit.toml:6:8: error"), "{xml}");
}

#[test]
fn exceptions_to_look_at_are_results_on_their_lines() {
    let exception = |rule: &str, until: &str| format!("[[exception]]\nrule = \"{rule}\"\nuntil = {until}\nreason = \"r\"\nowner = \"o\"\n");
    let endings = [("api-not-covered", "2026-11-01"), ("bearer-key-used", "2026-12-01"), ("partial-guarding", "2027-11-01")];
    let text: String = endings.iter().map(|(rule, until)| exception(rule, until)).collect();
    let folder = folder(&[("guardrail-audit.toml", text.as_bytes())]);
    let log = check_in(&folder, "sarif", &["--quiet"]);
    assert_eq!((log.code, log.stderr.as_str()), (0, ""));
    let of = |result: &Value| {
        let line = result["locations"][0]["physicalLocation"]["region"]["startLine"].as_u64().unwrap();
        (result["ruleId"].as_str().unwrap().to_owned(), result["level"].as_str().unwrap().to_owned(), line)
    };
    let results: Vec<_> = log.json()["runs"][0]["results"].as_array().unwrap().iter().map(of).collect();
    let expected = [("exception-ended", "warning", 1), ("exception-ends-soon", "note", 6)];
    assert_eq!(results, expected.map(|(rule, level, line)| (rule.to_owned(), level.to_owned(), line)), "one in force is no result");
    let states = check_in(&folder, "json", &[]).json();
    let states: Vec<&str> = states.as_array().unwrap().iter().map(|exception| exception["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["ended", "ends soon", "in force"]);
}

#[test]
fn the_documented_table_has_a_column_for_each_member_of_a_finding() {
    let page = std::fs::read_to_string(in_repository("docs/exports/athena.md")).unwrap();
    let table = page.split_once("CREATE EXTERNAL TABLE").unwrap().1.split_once("PARTITIONED BY").unwrap().0;
    let columns: Vec<&str> = table.lines().filter_map(|line| line.trim().strip_prefix('`')?.split('`').next()).collect();
    let finding = &audit_demo(&[])["findings"][0];
    let members: std::collections::BTreeSet<&str> = finding.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(columns.len(), members.len());
    assert_eq!(columns.into_iter().collect::<std::collections::BTreeSet<_>>(), members);
}

#[test]
fn documented_examples_are_of_the_demo() {
    let example = |page: &str| -> Value {
        let page = std::fs::read_to_string(in_repository("docs/exports").join(page)).unwrap();
        serde_json::from_str(page.split_once("```json\n").unwrap().1.split_once("```").unwrap().0).unwrap()
    };
    let holds = |events: Vec<Value>, page: &str, id: &str| {
        let example = example(page);
        let of = |event: &&Value| event.pointer(id) == example.pointer(id);
        assert_holds(events.iter().find(of).unwrap_or_else(|| panic!("{page}: no such finding")), &example, page);
    };
    holds(lines(&demo_in("ocsf", &[]).stdout), "ocsf.md", "/finding_info/uid");
    holds(lines(&demo_in("jsonl", &[]).stdout), "athena.md", "/id");
    let imported = lines(&demo_in("asff", &["--asff-account", "111122223333"]).stdout);
    let requests =
        imported.iter().flat_map(|request| request["Findings"].as_array().unwrap()).map(|finding| json!({"Findings": [finding]}));
    holds(requests.collect(), "asff.md", "/Findings/0/Id");
}
