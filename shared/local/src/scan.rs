//! Reads inputs into facts: gunzip, find the records, reject or parse them; one thread a file.

mod bytes;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use audit_core::{
    cloudtrail::{frame::Frames, wanted::Wanted},
    facts::{Collector, Facts, Ignored, Taken},
    report::Unreadable,
    side_by_side,
};
use bytes::Contents;

use crate::input::Input;

/// How to read.
#[derive(Clone, Copy)]
pub struct Options<'o> {
    /// How many files at once, if the system has so many threads.
    pub threads: usize,
    /// Keep the names of sessions.
    pub keep_session_names: bool,
    /// Reject what nobody wants before it is parsed. Off, it only takes longer: for the test that says so.
    pub reject_early: bool,
    /// Told how far it is, now and then.
    pub progress: Option<&'o Progress>,
    /// Work out a digest of each input, and leave out those for which this says that they are known.
    pub known: Option<&'o (dyn Fn(&Digest) -> bool + Sync)>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { threads: processors(), keep_session_names: false, reject_early: true, progress: None, known: None }
    }
}

/// SHA-256 over an input's bytes.
pub type Digest = [u8; 32];

/// How far reading is; may be looked at while it goes on.
#[derive(Debug, Default)]
pub struct Progress {
    /// Files that were read to their end.
    pub files: AtomicU64,
    /// Bytes of those files, as they lie on disk.
    pub bytes: AtomicU64,
    /// Records.
    pub records: AtomicU64,
    /// Set when reading ends.
    done: AtomicU64,
}

impl Progress {
    /// Calls a function every now and then until reading ends.
    pub fn watch(&self, every: Duration, mut with: impl FnMut(&Progress)) {
        while self.done.load(Ordering::Acquire) == 0 {
            std::thread::park_timeout(every);
            with(self);
        }
    }
}

/// Says that reading ends, also by a panic: whoever watches would wait for ever.
struct Ending<'p>(&'p Progress);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.done.store(1, Ordering::Release);
    }
}

/// What was read.
#[derive(Debug, Default)]
pub struct Scanned {
    /// What was kept of it.
    pub facts: Facts,
    /// How much it was.
    pub counts: Counts,
    /// What could not be read, as far as it is kept, in the order of names and numbers.
    pub problems: Vec<Unreadable>,
    /// What each input held, if digests were asked for.
    pub inputs: Vec<(Digest, InputSummary)>,
    /// What could not be digested, and so held nothing that is known.
    pub undigested: Vec<InputSummary>,
}

/// How much was read. Every record is accounted for: read = taken + ignored + unreadable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes, as they lie on disk.
    pub bytes: u64,
    /// Records.
    pub read: u64,
    /// Calls, evidence and changes; copies included.
    pub taken: u64,
    /// Others, by reason.
    pub ignored: BTreeMap<Ignored, u64>,
    /// What could not be read.
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
    /// Its name in messages.
    pub name: String,
    /// How much it held.
    pub counts: Counts,
    /// What of it could not be read, as far as it is kept.
    pub problems: Vec<Unreadable>,
}

impl Counts {
    /// Adds another count.
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

/// So many problems of one input are kept in words; all are counted.
const PROBLEMS: usize = 1000;

/// Reads all inputs. Nothing that is wrong with one of them stops the run.
#[must_use]
pub fn scan(inputs: &[Input], wanted: &Wanted, options: &Options<'_>) -> Scanned {
    // The largest first, so that no thread is left with one at the end.
    let mut order: Vec<&Input> = inputs.iter().collect();
    order.sort_by_key(|input| std::cmp::Reverse(input.bytes()));
    let next = AtomicUsize::new(0);
    let _ending = options.progress.map(Ending);
    let read = side_by_side::by(options.threads.min(order.len()), || read_some(&order, &next, wanted, options));
    let mut scanned = read.into_iter().reduce(Scanned::and).unwrap_or_default();
    scanned.problems.sort();
    scanned.inputs.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
    scanned
}

/// Calls a function with each value in the inputs, one input after the other. What could not be read.
pub fn each_value(inputs: &[Input], mut with: impl FnMut(&[u8])) -> Vec<Unreadable> {
    let mut contents = Contents::default();
    let mut problems = Vec::new();
    for input in inputs {
        let name = input.name();
        let frames = if is_line_by_line(&name) { Frames::line_by_line() } else { Frames::default() };
        let mut number = 0;
        let mut each = |frame: Result<&[u8], &'static str>| {
            number += 1;
            match frame {
                Ok(value) => with(value),
                Err(why) => problems.push(Unreadable { file: name.clone(), record: Some(number), reason: why.to_owned() }),
            }
        };
        let outcome = match input {
            Input::File { path, bytes } => contents.each_frame_of_file(path, *bytes, frames, &mut each),
            Input::Stream(path) => File::open(path).and_then(|mut stream| contents.each_frame_of(&mut stream, frames, &mut each)),
            Input::Stdin => contents.each_frame_of(&mut io::stdin().lock(), frames, &mut each),
            Input::Broken { why, .. } => Err(io::Error::other(why.clone())),
        };
        if let Err(error) = outcome {
            problems.push(Unreadable { file: name.clone(), record: None, reason: format!("failed to read: {error}") });
        }
    }
    problems
}

