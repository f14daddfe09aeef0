//! The page of a rule: the same sections on the terminal (`guardrail-audit rules <id>`) and under `docs/rules/`.

pub mod operations;

use std::fmt::Write as _;

use super::RULES;
use crate::{
    framework::Framework,
    rule::{Group, Rule},
};

/// The sections of a page, in order: heading and lines.
#[must_use]
pub fn sections(rule: &Rule) -> Vec<(&'static str, Vec<String>)> {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let mut sections = vec![
        ("Fires when", vec![rule.fires.to_owned()]),
        ("Evidence", vec![rule.evidence.to_owned()]),
        ("Why it matters", vec![rule.rationale.to_owned()]),
        ("What to do", vec![rule.remediation.to_owned()]),
        ("Revealed by", texts(rule.revealed_by)),
        (
            "Frameworks",
            rule.controls.iter().map(|control| format!("{} {}: {}", control.framework.title(), control.id, control.title)).collect(),
        ),
        ("References", texts(rule.references)),
    ];
    sections.retain(|(_, lines)| !lines.is_empty());
    sections
}

/// The page of a rule under `docs/rules/`, in Markdown.
#[must_use]
pub fn markdown(rule: &Rule) -> String {
    let mut page = format!("# {}\n\n{}.\n\nSeverity: **{}**. Group: {}.\n", rule.id, rule.title, rule.severity, rule.group);
    // Writing to a String can't fail.
    for (heading, lines) in sections(rule) {
        let _ = write!(page, "\n## {heading}\n\n");
        for line in lines {
            let _ = match heading {
                "Revealed by" => writeln!(page, "* `{line}`"),
                "Frameworks" => writeln!(page, "* {line}"),
                "References" => writeln!(page, "* <{line}>"),
                _ => writeln!(page, "{line}"),
            };
        }
    }
    page
}

/// The index of all pages in Markdown, by group and then by framework.
#[must_use]
pub fn index() -> String {
    let mut page =
        "# Rules\n\nEach page, and `guardrail-audit rules <id>`, come from the rule's own file under `shared/core/src/rules/`.\n"
            .to_owned();
    let mut group: Option<Group> = None;
    for rule in RULES {
        if group != Some(rule.group) {
            group = Some(rule.group);
            let _ = write!(page, "\n## {}\n\n| Rule | Severity | What is wrong |\n|---|---|---|\n", rule.group);
        }
        let _ = writeln!(page, "| [{0}]({0}.md) | {1} | {2} |", rule.id, rule.severity, rule.title);
    }
    page.push_str("\n## By framework\n\nA rule maps to an entry if a finding of the rule is evidence about that entry. `guardrail-audit report --framework` groups findings alike.\n");
    for framework in Framework::ALL {
        let _ = write!(
            page,
            "\n### {}\n\n`{}`, <{}>\n\n| Entry | Rules |\n|---|---|\n",
            framework.title(),
            framework.as_str(),
            framework.source()
        );
        for (control, rules) in by_control(framework) {
            let links: Vec<String> = rules.iter().map(|rule| format!("[{0}]({0}.md)", rule.id)).collect();
            let _ = writeln!(page, "| {} {} | {} |", control.id, control.title, links.join(", "));
        }
    }
    page
}

/// The controls of a framework with the rules that map to each, ordered by control.
#[must_use]
pub fn by_control(framework: Framework) -> std::collections::BTreeMap<crate::framework::Control, Vec<&'static Rule>> {
    let mut by_control: std::collections::BTreeMap<_, Vec<&'static Rule>> = std::collections::BTreeMap::new();
    for rule in RULES.iter().copied() {
        for control in rule.controls.iter().filter(|control| control.framework == framework) {
            by_control.entry(*control).or_default().push(rule);
        }
    }
    by_control
}
