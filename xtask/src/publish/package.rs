//! Packs a function as Lambda takes it: a ZIP archive with one program. The same program gives the same bytes.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A packed function.
pub(super) struct Package {
    /// The name of the function.
    pub(super) function: &'static str,
    /// The path of the archive.
    pub(super) file: PathBuf,
    /// The object's key in a bucket, which contains the digest of the archive.
    pub(super) key: String,
}

impl Package {
    /// Packs `<folder>/<function>/bootstrap`.
    pub(super) fn of(function: &'static str, folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.join(function);
        let program = folder.join("bootstrap");
        let bytes = std::fs::read(&program).with_context(|| format!("failed to read {}", program.display()))?;
        // The entry has no time, so that the archive of the same program is the same.
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

/// Returns the digest of these bytes as text.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
