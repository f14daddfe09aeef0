//! A file below a [`ZipWriter`](zip::ZipWriter), which finishes its zip when it is dropped, also after an error, and prints to standard error
//! whatever goes wrong then.

use std::io::{self, Seek, SeekFrom, Write};

/// A file that reports its first error and from then on accepts everything, without keeping it.
pub(super) struct FailsOnce<W> {
    out: W,
    position: u64,
    has_failed: bool,
}

impl<W> FailsOnce<W> {
    pub(super) fn new(out: W) -> Self {
        FailsOnce { out, position: 0, has_failed: false }
    }

    fn unless_failed<T>(&mut self, otherwise: T, act: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if self.has_failed {
            return Ok(otherwise);
        }
        let outcome = act(&mut self.out);
        // The caller tries a write again that a signal interrupted, so that isn't the failure to remember.
        self.has_failed = outcome.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        outcome
    }
}

impl<W: Write> Write for FailsOnce<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.unless_failed(bytes.len(), |out| out.write(bytes))?;
        self.position += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_failed((), W::flush)
    }
}

impl<W: Seek> Seek for FailsOnce<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let otherwise = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::Current(by) | SeekFrom::End(by) => self.position.saturating_add_signed(by),
        };
        self.position = self.unless_failed(otherwise, |out| out.seek(to))?;
        Ok(self.position)
    }
}
