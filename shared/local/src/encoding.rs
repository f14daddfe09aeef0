//! Converts text from the encodings that Windows tools write to UTF-8: PowerShell's `>` turns what the AWS CLI prints into UTF-16.

use std::{
    borrow::Cow,
    io::{self, Read},
};

/// The encoding of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// UTF-8, with or without a byte-order mark.
    Utf8,
    /// UTF-16, low byte first.
    Utf16Little,
    /// UTF-16, high byte first.
    Utf16Big,
}

impl Encoding {
    /// Detects the encoding from the first bytes: by the byte-order mark, or by the zeros beside ASCII characters. Every JSON text starts
    /// with two ASCII characters (RFC 4627, section 3).
    pub(crate) fn of(start: &[u8]) -> Self {
        match start {
            [0xff, 0xfe, ..] => Encoding::Utf16Little,
            [0xfe, 0xff, ..] => Encoding::Utf16Big,
            [first, 0, second, 0, ..] if is_text(*first) && is_text(*second) => Encoding::Utf16Little,
            [0, first, 0, second, ..] if is_text(*first) && is_text(*second) => Encoding::Utf16Big,
            _ => Encoding::Utf8,
        }
    }
}

fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace()
}

/// Returns the text as UTF-8 without a byte-order mark, whatever its encoding.
#[must_use]
pub fn to_utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    let encoding = Encoding::of(bytes);
    if encoding == Encoding::Utf8 {
        return Cow::Borrowed(audit_core::json::without_mark(bytes));
    }
    let mut text = Vec::with_capacity(bytes.len() / 2);
    // Reading from a slice can't fail.
    let _ = FromUtf16::new(bytes, encoding).read_to_end(&mut text);
    Cow::Owned(text)
}

/// Reads UTF-16 as UTF-8 and drops the byte-order mark. A code unit that is no character becomes U+FFFD.
pub(crate) struct FromUtf16<R> {
    reader: R,
    encoding: Encoding,
    /// Bytes that were read and not decoded yet: less than one character.
    rest: Vec<u8>,
    decoded: String,
    /// Bytes of `decoded` that the reader has handed out.
    given: usize,
    ended: bool,
    started: bool,
}

/// Bytes that are decoded at a time.
const PIECE: u64 = 1 << 15;

impl<R: Read> FromUtf16<R> {
    pub(crate) fn new(reader: R, encoding: Encoding) -> Self {
        FromUtf16 { reader, encoding, rest: Vec::new(), decoded: String::new(), given: 0, ended: false, started: false }
    }

    /// Decodes the next piece.
    fn decode(&mut self) -> io::Result<()> {
        let read = self.reader.by_ref().take(PIECE).read_to_end(&mut self.rest)?;
        self.ended = read == 0;
        let (pairs, odd) = self.rest.as_chunks::<2>();
        let unit = |pair: &[u8; 2]| if self.encoding == Encoding::Utf16Big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
        let mut units: Vec<u16> = pairs.iter().map(unit).collect();
        let mut left = odd.to_vec();
        // The first half of a surrogate pair waits for the second.
        if !self.ended && units.last().is_some_and(|last| (0xd800..0xdc00).contains(last)) {
            units.pop();
            left = [pairs.last().map_or(&[][..], |pair| pair), odd].concat();
        }
        (self.decoded, self.given) = (String::new(), 0);
        let characters = char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER));
        for character in characters {
            if self.started || character != '\u{feff}' {
                self.decoded.push(character);
            }
            self.started = true;
        }
        if self.ended && !left.is_empty() {
            self.decoded.push(char::REPLACEMENT_CHARACTER);
            left.clear();
        }
        self.rest = left;
        Ok(())
    }
}

impl<R: Read> Read for FromUtf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.decoded.len() && !self.ended {
            self.decode()?;
        }
        let mut waiting = self.decoded.as_bytes().get(self.given..).unwrap_or_default();
        let read = waiting.read(buffer)?;
        self.given += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn each_encoding_gives_the_same_text() {
        let text = "{\"name\": \"Größe 日本 😀\"}\r\n";
        for encoded in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            utf16(text, false),
            utf16(text, true),
            utf16(&format!("\u{feff}{text}"), false),
            utf16(&format!("\u{feff}{text}"), true),
        ] {
            assert_eq!(String::from_utf8(to_utf8(&encoded).into_owned()).unwrap(), text, "{encoded:?}");
        }
        assert_eq!(*to_utf8(b""), *b"");
        assert_eq!(*to_utf8(b"5"), *b"5");
    }

    #[test]
    fn characters_are_whole_wherever_pieces_end() {
        let text = format!("\u{feff}{}", "a😀".repeat(40_000));
        for shift in ["", "b", "bc"] {
            let encoded = utf16(&format!("{text}{shift}😀😀{text}"), false);
            let decoded = String::from_utf8(to_utf8(&encoded).into_owned()).unwrap();
            assert!(!decoded.contains('\u{fffd}') && decoded.matches('😀').count() == 80_002, "{shift}");
        }
    }

    #[test]
    fn what_is_no_text_is_marked() {
        let cut_off = [utf16("\u{feff}{", false), vec![0x3d]].concat();
        assert_eq!(*to_utf8(&cut_off), *"{\u{fffd}".as_bytes());
        let half = [utf16("\u{feff}a", false), vec![0x3d, 0xd8], utf16("b", false)].concat();
        assert_eq!(*to_utf8(&half), *"a\u{fffd}b".as_bytes());
    }
}
