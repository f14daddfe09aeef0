//! The findings table: findings, what the hub keeps to make them again, rollups, and the state of alerts (`docs/data-model.md`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use audit_core::{
    finding::{Finding, Status},
    moment::Moment,
    report::CoverageRow,
};
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    aws::Aws,
    error::{CallError, ErrorKind, failed},
    observations::{Item, query_all},
    place::{Partition, Place},
};

/// The table of findings. Only the hub knows it.
#[derive(Clone, Debug)]
pub struct Findings {
    aws: Arc<Aws>,
    table: String,
}

/// A finding, and what the table knows besides.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The finding.
    pub finding: Finding,
    /// The fold that wrote it.
    pub ticket: i64,
    /// What the OUs above its account are called, the root first, where the organization is known.
    pub units: Vec<String>,
    /// Whose word the calls behind it are.
    pub basis: Basis,
}

/// Whose word calls are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// As reported by the account itself.
    #[default]
    Reported,
    /// Settled by the organization's trail, or by an auditor of the hub's own.
    Settled,
}

/// Something that happened to a fact that must not happen, or an item that is none: evidence that the hub keeps itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Note {
    /// `rewritten`, `removed`, `malformed` or `flood`.
    pub kind: String,
    /// Whose item it is.
    pub account: String,
    /// Where, as far as its key says.
    pub region: String,
    /// When the stream saw it; of a flood, the hour that it is in.
    pub time: Moment,
    /// The partition and sort key of the item.
    pub item: String,
    /// What is wrong with it.
    pub detail: String,
}

/// What calls of an hour came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollup {
    /// How the calls were judged.
    pub invocations: audit_core::verdict::Invocations,
    /// By model, operation and verdict.
    pub coverage: Vec<audit_core::report::CoverageRow>,
}

/// Stands for model and operation in a [`Rollup`] that has more of them than an item can hold.
pub const OTHERS: &str = "(others)";

/// Where the alert of a finding stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertState {
    /// The state of the finding that was last told, as [`transition`] names it.
    pub told: Option<String>,
    /// The state that is being told.
    pub pending: Option<String>,
    /// The formats in which that was sent already.
    #[serde(default)]
    pub sent: Vec<String>,
    /// When that was begun.
    pub since: Moment,
    /// Counts writes, so that two functions can't both tell.
    pub version: i64,
    /// How often it was told that the finding was withdrawn.
    #[serde(default)]
    pub withdrawn: u64,
}

/// The guardrails of others whose DRAFTs an account's calls ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// By the account that owns them.
    pub of: BTreeMap<String, BTreeSet<String>>,
    /// Counts changes of it.
    pub version: u64,
}

/// The state of a finding, as far as alerts go.
#[must_use]
pub fn transition(finding: &Finding) -> String {
    format!("{}#{}#{}", finding.status.as_str(), finding.severity, finding.reopened)
}

impl Findings {
    /// A table by its name.
    #[must_use]
    pub fn new(aws: Arc<Aws>, table: String) -> Self {
        Findings { aws, table }
    }

    /// All findings of an account.
    pub async fn of_account(&self, account: &str) -> Result<BTreeMap<String, Stored>, CallError> {
        let items = query_all(&self.aws, &self.table, &findings_key(account), None, true).await?;
        items.iter().map(|item| stored(item).map(|stored| (stored.finding.id.clone(), stored))).collect()
    }

    /// A finding by its account and id.
    pub async fn get(&self, account: &str, id: &str) -> Result<Option<Stored>, CallError> {
        self.get_item(&findings_key(account), id).await?.as_ref().map(stored).transpose()
    }

