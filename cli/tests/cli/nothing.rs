//! A run that read or selected nothing is reported as such, never as a clean audit.

use super::runner::{NOW, Ran, at, call, demo, folder, run, run_with};

/// The run makes no statement about accounts, and exits with 4 under `--strict`.
fn is_no_clean_audit(ran: &Ran, says: &[&str]) {
    assert_eq!(ran.code, 4, "{}", ran.shown());
    assert!(!ran.stdout.contains("none that the evidence shows"), "{}", ran.shown());
    for says in says {
        assert!(ran.stderr.contains(says) && ran.stdout.replace('\n', " ").contains(says), "{says}: {}", ran.shown());
    }
}

const STRICT: [&str; 5] = ["--strict", "--fail-on", "never", "--now", NOW];

#[test]
fn nothing_read_is_no_clean_audit() {
    let folder = folder(&[("blank/log.json", b" \n"), ("one/log.json", call(1).to_string().as_bytes())]);
    std::fs::create_dir(at(&folder, "empty")).unwrap();
    for path in ["empty", "blank"] {
        is_no_clean_audit(&run(&[&["audit", &at(&folder, path)], &STRICT[..]].concat()), &["nothing was read"]);
        let json = run(&["audit", &at(&folder, path), "--format", "json", "--quiet"]).json();
        assert!(json["incomplete"][0].as_str().unwrap().starts_with("nothing was read"), "{json}");
    }
    let partly = run(&[&["audit", &at(&folder, "one"), &at(&folder, "empty")], &STRICT[..]].concat());
    assert!(partly.code == 4 && partly.stderr.contains("nothing was read of a part"), "{}", partly.shown());
    assert!(run(&["doctor", &at(&folder, "empty")]).stderr.contains("nothing was read"));
    is_no_clean_audit(&run_with("", &[&["audit", "-"], &STRICT[..]].concat()), &["nothing was read"]);
    is_no_clean_audit(&run_with("no JSON at all", &[&["audit", "-"], &STRICT[..]].concat()), &["nothing was read"]);
    let store = at(&folder, "s.db");
    assert_eq!(run(&["audit", &at(&folder, "one"), "--store", &store, "--fail-on", "never"]).code, 0);
    let again = run(&[&["audit", &at(&folder, "empty"), "--store", &store], &STRICT[..]].concat());
    assert!(again.code == 4 && again.stderr.contains("nothing was read"), "what the store holds is no excuse: {}", again.shown());
    let known = run(&["audit", &at(&folder, "one"), "--store", &store, "--fail-on", "never"]);
    assert!(!known.stderr.contains("nothing was read"), "it was read before: {}", known.stderr);
}

#[test]
fn a_mistyped_filter_is_no_clean_audit() {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    let audit = |more: &[&str]| run(&[&["audit", &logs, "--world", &world], &STRICT[..], more].concat());
    for (more, says) in [
        (&["--account", "44445555666"][..], &["no account id of twelve digits", "444455556666 (support-chat)"][..]),
        (&["--account", "support-caht"], &["444455556666 (support-chat)"]),
        (&["--account", "999999999999"], &["in no record, and nowhere in the world"]),
        (&["--region", "us-eats-1"], &["is us-east-1 meant?"]),
        (&["--region", "ap-south-2"], &["nothing was read of this Region"]),
        (&["--since", "2026-11-14", "--until", "2026-11-12"], &["no time lies between them"]),
        (&["--since", "2030-01-01"], &["nothing that was read lies in the times"]),
    ] {
        is_no_clean_audit(&audit(more), says);
    }
    let partly = audit(&["--account", "444455556666,44445555666"]);
    assert!(partly.code == 4 && partly.stderr.contains("44445555666: in no record"), "{}", partly.shown());
    let json = run(&["audit", &logs, "--world", &world, "--account", "44445555666", "--format", "json", "--quiet"]).json();
    assert_eq!(json["filter"]["accounts"][0], "44445555666");
    assert!(json["incomplete"][0].as_str().unwrap().contains("444455556666 (support-chat)"), "{json}");
}

