//! Compaction: of days that are over, a store keeps the sums and drops the records ([decision 37](../../../../docs/decisions/0037-compacted-days.md)).
//!
//! The sum of an account and Region over its dropped records stays beside the aggregate of all its records. Where that has to be made again, it is
//! made from this sum and the records that are still there.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{
    auditor::{self, AuditOptions, Periods, Selection, StoredAggregate, StoredAggregates},
    facts::EvidenceRows,
    missing_evidence::MissingEvidence,
    report::BlindRow,
    timestamp::{Day, Timestamp},
    world::World,
};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params, types::Value};

use super::{
    Store, StoreError,
    aggregates::AccountRegion,
    evidence::{NO_TIME, load_records},
    failed,
};

/// The number of records that one step of a compaction drops, so that its memory doesn't depend on the size of the store. Requests are not split.
const RECORDS_A_STEP: u64 = 500_000;

/// What a compaction was doing when it failed.
const COMPACTING: &str = "compact the store";

const MILLIS_A_DAY: i64 = 86_400_000;

/// SQLite orders a number before all ids, which are blobs or texts.
const BEFORE_ALL: Value = Value::Integer(0);

/// Drops what was only needed by records that are no longer there.
const DROP_UNUSED: &str = "DELETE FROM descriptions WHERE id NOT IN (SELECT description FROM records);
    DELETE FROM texts WHERE id NOT IN (
        SELECT kind FROM descriptions UNION SELECT reach FROM descriptions UNION SELECT account FROM descriptions
        UNION SELECT region FROM descriptions UNION SELECT principal FROM descriptions UNION SELECT event_name FROM descriptions
        UNION SELECT subject FROM descriptions UNION SELECT guardrail_identifier FROM descriptions
        UNION SELECT guardrail_version FROM descriptions UNION SELECT refusing_guardrail FROM descriptions
        UNION SELECT error_code FROM descriptions)";

/// The condition for records that can be dropped: they are from before `?2`, and nothing of their requests is from later or without a time (`?1`).
/// A step takes those whose request ids lie after `?3` and up to `?4`.
pub(super) const IS_OVER: &str = "event_time > ?1 AND event_time < ?2 AND request_id > ?3 AND request_id <= ?4
    AND NOT EXISTS (SELECT 1 FROM records later WHERE later.request_id = records.request_id AND (later.event_time >= ?2 OR later.event_time = ?1))";

/// Selects the records that a step drops.
pub(super) struct Over {
    /// The end of the compacted days, in milliseconds.
    until: i64,
    /// The request id after which the step begins.
    after: Value,
    /// The last request id of the step.
    up_to: Value,
}

impl Over {
    pub(super) fn parameters(&self) -> [Value; 4] {
        [NO_TIME.into(), self.until.into(), self.after.clone(), self.up_to.clone()]
    }
}

/// What a compaction drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// The end of the compacted days.
    pub until: Timestamp,
    /// The number of days that the dropped records are of.
    pub days: u64,
    /// The number of records that are dropped.
    pub records: u64,
    /// Whether days before the asked one are left as they are, because requests of theirs may get further records.
    pub waits: bool,
}

/// What earlier compactions dropped from a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactedDays {
    /// The end of the latest compacted day; `None` if the store has all records.
    pub until: Option<Timestamp>,
    /// The number of dropped records.
    pub records: u64,
    /// The number of records that were read later for these days. They are not judged.
    pub late: u64,
}

impl Store {
    /// What a compaction of the days before this one would drop.
    pub fn compactable(&self, before: Day) -> Result<Compaction, StoreError> {
        let mut until = before.start();
        for (_, stored) in self.stored_aggregates().map_err(failed("read what is known of earlier calls"))? {
            let aggregate = stored.and_then(|bytes| StoredAggregate::from_bytes(&bytes).ok()).ok_or(StoreError::NoSums)?;
            if let Some(waiting) = aggregate.earliest_waiting() {
                until = until.min(Day::of(waiting).start());
            }
        }
        let count = || {
            let Some(up_to) = latest_request(&self.connection)? else { return Ok((0, 0)) };
            let over = Over { until: millis(until), after: BEFORE_ALL, up_to };
            let query = format!("SELECT count(*), count(DISTINCT event_time / {MILLIS_A_DAY}) FROM records WHERE {IS_OVER}");
            self.connection.query_row(&query, over.parameters(), |row| Ok((row.get(0)?, row.get(1)?)))
        };
        let (records, days) = count().map_err(failed("count the stored records"))?;
        Ok(Compaction { until, days, records, waits: until < before.start() })
    }

    /// Drops the records of the days before this one, as far as none of their requests waits for further records. It works in steps of many
    /// requests, each in a transaction: an interruption leaves those that were completed. The world and the options must be those of the last
    /// run.
    pub fn compact(&mut self, before: Day, world: &World, options: &AuditOptions<'_>) -> Result<Compaction, StoreError> {
        self.compact_in_steps(before, world, options, RECORDS_A_STEP)
    }

