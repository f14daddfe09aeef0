//! The evidence in a store: records, changes, the world, and the inputs that they came from.

use std::collections::{BTreeSet, HashMap, HashSet};

use audit_core::{
    arn::{AccountId, Region},
    change::{Change, ChangeKey},
    facts::{EvidenceRows, Ignored, StoredRecord},
    report::Unreadable,
    timestamp::Timestamp,
};
use rusqlite::{CachedStatement, Connection, Transaction, params};

use super::{
    Store, StoreError,
    compaction::{IS_OVER, Over},
    failed,
    ids::Id,
};
use crate::scan::{Counts, Digest, InputSummary};

/// Stands for a missing time, because a primary key can't hold NULL.
pub(super) const NO_TIME: i64 = i64::MIN;

/// What identifies a record or a change.
#[derive(Clone, Copy, Debug)]
pub struct RecordId<'r> {
    /// Its `eventID`; empty for an invocation log.
    pub event_id: &'r str,
    /// Its `requestID`; empty for a change.
    pub request_id: &'r str,
    /// Its time; `None` if it has none.
    pub event_time: Option<Timestamp>,
    /// Its account.
    pub account: &'r str,
    /// Its Region.
    pub region: &'r str,
    /// Its operation.
    pub event_name: &'r str,
}

