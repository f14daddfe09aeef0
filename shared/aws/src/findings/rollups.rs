//! Rollups: the calls of an account and Region in an hour, counted. And each account's blind spots.

use std::{collections::BTreeMap, time::Instant};

use audit_core::report::{BlindRow, CoverageRow, Unreadable};
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::{
    Findings,
    items::{account_key, from_json, key, text, to_json},
};
use crate::{
    error::{CallError, failed},
    observations::query_all,
    partition::AccountRegion,
};

/// The calls of an account and Region in an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollup {
    /// The calls by verdict.
    pub invocations: audit_core::verdict::Invocations,
    /// The calls by model, operation and verdict.
    pub coverage: Vec<CoverageRow>,
}

/// Stands for model and operation where a [`Rollup`] has more rows than an item can hold.
pub const OTHERS: &str = "(others)";

impl Findings {
    /// Writes a rollup, unless a later fold has. The counts are attributes of their own, so that queries need no JSON.
    pub async fn put_rollup(&self, account_region: &AccountRegion, hour: &str, rollup: &Rollup, ticket: i64) -> Result<bool, CallError> {
        let mut item = key(&rollup_key(account_region), hour);
        item.insert("rollup".to_owned(), AttributeValue::S(rollup_json(rollup)?));
        item.insert("entity".to_owned(), AttributeValue::S("ROLLUP".to_owned()));
        let invocations = &rollup.invocations;
        for (name, count) in [
            ("compliant", invocations.compliant),
            ("violation", invocations.violation),
            ("not_provable", invocations.not_provable),
            ("not_applicable", invocations.not_applicable),
        ] {
            item.insert(name.to_owned(), AttributeValue::N(count.to_string()));
        }
        self.put_if_latest(item, ticket, "write a rollup").await
    }

    /// The rollups of an account and Region, by hour.
    pub async fn rollups(&self, account_region: &AccountRegion) -> Result<BTreeMap<String, Rollup>, CallError> {
        let items = query_all(&self.aws, &self.table, &rollup_key(account_region), None, false).await?;
        items
            .iter()
            .map(|item| Ok((text(item, "sk").unwrap_or_default().to_owned(), from_json(text(item, "rollup").unwrap_or_default())?)))
            .collect()
    }

    /// Hands the rollups of an account and Region to `take`, by hour from the first to the last of `hours`, each as far as it can be read, and page
    /// by page as long as it isn't `enough`. Returns whether these are all. A consistent read misses none that was written before.
    pub async fn each_rollup(
        &self,
        account_region: &AccountRegion,
        (first, last): (&str, &str),
        is_consistent: bool,
        enough: Instant,
        mut take: impl FnMut(&str, Result<Rollup, Unreadable>),
    ) -> Result<bool, CallError> {
        let key = rollup_key(account_region);
        let mut start = None;
        loop {
            if Instant::now() >= enough {
                return Ok(false);
            }
            let request = self.aws.dynamodb().query().table_name(&self.table).set_exclusive_start_key(start);
            let request = request.consistent_read(is_consistent);
            let mut request = request.key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last");
            for (name, value) in [(":pk", key.as_str()), (":first", first), (":last", last)] {
                request = request.expression_attribute_values(name, AttributeValue::S(value.to_owned()));
            }
            let page = request.send().await.map_err(failed("read rollups"))?;
            for item in &page.items.unwrap_or_default() {
                let hour = text(item, "sk").unwrap_or_default();
                take(hour, self.readable(&key, hour, from_json(text(item, "rollup").unwrap_or_default())));
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(true);
            }
        }
    }

    /// Writes the blind spots of an account, unless a later fold has.
    pub async fn put_blind(&self, account: &str, blind: &[BlindRow], ticket: i64) -> Result<bool, CallError> {
        let mut item = key(&account_key(account), "BLIND");
        item.insert("blind".to_owned(), AttributeValue::S(to_json(&blind)?));
        self.put_if_latest(item, ticket, "write what can't be seen").await
    }

    /// The blind spots of an account.
    pub async fn blind(&self, account: &str) -> Result<Vec<BlindRow>, CallError> {
        match self.get_item(&account_key(account), "BLIND").await? {
            Some(item) => from_json(text(&item, "blind").unwrap_or("[]")),
            None => Ok(Vec::new()),
        }
    }

    /// The blind spots of an account, as far as they can be read.
    pub async fn readable_blind(&self, account: &str) -> Result<Result<Vec<BlindRow>, Unreadable>, CallError> {
        let key = account_key(account);
        let item = self.get_item(&key, "BLIND").await?;
        Ok(item.map_or(Ok(Vec::new()), |item| self.readable(&key, "BLIND", from_json(text(&item, "blind").unwrap_or("[]")))))
    }
}

fn rollup_key(account_region: &AccountRegion) -> String {
    format!("ROLLUP#{}", account_region.key())
}

/// Bytes of a rollup's JSON at most. DynamoDB allows items of 400 KB (docs/aws/prices-and-limits.md#dynamodb).
pub(super) const ROLLUP: usize = 300_000;

/// The JSON of a rollup. If it is too large, the rows with the most calls stay, and the others are added up by verdict.
fn rollup_json(rollup: &Rollup) -> Result<String, CallError> {
    let json = to_json(rollup)?;
    if json.len() <= ROLLUP {
        return Ok(json);
    }
    let mut rows: Vec<&CoverageRow> = rollup.coverage.iter().collect();
    rows.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.cmp(b)));
    let (mut coverage, mut others, mut size) = (Vec::new(), BTreeMap::<_, CoverageRow>::new(), 0);
    for row in rows {
        size += to_json(row)?.len() + 1;
        if size <= ROLLUP / 2 {
            coverage.push(row.clone());
            continue;
        }
        let other = || CoverageRow { model: OTHERS.into(), api: OTHERS.into(), count: 0, ..row.clone() };
        others.entry((row.verdict, row.grade, row.reason)).or_insert_with(other).count += row.count;
    }
    coverage.extend(others.into_values());
    coverage.sort();
    to_json(&Rollup { invocations: rollup.invocations, coverage })
}
