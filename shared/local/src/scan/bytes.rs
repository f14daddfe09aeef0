//! The bytes of an input, decompressed, in memory that doesn't grow with it.
//!
//! CloudTrail's files are small: they are decompressed in one go by libdeflate, which is twice as fast as any streaming decoder. What is
//! larger, of several gzip members, or not a file is decompressed as it is read, through a window.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Chain, Cursor, Read},
    path::Path,
};

use audit_core::cloudtrail::frame::{Frame, Frames};
use flate2::bufread::GzDecoder;
use libdeflater::Decompressor;
use memchr::memmem;
use memmap2::MmapMut;
use sha2::{Digest as _, Sha256};

use super::Digest;

/// The most that is decompressed in one go. CloudTrail's files hold up to 50 MB (facts/05 §2), but seldom more than a few.
const IN_ONE_GO: usize = 24 << 20;

/// Room that is this small is kept, however small the contents are.
const SMALL: usize = 256 << 10;

/// The window over what is read piece by piece, at first.
const WINDOW: usize = 1 << 20;

/// A record larger than this is given up: CloudTrail's are at most 256 KB, CloudTrail Lake's 1 MB (facts/05 §2).
const LARGEST_RECORD: usize = 16 << 20;

const GZIP_MAGIC: &[u8] = b"\x1f\x8b\x08";

/// Memory for the contents of one file after another.
///
/// What is large comes from the system, not from the allocator: what is freed once makes the allocator keep later large pieces on its heap,
/// where they leave holes.
pub(super) struct Contents {
    compressed: Room,
    inflated: Room,
    window: Vec<u8>,
    decompressor: Decompressor,
}

impl Default for Contents {
    fn default() -> Self {
        Contents { compressed: Room::default(), inflated: Room::default(), window: Vec::new(), decompressor: Decompressor::new() }
    }
}

/// Room for bytes of a known number, kept for the next unless these are far fewer: files come largest first, and what the first ones took
/// is free for what is kept of the later ones.
#[derive(Default)]
struct Room(Option<MmapMut>);

impl Room {
    fn of(&mut self, size: usize) -> io::Result<&mut [u8]> {
        let fits = |room: &MmapMut| size <= room.len() && room.len() <= SMALL.max(size.saturating_mul(2));
        let room = match self.0.take().filter(fits) {
            Some(room) => self.0.insert(room),
            None => self.0.insert(MmapMut::map_anon(size.max(SMALL))?),
        };
        Ok(room.get_mut(..size).unwrap_or_default())
    }
}

impl Contents {
    /// Calls a function with each frame of a file.
    pub(super) fn each_frame_of_file(
        &mut self,
        path: &Path,
        bytes: u64,
        frames: Frames,
        mut with: impl FnMut(Result<&[u8], &'static str>),
    ) -> io::Result<()> {
        let mut file = File::open(path)?;
        let Some(size) = usize::try_from(bytes).ok().filter(|size| *size <= IN_ONE_GO) else {
            return self.each_frame_of(&mut file, frames, &mut with);
        };
        // One byte more, to see whether it has grown since it was listed.
        let room = self.compressed.of(size + 1)?;
        let read = read_into(&mut file, room)?;
        let compressed = room.get(..read).unwrap_or_default();
        if read <= size
            && let Some(inflated) = inflate(&mut self.decompressor, compressed, &mut self.inflated)?
        {
            each_frame_in(inflated, frames, with);
            return Ok(());
        }
        each_frame(&mut decompressed(&mut compressed.chain(file))?, &mut self.window, frames, with)
    }

    /// Calls a function with each frame of what a reader gives, compressed or not.
    pub(super) fn each_frame_of(
        &mut self,
        reader: &mut impl Read,
        frames: Frames,
        with: impl FnMut(Result<&[u8], &'static str>),
    ) -> io::Result<()> {
        each_frame(&mut decompressed(reader)?, &mut self.window, frames, with)
    }
}

/// Fills the space, as far as there is something to read: how much there was.
fn read_into(reader: &mut impl Read, space: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    fill(reader, space, &mut read)?;
    Ok(read)
}

/// The compressed bytes in one go; `None` if they aren't one gzip member of a size that is fit for it.
fn inflate<'r>(decompressor: &mut Decompressor, compressed: &[u8], room: &'r mut Room) -> io::Result<Option<&'r [u8]>> {
    // The last four bytes say how large the contents are, modulo 2^32: of the last member, if there are several.
    let size = compressed.last_chunk().map(|size| u32::from_le_bytes(*size) as usize);
    let Some(size) = size.filter(|size| compressed.starts_with(GZIP_MAGIC) && *size <= IN_ONE_GO) else {
        return Ok(None);
    };
    let space = room.of(size)?;
    let outcome = decompressor.gzip_decompress(compressed, space);
    Ok((outcome == Ok(size) && !may_have_another_member(compressed)).then_some(space))
}