    /// A number for a fold of an account: later folds have larger ones. Taken before anything is read.
    pub async fn ticket(&self, account: &str) -> Result<i64, CallError> {
        let request = self.aws.dynamodb().update_item().table_name(&self.table);
        let request = request.set_key(Some(key(&account_key(account), "TICKET"))).update_expression("ADD ticket :one");
        let request = request.expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
        let answer =
            request.return_values(aws_sdk_dynamodb::types::ReturnValue::UpdatedNew).send().await.map_err(failed("take a ticket"))?;
        let ticket = answer.attributes().and_then(|item| item.get("ticket")?.as_n().ok()?.parse().ok());
        ticket.ok_or_else(|| CallError::new("take a ticket", ErrorKind::Retryable, "the answer holds no number"))
    }

    /// Writes a finding, unless a later fold has. Whether it was written.
    pub async fn put(&self, stored: &Stored) -> Result<bool, CallError> {
        self.put_if_latest(item_of(stored)?, stored.ticket, "write a finding").await
    }

    /// Removes a finding that the facts no longer give, unless a later fold wrote it. Whether it was removed.
    pub async fn withdraw(&self, account: &str, id: &str, ticket: i64) -> Result<bool, CallError> {
        let request = self.aws.dynamodb().delete_item().table_name(&self.table).set_key(Some(key(&findings_key(account), id)));
        let request = request.condition_expression("ticket <= :ticket");
        let request = request.expression_attribute_values(":ticket", AttributeValue::N(ticket.to_string()));
        written(request.send().await.map_err(failed("withdraw a finding")))
    }

    /// Remembers that something was done in a partition: it holds facts, and its version is another.
    pub async fn note_partition(&self, partition: &Partition) -> Result<(), CallError> {
        let item = key(&account_key(&partition.place.account), &format!("PARTITION#{}", partition.key()));
        let request = self.aws.dynamodb().update_item().table_name(&self.table).set_key(Some(item));
        let request = request.update_expression("SET #entity = :entity ADD #version :one").expression_attribute_names("#entity", "entity");
        let request = request.expression_attribute_names("#version", "version");
        let request = request.expression_attribute_values(":entity", AttributeValue::S("PARTITION".to_owned()));
        let request = request.expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
        request.send().await.map_err(failed("note a partition"))?;
        let mut item = key("PLACES", &partition.place.key());
        item.insert("entity".to_owned(), AttributeValue::S("PLACE".to_owned()));
        self.put_item(item, "note a place").await
    }

    /// The partitions of an account that hold facts.
    pub async fn partitions(&self, account: &str) -> Result<BTreeSet<Partition>, CallError> {
        Ok(self.partition_versions(account).await?.into_keys().collect())
    }

    /// The same, each with the number of times that something was done in it.
    pub async fn partition_versions(&self, account: &str) -> Result<BTreeMap<Partition, u64>, CallError> {
        let items = query_all(&self.aws, &self.table, &account_key(account), Some("PARTITION#"), true).await?;
        let version = |item: &Item| item.get("version").and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or(0);
        let partition = |item: &Item| Partition::parse(text(item, "sk")?.strip_prefix("PARTITION#")?);
        Ok(items.iter().filter_map(|item| Some((partition(item)?, version(item)))).collect())
    }

    /// Forgets a partition that holds no facts any more, unless something was done in it since it had this version.
    pub async fn forget_partition(&self, partition: &Partition, version: u64) -> Result<bool, CallError> {
        let item = key(&account_key(&partition.place.account), &format!("PARTITION#{}", partition.key()));
        let request = self.aws.dynamodb().delete_item().table_name(&self.table).set_key(Some(item));
        let request = request.condition_expression("#version = :version").expression_attribute_names("#version", "version");
        let request = request.expression_attribute_values(":version", AttributeValue::N(version.to_string()));
        written(request.send().await.map_err(failed("forget a partition")))
    }

    /// Remembers that changes in a partition of another account concern this one.
    pub async fn note_concern(&self, account: &str, partition: &Partition) -> Result<(), CallError> {
        let mut item = key(&account_key(account), &format!("CONCERN#{}", partition.key()));
        item.insert("entity".to_owned(), AttributeValue::S("CONCERN".to_owned()));
        self.put_item(item, "note a concern").await
    }