impl Store {
    /// Whether an input with this digest was read into the store before.
    pub fn knows(&self, digest: &Digest) -> Result<bool, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT 1 FROM inputs WHERE digest = ?1").map_err(failed("look an input up"))?;
        statement.exists([digest.as_slice()]).map_err(failed("look an input up"))
    }

    /// The digests of all inputs that were read into the store.
    pub fn known_inputs(&self) -> Result<HashSet<Digest>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT digest FROM inputs")?;
            let rows = statement.query_map([], |row| row.get::<_, Digest>(0))?;
            rows.collect::<Result<_, _>>()
        };
        read().map_err(failed("list the inputs"))
    }

    /// Adds all evidence of the store to `facts`.
    pub fn load_facts(&self, facts: &mut EvidenceRows) -> Result<(), StoreError> {
        load_records(&self.connection, facts, None, None).map_err(failed("read the stored records"))?;
        self.load_changes(facts)
    }

    /// Adds the records of some accounts and Regions to `facts`.
    pub(super) fn load_records_of(&self, of: &BTreeSet<(AccountId, Region)>, facts: &mut EvidenceRows) -> Result<(), StoreError> {
        if of.is_empty() {
            return Ok(());
        }
        load_records(&self.connection, facts, Some(of), None).map_err(failed("read the stored records"))
    }

    /// Adds all changes of the store to `facts`.
    pub(super) fn load_changes(&self, facts: &mut EvidenceRows) -> Result<(), StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT event_time, event_id, account, change FROM changes")
            .map_err(failed("read the stored changes"))?;
        let mut rows = statement.query([]).map_err(failed("read the stored changes"))?;
        while let Some(row) = rows.next().map_err(failed("read the stored changes"))? {
            let read = || -> Result<(ChangeKey, String), rusqlite::Error> {
                let key = ChangeKey { time: Timestamp::from_micros(row.get(0)?), event_id: row.get(1)?, account: row.get(2)? };
                Ok((key, row.get(3)?))
            };
            let (key, json) = read().map_err(failed("read the stored changes"))?;
            let change: Change = serde_json::from_str(&json).map_err(|source| StoreError::Stored { what: "change", source })?;
            facts.add_change(&key, &change);
        }
        Ok(())
    }

    /// The files of the world that any run was given: the latest for each path.
    pub fn load_world(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT path, json FROM world ORDER BY path")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<_, _>>()
        };
        read().map_err(failed("read the stored world"))
    }

    /// The paths without a time whose content in the store differs from these files. Content without a time is valid from the beginning, so
    /// the new file replaces the old one for all times.
    pub fn contradicted_by(&self, world: &[(String, Vec<u8>)]) -> Result<Vec<String>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT 1 FROM world WHERE path = ?1 AND json <> ?2")?;
            let mut contradicted = Vec::new();
            for (path, json) in world.iter().filter(|(path, _)| !path.contains('@')) {
                if statement.exists(params![path, json])? {
                    contradicted.push(path.clone());
                }
            }
            Ok(contradicted)
        };
        read().map_err(failed("compare the world with the stored one"))
    }

    /// Calls a function with the ids of each record and change, in the order of their times.
    pub fn each_record_id<E>(&self, mut with: impl FnMut(RecordId<'_>) -> Result<(), E>) -> Result<Result<(), E>, StoreError> {
        let mut read = || {
            let mut statement = self.connection.prepare(
                "SELECT iif(typeof(event_id) = 'blob', lower(format('%s-%s-%s-%s-%s', substr(hex(event_id), 1, 8), substr(hex(event_id), 9, 4),
                            substr(hex(event_id), 13, 4), substr(hex(event_id), 17, 4), substr(hex(event_id), 21))), event_id),
                        request_id, event_time, account.text, region.text, event_name.text FROM records
                    JOIN descriptions ON descriptions.id = records.description
                    JOIN texts account ON account.id = descriptions.account
                    JOIN texts region ON region.id = descriptions.region
                    JOIN texts event_name ON event_name.id = descriptions.event_name
                 UNION ALL
                 SELECT event_id, '', event_time / 1000, account, coalesce(json_extract(change, '$.region'), ''),
                        coalesce(json_extract(change, '$.operation'), '') FROM changes
                 ORDER BY 3, 1",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let text = |index| row.get_ref(index)?.as_str().map_err(rusqlite::Error::from);
                let request = row.get::<_, Id>(1)?.into_text();
                let millis: i64 = row.get(2)?;
                let outcome = with(RecordId {
                    event_id: text(0)?,
                    request_id: &request,
                    event_time: (millis > NO_TIME).then(|| Timestamp::from_micros(millis.saturating_mul(1000))),
                    account: text(3)?,
                    region: text(4)?,
                    event_name: text(5)?,
                });
                if outcome.is_err() {
                    return Ok(outcome);
                }
            }
            Ok(Ok(()))
        };
        read().map_err(failed("read the ids of the stored records"))
    }

    /// The files that were read, by the SHA-256 of their bytes.
    pub fn input_names(&self) -> Result<Vec<(Digest, String)>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT digest, name FROM inputs ORDER BY name, digest")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<_, _>>()
        };
        read().map_err(failed("list the inputs"))
    }

    /// How much all inputs held together, and what of them could not be read.
    pub fn inputs(&self) -> Result<(Counts, Vec<Unreadable>), StoreError> {
        let mut statement =
            self.connection.prepare("SELECT counts, problems FROM inputs ORDER BY name").map_err(failed("read the inputs"))?;
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
            .and_then(|rows| rows.collect::<Result<Vec<_>, _>>())
            .map_err(failed("read the inputs"))?;
        let (mut total, mut problems) = (Counts::default(), Vec::new());
        for (counts, of_input) in rows {
            let (bytes, read, taken, unreadable, ignored): (u64, u64, u64, u64, Vec<(Ignored, u64)>) =
                serde_json::from_str(&counts).map_err(|source| StoreError::Stored { what: "input", source })?;
            total.add(&Counts { bytes, read, taken, unreadable, ignored: ignored.into_iter().collect() });
            let of_input: Vec<Unreadable> =
                serde_json::from_str(&of_input).map_err(|source| StoreError::Stored { what: "input", source })?;
            problems.extend(of_input);
        }
        let late = self.compacted_days()?.late;
        if late > 0 {
            total.taken = total.taken.saturating_sub(late);
            total.ignored.insert(Ignored::Compacted, late);
        }
        Ok((total, problems))
    }
}

