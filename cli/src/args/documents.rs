//! The arguments of the commands that read documents: `policy`, `guardrail`, `exceptions` and `rules`.

use std::path::PathBuf;

use audit_core::timestamp::Timestamp;
use clap::{Args, Subcommand};

use super::{
    aws::HubArgs,
    output::{LintOutputArgs, PlainOutputArgs},
    values::timestamp,
};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Compute the effective policy of accounts: {account: document or null}
    Effective {
        /// Folder with organization.json and policies/
        #[arg(long, value_name = "DIR")]
        world: PathBuf,
        /// Only this account
        #[arg(long)]
        account: Option<String>,
        /// The type of policy
        #[arg(long = "type", value_name = "TYPE", default_value = "BEDROCK_POLICY")]
        policy_type: String,
        /// As of this time [default: the end of all that is known]
        #[arg(long, value_name = "TIME", value_parser = timestamp)]
        at: Option<Timestamp>,
        #[command(flatten)]
        output: PlainOutputArgs,
    },
    /// Say what looks wrong about Bedrock policies
    Lint {
        /// Policy documents, or answers of DescribePolicy
        #[arg(value_name = "FILE", required_unless_present = "world")]
        files: Vec<PathBuf>,
        /// Lint the Bedrock policies of a world, knowing its management account
        #[arg(long, value_name = "DIR")]
        world: Option<PathBuf>,
        /// The account that owns the guardrails that may be enforced
        #[arg(long, value_name = "ACCOUNT")]
        management_account: Option<String>,
        #[command(flatten)]
        output: LintOutputArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum GuardrailCommand {
    /// Compare two guardrails, control by control: exits with 3 unless the second surely protects at least as much
    Diff {
        /// Answer of GetGuardrail, or a request of CreateGuardrail or UpdateGuardrail: before
        #[arg(value_name = "A")]
        before: PathBuf,
        /// The same: after
        #[arg(value_name = "B")]
        after: PathBuf,
        #[command(flatten)]
        output: PlainOutputArgs,
    },
}

#[derive(Args, Debug)]
pub(crate) struct RulesArgs {
    /// The rule to explain
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) output: PlainOutputArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExceptionsCommand {
    /// Say what is wrong with a configuration, and which of its exceptions ended, end soon, or match nothing
    Check {
        /// The configuration
        #[arg(long, value_name = "FILE", default_value = "guardrail-audit.toml")]
        config: PathBuf,
        /// A store, to see which findings each exception suppresses
        #[arg(long, value_name = "FILE", conflicts_with = "hub")]
        store: Option<PathBuf>,
        #[command(flatten)]
        hub: HubArgs,
        /// "Now" [default: the time of the run]
        #[arg(long, value_name = "TIME", value_parser = timestamp)]
        now: Option<Timestamp>,
        #[command(flatten)]
        output: LintOutputArgs,
    },
}
