//! Compaction: of days that are over, a store keeps the sums and drops the records ([decision 36](../../../../docs/decisions/0036-compacted-days.md)).
//!
//! The sum of an account and Region over its dropped records stays beside the aggregate of all its records. Where that has to be made again, it is
//! made from this sum and the records that are still there.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{
    arn::{AccountId, Region},
    auditor::{self, AuditOptions, Periods, StoredAggregate, StoredAggregates},
    facts::EvidenceRows,
    missing_evidence::MissingEvidence,
    report::BlindRow,
    timestamp::{Day, Timestamp},
    world::World,
};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{
    Store, StoreError,
    evidence::{NO_TIME, load_records},
    failed,
};

/// The number of records from which on a step of a compaction is long enough. Days are not split.
const RECORDS_A_STEP: u64 = 500_000;

/// The condition for records that can be dropped: they are from before `?2`, and nothing of their requests is from later or without a time (`?1`).
pub(super) const IS_OVER: &str = "event_time > ?1 AND event_time < ?2 AND NOT EXISTS (SELECT 1 FROM records later
    WHERE later.request_id = records.request_id AND (later.event_time >= ?2 OR later.event_time = ?1))";

/// What a compaction drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// The end of the compacted days.
    pub until: Timestamp,
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
        let (compaction, _) = self.plan(before)?;
        Ok(compaction)
    }

    /// Drops the records of the days before this one, as far as none of their requests waits for further records. It works in steps of whole days.
    /// An interruption leaves those that were completed. The world and the options must be those of the last run.
    pub fn compact(&mut self, before: Day, world: &World, options: &AuditOptions<'_>) -> Result<Compaction, StoreError> {
        let (compaction, steps) = self.plan(before)?;
        let mut records = 0;
        for until in steps {
            records += self.compact_until(until, world.clone(), options)?;
        }
        let unused = "DELETE FROM descriptions WHERE id NOT IN (SELECT description FROM records)";
        self.connection.execute(unused, []).map_err(failed("drop what no record needs any more"))?;
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
    pub(super) fn sums_of(&self, of: &BTreeSet<(AccountId, Region)>) -> Result<StoredAggregates, StoreError> {
        sums_of(&self.connection, of)
    }

    /// The accounts and Regions where something of compacted days isn't judged, or can't be told apart.
    pub(super) fn blind_in_compacted_days(&self, divided: &BTreeSet<(AccountId, Region)>) -> Result<Vec<BlindRow>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT account, region FROM compacted WHERE late > 0 OR is_divided")?;
            let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        let stored = read().map_err(failed("read what was compacted"))?;
        let stored = stored.iter().map(|(account, region)| (account.as_str().into(), region.as_str().into()));
        let all: BTreeSet<(AccountId, Region)> = stored.chain(divided.iter().cloned()).collect();
        let missing = MissingEvidence::CompactedDays;
        let row = |(account, region)| BlindRow { account, region, missing, remedy: missing.remedy().to_owned() };
        Ok(all.into_iter().map(row).collect())
    }

    /// What a compaction would drop, and the ends of its steps.
    fn plan(&self, before: Day) -> Result<(Compaction, Vec<i64>), StoreError> {
        let mut until = before.start();
        for (_, stored) in self.stored_aggregates().map_err(failed("read what is known of earlier calls"))? {
            let aggregate = stored.and_then(|bytes| StoredAggregate::from_bytes(&bytes).ok()).ok_or(StoreError::NoSums)?;
            if let Some(waiting) = aggregate.earliest_waiting() {
                until = until.min(Day::of(waiting).start());
            }
        }
        let read = || {
            let query = format!("SELECT event_time / 86400000, count(*) FROM records WHERE {IS_OVER} GROUP BY 1 ORDER BY 1");
            let mut statement = self.connection.prepare(&query)?;
            let rows = statement.query_map(params![NO_TIME, millis(until)], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<Vec<(i64, u64)>, _>>()
        };
        let (mut records, mut of_step, mut steps) = (0, 0, Vec::new());
        for (day, count) in read().map_err(failed("count the stored records"))? {
            records += count;
            of_step += count;
            if of_step >= RECORDS_A_STEP {
                of_step = 0;
                steps.push((day + 1) * 86_400_000);
            }
        }
        if records > 0 && steps.last() != Some(&millis(until)) {
            steps.push(millis(until));
        }
        Ok((Compaction { until, records, waits: until < before.start() }, steps))
    }

    /// Drops the records before a time, in one transaction, and returns how many they were.
    fn compact_until(&self, until: i64, world: World, options: &AuditOptions<'_>) -> Result<u64, StoreError> {
        let compacting = "compact the store";
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate).map_err(failed(compacting))?;
        let counts = counts(&transaction, until).map_err(failed(compacting))?;
        let concerned: BTreeSet<(AccountId, Region)> = counts.keys().cloned().collect();
        let sums = sums_of(&transaction, &concerned)?;
        let mut facts = EvidenceRows::default();
        load_records(&transaction, &mut facts, None, Some(until)).map_err(failed(compacting))?;
        self.load_changes(&mut facts)?;
        let summed = auditor::continue_audit(sums, facts, world, options, Periods::Days, |unusable, facts| {
            load_records(&transaction, facts, Some(unusable), Some(until)).map_err(failed(compacting))?;
            sums_of(&transaction, unusable)
        })?;
        for ((account, region), count) in &counts {
            let of = (account.clone(), region.clone());
            let bytes = summed.aggregates.get(&of).and_then(|aggregate| aggregate.to_bytes().ok()).ok_or(StoreError::NoSums)?;
            let insert = "INSERT INTO compacted (account, region, until, records, aggregate) VALUES (?1, ?2, ?3, ?4, ?5)
                ON CONFLICT DO UPDATE SET until = max(until, excluded.until), records = records + excluded.records, aggregate = excluded.aggregate";
            transaction.execute(insert, params![account.as_str(), region.as_str(), until, count, bytes]).map_err(failed(compacting))?;
        }
        note_divided(&transaction, &summed.divided).map_err(failed(compacting))?;
        let dropped = transaction.execute(&format!("DELETE FROM records WHERE {IS_OVER}"), params![NO_TIME, until]);
        let dropped = dropped.map_err(failed(compacting))?;
        transaction.commit().map_err(failed(compacting))?;
        Ok(dropped as u64)
    }
}

