//! Evidence bundles.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Cursor, Read as _, Write as _},
};

use serde_json::Value;

use super::runner::{at, demo, folder, run};

/// The files of a bundle.
fn files(path: &str) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    let mut content = |name: &String| {
        let mut content = Vec::new();
        archive.by_name(name).unwrap().read_to_end(&mut content).unwrap();
        content
    };
    names.iter().map(|name| (name.clone(), content(name))).collect()
}

fn zipped(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn a_bundle_holds_what_a_report_rests_on_and_shows_what_was_altered() {
    let folder = folder(&[]);
    let (store, path) = (at(&folder, "s.db"), at(&folder, "evidence.zip"));
    let (logs, world, configuration) = (demo("AWSLogs"), demo("world"), demo("guardrail-audit.toml"));
    let audit = run(&["audit", &logs, "--world", &world, "--config", &configuration, "--store", &store, "--fail-on", "never", "--quiet"]);
    assert_eq!(audit.code, 0, "{}", audit.stderr);
    let report = run(&["report", "--store", &store, "--bundle", &path, "--format", "json", "--fail-on", "never"]);
    let digest = report.stderr.split_whitespace().find(|word| word.len() > 63).unwrap().trim_matches(';').to_owned();
    let whole = files(&path);
    let json: Value = serde_json::from_slice(&whole["report.json"]).unwrap();
    assert_eq!(json["findings"], report.json()["findings"]);
    let page = String::from_utf8(whole["report.html"].clone()).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert_eq!(whole["world/organization.json"], std::fs::read(format!("{}/organization.json", demo("world"))).unwrap());
    assert_eq!(whole["configuration.toml"], std::fs::read(&configuration).unwrap());
    let stated = &json["configuration"]["exceptions"];
    assert_eq!((&stated[0]["has_ended"], &stated[1]["has_ended"]), (&Value::from(false), &Value::from(true)), "{stated}");
    let records = String::from_utf8(whole["records.csv"].clone()).unwrap();
    for finding in json["findings"].as_array().unwrap() {
        for event in finding["events"].as_array().unwrap() {
            assert!(records.contains(event.as_str().unwrap()), "{event}");
        }
    }
    let verify = |files: &BTreeMap<String, Vec<u8>>, further: &[&str]| {
        let altered = at(&folder, "altered.zip");
        std::fs::write(&altered, zipped(files)).unwrap();
        run(&[&["bundle", "verify", &altered][..], further].concat())
    };
    assert_eq!(run(&["bundle", "verify", &path, "--manifest-sha256", &digest]).code, 0);
    assert_eq!(verify(&whole, &["--manifest-sha256", &digest]).code, 0, "packed anew, the files are the same");
    for (name, content, says) in [
        ("report.json", Some(&b"{}"[..]), "report.json: altered"),
        ("world/organization.json", None, "world/organization.json: missing"),
        ("more.txt", Some(b""), "more.txt: not in the manifest"),
    ] {
        let mut altered = whole.clone();
        match content {
            Some(content) => altered.insert(name.to_owned(), content.to_vec()),
            None => altered.remove(name),
        };
        let verified = verify(&altered, &[]);
        assert_eq!((verified.code, verified.stdout.trim()), (3, says), "{}", verified.stderr);
    }
    let mut forged = whole.clone();
    forged.get_mut("manifest.json").unwrap().push(b'\n');
    assert_eq!(verify(&forged, &[]).code, 0, "a manifest can't vouch for itself");
    assert_eq!(verify(&forged, &["--manifest-sha256", &digest]).code, 3);
    assert_eq!(verify(&BTreeMap::new(), &[]).code, 2, "a zip of something else");
}

/// The bytes of a zip in which a file has another name, of the same length, in its first `places`: before its content, and in the directory.
fn renamed(zip: &[u8], from: &str, to: &str, places: usize) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut zip = zip.to_vec();
    for _ in 0..places {
        let at = zip.windows(from.len()).position(|bytes| bytes == from.as_bytes()).unwrap();
        zip[at..at + from.len()].copy_from_slice(to.as_bytes());
    }
    zip
}

#[test]
fn a_zip_that_others_read_otherwise_is_no_whole_bundle() {
    let manifest = r#"{"schema_version": 1, "tool": "t", "generated_at": "2026-11-20T10:00:00Z", "files": {"report.json": {"bytes": 2,
        "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}}"#;
    let mut whole = BTreeMap::from([("manifest.json".to_owned(), manifest.into()), ("report.json".to_owned(), b"{}".to_vec())]);
    let zip = zipped(&whole);
    whole.insert("report.jsoN".to_owned(), b"[]".to_vec());
    let more = zipped(&whole);
    // The end of a zip counts the entries of its directory twice, and then says how many bytes these are and where they start.
    let end = |zip: &[u8]| zip.len() - 22;
    let number = |zip: &[u8], at: usize| u32::from_le_bytes(zip[at..at + 4].try_into().unwrap());
    let mut unlisted = more.clone();
    let last = end(&unlisted);
    assert_eq!((unlisted[last + 8], unlisted[last + 10]), (3, 3));
    (unlisted[last + 8], unlisted[last + 10]) = (2, 2);
    let mut uncounted = zip.clone();
    let last = end(&uncounted);
    let (bytes, starts) = (number(&uncounted, last + 12), number(&uncounted, last + 16));
    let directory = uncounted[starts as usize..last].to_vec();
    uncounted[last + 12..last + 16].copy_from_slice(&(2 * bytes).to_le_bytes());
    uncounted.splice(last..last, directory);
    let folder = folder(&[]);
    let path = at(&folder, "b.zip");
    for (what, bytes, code, says) in [
        ("as it was written", zip.clone(), 0, ""),
        ("two files of one name", renamed(&more, "report.jsoN", "report.json", 2), 3, "have one name"),
        ("a file that names itself otherwise", renamed(&zip, "report.json", "report.jsoX", 1), 3, "contradict each other"),
        ("a file that the directory doesn't count", unlisted, 3, "contradict each other"),
        ("more in the directory than it counts", uncounted, 3, "than it counts"),
        ("something before it", [b"#!/bin/sh\n", zip.as_slice()].concat(), 3, "before its first file"),
        ("something behind it", [zip.as_slice(), b"\n"].concat(), 3, "lies behind it"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let verified = run(&["bundle", "verify", &path]);
        assert!(verified.code == code && verified.stdout.contains(says), "{what}: {}", verified.shown());
    }
    std::fs::write(&path, &zip[..zip.len() / 2]).unwrap();
    let cut = run(&["bundle", "verify", &path]);
    assert!(cut.code == 1 && cut.stderr.contains("no zip, or not a whole one"), "{}", cut.shown());
}

#[cfg(target_os = "linux")]
#[test]
fn a_bundle_that_finds_no_room_says_so_and_no_more() {
    let folder = folder(&[("log.json", super::runner::call(1).to_string().as_bytes())]);
    let store = at(&folder, "s.db");
    run(&["audit", &at(&folder, "log.json"), "--store", &store]);
    // A device on which nothing finds room.
    let ran = run(&["report", "--store", &store, "--bundle", "/dev/full", "--quiet"]);
    let says = "error: failed to write the bundle `/dev/full`: No space left on device (os error 28)\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (1, says));
}
