//! Writes messages to standard error.

use std::{fmt::Display, io::Write as _, sync::mpsc, time::Duration};

use anstyle::{AnsiColor, Style};
use audit_core::{
    json::{printable, steers},
    report::Unreadable,
};
use audit_local::scan::Progress;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{exit::QuotedError, output::Clean};

/// Writes warnings and notes, unless `--quiet` is set. Errors are written even then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    quiet: bool,
}

/// Records that can't be read and that warnings name at most. All are counted.
const NAMED: usize = 20;

impl Console {
    pub(crate) fn new(quiet: bool) -> Self {
        Console { quiet }
    }

    /// Warns of something that the user should check.
    pub(crate) fn warn(self, message: impl Display) {
        if !self.quiet {
            write_line("warning", AnsiColor::Yellow, &message);
        }
    }

    /// Writes several warnings.
    pub(crate) fn warn_of_each(self, messages: &[String]) {
        for message in messages {
            self.warn(message);
        }
    }

    /// Notes something that is useful to know.
    pub(crate) fn note(self, message: impl Display) {
        if !self.quiet {
            write_line("note", AnsiColor::Cyan, &message);
        }
    }

    /// Warns of records that could not be read.
    pub(crate) fn unreadable(self, problems: &[Unreadable], count: u64) {
        for problem in problems.iter().take(NAMED) {
            let record = problem.record.map(|number| format!(", record {number}")).unwrap_or_default();
            self.warn(format_args!("{}{record}: {}", problem.file, problem.reason));
        }
        let more = count.saturating_sub(NAMED as u64);
        if more > 0 {
            self.warn(format_args!("{more} more records could not be read; `--format json` names them"));
        }
    }

    /// Shows a spinner on a terminal until it is dropped.
    #[cfg(feature = "aws")]
    pub(crate) fn spinner(self) -> Spinner {
        Spinner(self.spinning_bar())
    }

    fn spinning_bar(self) -> ProgressBar {
        let target = if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar
    }

    /// Does what takes a while and says on a terminal that it goes on, until it is done. Like the progress of reading, this appears only after
    /// a second.
    pub(crate) fn show_while<T>(self, doing: &'static str, work: impl FnOnce() -> T) -> T {
        let (working, is_done) = mpsc::channel::<()>();
        let bar = self.spinning_bar();
        std::thread::scope(|scope| {
            let show = move || {
                let mut wait = Duration::from_secs(1);
                while is_done.recv_timeout(wait) == Err(mpsc::RecvTimeoutError::Timeout) {
                    wait = Duration::from_millis(200);
                    bar.set_message(doing);
                    bar.tick();
                }
                bar.finish_and_clear();
            };
            // Without a thread for it nothing is shown, and the work is done all the same.
            let _shown = std::thread::Builder::new().spawn_scoped(scope, show);
            let result = work();
            drop(working);
            result
        })
    }

    /// Shows on a terminal how much has been read, until everything is. It appears only after a second.
    pub(crate) fn show_progress(self, progress: &Progress, files: u64, bytes: u64) {
        let target = if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(bytes), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:20}] {percent:>3}% {wide_msg}") {
            bar.set_style(style);
        }
        progress.watch(Duration::from_millis(200), |progress| {
            let read = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
            let elapsed = bar.elapsed();
            if elapsed < Duration::from_secs(1) {
                return;
            }
            let records = read(&progress.records);
            let per_second = u64::try_from(u128::from(records) * 1000 / elapsed.as_millis().max(1)).unwrap_or(0);
            bar.set_position(read(&progress.bytes));
            bar.set_message(format!(
                "{} of {files} files, {}, {} records, {} records/s",
                read(&progress.files),
                HumanBytes(read(&progress.bytes)),
                HumanCount(records),
                HumanCount(per_second)
            ));
        });
        bar.finish_and_clear();
    }
}

/// A spinner on the terminal.
#[cfg(feature = "aws")]
pub(crate) struct Spinner(ProgressBar);

#[cfg(feature = "aws")]
impl Spinner {
    pub(crate) fn set_message(&self, message: String) {
        self.0.set_message(message);
        self.0.tick();
    }
}

#[cfg(feature = "aws")]
impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Notes that another run is writing to the store.
pub(crate) fn note_waiting() {
    write_line("note", AnsiColor::Cyan, &"another run is writing to the store; waiting");
}

/// Writes the error that ended the program, with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some errors include their cause in their own message.
        if causes.last().is_none_or(|last| !last.ends_with(&cause)) {
            causes.push(cause);
        }
    }
    let message = causes.join(": ");
    if error.chain().any(<dyn std::error::Error>::is::<QuotedError>) {
        let lines: Vec<String> = message.lines().map(in_one_line).collect();
        write("error", AnsiColor::Red, &lines.join("\n"));
    } else {
        write_line("error", AnsiColor::Red, &message);
    }
}

/// Writes an error in the arguments as clap words it. Control characters in the arguments, which clap repeats, are replaced.
pub(crate) fn usage(error: &clap::Error) {
    let mut message = error.render().ansi().to_string();
    for argument in std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()) {
        let value = argument.split_once('=').map_or(argument.as_str(), |(_, value)| value);
        if value.contains(steers) {
            message = message.replace(value, &printable(value));
        }
    }
    let _ = stderr().write_all(message.as_bytes());
}

/// Standard error, without control characters.
fn stderr() -> Clean<anstream::AutoStream<std::io::Stderr>> {
    Clean::new(anstream::stderr())
}

/// Writes a message as one line: a line break in the name of a file must not start another one.
fn write_line(kind: &str, color: AnsiColor, message: &dyn Display) {
    write(kind, color, &in_one_line(&message.to_string()));
}

/// A tab becomes a blank, so that carets stay where they point.
fn in_one_line(text: &str) -> String {
    printable(&text.replace('\t', " ")).into_owned()
}

fn write(kind: &str, color: AnsiColor, message: &str) {
    let style = Style::new().bold().fg_color(Some(color.into()));
    // If standard error can't be written to, the failure can't be reported either.
    let _ = writeln!(stderr(), "{style}{kind}{style:#}: {message}");
}
