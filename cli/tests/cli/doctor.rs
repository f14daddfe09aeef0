//! `guardrail-audit doctor` over files, which calls nobody.

use serde_json::{Value, json};

use super::runner::{at, call, demo, folder, run};

fn answer<'a>(report: &'a Value, id: &str) -> &'a Value {
    report["answers"].as_array().unwrap().iter().find(|answer| answer["id"] == id).unwrap()
}

#[test]
fn records_in_files_settle_what_they_show() {
    let mut evaluation = call(1);
    evaluation["eventName"] = json!("ApplyGuardrail");
    evaluation["eventCategory"] = json!("Data");
    evaluation["eventID"] = json!("00000000-0000-4000-c000-000000000001");
    evaluation["requestParameters"] = json!({"guardrailIdentifier": "ENFORCED", "guardrailVersion": "ENFORCED", "source": "INPUT"});
    evaluation["responseElements"] = json!({"action": "NONE"});
    evaluation["resources"] = json!([{"type": "AWS::Bedrock::Guardrail", "accountId": "111122223333",
        "ARN": "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh"}]);
    let log = json!({"Records": [call(1), evaluation]}).to_string();
    let logs = folder(&[("logs/a.json", log.as_bytes()), ("logs/b.json", b"{\"Records\": [")]);
    let path = at(&logs, "logs");
    let ran = run(&["doctor", &path, "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report = ran.json();
    assert_eq!(report["checks"], json!([]), "nobody was asked");
    for id in ["enforced-marker", "request-id-joins", "evaluations-without-intervention"] {
        assert_eq!(answer(&report, id)["settled"], "yes", "{id}");
    }
    assert_eq!(answer(&report, "enforced-marker")["yes_example"], "00000000-0000-4000-c000-000000000001");
    assert_eq!(answer(&report, "owner-copy")["settled"], "not_seen");
    let strict = run(&["doctor", &path, "--strict"]);
    assert_eq!(strict.code, 4, "a file is cut off: {}", strict.stderr);
    assert!(strict.stdout.contains("settled yes") && strict.stdout.contains("needs "), "{}", strict.stdout);
}

#[test]
fn no_text_of_a_record_is_shown() {
    let mut talkative = call(1);
    talkative["requestParameters"]["messages"] = json!([{"content": "a secret prompt"}]);
    talkative["requestParameters"]["guardrailConfig"] = json!({"guardrailIdentifier": "abcd1234efgh", "trace": "a secret prompt"});
    let logs = folder(&[("a.json", talkative.to_string().as_bytes())]);
    for format in ["table", "json"] {
        let ran = run(&["doctor", &at(&logs, "a.json"), "--format", format]);
        assert!(ran.code == 0 && !ran.stdout.contains("secret"), "{}", ran.stdout);
    }
}

#[test]
fn the_sample_data_is_read() {
    let ran = run(&["doctor", &demo("AWSLogs"), "--format", "json"]);
    let report = ran.json();
    assert!(report["records"]["calls"].as_u64().unwrap() > 100, "{}", ran.stderr);
    assert!(report["records"]["evaluations"].as_u64().unwrap() > 100, "{}", report["records"]);
}

#[test]
#[cfg(not(feature = "aws"))]
fn a_build_without_the_sdk_says_what_is_missing() {
    for arguments in [&["doctor"][..], &["snapshot", "--dir", "nowhere"]] {
        let ran = run(arguments);
        assert!(ran.code == 1 && ran.stderr.contains("--features aws"), "{}", ran.stderr);
    }
    assert!(!std::path::Path::new("nowhere").exists());
}
