//! How the program treats files that exist already, and files whose content isn't what their name promises.

use std::{
    io::Read as _,
    process::{Command, Stdio},
};

use super::runner::{at, call, demo, folder, run};

fn calls(count: u32) -> Vec<u8> {
    (0..count).flat_map(|number| format!("{}\n", call(number)).into_bytes()).collect()
}

#[cfg(unix)]
#[test]
fn what_output_names_stays_what_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder(&[("log.json", &calls(1)), ("real.json", b"old"), ("kept.json", b"old"), ("other", b"")]);
    let mode = |name: &str| std::fs::metadata(at(&folder, name)).unwrap().permissions().mode() & 0o777;
    std::fs::set_permissions(at(&folder, "kept.json"), std::fs::Permissions::from_mode(0o640)).unwrap();
    for (link, to) in [("link.json", "real.json"), ("dangling.json", "new.json")] {
        std::os::unix::fs::symlink(to, at(&folder, link)).unwrap();
    }
    assert!(Command::new("mkfifo").arg(at(&folder, "fifo")).status().unwrap().success());
    let reader = std::thread::spawn({
        let fifo = at(&folder, "fifo");
        move || std::fs::read_to_string(fifo).unwrap()
    });
    let (log, expected) = (at(&folder, "log.json"), |text: &str| text.contains("\"schema_version\": 1"));
    for name in ["link.json", "dangling.json", "kept.json", "fifo", "fresh.json"] {
        let ran = run(&["audit", &log, "--format", "json", "--fail-on", "never", "--quiet", "-o", &at(&folder, name)]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{name}: {}", ran.stderr);
    }
    for name in ["real.json", "new.json", "kept.json", "fresh.json"] {
        assert!(expected(&std::fs::read_to_string(at(&folder, name)).unwrap()), "{name}");
    }
    assert!(expected(&reader.join().unwrap()), "a FIFO is written into");
    for link in ["link.json", "dangling.json"] {
        assert!(std::fs::symlink_metadata(at(&folder, link)).unwrap().is_symlink(), "{link}");
    }
    assert_eq!((mode("kept.json"), mode("fresh.json")), (0o640, mode("other")), "kept, or as any new file has it");
    let stdout = run(&["audit", &log, "--format", "json", "--fail-on", "never", "--quiet", "-o", "-"]);
    assert!(expected(&stdout.stdout));
    let into_folder = run(&["audit", &log, "-o", &folder.path().display().to_string()]);
    assert_eq!((into_folder.code, folder.path().is_dir()), (1, true), "{}", into_folder.stderr);
}

