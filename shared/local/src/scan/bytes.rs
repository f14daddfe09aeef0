//! Splits the bytes of an input into pieces, decompressed, in memory that doesn't grow with the input.
//!
//! CloudTrail's files are small: libdeflate decompresses each in one call, which is twice as fast as any streaming decoder. Inputs that are
//! larger, that consist of several gzip members, or that are no files are decompressed as they are read, through a window. Content other
//! than JSON is opened by its kind: text in other encodings, tables, archives, and compressed data inside of compressed data.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufReader, Cursor, Read, Seek},
    path::Path,
};

use audit_core::cloudtrail::frame::{Frame, Frames};
use flate2::bufread::GzDecoder;
use libdeflater::Decompressor;
use memchr::memmem;
use memmap2::MmapMut;
use zip::ZipArchive;

use super::{
    Piece,
    kind::{self, Kind},
    readers::{Bounded, Broken, Members, Meter, Metered},
    rows::{Row, Table},
};
use crate::encoding::FromUtf16;

/// Bytes that are decompressed in one call at most. CloudTrail's files hold up to 50 MB, but seldom more than a few.
const IN_ONE_GO: usize = 24 << 20;

/// A buffer of up to this many bytes is kept, however small the next contents are.
const SMALL: usize = 256 << 10;

/// The first size of the window over what is read piece by piece, in bytes.
const WINDOW: usize = 1 << 20;

/// Bytes of the largest record that is read; a larger one is reported. CloudTrail's are at most 256 KB, CloudTrail Lake's 1 MB
/// (docs/aws/delivery.md#trails).
const LARGEST_RECORD: usize = 16 << 20;

/// How many times compressed data may be nested in compressed data.
const DEEPEST: u32 = 4;

/// Bytes that are read at most out of nested compressed data, against decompression bombs. For an archive the limit is a hundred times its
/// size, if that is more.
const LARGEST_INSIDE: u64 = 1 << 30;

/// Bytes of the largest archive that is held in memory, which is needed where it can't be read from a file.
const LARGEST_ARCHIVE: u64 = 64 << 20;

const GZIP_MAGIC: &[u8] = b"\x1f\x8b\x08";

/// Buffers for the contents of one file after another.
///
/// Large buffers are mapped by the system instead of allocated: once a large piece is freed, the allocator keeps later ones on its heap,
/// where they leave holes.
pub(super) struct Contents {
    compressed: Buffer,
    inflated: Buffer,
    window: Vec<u8>,
    decompressor: Decompressor,
}

impl Default for Contents {
    fn default() -> Self {
        Contents { compressed: Buffer::default(), inflated: Buffer::default(), window: Vec::new(), decompressor: Decompressor::new() }
    }
}

/// A buffer that is used again for the next contents unless those are far smaller. Files are read largest first, so the memory of the first
/// ones becomes free for the evidence of the later ones.
#[derive(Default)]
struct Buffer(Option<MmapMut>);

impl Buffer {
    fn of(&mut self, size: usize) -> io::Result<&mut [u8]> {
        let fits = |buffer: &MmapMut| size <= buffer.len() && buffer.len() <= SMALL.max(size.saturating_mul(2));
        let buffer = match self.0.take().filter(fits) {
            Some(buffer) => self.0.insert(buffer),
            None => self.0.insert(MmapMut::map_anon(size.max(SMALL))?),
        };
        Ok(buffer.get_mut(..size).unwrap_or_default())
    }
}

/// The function that receives each piece of an input.
type OnPiece<'w> = dyn FnMut(Piece<'_>) + 'w;

