//! The table of findings: findings, the bookkeeping of folds and rollups of calls; and the table of notes: what was done to facts, the state of
//! alerts, and what Security Hub was given (`docs/data-model.md`). Only the hub reads and writes them.

mod account_index;
mod alert_state;
mod bookkeeping;
mod day_sums;
mod imports;
mod items;
mod notes;
mod rollups;
mod sealed;

use std::{collections::BTreeMap, sync::Arc};

use audit_core::{
    finding::{Finding, Status},
    report::Unreadable,
    timestamp::Timestamp,
};
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

pub(crate) use self::day_sums::first_open_day;
use self::items::{from_json, key, text, to_json, written};
pub use self::{
    account_index::{AccountIndex, NotedPartition, PartitionState, Quarantine, Raised, Unjudged, Volume},
    alert_state::{AlertState, transition},
    bookkeeping::Requested,
    day_sums::DaySum,
    imports::Imported,
    notes::{Note, Refused},
    rollups::{OTHERS, Rollup},
    sealed::{Checkpoint, Checkpoints},
};
use crate::{
    aws::Aws,
    error::{CallError, chain, failed},
    observations::{Item, query_all, query_pages},
};

/// The table of findings, and beside it the table of notes: what can't be made again from facts.
#[derive(Clone, Debug)]
pub struct Findings {
    aws: Arc<Aws>,
    table: String,
    notes_table: String,
}

/// A finding, with the attributes that the table adds.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The finding.
    pub finding: Finding,
    /// The ticket of the fold that wrote it ([`Findings::ticket`]).
    pub ticket: i64,
    /// The ids of the organizational units above its account, the root first; empty if the organization isn't known.
    pub units: Vec<String>,
    /// Whether the calls behind it are verified.
    pub basis: Basis,
}

/// The source that vouches for the calls behind a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Only the account's own auditor.
    #[default]
    Reported,
    /// The organization's trail, or an auditor of the hub's own.
    #[serde(rename = "settled")]
    Verified,
}

impl Findings {
    /// The table with this name, in which notes are, too.
    #[must_use]
    pub fn new(aws: Arc<Aws>, table: String) -> Self {
        Findings { aws, notes_table: table.clone(), table }
    }

    /// With notes in a table of their own.
    #[must_use]
    pub fn with_notes(self, notes_table: String) -> Self {
        Findings { notes_table, ..self }
    }

    /// All findings of an account, by id.
    pub async fn of_account(&self, account: &str) -> Result<BTreeMap<String, Stored>, CallError> {
        let items = query_all(&self.aws, &self.table, &findings_key(account), None, true).await?;
        items.iter().map(|item| stored(item).map(|stored| (stored.finding.id.clone(), stored))).collect()
    }

    /// The findings of an account that can be read, or those whose ids begin with `prefix`; and which items can't.
    pub async fn readable_of_account(&self, account: &str, prefix: Option<&str>) -> Result<(Vec<Stored>, Vec<Unreadable>), CallError> {
        let key = findings_key(account);
        let (mut found, mut unreadable) = (Vec::new(), Vec::new());
        query_pages(&self.aws, &self.table, &key, prefix, false, |page| {
            for item in &page {
                match self.readable(&key, text(item, "sk").unwrap_or_default(), stored(item)) {
                    Ok(stored) => found.push(stored),
                    Err(why) => unreadable.push(why),
                }
            }
            true
        })
        .await?;
        Ok((found, unreadable))
    }

    /// What was parsed from an item, or the item's address and why it can't be read.
    fn readable<T>(&self, pk: &str, sk: &str, parsed: Result<T, CallError>) -> Result<T, Unreadable> {
        let address = || format!("{}: {pk} {sk}", self.table);
        parsed.map_err(|error| Unreadable { file: address(), record: None, reason: chain(&error) })
    }

    /// A finding by its account and id.
    pub async fn get(&self, account: &str, id: &str) -> Result<Option<Stored>, CallError> {
        self.get_item(&findings_key(account), id).await?.as_ref().map(stored).transpose()
    }

    /// Writes a finding, unless a fold with a later ticket has written it. Answers whether it was written.
    pub async fn put(&self, stored: &Stored) -> Result<bool, CallError> {
        self.put_if_latest(item_of(stored)?, stored.ticket, "write a finding").await
    }

    /// Deletes a finding that the facts no longer give, unless a fold with a later ticket has written it. Answers whether it was deleted.
    pub async fn withdraw(&self, account: &str, id: &str, ticket: i64) -> Result<bool, CallError> {
        let request = self.aws.dynamodb().delete_item().table_name(&self.table).set_key(Some(key(&findings_key(account), id)));
        let request = request.condition_expression("ticket <= :ticket");
        let request = request.expression_attribute_values(":ticket", AttributeValue::N(ticket.to_string()));
        written(request.send().await.map_err(failed("withdraw a finding")))
    }

