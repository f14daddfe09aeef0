//! A rule, as a page: the same fields on the terminal and under `docs/rules/`.

use std::fmt::Write as _;

use audit_core::rule::Rule;

use super::text::wrapped;

/// For the terminal.
pub(crate) fn text(rule: &Rule) -> String {
    let mut page = String::new();
    // Writing to a String can't fail.
    let _ = write!(page, "{}  {}\n\n{}.\n", rule.severity, rule.id, rule.title);
    for (heading, body) in sections(rule) {
        let _ = write!(page, "\n{}\n", heading.to_uppercase());
        for line in body {
            let _ = writeln!(page, "  {}", wrapped(line, 2));
        }
    }
    page
}

/// For `docs/rules/`.
#[cfg(test)]
#[expect(dead_code, reason = "the pages are not written yet")]
pub(crate) fn markdown(rule: &Rule) -> String {
    let mut page = String::new();
    let _ = write!(page, "# {}\n\n{}.\n\nSeverity: **{}**. Group: {}.\n", rule.id, rule.title, rule.severity, rule.group);
    for (heading, body) in sections(rule) {
        let _ = write!(page, "\n## {heading}\n\n");
        for line in body {
            let _ = match heading {
                "Revealed by" => writeln!(page, "* `{line}`"),
                "References" => writeln!(page, "* <{line}>"),
                _ => writeln!(page, "{line}"),
            };
        }
    }
    page
}

fn sections(rule: &Rule) -> [(&'static str, Vec<&'static str>); 6] {
    [
        ("Fires when", vec![rule.fires]),
        ("Evidence", vec![rule.evidence]),
        ("Why it matters", vec![rule.rationale]),
        ("What to do", vec![rule.remediation]),
        ("Revealed by", rule.revealed_by.to_vec()),
        ("References", rule.references.to_vec()),
    ]
}
