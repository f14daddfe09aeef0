//! The arguments of each command. Help, man pages and shell completions are generated from these definitions.

mod aws;
mod calls;
mod documents;
mod input;
mod output;
mod store;
mod values;
mod view;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

#[cfg(feature = "aws")]
pub(crate) use self::{
    aws::{AddressArgs, RedriveArgs, RemakeArgs, TellAgainArgs, WorldArgs},
    values::TimeOrAge,
};
pub(crate) use self::{
    aws::{DoctorArgs, HubArgs, HubCommand, SnapshotArgs},
    calls::{AuditArgs, ExplainArgs, SimulateArgs},
    documents::{ExceptionsCommand, GuardrailCommand, PolicyCommand, RulesArgs},
    input::{BasisArgs, filter_of},
    output::{CallFormat, ExportArgs, Format, LintFormat, LintOutputArgs, OutputArgs, PlainFormat, PlainOutputArgs},
    store::{BundleCommand, FindingsCommand, ReportArgs, SourceArgs, StoreCommand},
    values::rule_meant,
    view::{GroupBy, Sort, ViewArgs},
};

/// Are our Bedrock guardrails really applied, in every account, on every model call; and how do you know?
///
/// Reads CloudTrail files, judges every Amazon Bedrock model invocation against the organization's policy in force at that moment, and
/// reports findings. No AWS account is needed.
#[derive(Debug, Parser)]
#[command(name = "guardrail-audit", version, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 clean, 1 could not run, 2 usage, 3 findings at or above --fail-on, 4 incomplete (with --strict).")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Say only what went wrong
    #[arg(long, short, global = true, display_order = 900)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read CloudTrail files and report what is wrong
    Audit(AuditArgs),
    /// Say step by step, with the evidence, why a call or a finding was judged as it was
    Explain(ExplainArgs),
    /// Say what a change of enforcement would do to the calls that were made: who gains cover, loses it, gets a weaker guardrail, or starts
    /// to fail
    Simulate(SimulateArgs),
    /// Work with Organizations policies
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Work with guardrails
    #[command(subcommand)]
    Guardrail(GuardrailCommand),
    /// List the rules, or explain one
    Rules(RulesArgs),
    /// Report from a store, or from the hub in AWS
    Report(ReportArgs),
    /// Look at the findings in a store, or in the hub in AWS
    #[command(subcommand)]
    Findings(FindingsCommand),
    /// Look after a store
    #[command(subcommand)]
    Store(StoreCommand),
    /// Work with evidence bundles, which `report --bundle` writes
    #[command(subcommand)]
    Bundle(BundleCommand),
    /// Check a configuration and its exceptions
    #[command(subcommand)]
    Exceptions(ExceptionsCommand),
    /// Write the world of a real organization, or of one account, with credentials that only read
    Snapshot(SnapshotArgs),
    /// Say whether the auditor can see at all, and what an account's records settle of what AWS doesn't document
    Doctor(DoctorArgs),
    /// Look after the hub in AWS
    #[command(subcommand)]
    Hub(HubCommand),
    /// Audit a week of a made-up organization: the quickest way to see what this does
    Demo(DemoArgs),
    /// Print the help of the program or of a command, or the page of a rule: `help policy lint`
    Help {
        /// The command, or the rule
        #[arg(value_name = "COMMAND")]
        words: Vec<String>,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page, of the whole or of a command: `man policy lint`
    Man {
        /// The command
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Where to put the sample data and the store [default: a new folder among the temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// How the result looks
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: Format,

    #[command(flatten)]
    pub(crate) export: ExportArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_in_the_documentation_is_understood() {
        let mut commands = 0;
        for page in [
            "README.md",
            "CONTRIBUTING.md",
            "docs/formats.md",
            "docs/store.md",
            "docs/performance.md",
            "docs/adding-a-rule.md",
            "docs/evidence.md",
            "docs/operating.md",
            "docs/exports/asff.md",
            "docs/exports/athena.md",
            "docs/exports/ocsf.md",
            "docs/exports/sarif.md",
            "docs/page.md",
            "docs/bundle.md",
        ] {
            let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
            let text = std::fs::read_to_string(page).unwrap();
            let in_blocks = text.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next()).flat_map(str::lines);
            for line in in_blocks {
                let line = line.split("  #").next().unwrap().rsplit(" | ").next().unwrap().trim();
                if line.starts_with("guardrail-audit ") {
                    let parsed = Cli::try_parse_from(line.split_whitespace());
                    assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
                    commands += 1;
                }
            }
        }
        assert!(commands > 10);
    }
}