/// Adds the records of these accounts and Regions; of all, if none are named. If a step of a compaction is given, only what it drops is added.
pub(super) fn load_records(
    connection: &Connection,
    facts: &mut EvidenceRows,
    of: Option<&BTreeSet<(AccountId, Region)>>,
    over: Option<&Over>,
) -> Result<(), rusqlite::Error> {
    let texts = {
        let mut statement = connection.prepare("SELECT id, text FROM texts")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        rows.collect::<Result<HashMap<i64, String>, _>>()?
    };
    let text = |id: i64| texts.get(&id).map_or("", String::as_str);
    let ids: HashMap<&str, i64> = texts.iter().map(|(id, text)| (text.as_str(), *id)).collect();
    let id = |text: &str| ids.get(text).copied();
    let of: Option<HashSet<(Option<i64>, Option<i64>)>> =
        of.map(|of| of.iter().map(|(account, region)| (id(account.as_str()), id(region.as_str()))).collect());
    let query = "SELECT request_id, event_id, event_time, flags, kind, reach, account, region, principal, event_name, subject,
                guardrail_identifier, guardrail_version, refusing_guardrail, error_code
            FROM records CROSS JOIN descriptions ON descriptions.id = records.description";
    let mut statement = match over {
        None => connection.prepare(query)?,
        Some(_) => connection.prepare(&format!("{query} WHERE {IS_OVER}"))?,
    };
    let mut rows = match over {
        None => statement.query([])?,
        Some(over) => statement.query(over.parameters())?,
    };
    while let Some(row) = rows.next()? {
        if let Some(of) = &of
            && !of.contains(&(Some(row.get(6)?), Some(row.get(7)?)))
        {
            continue;
        }
        let record = StoredRecord {
            request_id: row.get::<_, Id>(0)?.into_text(),
            event_id: row.get::<_, Id>(1)?.into_text(),
            event_time: Some(row.get(2)?)
                .filter(|millis| *millis > NO_TIME)
                .map(|millis: i64| Timestamp::from_micros(millis.saturating_mul(1000))),
            kind: text(row.get(4)?),
            reach: text(row.get(5)?),
            account: text(row.get(6)?),
            region: text(row.get(7)?),
            principal: text(row.get(8)?),
            event_name: text(row.get(9)?),
            subject: text(row.get(10)?),
            guardrail_identifier: text(row.get(11)?),
            guardrail_version: text(row.get(12)?),
            refusing_guardrail: text(row.get(13)?),
            error_code: text(row.get(14)?),
            ..StoredRecord::default()
        };
        facts.restore(&record.with_flags(row.get(3)?));
    }
    Ok(())
}

/// Ids that a run remembers, so that it doesn't look each of them up again. A run that meets more begins anew.
const MOST_REMEMBERED: usize = 1 << 16;

/// Maps each text to its id in the store.
struct TextIds<'t> {
    ids: HashMap<String, i64>,
    transaction: &'t Transaction<'t>,
}

impl TextIds<'_> {
    fn id(&mut self, text: &str) -> Result<i64, rusqlite::Error> {
        if let Some(id) = self.ids.get(text) {
            return Ok(*id);
        }
        self.transaction.prepare_cached("INSERT INTO texts (text) VALUES (?1) ON CONFLICT DO NOTHING")?.execute([text])?;
        let id = self.transaction.prepare_cached("SELECT id FROM texts WHERE text = ?1")?.query_row([text], |row| row.get(0))?;
        if self.ids.len() >= MOST_REMEMBERED {
            self.ids.clear();
        }
        self.ids.insert(text.to_owned(), id);
        Ok(id)
    }
}

/// Everything of a record but its ids and its time: its flags, and the ids of its texts in the order of the table.
type Description = [i64; 12];

/// Writes records into a store.
pub(super) struct RecordWriter<'t> {
    texts: TextIds<'t>,
    descriptions: HashMap<Description, i64>,
    describe: CachedStatement<'t>,
    find_description: CachedStatement<'t>,
    insert: CachedStatement<'t>,
    find: CachedStatement<'t>,
}

