//! Sums of days: what the rollups of an account and Region add up to in a day that is long over, so that a report reads one item for each such
//! day instead of one for each hour (docs/decisions/0035-sums-of-days.md).
//!
//! Folds that write a rollup of such a day afterwards take the sum away and count the change. A sum is written only if the count of
//! changes is the one that was read before the rollups were: what is there is the sum of the rollups as they are.

use std::collections::BTreeMap;

use audit_core::timestamp::Day;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    Findings, Rollup,
    items::{from_json, key, text, to_json, written},
    rollups::ROLLUP,
};
use crate::{
    clock::start_of,
    error::{CallError, failed},
    partition::AccountRegion,
};

/// Rollups of hours that are older than this count as changes of their day.
const CHANGES_AFTER_HOURS: i64 = 72;

/// Days whose last hour is older than this are summed. It is a day more, so that no fold that began before the day could be summed still
/// writes to it without counting the change.
const SUMMED_AFTER_HOURS: i64 = CHANGES_AFTER_HOURS + 24;

/// The first day that is too young to be summed at this hour.
pub(crate) fn first_open_day(now: i64) -> Day {
    Day::of(start_of(now - SUMMED_AFTER_HOURS))
}

/// The sum of a day, or that it is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaySum {
    /// The number of changes of rollups since there may be a sum.
    pub changes: u64,
    /// The sum; `None` if rollups changed since there was one.
    pub sum: Option<Rollup>,
}

impl Findings {
    /// Takes away the sum of the day of a rollup that was written, if it is so old that there may be one.
    pub async fn note_changed_rollup(&self, account_region: &AccountRegion, hour: Option<i64>, now: i64) -> Result<(), CallError> {
        let Some(hour) = hour.filter(|hour| *hour <= now - CHANGES_AFTER_HOURS) else { return Ok(()) };
        let day = Day::of(start_of(hour)).to_string();
        let request = self.aws.dynamodb().update_item().table_name(&self.table).set_key(Some(key(&days_key(account_region), &day)));
        let request = request.update_expression("ADD changes :one REMOVE #sum").expression_attribute_names("#sum", "sum");
        let request = request.expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
        request.send().await.map(|_| ()).map_err(failed("take away the sum of a day"))
    }

    /// The sums of days of an account and Region, from the first to the last of `days`. What can't be read is to be made again.
    pub async fn day_sums(&self, account_region: &AccountRegion, (first, last): (Day, Day)) -> Result<BTreeMap<Day, DaySum>, CallError> {
        let (mut sums, mut start) = (BTreeMap::new(), None);
        if first > last {
            return Ok(sums);
        }
        loop {
            let request = self.aws.dynamodb().query().table_name(&self.table).set_exclusive_start_key(start);
            let mut request = request.key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last");
            for (name, value) in [(":pk", days_key(account_region)), (":first", first.to_string()), (":last", last.to_string())] {
                request = request.expression_attribute_values(name, AttributeValue::S(value));
            }
            let page = request.send().await.map_err(failed("read sums of days"))?;
            for item in &page.items.unwrap_or_default() {
                let Some(day) = text(item, "sk").and_then(Day::parse) else { continue };
                let changes = item.get("changes").and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or(0);
                sums.insert(day, DaySum { changes, sum: text(item, "sum").and_then(|json| from_json(json).ok()) });
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(sums);
            }
        }
    }

    /// Writes the sum of a day, unless its rollups changed since there were this many changes. Returns whether it was written: a sum that is too large
    /// for an item isn't, either.
    pub async fn put_day_sum(&self, account_region: &AccountRegion, day: Day, sum: &Rollup, changes: u64) -> Result<bool, CallError> {
        let json = to_json(sum)?;
        if json.len() > ROLLUP {
            return Ok(false);
        }
        let mut item = key(&days_key(account_region), &day.to_string());
        item.insert("entity".to_owned(), AttributeValue::S("DAY".to_owned()));
        item.insert("sum".to_owned(), AttributeValue::S(json));
        item.insert("changes".to_owned(), AttributeValue::N(changes.to_string()));
        let request = self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item));
        // A day that nothing changed has no item before its sum is first made.
        let unchanged = if changes == 0 { "attribute_not_exists(changes) OR changes = :changes" } else { "changes = :changes" };
        let request = request.condition_expression(unchanged);
        let request = request.expression_attribute_values(":changes", AttributeValue::N(changes.to_string()));
        written(request.send().await.map_err(failed("write the sum of a day")))
    }
}

fn days_key(account_region: &AccountRegion) -> String {
    format!("DAYS#{}", account_region.key())
}
