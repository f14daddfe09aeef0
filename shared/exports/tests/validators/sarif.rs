//! SARIF and JUnit: lints of policies that are wrong in many ways.

use std::{collections::BTreeMap, process::Command};

use audit_core::{
    policy::lint::{Level, Lint, lint},
    report::Tool,
};
use audit_exports::{
    junit,
    lints::{Check, LintedFile, PlacedLint, Position},
    sarif::{self, MOST_RESULTS},
};
use end_to_end::tools::{SARIF, output_of};
use serde_json::{Value, json};

use super::{Fault, planted, python};

fn tool() -> Tool {
    Tool { name: "guardrail-audit".to_owned(), version: "0.1.0".to_owned() }
}

/// Places each lint on the line where the last member of its pointer stands, if it stands on one line only.
fn linted(uri: &str, text: &str) -> LintedFile {
    let placed = lint(text, None).unwrap().into_iter().map(|lint| {
        let member = format!("\"{}\"", lint.pointer.rsplit('/').next().unwrap());
        let position = text.find(&member).and_then(|at| Position::of(text, at));
        PlacedLint { position, pointer: lint.pointer.clone(), within: None, lint }
    });
    LintedFile { uri: uri.to_owned(), lints: placed.collect() }
}

fn wrong() -> String {
    let policy = json!({"bedrock": {"guardrail_inference": {
        "us-east-1": {"config_1": {"identifier": {"@@assign": "arn:aws:bedrock:eu-west-1:111122223333:guardrail/abcd1234efgh:DRAFT"},
            "model_enforcment": {"included_models": {"@@assign": ["ALL"]}}}},
        "eu-moon-9": {"config_1": {"identifier": "x"}},
    }}});
    serde_json::to_string_pretty(&policy).unwrap()
}

fn log(files: &[LintedFile]) -> Value {
    serde_json::to_value(sarif::log(Check::Policies, files, &tool()).0).unwrap()
}

fn run(log: &mut Value) -> &mut Value {
    &mut log["runs"][0]
}

