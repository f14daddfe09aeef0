//! `guardrail-audit exceptions`: checks a configuration and its exceptions.

use std::io::Write;

use audit_core::{
    auditor::Selection,
    config::{Configuration, Exception},
    config_file::ConfigurationError,
    finding::{Finding, Status},
    policy::lint::{Level, Lint},
    timestamp::Timestamp,
};
use audit_exports::lints::{Check, LintedFile, PlacedLint, Position};
use serde_json::{Value, json};

use super::{configuration, now};
use crate::{
    args::{ExceptionsCommand, LintFormat, LintOutputArgs},
    console::Console,
    exit::Exit,
    output::{
        self,
        lints::{junit, sarif, uri},
        table,
        text::counted,
    },
    source::Source,
};

/// Seconds before its end from which an exception is shown as ending soon.
const SOON_SECONDS: i64 = 30 * 24 * 60 * 60;

/// The state of an exception, which decides what `exceptions check` reports of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    InForce,
    EndsSoon,
    Ended,
    MatchesNothing,
}

impl State {
    fn of(exception: &Exception, suppressed: Option<usize>, now: Timestamp) -> Self {
        if !exception.is_live(now) {
            State::Ended
        } else if exception.until.is_over(now.plus_seconds(SOON_SECONDS)) {
            State::EndsSoon
        } else if suppressed == Some(0) {
            State::MatchesNothing
        } else {
            State::InForce
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            State::InForce => "in force",
            State::EndsSoon => "ends soon",
            State::Ended => "ended",
            State::MatchesNothing => "matches nothing",
        }
    }
}

/// An exception, its state, and the number of findings that it suppresses, if there are findings to see it in.
struct Checked<'c> {
    exception: &'c Exception,
    state: State,
    suppressed: Option<usize>,
}

pub(crate) fn run(command: &ExceptionsCommand, console: Console) -> anyhow::Result<Exit> {
    let ExceptionsCommand::Check { config, store, hub, now: given, output: LintOutputArgs { format, output } } = command;
    let read = [("the configuration", Some(config.as_path())), ("the store", store.as_deref())];
    output::refuse_overwriting("--output", output.as_deref(), read)?;
    let text = configuration::read(config)?;
    let write = |lints: Vec<PlacedLint>, rows: &[Checked<'_>]| {
        let file = LintedFile { uri: uri(config), lints };
        output::to(output.as_deref(), |out| write(out, file, rows, *format, console))
    };
    let configuration = match Configuration::parse(&text) {
        Ok(configuration) => configuration,
        Err(error) => {
            // Tables and lists of exceptions can't show a mistake. The error itself is printed in any case.
            if matches!(format, LintFormat::Sarif | LintFormat::Junit) {
                write(vec![mistake(&error, &text)], &[])?;
            }
            return Err(configuration::quoted(config, &error).into());
        }
    };
    let source = match store {
        Some(path) => Some(Source::store(path)?),
        None if hub.hub => Some(Source::hub(hub, console)?),
        None => None,
    };
    let found = source.map(|source| source.findings(&Selection::default())).transpose()?;
    let now = now(*given);
    let check = |exception| {
        let suppressed = found.as_ref().map(|found| found.findings.iter().filter(|finding| is_suppressed_by(finding, exception)).count());
        // A finding that can't be read may be the one.
        let is_known = found.as_ref().is_some_and(|found| found.unreadable.is_empty());
        let suppressed = suppressed.filter(|count| *count > 0 || is_known);
        Checked { exception, state: State::of(exception, suppressed, now), suppressed }
    };
    let rows: Vec<Checked<'_>> = configuration.exceptions.iter().map(check).collect();
    let lints: Vec<PlacedLint> = rows.iter().enumerate().filter_map(|(number, row)| lint(row, number, &text)).collect();
    let attention = lints.len();
    write(lints, &rows)?;
    console.note(format_args!("{}, {attention} of them to look at", counted(rows.len(), "exception")));
    Ok(Exit::Clean)
}

