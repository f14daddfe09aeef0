//! Writes a rule as a page on the terminal.

use std::fmt::Write as _;

use audit_core::{rule::Rule, rules::page};

use super::text::wrapped;

pub(crate) fn text(rule: &Rule) -> String {
    // Writing to a String can't fail.
    let mut text = format!("{}  {}\n\n{}.\n", rule.severity, rule.id, rule.title);
    for (heading, lines) in page::sections(rule) {
        let _ = write!(text, "\n{}\n", heading.to_uppercase());
        for line in lines {
            let _ = writeln!(text, "  {}", wrapped(&line, 2));
        }
    }
    text
}