/// Whether another member may start behind the first. The bytes of a start stand in one of eighty files of CloudTrail by chance, but few of
/// those have flags behind them that a decoder would take (RFC 1952, section 2.3.1.2: the upper three are zero).
fn may_have_another_member(compressed: &[u8]) -> bool {
    let mut starts = memmem::find_iter(compressed, GZIP_MAGIC).skip(1);
    starts.any(|start| compressed.get(start + GZIP_MAGIC.len()).is_none_or(|flags| flags & 0xe0 == 0))
}

/// Looks whether the bytes are compressed, and decompresses them if so.
fn decompressed<'r, R: Read>(reader: &'r mut R) -> io::Result<Box<dyn Read + 'r>> {
    let mut start = Vec::with_capacity(GZIP_MAGIC.len());
    reader.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut start)?;
    let is_gzip = start == GZIP_MAGIC;
    let whole: Chain<Cursor<Vec<u8>>, &'r mut R> = Cursor::new(start).chain(reader);
    let whole = BufReader::with_capacity(1 << 16, whole);
    Ok(if is_gzip { Box::new(Members { decoder: Some(GzDecoder::new(whole)) }) } else { Box::new(whole) })
}

/// The members of a gzip file, one behind the other. Zeros between or behind them are padding, as gzip itself has it: files from tapes
/// and blocks are filled up with them.
struct Members<R: BufRead> {
    decoder: Option<GzDecoder<R>>,
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

/// Skips zeros; whether something else follows.
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

/// Calls a function with each frame of bytes that are all there.
fn each_frame_in(bytes: &[u8], mut frames: Frames, mut with: impl FnMut(Result<&[u8], &'static str>)) {
    let mut rest = bytes;
    loop {
        let (used, frame) = frames.next(rest, true);
        rest = rest.get(used..).unwrap_or_default();
        match frame {
            Frame::Value(value) => with(Ok(value)),
            Frame::Broken(why) => with(Err(why)),
            Frame::More | Frame::End => return,
        }
    }
}

/// Calls a function with each frame of what a reader gives. If it fails, what was read before still counts.
fn each_frame(
    reader: &mut dyn Read,
    window: &mut Vec<u8>,
    mut frames: Frames,
    mut with: impl FnMut(Result<&[u8], &'static str>),
) -> io::Result<()> {
    window.resize(window.len().max(WINDOW), 0);
    let (mut start, mut end, mut last) = (0, 0, false);
    let mut failed = None;
    loop {
        let (used, frame) = frames.next(window.get(start..end).unwrap_or_default(), last);
        start += used;
        match frame {
            Frame::Value(value) => with(Ok(value)),
            Frame::Broken(why) => with(Err(why)),
            Frame::End => return Ok(()),
            Frame::More if last => return Ok(()),
            Frame::More => {
                if let Some(error) = failed {
                    return Err(error);
                }
                window.copy_within(start..end, 0);
                (start, end) = (0, end - start);
                if end == window.len() {
                    if end >= LARGEST_RECORD {
                        with(Err("a record of more than 16 MiB"));
                        return Ok(());
                    }
                    window.resize(end * 2, 0);
                }
                match fill(reader, window, &mut end) {
                    Ok(is_last) => last = is_last,
                    // What was read before it broke still counts.
                    Err(error) => failed = Some(error),
                }
            }
        }
    }
}

/// Fills the window; true if nothing follows.
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

/// SHA-256 over all that a reader gives.
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    /// The frames of a file of these bytes, and whether reading it failed.
    fn read(bytes: &[u8]) -> (Vec<String>, bool) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut frames = Vec::new();
        let outcome = Contents::default().each_frame_of_file(file.path(), bytes.len() as u64, Frames::default(), |frame| {
            frames.push(frame.map_or_else(str::to_owned, |value| String::from_utf8_lossy(value).into_owned()));
        });
        (frames, outcome.is_err())
    }

    #[test]
    fn compressed_and_plain_files_give_the_same() {
        let file = r#"{"Records":[{"a":1},{"b":2}]}"#;
        assert_eq!(read(file.as_bytes()), (vec![r#"{"a":1}"#.into(), r#"{"b":2}"#.into()], false));
        assert_eq!(read(&gzip(file)), read(file.as_bytes()));
    }

    #[test]
    fn every_member_of_a_gzip_file_is_read() {
        let file = [gzip("{\"a\":1}\n"), gzip("{\"b\":2}\n"), gzip("{\"a\":1}\n")].concat();
        assert_eq!(read(&file).0, [r#"{"a":1}"#, r#"{"b":2}"#, r#"{"a":1}"#]);
    }

    #[test]
    fn what_only_looks_like_another_member_is_none() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
        encoder.write_all(&[b"{\"a\":\"".as_slice(), GZIP_MAGIC, b"\"}"].concat()).unwrap();
        let one = encoder.finish().unwrap();
        let in_one_go = |compressed: Vec<u8>| inflate(&mut Decompressor::new(), &compressed, &mut Room::default()).unwrap().is_some();
        assert!(in_one_go(one.clone()));
        assert!(!in_one_go([one.clone(), one.clone()].concat()), "two of the same size");
        assert!(!in_one_go([one.clone(), b"junk".to_vec(), one].concat()), "whatever stands between them");
    }

    #[test]
    fn a_damaged_file_gives_what_can_be_read_and_fails() {
        let whole = gzip(&"{\"a\":1}\n".repeat(1000));
        let (frames, failed) = read(&whole[..whole.len() / 2]);
        assert!(failed && frames.iter().all(|frame| frame == r#"{"a":1}"#));
        // Random letters, so that half of the bytes hold half of the records.
        let letters = |number: u64| {
            (0..40).map(|at| char::from(b'a' + u8::try_from((number * 7919 + at * at * 104_729) % 23).unwrap())).collect::<String>()
        };
        let records = (0..200).map(|number| format!("{{\"a\":\"{}\"}}", letters(number))).collect::<Vec<_>>().join(",");
        let small = gzip(&format!("{{\"Records\":[{records}]}}"));
        let (frames, failed) = read(&small[..small.len() / 2]);
        assert!(failed && !frames.is_empty() && frames.len() < 200, "{}", frames.len());
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0xff;
        assert!(read(&flipped).1);
        let mut trailing = whole;
        trailing.extend(b"junk");
        assert!(read(&trailing).1, "bytes behind the stream are an error");
    }

    #[test]
    fn zeros_behind_a_gzip_file_are_padding() {
        let mut padded = gzip("{\"a\":1}\n");
        padded.extend([0; 512]);
        assert_eq!(read(&padded), (vec![r#"{"a":1}"#.into()], false));
        padded.extend(gzip("{\"b\":2}\n"));
        padded.push(0);
        assert_eq!(read(&padded), (vec![r#"{"a":1}"#.into(), r#"{"b":2}"#.into()], false));
        padded.push(1);
        assert!(read(&padded).1);
    }

    #[test]
    fn a_large_file_is_read_through_a_window() {
        let record = format!("{{\"a\":\"{}\"}}\n", "x".repeat(700_000));
        let file = record.repeat(40);
        assert!(file.len() > IN_ONE_GO);
        assert_eq!(read(file.as_bytes()).0.len(), 40);
        assert_eq!(read(&gzip(&file)).0.len(), 40);
        let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(LARGEST_RECORD + IN_ONE_GO));
        assert_eq!(read(huge.as_bytes()).0, ["a record of more than 16 MiB"]);
    }
}
