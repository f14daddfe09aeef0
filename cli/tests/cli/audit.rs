//! `guardrail-audit audit`: what it selects, what it can't read, and how it exits.

use serde_json::{Value, json};

use super::runner::{NOW, UNENFORCED, assert_shown, at, audit_demo, call, calls, demo, folder, program, ran, run, run_with};

const IGNORED: &[u8] = br#"{"eventName":"GetObject","eventSource":"s3.amazonaws.com","eventType":"AwsApiCall"}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
    let mut compressed = vec![0; compressor.gzip_compress_bound(bytes.len())];
    let len = compressor.gzip_compress(bytes, &mut compressed).unwrap();
    compressed.truncate(len);
    compressed
}

#[test]
fn nothing_to_report_is_0() {
    let folder = folder(&[("log.json", IGNORED)]);
    assert_eq!(run(&["audit", &at(&folder, "log.json")]).code, 0);
    assert_eq!(run(&["audit", &at(&folder, ""), "--strict"]).code, 0, "complete, and nothing found");
}

#[test]
fn what_cannot_run_is_1() {
    let folder = folder(&[("log.json", IGNORED), ("store.db", b"not a database, but long enough to have been one: surely")]);
    assert_shown!("audit_missing", run(&["audit", &at(&folder, "missing")]).shown());
    for arguments in [["--world", "missing"], ["--config", "missing.toml"], ["--store", "store.db"], ["--output", "missing/report.json"]] {
        let [option, path] = arguments;
        let ran = run(&["audit", &at(&folder, "log.json"), option, &at(&folder, path)]);
        assert_eq!(ran.code, 1, "{option}: {}", ran.stderr);
        assert!(ran.stderr.contains(path), "{option}: {}", ran.stderr);
    }
}

#[test]
fn a_mistake_in_the_configuration_is_2_with_its_place() {
    let folder = folder(&[
        ("log.json", IGNORED),
        ("unknown.toml", b"[[require]]\naccounts = [\"*\"]\nregoins = [\"us-east-1\"]\n"),
        ("owner.toml", b"[[exception]]\nrule = \"api-not-covered\"\nuntil = 2027-01-31\nreason = \"for now\"\n"),
        ("rule.toml", b"# ours\n[rules.no-such-rule]\nseverity = \"LOW\"\n"),
        ("date.toml", b"[[exception]]\nrule = \"api-not-covered\"\nuntil = \"soon\"\nreason = \"r\"\nowner = \"o\"\n"),
    ]);
    let shown = ["unknown.toml", "owner.toml", "rule.toml", "date.toml"].map(|name| {
        let ran = run(&["audit", &at(&folder, "log.json"), "--config", &at(&folder, name)]);
        assert_eq!(ran.code, 2, "{name}: {}", ran.stderr);
        ran.shown()
    });
    assert_shown!("config_errors", shown.join("\n"));
}

#[test]
fn a_tab_does_not_move_the_caret() {
    let folder = folder(&[("log.json", IGNORED), ("tab.toml", b"[[require]]\n\t\tacounts = [\"*\"]\n")]);
    let ran = run(&["audit", &at(&folder, "log.json"), "--config", &at(&folder, "tab.toml")]);
    let column = |of: char| ran.stderr.lines().find_map(|line| line.split_once('|').and_then(|(_, text)| text.find(of)));
    assert!(ran.code == 2 && !ran.stderr.contains('\u{fffd}'), "{}", ran.stderr);
    assert_eq!(column('^'), ran.stderr.lines().find_map(|line| line.split_once('|').and_then(|(_, text)| text.find("acounts"))));
}

#[test]
fn a_requirement_that_names_what_is_not_there_is_a_warning() {
    let config = b"[[require]]\naccounts = [\"ou-zzzz-nothing1\", \"ou-ex01-production\", \"999999999999\"]\nregions = [\"us-east\", \"us-east-1\"]\n";
    let folder = folder(&[("r.toml", config)]);
    let (logs, world, config) = (demo("AWSLogs"), demo("world"), at(&folder, "r.toml"));
    let ran =
        run(&["audit", &logs, "--world", &world, "--config", &config, "--now", "2026-11-16", "--fail-on", "never", "--format", "csv"]);
    let warned: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("[[require]]")).collect();
    assert_eq!(warned.len(), 3, "{}", ran.stderr);
    for name in ["line 1: ", "`ou-zzzz-nothing1` is no root, OU or account", "`999999999999` is no", "`us-east` doesn't look like"] {
        assert!(warned.iter().any(|line| line.contains(name)), "{name}: {warned:?}");
    }
}

