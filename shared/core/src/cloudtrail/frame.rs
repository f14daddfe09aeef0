//! Splits the bytes of a log file into JSON values.
//!
//! Log files hold their records as `{"Records":[…]}` (CloudTrail's files), `{"Events":[…]}` (LookupEvents) and likewise under the other
//! names of `LISTS`, as `[…]`, as one value a line, or as a single value. A file may mix these forms, indent them or end inside one. A line
//! that begins neither with `{` nor with `[` is returned as text. [`Frames`] does not parse the values: it follows quotes and brackets
//! only, 64 bytes at a time with the vector instructions of the processor, and continues behind a broken value.

mod brackets;

pub(super) use brackets::container_len;
use memchr::{memchr, memchr2, memmem};

use super::fields::starts_like_record;

/// The members that hold lists of records: `Records` (CloudTrail's files, Kinesis), `Events` (LookupEvents), `events` (FilterLogEvents),
/// `logEvents` (subscriptions of CloudWatch Logs), `records` (Firehose), `results` (Logs Insights), `QueryResultRows` (CloudTrail Lake),
/// `Messages` (SQS).
pub(super) const LISTS: &[&str] = &["Records", "Events", "events", "logEvents", "records", "results", "QueryResultRows", "Messages"];

/// The next piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'b> {
    /// The bytes of one value, whose brackets and quotes match. They may still be invalid JSON.
    Value(&'b [u8]),
    /// A line that begins neither with `{` nor with `[`. A record may follow further on in it.
    Text(&'b [u8]),
    /// Bytes that can't be a value, with the reason.
    Broken(&'static str),
    /// The window ends inside a value: call again with a longer window that starts at the same byte.
    More,
    /// The whole file has been read.
    End,
}

/// Finds the JSON values of one file. The caller passes the file in windows, so that it is never in memory as a whole.
#[derive(Debug, Default)]
pub struct Frames {
    position: Position,
    /// Every value ends with its line. Set when the file's name shows it, or after the first broken value.
    line_by_line: bool,
    /// The value that was given up and that the window begins inside of.
    passing: Option<Passing>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Position {
    /// Between values.
    #[default]
    Top,
    /// Inside an array of values. `wrapped`: the array is a member of an object.
    List { wrapped: bool },
    /// Inside an object that holds a list of records, outside of the list.
    Wrapper,
}

/// What one step found, and how many bytes it consumed.
struct Step<'b> {
    used: usize,
    found: Option<Frame<'b>>,
}

impl Step<'_> {
    /// Consumes bytes that hold no frame.
    fn past(used: usize) -> Self {
        Step { used, found: None }
    }
}

impl Frames {
    /// Frames of a file whose name shows that it holds one value a line.
    #[must_use]
    pub fn line_by_line() -> Self {
        Frames { line_by_line: true, ..Frames::default() }
    }

    /// Gives up the value at the start of the window, because it doesn't end within the longest window. Returns how many bytes to drop, and
    /// the reason. Values behind it are found as usual; the rest of the value itself is skipped and never held in memory.
    pub fn give_up(&mut self, window: &[u8]) -> (usize, &'static str) {
        let at_top = self.position == Position::Top;
        // A value that never closes would consume the rest of the file, so it ends at the next line that begins with `{`.
        if at_top && let Some(line_end) = memmem::find(window, b"\n{") {
            self.line_by_line = true;
            return (line_end, "the record is cut off");
        }
        let is_line = at_top && (self.line_by_line || window.first() != Some(&b'{'));
        self.passing = Some(Passing { by_line: is_line, ..Passing::default() });
        (0, "a record of more than 16 MiB")
    }

    /// The next frame in `window`, and how many of the window's bytes it consumes. `last`: the window ends where the file ends.
    pub fn next<'b>(&mut self, window: &'b [u8], last: bool) -> (usize, Frame<'b>) {
        let mut used = 0;
        if let Some(passing) = &mut self.passing {
            match passing.end_in(window) {
                Some(end) => (used, self.passing) = (end, None),
                None if last => {
                    *self = Frames { line_by_line: self.line_by_line, ..Frames::default() };
                    return (window.len(), Frame::End);
                }
                None => return (window.len(), Frame::More),
            }
        }
        loop {
            let rest = window.get(used..).unwrap_or_default();
            let blank = blank_len(rest);
            used += blank;
            let rest = rest.get(blank..).unwrap_or_default();
            let Some(&first) = rest.first() else {
                return (used, self.at_end_of(last));
            };
            let step = match self.position {
                Position::Top => self.at_top(first, rest, last),
                Position::List { wrapped } => self.in_list(wrapped, first, rest, last),
                Position::Wrapper => self.in_wrapper(first, rest, last),
            };
            used += step.used;
            if let Some(found) = step.found {
                return (used, found);
            }
        }
    }

    fn at_end_of(&mut self, last: bool) -> Frame<'static> {
        match (last, self.position) {
            (false, _) => Frame::More,
            (true, Position::Top) => Frame::End,
            (true, _) => {
                self.position = Position::Top;
                Frame::Broken("the file ends inside a list of records")
            }
        }
    }

    fn at_top<'b>(&mut self, first: u8, rest: &'b [u8], last: bool) -> Step<'b> {
        match first {
            b'[' if is_list_of_json(rest) => {
                self.position = Position::List { wrapped: false };
                Step::past(1)
            }
            b'[' if !last && rest.trim_ascii_end().len() == 1 => Step { used: 0, found: Some(Frame::More) },
            b'{' => self.top_object(rest, last),
            _ => match memchr(b'\n', rest).or(last.then_some(rest.len())) {
                Some(end) => Step { used: end, found: rest.get(..end).map(Frame::Text) },
                None => Step { used: 0, found: Some(Frame::More) },
            },
        }
    }

    /// Reads an object between values: a record, or an object around a list of records.
    fn top_object<'b>(&mut self, rest: &'b [u8], last: bool) -> Step<'b> {
        let line = if self.line_by_line { memchr(b'\n', rest) } else { None };
        let within = line.map_or(rest, |end| rest.get(..end).unwrap_or_default());
        let len = container_len(within);
        let value = len.and_then(|len| within.get(..len));
        if !starts_like_record(within)
            && let Some(start) = list_start(within.get(1..).unwrap_or_default())
        {
            self.position = Position::List { wrapped: true };
            return Step::past(1 + start);
        }
        let next_line = || memmem::find(rest, b"\n{");
        match (value, next_line()) {
            // The value extends over a line that begins with `{`. That is right for JSON that is printed without indentation; otherwise the
            // value was cut off at the end of its line.
            (Some(value), Some(line_end)) if line_end < value.len() && !is_json(value) => self.give_up_line(line_end),
            (Some(value), _) => Step { used: value.len(), found: Some(Frame::Value(value)) },
            (None, _) if line.is_some() => self.give_up_line(within.len()),
            (None, Some(line_end)) if last => self.give_up_line(line_end),
            (None, None) if last => Step { used: rest.len(), found: Some(Frame::Broken("the file ends inside a record")) },
            (None, _) => Step { used: 0, found: Some(Frame::More) },
        }
    }

    /// Takes each line by itself from here on. Searching the whole rest of the file behind each broken line would take quadratic time.
    fn give_up_line<'b>(&mut self, line_end: usize) -> Step<'b> {
        self.line_by_line = true;
        Step { used: line_end, found: Some(Frame::Broken("the record is cut off")) }
    }

    fn in_list<'b>(&mut self, wrapped: bool, first: u8, rest: &'b [u8], last: bool) -> Step<'b> {
        if first == b']' {
            self.position = if wrapped { Position::Wrapper } else { Position::Top };
            return Step::past(1);
        }
        match value_len(rest) {
            Some(len) => Step { used: len, found: rest.get(..len).map(Frame::Value) },
            None if last => {
                self.position = Position::Top;
                Step { used: rest.len(), found: Some(Frame::Broken("the file ends inside a record")) }
            }
            None => Step { used: 0, found: Some(Frame::More) },
        }
    }

    /// Reads what follows a list within its object: another member, another list, or the closing brace.
    fn in_wrapper<'b>(&mut self, first: u8, rest: &'b [u8], last: bool) -> Step<'b> {
        if first == b'}' {
            self.position = Position::Top;
            return Step::past(1);
        }
        match member(rest) {
            Member::ListAt(start) => {
                self.position = Position::List { wrapped: true };
                Step::past(start)
            }
            Member::Other(len) => Step::past(len),
            Member::CutOff if !last => Step { used: 0, found: Some(Frame::More) },
            Member::CutOff | Member::Malformed => {
                self.position = Position::Top;
                Step { used: rest.len(), found: Some(Frame::Broken("the object around the records is cut off")) }
            }
        }
    }
}

