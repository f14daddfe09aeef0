//! A report as Markdown, for comments on pull requests and the summaries of CI steps. It is short whatever the report: such places cut what
//! is too long.
//!
//! Others choose the names of principals, resources and accounts. Whatever they hold is shown as it is: every value is written so that it
//! renders as text and nothing else, not as a link, an image, HTML, or a mention that notifies somebody.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write},
};

use audit_core::{
    finding::{Finding, Status},
    json::printable,
    report::Report,
    severity::Severity,
    verdict::Verdict,
};

use crate::text::cut;

/// Findings that are listed at most.
pub const MOST_FINDINGS: usize = 100;

/// Bytes that the list of findings may take. GitHub cuts a comment at 65,536 characters.
const MOST_BYTES: usize = 55_000;

/// Characters of one value. The report has the whole of it.
const MOST_VALUE: usize = 240;

/// Characters of a sentence above the list.
const MOST_SENTENCE: usize = 1000;

/// Writes a report.
///
/// # Errors
///
/// If it can't be written.
pub fn report(out: &mut (impl Write + ?Sized), report: &Report) -> io::Result<()> {
    writeln!(out, "## Guardrail Audit\n")?;
    for why in &report.incomplete {
        writeln!(out, "**Incomplete:** {}\n", escaped(&cut(why, MOST_SENTENCE)))?;
    }
    if let Some(filter) = &report.filter {
        writeln!(out, "Only {}. Nothing is said about the rest.\n", escaped(&cut(&filter.to_string(), MOST_SENTENCE)))?;
    }
    writeln!(out, "**{}**\n", escaped(&report.headline().to_string()))?;
    let calls = &report.invocations;
    writeln!(out, "| Calls | |\n|---|---:|")?;
    for (verdict, count) in [
        (Verdict::Compliant, calls.compliant),
        (Verdict::Violation, calls.violation),
        (Verdict::NotProvable, calls.not_provable),
        (Verdict::NotApplicable, calls.not_applicable),
    ] {
        writeln!(out, "| {} | {count} |", escaped(verdict.as_str()))?;
    }
    writeln!(out)?;
    findings(out, &report.findings, &|account| report.accounts.get(account).map(String::as_str))
}

/// Writes findings, in their order.
///
/// # Errors
///
/// If they can't be written.
pub fn findings<'n>(out: &mut (impl Write + ?Sized), findings: &[Finding], name_of: &dyn Fn(&str) -> Option<&'n str>) -> io::Result<()> {
    let mut by_severity: BTreeMap<std::cmp::Reverse<Severity>, u64> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.status == Status::Open) {
        *by_severity.entry(std::cmp::Reverse(finding.severity)).or_default() += 1;
    }
    let counts: Vec<String> = by_severity.into_iter().map(|(severity, count)| format!("{count} {}", severity.0.as_str())).collect();
    let open = if counts.is_empty() { "none open".to_owned() } else { format!("open: {}", counts.join(", ")) };
    writeln!(out, "**Findings: {}** ({open})\n", findings.len())?;
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "| Severity | Status | Rule | Account | Region | Calls or changes | Detail |\n|---|---|---|---|---|---:|---|")?;
    let (mut shown, mut bytes) = (0, 0);
    for finding in findings.iter().take(MOST_FINDINGS) {
        let row = row(finding, name_of(&finding.account));
        bytes += row.len();
        if bytes > MOST_BYTES {
            break;
        }
        writeln!(out, "{row}")?;
        shown += 1;
    }
    if shown < findings.len() { writeln!(out, "\nand {} more", findings.len() - shown) } else { Ok(()) }
}

fn row(finding: &Finding, name: Option<&str>) -> String {
    let account = match name.filter(|name| !name.is_empty()) {
        Some(name) => format!("{} ({name})", finding.account),
        None => finding.account.to_string(),
    };
    let count = finding.count.to_string();
    let mut row = String::from("|");
    let cells = [finding.severity.as_str(), finding.status.as_str(), &finding.rule, &account, &finding.region, &count, &finding.detail];
    for cell in cells {
        // Writing into a string doesn't fail.
        let _ = write!(row, " {} |", escaped(&cut(cell, MOST_VALUE)));
    }
    row
}