#[test]
fn what_is_only_odd_about_a_configuration_is_a_warning() {
    let folder = folder(&[
        ("log.json", IGNORED),
        (
            "odd.toml",
            b"[[exception]]\nrule = \"api-not-covered\"\nuntil = 2026-01-31\nreason = \"r\"\nowner = \"o\"\n\n\
              [[exception]]\nrule = \"bearer-key-used\"\naccounts = [\"222233334444\"]\nuntil = 2027-01-31\nreason = \"r\"\nowner = \"o\"\n",
        ),
    ]);
    let arguments = ["audit", &at(&folder, "log.json"), "--config", &at(&folder, "odd.toml"), "--now", "2026-11-16T00:00:00Z"];
    let ran = run(&arguments);
    assert_eq!(ran.code, 0);
    assert_shown!("config_warnings", ran.stderr);
    assert!(run(&[&arguments[..], &["--quiet"]].concat()).stderr.is_empty());
}

/// A folder with one call, in a world in which nothing is enforced: one finding of severity HIGH.
fn with_a_violation() -> tempfile::TempDir {
    let call = call(1).to_string();
    folder(&[&[("log.json", call.as_bytes())], UNENFORCED].concat())
}

#[test]
fn findings_are_3_from_the_severity_that_is_asked_for() {
    let folder = with_a_violation();
    let code = |further: &[&str]| {
        let (log, world) = (at(&folder, "log.json"), at(&folder, "world"));
        run(&[&["audit", &log, "--world", &world], further].concat()).code
    };
    assert_eq!(code(&[]), 3);
    assert_eq!(code(&["--fail-on", "HIGH"]), 3);
    assert_eq!(code(&["--fail-on", "LOW"]), 3);
    assert_eq!(code(&["--fail-on", "CRITICAL"]), 0);
    assert_eq!(code(&["--fail-on", "never"]), 0);
    assert_eq!(code(&["--strict"]), 3, "findings come before what is missing");
}

#[test]
fn what_is_missing_is_4_if_it_is_asked_for() {
    let call = call(1).to_string();
    let folder = folder(&[("log.json", call.as_bytes()), ("broken.json", b"{\"eventName\":")]);
    for (name, why) in [("log.json", "not provable"), ("broken.json", "unreadable")] {
        assert_eq!(run(&["audit", &at(&folder, name)]).code, 0, "{why}");
        assert_eq!(run(&["audit", &at(&folder, name), "--strict"]).code, 4, "{why}");
    }
}

#[test]
fn what_cannot_be_read_is_named_and_stops_nothing() {
    let whole = gzip(&call(1).to_string().into_bytes().repeat(50));
    let list = json!({"Records": [call(1), 5, {"x": 1}, call(2)]}).to_string();
    let lines = format!("{}\n{{\"eventName\": \"Conv\n{}\nnonsense\n", call(3), call(4));
    let digest = json!({"digestS3Object": "k", "logFiles": []}).to_string();
    let folder = folder(&[
        ("a.json", list.as_bytes()),
        ("b.jsonl", lines.as_bytes()),
        ("c.json.gz", whole.get(..whole.len() / 2).unwrap()),
        ("d.json.gz", &gzip(b"hello")),
        ("e.json", digest.as_bytes()),
        ("f.json", b""),
    ]);
    let ran = run(&["audit", &at(&folder, ""), "--format", "json"]);
    assert_eq!(ran.code, 0);
    assert_shown!("unreadable", ran.stderr);
    let report = ran.json();
    assert_eq!(calls(&report), 4);
    let named: Vec<Value> = report["unreadable"].as_array().unwrap().iter().map(|problem| problem["record"].clone()).collect();
    assert_eq!(report["records"]["unreadable"], named.len());
}