/// The state of the brackets and quotes in the bytes of a value that is skipped.
#[derive(Debug, Default)]
struct Passing {
    /// The value ends with its line.
    by_line: bool,
    depth: u64,
    in_string: bool,
    is_escaped: bool,
}

impl Passing {
    /// The offset behind the value's last byte, if the value ends within these bytes.
    fn end_in(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.by_line {
            return memchr(b'\n', bytes);
        }
        for (at, byte) in bytes.iter().enumerate() {
            if std::mem::take(&mut self.is_escaped) {
                continue;
            }
            match byte {
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => {
                    self.in_string = !self.in_string;
                    if !self.in_string && self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                b',' | b'\n' if self.depth == 0 => return Some(at),
                _ => {}
            }
        }
        None
    }
}

/// The length of the white space, commas and byte order mark before the next value. Commas between values are not checked.
fn blank_len(bytes: &[u8]) -> usize {
    let after_mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let blanks = bytes.get(after_mark..).unwrap_or_default();
    after_mark + blanks.iter().take_while(|byte| byte.is_ascii_whitespace() || matches!(byte, b',' | b'\x1e')).count()
}

/// Whether a bracket opens a list of objects, lists or strings. Log lines put times and levels into brackets too, as in `[INFO] {…}`.
fn is_list_of_json(list: &[u8]) -> bool {
    let behind = list.get(1..).unwrap_or_default().trim_ascii_start();
    matches!(behind.first(), Some(b'{' | b'[' | b'"' | b']')) || behind.starts_with(b"null")
}

pub(super) fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// The offset of the first element of the first list of records among an object's members. `members` starts behind the object's brace.
fn list_start(members: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += blank_len(members.get(at..)?);
        match member(members.get(at..)?) {
            Member::ListAt(start) => return Some(at + start),
            Member::Other(len) => at += len,
            Member::CutOff | Member::Malformed => return None,
        }
    }
}

