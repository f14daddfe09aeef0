//! Checks the form of a zip: that all programs unpack the same from it.
//!
//! A zip names each of its files twice, before its content and in the directory at the end, and may have other bytes around and between. Some
//! programs go by the directory, others read from the beginning, and of two files of one name some take the first and others the last. A
//! crafted zip can use this to show its reader other files than it shows `bundle verify`.

use std::io::{self, Read, Seek, SeekFrom};

use zip::{
    ZipArchive,
    result::{ZipError, ZipResult},
};

/// Bytes of an entry of the directory before its texts of various lengths (APPNOTE.TXT, 4.3.12).
const ENTRY: usize = 46;

/// Where an entry says how long its name, its extra field and its comment are, two bytes each.
const LENGTHS: std::ops::Range<usize> = 28..34;

/// Bytes of the record and of the locator that stand before the end of a zip with many files or bytes (4.3.14, 4.3.15).
const ZIP64: usize = 56 + 20;

/// Bytes of the end of the directory of a zip without a comment (4.3.16).
const END: usize = 22;

/// Returns what other programs may read in another way; `None` if there is nothing.
pub(super) fn ambiguity<R: Read + Seek>(file: &mut R) -> ZipResult<Option<&'static str>> {
    let mut archive = ZipArchive::new(&mut *file)?;
    if archive.has_duplicate_names() {
        return Ok(Some("two of its files have one name"));
    }
    let starts = (0..archive.len()).map(|index| Ok(archive.by_index_data(index)?.header_start())).collect::<ZipResult<Vec<u64>>>()?;
    if starts.into_iter().min().is_some_and(|first| first > 0) {
        return Ok(Some("something lies before its first file"));
    }
    match archive.validate_header_consistency() {
        Ok(()) => {}
        Err(ZipError::Io(error)) => return Err(error.into()),
        Err(_) => return Ok(Some("its files and its directory contradict each other")),
    }
    let (directory, files) = (archive.central_directory_start(), archive.len());
    let is_end = ends_after(file, directory, files)?;
    Ok((!is_end).then_some("its directory names more files than it counts, or something lies behind it"))
}

/// Returns whether a zip ends with its directory, which starts here and names this many files.
fn ends_after(file: &mut (impl Read + Seek), directory: u64, files: usize) -> io::Result<bool> {
    file.seek(SeekFrom::Start(directory))?;
    for _ in 0..files {
        let mut entry = [0; ENTRY];
        file.read_exact(&mut entry)?;
        let lengths = entry.get(LENGTHS).unwrap_or_default().chunks_exact(2);
        let texts: i64 = lengths.map(|length| length.iter().rev().fold(0, |sum, byte| (sum << 8) | i64::from(*byte))).sum();
        file.seek(SeekFrom::Current(texts))?;
    }
    let mut rest = Vec::new();
    Read::by_ref(file).take((ZIP64 + END + 1) as u64).read_to_end(&mut rest)?;
    let end = if rest.starts_with(b"PK\x06\x06") { rest.get(ZIP64..) } else { Some(rest.as_slice()) };
    Ok(end.is_some_and(|end| end.len() == END && end.starts_with(b"PK\x05\x06")))
}
