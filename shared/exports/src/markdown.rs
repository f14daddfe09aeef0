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
    report::{Report, StatedException, worst_first},
    severity::Severity,
    verdict::Verdict,
};

use crate::text::cut;

/// Findings that are listed at most.
pub const MOST_FINDINGS: usize = 100;

/// Bytes that the list of findings may take. GitHub cuts a comment at 65,536 characters.
const MOST_BYTES: usize = 47_000;

/// Exceptions that are listed at most, and the bytes that their list may take.
const MOST_EXCEPTIONS: usize = 20;
const MOST_EXCEPTION_BYTES: usize = 8_000;

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
    ended(out, report)?;
    findings(out, &report.findings, &|account| report.accounts.get(account).map(String::as_str))
}

/// Writes the exceptions of the configuration that have ended: their findings are open again.
fn ended(out: &mut (impl Write + ?Sized), report: &Report) -> io::Result<()> {
    let exceptions = report.configuration.iter().flat_map(|configuration| &configuration.exceptions);
    let ended = exceptions.filter(|exception| exception.until.is_over(report.generated_at));
    let line = |StatedException { rule, until, owner, reason, .. }: &StatedException| format!("{rule} until {until} by {owner}: {reason}");
    list(out, "Exceptions that ended, so that their findings are open again", &ended.map(line).collect::<Vec<_>>())
}

/// Writes the exceptions behind suppressed findings. The table of findings may have no room for these.
fn exceptions(out: &mut (impl Write + ?Sized), findings: &[Finding]) -> io::Result<()> {
    let mut counts: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.status == Status::Suppressed) {
        if let Some(suppression) = &finding.suppression {
            *counts.entry((&finding.rule, suppression.to_string())).or_default() += 1;
        }
    }
    let line = |((rule, accepted), count): ((&str, String), u64)| format!("{count} of {rule}, {accepted}");
    list(out, "Findings that are accepted", &counts.into_iter().map(line).collect::<Vec<_>>())
}

/// Writes a bounded list with a heading; nothing if it is empty.
fn list(out: &mut (impl Write + ?Sized), heading: &str, lines: &[String]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "**{heading}:**\n")?;
    let (mut shown, mut bytes) = (0, 0);
    for line in lines.iter().take(MOST_EXCEPTIONS).map(|line| escaped(&cut(line, MOST_VALUE))) {
        bytes += line.len();
        if bytes > MOST_EXCEPTION_BYTES / 2 {
            break;
        }
        writeln!(out, "- {line}")?;
        shown += 1;
    }
    if shown < lines.len() {
        writeln!(out, "- and {} more", lines.len() - shown)?;
    }
    writeln!(out)
}

