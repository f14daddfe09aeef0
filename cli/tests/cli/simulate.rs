//! `guardrail-audit simulate`, and reports by framework.

use serde_json::json;

use super::runner::{NOW, Ran, at, call, demo, folder, run};

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
    assert_eq!(simulation["summary"]["not_known"], json!({"calls": 21, "accounts": 1}), "nobody read the guardrail's resource policy");
    assert_eq!(simulation["summary"]["loses_cover"]["calls"], 0);
    let row = simulation["rows"].as_array().unwrap().iter().find(|row| row["effect"] == "not_known").unwrap();
    assert_eq!((&row["account"], &row["after"]["verdict"]), (&json!("131313131313"), &json!("compliant")));
    assert!(row["why"].as_str().unwrap().contains("is shared with the account is not known"), "{row}");
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
    assert_eq!(simulation["summary"]["not_known"]["accounts"], 1);
    let row = simulation["rows"].as_array().unwrap().iter().find(|row| row["effect"] == "not_known").unwrap();
    assert_eq!((&row["before"]["verdict"], &row["after"]["verdict"]), (&json!("violation"), &json!("compliant")));
}

#[test]
fn an_enforced_configuration_covers_its_account_and_region() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!({"guardrailIdentifier": "own1", "guardrailVersion": "1"}).to_string()).unwrap();
    let put = format!("131313131313:us-east-1:{}", file.path().display());
    let simulation = simulate(&["--put-enforced", &put]);
    assert_eq!(simulation["summary"]["not_known"], json!({"calls": 21, "accounts": 1}), "nobody read the guardrail");
    let row = simulation["rows"].as_array().unwrap().iter().find(|row| row["effect"] == "not_known").unwrap();
    assert_eq!(row["after"]["verdict"], "compliant");
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
fn what_is_not_there_can_not_be_changed() {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    let policy = policy(&format!("{CORPORATE}:3"));
    let policy = policy.path().to_str().unwrap();
    let folder = folder(&[
        ("list.json", b"[1, 2]"),
        ("tag.json", br#"{"Policy": {"PolicySummary": {"Type": "TAG_POLICY"}, "Content": "{\"tags\": {}}"}}"#),
        ("draft.json", br#"{"guardrailIdentifier": "own1", "guardrailVersion": "DRAFT"}"#),
        ("put.json", br#"{"guardrailIdentifier": "own1", "guardrailVersion": "1"}"#),
        ("s.db", b""),
    ]);
    let file = |name: &str| at(&folder, name);
    let (list, tag, store) = (file("list.json"), file("tag.json"), file("s.db"));
    let draft = format!("131313131313:us-east-1:{}", file("draft.json"));
    let (nobody, nowhere) = (format!("999999999999:us-east-1:{}", file("put.json")), format!("131313131313:us-east:{}", file("put.json")));
    for (arguments, problem) in [
        (vec!["--policy", policy, "--attach", "ou-typo"], "`ou-typo` is no root, OU or account"),
        (vec!["--policy", policy, "--attach", "999999999999"], "no root, OU or account"),
        (vec!["--attach", "p-typo:ou-ex01-production"], "`p-typo` isn't in the world"),
        (vec!["--detach", "p-typo:ou-ex01-production"], "not attached"),
        (vec!["--detach", "p-corpbedrock1:131313131313"], "not attached"),
        (vec!["--move-account", "999999999999:ou-ex01-sandboxes1"], "999999999999"),
        (vec!["--move-account", "131313131313:ou-typo"], "`ou-typo` is no root or OU"),
        (vec!["--put-enforced", &nobody], "neither in the organization nor in the logs"),
        (vec!["--put-enforced", &nowhere], "`us-east` doesn't look like"),
        (vec!["--put-enforced", &draft], "only a numbered version"),
        (vec!["--policy", &list, "--attach", "ou-ex01-production"], "not a Bedrock policy"),
        (vec!["--policy", &tag, "--attach", "ou-ex01-production"], "TAG_POLICY"),
        (vec!["--store", &store, "--detach", "p-corpbedrock1:ou-ex01-sandboxes1"], "cannot be used with"),
    ] {
        let ran = run(&[&["simulate", &logs, "--world", &world, "--now", NOW][..], &arguments].concat());
        assert!(ran.code == 2 && ran.stderr.contains(problem) && ran.stdout.is_empty(), "{arguments:?}: {}", ran.shown());
    }
    let twice = simulate(&["--policy", policy, "--attach", "131313131313", "--detach", "p-supposed:131313131313"]);
    let changed = ["gains_cover", "not_known", "weaker"].map(|effect| twice["summary"][effect]["calls"].clone());
    assert_eq!(changed, [json!(0), json!(0), json!(0)], "what was supposed before counts");
}

/// A folder with calls of an account that no policy covers, in the world of an organization.
fn small_world(guardrail: &serde_json::Value) -> tempfile::TempDir {
    let organization = json!({"Organization": {"Id": "o-1", "MasterAccountId": "111122223333"},
        "Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}], "OrganizationalUnits": [],
        "Accounts": [{"Id": "222233334444", "Name": "shop", "State": "ACTIVE", "ParentId": "r-ab12"}], "Attachments": []});
    let shared = json!({"resourcePolicy": json!({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "bedrock:ApplyGuardrail"}]}).to_string()});
    folder(&[
        ("log.json", call(1).to_string().as_bytes()),
        ("world/organization.json", organization.to_string().as_bytes()),
        ("world/enforced-configurations/222233334444/us-east-1.json", br#"{"guardrailsConfig": []}"#),
        ("world/resource-policies/111122223333/us-east-1/corp.json", shared.to_string().as_bytes()),
        ("world/guardrails/111122223333/us-east-1/corp/1.json", guardrail.to_string().as_bytes()),
    ])
}

/// Simulates changes for the call of [`small_world`].
fn run_in(folder: &tempfile::TempDir, changes: &[&str]) -> Ran {
    let (log, world) = (at(folder, "log.json"), at(folder, "world"));
    run(&[&["simulate", &log, "--world", &world, "--now", NOW, "--quiet", "--format", "json"], changes].concat())
}

#[test]
fn a_guardrail_that_can_not_be_applied_fails_calls_and_one_that_nobody_read_may() {
    let guardrail = |status: &str| json!({"guardrailId": "corp", "version": "1", "status": status});
    for (status, identifier, effect, why) in [
        ("READY", "111122223333:guardrail/corp:1", "gains_cover", None),
        ("FAILED", "111122223333:guardrail/corp:1", "starts_to_fail", Some("is FAILED")),
        ("UPDATING", "111122223333:guardrail/corp:1", "not_known", Some("is UPDATING")),
        ("READY", "111122223333:guardrail/corp:2", "not_known", Some("nobody read it")),
        ("READY", "222233334444:guardrail/corp:1", "starts_to_fail", Some("management account 111122223333")),
        (
            "READY",
            "111122223333:guardrail/corp",
            "starts_to_fail",
            Some("the policy's identifier is not a guardrail ARN with a version: arn"),
        ),
    ] {
        let folder = small_world(&guardrail(status));
        let policy = policy(&format!("arn:aws:bedrock:us-east-1:{identifier}"));
        let ran = run_in(&folder, &["--policy", policy.path().to_str().unwrap(), "--attach", "r-ab12", "--assume-permissions"]);
        let row = &ran.json()["rows"][0];
        assert_eq!(row["effect"], effect, "{status} {identifier}: {row}");
        match why {
            None => assert!(row["why"].is_null(), "{row}"),
            Some(why) => assert!(row["why"].as_str().unwrap().contains(why), "{row}"),
        }
    }
}

#[test]
fn what_was_exempt_gains_cover_and_what_becomes_exempt_loses_it() {
    let folder = small_world(&json!({"guardrailId": "corp", "version": "1", "status": "READY"}));
    let write = |name: &str, excluded: &[&str]| {
        let document = json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {
            "identifier": {"@@assign": "arn:aws:bedrock:us-east-1:111122223333:guardrail/corp:1"},
            "model_enforcement": {"included_models": {"@@assign": ["ALL"]}, "excluded_models": {"@@assign": excluded}}}}}}});
        std::fs::write(at(&folder, name), document.to_string()).unwrap();
        document.to_string()
    };
    let organization = std::fs::read_to_string(at(&folder, "world/organization.json")).unwrap();
    let attached = organization.replace(r#""Attachments":[]"#, r#""Attachments":[{"PolicyId":"p-1","TargetId":"r-ab12"}]"#);
    std::fs::write(at(&folder, "world/organization.json"), attached).unwrap();
    std::fs::create_dir(at(&folder, "world/policies")).unwrap();
    let (all, some) = (write("all.json", &[]), write("some.json", &["amazon.nova-pro-v1:0"]));
    for (now, becomes, effect) in
        [(&some, "all.json", "gains_cover"), (&all, "some.json", "loses_cover"), (&some, "some.json", "unchanged")]
    {
        let described = json!({"Policy": {"PolicySummary": {"Id": "p-1", "Type": "BEDROCK_POLICY"}, "Content": now}});
        std::fs::write(at(&folder, "world/policies/p-1.json"), described.to_string()).unwrap();
        let ran = run_in(&folder, &["--policy", &at(&folder, becomes), "--detach", "p-1:r-ab12", "--attach", "r-ab12"]);
        assert_eq!(ran.json()["rows"][0]["effect"], effect, "{}", ran.shown());
    }
}

