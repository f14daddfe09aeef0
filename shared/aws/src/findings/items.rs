//! Items of the table of findings: their keys, and conversion of values to attributes and back.

use audit_core::timestamp::Timestamp;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};

use super::Findings;
use crate::{
    error::{CallError, ErrorKind, failed},
    observations::Item,
};

impl Findings {
    pub(super) async fn get_item(&self, pk: &str, sk: &str) -> Result<Option<Item>, CallError> {
        self.get_item_of(&self.table, pk, sk).await
    }

    pub(super) async fn get_item_of(&self, table: &str, pk: &str, sk: &str) -> Result<Option<Item>, CallError> {
        let request = self.aws.dynamodb().get_item().table_name(table).set_key(Some(key(pk, sk))).consistent_read(true);
        Ok(request.send().await.map_err(failed(format!("read {pk}")))?.item)
    }

    /// Writes an item, unless it has a later ticket. Answers whether it was written.
    pub(super) async fn put_if_latest(&self, mut item: Item, ticket: i64, action: &'static str) -> Result<bool, CallError> {
        item.insert("ticket".to_owned(), AttributeValue::N(ticket.to_string()));
        let request = self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk) OR ticket <= :ticket");
        let request = request.expression_attribute_values(":ticket", AttributeValue::N(ticket.to_string()));
        written(request.send().await.map_err(failed(action)))
    }

    pub(super) async fn put_item(&self, item: Item, action: &'static str) -> Result<(), CallError> {
        self.put_into(&self.table, item, action).await
    }

    pub(super) async fn put_into(&self, table: &str, item: Item, action: &'static str) -> Result<(), CallError> {
        self.aws.dynamodb().put_item().table_name(table).set_item(Some(item)).send().await.map(|_| ()).map_err(failed(action))
    }
}

pub(super) fn written<T>(answer: Result<T, CallError>) -> Result<bool, CallError> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.is_condition() => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn number(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.as_micros().to_string())
}

pub(super) fn timestamp(item: &Item, name: &str) -> Option<Timestamp> {
    item.get(name)?.as_n().ok()?.parse().ok().map(Timestamp::from_micros)
}

pub(super) fn account_key(account: &str) -> String {
    format!("ACCOUNT#{account}")
}

pub(super) fn key(pk: &str, sk: &str) -> Item {
    Item::from([("pk".to_owned(), AttributeValue::S(pk.to_owned())), ("sk".to_owned(), AttributeValue::S(sk.to_owned()))])
}

pub(super) fn text<'i>(item: &'i Item, name: &str) -> Option<&'i str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, CallError> {
    serde_json::to_string(value).map_err(|error| CallError::new("write JSON", ErrorKind::Refused, error))
}

pub(super) fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, CallError> {
    serde_json::from_str(json).map_err(|error| CallError::new("read a stored document", ErrorKind::Refused, error))
}
