//! The hub as a person reads and runs it from a command line: its findings, its report, why a finding is as it is, and how it is doing. What is
//! changed, its own functions and queues change; nothing is written into tables or the bucket here.
//!
//! The template gives the tables and the bucket fixed names, so that account and Region are enough to find them
//! (docs/decisions/0026-hub-is-found-by-its-names.md). What can't be read of an item is counted with its address, and never left out in
//! silence.

mod functions;
pub mod pause;
pub mod queues;
pub mod redrive;
pub mod remake;
pub mod status;
pub mod tell_again;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use audit_core::{
    arn::is_account_id,
    finding::Finding,
    organization::Organization,
    report::{BlindRow, Report, Unreadable},
};

use crate::{
    at_once::at_once,
    aws::Aws,
    bucket::{Bucket as _, S3Bucket},
    clock::{Clock, hour_of},
    error::{CallError, ErrorKind},
    findings::Findings,
    fold::{Basis, Fold, Trust},
    folder::Folder,
    metrics::Metrics,
    observations::Observations,
    partition::AccountRegion,
    queue::MemoryQueue,
    report::{
        missing,
        page::{Parts, whole},
        sums::{CallSums, Days, Period},
    },
    settings::CONFIGURATION_KEY,
    snapshot::identity,
    world::{self, PREFIX},
};

/// The name of the table of findings in `template.yaml`.
pub const FINDINGS_TABLE: &str = "guardrail-audit-findings";

/// The name of the table of notes in `template.yaml`.
pub const NOTES_TABLE: &str = "guardrail-audit-notes";

/// The name of the table of observations in `template.yaml`.
pub const OBSERVATIONS_TABLE: &str = "guardrail-audit-observations";

/// Where the hub is, as far as it was said.
#[derive(Clone, Debug, Default)]
pub struct Address {
    /// The profile of the AWS configuration; `None` for what the environment says.
    pub profile: Option<String>,
    /// The hub's Region; `None` for the configured one.
    pub region: Option<String>,
    /// Its table of findings; `None` for [`FINDINGS_TABLE`].
    pub findings_table: Option<String>,
    /// Its table of notes; `None` for [`NOTES_TABLE`].
    pub notes_table: Option<String>,
    /// Its table of observations; `None` for [`OBSERVATIONS_TABLE`].
    pub observations_table: Option<String>,
    /// Its bucket; `None` for the one that the template names after account and Region.
    pub world_bucket: Option<String>,
}

/// Accounts that are asked for at once.
const AT_ONCE: usize = 16;

pub use functions::{FOLD_FINDINGS, SEND_ALERTS};

/// The hub.
#[derive(Debug)]
pub struct Hub {
    aws: Arc<Aws>,
    account: String,
    findings_table: String,
    observations_table: String,
    findings: Findings,
    bucket: S3Bucket,
    progress: Arc<Progress>,
}

/// How far the reading is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Accounts whose findings were read.
    pub accounts: AtomicU64,
    /// Accounts in all, once that is known.
    pub all: AtomicU64,
}

/// What was read, and the items that can't be.
#[derive(Clone, Debug)]
pub struct Read<T> {
    /// What was read.
    pub read: Vec<T>,
    /// The items that can't be read, by their address in the table.
    pub unreadable: Vec<Unreadable>,
}

impl<T> Read<T> {
    fn new() -> Self {
        Read { read: Vec::new(), unreadable: Vec::new() }
    }
}

impl Hub {
    /// Finds the hub, with credentials that only need to read.
    pub async fn open(address: Address) -> Result<Self, CallError> {
        let aws = Aws::of_person(address.profile.as_deref()).await;
        let Some(region) = address.region.or_else(|| aws.region().map(str::to_owned)) else {
            let how = "no Region is configured: set AWS_REGION, or name the hub's Region";
            return Err(CallError::new("find the hub", ErrorKind::Refused, how));
        };
        let aws = Arc::new(aws.in_region(&region));
        aws.require_credentials().await?;
        let account = identity(&aws).await?;
        let findings_table = address.findings_table.unwrap_or_else(|| FINDINGS_TABLE.to_owned());
        Ok(Hub {
            findings: Findings::new(Arc::clone(&aws), findings_table.clone())
                .with_notes(address.notes_table.unwrap_or_else(|| NOTES_TABLE.to_owned())),
            findings_table,
            observations_table: address.observations_table.unwrap_or_else(|| OBSERVATIONS_TABLE.to_owned()),
            bucket: S3Bucket::new(Arc::clone(&aws), address.world_bucket.unwrap_or_else(|| world_bucket(&account, &region))),
            aws,
            account,
            progress: Arc::default(),
        })
    }

    /// Where this is, for messages: the table, and the account and Region that it is looked for in.
    #[must_use]
    pub fn place(&self) -> String {
        format!("table {} in account {}, {}", self.findings_table, self.account, self.aws.region().unwrap_or_default())
    }

    /// How far reading is.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// All accounts and Regions that ever reported, or that the hub read.
    pub async fn account_regions(&self) -> Result<BTreeSet<AccountRegion>, CallError> {
        self.findings.account_regions().await
    }

    /// The organization as the hub read it last; `None` if it is an installation for one account.
    pub async fn organization(&self) -> Result<Option<Organization>, CallError> {
        world::organization(&self.bucket).await
    }