#[test]
fn standard_input_is_read() {
    let folder = folder(UNENFORCED);
    let world = at(&folder, "world");
    let lines = format!("{}\n{}\n", call(1), call(2)).into_bytes();
    for stdin in [lines.clone(), gzip(&lines), json!({"Records": [call(1), call(2)]}).to_string().into_bytes()] {
        let ran = run_with(stdin, &["audit", "-", "--world", &world, "--format", "json"]);
        assert_eq!((ran.code, ran.json()["invocations"]["violation"].as_u64()), (3, Some(2)), "{}", ran.stderr);
    }
    let broken = run_with("nonsense", &["audit", "-"]);
    assert!(broken.stderr.contains("standard input: text: no record is in it"), "{}", broken.stderr);
}

#[test]
fn every_form_of_a_record_is_read() {
    let folder = folder(UNENFORCED);
    let world = at(&folder, "world");
    let envelope = json!({"version": "0", "source": "aws.bedrock", "detail-type": "AWS API Call via CloudTrail", "detail": call(1)});
    let looked_up = json!({"Events": [{"EventName": "Converse", "CloudTrailEvent": call(1).to_string()}]});
    for form in [call(1), json!({"Records": [call(1)]}), json!([call(1)]), envelope, looked_up] {
        let compact = form.to_string();
        for text in [compact, serde_json::to_string_pretty(&form).unwrap()] {
            let ran = run_with(text.clone(), &["audit", "-", "--world", &world, "--format", "json"]);
            assert_eq!(ran.json()["invocations"]["violation"], 1, "{text}");
        }
    }
}

#[test]
fn accounts_and_regions_are_selected() {
    let one = audit_demo(&["--account", "444455556666", "--region", "eu-west-1"]);
    let rows = one["coverage"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["account"] == "444455556666" && row["region"] == "eu-west-1"));
    let findings = one["findings"].as_array().unwrap();
    assert!(
        !findings.is_empty() && findings.iter().all(|finding| finding["account"] == "444455556666" && finding["region"] == "eu-west-1")
    );
    let several = audit_demo(&["--account", "444455556666,333344445555", "--account", "222233334444"]);
    let each = ["444455556666", "333344445555", "222233334444"].map(|account| calls(&audit_demo(&["--account", account])));
    assert_eq!(calls(&several), each.iter().sum::<u64>());
}

#[test]
fn times_are_selected_from_the_first_to_before_the_last() {
    let all = calls(&audit_demo(&[]));
    let parts = [
        &["--until", "2026-11-11"][..],
        &["--since", "2026-11-11", "--until", "2026-11-14T12:00:00Z"],
        &["--since", "2026-11-14T12:00:00Z"],
    ];
    let counts = parts.map(|part| calls(&audit_demo(part)));
    assert_eq!(counts.iter().sum::<u64>(), all, "{counts:?}");
    assert!(counts.iter().all(|count| *count > 0));
    let report = audit_demo(&["--since", "2026-11-14"]);
    let (records, whole) = (&report["records"], &audit_demo(&[])["records"]);
    assert_eq!(records["read"], whole["read"], "what is not selected is ignored, not unread");
    let sum = ["judged", "ignored", "unreadable"].map(|key| records[key].as_u64().unwrap());
    assert_eq!(records["read"], sum.iter().sum::<u64>());
}

#[test]
fn the_number_of_threads_changes_nothing() {
    assert_eq!(audit_demo(&["--threads", "1"]), audit_demo(&["--threads", "7"]));
}

#[test]
fn threads_that_the_system_refuses_are_done_without() {
    let arguments = ["audit", &demo("AWSLogs"), "--world", &demo("world"), "--now", NOW, "--format", "json", "--fail-on", "never"];
    // No machine has enough memory for a stack of this size.
    let alone = ran(program().args(arguments).args(["--threads", "7"]).env("RUST_MIN_STACK", (1_u64 << 47).to_string()));
    assert_eq!(alone.code, 0, "{}", alone.stderr);
    assert_eq!(alone.json(), audit_demo(&[]));
}

#[test]
fn a_world_beside_the_logs_is_not_read_as_one() {
    let with_config = ["audit", &demo(""), "--world", &demo("world"), "--format", "json", "--quiet", "--fail-on", "never"];
    let mut records = run(&with_config).json()["records"].clone();
    assert_eq!(
        records.as_object_mut().unwrap().remove("left_out"),
        Some(json!({"text": 2})),
        "what the demo says of itself, and its configuration"
    );
    assert_eq!(records, audit_demo(&[])["records"]);
}