impl Contents {
    /// Calls a function with each piece of a file, and counts its bytes as they are read.
    pub(super) fn each_of_file(
        &mut self,
        path: &Path,
        bytes: u64,
        by_line: bool,
        meter: &Meter<'_>,
        with: &mut OnPiece<'_>,
    ) -> io::Result<()> {
        let level = Level { depth: 0, by_line, left: None };
        let mut file = File::open(path)?;
        let Some(size) = usize::try_from(bytes).ok().filter(|size| *size <= IN_ONE_GO) else {
            let mut start = Vec::new();
            Read::by_ref(&mut file).take(kind::START as u64).read_to_end(&mut start)?;
            file.rewind()?;
            let mut file = Metered { reader: file, meter };
            return match Kind::of(&start) {
                Kind::Zip => self.archive(file, bytes, with),
                _ => open(&mut file, level, &mut self.window, with),
            };
        };
        // One byte more shows whether the file has grown since it was listed.
        let buffer = self.compressed.of(size + 1)?;
        let read = read_into(&mut file, buffer)?;
        let compressed = buffer.get(..read).unwrap_or_default();
        if read <= size
            && let Some(inflated) = inflate(&mut self.decompressor, compressed, &mut self.inflated)?
        {
            if inflated.trim_ascii_start().starts_with(b"{") {
                each_frame_in(inflated, level.frames(), with);
                return Ok(());
            }
            let mut inflated = inflated;
            return open(&mut inflated, level.deeper(), &mut self.window, with);
        }
        if read <= size && Kind::of(compressed) == Kind::Zip {
            return entries(Cursor::new(compressed), bytes, &mut self.window, with);
        }
        open(&mut Metered { reader: compressed.chain(file), meter }, level, &mut self.window, with)
    }

    fn archive(&mut self, file: impl Read + Seek, bytes: u64, with: &mut OnPiece<'_>) -> io::Result<()> {
        entries(BufReader::new(file), bytes, &mut self.window, with)
    }

    /// Calls a function with each piece of what a reader gives.
    pub(super) fn each_of(&mut self, reader: &mut dyn Read, by_line: bool, with: &mut OnPiece<'_>) -> io::Result<()> {
        open(reader, Level { depth: 0, by_line, left: None }, &mut self.window, with)
    }
}

/// How deeply something is nested in an input.
#[derive(Clone, Copy)]
struct Level<'l> {
    depth: u32,
    /// Whether each line is one value, by the file's name.
    by_line: bool,
    /// Bytes that may still come out of compressed data. `None` at the top, where nothing is counted.
    left: Option<&'l Cell<u64>>,
}

impl Level<'_> {
    fn deeper(self) -> Self {
        Level { depth: self.depth + 1, ..self }
    }

    fn frames(self) -> Frames {
        if self.by_line { Frames::line_by_line() } else { Frames::default() }
    }
}

/// Detects the kind of the bytes, and calls a function with each piece of them.
fn open(reader: &mut dyn Read, level: Level<'_>, window: &mut Vec<u8>, with: &mut OnPiece<'_>) -> io::Result<()> {
    let mut start = Vec::with_capacity(kind::START);
    let mut early = Ok(());
    if let Err(error) = (&mut *reader).take(kind::START as u64).read_to_end(&mut start) {
        early = Err(error);
    }
    let kind = Kind::of(&start);
    // What was read before the failure still counts.
    let mut whole = Broken::behind(Cursor::new(&start).chain(reader), start.len(), early);
    match kind {
        Kind::Empty => whole.drain(),
        Kind::Json => each_frame(&mut whole, window, level.frames(), false, with),
        Kind::Text => match Table::of(&start) {
            Some(table) => each_row(&mut whole, window, table, with),
            None if is_wrapped_base64(&start) => {
                let mut text = Vec::new();
                (&mut whole).take(LARGEST_RECORD as u64).read_to_end(&mut text)?;
                with(Piece::Line { line: &text, in_text: true });
                Ok(())
            }
            None => each_frame(&mut whole, window, level.frames(), true, with),
        },
        Kind::Utf16(encoding) if level.depth <= DEEPEST => open(&mut FromUtf16::new(whole, encoding), level.deeper(), window, with),
        Kind::Gzip if level.depth <= DEEPEST => {
            let members = Members { decoder: Some(GzDecoder::new(BufReader::with_capacity(1 << 16, whole))) };
            let inside = Cell::new(LARGEST_INSIDE);
            match level.left.or((level.depth > 0).then_some(&inside)) {
                None => open(&mut { members }, level.deeper(), window, with),
                Some(left) => open(&mut Bounded { reader: members, left }, Level { left: Some(left), ..level.deeper() }, window, with),
            }
        }
        Kind::Zip if level.depth == 0 => {
            let mut archive = Vec::new();
            (&mut whole).take(LARGEST_ARCHIVE + 1).read_to_end(&mut archive)?;
            if archive.len() as u64 > LARGEST_ARCHIVE {
                return Err(io::Error::other("a zip archive of more than 64 MiB can only be read from a file"));
            }
            let bytes = archive.len() as u64;
            entries(Cursor::new(archive), bytes, window, with)
        }
        Kind::Utf16(_) | Kind::Gzip | Kind::Zip => {
            with(Piece::Foreign { kind: kind::NESTED, inside: None });
            Ok(())
        }
        Kind::Foreign(kind) => {
            with(Piece::Foreign { kind, inside: None });
            Ok(())
        }
    }
}

