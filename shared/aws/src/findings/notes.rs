//! The table of notes: what can't be made again from facts. What was done to facts and what they said before, which facts were refused, what
//! was said of findings, and the last configuration that could be read.
//!
//! It is a table of its own so that the table of findings can be lost, and made again, without loss of evidence and without telling anybody
//! anything twice. Earlier releases kept all this in the table of findings: it is read there, too, and never written there again.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::timestamp::Timestamp;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Findings, Volume,
    account_index::counted,
    items::{account_key, from_json, key, number, text, timestamp, to_json, written},
};
use crate::{
    bounds::KEPT,
    error::{CallError, failed},
    observations::{Item, query, query_all, size_of},
    partition::Partition,
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

/// Facts of an account that the hub didn't take in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why: the name of a [`Refusal`](crate::bounds::Refusal).
    pub reason: String,
    /// The Region in their keys, if the hub watches it.
    pub region: String,
    /// How many there were. A batch of the stream that is delivered again is counted again.
    pub count: u64,
    /// When the first one was written.
    pub first: Timestamp,
    /// When the latest one was written.
    pub last: Timestamp,
    /// The partition and sort key of the first one.
    pub item: String,
    /// What is wrong, for people.
    pub detail: String,
}

impl Findings {
    /// Keeps a copy of an observation that was rewritten or removed. It still counts as evidence. Returns what is kept that wasn't before.
    pub async fn keep(&self, partition: &Partition, kept: &Item) -> Result<Volume, CallError> {
        let sort_key = text(kept, "sk").unwrap_or_default();
        let mut item = key(&kept_key(&partition.account_region.account), &format!("{}|{sort_key}", partition.key()));
        // Only the content is copied: other attributes could make the item larger than DynamoDB allows.
        let content = if sort_key.starts_with("calls#") { "f" } else { "j" };
        item.extend(kept.get(content).map(|value| (content.to_owned(), value.clone())));
        item.insert("entity".to_owned(), AttributeValue::S("KEPT".to_owned()));
        // The first version under a key counts, so a copy is never replaced.
        self.put_new(&self.notes_table, item, "keep a fact").await
    }

    /// Writes an item under a key that is new, and returns its size; nothing if the key isn't new.
    pub(super) async fn put_new(&self, table: &str, item: Item, action: &'static str) -> Result<Volume, CallError> {
        let size = Volume { items: 1, bytes: size_of(&item) };
        let request = self.aws.dynamodb().put_item().table_name(table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk)");
        let is_new = written(request.send().await.map_err(failed(action)))?;
        Ok(if is_new { size } else { Volume::default() })
    }

    /// The copies of an account, with the keys that they had in the table of observations, up to the page on which they are more than may be
    /// kept, and whether that is so.
    pub async fn kept(&self, account: &str) -> Result<(Vec<Item>, bool), CallError> {
        let (items, is_cut) = self.noted(&kept_key(account)).await?;
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
        self.put_new(&self.notes_table, item, "keep a note").await
    }

    /// The notes about an account, up to the page on which they are more than may be kept, and whether that is so.
    pub async fn notes(&self, account: &str) -> Result<(BTreeSet<Note>, bool), CallError> {
        let (items, is_cut) = self.noted(&notes_key(account)).await?;
        let notes = items.iter().map(|item| from_json(text(item, "note").unwrap_or_default()));
        Ok((notes.collect::<Result<_, _>>()?, is_cut))
    }

