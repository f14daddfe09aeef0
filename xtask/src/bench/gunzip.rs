//! Reads and decompresses files with the library that the audit uses, and does nothing else: the floor of the benchmark.

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
        // The last four bytes of a gzip member are the size of its contents.
        let size = compressed.last_chunk().map_or(0, |size| u32::from_le_bytes(*size) as usize);
        inflated.resize(inflated.len().max(size), 0);
        decompressor.gzip_decompress(&compressed, &mut inflated).with_context(|| format!("failed to decompress `{}`", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
