//! Where the sealed hours of an account lie: which objects in the bucket hold what is known of them (`fold/sealed.rs`).

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::{
    Findings,
    items::{account_key, from_json, key, text, to_json, written},
};
use crate::error::{CallError, failed};

/// All hours of an account before one, sealed. The hashes are SHA-256 in hexadecimal digits; they tell an object apart that another fold has
/// overwritten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The hour before which all are sealed, counted since 1970.
    pub until: i64,
    /// The number in the keys of its objects. A slot is used again once no checkpoint names it.
    pub slot: u32,
    /// The hash of the object that holds all facts but calls.
    pub facts: String,
    /// The hash of the object that holds the sums of calls.
    pub calls: String,
    /// The hash of the object that lists the partitions.
    pub partitions: String,
}

/// The checkpoints of an account, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoints {
    /// Counts how often they were written.
    pub version: u64,
    /// The checkpoints. The first one is in force; the others are there for facts that come late.
    pub checkpoints: Vec<Checkpoint>,
}

const SEALED: &str = "SEALED";

impl Findings {
    /// The checkpoints of an account.
    pub async fn checkpoints(&self, account: &str) -> Result<Checkpoints, CallError> {
        match self.get_item(&account_key(account), SEALED).await? {
            Some(item) => from_json(text(&item, "sealed").unwrap_or_default()),
            None => Ok(Checkpoints::default()),
        }
    }

    /// Writes the checkpoints that follow on those that were read, unless another fold has written since. Returns whether it did.
    pub async fn put_checkpoints(&self, account: &str, before: &Checkpoints, checkpoints: Vec<Checkpoint>) -> Result<bool, CallError> {
        let next = Checkpoints { version: before.version + 1, checkpoints };
        let mut item = key(&account_key(account), SEALED);
        item.insert("entity".to_owned(), AttributeValue::S(SEALED.to_owned()));
        item.insert("sealed".to_owned(), AttributeValue::S(to_json(&next)?));
        item.insert("version".to_owned(), AttributeValue::N(next.version.to_string()));
        let request = self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk) OR #version = :before");
        let request = request.expression_attribute_names("#version", "version");
        let request = request.expression_attribute_values(":before", AttributeValue::N(before.version.to_string()));
        written(request.send().await.map_err(failed("write checkpoints")))
    }
}
