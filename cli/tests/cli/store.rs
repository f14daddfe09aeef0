//! `--store`, and the commands that read a store.

use serde_json::Value;
use tempfile::TempDir;

use super::runner::{NOW, Ran, UNENFORCED, assert_shown, at, audit_demo, call, demo, folder, run};

/// Audits a part of the sample data into a store.
fn audit_into(store: &str, logs: &str) -> Value {
    let (config, world) = (demo("guardrail-audit.toml"), demo("world"));
    let arguments = ["audit", logs, "--world", &world, "--config", &config, "--now", NOW, "--store", store];
    run(&[&arguments[..], &["--format", "json", "--quiet", "--fail-on", "never"]].concat()).json()
}

fn whole() -> (TempDir, String) {
    let folder = folder(&[]);
    let store = at(&folder, "store.db");
    audit_into(&store, &demo("AWSLogs"));
    (folder, store)
}

#[test]
fn a_rule_that_does_not_exist_is_usage() {
    for command in [&["report"][..], &["findings", "list"]] {
        let ran = run(&[command, &["--store", "missing.db", "--rule", "policy-detatched"]].concat());
        assert!(ran.code == 2 && ran.stderr.contains("no rule"), "{}", ran.stderr);
    }
}

#[test]
fn with_and_without_a_store_is_the_same() {
    let folder = folder(&[]);
    let stored = audit_into(&at(&folder, "store.db"), &demo("AWSLogs"));
    assert_eq!(stored, audit_demo(&["--config", &demo("guardrail-audit.toml")]));
}

#[test]
fn the_same_files_twice_change_nothing() {
    let (_folder, store) = whole();
    let (before, report) = (std::fs::read(&store).unwrap(), run(&["report", "--store", &store, "--format", "csv"]).stdout);
    let again = audit_into(&store, &demo("AWSLogs"));
    assert_eq!(again, audit_demo(&["--config", &demo("guardrail-audit.toml")]));
    assert_eq!(run(&["report", "--store", &store, "--format", "csv"]).stdout, report);
    assert_eq!(std::fs::read(&store).unwrap().len(), before.len(), "the store doesn't grow");
}

#[test]
fn runs_accumulate_to_what_one_run_finds() {
    let folder = folder(&[]);
    let store = at(&folder, "store.db");
    let logs = std::path::PathBuf::from(demo("AWSLogs"));
    let mut accounts: Vec<_> = std::fs::read_dir(logs.join("o-exampleorgid")).unwrap().map(|entry| entry.unwrap().path()).collect();
    accounts.sort_unstable_by(|a, b| b.cmp(a));
    accounts.push(logs.join("444455556666"));
    let reports: Vec<Value> = accounts.iter().map(|path| audit_into(&store, path.to_str().unwrap())).collect();
    let read = |report: &Value| report["records"]["read"].as_u64().unwrap();
    assert!(reports.windows(2).all(|pair| read(&pair[0]) < read(&pair[1])));
    let (last, once) = (reports.last().unwrap(), audit_demo(&["--config", &demo("guardrail-audit.toml")]));
    for key in ["records", "invocations", "coverage", "blind", "findings"] {
        assert_eq!(last[key], once[key], "{key}");
    }
}

#[test]
fn several_runs_at_once_leave_what_one_would() {
    let logs: Vec<(String, String)> = (0..4).map(|number| (format!("{number}.json"), call(number).to_string())).collect();
    let files: Vec<(&str, &[u8])> = logs.iter().map(|(name, log)| (name.as_str(), log.as_bytes())).collect();
    let folder = folder(&[&files[..], UNENFORCED].concat());
    let (store, world) = (at(&folder, "s.db"), at(&folder, "world"));
    std::thread::scope(|scope| {
        let audit = |name: &str| {
            let ran = run(&["audit", &at(&folder, name), "--world", &world, "--store", &store, "--now", NOW, "--fail-on", "never"]);
            assert_eq!(ran.code, 0, "{}", ran.shown());
        };
        for (name, _) in &logs {
            scope.spawn(move || audit(name));
        }
    });
    let report = run(&["report", "--store", &store, "--format", "json", "--fail-on", "never"]).json();
    assert_eq!((&report["records"]["judged"], &report["invocations"]["violation"]), (&4.into(), &4.into()), "of whichever ended last");
}

#[test]
fn a_selection_reports_a_part_and_keeps_the_whole() {
    let (_folder, store) = whole();
    let (config, world) = (demo("guardrail-audit.toml"), demo("world"));
    let fixed = ["audit", &demo("AWSLogs"), "--world", &world, "--config", &config, "--now", NOW, "--store", &store];
    let part = run(&[&fixed[..], &["--account", "444455556666", "--format", "json", "--quiet"]].concat()).json();
    assert!(part["findings"].as_array().unwrap().iter().all(|finding| finding["account"] == "444455556666"));
    let kept = run(&["findings", "list", "--store", &store, "--format", "json"]).json();
    assert_eq!(kept, audit_demo(&["--config", &config])["findings"]);
}

