//! The embedded store: one SQLite file that keeps evidence, world and findings (`docs/store.md`).
//!
//! Evidence accumulates: a run adds what it read to what the store holds, and audits all of it again. Every row is keyed by the identity of
//! its content, so reading the same files twice changes nothing, and the findings after several runs are those of one run over all of their
//! inputs.

mod opening;

use std::{collections::BTreeMap, path::Path};

use audit_core::{
    arn::AccountId,
    auditor::Audit,
    change::{Change, ChangeKey},
    facts::{EvidenceRows, Ignored, StoredRecord},
    finding::Finding,
    report::{BlindRow, CoverageRow, DayRow, Records, Unreadable},
    timestamp::Timestamp,
    verdict::Invocations,
};
pub use opening::on_wait;
use opening::{FileKind, file_kind, wait};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Transaction, TransactionBehavior, params};

use crate::scan::{Counts, Digest, InputSummary};

/// The version of the tables. A store of version 1 is brought to it; one of any other version is refused and left unchanged.
const VERSION: i64 = 2;

/// Stands for a missing time, because a primary key can't hold NULL.
const NO_TIME: i64 = i64::MIN;

const SCHEMA: &str = include_str!("store/schema.sql");

/// The statements that bring a store of version 1 to [`VERSION`].
const UPGRADE: &str = include_str!("store/upgrade.sql");

/// An open store.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
}

/// Identifies the content of a store, so that a later write by another run is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision(i64);

/// The error when a store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database engine failed.
    #[error("failed to {action}")]
    Sqlite {
        /// What was being done.
        action: &'static str,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// Another run is writing to the store and didn't finish in time.
    #[error("another run has been writing to the store for a minute: try again when it is through")]
    Busy,
    /// The file is a store of another version, or no store at all.
    #[error("not a store of this version of guardrail-audit (its tables are of version {found}, not {VERSION})")]
    Version {
        /// The version of the file's tables; zero in a database that is no store.
        found: i64,
    },
    /// The file is empty, where a store must exist.
    #[error("not a store: the file is empty")]
    Empty,
    /// A value in the store can't be parsed.
    #[error("failed to read a stored {what}")]
    Stored {
        /// What the value describes.
        what: &'static str,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
}

fn failed(action: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        _ => StoreError::Sqlite { action, source },
    }
}

