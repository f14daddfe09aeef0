//! What the store knows of the calls of each account and Region, so that a run judges what is new without reading the earlier records.
//!
//! The aggregate of an account and Region is set aside as soon as records are added to it, and written again with the conclusions. A run that
//! is interrupted in between, or whose conclusions come from less than the store holds by then, leaves it to be made again from the records.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{
    arn::{AccountId, Region},
    auditor::{self, AuditOptions, Continued, Periods, StoredAggregate, StoredAggregates},
    facts::{EvidenceRows, StoredRecord},
    world::World,
};
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{
    Store, StoreError,
    compaction::Sealed,
    evidence::{self, RecordWriter},
    failed,
};
use crate::scan::{Digest, InputSummary};

/// An account and a Region.
pub(super) type AccountRegion = (AccountId, Region);

/// The bytes of an aggregate; `None` if it has to be made again.
type StoredBytes = (AccountRegion, Option<Vec<u8>>);

/// What a run added to a store, for the audit that follows.
#[derive(Debug, Default)]
pub struct Added {
    /// The records that were not in the store, of the accounts and Regions in `aggregates` and `begun`.
    records: EvidenceRows,
    /// What was known of their earlier calls.
    aggregates: StoredAggregates,
    /// The accounts and Regions that had no records before.
    begun: BTreeSet<AccountRegion>,
}

/// What the store has of an account and Region that records are added to.
enum Before {
    Nothing,
    /// Records, but no usable aggregate of them.
    Records,
    /// The aggregate, and the requests that may get further records.
    Aggregate(Box<StoredAggregate>, BTreeSet<String>),
}

impl Store {
    /// Adds what a run read: all of it or, if something fails, nothing.
    pub fn add(
        &mut self,
        facts: EvidenceRows,
        inputs: &[(Digest, InputSummary)],
        world: &[(String, Vec<u8>)],
    ) -> Result<Added, StoreError> {
        let transaction = self.writing().map_err(failed("add to the store"))?;
        evidence::add_changes(&transaction, &facts)?;
        let added = add_records(&transaction, facts).map_err(failed("add records to the store"))?;
        evidence::add_world(&transaction, world).map_err(failed("add the world to the store"))?;
        evidence::add_inputs(&transaction, inputs).map_err(failed("add the inputs to the store"))?;
        transaction.commit().map_err(failed("add to the store"))?;
        Ok(added)
    }

    /// Audits everything in the store. `added` is what this run has just added, if no other run has written since.
    pub fn audit(&self, added: Option<Added>, world: World, options: &AuditOptions<'_>) -> Result<Continued, StoreError> {
        let Added { records: mut facts, mut aggregates, begun } = added.unwrap_or_default();
        let mut without: BTreeSet<AccountRegion> = BTreeSet::new();
        for (of, stored) in self.stored_aggregates().map_err(failed("read what is known of earlier calls"))? {
            if begun.contains(&of) || aggregates.contains_key(&of) {
                continue;
            }
            match stored.and_then(|bytes| StoredAggregate::from_bytes(&bytes).ok()) {
                Some(aggregate) => drop(aggregates.insert(of, aggregate)),
                None => drop(without.insert(of)),
            }
        }
        self.load_records_of(&without, &mut facts)?;
        aggregates.extend(self.sums_of(&without)?);
        self.load_changes(&mut facts)?;
        let mut concluded = auditor::continue_audit(aggregates, facts, world, options, Periods::Days, |unusable, facts| {
            self.load_records_of(unusable, facts)?;
            self.sums_of(unusable)
        })?;
        concluded.audit.blind.extend(self.blind_in_compacted_days(&concluded.divided)?);
        concluded.audit.blind.sort_unstable();
        Ok(concluded)
    }

    pub(super) fn stored_aggregates(&self) -> Result<Vec<StoredBytes>, rusqlite::Error> {
        let mut statement = self.connection.prepare("SELECT account, region, aggregate FROM aggregates")?;
        let rows = statement.query_map([], |row| {
            let (account, region): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(((account.as_str().into(), region.as_str().into()), row.get(2)?))
        })?;
        rows.collect()
    }
}

