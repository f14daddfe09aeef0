//! What the hub knows of an account's facts without reading them: which partitions there are, how often something was done in them, which
//! version of the account was judged last, and what was refused.
//!
//! The router raises the account's version *after* it has noted the partitions, and sends a message with it. A fold reads the version before
//! it reads partitions, so that it answers all messages up to that version.

use std::collections::BTreeMap;

use audit_core::timestamp::Timestamp;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::{Deserialize, Serialize};

use super::{
    Findings,
    items::{account_key, from_json, key, number, text, timestamp, to_json, written},
};
use crate::{
    clock::Clock,
    error::{CallError, ErrorKind, failed},
    observations::{Item, query_all},
    partition::{AccountRegion, Partition},
};

/// The versions of an account's facts: the latest one, and the one that was judged last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountIndex {
    /// Counts the batches of the stream in which something was done.
    pub version: u64,
    /// The version that was last judged.
    pub folded: u64,
    /// Folds that began since one ended well.
    pub attempts: u64,
    /// Counts the batches in which the account's world changed.
    pub world: u64,
    /// Counts how often it was asked that everything be made again.
    pub rebuilds: u64,
    /// Partitions of what the account says about itself.
    pub partitions: i64,
    /// Regions for which there are facts.
    pub account_regions: i64,
    /// What is kept of the account's own facts that were rewritten or removed, with the notes about that.
    pub kept: Volume,
}

/// What goes into an account's index with its next version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raised {
    /// Whether the account's world changed.
    pub world_changed: bool,
    /// Whether everything is to be made again.
    pub is_rebuild: bool,
    /// New partitions of what the account says about itself.
    pub partitions: i64,
    /// New Regions.
    pub account_regions: i64,
    /// What is newly kept of the account's own facts that were rewritten or removed.
    pub kept: Volume,
}

/// Items and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// The number of items.
    pub items: u64,
    /// Their bytes, approximately.
    pub bytes: u64,
}

/// What the hub knows of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionState {
    /// Counts the batches in which something was done in it, from the time on at which it was first noted (milliseconds since 1970): a
    /// partition that was forgotten never has an earlier version again. 0 if an earlier release noted it.
    pub version: u64,
    /// The version with which the rollup of its hour was made; `None` if an earlier release made it.
    pub rolled_up: Option<u64>,
    /// The account's [`world`](AccountIndex::world) with which the rollup of its hour was made.
    pub world: u64,
    /// The account's [`rebuilds`](AccountIndex::rebuilds) with which the rollup of its hour was made.
    pub rebuilds: u64,
    /// How much was written into it since it was first noted.
    pub volume: Volume,
    /// Whether it holds facts that claim a later time than that at which they were written, and that were too many to note each. None of
    /// its facts count.
    pub is_ahead: bool,
}

/// A partition after the router has noted that something was done in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedPartition {
    /// What is known of it now.
    pub state: PartitionState,
    /// Whether nothing was known of it before.
    pub is_new: bool,
}

/// How much of what is known of an account isn't judged. The names are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unjudged {
    /// Some hours of what it reports about itself, for which a fold has no room. All else is judged.
    SomeOfItsOwn,
    /// What it reports about itself. What the hub read, or took from the organization's trail, is judged.
    AllOfItsOwn,
    /// Everything.
    #[default]
    Everything,
}

/// An account whose facts can't be judged, or not all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// What isn't judged. Releases that didn't tell it apart judged nothing.
    #[serde(default)]
    pub unjudged: Unjudged,
    /// Since when.
    pub since: Timestamp,
    /// Why, for people.
    pub problem: String,
    /// Folds that were tried since, and failed.
    pub retries: u32,
    /// When a fold is tried next.
    pub retry_at: Timestamp,
    /// When a fold ended well again; `None` if none has.
    pub until: Option<Timestamp>,
}

impl Volume {
    /// No limit.
    pub const UNLIMITED: Volume = Volume { items: u64::MAX, bytes: u64::MAX };

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Volume) -> Volume {
        Volume { items: self.items.saturating_add(other.items), bytes: self.bytes.saturating_add(other.bytes) }
    }
}

impl Quarantine {
    /// Whether the account still can't be judged.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.until.is_none()
    }
}

const INDEX: &str = "INDEX";
const QUARANTINE: &str = "QUARANTINE";

impl Findings {
    /// The index of an account.
    pub async fn index(&self, account: &str) -> Result<AccountIndex, CallError> {
        Ok(self.get_item(&account_key(account), INDEX).await?.as_ref().map(account_index).unwrap_or_default())
    }