fn write(mut out: &mut dyn Write, file: LintedFile, rows: &[Checked<'_>], format: LintFormat, console: Console) -> anyhow::Result<()> {
    match format {
        LintFormat::Table => {
            let headings = ["STATE", "LINE", "RULE", "ACCOUNTS", "UNTIL", "OWNER", "REASON", "SUPPRESSES"];
            table::headed(&mut out, &headings, rows.iter().map(cells))?;
            Ok(())
        }
        LintFormat::Json => output::json(out, &rows.iter().map(object).collect::<Vec<Value>>()),
        LintFormat::Sarif => sarif(out, Check::Configuration, &[file], console),
        LintFormat::Junit => junit(out, Check::Configuration, &[file]),
    }
}

fn cells(Checked { exception, state, suppressed }: &Checked<'_>) -> Vec<String> {
    vec![
        state.as_str().to_owned(),
        exception.line.to_string(),
        exception.rule.clone(),
        exception.accounts.names().collect::<Vec<_>>().join(" "),
        exception.until.to_string(),
        exception.owner.clone(),
        exception.reason.clone(),
        suppressed.map_or("-".to_owned(), |count| counted(count, "finding")),
    ]
}

fn object(Checked { exception, state, suppressed }: &Checked<'_>) -> Value {
    json!({"state": state.as_str(), "line": exception.line, "rule": exception.rule, "accounts": exception.accounts.names().collect::<Vec<_>>(),
        "until": exception.until.to_string(), "owner": exception.owner, "reason": exception.reason, "ticket": exception.ticket,
        "suppresses": suppressed})
}

/// The mistake in a configuration that can't be used.
fn mistake(error: &ConfigurationError, text: &str) -> PlacedLint {
    let position = error.at.and_then(|at| Position::of(text, at));
    placed(position, Lint { level: Level::Error, kind: "configuration-mistake", pointer: String::new(), message: error.message.clone() })
}

/// The result that is shown for an exception, on the line where it begins.
fn lint(Checked { exception, state, .. }: &Checked<'_>, number: usize, text: &str) -> Option<PlacedLint> {
    let (level, kind) = match state {
        State::InForce => return None,
        State::EndsSoon => (Level::Note, "exception-ends-soon"),
        State::Ended => (Level::Warning, "exception-ended"),
        State::MatchesNothing => (Level::Warning, "exception-matches-nothing"),
    };
    let Exception { rule, until, owner, .. } = exception;
    let message = match state {
        State::MatchesNothing => format!("the exception for {rule} of {owner} matches no finding"),
        State::Ended => format!("the exception for {rule} of {owner} ended on {until}: its findings are open again"),
        State::EndsSoon | State::InForce => format!("the exception for {rule} of {owner} ends on {until}"),
    };
    let line_start: usize = text.split_inclusive('\n').take(exception.line.saturating_sub(1)).map(str::len).sum();
    let indent = text.get(line_start..).map_or(0, |line| line.len() - line.trim_start_matches([' ', '\t']).len());
    let position = Position::of(text, line_start + indent);
    Some(placed(position, Lint { level, kind, pointer: format!("/exception/{number}"), message }))
}

fn placed(position: Option<Position>, lint: Lint) -> PlacedLint {
    PlacedLint { position, pointer: lint.pointer.clone(), within: None, lint }
}

/// Whether this exception suppresses the finding. It is compared by its content, because a store keeps no line numbers.
fn is_suppressed_by(finding: &Finding, exception: &Exception) -> bool {
    finding.status == Status::Suppressed
        && finding.rule == exception.rule
        && finding.suppression.as_ref().is_some_and(|carried| {
            (&carried.until, &carried.reason, &carried.owner) == (&exception.until.to_string(), &exception.reason, &exception.owner)
        })
}
