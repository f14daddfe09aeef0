//! Runs the compiled tests with a mutant.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use nix::{
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, killpg},
    },
    unistd::Pid,
};

use super::{compile::TestProgram, switch};

/// Bytes of address space for each test program: a mutant that never stops to collect ends there, and not the machine.
const MEMORY: u64 = 8 << 30;

/// The tests that compare times. On a busy machine they can fail without a reason, and a mutant would seem to be noticed.
const TIMED: &str = "growth";

/// The tests, those that take the least time first.
pub(super) struct Trial {
    tests: Vec<(TestProgram, Duration)>,
}

impl Trial {
    /// Runs all tests without a mutant: they must pass, or every mutant would seem to be noticed.
    pub(super) fn prepare(tests: Vec<TestProgram>) -> anyhow::Result<Self> {
        let (_, most) = getrlimit(Resource::RLIMIT_AS)?;
        setrlimit(Resource::RLIMIT_AS, MEMORY.min(most), most)?;
        let mut timed = Vec::new();
        for test in tests {
            let start = Instant::now();
            ensure!(passes(&test, None, Duration::from_hours(1))?, "without a mutant, these tests fail: {}", test.program.display());
            eprintln!("{} s without a mutant: {}", start.elapsed().as_secs(), test.name);
            timed.push((test, start.elapsed()));
        }
        timed.sort_by_key(|(_, taken)| *taken);
        Ok(Trial { tests: timed })
    }

    /// The name of the first tests that notice a mutant. What takes five times as long as without it is taken for a loop without end.
    pub(super) fn noticed_by(&self, mutant: usize) -> anyhow::Result<Option<&str>> {
        for (test, taken) in &self.tests {
            if !passes(test, Some(mutant), Duration::from_secs(20) + 5 * *taken)? {
                return Ok(Some(&test.name));
            }
        }
        Ok(None)
    }
}

/// Whether all tests of a program pass in time. The first one that fails ends the run.
fn passes(test: &TestProgram, mutant: Option<usize>, limit: Duration) -> anyhow::Result<bool> {
    let end = Instant::now() + limit;
    let mut command = Command::new(&test.program);
    command.args(["--skip", TIMED]).current_dir(&test.folder).env("CARGO_MANIFEST_DIR", &test.folder).env("INSTA_UPDATE", "no");
    // A property that fails has failed, by whichever example.
    command.env("PROPTEST_MAX_SHRINK_ITERS", "0").env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
    command.envs(mutant.map(|number| (switch::ACTIVE, number.to_string())));
    // In a group of its own, so that the programs which it started end with it.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().with_context(|| format!("failed to start {}", test.name))?;
    if watch(&mut child, end)? {
        return Ok(child.wait()?.success());
    }
    killpg(Pid::from_raw(child.id().try_into()?), Signal::SIGKILL)?;
    child.wait()?;
    Ok(false)
}

/// Reads what a test program prints until it ends, or a test fails, or the time is over; returns whether it ended by itself.
fn watch(child: &mut Child, end: Instant) -> anyhow::Result<bool> {
    let out = child.stdout.take().context("the output is piped")?;
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) if line.starts_with("test ") && line.ends_with("FAILED") => return Ok(false),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return Ok(false),
            Err(RecvTimeoutError::Disconnected) => return Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn program(script: &str, limit: Duration) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("tests");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let test = TestProgram { name: "tests".to_owned(), program, folder: folder.path().to_owned() };
        passes(&test, Some(7), limit).unwrap()
    }

    #[test]
    fn a_mutant_is_noticed_by_a_failure_or_by_a_run_without_end() {
        let minute = Duration::from_mins(1);
        assert!(program("echo test a ... ok; test $ACTIVE_MUTANT = 7", minute));
        assert!(!program("test $ACTIVE_MUTANT = 8", minute), "by the exit code");
        assert!(!program("echo test a ... FAILED; sleep 3600", minute), "by the first that fails");
        assert!(!program("sleep 3600", Duration::from_millis(50)), "by the time");
    }
}
