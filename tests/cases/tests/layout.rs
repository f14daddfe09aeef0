//! Rules that all cases together follow: their layout, and no more files than they need.

#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "tests")]

use std::collections::BTreeSet;

use cases::Case;
use walkdir::WalkDir;

/// The folders of `events/worlds/`.
fn worlds() -> BTreeSet<String> {
    let folders = std::fs::read_dir(cases::folder().join("worlds")).unwrap();
    folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn each_case_has_its_world() {
    let wrong: Vec<String> = Case::all().unwrap().iter().filter_map(|case| Some(case.world().err()?.to_string())).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_named_world_is_used_and_described() {
    let named: BTreeSet<String> = Case::all().unwrap().iter().map(|case| case.expected().unwrap().world).collect();
    assert_eq!(named, worlds(), "the worlds that cases name, and those that there are");
    let readme = std::fs::read_to_string(cases::folder().join("README.md")).unwrap();
    let described: BTreeSet<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(name, _)| name.to_owned())
        .filter(|name| !name.contains('.') && !name.ends_with('/'))
        .collect();
    assert_eq!(described, worlds(), "the worlds that events/README.md describes, and those that there are");
}

#[test]
fn each_case_says_what_it_is_about() {
    for case in Case::all().unwrap() {
        let about = case.expected().unwrap().about;
        assert!(about.len() > 10 && !about.contains("TODO"), "events/{}/{}: {about}", case.rule(), case.name());
        let events = serde_json::to_string(&case.events().unwrap()).unwrap();
        assert!(!events.contains("TODO"), "events/{}/{}: its event isn't written to its end", case.rule(), case.name());
    }
}

/// A world that many cases repeat should become a named one.
#[test]
fn a_case_has_few_files() {
    let cases = Case::all().unwrap().len();
    let folders = cases::rules().unwrap().into_iter().chain(["worlds".to_owned()]);
    let files: usize = folders
        .map(|folder| {
            WalkDir::new(cases::folder().join(folder)).into_iter().filter(|entry| entry.as_ref().unwrap().file_type().is_file()).count()
        })
        .sum();
    let average = files as f64 / cases as f64;
    assert!(average <= 2.8, "{files} files for {cases} cases are {average:.2} a case: which of their worlds deserves a name?");
}
