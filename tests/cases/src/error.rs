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
    /// `expected.json` names a world that is no folder below `worlds/`.
    #[error("{case}: `{world}` is no folder of events/worlds/")]
    NoSuchWorld {
        /// The case.
        case: String,
        /// What it names.
        world: String,
    },
    /// `without` names a file that the named world doesn't have, so that leaving it out says nothing.
    #[error("{case}: `{file}` can't be left out: the world `{world}` has no such file")]
    NothingToLeaveOut {
        /// The case.
        case: String,
        /// The world that it names.
        world: String,
        /// The file.
        file: String,
    },
    /// A file of the case is the same as the named world's, so that it only looks like a difference.
    #[error("{case}: `world/{file}` is the same as in the world `{world}`: remove it")]
    Repeated {
        /// The case.
        case: String,
        /// The world that it names.
        world: String,
        /// The file.
        file: String,
    },
}
