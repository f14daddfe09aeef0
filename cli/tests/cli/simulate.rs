//! `guardrail-audit simulate`, and reports by framework.

use serde_json::json;

use super::runner::{NOW, demo, run};

const CORPORATE: &str = "arn:aws:bedrock:us-east-1:111122223333:guardrail/corpguard001";

fn policy(identifier: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let document = json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifier": {"@@assign": identifier}}}}}});
    std::fs::write(file.path(), document.to_string()).unwrap();
    file
}

fn simulate(more: &[&str]) -> serde_json::Value {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    let mut arguments = vec!["simulate", &logs, "--world", &world, "--now", NOW, "--quiet", "--format", "json"];
    arguments.extend(more);
    run(&arguments).json()
}

#[test]
fn an_attached_policy_gives_cover_to_whom_it_reaches() {
    let policy = policy(&format!("{CORPORATE}:3"));
    let simulation = simulate(&["--policy", policy.path().to_str().unwrap(), "--attach", "131313131313"]);
    assert_eq!(simulation["summary"]["gains_cover"], json!({"calls": 21, "accounts": 1}));
    assert_eq!(simulation["summary"]["loses_cover"]["calls"], 0);
    let row = simulation["rows"].as_array().unwrap().iter().find(|row| row["effect"] == "gains_cover").unwrap();
    assert_eq!((&row["account"], &row["after"]["verdict"]), (&json!("131313131313"), &json!("compliant")));
    assert!(row["why"].as_str().unwrap().contains("shared"), "nobody read the guardrail's resource policy");
}

#[test]
fn a_draft_fails_the_calls_of_those_whom_it_reaches() {
    let policy = policy(&format!("{CORPORATE}:DRAFT"));
    let simulation = simulate(&["--policy", policy.path().to_str().unwrap(), "--attach", "131313131313"]);
    assert_eq!(simulation["summary"]["starts_to_fail"], json!({"calls": 21, "accounts": 1}));
}

#[test]
fn a_detached_policy_takes_cover_from_those_below() {
    let simulation = simulate(&["--detach", "p-corpbedrock1:ou-ex01-sandboxes1"]);
    let losing: Vec<&str> = simulation["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["effect"] == "loses_cover")
        .map(|row| row["account"].as_str().unwrap())
        .collect();
    assert!(
        losing.contains(&"999900001111") && losing.iter().all(|account| ["999900001111", "101010101010"].contains(account)),
        "{losing:?}"
    );
}

#[test]
fn a_moved_account_has_the_policy_of_its_new_place() {
    let simulation = simulate(&["--move-account", "131313131313:ou-ex01-sandboxes1"]);
    assert_eq!(simulation["summary"]["gains_cover"]["accounts"], 1);
}

#[test]
fn an_enforced_configuration_covers_its_account_and_region() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!({"guardrailIdentifier": "own1", "guardrailVersion": "1"}).to_string()).unwrap();
    let put = format!("131313131313:us-east-1:{}", file.path().display());
    assert_eq!(simulate(&["--put-enforced", &put])["summary"]["gains_cover"], json!({"calls": 21, "accounts": 1}));
}

#[test]
fn the_same_organization_changes_nothing() {
    let simulation = simulate(&["--attach", "p-corpbedrock1:ou-ex01-production"]);
    let unchanged = simulation["summary"]["unchanged"]["calls"].as_u64().unwrap();
    let all: u64 = simulation["rows"].as_array().unwrap().iter().map(|row| row["calls"].as_u64().unwrap()).sum();
    assert_eq!(unchanged, all);
}

#[test]
fn what_to_suppose_must_be_said() {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    for arguments in [&["--attach", "131313131313"][..], &["--detach", "p-1"], &[]] {
        let ran = run(&[&["simulate", &logs, "--world", &world], arguments].concat());
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn findings_are_reported_by_the_entries_of_a_framework() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.db").display().to_string();
    let (logs, world, config) = (demo("AWSLogs"), demo("world"), demo("guardrail-audit.toml"));
    run(&["audit", &logs, "--world", &world, "--config", &config, "--store", &store, "--now", NOW, "--quiet"]);
    let report = run(&["report", "--store", &store, "--framework", "mitre-attack", "--format", "json"]).json();
    let entry = |id: &str| report["entries"].as_array().unwrap().iter().find(|entry| entry["id"] == id).unwrap().clone();
    let rules: Vec<_> = entry("T1562.008")["findings"].as_array().unwrap().iter().map(|finding| finding["rule"].clone()).collect();
    assert!(rules.contains(&json!("invocation-logging-disabled")), "{rules:?}");
    let table = run(&["report", "--store", &store, "--framework", "owasp-llm"]).stdout;
    assert!(table.starts_with("OWASP Top 10 for LLM Applications 2025") && table.contains("LLM01 Prompt Injection"), "{table}");
    assert_eq!(run(&["report", "--store", &store, "--framework", "nonsense"]).code, 2);
}

#[test]
fn a_finding_about_a_change_is_explained() {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    let findings = run(&["audit", &logs, "--world", &world, "--now", NOW, "--quiet", "--format", "json"]).json();
    let weakened = findings["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == "guardrail-weakened").unwrap().clone();
    let ran = run(&["explain", weakened["id"].as_str().unwrap(), "--input", &logs, "--world", &world, "--now", NOW]);
    assert!(ran.stdout.contains("PROMPT_ATTACK") && ran.stdout.contains("HIGH before, LOW after"), "{}", ran.stdout);
}
