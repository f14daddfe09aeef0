//! `cargo xtask mutants`: changes the code that decides in small ways, and counts which changes the tests notice.
//!
//! cargo-mutants lists the changes. Trying all of them takes a day, so this tries a random sample, or those in lines that a branch changed.
//! Each would take minutes if it were compiled alone: all are compiled at once instead, with a switch for each, and the tests run once for
//! each. That happens in a copy of the tree below `target/mutants`, whose build stays there; the tree can be worked on meanwhile.

mod compile;
mod copy;
mod mutant;
mod outcome;
mod switch;
mod trial;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::{
    command::{root, target},
    tools,
};
use compile::{Compiled, Regions, TestProgram};
use mutant::Mutant;
use outcome::Tally;
use trial::Trial;

/// Where the code that decides is, in the tree. Left out of `shared/core` are the parts that read bytes and JSON into records: they have
/// property tests, and most of what could be changed in them is about speed.
const DECIDING: &str = "shared/core/src/**/*.rs";
const LEFT_OUT: &[&str] = &["shared/core/src/cloudtrail/**", "shared/core/src/json.rs", "shared/core/src/parallel.rs"];

/// The root of the crate that the mutants are in.
const CRATE: &str = "shared/core/src/lib.rs";

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

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let home = target().join("mutants");
    std::fs::create_dir_all(&home)?;
    let all = listed(args, &tools::from_crate("cargo-mutants", "27.1.0")?, &home)?;
    let sample = picked(&all, args.sample, args.seed);
    eprintln!("{} of {} mutants, seed {}", sample.len(), all.len(), args.seed);
    let bench = Bench { tree: home.join("tree"), build: home.join("build") };
    let (tests, built) = bench.build(&sample)?;
    let trial = Trial::prepare(tests)?;
    let mut tally = Tally::default();
    for (number, mutant) in sample.into_iter().enumerate() {
        if built.unviable.contains(&number) {
            tally.unviable.push(mutant);
        } else if !built.numbers.contains(&number) {
            tally.constant.push(mutant);
        } else if let Some(test) = trial.noticed_by(number)? {
            eprintln!("caught by {test}: {}", mutant.name);
            tally.caught.push(mutant);
        } else {
            eprintln!("missed: {}", mutant.name);
            tally.missed.push(mutant);
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&tally.to_json(args.seed, all.len()))?);
    } else {
        print!("{tally}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The mutants that could be tried: all, or those in lines that differ from a commit, or whose name contains a text.
fn listed(args: &Args, tool: &Path, home: &Path) -> anyhow::Result<Vec<Mutant>> {
    let mut command = Command::new(tool);
    command.args(["mutants", "--list", "--json", "--no-config", "--package", "audit-core", "--file", DECIDING]).arg("--dir").arg(root());
    command.args(LEFT_OUT.iter().flat_map(|left_out| ["--exclude", left_out])).current_dir(root());
    if let Some(reference) = &args.in_diff {
        let diff = Command::new("git").args(["diff", reference]).current_dir(root()).output()?;
        ensure!(diff.status.success(), "`git diff {reference}` failed");
        let file = home.join("in.diff");
        std::fs::write(&file, diff.stdout)?;
        command.arg("--in-diff").arg(file);
    }
    let listed = command.output().context("failed to start cargo-mutants")?;
    ensure!(listed.status.success(), "cargo-mutants lists nothing: {}", String::from_utf8_lossy(&listed.stderr));
    let mut all: Vec<Mutant> = serde_json::from_slice(&listed.stdout)?;
    all.retain(|mutant| args.only.as_ref().is_none_or(|only| mutant.name.contains(only)));
    Ok(all)
}

/// Chooses a number of mutants by the hash of their name and the seed, so that one that comes or goes changes nothing for the others.
fn picked(all: &[Mutant], count: usize, seed: u64) -> Vec<Mutant> {
    let rank = |mutant: &Mutant| Sha256::digest(format!("{seed} {}", mutant.name));
    let mut picked: Vec<(_, &Mutant)> = all.iter().map(|mutant| (rank(mutant), mutant)).collect();
    picked.sort();
    picked.into_iter().take(count).map(|(_, mutant)| mutant.clone()).collect()
}

/// The copy of the tree, and where it is built.
struct Bench {
    tree: PathBuf,
    build: PathBuf,
}

/// The files of the crate with their mutants, by the mutants' place in the sample.
#[derive(Default)]
struct Built {
    files: BTreeMap<PathBuf, String>,
    regions: Regions,
    numbers: BTreeSet<usize>,
    unviable: BTreeSet<usize>,
}

impl Bench {
    /// Compiles the tests with all mutants of a sample, and again without those that the compiler rejects, until it takes the rest.
    fn build(&self, sample: &[Mutant]) -> anyhow::Result<(Vec<TestProgram>, Built)> {
        let mut unviable = BTreeSet::new();
        // The tree is read once, so that it can be worked on while this compiles.
        copy::update(root(), &self.tree)?;
        let sources = sources(&self.tree, sample)?;
        loop {
            let built = Built::of(sample, &sources, unviable)?;
            copy::rewrite(&self.tree, &built.files)?;
            eprintln!("compiling {} mutants", built.numbers.len());
            let errors = match compile::tests(&self.tree, &self.build)? {
                Compiled::Tests(tests) => return Ok((tests, built)),
                Compiled::Errors(errors) => errors,
            };
            let rejected: BTreeSet<usize> = errors.iter().flat_map(|error| error.mutants(&built.regions)).collect();
            if rejected.is_empty() {
                bail!("no mutant explains this:\n{}", errors.iter().map(compile::Error::shown).collect::<String>());
            }
            unviable = &built.unviable | &rejected;
        }
    }
}

/// The files of the crate that a sample has mutants in, and its root, as they are without mutants.
fn sources(tree: &Path, sample: &[Mutant]) -> anyhow::Result<BTreeMap<String, String>> {
    let files: BTreeSet<&str> = sample.iter().map(|mutant| mutant.file.as_str()).chain([CRATE]).collect();
    let read = |file: &str| Ok((file.to_owned(), std::fs::read_to_string(tree.join(file)).with_context(|| file.to_owned())?));
    files.into_iter().map(read).collect()
}

impl Built {
    fn of(sample: &[Mutant], sources: &BTreeMap<String, String>, unviable: BTreeSet<usize>) -> anyhow::Result<Self> {
        let mut by_file: BTreeMap<&str, Vec<(usize, &Mutant)>> = sources.keys().map(|file| (file.as_str(), Vec::new())).collect();
        for (number, mutant) in sample.iter().enumerate().filter(|(number, _)| !unviable.contains(number)) {
            by_file.entry(&mutant.file).or_default().push((number, mutant));
        }
        let mut built = Built { unviable, ..Built::default() };
        for (file, mutants) in by_file {
            let text = sources.get(file).map(String::as_str).unwrap_or_default();
            let mut switched = switch::switched(text, &mutants).with_context(|| file.to_owned())?;
            if file == CRATE {
                switched.text.push_str(switch::RUNTIME);
            }
            built.files.insert(file.into(), switched.text);
            built.regions.insert(file.into(), switched.regions);
            built.numbers.extend(switched.numbers);
            built.unviable.extend(switched.unviable);
        }
        Ok(built)
    }
}