#[test]
fn the_report_of_a_store_is_the_report_of_its_last_run() {
    let (_folder, store) = whole();
    let mut report = run(&["report", "--store", &store, "--format", "json"]);
    let mut once = audit_demo(&["--config", &demo("guardrail-audit.toml")]);
    assert_eq!(report.code, 3);
    let mut json = report.json();
    for report in [&mut json, &mut once] {
        report["generated_at"] = Value::Null;
    }
    assert_eq!(json, once);
    report = run(&["report", "--store", &store, "--account", "222233334444", "--fail-on", "never"]);
    assert_shown!("report_of_an_account", report.shown());
    let (config, world) = (demo("guardrail-audit.toml"), demo("world"));
    let selected =
        ["audit", &demo("AWSLogs"), "--world", &world, "--config", &config, "--now", NOW, "--account", "222233334444", "--format", "json"];
    let (stored, selected) =
        (run(&["report", "--store", &store, "--account", "222233334444", "--format", "json"]).json(), run(&selected).json());
    for key in ["invocations", "coverage", "blind", "findings"] {
        assert_eq!(stored[key], selected[key], "{key}");
    }
}

#[test]
fn findings_are_listed_and_shown() {
    // A folder of its own, so that the list doesn't change with the rules that the demo's records fire.
    let logs: Vec<String> = (1..=3).map(|number| call(number).to_string()).collect();
    let folder = folder(&[&[("log.jsonl", logs.join("\n").as_bytes())], UNENFORCED].concat());
    let store = at(&folder, "store.db");
    let arguments = ["audit", &at(&folder, "log.jsonl"), "--world", &at(&folder, "world"), "--store", &store, "--quiet", "--now", NOW];
    assert_eq!(run(&arguments).code, 3);
    let list = run(&["findings", "list", "--store", &store, "--rule", "invocation-without-guardrail"]);
    assert_shown!("findings_list", list.shown());
    let id = list.stdout.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    assert_shown!("findings_show", run(&["findings", "show", id, "--store", &store]).shown());
    assert_eq!(run(&["findings", "show", id, "--store", &store, "--format", "json"]).json()["rule"], "invocation-without-guardrail");
}

#[test]
fn findings_are_filtered() {
    let (_folder, store) = whole();
    let list = |further: &[&str]| {
        let ran = run(&[&["findings", "list", "--store", &store, "--format", "json"], further].concat());
        ran.json().as_array().unwrap().clone()
    };
    let all = list(&[]);
    for (option, value, key) in [
        ("--status", "OPEN", "status"),
        ("--rule", "api-not-covered", "rule"),
        ("--account", "444455556666", "account"),
        ("--region", "eu-west-1", "region"),
    ] {
        let expected: Vec<Value> = all.iter().filter(|finding| finding[key] == value).cloned().collect();
        assert!(!expected.is_empty() && expected.len() < all.len(), "{option}");
        assert_eq!(list(&[option, value]), expected, "{option}");
    }
    let high = |finding: &Value| ["HIGH", "CRITICAL"].contains(&finding["severity"].as_str().unwrap());
    assert_eq!(list(&["--severity", "HIGH"]), all.iter().filter(|finding| high(finding)).cloned().collect::<Vec<_>>());
}

#[test]
fn a_finding_that_is_not_one_is_usage() {
    let (_folder, store) = whole();
    for (id, says) in [("zzz", "there is no finding `zzz`"), ("", "several findings start with ``")] {
        let ran = run(&["findings", "show", id, "--store", &store]);
        assert!(ran.code == 2 && ran.stderr.contains(says), "{}", ran.stderr);
    }
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let folder = folder(&[]);
    let store = at(&folder, "missing.db");
    for arguments in [&["findings", "list"][..], &["findings", "show", "x"], &["report"], &["explain", "x"]] {
        let ran = run(&[arguments, &["--store", &store]].concat());
        assert!(ran.code == 1 && ran.stderr.contains("missing.db"), "{arguments:?}: {}", ran.stderr);
    }
    assert!(!std::path::Path::new(&store).exists());
}

#[test]
fn exceptions_are_checked() {
    let (folder, store) = whole();
    let config = at(&folder, "guardrail-audit.toml");
    let more = "\n[[exception]]\nrule = \"bearer-key-used\"\naccounts = [\"999900001111\"]\nuntil = 2027-06-30\nreason = \"none yet\"\nowner = \"hr\"\n\
                \n[[exception]]\nrule = \"partial-guarding\"\nuntil = 2026-12-01\nreason = \"until the new client\"\nowner = \"support\"\n";
    let text = std::fs::read_to_string(demo("guardrail-audit.toml")).unwrap() + more;
    std::fs::write(&config, text).unwrap();
    assert_shown!("exceptions_check", run(&["exceptions", "check", "--config", &config, "--store", &store, "--now", NOW]).shown());
    assert_eq!(run(&["exceptions", "check", "--config", &at(&folder, "missing.toml")]).code, 1);
}

