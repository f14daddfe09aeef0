//! Compiles all tests, then runs them side by side: those of the product as it is deployed, in lanes of their own, and the rest.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Mutex,
    time::Duration,
};

use anyhow::Context as _;
use serde::Deserialize;

use super::{FEATURES, Step, budget, in_parallel, starting_with};
use crate::command::{Run, cargo, run};

/// The package of the tests that deploy the product and use it. They wait for engines and other programs, and leave a processor idle.
const END_TO_END: &str = "end-to-end";

/// The suites of that package that run at the same time.
const LANES: usize = 2;

pub(super) static COMPILE: Step = Step {
    name: "compile",
    what: "the tests and all that they run",
    // `cargo test --no-run` would leave the programs of functions to the tests that start them, where others wait for cargo meanwhile.
    run: || run(of_workspace("build").args(["--bins", "--tests"]), starting_with("error")),
};

pub(super) static STEP: Step = Step {
    name: "tests",
    what: "unit, table, property, snapshot and documentation tests",
    run: || {
        let names = tested("test")?.into_iter().filter(|suite| suite.package != END_TO_END).map(|suite| suite.name);
        // `--bins` would compile and run tests of programs that have none, too.
        let programs: Vec<_> = tested("bin")?.into_iter().map(|program| format!("--bin={}", program.name)).collect();
        let units: Vec<_> = std::iter::once("--lib").chain(programs.iter().map(String::as_str)).collect();
        let tests = run_suites(&units, names)?;
        let examples = run_suites(&["--doc"], std::iter::empty())?;
        Ok(together([tests, examples]))
    },
};

pub(super) static DEPLOYED: Step = Step {
    name: END_TO_END,
    what: "tests of templates, policies, documents and the deployed stack",
    run: || {
        let suites = tested("test")?.into_iter().filter(|suite| suite.package == END_TO_END);
        let mut names: Vec<_> = suites.map(|suite| suite.name).collect();
        // Those that may take longest come first, so that no lane is left with a long one at the end.
        names.sort_by_key(|name| Reverse(budget::of_suite(name)));
        let waiting = Mutex::new(names.into_iter());
        let lane = || -> anyhow::Result<BTreeMap<_, _>> {
            let next = || waiting.lock().ok()?.next();
            std::iter::from_fn(next).map(|name| Ok((name.clone(), run_suites(&[], [name])?))).collect()
        };
        let mut runs = BTreeMap::new();
        for of_lane in in_parallel(vec![lane; LANES]) {
            runs.extend(of_lane?);
        }
        Ok(together(runs.into_values()))
    },
};

/// A subcommand of cargo for everything. Whatever runs selects by targets, never by packages: the packages decide on features of dependencies, and so
/// on what is compiled.
fn of_workspace(subcommand: &str) -> std::process::Command {
    let mut command = cargo();
    command.args([subcommand, "--workspace", "--features", FEATURES, "--locked"]);
    command
}

/// A program with tests. Of the kind `test` it is a file of tests, or a folder of them.
struct Suite {
    package: String,
    name: String,
}

/// All programs of the workspace that are of this kind of cargo's and have tests.
fn tested(kind: &str) -> anyhow::Result<Vec<Suite>> {
    #[derive(Deserialize)]
    struct Workspace {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        targets: Vec<Target>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
        kind: Vec<String>,
        test: bool,
    }
    let output = cargo().args(["metadata", "--no-deps", "--format-version", "1", "--locked"]).output()?;
    let workspace: Workspace = serde_json::from_slice(&output.stdout).context("failed to read what `cargo metadata` printed")?;
    let of_package = |package: Package| {
        let tests = package.targets.into_iter().filter(|target| target.test && target.kind.iter().any(|of| of == kind));
        tests.map(move |target| Suite { package: package.name.clone(), name: target.name })
    };
    Ok(workspace.packages.into_iter().flat_map(of_package).collect())
}

