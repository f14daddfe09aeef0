//! The arguments of the commands that read a store or the hub, `report` and `findings`, and of those that look after a store.

use std::path::PathBuf;

use audit_core::{framework::Framework, timestamp::Timestamp};
use clap::{Args, Subcommand};

use super::{
    aws::HubArgs,
    input::FindingFilter,
    output::{ExportArgs, Format, OutputArgs, PlainOutputArgs},
    values::{framework, timestamp},
};

/// What findings are read from.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["store", "hub"]))]
pub(crate) struct SourceArgs {
    /// The store
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) hub: HubArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,

    #[command(flatten)]
    pub(crate) filter: FindingFilter,

    /// Group findings by the entries of a framework: owasp-llm, nist-ai-rmf, iso-42001, mitre-attack, mitre-atlas, aws-genai-lens
    #[arg(long, value_name = "FRAMEWORK", value_parser = framework)]
    pub(crate) framework: Option<Framework>,

    /// Also write the evidence bundle: the report as a page, JSON and CSV, with the world and the ids of the records that it rests on
    #[arg(long, value_name = "FILE.zip", conflicts_with = "framework")]
    pub(crate) bundle: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Drop the records of days that are over and keep what they add up to, so that the store takes a fraction of its room
    #[command(
        after_help = "Findings stay as they are. What comes later for these days, copies too, is counted and not judged, and reports say so."
    )]
    Compact {
        /// The store
        #[arg(value_name = "STORE")]
        store: PathBuf,
        /// Only days that ended this many days ago
        #[arg(long, value_name = "DAYS", default_value = "30", value_parser = clap::value_parser!(u16).range(1..))]
        older_than: u16,
        /// Say what would be dropped, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// "Now", from which days are counted back [default: the time of the run]
        #[arg(long, value_name = "TIME", value_parser = timestamp)]
        now: Option<Timestamp>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Say whether the files of a bundle are those that were written: exits with 3 if not
    Verify {
        /// The bundle
        #[arg(value_name = "FILE.zip")]
        file: PathBuf,
        /// The SHA-256 of its manifest, as `report --bundle` printed it
        #[arg(long, value_name = "HEX")]
        manifest_sha256: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum FindingsCommand {
    /// List findings
    List {
        #[command(flatten)]
        source: SourceArgs,
        #[command(flatten)]
        filter: FindingFilter,
        /// How the result looks
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: Format,
        /// Write the result to a file instead of standard output (`-`)
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        export: ExportArgs,
    },
    /// Show all of one finding
    Show {
        /// Its id, or the start of it
        #[arg(value_name = "FINDING")]
        finding: String,
        #[command(flatten)]
        source: SourceArgs,
        #[command(flatten)]
        output: PlainOutputArgs,
    },
}
