//! Detects the kind of a file from its first bytes.

use crate::encoding::Encoding;

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The file is empty.
    Empty,
    /// JSON values.
    Json,
    /// Text that doesn't begin like JSON: lines that may have JSON in them, or a table.
    Text,
    /// Text in UTF-16, as tools on Windows write it.
    Utf16(Encoding),
    /// Data compressed by gzip.
    Gzip,
    /// A ZIP archive.
    Zip,
    /// Content that isn't read.
    Foreign(Foreign),
}

/// A kind of content that isn't read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Foreign {
    /// The name of the kind.
    pub(super) name: &'static str,
    /// Whether records may be in it, so that leaving it out is reported.
    pub(super) may_hold_records: bool,
    /// What the user can do to have the records read.
    pub(super) remedy: &'static str,
}

/// A kind of file that people keep beside logs and that holds no records.
const fn beside(name: &'static str) -> Foreign {
    Foreign { name, may_hold_records: false, remedy: "no record is in it" }
}

const fn holding(name: &'static str, remedy: &'static str) -> Foreign {
    Foreign { name, may_hold_records: true, remedy }
}

/// Text without a record.
pub(super) const TEXT: Foreign = beside("text");
/// Text that mentions the fields of records, and of which no record can be read.
pub(super) const DAMAGED_TEXT: Foreign = holding("text", "it speaks of `eventName`, and no record in it can be read");
/// An archive in an archive, or data that is compressed more often than is read.
pub(super) const NESTED: Foreign = holding("compressed in itself, too often", UNPACK);
/// Bytes of an unknown kind.
const BINARY: Foreign = holding("binary data of an unknown kind", "not read: give CloudTrail's files as they are");
const UNPACK: &str = "not read: unpack it first";
const EXPORT: &str = "not read: write the records as JSON, one a line";
const IMAGE: Foreign = beside("image");
const ENCRYPTED: Foreign = holding("encrypted data", "not read: decrypt it first");

