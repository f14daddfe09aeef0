//! Opens a store: determines what its file is, and waits while another run writes to it.

use std::{fs, io::ErrorKind, path::Path, sync::OnceLock, time::Duration};

use rusqlite::Transaction;

use super::{StoreError, VERSION, failed};

/// How long a run sleeps between two attempts to lock the store.
const PAUSE: Duration = Duration::from_millis(50);

/// Attempts after which a run notifies the user that it waits. A shorter wait isn't worth a message.
const NOTIFIES_AFTER: i32 = 10;

/// Attempts after which a run gives up: one minute at [`PAUSE`].
const GIVES_UP_AFTER: i32 = 1200;

/// The function that is called when a run has to wait.
static ON_WAIT: OnceLock<fn()> = OnceLock::new();

/// Sets the function that is called once whenever a run has to wait for another one that is writing to its store.
pub fn on_wait(notify: fn()) {
    // The first function that was set stays.
    let _ = ON_WAIT.set(notify);
}

/// SQLite's busy handler: SQLite calls it while the store is locked, with the number of attempts so far, and gives up when it returns
/// false. SQLite passes nothing else on, so the function to notify is the same for all stores.
pub(super) fn wait(attempts: i32) -> bool {
    if attempts == NOTIFIES_AFTER
        && let Some(notify) = ON_WAIT.get()
    {
        notify();
    }
    std::thread::sleep(PAUSE);
    attempts < GIVES_UP_AFTER
}

/// What a file is.
pub(super) enum FileKind {
    Store,
    /// A store of an earlier version.
    Older(usize),
    Nothing,
    /// Another database, or a store of another version, with the version of its tables.
    Other(i64),
}

/// Determines what a file is.
pub(super) fn file_kind(transaction: &Transaction<'_>) -> Result<FileKind, rusqlite::Error> {
    let number = |query: &str| transaction.query_row(query, [], |row| row.get::<_, i64>(0));
    let (version, tables) = (number("PRAGMA user_version")?, number("SELECT count(*) FROM sqlite_schema")?);
    Ok(match (version, tables) {
        (VERSION, _) => FileKind::Store,
        (1, _) => FileKind::Older(1),
        (2, _) => FileKind::Older(2),
        (3, _) => FileKind::Older(3),
        (4, _) => FileKind::Older(4),
        (0, 0) => FileKind::Nothing,
        (found, _) => FileKind::Other(found),
    })
}

/// Explains why SQLite can't open a file. SQLite gives one answer for all reasons, so the file system is asked again.
pub(super) fn open_error(path: &Path, makes_it: bool, cause: rusqlite::Error) -> StoreError {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let why = match fs::metadata(path) {
        Ok(there) if there.is_dir() => "it is a folder: name a file".to_owned(),
        Err(error) if error.kind() != ErrorKind::NotFound => error.to_string(),
        Err(_) if !makes_it => "there is no such file; `audit --store` makes one".to_owned(),
        Err(_) if !folder.exists() => format!("there is no folder `{}`", folder.display()),
        Err(_) => format!("no file can be made in `{}`", folder.display()),
        Ok(_) => match fs::File::open(path) {
            Err(error) => error.to_string(),
            Ok(_) => return failed("open it")(cause),
        },
    };
    StoreError::Unopened(why)
}

/// What SQLite says of an error, without the number of its code.
pub(super) fn message_of(error: &rusqlite::Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("Error code ").and_then(|rest| rest.split_once(": ")) {
        Some((_, message)) => message.to_owned(),
        None => text,
    }
}
