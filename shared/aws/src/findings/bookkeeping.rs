//! The bookkeeping of folds: what concerns an account from outside, and how far its index is repaired.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::timestamp::Timestamp;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::{
    Findings,
    account_index::PLACES,
    items::{account_key, from_json, key, number, text, timestamp, to_json, written},
};
use crate::{
    error::{CallError, ErrorKind, failed},
    observations::{Item, query_all},
    partition::{AccountRegion, Partition},
};

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

    /// Records the partitions of the account `by` whose changes concern this account, unless a later fold of that account has.
    pub async fn note_concerns(&self, account: &str, by: &str, partitions: &BTreeSet<Partition>, ticket: i64) -> Result<bool, CallError> {
        let keys: Vec<String> = partitions.iter().map(Partition::key).collect();
        self.put_of_fold(key(&account_key(account), &format!("CONCERN#{by}")), "partitions", &keys, ticket).await
    }

    /// Digests of what an account's last fold recorded as concerning other accounts, by account.
    pub async fn told(&self, account: &str) -> Result<BTreeMap<String, String>, CallError> {
        match self.get_item(&account_key(account), TOLD).await? {
            Some(item) => from_json(text(&item, "told").unwrap_or("{}")),
            None => Ok(BTreeMap::new()),
        }
    }

    /// Stores digests of what an account recorded as concerning other accounts, unless a later fold of the account did.
    pub async fn put_told(&self, account: &str, told: &BTreeMap<String, String>, ticket: i64) -> Result<bool, CallError> {
        self.put_of_fold(key(&account_key(account), TOLD), "told", told, ticket).await
    }

    /// Records that the index of an account was repaired, by a message with this version, unless one with a later version did.
    pub async fn note_repaired(&self, account: &str, version: u64) -> Result<(), CallError> {
        let mut item = key(&account_key(account), REPAIRED);
        item.insert("version".to_owned(), AttributeValue::N(version.to_string()));
        let request = self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk) OR #version <= :version");
        let request = request.expression_attribute_names("#version", "version");
        let request = request.expression_attribute_values(":version", AttributeValue::N(version.to_string()));
        written(request.send().await.map_err(failed("note a repair"))).map(|_| ())
    }

    /// The version of the message by which the index of an account was last repaired; 0 if it never was.
    pub async fn repaired(&self, account: &str) -> Result<u64, CallError> {
        let item = self.get_item(&account_key(account), REPAIRED).await?;
        Ok(item.and_then(|item| item.get("version")?.as_n().ok()?.parse().ok()).unwrap_or(0))
    }

    /// The partitions of other accounts whose changes concern this account.
    pub async fn concerns(&self, account: &str) -> Result<BTreeSet<Partition>, CallError> {
        let mut concerns = BTreeSet::new();
        for item in query_all(&self.aws, &self.table, &account_key(account), Some("CONCERN#"), true).await? {
            let keys: Vec<String> = from_json(text(&item, "partitions").unwrap_or("[]"))?;
            concerns.extend(keys.iter().filter_map(|key| Partition::parse(key)));
            // An earlier release wrote an item for each partition.
            concerns.extend(text(&item, "sk").and_then(|sk| Partition::parse(sk.strip_prefix("CONCERN#")?)));
        }
        Ok(concerns)
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

    async fn put_of_fold(&self, mut item: Item, name: &str, value: &impl Serialize, ticket: i64) -> Result<bool, CallError> {
        item.insert(name.to_owned(), AttributeValue::S(to_json(value)?));
        self.put_if_latest(item, ticket, "note what concerns another account").await
    }
}

/// The key of the item with the time of the latest event.
const HORIZON: &str = "HORIZON";

const REPAIRED: &str = "REPAIRED";

const TOLD: &str = "TOLD";
