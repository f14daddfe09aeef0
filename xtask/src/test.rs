//! `cargo xtask test`: one step after the other, then what each runner said of itself, and how long everything took beside its budget.

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

/// What the command line leaves out by default is checked and tested with it: the same SDK is compiled for `shared/aws` anyway.
const FEATURES: &str = "guardrail-audit/aws";

/// Something that must pass.
struct Step {
    name: &'static str,
    what: &'static str,
    /// Gives back the lines that sum it up.
    run: fn() -> anyhow::Result<Run>,
}

/// In the order in which they run: what fails soonest comes first.
static STEPS: &[&Step] = &[&format::STEP, &lints::STEP, &runners::STEP, &documentation::STEP, &dependencies::STEP];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run only these steps
    #[arg(value_name = "STEP", value_parser = clap::builder::PossibleValuesParser::new(STEPS.iter().map(|step| {
        clap::builder::PossibleValue::new(step.name).help(step.what)
    })))]
    steps: Vec<String>,
}

/// Runs every step, also behind one that failed, so that one run shows all that is wrong.
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

/// Picks the lines that start in a way.
fn starting_with(start: &'static str) -> impl Fn(&str) -> Option<String> {
    move |line| line.starts_with(start).then(|| line.to_owned())
}

fn sum_up(step: &Step, run: &Run, took: Duration) {
    println!("{:<4} {}", if run.passed { "ok" } else { "FAIL" }, budget::of_step(step.name).sentence(step.name, took));
    for line in &run.kept {
        println!("       {line}");
    }
}
