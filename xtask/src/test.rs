//! `cargo xtask test`: runs the steps, then shows the summary of each runner and how long everything took beside its budget.

mod budget;
mod dependencies;
mod documentation;
mod format;
mod lints;
mod runners;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use crate::command::Run;

/// Features that the command line leaves out by default and that are checked and tested: `shared/aws` compiles the same SDK anyway.
const FEATURES: &str = "guardrail-audit/aws";

/// A check that must pass.
struct Step {
    name: &'static str,
    what: &'static str,
    /// Runs the check and returns the lines that sum it up.
    run: fn() -> anyhow::Result<Run>,
}

/// The steps that run one after the other: those that fail soonest come first. They build, and cargo builds one thing at a time in a folder.
static FIRST: &[&Step] = &[&format::STEP, &dependencies::STEP, &lints::STEP, &documentation::STEP, &runners::COMPILE];

/// The steps behind [`FIRST`], which run side by side, because tests of the deployed product often wait and leave a processor idle.
static PARALLEL: [&Step; 2] = [&runners::STEP, &runners::DEPLOYED];

fn all_steps() -> impl Iterator<Item = &'static Step> {
    FIRST.iter().chain(&PARALLEL).copied()
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run only these steps
    #[arg(value_name = "STEP", value_parser = clap::builder::PossibleValuesParser::new(all_steps().map(|step| {
        clap::builder::PossibleValue::new(step.name).help(step.what)
    })))]
    steps: Vec<String>,
}

/// A step that has ended.
struct Outcome {
    step: &'static Step,
    run: Run,
    took: Duration,
}

/// Runs every step, also after one that failed, so that one run shows everything that is wrong.
pub(crate) fn run(args: &Args) -> ExitCode {
    let start = Instant::now();
    let wanted = |step: &&Step| args.steps.is_empty() || args.steps.iter().any(|name| name == step.name);
    let mut outcomes: Vec<_> = FIRST.iter().copied().filter(wanted).map(run_step).collect();
    let beside: Vec<_> = PARALLEL.into_iter().filter(wanted).map(|step| move || run_step(step)).collect();
    outcomes.extend(in_parallel(beside));
    println!("\n== summary");
    for outcome in &outcomes {
        outcome.sum_up();
    }
    let whole = start.elapsed();
    println!("{}", budget::WHOLE.sentence("all steps", whole));
    let passed = outcomes.iter().all(|outcome| outcome.run.passed) && budget::WHOLE.holds(whole);
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Calls functions side by side, and returns what they return in their order.
fn in_parallel<T: Send>(functions: Vec<impl FnOnce() -> T + Send>) -> Vec<T> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = functions.into_iter().map(|function| scope.spawn(function)).collect();
        // A thread that panics has printed why, and the panic goes on here.
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

fn run_step(step: &'static Step) -> Outcome {
    println!("\n== {}: {}", step.name, step.what);
    let start = Instant::now();
    let run = (step.run)().unwrap_or_else(|error| Run { passed: false, kept: vec![format!("{error:#}")] });
    Outcome { step, run, took: start.elapsed() }
}

/// Returns a function that picks the lines with this start.
fn starting_with(start: &'static str) -> impl Fn(&str) -> Option<String> {
    move |line| line.starts_with(start).then(|| line.to_owned())
}

impl Outcome {
    fn sum_up(&self) {
        let Outcome { step, run, took } = self;
        println!("{:<4} {}", if run.passed { "ok" } else { "FAIL" }, budget::of_step(step.name).sentence(step.name, *took));
        for line in &run.kept {
            println!("       {line}");
        }
    }
}