    /// The findings of these accounts, or those whose ids begin with `prefix`, in the order of reports.
    pub async fn findings(&self, accounts: BTreeSet<String>, prefix: Option<&str>) -> Result<Read<Finding>, CallError> {
        let mut found = Read::new();
        self.progress.all.store(accounts.len() as u64, Ordering::Relaxed);
        let read = |account: String| {
            let (findings, prefix) = (self.findings.clone(), prefix.map(str::to_owned));
            async move { findings.readable_of_account(&account, prefix.as_deref()).await }
        };
        at_once(AT_ONCE, accounts, read, |(mut stored, mut unreadable)| {
            found.read.extend(stored.drain(..).map(|stored| stored.finding));
            found.unreadable.append(&mut unreadable);
            self.progress.accounts.fetch_add(1, Ordering::Relaxed);
        })
        .await?;
        found.read.sort_by(Finding::order);
        found.unreadable.sort_unstable();
        Ok(found)
    }

    /// The evidence that is missing in these accounts.
    pub async fn blind(&self, accounts: BTreeSet<String>) -> Result<Read<BlindRow>, CallError> {
        let mut found = Read::new();
        let read = |account: String| {
            let findings = self.findings.clone();
            async move { findings.readable_blind(&account).await }
        };
        at_once(AT_ONCE, accounts, read, |rows| match rows {
            Ok(mut rows) => found.read.append(&mut rows),
            Err(why) => found.unreadable.push(why),
        })
        .await?;
        found.read.sort_unstable();
        Ok(found)
    }

    /// The report of these accounts and Regions, with these findings and blind spots of theirs: as the function `report` makes it.
    pub async fn report(
        &self,
        account_regions: BTreeSet<AccountRegion>,
        findings: Read<Finding>,
        blind: Read<BlindRow>,
        organization: Option<Organization>,
    ) -> Result<Report, CallError> {
        let unreadable = findings.unreadable.into_iter().chain(blind.unreadable).collect();
        let mut quarantined = self.findings.quarantined().await?;
        quarantined.retain(|(account, _)| account_regions.iter().any(|account_region| account_region.account == *account));
        let mut blind = blind.read;
        blind.extend(missing::unseen_calls(&quarantined, &account_regions));
        blind.sort_unstable();
        blind.dedup();
        let incomplete = missing::unjudged(&quarantined);
        // A person waits for as long as it takes, or ends the command.
        let never = Instant::now() + Duration::from_hours(24);
        let days = Days { now: hour_of(Clock::System.now()), are_made: false };
        let sums = CallSums::of(&self.findings, account_regions, Period::Day, (None, None), never, days).await?;
        Ok(whole(sums, Parts { findings: findings.read, blind, unreadable, organization, incomplete, now: Clock::System.now() }))
    }

    /// What the findings of an account rest on: its facts, the world and the configuration, each as far as the hub believes it.
    pub async fn basis(&self, account: &str) -> Result<Basis, CallError> {
        let organization = self.organization().await?;
        let management = organization.and_then(|organization| organization.management_account).map(|account| account.to_string());
        // Records without an account are kept under a name that is no id.
        let is_other = |of: &AccountRegion| is_account_id(&of.account) && of.account != self.account;
        let trust = Trust {
            // A hub that reads no organization is an installation for its own account.
            organization: management.is_some() || self.account_regions().await?.iter().any(is_other),
            hub_account: self.account.clone(),
            management_account: management,
            members_are_believed: false,
        };
        // The retention decides what is deleted and written, and nothing is here.
        let observations = Observations::new(Arc::clone(&self.aws), self.observations_table.clone(), 0);
        let metrics = Metrics::new(String::new(), "explain", Clock::System).silent();
        let (findings, queue, key) = (self.findings.clone(), MemoryQueue::default(), CONFIGURATION_KEY.to_owned());
        Fold::new(observations, findings, self.bucket.clone(), queue, key, trust, 0, metrics, Clock::System).basis(account).await
    }

    /// The files of the world, by their paths in it.
    pub async fn world_files(&self) -> Result<Vec<String>, CallError> {
        let listed = self.bucket.list(PREFIX).await?;
        Ok(listed.into_iter().filter_map(|listed| listed.key.strip_prefix(PREFIX).map(str::to_owned)).collect())
    }

    /// Copies the files of the world into a folder, byte for byte. Returns how many there are.
    pub async fn copy_world(&self, folder: &Folder) -> Result<usize, CallError> {
        let mut copied = 0;
        // Consoles write an object for a folder, whose name ends so.
        let files = self.world_files().await?.into_iter().filter(|path| !path.is_empty() && !path.ends_with('/'));
        let copy = |path: String| {
            let (bucket, folder) = (self.bucket.clone(), folder.clone());
            async move {
                let content = bucket.get(&format!("{PREFIX}{path}")).await?;
                let Some(content) = content else { return Ok(false) };
                folder.put(&path, content).await.map(|()| true)
            }
        };
        at_once(AT_ONCE, files, copy, |is_there| copied += usize::from(is_there)).await?;
        Ok(copied)
    }

    /// The content of a file of the world; `None` if it is gone.
    pub async fn world_file(&self, path: &str) -> Result<Option<Vec<u8>>, CallError> {
        self.bucket.get(&format!("{PREFIX}{path}")).await
    }
}

/// The name of the hub's bucket in `template.yaml`.
#[must_use]
pub fn world_bucket(account: &str, region: &str) -> String {
    format!("guardrail-audit-world-{account}-{region}")
}
