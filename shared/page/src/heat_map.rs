//! The heat map: accounts, grouped by OU, by Regions. A cell shows which share of its calls was guarded, can't be proved, or wasn't guarded.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use askama::Template;
use audit_core::{
    arn::{AccountId, Region},
    json::printable,
    missing_evidence::MissingEvidence,
    report::Report,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    by_day::{Calls, decimal, precise},
    numbers::{counted, grouped, with_thousands},
    page::limits_of,
};

/// What a map is for: a part of the page, which has its style, legend and links, or a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Within the page.
    Page,
    /// A file of its own.
    File,
}

impl Use {
    /// Accounts with a row of their own at most. The first screen of the page has to fit on one printed page.
    const fn most_accounts(self) -> usize {
        match self {
            Use::Page => 14,
            Use::File => 100,
        }
    }

    /// OUs with rows of their own at most.
    const fn most_units(self) -> usize {
        match self {
            Use::Page => 6,
            Use::File => 40,
        }
    }
}

/// Regions that have a column of their own at most: those with the most calls.
const REGIONS: usize = 8;

// Pixels: the width of labels and of totals, the height of rows, of an OU's heading and of the map's heading, the gap between cells, and the
// height of a line of text above the map.
const LABEL: u32 = 196;
const GAP: u32 = 5;
const ROW: u32 = 20;
const GROUP: u32 = 25;
const HEAD: u32 = 34;
const TOTAL: u32 = 92;
const LINE: u32 = 16;

/// Characters of a line of text above the map, for which a map with few Regions has room.
const LINE_CHARACTERS: usize = 104;

/// The width of a map with few Regions. Its columns are wider, so that it fills its place in the page, which is as wide where the window has
/// 1280 pixels.
const WIDTH: u32 = 716;

/// The narrowest and the widest column.
const PITCH: (u32, u32) = (66, 214);

/// Pixels that a character of a heading takes at most.
const CHARACTER: u32 = 7;

/// Characters of a name that a row's label has room for.
const NAME: usize = 26;

/// A part of a cell.
struct Part {
    x: String,
    width: String,
    class: &'static str,
}

/// The calls of an account in a Region.
struct Cell {
    x: u32,
    title: String,
    href: String,
    parts: Vec<Part>,
    has_calls: bool,
    is_blind: bool,
    is_lacking: bool,
}

/// A row of the map: an account, or several together.
struct Row {
    y: u32,
    label: String,
    title: String,
    is_sum: bool,
    cells: Vec<Cell>,
    total: String,
}

/// An OU, with the rows of its accounts.
struct Group {
    y: u32,
    name: String,
    rows: Vec<Row>,
}

struct Head {
    x: u32,
    lines: [String; 2],
}

/// The map, laid out.
#[derive(Template)]
#[template(path = "map.svg", escape = "html")]
pub(crate) struct HeatMap {
    is_file: bool,
    style: &'static str,
    /// The report's sentence and its limits, which a picture of its own shows above the map.
    notes: Vec<String>,
    /// The height of these lines, in pixels.
    notes_height: u32,
    width: u32,
    height: u32,
    cell_width: u32,
    heads: Vec<Head>,
    groups: Vec<Group>,
    pub(crate) is_empty: bool,
}

impl HeatMap {
    /// Lays out the map of a report.
    pub(crate) fn of(report: &Report, is_for: Use) -> Self {
        let sums = Sums::of(report);
        let columns = sums.columns();
        let count = u32::try_from(columns.len()).unwrap_or(0);
        let pitch = ((WIDTH - LABEL - TOTAL) / count.max(1)).clamp(PITCH.0, PITCH.1);
        let mut accounts: Vec<&AccountId> = sums.accounts.keys().copied().collect();
        accounts.sort_by_key(|account| {
            let calls = sums.accounts.get(account).copied().unwrap_or_default();
            (Reverse((calls.unguarded, calls.not_provable, calls.required())), *account)
        });
        let groups = grouped_by_unit(report, &accounts, is_for);
        let notes = if is_for == Use::File { notes_of(report) } else { Vec::new() };
        let notes_height = LINE * u32::try_from(notes.len()).unwrap_or(0);
        let mut y = if is_for == Use::File { HEAD + 44 + notes_height } else { HEAD };
        let has_names = !report.units.is_empty();
        let lay_out = |(name, rows): (String, Vec<RowAccounts<'_>>)| {
            let top = y;
            y += if has_names { GROUP } else { 0 };
            let rows = rows.iter().map(|row| {
                let row = sums.row(report, &row.accounts, &columns, pitch, y);
                y += ROW;
                row
            });
            let rows = rows.collect();
            Group { y: top, name: if has_names { name } else { String::new() }, rows }
        };
        let groups: Vec<Group> = groups.into_iter().map(lay_out).collect();
        HeatMap {
            is_file: is_for == Use::File,
            style: if is_for == Use::File { include_str!("../assets/map.css") } else { "" },
            notes,
            notes_height,
            // Without a Region there still has to be room for the notes.
            width: (LABEL + pitch * count + TOTAL).max(if is_for == Use::File { WIDTH } else { 0 }),
            cell_width: pitch - GAP,
            height: y + if is_for == Use::File { 40 } else { 4 },
            heads: columns
                .iter()
                .zip(0..)
                .map(|(column, index)| Head { x: LABEL + pitch * index, lines: column.heading(pitch - GAP) })
                .collect(),
            is_empty: groups.is_empty(),
            groups,
        }
    }
}