#[test]
fn a_reader_that_has_read_enough_does_not_change_how_it_ends() {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    let audit = ["audit", &logs, "--world", &world, "--now", super::runner::NOW, "--quiet"];
    let with = |format: &'static str| [&audit[..], &["--format", format]].concat();
    for (arguments, code) in [(with("table"), 3), (with("csv"), 3), (with("json"), 3), (vec!["completions", "bash"], 0), (vec!["man"], 0)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_guardrail-audit"));
        let mut child = command.args(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut printed = String::new();
        child.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
        assert_eq!((child.wait().unwrap().code(), printed.as_str()), (Some(code), ""), "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_named_itself_is_read_whatever_it_is() {
    let folder = folder(&[("log.json", &calls(3))]);
    assert!(Command::new("mkfifo").arg(at(&folder, "fifo")).status().unwrap().success());
    let writer = std::thread::spawn({
        let (fifo, log) = (at(&folder, "fifo"), calls(3));
        move || std::fs::write(fifo, log).unwrap()
    });
    let report = run(&["audit", &at(&folder, "fifo"), "--format", "json", "--fail-on", "never", "--quiet"]).json();
    writer.join().unwrap();
    assert_eq!(report["records"]["judged"], 3);
    let by_device = super::runner::run_with(calls(2), &["audit", "/dev/stdin", "--format", "json", "--fail-on", "never", "--quiet"]);
    assert_eq!(by_device.json()["records"]["judged"], 2);
}

#[cfg(unix)]
#[test]
fn what_is_broken_in_a_folder_is_counted_and_the_rest_is_read() {
    let folder = folder(&[("logs/a.json", &calls(2))]);
    std::os::unix::fs::symlink("nowhere", at(&folder, "logs/gone.json")).unwrap();
    std::os::unix::fs::symlink(".", at(&folder, "logs/loop")).unwrap();
    let store = at(&folder, "s.db");
    for arguments in [&[][..], &["--store", &store], &["--store", &store]] {
        let logs = at(&folder, "logs");
        let fixed = ["audit", &logs, "--format", "json", "--fail-on", "never", "--quiet", "--strict"];
        let ran = run(&[&fixed[..], arguments].concat());
        let report = ran.json();
        assert_eq!((ran.code, &report["records"]["judged"], &report["records"]["unreadable"]), (4, &2.into(), &2.into()));
        let files: Vec<&str> = report["unreadable"].as_array().unwrap().iter().map(|problem| problem["file"].as_str().unwrap()).collect();
        assert!(files.iter().any(|file| file.ends_with("gone.json")) && files.iter().any(|file| file.ends_with("loop")), "{files:?}");
    }
    assert_eq!(run(&["audit", &at(&folder, "missing")]).code, 1);
}

#[test]
fn a_demo_never_overwrites_what_is_somebody_elses() {
    let theirs = folder(&[("findings.db", b"mine"), ("guardrail-audit.toml", b"mine"), ("world/organization.json", b"mine")]);
    let ran = run(&["demo", "--dir", &theirs.path().display().to_string()]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert_eq!(std::fs::read(at(&theirs, "world/organization.json")).unwrap(), b"mine");
    let empty = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let ran = run(&["demo", "--dir", &empty.path().display().to_string(), "--quiet"]);
        assert_eq!(ran.code, 0, "a demo may be made again: {}", ran.stderr);
    }
}

#[test]
fn a_file_that_is_no_store_is_left_as_it_is() {
    let folder = folder(&[("empty.db", b"")]);
    let store = at(&folder, "empty.db");
    for arguments in [&["report", "--store", &store][..], &["findings", "list", "--store", &store], &["explain", "abc", "--store", &store]]
    {
        let ran = run(arguments);
        assert!(ran.code == 1 && ran.stderr.contains("not a store"), "{}", ran.shown());
    }
    assert_eq!(std::fs::metadata(&store).unwrap().len(), 0);
}

/// A world that covers the account of [`call`].
const COVERED: &[(&str, &[u8])] = &[
    (
        "world/effective-policies/222233334444.json",
        br#"{"EffectivePolicy": {"TargetId": "222233334444", "PolicyType": "BEDROCK_POLICY", "PolicyContent":
            "{\"bedrock\": {\"guardrail_inference\": {\"us-east-1\": {\"c\": {\"identifier\": \"arn:aws:bedrock:us-east-1:111122223333:guardrail/org:1\"}}}}}"}}"#,
    ),
    ("world/enforced-configurations/222233334444/us-east-1.json", br#"{"guardrailsConfig": []}"#),
    ("world/telemetry/222233334444/us-east-1.json", br#"{"IsLogging": true, "EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": true}]}"#),
];

#[test]
fn a_file_of_the_world_that_can_not_be_read_never_reads_as_a_pass() {
    let of_another = COVERED[0].1.to_vec();
    let of_another = String::from_utf8(of_another).unwrap();
    let policy = "world/effective-policies/222233334444@20261119T000000Z.json";
    for (file, content) in [
        (policy, "{".to_owned()),
        (policy, String::new()),
        (policy, "{}".to_owned()),
        (policy, r#"{"EffectivePolicy": {"PolicyContent": "[]"}}"#.to_owned()),
        (policy, of_another.replace("222233334444", "333344445555")),
        (policy, of_another.replace("BEDROCK_POLICY", "TAG_POLICY")),
    ] {
        let folder = folder(&[COVERED, &[("log.json", &calls(2)), (file, content.as_bytes())]].concat());
        let (log, world, store) = (at(&folder, "log.json"), at(&folder, "world"), at(&folder, "s.db"));
        let audit = |more: &[&str]| {
            run(&[&["audit", &log, "--world", &world, "--format", "json", "--fail-on", "never", "--strict", "--quiet"], more].concat())
        };
        let from_store = || run(&["report", "--store", &store, "--format", "json", "--fail-on", "never", "--strict"]);
        for ran in [audit(&[]), audit(&["--store", &store]), from_store()] {
            let report = ran.json();
            assert_eq!(ran.code, 4, "{content}");
            assert_eq!(report["invocations"]["not_provable"], 2, "{content}: {}", report["invocations"]);
            assert!(report["blind"].as_array().unwrap().iter().any(|row| row["missing"] == "effective_policy"), "{content}");
            let unreadable = report["unreadable"].as_array().unwrap();
            assert!(unreadable.len() == 1 && unreadable[0]["file"].as_str().unwrap().ends_with("@20261119T000000Z.json"), "{unreadable:?}");
            assert_eq!(report["records"]["unreadable"], 0, "it is no record");
        }
    }
    let folder = folder(&[COVERED, &[("log.json", &calls(2)), ("world/nonsense/x.json", b"{}")]].concat());
    let ran = run(&["audit", &at(&folder, "log.json"), "--world", &at(&folder, "world"), "--format", "json", "--strict", "--quiet"]);
    assert_eq!((ran.code, ran.json()["unreadable"].as_array().unwrap().len()), (4, 1));
}

#[test]
fn a_world_with_a_byte_order_mark_is_read() {
    let marked: Vec<(&str, Vec<u8>)> = COVERED.iter().map(|(path, json)| (*path, [b"\xef\xbb\xbf", *json].concat())).collect();
    let files: Vec<(&str, &[u8])> = marked.iter().map(|(path, json)| (*path, json.as_slice())).collect();
    let log = calls(2);
    let folder = folder(&[&files[..], &[("log.json", log.as_slice())]].concat());
    let ran = run(&["audit", &at(&folder, "log.json"), "--world", &at(&folder, "world"), "--format", "json"]);
    assert_eq!((ran.json()["invocations"]["compliant"].as_u64(), ran.stderr.as_str()), (Some(2), ""));
}

#[test]
fn a_world_in_utf_16_is_read() {
    let wide = |json: &[u8]| -> Vec<u8> {
        let text = format!("\u{feff}{}", std::str::from_utf8(json).unwrap());
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let wide: Vec<(&str, Vec<u8>)> = COVERED.iter().map(|(path, json)| (*path, wide(json))).collect();
    let files: Vec<(&str, &[u8])> = wide.iter().map(|(path, json)| (*path, json.as_slice())).collect();
    let log = calls(2);
    let folder = folder(&[&files[..], &[("log.json", log.as_slice())]].concat());
    let ran = run(&["audit", &at(&folder, "log.json"), "--world", &at(&folder, "world"), "--format", "json"]);
    assert_eq!((ran.json()["invocations"]["compliant"].as_u64(), ran.stderr.as_str()), (Some(2), ""));
}

#[test]
fn a_second_file_without_a_time_is_said_to_replace_the_first() {
    let folder = folder(
        &[COVERED, &[("log.json", &calls(1)), ("later/effective-policies/222233334444.json", br#"{"EffectivePolicy": null}"#)]].concat(),
    );
    let (log, store) = (at(&folder, "log.json"), at(&folder, "s.db"));
    let with = |world: &str| run(&["audit", &log, "--world", &at(&folder, world), "--store", &store, "--fail-on", "never"]);
    assert_eq!((with("world").stderr.as_str(), with("world").stderr.as_str()), ("", ""), "the same files again are no news");
    assert!(with("later").stderr.contains("effective-policies/222233334444.json: says something else"));
}

/// The names in a folder, those of hidden files, too.
fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn no_result_is_written_over_what_it_rests_on() {
    let config = b"administrators = [\"arn:aws:iam::111122223333:role/admin\"]";
    let folder = folder(&[("log.json", &calls(1)), ("c.toml", config), ("p.json", b"{}")]);
    let (store, log, config) = (at(&folder, "s.db"), at(&folder, "log.json"), at(&folder, "c.toml"));
    let policy = at(&folder, "p.json");
    // Nothing is there yet, and yet the two would be one file.
    let new = run(&["audit", &log, "--store", &store, "-o", &at(&folder, "./s.db")]);
    assert!(new.code == 2 && new.stderr.contains("--output would overwrite the store"), "{}", new.shown());
    assert!(!std::path::Path::new(&store).exists());
    assert_eq!(run(&["audit", &log, "--store", &store, "--fail-on", "never"]).code, 0);
    let linked = at(&folder, "linked");
    #[cfg(unix)]
    std::os::unix::fs::symlink("s.db", &linked).unwrap();
    #[cfg(not(unix))]
    let linked = store.clone();
    let kept = [&store, &log, &config, &policy].map(|path| std::fs::read(path).unwrap());
    let other = at(&folder, "other");
    for (arguments, says) in [
        (&["report", "--store", &store, "-o", &store][..], "--output would overwrite the store"),
        (&["report", "--store", &store, "-o", &linked], "--output would overwrite the store"),
        (&["report", "--store", &store, "--bundle", &store], "--bundle would overwrite the store"),
        (&["report", "--store", &store, "-o", &other, "--bundle", &other], "--bundle would overwrite what --output writes"),
        (&["report", "--store", &store, "--bundle", "-"], "--bundle needs the name of a file"),
        (&["findings", "list", "--store", &store, "-o", &store], "--output would overwrite the store"),
        (&["audit", &log, "-o", &log], "--output would overwrite the input"),
        (&["audit", &log, "--config", &config, "-o", &config], "--output would overwrite the configuration"),
        (&["simulate", "--store", &store, "--policy", &policy, "--attach", "r-ab12", "-o", &policy], "--output would overwrite the policy"),
        (&["policy", "lint", &policy, "-o", &policy], "--output would overwrite the policy"),
        (&["exceptions", "check", "--config", &config, "-o", &config], "--output would overwrite the configuration"),
    ] {
        let ran = run(arguments);
        assert!(ran.code == 2 && ran.stderr.contains(says) && ran.stdout.is_empty(), "{arguments:?}: {}", ran.shown());
    }
    assert_eq!([&store, &log, &config, &policy].map(|path| std::fs::read(path).unwrap()), kept);
    assert!(!std::path::Path::new(&other).exists() && !std::path::Path::new("-").exists());
    // A report beside the store, and one on standard output, are nothing else's file.
    assert_eq!(run(&["report", "--store", &store, "-o", &other, "--fail-on", "never"]).code, 0);
    assert_eq!(run(&["report", "--store", &store, "-o", "-", "--fail-on", "never"]).code, 0);
}

#[test]
fn errors_name_what_the_user_gave_and_why_it_fails() {
    let folder = folder(&[("log.json", &calls(1)), ("text.db", b"some text, and no database at all"), ("sub/x", b"")]);
    let path = |name: &str| at(&folder, name);
    run(&["audit", &path("log.json"), "--store", &path("s.db")]);
    for (arguments, says) in [
        (&["audit", &path("nosuch")][..], format!("failed to read `{}`: there is no such file or folder", path("nosuch"))),
        (
            &["report", "--store", &path("nosuch.db")],
            format!("failed to open the store `{}`: there is no such file; `audit --store` makes one", path("nosuch.db")),
        ),
        (
            &["report", "--store", &path("text.db")],
            format!("failed to open the store `{}`: not a store: the file is no SQLite database", path("text.db")),
        ),
        (&["report", "--store", &path("sub")], format!("failed to open the store `{}`: it is a folder: name a file", path("sub"))),
        (
            &["audit", &path("log.json"), "--store", &path("gone/s.db")],
            format!("failed to use the store `{}`: there is no folder `{}`", path("gone/s.db"), path("gone")),
        ),
        (
            &["report", "--store", &path("s.db"), "-o", &path("gone/r.txt")],
            format!("failed to write `{}`: there is no folder `{}`", path("gone/r.txt"), path("gone")),
        ),
        (
            &["report", "--store", &path("s.db"), "-o", &path("sub")],
            format!("failed to write `{}`: it is a folder: name a file in it", path("sub")),
        ),
        (
            &["report", "--store", &path("s.db"), "--bundle", &path("gone/b.zip")],
            format!("failed to write the bundle `{}`: there is no folder `{}`", path("gone/b.zip"), path("gone")),
        ),
    ] {
        let ran = run(&[arguments, &["--quiet"]].concat());
        assert_eq!((ran.code, ran.stderr.trim_end()), (1, format!("error: {says}").as_str()), "{arguments:?}");
    }
    assert_eq!(names(&folder), ["log.json", "s.db", "sub", "text.db"]);
}
