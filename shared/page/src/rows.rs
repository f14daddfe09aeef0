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
    report::{Report, v1},
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
    /// Times of whole seconds: the four bytes of each, all together in base64.
    Times { times: String },
    /// Lists of UUIDs: their bytes likewise, and for each row the length of its list.
    Uuids { uuids: String, lengths: Vec<usize> },
}

#[derive(Serialize)]
struct RuleText {
    title: &'static str,
    fires: &'static str,
    rationale: &'static str,
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
        columns: packed(columns),
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
    Some((&finding.rule, RuleText { title: rule.title, fires: rule.fires, rationale: rule.rationale }))
}

fn words() -> BTreeMap<&'static str, String> {
    let verdicts = Verdict::ALL.iter().map(|word| (word.as_str(), word.in_words()));
    let grades = Grade::ALL.iter().map(|word| (word.as_str(), word.in_words()));
    let reasons = Reason::ALL.iter().map(|word| (word.as_str(), word.in_words()));
    let missing = Missing::ALL.iter().map(|word| (word.as_str(), format!("{}: {}", word.in_words(), word.remedy())));
    verdicts.chain(grades).chain(reasons).chain(missing).collect()
}

/// Packs all columns. Rows that several columns have in common are there once.
fn packed(columns: Vec<(String, Vec<Value>)>) -> Vec<(String, Column)> {
    let mut packed: Vec<(String, Column)> = Vec::with_capacity(columns.len());
    for (name, values) in columns {
        let column = match column(values) {
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
    if let Some(times) = values.iter().map(|value| second_bytes(value.as_str()?)).collect::<Option<Vec<_>>>() {
        return Column::Times { times: STANDARD.encode(times.concat()) };
    }
    if let Some(uuids) = values.iter().map(uuids).collect::<Option<Vec<_>>>() {
        let lengths = uuids.iter().map(Vec::len).collect();
        return Column::Uuids { uuids: STANDARD.encode(uuids.concat().concat()), lengths };
    }
    Column::Plain(values)
}

/// The bytes of an id, if it is written as the page writes it.
fn id_bytes(id: &str) -> Option<Vec<u8>> {
    let bytes = hex::decode(id).ok()?;
    (bytes.len() == 16 && hex::encode(&bytes) == id).then_some(bytes)
}

/// The seconds since 1970 of a time, if it is written as the page writes it.
fn second_bytes(time: &str) -> Option<[u8; 4]> {
    let seconds = u32::try_from(Timestamp::parse(time)?.as_micros().div_euclid(1_000_000)).ok()?;
    (Timestamp::from_seconds(seconds.into()).to_string() == time).then(|| seconds.to_be_bytes())
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
