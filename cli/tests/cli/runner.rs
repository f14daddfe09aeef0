//! Runs the program in tests.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// The path of a file of the demo's sample data.
pub(crate) fn demo(name: &str) -> String {
    in_repository("events/demo").join(name).display().to_string()
}

/// The path of a file in the repository.
pub(crate) fn in_repository(path: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).join(path)
}

/// The end of the demo's week.
pub(crate) const NOW: &str = "2026-11-16T00:00:00Z";

/// The outcome of a run.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program with these arguments.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    run_with("", arguments)
}

/// Runs the program with something on standard input.
pub(crate) fn run_with(stdin: impl Into<Vec<u8>>, arguments: &[&str]) -> Ran {
    ran(program().args(arguments).write_stdin(stdin))
}

/// The program, for a run in an environment of its own.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guardrail-audit"));
    command.env_remove("CLICOLOR_FORCE");
    command
}

/// Runs a command and returns its outcome.
pub(crate) fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Ran {
    /// Standard output, parsed as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{}\n{}", self.stdout, self.stderr))
    }

    /// The outcome as a snapshot shows it.
    pub(crate) fn shown(&self) -> String {
        let mut shown = format!("exit {}\n", self.code);
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                shown.extend(["---- ", name, "\n", text]);
            }
        }
        shown
    }
}

/// Audits the sample data in its world, with further arguments, and returns the report as JSON.
pub(crate) fn audit_demo(further: &[&str]) -> Value {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    let fixed = ["audit", &logs, "--world", &world, "--now", NOW, "--format", "json", "--fail-on", "never", "--quiet"];
    let ran = run(&[&fixed[..], further].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.json()
}

/// The number of calls in a report.
pub(crate) fn calls(report: &Value) -> u64 {
    report["invocations"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

/// Creates a folder with these files.
pub(crate) fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

/// The path of a file in a folder.
pub(crate) fn at(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

/// A record of a call without a guardrail.
pub(crate) fn call(number: u32) -> Value {
    serde_json::json!({
        "eventVersion": "1.11", "eventSource": "bedrock.amazonaws.com", "eventName": "Converse", "eventType": "AwsApiCall",
        "eventTime": "2026-11-20T10:00:00Z", "awsRegion": "us-east-1", "recipientAccountId": "222233334444",
        "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::222233334444:assumed-role/app/session", "accountId": "222233334444",
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::222233334444:role/app"}}},
        "requestParameters": {"modelId": "amazon.nova-pro-v1:0"},
        "requestID": format!("00000000-0000-4000-a000-{number:012}"), "eventID": format!("00000000-0000-4000-b000-{number:012}")
    })
}

/// The files of a world in which nothing is enforced in the account of [`call`].
pub(crate) const UNENFORCED: &[(&str, &[u8])] = &[
    ("world/effective-policies/222233334444.json", br#"{"EffectivePolicy": null}"#),
    ("world/enforced-configurations/222233334444/us-east-1.json", br#"{"guardrailsConfig": []}"#),
];

/// Asserts a snapshot in which everything that differs from run to run is replaced.
macro_rules! assert_shown {
    ($name:literal, $shown:expr) => {{
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(&$crate::runner::literally(env!("CARGO_PKG_VERSION")), "[VERSION]");
        settings.add_filter(&$crate::runner::literally(env!("CARGO_BIN_EXE_guardrail-audit")), "guardrail-audit");
        settings.add_filter(r"(/[\w.-]+)*/\.tmp\w+", "[DIR]");
        settings.add_filter(&$crate::runner::literally(&$crate::runner::in_repository("").display().to_string()), "[REPOSITORY]/");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!($name, $shown));
    }};
}
pub(crate) use assert_shown;

/// Returns a pattern that matches exactly this text.
pub(crate) fn literally(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_alphanumeric() { vec![c] } else { vec!['\\', c] }).collect()
}
