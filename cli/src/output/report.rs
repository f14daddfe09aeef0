//! Writes a report for people. It begins with its one sentence; then come the accounts that it concerns, the findings, and the evidence that
//! is missing. The sums and the sentence again stand at the end, because a terminal shows the end of a long text.

mod drawn;
mod facts;

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    io::{self, Write},
};

use audit_core::{
    arn::AccountId,
    finding::{Finding, Status},
    json::printable,
    report::{BlindRow, Filter, Report, headline::AccountSums},
    rules,
    severity::Severity,
    verdict::{Grade, Verdict},
};

use self::{
    drawn::{Days, GUARDED, NOT_PROVED, UNGUARDED, bar},
    facts::{Fact, Group},
};
use super::{
    table::{DIM, heading, indented, severity_style},
    text::{columns, counted, wrapped},
};
use crate::args::{GroupBy, ViewArgs};

/// Accounts, and OUs, that are listed at most if nothing else was asked for.
const ROWS_SHOWN: usize = 20;

/// Findings that are shown in full at most. If there are more, each group shows its first one in full and [`ROWS_OF_GROUP`] altogether.
const FULL_SHOWN: usize = 30;

/// Findings of a group that are listed at most, if there are many and nothing else was asked for.
const ROWS_OF_GROUP: usize = 5;

/// Columns of a terminal that has room for the bars of accounts.
const WIDE: usize = 100;

/// Columns of a terminal that has room for a line over time of each account, too.
const VERY_WIDE: usize = 160;

/// Writes a whole report.
pub(crate) fn write(out: &mut (impl Write + ?Sized), report: &Report, view: &ViewArgs) -> io::Result<()> {
    limits(out, report.filter.as_ref(), &report.incomplete)?;
    basis(out, report)?;
    headline(out, report)?;
    writeln!(out)?;
    accounts(out, report, view)?;
    units(out, report, view)?;
    by_day(out, report)?;
    findings(out, report, view)?;
    blind(out, report)?;
    records(out, report)?;
    coverage(out, report)?;
    headline(out, report)
}

/// Writes the filter of a report and the reasons why it is incomplete. Both come before the results, so that nobody reads those without
/// them.
pub(crate) fn limits(out: &mut (impl Write + ?Sized), filter: Option<&Filter>, incomplete: &[String]) -> io::Result<()> {
    if let Some(filter) = filter {
        writeln!(out, "{}", wrapped(&format!("Filtered: only {filter}. Nothing is said about the rest."), 0))?;
    }
    for why in incomplete {
        writeln!(out, "{}", wrapped(&format!("Incomplete: {why}"), 0))?;
    }
    if filter.is_some() || !incomplete.is_empty() { writeln!(out) } else { Ok(()) }
}

/// Writes what the report rests on besides records, where a reader might take it for something else.
fn basis(out: &mut (impl Write + ?Sized), report: &Report) -> io::Result<()> {
    if report.is_without_world {
        let how = "No state was given, so whether a guardrail was in force isn't known and hardly a call can be proved. Give it with \
                   `--world DIR`: a folder of AWS answers, which `guardrail-audit snapshot --dir DIR` writes, or the AWS CLI as the README says.";
        writeln!(out, "{}\n", wrapped(how, 0))?;
    }
    if let Some(file) = report.configuration.as_ref().filter(|file| file.was_found) {
        let used = format!("Configuration: {}, found in this folder; `--no-config` leaves it out", file.path);
        writeln!(out, "{}\n", wrapped(&used, 0))?;
    }
    Ok(())
}

fn headline(out: &mut (impl Write + ?Sized), report: &Report) -> io::Result<()> {
    heading(out, &format!("{}.", report.headline()))
}

/// The message where no account has an open finding.
fn no_accounts(report: &Report) -> &'static str {
    let is_nothing = report.coverage.is_empty() && report.findings.is_empty();
    if report.records.read == report.records.unreadable && is_nothing {
        "nothing was read, so nothing is known"
    } else if is_nothing && !report.incomplete.is_empty() {
        "nothing matches what was asked for, so nothing is known"
    } else if report.filter.is_some() {
        "no open finding in what was asked for; nothing is known of the rest"
    } else {
        "none that the evidence shows"
    }
}

