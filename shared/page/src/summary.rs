//! The first screen of the page: the report's sentence, its accounts, its evidence and what is missing.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use askama::Template as _;
use audit_core::{
    arn::{AccountId, Region},
    finding::{Finding, Status},
    json::printable,
    missing_evidence::MissingEvidence,
    report::{Filter, Report, StatedException, headline::AccountSums},
    severity::Severity,
    timestamp::Day,
    verdict::{Grade, Invocations, Reason, Verdict},
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    by_day::{self, Chart, periods, precise},
    heat_map::unit_of,
    numbers::{counted, date, day, grouped, percent, with_thousands},
    page::PageError,
};

/// The most accounts, exceptions and blind spots that the first screen names: it has to fit on one printed page.
const ACCOUNTS: usize = 8;
const EXCEPTIONS: usize = 4;
const BLIND: usize = 5;

/// The first screen names an exception from this many days before its end.
const ENDS_SOON: i32 = 30;

/// Everything on the first screen but the heat map.
pub(crate) struct Summary {
    /// The share at the start of the first sentence, if it begins with one.
    pub(crate) share: String,
    /// The rest of the first sentence.
    pub(crate) answer: String,
    /// What else the report's one sentence says.
    pub(crate) rest: String,
    pub(crate) period: String,
    pub(crate) not_applicable: String,
    pub(crate) segments: Vec<Segment>,
    pub(crate) open: String,
    pub(crate) accounts: Vec<AccountLine>,
    pub(crate) more_accounts: usize,
    pub(crate) chart: String,
    pub(crate) has_days: bool,
    pub(crate) exceptions: Vec<Exception>,
    /// All exceptions, if there are more than the first screen has room for.
    pub(crate) all_exceptions: Vec<Exception>,
    pub(crate) more_exceptions: usize,
    /// How many exceptions have ended; empty if none has.
    pub(crate) ended: String,
    pub(crate) blind: Vec<Blind>,
    pub(crate) more_blind: usize,
}

/// A segment of the evidence bar.
pub(crate) struct Segment {
    pub(crate) class: &'static str,
    pub(crate) x: String,
    pub(crate) width: String,
    pub(crate) name: String,
    pub(crate) meaning: String,
    pub(crate) count: String,
    pub(crate) share: String,
}

/// An account that bypasses or modifies guardrails.
pub(crate) struct AccountLine {
    /// The link that shows its findings.
    pub(crate) href: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) open: Vec<(&'static str, u64)>,
    pub(crate) unguarded: String,
    /// How many of the calls that were not guarded an exception accepts; empty if none.
    pub(crate) excepted: String,
    pub(crate) since: String,
    pub(crate) rules: Vec<String>,
    pub(crate) spark: String,
}

/// An exception, with the findings that it suppresses.
#[derive(Clone)]
pub(crate) struct Exception {
    pub(crate) rule: String,
    pub(crate) scope: String,
    pub(crate) owner: String,
    pub(crate) until: String,
    /// That it ends soon, has ended, or suppresses nothing.
    pub(crate) note: String,
    pub(crate) reason: String,
}

/// A kind of evidence that is missing.
pub(crate) struct Blind {
    pub(crate) name: String,
    pub(crate) scope: String,
    /// What seeing it costs; empty if nothing is charged for it, or the remedy says it.
    pub(crate) price: &'static str,
    pub(crate) remedy: String,
    pub(crate) places: String,
}

