//! The table of observations: facts, as accounts and the hub reported them.

use std::{collections::HashMap, sync::Arc};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};

use crate::{
    aws::Aws,
    error::{CallError, ErrorKind, failed},
    fact::{Fact, FactError},
    partition::Partition,
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

    /// The facts of a partition, or those whose sort keys have a prefix, by a consistent read.
    pub async fn query(&self, partition: &Partition, prefix: Option<&str>) -> Result<Vec<Read>, CallError> {
        let items = query_all(&self.aws, &self.table, &partition.key(), prefix, true).await?;
        Ok(items.into_iter().map(|item| Read { sort_key: sort_key(&item), fact: Fact::from_item(&item) }).collect())
    }

    /// The facts of a partition, by a consistent read that stops after the page on which there are more than `most`.
    pub async fn query_some(&self, partition: &Partition, most: Option<usize>) -> Result<Vec<Read>, CallError> {
        let items = query(&self.aws, &self.table, &partition.key(), None, true, most).await?;
        Ok(items.into_iter().map(|item| Read { sort_key: sort_key(&item), fact: Fact::from_item(&item) }).collect())
    }
}

fn sort_key(item: &Item) -> String {
    item.get("sk").and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

/// All items with a partition key, or those whose sort keys have a prefix.
pub(crate) async fn query_all(aws: &Aws, table: &str, pk: &str, prefix: Option<&str>, consistent: bool) -> Result<Vec<Item>, CallError> {
    query(aws, table, pk, prefix, consistent, None).await
}

/// The same; with `most`, up to the page on which there are more.
async fn query(
    aws: &Aws,
    table: &str,
    pk: &str,
    prefix: Option<&str>,
    consistent: bool,
    most: Option<usize>,
) -> Result<Vec<Item>, CallError> {
    let mut items = Vec::new();
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
        items.extend(page.items.unwrap_or_default());
        if start.is_none() || most.is_some_and(|most| items.len() > most) {
            return Ok(items);
        }
    }
}