#[test]
fn who_may_apply_a_guardrail_of_another_account_is_not_known() {
    let folder = small_world(&json!({"guardrailId": "corp", "version": "1", "status": "READY"}));
    let policy = policy("arn:aws:bedrock:us-east-1:111122223333:guardrail/corp:1");
    let attach = ["--policy", policy.path().to_str().unwrap(), "--attach", "r-ab12"];
    let row = run_in(&folder, &attach).json()["rows"][0].clone();
    assert!(row["effect"] == "not_known" && row["why"].as_str().unwrap().contains("bedrock:ApplyGuardrail"), "{row}");
    let with_profile = json!({"guardrailId": "corp", "version": "1", "status": "READY", "crossRegionDetails": {"guardrailProfileId": "us.guardrail.v1:0"}});
    let row = run_in(&small_world(&with_profile), &attach).json()["rows"][0].clone();
    assert!(row["not_known"].to_string().contains("us.guardrail.v1:0"), "{row}");
    let own = small_world(&json!({"guardrailId": "corp", "version": "1", "status": "READY"}));
    let own_guardrail = "world/guardrails/222233334444/us-east-1/corp/1.json";
    std::fs::create_dir_all(std::path::Path::new(&at(&own, own_guardrail)).parent().unwrap()).unwrap();
    std::fs::write(at(&own, own_guardrail), json!({"guardrailId": "corp", "version": "1", "status": "READY"}).to_string()).unwrap();
    std::fs::write(at(&own, "put.json"), br#"{"guardrailIdentifier": "corp", "guardrailVersion": "1"}"#).unwrap();
    let ran = run_in(&own, &["--put-enforced", &format!("222233334444:us-east-1:{}", at(&own, "put.json"))]);
    assert_eq!(ran.json()["rows"][0]["effect"], "gains_cover", "its own account's: {}", ran.shown());
}

/// A version of a guardrail that blocks hate and a word, unless `more` replaces them.
fn version(number: &str, hate: &str, more: &serde_json::Value) -> serde_json::Value {
    let mut version = json!({"guardrailId": "corp", "version": number, "status": "READY",
        "contentPolicy": {"filters": [{"type": "HATE", "inputStrength": hate, "outputStrength": "HIGH"}]},
        "wordPolicy": {"words": [{"text": "bluebird"}]}});
    version.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    version
}

fn corporate(version: &str) -> String {
    format!("arn:aws:bedrock:us-east-1:111122223333:guardrail/corp:{version}")
}

/// A policy document, from the content of each Region's configuration.
fn document(regions: &serde_json::Value) -> serde_json::Value {
    let regions = regions.as_object().unwrap().iter().map(|(region, config)| (region.clone(), json!({"config_1": config})));
    json!({"bedrock": {"guardrail_inference": regions.collect::<serde_json::Map<_, _>>()}})
}

/// Simulates replacing the account's policy, in a world in which the root's policy covers the call and the guardrail has several versions.
fn replacing(replacement: &serde_json::Value, more: &[&str]) -> Ran {
    let folder = small_world(&version("1", "HIGH", &json!({})));
    let write = |name: &str, json: &serde_json::Value| {
        let path = at(&folder, name);
        std::fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
        std::fs::write(path, json.to_string()).unwrap();
    };
    let organization = std::fs::read_to_string(at(&folder, "world/organization.json")).unwrap();
    let attached = organization.replace(r#""Attachments":[]"#, r#""Attachments":[{"PolicyId":"p-1","TargetId":"r-ab12"}]"#);
    std::fs::write(at(&folder, "world/organization.json"), attached).unwrap();
    let identifier = |version: &str| json!({"identifier": {"@@assign": corporate(version)}});
    let now = document(
        &json!({"us-east-1": identifier("1"), "eu-west-1": {"identifier": {"@@assign": corporate("1").replace("us-east-1", "eu-west-1")}}}),
    );
    write(
        "world/policies/p-1.json",
        &json!({"Policy": {"PolicySummary": {"Id": "p-1", "Type": "BEDROCK_POLICY"}, "Content": now.to_string()}}),
    );
    for (number, guardrail) in [
        ("2", version("2", "LOW", &json!({"wordPolicy": null}))),
        ("3", version("3", "HIGH", &json!({"codePolicy": {"mode": "ENFORCE"}}))),
        ("4", version("4", "HIGH", &json!({"wordPolicy": {"words": [{"text": "bluebird"}, {"text": "robin"}]}}))),
        ("5", version("5", "HIGH", &json!({"automatedReasoningPolicy": {"policies": ["arn:x"]}}))),
    ] {
        write(&format!("world/guardrails/111122223333/us-east-1/corp/{number}.json"), &guardrail);
    }
    write("new.json", replacement);
    let (log, world, new, out) = (at(&folder, "log.json"), at(&folder, "world"), at(&folder, "new.json"), at(&folder, "out"));
    let more: Vec<&str> = more.iter().map(|argument| if *argument == "OUT" { out.as_str() } else { argument }).collect();
    let mut ran = run(&[&["simulate", &log, "--world", &world, "--now", NOW, "--quiet", "--policy", &new], &more[..]].concat());
    if let Ok(written) = std::fs::read_to_string(&out) {
        assert!(ran.stdout.is_empty(), "{}", ran.shown());
        ran.stdout = written;
    }
    ran
}

#[test]
fn each_effect_of_a_replaced_policy_is_reported() {
    let with = |version: &str, more: serde_json::Value| {
        let mut config = json!({"identifier": {"@@assign": corporate(version)}});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        document(&json!({"us-east-1": config}))
    };
    let none = || json!({});
    let other = json!({"identifier": {"@@assign": "arn:aws:bedrock:us-east-1:111122223333:guardrail/other:1"}});
    let foreign = json!({"identifier": {"@@assign": "arn:aws:bedrock:us-east-1:222233334444:guardrail/corp:1"}});
    let elsewhere = json!({"identifier": {"@@assign": corporate("1").replace("us-east-1", "eu-west-1")}});
    let excluding =
        json!({"model_enforcement": {"included_models": {"@@assign": ["ALL"]}, "excluded_models": {"@@assign": ["amazon.nova-pro-v1:0"]}}});
    for (policy, effect, code, says) in [
        (with("2", none()), "weaker", 3, "content filter HATE on TEXT (input) from HIGH to LOW"),
        (with("1", json!({"input_tags": {"@@assign": "honor"}})), "weaker", 3, "selective_content_guarding"),
        (
            with("1", json!({"selective_content_guarding": {"messages": {"@@assign": "selective"}}})),
            "weaker",
            3,
            "selective_content_guarding",
        ),
        (with("3", none()), "not_known", 0, "codePolicy"),
        (with("4", none()), "unchanged", 0, ""),
        (with("5", none()), "starts_to_fail", 3, "automated-reasoning policy"),
        (with("9", none()), "not_known", 0, "nobody read it"),
        (with("1", none()), "unchanged", 0, ""),
        (with("1", excluding), "loses_cover", 3, "identifier"),
        (document(&json!({"us-east-1": other})), "not_known", 0, "is weaker is not known"),
        (document(&json!({"us-east-1": foreign})), "starts_to_fail", 3, "management account"),
        (document(&json!({"us-east-1": elsewhere})), "starts_to_fail", 3, "another Region"),
        (document(&json!({"eu-west-1": elsewhere})), "unchanged", 0, ""),
    ] {
        let ran = replacing(&policy, &["--attach", "222233334444", "--format", "json"]);
        let row = ran.json()["rows"][0].clone();
        assert_eq!((&row["effect"], ran.code), (&json!(effect), code), "{policy}: {row}");
        assert!(says.is_empty() || row["why"].as_str().unwrap().contains(says), "{policy}: {row}");
    }
    let shrunk =
        replacing(&document(&json!({"eu-west-1": elsewhere})), &["--detach", "p-1:r-ab12", "--attach", "r-ab12", "--format", "json"]);
    assert_eq!((&shrunk.json()["rows"][0]["effect"], shrunk.code), (&json!("loses_cover"), 3), "its Region is gone");
    let quiet = replacing(&with("1", none()), &["--detach", "p-1:r-ab12", "--attach", "r-ab12", "--format", "json"]).json();
    assert_eq!(quiet["rows"][0]["effect"], "unchanged");
    let regions: Vec<&str> = quiet["elsewhere"].as_array().unwrap().iter().map(|place| place["region"].as_str().unwrap()).collect();
    assert_eq!(regions, ["eu-west-1"], "a Region without calls lost its guardrail");
}

#[test]
fn a_simulation_is_told_in_its_first_line_and_fails_a_run() {
    let mut weaker = document(&json!({"us-east-1": {"identifier": {"@@assign": corporate("2")}}}));
    let shown = |more: &[&str]| replacing(&weaker, &[&["--attach", "222233334444"], more].concat());
    let table = shown(&[]);
    assert_eq!(table.code, 3);
    let first = "After the change, of 1 call like those that were made: gains cover 0, loses cover 0, weaker 1, starts to fail 0, not known 0, unchanged 0";
    assert_eq!(table.stdout.lines().next(), Some(first), "{}", table.shown());
    let word = "word sha256:";
    assert!(
        table.stdout.contains("from HIGH to LOW") && table.stdout.contains(word) && !table.stdout.contains("bluebird"),
        "{}",
        table.shown()
    );
    assert_eq!(table.stdout.matches("from HIGH to LOW").count(), 1, "a note is printed once: {}", table.shown());
    for (more, code) in [(["--fail-on", "never"], 0), (["--fail-on", "critical"], 0), (["--fail-on", "medium"], 3)] {
        assert_eq!(shown(&more).code, code, "{more:?}");
    }
    let csv = shown(&["--format", "csv", "--output", "OUT"]);
    let lines: Vec<&str> = csv.stdout.lines().collect();
    assert!(
        matches!(&lines[..], [heading, row] if heading.starts_with("effect,account,region") && row.starts_with("weaker,222233334444,us-east-1")),
        "{}",
        csv.shown()
    );
    let json = shown(&["--format", "json", "-o", "OUT"]).json();
    assert_eq!((&json["summary"]["weaker"]["calls"], &json["by_account"][0]["weaker"]), (&json!(1), &json!(1)), "{json}");
    weaker = document(&json!({"us-east-1": {"identifier": {"@@assign": corporate("9")}}}));
    let strict = replacing(&weaker, &["--attach", "222233334444", "--strict"]);
    assert_eq!(strict.code, 4, "what isn't known is missing evidence: {}", strict.shown());
    let unchanged =
        replacing(&document(&json!({"us-east-1": {"identifier": {"@@assign": corporate("1")}}})), &["--attach", "222233334444"]);
    assert!(unchanged.code == 0 && !unchanged.stdout.contains("amazon.nova"), "what doesn't change is only counted: {}", unchanged.shown());
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
