//! `guardrail-audit snapshot`: reads the world of an organization, or of one account, into a folder.
//!
//! It reads with the caller's credentials, and in other accounts with a role. What can't be read is reported as missing and ends nothing.
//! Each answer is written at once, so that a run that was killed can be resumed.

mod journal;
mod writer;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use audit_core::{arn::partition_of, timestamp::Timestamp};
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use self::writer::Writer;
use crate::{
    aws::Aws,
    clock::Clock,
    error::{CallError, ErrorKind, failed},
    inventory::{Inventory, Policies},
    partition::AccountRegion,
    state::{AwsState, Question, ReadState},
};

/// What to read, and into which folder.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder.
    pub folder: PathBuf,
    /// The name of the role in other accounts, with its path if it has one.
    pub role: String,
    /// The Regions; none means those that are enabled in each account.
    pub regions: Vec<String>,
    /// The accounts; none means all of the organization.
    pub accounts: Vec<String>,
    /// Accounts and Regions that are read concurrently.
    pub at_once: usize,
}

/// The progress of a run, which other threads may read.
#[derive(Debug, Default)]
pub struct Progress {
    /// Answers that were read.
    pub pieces: AtomicU64,
    /// Answers that could not be read.
    pub missing: AtomicU64,
    /// Accounts and Regions that were read.
    pub account_regions_done: AtomicU64,
    /// Accounts and Regions in all, once that is known.
    pub account_regions: AtomicU64,
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The account whose credentials were used.
    pub account: String,
    /// When the unfinished run began that this one resumed.
    pub resumed: Option<Timestamp>,
    /// The counts of answers, by the first part of their paths in the world.
    pub read: BTreeMap<String, Count>,
    /// What could not be read, and why.
    pub missing: Vec<Missing>,
    /// Remarks for the reader.
    pub notes: Vec<String>,
}

/// The counts of one kind of answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Answers that differ from the latest snapshot.
    pub written: u64,
    /// Answers that the latest snapshot holds already.
    pub unchanged: u64,
    /// Answers that the resumed run had read.
    pub earlier: u64,
    /// Answers that there is no such thing, counted above as well.
    pub none: u64,
    /// Answers that were refused.
    pub denied: u64,
    /// Answers that failed for other reasons.
    pub failed: u64,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Missing {
    /// The stem of the snapshot, or what would have been listed.
    pub what: String,
    /// Whether permission was missing.
    pub denied: bool,
    /// The error.
    pub reason: String,
}