impl Summary {
    pub(crate) fn of(report: &Report) -> Result<Self, PageError> {
        let headline = report.headline();
        let sentence = with_thousands(&headline.to_string());
        let (first, rest) = sentence.split_once("; ").unwrap_or((&sentence, ""));
        let (share, answer) = match first.split_once('%') {
            Some((share, answer)) if share.bytes().all(|byte| byte.is_ascii_digit()) => (format!("{share}\u{a0}%"), answer),
            _ => (String::new(), first),
        };
        let span = by_day::span(&report.timeline);
        let (accounts, more_accounts) = offending(report, span)?;
        let all_exceptions = exceptions(report);
        let more_exceptions = all_exceptions.len().saturating_sub(EXCEPTIONS);
        let ended = all_exceptions.iter().filter(|exception| exception.note == ENDED).count();
        let (blind, more_blind) = blind(report, BLIND);
        let open = |least: Severity| {
            let is_open = |finding: &&Finding| finding.status == Status::Open && finding.severity >= least;
            report.findings.iter().filter(is_open).count() as u64
        };
        let critical = match open(Severity::Critical) {
            0 => String::new(),
            critical => format!(", {} critical", grouped(critical)),
        };
        Ok(Summary {
            share,
            answer: format!("{}.", answer.trim()),
            rest: if rest.is_empty() { String::new() } else { format!("{}.", capitalised(rest)) },
            period: period(report, span),
            not_applicable: match headline.not_applicable {
                0 => String::new(),
                1 => "1 call failed before inference or needed no guardrail, and isn't counted.".to_owned(),
                calls => format!("{} calls failed before inference or needed no guardrail, and aren't counted.", grouped(calls)),
            },
            segments: segments(report, headline.required()),
            open: format!("{}{critical}", counted(open(Severity::Informational), "open finding")),
            accounts,
            more_accounts,
            chart: Chart::large(&periods(report.timeline.iter(), span)).render()?,
            has_days: span.is_some(),
            exceptions: all_exceptions.iter().take(EXCEPTIONS).cloned().collect(),
            all_exceptions: if more_exceptions > 0 { all_exceptions } else { Vec::new() },
            more_exceptions,
            ended: if ended == 0 { String::new() } else { format!("{} ended", grouped(ended as u64)) },
            blind,
            more_blind,
        })
    }
}

/// The text with a capital letter at its start.
fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect()
}

/// A text from outside without characters that would steer how the page is displayed.
fn shown(text: &str) -> String {
    printable(text).into_owned()
}

fn period(report: &Report, span: Option<(Day, Day)>) -> String {
    let seen = || report.findings.iter().flat_map(|finding| [finding.first_seen, finding.last_seen]).flatten().map(Day::of);
    match span.or_else(|| Some((seen().min()?, seen().max()?))) {
        Some((first, last)) if first == last => day(first),
        Some((first, last)) => format!("{} – {}", day(first), day(last)),
        None => String::new(),
    }
}

/// The evidence bar, the strongest evidence first, and what wasn't guarded at the end.
fn segments(report: &Report, required: u64) -> Vec<Segment> {
    let mut counts: BTreeMap<(u8, Verdict, Grade), u64> = BTreeMap::new();
    for row in report.coverage.iter().filter(|row| row.verdict != Verdict::NotApplicable) {
        let position = match row.verdict {
            Verdict::Compliant | Verdict::NotApplicable => 0,
            Verdict::NotProvable => 1,
            Verdict::Violation => 2,
        };
        *counts.entry((position, row.verdict, row.grade)).or_default() += row.count;
    }
    let mut at = 0.0;
    let segment = |((_, verdict, grade), count): ((u8, Verdict, Grade), u64)| {
        let width = 100.0 * precise(count) / precise(required.max(1));
        let x = at;
        at += width;
        let (class, name) = match (verdict, grade) {
            (Verdict::Compliant | Verdict::NotApplicable, grade) => (
                match grade {
                    Grade::Observed => "g1",
                    Grade::Enforced => "g2",
                    Grade::Requested => "g3",
                    Grade::Assumed | Grade::None => "g4",
                },
                format!("Guarded, {grade}"),
            ),
            (Verdict::NotProvable, _) => ("n", "Can't be proved".to_owned()),
            (Verdict::Violation, Grade::Observed) => ("b1", "Not guarded, observed".to_owned()),
            (Verdict::Violation, grade) => ("b2", format!("Not guarded, {grade}")),
        };
        let meaning = match verdict {
            Verdict::NotProvable => "evidence is missing: neither a pass nor a failure".to_owned(),
            Verdict::Violation if grade == Grade::Enforced => {
                "a policy or configuration known to be in force doesn't cover the call".to_owned()
            }
            Verdict::Violation if grade == Grade::Observed => {
                "an evaluation or a trace shows that another guardrail, or none, applied".to_owned()
            }
            _ => grade.in_words(),
        };
        let share = percent(count, required);
        Segment { class, x: decimal_2(x), width: decimal_2(width), name, meaning, count: grouped(count), share }
    };
    counts.into_iter().map(segment).collect()
}

/// A percentage as a coordinate.
fn decimal_2(share: f64) -> String {
    format!("{share:.2}%")
}

