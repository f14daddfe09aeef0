//! `cargo xtask case run`: a case as the tests run it, with the report to read.

use anyhow::Context as _;
use cases::Case;

use crate::command::{cargo, must_pass, target};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The case, as in `account-left/fires`
    #[arg(value_name = "RULE/CASE")]
    case: String,
    /// More arguments for `guardrail-audit audit`, such as `--format json`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    more: Vec<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let case = Case::named(&args.case);
    let folder = target().join("cases").join(&args.case);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("failed to clear `{}`", folder.display()))?;
    }
    let world = folder.join("world");
    case.write_world(&world)?;
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "guardrail-audit", "--", "audit"]).arg(case.event_file());
    command.arg("--world").arg(world).args(["--now", cases::NOW, "--fail-on", "never"]);
    if let Some(configuration) = case.configuration_file() {
        command.arg("--config").arg(configuration);
    }
    must_pass(command.args(&args.more))
}
