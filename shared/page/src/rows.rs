//! The findings of a report as data in the page: by columns, deflated, in base64.
//!
//! Findings repeat most of their values, so a column lists its distinct values once, and the rows as numbers of these. The script of the
//! page builds the findings of the JSON report from them again.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
};

use audit_core::{
    finding::Finding,
    json::steers,
    report::{Origin, Report, columns as csv, v1},
    rules,
    timestamp::Timestamp,
    verdict::{Grade, Missing, Reason, Verdict},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::ZlibEncoder};
use serde::Serialize;
use serde_json::Value;

use crate::page::PageError;

#[derive(Serialize)]
struct Data<'r> {
    rows: usize,
    /// The columns, in the order of the report's members.
    columns: Vec<(String, Column)>,
    accounts: BTreeMap<&'r str, &'r str>,
    units: BTreeMap<&'r str, String>,
    rules: BTreeMap<&'r str, RuleText>,
    /// The headings of findings as CSV.
    csv: Vec<&'static str>,
    /// The options with which `guardrail-audit explain` finds the report's findings.
    explain: String,
    /// Whether these name what the report comes from.
    has_origin: bool,
    /// The characters that steer how a text is displayed, as a class of a regular expression.
    steers: String,
    /// What the words of verdicts mean.
    words: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Column {
    /// The value of each row.
    Plain(Vec<Value>),
    /// The distinct values, and for each row the number of its own.
    Repeated { values: Vec<Value>, rows: Vec<usize> },
    /// Values that go with those of an earlier column, as a title goes with its rule: the rows are those of the column of this name.
    Along { values: Vec<Value>, along: String },
    /// Ids of 32 hexadecimal digits: their bytes, all together in base64.
    Ids { ids: String },
    /// Times of whole seconds, all together in base64: the highest of the four bytes of each, which are nearly all the same, then the next one of
    /// each, and so on. 0 stands for a row without a time.
    Times { times: String },
    /// Lists of UUIDs: their bytes likewise, and for each row the length of its list.
    Uuids { uuids: String, lengths: Vec<usize> },
    /// Lists that differ but have members in common, as principals and models have: the distinct members, and for each row their numbers, each
    /// as the distance from the number before it. Findings of an account stand together, and so do its principals.
    Lists { members: Vec<Value>, lists: Vec<Vec<i64>> },
    /// Lists of ids of other findings, as the numbers of their rows.
    Links { links: Vec<Vec<Link>> },
}

/// Another finding.
#[derive(Serialize)]
#[serde(untagged)]
enum Link {
    /// The number of its row.
    Row(usize),
    /// Its id, if the report doesn't have it.
    Id(Value),
}

#[derive(Serialize)]
struct RuleText {
    title: &'static str,
    fires: &'static str,
    rationale: &'static str,
    severity: &'static str,
}

/// The data of a page.
pub(crate) fn encoded(report: &Report) -> Result<String, PageError> {
    let mut columns: Vec<(String, Vec<Value>)> = Vec::new();
    for finding in v1::findings(&report.findings) {
        let rest = rest_of_detail(&finding).map(|rest| Value::from(vec![rest]));
        let Value::Object(mut members) = serde_json::to_value(&finding).map_err(PageError::Data)? else { continue };
        if let Some((detail, rest)) = members.get_mut("detail").zip(rest) {
            *detail = rest;
        }
        for (index, (name, value)) in members.into_iter().enumerate() {
            match columns.get_mut(index) {
                Some((_, values)) => values.push(value),
                None => columns.push((name, vec![value])),
            }
        }
    }
    let concerned: BTreeSet<&str> = report.findings.iter().map(|finding| finding.account.as_str()).collect();
    let concerned = |account: &str| concerned.contains(account);
    let data = Data {
        rows: report.findings.len(),
        columns: packed(columns, &report.findings.iter().zip(0..).map(|(finding, row)| (finding.id.as_str(), row)).collect()),
        csv: csv::CSV.iter().map(|column| column.heading).chain([csv::ACCOUNT_NAME]).collect(),
        explain: explain_options(report),
        has_origin: report.origin.is_some(),
        steers: steering(),
        accounts: report.accounts.iter().filter(|(id, _)| concerned(id)).map(|(id, name)| (id.as_str(), name.as_str())).collect(),
        units: report.units.iter().filter(|(id, _)| concerned(id)).map(|(id, units)| (id.as_str(), units.join(" / "))).collect(),
        rules: report.findings.iter().filter_map(rule_text).collect(),
        words: words(),
    };
    let json = serde_json::to_vec(&data).map_err(PageError::Data)?;
    let mut deflated = ZlibEncoder::new(Vec::new(), Compression::best());
    let packed = deflated.write_all(&json).and_then(|()| deflated.finish()).map_err(PageError::Deflate)?;
    Ok(STANDARD.encode(packed))
}

