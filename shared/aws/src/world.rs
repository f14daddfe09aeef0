//! The world, as an account's auditor reads it for itself, and as the hub keeps it in S3.

mod bundle;
mod hub;
mod recent;

use std::collections::BTreeMap;

use audit_core::{
    organization::Organization,
    timestamp::Timestamp,
    world::{SnapshotPath, World},
};
use tokio::sync::Mutex;

pub use self::hub::{BUNDLES, Bundling, HubWorld};
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

/// Adds a file to a world. If it can't be used, that is logged, and its state is not known.
pub(crate) fn add(world: &mut World, path: &str, json: &[u8]) {
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
