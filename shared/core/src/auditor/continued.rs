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
    options::{AuditOptions, Counting, Periods},
    stages::{Audit, Earlier, Ordered, Resolved, Shared, check_changes, conclude, explain, judge, latest_changes, resolve},
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
    /// The accounts and Regions of which an aggregate that can't be made again doesn't fit. The calls that it can't tell apart count as calls
    /// whose time isn't known.
    pub divided: BTreeSet<(AccountId, Region)>,
}

/// Audits new records and the aggregates of earlier ones. Everything is selected, whatever the options say.
///
/// An aggregate can turn out to be of no use: a change of state was dated back to between its calls, or the configuration names another role
/// for heartbeats. Then `records_of` is called, once, with the accounts and Regions that this is so for. It has to add all of their records,
/// the new ones too. Of records that are gone for good it returns the aggregates, which are used even if they don't fit.
pub fn continue_audit<E>(
    earlier: StoredAggregates,
    mut facts: EvidenceRows,
    world: World,
    options: &AuditOptions<'_>,
    by: Periods,
    records_of: impl FnOnce(&BTreeSet<(AccountId, Region)>, &mut EvidenceRows) -> Result<StoredAggregates, E>,
) -> Result<Continued, E> {
    let everything = Selection::default();
    let options = AuditOptions { selection: &everything, ..*options };
    let (mut restored, mut unusable) = restore(earlier, &mut facts);
    let duplicates = facts.changes.put_in_order(facts.texts.strings());
    let state = resolve(&facts, world);
    unusable.extend(misfits(&restored, &facts, &state, &options));
    let mut divided = BTreeSet::new();
    if !unusable.is_empty() {
        for of @ (account, region) in &unusable {
            restored.remove(of);
            facts.forget_records(account, region);
        }
        let gone = records_of(&unusable, &mut facts)?;
        let (gone, damaged) = restore(gone, &mut facts);
        divided = damaged;
        divided.extend(misfits(&gone, &facts, &state, &options));
        restored.extend(gone);
    }
    facts.close();
    let latest = facts.latest_record();
    let resolved = Resolved { ordered: Ordered { facts, duplicates }, state };
    let (judged, aggregates) = judge(resolved, Earlier { aggregates: restored, is_kept: true, latest, by }, &options);
    Ok(Continued { audit: conclude(check_changes(judged, &options), &options), aggregates, divided })
}

/// The error when stored aggregates are of no use: a change of state was dated back to between their calls, they are damaged, or the
/// configuration names another role for heartbeats. They have to be made again from their records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is known of earlier calls doesn't fit what is known of the state by now")]
pub struct Outdated;

/// Audits like [`continue_audit`], and keeps nothing for later audits.
pub fn audit_after(
    earlier: StoredAggregates,
    facts: EvidenceRows,
    world: World,
    options: &AuditOptions<'_>,
    by: Periods,
) -> Result<Audit, Outdated> {
    let everything = Selection::default();
    let options = AuditOptions { selection: &everything, ..*options };
    let (resolved, aggregates) = resolve_after(earlier, facts, world, &options)?;
    let (judged, _) = judge(resolved, Earlier { aggregates, by, ..Earlier::default() }, &options);
    Ok(conclude(check_changes(judged, &options), &options))
}

/// Explains a finding about calls like [`explain_finding`](super::explain_finding), of calls some of which are known by earlier audits.
pub fn explain_finding_after(
    id: &str,
    earlier: StoredAggregates,
    facts: EvidenceRows,
    world: World,
    options: &AuditOptions<'_>,
) -> Result<Option<Vec<String>>, Outdated> {
    let (Resolved { ordered, state }, aggregates) = resolve_after(earlier, facts, world, options)?;
    Ok(explain(id, ordered.facts, &state, Earlier { aggregates, ..Earlier::default() }, options))
}

/// Whether aggregates can be used with these facts, this world and this configuration.
#[must_use]
pub fn fit(earlier: StoredAggregates, facts: EvidenceRows, world: World, options: &AuditOptions<'_>) -> bool {
    earlier.is_empty() || resolve_after(earlier, facts, world, options).is_ok()
}

/// The state at each time, and the aggregates under it.
fn resolve_after(
    earlier: StoredAggregates,
    mut facts: EvidenceRows,
    world: World,
    options: &AuditOptions<'_>,
) -> Result<(Resolved, Restored), Outdated> {
    let (restored, damaged) = restore(earlier, &mut facts);
    facts.close();
    let duplicates = facts.changes.put_in_order(facts.texts.strings());
    let state = resolve(&facts, world);
    if !damaged.is_empty() || !misfits(&restored, &facts, &state, options).is_empty() {
        return Err(Outdated);
    }
    Ok((Resolved { ordered: Ordered { facts, duplicates }, state }, restored))
}

type Restored = BTreeMap<(AccountId, Region), RestoredAggregate>;

/// Adds the texts of aggregates to those of the facts. The second value are the accounts and Regions whose aggregates are damaged.
fn restore(earlier: StoredAggregates, facts: &mut EvidenceRows) -> (Restored, BTreeSet<(AccountId, Region)>) {
    let (mut restored, mut damaged) = (Restored::new(), BTreeSet::new());
    for (of, stored) in earlier {
        match stored.restore(&mut facts.texts) {
            Some(aggregate) => drop(restored.insert(of, aggregate)),
            None => drop(damaged.insert(of)),
        }
    }
    (restored, damaged)
}

/// The accounts and Regions whose aggregates don't fit the present state and configuration.
fn misfits(restored: &Restored, facts: &EvidenceRows, state: &State, options: &AuditOptions<'_>) -> Vec<(AccountId, Region)> {
    let latest = latest_changes(&facts.changes, facts.texts.strings());
    let shared = Shared { texts: &facts.texts, state, options, latest: &latest };
    let fits = |(account, region): &(AccountId, Region), aggregate: &RestoredAggregate| {
        let counting = Counting { is_metered: state.metrics(account, region).is_some(), ..Counting::default() };
        aggregate.fits(&shared.context(account, region), options, counting)
    };
    restored.iter().filter(|(of, aggregate)| !fits(of, aggregate)).map(|(of, _)| of.clone()).collect()
}