/// The end of a detail that begins with what other members say: "3 calls of Converse with a model by a principal: ". The page writes the
/// beginning anew, so that equal ends are there once.
fn rest_of_detail<'r>(finding: &v1::Finding<'r>) -> Option<&'r str> {
    let calls = if finding.count == 1 { "call" } else { "calls" };
    let [apis, models, principals] = [&finding.apis, &finding.models, &finding.principals].map(|names| listed(names));
    finding.detail.strip_prefix(&format!("{} {calls} of {apis} with {models} by {principals}: ", finding.count))
}

/// Names as a detail lists them.
fn listed(names: &[String]) -> String {
    match names.split_last() {
        Some((more, names)) if !names.is_empty() && more.starts_with("and ") => format!("{} {more}", names.join(", ")),
        _ => names.join(", "),
    }
}

fn rule_text(finding: &Finding) -> Option<(&str, RuleText)> {
    let rule = rules::find(&finding.rule)?;
    Some((&finding.rule, RuleText { title: rule.title, fires: rule.fires, rationale: rule.rationale, severity: rule.severity.as_str() }))
}

/// What holds the evidence and the configuration, as `guardrail-audit explain` is given them in a shell.
fn explain_options(report: &Report) -> String {
    let store = match &report.origin {
        // The hub has its own configuration.
        Some(Origin::Hub) => return "--hub".to_owned(),
        Some(Origin::Store(path)) => path,
        None => "audit.db",
    };
    let configuration = report.configuration.as_ref().map(|file| format!(" --config {}", quoted(&file.path))).unwrap_or_default();
    format!("--store {}{configuration}", quoted(store))
}

/// A path as one word of a POSIX shell.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+=,-".contains(c);
    if !path.is_empty() && !path.starts_with('-') && path.chars().all(is_plain) {
        return path.to_owned();
    }
    let escaped = path.replace('\'', "'\\''");
    if path.starts_with('-') { format!("'./{escaped}'") } else { format!("'{escaped}'") }
}

/// The characters that the script replaces, as [`steers`] knows them: a class of JavaScript's regular expressions.
fn steering() -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for code in ('\0'..=char::MAX).filter(|c| steers(*c)).map(u32::from) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == code => *last = code,
            _ => ranges.push((code, code)),
        }
    }
    let range = |(first, last): (u32, u32)| format!("\\u{{{first:x}}}-\\u{{{last:x}}}");
    format!("[{}]", ranges.into_iter().map(range).collect::<String>())
}

fn words() -> BTreeMap<&'static str, String> {
    let verdicts = Verdict::ALL.iter().map(|word| (word.as_str(), word.in_words()));
    let grades = Grade::ALL.iter().map(|word| (word.as_str(), word.in_words()));
    let reasons = Reason::ALL.iter().map(|word| (word.as_str(), word.in_words()));
    let missing = Missing::ALL.iter().map(|word| (word.as_str(), format!("{}: {}", word.in_words(), word.remedy())));
    verdicts.chain(grades).chain(reasons).chain(missing).collect()
}

/// Packs all columns. Rows that several columns have in common are there once.
fn packed(columns: Vec<(String, Vec<Value>)>, rows_of: &BTreeMap<&str, usize>) -> Vec<(String, Column)> {
    let mut packed: Vec<(String, Column)> = Vec::with_capacity(columns.len());
    for (name, values) in columns {
        let column = match if name == LINKED { links(values, rows_of) } else { column(values) } {
            Column::Repeated { values, rows } => {
                let same = packed.iter().find(|(_, earlier)| matches!(earlier, Column::Repeated { rows: of, .. } if *of == rows));
                match same.map(|(along, _)| along.clone()) {
                    Some(along) => Column::Along { values, along },
                    None => Column::Repeated { values, rows },
                }
            }
            other => other,
        };
        packed.push((name, column));
    }
    packed
}

/// The member of a finding that lists ids of other findings.
const LINKED: &str = "linked";