    /// Gives an account's index its next version, and returns it.
    pub async fn raise_version(&self, account: &str, raised: Raised) -> Result<u64, CallError> {
        let Raised { world_changed, is_rebuild, partitions, account_regions, kept } = raised;
        let (world, rebuilds) = (i64::from(world_changed), i64::from(is_rebuild));
        let mut counts =
            vec![("version", 1), ("world", world), ("rebuilds", rebuilds), ("partitions", partitions), ("places", account_regions)];
        if kept != Volume::default() {
            let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            counts.extend([("kept", number(kept.items)), ("kept_bytes", number(kept.bytes))]);
        }
        Ok(account_index(&self.count(account, &counts, "raise an account's version").await?).version)
    }

    /// Records that all rollups of an account are to be made again, and returns after how many such requests they then are.
    pub async fn raise_rebuilds(&self, account: &str) -> Result<u64, CallError> {
        Ok(account_index(&self.count(account, &[("rebuilds", 1)], "have rollups made again").await?).rebuilds)
    }

    /// Records that a fold of an account begins, and returns the index.
    pub async fn begin_fold(&self, account: &str) -> Result<AccountIndex, CallError> {
        Ok(account_index(&self.count(account, &[("attempts", 1)], "begin a fold").await?))
    }

    /// Records that a fold that began was not to blame for its failure.
    pub async fn excuse_fold(&self, account: &str) -> Result<(), CallError> {
        self.count(account, &[("attempts", -1)], "excuse a fold").await.map(|_| ())
    }

    /// Records that an account was judged up to a version, unless it was up to a later one.
    pub async fn end_fold(&self, account: &str, version: u64) -> Result<(), CallError> {
        let request = self.aws.dynamodb().update_item().table_name(&self.table).set_key(Some(key(&account_key(account), INDEX)));
        let request = request.update_expression("SET folded = :version, attempts = :zero");
        let request = request.condition_expression("attribute_not_exists(folded) OR folded <= :version");
        let request = request.expression_attribute_values(":version", AttributeValue::N(version.to_string()));
        let request = request.expression_attribute_values(":zero", AttributeValue::N("0".to_owned()));
        written(request.send().await.map_err(failed("end a fold"))).map(|_| ())
    }

    /// Counts partitions of what an account says about itself that were forgotten; a negative number, if they were noted again.
    pub async fn count_forgotten(&self, account: &str, partitions: i64) -> Result<(), CallError> {
        self.count(account, &[("partitions", -partitions)], "count partitions").await.map(|_| ())
    }

    async fn count(&self, account: &str, counts: &[(&str, i64)], action: &'static str) -> Result<Item, CallError> {
        let mut request = self.aws.dynamodb().update_item().table_name(&self.table).set_key(Some(key(&account_key(account), INDEX)));
        let mut terms = Vec::new();
        for (name, by) in counts {
            terms.push(format!("#{name} :{name}"));
            request = request.expression_attribute_names(format!("#{name}"), *name);
            request = request.expression_attribute_values(format!(":{name}"), AttributeValue::N(by.to_string()));
        }
        let request = request.update_expression(format!("ADD {}", terms.join(", "))).return_values(ReturnValue::AllNew);
        let answer = request.send().await.map_err(failed(action))?;
        answer.attributes.ok_or_else(|| CallError::new(action, ErrorKind::Retryable, "the answer holds no numbers"))
    }

