//! The table of observations: facts, as accounts and the hub reported them.

use std::{collections::HashMap, sync::Arc};

use audit_core::timestamp::Timestamp;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};

use crate::{
    aws::Aws,
    bounds::READ,
    error::{CallError, ErrorKind, failed},
    fact::{Content, Fact, FactError, ReadFact},
    findings::Volume,
    partition::{AccountRegion, Partition, Source},
};

/// An item of DynamoDB.
pub type Item = HashMap<String, AttributeValue>;

/// The table of observations. Members know its ARN and may only put items.
#[derive(Clone, Debug)]
pub struct Observations {
    aws: Arc<Aws>,
    table: String,
    ttl_days: i64,
}

/// An item of the table: its fact, or the reason why it isn't one.
#[derive(Debug)]
pub struct Read {
    /// The sort key.
    pub sort_key: String,
    /// The fact.
    pub fact: Result<Fact, FactError>,
}

impl Observations {
    /// The table with this name or ARN, whose items expire this number of days after their hour.
    #[must_use]
    pub fn new(aws: Arc<Aws>, table: String, ttl_days: i64) -> Self {
        Observations { aws, table, ttl_days }
    }

    /// Writes a fact. Writing it again changes nothing. Returns the write capacity units, where DynamoDB reports them.
    pub async fn put(&self, fact: &Fact) -> Result<f64, CallError> {
        let item = fact.item(self.ttl_days).map_err(|error| CallError::new("write a fact", ErrorKind::Refused, error))?;
        let request = self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item));
        let answer = request.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.map_err(failed("write a fact"))?;
        Ok(answer.consumed_capacity().and_then(aws_sdk_dynamodb::types::ConsumedCapacity::capacity_units).unwrap_or_default())
    }

    /// Writes a fact of the hub that makes the stream judge an account again, as of a time. Equal ones are one fact, so that only the first
    /// is seen.
    pub async fn request_fold(&self, account_region: AccountRegion, time: Timestamp, changed: Vec<String>) -> Result<(), CallError> {
        let read = ReadFact { time, changed, complete: false, history: None };
        self.put(&Fact::new(Source::Hub, account_region, Some(time), Content::Read(read))).await.map(|_| ())
    }

    /// Whether a partition holds anything.
    pub async fn holds_facts(&self, partition: &Partition) -> Result<bool, CallError> {
        let request = self.aws.dynamodb().query().table_name(&self.table).consistent_read(true).limit(1);
        let request = request.key_condition_expression("pk = :pk").projection_expression("pk");
        let request = request.expression_attribute_values(":pk", AttributeValue::S(partition.key()));
        let page = request.send().await.map_err(failed(format!("query {}", self.table)))?;
        Ok(page.count > 0)
    }

    /// The facts of a partition, or those whose sort keys have a prefix, by a consistent read. Of what an account reported itself, no more than
    /// an auditor reports in an hour.
    pub async fn query(&self, partition: &Partition, prefix: Option<&str>) -> Result<Vec<Read>, CallError> {
        let most = if partition.source == Source::Account { READ } else { Volume::UNLIMITED };
        Ok(self.query_some(partition, prefix, most).await?.0)
    }

    /// The facts of a partition, or those whose sort keys have a prefix, by a consistent read that stops after the page on which there are
    /// more than `most`, and the bytes that were read.
    pub async fn query_some(&self, partition: &Partition, prefix: Option<&str>, most: Volume) -> Result<(Vec<Read>, u64), CallError> {
        let (items, bytes) = query(&self.aws, &self.table, &partition.key(), prefix, true, most).await?;
        Ok((items.into_iter().map(|item| Read { sort_key: sort_key(&item), fact: Fact::from_item(&item) }).collect(), bytes))
    }
}

/// The bytes of an item, approximately: those of its names and values.
#[must_use]
pub fn size_of(item: &Item) -> u64 {
    let of_value = |value: &AttributeValue| match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        // Facts have no other attributes.
        _ => 1,
    };
    item.iter().map(|(name, value)| (name.len() + of_value(value)) as u64).sum()
}

fn sort_key(item: &Item) -> String {
    item.get("sk").and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

/// All items with a partition key, or those whose sort keys have a prefix.
pub(crate) async fn query_all(aws: &Aws, table: &str, pk: &str, prefix: Option<&str>, consistent: bool) -> Result<Vec<Item>, CallError> {
    query(aws, table, pk, prefix, consistent, Volume::UNLIMITED).await.map(|(items, _)| items)
}

/// The same, up to the page on which there are more than `most`, and the bytes that were read.
pub(crate) async fn query(
    aws: &Aws,
    table: &str,
    pk: &str,
    prefix: Option<&str>,
    consistent: bool,
    most: Volume,
) -> Result<(Vec<Item>, u64), CallError> {
    let (mut items, mut bytes) = (Vec::new(), 0);
    query_pages(aws, table, pk, prefix, consistent, |page| {
        bytes += page.iter().map(size_of).sum::<u64>();
        items.extend(page);
        items.len() as u64 <= most.items && bytes <= most.bytes
    })
    .await?;
    Ok((items, bytes))
}

/// Hands the same items to `take` page by page, until it has enough of them.
pub(crate) async fn query_pages(
    aws: &Aws,
    table: &str,
    pk: &str,
    prefix: Option<&str>,
    consistent: bool,
    mut take: impl FnMut(Vec<Item>) -> bool,
) -> Result<(), CallError> {
    let mut start = None;
    loop {
        let mut request = aws.dynamodb().query().table_name(table).consistent_read(consistent).set_exclusive_start_key(start);
        request = match prefix {
            None => request.key_condition_expression("pk = :pk"),
            Some(prefix) => request
                .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
                .expression_attribute_values(":sk", AttributeValue::S(prefix.to_owned())),
        };
        let request = request.expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()));
        let page = request.send().await.map_err(failed(format!("query {table}")))?;
        start = page.last_evaluated_key;
        if !take(page.items.unwrap_or_default()) || start.is_none() {
            return Ok(());
        }
    }
}
