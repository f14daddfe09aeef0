//! Reads inputs into evidence: decompresses them, finds the records, rejects or parses each. Every thread takes one file after the other.

mod bytes;
mod kind;
mod readers;
mod rows;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::File,
    io::{self, Read},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use audit_core::{
    cloudtrail::{UnreadableRecord, wanted::Wanted},
    facts::{Collector, EvidenceRows, Ignored, Taken},
    parallel,
    report::Unreadable,
};
use bytes::Contents;
use kind::Foreign;
use memchr::memmem;
use readers::{Meter, Metered};
use serde_json::{Map, Value};

use crate::input::{self, Input};

/// How inputs are read.
#[derive(Clone, Copy)]
pub struct Options<'o> {
    /// How many files are read at once, if the system has as many threads.
    pub threads: usize,
    /// Whether the names of role sessions are kept as parts of principals.
    pub keep_session_names: bool,
    /// Whether records of no interest are rejected before they are parsed. Switching it off changes the duration and nothing else, which a
    /// test checks.
    pub reject_early: bool,
    /// Where the scan counts what it has read, for a progress bar.
    pub progress: Option<&'o Progress>,
    /// If set, the scan digests each input and skips those whose digest this function knows.
    pub known: Option<&'o (dyn Fn(&Digest) -> bool + Sync)>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { threads: processors(), keep_session_names: false, reject_early: true, progress: None, known: None }
    }
}

/// The SHA-256 of an input's bytes.
pub type Digest = [u8; 32];

/// How much a running scan has read; other threads read it while the scan runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Files that were read to their end.
    pub files: AtomicU64,
    /// Bytes of files, as they are on disk. They are counted while a large file is read.
    pub bytes: AtomicU64,
    /// Records, likewise.
    pub records: AtomicU64,
    /// 1 once the scan has ended.
    done: AtomicU64,
}

impl Progress {
    /// Calls a function at this interval until the scan ends.
    pub fn watch(&self, every: Duration, mut with: impl FnMut(&Progress)) {
        while self.done.load(Ordering::Acquire) == 0 {
            std::thread::park_timeout(every);
            with(self);
        }
    }
}

/// Marks the scan as ended when dropped, also by a panic: otherwise the thread in [`Progress::watch`] would wait for ever.
struct Ending<'p>(&'p Progress);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.done.store(1, Ordering::Release);
    }
}

/// The result of a scan.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The evidence that was kept.
    pub facts: EvidenceRows,
    /// How much was read.
    pub counts: Counts,
    /// What could not be read, at most 1,000 entries for each input, ordered by file name and record number.
    pub problems: Vec<Unreadable>,
    /// What each input held, if digests were asked for.
    pub inputs: Vec<(Digest, InputSummary)>,
    /// Inputs that have no digest because they could not be opened. A store can't keep them.
    pub undigested: Vec<InputSummary>,
    /// Files in folders that turned out to be no logs, by kind.
    pub left_out: BTreeMap<&'static str, LeftOut>,
}

/// Files that are no logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// How many there are.
    pub files: u64,
    /// The first of them, by name.
    pub example: String,
}