    /// The partitions of other accounts whose changes concern this one.
    pub async fn concerns(&self, account: &str) -> Result<BTreeSet<Partition>, CallError> {
        let items = query_all(&self.aws, &self.table, &account_key(account), Some("CONCERN#"), true).await?;
        Ok(items.iter().filter_map(|item| Partition::parse(text(item, "sk")?.strip_prefix("CONCERN#")?)).collect())
    }

    /// Remembers with the owner of guardrails that calls of another account ask for their DRAFTs, unless a later fold of that account has.
    pub async fn note_drafts(&self, owner: &str, by: &str, guardrails: &BTreeSet<String>, ticket: i64) -> Result<bool, CallError> {
        self.put_of_fold(key(&account_key(owner), &format!("DRAFTS#{by}")), "guardrails", guardrails, ticket).await
    }

    /// The guardrails of an account whose DRAFTs others ask for.
    pub async fn drafts(&self, owner: &str) -> Result<BTreeSet<String>, CallError> {
        let items = query_all(&self.aws, &self.table, &account_key(owner), Some("DRAFTS#"), true).await?;
        let noted = items.iter().map(|item| from_json::<BTreeSet<String>>(text(item, "guardrails").unwrap_or("[]")));
        Ok(noted.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// What an account last had noted with the owners of guardrails.
    pub async fn requested(&self, account: &str) -> Result<Requested, CallError> {
        match self.get_item(&account_key(account), "REQUESTED").await? {
            Some(item) => from_json(text(&item, "requested").unwrap_or_default()),
            None => Ok(Requested::default()),
        }
    }

    /// Remembers what an account has noted with the owners of guardrails, unless a later fold of it has.
    pub async fn put_requested(&self, account: &str, requested: &Requested, ticket: i64) -> Result<bool, CallError> {
        self.put_of_fold(key(&account_key(account), "REQUESTED"), "requested", requested, ticket).await
    }

    /// Remembers that something happened at a moment. Whether nothing later is known.
    pub async fn note_moment(&self, moment: Moment) -> Result<bool, CallError> {
        let mut item = key(HORIZON, HORIZON);
        item.insert("latest".to_owned(), number(moment));
        let request = self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk) OR latest <= :latest");
        let request = request.expression_attribute_values(":latest", number(moment));
        written(request.send().await.map_err(failed("note the latest moment")))
    }

    /// The latest moment at which anything is known to have happened, whoever says so.
    pub async fn latest_moment(&self) -> Result<Option<Moment>, CallError> {
        Ok(self.get_item(HORIZON, HORIZON).await?.and_then(|item| moment(&item, "latest")))
    }

    /// Remembers when an account's silence will have lasted too long, unless a later fold of it has.
    pub async fn put_silent_at(&self, account: &str, at: Option<Moment>, ticket: i64) -> Result<bool, CallError> {
        let mut item = key("QUIET", account);
        item.extend(at.map(|at| ("silent_at".to_owned(), number(at))));
        self.put_if_latest(item, ticket, "note when an account is silent").await
    }

    /// The accounts that are quiet, and when that will have lasted too long.
    pub async fn quiet(&self) -> Result<Vec<(String, Moment)>, CallError> {
        let items = query_all(&self.aws, &self.table, "QUIET", None, true).await?;
        Ok(items.iter().filter_map(|item| Some((text(item, "sk")?.to_owned(), moment(item, "silent_at")?))).collect())
    }

    /// Whether an account ever reported anything, or is told of.
    pub async fn is_known(&self, account: &str) -> Result<bool, CallError> {
        Ok(!query_all(&self.aws, &self.table, "PLACES", Some(&format!("{account}#")), true).await?.is_empty())
    }

    /// All places that ever reported anything.
    pub async fn places(&self) -> Result<BTreeSet<Place>, CallError> {
        let items = query_all(&self.aws, &self.table, "PLACES", None, false).await?;
        Ok(items.iter().filter_map(|item| Place::parse(text(item, "sk")?)).collect())
    }

    /// Keeps an item of the observations table that was rewritten or removed: what it said still counts.
    pub async fn keep(&self, partition: &Partition, kept: &Item) -> Result<(), CallError> {
        let sort_key = text(kept, "sk").unwrap_or_default();
        let mut item = key(&kept_key(&partition.place.account), &format!("{}|{sort_key}", partition.key()));
        // What isn't its content could make the item larger than any may be.
        let content = if sort_key.starts_with("calls#") { "f" } else { "j" };
        item.extend(kept.get(content).map(|value| (content.to_owned(), value.clone())));
        item.insert("entity".to_owned(), AttributeValue::S("KEPT".to_owned()));
        // What was first reported under a key is what counts.
        let request = self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk)");
        written(request.send().await.map_err(failed("keep a fact"))).map(|_| ())
    }