    /// Counts facts that were not taken in. Of the first one it is kept which it was. Returns whether there were none before.
    pub async fn refuse(&self, account: &str, refused: &Refused) -> Result<bool, CallError> {
        let item = key(&account_key(account), &format!("REFUSED#{}#{}", refused.reason, refused.region));
        let mut request = self.aws.dynamodb().update_item().table_name(&self.notes_table).set_key(Some(item));
        let update = "SET #entity = :entity, #reason = :reason, #region = :region, #last = :last, #first = if_not_exists(#first, :first), \
                      #item = if_not_exists(#item, :item), detail = if_not_exists(detail, :detail) ADD #count :count";
        for name in ["entity", "reason", "region", "last", "first", "item", "count"] {
            request = request.expression_attribute_names(format!("#{name}"), name);
        }
        for (name, value) in [
            (":entity", AttributeValue::S("REFUSED".to_owned())),
            (":reason", AttributeValue::S(refused.reason.clone())),
            (":region", AttributeValue::S(refused.region.clone())),
            (":last", number(refused.last)),
            (":first", number(refused.first)),
            (":item", AttributeValue::S(refused.item.clone())),
            (":detail", AttributeValue::S(refused.detail.clone())),
            (":count", AttributeValue::N(refused.count.to_string())),
        ] {
            request = request.expression_attribute_values(name, value);
        }
        let request = request.update_expression(update).return_values(ReturnValue::AllNew);
        let answer = request.send().await.map_err(failed("count refused facts"))?;
        Ok(answer.attributes().is_some_and(|item| counted(item, "count") == refused.count))
    }

    /// The facts of an account that the router didn't take in, counted by reason and Region.
    pub async fn refused(&self, account: &str) -> Result<Vec<Refused>, CallError> {
        let mut items = Vec::new();
        for table in self.tables_of_notes() {
            items.extend(query_all(&self.aws, table, &account_key(account), Some("REFUSED#"), true).await?);
        }
        let refused = |item: &Item| {
            let of = |name: &str| text(item, name).unwrap_or_default().to_owned();
            Some(Refused {
                reason: of("reason"),
                region: of("region"),
                count: counted(item, "count"),
                first: timestamp(item, "first")?,
                last: timestamp(item, "last")?,
                item: of("item"),
                detail: of("detail"),
            })
        };
        let mut all: Vec<Refused> = Vec::new();
        for refused in items.iter().filter_map(refused) {
            // What an earlier release counted is added.
            match all.iter_mut().find(|known| (&known.reason, &known.region) == (&refused.reason, &refused.region)) {
                Some(known) => {
                    known.count += refused.count;
                    known.last = known.last.max(refused.last);
                    if refused.first < known.first {
                        (known.first, known.item, known.detail) = (refused.first, refused.item, refused.detail);
                    }
                }
                None => all.push(refused),
            }
        }
        Ok(all)
    }

    /// A document of the hub, such as the last accepted configuration.
    pub async fn document<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, CallError> {
        self.get_noted("DOCUMENT", name).await?.map(|item| from_json(text(&item, "json").unwrap_or_default())).transpose()
    }

    /// Writes a document of the hub.
    pub async fn put_document<T: Serialize>(&self, name: &str, document: &T) -> Result<(), CallError> {
        let mut item = key("DOCUMENT", name);
        item.insert("json".to_owned(), AttributeValue::S(to_json(document)?));
        self.put_into(&self.notes_table, item, "write a document").await
    }

    /// The tables in which there may be notes: their own, and the one in which earlier releases kept them.
    pub(super) fn tables_of_notes(&self) -> impl Iterator<Item = &str> {
        let of_earlier = (self.table != self.notes_table).then_some(self.table.as_str());
        std::iter::once(self.notes_table.as_str()).chain(of_earlier)
    }

    /// An item among the notes.
    pub(super) async fn get_noted(&self, pk: &str, sk: &str) -> Result<Option<Item>, CallError> {
        for table in self.tables_of_notes() {
            if let Some(item) = self.get_item_of(table, pk, sk).await? {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// The items of a partition key among what is kept of an account's facts, up to the page on which they are more than may be kept, and whether
    /// that is so. The first version under a key counts, and an earlier release has kept it first.
    async fn noted(&self, pk: &str) -> Result<(Vec<Item>, bool), CallError> {
        let (mut items, mut volume) = (BTreeMap::new(), Volume::default());
        for table in self.tables_of_notes() {
            let (page, bytes) = query(&self.aws, table, pk, None, true, KEPT).await?;
            volume = volume.plus(Volume { items: page.len() as u64, bytes });
            items.extend(page.into_iter().map(|item| (text(&item, "sk").unwrap_or_default().to_owned(), item)));
        }
        Ok((items.into_values().collect(), volume.items > KEPT.items || volume.bytes > KEPT.bytes))
    }
}

fn kept_key(account: &str) -> String {
    format!("KEPT#{account}")
}

fn notes_key(account: &str) -> String {
    format!("NOTES#{account}")
}