/// Calls a function with each piece of each file in an archive. A file that can't be read doesn't keep the others from being read.
fn entries(archive: impl Read + Seek, bytes: u64, window: &mut Vec<u8>, with: &mut OnPiece<'_>) -> io::Result<()> {
    let mut archive = ZipArchive::new(archive).map_err(io::Error::other)?;
    let left = Cell::new(LARGEST_INSIDE.max(bytes.saturating_mul(100)));
    for index in 0..archive.len() {
        with(Piece::NextFile);
        let mut entry = match archive.by_index(index) {
            Ok(entry) if entry.is_dir() => continue,
            Ok(entry) => entry,
            Err(error) => {
                with(Piece::Lost(format!("file {} in the archive: {error}", index + 1)));
                continue;
            }
        };
        let name = entry.name().map_or_else(|_| format!("file {}", index + 1), std::borrow::Cow::into_owned);
        let by_line = super::is_line_by_line(&name);
        let level = Level { depth: 1, by_line, left: Some(&left) };
        let mut named = |piece: Piece<'_>| match piece {
            Piece::Foreign { kind, .. } => with(Piece::Foreign { kind, inside: Some(&name) }),
            piece => with(piece),
        };
        let outcome = open(&mut Bounded { reader: &mut entry, left: &left }, level, window, &mut named);
        if let Err(error) = outcome {
            with(Piece::Lost(format!("`{name}` in the archive: {error}")));
        }
        if left.get() == 0 {
            return Err(io::Error::other("the archive holds a hundred times its size, and is given up"));
        }
    }
    with(Piece::NextFile);
    Ok(())
}

/// Whether a text is base64 in lines of one width, as `base64` writes it, and not one encoded value a line.
fn is_wrapped_base64(start: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\r' | b'\n');
    let mut lines = start.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    match (lines.next(), lines.next()) {
        (Some(first), Some(second)) => {
            let width = first.len();
            start.iter().all(is_base64) && (60..=80).contains(&width) && !second.is_empty() && first.get(..4) != second.get(..4)
        }
        _ => false,
    }
}

/// Fills the space as far as the reader has bytes, and returns how many it had.
fn read_into(reader: &mut impl Read, space: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    fill(reader, space, &mut read)?;
    Ok(read)
}

/// Decompresses the bytes in one call. Returns `None` if they aren't a single gzip member of at most [`IN_ONE_GO`].
fn inflate<'r>(decompressor: &mut Decompressor, compressed: &[u8], buffer: &'r mut Buffer) -> io::Result<Option<&'r [u8]>> {
    // The last four bytes are the size of the contents modulo 2^32; with several members, that of the last one.
    let size = compressed.last_chunk().map(|size| u32::from_le_bytes(*size) as usize);
    let Some(size) = size.filter(|size| compressed.starts_with(GZIP_MAGIC) && *size <= IN_ONE_GO) else {
        return Ok(None);
    };
    let space = buffer.of(size)?;
    let outcome = decompressor.gzip_decompress(compressed, space);
    Ok((outcome == Ok(size) && !may_have_another_member(compressed)).then_some(space))
}