/// Runs targets and suites, and keeps the result of each and the tests that failed.
fn run_suites(targets: &[&str], suites: impl IntoIterator<Item = String>) -> anyhow::Result<(Run, Totals)> {
    let mut command = of_workspace("test");
    // A snapshot that differs fails the test and leaves no file behind.
    command.env("INSTA_UPDATE", "no").arg("--no-fail-fast").args(targets);
    // Suites of two packages can have one name, which selects both.
    let names: BTreeSet<String> = suites.into_iter().collect();
    command.args(names.into_iter().flat_map(|name| ["--test".to_owned(), name]));
    let (mut runner, mut totals) = (String::new(), Totals::default());
    let run = run(&mut command, |line| {
        let line = without_colours(line);
        if let Some(name) = runner_in(&line) {
            runner = name;
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            totals.add_result(result);
            let over = finished_in(result).and_then(|took| budget::of_suite(&runner).exceeded_by(took));
            return Some(format!("{runner}: {result}{}", over.unwrap_or_default()));
        }
        (line.starts_with("test ") && line.ends_with(" FAILED") || line.starts_with("error")).then_some(line)
    })?;
    Ok((run, totals))
}

/// Several runs as one, with their totals as its last line.
fn together(runs: impl IntoIterator<Item = (Run, Totals)>) -> Run {
    let (mut all, mut totals) = (Run { passed: true, kept: Vec::new() }, Totals::default());
    for (run, more) in runs {
        all.passed &= run.passed;
        all.kept.extend(run.kept);
        totals.add(&more);
    }
    all.kept.push(totals.to_string());
    all
}

/// Returns the name of the runner in `     Running unittests src/lib.rs (target/debug/deps/audit_core-0123456789abcdef)` or `   Doc-tests
/// audit_core`.
fn runner_in(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(running) = line.strip_prefix("Running ") {
        let (kind, program) = running.split_once(" (")?;
        let program = program.trim_end_matches(')').rsplit('/').next()?;
        let program = program.rsplit_once('-').map_or(program, |(name, _)| name);
        return Some(if kind.starts_with("unittests") { format!("{program}, unit tests") } else { program.to_owned() });
    }
    line.strip_prefix("Doc-tests ").map(|name| format!("{name}, documentation tests"))
}

/// Returns the time in a runner's result: `…; finished in 12.34s`.
fn finished_in(result: &str) -> Option<Duration> {
    let (_, seconds) = result.rsplit_once("finished in ")?;
    seconds.trim().trim_end_matches('s').parse().ok().map(Duration::from_secs_f64)
}

fn without_colours(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[derive(Default)]
struct Totals {
    runners: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Totals {
    /// Adds a result: `ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s`.
    fn add_result(&mut self, result: &str) {
        self.runners += 1;
        for part in result.split([';', '.']) {
            let Some((count, what)) = part.trim().split_once(' ') else { continue };
            let count = count.parse::<u64>().unwrap_or(0);
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }

    fn add(&mut self, other: &Totals) {
        self.runners += other.runners;
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { runners, passed, failed, ignored } = self;
        write!(f, "{runners} runners: {passed} passed, {failed} failed, {ignored} ignored")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_runners_are_understood() {
        let running = "\x1b[1m\x1b[32m     Running\x1b[0m unittests src/lib.rs (target/debug/deps/audit_core-3f6d2a4d1c0b9e8f)";
        assert_eq!(runner_in(&without_colours(running)).as_deref(), Some("audit_core, unit tests"));
        let cases = "     Running tests/cases.rs (/tmp/t/debug/deps/cases-3f6d2a4d1c0b9e8f)";
        assert_eq!(runner_in(cases).as_deref(), Some("cases"));
        assert_eq!(runner_in("   Doc-tests audit_core").as_deref(), Some("audit_core, documentation tests"));
        assert_eq!(runner_in("   Compiling xtask v0.1.0"), None);
        assert_eq!(finished_in("ok. 12 passed; 0 failed; finished in 12.34s"), Some(Duration::from_millis(12_340)));
        assert_eq!(finished_in("ok. 12 passed"), None);
        let mut totals = Totals::default();
        totals.add_result("FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        totals.add_result("ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 12.34s");
        assert_eq!(totals.to_string(), "2 runners: 17 passed, 3 failed, 1 ignored");
    }
}