/// The accounts that bypass or modify guardrails, the worst first; and how many there are besides those that are shown.
fn offending(report: &Report, span: Option<(Day, Day)>) -> Result<(Vec<AccountLine>, usize), PageError> {
    let offending = report.offending_accounts();
    let more = offending.len().saturating_sub(ACCOUNTS);
    let line = |(account, sums): (&AccountId, AccountSums<'_>)| {
        let is_worrying =
            |finding: &&Finding| finding.account == *account && finding.status == Status::Open && finding.severity >= Severity::Medium;
        let since = report.findings.iter().filter(is_worrying).filter_map(|finding| finding.first_seen).min();
        let rows = || report.timeline.iter().filter(|row| row.account == *account);
        let Invocations { compliant, violation, not_provable, .. } = sums.calls;
        let required = compliant + violation + not_provable;
        let spark = match (required, rows().next()) {
            (0, _) => String::new(),
            (_, None) => "not shown".to_owned(),
            _ => Chart::small(&periods(rows(), span)).render()?,
        };
        let open = [Severity::Critical, Severity::High, Severity::Medium];
        Ok(AccountLine {
            href: format!("#account={}", utf8_percent_encode(account, NON_ALPHANUMERIC)),
            id: shown(account),
            name: report.accounts.get(account).map(|name| shown(name)).unwrap_or_default(),
            unit: if report.units.is_empty() { String::new() } else { unit_of(report, account) },
            open: open.into_iter().filter_map(|severity| Some((severity.as_str(), *sums.open.get(&severity)?))).collect(),
            unguarded: if required == 0 { "–".to_owned() } else { format!("{} of {}", grouped(violation), grouped(required)) },
            excepted: match excepted(report, account) {
                0 => String::new(),
                calls => format!("{} excepted", grouped(calls)),
            },
            since: since.map(date).unwrap_or_default(),
            rules: sums.rules.into_iter().take(2).map(|(_, rule)| rule.to_owned()).collect(),
            spark,
        })
    };
    Ok((offending.into_iter().take(ACCOUNTS).map(line).collect::<Result<_, PageError>>()?, more))
}

/// The calls of an account that were not guarded and that exceptions accept. Two rules may find the same calls, so calls of an open finding
/// count as not accepted, and those of one Region and reason only once.
fn excepted(report: &Report, account: &AccountId) -> u64 {
    // Nobody knows what findings that were left out say.
    if report.filter.as_ref().is_some_and(Filter::limits_findings) {
        return 0;
    }
    let mut places: BTreeMap<(&Region, Option<Reason>), Violations<'_>> = BTreeMap::new();
    for row in report.coverage.iter().filter(|row| row.account == *account && row.verdict == Verdict::Violation) {
        places.entry((&row.region, row.reason)).or_default().calls += row.count;
    }
    let is_of_account = |finding: &&Finding| finding.account == *account && finding.verdict == Some(Verdict::Violation);
    for finding in report.findings.iter().filter(is_of_account) {
        let place = places.entry((&finding.region, finding.reason)).or_default();
        if finding.status == Status::Suppressed {
            *place.accepted.entry(&finding.rule).or_default() += finding.count;
        } else {
            place.open += finding.count;
        }
    }
    let accepted = |place: Violations<'_>| place.calls.saturating_sub(place.open).min(place.accepted.into_values().max().unwrap_or(0));
    places.into_values().map(accepted).sum()
}

/// The violations of an account in a Region, of one reason.
#[derive(Default)]
struct Violations<'r> {
    /// The calls.
    calls: u64,
    /// The calls of findings that no exception accepts.
    open: u64,
    /// The calls of accepted findings, by rule.
    accepted: BTreeMap<&'r str, u64>,
}

/// What is said of an exception that has ended.
const ENDED: &str = "ended: its findings are open again";

