//! The conclusions in a store: findings, counts of calls, missing evidence. Each audit replaces all of them.

use std::collections::BTreeMap;

use audit_core::{
    arn::AccountId,
    auditor::{Audit, Continued},
    facts::Ignored,
    finding::Finding,
    report::{BlindRow, CoverageRow, DayRow, Records, Unreadable},
    verdict::Invocations,
};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::{Store, StoreError, aggregates, compaction::note_divided, failed};
use crate::scan::Counts;

/// Identifies the content of a store, so that a later write by another run is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision(i64);

/// A configuration file that a store keeps, so that a report says later what was accepted and required.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptConfiguration {
    /// Its path, as it was given or found.
    pub path: String,
    /// Whether it was found in the working folder, and not given.
    pub was_found: bool,
    /// Its text.
    pub text: String,
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

impl Store {
    /// Identifies the current content of the store, to notice later whether another run has written to it.
    pub fn revision(&self) -> Result<Revision, StoreError> {
        revision(&self.connection).map_err(failed("look at the store"))
    }

    /// Replaces the conclusions by those of a run that audited everything in the store.
    pub fn conclude(&mut self, concluded: &Continued) -> Result<(), StoreError> {
        self.conclude_if(concluded, None, None).map(|_| ())
    }

    /// Replaces the conclusions like [`Store::conclude`], and the configuration under which they were reached, unless another run has written
    /// to the store since `since`: then it changes nothing and returns false.
    pub fn conclude_unless_changed(
        &mut self,
        concluded: &Continued,
        configuration: Option<&KeptConfiguration>,
        since: Revision,
    ) -> Result<bool, StoreError> {
        self.conclude_if(concluded, configuration, Some(since))
    }

    fn conclude_if(
        &mut self,
        concluded: &Continued,
        configuration: Option<&KeptConfiguration>,
        since: Option<Revision>,
    ) -> Result<bool, StoreError> {
        let Continued { audit, aggregates, divided } = concluded;
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
        aggregates::write(&transaction, aggregates)?;
        note_divided(&transaction, divided).map_err(failed("write what is known of calls"))?;
        if let Some(KeptConfiguration { path, was_found, text }) = configuration {
            let insert = "INSERT INTO configuration (path, was_found, text) VALUES (?1, ?2, ?3)";
            transaction.execute(insert, params![path, was_found, text]).map_err(failed("write the configuration"))?;
        }
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

    /// The configuration under which the conclusions were reached; `None` if nothing was configured.
    pub fn configuration(&self) -> Result<Option<KeptConfiguration>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT path, was_found, text FROM configuration")?;
            let kept = |row: &Row<'_>| Ok(KeptConfiguration { path: row.get(0)?, was_found: row.get(1)?, text: row.get(2)? });
            statement.query_row([], kept).optional()
        };
        read().map_err(failed("read the configuration"))
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

fn write_conclusions(transaction: &Transaction<'_>, audit: &Audit, findings: &[(&Finding, String)]) -> Result<(), rusqlite::Error> {
    transaction.execute_batch(
        "DELETE FROM findings; DELETE FROM coverage; DELETE FROM days; DELETE FROM blind; DELETE FROM summary; DELETE FROM configuration;",
    )?;
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