/// Packs lists of ids of other findings. Ids are random bytes, which take more room than all else of a finding.
fn links(values: Vec<Value>, rows_of: &BTreeMap<&str, usize>) -> Column {
    let link = |id: Value| match id.as_str().and_then(|id| rows_of.get(id)) {
        Some(row) => Link::Row(*row),
        None => Link::Id(id),
    };
    let list = |ids: Value| match ids {
        Value::Array(ids) => ids.into_iter().map(link).collect(),
        other => vec![Link::Id(other)],
    };
    Column::Links { links: values.into_iter().map(list).collect() }
}

fn column(values: Vec<Value>) -> Column {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut distinct: Vec<Value> = Vec::new();
    let mut rows = Vec::with_capacity(values.len());
    for value in &values {
        let number = *numbers.entry(value.to_string()).or_insert_with(|| {
            distinct.push(value.clone());
            distinct.len() - 1
        });
        rows.push(number);
    }
    // A count has about as many digits as its index among the distinct ones, so that indices save room only where counts repeat often.
    let least = if values.iter().all(Value::is_number) { 16 } else { 2 };
    if distinct.len() * least <= values.len() {
        return Column::Repeated { values: distinct, rows };
    }
    // Most values of some columns occur once, so that indices would only make them longer. Ids are random bytes, which base64 writes
    // shorter than hexadecimal digits.
    if let Some(ids) = values.iter().map(|value| id_bytes(value.as_str()?)).collect::<Option<Vec<_>>>() {
        return Column::Ids { ids: STANDARD.encode(ids.concat()) };
    }
    let time = |value: &Value| if value.is_null() { Some([0; 4]) } else { second_bytes(value.as_str()?) };
    if let Some(times) = values.iter().map(time).collect::<Option<Vec<_>>>() {
        let planes: Vec<u8> = (0..4).flat_map(|byte| times.iter().filter_map(move |time| time.get(byte).copied())).collect();
        return Column::Times { times: STANDARD.encode(planes) };
    }
    if let Some(uuids) = values.iter().map(uuids).collect::<Option<Vec<_>>>() {
        let lengths = uuids.iter().map(Vec::len).collect();
        return Column::Uuids { uuids: STANDARD.encode(uuids.concat().concat()), lengths };
    }
    lists(&values).unwrap_or(Column::Plain(values))
}

/// Packs lists whose members repeat; `None` if they don't, or if there is another value than a list.
fn lists(values: &[Value]) -> Option<Column> {
    let mut numbers: BTreeMap<String, i64> = BTreeMap::new();
    let mut members: Vec<Value> = Vec::new();
    let mut before = 0;
    let mut distance = |member: &Value| {
        let number = *numbers.entry(member.to_string()).or_insert_with(|| {
            members.push(member.clone());
            i64::try_from(members.len() - 1).unwrap_or(i64::MAX)
        });
        number - std::mem::replace(&mut before, number)
    };
    let lists: Vec<Vec<i64>> =
        values.iter().map(|list| Some(list.as_array()?.iter().map(&mut distance).collect())).collect::<Option<_>>()?;
    let all: usize = lists.iter().map(Vec::len).sum();
    (members.len() * 2 <= all).then_some(Column::Lists { members, lists })
}

/// The bytes of an id, if it is written as the page writes it.
fn id_bytes(id: &str) -> Option<Vec<u8>> {
    let bytes = hex::decode(id).ok()?;
    (bytes.len() == 16 && hex::encode(&bytes) == id).then_some(bytes)
}

/// The seconds since 1970 of a time, if it is written as the page writes it, and isn't 0, which stands for no time.
fn second_bytes(time: &str) -> Option<[u8; 4]> {
    let seconds = u32::try_from(Timestamp::parse(time)?.as_micros().div_euclid(1_000_000)).ok()?;
    (seconds > 0 && Timestamp::from_seconds(seconds.into()).to_string() == time).then(|| seconds.to_be_bytes())
}

/// The bytes of each UUID in a list, if all are written as the page writes them.
fn uuids(list: &Value) -> Option<Vec<Vec<u8>>> {
    let bytes = |uuid: &Value| {
        let bytes = id_bytes(&uuid.as_str()?.replace('-', ""))?;
        let digits = hex::encode(&bytes);
        let parts = [digits.get(..8)?, digits.get(8..12)?, digits.get(12..16)?, digits.get(16..20)?, digits.get(20..)?];
        (parts.join("-") == uuid.as_str()?).then_some(bytes)
    };
    list.as_array()?.iter().map(bytes).collect()
}