/// What the store knows besides findings.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many records all runs have read.
    pub records: Records,
    /// How many calls there are, by verdict.
    pub invocations: Invocations,
    /// What could not be read, as far as it is kept.
    pub unreadable: Vec<Unreadable>,
    /// The names of accounts.
    pub accounts: BTreeMap<AccountId, String>,
}

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
    /// Opens a store, or creates one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::prepare(Connection::open(path).map_err(failed("open the store"))?, true)
    }

    /// Opens a store that must exist. A file that is no store is left unchanged.
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
        Self::prepare(Connection::open_with_flags(path, flags).map_err(failed("open the store"))?, false)
    }

    fn prepare(mut connection: Connection, make: bool) -> Result<Self, StoreError> {
        connection.busy_handler(Some(wait)).map_err(failed("open the store"))?;
        match connection.transaction().and_then(|transaction| file_kind(&transaction)).map_err(failed("open the store"))? {
            FileKind::Store => {}
            FileKind::Nothing if !make => return Err(StoreError::Empty),
            FileKind::Nothing | FileKind::Older => {
                // Two runs may both see a missing or an older store: the second one finds the tables that the first one created.
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed("open the store"))?;
                match file_kind(&transaction).map_err(failed("open the store"))? {
                    FileKind::Store => {}
                    FileKind::Nothing => transaction.execute_batch(SCHEMA).map_err(failed("make the tables of the store"))?,
                    FileKind::Older => transaction.execute_batch(UPGRADE).map_err(failed("bring the store to this version"))?,
                    FileKind::Other(found) => return Err(StoreError::Version { found }),
                }
                transaction.commit().map_err(failed("make the tables of the store"))?;
            }
            FileKind::Other(found) => return Err(StoreError::Version { found }),
        }
        Ok(Store { connection })
    }

    /// Identifies the current content of the store, to notice later whether another run has written to it.
    pub fn revision(&self) -> Result<Revision, StoreError> {
        revision(&self.connection).map_err(failed("look at the store"))
    }

    /// Whether an input with this digest was read into the store before.
    pub fn knows(&self, digest: &Digest) -> Result<bool, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT 1 FROM inputs WHERE digest = ?1").map_err(failed("look an input up"))?;
        statement.exists([digest.as_slice()]).map_err(failed("look an input up"))
    }

    /// The digests of all inputs that were read into the store.
    pub fn known_inputs(&self) -> Result<std::collections::HashSet<Digest>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT digest FROM inputs")?;
            let rows = statement.query_map([], |row| row.get::<_, Digest>(0))?;
            rows.collect::<Result<_, _>>()
        };
        read().map_err(failed("list the inputs"))
    }

    /// Adds all evidence of the store to `facts`.
    pub fn load_facts(&self, facts: &mut EvidenceRows) -> Result<(), StoreError> {
        self.load_records(facts).map_err(failed("read the stored records"))?;
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

    fn load_records(&self, facts: &mut EvidenceRows) -> Result<(), rusqlite::Error> {
        let texts = {
            let mut statement = self.connection.prepare("SELECT id, text FROM texts")?;
            let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
            rows.collect::<Result<std::collections::HashMap<i64, String>, _>>()?
        };
        let text = |id: i64| texts.get(&id).map_or("", String::as_str);
        let mut statement = self.connection.prepare(
            "SELECT request_id, event_id, event_time, flags, kind, reach, account, region, principal, event_name, subject,
                    guardrail_identifier, guardrail_version, refusing_guardrail, error_code FROM records",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let flags: i64 = row.get(3)?;
            facts.restore(&StoredRecord {
                request_id: row.get(0)?,
                event_id: row.get(1)?,
                event_time: Some(row.get(2)?)
                    .filter(|millis| *millis > NO_TIME)
                    .map(|millis: i64| Timestamp::from_micros(millis.saturating_mul(1000))),
                bearer_key: flags & 1 != 0,
                refused_by_guardrail: flags & 2 != 0,
                partially_guarded: flags & 4 != 0,
                by_event_id: flags & 8 != 0,
                self_reported: flags & 16 != 0,
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
            });
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

    /// Adds what a run read: all of it or, if something fails, nothing.
    pub fn add(&mut self, facts: &EvidenceRows, inputs: &[(Digest, InputSummary)], world: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        let transaction = self.writing().map_err(failed("add to the store"))?;
        add_records(&transaction, facts).map_err(failed("add records to the store"))?;
        add_changes(&transaction, facts)?;
        let add = || -> Result<(), rusqlite::Error> {
            let mut statement =
                transaction.prepare("INSERT INTO world (path, json) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET json = excluded.json")?;
            for (path, json) in world {
                statement.execute(params![path, json])?;
            }
            drop(statement);
            add_inputs(&transaction, inputs)
        };
        add().map_err(failed("add the world and the inputs to the store"))?;
        transaction.commit().map_err(failed("add to the store"))
    }

    /// Starts a transaction that writes, as soon as no other run holds one.
    fn writing(&mut self) -> Result<Transaction<'_>, rusqlite::Error> {
        self.connection.transaction_with_behavior(TransactionBehavior::Immediate)
    }

    /// Replaces the conclusions by those of a run that audited everything in the store.
    pub fn conclude(&mut self, audit: &Audit) -> Result<(), StoreError> {
        self.conclude_if(audit, None).map(|_| ())
    }

    /// Replaces the conclusions like [`Store::conclude`], unless another run has written to the store since `since`: then it changes
    /// nothing and returns false.
    pub fn conclude_unless_changed(&mut self, audit: &Audit, since: Revision) -> Result<bool, StoreError> {
        self.conclude_if(audit, Some(since))
    }

    fn conclude_if(&mut self, audit: &Audit, since: Option<Revision>) -> Result<bool, StoreError> {
        let findings: Vec<(&Finding, String)> = audit
            .findings
            .iter()
            .map(|finding| Ok((finding, serde_json::to_string(finding)?)))
            .collect::<Result<_, _>>()
            .map_err(|source| StoreError::Stored { what: "finding", source })?;
        let transaction = self.writing().map_err(failed("write the findings"))?;
        if let Some(since) = since
            && revision(&transaction).map_err(failed("write the findings"))? != since
        {
            return Ok(false);
        }
        write_conclusions(&transaction, audit, &findings).map_err(failed("write the findings"))?;
        transaction.commit().map_err(failed("write the findings"))?;
        Ok(true)
    }

    /// All findings, in the order of reports.
    pub fn findings(&self) -> Result<Vec<Finding>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT json FROM findings ORDER BY position")?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        let stored = read().map_err(failed("read the stored findings"))?;
        let parse = |json: &String| serde_json::from_str(json).map_err(|source| StoreError::Stored { what: "finding", source });
        stored.iter().map(parse).collect()
    }

    /// The calls, counted by account, Region, model, operation, verdict, grade and reason.
    pub fn coverage(&self) -> Result<Vec<CoverageRow>, StoreError> {
        self.json_rows(
            "SELECT json_object('account', account, 'region', region, 'model', model, 'api', api, 'verdict', verdict, 'grade', grade,
                    'reason', reason, 'count', count) FROM coverage ORDER BY position",
            "coverage row",
        )
    }

    /// The calls, counted by day, account, Region, verdict and grade. Empty in a store that no audit of this version has concluded.
    pub fn days(&self) -> Result<Vec<DayRow>, StoreError> {
        self.json_rows(
            "SELECT json_object('day', day, 'account', account, 'region', region, 'verdict', verdict, 'grade', grade, 'count', count)
                FROM days ORDER BY position",
            "row of calls by day",
        )
    }

    /// The evidence that is missing, by account and Region.
    pub fn blind(&self) -> Result<Vec<BlindRow>, StoreError> {
        self.json_rows(
            "SELECT json_object('account', account, 'region', region, 'missing', missing, 'remedy', remedy) FROM blind ORDER BY position",
            "blind row",
        )
    }

    fn json_rows<T: serde::de::DeserializeOwned>(&self, sql: &str, what: &'static str) -> Result<Vec<T>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        let rows = read().map_err(failed("read what was concluded"))?;
        rows.iter().map(|json| serde_json::from_str(json).map_err(|source| StoreError::Stored { what, source })).collect()
    }

    /// How many records were read into the store, and what else it knows besides findings.
    pub fn summary(&self) -> Result<Summary, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT json FROM summary")?;
            statement.query_row([], |row| row.get::<_, String>(0)).optional()
        };
        let concluded: Option<String> = read().map_err(failed("read the summary"))?;
        let (invocations, accounts, judged) = match concluded {
            None => Default::default(),
            Some(json) => serde_json::from_str(&json).map_err(|source| StoreError::Stored { what: "summary", source })?,
        };
        let (counts, unreadable) = self.inputs()?;
        // A record that was taken and isn't judged was in the store already.
        let records = records(&counts, judged, counts.taken.saturating_sub(judged), 0);
        Ok(Summary { records, invocations, unreadable, accounts })
    }

    /// Calls a function with the ids of each record and change, in the order of their times.
    pub fn each_record_id<E>(&self, mut with: impl FnMut(RecordId<'_>) -> Result<(), E>) -> Result<Result<(), E>, StoreError> {
        let mut read = || {
            let mut statement = self.connection.prepare(
                "SELECT event_id, request_id, event_time, account.text, region.text, event_name.text FROM records
                    JOIN texts account ON account.id = records.account
                    JOIN texts region ON region.id = records.region
                    JOIN texts event_name ON event_name.id = records.event_name
                 UNION ALL
                 SELECT event_id, '', event_time / 1000, account, coalesce(json_extract(change, '$.region'), ''),
                        coalesce(json_extract(change, '$.operation'), '') FROM changes
                 ORDER BY 3, 1",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let text = |index| row.get_ref(index)?.as_str().map_err(rusqlite::Error::from);
                let millis: i64 = row.get(2)?;
                let outcome = with(RecordId {
                    event_id: text(0)?,
                    request_id: text(1)?,
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
        Ok((total, problems))
    }
}

/// A number that changes when another connection has written (sqlite.org/pragma.html#pragma_data_version).
fn revision(connection: &Connection) -> Result<Revision, rusqlite::Error> {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0)).map(Revision)
}

/// The counts of records as reports show them: read = judged + ignored + unreadable.
#[must_use]
pub fn records(counts: &Counts, judged: u64, duplicates: u64, not_selected: u64) -> Records {
    let mut ignored_because: BTreeMap<String, u64> = counts.ignored.iter().map(|(why, count)| (why.as_str().to_owned(), *count)).collect();
    for (why, count) in [(Ignored::Duplicate, duplicates), (Ignored::NotSelected, not_selected)] {
        if count > 0 {
            *ignored_because.entry(why.as_str().to_owned()).or_default() += count;
        }
    }
    Records {
        read: counts.read,
        judged,
        ignored: ignored_because.values().sum(),
        unreadable: counts.unreadable,
        duplicates,
        ignored_because,
        left_out: BTreeMap::new(),
    }
}

/// Maps each text to its id in the store.
struct TextIds<'t> {
    ids: std::collections::HashMap<String, i64>,
    transaction: &'t Transaction<'t>,
}

impl TextIds<'_> {
    fn id(&mut self, text: &str) -> Result<i64, rusqlite::Error> {
        if let Some(id) = self.ids.get(text) {
            return Ok(*id);
        }
        self.transaction.prepare_cached("INSERT INTO texts (text) VALUES (?1) ON CONFLICT DO NOTHING")?.execute([text])?;
        let id = self.transaction.prepare_cached("SELECT id FROM texts WHERE text = ?1")?.query_row([text], |row| row.get(0))?;
        self.ids.insert(text.to_owned(), id);
        Ok(id)
    }
}