    /// Records that items of a partition were written or removed, which raises the partition's version. Returns what is then known of it;
    /// `None` if it is new, and `may_be_new` is false.
    pub async fn note_partition(
        &self,
        partition: &Partition,
        added: Volume,
        may_be_new: bool,
    ) -> Result<Option<NotedPartition>, CallError> {
        let first = u64::try_from(Clock::System.now().as_micros() / 1_000).unwrap_or_default();
        let item = key(&account_key(&partition.account_region.account), &partition_key(partition));
        let mut request = self.aws.dynamodb().update_item().table_name(&self.table).set_key(Some(item));
        // A partition without the mark of a rollup was noted by an earlier release, and its rollup was made then.
        let update = "SET #entity = :entity, rolled_up = if_not_exists(rolled_up, :zero), #version = if_not_exists(#version, :first) + :one \
                      ADD #items :items, #bytes :bytes";
        request = request.update_expression(update).expression_attribute_names("#entity", "entity");
        request = request.expression_attribute_values(":entity", AttributeValue::S("PARTITION".to_owned()));
        for name in ["version", "items", "bytes"] {
            request = request.expression_attribute_names(format!("#{name}"), name);
        }
        for (name, value) in [(":zero", 0), (":one", 1), (":first", first), (":items", added.items), (":bytes", added.bytes)] {
            request = request.expression_attribute_values(name, AttributeValue::N(value.to_string()));
        }
        if !may_be_new {
            request = request.condition_expression("attribute_exists(pk)");
        }
        match request.return_values(ReturnValue::AllNew).send().await.map_err(failed("note a partition")) {
            Ok(answer) => {
                let state = answer.attributes().map(partition_state).unwrap_or_default();
                Ok(Some(NotedPartition { state, is_new: state.volume == added && state.version == first + 1 }))
            }
            Err(error) if error.is_condition() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes a partition again that was forgotten, with what was known of it, unless something was done in it since.
    pub async fn restore_partition(&self, partition: &Partition, state: &PartitionState) -> Result<bool, CallError> {
        let mut item = key(&account_key(&partition.account_region.account), &partition_key(partition));
        item.insert("entity".to_owned(), AttributeValue::S("PARTITION".to_owned()));
        for (name, value) in [
            ("version", state.version),
            ("world", state.world),
            ("rebuilds", state.rebuilds),
            ("items", state.volume.items),
            ("bytes", state.volume.bytes),
        ] {
            item.insert(name.to_owned(), AttributeValue::N(value.to_string()));
        }
        if let Some(version) = state.rolled_up {
            item.insert("rolled_up".to_owned(), AttributeValue::N(version.to_string()));
        }
        let request = self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk)");
        written(request.send().await.map_err(failed("note a partition again")))
    }

    /// Records that a partition holds facts that claim a later time than that at which they were written.
    pub async fn distrust_partition(&self, partition: &Partition) -> Result<(), CallError> {
        let item = key(&account_key(&partition.account_region.account), &partition_key(partition));
        let request = self.aws.dynamodb().update_item().table_name(&self.table).set_key(Some(item));
        let request = request.update_expression("SET ahead = :true").condition_expression("attribute_exists(pk)");
        let request = request.expression_attribute_values(":true", AttributeValue::Bool(true));
        written(request.send().await.map_err(failed("note a partition"))).map(|_| ())
    }

    /// Records that the rollup of a partition's hour was made, of this version, by a fold that read this index.
    pub async fn note_rolled_up(&self, partition: &Partition, version: u64, index: &AccountIndex) -> Result<(), CallError> {
        let item = key(&account_key(&partition.account_region.account), &partition_key(partition));
        let request = self.aws.dynamodb().update_item().table_name(&self.table).set_key(Some(item));
        let mut request = request.update_expression("SET rolled_up = :version, #world = :world, rebuilds = :rebuilds");
        for (name, value) in [(":version", version), (":world", index.world), (":rebuilds", index.rebuilds)] {
            request = request.expression_attribute_values(name, AttributeValue::N(value.to_string()));
        }
        let request = request.expression_attribute_names("#world", "world");
        // A partition that was forgotten meanwhile stays so.
        let request = request.condition_expression("attribute_exists(pk)");
        written(request.send().await.map_err(failed("note a rollup"))).map(|_| ())
    }

    /// The partitions of an account that hold facts.
    pub async fn partitions(&self, account: &str) -> Result<BTreeMap<Partition, PartitionState>, CallError> {
        let items = query_all(&self.aws, &self.table, &account_key(account), Some("PARTITION#"), true).await?;
        let partition = |item: &Item| Partition::parse(text(item, "sk")?.strip_prefix("PARTITION#")?);
        Ok(items.iter().filter_map(|item| Some((partition(item)?, partition_state(item)))).collect())
    }

    /// Deletes the record of an empty partition, unless its version has changed.
    pub async fn forget_partition(&self, partition: &Partition, version: u64) -> Result<bool, CallError> {
        let item = key(&account_key(&partition.account_region.account), &partition_key(partition));
        let request = self.aws.dynamodb().delete_item().table_name(&self.table).set_key(Some(item));
        let request = request.condition_expression("#version = :version").expression_attribute_names("#version", "version");
        let request = request.expression_attribute_values(":version", AttributeValue::N(version.to_string()));
        written(request.send().await.map_err(failed("forget a partition")))
    }

    /// Records that an account and Region report.
    pub async fn note_account_region(&self, account_region: &AccountRegion) -> Result<(), CallError> {
        let mut item = key(PLACES, &account_region.key());
        item.insert("entity".to_owned(), AttributeValue::S("PLACE".to_owned()));
        self.put_item(item, "note an account and Region").await
    }

    /// Whether an account and Region ever reported.
    pub async fn is_known_account_region(&self, account_region: &AccountRegion) -> Result<bool, CallError> {
        Ok(self.get_item(PLACES, &account_region.key()).await?.is_some())
    }

    /// Records that an account reports a change of the organization, which may concern every account.
    pub async fn note_organization_change(&self, account: &str, event_id: &str, time: Timestamp) -> Result<(), CallError> {
        let mut item = key(&account_key(account), &format!("ORGANIZATION#{event_id}"));
        item.insert("entity".to_owned(), AttributeValue::S("ORGANIZATION".to_owned()));
        item.insert("time".to_owned(), number(time));
        self.put_item(item, "note a change of the organization").await
    }

    /// The changes of the organization that an account reports and that other accounts weren't judged by yet: their event ids and times.
    pub async fn organization_changes(&self, account: &str) -> Result<Vec<(String, Timestamp)>, CallError> {
        let items = query_all(&self.aws, &self.table, &account_key(account), Some("ORGANIZATION#"), true).await?;
        let change = |item: &Item| Some((text(item, "sk")?.strip_prefix("ORGANIZATION#")?.to_owned(), timestamp(item, "time")?));
        Ok(items.iter().filter_map(change).collect())
    }

    /// Forgets a change of the organization.
    pub async fn forget_organization_change(&self, account: &str, event_id: &str) -> Result<(), CallError> {
        let item = key(&account_key(account), &format!("ORGANIZATION#{event_id}"));
        let request = self.aws.dynamodb().delete_item().table_name(&self.table).set_key(Some(item));
        request.send().await.map(|_| ()).map_err(failed("forget a change of the organization"))
    }

    /// Whether and since when an account can't be judged.
    pub async fn quarantine(&self, account: &str) -> Result<Option<Quarantine>, CallError> {
        self.get_item(QUARANTINE, account).await?.map(|item| from_json(text(&item, "quarantine").unwrap_or_default())).transpose()
    }

    /// Records whether and since when an account can't be judged.
    pub async fn put_quarantine(&self, account: &str, quarantine: &Quarantine) -> Result<(), CallError> {
        let mut item = key(QUARANTINE, account);
        item.insert("entity".to_owned(), AttributeValue::S("QUARANTINE".to_owned()));
        item.insert("quarantine".to_owned(), AttributeValue::S(to_json(quarantine)?));
        self.put_item(item, "note a quarantine").await
    }

    /// The accounts that can't be judged.
    pub async fn quarantined(&self) -> Result<Vec<(String, Quarantine)>, CallError> {
        let mut all = Vec::new();
        for item in query_all(&self.aws, &self.table, QUARANTINE, None, true).await? {
            let quarantine: Quarantine = from_json(text(&item, "quarantine").unwrap_or_default())?;
            if let Some(account) = text(&item, "sk").filter(|_| quarantine.is_open()) {
                all.push((account.to_owned(), quarantine));
            }
        }
        Ok(all)
    }
}

/// The partition key of the items that list accounts and Regions.
pub(super) const PLACES: &str = "PLACES";

fn partition_key(partition: &Partition) -> String {
    format!("PARTITION#{}", partition.key())
}

pub(super) fn counted(item: &Item, name: &str) -> u64 {
    item.get(name).and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or(0)
}

fn account_index(item: &Item) -> AccountIndex {
    let signed = |name: &str| item.get(name).and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or(0);
    AccountIndex {
        version: counted(item, "version"),
        folded: counted(item, "folded"),
        attempts: counted(item, "attempts"),
        world: counted(item, "world"),
        rebuilds: counted(item, "rebuilds"),
        partitions: signed("partitions"),
        account_regions: signed("places"),
        kept: Volume { items: counted(item, "kept"), bytes: counted(item, "kept_bytes") },
    }
}

fn partition_state(item: &Item) -> PartitionState {
    PartitionState {
        version: counted(item, "version"),
        rolled_up: item.contains_key("rolled_up").then(|| counted(item, "rolled_up")),
        world: counted(item, "world"),
        rebuilds: counted(item, "rebuilds"),
        volume: Volume { items: counted(item, "items"), bytes: counted(item, "bytes") },
        is_ahead: item.contains_key("ahead"),
    }
}