/// The lines above the map of a picture of its own, which may stand where the rest of the report is not seen.
fn notes_of(report: &Report) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for sentence in std::iter::once(format!("{}.", with_thousands(&report.headline().to_string()))).chain(limits_of(report)) {
        let mut line = String::new();
        for word in printable(&sentence).split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > LINE_CHARACTERS {
                notes.push(std::mem::take(&mut line));
            }
            line.extend((!line.is_empty()).then_some(' '));
            line.push_str(word);
        }
        notes.push(line);
    }
    notes
}

/// The accounts of a row: one, or the rest of an OU.
struct RowAccounts<'r> {
    accounts: Vec<&'r AccountId>,
    is_rest: bool,
}

/// The rows of the map by OU. The first accounts have rows of their own, as far as there is room; the rest of each OU is added up, and so
/// are the OUs for which there is no room.
fn grouped_by_unit<'r>(report: &Report, accounts: &[&'r AccountId], is_for: Use) -> Vec<(String, Vec<RowAccounts<'r>>)> {
    let mut groups: Vec<(String, Vec<RowAccounts<'r>>)> = Vec::new();
    let mut rest: Vec<(String, &'r AccountId)> = Vec::new();
    let mut shown = 0;
    for account in accounts.iter().copied() {
        let name = unit_of(report, account);
        let known = groups.iter().position(|(group, _)| *group == name);
        let has_room = shown < is_for.most_accounts() && (known.is_some() || groups.len() < is_for.most_units());
        if !has_room {
            rest.push((name, account));
            continue;
        }
        shown += 1;
        let row = RowAccounts { accounts: vec![account], is_rest: false };
        match known.and_then(|index| groups.get_mut(index)) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((name, vec![row])),
        }
    }
    let mut elsewhere: Vec<&'r AccountId> = Vec::new();
    for (name, account) in rest {
        let Some((_, rows)) = groups.iter_mut().find(|(group, _)| *group == name) else {
            elsewhere.push(account);
            continue;
        };
        match rows.last_mut().filter(|last| last.is_rest) {
            Some(last) => last.accounts.push(account),
            None => rows.push(RowAccounts { accounts: vec![account], is_rest: true }),
        }
    }
    if !elsewhere.is_empty() {
        groups.push(("Other organizational units".to_owned(), vec![RowAccounts { accounts: elsewhere, is_rest: true }]));
    }
    groups
}

/// The OU of an account, with those above it.
pub(crate) fn unit_of(report: &Report, account: &AccountId) -> String {
    match report.units.get(account) {
        None => "Place in the organization not known".to_owned(),
        Some(units) if units.is_empty() => "Directly below the root".to_owned(),
        Some(units) => printable(&units.join(" / ")).into_owned(),
    }
}

/// A column of the map.
struct Column {
    regions: BTreeSet<Region>,
    is_sum: bool,
}

impl Column {
    /// The name of the Region, in two lines where the column is too narrow for one.
    fn heading(&self, width: u32) -> [String; 2] {
        match self.regions.first() {
            Some(region) if !self.is_sum && u32::try_from(region.len()).is_ok_and(|characters| characters * CHARACTER <= width) => {
                [String::new(), printable(region).into_owned()]
            }
            Some(region) if !self.is_sum => match region.split_once('-') {
                Some((area, rest)) if rest.len() < 14 => [format!("{area}-"), printable(rest).into_owned()],
                _ => [String::new(), printable(region).chars().take(12).collect()],
            },
            _ => [grouped(self.regions.len() as u64), "more Regions".to_owned()],
        }
    }
}

/// The calls of a report by account and Region.
struct Sums<'r> {
    cells: BTreeMap<(&'r AccountId, &'r Region), Calls>,
    accounts: BTreeMap<&'r AccountId, Calls>,
    /// Where something can't be seen.
    blind: BTreeSet<(&'r AccountId, &'r Region)>,
    /// Where something can't be seen that verdicts need, or calls themselves.
    lacking: BTreeSet<(&'r AccountId, &'r Region)>,
}

impl<'r> Sums<'r> {
    fn of(report: &'r Report) -> Self {
        let mut sums = Sums { cells: BTreeMap::new(), accounts: BTreeMap::new(), blind: BTreeSet::new(), lacking: BTreeSet::new() };
        for row in &report.coverage {
            sums.cells.entry((&row.account, &row.region)).or_default().add(row.verdict, row.grade, row.count);
            sums.accounts.entry(&row.account).or_default().add(row.verdict, row.grade, row.count);
        }
        for row in &report.blind {
            sums.blind.insert((&row.account, &row.region));
            if matches!(
                row.missing,
                MissingEvidence::Evidence(_)
                    | MissingEvidence::CallsNotRead
                    | MissingEvidence::EventHistory
                    | MissingEvidence::CompactedDays
            ) {
                sums.lacking.insert((&row.account, &row.region));
            }
            sums.accounts.entry(&row.account).or_default();
        }
        sums
    }

