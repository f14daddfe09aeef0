//! The arguments of the commands that read calls: `audit`, `explain` and `simulate`.

use std::path::PathBuf;

use audit_core::timestamp::Timestamp;
use clap::Args;

use super::{
    aws::HubArgs,
    input::{BasisArgs, SelectionArgs},
    output::{CallFormat, OutputArgs},
    values::{FailOn, fail_on, timestamp},
};

#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    /// Files, folders of them, or `-` for standard input: .json, .json.gz, JSON lines, EventBridge envelopes, LookupEvents output, model
    /// invocation logs
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) basis: BasisArgs,

    /// Keep evidence and findings in this SQLite file, and conclude from all that it holds
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,

    /// How many threads read files and judge [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["finding", "account"]))]
#[command(group = clap::ArgGroup::new("of_hub").args(["hub"]).conflicts_with_all(["store", "input", "world", "config", "no_config"]))]
pub(crate) struct ExplainArgs {
    /// The id of a finding, or the start of it; needs --store, --hub or --input
    #[arg(value_name = "FINDING")]
    pub(crate) finding: Option<String>,

    /// The account of a call that need not have been made
    #[arg(long, requires_all = ["region", "model"])]
    pub(crate) account: Option<String>,

    /// Its Region
    #[arg(long, requires = "account")]
    pub(crate) region: Option<String>,

    /// Its model, in any form that modelId takes
    #[arg(long, requires = "account")]
    pub(crate) model: Option<String>,

    /// Its operation
    #[arg(long, default_value = "Converse")]
    pub(crate) api: String,

    /// The guardrail that it requests: an id or an ARN, with `:VERSION` at the end
    #[arg(long, value_name = "GUARDRAIL", requires = "account")]
    pub(crate) guardrail: Option<String>,

    /// When it is made [default: now]
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    pub(crate) at: Option<Timestamp>,

    #[command(flatten)]
    pub(crate) basis: BasisArgs,

    /// The store that holds the finding and its world
    #[arg(long, value_name = "FILE", conflicts_with_all = ["input", "world"])]
    pub(crate) store: Option<PathBuf>,

    /// The files that the finding came from, if there is no store
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) input: Vec<PathBuf>,

    /// The hub in AWS: its facts, its world and its configuration
    #[command(flatten)]
    pub(crate) hub: HubArgs,
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("supposed").required(true).multiple(true).args(["attach", "detach", "move_account", "put_enforced"]))]
pub(crate) struct SimulateArgs {
    /// CloudTrail files: the history whose calls are looked at. With --store, not needed
    #[arg(value_name = "PATH", required_unless_present = "store")]
    pub(crate) paths: Vec<PathBuf>,

    /// A Bedrock policy that doesn't exist yet: a document, or an answer of DescribePolicy
    #[arg(long, value_name = "FILE", requires = "attach")]
    pub(crate) policy: Option<PathBuf>,

    /// Attach --policy to a root, an OU or an account; or POLICY:TARGET for one that exists
    #[arg(long, value_name = "TARGET")]
    pub(crate) attach: Vec<String>,

    /// Detach a policy
    #[arg(long, value_name = "POLICY:TARGET")]
    pub(crate) detach: Vec<String>,

    /// Move an account to a root or an OU
    #[arg(long, value_name = "ACCOUNT:PARENT")]
    pub(crate) move_account: Vec<String>,

    /// Put an account's enforced configuration in a Region: FILE holds its guardrailInferenceConfig
    #[arg(long, value_name = "ACCOUNT:REGION:FILE")]
    pub(crate) put_enforced: Vec<String>,

    #[command(flatten)]
    pub(crate) basis: BasisArgs,

    /// A store that holds the history and its world
    #[arg(long, value_name = "FILE", conflicts_with_all = ["paths", "world"])]
    pub(crate) store: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    /// Take as given what no world says: that callers hold bedrock:ApplyGuardrail in their own policies for guardrails of other accounts,
    /// and that guardrail profiles are shared in every destination Region
    #[arg(long)]
    pub(crate) assume_permissions: bool,

    /// How the result looks: rows of calls, where there is one a line
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: CallFormat,

    /// Write the result to a file instead of standard output (`-`)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Exit with 3 if something as bad becomes of calls: that they lose cover is CRITICAL, that they start to fail or that their guardrail
    /// gets weaker HIGH, that it isn't known MEDIUM; `never` for none
    #[arg(long, value_name = "SEVERITY", default_value = "HIGH", value_parser = fail_on)]
    pub(crate) fail_on: FailOn,

    /// Exit with 4 if some input was unreadable, or if of some call it isn't known what becomes of it
    #[arg(long)]
    pub(crate) strict: bool,
}
