//! Lints as JUnit's XML, which most CI systems show beside tests: one test case for each file, which fails if it has errors.

use std::io;

use audit_core::{json::printable, policy::lint::Level};
use quick_xml::{
    events::{BytesDecl, BytesText, Event},
    writer::Writer,
};

use crate::lints::{Check, LintedFile, PlacedLint};

/// Writes the lints of files.
///
/// # Errors
///
/// If they can't be written.
pub fn suite(out: impl io::Write, check: Check, files: &[LintedFile]) -> io::Result<()> {
    let failed = files.iter().filter(|file| has_errors(file)).count().to_string();
    let tests = files.len().to_string();
    let name = format!("guardrail-audit {}", check.title());
    let counts = [("name", name.as_str()), ("tests", &tests), ("failures", &failed), ("errors", "0")];
    let mut xml = Writer::new_with_indent(out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("testsuites").with_attributes(counts).write_inner_content(|xml| {
        xml.create_element("testsuite")
            .with_attributes(counts)
            .write_inner_content(|xml| files.iter().try_for_each(|file| test_case(xml, check, file)))?;
        Ok(())
    })?;
    let mut out = xml.into_inner();
    writeln!(out)
}

fn has_errors(file: &LintedFile) -> bool {
    file.lints.iter().any(|placed| placed.lint.level == Level::Error)
}

fn test_case<W: io::Write>(xml: &mut Writer<W>, check: Check, file: &LintedFile) -> io::Result<()> {
    // GitLab and Jenkins look for the file in the repository by this name.
    let path = file.path();
    let path = printable(&path);
    let case =
        xml.create_element("testcase").with_attributes([("classname", check.title()), ("name", &path), ("file", &path), ("time", "0")]);
    let (errors, others): (Vec<&PlacedLint>, Vec<&PlacedLint>) = file.lints.iter().partition(|placed| placed.lint.level == Level::Error);
    if file.lints.is_empty() {
        return case.write_empty().map(drop);
    }
    case.write_inner_content(|xml| {
        if let Some(first) = errors.first() {
            let more = if errors.len() > 1 { format!(" and {} more", errors.len() - 1) } else { String::new() };
            let message = format!("{}{more}", printable(&first.lint.message));
            xml.create_element("failure")
                .with_attributes([("message", message.as_str()), ("type", first.lint.kind)])
                .write_text_content(BytesText::new(&lines(file, &errors)))?;
        }
        if !others.is_empty() {
            xml.create_element("system-out").write_text_content(BytesText::new(&lines(file, &others)))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// One line for each lint, as compilers write them, so that terminals and editors find the place.
fn lines(file: &LintedFile, lints: &[&PlacedLint]) -> String {
    let path = file.path();
    let line = |PlacedLint { position, within, lint, .. }: &&PlacedLint| {
        let position = position.map(|at| format!(":{}:{}", at.line, at.column)).unwrap_or_default();
        let within = within.as_ref().map(|within| format!(" ({within})")).unwrap_or_default();
        printable(&format!("{path}{position}: {}: {} [{}]{within}", lint.level, lint.message, lint.kind)).into_owned()
    };
    lints.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use audit_core::policy::lint::Lint;

    use super::*;
    use crate::lints::Position;

    #[test]
    fn a_file_is_a_case_and_fails_if_it_has_errors() {
        let placed = |level, message: &str| PlacedLint {
            position: Some(Position { line: 2, column: 3, utf16_column: 4 }),
            pointer: "/x".to_owned(),
            within: None,
            lint: Lint { level, kind: "unknown-key", pointer: "/x".to_owned(), message: message.to_owned() },
        };
        let file = |uri: &str, lints| LintedFile { uri: uri.to_owned(), lints };
        let files = [
            file("sound.json", vec![]),
            file("noted.json", vec![placed(Level::Note, "a note")]),
            file("policies/%C3%A4%20%231.json", vec![placed(Level::Note, "\u{fffe}\u{ffff}")]),
            file("wrong.json", vec![placed(Level::Error, "]]> <a b=\"c\"> & \u{1b}[31m"), placed(Level::Error, "another")]),
        ];
        let mut out = Vec::new();
        suite(&mut out, Check::Policies, &files).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("tests=\"4\" failures=\"1\""), "{text}");
        assert!(
            text.contains("name=\"policies/ä #1.json\" file=\"policies/ä #1.json\"") && text.contains(">policies/ä #1.json:2:3: "),
            "{text}"
        );
        assert!(text.contains("<testcase classname=\"policy lint\" name=\"sound.json\" file=\"sound.json\" time=\"0\"/>"), "{text}");
        assert!(text.contains("and 1 more\" type=\"unknown-key\">wrong.json:2:3: error: ]]&gt; &lt;a"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{fffe}', '\u{ffff}']), "XML can't hold these: {text}");
        assert!(text.matches("<failure").count() == 1, "{text}");
    }
}
