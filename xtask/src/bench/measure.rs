//! Measures what a command uses: CPU time, wall time, peak memory.

use std::{
    ffi::OsString,
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use anyhow::{Context as _, ensure};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// What a command used.
#[derive(Deserialize, Serialize)]
pub(super) struct Used {
    /// CPU seconds in user space and in the kernel, on all processors.
    pub(super) cpu_seconds: f64,
    pub(super) wall_seconds: f64,
    pub(super) peak_mib: f64,
}

/// Runs a command through a process of its own, because the system sums up what *all* children of a process used.
pub(super) fn measured(program: &Path, arguments: &[OsString]) -> anyhow::Result<Used> {
    let output =
        Command::new(std::env::current_exe()?).args(["measure", "--"]).arg(program).args(arguments).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "`{}` failed", program.display());
    serde_json::from_slice(&output.stdout).context("failed to read what was measured")
}

/// Runs a command twice in parallel, and returns the seconds until both have ended.
pub(super) fn seconds_of_two(program: &Path, arguments: &[OsString]) -> anyhow::Result<f64> {
    let start = Instant::now();
    let start_one = || Command::new(program).args(arguments).stdout(Stdio::null()).spawn();
    for mut child in [start_one()?, start_one()?] {
        ensure!(child.wait()?.success(), "`{}` failed", program.display());
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Runs the command, and prints what it used.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (program, arguments) = args.command.split_first().context("no command")?;
    let start = Instant::now();
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
    let wall_seconds = start.elapsed().as_secs_f64();
    ensure!(status.success(), "{status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let microseconds = (usage.user_time() + usage.system_time()).num_microseconds();
    // Linux counts the peak in KiB.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (cpu_seconds, peak_mib) = (microseconds as f64 / 1e6, usage.max_rss() as f64 / 1024.0);
    println!("{}", serde_json::to_string(&Used { cpu_seconds, wall_seconds, peak_mib })?);
    Ok(ExitCode::SUCCESS)
}