/// Writes findings, the worst first.
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
    exceptions(out, findings)?;
    writeln!(out, "| Severity | Status | Rule | Account | Region | Calls or changes | Detail | Id |\n|---|---|---|---|---|---:|---|---|")?;
    let (mut shown, mut bytes) = (0, 0);
    for finding in worst_first(findings).into_iter().take(MOST_FINDINGS) {
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
    let status = match &finding.suppression {
        Some(suppression) if finding.status == Status::Suppressed => format!("{}, {suppression}", finding.status.as_str()),
        _ => finding.status.as_str().to_owned(),
    };
    // As many characters of the id as the commands show, which take the start of one.
    let id: String = finding.id.chars().take(12).collect();
    let cells = [finding.severity.as_str(), &status, &finding.rule, &account, &finding.region, &count, &finding.detail, &id];
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
    let mut word_start = 0;
    for (at, c) in value.char_indices() {
        if before == ' ' {
            word_start = at;
        }
        let rest = value.get(at + c.len_utf8()..).unwrap_or_default();
        let next = rest.chars().next().unwrap_or(' ');
        let word = value.get(word_start..at).unwrap_or_default();
        match c {
            // Entities, for these begin HTML, an entity, or the next cell of the table.
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '&' => text.push_str("&amp;"),
            '|' => text.push_str("&#124;"),
            // An address, which some renderers make a link of. `scheme://` and `www.` need one of these three.
            ':' if next == '/' => text.extend(["&#58;", JOINER]),
            // The name of an emoji. An ARN has parts between colons, too, but none of them is one, and it should stay fit to be copied.
            ':' if word != "arn" && !word.starts_with("arn:") && is_name_before_colon(rest) => text.extend([":", JOINER]),
            // An issue of GitHub, `GH-12`.
            '-' if next.is_ascii_digit() && word.get(word.len().saturating_sub(2)..).is_some_and(|end| end.eq_ignore_ascii_case("gh")) => {
                text.extend(["-", JOINER]);
            }
            '.' if before.eq_ignore_ascii_case(&'w') => text.extend(["&#46;", JOINER]),
            // A share; else it may be a milestone of GitLab.
            '%' if before.is_ascii_digit() && !next.is_alphanumeric() && next != '"' => text.push(c),
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

/// Whether a text begins with a word and a colon, as the rest of an emoji's name does.
fn is_name_before_colon(text: &str) -> bool {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-'))).unwrap_or(text.len());
    end > 0 && text.get(end..).is_some_and(|rest| rest.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use audit_core::{
        config::Configuration,
        finding::{FindingKey, Suppression},
        rules::RULES,
    };
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
        "GH-12, gh-7 and org/repo-GH-3",
        "100%, 5%a, %\"milestone\" and %1",
        "role:tada: and (:+1:)",
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
                assert!(sign != '%' || !(next.is_alphanumeric() || next == '"'), "{text}");
            }
            assert!(!text.contains("://") && !text.contains("www.e"), "{text}");
            assert!(!text.contains(":tada:") && !text.contains(":+1:"), "{text}");
            assert!(!text.to_lowercase().contains("gh-1") && !text.to_lowercase().contains("gh-7"), "{text}");
        }
    }

    #[test]
    fn what_is_read_and_copied_stays_as_it_is() {
        for value in ["69% of 423 calls", "arn:aws:iam::111122223333:role/app", "us-east-1", "amazon.nova-pro-v1:0"] {
            let written = escaped(value);
            assert!(!written.contains("&#"), "{written}");
        }
    }

    #[test]
    fn what_is_accepted_is_said_whatever_the_table_has_room_for() {
        let key = |number: usize| FindingKey {
            rule: RULES[0].id,
            account: "222233334444".into(),
            region: "us-east-1".into(),
            resource: number.to_string(),
            discriminator: String::new(),
        };
        let found = |number: usize| Finding { count: number as u64, ..RULES[0].finding(key(number), &Configuration::default()) };
        let mut all: Vec<Finding> = (1..=150).map(found).collect();
        let suppression =
            Suppression { until: "2027-01-31".to_owned(), reason: "a pilot".to_owned(), owner: "team".to_owned(), ticket: None };
        all[0].status = Status::Suppressed;
        all[0].suppression = Some(suppression);
        let written = |list: &[Finding]| {
            let mut out = Vec::new();
            findings(&mut out, list, &|_| None).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = written(&all);
        assert!(text.contains(&format!("- 1 of {}, accepted until 2027-01-31 by team: a pilot\n", RULES[0].id)), "{text}");
        assert!(!text.contains("| SUPPRESSED"), "there is no room for its row");
        let row = written(&all[..1]);
        assert!(row.contains("| SUPPRESSED, accepted until 2027-01-31 by team: a pilot |"), "{row}");
        assert!(row.contains(&format!("| {} |\n", &all[0].id[..12])), "{row}");
        // Of one severity, those with most calls are the worst, wherever they stand in the report.
        let counts: Vec<&str> = text.lines().filter(|line| line.contains("| OPEN |")).filter_map(|line| line.split(" | ").nth(5)).collect();
        assert_eq!((counts.len(), counts[0], counts[99]), (100, "150", "51"));
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
