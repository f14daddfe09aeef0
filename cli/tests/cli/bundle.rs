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
    let audit = run(&["audit", &demo("AWSLogs"), "--world", &demo("world"), "--store", &store, "--fail-on", "never", "--quiet"]);
    assert_eq!(audit.code, 0, "{}", audit.stderr);
    let report = run(&["report", "--store", &store, "--bundle", &path, "--format", "json", "--fail-on", "never"]);
    let digest = report.stderr.split_whitespace().find(|word| word.len() > 63).unwrap().trim_matches(';').to_owned();
    let whole = files(&path);
    let json: Value = serde_json::from_slice(&whole["report.json"]).unwrap();
    assert_eq!(json["findings"], report.json()["findings"]);
    let page = String::from_utf8(whole["report.html"].clone()).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert_eq!(whole["world/organization.json"], std::fs::read(format!("{}/organization.json", demo("world"))).unwrap());
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