/// The number of rows to list: what the user asked for, or else `otherwise`.
fn shown(view: &ViewArgs, otherwise: usize) -> usize {
    match view.top {
        None => otherwise,
        Some(0) => usize::MAX,
        Some(top) => top,
    }
}

/// Says how many rows are left out, of what, and how to see them.
fn and_more(out: &mut (impl Write + ?Sized), all: usize, shown: usize, what: &str, indent: usize) -> io::Result<()> {
    if all <= shown {
        return Ok(());
    }
    writeln!(out, "{:indent$}{DIM}and {}: `--top {all}`{DIM:#}", "", counted(all - shown, &format!("more {what}")))
}

fn accounts(out: &mut (impl Write + ?Sized), report: &Report, view: &ViewArgs) -> io::Result<()> {
    let offending = facts::offending(report, view);
    heading(out, "Accounts that bypass or modify guardrails")?;
    if offending.is_empty() {
        return writeln!(out, "  {}\n", wrapped(no_accounts(report), 2));
    }
    let has_bars = is_wide(WIDE);
    let days = Days::of(report).filter(|_| is_wide(VERY_WIDE));
    let row = |(account, sums): &(&AccountId, AccountSums<'_>)| {
        let open = |severity| sums.open.get(&severity).map_or("-".to_owned(), ToString::to_string);
        let worst: Vec<&str> = sums.rules.iter().take(3).map(|(_, rule)| *rule).collect();
        let name = report.accounts.get(*account).cloned().unwrap_or_default();
        let counts = [Severity::Critical, Severity::High, Severity::Medium].map(open);
        let calls = format!("{} of {}", sums.calls.violation, sums.required());
        let drawn = has_bars.then(|| bar(sums)).into_iter().chain(days.as_ref().map(|days| days.line(report, Some(account))));
        [account.to_string(), name].into_iter().chain(counts).chain([calls]).chain(drawn).chain([worst.join(", ")]).collect()
    };
    let drawn = has_bars.then_some("CALLS").into_iter().chain(days.as_ref().map(|_| "BY DAY"));
    let titles: Vec<&str> =
        ["ACCOUNT", "NAME", "CRITICAL", "HIGH", "MEDIUM", "UNGUARDED"].into_iter().chain(drawn).chain(["WORST"]).collect();
    let most = shown(view, ROWS_SHOWN);
    indented(out, 2, &titles, offending.iter().take(most).map(row))?;
    and_more(out, offending.len(), most, "account", 2)?;
    if has_bars {
        writeln!(out, "  {DIM}{GUARDED} guarded  {NOT_PROVED} not proved  {UNGUARDED} not guarded{DIM:#}")?;
    }
    writeln!(out)
}

/// Writes a row for each OU, where the organization is known.
fn units(out: &mut (impl Write + ?Sized), report: &Report, view: &ViewArgs) -> io::Result<()> {
    #[derive(Default)]
    struct Unit<'r> {
        accounts: usize,
        offending: usize,
        sums: AccountSums<'r>,
    }
    let mut units: BTreeMap<String, Unit<'_>> = BTreeMap::new();
    for (account, sums) in report.account_sums() {
        let unit = units.entry(facts::unit_of(report, account)).or_default();
        unit.accounts += 1;
        unit.offending += usize::from(sums.is_offending());
        unit.sums.add_calls(&sums);
    }
    if report.units.is_empty() || units.len() < 2 {
        return Ok(());
    }
    let mut units: Vec<(String, Unit<'_>)> = units.into_iter().collect();
    units.sort_by_key(|(_, unit)| Reverse((unit.sums.calls.violation, unit.offending)));
    heading(out, "Organizational units")?;
    let row = |(name, Unit { accounts, offending, sums }): &(String, Unit<'_>)| {
        let all = sums.required();
        let share = if all == 0 { "-".to_owned() } else { format!("{}%", u128::from(sums.guarded()) * 100 / u128::from(all)) };
        let not_provable = if sums.calls.not_provable == 0 { "-".to_owned() } else { sums.calls.not_provable.to_string() };
        vec![name.clone(), format!("{offending} of {accounts}"), share, format!("{} of {all}", sums.calls.violation), not_provable]
    };
    let most = shown(view, ROWS_SHOWN);
    indented(out, 2, &["OU", "OFFENDING", "GUARDED", "UNGUARDED", "NOT PROVABLE"], units.iter().take(most).map(row))?;
    and_more(out, units.len(), most, "OU", 2)?;
    writeln!(out)
}