    /// A page of an index, newest findings first, and the key after which the next page begins.
    pub async fn page(&self, page: &Page<'_>) -> Result<(Vec<Stored>, Option<Item>), CallError> {
        // DynamoDB refuses a range whose end is before its start.
        if page.since.zip(page.until).is_some_and(|(since, until)| since > until) {
            return Ok((Vec::new(), None));
        }
        let mut request = self.aws.dynamodb().query().table_name(&self.table).index_name(page.index);
        let hash = format!("gsi_{}", page.index.trim_start_matches("by_"));
        request = request
            .expression_attribute_names("#hash", hash)
            .expression_attribute_values(":hash", AttributeValue::S(page.value.to_owned()));
        request = match (page.since, page.until) {
            (None, None) => request.key_condition_expression("#hash = :hash"),
            (since, until) => request
                .key_condition_expression("#hash = :hash AND gsi_seen BETWEEN :since AND :until")
                .expression_attribute_values(":since", AttributeValue::S(since.map_or("0".to_owned(), |time| time.to_string())))
                .expression_attribute_values(":until", AttributeValue::S(until.map_or("~".to_owned(), |time| time.to_string()))),
        };
        let request = request.scan_index_forward(false).limit(page.limit).set_exclusive_start_key(page.start.clone());
        let answer = request.send().await.map_err(failed("query findings"))?;
        let found = answer.items().iter().map(stored).collect::<Result<_, _>>()?;
        Ok((found, answer.last_evaluated_key))
    }
}

/// A page of an index.
#[derive(Clone, Debug)]
pub struct Page<'p> {
    /// The index: `by_account`, `by_rule`, `by_status` or `by_region`.
    pub index: &'static str,
    /// The value of the index's partition key.
    pub value: &'p str,
    /// Only findings that were last seen at this time or later.
    pub since: Option<Timestamp>,
    /// Only findings that were last seen before this time.
    pub until: Option<Timestamp>,
    /// The number of items at most.
    pub limit: i32,
    /// The key of the last item of the page before.
    pub start: Option<Item>,
}

fn findings_key(account: &str) -> String {
    format!("FINDINGS#{account}")
}

/// Parses an item of the table, or of its stream.
pub fn stored(item: &Item) -> Result<Stored, CallError> {
    let finding: Finding = from_json(text(item, "finding").unwrap_or_default())?;
    let ticket = item.get("ticket").and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or(0);
    let units = item.get("units").and_then(|value| value.as_l().ok()).into_iter().flatten();
    let basis = if text(item, "basis") == Some("settled") { Basis::Verified } else { Basis::Reported };
    Ok(Stored { finding, ticket, units: units.filter_map(|unit| unit.as_s().ok().cloned()).collect(), basis })
}

fn item_of(stored: &Stored) -> Result<Item, CallError> {
    let Stored { finding, units, basis, .. } = stored;
    let mut item = key(&findings_key(&finding.account), &finding.id);
    let seen = format!("{}#{}", finding.last_seen.map(|time| time.to_string()).unwrap_or_default(), finding.id);
    let status = format!("{}#{}", finding.status.as_str(), finding.severity);
    let guardrail = finding.policy.as_ref().and_then(|policy| policy.identifier.clone()).unwrap_or_default();
    for (name, value) in [
        ("entity", "FINDING"),
        ("finding", &to_json(finding)?),
        ("rule", &finding.rule),
        ("severity", finding.severity.as_str()),
        ("status", finding.status.as_str()),
        ("account", &finding.account),
        ("region", &finding.region),
        ("title", &finding.title),
        ("guardrail", &guardrail),
        ("basis", if *basis == Basis::Verified { "settled" } else { "reported" }),
        ("gsi_account", &finding.account),
        ("gsi_rule", &finding.rule),
        ("gsi_status", &status),
        ("gsi_region", &finding.region),
        ("gsi_seen", &seen),
    ] {
        // DynamoDB accepts no empty key of an index. A finding without the value isn't in that index.
        if !value.is_empty() {
            item.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
        }
    }
    let list = |texts: &[String]| AttributeValue::L(texts.iter().cloned().map(AttributeValue::S).collect());
    item.insert("principals".to_owned(), list(&finding.principals.shown));
    item.insert("units".to_owned(), list(units));
    item.insert("count".to_owned(), AttributeValue::N(finding.count.to_string()));
    Ok(item)
}

/// Whether a finding is open.
#[must_use]
pub fn is_open(finding: &Finding) -> bool {
    finding.status == Status::Open
}