/// Calls of three days, the first two of which are over.
fn three_days() -> TempDir {
    let of = |day: u32| (0..4).map(move |number| call(4 * day + number).to_string().replace("2026-11-20T1", &format!("2026-11-2{day}T1")));
    let logs: Vec<String> = (0..3).flat_map(of).collect();
    folder(&[&[("log.jsonl", logs.join("\n").as_bytes())], UNENFORCED].concat())
}

fn audit_days(folder: &TempDir, log: &str, further: &[&str]) -> Ran {
    let (log, world, store) = (at(folder, log), at(folder, "world"), at(folder, "store.db"));
    let fixed =
        ["audit", &log, "--world", &world, "--store", &store, "--now", "2026-11-23T12:00:00Z", "--format", "json", "--fail-on", "never"];
    run(&[&fixed[..], further].concat())
}

fn compact(folder: &TempDir, further: &[&str]) -> Ran {
    let store = at(folder, "store.db");
    run(&[&["store", "compact", &store, "--now", "2026-11-23T12:00:00Z", "--older-than", "1"][..], further].concat())
}

#[test]
fn a_compacted_store_finds_the_same() {
    let folder = three_days();
    let before = audit_days(&folder, "log.jsonl", &[]).json();
    let would = compact(&folder, &["--dry-run"]);
    assert_eq!((would.code, would.stdout.as_str()), (0, "would drop 8 records of 2 days before 2026-11-22; nothing was changed\n"));
    let ran = compact(&folder, &[]);
    assert!(ran.code == 0 && ran.stdout.starts_with("dropped 8 records of 2 days before 2026-11-22; the store takes "), "{}", ran.shown());
    let again = compact(&folder, &[]);
    assert_eq!((again.code, again.stdout.as_str()), (0, "nothing to drop: the store has no records of days before 2026-11-22\n"));
    let after = audit_days(&folder, "log.jsonl", &[]);
    assert_eq!(after.json(), before);
    let says = "the store has sums of the days before 2026-11-22: copies, evaluations and logs of their calls are no longer joined";
    assert!(after.stderr.contains(says), "{}", after.stderr);
}

#[test]
fn what_a_compacted_store_lacks_is_said() {
    let folder = three_days();
    let before = audit_days(&folder, "log.jsonl", &[]).json();
    assert_eq!(compact(&folder, &[]).code, 0);
    let is_blind = |report: &Value| report["blind"].as_array().unwrap().iter().any(|row| row["missing"] == "compacted_days");
    let part = audit_days(&folder, "log.jsonl", &["--account", "222233334444", "--quiet"]).json();
    assert!(is_blind(&part), "the records of the account are not all there");
    let part = audit_days(&folder, "log.jsonl", &["--since", "2026-11-22", "--quiet"]).json();
    assert!(!is_blind(&part) && part["invocations"]["violation"] == 4, "those of this time are: {part}");

    std::fs::write(at(&folder, "late.jsonl"), call(99).to_string()).unwrap();
    let late = audit_days(&folder, "late.jsonl", &[]);
    assert!(late.stderr.contains("; 1 record came late and is not judged"), "{}", late.stderr);
    let late = late.json();
    assert!(is_blind(&late));
    assert_eq!((&late["findings"], &late["coverage"]), (&before["findings"], &before["coverage"]));

    let store = at(&folder, "store.db");
    std::fs::write(at(&folder, "put.json"), br#"{"guardrailIdentifier": "corp", "guardrailVersion": "1"}"#).unwrap();
    let put = format!("222233334444:us-east-1:{}", at(&folder, "put.json"));
    let simulated = run(&["simulate", "--store", &store, "--put-enforced", &put]);
    assert!(simulated.stderr.contains("calls of days before 2026-11-22 are left out"), "{}", simulated.shown());
    let finding = before["findings"][0]["id"].as_str().unwrap();
    let explained = run(&["explain", finding, "--store", &store]);
    assert!(explained.stderr.contains("calls of days before 2026-11-22 are left out"), "{}", explained.shown());
}

#[test]
fn what_cannot_be_compacted_is_left_alone() {
    let folder = folder(&[("other.db", b"no database, but a text that is long enough")]);
    for (arguments, code, says) in [
        (&["missing.db"][..], 1, "there is no such file"),
        (&["other.db"], 1, "not a store"),
        (&["other.db", "--older-than", "0"], 2, "0 is not in 1.."),
    ] {
        let path = at(&folder, arguments[0]);
        let ran = run(&[&["store", "compact", &path][..], &arguments[1..]].concat());
        assert!(ran.code == code && ran.stderr.contains(says), "{arguments:?}: {}", ran.shown());
    }
    assert!(!folder.path().join("missing.db").exists());
}