fn add_records(transaction: &Transaction<'_>, facts: &EvidenceRows) -> Result<(), rusqlite::Error> {
    let mut texts = TextIds { ids: std::collections::HashMap::new(), transaction };
    let mut statement = transaction.prepare(
        "INSERT INTO records (request_id, event_id, event_time, flags, kind, reach, account, region, principal, event_name, subject,
                guardrail_identifier, guardrail_version, refusing_guardrail, error_code)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT DO NOTHING",
    )?;
    for record in facts.stored_records() {
        let flags = i64::from(record.bearer_key)
            | i64::from(record.refused_by_guardrail) << 1
            | i64::from(record.partially_guarded) << 2
            | i64::from(record.by_event_id) << 3
            | i64::from(record.self_reported) << 4;
        statement.execute(params![
            record.request_id,
            record.event_id,
            record.event_time.map_or(NO_TIME, |time| time.as_micros().div_euclid(1000)),
            flags,
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
        ])?;
    }
    Ok(())
}

fn add_changes(transaction: &Transaction<'_>, facts: &EvidenceRows) -> Result<(), StoreError> {
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

fn add_inputs(transaction: &Transaction<'_>, inputs: &[(Digest, InputSummary)]) -> Result<(), rusqlite::Error> {
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

fn write_conclusions(transaction: &Transaction<'_>, audit: &Audit, findings: &[(&Finding, String)]) -> Result<(), rusqlite::Error> {
    transaction.execute_batch("DELETE FROM findings; DELETE FROM coverage; DELETE FROM days; DELETE FROM blind; DELETE FROM summary;")?;
    let mut statement = transaction.prepare(
        "INSERT INTO findings (position, id, rule, severity, status, account, region, resource, verdict, grade, reason, count, first_seen,
                last_seen, title, detail, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?;
    for (position, (finding, json)) in findings.iter().enumerate() {
        statement.execute(params![
            position,
            finding.id,
            finding.rule,
            finding.severity.as_str(),
            finding.status.as_str(),
            finding.account.as_str(),
            finding.region.as_str(),
            finding.resource,
            finding.verdict.map(audit_core::verdict::Verdict::as_str),
            finding.grade.map(audit_core::verdict::Grade::as_str),
            finding.reason.map(audit_core::verdict::Reason::as_str),
            finding.count,
            finding.first_seen.map(|time| time.to_string()),
            finding.last_seen.map(|time| time.to_string()),
            finding.title,
            finding.detail,
            json,
        ])?;
    }
    let mut statement = transaction
        .prepare("INSERT INTO coverage (position, account, region, model, api, verdict, grade, reason, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    for (position, row) in audit.coverage.iter().enumerate() {
        let reason = row.reason.map(audit_core::verdict::Reason::as_str);
        let (verdict, grade) = (row.verdict.as_str(), row.grade.as_str());
        statement.execute(params![
            position,
            row.account.as_str(),
            row.region.as_str(),
            row.model,
            row.api,
            verdict,
            grade,
            reason,
            row.count
        ])?;
    }
    let mut statement = transaction
        .prepare("INSERT INTO days (position, day, account, region, verdict, grade, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for (position, row) in audit.days.iter().enumerate() {
        let (day, verdict, grade) = (row.day.map(|day| day.to_string()), row.verdict.as_str(), row.grade.as_str());
        statement.execute(params![position, day, row.account.as_str(), row.region.as_str(), verdict, grade, row.count])?;
    }
    let mut statement =
        transaction.prepare("INSERT INTO blind (position, account, region, missing, remedy) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (position, row) in audit.blind.iter().enumerate() {
        statement.execute(params![position, row.account.as_str(), row.region.as_str(), row.missing.as_str(), row.remedy])?;
    }
    let summary = serde_json::to_string(&(&audit.invocations, &audit.accounts, audit.judged));
    let summary = summary.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    transaction.execute("INSERT INTO summary (json) VALUES (?1)", [summary])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use audit_core::{
        auditor::{self, AuditOptions, Selection},
        config::Configuration,
        world::{SnapshotPath, World},
    };

    use super::*;
    use crate::{
        input::Input,
        scan::{Options, scan},
    };

    fn call(request: u32, time: &str) -> String {
        format!(
            r#"{{"eventSource":"bedrock.amazonaws.com","eventName":"Converse","eventType":"AwsApiCall","awsRegion":"us-east-1","recipientAccountId":"222233334444",
                "eventTime":"{time}","requestID":"request-{request}","eventID":"event-{request}","userIdentity":{{"arn":"arn:aws:iam::222233334444:user/u"}},
                "requestParameters":{{"modelId":"a.one"}}}}"#
        )
        .replace('\n', " ")
    }

    const CHANGE: &str = r#"{"eventSource":"bedrock.amazonaws.com","eventName":"DeleteEnforcedGuardrailConfiguration","awsRegion":"us-east-1",
        "recipientAccountId":"222233334444","eventTime":"2026-11-20T05:00:00Z","eventID":"change-1","requestParameters":{"configId":"c"}}"#;

    fn world_files() -> Vec<(String, Vec<u8>)> {
        vec![("effective-policies/222233334444.json".to_owned(), br#"{"EffectivePolicy": null}"#.to_vec())]
    }

    /// Reads a file with these records into the store, as `audit --store` does.
    fn run(store: &mut Store, folder: &Path, name: &str, records: &[String]) -> Audit {
        let path = folder.join(name);
        std::fs::write(&path, records.join("\n")).unwrap();
        let known = store.known_inputs().unwrap();
        let is_known = |digest: &Digest| known.contains(digest);
        let input = Input::File { bytes: std::fs::metadata(&path).unwrap().len(), path, is_named: true };
        let scanned = scan(&[input], &auditor::wanted(), &Options { known: Some(&is_known), ..Options::default() });
        let new: Vec<_> = scanned.inputs.into_iter().filter(|(digest, _)| !known.contains(digest)).collect();
        store.add(&scanned.facts, &new, &world_files()).unwrap();
        let mut facts = EvidenceRows::default();
        store.load_facts(&mut facts).unwrap();
        let mut world = World::default();
        for (path, json) in store.load_world().unwrap() {
            world.add(&SnapshotPath::parse(&path).unwrap(), &json).unwrap();
        }
        let (configuration, selection) = (Configuration::default(), Selection::default());
        let audit = auditor::audit(
            facts,
            world,
            &AuditOptions { configuration: &configuration, selection: &selection, now: Timestamp::from_seconds(0), threads: 1 },
        );
        store.conclude(&audit).unwrap();
        audit
    }

    fn dump(path: &Path) -> Vec<String> {
        let connection = Connection::open(path).unwrap();
        let mut all = Vec::new();
        for table in ["texts", "records", "changes", "world", "inputs", "findings", "coverage", "days", "blind", "summary"] {
            let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                all.push(format!(
                    "{table} {:?}",
                    (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column).unwrap()).collect::<Vec<_>>()
                ));
            }
        }
        all
    }

    #[test]
    fn several_runs_conclude_what_one_would_and_the_same_files_twice_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let records: Vec<String> = (0..4).map(|n| call(n, &format!("2026-11-20T0{}:00:00Z", 2 * n + 1))).collect();
        let mut several = Store::open(&at("several.db")).unwrap();
        run(&mut several, folder.path(), "a.jsonl", &records[2..]);
        run(&mut several, folder.path(), "b.jsonl", &[CHANGE.replace('\n', " "), records[0].clone()]);
        let last = run(&mut several, folder.path(), "c.jsonl", &records[..2]);
        let before = dump(&at("several.db"));
        let again = run(&mut several, folder.path(), "c-by-another-name.jsonl", &records[..2]);
        assert_eq!(again, last);
        assert_eq!(dump(&at("several.db")), before);

        let mut one = Store::open(&at("one.db")).unwrap();
        let all: Vec<String> = std::iter::once(CHANGE.replace('\n', " ")).chain(records).collect();
        let at_once = run(&mut one, folder.path(), "all.jsonl", &all);
        assert_eq!((&last.findings, &last.coverage, &last.blind), (&at_once.findings, &at_once.coverage, &at_once.blind));
        assert_eq!(last.invocations.violation, 2, "those after the deletion, known from another file");
        assert_eq!(several.findings().unwrap(), last.findings);
        assert_eq!(several.coverage().unwrap(), last.coverage);
        assert_eq!(several.blind().unwrap(), last.blind);
        assert_eq!(several.days().unwrap(), last.days);
        assert!(last.days.iter().map(|row| row.count).sum::<u64>() == 4 && last.days.iter().all(|row| row.day.is_some()));
        let summary = several.summary().unwrap();
        assert_eq!((summary.records.read, summary.records.judged, summary.records.duplicates), (6, 5, 1));
        assert_eq!(summary.records.read, summary.records.judged + summary.records.ignored + summary.records.unreadable);
        assert_eq!(summary.invocations, last.invocations);
    }

    #[test]
    fn calls_can_be_queried_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("s.db")).unwrap();
        run(&mut store, folder.path(), "a.jsonl", &[call(1, "2026-11-20T01:00:00Z"), call(2, "no time")]);
        let query = "SELECT group_concat(account || ' ' || event_name || ' ' || model_id || ' ' || coalesce(event_time, '-'), ', ') FROM calls ORDER BY request_id";
        let calls: String = store.connection.query_row(query, [], |row| row.get(0)).unwrap();
        assert_eq!(calls, "222233334444 Converse a.one 2026-11-20T01:00:00Z, 222233334444 Converse a.one -");
    }

    #[test]
    fn many_first_writers_make_one_store() {
        for round in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("s.db");
            let together = std::sync::Barrier::new(8);
            std::thread::scope(|scope| {
                let open = || {
                    together.wait();
                    let mut store = Store::open(&path)?;
                    store.add(&EvidenceRows::default(), &[], &world_files())
                };
                let opened: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
                for opened in opened {
                    opened.join().unwrap().unwrap_or_else(|error| panic!("round {round}: {error:?}"));
                }
            });
            assert_eq!(Store::open_existing(&path).unwrap().load_world().unwrap(), world_files());
        }
    }

    #[test]
    fn a_locked_store_is_waited_for() {
        static WAITED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
        on_wait(|| WAITED.store(true, std::sync::atomic::Ordering::SeqCst));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let mut store = Store::open(&path).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(std::time::Duration::from_secs(2));
                other.execute_batch("COMMIT").unwrap();
            });
            assert!(Store::open_existing(&path).unwrap().findings().unwrap().is_empty());
            store.add(&EvidenceRows::default(), &[], &world_files()).unwrap();
        });
        assert!(WAITED.load(std::sync::atomic::Ordering::SeqCst), "and it is said");
    }

    #[test]
    fn what_was_concluded_from_less_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let (mut one, mut other) = (Store::open(&path).unwrap(), Store::open(&path).unwrap());
        let before = one.revision().unwrap();
        one.add(&EvidenceRows::default(), &[], &world_files()).unwrap();
        assert_eq!(one.revision().unwrap(), before, "what it writes itself is no news");
        other.add(&EvidenceRows::default(), &[], &[("organization.json".to_owned(), b"{}".to_vec())]).unwrap();
        assert!(!one.conclude_unless_changed(&Audit::default(), before).unwrap());
        let after = one.revision().unwrap();
        assert!(one.conclude_unless_changed(&Audit::default(), after).unwrap());
    }

    #[test]
    fn a_store_of_version_1_is_brought_to_this_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let mut store = Store::open(&path).unwrap();
        let audit = run(&mut store, folder.path(), "a.jsonl", &[call(1, "2026-11-20T01:00:00Z")]);
        drop(store);
        let version_1 = "DROP TABLE days; PRAGMA user_version = 1;";
        Connection::open(&path).unwrap().execute_batch(version_1).unwrap();
        let mut store = Store::open_existing(&path).unwrap();
        assert_eq!((store.findings().unwrap(), store.days().unwrap()), (audit.findings.clone(), Vec::new()));
        assert_eq!(store.summary().unwrap().invocations, audit.invocations);
        store.conclude(&audit).unwrap();
        assert_eq!(store.days().unwrap(), audit.days);
        let tables = |path: &Path| {
            let connection = Connection::open(path).unwrap();
            let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").unwrap();
            let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))).unwrap();
            rows.collect::<Result<Vec<_>, _>>().unwrap()
        };
        let new = folder.path().join("new.db");
        drop(Store::open(&new).unwrap());
        assert_eq!(tables(&path), tables(&new), "the tables of an upgraded store are those of a new one");
    }

    #[test]
    fn another_database_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Version { found: 0 })));
        Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Version { found: 99 })));
        assert!(Store::open_existing(&folder.path().join("missing.db")).is_err());
    }
}
