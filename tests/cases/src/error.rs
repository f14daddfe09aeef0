//! The errors of cases.

use std::path::PathBuf;

/// An error in a case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder can't be read or written.
    #[error("{}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file isn't the JSON that it should be.
    #[error("{}: {source}", file.display())]
    Unparsable {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// `expected.json` names a world that is no folder below `worlds/`.
    #[error("{case}: `{world}` is no folder of events/worlds/")]
    NoSuchWorld {
        /// The case.
        case: String,
        /// The world that it names.
        world: String,
    },
    /// `without` names a file that the named world doesn't have, so that leaving it out has no effect.
    #[error("{case}: `{file}` can't be left out: the world `{world}` has no such file")]
    NothingToLeaveOut {
        /// The case.
        case: String,
        /// The world that it names.
        world: String,
        /// The file.
        file: String,
    },
    /// A file of the case equals the named world's, so that it isn't the difference that it seems to be.
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