/// Faults against the schema.
const SCHEMA: &[Fault] = &[
    ("a level that doesn't exist", |log| run(log)["results"][0]["level"] = "fatal".into()),
    ("no version", |log| drop(log.as_object_mut().unwrap().remove("version"))),
    ("no tool", |log| drop(run(log).as_object_mut().unwrap().remove("tool"))),
    ("no message", |log| drop(run(log)["results"][0].as_object_mut().unwrap().remove("message"))),
    ("a line 0", |log| run(log)["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0.into()),
    ("a name that doesn't exist", |log| run(log)["results"][0]["severity"] = "high".into()),
];

/// Faults that only the program knows: what refers to what, and what GitHub requires.
const PROGRAM: &[Fault] = &[
    ("no location", |log| run(log)["results"][0]["locations"] = json!([])),
    ("a rule that isn't there", |log| run(log)["results"][0]["ruleIndex"] = 99.into()),
    ("an empty message", |log| run(log)["results"][0]["message"]["text"] = "".into()),
    ("no URI", |log| run(log)["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] = "C:\\x y".into()),
];

/// What the program prints about logs, by the number of the log. It exits with 0 whatever it finds.
fn program(logs: &[Value]) -> BTreeMap<usize, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<_> = logs.iter().enumerate().map(|(number, _)| folder.path().join(format!("log{number}.sarif"))).collect();
    for (name, log) in names.iter().zip(logs) {
        std::fs::write(name, log.to_string()).unwrap();
    }
    let binary = SARIF.folder().join("node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool");
    // Installed without scripts, it isn't executable yet.
    #[cfg(unix)]
    std::fs::set_permissions(&binary, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = Command::new(&binary).arg("validate").args(&names).args(["--rule-kind", "Sarif;Ghas"]).output().unwrap();
    let printed = output_of(&output);
    assert!(output.status.success() && printed.contains(&format!("{} files scanned", logs.len())), "{printed}");
    let number = |line: &str| line.rsplit_once("log")?.1.split_once(".sarif")?.0.parse::<usize>().ok();
    let mut by_log: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for line in printed.lines().filter(|line| line.contains(": error ") || line.contains(": warning ")) {
        let file = line.split(".sarif(").next().unwrap_or_default();
        by_log.entry(number(&format!("{file}.sarif")).unwrap()).or_default().push(line.to_owned());
    }
    by_log
}

#[test]
fn logs_are_valid_to_both_validators_and_every_fault_is_noticed() {
    let sound = log(&[linted("policies/wrong.json", &wrong()), linted("policies/other file.json".replace(' ', "%20").as_str(), "{}")]);
    let results = sound["runs"][0]["results"].as_array().unwrap();
    assert!(results.len() > 4, "{sound}");
    assert_eq!(results[0]["level"], "error", "the worst first");
    let xml = |tests: usize, failures: usize| {
        let files = [linted("wrong.json", &wrong()), LintedFile { uri: "sound.json".to_owned(), lints: Vec::new() }];
        let mut out = Vec::new();
        junit::suite(&mut out, Check::Policies, &files).unwrap();
        json!({"xml": String::from_utf8(out).unwrap(), "tests": tests, "failures": failures})
    };
    let printed = python::validate(&BTreeMap::from([
        ("sarif".to_owned(), vec![sound.clone()]),
        ("sarif-faults".to_owned(), planted(&sound, SCHEMA)),
        ("junit".to_owned(), vec![xml(2, 1)]),
        ("junit-faults".to_owned(), vec![xml(3, 1), xml(2, 0), json!({"xml": "<testsuites>", "tests": 0, "failures": 0})]),
    ]));
    printed["sarif"].assert_sound("sarif");
    printed["sarif-faults"].assert_each_is_refused("sarif", SCHEMA);
    printed["junit"].assert_sound("junit");
    assert_eq!(printed["junit-faults"].problems.len(), 3);
    let mut logs = vec![sound.clone()];
    logs.extend(planted(&sound, PROGRAM));
    let printed = program(&logs);
    assert_eq!(printed.get(&0), None);
    for (number, (fault, _)) in PROGRAM.iter().enumerate() {
        assert!(printed.contains_key(&(number + 1)), "nothing is said about `{fault}`: {printed:#?}");
    }
}

#[test]
fn fingerprints_stay_when_lines_are_inserted_and_lines_move() {
    let fingerprints = |text: &str| {
        let log = log(&[linted("policy.json", text)]);
        let of = |result: &Value| {
            (result["partialFingerprints"].to_string(), result["locations"][0]["physicalLocation"]["region"]["startLine"].as_u64())
        };
        log["runs"][0]["results"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let (before, after) = (fingerprints(&wrong()), fingerprints(&wrong().replacen('{', "{\n\n\n", 1)));
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.0, after.0);
    }
    assert!(before.iter().zip(&after).any(|(before, after)| before.1 != after.1), "nothing moved: {before:?}");
    let unique: std::collections::BTreeSet<&String> = before.iter().map(|(fingerprint, _)| fingerprint).collect();
    assert_eq!(unique.len(), before.len(), "each has its own");
}

#[test]
fn columns_behind_an_emoji_are_those_of_editors() {
    let text = "{\"🛡️\": 1, \"unknown\": {}}";
    let at = text.find("\"unknown\"").unwrap();
    let lint = Lint { level: Level::Error, kind: "unknown-key", pointer: "/unknown".to_owned(), message: "x".to_owned() };
    let placed = PlacedLint { position: Position::of(text, at), pointer: lint.pointer.clone(), within: None, lint };
    let log = log(&[LintedFile { uri: "p.json".to_owned(), lints: vec![placed] }]);
    assert_eq!(log["runs"][0]["columnKind"], "utf16CodeUnits");
    // The shield is a pair of surrogates and a selector of its look.
    let before: usize = "{\"🛡️\": 1, ".encode_utf16().count();
    assert_eq!(log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startColumn"], before + 1);
}

#[test]
fn the_worst_five_thousand_are_there_and_the_rest_is_counted() {
    let placed = |number: usize| {
        let level = if number < 10 { Level::Note } else { Level::Error };
        let lint = Lint { level, kind: "unknown-key", pointer: format!("/{number}"), message: "x".to_owned() };
        PlacedLint { position: None, pointer: lint.pointer.clone(), within: None, lint }
    };
    let files = [LintedFile { uri: "p.json".to_owned(), lints: (0..MOST_RESULTS + 7).map(placed).collect() }];
    let (log, left_out) = sarif::log(Check::Policies, &files, &tool());
    let log = serde_json::to_value(log).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!((results.len(), left_out), (MOST_RESULTS, 7));
    assert_eq!(results.iter().filter(|result| result["level"] == "note").count(), 3);
    let notes = &log["runs"][0]["invocations"][0]["toolExecutionNotifications"];
    assert!(notes[0]["message"]["text"].as_str().unwrap().starts_with("7 results are left out"), "{notes}");
}
