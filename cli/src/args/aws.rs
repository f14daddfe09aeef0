//! The arguments of the commands that call AWS: `snapshot`, `doctor`, and those that read and run the hub.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    output::{PlainFormat, PlainOutputArgs},
    values::{TimeOrAge, account, time_or_age},
};

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

/// The hub in AWS, where findings are read from it.
#[derive(Args, Debug)]
pub(crate) struct HubArgs {
    /// Read the hub in AWS, with credentials of its account that may only read (needs a build with the feature `aws`)
    #[arg(long)]
    pub(crate) hub: bool,

    /// Profile of the AWS configuration [default: as the environment says]
    #[arg(long, value_name = "NAME", requires = "hub", conflicts_with = "store", help_heading = "The hub")]
    pub(crate) profile: Option<String>,

    /// Region of the hub [default: the one that is configured]
    #[arg(long, value_name = "REGION", requires = "hub", conflicts_with = "store", help_heading = "The hub")]
    pub(crate) hub_region: Option<String>,

    /// Its table of findings, if that isn't the one of the template
    #[arg(long, value_name = "TABLE", requires = "hub", conflicts_with = "store", help_heading = "The hub")]
    pub(crate) findings_table: Option<String>,

    /// Its table of notes, likewise
    #[arg(long, value_name = "TABLE", requires = "hub", conflicts_with = "store", help_heading = "The hub")]
    pub(crate) notes_table: Option<String>,

    /// Its table of observations, likewise
    #[arg(long, value_name = "TABLE", requires = "hub", conflicts_with = "store", help_heading = "The hub")]
    pub(crate) observations_table: Option<String>,

    /// Its bucket, likewise
    #[arg(long, value_name = "BUCKET", requires = "hub", conflicts_with = "store", help_heading = "The hub")]
    pub(crate) world_bucket: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HubCommand {
    /// Say how it is doing: what waits in its queues, dead letters, accounts that can't be judged, what can't be seen
    #[command(
        after_help = "Exits with 3 if there are dead letters or accounts in quarantine, or if it is paused. Needs a build with the feature `aws`: cargo \
install --path cli --features aws. The permissions are in deploy/hub-reader.policy.json."
    )]
    Status {
        #[command(flatten)]
        address: AddressArgs,

        #[command(flatten)]
        output: PlainOutputArgs,

        /// Exit with 4 if something could not be looked at
        #[arg(long)]
        strict: bool,
    },
    /// Have everything that is derived from facts made again, such as after a new configuration
    #[command(after_help = REMAKE)]
    Rebuild {
        #[command(flatten)]
        remake: RemakeArgs,
    },
    /// Have facts looked for that the hub doesn't know of, after the stream wasn't taken or the table of findings was lost, and made again what
    /// is derived
    #[command(after_help = REMAKE)]
    Repair {
        /// Look for facts of events from this time on, or of the last days or hours (7d, 36h)
        #[arg(long, value_name = "TIME", value_parser = time_or_age)]
        since: TimeOrAge,

        /// Look in all Regions of AWS, not only in those from which anybody is known to report: when the list of those is lost
        #[arg(long)]
        everywhere: bool,

        #[command(flatten)]
        remake: RemakeArgs,
    },
    /// Put dead letters back to where they came from
    Redrive(RedriveArgs),
    /// Have alerts of open findings sent again, such as after nobody got them
    TellAgain(TellAgainArgs),
    /// Copy its world into a folder, as it is, to audit with `--world` what it audited
    World(WorldArgs),
    /// Stop judging, without losing anything: facts keep arriving
    #[command(after_help = OPERATOR)]
    Pause {
        #[command(flatten)]
        address: AddressArgs,
    },
    /// Go on judging
    #[command(after_help = OPERATOR)]
    Resume {
        #[command(flatten)]
        address: AddressArgs,
    },
}

/// What a command that changes something needs.
const OPERATOR: &str = "Needs a build with the feature `aws`: cargo install --path cli --features aws. The permissions are in \
deploy/hub-reader.policy.json and deploy/hub-operator.policy.json.";

