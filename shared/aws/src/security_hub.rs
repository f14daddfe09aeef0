//! `import-findings`: gives the findings to Security Hub, in the hub's own account and Region.
//!
//! The function takes the stream of findings beside `send-alerts`, and neither waits for the other. What Security Hub was given is kept
//! beside each finding ([`Imported`](crate::findings::Imported)), and a schedule compares all findings with it: so what failed, what was lost while nobody took the
//! stream, and what Security Hub would soon delete is imported again, and a run that was cut off goes on where it ended.
//!
//! The `UpdatedAt` of an import is the time before the finding was read. Security Hub ignores an import that isn't later than the one
//! before (docs/aws/prices-and-limits.md#security-hub), so that of two imports at once the one that read last holds.

mod client;
mod decision;
mod import;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use audit_core::report::Tool;
use audit_exports::asff::{Importer, MOST_FINDINGS};
use serde::Deserialize;

pub use self::client::SecurityHubClient;
use self::{
    decision::Occasion,
    import::{Done, Work},
};
use crate::{
    aws::Aws,
    clock::Clock,
    connections,
    error::{BoxError, CallError, chain},
    findings::Findings,
    metrics::Metrics,
    settings::Environment,
    stream::{StreamHandler, StreamRecord},
};

/// Requests that a schedule or a person sends.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// Import whatever differs from what Security Hub was given, and what it was given long ago.
    Import,
}

/// A finding that Security Hub didn't take.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Failure {
    /// Its `Id` in Security Hub.
    pub id: String,
    /// Why, as a word.
    pub error_code: String,
    /// Why, as a sentence.
    #[serde(default)]
    pub error_message: String,
}

/// What people, or the hub, have set beside a finding in Security Hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct There {
    /// The status of its workflow.
    pub status: Option<String>,
    /// The text of its note.
    pub note: Option<String>,
}

/// A change of what is set beside findings in Security Hub.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Update {
    /// The new status of the workflow.
    pub status: &'static str,
    /// The text of the new note.
    pub note: String,
}

/// The operations of Security Hub.
pub trait SecurityHub: Send + Sync {
    /// `BatchImportFindings`, with the JSON of a request. Returns the findings that failed.
    fn import(&self, request: String) -> impl Future<Output = Result<Vec<Failure>, CallError>> + Send;
    /// `GetFindings`: what is set beside these findings, at most [`MOST_LOOKED_AT`], by id. A finding that it doesn't have is absent.
    fn look(&self, ids: &[String]) -> impl Future<Output = Result<BTreeMap<String, There>, CallError>> + Send;
    /// `BatchUpdateFindings`. Returns the findings that failed.
    fn update(&self, ids: &[String], update: &Update) -> impl Future<Output = Result<Vec<Failure>, CallError>> + Send;
}

/// Values that a filter of `GetFindings` takes for a field at most (docs/aws/prices-and-limits.md#security-hub).
pub const MOST_LOOKED_AT: usize = 20;

/// Gives findings to Security Hub.
#[derive(Debug)]
pub struct ImportFindings<S> {
    findings: Findings,
    hub: S,
    importer: Importer,
    tool: Tool,
    metrics: Metrics,
    clock: Clock,
}

impl ImportFindings<SecurityHubClient> {
    /// Makes the function from its environment variables.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let table = environment.required("FINDINGS_TABLE")?;
        let notes = environment.required("NOTES_TABLE")?;
        let account = environment.account("HUB_ACCOUNT")?;
        let region = environment.optional("HUB_REGION").map_or_else(|| environment.region(), Ok)?;
        let namespace = environment.parsed("METRICS_NAMESPACE", "GuardrailAudit".to_owned())?;
        let aws = Arc::new(Aws::from_environment().await.in_region(&region));
        connections::open_to_dynamodb(&aws).await;
        let hub = SecurityHubClient::new(&aws, &account)?;
        let metrics = Metrics::new(namespace, "import-findings", Clock::System);
        Ok(Self::new(Findings::new(aws, table).with_notes(notes), hub, Importer::AccountRegion { account, region }, metrics, Clock::System))
    }
}