/// The exceptions: those behind suppressed findings, that which ends first at the top; then those of the configuration that have ended, the
/// latest first, and those that suppress nothing.
fn exceptions(report: &Report) -> Vec<Exception> {
    let mut by_exception: BTreeMap<(String, &str, &str, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| finding.status == Status::Suppressed) {
        if let Some(suppression) = &finding.suppression {
            let key = (suppression.until.clone(), finding.rule.as_str(), suppression.owner.as_str(), suppression.reason.as_str());
            by_exception.entry(key).or_default().push(finding);
        }
    }
    let today = Day::of(report.generated_at);
    let exception = |until: &str, rule: &str, owner: &str, reason: &str, scope: String, note: String| Exception {
        rule: shown(rule),
        scope,
        owner: shown(owner),
        until: Day::parse(until).map_or_else(|| shown(until), day),
        note,
        reason: shown(reason),
    };
    let used = by_exception.iter().map(|((until, rule, owner, reason), findings)| {
        let accounts: BTreeSet<&AccountId> = findings.iter().map(|finding| &finding.account).collect();
        let scope = format!("{} in {}", counted(findings.len() as u64, "finding"), counted(accounts.len() as u64, "account"));
        let note = match Day::parse(until).map(|end| end.since(today)) {
            Some(0) => "ends today".to_owned(),
            Some(days @ 1..=ENDS_SOON) => format!("ends in {}", counted(days.unsigned_abs().into(), "day")),
            _ => String::new(),
        };
        exception(until, rule, owner, reason, scope, note)
    });
    let configured = report.configuration.iter().flat_map(|configuration| &configuration.exceptions);
    let (mut ended, unused): (Vec<_>, Vec<_>) = configured
        .filter(|stated| !by_exception.contains_key(&(stated.until.to_string(), &*stated.rule, &*stated.owner, &*stated.reason)))
        .partition(|stated| stated.until.is_over(report.generated_at));
    ended.sort_by_key(|stated| Reverse(stated.until));
    let other = |note: &'static str| {
        move |stated: &StatedException| {
            let StatedException { rule, accounts, until, owner, reason, .. } = stated;
            let accounts = if accounts.iter().any(|account| account == "*") { "all accounts".to_owned() } else { accounts.join(", ") };
            exception(&until.to_string(), rule, owner, reason, shown(&accounts), note.to_owned())
        }
    };
    let ended = ended.into_iter().map(other(ENDED));
    used.chain(ended).chain(unused.into_iter().map(other("suppresses nothing"))).collect()
}

/// Accounts and Regions that a blind spot names at most.
const MOST_NAMED: usize = 60;

/// The kinds of missing evidence, those first that concern most calls; and how many there are besides.
pub(crate) fn blind(report: &Report, most: usize) -> (Vec<Blind>, usize) {
    let mut calls: BTreeMap<(&AccountId, &Region), u64> = BTreeMap::new();
    for row in &report.coverage {
        *calls.entry((&row.account, &row.region)).or_default() += row.count;
    }
    let mut by_kind: BTreeMap<MissingEvidence, BTreeMap<(&AccountId, &Region), &str>> = BTreeMap::new();
    for row in &report.blind {
        by_kind.entry(row.missing).or_default().insert((&row.account, &row.region), &row.remedy);
    }
    let mut kinds: Vec<(u64, MissingEvidence, BTreeMap<_, &str>)> = by_kind
        .into_iter()
        .map(|(missing, places)| (places.keys().map(|place| calls.get(place).copied().unwrap_or(0)).sum(), missing, places))
        .collect();
    kinds.sort_by_key(|(calls, missing, places)| (Reverse(*calls), Reverse(places.len()), *missing));
    let more = kinds.len().saturating_sub(most);
    let spot = |(calls, missing, places): (u64, MissingEvidence, BTreeMap<(&AccountId, &Region), &str>)| {
        let accounts: BTreeSet<&AccountId> = places.keys().map(|(account, _)| *account).collect();
        let words = missing.as_str().replace('_', " ");
        let mut letters = words.chars();
        let remedies: BTreeSet<&str> = places.values().copied().filter(|remedy| !remedy.is_empty()).collect();
        let place = |((account, region), remedy): (&(&AccountId, &Region), &&str)| {
            shown(&if remedies.len() > 1 { format!("{account}/{region}: {remedy}") } else { format!("{account}/{region}") })
        };
        let named: Vec<String> = places.iter().take(MOST_NAMED).map(place).collect();
        let rest = places.len().saturating_sub(MOST_NAMED);
        Blind {
            name: letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect(),
            scope: format!(
                "{} in {}, where {} seen",
                counted(accounts.len() as u64, "account"),
                counted(places.keys().map(|(_, region)| region).collect::<BTreeSet<_>>().len() as u64, "Region"),
                match calls {
                    0 => "no call was".to_owned(),
                    1 => "1 call was".to_owned(),
                    calls => format!("{} calls were", grouped(calls)),
                }
            ),
            price: missing.price().unwrap_or_default(),
            remedy: match remedies.first() {
                Some(remedy) if remedies.len() == 1 => shown(remedy),
                _ => missing.remedy().to_owned(),
            },
            places: {
                let named = named.join(if remedies.len() > 1 { "; " } else { ", " });
                if rest > 0 { format!("{named} and {} more", grouped(rest as u64)) } else { named }
            },
        }
    };
    (kinds.into_iter().take(most).map(spot).collect(), more)
}