/// A value as Markdown that renders as this text, in a table as well as in a paragraph.
#[must_use]
pub fn escaped(value: &str) -> String {
    /// An invisible character between two visible ones, which keeps GitHub and GitLab from reading both as one name. It is written as an
    /// entity, because the command line replaces invisible characters.
    const JOINER: &str = "&#8288;";
    let value = printable(value);
    let mut text = String::with_capacity(value.len() + value.len() / 4);
    let mut before = ' ';
    let mut characters = value.chars().peekable();
    while let Some(c) = characters.next() {
        let next = characters.peek().copied().unwrap_or(' ');
        match c {
            // Entities, for these begin HTML, an entity, or the next cell of the table.
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '&' => text.push_str("&amp;"),
            '|' => text.push_str("&#124;"),
            // An address, which some renderers make a link of. `scheme://` and `www.` need one of these three.
            ':' if next == '/' => text.extend(["&#58;", JOINER]),
            '.' if before.eq_ignore_ascii_case(&'w') => text.extend(["&#46;", JOINER]),
            // A mention, an issue, a merge request, an address of mail.
            '@' | '#' | '!' | '%' | '~' | '$' => {
                text.extend(['\\', c]);
                text.push_str(JOINER);
            }
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '^' | '=' | '"' | '\'' => text.extend(['\\', c]),
            // At the start of a line these would begin a list or a line, and some renderers make one sign of several.
            '-' | '+' if before == ' ' || before == c || next == c => text.extend(['\\', c]),
            '.' if before.is_ascii_digit() || before == '.' || next == '.' => text.extend(['\\', c]),
            _ => text.push(c),
        }
        before = c;
    }
    text
}

#[cfg(test)]
mod tests {
    use audit_core::{config::Configuration, finding::FindingKey, rules::RULES};
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    use super::*;

    const HOSTILE: &[&str] = &[
        "<img src=x onerror=alert(1)>",
        "<!-- hidden -->",
        "[click](https://example.com)",
        "![x](https://example.com/x.png)",
        "<https://example.com>",
        "https://example.com and www.example.com",
        "@everyone please merge #1 !2 and mail a.b@example.com",
        "**bold** _slanted_ ~~gone~~ `code` $x^2$",
        "a | b | c",
        "two\nlines\n\n# and a heading",
        "&lt;script&gt; &amp; &#64;",
        "\\*escaped\\* \\",
        "- list\t1. list + list = --- ===",
        "\u{202e}reversed \u{200b}hidden",
        "[ref]: https://example.com \"title\"",
        "[^1] :tada: {#id} :::note",
    ];

    /// The text that a cell renders as, if it renders as text alone.
    fn rendered(markdown: &str) -> String {
        let mut text = String::new();
        let mut in_cell = false;
        for event in Parser::new_ext(markdown, Options::all()) {
            match event {
                Event::Start(Tag::TableCell) => in_cell = true,
                Event::End(TagEnd::TableCell) => in_cell = false,
                Event::Text(part) if in_cell => text.push_str(&part),
                Event::Start(Tag::Table(_) | Tag::TableHead | Tag::TableRow)
                | Event::End(TagEnd::Table | TagEnd::TableHead | TagEnd::TableRow) => {}
                other => panic!("{other:?} of {markdown}"),
            }
        }
        text
    }

    #[test]
    fn hostile_values_render_as_text() {
        for hostile in HOSTILE {
            let table = format!("| {} |\n|---|\n", escaped(hostile));
            let text = rendered(&table).replace('\u{2060}', "");
            assert_eq!(text.trim(), printable(hostile).trim(), "{table}");
        }
    }

    #[test]
    fn nobody_is_mentioned_and_no_address_is_a_link() {
        // Renderers look for these in the text after Markdown was read.
        for hostile in HOSTILE {
            let text = rendered(&format!("| {} |\n|---|\n", escaped(hostile)));
            for (sign, next) in text.chars().zip(text.chars().skip(1)) {
                assert!(!matches!(sign, '@' | '#' | '!') || next == '\u{2060}', "{text}");
            }
            assert!(!text.contains("://") && !text.contains("www.e"), "{text}");
        }
    }

    #[test]
    fn the_list_is_bounded_and_says_so() {
        let finding = |number: usize, detail: &str| {
            let key = FindingKey {
                rule: RULES[0].id,
                account: "222233334444".into(),
                region: "us-east-1".into(),
                resource: number.to_string(),
                discriminator: String::new(),
            };
            Finding { detail: detail.to_owned(), ..RULES[0].finding(key, &Configuration::default()) }
        };
        let written = |list: &[Finding]| {
            let mut out = Vec::new();
            findings(&mut out, list, &|_| None).unwrap();
            String::from_utf8(out).unwrap()
        };
        let short: Vec<Finding> = (0..130).map(|number| finding(number, "short")).collect();
        let text = written(&short);
        assert_eq!(text.matches("| short |").count(), 100);
        assert!(text.ends_with("\nand 30 more\n"));
        let long: Vec<Finding> = (0..130).map(|number| finding(number, &"@".repeat(10_000))).collect();
        let text = written(&long);
        assert!(text.chars().count() < 65_536 && text.contains("more"), "{}", text.len());
        assert!(!written(&short[..1]).contains("more"));
    }
}
