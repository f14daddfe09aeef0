//! The bookkeeping of folds: what concerns an account from outside, and what was done to its facts.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::timestamp::Timestamp;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Findings, Volume,
    account_index::PLACES,
    items::{account_key, from_json, key, number, text, timestamp, to_json, written},
};
use crate::{
    bounds::KEPT,
    error::{CallError, ErrorKind, failed},
    observations::{Item, query, query_all, size_of},
    partition::{AccountRegion, Partition},
};

/// A note about an item of the table of observations that was tampered with or isn't a valid fact. The hub keeps it, since the item may be
/// gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Note {
    /// `rewritten`, `removed`, `malformed`, `flood` or `ahead`.
    pub kind: String,
    /// The account whose item it is.
    pub account: String,
    /// The Region in the item's key.
    pub region: String,
    /// The time at which the stream reported it; for a `flood` the start of its hour.
    pub time: Timestamp,
    /// The item's partition and sort key.
    pub item: String,
    /// What is wrong, for people.
    pub detail: String,
}

impl Note {
    /// The kind of note about a fact that claims a later time than that at which it was written. Nobody can know what is to come, so the
    /// fact never counts, not even when that time has passed.
    pub const AHEAD: &'static str = "ahead";

    /// The name of an item in notes: its keys, truncated. Keys of valid facts are shorter.
    #[must_use]
    pub fn item_name(pk: &str, sk: &str) -> String {
        format!("{pk} {sk}").chars().take(300).collect()
    }
}

/// The guardrails of other accounts whose DRAFTs an account's calls request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// The guardrails, by the account that owns them.
    pub of: BTreeMap<String, BTreeSet<String>>,
    /// Counts changes of this list.
    pub version: u64,
}

impl Findings {
    /// Takes the next ticket of an account's folds. A fold takes its ticket before it reads anything, and its writes yield to those of a
    /// later ticket: so what is written last rests on all facts.
    pub async fn ticket(&self, account: &str) -> Result<i64, CallError> {
        let request = self.aws.dynamodb().update_item().table_name(&self.table);
        let request = request.set_key(Some(key(&account_key(account), "TICKET"))).update_expression("ADD ticket :one");
        let request = request.expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
        let answer =
            request.return_values(aws_sdk_dynamodb::types::ReturnValue::UpdatedNew).send().await.map_err(failed("take a ticket"))?;
        let ticket = answer.attributes().and_then(|item| item.get("ticket")?.as_n().ok()?.parse().ok());
        ticket.ok_or_else(|| CallError::new("take a ticket", ErrorKind::Retryable, "the answer holds no number"))
    }

    /// Records that changes in a partition of another account concern this account.
    pub async fn note_concern(&self, account: &str, partition: &Partition) -> Result<(), CallError> {
        let mut item = key(&account_key(account), &format!("CONCERN#{}", partition.key()));
        item.insert("entity".to_owned(), AttributeValue::S("CONCERN".to_owned()));
        self.put_item(item, "note a concern").await
    }

    /// The partitions of other accounts whose changes concern this account.
    pub async fn concerns(&self, account: &str) -> Result<BTreeSet<Partition>, CallError> {
        let items = query_all(&self.aws, &self.table, &account_key(account), Some("CONCERN#"), true).await?;
        Ok(items.iter().filter_map(|item| Partition::parse(text(item, "sk")?.strip_prefix("CONCERN#")?)).collect())
    }

    /// Records with the owner of guardrails that calls of the account `by` request their DRAFTs, unless a later fold of that account has.
    pub async fn note_drafts(&self, owner: &str, by: &str, guardrails: &BTreeSet<String>, ticket: i64) -> Result<bool, CallError> {
        self.put_of_fold(key(&account_key(owner), &format!("DRAFTS#{by}")), "guardrails", guardrails, ticket).await
    }

