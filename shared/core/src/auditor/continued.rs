//! Audits that continue earlier ones: of the calls that were judged before, they take the aggregates and not the records.
//!
//! The result is that of one audit over all records. So that it is, whoever stores the aggregates gives
//!
//! * the new records only, without copies of earlier ones;
//! * all changes, the earlier ones too, and the whole world;
//! * no aggregate whose account and Region got a record of an earlier request, unless that request still waits for records
//!   ([`StoredAggregate::waiting_requests`](super::StoredAggregate::waiting_requests)): its records are given instead.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    aggregate::{RestoredAggregate, StoredAggregates},
    options::AuditOptions,
    stages::{Audit, Earlier, Ordered, Resolved, Shared, check_changes, conclude, judge, latest_changes, resolve},
};
use crate::{
    arn::{AccountId, Region},
    facts::EvidenceRows,
    join::Selection,
    world::{State, World},
};

/// The result of an audit that continues earlier ones.
#[derive(Clone, Debug, Default)]
pub struct Continued {
    /// The audit of all records.
    pub audit: Audit,
    /// The aggregates to store, of the accounts and Regions where they changed.
    pub aggregates: StoredAggregates,
}

/// Audits new records and the aggregates of earlier ones. Everything is selected, whatever the options say.
///
/// An aggregate can turn out to be of no use: a change of state was dated back to between its calls, or the configuration names another role
/// for heartbeats. Then `records_of` is called, once, with the accounts and Regions that this is so for. It has to add all of their records,
/// the new ones too.
pub fn continue_audit<E>(
    earlier: StoredAggregates,
    mut facts: EvidenceRows,
    world: World,
    options: &AuditOptions<'_>,
    records_of: impl FnOnce(&BTreeSet<(AccountId, Region)>, &mut EvidenceRows) -> Result<(), E>,
) -> Result<Continued, E> {
    let everything = Selection::default();
    let options = AuditOptions { selection: &everything, ..*options };
    let mut unusable = BTreeSet::new();
    let mut restored = BTreeMap::new();
    for (of, stored) in earlier {
        match stored.restore(&mut facts.texts) {
            Some(aggregate) => drop(restored.insert(of, aggregate)),
            None => drop(unusable.insert(of)),
        }
    }
    let duplicates = facts.changes.put_in_order(facts.texts.strings());
    let state = resolve(&facts, world);
    unusable.extend(misfits(&restored, &facts, &state, &options));
    if !unusable.is_empty() {
        for of @ (account, region) in &unusable {
            restored.remove(of);
            facts.forget_records(account, region);
        }
        records_of(&unusable, &mut facts)?;
    }
    facts.close();
    let resolved = Resolved { ordered: Ordered { facts, duplicates }, state };
    let (judged, aggregates) = judge(resolved, Earlier::Kept(restored), &options);
    Ok(Continued { audit: conclude(check_changes(judged, &options), &options), aggregates })
}

/// The accounts and Regions whose aggregates don't fit the present state and configuration.
fn misfits(
    restored: &BTreeMap<(AccountId, Region), RestoredAggregate>,
    facts: &EvidenceRows,
    state: &State,
    options: &AuditOptions<'_>,
) -> Vec<(AccountId, Region)> {
    let latest = latest_changes(&facts.changes, facts.texts.strings());
    let shared = Shared { texts: &facts.texts, state, options, latest: &latest };
    let fits = |(account, region): &(AccountId, Region), aggregate: &RestoredAggregate| {
        aggregate.fits(&shared.context(account, region), options, state.metrics(account, region).is_some())
    };
    restored.iter().filter(|(of, aggregate)| !fits(of, aggregate)).map(|(of, _)| of.clone()).collect()
}