/// One piece of an input.
enum Piece<'b> {
    /// A JSON value.
    Value(&'b [u8]),
    /// A line that doesn't begin like JSON. `in_text` is true if the file doesn't begin like JSON either.
    Line { line: &'b [u8], in_text: bool },
    /// A row of a table.
    Row(Map<String, Value>),
    /// A record that can't be parsed, with the reason.
    Broken(&'static str),
    /// A file in an archive that can't be read, with the reason.
    Lost(String),
    /// Content of a kind that isn't read. `inside` is its name, if it is a file in an archive.
    Foreign { kind: Foreign, inside: Option<&'b str> },
    /// A file in an archive begins, or the last one has ended.
    NextFile,
}

/// How much was read. Every record is counted once: read = taken + ignored + unreadable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes, as they are on disk.
    pub bytes: u64,
    /// Records.
    pub read: u64,
    /// Records that were kept: calls, evidence and changes, copies included.
    pub taken: u64,
    /// Records that were ignored, by reason.
    pub ignored: BTreeMap<Ignored, u64>,
    /// Records that could not be read.
    pub unreadable: u64,
}

/// How many threads can run at once.
#[must_use]
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// What one input held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputSummary {
    /// The input's name in messages.
    pub name: String,
    /// How much it held.
    pub counts: Counts,
    /// What of it could not be read, at most 1,000 entries.
    pub problems: Vec<Unreadable>,
}

impl Counts {
    /// Adds the counts of another input.
    pub fn add(&mut self, other: &Counts) {
        self.bytes += other.bytes;
        self.read += other.read;
        self.taken += other.taken;
        self.unreadable += other.unreadable;
        for (why, count) in &other.ignored {
            *self.ignored.entry(*why).or_default() += count;
        }
    }
}

/// Problems of one input that are kept with their text. All are counted.
const PROBLEMS: usize = 1000;

/// Reads all inputs. An input that can't be read is reported in the result and doesn't stop the scan.
#[must_use]
pub fn scan(inputs: &[Input], wanted: &Wanted, options: &Options<'_>) -> Scanned {
    // The largest files come first, so that no thread is left with a large one at the end.
    let mut order: Vec<&Input> = inputs.iter().collect();
    order.sort_by_key(|input| std::cmp::Reverse(input.bytes()));
    let next = AtomicUsize::new(0);
    let _ending = options.progress.map(Ending);
    let read = parallel::run_on(options.threads.min(order.len()), || read_some(&order, &next, wanted, options));
    let mut scanned = read.into_iter().reduce(Scanned::and).unwrap_or_default();
    scanned.problems.sort();
    scanned.inputs.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
    scanned
}

/// Something that may hold a record.
pub enum Readable<'b> {
    /// A JSON value.
    Value(&'b [u8]),
    /// A line of text.
    Line(&'b [u8]),
    /// A row of a table, by its columns.
    Row(Map<String, Value>),
}

/// Calls a function with everything that may hold a record, one input after the other. Returns what could not be read.
pub fn each_readable(inputs: &[Input], mut with: impl FnMut(Readable<'_>)) -> Vec<Unreadable> {
    let mut contents = Contents::default();
    let mut problems = Vec::new();
    for input in inputs.iter().filter(|input| !input.is_body() && !input.is_document()) {
        let name = input.name();
        let mut number = 0;
        let mut lose = |record: Option<u64>, reason: String| problems.push(Unreadable { file: name.clone(), record, reason });
        let mut each = |piece: Piece<'_>| {
            number += 1;
            match piece {
                Piece::Value(value) => with(Readable::Value(value)),
                Piece::Line { line, .. } => with(Readable::Line(line)),
                Piece::Row(row) => with(Readable::Row(row)),
                Piece::Broken(why) => lose(Some(number), why.to_owned()),
                Piece::Lost(why) => lose(None, why),
                Piece::Foreign { kind, inside } if kind.may_hold_records || (input.should_hold_records() && inside.is_none()) => {
                    lose(None, described(kind, inside));
                }
                Piece::Foreign { .. } | Piece::NextFile => number -= 1,
            }
        };
        let by_line = is_line_by_line(&name);
        let outcome = match input {
            Input::File { path, bytes, .. } => contents.each_of_file(path, *bytes, by_line, &Meter::new(None, None), &mut each),
            Input::Stream(path) => File::open(path).and_then(|mut stream| contents.each_of(&mut stream, by_line, &mut each)),
            Input::Stdin => contents.each_of(&mut io::stdin().lock(), by_line, &mut each),
            Input::Broken { why, .. } => Err(io::Error::other(why.clone())),
        };
        if let Err(error) = outcome {
            problems.push(Unreadable { file: name.clone(), record: None, reason: format!("failed to read: {error}") });
        }
    }
    problems
}

/// Describes content that isn't read, for a message.
fn described(kind: Foreign, inside: Option<&str>) -> String {
    let where_ = inside.map(|name| format!("`{name}` in it: ")).unwrap_or_default();
    format!("{where_}{}: {}", kind.name, kind.remedy)
}

impl Scanned {
    fn and(mut self, other: Scanned) -> Scanned {
        self.facts.absorb(other.facts);
        self.counts.add(&other.counts);
        self.problems.extend(other.problems);
        self.inputs.extend(other.inputs);
        self.undigested.extend(other.undigested);
        for (kind, others) in other.left_out {
            self.leave_out(kind, others);
        }
        self
    }

    fn leave_out(&mut self, kind: &'static str, more: LeftOut) {
        match self.left_out.entry(kind) {
            Entry::Vacant(entry) => {
                entry.insert(more);
            }
            Entry::Occupied(mut entry) => {
                let all = entry.get_mut();
                all.files += more.files;
                all.example = std::mem::take(&mut all.example).min(more.example);
            }
        }
    }
}

fn read_some(inputs: &[&Input], next: &AtomicUsize, wanted: &Wanted, options: &Options<'_>) -> Scanned {
    let mut collector = Collector::new(wanted).keeping_session_names(options.keep_session_names);
    if !options.reject_early {
        collector = collector.without_early_rejection();
    }
    let mut contents = Contents::default();
    let mut scanned = Scanned::default();
    while let Some(input) = inputs.get(next.fetch_add(1, Ordering::Relaxed)) {
        let summary = InputSummary { name: input.name(), ..InputSummary::default() };
        let meter =
            Meter::new(options.progress.map(|progress| &progress.bytes), matches!(input, Input::File { .. }).then(|| input.bytes()));
        let mut reading = Reading::new(summary, input, &mut collector, options.progress);
        if let Err(error) = reading.input(input, &mut contents, &meter, options) {
            reading.problem(None, format!("failed to read: {error}"));
        }
        meter.finish();
        let Reading { summary, digest, left_out, counted, .. } = reading;
        let is_left_out = !left_out.is_empty() && summary.counts.read == 0;
        for kind in left_out {
            scanned.leave_out(kind, LeftOut { files: 1, example: summary.name.clone() });
        }
        if let Some(progress) = options.progress {
            progress.files.fetch_add(1, Ordering::Relaxed);
            // Text that turns out to be no log takes its records back; those were counted.
            progress.records.fetch_add(summary.counts.read.saturating_sub(counted), Ordering::Relaxed);
        }
        scanned.counts.add(&summary.counts);
        scanned.problems.extend(summary.problems.iter().cloned());
        match digest {
            // It is reported in each run, because a store doesn't keep it as an input.
            _ if is_left_out => {}
            Some(digest) => scanned.inputs.push((digest, summary)),
            None if options.known.is_some() => scanned.undigested.push(summary),
            None => {}
        }
    }
    Scanned { facts: collector.into_facts(), ..scanned }
}

/// One input that is being read into the collector.
struct Reading<'r, 'w> {
    summary: InputSummary,
    digest: Option<Digest>,
    collector: &'r mut Collector<'w>,
    /// Whether the input should hold records, so that one without any is reported.
    is_log: bool,
    /// The kinds of content that turned out to be no log.
    left_out: Vec<&'static str>,
    text: InText,
    progress: Option<&'r Progress>,
    /// Records that [`Progress`] has counted.
    counted: u64,
}

/// Records between two updates of [`Progress`]. Threads share its counters, so that an update for each record would slow all of them.
const COUNTED_AT_ONCE: u64 = 1024;

/// What is known so far of a text that doesn't begin like JSON. Whether it is a log is known at its end.
#[derive(Default)]
struct InText {
    is_text: bool,
    /// Lines without any sign of JSON.
    plain: u64,
    /// Whether something in it looks like a record and can't be read.
    is_damaged: bool,
    /// The counts, and the number of problems, from before the text.
    before: (Counts, usize),
}

impl<'r, 'w> Reading<'r, 'w> {
    fn new(summary: InputSummary, input: &Input, collector: &'r mut Collector<'w>, progress: Option<&'r Progress>) -> Self {
        Reading {
            summary,
            digest: None,
            collector,
            is_log: input.should_hold_records(),
            left_out: Vec::new(),
            text: InText::default(),
            progress,
            counted: 0,
        }
    }

    fn input(&mut self, input: &Input, contents: &mut Contents, meter: &Meter<'_>, options: &Options<'_>) -> io::Result<()> {
        let by_line = is_line_by_line(&self.summary.name);
        match input {
            Input::File { path, bytes, .. } => {
                self.summary.counts.bytes = *bytes;
                if input.is_body() {
                    self.summary.take(Taken::Ignored(Ignored::Body));
                    return Ok(());
                }
                if input.is_document() {
                    self.foreign(kind::TEXT, None);
                    return Ok(());
                }
                if let Some(known) = options.known {
                    let digest = readers::digest(&mut File::open(path)?)?;
                    self.digest = Some(digest);
                    if known(&digest) {
                        return Ok(());
                    }
                }
                let outcome = contents.each_of_file(path, *bytes, by_line, meter, &mut |piece| self.piece(piece));
                self.end_text();
                outcome
            }
            Input::Stream(path) => self.stream(Metered { reader: File::open(path)?, meter }, by_line, contents, options),
            Input::Stdin => self.stream(Metered { reader: io::stdin().lock(), meter }, by_line, contents, options),
            Input::Broken { why, .. } => Err(io::Error::other(why.clone())),
        }
    }

    /// Reads an input that can be read only once: its digest is known when it has been read.
    fn stream(&mut self, stream: impl Read, by_line: bool, contents: &mut Contents, options: &Options<'_>) -> io::Result<()> {
        let mut stream = readers::Digesting::new(stream, options.known.is_some());
        let outcome = contents.each_of(&mut stream, by_line, &mut |piece| self.piece(piece));
        self.end_text();
        let rest = io::copy(&mut stream, &mut io::sink());
        (self.summary.counts.bytes, self.digest) = stream.finish();
        outcome.and(rest.map(|_| ()))
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Value(value) => {
                self.text.is_damaged |= self.text.is_text && mentions_records(value);
                self.collector.each(value, |taken| self.summary.take(taken));
            }
            Piece::Line { line, in_text } => self.line(line, in_text),
            Piece::Row(row) => self.collector.each_in_row(row, |taken| self.summary.take(taken)),
            Piece::Broken(why) => {
                self.text.is_damaged |= self.text.is_text;
                self.problem(Some(self.summary.counts.read + 1), why.to_owned());
            }
            Piece::Lost(why) => self.problem(None, why),
            Piece::Foreign { kind, inside } => self.foreign(kind, inside),
            Piece::NextFile => self.end_text(),
        }
        let new = self.summary.counts.read.saturating_sub(self.counted);
        if new >= COUNTED_AT_ONCE
            && let Some(progress) = self.progress
        {
            progress.records.fetch_add(new, Ordering::Relaxed);
            self.counted += new;
        }
    }

    fn line(&mut self, line: &[u8], in_text: bool) {
        if in_text && !self.text.is_text {
            let before = (self.summary.counts.clone(), self.summary.problems.len());
            self.text = InText { is_text: true, before, ..InText::default() };
        }
        let is_plain = in_text && !line.iter().any(|byte| matches!(byte, b'"' | b'{' | b'}'));
        self.text.is_damaged |= in_text && mentions_records(line);
        let plain = &mut self.text.plain;
        self.collector.each_in_line(line, |taken| match taken {
            Taken::Unreadable(UnreadableRecord::NoJson) if is_plain => *plain += 1,
            taken => self.summary.take(taken),
        });
    }

    /// Decides at the end of a text whether it was a log. A text without a record is no log and is reported once.
    fn end_text(&mut self) {
        let InText { is_text, plain, is_damaged, before: (before, problems) } = std::mem::take(&mut self.text);
        if !is_text {
            return;
        }
        let counts = &mut self.summary.counts;
        if counts.taken > before.taken || counts.ignored != before.ignored {
            counts.read += plain;
            if plain > 0 {
                *counts.ignored.entry(Ignored::Text).or_default() += plain;
            }
            return;
        }
        *counts = Counts { bytes: counts.bytes, ..before };
        self.summary.problems.truncate(problems);
        self.foreign(if is_damaged { kind::DAMAGED_TEXT } else { kind::TEXT }, None);
    }

    fn foreign(&mut self, kind: Foreign, inside: Option<&str>) {
        let is_hidden = input::is_hidden(inside.unwrap_or(&self.summary.name));
        let is_beside = is_hidden || !kind.may_hold_records;
        if is_beside && (!self.is_log || inside.is_some()) {
            self.left_out.push(kind.name);
        } else {
            self.problem(None, described(kind, inside));
        }
    }

    /// Records a problem. A problem of the whole input counts as one record that can't be read.
    fn problem(&mut self, record: Option<u64>, reason: String) {
        self.summary.counts.read += 1;
        self.summary.unreadable(record, reason);
    }
}

fn mentions_records(bytes: &[u8]) -> bool {
    [&b"\"eventName"[..], b"\"eventname", b"ModelInvocationLog"].iter().any(|word| memmem::find(bytes, word).is_some())
}

impl InputSummary {
    /// Counts one record.
    fn take(&mut self, taken: Taken) {
        let counts = &mut self.counts;
        counts.read += 1;
        match taken {
            Taken::Judged => counts.taken += 1,
            Taken::Ignored(why) => *counts.ignored.entry(why).or_default() += 1,
            Taken::Unreadable(error) => {
                let number = counts.read;
                self.unreadable(Some(number), error.to_string());
            }
        }
    }

    fn unreadable(&mut self, record: Option<u64>, reason: String) {
        self.counts.unreadable += 1;
        if self.problems.len() < PROBLEMS {
            self.problems.push(Unreadable { file: self.name.clone(), record, reason });
        }
    }
}

fn is_line_by_line(name: &str) -> bool {
    let name = name.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    matches!(name.rsplit_once('.'), Some((_, "jsonl" | "ndjson")))
}

#[cfg(test)]
mod tests;