/// Returns whether the output goes to a terminal of at least this many columns.
fn is_wide(least: usize) -> bool {
    columns().is_some_and(|columns| columns >= least)
}

/// Draws the share of guarded calls over time.
fn by_day(out: &mut (impl Write + ?Sized), report: &Report) -> io::Result<()> {
    let Some(days) = Days::of(report).filter(|_| is_wide(WIDE)) else {
        return Ok(());
    };
    heading(out, "Calls that were provably guarded, by day")?;
    writeln!(out, "  {}  {}  {}\n", days.first, days.line(report, None), days.last)
}

fn findings(out: &mut (impl Write + ?Sized), report: &Report, view: &ViewArgs) -> io::Result<()> {
    let with = |status| report.findings.iter().filter(move |finding| finding.status == status);
    let count = |status| with(status).count();
    let (open, suppressed, resolved) = (count(Status::Open), count(Status::Suppressed), count(Status::Resolved));
    let left_out = report.filter.as_ref().and_then(|filter| filter.left_out).filter(|count| *count > 0);
    let left_out = left_out.map(|count| format!("; {count} others are left out")).unwrap_or_default();
    heading(out, &format!("Findings: {open} open, {suppressed} suppressed, {resolved} resolved{left_out}"))?;
    let facts = facts::facts(with(Status::Open));
    let rows = shown(view, if facts.len() > FULL_SHOWN { ROWS_OF_GROUP } else { usize::MAX });
    let mut effects: BTreeMap<&str, usize> = BTreeMap::new();
    for also in facts.iter().flat_map(|fact| &fact.also) {
        *effects.entry(&also.rule).or_default() += 1;
    }
    let groups = facts::grouped(report, facts, view);
    let (most_groups, of) = match view.group_by() {
        // Rules are few, and each of them says something else.
        GroupBy::Rule => (usize::MAX, "rule"),
        GroupBy::Account => (shown(view, ROWS_SHOWN), "account"),
        GroupBy::Ou => (shown(view, ROWS_SHOWN), "OU"),
        GroupBy::Region => (shown(view, ROWS_SHOWN), "Region"),
    };
    let listed: usize = groups.iter().take(most_groups).map(|group| group.facts.len().min(rows)).sum();
    let full = if listed > FULL_SHOWN { 1 } else { usize::MAX };
    for group in groups.iter().take(most_groups) {
        let elsewhere = effects.get(group.name.as_str()).copied().unwrap_or(0);
        group_of_facts(out, report, group, view.group_by(), elsewhere, (rows, full))?;
    }
    and_more(out, groups.len(), most_groups, of, 2)?;
    let most = shown(view, FULL_SHOWN);
    for finding in with(Status::Suppressed).take(most) {
        if let Some(suppression) = &finding.suppression {
            let suppressed = format!("{}  {}", finding.rule, account_and_region(report, finding));
            writeln!(out, "  {DIM}suppressed{DIM:#} {}", wrapped(&suppressed, 13))?;
            let (until, owner, reason) = (&suppression.until, &suppression.owner, &suppression.reason);
            let why = format!("until {until} by {owner}: {reason}; finding {}", short(finding));
            writeln!(out, "    {DIM}{}{DIM:#}", wrapped(&why, 4))?;
        }
    }
    and_more(out, suppressed, most, "suppressed finding", 2)?;
    for finding in with(Status::Resolved).take(most) {
        let at = finding.resolved_at.map(|at| format!(" at {at}")).unwrap_or_default();
        let resolved = format!("{}  {}{at}; finding {}", finding.rule, account_and_region(report, finding), short(finding));
        writeln!(out, "  {DIM}resolved{DIM:#}   {}", wrapped(&resolved, 13))?;
    }
    and_more(out, resolved, most, "resolved finding", 2)?;
    writeln!(out)
}