/// What `rebuild` and `repair` share.
const REMAKE: &str = "Goes on by itself, whether or not anybody waits. With --wait it exits with 3 if an account is in quarantine. Needs a \
build with the feature `aws`: cargo install --path cli --features aws. The permissions are in deploy/hub-reader.policy.json and \
deploy/hub-operator.policy.json.";

/// The options of the commands that have findings and rollups made again from facts.
#[derive(Args, Debug)]
pub(crate) struct RemakeArgs {
    /// Only this account [default: all]
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub(crate) account: Option<String>,

    /// Wait until it is done, and show how far it is
    #[arg(long)]
    pub(crate) wait: bool,

    /// Say only what would be done
    #[arg(long, conflicts_with = "wait")]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) output: PlainOutputArgs,

    #[command(flatten)]
    pub(crate) address: AddressArgs,
}

/// Dead letters to put back. Exits with 3 if some stay.
#[derive(Args, Debug)]
#[command(after_help = OPERATOR)]
pub(crate) struct RedriveArgs {
    /// The queues, such as `trail-dead` [default: all that hold dead letters]
    #[arg(value_name = "QUEUE")]
    pub(crate) queues: Vec<String>,

    /// Say only what there is, and where it would go
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) output: PlainOutputArgs,

    #[command(flatten)]
    pub(crate) address: AddressArgs,
}

/// Alerts to send again.
#[derive(Args, Debug)]
#[command(after_help = OPERATOR)]
pub(crate) struct TellAgainArgs {
    /// The findings, by their ids or how these begin
    #[arg(value_name = "FINDING", required_unless_present = "since")]
    pub(crate) findings: Vec<String>,

    /// All open findings whose alert was sent since this time, or in the last days or hours (7d, 36h), or never
    #[arg(long, value_name = "TIME", value_parser = time_or_age, conflicts_with = "findings")]
    pub(crate) since: Option<TimeOrAge>,

    /// Only those whose alert was sent before this time: go on with a command that was ended [default: now]
    #[arg(long, value_name = "TIME", value_parser = time_or_age)]
    pub(crate) until: Option<TimeOrAge>,

    /// Say only which they are
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) output: PlainOutputArgs,

    #[command(flatten)]
    pub(crate) address: AddressArgs,
}

/// Where the hub's world is, and where it goes.
#[derive(Args, Debug)]
#[command(after_help = "Needs a build with the feature `aws`: cargo install --path cli --features aws. The permissions are in \
deploy/hub-reader.policy.json.")]
pub(crate) struct WorldArgs {
    /// The folder, which must not be there yet, or be empty
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,

    /// The hub's bucket, if that isn't the one of the template
    #[arg(long, value_name = "BUCKET")]
    pub(crate) world_bucket: Option<String>,

    #[command(flatten)]
    pub(crate) address: AddressArgs,
}

/// Where the hub is.
#[derive(Args, Debug)]
pub(crate) struct AddressArgs {
    /// Profile of the AWS configuration [default: as the environment says]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Region of the hub [default: the one that is configured]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,

    /// Its table of findings, if that isn't the one of the template
    #[arg(long, value_name = "TABLE")]
    pub(crate) findings_table: Option<String>,

    /// Its table of notes, likewise
    #[arg(long, value_name = "TABLE")]
    pub(crate) notes_table: Option<String>,
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

    /// Read this many days of event history
    #[arg(long, value_name = "DAYS", default_value = "7", value_parser = clap::value_parser!(u16).range(1..=90))]
    pub(crate) days: u16,

    /// How often a heartbeat is due, in minutes
    #[arg(long, value_name = "MINUTES", default_value = "60")]
    pub(crate) heartbeat_minutes: u16,

    /// Look for heartbeats in the hub's table of observations, too: with the hub's credentials
    #[arg(long, value_name = "TABLE")]
    pub(crate) observations_table: Option<String>,

    #[command(flatten)]
    pub(crate) output: PlainOutputArgs,

    /// Exit with 4 if something could not be looked at
    #[arg(long)]
    pub(crate) strict: bool,
}
