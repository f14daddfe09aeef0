//! The embedded store: one SQLite file that keeps evidence, world and findings (`docs/store.md`).
//!
//! Evidence accumulates: a run adds what it read to what the store holds, and concludes from all of it. Of earlier calls it takes what is
//! known of them together (`store/aggregates.rs`), so its time depends on what is new. Every row is keyed by the identity of its content, so reading
//! the same files twice changes nothing, and the findings after several runs are those of one run over all of their inputs.

mod aggregates;
mod compaction;
mod conclusions;
mod evidence;
mod ids;
mod opening;

use std::path::Path;

pub use aggregates::Added;
use audit_core::auditor::StoredAggregateError;
pub use compaction::{CompactedDays, Compaction};
pub use conclusions::{KeptConfiguration, Revision, Summary, records};
pub use evidence::RecordId;
pub use opening::on_wait;
use opening::{FileKind, file_kind, message_of, open_error, wait};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

/// The version of the tables. An earlier one is brought to it; a store of any other version is refused and left unchanged.
const VERSION: i64 = 5;

const SCHEMA: &str = include_str!("store/schema.sql");

/// The statements that bring a store of version 1 to version 2, one of version 2 to version 3, and so on up to [`VERSION`].
const UPGRADES: [&str; 4] = [
    include_str!("store/upgrade-to-2.sql"),
    include_str!("store/upgrade-to-3.sql"),
    include_str!("store/upgrade-to-4.sql"),
    include_str!("store/upgrade-to-5.sql"),
];

/// The version before which records took more room than now.
const COMPACT_SINCE: usize = 4;

/// An open store.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
}

/// The error when a store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database engine failed.
    #[error("failed to {action}: {}", message_of(cause))]
    Sqlite {
        /// What was being done.
        action: &'static str,
        /// The cause. It is no source of this error, because it ends in a number that only SQLite knows.
        cause: rusqlite::Error,
    },
    /// The path leads to nothing that can be opened.
    #[error("{0}")]
    Unopened(String),
    /// Another run is writing to the store and didn't finish in time.
    #[error("another run has been writing to the store for a minute: try again when it is through")]
    Busy,
    /// The file is a store of another version, or no store at all.
    #[error("not a store of this version of guardrail-audit (its tables are of version {found}, not {VERSION})")]
    Version {
        /// The version of the file's tables; zero in a database that is no store.
        found: i64,
    },
    /// The file is of another kind.
    #[error("not a store: the file is no SQLite database")]
    Foreign,
    /// The file is empty, where a store must exist.
    #[error("not a store: the file is empty")]
    Empty,
    /// The store has records that no run has added up, so that they can't be dropped.
    #[error("a run on this store was interrupted, so its sums are not there: run `audit --store` again, and then compact")]
    NoSums,
    /// The sum over dropped records can't be used.
    #[error("failed to read the sums of compacted days")]
    Sum(#[source] StoredAggregateError),
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
    move |cause| match cause.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        Some(ErrorCode::NotADatabase) => StoreError::Foreign,
        _ => StoreError::Sqlite { action, cause },
    }
}

impl Store {
    /// Opens a store, or creates one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path).map_err(|cause| open_error(path, true, cause))?;
        Self::prepare(connection, true)
    }

    /// Opens a store that must exist. A file that is no store is left unchanged.
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
        let connection = Connection::open_with_flags(path, flags).map_err(|cause| open_error(path, false, cause))?;
        Self::prepare(connection, false)
    }

    fn prepare(mut connection: Connection, make: bool) -> Result<Self, StoreError> {
        connection.busy_handler(Some(wait)).map_err(failed("read what the file is"))?;
        match connection.transaction().and_then(|transaction| file_kind(&transaction)).map_err(failed("read what the file is"))? {
            FileKind::Store => {}
            FileKind::Nothing if !make => return Err(StoreError::Empty),
            FileKind::Nothing | FileKind::Older(_) => {
                let mut leaves_room = false;
                // Two runs may both see a missing or an older store: the second one finds the tables that the first one created.
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed("read what the file is"))?;
                match file_kind(&transaction).map_err(failed("read what the file is"))? {
                    FileKind::Store => {}
                    FileKind::Nothing => transaction.execute_batch(SCHEMA).map_err(failed("make the tables of the store"))?,
                    FileKind::Older(version) => {
                        for upgrade in UPGRADES.iter().skip(version - 1) {
                            transaction.execute_batch(upgrade).map_err(failed("bring the store to this version"))?;
                        }
                        leaves_room = version < COMPACT_SINCE;
                    }
                    FileKind::Other(found) => return Err(StoreError::Version { found }),
                }
                transaction.commit().map_err(failed("make the tables of the store"))?;
                if leaves_room {
                    // Gives back the room of the older tables. Where that fails, as on a full disk, later records use it.
                    let _ = connection.execute_batch("VACUUM");
                }
            }
            FileKind::Other(found) => return Err(StoreError::Version { found }),
        }
        Ok(Store { connection })
    }

    /// Starts a transaction that writes, as soon as no other run holds one.
    fn writing(&mut self) -> Result<Transaction<'_>, rusqlite::Error> {
        self.connection.transaction_with_behavior(TransactionBehavior::Immediate)
    }
}

#[cfg(test)]
mod tests;
