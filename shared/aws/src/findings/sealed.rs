//! Where the sealed hours of an account lie: which objects in the bucket hold what is known of them (`fold/sealed.rs`).

use audit_core::timestamp::Timestamp;
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
    /// The hash of the object that holds changes which are set aside.
    pub aside: String,
    /// The hash of the object that holds the sums of calls.
    pub calls: String,
    /// The hash of the object that lists the partitions.
    pub partitions: String,
    /// Whom the hub believed when the hours were sealed, in the words of `Trust::basis`. The sums are of no use to a hub that
    /// believes others.
    pub trust: String,
}

/// The checkpoints of an account, and how they are to be treated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpoints {
    /// Counts how often they were written.
    pub version: u64,
    /// The checkpoints, the latest first. The first one is in force; the others are there for facts that come late.
    pub checkpoints: Vec<Checkpoint>,
    /// The number of checkpoints whose hours a fold is opening, the latest first. Whichever fold comes next goes on with it.
    pub opening: usize,
    /// The time since which partitions of sealed hours are looked for in the table of facts, because the list of them can't be read. Until they are found
    /// the account isn't judged.
    pub lost_since: Option<Timestamp>,
    /// The time at which hours were last opened for something that came late of what the account reports itself.
    pub opened_late_at: Option<Timestamp>,
    /// The time at which sums last turned out not to fit what was known of the state.
    pub outdated_at: Option<Timestamp>,
    /// The switch that somebody set so that no hour of the account is sealed until it is set back.
    pub is_off: bool,
    /// The version of the task that asked last for hours to be sealed, or not to be.
    pub asked: u64,
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

    /// Writes the checkpoints that follow on those that were read, and returns them with their version; `None` if another fold has written since.
    pub async fn put_checkpoints(&self, account: &str, before: &Checkpoints, next: Checkpoints) -> Result<Option<Checkpoints>, CallError> {
        let next = Checkpoints { version: before.version + 1, ..next };
        let mut item = key(&account_key(account), SEALED);
        item.insert("entity".to_owned(), AttributeValue::S(SEALED.to_owned()));
        item.insert("sealed".to_owned(), AttributeValue::S(to_json(&next)?));
        item.insert("version".to_owned(), AttributeValue::N(next.version.to_string()));
        let request = self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk) OR #version = :before");
        let request = request.expression_attribute_names("#version", "version");
        let request = request.expression_attribute_values(":before", AttributeValue::N(before.version.to_string()));
        let is_written = written(request.send().await.map_err(failed("write checkpoints")))?;
        Ok(is_written.then_some(next))
    }
}
