//! The arguments of each command. Help, man pages and shell completions are generated from these definitions.

use std::path::PathBuf;

use audit_core::{auditor::Selection, finding::Status, framework::Framework, report::Filter, severity::Severity, timestamp::Timestamp};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    console::Console,
    filter::{Choices, resolve_regions},
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
    #[arg(long, short, global = true)]
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
    /// Report from a store
    Report(ReportArgs),
    /// Look at the findings in a store
    #[command(subcommand)]
    Findings(FindingsCommand),
    /// Check the exceptions of a configuration
    #[command(subcommand)]
    Exceptions(ExceptionsCommand),
    /// Write the world of a real organization, or of one account, with credentials that only read
    Snapshot(SnapshotArgs),
    /// Say whether the auditor can see at all, and what an account's records settle of what AWS doesn't document
    Doctor(DoctorArgs),
    /// Audit a week of a made-up organization: the quickest way to see what this does
    Demo(DemoArgs),
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

/// What findings rest on besides records.
#[derive(Args, Debug)]
pub(crate) struct BasisArgs {
    /// Folder of AWS API responses: the state that verdicts rest on
    #[arg(long, value_name = "DIR")]
    pub(crate) world: Option<PathBuf>,

    /// What the team requires and excepts (guardrail-audit.toml)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// "Now", for the end dates of exceptions [default: the time of the run]
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    pub(crate) now: Option<Timestamp>,
}

/// Which calls to look at.
#[derive(Args, Debug)]
pub(crate) struct SelectionArgs {
    /// Only calls at or after this time (RFC 3339, or a date)
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    since: Option<Timestamp>,

    /// Only calls before this time
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    until: Option<Timestamp>,

    /// Only calls of these accounts: ids, or names that only one has
    #[arg(long, value_name = "ACCOUNT", value_delimiter = ',')]
    account: Vec<String>,

    /// Only calls in these Regions
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    region: Vec<String>,
}

impl SelectionArgs {
    /// Returns the selection, with accounts and Regions resolved against what was read.
    pub(crate) fn selection(&self, choices: &Choices, console: Console) -> Selection {
        Selection {
            accounts: choices.resolve_accounts(&self.account, console),
            regions: resolve_regions(&self.region),
            since: self.since,
            until: self.until,
        }
    }
}

/// How results look, and where they go.
#[derive(Args, Debug)]
pub(crate) struct OutputArgs {
    /// How the result looks
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: Format,

    /// Write the result to a file instead of standard output (`-`)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Exit with 3 if there are open findings at or above this severity; `never` for none
    #[arg(long, value_name = "SEVERITY", default_value = "HIGH", value_parser = fail_on)]
    pub(crate) fail_on: FailOn,

    /// Exit with 4 if nothing was read or selected, some input was unreadable, or some evidence missing
    #[arg(long)]
    pub(crate) strict: bool,
}

/// The lowest severity that makes a run exit with 3.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailOn(pub(crate) Option<Severity>);

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// The whole report, version 1
    Json,
    /// One finding, or row of calls, a line
    Jsonl,
    /// One finding, or row of calls, a row
    Csv,
}

/// The format of a result that has no rows of findings or calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    /// For people
    Table,
    /// For programs
    Json,
}

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
pub(crate) struct ExplainArgs {
    /// The id of a finding, or the start of it; needs --store or --input
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
    pub(crate) format: Format,

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
        /// How the result looks
        #[arg(long, default_value = "table")]
        format: PlainFormat,
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
        /// How the result looks
        #[arg(long, default_value = "table")]
        format: PlainFormat,
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
        /// How the result looks
        #[arg(long, default_value = "table")]
        format: PlainFormat,
    },
}

#[derive(Args, Debug)]
pub(crate) struct RulesArgs {
    /// The rule to explain
    pub(crate) id: Option<String>,
    /// How the result looks
    #[arg(long, default_value = "table")]
    pub(crate) format: PlainFormat,
}

