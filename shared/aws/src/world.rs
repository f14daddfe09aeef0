//! The world, as an account's auditor reads it for itself, and as the hub keeps it in S3.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use audit_core::{
    organization::Organization,
    timestamp::Timestamp,
    world::{SnapshotPath, World},
};
use tokio::sync::Mutex;

use crate::{
    bucket::Bucket,
    clock::Clock,
    error::{self, BoxError, CallError, ErrorKind},
    partition::AccountRegion,
    state::{Question, ReadState},
};

/// Seconds after which an auditor reads its account's state again.
const FRESH_SECONDS: i64 = 5 * 60;

/// The state of its own account as an auditor reads it. What it can't read is not known.
#[derive(Debug)]
pub struct OwnWorld<S> {
    state: S,
    clock: Clock,
    read: Mutex<BTreeMap<AccountRegion, (Timestamp, World)>>,
}

impl<S: ReadState> OwnWorld<S> {
    /// A world that is read through `state`.
    pub fn new(state: S, clock: Clock) -> Self {
        OwnWorld { state, clock, read: Mutex::new(BTreeMap::new()) }
    }

    /// The world of an account and Region as it is now.
    pub async fn of(&self, account_region: &AccountRegion) -> World {
        let now = self.clock.now();
        let mut read = self.read.lock().await;
        if let Some((read_at, world)) = read.get(account_region)
            && now < read_at.plus_seconds(FRESH_SECONDS)
        {
            return world.clone();
        }
        let mut world = World::default();
        let AccountRegion { account, region } = account_region;
        for (question, path) in [
            (Question::EffectivePolicy(account.clone()), format!("effective-policies/{account}.json")),
            (Question::EnforcedConfigurations, format!("enforced-configurations/{account}/{region}.json")),
        ] {
            match self.state.read(&question).await {
                Ok(json) => add(&mut world, &path, &json),
                Err(error) => error::warn("state could not be read", &error),
            }
        }
        read.insert(account_region.clone(), (now, world.clone()));
        world
    }
}

fn add(world: &mut World, path: &str, json: &[u8]) {
    let Some(at) = SnapshotPath::parse(path) else {
        // The folder may hold other objects as well.
        return tracing::debug!(path, "no snapshot");
    };
    if let Err(error) = world.add(&at, json) {
        tracing::warn!(path, error = crate::error::chain(&error), "a file of the world could not be used");
    }
}

/// The prefix of the world in its bucket.
pub const PREFIX: &str = "world/";

/// A file of the world: its path and its content.
pub type File = (String, Arc<[u8]>);

/// An object's ETag and content.
type Cached = (String, Arc<[u8]>);

/// The world as the hub keeps it in S3. An object is read again only when its ETag changes.
#[derive(Debug)]
pub struct HubWorld<B> {
    bucket: B,
    objects: Mutex<BTreeMap<String, Cached>>,
}

impl<B: Bucket> HubWorld<B> {
    /// The world in this bucket.
    pub fn new(bucket: B) -> Self {
        HubWorld { bucket, objects: Mutex::new(BTreeMap::new()) }
    }

    /// The files that bear on an account, by path: its own, the organization's, those of the management account's guardrails and trails,
    /// and the enforced configurations of `others`, whose changes concern the account. The management account gets all files, because its
    /// findings may be about any account.
    pub async fn files_of(&self, account: &str, management: Option<&str>, others: &BTreeSet<String>) -> Result<Vec<File>, CallError> {
        let Some(management) = management.filter(|management| *management != account) else {
            return self.files(&[String::new()]).await;
        };
        let of_account = [
            "enforced-configurations",
            "guardrails",
            "inference-profiles",
            "telemetry",
            "agents",
            "flows",
            "resource-policies",
            "iam",
            "metrics",
        ];
        let mut prefixes: Vec<String> = of_account.iter().map(|kind| format!("{kind}/{account}/")).collect();
        prefixes.extend(["organization".to_owned(), "policies/".to_owned()]);
        prefixes.extend(["effective-policies", "invalid-policies"].map(|kind| format!("{kind}/{account}")));
        prefixes.extend([format!("guardrails/{management}/"), format!("telemetry/{management}/")]);
        prefixes.extend(others.iter().map(|other| format!("enforced-configurations/{other}/")));
        self.files(&prefixes).await
    }

    /// The files whose paths begin with one of these prefixes.
    pub async fn files(&self, prefixes: &[String]) -> Result<Vec<File>, CallError> {
        let mut files = Vec::new();
        let mut objects = self.objects.lock().await;
        for prefix in prefixes {
            let full = format!("{PREFIX}{prefix}");
            let listed = self.bucket.list(&full).await?;
            let present: BTreeSet<&str> = listed.iter().map(|listed| listed.key.as_str()).collect();
            objects.retain(|key, _| !key.starts_with(&full) || present.contains(key.as_str()));
            for listed in listed {
                let path = listed.key.strip_prefix(PREFIX).unwrap_or(&listed.key).to_owned();
                // The prefix `effective-policies/1` also matches other accounts' names.
                if !path
                    .strip_prefix(prefix.as_str())
                    .is_some_and(|rest| prefix.is_empty() || prefix.ends_with('/') || rest.starts_with(['.', '@']))
                {
                    continue;
                }
                match objects.get(&listed.key) {
                    Some((etag, content)) if *etag == listed.etag => files.push((path, Arc::clone(content))),
                    _ => {
                        if let Some(content) = self.bucket.get(&listed.key).await? {
                            let content: Arc<[u8]> = content.into();
                            objects.insert(listed.key, (listed.etag, Arc::clone(&content)));
                            files.push((path, content));
                        }
                    }
                }
            }
        }
        Ok(files)
    }

    /// The bucket.
    pub fn bucket(&self) -> &B {
        &self.bucket
    }
}

/// The organization as the hub read it last; `None` if it reads none.
pub(crate) async fn organization(bucket: &impl Bucket) -> Result<Option<Organization>, CallError> {
    let prefix = format!("{PREFIX}organization");
    let is_reading = |key: &String| key.strip_prefix(&prefix).is_some_and(|rest| rest.starts_with(['.', '@']));
    let listed = bucket.list(&prefix).await?;
    let Some(latest) = listed.into_iter().map(|listed| listed.key).filter(is_reading).max() else { return Ok(None) };
    let Some(json) = bucket.get(&latest).await? else { return Ok(None) };
    let failed = |error: BoxError| CallError::new(format!("read {latest}"), ErrorKind::Refused, error);
    let value = serde_json::from_slice(&json).map_err(|error| failed(error.into()))?;
    Organization::from_json(&value).map(Some).map_err(|error| failed(error.into()))
}

/// The world of these files. A file that can't be used is logged, and its state is not known.
#[must_use]
pub fn world_of<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> World {
    let mut world = World::default();
    for (path, json) in files {
        add(&mut world, path, json);
    }
    world
}