/// Whether another gzip member may start behind the first. The three bytes of a start occur by chance in one of eighty CloudTrail files,
/// but few of those have flags behind them that a decoder would accept (RFC 1952, section 2.3.1.2: the upper three bits are zero).
fn may_have_another_member(compressed: &[u8]) -> bool {
    let mut starts = memmem::find_iter(compressed, GZIP_MAGIC).skip(1);
    starts.any(|start| compressed.get(start + GZIP_MAGIC.len()).is_none_or(|flags| flags & 0xe0 == 0))
}

/// Calls a function with each frame of bytes that are complete.
fn each_frame_in(bytes: &[u8], mut frames: Frames, with: &mut OnPiece<'_>) {
    let mut rest = bytes;
    loop {
        let (used, frame) = frames.next(rest, true);
        rest = rest.get(used..).unwrap_or_default();
        match frame {
            Frame::Value(value) => with(Piece::Value(value)),
            Frame::Text(line) => with(Piece::Line { line, in_text: false }),
            Frame::Broken(why) => with(Piece::Broken(why)),
            Frame::More | Frame::End => return,
        }
    }
}

/// A window over what a reader returns.
struct Window<'r> {
    reader: &'r mut dyn Read,
    buffer: &'r mut Vec<u8>,
    start: usize,
    end: usize,
    /// Whether the reader has ended.
    last: bool,
    failed: Option<io::Error>,
}

impl<'r> Window<'r> {
    fn new(reader: &'r mut dyn Read, buffer: &'r mut Vec<u8>) -> Self {
        buffer.resize(buffer.len().max(WINDOW), 0);
        Window { reader, buffer, start: 0, end: 0, last: false, failed: None }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads on. Returns false if the window has its largest size already. If reading fails, what was read before still counts.
    fn grow(&mut self) -> io::Result<bool> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.buffer.len() {
            if self.end >= LARGEST_RECORD {
                return Ok(false);
            }
            self.buffer.resize(self.end * 2, 0);
        }
        match fill(self.reader, self.buffer, &mut self.end) {
            Ok(is_last) => self.last = is_last,
            Err(error) => self.failed = Some(error),
        }
        Ok(true)
    }
}

/// Calls a function with each frame of what a reader returns.
fn each_frame(reader: &mut dyn Read, buffer: &mut Vec<u8>, mut frames: Frames, in_text: bool, with: &mut OnPiece<'_>) -> io::Result<()> {
    let mut window = Window::new(reader, buffer);
    loop {
        let (used, frame) = frames.next(window.bytes(), window.last);
        let is_more = frame == Frame::More;
        match frame {
            Frame::Value(value) => with(Piece::Value(value)),
            Frame::Text(line) => with(Piece::Line { line, in_text }),
            Frame::Broken(why) => with(Piece::Broken(why)),
            Frame::End => return Ok(()),
            Frame::More if window.last => return Ok(()),
            Frame::More => {}
        }
        window.start += used;
        if is_more && !window.grow()? {
            let (used, why) = frames.give_up(window.bytes());
            with(Piece::Broken(why));
            window.start += used;
        }
    }
}

/// Calls a function with each row of a table.
fn each_row(reader: &mut dyn Read, buffer: &mut Vec<u8>, mut table: Table, with: &mut OnPiece<'_>) -> io::Result<()> {
    let mut window = Window::new(reader, buffer);
    loop {
        let (used, row) = table.next(window.bytes(), window.last);
        window.start += used;
        match row {
            Row::Cells(cells) => with(Piece::Row(cells)),
            Row::Broken => with(Piece::Broken("not a row of this table")),
            Row::Nothing => {}
            Row::End => return Ok(()),
            Row::More => {
                if !window.grow()? {
                    with(Piece::Broken("a row of more than 16 MiB"));
                    table.give_up();
                    window.start = window.end;
                }
            }
        }
    }
}

/// Fills the window. Returns true if the reader has ended.
fn fill(reader: &mut dyn Read, window: &mut [u8], end: &mut usize) -> io::Result<bool> {
    while let Some(space) = window.get_mut(*end..).filter(|space| !space.is_empty()) {
        match reader.read(space) {
            Ok(0) => return Ok(true),
            Ok(read) => *end += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