/// A member of an object.
enum Member {
    /// `"Records": [` or another of `LISTS`, with the offset of the list's first element.
    ListAt(usize),
    /// Any other member, with its length.
    Other(usize),
    /// A member that extends beyond the window.
    CutOff,
    /// No member: the bytes can't continue an object.
    Malformed,
}

fn member(bytes: &[u8]) -> Member {
    if bytes.first() != Some(&b'"') {
        return if bytes.is_empty() { Member::CutOff } else { Member::Malformed };
    }
    let read = || {
        let key_len = string_len(bytes)?;
        let mut at = key_len + blank_len(bytes.get(key_len..)?);
        if *bytes.get(at)? != b':' {
            return Some(Member::Malformed);
        }
        at += 1;
        at += blank_len(bytes.get(at..)?);
        let key = bytes.get(1..key_len - 1)?;
        if *bytes.get(at)? == b'[' && LISTS.iter().any(|name| name.as_bytes() == key) {
            return Some(Member::ListAt(at + 1));
        }
        Some(Member::Other(at + value_len(bytes.get(at..)?)?))
    };
    read().unwrap_or(Member::CutOff)
}

/// The length of the JSON value at the start of the bytes; `None` if it doesn't end in them.
fn value_len(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'{' | b'[' => container_len(bytes),
        b'"' => string_len(bytes),
        _ => {
            let len = bytes.iter().position(|byte| matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace())?;
            // A stray closing bracket counts as a value of one byte, so that every step makes progress.
            Some(len.max(1))
        }
    }
}

/// The length of the JSON string at the start of the bytes.
pub(super) fn string_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if *bytes.get(at)? == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests;