    /// The facts that were kept, as items of the observations table.
    pub async fn kept(&self, account: &str) -> Result<Vec<Item>, CallError> {
        let items = query_all(&self.aws, &self.table, &kept_key(account), None, true).await?;
        let restored = items.into_iter().filter_map(|mut item| {
            let (pk, sk) = text(&item, "sk")?.split_once('|').map(|(pk, sk)| (pk.to_owned(), sk.to_owned()))?;
            item.extend(key(&pk, &sk));
            Some(item)
        });
        Ok(restored.collect())
    }

    /// Keeps a note.
    pub async fn note(&self, note: &Note) -> Result<(), CallError> {
        let json = to_json(note)?;
        let mut item = key(&notes_key(&note.account), &crate::fact::digest(json.as_bytes()));
        item.insert("note".to_owned(), AttributeValue::S(json));
        item.insert("entity".to_owned(), AttributeValue::S("NOTE".to_owned()));
        self.put_item(item, "keep a note").await
    }

    /// The notes about an account.
    pub async fn notes(&self, account: &str) -> Result<BTreeSet<Note>, CallError> {
        let items = query_all(&self.aws, &self.table, &notes_key(account), None, true).await?;
        items.iter().map(|item| from_json(text(item, "note").unwrap_or_default())).collect()
    }

    /// Writes what the calls of an hour came to.
    pub async fn put_rollup(&self, place: &Place, hour: &str, rollup: &Rollup, ticket: i64) -> Result<bool, CallError> {
        let mut item = key(&rollup_key(place), hour);
        item.insert("rollup".to_owned(), AttributeValue::S(rollup_json(rollup)?));
        item.insert("entity".to_owned(), AttributeValue::S("ROLLUP".to_owned()));
        let invocations = &rollup.invocations;
        for (name, count) in [
            ("compliant", invocations.compliant),
            ("violation", invocations.violation),
            ("not_provable", invocations.not_provable),
            ("not_applicable", invocations.not_applicable),
        ] {
            item.insert(name.to_owned(), AttributeValue::N(count.to_string()));
        }
        self.put_if_latest(item, ticket, "write a rollup").await
    }

    /// What the calls of a place came to, by hour.
    pub async fn rollups(&self, place: &Place) -> Result<BTreeMap<String, Rollup>, CallError> {
        let items = query_all(&self.aws, &self.table, &rollup_key(place), None, false).await?;
        items
            .iter()
            .map(|item| Ok((text(item, "sk").unwrap_or_default().to_owned(), from_json(text(item, "rollup").unwrap_or_default())?)))
            .collect()
    }

    /// Writes what can't be seen of an account.
    pub async fn put_blind(&self, account: &str, blind: &[audit_core::report::BlindRow], ticket: i64) -> Result<bool, CallError> {
        let mut item = key(&account_key(account), "BLIND");
        item.insert("blind".to_owned(), AttributeValue::S(to_json(&blind)?));
        self.put_if_latest(item, ticket, "write what can't be seen").await
    }

