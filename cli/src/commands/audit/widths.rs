//! The report of every case of `events/`, and of the demo, fits terminals of all widths.

use std::{collections::BTreeSet, path::PathBuf};

use audit_core::report::Report;
use cases::Case;
use unicode_width::UnicodeWidthStr as _;

use super::*;
use crate::{
    args::{GroupBy, ViewArgs},
    output::{
        report,
        text::{
            tests::{WIDTH, Width},
            words,
        },
    },
};

/// Audits a file or folder in its world.
fn report_of(path: &Path, world: &Path, configured: &Configured, now: Timestamp) -> Report {
    let console = Console::new(true);
    let selection = Selection::default();
    let run = Run { configuration: &configured.configuration, selection: &selection, now, threads: 1, console, own_files: [None, None] };
    let world = world.to_path_buf();
    let loaded = load_world_with(Some(&world), Contents::Dropped, console).unwrap();
    run.once(&[path.to_owned()], Some(&world), loaded).unwrap().into_report(now, configured)
}

fn shown(report: &Report, view: &ViewArgs, columns: Option<usize>) -> String {
    WIDTH.set(Width::Set(columns));
    let mut out = Vec::new();
    report::write(&mut out, report, view).unwrap();
    anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
}

/// All words, in lower case: what is a title of a column above a wide table stands before the value in a narrow one.
fn all_words(text: &str) -> BTreeSet<String> {
    text.lines().flat_map(words).flat_map(|word| word.split(';')).map(str::to_lowercase).collect()
}

fn fits_all_widths(name: &str, report: &Report, view: &ViewArgs) {
    let unlimited = all_words(&shown(report, view, None));
    for columns in [60, 80, 120, 200] {
        let text = shown(report, view, Some(columns));
        for line in text.lines() {
            let is_one_word = words(line.trim_start()).count() == 1;
            assert!(line.width() <= columns || is_one_word, "{name} at {columns} columns: {line}");
        }
        let written = all_words(&text);
        let broken: Vec<&String> = unlimited.difference(&written).collect();
        assert!(broken.is_empty(), "{name} at {columns} columns lacks {broken:?}:\n{text}");
        let headline = format!("{}.", report.headline());
        let last: Vec<&str> = text.lines().collect();
        assert!(last.join(" ").ends_with(&headline), "{name} at {columns} columns ends with the answer:\n{text}");
    }
}

#[test]
fn every_case_and_the_demo_fit_all_widths() {
    let demo = cases::folder().join("demo");
    let configured = configuration::given(&demo.join("guardrail-audit.toml")).unwrap();
    let report = report_of(&demo.join("AWSLogs"), &demo.join("world"), &configured, Timestamp::parse("2026-11-16T00:00:00Z").unwrap());
    assert!(report.findings.len() > 20);
    for group_by in [GroupBy::Rule, GroupBy::Account, GroupBy::Ou, GroupBy::Region] {
        fits_all_widths("the demo", &report, &ViewArgs { group_by: Some(group_by), ..ViewArgs::default() });
    }
    let cases = Case::all().unwrap();
    assert!(cases.len() > 500);
    let now = Timestamp::parse(cases::NOW).unwrap();
    for case in cases {
        let world = tempfile::tempdir().unwrap();
        case.write_world(world.path()).unwrap();
        let file: Option<PathBuf> = case.configuration_file();
        let configured = file.map(|file| configuration::given(&file).unwrap()).unwrap_or_default();
        let event = case.event_file();
        fits_all_widths(&event.display().to_string(), &report_of(&event, world.path(), &configured, now), &ViewArgs::default());
    }
}
