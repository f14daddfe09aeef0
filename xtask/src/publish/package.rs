//! A function as Lambda takes it: a ZIP archive with one program, the same bytes for the same program.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A packed function.
pub(super) struct Package {
    /// Which.
    pub(super) function: &'static str,
    /// The archive.
    pub(super) file: PathBuf,
    /// Its name in a bucket, by what is in it.
    pub(super) key: String,
}

impl Package {
    /// Packs `<folder>/<function>/bootstrap`.
    pub(super) fn of(function: &'static str, folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.join(function);
        let program = folder.join("bootstrap");
        let bytes = std::fs::read(&program).with_context(|| format!("failed to read {}", program.display()))?;
        // No time of its own: the archive of the same program is the same.
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).unix_permissions(0o755);
        let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        archive.start_file("bootstrap", options)?;
        archive.write_all(&bytes)?;
        let archive = archive.finish()?.into_inner();
        let key = format!("{function}/{}.zip", digest(&archive));
        let file = folder.join("bootstrap.zip");
        std::fs::write(&file, archive)?;
        Ok(Package { function, file, key })
    }
}

/// What these bytes are called.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
