//! The errors in answers of AWS that make them unusable.

/// Why a file of the world can't be used.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The file is not JSON.
    #[error("not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON other than the response that belongs into the file.
    #[error("not an answer of {operation}: {problem}")]
    Shape {
        /// The API operation whose response belongs there.
        operation: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// No response of AWS, or one that proves nothing.
    #[error("{0}")]
    Unusable(String),
}

pub(super) fn shape(operation: &'static str, problem: impl Into<String>) -> WorldError {
    WorldError::Shape { operation, problem: problem.into() }
}