    pub(super) fn compact_in_steps(
        &mut self,
        before: Day,
        world: &World,
        options: &AuditOptions<'_>,
        records_a_step: u64,
    ) -> Result<Compaction, StoreError> {
        let compaction = self.compactable(before)?;
        let until = millis(compaction.until);
        let mut records = 0;
        let mut after = BEFORE_ALL;
        while let Some(up_to) = end_of_step(&self.connection, until, &after, records_a_step).map_err(failed(COMPACTING))? {
            let over = Over { until, after, up_to };
            records += self.drop_records(&over, world.clone(), options)?;
            after = over.up_to;
        }
        let drop_unused = |transaction: Transaction<'_>| {
            transaction.execute_batch(DROP_UNUSED)?;
            transaction.commit()
        };
        self.writing().and_then(drop_unused).map_err(failed(COMPACTING))?;
        // Gives the room back. Where that fails, as on a full disk, later records use it.
        let _ = self.connection.execute_batch("VACUUM");
        Ok(Compaction { records, ..compaction })
    }

    /// What earlier compactions dropped.
    pub fn compacted_days(&self) -> Result<CompactedDays, StoreError> {
        let query = "SELECT max(until), coalesce(sum(records), 0), coalesce(sum(late), 0) FROM compacted";
        let read = self.connection.query_row(query, [], |row| {
            let until: Option<i64> = row.get(0)?;
            Ok(CompactedDays { until: until.map(timestamp), records: row.get(1)?, late: row.get(2)? })
        });
        read.map_err(failed("read what was compacted"))
    }

    /// The sums over the dropped records of these accounts and Regions.
    pub(super) fn sums_of(&self, of: &BTreeSet<AccountRegion>) -> Result<StoredAggregates, StoreError> {
        sums_of(&self.connection, of)
    }

    /// The accounts and Regions where something of compacted days isn't judged, or can't be told apart.
    pub(super) fn blind_in_compacted_days(&self, divided: &BTreeSet<AccountRegion>) -> Result<Vec<BlindRow>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT account, region FROM compacted WHERE late > 0 OR is_divided")?;
            let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        let stored = read().map_err(failed("read what was compacted"))?;
        let stored = stored.iter().map(|(account, region)| (account.as_str().into(), region.as_str().into()));
        Ok(blind(stored.chain(divided.iter().cloned()).collect()))
    }

    /// The selected accounts and Regions where calls are missing to whoever reads the records that are left.
    pub fn blind_without_records(&self, selection: &Selection) -> Result<Vec<BlindRow>, StoreError> {
        let sealed = Sealed::of(&self.connection).map_err(failed("read what was compacted"))?;
        let is_concerned = |(account, region): &AccountRegion, until: Timestamp| {
            selection.selects_account_region(account, region) && selection.since.is_none_or(|since| since < until)
        };
        Ok(blind(sealed.until.into_iter().filter(|(of, until)| is_concerned(of, *until)).map(|(of, _)| of).collect()))
    }

    /// Drops the records of a step, in one transaction, and returns how many they were.
    fn drop_records(&self, over: &Over, world: World, options: &AuditOptions<'_>) -> Result<u64, StoreError> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate).map_err(failed(COMPACTING))?;
        let counts = counts(&transaction, over).map_err(failed(COMPACTING))?;
        let concerned: BTreeSet<AccountRegion> = counts.keys().cloned().collect();
        let sums = sums_of(&transaction, &concerned)?;
        let mut facts = EvidenceRows::default();
        load_records(&transaction, &mut facts, None, Some(over)).map_err(failed(COMPACTING))?;
        self.load_changes(&mut facts)?;
        let summed = auditor::continue_audit(sums, facts, world, options, Periods::Days, |unusable, facts| {
            load_records(&transaction, facts, Some(unusable), Some(over)).map_err(failed(COMPACTING))?;
            sums_of(&transaction, unusable)
        })?;
        for ((account, region), count) in &counts {
            let of = (account.clone(), region.clone());
            let bytes = summed.aggregates.get(&of).and_then(|aggregate| aggregate.to_bytes().ok()).ok_or(StoreError::NoSums)?;
            let insert = "INSERT INTO compacted (account, region, until, records, aggregate) VALUES (?1, ?2, ?3, ?4, ?5)
                ON CONFLICT DO UPDATE SET until = max(until, excluded.until), records = records + excluded.records, aggregate = excluded.aggregate";
            transaction
                .execute(insert, params![account.as_str(), region.as_str(), over.until, count, bytes])
                .map_err(failed(COMPACTING))?;
        }
        note_divided(&transaction, &summed.divided).map_err(failed(COMPACTING))?;
        let dropped = transaction.execute(&format!("DELETE FROM records WHERE {IS_OVER}"), over.parameters());
        let dropped = dropped.map_err(failed(COMPACTING))?;
        transaction.commit().map_err(failed(COMPACTING))?;
        Ok(dropped as u64)
    }
}

