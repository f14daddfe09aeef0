//! `cargo xtask bench hub`: what one more batch costs the hub after days of history, and what it takes to judge an account with many calls.
//!
//! The measurements themselves are tests of `audit-aws` that only this task runs (`shared/aws/tests/performance/growth.rs`), so that this
//! program needs no SDK. Each length is measured in a process of its own, and the DynamoDB engine runs in another.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{command::cargo, cost};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one line of JSON
    #[arg(long)]
    json: bool,

    /// The days of history after which one more batch is measured
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "2,30,90")]
    days: Vec<u64>,

    /// Calls a day in the account that is measured
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    calls: u64,

    /// Calls a day in the account with many calls, of which there are two days; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    busy_calls: u64,

    /// Accounts of the organization
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    accounts: u64,

    /// How often a day is routed and folded
    #[arg(long, value_name = "N", default_value_t = 24)]
    rounds: u64,

    /// Measure an unoptimised build: its times are no figures, what it reads is the same
    #[arg(long)]
    unoptimised: bool,
}

/// What a batch took.
#[derive(Clone, Deserialize, Serialize)]
struct Used {
    read_items: u64,
    read_bytes: u64,
    read_units: f64,
    write_units: f64,
    cpu_ms: f64,
    seconds: f64,
    peak_mib: f64,
    before_mib: f64,
}

/// What a batch took in an account with many calls.
#[derive(Serialize)]
struct Busy {
    calls_a_day: u64,
    days: u64,
    #[serde(flatten)]
    used: Used,
}

/// What each kind of batch took after a number of days.
#[derive(Clone, Deserialize, Serialize)]
struct After {
    days: u64,
    #[serde(flatten)]
    calls: Used,
    with_change: Used,
    with_organization_change: Used,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let program = build(args.unoptimised)?;
    let retained = args.days.iter().map(|days| measured(&program, *days, args.calls, args)).collect::<anyhow::Result<Vec<After>>>()?;
    let busy = if args.busy_calls > 0 { Some(measured(&program, 2, args.busy_calls, args)?) } else { None };
    let idle_usd_month = cost::idle()?;
    if args.json {
        let busy = busy.map(|after| Busy { calls_a_day: args.busy_calls, days: after.days, used: after.calls });
        println!("{}", json!({"retained": retained, "busy": busy, "idle_usd_month": idle_usd_month}));
        return Ok(());
    }
    println!("one more batch of 100 calls in an account with {} calls a day, by an instance that remembers nothing", args.calls);
    println!(
        "{:<26}{:>6}{:>12}{:>14}{:>12}{:>12}{:>10}{:>11}",
        "", "days", "read items", "read bytes", "read units", "write units", "CPU ms", "peak MiB"
    );
    for after in &retained {
        line("calls", after.days, &after.calls);
        line("and a change", after.days, &after.with_change);
        line("and the organization's", after.days, &after.with_organization_change);
    }
    if let Some(busy) = &busy {
        println!("the same with {} calls a day: {:.2} s on one core", args.busy_calls, busy.calls.seconds);
        line("calls", busy.days, &busy.calls);
    }
    println!("1,000 accounts × 17 Regions, idle: {idle_usd_month:.0} USD a month (cargo xtask cost)");
    Ok(())
}

fn line(name: &str, days: u64, used: &Used) {
    println!(
        "{name:<26}{days:>6}{:>12}{:>14}{:>12.1}{:>12.1}{:>10.1}{:>11.1}",
        used.read_items, used.read_bytes, used.read_units, used.write_units, used.cpu_ms, used.peak_mib
    );
}

/// Builds the tests that measure, and returns their executable.
fn build(unoptimised: bool) -> anyhow::Result<PathBuf> {
    let mut command = cargo();
    command.args(["test", "--package", "audit-aws", "--test", "performance", "--no-run", "--locked", "--message-format", "json"]);
    if !unoptimised {
        command.arg("--release");
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the tests of audit-aws can't be built");
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let is_it = message.pointer("/target/name").is_some_and(|name| name == "performance");
        message.get("executable")?.as_str().filter(|_| is_it).map(PathBuf::from)
    });
    executable.context("cargo names no executable")
}

/// An engine, which ends with this value.
struct Engine(Child);

impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn only(program: &Path, test: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["--exact", test, "--ignored", "--nocapture"]).stdout(Stdio::piped());
    command
}

/// Measures a length.
fn measured(program: &Path, days: u64, calls: u64, args: &Args) -> anyhow::Result<After> {
    let mut engine = Engine(only(program, "growth::engine").spawn()?);
    let output = engine.0.stdout.take().context("the engine prints nothing")?;
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.find("http://").and_then(|at| line.get(at..).map(str::to_owned)));
    let address = address.context("the engine says no address")?;
    // After a minute the engine's test runner writes that it takes long. If nobody read that, it would end.
    std::thread::spawn(move || lines.for_each(drop));
    let mut command = only(program, "growth::bench");
    command.env("DYNAMODB_ENDPOINT", address);
    for (name, value) in [("DAYS", days), ("CALLS", calls), ("ACCOUNTS", args.accounts), ("ROUNDS", args.rounds)] {
        command.env(format!("BENCH_{name}"), value.to_string());
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the measurement of {days} days failed: {text}");
    let json = text.lines().find_map(|line| line.find("{\"").and_then(|at| line.get(at..)));
    serde_json::from_str(json.context("nothing was measured")?).context("failed to read what was measured")
}
