//! `cargo xtask test`: runs one step after the other, then shows the summary of each runner and how long everything took beside its budget.

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

/// The steps in the order in which they run: those that fail soonest come first.
static STEPS: &[&Step] = &[&format::STEP, &lints::STEP, &runners::STEP, &documentation::STEP, &dependencies::STEP];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run only these steps
    #[arg(value_name = "STEP", value_parser = clap::builder::PossibleValuesParser::new(STEPS.iter().map(|step| {
        clap::builder::PossibleValue::new(step.name).help(step.what)
    })))]
    steps: Vec<String>,
}

/// Runs every step, also after one that failed, so that one run shows everything that is wrong.
pub(crate) fn run(args: &Args) -> ExitCode {
    let wanted = |step: &&&Step| args.steps.is_empty() || args.steps.iter().any(|name| name == step.name);
    let mut outcomes = Vec::new();
    for step in STEPS.iter().filter(wanted) {
        println!("\n== {}: {}", step.name, step.what);
        let start = Instant::now();
        let run = (step.run)().unwrap_or_else(|error| Run { passed: false, kept: vec![format!("{error:#}")] });
        outcomes.push((*step, run, start.elapsed()));
    }
    println!("\n== summary");
    for (step, run, took) in &outcomes {
        sum_up(step, run, *took);
    }
    let whole: Duration = outcomes.iter().map(|(_, _, took)| *took).sum();
    println!("{}", budget::WHOLE.sentence("all steps", whole));
    let passed = outcomes.iter().all(|(_, run, _)| run.passed) && budget::WHOLE.holds(whole);
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns a function that picks the lines with this start.
fn starting_with(start: &'static str) -> impl Fn(&str) -> Option<String> {
    move |line| line.starts_with(start).then(|| line.to_owned())
}

fn sum_up(step: &Step, run: &Run, took: Duration) {
    println!("{:<4} {}", if run.passed { "ok" } else { "FAIL" }, budget::of_step(step.name).sentence(step.name, took));
    for line in &run.kept {
        println!("       {line}");
    }
}