impl Scanned {
    fn and(mut self, other: Scanned) -> Scanned {
        self.facts.absorb(other.facts);
        self.counts.add(&other.counts);
        self.problems.extend(other.problems);
        self.inputs.extend(other.inputs);
        self.undigested.extend(other.undigested);
        self
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
        let mut reading = Reading { summary, digest: None, collector: &mut collector };
        if let Err(error) = reading.input(input, &mut contents, options) {
            reading.problem(None, format!("failed to read: {error}"));
        }
        let Reading { summary, digest, .. } = reading;
        if let Some(progress) = options.progress {
            progress.files.fetch_add(1, Ordering::Relaxed);
            progress.bytes.fetch_add(summary.counts.bytes, Ordering::Relaxed);
            progress.records.fetch_add(summary.counts.read, Ordering::Relaxed);
        }
        scanned.counts.add(&summary.counts);
        scanned.problems.extend(summary.problems.iter().cloned());
        match digest {
            Some(digest) => scanned.inputs.push((digest, summary)),
            None if options.known.is_some() => scanned.undigested.push(summary),
            None => {}
        }
    }
    Scanned { facts: collector.into_facts(), ..scanned }
}

/// One input on its way into the collector.
struct Reading<'r, 'w> {
    summary: InputSummary,
    digest: Option<Digest>,
    collector: &'r mut Collector<'w>,
}

impl Reading<'_, '_> {
    fn input(&mut self, input: &Input, contents: &mut Contents, options: &Options<'_>) -> io::Result<()> {
        let frames = if is_line_by_line(&self.summary.name) { Frames::line_by_line() } else { Frames::default() };
        match input {
            Input::File { path, bytes } => {
                self.summary.counts.bytes = *bytes;
                if let Some(known) = options.known {
                    let digest = bytes::digest(&mut File::open(path)?)?;
                    self.digest = Some(digest);
                    if known(&digest) {
                        return Ok(());
                    }
                }
                contents.each_frame_of_file(path, *bytes, frames, |frame| self.frame(frame))
            }
            Input::Stream(path) => self.stream(File::open(path)?, frames, contents, options),
            Input::Stdin => self.stream(io::stdin().lock(), frames, contents, options),
            Input::Broken { why, .. } => Err(io::Error::other(why.clone())),
        }
    }

    /// What can be read only once: its digest is known when it was.
    fn stream(&mut self, stream: impl Read, frames: Frames, contents: &mut Contents, options: &Options<'_>) -> io::Result<()> {
        let mut stream = bytes::Digesting::new(stream, options.known.is_some());
        let outcome = contents.each_frame_of(&mut stream, frames, |frame| self.frame(frame));
        let rest = io::copy(&mut stream, &mut io::sink());
        (self.summary.counts.bytes, self.digest) = stream.finish();
        outcome.and(rest.map(|_| ()))
    }

    fn frame(&mut self, frame: Result<&[u8], &'static str>) {
        let counts = &mut self.summary.counts;
        counts.read += 1;
        let number = counts.read;
        match frame {
            Ok(value) => match self.collector.value(value) {
                Taken::Judged => counts.taken += 1,
                Taken::Ignored(why) => *counts.ignored.entry(why).or_default() += 1,
                Taken::Unreadable(error) => self.unreadable(Some(number), error.to_string()),
            },
            Err(why) => self.unreadable(Some(number), why.to_owned()),
        }
    }

    /// What is wrong with the input itself counts as one record that can't be read.
    fn problem(&mut self, record: Option<u64>, reason: String) {
        self.summary.counts.read += 1;
        self.unreadable(record, reason);
    }

    fn unreadable(&mut self, record: Option<u64>, reason: String) {
        self.summary.counts.unreadable += 1;
        if self.summary.problems.len() < PROBLEMS {
            self.summary.problems.push(Unreadable { file: self.summary.name.clone(), record, reason });
        }
    }
}

fn is_line_by_line(name: &str) -> bool {
    let name = name.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    matches!(name.rsplit_once('.'), Some((_, "jsonl" | "ndjson")))
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn whoever_watches_is_told_that_reading_ended_by_a_panic() {
        let progress = Progress::default();
        let panics = |_: &Digest| -> bool { panic!("on purpose") };
        let inputs = [Input::File { path: concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into(), bytes: 1 }];
        let options = Options { threads: 1, progress: Some(&progress), known: Some(&panics), ..Options::default() };
        let ended = catch_unwind(AssertUnwindSafe(|| scan(&inputs, &Wanted::new([]), &options)));
        assert!(ended.is_err());
        progress.watch(Duration::from_secs(1), |_| panic!("it is still waited for"));
    }
}
