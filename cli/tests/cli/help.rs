//! Help, man pages and shell completions.

use super::runner::{assert_shown, run};

#[test]
fn help() {
    assert_shown!("help", run(&["--help"]).shown());
}

#[test]
fn help_of_audit() {
    assert_shown!("help_audit", run(&["audit", "--help"]).shown());
}

#[test]
fn version() {
    assert_shown!("version", run(&["--version"]).shown());
}

#[test]
fn man_page_and_completions_come_from_the_same_definitions() {
    let man = run(&["man"]);
    assert!(
        man.code == 0 && man.stdout.contains(".TH guardrail\\-audit 1") || man.stdout.contains(".TH guardrail-audit 1"),
        "{}",
        man.stdout
    );
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let completions = run(&["completions", shell]);
        assert_eq!(completions.code, 0);
        assert!(completions.stdout.contains("fail-on"), "{shell}");
    }
}

#[test]
fn what_it_is_not_asked_right_is_usage() {
    for wrong in
        [&["frobnicate"][..], &["audit"], &["audit", "x", "--format", "xml"], &["audit", "x", "--since", "yesterday"], &["explain"]]
    {
        let ran = run(wrong);
        assert_eq!(ran.code, 2, "{wrong:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{wrong:?}");
    }
}
