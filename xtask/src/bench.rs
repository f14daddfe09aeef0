//! `cargo xtask bench`: measures what an audit costs, and in the same run what decompressing the same files costs.

mod data;
mod growth;
pub(crate) mod gunzip;
mod hub;
mod manifest;
pub(crate) mod measure;
mod records;
mod rng;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::command::{cargo, must_pass, target};
use data::Data;
use manifest::Manifest;
use measure::{Used, measured};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    of: Option<Of>,

    /// A folder of CloudTrail files instead of generated ones
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// How many records to generate
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    records: u64,

    /// How often to measure all; of CPU times the least counts, of speed-ups the middle one
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,

    /// How the time of an audit grows with changes, of each kind that accounts can have many of
    #[arg(long, conflicts_with_all = ["data", "records"])]
    growth: bool,
}

/// What else is measured.
#[derive(Debug, clap::Subcommand)]
enum Of {
    /// What one more batch costs the hub in AWS after days of history, and an account with many calls
    Hub(hub::Args),
}

/// The fields of a report that the benchmark reads.
#[derive(Deserialize)]
struct Report {
    records: Records,
    invocations: Invocations,
}

#[derive(Deserialize)]
struct Records {
    read: u64,
    judged: u64,
}

#[derive(Deserialize)]
struct Invocations {
    compliant: u64,
    violation: u64,
    not_provable: u64,
    not_applicable: u64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(Of::Hub(args)) = &args.of {
        hub::run(args)?;
        return Ok(ExitCode::SUCCESS);
    }
    if cfg!(debug_assertions) {
        // Everything that is measured must be optimised, including the decompression alone and the generator.
        must_pass(cargo().args(["build", "--release", "--quiet", "--locked", "--package", "guardrail-audit", "--package", "xtask"]))?;
        let mut optimised = std::process::Command::new(target().join("release/xtask"));
        must_pass(optimised.args(std::env::args_os().skip(1)))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.growth {
        growth::run()?;
        return Ok(ExitCode::SUCCESS);
    }
    let data = match &args.data {
        Some(folder) => Data::found(folder)?,
        None => Data::generated(args.records)?,
    };
    let bench = Bench { data: &data, report: target().join("bench/report.json"), repeat: args.repeat };
    bench.run()?;
    Ok(ExitCode::SUCCESS)
}

struct Bench<'d> {
    data: &'d Data,
    report: PathBuf,
    repeat: u32,
}

impl Bench<'_> {
    fn run(&self) -> anyhow::Result<()> {
        let all = self.data.one_of(1)?;
        // The machine's speed drifts, so what is compared runs in turns, not each by itself.
        let rounds = (0..self.repeat).map(|_| self.round(&all)).collect::<anyhow::Result<Vec<_>>>()?;
        let report = self.last_report()?;
        let gunzip = least(rounds.iter().map(|round| &round.gunzip))?;
        let one = least(rounds.iter().map(|round| &round.one))?;
        let two = least(rounds.iter().map(|round| &round.two))?;
        let half = self.data.one_of(2)?;
        let of_half = self.audit(1, &half)?;
        let judged_in_half = self.last_report()?.records.judged;

        let Records { read, judged } = report.records;
        ensure!(read > 0, "no records in {}", self.data.folder.display());
        println!("\n{} records ({judged} judged) in {} files of {} MB", read, self.data.paths.len(), self.data.bytes / 1_000_000);
        println!("{:<22}{:>12}{:>11}{:>9}{:>10}", "", "µs CPU/rec.", "× gunzip", "wall s", "peak MiB");
        for (name, used) in [("gunzip alone", gunzip), ("audit, one thread", one), ("audit, two threads", two)] {
            println!(
                "{name:<22}{:>12.2}{:>11.2}{:>9.2}{:>10.1}",
                used.cpu_seconds * 1e6 / ratio(read),
                used.cpu_seconds / gunzip.cpu_seconds,
                used.wall_seconds,
                used.peak_mib
            );
        }
        println!(
            "two threads are {:.2} times as fast as one, two gunzips side by side {:.2} times (in the middle round of {})",
            median(rounds.iter().map(|round| round.one.wall_seconds / round.two.wall_seconds)),
            median(rounds.iter().map(|round| 2.0 * round.gunzip.wall_seconds / round.two_gunzips_seconds)),
            self.repeat,
        );
        let more = judged.saturating_sub(judged_in_half);
        if more > 0 {
            let growth = (one.peak_mib - of_half.peak_mib) * 1024.0 * 1024.0 / ratio(more);
            println!("memory grows by {growth:.0} bytes for each judged record (from every other file, by size, to all: {more} more)");
        }
        if let Some(manifest) = &self.data.manifest {
            reconcile(&report, manifest)?;
        }
        Ok(())
    }

    fn audit(&self, threads: u32, logs: &Path) -> anyhow::Result<Used> {
        let fixed = ["audit", "--quiet", "--fail-on", "never", "--format", "json", "--threads"].map(OsString::from);
        let mut arguments = Vec::from(fixed);
        arguments.push(threads.to_string().into());
        let folders: [(&str, &Path); 2] = [("--world", &self.data.world), ("--output", &self.report)];
        for (option, path) in folders {
            arguments.extend([option.into(), path.into()]);
        }
        arguments.push(logs.into());
        measured(&target().join("release/guardrail-audit"), &arguments)
    }

    fn round(&self, all: &Path) -> anyhow::Result<Round> {
        let (this, gunzip) = (std::env::current_exe()?, ["gunzip".into(), self.data.folder.clone().into()]);
        Ok(Round {
            gunzip: measured(&this, &gunzip)?,
            two_gunzips_seconds: measure::seconds_of_two(&this, &gunzip)?,
            one: self.audit(1, all)?,
            two: self.audit(2, all)?,
        })
    }

    fn last_report(&self) -> anyhow::Result<Report> {
        Ok(serde_json::from_slice(&std::fs::read(&self.report)?)?)
    }
}

/// One measurement of everything that is compared.
struct Round {
    gunzip: Used,
    /// Seconds that two decompressions take in parallel: what two processors of this machine can do at all.
    two_gunzips_seconds: f64,
    one: Used,
    two: Used,
}

/// Returns the run with the least CPU time, because the machine caused whatever others took more.
fn least<'u>(runs: impl Iterator<Item = &'u Used>) -> anyhow::Result<&'u Used> {
    runs.min_by(|a, b| a.cpu_seconds.total_cmp(&b.cpu_seconds)).context("no run")
}

fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut of: Vec<f64> = of.collect();
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Checks that the audit counted what was generated.
fn reconcile(report: &Report, manifest: &Manifest) -> anyhow::Result<()> {
    let Invocations { compliant, violation, not_provable, not_applicable } = report.invocations;
    let calls = compliant + violation + not_provable + not_applicable;
    ensure!(report.records.read == manifest.records, "{} records were read, {} generated", report.records.read, manifest.records);
    ensure!(calls == manifest.calls, "{calls} calls were judged, {} generated", manifest.calls);
    ensure!(
        not_applicable == manifest.refused + manifest.exempt,
        "{not_applicable} calls are not applicable; {} were generated as refused, {} as exempt",
        manifest.refused,
        manifest.exempt
    );
    println!("reconciled with the generator: {calls} calls, of them {} refused and {} exempt", manifest.refused, manifest.exempt);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn ratio(count: u64) -> f64 {
    count as f64
}
