//! The arguments of the commands that read a store: `report` and `findings`.

use std::path::PathBuf;

use audit_core::framework::Framework;
use clap::{Args, Subcommand};

use super::{
    input::FindingFilter,
    output::{Format, OutputArgs, PlainFormat},
    values::framework,
};

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
