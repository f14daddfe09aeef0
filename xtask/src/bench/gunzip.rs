//! The floor: what it takes to read and decompress, by the same library, and nothing else.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use libdeflater::Decompressor;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut decompressor = Decompressor::new();
    let mut inflated = Vec::new();
    for path in super::data::log_files(&args.folder)? {
        let compressed = std::fs::read(&path)?;
        // The last four bytes say how large the contents are.
        let size = compressed.last_chunk().map_or(0, |size| u32::from_le_bytes(*size) as usize);
        inflated.resize(inflated.len().max(size), 0);
        decompressor.gzip_decompress(&compressed, &mut inflated).with_context(|| format!("failed to decompress `{}`", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