/// The account and Region of a finding, with the account's name.
fn account_and_region(report: &Report, finding: &Finding) -> String {
    let name = report.accounts.get(&finding.account).map(|name| format!(" ({})", printable(name))).unwrap_or_default();
    format!("{}/{}{name}", finding.account, finding.region)
}

/// Writes a group: the first facts in full, others in a row each. Of the findings of its rule, `elsewhere` stand in other groups, with their
/// causes.
fn group_of_facts(
    out: &mut (impl Write + ?Sized),
    report: &Report,
    group: &Group<'_>,
    by: GroupBy,
    elsewhere: usize,
    (rows, full): (usize, usize),
) -> io::Result<()> {
    let style = severity_style(group.severity());
    let (own, effects) = (group.facts.len(), group.effects());
    let accounts = counted(group.accounts().len(), "account");
    let severity = group.severity().as_str();
    let sums = if by == GroupBy::Rule {
        let calls = group.calls().map(|calls| format!(", {}", counted(usize::try_from(calls).unwrap_or(usize::MAX), "call")));
        let others = if effects == 1 { "other" } else { "others" };
        let effects = if effects > 0 { format!(" (and {effects} {others} of the same calls)") } else { String::new() };
        let elsewhere = if elsewhere > 0 { format!("; {elsewhere} more with their cause") } else { String::new() };
        let found = counted(own, "finding");
        format!("{severity} {}: {found} in {accounts}{}{effects}{elsewhere}", group.name, calls.unwrap_or_default())
    } else {
        let name = match by {
            GroupBy::Account => report.accounts.get(group.name.as_str()).map(|name| format!(" ({name})")).unwrap_or_default(),
            _ => format!(", {accounts}"),
        };
        format!("{severity} {}{name}: {}: {}", group.name, counted(own + effects, "finding"), group.severities())
    };
    // The severity is the first word, so it is there in one piece.
    let sums = wrapped(&sums, 4);
    writeln!(out, "  {style}{severity}{style:#}{}", sums.strip_prefix(severity).unwrap_or(&sums))?;
    if let Some(rule) = rules::find(&group.name).filter(|_| by == GroupBy::Rule) {
        let about = format!("{}; see `guardrail-audit rules {}`", group.title().unwrap_or(rule.title), group.name);
        writeln!(out, "    {DIM}{}{DIM:#}", wrapped(&about, 4))?;
    }
    let mut listed = group.facts.iter().take(rows);
    for fact in listed.by_ref().take(full) {
        in_full(out, report, fact, by)?;
    }
    let row = |fact: &Fact<'_>| {
        let (finding, id) = (fact.finding, short(fact.finding));
        let rule = (by != GroupBy::Rule).then(|| finding.rule.clone());
        let last = finding.last_seen.map(|time| time.to_string()).unwrap_or_default();
        let name = report.accounts.get(&finding.account).cloned().unwrap_or_default();
        rule.into_iter().chain([format!("{}/{}", finding.account, finding.region), name, finding.count.to_string(), last, id]).collect()
    };
    indented(out, 4, &[], listed.map(row))?;
    and_more(out, own, rows, "finding", 4)
}

/// The part of an id that commands take and that people copy.
fn short(finding: &Finding) -> String {
    finding.id.chars().take(12).collect()
}

fn in_full(out: &mut (impl Write + ?Sized), report: &Report, fact: &Fact<'_>, by: GroupBy) -> io::Result<()> {
    let finding = fact.finding;
    let rule = if by == GroupBy::Rule { String::new() } else { format!("{} {} in ", finding.severity, finding.rule) };
    writeln!(out, "    {}", wrapped(&format!("{rule}{}: {}", account_and_region(report, finding), finding.detail), 6))?;
    let seen = match (finding.first_seen, finding.last_seen) {
        (Some(first), Some(last)) if first != last => format!("from {first} to {last}; "),
        (Some(first), _) => format!("at {first}; "),
        _ => String::new(),
    };
    writeln!(out, "      {DIM}{}{DIM:#}", wrapped(&format!("{seen}finding {}", short(finding)), 6))?;
    for also in &fact.also {
        let calls = counted(usize::try_from(also.count).unwrap_or(usize::MAX), "call");
        let also = format!("of the same calls: {} ({}, {calls}, finding {})", also.rule, also.severity, short(also));
        writeln!(out, "      {DIM}{}{DIM:#}", wrapped(&also, 6))?;
    }
    Ok(())
}