    fn columns(&self) -> Vec<Column> {
        let mut calls: BTreeMap<&Region, u64> = BTreeMap::new();
        for ((_, region), of_cell) in &self.cells {
            *calls.entry(region).or_default() += of_cell.required();
        }
        for (_, region) in &self.blind {
            calls.entry(region).or_default();
        }
        let mut regions: Vec<(&Region, u64)> = calls.into_iter().collect();
        regions.sort_by_key(|(region, calls)| (Reverse(*calls), *region));
        let (shown, others) = regions.split_at(regions.len().min(REGIONS));
        let column = |(region, _): &(&Region, u64)| Column { regions: BTreeSet::from([(*region).clone()]), is_sum: false };
        let mut columns: Vec<Column> = shown.iter().map(column).collect();
        if !others.is_empty() {
            columns.push(Column { regions: others.iter().map(|(region, _)| (*region).clone()).collect(), is_sum: true });
        }
        columns
    }

    fn row(&self, report: &Report, accounts: &[&AccountId], columns: &[Column], pitch: u32, y: u32) -> Row {
        let (label, title) = match accounts {
            [account] => {
                let name = report.accounts.get(*account).map(|name| printable(name)).filter(|name| !name.is_empty());
                let title = name.as_ref().map_or_else(|| account.to_string(), |name| format!("{name} ({account})"));
                (
                    shortened(&name.map_or_else(|| printable(account).into_owned(), std::borrow::Cow::into_owned)),
                    printable(&title).into_owned(),
                )
            }
            several => (counted(several.len() as u64, "more account"), counted(several.len() as u64, "more account")),
        };
        let mut all = Calls::default();
        for account in accounts {
            all.add_all(self.accounts.get(account).copied().unwrap_or_default());
        }
        let cell = |(column, index): (&Column, u32)| self.cell(accounts, column, (LABEL + pitch * index, pitch - GAP), &title);
        let cells = columns.iter().zip(0..).map(cell).collect();
        let total = if all.required() == 0 { String::new() } else { format!("{} of {}", grouped(all.unguarded), grouped(all.required())) };
        Row { y, label, title, is_sum: accounts.len() > 1, cells, total }
    }

    fn cell(&self, accounts: &[&AccountId], column: &Column, (x, width): (u32, u32), whose: &str) -> Cell {
        let (mut calls, mut is_blind, mut is_lacking) = (Calls::default(), false, false);
        for account in accounts {
            for region in &column.regions {
                calls.add_all(self.cells.get(&(*account, region)).copied().unwrap_or_default());
                is_blind |= self.blind.contains(&(*account, region));
                is_lacking |= self.lacking.contains(&(*account, region));
            }
        }
        let regions_shown = match column.regions.first() {
            Some(region) if !column.is_sum => printable(region).into_owned(),
            _ => "other Regions".to_owned(),
        };
        let what = if calls.required() == 0 { "no call that had to be guarded".to_owned() } else { calls.in_words() };
        let blind = match (is_lacking, is_blind) {
            (true, _) => "; evidence for verdicts is missing here",
            (false, true) => "; something can't be seen here",
            _ => "",
        };
        let href = match (accounts, column.regions.first()) {
            ([account], Some(region)) if !column.is_sum => {
                let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
                format!("#account={}&region={}", encoded(account), encoded(region))
            }
            _ => String::new(),
        };
        Cell {
            x,
            title: format!("{whose}, {regions_shown}: {what}{blind}"),
            href,
            parts: parts(calls, x, width),
            has_calls: calls.required() > 0,
            is_blind,
            is_lacking,
        }
    }
}

/// The parts of a cell by their shares. What is there is seen, however little of the whole it is.
fn parts(calls: Calls, x: u32, cell: u32) -> Vec<Part> {
    const LEAST: f64 = 3.0;
    let all = precise(calls.required().max(1));
    let width = |count| (f64::from(cell) * precise(count) / all).max(LEAST);
    let mut widths: Vec<(f64, &'static str)> = calls.parts().map(|(count, class)| (width(count), class)).collect();
    let over = widths.iter().map(|(width, _)| width).sum::<f64>() - f64::from(cell);
    if let Some((widest, _)) = widths.iter_mut().max_by(|(a, _), (b, _)| a.total_cmp(b)) {
        *widest -= over.max(0.0);
    }
    let mut at = f64::from(x);
    let mut parts = Vec::new();
    for (width, class) in widths {
        parts.push(Part { x: decimal(at), width: decimal(width), class });
        at += width;
    }
    parts
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    name.chars().take(NAME - 1).chain(['…']).collect()
}
