//! `cargo xtask mutants`: changes the code that decides in small ways, one at a time, and counts which changes the tests notice.
//!
//! cargo-mutants makes the changes. Trying all of them takes days, so this tries a random sample, or those in lines that a branch changed.
//! It works on a copy of the tree below `target/mutants`, whose builds stay there: each mutant costs an incremental build and the tests,
//! and the tree can be worked on meanwhile. A mutant meets the tests of `audit-core` first, and those of the command line only if it
//! survives them.

mod copy;
mod outcome;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};

use crate::{
    command::{cargo, must_pass, root, target},
    tools,
};
use outcome::{Mutant, Outcome, Tally};

/// Where the code that decides is, in the tree. Left out of `shared/core` are the parts that read bytes and JSON into records: they have
/// property tests, and most of what could be changed in them is about speed.
const DECIDING: &str = "shared/core/src/**/*.rs";
const LEFT_OUT: &[&str] = &["shared/core/src/cloudtrail/**", "shared/core/src/json.rs", "shared/core/src/parallel.rs"];

/// The tests that a mutant meets, in this order: cheap ones first.
const STAGES: &[Stage] = &[
    Stage { package: "audit-core", tests: &["--lib", "--test", "*"] },
    Stage { package: "guardrail-audit", tests: &["--test", "cases", "--test", "cli"] },
];

/// The tests of one package.
struct Stage {
    package: &'static str,
    /// What `cargo test` is told to run.
    tests: &'static [&'static str],
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many mutants to try
    #[arg(long, value_name = "N", default_value_t = 25)]
    sample: usize,

    /// Which ones: the same seed picks the same mutants of the same tree
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    /// Only mutants of lines that differ from this commit
    #[arg(long, value_name = "REF")]
    in_diff: Option<String>,

    /// Only mutants whose name contains this, for example `policy/lint`
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// The tool, and the copy that it works on.
struct Bench {
    tool: PathBuf,
    tree: PathBuf,
    build: PathBuf,
    output: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let home = target().join("mutants");
    let bench = Bench {
        tool: tools::from_crate("cargo-mutants", "27.1.0")?,
        tree: home.join("tree"),
        build: home.join("build"),
        output: home.clone(),
    };
    copy::update(root(), &bench.tree)?;
    let all = bench.list(args)?;
    let sample = picked(&all, args.sample, args.seed);
    eprintln!("{} of {} mutants, seed {}", sample.len(), all.len(), args.seed);
    let tally = bench.try_all(sample)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&tally.to_json(args.seed, all.len()))?);
    } else {
        print!("{tally}");
    }
    Ok(ExitCode::SUCCESS)
}

/// So many of all, by the hash of their name and the seed: a mutant that comes or goes changes nothing for the others.
fn picked(all: &[Mutant], count: usize, seed: u64) -> Vec<Mutant> {
    let rank = |mutant: &Mutant| Sha256::digest(format!("{seed} {}", mutant.name));
    let mut picked: Vec<(_, &Mutant)> = all.iter().map(|mutant| (rank(mutant), mutant)).collect();
    picked.sort();
    picked.into_iter().take(count).map(|(_, mutant)| mutant.clone()).collect()
}

impl Bench {
    /// cargo-mutants, for the mutants of files.
    fn mutants(&self, files: &str) -> Command {
        let mut command = Command::new(&self.tool);
        command.arg("mutants").arg("--dir").arg(&self.tree).current_dir(&self.tree);
        command.args(["--no-config", "--package", "audit-core", "--file", files]);
        command.args(LEFT_OUT.iter().flat_map(|left_out| ["--exclude", left_out]));
        command.env("CARGO_TARGET_DIR", &self.build).env("CARGO_PROFILE_DEV_DEBUG", "0").env("INSTA_UPDATE", "no");
        command
    }

    /// The mutants that could be tried: all, or those in lines that differ from a commit, or whose name contains a text.
    fn list(&self, args: &Args) -> anyhow::Result<Vec<Mutant>> {
        let mut all = listed(self.mutants(DECIDING))?;
        if let Some(reference) = &args.in_diff {
            let diff = Command::new("git").args(["diff", reference]).current_dir(root()).output()?;
            ensure!(diff.status.success(), "`git diff {reference}` failed");
            let file = self.output.join("in.diff");
            std::fs::write(&file, diff.stdout)?;
            let mut command = self.mutants(DECIDING);
            command.arg("--in-diff").arg(file);
            let changed: BTreeSet<String> = listed(command)?.into_iter().map(|mutant| mutant.name).collect();
            all.retain(|mutant| changed.contains(&mutant.name));
        }
        all.retain(|mutant| args.only.as_ref().is_none_or(|only| mutant.name.contains(only)));
        Ok(all)
    }

    /// Tries mutants at one stage after the other; what a stage doesn't notice goes on to the next.
    fn try_all(&self, sample: Vec<Mutant>) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        let mut left = sample;
        for stage in STAGES {
            if left.is_empty() {
                break;
            }
            let limit = self.baseline(stage)?;
            let outcomes = self.try_at(stage, &left, limit)?;
            left = tally.take(left, &outcomes);
        }
        tally.missed = left;
        Ok(tally)
    }

    /// Runs the tests of a stage without a mutant: they must pass, or every mutant would seem to be noticed. Gives the time that a run
    /// may take before it counts as one that never ends.
    fn baseline(&self, stage: &Stage) -> anyhow::Result<Duration> {
        let command = || {
            let mut command = cargo();
            command.current_dir(&self.tree).args(["test", "--quiet", "--package", stage.package]).args(stage.tests);
            command.env("CARGO_TARGET_DIR", &self.build).env("CARGO_PROFILE_DEV_DEBUG", "0").env("INSTA_UPDATE", "no");
            command.stdout(std::process::Stdio::null());
            command
        };
        must_pass(command().arg("--no-run"))?;
        let start = Instant::now();
        must_pass(&mut command())?;
        Ok(Duration::from_mins(1) + 5 * start.elapsed())
    }

    /// Tries mutants, each by a run of its own: of its file the one shard that holds nothing else. By `--re` cargo-mutants would try all
    /// deletions of a struct's fields besides, which it doesn't select by name.
    fn try_at(&self, stage: &Stage, mutants: &[Mutant], limit: Duration) -> anyhow::Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for mutant in mutants {
            let of_file = listed(self.mutants(&mutant.file))?;
            let number = of_file.iter().position(|listed| listed == mutant).with_context(|| format!("{} is not listed", mutant.name))?;
            let mut command = self.mutants(&mutant.file);
            command.args(["--in-place", "--baseline", "skip", "--no-shuffle", "--colors", "never", "--test-package", stage.package]);
            command.args(["--sharding", "round-robin", "--shard"]).arg(format!("{number}/{}", of_file.len()));
            command.arg("--timeout").arg(limit.as_secs().to_string()).arg("--output").arg(&self.output).arg("--").args(stage.tests);
            command.stdout(std::io::stderr());
            // It fails where the mutant is missed: what it writes down tells more.
            command.status().context("failed to start cargo-mutants")?;
            outcomes.extend(outcome::read(&self.output.join("mutants.out/outcomes.json"))?);
        }
        Ok(outcomes)
    }
}

fn listed(mut command: Command) -> anyhow::Result<Vec<Mutant>> {
    let listed = command.args(["--list", "--json"]).output().context("failed to start cargo-mutants")?;
    ensure!(listed.status.success(), "cargo-mutants lists nothing: {}", String::from_utf8_lossy(&listed.stderr));
    Ok(serde_json::from_slice(&listed.stdout)?)
}