    /// What can't be seen of an account.
    pub async fn blind(&self, account: &str) -> Result<Vec<audit_core::report::BlindRow>, CallError> {
        match self.get_item(&account_key(account), "BLIND").await? {
            Some(item) => from_json(text(&item, "blind").unwrap_or("[]")),
            None => Ok(Vec::new()),
        }
    }

    /// Where the alert of a finding stands.
    pub async fn alert_state(&self, id: &str) -> Result<Option<AlertState>, CallError> {
        self.get_item(&format!("ALERT#{id}"), "STATE").await?.map(|item| from_json(text(&item, "state").unwrap_or_default())).transpose()
    }

    /// Writes where the alert of a finding stands, if nobody has since it was read. Whether it was written.
    pub async fn put_alert_state(&self, id: &str, state: &AlertState) -> Result<bool, CallError> {
        let mut item = key(&format!("ALERT#{id}"), "STATE");
        item.insert("state".to_owned(), AttributeValue::S(to_json(state)?));
        item.insert("version".to_owned(), AttributeValue::N(state.version.to_string()));
        item.insert("entity".to_owned(), AttributeValue::S("ALERT".to_owned()));
        let request = self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk) OR version = :before");
        let request = request.expression_attribute_values(":before", AttributeValue::N((state.version - 1).to_string()));
        written(request.send().await.map_err(failed("write the state of an alert")))
    }

    /// Puts an alert aside for the next digest.
    pub async fn put_for_digest(&self, id: &str, body: &str) -> Result<(), CallError> {
        let mut item = key("DIGEST", id);
        item.insert("alert".to_owned(), AttributeValue::S(body.to_owned()));
        self.put_item(item, "put an alert aside").await
    }

    /// The alerts that were put aside, by finding.
    pub async fn digest(&self) -> Result<Vec<(String, String)>, CallError> {
        let items = query_all(&self.aws, &self.table, "DIGEST", None, true).await?;
        Ok(items.iter().filter_map(|item| Some((text(item, "sk")?.to_owned(), text(item, "alert")?.to_owned()))).collect())
    }

    /// Forgets an alert that was put aside, unless it was put aside anew.
    pub async fn remove_from_digest(&self, id: &str, body: &str) -> Result<(), CallError> {
        let request = self.aws.dynamodb().delete_item().table_name(&self.table).set_key(Some(key("DIGEST", id)));
        let request =
            request.condition_expression("alert = :alert").expression_attribute_values(":alert", AttributeValue::S(body.to_owned()));
        written(request.send().await.map_err(failed("forget an alert"))).map(|_| ())
    }

    /// A small document of the hub's own.
    pub async fn document<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, CallError> {
        self.get_item("DOCUMENT", name).await?.map(|item| from_json(text(&item, "json").unwrap_or_default())).transpose()
    }

    /// Writes a small document of the hub's own.
    pub async fn put_document<T: Serialize>(&self, name: &str, document: &T) -> Result<(), CallError> {
        let mut item = key("DOCUMENT", name);
        item.insert("json".to_owned(), AttributeValue::S(to_json(document)?));
        self.put_item(item, "write a document").await
    }

    /// A page of findings, by an index.
    pub async fn page(&self, page: &Page<'_>) -> Result<(Vec<Stored>, Option<Item>), CallError> {
        // DynamoDB refuses a range that ends before it begins.
        if page.since.zip(page.until).is_some_and(|(since, until)| since > until) {
            return Ok((Vec::new(), None));
        }
        let mut request = self.aws.dynamodb().query().table_name(&self.table).index_name(page.index);
        let hash = format!("gsi_{}", page.index.trim_start_matches("by_"));
        request = request
            .expression_attribute_names("#hash", hash)
            .expression_attribute_values(":hash", AttributeValue::S(page.value.to_owned()));
        request = match (page.since, page.until) {
            (None, None) => request.key_condition_expression("#hash = :hash"),
            (since, until) => request
                .key_condition_expression("#hash = :hash AND gsi_seen BETWEEN :since AND :until")
                .expression_attribute_values(":since", AttributeValue::S(since.map_or("0".to_owned(), |time| time.to_string())))
                .expression_attribute_values(":until", AttributeValue::S(until.map_or("~".to_owned(), |time| time.to_string()))),
        };
        let request = request.scan_index_forward(false).limit(page.limit).set_exclusive_start_key(page.start.clone());
        let answer = request.send().await.map_err(failed("query findings"))?;
        let found = answer.items().iter().map(stored).collect::<Result<_, _>>()?;
        Ok((found, answer.last_evaluated_key))
    }

    async fn get_item(&self, pk: &str, sk: &str) -> Result<Option<Item>, CallError> {
        let request = self.aws.dynamodb().get_item().table_name(&self.table).set_key(Some(key(pk, sk))).consistent_read(true);
        Ok(request.send().await.map_err(failed(format!("read {pk}")))?.item)
    }

    /// Writes an item, unless a later fold has. Whether it was written.
    async fn put_if_latest(&self, mut item: Item, ticket: i64, action: &'static str) -> Result<bool, CallError> {
        item.insert("ticket".to_owned(), AttributeValue::N(ticket.to_string()));
        let request = self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk) OR ticket <= :ticket");
        let request = request.expression_attribute_values(":ticket", AttributeValue::N(ticket.to_string()));
        written(request.send().await.map_err(failed(action)))
    }

    async fn put_of_fold(&self, mut item: Item, name: &str, value: &impl Serialize, ticket: i64) -> Result<bool, CallError> {
        item.insert(name.to_owned(), AttributeValue::S(to_json(value)?));
        self.put_if_latest(item, ticket, "note what concerns another account").await
    }

    async fn put_item(&self, item: Item, action: &'static str) -> Result<(), CallError> {
        self.aws.dynamodb().put_item().table_name(&self.table).set_item(Some(item)).send().await.map(|_| ()).map_err(failed(action))
    }
}

