//! Changes that can lead to no finding, to be set aside by whoever keeps an account's changes: most are of grants, keys, roles and log groups that no rule
//! looks at.
//!
//! Which those are depends on what the account and the organization have: the key of a guardrail that is made tomorrow may have been changed today. So what
//! was set aside stays set aside only while [`Audit::watched`](super::Audit::watched) is what it was then.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    options::AuditOptions,
    relevance::{Relevance, Watched},
    stages::resolve,
};
use crate::{
    change::{Change, ChangeKey},
    change_history::{self, guardrail_keys::GuardrailKeys},
    facts::{EvidenceRows, PackedChange},
    world::World,
};

/// Changes without which an audit comes to the same conclusions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetAside {
    /// The changes.
    pub changes: BTreeSet<ChangeKey>,
    /// The [`Audit::watched`](super::Audit::watched) for which this holds.
    pub watched: String,
}

/// The changes without which an audit of these facts comes to the same conclusions, also after further facts, as long as it watches the same.
#[must_use]
pub fn set_aside(mut facts: EvidenceRows, world: World, options: &AuditOptions<'_>) -> SetAside {
    facts.close();
    facts.changes.put_in_order(facts.texts.strings());
    let state = resolve(&facts, world);
    let (kept, texts) = (std::mem::take(&mut facts.changes), std::mem::take(&mut facts.texts));
    let strings = texts.strings();
    let stems: Vec<String> = options.configuration.auditor.stems().collect();
    let (relevance, _) = Relevance::of(&kept, strings, &state, &stems);
    let of_all = kept.iter(strings).filter(|listed| matches!(listed.operation().0, "organizations" | "cloudtrail"));
    let of_all: Vec<Change> = of_all.map(|listed| listed.to_change().1).collect();
    let stores = change_history::log_stores(&state, of_all.iter());
    let guardrail_keys = GuardrailKeys::of(&state);
    let watched = Watched { log_stores: &stores, guardrail_keys: &guardrail_keys, stems: &stems };
    // The first and the last change of each account and Region bound the times of which something is known, and the first one of each operation shows that
    // evidence is missing. Policies that allow something show that identities weren't read.
    let mut edges: BTreeMap<(&str, &str), (ChangeKey, ChangeKey)> = BTreeMap::new();
    let mut firsts: BTreeSet<(&str, &str, (&str, &str), bool)> = BTreeSet::new();
    let (mut aside, mut needed) = (BTreeSet::new(), BTreeSet::new());
    for listed in kept.iter(strings) {
        let of = (listed.account(), listed.region());
        let (key, change) = listed.to_change();
        edges.entry(of).or_insert_with(|| (key.clone(), key.clone())).1 = key.clone();
        let may_matter = change.effect.is_some() || is_relevant(&listed, &change, &relevance, watched);
        // One that matters itself doesn't show that evidence is missing.
        if may_matter || firsts.insert((of.0, of.1, listed.operation(), listed.mentions("\"Effect\""))) {
            needed.insert(key);
        } else {
            aside.insert(key);
        }
    }
    needed.extend(edges.into_values().flat_map(|(first, last)| [first, last]));
    // Of a record that was rewritten there are two versions under one key.
    let changes = aside.difference(&needed).cloned().collect();
    SetAside { changes, watched: relevance.watched(watched) }
}

fn is_relevant(listed: &PackedChange<'_>, change: &Change, relevance: &Relevance<'_>, watched: Watched<'_>) -> bool {
    relevance.is(listed)
        && (!Watched::is_of_many(listed) || listed.operation().1 == "PutBucketVersioning" || watched.may_name(listed, change))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{auditor::Selection, config::Configuration, timestamp::Timestamp};

    fn of_key(number: u64, operation: &str, principal: &str) -> (ChangeKey, Change) {
        let time = Timestamp::parse(&format!("2026-11-20T10:00:{number:02}Z")).unwrap();
        let change = json!({"service": "kms", "operation": operation, "account": "222233334444", "region": "us-east-1", "principal": principal,
            "parameters": {"keyId": format!("arn:aws:kms:us-east-1:222233334444:key/{number}")}});
        let key = ChangeKey { time, event_id: format!("{number:08x}-0000-4000-9000-000000000000"), account: "222233334444".to_owned() };
        (key, serde_json::from_value(change).unwrap())
    }

    fn set_aside_of(changes: &[(ChangeKey, Change)]) -> Vec<ChangeKey> {
        let mut facts = EvidenceRows::default();
        for (key, change) in changes {
            facts.add_change(key, change);
        }
        let now = Timestamp::parse("2026-11-21T00:00:00Z").unwrap();
        let (configuration, selection) = (Configuration::default(), Selection::default());
        let options = AuditOptions { configuration: &configuration, selection: &selection, now, threads: 1 };
        set_aside(facts, World::default(), &options).changes.into_iter().collect()
    }

    /// The first one of an operation shows that it isn't known which keys matter, and the last one until when anything is known.
    #[test]
    fn all_but_the_first_and_the_last_change_of_keys_are_set_aside() {
        let changes: Vec<_> = (0..5).map(|number| of_key(number, "DisableKey", "p")).collect();
        let keys: Vec<ChangeKey> = changes.iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(set_aside_of(&changes), keys[1..4]);
    }

    /// Whoever may rewrite a record must not have its first version set aside by the second.
    #[test]
    fn a_record_of_which_one_version_may_matter_is_not_set_aside() {
        let mut changes: Vec<_> = (0..5).map(|number| of_key(number, "DisableKey", "p")).collect();
        let (key, mut change) = of_key(2, "DeleteGuardrail", "p");
        change.service = "bedrock".to_owned();
        changes.push((key, change));
        let aside = set_aside_of(&changes);
        assert_eq!(aside, [changes[1].0.clone(), changes[3].0.clone()]);
    }
}
