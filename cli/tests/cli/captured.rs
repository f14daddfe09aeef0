//! Audits records that others captured in accounts of their own: `events/captured/SOURCES.md`.

use super::runner::{calls, in_repository, run};

#[test]
fn every_captured_record_is_read_and_without_a_world_none_is_compliant() {
    let folder = in_repository("events/captured");
    let files =
        std::fs::read_dir(&folder).unwrap().filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "json"));
    let ran = run(&["audit", folder.to_str().unwrap(), "--format", "json", "--quiet", "--fail-on", "never"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let report = ran.json();
    assert_eq!(report["records"]["read"], files.count(), "a record a file");
    assert_eq!(report["records"]["unreadable"], 0);
    assert_eq!((calls(&report), &report["invocations"]["not_provable"]), (1, &1.into()));
}

#[test]
fn every_captured_file_names_its_source() {
    let folder = in_repository("events/captured");
    let sources = std::fs::read_to_string(folder.join("SOURCES.md")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let in_a_range = name.starts_with("bedrock-stratus-0") && sources.contains("bedrock-stratus-03..07-");
        assert!(name == "SOURCES.md" || in_a_range || sources.contains(&name), "{name}");
    }
}
