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
        let Value::Object(members) = serde_json::to_value(&finding).map_err(PageError::Data)? else { continue };
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
        columns: columns.into_iter().map(|(name, values)| (name, column(values))).collect(),
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
    // Most values of some columns, such as ids, are there once: numbers would only make these longer.
    if distinct.len() * 2 > values.len() { Column::Plain(values) } else { Column::Repeated { values: distinct, rows } }
}