fn blind(of: BTreeSet<AccountRegion>) -> Vec<BlindRow> {
    let missing = MissingEvidence::CompactedDays;
    let row = |(account, region)| BlindRow { account, region, missing, remedy: missing.remedy().to_owned() };
    of.into_iter().map(row).collect()
}

/// The greatest request id; `None` if there are no records.
fn latest_request(connection: &Connection) -> Result<Option<Value>, rusqlite::Error> {
    let query = "SELECT request_id FROM records ORDER BY request_id DESC LIMIT 1";
    connection.query_row(query, [], |row| row.get(0)).optional()
}

/// The request id of the last record of a step; `None` if nothing can be dropped any more.
fn end_of_step(connection: &Connection, until: i64, after: &Value, records: u64) -> Result<Option<Value>, rusqlite::Error> {
    let Some(up_to) = latest_request(connection)? else { return Ok(None) };
    let query = format!("SELECT max(request_id) FROM (SELECT request_id FROM records WHERE {IS_OVER} ORDER BY request_id LIMIT {records})");
    let over = Over { until, after: after.clone(), up_to };
    connection.query_row(&query, over.parameters(), |row| row.get(0))
}

/// The number of records that a step drops, by account and Region.
fn counts(connection: &Connection, over: &Over) -> Result<BTreeMap<AccountRegion, u64>, rusqlite::Error> {
    let mut statement = connection.prepare(&format!(
        "SELECT account.text, region.text, sum(of_description.number)
            FROM (SELECT description, count(*) AS number FROM records WHERE {IS_OVER} GROUP BY description) of_description
            JOIN descriptions ON descriptions.id = of_description.description
            JOIN texts account ON account.id = descriptions.account
            JOIN texts region ON region.id = descriptions.region
            GROUP BY 1, 2"
    ))?;
    let rows = statement.query_map(over.parameters(), |row| {
        let (account, region): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(((account.as_str().into(), region.as_str().into()), row.get(2)?))
    })?;
    rows.collect()
}

fn sums_of(connection: &Connection, of: &BTreeSet<AccountRegion>) -> Result<StoredAggregates, StoreError> {
    let reading = "read the sums of compacted days";
    let mut statement =
        connection.prepare("SELECT aggregate FROM compacted WHERE account = ?1 AND region = ?2").map_err(failed(reading))?;
    let mut sums = StoredAggregates::new();
    for (account, region) in of {
        let stored: Option<Vec<u8>> =
            statement.query_row([account.as_str(), region.as_str()], |row| row.get(0)).optional().map_err(failed(reading))?;
        if let Some(bytes) = stored {
            let sum = StoredAggregate::from_bytes(&bytes).map_err(StoreError::Sum)?;
            sums.insert((account.clone(), region.clone()), sum);
        }
    }
    Ok(sums)
}

/// Notes the accounts and Regions where calls of compacted days can't be told apart.
pub(super) fn note_divided(transaction: &Transaction<'_>, divided: &BTreeSet<AccountRegion>) -> Result<(), rusqlite::Error> {
    let mut statement = transaction.prepare("UPDATE compacted SET is_divided = 1 WHERE account = ?1 AND region = ?2")?;
    for (account, region) in divided {
        statement.execute([account.as_str(), region.as_str()])?;
    }
    Ok(())
}

/// The compacted days of each account and Region, for a run that adds records.
pub(super) struct Sealed {
    /// The end of the compacted days.
    until: BTreeMap<AccountRegion, Timestamp>,
    /// The number of records that this run reads for them.
    late: BTreeMap<AccountRegion, u64>,
}

impl Sealed {
    pub(super) fn of(connection: &Connection) -> Result<Self, rusqlite::Error> {
        let mut statement = connection.prepare("SELECT account, region, until FROM compacted")?;
        let rows = statement.query_map([], |row| {
            let (account, region): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(((account.as_str().into(), region.as_str().into()), timestamp(row.get(2)?)))
        })?;
        Ok(Sealed { until: rows.collect::<Result<_, _>>()?, late: BTreeMap::new() })
    }

    /// Whether a record with this time belongs to a compacted day.
    pub(super) fn has(&self, of: &AccountRegion, time: Option<Timestamp>) -> bool {
        self.until.get(of).zip(time).is_some_and(|(until, time)| time < *until)
    }

    pub(super) fn note_late(&mut self, of: AccountRegion) {
        *self.late.entry(of).or_default() += 1;
    }

    pub(super) fn write(self, transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
        let mut statement = transaction.prepare("UPDATE compacted SET late = late + ?3 WHERE account = ?1 AND region = ?2")?;
        for ((account, region), late) in self.late {
            statement.execute(params![account.as_str(), region.as_str(), late])?;
        }
        Ok(())
    }
}

fn millis(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(1000)
}

fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_micros(millis.saturating_mul(1000))
}