impl<S: SecurityHub> ImportFindings<S> {
    /// Imports these findings as this importer.
    pub fn new(findings: Findings, hub: S, importer: Importer, metrics: Metrics, clock: Clock) -> Self {
        let tool = Tool { name: "guardrail-audit".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        ImportFindings { findings, hub, importer, tool, metrics, clock }
    }

    /// Imports whatever differs from what Security Hub was given, account by account. After a time it begins nothing more. Returns the number
    /// of accounts that are left: the next run passes over what was imported in this one.
    pub async fn import_all(&self, until: Instant) -> Result<usize, CallError> {
        let accounts: BTreeSet<String> = self.findings.account_regions().await?.into_iter().map(|region| region.account).collect();
        let mut accounts = accounts.into_iter();
        let (mut waiting, mut at) = (Vec::new(), self.clock.now());
        loop {
            let account = accounts.next();
            if let Some(account) = &account {
                if waiting.is_empty() {
                    at = self.clock.now();
                }
                waiting.extend(self.works_of(account).await?.into_iter().filter(|work| work.is_due(at)));
            }
            // Accounts with few findings share a request.
            while waiting.len() >= MOST_FINDINGS || (account.is_none() && !waiting.is_empty()) {
                let some: Vec<Work> = waiting.drain(..waiting.len().min(MOST_FINDINGS)).collect();
                let done = self.import(&some, at, Occasion::Schedule).await;
                self.count(&done);
                if let Some(error) = done.error {
                    return Err(error);
                }
                if Instant::now() >= until {
                    return Ok(accounts.len() + usize::from(!waiting.is_empty()));
                }
            }
            if account.is_none() {
                return Ok(0);
            }
        }
    }

    async fn works_of(&self, account: &str) -> Result<Vec<Work>, CallError> {
        let current = self.findings.of_account(account).await?;
        let mut before = self.findings.imported_of(account).await?;
        let mut works = Vec::new();
        for (id, stored) in current {
            let before = before.remove(&id);
            works.push(Work { account: account.to_owned(), id, current: Some(stored.finding), before });
        }
        works.extend(before.into_iter().map(|(id, before)| Work { account: account.to_owned(), id, current: None, before: Some(before) }));
        Ok(works)
    }

    async fn work(&self, account: &str, id: &str) -> Result<Work, CallError> {
        let current = self.findings.get(account, id).await?.map(|stored| stored.finding);
        let before = self.findings.imported(account, id).await?;
        Ok(Work { account: account.to_owned(), id: id.to_owned(), current, before })
    }

    fn count(&self, done: &Done) {
        self.metrics.emit(&[("imported", done.imported), ("refused", done.refused)]);
    }
}

/// Whether a record changes the finding of an item, and not only what the table adds to it.
fn changes_a_finding(record: &StreamRecord) -> bool {
    record.pk().starts_with("FINDINGS#") && record.old.get("finding") != record.new.get("finding")
}

impl<S: SecurityHub> StreamHandler for ImportFindings<S> {
    type Request = Request;

    async fn take_until(&self, records: &[StreamRecord], enough: Instant) -> Option<String> {
        let at = self.clock.now();
        let (mut works, mut sequences, mut left) = (Vec::new(), Vec::new(), None);
        for record in records.iter().filter(|record| changes_a_finding(record)) {
            if !works.is_empty() && Instant::now() >= enough {
                left = Some(record.sequence.clone());
                break;
            }
            let (account, id) = (record.pk().trim_start_matches("FINDINGS#"), record.sk());
            sequences.push((id, &record.sequence));
            if works.iter().any(|work: &Work| work.id == id) {
                continue;
            }
            // The finding as it stands now decides, not the one in the record: the stream may deliver a record again, and late.
            match self.work(account, id).await {
                Ok(work) => works.push(work),
                Err(error) => {
                    tracing::error!(error = chain(&error), "a finding could not be read");
                    return sequences.first().map(|(_, sequence)| (*sequence).clone());
                }
            }
        }
        let done = self.import(&works, at, Occasion::Change).await;
        self.count(&done);
        if let Some(error) = &done.error {
            tracing::error!(error = chain(error), "findings could not be imported into Security Hub");
        }
        let failed = sequences.into_iter().find(|(id, _)| done.failed.contains(*id)).map(|(_, sequence)| sequence.clone());
        failed.or(left)
    }

    async fn carry_out(&self, request: Request, enough: Instant) -> Result<(), BoxError> {
        match request {
            Request::Import => {
                let left = self.import_all(enough).await?;
                tracing::info!(left, "compared the findings with what Security Hub was given; accounts are left for the next run");
            }
        }
        Ok(())
    }
}
