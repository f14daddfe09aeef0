//! Lints of files, as the formats for code take them: of policies, and of the team's configuration.

use std::fmt::Write as _;

use audit_core::policy::lint::Lint;
use percent_encoding::percent_decode_str;

/// What was checked. Each check has results of its own: those of one don't replace those of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Bedrock policies.
    Policies,
    /// The configuration, `guardrail-audit.toml`.
    Configuration,
}

impl Check {
    /// What the check is called where tools show it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Check::Policies => "policy lint",
            Check::Configuration => "exceptions check",
        }
    }

    /// The id of the check's results among those of a repository.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Check::Policies => "guardrail-audit/policy-lint/",
            Check::Configuration => "guardrail-audit/exceptions-check/",
        }
    }
}

/// A file that was linted, with or without lints.
#[derive(Clone, Debug)]
pub struct LintedFile {
    /// The file as a URI reference: relative to the working folder with `/` as separator, or absolute if it lies elsewhere.
    pub uri: String,
    /// What was found in it.
    pub lints: Vec<PlacedLint>,
}

/// A lint and its place in a file.
#[derive(Clone, Debug)]
pub struct PlacedLint {
    /// The place; `None` if the lint is about the whole file.
    pub position: Option<Position>,
    /// The JSON pointer to what the lint is about, from the top of the file. Within a policy that is a text in the file, the policy's own
    /// pointer follows the one to the text.
    pub pointer: String,
    /// Where in the text it is, if the lint is about a policy that is a text in the file.
    pub within: Option<String>,
    /// The lint.
    pub lint: Lint,
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1, as people count.
    pub column: usize,
    /// The column in UTF-16 code units, from 1, as editors and SARIF count: an emoji is two.
    pub utf16_column: usize,
}

impl Position {
    /// The place of a byte in a text; `None` if it is behind the text or within a character.
    #[must_use]
    pub fn of(text: &str, byte: usize) -> Option<Self> {
        let before = text.get(..byte)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let in_line = before.get(line_start..)?;
        Some(Position {
            line: before.matches('\n').count() + 1,
            column: in_line.chars().count() + 1,
            utf16_column: in_line.encode_utf16().count() + 1,
        })
    }
}

/// A file's name as a URI reference: `\` becomes `/`, what a URI can't hold is percent-encoded, and a step into a folder and out of it again is
/// left out, because GitHub knows files by their shortest path.
#[must_use]
pub fn uri_of(name: &str) -> String {
    let name = shortest(&name.replace('\\', "/"));
    let mut uri = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => {
                // Writing into a string doesn't fail.
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    if uri.starts_with('/') { format!("file://{uri}") } else { uri }
}

/// A path without `.`, and without `..` behind a folder.
fn shortest(path: &str) -> String {
    let mut steps: Vec<&str> = Vec::new();
    for step in path.split('/') {
        match (step, steps.last()) {
            (".", _) => {}
            ("..", Some(before)) if !matches!(*before, "" | "..") => drop(steps.pop()),
            _ => steps.push(step),
        }
    }
    steps.join("/")
}

impl LintedFile {
    /// The file as a path, as tools show it that don't read URIs.
    #[must_use]
    pub fn path(&self) -> String {
        let path = self.uri.strip_prefix("file://").unwrap_or(&self.uri);
        String::from_utf8_lossy(&percent_decode_str(path).collect::<Vec<u8>>()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_right_behind_an_emoji() {
        let text = "one\n  \"🛡x\": 1";
        let at = text.find('x').unwrap();
        assert_eq!(Position::of(text, at), Some(Position { line: 2, column: 5, utf16_column: 6 }));
        assert_eq!(Position::of(text, 0), Some(Position { line: 1, column: 1, utf16_column: 1 }));
        assert_eq!(Position::of(text, at - 1), None, "within the emoji");
        assert_eq!(Position::of(text, 99), None);
    }

    #[test]
    fn a_name_becomes_a_uri() {
        for (name, uri) in [
            ("policies/a.json", "policies/a.json"),
            ("./a b.json", "a%20b.json"),
            ("policies\\ä#1.json", "policies/%C3%A4%231.json"),
            ("/tmp/a.json", "file:///tmp/a.json"),
            ("lint/../lint/./h.json", "lint/h.json"),
            ("../other/h.json", "../other/h.json"),
            ("/tmp/x/../a.json", "file:///tmp/a.json"),
            ("a/b/../../../c.json", "../c.json"),
        ] {
            assert_eq!(uri_of(name), uri);
            let path = LintedFile { uri: uri.to_owned(), lints: Vec::new() }.path();
            assert_eq!(uri_of(&path), uri, "the path of a URI is the same file");
        }
    }
}
