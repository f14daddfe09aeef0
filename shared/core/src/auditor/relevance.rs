//! Selects the changes that rules are called with: an account can have millions of IAM changes, and few of them can lead to a finding.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    arn::{AccountId, Region},
    change::{Change, ChangeKey},
    change_history::guardrail_keys::GuardrailKeys,
    facts::{PackedChange, PackedChanges, Strings},
    identity::GUARDS,
    join::Selection,
    rules::{looks_like_evidence, store_of},
    world::State,
};

/// Accounts and Regions.
pub(super) type AccountRegions = BTreeSet<(AccountId, Region)>;

/// Decides which changes some rule can report. Most IAM changes are about roles and users without a policy on guardrails.
pub(super) struct Relevance<'m> {
    /// The text in the kept part of a policy document that demands or protects a guardrail. Other documents matter only for identities that
    /// have such a document too.
    guards: String,
    stems: &'m [String],
    /// The identities with a document that demands or protects a guardrail, by account. The names are written backwards: the file of an
    /// identity ends with its name, and a set is searched by beginnings.
    guarded: BTreeSet<(AccountId, String)>,
}

impl<'m> Relevance<'m> {
    /// Searches all changes for such documents. Also returns the accounts and Regions where a document that allows inference was written
    /// and the identities were not read, which is a blind spot.
    pub(super) fn of(kept: &PackedChanges, strings: &Strings, state: &State, stems: &'m [String]) -> (Self, AccountRegions) {
        let guarded = state.identities().map(|(account, entity)| (account.clone(), backwards(entity))).collect();
        let mut relevance = Relevance { guards: format!("\"{GUARDS}\":true"), stems, guarded };
        let mut blind = BTreeSet::new();
        for listed in kept.iter(strings).filter(|listed| listed.operation().0 == "iam") {
            if is_rare(&listed) || relevance.is_named_by(&listed) {
                let (_, change) = listed.to_change();
                relevance.guarded.extend(change.subject().map(|subject| (change.account.clone(), backwards(subject))));
            } else if listed.mentions("\"Effect\"") {
                let account_region = (AccountId::from(listed.account()), Region::from(listed.region()));
                if !blind.contains(&account_region) && !state.knows_identities_of(&account_region.0) {
                    blind.insert(account_region);
                }
            }
        }
        (relevance, blind)
    }

    pub(super) fn is(&self, listed: &PackedChange<'_>) -> bool {
        is_rare(listed) || self.is_named_by(listed) || (!self.guarded.is_empty() && self.is_concerned_by(listed))
    }

    /// A digest of all names by which changes are selected here and by [`Watched`].
    pub(super) fn watched(&self, watched: Watched<'_>) -> String {
        let guarded = self.guarded.iter().flat_map(|(account, name)| [&**account, name.as_str()]);
        let stems = self.stems.iter().map(String::as_str);
        let stores = watched.log_stores.iter().map(String::as_str);
        let keys = watched.guardrail_keys.short_names();
        let mut digest = Sha256::new();
        for (kind, names) in
            [("guarded", guarded.collect::<Vec<_>>()), ("stems", stems.collect()), ("stores", stores.collect()), ("keys", keys.collect())]
        {
            for name in std::iter::once(kind).chain(names) {
                // The length keeps one name from being taken for two.
                digest.update((name.len() as u64).to_le_bytes());
                digest.update(name);
            }
        }
        hex::encode(digest.finalize().iter().take(16).copied().collect::<Vec<u8>>())
    }

    fn is_named_by(&self, listed: &PackedChange<'_>) -> bool {
        [self.guards.as_str(), "BedrockAPIKey-"].iter().any(|text| listed.mentions(text))
            || self.stems.iter().any(|stem| listed.mentions(stem))
    }

    fn is_concerned_by(&self, listed: &PackedChange<'_>) -> bool {
        let (_, change) = listed.to_change();
        change.names().any(|name| {
            let from = (change.account.clone(), backwards(name));
            self.guarded.range(&from..).next().is_some_and(|(account, entity)| *account == from.0 && entity.starts_with(&from.1))
        })
    }
}

/// The keys, log groups and buckets that some rule looks at. A production account retires thousands of grants a day, and few of its keys
/// encrypt a guardrail or evidence.
#[derive(Clone, Copy)]
pub(super) struct Watched<'m> {
    pub(super) log_stores: &'m BTreeSet<String>,
    pub(super) guardrail_keys: &'m GuardrailKeys,
    pub(super) stems: &'m [String],
}

impl Watched<'_> {
    /// The changes of one account that some rule can report, unpacked. Of the others, one by each operation in each Region remains while it
    /// isn't known what is watched: it shows that the evidence for that is missing.
    pub(super) fn only(self, listed: Vec<PackedChange<'_>>, selection: &Selection) -> Vec<(ChangeKey, Change)> {
        let mut blind: BTreeSet<(&str, &str)> = BTreeSet::new();
        let watched = listed.into_iter().filter_map(|listed| {
            let (service, operation) = listed.operation();
            if !Self::is_of_many(&listed) || self.names_auditor(&listed) {
                return Some(with_document_as_text(listed.to_change()));
            }
            let (key, change) = listed.to_change();
            let is_missing = if service == "kms" { !self.guardrail_keys.knows_guardrails() } else { self.log_stores.is_empty() };
            let shows_it = is_missing && operation != "PutBucketVersioning" && selection.selects_time(Some(key.time));
            let is_kept = self.names_one(&change)
                || (is_missing && operation == "PutBucketVersioning")
                || (shows_it && blind.insert((listed.region(), operation)));
            is_kept.then_some((key, change))
        });
        watched.collect()
    }

    /// Whether a change is of a service in which accounts have many resources that no rule looks at.
    pub(super) fn is_of_many(listed: &PackedChange<'_>) -> bool {
        ["kms", "logs", "s3"].contains(&listed.operation().0)
    }

    /// Whether a change names something that is watched.
    pub(super) fn may_name(self, listed: &PackedChange<'_>, change: &Change) -> bool {
        self.names_auditor(listed) || self.names_one(change)
    }

    fn names_auditor(self, listed: &PackedChange<'_>) -> bool {
        self.stems.iter().any(|stem| listed.mentions(stem))
    }

    fn names_one(self, change: &Change) -> bool {
        let is_store = |store: &str| self.log_stores.contains(store) || looks_like_evidence(change, store);
        store_of(change).is_some_and(is_store) || self.guardrail_keys.may_be_named_by(change)
    }
}

/// The change with its policy document as a text, which takes a tenth of the memory of the parsed one.
fn with_document_as_text((key, mut change): (ChangeKey, Change)) -> (ChangeKey, Change) {
    if let Some(document) = change.parameters.get_mut("policyDocument").filter(|document| document.is_object()) {
        *document = Value::String(document.to_string());
    }
    (key, change)
}

fn backwards(name: &str) -> String {
    name.chars().rev().collect()
}

/// Whether a change is of a rare kind, which is always relevant: any but IAM's changes and attachments of policies.
fn is_rare(listed: &PackedChange<'_>) -> bool {
    let (service, operation) = listed.operation();
    service != "iam" || !operation.ends_with("Policy") && !operation.ends_with("PolicyVersion")
}
