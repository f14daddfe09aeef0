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
    let mut aside: Vec<ChangeKey> = Vec::new();
    for listed in kept.iter(strings) {
        let of = (listed.account(), listed.region());
        let (key, change) = listed.to_change();
        edges.entry(of).or_insert_with(|| (key.clone(), key.clone())).1 = key.clone();
        let is_first = firsts.insert((of.0, of.1, listed.operation(), listed.mentions("\"Effect\"")));
        let may_matter = change.effect.is_some() || is_relevant(&listed, &change, &relevance, watched);
        if !is_first && !may_matter {
            aside.push(key);
        }
    }
    let edges: BTreeSet<ChangeKey> = edges.into_values().flat_map(|(first, last)| [first, last]).collect();
    let changes = aside.into_iter().filter(|key| !edges.contains(key)).collect();
    SetAside { changes, watched: relevance.watched(watched) }
}

fn is_relevant(listed: &PackedChange<'_>, change: &Change, relevance: &Relevance<'_>, watched: Watched<'_>) -> bool {
    relevance.is(listed)
        && (!Watched::is_of_many(listed) || listed.operation().1 == "PutBucketVersioning" || watched.may_name(listed, change))
}