/// A page to read.
#[derive(Clone, Debug)]
pub struct Page<'p> {
    /// `by_account`, `by_rule`, `by_status` or `by_region`.
    pub index: &'static str,
    /// The value of its key.
    pub value: &'p str,
    /// Last seen not before.
    pub since: Option<Moment>,
    /// Last seen before.
    pub until: Option<Moment>,
    /// So many items at most.
    pub limit: i32,
    /// Behind this one.
    pub start: Option<Item>,
}

fn written<T>(answer: Result<T, CallError>) -> Result<bool, CallError> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.is_condition() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where the latest moment lies.
const HORIZON: &str = "HORIZON";

fn number(moment: Moment) -> AttributeValue {
    AttributeValue::N(moment.as_micros().to_string())
}

fn moment(item: &Item, name: &str) -> Option<Moment> {
    item.get(name)?.as_n().ok()?.parse().ok().map(Moment::from_micros)
}

fn findings_key(account: &str) -> String {
    format!("FINDINGS#{account}")
}

fn account_key(account: &str) -> String {
    format!("ACCOUNT#{account}")
}

fn kept_key(account: &str) -> String {
    format!("KEPT#{account}")
}

fn notes_key(account: &str) -> String {
    format!("NOTES#{account}")
}

fn rollup_key(place: &Place) -> String {
    format!("ROLLUP#{}", place.key())
}

fn key(pk: &str, sk: &str) -> Item {
    Item::from([("pk".to_owned(), AttributeValue::S(pk.to_owned())), ("sk".to_owned(), AttributeValue::S(sk.to_owned()))])
}