/// Adds the records that are new, and sets the aggregates that they belong to aside.
fn add_records(transaction: &Transaction<'_>, mut facts: EvidenceRows) -> Result<Added, rusqlite::Error> {
    let mut before: BTreeMap<AccountRegion, Before> = BTreeMap::new();
    for of in facts.accounts_and_regions() {
        let known = known_of(transaction, &of)?;
        before.insert(of, known);
    }
    let mut writer = RecordWriter::new(transaction)?;
    let mut changed: BTreeSet<AccountRegion> = BTreeSet::new();
    let mut reopened: BTreeSet<AccountRegion> = BTreeSet::new();
    let mut request = RequestBefore::default();
    let mut sealed = Sealed::of(transaction)?;
    facts.retain_records(|record| {
        let of: AccountRegion = (record.account.into(), record.region.into());
        if sealed.has(&of, record.event_time) && !request.was_known(record, &mut writer)? {
            sealed.note_late(of);
            return Ok(false);
        }
        let joins_earlier = match before.get(&of) {
            Some(Before::Aggregate(_, waiting)) if !waiting.contains(&record.request_id) => request.was_known(record, &mut writer)?,
            _ => false,
        };
        let is_new = writer.add(record)?;
        if is_new && joins_earlier {
            reopened.insert(of.clone());
        }
        if is_new && !changed.contains(&of) {
            changed.insert(of);
        }
        Ok::<_, rusqlite::Error>(is_new)
    })?;
    sealed.write(transaction)?;
    let mut added = Added::default();
    let mut set_aside =
        transaction.prepare("INSERT INTO aggregates (account, region) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET aggregate = NULL")?;
    for (of, before) in before {
        if changed.contains(&of) {
            set_aside.execute(params![of.0.as_str(), of.1.as_str()])?;
        }
        match before {
            Before::Nothing => drop(added.begun.insert(of)),
            Before::Aggregate(aggregate, _) if changed.contains(&of) && !reopened.contains(&of) => {
                added.aggregates.insert(of, *aggregate);
            }
            Before::Aggregate(..) | Before::Records => facts.forget_records(&of.0, &of.1),
        }
    }
    facts.forget_changes();
    added.records = facts;
    Ok(added)
}

/// Whether the store had records of a request before this run. The run's own records come in the order of their requests, so only those of one
/// request have to be told from earlier ones.
#[derive(Default)]
struct RequestBefore {
    request_id: String,
    /// The accounts that were asked for.
    was_known: BTreeMap<String, bool>,
}

impl RequestBefore {
    fn was_known(&mut self, record: &StoredRecord<'_>, writer: &mut RecordWriter<'_>) -> Result<bool, rusqlite::Error> {
        if self.request_id != record.request_id {
            *self = RequestBefore { request_id: record.request_id.clone(), was_known: BTreeMap::new() };
        }
        if let Some(was_known) = self.was_known.get(record.account) {
            return Ok(*was_known);
        }
        let was_known = writer.knows_request(record)?;
        self.was_known.insert(record.account.to_owned(), was_known);
        Ok(was_known)
    }
}

fn known_of(transaction: &Transaction<'_>, (account, region): &AccountRegion) -> Result<Before, rusqlite::Error> {
    let mut statement = transaction.prepare_cached("SELECT aggregate FROM aggregates WHERE account = ?1 AND region = ?2")?;
    let stored: Option<Option<Vec<u8>>> = statement.query_row([account.as_str(), region.as_str()], |row| row.get(0)).optional()?;
    Ok(match stored.map(|bytes| bytes.and_then(|bytes| StoredAggregate::from_bytes(&bytes).ok())) {
        None => Before::Nothing,
        Some(None) => Before::Records,
        Some(Some(aggregate)) => {
            let waiting = aggregate.waiting_requests();
            Before::Aggregate(Box::new(aggregate), waiting)
        }
    })
}

/// Writes the aggregates that an audit made.
pub(super) fn write(transaction: &Transaction<'_>, aggregates: &StoredAggregates) -> Result<(), StoreError> {
    let mut statement = transaction
        .prepare("INSERT INTO aggregates (account, region, aggregate) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET aggregate = excluded.aggregate")
        .map_err(failed("write what is known of calls"))?;
    for ((account, region), aggregate) in aggregates {
        // What can't be written is made again from the records.
        let bytes = aggregate.to_bytes().ok();
        statement.execute(params![account.as_str(), region.as_str(), bytes]).map_err(failed("write what is known of calls"))?;
    }
    Ok(())
}