fn coverage(out: &mut (impl Write + ?Sized), report: &Report) -> io::Result<()> {
    let mut counts: BTreeMap<(Verdict, Grade), u64> = BTreeMap::new();
    for row in &report.coverage {
        *counts.entry((row.verdict, row.grade)).or_default() += row.count;
    }
    let total: u64 = counts.values().sum();
    heading(out, &format!("Calls: {total}"))?;
    let rows = counts.iter().map(|((verdict, grade), count)| {
        let share = count * 1000 / total.max(1);
        vec![verdict.to_string(), grade.to_string(), count.to_string(), format!("{}.{}%", share / 10, share % 10)]
    });
    indented(out, 2, &[], rows)?;
    writeln!(out)
}

fn blind(out: &mut (impl Write + ?Sized), report: &Report) -> io::Result<()> {
    if report.blind.is_empty() {
        return Ok(());
    }
    let mut by_kind: BTreeMap<_, Vec<&BlindRow>> = BTreeMap::new();
    for row in &report.blind {
        by_kind.entry(row.missing).or_default().push(row);
    }
    heading(out, "Blind spots")?;
    for (missing, rows) in by_kind {
        let account_regions: Vec<String> = rows.iter().take(3).map(|row| format!("{}/{}", row.account, row.region)).collect();
        let more = if rows.len() > 3 { format!(" and {} more", rows.len() - 3) } else { String::new() };
        let where_ = format!("{}: {}{more}", missing.as_str(), account_regions.join(", "));
        writeln!(out, "  {}", wrapped(&where_, 4))?;
        writeln!(out, "    {DIM}{}{DIM:#}", wrapped(&format!("to see it: {}", missing.remedy()), 4))?;
    }
    writeln!(out)
}

fn records(out: &mut (impl Write + ?Sized), report: &Report) -> io::Result<()> {
    let records = &report.records;
    // The hub doesn't count records.
    if records.read == 0 && !(report.coverage.is_empty() && report.findings.is_empty()) {
        return Ok(());
    }
    heading(out, &format!("Records: {} read", records.read))?;
    writeln!(out, "  {} judged, {} ignored, {} unreadable", records.judged, records.ignored, records.unreadable)?;
    for (why, count) in &records.ignored_because {
        writeln!(out, "  {DIM}{}{DIM:#}", wrapped(&format!("ignored: {count}, {why}"), 4))?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use audit_core::{
        report::{Records, Tool},
        timestamp::Timestamp,
        verdict::Invocations,
    };

    use super::*;

    /// A report of nothing.
    pub(super) fn empty() -> Report {
        Report {
            tool: Tool { name: String::new(), version: String::new() },
            generated_at: Timestamp::BEGINNING,
            filter: None,
            incomplete: Vec::new(),
            records: Records::default(),
            invocations: Invocations::default(),
            coverage: Vec::new(),
            timeline: Vec::new(),
            blind: Vec::new(),
            findings: Vec::new(),
            unreadable: Vec::new(),
            organization: None,
            accounts: BTreeMap::new(),
            units: BTreeMap::new(),
            is_without_world: false,
            configuration: None,
            origin: None,
        }
    }

    fn written(report: &Report) -> String {
        let mut out = Vec::new();
        write(&mut out, report, &ViewArgs::default()).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    }

    #[test]
    fn the_answer_is_the_first_and_the_last_line() {
        let text = written(&empty());
        let says = "Nothing was read, so nothing is known.";
        assert!(text.starts_with(says) && text.ends_with(&format!("{says}\n")), "{text}");
    }

    #[test]
    fn without_a_world_the_first_line_says_how_to_give_one() {
        let text = written(&Report { is_without_world: true, ..empty() });
        assert!(text.starts_with("No state was given") && text.replace('\n', " ").contains("`--world DIR`"), "{text}");
    }
}