/// Which findings to look at.
#[derive(Args, Debug)]
pub(crate) struct FindingFilter {
    /// Only findings of this status
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<Status>,
    /// Only findings of at least this severity
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    severity: Option<Severity>,
    /// Only findings of these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = rule)]
    rule: Vec<String>,
    /// Only findings of these accounts: ids, or names that only one has
    #[arg(long, value_name = "ACCOUNT", value_delimiter = ',')]
    account: Vec<String>,
    /// Only findings of these Regions
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    region: Vec<String>,
}

impl FindingFilter {
    /// Returns the selected accounts and Regions, resolved against what was read.
    pub(crate) fn selection(&self, choices: &Choices, console: Console) -> Selection {
        Selection {
            accounts: choices.resolve_accounts(&self.account, console),
            regions: resolve_regions(&self.region),
            ..Selection::default()
        }
    }

    /// Whether a finding passes that belongs to a selected account and Region.
    pub(crate) fn passes(&self, finding: &audit_core::finding::Finding) -> bool {
        self.status.is_none_or(|status| finding.status == status)
            && self.severity.is_none_or(|least| finding.severity >= least)
            && (self.rule.is_empty() || self.rule.contains(&finding.rule))
    }

    /// Returns the filter as reports name it.
    pub(crate) fn to_filter(&self, selection: &Selection) -> Filter {
        Filter { severity: self.severity, status: self.status, rules: self.rule.clone(), ..filter_of(selection) }
    }
}

