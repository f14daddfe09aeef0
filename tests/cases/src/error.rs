//! What can be wrong with a case.

use std::path::PathBuf;

/// What is wrong with a case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder can't be read or written.
    #[error("{}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file isn't the JSON that it should be.
    #[error("{}: {source}", file.display())]
    Unparsable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}
