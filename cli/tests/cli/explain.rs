//! `guardrail-audit explain`: of a finding, and of a call that need not have been made.

use super::runner::{NOW, assert_shown, at, audit_demo, call, demo, folder, run};

fn finding(rule: &str) -> String {
    let report = audit_demo(&["--config", &demo("guardrail-audit.toml")]);
    let found = report["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == rule).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_finding_from_its_input() {
    let id = finding("region-not-covered");
    let (world, config, logs) = (demo("world"), demo("guardrail-audit.toml"), demo("AWSLogs"));
    let ran = run(&["explain", &id, "--world", &world, "--config", &config, "--now", NOW, "--input", &logs]);
    assert_shown!("explain_finding", ran.shown());
}

#[test]
fn a_finding_from_a_store_is_explained_alike() {
    let id = finding("region-not-covered");
    let folder = folder(&[]);
    let (world, config, logs, store) = (demo("world"), demo("guardrail-audit.toml"), demo("AWSLogs"), at(&folder, "store.db"));
    run(&["audit", &logs, "--world", &world, "--config", &config, "--now", NOW, "--store", &store]);
    let from_store = run(&["explain", &id[..8], "--config", &config, "--now", NOW, "--store", &store]);
    let from_input = run(&["explain", &id, "--world", &world, "--config", &config, "--now", NOW, "--input", &logs]);
    assert_eq!((from_store.code, from_store.stdout), (0, from_input.stdout));
}

#[test]
fn a_finding_of_another_configuration_is_said_to_be_one() {
    let folder = folder(&[
        ("log.json", call(1).to_string().as_bytes()),
        (
            "world/effective-policies/222233334444.json",
            br#"{"EffectivePolicy": {"PolicyContent": "{\"bedrock\": {\"guardrail_inference\": {\"us-east-1\": {\"c\": {\"identifier\": \"arn:aws:bedrock:us-east-1:111122223333:guardrail/org:1\"}}}}}"}}"#,
        ),
        ("world/enforced-configurations/222233334444/us-east-1.json", br#"{"guardrailsConfig": []}"#),
        ("strict.toml", b"[[require]]\nguardrail = \"arn:aws:bedrock:us-east-1:111122223333:guardrail/other\"\n"),
    ]);
    let (log, world, store, config) = (at(&folder, "log.json"), at(&folder, "world"), at(&folder, "s.db"), at(&folder, "strict.toml"));
    run(&["audit", &log, "--world", &world, "--config", &config, "--store", &store, "--now", NOW]);
    let findings = run(&["findings", "list", "--store", &store, "--format", "json"]).json();
    let id = findings.as_array().unwrap().iter().find(|finding| finding["rule"] == "other-guardrail-used").unwrap()["id"].clone();
    let explain = |more: &[&str]| run(&[&["explain", id.as_str().unwrap(), "--store", &store, "--now", NOW], more].concat());
    assert_eq!(explain(&["--config", &config]).code, 0);
    let without = explain(&[]);
    assert!(without.code == 2 && without.stderr.contains("give the --config that the store was made with"), "{}", without.stderr);
}

#[test]
fn a_call_that_need_not_have_been_made() {
    let world = demo("world");
    let call = |account: &str, region: &str, model: &str, further: &[&str]| {
        let fixed =
            ["explain", "--account", account, "--region", region, "--model", model, "--world", &world, "--at", "2026-11-14T12:00:00Z"];
        run(&[&fixed[..], further].concat()).shown()
    };
    assert_shown!("explain_call_covered", call("222233334444", "us-east-1", "us.amazon.nova-pro-v1:0", &[]));
    assert_shown!("explain_call_not_covered", call("444455556666", "ap-southeast-2", "amazon.nova-pro-v1:0", &[]));
    assert_shown!(
        "explain_call_draft",
        call("131313131313", "us-east-1", "amazon.nova-pro-v1:0", &["--guardrail", "abcd1234efgh:DRAFT", "--api", "InvokeModel"])
    );
    assert_shown!("explain_call_unknown", call("999999999999", "us-east-1", "amazon.nova-pro-v1:0", &[]));
}

#[test]
fn what_it_cannot_look_up_is_usage() {
    let world = demo("world");
    let call = ["explain", "--account", "1", "--region", "us-east-1", "--model", "m", "--world", &world];
    for (arguments, says) in [
        (&["explain", "abc"][..], "--store"),
        (&["explain", "abc", "--input", &demo("AWSLogs")], "there is no finding `abc`"),
        (&[&call[..], &["--api", "Frobnicate"]].concat(), "no operation that runs a model"),
        (&[&call[..], &["--guardrail", "NOT AN ID"]].concat(), "no guardrail id"),
        (&["explain", "--account", "1"], "--region"),
    ] {
        let ran = run(arguments);
        assert!(ran.code == 2 && ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn an_exempt_model_is_said_to_be_exempt() {
    let guardrail = "arn:aws:bedrock:us-east-1:111122223333:guardrail/org:1";
    let policy = |models: serde_json::Value| {
        let configuration = serde_json::json!({"identifier": guardrail, "model_enforcement": models,
            "selective_content_guarding": {"system": "selective", "messages": "comprehensive"}});
        let content = serde_json::json!({"bedrock": {"guardrail_inference": {"us-east-1": {"c": configuration}}}}).to_string();
        serde_json::json!({"EffectivePolicy": {"PolicyContent": content}}).to_string()
    };
    let explained = |models: serde_json::Value, toml: &str| {
        let folder = folder(&[
            ("world/effective-policies/222233334444.json", policy(models).as_bytes()),
            ("world/enforced-configurations/222233334444/us-east-1.json", br#"{"guardrailsConfig": []}"#),
            ("guardrail-audit.toml", toml.as_bytes()),
        ]);
        let (world, config) = (at(&folder, "world"), at(&folder, "guardrail-audit.toml"));
        let call = ["explain", "--account", "222233334444", "--region", "us-east-1", "--model", "cohere.embed-english-v3", "--now", NOW];
        let shown = run(&[&call[..], &["--world", &world, "--config", &config]].concat()).stdout;
        shown.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let excluding = serde_json::json!({"included_models": ["ALL"], "excluded_models": ["cohere.embed-english-v3"]});
    let excluded = explained(excluding.clone(), "");
    assert!(excluded.contains("lists it as excluded: the policy exempts cohere.embed-english-v3, so no guardrail is needed"), "{excluded}");
    assert!(excluded.contains("Verdict: not_applicable") && !excluded.contains("Is it in scope"), "{excluded}");
    assert!(excluded.contains("over what callers tag of the system prompt (nothing without tags) and all of the messages"), "{excluded}");
    let not_included = explained(serde_json::json!({"included_models": ["amazon.nova-pro-v1:0"], "excluded_models": []}), "");
    assert!(not_included.contains("doesn't list it as included: the policy exempts cohere.embed-english-v3"), "{not_included}");
    let required = explained(excluding.clone(), "[[require]]\n");
    assert!(required.contains("a [[require]] selects the call") && required.contains("model_excluded"), "{required}");
    let by_team =
        explained(serde_json::json!({"included_models": ["ALL"]}), "[[require]]\nmodels = { exclude = [\"cohere.embed-english-v3\"] }\n");
    assert!(by_team.contains("a [[require]] excludes cohere.embed-english-v3") && by_team.contains("Verdict: not_applicable"), "{by_team}");
    let unclear =
        explained(serde_json::json!({"included_models": ["ALL"], "excluded_models": ["cohere.embed-english-v3"], "families": []}), "");
    assert!(unclear.contains("`families` is no key that we know"), "{unclear}");
    assert!(
        unclear.contains("whether that exempts cohere.embed-english-v3 is not known") && unclear.contains("Verdict: not_provable"),
        "{unclear}"
    );
}