/// Converts a selection to the filter that reports name.
pub(crate) fn filter_of(selection: &Selection) -> Filter {
    Filter {
        accounts: selection.accounts.iter().cloned().collect(),
        regions: selection.regions.iter().cloned().collect(),
        since: selection.since,
        until: selection.until,
        ..Filter::default()
    }
}

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// The store
    #[arg(long, value_name = "FILE")]
    pub(crate) store: PathBuf,

    #[command(flatten)]
    pub(crate) filter: FindingFilter,

    /// Group findings by the entries of a framework: owasp-llm, nist-ai-rmf, iso-42001, mitre-attack, mitre-atlas, aws-genai-lens
    #[arg(long, value_name = "FRAMEWORK", value_parser = framework)]
    pub(crate) framework: Option<Framework>,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FindingsCommand {
    /// List findings
    List {
        /// The store
        #[arg(long, value_name = "FILE")]
        store: PathBuf,
        #[command(flatten)]
        filter: FindingFilter,
        /// How the result looks
        #[arg(long, default_value = "table")]
        format: Format,
    },
    /// Show all of one finding
    Show {
        /// Its id, or the start of it
        #[arg(value_name = "FINDING")]
        finding: String,
        /// The store
        #[arg(long, value_name = "FILE")]
        store: PathBuf,
        /// How the result looks
        #[arg(long, default_value = "table")]
        format: PlainFormat,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExceptionsCommand {
    /// Say which exceptions ended, end soon, or match nothing
    Check {
        /// The configuration
        #[arg(long, value_name = "FILE", default_value = "guardrail-audit.toml")]
        config: PathBuf,
        /// A store, to see which findings each exception suppresses
        #[arg(long, value_name = "FILE")]
        store: Option<PathBuf>,
        /// "Now" [default: the time of the run]
        #[arg(long, value_name = "TIME", value_parser = timestamp)]
        now: Option<Timestamp>,
    },
}

/// The credentials that AWS is called with.
#[derive(Args, Debug)]
pub(crate) struct Credentials {
    /// Profile of the AWS configuration [default: as the environment says]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Role to assume in other accounts: its name, with its path if it has one
    #[arg(long, value_name = "ROLE", default_value = "guardrail-audit-snapshot")]
    pub(crate) role_name: String,
}

/// The credentials that AWS is called with, and the accounts and Regions to read.
#[derive(Args, Debug)]
pub(crate) struct AwsArgs {
    #[command(flatten)]
    pub(crate) credentials: Credentials,

    /// Only these accounts [default: all active accounts of the organization; without one, the caller's]
    #[arg(long, value_name = "ACCOUNT", value_delimiter = ',', value_parser = account)]
    pub(crate) accounts: Vec<String>,

    /// Only these Regions [default: those that are enabled in each account]
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    pub(crate) regions: Vec<String>,
}

/// Reads the organization, its policies, every account's effective policy, and in each account and Region what is enforced, what is
/// recorded, guardrails and what uses them. A run that was killed goes on where it stopped, if it is started again within a day.
#[derive(Args, Debug)]
#[command(after_help = "Needs a build with the feature `aws`: cargo install --path cli --features aws. The permissions are in \
deploy/snapshot.policy.json.")]
pub(crate) struct SnapshotArgs {
    /// The world: a folder, which may hold earlier snapshots
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,

    #[command(flatten)]
    pub(crate) aws: AwsArgs,

    /// How many accounts and Regions to read at once
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) at_once: u8,

    /// How the summary looks
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: PlainFormat,

    /// Exit with 4 if something could not be read
    #[arg(long)]
    pub(crate) strict: bool,
}

/// With PATH, looks at records in files and asks nobody. Without, asks AWS: are the trails there, do read-only events reach the rule, are
/// data events selected, does the heartbeat come through; and looks at CloudTrail's event history.
#[derive(Args, Debug)]
#[command(after_help = "Exits with 3 if a check fails. Asking AWS needs a build with the feature `aws`: cargo install --path cli \
--features aws.")]
pub(crate) struct DoctorArgs {
    /// Files, folders of them, or `-` for standard input, as `audit` reads them; data events are only there
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Ask AWS, too, when files are given
    #[arg(long)]
    pub(crate) with_aws: bool,

    #[command(flatten)]
    pub(crate) credentials: Credentials,

    /// Look at these accounts [default: the caller's]
    #[arg(long, value_name = "ACCOUNT", value_delimiter = ',', value_parser = account)]
    pub(crate) accounts: Vec<String>,

    /// Look at these Regions [default: the one that is configured]
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    pub(crate) regions: Vec<String>,

    /// Look at so many days of event history
    #[arg(long, value_name = "DAYS", default_value = "7", value_parser = clap::value_parser!(u16).range(1..=90))]
    pub(crate) days: u16,

    /// How often a heartbeat is due, in minutes
    #[arg(long, value_name = "MINUTES", default_value = "60")]
    pub(crate) heartbeat_minutes: u16,

    /// Look for heartbeats in the hub's table of observations, too: with the hub's credentials
    #[arg(long, value_name = "TABLE")]
    pub(crate) observations_table: Option<String>,

    /// How the result looks
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: PlainFormat,

    /// Exit with 4 if something could not be looked at
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Where to put the sample data and the store [default: a new folder among the temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// How the result looks
    #[arg(long, default_value = "table")]
    pub(crate) format: Format,
}

fn timestamp(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "not a time (RFC 3339, such as 2026-11-20T10:00:00Z, or a date)".to_owned())
}

fn account(text: &str) -> Result<String, String> {
    if audit_core::arn::is_account_id(text) { Ok(text.to_owned()) } else { Err("not an account id of twelve digits".to_owned()) }
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| format!("none of {}", Severity::ALL.map(Severity::as_str).join(", ")))
}

fn fail_on(text: &str) -> Result<FailOn, String> {
    if text.eq_ignore_ascii_case("never") { Ok(FailOn(None)) } else { severity(text).map(|least| FailOn(Some(least))) }
}

fn rule(text: &str) -> Result<String, String> {
    audit_core::rules::find(text).map(|rule| rule.id.to_owned()).ok_or_else(|| "no rule; `guardrail-audit rules` lists them".to_owned())
}

fn framework(text: &str) -> Result<Framework, String> {
    Framework::parse(text).ok_or_else(|| format!("none of {}", Framework::ALL.map(Framework::as_str).join(", ")))
}

fn status(text: &str) -> Result<Status, String> {
    Status::parse(text).ok_or_else(|| format!("none of {}", Status::ALL.map(Status::as_str).join(", ")))
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