    /// The guardrails of an account whose DRAFTs other accounts request.
    pub async fn drafts(&self, owner: &str) -> Result<BTreeSet<String>, CallError> {
        let items = query_all(&self.aws, &self.table, &account_key(owner), Some("DRAFTS#"), true).await?;
        let noted = items.iter().map(|item| from_json::<BTreeSet<String>>(text(item, "guardrails").unwrap_or("[]")));
        Ok(noted.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The requests for guardrails of other accounts that an account last recorded with their owners.
    pub async fn requested(&self, account: &str) -> Result<Requested, CallError> {
        match self.get_item(&account_key(account), "REQUESTED").await? {
            Some(item) => from_json(text(&item, "requested").unwrap_or_default()),
            None => Ok(Requested::default()),
        }
    }

    /// Stores the requests that an account recorded with the owners of guardrails, unless a later fold of the account did.
    pub async fn put_requested(&self, account: &str, requested: &Requested, ticket: i64) -> Result<bool, CallError> {
        self.put_of_fold(key(&account_key(account), "REQUESTED"), "requested", requested, ticket).await
    }

    /// Stores the time of an event, if no later one is known. Returns whether that was so.
    pub async fn note_time(&self, moment: Timestamp) -> Result<bool, CallError> {
        let mut item = key(HORIZON, HORIZON);
        item.insert("latest".to_owned(), number(moment));
        let request = self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk) OR latest <= :latest");
        let request = request.expression_attribute_values(":latest", number(moment));
        written(request.send().await.map_err(failed("note the latest moment")))
    }

    /// The time of the latest event in any account.
    pub async fn latest_time(&self) -> Result<Option<Timestamp>, CallError> {
        Ok(self.get_item(HORIZON, HORIZON).await?.and_then(|item| timestamp(&item, "latest")))
    }

    /// Records from when on an account counts as silent if nothing more is reported, unless a later fold of the account has.
    pub async fn put_silent_at(&self, account: &str, at: Option<Timestamp>, ticket: i64) -> Result<bool, CallError> {
        let mut item = key("QUIET", account);
        item.extend(at.map(|at| ("silent_at".to_owned(), number(at))));
        self.put_if_latest(item, ticket, "note when an account is silent").await
    }

    /// The times from which accounts count as silent, by account.
    pub async fn quiet(&self) -> Result<Vec<(String, Timestamp)>, CallError> {
        let items = query_all(&self.aws, &self.table, "QUIET", None, true).await?;
        Ok(items.iter().filter_map(|item| Some((text(item, "sk")?.to_owned(), timestamp(item, "silent_at")?))).collect())
    }

    /// Whether an account ever reported a fact, or was the subject of one.
    pub async fn is_known(&self, account: &str) -> Result<bool, CallError> {
        Ok(!query_all(&self.aws, &self.table, PLACES, Some(&format!("{account}#")), true).await?.is_empty())
    }

    /// All accounts and Regions with facts.
    pub async fn account_regions(&self) -> Result<BTreeSet<AccountRegion>, CallError> {
        let items = query_all(&self.aws, &self.table, PLACES, None, false).await?;
        Ok(items.iter().filter_map(|item| AccountRegion::parse(text(item, "sk")?)).collect())
    }

    /// Keeps a copy of an observation that was rewritten or removed. It still counts as evidence. Returns what is kept that wasn't before.
    pub async fn keep(&self, partition: &Partition, kept: &Item) -> Result<Volume, CallError> {
        let sort_key = text(kept, "sk").unwrap_or_default();
        let mut item = key(&kept_key(&partition.account_region.account), &format!("{}|{sort_key}", partition.key()));
        // Only the content is copied: other attributes could make the item larger than DynamoDB allows.
        let content = if sort_key.starts_with("calls#") { "f" } else { "j" };
        item.extend(kept.get(content).map(|value| (content.to_owned(), value.clone())));
        item.insert("entity".to_owned(), AttributeValue::S("KEPT".to_owned()));
        // The first version under a key counts, so a copy is never replaced.
        self.put_new(item, "keep a fact").await
    }

    /// Writes an item under a key that is new, and returns its size; nothing if the key isn't new.
    async fn put_new(&self, item: Item, action: &'static str) -> Result<Volume, CallError> {
        let size = Volume { items: 1, bytes: size_of(&item) };
        let request = self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk)");
        let is_new = written(request.send().await.map_err(failed(action)))?;
        Ok(if is_new { size } else { Volume::default() })
    }

    /// The copies of an account, with the keys that they had in the table of observations, up to the page on which they are more than may be
    /// kept, and whether that is so.
    pub async fn kept(&self, account: &str) -> Result<(Vec<Item>, bool), CallError> {
        let (items, bytes) = query(&self.aws, &self.table, &kept_key(account), None, true, KEPT).await?;
        let is_cut = items.len() as u64 > KEPT.items || bytes > KEPT.bytes;
        let restored = items.into_iter().filter_map(|mut item| {
            let (pk, sk) = text(&item, "sk")?.split_once('|').map(|(pk, sk)| (pk.to_owned(), sk.to_owned()))?;
            item.extend(key(&pk, &sk));
            Some(item)
        });
        Ok((restored.collect(), is_cut))
    }

    /// Keeps a note. Returns what is kept that wasn't before.
    pub async fn note(&self, note: &Note) -> Result<Volume, CallError> {
        let json = to_json(note)?;
        let mut item = key(&notes_key(&note.account), &crate::fact::digest(json.as_bytes()));
        item.insert("note".to_owned(), AttributeValue::S(json));
        item.insert("entity".to_owned(), AttributeValue::S("NOTE".to_owned()));
        self.put_new(item, "keep a note").await
    }

    /// The notes about an account, up to the page on which they are more than may be kept, and whether that is so.
    pub async fn notes(&self, account: &str) -> Result<(BTreeSet<Note>, bool), CallError> {
        let (items, bytes) = query(&self.aws, &self.table, &notes_key(account), None, true, KEPT).await?;
        let is_cut = items.len() as u64 > KEPT.items || bytes > KEPT.bytes;
        let notes = items.iter().map(|item| from_json(text(item, "note").unwrap_or_default()));
        Ok((notes.collect::<Result<_, _>>()?, is_cut))
    }

    /// A document of the hub, such as the last accepted configuration.
    pub async fn document<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, CallError> {
        self.get_item("DOCUMENT", name).await?.map(|item| from_json(text(&item, "json").unwrap_or_default())).transpose()
    }

    /// Writes a document of the hub.
    pub async fn put_document<T: Serialize>(&self, name: &str, document: &T) -> Result<(), CallError> {
        let mut item = key("DOCUMENT", name);
        item.insert("json".to_owned(), AttributeValue::S(to_json(document)?));
        self.put_item(item, "write a document").await
    }

    async fn put_of_fold(&self, mut item: Item, name: &str, value: &impl Serialize, ticket: i64) -> Result<bool, CallError> {
        item.insert(name.to_owned(), AttributeValue::S(to_json(value)?));
        self.put_if_latest(item, ticket, "note what concerns another account").await
    }
}

/// The key of the item with the time of the latest event.
const HORIZON: &str = "HORIZON";

fn kept_key(account: &str) -> String {
    format!("KEPT#{account}")
}

fn notes_key(account: &str) -> String {
    format!("NOTES#{account}")
}