/// The signatures of kinds: the offset, the bytes that stand there, and the kind (the formats' own specifications; file(1) has the same).
const MARKS: &[(usize, &[u8], Foreign)] = &[
    (0, b"PAR1", holding("Parquet", EXPORT)),
    (0, b"ORC", holding("ORC", EXPORT)),
    (0, b"Obj\x01", holding("Avro", EXPORT)),
    (0, b"ARROW1", holding("Arrow", EXPORT)),
    (0, b"SEQ\x06", holding("Hadoop sequence file", EXPORT)),
    (0, b"\xfd7zXZ\0", holding("xz", UNPACK)),
    (0, b"BZh", holding("bzip2", UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", holding("zstd", UNPACK)),
    (0, b"\x04\x22\x4d\x18", holding("LZ4", UNPACK)),
    (0, b"\xff\x06\0\0sNaPpY", holding("Snappy", UNPACK)),
    (0, b"\x1f\x9d", holding("compress", UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", holding("7z", UNPACK)),
    (0, b"Rar!\x1a\x07", holding("rar", UNPACK)),
    (257, b"ustar", holding("tar", UNPACK)),
    (0, b"SQLite format 3\0", holding("SQLite database", EXPORT)),
    (0, b"Salted__", ENCRYPTED),
    (0, b"-----BEGIN PGP MESSAGE", ENCRYPTED),
    (0, b"age-encryption.org/", ENCRYPTED),
    (0, b"\x89PNG\r\n\x1a\n", IMAGE),
    (0, b"\xff\xd8\xff", IMAGE),
    (0, b"GIF8", IMAGE),
    (8, b"WEBP", IMAGE),
    (0, b"BM", IMAGE),
    (0, b"\0\0\x01\0", IMAGE),
    (0, b"II*\0", IMAGE),
    (0, b"MM\0*", IMAGE),
    (0, b"%PDF-", beside("PDF")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", holding("Office document", EXPORT)),
    (0, b"\0\0\0\x01Bud1", beside("settings of a folder")),
    (0, b"\x7fELF", beside("program")),
    (0, b"MZ", beside("program")),
    (0, b"\xcf\xfa\xed\xfe", beside("program")),
    (0, b"wOF", beside("font")),
];

/// Bytes at the start of a file that its kind is detected from.
pub(super) const START: usize = 4096;

impl Kind {
    /// Detects the kind from the first [`START`] bytes, or from all if there are fewer.
    pub(super) fn of(start: &[u8]) -> Self {
        if start.starts_with(b"\x1f\x8b") {
            return Kind::Gzip;
        }
        if [b"PK\x03\x04", b"PK\x05\x06"].iter().any(|mark| start.starts_with(*mark)) {
            return Kind::Zip;
        }
        let says = |(at, mark, _): &&(usize, &[u8], Foreign)| start.get(*at..).is_some_and(|start| start.starts_with(mark));
        let foreign = MARKS.iter().find(says).map(|(.., foreign)| *foreign);
        // A signature of two letters may also begin a text.
        if let Some(foreign) = foreign.filter(|_| !is_text(start) || start.starts_with(b"%PDF") || start.starts_with(b"-----BEGIN PGP")) {
            return Kind::Foreign(foreign);
        }
        let encoding = Encoding::of(start);
        if encoding != Encoding::Utf8 {
            return Kind::Utf16(encoding);
        }
        let text = audit_core::json::without_mark(start).trim_ascii_start();
        let text = text.strip_prefix(b"\x1e").unwrap_or(text);
        match text.first() {
            None if start.len() < START => Kind::Empty,
            None | Some(b'{') => Kind::Json,
            // Log lines also put times and levels into brackets.
            Some(b'[')
                if matches!(
                    text.get(1..).map(|behind| behind.trim_ascii_start().first()),
                    Some(None | Some(b'{' | b'[' | b'"' | b']'))
                ) =>
            {
                Kind::Json
            }
            // A syslog line begins with its priority in angle brackets.
            Some(b'<') if is_text(start) && !text.get(1).is_some_and(u8::is_ascii_digit) => Kind::Foreign(markup(text)),
            Some(_) if start.starts_with(b"age-encryption.org/") => Kind::Foreign(ENCRYPTED),
            Some(_) if is_text(start) => Kind::Text,
            Some(_) => Kind::Foreign(BINARY),
        }
    }
}

fn markup(text: &[u8]) -> Foreign {
    let start = text.get(..text.len().min(64)).unwrap_or_default().to_ascii_lowercase();
    if start.windows(5).any(|word| word == b" html" || word == b"<html") { beside("HTML") } else { beside("XML") }
}

/// Whether these bytes may begin a text: they hold no control characters but those that texts have.
fn is_text(start: &[u8]) -> bool {
    let steers = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b | 0x1e);
    if start.iter().any(steers) {
        return false;
    }
    match std::str::from_utf8(start) {
        Ok(_) => true,
        // A character may be cut at the end of these bytes. A few others may be of an older encoding.
        Err(error) => error.error_len().is_none() || start.iter().filter(|byte| !byte.is_ascii()).count() * 8 < start.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_how_they_begin() {
        let foreign = |start: &[u8]| match Kind::of(start) {
            Kind::Foreign(foreign) => foreign.name,
            _ => "read",
        };
        for (start, name) in [
            (&b"PAR1\x15\x04"[..], "Parquet"),
            (b"\xfd7zXZ\0\0\x04", "xz"),
            (b"BZh91AY&SY\x01", "bzip2"),
            (b"\x28\xb5\x2f\xfd\x04", "zstd"),
            (b"\x89PNG\r\n\x1a\n\0", "image"),
            (b"%PDF-1.7\n", "PDF"),
            (b"<!doctype html><html>", "HTML"),
            (b"<?xml version=\"1.0\"?>", "XML"),
            (b"SQLite format 3\0", "SQLite database"),
            (b"-----BEGIN PGP MESSAGE-----\n", "encrypted data"),
            (b"\x01\x02\x03\x04", "binary data of an unknown kind"),
        ] {
            assert_eq!(foreign(start), name);
        }
        let mut tar = vec![0; 512];
        tar[..4].copy_from_slice(b"logs");
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(foreign(&tar), "tar");
        for (start, kind) in [
            (&b""[..], Kind::Empty),
            (b" \n", Kind::Empty),
            (b"\xef\xbb\xbf{\"a\":1}", Kind::Json),
            (b"\x1e{\"a\":1}", Kind::Json),
            (b"[", Kind::Json),
            (b"\xff\xfe{\0", Kind::Utf16(Encoding::Utf16Little)),
            (b"\x1f\x8b\x08", Kind::Gzip),
            (b"PK\x03\x04\x14", Kind::Zip),
            (b"BM is a text", Kind::Text),
            (b"MZ too", Kind::Text),
            (b"[INFO] 2026", Kind::Text),
            (b"\"{}\"", Kind::Text),
            (b"2026-11-20 {\"a\":1}", Kind::Text),
            (b"<134>Nov 20 10:01:00 host cloudtrail: {\"a\":1}", Kind::Text),
            ("Größe".as_bytes(), Kind::Text),
        ] {
            assert_eq!(Kind::of(start), kind, "{start:?}");
        }
    }
}