/// The number of records that can be dropped, by account and Region.
fn counts(connection: &Connection, until: i64) -> Result<BTreeMap<(AccountId, Region), u64>, rusqlite::Error> {
    let mut statement = connection.prepare(&format!(
        "SELECT account.text, region.text, sum(of_description.number)
            FROM (SELECT description, count(*) AS number FROM records WHERE {IS_OVER} GROUP BY description) of_description
            JOIN descriptions ON descriptions.id = of_description.description
            JOIN texts account ON account.id = descriptions.account
            JOIN texts region ON region.id = descriptions.region
            GROUP BY 1, 2"
    ))?;
    let rows = statement.query_map(params![NO_TIME, until], |row| {
        let (account, region): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(((account.as_str().into(), region.as_str().into()), row.get(2)?))
    })?;
    rows.collect()
}

fn sums_of(connection: &Connection, of: &BTreeSet<(AccountId, Region)>) -> Result<StoredAggregates, StoreError> {
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
pub(super) fn note_divided(transaction: &Transaction<'_>, divided: &BTreeSet<(AccountId, Region)>) -> Result<(), rusqlite::Error> {
    let mut statement = transaction.prepare("UPDATE compacted SET is_divided = 1 WHERE account = ?1 AND region = ?2")?;
    for (account, region) in divided {
        statement.execute([account.as_str(), region.as_str()])?;
    }
    Ok(())
}

/// The compacted days of each account and Region, for a run that adds records.
pub(super) struct Sealed {
    /// The end of the compacted days.
    until: BTreeMap<(AccountId, Region), Timestamp>,
    /// The number of records that this run reads for them.
    late: BTreeMap<(AccountId, Region), u64>,
}

impl Sealed {
    pub(super) fn of(transaction: &Transaction<'_>) -> Result<Self, rusqlite::Error> {
        let mut statement = transaction.prepare("SELECT account, region, until FROM compacted")?;
        let rows = statement.query_map([], |row| {
            let (account, region): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(((account.as_str().into(), region.as_str().into()), timestamp(row.get(2)?)))
        })?;
        Ok(Sealed { until: rows.collect::<Result<_, _>>()?, late: BTreeMap::new() })
    }

    /// Whether a record with this time belongs to a compacted day.
    pub(super) fn has(&self, of: &(AccountId, Region), time: Option<Timestamp>) -> bool {
        self.until.get(of).zip(time).is_some_and(|(until, time)| time < *until)
    }

    pub(super) fn note_late(&mut self, of: (AccountId, Region)) {
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
