//! Readers that wrap other readers to decompress, bound or count what comes through.

use std::{
    cell::Cell,
    io::{self, BufRead, Read, Seek, SeekFrom},
    sync::atomic::{AtomicU64, Ordering},
};

use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};

use super::Digest;

/// Reads the members of a gzip file one after the other. Zeros between or behind them are padding, which gzip ignores too: files from tapes
/// and block devices are filled up with them.
pub(super) struct Members<R: BufRead> {
    pub(super) decoder: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut rest) = self.decoder.take().map(GzDecoder::into_inner) else { break };
            if skip_zeros(&mut rest)? {
                self.decoder = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// Skips zeros. Returns whether something else follows.
fn skip_zeros(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = reader.fill_buf()?;
        let (length, zeros) = (bytes.len(), bytes.iter().take_while(|byte| **byte == 0).count());
        reader.consume(zeros);
        if zeros < length || length == 0 {
            return Ok(length > 0);
        }
    }
}

/// A reader that failed after its first bytes: it returns those bytes, and then the error.
pub(super) struct Broken<R> {
    reader: R,
    left: usize,
    failed: Option<io::Error>,
}

impl<R: Read> Broken<R> {
    pub(super) fn behind(reader: R, left: usize, outcome: io::Result<()>) -> Self {
        Broken { reader, left, failed: outcome.err() }
    }

    /// Reads the rest, to find out whether it can be read.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(|_| ())
    }
}

impl<R: Read> Read for Broken<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed.is_none() {
            return self.reader.read(buffer);
        }
        let most = buffer.len().min(self.left);
        if most == 0 {
            return self.failed.take().map_or(Ok(0), Err);
        }
        let read = self.reader.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left -= read;
        Ok(read)
    }
}

/// Adds to a counter the bytes of a file while they are read, so that progress moves inside of a large file.
pub(super) struct Metered<'c, R> {
    pub(super) reader: R,
    pub(super) meter: &'c Meter<'c>,
}

/// Counts the bytes of one file.
pub(super) struct Meter<'c> {
    /// The counter of all files, if somebody watches it.
    counter: Option<&'c AtomicU64>,
    /// Bytes of the file that may still be counted. An archive is read in more than one pass, and a file may grow: no file counts more than
    /// the size that it was listed with.
    left: Cell<u64>,
    is_size_known: bool,
}

impl<'c> Meter<'c> {
    /// A meter of a file of this size, or of a stream.
    pub(super) fn new(counter: Option<&'c AtomicU64>, size: Option<u64>) -> Self {
        Meter { counter, left: Cell::new(size.unwrap_or(u64::MAX)), is_size_known: size.is_some() }
    }

    fn add(&self, bytes: u64) {
        let counted = bytes.min(self.left.get());
        self.left.set(self.left.get() - counted);
        if let Some(counter) = self.counter {
            counter.fetch_add(counted, Ordering::Relaxed);
        }
    }

    /// Counts what was never read, because the file ended early or was known already.
    pub(super) fn finish(&self) {
        if self.is_size_known {
            self.add(u64::MAX);
        }
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.meter.add(read as u64);
        Ok(read)
    }
}

impl<R: Seek> Seek for Metered<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader.seek(to)
    }
}

/// A reader that fails once it has returned more bytes than `left`.
pub(super) struct Bounded<'l, R> {
    pub(super) reader: R,
    pub(super) left: &'l Cell<u64>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let left = self.left.get().checked_sub(read as u64);
        self.left.set(left.unwrap_or(0));
        if left.is_some() { Ok(read) } else { Err(io::Error::other("more is compressed in it than is read")) }
    }
}

/// The SHA-256 of everything that a reader returns.
pub(super) fn digest(reader: &mut impl Read) -> io::Result<Digest> {
    let mut hashed = Digesting::new(reader, true);
    io::copy(&mut hashed, &mut io::sink())?;
    Ok(hashed.finish().1.unwrap_or_default())
}

/// Counts and digests what is read through it.
pub(super) struct Digesting<R> {
    reader: R,
    bytes: u64,
    hasher: Option<Sha256>,
}

impl<R: Read> Digesting<R> {
    pub(super) fn new(reader: R, digest: bool) -> Self {
        Digesting { reader, bytes: 0, hasher: digest.then(Sha256::new) }
    }

    pub(super) fn finish(self) -> (u64, Option<Digest>) {
        (self.bytes, self.hasher.map(|hasher| hasher.finalize().into()))
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.bytes += read as u64;
        if let (Some(hasher), Some(new)) = (&mut self.hasher, buffer.get(..read)) {
            hasher.update(new);
        }
        Ok(read)
    }
}