impl<'t> RecordWriter<'t> {
    pub(super) fn new(transaction: &'t Transaction<'t>) -> Result<Self, rusqlite::Error> {
        Ok(RecordWriter {
            texts: TextIds { ids: HashMap::new(), transaction },
            descriptions: HashMap::new(),
            describe: transaction.prepare_cached(
                "INSERT INTO descriptions (flags, kind, reach, account, region, principal, event_name, subject, guardrail_identifier,
                        guardrail_version, refusing_guardrail, error_code)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING",
            )?,
            find_description: transaction.prepare_cached(
                "SELECT id FROM descriptions WHERE flags = ?1 AND kind = ?2 AND reach = ?3 AND account = ?4 AND region = ?5
                        AND principal = ?6 AND event_name = ?7 AND subject = ?8 AND guardrail_identifier = ?9
                        AND guardrail_version = ?10 AND refusing_guardrail = ?11 AND error_code = ?12",
            )?,
            insert: transaction.prepare_cached(
                "INSERT INTO records (request_id, event_id, event_time, description) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            )?,
            find: transaction.prepare_cached(
                "SELECT 1 FROM records CROSS JOIN descriptions ON descriptions.id = records.description WHERE request_id = ?1 AND account = ?2",
            )?,
        })
    }

    /// Whether the store has a record of the same request.
    pub(super) fn knows_request(&mut self, record: &StoredRecord<'_>) -> Result<bool, rusqlite::Error> {
        self.find.exists(params![Id::of(&record.request_id), self.texts.id(record.account)?])
    }

    /// Adds a record; false if the store has it already.
    pub(super) fn add(&mut self, record: &StoredRecord<'_>) -> Result<bool, rusqlite::Error> {
        let description = self.description(record)?;
        let time = record.event_time.map_or(NO_TIME, |time| time.as_micros().div_euclid(1000));
        let added = self.insert.execute(params![Id::of(&record.request_id), Id::of(&record.event_id), time, description])?;
        Ok(added > 0)
    }

    fn description(&mut self, record: &StoredRecord<'_>) -> Result<i64, rusqlite::Error> {
        let texts = &mut self.texts;
        let description: Description = [
            record.flags().into(),
            texts.id(record.kind)?,
            texts.id(record.reach)?,
            texts.id(record.account)?,
            texts.id(record.region)?,
            texts.id(record.principal)?,
            texts.id(record.event_name)?,
            texts.id(record.subject)?,
            texts.id(record.guardrail_identifier)?,
            texts.id(record.guardrail_version)?,
            texts.id(record.refusing_guardrail)?,
            texts.id(record.error_code)?,
        ];
        if let Some(id) = self.descriptions.get(&description) {
            return Ok(*id);
        }
        self.describe.execute(description)?;
        let id = self.find_description.query_row(description, |row| row.get(0))?;
        if self.descriptions.len() >= MOST_REMEMBERED {
            self.descriptions.clear();
        }
        self.descriptions.insert(description, id);
        Ok(id)
    }
}

pub(super) fn add_world(transaction: &Transaction<'_>, world: &[(String, Vec<u8>)]) -> Result<(), rusqlite::Error> {
    let mut statement =
        transaction.prepare("INSERT INTO world (path, json) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET json = excluded.json")?;
    for (path, json) in world {
        statement.execute(params![path, json])?;
    }
    Ok(())
}

pub(super) fn add_changes(transaction: &Transaction<'_>, facts: &EvidenceRows) -> Result<(), StoreError> {
    let added = "add changes to the store";
    let mut statement = transaction
        .prepare("INSERT INTO changes (event_time, event_id, account, change) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")
        .map_err(failed(added))?;
    for (key, change) in facts.changes() {
        let json = serde_json::to_string(&change).map_err(|source| StoreError::Stored { what: "change", source })?;
        statement.execute(params![key.time.as_micros(), key.event_id, key.account, json]).map_err(failed(added))?;
    }
    Ok(())
}

pub(super) fn add_inputs(transaction: &Transaction<'_>, inputs: &[(Digest, InputSummary)]) -> Result<(), rusqlite::Error> {
    let mut statement =
        transaction.prepare("INSERT INTO inputs (digest, name, counts, problems) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?;
    for (digest, InputSummary { name, counts, problems }) in inputs {
        let ignored: Vec<(&Ignored, &u64)> = counts.ignored.iter().collect();
        let json =
            |value: Result<String, serde_json::Error>| value.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)));
        let counts = json(serde_json::to_string(&(counts.bytes, counts.read, counts.taken, counts.unreadable, ignored)))?;
        statement.execute(params![digest.as_slice(), name, counts, json(serde_json::to_string(problems))?])?;
    }
    Ok(())
}