#[test]
fn an_account_may_be_named_and_a_region_written_large() {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    let audit =
        |more: &[&str]| run(&[&["audit", &logs, "--world", &world, "--now", NOW, "--fail-on", "never", "--format", "json"], more].concat());
    let by_id = audit(&["--account", "444455556666", "--region", "us-east-1"]);
    let by_name = audit(&["--account", "Support-Chat", "--region", "US-EAST-1"]);
    assert_eq!(by_name.json(), by_id.json());
    assert!(by_name.stderr.contains("`Support-Chat` is 444455556666") && by_id.stderr.is_empty(), "{}", by_name.stderr);
    assert_eq!(audit(&["--account", "4444-5555-6666", "--region", "us-east-1"]).json(), by_id.json());
}

#[test]
fn a_filtered_report_says_so_first_and_concludes_nothing_of_the_rest() {
    let folder = folder(&[]);
    let (logs, world, store) = (demo("AWSLogs"), demo("world"), at(&folder, "s.db"));
    let filtered = ["--account", "222233334444", "--region", "us-west-2", "--since", "2026-11-10"];
    let audit = run(&[&["audit", &logs, "--world", &world, "--now", NOW, "--fail-on", "never"], &filtered[..]].concat());
    let first = audit.stdout.lines().next().unwrap();
    assert!(
        first.starts_with("Filtered: only account 222233334444, Region us-west-2, calls since 2026-11-10T00:00:00Z"),
        "{}",
        audit.shown()
    );
    run(&["audit", &logs, "--world", &world, "--now", NOW, "--fail-on", "never", "--store", &store]);
    let report = |more: &[&str]| run(&[&["report", "--store", &store, "--fail-on", "never"], more].concat());
    let whole = report(&["--format", "json"]).json();
    assert!(whole.get("filter").is_none() && whole.get("incomplete").is_none());
    let of_rule = ["--severity", "CRITICAL", "--rule", "region-enabled"];
    let table = report(&of_rule);
    assert!(
        table.stdout.starts_with("Filtered: only findings of severity CRITICAL or worse, findings of rule region-enabled. Nothing is said"),
        "{}",
        table.shown()
    );
    assert!(!table.stdout.contains("none that the evidence shows"), "{}", table.shown());
    let json = report(&[&of_rule[..], &["--format", "json"]].concat()).json();
    assert_eq!(json["filter"]["left_out"], whole["findings"].as_array().unwrap().len());
    let typo = report(&["--account", "44445555666", "--strict"]);
    assert!(typo.code == 4 && typo.stderr.contains("444455556666 (support-chat)"), "{}", typo.shown());
    let csv = report(&["--rule", "region-enabled", "--format", "csv"]);
    assert!(csv.stderr.contains("filtered: only findings of rule region-enabled"), "{}", csv.shown());
    let listed = run(&["findings", "list", "--store", &store, "--account", "44445555666"]);
    assert!(listed.stderr.contains("444455556666 (support-chat)"), "{}", listed.shown());
    let framework = report(&["--framework", "owasp-llm", "--severity", "CRITICAL"]);
    assert!(framework.stdout.starts_with("Filtered: only findings of severity CRITICAL or worse"), "{}", framework.shown());
}

#[test]
fn other_commands_know_a_typo_too() {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    let effective = run(&["policy", "effective", "--world", &world, "--account", "44445555666"]);
    assert!(effective.code == 2 && effective.stderr.contains("444455556666 (support-chat)"), "{}", effective.shown());
    let named = run(&["policy", "effective", "--world", &world, "--account", "support-chat", "--format", "json"]);
    assert!(named.code == 0 && named.json().get("444455556666").is_some(), "{}", named.shown());
    let explained =
        run(&["explain", "--account", "44445555666", "--region", "us-eats-1", "--model", "amazon.nova-pro-v1:0", "--world", &world]);
    assert!(explained.stderr.contains("444455556666 (support-chat)") && explained.stderr.contains("us-east-1"), "{}", explained.shown());
    let simulated =
        run(&["simulate", &logs, "--world", &world, "--detach", "p-corpbedrock1:ou-ex01-production", "--account", "44445555666"]);
    assert!(
        simulated.stderr.contains("444455556666 (support-chat)") && !simulated.stdout.contains("Nobody gains"),
        "{}",
        simulated.shown()
    );
}