/// The reasons why a run ends without a result.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The credentials are missing or invalid.
    #[error("failed to find out whose credentials these are")]
    Identity(#[source] CallError),
    /// The folder is unusable.
    #[error("failed to use the folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// An answer could not be written.
    #[error("failed to keep what was read")]
    Write(#[source] CallError),
    /// A concurrent task was cancelled or panicked.
    #[error("failed to read an account and Region")]
    Worker(#[source] tokio::task::JoinError),
}

/// The Region to ask about Regions and organizations when none is configured.
const GLOBAL: &str = "us-east-1";

/// Reads everything.
pub async fn snapshot(aws: Arc<Aws>, options: &Options, progress: Arc<Progress>, clock: Clock) -> Result<Outcome, SnapshotError> {
    let own = identity(&aws).await.map_err(SnapshotError::Identity)?;
    let home = aws.region().unwrap_or(GLOBAL).to_owned();
    let aws = Arc::new(aws.in_region(&home));
    let writer = Writer::open(options, progress, clock)?;
    let writer = Arc::new(writer);
    let state = AwsState(Arc::clone(&aws));

    let organization = Inventory::new(&state, &*writer).organization(Policies::All).await.map_err(SnapshotError::Write)?;
    let accounts = accounts(&own, organization.as_ref(), &options.accounts, &writer);
    let mut roles = BTreeMap::new();
    for account in accounts {
        let of_account = if account == own {
            Some(Arc::clone(&aws))
        } else {
            let role = format!("arn:{}:iam::{account}:role/{}", partition_of(&home), options.role.trim_start_matches('/'));
            match assumed(&aws, &role, &home).await {
                Ok(aws) => Some(Arc::new(aws)),
                Err(error) => {
                    writer.missing(&format!("account {account}"), &error);
                    None
                }
            }
        };
        // The management account can read every effective policy; with other credentials, each account reads its own.
        let state = Either(&state, of_account.clone().filter(|_| account != own).map(AwsState));
        Inventory::new(&state, &*writer).effective_policy(&account).await.map_err(SnapshotError::Write)?;
        roles.extend(of_account.map(|aws| (account, aws)));
    }
    let mut account_regions = VecDeque::new();
    for (account, aws) in roles {
        for region in regions(&account, &aws, &home, &options.regions, &writer).await {
            account_regions.push_back((AccountRegion::new(account.as_str(), region.as_str()), Arc::new(aws.in_region(&region))));
        }
    }
    read_accounts_and_regions(account_regions, options.at_once, &writer).await?;
    writer.finish(own)
}

/// The account whose credentials these are.
pub(crate) async fn identity(aws: &Aws) -> Result<String, CallError> {
    let aws = aws.in_region(aws.region().unwrap_or(GLOBAL));
    let caller = aws.sts().get_caller_identity().send().await.map_err(failed("GetCallerIdentity"))?;
    caller.account.ok_or_else(|| CallError::new("GetCallerIdentity", ErrorKind::Refused, "the answer names no account"))
}

/// Clients with a role's credentials. The role is assumed at once, so that a wrong one is reported once and not with each request.
pub(crate) async fn assumed(aws: &Aws, role: &str, region: &str) -> Result<Aws, CallError> {
    let request = aws.sts().assume_role().role_arn(role).role_session_name("guardrail-audit");
    request.send().await.map_err(failed(format!("AssumeRole {role}")))?;
    Ok(aws.as_role(role, region).await)
}

fn accounts(own: &str, organization: Option<&Value>, wanted: &[String], writer: &Writer) -> BTreeSet<String> {
    if !wanted.is_empty() {
        return wanted.iter().cloned().collect();
    }
    let mut accounts = BTreeSet::from([own.to_owned()]);
    let mut inactive = 0;
    for account in organization.and_then(|organization| organization.get("Accounts")?.as_array()).into_iter().flatten() {
        let text = |key: &str| account.get(key).and_then(Value::as_str);
        // `State` replaces `Status` in newer answers.
        match (text("Id"), text("State").or(text("Status"))) {
            (Some(id), None | Some("ACTIVE")) => {
                accounts.insert(id.to_owned());
            }
            _ => inactive += 1,
        }
    }
    if inactive > 0 {
        writer.note(format!("accounts that are not active run no inference and were left out: {inactive}"));
    }
    accounts
}

/// The Regions of an account: those that the caller chose, or those that are enabled.
async fn regions(account: &str, aws: &Aws, home: &str, wanted: &[String], writer: &Writer) -> BTreeSet<String> {
    if !wanted.is_empty() {
        return wanted.iter().cloned().collect();
    }
    match enabled_regions(aws).await {
        Ok(regions) => regions,
        Err(error) => {
            writer.missing(&format!("Regions of {account} (only {home} was read; name others by --regions)"), &error);
            BTreeSet::from([home.to_owned()])
        }
    }
}

pub(crate) async fn enabled_regions(aws: &Aws) -> Result<BTreeSet<String>, CallError> {
    use aws_sdk_account::types::RegionOptStatus::{Enabled, EnabledByDefault};
    let (mut regions, mut token) = (BTreeSet::new(), None);
    loop {
        let request = aws.account().list_regions().region_opt_status_contains(Enabled).region_opt_status_contains(EnabledByDefault);
        let page = request.set_next_token(token).send().await.map_err(failed("ListRegions"))?;
        regions.extend(page.regions().iter().filter_map(|region| region.region_name().map(str::to_owned)));
        token = page.next_token;
        if token.is_none() {
            return Ok(regions);
        }
    }
}

async fn read_accounts_and_regions(
    account_regions: VecDeque<(AccountRegion, Arc<Aws>)>,
    at_once: usize,
    writer: &Arc<Writer>,
) -> Result<(), SnapshotError> {
    writer.progress.account_regions.store(account_regions.len() as u64, Ordering::Relaxed);
    let account_regions = Arc::new(Mutex::new(account_regions));
    let unreachable = Arc::new(Mutex::new(BTreeSet::new()));
    let mut workers = JoinSet::new();
    for _ in 0..at_once.max(1) {
        let (account_regions, unreachable, writer) = (Arc::clone(&account_regions), Arc::clone(&unreachable), Arc::clone(writer));
        workers.spawn(async move {
            loop {
                let next = locked(&account_regions).pop_front();
                let Some((account_region, aws)) = next else { return Ok(()) };
                let state =
                    Reachable { state: AwsState(aws), region: account_region.region.clone(), unreachable: Arc::clone(&unreachable) };
                Inventory::new(&state, &*writer).account_region(&account_region).await?;
                writer.progress.account_regions_done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.map_err(SnapshotError::Worker)?.map_err(SnapshotError::Write)?;
    }
    Ok(())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks with one identity, and if that one is refused, with the other.
struct Either<'s>(&'s AwsState, Option<AwsState>);

impl ReadState for Either<'_> {
    async fn read(&self, question: &Question) -> Result<Vec<u8>, CallError> {
        match (self.0.read(question).await, &self.1) {
            (Err(error), Some(other)) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Refused) => {
                other.read(question).await.map_err(|_| error)
            }
            (answer, _) => answer,
        }
    }
}

/// Asks a service in a Region no more after it didn't answer once: Bedrock isn't available in every Region, and each attempt would wait for
/// a timeout.
struct Reachable<S> {
    state: S,
    region: String,
    /// Services and Regions that didn't answer.
    unreachable: Arc<Mutex<BTreeSet<(&'static str, String)>>>,
}

impl<S: ReadState> ReadState for Reachable<S> {
    async fn read(&self, question: &Question) -> Result<Vec<u8>, CallError> {
        let service = match question {
            Question::Agents | Question::Agent(_) | Question::Flows | Question::Flow(_) => "Bedrock's agents",
            Question::Telemetry => "CloudTrail",
            _ => "Bedrock",
        };
        let key = (service, self.region.clone());
        if locked(&self.unreachable).contains(&key) {
            let reason = format!("{service} gave no answer in {}", self.region);
            return Err(CallError { answered: false, ..CallError::new("reach the service", ErrorKind::Refused, reason) });
        }
        let answer = self.state.read(question).await;
        if answer.as_ref().is_err_and(|error| !error.answered) {
            locked(&self.unreachable).insert(key);
        }
        answer
    }
}

impl Outcome {
    /// Whether everything that was asked for could be read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}
