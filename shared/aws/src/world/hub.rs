//! The world as the hub keeps it in S3: read from bundles, and from the folder what these lack.
//!
//! INVARIANT: the folder `world/` decides. A fold lists it first, and takes a file from a bundle only in the version that is listed. So a bundle that is
//! lost, damaged, behind, or written by two folds at once changes what is read from where, and never what is judged by.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use audit_core::{organization::Organization, world::World};

use super::{
    PREFIX, add,
    bundle::{Bundle, Etags},
    recent::{Held, Recent},
};
use crate::{
    at_once::at_once,
    bucket::{Bucket, ListedObject},
    error::{self, CallError, chain},
};

/// The prefix of bundles in the hub's bucket.
pub const BUNDLES: &str = "bundles/";

/// Requests to S3 that are made at once.
const AT_ONCE: usize = 16;

/// Files that are read one by one by an instance that holds others. If there are more, the bundle is read, and if that lacks more, it is written anew.
const FEW: usize = 16;

/// Bytes of files that are read one by one before the bundle is written anew, however few they are. Of an organization with a thousand accounts each reading
/// has a hundred thousand.
const MUCH: usize = 128 << 10;

/// Files that are in memory as a whole while they are put into a bundle.
const READ_AT_ONCE: usize = 128;

/// The folders of the world whose files lie in folders of accounts.
const OF_ACCOUNTS: [&str; 9] =
    ["enforced-configurations", "guardrails", "inference-profiles", "telemetry", "agents", "flows", "resource-policies", "iam", "metrics"];

/// The folders of the world with files that are named after accounts.
const NAMED_AFTER_ACCOUNTS: [&str; 2] = ["effective-policies", "invalid-policies"];

/// Whether bundles are written that lack much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bundling {
    /// They are.
    Renewing,
    /// Nothing is written.
    ReadOnly,
}

/// The world as the hub keeps it in S3.
#[derive(Debug)]
pub struct HubWorld<B>(Arc<Files<B>>);

#[derive(Debug)]
struct Files<B> {
    bucket: Arc<B>,
    recent: Recent,
    /// The world of the organization's files, as they were listed last. All accounts are judged by it.
    organization: Mutex<Option<Arc<OfOrganization>>>,
}

/// What the files of the organization say.
#[derive(Debug)]
struct OfOrganization {
    listed: Etags,
    world: World,
    latest: Option<Organization>,
}

/// Files that are bundled together, and those of them that are wanted.
#[derive(Clone, Debug)]
struct Scope {
    /// What it is remembered by.
    name: String,
    /// The key of its bundle.
    bundle: String,
    /// Whether it is all that belongs into the bundle.
    is_whole: bool,
    /// How the paths of its files begin.
    prefixes: Vec<String>,
}

impl Scope {
    /// The organization and its policies, and the guardrails and trails of the account that manages it, which concern every account.
    fn organization(management: Option<&str>) -> Self {
        let mut prefixes = vec!["organization".to_owned(), "policies/".to_owned()];
        prefixes.extend(management.iter().flat_map(|management| [format!("guardrails/{management}/"), format!("telemetry/{management}/")]));
        let bundle = format!("{BUNDLES}organization");
        Scope { name: bundle.clone(), bundle, is_whole: true, prefixes }
    }

    /// All that an account's own files say.
    fn account(account: &str) -> Self {
        let mut prefixes: Vec<String> = OF_ACCOUNTS.iter().map(|kind| format!("{kind}/{account}/")).collect();
        prefixes.extend(NAMED_AFTER_ACCOUNTS.iter().map(|kind| format!("{kind}/{account}")));
        let bundle = Self::bundle_of(account);
        Scope { name: bundle.clone(), bundle, is_whole: true, prefixes }
    }

    /// What is enforced in an account, for the findings of another one.
    fn enforced_in(account: &str) -> Self {
        let prefix = format!("enforced-configurations/{account}/");
        Scope { name: prefix.clone(), bundle: Self::bundle_of(account), is_whole: false, prefixes: vec![prefix] }
    }

    fn bundle_of(account: &str) -> String {
        format!("{BUNDLES}accounts/{account}")
    }
}

/// Whether a path belongs to a prefix. The prefix `effective-policies/1` also matches other accounts' names.
fn belongs(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| prefix.ends_with('/') || rest.starts_with(['.', '@']))
}

/// The account in a path.
fn account_in(path: &str) -> Option<&str> {
    let (kind, rest) = path.split_once('/')?;
    if NAMED_AFTER_ACCOUNTS.contains(&kind) { rest.split(['.', '@']).next() } else { rest.split('/').next() }
}