fn text<'i>(item: &'i Item, name: &str) -> Option<&'i str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// The largest rollup in bytes: an item may have 400 KB (docs/aws/prices-and-limits.md#dynamodb).
const ROLLUP: usize = 300_000;

/// The rows with the most calls; where there are too many for an item, the others are added up by verdict.
fn rollup_json(rollup: &Rollup) -> Result<String, CallError> {
    let json = to_json(rollup)?;
    if json.len() <= ROLLUP {
        return Ok(json);
    }
    let mut rows: Vec<&CoverageRow> = rollup.coverage.iter().collect();
    rows.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.cmp(b)));
    let (mut coverage, mut others, mut size) = (Vec::new(), BTreeMap::<_, CoverageRow>::new(), 0);
    for row in rows {
        size += to_json(row)?.len() + 1;
        if size <= ROLLUP / 2 {
            coverage.push(row.clone());
            continue;
        }
        let other = || CoverageRow { model: OTHERS.into(), api: OTHERS.into(), count: 0, ..row.clone() };
        others.entry((row.verdict, row.grade, row.reason)).or_insert_with(other).count += row.count;
    }
    coverage.extend(others.into_values());
    coverage.sort();
    to_json(&Rollup { invocations: rollup.invocations, coverage })
}

fn to_json<T: Serialize>(value: &T) -> Result<String, CallError> {
    serde_json::to_string(value).map_err(|error| CallError::new("write JSON", ErrorKind::Refused, error))
}

fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, CallError> {
    serde_json::from_str(json).map_err(|error| CallError::new("read a stored document", ErrorKind::Refused, error))
}

/// From an item of the table, or of its stream.
pub fn stored(item: &Item) -> Result<Stored, CallError> {
    let finding: Finding = from_json(text(item, "finding").unwrap_or_default())?;
    let ticket = item.get("ticket").and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or(0);
    let units = item.get("units").and_then(|value| value.as_l().ok()).into_iter().flatten();
    let basis = if text(item, "basis") == Some("settled") { Basis::Settled } else { Basis::Reported };
    Ok(Stored { finding, ticket, units: units.filter_map(|unit| unit.as_s().ok().cloned()).collect(), basis })
}

fn item_of(stored: &Stored) -> Result<Item, CallError> {
    let Stored { finding, units, basis, .. } = stored;
    let mut item = key(&findings_key(&finding.account), &finding.id);
    let seen = format!("{}#{}", finding.last_seen.map(|time| time.to_string()).unwrap_or_default(), finding.id);
    let status = format!("{}#{}", finding.status.as_str(), finding.severity);
    let guardrail = finding.policy.as_ref().and_then(|policy| policy.identifier.clone()).unwrap_or_default();
    for (name, value) in [
        ("entity", "FINDING"),
        ("finding", &to_json(finding)?),
        ("rule", &finding.rule),
        ("severity", finding.severity.as_str()),
        ("status", finding.status.as_str()),
        ("account", &finding.account),
        ("region", &finding.region),
        ("title", &finding.title),
        ("guardrail", &guardrail),
        ("basis", if *basis == Basis::Settled { "settled" } else { "reported" }),
        ("gsi_account", &finding.account),
        ("gsi_rule", &finding.rule),
        ("gsi_status", &status),
        ("gsi_region", &finding.region),
        ("gsi_seen", &seen),
    ] {
        // The key of an index can't be empty: what has none isn't in that index.
        if !value.is_empty() {
            item.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
        }
    }
    let list = |texts: &[String]| AttributeValue::L(texts.iter().cloned().map(AttributeValue::S).collect());
    item.insert("principals".to_owned(), list(&finding.principals.shown));
    item.insert("units".to_owned(), list(units));
    item.insert("count".to_owned(), AttributeValue::N(finding.count.to_string()));
    Ok(item)
}

/// Whether a finding is one that somebody has to deal with.
#[must_use]
pub fn is_open(finding: &Finding) -> bool {
    finding.status == Status::Open
}
