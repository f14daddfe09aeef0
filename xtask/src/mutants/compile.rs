//! Compiles the tree that holds the mutants, and finds out which of them don't compile.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    ops::Range,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::command::cargo;

/// The packages whose tests a mutant meets.
const PACKAGES: &[&str] = &["audit-core", "guardrail-audit"];

/// Tests of the sources' text, in which the switches stand.
const LEFT_OUT: &[&str] = &["layers", "pure"];

/// The result of a build.
pub(super) enum Compiled {
    Tests(Vec<TestProgram>),
    /// It failed, with at least one error.
    Errors(Vec<Error>),
}

/// The tests of one target.
pub(super) struct TestProgram {
    pub(super) name: String,
    pub(super) program: PathBuf,
    /// The folder of its package, where Cargo runs it.
    pub(super) folder: PathBuf,
}

/// An error of the compiler.
#[derive(Deserialize)]
pub(super) struct Error {
    level: String,
    rendered: Option<String>,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    file_name: PathBuf,
    byte_start: usize,
    byte_end: usize,
    is_primary: bool,
}

/// What was written into which file for which mutant.
pub(super) type Regions = BTreeMap<PathBuf, Vec<(Range<usize>, usize)>>;

impl Error {
    /// The mutants that an error comes from: the innermost ones around the place that the compiler points to first, or else around another
    /// that it names, or else inside of these. Several are arms of one match.
    pub(super) fn mutants(&self, regions: &Regions) -> Vec<usize> {
        let mut spans: Vec<&Span> = self.spans.iter().collect();
        spans.sort_by_key(|span| !span.is_primary);
        let innermost = |span: &Span, is_met: fn(&Range<usize>, &Span) -> bool| {
            let met = regions.get(&span.file_name).into_iter().flatten().filter(|(range, _)| is_met(range, span));
            let least = met.clone().map(|(range, _)| range.len()).min()?;
            Some(met.filter(|(range, _)| range.len() == least).map(|(_, number)| *number).collect())
        };
        let around = |range: &Range<usize>, span: &Span| range.start <= span.byte_start && span.byte_end <= range.end;
        let inside = |range: &Range<usize>, span: &Span| span.byte_start <= range.start && range.end <= span.byte_end;
        let found = spans.iter().find_map(|span| innermost(span, around));
        found.or_else(|| spans.iter().find_map(|span| innermost(span, inside))).unwrap_or_default()
    }

    pub(super) fn shown(&self) -> &str {
        self.rendered.as_deref().unwrap_or_default()
    }
}

#[derive(Deserialize)]
#[serde(tag = "reason")]
enum Message {
    #[serde(rename = "compiler-message")]
    Diagnostic { message: Error },
    #[serde(rename = "compiler-artifact")]
    Artifact { target: Target, manifest_path: PathBuf, executable: Option<PathBuf>, profile: Profile },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Compiles the tests of a tree into a folder.
pub(super) fn tests(tree: &Path, into: &Path) -> anyhow::Result<Compiled> {
    let mut command = cargo();
    command.current_dir(tree).args(["test", "--no-run", "--quiet", "--lib", "--test", "*", "--message-format", "json"]);
    command.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    command.env("CARGO_TARGET_DIR", into).env("CARGO_PROFILE_DEV_DEBUG", "0").stdout(Stdio::piped());
    let mut child = command.spawn().context("failed to start Cargo")?;
    let (mut tests, mut errors) = (Vec::new(), Vec::new());
    for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
        match serde_json::from_str(&line?)? {
            Message::Diagnostic { message } if message.level == "error" && !message.spans.is_empty() => errors.push(message),
            Message::Artifact { target, manifest_path, executable: Some(program), profile: Profile { test: true } }
                if !LEFT_OUT.contains(&target.name.as_str()) =>
            {
                let folder = manifest_path.parent().map(Path::to_path_buf).unwrap_or_default();
                tests.push(TestProgram { name: target.name, program, folder });
            }
            _ => {}
        }
    }
    match (child.wait()?.success(), errors.is_empty()) {
        (true, _) => Ok(Compiled::Tests(tests)),
        (false, false) => Ok(Compiled::Errors(errors)),
        (false, true) => bail!("the copy of the tree doesn't build"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_comes_from_the_innermost_mutants() {
        let span = |file: &str, range: Range<usize>, is_primary| Span {
            file_name: file.into(),
            byte_start: range.start,
            byte_end: range.end,
            is_primary,
        };
        let error = |spans| Error { level: "error".to_owned(), rendered: None, spans };
        let mutants = vec![(10..90, 1), (20..30, 2), (40..50, 3), (60..80, 5), (60..80, 6)];
        let regions = Regions::from([("a.rs".into(), mutants), ("b.rs".into(), vec![(0..9, 4)])]);
        let mutants = |spans| error(spans).mutants(&regions);
        assert_eq!(mutants(vec![span("a.rs", 22..30, true)]), [2]);
        assert_eq!(mutants(vec![span("a.rs", 25..35, true)]), [1], "around the place, not at its edge");
        assert_eq!(mutants(vec![span("b.rs", 0..1, false), span("a.rs", 40..41, true)]), [3], "what it points to first");
        assert_eq!(mutants(vec![span("b.rs", 0..1, false), span("c.rs", 40..41, true)]), [4], "another place");
        assert_eq!(mutants(vec![span("a.rs", 61..62, true)]), [5, 6], "arms of one match");
        assert_eq!(mutants(vec![span("b.rs", 0..30, true)]), [4], "one inside");
        assert_eq!(mutants(vec![span("b.rs", 20..30, true)]), [] as [usize; 0]);
    }
}