impl<B: Bucket> HubWorld<B> {
    /// The world in this bucket.
    pub fn new(bucket: B) -> Self {
        HubWorld(Arc::new(Files { bucket: Arc::new(bucket), recent: Recent::default(), organization: Mutex::default() }))
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &B {
        &self.0.bucket
    }

    /// The world that bears on an account, and the organization as it was read last: by the files of the account, the organization's, those of the
    /// management account's guardrails and trails, and the enforced configurations of `others`, whose changes concern the account. The management
    /// account gets all files, because its findings may be about any account.
    pub async fn of(
        &self,
        account: &str,
        management: Option<&str>,
        others: &BTreeSet<String>,
        bundling: Bundling,
    ) -> Result<(World, Option<Organization>), CallError> {
        let everything = management.is_none_or(|management| management == account);
        let listing = async {
            if everything {
                return self.0.list_accounts().await;
            }
            let others = others.iter().filter(|other| other.as_str() != account).map(|other| Scope::enforced_in(other));
            self.0.list([Scope::account(account)].into_iter().chain(others)).await
        };
        let (organization, scopes) = tokio::join!(self.0.organization(management, bundling), listing);
        let organization = organization?;
        let mut world = organization.world.clone();
        let read = |(scope, listed): (Scope, Etags)| {
            let files = Arc::clone(&self.0);
            async move { files.held(&scope, &listed, bundling).await }
        };
        at_once(AT_ONCE, scopes?, read, |held| held.bundle.each(|path, _, json| add(&mut world, path, json))).await?;
        Ok((world, organization.latest.clone()))
    }

    /// The organization as it was read last; `None` if none was, or if what was read can't be used.
    pub async fn organization(&self, management: Option<&str>) -> Result<Option<Organization>, CallError> {
        Ok(self.0.organization(management, Bundling::Renewing).await?.latest.clone())
    }

    /// The accounts that belong to the organization, or did so at any reading.
    pub async fn accounts_ever(&self, management: Option<&str>) -> Result<BTreeSet<String>, CallError> {
        let organization = self.0.organization(management, Bundling::Renewing).await?;
        let read = organization.world.organization_readings();
        Ok(read.flat_map(|(_, organization)| organization.accounts.keys()).map(ToString::to_string).collect())
    }
}

impl<B: Bucket> Files<B> {
    /// What the files of the organization say now.
    async fn organization(self: &Arc<Self>, management: Option<&str>, bundling: Bundling) -> Result<Arc<OfOrganization>, CallError> {
        let scope = Scope::organization(management);
        let listed = self.list([scope.clone()]).await?.pop().map(|(_, listed)| listed).unwrap_or_default();
        let known = self.organization.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| known.listed == listed) {
            return Ok(known);
        }
        let held = self.held(&scope, &listed, bundling).await?;
        let mut world = World::default();
        held.bundle.each(|path, _, json| add(&mut world, path, json));
        let latest = world.latest_organization().cloned();
        let read = Arc::new(OfOrganization { listed, world, latest });
        *self.organization.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&read));
        Ok(read)
    }

    /// The files of scopes, as they are listed now.
    async fn list(self: &Arc<Self>, scopes: impl IntoIterator<Item = Scope>) -> Result<Vec<(Scope, Etags)>, CallError> {
        let mut listed: Vec<(Scope, Etags)> = scopes.into_iter().map(|scope| (scope, Etags::new())).collect();
        let prefixes = listed.iter().enumerate();
        let prefixes: Vec<(usize, String)> =
            prefixes.flat_map(|(index, (scope, _))| scope.prefixes.iter().map(move |prefix| (index, prefix.clone()))).collect();
        self.list_prefixes(prefixes, |index, path, etag| {
            if let Some((_, files)) = listed.get_mut(index) {
                files.insert(path, etag);
            }
        })
        .await?;
        Ok(listed)
    }

    /// The files of all accounts, as they are listed now.
    async fn list_accounts(self: &Arc<Self>) -> Result<Vec<(Scope, Etags)>, CallError> {
        let kinds = OF_ACCOUNTS.into_iter().chain(NAMED_AFTER_ACCOUNTS).map(|kind| (0, format!("{kind}/"))).collect();
        let mut of_accounts: BTreeMap<String, Etags> = BTreeMap::new();
        self.list_prefixes(kinds, |_, path, etag| {
            if let Some(account) = account_in(&path) {
                of_accounts.entry(account.to_owned()).or_default().insert(path, etag);
            }
        })
        .await?;
        Ok(of_accounts.into_iter().map(|(account, listed)| (Scope::account(&account), listed)).collect())
    }

    /// Hands over the path and ETag of each file below prefixes, with the number that its prefix came with.
    async fn list_prefixes(
        self: &Arc<Self>,
        prefixes: Vec<(usize, String)>,
        mut take: impl FnMut(usize, String, String),
    ) -> Result<(), CallError> {
        let list = |(index, prefix): (usize, String)| {
            let bucket = Arc::clone(&self.bucket);
            async move { Ok((index, bucket.list(&format!("{PREFIX}{prefix}")).await?, prefix)) }
        };
        at_once(AT_ONCE, prefixes, list, |(index, listed, prefix)| {
            for ListedObject { key, etag } in listed {
                if let Some(path) = key.strip_prefix(PREFIX).filter(|path| belongs(path, &prefix)) {
                    take(index, path.to_owned(), etag);
                }
            }
        })
        .await
    }

    /// The files of a scope that are listed: as this instance has them, as the bundle has them, and for the rest as the folder has them.
    async fn held(&self, scope: &Scope, listed: &Etags, bundling: Bundling) -> Result<Arc<Held>, CallError> {
        let mut held = self.recent.get(&scope.name).unwrap_or_default();
        let mut lacking = held.bundle.lacks(listed);
        let holds_nothing = held.bundle.len() == 0 && lacking.len() > 1;
        if (lacking.len() > FEW || holds_nothing)
            && let Some(bundle) = self.stored(&scope.bundle).await
        {
            let stored_lacks = bundle.lacks(listed);
            if stored_lacks.len() < lacking.len() {
                (held, lacking) = (Arc::new(Held { bundle, ..Held::default() }), stored_lacks);
            }
        }
        if !lacking.is_empty() || held.bundle.len() != listed.len() {
            held = Arc::new(self.renewed(&held, listed, lacking).await?);
        }
        let is_behind = held.unstored > FEW || held.unstored_bytes > MUCH;
        if bundling == Bundling::Renewing && scope.is_whole && is_behind && self.store(&scope.bundle, &held.bundle).await {
            held = Arc::new(Held { bundle: held.bundle.clone(), ..Held::default() });
        }
        self.recent.put(&scope.name, &held);
        Ok(held)
    }

    /// What is held, without what isn't listed any more, and with what it was lacking.
    async fn renewed(&self, held: &Held, listed: &Etags, lacking: Vec<(String, String)>) -> Result<Held, CallError> {
        let gone = (held.bundle.len() + lacking.len()).saturating_sub(listed.len());
        let unstored = held.unstored + lacking.len() + gone;
        let mut unstored_bytes = held.unstored_bytes;
        let mut bundle = held.bundle.renewed(listed, BTreeMap::new());
        for some in lacking.chunks(READ_AT_ONCE) {
            let mut read = BTreeMap::new();
            let get = |(path, etag): (String, String)| {
                let bucket = Arc::clone(&self.bucket);
                async move {
                    let object = ListedObject { key: format!("{PREFIX}{path}"), etag };
                    Ok((path, bucket.get_listed(&object).await?, object.etag))
                }
            };
            at_once(AT_ONCE, some.iter().cloned(), get, |(path, content, etag)| {
                if let Some(content) = content {
                    unstored_bytes += content.len();
                    read.insert(path, (etag, content));
                }
            })
            .await?;
            bundle = bundle.renewed(listed, read);
        }
        Ok(Held { bundle, unstored, unstored_bytes })
    }

    /// The stored bundle; `None` if there is none that can be used. The folder has all that it has.
    async fn stored(&self, key: &str) -> Option<Bundle> {
        let object = match self.bucket.get(key).await {
            Ok(object) => object?,
            Err(error) => {
                error::warn("a bundle of the world could not be read, and its files are read one by one", &error);
                return None;
            }
        };
        let unpacked = Bundle::unpack(&object);
        unpacked.inspect_err(|error| tracing::warn!(key, problem = chain(error), "a bundle of the world is made again")).ok()
    }

    /// Writes a bundle. Whether that was possible; if not, files are read one by one.
    async fn store(&self, key: &str, bundle: &Bundle) -> bool {
        let packed = bundle.pack().inspect_err(|error| error::warn("a bundle of the world could not be made", error));
        let Ok(packed) = packed else { return false };
        let written = self.bucket.put(key, packed).await;
        written.inspect_err(|error| error::warn("a bundle of the world could not be written", error)).is_ok()
    }
}
