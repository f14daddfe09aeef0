//! The KMS keys that guardrails are encrypted with, by key: an account can change its keys a hundred thousand times, and its guardrails too.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::{
    arn::{AccountId, Arn, GuardrailKey, Region, short},
    change::Change,
    world::State,
};

/// The request parameters that name a key or an alias.
const NAMES: [&str; 3] = ["keyId", "targetKeyId", "aliasName"];

/// The guardrails by the keys that known versions of them are encrypted with.
pub(crate) struct GuardrailKeys {
    /// The first guardrail of each key, with its position among all.
    encrypted: HashMap<KmsKey, (usize, GuardrailKey)>,
    /// The last parts of the keys' names.
    short: BTreeSet<String>,
    knows_guardrails: bool,
}

/// A key or an alias: its account, Region and name (`key/…` or `alias/…`).
#[derive(PartialEq, Eq, Hash)]
struct KmsKey {
    account: String,
    region: String,
    name: String,
}

impl KmsKey {
    fn named(text: &str, account: &AccountId, region: &Region) -> Self {
        let (account, region, name) = match Arn::parse(text) {
            Some(arn) => (arn.account, arn.region, arn.resource.to_owned()),
            None if text.contains('/') => (&**account, &**region, text.to_owned()),
            None => (&**account, &**region, format!("key/{text}")),
        };
        KmsKey { account: account.to_owned(), region: region.to_owned(), name }
    }
}

impl GuardrailKeys {
    pub(crate) fn of(state: &State) -> Self {
        let mut keys = GuardrailKeys { encrypted: HashMap::new(), short: BTreeSet::new(), knows_guardrails: false };
        for (position, (named, timeline)) in state.guardrails().enumerate() {
            keys.knows_guardrails = true;
            let contents = timeline.entries().filter_map(|(_, _, content)| content?.as_deref());
            for used in contents.filter_map(|content| content.attributes.get("KMS key")) {
                keys.short.insert(short(used).to_owned());
                let key = KmsKey::named(used, &named.key.account, &named.key.region);
                keys.encrypted.entry(key).or_insert_with(|| (position, named.key.clone()));
            }
        }
        keys
    }

    /// The names of which one has to be in a change that [may name](Self::may_be_named_by) a key.
    pub(crate) fn short_names(&self) -> impl Iterator<Item = &str> {
        self.short.iter().map(String::as_str)
    }

    /// Whether any guardrail is known. Otherwise no key can be told from that of a guardrail.
    pub(crate) fn knows_guardrails(&self) -> bool {
        self.knows_guardrails
    }

    /// The first guardrail that is encrypted with a key which the change names.
    pub(crate) fn encrypted_with(&self, change: &Change) -> Option<&GuardrailKey> {
        let named = names(change).map(|text| KmsKey::named(text, &change.account, &change.region));
        let first = named.filter_map(|key| self.encrypted.get(&key)).min_by_key(|(position, _)| *position);
        first.map(|(_, guardrail)| guardrail)
    }

    /// Whether a change may name the key of a guardrail: in whatever account and Region, a key has this name.
    pub(crate) fn may_be_named_by(&self, change: &Change) -> bool {
        names(change).any(|text| self.short.contains(short(text)))
    }
}

/// The keys and aliases that a change names, as it names them.
pub(crate) fn names(change: &Change) -> impl Iterator<Item = &str> {
    NAMES.iter().filter_map(|key| change.text(key))
}
