//! What the program does to files that are there already, and what it makes of those that are not what they seem.

use std::{
    io::Read as _,
    process::{Command, Stdio},
};

use super::runner::{at, call, demo, folder, run};

fn calls(count: u32) -> Vec<u8> {
    (0..count).map(|number| format!("{}\n", call(number))).collect::<String>().into_bytes()
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
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(code), ""), "{arguments:?}");
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
