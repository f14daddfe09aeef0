//! Opening a store: what its file is, and who else is writing to it.

use std::{sync::OnceLock, time::Duration};

use rusqlite::Transaction;

use super::VERSION;

/// How often a run looks whether another one has let go of the store.
const PAUSE: Duration = Duration::from_millis(50);

/// After so many looks it says that it waits: what takes no time needs no words.
const SAYS_SO: i32 = 10;

/// After so many looks it gives up: a minute.
const PATIENCE: i32 = 1200;

/// Who is told that a run waits.
static TOLD: OnceLock<fn()> = OnceLock::new();

/// From now on, whenever a run has to wait for another one that is writing to its store, this is called once.
pub fn when_waiting(tell: fn()) {
    // Who was named first is told.
    let _ = TOLD.set(tell);
}

/// What SQLite calls as long as the store is locked; `looks` counts how often it did. It passes nothing else on, so that who is told is the
/// same for all stores.
pub(super) fn wait(looks: i32) -> bool {
    if looks == SAYS_SO
        && let Some(tell) = TOLD.get()
    {
        tell();
    }
    std::thread::sleep(PAUSE);
    looks < PATIENCE
}

/// What a file is.
pub(super) enum Found {
    Store,
    Nothing,
    /// Another database, or a store of another version.
    Other(i64),
}

/// What a file is, at one moment.
pub(super) fn looked_at(transaction: &Transaction<'_>) -> Result<Found, rusqlite::Error> {
    let number = |query: &str| transaction.query_row(query, [], |row| row.get::<_, i64>(0));
    let (version, tables) = (number("PRAGMA user_version")?, number("SELECT count(*) FROM sqlite_schema")?);
    Ok(match (version, tables) {
        (VERSION, _) => Found::Store,
        (0, 0) => Found::Nothing,
        (found, _) => Found::Other(found),
    })
}
