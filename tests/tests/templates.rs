//! Runs the linters of templates over both templates. The templates argue each exception themselves.

#![expect(clippy::panic, reason = "tests")]

use std::process::Command;

use end_to_end::{
    template::root,
    tools::{CFN_LINT, CHECKOV, SAM, output_of},
};

const TEMPLATES: [&str; 2] = ["template.yaml", "member.yaml"];

fn passes(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", output_of(&output));
}

#[test]
fn sam_validates_them() {
    for template in TEMPLATES {
        passes(SAM.command().args(["validate", "--lint", "--region", "us-east-1", "--template", template]));
    }
}

#[test]
fn cfn_lint_finds_nothing() {
    for template in TEMPLATES {
        passes(CFN_LINT.command().args(["--regions", "us-east-1,eu-central-1", "--template", template]));
    }
}

#[test]
fn checkov_finds_nothing_that_isn_t_argued() {
    for template in TEMPLATES {
        passes(CHECKOV.command().args(["-f", template, "--framework", "cloudformation", "--compact", "--quiet", "--skip-download"]));
        let text = std::fs::read_to_string(root().join(template)).unwrap_or_else(|error| panic!("{template}: {error}"));
        for (number, line) in text.lines().enumerate().filter(|(_, line)| line.contains("CKV_")) {
            let argument = line.split_once("comment:").map_or("", |(_, argument)| argument.trim());
            assert!(argument.len() > 40, "{template}:{}: skipped without saying why", number + 1);
        }
    }
}
